//! The writing side.

use model::{Envelope, Event, Id, Micros, Saw};
use nix::fcntl::{Flock, FlockArg};
use parking_lot::{Condvar, Mutex};
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    Error, Position,
    record::{self, Front, PushError},
    segment_path, segments,
};

/// How a spool is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment is closed when it would grow past this. Default 64 MiB.
    pub segment_bytes: u64,
    /// How often what was appended is brought to the disk. `None`: only by [`Spool::sync`]. Default 1 s.
    pub sync_every: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 * 1024 * 1024, sync_every: Some(Duration::from_secs(1)) }
    }
}

/// A spool open for appending. There is one writer per directory, whatever the number of its threads.
#[derive(Debug)]
pub struct Spool {
    inner: Arc<Inner>,
    _lock: Flock<File>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    segment_bytes: u64,
    now: Mutex<Now>,
    wake: Condvar,
}

#[derive(Debug)]
struct Now {
    file: Arc<File>,
    at: Position,
    /// Whether `file` has bytes that may not be on the disk.
    dirty: bool,
    /// Closed segments that may not be on the disk.
    closed: Vec<Arc<File>>,
    /// A torn batch could not be taken back: the next append begins a new segment.
    spoiled: bool,
    over: bool,
}

impl Spool {
    /// Opens the spool in `dir`, creating it if needed (mode 0750). A torn end of the last segment is cut
    /// off; appending always begins a new segment, so a position that a reader kept stays true even if the
    /// machine lost power and with it bytes that were read already.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref().to_owned();
        DirBuilder::new().recursive(true).mode(0o750).create(&dir).map_err(Error::io("create", &dir))?;
        let lock_path = dir.join("lock");
        let lock = create(&lock_path, false).map_err(Error::io("open", &lock_path))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| match e {
            nix::Error::EWOULDBLOCK => Error::Busy { path: dir.clone() },
            e => Error::Io { doing: "lock", path: lock_path.clone(), source: e.into() },
        })?;
        let mut segment = 1;
        if let Some(&last) = segments(&dir)?.last() {
            cut_tail(&segment_path(&dir, last))?;
            segment = last + 1;
        }
        let path = segment_path(&dir, segment);
        let file = Arc::new(create(&path, false).map_err(Error::io("open", &path))?);
        sync_dir(&dir)?;
        let now = Now { file, at: Position { segment, offset: 0 }, dirty: false, closed: Vec::new(), spoiled: false, over: false };
        let inner = Arc::new(Inner { dir, segment_bytes: options.segment_bytes.max(1), now: Mutex::new(now), wake: Condvar::new() });
        if let Some(every) = options.sync_every {
            let weak = Arc::downgrade(&inner);
            let path = inner.dir.clone();
            std::thread::Builder::new()
                .name("spool-sync".into())
                .stack_size(128 * 1024)
                .spawn(move || keep_synced(&weak, every))
                .map_err(Error::io("start the sync thread of", &path))?;
        }
        Ok(Self { inner, _lock: lock })
    }

    /// Appends `events` in one `write(2)`: all of them or, with an error, none. Returns the place after them.
    pub fn append(&self, events: &[Event]) -> Result<Position, Error> {
        let mut bytes = Vec::with_capacity(events.len() * 512);
        for event in events {
            encode(event, &mut bytes)?;
        }
        self.append_encoded(&bytes)
    }

    /// Appends records that [`encode`](Self::encode) made.
    pub fn append_encoded(&self, records: &[u8]) -> Result<Position, Error> {
        let mut now = self.inner.now.lock();
        if records.is_empty() {
            return Ok(now.at);
        }
        let length = records.len() as u64;
        if now.spoiled || (now.at.offset > 0 && now.at.offset + length > self.inner.segment_bytes) {
            self.inner.roll(&mut now)?;
        }
        if let Err(source) = write_whole(&now.file, records, now.at.offset) {
            if now.file.set_len(now.at.offset).is_err() {
                now.spoiled = true;
            }
            let path = segment_path(&self.inner.dir, now.at.segment);
            return Err(match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge | ErrorKind::WriteZero => {
                    Error::Full { bytes: records.len(), path, source }
                }
                _ => Error::Io { doing: "append to", path, source },
            });
        }
        now.at.offset += length;
        if !now.dirty {
            now.dirty = true;
            self.inner.wake.notify_one();
        }
        Ok(now.at)
    }

    /// Puts `event` as a record at the end of `out`, for [`append_encoded`](Self::append_encoded).
    pub fn encode(event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
        encode(event, out)
    }

    /// The same for an event that is mostly `envelope`.
    pub fn encode_in(envelope: &Envelope, id: Id<Event>, at: Micros, saw: &Saw, out: &mut Vec<u8>) -> Result<(), Error> {
        record::push(out, |o| envelope.write(id, at, saw, o)).map_err(failed)
    }

    /// Brings everything appended so far to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        self.inner.sync()
    }

    /// The place after everything appended.
    pub fn end(&self) -> Position {
        self.inner.now.lock().at
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.inner.now.lock().over = true;
        self.inner.wake.notify_all();
        if let Err(e) = self.inner.sync() {
            tracing::error!("{e}");
        }
    }
}

