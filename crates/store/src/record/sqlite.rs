//! Recording into SQLite: the hot path. One prepared statement per table, values bound without copying.

use super::{
    Attempts, DECKY, EVENT_TYPE, IP, KIND, MSG, PATH, RECORDING, SECRET_B64, SECRET_PRINTABLE, SERVICE, Sums, WAY, WHY, attempts,
    each_once, json, over_all_time, position, sha256, stored,
};
use crate::{
    Batch, NewArtifact, NewBounty, NewLog, Recorded, SessionChange,
    db::{cut, marks},
    ids::{pack, pack_sha256},
};
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

const ADD: &str = "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value";
const RAISE: &str = "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)";
const NEWEST_CREDENTIAL: &str = "SELECT COALESCE(MAX(id), 0) FROM credentials";
const NEWEST_LOG: &str = "SELECT COALESCE(MAX(id), 0) FROM logs";
const NEWEST_SESSION: &str = "SELECT COALESCE(MAX(id), 0) FROM sessions";

/// Rows of one statement where there are many: cursors stay open from one row to the next.
const TOGETHER: usize = 32;

/// A statement that takes rows.
struct Into {
    head: &'static str,
    columns: usize,
    tail: &'static str,
}

impl Into {
    fn sql(&self, verb: &str, rows: usize) -> String {
        let row = format!("({})", marks(self.columns));
        format!("{verb} {}{}{}", self.head, vec![row; rows].join(", "), self.tail)
    }
}

/// Binds one row's values in order.
struct Row<'a, 'c> {
    statement: &'a mut CachedStatement<'c>,
    at: usize,
}

impl Row<'_, '_> {
    fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.at += 1;
        self.statement.raw_bind_parameter(self.at, value)
    }
}

