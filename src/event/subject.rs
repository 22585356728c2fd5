//! NATS subjects of the ledger: `ledger.report.<agency>.<event type>` and `ledger.govern.<authority>.<event type>`.
