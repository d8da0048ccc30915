//! Cuts the input into commands, message text and chunks.

use std::time::Duration;

use super::session::{Expect, SIZE_LIMIT, Session};
use crate::{Dialogue, Heard, Reply, Visit};

/// Longest command line that is waited for.
const LINE_MAX: usize = 64 * 1024;

/// One visitor of the mail server.
#[derive(Debug)]
pub(super) struct Smtp {
    session: Session,
}

impl Smtp {
    pub(super) fn new(visit: &Visit) -> Self {
        Self { session: Session::new(visit) }
    }

    /// Takes lines of a message. How much was used, and whether the lone dot came.
    fn message(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        for line in input.split_inclusive(|&b| b == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else {
                // A line that is too long is taken in pieces.
                if line.len() >= 8192 {
                    self.keep(line);
                    used += line.len();
                }
                break;
            };
            used += line.len();
            let bare = text.strip_suffix(b"\r").unwrap_or(text);
            if bare == b"." {
                return (used, true);
            }
            self.keep(bare.strip_prefix(b".").unwrap_or(bare));
            self.keep(b"\r\n");
        }
        (used, false)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.session.received += bytes.len();
        if self.session.message.len() <= SIZE_LIMIT {
            self.session.message.extend_from_slice(bytes);
        }
    }
}

impl Dialogue for Smtp {
    fn open(&mut self, out: &mut Reply) {
        self.session.greet(out);
    }

    fn secured(&mut self, _out: &mut Reply) {
        self.session.secured();
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let used = match std::mem::take(&mut self.session.expect) {
            Expect::Data => {
                let (used, done) = self.message(input);
                if done {
                    self.session.data_done(out)
                } else {
                    self.session.expect = Expect::Data
                }
                used
            }
            Expect::Chunk { left, last, taken } => {
                let now = left.min(input.len());
                if taken {
                    self.keep(input.get(..now).unwrap_or_default());
                }
                self.session.expect = Expect::Chunk { left: left - now, last, taken };
                if left == now {
                    let size = self.session.received;
                    self.session.chunk_done(last, taken, size, out);
                }
                now
            }
            other => {
                let Some(end) = input.iter().take(LINE_MAX).position(|&b| b == b'\n') else {
                    self.session.expect = other;
                    return if input.len() >= LINE_MAX { Heard::Hangup } else { Heard::NeedMore };
                };
                let line = input.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                match other {
                    Expect::Login(step) => self.session.login_line(step, line, out),
                    _ => self.session.command(line, out),
                }
                end + 1
            }
        };
        if self.session.over {
            return Heard::Hangup;
        }
        if used > 0 { Heard::Used(used) } else { Heard::NeedMore }
    }

    fn full(&mut self, out: &mut Reply) {
        self.session.crowded(out);
    }

    fn appetite(&self) -> usize {
        LINE_MAX + 1024
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn idle(&mut self, out: &mut Reply) {
        self.session.timeout(out);
    }
}
