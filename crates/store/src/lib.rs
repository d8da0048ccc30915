//! The only SQL in the product: SQLite and MariaDB/MySQL behind one set of functions.
//!
//! Never here: a decision. The store is handed rows and asked for rows.
//! Start reading at [`Store`], then one file per table family: `record/` writes what decoys saw, `logs`
//! and `search` read it back, `attackers`, `credentials`, `evidence`, `sessions`, `users`, `fleet` are what
//! their names say. `db` is the thin layer both backends share, `dialect` holds every difference in SQL text.
//! To add a table: a migration for each backend and one file.
//!
//! Rules that hold everywhere: SQL text is made of constants only, every value is bound; times are `BIGINT`
//! microseconds; text is cut at the column's cap before it is bound, so no attacker can make an insert fail.

mod anchors;
mod attackers;
mod behaviour;
mod credentials;
mod db;
mod dialect;
mod evidence;
mod fleet;
mod histogram;
mod ids;
mod intel;
mod logs;
pub mod mind;
mod mysql;
pub mod orchestrator;
mod record;
mod reuse;
pub mod rows;
pub mod running;
mod schema;
pub mod search;
mod sessions;
mod sqlite;
mod state;
mod stats;
pub mod swarm;
mod text;
mod time_index;
pub mod topologies;
mod users;
pub mod words;

pub use behaviour::BehaviourRow;
use db::Db;
pub use intel::{IntelPart, IntelRow, Unasked};
pub use mind::{
    AnalystLinkRow, CampaignLinkRow, CampaignRow, IdentityLinkRow, IdentityRow, MindEventRow, MindWrite, ObservationRow, Share,
};
pub use orchestrator::OrchestratorEventRow;
pub use reuse::{ReuseDetail, ReuseGroup, ReuseQuery, ReuseRow, ReuseSource, ReuseTarget, Touch, Use};
pub use rows::*;
pub use running::{DeckySource, RunningDecky};
use std::{fmt, path::PathBuf, sync::Arc};
pub use swarm::{DeckyShardRow, SwarmHostRow};
pub use topologies::{LanRow, TopologyDeckyRow, TopologyEdgeRow, TopologyRow};

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// A file, created if absent, WAL mode.
    Sqlite(PathBuf),
    /// `mysql://user:password@host:port/name`
    MySql(String),
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be reached now; trying again may help.
    #[error("database unavailable while {doing}: {why}")]
    Unavailable { doing: &'static str, why: String },
    /// The database has no room.
    #[error("database has no room while {doing}: {why}")]
    Full { doing: &'static str, why: String },
    /// A unique value is taken.
    #[error("{what} is already taken")]
    Taken { what: &'static str },
    /// Anything else.
    #[error("database error while {doing}: {why}")]
    Broken { doing: &'static str, why: String },
}

pub type Result<T> = std::result::Result<T, Error>;

/// A total that was counted row by row stops here: `10_001` means "more than ten thousand". Unfiltered totals and
/// totals by decky, service, event type or time are exact whatever their size.
pub const COUNTED_AT_MOST: i64 = 10_001;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Arc<Db>,
    pub(crate) cache: Arc<stats::Cache>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens it and brings the schema up to date.
    pub async fn open(config: &Config) -> Result<Self> {
        let db = match config {
            Config::Sqlite(path) => Db::Sqlite(sqlite::Sqlite::open(path).await?),
            Config::MySql(url) => Db::MySql(mysql::MySql::open(url).await?),
        };
        Ok(Self { db: Arc::new(db), cache: Arc::default() })
    }

    /// A cheap round trip.
    pub async fn ping(&self) -> Result<()> {
        self.db.rows("pinging", db::Query::new("SELECT 1")).await.map(|_| ())
    }

    /// `sqlite` or `mysql`.
    pub fn kind(&self) -> &'static str {
        match *self.db {
            Db::Sqlite(_) => "sqlite",
            Db::MySql(_) => "mysql",
        }
    }
}
