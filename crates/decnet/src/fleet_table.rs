//! The fleet's table in the store. The database being away is a warning, never a failed deploy.

use async_trait::async_trait;
use bus::{Bus, topics};
use fleet::{FleetRow, FleetTable};
use model::DeckyId;
use serde_json::json;
use std::{collections::HashMap, sync::Mutex};
use store::{At, FleetDeckyRow, Store};
use tokio::sync::watch;

/// Writes rows once there is a store, and says on the bus what changed.
#[derive(Debug)]
pub(crate) struct StoreTable {
    store: watch::Receiver<Option<Store>>,
    bus: Bus,
    /// Last state told of each decky.
    told: Mutex<HashMap<String, String>>,
}

impl StoreTable {
    pub(crate) fn new(store: watch::Receiver<Option<Store>>, bus: Bus) -> Self {
        Self { store, bus, told: Mutex::default() }
    }

    /// `None` until the database is open; all rows are written then (`Deployer::sync_table`).
    fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    async fn say(&self, host_uuid: &str, name: &str, state: Option<&str>) {
        let decky = DeckyId::fleet(host_uuid, name).to_string();
        let previous = match (self.told.lock(), state) {
            (Ok(mut told), Some(state)) => told.insert(decky.clone(), state.to_owned()),
            (Ok(mut told), None) => told.remove(&decky),
            (Err(_), _) => None,
        };
        if previous.as_deref() == state {
            return;
        }
        let transition = match (&previous, state) {
            (None, _) => "inserted",
            (_, None) => "deleted",
            _ => "state_changed",
        };
        let said = json!({ "host_uuid": host_uuid, "name": name, "state": state, "transition": transition,
            "source": "fleet", "previous_state": previous });
        bus::unix::say(&self.bus, &topics::decky_state(&decky), said).await;
    }
}

#[async_trait]
impl FleetTable for StoreTable {
    async fn upsert(&self, row: &FleetRow) -> Result<(), String> {
        let stored = FleetDeckyRow {
            host_uuid: row.host_uuid.clone(),
            name: row.name.clone(),
            services: row.services.clone(),
            decky_config: row.decky_config.clone(),
            decky_ip: row.decky_ip.clone(),
            state: row.state.clone(),
            last_error: row.last_error.clone(),
            last_seen: row.last_seen.map(At),
            updated_at: At(row.updated_at),
        };
        let Some(store) = self.store() else { return Ok(()) };
        store.upsert_fleet_decky(&stored).await.map_err(|error| error.to_string())?;
        self.say(&row.host_uuid, &row.name, Some(&row.state)).await;
        Ok(())
    }

    async fn delete(&self, host_uuid: &str, name: &str) -> Result<(), String> {
        let Some(store) = self.store() else { return Ok(()) };
        store.delete_fleet_decky(host_uuid, name).await.map_err(|error| error.to_string())?;
        self.say(host_uuid, name, None).await;
        Ok(())
    }
}