pub(super) fn record(connection: &mut Connection, batch: &Batch) -> rusqlite::Result<Recorded> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stands = tx
        .prepare_cached("SELECT segment, position FROM spool_positions WHERE spool = ?")?
        .query_row([&batch.spool], |row| Ok(position(row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or_default();
    if stands != batch.from {
        return Ok(Recorded::StandsAt(stands));
    }
    let before: i64 = tx
        .prepare_cached("SELECT value FROM counters WHERE name = 'last_log_id'")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or(0);

    let (last, sums) = logs(&tx, batch, before)?;
    sum_up(&tx, last, &sums)?;
    count(&tx, "credentials", credentials(&tx, &attempts(&batch.credentials))?)?;
    count(&tx, "bounties", bounties(&tx, &batch.bounties)?)?;
    count(&tx, "artifacts", artifacts(&tx, &batch.artifacts)?)?;
    count(&tx, "sessions", sessions(&tx, &batch.sessions)?)?;
    tx.prepare_cached(
        "INSERT INTO spool_positions (spool, segment, position) VALUES (?, ?, ?) \
         ON CONFLICT (spool) DO UPDATE SET segment = excluded.segment, position = excluded.position",
    )?
    .execute(params![batch.spool, stored(batch.to.segment), stored(batch.to.offset)])?;
    tx.commit()?;
    Ok(Recorded::Now { first_log: before + 1, last_log: last })
}

const LOGS: Into = Into {
    head: "INTO logs (id, event_uuid, timestamp, decky, service, event_type, attacker_ip, src_port, dst_port, session_id, fields, msg) VALUES ",
    columns: 12,
    tail: "",
};

/// Inserts the logs; an event that is there already (sent by two spools) takes no id. The last id and the sums.
fn logs<'a>(tx: &Transaction<'_>, batch: &'a Batch, before: i64) -> rusqlite::Result<(i64, Sums<'a>)> {
    let mut sums = Sums::default();
    let mut last = before;
    let mut rest = batch.logs.as_slice();
    // Many rows in one statement. It stops at the first event that is there already, and what went in before stays.
    let mut some = tx.prepare_cached(&LOGS.sql("INSERT OR FAIL", TOGETHER))?;
    while let Some((chunk, after)) = rest.split_at_checked(TOGETHER) {
        for (at, (log, id)) in chunk.iter().zip(last + 1..).enumerate() {
            bind_log(&mut some, at * LOGS.columns, id, log)?;
        }
        let known = match some.raw_execute() {
            Ok(_) => false,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => true,
            Err(error) => return Err(error),
        };
        // Ids grow one by one, so the newest tells how many went in.
        let went_in = match known {
            false => TOGETHER,
            true => usize::try_from(newest(tx, NEWEST_LOG)? - last).unwrap_or(0),
        };
        for log in chunk.iter().take(went_in) {
            last += 1;
            sums.add(last, log);
        }
        if known {
            rest = rest.get(went_in..).unwrap_or_default();
            break;
        }
        rest = after;
    }
    drop(some);
    let mut one = tx.prepare_cached(&LOGS.sql("INSERT OR IGNORE", 1))?;
    for log in rest {
        bind_log(&mut one, 0, last + 1, log)?;
        if one.raw_execute()? == 1 {
            last += 1;
            sums.add(last, log);
        }
    }
    Ok((last, sums))
}

fn bind_log(statement: &mut CachedStatement<'_>, after: usize, id: i64, log: &NewLog) -> rusqlite::Result<()> {
    let mut row = Row { statement, at: after };
    row.bind(id)?;
    row.bind(pack(&log.event_uuid))?;
    row.bind(log.at.0)?;
    row.bind(cut(&log.decky, DECKY))?;
    row.bind(cut(&log.service, SERVICE))?;
    row.bind(cut(&log.event_type, EVENT_TYPE))?;
    row.bind(cut(&log.attacker_ip, IP))?;
    row.bind(log.src_port)?;
    row.bind(log.dst_port)?;
    row.bind(log.session_id.as_deref().map(pack))?;
    row.bind(json(&log.fields))?;
    row.bind(cut(&log.msg, MSG))
}

fn sum_up(tx: &Transaction<'_>, last: i64, sums: &Sums<'_>) -> rusqlite::Result<()> {
    if sums.logs == 0 {
        return Ok(());
    }
    count(tx, "logs", sums.logs)?;
    tx.prepare_cached(RAISE)?.execute(params!["last_log_id", last])?;
    tx.prepare_cached(RAISE)?.execute(params!["last_seen", sums.last_seen])?;
    let mut minutes = tx.prepare_cached(
        "INSERT INTO log_minutes (minute, count, first_id, last_id) VALUES (?, ?, ?, ?) \
         ON CONFLICT (minute) DO UPDATE SET count = count + excluded.count, last_id = excluded.last_id",
    )?;
    for (minute, sum) in &sums.minutes {
        minutes.execute(params![minute, sum.count, sum.first_id, sum.last_id])?;
    }
    let mut facets = tx.prepare_cached(
        "INSERT INTO log_minute_facets (kind, value, minute, count) VALUES (?, ?, ?, ?) \
         ON CONFLICT (kind, value, minute) DO UPDATE SET count = count + excluded.count",
    )?;
    let by_minute = sums.facets();
    for ((kind, value, minute), count) in &by_minute {
        facets.execute(params![kind, value, minute, count])?;
    }
    let mut totals = tx.prepare_cached(
        "INSERT INTO log_facets (kind, value, count) VALUES (?, ?, ?) \
         ON CONFLICT (kind, value) DO UPDATE SET count = count + excluded.count",
    )?;
    for ((kind, value), count) in over_all_time(&by_minute) {
        totals.execute(params![kind, value, count])?;
    }
    Ok(())
}

fn count(tx: &Transaction<'_>, name: &str, by: i64) -> rusqlite::Result<()> {
    if by != 0 {
        tx.prepare_cached(ADD)?.execute(params![name, by])?;
    }
    Ok(())
}

/// How many rows are new.
fn credentials(tx: &Transaction<'_>, attempts: &[Attempts<'_>]) -> rusqlite::Result<i64> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO credentials (attacker_ip, decky_name, service, principal, principal_key, secret_kind, secret_sha256, secret_b64, \
         secret_printable, outcome, fields, first_seen, last_seen, attempt_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (attacker_ip, secret_sha256, decky_name, service, secret_kind, principal_key) DO UPDATE SET \
         outcome = CASE WHEN outcome = 'success' THEN outcome ELSE excluded.outcome END, \
         first_seen = MIN(first_seen, excluded.first_seen), last_seen = MAX(last_seen, excluded.last_seen), \
         attempt_count = attempt_count + excluded.attempt_count",
    )?;
    let before = newest(tx, NEWEST_CREDENTIAL)?;
    for some in attempts {
        let row = some.row;
        upsert.execute(params![
            cut(&row.attacker_ip, IP),
            cut(&row.decky_name, DECKY),
            cut(&row.service, SERVICE),
            some.principal,
            some.principal.unwrap_or(""),
            cut(&row.secret_kind, KIND),
            some.secret_sha256,
            cut(&row.secret_b64, SECRET_B64),
            cut(&row.secret_printable, SECRET_PRINTABLE),
            some.outcome,
            json(&row.fields),
            some.first_seen,
            some.last_seen,
            some.count,
        ])?;
    }
    Ok(newest(tx, NEWEST_CREDENTIAL)? - before)
}

