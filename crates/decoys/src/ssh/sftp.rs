//! The sftp server, protocol version 3 (draft-ietf-secsh-filexfer-02) with the extensions OpenSSH's
//! `sftp-server` announces.

mod extended;
mod list;

use bytes::{Buf, BytesMut};
use model::{Account, Micros, Saw};
use std::collections::BTreeMap;

use list::Attributes;

use super::{
    message::{Malformed, Reader, Writer},
    program::Desk,
    transfer::{Draft, Place, UMASK, join, last},
};
use crate::{
    decoy::Visit,
    shell::{Console, Errno, Kind, Meta, Who, WriteMode},
};

/// Longest message, in either direction.
const MOST_MESSAGE: usize = 256 * 1024;
/// Longest read or write.
const MOST_READ: usize = 255 * 1024;
/// `RLIMIT_NOFILE` less what the process has open.
const MOST_HANDLES: usize = 1019;
/// Stop answering while this much output waits.
const MOST_WAITING: usize = 1024 * 1024;
/// Entries in one READDIR answer.
const NAMES_AT_ONCE: usize = 100;

const READ: u32 = 1;
const WRITE: u32 = 2;
const APPEND: u32 = 4;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 0x10;
const EXCLUSIVE: u32 = 0x20;

/// Status codes.
mod status {
    pub(super) const OK: u32 = 0;
    pub(super) const EOF: u32 = 1;
    pub(super) const NO_SUCH_FILE: u32 = 2;
    pub(super) const PERMISSION_DENIED: u32 = 3;
    pub(super) const FAILURE: u32 = 4;
    pub(super) const BAD_MESSAGE: u32 = 5;
    pub(super) const UNSUPPORTED: u32 = 8;
}

const EXTENSIONS: [(&str, &str, (u8, u8)); 11] = [
    ("posix-rename@openssh.com", "1", (0, 0)),
    ("statvfs@openssh.com", "2", (0, 0)),
    ("fstatvfs@openssh.com", "2", (0, 0)),
    ("hardlink@openssh.com", "1", (0, 0)),
    ("fsync@openssh.com", "1", (0, 0)),
    ("lsetstat@openssh.com", "1", (0, 0)),
    ("limits@openssh.com", "1", (8, 5)),
    ("expand-path@openssh.com", "1", (8, 7)),
    ("copy-data", "1", (9, 0)),
    ("home-directory", "1", (9, 1)),
    ("users-groups-by-id@openssh.com", "1", (9, 1)),
];

enum Handle {
    /// What is left to list.
    Directory {
        path: Vec<u8>,
        left: Vec<(Vec<u8>, Meta)>,
    },
    Read {
        path: Vec<u8>,
    },
    /// `Draft` and whether it may also be read, and whether every write goes to the end.
    Write {
        draft: Draft,
        read: bool,
        append: bool,
    },
}

/// A running sftp server.
pub(super) struct Sftp {
    place: Place,
    version: (u8, u8),
    input: BytesMut,
    handles: BTreeMap<u32, Handle>,
    started: bool,
    ended: bool,
    heard_eof: bool,
}

/// What a request is answered with.
enum Answer {
    Status(u32),
    Message(Vec<u8>),
    /// Nothing at all.
    None,
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Self {
        Self::Status(match errno {
            Errno::ENOENT | Errno::ENOTDIR | Errno::EBADF | Errno::ELOOP => status::NO_SUCH_FILE,
            Errno::EPERM | Errno::EACCES => status::PERMISSION_DENIED,
            Errno::ENAMETOOLONG | Errno::EINVAL => status::BAD_MESSAGE,
            _ => status::FAILURE,
        })
    }
}

impl From<Result<(), Errno>> for Answer {
    fn from(result: Result<(), Errno>) -> Self {
        match result {
            Ok(()) => Self::Status(status::OK),
            Err(errno) => errno.into(),
        }
    }
}

impl Sftp {
    pub(super) fn new(visit: &Visit, account: &Account, version: (u8, u8), now: Micros) -> Self {
        Self {
            place: Place::new(visit, account, now),
            version,
            input: BytesMut::new(),
            handles: BTreeMap::new(),
            started: false,
            ended: false,
            heard_eof: false,
        }
    }

