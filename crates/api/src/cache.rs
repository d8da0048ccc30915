//! Answers that are encoded once. 500 dashboards that look at the same page cost one query.

use std::{
    collections::HashMap,
    future::Future,
    io::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Config, Problem};

/// What an answer is made from; each kind has a version that grows when the data changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Rows of the recorder.
    Logs,
    /// Rows of the profiler.
    Attackers,
    /// Counts: change with rows of either, and with time.
    Stats,
    /// Deckies.
    Fleet,
}

/// The question as far as the cache needs it.
#[derive(Debug)]
pub(crate) struct Ask {
    key: Box<str>,
    if_none_match: Option<HeaderValue>,
    gzip: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            key: parts.uri.path_and_query().map(|p| p.as_str()).unwrap_or_default().into(),
            if_none_match: parts.headers.get(header::IF_NONE_MATCH).cloned(),
            gzip: takes_gzip(&parts.headers),
        })
    }
}

/// Whether the client wants gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    codings.map(str::trim).any(|coding| match coding.split_once(';') {
        None => coding == "gzip",
        Some((name, weight)) => name.trim() == "gzip" && !matches!(weight.trim(), "q=0" | "q=0.0"),
    })
}

/// `bytes` in gzip; `level` 1 is fast, 9 is small.
pub(crate) fn gzip(bytes: &[u8], level: u32) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 4), flate2::Compression::new(level));
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    Bytes::from(encoder.finish().unwrap_or_default())
}

/// Strong validator of `bytes`.
pub(crate) fn etag(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let short = digest.get(..12).unwrap_or_default();
    HeaderValue::from_str(&format!("\"{}\"", hex::encode(short))).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether `If-None-Match` names `etag` (a gzip answer carries the same with `-gz`).
pub(crate) fn matches(if_none_match: Option<&HeaderValue>, etag: &HeaderValue) -> bool {
    let (Some(given), Ok(etag)) = (if_none_match.and_then(|v| v.to_str().ok()), etag.to_str()) else { return false };
    given.split(',').any(|one| {
        let one = one.trim().trim_start_matches("W/");
        one == "*" || one == etag || one.replace("-gz\"", "\"") == etag
    })
}

/// Bodies shorter than this are sent as they are.
const WORTH_GZIP: usize = 1024;
/// Shorter ones are sent as they are the first time: packing costs as much as finding the rows, and pays from the second.
const PACKED_AT_ONCE: usize = 64 * 1024;
/// Bodies longer than this are not kept.
const MOST_KEPT: usize = 2 * 1024 * 1024;
/// Different questions remembered at the same time.
const MOST_SLOTS: usize = 8_192;
/// A question that takes longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Answer {
    body: Bytes,
    gzip: OnceLock<Bytes>,
    /// Whether it was given out before.
    given: AtomicBool,
    etag: HeaderValue,
    version: u64,
    made: Instant,
}

#[derive(Debug, Default)]
struct Slot {
    ready: RwLock<Option<Arc<Answer>>>,
    making: tokio::sync::Mutex<()>,
}

/// All kept answers.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Mutex<HashMap<Box<str>, Arc<Slot>>>,
    bytes: AtomicU64,
    most: u64,
    calm: Duration,
    life: Duration,
    logs: AtomicU64,
    attackers: AtomicU64,
    fleet: AtomicU64,
}

