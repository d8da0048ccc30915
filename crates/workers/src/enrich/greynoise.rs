//! GreyNoise, community edition: who scans everybody. `404` means it never saw the address, which is an answer.

use super::provider::{Answer, Pace, Provider, Trouble, Verdict, fetch, json};
use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};

/// Where it is.
pub const URL: &str = "https://api.greynoise.io";

/// The provider. Works without a key, slowly.
#[derive(Debug)]
pub struct GreyNoise {
    pub client: Client,
    pub url: String,
    pub key: Option<String>,
}

#[async_trait]
impl Provider for GreyNoise {
    fn name(&self) -> &'static str {
        "greynoise"
    }

    fn pace(&self) -> Pace {
        Pace { at_once: 1, every: Duration::from_millis(1_500), a_day: if self.key.is_some() { 1_000 } else { 50 } }
    }

    async fn lookup(&self, ip: IpAddr) -> Answer {
        let mut request = self.client.get(format!("{}/v3/community/{ip}", self.url));
        if let Some(key) = &self.key {
            request = request.header("key", key);
        }
        match fetch(request, 1 << 20).await {
            Ok((StatusCode::NOT_FOUND, _)) => Answer::of(Some(Verdict::Unknown), json!({ "seen": false })),
            Ok((status, body)) => match json(status, &body) {
                Ok(said) => read(&said),
                Err(trouble) => trouble.into(),
            },
            Err(trouble) => trouble.into(),
        }
    }
}

fn read(said: &Value) -> Answer {
    let Some(class) = said.get("classification").and_then(Value::as_str) else {
        return Trouble::new("the answer names no classification").into();
    };
    let field = |name: &str| said.get(name).cloned().unwrap_or(Value::Null);
    let fields = json!({
        "seen": true, "classification": class, "name": field("name"), "noise": field("noise"), "riot": field("riot"),
        "last_seen": field("last_seen"), "link": field("link"),
    });
    Answer::of(Some(Verdict::find(class).unwrap_or(Verdict::Unknown)), fields)
}
