//! What runs behind a session channel: a shell, the sftp server, or scp. All write to a [`Desk`].

use bytes::Bytes;
use model::{FileWay, Micros, Saw};
use std::{collections::VecDeque, time::Duration};

use super::{scp::Scp, sftp::Sftp};
use crate::{
    decoy::Reply,
    shell::{Console, Shell},
};

/// Most bytes of output that wait for the visitor's window; what a program writes beyond is lost.
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Output in order, told apart by stream.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pieces: VecDeque<(Stream, Vec<u8>)>,
    pub(super) bytes: usize,
}

/// Which stream output belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

impl Waiting {
    /// Appends, within the bound.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let room = MOST_WAITING.saturating_sub(self.bytes);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        match self.pieces.back_mut() {
            Some((s, piece)) if *s == stream && piece.len() < 64 * 1024 => piece.extend_from_slice(bytes),
            _ => self.pieces.push_back((stream, bytes.to_vec())),
        }
    }

    /// Takes at most `most` bytes of one stream off the front.
    pub(super) fn pop(&mut self, most: usize) -> Option<(Stream, Vec<u8>)> {
        let (stream, mut piece) = self.pieces.pop_front()?;
        if piece.len() > most {
            let rest = piece.split_off(most);
            self.pieces.push_front((stream, rest));
        }
        self.bytes -= piece.len();
        Some((stream, piece))
    }
}

/// Where a program's output, notes and wishes go.
pub(super) struct Desk<'a> {
    pub(super) out: &'a mut Reply,
    pub(super) waiting: &'a mut Waiting,
    /// With a terminal both streams are one.
    pub(super) tty: bool,
    pub(super) exit: &'a mut Option<i32>,
    pub(super) wake: &'a mut Option<Micros>,
}

impl Console for Desk<'_> {
    fn stdout(&mut self, bytes: &[u8]) {
        self.waiting.push(Stream::Output, bytes);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.waiting.push(if self.tty { Stream::Output } else { Stream::Error }, bytes);
    }

    fn note(&mut self, saw: Saw) {
        self.out.note(saw);
    }

    fn keep(&mut self, path: &[u8], bytes: Bytes, way: FileWay) {
        self.out.keep(path, bytes, way);
    }

    fn wake_after(&mut self, time: Duration) {
        *self.wake = Some(self.out.now().plus(time));
    }

    fn exit(&mut self, status: i32) {
        if self.exit.is_none() {
            *self.exit = Some(status);
        }
    }

    fn now(&self) -> Micros {
        self.out.now()
    }

    fn random(&mut self, bytes: &mut [u8]) {
        self.out.random(bytes);
    }
}

/// A running program.
pub(super) enum Program {
    Shell(Box<Shell>),
    Sftp(Box<Sftp>),
    Scp(Box<Scp>),
}

impl Program {
    pub(super) fn start(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Shell(shell) => shell.start(desk),
            Self::Sftp(_) => {}
            Self::Scp(scp) => scp.start(desk),
        }
    }

    pub(super) fn input(&mut self, bytes: &[u8], desk: &mut Desk<'_>) {
        match self {
            Self::Shell(shell) => shell.input(bytes, desk),
            Self::Sftp(sftp) => sftp.input(bytes, desk),
            Self::Scp(scp) => scp.input(bytes, desk),
        }
    }

    pub(super) fn eof(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Shell(shell) => shell.eof(desk),
            Self::Sftp(sftp) => sftp.eof(desk),
            Self::Scp(scp) => scp.eof(desk),
        }
    }

    pub(super) fn wake(&mut self, desk: &mut Desk<'_>) {
        if let Self::Shell(shell) = self {
            shell.wake(desk);
        }
    }

    pub(super) fn resize(&mut self, cols: u16, rows: u16) {
        if let Self::Shell(shell) = self {
            shell.resize(cols, rows);
        }
    }

    /// The visitor is gone: open uploads are still kept.
    pub(super) fn hangup(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Shell(shell) => shell.hangup(desk),
            Self::Sftp(sftp) => sftp.hangup(desk),
            Self::Scp(scp) => scp.hangup(desk),
        }
    }

    /// Goes on with work that waited for output to drain.
    pub(super) fn resume(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Shell(_) => {}
            Self::Sftp(sftp) => sftp.resume(desk),
            Self::Scp(scp) => scp.resume(desk),
        }
    }

    /// Bytes of input taken but not worked on yet.
    pub(super) fn backlog(&self) -> usize {
        match self {
            Self::Shell(_) => 0,
            Self::Sftp(sftp) => sftp.backlog(),
            Self::Scp(scp) => scp.backlog(),
        }
    }
}
