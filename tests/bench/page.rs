//! `deploy/BENCHMARKS.md` of one run, and its charts. Never judges: [`crate::goals`] does.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use jindo::event::Time;
use jindo::stream::server;

use crate::chart::{self, Curve};
use crate::goals::{Goals, Line};
use crate::table::{Told, thousands};

const BEGIN: &str =
    "<!-- findings: what stands from here to the mark below is written by hand and kept across runs -->";
const END: &str = "<!-- end of findings -->";

/// How it was run.
pub struct Run<'a> {
    /// Cores.
    pub cores: usize,
    /// Everything, at full size.
    pub whole: bool,
    /// Benches asked for.
    pub asked: &'a str,
    /// The page there was: its findings stay.
    pub kept: &'a str,
}

/// The charts, by file name.
pub fn charts(goals: &Goals<'_>) -> Vec<(&'static str, String)> {
    let reached = |line: &Line| line.reach.map(|reach| (line.what.trim().to_owned(), reach));
    let rows: Vec<(String, f64)> = named(&goals.goals).iter().filter_map(reached).collect();
    let curve = |bench, name, shown| Curve { name: shown, points: goals.curve(bench, name) };
    let speed = [
        curve("ledger", "live fold", "live fold"),
        curve("reach", "live fold", "live fold with the beat"),
        curve("reach", "rebuild", "rebuild from the log"),
    ];
    let reads = [
        curve("reach", "as of any past, p50 ms", "p50"),
        curve("reach", "as of any past, p99 ms", "p99 (goal: 10 ms)"),
    ];
    vec![
        ("goals.svg", chart::bars("Measured against each goal (1 is the goal, further right is better)", &rows)),
        (
            "throughput.svg",
            chart::lines("Events folded per second, by events already there", "events/s", &speed, false),
        ),
        ("as-of.svg", chart::lines("One indicator as of any past", "milliseconds", &reads, true)),
    ]
}

/// Lines with the name of what an indented one belongs to.
fn named(lines: &[Line]) -> Vec<Line> {
    let mut above = String::new();
    let full = |line: &Line| {
        let mut line = line.clone();
        if let Some(part) = line.what.strip_prefix("  ") {
            let short = above.split(',').next().unwrap_or_default();
            line.what = format!("{short}: {part}");
        } else {
            above.clone_from(&line.what);
        }
        line
    };
    lines.iter().map(full).collect()
}

/// The page.
pub fn page(goals: &Goals<'_>, told: &[Told], run: &Run<'_>) -> String {
    let mut out = String::from("# Benchmarks\n\n");
    out.push_str(
        "Written by `make bench`. Every figure is held against a limit of the same machine or a peer on the same events in the same run; \
         absolute figures move with the machine, ratios hold.\n\n",
    );
    if !run.whole {
        let events = std::env::var("JINDO_BENCH_EVENTS").unwrap_or_else(|_| "no".to_owned());
        let _ = writeln!(
            out,
            "**Not a whole run**: `JINDO_BENCH_EVENTS` {events}, benches `{}`. No goal counts here.\n",
            run.asked
        );
    }
    out.push_str(&machine(told, run.cores));
    section(&mut out, "Limits of this machine", &goals.limits);
    section(&mut out, "Peers, on the same events", &goals.peers);
    out.push_str(PEERS);
    section(&mut out, "jindo", &goals.goals);
    for (file, said) in [("goals", "Goals"), ("throughput", "Throughput by events"), ("as-of", "As-of reads by events")]
    {
        let _ = writeln!(out, "![{said}](benchmarks/{file}.svg)\n");
    }
    out.push_str(METHOD);
    missed(&mut out, goals);
    let _ = write!(out, "{BEGIN}\n{}{END}\n\n", findings(run.kept));
    everything(&mut out, told);
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn section(out: &mut String, name: &str, lines: &[Line]) {
    let judged = lines.iter().any(|line| !line.goal.is_empty());
    let _ = writeln!(out, "## {name}\n");
    out.push_str(if judged {
        "| what | figure | ratio | goal | |\n|---|---|---|---|---|\n"
    } else {
        "| what | figure | |\n|---|---|---|\n"
    });
    for line in lines {
        let [what, figure, ratio, goal, verdict] = line.cells().map(|text| cell(&text));
        let what = what.replacen("  ", "&emsp;", 1);
        let _ = match judged {
            true => writeln!(out, "| {what} | {figure} | {ratio} | {goal} | {verdict} |"),
            false => writeln!(out, "| {what} | {figure} | {ratio} |"),
        };
    }
    out.push('\n');
}

const PEERS: &str = "\
What they do not do. *PostgreSQL 15*: one SQL function inserts events (unique id, JSONB) and upserts totals per type and region; a private
cluster on a Unix socket with larger memory and WAL than the defaults and durability as it ships; the best of several numbers of
connections counts. No signatures, no schema check, no indicators with parts and splits, no corrections, nothing as of a past moment, no
proofs. *The event-sourcing library* (`tests/bench/peer/`): multi-row appends of 1,000 without its optimistic check, payloads as they are,
no identifier columns, one statement of its schema written for PostgreSQL 15, one listener woken by notifications that keeps ids and
totals in memory: no unique ids in the store, no durable totals, and none of what PostgreSQL does not do either. Both are timed from the
client to durable and folded; jindo's live fold is timed over a stream that is filled already, its durable publish stands in lines of its
own.

";

const METHOD: &str = "\
## How it is measured

`make bench` runs one bench after the other (`tests/bench/`); `JINDO_BENCH_BUILD=1` adds the cold build, `BENCHES=\"audit\"` picks some,
`JINDO_BENCH_EVENTS=100000` scales down. The workload comes from a seed: 34 indicators, 17 regions, 40 agencies, 365 shuffled days, a
tenth of ids v4, 5 % corrections, 1 % repetitions; a run in which a report is refused fails. Clients, `nats-server`, PostgreSQL and jindo
share the cores. Limits are the fastest of several rounds; publish compares each round with the raw one beside it and takes the median;
memory is sampled every 20 ms; files that were just written are in the page cache. A rebuild is what `jindo rebuild` does with a stopped
ledger, in a process of its own, held to the digest of the store there was. A cold start is `nats-server` on its files, then `jindo run`,
until `/readyz` says that it has caught up: the median of three. A report to SSE is timed at one client over loopback, the raw limit
beside it at the same pace. Everything goes through a real `nats-server`, except the audit's log (a million single reports), which the
projector's own core and beat write without one.

";

/// Goals that are not met, with what the run itself says about why.
fn missed(out: &mut String, goals: &Goals<'_>) {
    let all = named(&goals.goals);
    let missed: Vec<&Line> = all.iter().filter(|line| line.reach.is_some_and(|reach| reach < 1.0)).collect();
    out.push_str("## Findings\n\n");
    if missed.is_empty() {
        out.push_str("Every goal that was measured is met.\n\n");
    }
    for line in missed {
        let _ = write!(out, "- **{}**: {} {} where {} is the goal.", line.what, line.figure, line.ratio, line.goal);
        if let Some(profile) = profile(goals, &line.what) {
            let _ = write!(out, " {profile}");
        }
        out.push('\n');
    }
    out.push('\n');
}

/// Where the time goes, as far as the run measured it.
fn profile(goals: &Goals<'_>, what: &str) -> Option<String> {
    let of = |key: &str| goals.value(key);
    let batch = if what.contains("single") { 1 } else { 100 };
    if what.starts_with("durable publish") {
        let key = |name: &str| of(&format!("publish.{batch}.{name}"));
        let raw = f64::from(batch) / key("raw")? * 1e6;
        return Some(format!(
            "µs a report: raw {raw:.1}; checked, signed and in the outbox's journal {:.1}, delivered {:.1}.",
            key("keep_us")?,
            key("deliver_us")?
        ));
    }
    if what.starts_with("live fold") || what.starts_with("rebuild") {
        let key = |name: &str| of(&format!("stages.{batch}.{name}"));
        let (entry, screen, commit) = (key("entry")?, key("screen")?, key("commit")?);
        return Some(format!(
            "µs of one core an event: entry {entry:.2}, screening {screen:.2} (on all cores), decide, fold and commit {commit:.2} (one thread).",
        ));
    }
    what.starts_with("cold start").then(|| {
        let told = of("reach.opened").map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.2}"));
        format!("Opening log and store alone takes {told} s.")
    })
}

