//! A running program: its arguments, credentials and open files.

use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

use super::{
    Errno, Fs, Kind, Who, WriteMode,
    kernel::{Kernel, ReadEnd, WriteEnd},
};

/// An open file.
#[derive(Clone)]
pub(crate) enum Fd {
    /// The session's terminal, or its standard streams if it has none (`true`: standard error).
    Term(bool),
    Read(Arc<ReadEnd>),
    Write(Arc<WriteEnd>),
    File(Arc<Mutex<Open>>),
    Null,
    Zero,
    Random,
    Full,
}

/// A file opened by path.
pub(crate) struct Open {
    pub(crate) path: Vec<u8>,
    pub(crate) pos: u64,
    pub(crate) append: bool,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// Open files by number.
pub(crate) type Fds = BTreeMap<u32, Fd>;

/// How to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    Write,
    Append,
    ReadWrite,
    /// `set -C`
    Exclusive,
}

/// Opens `path`, which is absolute.
pub(crate) fn open(k: &Kernel, fds: &Fds, who: &Who, path: &[u8], how: How, mode: u32) -> Result<Fd, Errno> {
    let fs = &k.fs;
    let numbered = path.strip_prefix(b"/dev/fd/").or_else(|| path.strip_prefix(b"/proc/self/fd/"));
    let alias = match path {
        b"/dev/stdin" => Some(0),
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        _ => numbered.and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse().ok()),
    };
    if let Some(n) = alias {
        return fds.get(&n).cloned().ok_or(Errno::ENOENT);
    }
    let meta = match fs.stat(who, path) {
        Ok(meta) => Some(meta),
        Err(Errno::ENOENT) if how != How::Read => None,
        Err(e) => return Err(e),
    };
    if let Some(meta) = &meta {
        match meta.kind {
            Kind::Dir if how != How::Read => return Err(Errno::EISDIR),
            Kind::Char(1, 3) => return Ok(Fd::Null),
            Kind::Char(1, 5) => return Ok(Fd::Zero),
            Kind::Char(1, 7) => return Ok(Fd::Full),
            Kind::Char(1, 8 | 9) => return Ok(Fd::Random),
            Kind::Char(5, 0) | Kind::Char(136, _) => {
                return if k.has_tty { Ok(Fd::Term(false)) } else { Err(Errno::ENXIO) };
            }
            Kind::Char(..) | Kind::Block(..) if who.uid != 0 => return Err(Errno::EACCES),
            Kind::Char(1, 1 | 4) => return Err(Errno::EPERM),
            Kind::Char(..) | Kind::Block(..) => return Ok(Fd::Null),
            Kind::Socket => return Err(Errno::ENXIO),
            Kind::Fifo => return Ok(Fd::Null),
            _ => {}
        }
        if how == How::Exclusive {
            return Err(Errno::EEXIST);
        }
        let want = match how {
            How::Read => 4,
            How::ReadWrite => 6,
            _ => 2,
        };
        fs.access(who, path, want)?;
    }
    let now = k.now();
    match (how, meta.is_some()) {
        (How::Write | How::Exclusive, _) => fs.write(who, path, b"", WriteMode::Truncate, mode, now)?,
        (How::Append | How::ReadWrite, false) => fs.write(who, path, b"", WriteMode::Append, mode, now)?,
        _ => {}
    }
    let canon = fs.realpath(who, path)?;
    Ok(Fd::File(Arc::new(Mutex::new(Open {
        path: canon,
        pos: 0,
        append: how == How::Append,
        readable: matches!(how, How::Read | How::ReadWrite),
        writable: how != How::Read,
    }))))
}

