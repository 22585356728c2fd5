//! A stream with founding and reports in it, and a ledger folded as far as the founding. Never measures.

use std::path::PathBuf;
use std::time::Instant;

use jindo::stream::Outgoing;

use crate::catalogue;
use crate::folding::{self, Found, Task};
use crate::intake::Intake;
use crate::table::thousands;
use crate::workload::Workload;

const SEED: u64 = 2026;

/// The workload of a seed, for the ledger that is founded.
pub fn workload() -> Workload {
    Workload::new(SEED, &catalogue::founding().1)
}

/// A stream with founding and reports in it, and a ledger folded as far as the founding.
pub struct Filled {
    /// The server.
    pub intake: Intake,
    /// What is reported.
    pub workload: Workload,
    /// Where everything is.
    pub folder: tempfile::TempDir,
    /// Entries of the founding.
    pub founded: u64,
}

impl Filled {
    /// Starts the server and founds the ledger.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (founding, indicators) = catalogue::founding();
        let mut intake = Intake::start(&folder.path().join("intake")).await;
        for message in founding {
            intake.put(message).await;
        }
        intake.flush().await;
        let founded = intake.size;
        let filled = Filled { intake, workload: Workload::new(SEED, &indicators), folder, founded };
        let found = folding::run(&filled.task("founded", vec![founded], false));
        assert_eq!((found.records, found.refused), (founded, 0), "the founding is accepted");
        filled
    }

    /// Folder of one run's ledger.
    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a child is to fold.
    pub fn task(&self, data: &str, sizes: Vec<u64>, reads: bool) -> Task {
        let (url, key) = (self.intake.server.url.clone(), self.intake.key.clone());
        Task { url, key, data: self.data(data), sizes, reads, beats: false }
    }

    /// Publishes reports of `batch` events; gives back some of them.
    pub async fn fill(&mut self, events: u64, batch: u64) -> Vec<Outgoing> {
        let mut some = Vec::new();
        let start = Instant::now();
        for number in 0..events / batch {
            let report = self.workload.report(batch as usize);
            let message = self.workload.sign(&report);
            if number % 100 == 0 && some.len() < 2_000 {
                some.push(message.clone());
            }
            self.intake.put(message).await;
        }
        self.intake.flush().await;
        let made = self.workload.made;
        println!(
            "filled {} events in reports of {batch} in {:.1} s: {} bytes an event, {:.1} % corrections, {:.1} % duplicates",
            thousands(events as f64),
            start.elapsed().as_secs_f64(),
            made.bytes / made.events,
            made.corrections as f64 * 100.0 / made.events as f64,
            made.duplicates as f64 * 100.0 / made.events as f64
        );
        some
    }

    /// Copies the founded ledger, for a run of its own.
    pub fn copy(&self, data: &str) {
        folding::copy(&self.data("founded"), &self.data(data));
    }

    /// Folds a fresh copy of the founded ledger up to the sizes.
    pub fn fold(&self, data: &str, sizes: Vec<u64>, reads: bool) -> Found {
        self.copy(data);
        let found = folding::run(&self.task(data, sizes, reads));
        assert_eq!(found.refused, 0, "every report is accepted");
        found
    }

    /// Records there are once everything is folded.
    pub fn expected(&self) -> u64 {
        self.founded + self.workload.made.events - self.workload.made.duplicates
    }

    /// Stops the server.
    pub async fn end(self) {
        self.intake.server.stop().await;
    }
}
