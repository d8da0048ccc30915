//! The fleet's table in the store. The database being away is a warning, never a failed deploy.

use async_trait::async_trait;
use bus::{Bus, topics};
use fleet::{FleetRow, FleetTable, Mutated, reconcile::Change};
use model::{DeckyId, Micros};
use serde_json::json;
use store::{At, FleetDeckyRow, Store};
use tokio::sync::watch;

/// Writes rows once there is a store, and says on the bus what changed: the rows are what counts, the message only helps.
#[derive(Debug)]
pub(crate) struct StoreTable {
    store: watch::Receiver<Option<Store>>,
    bus: Bus,
}

impl StoreTable {
    pub(crate) fn new(store: watch::Receiver<Option<Store>>, bus: Bus) -> Self {
        Self { store, bus }
    }

    /// With a store that is open.
    pub(crate) fn of(store: Store, bus: Bus) -> Self {
        Self { store: watch::channel(Some(store)).1, bus }
    }

    /// `None` until the database is open; all rows are corrected then (`Deployer::sync_table`).
    fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    async fn say(&self, host_uuid: &str, name: &str, transition: &str, state: Option<&str>, previous: Option<&str>) {
        let decky = DeckyId::fleet(host_uuid, name).to_string();
        let said = json!({ "host_uuid": host_uuid, "name": name, "state": state, "transition": transition,
            "source": "fleet", "previous_state": previous });
        bus::unix::say(&self.bus, &topics::decky_state(&decky), said).await;
    }
}

#[async_trait]
impl FleetTable for StoreTable {
    async fn rows(&self, host_uuid: &str) -> Result<Option<Vec<FleetRow>>, String> {
        let Some(store) = self.store() else { return Ok(None) };
        let rows = store.fleet_deckies(Some(host_uuid)).await.map_err(|error| error.to_string())?;
        Ok(Some(rows.into_iter().map(read).collect()))
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), String> {
        let Some(store) = self.store() else { return Ok(()) };
        let failed = |error: store::Error| error.to_string();
        let rows: Vec<FleetDeckyRow> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Insert(row) | Change::Refresh(row) | Change::State { row, .. } => Some(write(row)),
                Change::Delete { .. } => None,
            })
            .collect();
        store.upsert_fleet_deckies(&rows).await.map_err(failed)?;
        for change in changes {
            if let Change::Delete { host_uuid, name, .. } = change {
                store.delete_fleet_decky(host_uuid, name).await.map_err(failed)?;
            }
        }
        for change in changes {
            match change {
                Change::Insert(row) => self.say(&row.host_uuid, &row.name, "inserted", Some(&row.state), None).await,
                Change::State { row, previous_state } => {
                    self.say(&row.host_uuid, &row.name, "state_changed", Some(&row.state), Some(previous_state)).await;
                }
                Change::Refresh(row) => self.say(&row.host_uuid, &row.name, "refreshed", Some(&row.state), Some(&row.state)).await,
                Change::Delete { host_uuid, name, previous_state } => {
                    self.say(host_uuid, name, "deleted", None, Some(previous_state)).await;
                }
            }
        }
        Ok(())
    }

    async fn seen(&self, host_uuid: &str, at: Micros) -> Result<(), String> {
        let Some(store) = self.store() else { return Ok(()) };
        store.fleet_deckies_seen(host_uuid, At(at)).await.map_err(|error| error.to_string())
    }

    async fn mutated(&self, host_uuid: &str, mutated: &Mutated) {
        let decky = DeckyId::fleet(host_uuid, &mutated.name).to_string();
        if let Ok(said) = serde_json::to_value(mutated) {
            bus::unix::say(&self.bus, &topics::decky_mutated(&decky), said).await;
        }
    }
}

fn read(row: FleetDeckyRow) -> FleetRow {
    FleetRow {
        host_uuid: row.host_uuid,
        name: row.name,
        services: row.services,
        decky_config: row.decky_config,
        decky_ip: row.decky_ip,
        state: row.state,
        last_error: row.last_error,
        last_seen: row.last_seen.map(|at| at.0),
        updated_at: row.updated_at.0,
    }
}

fn write(row: &FleetRow) -> FleetDeckyRow {
    FleetDeckyRow {
        host_uuid: row.host_uuid.clone(),
        name: row.name.clone(),
        services: row.services.clone(),
        decky_config: row.decky_config.clone(),
        decky_ip: row.decky_ip.clone(),
        state: row.state.clone(),
        last_error: row.last_error.clone(),
        last_seen: row.last_seen.map(At),
        updated_at: At(row.updated_at),
    }
}
