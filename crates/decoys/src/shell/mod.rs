//! The shell that ssh and telnet visitors land in, and the machine around it.
//!
//! Never here: a socket, a clock, a file of the host, a process. Everything follows from the visit, the
//! persona and what the attacker left before. A command that waits (for input, for time) is a future that
//! [`Shell`] polls by hand when bytes come or a time asked for has passed.
//! Start reading at [`Shell`], then `fs` (the machine's files), `syntax` and `interp` (the language),
//! `commands` (the programs). To add a program: a function and one line in `commands::TABLE`.

pub(crate) mod commands;
mod edit;
pub mod fs;
pub(crate) mod interp;
pub(crate) mod kernel;
pub(crate) mod proc;
mod session;
mod syntax;

use bytes::Bytes;
use model::{FileWay, Micros, Saw};
use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::Visit;
pub use fs::{Errno, Fs, Kind, Meta, Who, WriteMode};
use kernel::{Boxed, Kernel};

/// Who logs in and how.
#[derive(Clone, Debug)]
pub struct Login {
    /// Name of an account of the persona.
    pub user: String,
    /// The terminal, if one was asked for.
    pub tty: Option<Tty>,
    /// `ssh` or `telnet`.
    pub service: &'static str,
    /// Command line given instead of an interactive session (`ssh host command`).
    pub command: Option<Vec<u8>>,
    /// Variables that the client sent and the server accepts.
    pub env: Vec<(String, String)>,
    /// Source port of the visitor.
    pub peer_port: u16,
}

/// A terminal.
#[derive(Clone, Debug)]
pub struct Tty {
    /// Character cells; 0 = unknown.
    pub cols: u16,
    /// Character cells; 0 = unknown.
    pub rows: u16,
    /// `TERM`.
    pub term: String,
    /// `pts/0`.
    pub name: String,
}

/// Where a shell's doings go, and what it knows of the world outside.
pub trait Console {
    /// Bytes for the terminal, or for standard output of a session without one.
    fn stdout(&mut self, bytes: &[u8]);
    /// Bytes for standard error of a session without a terminal.
    fn stderr(&mut self, bytes: &[u8]);
    /// Something was seen.
    fn note(&mut self, saw: Saw);
    /// A file the attacker brought.
    fn keep(&mut self, path: &[u8], bytes: Bytes, way: FileWay);
    /// Call [`Shell::wake`] after this time; a later call replaces an earlier one.
    fn wake_after(&mut self, time: Duration);
    /// The session is over with this exit status.
    fn exit(&mut self, status: i32);
    /// The time.
    fn now(&self) -> Micros;
    /// Fresh randomness.
    fn random(&mut self, buffer: &mut [u8]);
}

/// One login session.
pub struct Shell {
    fs: Fs,
    kernel: Arc<Kernel>,
    login: Login,
    main: Option<Boxed<'static, i32>>,
    done: bool,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shell")
    }
}

impl Shell {
    /// A session that has just been let in.
    pub fn new(visit: &Visit, login: Login, now: Micros) -> Self {
        let fs = Fs::of(visit, now);
        let (cols, rows) = login.tty.as_ref().map_or((80, 24), |t| (t.cols, t.rows));
        let kernel = Kernel::new(fs.clone(), login.tty.is_some(), cols, rows, now);
        Self { fs, kernel, login, main: None, done: false }
    }

    /// Message of the day and prompt, or the command of [`Login::command`].
    pub fn start(&mut self, out: &mut dyn Console) {
        if self.main.is_some() || self.done {
            return;
        }
        self.kernel.seed(out);
        self.kernel.begin(out.now());
        self.main = Some(session::begin(Arc::clone(&self.kernel), self.login.clone()));
        self.run(out);
    }

    /// Bytes typed, or standard input of a session without a terminal.
    pub fn input(&mut self, bytes: &[u8], out: &mut dyn Console) {
        self.kernel.begin(out.now());
        self.kernel.typed(bytes);
        self.run(out);
    }

    /// The client closed its sending half.
    pub fn eof(&mut self, out: &mut dyn Console) {
        self.kernel.begin(out.now());
        self.kernel.state.lock().closed = true;
        self.kernel.moved();
        self.run(out);
    }

    /// The window changed.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        let mut s = self.kernel.state.lock();
        s.cols = cols;
        s.rows = rows;
    }

    /// Whether `^C` and its kin typed now are signals rather than input.
    pub fn takes_signals(&self) -> bool {
        self.kernel.state.lock().modes.signals
    }

    /// A time asked for with [`Console::wake_after`] has come.
    pub fn wake(&mut self, out: &mut dyn Console) {
        self.kernel.begin(out.now());
        self.run(out);
    }

    /// The connection is gone.
    pub fn hangup(&mut self, out: &mut dyn Console) {
        self.kernel.begin(out.now());
        self.kernel.state.lock().hangup = true;
        self.kernel.moved();
        self.run(out);
        self.kernel.keep_dirty();
        self.kernel.end(out);
        self.finish();
    }

    /// The file system as this session sees it.
    pub fn fs(&self) -> &Fs {
        &self.fs
    }

    /// The same, to change it (scp, sftp).
    pub fn fs_mut(&mut self) -> &mut Fs {
        &mut self.fs
    }

    /// Polls everything until nothing moves any more.
    fn run(&mut self, out: &mut dyn Console) {
        if self.done {
            self.kernel.end(out);
            return;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut tasks: Vec<kernel::Task> = std::mem::take(&mut self.kernel.state.lock().tasks);
        let mut status = None;
        for _ in 0..2_000 {
            self.kernel.progress.store(false, Ordering::Relaxed);
            if let Some(main) = &mut self.main
                && let Poll::Ready(code) = main.as_mut().poll(&mut cx)
            {
                status = Some(code);
                self.main = None;
                break;
            }
            tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
            tasks.append(&mut self.kernel.state.lock().tasks);
            if !self.kernel.progress.load(Ordering::Relaxed) {
                break;
            }
        }
        match status {
            Some(code) => {
                drop(tasks);
                self.kernel.keep_dirty();
                self.kernel.end(out);
                self.finish();
                out.exit(code);
            }
            None => {
                self.kernel.state.lock().tasks = tasks;
                self.kernel.end(out);
            }
        }
    }

    fn finish(&mut self) {
        self.done = true;
        self.main = None;
        self.kernel.state.lock().tasks.clear();
    }
}
