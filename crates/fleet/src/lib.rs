//! Which hosts should exist, and making it so.
//!
//! [`Plan`] says what should exist (read from a file, or [`lab`]), [`persona`] who each decky is,
//! [`runtime`] puts it on the network, [`hands`] gives its sockets to the `decoy` process, and
//! [`Deployer`] is the single writer of `decnet-state.json` and of the fleet rows.
//!
//! Never here: a database, a protocol's answers, an outgoing connection. The table of decoys is read
//! from `decoys`, nothing else of it.
//! Start reading at [`plan`], then [`deployer`].
//! To add an archetype or a distro: one entry in [`archetypes`] or [`distros`]. To add a runtime: one
//! file in [`runtime`] and one arm in [`RuntimeKind`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

pub mod addresses;
pub mod archetypes;
pub mod catalogue;
mod config;
pub mod control;
pub mod deployer;
pub mod distros;
mod error;
pub mod hands;
pub mod lab;
mod market;
pub mod os;
pub mod persona;
pub mod plan;
pub mod reconcile;
mod record;
pub mod runtime;
pub mod state;

pub use catalogue::Catalogue;
pub use config::ConfigError;
pub use deployer::{Deployer, Edit, MutateAsk, MutateReport, Mutated, Settings, Strategy};
pub use error::Error;
pub use hands::{Dirs, Face, Hands, Health};
pub use plan::{Network, Plan, Planned, PlannedService, Table};
pub use reconcile::Reconciled;
pub use record::{DeckyState, DeckyStatus, DeployMode, DeployReport, FleetRow, FleetTable, NoTable, ServiceStatus, Which};
pub use runtime::RuntimeKind;
