//! The log's keys over its life: which of them signs a checkpoint of which size, and how each was named by the one before it.
//!
//! A rotation is a signed note (C2SP signed-note) by the key in force. Its text is two lines: [`ROTATION`], then the next key
//! as a verifier key. It stands in an entry of the log (`log.key-rotated.v1`); every checkpoint that covers that entry is by
//! the next key, and the first one that does is signed by both. The first line keeps it apart from a checkpoint, whose first
//! line is the log's origin.

use super::checkpoint::{Checkpoint, CheckpointFault};
use super::note::{self, KeyKind, Note, NoteFault, VerifierKey};
use crate::sign::KeyPair;

/// First line of a rotation.
pub const ROTATION: &str = "jindo-log-key/v1";

/// Why a rotation is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotationFault {
    /// The note or the key in it.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// Not a rotation.
    #[error("the note is no rotation: its text is '{ROTATION}' and the next key, a line each")]
    Malformed,
    /// A key for something else.
    #[error("the next key is named '{0}': it must be a log's key (0x01) under this log's origin")]
    Foreign(String),
    /// A key the log has or had.
    #[error("the log has or had this key already: make a new one")]
    Known,
}

/// The keys of one log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    first: VerifierKey,
    /// Smallest size of a checkpoint that the key signs, and the key.
    later: Vec<(u64, VerifierKey)>,
}

/// The note by which the key in force names the next one.
///
/// # Errors
/// [`NoteFault::Name`].
pub fn rotation(by: &KeyPair, next: &VerifierKey) -> Result<String, NoteFault> {
    let text = format!("{ROTATION}\n{next}\n");
    let line = note::sign(next.name(), by, &text)?;
    Ok(format!("{text}\n{line}"))
}

/// The key that a rotation names, where `by` signed it.
///
/// # Errors
/// [`RotationFault`].
pub fn named(rotation: &str, by: &VerifierKey) -> Result<VerifierKey, RotationFault> {
    let note = Note::parse(rotation)?;
    note.verify([by])?;
    let text = note.text.strip_prefix(ROTATION).and_then(|rest| rest.strip_prefix('\n'));
    let line = text.and_then(|rest| rest.strip_suffix('\n')).ok_or(RotationFault::Malformed)?;
    let next = VerifierKey::parse(line)?;
    if next.kind() != KeyKind::Log || next.name() != by.name() {
        return Err(RotationFault::Foreign(next.name().to_owned()));
    }
    if next.bytes() == by.bytes() {
        return Err(RotationFault::Known);
    }
    Ok(next)
}

impl LogKeys {
    /// With the key that entry 0 names.
    #[must_use]
    pub fn new(first: VerifierKey) -> Self {
        LogKeys { first, later: Vec::new() }
    }

    /// With one key pair.
    ///
    /// # Errors
    /// [`NoteFault::Name`].
    pub fn of_pair(origin: &str, pair: &KeyPair) -> Result<Self, NoteFault> {
        Ok(Self::new(VerifierKey::of_pair(origin, KeyKind::Log, pair)?))
    }

