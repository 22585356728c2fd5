//! Where an import ended: a note beside the outbox, trusted only while the ledger holds the event it names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::event::Time;
use crate::publish::import::document::Document;
use crate::publish::import::{Checked, Import};
use crate::serve::source::RecordsView;
use crate::sign::hex;

use super::super::Context;
use super::super::exit::file;
use super::super::ledger::Ledger;

/// The note of one file under one mapping.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    row_done: u64,
    /// False once a batch was not recorded: later ones may be, but rows before them are not.
    unbroken: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    row_done: u64,
}

impl Note {
    /// The note of this file, agency, type and mapping: another mapping gives other events.
    pub(super) fn of(
        dir: &Path,
        document: &Document,
        kind: &str,
        agency: &str,
        maps: &[(String, String)],
        key: Option<&str>,
        time: Option<Time>,
    ) -> Self {
        let mapping = format!("{agency}\0{kind}\0{maps:?}\0{key:?}\0{time:?}");
        let mut digest = Sha256::new();
        digest.update(document.sha256);
        digest.update(mapping);
        let name: [u8; 32] = digest.finalize().into();
        let path = dir.join(format!("import-{}.json", &hex::encode(&name)[..24]));
        let saved = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
        Note { path, row_done: saved.map_or(0, |saved| saved.row_done), unbroken: true }
    }

    /// The last row an earlier run recorded, if the ledger still knows its event; else 0.
    pub(super) fn confirmed(&mut self, import: &Import<'_>, checked: &Checked, context: &Context) -> u64 {
        let known =
            import.last_event_until(self.row_done, checked).is_some_and(|(id, agency)| knows(id, &agency, context));
        if !known {
            self.row_done = 0;
        }
        self.row_done
    }

    /// Rows up to `row_last` are through; `recorded` says whether they are in the ledger.
    pub(super) fn advance(&mut self, row_last: u64, recorded: bool) {
        self.unbroken &= recorded;
        if self.unbroken {
            self.row_done = row_last;
        }
    }

    /// Writes the note; a crash leaves the old one or the new one.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let temporary = self.path.with_extension("new");
        let text = serde_json::to_vec(&Saved { row_done: self.row_done })?;
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, &self.path))
            .map_err(|error| file(&self.path, &error).into())
    }
}

/// Whether the ledger holds the event. Where it cannot be asked, it does not: rows sent again are duplicates.
fn knows(id: Uuid, agency: &str, context: &Context) -> bool {
    let Ok(ledger) = Ledger::find(context) else { return false };
    let answer = ledger.get::<RecordsView>(&format!("/v1/records/{id}"), &[("agency", agency.to_owned())]);
    matches!(answer, Ok(Some(view)) if !view.records.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::import::document::Format;

    fn note(dir: &Path, text: &str, key: Option<&str>) -> Note {
        let document = Document::from_bytes(text.into(), Format::Csv).unwrap();
        Note::of(dir, &document, "charger.installed.v1", "keco", &[], key, None)
    }

    #[test]
    fn a_note_stops_at_the_first_row_that_is_not_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = note(dir.path(), "id\n1\n", Some("id"));
        first.advance(200, true);
        first.advance(400, false);
        first.advance(600, true);
        first.save().unwrap();
        assert_eq!(note(dir.path(), "id\n1\n", Some("id")).row_done, 200);
        assert_eq!(note(dir.path(), "id\n2\n", Some("id")).row_done, 0, "another file");
        assert_eq!(note(dir.path(), "id\n1\n", None).row_done, 0, "another mapping");
    }
}
