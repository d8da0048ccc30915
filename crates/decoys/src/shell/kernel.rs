//! What all processes of a session share: the terminal, the clock, pipes, time slices. Futures are polled by
//! hand; whoever waits says until when, and every loop pays for its steps.

use bytes::Bytes;
use model::{FileWay, Micros, Saw};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use super::{Console, Fs};

/// A boxed future.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Steps one time slice may take.
const SLICE: u32 = 12_000;
/// Bytes one time slice may print.
const SLICE_OUT: usize = 192 * 1024;
/// Most bytes typed and not read.
const MOST_TYPED: usize = 1 << 20;
/// Most bytes a session may print before it is slowed down hard.
const MOST_OUT: u64 = 96 << 20;

/// What a session wants done outside.
pub(crate) enum Act {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Note(Saw),
    Keep(Vec<u8>, Bytes, FileWay),
}

/// How the terminal treats what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) echo: bool,
    pub(crate) canonical: bool,
    pub(crate) signals: bool,
    pub(crate) post: bool,
    pub(crate) icrnl: bool,
}

/// The terminal's modes when a program starts.
pub(crate) const COOKED: Modes = Modes { echo: true, canonical: true, signals: true, post: true, icrnl: true };
/// While a line is edited.
pub(crate) const EDITING: Modes = Modes { echo: false, canonical: false, signals: true, post: true, icrnl: false };

/// A background task.
pub(crate) type Task = Boxed<'static, ()>;

pub(crate) struct State {
    pub(crate) now: Micros,
    pub(crate) acts: Vec<Act>,
    pub(crate) rng: ChaCha12Rng,
    pub(crate) modes: Modes,
    /// Complete input: lines in canonical mode, bytes else; what programs read.
    pub(crate) typed: VecDeque<u8>,
    /// The line being typed in canonical mode.
    line: Vec<u8>,
    /// `^D` on an empty line, or the end of standard input.
    pub(crate) eof: u32,
    pub(crate) closed: bool,
    pub(crate) interrupt: bool,
    pub(crate) stop: bool,
    pub(crate) hangup: bool,
    pub(crate) cols: u16,
    pub(crate) rows: u16,
    deadline: Option<Micros>,
    steps: u32,
    printed: usize,
    total_out: u64,
    total_steps: u64,
    pub(crate) tasks: Vec<Task>,
    dirty: BTreeSet<Vec<u8>>,
    kept: BTreeSet<[u8; 20]>,
    pub(crate) kept_bytes: usize,
    /// When a line was last entered.
    pub(crate) last_input: Micros,
    pub(crate) forks: u64,
}

/// One session's machine.
pub(crate) struct Kernel {
    pub(crate) state: Mutex<State>,
    pub(crate) fs: Fs,
    pub(crate) has_tty: bool,
    pub(crate) progress: Arc<AtomicBool>,
    /// Flags that end background tasks, by process.
    pub(crate) kills: Mutex<BTreeMap<u32, Arc<Mutex<Option<i32>>>>>,
}

