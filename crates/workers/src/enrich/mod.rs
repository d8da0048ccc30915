//! Asks outside providers about sources, by uuid, at a pace each of them allows.
//!
//! Only addresses of the internet at large are ever sent: not private ones, not this host's. The strongest verdict wins; what a
//! provider said last stands until it says something else, an outage changes nothing; a round in which nobody answered
//! is not kept as one. Requests name a common tool, never this product.

mod abuseipdb;
mod feodo;
mod greynoise;
pub mod provider;
mod threatfox;

#[cfg(test)]
mod tests;

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use futures::{StreamExt, stream};
use insight::behaviour::is_public;
use model::Micros;
use provider::{Answer, Gate, Provider, Verdict};
use serde_json::json;
use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use store::{At, IntelPart, IntelRow, Unasked};

/// What the operator says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub enabled: bool,
    /// Names of the providers to ask.
    pub providers: Vec<String>,
    pub greynoise_key: Option<String>,
    pub abuseipdb_key: Option<String>,
    pub threatfox_key: Option<String>,
    /// Asks here instead of the providers' own places, for tests.
    pub url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let providers = NAMES.iter().map(|name| (*name).to_owned()).collect();
        Self { enabled: true, providers, greynoise_key: None, abuseipdb_key: None, threatfox_key: None, url: None }
    }
}

/// Every provider there is.
pub const NAMES: &[&str] = &["abuseipdb", "feodo", "greynoise", "threatfox"];

static CONFIG: OnceLock<Config> = OnceLock::new();

/// Settles the configuration for this process, before the worker is started. The first call counts.
pub fn configure(config: Config) {
    let _already = CONFIG.set(config);
}

/// Sources asked about in one pass.
const SOURCES: i64 = 50;
/// Sources asked about at once.
const AT_ONCE: usize = 8;
/// How long an answer is good for: whole, with a provider missing, with all missing, and for those nobody is asked about.
const WHOLE: Duration = Duration::from_secs(24 * 3_600);
const PARTIAL: Duration = Duration::from_secs(3_600);
const FAILED: Duration = Duration::from_secs(300);
const HELD: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A provider and its gate.
struct Asked {
    provider: Box<dyn Provider>,
    gate: Gate,
}

impl Asked {
    async fn ask(&self, ip: IpAddr, now: Micros) -> (&'static str, Result<Answer, String>) {
        (self.provider.name(), self.gate.ask(&*self.provider, ip, now).await)
    }
}

/// The worker.
pub struct Enricher {
    asked: Vec<Arc<Asked>>,
    /// Why a provider that is wanted is not asked.
    left_out: Vec<String>,
    resumed: bool,
    said: String,
}

impl std::fmt::Debug for Enricher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enricher").field("providers", &self.asked.len()).field("left_out", &self.left_out).finish_non_exhaustive()
    }
}

impl Default for Enricher {
    fn default() -> Self {
        Self::new(CONFIG.get_or_init(Config::default))
    }
}

/// The providers that can be asked, and why others that are wanted cannot.
fn providers(config: &Config) -> (Vec<Box<dyn Provider>>, Vec<String>) {
    let (mut found, mut left_out) = (Vec::<Box<dyn Provider>>::new(), Vec::new());
    if !config.enabled {
        return (found, vec!["switched off".into()]);
    }
    let client = match provider::client() {
        Ok(client) => client,
        Err(why) => return (found, vec![format!("there is no way out: {why}")]),
    };
    let url = |own: &str| config.url.clone().unwrap_or_else(|| own.to_owned());
    for name in &config.providers {
        let client = client.clone();
        match (name.as_str(), &config.abuseipdb_key, &config.threatfox_key) {
            ("abuseipdb", Some(key), _) => {
                found.push(Box::new(abuseipdb::AbuseIpDb { client, url: url(abuseipdb::URL), key: key.clone() }))
            }
            ("threatfox", _, Some(key)) => {
                found.push(Box::new(threatfox::ThreatFox { client, url: url(threatfox::URL), key: key.clone() }))
            }
            ("abuseipdb" | "threatfox", _, _) => left_out.push(format!("{name} has no key")),
            ("feodo", _, _) => found.push(Box::new(feodo::Feodo::new(client, url(feodo::URL)))),
            ("greynoise", _, _) => {
                found.push(Box::new(greynoise::GreyNoise { client, url: url(greynoise::URL), key: config.greynoise_key.clone() }));
            }
            (other, _, _) => left_out.push(format!("there is no provider {other}")),
        }
    }
    (found, left_out)
}

impl Enricher {
    /// A worker that asks as `config` says.
    pub fn new(config: &Config) -> Self {
        let (found, left_out) = providers(config);
        let asked = found.into_iter().map(|provider| Arc::new(Asked { gate: Gate::new(provider.pace()), provider })).collect();
        Self { asked, left_out, resumed: false, said: String::new() }
    }

    /// Questions used up today by an earlier process count.
    async fn resume(&mut self, cx: &Cx) -> Result<(), Error> {
        if self.resumed {
            return Ok(());
        }
        for asked in &self.asked {
            let stored = cx.store.state(&format!("intel_used_{}", asked.provider.name())).await?;
            if let Some((day, used)) = stored.as_deref().and_then(|text| text.split_once(' ')) {
                asked.gate.resume((day.parse().unwrap_or(0), used.parse().unwrap_or(0)));
            }
        }
        self.resumed = true;
        Ok(())
    }
}

