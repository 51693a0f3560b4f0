//! What one journey has for itself: a namespace, a repository, a person with kubectl, and an instance of kubeferry with the
//! rights of `deploy.yaml` and those that the journey lists, no more. Must never share any of it with another journey.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

#[cfg(feature = "sandbox")]
use super::envtest::client_of;
use super::envtest::{Options, RealServer};
use super::ferry::{CommandLine, Ferry, until};
use super::git::{BareRepo, LogEntry};
use super::kubectl::{Kubectl, documents};

/// Settings with which nothing takes longer than it must. Git is polled as often as the rules allow.
pub const QUICK: &str = "interval: 1s\nbatchWindow: 200ms\nbatchMax: 3s\ndeleteDelay: 1s\n";

/// Everything that one journey touches.
pub struct World {
    /// The namespace that the journey is about.
    pub namespace: String,
    /// The namespace of the instance's own objects.
    pub home: String,
    /// The remote.
    pub repo: BareRepo,
    /// An administrator who acts in `namespace`.
    pub kubectl: Kubectl,
    kubeconfig: PathBuf,
    is_restricted: bool,
    folder: tempfile::TempDir,
    #[cfg(feature = "sandbox")]
    sandbox: Option<kubeferry::sandbox::Server>,
}

impl World {
    /// On the real API server that the journeys share.
    pub async fn real(journey: &str) -> Self {
        Self::on(RealServer::shared(Options { controllers: true, ..Options::default() }), journey).await
    }

    /// On an embedded API server of its own, where everything is allowed.
    #[cfg(feature = "sandbox")]
    pub async fn sandbox(journey: &str) -> Self {
        let server = kubeferry::sandbox::Server::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (namespace, home) = names(journey);
        let folder = tempfile::Builder::new().prefix("sandbox-").tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
        let kubectl = Kubectl::new(client_of(&kubeconfig).await, &namespace);
        make_namespaces(&kubectl, [&namespace, &home]).await;
        let mut world = Self::with(journey, kubectl, kubeconfig, false, folder);
        world.sandbox = Some(server);
        world
    }

    /// On an API server of one's own.
    pub async fn on(server: &RealServer, journey: &str) -> Self {
        let (namespace, home) = names(journey);
        let kubectl = Kubectl::new(server.client().await, &namespace);
        make_namespaces(&kubectl, [&namespace, &home]).await;
        let token = server.service_account_token(&home, "kubeferry").await;
        let folder = tempfile::Builder::new().prefix("journey-").tempdir().unwrap();
        let world = Self::with(journey, kubectl, server.kubeconfig_for(&token), true, folder);
        world.allow(&role_documents(&namespace, &home)).await;
        world
    }

    fn with(
        journey: &str,
        kubectl: Kubectl,
        kubeconfig: PathBuf,
        is_restricted: bool,
        folder: tempfile::TempDir,
    ) -> Self {
        let (namespace, home) = names(journey);
        Self {
            namespace,
            home,
            repo: BareRepo::new(),
            kubectl,
            kubeconfig,
            is_restricted,
            folder,
            #[cfg(feature = "sandbox")]
            sandbox: None,
        }
    }

    /// A folder of the journey's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The access that kubeferry has.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The name of the service account that kubeferry uses.
    pub fn account(journey: &str) -> String {
        format!("system:serviceaccount:{}:kubeferry", names(journey).1)
    }

    /// Puts the journey's namespace for `NAMESPACE`.
    pub fn text(&self, text: &str) -> String {
        text.replace("NAMESPACE", &self.namespace)
    }

