//! What this machine can do at best, measured in the same run as what is compared with it. The fastest of several rounds:
//! the hardest to compare with.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jindo::log::entry::HEADER_SIGNATURE;
use jindo::sign::{Jws, hex, verifying_key};
use jindo::stream::Outgoing;

const ROUNDS: usize = 9;

/// Microseconds of one strict Ed25519 verification on one core.
pub fn verification_us(messages: &[Outgoing]) -> f64 {
    let signature = |message: &Outgoing| {
        let (_, text) = message.headers.iter().find(|(name, _)| name == HEADER_SIGNATURE).expect("a signature");
        let jws = Jws::parse(text).expect("a signature");
        let key = verifying_key(jws.key()).expect("a key");
        (jws, key)
    };
    let signed: Vec<_> = messages.iter().map(signature).collect();
    let round = || {
        let start = Instant::now();
        signed.iter().for_each(|(jws, key)| jws.verify_with(key).expect("it verifies"));
        start.elapsed().as_secs_f64() * 1e6 / signed.len() as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Milliseconds of appends of so many bytes with one fdatasync each, ascending; a pause before each, as between reports.
pub fn fdatasync_ms(dir: &Path, bytes: usize, count: usize, pause: Duration) -> Vec<f64> {
    let path = dir.join("fdatasync");
    let mut file = std::fs::File::create(&path).expect("a file");
    let block = vec![0x5a; bytes];
    let mut one = || {
        std::thread::sleep(pause);
        let start = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).expect("the disk takes it");
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..count).map(|_| one()).collect();
    std::fs::remove_file(&path).expect("it goes again");
    times.sort_unstable_by(f64::total_cmp);
    times
}

/// Megabytes of message bodies that one core hashes in a second, each on its own.
pub fn sha256_mb(bodies: &[&[u8]]) -> f64 {
    let bytes: usize = bodies.iter().map(|body| body.len()).sum();
    let times = (64 << 20) / bytes.max(1) + 1;
    let round = || {
        let start = Instant::now();
        let odd: u64 = (0..times).map(|_| bodies.iter().map(|body| u64::from(hex::sha256(body)[0])).sum::<u64>()).sum();
        assert!(odd > 0);
        (bytes * times) as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    (0..ROUNDS).map(|_| round()).fold(0.0, f64::max)
}

/// That share in hundredths of ascending times.
pub fn percentile(times: &[f64], percent: usize) -> f64 {
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or(f64::NAN)
}