    /// Whether a command line is the sftp server's.
    pub(super) fn serves(command: &[u8]) -> bool {
        matches!(
            command,
            b"/usr/lib/openssh/sftp-server" | b"/usr/lib/sftp-server" | b"/usr/libexec/openssh/sftp-server" | b"/usr/lib/ssh/sftp-server"
        )
    }

    pub(super) fn input(&mut self, bytes: &[u8], desk: &mut Desk<'_>) {
        if !self.ended {
            self.input.extend_from_slice(bytes);
            self.resume(desk);
        }
    }

    pub(super) fn eof(&mut self, desk: &mut Desk<'_>) {
        self.heard_eof = true;
        self.resume(desk);
    }

    pub(super) fn hangup(&mut self, desk: &mut Desk<'_>) {
        self.end(None, desk);
    }

    /// Bytes not worked on yet.
    pub(super) fn backlog(&self) -> usize {
        self.input.len()
    }

    /// Answers what is complete, as long as the output goes away.
    pub(super) fn resume(&mut self, desk: &mut Desk<'_>) {
        while !self.ended && desk.waiting.bytes < MOST_WAITING {
            let Some(&field) = self.input.first_chunk::<4>() else { break };
            let length = usize::try_from(u32::from_be_bytes(field)).unwrap_or(usize::MAX);
            if length > MOST_MESSAGE {
                return self.end(Some(11), desk);
            }
            if self.input.len() < 4 + length {
                break;
            }
            self.input.advance(4);
            let message = self.input.split_to(length).freeze();
            match self.message(&message, desk) {
                Ok(Some(answer)) => send(&answer, desk),
                Ok(None) => {}
                Err(Malformed) => return self.end(Some(255), desk),
            }
        }
        if self.heard_eof && !self.ended && desk.waiting.bytes < MOST_WAITING {
            self.end(Some(0), desk);
        }
    }

    fn end(&mut self, exit: Option<i32>, desk: &mut Desk<'_>) {
        self.ended = true;
        self.input = BytesMut::new();
        for handle in std::mem::take(&mut self.handles).into_values() {
            if let Handle::Write { draft, .. } = handle {
                let _ = draft.close(&mut self.place, desk);
            }
        }
        if let Some(status) = exit {
            desk.exit(status);
        }
    }

    fn message(&mut self, message: &[u8], desk: &mut Desk<'_>) -> Result<Option<Vec<u8>>, Malformed> {
        let mut r = Reader(message);
        let kind = r.u8()?;
        if kind == 1 {
            r.u32()?;
            self.started = true;
            let mut w = Writer::message(2).u32(3);
            for (name, value, since) in EXTENSIONS {
                if self.version >= since {
                    w = w.string(name.as_bytes()).string(value.as_bytes());
                }
            }
            return Ok(Some(w.0));
        }
        if !self.started {
            return Err(Malformed);
        }
        let id = r.u32()?;
        self.place.fs.set_now(desk.now());
        Ok(match self.request(kind, id, r, desk)? {
            Answer::Status(code) => Some(status_message(id, code)),
            Answer::Message(payload) => Some(payload),
            Answer::None => None,
        })
    }

