//! Owns which files a kustomization turns into fragments, and which it gives another name or namespace. Must never run
//! kustomize or follow anything out of the repository.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::skip::Reason;
use crate::object::{ApiVersion, RepoPath};

/// What matters here of one kustomization or component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kustomization {
    /// The namespace that it gives what it reaches.
    namespace: Option<String>,
    /// Whether it gives what it reaches a prefix or suffix.
    affixes: bool,
    /// What it reaches: files and folders, as they are written.
    resources: Vec<String>,
    /// Whether it has a list of resources.
    lists_resources: bool,
    /// Whether it makes objects by other means too.
    generates: bool,
    /// Files that it lists as patches.
    patches: Vec<Patch>,
}

/// An entry of a list of patches that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Patch {
    /// As it is written.
    path: String,
    /// What it is aimed at instead of the object that it names itself.
    target: Option<Target>,
}

/// What a patch is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// Objects of this kind and name.
    Named(String, String),
    /// Whatever fits.
    Any,
}

/// Whether kustomize takes a file of this name for a kustomization.
pub(super) fn is_kustomization_file(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The names that kustomize looks for in a folder.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

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
        let entries = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
        let texts = |key: &&str| entries(key).filter_map(|entry| entry.as_str().map(String::from)).collect::<Vec<_>>();
        let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let patches = ["patches", "patchesStrategicMerge", "patchesJson6902"];
        Self {
            namespace: text("namespace").map(String::from),
            affixes: ["namePrefix", "nameSuffix"].iter().any(|key| text(key).is_some()),
            resources: ["resources", "bases", "components"].iter().flat_map(texts).collect(),
            lists_resources: value.get("resources").is_some_and(Value::is_array),
            generates: [
                "generators",
                "helmCharts",
                "helmChartInflationGenerator",
                "configMapGenerator",
                "secretGenerator",
            ]
            .iter()
            .any(|key| value.get(*key).is_some()),
            patches: patches.iter().flat_map(|key| entries(key)).filter_map(Patch::of).collect(),
        }
    }

    fn renames(&self) -> bool {
        self.namespace.is_some() || self.affixes
    }
}

impl Patch {
    fn of(entry: &Value) -> Option<Self> {
        let path = entry.as_str().or_else(|| entry.get("path")?.as_str())?.to_owned();
        let target = entry.get("target").map(|target| {
            let text = |key: &str| target.get(key).and_then(Value::as_str).map(String::from);
            let is_plain = ["labelSelector", "annotationSelector"].iter().all(|key| target.get(*key).is_none());
            match (text("kind"), text("name")) {
                (Some(kind), Some(name)) if is_plain => Target::Named(kind, name),
                _ => Target::Any,
            }
        });
        Some(Self { path, target })
    }
}

/// Which object a patch that is listed stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// The kustomization that lists it.
    pub by: RepoPath,
    /// Where the object that it names lives.
    pub scope: Scope,
    target: Option<Target>,
}

/// Where the object of a patch lives once it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Where the patch says.
    AsWritten,
    /// In the namespace that the kustomization gives.
    Namespace(String),
    /// Names change on the way: it cannot be told.
    Unclear,
}

impl Listed {
    /// Whether it is aimed at the object that it names.
    pub fn is_aimed_at(&self, kind: &str, name: &str) -> bool {
        match &self.target {
            None => true,
            Some(Target::Named(target_kind, target_name)) => target_kind == kind && target_name == name,
            Some(Target::Any) => false,
        }
    }
}

/// All kustomizations of a tree, and what they do to its files.
#[derive(Debug, Default)]
pub(super) struct Kustomizations {
    /// By the file that holds it.
    all: BTreeMap<RepoPath, Kustomization>,
    /// File to the kustomization that lists it as a patch.
    fragments: HashMap<String, Listed>,
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