impl Fd {
    /// At most `most` bytes; empty at the end.
    pub(crate) async fn read(&self, k: &Kernel, most: usize) -> Result<Vec<u8>, Errno> {
        match self {
            Self::Term(_) => Ok(k.input(most).await),
            Self::Read(end) => Ok(end.read(most).await),
            Self::Write(_) => Err(Errno::EBADF),
            Self::Null => Ok(Vec::new()),
            Self::Zero | Self::Full => {
                k.pay(1 + u32::try_from(most / 4096).unwrap_or(9000)).await;
                Ok(vec![0; most.min(1 << 20)])
            }
            Self::Random => {
                use rand::Rng;
                k.pay(1 + u32::try_from(most / 512).unwrap_or(9000)).await;
                let mut out = vec![0; most.min(1 << 20)];
                k.state.lock().rng.fill_bytes(&mut out);
                Ok(out)
            }
            Self::File(open) => {
                k.pay(1 + u32::try_from(most / 8192).unwrap_or(9000)).await;
                let mut open = open.lock();
                if !open.readable {
                    return Err(Errno::EBADF);
                }
                let bytes = k.fs.read_at(&Who::root(), &open.path, open.pos, most)?;
                open.pos += bytes.len() as u64;
                Ok(bytes.to_vec())
            }
        }
    }

    /// Writes all.
    pub(crate) async fn write(&self, k: &Kernel, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Term(error) => {
                for part in bytes.chunks(16_384) {
                    k.room().await;
                    if k.has_tty { k.print(part) } else { k.plain(part, *error) }
                }
                Ok(())
            }
            Self::Write(end) => {
                k.pay(1).await;
                if end.write(bytes).await { Ok(()) } else { Err(Errno::EPIPE) }
            }
            Self::Read(_) => Err(Errno::EBADF),
            Self::Null | Self::Zero | Self::Random => {
                k.pay(1).await;
                Ok(())
            }
            Self::Full => Err(Errno::ENOSPC),
            Self::File(open) => {
                k.pay(2 + u32::try_from(bytes.len() / 4096).unwrap_or(0)).await;
                let mut open = open.lock();
                if !open.writable {
                    return Err(Errno::EBADF);
                }
                let how = if open.append { WriteMode::Append } else { WriteMode::At(open.pos) };
                match k.fs.write(&Who::root(), &open.path, bytes, how, 0o644, k.now()) {
                    Ok(()) => {}
                    // Removed while open: the bytes go nowhere.
                    Err(Errno::ENOENT) => {}
                    Err(e) => return Err(e),
                }
                open.pos += bytes.len() as u64;
                let path = open.path.clone();
                drop(open);
                k.dirty(&path);
                Ok(())
            }
        }
    }

    /// Whether it is the session's terminal.
    pub(crate) fn is_tty(&self, k: &Kernel) -> bool {
        k.has_tty && matches!(self, Self::Term(_))
    }
}

/// A running program.
pub(crate) struct Proc {
    pub(crate) k: Arc<Kernel>,
    /// `argv`; the first is the name it was called by.
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) cwd: Vec<u8>,
    pub(crate) who: Who,
    pub(crate) umask: u32,
    pub(crate) fds: Fds,
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    /// How deep programs that run programs are nested.
    pub(crate) depth: u32,
    out: Vec<u8>,
    read: Vec<u8>,
    read_end: bool,
}

/// Deepest nesting of programs that run programs.
pub(crate) const DEEPEST: u32 = 60;

impl Proc {
    pub(crate) fn new(k: Arc<Kernel>, args: Vec<Vec<u8>>, cwd: Vec<u8>, who: Who, fds: Fds) -> Self {
        Self {
            k,
            args,
            env: Vec::new(),
            cwd,
            who,
            umask: 0o22,
            fds,
            pid: 0,
            ppid: 0,
            depth: 0,
            out: Vec::new(),
            read: Vec::new(),
            read_end: false,
        }
    }

    /// The same surroundings for another program.
    pub(crate) fn child(&self, args: Vec<Vec<u8>>) -> Self {
        Self {
            k: Arc::clone(&self.k),
            args,
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            who: self.who.clone(),
            umask: self.umask,
            fds: self.fds.clone(),
            pid: 0,
            ppid: self.pid,
            depth: self.depth + 1,
            out: Vec::new(),
            read: Vec::new(),
            read_end: false,
        }
    }

