//! Owns what one file of the repository holds: its objects, and everything in it that is none, each with its reason. Must
//! never apply defaults: an identity is given as the file spells it.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::document::{Document, split};
use super::kustomize::{Kustomization, is_kustomization_file};
use super::load::Caps;
use super::place::Place;
use super::skip::{Reason, Shows, Skip};
use super::tree::{Node, Tree};
use crate::object::labels::KeptLabels;
use crate::object::{ApiVersion, Digest, ObjectId, RepoPath};

/// The annotation that, set to `disabled`, keeps an object from being pruned on either side.
pub const PRUNE_ANNOTATION: &str = "kubeferry.io/prune";

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// The file.
    pub path: RepoPath,
    /// Its objects, in order.
    pub objects: Vec<Manifest>,
    /// What in it is no object, in order. Of those that are quiet only the first is kept.
    pub skips: Vec<Skip>,
    /// The kustomization that it holds.
    pub kustomization: Option<Kustomization>,
}

/// An object as a file spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its identity; the namespace is the one that is written, if any.
    pub id: ObjectId,
    /// Where it stands.
    pub place: Place,
    /// Digest of the whole object.
    pub digest: Digest,
    /// Its `apiVersion`'s version.
    pub version: Arc<str>,
    /// Its labels.
    pub labels: KeptLabels,
    /// Whether it carries [`PRUNE_ANNOTATION`] with `disabled`.
    pub prune_disabled: bool,
}

/// Whether a file of this path may hold manifests: `*.yaml`, `*.yml`, `*.json` in any case, and kustomizations.
pub fn is_manifest_path(path: &RepoPath) -> bool {
    let name = path.file_name();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)) || is_kustomization_file(name)
}

impl ManifestFile {
    /// A file that stands in the repository but is not read: `why` completes "is ...", for example `a symbolic link`.
    pub fn unread(path: RepoPath, why: &'static str) -> Self {
        let mut file = Self::empty(path);
        file.skip(0, 1, Reason::Unread(why), Shows::default());
        file
    }

    fn empty(path: RepoPath) -> Self {
        Self { path, objects: Vec::new(), skips: Vec::new(), kustomization: None }
    }

    /// Reads a file. Never fails: whatever is no object becomes a [`Skip`].
    pub fn read(path: RepoPath, bytes: &[u8], caps: &Caps) -> Self {
        let mut file = Self::empty(path);
        if bytes.len() > caps.bytes {
            file.skip(0, 1, Reason::TooLarge(caps.bytes), Shows::default());
            return file;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            file.skip(0, 1, Reason::NotText, Shows::scan(&String::from_utf8_lossy(bytes)));
            return file;
        };
        if text.starts_with("version https://git-lfs.github.com/spec/") {
            file.skip(0, 1, Reason::LfsPointer, Shows::default());
            return file;
        }
        let is_marker = |line: &&str| line.starts_with("---") || line.starts_with("...");
        if text.lines().filter(is_marker).count() > caps.documents {
            file.skip(0, 1, Reason::TooManyDocuments(caps.documents), Shows::scan(text));
            return file;
        }
        let documents = split(text);
        let conflicts = conflicts(text);
        for document in documents.iter().filter(|document| !document.is_empty()) {
            if conflicts.iter().any(|conflict| conflict.start < document.span.end && document.span.start < conflict.end)
            {
                file.skip_document(document, Reason::MergeMarkers, Shows::scan(document.text));
            } else {
                file.document(document, caps);
            }
        }
        file
    }

    fn document(&mut self, document: &Document<'_>, caps: &Caps) {
        let has = |word: &str| document.text.contains(word);
        let kustomization = is_kustomization_file(self.path.file_name());
        if !kustomization && !has("apiVersion") && !has("kind") {
            return self.skip_document(document, Reason::NotAManifest, Shows::default());
        }
        let value = match document.load(caps) {
            Ok(value) => value,
            Err(error) => {
                let reason = match () {
                    () if !(kustomization || has("apiVersion") && has("kind")) => Reason::NotAManifest,
                    () if has("{{") => Reason::Template,
                    () => Reason::Broken(error),
                };
                return self.skip_document(document, reason, Shows::scan(document.text));
            }
        };
        if Kustomization::is(&value, self.path.file_name()) {
            self.kustomization = Some(Kustomization::of(&value));
            return self.skip_document(document, Reason::Kustomization, Shows::default());
        }
        if has("{{") && self.path.as_str().split('/').any(|segment| segment == "templates") {
            return self.skip_document(document, Reason::Template, Shows::scan(document.text));
        }
        // Only the items of a List need to be looked for; a document's own line is known.
        let body = document.body();
        let tree = if items(&value).is_some() { Tree::read(body.0, caps).ok().flatten() } else { None };
        let lines = Lines { document, body: body.0, last: Cell::default() };
        self.value(&value, &lines, tree.as_ref().map(|tree| &tree.root), &mut Vec::new());
    }

    /// Takes an object, or the items of a List.
    fn value(&mut self, value: &Value, lines: &Lines<'_>, node: Option<&Node>, item: &mut Vec<u32>) {
        if let Some(list) = items(value) {
            let node = node.and_then(|node| node.get("items")).map(|entry| &entry.node);
            for (position, child) in list.iter().enumerate() {
                item.push(u32::try_from(position).unwrap_or(u32::MAX));
                self.value(child, lines, node.and_then(|node| node.item(position)).map(|item| &item.node), item);
                item.pop();
            }
            return;
        }
        let line = lines.of(if item.is_empty() { None } else { node });
        let number = narrow(lines.document.number);
        match identity(value) {
            Ok((id, version)) => {
                let place = Place { path: self.path.clone(), document: number, item: item.as_slice().into(), line };
                self.objects.push(Manifest {
                    id,
                    place,
                    digest: Digest::of_value(value),
                    version,
                    labels: KeptLabels::of(value),
                    prune_disabled: prune_disabled(value),
                });
            }
            Err(reason) => self.skip(number, line, reason, Shows::of(value)),
        }
    }

