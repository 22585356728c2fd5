//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log, as the text of a signed note.
//!
//! Strict both ways: what is formatted parses to the same, and nothing else parses. Extension lines are refused, for no log
//! of ours writes any and nobody could audit them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::note::{Note, NoteFault, VerifierKey};
use crate::limits::{LOG_SIZE_MAX, NOTE_NAME_BYTES_MAX};
use crate::sign::hex;

/// Size and root of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
}

impl Head {
    /// Of the log that holds nothing.
    #[must_use]
    pub fn empty() -> Self {
        Head { size: 0, root: hex::sha256(b"") }
    }
}

/// Why a text is no checkpoint, or none of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// Not a checkpoint.
    #[error("this is no checkpoint: {0}")]
    Malformed(&'static str),
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// Of another log.
    #[error("the checkpoint is of log '{found}', the key of '{wanted}': take the key of that log, or its receipts")]
    Origin {
        /// Of the checkpoint.
        found: String,
        /// Of the key.
        wanted: String,
    },
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Size and root.
    pub head: Head,
}

impl Checkpoint {
    /// Of a log.
    ///
    /// # Errors
    /// [`CheckpointFault::Malformed`] for an origin that would not stand on one line, or a size over 2^40.
    pub fn new(origin: &str, head: Head) -> Result<Self, CheckpointFault> {
        let fault = |why| Err(CheckpointFault::Malformed(why));
        if origin.is_empty()
            || origin.len() > NOTE_NAME_BYTES_MAX
            || origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
        {
            return fault("its origin is empty, too long, or holds a space, a plus or a control character");
        }
        if head.size > LOG_SIZE_MAX {
            return fault("its size is over 2^40");
        }
        if head.size == 0 && head != Head::empty() {
            return fault("its size is 0, its root is not that of an empty log");
        }
        Ok(Checkpoint { origin: origin.to_owned(), head })
    }

    /// The three lines that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, STANDARD.encode(self.head.root))
    }

    /// Reads the three lines.
    ///
    /// # Errors
    /// [`CheckpointFault::Malformed`].
    pub fn parse(text: &str) -> Result<Self, CheckpointFault> {
        let fault = |why| CheckpointFault::Malformed(why);
        let mut lines = text.strip_suffix('\n').ok_or(fault("its last line has no end"))?.split('\n');
        let origin = lines.next().unwrap_or_default();
        let size = lines.next().and_then(decimal).ok_or(fault("its second line is no size"))?;
        let root = lines.next().and_then(hash).ok_or(fault("its third line is no root hash in base64"))?;
        if lines.next().is_some() {
            return Err(fault("it has more than three lines"));
        }
        Self::new(origin, Head { size, root })
    }

    /// Reads a signed checkpoint and verifies that the log's key signed it under its own origin.
    ///
    /// # Errors
    /// [`CheckpointFault`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointFault> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(note.text)?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointFault::Origin { found: checkpoint.origin, wanted: key.name().to_owned() });
        }
        note.verify([key])?;
        Ok(checkpoint)
    }
}

impl Checkpoint {
    /// As [`Checkpoint::open`], by whichever of the keys signed it.
    ///
    /// # Errors
    /// As [`Checkpoint::open`], for the first key where none signed.
    pub fn open_by(note: &str, keys: &[&VerifierKey]) -> Result<Self, CheckpointFault> {
        let parsed = Note::parse(note)?;
        let signed = |key: &&&VerifierKey| !matches!(parsed.verify([**key]), Err(NoteFault::Unsigned(_)));
        let key = keys.iter().find(signed).or(keys.first());
        key.map_or(Err(NoteFault::Unsigned(String::new()).into()), |key| Self::open(note, key))
    }
}

/// A decimal number in its one spelling.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()?;
    (number.to_string() == text).then_some(number)
}

/// 32 bytes in base64.
pub(super) fn hash(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::note::{KeyKind, sign};
    use crate::sign::KeyPair;

    #[test]
    fn one_spelling_only() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.head.size, checkpoint.text().as_str()), (20_852_163, text));
        let empty = Checkpoint::new("x", Head::empty()).unwrap();
        assert_eq!(Checkpoint::parse(&empty.text()).unwrap(), empty);
        for (from, to) in [
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", ""),
            ("20852163", "1099511627777"),
            ("20852163", "18446744073709551616"),
            ("20852163", "0"),
            ("q2I=\n", "q2I=\nmore\n"),
            ("q2I=\n", "q2I="),
            ("q2I=", "q2I"),
            ("q2I=", "q2J="),
            ("example.com/behind-the-sofa", ""),
            ("behind", "be hind"),
            ("behind", "be+hind"),
            ("q2I=\n", "q2I=\n\n"),
            ("CsUY", "Cs\nUY"),
        ] {
            assert!(Checkpoint::parse(&text.replace(from, to)).is_err(), "{from} -> {to}");
        }
        assert!(Checkpoint::new("two\nlines", Head::empty()).is_err());
    }

    #[test]
    fn opens_under_its_own_key_only() {
        let pair = KeyPair::generate().unwrap();
        let text = Checkpoint::new("jindo.test/a", Head::empty()).unwrap().text();
        let note = format!("{text}\n{}", sign("jindo.test/a", &pair, &text).unwrap());
        let key = |name| VerifierKey::of_pair(name, KeyKind::Log, &pair).unwrap();
        assert_eq!(Checkpoint::open(&note, &key("jindo.test/a")).unwrap().head, Head::empty());
        assert!(matches!(Checkpoint::open(&note, &key("jindo.test/b")), Err(CheckpointFault::Origin { .. })));
    }
}
