//! Records what a real API server says, for the tests and the built-in schema. Needs `kubectl` in the `PATH` and a new
//! cluster in `KUBECONFIG`:
//!
//! ```text
//! cargo run --example record -- schema      writes src/object/schema/builtin.json
//! cargo run --example record -- applied     fills tests/fixtures/applied: server-side apply of each manifest
//! cargo run --example record -- declared    fills tests/fixtures/declared: each manifest made in three ways
//! cargo run --example record -- defaults    writes src/object/defaults/table.json from tests/fixtures/defaults
//! ```

#[path = "../tests/support/filled.rs"]
mod filled;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kubeferry::object::{Schema, clean};
use serde_json::{Map, Value, json};

const MANAGER: &str = "kubeferry:fix/one";

/// The kinds that are known without a server, by group-version.
const BUILTIN: [(&str, &[&str]); 11] = [
    ("api/v1", &["ConfigMap", "LimitRange", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod"]),
    ("api/v1", &["ResourceQuota", "Secret", "Service", "ServiceAccount"]),
    ("apis/apps/v1", &["DaemonSet", "Deployment", "StatefulSet"]),
    ("apis/apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    ("apis/autoscaling/v2", &["HorizontalPodAutoscaler"]),
    ("apis/batch/v1", &["CronJob", "Job"]),
    ("apis/networking.k8s.io/v1", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("apis/policy/v1", &["PodDisruptionBudget"]),
    ("apis/rbac.authorization.k8s.io/v1", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("apis/scheduling.k8s.io/v1", &["PriorityClass"]),
    ("apis/storage.k8s.io/v1", &["StorageClass"]),
];

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("schema") => record_schema(),
        Some("applied") => record_applied(),
        Some("declared") => record_declared(),
        Some("defaults") => record_defaults(),
        _ => bail!("say what to record: schema, applied, declared or defaults"),
    }
}

fn record_schema() -> anyhow::Result<()> {
    let mut kept = BTreeMap::new();
    for (group_version, kinds) in BUILTIN {
        let document: Value =
            serde_json::from_str(&kubectl(&["get", "--raw", &format!("/openapi/v3/{group_version}")], None)?)?;
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object).context("no schemas")?;
        let mut wanted: Vec<String> = Vec::new();
        for (name, schema) in schemas {
            let named = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            let is_wanted =
                |entry: &Value| entry.get("kind").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind));
            if named.is_some_and(|named| named.len() == 1 && named.iter().any(is_wanted)) {
                wanted.push(name.clone());
            }
        }
        while let Some(name) = wanted.pop() {
            if let Entry::Vacant(place) = kept.entry(name) {
                let schema = schemas.get(place.key()).with_context(|| format!("{} is missing", place.key()))?;
                place.insert(reduced(schema, &mut wanted));
            }
        }
    }
    let document = json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": {},
        "components": {"schemas": Map::from_iter(kept)}});
    write(Path::new("src/object/schema/builtin.json"), &format!("{document}\n"))
}

/// The schema of a built-in kind without descriptions and validation; the names that it refers to are added to `refers`.
fn reduced(schema: &Value, refers: &mut Vec<String>) -> Value {
    // `{}` in a built-in kind only says that the field is not a pointer.
    reduced_with(schema, refers, &|default| *default != json!({}))
}

fn reduced_with(schema: &Value, refers: &mut Vec<String>, says: &dyn Fn(&Value) -> bool) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut kept = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            ("$ref", Value::String(target)) => {
                refers.extend(target.rsplit('/').next().map(str::to_owned));
                value.clone()
            }
            ("properties", Value::Object(properties)) => {
                let each =
                    properties.iter().map(|(name, property)| (name.clone(), reduced_with(property, refers, says)));
                Value::Object(each.collect())
            }
            ("allOf" | "oneOf", Value::Array(choices)) => {
                choices.iter().map(|choice| reduced_with(choice, refers, says)).collect()
            }
            ("items" | "additionalProperties", value) => reduced_with(value, refers, says),
            ("default", value) if !says(value) => continue,
            ("default" | "format" | "required" | "type", value) => value.clone(),
            (key, value) if key.starts_with("x-kubernetes-") && key != "x-kubernetes-unions" => value.clone(),
            _ => continue,
        };
        kept.insert(key.clone(), value);
    }
    Value::Object(kept)
}