    /// Gives kubeferry further rights: Roles of `NAMESPACE`, and ClusterRoles, whose names are made the journey's own.
    pub async fn role(&self, yaml: &str) {
        let mut all = Vec::new();
        for mut role in documents(&self.text(yaml)) {
            let name = format!("{}-{}", self.namespace, role["metadata"]["name"].as_str().unwrap());
            role["metadata"]["name"] = json!(name);
            let kind = role["kind"].as_str().unwrap().to_owned();
            let mut binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"),
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "kubeferry", "namespace": self.home}],
            });
            if let Some(namespace) = role["metadata"].get("namespace") {
                binding["metadata"]["namespace"] = namespace.clone();
            }
            all.extend([role, binding]);
        }
        self.allow(&all).await;
    }

    /// Creates these roles and bindings, and waits until the API server goes by them: it learns of them a moment later.
    async fn allow(&self, objects: &[Value]) {
        if !self.is_restricted {
            return;
        }
        for object in objects {
            self.kubectl.create(&object.to_string()).await;
        }
        let account = format!("system:serviceaccount:{}:kubeferry", self.home);
        for role in objects.iter().filter(|object| object.get("rules").is_some()) {
            for rule in role["rules"].as_array().unwrap() {
                let list = |key: &str| rule.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
                let mut asked = json!({
                    "group": list("apiGroups").last(), "resource": list("resources").last(), "verb": list("verbs").last(),
                });
                if let Some(name) = list("resourceNames").last() {
                    asked["name"] = name.clone();
                }
                if let Some(namespace) = role["metadata"].get("namespace") {
                    asked["namespace"] = namespace.clone();
                }
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                    "spec": {"user": account, "resourceAttributes": asked},
                });
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                until("the role to be in force", || async {
                    let answer = self.kubectl.call(http::Method::POST, path, Some(&review)).await.unwrap();
                    (answer["status"]["allowed"] == true).then_some(())
                })
                .await;
            }
        }
    }

    /// Writes the rules file, after settings that make everything quick; `rules` begins with the key `rules`, or with
    /// settings of its own.
    pub fn rules(&self, rules: &str) -> PathBuf {
        let path = self.folder().join("config.yaml");
        let new = self.folder().join("config.yaml.new");
        std::fs::write(&new, self.config(rules)).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }

    /// The text of a rules file.
    pub fn config(&self, rules: &str) -> String {
        let is_set = |line: &&str| line.split(':').next().is_some_and(|key| rules.contains(&format!("{key}:")));
        let quick: String = QUICK.lines().filter(|line| !is_set(line)).map(|line| format!("{line}\n")).collect();
        format!("gitUrl: {}\nbranch: main\n{quick}{}", self.repo.url(), self.text(rules))
    }

    /// The command line of kubeferry here, for any verb.
    pub fn command(&self) -> CommandLine {
        self.command_with(&self.folder().join("config.yaml"))
    }

    /// The same with another rules file.
    pub fn command_with(&self, rules: &Path) -> CommandLine {
        self.command_of(rules, &self.kubeconfig)
    }

    /// The same with another way to the API server.
    pub fn command_through(&self, kubeconfig: &Path) -> CommandLine {
        self.command_of(&self.folder().join("config.yaml"), kubeconfig)
    }

    fn command_of(&self, rules: &Path, kubeconfig: &Path) -> CommandLine {
        let paths = [rules, kubeconfig].map(|path| path.to_str().unwrap().to_owned());
        let [rules, kubeconfig] = paths;
        let words = ["-f", &rules, "--kubeconfig", &kubeconfig, "--namespace", &self.home, "--name", &self.namespace];
        let mut arguments: Vec<String> = words.map(ToOwned::to_owned).into();
        arguments.push("--allow-file-urls".to_owned());
        CommandLine::new(self.folder(), arguments)
    }

    /// Starts kubeferry with these rules and waits until it is ready.
    pub async fn ferry(&self, rules: &str) -> Ferry {
        self.rules(rules);
        let ferry = self.command().run(&[]).await;
        ferry.ready().await;
        ferry
    }

    /// Commits a file as a person; `NAMESPACE` is replaced.
    pub fn commit(&self, path: &str, text: &str) -> String {
        self.repo.write(&format!("Change {path}"), &[(path, &self.text(text))]).to_string()
    }

    /// Removes a file as a person.
    pub fn remove(&self, path: &str) -> String {
        self.repo.commit("main", &format!("Remove {path}"), &[(path, None)]).to_string()
    }

    /// A file at the tip of `main`.
    pub fn file(&self, path: &str) -> Option<String> {
        self.repo.read("main", &self.text(path))
    }

    /// The latest commits, latest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.repo.log("main")
    }

    /// Waits until the live object is as wanted.
    pub async fn until_live(&self, kind: &str, name: &str, pointer: &str, wanted: impl Into<Value>) {
        let wanted = wanted.into();
        until(&format!("{kind} {name} {pointer} = {wanted}"), || async {
            let live = self.kubectl.get(kind, name).await?;
            (live.pointer(pointer).unwrap_or(&Value::Null) == &wanted).then_some(())
        })
        .await;
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, kind: &str, name: &str) {
        until(&format!("the end of {kind} {name}"), || async {
            self.kubectl.get(kind, name).await.is_none().then_some(())
        })
        .await;
    }

    /// Waits until the file reads exactly so; `NAMESPACE` is replaced.
    pub async fn until_file(&self, path: &str, wanted: &str) {
        let wanted = self.text(wanted);
        let asking = until(path, || async { (self.file(path)? == wanted).then_some(()) });
        if tokio::time::timeout(super::ferry::LIMIT * 9 / 10, asking).await.is_err() {
            panic!("{path} is\n{}\nnot\n{wanted}", self.file(path).unwrap_or_else(|| "(not there)".to_owned()));
        }
    }

    /// Waits until there is no such file.
    pub async fn until_no_file(&self, path: &str) {
        until(&format!("the end of {path}"), || async { self.file(path).is_none().then_some(()) }).await;
    }
}

/// Namespace of the journey, and of its instance.
fn names(journey: &str) -> (String, String) {
    let name = journey.replace('_', "-");
    assert!(name.len() <= 54, "{journey}: an instance's name has at most 54 characters");
    let home = format!("{name}-ferry");
    (name, home)
}

async fn make_namespaces(kubectl: &Kubectl, names: [&str; 2]) {
    for name in names {
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        kubectl.create(&space.to_string()).await;
    }
}

/// The roles of `deploy.yaml` and what binds them, for an instance of this name.
fn role_documents(namespace: &str, home: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy.yaml")).unwrap();
    let is_role = |object: &Value| object["apiVersion"] == "rbac.authorization.k8s.io/v1";
    let mut roles: Vec<Value> = documents(&text).into_iter().filter(is_role).collect();
    for object in &mut roles {
        match object["metadata"]["namespace"].as_str() {
            Some("kubeferry") => object["metadata"]["namespace"] = json!(home),
            Some("shop") => object["metadata"]["namespace"] = json!(namespace),
            Some(other) => panic!("deploy.yaml has a role in {other}"),
            // Cluster-wide: the name must be the journey's own.
            None => {
                object["metadata"]["name"] = json!(home);
                if let Some(reference) = object.get_mut("roleRef") {
                    reference["name"] = json!(home);
                }
            }
        }
        for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            subject["namespace"] = json!(home);
        }
        for rule in object.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            for name in rule.get_mut("resourceNames").and_then(Value::as_array_mut).into_iter().flatten() {
                *name = json!(name.as_str().unwrap().replace("kubeferry", namespace));
            }
        }
    }
    roles
}
