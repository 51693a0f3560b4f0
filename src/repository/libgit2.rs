//! Owns the settings of libgit2 that hold for the whole process: timeouts, certificates, known hosts, no foreign
//! configuration. The only unsafe code of the library; must never be set up twice, or after libgit2 is in use.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::ConfigLevel;

use super::RepositoryError;
use super::directory::PrivateDirectory;
use super::known_hosts::KnownHosts;

/// At most this many bytes of commits and trees are kept parsed in memory, for each open repository.
const CACHE_BYTES: isize = 16 << 20;

/// Packs are mapped in pieces of this size, and at most so much of them all: by itself libgit2 maps each as a whole, and what
/// it has read of it counts as memory of this process.
const PIECE: usize = 1 << 20;
const MAPPED: usize = 8 << 20;

/// At most this many pack files are held open. Every fetch adds one, and without a limit none is ever closed.
const OPEN_PACKS: usize = 128;

/// What holds for every repository of this process.
#[derive(Clone, Debug)]
pub struct Libgit2Settings {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a server may stay silent in the middle of a conversation.
    pub server_timeout: Duration,
    /// The file with the SSH host keys that are trusted, in OpenSSH's format. Read anew for every connection.
    pub known_hosts: PathBuf,
    /// Certificates of authorities in PEM that are trusted beside the system's, for `https`.
    pub ca_file: Option<PathBuf>,
    /// Where private directories are made: the temporary directory of the system.
    pub directory: PathBuf,
}

impl Default for Libgit2Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            server_timeout: Duration::from_secs(60),
            known_hosts: PathBuf::from("/ssh/known_hosts"),
            ca_file: None,
            directory: std::env::temp_dir(),
        }
    }
}

impl Libgit2Settings {
    /// The defaults, with what `SSH_KNOWN_HOSTS` and `GIT_SSL_CAINFO` (or `SSL_CERT_FILE`) say.
    pub fn from_env() -> Self {
        let file = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let default = Self::default();
        Self {
            known_hosts: file("SSH_KNOWN_HOSTS").unwrap_or(default.known_hosts),
            ca_file: file("GIT_SSL_CAINFO").or_else(|| file("SSL_CERT_FILE")),
            ..default
        }
    }
}

/// Proof that libgit2 is set up; whoever wants to use a repository must show it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Libgit2 {
    known_hosts: KnownHosts,
    server_timeout: Duration,
    authorities: Arc<Authorities>,
    /// libgit2's idea of a home directory, alive as long as anyone can connect.
    _home: Arc<PrivateDirectory>,
}

impl Libgit2 {
    /// Sets libgit2 up. Belongs into the first lines of `main`, before any thread exists.
    ///
    /// # Errors
    ///
    /// When the private directory cannot be made, the CA file cannot be read, or libgit2 was set up before.
    pub fn initialise(settings: &Libgit2Settings) -> Result<Self, RepositoryError> {
        static DONE: AtomicBool = AtomicBool::new(false);
        if DONE.swap(true, Ordering::SeqCst) {
            return Err(RepositoryError::Git("libgit2 was set up already; that is done once, at the start".into()));
        }
        let home = PrivateDirectory::new(&settings.directory, "home")?;
        let known_hosts = std::path::absolute(&settings.known_hosts).unwrap_or_else(|_| settings.known_hosts.clone());
        link_known_hosts(home.path(), &known_hosts).map_err(|error| {
            RepositoryError::Git(format!("cannot prepare {} for known hosts: {error}", home.path().display()))
        })?;
        apply(settings, home.path())?;
        Ok(Self {
            known_hosts: KnownHosts::new(known_hosts),
            server_timeout: settings.server_timeout,
            authorities: Arc::new(Authorities::new(settings.ca_file.clone())?),
            _home: Arc::new(home),
        })
    }

    pub(super) fn known_hosts(&self) -> &KnownHosts {
        &self.known_hosts
    }

    pub(super) fn server_timeout(&self) -> Duration {
        self.server_timeout
    }

    /// Trusts further certificate authorities from now on. Belongs before every conversation over TLS.
    ///
    /// # Errors
    ///
    /// When their file is not what it should be; it is read again the next time.
    pub(super) fn trust_authorities(&self) -> Result<(), RepositoryError> {
        self.authorities.trust()
    }
}

/// Certificate authorities that are trusted beside the system's. All of OpenSSL and every certificate of a usual file take
/// megabytes, so they are read when TLS is spoken first.
#[derive(Debug)]
struct Authorities {
    file: Option<PathBuf>,
    is_read: Mutex<bool>,
}

