//! Owns the entries by which a kustomization lists a file. Must never touch anything else in it, nor list a file twice.

use serde_json::{Map, Value};

use super::kustomize::{folder, resolve};
use super::set::{SetError, open, rewrite};
use crate::object::RepoPath;

/// A list of a kustomization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// `resources`: files with whole manifests.
    Resources,
    /// `patches`: files with patches.
    Patches,
}

/// The kustomization `bytes` at `at` with an entry for `file`, which stands in its folder or below; the same bytes when it
/// lists that file already.
///
/// # Errors
///
/// When it cannot be edited.
pub fn list(bytes: &[u8], at: &RepoPath, listing: Listing, file: &RepoPath) -> Result<Vec<u8>, SetError> {
    let mut wanted = open(bytes)?.unwrap_or_else(|| Value::Object(Map::new()));
    if lists(&wanted, at, listing, file) {
        return Ok(bytes.to_vec());
    }
    let relative = file.as_str().strip_prefix(folder(at.as_str())).unwrap_or(file.as_str());
    let relative = relative.trim_start_matches('/');
    let (key, entry) = match listing {
        Listing::Resources => ("resources", Value::from(relative)),
        Listing::Patches => ("patches", Value::Object(Map::from_iter([("path".to_owned(), Value::from(relative))]))),
    };
    let Value::Object(map) = &mut wanted else { return Err(SetError::InTheWay("the document".into(), "no map")) };
    match map.entry(key).or_insert(Value::Null) {
        Value::Array(items) => items.push(entry),
        empty @ Value::Null => *empty = Value::Array(vec![entry]),
        _ => return Err(SetError::InTheWay(format!(".{key}"), "no list")),
    }
    rewrite(bytes, at, &wanted)
}

/// The kustomization without its entries for `file`; the same bytes when it has none.
///
/// # Errors
///
/// When it cannot be edited.
pub fn unlist(bytes: &[u8], at: &RepoPath, listing: Listing, file: &RepoPath) -> Result<Vec<u8>, SetError> {
    let mut wanted = open(bytes)?.unwrap_or_default();
    for key in keys(listing) {
        if let Some(Value::Array(items)) = wanted.get_mut(*key) {
            items.retain(|item| !names(item, at, file));
        }
    }
    rewrite(bytes, at, &wanted)
}

fn keys(listing: Listing) -> &'static [&'static str] {
    match listing {
        Listing::Resources => &["resources"],
        Listing::Patches => &["patches", "patchesStrategicMerge"],
    }
}

fn lists(value: &Value, at: &RepoPath, listing: Listing, file: &RepoPath) -> bool {
    let items = keys(listing).iter().filter_map(|key| value.get(*key)?.as_array()).flatten();
    items.into_iter().any(|item| names(item, at, file))
}

/// Whether an entry names the file, however it is spelled.
fn names(entry: &Value, at: &RepoPath, file: &RepoPath) -> bool {
    let text = entry.as_str().or_else(|| entry.get("path")?.as_str());
    text.and_then(|text| resolve(folder(at.as_str()), text)).as_deref() == Some(file.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::parse(text).unwrap()
    }

    fn listed(before: &str, listing: Listing, file: &str) -> String {
        let at = path("over/kustomization.yaml");
        String::from_utf8(list(before.as_bytes(), &at, listing, &path(file)).unwrap()).unwrap()
    }

    fn unlisted(before: &str, file: &str) -> String {
        let at = path("over/kustomization.yaml");
        String::from_utf8(unlist(before.as_bytes(), &at, Listing::Resources, &path(file)).unwrap()).unwrap()
    }

    #[test]
    fn an_entry_is_added_once_in_the_style_of_the_list() {
        let before = "# c\nresources:\n  - a.yaml # first\n  - ./b.yaml\nnamespace: shop\n";
        let after = listed(before, Listing::Resources, "over/web.yaml");
        assert_eq!(after, before.replace("./b.yaml\n", "./b.yaml\n  - web.yaml\n"));
        assert_eq!(listed(&after, Listing::Resources, "over/web.yaml"), after);
        assert_eq!(listed(before, Listing::Resources, "over/b.yaml"), before);
        assert_eq!(listed("resources: [a.yaml]\n", Listing::Resources, "over/b.yaml"), "resources: [a.yaml, b.yaml]\n");
        assert_eq!(listed("resources: []\n", Listing::Resources, "over/b.yaml"), "resources: [b.yaml]\n");
    }

    #[test]
    fn a_patch_is_listed_once_whatever_lists_it() {
        let before = "resources:\n- a.yaml\n";
        let after = listed(before, Listing::Patches, "over/sub/web.patch.yaml");
        assert_eq!(after, format!("{before}patches:\n- path: sub/web.patch.yaml\n"));
        assert_eq!(listed(&after, Listing::Patches, "over/sub/web.patch.yaml"), after);
        let old = "patchesStrategicMerge:\n- ./sub/web.patch.yaml\n";
        assert_eq!(listed(old, Listing::Patches, "over/sub/web.patch.yaml"), old);
    }

    #[test]
    fn an_entry_goes_with_its_file() {
        let before = "resources:\n- a.yaml\n- ./web.yaml # ours\n- b.yaml\n";
        assert_eq!(unlisted(before, "over/web.yaml"), "resources:\n- a.yaml\n- b.yaml\n");
        assert_eq!(unlisted(before, "over/c.yaml"), before);
        assert_eq!(unlisted("resources:\n- web.yaml\n", "over/web.yaml"), "resources: []\n");
    }
}
