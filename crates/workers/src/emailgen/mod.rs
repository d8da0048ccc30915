//! Keeps the mail of the company going: delivers what its people wrote since the last look into every mail decky.
//!
//! What is written follows from a seed, the people and the clock ([`lures::Office`]), so a pass that is cut short is
//! simply done again: files that are there already are left alone. A mail decky that is new begins with [`HISTORY`] of
//! mail. When the people change, threads begun before the change end; nothing is rewritten.

mod deliver;
mod pool;

use bus::topics;
use lures::{Office, Person, hours};
use model::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use store::{At, DeckySource, OrchestratorEventRow, RunningDecky};
use tracing::{debug, info, warn};

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
pub use deliver::{Failed, deliver, people};
pub use pool::{Pool, read_pool};

/// How much mail a decky has when it is first seen.
pub const HISTORY: Duration = Duration::from_secs(56 * 86_400);
/// Most new mails that get a row of their own in one pass; of history only the sum is told.
const TOLD: usize = 50;
/// Rows that are kept for each decky.
const KEPT: i64 = 5000;

/// Where things are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// State directory of the players: mail goes below it (see `docs/life.md`).
    pub state: PathBuf,
    /// File with this worker's own memory.
    pub memory: PathBuf,
    /// The pool of personas.
    pub pool: PathBuf,
}

impl Settings {
    /// The usual places beside the spools; `env` reads the environment.
    pub fn beside(spools: &Path, env: impl Fn(&str) -> Option<String>) -> Self {
        let data = spools.parent().unwrap_or(spools);
        let home = env("HOME").map(PathBuf::from);
        let pool = lures::pool::path(env("DECNET_EMAILGEN_PERSONAS").as_deref(), home.as_deref(), Path::exists);
        Self { state: data.join("memory"), memory: data.join("emailgen.json"), pool }
    }
}

/// What the worker remembers between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// 32 random bytes as hex; the mail of the deployment follows from them.
    seed: String,
    /// By pool (`pool` or a topology's id): who the people were and since which day their threads count.
    eras: BTreeMap<String, Era>,
    /// By decky: up to when mail was delivered.
    delivered: BTreeMap<String, Micros>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Era {
    roster: String,
    since: i64,
}

/// The worker.
#[derive(Debug)]
pub struct Emailgen {
    settings: Settings,
    pool: Pool,
    quiet: Option<String>,
}

impl Emailgen {
    /// With these places.
    pub fn new(settings: Settings) -> Self {
        let pool = Pool::new(settings.pool.clone());
        Self { settings, pool, quiet: None }
    }

    fn remember(&self) -> Memory {
        let mut memory: Memory =
            std::fs::read(&self.settings.memory).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        if memory.seed.len() != 64 {
            memory.seed = rand::random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect();
        }
        memory
    }

    /// Says once why nothing is done.
    fn idle(&mut self, why: String) {
        if self.quiet.as_ref() != Some(&why) {
            info!("{why}");
            self.quiet = Some(why);
        }
    }
}

