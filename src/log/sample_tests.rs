//! What the tests of this room share: sample entries, a fence that lets everyone pass, the tree by the letter of RFC 6962.
//! Never part of the binary.

use bytes::Bytes;

use super::Arrival;
use super::checkpoint::Head;
use super::entry::Entry;
use super::frontier::join;
use super::publish::{Fence, FenceFault, Held};
use super::tail::Tail;
use crate::event::Time;
use crate::sign::hex;

/// An entry with that body and its time; times step back now and then.
pub fn entry(index: u64, body: Vec<u8>) -> (Vec<u8>, Time) {
    let step = if index % 5 == 3 { -7 } else { 1 };
    let recorded = Time::from_ns(1_767_225_600_000_000_000 + (index as i64 + step) * 1_000);
    let arrival = Arrival {
        stream: "LEDGER_1".into(),
        sequence: index + 1,
        recorded,
        subject: Bytes::from_static(b"ledger.report.keco.charger.installed.v1"),
        headers: Vec::new(),
        body: Bytes::from(body),
    };
    (Entry::of_arrival(index, &arrival).encode(), recorded)
}

/// Appends so many entries.
pub fn append(tail: &mut Tail, count: u64, body: impl Fn(u64) -> Vec<u8>) {
    let next = tail.size()..tail.size() + count;
    let (entries, times): (Vec<_>, Vec<_>) = next.map(|index| entry(index, body(index))).unzip();
    tail.append(&entries, &times).unwrap();
}

/// A fence that lets everyone pass.
pub struct Open;

impl Fence for Open {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        Ok(None)
    }

    fn swap(&mut self, _: Option<u64>, _: &Head) -> Result<(), FenceFault> {
        Ok(())
    }
}

/// RFC 6962, section 2.1, word for word.
pub fn tree_hash(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => hex::sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            join(&tree_hash(left), &tree_hash(right))
        }
    }
}
