//! Lists: form, pages, selection.

use serde_json::{Value, json};

use crate::support::{Server, names, version};

async fn fill(server: &Server) {
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z"), ("e", "x")] {
        let mut object = server.config_map(name, json!({"k": "v"}));
        object["metadata"]["labels"] = json!({"l": label});
        server.post("configmaps", &object).await.ok();
    }
}

pub async fn a_list_leaves_the_kind_of_its_items_out(server: &Server) {
    fill(server).await;
    let list = server.get("configmaps?labelSelector=l").await.ok();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert_eq!(names(&list), ["a", "b", "c", "d", "e"]);
    let first = &list["items"][0];
    assert_eq!((first.get("kind"), first.get("apiVersion"), &first["data"]), (None, None, &json!({"k": "v"})));
    assert!(version(&list).parse::<u64>().unwrap() >= version(&list["items"][4]).parse().unwrap());
    let everywhere = server.get("/api/v1/configmaps?labelSelector=l%3Dy&fieldSelector=metadata.name%3Db").await.ok();
    assert!(names(&everywhere).contains(&"b"));
    let definitions = server.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?limit=1").await.ok();
    assert_eq!(definitions["kind"], "CustomResourceDefinitionList");
}

pub async fn pages_show_one_moment(server: &Server) {
    fill(server).await;
    let secret = |name: &str| json!({"metadata": {"name": name}});
    for name in ["a", "b", "c", "d", "e"] {
        server.post("secrets", &secret(name)).await.ok();
    }
    let first = server.get("secrets?limit=2").await.ok();
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    // What comes between two pages is in neither.
    server.post("secrets", &secret("bb")).await.ok();
    server.delete("secrets/d", None).await.ok();
    let next = |page: &Value| page["metadata"]["continue"].as_str().unwrap().to_owned();
    let second = server.get(&format!("secrets?limit=2&continue={}", next(&first))).await.ok();
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(version(&second), version(&first));
    let last = server.get(&format!("secrets?limit=2&continue={}", next(&second))).await.ok();
    assert_eq!((names(&last), last["metadata"].get("continue")), (vec!["e"], None));
    let selected = server.get("configmaps?limit=2&labelSelector=l%3Dx").await.ok();
    assert_eq!((names(&selected), selected["metadata"].get("remainingItemCount")), (vec!["a", "c"], None));
    let rest = server.get(&format!("configmaps?limit=2&labelSelector=l%3Dx&continue={}", next(&selected))).await.ok();
    assert_eq!(names(&rest), ["e"]);
    server.get("secrets?limit=2&continue=nonsense").await.refused(400);
}

pub async fn labels_and_fields_select(server: &Server) {
    fill(server).await;
    for (query, wanted) in [
        ("labelSelector=l%3Dx", &["a", "c", "e"][..]),
        ("labelSelector=l%3D%3Dx,l", &["a", "c", "e"]),
        ("labelSelector=l+in+(x,y),l!%3Dy", &["a", "c", "e"]),
        ("labelSelector=l+notin+(x),l", &["b", "d"]),
        ("labelSelector=l,!m&fieldSelector=metadata.name!%3Da", &["b", "c", "d", "e"]),
        ("fieldSelector=metadata.name%3Dc", &["c"]),
    ] {
        let list = server.get(&format!("configmaps?{query}")).await.ok();
        assert_eq!(names(&list), wanted, "{query}");
    }
    server.post("secrets", &json!({"metadata": {"name": "s"}, "type": "example.org/t"})).await.ok();
    let typed = server.get("secrets?fieldSelector=type%3Dexample.org/t").await.ok();
    assert_eq!(names(&typed), ["s"]);
    let own = format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{},status.phase%3DActive", server.namespace);
    assert_eq!(names(&server.get(&own).await.ok()), [server.namespace.as_str()]);
}

pub async fn bad_selectors_are_refused(server: &Server) {
    let refused = server.get("configmaps?labelSelector=a%3D%3D%3Db").await;
    assert!(refused.refused(400).starts_with("unable to parse requirement"), "{}", refused.text);
    let refused = server.get("configmaps?fieldSelector=data.a%3Db").await;
    let wanted = "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    assert_eq!(refused.refused(400), wanted);
    let refused = server.get("secrets?fieldSelector=data.a%3Db").await;
    assert_eq!(refused.refused(400), "field label not supported: data.a");
    let refused = server.get("configmaps?resourceVersion=abc").await;
    assert!(refused.refused(400).starts_with("invalid resource version"), "{}", refused.text);
    let refused = server.get("configmaps?resourceVersionMatch=Exact").await;
    assert_eq!(refused.causes()[0].0, "resourceVersionMatch");
}
