//! Reminders to an address of the operator's choice, signed as Standard Webhooks 1.0 says (HMAC-SHA256, `whsec_` secrets).
//!
//! `webhook-id` is the reminder's id: a receiver that has seen it ignores it. No redirect is followed, no answer is read.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::super::witness::agent;
use super::due::Reminder;
use crate::event::Time;
use crate::limits::{WEBHOOK_CALL_MS, WEBHOOK_PAUSE_MS};

const PREFIX: &str = "whsec_";

/// Where reminders go.
pub struct Webhook {
    url: String,
    secret: Vec<u8>,
    agent: ureq::Agent,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// Taken: 2xx.
    Taken,
    /// Not now: tried again.
    Later(String),
    /// Not this one: 4xx, but those that are about the moment (408, 425, 429).
    Refused(String),
    /// Never again: 410.
    Gone,
}

impl Webhook {
    /// To an address, with the secret in a file that is made where there is none.
    ///
    /// # Errors
    /// An address that is none, a secret that cannot be read.
    pub fn new(url: &str, secret: &Path) -> Result<Self, String> {
        // What the address says beyond its host may be a secret: it is repeated nowhere.
        let parsed: ureq::http::Uri = url.parse().map_err(|error| format!("what is given is no address: {error}"))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none_or(str::is_empty) {
            let given = match (parsed.scheme_str(), parsed.host()) {
                (Some(scheme), Some(host)) => format!("'{scheme}://{host}'"),
                _ => "what is given".to_owned(),
            };
            return Err(format!(
                "{given} is no address of a webhook: it begins with https:// or http:// and has a host"
            ));
        }
        let secret = read_or_make(secret)?;
        let call = Duration::from_millis(WEBHOOK_CALL_MS);
        let agent = agent(&parsed, call, Some(call))?;
        Ok(Webhook { url: url.to_owned(), secret, agent })
    }

    /// `v1,` and the signature over `<id>.<seconds>.<body>`.
    #[must_use]
    pub fn signature(&self, id: &str, seconds: i64, body: &str) -> String {
        // A key of any length will do for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return String::new() };
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Sends one.
    #[must_use]
    pub fn call(&self, reminder: &Reminder) -> Called {
        let Ok(data) = serde_json::to_value(reminder) else { return Called::Gone };
        let now = Time::now();
        let body = serde_json::json!({ "type": format!("reminder.{}", reminder.kind), "timestamp": now, "data": data });
        let (body, seconds) = (body.to_string(), now.ns() / 1_000_000_000);
        let sent = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &reminder.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", self.signature(&reminder.id, seconds, &body))
            .send(body);
        match sent {
            Ok(answer) if answer.status().is_success() => Called::Taken,
            Ok(answer) if answer.status().as_u16() == 410 => Called::Gone,
            Ok(answer) => {
                let (status, why) = (answer.status(), format!("it answers {}", answer.status()));
                let of_the_moment = matches!(status.as_u16(), 408 | 425 | 429) || !status.is_client_error();
                if of_the_moment { Called::Later(why) } else { Called::Refused(why) }
            }
            Err(error) => Called::Later(error.to_string()),
        }
    }
}

/// Pause before the next try, after so many failures in a row.
#[must_use]
pub fn pause(failures: u32) -> Duration {
    let (first, longest) = WEBHOOK_PAUSE_MS;
    Duration::from_millis(first.saturating_mul(1_u64.checked_shl(failures.min(40)).unwrap_or(u64::MAX)).min(longest))
}

fn read_or_make(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the webhook's secret {}: {error}", path.display());
    if !path.exists() {
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let text = format!("{PREFIX}{}\n", STANDARD.encode(random));
        let made = File::options().write(true).create_new(true).mode(0o600).open(path);
        let written = made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|error| failed(&error))?;
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let encoded = text.trim().strip_prefix(PREFIX).ok_or_else(|| failed(&"it does not begin with whsec_"))?;
    let secret = STANDARD.decode(encoded).map_err(|error| failed(&error))?;
    // The standard's least.
    if secret.len() < 24 { Err(failed(&"it has fewer than 24 bytes")) } else { Ok(secret) }
}
