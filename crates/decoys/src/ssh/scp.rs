//! The old `scp` protocol, the side that sshd starts: `scp -t` takes files, `scp -f` gives them.

mod line;

use bytes::{Buf, BytesMut};
use model::{Account, Micros};
use std::collections::VecDeque;

use line::{Wish, matches, parse_entry, parse_times};

use super::{
    program::Desk,
    transfer::{Draft, Place, UMASK, join, last},
};
use crate::{
    decoy::Visit,
    shell::{Console, Errno, WriteMode},
};

/// Longest control line.
const MOST_LINE: usize = 16 * 1024;
/// Bytes of a file put out at once.
const PIECE: usize = 16 * 1024;
/// Stop reading files while this much output waits.
const MOST_WAITING: usize = 512 * 1024;
/// Deepest directory that is descended into.
const MOST_DEPTH: usize = 64;

/// A running scp.
pub(super) struct Scp {
    place: Place,
    wish: Wish,
    input: BytesMut,
    task: Task,
    errors: bool,
    heard_eof: bool,
}

enum Task {
    Take(Take),
    Give(Give),
    Over,
}

/// `-t`: where the next file goes, and the one being received.
struct Take {
    /// Target of each level of recursion, and the mode and times to set when it is left.
    targets: Vec<Level>,
    times: Option<(i64, i64)>,
    file: Option<Incoming>,
    first: bool,
}

struct Level {
    path: Vec<u8>,
    times: Option<(i64, i64)>,
}

struct Incoming {
    draft: Option<Draft>,
    mode: u32,
    existed: bool,
    left: u64,
    at: u64,
    problem: Option<Errno>,
    times: Option<(i64, i64)>,
}

/// `-f`: what is still to be sent. Each step needs an answer before the next.
struct Give {
    steps: VecDeque<Step>,
    waiting: bool,
}

enum Step {
    Path { path: Vec<u8>, shown: Vec<u8>, depth: usize },
    Line(Vec<u8>),
    Open { path: Vec<u8>, size: u64 },
    Data { path: Vec<u8>, size: u64, at: u64 },
}

impl Scp {
    /// `None` if the command line is not a plain scp one; then the shell has it.
    pub(super) fn new(visit: &Visit, command: &[u8], account: &Account, now: Micros) -> Option<Self> {
        let wish = Wish::parse(command)?;
        let place = Place::new(visit, account, now);
        Some(Self { place, wish, input: BytesMut::new(), task: Task::Over, errors: false, heard_eof: false })
    }

    pub(super) fn start(&mut self, desk: &mut Desk<'_>) {
        if self.wish.give {
            let steps = std::mem::take(&mut self.wish.paths).into_iter().flat_map(|p| self.expand(&p)).collect();
            self.task = Task::Give(Give { steps, waiting: true });
            return;
        }
        let target = self.wish.paths.first().cloned().unwrap_or_default();
        let path = self.place.absolute(&target);
        if self.wish.must_be_directory && !self.place.fs.stat(&self.place.who, &path).is_ok_and(|m| m.is_dir()) {
            let errno = self.place.fs.stat(&self.place.who, &path).err().unwrap_or(Errno::ENOTDIR);
            self.complain(&[&target[..], b": ", errno.text().as_bytes()].concat(), desk);
            return self.end(1, desk);
        }
        desk.stdout(b"\0");
        self.task = Task::Take(Take { targets: vec![Level { path, times: None }], times: None, file: None, first: true });
    }

    pub(super) fn input(&mut self, bytes: &[u8], desk: &mut Desk<'_>) {
        if !matches!(self.task, Task::Over) {
            self.input.extend_from_slice(bytes);
            self.resume(desk);
        }
    }

    pub(super) fn eof(&mut self, desk: &mut Desk<'_>) {
        self.heard_eof = true;
        self.resume(desk);
        self.finish(desk);
    }

    fn finish(&mut self, desk: &mut Desk<'_>) {
        match &self.task {
            Task::Over => {}
            Task::Take(take) if take.file.is_none() && self.input.is_empty() => {
                let status = i32::from(self.errors);
                self.end(status, desk);
            }
            Task::Take(_) => {
                self.complain(b"protocol error: lost connection", desk);
                self.end(1, desk);
            }
            Task::Give(give) if give.waiting => self.end(255, desk),
            Task::Give(_) => {}
        }
    }

    pub(super) fn hangup(&mut self, desk: &mut Desk<'_>) {
        self.keep_rest(desk);
        self.task = Task::Over;
    }

    pub(super) fn backlog(&self) -> usize {
        self.input.len()
    }

