//! Owns which item of a list becomes which of another: by the keys of the schema, by value in a set, by what is the same
//! elsewhere. Must never take another order of a keyed list or a set for a change.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::Value;

use crate::object::{PathElement, SchemaView};

/// Which item of one list becomes which of another.
pub(super) struct Pairs {
    /// For each item of the first, its position in the second; `None` for one that goes from where it stands.
    pub to: Vec<Option<usize>>,
    /// Items of the second that come, in their order, each with the position in the first behind which it comes to stand.
    pub added: Vec<(Option<usize>, usize)>,
    /// Where those that come stood before, for those that only move.
    pub moved: HashMap<usize, usize>,
    /// Whether new ones stand at the end, whatever `added` says.
    pub at_end: bool,
}

impl Pairs {
    pub fn of(from: &[Value], to: &[Value], view: SchemaView<'_>) -> Self {
        match (keys(from, view), keys(to, view)) {
            (Some(old), Some(new)) => Self::by_key(&old, &new),
            _ => Self::by_value(from, to),
        }
    }

    /// Keys stand in the order of their items.
    fn by_key(old: &[PathElement], new: &[PathElement]) -> Self {
        let numbers = |keys: &[PathElement]| -> HashMap<PathElement, usize> {
            keys.iter().enumerate().map(|(position, key)| (key.clone(), position)).collect()
        };
        let (old_numbers, new_numbers) = (numbers(old), numbers(new));
        // One that is named anew where it stands stays the same one.
        let renamed = |position: usize| {
            let key = new.get(position).filter(|_| old.len() == new.len())?;
            (!old_numbers.contains_key(key)).then_some(position)
        };
        let pair = |(position, key)| new_numbers.get(key).copied().or_else(|| renamed(position));
        let to: Vec<Option<usize>> = old.iter().enumerate().map(pair).collect();
        let taken: HashSet<usize> = to.iter().flatten().copied().collect();
        let added = (0..new.len()).filter(|position| !taken.contains(position));
        Self { added: added.map(|position| (None, position)).collect(), to, moved: HashMap::new(), at_end: true }
    }

    /// Items that are the same stay or move; what is between those that stay is paired as far as it goes.
    fn by_value(from: &[Value], to: &[Value]) -> Self {
        let (head, tail) = ends(from, to);
        let middle = |items: &[Value]| head..items.len() - tail;
        let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
        for position in middle(to) {
            let text = to.get(position).map(Value::to_string).unwrap_or_default();
            places.entry(text).or_default().push_back(position);
        }
        let same: Vec<(usize, usize)> = middle(from)
            .filter_map(|old| Some((old, places.get_mut(&from.get(old)?.to_string())?.pop_front()?)))
            .collect();
        Self::between(from.len(), to.len(), (head, tail), &same)
    }

    /// As far as the positions say, whatever moved.
    pub fn by_position(from: &[Value], to: &[Value]) -> Self {
        Self::between(from.len(), to.len(), ends(from, to), &[])
    }

    /// `same` are positions in both lists, in the order of the first.
    fn between(from: usize, to: usize, (head, tail): (usize, usize), same: &[(usize, usize)]) -> Self {
        let stay = longest_rising(same);
        let moves: HashMap<usize, usize> = same.iter().filter(|pair| !stay.contains(pair)).copied().collect();
        let moved: HashMap<usize, usize> = moves.iter().map(|(old, new)| (*new, *old)).collect();
        let mut pairs = Self { to: vec![None; from], added: Vec::new(), moved, at_end: false };
        let (mut old, mut new) = (head, head);
        let mut behind = head.checked_sub(1);
        (0..head).for_each(|position| pairs.pair(position, position));
        for (next_old, next_new) in stay.into_iter().chain([(from - tail, to - tail)]) {
            let mut free = (old..next_old).filter(|position| !moves.contains_key(position));
            for position in new..next_new {
                match if pairs.moved.contains_key(&position) { None } else { free.next() } {
                    Some(paired) => {
                        pairs.pair(paired, position);
                        behind = Some(paired);
                    }
                    None => pairs.added.push((behind, position)),
                }
            }
            if next_old < from - tail {
                pairs.pair(next_old, next_new);
                behind = Some(next_old);
            }
            (old, new) = (next_old + 1, next_new + 1);
        }
        (0..tail).for_each(|position| pairs.pair(from - tail + position, to - tail + position));
        pairs
    }

    fn pair(&mut self, old: usize, new: usize) {
        if let Some(to) = self.to.get_mut(old) {
            *to = Some(new);
        }
    }
}

/// How many items are the same at both ends.
fn ends(from: &[Value], to: &[Value]) -> (usize, usize) {
    let head = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let rest = from.len().min(to.len()) - head;
    let tail = from.iter().rev().zip(to.iter().rev()).take(rest).take_while(|(from, to)| from == to).count();
    (head, tail)
}

/// The longest part of pairs in which the second numbers rise as the first do.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length, the pair with the smallest end; for each pair, the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    let second = |position: &usize| pairs.get(*position).map(|pair| pair.1);
    for (position, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| second(end) < Some(pair.1));
        before.push(length.checked_sub(1).and_then(|length| ends.get(length).copied()));
        ends.truncate(if length == ends.len() { length } else { ends.len() });
        match ends.get_mut(length) {
            Some(end) => *end = position,
            None => ends.push(position),
        }
    }
    let mut rising = Vec::new();
    let mut at = ends.last().copied();
    while let Some(position) = at {
        rising.extend(pairs.get(position));
        at = before.get(position).copied().flatten();
    }
    rising.reverse();
    rising
}

/// What names each item of a list; `None` when they have no names, or one has that of another.
fn keys(items: &[Value], view: SchemaView<'_>) -> Option<Vec<PathElement>> {
    let keys: Vec<_> = items.iter().map(|item| view.item_key(item)).collect::<Option<_>>()?;
    let distinct: HashSet<_> = keys.iter().collect();
    (distinct.len() == keys.len()).then_some(keys)
}
