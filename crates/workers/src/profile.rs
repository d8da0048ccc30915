//! Keeps one row for each source address up to date. Woken by new rows; a restart goes on where the stored
//! cursor stands, rows and cursor being written together.

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use insight::profile::{Profile, Seen};
use model::{Attacker, Id};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{At, AttackerRow, LogRow};

/// State key of the last row absorbed.
pub const CURSOR: &str = "profile_cursor";
/// Rows taken in one pass.
const ROWS: i64 = 5_000;

/// The profiler.
#[derive(Debug, Default)]
pub struct Profiler {
    /// `None` until read from the store.
    cursor: Option<i64>,
}

impl Profiler {
    /// Starts from what the store remembers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Worker for Profiler {
    const NAME: &'static str = "profile";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::SYSTEM_LOG];
    const EVERY: Duration = Duration::from_secs(10);
    const BREATH: Duration = Duration::from_millis(200);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let cursor = match self.cursor {
            Some(cursor) => cursor,
            None => cx.store.state(CURSOR).await?.and_then(|text| text.parse().ok()).unwrap_or(0),
        };
        // Forgotten on failure, so that the next pass asks the store again.
        self.cursor = None;
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
        let mut known: BTreeMap<String, AttackerRow> =
            cx.store.attackers_by_ip(&ips).await?.into_iter().map(|row| (row.ip.clone(), row)).collect();
        let mut rows = Vec::with_capacity(by_ip.len());
        let mut new = Vec::new();
        for (ip, logs) in &by_ip {
            let row = known.remove(*ip).unwrap_or_else(|| {
                new.push((*ip).to_owned());
                AttackerRow { uuid: fresh_uuid(logs), ip: (*ip).to_owned(), ..AttackerRow::default() }
            });
            rows.push(absorb(row, logs, cx.now()));
        }
        cx.store.save_attackers(&rows, (CURSOR, last)).await?;
        self.cursor = Some(last);
        for row in &rows {
            if new.contains(&row.ip) {
                let said = json!({ "attacker_uuid": row.uuid, "attacker_ip": row.ip, "first_seen": row.first_seen });
                bus::unix::say(&cx.bus, bus::topics::ATTACKER_OBSERVED, said).await;
            }
            let said = json!({
                "attacker_uuid": row.uuid,
                "attacker_ip": row.ip,
                "event_count": row.event_count,
                "service_count": row.service_count,
                "decky_count": row.decky_count,
                "credential_count": row.credential_count,
            });
            bus::unix::say(&cx.bus, bus::topics::ATTACKER_SCORED, said).await;
        }
        let lag = if full { (cx.store.last_log_id().await? - last).max(0) } else { 0 };
        Ok(Pass { done: u64::try_from(logs.len()).unwrap_or(0), more: full, lag })
    }
}

/// An id made of the first event, so that a pass repeated after a crash names the source the same.
fn fresh_uuid(logs: &[&LogRow]) -> String {
    let first = logs.first().copied();
    let at = first.map(|log| log.timestamp.0).unwrap_or_default();
    let mut random = [0_u8; 10];
    if let Some(event) = first.and_then(|log| log.event_uuid.parse::<Id<model::Event>>().ok()) {
        let bytes = event.uuid().into_bytes();
        random.copy_from_slice(bytes.last_chunk::<10>().unwrap_or(&[0; 10]));
    }
    Id::<Attacker>::at(at, random).to_string()
}

fn absorb(row: AttackerRow, logs: &[&LogRow], now: model::Micros) -> AttackerRow {
    let mut profile = Profile {
        first_seen: row.first_seen.0,
        last_seen: row.last_seen.0,
        events: row.event_count,
        sessions: row.session_count,
        bounties: row.bounty_count,
        credentials: row.credential_count,
        commands_run: row.command_count,
        files: row.file_count,
        services: row.services.iter().cloned().collect::<BTreeSet<_>>(),
        interacted: row.interacted.iter().cloned().collect(),
        deckies: row.deckies.clone(),
        fingerprints: row.fingerprints.clone(),
        commands: row.commands.clone(),
    };
    for log in logs {
        profile.absorb(&Seen {
            at: log.timestamp.0,
            decky: &log.decky,
            service: &log.service,
            event_type: &log.event_type,
            fields: &log.fields,
        });
    }
    let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
    AttackerRow {
        first_seen: At(profile.first_seen),
        last_seen: At(profile.last_seen),
        event_count: profile.events,
        session_count: profile.sessions,
        bounty_count: profile.bounties,
        credential_count: profile.credentials,
        command_count: profile.commands_run,
        file_count: profile.files,
        service_count: count(profile.services.len()),
        decky_count: count(profile.deckies.len()),
        is_traversal: profile.is_traversal(),
        traversal_path: profile.traversal_path(),
        services: profile.services.into_iter().collect(),
        interacted: profile.interacted.into_iter().collect(),
        deckies: profile.deckies,
        fingerprints: profile.fingerprints,
        commands: profile.commands,
        updated_at: At(now),
        ..row
    }
}