    fn skip_document(&mut self, document: &Document<'_>, reason: Reason, shows: Shows) {
        let line = document.content_line.unwrap_or(document.first_line);
        self.skip(narrow(document.number), narrow(line), reason, shows);
    }

    fn skip(&mut self, document: u32, line: u32, reason: Reason, shows: Shows) {
        if !reason.is_quiet() || !shows.is_empty() || !self.skips.iter().any(|skip| skip.reason.is_quiet()) {
            self.skips.push(Skip { document, line, reason, shows });
        }
    }
}

/// Finds lines, going forward through a document.
struct Lines<'d> {
    document: &'d Document<'d>,
    body: &'d str,
    /// Where it was last asked, and the line there.
    last: Cell<(usize, usize)>,
}

impl Lines<'_> {
    /// The line of the file on which a node begins, or the document's content.
    fn of(&self, node: Option<&Node>) -> u32 {
        let Some(node) = node else {
            return narrow(self.document.content_line.unwrap_or(self.document.first_line));
        };
        let (start, line) = Some(self.last.get()).filter(|(last, _)| *last <= node.start).unwrap_or((0, 0));
        let between = self.body.get(start..node.start).unwrap_or_default();
        self.last.set((node.start, line + between.matches('\n').count()));
        narrow(self.document.first_line + self.last.get().1)
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The items of a `kind: List`, also of one kind; `None` for everything else.
pub(super) fn items(value: &Value) -> Option<&Vec<Value>> {
    let kind = value.get("kind")?.as_str()?;
    let named = value.pointer("/metadata/name").is_some();
    value.get("items")?.as_array().filter(|_| kind == "List" || (kind.ends_with("List") && !named))
}

/// Identity and version of an object.
fn identity(value: &Value) -> Result<(ObjectId, Arc<str>), Reason> {
    let is_set = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    match (is_set("apiVersion"), is_set("kind")) {
        (true, true) => {}
        // A chart, a settings file: only what has metadata was meant to be an object.
        _ if !value.get("metadata").is_some_and(Value::is_object) => return Err(Reason::NotAManifest),
        (false, false) => return Err(Reason::NotAManifest),
        (true, false) => return Err(Reason::Incomplete("kind")),
        (false, true) => return Err(Reason::Incomplete("apiVersion")),
    }
    if value.get("sops").is_some_and(Value::is_object) {
        return Err(Reason::Encrypted);
    }
    let api_version = text(value, "/apiVersion", "apiVersion", |text| {
        text.matches('/').count() <= 1 && text.split('/').all(|part| is_word(part, &['.', '-']))
    })?;
    let kind = text(value, "/kind", "kind", |text| is_word(text, &[]))?;
    let namespace = text(value, "/metadata/namespace", "metadata.namespace", is_name)?;
    let name = text(value, "/metadata/name", "metadata.name", is_name)?;
    if name.is_empty() {
        let generated = !text(value, "/metadata/generateName", "metadata.generateName", is_name)?.is_empty();
        return Err(if generated { Reason::GenerateName } else { Reason::NoName });
    }
    let ApiVersion { group, version } = ApiVersion::parse(api_version);
    let kind = crate::object::GroupKind { group, kind: kind.into() };
    Ok((ObjectId::new(kind, namespace, name), version))
}

/// A part of the identity; empty when it is missing.
fn text<'v>(value: &'v Value, at: &str, part: &'static str, fits: impl Fn(&str) -> bool) -> Result<&'v str, Reason> {
    match value.pointer(at) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) if text.is_empty() || fits(text) => Ok(text),
        Some(Value::String(text)) if ["{{", "${", "{%", "<%"].iter().any(|mark| text.contains(mark)) => {
            Err(Reason::Template)
        }
        Some(Value::String(text)) => Err(Reason::BadIdentity(part, format!("{text:?}"))),
        Some(Value::Object(_) | Value::Array(_)) => Err(Reason::BadIdentity(part, "a list or a map".to_owned())),
        Some(scalar) => Err(Reason::BadIdentity(part, format!("{scalar} without quotes"))),
    }
}

fn is_word(text: &str, also: &[char]) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(&c))
}

/// Whether the API server could take it as a segment of a URL's path, which is all that is asked of every name.
fn is_name(text: &str) -> bool {
    let forbidden = |c: char| matches!(c, '/' | '%' | '{' | '}' | '$') || c.is_whitespace() || c.is_control();
    text.len() <= 253 && text != "." && text != ".." && !text.contains(forbidden)
}

fn prune_disabled(value: &Value) -> bool {
    let annotations = value.pointer("/metadata/annotations");
    annotations.and_then(|all| all.get(PRUNE_ANNOTATION)).and_then(Value::as_str) == Some("disabled")
}

/// Whether a merge was left unfinished in it.
pub(super) fn holds_merge_markers(text: &str) -> bool {
    !conflicts(text).is_empty()
}

/// The parts of a file between merge markers, which may reach over several documents.
fn conflicts(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let end = offset + line.len();
        if line.starts_with("<<<<<<< ") {
            open.get_or_insert(offset);
        } else if line.starts_with(">>>>>>> ")
            && let Some(start) = open.take()
        {
            found.push(start..end);
        }
        offset = end;
    }
    found
}

#[cfg(test)]
mod tests;
