//! Signed notes and verifier keys (C2SP signed-note), and witnesses' cosignatures on them (C2SP tlog-cosignature v1).
//!
//! Verification is strict Ed25519 and total: any text gives a verdict, never a panic. It knows nothing of what a note says.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::limits::{NOTE_BYTES_MAX, NOTE_NAME_BYTES_MAX, NOTE_SIGNATURES_MAX};
use crate::sign::{KeyPair, hex, public_key_bytes};

/// What opens a signature line.
const DASH: &str = "\u{2014} ";

/// Why a note or a verifier key is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// Not a note at all.
    #[error("this is no signed note: {0}")]
    Malformed(&'static str),
    /// Not a verifier key.
    #[error("'{text}' is no verifier key: {why}; give the line of the file log/vkey, <name>+<key id>+<base64>")]
    Key {
        /// The text, cut short.
        text: String,
        /// Why not.
        why: &'static str,
    },
    /// A name that no signature line can carry.
    #[error("'{0}' cannot name a key: it must be 1 to 256 bytes without spaces, control characters and '+'")]
    Name(String),
    /// A signature that says it is by a known key, and is not.
    #[error("the signature by {0} is wrong: the text was altered, or another key signed it")]
    Wrong(String),
    /// No known key signed.
    #[error("none of the keys given signed this: it is by {0}")]
    Unsigned(String),
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The note's text itself: type byte 0x01.
    Log,
    /// A checkpoint with a time before it: type byte 0x04.
    Witness,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            KeyKind::Log => 1,
            KeyKind::Witness => 4,
        }
    }
}

/// A verifier key: name, id, kind and the Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: KeyKind,
    key: VerifyingKey,
}

fn is_name(name: &str) -> bool {
    (1..=NOTE_NAME_BYTES_MAX).contains(&name.len())
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_id(name: &str, kind: KeyKind, key: &[u8; 32]) -> [u8; 4] {
    let hashed = [name.as_bytes(), &[b'\n', kind.byte()], key].concat();
    let [a, b, c, d, ..] = hex::sha256(&hashed);
    [a, b, c, d]
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    /// [`NoteFault::Name`]; [`NoteFault::Key`] for bytes that are no Ed25519 key, or a weak one.
    pub fn new(name: &str, kind: KeyKind, key: &[u8; 32]) -> Result<Self, NoteFault> {
        if !is_name(name) {
            return Err(NoteFault::Name(name.chars().take(80).collect()));
        }
        let weak = || NoteFault::Key { text: hex::encode(key), why: "its bytes are no sound Ed25519 key" };
        let verifying = VerifyingKey::from_bytes(key).map_err(|_| weak())?;
        // A key of small order would let one signature stand for many texts.
        if verifying.is_weak() {
            return Err(weak());
        }
        Ok(VerifierKey { name: name.to_owned(), id: key_id(name, kind, key), kind, key: verifying })
    }

    /// The public half of a log's key pair under its origin.
    ///
    /// # Errors
    /// [`NoteFault::Name`].
    pub fn of_pair(name: &str, kind: KeyKind, pair: &KeyPair) -> Result<Self, NoteFault> {
        Self::new(name, kind, &public_key_bytes(pair.public()).unwrap_or_default())
    }

    /// Reads `<name>+<key id>+<base64>`; an id that does not follow from name and key is refused.
    ///
    /// # Errors
    /// [`NoteFault`].
    pub fn parse(text: &str) -> Result<Self, NoteFault> {
        let fault = |why| NoteFault::Key { text: text.chars().take(120).collect(), why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(fault("it has not three parts joined by '+'"));
        };
        let bytes = STANDARD.decode(body).map_err(|_| fault("its last part is no base64"))?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (KeyKind::Log, key),
            Some((4, key)) => (KeyKind::Witness, key),
            _ => return Err(fault("its type is neither 0x01 (Ed25519) nor 0x04 (Ed25519 cosignature)")),
        };
        let key: &[u8; 32] = key.try_into().map_err(|_| fault("it holds no 32 bytes of key"))?;
        let parsed = Self::new(name, kind, key)?;
        if hex::encode(&parsed.id) != id {
            return Err(fault("its key id does not follow from its name and key"));
        }
        Ok(parsed)
    }

    /// Reads several, one a line; blank lines are passed over.
    ///
    /// # Errors
    /// As [`VerifierKey::parse`], for the first line that is none; there is no line.
    pub fn parse_lines(text: &str) -> Result<Vec<Self>, NoteFault> {
        let lines = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Self::parse(text).map(|key| vec![key]) } else { Ok(keys) }
    }

    /// Name: for a log its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 key: two verifier keys may differ in name only.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The time a signature carries: seconds since 1970 of a cosignature, `None` of a log's.
    fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<u64>> {
        match self.kind {
            KeyKind::Log => {
                let signature = Signature::from_slice(signature).ok()?;
                self.key.verify_strict(text.as_bytes(), &signature).ok().map(|()| None)
            }
            KeyKind::Witness => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                let signature = Signature::from_slice(signature).ok()?;
                let message = cosigned(text, time);
                let verified = i64::try_from(time).is_ok() && self.key.verify_strict(&message, &signature).is_ok();
                verified.then_some(Some(time))
            }
        }
    }
}

