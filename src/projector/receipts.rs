//! Receipts of a running ledger: which entry is meant, and its receipt from the log folder.
//!
//! It answers for what a checkpoint covers and says "not yet" for the rest; it never waits.

use uuid::Uuid;

use super::Shared;
use crate::fold::lookup::signature_key;
use crate::fold::rows::{Doubt, Rows as _};
use crate::log::folder::LogFolder;
use crate::log::receipt::{Receipt, ReceiptFault};
use crate::sign::hex;

/// What an entry is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Its index.
    Index(u64),
    /// SHA-256 of a report's compact JWS: the first entry with it.
    Signature([u8; 32]),
    /// The id of an accepted event: the entry that brought its first version.
    Event(Uuid),
}

impl Name {
    /// Reads an index, 64 lower-case hex digits, or a UUID, each in its one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(index) = text.parse().ok().filter(|index: &u64| index.to_string() == text) {
            return Some(Name::Index(index));
        }
        let uuid = || Uuid::parse_str(text).ok().filter(|uuid| uuid.to_string() == text);
        hex::decode32(text).map(Name::Signature).or_else(|| uuid().map(Name::Event))
    }
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum NoReceipt {
    /// No entry by that name.
    #[error("no entry of this log has that name")]
    Unknown,
    /// Several agencies use the event id.
    #[error("several agencies use this event id ({}): name one", .0.join(", "))]
    Several(Vec<String>),
    /// In no published checkpoint yet.
    #[error("entry {index} is in no published checkpoint yet, the newest covers {size}: ask again shortly")]
    NotYet {
        /// Entry.
        index: u64,
        /// Covered.
        size: u64,
    },
    /// Texts of the entry were removed by law.
    #[error("{0}")]
    Withheld(ReceiptFault),
    /// Rows that cannot be trusted.
    #[error("{0}")]
    Doubt(#[from] Doubt),
    /// The log folder.
    #[error("{0}")]
    Broken(ReceiptFault),
}

/// The receipt of an entry; `agency` tells whose event is meant.
///
/// # Errors
/// [`NoReceipt`].
pub fn receipt(shared: &Shared, name: Name, agency: Option<&str>) -> Result<Receipt, NoReceipt> {
    let index = index(shared, name, agency)?;
    let size = shared.proven_size();
    if index >= size {
        return Err(NoReceipt::NotYet { index, size });
    }
    Receipt::make(&LogFolder::new(shared.log().dir()), index).map_err(|fault| match fault {
        ReceiptFault::NotYet { index, size } => NoReceipt::NotYet { index, size },
        fault @ ReceiptFault::Withheld(_) => NoReceipt::Withheld(fault),
        fault => NoReceipt::Broken(fault),
    })
}

fn index(shared: &Shared, name: Name, agency: Option<&str>) -> Result<u64, NoReceipt> {
    let reader = shared.reader();
    match name {
        Name::Index(index) if index < reader.position().size => Ok(index),
        Name::Index(_) => Err(NoReceipt::Unknown),
        Name::Signature(sha256) => reader.lookup(&signature_key(&sha256))?.ok_or(NoReceipt::Unknown),
        Name::Event(id) => {
            let mut found = Vec::new();
            let registry = shared.registry();
            for code in registry.agency_codes.iter().filter(|code| agency.is_none_or(|wanted| wanted == &***code)) {
                if let Some((_, record)) = reader.record_by_id(code, &id)? {
                    found.push((code.to_string(), record.index));
                }
            }
            match found.as_slice() {
                [] => Err(NoReceipt::Unknown),
                [(_, index)] => Ok(*index),
                several => Err(NoReceipt::Several(several.iter().map(|(code, _)| code.clone()).collect())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let uuid = "0198c0de-0000-7000-8000-000000000001";
        assert_eq!(Name::parse("41"), Some(Name::Index(41)));
        assert_eq!(Name::parse(&"ab".repeat(32)), Some(Name::Signature([0xab; 32])));
        assert_eq!(Name::parse(uuid), Uuid::parse_str(uuid).ok().map(Name::Event));
        for bad in ["", "041", "-1", "+1", "1 ", &"AB".repeat(32), &uuid.to_uppercase(), &uuid.replace('-', ""), "x"] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }
}
