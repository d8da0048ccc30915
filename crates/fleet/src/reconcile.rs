//! What the table should say: what should exist, what the table holds and what the runtime shows, compared. Pure.
//!
//! Only rows of one host are looked at, whatever else the table holds.

use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, time::Duration};

use crate::record::{DeckyState, FleetRow};

/// A row of the table that has to change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Should exist, and the table does not know it.
    Insert(FleetRow),
    /// The table knows it, and it should not exist.
    Delete { host_uuid: String, name: String, previous_state: String },
    /// Its state is another.
    State { row: FleetRow, previous_state: String },
    /// Its state is as it was, something else is not.
    Refresh(FleetRow),
}

/// The state of a decky by its services: `running` of `services` run; `observed`: something of it is there.
pub fn state_of(running: usize, services: usize, observed: bool) -> DeckyState {
    match running {
        _ if !observed => DeckyState::TornDown,
        0 => DeckyState::Failed,
        n if n >= services => DeckyState::Running,
        _ => DeckyState::Degraded,
    }
}

/// The changes that make `table` say `wanted`, both by name; rows of other hosts are left alone. A row whose wanted state
/// is `unknown` (the runtime could not be asked) is neither inserted nor changed.
pub fn compare(host_uuid: &str, wanted: Vec<FleetRow>, table: Vec<FleetRow>) -> Vec<Change> {
    let mut held: HashMap<String, FleetRow> =
        table.into_iter().filter(|row| row.host_uuid == host_uuid).map(|row| (row.name.clone(), row)).collect();
    let mut changes = Vec::new();
    for row in wanted.into_iter().filter(|row| row.host_uuid == host_uuid) {
        let old = held.remove(&row.name);
        if row.state == DeckyState::Unknown.name() {
            continue;
        }
        match old {
            None => changes.push(Change::Insert(row)),
            Some(old) if old.state != row.state => changes.push(Change::State { row, previous_state: old.state }),
            Some(old) if !same(&old, &row) => changes.push(Change::Refresh(row)),
            Some(_) => {}
        }
    }
    let mut gone: Vec<FleetRow> = held.into_values().collect();
    gone.sort_by(|a, b| a.name.cmp(&b.name));
    changes.extend(gone.into_iter().map(|row| Change::Delete { host_uuid: row.host_uuid, name: row.name, previous_state: row.state }));
    changes
}

/// Whether two rows say the same, but for when.
fn same(a: &FleetRow, b: &FleetRow) -> bool {
    a.services == b.services && a.decky_ip == b.decky_ip && a.last_error == b.last_error && a.decky_config == b.decky_config
}

/// What a pass came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Deckies that should exist.
    pub deckies: usize,
    pub inserted: usize,
    pub deleted: usize,
    /// Rows whose state changed.
    pub changed: usize,
    /// Rows that changed otherwise.
    pub refreshed: usize,
    pub unchanged: usize,
    /// Deckies the runtime could not be asked about; their rows were left as they were.
    pub unknown: usize,
    /// Deckies by state, as seen after any repair.
    pub running: usize,
    pub degraded: usize,
    pub failed: usize,
    pub torn_down: usize,
    /// Made again by a repair, by name.
    #[serde(default)]
    pub repaired: Vec<String>,
    /// Taken away by a repair.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Name and reason of what a repair could not make.
    #[serde(default)]
    pub unrepaired: Vec<(String, String)>,
    #[serde(default)]
    pub warnings: Vec<String>,
    pub took: Duration,
}

impl Reconciled {
    /// Counts `changes` to the rows of `deckies` deckies.
    pub fn count(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Insert(_) => self.inserted += 1,
                Change::Delete { .. } => self.deleted += 1,
                Change::State { .. } => self.changed += 1,
                Change::Refresh(_) => self.refreshed += 1,
            }
        }
        self.unchanged = self.deckies.saturating_sub(self.inserted + self.changed + self.refreshed + self.unknown);
    }
}

impl fmt::Display for Reconciled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deckies ({} running, {} degraded, {} failed, {} torn down, {} unknown): {} inserted, {} deleted, {} changed, {} refreshed, {} unchanged",
            self.deckies,
            self.running,
            self.degraded,
            self.failed,
            self.torn_down,
            self.unknown,
            self.inserted,
            self.deleted,
            self.changed,
            self.refreshed,
            self.unchanged
        )?;
        if !self.repaired.is_empty() || !self.removed.is_empty() {
            write!(f, "; {} repaired, {} taken away", self.repaired.len(), self.removed.len())?;
        }
        write!(f, " in {:.3} s", self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, compare, state_of};
    use crate::record::{DeckyState, FleetRow};
    use model::Micros;

    fn row(host: &str, name: &str, state: &str) -> FleetRow {
        FleetRow {
            host_uuid: host.into(),
            name: name.into(),
            services: vec!["ssh".into()],
            decky_config: serde_json::Map::new(),
            decky_ip: None,
            state: state.into(),
            last_error: None,
            last_seen: None,
            updated_at: Micros(1),
        }
    }

    #[test]
    fn the_state_follows_from_the_services() {
        for (running, services, observed, expect) in [
            (2, 2, true, DeckyState::Running),
            (1, 2, true, DeckyState::Degraded),
            (0, 2, true, DeckyState::Failed),
            (0, 2, false, DeckyState::TornDown),
        ] {
            assert_eq!(state_of(running, services, observed), expect);
        }
    }

    #[test]
    fn only_what_differs_on_this_host_changes() {
        let wanted = vec![
            row("me", "a", "running"),
            row("me", "b", "failed"),
            row("me", "c", "running"),
            row("me", "d", "unknown"),
            row("me", "e", "unknown"),
        ];
        let mut old_c = row("me", "c", "running");
        old_c.decky_ip = Some("10.0.0.1".into());
        old_c.updated_at = Micros(0);
        let table =
            vec![row("me", "b", "running"), old_c, row("me", "d", "running"), row("me", "gone", "running"), row("other", "x", "running")];
        assert_eq!(
            compare("me", wanted.clone(), table),
            [
                Change::Insert(row("me", "a", "running")),
                Change::State { row: row("me", "b", "failed"), previous_state: "running".into() },
                Change::Refresh(row("me", "c", "running")),
                Change::Delete { host_uuid: "me".into(), name: "gone".into(), previous_state: "running".into() },
            ]
        );
        let now: Vec<FleetRow> = wanted.into_iter().take(3).map(|r| FleetRow { updated_at: Micros(9), ..r }).collect();
        assert_eq!(compare("me", now.clone(), now), []);
    }
}
