//! Every path of every file, with every tricky value. What comes out is what was wanted, and nothing else moved.

use super::corpus::*;
use super::*;
use crate::manifest::tree::{Node, line_end};
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

/// Whether an edit moved what it need not.
fn strays(text: &str, place: &Place, change: &Change, file: &str) -> Option<&'static str> {
    let kept = || comments(text) == comments(file);
    match change.kind {
        Kind::Scalar | Kind::Add | Kind::First if !kept() => return Some("a comment is gone or another"),
        _ => {}
    }
    // What is written out first stands elsewhere too.
    if text.contains(['&', '*']) || text.contains("? ") || text == file {
        return None;
    }
    let (head, tail) = common(text.as_bytes(), file.as_bytes());
    match change.kind {
        Kind::Scalar => {
            let (start, end) = lines_of(text, place, &change.path)?;
            (head < start || text.len() - tail > end).then_some("a byte of another line is another")
        }
        Kind::Add => (head + tail < text.len()).then_some("something is gone where something was added"),
        _ => None,
    }
}

fn try_change(text: &str, place: &Place, change: &Change, schema: &Schema, tally: &mut Tally) {
    let wanted = &change.wanted;
    let view = schema.view_of(wanted);
    let example = || format!("{:?} {:?} {wanted}\n{text}", change.kind, change.path);
    match edit(text.as_bytes(), place, wanted, view) {
        Ok(edited) if edited.skipped.is_empty() => {
            let got = read(&edited.bytes, place).unwrap();
            let file = std::str::from_utf8(&edited.bytes).unwrap();
            let wrong = if lists::same(&got, &normal(wanted), view) {
                strays(text, place, change, file)
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

/// Every `step`th change with the first `count` values.
fn try_all(count: usize, step: usize) -> Tally {
    let corpus = corpus();
    let (new, next) = (values(), AtomicUsize::new(0));
    let schema = Schema::builtin();
    let work = || {
        let mut tally = Tally::default();
        while let Some((name, text)) = corpus.get(next.fetch_add(1, Ordering::Relaxed)) {
            let objects = objects(text);
            assert!(!objects.is_empty() || name.contains("write_back"), "{name}");
            for (place, value) in objects {
                let id = ObjectId::of(&value);
                let changes = changes(&value, &new[..count]);
                for change in changes.iter().filter(|change| ObjectId::of(&change.wanted) == id).step_by(step) {
                    try_change(text, &place, change, &schema, &mut tally);
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
    let tally = try_all(40, 1);
    tally.check();
    assert!(tally.right >= 100_000);
}

#[test]
#[ignore = "long"]
fn no_edit_gives_anything_but_what_was_wanted_whatever_the_value() {
    let tally = try_all(values().len(), 1);
    tally.check();
}