fn bounties(tx: &Transaction<'_>, rows: &[NewBounty]) -> rusqlite::Result<i64> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO bounty (timestamp, decky, service, attacker_ip, bounty_type, payload, payload_sha256) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut new = 0;
    for row in each_once(rows) {
        new += run(
            &mut insert,
            params![
                row.at.0,
                cut(&row.decky, DECKY),
                cut(&row.service, SERVICE),
                cut(&row.attacker_ip, IP),
                cut(&row.bounty_type, KIND),
                json(&row.payload),
                sha256(&row.payload),
            ],
        )?;
    }
    Ok(new)
}

fn artifacts(tx: &Transaction<'_>, rows: &[NewArtifact]) -> rusqlite::Result<i64> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO artifacts (event_uuid, sha256, size, decky, service, attacker_ip, session_id, path, way, whole, captured_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut new = 0;
    for row in rows {
        new += run(
            &mut insert,
            params![
                pack(&row.event_uuid),
                pack_sha256(&row.sha256),
                stored(row.size),
                cut(&row.decky, DECKY),
                cut(&row.service, SERVICE),
                cut(&row.attacker_ip, IP),
                row.session_id.as_deref().map(pack),
                cut(&row.path, PATH),
                cut(&row.way, WAY),
                row.whole,
                row.at.0,
            ],
        )?;
    }
    Ok(new)
}

const SESSIONS: Into = Into {
    head: "INTO sessions (sid, decky, service, attacker_ip, src_port, dst_port, started_at, ended_at, duration_us, bytes_in, bytes_out, \
           why, command_count, credential_count, file_count, logged_in, recording, recording_truncated, changes) VALUES ",
    columns: 19,
    tail: " ON CONFLICT (sid) DO UPDATE SET started_at = MIN(started_at, excluded.started_at), \
           src_port = COALESCE(excluded.src_port, src_port), dst_port = COALESCE(excluded.dst_port, dst_port), \
           ended_at = COALESCE(excluded.ended_at, ended_at), duration_us = COALESCE(excluded.duration_us, duration_us), \
           bytes_in = COALESCE(excluded.bytes_in, bytes_in), bytes_out = COALESCE(excluded.bytes_out, bytes_out), \
           why = COALESCE(excluded.why, why), command_count = command_count + excluded.command_count, \
           credential_count = credential_count + excluded.credential_count, file_count = file_count + excluded.file_count, \
           logged_in = MAX(logged_in, excluded.logged_in), recording = COALESCE(excluded.recording, recording), \
           recording_truncated = MAX(recording_truncated, excluded.recording_truncated), changes = changes + 1",
};

