//! Owns what is said about SSH host keys: the fingerprint that a server shows, and what the known-hosts file has on it.
//! Must never accept a key: libgit2 checks the same file, strictly, and this only explains its answer or sharpens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A host and its port, as a known-hosts file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, in lower case, an IPv6 address without brackets.
    pub host: String,
    /// Its port, 22 by default.
    pub port: u16,
}

impl Endpoint {
    /// The name under which OpenSSH would write it down.
    fn name(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }
}

/// The public key that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey(Vec<u8>);

impl HostKey {
    /// From the key as SSH sends it.
    pub fn new(blob: &[u8]) -> Self {
        Self(blob.to_vec())
    }

    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, ... as the key itself says; libgit2 has it wrong for some.
    pub fn kind(&self) -> String {
        let name = || {
            let (length, rest) = self.0.split_first_chunk::<4>()?;
            let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            std::str::from_utf8(name).ok().filter(|name| name.bytes().all(|b| b.is_ascii_graphic())).map(str::to_owned)
        };
        name().unwrap_or_else(|| "unknown".to_owned())
    }

    /// As `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.0)))
    }

    fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

/// One line of the file that names a host.
#[derive(Debug)]
struct Line<'a> {
    number: usize,
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

/// The file with the trusted host keys. Cloning is cheap; nothing of it is kept in memory, so that it may change.
#[derive(Clone, Debug)]
pub struct KnownHosts {
    file: Arc<Path>,
}

impl KnownHosts {
    /// The file of that name, which need not exist yet.
    pub fn new(file: PathBuf) -> Self {
        Self { file: file.into() }
    }

    /// Whether a line `@revoked` names this key. libssh2 does not know of these.
    pub fn revokes(&self, key: &HostKey) -> bool {
        let wanted = key.base64();
        self.text().is_ok_and(|text| lines(&text).any(|line| line.marker == Some("@revoked") && line.key == wanted))
    }

    /// Why `key` was refused for `endpoint`, and what to do.
    pub fn explain(&self, endpoint: &Endpoint, key: &HostKey) -> String {
        let (kind, fingerprint, file) = (key.kind(), key.fingerprint(), self.file.display());
        let shown = format!("the host key that {} shows, {kind} {fingerprint}", endpoint.name());
        let advice = format!(
            "compare the fingerprint with the one that the host publishes, then add the line `{} {kind} {}`",
            endpoint.name(),
            key.base64()
        );
        let text = match self.text() {
            Ok(text) => text,
            Err(error) => {
                return format!(
                    "{shown}, cannot be checked because {file} (SSH_KNOWN_HOSTS) cannot be read: {error}; make the file; {advice}"
                );
            }
        };
        if self.revokes(key) {
            return format!("{shown}, is marked @revoked in {file}; find out who answers there");
        }
        if let Some(line) = lines(&text).find(|line| line.marker.is_none() && line.names(endpoint)) {
            let known = STANDARD.decode(line.key).map(|blob| HostKey(blob).fingerprint());
            return format!(
                "{shown}, is not the one in {file}:{}, {} {}; either the host has a new key or somebody else answers: {advice} in place of that one",
                line.number,
                line.kind,
                known.unwrap_or_else(|_| "which is damaged".to_owned()),
            );
        }
        let pattern = lines(&text).find(|line| line.matches_pattern(endpoint));
        let hashed = lines(&text).filter(|line| line.hosts.starts_with("|1|")).count();
        let remark = match (pattern, hashed) {
            (Some(line), _) => {
                format!(" (line {} names it by a pattern, which is not supported: write the name in full)", line.number)
            }
            (None, 0) => String::new(),
            (None, n) => format!(" ({n} of its lines hide the host's name; one may list another key of this host)"),
        };
        format!("{shown}, is not in {file} (SSH_KNOWN_HOSTS){remark}; {advice}")
    }

    /// The types of the keys that the file lists for `endpoint`: no other is asked of the server.
    pub fn kinds(&self, endpoint: &Endpoint) -> Vec<String> {
        let text = self.text().unwrap_or_default();
        lines(&text).filter(|line| line.names(endpoint)).map(|line| line.kind.to_owned()).collect()
    }

    /// The first line that libssh2 cannot read. It refuses the whole file then, so this says where to look.
    pub fn broken_line(&self) -> Option<String> {
        let text = self.text().ok()?;
        let broken = |line: &str| match line.trim_start().split_once([' ', '\t']) {
            Some((_, key)) => key.trim().len() < 20,
            None => true,
        };
        let number = text
            .lines()
            .position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#') && broken(line))?;
        Some(format!("{}:{} is no `host type key`", self.file.display(), number + 1))
    }

