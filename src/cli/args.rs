//! Owns the shape of the command line: verbs, options, environment variables, help. Must never read a file, reach a
//! network or decide anything beyond whether a text has the right form.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::names::{InstanceName, NamespaceName, NamespacedName, ObjectName};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; `once` in sync, `diff` no differences, `check` valid, `status` ready
  1  `once` held, failed or refused something; `diff` found differences; `status` not ready
  2  could not run: wrong arguments or rules, no access, no answer

Examples:
  kubeferry demo                                       see both directions, without a cluster
  kubeferry check -f config.yaml                       validate the rules
  kubeferry diff git@github.com:acme/platform.git      what would change, changing nothing
  kubeferry once -f config.yaml --context staging      converge both sides, then exit
  kubeferry run -f /etc/kubeferry/config.yaml          keep both sides in sync

Every option has an environment variable, shown with it. KUBEFERRY_LOG (else RUST_LOG) sets the log level, for example
KUBEFERRY_LOG=info,kubeferry::sync=debug.";

/// Reads the variable of a flag: empty, `0`, `f`, `false`, `n`, `no` and `off` are no, anything else is yes.
fn flag() -> FalseyValueParser {
    FalseyValueParser::new()
}

/// Carries Kubernetes objects both ways between one Git repository and one cluster, per object and per field, as a rules
/// file says.
#[derive(Debug, Parser)]
#[command(name = "kubeferry", version, after_help = EXIT_CODES, max_term_width = 110)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    subcommand_value_name = "VERB"
)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that stand before or after any verb.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The rules file
    #[arg(short, long, global = true, value_name = "FILE", default_value = "config.yaml")]
    #[arg(env = "KUBEFERRY_FILE", hide_env_values = true)]
    pub file: PathBuf,

    /// Log format on standard error: text or json
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    #[arg(env = "KUBEFERRY_LOG_FORMAT", hide_env_values = true)]
    pub log_format: Format,

    /// Output format on standard output: text or json
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    #[arg(env = "KUBEFERRY_OUTPUT", hide_env_values = true)]
    pub output: Format,

    /// Allow file:// URLs and paths as the Git remote
    #[arg(long, global = true, env = "KUBEFERRY_ALLOW_FILE_URLS", hide_env_values = true, value_parser = flag())]
    pub allow_file_urls: bool,

    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config, then the pod's service account]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    #[arg(env = "KUBEFERRY_KUBECONFIG", hide_env_values = true)]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    #[arg(env = "KUBEFERRY_CONTEXT", hide_env_values = true)]
    pub context: Option<String>,

    /// Namespace of our state, Lease and Events [default: the pod's, else kubeferry]
    #[arg(long, global = true, value_name = "NS", help_heading = "Instance")]
    #[arg(env = "KUBEFERRY_NAMESPACE", hide_env_values = true)]
    pub namespace: Option<NamespaceName>,

    /// Name of this instance; two instances need two names (at most 54 characters)
    #[arg(long, global = true, value_name = "INSTANCE", default_value = "kubeferry", help_heading = "Instance")]
    #[arg(env = "KUBEFERRY_NAME", hide_env_values = true)]
    pub name: InstanceName,

    /// A former identity of this instance, whose fields and commits count as ours
    #[arg(long, global = true, value_name = "NS/NAME", help_heading = "Instance")]
    #[arg(env = "KUBEFERRY_TAKES_OVER", hide_env_values = true)]
    pub takes_over: Option<NamespacedName>,
}

/// Text for people or JSON for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The Git remote, which stands in for `gitUrl` of the rules file.
#[derive(Clone, Debug, Args)]
pub struct Remote {
    /// Git remote, instead of gitUrl in the rules file: git@HOST:PATH, ssh:// or https://
    #[arg(env = "KUBEFERRY_GIT_URL", hide_env_values = true)]
    pub git_url: Option<GitUrl>,
}

/// A Git URL as it was given; may hold a password, so it is never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUrl(String);

impl GitUrl {
    /// The URL with whatever credentials it holds.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitUrl(***)")
    }
}

