//! Recording into MariaDB and MySQL: few statements of many rows each.

use super::{
    DECKY, EVENT_TYPE, IP, KIND, MSG, PATH, RECORDING, SECRET_B64, SECRET_PRINTABLE, SERVICE, Sums, WAY, WHY, attempts, each_once, json,
    over_all_time, position, sha256, stored,
};
use crate::{
    Batch, NewLog, Recorded, Result,
    db::{Arg, Query, cut},
    ids::{pack, pack_sha256},
    mysql::{MySql, broken, fetch, is_deadlock, is_duplicate, run},
};
use sqlx::MySqlConnection;
use std::collections::HashSet;

/// Rows of one statement at most, and bytes of text in it: a server takes 16 MiB by default.
const MOST_ROWS: usize = crate::mysql::FULL;
const MOST_BYTES: usize = 4 << 20;

/// Rows of an empty batch are everybody's: times a transaction is tried when it meets a deadlock.
const TRIES: usize = 5;

pub(super) async fn record(db: &MySql, batch: &Batch) -> Result<Recorded> {
    let doing = "recording";
    let mut careful = false;
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(db, batch, careful).await {
            Ok(recorded) => return Ok(recorded),
            // An event is there already: look first, then write the others.
            Err(e) if is_duplicate(&e) && !careful => careful = true,
            Err(e) if (is_deadlock(&e) || is_duplicate(&e)) && tries < TRIES => {}
            Err(e) => return Err(broken(doing, &e)),
        }
    }
}

async fn attempt(db: &MySql, batch: &Batch, careful: bool) -> sqlx::Result<Recorded> {
    let mut tx = db.pool.begin().await?;
    // Two recorders take turns here: the row exists since the first migration, and ids are given out under its lock.
    let before = fetch(&mut tx, Query::new("SELECT value FROM counters WHERE name = 'last_log_id' FOR UPDATE"))
        .await?
        .pop()
        .map_or(0, |mut r| r.int());
    let stands = fetch(&mut tx, Query::new("SELECT segment, position FROM spool_positions WHERE spool = ? FOR UPDATE").bind(&*batch.spool))
        .await?
        .pop()
        .map_or_else(Default::default, |mut row| position(row.int(), row.int()));
    if stands != batch.from {
        tx.rollback().await?;
        return Ok(Recorded::StandsAt(stands));
    }
    let logs = if careful { new_logs(&mut tx, &batch.logs).await? } else { batch.logs.iter().collect() };
    let mut last = before;
    let mut sums = Sums::default();
    let mut rows = Rows::new(
        "INSERT INTO logs (id, event_uuid, timestamp, decky, service, event_type, attacker_ip, src_port, dst_port, session_id, fields, msg) VALUES ",
        "",
    );
    for log in logs {
        last += 1;
        sums.add(last, log);
        rows.push(vec![
            last.into(),
            pack(&log.event_uuid).into(),
            log.at.into(),
            cut(&log.decky, DECKY).into(),
            cut(&log.service, SERVICE).into(),
            cut(&log.event_type, EVENT_TYPE).into(),
            cut(&log.attacker_ip, IP).into(),
            log.src_port.into(),
            log.dst_port.into(),
            log.session_id.as_deref().map(pack).into(),
            json(&log.fields).into(),
            cut(&log.msg, MSG).into(),
        ]);
    }
    rows.run(&mut tx).await?;
    sum_up(&mut tx, last, &sums).await?;
    evidence(&mut tx, batch).await?;
    let at = Query::new(
        "INSERT INTO spool_positions (spool, segment, position) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE segment = VALUES(segment), position = VALUES(position)",
    );
    run(&mut tx, at.bind(&*batch.spool).bind(stored(batch.to.segment)).bind(stored(batch.to.offset))).await?;
    tx.commit().await?;
    Ok(Recorded::Now { first_log: before + 1, last_log: last })
}

/// The logs whose event is not stored yet, each event once.
async fn new_logs<'a>(tx: &mut MySqlConnection, logs: &'a [NewLog]) -> sqlx::Result<Vec<&'a NewLog>> {
    let mut known: HashSet<Vec<u8>> = HashSet::new();
    for chunk in logs.chunks(MOST_ROWS) {
        let sql = format!("SELECT event_uuid FROM logs WHERE event_uuid IN ({})", crate::db::marks(chunk.len()));
        let query = Query::new(sql).bind_all(chunk.iter().map(|log| pack(&log.event_uuid).into()));
        known.extend(fetch(tx, query).await?.into_iter().filter_map(|mut row| row.opt_bytes()));
    }
    Ok(logs.iter().filter(|log| known.insert(pack(&log.event_uuid))).collect())
}

