use super::*;
use crate::object::fixtures::cases;

const NOBODY: &dyn Fn(&Manager) -> bool = &|_| false;

#[test]
fn a_hand_written_manifest_comes_back_line_by_line_in_three_ways() {
    for case in cases("declared") {
        for way in ["created", "applied", "server-side"] {
            let captured = manifest(&case.parts[way], case.view(), NOBODY);
            let (captured, written) = (pretty(&captured), pretty(case.manifest()));
            assert_eq!(captured, written, "{} {way}", case.name);
        }
    }
}

/// In one order of keys, so that a failure reads well.
fn pretty(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    serde_json::to_string_pretty(&sorted(value)).unwrap()
}
