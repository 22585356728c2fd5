//! The last step of `make bench`: what the benches of one run told becomes one table, `deploy/BENCHMARKS.md` and its charts.
//!
//! `cargo bench --bench report`; `JINDO_BENCH_ROWS` names what they told. Findings written into BENCHMARKS.md between their marks are
//! kept. A run that was scaled down, or left benches out, is written to `target/bench/` instead.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[allow(dead_code, reason = "other benches use the rest")]
mod chart;
mod goals;
mod page;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;

use std::path::{Path, PathBuf};

use goals::{Goals, Line};
use table::{ROWS, Told, show};

/// Every bench of a whole run.
const BENCHES: [&str; 9] = ["machine", "publish", "peers", "ledger", "reach", "follow", "audit", "stages", "build"];

fn main() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = std::env::var_os(ROWS).map_or_else(|| house.join("target/bench/rows.jsonl"), PathBuf::from);
    let text = std::fs::read_to_string(&rows)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make bench`, which measures first", rows.display()));
    let told: Vec<Told> = text.lines().map(|line| serde_json::from_str(line).expect("a line of the rows")).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let goals = Goals::of(&told, cores);
    let lines = table_of(&goals);
    show(&lines.iter().map(Line::cells).collect::<Vec<_>>());
    let asked = std::env::var("JINDO_BENCHES").unwrap_or_default();
    let all = BENCHES.iter().all(|bench| asked.split_whitespace().any(|name| name == *bench));
    let whole = all && std::env::var_os("JINDO_BENCH_EVENTS").is_none();
    let folder = if whole { house.join("deploy") } else { house.join("target/bench") };
    let kept = std::fs::read_to_string(house.join("deploy/BENCHMARKS.md")).unwrap_or_default();
    // Made before anything is written: the page says whether the tree is as committed.
    let page = page::page(&goals, &told, &page::Run { cores, whole, asked: &asked, kept: &kept });
    let charts = folder.join("benchmarks");
    std::fs::create_dir_all(&charts).expect("a folder");
    for (name, chart) in page::charts(&goals) {
        std::fs::write(charts.join(name), chart).expect("a chart is written");
    }
    let path = folder.join("BENCHMARKS.md");
    std::fs::write(&path, page).expect("the page is written");
    let (met, missed) = counts(&goals.goals);
    println!("\n{met} goals met, {missed} not met or not measured; written to {}", path.display());
}

/// The one table: sections under their names.
fn table_of(goals: &Goals<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, section) in [("LIMITS", &goals.limits), ("PEERS", &goals.peers), ("JINDO", &goals.goals)] {
        lines.push(Line { what: name.to_owned(), ..Line::default() });
        lines.extend(section.iter().cloned());
    }
    lines
}

/// Goals met, and others.
fn counts(goals: &[Line]) -> (usize, usize) {
    let judged = goals.iter().filter(|line| !line.goal.is_empty());
    let (met, missed): (Vec<_>, Vec<_>) = judged.partition(|line| line.verdict() == "met");
    (met.len(), missed.len())
}
