//! Owns how the status page reads in a terminal: summary first, then what needs a person, in columns. Must never print a
//! character that it has not escaped.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::change::RuleRef;
use super::status::{Role, RuleLine, Status, Trouble};
use super::terminal::{Style, escape_line, paint};
use super::verb::Verb;

/// Longest text of a cell that is not the last of its row.
const CELL_MAX: usize = 60;

/// The page as text, as of `now`.
pub fn status(page: &Status, now: Timestamp, colour: bool) -> String {
    let mut out = Out { text: String::new(), now, colour };
    out.summary(page);
    out.rules(page);
    out.kinds(page);
    out.objects(page);
    out.unready(page);
    out.files(page);
    out.text
}

/// `12s`, `5m`, `3h`, `2d`; `0s` for what lies ahead.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - since.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The first 12 digits of a commit.
fn short(commit: Option<&String>) -> String {
    commit.map_or_else(|| "none".to_owned(), |commit| commit.chars().take(12).collect())
}

fn style_of(verb: Verb) -> Option<Style> {
    match verb {
        Verb::Failed => Some(Style::Red),
        Verb::Held | Verb::Missing => Some(Style::Yellow),
        _ => None,
    }
}

struct Out {
    text: String,
    now: Timestamp,
    colour: bool,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn entry(&mut self, name: &str, value: &str) {
        let name = format!("{name:<9}");
        let line = format!("{} {value}", paint(&name, Style::Bold, self.colour));
        self.line(&line);
    }

    /// Something that went wrong; each further line of the message stands below the first.
    fn trouble(&mut self, name: &str, what: &str, trouble: Option<&Trouble>) {
        let Some(trouble) = trouble else { return };
        let mut lines = trouble.message.lines().map(escape_line);
        let first = format!("{what} {} ago: {}", age(trouble.since, self.now), lines.next().unwrap_or_default());
        let first = paint(&first, Style::Red, self.colour).into_owned();
        self.entry(name, &first);
        let rest: Vec<_> = lines.map(|line| format!("{:10}{line}", "")).collect();
        rest.iter().for_each(|line| self.line(line));
    }

    fn summary(&mut self, page: &Status) {
        let (state, style) = if page.ready { ("ready", Style::Green) } else { ("not ready", Style::Yellow) };
        let role = page.leader.role.as_str();
        let since = page.leader.since.map(|since| format!(" for {}", age(since, self.now))).unwrap_or_default();
        let holder = page.leader.holder.as_deref().filter(|_| page.leader.role == Role::Standby);
        let holder = holder.map(|holder| format!(" (leader is {})", escape_line(holder))).unwrap_or_default();
        let state = paint(state, style, self.colour);
        let instance = format!(
            "{}, {state}, {role}{since}{holder}, version {}",
            escape_line(&page.instance),
            escape_line(&page.version)
        );
        self.entry("Instance", &instance);
        for what in &page.waiting_for {
            let line = format!("waits for {}", escape_line(what));
            self.entry("", &line);
        }
        let git = &page.git;
        let fetched = git.fetched.map(|at| format!(", asked {} ago", age(at, self.now))).unwrap_or_default();
        let line = format!(
            "{}, branch {}, folder {}, head {}, synced {}{fetched}, {} manifests",
            escape_line(&git.remote),
            escape_line(&git.branch),
            escape_line(&git.path),
            short(git.head.as_ref()),
            short(git.synced.as_ref()),
            git.manifests
        );
        self.entry("Git", &line);
        self.trouble("", "out of reach since", git.error.as_ref());
        if let Some(deferred) = &git.deferred {
            let (left, key) = (age(self.now, deferred.until), escape_line(&deferred.key));
            let line = format!("{} changed objects wait {left} for the next commit ({key})", git.batched);
            self.entry("", &line);
        }
        let objects: usize = page.cluster.kinds.iter().map(|kind| kind.objects).sum();
        let line =
            format!("{}, {} kinds, {objects} objects", escape_line(&page.cluster.server), page.cluster.kinds.len());
        self.entry("Cluster", &line);
        self.trouble("", "out of reach since", page.cluster.error.as_ref());
        let loaded = page.rules.loaded.map(|at| format!(", loaded {} ago", age(at, self.now))).unwrap_or_default();
        let line = format!("{} from {}{loaded}", page.rules.list.len(), escape_line(&page.rules.origin));
        self.entry("Rules", &line);
        self.trouble("", "new text refused, these stay in force; refused", page.rules.error.as_ref());
        let done = &page.counters;
        let line = format!(
            "{} created, {} configured, {} deleted in the cluster; {} written, {} removed in Git; {} waiting",
            done.created,
            done.configured,
            done.deleted,
            done.written,
            done.removed,
            page.queue + git.batched
        );
        self.entry("Done", &line);
        let states: Vec<_> = Verb::ALL
            .into_iter()
            .rev()
            .filter_map(|verb| page.states.get(verb.as_str()).map(|count| format!("{count} {verb}")))
            .collect();
        let line = if states.is_empty() { "nothing".to_owned() } else { states.join(", ") };
        self.entry("Undone", &line);
    }