impl Inner {
    fn roll(&self, now: &mut Now) -> Result<(), Error> {
        let segment = now.at.segment + 1;
        let path = segment_path(&self.dir, segment);
        let file = create(&path, true).map_err(|source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { bytes: 0, path: path.clone(), source },
            _ => Error::Io { doing: "create", path: path.clone(), source },
        })?;
        if let Err(e) = sync_dir(&self.dir) {
            drop(file);
            _ = std::fs::remove_file(&path);
            return Err(e);
        }
        let old = std::mem::replace(&mut now.file, Arc::new(file));
        now.closed.push(old);
        now.at = Position { segment, offset: 0 };
        now.spoiled = false;
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let (files, segment) = {
            let mut now = self.now.lock();
            let mut files = std::mem::take(&mut now.closed);
            if std::mem::take(&mut now.dirty) {
                files.push(Arc::clone(&now.file));
            }
            (files, now.at.segment)
        };
        for (index, file) in files.iter().enumerate() {
            if let Err(source) = file.sync_data() {
                let mut now = self.now.lock();
                now.dirty = true;
                now.closed.extend(files.iter().skip(index).map(Arc::clone));
                return Err(Error::Io { doing: "sync", path: segment_path(&self.dir, segment), source });
            }
        }
        Ok(())
    }
}

fn encode(event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
    record::push(out, |o| serde_json::to_writer(o, event)).map_err(failed)
}

fn failed(why: PushError<serde_json::Error>) -> Error {
    match why {
        PushError::Fill(source) => Error::Json { source },
        PushError::TooLarge(bytes) => Error::TooLarge { bytes },
    }
}

fn keep_synced(inner: &Weak<Inner>, every: Duration) {
    let mut failing = false;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        {
            let mut now = inner.now.lock();
            while !now.dirty && now.closed.is_empty() && !now.over {
                inner.wake.wait(&mut now);
            }
            // Let a second's worth gather, unless the spool is closed meanwhile.
            let until = std::time::Instant::now() + every;
            while !now.over && !inner.wake.wait_until(&mut now, until).timed_out() {}
            if now.over {
                return;
            }
        }
        match inner.sync() {
            Ok(()) => failing = false,
            Err(e) if !failing => {
                failing = true;
                tracing::error!("{e}");
            }
            Err(_) => {}
        }
    }
}

/// Writes all of `bytes` at `offset`. A short write is followed by a second try for the rest, which then
/// says what is wrong.
fn write_whole(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
        match file.write_at(rest, offset + done as u64) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn create(path: &Path, new: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).create_new(new).truncate(false).mode(0o640).open(path)
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("sync", dir))
}

/// Cuts off what follows the last whole record of a segment.
fn cut_tail(path: &Path) -> Result<(), Error> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let mut end = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        if let Front::Record(payload) = record::front(rest) {
            at += record::HEADER + payload.len();
            end = at;
        } else {
            match record::next_magic(&bytes, at + 1) {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    if end < bytes.len() {
        tracing::warn!(path = %path.display(), bytes = bytes.len() - end, "cut off the torn end of a spool segment");
        file.set_len(end as u64).map_err(Error::io("cut", path))?;
        file.sync_all().map_err(Error::io("sync", path))?;
    }
    Ok(())
}
