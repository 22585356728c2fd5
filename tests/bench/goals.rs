//! What is to be reached, held against what the benches of one run told: limits of the machine, peers, goals. Never measures.

use crate::table::{Told, thousands};

/// What peers on PostgreSQL leave out, in short; BENCHMARKS.md says it in full.
const LEAVES_OUT: &str = "no signatures, schema, as-of, proofs";

/// A line of the one table.
#[derive(Debug, Default, Clone)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub figure: String,
    /// Against what.
    pub ratio: String,
    /// What is to be reached.
    pub goal: String,
    /// Measured ÷ goal, or goal ÷ measured where less is better: met from 1 on.
    pub reach: Option<f64>,
}

impl Line {
    /// Whether it is `met`, where there is a goal.
    pub fn verdict(&self) -> &'static str {
        match self.reach {
            Some(reach) if reach >= 1.0 => "met",
            Some(_) => "not met",
            None if !self.goal.is_empty() => "not measured",
            None => "",
        }
    }

    /// As the table prints it.
    pub fn cells(&self) -> [String; 5] {
        [&self.what, &self.figure, &self.ratio, &self.goal, self.verdict()].map(|cell| cell.to_owned().to_owned())
    }
}

/// All lines, in order, by section.
pub struct Goals<'a> {
    told: &'a [Told],
    cores: f64,
    /// Limits of this machine.
    pub limits: Vec<Line>,
    /// Others' figures on the same events.
    pub peers: Vec<Line>,
    /// What jindo is to reach.
    pub goals: Vec<Line>,
}

/// Figure, ratio as text, and what is compared with the goal.
type Figure = (String, String, f64);

impl<'a> Goals<'a> {
    /// Judges a run.
    pub fn of(told: &'a [Told], cores: usize) -> Self {
        let mut goals = Goals { told, cores: cores as f64, limits: Vec::new(), peers: Vec::new(), goals: Vec::new() };
        goals.limits();
        goals.peers();
        goals.publish();
        goals.fold();
        goals.rebuild();
        goals.read();
        goals.rest();
        goals
    }

    /// A figure by its key, of the last bench that told it.
    pub fn value(&self, key: &str) -> Option<f64> {
        self.told.iter().rev().find_map(|told| told.values.get(key).copied())
    }

    fn values(&self, keys: &[&str]) -> Result<Vec<f64>, String> {
        keys.iter().map(|key| self.value(key).ok_or_else(|| self.why(key))).collect()
    }

    fn why(&self, key: &str) -> String {
        let said = self.told.iter().rev().find_map(|told| told.absent.get(key));
        said.cloned().unwrap_or_else(|| "its bench was not run, or failed".to_owned())
    }

