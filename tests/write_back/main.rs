//! Golden cases of write-back: what one change does to a file that a person wrote. Each folder of `cases/` holds the file
//! before (`before.yaml`, or any other ending), the change (`edit.yaml`) and the file after (`after.yaml`; none when it
//! is to go). The files after are what a careful person would have saved; there is no way to have them written here.
//!
//! `edit.yaml`:
//!
//! ```yaml
//! object: Deployment web                # only where the file holds several; `KIND NAMESPACE/NAME` where that is not enough
//! set:
//!   spec.replicas: 3
//!   metadata.labels[example.com/tier]: web           # any key between brackets
//!   spec.template.spec.containers[web].image: web:2  # an item by its name, by `key=value`, by position
//!   spec.template.spec.containers[web].args[+]: -v   # a new item at the end; `[+2]` is put at position 2
//! remove:
//! - spec.paused
//! wanted: {}                            # instead of `set` and `remove`: the whole object
//! delete: true                          # instead of all that: the object goes
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod change;

use std::fs;
use std::path::{Path, PathBuf};

use change::Change;
use kubeferry::manifest::{self, Caps, ManifestFile, Place, split};
use kubeferry::object::{RepoPath, Schema, SchemaView};
use serde_json::Value;

/// One folder.
struct Case {
    name: String,
    /// Name of the file, for its ending.
    file: String,
    before: String,
    change: Change,
    after: Option<String>,
}

#[test]
fn every_change_gives_the_file_that_a_person_would_have_saved() {
    let cases = cases();
    let failed: Vec<String> = cases.iter().filter_map(|case| case.run().err()).collect();
    assert!(failed.is_empty(), "{} of {} cases failed\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
    assert!(cases.len() >= 200, "only {} cases", cases.len());
}

#[test]
fn files_with_windows_line_breaks_are_changed_in_the_same_way() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let cases = cases().into_iter().filter(|case| !case.before.contains('\r'));
    let cases = cases.map(|case| Case { before: crlf(&case.before), after: case.after.as_deref().map(crlf), ..case });
    let failed: Vec<String> = cases.filter_map(|case| case.run().err()).collect();
    assert!(failed.is_empty(), "{} cases failed\n\n{}", failed.len(), failed.join("\n\n"));
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_back/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let file =
            files.into_iter().find(|file| file.starts_with("before.")).unwrap_or_else(|| panic!("{name}: no before"));
        let text = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let before = text(&file).unwrap();
        let after = text(&file.replace("before.", "after."));
        let change = text("edit.yaml").unwrap_or_else(|| panic!("{name}: no edit.yaml"));
        let change = Change::read(&change).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, file, before, change, after }
    }

    fn run(&self) -> Result<(), String> {
        let fail = |why: String| format!("{}: {why}", self.name);
        let before = self.before.as_bytes();
        let path = RepoPath::parse(&self.file).unwrap();
        let file = ManifestFile::read(path, before, &Caps::default());
        let place = self.change.place(&file).map_err(fail)?;
        if self.change.deletes() {
            let left = manifest::remove(before, &place).map_err(|error| fail(error.to_string()))?;
            self.compare(left.as_deref())?;
            return self.others_stay(&file, &place, left.as_deref().unwrap_or_default()).map_err(fail);
        }
        let current = manifest::read(before, &place).map_err(|error| fail(error.to_string()))?;
        let wanted = self.change.apply(current).map_err(fail)?;
        let schema = Schema::builtin();
        let view = schema.view_of(&wanted);
        let edited = manifest::edit(before, &place, &wanted, view).map_err(|error| fail(error.to_string()))?;
        let skipped: Vec<_> = edited.skipped.iter().map(|(path, why)| format!("{path}: {why}")).collect();
        self.compare(Some(&edited.bytes)).map_err(|error| format!("{error}{}", skipped.join("\n")))?;
        if !skipped.is_empty() {
            return Err(fail(format!("left as they are: {}", skipped.join(", "))));
        }
        let read = manifest::read(&edited.bytes, &place).map_err(|error| fail(error.to_string()))?;
        if !same(&read, &wanted, view) {
            return Err(fail(format!("reads {read:#}\nbut wanted was {wanted:#}")));
        }
        self.other_documents_keep_their_bytes(&edited.bytes, &place).map_err(fail)
    }

    fn compare(&self, got: Option<&[u8]>) -> Result<(), String> {
        let got = got.map(|bytes| std::str::from_utf8(bytes).unwrap());
        match (got, self.after.as_deref()) {
            (got, wanted) if got == wanted => Ok(()),
            (got, wanted) => {
                let (got, wanted) = (got.unwrap_or("(no file)"), wanted.unwrap_or("(no file)"));
                let visible = |text: &str| text.replace('\r', "\u{240d}").replace('\t', "\u{2409}");
                let (got, wanted) = (visible(got), visible(wanted));
                let diff = similar::TextDiff::from_lines(&wanted, &got);
                Err(format!("{}\n{}", self.name, diff.unified_diff().header("wanted", "got")))
            }
        }
    }

    /// After a removal every other object reads as it did, and every other document is there in the same order, but for its
    /// separator.
    fn others_stay(&self, file: &ManifestFile, place: &Place, left: &[u8]) -> Result<(), String> {
        let after = ManifestFile::read(file.path.clone(), left, &Caps::default());
        let digests = |file: &ManifestFile, but: Option<&Place>| -> Vec<_> {
            let objects = file.objects.iter().filter(|manifest| Some(&manifest.place) != but);
            objects.map(|manifest| (manifest.id.clone(), manifest.digest)).collect()
        };
        if digests(file, Some(place)) != digests(&after, None) {
            return Err("another object has changed".to_owned());
        }
        let mut rest = std::str::from_utf8(left).unwrap();
        for document in split(&self.before).iter().filter(|document| !document.is_empty()) {
            let text = document.text.strip_prefix("---").unwrap_or(document.text).trim();
            if document.number != place.document as usize {
                let at = rest.find(text).ok_or_else(|| format!("document {} has changed", document.number))?;
                rest = &rest[at + text.len()..];
            }
        }
        Ok(())
    }

    fn other_documents_keep_their_bytes(&self, after: &[u8], place: &Place) -> Result<(), String> {
        let (before, after) = (split(&self.before), split(std::str::from_utf8(after).unwrap()));
        let own = place.document as usize;
        let same = before.len() == after.len()
            && before.iter().zip(&after).all(|(before, after)| before.number == own || before.text == after.text);
        if same { Ok(()) } else { Err("another document has changed".to_owned()) }
    }
}

/// Whether two objects are the same but for the order of lists with keys.
fn same(one: &Value, other: &Value, view: SchemaView<'_>) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let equal = |(key, value): (&String, &Value)| {
                other.get(key).is_some_and(|other| same(value, other, view.field(key)))
            };
            one.len() == other.len() && one.iter().all(equal)
        }
        (Value::Array(one), Value::Array(other)) => {
            let partner = |position: usize, item: &Value| match view.item_key(item) {
                Some(key) => other.iter().find(|other| view.item_key(other).as_ref() == Some(&key)),
                None => other.get(position),
            };
            let equal = |(position, item): (usize, &Value)| {
                partner(position, item).is_some_and(|other| same(item, other, view.item()))
            };
            one.len() == other.len() && one.iter().enumerate().all(equal)
        }
        _ => one == other,
    }
}
