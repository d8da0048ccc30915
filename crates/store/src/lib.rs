//! The only SQL in the product: SQLite and MariaDB/MySQL behind one set of functions.
//!
//! Never here: a decision. The store is handed rows and asked for rows.
//! Start reading at [`Store`], then one file per table family. To add a table: a migration for each
//! backend and one file.

pub mod rows;

use model::Micros;
pub use rows::*;
use std::path::PathBuf;

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

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

#[allow(clippy::todo, unused_variables, reason = "contract; bodies land with the store")]
impl Store {
    /// Opens it and brings the schema up to date.
    pub async fn open(config: &Config) -> Result<Self> { todo!() }
    /// A cheap round trip.
    pub async fn ping(&self) -> Result<()> { todo!() }
    /// `sqlite` or `mysql`.
    pub fn kind(&self) -> &'static str { todo!() }

    // --- recording
    pub async fn spool_position(&self, spool: &str) -> Result<Position> { todo!() }
    /// Rows and position in one transaction.
    pub async fn record(&self, batch: &Batch) -> Result<Recorded> { todo!() }
    /// Brings the free-text index nearer to the newest row; how many rows it took in (0 = up to date).
    pub async fn index_text(&self, at_most: i64) -> Result<i64> { todo!() }

    // --- logs
    pub async fn logs(&self, query: &LogQuery) -> Result<Page<LogRow>> { todo!() }
    /// Rows after `id`, oldest first, no total: for streams and workers.
    pub async fn logs_after(&self, id: i64, limit: i64) -> Result<Vec<LogRow>> { todo!() }
    pub async fn last_log_id(&self) -> Result<i64> { todo!() }
    pub async fn histogram(&self, query: &LogQuery, bucket_seconds: i64) -> Result<Vec<Bar>> { todo!() }
    pub async fn stats(&self, now: Micros) -> Result<Stats> { todo!() }

    // --- attackers
    pub async fn attackers(&self, query: &AttackerQuery) -> Result<Page<AttackerRow>> { todo!() }
    pub async fn attacker(&self, uuid: &str) -> Result<Option<AttackerRow>> { todo!() }
    pub async fn attackers_by_ip(&self, ips: &[String]) -> Result<Vec<AttackerRow>> { todo!() }
    /// Writes whole rows (by unique `ip`), back-fills `credentials.attacker_uuid`, and sets the state key
    /// `cursor.0` to `cursor.1`, all in one transaction.
    pub async fn save_attackers(&self, rows: &[AttackerRow], cursor: (&str, i64)) -> Result<()> { todo!() }

    // --- what hangs on an attacker (each optional filter narrows; newest first)
    pub async fn credentials(&self, search: Option<&str>, service: Option<&str>, attacker_ip: Option<&str>, limit: i64, offset: i64) -> Result<Page<CredentialRow>> { todo!() }
    pub async fn sessions(&self, attacker_ip: Option<&str>, decky: Option<&str>, recorded_only: bool, limit: i64, offset: i64) -> Result<Page<SessionRow>> { todo!() }
    pub async fn session(&self, sid: &str) -> Result<Option<SessionRow>> { todo!() }
    /// All events of one session, oldest first.
    pub async fn session_logs(&self, sid: &str, limit: i64, offset: i64) -> Result<Page<LogRow>> { todo!() }
    pub async fn artifacts(&self, attacker_ip: Option<&str>, limit: i64, offset: i64) -> Result<Page<ArtifactRow>> { todo!() }
    pub async fn artifact_by_sha256(&self, sha256: &str) -> Result<Option<ArtifactRow>> { todo!() }
    pub async fn bounties(&self, bounty_type: Option<&str>, search: Option<&str>, attacker_ip: Option<&str>, limit: i64, offset: i64) -> Result<Page<BountyRow>> { todo!() }
    /// Logs of one type from one address: commands, requests.
    pub async fn attacker_logs(&self, ip: &str, event_type: Option<&str>, service: Option<&str>, limit: i64, offset: i64) -> Result<Page<LogRow>> { todo!() }

    // --- users
    pub async fn users(&self) -> Result<Vec<UserRow>> { todo!() }
    pub async fn user_by_name(&self, username: &str) -> Result<Option<UserSecret>> { todo!() }
    pub async fn user(&self, uuid: &str) -> Result<Option<UserSecret>> { todo!() }
    /// `Err(Taken)` if the name exists.
    pub async fn add_user(&self, user: &UserRow, password_hash: &str) -> Result<()> { todo!() }
    /// Sets the hash and voids every token issued before `now`.
    pub async fn set_password(&self, uuid: &str, password_hash: &str, must_change: bool, now: Micros) -> Result<bool> { todo!() }
    pub async fn set_role(&self, uuid: &str, role: &str, now: Micros) -> Result<bool> { todo!() }
    pub async fn remove_user(&self, uuid: &str) -> Result<bool> { todo!() }
    pub async fn revoke_token(&self, jti: &str, user_uuid: &str, expires: Micros) -> Result<()> { todo!() }
    pub async fn token_revoked(&self, jti: &str) -> Result<bool> { todo!() }

    // --- state and fleet
    pub async fn state(&self, key: &str) -> Result<Option<String>> { todo!() }
    pub async fn set_state(&self, key: &str, value: &str) -> Result<()> { todo!() }
    pub async fn fleet_deckies(&self, host_uuid: Option<&str>) -> Result<Vec<FleetDeckyRow>> { todo!() }
    pub async fn upsert_fleet_decky(&self, row: &FleetDeckyRow) -> Result<()> { todo!() }
    pub async fn delete_fleet_decky(&self, host_uuid: &str, name: &str) -> Result<bool> { todo!() }
    /// Deletes everything attackers left (logs, credentials, sessions, …), keeps users and fleet; counts by table.
    pub async fn purge(&self) -> Result<Vec<(String, i64)>> { todo!() }
}
