//! Owns the way from `fields` and `filters` to what a rule is limited to. Must never take an entry by half.

use serde_yaml::Value;

use super::super::choices::Direction;
use super::super::field::Field;
use super::super::filter::Filter;
use super::super::position::{Step, below};
use super::super::problem::Fault;
use super::super::raw::{RawField, RawRule};
use super::super::reader::{Report, describe, section};
use super::super::target::Target;
use super::super::transform::Transform;

/// Entries that are compared with each other; the time grows with the square.
const COMPARED: usize = 1000;
/// Most transforms in one file: to compile one takes milliseconds.
const TRANSFORMS: usize = 500;

/// The fields of a rule: `fields`, which say more, stand before `filters`.
pub(super) fn fields(
    raw: &RawRule,
    rule: &[Step],
    sync_to: Option<Direction>,
    git_path: &str,
    report: &mut Report,
) -> Vec<Field> {
    let here = below(rule, Step::key("fields"));
    let items = raw.fields.as_deref().unwrap_or_default().iter().enumerate();
    let mut fields: Vec<Field> = Vec::new();
    for (position, item) in items {
        let at = below(&here, Step::Item(position));
        if let Some(field) = field(item, &at, sync_to, git_path, report) {
            warn(&field, &fields, raw, &at, report);
            fields.push(field);
        }
    }
    let here = below(rule, Step::key("filters"));
    for (position, text) in raw.filters.as_deref().unwrap_or_default().iter().enumerate() {
        fields.extend(filter(text, &below(&here, Step::Item(position)), report).map(Field::from));
    }
    fields
}

fn filter(text: &str, at: &[Step], report: &mut Report) -> Option<Filter> {
    let mut filter = report.take(at, Filter::parse(text))?;
    filter.mark = report.mark(at);
    Some(filter)
}

/// One entry: a path, or a map of keys.
fn field(item: &Value, at: &[Step], sync_to: Option<Direction>, git_path: &str, report: &mut Report) -> Option<Field> {
    let keys = match item {
        Value::String(text) => return filter(text, at, report).map(Field::from),
        Value::Mapping(keys) => keys,
        other => {
            let fault = Fault::new(format!("an entry of `fields` is a path or a map, not {}", describe(other)));
            report.value(at, fault.hint("for example - path: .spec.replicas"));
            return None;
        }
    };
    let before = report.problems.len();
    let raw: RawField = section(item, at, report);
    let here = |name: &str| below(at, Step::key(name));
    let understood = report.problems.len() == before;
    if raw.path.is_none() && understood {
        let fault = Fault::new("the entry has no `path`");
        report.value(at, fault.hint("add path: .spec.replicas, or whichever field it is about"));
    }
    let filter = raw.path.as_deref().and_then(|text| filter(text, &here("path"), report));
    let transform = raw.transform.as_deref().and_then(|text| transform(text, &here("transform"), report));
    let to = raw.to.as_deref().and_then(|text| report.take(&here("to"), Target::parse(text, git_path)));
    if let Some(sync_to) = sync_to.filter(|sync_to| *sync_to != Direction::Git) {
        for name in ["transform", "to"].into_iter().filter(|name| keys.contains_key(*name)) {
            let way = sync_to.as_str();
            let why = match sync_to {
                Direction::Both => "cannot be carried back: with `syncTo: both` a field says the same on both sides",
                _ => "is about what is written to Git, and a rule with `syncTo: {way}` writes nothing there",
            };
            let fault = Fault::new(format!("`{name}` {}", why.replace("{way}", way)));
            report.key(&here(name), fault.hint(format!("write `syncTo: git`, or leave `{name}` out")));
        }
    }
    let filter = filter?;
    if let Some(Target::Here(target)) = &to
        && target.overlaps(&filter.steps)
    {
        let fault = Fault::new(format!("`to: {target}` and `path: {filter}` lie in each other"));
        report.value(&here("to"), fault.hint("leave `to` out to write the field where it stands"));
    }
    Some(Field { filter, transform, to })
}

fn transform(text: &str, at: &[Step], report: &mut Report) -> Option<Transform> {
    report.transforms += 1;
    if report.transforms > TRANSFORMS {
        let fault = Fault::new(format!("a rules file has at most {TRANSFORMS} transforms"));
        report.value(at, fault.hint("name more fields by one path, or use more instances"));
        return None;
    }
    match Transform::compile(text) {
        Ok(transform) => Some(transform),
        Err(refusal) => {
            report.within(at, text, refusal.at, refusal.width, refusal.fault);
            None
        }
    }
}

/// Warns of what the entry does not do, given those before it.
fn warn(field: &Field, earlier: &[Field], raw: &RawRule, at: &[Step], report: &mut Report) {
    let earlier = earlier.get(..COMPARED).unwrap_or(earlier);
    if let Some(winner) = earlier.iter().find(|earlier| earlier.filter.covers(&field.filter)) {
        let fault = Fault::new(format!("`{}` can never decide: `{}` before it covers it", field.filter, winner.filter));
        report.warn(at, fault.hint("put the narrower entry first"));
    }
    let Some(to) = &field.to else { return };
    let here = below(at, Step::key("to"));
    if let Some(twin) = earlier.iter().find(|earlier| earlier.to.as_ref() == Some(to)) {
        let fault = Fault::new(format!("`{}` and `{}` are both written to `{to}`", twin.filter, field.filter));
        report.warn(&here, fault.hint("one would overwrite the other: give each its own place"));
    }
    let one_object = raw.names.is_some() || raw.labels.is_some();
    if !one_object && !to.tells_names_apart() {
        let fault = Fault::new(format!("every object that the rule selects is written to `{to}`"));
        report.warn(&here, fault.hint("add {{ .Name }}, or limit the rule with `names`"));
    }
}
