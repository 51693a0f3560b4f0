use super::*;
use crate::object::path::{PathElement, Scalar};
use serde_json::json;

fn crd() -> Schema {
    let meta = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let document = json!({"components": {"schemas": {
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": meta,
    "io.example.v1.Shelf": {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": "example.io", "version": "v1", "kind": "Shelf"}],
        "properties": {
            "metadata": {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]},
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer", "default": 3},
                "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {"type": "object", "properties": {
                        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "string"}},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "either": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            }},
        }}}}});
    Schema::from_openapi(&document).unwrap()
}

#[test]
fn a_custom_resource_is_read_with_keys_defaults_and_atomic_parts() {
    let schema = crd();
    let spec = schema.root("example.io", "v1", "Shelf").unwrap().field("spec");
    assert_eq!(spec.field("size").default(), Some(&json!(3)));
    let ports = spec.field("ports");
    assert_eq!(ports.list(), ListKind::Map(&["port".into(), "protocol".into()]));
    let key = PathElement::key([("port".into(), Scalar::Int(80)), ("protocol".into(), Scalar::String("TCP".into()))]);
    assert_eq!(ports.item_key(&json!({"port": 80})), Some(key));
    assert_eq!(spec.field("tags").list(), ListKind::Set);
    assert_eq!(spec.field("tags").item_key(&json!("a")), Some(PathElement::Value(Scalar::String("a".into()))));
    assert_eq!(spec.field("plain").list(), ListKind::Atomic);
    assert_eq!(spec.field("plain").item_key(&json!("a")), None);
    assert!(spec.field("whole").is_atomic_map() && !spec.is_atomic_map());
    assert!(!spec.field("either").is_free_map());
}

#[test]
fn a_field_that_no_schema_knows_can_be_told() {
    let schema = crd();
    let root = schema.root("example.io", "v1", "Shelf").unwrap();
    assert!(root.is_known_field("spec") && !root.is_known_field("specs"));
    assert!(root.field("spec").field("free").is_known_field("anything"));
    assert!(root.field("spec").field("free").field("deep").is_known_field("anything"));
    assert!(!root.field("spec").field("size").is_known_field("anything"));
    assert!(SchemaView::unknown().is_known_field("anything"));
}

#[test]
fn the_builtin_table_knows_the_common_kinds() {
    let schema = Schema::builtin();
    for (group, version, kind) in [
        ("", "v1", "ConfigMap"),
        ("", "v1", "Secret"),
        ("", "v1", "Namespace"),
        ("", "v1", "Service"),
        ("apps", "v1", "Deployment"),
        ("batch", "v1", "CronJob"),
        ("networking.k8s.io", "v1", "Ingress"),
    ] {
        assert!(schema.root(group, version, kind).is_some(), "{kind}");
    }
    assert!(schema.root("apps", "v1", "Foo").is_none());
    let pod = schema.root("apps", "v1", "Deployment").unwrap().field("spec").field("template").field("spec");
    let containers = pod.field("containers");
    assert_eq!(containers.list(), ListKind::Map(&["name".into()]));
    assert_eq!(containers.item().type_name(), Some("io.k8s.api.core.v1.Container"));
    let ports = containers.item().field("ports");
    assert_eq!(
        ports.item_key(&json!({"containerPort": 80})),
        Some(PathElement::key([
            ("containerPort".into(), Scalar::Int(80)),
            ("protocol".into(), Scalar::String("TCP".into()))
        ]))
    );
    assert!(containers.item().field("resources").field("limits").field("cpu").is_quantity());
    assert_eq!(pod.field("tolerations").list(), ListKind::Atomic);
    assert!(pod.field("nodeSelector").is_atomic_map());
    assert!(schema.root("apps", "v1", "Deployment").unwrap().field("spec").field("selector").is_atomic_map());
}

#[test]
fn nothing_is_known_below_the_unknown() {
    let view = SchemaView::unknown();
    assert!(!view.is_atomic_map() && !view.field("a").is_atomic_map());
    assert_eq!(view.field("a").list(), ListKind::Atomic);
    assert!(view.field("a").item().is_atomic_map());
}

#[test]
fn a_schema_that_refers_to_itself_is_read_once() {
    let schema = Schema::builtin();
    let crd = schema.root("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    let schema = crd.field("spec").field("versions").item().field("schema").field("openAPIV3Schema");
    let deep = schema.field("properties").field("a").field("properties").field("b");
    assert_eq!(schema.type_name(), deep.type_name());
}

#[test]
fn a_document_without_schemas_is_refused() {
    assert_eq!(Schema::from_openapi(&json!({})).unwrap_err(), SchemaError::NoSchemas);
    assert!(matches!(Schema::from_openapi_text(b"x").unwrap_err(), SchemaError::NotJson(_)));
}
