//! Owns which files a kustomization turns into fragments, and which it gives another name or namespace. Must never run
//! kustomize or follow anything out of the repository.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::skip::Reason;
use crate::object::{ApiVersion, RepoPath};

/// What matters here of one kustomization or component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kustomization {
    /// Whether it gives what it reaches another namespace, prefix or suffix.
    renames: bool,
    /// What it reaches: files and folders, as they are written.
    resources: Vec<String>,
    /// Files that it lists as patches, as they are written.
    patches: Vec<String>,
}

/// Whether kustomize takes a file of this name for a kustomization.
pub(super) fn is_kustomization_file(name: &str) -> bool {
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

impl Kustomization {
    /// Whether a document of the file `name` is a kustomization.
    pub(super) fn is(value: &Value, name: &str) -> bool {
        let group = ApiVersion::of(value).map(|api_version| api_version.group);
        match group {
            Some(group) => &*group == "kustomize.config.k8s.io",
            None => is_kustomization_file(name) && value.is_object(),
        }
    }

    /// Reads a document that is one.
    pub(super) fn of(value: &Value) -> Self {
        let texts = |key: &str| -> Vec<String> {
            let list = value.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|entry| entry.as_str().or_else(|| entry.get("path")?.as_str()).map(String::from)).collect()
        };
        let all = |keys: &[&str]| keys.iter().flat_map(|key| texts(key)).collect();
        let set = |key: &&str| value.get(*key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        Self {
            renames: ["namespace", "namePrefix", "nameSuffix"].iter().any(set),
            resources: all(&["resources", "bases", "components"]),
            patches: all(&["patches", "patchesStrategicMerge", "patchesJson6902"]),
        }
    }
}

/// All kustomizations of a tree, and what they do to its files.
#[derive(Debug, Default)]
pub(super) struct Kustomizations {
    /// By the file that holds it.
    all: BTreeMap<RepoPath, Kustomization>,
    /// File to the kustomization that lists it as a patch.
    fragments: HashMap<String, RepoPath>,
    /// File, or folder whose files, to the kustomization that renames it.
    renamed: HashMap<String, RepoPath>,
}

impl Kustomizations {
    /// Takes the kustomization of a file, or that it has none. Returns whether anything changed; then
    /// [`Kustomizations::reach`] is needed.
    pub(super) fn set(&mut self, path: &RepoPath, kustomization: Option<Kustomization>) -> bool {
        match kustomization {
            Some(new) => self.all.insert(path.clone(), new.clone()).is_none_or(|old| old != new),
            None => self.all.remove(path).is_some(),
        }
    }

    /// Finds anew what every kustomization does.
    pub(super) fn reach(&mut self) {
        (self.fragments, self.renamed) = Default::default();
        let by_folder: HashMap<&str, (&RepoPath, &Kustomization)> =
            self.all.iter().map(|(path, kustomization)| (folder(path.as_str()), (path, kustomization))).collect();
        for (path, kustomization) in &self.all {
            for patch in kustomization.patches.iter().filter_map(|patch| resolve(folder(path.as_str()), patch)) {
                self.fragments.entry(patch).or_insert_with(|| path.clone());
            }
            let mut open = vec![folder(path.as_str()).to_owned()];
            let mut seen = HashSet::new();
            while let Some(found) = open.pop().filter(|_| kustomization.renames) {
                let next = by_folder.get(&*found).filter(|_| seen.insert(found.clone()));
                if let Some((_, next)) = next {
                    open.extend(next.resources.iter().filter_map(|resource| resolve(&found, resource)));
                }
                self.renamed.entry(found).or_insert_with(|| path.clone());
            }
        }
    }

    /// Why a file of manifests is not taken as it stands; `None` when it is.
    pub(super) fn reason(&self, path: &RepoPath) -> Option<Reason> {
        let path = path.as_str();
        if let Some(by) = self.fragments.get(path) {
            return Some(Reason::Fragment(by.clone()));
        }
        let by = self.renamed.get(path).or_else(|| self.renamed.get(folder(path)))?;
        Some(Reason::Renamed(by.clone()))
    }
}

/// The folder of a file; empty for the repository's root.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The path that `text` names from `folder`; `None` when that lies outside of the repository or is no path.
fn resolve(folder: &str, text: &str) -> Option<String> {
    if text.contains('\n') || text.contains("://") || text.starts_with('/') {
        return None;
    }
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            segment => segments.push(segment),
        }
    }
    Some(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text).unwrap()
    }

    fn tree(files: &[(&str, Value)]) -> Kustomizations {
        let mut all = Kustomizations::default();
        for (file, value) in files {
            assert!(all.set(&path(file), Some(Kustomization::of(value))));
            assert!(!all.set(&path(file), Some(Kustomization::of(value))));
        }
        all.reach();
        all
    }

    #[test]
    fn patches_of_every_spelling_are_fragments() {
        let all = tree(&[(
            "over/prod/kustomization.yaml",
            json!({"patches": [{"path": "./a.yaml"}, {"patch": "inline"}], "patchesStrategicMerge": ["../b.yaml", "kind: X\n"],
                   "patchesJson6902": [{"target": {}, "path": "c.json"}], "resources": ["d.yaml"]}),
        )]);
        for fragment in ["over/prod/a.yaml", "over/b.yaml", "over/prod/c.json"] {
            let by = path("over/prod/kustomization.yaml");
            assert_eq!(all.reason(&path(fragment)), Some(Reason::Fragment(by)), "{fragment}");
        }
        assert_eq!(all.reason(&path("over/prod/d.yaml")), None);
    }

    #[test]
    fn a_renaming_kustomization_reaches_through_others() {
        let all = tree(&[
            (
                "over/kustomization.yaml",
                json!({"namespace": "x", "resources": ["../base", "https://h/y"], "components": ["./c"]}),
            ),
            ("base/kustomization.yml", json!({"resources": ["web.yaml", "../lib/one.yaml", "../base", "../../out"]})),
            ("over/c/Kustomization", json!({"kind": "Component", "resources": ["deep/d.yaml"]})),
        ]);
        for renamed in ["over/any.yaml", "base/web.yaml", "base/unlisted.yaml", "lib/one.yaml", "over/c/deep/d.yaml"] {
            let by = path("over/kustomization.yaml");
            assert_eq!(all.reason(&path(renamed)), Some(Reason::Renamed(by)), "{renamed}");
        }
        for plain in ["over/sub/a.yaml", "lib/two.yaml", "a.yaml"] {
            assert_eq!(all.reason(&path(plain)), None, "{plain}");
        }
    }

    #[test]
    fn one_at_the_root_reaches_the_roots_files_only() {
        let all = tree(&[("kustomization.yaml", json!({"nameSuffix": "-x"}))]);
        assert!(all.reason(&path("a.yaml")).is_some() && all.reason(&path("a/b.yaml")).is_none());
        let all = tree(&[("kustomization.yaml", json!({"namespace": "", "resources": ["a.yaml"]}))]);
        assert_eq!(all.reason(&path("a.yaml")), None);
    }
}