impl Authorities {
    fn new(file: Option<PathBuf>) -> Result<Self, RepositoryError> {
        if let Some(file) = &file {
            std::fs::File::open(file).map_err(|error| unreadable(file, &error))?;
        }
        Ok(Self { file, is_read: Mutex::default() })
    }

    fn trust(&self) -> Result<(), RepositoryError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut is_read = self.is_read.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_read {
            // SAFETY: writes what libgit2 knows of TLS without a lock. Whoever speaks TLS has come through here, where one at
            // a time goes on, and only until this has succeeded once.
            unsafe { git2::opts::set_ssl_cert_file(file) }.map_err(|error| unreadable(file, &error.message()))?;
            *is_read = true;
        }
        Ok(())
    }
}

fn unreadable(file: &Path, why: &dyn std::fmt::Display) -> RepositoryError {
    let file = file.display();
    RepositoryError::Invalid(format!(
        "cannot read the certificates in {file} ({why}); SSL_CERT_FILE or GIT_SSL_CAINFO must name a PEM file"
    ))
}

/// libgit2 asks only `~/.ssh/known_hosts`; and only its own check lets libssh2 ask the server for a key of the type that
/// is known. A link, because the file behind it may be replaced at any time.
fn link_known_hosts(home: &Path, known_hosts: &Path) -> std::io::Result<()> {
    let ssh = home.join(".ssh");
    std::fs::create_dir(&ssh)?;
    symlink(known_hosts, ssh.join("known_hosts"))
}

fn apply(settings: &Libgit2Settings, home: &Path) -> Result<(), RepositoryError> {
    let failed = |error: git2::Error| RepositoryError::Git(format!("cannot set up libgit2: {}", error.message()));
    let home = CString::new(home.as_os_str().as_bytes())
        .map_err(|_| RepositoryError::Git("the temporary directory's name holds a zero byte".into()))?;

    // SAFETY (all of these): each writes a global of the C library without a lock, so nothing else may be inside of
    // libgit2 meanwhile. `initialise` runs at most once in a process, and nothing in this crate calls libgit2 without the
    // `Libgit2` that only its end hands out. Values are plain integers, or texts that libgit2 copies.
    unsafe {
        git2::opts::set_server_connect_timeout_in_milliseconds(milliseconds(settings.connect_timeout))
            .map_err(failed)?;
        git2::opts::set_server_timeout_in_milliseconds(milliseconds(settings.server_timeout)).map_err(failed)?;
        git2::opts::set_cache_max_size(CACHE_BYTES).map_err(failed)?;
        git2::opts::set_mwindow_file_limit(OPEN_PACKS).map_err(failed)?;
        git2::opts::set_mwindow_size(PIECE).map_err(failed)?;
        git2::opts::set_mwindow_mapped_limit(MAPPED).map_err(failed)?;
        // As git does it: what was checked when it came is not checked again each time that it is read.
        git2::opts::strict_hash_verification(false);
        // A person's or a machine's git configuration (URL rewriting, credential helpers) must not change what we do.
        for level in [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData] {
            git2::opts::set_search_path(level, "").map_err(failed)?;
        }
    }

    // SAFETY: as above, and the option takes one pointer to a text that ends with a zero byte and is copied. libgit2 is
    // initialised by the calls before. This instead of setting HOME, which others in this process read.
    let code = unsafe { libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_SET_HOMEDIR as _, home.as_ptr()) };
    if code < 0 { Err(failed(git2::Error::last_error(code))) } else { Ok(()) }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_home_shows_the_known_hosts_of_this_moment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mounted");
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        link_known_hosts(&home, &file).unwrap();
        for text in ["first", "second"] {
            std::fs::remove_file(&file).ok();
            std::fs::write(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(home.join(".ssh/known_hosts")).unwrap(), text);
        }
    }

    #[test]
    fn a_file_of_authorities_that_is_missing_is_told_at_once() {
        let missing = Authorities::new(Some("/nowhere/ca.pem".into())).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem") && missing.contains("SSL_CERT_FILE"), "{missing}");
        Authorities::new(None).unwrap().trust().unwrap();
    }

    #[test]
    fn a_timeout_beyond_what_libgit2_can_hold_is_the_longest_that_it_can() {
        assert_eq!(milliseconds(Duration::from_secs(60)), 60_000);
        assert_eq!(milliseconds(Duration::MAX), i32::MAX);
    }
}
