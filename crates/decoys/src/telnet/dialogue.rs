//! One visitor: options until `login` may start, the login, then the shell. Three programs share a terminal; this is
//! the server between that terminal and the line.

use bytes::Bytes;
use model::{FileWay, Micros, Saw};
use rand::Rng;
use std::time::Duration;

use super::{
    busybox,
    face::{Asker, Face},
    login::{Login, Named, Next},
    message::{DM_FRAME, Ear, IAC, Item, command, option},
    options::{Effect, Options},
    terminal::Terminal,
};
use crate::{
    decoy::{Dialogue, Frame, Heard, Reply, Visit},
    shell::{self, Console, Shell, Tty},
};

/// Most bytes kept that were typed before `login` started, as the product's buffer has it.
const EARLY: usize = 8192;
/// Most bytes of the client's offers and answers that are noted.
const MOST_OFFERS: usize = 192;
/// Most variables noted of one list.
const MOST_VARIABLES: usize = 32;

const INTERRUPT: u8 = 3;
const END_OF_FILE: u8 = 4;
const DISCARD: u8 = 15;
const KILL: u8 = 21;
const SUSPEND: u8 = 26;
const QUIT: u8 = 28;
const ERASE: u8 = 127;

/// One visitor of the telnet server.
pub(super) struct Telnet {
    visit: Visit,
    face: Face,
    ear: Ear,
    options: Options,
    terminal: Terminal,
    step: Step,
    /// Typed before `login` started.
    early: Vec<u8>,
    size: (u16, u16),
    /// Whom the client named, for servers that ask on for that name.
    named: Option<Vec<u8>>,
    /// What the client offered and answered, for the record.
    offers: Vec<u8>,
    /// When the shell wants to be woken.
    wake: Option<Micros>,
    armed: Option<Micros>,
}

enum Step {
    Talking,
    Login(Box<Login>),
    Inside(Box<Shell>),
    Over,
}

impl Telnet {
    pub(super) fn new(visit: &Visit) -> Self {
        let face = Face::of(&visit.persona);
        Self {
            visit: visit.clone(),
            face,
            ear: Ear::default(),
            options: Options::new(face),
            terminal: Terminal::new(face == Face::BusyBox),
            step: Step::Talking,
            early: Vec::new(),
            size: (0, 0),
            named: None,
            offers: Vec::new(),
            wake: None,
            armed: None,
        }
    }

    fn host(&self) -> &str {
        &self.visit.persona.hostname
    }

    /// Starts `login`, which prompts a moment later.
    fn start_login(&mut self, out: &mut Reply) {
        if self.named.is_none() {
            out.send(&self.face.banner(&self.visit.persona));
        }
        if !self.offers.is_empty() {
            out.note(Saw::noted("telnet_client", [("options", &self.offers), ("term", self.options.term.as_bytes())]));
        }
        let now = out.now();
        let ready = now.plus(moment(out, 7_000, 6_000));
        let named = match self.named.take() {
            Some(name) if name.first() == Some(&b'-') => Named::Option,
            Some(name) if !name.is_empty() => Named::Somebody(name),
            _ => Named::Nobody,
        };
        let login = Login::new(Asker::of(self.face, &self.visit.persona), self.host(), named, now, ready);
        self.step = Step::Login(Box::new(login));
        let early = std::mem::take(&mut self.early);
        self.type_in(&early, out);
    }