async fn sum_up(tx: &mut MySqlConnection, last: i64, sums: &Sums<'_>) -> sqlx::Result<()> {
    if sums.logs == 0 {
        return Ok(());
    }
    count(tx, "logs", sums.logs).await?;
    for (name, value) in [("last_log_id", last), ("last_seen", sums.last_seen)] {
        let raise = "INSERT INTO counters (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))";
        run(tx, Query::new(raise).bind(name).bind(value)).await?;
    }
    let mut minutes = Rows::new(
        "INSERT INTO log_minutes (minute, count, first_id, last_id) VALUES ",
        " ON DUPLICATE KEY UPDATE count = count + VALUES(count), last_id = VALUES(last_id)",
    );
    for (minute, sum) in &sums.minutes {
        minutes.push(vec![(*minute).into(), sum.count.into(), sum.first_id.into(), sum.last_id.into()]);
    }
    minutes.run(tx).await?;
    let add = " ON DUPLICATE KEY UPDATE count = count + VALUES(count)";
    let mut facets = Rows::new("INSERT INTO log_minute_facets (kind, value, minute, count) VALUES ", add);
    let by_minute = sums.facets();
    for ((kind, value, minute), count) in &by_minute {
        facets.push(vec![(*kind).into(), (*value).into(), (*minute).into(), (*count).into()]);
    }
    facets.run(tx).await?;
    let mut totals = Rows::new("INSERT INTO log_facets (kind, value, count) VALUES ", add);
    for ((kind, value), count) in over_all_time(&by_minute) {
        totals.push(vec![kind.into(), value.into(), count.into()]);
    }
    totals.run(tx).await?;
    Ok(())
}

/// Everything of a batch that is not a log.
async fn evidence(tx: &mut MySqlConnection, batch: &Batch) -> sqlx::Result<()> {
    let mut rows = Rows::new(
        "INSERT INTO credentials (attacker_ip, decky_name, service, principal, principal_key, secret_kind, secret_sha256, secret_b64, \
         secret_printable, outcome, fields, first_seen, last_seen, attempt_count) VALUES ",
        " ON DUPLICATE KEY UPDATE outcome = CASE WHEN outcome = 'success' THEN outcome ELSE VALUES(outcome) END, \
         first_seen = LEAST(first_seen, VALUES(first_seen)), last_seen = GREATEST(last_seen, VALUES(last_seen)), \
         attempt_count = attempt_count + VALUES(attempt_count)",
    );
    let attempts = attempts(&batch.credentials);
    for some in &attempts {
        let row = some.row;
        rows.push(vec![
            cut(&row.attacker_ip, IP).into(),
            cut(&row.decky_name, DECKY).into(),
            cut(&row.service, SERVICE).into(),
            some.principal.into(),
            some.principal.unwrap_or("").into(),
            cut(&row.secret_kind, KIND).into(),
            some.secret_sha256.clone().into(),
            cut(&row.secret_b64, SECRET_B64).into(),
            cut(&row.secret_printable, SECRET_PRINTABLE).into(),
            some.outcome.into(),
            json(&row.fields).into(),
            some.first_seen.into(),
            some.last_seen.into(),
            some.count.into(),
        ]);
    }
    upserted(tx, "credentials", rows).await?;

    let mut rows =
        Rows::new("INSERT IGNORE INTO bounty (timestamp, decky, service, attacker_ip, bounty_type, payload, payload_sha256) VALUES ", "");
    for row in each_once(&batch.bounties) {
        rows.push(vec![
            row.at.into(),
            cut(&row.decky, DECKY).into(),
            cut(&row.service, SERVICE).into(),
            cut(&row.attacker_ip, IP).into(),
            cut(&row.bounty_type, KIND).into(),
            json(&row.payload).into(),
            sha256(&row.payload).into(),
        ]);
    }
    let new = rows.run(tx).await?;
    count(tx, "bounties", new).await?;

    let mut rows = Rows::new(
        "INSERT IGNORE INTO artifacts (event_uuid, sha256, size, decky, service, attacker_ip, session_id, path, way, whole, captured_at) VALUES ",
        "",
    );
    for row in &batch.artifacts {
        rows.push(vec![
            pack(&row.event_uuid).into(),
            pack_sha256(&row.sha256).into(),
            row.size.into(),
            cut(&row.decky, DECKY).into(),
            cut(&row.service, SERVICE).into(),
            cut(&row.attacker_ip, IP).into(),
            row.session_id.as_deref().map(pack).into(),
            cut(&row.path, PATH).into(),
            cut(&row.way, WAY).into(),
            row.whole.into(),
            row.at.into(),
        ]);
    }
    let new = rows.run(tx).await?;
    count(tx, "artifacts", new).await?;

    let mut rows = Rows::new(
        "INSERT INTO sessions (sid, decky, service, attacker_ip, src_port, dst_port, started_at, ended_at, duration_us, bytes_in, bytes_out, \
         why, command_count, credential_count, file_count, logged_in, recording, recording_truncated, changes) VALUES ",
        " ON DUPLICATE KEY UPDATE started_at = LEAST(started_at, VALUES(started_at)), \
         src_port = COALESCE(VALUES(src_port), src_port), dst_port = COALESCE(VALUES(dst_port), dst_port), \
         ended_at = COALESCE(VALUES(ended_at), ended_at), duration_us = COALESCE(VALUES(duration_us), duration_us), \
         bytes_in = COALESCE(VALUES(bytes_in), bytes_in), bytes_out = COALESCE(VALUES(bytes_out), bytes_out), \
         why = COALESCE(VALUES(why), why), command_count = command_count + VALUES(command_count), \
         credential_count = credential_count + VALUES(credential_count), file_count = file_count + VALUES(file_count), \
         logged_in = GREATEST(logged_in, VALUES(logged_in)), recording = COALESCE(VALUES(recording), recording), \
         recording_truncated = GREATEST(recording_truncated, VALUES(recording_truncated)), changes = changes + 1",
    );
    for row in &batch.sessions {
        rows.push(vec![
            pack(&row.sid).into(),
            cut(&row.decky, DECKY).into(),
            cut(&row.service, SERVICE).into(),
            cut(&row.attacker_ip, IP).into(),
            row.src_port.into(),
            row.dst_port.into(),
            row.first_at.into(),
            row.ended_at.into(),
            row.duration_us.into(),
            row.bytes_in.into(),
            row.bytes_out.into(),
            row.why.as_deref().map(|why| cut(why, WHY)).into(),
            row.commands.into(),
            row.credentials.into(),
            row.files.into(),
            row.logged_in.into(),
            row.recording.as_deref().map(|name| cut(name, RECORDING)).into(),
            row.recording_truncated.into(),
            1_i64.into(),
        ]);
    }
    upserted(tx, "sessions", rows).await
}

