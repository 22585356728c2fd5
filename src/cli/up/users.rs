//! Who may connect to the nats-server of `jindo up`: agencies with the keys in DIR/keys, and with those the ledger registers.
//!
//! NATS follows the registry: a key that is added may report without a restart, one that is revoked no longer connects. Agencies
//! register what they like, so nothing they register may keep the server from starting: a key of the ledger's own stays its
//! own, a key stands once, and each agency has so many.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::catalogue::registry::Registry;
use crate::limits::{NATS_KEYS_PER_AGENCY_MAX, NATS_RELOAD_MS};
use crate::projector::Shared;
use crate::stream::config::AgencyUser;
use crate::stream::server::Server;

/// Where users come from.
pub struct Users {
    /// The catalogue's agencies, with the key each has in the folder.
    pub own: Vec<AgencyUser>,
    /// Keys of operator, announcer and dashboard: no agency's, whatever it registers.
    pub kept: Vec<String>,
}

impl Users {
    /// The keys in the folder that nobody revoked, and those registered; by agency and key.
    pub fn of(&self, registry: &Registry) -> Vec<AgencyUser> {
        let stands = |key: &str| registry.keys.get(key).is_none_or(|state| state.revoked.is_none());
        let own = self.own.iter().filter(|user| stands(&user.key));
        let mut agencies: BTreeMap<&str, &str> = own.map(|user| (&*user.key, &*user.agency)).collect();
        for (agency, mut keys) in registered(registry) {
            // The newest: an agency that replaces keys needs no old ones.
            keys.sort_unstable_by_key(|(added, key)| (std::cmp::Reverse(*added), *key));
            let newest = keys.into_iter().take(NATS_KEYS_PER_AGENCY_MAX);
            // What the ledger says of a key counts more than the name of a file.
            agencies.extend(newest.map(|(_, key)| (key, agency)));
        }
        agencies.retain(|key, _| !self.kept.iter().any(|kept| kept == key));
        let user = |(key, agency): (&str, &str)| AgencyUser { agency: agency.to_owned(), key: key.to_owned() };
        let mut users: Vec<AgencyUser> = agencies.into_iter().map(user).collect();
        users.sort();
        users
    }

    /// Has the server, which knows `told`, follow the registry; ends never. Told only what changed, and that in its time: a
    /// reload cuts off who is just connecting.
    pub async fn follow(&self, server: &Server, mut told: Vec<AgencyUser>, shared: &Shared) {
        let (mut sizes, mut last) = (shared.sizes(), None::<Instant>);
        loop {
            sizes.mark_unchanged();
            let registry = shared.registry();
            let now = self.of(&registry);
            let passed = last.map_or(Duration::MAX, |last| last.elapsed());
            let wait = (told != now).then(|| gap(&told, &registry).saturating_sub(passed));
            if wait == Some(Duration::ZERO) {
                last = Some(Instant::now());
                let users = now.clone();
                match server.reload(move |config| config.agencies = users) {
                    Ok(()) => told = now,
                    Err(error) => tracing::warn!(%error, "nats-server does not know the newest keys yet"),
                }
            }
            let due = async {
                match wait.filter(|wait| !wait.is_zero()) {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = sizes.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = due => {}
            }
        }
    }
}

/// Least time since the last reload before the next: short where a key that the server knows no longer stands, or is another
/// agency's; long where keys are added, which an agency does as often as it likes.
fn gap(told: &[AgencyUser], registry: &Registry) -> Duration {
    let (added, revoked) = NATS_RELOAD_MS;
    let fell = |user: &AgencyUser| {
        let state = registry.keys.get(user.key.as_str());
        state.is_some_and(|state| state.revoked.is_some() || *state.agency != *user.agency)
    };
    Duration::from_millis(if told.iter().any(fell) { revoked } else { added })
}

/// Keys that stand, with the entry that added each, by agency.
fn registered(registry: &Registry) -> BTreeMap<&str, Vec<(u64, &str)>> {
    let mut agencies: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for (key, state) in registry.keys.iter().filter(|(_, state)| state.revoked.is_none()) {
        agencies.entry(&state.agency).or_default().push((state.added, key));
    }
    agencies
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::registry::KeyState;
    use crate::sign::{KeyPair, verifying_key};

    fn state(agency: &str, added: u64, revoked: Option<u64>) -> KeyState {
        let seed = nkeys::KeyPair::new_user().seed().unwrap();
        let pair = KeyPair::from_seed(&seed).unwrap();
        let verifier = verifying_key(pair.public()).unwrap();
        KeyState { agency: agency.into(), added, added_by: agency.into(), revoked, verifier }
    }

    #[test]
    fn each_key_stands_once_and_none_of_the_ledgers_own() {
        let user = |agency: &str, key: &str| AgencyUser { agency: agency.to_owned(), key: key.to_owned() };
        let users = Users {
            own: vec![user("keco", "K1"), user("kita", "K2"), user("keit", "GONE")],
            kept: vec!["OPERATOR".to_owned()],
        };
        let mut registry = Registry::default();
        let mut add = |key: &str, state| registry.keys.insert(Arc::from(key), state);
        // Registered by another agency than the file is named after: the ledger's word counts.
        add("K2", state("kotra", 7, None));
        add("GONE", state("keit", 3, Some(9)));
        add("OPERATOR", state("kita", 8, None));
        add("NEW", state("kita", 8, None));
        assert_eq!(users.of(&registry), [user("keco", "K1"), user("kita", "NEW"), user("kotra", "K2")]);
        for number in 0..2 * NATS_KEYS_PER_AGENCY_MAX {
            registry.keys.insert(format!("KEY{number:03}").into(), state("kotra", 100 + number as u64, None));
        }
        let kotra: Vec<_> = users.of(&registry).into_iter().filter(|user| user.agency == "kotra").collect();
        assert_eq!(kotra.len(), NATS_KEYS_PER_AGENCY_MAX);
        assert_eq!(kotra.last().map(|user| user.key.as_str()), Some("KEY127"));
    }

    #[test]
    fn revocations_are_told_at_once_and_additions_in_their_time() {
        let (added, revoked) = (Duration::from_millis(NATS_RELOAD_MS.0), Duration::from_millis(NATS_RELOAD_MS.1));
        let users = Users { own: Vec::new(), kept: Vec::new() };
        let mut registry = Registry::default();
        for number in 0..NATS_KEYS_PER_AGENCY_MAX {
            registry.keys.insert(format!("KEY{number:03}").into(), state("kotra", number as u64, None));
        }
        let told = users.of(&registry);
        // The newest key takes the place of the oldest: nobody revoked that.
        registry.keys.insert("NEW".into(), state("kotra", 100, None));
        assert_ne!(users.of(&registry), told);
        assert_eq!(gap(&told, &registry), added);
        registry.keys.insert("KEY007".into(), state("kotra", 7, Some(101)));
        assert_eq!(gap(&told, &registry), revoked);
        let told = users.of(&registry);
        assert_eq!(gap(&told, &registry), added);
        registry.keys.insert("KEY008".into(), state("kita", 8, None));
        assert_eq!(gap(&told, &registry), revoked);
    }
}
