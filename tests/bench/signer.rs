//! Keys from a seed, and reports signed with them: each key's chain gapless. Never a key anyone else has.

use bytes::Bytes;
use jindo::event::Time;
use jindo::event::subject::Channel;
use jindo::log::entry::{HEADER_CONTENT_TYPE, HEADER_SIGNATURE};
use jindo::sign::{Claims, KeyPair, hex, sign};
use jindo::stream::Outgoing;

use crate::random::Random;

/// Origin of the ledger.
pub const ORIGIN: &str = "jindo.local/bench";

/// The key pair of that number.
pub fn pair(number: u64) -> KeyPair {
    let mut random = Random(number ^ 0x6a69_6e64_6f00);
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()));
    let key = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, bytes).expect("32 bytes are a key");
    KeyPair::from_seed(&key.seed().expect("a seed")).expect("its own seed")
}

/// The log's key.
pub fn log_key() -> KeyPair {
    pair(u64::MAX - 1)
}

/// One publishing process.
pub struct Signer {
    agency: String,
    pair: KeyPair,
    seq: u64,
    prev: Option<[u8; 32]>,
    reported: Time,
}

impl Signer {
    /// With nothing signed yet.
    pub fn new(agency: &str, pair: KeyPair) -> Self {
        let reported = Time::parse("2026-01-01T00:00:00Z").expect("a time");
        Signer { agency: agency.to_owned(), pair, seq: 0, prev: None, reported }
    }

    /// The next report of this key.
    pub fn sign(&mut self, channel: Channel, kind: &str, content_type: &str, body: Vec<u8>) -> Outgoing {
        self.seq += 1;
        let subject = format!("ledger.{}.{}.{kind}", channel.token(), self.agency);
        let claims = Claims {
            aud: ORIGIN.to_owned(),
            sub: subject.clone(),
            cty: content_type.to_owned(),
            sha256: hex::sha256(&body),
            seq: self.seq,
            prev: self.prev,
            seen: None,
            reported: self.reported,
        };
        let jws = sign(&self.pair, &claims);
        self.prev = Some(hex::sha256(jws.as_bytes()));
        let headers =
            vec![(HEADER_CONTENT_TYPE.to_owned(), content_type.to_owned()), (HEADER_SIGNATURE.to_owned(), jws)];
        Outgoing { subject, headers, body: Bytes::from(body) }
    }
}
