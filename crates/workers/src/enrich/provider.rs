//! What a provider is, how fast it may be asked, and what keeps it from being asked at all.

use async_trait::async_trait;
use model::Micros;
use parking_lot::Mutex;
use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use serde_json::{Map, Value};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// What somebody is said to be; the strongest of all providers wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Unknown,
    Benign,
    Suspicious,
    Malicious,
}

impl Verdict {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Benign => "benign",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }

    /// The verdict with this name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Unknown, Self::Benign, Self::Suspicious, Self::Malicious].into_iter().find(|v| v.as_str() == name)
    }
}

/// What a provider says of one address. Asking cannot fail outward: trouble is part of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// `None`: it says nothing of the address.
    pub verdict: Option<Verdict>,
    pub fields: Map<String, Value>,
    pub error: Option<Trouble>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    pub why: String,
    /// Nobody should ask again before this has passed; `None`: the usual backoff.
    pub wait: Option<Duration>,
}

impl Answer {
    /// An answer with fields of a JSON object.
    pub(super) fn of(verdict: Option<Verdict>, fields: Value) -> Self {
        let fields = if let Value::Object(map) = fields { map } else { Map::new() };
        Self { verdict, fields, error: None }
    }
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        Self { error: Some(trouble), ..Self::default() }
    }
}

impl Trouble {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), wait: None }
    }
}

/// A source of intelligence. To add one: a file with this, and a line in [`super::providers`].
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name, as stored.
    fn name(&self) -> &'static str;

    /// How fast it may be asked.
    fn pace(&self) -> Pace;

    /// Asks about one address.
    async fn lookup(&self, ip: IpAddr) -> Answer;
}

/// How fast a provider may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub at_once: usize,
    /// Least time between two questions.
    pub every: Duration,
    /// Most questions in a day (UTC).
    pub a_day: u32,
}

/// Keeps a provider's pace and remembers its trouble.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Pace,
    slots: Semaphore,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    next: Option<Instant>,
    day: i64,
    used: u32,
    resting_until: Option<Instant>,
    rest: Duration,
}

/// First and longest rest after trouble.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(3_600);

impl Gate {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, slots: Semaphore::new(pace.at_once.max(1)), state: Mutex::default() }
    }

    /// Whether it may be asked now: not resting and not used up.
    pub(super) fn closed(&self, now: Micros) -> Option<String> {
        let mut state = self.state.lock();
        state.begin_day(now);
        if let Some(until) = state.resting_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(format!("resting for {} s after trouble", left.as_secs() + 1));
            }
        }
        (state.used >= self.pace.a_day).then(|| format!("the {} questions of today are used up", self.pace.a_day))
    }

    /// Asks, at the pace; `Err` says why it was not asked.
    pub(super) async fn ask(&self, provider: &dyn Provider, ip: IpAddr, now: Micros) -> Result<Answer, String> {
        let Ok(_slot) = self.slots.acquire().await else { return Err("the provider is closed".into()) };
        if let Some(why) = self.closed(now) {
            return Err(why);
        }
        let wait = {
            let mut state = self.state.lock();
            state.used += 1;
            let next = state.next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            state.next = Some(next + self.pace.every);
            next
        };
        tokio::time::sleep_until(wait.into()).await;
        let answer = provider.lookup(ip).await;
        let mut state = self.state.lock();
        match &answer.error {
            None => (state.rest, state.resting_until) = (Duration::ZERO, None),
            Some(trouble) => {
                state.rest = (state.rest * 2).clamp(FIRST_REST, LONGEST_REST);
                let rest = trouble.wait.unwrap_or(state.rest).min(LONGEST_REST);
                state.resting_until = Some(Instant::now() + rest);
            }
        }
        Ok(answer)
    }

    /// Day and questions used, to be remembered over a restart.
    pub(super) fn usage(&self) -> (i64, u32) {
        let state = self.state.lock();
        (state.day, state.used)
    }

    /// Goes on from what was remembered.
    pub(super) fn resume(&self, (day, used): (i64, u32)) {
        let mut state = self.state.lock();
        (state.day, state.used) = (day, used);
    }
}

impl State {
    fn begin_day(&mut self, now: Micros) {
        let day = now.seconds().div_euclid(86_400);
        if day > self.day {
            (self.day, self.used) = (day, 0);
        }
    }
}

/// The user agent of a common tool: a provider, or whoever watches the wire to it, learns nothing of what asks.
const USER_AGENT: &str = "curl/7.88.1";

/// A client for third parties: follows no redirect, waits ten seconds at most, and names a common tool.
pub(super) fn client() -> Result<Client, String> {
    // Somebody else may have chosen already; any choice will do.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(5))
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())
}

/// Sends a question and reads the answer, at most `most` bytes of it.
pub(super) async fn fetch(request: RequestBuilder, most: usize) -> Result<(StatusCode, Vec<u8>), Trouble> {
    let mut response = request.header("accept", "*/*").send().await.map_err(|e| Trouble::new(reason(&e)))?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let named = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        return Err(Trouble { why: "too many questions (429)".into(), wait: named.map(Duration::from_secs) });
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| Trouble::new(reason(&e)))? {
        if body.len() + piece.len() > most {
            return Err(Trouble::new(format!("the answer is longer than {most} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

/// An answer that must be JSON with status 200.
pub(super) fn json(status: StatusCode, body: &[u8]) -> Result<Value, Trouble> {
    if status != StatusCode::OK {
        return Err(Trouble::new(format!("answered {}", status.as_u16())));
    }
    serde_json::from_slice(body).map_err(|error| Trouble::new(format!("the answer is not JSON: {error}")))
}

/// Without the address: it may hold a key.
fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the connection failed"
    };
    what.to_owned()
}
