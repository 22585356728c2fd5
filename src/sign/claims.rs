//! What a signature claims: for which ledger, subject, content type and body, and where in the key's chain it stands.
//!
//! Claims are read strictly (no unknown ones, no duplicates) and compared, never interpreted.

use serde_json::{Map, Value, json};

use super::{hex, jws::SignFault};
use crate::{
    event::Time,
    limits::{CLAIM_NUMBER_MAX, HEADER_BYTES_MAX},
};

/// The newest checkpoint a publisher holds: nothing below it can change afterwards without its witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Entries it covers.
    pub size: u64,
    /// Root of their tree.
    pub root: [u8; 32],
}

/// The claims of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The log's origin.
    pub aud: String,
    /// The NATS subject.
    pub sub: String,
    /// The content type of the body.
    pub cty: String,
    /// SHA-256 of the body; 64 hexadecimal digits on the wire, as all hashes here.
    pub sha256: [u8; 32],
    /// 1, 2, 3… per key, gapless.
    pub seq: u64,
    /// SHA-256 of the key's previous JWS; absent in its first.
    pub prev: Option<[u8; 32]>,
    /// The newest checkpoint held, once one is.
    pub seen: Option<Seen>,
    /// When it was signed.
    pub reported: Time,
}

/// Which claim does not match the report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// Made for another ledger.
    #[error("the signature is for the ledger '{claimed}', this one is '{actual}': sign again with aud '{actual}'")]
    Origin {
        /// What `aud` says.
        claimed: String,
        /// This ledger.
        actual: String,
    },
    /// Published elsewhere than claimed.
    #[error("the signature is for the subject '{claimed}', the report came on '{actual}': publish to what was signed")]
    Subject {
        /// What `sub` says.
        claimed: String,
        /// Where it came.
        actual: String,
    },
    /// Another content type than claimed.
    #[error("the signature is for content type '{claimed}', the report came as '{actual}': send what was signed")]
    ContentType {
        /// What `cty` says.
        claimed: String,
        /// What came.
        actual: String,
    },
    /// Another body than claimed.
    #[error("the signature is for a body with SHA-256 {claimed}, the one that came has {actual}: send what was signed")]
    Body {
        /// What `sha256` says.
        claimed: String,
        /// What came.
        actual: String,
    },
}

impl Claims {
    /// Compares the claims with the report they came with and the ledger it came to.
    ///
    /// # Errors
    /// The first [`ClaimFault`], in the order origin, subject, content type, body.
    pub fn check(
        &self,
        subject: &str,
        content_type: &str,
        body_sha256: &[u8; 32],
        origin: &str,
    ) -> Result<(), ClaimFault> {
        let both = |claimed: &str, actual: &str| (claimed.to_owned(), actual.to_owned());
        if self.aud != origin {
            let (claimed, actual) = both(&self.aud, origin);
            return Err(ClaimFault::Origin { claimed, actual });
        }
        if self.sub != subject {
            let (claimed, actual) = both(&self.sub, subject);
            return Err(ClaimFault::Subject { claimed, actual });
        }
        if self.cty != content_type {
            let (claimed, actual) = both(&self.cty, content_type);
            return Err(ClaimFault::ContentType { claimed, actual });
        }
        if self.sha256 != *body_sha256 {
            return Err(ClaimFault::Body { claimed: hex::encode(&self.sha256), actual: hex::encode(body_sha256) });
        }
        Ok(())
    }

    /// The payload of a JWS.
    pub(super) fn to_json(&self) -> String {
        let mut claims = json!({
            "aud": self.aud, "sub": self.sub, "cty": self.cty, "sha256": hex::encode(&self.sha256), "seq": self.seq,
            "reported": self.reported.to_string(),
        });
        if let Some(prev) = &self.prev {
            claims["prev"] = hex::encode(prev).into();
        }
        if let Some(seen) = &self.seen {
            claims["seen"] = json!({"size": seen.size, "root": hex::encode(&seen.root)});
        }
        claims.to_string()
    }

    /// Reads the payload of a JWS.
    pub(super) fn from_json(value: Value) -> Result<Self, SignFault> {
        let Value::Object(mut fields) = value else { return Err(claim("payload", "a JSON object")) };
        let claims = Claims {
            aud: text(&mut fields, "aud")?,
            sub: text(&mut fields, "sub")?,
            cty: text(&mut fields, "cty")?,
            sha256: hash(&mut fields, "sha256")?,
            seq: number(&mut fields, "seq")?,
            prev: if fields.contains_key("prev") { Some(hash(&mut fields, "prev")?) } else { None },
            seen: fields.remove("seen").map(seen).transpose()?,
            reported: Time::parse(&text(&mut fields, "reported")?)
                .map_err(|_| claim("reported", "an RFC 3339 time with offset"))?,
        };
        no_more(&fields)?;
        Ok(claims)
    }
}

fn claim(name: &'static str, expected: &'static str) -> SignFault {
    SignFault::Claim { name, expected }
}

fn no_more(fields: &Map<String, Value>) -> Result<(), SignFault> {
    match fields.keys().next() {
        Some(name) => Err(SignFault::Unknown(name.chars().take(40).flat_map(char::escape_debug).collect())),
        None => Ok(()),
    }
}

fn text(fields: &mut Map<String, Value>, name: &'static str) -> Result<String, SignFault> {
    match fields.remove(name) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= HEADER_BYTES_MAX => Ok(text),
        _ => Err(claim(name, "a text")),
    }
}

fn hash(fields: &mut Map<String, Value>, name: &'static str) -> Result<[u8; 32], SignFault> {
    let text = text(fields, name)?;
    hex::decode32(&text).ok_or(claim(name, "a SHA-256 as 64 lower-case hexadecimal digits"))
}

fn number(fields: &mut Map<String, Value>, name: &'static str) -> Result<u64, SignFault> {
    match fields.remove(name) {
        Some(Value::Number(number)) => number.as_str().parse().ok(),
        _ => None,
    }
    .filter(|number| (1..=CLAIM_NUMBER_MAX).contains(number))
    .ok_or(claim(name, "a whole number from 1 to 2^53 - 1"))
}

fn seen(value: Value) -> Result<Seen, SignFault> {
    let Value::Object(mut fields) = value else { return Err(claim("seen", "an object with size and root")) };
    let seen = Seen { size: number(&mut fields, "size")?, root: hash(&mut fields, "root")? };
    no_more(&fields)?;
    Ok(seen)
}
