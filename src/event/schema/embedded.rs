//! The schemas this binary was built with: the first version of every event type, in order of type.
//!
//! They seed `schema.registered.v1` and serve commands that run without a ledger; admission reads the registry, never this.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::fields::{self, Field};

/// Type with version, and the exact text of its JSON Schema.
#[must_use]
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    EMBEDDED
}

/// The text of one embedded schema.
#[must_use]
pub fn embedded_text(kind: &str) -> Option<&'static str> {
    EMBEDDED.binary_search_by_key(&kind, |(name, _)| name).ok().map(|at| EMBEDDED[at].1)
}

/// The fields of one embedded schema; read once.
#[must_use]
pub fn embedded_fields(kind: &str) -> Option<&'static [Field]> {
    static FIELDS: OnceLock<BTreeMap<&str, Vec<Field>>> = OnceLock::new();
    let all = FIELDS.get_or_init(|| {
        // A test holds that every embedded text is JSON.
        let fields = |text| serde_json::from_str(text).map_or_else(|_| Vec::new(), |tree| fields::list(&tree));
        EMBEDDED.iter().map(|(kind, text)| (*kind, fields(text))).collect()
    });
    all.get(kind).map(Vec::as_slice)
}

#[rustfmt::skip]
static EMBEDDED: &[(&str, &str)] = &[
    ("accession.decided.v1", include_str!("../../../schemas/events/accession.decided.v1.json")),
    ("agency.registered.v1", include_str!("../../../schemas/events/agency.registered.v1.json")),
    ("agency.succeeded.v1", include_str!("../../../schemas/events/agency.succeeded.v1.json")),
    ("agreement.stage-reached.v1", include_str!("../../../schemas/events/agreement.stage-reached.v1.json")),
    ("alliance.counted.v1", include_str!("../../../schemas/events/alliance.counted.v1.json")),
    ("bid.decided.v1", include_str!("../../../schemas/events/bid.decided.v1.json")),
    ("body.withheld.v1", include_str!("../../../schemas/events/body.withheld.v1.json")),
    ("capacity.reported.v1", include_str!("../../../schemas/events/capacity.reported.v1.json")),
    ("case.resolved.v1", include_str!("../../../schemas/events/case.resolved.v1.json")),
    ("charger.installed.v1", include_str!("../../../schemas/events/charger.installed.v1.json")),
    ("chip.stage-reached.v1", include_str!("../../../schemas/events/chip.stage-reached.v1.json")),
    ("claim.resolved.v1", include_str!("../../../schemas/events/claim.resolved.v1.json")),
    ("cluster.launched.v1", include_str!("../../../schemas/events/cluster.launched.v1.json")),
    ("contract.signed.v1", include_str!("../../../schemas/events/contract.signed.v1.json")),
    ("definition.changed.v1", include_str!("../../../schemas/events/definition.changed.v1.json")),
    ("export.reported.v1", include_str!("../../../schemas/events/export.reported.v1.json")),
    ("fabless.measured.v1", include_str!("../../../schemas/events/fabless.measured.v1.json")),
    ("factory.deployed.v1", include_str!("../../../schemas/events/factory.deployed.v1.json")),
    ("fdi.arrived.v1", include_str!("../../../schemas/events/fdi.arrived.v1.json")),
    ("fdi.notified.v1", include_str!("../../../schemas/events/fdi.notified.v1.json")),
    ("fdi.signed.v1", include_str!("../../../schemas/events/fdi.signed.v1.json")),
    ("forecast.stated.v1", include_str!("../../../schemas/events/forecast.stated.v1.json")),
    ("foundry.stage-reached.v1", include_str!("../../../schemas/events/foundry.stage-reached.v1.json")),
    ("fund.drawn.v1", include_str!("../../../schemas/events/fund.drawn.v1.json")),
    ("fund.project-selected.v1", include_str!("../../../schemas/events/fund.project-selected.v1.json")),
    ("grant.paid.v1", include_str!("../../../schemas/events/grant.paid.v1.json")),
    ("growth-engine.selected.v1", include_str!("../../../schemas/events/growth-engine.selected.v1.json")),
    ("indicator.registered.v1", include_str!("../../../schemas/events/indicator.registered.v1.json")),
    ("key.added.v1", include_str!("../../../schemas/events/key.added.v1.json")),
    ("key.revoked.v1", include_str!("../../../schemas/events/key.revoked.v1.json")),
    ("ledger.created.v1", include_str!("../../../schemas/events/ledger.created.v1.json")),
    ("log.key-rotated.v1", include_str!("../../../schemas/events/log.key-rotated.v1.json")),
    ("narrative.filed.v1", include_str!("../../../schemas/events/narrative.filed.v1.json")),
    ("owner.transferred.v1", include_str!("../../../schemas/events/owner.transferred.v1.json")),
    ("plan.published.v1", include_str!("../../../schemas/events/plan.published.v1.json")),
    ("region.registered.v1", include_str!("../../../schemas/events/region.registered.v1.json")),
    ("region.succeeded.v1", include_str!("../../../schemas/events/region.succeeded.v1.json")),
    ("report.corrected.v1", include_str!("../../../schemas/events/report.corrected.v1.json")),
    ("report.disputed.v1", include_str!("../../../schemas/events/report.disputed.v1.json")),
    ("report.retracted.v1", include_str!("../../../schemas/events/report.retracted.v1.json")),
    ("report.verified.v1", include_str!("../../../schemas/events/report.verified.v1.json")),
    ("rnd.committed.v1", include_str!("../../../schemas/events/rnd.committed.v1.json")),
    ("rnd.disbursed.v1", include_str!("../../../schemas/events/rnd.disbursed.v1.json")),
    ("rule.adopted.v1", include_str!("../../../schemas/events/rule.adopted.v1.json")),
    ("rules.adopted.v1", include_str!("../../../schemas/events/rules.adopted.v1.json")),
    ("schema.registered.v1", include_str!("../../../schemas/events/schema.registered.v1.json")),
    ("site.stage-reached.v1", include_str!("../../../schemas/events/site.stage-reached.v1.json")),
    ("source.interpreted.v1", include_str!("../../../schemas/events/source.interpreted.v1.json")),
    ("survey.published.v1", include_str!("../../../schemas/events/survey.published.v1.json")),
    ("target.revised.v1", include_str!("../../../schemas/events/target.revised.v1.json")),
    ("target.set.v1", include_str!("../../../schemas/events/target.set.v1.json")),
    ("technology.stage-reached.v1", include_str!("../../../schemas/events/technology.stage-reached.v1.json")),
    ("unit.established.v1", include_str!("../../../schemas/events/unit.established.v1.json")),
    ("zone.designated.v1", include_str!("../../../schemas/events/zone.designated.v1.json")),
];
