//! Which workers there are and how each one is. The list is fixed: an unknown publisher adds no row.

use crate::{Bus, Error, topics};
use model::Micros;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Every worker of this build, in the order they are started. A worker's name is its registry key, its command
/// (`decnet worker NAME`), its unit and its heartbeat. What is not built does not stand here.
pub const KNOWN: &[&str] = &[
    // the data plane
    "bus",
    "fleet",
    "record",
    "api",
    // what is there against what should be
    "reconciler",
    "mutator",
    // the life of the company
    "emailgen",
    // what it means
    "sniffer",
    "profile",
    "behaviour",
    "reuse-correlator",
    "enrich",
    // who belongs together
    "clusterer",
    "campaign-clusterer",
    // what goes out
    // what makes the place live
];

/// A heartbeat older than this is stale. Workers beat every [`BEAT`].
pub const STALE_AFTER_US: i64 = 30_000_000;

/// How often a worker beats.
pub const BEAT: std::time::Duration = std::time::Duration::from_secs(5);

/// What a worker says of itself in `system.<name>.health`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub worker: String,
    pub pid: u32,
    /// `running`, `waiting` (between passes), `failing` (backing off), `stopped`.
    pub state: String,
    pub restarts: u64,
    /// Passes that failed since the start.
    pub errors: u64,
    /// How far behind its input the worker is, in rows, events or messages.
    pub lag: i64,
    /// Items done since the start.
    pub done: u64,
    /// One line for a person: the last error, or empty.
    #[serde(default)]
    pub detail: String,
}

/// A worker as the operator sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerStatus {
    pub name: String,
    /// `ok`, `stale`, `stopped` or `unknown` (never heard of).
    pub status: String,
    /// Microseconds since the epoch.
    pub last_heartbeat: Option<Micros>,
    pub seconds_since: Option<i64>,
    pub heartbeat: Option<Heartbeat>,
}

/// Listens to heartbeats and remembers the last of each known worker.
#[derive(Clone, Debug)]
pub struct Registry {
    last: Arc<Mutex<BTreeMap<&'static str, (Micros, Heartbeat)>>>,
}

impl Registry {
    /// Starts listening; ends when the bus does.
    pub async fn watch(bus: &Bus) -> Result<Self, Error> {
        let mut beats = bus.subscribe(topics::ALL_HEALTH).await?;
        let registry = Self { last: Arc::default() };
        let last = Arc::clone(&registry.last);
        tokio::spawn(async move {
            while let Some(message) = beats.next().await {
                let name = message.subject.split('.').nth(1).unwrap_or_default();
                let Some(known) = KNOWN.iter().find(|k| **k == name) else { continue };
                if let Ok(beat) = serde_json::from_value::<Heartbeat>(message.payload.clone()) {
                    last.lock().insert(known, (message.at, beat));
                }
            }
        });
        Ok(registry)
    }

    /// Every known worker, in starting order.
    pub fn list(&self, now: Micros) -> Vec<WorkerStatus> {
        let last = self.last.lock();
        KNOWN
            .iter()
            .map(|name| match last.get(name) {
                None => WorkerStatus {
                    name: (*name).to_owned(),
                    status: "unknown".into(),
                    last_heartbeat: None,
                    seconds_since: None,
                    heartbeat: None,
                },
                Some((at, beat)) => {
                    let status = if beat.state == "stopped" {
                        "stopped"
                    } else if now.0 - at.0 > STALE_AFTER_US {
                        "stale"
                    } else {
                        "ok"
                    };
                    WorkerStatus {
                        name: (*name).to_owned(),
                        status: status.into(),
                        last_heartbeat: Some(*at),
                        seconds_since: Some((now.0 - at.0).max(0) / 1_000_000),
                        heartbeat: Some(beat.clone()),
                    }
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_rogue_publisher_adds_no_row_and_silence_makes_stale() {
        let bus = Bus::memory();
        let registry = Registry::watch(&bus).await.unwrap();
        let beat = Heartbeat { worker: "record".into(), state: "running".into(), ..Heartbeat::default() };
        bus.publish(&topics::health("record"), serde_json::to_value(&beat).unwrap()).await.unwrap();
        bus.publish(&topics::health("rogue"), json!({})).await.unwrap();
        while registry.last.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let at = registry.last.lock()["record"].0;
        let find = |now| registry.list(now).into_iter().find(|w| w.name == "record").unwrap().status;
        assert_eq!(find(at), "ok");
        assert_eq!(find(Micros(at.0 + STALE_AFTER_US + 1)), "stale");
        assert_eq!(registry.list(at).len(), KNOWN.len());
        assert_eq!(registry.list(at)[0].status, "unknown");
    }
}
