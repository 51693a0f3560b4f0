//! Owns the keys of the rules file as they are written, with the text that editors show for each. Must never judge a
//! value beyond its type: that is for the compiler, which knows what to suggest.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_yaml::Value;

/// Which objects and fields kubeferry keeps in sync between one Git repository and one cluster, and in which direction.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "kubeferry rules file")]
pub(super) struct RawFile {
    /// URL of the Git repository: `git@host:path`, `ssh://` or `https://`. A URL on the command line stands in for it.
    /// Credentials do not belong here.
    #[schemars(extend("examples" = ["git@github.com:acme/platform.git"]))]
    pub(super) git_url: Option<String>,
    /// Branch that is read and pushed to. Default: the remote's default branch.
    #[schemars(extend("examples" = ["main"]))]
    pub(super) branch: Option<String>,
    /// Folder of the repository that is read and written; nothing outside of it is touched.
    #[schemars(extend("default" = "."))]
    pub(super) git_path: Option<String>,
    /// How often Git is asked for news, for example `30s` or `1m30s`.
    #[schemars(extend("default" = "30s"))]
    pub(super) interval: Option<Text>,
    /// How long to wait after the latest change in the cluster before it is committed, so that changes that belong
    /// together become one commit. `0s`: at once.
    #[schemars(extend("default" = "2s"))]
    pub(super) batch_window: Option<Text>,
    /// The longest that a change waits for its commit, however many follow it.
    #[schemars(extend("default" = "10s"))]
    pub(super) batch_max: Option<Text>,
    /// The shortest time between two pushes; what changes in between goes into the next one. `0s`: no such limit.
    #[schemars(extend("default" = "0s"))]
    pub(super) min_push_interval: Option<Text>,
    /// Most commits within an hour; what changes beyond that waits and goes into the next one. Default: no limit.
    #[schemars(extend("examples" = [60]))]
    pub(super) commits_per_hour: Option<Text>,
    /// How long an object must be gone from the cluster before its manifest is removed: what is replaced comes back
    /// within this time.
    #[schemars(extend("default" = "15s"))]
    pub(super) delete_delay: Option<Text>,
    /// How much is read, and how much is deleted unattended.
    #[schemars(with = "Option<RawLimits>")]
    pub(super) limits: Option<Value>,
    /// What commits look like.
    #[schemars(with = "Option<RawCommit>")]
    pub(super) commit: Option<Value>,
    /// The rules, in order. For each field of each object the first rule that matches the object and covers the field
    /// decides.
    #[schemars(with = "Vec<RawRule>")]
    pub(super) rules: Option<Value>,
}

/// How much is read, and how much is deleted unattended.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Limits")]
pub(super) struct RawLimits {
    /// Deletes of one rule and direction within an hour at which they are held back: a number, a percentage of the
    /// rule's objects, or `none` for no limit. Default: 10 or a tenth of the rule's objects, whichever is more.
    #[schemars(extend("examples" = [25, "20%", "none"]))]
    pub(super) deletes: Option<Text>,
    /// Largest manifest file that is read, in bytes or as `512Ki`, `4Mi`. A larger one is skipped and reported.
    #[schemars(extend("default" = "10Mi"))]
    pub(super) file_bytes: Option<Text>,
    /// Most documents that one manifest file may hold.
    #[schemars(extend("default" = 100_000))]
    pub(super) documents: Option<Text>,
    /// Most values that one manifest file may hold, after its YAML aliases are expanded.
    #[schemars(extend("default" = 1_000_000))]
    pub(super) nodes: Option<Text>,
    /// Deepest nesting that one manifest may have.
    #[schemars(extend("default" = 200))]
    pub(super) depth: Option<Text>,
}

/// The limits that a rule may set for itself.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "RuleLimits")]
pub(super) struct RawRuleLimits {
    /// As `limits.deletes` of the file, for this rule.
    #[schemars(extend("examples" = [25, "20%", "none"]))]
    pub(super) deletes: Option<Text>,
}

