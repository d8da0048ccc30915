//! Asking for name and password as the `login` programs do: prompts, retries, waits and last words.

use model::{Account, Captured, Micros, Outcome, Saw, SecretKind};
use rand::Rng;
use std::time::Duration;

use super::{
    delay,
    face::Asker,
    terminal::{Line, Terminal},
};
use crate::decoy::{Reply, Visit};

/// `LOGIN_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(60);
/// PAM reads at most so many bytes of an answer.
const PAM_LINE: usize = 511;
/// BusyBox takes names up to this length.
const BUSYBOX_NAME: usize = 62;
/// BusyBox gives up after so many empty names.
const BUSYBOX_EMPTY: u32 = 10;
/// Longest name or secret that is put into an event.
const MAX_NOTED: usize = 64 * 1024;

/// A running `login`.
#[derive(Debug)]
pub(super) struct Login {
    asker: Asker,
    prompt: Vec<u8>,
    step: Step,
    failures: u32,
    empty: u32,
    /// BusyBox reads on after `^D` within a line.
    partial: Vec<u8>,
    named: Named,
    /// When it gives up on the visitor.
    deadline: Micros,
    /// When the current attempt began.
    began: Micros,
}

#[derive(Debug)]
enum Step {
    /// The program is being started.
    Starting(Micros),
    Name,
    Password {
        name: Vec<u8>,
    },
    Refused(Micros),
    Welcome(Micros, Box<Account>),
    /// The last words are said; it lingers until then.
    Leaving(Micros),
    /// Says nothing any more, as netkit's does to a name that looks like an option.
    Deaf,
}

/// Who is to be asked for, if the client named somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Named {
    #[default]
    Nobody,
    Somebody(Vec<u8>),
    /// A name that looks like an option.
    Option,
}

/// What is to be done next.
pub(super) enum Next {
    /// Nothing before more is typed or this time has come.
    Wait(Micros),
    Enter(Box<Account>),
    Leave,
}

impl Login {
    /// A `login` that begins to prompt at `ready`.
    pub(super) fn new(asker: Asker, host: &str, named: Named, now: Micros, ready: Micros) -> Self {
        Self {
            asker,
            prompt: format!("{host} login: ").into_bytes(),
            step: Step::Starting(ready),
            failures: 0,
            empty: 0,
            partial: Vec::new(),
            named,
            deadline: now.plus(TIMEOUT),
            began: now,
        }
    }

    /// Goes on as far as time and typed lines allow.
    pub(super) fn go_on(&mut self, terminal: &mut Terminal, visit: &Visit, out: &mut Reply) -> Next {
        loop {
            let now = out.now();
            if now >= self.deadline && !matches!(self.step, Step::Leaving(_) | Step::Welcome(..) | Step::Deaf) {
                terminal.print(match self.asker {
                    Asker::Shadow => b"\nLogin timed out after 60 seconds.\n".as_slice(),
                    Asker::UtilLinux => b"login: timed out after 60 seconds\n",
                    Asker::BusyBox => b"\r\nLogin timed out after 60 seconds\r\n",
                });
                return Next::Leave;
            }
            match &mut self.step {
                Step::Starting(at) | Step::Refused(at) | Step::Welcome(at, _) | Step::Leaving(at) if now < *at => {
                    return Next::Wait((*at).min(self.deadline.max(now)));
                }
                Step::Starting(_) => match std::mem::take(&mut self.named) {
                    Named::Nobody => self.ask(terminal, now),
                    Named::Somebody(name) => {
                        self.began = now;
                        self.ask_password(name, terminal);
                    }
                    Named::Option => {
                        terminal.print(b"I don't hear you!\r\n");
                        self.step = Step::Deaf;
                    }
                },
                Step::Deaf => return Next::Wait(self.deadline.plus(Duration::from_secs(86_400))),
                Step::Refused(_) => self.refuse(terminal, now),
                Step::Welcome(_, account) => return Next::Enter(account.clone()),
                Step::Leaving(_) => return Next::Leave,
                Step::Name => {
                    let Some(line) = self.read(terminal) else { return Next::Wait(self.deadline) };
                    if self.asker == Asker::BusyBox {
                        if !self.name_busybox(&line.text, line.whole, terminal) {
                            return Next::Leave;
                        }
                    } else {
                        self.name_pam(&line.text, line.whole, terminal, out);
                    }
                }
                Step::Password { .. } => {
                    let Some(line) = self.read(terminal) else { return Next::Wait(self.deadline) };
                    let Step::Password { name } = std::mem::replace(&mut self.step, Step::Name) else { continue };
                    terminal.echo = true;
                    terminal.print(b"\n");
                    // A NUL ends what was typed.
                    let secret: Vec<u8> = line.text.split(|&b| b == 0).next().unwrap_or_default().to_vec();
                    self.judge(&name, &secret, visit, out);
                }
            }
        }
    }

    /// A line of the terminal, if there is one.
    fn read(&mut self, terminal: &mut Terminal) -> Option<Line> {
        if self.asker != Asker::BusyBox {
            return terminal.read(PAM_LINE);
        }
        loop {
            let line = terminal.read(usize::MAX)?;
            let more = !line.text.is_empty();
            self.partial.extend_from_slice(&line.text);
            if line.whole || !more {
                return Some(Line { text: std::mem::take(&mut self.partial), whole: line.whole });
            }
        }
    }

