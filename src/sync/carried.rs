//! Owns one field that reaches Git as another value, or elsewhere than where it stands. Must never hold a value of a Secret
//! that its rule keeps out of Git.

use serde_json::Value;

use crate::manifest::Step;
use crate::object::schema::SchemaView;
use crate::object::{FieldPath, Kind, ObjectId, PathElement, RepoPath, compare};
use crate::rules::{Field, Rule, Secrets, Target, TargetStep};

/// One field, with its value for one object.
#[derive(Debug)]
pub struct Carried<'a> {
    /// The rule that carries it.
    pub rule: &'a Rule,
    /// The field.
    pub source: FieldPath,
    /// Whether its value is made by an expression.
    pub is_transformed: bool,
    /// What Git is to say; `None`: nothing.
    pub value: Option<Value>,
    /// Where; `None`: where it stands.
    pub to: Option<Destination>,
}

/// Where else a field is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Another path of the same document, and the field that this is for the API server.
    Here(Vec<Step>, FieldPath),
    /// A path in another file.
    File(RepoPath, Vec<Step>),
}

/// The field that cannot be carried, and why.
type Fault = (FieldPath, String);

impl<'a> Carried<'a> {
    /// The fields that an entry of a rule names in an object.
    pub(super) fn of(
        rule: &'a Rule,
        field: &Field,
        (id, kind): (&ObjectId, &Kind),
        manifest: Option<&Value>,
        live: Option<&Value>,
        view: SchemaView<'_>,
    ) -> Result<Vec<Self>, Fault> {
        // A filter that cannot be honoured is told where filters are.
        let sources = field.filter.resolve(manifest, live, view).unwrap_or_default();
        let Some(object) = live.or(manifest) else { return Ok(Vec::new()) };
        let is_withheld = id.is("", "Secret") && rule.secrets != Secrets::Plain;
        let mut all = Vec::new();
        for source in sources {
            let fault = |reason: String| (source.clone(), reason);
            let to = match &field.to {
                None => None,
                Some(_) if !all.is_empty() => {
                    let reason = format!("`{}` names more than one field, and `to` takes one", field.filter);
                    return Err(fault(reason));
                }
                Some(Target::Here(at)) => {
                    let steps = at.render(id, kind, object).map_err(|error| fault(error.to_string()))?;
                    let steps: Vec<Step> = steps.into_iter().map(step).collect();
                    let covers = field_path(&steps, [manifest, live], view);
                    Some(Destination::Here(steps, covers))
                }
                Some(Target::File { path, at }) => {
                    let path = path.render(id, kind, object).map_err(|error| fault(error.to_string()))?;
                    let steps = at.render(id, kind, object).map_err(|error| fault(error.to_string()))?;
                    Some(Destination::File(path, steps.into_iter().map(step).collect()))
                }
            };
            let value = live.and_then(|live| compare::get(live, &source, view)).filter(|value| !value.is_null());
            let value = match (value, &field.transform, live) {
                _ if is_withheld || rule.suspend => None,
                (Some(value), Some(transform), Some(live)) => {
                    let made = transform.evaluate(value, live).map_err(|error| fault(error.to_string()))?;
                    Some(made).filter(|made| !made.is_null())
                }
                (value, ..) => value.cloned(),
            };
            all.push(Carried { rule, source, is_transformed: field.transform.is_some() && live.is_some(), value, to });
        }
        Ok(all)
    }

    /// Whether another field is written to this one.
    pub(super) fn writes_to(&self, path: &FieldPath) -> bool {
        matches!(&self.to, Some(Destination::Here(_, target)) if target.covers(path))
    }

    /// The file that it is written to, and where in it.
    pub(super) fn file(&self) -> Option<(&RepoPath, &[Step])> {
        match &self.to {
            Some(Destination::File(path, steps)) => Some((path, steps)),
            _ => None,
        }
    }
}

fn step(step: TargetStep) -> Step {
    match step {
        TargetStep::Key(key) => Step::Key(key.into()),
        TargetStep::Where(tests) => Step::Where(tests.into_iter().map(|(key, value)| (key.into(), value)).collect()),
    }
}

/// The field that a path names: down to the first list whose items have no names.
fn field_path(steps: &[Step], sides: [Option<&Value>; 2], view: SchemaView<'_>) -> FieldPath {
    let mut path = FieldPath::root();
    let mut at = (sides, view);
    for step in steps {
        let below = |step: &Step| {
            at.0.map(|side| side.and_then(|side| crate::manifest::value_at(side, std::slice::from_ref(step))))
        };
        let is_list = at.1.is_list() || at.0.iter().flatten().any(|side| side.is_array());
        let element = match step {
            Step::Key(key) if !is_list => PathElement::field(key),
            step => {
                let item = below(step).into_iter().flatten().next().and_then(|item| at.1.item_key(item));
                let made = || match step {
                    Step::Where(tests) => at.1.item_key(&Value::Object(
                        tests.iter().map(|(key, value)| (key.to_string(), value.to_value())).collect(),
                    )),
                    Step::Key(_) => None,
                };
                match item.or_else(made) {
                    Some(element) => element,
                    None => return path,
                }
            }
        };
        at = (below(step), at.1.below(&element));
        path.push(element);
    }
    path
}