    fn request(&mut self, kind: u8, id: u32, mut r: Reader<'_>, desk: &mut Desk<'_>) -> Result<Answer, Malformed> {
        Ok(match kind {
            3 => {
                let (path, flags) = (r.string()?, r.u32()?);
                let attributes = Attributes::read(&mut r)?;
                self.open(id, path, flags, &attributes, desk)
            }
            4 => self.close(handle(r.string()?), desk),
            5 => {
                let (handle, offset, most) = (handle(r.string()?), r.u64()?, r.u32()?);
                self.read(id, handle, offset, usize::try_from(most).unwrap_or(MOST_READ).min(MOST_READ))
            }
            6 => {
                let (handle, offset, data) = (handle(r.string()?), r.u64()?, r.string()?);
                match handle.and_then(|h| self.handles.get_mut(&h)) {
                    Some(Handle::Write { draft, append, .. }) => {
                        let at = if *append { draft.len() } else { offset };
                        draft.write(&mut self.place, at, data).into()
                    }
                    Some(Handle::Read { .. }) => Errno::EBADF.into(),
                    _ => Answer::Status(status::FAILURE),
                }
            }
            7 | 17 => {
                let path = self.place.absolute(r.string()?);
                self.settle(desk);
                let who = &self.place.who;
                let found = if kind == 7 { self.place.fs.lstat(who, &path) } else { self.place.fs.stat(who, &path) };
                attributes(id, found)
            }
            8 => {
                let handle = handle(r.string()?);
                self.settle(desk);
                match self.file_of(handle) {
                    Some(path) => attributes(id, self.place.fs.stat(&Who::root(), &path)),
                    None => Answer::Status(status::FAILURE),
                }
            }
            9 => {
                let path = self.place.absolute(r.string()?);
                let a = Attributes::read(&mut r)?;
                self.settle(desk);
                self.change(&path, &a, true, desk)
            }
            10 => {
                let handle = handle(r.string()?);
                let a = Attributes::read(&mut r)?;
                self.settle(desk);
                match self.path_of(handle) {
                    Some(_) if a.size.is_some() && matches!(handle.and_then(|h| self.handles.get(&h)), Some(Handle::Read { .. })) => {
                        Errno::EINVAL.into()
                    }
                    Some(path) => {
                        if let (Some(size), Some(Handle::Write { draft, .. })) = (a.size, handle.and_then(|h| self.handles.get_mut(&h))) {
                            if let Err(errno) = draft.truncate(&mut self.place, size) {
                                return Ok(errno.into());
                            }
                            return Ok(self.change(&path, &Attributes { size: None, ..a }, true, desk));
                        }
                        self.change(&path, &a, true, desk)
                    }
                    None => Answer::Status(status::FAILURE),
                }
            }
            11 => {
                let path = self.place.absolute(r.string()?);
                noted("ls", &path, desk);
                self.opendir(id, path)
            }
            12 => self.readdir(id, handle(r.string()?), desk),
            13 => {
                let path = self.place.absolute(r.string()?);
                noted("rm", &path, desk);
                self.settle(desk);
                self.unlink(&path).into()
            }
            14 => {
                let path = self.place.absolute(r.string()?);
                let a = Attributes::read(&mut r)?;
                noted("mkdir", &path, desk);
                let mode = a.mode.unwrap_or(0o777) & 0o7777 & !UMASK;
                self.place.fs.mkdir(&self.place.who, &path, mode, desk.now()).into()
            }
            15 => {
                let path = self.place.absolute(r.string()?);
                noted("rmdir", &path, desk);
                self.place.fs.rmdir(&self.place.who, &path).into()
            }
            16 => {
                let path = r.string()?;
                let path = if path.is_empty() { &b"."[..] } else { path };
                self.realpath(id, &self.place.absolute(path))
            }
            18 => {
                let (from, to) = (self.place.absolute(r.string()?), self.place.absolute(r.string()?));
                noted("rename", &from, desk);
                self.settle(desk);
                self.rename(&from, &to, desk.now())
            }
            19 => {
                let path = self.place.absolute(r.string()?);
                match self.place.fs.readlink(&self.place.who, &path) {
                    Ok(target) => name(id, &target),
                    Err(errno) => errno.into(),
                }
            }
            20 => {
                let (target, path) = (r.string()?, r.string()?);
                let path = self.place.absolute(path);
                noted("symlink", &path, desk);
                self.place.fs.symlink(&self.place.who, target, &path, desk.now()).into()
            }
            200 => self.extended(id, r, desk)?,
            // The product only logs what it does not know.
            _ => Answer::None,
        })
    }

    fn open(&mut self, id: u32, path: &[u8], flags: u32, a: &Attributes, desk: &mut Desk<'_>) -> Answer {
        let path = self.place.absolute(path);
        noted(if flags & WRITE != 0 { "put" } else { "get" }, &path, desk);
        self.settle(desk);
        let (place, now) = (&self.place, desk.now());
        let found = place.fs.stat(&place.who, &path);
        let made = match &found {
            Ok(_) if flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE => return Errno::EEXIST.into(),
            Ok(meta) if meta.is_dir() && flags & (WRITE | CREATE) != 0 => return Errno::EISDIR.into(),
            Ok(_) => false,
            Err(Errno::ENOENT) if flags & CREATE != 0 => {
                let mode = a.mode.unwrap_or(0o666) & 0o7777 & !UMASK;
                if let Err(errno) = place.fs.write(&place.who, &path, b"", WriteMode::Truncate, mode, now) {
                    return errno.into();
                }
                true
            }
            Err(errno) => return (*errno).into(),
        };
        let writes = flags & WRITE != 0;
        let wanted = if writes && flags & READ != 0 {
            6
        } else if writes {
            2
        } else {
            4
        };
        if !made && let Err(errno) = place.fs.access(&place.who, &path, wanted) {
            return errno.into();
        }
        if !made
            && flags & TRUNCATE != 0
            && let Err(errno) = place.fs.write(&place.who, &path, b"", WriteMode::Truncate, 0o644, now)
        {
            return errno.into();
        }
        let new = if writes {
            match Draft::open(&self.place, path) {
                Ok(draft) => Handle::Write { draft, read: flags & READ != 0, append: flags & APPEND != 0 },
                Err(errno) => return errno.into(),
            }
        } else {
            Handle::Read { path }
        };
        self.add(id, new)
    }

