//! Follows what each source does. A cursor of its own over the recorded rows; state and cursor are written together, so
//! a restart goes on exactly where it stood. A source whose state cannot be read begins anew; nobody waits for it.

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use insight::{
    behaviour::{self, Behaviour},
    profile::Seen,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use store::LogRow;

/// State key of the last row absorbed.
const CURSOR: &str = "behaviour_cursor";
/// Rows taken in one pass.
const ROWS: i64 = 5_000;

/// The follower of behaviour.
#[derive(Debug, Default)]
pub struct Behaviours {
    /// `None` until read from the store.
    cursor: Option<i64>,
}

impl Behaviours {
    /// Starts from what the store remembers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Worker for Behaviours {
    const NAME: &'static str = "behaviour";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::SYSTEM_LOG];
    const EVERY: Duration = Duration::from_secs(10);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => cx.store.state(CURSOR).await?.and_then(|text| text.parse().ok()).unwrap_or(0),
        };
        let logs = cx.store.logs_after(cursor, ROWS).await?;
        let Some(last) = logs.last().map(|log| log.id) else {
            self.cursor = Some(cursor);
            return Ok(Pass::default());
        };
        let full = i64::try_from(logs.len()).unwrap_or(ROWS) >= ROWS;
        let mut by_ip: BTreeMap<&str, Vec<&LogRow>> = BTreeMap::new();
        for log in logs.iter().filter(|log| !log.attacker_ip.is_empty()) {
            by_ip.entry(&log.attacker_ip).or_default().push(log);
        }
        let ips: Vec<String> = by_ip.keys().map(|ip| (*ip).to_owned()).collect();
        let mut known: HashMap<String, Behaviour> =
            cx.store.behaviours(&ips).await?.into_iter().map(|row| (row.ip, behaviour::restore(&row.behaviour))).collect();
        let mut rows = Vec::with_capacity(by_ip.len());
        for (ip, logs) in &by_ip {
            let mut behaviour = known.remove(*ip).unwrap_or_default();
            for log in logs {
                behaviour.absorb(&Seen {
                    at: log.timestamp.0,
                    decky: &log.decky,
                    service: &log.service,
                    event_type: &log.event_type,
                    fields: &log.fields,
                });
            }
            rows.push(((*ip).to_owned(), behaviour::keep_as(&behaviour)));
        }
        cx.store.save_behaviours(&rows, cx.now(), (CURSOR, last)).await?;
        self.cursor = Some(last);
        let lag = if full { (cx.store.last_log_id().await? - last).max(0) } else { 0 };
        Ok(Pass { done: u64::try_from(logs.len()).unwrap_or(0), more: full, lag })
    }
}
