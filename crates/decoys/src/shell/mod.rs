//! The shell that ssh and telnet visitors land in, and the machine around it.
//!
//! Never here: a socket, a clock, a file of the host, a process. Everything follows from the visit, the
//! persona and what the attacker left before. A command that waits (for input, for time) is a future that
//! [`Shell`] polls by hand when bytes come or a time asked for has passed.
//! Start reading at [`Shell`], then `fs` (the machine's files), `syntax` and `interp` (the language),
//! `commands` (the programs). To add a program: a function and one line in `commands::TABLE`.

pub mod fs;

use bytes::Bytes;
use model::{FileWay, Micros, Saw};
use std::time::Duration;

use crate::Visit;
pub use fs::{Errno, Fs, Kind, Meta, Who, WriteMode};

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
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shell")
    }
}

impl Shell {
    /// A session that has just been let in.
    pub fn new(visit: &Visit, login: Login, now: Micros) -> Self {
        let _ = login;
        Self {
            fs: Fs::of(visit, now),
        }
    }

    /// Message of the day and prompt, or the command of [`Login::command`].
    pub fn start(&mut self, out: &mut dyn Console) {
        out.exit(0);
    }

    /// Bytes typed, or standard input of a session without a terminal.
    pub fn input(&mut self, _bytes: &[u8], _out: &mut dyn Console) {}

    /// The client closed its sending half.
    pub fn eof(&mut self, _out: &mut dyn Console) {}

    /// The window changed.
    pub fn resize(&mut self, _cols: u16, _rows: u16) {}

    /// A time asked for with [`Console::wake_after`] has come.
    pub fn wake(&mut self, _out: &mut dyn Console) {}

    /// The connection is gone.
    pub fn hangup(&mut self, _out: &mut dyn Console) {}

    /// The file system as this session sees it.
    pub fn fs(&self) -> &Fs {
        &self.fs
    }

    /// The same, to change it (scp, sftp).
    pub fn fs_mut(&mut self) -> &mut Fs {
        &mut self.fs
    }
}