    /// Bytes for whatever reads the terminal.
    fn type_in(&mut self, bytes: &[u8], out: &mut Reply) {
        match &mut self.step {
            Step::Talking => {
                let room = EARLY.saturating_sub(self.early.len());
                self.early.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            Step::Login(login) => {
                let mut interrupted = false;
                for &b in bytes {
                    if self.terminal.typed(b).is_some() {
                        interrupted = true;
                        login.interrupted(&mut self.terminal, &self.visit, out);
                    }
                }
                if interrupted && self.face != Face::BusyBox {
                    cleared(out);
                }
                self.show(out);
                self.go_on(out);
            }
            Step::Inside(_) => {
                out.record(Frame::Input(Bytes::copy_from_slice(bytes)));
                let mut rest = bytes;
                while !rest.is_empty() {
                    let at = rest.iter().position(|b| matches!(*b, INTERRUPT | SUSPEND | QUIT)).filter(|_| self.signals());
                    let (now, later) = match at {
                        Some(0) => {
                            cleared(out);
                            rest.split_at(1)
                        }
                        Some(n) => rest.split_at(n),
                        None => (rest, &[][..]),
                    };
                    rest = later;
                    let now: Vec<u8> = now.iter().map(|b| if self.terminal.strip { b & 0x7f } else { *b }).collect();
                    self.run(out, |shell, desk| shell.input(&now, desk));
                }
            }
            Step::Over => {}
        }
    }

    /// Whether a signal typed now clears the terminal's output, of which these servers tell the client.
    fn signals(&self) -> bool {
        self.face != Face::BusyBox && matches!(&self.step, Step::Inside(shell) if shell.takes_signals())
    }

    /// Sends what the terminal shows.
    fn show(&mut self, out: &mut Reply) {
        let shown = self.terminal.shown();
        let binary = self.raw();
        encode(&shown, binary, out);
    }

    /// Whether carriage returns go over the line as they are.
    fn raw(&self) -> bool {
        self.face == Face::BusyBox || self.options.ours(option::BINARY)
    }

    /// Lets `login` go on, and the shell begin when it is through.
    fn go_on(&mut self, out: &mut Reply) {
        let Step::Login(login) = &mut self.step else { return };
        let next = login.go_on(&mut self.terminal, &self.visit, out);
        self.show(out);
        match next {
            Next::Wait(at) => self.wake = Some(at),
            Next::Leave => self.leave(out),
            Next::Enter(account) => {
                let (cols, rows) = self.size;
                let term = match self.face {
                    Face::BusyBox => "linux".to_owned(),
                    _ => self.options.term.clone(),
                };
                let (width, height) = if cols == 0 || rows == 0 { (80, 24) } else { (cols, rows) };
                out.record(Frame::Start { width, height, term: term.clone(), command: None });
                let login = shell::Login {
                    user: account.name.clone(),
                    tty: Some(Tty { cols, rows, term, name: "pts/0".into() }),
                    service: "telnet",
                    command: None,
                    env: Vec::new(),
                    peer_port: self.visit.peer.port(),
                };
                self.wake = None;
                self.step = Step::Inside(Box::new(Shell::new(&self.visit, login, out.now())));
                self.run(out, |shell, desk| shell.start(desk));
                let ahead = self.terminal.rest();
                if !ahead.is_empty() {
                    self.run(out, |shell, desk| shell.input(&ahead, desk));
                }
            }
        }
    }

    fn run(&mut self, out: &mut Reply, act: impl FnOnce(&mut Shell, &mut Desk<'_>)) {
        let raw = self.raw();
        let Step::Inside(shell) = &mut self.step else { return };
        let mut desk = Desk { out, raw, exit: false, wake: self.wake };
        act(shell, &mut desk);
        let exit = desk.exit;
        self.wake = desk.wake;
        if exit {
            self.leave(out);
        }
    }

    fn leave(&mut self, out: &mut Reply) {
        if matches!(self.step, Step::Inside(_)) {
            out.record(Frame::End);
        }
        self.step = Step::Over;
        self.wake = None;
        out.hangup();
    }

    fn effect(&mut self, effect: Effect, out: &mut Reply) {
        match effect {
            Effect::Echo(on) => {
                if !matches!(self.step, Step::Inside(_)) {
                    self.terminal.echo = on;
                }
            }
            Effect::Strip(on) => self.terminal.strip = on,
            Effect::Size(cols, rows) => self.resize(cols, rows, out),
            Effect::Environment(list) => {
                let user = environment(&list, out);
                if self.face == Face::Netkit && matches!(self.step, Step::Talking) {
                    self.named = user.or(self.named.take());
                }
            }
            Effect::Display(display) => out.note(Saw::noted("x11_display", [("display", &display)])),
            Effect::Speed(speed) => out.note(Saw::noted("terminal_speed", [("speed", &speed)])),
            Effect::Authentication(body) => out.note(Saw::noted("telnet_authentication", [("body", &body)])),
            Effect::Logout => self.leave(out),
        }
    }

    fn resize(&mut self, cols: u16, rows: u16, out: &mut Reply) {
        self.size = (cols, rows);
        if let Step::Inside(shell) = &mut self.step {
            shell.resize(cols, rows);
            out.record(Frame::Resize { width: cols.max(1), height: rows.max(1) });
        }
    }

    /// A command of RFC 854; what it types is put behind what came before.
    fn command(&mut self, code: u8, typed: &mut Vec<u8>, said: &mut Vec<u8>, out: &mut Reply) {
        if matches!(self.step, Step::Talking) && code != command::AYT && code != command::EOF && code >= command::SUSP {
            self.flush_early(code, typed, out);
            return;
        }
        match code {
            command::AYT => said.extend(self.face.present(&self.visit.persona)),
            command::IP => typed.push(INTERRUPT),
            command::BREAK | command::ABORT => typed.push(QUIT),
            command::SUSP => typed.push(SUSPEND),
            command::EOF => typed.push(END_OF_FILE),
            command::EC => typed.push(ERASE),
            command::EL => typed.push(KILL),
            command::AO => {
                typed.push(DISCARD);
                out.send(said);
                said.clear();
                cleared(out);
            }
            _ => {}
        }
    }

    /// Before `login` runs these servers flush what was typed to descriptor 0, which is the visitor's own line.
    fn flush_early(&mut self, code: u8, typed: &mut Vec<u8>, out: &mut Reply) {
        if self.face == Face::Netkit {
            // It looks up the terminal's characters before there is a terminal, and falls.
            match code {
                command::EC | command::EL => self.leave(out),
                command::BREAK | command::ABORT => typed.push(QUIT),
                _ => {}
            }
            return;
        }
        let types: &[u8] = match code {
            // The terminal's own characters are not known yet.
            command::IP => &[ERASE],
            command::BREAK | command::ABORT => &[QUIT],
            command::SUSP => &[SUSPEND],
            command::AO | command::EC | command::EL => &[],
            _ => return,
        };
        out.send(&std::mem::take(&mut self.early));
        out.send(&std::mem::take(typed));
        typed.extend_from_slice(types);
        if code == command::AO {
            cleared(out);
        }
    }

    fn hear_bsd(&mut self, input: &[u8], out: &mut Reply) {
        let mut said = Vec::new();
        let mut typed = Vec::new();
        for &b in input {
            let effect = match self.ear.hear(b, self.options.theirs(option::BINARY)) {
                None => None,
                Some(Item::Data(b)) => {
                    typed.push(b);
                    None
                }
                Some(Item::Command(code)) => {
                    self.command(code, &mut typed, &mut said, out);
                    if matches!(self.step, Step::Over) {
                        return;
                    }
                    None
                }
                Some(Item::Verb(verb, which)) => {
                    if self.offers.len() < MOST_OFFERS {
                        self.offers.extend_from_slice(&[verb, which]);
                    }
                    let effect = self.options.verb(verb, which, &mut said);
                    if which == option::AUTHENTICATION {
                        out.send(&std::mem::take(&mut said));
                    }
                    effect
                }
                Some(Item::Sub(body)) => self.options.sub(&body, &mut said),
            };
            if let Some(effect) = effect {
                if effect == Effect::Logout {
                    out.send(&said);
                }
                self.effect(effect, out);
                if matches!(self.step, Step::Over) {
                    return;
                }
            }
        }
        let starts = self.options.advance(&mut said);
        out.send(&said);
        if starts {
            self.start_login(out);
        }
        if !typed.is_empty() {
            self.type_in(&typed, out);
        }
    }

    fn hear_busybox(&mut self, input: &[u8], out: &mut Reply) {
        let mut items = Vec::new();
        busybox::hear(input, &mut |item| items.push(item));
        let mut typed = Vec::new();
        for item in items {
            match item {
                busybox::Item::Data(b) => {
                    typed.push(b);
                    continue;
                }
                busybox::Item::Skipped => {}
                busybox::Item::Present => out.send(&self.face.present(&self.visit.persona)),
                busybox::Item::Size(cols, rows) => self.resize(cols, rows, out),
            }
            self.type_in(&std::mem::take(&mut typed), out);
        }
        if !typed.is_empty() {
            self.type_in(&typed, out);
        }
    }

    /// Asks for the next wake.
    fn settle(&mut self, out: &mut Reply) {
        if self.wake != self.armed {
            self.armed = self.wake;
            if let Some(at) = self.wake {
                out.wake_after(at.since(out.now()));
            }
        }
    }
}

impl Dialogue for Telnet {
    fn open(&mut self, out: &mut Reply) {
        // The superserver starts a process for every visitor.
        let time = moment(out, 3_500 + u32::from(self.visit.derive("telnet/pace")[0]) * 12, 2_500);
        out.pause(time);
        if self.face == Face::BusyBox {
            out.send(b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03");
            self.start_login(out);
        } else {
            let mut said = Vec::new();
            self.options.open(&mut said);
            out.send(&said);
        }
        self.settle(out);
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        if self.face == Face::BusyBox {
            self.hear_busybox(input, out);
        } else {
            self.hear_bsd(input, out);
        }
        self.settle(out);
        if matches!(self.step, Step::Over) { Heard::Hangup } else { Heard::Used(input.len()) }
    }

    fn wake(&mut self, out: &mut Reply) -> Heard {
        self.armed = None;
        if self.wake.is_some_and(|at| at <= out.now()) {
            self.wake = None;
            match self.step {
                Step::Login(_) => self.go_on(out),
                Step::Inside(_) => self.run(out, |shell, desk| shell.wake(desk)),
                Step::Talking | Step::Over => {}
            }
        }
        self.settle(out);
        if matches!(self.step, Step::Over) { Heard::Hangup } else { Heard::Used(0) }
    }

    fn closed(&mut self, out: &mut Reply) {
        self.run(out, |shell, desk| shell.hangup(desk));
        if matches!(self.step, Step::Inside(_)) {
            out.record(Frame::End);
        }
        self.step = Step::Over;
    }

    fn patience(&self) -> Duration {
        // The products have no idle limit of their own; while somebody logs in `login` has.
        Duration::from_secs(12 * 3600)
    }
}

/// What was on its way to the client is void: a data mark, its first byte out of band.
fn cleared(out: &mut Reply) {
    let [first, mark] = DM_FRAME;
    out.send_urgent(first);
    out.send(&[mark]);
}

/// Sends text as a network virtual terminal has it: a lone carriage return is followed by NUL, 255 is doubled.
fn encode(text: &[u8], raw: bool, out: &mut Reply) {
    let mut said = Vec::with_capacity(text.len() + 8);
    let mut rest = text.iter().copied().peekable();
    while let Some(b) = rest.next() {
        said.push(b);
        match b {
            IAC => said.push(IAC),
            b'\r' if !raw && rest.peek() != Some(&b'\n') => said.push(0),
            _ => {}
        }
    }
    out.send(&said);
}

/// Notes the variables of a NEW-ENVIRON list (RFC 1572 §6). The value of `USER`, if it is there.
fn environment(list: &[u8], out: &mut Reply) -> Option<Vec<u8>> {
    let mut user = None;
    for one in list.split(|b| matches!(*b, 0 | 3)).filter(|v| !v.is_empty()).take(MOST_VARIABLES) {
        let mut halves = one.splitn(2, |b| *b == 1);
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        out.note(Saw::noted("env", [("name", name), ("value", value)]));
        if name == b"USER" {
            // Older packages hand this to `login` as an option: a way in without a password.
            if value.first() == Some(&b'-') {
                out.note(Saw::noted("login_option_injection", [("value", value)]));
            }
            user = Some(value.to_vec());
        }
    }
    user
}

/// A time of at least `least` microseconds, up to `more` more.
fn moment(out: &mut Reply, least: u32, more: u32) -> Duration {
    let extra = (u64::from(out.rng().next_u32()) * u64::from(more)) >> 32;
    Duration::from_micros(u64::from(least) + extra)
}

/// Where the shell's output, notes and wishes go.
struct Desk<'a> {
    out: &'a mut Reply,
    raw: bool,
    exit: bool,
    wake: Option<Micros>,
}

impl Console for Desk<'_> {
    fn stdout(&mut self, bytes: &[u8]) {
        self.out.record(Frame::Output(Bytes::copy_from_slice(bytes)));
        encode(bytes, self.raw, self.out);
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.stdout(bytes);
    }

    fn note(&mut self, saw: Saw) {
        self.out.note(saw);
    }

    fn keep(&mut self, path: &[u8], bytes: Bytes, way: FileWay) {
        self.out.keep(path, bytes, way);
    }

    fn wake_after(&mut self, time: Duration) {
        self.wake = Some(self.out.now().plus(time));
    }

    fn exit(&mut self, _status: i32) {
        self.exit = true;
    }

    fn now(&self) -> Micros {
        self.out.now()
    }

    fn random(&mut self, bytes: &mut [u8]) {
        self.out.random(bytes);
    }
}