    fn add(&mut self, id: u32, new: Handle) -> Answer {
        if self.handles.len() >= MOST_HANDLES {
            return Answer::Status(status::FAILURE);
        }
        let number = (0..).find(|n| !self.handles.contains_key(n)).unwrap_or_default();
        self.handles.insert(number, new);
        Answer::Message(Writer::message(102).u32(id).string(&number.to_be_bytes()).0)
    }

    fn close(&mut self, handle: Option<u32>, desk: &mut Desk<'_>) -> Answer {
        match handle.and_then(|h| self.handles.remove(&h)) {
            Some(Handle::Write { draft, .. }) => draft.close(&mut self.place, desk).into(),
            Some(_) => Answer::Status(status::OK),
            None => Errno::EBADF.into(),
        }
    }

    fn read(&mut self, id: u32, handle: Option<u32>, offset: u64, most: usize) -> Answer {
        let data = |bytes: &[u8]| {
            if bytes.is_empty() && most > 0 {
                Answer::Status(status::EOF)
            } else {
                Answer::Message(Writer::message(103).u32(id).string(bytes).0)
            }
        };
        match handle.and_then(|h| self.handles.get(&h)) {
            Some(Handle::Read { path }) => match self.place.fs.read_at(&Who::root(), path, offset, most) {
                Ok(bytes) => data(&bytes),
                Err(errno) => errno.into(),
            },
            Some(Handle::Write { draft, read: true, .. }) => data(draft.read(offset, most)),
            Some(Handle::Write { .. }) => Errno::EBADF.into(),
            _ => Answer::Status(status::FAILURE),
        }
    }

    fn opendir(&mut self, id: u32, path: Vec<u8>) -> Answer {
        let place = &self.place;
        match place.fs.list(&place.who, &path) {
            Ok(mut left) => {
                for dots in [&b"."[..], b".."] {
                    if let Ok(meta) = place.fs.stat(&Who::root(), &join(&path, dots)) {
                        left.push((dots.to_vec(), meta));
                    }
                }
                // The disk keeps names in the order of a hash, never sorted.
                left.sort_by_cached_key(|(name, _)| openssl::sha::sha1(name));
                self.add(id, Handle::Directory { path, left })
            }
            Err(errno) => errno.into(),
        }
    }

    fn readdir(&mut self, id: u32, handle: Option<u32>, desk: &Desk<'_>) -> Answer {
        let Some(Handle::Directory { left, .. }) = handle.and_then(|h| self.handles.get_mut(&h)) else {
            return Answer::Status(status::FAILURE);
        };
        if left.is_empty() {
            return Answer::Status(status::EOF);
        }
        let some: Vec<_> = left.drain(..left.len().min(NAMES_AT_ONCE)).collect();
        let lines = list::Lines::new(&self.place, desk.now());
        let mut w = Writer::message(104).u32(id).u32(u32::try_from(some.len()).unwrap_or_default());
        for (name, meta) in &some {
            w = Attributes::of(meta).write(w.string(name).string(&lines.long(name, meta)));
        }
        Answer::Message(w.0)
    }

    /// The path of a handle that is a file.
    fn file_of(&self, handle: Option<u32>) -> Option<Vec<u8>> {
        self.path_of(handle).filter(|_| !matches!(handle.and_then(|h| self.handles.get(&h)), Some(Handle::Directory { .. })))
    }

    fn path_of(&self, handle: Option<u32>) -> Option<Vec<u8>> {
        match self.handles.get(&handle?)? {
            Handle::Directory { path, .. } | Handle::Read { path } => Some(path.clone()),
            Handle::Write { draft, .. } => Some(draft.path.clone()),
        }
    }

