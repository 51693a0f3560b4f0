//! Rules as data, and what they say of a field, in words of their own: the oracle must not ask the code under test.

use std::fmt::Write as _;
use std::sync::LazyLock;

use kubeferry::object::{FieldPath, ObjectId, PathElement};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Where a rule sends its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Cluster,
    Git,
    /// Whichever side changed since both agreed; where both did, this decides.
    Both(Conflict),
    Observe,
}

/// Which side wins where both changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    Neither,
    Git,
    Cluster,
}

/// Where a rule keeps its fields in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Manifest,
    /// In patches of their own; with a path, in one file.
    Patch(Option<&'static str>),
    /// In a file of values.
    Value(&'static str),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub plurals: Vec<&'static str>,
    pub namespaces: Vec<&'static str>,
    pub filter: Option<&'static str>,
    pub to: To,
    pub place: Place,
    pub suspend: bool,
}

/// What the rules say of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    To(To),
    /// To Git, but not into the manifest.
    Elsewhere,
    Idle,
    Uncovered,
}

const PLURALS: [(&str, &str); 4] =
    [("configmaps", "ConfigMap"), ("deployments", "Deployment"), ("services", "Service"), ("widgets", "Widget")];

/// Filters, as rules write them and as the segments of the field that they name.
const FILTERS: [(&str, &[&str]); 8] = [
    ("/data/a", &["data", "a"]),
    ("/data", &["data"]),
    ("/spec/replicas", &["spec", "replicas"]),
    ("/spec/nested", &["spec", "nested"]),
    ("/spec/nested/x", &["spec", "nested", "x"]),
    ("/metadata/annotations", &["metadata", "annotations"]),
    (
        ".spec.template.spec.containers[?(@.name=='web')].image",
        &["spec", "template", "spec", "containers", "[web]", "image"],
    ),
    ("/spec/list", &["spec", "list"]),
];

/// How often a rule lets either side change what it covers, against four times for each single direction. 0: never.
static EITHER: LazyLock<u32> =
    LazyLock::new(|| std::env::var("KUBEFERRY_EITHER").map_or(2, |weight| weight.parse().unwrap()));

/// A few rules; the first that covers a field decides.
pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let conflict = || select(&[Conflict::Neither, Conflict::Neither, Conflict::Git, Conflict::Cluster][..]);
    let to = prop_oneof![
        4 => Just(To::Cluster),
        4 => Just(To::Git),
        *EITHER => conflict().prop_map(To::Both),
        1 => Just(To::Observe),
    ];
    let plurals = subsequence(PLURALS.map(|(plural, _)| plural).to_vec(), 1..=4);
    let namespaces = subsequence(vec!["shop", "lab"], 1..=2);
    let filter = prop_oneof![1 => Just(None), 1 => select(&FILTERS[..]).prop_map(|(text, _)| Some(text))];
    let rule = (plurals, namespaces, filter, to, prop::bool::weighted(0.06));
    let rule = rule.prop_map(|(plurals, namespaces, filter, to, suspend)| Rule {
        plurals,
        namespaces,
        filter,
        to,
        place: Place::Manifest,
        suspend,
    });
    // The last decides over everything: else most objects would have no rule.
    let rest = prop_oneof![2 => Just(To::Cluster), 2 => Just(To::Git), *EITHER => conflict().prop_map(To::Both)];
    let rest = rest.prop_map(|to| Rule {
        plurals: PLURALS.map(|(plural, _)| plural).to_vec(),
        namespaces: vec!["shop", "lab"],
        filter: None,
        to,
        place: Place::Manifest,
        suspend: false,
    });
    (prop::collection::vec(rule, 0..4), rest).prop_map(|(mut rules, rest)| {
        rules.push(rest);
        rules
    })
}

/// Rules that keep fields beside the manifests. What is a patch under them is a manifest under others, so a history keeps
/// to them.
pub fn elsewhere() -> Vec<Rule> {
    let rule = |plurals: &[&'static str], filter, to, place| Rule {
        plurals: plurals.to_vec(),
        namespaces: vec!["shop", "lab"],
        filter,
        to,
        place,
        suspend: false,
    };
    let mut values = rule(&["configmaps"], Some("/data/a"), To::Git, Place::Value("values.yaml#/{{ .Name }}/a"));
    values.namespaces = vec!["shop"];
    vec![
        rule(&["deployments"], Some("/spec/replicas"), To::Git, Place::Patch(None)),
        values,
        rule(&["widgets"], None, To::Git, Place::Patch(Some("all.patch.yaml"))),
        rule(&["configmaps", "services", "deployments"], None, To::Cluster, Place::Manifest),
    ]
}

