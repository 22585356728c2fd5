//! What this machine can do at best, measured in the same run as what is compared with it. The fastest of several rounds:
//! the hardest to compare with.

use std::time::Instant;

use jindo::log::entry::HEADER_SIGNATURE;
use jindo::sign::{Jws, verifying_key};
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
