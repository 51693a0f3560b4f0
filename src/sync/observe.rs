//! Owns the reading of one object's two sides when its turn has come. Must never decide anything: it reads what the
//! plan will depend on, and no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::cluster::{Cluster, ClusterError};
use crate::manifest::{self, Place};
use crate::object::schema::Schema;
use crate::object::{ApiVersion, GroupKind, Kind, ObjectId, RepoPath};
use crate::repository::{BlobId, Remote, RepositoryError};

use super::containers::Container;
use super::live::Tombstone;
use super::spots::Fragment;
use super::targets::TargetFiles;

/// Where the live state comes from.
#[derive(Debug)]
pub enum Source {
    /// An event or a response just showed it.
    Shown(Box<Value>),
    /// It has to be asked for.
    Ask,
    /// A synced watch does not show it.
    Absent,
}

/// A proof of absence to be made: what the object lived in when it was last seen.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The tombstone of the object.
    pub tombstone: Tombstone,
    /// Name and latest state of its CustomResourceDefinition, if it has one.
    pub definition: Option<(ObjectId, Container)>,
}

/// What to read.
#[derive(Debug)]
pub struct Request {
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// Its manifest.
    pub manifest: Option<(BlobId, Place)>,
    /// Its manifest when both sides last agreed, where a rule asks which side changed a field.
    pub then: Option<(BlobId, Place)>,
    /// Its patches.
    pub fragments: Vec<(BlobId, manifest::Fragment)>,
    /// Its live state.
    pub live: Source,
    /// Set when its absence is to be proven.
    pub proof: Option<Proof>,
    /// Whether the result goes into a commit.
    pub composing: bool,
}

/// Both sides of one object.
#[derive(Debug)]
pub struct Observed {
    /// What was asked for.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// The file that holds the manifest, whole, and what the manifest says.
    pub manifest: Option<(Place, Vec<u8>, Value)>,
    /// The file's blob.
    pub blob: Option<BlobId>,
    /// What the manifest said when both sides last agreed.
    pub then: Option<Value>,
    /// Its patches.
    pub fragments: Vec<Fragment>,
    /// Files that its fields are written to; `None` until it is known which.
    pub files: Option<TargetFiles>,
    /// The text of each file that holds a patch, or that fields are written to.
    pub texts: BTreeMap<RepoPath, Vec<u8>>,
    /// The live object.
    pub live: Option<Value>,
    /// The proof of absence: `Ok(true)` proven, `Ok(false)` not asked for, `Err` not live for another reason.
    pub absence: Result<bool, Withheld>,
    /// Schema of the manifest's version, or of the live object's.
    pub schema: Schema,
    /// Whether the result goes into a commit.
    pub composing: bool,
}

impl Observed {
    /// What tells the version that both sides are read in: the manifest, or the live object where there is none.
    pub fn shape(&self) -> Option<&Value> {
        self.manifest.as_ref().map(|(_, _, manifest)| manifest).or(self.live.as_ref())
    }
}

/// Why a missing object does not count as deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// What it went with: its Namespace, or its CustomResourceDefinition.
    pub by: Option<ObjectId>,
    /// The same in words.
    pub reason: String,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The repository.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The manifest is not what the index says; a newer commit will tell.
    #[error("{0}: its manifest cannot be read: {1}")]
    Manifest(ObjectId, String),
}

/// Reads both sides.
pub async fn observe<C: Cluster, R: Remote>(
    cluster: Arc<C>,
    remote: Arc<R>,
    request: Request,
) -> Result<Observed, ObserveError> {
    let Request { id, kind, manifest, then, fragments, live, proof, composing } = request;
    let blob = manifest.as_ref().map(|(blob, _)| *blob);
    let manifest = match manifest {
        Some((blob, place)) => {
            let bytes = remote.read(vec![blob]).await?.pop().unwrap_or_default();
            let value = manifest::read(&bytes, &place);
            let value = value.map_err(|error| ObserveError::Manifest(id.clone(), error.to_string()))?;
            Some((place, bytes, value))
        }
        None => None,
    };
    let then = match then {
        Some((past, at)) if Some(past) == blob && manifest.as_ref().is_some_and(|(place, ..)| *place == at) => {
            manifest.as_ref().map(|(_, _, value)| value.clone())
        }
        Some((past, at)) => past_manifest(&*remote, past, &at).await?,
        None => None,
    };
    let (fragments, texts) = read_fragments(&*remote, &id, fragments).await?;
    let written = manifest.as_ref().map(|(_, _, value)| value).or(fragments.first().map(|fragment| &fragment.value));
    let version = written
        .and_then(ApiVersion::of)
        .unwrap_or_else(|| ApiVersion { group: id.group().into(), version: kind.preferred_version().into() });
    let live = match live {
        Source::Shown(object) if ApiVersion::of(&object).as_ref() == Some(&version) => Some(*object),
        Source::Shown(_) | Source::Ask => cluster.get(&id, Some(&version.version)).await?,
        Source::Absent => None,
    };
    let absence = match (&live, proof) {
        (None, Some(proof)) => prove(&*cluster, &id, &version, proof).await?,
        _ => Ok(false),
    };
    let schema = cluster.schema(&version).await?;
    Ok(Observed { id, kind, manifest, blob, then, fragments, files: None, texts, live, absence, schema, composing })
}