impl Kernel {
    pub(crate) fn new(fs: Fs, has_tty: bool, cols: u16, rows: u16, now: Micros) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                now,
                acts: Vec::new(),
                rng: ChaCha12Rng::from_seed([0; 32]),
                modes: COOKED,
                typed: VecDeque::new(),
                line: Vec::new(),
                eof: 0,
                closed: false,
                interrupt: false,
                stop: false,
                hangup: false,
                cols,
                rows,
                deadline: None,
                steps: SLICE,
                printed: 0,
                total_out: 0,
                total_steps: 0,
                tasks: Vec::new(),
                dirty: BTreeSet::new(),
                kept: BTreeSet::new(),
                kept_bytes: 0,
                last_input: now,
                forks: 0,
            }),
            fs,
            has_tty,
            progress: Arc::new(AtomicBool::new(false)),
            kills: Mutex::default(),
        })
    }

    /// Takes fresh randomness from the console.
    pub(crate) fn seed(&self, out: &mut dyn Console) {
        let mut seed = [0; 32];
        out.random(&mut seed);
        self.state.lock().rng = ChaCha12Rng::from_seed(seed);
    }

    /// A new time slice at `now`.
    pub(crate) fn begin(&self, now: Micros) {
        let mut s = self.state.lock();
        s.now = now;
        s.deadline = None;
        s.steps = SLICE;
        s.printed = 0;
        drop(s);
        self.fs.set_now(now);
    }

    /// Hands what was collected to the console and asks to be woken if something waits for time.
    pub(crate) fn end(&self, out: &mut dyn Console) {
        let (acts, deadline, now) = {
            let mut s = self.state.lock();
            (std::mem::take(&mut s.acts), s.deadline.take(), s.now)
        };
        for act in acts {
            match act {
                Act::Out(bytes) => out.stdout(&bytes),
                Act::Err(bytes) => out.stderr(&bytes),
                Act::Note(saw) => out.note(saw),
                Act::Keep(path, bytes, way) => out.keep(&path, bytes, way),
            }
        }
        if let Some(at) = deadline {
            out.wake_after(at.since(now).max(Duration::from_millis(1)));
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.state.lock().now
    }

    pub(crate) fn note(&self, saw: Saw) {
        let mut s = self.state.lock();
        if s.acts.len() < 100_000 {
            s.acts.push(Act::Note(saw));
        }
    }

    pub(crate) fn random_u32(&self) -> u32 {
        self.state.lock().rng.next_u32()
    }

    /// Prints on the terminal.
    pub(crate) fn print(&self, bytes: &[u8]) {
        let mut s = self.state.lock();
        s.print(bytes);
    }

    /// Prints on standard output or error of a session without a terminal.
    pub(crate) fn plain(&self, bytes: &[u8], error: bool) {
        let mut s = self.state.lock();
        s.printed += bytes.len();
        s.total_out += bytes.len() as u64;
        match (s.acts.last_mut(), error) {
            (Some(Act::Out(old)), false) | (Some(Act::Err(old)), true) => old.extend_from_slice(bytes),
            (_, false) => s.acts.push(Act::Out(bytes.to_vec())),
            (_, true) => s.acts.push(Act::Err(bytes.to_vec())),
        }
    }

    /// Waits until the slice has room to print.
    pub(crate) async fn room(&self) {
        std::future::poll_fn(|_| {
            let mut s = self.state.lock();
            let limit = if s.total_out > MOST_OUT { SLICE_OUT / 64 } else { SLICE_OUT };
            if s.printed < limit {
                return Poll::Ready(());
            }
            let at = s.now.plus(Duration::from_millis(if s.total_out > MOST_OUT { 500 } else { 25 }));
            s.wait(at);
            Poll::Pending
        })
        .await;
    }

    /// Pays for work; waits for the next slice when this one is used up.
    pub(crate) async fn pay(&self, steps: u32) {
        let mut paid = false;
        std::future::poll_fn(|_| {
            let mut s = self.state.lock();
            if !paid {
                paid = true;
                s.total_steps += u64::from(steps);
                s.steps = s.steps.saturating_sub(steps);
            }
            if s.steps > 0 {
                return Poll::Ready(());
            }
            let pause = match s.total_steps {
                0..1_000_000 => 10,
                1_000_000..10_000_000 => 60,
                _ => 400,
            };
            let at = s.now.plus(Duration::from_millis(pause));
            s.wait(at);
            Poll::Pending
        })
        .await;
    }

    /// Waits until `at`.
    pub(crate) async fn until(&self, at: Micros) {
        std::future::poll_fn(|_| {
            let mut s = self.state.lock();
            if s.now >= at {
                return Poll::Ready(());
            }
            s.wait(at);
            Poll::Pending
        })
        .await;
    }

    /// Waits for a time.
    pub(crate) async fn sleep(&self, time: Duration) {
        let at = self.now().plus(time);
        self.until(at).await;
    }

    /// Something happened that others may wait for.
    pub(crate) fn moved(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }

    /// Marks a file as written by the attacker.
    pub(crate) fn dirty(&self, path: &[u8]) {
        let mut s = self.state.lock();
        if s.dirty.len() < 512 {
            s.dirty.insert(path.to_vec());
        }
    }

    /// Keeps what was written since the last call.
    pub(crate) fn keep_dirty(&self) {
        use sha1::{Digest, Sha1};
        let paths = std::mem::take(&mut self.state.lock().dirty);
        for path in paths {
            if let Ok(bytes) = self.fs.read(&super::Who::root(), &path)
                && !bytes.is_empty()
                && bytes.len() <= 8 << 20
            {
                let id: [u8; 20] = Sha1::new().chain_update(&path).chain_update(&bytes).finalize().into();
                let mut s = self.state.lock();
                if s.kept_bytes + bytes.len() <= 64 << 20 && s.kept.len() < 4096 && s.kept.insert(id) {
                    s.kept_bytes += bytes.len();
                    s.acts.push(Act::Keep(path, bytes, FileWay::Written));
                }
            }
        }
    }

    /// Starts something in the background.
    pub(crate) fn spawn(&self, task: Task) {
        self.state.lock().tasks.push(task);
        self.moved();
    }

    /// Sets how the terminal treats typing. What was typed and not read goes on to the next reader.
    pub(crate) fn set_modes(&self, modes: Modes) {
        let mut s = self.state.lock();
        if s.modes.canonical && !modes.canonical {
            let line = std::mem::take(&mut s.line);
            s.typed.extend(line);
        } else if !s.modes.canonical && modes.canonical {
            // Bytes that came while a line was edited were not echoed and are not now.
            let raw: Vec<u8> = s.typed.drain(..).collect();
            s.modes = Modes { echo: false, ..modes };
            for b in raw {
                s.typed_byte(b);
            }
        }
        s.modes = modes;
    }

    /// Bytes from the client.
    pub(crate) fn typed(&self, bytes: &[u8]) {
        let mut s = self.state.lock();
        if !self.has_tty {
            if s.typed.len() < 16 * MOST_TYPED {
                s.typed.extend(bytes);
            }
        } else {
            for &b in bytes {
                s.typed_byte(b);
            }
        }
        drop(s);
        self.moved();
    }

    /// At most `most` bytes of input; empty at its end.
    pub(crate) async fn input(&self, most: usize) -> Vec<u8> {
        std::future::poll_fn(|_| {
            let mut s = self.state.lock();
            if !s.typed.is_empty() {
                let mut take = most.min(s.typed.len());
                if s.modes.canonical && self.has_tty {
                    take = s.typed.iter().take(take).position(|&b| b == b'\n').map_or(take, |p| p + 1);
                }
                self.moved();
                return Poll::Ready(s.typed.drain(..take).collect());
            }
            if s.eof > 0 || s.closed || s.hangup {
                s.eof = s.eof.saturating_sub(1);
                return Poll::Ready(Vec::new());
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the end of `work`, unless `^C` or `^Z` is pressed first.
    pub(crate) async fn unless_interrupted<T>(&self, mut work: Boxed<'_, T>) -> Result<T, Signal> {
        std::future::poll_fn(|cx| {
            {
                let mut s = self.state.lock();
                if s.hangup {
                    return Poll::Ready(Err(Signal::Hangup));
                }
                if std::mem::take(&mut s.interrupt) {
                    return Poll::Ready(Err(Signal::Interrupt));
                }
                if std::mem::take(&mut s.stop) {
                    return Poll::Ready(Err(Signal::Stop));
                }
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

/// What the terminal or the line sends to what runs in the foreground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Stop,
    Hangup,
}

impl State {
    fn wait(&mut self, at: Micros) {
        self.deadline = Some(self.deadline.map_or(at, |d| d.min(at)));
    }

    pub(crate) fn print(&mut self, bytes: &[u8]) {
        self.printed += bytes.len();
        self.total_out += bytes.len() as u64;
        let mut with = Vec::with_capacity(bytes.len() + 8);
        if self.modes.post {
            for &b in bytes {
                if b == b'\n' {
                    with.push(b'\r');
                }
                with.push(b);
            }
        } else {
            with.extend_from_slice(bytes);
        }
        if let Some(Act::Out(old)) = self.acts.last_mut() {
            old.extend_from_slice(&with);
        } else {
            self.acts.push(Act::Out(with));
        }
    }

    fn echo(&mut self, b: u8) {
        if !self.modes.echo {
            return;
        }
        match b {
            b'\n' | b'\t' => self.print(&[b]),
            0..=31 => self.print(&[b'^', b + 64]),
            127 => self.print(b"^?"),
            _ => self.print(&[b]),
        }
    }

    /// The line discipline.
    fn typed_byte(&mut self, b: u8) {
        let b = if b == b'\r' && self.modes.icrnl { b'\n' } else { b };
        if self.typed.len() + self.line.len() > MOST_TYPED {
            return;
        }
        if self.modes.signals && matches!(b, 3 | 28 | 26) {
            self.echo(b);
            self.line.clear();
            self.typed.clear();
            if b == 26 {
                self.stop = true
            } else {
                self.interrupt = true
            }
            return;
        }
        if !self.modes.canonical {
            self.echo(b);
            self.typed.push_back(b);
            return;
        }
        match b {
            b'\n' => {
                self.echo(b'\n');
                self.line.push(b'\n');
                let line = std::mem::take(&mut self.line);
                self.typed.extend(line);
                self.last_input = self.now;
            }
            127 | 8 => {
                if let Some(gone) = self.line.pop() {
                    while self.line.last().is_some_and(|&c| gone & 0xc0 == 0x80 && c & 0xc0 == 0x80) {
                        self.line.pop();
                    }
                    if gone & 0xc0 == 0x80 {
                        self.line.pop();
                    }
                    if self.modes.echo {
                        self.print(if gone < 32 { b"\x08 \x08\x08 \x08" } else { b"\x08 \x08" });
                    }
                }
            }
            21 => {
                let wide = self.line.iter().filter(|&&c| c & 0xc0 != 0x80).count();
                self.line.clear();
                if self.modes.echo {
                    self.print(&b"\x08 \x08".repeat(wide.min(4096)));
                }
            }
            23 => {
                while self.line.last() == Some(&b' ') {
                    self.line.pop();
                    if self.modes.echo {
                        self.print(b"\x08 \x08");
                    }
                }
                while self.line.last().is_some_and(|&c| c != b' ') {
                    self.line.pop();
                    if self.modes.echo {
                        self.print(b"\x08 \x08");
                    }
                }
            }
            4 => {
                if self.line.is_empty() {
                    self.eof += 1;
                } else {
                    let line = std::mem::take(&mut self.line);
                    self.typed.extend(line);
                }
            }
            _ => {
                self.echo(b);
                self.line.push(b);
            }
        }
    }
}

/// A pipe: bytes on their way, and whether each end is still held.
pub(crate) struct Pipe {
    inner: Mutex<PipeState>,
    progress: Arc<AtomicBool>,
}

struct PipeState {
    bytes: VecDeque<u8>,
    read_closed: bool,
    write_closed: bool,
}

/// Room in a pipe, as Linux has it.
const PIPE_ROOM: usize = 65_536;

/// The end that is read from; closes when the last holder lets go.
pub(crate) struct ReadEnd(Arc<Pipe>);
/// The end that is written to.
pub(crate) struct WriteEnd(Arc<Pipe>);

impl Drop for ReadEnd {
    fn drop(&mut self) {
        self.0.inner.lock().read_closed = true;
        self.0.progress.store(true, Ordering::Relaxed);
    }
}
impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.inner.lock().write_closed = true;
        self.0.progress.store(true, Ordering::Relaxed);
    }
}

/// A new pipe.
pub(crate) fn pipe(k: &Kernel) -> (Arc<ReadEnd>, Arc<WriteEnd>) {
    let pipe = Arc::new(Pipe {
        inner: Mutex::new(PipeState { bytes: VecDeque::new(), read_closed: false, write_closed: false }),
        progress: Arc::clone(&k.progress),
    });
    (Arc::new(ReadEnd(Arc::clone(&pipe))), Arc::new(WriteEnd(pipe)))
}

impl ReadEnd {
    /// At most `most` bytes; empty when all writers are gone.
    pub(crate) async fn read(&self, most: usize) -> Vec<u8> {
        std::future::poll_fn(|_| {
            let mut p = self.0.inner.lock();
            if !p.bytes.is_empty() {
                let take = most.min(p.bytes.len());
                self.0.progress.store(true, Ordering::Relaxed);
                return Poll::Ready(p.bytes.drain(..take).collect());
            }
            if p.write_closed { Poll::Ready(Vec::new()) } else { Poll::Pending }
        })
        .await
    }
}

impl WriteEnd {
    /// Writes all; `false` when no reader is left.
    pub(crate) async fn write(&self, bytes: &[u8]) -> bool {
        let mut at = 0;
        std::future::poll_fn(|_| {
            let mut p = self.0.inner.lock();
            if p.read_closed {
                return Poll::Ready(false);
            }
            let room = PIPE_ROOM.saturating_sub(p.bytes.len());
            let rest = bytes.get(at..).unwrap_or_default();
            let take = room.min(rest.len());
            if take > 0 {
                p.bytes.extend(rest.get(..take).unwrap_or_default());
                at += take;
                self.0.progress.store(true, Ordering::Relaxed);
            }
            if at >= bytes.len() { Poll::Ready(true) } else { Poll::Pending }
        })
        .await
    }
}

/// Polls several futures side by side until all are done.
pub(crate) struct Together<'a> {
    parts: Vec<(Option<Boxed<'a, i32>>, i32)>,
    progress: Arc<AtomicBool>,
}

impl<'a> Together<'a> {
    pub(crate) fn new(k: &Kernel, parts: Vec<Boxed<'a, i32>>) -> Self {
        Self { parts: parts.into_iter().map(|p| (Some(p), 0)).collect(), progress: Arc::clone(&k.progress) }
    }
}

impl Future for Together<'_> {
    type Output = Vec<i32>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<i32>> {
        let this = &mut *self;
        let mut before = this.progress.load(Ordering::Relaxed);
        for _ in 0..10_000 {
            this.progress.store(false, Ordering::Relaxed);
            let mut left = false;
            for (part, status) in &mut this.parts {
                if let Some(future) = part {
                    match future.as_mut().poll(cx) {
                        Poll::Ready(value) => {
                            *status = value;
                            *part = None;
                            this.progress.store(true, Ordering::Relaxed);
                        }
                        Poll::Pending => left = true,
                    }
                }
            }
            if !left {
                this.progress.store(true, Ordering::Relaxed);
                return Poll::Ready(this.parts.iter().map(|(_, status)| *status).collect());
            }
            if !this.progress.load(Ordering::Relaxed) {
                break;
            }
            before = true;
        }
        if before {
            this.progress.store(true, Ordering::Relaxed);
        }
        Poll::Pending
    }
}
