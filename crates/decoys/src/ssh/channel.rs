//! One channel (RFC 4254 §5): windows both ways, the program behind it, and how it ends.

use model::Micros;

use super::{
    message::{Bye, Writer, msg},
    program::{Desk, Program, Stream, Waiting},
    sender::Sender,
};
use crate::{
    decoy::{Frame, Reply},
    shell::Tty,
};

/// Window of a session once something runs in it.
pub(super) const WINDOW: u32 = 64 * 32 * 1024;
/// Largest packet we take on a channel.
pub(super) const MAX_PACKET: u32 = 32 * 1024;

/// A session channel.
pub(super) struct Channel {
    /// Our number.
    pub(super) local: u32,
    /// The visitor's number.
    pub(super) remote: u32,
    remote_window: u32,
    remote_packet: u32,
    window: u32,
    /// Bytes received since the last window adjustment.
    unacknowledged: u32,
    exceeded: u32,
    pub(super) tty: Option<Tty>,
    pub(super) env: Vec<(String, String)>,
    /// X11 forwarding was asked for.
    pub(super) x11: bool,
    /// A login shell rather than a command.
    pub(super) interactive: bool,
    program: Option<Program>,
    waiting: Waiting,
    exit: Option<i32>,
    pub(super) wake: Option<Micros>,
    heard_eof: bool,
    sent_eof: bool,
    sent_exit: bool,
    sent_close: bool,
    heard_close: bool,
    /// This channel's terminal is being recorded.
    recorded: bool,
}

impl Channel {
    pub(super) fn new(local: u32, remote: u32, remote_window: u32, remote_packet: u32) -> Self {
        Self {
            local,
            remote,
            remote_window,
            remote_packet,
            window: 0,
            unacknowledged: 0,
            exceeded: 0,
            tty: None,
            env: Vec::new(),
            x11: false,
            interactive: false,
            program: None,
            waiting: Waiting::default(),
            exit: None,
            wake: None,
            heard_eof: false,
            sent_eof: false,
            sent_exit: false,
            sent_close: false,
            heard_close: false,
            recorded: false,
        }
    }

    /// Something runs or has run here.
    pub(super) fn running(&self) -> bool {
        self.program.is_some() || self.exit.is_some()
    }

    pub(super) fn recorded(&self) -> bool {
        self.recorded
    }

    /// Both sides are through with it.
    pub(super) fn over(&self) -> bool {
        self.sent_close && self.heard_close
    }

    /// Whether a reply to a channel request may still be sent.
    pub(super) fn answers(&self) -> bool {
        !self.sent_close
    }

    /// Starts a program: opens the window, answers the request if it wants an answer, lets it run.
    pub(super) fn start(&mut self, mut program: Program, answer: bool, record: Option<Frame>, sender: &mut Sender, out: &mut Reply) {
        self.window = WINDOW;
        sender.send(Writer::message(msg::CHANNEL_WINDOW_ADJUST).u32(self.remote).u32(WINDOW).0, out);
        if answer {
            sender.send(Writer::message(msg::CHANNEL_SUCCESS).u32(self.remote).0, out);
        }
        if let Some(frame) = record {
            self.recorded = true;
            out.record(frame);
        }
        self.with_desk(&mut program, out, Program::start);
        self.program = Some(program);
    }

