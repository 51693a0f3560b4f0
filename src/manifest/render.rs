//! Owns the text of a new manifest, as a person would write it. Must never touch a manifest that exists.

use serde_json::{Map, Value};

use super::write::Style;
use crate::object::RepoPath;

/// The text of a new file in the format that its ending asks for.
pub fn render_for(path: &RepoPath, object: &Value) -> String {
    if is_json(path) { render_json(object) } else { render(object) }
}

/// Whether a file of this name is written as JSON.
pub fn is_json(path: &RepoPath) -> bool {
    path.file_name().to_ascii_lowercase().ends_with(".json")
}

/// [`render`] in JSON: the same order, two columns a level, a line break at the end.
fn render_json(object: &Value) -> String {
    let text = match object {
        Value::Object(map) => serde_json::to_string_pretty(&ordered(map)),
        other => serde_json::to_string_pretty(other),
    };
    text.map(|text| format!("{text}\n")).unwrap_or_default()
}

/// An object with its identity first.
fn ordered(map: &Map<String, Value>) -> Map<String, Value> {
    let all = first(map, &["apiVersion", "kind", "metadata"]).map(|(name, value)| match value {
        Value::Object(metadata) if name == "metadata" => {
            let ordered = first(metadata, &["name", "namespace", "labels", "annotations"]);
            (name.clone(), Value::Object(ordered.map(|(name, value)| (name.clone(), value.clone())).collect()))
        }
        value => (name.clone(), value.clone()),
    });
    all.collect()
}

/// The text of a new file for one object: identity first, two columns a level, lists flush under their key, blocks for
/// texts of several lines, quotes where any reader of YAML needs them.
pub fn render(object: &Value) -> String {
    let Value::Object(map) = object else {
        let text = Style::KUBECTL.after(object, 0, false);
        return format!("---{text}\n");
    };
    if map.is_empty() {
        return "{}\n".to_owned();
    }
    let mut out = String::new();
    for (name, value) in &ordered(map) {
        Style::KUBECTL.entry(name, value, 0, &mut out);
        out.push('\n');
    }
    out
}

/// The entries of a map, those named first.
fn first<'m>(map: &'m Map<String, Value>, names: &'m [&str]) -> impl Iterator<Item = (&'m String, &'m Value)> {
    let ahead = names.iter().filter_map(|name| map.get_key_value(*name));
    ahead.chain(map.iter().filter(|(name, _)| !names.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::load::{Caps, load};
    use crate::manifest::scalar::normal;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_manifest_reads_as_if_written_by_hand() {
        let object = json!({
            "kind": "Deployment",
            "spec": {
                "replicas": 2,
                "template": {"spec": {"containers": [{"name": "web", "image": "nginx:1.25", "args": ["--level", "yes"],
                    "ports": [{"containerPort": 80}], "resources": {}, "env": []}]}},
                "paused": false,
            },
            "metadata": {"annotations": {"a/b": "0644", "note": "one\ntwo\n"}, "labels": {"app": "web"}, "namespace": "shop", "name": "web"},
            "apiVersion": "apps/v1",
            "data": {"run.sh": "#!/bin/sh\n\n  exit 0", "lead": "  x\ny\n", "odd": "a\n\n\n", "tab": "\ta\n"},
        });
        let wanted = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels:
    app: web
  annotations:
    a/b: \"0644\"
    note: |
      one
      two
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: web
        image: nginx:1.25
        args:
        - --level
        - \"yes\"
        ports:
        - containerPort: 80
        resources: {}
        env: []
  paused: false
data:
  run.sh: |-
    #!/bin/sh

      exit 0
  lead: |2
      x
    y
  odd: \"a\\n\\n\\n\"
  tab: |2
    \ta
";
        assert_eq!(render(&object), wanted);
        assert_eq!(load(wanted, &Caps::default()), Ok(object));
    }

    #[test]
    fn a_file_that_ends_in_json_is_written_as_json() {
        let object = json!({"data": {"a": "b"}, "metadata": {"name": "x"}, "kind": "ConfigMap", "apiVersion": "v1"});
        let wanted = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\n    \"name\": \"x\"\n  },\n  \"data\": {\n    \"a\": \"b\"\n  }\n}\n";
        assert_eq!(render_for(&RepoPath::parse("a/x.JSON").unwrap(), &object), wanted);
        assert_eq!(render_for(&RepoPath::parse("a/x.yaml").unwrap(), &object), render(&object));
    }

    #[test]
    fn keys_longer_than_readers_look_come_back() {
        let object = json!({"a": {"k".repeat(3000): {"b": ["c"]}, "k: ".repeat(500): "d\ne"}});
        assert_eq!(load(&render(&object), &Caps::default()), Ok(object));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~\u{80}-\u{a1}\u{2028}\u{feff}\u{1f600}\\n\\r\\t]{0,12}",
            "[-+0-9a-fxob_.:eE]{1,8}",
            "(yes|No|on|~|null|<<|=|#|: |- |\\? |[|]|>|\\{|\\[|,|'|\"|a|\n| |\t){1,6}",
            any::<String>(),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_value_comes_back(value in any_value()) {
            let text = render(&value);
            prop_assert_eq!(load(&text, &Caps::default()), Ok(normal(&value)), "{}", text);
        }
    }
}