impl Worker for Emailgen {
    const NAME: &'static str = "emailgen";
    const WAKES_ON: &'static [&'static str] = &[topics::ALL_DECKY_STATES];
    const EVERY: Duration = Duration::from_secs(60);

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        let running = cx.store.list_running_deckies().await?;
        let mail: Vec<&RunningDecky> = running.iter().filter(|d| d.services.iter().any(|s| s == "imap" || s == "pop3")).collect();
        let here: Vec<&RunningDecky> = mail.iter().copied().filter(|d| d.source != DeckySource::Shard).collect();
        let count = |source| running.iter().filter(|d| d.source == source).count();
        let sum = format!(
            "running={} mail={} here={} fleet={} shard={} topology={}",
            running.len(),
            mail.len(),
            here.len(),
            count(DeckySource::Fleet),
            count(DeckySource::Shard),
            count(DeckySource::Topology)
        );
        if here.is_empty() {
            self.idle(format!("no mail decky of this host is running: {sum}"));
            return Ok(Pass::did(0));
        }
        let now = cx.now();
        let mut memory = self.remember();
        let before = memory.clone();
        let mut done = 0;
        let pool = self.pool.people();
        let topologies = if here.iter().any(|d| d.topology_id.is_some()) { cx.store.topologies().await? } else { Vec::new() };
        for decky in here {
            let (key, people, language) = match &decky.topology_id {
                Some(id) => {
                    let Some(topology) = topologies.iter().find(|t| t.id == *id) else { continue };
                    let people = lures::check_personas(&Value::Array(topology.email_personas.clone())).unwrap_or_default();
                    (id.clone(), people, topology.language_default.clone())
                }
                None => ("pool".to_owned(), pool.clone(), "en".to_owned()),
            };
            if people.len() < 2 {
                self.idle(format!("fewer than two personas for {}; its mail is made up from its own seed: {sum}", decky.name));
                continue;
            }
            self.quiet = None;
            let office = office(&memory.seed, &key, decky, &people, &language);
            let roster = roster(&people);
            let today = hours::day_of(now, office.zone());
            let weeks = i64::try_from(HISTORY.as_secs() / 86_400).unwrap_or(56);
            let era = memory.eras.entry(key).or_insert_with(|| Era { roster: roster.clone(), since: today - weeks });
            if era.roster != roster {
                info!(decky = decky.id, "the personas changed: threads begun before today end");
                *era = Era { roster, since: today };
            }
            let since = era.since;
            let start = Micros(now.0 - i64::try_from(HISTORY.as_micros()).unwrap_or(0));
            let from = memory.delivered.get(&decky.id).copied().unwrap_or(start).max(start);
            let mails = office.between(from, now, since);
            match self.put(cx, decky, &office, &memory.seed, &mails).await {
                Ok(count) => {
                    done += count;
                    memory.delivered.insert(decky.id.clone(), now.max(from));
                }
                Err(failed) => {
                    warn!(decky = decky.id, %failed, "mail could not be delivered; it is tried again");
                    let row = event(decky, now, "email:deliver", false, json!({ "error": failed.to_string() }));
                    cx.store.add_orchestrator_events(std::slice::from_ref(&row)).await?;
                }
            }
        }
        if memory != before {
            keep(&self.settings.memory, &memory);
        }
        debug!(done, "{sum}");
        Ok(Pass::did(done))
    }
}

impl Emailgen {
    async fn put(&self, cx: &Cx, decky: &RunningDecky, office: &Office, seed: &str, mails: &[lures::Mail]) -> Result<usize, Failed> {
        let spool = spool(&self.settings.state, &decky.id);
        people(&spool, &logins(seed, office.people()))?;
        let mut rows = Vec::new();
        let mut count = 0;
        for mail in mails {
            let Some(path) = deliver(&spool, mail)? else { continue };
            count += 1;
            if mails.len() <= TOLD {
                let at = Micros(mail.date.timestamp().as_microsecond());
                rows.push(event(decky, at, "email:send", true, told(mail, &path)));
            }
        }
        if count > 0 && mails.len() > TOLD {
            let payload = json!({ "mails": count, "from": mails.first().map(|m| m.date.to_string()), "to": mails.last().map(|m| m.date.to_string()) });
            rows.push(event(decky, cx.now(), "email:history", true, payload));
        }
        if !rows.is_empty() {
            // The mail is there whether or not the row can be written.
            if let Err(error) = cx.store.add_orchestrator_events(&rows).await {
                warn!(%error, "what was delivered is not in the table");
            } else if let Err(error) = cx.store.prune_orchestrator_events(&decky.id, KEPT).await {
                warn!(%error, "old rows were not pruned");
            }
            info!(decky = decky.id, count, "mail delivered");
        }
        Ok(count)
    }
}

