//! What one verified edit costs beside what it can't do without: one parse of the document, one copy of the file.
//! `cargo bench --bench edit` prints each number beside its bar; with `-- --check` it fails when a bar is missed.
//!
//! Everything is measured in turns, the best of many: what else runs on the machine slows both sides of a bar, or none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kubeferry::manifest::{self, Caps, ManifestFile, Place};
use kubeferry::object::{RepoPath, Schema};
use serde_json::Value;

/// Lines of a document, about.
const LINES: usize = 500;
/// Most that an edit may cost, in parses of its document.
const PARSES: f64 = 4.0;
/// Most that an edit in a large file may cost, as a multiple of that, beside one copy of the file.
const LARGE_FILE: f64 = 1.5;
/// Size of the large file in bytes: as much as is read by default.
const LARGE: usize = 10 << 20;
/// Turns, of which the best counts.
const TURNS: usize = 200;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let document = deployment(0);
    let alone = Edit::new(document.clone(), 0);
    let copies = LARGE / document.len() - 1;
    let large: String = (0..copies).map(deployment).collect::<Vec<_>>().join("---\n");
    let places = [("first", 0), ("middle", copies / 2), ("last", copies - 1)];
    let in_large = places.map(|(name, position)| (name, Edit::new(large.clone(), position)));

    let mut parse = Duration::MAX;
    let mut edit = Duration::MAX;
    let mut copy = Duration::MAX;
    let mut edits = [Duration::MAX; 3];
    for _ in 0..TURNS {
        parse = parse.min(time(|| granit_parser::Parser::new_from_str(black_box(&document)).for_each(drop)));
        edit = edit.min(time(|| alone.run()));
    }
    for _ in 0..TURNS / 4 {
        copy = copy.min(time(|| black_box(large.as_bytes()).to_vec()));
        for (best, (_, edit)) in edits.iter_mut().zip(&in_large) {
            *best = (*best).min(time(|| edit.run()));
        }
    }

    let mut table = Table::default();
    println!("{} lines, {} documents in {:.1} MB", document.lines().count(), copies, large.len() as f64 / 1e6);
    table.row("parse of the document", parse, None);
    table.row("copy of the file", copy, None);
    table.row("edit, document alone", edit, Some(parse.mul_f64(PARSES)));
    for (found, (name, _)) in edits.into_iter().zip(&in_large) {
        table.row(
            &format!("edit, {name} document of the file"),
            found,
            Some(parse.mul_f64(PARSES * LARGE_FILE) + copy),
        );
    }
    if check && table.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A scalar of one document that is to be changed.
struct Edit {
    text: String,
    place: Place,
    wanted: Value,
    schema: Schema,
}

impl Edit {
    fn new(text: String, position: usize) -> Self {
        let path = RepoPath::parse("apps/web.yaml").unwrap();
        let file = ManifestFile::read(path, text.as_bytes(), &Caps::default());
        let place = file.objects[position].place.clone();
        let mut wanted = manifest::read(text.as_bytes(), &place).unwrap();
        wanted["spec"]["replicas"] = 17.into();
        let edit = Self { text, place, wanted, schema: Schema::builtin() };
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (before, after) = (lines(&edit.text), lines(std::str::from_utf8(&edit.run().bytes).unwrap()));
        assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
        edit
    }

    fn run(&self) -> manifest::Edited {
        let view = self.schema.view_of(&self.wanted);
        let edited = manifest::edit(black_box(self.text.as_bytes()), &self.place, &self.wanted, view).unwrap();
        assert!(edited.skipped.is_empty());
        edited
    }
}

fn time<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let made = black_box(run());
    let elapsed = start.elapsed();
    drop(made);
    elapsed
}

/// The numbers, each beside its bar.
#[derive(Default)]
struct Table {
    missed: bool,
}

impl Table {
    fn row(&mut self, name: &str, found: Duration, bar: Option<Duration>) {
        let micros = |time: Duration| format!("{:.0} us", time.as_secs_f64() * 1e6);
        let missed = bar.is_some_and(|bar| found > bar);
        self.missed |= missed;
        let bar = bar.map_or(String::new(), |bar| format!("bar {}", micros(bar)));
        println!("{name:34} {:>10}   {bar:>14} {}", micros(found), if missed { "MISSED" } else { "" });
    }
}

/// A manifest as people write them: comments, quotes, blank lines, a script.
fn deployment(number: usize) -> String {
    let mut text = format!(
        "# Web {number}, owned by the shop team.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  \
         namespace: shop\n  labels:\n    app.kubernetes.io/name: web # as in the Service\n    app.kubernetes.io/part-of: \
         shop\nspec:\n  replicas: 2 # one for each zone\n  selector:\n    matchLabels:\n      app: web-{number}\n  \
         template:\n    metadata:\n      labels:\n        app: web-{number}\n    spec:\n      containers:\n"
    );
    let mut container = 0;
    while text.lines().count() < LINES {
        text += &format!(
            "      - name: web-{container}\n        image: \"registry.example.com/shop/web-{container}:1.2.3\"\n        \
             args: [\"--port=80{container}\", --level, 'info']\n        command:\n        - /bin/sh\n        - -c\n        - \
             |\n          set -eu\n          exec /usr/local/bin/web \\\n            --verbose\n\n        env:\n"
        );
        for variable in 0..12 {
            text += &format!(
                "        - name: SETTING_{variable}\n          # read at start only\n          value: \"on\"\n"
            );
        }
        text += "        ports:\n        - name: http\n          containerPort: 8080\n        resources:\n          requests: \
                 {cpu: 100m, memory: 64Mi}\n          limits:\n            memory: 128Mi\n";
        container += 1;
    }
    text
}
