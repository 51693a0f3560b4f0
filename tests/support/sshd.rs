//! A real OpenSSH server on a free port of this machine, and keys for it. Must never outlive its test.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::git::{BareRepo, change_known_hosts};

/// A type of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Ed25519,
    Ecdsa,
    Ecdsa521,
    Rsa,
    /// In the older PEM form.
    RsaPem,
}

/// A key pair in files.
pub struct KeyPair {
    dir: tempfile::TempDir,
}

impl KeyPair {
    pub fn generate(kind: KeyKind, passphrase: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options: &[&str] = match kind {
            KeyKind::Ed25519 => &["-t", "ed25519"],
            KeyKind::Ecdsa => &["-t", "ecdsa", "-b", "256"],
            KeyKind::Ecdsa521 => &["-t", "ecdsa", "-b", "521"],
            KeyKind::Rsa => &["-t", "rsa", "-b", "2048"],
            KeyKind::RsaPem => &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        };
        let made = Command::new("ssh-keygen")
            .args(options)
            .args(["-q", "-N", passphrase, "-C", "test", "-f"])
            .arg(dir.path().join("key"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { dir }
    }

    /// The private key's file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// `TYPE BASE64`.
    pub fn public(&self) -> String {
        let line = std::fs::read_to_string(self.dir.path().join("key.pub")).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// As `ssh-keygen` prints it.
    pub fn fingerprint(&self) -> String {
        let shown = Command::new("ssh-keygen").arg("-lf").arg(self.dir.path().join("key.pub")).output().unwrap();
        String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }
}

/// Ends the process with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A running server.
pub struct Sshd {
    _running: Running,
    dir: tempfile::TempDir,
    host_keys: Vec<KeyPair>,
    port: u16,
    user: String,
}

impl Sshd {
    /// With one ed25519 host key, which is known.
    pub fn start() -> Self {
        let sshd = Self::with_host_keys(&[KeyKind::Ed25519]);
        sshd.trust(&sshd.host_keys);
        sshd
    }

    /// With host keys that nobody knows yet.
    pub fn with_host_keys(kinds: &[KeyKind]) -> Self {
        let host_keys: Vec<_> = kinds.iter().map(|kind| KeyPair::generate(*kind, "")).collect();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("authorized_keys"), "").unwrap();
        // sshd started by root wants this one; anybody else may lack the right to make it and does not need it.
        std::fs::create_dir_all("/run/sshd").ok();
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap().trim().to_owned();
        // Another process may take the port between looking and starting.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut running = Running(Self::spawn(dir.path(), &host_keys, port));
            if answers(&mut running.0, port) {
                return Self { _running: running, dir, host_keys, port, user };
            }
            eprintln!("sshd: {}", std::fs::read_to_string(dir.path().join("log")).unwrap_or_default());
        }
        panic!("sshd does not start");
    }

    fn spawn(dir: &Path, host_keys: &[KeyPair], port: u16) -> Child {
        let mut config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 200\nLogLevel ERROR\n\
             AuthorizedKeysFile {}\n",
            dir.join("authorized_keys").display()
        );
        for key in host_keys {
            config.push_str(&format!("HostKey {}\n", key.path().display()));
        }
        std::fs::write(dir.join("sshd_config"), config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(dir.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    pub fn host_key(&self, index: usize) -> &KeyPair {
        &self.host_keys[index]
    }

    /// Makes these the known keys of this server, in place of those known before.
    pub fn trust<'k>(&self, keys: impl IntoIterator<Item = &'k KeyPair>) {
        let host = format!("[127.0.0.1]:{}", self.port);
        let lines: Vec<_> = keys.into_iter().map(|key| format!("{host} {}", key.public())).collect();
        change_known_hosts(&format!("{host} "), &lines);
    }

    /// The name under which known hosts list this server.
    pub fn host(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Lets these keys in, and no others.
    pub fn authorize(&self, keys: &[&KeyPair]) {
        let text: String = keys.iter().map(|key| format!("{}\n", key.public())).collect();
        std::fs::write(self.dir.path().join("authorized_keys"), text).unwrap();
    }

    pub fn url(&self, repo: &BareRepo) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repo.path().display())
    }
}

/// Whether the server greets whoever connects, before it ends or a while has passed.
fn answers(server: &mut Child, port: u16) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end && server.try_wait().unwrap().is_none() {
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut banner = [0; 4];
            if stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-" {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