/// The spool of a decky. The native and loopback runtimes have no file system of their own for a decky: what lies at
/// `/var/spool/decnet-emails` is read by its player from here.
pub fn spool(state: &Path, decky: &str) -> PathBuf {
    let safe: String = decky.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect();
    state.join("mail").join(safe).join("var/spool/decnet-emails")
}

/// The office a decky's mail comes from.
fn office(seed: &str, key: &str, decky: &RunningDecky, people: &[Person], language: &str) -> Office {
    let text = |name: &str| decky.decky_config.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let domain = most_common(people.iter().map(Person::domain)).unwrap_or("localdomain").to_owned();
    let name = text("hostname").map_or_else(|| "mail".to_owned(), str::to_owned);
    let host = if name.contains('.') { name } else { format!("{name}.{}", text("domain").unwrap_or(&domain)) };
    let company = text("company").map_or_else(|| capital(domain.split('.').next().unwrap_or("Company")), str::to_owned);
    let zone = text("timezone").or_else(|| most_common(people.iter().filter_map(|p| p.timezone.as_deref()))).unwrap_or("UTC");
    let ip = decky.ip.as_deref().and_then(|ip| ip.parse().ok());
    Office::new(format!("{seed}/{key}").as_bytes(), &company, &host, ip, language, zone, people.to_vec())
}

fn most_common<'a>(all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name))).map(|(name, _)| name)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn roster(people: &[Person]) -> String {
    let json = serde_json::to_vec(people).unwrap_or_default();
    Sha256::digest(json).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Mail logins: what stands before the `@`, and a password a person might choose, the same for ever.
fn logins(seed: &str, people: &[Person]) -> BTreeMap<String, String> {
    const WORDS: &[&str] =
        &["Spring", "Summer", "Autumn", "Winter", "Monday", "Coffee", "Garden", "Bicycle", "Orange", "Holiday", "Football", "Guitar"];
    people
        .iter()
        .map(|p| {
            let mut dice = lures::Dice::of(seed.as_bytes(), &["login", &p.email.to_lowercase()]);
            let mark = dice.word(&["", "!", ".", "#"]);
            (p.local_part().to_lowercase(), format!("{}{}{mark}", dice.word(WORDS), dice.between(10, 2099)))
        })
        .collect()
}

fn told(mail: &lures::Mail, path: &str) -> Value {
    json!({
        "subject": mail.subject,
        "sender_email": mail.from.email,
        "recipient_email": mail.to.first().map(|a| a.email.as_str()),
        "language": mail.language,
        "thread_id": mail.thread,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "eml_path": path,
    })
}

fn event(decky: &RunningDecky, at: Micros, action: &str, success: bool, payload: Value) -> OrchestratorEventRow {
    let id = payload.get("message_id").and_then(Value::as_str).map_or_else(|| format!("{}{action}", at.0), str::to_owned);
    let digest = Sha256::digest(format!("{}\0{id}", decky.id));
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    let cut = |a: usize, b: usize| hex.get(a..b).unwrap_or_default();
    let payload = match payload {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    OrchestratorEventRow {
        uuid: format!("{}-{}-5{}-8{}-{}", cut(0, 8), cut(8, 12), cut(13, 16), cut(17, 20), cut(20, 32)),
        ts: At(at),
        kind: "email".into(),
        protocol: "smtp".into(),
        action: action.into(),
        src_decky_uuid: None,
        dst_decky_uuid: decky.id.clone(),
        success,
        payload,
    }
}

fn keep(path: &Path, memory: &Memory) {
    let new = path.with_extension("new");
    let bytes = serde_json::to_vec_pretty(memory).unwrap_or_default();
    let written = deliver::write_private(&new, &bytes).and_then(|()| std::fs::rename(&new, path));
    if let Err(error) = written {
        warn!(%error, path = %path.display(), "what was delivered could not be remembered; it is looked at again");
    }
}

#[cfg(test)]
mod tests;