    /// Goes on as far as input and output allow.
    pub(super) fn resume(&mut self, desk: &mut Desk<'_>) {
        self.place.fs.set_now(desk.now());
        loop {
            let before = (self.input.len(), desk.waiting.bytes);
            match &mut self.task {
                Task::Over => return,
                Task::Take(_) => self.take(desk),
                Task::Give(_) => self.give(desk),
            }
            if before == (self.input.len(), desk.waiting.bytes) {
                break;
            }
        }
        if self.heard_eof {
            self.finish(desk);
        }
    }

    fn end(&mut self, status: i32, desk: &mut Desk<'_>) {
        self.keep_rest(desk);
        self.task = Task::Over;
        self.input = BytesMut::new();
        desk.exit(status);
    }

    /// What had come of a file that will not be finished is evidence too.
    fn keep_rest(&mut self, desk: &mut Desk<'_>) {
        if let Task::Take(take) = &mut self.task
            && let Some(Incoming { draft: Some(draft), .. }) = take.file.take()
        {
            let _ = draft.close(&mut self.place, desk);
        }
    }

    fn complain(&mut self, text: &[u8], desk: &mut Desk<'_>) {
        self.errors = true;
        desk.stdout(&[b"\x01scp: ", text, b"\n"].concat());
    }

    /// One control line off the input.
    fn line(&mut self, desk: &mut Desk<'_>) -> Option<Vec<u8>> {
        let Some(end) = self.input.iter().position(|&b| b == b'\n') else {
            if self.input.len() > MOST_LINE {
                self.end(1, desk);
            }
            return None;
        };
        let line = self.input.split_to(end);
        self.input.advance(1);
        Some(line.to_vec())
    }

    // --- taking

    fn take(&mut self, desk: &mut Desk<'_>) {
        let Task::Take(take) = &mut self.task else { return };
        if take.file.is_some() {
            return self.receive(desk);
        }
        let Some(line) = self.line(desk) else { return };
        let Task::Take(take) = &mut self.task else { return };
        let first = std::mem::take(&mut take.first);
        let Some((&kind, rest)) = line.split_first() else {
            self.complain(b"protocol error: unexpected <newline>", desk);
            return self.end(1, desk);
        };
        match kind {
            1 => self.errors = true,
            2 => self.end(1, desk),
            b'E' => {
                let left = take.targets.pop();
                let done = take.targets.is_empty();
                desk.stdout(b"\0");
                if let Some(Level { path, times: Some(times) }) = left {
                    self.set_times(&path, times);
                }
                if done {
                    let status = i32::from(self.errors);
                    self.end(status, desk);
                }
            }
            b'T' => match parse_times(rest) {
                Ok(times) => {
                    take.times = Some(times);
                    desk.stdout(b"\0");
                }
                Err(text) => self.screw_up(text, desk),
            },
            b'C' | b'D' => self.entry(kind == b'D', rest, desk),
            _ if first => {
                self.complain(&line, desk);
                self.end(1, desk);
            }
            _ => self.screw_up("expected control record", desk),
        }
    }

    fn screw_up(&mut self, text: &str, desk: &mut Desk<'_>) {
        self.complain(format!("protocol error: {text}").as_bytes(), desk);
        self.end(1, desk);
    }