/// What commits look like.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Commit")]
pub(super) struct RawCommit {
    /// Author and committer.
    #[schemars(extend("default" = "kubeferry"))]
    pub(super) name: Option<String>,
    /// E-mail address of author and committer.
    #[schemars(extend("default" = "kubeferry@localhost"))]
    pub(super) email: Option<String>,
    /// Message, as a template: `{{ .Summary }}` is one line that says what changed, `{{ .Details }}` lists each object with
    /// its fields, old and new values, rule and field managers; `{{ .Objects }}`, `{{ .Rules }}` and `{{ .Managers }}` are
    /// lists on one line, for trailers. A trailer that names the instance is added below it.
    #[schemars(extend("default" = "{{ .Summary }}\n\n{{ .Details }}"))]
    pub(super) message: Option<String>,
}

/// One rule: what it selects, and what happens to that.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rule")]
pub(super) struct RawRule {
    /// Name in logs, status and metrics. Default: `rule-N` by its position, from 1.
    pub(super) name: Option<String>,
    /// API groups, without versions: `apps`; `""` is the core group, `*` any. Empty: any.
    pub(super) api_groups: Option<Vec<String>>,
    /// Kinds by plural, singular, kind or short name in any case, also `plural.group`; `*` is any. Empty: any. Rules
    /// for any kind leave out what nobody stores in Git (Pods, Events, Nodes ...).
    pub(super) resources: Option<Vec<String>>,
    /// Namespaces, as globs (`*`, `?`). Empty: any, and objects without a namespace.
    pub(super) namespaces: Option<Vec<String>>,
    /// Label selector that the object's Namespace must match; leaves out objects without a namespace.
    #[schemars(extend("examples" = ["team in (shop,pay)"]))]
    pub(super) namespace_labels: Option<String>,
    /// Names of objects, as globs (`*`, `?`). Empty: any.
    pub(super) names: Option<Vec<String>>,
    /// Label selector as kubectl takes it: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
    /// Read on the side that is the source: in the manifest for `kubernetes`, on the live object for `git`, on either for
    /// `both` and `observe`.
    #[schemars(extend("examples" = ["app.kubernetes.io/part-of=platform,!canary"]))]
    pub(super) labels: Option<String>,
    /// Label selector for objects that are left out; read where `labels` is.
    pub(super) exclude_labels: Option<String>,
    /// Fields that the rule is limited to, as JSON Pointer (`/spec/replicas`) or JSONPath
    /// (`.spec.template.spec.containers[?(@.name=='web')].image`); each covers everything below it. Empty: every field.
    /// A rule with filters never creates or deletes objects. The short form of `fields`.
    pub(super) filters: Option<Vec<String>>,
    /// Fields that the rule is limited to, as `filters`, and how each is carried to Git: what is made of its value, and
    /// where it is written. An entry is a path, or a map. The first one that covers a field decides; `filters` come last.
    #[schemars(with = "Option<Vec<RawFieldEntry>>")]
    pub(super) fields: Option<Vec<Value>>,
    /// Where changes go: `kubernetes` applies what Git says, `git` commits what the cluster says, `both` carries what
    /// changed on one side to the other, `observe` only reports differences.
    #[schemars(with = "super::choices::Direction")]
    pub(super) sync_to: Option<Text>,
    /// What happens to a field that both sides changed to different values, or that differs before both ever agreed: `hold`
    /// (nothing is written until somebody decides), `git`, `cluster` or `latest` (whichever was seen to change last). With
    /// `syncTo: both` only.
    #[schemars(with = "Option<super::choices::Conflict>", extend("default" = "hold"))]
    pub(super) conflict: Option<Text>,
    /// `false`: a field that another manager owns with another value is left alone and reported. Concerns the directions
    /// `kubernetes` and `both`.
    #[schemars(extend("default" = true))]
    pub(super) force_conflicts: Option<bool>,
    /// What happens to a commit of somebody else that changes a field of the rule, or removes such a manifest: `overwrite`
    /// (the live value is written over it) or `hold` (it stays until the live value changes, or until somebody releases
    /// it). With `syncTo: git` only.
    #[schemars(with = "Option<super::choices::GitEdits>", extend("default" = "overwrite"))]
    pub(super) git_edits: Option<Text>,
    /// `true`: a manifest whose object is missing, and was never seen live, is created in the cluster: to bring a lost
    /// cluster back from what Git has. Concerns the direction `git` only.
    #[schemars(extend("default" = false))]
    pub(super) restore: Option<bool>,
    /// `true`: what comes after an object of this rule waits until the object is ready. Concerns the directions
    /// `kubernetes` and `both`.
    #[schemars(extend("default" = false))]
    pub(super) wait: Option<bool>,
    /// What may be deleted when it is gone from the source: `owned` (what this instance applied, or what once agreed
    /// on both sides), `matching` (whatever the rule matches) or `never`.
    #[schemars(with = "Option<super::choices::Prune>", extend("default" = "owned"))]
    pub(super) prune: Option<Text>,
    /// Whether Secrets reach Git: `skip` or `plain` (readable by everyone who can read the repository). Concerns the
    /// directions `git` and `both`.
    #[schemars(with = "Option<super::choices::Secrets>", extend("default" = "skip"))]
    pub(super) secrets: Option<Text>,
    /// `true`: the rule still decides over what it selects, but does nothing.
    #[schemars(extend("default" = false))]
    pub(super) suspend: Option<bool>,
    /// Field managers whose changes are not edits, as globs (`*`, `?`): what Flux, Argo CD or Helm change in the cluster is
    /// not written to Git.
    #[schemars(extend("examples" = [["argocd-controller", "helm", "flux-*"]]))]
    pub(super) ignore_managers: Option<Vec<String>>,
    /// File of a new manifest below `gitPath`, as a template of `.Namespace .Name .Kind .Group .Version .Resource` and of
    /// labels and annotations (`.Labels.app`, `index .Annotations "example.com/team"`), with the functions `lower`,
    /// `upper`, `default`, `replace` and `trunc`. Empty segments are dropped. With a patch format, the file of the
    /// object's patch; default: `{{ .Namespace }}/{{ .Kind }}/{{ .Name }}.patch.yaml`.
    #[schemars(extend("default" = super::format::Format::Yaml.standard_path()))]
    pub(super) path: Option<String>,
    /// How new files are written: `yaml` or `json` (whole manifests), `patch` (what identifies the object and the fields
    /// that the rule carries) or `kustomize-patch` (the same, listed in the nearest kustomization). Default: as the ending
    /// of `path` says, else `yaml`. Patches need `syncTo: git`.
    #[schemars(with = "Option<super::format::Format>")]
    pub(super) format: Option<Text>,
    /// How a patch says what changes: `strategic-merge` (items of lists by their keys), `json-merge` (whole lists; not for
    /// kustomize) or `replace` (maps and lists that are captured replace what is there). With a patch format only.
    /// Default: `strategic-merge`.
    #[schemars(with = "Option<super::format::Strategy>")]
    pub(super) strategy: Option<Text>,
    /// Limits of this rule.
    #[schemars(with = "Option<RawRuleLimits>")]
    pub(super) limits: Option<Value>,
}

