//! Owns the refusal of objects that the API server would refuse, as far as people meet it. Must never change an object,
//! and must never refuse what the server accepts.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::kinds::Resource;
use super::status::Cause;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                           must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                           regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DATA_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                        'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const MAX_DATA: usize = 1 << 20;

/// What the server would refuse of a new object (`live` is `None`) or of a new state of `live`.
pub(super) fn refusals(resource: &Resource, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata(resource, object, live, &mut causes);
    match resource.kind.as_str() {
        "ConfigMap" | "Secret" => data(object, live, &mut causes),
        "Service" => service(object, &mut causes),
        "Deployment" => deployment(object, live, &mut causes),
        _ => {}
    }
    if resource.is("Secret")
        && let Some(live) = live
    {
        immutable("type", object.get("type"), live.get("type"), &mut causes);
    }
    if resource.is("Secret") {
        let needed: &[&str] = match object.get("type").and_then(Value::as_str).unwrap_or("") {
            "kubernetes.io/tls" => &["tls.crt", "tls.key"],
            "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
            _ => &[],
        };
        let missing = needed.iter().filter(|key| object.get("data").and_then(|data| data.get(**key)).is_none());
        causes.extend(missing.map(|key| Cause::required(format!("data[{key}]"), "")));
    }
    causes
}

fn metadata(resource: &Resource, object: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let name = text("/metadata/name");
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if live.is_none() {
        let is_label = resource.is("Namespace") || resource.is("Service");
        let (fits, why) = if is_label { (is_dns_label(name), LABEL) } else { (is_subdomain(name), SUBDOMAIN) };
        if !fits {
            causes.push(Cause::invalid("metadata.name", &json!(name), why));
        }
    }
    for (key, value) in entries(object, "/metadata/labels") {
        if !is_qualified(key) {
            causes.push(Cause::invalid("metadata.labels", &json!(key), QUALIFIED));
        }
        if !is_label_value(value.as_str().unwrap_or("")) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
    for (key, _) in entries(object, "/metadata/annotations") {
        if !is_qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &json!(key), QUALIFIED));
        }
    }
    if let Some(live) = live {
        immutable("metadata.uid", object.pointer("/metadata/uid"), live.pointer("/metadata/uid"), causes);
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            let had = finalizers(live);
            let new: Vec<_> = finalizers(object).into_iter().filter(|one| !had.contains(one)).collect();
            if !new.is_empty() {
                let new: Vec<_> = new.iter().map(|one| format!("{one:?}")).collect();
                let why = format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    new.join(", ")
                );
                causes.push(Cause::forbidden("metadata.finalizers", &why));
            }
        }
    }
}

fn finalizers(object: &Value) -> Vec<&str> {
    let list = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn immutable(field: &str, value: Option<&Value>, live: Option<&Value>, causes: &mut Vec<Cause>) {
    if value != live {
        causes.push(Cause::invalid(field, value.unwrap_or(&Value::Null), "field is immutable"));
    }
}

fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn data(object: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(live) = live.filter(|live| live.get("immutable") == Some(&json!(true))) {
        let why = "field is immutable when `immutable` is set";
        for field in ["immutable", "data", "binaryData"] {
            if object.get(field) != live.get(field) {
                causes.push(Cause::forbidden(field, why));
            }
        }
    }
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in entries(object, &format!("/{field}")) {
            let fits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !fits {
                causes.push(Cause::invalid(format!("{field}[{key}]"), &json!(key), DATA_KEY));
            }
            size += value.as_str().unwrap_or("").len();
        }
    }
    if size > MAX_DATA {
        causes.push(Cause::too_long("", MAX_DATA));
    }
}

fn port_number(field: String, value: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(number) = value.and_then(Value::as_i64)
        && !(1..=65535).contains(&number)
    {
        causes.push(Cause::invalid(field, &json!(number), "must be between 1 and 65535, inclusive"));
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let text = |key: &str| object.pointer(&format!("/spec/{key}")).and_then(Value::as_str).unwrap_or("");
    let of = text("type");
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    let ports = object.pointer("/spec/ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && of != "ExternalName" && text("clusterIP") != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    if of == "ExternalName" && text("externalName").is_empty() {
        causes.push(Cause::invalid("spec.externalName", &json!(""), SUBDOMAIN));
    }
    let mut seen = BTreeSet::new();
    for (position, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{position}]");
        if ports.len() > 1 && port.get("name").is_none() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        port_number(format!("{at}.port"), port.get("port"), causes);
        port_number(format!("{at}.targetPort"), port.get("targetPort"), causes);
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        if !["SCTP", "TCP", "UDP"].contains(&protocol) {
            let supported = &["SCTP", "TCP", "UDP"];
            causes.push(Cause::unsupported(format!("{at}.protocol"), &format!("{protocol:?}"), supported));
        }
        if !seen.insert((port.get("port").and_then(Value::as_i64), protocol)) {
            causes.push(Cause::duplicate(at, port));
        }
    }
    if !types.contains(&of) {
        causes.push(Cause::unsupported("spec.type", &format!("{of:?}"), &types));
    }
}