/// The text between the marks of the page there was.
fn findings(kept: &str) -> &str {
    let from = kept.find(BEGIN).map(|at| at + BEGIN.len());
    let inside = from.and_then(|from| Some(&kept[from..from + kept[from..].find(END)?]));
    inside.map(|text| text.strip_prefix('\n').unwrap_or(text)).filter(|text| !text.trim().is_empty()).unwrap_or("\n")
}

/// What every bench told, line by line.
fn everything(out: &mut String, told: &[Told]) {
    out.push_str("## Everything that was measured\n\n");
    for bench in told {
        let [before, after] = &bench.load;
        let _ = writeln!(
            out,
            "<details><summary><code>{}</code>, load {before} before, {after} after</summary>\n",
            bench.bench
        );
        out.push_str("| what | figure | ratio | goal | |\n|---|---|---|---|---|\n");
        for line in &bench.lines {
            let [what, figure, ratio, goal, met] = line.each_ref().map(|text| cell(text));
            let _ = writeln!(out, "| {} | {figure} | {ratio} | {goal} | {met} |", what.replacen("  ", "&emsp;", 1));
        }
        out.push_str("\n</details>\n\n");
    }
}

fn machine(told: &[Told], cores: usize) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let kb: f64 = memory.split(' ').next().and_then(|kb| kb.parse().ok()).unwrap_or(0.0);
    let mut rows = vec![
        ("measured", Time::now().to_string().chars().take(10).collect()),
        ("commit", commit()),
        ("processor", format!("{}, {cores} cores", after(&read("/proc/cpuinfo"), "model name"))),
        ("memory", format!("{:.0} GiB", kb / 1_048_576.0)),
        ("disk", filesystem()),
        ("kernel", read("/proc/sys/kernel/osrelease").split(['-', '\n']).next().unwrap_or_default().to_owned()),
        ("Rust", said("rustc", &["--version"])),
        ("nats-server", server::find(None).map_or_else(|_| "none".to_owned(), |found| found.version)),
        ("sled", "1.0.0-alpha.124".to_owned()),
    ];
    let mut versions: Vec<(&str, String)> =
        told.iter().flat_map(|told| told.versions.iter().map(|(of, version)| (of.as_str(), version.clone()))).collect();
    versions.sort_unstable();
    versions.dedup();
    rows.extend(versions);
    if let Some(events) = told.iter().find_map(|told| told.values.get("reach.events")) {
        rows.push(("events in the largest ledger", thousands(*events)));
    }
    let table: String = rows.iter().map(|(name, value)| format!("| {name} | {} |\n", cell(value))).collect();
    format!("| | |\n|---|---|\n{table}\n")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    out.map_or_else(|_| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The commit, and whether files differ from it.
fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let clean = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    if clean { commit } else { format!("{commit}, with changes") }
}

/// Kind of the file system that the benches write to.
fn filesystem() -> String {
    let place = std::env::temp_dir();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let fields = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    let best = fields.filter(|(at, _)| place.starts_with(Path::new(at))).max_by_key(|(at, _)| at.len());
    best.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}
