//! Lookup keys: where the number of a record or thing is kept. Pure; two different names never share a key in practice
//! (128 bits of SHA-256), and a reader compares what it finds with what it asked for.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rows::LookupKey;

/// Key under which the ordinal of an accepted event is kept: an id belongs to its agency forever.
#[must_use]
pub fn id_key(agency: &str, id: &Uuid) -> LookupKey {
    key("id", &[agency.as_bytes(), id.as_bytes()])
}

/// Key under which the number of a thing (at a stage of an indicator) is kept.
#[must_use]
pub fn thing_key(indicator: u16, stage: u16, identity: &[String]) -> LookupKey {
    let (indicator, stage) = (indicator.to_be_bytes(), stage.to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![&indicator, &stage];
    parts.extend(identity.iter().map(|field| field.as_bytes()));
    key("thing", &parts)
}

/// First 16 bytes of SHA-256 over the namespace and the parts, each behind its length.
#[must_use]
pub fn key(namespace: &str, parts: &[&[u8]]) -> LookupKey {
    let mut hash = Sha256::new();
    for part in std::iter::once(&namespace.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut key = LookupKey::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_have_different_keys() {
        let id = Uuid::from_u128(7);
        let text = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let keys = [
            id_key("keco", &id),
            id_key("kec", &id),
            id_key("keco", &Uuid::from_u128(8)),
            thing_key(1, 0, &text(&["ab", "c"])),
            thing_key(1, 0, &text(&["a", "bc"])),
            thing_key(1, 0, &text(&["abc"])),
            thing_key(1, 1, &text(&["abc"])),
            thing_key(256, 0, &text(&["abc"])),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
        assert_eq!(id_key("keco", &id), id_key("keco", &Uuid::from_u128(7)));
    }
}
