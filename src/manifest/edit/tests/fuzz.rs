//! Every path of every file, with every tricky value. What comes out is what was wanted, and nothing else moved.

use super::corpus::*;
use super::*;
use crate::manifest::tree::{Node, Tree, line_end};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The lines of the text on which the value at a path stands, with its key.
fn lines_of(text: &str, place: &Place, path: &[String]) -> Option<(usize, usize)> {
    let document = &split(text)[place.document as usize - 1];
    let (body, offset) = document.body();
    let tree = Tree::read(body, &Caps::default()).ok()??;
    let (mut node, mut start): (&Node, usize) = (&tree.root, tree.root.start);
    let items = place.item.iter().flat_map(|item| ["items".to_owned(), item.to_string()]).collect::<Vec<_>>();
    for step in items.iter().chain(path) {
        (node, start) = match &node.form {
            Form::List { items, .. } => {
                let item = items.get(step.parse::<usize>().ok()?)?;
                (&item.node, item.start)
            }
            _ => node.get(step).map(|entry| (&entry.node, entry.start))?,
        };
    }
    Some((offset + crate::manifest::tree::line_start(body, start), offset + line_end(body, node.end.max(start))))
}

/// How much of two texts is the same from the start, and how much of the rest from the end.
fn common(one: &[u8], other: &[u8]) -> (usize, usize) {
    let head = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let tail = one[head..].iter().rev().zip(other[head..].iter().rev()).take_while(|(one, other)| one == other).count();
    (head, tail)
}

/// A file before its edits.
struct Original<'t> {
    text: &'t str,
    comments: Vec<String>,
    is_json: bool,
    /// Whether something may have to be written out first, which stands elsewhere too.
    has_more: bool,
}

impl<'t> Original<'t> {
    fn of(text: &'t str) -> Self {
        let is_json = serde_json::from_str::<Value>(text).is_ok();
        let has_more = text.contains(['&', '*']) || text.contains("? ");
        Self { text, comments: comments(text), is_json, has_more }
    }

    /// Whether an edit moved what it need not. `lines` are those of what was changed.
    fn strays(&self, kind: Kind, lines: Option<(usize, usize)>, file: &str) -> Option<&'static str> {
        let adds = matches!(kind, Kind::Scalar | Kind::Add | Kind::First);
        if self.is_json && serde_json::from_str::<Value>(file).is_err() {
            return Some("it is no JSON any more");
        }
        if adds && !self.comments.is_empty() && self.comments != comments(file) {
            return Some("a comment is gone or another");
        }
        if self.has_more || self.text == file {
            return None;
        }
        let (head, tail) = common(self.text.as_bytes(), file.as_bytes());
        match (kind, lines) {
            (Kind::Scalar, Some((start, end))) => {
                (head < start || self.text.len() - tail > end).then_some("a byte of another line is another")
            }
            (Kind::Add, _) => (head + tail < self.text.len()).then_some("something is gone where something was added"),
            _ => None,
        }
    }

    fn try_change(&self, place: &Place, change: &Change, lines: Option<(usize, usize)>, tally: &mut Tally) {
        let (text, wanted) = (self.text, &change.wanted);
        let schema = Schema::builtin();
        let view = schema.view_of(wanted);
        let example = || format!("{:?} {:?} {wanted}\n{text}", change.kind, change.path);
        match edit(text.as_bytes(), place, wanted, view) {
            Ok(edited) if edited.skipped.is_empty() => {
                let got = read(&edited.bytes, place).unwrap();
                let file = std::str::from_utf8(&edited.bytes).unwrap();
                let wrong = if lists::same(&got, &normal(wanted), view) {
                    self.strays(change.kind, lines, file)
                } else {
                    Some("not what was wanted")
                };
                match wrong {
                    Some(wrong) => tally.wrong(wrong, || format!("{}\nbecame\n{file}", example())),
                    None => tally.right += 1,
                }
            }
            Ok(edited) => tally.leave(edited.skipped[0].1.to_string(), example),
            Err(error) => tally.leave(error.why.to_string(), || format!("{error} {}", example())),
        }
    }
}

/// Every change of every file, and every `golden`th of those that `tests/write_back` has, with the first `count`
/// values.
fn try_all(count: usize, golden: usize) -> Tally {
    let corpus = corpus();
    let (new, next) = (values(), AtomicUsize::new(0));
    let work = || {
        let mut tally = Tally::default();
        while let Some((name, text)) = corpus.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (original, is_golden) = (Original::of(text), name.contains("write_back"));
            let objects = objects(text);
            assert!(!objects.is_empty() || is_golden, "{name}");
            for (place, value) in objects {
                let id = ObjectId::of(&value);
                let changes = changes(&value, &new[..if is_golden { count.min(40) } else { count }]);
                let mut last: (Option<&Way>, _) = (None, None);
                let all = changes.iter().filter(|change| ObjectId::of(&change.wanted) == id);
                for change in all.step_by(if is_golden { golden } else { 1 }) {
                    if last.0 != Some(&change.path) {
                        last = (Some(&change.path), lines_of(text, &place, &change.path));
                    }
                    original.try_change(&place, change, last.1, &mut tally);
                }
            }
        }
        tally
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().fold(Tally::default(), |mut all, thread| {
            all.add(thread.join().unwrap());
            all
        })
    })
}

#[test]
fn no_edit_gives_anything_but_what_was_wanted() {
    let tally = try_all(85, 17);
    tally.check();
    assert!(tally.right >= 100_000);
}

#[test]
#[ignore = "long"]
fn no_edit_gives_anything_but_what_was_wanted_whatever_the_value() {
    try_all(values().len(), 1).check();
}