    fn entry(&mut self, directory: bool, rest: &[u8], desk: &mut Desk<'_>) {
        let (mode, size, name) = match parse_entry(rest) {
            Ok(parsed) => parsed,
            Err(text) => return self.screw_up(text, desk),
        };
        if name.is_empty() || name.contains(&b'/') || name == b"." || name == b".." {
            self.complain(&[b"error: unexpected filename: ", name].concat(), desk);
            return self.end(1, desk);
        }
        let Task::Take(take) = &mut self.task else { return };
        let times = take.times.take();
        let Some(target) = take.targets.last().map(|l| l.path.clone()) else { return };
        let (fs, who) = (&self.place.fs, &self.place.who);
        let into = fs.stat(who, &target).is_ok_and(|m| m.is_dir());
        let path = if into { join(&target, name) } else { target };
        let found = fs.stat(who, &path);
        if directory {
            if !self.wish.recursive {
                return self.screw_up("received directory without -r", desk);
            }
            let made = match &found {
                Ok(meta) if meta.is_dir() => {
                    if self.wish.times {
                        let _ = fs.chmod(who, &path, mode);
                    }
                    Ok(())
                }
                Ok(_) => Err(Errno::ENOTDIR),
                Err(_) => fs.mkdir(who, &path, (mode | 0o700) & !UMASK, desk.now()),
            };
            let too_deep = matches!(&self.task, Task::Take(t) if t.targets.len() >= MOST_DEPTH);
            match made {
                Ok(()) if !too_deep => {
                    desk.stdout(b"\0");
                    if let Task::Take(take) = &mut self.task {
                        take.targets.push(Level { path, times });
                    }
                }
                Ok(()) => self.bad(&path, Errno::ENAMETOOLONG, desk),
                Err(errno) => self.bad(&path, errno, desk),
            }
            return;
        }
        let opened = match &found {
            Ok(meta) if meta.is_dir() => Err(Errno::EISDIR),
            Ok(_) => fs.access(who, &path, 2),
            Err(Errno::ENOENT) => fs.write(who, &path, b"", WriteMode::Truncate, (mode | 0o200) & !UMASK, desk.now()),
            Err(errno) => Err(*errno),
        };
        let draft = opened.and_then(|()| Draft::open(&self.place, path.clone()));
        match draft {
            Ok(draft) => {
                desk.stdout(b"\0");
                if let Task::Take(take) = &mut self.task {
                    take.file =
                        Some(Incoming { draft: Some(draft), mode, existed: found.is_ok(), left: size, at: 0, problem: None, times });
                }
            }
            Err(errno) => self.bad(&path, errno, desk),
        }
    }

    fn bad(&mut self, path: &[u8], errno: Errno, desk: &mut Desk<'_>) {
        let shown = self.shown(path);
        self.complain(&[&shown[..], b": ", errno.text().as_bytes()].concat(), desk);
    }

    /// The path as the command line had it: relative ones were relative.
    fn shown(&self, path: &[u8]) -> Vec<u8> {
        let given = self.wish.paths.first().map(Vec::as_slice).unwrap_or_default();
        let base = self.place.absolute(given);
        match path.strip_prefix(base.as_slice()) {
            Some(tail) => [given, tail].concat(),
            None => path.to_vec(),
        }
    }

    /// Content, then the sender's word that it is complete.
    fn receive(&mut self, desk: &mut Desk<'_>) {
        let Task::Take(take) = &mut self.task else { return };
        let Some(file) = &mut take.file else { return };
        if file.left > 0 {
            let n = self.input.len().min(usize::try_from(file.left).unwrap_or(usize::MAX));
            let data = self.input.split_to(n);
            if let (Some(draft), None) = (&mut file.draft, file.problem)
                && let Err(errno) = draft.write(&mut self.place, file.at, &data)
            {
                file.problem = Some(errno);
            }
            file.at += n as u64;
            file.left -= n as u64;
            if file.left > 0 {
                return;
            }
        }
        let Some(&word) = self.input.first() else { return };
        let failed = word != 0;
        if failed {
            if self.line(desk).is_none() {
                return;
            }
            self.errors = true;
        } else {
            self.input.advance(1);
        }
        let Task::Take(take) = &mut self.task else { return };
        let Some(mut file) = take.file.take() else { return };
        let Some(mut draft) = file.draft.take() else { return };
        let path = draft.path.clone();
        if draft.len() > file.at {
            let _ = draft.truncate(&mut self.place, file.at);
        }
        let closed = draft.close(&mut self.place, desk);
        let problem = file.problem.or(closed.err());
        let (fs, who) = (&self.place.fs, &self.place.who);
        let mode = if self.wish.times { file.mode } else { file.mode & !UMASK };
        if self.wish.times || !file.existed {
            let _ = fs.chmod(who, &path, mode & 0o7777);
        }
        if let Some(times) = file.times {
            self.set_times(&path, times);
        }
        match problem {
            Some(errno) => self.bad(&path, errno, desk),
            None if failed => {}
            None => desk.stdout(b"\0"),
        }
    }

    fn set_times(&self, path: &[u8], (mtime, atime): (i64, i64)) {
        let at = |seconds: i64| Some(Micros(seconds.saturating_mul(1_000_000)));
        let _ = self.place.fs.utimes(&self.place.who, path, at(atime), at(mtime));
    }

    // --- giving

