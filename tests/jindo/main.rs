//! The one integration binary. Each module is a table of cases against real parts: a real `nats-server`, real files.

mod detours;
mod e2e_crash;
mod e2e_hostile;
mod e2e_house;
mod e2e_import;
mod e2e_load;
mod e2e_rebuild;
mod e2e_up;
mod e2e_wire;
mod nats;
mod publish;
mod python;
mod stream;
mod tidy;
