//! Owns one conversation with a remote: what libgit2's callbacks answer, and what they saw. Must never let a host in that
//! libgit2's own check refused, nor offer the same credential twice.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use git2::{CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode, RemoteCallbacks};

use super::credentials::Credentials;
use super::known_hosts::HostKey;
use super::libgit2::Libgit2;
use super::url::GitUrl;

/// More than this of what a remote says to people is not kept.
const MAX_REMOTE_TEXT: usize = 8 << 10;

/// Ends a conversation from outside: because nobody waits for it any more, or because it took too long.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    abandoned: Arc<AtomicBool>,
    end: Instant,
}

impl Limit {
    pub fn new(longest: Duration) -> Self {
        let now = Instant::now();
        Self { abandoned: Arc::default(), end: now.checked_add(longest).unwrap_or(now) }
    }

    /// Nobody waits any more.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) || Instant::now() >= self.end
    }
}

/// What the callbacks saw.
#[derive(Default)]
pub(super) struct Seen {
    /// How the credential that was offered is called.
    offered: Option<String>,
    /// What it means when the key cannot be read.
    pub unreadable_key: Option<String>,
    /// Why we have no credential to offer, or that it was refused.
    pub denied: Option<String>,
    /// The key that an SSH server showed.
    pub host_key: Option<HostKey>,
    secrets: Vec<String>,
    remote_text: Vec<u8>,
    /// What became of each pushed reference: `None` is success.
    pub references: Vec<(String, Option<String>)>,
}

/// One conversation, on one thread.
pub(super) struct Conversation<'a> {
    pub url: &'a GitUrl,
    pub libgit2: &'a Libgit2,
    pub limit: &'a Limit,
    credentials: &'a Credentials,
    pub seen: RefCell<Seen>,
}

impl<'a> Conversation<'a> {
    pub fn new(url: &'a GitUrl, credentials: &'a Credentials, libgit2: &'a Libgit2, limit: &'a Limit) -> Self {
        Self { url, libgit2, limit, credentials, seen: RefCell::default() }
    }

    /// The callbacks for one step; every step of the conversation gets its own set.
    pub fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|url, _, allowed| self.credential(url, allowed));
        callbacks.certificate_check(|certificate, _| {
            let Some(key) = certificate.as_hostkey().and_then(|key| key.hostkey()) else {
                return Ok(CertificateCheckStatus::CertificatePassthrough);
            };
            let key = HostKey::new(key);
            let revoked = self.libgit2.known_hosts().revokes(&key);
            self.seen.borrow_mut().host_key = Some(key);
            // The text of this error is lost in libgit2; only its code counts.
            if revoked {
                Err(refusal(ErrorCode::Certificate))
            } else {
                Ok(CertificateCheckStatus::CertificatePassthrough)
            }
        });
        callbacks.transfer_progress(|_| !self.limit.is_over());
        callbacks.sideband_progress(|text| {
            let kept = &mut self.seen.borrow_mut().remote_text;
            kept.extend(text.iter().take(MAX_REMOTE_TEXT.saturating_sub(kept.len())));
            !self.limit.is_over()
        });
        callbacks.push_update_reference(|name, status| {
            self.seen.borrow_mut().references.push((name.to_owned(), status.map(str::to_owned)));
            Ok(())
        });
        callbacks
    }

    fn credential(&self, url: &str, allowed: CredentialType) -> Result<Cred, git2::Error> {
        let mut seen = self.seen.borrow_mut();
        // libgit2 asks again and again as long as the server says no.
        if let Some(what) = seen.offered.take() {
            seen.denied = Some(format!("{what} was refused; check that it is registered there, for this repository"));
            return Err(refusal(ErrorCode::Auth));
        }
        if !self.url.same_server(url) {
            seen.denied = Some("it sends us to another server; write that one into gitUrl if it is right".to_owned());
            return Err(refusal(ErrorCode::Auth));
        }
        match self.credentials.present(self.url, allowed) {
            Ok(presented) => {
                seen.offered = Some(presented.what);
                seen.unreadable_key = presented.unreadable;
                seen.secrets.extend(presented.secrets);
                Ok(presented.credential)
            }
            Err(problem) => {
                seen.denied = Some(problem);
                Err(refusal(ErrorCode::Auth))
            }
        }
    }

    /// A text of the remote or of libgit2 made fit to be shown: one line, printable, no credential.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Of ours only what was offered can come back: the address that libgit2 has holds no credential.
        for secret in self.seen.borrow().secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "***");
        }
        plain_line(&text)
    }

    /// What the remote said to people, cleaned.
    pub fn remote_text(&self) -> String {
        let text = String::from_utf8_lossy(&self.seen.borrow().remote_text).into_owned();
        // Progress lines overwrite each other; only the last state of each is worth showing.
        let lines = text.split('\n').map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default());
        self.clean(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// One line without control characters, and without user information in any address (that of a proxy, for one).
fn plain_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    let words = words.map(|word| match word.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            authority
                .rsplit_once('@')
                .map_or_else(|| word.to_owned(), |(_, host)| format!("{scheme}://***@{host}{path}"))
        }
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn refusal(code: ErrorCode) -> git2::Error {
    git2::Error::new(code, ErrorClass::Callback, "refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_without_user_information() {
        let text = "a\u{1b}[31m b\n  invalid URL: 'http://me:p@ss@proxy:3128/x@y' ssh://host/a@b";
        assert_eq!(plain_line(text), "a [31m b invalid URL: 'http://***@proxy:3128/x@y' ssh://host/a@b");
    }

    #[test]
    fn a_limit_ends_by_time_or_by_word() {
        let limit = Limit::new(Duration::from_secs(3600));
        assert!(!limit.is_over());
        let same = limit.clone();
        limit.abandon();
        assert!(same.is_over());
        assert!(Limit::new(Duration::ZERO).is_over());
    }
}
