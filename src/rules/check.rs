//! Owns what can be said of filters once schemas are known, without looking at any object. Must never do I/O: kinds and
//! schemas are given.

use crate::object::Kind;
use crate::object::schema::SchemaView;

use super::problem::{Fault, Level, Problem};
use super::{Filter, Loaded, Rule};

impl Loaded {
    /// Holds every filter against the schemas of the kinds that its rule selects: an error for each that Kubernetes
    /// cannot honour, a warning for each that no such kind knows. `view` gives the schema of a kind, or nothing.
    pub fn check_filters<'k, 's>(
        &self,
        kinds: impl Iterator<Item = &'k Kind> + Clone,
        view: impl Fn(&Kind) -> Option<SchemaView<'s>>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for rule in &self.rules.rules {
            for filter in rule.fields.iter().map(|field| &field.filter) {
                let found = check(rule, filter, kinds.clone(), &view);
                problems.extend(found.map(|(level, fault)| self.source.problem(level, filter.mark, fault)));
            }
        }
        problems
    }

    /// A warning about a rule, at its place in the file.
    pub fn warn(&self, rule: &Rule, text: String, hint: &str) -> Problem {
        self.source.problem(Level::Warning, rule.mark, Fault::new(text).hint(hint))
    }

    /// A warning for each rule that is about no kind that the server serves.
    pub fn check_kinds<'k>(&self, kinds: impl Iterator<Item = &'k Kind> + Clone) -> Vec<Problem> {
        let idle = |rule: &&Rule| !kinds.clone().any(|kind| rule.selects_kind(kind));
        let problem = |rule: &Rule| {
            let fault = Fault::new(format!("rule {} is about no kind that the server serves", rule.name));
            let fault =
                fault.hint("`kubectl api-resources` lists names and groups; a kind that comes later is taken in then");
            self.source.problem(Level::Warning, rule.mark, fault)
        };
        self.rules.rules.iter().filter(idle).map(problem).collect()
    }
}

fn check<'k, 's>(
    rule: &Rule,
    filter: &Filter,
    kinds: impl Iterator<Item = &'k Kind>,
    view: &impl Fn(&Kind) -> Option<SchemaView<'s>>,
) -> Option<(Level, Fault)> {
    let mut unknown = None;
    let mut is_known = false;
    for kind in kinds.filter(|kind| rule.selects_kind(kind)) {
        let Some(view) = view(kind) else {
            is_known = true;
            continue;
        };
        match filter.check(view) {
            Err(error) => {
                let fault =
                    Fault::new(format!("rule {} cannot be honoured for {}: {error}", rule.name, kind.group_kind));
                return Some((Level::Error, fault));
            }
            Ok(None) => is_known = true,
            Ok(Some(field)) => unknown = unknown.or(Some((field, kind))),
        }
    }
    let (field, kind) = unknown.filter(|_| !is_known)?;
    let fault =
        Fault::new(format!("no kind that the rule selects has this field; {} has no `{field}`", kind.group_kind));
    Some((Level::Warning, fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{GroupKind, Schema};
    use crate::rules::load;

    fn kind(group: &str, kind: &str, plural: &str) -> Kind {
        Kind {
            group_kind: GroupKind::new(group, kind),
            versions: vec!["v1".into()],
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: vec![],
            namespaced: true,
            verbs: vec![],
            scalable: false,
        }
    }

    fn check(rule: &str) -> Vec<String> {
        let loaded = load(&format!("gitUrl: git@host:x\nrules:\n- syncTo: git\n  {rule}\n"), "f").unwrap();
        let kinds = [kind("apps", "Deployment", "deployments"), kind("", "ConfigMap", "configmaps")];
        let schema = Schema::builtin();
        let view = |kind: &Kind| {
            let schema = &schema;
            schema.root(&kind.group_kind.group, kind.preferred_version(), &kind.group_kind.kind)
        };
        let problems = [loaded.check_filters(kinds.iter(), view), loaded.check_kinds(kinds.iter())].concat();
        problems.iter().map(|problem| problem.to_string().lines().next().unwrap().to_owned()).collect()
    }

    #[test]
    fn filters_are_held_against_the_kinds_that_the_rule_selects() {
        assert_eq!(check("filters: [/spec/replicas]"), [] as [&str; 0]);
        assert_eq!(
            check("filters: [/data/x, /spec/replcas]"),
            ["f:4:22: warning: no kind that the rule selects has this field; Deployment.apps has no `.spec.replcas`"]
        );
        assert_eq!(
            check("filters: ['.spec.template.spec.containers[0].command[1]']"),
            ["f:4:13: rule rule-1 cannot be honoured for Deployment.apps: filter \
              `.spec.template.spec.containers[0].command[1]`: it ends inside \
              `.spec.template.spec.containers.command`, which Kubernetes owns as one value; name \
              `.spec.template.spec.containers.command` itself"]
        );
        assert_eq!(check("resources: [configmaps]\n  filters: [/data/x]").len(), 0);
    }

    #[test]
    fn a_rule_about_no_served_kind_is_warned_of() {
        assert_eq!(
            check("resources: [deploymints]"),
            ["f:3:3: warning: rule rule-1 is about no kind that the server serves"]
        );
    }
}