    fn rules(&mut self, page: &Status) {
        if page.rules.list.is_empty() {
            return;
        }
        let row = |rule: &RuleLine| {
            let state = |verb: Verb| rule.states.get(verb.as_str()).copied().unwrap_or_default().to_string();
            let note = match (&rule.error, rule.suspended) {
                (Some(error), _) => error.clone(),
                (None, true) => "suspended".to_owned(),
                (None, false) => String::new(),
            };
            vec![
                RuleRef::new(rule.index, &rule.name).to_string(),
                rule.direction.clone(),
                if rule.filters.is_empty() { "every field".to_owned() } else { rule.filters.join(" ") },
                rule.objects.to_string(),
                rule.counters.done().to_string(),
                state(Verb::Held),
                state(Verb::Failed),
                note,
            ]
        };
        let head = ["RULE", "DIRECTION", "FIELDS", "OBJECTS", "DONE", "HELD", "FAILED", "NOTE"];
        self.table(
            &head,
            page.rules.list.iter().map(|rule| (row(rule), rule.error.as_ref().map(|_| Style::Red))).collect(),
            0,
        );
    }

    /// Only kinds about which there is something to say.
    fn kinds(&mut self, page: &Status) {
        let row = |kind: &super::status::KindLine| match (&kind.unwatched, kind.synced) {
            (Some(reason), _) => Some((vec![kind.kind.clone(), "unwatched".into(), reason.clone()], Some(Style::Red))),
            (None, false) => Some((vec![kind.kind.clone(), "listing".into(), String::new()], Some(Style::Yellow))),
            (None, true) => None,
        };
        let rows: Vec<_> = page.cluster.kinds.iter().filter_map(row).collect();
        self.table(&["KIND", "WATCH", "REASON"], rows, 0);
    }

    fn objects(&mut self, page: &Status) {
        let rows = page.objects.list.iter().map(|line| {
            let fields = if line.fields.is_empty() { String::new() } else { format!("{}: ", line.fields.join(" ")) };
            let cells = vec![
                line.object.clone(),
                line.state.to_string(),
                line.rule.as_ref().map(ToString::to_string).unwrap_or_default(),
                age(line.since, self.now),
                line.place.as_ref().map(ToString::to_string).unwrap_or_default(),
                format!("{fields}{}", line.reason),
            ];
            (cells, style_of(line.state))
        });
        self.table(&["OBJECT", "STATE", "RULE", "SINCE", "PLACE", "REASON"], rows.collect(), page.objects.more);
    }

    fn unready(&mut self, page: &Status) {
        let rows = page.unready.list.iter().map(|line| {
            let style = if line.stage == "failed" { Style::Red } else { Style::Yellow };
            (vec![line.object.clone(), line.stage.clone(), line.rule.to_string(), line.reason.clone()], Some(style))
        });
        self.table(&["NOT READY", "STAGE", "RULE", "REASON"], rows.collect(), page.unready.more);
    }

    fn files(&mut self, page: &Status) {
        let rows = page.files.list.iter().map(|line| (vec![line.place.to_string(), line.reason.clone()], None));
        self.table(&["NOT READ", "REASON"], rows.collect(), page.files.more);
    }

    /// A table, or nothing when it has no rows. The last column is never cut.
    fn table(&mut self, head: &[&str], rows: Vec<(Vec<String>, Option<Style>)>, more: usize) {
        if rows.is_empty() && more == 0 {
            return;
        }
        let head = head.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rows: Vec<_> =
            std::iter::once((head, Some(Style::Bold))).chain(rows).map(|(cells, style)| (cut(cells), style)).collect();
        let mut widths: Vec<usize> = Vec::new();
        for (cells, _) in &rows {
            widths.resize(widths.len().max(cells.len()), 0);
            widths.iter_mut().zip(cells).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
        }
        self.line("");
        for (cells, style) in &rows {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                // Writing to a string does not fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            let line = style.map_or_else(|| line.trim_end().into(), |style| paint(line.trim_end(), style, self.colour));
            self.line(&line);
        }
        if more > 0 {
            self.line(&format!("... and {more} more"));
        }
    }
}

