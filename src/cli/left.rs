//! What `once` and `diff` print of objects that are left as they are.

use std::collections::BTreeMap;

use crate::report::{Change, Verb};

/// How many objects of one quiet state are listed.
const LISTED: usize = 20;

/// One line for each change; of what needs nobody's attention (skipped, not ours, missing, observed) only the first of
/// each state and a count, because a rule may select thousands.
pub fn lines<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut counts: BTreeMap<Verb, usize> = BTreeMap::new();
    for change in changes {
        let count = counts.entry(change.verb).or_default();
        *count += 1;
        if change.verb.is_trouble() || change.verb == Verb::Pending || *count <= LISTED {
            lines.push(change.to_string());
        }
    }
    for (verb, count) in counts {
        if !verb.is_trouble() && verb != Verb::Pending && count > LISTED {
            lines.push(format!("and {} more {verb}; `-o json` lists all", count - LISTED));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{GroupKind, ObjectId};
    use crate::report::Side;

    #[test]
    fn trouble_is_listed_in_full_and_the_rest_is_counted() {
        let change = |number: usize, verb| {
            let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "shop", &number.to_string());
            Change::new(id, Side::Cluster, verb)
        };
        let held = (0..30).map(|number| change(number, Verb::Held));
        let others = (0..30).map(|number| change(number, Verb::NotOurs));
        let all: Vec<Change> = held.chain(others).collect();
        let lines = lines(all.iter());
        assert_eq!(lines.len(), 30 + LISTED + 1);
        assert_eq!(lines.last().unwrap(), "and 10 more not-ours; `-o json` lists all");
    }
}