    /// As a registry holds them: each with the smallest size it signs.
    ///
    /// # Errors
    /// [`NoteFault`] where one is no verifier key.
    pub fn parse<'a>(first: &str, later: impl Iterator<Item = (u64, &'a str)>) -> Result<Self, NoteFault> {
        let mut keys = Self::new(VerifierKey::parse(first)?);
        for (from, vkey) in later {
            keys.later.push((from, VerifierKey::parse(vkey)?));
        }
        Ok(keys)
    }

    /// Takes a rotation that stands in the entry before `from`: checkpoints of this size and more are by the key it names.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn rotate(&mut self, from: u64, rotation: &str) -> Result<(), RotationFault> {
        let next = named(rotation, self.newest())?;
        if self.all().any(|key| key.bytes() == next.bytes()) {
            return Err(RotationFault::Known);
        }
        self.later.push((from, next));
        Ok(())
    }

    /// The key that signs a checkpoint of this size.
    #[must_use]
    pub fn at(&self, size: u64) -> &VerifierKey {
        self.later.iter().rev().find(|(from, _)| *from <= size).map_or(&self.first, |(_, key)| key)
    }

    /// The newest key.
    #[must_use]
    pub fn newest(&self) -> &VerifierKey {
        self.later.last().map_or(&self.first, |(_, key)| key)
    }

    /// All keys, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.later.iter().map(|(_, key)| key))
    }

    /// Without the first `count` keys: what is left begins with the key after them. At least the newest stays.
    #[must_use]
    pub fn since(&self, count: usize) -> Self {
        let count = count.min(self.later.len());
        let first = self.all().nth(count).unwrap_or(&self.first).clone();
        LogKeys { first, later: self.later.get(count..).unwrap_or_default().to_vec() }
    }

    /// Reads a signed checkpoint and verifies that the key for its size signed it.
    ///
    /// # Errors
    /// [`CheckpointFault`].
    pub fn open(&self, note: &str) -> Result<Checkpoint, CheckpointFault> {
        let size = Checkpoint::parse(Note::parse(note)?.text)?.head.size;
        Checkpoint::open(note, self.at(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::checkpoint::Head;

    fn pair() -> (KeyPair, VerifierKey) {
        let pair = KeyPair::generate().unwrap();
        let key = VerifierKey::of_pair("jindo.test/log", KeyKind::Log, &pair).unwrap();
        (pair, key)
    }

    fn checkpoint(pair: &KeyPair, size: u64) -> String {
        let text = Checkpoint::new("jindo.test/log", Head { size, root: [7; 32] }).unwrap().text();
        format!("{text}\n{}", note::sign("jindo.test/log", pair, &text).unwrap())
    }

    #[test]
    fn each_size_has_one_key() {
        let ((a, first), (b, second), (c, third)) = (pair(), pair(), pair());
        let mut keys = LogKeys::new(first.clone());
        keys.rotate(10, &rotation(&a, &second).unwrap()).unwrap();
        keys.rotate(20, &rotation(&b, &third).unwrap()).unwrap();
        for (size, by, holds) in [
            (9, &a, true),
            (9, &b, false),
            (10, &a, false),
            (10, &b, true),
            (19, &b, true),
            (20, &b, false),
            (20, &c, true),
        ] {
            assert_eq!(keys.open(&checkpoint(by, size)).is_ok(), holds, "size {size}");
        }
        let registered = [(10, second.to_string()), (20, third.to_string())];
        let parsed = registered.iter().map(|(from, vkey)| (*from, vkey.as_str()));
        assert_eq!(LogKeys::parse(&first.to_string(), parsed).unwrap(), keys);
        for (count, left) in [(0, vec![&first, &second, &third]), (1, vec![&second, &third]), (9, vec![&third])] {
            assert_eq!(keys.since(count).all().collect::<Vec<_>>(), left, "without {count}");
        }
        assert_eq!(keys.since(1).at(20), &third);
    }

    #[test]
    fn only_the_key_in_force_names_a_new_one() {
        let ((a, first), (b, second), (c, third)) = (pair(), pair(), pair());
        let mut keys = LogKeys::new(first.clone());
        let good = rotation(&a, &second).unwrap();
        let other = VerifierKey::of_pair("jindo.test/other", KeyKind::Log, &b).unwrap();
        let witness = VerifierKey::of_pair("jindo.test/log", KeyKind::Witness, &b).unwrap();
        let signed = |text: &str| format!("{text}\n{}", note::sign("jindo.test/log", &a, text).unwrap());
        for bad in [
            rotation(&c, &second).unwrap(),
            rotation(&a, &first).unwrap(),
            rotation(&a, &other).unwrap(),
            signed(&format!("{ROTATION}\n{witness}\n")),
            signed(&format!("{ROTATION}\n{second}\nmore\n")),
            signed(&format!("{ROTATION}2\n{second}\n")),
            checkpoint(&a, 5),
            good.replace(&second.to_string(), &third.to_string()),
            String::new(),
        ] {
            assert!(keys.rotate(10, &bad).is_err(), "{bad}");
        }
        keys.rotate(10, &good).unwrap();
        assert_eq!(keys.rotate(11, &good), Err(RotationFault::Note(NoteFault::Unsigned("jindo.test/log".to_owned()))));
        assert_eq!(keys.rotate(11, &rotation(&b, &first).unwrap()), Err(RotationFault::Known));
    }
}
