//! Mishaps in which a tool that deletes could wipe everything: nothing goes, it is said why, and a person lets it go.

use http::Method;
use serde_json::json;

use crate::envtest::{Options, RealServer};
use crate::ferry::{Ferry, until};
use crate::world::World;

journeys! {
    an_emptied_repository_deletes_nothing_unless_approved,
    another_folder_deletes_nothing,
    ; real only:
    a_namespace_goes_after_what_it_holds,
    a_deleted_namespace_takes_nothing_from_git,
    a_deleted_definition_takes_nothing_from_git,
    a_rebuilt_cluster_takes_nothing_from_git,
}

const TO_CLUSTER: &str = "
rules:
- name: all
  namespaces: [NAMESPACE]
  resources: [configmaps]
  syncTo: kubernetes
";

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: NAMESPACE\ndata:\n  key: value\n")
}

async fn until_state(ferry: &Ferry, object: &str, state: &str) -> String {
    ferry
        .until_status(&format!("{object} to be {state}"), |page| {
            let line = page.objects.list.iter().find(|line| line.object.ends_with(object))?;
            (line.state.to_string() == state).then(|| line.reason.clone())
        })
        .await
}

async fn an_emptied_repository_deletes_nothing_unless_approved(world: &World) {
    for name in ["one", "two", "three"] {
        world.commit(&format!("{name}.yaml"), &config_map(name));
    }
    world.commit("README.md", "Shop\n");
    let ferry = world.ferry(TO_CLUSTER).await;
    for name in ["one", "two", "three"] {
        world.until_live("ConfigMap", name, "/data/key", "value").await;
    }
    world.repo.commit("main", "Oops", &[("one.yaml", None), ("two.yaml", None), ("three.yaml", None)]);
    let reason = until_state(&ferry, "/one", "held").await;
    assert!(reason.contains("would leave rule all without any object") && reason.contains("(guard limit)"), "{reason}");
    let (_, rest) = reason.split_once("`kubeferry approve ").unwrap();
    let plan = rest.split_once('`').unwrap().0.to_owned();
    assert!(ferry.log().contains(&plan));

    // Another process sees the same plan, and lets nothing go that is not held.
    let (code, out, _) = world.command().output(&["diff"]).await;
    assert!(code == 0 && out.contains(&plan), "nothing would be done: {code} {out}");
    until("the plan to be kept", || async {
        let (code, out, _) = world.command().output(&["approve"]).await;
        (code == 0 && out.contains(&format!("plan {plan}: 3 deletes in cluster")) && out.contains("/two")).then_some(())
    })
    .await;
    let (code, _, err) = world.command().output(&["approve", "0123456789ab"]).await;
    assert!(code == 2 && err.contains("no plan 0123456789ab is held") && err.contains(&plan), "{code} {err}");
    for name in ["one", "two", "three"] {
        assert!(world.kubectl.get("ConfigMap", name).await.is_some(), "{name}");
    }

    let (code, out, err) = world.command().output(&["approve", &plan, "--by", "ann"]).await;
    assert!(code == 0 && out.contains("approved: plan"), "{code} {out} {err}");
    for name in ["one", "two", "three"] {
        world.until_gone("ConfigMap", name).await;
    }
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    assert!(ferry.log().contains("ann"));
}

async fn another_folder_deletes_nothing(world: &World) {
    world.commit("prod/one.yaml", &config_map("one"));
    world.commit("prod/two.yaml", &config_map("two"));
    world.commit("lab/README.md", "Nothing yet\n");
    let ferry = world.ferry(&format!("gitPath: prod\n{TO_CLUSTER}")).await;
    world.until_live("ConfigMap", "two", "/data/key", "value").await;
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    // While it runs, and for the next process.
    world.rules(&format!("gitPath: lab\n{TO_CLUSTER}"));
    let reason = until_state(&ferry, "/one", "not-ours").await;
    assert!(reason.contains("(guard base)"), "{reason}");
    ferry.until_status("both sides read anew", |page| page.ready.then_some(())).await;
    assert_eq!(ferry.terminate().await, Some(0));
    let ferry = world.ferry(&format!("gitPath: lab\n{TO_CLUSTER}")).await;
    until_state(&ferry, "/two", "not-ours").await;
    for name in ["one", "two"] {
        assert!(world.kubectl.get("ConfigMap", name).await.is_some(), "{name}");
    }
}