    /// Files being written become visible to what looks at files.
    fn settle(&mut self, desk: &Desk<'_>) {
        for handle in self.handles.values_mut() {
            if let Handle::Write { draft, .. } = handle {
                let _ = draft.flush(&self.place, desk.now());
            }
        }
    }

    /// SETSTAT: size, times, mode, owner, in the product's order; the last failure counts.
    fn change(&self, path: &[u8], a: &Attributes, follow: bool, desk: &Desk<'_>) -> Answer {
        let (fs, who) = (&self.place.fs, &self.place.who);
        let mut last = Ok(());
        let mut note = |result: Result<(), Errno>| {
            if result.is_err() {
                last = result;
            }
        };
        if let (Some(size), true) = (a.size, follow) {
            note(fs.truncate(who, path, size, desk.now()));
        }
        if let Some(mode) = a.mode {
            note(fs.chmod(who, path, mode & 0o7777));
        }
        if let Some((atime, mtime)) = a.times {
            let at = |seconds: u32| Some(Micros(i64::from(seconds) * 1_000_000));
            note(fs.utimes(who, path, at(atime), at(mtime)));
        }
        if let Some((uid, gid)) = a.owner {
            note(fs.chown(who, path, Some(uid), Some(gid), follow));
        }
        last.into()
    }

    fn realpath(&self, id: u32, path: &[u8]) -> Answer {
        let (fs, who) = (&self.place.fs, &self.place.who);
        let found = fs.realpath(who, path).or_else(|errno| {
            let end = last(path);
            let parent = path.get(..path.len().saturating_sub(end.len())).unwrap_or_default();
            if errno != Errno::ENOENT || end.is_empty() || parent.is_empty() {
                return Err(errno);
            }
            fs.realpath(who, parent).map(|parent| join(&parent, end))
        });
        match found {
            Ok(path) => name(id, &path),
            Err(errno) => errno.into(),
        }
    }

    /// A directory that may not be written to is refused before the kernel looks at what is in it.
    fn unlink(&self, path: &[u8]) -> Result<(), Errno> {
        let (fs, who) = (&self.place.fs, &self.place.who);
        let result = fs.unlink(who, path);
        if result == Err(Errno::EISDIR) {
            let parent = path.get(..path.len().saturating_sub(last(path).len())).unwrap_or_default();
            fs.access(who, parent, 3)?;
        }
        result
    }

    /// The old RENAME never replaces anything.
    fn rename(&self, from: &[u8], to: &[u8], now: Micros) -> Answer {
        let (fs, who) = (&self.place.fs, &self.place.who);
        match fs.lstat(who, from) {
            Err(errno) => errno.into(),
            Ok(meta) => {
                let taken = if meta.kind == Kind::File { fs.lstat(who, to).is_ok() } else { fs.stat(who, to).is_ok() };
                if taken { Answer::Status(status::FAILURE) } else { fs.rename(who, from, to, now).into() }
            }
        }
    }
}

fn send(payload: &[u8], desk: &mut Desk<'_>) {
    let framed = Writer::new().string(payload);
    desk.stdout(&framed.0);
}

fn noted(what: &str, path: &[u8], desk: &mut Desk<'_>) {
    desk.note(Saw::noted("sftp", [("op", what.as_bytes()), ("path", path)]));
}

/// Handles are four bytes.
fn handle(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn name(id: u32, path: &[u8]) -> Answer {
    Answer::Message(Writer::message(104).u32(id).u32(1).string(path).string(path).u32(0).0)
}

fn attributes(id: u32, found: Result<Meta, Errno>) -> Answer {
    match found {
        Ok(meta) => Answer::Message(Attributes::of(&meta).write(Writer::message(105).u32(id)).0),
        Err(errno) => errno.into(),
    }
}

fn status_message(id: u32, code: u32) -> Vec<u8> {
    let text = match code {
        status::OK => "Success",
        status::EOF => "End of file",
        status::NO_SUCH_FILE => "No such file",
        status::PERMISSION_DENIED => "Permission denied",
        status::FAILURE => "Failure",
        status::BAD_MESSAGE => "Bad message",
        _ => "Operation unsupported",
    };
    Writer::message(101).u32(id).u32(code).string(text.as_bytes()).string(b"").0
}
