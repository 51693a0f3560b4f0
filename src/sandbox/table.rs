//! Owns the columns that `kubectl get` shows. Must never show the value of a Secret.

use serde_json::{Value, json};

use super::kinds::Resource;

/// Name, type and priority (1: only in the wide form).
type Column = (&'static str, &'static str, u8);

fn columns(resource: &Resource) -> &'static [Column] {
    match resource.kind.as_str() {
        "Namespace" => &[("Name", "string", 0), ("Status", "string", 0), ("Age", "string", 0)],
        "ConfigMap" => &[("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)],
        "Secret" => &[("Name", "string", 0), ("Type", "string", 0), ("Data", "string", 0), ("Age", "string", 0)],
        "Service" => &[
            ("Name", "string", 0),
            ("Type", "string", 0),
            ("Cluster-IP", "string", 0),
            ("External-IP", "string", 0),
            ("Port(s)", "string", 0),
            ("Age", "string", 0),
            ("Selector", "string", 1),
        ],
        "Deployment" => &[
            ("Name", "string", 0),
            ("Ready", "string", 0),
            ("Up-to-date", "string", 0),
            ("Available", "string", 0),
            ("Age", "string", 0),
            ("Containers", "string", 1),
            ("Images", "string", 1),
            ("Selector", "string", 1),
        ],
        "Lease" => &[("Name", "string", 0), ("Holder", "string", 0), ("Age", "string", 0)],
        "Event" => &[
            ("Last Seen", "string", 0),
            ("Type", "string", 0),
            ("Reason", "string", 0),
            ("Object", "string", 0),
            ("Subobject", "string", 1),
            ("Source", "string", 1),
            ("Message", "string", 0),
            ("First Seen", "string", 1),
            ("Count", "string", 1),
            ("Name", "string", 1),
        ],
        _ => &[("Name", "string", 0), ("Created At", "date", 0)],
    }
}

/// `columnDefinitions` of a kind.
pub(super) fn definitions(resource: &Resource) -> Value {
    let definition = |(name, of, priority): &Column| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({"name": name, "type": of, "format": format, "description": "", "priority": priority})
    };
    columns(resource).iter().map(definition).collect()
}

/// The cells of one object, as it is stored.
pub(super) fn cells(resource: &Resource, object: &Value, now: jiff::Timestamp) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let size = |pointer: &str| object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    let name = text("/metadata/name");
    let age = age(&text("/metadata/creationTimestamp"), now);
    match resource.kind.as_str() {
        "Namespace" => json!([name, text("/status/phase"), age]),
        "ConfigMap" => json!([name, size("/data") + size("/binaryData"), age]),
        "Secret" => json!([name, text("/type"), size("/data"), age]),
        "Service" => {
            let address = Some(text("/spec/clusterIP")).filter(|address| !address.is_empty());
            let address = address.unwrap_or_else(|| "<none>".into());
            let selector = pairs(object.pointer("/spec/selector"));
            json!([name, text("/spec/type"), address, external(object), ports(object), age, selector])
        }
        "Deployment" => {
            let ready = format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas"));
            let (updated, available) = (number("/status/updatedReplicas"), number("/status/availableReplicas"));
            let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
            let each = |key: &str| {
                let values = containers.into_iter().flatten().filter_map(|one| one.get(key)?.as_str());
                values.collect::<Vec<_>>().join(",")
            };
            let selector = pairs(object.pointer("/spec/selector/matchLabels"));
            json!([name, ready, updated, available, age, each("name"), each("image"), selector])
        }
        "Lease" => json!([name, text("/spec/holderIdentity"), age]),
        "Event" => event(object, &name, now),
        _ => json!([name, text("/metadata/creationTimestamp")]),
    }
}