/// To let a Namespace go one must be able to see that it is empty.
const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: namespaces}
rules:
- apiGroups: ['*']
  resources: ['*']
  verbs: [get, list]
- apiGroups: ['', example.org]
  resources: [namespaces, configmaps]
  verbs: [get, list, watch, create, patch, delete]
";

async fn a_namespace_goes_after_what_it_holds(world: &World) {
    world.role(ROLES).await;
    let inner = world.text("NAMESPACE-inner");
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {inner}\n  labels:\n    team: lab\n");
    let inside = config_map("inside").replace("NAMESPACE", &inner);
    world.commit("space.yaml", &space);
    world.commit("inside.yaml", &inside);
    world.commit("README.md", "Lab\n");
    let rules = "
rules:
- {name: spaces, resources: [namespaces], names: [NAMESPACE-inner], syncTo: kubernetes}
- {name: inner, resources: [configmaps], namespaces: [NAMESPACE-inner], excludeLabels: captured, syncTo: kubernetes}
- {name: captured, resources: [configmaps], namespaces: [NAMESPACE], labels: captured, syncTo: git}
";
    let ferry = world.ferry(rules).await;
    until("the inner namespace", || async { world.kubectl.get("Namespace", &inner).await }).await;
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    world.repo.commit("main", "Close the lab", &[("space.yaml", None), ("inside.yaml", None)]);
    until("the end of the inner namespace", || async {
        let left = world.kubectl.get("Namespace", &inner).await;
        left.is_none_or(|left| left["metadata"]["deletionTimestamp"].is_string()).then_some(())
    })
    .await;
    let deleted: Vec<String> =
        ferry.log().lines().filter(|line| line.contains(" deleted ")).map(str::to_owned).collect();
    let at = |part: &str| deleted.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{deleted:?}"));
    assert!(at("/inside") < at(&format!("Namespace {inner}")), "{deleted:?}");
}

async fn a_deleted_namespace_takes_nothing_from_git(world: &World) {
    world.role(ROLES).await;
    let inner = world.text("NAMESPACE-inner");
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {inner}\n");
    let inside = |name: &str| config_map(name).replace("NAMESPACE", &inner);
    world.kubectl.create(&space).await;
    for name in ["one", "two"] {
        world.kubectl.create(&inside(name)).await;
    }
    world.commit("README.md", "Lab\n");
    let rules = "
rules:
- {name: inner, resources: [configmaps], namespaces: [NAMESPACE-inner], syncTo: git}
";
    let mut ferry = world.ferry(rules).await;
    let paths = ["one", "two"].map(|name| format!("{inner}/ConfigMap/{name}.yaml"));
    for path in &paths {
        until("the manifests", || async { world.file(path) }).await;
    }
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    world.kubectl.delete("Namespace", &inner).await;
    until("the end of the inner namespace", || async {
        world.kubectl.get("Namespace", &inner).await.is_none().then_some(())
    })
    .await;
    // For this process, for the next one, and when a namespace of the same name is made.
    for round in 0..3 {
        let reason = until_state(&ferry, "/one", "held").await;
        assert!(reason.contains(&format!("Namespace {inner}")) && reason.contains("(guard absence)"), "{reason}");
        if round == 0 {
            ferry.kill();
        } else {
            world.kubectl.create(&space).await;
            assert_eq!(ferry.terminate().await, Some(0));
        }
        ferry = world.ferry(rules).await;
    }
    for path in &paths {
        assert!(world.file(path).is_some(), "{path}");
    }
}

const LAMPS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: torches.journeys.example}
spec:
  group: journeys.example
  scope: Namespaced
  names: {kind: Torch, plural: torches, singular: torch}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {watt: {type: integer}}}}}
";

const LAMP_ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-torches}
rules:
- apiGroups: [journeys.example]
  resources: [torches]
  verbs: [get, list, watch]
";