/// One field, and how it is carried to Git.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Field", extend("required" = ["path"]))]
pub(super) struct RawField {
    /// The field, as JSONPath (`.spec.replicas`, `{.spec.containers[?(@.name=='web')].image}`) or JSON Pointer
    /// (`/spec/replicas`); it covers everything below it.
    pub(super) path: Option<String>,
    /// What is made of the value before it is written, as an expression in CEL over `value` (the field) and `object` (the
    /// live object), with the functions of Kubernetes. Null leaves the field out. Needs `syncTo: git`.
    #[schemars(extend("examples" = ["value.split(':')[1]"]))]
    pub(super) transform: Option<String>,
    /// Where the value is written instead: another path in the same manifest, or `file#path` in a YAML or JSON file below
    /// `gitPath`. Both may be templates as `path` of a rule is. Needs `syncTo: git`.
    #[schemars(extend("examples" = ["charts/web/values.yaml#/web/replicas", "kustomization.yaml#.images[?(@.name=='web')].newTag"]))]
    pub(super) to: Option<String>,
}

/// A field that the rule carries: its path, or a map that also says how it is carried.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[allow(dead_code, reason = "describes what is read by hand, so that each wrong entry is answered by itself")]
pub(super) enum RawFieldEntry {
    /// A path alone.
    Path(String),
    /// A path, and how the field is carried.
    Full(RawField),
}

/// A scalar as it was written: text, number or boolean. So `interval: 30` can be answered with "write `30s`".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Text, E> {
                Ok(Text(flag.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
