//! Writes what was seen to the spool, in order, whatever the disk does.
//!
//! What an answer depends on is written before the answer leaves ([`Scribe::write`]). What no answer depends on (that
//! somebody came and has not spoken yet, that somebody left) is written at once too while it is quiet; when much
//! happens it goes with the next write of anybody, at the latest [`LATEST`] after ([`Scribe::write_soon`]): under load one
//! write serves many conversations.

use model::{Envelope, Event, Id, Micros, Saw};
use parking_lot::Mutex;
use spool::Spool;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// How long an event that no answer depends on may wait for company.
pub const LATEST: Duration = Duration::from_millis(2);

/// Bytes of such events that do not wait any longer.
const MANY: usize = 64 * 1024;

/// Bytes that the events of a turn usually take.
const USUAL: usize = 1024;

/// The one way events leave the stage. While the spool cannot be written, events wait in memory in
/// their order; when that is full too, [`Scribe::room`] holds everybody until there is room again.
#[derive(Debug)]
pub struct Scribe {
    spool: Spool,
    /// What waits for company. Its lock is held while anything is written, so that a conversation's events stay in
    /// their order.
    late: Mutex<Late>,
    someone_late: Notify,
    backlog: Mutex<Backlog>,
    waiting: AtomicBool,
    /// Whether the trouble at hand was logged.
    said: AtomicBool,
    full: AtomicBool,
    room: Notify,
    written: AtomicU64,
    limit: usize,
}

#[derive(Debug, Default)]
struct Backlog {
    /// Encoded records of one turn each, with the number of events.
    turns: VecDeque<(Vec<u8>, u64)>,
    bytes: usize,
    events: u64,
}

/// What waits for company.
#[derive(Debug, Default)]
struct Late {
    page: Page,
    /// When anything was written last.
    wrote: Option<Instant>,
}

/// Events of one turn, already in the spool's form.
#[derive(Debug, Default)]
pub struct Page {
    records: Vec<u8>,
    events: u64,
}

impl Page {
    /// Adds an event at the end. One that is too large to be kept whole is left out with a log line.
    pub fn add(&mut self, event: &Event) {
        match Spool::encode(event, &mut self.records) {
            Ok(()) => self.events += 1,
            Err(e) => tracing::error!(decky = %event.decky, service = event.service, "an event could not be kept: {e}"),
        }
    }

