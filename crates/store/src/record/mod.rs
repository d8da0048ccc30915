//! Writes what was seen: the rows of a batch, everything that is summed from them, and the spool position, in one
//! transaction. A batch that does not begin where the stored position stands is refused, so a replay changes nothing.

mod mysql;
mod sqlite;

use crate::{
    Batch, NewBounty, NewCredential, NewLog, Position, Recorded, Result, Store,
    db::{Db, Query, cut},
    time_index::MINUTE,
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
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
    minutes: BTreeMap<i64, Minute>,
    /// How many rows of a minute say the same of all that is counted.
    alike: HashMap<Alike<'a>, i64>,
    /// The one before, not yet in `alike`: rows of one visitor come together.
    run: Option<(Alike<'a>, i64)>,
}

/// Minute, decky, service, event type.
type Alike<'a> = (i64, [&'a str; 3]);

/// The rows of one minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    count: i64,
    first_id: i64,
    last_id: i64,
}

/// Decky, service, event type.
const KINDS: [&str; 3] = ["d", "s", "e"];

impl<'a> Sums<'a> {
    /// Counts the row that became `id`; ids come in rising order.
    fn add(&mut self, id: i64, log: &'a NewLog) {
        self.logs += 1;
        self.last_seen = self.last_seen.max(log.at.0);
        let at = log.at.0.div_euclid(MINUTE);
        let minute = self.minutes.entry(at).or_insert(Minute { first_id: id, ..Minute::default() });
        minute.count += 1;
        minute.last_id = id;
        let alike = (at, [cut(&log.decky, DECKY), cut(&log.service, SERVICE), cut(&log.event_type, EVENT_TYPE)]);
        match &mut self.run {
            Some((before, count)) if *before == alike => *count += 1,
            run => {
                if let Some((before, count)) = run.replace((alike, 1)) {
                    *self.alike.entry(before).or_insert(0) += count;
                }
            }
        }
    }

    /// Kind, value, minute and their count, in order.
    fn facets(&self) -> BTreeMap<(&'static str, &'a str, i64), i64> {
        let mut facets = BTreeMap::new();
        for ((minute, values), count) in
            self.alike.iter().map(|(alike, count)| (alike, *count)).chain(self.run.iter().map(|(a, c)| (a, *c)))
        {
            for (kind, value) in KINDS.into_iter().zip(values) {
                *facets.entry((kind, *value, *minute)).or_insert(0) += count;
            }
        }
        facets
    }
}

/// The facets without their minutes.
fn over_all_time<'a>(facets: &BTreeMap<(&'static str, &'a str, i64), i64>) -> BTreeMap<(&'static str, &'a str), i64> {
    let mut totals = BTreeMap::new();
    for ((kind, value, _), count) in facets {
        *totals.entry((*kind, *value)).or_insert(0) += count;
    }
    totals
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

/// The bounties of a batch, each once: what a source shows with every request is one row.
fn each_once(bounties: &[NewBounty]) -> impl Iterator<Item = &NewBounty> {
    let mut known = HashSet::new();
    bounties.iter().filter(move |row| known.insert((row.attacker_ip.as_str(), row.bounty_type.as_str(), row.payload.as_str())))
}

fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
