//! Brings the schema up to date: numbered files, each applied once, one process at a time.

use crate::{Error, Result, mysql, sqlite};
use rusqlite::{Connection, TransactionBehavior};
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

/// Number and text, in order. A number is never reused and a released file never changed.
const SQLITE: &[(i64, &str)] = &[
    (1, include_str!("../migrations/sqlite/0001_first.sql")),
    (2, include_str!("../migrations/sqlite/0002_topologies.sql")),
    (3, include_str!("../migrations/sqlite/0003_eyes.sql")),
    (4, include_str!("../migrations/sqlite/0004_mind.sql")),
];
const MYSQL: &[(i64, &str)] = &[
    (1, include_str!("../migrations/mysql/0001_first.sql")),
    (2, include_str!("../migrations/mysql/0002_topologies.sql")),
    (3, include_str!("../migrations/mysql/0003_eyes.sql")),
    (4, include_str!("../migrations/mysql/0004_mind.sql")),
];

/// Seconds to wait while another process migrates.
const PATIENCE: i64 = 60;

pub(crate) fn migrate_sqlite(connection: &mut Connection) -> Result<()> {
    let doing = "migrating";
    let mut steps = || -> rusqlite::Result<i64> {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY) STRICT")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stands: i64 = transaction.query_row("SELECT COALESCE(MAX(version), 0) FROM schema_version", [], |row| row.get(0))?;
        for (version, text) in SQLITE.iter().filter(|(version, _)| *version > stands) {
            transaction.execute_batch(text)?;
            transaction.execute("INSERT INTO schema_version (version) VALUES (?)", [version])?;
        }
        transaction.commit()?;
        Ok(stands)
    };
    let stands = steps().map_err(|e| sqlite::broken(doing, &e))?;
    refuse_newer(stands, SQLITE)
}

pub(crate) async fn migrate_mysql(connection: &mut MySqlConnection) -> Result<()> {
    let doing = "migrating";
    let locked = sqlx::query("SELECT COALESCE(GET_LOCK(CONCAT('decnet:', DATABASE()), ?), 0) + 0")
        .bind(PATIENCE)
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get_unchecked::<i64, _>(0))
        .map_err(|e| mysql::broken(doing, &e))?;
    if locked != 1 {
        return Err(Error::Unavailable { doing, why: "another process has been migrating for a minute".into() });
    }
    let done = apply_mysql(connection).await;
    let unlocked = sqlx::query("SELECT RELEASE_LOCK(CONCAT('decnet:', DATABASE()))").execute(&mut *connection).await;
    let stands = done.map_err(|e| mysql::broken(doing, &e))?;
    unlocked.map_err(|e| mysql::broken(doing, &e))?;
    refuse_newer(stands, MYSQL)
}

/// Definitions commit by themselves in MySQL: every file must stand being applied again after half of it.
async fn apply_mysql(connection: &mut MySqlConnection) -> sqlx::Result<i64> {
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY) ENGINE=InnoDB").await?;
    let stands: i64 =
        sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_version").fetch_one(&mut *connection).await?.try_get_unchecked(0)?;
    for (version, text) in MYSQL.iter().filter(|(version, _)| *version > stands) {
        for statement in text.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            connection.execute(AssertSqlSafe(statement.to_owned())).await?;
        }
        sqlx::query("INSERT IGNORE INTO schema_version (version) VALUES (?)").bind(version).execute(&mut *connection).await?;
    }
    Ok(stands)
}

fn refuse_newer(stands: i64, known: &[(i64, &str)]) -> Result<()> {
    let newest = known.last().map_or(0, |(version, _)| *version);
    if stands > newest {
        let why = format!("the database has schema {stands}, this program knows {newest}: it was written by a newer version");
        return Err(Error::Broken { doing: "migrating", why });
    }
    Ok(())
}
