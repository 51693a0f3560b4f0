//! Tables and metadata alone.

use serde_json::{Value, json};

use crate::support::{Server, owned, version};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub async fn tables_have_the_columns_of_kubectl(server: &Server) {
    server.post("configmaps", &server.config_map("m", json!({"a": "1", "b": "2"}))).await.ok();
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}});
    let service = server.post("services", &service).await.ok();
    let mut paused = server.deployment("web");
    paused["spec"]["paused"] = true.into();
    server.post("deployments", &paused).await.ok();
    server.post("secrets", &json!({"metadata": {"name": "x"}, "stringData": {"a": "b"}})).await.ok();
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}});
    server.post("leases", &lease).await.ok();
    let ages = Value::Null;
    for (path, columns, cells) in [
        ("configmaps/m", "Name Data Age", json!(["m", 2, ages])),
        ("secrets/x", "Name Type Data Age", json!(["x", "Opaque", 1, ages])),
        ("leases/l", "Name Holder Age", json!(["l", "me", ages])),
        (
            "services/s",
            "Name Type Cluster-IP External-IP Port(s) Age Selector*",
            json!(["s", "ClusterIP", service["spec"]["clusterIP"], "<none>", "80/TCP", ages, "a=b"]),
        ),
        (
            "deployments/web",
            "Name Ready Up-to-date Available Age Containers* Images* Selector*",
            json!(["web", ages, ages, ages, ages, "c", "nginx", "a=b"]),
        ),
    ] {
        let table = server.get_as(path, TABLE).await.ok();
        assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
        let told: Vec<_> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{}{}", one["name"].as_str().unwrap(), if one["priority"] == 0 { "" } else { "*" }))
            .collect();
        assert_eq!(told.join(" "), columns, "{path}");
        let row = &table["rows"][0];
        for (cell, wanted) in row["cells"].as_array().unwrap().iter().zip(cells.as_array().unwrap()) {
            assert!(wanted.is_null() || cell == wanted, "{path}: {cell} is not {wanted}");
        }
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    }
    let list = server.get_as("configmaps?fieldSelector=metadata.name%3Dm&includeObject=Object", TABLE).await.ok();
    assert_eq!((&list["rows"][0]["object"]["kind"], list["rows"].as_array().unwrap().len()), (&json!("ConfigMap"), 1));
    assert!(version(&list).parse::<u64>().is_ok());
}

pub async fn metadata_alone_still_shows_owners(server: &Server) {
    server.apply("a", &server.config_map("m", json!({"a": "1"}))).await.ok();
    let one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let object = server.get_as("configmaps/m", one).await.ok();
    let kind = json!("PartialObjectMetadata");
    assert_eq!((&object["kind"], object.get("data")), (&kind, None));
    assert_eq!(owned(&object, "a"), json!({"f:data": {"f:a": {}}}));
    let many = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = server.get_as("configmaps?fieldSelector=metadata.name%3Dm", many).await.ok();
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("PartialObjectMetadataList"), &kind));
    let refused = server.get_as("configmaps", one).await;
    let wanted = "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)";
    assert_eq!(refused.refused(406), wanted);
}

pub async fn a_form_that_is_not_served_is_refused(server: &Server) {
    let refused = server.get_as("configmaps", "application/xml").await;
    assert!(refused.refused(406).starts_with("406: Not Acceptable"), "{}", refused.text);
    assert_eq!(server.get_as("configmaps", "*/*").await.code, 200);
}