impl Worker for Enricher {
    const NAME: &'static str = "enrich";
    const WAKES_ON: &'static [&'static str] = &[bus::topics::ATTACKER_OBSERVED, bus::topics::ATTACKER_SCORED];
    const EVERY: Duration = Duration::from_secs(60);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let mut notes = self.left_out.clone();
        self.resume(cx).await?;
        let now = cx.now();
        let closed: Vec<String> =
            self.asked.iter().filter_map(|a| a.gate.closed(now).map(|why| format!("{}: {why}", a.provider.name()))).collect();
        let all_closed = closed.len() == self.asked.len();
        notes.extend(closed);
        self.said = if notes.is_empty() { String::new() } else { notes.join("; ") };
        if all_closed {
            return Ok(Pass::default());
        }
        let sources = cx.store.unasked(now, SOURCES).await?;
        let own = crate::sniffer::own_addresses();
        let full = i64::try_from(sources.len()).unwrap_or(SOURCES) >= SOURCES;
        let mut rounds = Vec::new();
        for source in &sources {
            rounds.push(round(cx, &self.asked, source, &own));
        }
        let mut done = 0;
        for result in stream::iter(rounds).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
            done += usize::from(result?);
        }
        for asked in &self.asked {
            let (day, used) = asked.gate.usage();
            cx.store.set_state(&format!("intel_used_{}", asked.provider.name()), &format!("{day} {used}")).await?;
        }
        Ok(Pass { done: done as u64, more: full && done > 0, lag: 0 })
    }

    fn says(&self) -> Option<String> {
        Some(self.said.clone())
    }
}

/// Asks everybody about one source; whether anybody answered.
async fn round(cx: &Cx, asked: &[Arc<Asked>], source: &Unasked, own: &HashSet<IpAddr>) -> Result<bool, Error> {
    let now = cx.now();
    let held_back = match source.ip.parse::<IpAddr>() {
        Err(_) => Some("not an address"),
        Ok(ip) if own.contains(&ip) => Some("an address of this host"),
        Ok(ip) if !is_public(ip) => Some("not an address of the internet"),
        Ok(_) => None,
    };
    let ip = match (source.ip.parse::<IpAddr>(), held_back) {
        (Ok(ip), None) => ip,
        (_, why) => {
            let row = IntelRow {
                attacker_uuid: source.attacker_uuid.clone(),
                held_back: why.map(str::to_owned),
                cached_at: At(now),
                expires_at: At(now.plus(HELD)),
                ..IntelRow::default()
            };
            cx.store.save_intel(&row).await?;
            return Ok(true);
        }
    };
    let before = cx.store.intel(&source.attacker_uuid).await?.unwrap_or_default();
    let mut questions = Vec::new();
    for one in asked {
        questions.push(one.ask(ip, now));
    }
    let answers = futures::future::join_all(questions).await;
    let mut parts = Vec::new();
    let mut answered = Vec::new();
    let mut missing = 0;
    for (name, answer) in answers {
        let kept = before
            .providers
            .iter()
            .find(|p| p.provider == name)
            .cloned()
            .unwrap_or_else(|| IntelPart { provider: name.to_owned(), ..IntelPart::default() });
        parts.push(match answer {
            Ok(answer) if answer.error.is_none() => {
                answered.push(name);
                IntelPart {
                    verdict: answer.verdict.map(|v| v.as_str().to_owned()),
                    fields: answer.fields,
                    error: None,
                    queried_at: Some(At(now)),
                    failed_at: None,
                    ..kept
                }
            }
            // What it said before still stands.
            Ok(answer) => {
                missing += 1;
                IntelPart { error: answer.error.map(|t| t.why), failed_at: Some(At(now)), ..kept }
            }
            Err(why) => {
                missing += 1;
                IntelPart { error: Some(why), failed_at: Some(At(now)), ..kept }
            }
        });
    }
    let good_for = match (answered.len(), missing) {
        (0, _) => FAILED,
        (_, 0) => WHOLE,
        _ => PARTIAL,
    };
    let row = IntelRow {
        attacker_uuid: source.attacker_uuid.clone(),
        // Nobody answered: the source still waits for its first, or next, answer.
        cached_at: if answered.is_empty() { before.cached_at } else { At(now) },
        expires_at: At(now.plus(good_for)),
        providers: parts,
        ..IntelRow::default()
    };
    cx.store.save_intel(&row).await?;
    if answered.is_empty() {
        return Ok(false);
    }
    let strongest = row.providers.iter().filter_map(|p| Verdict::find(p.verdict.as_deref()?)).max();
    let said = json!({
        "attacker_uuid": source.attacker_uuid,
        "attacker_ip": source.ip,
        "aggregate_verdict": strongest.map(Verdict::as_str),
        "providers": answered,
    });
    bus::unix::say(&cx.bus, bus::topics::ATTACKER_INTEL_ENRICHED, said).await;
    Ok(true)
}
