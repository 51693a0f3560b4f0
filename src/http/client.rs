//! Owns the one request that `kubeferry status` makes: GET over plain HTTP. Must never follow a redirect or send anything
//! but the path.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::report::Status;

/// The whole request takes no longer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// No answer of ours is longer.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a URL of the form that is understood.
    #[error("{0}: write http://HOST:PORT; an instance in a cluster is reached through `kubectl port-forward`")]
    Url(String),
    /// No connection, or it broke.
    #[error("cannot reach {address}: {source}; is `kubeferry run` running there?")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something answers, but not as kubeferry does.
    #[error("{address} answered {answer}")]
    Strange {
        /// Host and port.
        address: String,
        /// What it answered.
        answer: String,
    },
}

/// Asks the instance at `base`, for example `http://127.0.0.1:8000`, for its status.
///
/// # Errors
/// When nothing answers within ten seconds, or what answers is not kubeferry.
pub async fn status(base: &str) -> Result<Status, ClientError> {
    let (code, text) = get(&format!("{}/status", base.trim_end_matches('/'))).await?;
    let strange = |answer: String| ClientError::Strange { address: base.to_owned(), answer };
    if code != 200 {
        return Err(strange(format!("{code}, so it is not kubeferry or not this version of it")));
    }
    serde_json::from_str(&text).map_err(|error| strange(format!("with something else than a status: {error}")))
}

/// GET of a plain HTTP URL: status code and body.
///
/// # Errors
/// When nothing answers within ten seconds, or not in HTTP.
pub async fn get(url: &str) -> Result<(u16, String), ClientError> {
    let parsed = Url::parse(url).map_err(|_| ClientError::Url(url.to_owned()))?;
    let host =
        parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or_else(|| ClientError::Url(url.to_owned()))?;
    let address = format!("{host}:{}", parsed.port_or_known_default().unwrap_or(80));
    let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    let request = format!("GET {}{query} HTTP/1.0\r\nHost: {address}\r\n\r\n", parsed.path());
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let outcome = tokio::time::timeout(TIMEOUT, exchange).await;
    let answer = outcome.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let answer = answer.map_err(|source| ClientError::Unreachable { address: address.clone(), source })?;
    split(&String::from_utf8_lossy(&answer)).ok_or(ClientError::Strange { address, answer: "not in HTTP".into() })
}

/// Status code and body of an answer.
fn split(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((code, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_urls_are_refused_with_what_to_write() {
        for url in ["https://h/status", "h:80", "", "file:///etc", "http://"] {
            let error = get(url).await.unwrap_err().to_string();
            assert!(error.contains("write http://HOST:PORT"), "{url}: {error}");
        }
    }

    #[test]
    fn answers_are_split_into_code_and_body() {
        assert_eq!(split("HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\n{}"), Some((503, "{}".into())));
        assert_eq!(split("SSH-2.0-OpenSSH_9.2\r\n"), None);
        assert_eq!(split("HTTP/1.1 x\r\n\r\n"), None);
    }
}