impl FromStr for GitUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The command line quotes what it refuses, so nothing is refused here that could hold a password.
        match text {
            "" => Err("it is empty"),
            _ if !text.contains(['@', ':']) && [".yaml", ".yml"].iter().any(|ending| text.ends_with(ending)) => {
                Err("it looks like a rules file: give that with -f FILE")
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Keep both sides in sync until stopped
    Run(Run),
    /// Converge both sides, then exit: 0 in sync, 1 something is held or failed, 2 could not run
    Once(Once),
    /// Show what `once` would do, as unified diffs, changing nothing: 0 nothing, 1 differences, 2 error
    Diff(Diff),
    /// Show which rule decides each field of an object, and why
    Explain(Explain),
    /// Validate a rules file: 0 valid, 2 not
    Check(Check),
    /// Print the JSON Schema of the rules file, for editors
    Schema,
    /// Print what a running instance says of itself: 0 ready, 1 not ready, 2 no answer
    Status(Status),
    /// Let a held set of deletes go; without a plan, list what is held: 0 done, 2 no such plan
    Approve(Approve),
    /// List what is held and why: 0 nothing, 1 something, 2 error
    Holds,
    /// Free what is held of an object, and say which side stays
    Release(Release),
    /// Show both directions at work, in an embedded cluster and repository
    #[cfg(feature = "sandbox")]
    Demo(Demo),
    /// Run the embedded API server alone
    #[cfg(feature = "sandbox")]
    Sandbox(Sandbox),
}

impl Verb {
    /// Whether it is the demo, which tells its own story.
    pub fn is_demo(&self) -> bool {
        #[cfg(feature = "sandbox")]
        return matches!(self, Self::Demo(_));
        #[cfg(not(feature = "sandbox"))]
        false
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Listens with /livez /readyz /health /metrics /status. SIGTERM finishes the push in flight and exits 0.

Example:
  kubeferry run -f /etc/kubeferry/config.yaml --listen 0.0.0.0:8000")]
pub struct Run {
    /// The Git remote.
    #[command(flatten)]
    pub remote: Remote,

    /// Address of the endpoints
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8000", value_parser = listen_address)]
    #[arg(env = "KUBEFERRY_LISTEN", hide_env_values = true)]
    pub listen: SocketAddr,

    /// Read the rules from key config.yaml of this ConfigMap, and follow it, instead of -f
    #[arg(long, value_name = "NAMESPACE/NAME", env = "KUBEFERRY_CONFIG_MAP", hide_env_values = true)]
    pub config_map: Option<NamespacedName>,
}

/// Arguments of `once`.
#[derive(Debug, Args)]
#[command(after_help = "Waits 10 s for the Lease if another process of the same instance holds it.")]
pub struct Once {
    /// The Git remote.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "Values of Secrets are masked. Takes no Lease, so it may run beside `run`.")]
pub struct Diff {
    /// The Git remote.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubeferry explain deployment shop/web
  kubeferry explain volumesnapshots.snapshot.storage.k8s.io shop/nightly
  kubeferry explain clusterrole viewer")]
pub struct Explain {
    /// Kind, plural or short name, in any case, or PLURAL.GROUP
    pub kind: String,

    /// The object; without a namespace a cluster-scoped one
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub object: ObjectName,

    /// The Git remote.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Works without a cluster; with one, names of kinds and filters are checked against it too.

Example:
  kubeferry check -f config.yaml -o json")]
pub struct Check {
    /// The Git remote.
    #[command(flatten)]
    pub remote: Remote,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads and writes the ConfigMap INSTANCE-state in --namespace, with your own access. The running instance, or the next
`once`, carries the plan out. Plans are named by `diff`, `status` and the log.

Examples:
  kubeferry approve
  kubeferry approve 3f2a9c51d0e7")]
pub struct Approve {
    /// The plan, as `diff`, `status` and the log name it
    pub plan_id: Option<String>,

    /// Who approves, for the log [default: $USER]
    #[arg(long, value_name = "NAME", env = "KUBEFERRY_BY", hide_env_values = true)]
    pub by: Option<String>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kubectl --namespace kubeferry port-forward deploy/kubeferry 8000 &
  kubeferry status")]
pub struct Status {
    /// Where the instance listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    #[arg(env = "KUBEFERRY_URL", hide_env_values = true)]
    pub url: String,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs the right to get and update the instance's state, the ConfigMap INSTANCE-state in --namespace. What is released is
carried out by the running instance, or by the next one.

Examples:
  kubeferry release configmap shop/settings --keep cluster
  kubeferry release deployment.apps shop/web
  kubeferry release --all --keep git")]
pub struct Release {
    /// Kind, plural or short name, in any case, or PLURAL.GROUP
    #[arg(required_unless_present = "all")]
    pub kind: Option<String>,

    /// The object; without a namespace a cluster-scoped one
    #[arg(value_name = "[NAMESPACE/]NAME", required_unless_present = "all")]
    pub object: Option<ObjectName>,

    /// Everything that `kubeferry holds` lists and that somebody can decide
    #[arg(long, conflicts_with_all = ["kind", "object"])]
    #[arg(env = "KUBEFERRY_ALL", hide_env_values = true, value_parser = flag())]
    pub all: bool,

    /// The side whose values stay, where both changed
    #[arg(long, value_name = "SIDE", env = "KUBEFERRY_KEEP", hide_env_values = true)]
    pub keep: Option<Keep>,

    /// Who releases it, for the log [default: $USER]
    #[arg(long, value_name = "NAME", env = "KUBEFERRY_BY", hide_env_values = true)]
    pub by: Option<String>,
}

/// A side that stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// What Git says.
    Git,
    /// What the cluster has.
    Cluster,
}

/// Arguments of `demo`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
#[command(after_help = "\
Without --kubeconfig nothing leaves this machine. With it the same demo runs against that cluster, in a namespace of its
own, after asking.")]
pub struct Demo {
    /// Stop after the round trip, with status 0
    #[arg(long, env = "KUBEFERRY_EXIT", hide_env_values = true, value_parser = flag())]
    pub exit: bool,

    /// Do not ask before using the cluster of --kubeconfig
    #[arg(long, env = "KUBEFERRY_YES", hide_env_values = true, value_parser = flag())]
    pub yes: bool,
}

/// Arguments of `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kubeferry sandbox --kubeconfig-out sandbox.kubeconfig &
  kubectl --kubeconfig sandbox.kubeconfig get namespaces")]
pub struct Sandbox {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = listen_address)]
    #[arg(env = "KUBEFERRY_LISTEN", hide_env_values = true)]
    pub listen: SocketAddr,

    /// Write a kubeconfig for it to this file
    #[arg(long, value_name = "FILE", env = "KUBEFERRY_KUBECONFIG_OUT", hide_env_values = true)]
    pub kubeconfig_out: Option<PathBuf>,
}

/// `ADDRESS:PORT`, or `:PORT` for every address.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| "write ADDRESS:PORT or :PORT, for example 127.0.0.1:8000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("kubeferry").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_verb() {
        for line in ["-f a.yaml run --name x https://h/r", "run https://h/r -f a.yaml --name x"] {
            let cli = parse(line).unwrap();
            assert_eq!((cli.options.file.to_str(), cli.options.name.as_str()), (Some("a.yaml"), "x"), "{line}");
            let Verb::Run(run) = cli.verb else { panic!("{line}") };
            assert_eq!(run.remote.git_url.unwrap().reveal(), "https://h/r");
            assert_eq!(run.listen.to_string(), "0.0.0.0:8000");
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let options = parse("once").unwrap().options;
        assert_eq!((options.file.to_str(), options.name.as_str()), (Some("config.yaml"), "kubeferry"));
        assert_eq!((options.output, options.log_format), (Format::Text, Format::Text));
        assert!(!options.allow_file_urls && options.namespace.is_none() && options.takes_over.is_none());
    }

    #[test]
    fn explain_takes_kind_then_object_then_remote() {
        let Verb::Explain(explain) = parse("explain deploy shop/web git@h:r").unwrap().verb else { panic!() };
        assert_eq!((explain.kind.as_str(), explain.object.to_string().as_str()), ("deploy", "shop/web"));
        assert_eq!(explain.remote.git_url.unwrap().reveal(), "git@h:r");
    }

    #[test]
    fn wrong_arguments_exit_with_two_and_say_what_is_wrong() {
        for (line, part) in [
            ("run --listen 8000", "write ADDRESS:PORT"),
            ("run --config-map x", "NAMESPACE/NAME"),
            ("run --name Upper", "lower-case"),
            ("check rules.yaml", "give that with -f"),
            ("run -o yaml", "possible values: text, json"),
            ("expain shop/web", "explain"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
        assert_eq!(parse(&format!("run --name {}", "n".repeat(55))).unwrap_err().exit_code(), 2);
        let Verb::Run(run) = parse("run --listen :9").unwrap().verb else { panic!() };
        assert_eq!(run.listen.to_string(), "0.0.0.0:9");
    }

    #[test]
    fn every_option_has_an_environment_variable_of_ours() {
        let mut command = Cli::command();
        command.build();
        let all: Vec<_> = std::iter::once(&command).chain(command.get_subcommands()).collect();
        for argument in all.iter().flat_map(|command| command.get_arguments()) {
            let id = argument.get_id().as_str();
            if ["help", "version", "kind", "object", "plan_id"].contains(&id) {
                continue;
            }
            let expected = format!("KUBEFERRY_{}", id.to_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(expected.as_str()), "{id}");
            assert!(argument.is_hide_env_values_set(), "{id} would print its environment's value");
        }
    }

    #[test]
    fn a_url_with_a_password_is_not_printed() {
        let cli = parse("run https://user:secret@h/r").unwrap();
        assert!(!format!("{cli:?}").contains("secret"));
    }
}