    /// The same for one of many events that have `envelope` in common.
    pub fn add_in(&mut self, envelope: &Envelope, id: Id<Event>, at: Micros, saw: &Saw) {
        if self.records.is_empty() {
            self.records.reserve(USUAL);
        }
        match Spool::encode_in(envelope, id, at, saw, &mut self.records) {
            Ok(()) => self.events += 1,
            Err(e) => tracing::error!(%envelope, "an event could not be kept: {e}"),
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes over all events of `other`, behind its own.
    fn join(&mut self, other: &mut Self) {
        let other = std::mem::take(other);
        if self.is_empty() {
            *self = other;
        } else {
            self.records.extend_from_slice(&other.records);
            self.events += other.events;
        }
    }
}

impl Scribe {
    /// Writes to `spool`; up to `limit` bytes may wait in memory.
    pub fn new(spool: Spool, limit: usize) -> Self {
        Self {
            spool,
            late: Mutex::default(),
            someone_late: Notify::new(),
            backlog: Mutex::default(),
            waiting: AtomicBool::new(false),
            said: AtomicBool::new(false),
            full: AtomicBool::new(false),
            room: Notify::new(),
            written: AtomicU64::new(0),
            limit,
        }
    }

    /// Writes a page and empties it, after everything that waited for company. When this returns the events are in
    /// the spool or, if it cannot be written, in the queue for it.
    pub fn write(&self, page: &mut Page) {
        let mut late = self.late.lock();
        if late.page.is_empty() && page.is_empty() {
            return;
        }
        late.wrote = Some(Instant::now());
        if late.page.is_empty() {
            self.put(page);
        } else {
            late.page.join(page);
            self.put(&mut late.page);
        }
    }

    /// Takes a page that no answer depends on and empties it. It is written now if nothing was a moment ago, else with
    /// the next page of anybody, within [`LATEST`] if [`Scribe::keep_punctual`] runs.
    pub fn write_soon(&self, page: &mut Page) {
        if page.is_empty() {
            return;
        }
        let mut late = self.late.lock();
        let first = late.page.is_empty();
        late.page.join(page);
        let now = Instant::now();
        if late.page.records.len() > MANY || late.wrote.is_none_or(|at| now.duration_since(at) > LATEST) {
            late.wrote = Some(now);
            self.put(&mut late.page);
        } else if first {
            self.someone_late.notify_one();
        }
    }

    /// Writes what waited long enough, as long as the program runs.
    pub async fn keep_punctual(&self) {
        loop {
            self.someone_late.notified().await;
            tokio::time::sleep(LATEST).await;
            self.write(&mut Page::default());
        }
    }

    fn put(&self, page: &mut Page) {
        if page.is_empty() {
            return;
        }
        if !self.waiting.load(Ordering::Acquire) && self.append(page) {
            return;
        }
        let mut backlog = self.backlog.lock();
        // Whoever emptied the queue meanwhile has cleared the flag under this lock.
        if !self.waiting.load(Ordering::Acquire) {
            if self.append(page) {
                return;
            }
            self.waiting.store(true, Ordering::Release);
        }
        let page = std::mem::take(page);
        backlog.bytes += page.records.len();
        backlog.events += page.events;
        backlog.turns.push_back((page.records, page.events));
        if backlog.bytes >= self.limit && !self.full.swap(true, Ordering::AcqRel) {
            tracing::error!(events = backlog.events, "no room for more events: nothing new is taken in until the spool can be written");
        }
    }

    fn append(&self, page: &mut Page) -> bool {
        match self.spool.append_encoded(&page.records) {
            Ok(_) => {
                self.written.fetch_add(page.events, Ordering::Relaxed);
                // Idle conversations keep no buffers.
                *page = Page::default();
                self.said.store(false, Ordering::Relaxed);
                true
            }
            Err(e) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    tracing::error!("events wait in memory: {e}");
                }
                false
            }
        }
    }

    /// Returns when there is room for more: at once, unless the queue is full.
    pub async fn room(&self) {
        loop {
            let room = self.room.notified();
            if !self.full.load(Ordering::Acquire) {
                return;
            }
            room.await;
        }
    }

    /// Tries again what waits in memory, as long as the program runs.
    pub async fn keep_trying(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            if self.waiting.load(Ordering::Acquire) {
                self.retry();
            }
        }
    }

    /// Tries once to write what waits. `true`: nothing waits any more.
    pub fn retry(&self) -> bool {
        let mut backlog = self.backlog.lock();
        while let Some((records, events)) = backlog.turns.front() {
            if self.spool.append_encoded(records).is_err() {
                return false;
            }
            let (bytes, events) = (records.len(), *events);
            self.written.fetch_add(events, Ordering::Relaxed);
            backlog.bytes -= bytes;
            backlog.events -= events;
            backlog.turns.pop_front();
        }
        if self.waiting.swap(false, Ordering::AcqRel) {
            tracing::warn!("the spool can be written again; nothing was lost");
        }
        if self.full.swap(false, Ordering::AcqRel) {
            self.room.notify_waiters();
        }
        true
    }

    /// Brings everything to the disk, as far as possible.
    pub fn sync(&self) {
        self.write(&mut Page::default());
        self.retry();
        if let Err(e) = self.spool.sync() {
            tracing::error!("{e}");
        }
    }

    /// Events written since the start.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Events that wait in memory.
    pub fn waiting(&self) -> u64 {
        self.backlog.lock().events
    }
}