/// `<name>+<key id>+<base64>`.
impl fmt::Display for VerifierKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = [&[self.kind.byte()][..], self.key.as_bytes()].concat();
        write!(out, "{}+{}+{}", self.name, hex::encode(&self.id), STANDARD.encode(body))
    }
}

/// What a witness signs.
fn cosigned(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

fn line(key: &VerifierKey, signature: &[u8]) -> String {
    format!("{DASH}{} {}\n", key.name, STANDARD.encode([&key.id[..], signature].concat()))
}

/// A log's signature line over a text; the text with a blank line and this line is the signed note.
///
/// # Errors
/// [`NoteFault::Name`].
pub fn sign(name: &str, pair: &KeyPair, text: &str) -> Result<String, NoteFault> {
    let key = VerifierKey::of_pair(name, KeyKind::Log, pair)?;
    Ok(line(&key, &pair.sign_bytes(text.as_bytes())))
}

/// A witness's cosignature line over a checkpoint's text at a time in seconds since 1970.
///
/// # Errors
/// [`NoteFault::Name`].
pub fn cosign(name: &str, pair: &KeyPair, text: &str, time: u64) -> Result<String, NoteFault> {
    let key = VerifierKey::of_pair(name, KeyKind::Witness, pair)?;
    let signature = pair.sign_bytes(&cosigned(text, time));
    Ok(line(&key, &[&time.to_be_bytes()[..], &signature].concat()))
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine<'a> {
    /// Name it claims.
    pub name: &'a str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// A note taken apart; nothing about it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The text that is signed, with its final line break.
    pub text: &'a str,
    /// Signature lines in order.
    pub signatures: Vec<SignatureLine<'a>>,
}

/// A signature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// By which of the keys given.
    pub key: &'k VerifierKey,
    /// When, in seconds since 1970, where it is a cosignature.
    pub time: Option<u64>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`NoteFault::Malformed`].
    pub fn parse(note: &'a str) -> Result<Self, NoteFault> {
        let fault = |why| Err(NoteFault::Malformed(why));
        if note.len() > NOTE_BYTES_MAX {
            return fault("it is longer than 256 KiB");
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return fault("it holds a control character");
        }
        let Some(end) = note.rfind("\n\n") else { return fault("there is no blank line before signatures") };
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else { return fault("its last line has no end") };
        let signatures = lines.split('\n').map(signature_line).collect::<Option<Vec<_>>>();
        let Some(signatures) = signatures else { return fault("a signature line is malformed") };
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return fault("it has more than 64 signatures");
        }
        Ok(Note { text, signatures })
    }

    /// Verifies what the keys signed. Unknown signatures are passed over, as the specification asks; one that claims to be by
    /// a key given and is wrong refuses the whole note.
    ///
    /// # Errors
    /// [`NoteFault::Wrong`], [`NoteFault::Unsigned`].
    pub fn verify<'k>(&self, keys: impl IntoIterator<Item = &'k VerifierKey>) -> Result<Vec<Verified<'k>>, NoteFault> {
        let mut verified = Vec::new();
        for key in keys {
            let own = self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id);
            let mut times = own.map(|line| key.verify(self.text, &line.bytes));
            if let Some(first) = times.next() {
                let wrong = || NoteFault::Wrong(key.name.clone());
                let time = first.ok_or_else(wrong)?;
                if times.any(|time| time.is_none()) {
                    return Err(wrong());
                }
                verified.push(Verified { key, time });
            }
        }
        if verified.is_empty() {
            let names: Vec<_> = self.signatures.iter().map(|line| line.name).collect();
            return Err(NoteFault::Unsigned(names.join(", ")));
        }
        Ok(verified)
    }
}

