//! The log's keys that a receipt is checked with: as given, or as a log folder follows from them.

use std::io::ErrorKind;
use std::path::Path;

use crate::cli::exit::{could, file};
use crate::cli::out;
use crate::limits::VKEYS_BYTES_MAX;
use crate::log::checkpoint::CheckpointFault;
use crate::log::folder::{CHECKPOINT, LogFolder};
use crate::log::lineage::Lineage;
use crate::log::note::{NoteFault, VerifierKey};
use crate::log::policy::Policy;
use crate::log::receipt::{Proven, Receipt, ReceiptFault};

/// Keys of one log that somebody trusts.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// As given.
    pub keys: Vec<VerifierKey>,
    /// A log folder: the keys that its entries name are followed from those.
    folder: Option<LogFolder>,
}

impl Trust {
    /// Keys as given, a line or a file of lines. A file that lies in a log folder brings that folder along, unless another
    /// is given.
    ///
    /// # Errors
    /// No such file, or what is given is no verifier key.
    pub fn read(given: Option<&str>, folder: Option<&Path>) -> anyhow::Result<Self> {
        let beside = given.and_then(|given| Path::new(given).parent()).filter(|dir| dir.join(CHECKPOINT).is_file());
        let folder = folder.or(beside).map(LogFolder::new);
        Ok(Trust { keys: given.map(keys).transpose()?.unwrap_or_default(), folder })
    }

    /// Tries the keys one after the other; without any the policy's logs count. Where all of them say that another key signed,
    /// the last one's fault is given.
    pub fn any<T, F>(
        &self,
        try_one: impl Fn(Option<&VerifierKey>) -> Result<T, F>,
        is_other: fn(&F) -> bool,
    ) -> Result<T, F> {
        let mut tried = try_one(self.keys.first());
        for key in self.keys.iter().skip(1) {
            match tried {
                Err(fault) if is_other(&fault) => tried = try_one(Some(key)),
                settled => return settled,
            }
        }
        tried
    }

    /// Verifies a receipt, and names the key that did where it had to be followed to.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    pub fn prove(
        &self,
        receipt: &Receipt,
        policy: Option<&Policy>,
    ) -> Result<(Proven, Option<VerifierKey>), ReceiptFault> {
        let fault = match self.any(|key| receipt.verify(key, policy), is_of_other) {
            Ok(proven) => return Ok((proven, None)),
            Err(fault) => fault,
        };
        let folder = self.folder.as_ref().filter(|_| is_of_other(&fault));
        let Some(keys) = folder.and_then(|folder| Lineage::vouched(folder, &self.keys)) else { return Err(fault) };
        let key = keys.at(receipt.size().unwrap_or(0));
        match receipt.verify(Some(key), policy) {
            Ok(proven) => Ok((proven, Some(key.clone()))),
            // Of a key that the folder does not lead to either.
            Err(other) if is_of_other(&other) => Err(fault),
            Err(other) => Err(other),
        }
    }
}

/// Whether another key than the one tried signed it, or the policy asks for another one.
pub(super) fn is_of_other(fault: &ReceiptFault) -> bool {
    matches!(
        fault,
        ReceiptFault::NotListed(_)
            | ReceiptFault::Checkpoint(CheckpointFault::Note(NoteFault::Unsigned(_)) | CheckpointFault::Origin { .. })
    )
}

/// Verifier keys, as given or from a file, one a line.
fn keys(given: &str) -> anyhow::Result<Vec<VerifierKey>> {
    let path = Path::new(given);
    let is_file = path.exists();
    // A verifier key has a plus between its parts.
    if !is_file && !given.contains('+') {
        return Err(file(path, &ErrorKind::NotFound.into()).into());
    }
    let text = if is_file { out::read_foreign(path, VKEYS_BYTES_MAX)? } else { given.to_owned() };
    let named = |said: String| if is_file { format!("{given}: {said}") } else { said };
    let read = VerifierKey::parse_lines(&text).map_err(|fault| {
        could(named(fault.to_string()), named(fault.to_string())).next(
            "로그 폴더의 vkey 파일이나 그 한 줄(이름+번호+키)을 --vkey로 주세요.",
            "give --vkey the file vkey of the log folder, or its line: name+id+key",
        )
    });
    Ok(read?)
}