impl Cache {
    /// An empty cache within the bounds of `config`.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            slots: Mutex::default(),
            bytes: AtomicU64::new(0),
            most: u64::try_from(config.cache_bytes).unwrap_or(u64::MAX),
            calm: config.cache_calm,
            life: config.cache_life,
            logs: AtomicU64::new(0),
            attackers: AtomicU64::new(0),
            fleet: AtomicU64::new(0),
        }
    }

    /// `data` changed.
    pub(crate) fn changed(&self, data: Data) {
        let counter = match data {
            Data::Logs | Data::Stats => &self.logs,
            Data::Attackers => &self.attackers,
            Data::Fleet => &self.fleet,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for data in [Data::Logs, Data::Attackers, Data::Fleet] {
            self.changed(data);
        }
        self.slots.lock().clear();
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn version(&self, data: Data) -> u64 {
        match data {
            Data::Logs => self.logs.load(Ordering::Relaxed),
            Data::Attackers => self.attackers.load(Ordering::Relaxed),
            Data::Stats => self.logs.load(Ordering::Relaxed).wrapping_add(self.attackers.load(Ordering::Relaxed)),
            Data::Fleet => self.fleet.load(Ordering::Relaxed),
        }
    }

    fn fresh(&self, answer: &Answer, data: Data) -> bool {
        let age = answer.made.elapsed();
        age < self.life && (age < self.calm || answer.version == self.version(data))
    }

    /// The kept answer, or a new one.
    pub(crate) async fn answer<T, E, F, Fut>(&self, ask: &Ask, data: Data, make: F) -> Result<Response, Problem>
    where
        T: Serialize,
        E: Into<Problem>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if self.life.is_zero() {
            let answer = self.make(data, make).await?;
            return Ok(respond(&answer, ask));
        }
        let slot = self.slot(&ask.key);
        if let Some(answer) = slot.ready.read().clone().filter(|a| self.fresh(a, data)) {
            return Ok(respond(&answer, ask));
        }
        let asked = Instant::now();
        let making = slot.making.lock().await;
        // Somebody may have made it while we waited.
        if let Some(answer) = slot.ready.read().clone().filter(|a| a.made >= asked || self.fresh(a, data)) {
            return Ok(respond(&answer, ask));
        }
        let answer = self.make(data, make).await?;
        if answer.body.len() <= MOST_KEPT {
            self.keep(&ask.key, &slot, &answer);
        }
        drop(making);
        Ok(respond(&answer, ask))
    }

    async fn make<T, E, F, Fut>(&self, data: Data, make: F) -> Result<Arc<Answer>, Problem>
    where
        T: Serialize,
        E: Into<Problem>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // The version is taken before reading: a change meanwhile makes the answer old, never wrong. `made`
        // too, so that who asked later than we began to read is not given what we read.
        let version = self.version(data);
        let made = Instant::now();
        let value = tokio::time::timeout(PATIENCE, make())
            .await
            .map_err(|_| Problem::unavailable("the database takes too long; narrow the question"))?
            .map_err(Into::into)?;
        let body = serde_json::to_vec(&value).map(Bytes::from).map_err(|e| Problem::internal(&e))?;
        Ok(Arc::new(Answer { etag: etag(&body), gzip: OnceLock::new(), given: AtomicBool::new(false), body, version, made }))
    }

    fn slot(&self, key: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST_SLOTS {
            slots.clear();
            self.bytes.store(0, Ordering::Relaxed);
        }
        let slot = Arc::new(Slot::default());
        slots.insert(key.into(), Arc::clone(&slot));
        slot
    }

    fn keep(&self, key: &str, slot: &Slot, answer: &Arc<Answer>) {
        let size = |answer: &Answer| u64::try_from(answer.body.len() + key.len() + 256).unwrap_or(u64::MAX);
        let old = slot.ready.write().replace(Arc::clone(answer));
        let added = size(answer).saturating_sub(old.map_or(0, |o| size(&o)));
        let total = self.bytes.fetch_add(added, Ordering::Relaxed).saturating_add(added);
        if total > self.most {
            self.make_room();
        }
    }

    fn make_room(&self) {
        let mut slots = self.slots.lock();
        let mut left = 0;
        slots.retain(|key, slot| {
            let young = slot.ready.read().as_ref().filter(|a| a.made.elapsed() < self.calm).map(|a| a.body.len() + key.len() + 256);
            left += young.unwrap_or(0);
            young.is_some() || Arc::strong_count(slot) > 1
        });
        if u64::try_from(left).unwrap_or(u64::MAX) > self.most / 2 {
            slots.clear();
            left = 0;
        }
        self.bytes.store(u64::try_from(left).unwrap_or(0), Ordering::Relaxed);
    }
}