fn signature_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, body) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(body).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (is_name(name) && !signature.is_empty()).then(|| SignatureLine { name, id: *id, bytes: signature.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const SPEC_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key = VerifierKey::parse(SPEC_KEY).unwrap();
        assert_eq!(key.to_string(), SPEC_KEY);
        let note = Note::parse(SPEC_NOTE).unwrap();
        let verified = note.verify([&key]).unwrap();
        assert_eq!((verified.len(), verified[0].key.name(), verified[0].time), (1, "example.com/foo", None));
    }

    #[test]
    fn own_signatures_and_cosignatures_verify_and_nothing_else_does() {
        let (pair, witness, other) =
            (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let text = "jindo.test/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let signature = sign("jindo.test/log", &pair, text).unwrap();
        let cosignature = cosign("witness.test", &witness, text, 1_790_000_000).unwrap();
        let note = format!("{text}\n{signature}{cosignature}");
        let key = VerifierKey::of_pair("jindo.test/log", KeyKind::Log, &pair).unwrap();
        let second = VerifierKey::of_pair("witness.test", KeyKind::Witness, &witness).unwrap();
        let stranger = VerifierKey::of_pair("witness.test", KeyKind::Witness, &other).unwrap();
        let parsed = Note::parse(&note).unwrap();
        let verified = parsed.verify([&key, &second, &stranger]).unwrap();
        assert_eq!(verified.iter().map(|v| v.time).collect::<Vec<_>>(), [None, Some(1_790_000_000)]);
        assert!(matches!(parsed.verify([&stranger]), Err(NoteFault::Unsigned(_))));
        let altered = note.replace("\n0\n", "\n1\n");
        let altered = Note::parse(&altered).unwrap();
        assert!(matches!(altered.verify([&key]), Err(NoteFault::Wrong(_))));
        assert!(matches!(altered.verify([&second]), Err(NoteFault::Wrong(_))));
        // A log's key cannot pass for a witness's: the id covers the kind.
        let mixed = VerifierKey::of_pair("jindo.test/log", KeyKind::Witness, &pair).unwrap();
        assert!(matches!(parsed.verify([&mixed]), Err(NoteFault::Unsigned(_))));
    }

    #[test]
    fn every_changed_byte_of_a_note_is_noticed() {
        let key = VerifierKey::parse(SPEC_KEY).unwrap();
        for at in 0..SPEC_NOTE.len() {
            for mask in [1_u8, 2, 0x20, 0x80] {
                let mut bytes = SPEC_NOTE.as_bytes().to_vec();
                bytes[at] ^= mask;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let held = Note::parse(&text).is_ok_and(|note| note.verify([&key]).is_ok());
                assert!(!held, "byte {at} with {mask:#x}");
            }
        }
    }

    #[test]
    fn malformed_notes_and_keys() {
        for bad in [
            "",
            "\n",
            "a\n",
            "a\n\n",
            "a\n\nb\n",
            "a\n\n\u{2014} n AAAA\n",
            "a\n\n\u{2014} n AAAAAAA\n",
            "a\r\n\n\u{2014} n AAAAAAAA\n",
        ] {
            assert!(matches!(Note::parse(bad), Err(NoteFault::Malformed(_))), "{bad:?}");
        }
        assert!(Note::parse("a\n\n\u{2014} n AAAAAAAA").is_err(), "no end");
        let many = format!("a\n\n{}", "\u{2014} n AAAAAAAA\n".repeat(65));
        assert!(Note::parse(&many).is_err());
        assert!(Note::parse(&many.replacen("\u{2014} n AAAAAAAA\n", "", 1)).is_ok());
        let zero = format!(
            "x+{}+{}",
            hex::encode(&key_id("x", KeyKind::Log, &[0; 32])),
            STANDARD.encode([&[1][..], &[0; 32]].concat())
        );
        for bad in [
            "",
            "a",
            "a+b",
            "a+00000000+AA==",
            &SPEC_KEY.replace("530d", "530D"),
            &SPEC_KEY.replace("530d", "530e"),
            &format!("{SPEC_KEY}="),
            &SPEC_KEY.replace("foo", "fo o"),
            &zero,
        ] {
            assert!(VerifierKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}
