//! Keys of agencies and of the log, as governance adds, revokes and replaces them.

use std::sync::Arc;

use super::govern::{Act, GovernError, contradiction};
use super::registry::{KeyState, LogKeyState, Registry};
use crate::event::governance as body;
use crate::sign::verifying_key;

impl Registry {
    /// That the key in force signed for it, and that it is a key for this log, admission has checked.
    pub(super) fn log_key_rotated(&mut self, act: Act<'_>, rotated: body::LogKeyRotated) -> Result<(), GovernError> {
        if self.log_key == rotated.new || self.log_keys.iter().any(|known| known.vkey == rotated.new) {
            return Err(contradiction("the log has or had this key already: make a new one"));
        }
        self.log_keys.push(LogKeyState { from: act.index + 1, vkey: rotated.new, note: rotated.note });
        Ok(())
    }

    pub(super) fn add_key(&mut self, act: Act<'_>, agency: &Arc<str>, key: &str) -> Result<(), GovernError> {
        if let Some(known) = self.keys.get(key) {
            return if known.agency == *agency && known.revoked.is_none() {
                Ok(())
            } else {
                Err(contradiction(format!("key {key} belongs to '{}' or was revoked: make a new one", known.agency)))
            };
        }
        let verifier =
            verifying_key(key).ok_or_else(|| contradiction(format!("'{key}' is no NKey public user key (U…)")))?;
        let state =
            KeyState { agency: agency.clone(), added: act.index, added_by: act.agency.into(), revoked: None, verifier };
        self.keys.insert(key.into(), state);
        Ok(())
    }

    /// An agency adds its own keys; an authority may add anyone's, and is shown.
    pub(super) fn key_added(&mut self, act: Act<'_>, added: body::KeyAdded) -> Result<(), GovernError> {
        self.may_manage_keys(act, &added.agency)?;
        let code = self.agencies.get_key_value(added.agency.as_str()).map(|(code, _)| code.clone());
        self.add_key(act, &code.ok_or(GovernError::AgencyUnknown(added.agency))?, &added.key)
    }

    pub(super) fn key_revoked(&mut self, act: Act<'_>, revoked: body::KeyRevoked) -> Result<(), GovernError> {
        self.may_manage_keys(act, &revoked.agency)?;
        match self.keys.get_mut(revoked.key.as_str()) {
            Some(key) if *key.agency == *revoked.agency => {
                key.revoked.get_or_insert(act.index);
                Ok(())
            }
            _ => Err(contradiction(format!("key {} is no key of '{}'", revoked.key, revoked.agency))),
        }
    }

    fn may_manage_keys(&self, act: Act<'_>, agency: &str) -> Result<(), GovernError> {
        if act.agency == agency || self.is_authority(act.agency) {
            return Ok(());
        }
        Err(GovernError::NotAuthorised(format!("'{}' may not manage keys of '{agency}'", act.agency)))
    }
}
