//! What is said of a fleet: rows for the table, states for people, reports of what was done.

use async_trait::async_trait;
use model::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{net::IpAddr, time::Duration};

use crate::{deployer::Mutated, reconcile::Change, state::Kept};

/// The mirror in the database.
#[async_trait]
pub trait FleetTable: Send + Sync {
    /// The rows of a host; `None` if no table is kept.
    async fn rows(&self, host_uuid: &str) -> Result<Option<Vec<FleetRow>>, String>;
    /// Makes the changes, all or none, and tells whoever listens, in order.
    async fn apply(&self, changes: &[Change]) -> Result<(), String>;
    /// All deckies of a host that run, or some services of them, were seen.
    async fn seen(&self, host_uuid: &str, at: Micros) -> Result<(), String>;
    /// A decky changed by itself or on demand; only told, never kept.
    async fn mutated(&self, _host_uuid: &str, _mutated: &Mutated) {}
}

/// One row of `fleet_deckies`. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetRow {
    pub host_uuid: String,
    pub name: String,
    pub services: Vec<String>,
    /// What is shown of persona and placement.
    pub decky_config: Map<String, Value>,
    pub decky_ip: Option<String>,
    /// See [`DeckyState::name`].
    pub state: String,
    pub last_error: Option<String>,
    pub last_seen: Option<Micros>,
    pub updated_at: Micros,
}

/// A table for those who have none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTable;

#[async_trait]
impl FleetTable for NoTable {
    async fn rows(&self, _host_uuid: &str) -> Result<Option<Vec<FleetRow>>, String> {
        Ok(None)
    }
    async fn apply(&self, _changes: &[Change]) -> Result<(), String> {
        Ok(())
    }
    async fn seen(&self, _host_uuid: &str, _at: Micros) -> Result<(), String> {
        Ok(())
    }
}

/// How a decky, or one service of it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeckyState {
    Running,
    /// Some of its services answer.
    Degraded,
    /// It is there, and none of its services answers.
    Failed,
    /// Nothing of it is there.
    TornDown,
    /// Could not be looked at; never written down.
    Unknown,
}

impl DeckyState {
    /// The stored name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::TornDown => "torn_down",
            Self::Unknown => "unknown",
        }
    }
}

/// One decky as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeckyStatus {
    pub name: String,
    pub hostname: String,
    pub archetype: String,
    pub distro: String,
    pub mac: String,
    pub ips: Vec<IpAddr>,
    pub state: DeckyState,
    pub services: Vec<ServiceStatus>,
    pub error: Option<String>,
    /// What an operator should know, such as shifted ports.
    pub notes: Vec<String>,
    pub since: Micros,
}

/// One service of a decky as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub name: String,
    pub state: DeckyState,
    /// Ports it listens on, without data doors.
    pub ports: Vec<u16>,
}

/// How a deploy treats what the plan does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployMode {
    /// Take away deckies that the plan does not name.
    pub replace: bool,
}

/// Whom to tear down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    All,
    Names(Vec<String>),
}

/// What a deploy or a restore did, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployReport {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub unchanged: Vec<String>,
    pub removed: Vec<String>,
    /// Name and reason.
    pub failed: Vec<(String, String)>,
    pub warnings: Vec<String>,
    pub took: Duration,
}

impl std::fmt::Display for DeployReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            ("added", self.added.len()),
            ("changed", self.changed.len()),
            ("unchanged", self.unchanged.len()),
            ("removed", self.removed.len()),
            ("failed", self.failed.len()),
        ];
        let said: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}")).collect();
        let said = if said.is_empty() { "nothing to do".to_owned() } else { said.join(", ") };
        write!(f, "{said} in {:.2} s", self.took.as_secs_f64())?;
        self.failed.iter().try_for_each(|(name, why)| write!(f, "; {name}: {why}"))
    }
}

pub(crate) fn ips(p: &model::Persona) -> Vec<IpAddr> {
    p.ipv4.map(IpAddr::V4).into_iter().chain(p.ipv6.iter().copied().map(IpAddr::V6)).collect()
}

/// What the database and the dashboard may know: no seed, no password.
pub(crate) fn shown(kept: &Kept, status: &DeckyStatus) -> Map<String, Value> {
    let p = &kept.persona;
    let value = json!({
        "hostname": p.hostname,
        "domain": p.domain,
        "company": p.company,
        "archetype": p.archetype,
        "distro": p.distro.slug,
        "distro_name": p.distro.pretty_name,
        "kernel": p.distro.kernel_release,
        "nmap_os": crate::os::name(p.os),
        "mac": p.mac,
        "ips": status.ips,
        "gateway": p.gateway,
        "timezone": p.timezone,
        "booted": p.booted,
        "link": kept.link,
        "services": status.services,
        "software": p.services.iter().map(|s| (s.name.clone(), json!(s.software))).collect::<Map<_, _>>(),
        "notes": status.notes,
        "mutate_interval": kept.plan.mutate_interval,
        "left_out": kept.plan.left_out,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
