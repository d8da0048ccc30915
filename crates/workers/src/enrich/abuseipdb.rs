//! AbuseIPDB: what others reported. Needs a key.

use super::provider::{Answer, Pace, Provider, Trouble, Verdict, fetch, json};
use async_trait::async_trait;
use reqwest::Client;
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};

/// Where it is.
pub const URL: &str = "https://api.abuseipdb.com";

/// The provider.
#[derive(Debug)]
pub struct AbuseIpDb {
    pub client: Client,
    pub url: String,
    pub key: String,
}

#[async_trait]
impl Provider for AbuseIpDb {
    fn name(&self) -> &'static str {
        "abuseipdb"
    }

    fn pace(&self) -> Pace {
        Pace { at_once: 4, every: Duration::from_millis(500), a_day: 1_000 }
    }

    async fn lookup(&self, ip: IpAddr) -> Answer {
        let ip = ip.to_string();
        let request = self.client.get(format!("{}/api/v2/check", self.url)).query(&[("ipAddress", ip.as_str()), ("maxAgeInDays", "30")]);
        let asked = fetch(request.header("Key", &self.key), 1 << 20).await;
        match asked.and_then(|(status, body)| json(status, &body)) {
            Ok(said) => read(&said),
            Err(trouble) => trouble.into(),
        }
    }
}

/// 75 and more is malicious, 25 and more suspicious.
fn read(said: &Value) -> Answer {
    let data = said.get("data").unwrap_or(&Value::Null);
    let Some(score) = data.get("abuseConfidenceScore").and_then(Value::as_i64) else {
        return Trouble::new("the answer names no score").into();
    };
    let verdict = match score {
        75.. => Verdict::Malicious,
        25..75 => Verdict::Suspicious,
        _ => Verdict::Benign,
    };
    let field = |name: &str| data.get(name).cloned().unwrap_or(Value::Null);
    let fields = json!({
        "score": score, "reports": field("totalReports"), "last_reported": field("lastReportedAt"), "country": field("countryCode"),
        "usage": field("usageType"), "isp": field("isp"), "domain": field("domain"), "tor": field("isTor"),
    });
    Answer::of(Some(verdict), fields)
}