/// An upsert counts 1 for a new row and 2 for one it changed (each of ours changes a count).
async fn upserted(tx: &mut MySqlConnection, counter: &'static str, rows: Rows) -> sqlx::Result<()> {
    let sent = rows.sent();
    let affected = rows.run(tx).await?;
    count(tx, counter, 2 * sent - affected).await
}

async fn count(tx: &mut MySqlConnection, name: &str, by: i64) -> sqlx::Result<()> {
    if by != 0 {
        let add = "INSERT INTO counters (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = value + VALUES(value)";
        run(tx, Query::new(add).bind(name).bind(by)).await?;
    }
    Ok(())
}

/// Rows on their way into one table.
struct Rows {
    head: &'static str,
    tail: &'static str,
    rows: Vec<Vec<Arg>>,
}

impl Rows {
    fn new(head: &'static str, tail: &'static str) -> Self {
        Self { head, tail, rows: Vec::new() }
    }

    fn push(&mut self, row: Vec<Arg>) {
        self.rows.push(row);
    }

    fn sent(&self) -> i64 {
        i64::try_from(self.rows.len()).unwrap_or(i64::MAX)
    }

    /// Sends them; how many rows the server says it changed.
    async fn run(self, tx: &mut MySqlConnection) -> sqlx::Result<i64> {
        let mut affected = 0;
        let mut rows = self.rows.into_iter().peekable();
        while let Some(first) = rows.peek() {
            let one = format!("({}), ", crate::db::marks(first.len()));
            let mut args = Vec::new();
            let mut count = 0;
            let mut bytes = 0;
            while count < MOST_ROWS && bytes < MOST_BYTES {
                let Some(row) = rows.next() else { break };
                bytes += row.iter().map(weight).sum::<usize>();
                args.extend(row);
                count += 1;
            }
            let values = one.repeat(count);
            let sql = format!("{}{}{}", self.head, values.trim_end_matches(", "), self.tail);
            affected += run(tx, Query::new(sql).bind_all(args)).await?;
        }
        Ok(stored(affected))
    }
}

fn weight(arg: &Arg) -> usize {
    match arg {
        Arg::Text(text) => text.len(),
        Arg::Blob(bytes) => bytes.len(),
        Arg::Null | Arg::Int(_) => 8,
    }
}
