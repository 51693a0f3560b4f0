//! The table of `kinds/`: hand-written manifests, with what is done to each and what must come of it in comments at its head.

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// How an object is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `kubectl create`.
    Created,
    /// Client-side apply.
    Applied,
    /// Server-side apply.
    ServerSide,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Created, Self::Applied, Self::ServerSide];

    /// What kubectl is called with.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Created => &["create", "-f", "-"],
            Self::Applied => &["apply", "-f", "-"],
            Self::ServerSide => &["apply", "--server-side", "-f", "-"],
        }
    }

    /// The namespace of the objects that are made this way.
    pub fn namespace(self) -> String {
        format!("{self}-kinds")
    }

    /// The namespace in which they are made again.
    pub fn other_namespace(self) -> String {
        format!("{self}-again")
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Applied => "applied",
            Self::ServerSide => "server-side",
        })
    }
}

/// One file of `kinds/`. In its text `WAY` stands for the way.
pub struct Kind {
    /// Name of the file without its ending.
    pub name: String,
    /// What it is called in `kubectl scale`, if it is scaled.
    pub scaled: Option<String>,
    text: String,
}

/// Every file, those first that others need.
pub fn kinds() -> Vec<Kind> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/capture/kinds");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let scaled = text.lines().find_map(|line| line.strip_prefix("# scale: ")).map(ToOwned::to_owned);
        Kind { name: path.file_stem().unwrap().to_string_lossy().into_owned(), scaled, text }
    };
    let mut kinds: Vec<_> = folder.read_dir().unwrap().map(|entry| read(entry.unwrap().path())).collect();
    kinds.sort_by_key(|kind| (kind.name != "serviceaccount", kind.name.clone()));
    assert!(kinds.len() > 40, "only {} kinds", kinds.len());
    kinds
}

impl Kind {
    /// The manifest as a person wrote it.
    pub fn text(&self, way: Way) -> String {
        let lines = self.text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n"));
        lines.collect::<String>().replace("WAY", &way.to_string())
    }

    /// The same as a value, in its namespace.
    pub fn object(&self, way: Way) -> Value {
        let mut object: Value = serde_yaml::from_str(&self.text(way)).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        let is_global = name.ends_with(&format!("-{way}")) || name.contains(&format!(".{way}."));
        if !is_global {
            object["metadata"]["namespace"] = way.namespace().into();
        }
        object
    }

    /// What must be captured: what was written, less the stamps of other tools, and less what this way cannot tell from
    /// defaults.
    pub fn expected(&self, way: Way) -> Value {
        let mut object = self.object(way);
        let of_way = self.lines("# created loses: ").filter(|_| way == Way::Created);
        for pointer in self.lines("# loses: ").chain(of_way) {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let map = object.pointer_mut(parent).and_then(Value::as_object_mut);
            let taken = map.and_then(|map| map.shift_remove(&key.replace("~1", "/")));
            assert!(taken.is_some(), "{} has no {pointer}", self.name);
        }
        object
    }

    /// The manifest as a person keeps it in Git: with its namespace, and with its comments.
    pub fn in_git(&self, way: Way) -> String {
        let text = self.text.replace("WAY", &way.to_string());
        match self.object(way)["metadata"]["namespace"].as_str() {
            Some(namespace) => text.replacen("\nmetadata:\n", &format!("\nmetadata:\n  namespace: {namespace}\n"), 1),
            None => text,
        }
    }

    /// What people do to it: arguments of kubectl, between single spaces.
    pub fn edits(&self, way: Way) -> Vec<Vec<String>> {
        self.lines("# $ ")
            .map(|line| line.replace("WAY", &way.to_string()).split(' ').map(ToOwned::to_owned).collect())
            .collect()
    }

    /// The lines of its file that this changes.
    pub fn changes(&self, way: Way) -> Vec<String> {
        let is_change = |line: &&str| line.starts_with("# + ") || line.starts_with("# - ");
        self.text.lines().filter(is_change).map(|line| line[2..].replace("WAY", &way.to_string())).collect()
    }

    fn lines(&self, prefix: &'static str) -> impl Iterator<Item = String> {
        self.text.lines().filter_map(move |line| line.strip_prefix(prefix)).map(ToOwned::to_owned)
    }
}
