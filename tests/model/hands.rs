//! What people do to the branch and to the cluster.

use std::collections::BTreeSet;

use kubeferry::manifest::{self, Caps, ManifestFile, Place};
use kubeferry::object::{ObjectId, RepoPath, Schema};
use serde_json::Value;

use super::memory_cluster::{MemoryCluster, content};
use super::memory_remote::{MemoryRemote, Tree};
use super::slots;

pub const FILES: [&str; 3] = ["shop/all.yaml", "hand/one.yaml", "shop/ConfigMap/a.yaml"];
const COPY: &str = "copy.yaml";
const PATCH: &str = ".patch.yaml";
pub const BROKEN: &str = "\n---\n<<<<<<< HEAD\na: [\n";

/// A manifest: where it stands, its bytes and what it says.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub id: ObjectId,
    pub place: Place,
    pub text: String,
    pub value: Value,
}

/// Every manifest of a tree that can be read; a patch is none.
pub fn manifests(tree: &Tree) -> Vec<Manifest> {
    let is_manifest = |path: &RepoPath| !path.as_str().ends_with(PATCH);
    read(tree.iter().filter(|(path, _)| is_manifest(path)))
}

/// Every patch of a tree.
pub fn patches(tree: &Tree) -> Vec<Manifest> {
    read(tree.iter().filter(|(path, _)| path.as_str().ends_with(PATCH)))
}

fn read<'t>(files: impl Iterator<Item = (&'t RepoPath, &'t Vec<u8>)>) -> Vec<Manifest> {
    let mut all = Vec::new();
    for (path, bytes) in files {
        let file = ManifestFile::read(RepoPath::parse(path.as_str()).unwrap(), bytes, &Caps::default());
        let text = std::str::from_utf8(bytes).unwrap();
        let documents = manifest::split(text);
        for object in file.objects {
            let Ok(value) = manifest::read(bytes, &object.place) else { continue };
            let text = documents[object.place.document as usize - 1].text.trim().trim_start_matches("---").to_owned();
            all.push(Manifest { id: object.id, place: object.place, text, value });
        }
    }
    all
}

pub fn tree(git: &MemoryRemote) -> Tree {
    git.tip().and_then(|tip| git.show(tip)).map(|(_, tree, _)| tree).unwrap_or_default()
}

fn find(git: &MemoryRemote, id: &ObjectId) -> Option<Manifest> {
    manifests(&tree(git)).into_iter().find(|manifest| manifest.id == *id)
}

/// Changes one field of a manifest, as a person who keeps everything else.
pub fn edit(git: &MemoryRemote, id: &ObjectId, slot: usize, remove: bool, number: u64) {
    let Some(Manifest { place, mut value, .. }) = find(git, id) else { return };
    slots::change(id, &mut value, slot, remove, number);
    let path = place.path.to_string();
    let text = git.file(&path).unwrap();
    let schema = Schema::builtin();
    if let Ok(edited) = manifest::edit(text.as_bytes(), &place, &value, schema.view_of(&value)) {
        git.commit_by_hand(&[(&path, Some(&String::from_utf8(edited.bytes).unwrap()))]);
    }
}

/// Writes a manifest, unless there is one; whether it did.
pub fn create(git: &MemoryRemote, id: &ObjectId, file: usize, number: u64) -> bool {
    if find(git, id).is_some() {
        return false;
    }
    append(git, FILES[file % FILES.len()], &slots::new(id, number), number)
}

/// Removes a manifest; whether there was one.
pub fn remove(git: &MemoryRemote, id: &ObjectId) -> bool {
    find(git, id).is_some_and(|manifest| cut(git, &manifest.place))
}

/// Moves a manifest to another file.
pub fn relocate(git: &MemoryRemote, id: &ObjectId, file: usize, number: u64) {
    if let Some(Manifest { place, value, .. }) = find(git, id)
        && cut(git, &place)
    {
        append(git, FILES[file % FILES.len()], &value, number);
    }
}

/// Writes a manifest a second time.
pub fn copy(git: &MemoryRemote, id: &ObjectId, number: u64) {
    if let Some(Manifest { value, .. }) = find(git, id) {
        append(git, COPY, &value, number);
    }
}

/// Leaves conflict markers in a file.
pub fn spoil(git: &MemoryRemote, file: usize) {
    append_raw(git, FILES[file % FILES.len()], BROKEN);
}

