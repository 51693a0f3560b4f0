//! Certificates: a server whose authority nobody knows, and the same one with its authority mounted.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// The address of the server, for the child process.
const SERVER: &str = "KUBEFERRY_TEST_SERVER";

/// Answers `404` to everybody who trusts it.
struct Server {
    address: SocketAddr,
    authority: PathBuf,
    thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let authority = dir.path().join("ca.pem");
        std::fs::write(&authority, certified.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(certified.cert.der().to_vec())];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // Ends when a connection brings nothing at all.
        let thread = std::thread::spawn(move || while answer(listener.accept().unwrap().0, config.clone()) {});
        Self { address, authority, thread: Some(thread), _dir: dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

fn answer(stream: TcpStream, config: Arc<rustls::ServerConfig>) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    if matches!(stream.peek(&mut [0]), Ok(0) | Err(_)) {
        return false;
    }
    let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
    let mut request = [0; 4096];
    if tls.read(&mut request).is_ok_and(|length| length > 0) {
        tls.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
        tls.flush().ok();
    }
    true
}

fn run(test: &str, patience: &str, server: &Server, authority: Option<&Path>) {
    let address = server.address.to_string();
    child_with(test, patience, &[(SERVER, Some(address.as_ref())), (git::AUTHORITY, authority.map(Path::as_os_str))]);
}

#[test]
fn a_certificate_is_trusted_only_with_its_authority() {
    let server = Server::start();
    run("tls::child_knows_no_authority", "60002", &server, None);
    run("tls::child_knows_the_authority", "60003", &server, Some(&server.authority));
}

async fn ask() -> String {
    let url = format!("https://{}/x.git", std::env::var(SERVER).unwrap());
    match within(open(settings(&url)).fetch()).await.unwrap_err() {
        RepositoryError::Denied { message, .. } => message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
#[ignore = "run by another test"]
async fn child_knows_no_authority() {
    let message = ask().await;
    assert!(message.contains("certificate is not trusted") && message.contains("SSL_CERT_FILE"), "{message}");
}

#[tokio::test]
#[ignore = "run by another test"]
async fn child_knows_the_authority() {
    let message = ask().await;
    assert!(message.contains("no such repository"), "{message}");
}
