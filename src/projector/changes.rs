//! What to tell those who follow: indicators that changed since they were told, as the JSON of `GET /v1/indicators/{id}`.
//!
//! Everything of one answer is of one commit: the figures, and the registry they are read with.

use super::as_of::AsOf;
use super::halt::Halt;
use super::shared::Shared;
use crate::catalogue::registry::IndicatorState;
use crate::event::{Day, Time};
use crate::fold::rows::{Doubt, GovernanceRow};
use crate::store::progress::Moment;

/// Grows with every change of an indicator.
pub type Mark = u64;

/// Indicators that changed, at one size and day.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Log size the figures are folded to.
    pub size: u64,
    /// How many of these entries a published checkpoint covers.
    pub proven_size: u64,
    /// `recorded` of the newest entry counted.
    pub known_at: Option<Time>,
    /// Origin of the log.
    pub origin: String,
    /// The whole ledger is a simulation.
    pub simulated: bool,
    /// By row of the work plan.
    pub indicators: Vec<Changed>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Indicator id.
    pub id: String,
    /// To be remembered once it is told.
    pub mark: Mark,
    /// The JSON.
    pub json: Vec<u8>,
}

/// Indicators as of `today` that are still to be told; `told` says whether one was, with this mark, the third being whether
/// all entries counted are proven.
///
/// # Errors
/// [`Halt`]: a doubt about the store.
pub fn changes(shared: &Shared, today: Day, told: impl Fn(&str, Mark, bool) -> bool) -> Result<Changes, Halt> {
    let now = shared.now(today)?;
    let (registry, Moment { size, proven_size, known_at, .. }) = (&now.registry, now.moment);
    let mut indicators = Vec::new();
    for state in registry.indicators_by_row() {
        let id = state.definition().id.as_str();
        let mark = mark(&now, state, id);
        if told(id, mark, proven_size >= size) {
            continue;
        }
        let json = serde_json::to_vec(&now.one(state)?).map_err(|error| Doubt(error.to_string()))?;
        indicators.push(Changed { id: id.to_owned(), mark, json });
    }
    let (origin, simulated) = (registry.origin.clone(), registry.simulated);
    Ok(Changes { size, proven_size, known_at, origin, simulated, indicators })
}

#[derive(serde::Deserialize)]
struct About {
    indicator: String,
}

fn mark(now: &AsOf, state: &IndicatorState, id: &str) -> Mark {
    let moves: u64 = now.view.series_with_prefix(&format!("{id}/")).iter().map(|(_, series)| series.moves).sum();
    let targets: usize = state.targets.values().map(Vec::len).sum();
    let about = |row: &&GovernanceRow| serde_json::from_str(&row.data).is_ok_and(|about: About| about.indicator == id);
    let forecasts = now.forecasts.iter().filter(about).count();
    moves + (targets + state.versions.len() + state.owners.len() + state.interpretations.len() + forecasts) as u64
}
