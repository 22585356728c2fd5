//! Who says it: NKeys, the JWS over a report, the chain of a key's reports.
//!
//! A report is signed in header `Ledger-Signature`: a compact JWS (RFC 7515, EdDSA) whose `kid` is the NKey public key and
//! whose claims bind ledger, subject, content type, body and the key's own sequence. [`key`] holds key pairs, [`jws`] makes and
//! checks signatures, [`claims`] says what they claim, [`chain`] follows `seq` and `prev` of one key.
//!
//! Nothing here knows which agency a key belongs to, or whether it is revoked ([`crate::admit`] does).

pub mod chain;
pub mod claims;
pub mod hex;
pub mod jws;
pub mod key;
mod strict;

pub use chain::{ChainState, Step};
pub use claims::{ClaimFault, Claims, Seen};
pub use jws::{Jws, SignFault, sign};
pub use key::{KeyFault, KeyPair, public_key_bytes, verifying_key};
