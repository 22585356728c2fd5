//! Who may connect to the nats-server of `jindo up`: agencies with the keys in DIR/keys, and with those the ledger registers.
//!
//! NATS follows the registry: a key that is added may report without a restart, one that is revoked no longer connects.

use crate::catalogue::registry::Registry;
use crate::projector::Shared;
use crate::stream::config::AgencyUser;
use crate::stream::server::Server;

/// The keys in the folder that no one revoked, and those registered.
pub fn users(own: &[AgencyUser], registry: &Registry) -> Vec<AgencyUser> {
    let stands = |key: &str| registry.keys.get(key).is_none_or(|state| state.revoked.is_none());
    let mut users: Vec<AgencyUser> = own.iter().filter(|user| stands(&user.key)).cloned().collect();
    let known = registry.keys.iter().filter(|(_, state)| state.revoked.is_none());
    users.extend(known.map(|(key, state)| AgencyUser { agency: state.agency.to_string(), key: key.to_string() }));
    users.sort();
    users.dedup_by(|a, b| a.key == b.key);
    users
}

/// Has the server, which knows `told`, follow the registry; ends never. Told only what changed: a reload cuts off who is just
/// connecting.
pub async fn follow(server: &Server, own: &[AgencyUser], mut told: Vec<AgencyUser>, shared: &Shared) {
    let mut sizes = shared.sizes();
    loop {
        sizes.mark_unchanged();
        let now = users(own, &shared.registry());
        if told != now {
            let users = now.clone();
            match server.reload(move |config| config.agencies = users) {
                Ok(()) => told = now,
                Err(error) => tracing::warn!(%error, "nats-server does not know the newest keys yet"),
            }
        }
        if sizes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