/// Escaped cells; all but the last are cut to a bearable width.
fn cut(cells: Vec<String>) -> Vec<String> {
    let last = cells.len().saturating_sub(1);
    let cut = |(position, cell): (usize, String)| {
        let cell = escape_line(&cell);
        if position < last && cell.chars().count() > CELL_MAX {
            cell.chars().take(CELL_MAX - 1).chain(['…']).collect()
        } else {
            cell.into_owned()
        }
    };
    cells.into_iter().enumerate().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::change::Place;
    use crate::report::status::*;
    use std::collections::BTreeMap;

    fn now() -> Timestamp {
        "2026-11-21T08:10:00Z".parse().unwrap()
    }

    fn page() -> Status {
        let since: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        Status {
            instance: "kubeferry/prod".into(),
            version: "0.1.0".into(),
            ready: true,
            leader: Leader { role: Role::Leader, holder: Some("pod-1".into()), since: Some(since) },
            rules: Rules {
                origin: "config.yaml".into(),
                loaded: Some(since),
                error: Some(Trouble {
                    since,
                    message: "config.yaml:3:5: unknown key `syncto`\n  did you mean `syncTo`?".into(),
                }),
                list: vec![
                    RuleLine {
                        name: "replicas".into(),
                        direction: "cluster -> Git".into(),
                        filters: vec!["/spec/replicas".into()],
                        objects: 12,
                        counters: Counters { written: 3, ..Counters::default() },
                        ..RuleLine::default()
                    },
                    RuleLine {
                        index: 1,
                        direction: "Git -> cluster".into(),
                        objects: 40,
                        states: BTreeMap::from([("held".into(), 1)]),
                        ..RuleLine::default()
                    },
                ],
            },
            git: Git {
                remote: "git@github.com:acme/platform.git".into(),
                branch: "main".into(),
                path: ".".into(),
                head: Some("1a".repeat(20)),
                manifests: 52,
                ..Git::default()
            },
            cluster: Cluster {
                server: "https://10.0.0.1".into(),
                kinds: vec![
                    KindLine { kind: "Deployment.apps".into(), synced: true, objects: 12, unwatched: None },
                    KindLine { kind: "Secret".into(), unwatched: Some("forbidden".into()), ..KindLine::default() },
                ],
                error: None,
            },
            states: BTreeMap::from([("held".into(), 1)]),
            objects: Capped {
                list: vec![ObjectLine {
                    object: "Deployment.apps shop/web\u{1b}[2J".into(),
                    rule: Some(RuleRef::new(1, "")),
                    state: Verb::Held,
                    reason: "11 deletes in an hour, the limit is 10".into(),
                    fields: vec![],
                    since,
                    place: Some(Place::new("apps/web.yaml", Some(12))),
                }],
                more: 4,
            },
            files: Capped::new(
                vec![FileLine { place: Place::new("chart/x.yaml", Some(1)), reason: "a Helm template".into() }],
                9,
            ),
            counters: Counters { written: 3, ..Counters::default() },
            ..Status::default()
        }
    }

    #[test]
    fn the_summary_comes_first_and_only_what_needs_a_person_follows() {
        let text = status(&page(), now(), false);
        let expected = r"Instance  kubeferry/prod, ready, leader for 10m, version 0.1.0
Git       git@github.com:acme/platform.git, branch main, folder ., head 1a1a1a1a1a1a, synced none, 52 manifests
Cluster   https://10.0.0.1, 2 kinds, 12 objects
Rules     2 from config.yaml, loaded 10m ago
          new text refused, these stay in force; refused 10m ago: config.yaml:3:5: unknown key `syncto`
            did you mean `syncTo`?
Done      0 created, 0 configured, 0 deleted in the cluster; 3 written, 0 removed in Git; 0 waiting
Undone    1 held

RULE      DIRECTION       FIELDS          OBJECTS  DONE  HELD  FAILED  NOTE
replicas  cluster -> Git  /spec/replicas  12       3     0     0
rules[1]  Git -> cluster  every field     40       0     1     0

KIND    WATCH      REASON
Secret  unwatched  forbidden

OBJECT                             STATE  RULE      SINCE  PLACE             REASON
Deployment.apps shop/web\u{1b}[2J  held   rules[1]  10m    apps/web.yaml:12  11 deletes in an hour, the limit is 10
... and 4 more

NOT READ        REASON
chart/x.yaml:1  a Helm template
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn colour_marks_rows_and_never_comes_from_a_value() {
        let text = status(&page(), now(), true);
        assert!(text.contains("\u{1b}[33mDeployment.apps shop/web\\u{1b}[2J"), "{text}");
        assert!(!text.contains("web\u{1b}"));
    }

    #[test]
    fn an_empty_page_of_a_starting_process_reads_well() {
        let text = status(&Status { waiting_for: vec!["the first fetch".into()], ..Status::default() }, now(), false);
        assert!(text.contains("not ready, starting") && text.contains("waits for the first fetch"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn ages_are_short() {
        let ago = |seconds: i64| age(Timestamp::from_second(now().as_second() - seconds).unwrap(), now());
        assert_eq!([ago(-5), ago(5), ago(600), ago(7200), ago(200_000)], ["0s", "5s", "10m", "2h", "2d"]);
    }
}
