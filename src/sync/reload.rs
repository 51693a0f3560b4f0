//! Owns what new rules touch: the kinds that other rules are about than before. Must never leave out an object that the new
//! rules could treat differently.

use std::collections::BTreeMap;

use crate::object::{GroupKind, Kind, Kinds};
use crate::rules::{Rule, Rules};

use super::plan::RuleIndex;

/// What differs between two versions of the rules.
#[derive(Debug, Default)]
pub struct Reload {
    /// Kinds that the same rules are about in the same order, and where these stand now.
    same: BTreeMap<GroupKind, BTreeMap<RuleIndex, RuleIndex>>,
}

impl Reload {
    /// Compares the rules for each kind that is served. The others count as touched.
    pub fn between(before: &Rules, now: &Rules, kinds: &Kinds) -> Self {
        if before.planning_text() != now.planning_text() {
            return Self::default();
        }
        let (then, now) = (texts(before), texts(now));
        let same = kinds.iter().filter_map(|kind| {
            let (then, now) = (about(&then, kind), about(&now, kind));
            let is_same = then.len() == now.len() && then.iter().zip(&now).all(|((_, then), (_, now))| then == now);
            let indices = then.iter().zip(&now).map(|((then, _), (now, _))| (then.index, now.index)).collect();
            is_same.then(|| (kind.group_kind.clone(), indices))
        });
        Self { same: same.collect() }
    }

    /// Whether objects of a kind are to be planned anew.
    pub fn touches(&self, kind: &GroupKind) -> bool {
        !self.same.contains_key(kind)
    }

    /// Where a rule stands that decided an object of a kind; `None` when the kind is touched.
    pub fn index(&self, kind: &GroupKind, before: RuleIndex) -> Option<RuleIndex> {
        self.same.get(kind)?.get(&before).copied()
    }
}

type WithText<'r> = (&'r Rule, String);

fn texts(rules: &Rules) -> Vec<WithText<'_>> {
    rules.rules.iter().map(|rule| (rule, rule.text())).collect()
}

fn about<'t, 'r>(texts: &'t [WithText<'r>], kind: &Kind) -> Vec<&'t WithText<'r>> {
    texts.iter().filter(|(rule, _)| rule.selects_kind(kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        let text = format!("gitUrl: https://git.example.com/a.git\n{text}\n");
        crate::rules::load(&text, "rules.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}")).rules
    }

    const KINDS: [(&str, &str, &str); 3] =
        [("", "ConfigMap", "configmaps"), ("", "Secret", "secrets"), ("apps", "Deployment", "deployments")];

    fn kinds() -> Kinds {
        Kinds::new(KINDS.map(|(group, kind, plural)| Kind {
            group_kind: GroupKind::new(group, kind),
            versions: vec!["v1".into()],
            plural: plural.into(),
            singular: String::new(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: Vec::new(),
            scalable: false,
        }))
    }

    /// Which of these a reload touches.
    fn touched(before: &str, now: &str) -> Vec<String> {
        let reload = Reload::between(&rules(before), &rules(now), &kinds());
        let touched = KINDS.iter().filter(|(group, kind, _)| reload.touches(&GroupKind::new(group, kind)));
        touched.map(|(_, kind, _)| (*kind).to_owned()).collect()
    }

    const TWO: &str = "rules:\n- {name: a, resources: [configmaps], syncTo: git}\n\
        - {name: b, resources: [deployments], syncTo: kubernetes}";

    #[test]
    fn only_kinds_with_other_rules_are_touched() {
        assert_eq!(touched(TWO, TWO).len(), 0);
        assert_eq!(touched(TWO, &TWO.replace("git}", "observe}")), ["ConfigMap"]);
        assert_eq!(touched(TWO, &TWO.replace("deployments", "secrets")), ["Secret", "Deployment"]);
        assert_eq!(touched(TWO, &format!("{TWO}\n- {{syncTo: observe}}")).len(), 3);
        let filtered = TWO.replace("kubernetes}", "kubernetes, filters: [.spec.replicas]}");
        assert_eq!(touched(TWO, &filtered), ["Deployment"]);
        assert_eq!(touched(&filtered, &filtered.replace("replicas", "paused")), ["Deployment"]);
        assert_eq!(touched(TWO, &TWO.replace("git}", "git, labels: a=b}")), ["ConfigMap"]);
    }

    #[test]
    fn what_holds_for_all_rules_touches_all_kinds_unless_it_only_says_when() {
        assert_eq!(touched(TWO, &format!("interval: 7m\nbatchWindow: 9s\ncommit: {{name: x}}\n{TWO}")).len(), 0);
        assert_eq!(touched(TWO, &format!("deleteDelay: 1m\n{TWO}")).len(), 3);
        assert_eq!(touched(TWO, &format!("limits: {{deletes: 7}}\n{TWO}")).len(), 3);
    }

    #[test]
    fn rules_of_a_kind_that_is_not_touched_may_stand_elsewhere() {
        let text = TWO.replace("rules:", "rules:\n- {resources: [secrets], syncTo: observe}");
        let (config_maps, secrets) = (GroupKind::new("", "ConfigMap"), GroupKind::new("", "Secret"));
        let reload = Reload::between(&rules(TWO), &rules(&text), &kinds());
        assert_eq!(reload.index(&config_maps, 0), Some(1));
        assert_eq!((reload.index(&config_maps, 1), reload.index(&secrets, 0)), (None, None));
    }
}