    fn with_desk<R>(&mut self, program: &mut Program, out: &mut Reply, act: impl FnOnce(&mut Program, &mut Desk<'_>) -> R) -> R {
        act(program, &mut Desk { out, waiting: &mut self.waiting, tty: self.tty.is_some(), exit: &mut self.exit, wake: &mut self.wake })
    }

    fn run(&mut self, out: &mut Reply, act: impl FnOnce(&mut Program, &mut Desk<'_>)) {
        if self.exit.is_some() {
            return;
        }
        if let Some(mut program) = self.program.take() {
            self.with_desk(&mut program, out, act);
            self.program = Some(program);
        }
    }

    /// CHANNEL_DATA.
    pub(super) fn data(&mut self, bytes: &[u8], out: &mut Reply) -> Result<(), Bye> {
        if self.program.is_none() || self.heard_eof || self.heard_close {
            return Ok(());
        }
        let n = u32::try_from(bytes.len()).map_err(|_| Bye::Silent)?;
        if n > self.window {
            self.exceeded += n - self.window;
            self.window = 0;
            if self.exceeded > WINDOW / 10 {
                return Err(Bye::Say(format!("channel {}: peer ignored channel window", self.local)));
            }
        } else {
            self.window -= n;
            self.exceeded = 0;
        }
        self.unacknowledged = self.unacknowledged.saturating_add(n);
        if self.recorded {
            out.record(Frame::Input(bytes.to_vec().into()));
        }
        self.run(out, |program, desk| program.input(bytes, desk));
        Ok(())
    }

    /// CHANNEL_EOF.
    pub(super) fn eof(&mut self, out: &mut Reply) {
        if !self.heard_eof {
            self.heard_eof = true;
            self.run(out, Program::eof);
        }
    }

    /// CHANNEL_CLOSE. What runs without a terminal only sees the end of its input and is waited for; a
    /// terminal hangs up.
    pub(super) fn close(&mut self, openssh: bool, sender: &mut Sender, out: &mut Reply) {
        if std::mem::replace(&mut self.heard_close, true) || self.sent_close {
            return;
        }
        if self.exit.is_none() && self.program.is_some() {
            if self.tty.is_some() {
                self.run(out, Program::hangup);
                self.exit = Some(-1);
            } else if !self.heard_eof {
                self.run(out, Program::eof);
            }
        }
        self.waiting = Waiting::default();
        match self.exit {
            Some(status) => self.finish(status, openssh, sender, out),
            None if self.program.is_none() => self.say_close(sender, out),
            None => {}
        }
    }

    fn say_close(&mut self, sender: &mut Sender, out: &mut Reply) {
        self.sent_close = true;
        sender.send(Writer::message(msg::CHANNEL_CLOSE).u32(self.remote).0, out);
        self.end_recording(out);
        self.program = None;
        self.wake = None;
    }

    /// A `signal` request; whether it could be delivered.
    pub(super) fn signal(&mut self, name: &[u8], out: &mut Reply) -> bool {
        let Some(number) = SIGNALS.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, number)| *number) else {
            return false;
        };
        if !matches!(self.program, Some(Program::Shell(_))) || self.exit.is_some() {
            return false;
        }
        let typed: &[u8] = match number {
            2 => b"\x03",
            3 => b"\x1c",
            _ => b"",
        };
        // A login shell survives these.
        if self.interactive && matches!(number, 2 | 3 | 15) {
            self.run(out, |program, desk| program.input(typed, desk));
        } else {
            self.run(out, Program::hangup);
            self.exit = Some(-number);
        }
        true
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self, out: &mut Reply) {
        self.run(out, Program::hangup);
        self.end_recording(out);
        self.program = None;
    }

    /// CHANNEL_WINDOW_ADJUST. Overflow ends the connection.
    pub(super) fn widen(&mut self, by: u32) -> Result<(), Bye> {
        self.remote_window = self.remote_window.checked_add(by).ok_or(Bye::Silent)?;
        Ok(())
    }

    pub(super) fn resize(&mut self, cols: u16, rows: u16, out: &mut Reply) {
        let Some(tty) = &mut self.tty else { return };
        (tty.cols, tty.rows) = (cols, rows);
        if self.recorded {
            out.record(Frame::Resize { width: cols, height: rows });
        }
        if let Some(program) = &mut self.program {
            program.resize(cols, rows);
        }
    }

    /// The time the program asked for has come.
    pub(super) fn woken(&mut self, out: &mut Reply) {
        if self.wake.is_some_and(|at| at <= out.now()) {
            self.wake = None;
            self.run(out, Program::wake);
        }
    }

