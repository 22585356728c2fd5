//! Who says it: NKeys, the JWS over a report, the chain of a key's reports.
//!
//! Nothing here knows which agency a key belongs to, or whether it is revoked ([`crate::admit`] does).

pub mod hex;
