//! NATS subjects of the ledger: `ledger.report.<agency>.<event type>` and `ledger.govern.<authority>.<event type>`.
//!
//! A subject is parsed, never trusted: JetStream stores subjects that hold `*` or NUL. Nothing here knows which agencies
//! or event types exist ([`crate::admit`] does).

use std::fmt;

use crate::limits::{KIND_BYTES_MAX, SUBJECT_BYTES_MAX};

/// What a subject is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Reports of agencies, and reports about reports.
    Report,
    /// Governance of authorities, and agencies' own keys.
    Govern,
}

impl Channel {
    /// The token on the wire: `report` or `govern`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Channel::Report => "report",
            Channel::Govern => "govern",
        }
    }
}

/// A subject of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Report or govern.
    pub channel: Channel,
    /// Agency code: see [`is_agency_code`].
    pub agency: String,
    /// Event type with version: see [`is_event_type`].
    pub kind: String,
}

/// Why a text is no subject of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectFault {
    /// Longer than [`SUBJECT_BYTES_MAX`].
    #[error("the subject has {0} bytes, at most 256 are taken: publish to ledger.report.<agency>.<event type>")]
    TooLong(usize),
    /// Does not begin with `ledger.report.` or `ledger.govern.`.
    #[error("the subject '{0}' begins with neither 'ledger.report.' nor 'ledger.govern.'")]
    Channel(String),
    /// The third token is no agency code.
    #[error("'{0}' is no agency code: give 2 to 32 of a-z, 0-9 and '-', a letter first")]
    Agency(String),
    /// What follows the agency is no event type.
    #[error("'{0}' is no event type: give lower-case tokens with a version last, such as charger.installed.v1")]
    Kind(String),
}

fn short(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

/// Names of keys that are no agency's: a ledger keeps its own beside those of agencies.
pub const OWN_KEYS: [&str; 3] = ["operator", "announcer", "dashboard"];

/// Whether `text` is an agency code: `[a-z][a-z0-9-]{1,31}`, and no name of a key that a ledger keeps for itself: [`OWN_KEYS`],
/// `log`, `log-2` and so on.
#[must_use]
pub fn is_agency_code(text: &str) -> bool {
    let number =
        |rest: &str| rest.strip_prefix('-').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let is_log = text.strip_prefix("log").is_some_and(|rest| rest.is_empty() || number(rest));
    (2..=32).contains(&text.len()) && is_token(text) && !is_log && !OWN_KEYS.contains(&text)
}

/// Whether `text` is an event type: two or more tokens `[a-z][a-z0-9-]*` joined by dots, the last `v<number>` without
/// leading zero; at most [`KIND_BYTES_MAX`] bytes.
#[must_use]
pub fn is_event_type(text: &str) -> bool {
    let Some((name, version)) = text.rsplit_once('.') else { return false };
    let number = version.strip_prefix('v').unwrap_or("");
    text.len() <= KIND_BYTES_MAX
        && name.split('.').all(is_token)
        && (1..=5).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0')
}

fn is_token(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl Subject {
    /// Parses a subject. What it takes, [`fmt::Display`] prints again byte for byte.
    ///
    /// # Errors
    /// [`SubjectFault`]; wildcards, whitespace and control characters are no part of any token.
    pub fn parse(text: &str) -> Result<Self, SubjectFault> {
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(SubjectFault::TooLong(text.len()));
        }
        let (channel, rest) = if let Some(rest) = text.strip_prefix("ledger.report.") {
            (Channel::Report, rest)
        } else if let Some(rest) = text.strip_prefix("ledger.govern.") {
            (Channel::Govern, rest)
        } else {
            return Err(SubjectFault::Channel(short(text)));
        };
        let (agency, kind) = rest.split_once('.').unwrap_or((rest, ""));
        if !is_agency_code(agency) {
            return Err(SubjectFault::Agency(short(agency)));
        }
        if !is_event_type(kind) {
            return Err(SubjectFault::Kind(short(kind)));
        }
        Ok(Subject { channel, agency: agency.to_owned(), kind: kind.to_owned() })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ledger.{}.{}.{}", self.channel.token(), self.agency, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_subjects_of_the_ledger() {
        for (text, channel, agency, kind) in [
            ("ledger.report.keco.charger.installed.v1", Channel::Report, "keco", "charger.installed.v1"),
            ("ledger.govern.motie.target.revised.v12", Channel::Govern, "motie", "target.revised.v12"),
            ("ledger.report.public-desk.a.v1", Channel::Report, "public-desk", "a.v1"),
            ("ledger.report.a1.re100-site.staged.v99999", Channel::Report, "a1", "re100-site.staged.v99999"),
        ] {
            let subject = Subject::parse(text).unwrap();
            assert_eq!((subject.channel, subject.agency.as_str(), subject.kind.as_str()), (channel, agency, kind));
            assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn keys_of_the_ledgers_own_are_no_agencies() {
        for (text, is) in [
            ("log", false),
            ("log-2", false),
            ("log-", false),
            ("operator", false),
            ("announcer", false),
            ("dashboard", false),
            ("log-a", true),
            ("logs", true),
            ("operators", true),
            ("keco", true),
        ] {
            assert_eq!(is_agency_code(text), is, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "ledger",
            "ledger.report",
            "ledger.report.",
            "ledger.report.keco",
            "ledger.report.keco.",
            "ledger.report.keco.v1",
            "ledger.report.keco..v1",
            "ledger.report.keco.charger.v1.",
            "ledger.report.keco.charger.installed",
            "ledger.report.keco.charger.installed.v",
            "ledger.report.keco.charger.installed.v0",
            "ledger.report.keco.charger.installed.v01",
            "ledger.report.keco.charger.installed.v123456",
            "ledger.report.keco.charger.installed.V1",
            "ledger.report.keco.charger.*.v1",
            "ledger.report.keco.>",
            "ledger.report.*.charger.installed.v1",
            "ledger.report.k.charger.installed.v1",
            "ledger.report.9k.charger.installed.v1",
            "ledger.report.Keco.charger.installed.v1",
            "ledger.report.ke_co.charger.installed.v1",
            "ledger.report.keco.charger.instal\0led.v1",
            "ledger.report.keco.charger.installed.v1\n",
            "ledger.report.keco.charger installed.v1",
            " ledger.report.keco.charger.installed.v1",
            "ledger.audit.keco.charger.installed.v1",
            "LEDGER.report.keco.charger.installed.v1",
            "ledger.report.keco.충전기.v1",
            "ledger.report.abcdefghijklmnopqrstuvwxyz0123456.charger.installed.v1",
        ] {
            assert!(Subject::parse(text).is_err(), "{text:?}");
        }
        let long = format!("ledger.report.keco.{}.v1", "a".repeat(KIND_BYTES_MAX));
        assert!(Subject::parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn prints_what_it_parsed(text in "ledger\\.(report|govern)\\.[a-z0-9-]{1,34}\\.[a-z0-9.*-]{0,20}\\.?v[0-9]{1,6}") {
            if let Ok(subject) = Subject::parse(&text) {
                prop_assert_eq!(subject.to_string(), text);
            }
        }
    }
}
