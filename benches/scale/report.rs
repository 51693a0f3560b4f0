//! Owns the rows: what was measured, beside its floor and its bar; the table and `scale.json`. Must never call a missed bar
//! anything else.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
    Mebibytes,
    Count,
    Ratio,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::Count if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Count => format!("{value:.2}"),
            Self::Ratio => format!("{value:.2} x"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Count => "count",
            Self::Ratio => "ratio",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row's name for `--only`.
    pub id: &'static str,
    pub measure: String,
    pub objects: usize,
    pub value: f64,
    pub unit: Unit,
    pub floor: Option<f64>,
    /// The most that the value may be.
    pub bar: Option<f64>,
    pub note: String,
    /// What only the progress line and the file tell.
    pub detail: String,
    /// Whether the bar is met by something else than the value.
    excused: bool,
    /// Whether it is compared with the same row for twice the objects.
    grows: bool,
}

impl Row {
    pub fn new(id: &'static str, objects: usize, measure: &str, value: f64, unit: Unit) -> Self {
        let grows = unit != Unit::Count;
        Self {
            id,
            measure: measure.to_owned(),
            objects,
            value,
            unit,
            floor: None,
            bar: None,
            note: String::new(),
            detail: String::new(),
            excused: false,
            grows,
        }
    }

    pub fn bar(mut self, most: impl Into<Option<f64>>) -> Self {
        self.bar = most.into();
        self
    }

    pub fn floor(mut self, floor: impl Into<Option<f64>>) -> Self {
        self.floor = floor.into();
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = detail.to_string();
        self
    }

    /// Whether the value keeps to its bar; `None` without one.
    pub fn met(&self) -> Option<bool> {
        self.bar.map(|bar| self.value <= bar || self.excused)
    }

    /// In one line.
    pub fn line(&self) -> String {
        let [objects, value, floor, bar, met] = self.cells();
        let part = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!(", {name} {text}") };
        let met = if met.is_empty() { met } else { format!(": {met}") };
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", self.note) };
        format!("{} [{objects}] {value}{}{}{met}{note}", self.measure, part("floor", &floor), part("bar", &bar))
    }

    fn cells(&self) -> [String; 5] {
        let show = |value: Option<f64>| value.map(|value| self.unit.show(value)).unwrap_or_default();
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [self.objects.to_string(), self.unit.show(self.value), show(self.floor), show(self.bar), met.to_owned()]
    }

    fn json(&self) -> Value {
        json!({"row": self.id, "measure": self.measure, "objects": self.objects, "value": self.value,
            "unit": self.unit.name(), "floor": self.floor, "bar": self.bar, "met": self.met(), "note": self.note,
            "detail": self.detail})
    }
}

/// Every row so far, and what broke.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    broken: Vec<String>,
}

impl Report {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn broke(&mut self, what: String) {
        self.broken.push(what);
    }

    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Compares rows for `objects` with those for twice as many.
    pub fn compare(&mut self, objects: usize) {
        let same = |one: &Row, two: &Row| one.id == two.id && one.measure == two.measure && two.objects == 2 * objects;
        let mut grown = Vec::new();
        for one in self.rows.iter().filter(|row| row.grows && row.objects == objects && row.value > 0.0) {
            let Some(two) = self.rows.iter().find(|two| same(one, two)) else { continue };
            let ratio = two.value / one.value;
            let mut row = Row::new("double", 2 * objects, &format!("doubled: {}", one.measure), ratio, Unit::Ratio);
            let values = format!("{} to {}", one.unit.show(one.value), two.unit.show(two.value));
            row.excused = two.met() == Some(true);
            let under = if row.excused { ", under its bar" } else { "" };
            row = row.bar(2.2).note(format!("{values}{under}"));
            row.grows = false;
            grown.push(row);
        }
        self.rows.extend(grown);
    }

    /// The aligned table, and a line for each bar that was missed.
    pub fn table(&self) -> String {
        let head = ["measure", "objects", "value", "floor", "bar", "", "note"].map(str::to_owned);
        let line = |row: &Row| {
            let [objects, value, floor, bar, met] = row.cells();
            [row.measure.clone(), objects, value, floor, bar, met, row.note.clone()]
        };
        let lines: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(line)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        let mut text = String::new();
        for line in &lines {
            let cell = |(column, cell): (usize, &String)| match column {
                1..=4 => format!("{cell:>width$}", width = widths[column]),
                _ => format!("{cell:<width$}", width = widths[column]),
            };
            let cells: Vec<_> = line.iter().enumerate().map(cell).collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        let (barred, missed): (Vec<_>, Vec<_>) =
            (self.rows.iter().filter(|row| row.bar.is_some()).collect(), self.missed().collect());
        let _ = writeln!(text, "\n{} of {} bars met", barred.len() - missed.len(), barred.len());
        for row in missed {
            let _ = writeln!(text, "missed: {}", row.line());
        }
        for what in &self.broken {
            let _ = writeln!(text, "BROKEN: {what}");
        }
        text
    }

    fn missed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.met() == Some(false))
    }

    /// Writes everything for machines.
    pub fn write(&self, path: &Path, about: Value) -> Result<()> {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let text = serde_json::to_string_pretty(&json!({"about": about, "rows": rows, "broken": self.broken}))?;
        Ok(std::fs::write(path, text + "\n")?)
    }
}

/// The value below which this part of them lies: 0.5 is the median, 1 the largest.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