/// The rules as their file says them.
pub fn text(rules: &[Rule]) -> String {
    let mut text = String::new();
    for (index, rule) in rules.iter().enumerate() {
        let to = match rule.to {
            To::Cluster => "kubernetes",
            To::Git => "git",
            To::Both(Conflict::Neither) => "both, conflict: hold",
            To::Both(Conflict::Git) => "both, conflict: git",
            To::Both(Conflict::Cluster) => "both, conflict: cluster",
            To::Observe => "observe",
        };
        write!(text, "- {{name: r{index}, resources: [{}], ", rule.plurals.join(", ")).unwrap();
        write!(text, "namespaces: [{}], syncTo: {to}", rule.namespaces.join(", ")).unwrap();
        match (rule.place, rule.filter) {
            (Place::Value(file), Some(field)) => {
                write!(text, ", fields: [{{path: \"{field}\", to: '{file}'}}]").unwrap()
            }
            (_, Some(filter)) => write!(text, ", filters: [\"{filter}\"]").unwrap(),
            (Place::Manifest, None) => text.push_str(", limits: {deletes: none}"),
            (_, None) => {}
        }
        if let Place::Patch(path) = rule.place {
            text.push_str(", format: patch");
            path.into_iter().for_each(|path| write!(text, ", path: {path}").unwrap());
        }
        text.push_str(if rule.suspend { ", suspend: true}\n" } else { "}\n" });
    }
    text
}

impl Rule {
    fn selects(&self, id: &ObjectId) -> bool {
        let kind = |plural: &&str| PLURALS.iter().any(|(of, kind)| of == plural && *kind == id.kind());
        self.plurals.iter().any(kind) && id.namespace().is_some_and(|name| self.namespaces.contains(&name))
    }

    fn covers(&self, field: &[String]) -> bool {
        let Some(filter) = self.filter else { return true };
        let (_, prefix) = FILTERS.iter().find(|(text, _)| *text == filter).unwrap();
        field.len() >= prefix.len() && prefix.iter().zip(field).all(|(own, field)| own == field)
    }

    fn way(&self) -> Way {
        match self.place {
            _ if self.suspend => Way::Idle,
            Place::Manifest => Way::To(self.to),
            Place::Patch(_) | Place::Value(_) => Way::Elsewhere,
        }
    }
}

impl Way {
    /// Whether what Git says may reach the cluster.
    pub fn applies(self) -> bool {
        matches!(self, Self::To(To::Cluster | To::Both(_)))
    }

    /// Whether what the cluster says may reach Git.
    pub fn writes(self) -> bool {
        matches!(self, Self::To(To::Git | To::Both(_)))
    }
}

/// Where a field of an object goes.
pub fn way(rules: &[Rule], id: &ObjectId, field: &FieldPath) -> Way {
    let field = segments(field);
    rules.iter().find(|rule| rule.selects(id) && rule.covers(&field)).map_or(Way::Uncovered, Rule::way)
}

/// Who decides whether the object exists.
pub fn existence(rules: &[Rule], id: &ObjectId) -> Way {
    let decides = |rule: &&Rule| rule.selects(id) && rule.filter.is_none() && rule.place == Place::Manifest;
    rules.iter().find(decides).map_or(Way::Uncovered, Rule::way)
}

/// Whether the deciding rule names exactly this field.
pub fn names(rules: &[Rule], id: &ObjectId, field: &FieldPath) -> bool {
    let field = segments(field);
    let rule = rules.iter().find(|rule| rule.selects(id) && rule.covers(&field));
    let filter = rule.and_then(|rule| rule.filter).and_then(|filter| FILTERS.iter().find(|(text, _)| *text == filter));
    filter.is_some_and(|(_, prefix)| prefix.len() == field.len())
}

fn segments(field: &FieldPath) -> Vec<String> {
    let segment = |element: &PathElement| match element {
        PathElement::Field(name) => name.to_string(),
        PathElement::Key(keys) => {
            format!("[{}]", keys.first().map_or(String::new(), |(_, key)| plain(&key.to_value())))
        }
        PathElement::Value(value) => format!("={value}"),
        PathElement::Index(index) => format!("#{index}"),
    };
    field.elements().iter().map(segment).collect()
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
