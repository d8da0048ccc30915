//! The fleet's table in the store. The database being away is a warning, never a failed deploy.

use bus::{Bus, topics};
use model::{DeckyId, Micros};
use serde_json::json;
use std::time::SystemTime;
use store::{At, FleetDeckyRow, Store};
use tokio::sync::watch;

/// Writes rows once there is a store, and says on the bus what changed.
#[derive(Debug)]
pub(crate) struct StoreTable {
    store: watch::Receiver<Option<Store>>,
    bus: Bus,
}

impl StoreTable {
    pub(crate) fn new(store: watch::Receiver<Option<Store>>, bus: Bus) -> Self {
        Self { store, bus }
    }
}
