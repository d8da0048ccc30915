//! The reading side.

use model::Event;
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{
    Error, Position, Watch,
    record::{self, Front, HEADER},
    segment_path, segments,
};

/// Events in the order they were appended.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub events: Vec<Event>,
    /// Where reading began.
    pub from: Position,
    /// Where to go on; keep it in the same transaction as what the events became.
    pub to: Position,
    /// Bytes that were damaged and had to be left out.
    pub skipped: u64,
}

impl Batch {
    /// Nothing was read and nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }
}

/// Reads a spool while it is being written, in this or another process.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    at: Position,
    file: Option<File>,
    buffer: Buffer,
    watch: Option<Watch>,
    /// Segment and its length when nothing more could be read.
    exhausted: Option<(u64, u64)>,
    skipped: u64,
}

/// What was read ahead of a file: `bytes[start..]` stand at `offset` in it.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    offset: u64,
}

/// Bytes read ahead at a time.
const AHEAD: usize = 256 * 1024;

/// What stands next in a segment.
enum Next {
    /// A record of this many bytes with its header, at the front of the buffer.
    Record(usize),
    /// This many damaged bytes before the next good record, or before the end of a closed segment.
    Skip(u64),
    /// Nothing whole as yet.
    End,
}

impl Follower {
    /// Follows the spool in `dir` from `at` on. A segment that is gone already is passed over.
    pub fn open(dir: impl AsRef<Path>, at: Position) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        segments(&dir)?;
        Ok(Self { dir, at, file: None, buffer: Buffer::default(), watch: None, exhausted: None, skipped: 0 })
    }

    /// Reads up to `max_events` events or about `max_bytes` bytes (at least one event, if there is one).
    /// Returns at once: [`Batch::is_empty`] if there is nothing new.
    pub fn next_batch(&mut self, max_events: usize, max_bytes: usize) -> Result<Batch, Error> {
        let mut batch = Batch { from: self.at, to: self.at, ..Batch::default() };
        let mut bytes = 0;
        while batch.events.len() < max_events && (bytes < max_bytes || batch.events.is_empty()) {
            // Asked before the end is looked for: what stands in a segment is final once there is a later one.
            let later = if self.file.is_none() || self.buffer.is_used_up() { self.later()? } else { None };
            if self.file.is_none() && !self.enter(later)? {
                break;
            }
            match self.next(later.is_some())? {
                Next::Record(length) => {
                    let payload = self.buffer.front().get(HEADER..length).unwrap_or_default();
                    match serde_json::from_slice::<Event>(payload) {
                        Ok(event) => batch.events.push(event),
                        Err(e) => {
                            tracing::warn!(dir = %self.dir.display(), at = %self.at, bytes = length, "left out a spool record that is no event: {e}");
                            batch.skipped += length as u64;
                        }
                    }
                    bytes += length;
                    self.pass(length as u64);
                }
                Next::Skip(length) => {
                    tracing::warn!(dir = %self.dir.display(), at = %self.at, bytes = length, "left out damaged bytes of a spool segment");
                    batch.skipped += length;
                    self.pass(length);
                }
                Next::End => match if later.is_some() { later } else { self.later()? } {
                    // A later segment came up while looking: look at the end once more, then move on.
                    Some(_) if later.is_none() => self.buffer.clear(self.at.offset),
                    Some(next) => {
                        self.file = None;
                        self.at = Position { segment: next, offset: 0 };
                    }
                    None => {
                        // What was really looked at: bytes that came since then must wake.
                        self.exhausted = Some((self.at.segment, self.buffer.end()));
                        break;
                    }
                },
            }
        }
        batch.to = self.at;
        self.skipped += batch.skipped;
        Ok(batch)
    }

    /// Returns once there may be more to read; at once if there is. Woken by the kernel, never polls.
    /// Must be called inside a tokio runtime. Cancel-safe.
    pub async fn changed(&mut self) -> Result<(), Error> {
        loop {
            let watch = match &mut self.watch {
                Some(watch) => watch,
                none => none.insert(Watch::new(&self.dir)?),
            };
            // The watch stands, so nothing that comes after this look is missed.
            let length = self.file.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
            let same = self.exhausted == Some((self.at.segment, length));
            if !same || segments(&self.dir)?.last().is_some_and(|&s| s > self.at.segment) {
                return Ok(());
            }
            watch.changed().await.map_err(Error::io("watch", &self.dir))?;
        }
    }

    /// Where reading goes on.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Damaged bytes left out since this follower was opened.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The first segment after this one.
    fn later(&self) -> Result<Option<u64>, Error> {
        Ok(segments(&self.dir)?.into_iter().find(|&s| s > self.at.segment))
    }

    /// Opens the segment at hand, or the next that exists. `false`: there is none.
    fn enter(&mut self, later: Option<u64>) -> Result<bool, Error> {
        loop {
            let path = segment_path(&self.dir, self.at.segment);
            match File::open(&path) {
                Ok(file) => {
                    self.file = Some(file);
                    self.buffer.clear(self.at.offset);
                    return Ok(true);
                }
                Err(e) if e.kind() == ErrorKind::NotFound => match later.filter(|&l| l != self.at.segment) {
                    Some(next) => self.at = Position { segment: next, offset: 0 },
                    None => {
                        self.exhausted = Some((self.at.segment, 0));
                        return Ok(false);
                    }
                },
                Err(source) => {
                    return Err(Error::Io { doing: "open", path, source });
                }
            }
        }
    }

    fn pass(&mut self, length: u64) {
        self.at.offset += length;
        self.buffer.advance(length);
    }

    /// What stands at the position. `closed`: nothing will be added to this segment.
    fn next(&mut self, closed: bool) -> Result<Next, Error> {
        let Some(file) = &self.file else {
            return Ok(Next::End);
        };
        let fail = |source| Error::Io { doing: "read", path: segment_path(&self.dir, self.at.segment), source };
        let mut need = HEADER;
        loop {
            let whole = self.buffer.fill(file, need).map_err(fail)?;
            let front = self.buffer.front();
            if front.is_empty() {
                return Ok(Next::End);
            }
            match record::front(front) {
                Front::Record(payload) => return Ok(Next::Record(HEADER + payload.len())),
                Front::Short(more) if whole => need = more,
                Front::Short(_) | Front::Damaged => break,
            }
        }
        // Look for the next good record.
        let mut from = 1;
        loop {
            let Some(found) = record::next_magic(self.buffer.front(), from) else {
                let have = self.buffer.front().len();
                let whole = self.buffer.fill(file, have + AHEAD).map_err(fail)?;
                from = have;
                if !whole && self.buffer.front().len() == have {
                    return Ok(if closed { Next::Skip(have as u64) } else { Next::End });
                }
                continue;
            };
            let more = match record::front(self.buffer.front().get(found..).unwrap_or_default()) {
                // What stands in front may have been written to its end while the next was looked for.
                Front::Record(_) => {
                    return Ok(match record::front(self.buffer.front()) {
                        Front::Record(payload) => Next::Record(HEADER + payload.len()),
                        _ => Next::Skip(found as u64),
                    });
                }
                Front::Short(more) => more,
                Front::Damaged => 0,
            };
            let again = more > 0 && self.buffer.fill(file, found + more).map_err(fail)?;
            from = if again { found } else { found + 1 };
        }
    }
}

impl Buffer {
    fn clear(&mut self, offset: u64) {
        self.bytes.clear();
        self.start = 0;
        self.offset = offset;
    }

    fn front(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Whether a look at the file is due before the next record.
    fn is_used_up(&self) -> bool {
        record::size(self.front()).is_none_or(|n| n > self.front().len())
    }

    /// Offset in the file of what was not read ahead.
    fn end(&self) -> u64 {
        self.offset + self.front().len() as u64
    }

    fn advance(&mut self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.front().len());
        self.start += length;
        self.offset += length as u64;
    }

    /// Makes the front at least `need` bytes long. `false`: the file ends before that.
    fn fill(&mut self, file: &File, need: usize) -> io::Result<bool> {
        while self.front().len() < need {
            self.bytes.drain(..self.start.min(self.bytes.len()));
            self.start = 0;
            let have = self.bytes.len();
            self.bytes.resize(have + AHEAD.max(need - have), 0);
            let at = self.offset + have as u64;
            let got = loop {
                match file.read_at(self.bytes.get_mut(have..).unwrap_or_default(), at) {
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.bytes.truncate(have + *got.as_ref().unwrap_or(&0));
            if got? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
