//! Feodo Tracker: a list of botnet command servers, fetched once an hour and looked up here; no address is sent anywhere.

use super::provider::{Answer, Pace, Provider, Trouble, Verdict, fetch, json};
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// Where it is.
pub const URL: &str = "https://feodotracker.abuse.ch";
/// How old the list may be before it is fetched again, and before it is not believed any more.
const FRESH: Duration = Duration::from_secs(3_600);
const BELIEVED: Duration = Duration::from_secs(48 * 3_600);
/// Longest list, bytes.
const LONGEST: usize = 16 << 20;

/// The provider.
#[derive(Debug)]
pub struct Feodo {
    client: Client,
    url: String,
    list: Mutex<Option<List>>,
}

#[derive(Debug)]
struct List {
    at: Instant,
    servers: HashMap<IpAddr, Value>,
}

impl Feodo {
    /// Fetches nothing until it is asked.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url, list: Mutex::new(None) }
    }

    async fn fetch(&self) -> Result<List, Trouble> {
        let (status, body) = fetch(self.client.get(format!("{}/downloads/ipblocklist.json", self.url)), LONGEST).await?;
        let Value::Array(rows) = json(status, &body)? else { return Err(Trouble::new("the list is not a list")) };
        let servers = rows.into_iter().filter_map(|row| Some((row.get("ip_address")?.as_str()?.parse().ok()?, row))).collect();
        Ok(List { at: Instant::now(), servers })
    }
}

#[async_trait]
impl Provider for Feodo {
    fn name(&self) -> &'static str {
        "feodo"
    }

    fn pace(&self) -> Pace {
        Pace { at_once: 4, every: Duration::ZERO, a_day: u32::MAX }
    }

    async fn lookup(&self, ip: IpAddr) -> Answer {
        let mut held = self.list.lock().await;
        if held.as_ref().is_none_or(|list| list.at.elapsed() > FRESH) {
            match self.fetch().await {
                Ok(list) => *held = Some(list),
                Err(trouble) if held.as_ref().is_none_or(|list| list.at.elapsed() > BELIEVED) => return trouble.into(),
                // An old list is better than none; the answer says how old it is.
                Err(_) => {}
            }
        }
        let Some(list) = held.as_ref() else { return Trouble::new("there is no list").into() };
        let age = list.at.elapsed().as_secs();
        match list.servers.get(&ip) {
            Some(row) => {
                let field = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
                let fields = json!({
                    "listed": true, "malware": field("malware"), "port": field("port"), "status": field("status"),
                    "first_seen": field("first_seen"), "last_online": field("last_online"), "list_age_s": age,
                });
                Answer::of(Some(Verdict::Malicious), fields)
            }
            None => Answer::of(None, json!({ "listed": false, "list_age_s": age })),
        }
    }
}
