//! What was reminded of and delivered, in a file that only grows: `reminders`, a JSON line for each step.
//!
//! A line is synced before its reminder is shown or delivered, so a crash repeats a delivery at most, never a reminder; receivers
//! tell repeats by their id. A torn last line is cut off. Not part of the record: who loses it is reminded once more.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::due::Reminder;
use crate::limits::REMINDERS_SHOWN_MAX;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// Entries up to here were looked at.
    Size(u64),
    /// It arose.
    Reminder(Reminder),
    /// The webhook took it, or was given up on.
    Delivered(String),
}

/// The book, open for writing.
pub struct Book {
    file: File,
    told: HashSet<String>,
    delivered: HashSet<String>,
    reminders: Vec<Reminder>,
    /// The first that was not delivered: those before it were.
    first: usize,
    /// Entries looked at; `None` in a new book.
    pub size: Option<u64>,
}

impl Book {
    /// Opens it, or begins it.
    ///
    /// # Errors
    /// The system's, or a line in the middle that does not read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let (told, delivered) = (HashSet::new(), HashSet::new());
        let mut book = Book { file, told, delivered, reminders: Vec::new(), first: 0, size: None };
        for line in text[..whole].lines() {
            let line = serde_json::from_str(line).map_err(|error| {
                let path = path.display();
                io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {error}; remove it to begin anew"))
            })?;
            book.take(line);
        }
        Ok(book)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Size(size) => self.size = Some(size),
            Line::Delivered(id) => {
                self.delivered.insert(id);
                let is_done = |reminder: &Reminder| self.delivered.contains(&reminder.id);
                self.first += self.reminders.iter().skip(self.first).take_while(|reminder| is_done(reminder)).count();
            }
            Line::Reminder(reminder) => {
                self.told.insert(reminder.id.clone());
                self.reminders.push(reminder);
            }
        }
    }

    fn write(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let mut text = String::new();
        for line in &lines {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        lines.into_iter().for_each(|line| self.take(line));
        Ok(())
    }

    /// Adds those that are new, with entries looked at up to `size`; how many were.
    ///
    /// # Errors
    /// The system's; nothing was added then.
    pub fn add(&mut self, reminders: Vec<Reminder>, size: u64) -> io::Result<usize> {
        let mut ids = HashSet::new();
        let fresh = reminders.into_iter().filter(|new| !self.told.contains(&new.id) && ids.insert(new.id.clone()));
        let mut lines: Vec<Line> = fresh.map(Line::Reminder).collect();
        let added = lines.len();
        if added > 0 || self.size.is_none() {
            lines.push(Line::Size(size));
            self.write(lines)?;
        }
        // Looking again at what gave nothing harms nobody: that is not written.
        self.size = Some(size);
        Ok(added)
    }

    /// The webhook took it, or it was given up on.
    ///
    /// # Errors
    /// The system's.
    pub fn delivered(&mut self, id: &str) -> io::Result<()> {
        self.write(vec![Line::Delivered(id.to_owned())])
    }

    /// The next one to deliver.
    #[must_use]
    pub fn undelivered(&self) -> Option<&Reminder> {
        self.reminders.get(self.first)
    }

    /// The newest, oldest of them first.
    #[must_use]
    pub fn newest(&self) -> Vec<Reminder> {
        let skip = self.reminders.len().saturating_sub(REMINDERS_SHOWN_MAX);
        self.reminders.iter().skip(skip).cloned().collect()
    }
}