    pub(crate) fn fs(&self) -> &Fs {
        &self.k.fs
    }

    /// The name it was called by, without directories.
    pub(crate) fn name(&self) -> String {
        let arg = self.args.first().map_or(&b""[..], Vec::as_slice);
        String::from_utf8_lossy(arg.rsplit(|&b| b == b'/').next().unwrap_or(arg)).into_owned()
    }

    /// The name as it was called, for messages.
    pub(crate) fn called(&self) -> String {
        String::from_utf8_lossy(self.args.first().map_or(&b""[..], Vec::as_slice)).into_owned()
    }

    /// Arguments after the name, as text.
    pub(crate) fn words(&self) -> Vec<String> {
        self.args.iter().skip(1).map(|a| String::from_utf8_lossy(a).into_owned()).collect()
    }

    /// An environment variable.
    pub(crate) fn var(&self, name: &str) -> Option<&[u8]> {
        self.env.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v.as_slice())
    }

    /// `path` made absolute.
    pub(crate) fn path(&self, path: &[u8]) -> Vec<u8> {
        absolute(&self.cwd, path)
    }

    /// Puts bytes into the buffer of standard output.
    pub(crate) fn out(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.extend_from_slice(bytes.as_ref());
    }

    /// Writes standard output's buffer out.
    pub(crate) async fn flush(&mut self) -> Result<(), Errno> {
        if self.out.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.out);
        match self.fds.get(&1) {
            Some(fd) => fd.clone().write(&self.k, &bytes).await,
            None => Err(Errno::EBADF),
        }
    }

    /// Writes out what is buffered if it is much, or if somebody watches.
    pub(crate) async fn maybe_flush(&mut self) -> Result<(), Errno> {
        let limit = match self.fds.get(&1) {
            Some(fd) if fd.is_tty(&self.k) => 1,
            Some(Fd::File(_)) => 65_536,
            _ => 4096,
        };
        if self.out.len() >= limit { self.flush().await } else { Ok(()) }
    }

    /// Says something on standard error.
    pub(crate) async fn err(&mut self, text: impl AsRef<[u8]>) {
        if self.fds.get(&1).is_some_and(|fd| fd.is_tty(&self.k)) {
            let _ = self.flush().await;
        }
        if let Some(fd) = self.fds.get(&2).cloned() {
            let _ = fd.write(&self.k, text.as_ref()).await;
        }
    }

    /// `name: text` on standard error.
    pub(crate) async fn warn(&mut self, text: impl AsRef<[u8]>) {
        let mut line = self.called().into_bytes();
        line.extend_from_slice(b": ");
        line.extend_from_slice(text.as_ref());
        line.push(b'\n');
        self.err(line).await;
    }

    /// `name: text` and exit status 1.
    pub(crate) async fn fail(&mut self, text: impl AsRef<[u8]>) -> i32 {
        self.warn(text).await;
        1
    }

    /// More of standard input; `false` at its end.
    async fn fill(&mut self) -> bool {
        if self.read_end {
            return false;
        }
        let Some(fd) = self.fds.get(&0).cloned() else {
            self.read_end = true;
            return false;
        };
        self.k.pay(1).await;
        let bytes = fd.read(&self.k, 65_536).await.unwrap_or_default();
        if bytes.is_empty() {
            self.read_end = true;
            return false;
        }
        self.read.extend_from_slice(&bytes);
        true
    }

    /// A piece of standard input; empty at its end.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        if self.read.is_empty() {
            self.fill().await;
        }
        std::mem::take(&mut self.read)
    }

    /// A line of standard input with its newline; `None` at the end. Lines are cut at 1 MiB.
    pub(crate) async fn line(&mut self) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(p) = self.read.get(from..).and_then(|r| r.iter().position(|&b| b == b'\n')) {
                let rest = self.read.split_off(from + p + 1);
                return Some(std::mem::replace(&mut self.read, rest));
            }
            from = self.read.len();
            if from > 1 << 20 {
                return Some(std::mem::take(&mut self.read));
            }
            if !self.fill().await {
                return if self.read.is_empty() { None } else { Some(std::mem::take(&mut self.read)) };
            }
        }
    }

    /// Puts bytes back that were read too much, so that the next reader of a shared file finds them.
    pub(crate) fn unread(&mut self, bytes: Vec<u8>) {
        let rest = std::mem::replace(&mut self.read, bytes);
        self.read.extend(rest);
        if let Some(Fd::File(open)) = self.fds.get(&0) {
            let mut open = open.lock();
            open.pos = open.pos.saturating_sub(self.read.len() as u64);
            self.read.clear();
        }
    }

    /// All of standard input, at most 16 MiB.
    pub(crate) async fn all_input(&mut self) -> Vec<u8> {
        while self.read.len() < 16 << 20 && self.fill().await {}
        std::mem::take(&mut self.read)
    }

    /// All of a file, or of standard input for `-`.
    pub(crate) async fn slurp(&mut self, path: &[u8]) -> Result<Bytes, Errno> {
        if path == b"-" {
            return Ok(self.all_input().await.into());
        }
        let full = self.path(path);
        match open(&self.k, &self.fds, &self.who, &full, How::Read, 0)? {
            Fd::File(_) => {
                self.k.pay(2).await;
                let bytes = self.k.fs.read(&self.who, &full)?;
                self.k.pay(u32::try_from(bytes.len() / 8192).unwrap_or(0)).await;
                Ok(bytes)
            }
            fd => {
                let mut out = Vec::new();
                while out.len() < 16 << 20 {
                    let part = fd.read(&self.k, 65_536).await?;
                    if part.is_empty() {
                        break;
                    }
                    out.extend(part);
                }
                Ok(out.into())
            }
        }
    }

    /// Makes standard input read from a file.
    pub(crate) fn reopen(&mut self, path: &[u8]) -> Result<(), Errno> {
        let full = self.path(path);
        let fd = open(&self.k, &self.fds, &self.who, &full, How::Read, 0)?;
        if let Ok(meta) = self.k.fs.stat(&self.who, &full)
            && meta.is_dir()
        {
            return Err(Errno::EISDIR);
        }
        self.fds.insert(0, fd);
        self.read.clear();
        self.read_end = false;
        Ok(())
    }

    /// Whether descriptor `n` is the terminal.
    pub(crate) fn tty(&self, n: u32) -> bool {
        self.fds.get(&n).is_some_and(|fd| fd.is_tty(&self.k))
    }

    /// A line typed on the terminal without echo (a password), without its newline.
    pub(crate) async fn secret(&mut self, prompt: &str) -> Option<Vec<u8>> {
        let _ = self.flush().await;
        let tty = self.k.has_tty;
        let modes = self.k.state.lock().modes;
        if tty {
            self.k.print(prompt.as_bytes());
            self.k.set_modes(super::kernel::Modes { echo: false, canonical: true, ..modes });
        } else {
            self.err(prompt).await;
        }
        let guard = Restore(&self.k, modes, tty);
        let mut line = Vec::new();
        let got = loop {
            let part = self.k.input(4096).await;
            if part.is_empty() {
                break (!line.is_empty()).then_some(line);
            }
            line.extend(part);
            if line.last() == Some(&b'\n') || line.len() > 4096 {
                line.pop();
                break Some(line);
            }
        };
        drop(guard);
        if tty {
            self.k.print(b"\n");
        }
        got
    }
}

/// Puts the terminal back even if the reader is interrupted.
struct Restore<'a>(&'a Arc<Kernel>, super::kernel::Modes, bool);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if self.2 {
            self.0.set_modes(self.1);
        }
    }
}

/// `path` seen from `cwd`.
pub(crate) fn absolute(cwd: &[u8], path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    if path.is_empty() {
        return Vec::new();
    }
    let mut out = cwd.to_vec();
    if out.last() != Some(&b'/') {
        out.push(b'/');
    }
    out.extend_from_slice(path);
    out
}