fn respond(answer: &Answer, ask: &Ask) -> Response {
    let unchanged = matches(ask.if_none_match.as_ref(), &answer.etag);
    let is_again = answer.given.swap(true, Ordering::Relaxed);
    let zipped = ask.gzip && answer.body.len() >= WORTH_GZIP && (is_again || answer.body.len() >= PACKED_AT_ONCE);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else if zipped {
        answer.gzip.get_or_init(|| gzip(&answer.body, 1)).clone().into_response()
    } else {
        answer.body.clone().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::ETAG, answer.etag.clone());
    if !unchanged {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if zipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let tag = answer.etag.to_str().unwrap_or_default();
            let tag = format!("{}-gz\"", tag.trim_end_matches('"'));
            if let Ok(tag) = HeaderValue::from_str(&tag) {
                headers.insert(header::ETAG, tag);
            }
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn ask(key: &str) -> Ask {
        Ask { key: key.into(), if_none_match: None, gzip: false }
    }

    fn cache(calm_ms: u64, bytes: usize) -> Cache {
        Cache::new(&Config {
            cache_calm: Duration::from_millis(calm_ms),
            cache_life: Duration::from_secs(60),
            cache_bytes: bytes,
            ..Config::default()
        })
    }

    #[tokio::test]
    async fn the_same_question_is_answered_once_per_version() {
        let cache = cache(0, 1 << 20);
        let asked = AtomicUsize::new(0);
        let make = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Problem>("x")
        };
        for _ in 0..3 {
            cache.answer(&ask("/logs"), Data::Logs, make).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        cache.changed(Data::Attackers);
        cache.answer(&ask("/logs"), Data::Logs, make).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        cache.changed(Data::Logs);
        cache.answer(&ask("/logs"), Data::Logs, make).await.unwrap();
        cache.answer(&ask("/logs?a"), Data::Logs, make).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn those_who_ask_together_share_one_query_and_errors_are_not_kept() {
        let cache = cache(0, 1 << 20);
        let asked = AtomicUsize::new(0);
        let make = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Problem>("x")
        };
        let (a, b) = (ask("/a"), ask("/a"));
        let (one, two) = tokio::join!(cache.answer(&a, Data::Logs, make), cache.answer(&b, Data::Logs, make));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let bad = cache.answer(&ask("/b"), Data::Logs, || async { Err::<(), _>(Problem::not_found("x")) }).await;
        assert_eq!(bad.unwrap_err().status, 404);
        assert!(cache.answer(&ask("/b"), Data::Logs, make).await.is_ok());
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let cache = cache(0, 100_000);
        let long = "x".repeat(10_000);
        for n in 0..100 {
            cache.answer(&ask(&format!("/{n}")), Data::Logs, || async { Ok::<_, Problem>(&long) }).await.unwrap();
        }
        assert!(cache.slots.lock().len() <= 10);
    }

    #[test]
    fn validators_and_codings_are_read_as_http_says() {
        let tag = HeaderValue::from_static("\"abc\"");
        for given in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*", "\"abc-gz\""] {
            assert!(matches(Some(&HeaderValue::from_static(given)), &tag), "{given}");
        }
        assert!(!matches(Some(&HeaderValue::from_static("\"abd\"")), &tag));
        let headers = |v: &'static str| HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(v))]);
        assert!(takes_gzip(&headers("br, gzip")));
        assert!(takes_gzip(&headers("gzip;q=0.5")));
        assert!(!takes_gzip(&headers("br")));
        assert!(!takes_gzip(&headers("gzip;q=0")));
    }
}