    /// Finds anew what every kustomization does. Returns what was listed before.
    pub(super) fn reach(&mut self) -> HashMap<String, Listed> {
        let before = std::mem::take(&mut self.fragments);
        self.renamed.clear();
        let by_folder: HashMap<&str, (&RepoPath, &Kustomization)> =
            self.all.iter().map(|(path, kustomization)| (folder(path.as_str()), (path, kustomization))).collect();
        // Folders that a kustomization elsewhere gives other names.
        let mut from_elsewhere = HashSet::new();
        for (path, kustomization) in &self.all {
            let mut open = vec![folder(path.as_str()).to_owned()];
            let mut seen = HashSet::new();
            while let Some(found) = open.pop().filter(|_| kustomization.renames()) {
                let next = by_folder.get(&*found).filter(|_| seen.insert(found.clone()));
                if let Some((_, next)) = next {
                    open.extend(next.resources.iter().filter_map(|resource| resolve(&found, resource)));
                }
                if found != folder(path.as_str()) {
                    from_elsewhere.insert(found.clone());
                }
                self.renamed.entry(found).or_insert_with(|| path.clone());
            }
        }
        for (path, kustomization) in &self.all {
            let at = folder(path.as_str());
            for patch in &kustomization.patches {
                let Some(file) = resolve(at, &patch.path) else { continue };
                let scope = match &kustomization.namespace {
                    _ if kustomization.affixes || from_elsewhere.contains(at) => Scope::Unclear,
                    Some(namespace) => Scope::Namespace(namespace.clone()),
                    None => Scope::AsWritten,
                };
                let listed = Listed { by: path.clone(), scope, target: patch.target.clone() };
                self.fragments.entry(file).or_insert(listed);
            }
        }
        before
    }

    /// Why a file of manifests is not taken as it stands; `None` when it is.
    pub(super) fn reason(&self, path: &RepoPath) -> Option<Reason> {
        if let Some(listed) = self.listed(path) {
            return Some(Reason::Fragment(listed.by.clone()));
        }
        let path = path.as_str();
        let by = self.renamed.get(path).or_else(|| self.renamed.get(folder(path)))?;
        Some(Reason::Renamed(by.clone()))
    }

    /// What lists a file as a patch.
    pub(super) fn listed(&self, path: &RepoPath) -> Option<&Listed> {
        self.fragments.get(path.as_str())
    }

    /// The kustomization that lists the resources of the folder in which the file stands.
    pub(super) fn beside(&self, path: &RepoPath) -> Option<&RepoPath> {
        let (by, kustomization) = self.in_folder(folder(path.as_str()))?;
        kustomization.lists_resources.then_some(by)
    }

    /// The kustomization in the folder of the file, or in the nearest folder above.
    pub(super) fn nearest(&self, path: &RepoPath) -> Option<(&RepoPath, &Kustomization)> {
        let mut at = folder(path.as_str());
        loop {
            match self.in_folder(at) {
                None if at.is_empty() => return None,
                None => at = folder(at),
                found => return found,
            }
        }
    }

    fn in_folder(&self, at: &str) -> Option<(&RepoPath, &Kustomization)> {
        NAMES.iter().find_map(|name| {
            let path = RepoPath::parse(&if at.is_empty() { (*name).to_owned() } else { format!("{at}/{name}") });
            self.all.get_key_value(&path.ok()?)
        })
    }

    /// Namespace and affixes of a kustomization: what becomes of the names of what it builds.
    pub(super) fn naming(&self, by: &RepoPath) -> (Option<&str>, bool) {
        self.all.get(by).map_or((None, false), |all| (all.namespace.as_deref(), all.affixes))
    }

    /// The files that a kustomization builds its objects from, and whether that is all of them; `is_file` says whether the
    /// tree holds a file.
    pub(super) fn built_from(&self, by: &RepoPath, is_file: impl Fn(&str) -> bool) -> (Vec<String>, bool) {
        let (mut files, mut all) = (Vec::new(), true);
        let mut open = vec![folder(by.as_str()).to_owned()];
        let mut seen = HashSet::new();
        while let Some(at) = open.pop() {
            if is_file(&at) {
                files.push(at);
                continue;
            }
            if !seen.insert(at.clone()) {
                continue;
            }
            let Some((_, kustomization)) = self.in_folder(&at) else {
                all = false;
                continue;
            };
            all &= !kustomization.generates && (seen.len() == 1 || !kustomization.affixes);
            for resource in &kustomization.resources {
                match resolve(&at, resource) {
                    Some(found) => open.push(found),
                    None => all = false,
                }
            }
        }
        (files, all)
    }
}

/// The folder of a file; empty for the repository's root.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The path that `text` names from `folder`; `None` when that lies outside of the repository or is no path.
pub(super) fn resolve(folder: &str, text: &str) -> Option<String> {
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
