//! Owns where credentials come from, and reads them at the moment of use, so that a mounted Secret may change at any time.
//! Must never keep one in memory beyond that, nor put one into an error or a `Debug` text.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use git2::{Cred, CredentialType};

use super::url::GitUrl;

/// Larger than any key or token.
const MAX_BYTES: u64 = 64 << 10;

/// The user name that goes with a bare token. GitHub documents it; GitLab, Gitea and others take any.
const TOKEN_USER: &str = "x-access-token";

/// Bitbucket insists on its own.
const BITBUCKET_TOKEN_USER: &str = "x-token-auth";

/// Where one secret text is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nowhere.
    #[default]
    Unset,
    /// In this environment variable.
    Variable(&'static str),
    /// In this file; whitespace at its end does not count.
    File(PathBuf),
}

impl Source {
    /// `NAME_FILE` if it is set, else `NAME`.
    fn from_env(name: &'static str, is_set: impl Fn(&str) -> Option<PathBuf>) -> Self {
        match (is_set(&format!("{name}_FILE")), is_set(name)) {
            (Some(file), _) => Self::File(file),
            (None, Some(_)) => Self::Variable(name),
            (None, None) => Self::Unset,
        }
    }

    fn read(&self) -> Result<Option<String>, String> {
        match self {
            Self::Unset => Ok(None),
            Self::Variable(name) => std::env::var(name).map(Some).map_err(|_| format!("{name} is no text")),
            Self::File(path) => {
                let text = read_file(path)?;
                let text = text.trim_end();
                if text.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(Some(text.to_owned())) }
            }
        }
    }
}

/// Where the credentials for one remote are found. Holds none itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The private key of SSH: ed25519, ecdsa or rsa, in OpenSSH's or PEM form.
    pub ssh_key: PathBuf,
    /// The passphrase of that key.
    pub passphrase: Source,
    /// A token for `https`.
    pub token: Source,
    /// The user name for `https`.
    pub username: Source,
    /// The password for `https`.
    pub password: Source,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            ssh_key: PathBuf::from("/ssh/identity"),
            passphrase: Source::Unset,
            token: Source::Unset,
            username: Source::Unset,
            password: Source::Unset,
        }
    }
}

impl Credentials {
    /// As `SSH_KEY_PATH`, `SSH_KEY_PASSPHRASE`, `GIT_TOKEN`, `GIT_USERNAME` and `GIT_PASSWORD` say; each of the last four
    /// also with `_FILE` at its end, naming a file. An empty variable counts as unset.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn from_lookup(is_set: impl Fn(&str) -> Option<PathBuf>) -> Self {
        Self {
            ssh_key: is_set("SSH_KEY_PATH").unwrap_or_else(|| Self::default().ssh_key),
            passphrase: Source::from_env("SSH_KEY_PASSPHRASE", &is_set),
            token: Source::from_env("GIT_TOKEN", &is_set),
            username: Source::from_env("GIT_USERNAME", &is_set),
            password: Source::from_env("GIT_PASSWORD", &is_set),
        }
    }

    /// What a server of `url` that accepts `allowed` gets. The error says what is missing.
    pub(super) fn present(&self, url: &GitUrl, allowed: CredentialType) -> Result<Presented, String> {
        if let Some(user) = url.ssh_user() {
            if allowed.contains(CredentialType::SSH_MEMORY) {
                self.present_key(user)
            } else {
                Err("the server takes no public keys from this user, and nothing else is supported; enable them there"
                    .into())
            }
        } else if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) {
            self.present_password(url)
        } else {
            Err("the server asks for a kind of login that is not supported; use a token".into())
        }
    }

    fn present_key(&self, user: &str) -> Result<Presented, String> {
        let path = self.ssh_key.display();
        let key =
            read_file(&self.ssh_key).map_err(|error| format!("{error}; mount the key there or set SSH_KEY_PATH"))?;
        // libssh2 wants the last line to end and takes a `\r` for a part of the key: both get lost in Secrets.
        let key = format!("{}\n", key.trim().replace('\r', ""));
        let encrypted = is_encrypted(&key).map_err(|problem| format!("{path} {problem}"))?;
        let passphrase = self.passphrase.read()?;
        if encrypted && passphrase.is_none() {
            return Err(format!(
                "the key in {path} has a passphrase; set SSH_KEY_PASSPHRASE or SSH_KEY_PASSPHRASE_FILE"
            ));
        }
        let refusal = match (encrypted, &self.passphrase) {
            (true, source) => format!("{} does not open the key in {path}", source.name("SSH_KEY_PASSPHRASE")),
            (false, _) => {
                format!("the key in {path} is damaged or of an unknown type; ed25519, ecdsa and rsa are supported")
            }
        };
        let credential = Cred::ssh_key_from_memory(user, None, &key, passphrase.as_deref().filter(|_| encrypted))
            .map_err(|_| refusal.clone())?;
        Ok(Presented {
            credential,
            what: format!("the key in {path} as user {user}"),
            unreadable: Some(refusal),
            secrets: passphrase.into_iter().collect(),
        })
    }

    fn present_password(&self, url: &GitUrl) -> Result<Presented, String> {
        let username = self.username.read()?;
        let (name, password, what) = if let Some(user) = url.user_info() {
            (user.name.clone(), user.password.clone(), "the credentials in gitUrl".to_owned())
        } else if let Some(password) = self.password.read()? {
            let name = username.ok_or("GIT_PASSWORD is set but GIT_USERNAME is not; set both, or GIT_TOKEN alone")?;
            (name, password, format!("the password from {}", self.password.name("GIT_PASSWORD")))
        } else if let Some(token) = self.token.read()? {
            let default = if is_bitbucket(url) { BITBUCKET_TOKEN_USER } else { TOKEN_USER };
            let name = username.unwrap_or_else(|| default.to_owned());
            (name, token, format!("the token from {}", self.token.name("GIT_TOKEN")))
        } else {
            return Err("the server asks for credentials; set GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD \
                        (or the same with _FILE at the end, naming a file)"
                .into());
        };
        let credential = Cred::userpass_plaintext(&name, &password)
            .map_err(|_| format!("{what} cannot be used: it holds a zero byte"))?;
        // Some hosts take the token as the name, with no password.
        let secret = if password.is_empty() { name } else { password };
        Ok(Presented { credential, what, unreadable: None, secrets: vec![secret] })
    }
}

