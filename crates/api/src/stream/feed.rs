//! One task reads new rows once, encodes them once and hands the frames to the hub.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use bus::{Message, Subscription, topics};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use super::{AttackerNews, frame, hub::STATS_EVERY};
use crate::{Api, cache::Data, health, routes::workers::Workers};

/// Rows of one frame.
pub(crate) const MOST_ROWS: i64 = 256;
/// Rows the feed may be behind before it skips to the newest.
const MOST_BEHIND: i64 = 10_000;
/// Breath between two looks at the database, so that what comes together travels together.
const BREATH: Duration = Duration::from_millis(15);
/// The slow tick: a lost message costs this much and no event.
const TICK: Duration = Duration::from_secs(1);
/// Attackers named in one second.
const MOST_NEWS: usize = 200;

/// Starts the task that feeds the hub and keeps the cache's versions. Ends with the API.
pub(crate) async fn feed(api: &Api) -> Result<(), bus::Error> {
    let bus = api.bus();
    let feeder = Feeder {
        logs: bus.subscribe(topics::SYSTEM_LOG).await?,
        observed: bus.subscribe(topics::ATTACKER_OBSERVED).await?,
        scored: bus.subscribe(topics::ATTACKER_SCORED).await?,
        deckies: bus.subscribe(topics::ALL_DECKY_STATES).await?,
        api: api.clone(),
        told: HashSet::new(),
        waiting: BTreeMap::new(),
        stats: None,
        workers: None,
        failing: false,
    };
    if let Ok(last) = api.store().last_log_id().await {
        api.hub().jump(last);
    }
    tokio::spawn(feeder.run());
    Ok(())
}

struct Feeder {
    api: Api,
    logs: Subscription,
    observed: Subscription,
    scored: Subscription,
    deckies: Subscription,
    /// Attackers named since the last tick.
    told: HashSet<String>,
    /// Attackers to be named at the next tick.
    waiting: BTreeMap<String, Option<String>>,
    stats: Option<(Instant, Bytes)>,
    workers: Option<Workers>,
    failing: bool,
}

impl Feeder {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.api.stopping().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(_) = self.logs.next() => {
                    while self.logs.try_next().is_some() {}
                    self.look().await;
                    tokio::time::sleep(BREATH).await;
                }
                Some(news) = self.observed.next() => self.attacker(&news),
                Some(news) = self.scored.next() => self.attacker(&news),
                Some(_) = self.deckies.next() => self.api.cache().changed(Data::Fleet),
                _ = tick.tick() => self.tick().await,
            }
        }
    }

    /// Reads what is new and sends it.
    async fn look(&mut self) {
        match self.send_new().await {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the stream reads the database again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!("the stream cannot read the database: {error}");
                }
            }
        }
    }

    async fn send_new(&self) -> Result<(), store::Error> {
        let (api, hub) = (&self.api, self.api.hub());
        let before = hub.at();
        if !hub.listened() {
            let last = api.store().last_log_id().await?;
            if last != before {
                api.cache().changed(Data::Logs);
            }
            if hub.jump(last) {
                return Ok(());
            }
        }
        loop {
            let from = hub.at();
            let rows = api.store().logs_after(from, MOST_ROWS).await?;
            let full = i64::try_from(rows.len()).is_ok_and(|n| n >= MOST_ROWS);
            if rows.is_empty() {
                return Ok(());
            }
            api.cache().changed(Data::Logs);
            hub.send(rows);
            if !full {
                return Ok(());
            }
            // A flood: rather skip than take the processor from those who record it.
            let last = api.store().last_log_id().await?;
            if last - hub.at() > MOST_BEHIND {
                hub.lagged();
                hub.reset(last);
            }
        }
    }

    fn attacker(&mut self, message: &Message) {
        self.api.cache().changed(Data::Attackers);
        let text = |name: &str| message.payload.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(ip) = text("attacker_ip") else { return };
        if !self.api.hub().listened() {
            return;
        }
        let uuid = text("attacker_uuid");
        if self.told.contains(&ip) || self.told.len() >= MOST_NEWS {
            if self.waiting.len() < MOST_NEWS {
                self.waiting.insert(ip, uuid);
            }
            return;
        }
        self.told.insert(ip.clone());
        self.api.hub().tell(frame::event("attacker", None, &AttackerNews { uuid, ip }));
    }

    async fn tick(&mut self) {
        self.api.keep_metrics_small();
        // Numbers that went back: everything was purged.
        if let Ok(last) = self.api.store().last_log_id().await
            && last < self.api.hub().at()
        {
            self.api.cache().clear();
            self.api.hub().reset(last);
        }
        self.look().await;
        self.told.clear();
        for (ip, uuid) in std::mem::take(&mut self.waiting) {
            self.told.insert(ip.clone());
            self.api.hub().tell(frame::event("attacker", None, &AttackerNews { uuid, ip }));
        }
        if !self.api.hub().listened() {
            self.workers = None;
            return;
        }
        self.tell_workers();
        if self.stats.as_ref().is_none_or(|(told, _)| told.elapsed() >= STATS_EVERY) {
            self.tell_stats().await;
        }
    }

    fn tell_workers(&mut self) {
        let now = health::workers(&self.api);
        if self.workers.as_ref().is_none_or(|before| health::differ(before, &now)) {
            self.api.hub().tell(frame::event("workers", None, &now));
            self.workers = Some(now);
        }
    }

    async fn tell_stats(&mut self) {
        let Some(bytes) = self.api.hub().stats(&self.api).await else { return };
        if self.stats.as_ref().is_none_or(|(_, before)| *before != bytes) {
            self.api.hub().tell(bytes.clone());
        }
        self.stats = Some((Instant::now(), bytes));
    }
}
