//! Owns the address of a repository: what is accepted, what libgit2 gets, what people see. Must never show a credential,
//! and never pass on anything that could be taken for an option.

use std::fmt;
use std::path::{Path, PathBuf};

use super::RepositoryError;
use super::known_hosts::Endpoint;

/// Longer than any real address.
const MAX_BYTES: usize = 2048;

/// Whether repositories on this machine may be used (`--allow-file-urls`). Off unless somebody says so, because whoever
/// writes the rules file could otherwise read any repository that this process can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalUrls {
    /// `file://`, paths, and `http://` to this machine are errors.
    Refused,
    /// They are taken: tests, the demo, work offline.
    Allowed,
}

/// A user name and password that stand in the address.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct UserInfo {
    pub name: String,
    pub password: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// `https` (or `http` to this machine), without user information.
    Web { url: String, user: Option<UserInfo> },
    /// `url` has a user name always: libgit2 would ask for one otherwise, before it knows what the server accepts.
    Ssh { url: String, endpoint: Endpoint, user: String },
    /// An absolute path.
    File(PathBuf),
}

/// The address of a repository. Displays without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUrl(Place);

impl GitUrl {
    /// Reads `https://host/path`, `ssh://[user@]host[:port]/path`, `[user@]host:path`, and where they are allowed
    /// `file:///path` and paths.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Invalid`] that says what is wrong, without a credential.
    pub fn parse(text: &str, local: LocalUrls) -> Result<Self, RepositoryError> {
        // The text itself is shown only where it can hold no credential.
        if text.is_empty() {
            return invalid("gitUrl is empty; write https://host/path, ssh://git@host/path or git@host:path");
        }
        if text.len() > MAX_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return invalid("gitUrl holds spaces or control characters, or is too long; it is one plain address");
        }
        if text.starts_with('-') {
            return invalid(format!("gitUrl {text:?} begins with `-` like an option; write the whole address"));
        }
        match text.split_once("://") {
            Some(("https", _)) => web(text),
            Some(("ssh", _)) => ssh(text),
            Some(("http", _)) => {
                let url = web(text)?;
                match local {
                    LocalUrls::Allowed if is_this_machine(text) => Ok(url),
                    _ => invalid(format!("{url} would send credentials in clear; use https")),
                }
            }
            Some(("file", path)) => file(path.strip_prefix("localhost").unwrap_or(path), local),
            Some((scheme, _)) => invalid(format!(
                "gitUrl has the scheme {:?}; https and ssh are supported",
                scheme.chars().take(20).collect::<String>()
            )),
            None if is_path(text) => file(text, local),
            None => scp(text),
        }
    }

    /// What libgit2 gets: no credential in it.
    pub(super) fn for_libgit2(&self) -> String {
        match &self.0 {
            Place::Web { url, .. } | Place::Ssh { url, .. } => url.clone(),
            Place::File(path) => path.to_string_lossy().into_owned(),
        }
    }

    /// The directory of a repository on this machine.
    pub fn as_file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            _ => None,
        }
    }

    /// Host and port where this is reached by SSH.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.0 {
            Place::Ssh { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    /// The user name of SSH.
    pub(super) fn ssh_user(&self) -> Option<&str> {
        match &self.0 {
            Place::Ssh { user, .. } => Some(user),
            _ => None,
        }
    }

    pub(super) fn user_info(&self) -> Option<&UserInfo> {
        match &self.0 {
            Place::Web { user, .. } => user.as_ref(),
            _ => None,
        }
    }

    /// Whether certificates may be asked for.
    pub(super) fn is_web(&self) -> bool {
        matches!(self.0, Place::Web { .. })
    }

    /// Whether no proxy can be between us and the server.
    pub(super) fn is_on_this_machine(&self) -> bool {
        match &self.0 {
            Place::Web { url, .. } => is_this_machine(url),
            Place::Ssh { .. } => false,
            Place::File(_) => true,
        }
    }

    /// Whether `other`, an address as libgit2 writes it, is on the same server: only then it gets our credentials.
    pub(super) fn same_server(&self, other: &str) -> bool {
        let Place::Web { url, .. } = &self.0 else { return true };
        match (url::Url::parse(url), url::Url::parse(other)) {
            (Ok(ours), Ok(theirs)) => {
                ours.host_str() == theirs.host_str()
                    && (theirs.scheme() == "https" || ours.scheme() == theirs.scheme())
                    && (ours.port_or_known_default() == theirs.port_or_known_default()
                        || (ours.scheme(), theirs.scheme()) == ("http", "https"))
            }
            _ => false,
        }
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Web { url, .. } | Place::Ssh { url, .. } => f.write_str(url),
            Place::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, RepositoryError> {
    Err(RepositoryError::Invalid(message.into()))
}

fn parse(text: &str) -> Result<url::Url, RepositoryError> {
    let url = url::Url::parse(text)
        .map_err(|error| RepositoryError::Invalid(format!("gitUrl cannot be read: {error}; check the address")))?;
    if url.query().is_some() || url.fragment().is_some() {
        return invalid("gitUrl holds `?` or `#`; name only the repository, the branch has a key of its own");
    }
    if url.path().trim_matches('/').is_empty() {
        return invalid("gitUrl names a host but no repository; add its path");
    }
    Ok(url)
}

fn web(text: &str) -> Result<GitUrl, RepositoryError> {
    let mut url = parse(text)?;
    let user = (!url.username().is_empty() || url.password().is_some()).then(|| UserInfo {
        name: percent_decoded(url.username()),
        password: percent_decoded(url.password().unwrap_or_default()),
    });
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return invalid("gitUrl has a user but no host; check the address");
    }
    Ok(GitUrl(Place::Web { url: url.into(), user }))
}

fn ssh(text: &str) -> Result<GitUrl, RepositoryError> {
    let url = parse(text)?;
    if url.password().is_some() {
        return invalid(
            "gitUrl holds a password, but ssh is used with keys only; mount the key and name it in SSH_KEY_PATH",
        );
    }
    let user = if url.username().is_empty() { "git".to_owned() } else { percent_decoded(url.username()) };
    let shown = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let host = shown.trim_start_matches('[').trim_end_matches(']').to_owned();
    // SSH takes the path as it is, so what an address must escape is written out for libgit2, which does not.
    let path = percent_decoded(url.path());
    check_ssh(&user, &host, path.trim_start_matches('/'))?;
    let port = url.port().unwrap_or(22);
    let written = if port == 22 { String::new() } else { format!(":{port}") };
    let whole = format!("ssh://{user}@{shown}{written}{path}");
    Ok(GitUrl(Place::Ssh { url: whole, endpoint: Endpoint { host, port }, user }))
}

/// `[user@]host:path`. The path is taken from the user's home unless it begins with `/`, so this is no other spelling of
/// `ssh://` and is passed on as it is.
fn scp(text: &str) -> Result<GitUrl, RepositoryError> {
    let (user, rest) = match text.split_once('@') {
        Some((user, rest)) if !user.contains([':', '/']) => (user, rest),
        Some(_) => return invalid("gitUrl holds a password, but ssh is used with keys only; write git@host:path"),
        None => ("git", text),
    };
    let split = if rest.starts_with('[') {
        rest.split_once("]:").map(|(host, path)| (format!("{host}]"), path))
    } else {
        rest.split_once(':').map(|(host, path)| (host.to_owned(), path))
    };
    let Some((shown, path)) = split else {
        return invalid("gitUrl is no address; write https://host/path, ssh://git@host/path or git@host:path");
    };
    let shown = shown.to_ascii_lowercase();
    let host = shown.trim_start_matches('[').trim_end_matches(']').to_owned();
    check_ssh(user, &host, path)?;
    let whole = format!("{user}@{shown}:{path}");
    Ok(GitUrl(Place::Ssh { url: whole, endpoint: Endpoint { host, port: 22 }, user: user.to_owned() }))
}

fn check_ssh(user: &str, host: &str, path: &str) -> Result<(), RepositoryError> {
    let plain = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b) || more.contains(&b))
    };
    if !plain(host, b":%") || host.starts_with('-') {
        return invalid("gitUrl has no usable host name; write git@host:path or ssh://git@host/path");
    }
    if !plain(user, b"+~@$") || user.starts_with('-') {
        return invalid(format!("the user name in gitUrl for {host} is not usable; it is `git` for most hosts"));
    }
    if path.is_empty() || path.starts_with('-') || path.chars().any(|c| c.is_control() || "?#".contains(c)) {
        return invalid(format!("gitUrl names no repository on {host} that can be asked for; check its path"));
    }
    Ok(())
}

fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.']) || !text.contains(':')
}

fn file(path: &str, local: LocalUrls) -> Result<GitUrl, RepositoryError> {
    if local == LocalUrls::Refused {
        return invalid(format!("gitUrl {path} is on this machine; that needs --allow-file-urls"));
    }
    let path = std::path::absolute(path)
        .map_err(|error| RepositoryError::Invalid(format!("gitUrl {path} is no usable path: {error}")))?;
    Ok(GitUrl(Place::File(path)))
}

fn is_this_machine(text: &str) -> bool {
    match url::Url::parse(text).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'%').then(|| tail.get(..2)).flatten();
        match code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<GitUrl, RepositoryError> {
        GitUrl::parse(text, LocalUrls::Refused)
    }

    #[test]
    fn the_three_usual_forms_are_read() {
        for (text, shown, host, port) in [
            ("git@github.com:acme/x.git", "git@github.com:acme/x.git", "github.com", 22),
            ("github.com:acme/x.git", "git@github.com:acme/x.git", "github.com", 22),
            ("me@GitHub.com:/srv/x", "me@github.com:/srv/x", "github.com", 22),
            ("git@[::1]:x.git", "git@[::1]:x.git", "::1", 22),
            ("ssh://github.com/acme/x.git", "ssh://git@github.com/acme/x.git", "github.com", 22),
            ("ssh://me@host:2222/~me/x", "ssh://me@host:2222/~me/x", "host", 2222),
            ("ssh://git@[::1]:2222/x", "ssh://git@[::1]:2222/x", "::1", 2222),
            ("ssh://git@host/caf\u{e9}%20x.git", "ssh://git@host/caf\u{e9} x.git", "host", 22),
        ] {
            let url = strict(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.for_libgit2(), shown);
            assert_eq!(url.endpoint(), Some(&Endpoint { host: host.into(), port }), "{text}");
        }
        let url = strict("https://github.com/acme/x.git").unwrap();
        assert_eq!((url.to_string().as_str(), url.endpoint()), ("https://github.com/acme/x.git", None));
    }

    #[test]
    fn credentials_are_kept_and_never_shown() {
        for text in ["https://me:p%40ss%3aw@host/x", "https://p%40ss%3aw@host/x", "https://me:p%40ss%3aw@host:8443/x"] {
            let url = strict(text).unwrap();
            let user = url.user_info().unwrap();
            assert!([&user.name, &user.password].iter().any(|part| *part == "p@ss:w"));
            for shown in [format!("{url}"), format!("{url:?}"), url.for_libgit2()] {
                assert!(!shown.contains("ss") || !shown.contains("@"), "{shown}");
                assert!(!shown.contains("me"), "{shown}");
            }
        }
        for text in
            ["ssh://git:hunter2@host/x", "git:hunter2@host:x", "ftp://a:hunter2@host/x", "https://a:hunter2@host/x?y"]
        {
            let error = strict(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nothing_that_could_be_an_option_or_command_is_passed_on() {
        for text in [
            "",
            "-oProxyCommand=touch /tmp/x",
            "--upload-pack=x",
            "git@-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "ssh://-x@host/y",
            "-x@host:y",
            "git@host:-x",
            "ssh://git@host/-x",
            "ssh://git@host/a%0ab",
            "ssh://git@host/%2dx",
            "ssh://git@host/a%3fb",
            "ssh://a%0ab@host/x",
            "ssh://git@host",
            "ssh://git@host/",
            "ssh:///x",
            "git@host:",
            "git@:x",
            "ext::sh -c x",
            "git@host:a\nb",
            "https://host/a\tb",
            "git://host/x",
            "ftp://host/x",
            "https://host",
            "https://host/x#main",
            "http://host/x",
        ] {
            assert!(matches!(strict(text), Err(RepositoryError::Invalid(_))), "{text:?}");
        }
    }

    #[test]
    fn this_machine_is_a_remote_only_where_that_was_allowed() {
        for text in
            ["file:///srv/x.git", "/srv/x.git", "./x.git", "x.git", "http://127.0.0.1:3000/x", "file://localhost/srv/x"]
        {
            assert!(strict(text).is_err(), "{text}");
            assert!(GitUrl::parse(text, LocalUrls::Allowed).is_ok(), "{text}");
        }
        assert!(GitUrl::parse("http://10.0.0.1/x", LocalUrls::Allowed).is_err());
        for (text, here) in [("http://[::1]/x", true), ("https://localhost/x", true), ("https://host/x", false)] {
            assert_eq!(GitUrl::parse(text, LocalUrls::Allowed).unwrap().is_on_this_machine(), here, "{text}");
        }
        let url = GitUrl::parse("file:///srv/x.git", LocalUrls::Allowed).unwrap();
        assert_eq!((url.as_file(), url.to_string().as_str()), (Some(Path::new("/srv/x.git")), "file:///srv/x.git"));
        assert!(strict("/srv/x.git").unwrap_err().to_string().contains("--allow-file-urls"));
    }

    #[test]
    fn credentials_stay_on_the_server_they_are_for() {
        let url = strict("https://host/x").unwrap();
        for same in ["https://host/moved", "https://host:443/x"] {
            assert!(url.same_server(same), "{same}");
        }
        for other in ["https://other/x", "http://host/x", "https://host:8443/x", "https://host.evil/x", "nonsense"] {
            assert!(!url.same_server(other), "{other}");
        }
    }
}
