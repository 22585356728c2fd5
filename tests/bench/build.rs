//! The binary: how large it is, and how long a cold build of it takes, with every crate fetched already.
//!
//! `JINDO_BENCH_BUILD=1 cargo bench --bench build`; without it only the size is told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[allow(dead_code, reason = "other benches use the rest")]
mod table;

use std::process::{Command, Stdio};
use std::time::Instant;

use table::Table;

const MB: f64 = 1_000_000.0;
const BINARY_MB: f64 = 25.0;
const SECONDS: f64 = 300.0;

fn main() {
    let mut table = Table::of("build");
    let bytes = std::fs::metadata(env!("CARGO_BIN_EXE_jindo")).expect("the binary").len() as f64;
    table.goal("binary size", format!("{:.1} MB", bytes / MB), String::new(), "≤ 25 MB", bytes / MB <= BINARY_MB);
    table.value("build.mb", bytes / MB);
    match std::env::var("JINDO_BENCH_BUILD").as_deref() {
        Ok("1") => {
            let seconds = cold();
            let told = format!("{seconds:.0} s");
            table.goal("cold cargo build --release", told, String::new(), "≤ 300 s", seconds <= SECONDS);
            table.value("build.seconds", seconds);
        }
        _ => {
            let why = "set JINDO_BENCH_BUILD=1: it takes minutes";
            table.missing("cold cargo build --release", why);
            table.absent("build.seconds", why);
        }
    }
    table.print();
}

/// Seconds of a build into an empty folder.
fn cold() -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(folder.path());
    let start = Instant::now();
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).status().expect("cargo runs");
    assert!(built.success(), "the build failed: {built}");
    start.elapsed().as_secs_f64()
}
