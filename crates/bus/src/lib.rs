//! Publish and subscribe: says THAT something changed, never what. The store is the truth, so a lost
//! message costs latency and never data.
//!
//! Never here: a queue that must not lose, a decision, SQL. Subjects are dot-separated tokens; in a
//! pattern `*` is exactly one token and `>` one or more at the end (as NATS has it).
//! Start reading at [`Bus`], then `memory.rs` (one process) and `unix.rs` (one host).
//! To add a subject: one constant in [`topics`].

pub mod keys;
mod memory;
pub mod registry;
pub mod subject;
pub mod topics;
pub mod unix;

use model::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub subject: String,
    /// When it was published.
    pub at: Micros,
    /// Unique within a publisher's run: `<pid>-<counter>`.
    pub id: String,
    pub payload: Value,
}

/// What can go wrong. Callers on a data path log it and go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A subject or pattern with empty tokens, blanks or misplaced wildcards, or longer than 256 bytes.
    #[error("{subject:?} is not a subject: tokens are separated by single dots, without blanks; '*' and '>' only in patterns")]
    BadSubject { subject: String },
    /// A payload over [`unix::MAX_FRAME`].
    #[error("message on {subject} has {bytes} bytes, more than a frame holds")]
    TooLarge { subject: String, bytes: usize },
    /// The socket cannot be bound or reached.
    #[error("bus socket {path}: {source}")]
    Socket { path: PathBuf, source: io::Error },
    /// The connection is down; it is being made again.
    #[error("the bus is away")]
    Away,
}

/// The bus. Cheap to clone; all clones are the same bus.
#[derive(Clone, Debug)]
pub struct Bus(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Memory(Arc<memory::Hub>),
    Unix(unix::Client),
}

impl Bus {
    /// A bus within this process.
    pub fn memory() -> Self {
        Self(Kind::Memory(Arc::new(memory::Hub::default())))
    }

    /// Joins the bus that another process serves at `path` under the name of a worker. Returns at once;
    /// the connection is made and kept in the background, and subscriptions survive its loss.
    pub fn join(path: &Path, name: &str) -> Self {
        Self(Kind::Unix(unix::Client::start(path.to_owned(), name.to_owned(), None)))
    }

    /// As [`Bus::join`], showing that the name is this process's own.
    pub fn join_with(path: &Path, name: &str, key: keys::Key) -> Self {
        Self(Kind::Unix(unix::Client::start(path.to_owned(), name.to_owned(), Some(key))))
    }

    /// Says something to everybody who listens, this process included.
    pub async fn publish(&self, subject: &str, payload: Value) -> Result<(), Error> {
        if !subject::is_subject(subject) {
            return Err(Error::BadSubject { subject: subject.to_owned() });
        }
        match &self.0 {
            Kind::Memory(hub) => {
                hub.publish(subject, payload);
                Ok(())
            }
            Kind::Unix(client) => client.publish(subject, payload),
        }
    }

    /// Listens to all subjects that fit `pattern` from now on.
    pub async fn subscribe(&self, pattern: &str) -> Result<Subscription, Error> {
        if !subject::is_pattern(pattern) {
            return Err(Error::BadSubject { subject: pattern.to_owned() });
        }
        Ok(match &self.0 {
            Kind::Memory(hub) => hub.subscribe(pattern),
            Kind::Unix(client) => client.subscribe(pattern).await,
        })
    }

    /// Whether messages reach others now. Always true within one process.
    pub fn connected(&self) -> bool {
        match &self.0 {
            Kind::Memory(_) => true,
            Kind::Unix(client) => client.connected(),
        }
    }

    pub(crate) fn hub(&self) -> Option<Arc<memory::Hub>> {
        match &self.0 {
            Kind::Memory(hub) => Some(Arc::clone(hub)),
            Kind::Unix(client) => Some(client.hub()),
        }
    }
}

/// A stream of messages. Holds at most [`Subscription::DEPTH`]; past that the newest are dropped and
/// counted, since a reader that far behind looks into the store anyway.
#[derive(Debug)]
pub struct Subscription {
    receiver: tokio::sync::mpsc::Receiver<Arc<Message>>,
    dropped: Arc<std::sync::atomic::AtomicU64>,
    /// Kept so that the hub forgets the pattern when the last reader goes.
    _alive: Arc<()>,
}

impl Subscription {
    /// Messages held for a slow reader.
    pub const DEPTH: usize = 1024;

    /// The next message; `None` once the bus is gone.
    pub async fn next(&mut self) -> Option<Arc<Message>> {
        self.receiver.recv().await
    }

    /// A message if one is waiting.
    pub fn try_next(&mut self) -> Option<Arc<Message>> {
        self.receiver.try_recv().ok()
    }

    /// How many messages were dropped because this reader was slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(std::sync::atomic::Ordering::Relaxed)
    }
}
