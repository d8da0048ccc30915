//! Where all streams meet: who sits here, and the frames that everybody is sent.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use store::LogRow;
use tokio::sync::{broadcast, watch};

use super::frame;
use crate::{Api, Config, Problem};

/// Frames that may wait for a slow stream before it has to resync.
const WAITING: usize = 256;
/// How old the counts may be that streams are told.
pub(super) const STATS_EVERY: Duration = Duration::from_secs(5);

/// What goes to every stream.
#[derive(Debug)]
pub(crate) enum Frame {
    /// New rows: encoded, and as rows if a stream filters.
    Logs { bytes: Bytes, first: i64, last: i64, rows: Option<Vec<LogRow>> },
    /// The numbering began anew.
    Reset { last: i64 },
    /// Anything else, encoded.
    Other(Bytes),
}

/// The middle of all streams.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Id of the last row that was sent or skipped; held while sending, so that a stream which joins knows
    /// exactly where the feed begins.
    at: Mutex<i64>,
    frames: broadcast::Sender<Arc<Frame>>,
    /// Grows when accounts or sessions changed: streams look whether they may stay.
    recheck: watch::Sender<u64>,
    seats: Arc<Mutex<HashMap<String, usize>>>,
    filtering: AtomicUsize,
    stats: tokio::sync::Mutex<Option<(Instant, Bytes)>>,
    sent: AtomicU64,
    resyncs: AtomicU64,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            at: Mutex::new(0),
            frames: broadcast::Sender::new(WAITING),
            recheck: watch::Sender::new(0),
            seats: Arc::default(),
            filtering: AtomicUsize::new(0),
            stats: tokio::sync::Mutex::default(),
            sent: AtomicU64::new(0),
            resyncs: AtomicU64::new(0),
        }
    }
}

/// A place at the stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    user: String,
    seats: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        if let Some(taken) = seats.get_mut(&self.user) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.user);
            }
        }
    }
}

impl Hub {
    /// A place for one more stream of `user`, or 429.
    pub(crate) fn seat(&self, user: &str, config: &Config) -> Result<Seat, Problem> {
        let mut seats = self.seats.lock();
        let all: usize = seats.values().sum();
        if all >= config.streams_in_all {
            return Err(Problem::unavailable("too many streams are open"));
        }
        let taken = seats.entry(user.to_owned()).or_default();
        if *taken >= config.streams_per_user {
            return Err(Problem::slow_down(format!("this account has {taken} streams open already; close one"), 5));
        }
        *taken += 1;
        Ok(Seat { user: user.to_owned(), seats: Arc::clone(&self.seats) })
    }

    /// The feed from now on, and the id of the last row before it.
    pub(crate) fn join(&self) -> (broadcast::Receiver<Arc<Frame>>, i64) {
        let at = self.at.lock();
        (self.frames.subscribe(), *at)
    }

    /// One stream more (or less) looks at rows itself.
    pub(crate) fn filters(&self, begins: bool) {
        if begins {
            self.filtering.fetch_add(1, Ordering::Relaxed);
        } else {
            self.filtering.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Every stream looks whether it may stay.
    pub(crate) fn recheck(&self) {
        self.recheck.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Told when [`Hub::recheck`] is called.
    pub(crate) fn rechecks(&self) -> watch::Receiver<u64> {
        self.recheck.subscribe()
    }

    /// A stream was too slow.
    pub(crate) fn lagged(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }

    /// The `stats` frame, at most [`STATS_EVERY`] old.
    pub(crate) async fn stats(&self, api: &Api) -> Option<Bytes> {
        let mut kept = self.stats.lock().await;
        if let Some((made, bytes)) = kept.as_ref().filter(|(made, _)| made.elapsed() < STATS_EVERY) {
            let _ = made;
            return Some(bytes.clone());
        }
        let stats = api.store().stats(api.now()).await.ok()?;
        let bytes = frame::event("stats", None, &stats);
        *kept = Some((Instant::now(), bytes.clone()));
        Some(bytes)
    }

    /// In Prometheus text.
    pub(crate) fn metrics(&self) -> String {
        let streams: usize = self.seats.lock().values().sum();
        format!(
            "# TYPE decnet_api_streams gauge\ndecnet_api_streams {streams}\n\
             # TYPE decnet_api_stream_rows_total counter\ndecnet_api_stream_rows_total {}\n\
             # TYPE decnet_api_stream_resyncs_total counter\ndecnet_api_stream_resyncs_total {}\n\
             # TYPE decnet_last_log_id gauge\ndecnet_last_log_id {}\n",
            self.sent.load(Ordering::Relaxed),
            self.resyncs.load(Ordering::Relaxed),
            *self.at.lock(),
        )
    }

    /// Whether there is a stream.
    pub(super) fn listened(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    /// Id of the last row that was sent or skipped.
    pub(super) fn at(&self) -> i64 {
        *self.at.lock()
    }

    pub(super) fn tell(&self, bytes: Bytes) {
        // Nobody listening is no error.
        let _ = self.frames.send(Arc::new(Frame::Other(bytes)));
    }

    /// Skips to `last` if nobody listens.
    pub(super) fn jump(&self, last: i64) -> bool {
        let mut at = self.at.lock();
        if self.frames.receiver_count() > 0 {
            return false;
        }
        *at = last;
        true
    }

    pub(super) fn send(&self, rows: Vec<LogRow>) {
        let (Some(first), Some(last)) = (rows.first().map(|row| row.id), rows.last().map(|row| row.id)) else { return };
        self.sent.fetch_add(u64::try_from(rows.len()).unwrap_or(0), Ordering::Relaxed);
        let bytes = frame::logs(last, &rows);
        let rows = (self.filtering.load(Ordering::Relaxed) > 0).then_some(rows);
        let mut at = self.at.lock();
        let _ = self.frames.send(Arc::new(Frame::Logs { bytes, first, last, rows }));
        *at = last;
    }

    /// Skips to `last`, and says so.
    pub(super) fn reset(&self, last: i64) {
        let mut at = self.at.lock();
        let _ = self.frames.send(Arc::new(Frame::Reset { last }));
        *at = last;
    }
}
