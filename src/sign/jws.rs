//! The signature of a report: a compact JWS (RFC 7515) with EdDSA (RFC 8037) over [`Claims`], `kid` the NKey public key.
//!
//! Parsed strictly, so that every implementation agrees on what is signed: canonical base64url, no duplicate keys, no header
//! parameter beside `alg`, `kid` and `typ`. Verified strictly ([`super::strict`]): small-order keys and mixed cofactors, on
//! which implementations differ, are refused. It never looks a key up.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use serde_json::Value;

use super::{
    claims::Claims,
    hex,
    key::{KeyPair, public_key_bytes},
    strict,
};
use crate::{
    event::json::{self, JsonFault},
    limits::HEADER_BYTES_MAX,
};

/// Why a text is no good signature. All but [`SignFault::Wrong`] and [`SignFault::OtherKey`] say it is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// Longer than a header value may be.
    #[error("the signature has {0} bytes, at most {HEADER_BYTES_MAX} are taken")]
    TooLong(usize),
    /// Not three parts.
    #[error("the signature is no compact JWS: it must be header.payload.signature")]
    Parts,
    /// A part is not canonical base64url.
    #[error("the {0} of the signature is not base64url without padding")]
    Base64(&'static str),
    /// A part is no strict JSON.
    #[error("the {part} of the signature: {fault}")]
    Json {
        /// Header or payload.
        part: &'static str,
        /// What is wrong.
        fault: JsonFault,
    },
    /// The header says something else than allowed.
    #[error("the header of the signature must be {{\"alg\":\"EdDSA\",\"kid\":\"U…\"}}: {0}")]
    Header(&'static str),
    /// A claim is missing or malformed.
    #[error("the claim {name} must be {expected}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A claim nobody defined.
    #[error("the claim '{0}' is unknown: leave it out")]
    Unknown(String),
    /// The signature does not verify.
    #[error("the signature does not verify with the key it names: sign these exact claims with that key")]
    Wrong,
    /// Asked to verify with a key that the signature does not name.
    #[error("the signature names another key than the one it is verified with")]
    OtherKey,
}

/// A parsed signature, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jws {
    text: String,
    key: String,
    key_bytes: [u8; 32],
    claims: Claims,
    signature: Signature,
}

/// Signs claims.
#[must_use]
pub fn sign(pair: &KeyPair, claims: &Claims) -> String {
    // The key is base32 text: nothing in it needs escaping.
    let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\"}}", pair.public());
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_json(), &mut text);
    let signature = pair.signing().sign(text.as_bytes());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut text);
    text
}

impl Jws {
    /// Parses a compact JWS.
    ///
    /// # Errors
    /// [`SignFault`]: what is malformed.
    pub fn parse(text: &str) -> Result<Self, SignFault> {
        if text.len() > HEADER_BYTES_MAX {
            return Err(SignFault::TooLong(text.len()));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SignFault::Parts);
        };
        let key = key_of_header(tree("header", header)?)?;
        let key_bytes = public_key_bytes(&key).ok_or(SignFault::Header("kid is no NKey user public key"))?;
        let claims = Claims::from_json(tree("payload", payload)?)?;
        let signature = decode("signature", signature)?;
        let signature = Signature::from_slice(&signature).map_err(|_| SignFault::Base64("signature of 64 bytes"))?;
        Ok(Jws { text: text.to_owned(), key, key_bytes, claims, signature })
    }

    /// The NKey public key it names.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it claims; nothing of it is true before it is verified.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The compact form.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the compact form: `prev` of the key's next one.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        hex::sha256(self.text.as_bytes())
    }

    /// Verifies with the key it names.
    ///
    /// # Errors
    /// [`SignFault::Wrong`], also where the key is no point of the curve.
    pub fn verify(&self) -> Result<(), SignFault> {
        let key = VerifyingKey::from_bytes(&self.key_bytes).map_err(|_| SignFault::Wrong)?;
        self.verify_with(&key)
    }

    /// Verifies with a key kept from before: see [`super::verifying_key`].
    ///
    /// # Errors
    /// [`SignFault::Wrong`]; [`SignFault::OtherKey`] where it is not the key named.
    pub fn verify_with(&self, key: &VerifyingKey) -> Result<(), SignFault> {
        if *key.as_bytes() != self.key_bytes {
            return Err(SignFault::OtherKey);
        }
        let signed = self.text.rsplit_once('.').map_or("", |(signed, _)| signed);
        if strict::verify(key, signed.as_bytes(), &self.signature) { Ok(()) } else { Err(SignFault::Wrong) }
    }
}

/// The engine refuses padding and stray trailing bits: one text per value.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, SignFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SignFault::Base64(part))
}

fn tree(part: &'static str, text: &str) -> Result<Value, SignFault> {
    json::parse(&decode(part, text)?).map_err(|fault| SignFault::Json { part, fault })
}

/// `crit`, `b64`, `jwk` and all others would change what is verified, and how.
fn key_of_header(header: Value) -> Result<String, SignFault> {
    let Value::Object(mut fields) = header else { return Err(SignFault::Header("it is no JSON object")) };
    if fields.remove("alg") != Some(Value::from("EdDSA")) {
        return Err(SignFault::Header("alg is not EdDSA"));
    }
    let Some(Value::String(key)) = fields.remove("kid") else { return Err(SignFault::Header("kid is no text")) };
    match fields.remove("typ") {
        None | Some(Value::String(_)) => {}
        Some(_) => return Err(SignFault::Header("typ is no text")),
    }
    if fields.is_empty() { Ok(key) } else { Err(SignFault::Header("nothing else but typ may stand in it")) }
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