fn sessions(tx: &Transaction<'_>, rows: &[SessionChange]) -> rusqlite::Result<i64> {
    let before = newest(tx, NEWEST_SESSION)?;
    let (many, rest) = rows.as_chunks::<TOGETHER>();
    let mut some = tx.prepare_cached(&SESSIONS.sql("INSERT", TOGETHER))?;
    for chunk in many {
        for (at, row) in chunk.iter().enumerate() {
            bind_session(&mut some, at * SESSIONS.columns, row)?;
        }
        some.raw_execute()?;
    }
    drop(some);
    let mut one = tx.prepare_cached(&SESSIONS.sql("INSERT", 1))?;
    for row in rest {
        bind_session(&mut one, 0, row)?;
        one.raw_execute()?;
    }
    Ok(newest(tx, NEWEST_SESSION)? - before)
}

fn bind_session(statement: &mut CachedStatement<'_>, after: usize, change: &SessionChange) -> rusqlite::Result<()> {
    let mut row = Row { statement, at: after };
    row.bind(pack(&change.sid))?;
    row.bind(cut(&change.decky, DECKY))?;
    row.bind(cut(&change.service, SERVICE))?;
    row.bind(cut(&change.attacker_ip, IP))?;
    row.bind(change.src_port)?;
    row.bind(change.dst_port)?;
    row.bind(change.first_at.0)?;
    row.bind(change.ended_at.map(|at| at.0))?;
    row.bind(change.duration_us.map(stored))?;
    row.bind(change.bytes_in.map(stored))?;
    row.bind(change.bytes_out.map(stored))?;
    row.bind(change.why.as_deref().map(|why| cut(why, WHY)))?;
    row.bind(change.commands)?;
    row.bind(change.credentials)?;
    row.bind(change.files)?;
    row.bind(change.logged_in)?;
    row.bind(change.recording.as_deref().map(|name| cut(name, RECORDING)))?;
    row.bind(change.recording_truncated)?;
    row.bind(1)
}

/// The newest id of a table. New rows follow it one by one, so the difference says how many there were.
fn newest(tx: &Transaction<'_>, sql: &'static str) -> rusqlite::Result<i64> {
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

fn run(statement: &mut CachedStatement<'_>, values: impl rusqlite::Params) -> rusqlite::Result<i64> {
    Ok(i64::try_from(statement.execute(values)?).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::{Batch, Config, Error, NewLog, Position, Recorded, Store, db::Db};

    async fn pages(store: &Store, sql: &'static str) -> i64 {
        let Db::Sqlite(db) = &*store.db else { panic!("not SQLite") };
        db.on_writer("testing", move |connection| connection.query_row(sql, [], |row| row.get(0))).await.unwrap()
    }

    /// A cap on the number of pages is answered by SQLite as a full disk is: `SQLITE_FULL` in the middle of a transaction.
    #[tokio::test]
    async fn a_full_disk_is_told_apart_and_nothing_is_half_written() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Store::open(&Config::Sqlite(dir.path().join("decnet.db"))).await.unwrap();
        let logs = (0..2_000).map(|n| NewLog {
            event_uuid: n.to_string(),
            fields: format!("{{\"text\":\"{}\"}}", "x".repeat(500)),
            ..NewLog::default()
        });
        let to = Position { segment: 0, offset: 9 };
        let batch = Batch { spool: "one".into(), to, logs: logs.collect(), ..Batch::default() };
        let room = pages(&store, "PRAGMA page_count").await;
        assert!(room < 200);
        pages(&store, "PRAGMA max_page_count = 1").await;
        for _ in 0..2 {
            assert!(matches!(store.record(&batch).await, Err(Error::Full { .. })));
            assert_eq!(store.spool_position("one").await.unwrap(), Position::default());
            assert_eq!((store.last_log_id().await.unwrap(), store.logs_after(0, 10).await.unwrap().len()), (0, 0));
        }
        pages(&store, "PRAGMA max_page_count = 1000000").await;
        assert_eq!(store.record(&batch).await.unwrap(), Recorded::Now { first_log: 1, last_log: 2_000 });
    }
}