fn event(object: &Value, name: &str, now: jiff::Timestamp) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let first_of = |pointers: &[&str]| {
        let found = pointers.iter().map(|pointer| text(pointer)).find(|text| !text.is_empty());
        found.map_or_else(|| "<unknown>".to_owned(), |time| age(&time, now))
    };
    let last = first_of(&["/series/lastObservedTime", "/lastTimestamp", "/eventTime"]);
    let first = first_of(&["/firstTimestamp", "/eventTime"]);
    let involved = format!("{}/{}", text("/involvedObject/kind").to_lowercase(), text("/involvedObject/name"));
    let source: Vec<_> = [text("/source/component"), text("/source/host"), text("/reportingComponent")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let count = object.pointer("/series/count").or_else(|| object.get("count")).and_then(Value::as_i64).unwrap_or(1);
    json!([
        last,
        text("/type"),
        text("/reason"),
        involved,
        text("/involvedObject/fieldPath"),
        source.join(", "),
        text("/message").trim(),
        first,
        count,
        name
    ])
}

fn pairs(map: Option<&Value>) -> String {
    let map = map.and_then(Value::as_object);
    let mut pairs: Vec<_> =
        map.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".into() } else { pairs.join(",") }
}

fn external(service: &Value) -> String {
    let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    match text("/spec/type").as_str() {
        "ExternalName" => text("/spec/externalName"),
        "LoadBalancer" => "<pending>".into(),
        _ => "<none>".into(),
    }
}

fn ports(service: &Value) -> String {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let print = |port: &Value| {
        let number = |key: &str| port.get(key).and_then(Value::as_i64);
        let node = number("nodePort").map(|node| format!(":{node}")).unwrap_or_default();
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        format!("{}{node}/{protocol}", number("port").unwrap_or(0))
    };
    let ports: Vec<_> = ports.into_iter().flatten().map(print).collect();
    if ports.is_empty() { "<none>".into() } else { ports.join(",") }
}

/// How long ago a time was, as kubectl prints it: `85s`, `9m11s`, `15m`, `3h5m`, `12d`.
fn age(time: &str, now: jiff::Timestamp) -> String {
    let Ok(time) = time.parse::<jiff::Timestamp>() else { return "<unknown>".into() };
    let seconds = (now.as_second() - time.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 => with(minutes, "m", seconds % 60, "s"),
        600..=10_799 => format!("{minutes}m"),
        10_800..=28_799 => with(hours, "h", minutes % 60, "m"),
        28_800..=172_799 => format!("{hours}h"),
        172_800..=691_199 => with(days, "d", hours % 24, "h"),
        691_200..=63_071_999 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;

    fn row(group: &str, kind: &str, object: Value) -> Value {
        let resource = kinds::by_kind(group, kind).unwrap();
        let now = "2020-01-01T00:02:05Z".parse().unwrap();
        let cells = cells(resource, &object, now);
        assert_eq!(cells.as_array().unwrap().len(), definitions(resource).as_array().unwrap().len());
        cells
    }

    #[test]
    fn rows_look_as_those_of_a_real_server() {
        let metadata = json!({"name": "a", "creationTimestamp": "2020-01-01T00:00:00Z"});
        let service = json!({"metadata": metadata, "spec": {"type": "NodePort", "clusterIP": "10.96.0.9",
            "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}], "selector": {"b": "c", "a": "b"}}});
        let wanted = json!(["a", "NodePort", "10.96.0.9", "<none>", "80:30000/TCP", "2m5s", "a=b,b=c"]);
        assert_eq!(row("", "Service", service), wanted);
        let deployment = json!({"metadata": metadata, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}}, "status": {"updatedReplicas": 2}});
        assert_eq!(row("apps", "Deployment", deployment), json!(["a", "0/2", 2, 0, "2m5s", "c", "nginx", "a=b"]));
        let secret = json!({"metadata": metadata, "type": "Opaque", "data": {"k": "c2VjcmV0"}});
        assert_eq!(row("", "Secret", secret), json!(["a", "Opaque", 1, "2m5s"]));
    }

    #[test]
    fn ages_are_printed_as_kubectl_prints_them() {
        let now: jiff::Timestamp = "2020-02-01T00:00:00Z".parse().unwrap();
        for (time, wanted) in [
            ("2020-01-31T23:58:35Z", "85s"),
            ("2020-01-31T23:50:49Z", "9m11s"),
            ("2020-01-31T23:45:00Z", "15m"),
            ("2020-01-31T20:55:00Z", "3h5m"),
            ("2020-01-20T00:00:00Z", "12d"),
            ("nonsense", "<unknown>"),
        ] {
            assert_eq!(age(time, now), wanted, "{time}");
        }
    }
}
