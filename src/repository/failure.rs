//! Owns the translation of libgit2's errors into ours. Must never lose what a person needs to act, or show a credential.

use git2::{ErrorClass, ErrorCode};

use super::conversation::Conversation;
use super::{PushError, RepositoryError};

/// What the texts of remotes hold that will not have us, in lower case.
const DENIALS: [&str; 9] = [
    "not found",
    "does not exist",
    "does not appear to be a git repository",
    "not a git repository",
    "permission",
    "denied",
    "read only",
    "unauthorized",
    "forbidden",
];

/// What libssh2 says when it cannot make anything of a private key.
const UNREADABLE_KEY: [&str; 3] = ["Unable to extract public key", "Wrong passphrase", "Unable to parse private key"];

/// What a remote says of a reference that is not where we believed.
const RACES: [&str; 9] = [
    "failed to update ref",
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value",
    "reference already exists",
    "but expected",
];

/// An error in a conversation with a remote.
pub(super) fn remote(error: &git2::Error, talk: &Conversation<'_>) -> RepositoryError {
    let remote = talk.url.to_string();
    let text = talk.clean(error.message());
    if talk.limit.is_over() {
        return RepositoryError::Unreachable { remote, message: "it took too long and was given up".to_owned() };
    }
    if let Some(message) = denial(error, &text, talk) {
        return RepositoryError::Denied { remote, message };
    }
    let lower = text.to_lowercase();
    // OpenSSL tells the end of its patience only by the error of the system.
    let late = ["timed out", "timeout", "resource temporarily unavailable"].iter().any(|sign| lower.contains(sign));
    let message = if late {
        let seconds = talk.libgit2.server_timeout().as_secs_f32();
        format!("no answer within {seconds} s ({text}); check address, port and firewall")
    } else if text.contains("Unable to exchange encryption keys") {
        no_common_key(talk)
    } else if talk.url.as_file().is_some() {
        format!("{text}; check the path and who owns it")
    } else {
        text
    };
    match error.class() {
        ErrorClass::Net | ErrorClass::Ssh | ErrorClass::Ssl | ErrorClass::Http | ErrorClass::Os => {
            RepositoryError::Unreachable { remote, message }
        }
        _ if talk.url.as_file().is_some() => RepositoryError::Unreachable { remote, message },
        _ => RepositoryError::Git(format!("{remote}: {message}")),
    }
}

fn denial(error: &git2::Error, text: &str, talk: &Conversation<'_>) -> Option<String> {
    let seen = talk.seen.borrow();
    if let Some(denied) = &seen.denied {
        return Some(denied.clone());
    }
    let certificate = error.class() == ErrorClass::Ssl && text.contains("certificate");
    if error.code() == ErrorCode::Certificate || certificate {
        return Some(match (&seen.host_key, talk.url.endpoint()) {
            (Some(key), Some(endpoint)) => talk.libgit2.known_hosts().explain(endpoint, key),
            _ => format!("its certificate is not trusted ({text}); mount the authority's and name it in SSL_CERT_FILE"),
        });
    }
    if let Some(unreadable) = seen.unreadable_key.as_ref().filter(|_| UNREADABLE_KEY.iter().any(|t| text.contains(t))) {
        return Some(unreadable.clone());
    }
    if text.contains("known_hosts") {
        let broken = talk.libgit2.known_hosts().broken_line();
        return Some(format!("the known hosts cannot be read: {}", broken.unwrap_or_else(|| text.to_owned())));
    }
    match text.rsplit_once("unexpected http status code: ").map(|(_, status)| status) {
        Some("404" | "410") => {
            return Some(
                "it has no such repository, or does not show it to these credentials; check gitUrl and token".into(),
            );
        }
        Some("401" | "403") => {
            return Some(
                "it refused these credentials (HTTP 403); check that the token may read and write this repository"
                    .into(),
            );
        }
        _ => {}
    }
    // The remote's own words: from standard error over SSH, or in the protocol.
    let said =
        (error.class() == ErrorClass::Ssh && error.code() == ErrorCode::Eof) || text.starts_with("remote error:");
    let lower = text.to_lowercase();
    let auth = error.code() == ErrorCode::Auth;
    (auth || said && DENIALS.iter().any(|denial| lower.contains(denial)))
        .then(|| format!("{text}; check gitUrl, and that the credentials may read and write there"))
}

/// Only key types that the known hosts list are asked for, so a host that has only others cannot be talked to at all.
fn no_common_key(talk: &Conversation<'_>) -> String {
    let kinds = talk.url.endpoint().map(|endpoint| talk.libgit2.known_hosts().kinds(endpoint)).unwrap_or_default();
    if kinds.is_empty() {
        "no algorithm in common with this server".to_owned()
    } else {
        format!(
            "the server has no key of the types that the known hosts list for it ({}); list its keys",
            kinds.join(", ")
        )
    }
}

/// What the remote's answer on our reference means.
pub(super) fn declined(status: &str, talk: &Conversation<'_>) -> PushError {
    let lower = status.to_lowercase();
    if RACES.iter().any(|race| lower.contains(race)) {
        return PushError::Raced;
    }
    let (status, said) = (talk.clean(status), talk.remote_text());
    PushError::Refused(if said.is_empty() { status } else { format!("{status}: {said}") })
}

/// An error in our own clone.
pub(super) fn local(error: &git2::Error) -> RepositoryError {
    RepositoryError::Git(error.message().to_owned())
}
