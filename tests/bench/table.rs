//! The table at the end: one line per figure, with its goal and whether it is met. What a later step needs to hold figures of
//! several benches against each other goes to the file that `JINDO_BENCH_ROWS` names, a line of JSON per bench. Never computes a
//! figure.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

/// Names the file that rows are appended to.
pub const ROWS: &str = "JINDO_BENCH_ROWS";

/// What one bench tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Name of the bench.
    pub bench: String,
    /// Load averages of the machine when the bench began and ended: what else was running.
    pub load: [String; 2],
    /// Lines of its table: what, figure, ratio, goal, met.
    pub lines: Vec<[String; 5]>,
    /// Figures by key.
    pub values: BTreeMap<String, f64>,
    /// Keys that could not be measured, and why.
    pub absent: BTreeMap<String, String>,
    /// Versions of what was measured, by name.
    pub versions: BTreeMap<String, String>,
    /// Curves by name: pairs of events and figure.
    pub points: BTreeMap<String, Vec<(f64, f64)>>,
}

/// The lines, in order.
pub struct Table(Told);

impl Table {
    /// The table of a bench.
    pub fn of(bench: &str) -> Self {
        let load = [load(), String::new()];
        Table(Told { bench: bench.to_owned(), load, ..Told::default() })
    }

    /// A figure without a goal.
    pub fn say(&mut self, what: &str, figure: String) {
        self.0.lines.push([what.to_owned(), figure, String::new(), String::new(), String::new()]);
    }

    /// A figure with its ratio or extent, its goal, and whether it is met.
    pub fn goal(&mut self, what: &str, figure: String, ratio: String, goal: &str, met: bool) {
        let met = if met { "met" } else { "not met" };
        self.0.lines.push([what.to_owned(), figure, ratio, goal.to_owned(), met.to_owned()]);
    }

    /// What could not be measured, and why.
    pub fn missing(&mut self, what: &str, why: &str) {
        self.0.lines.push([what.to_owned(), "not measured".to_owned(), why.to_owned(), String::new(), String::new()]);
    }

    /// A figure that other benches' figures are held against.
    pub fn value(&mut self, key: &str, value: f64) {
        match value.is_finite() {
            true => drop(self.0.values.insert(key.to_owned(), value)),
            false => self.absent(key, "the run was too small"),
        }
    }

    /// A figure by that key could not be measured.
    pub fn absent(&mut self, key: &str, why: &str) {
        self.0.absent.insert(key.to_owned(), why.to_owned());
    }

    /// The version of something that was measured.
    pub fn version(&mut self, of: &str, version: &str) {
        self.0.versions.insert(of.to_owned(), version.to_owned());
    }

    /// A point of a curve over events.
    pub fn point(&mut self, curve: &str, events: f64, value: f64) {
        if value.is_finite() {
            self.0.points.entry(curve.to_owned()).or_default().push((events, value));
        }
    }

    /// Prints it, columns aligned, and appends it to the rows.
    pub fn print(mut self) {
        self.0.load[1] = load();
        show(&self.0.lines);
        let Some(path) = std::env::var_os(ROWS) else { return };
        let line = serde_json::to_string(&self.0).expect("plain data");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{line}")).expect("the rows are written");
    }
}

/// Load averages of one, five and fifteen minutes.
pub fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Prints lines, columns aligned.
pub fn show(lines: &[[String; 5]]) {
    let head = ["what", "figure", "ratio", "goal", ""].map(str::to_owned);
    let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(lines).collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(wide);
    println!();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// `123,456`.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many events a bench is to take: `JINDO_BENCH_EVENTS` scales down for development.
pub fn events(usual: u64) -> u64 {
    std::env::var("JINDO_BENCH_EVENTS").map_or(usual, |text| text.parse().expect("JINDO_BENCH_EVENTS is a number"))
}
