//! Reads a spool one batch ahead of the store: while one batch is being written, the next is read and turned into rows
//! on another thread. Only a spool that holds more than one batch is read ahead, so what just came in never waits.

use super::{BYTES, EVENTS, rows};
use spool::{Error, Follower};
use std::{mem, sync::Arc};
use store::{Batch, Position};
use tokio::task::{JoinHandle, spawn_blocking};

/// A batch as rows.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) rows: Arc<Batch>,
    pub(super) from: spool::Position,
    pub(super) to: spool::Position,
    /// Damaged bytes that were left out.
    pub(super) skipped: u64,
    /// Whether the spool seems to hold more.
    pub(super) more: bool,
}

/// One spool's reader.
#[derive(Debug)]
pub(super) struct Reader {
    name: Arc<str>,
    at: spool::Position,
    state: State,
}

#[derive(Debug)]
enum State {
    Here(Follower),
    /// Reading ahead.
    Away(JoinHandle<(Follower, Result<Read, Error>)>),
    /// It panicked or was given up in the middle; the spool has to be opened anew.
    Lost,
}

impl Reader {
    pub(super) fn new(name: String, follower: Follower) -> Self {
        Self { name: name.into(), at: follower.position(), state: State::Here(follower) }
    }

    /// Where the batch that was last given out ends.
    pub(super) fn position(&self) -> spool::Position {
        self.at
    }

    /// The next batch. If there is more behind it, that is begun to be read before this returns.
    pub(super) async fn next(&mut self) -> Result<Read, Error> {
        let reading = match mem::replace(&mut self.state, State::Lost) {
            State::Here(follower) => self.begin(follower),
            State::Away(reading) => reading,
            State::Lost => return Err(lost()),
        };
        let (follower, read) = reading.await.map_err(|_| lost())?;
        let read = read?;
        self.at = read.to;
        self.state = if read.more { State::Away(self.begin(follower)) } else { State::Here(follower) };
        Ok(read)
    }

    fn begin(&self, mut follower: Follower) -> JoinHandle<(Follower, Result<Read, Error>)> {
        let name = Arc::clone(&self.name);
        spawn_blocking(move || {
            let read = follower.next_batch(EVENTS, BYTES).map(|batch| read(&name, &batch));
            (follower, read)
        })
    }
}

fn read(name: &str, batch: &spool::Batch) -> Read {
    let stand = |p: spool::Position| Position { segment: p.segment, offset: p.offset };
    let full =
        batch.events.len() >= EVENTS || batch.from.segment != batch.to.segment || batch.to.offset - batch.from.offset >= BYTES as u64;
    Read {
        rows: Arc::new(rows::batch(name, stand(batch.from), stand(batch.to), &batch.events)),
        from: batch.from,
        to: batch.to,
        skipped: batch.skipped,
        more: full && batch.from != batch.to,
    }
}

fn lost() -> Error {
    let why = std::io::Error::other("the reader ended in the middle of a batch");
    Error::Io { doing: "read", path: std::path::PathBuf::new(), source: why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{DeckyId, Event, Id, Micros, Saw};

    fn event(n: u64) -> Event {
        Event {
            id: Id::at(Micros(1_700_000_000_000_000), [u8::try_from(n % 251).unwrap(); 10]),
            at: Micros(1_700_000_000_000_000 + i64::try_from(n).unwrap()),
            decky: DeckyId::local("web-01"),
            service: "ssh".into(),
            session: None,
            source: None,
            local: None,
            saw: Saw::Connect { syn: None },
        }
    }

    /// Batches follow each other without a gap, whether they were read ahead or not.
    #[tokio::test]
    async fn nothing_is_left_out_between_batches() {
        let dir = tempfile::tempdir().unwrap();
        let spool = spool::Spool::open(dir.path(), spool::Options::default()).unwrap();
        let count = EVENTS as u64 * 2 + 10;
        let events: Vec<Event> = (0..count).map(event).collect();
        for some in events.chunks(1_000) {
            spool.append(some).unwrap();
        }
        let mut reader = Reader::new("one".into(), Follower::open(dir.path(), spool::Position::default()).unwrap());
        let (mut seen, mut at) = (0, None);
        loop {
            let read = reader.next().await.unwrap();
            assert!(at.is_none_or(|at| at == read.from));
            assert_eq!(reader.position(), read.to);
            at = Some(read.to);
            for log in &read.rows.logs {
                assert_eq!(log.at.0, 1_700_000_000_000_000 + seen);
                seen += 1;
            }
            if !read.more {
                break;
            }
        }
        assert_eq!(seen, i64::try_from(count).unwrap());
        spool.append(&[event(7)]).unwrap();
        assert_eq!(reader.next().await.unwrap().rows.logs.len(), 1);
        assert!(reader.next().await.unwrap().rows.logs.is_empty());
    }
}
