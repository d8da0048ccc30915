//! What the two ways of copying files share: who copies, from where, and the files being written.

use bytes::Bytes;
use model::{Account, FileWay, Micros};

use super::program::Desk;
use crate::{
    decoy::Visit,
    shell::{Console, Errno, Fs, Who, WriteMode},
};

/// Most bytes of all files that one session holds open for writing.
const MOST_HELD: usize = 32 * 1024 * 1024;
/// `umask` of a login.
pub(super) const UMASK: u32 = 0o022;

/// A file system as one account sees it from its home directory.
pub(super) struct Place {
    pub(super) fs: Fs,
    pub(super) who: Who,
    pub(super) home: Vec<u8>,
    pub(super) timezone: String,
    held: usize,
}

impl Place {
    pub(super) fn new(visit: &Visit, account: &Account, now: Micros) -> Self {
        let fs = Fs::of(visit, now);
        let groups = names(&fs, b"/etc/group")
            .into_iter()
            .filter(|(_, line)| {
                line.rsplit(|&b| b == b':')
                    .next()
                    .is_some_and(|members| members.split(|&b| b == b',').any(|m| m == account.name.as_bytes()))
            })
            .map(|(id, _)| id)
            .collect();
        Self {
            who: Who { uid: account.uid, gid: account.gid, groups },
            fs,
            home: account.home.clone().into_bytes(),
            timezone: visit.persona.timezone.clone(),
            held: 0,
        }
    }

    /// `path` from the home directory on.
    pub(super) fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") { path.to_vec() } else { join(&self.home, path) }
    }
}

/// `directory/name` with one slash between.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut out = directory.to_vec();
    if !out.ends_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(name);
    out
}

/// The last component, as `basename(3)` has it.
pub(super) fn last(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default().rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// Number and whole line of each entry of `/etc/passwd` or `/etc/group`.
pub(super) fn names(fs: &Fs, path: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let all = fs.read(&Who::root(), path).unwrap_or_default();
    all.split(|&b| b == b'\n')
        .filter_map(|line| {
            let id = line.split(|&b| b == b':').nth(2)?;
            Some((std::str::from_utf8(id).ok()?.parse().ok()?, line.to_vec()))
        })
        .collect()
}

/// A file that is being written. It is put into the file system when it is closed, synced or looked at.
pub(super) struct Draft {
    /// Absolute path as the attacker gave it.
    pub(super) path: Vec<u8>,
    bytes: Vec<u8>,
    dirty: bool,
    /// Something was written at all.
    written: bool,
}

impl Draft {
    /// A file to be written over what it holds now.
    pub(super) fn open(place: &Place, path: Vec<u8>) -> Result<Self, Errno> {
        let bytes = match place.fs.stat(&Who::root(), &path) {
            Ok(meta) if meta.size > 0 && meta.size <= MOST_HELD as u64 => place.fs.read(&Who::root(), &path)?.to_vec(),
            _ => Vec::new(),
        };
        Ok(Self { path, bytes, dirty: false, written: false })
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Writes at an offset; a full quota is a full disk.
    pub(super) fn write(&mut self, place: &mut Place, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let start = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        let end = start.checked_add(data.len()).ok_or(Errno::EFBIG)?;
        if end > self.bytes.len() {
            let more = end - self.bytes.len();
            if place.held + more > MOST_HELD {
                return Err(Errno::ENOSPC);
            }
            place.held += more;
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(start..end).ok_or(Errno::EIO)?.copy_from_slice(data);
        (self.dirty, self.written) = (true, true);
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, most: usize) -> &[u8] {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.get(start..start.saturating_add(most).min(self.bytes.len())).unwrap_or_default()
    }

    pub(super) fn truncate(&mut self, place: &mut Place, size: u64) -> Result<(), Errno> {
        if size < self.len() {
            self.bytes.truncate(usize::try_from(size).unwrap_or_default());
            self.dirty = true;
            Ok(())
        } else {
            self.write(place, size, b"")
        }
    }

    /// Puts it into the file system.
    pub(super) fn flush(&mut self, place: &Place, now: Micros) -> Result<(), Errno> {
        if std::mem::take(&mut self.dirty) {
            place.fs.write(&Who::root(), &self.path, &self.bytes, WriteMode::Truncate, 0o644, now)?;
        }
        Ok(())
    }

    /// Closes it: flushed, and kept as evidence if anything was written.
    pub(super) fn close(mut self, place: &mut Place, desk: &mut Desk<'_>) -> Result<(), Errno> {
        let done = self.flush(place, desk.now());
        place.held = place.held.saturating_sub(self.bytes.len());
        if self.written {
            desk.keep(&self.path, Bytes::from(self.bytes), FileWay::Upload);
        }
        done
    }
}
