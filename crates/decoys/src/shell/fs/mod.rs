//! The decky's file system: a base image that follows from the persona, and over it what this attacker
//! changed, kept in its [`Memory`] under `fs/…` so that it is found again over every service and after a
//! restart. Never here: a file of the host. Paths are absolute bytes; `.` and `..` are understood.

mod dotfiles;
mod errno;
pub(crate) mod etc;
pub(crate) mod hardware;
mod home;
mod image;
pub(crate) mod live;
pub(crate) mod logs;
mod node;
pub(crate) mod people;
pub(crate) mod proc;
pub(crate) mod skeleton;
mod trade;

pub use errno::Errno;
pub use node::{Kind, Meta, Who};

use bytes::Bytes;
use model::{Micros, Persona};
use parking_lot::Mutex;
use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use crate::{Visit, stage::memory::Memory};
use image::Image;
pub(crate) use live::Live;
use node::{Body, Left, Node};

/// Largest file that is ever held whole, in bytes.
pub const LARGEST: usize = 24 * 1024 * 1024;
/// Most paths one attacker may change on one decky.
const MOST_PATHS: usize = 60_000;
/// Free space the disk says it has for a file of zeros, in bytes.
const ROOM: u64 = 18 * 1024 * 1024 * 1024;
const PREFIX: &str = "fs/";

/// How [`Fs::write`] puts bytes into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    Truncate,
    Append,
    /// At this offset; what lies between the end and it becomes zeros.
    At(u64),
}

/// A handle on one decky's file system as one attacker sees it. Cheap to clone.
#[derive(Clone)]
pub struct Fs {
    image: Arc<Image>,
    memory: Memory,
    pub(crate) live: Arc<Mutex<Live>>,
}

impl std::fmt::Debug for Fs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fs")
    }
}

type Found = (Vec<u8>, Option<Node>);

impl Fs {
    /// The file system that `visit` sees at `now`.
    pub fn of(visit: &Visit, now: Micros) -> Self {
        let image = Image::of(&visit.persona);
        let live = Live::new(visit, &image.boot, now);
        Self { image, memory: visit.memory.clone(), live: Arc::new(Mutex::new(live)) }
    }

    pub(crate) fn persona(&self) -> &Arc<Persona> {
        self.image.persona()
    }

    /// Tells the time that `/proc` and new files show.
    pub fn set_now(&self, now: Micros) {
        self.live.lock().now = now;
    }

    /// `stat(2)`.
    pub fn stat(&self, who: &Who, path: &[u8]) -> Result<Meta, Errno> {
        Ok(self.existing(who, path, true)?.1.meta)
    }

    /// `lstat(2)`.
    pub fn lstat(&self, who: &Who, path: &[u8]) -> Result<Meta, Errno> {
        Ok(self.existing(who, path, false)?.1.meta)
    }