fn record_applied() -> anyhow::Result<()> {
    let cases = cases("tests/fixtures/applied")?;
    prepare()?;
    for (path, case) in &cases {
        let manifest = manifest_of(case)?;
        let sent = clean::for_apply(manifest).to_string();
        let args =
            ["apply", "--server-side", "--field-manager", MANAGER, "-f", "-", "-o", "json", "--show-managed-fields"];
        let mut live: Value = serde_json::from_str(&kubectl(&args, Some(&sent))?)?;
        let entries = live.pointer_mut("/metadata/managedFields").map(Value::take).context("no managedFields")?;
        let own = |entry: &&Value| entry.get("manager").is_some_and(|manager| manager == MANAGER);
        let own = entries.as_array().into_iter().flatten().find(own);
        let fields = own.and_then(|entry| entry.get("fieldsV1")).cloned().unwrap_or_else(|| json!({}));
        let metadata = live.pointer_mut("/metadata").and_then(Value::as_object_mut).context("no metadata")?;
        metadata.shift_remove("managedFields");
        steady(&mut live);
        write_case(path, &json!({"manifest": manifest, "fields": fields, "live": live}))?;
    }
    let schema = kubectl(&["get", "--raw", "/openapi/v3/apis/fix.example.org/v1"], None)?;
    let schema: Value = serde_json::from_str(&schema)?;
    let schemas = schema.pointer("/components/schemas").and_then(Value::as_object).context("no schemas")?;
    let kept = schemas.iter().map(|(name, schema)| (name.clone(), reduced_with(schema, &mut Vec::new(), &|_| true)));
    let kept: Map<String, Value> =
        kept.filter(|(name, _)| name.ends_with("Shelf") || name.contains("ObjectMeta")).collect();
    write(Path::new("tests/fixtures/shelf-openapi.json"), &format!("{}\n", json!({"components": {"schemas": kept}})))
}

fn record_declared() -> anyhow::Result<()> {
    let cases = cases("tests/fixtures/declared")?;
    prepare()?;
    for (path, mut case) in cases {
        let text = manifest_of(&case)?.to_string();
        let ways: [(&str, &[&str]); 3] = [
            ("created", &["create", "-f", "-"]),
            ("applied", &["apply", "-f", "-"]),
            ("server-side", &["apply", "--server-side", "-f", "-"]),
        ];
        // What people do afterwards, each a kubectl command, and what must come back then.
        let edits: Vec<Vec<String>> =
            case.get("edits").map_or(Ok(Vec::new()), |edits| serde_json::from_value(edits.clone()))?;
        for (way, args) in ways {
            kubectl(&["delete", "-f", "-", "--ignore-not-found"], Some(&text))?;
            kubectl(args, Some(&text))?;
            let live = settled(&text)?;
            let parts = case.as_object_mut().context("no map")?;
            parts.insert(way.to_owned(), live);
            if !edits.is_empty() {
                for edit in &edits {
                    kubectl(&edit.iter().map(String::as_str).collect::<Vec<_>>(), None)?;
                }
                parts.insert(format!("{way}-edited"), settled(&text)?);
            }
        }
        write_case(&path, &case)?;
    }
    Ok(())
}

