//! Owns what the API server's audit log says of one user: how many requests, of which verb, for what. Must never count a
//! request twice, nor an open watch when it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Deserialize;

/// The log of one API server, as far as it concerns one user.
pub struct Audit {
    pub file: PathBuf,
    pub user: String,
}

/// A moment: what was logged before does not count.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Option<Reference>,
    #[serde(default)]
    response_status: Option<Status>,
    #[serde(rename = "requestURI")]
    uri: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

/// Requests by verb and resource; those for the instance's own objects are marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    requests: BTreeMap<(String, String), usize>,
    /// How often each kind was read from its beginning: by a first page, or a watch that begins with all there is.
    reads: BTreeMap<String, usize>,
}

impl Audit {
    pub fn mark(&self) -> Mark {
        Mark(std::fs::metadata(&self.file).map_or(0, |data| data.len()))
    }

    /// What was asked since then.
    pub fn since(&self, mark: Mark) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut file = BufReader::new(File::open(&self.file)?);
        file.seek(SeekFrom::Start(mark.0))?;
        for line in file.split(b'\n') {
            // The last line may be half written.
            let Ok(line) = serde_json::from_slice::<Line>(&line?) else { continue };
            let failed = line.response_status.is_some_and(|status| status.code >= 400);
            // A watch is counted when it opens; everything else when it was answered.
            let opens = line.verb == "watch" && !failed;
            if line.user.username != self.user
                || line.stage != if opens { "ResponseStarted" } else { "ResponseComplete" }
            {
                continue;
            }
            let resource = match line.object_ref {
                Some(object) => {
                    let own = if object.namespace == super::stage::HOME { "own " } else { "" };
                    let sub = if object.subresource.is_empty() { "" } else { "/" };
                    format!("{own}{}{sub}{}", object.resource, object.subresource)
                }
                None => line.uri.split('?').next().unwrap_or_default().to_owned(),
            };
            let is_first_page = line.verb == "list" && !line.uri.contains("continue=");
            if is_first_page || line.uri.contains("sendInitialEvents=true") {
                *tally.reads.entry(resource.clone()).or_default() += 1;
            }
            *tally.requests.entry((line.verb, resource)).or_default() += 1;
        }
        Ok(tally)
    }

    /// The same once nothing but the Lease was asked for during `quiet`. Waits no longer than `limit`.
    pub async fn settled(&self, mark: Mark, quiet: Duration, limit: Duration) -> Result<Tally> {
        let end = Instant::now() + limit;
        let mut tally = self.since(mark)?;
        let mut since = Instant::now();
        while since.elapsed() < quiet && Instant::now() < end {
            tokio::time::sleep(quiet.min(Duration::from_millis(500)) / 5).await;
            let now = self.since(mark)?;
            if now.without_lease() != tally.without_lease() {
                since = Instant::now();
            }
            tally = now;
        }
        Ok(tally)
    }
}

impl Tally {
    /// Requests of this verb for this resource.
    pub fn of(&self, verb: &str, resource: &str) -> usize {
        self.requests.get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or(0)
    }

    /// Requests for the Lease.
    pub fn lease(&self) -> usize {
        self.requests.iter().filter(|((_, resource), _)| resource == "own leases").map(|(_, count)| count).sum()
    }

    /// Everything but watches and the Lease.
    pub fn busy(&self) -> usize {
        self.without_lease().requests.iter().filter(|((verb, _), _)| verb != "watch").map(|(_, count)| count).sum()
    }

    /// Everything.
    pub fn all(&self) -> usize {
        self.requests.values().sum()
    }

    /// The kinds that were read from their beginning more than once.
    pub fn read_again(&self) -> usize {
        self.reads.iter().filter(|(resource, count)| **count > 1 && !resource.starts_with("own ")).count()
    }

    fn without_lease(&self) -> Self {
        let kept = |((_, resource), _): &(&(String, String), &usize)| resource != "own leases";
        let requests = self.requests.iter().filter(kept).map(|(key, count)| (key.clone(), *count)).collect();
        Self { requests, reads: self.reads.clone() }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> =
            self.requests.iter().map(|((verb, resource), count)| format!("{count} {verb} {resource}")).collect();
        f.write_str(&parts.join(", "))
    }
}