    /// Names in a directory in byte order, without `.` and `..`.
    pub fn list(&self, who: &Who, path: &[u8]) -> Result<Vec<(Vec<u8>, Meta)>, Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if !node.meta.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if !node.meta.allows(who, 4) {
            return Err(Errno::EACCES);
        }
        Ok(self.children(&canon))
    }

    /// Whole content of a file, cut at [`LARGEST`].
    pub fn read(&self, who: &Who, path: &[u8]) -> Result<Bytes, Errno> {
        let (canon, node) = self.readable(who, path)?;
        Ok(self.content(&canon, &node))
    }

    /// At most `len` bytes from `offset`; empty at the end.
    pub fn read_at(&self, who: &Who, path: &[u8], offset: u64, len: usize) -> Result<Bytes, Errno> {
        let (canon, node) = self.readable(who, path)?;
        let len = len.min(LARGEST);
        if let Body::Sparse(bytes) = &node.body {
            let end = offset.saturating_add(len as u64).min(node.meta.size);
            if offset >= end {
                return Ok(Bytes::new());
            }
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let to = usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
            let mut part = bytes.slice(from..to).to_vec();
            part.resize(usize::try_from(end - offset).unwrap_or(len), 0);
            return Ok(part.into());
        }
        let all = self.content(&canon, &node);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        Ok(all.slice(from..from.saturating_add(len).min(all.len())))
    }

    /// Writes to a file, which is made with `mode` if it does not exist.
    pub fn write(&self, who: &Who, path: &[u8], bytes: &[u8], how: WriteMode, mode: u32, now: Micros) -> Result<(), Errno> {
        let (canon, node) = self.resolve(who, path, true, 0)?;
        let (mut meta, old) = match node {
            Some(node) => {
                match node.meta.kind {
                    Kind::Dir => return Err(Errno::EISDIR),
                    Kind::File => {}
                    _ => return Err(Errno::ENXIO),
                }
                if !node.meta.allows(who, 2) {
                    return Err(Errno::EACCES);
                }
                if live::owns(&canon) {
                    return live::write(&canon);
                }
                let old = if how == WriteMode::Truncate { Bytes::new() } else { self.content(&canon, &node) };
                (node.meta, old)
            }
            None => {
                self.may_change_dir(who, parent(&canon))?;
                (self.fresh(who, &canon, Kind::File, mode, now), Bytes::new())
            }
        };
        let old_size = if how == WriteMode::Truncate { 0 } else { meta.size };
        let at = match how {
            WriteMode::Truncate => 0,
            WriteMode::Append => old_size,
            WriteMode::At(offset) => offset,
        };
        let size = old_size.max(at.saturating_add(bytes.len() as u64));
        if size > ROOM {
            return Err(Errno::ENOSPC);
        }
        let mut data = old.to_vec();
        if bytes.iter().any(|&b| b != 0) || at < data.len() as u64 {
            let end = usize::try_from(at).unwrap_or(usize::MAX).saturating_add(bytes.len());
            if end > LARGEST {
                return Err(Errno::ENOSPC);
            }
            if data.len() < end {
                data.resize(end, 0);
            }
            if let Some(part) = data.get_mut(end - bytes.len()..end) {
                part.copy_from_slice(bytes);
            }
        }
        meta.size = size;
        meta.mtime = now;
        self.put(&canon, &Left::Written(meta, Body::Sparse(data.into())))
    }

    /// Sets the size of a file.
    pub fn truncate(&self, who: &Who, path: &[u8], size: u64, now: Micros) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if node.meta.is_dir() {
            return Err(Errno::EISDIR);
        }
        if !node.meta.allows(who, 2) {
            return Err(Errno::EACCES);
        }
        if live::owns(&canon) {
            return live::write(&canon);
        }
        if size > ROOM {
            return Err(Errno::EFBIG);
        }
        let data = self.content(&canon, &node);
        let keep = usize::try_from(size).unwrap_or(usize::MAX).min(data.len());
        let mut meta = node.meta;
        meta.size = size;
        meta.mtime = now;
        self.put(&canon, &Left::Written(meta, Body::Sparse(data.slice(..keep))))
    }

    /// `mkdir(2)`.
    pub fn mkdir(&self, who: &Who, path: &[u8], mode: u32, now: Micros) -> Result<(), Errno> {
        self.make(who, path, Kind::Dir, mode, Body::None, now)
    }

    /// `mknod(2)` for pipes, sockets and devices.
    pub fn mknod(&self, who: &Who, path: &[u8], kind: Kind, mode: u32, now: Micros) -> Result<(), Errno> {
        if who.uid != 0 && matches!(kind, Kind::Char(..) | Kind::Block(..)) {
            return Err(Errno::EPERM);
        }
        self.make(who, path, kind, mode, Body::None, now)
    }

    /// `symlink(2)`: `path` will lead to `target`.
    pub fn symlink(&self, who: &Who, target: &[u8], path: &[u8], now: Micros) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        self.make(who, path, Kind::Link, 0o777, Body::Link(target.to_vec()), now)
    }

    /// `link(2)`.
    pub fn link(&self, who: &Who, from: &[u8], to: &[u8], now: Micros) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, from, false)?;
        if node.meta.is_dir() {
            return Err(Errno::EPERM);
        }
        let (target, there) = self.resolve(who, to, false, 0)?;
        if there.is_some() {
            return Err(Errno::EEXIST);
        }
        self.may_change_dir(who, parent(&target))?;
        let mut meta = node.meta.clone();
        meta.nlink += 1;
        let body = self.owned_body(&canon, &node);
        self.put(&target, &Left::Written(meta.clone(), body.clone()))?;
        self.put(&canon, &Left::Written(meta, body))?;
        self.touch_dir(parent(&target), now);
        Ok(())
    }

    /// `unlink(2)`.
    pub fn unlink(&self, who: &Who, path: &[u8]) -> Result<(), Errno> {
        if path.ends_with(b"/") {
            return Err(Errno::ENOTDIR);
        }
        let (canon, node) = self.existing(who, path, false)?;
        if node.meta.is_dir() {
            return Err(Errno::EISDIR);
        }
        self.may_remove(who, &canon, &node)?;
        self.remove(&canon)
    }

    /// `rmdir(2)`.
    pub fn rmdir(&self, who: &Who, path: &[u8]) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, false)?;
        if !node.meta.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if canon == b"/" || matches!(&*canon, b"/proc" | b"/sys" | b"/dev" | b"/run" | b"/dev/shm" | b"/dev/pts" | b"/boot") {
            return Err(Errno::EBUSY);
        }
        self.may_remove(who, &canon, &node)?;
        if !self.children(&canon).is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.remove(&canon)
    }

    /// `rename(2)`. Directories move with all they hold.
    pub fn rename(&self, who: &Who, from: &[u8], to: &[u8], now: Micros) -> Result<(), Errno> {
        let (source, node) = self.existing(who, from, false)?;
        let (target, there) = self.resolve(who, to, false, 0)?;
        if source == target {
            return Ok(());
        }
        if target.starts_with(&source) && target.get(source.len()) == Some(&b'/') {
            return Err(Errno::EINVAL);
        }
        if live::owns(&target) || live::owns(&source) {
            return Err(Errno::EXDEV);
        }
        self.may_remove(who, &source, &node)?;
        match &there {
            Some(old) if old.meta.is_dir() && !node.meta.is_dir() => return Err(Errno::EISDIR),
            Some(old) if !old.meta.is_dir() && node.meta.is_dir() => return Err(Errno::ENOTDIR),
            Some(old) if old.meta.is_dir() && !self.children(&target).is_empty() => {
                return Err(Errno::ENOTEMPTY);
            }
            Some(old) => self.may_remove(who, &target, old)?,
            None => self.may_change_dir(who, parent(&target))?,
        }
        let mut moved = 0;
        self.carry(&source, &target, &node, &mut moved)?;
        self.touch_dir(parent(&source), now);
        self.touch_dir(parent(&target), now);
        Ok(())
    }

    /// `readlink(2)`.
    pub fn readlink(&self, who: &Who, path: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.existing(who, path, false)?.1.body {
            Body::Link(target) => Ok(target),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `chmod(2)`.
    pub fn chmod(&self, who: &Who, path: &[u8], mode: u32) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if who.uid != 0 && who.uid != node.meta.uid {
            return Err(Errno::EPERM);
        }
        self.retouch(&canon, &node, |meta| meta.mode = mode & 0o7777)
    }

    /// `chown(2)`; `follow` as against `lchown(2)`.
    pub fn chown(&self, who: &Who, path: &[u8], uid: Option<u32>, gid: Option<u32>, follow: bool) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, follow)?;
        let own_group = who.uid == node.meta.uid && gid.is_none_or(|g| who.in_group(g));
        if who.uid != 0 && (uid.is_some_and(|u| u != node.meta.uid) || !own_group) {
            return Err(Errno::EPERM);
        }
        self.retouch(&canon, &node, |meta| {
            meta.uid = uid.unwrap_or(meta.uid);
            meta.gid = gid.unwrap_or(meta.gid);
        })
    }

    /// `utimensat(2)`; `None` leaves a time as it is.
    pub fn utimes(&self, who: &Who, path: &[u8], atime: Option<Micros>, mtime: Option<Micros>) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if who.uid != 0 && who.uid != node.meta.uid && !node.meta.allows(who, 2) {
            return Err(Errno::EACCES);
        }
        self.retouch(&canon, &node, |meta| {
            meta.atime = atime.unwrap_or(meta.atime);
            meta.mtime = mtime.unwrap_or(meta.mtime);
        })
    }

    /// Canonical absolute path; every component must exist.
    pub fn realpath(&self, who: &Who, path: &[u8]) -> Result<Vec<u8>, Errno> {
        Ok(self.existing(who, path, true)?.0)
    }

    /// `access(2)` with the effective ids: 4 read, 2 write, 1 execute.
    pub fn access(&self, who: &Who, path: &[u8], want: u32) -> Result<(), Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if want & 2 != 0 && canon.starts_with(b"/sys/") && node.meta.mode & 0o222 == 0 {
            return Err(Errno::EACCES);
        }
        if node.meta.allows(who, want) { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// The name of the program the base image keeps at `path` (links followed), if it is one.
    pub(crate) fn program(&self, who: &Who, path: &[u8]) -> Result<Option<String>, Errno> {
        let (_, node) = self.existing(who, path, true)?;
        Ok(match node.body {
            Body::Elf(name) => Some(name),
            Body::Filler(path) if path.contains("bin/") => path.rsplit('/').next().map(str::to_owned),
            Body::Bytes(bytes) | Body::Sparse(bytes) => skeleton::program_of(&bytes),
            _ => None,
        })
    }

    /// A short text the machine remembers about this attacker.
    pub(crate) fn remembered(&self, name: &str) -> Option<String> {
        self.memory.get(&format!("shell/{name}")).and_then(|b| String::from_utf8(b.to_vec()).ok())
    }

    /// Remembers a short text.
    pub(crate) fn remember(&self, name: &str, text: &str) {
        self.memory.set(&format!("shell/{name}"), text.as_bytes().to_vec());
    }

    /// Whether the attacker wrote to this path.
    pub(crate) fn was_changed(&self, path: &[u8]) -> bool {
        matches!(self.memory.get(&key(path)).as_ref().and_then(Left::decode), Some(Left::Written(..)))
    }

    // --- below: how it is done

    fn readable(&self, who: &Who, path: &[u8]) -> Result<(Vec<u8>, Node), Errno> {
        let (canon, node) = self.existing(who, path, true)?;
        if node.meta.is_dir() {
            return Err(Errno::EISDIR);
        }
        if !node.meta.allows(who, 4) {
            return Err(Errno::EACCES);
        }
        if node.meta.kind == Kind::Socket {
            return Err(Errno::ENXIO);
        }
        Ok((canon, node))
    }

    fn existing(&self, who: &Who, path: &[u8], follow: bool) -> Result<(Vec<u8>, Node), Errno> {
        match self.resolve(who, path, follow, 0)? {
            (canon, Some(node)) => Ok((canon, node)),
            _ => Err(Errno::ENOENT),
        }
    }

    /// Walks `path`. The parent must exist; the last component may not.
    fn resolve(&self, who: &Who, path: &[u8], follow: bool, links: u32) -> Result<Found, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() > 4095 {
            return Err(Errno::ENAMETOOLONG);
        }
        let want_dir = path.ends_with(b"/") || path.ends_with(b"/.");
        let mut canon: Vec<u8> = Vec::with_capacity(path.len());
        let mut node = self.node(b"/").ok_or(Errno::EIO)?;
        let mut parts = path.split(|&b| b == b'/').filter(|p| !p.is_empty()).peekable();
        while let Some(part) = parts.next() {
            if part.len() > 255 {
                return Err(Errno::ENAMETOOLONG);
            }
            if !node.meta.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            if !node.meta.allows(who, 1) {
                return Err(Errno::EACCES);
            }
            match part {
                b"." => continue,
                b".." => {
                    let cut = canon.iter().rposition(|&b| b == b'/').unwrap_or(0);
                    canon.truncate(cut);
                    node = self.node(or_root(&canon)).ok_or(Errno::ENOENT)?;
                    continue;
                }
                _ => {}
            }
            let dir_len = canon.len();
            canon.push(b'/');
            canon.extend_from_slice(part);
            let last = parts.peek().is_none();
            let Some(next) = self.node(&canon) else {
                return if last { Ok((canon, None)) } else { Err(Errno::ENOENT) };
            };
            if let (Body::Link(target), true) = (&next.body, !last || follow || want_dir) {
                if links >= 40 {
                    return Err(Errno::ELOOP);
                }
                let mut whole = if target.starts_with(b"/") {
                    Vec::new()
                } else {
                    let mut dir = canon.get(..dir_len).unwrap_or_default().to_vec();
                    dir.push(b'/');
                    dir
                };
                whole.extend_from_slice(target);
                for rest in parts {
                    whole.push(b'/');
                    whole.extend_from_slice(rest);
                }
                if want_dir {
                    whole.push(b'/');
                }
                return self.resolve(who, &whole, follow, links + 1);
            }
            node = next;
        }
        if want_dir && !node.meta.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok((or_root(&canon).to_vec(), Some(node)))
    }

    fn node(&self, canon: &[u8]) -> Option<Node> {
        let base = || self.base(canon);
        match self.memory.get(&key(canon)).as_ref().and_then(Left::decode) {
            Some(Left::Gone) => None,
            Some(Left::Written(meta, body)) => Some(Node { meta, body }),
            Some(Left::Touched(meta)) => {
                base().map(|node| Node { meta: Meta { kind: node.meta.kind, size: node.meta.size, ..meta }, body: node.body })
            }
            None => base(),
        }
    }

    fn base(&self, canon: &[u8]) -> Option<Node> {
        if live::owns(canon) { live::node(self, canon) } else { self.image.node(canon) }
    }

    pub(crate) fn children(&self, canon: &[u8]) -> Vec<(Vec<u8>, Meta)> {
        let mut names: BTreeSet<Vec<u8>> =
            if live::owns(canon) { live::names(self, canon) } else { self.image.names(canon) }.into_iter().collect();
        let dir = if canon == b"/" { PREFIX.to_owned() } else { format!("{}/", key(canon)) };
        let dir = if canon == b"/" { format!("{dir}/") } else { dir };
        for (k, _) in self.memory.under(&dir) {
            if let Some(rest) = k.get(dir.len()..)
                && !rest.is_empty()
                && !rest.contains('/')
            {
                names.insert(unescape(rest));
            }
        }
        let mut path = if canon == b"/" { Vec::new() } else { canon.to_vec() };
        path.push(b'/');
        let stem = path.len();
        names
            .into_iter()
            .filter_map(|name| {
                path.truncate(stem);
                path.extend_from_slice(&name);
                self.node(&path).map(|node| (name, node.meta))
            })
            .collect()
    }

    fn content(&self, canon: &[u8], node: &Node) -> Bytes {
        match &node.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Sparse(bytes) => {
                let size = usize::try_from(node.meta.size).unwrap_or(LARGEST).min(LARGEST);
                if bytes.len() >= size {
                    return bytes.slice(..size);
                }
                let mut all = bytes.to_vec();
                all.resize(size, 0);
                all.into()
            }
            Body::None | Body::Link(_) => Bytes::new(),
            Body::Live => proc::content(self, canon),
            _ => self.image.bytes(canon, node, self.live.lock().now),
        }
    }

    fn owned_body(&self, canon: &[u8], node: &Node) -> Body {
        match &node.body {
            Body::Link(target) => Body::Link(target.clone()),
            Body::Sparse(bytes) => Body::Sparse(bytes.clone()),
            Body::None => Body::None,
            _ => Body::Sparse(self.content(canon, node)),
        }
    }

    fn make(&self, who: &Who, path: &[u8], kind: Kind, mode: u32, body: Body, now: Micros) -> Result<(), Errno> {
        let (canon, there) = self.resolve(who, path, false, 0)?;
        if there.is_some() {
            return Err(Errno::EEXIST);
        }
        if path.ends_with(b"/") && kind != Kind::Dir {
            return Err(Errno::ENOENT);
        }
        self.may_change_dir(who, parent(&canon))?;
        let mut meta = self.fresh(who, &canon, kind, mode, now);
        match &body {
            Body::Link(target) => meta.size = target.len() as u64,
            _ if kind == Kind::Dir => meta.size = 4096,
            _ => {}
        }
        self.put(&canon, &Left::Written(meta, body))?;
        self.touch_dir(parent(&canon), now);
        Ok(())
    }

    fn fresh(&self, who: &Who, canon: &[u8], kind: Kind, mode: u32, now: Micros) -> Meta {
        let (gid, sgid) = match self.node(parent(canon)) {
            Some(dir) if dir.meta.mode & 0o2000 != 0 => (dir.meta.gid, if kind == Kind::Dir { 0o2000 } else { 0 }),
            _ => (who.gid, 0),
        };
        let nlink = if kind == Kind::Dir { 2 } else { 1 };
        let mut seed = canon.to_vec();
        seed.extend_from_slice(&now.0.to_le_bytes());
        let ino = image::inode(self.persona(), &seed);
        Meta { kind, mode: (mode & 0o7777) | sgid, uid: who.uid, gid, size: 0, mtime: now, atime: now, nlink, ino }
    }

    /// Whether `who` may add names to or take names from `dir`.
    fn may_change_dir(&self, who: &Who, dir: &[u8]) -> Result<(), Errno> {
        let node = self.node(dir).ok_or(Errno::ENOENT)?;
        if !node.meta.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        if live::owns(dir) {
            return Err(live::refuse_new(dir, who));
        }
        if node.meta.allows(who, 3) { Ok(()) } else { Err(Errno::EACCES) }
    }

    fn may_remove(&self, who: &Who, canon: &[u8], node: &Node) -> Result<(), Errno> {
        if live::owns(canon) {
            return Err(Errno::EPERM);
        }
        let dir = parent(canon);
        self.may_change_dir(who, dir)?;
        let sticky = self.node(dir).is_some_and(|d| d.meta.mode & 0o1000 != 0 && d.meta.uid != who.uid);
        if sticky && who.uid != 0 && node.meta.uid != who.uid { Err(Errno::EPERM) } else { Ok(()) }
    }

    fn retouch(&self, canon: &[u8], node: &Node, change: impl FnOnce(&mut Meta)) -> Result<(), Errno> {
        if live::owns(canon) {
            return Err(Errno::EPERM);
        }
        let mut meta = node.meta.clone();
        change(&mut meta);
        let written = matches!(self.memory.get(&key(canon)).as_ref().and_then(Left::decode), Some(Left::Written(..)));
        let left = if written { Left::Written(meta, self.owned_body(canon, node)) } else { Left::Touched(meta) };
        self.put(canon, &left)
    }

    fn touch_dir(&self, dir: &[u8], now: Micros) {
        if let Some(node) = self.node(dir) {
            let _ = self.retouch(dir, &node, |meta| meta.mtime = now);
        }
    }

    fn carry(&self, from: &[u8], to: &[u8], node: &Node, moved: &mut usize) -> Result<(), Errno> {
        *moved += 1;
        if *moved > MOST_PATHS {
            return Err(Errno::ENOSPC);
        }
        self.put(to, &Left::Written(node.meta.clone(), self.owned_body(from, node)))?;
        if node.meta.is_dir() {
            for (name, _) in self.children(from) {
                let (a, b) = (join(from, &name), join(to, &name));
                if let Some(child) = self.node(&a) {
                    self.carry(&a, &b, &child, moved)?;
                }
            }
        }
        self.remove(from)
    }

    fn remove(&self, canon: &[u8]) -> Result<(), Errno> {
        if self.base(canon).is_some() {
            self.put(canon, &Left::Gone)?;
        } else {
            self.memory.remove(&key(canon));
        }
        let now = self.live.lock().now;
        self.touch_dir(parent(canon), now);
        Ok(())
    }

    fn put(&self, canon: &[u8], left: &Left) -> Result<(), Errno> {
        if self.memory.set(&key(canon), left.encode()) { Ok(()) } else { Err(Errno::ENOSPC) }
    }
}

/// `dir` and `name` joined.
pub(crate) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = if dir == b"/" { Vec::new() } else { dir.to_vec() };
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// Directory part of a canonical path.
pub(crate) fn parent(canon: &[u8]) -> &[u8] {
    match canon.iter().rposition(|&b| b == b'/') {
        Some(0) | None => b"/",
        Some(at) => canon.get(..at).unwrap_or(b"/"),
    }
}

fn or_root(canon: &[u8]) -> &[u8] {
    if canon.is_empty() { b"/" } else { canon }
}

/// Key of a path in the attacker's memory: bytes outside printable ASCII and `%` as `%xx`.
fn key(canon: &[u8]) -> String {
    let mut out = String::with_capacity(PREFIX.len() + canon.len());
    out.push_str(PREFIX);
    for &b in canon {
        if (0x20..0x7f).contains(&b) && b != b'%' {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02x}");
        }
    }
    out
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex = |c: Option<u8>| c.and_then(|c| char::from(c).to_digit(16)).and_then(|d| u8::try_from(d).ok()).unwrap_or(0);
            let high = hex(bytes.next());
            out.push(high << 4 | hex(bytes.next()));
        } else {
            out.push(b);
        }
    }
    out
}
