//! ThreatFox: indicators that analysts share. No result says nothing, neither good nor bad. Needs a key.

use super::provider::{Answer, Pace, Provider, Trouble, Verdict, fetch, json};
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::IpAddr, time::Duration};

/// Where it is.
pub const URL: &str = "https://threatfox-api.abuse.ch";

/// The provider.
#[derive(Debug)]
pub struct ThreatFox {
    pub client: Client,
    pub url: String,
    pub key: String,
}

#[async_trait]
impl Provider for ThreatFox {
    fn name(&self) -> &'static str {
        "threatfox"
    }

    fn pace(&self) -> Pace {
        Pace { at_once: 4, every: Duration::from_millis(500), a_day: 2_000 }
    }

    async fn lookup(&self, ip: IpAddr) -> Answer {
        let question = json!({ "query": "search_ioc", "search_term": ip.to_string() });
        let request = self.client.post(format!("{}/api/v1/", self.url)).header("Auth-Key", &self.key).json(&question);
        match fetch(request, 4 << 20).await.and_then(|(status, body)| json(status, &body)) {
            Ok(said) => read(&said),
            Err(trouble) => trouble.into(),
        }
    }
}

fn read(said: &Value) -> Answer {
    let rows = said.get("data").and_then(Value::as_array);
    match (said.get("query_status").and_then(Value::as_str), rows) {
        (Some("ok"), Some(rows)) if !rows.is_empty() => {
            let all = |name: &str| {
                let found: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(name)?.as_str()).collect();
                found.into_iter().take(16).collect::<Vec<_>>()
            };
            let fields = json!({
                "listed": true, "indicators": rows.len(), "malware": all("malware_printable"), "threat_types": all("threat_type"), "ioc_types": all("ioc_type"),
            });
            Answer::of(Some(Verdict::Malicious), fields)
        }
        (Some("no_result" | "ok"), _) => Answer::of(None, json!({ "listed": false })),
        (Some(other), _) => Trouble::new(format!("answered {:?}", other.chars().take(64).collect::<String>())).into(),
        (None, _) => Trouble::new("the answer names no status").into(),
    }
}