    /// The names a pattern of the command line stands for.
    fn expand(&self, pattern: &[u8]) -> Vec<Step> {
        let plain = |path: &[u8]| Step::Path { path: self.place.absolute(path), shown: path.to_vec(), depth: 0 };
        if !pattern.iter().any(|b| b"*?".contains(b)) {
            return vec![plain(pattern)];
        }
        let end = last(pattern);
        let parent = pattern.get(..pattern.len() - end.len()).unwrap_or_default();
        let directory = self.place.absolute(if parent.is_empty() { b"." } else { parent });
        let found: Vec<_> = self
            .place
            .fs
            .list(&self.place.who, &directory)
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| (end.starts_with(b".") || !name.starts_with(b".")) && matches(end, name))
            .map(|(name, _)| plain(&[parent, &name].concat()))
            .collect();
        if found.is_empty() { vec![plain(pattern)] } else { found }
    }

    fn give(&mut self, desk: &mut Desk<'_>) {
        loop {
            let Task::Give(give) = &mut self.task else { return };
            if give.waiting {
                match self.input.first() {
                    None => return,
                    Some(0) => self.input.advance(1),
                    Some(&word) => {
                        if self.line(desk).is_none() {
                            return;
                        }
                        self.errors = true;
                        if word == 2 {
                            return self.end(1, desk);
                        }
                        // The receiver does not want this one.
                        if let Task::Give(give) = &mut self.task
                            && matches!(give.steps.front(), Some(Step::Data { .. } | Step::Open { .. }))
                        {
                            give.steps.pop_front();
                        }
                    }
                }
            }
            if desk.waiting.bytes >= MOST_WAITING {
                if let Task::Give(give) = &mut self.task {
                    give.waiting = false;
                }
                return;
            }
            let Task::Give(give) = &mut self.task else { return };
            give.waiting = false;
            match give.steps.pop_front() {
                None => {
                    let status = i32::from(self.errors);
                    return self.end(status, desk);
                }
                Some(Step::Line(line)) => {
                    desk.stdout(&line);
                    give.waiting = true;
                }
                Some(Step::Open { path, size }) => give.steps.push_front(Step::Data { path, size, at: 0 }),
                Some(Step::Data { path, size, at }) => self.data(path, size, at, desk),
                Some(Step::Path { path, shown, depth }) => self.announce(path, &shown, depth, desk),
            }
        }
    }

    fn data(&mut self, path: Vec<u8>, size: u64, at: u64, desk: &mut Desk<'_>) {
        let n = usize::try_from(size - at).unwrap_or(usize::MAX).min(PIECE);
        let mut piece = self.place.fs.read_at(&self.place.who, &path, at, n).unwrap_or_default().to_vec();
        // Whatever happens, what was announced is sent.
        piece.resize(n, 0);
        desk.stdout(&piece);
        let at = at + n as u64;
        let Task::Give(give) = &mut self.task else { return };
        if at < size {
            give.steps.push_front(Step::Data { path, size, at });
        } else {
            desk.stdout(b"\0");
            give.waiting = true;
        }
    }

    fn announce(&mut self, path: Vec<u8>, shown: &[u8], depth: usize, desk: &mut Desk<'_>) {
        let (fs, who) = (&self.place.fs, &self.place.who);
        let found = fs.stat(who, &path).and_then(|meta| fs.access(who, &path, 4).map(|()| meta));
        let meta = match found {
            Ok(meta) => meta,
            Err(errno) => return self.complain(&[shown, b": ", errno.text().as_bytes()].concat(), desk),
        };
        let name = last(shown);
        let times = format!("T{} 0 {} 0\n", meta.mtime.seconds(), meta.atime.seconds()).into_bytes();
        let mut steps = Vec::new();
        if self.wish.times {
            steps.push(Step::Line(times));
        }
        if meta.is_dir() {
            if !self.wish.recursive {
                return self.complain(&[shown, b": not a regular file"].concat(), desk);
            }
            steps.push(Step::Line([format!("D{:04o} 0 ", meta.mode & 0o7777).as_bytes(), name, b"\n"].concat()));
            let mut inside = if depth < MOST_DEPTH { fs.list(who, &path).unwrap_or_default() } else { Vec::new() };
            inside.sort_by_cached_key(|(name, _)| openssl::sha::sha1(name));
            steps.extend(inside.into_iter().map(|(name, _)| Step::Path {
                path: join(&path, &name),
                shown: join(shown, &name),
                depth: depth + 1,
            }));
            steps.push(Step::Line(b"E\n".to_vec()));
        } else if meta.kind == crate::shell::Kind::File {
            steps.push(Step::Line([format!("C{:04o} {} ", meta.mode & 0o7777, meta.size).as_bytes(), name, b"\n"].concat()));
            steps.push(Step::Open { path, size: meta.size });
        } else {
            return self.complain(&[shown, b": not a regular file"].concat(), desk);
        }
        let Task::Give(give) = &mut self.task else { return };
        for step in steps.into_iter().rev() {
            give.steps.push_front(step);
        }
    }
}