/// What a manifest said that Git may not have any more; `None`: it is lost, or was never to be read.
async fn past_manifest<R: Remote>(remote: &R, blob: BlobId, place: &Place) -> Result<Option<Value>, RepositoryError> {
    let bytes = match remote.read(vec![blob]).await {
        Ok(mut all) => all.pop().unwrap_or_default(),
        Err(RepositoryError::Git(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(manifest::read(&bytes, place).ok())
}

async fn read_fragments<R: Remote>(
    remote: &R,
    id: &ObjectId,
    fragments: Vec<(BlobId, manifest::Fragment)>,
) -> Result<(Vec<Fragment>, BTreeMap<RepoPath, Vec<u8>>), ObserveError> {
    let (mut read, mut texts) = (Vec::new(), BTreeMap::new());
    if fragments.is_empty() {
        return Ok((read, texts));
    }
    let (blobs, places): (Vec<BlobId>, Vec<manifest::Fragment>) = fragments.into_iter().unzip();
    for (manifest::Fragment { place, listed }, bytes) in places.into_iter().zip(remote.read(blobs).await?) {
        let value = manifest::read(&bytes, &place);
        let value = value.map_err(|error| ObserveError::Manifest(id.clone(), error.to_string()))?;
        texts.insert(place.path.clone(), bytes);
        read.push(Fragment { place, value, listed });
    }
    Ok((read, texts))
}

/// Asks whether the object was deleted by itself: a 404 while its Namespace is Active and its definition established,
/// both the same as when it was last seen.
async fn prove<C: Cluster>(
    cluster: &C,
    id: &ObjectId,
    version: &ApiVersion,
    proof: Proof,
) -> Result<Result<bool, Withheld>, ClusterError> {
    let withheld = |by: Option<&ObjectId>, reason: String| Ok(Err(Withheld { by: by.cloned(), reason }));
    if cluster.get(id, Some(&version.version)).await?.is_some() {
        return withheld(None, "is live after all".to_owned());
    }
    if let Some(name) = id.namespace() {
        let namespace = ObjectId::new(GroupKind::new("", "Namespace"), "", name);
        let live = match cluster.get(&namespace, None).await {
            Err(ClusterError::Forbidden(_)) => return withheld(None, format!("Namespace {name} may not be read")),
            live => live?,
        };
        let text = |pointer: &str| live.as_ref().and_then(|live| live.pointer(pointer)).and_then(Value::as_str);
        let same = proof.tombstone.namespace_uid.as_deref() == text("/metadata/uid");
        if !same || text("/status/phase") != Some("Active") || text("/metadata/deletionTimestamp").is_some() {
            let reason = format!("Namespace {name} has gone or is another one; its manifests are kept");
            return withheld(Some(&namespace), reason);
        }
    }
    if let Some((definition, seen)) = proof.definition {
        let live = cluster.get(&definition, None).await?;
        let uid = live.as_ref().and_then(|live| live.pointer("/metadata/uid")).and_then(Value::as_str);
        let is_same = uid == Some(&*seen.uid) && proof.tombstone.definition_uid.as_deref() == uid;
        if !is_same || !live.as_ref().is_some_and(is_established) {
            let reason = format!("{definition} has gone or is another one; its manifests are kept");
            return withheld(Some(&definition), reason);
        }
    }
    Ok(Ok(true))
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    let is = |name: &str| {
        conditions.into_iter().flatten().any(|condition| {
            let text = |key: &str| condition.get(key).and_then(Value::as_str);
            text("type") == Some(name) && text("status") == Some("True")
        })
    };
    is("Established") && !is("Terminating") && definition.pointer("/metadata/deletionTimestamp").is_none()
}
