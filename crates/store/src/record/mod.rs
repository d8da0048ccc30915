//! Writes what was seen: the rows of a batch, everything that is summed from them, and the spool position, in one
//! transaction. A batch that does not begin where the stored position stands is refused, so a replay changes nothing.

mod mysql;
mod sqlite;

use crate::{
    Batch, NewCredential, NewLog, Position, Recorded, Result, Store,
    db::{Db, Query, cut},
    time_index::MINUTE,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

// Caps of columns, in characters. Attackers choose most of these texts; what is longer is cut, never refused.
const DECKY: usize = 128;
const SERVICE: usize = 32;
const EVENT_TYPE: usize = 64;
const IP: usize = 64;
const KIND: usize = 32;
const PRINCIPAL: usize = 256;
const SECRET_B64: usize = 2_048;
const SECRET_PRINTABLE: usize = 512;
const OUTCOME: usize = 16;
const WHY: usize = 32;
const WAY: usize = 16;
const PATH: usize = 4_096;
const RECORDING: usize = 255;
const MSG: usize = 1 << 20;
/// Longest JSON kept, in bytes: below the 16 MiB a MySQL server takes in one statement.
const JSON: usize = 8 << 20;

impl Store {
    /// Where the reader of a spool stands.
    pub async fn spool_position(&self, spool: &str) -> Result<Position> {
        let query = Query::new("SELECT segment, position FROM spool_positions WHERE spool = ?").bind(spool);
        let row = self.db.row("reading the spool position", query).await?;
        Ok(row.map_or_else(Position::default, |mut row| position(row.int(), row.int())))
    }

    /// Rows and position in one transaction.
    pub async fn record(&self, batch: &Batch) -> Result<Recorded> {
        match &*self.db {
            Db::Sqlite(_) => self.record_shared(&Arc::new(batch.clone())).await,
            Db::MySql(db) => mysql::record(db, batch).await,
        }
    }

    /// [`Self::record`] without copying the batch.
    pub async fn record_shared(&self, batch: &Arc<Batch>) -> Result<Recorded> {
        match &*self.db {
            Db::Sqlite(db) => {
                let batch = Arc::clone(batch);
                db.on_writer("recording", move |connection| sqlite::record(connection, &batch)).await
            }
            Db::MySql(db) => mysql::record(db, batch).await,
        }
    }
}

fn position(segment: i64, offset: i64) -> Position {
    Position { segment: u64::try_from(segment).unwrap_or(0), offset: u64::try_from(offset).unwrap_or(0) }
}

/// A number as the database holds it.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// JSON short enough to store.
fn json(text: &str) -> &str {
    match text {
        "" => "{}",
        text if text.len() > JSON => r#"{"too_long":true}"#,
        text => text,
    }
}

/// What the rows of one batch add to the sums.
#[derive(Debug, Default)]
struct Sums<'a> {
    logs: i64,
    last_seen: i64,
    minutes: BTreeMap<i64, Minute<'a>>,
}

/// The rows of one minute.
#[derive(Debug, Default)]
struct Minute<'a> {
    count: i64,
    first_id: i64,
    last_id: i64,
    /// In the order of [`KINDS`].
    facets: [HashMap<&'a str, i64>; 3],
}

/// Decky, service, event type.
const KINDS: [&str; 3] = ["d", "s", "e"];

impl<'a> Sums<'a> {
    /// Counts the row that became `id`; ids come in rising order.
    fn add(&mut self, id: i64, log: &'a NewLog) {
        self.logs += 1;
        self.last_seen = self.last_seen.max(log.at.0);
        let minute = self.minutes.entry(log.at.0.div_euclid(MINUTE)).or_default();
        if minute.count == 0 {
            minute.first_id = id;
        }
        minute.count += 1;
        minute.last_id = id;
        let values = [cut(&log.decky, DECKY), cut(&log.service, SERVICE), cut(&log.event_type, EVENT_TYPE)];
        for (facet, value) in minute.facets.iter_mut().zip(values) {
            *facet.entry(value).or_insert(0) += 1;
        }
    }

    /// Kind, value, minute, count.
    fn facets(&self) -> impl Iterator<Item = (&'static str, &'a str, i64, i64)> {
        self.minutes.iter().flat_map(|(minute, sum)| {
            let kinds = KINDS.into_iter().zip(&sum.facets);
            kinds.flat_map(move |(kind, facet)| facet.iter().map(move |(value, count)| (kind, *value, *minute, *count)))
        })
    }

    /// The facets without their minutes.
    fn totals(&self) -> BTreeMap<(&'static str, &'a str), i64> {
        let mut totals = BTreeMap::new();
        for (kind, value, _, count) in self.facets() {
            *totals.entry((kind, value)).or_insert(0) += count;
        }
        totals
    }
}

/// All attempts of a batch that are one row.
#[derive(Debug)]
struct Attempts<'a> {
    /// The first of them.
    row: &'a NewCredential,
    secret_sha256: Vec<u8>,
    principal: Option<&'a str>,
    outcome: &'a str,
    first_seen: i64,
    last_seen: i64,
    count: i64,
}

/// Groups the attempts of a batch by the unique key of their table, in the order of their first appearance.
fn attempts(credentials: &[NewCredential]) -> Vec<Attempts<'_>> {
    let mut out: Vec<Attempts<'_>> = Vec::new();
    let mut known: HashMap<(&str, &str, &str, &str, &str, &str), usize> = HashMap::new();
    for row in credentials {
        let principal = row.principal.as_deref().map(|p| cut(p, PRINCIPAL));
        let key = (
            row.attacker_ip.as_str(),
            row.decky_name.as_str(),
            row.service.as_str(),
            row.secret_kind.as_str(),
            row.secret_sha256.as_str(),
            principal.unwrap_or(""),
        );
        match known.entry(key) {
            Entry::Vacant(free) => {
                free.insert(out.len());
                out.push(Attempts {
                    row,
                    secret_sha256: crate::ids::pack_sha256(&row.secret_sha256),
                    principal,
                    outcome: cut(&row.outcome, OUTCOME),
                    first_seen: row.at.0,
                    last_seen: row.at.0,
                    count: 1,
                });
            }
            Entry::Occupied(at) => {
                if let Some(attempts) = out.get_mut(*at.get()) {
                    attempts.count += 1;
                    attempts.first_seen = attempts.first_seen.min(row.at.0);
                    attempts.last_seen = attempts.last_seen.max(row.at.0);
                    if attempts.outcome != "success" {
                        attempts.outcome = cut(&row.outcome, OUTCOME);
                    }
                }
            }
        }
    }
    out
}

fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