fn deployment(object: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let at = |pointer: &str| object.pointer(pointer).filter(|value| !value.is_null());
    if let Some(replicas) = at("/spec/replicas").and_then(Value::as_i64).filter(|replicas| *replicas < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &json!(replicas), why));
    }
    let labels = at("/spec/template/metadata/labels");
    let selector = at("/spec/selector");
    match selector {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(selector) if selector.as_object().is_some_and(Map::is_empty) => {
            causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"));
        }
        Some(_) => {}
    }
    let wanted = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    let fits = |(key, value): (&String, &Value)| labels.and_then(|labels| labels.get(key)) == Some(value);
    if selector.is_none() || !wanted.into_iter().flatten().all(fits) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels.unwrap_or(&Value::Null), why));
    }
    let containers = at("/spec/template/spec/containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.template.spec.containers", ""));
    }
    for (position, container) in containers.into_iter().flatten().enumerate() {
        let field = |name: &str| format!("spec.template.spec.containers[{position}].{name}");
        let text = |name: &str| container.get(name).and_then(Value::as_str).unwrap_or("");
        match text("name") {
            "" => causes.push(Cause::required(field("name"), "")),
            name if !is_dns_label(name) => causes.push(Cause::invalid(field("name"), &json!(name), LABEL)),
            _ => {}
        }
        let env = container.get("env").and_then(Value::as_array);
        for (number, _) in env.into_iter().flatten().enumerate().filter(|(_, env)| env.get("name").is_none()) {
            causes.push(Cause::required(field(&format!("env[{number}].name")), ""));
        }
        if text("image").is_empty() {
            causes.push(Cause::required(field("image"), ""));
        }
    }
    if at("/spec/strategy/type") == Some(&json!("Recreate")) && at("/spec/strategy/rollingUpdate").is_some() {
        let why = "may not be specified when strategy `type` is 'Recreate'";
        causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
    }
    if let Some(live) = live
        && live.pointer("/spec/selector") != object.pointer("/spec/selector")
    {
        let selector = selector.unwrap_or(&Value::Null);
        causes.push(Cause::invalid("spec.selector", selector, "field is immutable"));
    }
}

fn is_dns_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
}

fn is_subdomain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part_fits = |part: &str| {
        let bytes = part.as_bytes();
        bytes.iter().all(|b| plain(*b) || *b == b'-')
            && bytes.first().is_some_and(|b| plain(*b))
            && bytes.last().is_some_and(|b| plain(*b))
    };
    name.len() <= 253 && name.split('.').all(part_fits)
}

fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}

fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_label_value(name),
        None => !key.is_empty() && is_label_value(key),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;

    fn messages(group: &str, kind: &str, object: &Value, live: Option<&Value>) -> Vec<String> {
        let causes = refusals(kinds::by_kind(group, kind).unwrap(), object, live);
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn an_empty_deployment_is_told_everything_at_once() {
        let found = messages("apps", "Deployment", &json!({"metadata": {"name": "a"}, "spec": {"template": {}}}), None);
        let wanted = [
            "spec.selector: Required value",
            "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
            "spec.template.spec.containers: Required value",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn names_and_keys_are_checked() {
        for (object, field) in [
            (json!({"metadata": {"name": "A_b"}}), "metadata.name"),
            (json!({"metadata": {}}), "metadata.name"),
            (json!({"metadata": {"name": "a", "labels": {"a b": "c"}}}), "metadata.labels"),
            (json!({"metadata": {"name": "a", "annotations": {"a b": "c"}}}), "metadata.annotations"),
            (json!({"metadata": {"name": "a"}, "data": {"a b": "c"}}), "data[a b]"),
        ] {
            let found = messages("", "ConfigMap", &object, None);
            assert!(found.len() == 1 && found[0].starts_with(field), "{object}: {found:?}");
        }
        let fine = json!({"metadata": {"name": "a.b-c", "labels": {"app.io/x": "Y_1"}, "annotations": {"App/x": " "}}});
        assert_eq!(messages("", "ConfigMap", &fine, None), Vec::<String>::new());
    }

    #[test]
    fn what_is_marked_immutable_stays() {
        let live = json!({"metadata": {"name": "a"}, "immutable": true, "data": {"a": "1"}});
        let mut new = live.clone();
        new["data"]["a"] = "2".into();
        let found = messages("", "ConfigMap", &new, Some(&live));
        assert_eq!(found, ["data: Forbidden: field is immutable when `immutable` is set"]);
    }
}
