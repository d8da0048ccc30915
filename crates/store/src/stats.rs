//! Counts for the overview: read from sums, never counted out of the big tables.

use crate::{
    At, Result, Stats, Store,
    anchors::Anchors,
    db::Query,
    text::{Counting, Reach},
    time_index::MINUTE,
};
use model::Micros;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

const DAY: i64 = 24 * 60 * MINUTE;
/// How long an attacker counts as being here.
const NOW: i64 = 5 * MINUTE;

/// Searches whose counts are remembered.
const COUNTINGS: usize = 20_000;

/// Counts that are worth remembering.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    written: AtomicU64,
    /// The two that walk an index, kept for the second they were taken in.
    attackers: Mutex<Option<Attackers>>,
    /// How many rows of a text index match, as of where it reached.
    countings: Mutex<HashMap<Counting, (Reach, i64)>>,
    /// Beginnings of pages far down the lists of attackers.
    pub(crate) anchors: tokio::sync::Mutex<Anchors>,
}

#[derive(Clone, Copy, Debug)]
struct Attackers {
    second: i64,
    written: u64,
    today: i64,
    now: i64,
}

impl Cache {
    /// Something it counted has changed.
    pub(crate) fn forget(&self) {
        self.written.fetch_add(1, Ordering::Release);
    }

    /// Grows with everything that makes it forget.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Up to which row a search was counted, and what it came to.
    pub(crate) fn counted(&self, key: &Counting, now: Reach) -> Option<(i64, i64)> {
        let (then, count) = *self.countings.lock().get(key)?;
        (then.purges == now.purges && then.upto <= now.upto).then_some((then.upto, count))
    }

    pub(crate) fn count(&self, key: Counting, reach: Reach, count: i64) {
        let mut countings = self.countings.lock();
        if countings.len() >= COUNTINGS {
            countings.clear();
        }
        countings.insert(key, (reach, count));
    }
}

impl Store {
    /// Counts as of `now`. Those of attackers may be a second old if another process writes.
    pub async fn stats(&self, now: Micros) -> Result<Stats> {
        let midnight = now.0.div_euclid(DAY).saturating_mul(DAY);
        let queries = vec![
            Query::new("SELECT name, value FROM counters"),
            Query::new("SELECT SUM(count) FROM log_minutes WHERE minute >= ?").bind(midnight.div_euclid(MINUTE)),
            Query::new("SELECT COUNT(*) FROM log_facets WHERE kind = 'd'"),
            Query::new("SELECT COUNT(*) FROM fleet_deckies WHERE state <> 'torn_down'"),
        ];
        let mut answers = self.db.read("counting", queries).await?.into_iter();
        let mut stats = Stats::default();
        for mut row in answers.next().unwrap_or_default() {
            let (name, value) = (row.text(), row.int());
            match name.as_str() {
                "logs" => stats.total_logs = value,
                "attackers" => stats.unique_attackers = value,
                "credentials" => stats.total_credentials = value,
                "sessions" => stats.total_sessions = value,
                "artifacts" => stats.total_artifacts = value,
                "last_log_id" => stats.last_log_id = value,
                "last_seen" if value != 0 => stats.last_seen = Some(At(Micros(value))),
                _ => {}
            }
        }
        let mut number = || answers.next().and_then(|rows| rows.into_iter().next()).map_or(0, |mut row| row.int());
        stats.logs_today = number();
        stats.active_deckies = number();
        stats.deployed_deckies = number();
        let attackers = self.attackers_lately(now, midnight).await?;
        stats.attackers_today = attackers.today;
        stats.attackers_now = attackers.now;
        Ok(stats)
    }

    async fn attackers_lately(&self, now: Micros, midnight: i64) -> Result<Attackers> {
        let written = self.cache.written.load(Ordering::Acquire);
        let second = now.seconds();
        let kept = *self.cache.attackers.lock();
        if let Some(kept) = kept.filter(|kept| kept.second == second && kept.written == written) {
            return Ok(kept);
        }
        let since = |from: i64| Query::new("SELECT COUNT(*) FROM attackers WHERE last_seen >= ?").bind(from);
        let counts = self.db.read("counting attackers", vec![since(midnight), since(now.0.saturating_sub(NOW))]).await?;
        let mut counts = counts.into_iter().flatten().map(|mut row| row.int());
        let fresh = Attackers { second, written, today: counts.next().unwrap_or(0), now: counts.next().unwrap_or(0) };
        *self.cache.attackers.lock() = Some(fresh);
        Ok(fresh)
    }
}