    fn text(&self) -> std::io::Result<String> {
        std::fs::read(&self.file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().filter(|word| !word.starts_with('#'))?;
        let marker = first.starts_with('@').then_some(first);
        let hosts = if marker.is_some() { words.next()? } else { first };
        Some(Line { number: index + 1, marker, hosts, kind: words.next()?, key: words.next()? })
    })
}

impl Line<'_> {
    /// As libssh2 does it: the name with its port, or the bare name for any port.
    fn names(&self, endpoint: &Endpoint) -> bool {
        let full = format!("[{}]:{}", endpoint.host, endpoint.port);
        self.hosts.split(',').any(|name| name == endpoint.host || name == full)
    }

    fn matches_pattern(&self, endpoint: &Endpoint) -> bool {
        self.hosts.split(',').any(|name| name.contains(['*', '?']) && glob(name.as_bytes(), endpoint.name().as_bytes()))
    }
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|tail| glob(rest, tail))),
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((p, rest)), Some((n, tail))) => p == n && glob(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's published ed25519 key and its published fingerprint.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    fn github() -> (Endpoint, HostKey) {
        (Endpoint { host: "github.com".into(), port: 22 }, HostKey(STANDARD.decode(KEY).unwrap()))
    }

    fn file(text: &str) -> (tempfile::TempDir, KnownHosts) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("known_hosts"), text).unwrap();
        let hosts = KnownHosts::new(dir.path().join("known_hosts"));
        (dir, hosts)
    }

    #[test]
    fn a_key_knows_its_type_and_its_fingerprint() {
        let (_, key) = github();
        assert_eq!((key.kind().as_str(), key.fingerprint().as_str()), ("ssh-ed25519", FINGERPRINT));
        for damaged in [&b""[..], b"\0\0\0\x09short", b"\xff\xff\xff\xff", b"\0\0\0\x02\x1b["] {
            assert_eq!(HostKey::new(damaged).kind(), "unknown");
        }
    }

    #[test]
    fn an_unknown_host_is_answered_with_the_line_to_add() {
        let (endpoint, key) = github();
        let (_dir, hosts) =
            file("# mine\ngitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn\n");
        let text = hosts.explain(&endpoint, &key);
        assert!(text.contains(FINGERPRINT) && text.contains("is not in"), "{text}");
        assert!(text.contains(&format!("`github.com ssh-ed25519 {KEY}`")), "{text}");
        let text = hosts.explain(&Endpoint { port: 2222, ..endpoint }, &key);
        assert!(text.contains("`[github.com]:2222 ssh-ed25519"), "{text}");
    }

    #[test]
    fn a_changed_key_is_told_from_an_unknown_host() {
        let (endpoint, key) = github();
        let (_dir, hosts) = file("\nexample.com,github.com ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ==\n");
        let text = hosts.explain(&endpoint, &key);
        assert!(text.contains("known_hosts:2, ssh-rsa SHA256:") && text.contains("in place of that one"), "{text}");
        assert_eq!(hosts.kinds(&endpoint), ["ssh-rsa"]);
    }

    #[test]
    fn lines_that_may_or_do_not_count_are_mentioned() {
        let (endpoint, key) = github();
        let (_dir, hosts) = file("|1|c2FsdHNhbHRzYWx0|aGFzaGhhc2g= ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB\n");
        assert!(hosts.explain(&endpoint, &key).contains("1 of its lines hide the host's name"));
        let (_dir, hosts) = file(&format!("*.example.com,git*.com ssh-ed25519 {KEY}\n"));
        assert!(hosts.explain(&endpoint, &key).contains("line 1 names it by a pattern"));
        let hosts = KnownHosts::new(PathBuf::from("/nowhere/known_hosts"));
        assert!(hosts.explain(&endpoint, &key).contains("/nowhere/known_hosts (SSH_KNOWN_HOSTS) cannot be read"));
    }

    #[test]
    fn a_revoked_key_is_found_whoever_shows_it() {
        let (endpoint, key) = github();
        let (_dir, hosts) = file(&format!("github.com ssh-ed25519 {KEY}\n@revoked * ssh-ed25519 {KEY} leaked\n"));
        assert!(hosts.revokes(&key) && hosts.explain(&endpoint, &key).contains("@revoked"));
        let (_dir, hosts) = file(&format!("github.com ssh-ed25519 {KEY}\n"));
        assert!(!hosts.revokes(&key));
    }

    #[test]
    fn the_line_that_spoils_the_file_is_named() {
        let (_dir, hosts) = file(&format!("# fine\n\ngithub.com ssh-ed25519 {KEY}\ngithub.com ssh-rsa\n"));
        assert!(hosts.broken_line().unwrap().ends_with("known_hosts:4 is no `host type key`"));
        let (_dir, hosts) =
            file(&format!("github.com ssh-ed25519 {KEY}\n@cert-authority *.x ssh-rsa AAAAB3NzaC1yc2E\n"));
        assert_eq!(hosts.broken_line(), None);
    }
}