    /// The points of a curve of a bench.
    pub fn curve(&self, bench: &str, name: &str) -> &'a [(f64, f64)] {
        let of = self.told.iter().rev().find(|told| told.bench == bench);
        of.and_then(|told| told.points.get(name)).map_or(&[], Vec::as_slice)
    }

    fn plain(&self, what: &str, keys: &[&str], figure: impl Fn(&[f64]) -> (String, String)) -> Line {
        match self.values(keys) {
            Ok(values) => {
                let (figure, ratio) = figure(&values);
                Line { what: what.to_owned(), figure, ratio, ..Line::default() }
            }
            Err(why) => {
                Line { what: what.to_owned(), figure: "not measured".to_owned(), ratio: why, ..Line::default() }
            }
        }
    }

    fn limit(&mut self, what: &str, keys: &[&str], figure: impl Fn(&[f64]) -> String) {
        let line = self.plain(what, keys, |values| (figure(values), String::new()));
        self.limits.push(line);
    }

    fn peer(&mut self, what: &str, keys: &[&str], figure: impl Fn(&[f64]) -> String) {
        let line = self.plain(what, keys, |values| (figure(values), LEAVES_OUT.to_owned()));
        self.peers.push(line);
    }

    fn goal(
        &mut self,
        what: &str,
        keys: &[&str],
        goal: &str,
        figure: impl Fn(&[f64]) -> Figure,
        reach: impl Fn(f64) -> f64,
    ) {
        let mut line = Line { what: what.to_owned(), goal: goal.to_owned(), ..Line::default() };
        match self.values(keys) {
            Ok(values) => {
                let measured;
                (line.figure, line.ratio, measured) = figure(&values);
                line.reach = Some(reach(measured));
            }
            Err(why) => (line.figure, line.ratio) = ("not measured".to_owned(), why),
        }
        self.goals.push(line);
    }

    fn at_least(&mut self, what: &str, keys: &[&str], goal: (&str, f64), figure: impl Fn(&[f64]) -> Figure) {
        self.goal(what, keys, goal.0, figure, |measured| measured / goal.1);
    }

    fn at_most(&mut self, what: &str, keys: &[&str], goal: (&str, f64), figure: impl Fn(&[f64]) -> Figure) {
        self.goal(what, keys, goal.0, figure, |measured| goal.1 / measured);
    }

    fn limits(&mut self) {
        let cores = self.cores;
        self.limit("cores ÷ Ed25519 verification", &["machine.verification_us"], |v| {
            format!("{}/s ({:.1} µs each, {cores} cores)", thousands(cores / v[0] * 1e6), v[0])
        });
        self.limit("SHA-256 of the bytes, one core", &["machine.sha256_mb"], |v| format!("{} MB/s", thousands(v[0])));
        self.limit("one append and fdatasync", &["machine.fdatasync_ms"], |v| format!("p50 {:.2} ms", v[0]));
        self.limit("raw sled batches in key order", &["machine.sled"], |v| per_second(v[0]));
        for (batch, what) in [(1, "single reports"), (100, "reports of 100")] {
            let key = format!("publish.{batch}.raw");
            self.limit(&format!("raw atomic-batch publish, synced, {what}"), &[&key], |v| per_second(v[0]));
            let key = format!("drain.{batch}");
            self.limit(&format!("raw JetStream drain, {what}"), &[&key], |v| per_second(v[0]));
        }
        self.limit("raw publish, acknowledge and deliver, alone", &["sse.raw", "sse.raw.p99"], |v| {
            format!("p50 {:.2} ms, p99 {:.2} ms", v[0], v[1])
        });
    }

    fn peers(&mut self) {
        self.peer("PostgreSQL 15, batches of 1,000", &["pg.batched"], |v| per_second(v[0]));
        self.peer("PostgreSQL 15, one by one", &["pg.single"], |v| per_second(v[0]));
        self.peer("PostgreSQL 15, report to LISTEN/NOTIFY, alone", &["pg.notify", "pg.notify.p99"], |v| {
            format!("p50 {:.2} ms, p99 {:.2} ms", v[0], v[1])
        });
        self.peer("event-sourcing library on PostgreSQL 15", &["peer.events", "peer.appended"], |v| {
            format!("{} folded, {} appended", per_second(v[0]), per_second(v[1]))
        });
    }

    fn publish(&mut self) {
        for (batch, what) in [(100, "reports of 100"), (1, "single reports")] {
            let key = |name: &str| format!("publish.{batch}.{name}");
            let (append, outbox) = (key("append"), key("outbox"));
            for (road, key) in [("signed", append), ("from the outbox", outbox.clone())] {
                let what = format!("durable publish in batches, {what}, {road}");
                self.at_least(&what, &[&key, &format!("{key}.share")], ("≥ 0.9 of raw publish", 0.9), |v| {
                    (per_second(v[0]), format!("{:.2} of raw publish", v[1]), v[1])
                });
            }
            // Held against peers with all that jindo's road does.
            for (peer, key, goal) in [
                ("one by one", "pg.single", ("≥ 10 × PostgreSQL one by one", 10.0)),
                ("in batches", "pg.batched", ("≥ PostgreSQL in batches", 1.0)),
            ] {
                self.at_least(&format!("  against PostgreSQL {peer}"), &[&outbox, key], goal, |v| times(v[0], v[1]));
            }
        }
    }

    fn fold(&mut self) {
        let goal = ("≥ 0.7 of cores ÷ verification", 0.7);
        self.at_least("live fold, single signed reports", &["ledger.single", "ledger.single.share"], goal, |v| {
            (per_second(v[0]), format!("{:.2} of cores ÷ verification", v[1]), v[1])
        });
        let goal = ("≥ 150,000 events/s", 150_000.0);
        self.at_least("live fold, reports of 100", &["ledger.batch"], goal, |v| {
            (per_second(v[0]), String::new(), v[0])
        });
        let goal = ("≥ 4 × PostgreSQL in batches", 4.0);
        self.at_least("  against PostgreSQL in batches", &["ledger.batch", "pg.batched"], goal, |v| times(v[0], v[1]));
        let against = self.plain("  against the library", &["ledger.batch", "peer.events"], |v| {
            let (figure, ratio, _) = times(v[0], v[1]);
            (figure, ratio)
        });
        self.goals.push(against);
        let against = self.plain("  against the raw drain", &["ledger.batch", "drain.100"], share);
        self.goals.push(against);
    }

    fn rebuild(&mut self) {
        let events = self.value("reach.events").unwrap_or_default();
        let what = format!("rebuild from the log folder, {} events", thousands(events));
        let goal = ("≥ 200,000 events/s", 200_000.0);
        self.at_least(&what, &["reach.rebuild"], goal, |v| (per_second(v[0]), String::new(), v[0]));
        let against = self.plain("  against raw sled", &["reach.rebuild", "machine.sled"], share);
        self.goals.push(against);
        self.at_least("  the second half against the first", &["reach.rebuild.second"], ("≥ 0.9", 0.9), |v| {
            (String::new(), format!("{:.2}", v[0]), v[0])
        });
        self.at_most("  memory", &["reach.rebuild.mb"], ("≤ 512 MB", 512.0), |v| {
            (format!("peak {:.0} MB", v[0]), String::new(), v[0])
        });
    }

    fn read(&mut self) {
        let goal = ("p50 ≤ 2 × (raw publish, acknowledge, deliver + fdatasync)", 2.0);
        self.at_most("report to SSE, alone, durable", &["sse.p50", "sse.raw", "sse.disk"], goal, |v| {
            let ratio = v[0] / (v[1] + v[2]);
            (format!("p50 {:.2} ms", v[0]), format!("{ratio:.2} × ({:.2} + {:.2} ms)", v[1], v[2]), ratio)
        });
        self.at_most("  99 %", &["sse.p99"], ("p99 ≤ 10 ms", 10.0), |v| {
            (format!("{:.2} ms", v[0]), String::new(), v[0])
        });
        let against = self.plain("  against LISTEN/NOTIFY", &["sse.p50", "pg.notify"], |v| {
            (String::new(), format!("{:.2} × at p50", v[0] / v[1]))
        });
        self.goals.push(against);
        let at = thousands(self.value("reach.events").unwrap_or_default());
        let goal = ("p99 ≤ 1 ms", 1.0);
        let p50 = |v: &[f64]| (format!("p99 {:.2} ms", v[1]), format!("p50 {:.2} ms", v[0]), v[1]);
        let keys = ["reach.now.p50", "reach.now.p99"];
        self.at_most(&format!("read one indicator now, HTTP, {at} events"), &keys, goal, p50);
        let goal = ("p99 ≤ 10 ms", 10.0);
        let keys = ["reach.then.p50", "reach.then.p99"];
        self.at_most(&format!("read one as of any past, HTTP, {at} events"), &keys, goal, p50);
        self.as_of(goal);
    }

    /// In the process, without HTTP: how it grows.
    fn as_of(&mut self, goal: (&str, f64)) {
        let points = self.curve("reach", "as of any past, p99 ms");
        for (size, p99) in [points.first(), points.last()].into_iter().flatten() {
            let what = format!("  without HTTP, {} events", thousands(*size));
            self.at_most(&what, &[], goal, |_| (format!("p99 {p99:.2} ms"), String::new(), *p99));
        }
        if let (Some((small, first)), Some((large, last))) = (points.first(), points.last()) {
            let ratio = format!("{:.2} × for {:.0} × the events", last / first, large / small);
            self.goals.push(Line { what: "  growth at p99".to_owned(), ratio, ..Line::default() });
        }
    }

    fn rest(&mut self) {
        let goal = ("≥ 0.85 of cores ÷ verification", 0.85);
        self.at_least("audit with signatures", &["audit", "audit.share"], goal, |v| {
            (per_second(v[0]), format!("{:.2} of cores ÷ verification", v[1]), v[1])
        });
        let keys = ["reach.disk", "reach.disk.log", "reach.disk.store", "reach.published"];
        self.at_most("disk of an event, log and store", &keys, ("≤ 1.7 × the bytes published", 1.7), |v| {
            (format!("{:.0} + {:.0} B of {:.0} B", v[1], v[2], v[3]), format!("{:.2} ×", v[0]), v[0])
        });
        let at = thousands(self.value("reach.events").unwrap_or_default());
        let keys = ["reach.start", "reach.start.server", "reach.start.run"];
        self.at_most(&format!("cold start to ready, {at} events"), &keys, ("≤ 2 s", 2.0), |v| {
            (format!("{:.2} s", v[0]), format!("nats-server {:.2} s, jindo {:.2} s", v[1], v[2]), v[0])
        });
        self.at_most("cold cargo build --release", &["build.seconds"], ("≤ 300 s", 300.0), |v| {
            (format!("{:.0} s", v[0]), String::new(), v[0])
        });
        self.at_most("binary size", &["build.mb"], ("≤ 25 MB", 25.0), |v| {
            (format!("{:.1} MB", v[0]), String::new(), v[0])
        });
    }
}

fn per_second(rate: f64) -> String {
    format!("{} events/s", thousands(rate))
}

/// A part of a limit.
fn share(values: &[f64]) -> (String, String) {
    (String::new(), format!("{:.2}", values[0] / values[1]))
}

fn times(ours: f64, theirs: f64) -> Figure {
    let ratio = ours / theirs;
    (format!("{} against {}", thousands(ours), thousands(theirs)), format!("{ratio:.1} ×"), ratio)
}
