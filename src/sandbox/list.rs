//! Owns lists: selection, versions of the past, pages. Must never hold a page between two requests: a continue token
//! says everything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::events;
use super::kinds::Resource;
use super::route::Query;
use super::selector::Selector;
use super::status::{Cause, Status};
use super::storage::TooOld;
use super::store::Store;

/// A list, or a page of one.
#[derive(Debug)]
pub(super) struct Listed {
    /// Metadata of the list.
    pub metadata: Value,
    pub objects: Vec<Value>,
}

const EXPIRED_PAGE: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
                            new list without the continue parameter.";

/// The selector of a request.
///
/// # Errors
///
/// 400 when it can't be read.
pub(super) fn selector(resource: &Resource, query: &Query) -> Result<Selector, Status> {
    Selector::read(resource, query.get("labelSelector"), query.get("fieldSelector"))
}

/// 422 for options of a list or watch that no server takes.
pub(super) fn forbidden_option(field: &str, why: &str) -> Status {
    Status::invalid_kind("meta.k8s.io", "ListOptions", "", &[Cause::forbidden(field, why)])
}

/// Lists the objects of one kind. An empty namespace means all of them.
///
/// # Errors
///
/// The server's answer: for bad options, and for a version that is too old or yet to come.
pub(super) fn list(
    store: &Store,
    resource: &'static Resource,
    namespace: &str,
    query: &Query,
) -> Result<Listed, Status> {
    let selector = selector(resource, query)?;
    let asked = query.resource_version()?;
    let exactly = query.get("resourceVersionMatch");
    if !exactly.is_empty() && query.get("resourceVersion").is_empty() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        return Err(forbidden_option("resourceVersionMatch", why));
    }
    let state = store.state();
    let current = state.storage.version();
    if let Some(asked) = asked.filter(|asked| *asked > current) {
        return Err(Status::too_large(asked, current));
    }
    let token = query.get("continue");
    let (version, after) = match (token, asked) {
        ("", Some(asked)) if exactly == "Exact" => (asked, None),
        ("", _) => (current, None),
        (token, _) => {
            let (version, after) = read_token(token)?;
            (version, Some(after))
        }
    };
    let too_old = |TooOld { .. }: TooOld| match after {
        Some(_) => Status::expired(EXPIRED_PAGE),
        None => Status::expired("The resourceVersion for the provided list is too old."),
    };
    let all = state.storage.list_at(version, &resource.plural, namespace).map_err(too_old)?;
    drop(state);
    let limit = query.number("limit").filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let mut chosen = all.into_iter().filter(|(key, object)| {
        after.as_ref().is_none_or(|after| (&key.namespace, &key.name) > (&after.0, &after.1))
            && selector.matches(resource, object)
    });
    let page: Vec<_> = match limit {
        Some(limit) => chosen.by_ref().take(limit).collect(),
        None => chosen.by_ref().collect(),
    };
    let remaining = chosen.count();
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), version.to_string().into());
    if let Some((last, _)) = page.last().filter(|_| remaining > 0) {
        metadata.insert("continue".into(), write_token(version, &last.path()).into());
        // With a selector a real server does not know how many are left.
        if selector.is_empty() {
            metadata.insert("remainingItemCount".into(), remaining.into());
        }
    }
    let objects = page.into_iter().map(|(_, object)| events::from_stored(resource, (*object).clone())).collect();
    Ok(Listed { metadata: Value::Object(metadata), objects })
}

fn write_token(version: u64, last: &str) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": format!("/{last}\0")});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Result<(u64, (String, String)), Status> {
    let refused = || Status::bad_request("invalid continue token: continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    let token: Value = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    let version = token.get("rv").and_then(Value::as_u64).ok_or_else(refused)?;
    let start = token.get("start").and_then(Value::as_str).ok_or_else(refused)?;
    let start = start.trim_start_matches('/').trim_end_matches('\0');
    let (namespace, name) = start.rsplit_once('/').unwrap_or(("", start));
    Ok((version, (namespace.to_owned(), name.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::super::store::Options;
    use super::*;

    fn store(history: usize) -> Store {
        let store = Store::new(Options { seed: 1, history, ..Options::default() });
        for (name, label) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")] {
            let metadata = json!({"name": name, "namespace": "default", "labels": {"l": label}});
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
            store.create(object, "t").unwrap();
        }
        store
    }

    fn page(store: &Store, query: &str) -> Result<(Vec<String>, Value), Status> {
        let resource = kinds::by_kind("", "ConfigMap").unwrap();
        let listed = list(store, resource, "default", &Query::read(query))?;
        let names = listed.objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned());
        Ok((names.collect(), listed.metadata))
    }

    #[test]
    fn pages_show_one_moment() {
        let store = store(100);
        let (names, metadata) = page(&store, "limit=2").unwrap();
        assert_eq!((names, &metadata["remainingItemCount"]), (vec!["a".into(), "b".into()], &json!(2)));
        store.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bb"}}), "t").unwrap();
        let next = metadata["continue"].as_str().unwrap();
        let (names, last) = page(&store, &format!("limit=2&continue={next}")).unwrap();
        assert_eq!(names, ["c", "d"]);
        assert_eq!((last.get("continue"), &last["resourceVersion"]), (None, &metadata["resourceVersion"]));
    }

    #[test]
    fn a_page_of_too_long_ago_has_expired() {
        let store = store(3);
        let (_, metadata) = page(&store, "limit=2&labelSelector=l%3Dx").unwrap();
        assert_eq!(metadata.get("remainingItemCount"), None);
        let next = metadata["continue"].as_str().unwrap().to_owned();
        for name in ["p", "q", "r", "s"] {
            store.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}), "t").unwrap();
        }
        let refused = page(&store, &format!("limit=2&continue={next}")).unwrap_err();
        assert_eq!((refused.code, refused.reason), (410, "Expired"));
        assert_eq!(page(&store, "continue=bad").unwrap_err().code, 400);
        assert_eq!(page(&store, "resourceVersion=1&resourceVersionMatch=Exact").unwrap_err().code, 410);
        assert_eq!(page(&store, "resourceVersion=99999").unwrap_err().code, 504);
        assert_eq!(page(&store, "resourceVersionMatch=Exact").unwrap_err().code, 422);
    }
}