    /// The visitor interrupted with `signal`. BusyBox takes it for an empty answer while it asks for a password.
    pub(super) fn interrupted(&mut self, terminal: &mut Terminal, visit: &Visit, out: &mut Reply) {
        if self.asker != Asker::BusyBox {
            return;
        }
        if let Step::Password { name } = &mut self.step {
            let name = std::mem::take(name);
            terminal.echo = true;
            terminal.print(b"\n");
            self.judge(&name, b"", visit, out);
        }
    }

    fn ask(&mut self, terminal: &mut Terminal, now: Micros) {
        terminal.print(&self.prompt);
        self.began = now;
        self.step = Step::Name;
    }

    fn ask_password(&mut self, name: Vec<u8>, terminal: &mut Terminal) {
        // What was typed ahead is lost, as `tcsetattr` with TCSAFLUSH does it.
        terminal.flush();
        terminal.echo = false;
        terminal.print(b"Password: ");
        self.step = Step::Password { name };
    }

    fn name_pam(&mut self, text: &[u8], whole: bool, terminal: &mut Terminal, out: &mut Reply) {
        let nothing = text.is_empty() && !whole;
        if !whole {
            terminal.print(b"\n");
        }
        let name: Vec<u8> = text.split(|&b| b == 0).next().unwrap_or_default().to_vec();
        if nothing {
            self.wait_refused(out);
        } else if matches!(name.first(), Some(b'-' | b'+')) {
            // PAM refuses such names unheard.
            out.note(Saw::noted("login_name_refused", [("name", &name)]));
            self.wait_refused(out);
        } else {
            self.ask_password(name, terminal);
        }
    }

    /// `false`: BusyBox gives up.
    fn name_busybox(&mut self, text: &[u8], whole: bool, terminal: &mut Terminal) -> bool {
        let start = text.iter().position(|b| !b.is_ascii_whitespace());
        let Some(start) = start else {
            self.empty += 1;
            if !whole || self.empty >= BUSYBOX_EMPTY {
                return false;
            }
            terminal.print(&self.prompt);
            return true;
        };
        let name = text.get(start..).unwrap_or_default();
        let (first, rest) = name.split_at(1);
        if !whole || name.len() > BUSYBOX_NAME || rest.contains(&0) {
            return false;
        }
        let end = rest.iter().position(|b| !b.is_ascii_graphic()).unwrap_or(rest.len());
        let name = [first, rest.get(..end).unwrap_or_default()].concat();
        self.ask_password(name, terminal);
        true
    }

    fn judge(&mut self, name: &[u8], secret: &[u8], visit: &Visit, out: &mut Reply) {
        let account = opens(visit, name, secret);
        let cut = |b: &[u8]| Captured::copy(b.get(..MAX_NOTED).unwrap_or(b));
        let outcome = if account.is_some() { Outcome::Success } else { Outcome::Failure };
        out.note(Saw::AuthAttempt {
            principal: Some(cut(name)),
            secret: cut(secret),
            secret_kind: SecretKind::Plaintext,
            outcome,
            challenge: None,
        });
        match account {
            Some(account) => {
                // Hashing, the session's modules, the shell's start.
                let time = Duration::from_micros(70_000 + u64::from(out.rng().next_u32() % 45_000));
                self.step = Step::Welcome(out.now().plus(time), Box::new(account));
            }
            None => self.wait_refused(out),
        }
    }

    fn wait_refused(&mut self, out: &mut Reply) {
        let asked = Duration::from_secs(if self.asker == Asker::UtilLinux { 2 } else { 3 });
        let hashing = Duration::from_micros(12_000 + u64::from(out.rng().next_u32() % 9_000));
        let wait = if self.asker == Asker::BusyBox { asked } else { delay::failure(self.began.seconds(), asked) };
        self.step = Step::Refused(out.now().plus(wait + hashing));
    }

    fn refuse(&mut self, terminal: &mut Terminal, now: Micros) {
        self.failures += 1;
        let most = if self.asker == Asker::Shadow { 5 } else { 3 };
        let over = self.failures >= most;
        terminal.print(match self.asker {
            Asker::Shadow => b"\nLogin incorrect\n".as_slice(),
            Asker::UtilLinux if over => b"\nLogin incorrect\n",
            Asker::UtilLinux => b"Login incorrect\n\n",
            Asker::BusyBox => b"Login incorrect\n",
        });
        if over {
            if self.asker == Asker::Shadow {
                terminal.print(b"Maximum number of tries exceeded (5)\n");
            }
            let lingers = Duration::from_secs(if self.asker == Asker::UtilLinux { 5 } else { 0 });
            self.step = Step::Leaving(now.plus(lingers));
            return;
        }
        terminal.flush();
        self.ask(terminal, now);
    }
}

/// The account that name and secret open, if any.
fn opens(visit: &Visit, name: &[u8], secret: &[u8]) -> Option<Account> {
    let account = visit.persona.account(name)?;
    let right = account.password.as_ref()?;
    let same = right.len() == secret.len() && openssl::memcmp::eq(right.as_bytes(), secret);
    (same && !right.is_empty()).then(|| account.clone())
}
