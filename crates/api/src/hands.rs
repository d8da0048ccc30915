//! What the API asks of others on the host: the running fleet, and the service manager. The main program brings both; the
//! API itself starts no decky and no process.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use utoipa::ToSchema;

use crate::{Api, Problem};

/// A wish for the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    AddService {
        decky: String,
        service: String,
        config: BTreeMap<String, String>,
    },
    RemoveService {
        decky: String,
        service: String,
    },
    SetConfig {
        decky: String,
        service: String,
        config: BTreeMap<String, String>,
    },
    MutateEvery {
        decky: String,
        minutes: Option<u32>,
    },
    /// `strategy`: `services`, `drift` or either.
    Mutate {
        decky: String,
        strategy: Option<String>,
    },
    TearDown {
        decky: String,
    },
    /// Text of a file, TOML or INI.
    Deploy {
        text: String,
        replace: bool,
        dry_run: bool,
    },
    Reconcile {
        repair: bool,
    },
}

/// Why a wish was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such decky.
    Missing(String),
    /// It cannot be done to what is there.
    Conflict(String),
    /// It is not acceptable.
    Invalid(String),
    /// The fleet does not run, or broke off.
    Away(String),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(_) => Self::not_found("decky"),
            Refusal::Conflict(why) => Self::conflict(why),
            Refusal::Invalid(why) => Self::invalid(why),
            Refusal::Away(why) => Self::unavailable(why),
        }
    }
}

/// What the fleet did, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FleetReport {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub unchanged: Vec<String>,
    pub removed: Vec<String>,
    pub failed: Vec<Failed>,
    pub warnings: Vec<String>,
    /// Deckies with visitors that change when those have left.
    pub postponed: Vec<String>,
    /// Rows inserted, deleted and changed by a reconciliation, and deckies made again.
    pub inserted: u64,
    pub deleted: u64,
    pub repaired: Vec<String>,
    /// Of a dry run: the deckies that would be, as a table.
    pub plan: Vec<Vec<String>>,
}

/// A decky that could not be made as wished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failed {
    pub name: String,
    pub reason: String,
}

/// The running fleet.
pub trait Fleet: Send + Sync + fmt::Debug {
    /// Grants a wish, or says why not.
    fn grant(&self, wish: Wish) -> BoxFuture<'_, Result<FleetReport, Refusal>>;
}

/// The service manager of the host.
pub trait Units: Send + Sync + fmt::Debug {
    /// Whether a unit of the worker is installed.
    fn installed(&self, worker: &str) -> bool;
    /// Starts the unit of the worker.
    fn start(&self, worker: &str) -> BoxFuture<'_, Result<(), String>>;
}

/// Asks the fleet and forgets what was answered before.
pub(crate) async fn ask(api: &Api, wish: Wish) -> Result<FleetReport, Problem> {
    let Some(fleet) = &api.cx().fleet else { return Err(Problem::unavailable("this dashboard is not joined to a fleet")) };
    let report = fleet.grant(wish).await?;
    api.forget();
    Ok(report)
}