fn record_defaults() -> anyhow::Result<()> {
    let (mut seen, mut schemas) = (filled::Seen::default(), BTreeMap::new());
    for probe in filled::probes() {
        let version = probe.object.get("apiVersion").and_then(Value::as_str).context("no apiVersion")?;
        if let Entry::Vacant(place) = schemas.entry(version.to_owned()) {
            let root = if version.contains('/') { "apis" } else { "api" };
            let text = kubectl(&["get", "--raw", &format!("/openapi/v3/{root}/{version}")], None)?;
            place.insert(Schema::from_openapi_text(text.as_bytes())?);
        }
        let args = ["create", "--dry-run=server", "-f", "-", "-o", "json", "--show-managed-fields"];
        let live: Value = serde_json::from_str(&kubectl(&args, Some(&probe.object.to_string()))?)?;
        let schema = schemas.get(version).context("no schema")?;
        seen.add(&probe, &live, schema.view_of(&live));
    }
    let (entries, open) = seen.table();
    if !open.is_empty() {
        bail!("these depend on neighbours; write a rule in src/object/defaults/rules.rs:\n{}", open.join("\n"));
    }
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (of, root, field, value) in entries {
        let name = root.map_or_else(|| of.clone(), |root| format!("{of} in {root}"));
        types.entry(name).or_default().push(format!("{}: {value}", Value::from(field)));
    }
    let blocks =
        types.iter().map(|(name, fields)| format!("{}: {{\n{}\n}}", Value::from(name.as_str()), fields.join(",\n")));
    let text = format!("{{\n{}\n}}\n", blocks.collect::<Vec<_>>().join(",\n"));
    write(Path::new("src/object/defaults/table.json"), &text)
}

/// The live object, after controllers had the time to stamp it.
fn settled(manifest: &str) -> anyhow::Result<Value> {
    std::thread::sleep(Duration::from_millis(700));
    let live = kubectl(&["get", "-f", "-", "-o", "json", "--show-managed-fields"], Some(manifest))?;
    let live: Value = serde_json::from_str(&live)?;
    let mut live = live.pointer("/items/0").unwrap_or(&live).clone();
    steady(&mut live);
    Ok(live)
}

fn manifest_of(case: &Value) -> anyhow::Result<&Value> {
    case.get("manifest").context("a case without a manifest")
}

fn cases(folder: &str) -> anyhow::Result<Vec<(PathBuf, Value)>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let case: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        cases.push((path, case));
    }
    // Objects after what they need: a kind, a service account.
    let last = |case: &Value| matches!(case.pointer("/manifest/kind").and_then(Value::as_str), Some("Shelf" | "Pod"));
    cases.sort_by_key(|(path, case)| (last(case), path.clone()));
    Ok(cases)
}

fn prepare() -> anyhow::Result<()> {
    let shelves = std::fs::read_to_string("tests/fixtures/applied/crd-shelves.json")?;
    let shelves: Value = serde_json::from_str(&shelves)?;
    let crd = shelves.get("manifest").context("no manifest")?;
    kubectl(&["apply", "--server-side", "--field-manager", MANAGER, "-f", "-"], Some(&crd.to_string()))?;
    for namespace in ["fix", "fix-extra"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        kubectl(&["apply", "--server-side", "-f", "-"], Some(&namespace.to_string()))?;
    }
    let until = Instant::now() + Duration::from_secs(30);
    while kubectl(&["get", "--raw", "/openapi/v3/apis/fix.example.org/v1"], None).is_err() {
        if Instant::now() > until {
            bail!("the server never served fix.example.org/v1");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Takes out what differs from one recording to the next.
fn steady(live: &mut Value) {
    let steady = "2026-01-01T00:00:00Z";
    let Some(Value::Object(metadata)) = live.get_mut("metadata") else { return };
    for (key, value) in
        [("uid", "00000000-0000-0000-0000-000000000000"), ("resourceVersion", "1"), ("creationTimestamp", steady)]
    {
        if metadata.contains_key(key) {
            metadata.insert(key.to_owned(), value.into());
        }
    }
    if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
        let times = entries.iter_mut().filter_map(|entry| entry.get_mut("time"));
        times.for_each(|time| *time = steady.into());
    }
    if let Some(root) = live.as_object_mut() {
        root.shift_remove("status");
    }
}

/// One line for each part.
fn write_case(path: &Path, case: &Value) -> anyhow::Result<()> {
    let parts = case.as_object().into_iter().flatten();
    let lines: Vec<_> = parts.map(|(name, part)| format!("{}: {part}", Value::from(name.as_str()))).collect();
    write(path, &format!("{{\n{}\n}}\n", lines.join(",\n")))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn kubectl(args: &[&str], input: Option<&str>) -> anyhow::Result<String> {
    let mut command = Command::new("kubectl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or("").as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