async fn a_deleted_definition_takes_nothing_from_git(world: &World) {
    world.role(LAMP_ROLES).await;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = crate::kubectl::documents(LAMPS).remove(0);
    let define = async || {
        until("the definition", || async {
            world.kubectl.call(Method::POST, definitions, Some(&definition)).await.ok()
        })
        .await;
    };
    let objects = world.text("/apis/journeys.example/v1/namespaces/NAMESPACE/torches");
    let torch = |name: &str| json!({"apiVersion": "journeys.example/v1", "kind": "Torch", "metadata": {"name": name}, "spec": {"watt": 7}});
    let make = async |name: &str| {
        let torch = torch(name);
        until("the torch", || async { world.kubectl.call(Method::POST, &objects, Some(&torch)).await.ok() }).await;
    };
    define().await;
    make("one").await;
    make("two").await;
    world.commit("README.md", "Lab\n");
    let rules = "
rules:
- {name: torches, apiGroups: [journeys.example], namespaces: [NAMESPACE], syncTo: git}
";
    let ferry = world.ferry(rules).await;
    let paths = ["one", "two"].map(|name| world.text(&format!("NAMESPACE/Torch/{name}.yaml")));
    for path in &paths {
        until("the manifests", || async { world.file(path) }).await;
    }
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    let path = format!("{definitions}/torches.journeys.example");
    world.kubectl.call(Method::DELETE, &path, None).await.unwrap();
    until("the end of the definition", || async {
        world.kubectl.call(Method::GET, &path, None).await.is_err().then_some(())
    })
    .await;
    let left = |page: &kubeferry::report::Status| {
        let line = page.objects.list.iter().find(|line| line.object.ends_with("/one"))?;
        (!line.reason.is_empty()).then(|| line.reason.clone())
    };
    ferry.until_status("what became of the objects", left).await;
    // It comes back empty: they went with another one.
    define().await;
    make("three").await;
    let third = world.text("NAMESPACE/Torch/three.yaml");
    until("the third manifest", || async { world.file(&third) }).await;
    ferry.until_status("what is held", |page| left(page).filter(|reason| reason.contains("guard"))).await;
    assert_eq!(ferry.terminate().await, Some(0));
    let ferry = world.ferry(rules).await;
    ferry.until_status("what is held", left).await;
    for path in &paths {
        assert!(world.file(path).is_some(), "{path}");
    }
    world.kubectl.call(Method::DELETE, &path, None).await.unwrap();
}

async fn a_rebuilt_cluster_takes_nothing_from_git(world: &World) {
    for name in ["one", "two", "three"] {
        world.kubectl.create(&world.text(&config_map(name))).await;
    }
    world.commit("README.md", "Shop\n");
    let rules = TO_CLUSTER.replace("syncTo: kubernetes", "names: [one, two, three]\n  syncTo: git");
    let ferry = world.ferry(&rules).await;
    let path = |name: &str| world.text(&format!("NAMESPACE/ConfigMap/{name}.yaml"));
    for name in ["one", "two", "three"] {
        until("the manifests", || async { world.file(&path(name)) }).await;
    }
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    let kept = world.text(&format!("/api/v1/namespaces/{}/configmaps/NAMESPACE-state", world.home));
    let state = until("the state", || async {
        let state = world.kubectl.call(Method::GET, &kept, None).await.ok()?;
        state["data"]["base"].is_string().then_some(state)
    })
    .await;
    assert_eq!(ferry.terminate().await, Some(0));
    let before = world.log();

    // Another cluster, into which a backup of everything but the objects was put.
    let server = RealServer::start(Options::default());
    let mut rebuilt = World::on(&server, "a_rebuilt_cluster_takes_nothing_from_git").await;
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": state["data"],
        "metadata": {"name": state["metadata"]["name"], "namespace": rebuilt.home}});
    rebuilt.kubectl.create(&copy.to_string()).await;
    let own = std::mem::replace(&mut rebuilt.repo, crate::git::BareRepo::at(world.repo.path()));
    let ferry = rebuilt.ferry(&rules).await;
    for name in ["/one", "/two", "/three"] {
        let reason = until_state(&ferry, name, "missing").await;
        assert!(reason.contains("(guard base)"), "{reason}");
    }
    assert!(ferry.log().contains("another cluster"), "{}", ferry.log());
    assert_eq!(world.log(), before, "nothing is removed");
    // What is wanted back is made on demand.
    rebuilt.rules(&rules.replace("syncTo: git", "syncTo: git\n  restore: true"));
    for name in ["one", "two", "three"] {
        rebuilt.until_live("ConfigMap", name, "/data/key", "value").await;
    }
    ferry.until_status("peace", |page| page.objects.list.is_empty().then_some(())).await;
    assert_eq!(world.log(), before, "and Git stays as it is");
    drop(own);
}