/// Takes conflict markers and copies away.
pub fn mend(git: &MemoryRemote) {
    for path in git.paths() {
        let text = git.file(&path).unwrap();
        if text.contains("<<<<<<<") {
            let marks = [BROKEN, BROKEN.trim_start(), BROKEN.trim_start_matches("\n---\n")];
            let mended = marks.into_iter().fold(text, |text, mark| text.replace(mark, "\n"));
            git.commit_by_hand(&[(&path, Some(mended.as_str()).filter(|text| !text.trim().is_empty()))]);
        }
    }
    if git.file(COPY).is_some() {
        git.commit_by_hand(&[(COPY, None)]);
    }
    loop {
        let mut seen = BTreeSet::new();
        let all = manifests(&tree(git));
        match all.iter().find(|manifest| !seen.insert(&manifest.id)) {
            Some(second) if cut(git, &second.place) => {}
            _ => return,
        }
    }
}

/// `git revert HEAD`, or a force-push of what was before it.
pub fn turn_back(git: &MemoryRemote, by_force: bool) {
    let Some((Some(parent), ..)) = git.tip().and_then(|tip| git.show(tip)) else { return };
    if by_force {
        return git.set_tip(Some(parent));
    }
    let (now, before) = (tree(git), git.show(parent).unwrap().1);
    let texts: Vec<(String, Option<String>)> = now
        .keys()
        .chain(before.keys())
        .filter(|path| now.get(*path) != before.get(*path))
        .map(|path| (path.to_string(), before.get(path).map(|bytes| String::from_utf8(bytes.clone()).unwrap())))
        .collect();
    let writes: Vec<(&str, Option<&str>)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
    if !writes.is_empty() {
        git.commit_by_hand(&writes);
    }
}

fn cut(git: &MemoryRemote, place: &Place) -> bool {
    let path = place.path.to_string();
    let text = git.file(&path).unwrap();
    match manifest::remove(text.as_bytes(), place) {
        Ok(rest) => {
            let rest = rest.map(|rest| String::from_utf8(rest).unwrap());
            git.commit_by_hand(&[(&path, rest.as_deref())]);
            true
        }
        Err(_) => false,
    }
}

fn append(git: &MemoryRemote, path: &str, object: &Value, number: u64) -> bool {
    let text = manifest::render(object);
    let text = text.trim_start_matches("---\n").replace("\nkind:", &format!(" # why {number}\nkind:"));
    append_raw(git, path, &format!("---\n# by hand {number}\n{text}"))
}

fn append_raw(git: &MemoryRemote, path: &str, text: &str) -> bool {
    let mut all = git.file(path).unwrap_or_default();
    if all.contains(BROKEN) {
        return false;
    }
    if !all.is_empty() && !all.ends_with('\n') {
        all.push('\n');
    }
    git.commit_by_hand(&[(path, Some(&(all + text)))]);
    true
}

/// Changes one field of a live object, in one of the ways in which people and controllers do.
pub fn touch(cluster: &MemoryCluster, id: &ObjectId, slot: usize, remove: bool, how: usize, number: u64) {
    let Some(live) = cluster.object(id) else { return };
    if how == 3 && id.kind() == "Deployment" {
        return cluster.scale(id, number);
    }
    let mut wanted = content(&live);
    slots::change(id, &mut wanted, slot, remove, number);
    match how {
        0 => cluster.update(&wanted, "kubectl-edit"),
        1 => cluster.update(&wanted, "kubectl-client-side-apply"),
        2 if number.is_multiple_of(2) => cluster.apply_as(&wanted, "argo"),
        _ => cluster.update(&wanted, "operator"),
    }
}

/// Creates an object, unless it is live or has no namespace.
pub fn make(cluster: &MemoryCluster, id: &ObjectId, number: u64) {
    let namespace = super::run::namespace(id.namespace().unwrap());
    if cluster.object(id).is_none() && cluster.object(&namespace).is_some() {
        cluster.update(&slots::new(id, number), "kubectl-create");
    }
}

/// Deletes an object and makes it again, as `replace --force` does.
pub fn replace(cluster: &MemoryCluster, id: &ObjectId) {
    if let Some(live) = cluster.object(id) {
        cluster.remove(id);
        cluster.update(&content(&live), "kubectl-replace");
    }
}