    /// Sends what the windows and `budget` (bytes) allow, and the end if the program has ended. `true`:
    /// more could go out at once.
    pub(super) fn flush(&mut self, openssh: bool, budget: &mut usize, sender: &mut Sender, out: &mut Reply) -> bool {
        if self.sent_close || !sender.free() {
            return false;
        }
        loop {
            let most = self.remote_window.min(self.remote_packet).min(MAX_PACKET);
            let most = usize::try_from(most).unwrap_or_default();
            if self.waiting.bytes == 0 || most == 0 {
                break;
            }
            if *budget == 0 {
                return true;
            }
            let Some((stream, piece)) = self.waiting.pop(most) else { break };
            *budget = budget.saturating_sub(piece.len());
            self.remote_window -= u32::try_from(piece.len()).unwrap_or_default();
            let w = match stream {
                Stream::Output => Writer::message(msg::CHANNEL_DATA).u32(self.remote),
                Stream::Error => Writer::message(msg::CHANNEL_EXTENDED_DATA).u32(self.remote).u32(1),
            };
            sender.send(w.string(&piece).0, out);
            if self.recorded {
                out.record(Frame::Output(piece.into()));
            }
            if self.waiting.bytes < 64 * 1024 {
                self.run(out, Program::resume);
            }
        }
        self.acknowledge(sender, out);
        if let Some(status) = self.exit {
            if self.waiting.bytes == 0 {
                self.finish(status, openssh, sender, out);
            } else {
                // It ended while its output waits for the visitor's window.
                self.say_exit(status, openssh, sender, out);
            }
        }
        false
    }

    /// Gives window back when a good part of it has been worked on.
    fn acknowledge(&mut self, sender: &mut Sender, out: &mut Reply) {
        if self.program.is_none() || self.heard_eof || self.exit.is_some() {
            return;
        }
        let backlog = self.program.as_ref().map_or(0, Program::backlog);
        let done = self.unacknowledged.saturating_sub(u32::try_from(backlog).unwrap_or(u32::MAX));
        if done > 0 && (WINDOW - self.window > MAX_PACKET * 3 || self.window < WINDOW / 2) {
            self.unacknowledged -= done;
            self.window = self.window.saturating_add(done);
            sender.send(Writer::message(msg::CHANNEL_WINDOW_ADJUST).u32(self.remote).u32(done).0, out);
        }
    }

    fn finish(&mut self, status: i32, openssh: bool, sender: &mut Sender, out: &mut Reply) {
        if !self.sent_eof && !self.heard_close {
            self.sent_eof = true;
            sender.send(Writer::message(msg::CHANNEL_EOF).u32(self.remote).0, out);
        }
        self.say_exit(status, openssh, sender, out);
        self.say_close(sender, out);
    }

    fn say_exit(&mut self, status: i32, openssh: bool, sender: &mut Sender, out: &mut Reply) {
        if std::mem::replace(&mut self.sent_exit, true) {
            return;
        }
        let request = |name: &[u8]| Writer::message(msg::CHANNEL_REQUEST).u32(self.remote).string(name).bool(false);
        match u32::try_from(status) {
            Ok(status) => sender.send(request(b"exit-status").u32(status & 0xff).0, out),
            Err(_) => {
                let name = SIGNALS.iter().find(|(_, n)| *n == -status).map_or("SIG@openssh.com", |(name, _)| name);
                sender.send(request(b"exit-signal").string(name.as_bytes()).bool(false).string(b"").string(b"").0, out);
            }
        }
        if openssh && !self.heard_eof && !self.heard_close {
            sender.send(request(b"eow@openssh.com").0, out);
        }
    }

    fn end_recording(&mut self, out: &mut Reply) {
        if std::mem::take(&mut self.recorded) {
            out.record(Frame::End);
        }
    }
}

/// Signals by the names of RFC 4254 §6.10 that the product knows.
const SIGNALS: [(&str, i32); 12] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
];
