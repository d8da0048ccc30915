//! The event log on the host where things happened: append-only segments with checksums, written by one
//! process and followed by others.
//!
//! What was appended survives the death of the writer at any moment: a batch is one `write(2)`, so the kernel has
//! it when [`Spool::append`] returns; [`Spool::sync`] (and a timer) brings it to the disk. A reader never stops at
//! damage: it goes on at the next record whose checksum holds and says how many bytes were lost.
//!
//! Never here: SQL, the network, the meaning of an event. A reader's position is kept by whoever keeps the
//! rows, so that both change in one transaction.
//! Start reading at [`Spool`] (write), then [`Follower`] (read), then [`record`] (the bytes).
//! To add something to the form on disk: a new [`record::MAGIC`]; readers know both.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

mod follow;
mod manage;
pub mod record;
mod watch;
mod write;

pub use follow::{Batch, Follower};
pub use manage::{Listed, backlog, list, retire};
pub use watch::Watch;
pub use write::{Options, Spool};

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// A place in a spool: everything before it has been seen. The default is the very beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the segment; numbers only grow. 0 is before the first.
    pub segment: u64,
    /// Bytes from the beginning of the segment's file.
    pub offset: u64,
}

impl From<(u64, u64)> for Position {
    fn from((segment, offset): (u64, u64)) -> Self {
        Self { segment, offset }
    }
}

impl From<Position> for (u64, u64) {
    fn from(at: Position) -> Self {
        (at.segment, at.offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// Nothing of the batch was kept; the spool is as it was before and may be tried again.
    #[error("no room for {bytes} bytes in {}: {source}", path.display())]
    Full { bytes: usize, path: PathBuf, source: io::Error },
    #[error("an event of {bytes} bytes is over the limit of {}", record::MAX_PAYLOAD)]
    TooLarge { bytes: usize },
    #[error("another process writes to {}", path.display())]
    Busy { path: PathBuf },
    #[error("cannot put the event into JSON: {source}")]
    Json { source: serde_json::Error },
}

impl Error {
    fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// `00000000000000000007.seg`: names sort like numbers.
fn segment_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:020}.seg"))
}

/// Numbers of the segments in `dir`, ascending.
fn segments(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        if let Some(number) = entry.file_name().to_str().and_then(|n| n.strip_suffix(".seg")).and_then(|n| n.parse().ok()) {
            all.push(number);
        }
    }
    all.sort_unstable();
    Ok(all)
}
