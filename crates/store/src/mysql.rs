//! MariaDB and MySQL through a pool that reconnects by itself.

use crate::{
    Error, Result,
    db::{Arg, Cell, Query, Row},
    schema,
};
use sqlx::{
    AssertSqlSafe, Column as _, Decode as _, Executor as _, MySqlConnection, Row as _, TypeInfo as _, ValueRef as _,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlPool, MySqlPoolOptions, MySqlRow},
    query::Query as SqlxQuery,
};
use std::{str::FromStr, time::Duration};

/// Connections at most; each worker process has its own pool.
const CONNECTIONS: u32 = 16;

/// Rows of a full statement of a batch.
pub(crate) const FULL: usize = 500;

#[derive(Debug)]
pub(crate) struct MySql {
    pub(crate) pool: MySqlPool,
}

impl MySql {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let doing = "opening";
        // The message must not repeat the address: it holds a password.
        let options = MySqlConnectOptions::from_str(url)
            .map_err(|_| Error::Broken { doing, why: "the address is not of the form mysql://user:password@host:port/name".into() })?
            .charset("utf8mb4")
            .statement_cache_capacity(64);
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(5))
            .idle_timeout(Duration::from_secs(600))
            .max_lifetime(Duration::from_secs(3_600))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection
                        .execute(
                            "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
                        )
                        .await?;
                    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(|e| broken(doing, &e))?;
        let mut connection = pool.acquire().await.map_err(|e| broken(doing, &e))?;
        schema::migrate_mysql(&mut connection).await?;
        drop(connection);
        Ok(Self { pool })
    }

    pub(crate) async fn read(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<Vec<Row>>> {
        let mut connection = self.pool.acquire().await.map_err(|e| broken(doing, &e))?;
        let mut out = Vec::with_capacity(queries.len());
        for query in queries {
            out.push(fetch(&mut connection, query).await.map_err(|e| broken(doing, &e))?);
        }
        Ok(out)
    }

    pub(crate) async fn write(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<u64>> {
        // A deadlock or a lock that waited too long rolled everything back: the same statements may be tried again.
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_write(queries.clone()).await {
                Ok(changed) => return Ok(changed),
                Err(e) if tries < 4 && is_deadlock(&e) => {}
                Err(e) => return Err(broken(doing, &e)),
            }
        }
    }

    async fn try_write(&self, queries: Vec<Query>) -> sqlx::Result<Vec<u64>> {
        let mut transaction = self.pool.begin().await?;
        let mut changed = Vec::with_capacity(queries.len());
        for query in queries {
            let must_change = query.must_change;
            let rows = run(&mut transaction, query).await?;
            if rows == 0 && must_change {
                transaction.rollback().await?;
                return Ok(Vec::new());
            }
            changed.push(rows);
        }
        transaction.commit().await?;
        Ok(changed)
    }
}

/// Runs one statement; how many rows it changed.
pub(crate) async fn run(connection: &mut MySqlConnection, query: Query) -> sqlx::Result<u64> {
    Ok(prepared(query).execute(connection).await?.rows_affected())
}

/// Runs one query and takes all its rows.
pub(crate) async fn fetch(connection: &mut MySqlConnection, query: Query) -> sqlx::Result<Vec<Row>> {
    prepared(query).fetch_all(connection).await?.iter().map(cells).collect()
}

fn prepared(query: Query) -> SqlxQuery<'static, sqlx::MySql, MySqlArguments> {
    // Statements built for one list of values are not worth a place in the cache; full ones of a batch come again.
    let keep = query.args.len() <= 64 || query.args.len().is_multiple_of(FULL);
    let mut prepared = sqlx::query(AssertSqlSafe(query.sql)).persistent(keep);
    for arg in query.args {
        prepared = match arg {
            Arg::Null => prepared.bind(None::<i64>),
            Arg::Int(value) => prepared.bind(value),
            Arg::Text(text) => prepared.bind(text),
            Arg::Blob(bytes) => prepared.bind(bytes),
        };
    }
    prepared
}

fn cells(row: &MySqlRow) -> sqlx::Result<Row> {
    let mut out = Vec::with_capacity(row.len());
    for column in row.columns() {
        let value = row.try_get_raw(column.ordinal())?;
        if value.is_null() {
            out.push(Cell::Null);
            continue;
        }
        let kind = column.type_info().name();
        let decoded = if kind.contains("INT") || kind == "BOOLEAN" {
            i64::decode(value).map(Cell::Int)
        } else {
            <&[u8]>::decode(value).map(|bytes| Cell::Bytes(bytes.to_vec()))
        };
        out.push(decoded.map_err(sqlx::Error::Decode)?);
    }
    Ok(Row::new(out))
}

/// The server's error number, 0 if it is not one of the server's.
pub(crate) fn number_of(error: &sqlx::Error) -> u16 {
    match error {
        sqlx::Error::Database(e) => e.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number),
        _ => 0,
    }
}

/// ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT.
pub(crate) fn is_deadlock(error: &sqlx::Error) -> bool {
    matches!(number_of(error), 1213 | 1205)
}

/// ER_DUP_ENTRY.
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    number_of(error) == 1062
}

/// What an error of the driver or the server means to callers.
pub(crate) fn broken(doing: &'static str, error: &sqlx::Error) -> Error {
    let why = error.to_string();
    match error {
        sqlx::Error::Database(_) => match number_of(error) {
            1062 => Error::Taken { what: "a unique value" },
            // ER_DISK_FULL, ER_RECORD_FILE_FULL; ER_GET_ERRNO and ER_ERROR_ON_WRITE say ENOSPC (28) in their text.
            1021 | 1114 => Error::Full { doing, why },
            3 | 1026 | 1030 if why.contains("28") => Error::Full { doing, why },
            // Too many connections, access, shutdown, killed, lock waits, deadlock, read-only.
            1040
            | 1043
            | 1044
            | 1045
            | 1053
            | 1077
            | 1079
            | 1129
            | 1152..=1161
            | 1184
            | 1203
            | 1205
            | 1213
            | 1290
            | 1317
            | 1927
            | 2006
            | 2013
            | 3024 => Error::Unavailable { doing, why },
            _ => Error::Broken { doing, why },
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Error::Unavailable { doing, why },
        _ => Error::Broken { doing, why },
    }
}
