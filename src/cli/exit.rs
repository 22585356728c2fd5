//! Exit codes and failures: the one place that says what each code means.
//!
//! A [`Failure`] says what failed, on what, and what to do next, in both languages. It never prints itself:
//! [`super::main`] does, once.

use std::fmt;

use crate::event::Text;

use crate::event::lang::{Lang, text};

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exit {
    /// Done.
    #[default]
    Ok = 0,
    /// Done, and something is wrong with what was looked at: a report refused, a catalogue with mistakes, faulty rows.
    Found = 1,
    /// Could not be done: ledger unreachable, file unreadable, disk full.
    Could = 2,
    /// The command line is wrong.
    Usage = 3,
    /// NATS or the ledger does not permit it.
    Permission = 4,
    /// Sent, but not known to be recorded: it waits in the outbox, and the next command with that key settles it.
    Unknown = 5,
}

/// Shown by `jindo --help` and in the README.
pub const CODES: &str = "\
Exit codes:
  0  done
  1  done, and something is wrong: a report refused, a catalogue with mistakes, faulty rows
  2  could not be done: ledger unreachable, file unreadable
  3  the command line is wrong
  4  not permitted by NATS or by the ledger
  5  sent, but not known to be recorded: it waits in the outbox, `jindo report --pending` settles it";

impl Exit {
    /// The number given to the system.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Of two endings the one to tell: refusals before what is unknown, failures before both.
    #[must_use]
    pub const fn worst(self, other: Self) -> Self {
        const fn rank(exit: Exit) -> u8 {
            match exit {
                Exit::Ok => 0,
                Exit::Unknown => 1,
                Exit::Found => 2,
                Exit::Could => 3,
                Exit::Permission => 4,
                Exit::Usage => 5,
            }
        }
        if rank(self) < rank(other) { other } else { self }
    }
}

/// A failure for the user.
#[derive(Debug, Clone)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What failed, on what.
    pub what: Text,
    /// What to do next.
    pub next: Option<Text>,
}

impl Failure {
    /// What failed, on what.
    #[must_use]
    pub fn new(exit: Exit, ko: impl Into<String>, en: impl Into<String>) -> Self {
        Failure { exit, what: text(ko, en), next: None }
    }

    /// What to do next.
    #[must_use]
    pub fn next(mut self, ko: impl Into<String>, en: impl Into<String>) -> Self {
        self.next = Some(text(ko, en));
        self
    }

    /// The failure as lines of text.
    #[must_use]
    pub fn said(&self, lang: Lang) -> String {
        let mut out = lang.of(&self.what).to_owned();
        if let Some(next) = &self.next {
            out.push_str(lang.pick("\n  할 일: ", "\n  next: "));
            out.push_str(lang.of(next));
        }
        out
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.said(Lang::En))
    }
}

impl std::error::Error for Failure {}

/// A wrong command line.
#[must_use]
pub fn usage(ko: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, ko, en)
}

/// Something that could not be done.
#[must_use]
pub fn could(ko: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(Exit::Could, ko, en)
}

/// A file that cannot be read or written.
#[must_use]
pub fn file(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    could(format!("파일 {path}: {error}"), format!("file {path}: {error}"))
        .next("경로와 권한을 확인하세요.", "check the path and its permissions")
}

/// The output is a closed pipe (`jindo status | head`): the reader has what it wanted.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |kind| kind == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| broken(io.kind()))
            || cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind).is_some_and(broken)
            || matches!(cause.downcast_ref::<csv::Error>().map(csv::Error::kind), Some(csv::ErrorKind::Io(io)) if broken(io.kind()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        for exit in [Exit::Ok, Exit::Found, Exit::Could, Exit::Usage, Exit::Permission, Exit::Unknown] {
            assert!(CODES.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn a_broken_pipe_is_told_from_other_failures() {
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::new(pipe).context("writing")));
        assert!(!is_broken_pipe(&anyhow::anyhow!("else")));
        // Found by a newcomer: `jindo export … | head -1` and `jindo replay --json | head -1` said "Broken pipe".
        struct Closed;
        impl std::io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let json = serde_json::to_writer(Closed, &["a"]).unwrap_err();
        let csv = csv::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&json.into()) && is_broken_pipe(&csv.into()));
    }
}
