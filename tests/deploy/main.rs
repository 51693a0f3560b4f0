//! `deploy.yaml` and `known_hosts`: that they hold together, and what a real API server makes of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/envtest.rs"]
mod envtest;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use envtest::{Options, RealServer};
use serde::Deserialize as _;
use serde_json::Value;

fn top(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn documents() -> Vec<Value> {
    let text = std::fs::read_to_string(top("deploy.yaml")).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn document(kind: &str, name: &str) -> Value {
    let found = documents().into_iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("deploy.yaml has no {kind} {name}"))
}

/// What kubectl prints; panics with what it complains about.
fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(RealServer::program("kubectl"));
    let output = command.arg("--kubeconfig").arg(kubeconfig).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What the first and the second `kubectl apply -f deploy.yaml` on a fresh server print.
fn applied() -> &'static [String; 2] {
    static APPLIED: OnceLock<[String; 2]> = OnceLock::new();
    APPLIED.get_or_init(|| {
        let admin = server().kubeconfig();
        let apply = || kubectl(&admin, &["apply", "-f", top("deploy.yaml").to_str().unwrap()]);
        [apply(), apply()]
    })
}

fn server() -> &'static RealServer {
    RealServer::shared(Options { controllers: true, ..Options::default() })
}

#[test]
fn known_hosts_and_deployment_name_the_same_keys() {
    let keys = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(String::from).collect()
    };
    let file = keys(&std::fs::read_to_string(top("known_hosts")).unwrap());
    let mounted = document("ConfigMap", "kubeferry-known-hosts");
    assert_eq!(keys(mounted["data"]["known_hosts"].as_str().unwrap()), file);
    for host in ["github.com", "gitlab.com", "bitbucket.org"] {
        for kind in ["ssh-ed25519", "ecdsa-sha2-nistp256"] {
            assert!(file.iter().any(|line| line.starts_with(&format!("{host} {kind} "))), "{host} {kind}");
        }
    }
    let parsed = ssh_key::KnownHosts::read_file(top("known_hosts")).unwrap();
    assert_eq!(parsed.len(), file.len());
}

#[test]
fn every_mounted_volume_exists_and_the_command_line_is_one_that_we_take() {
    let deployment = document("Deployment", "kubeferry");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let names = |list: &Value| -> Vec<String> {
        let mut names: Vec<_> = list.as_array().unwrap().iter().map(|it| it["name"].to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&container["volumeMounts"]), names(&pod["volumes"]));
    let arguments = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
    let parsed =
        <kubeferry::cli::args::Cli as clap::Parser>::try_parse_from(["kubeferry"].into_iter().chain(arguments));
    let options = parsed.unwrap().options;
    let mount = container["volumeMounts"].as_array().unwrap().iter().find(|it| it["name"] == "config").unwrap();
    assert!(options.file.starts_with(mount["mountPath"].as_str().unwrap()), "{}", options.file.display());
}

#[test]
fn the_example_rules_hold_and_leave_no_warning() {
    let map = document("ConfigMap", "kubeferry-config");
    let loaded = kubeferry::rules::load(map["data"]["config.yaml"].as_str().unwrap(), "config.yaml").unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let names: Vec<_> = loaded.rules.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["replicas", "shop"]);
}

#[test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
fn applying_deploy_yaml_a_second_time_changes_nothing() {
    let [first, second] = applied();
    let expected = documents().len();
    assert_eq!(first.lines().filter(|line| line.ends_with(" created")).count(), expected, "{first}");
    assert_eq!(second.lines().filter(|line| line.ends_with(" unchanged")).count(), expected, "{second}");
    assert_eq!(second.lines().count(), expected, "{second}");
}

#[test]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
fn the_pod_is_admitted_under_the_restricted_standard() {
    applied();
    let admin = server().kubeconfig();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let pods = kubectl(&admin, &["--namespace", "kubeferry", "get", "pods", "-o", "name"]);
        if pods.starts_with("pod/kubeferry-") {
            break;
        }
        let events = kubectl(&admin, &["--namespace", "kubeferry", "get", "events"]);
        assert!(Instant::now() < end && !events.contains("FailedCreate"), "no pod was made: {events}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_server), ignore = "needs a real API server: set KUBEBUILDER_ASSETS")]
async fn the_service_account_may_do_what_the_rules_need_and_nothing_beyond() {
    applied();
    let token = server().service_account_token("kubeferry", "kubeferry").await;
    let account = server().kubeconfig_for(&token);
    // Prints `no` with status 1, so the status is not asked for.
    let may = |question: &str| {
        let words: Vec<_> = question.split(' ').collect();
        let mut command = Command::new(RealServer::program("kubectl"));
        let output = command.arg("--kubeconfig").arg(&account).args(["auth", "can-i"]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    for question in [
        "watch namespaces",
        "watch customresourcedefinitions.apiextensions.k8s.io",
        "watch deployments.apps --all-namespaces",
        "list configmaps --all-namespaces",
        "create events.events.k8s.io --namespace shop",
        "create deployments.apps --namespace shop",
        "patch services --namespace shop",
        "delete configmaps --namespace shop",
        "create configmaps --namespace kubeferry",
        "patch configmaps/kubeferry-state --namespace kubeferry",
        "create leases.coordination.k8s.io --namespace kubeferry",
        "update leases.coordination.k8s.io/kubeferry --namespace kubeferry",
        "get /openapi/v3",
        "get /apis",
        "get /version",
    ] {
        assert!(may(question), "kubeferry may not {question}");
    }
    for question in [
        "get secrets --namespace kubeferry",
        "patch configmaps/kubeferry-config --namespace kubeferry",
        "patch deployments.apps --namespace kubeferry",
        "create deployments.apps --namespace kube-system",
        "delete namespaces",
        "create pods --namespace shop",
        "get secrets --namespace shop",
        "escalate clusterroles.rbac.authorization.k8s.io",
        "update leases.coordination.k8s.io/other --namespace kubeferry",
    ] {
        assert!(!may(question), "kubeferry may {question}");
    }
    // Not only in words: discovery and schemas really come.
    assert!(kubectl(&account, &["get", "--raw", "/openapi/v3"]).contains("apis/apps/v1"));
    assert!(kubectl(&account, &["api-resources"]).contains("deployments"));
}