impl Source {
    fn name(&self, variable: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Unset | Self::Variable(_) => variable.to_owned(),
        }
    }
}

/// A credential on its way to libgit2, and what may be said about it.
pub(super) struct Presented {
    pub credential: Cred,
    /// Names it for people.
    pub what: String,
    /// What it means when libssh2 cannot read the key.
    pub unreadable: Option<String>,
    /// Texts that must not appear anywhere.
    pub secrets: Vec<String>,
}

fn is_bitbucket(url: &GitUrl) -> bool {
    url.for_libgit2().starts_with("https://bitbucket.org/")
}

fn read_file(path: &Path) -> Result<String, String> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) if text.len() as u64 > MAX_BYTES => Err(format!("{} is too long to be a credential", path.display())),
        Ok(text) => Ok(text),
        Err(error) => {
            let error: std::io::Error = error;
            Err(format!("cannot read {}: {error}", path.display()))
        }
    }
}

/// Whether a private key needs a passphrase; the error is the rest of a sentence that begins with the file's name.
fn is_encrypted(key: &str) -> Result<bool, String> {
    let head = key.lines().next().unwrap_or_default();
    if head.starts_with("PuTTY-User-Key-File") {
        return Err("holds a key in PuTTY's form; export it in OpenSSH's form".into());
    }
    if ["ssh-", "ecdsa-sha2-", "sk-"].iter().any(|kind| head.starts_with(kind)) {
        return Err("holds a public key; the private one is needed".into());
    }
    if head.is_empty() {
        return Err("is empty; the private key is needed".into());
    }
    if !(head.starts_with("-----BEGIN ") && head.contains("PRIVATE KEY-----")) {
        return Err("holds no private key; it begins with `-----BEGIN ... PRIVATE KEY-----`".into());
    }
    if head.contains("OPENSSH") {
        return Ok(openssh_cipher(key).is_some_and(|cipher| cipher != b"none"));
    }
    Ok(head.contains("ENCRYPTED")
        || key.lines().any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED")))
}

/// The name of the cipher stands behind a fixed mark and its own length.
fn openssh_cipher(key: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text: String = key.lines().skip(1).take_while(|line| !line.starts_with("-----")).map(str::trim).collect();
    let start = text.get(..text.len().min(64))?;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(start.trim_end_matches('=')).ok()?;
    let (length, rest) = bytes.strip_prefix(b"openssh-key-v1\0")?.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::url::LocalUrls;

    fn https(text: &str) -> GitUrl {
        GitUrl::parse(text, LocalUrls::Refused).unwrap()
    }

    fn told(credentials: &Credentials, url: &str, allowed: CredentialType) -> Result<String, String> {
        credentials.present(&https(url), allowed).map(|presented| presented.what)
    }

    fn key(encrypted: bool) -> String {
        use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};
        let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap();
        let key = if encrypted { key.encrypt(&mut OsRng, "hunter2").unwrap() } else { key };
        key.to_openssh(LineEnding::LF).unwrap().to_string()
    }

    #[test]
    fn the_environment_names_variables_and_files() {
        let set = ["SSH_KEY_PATH", "GIT_TOKEN", "GIT_PASSWORD", "GIT_PASSWORD_FILE"];
        let found = Credentials::from_lookup(|name| set.contains(&name).then(|| PathBuf::from(format!("/x/{name}"))));
        assert_eq!(found.ssh_key, PathBuf::from("/x/SSH_KEY_PATH"));
        assert_eq!(found.token, Source::Variable("GIT_TOKEN"));
        assert_eq!(found.password, Source::File("/x/GIT_PASSWORD_FILE".into()));
        assert_eq!(found.passphrase, Source::Unset);
        assert_eq!(Credentials::from_lookup(|_| None).ssh_key, PathBuf::from("/ssh/identity"));
    }

    #[test]
    fn keys_in_wrong_forms_are_told_apart() {
        assert_eq!(is_encrypted(&key(false)), Ok(false));
        assert_eq!(is_encrypted(&key(true)), Ok(true));
        assert_eq!(is_encrypted("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n"), Ok(true));
        assert_eq!(is_encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n"), Ok(true));
        assert_eq!(is_encrypted("-----BEGIN EC PRIVATE KEY-----\nAA==\n"), Ok(false));
        for (text, hint) in [
            ("ssh-ed25519 AAAA me@host", "public key"),
            ("PuTTY-User-Key-File-3: ssh-ed25519", "PuTTY"),
            ("", "empty"),
            ("hello", "no private key"),
        ] {
            assert!(is_encrypted(text).unwrap_err().contains(hint), "{text}");
        }
    }

    #[test]
    fn what_is_missing_for_ssh_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        let mut credentials = Credentials { ssh_key: path.clone(), ..Credentials::default() };
        let ask = |credentials: &Credentials| told(credentials, "git@host:x", CredentialType::SSH_MEMORY);
        assert!(ask(&credentials).unwrap_err().contains("SSH_KEY_PATH"));
        std::fs::write(&path, key(true).replace('\n', "\r\n")).unwrap();
        assert!(ask(&credentials).unwrap_err().contains("set SSH_KEY_PASSPHRASE"));
        std::fs::write(dir.path().join("passphrase"), "hunter2\n").unwrap();
        credentials.passphrase = Source::File(dir.path().join("passphrase"));
        assert_eq!(ask(&credentials).unwrap(), format!("the key in {} as user git", path.display()));
        let only_password = told(&credentials, "git@host:x", CredentialType::USER_PASS_PLAINTEXT);
        assert!(only_password.unwrap_err().contains("public keys"));
    }

    #[test]
    fn https_takes_the_most_specific_credentials() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["token", "user", "password"] {
            std::fs::write(dir.path().join(name), format!("the-{name}\n")).unwrap();
        }
        let file = |name: &str| Source::File(dir.path().join(name));
        let ask = |credentials: &Credentials, url: &str| told(credentials, url, CredentialType::USER_PASS_PLAINTEXT);
        let mut credentials = Credentials::default();
        assert!(ask(&credentials, "https://host/x").unwrap_err().contains("GIT_TOKEN"));
        credentials.token = file("token");
        assert!(ask(&credentials, "https://host/x").unwrap().starts_with("the token"));
        credentials.password = file("password");
        assert!(ask(&credentials, "https://host/x").unwrap_err().contains("GIT_USERNAME"));
        credentials.username = file("user");
        assert!(ask(&credentials, "https://host/x").unwrap().starts_with("the password"));
        assert_eq!(ask(&credentials, "https://me:secret@host/x").unwrap(), "the credentials in gitUrl");
    }
}
