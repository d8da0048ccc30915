//! Dovecot 2.3.19 as Debian 12 ships it, POP3 on 110 (STLS) and 995 (TLS from the first byte).
//!
//! Learnt from a genuine 2.3.19.1 on loopback (RFC 1939, 2449, 2595, 5034). The same INBOX as IMAP shows.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use model::{Captured, Outcome, Saw, SecretKind};
use std::{collections::BTreeSet, time::Duration};

use crate::{
    Decoy, Dialogue, Door, Heard, Knob, KnobKind, Reply, Speaks, Visit,
    imap::{greeting, takes_passwords},
    mail::{
        boxes::{Account, SEEN, Source},
        login,
    },
};

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(Pop3 { visit: visit.clone(), tls: visit.tls, user: None, step: None, wrong: 0, over: false, session: None })
}

/// The catalogue entry.
pub static POP3: Decoy = Decoy {
    name: "pop3",
    title: "Dovecot POP3 server",
    knobs: &[
        Knob { name: "banner", help: "Text of the greeting: Dovecot (Debian) ready.", kind: KnobKind::Text },
        Knob { name: "plaintext", help: "Take passwords without TLS (on unless set)", kind: KnobKind::Flag },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(110), Door::Tls(995)], start)],
};

/// Longest line before and after the login.
const LINE: usize = 8192;
/// Wrong commands before the login, and after it.
const WRONG_BEFORE: u32 = 3;
const WRONG_AFTER: u32 = 20;

/// A half-finished AUTH.
#[derive(Debug)]
enum Step {
    Plain,
    User,
    Secret(Bytes),
}

/// One message as this session numbers it.
#[derive(Debug)]
struct Entry {
    uid: u32,
    source: Source,
    size: usize,
}

/// A mailbox that is open, as it was at the login.
#[derive(Debug)]
struct Session {
    account: Account,
    entries: Vec<Entry>,
    deleted: BTreeSet<usize>,
    seen: BTreeSet<u32>,
    validity: u32,
    retrieved: (usize, usize),
    topped: (usize, usize),
}

struct Pop3 {
    visit: Visit,
    tls: bool,
    user: Option<Bytes>,
    step: Option<Step>,
    wrong: u32,
    over: bool,
    session: Option<Box<Session>>,
}

impl Pop3 {
    fn capabilities(&self) -> String {
        let mut text = "CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n".to_owned();
        if self.session.is_none() {
            if !self.tls {
                text.push_str("STLS\r\n");
            }
            if takes_passwords(&self.visit, self.tls) {
                text.push_str("USER\r\nSASL PLAIN LOGIN\r\n");
            }
        }
        text
    }

    fn before(&mut self, verb: &str, rest: &[u8], out: &mut Reply) {
        match verb {
            "CAPA" => out.send(format!("+OK\r\n{}.\r\n", self.capabilities()).as_bytes()),
            "QUIT" => {
                out.send(b"+OK Logging out\r\n");
                self.over = true;
            }
            "STLS" if self.tls => out.send(b"-ERR TLS is already active.\r\n"),
            "STLS" => {
                out.send(b"+OK Begin TLS negotiation now.\r\n");
                out.start_tls();
            }
            "USER" | "AUTH" if !takes_passwords(&self.visit, self.tls) && !(verb == "AUTH" && rest.is_empty()) => {
                out.send(b"-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n");
            }
            "USER" => {
                self.user = Some(Bytes::copy_from_slice(rest));
                out.send(b"+OK\r\n");
            }
            "PASS" => match self.user.take() {
                None => out.send(b"-ERR No username given.\r\n"),
                Some(user) => self.log_in(&user, rest, out),
            },
            "AUTH" => {
                let mut words = rest.split(|b| *b == b' ').filter(|w| !w.is_empty());
                let (mechanism, initial) = (words.next().unwrap_or_default().to_ascii_uppercase(), words.next());
                match (mechanism.as_slice(), initial) {
                    (b"", _) => out.send(b"+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"),
                    (b"PLAIN", None) => {
                        self.step = Some(Step::Plain);
                        out.send(b"+ \r\n");
                    }
                    (b"PLAIN", Some(text)) => self.answer(Step::Plain, text, out),
                    (b"LOGIN", None) => {
                        self.step = Some(Step::User);
                        out.send(b"+ VXNlcm5hbWU6\r\n");
                    }
                    (b"LOGIN", Some(text)) => self.answer(Step::User, text, out),
                    _ => out.send(b"-ERR [AUTH] Unsupported authentication mechanism.\r\n"),
                }
            }
            _ => {
                self.wrong += 1;
                out.send(b"-ERR Unknown command.\r\n");
                if self.wrong >= WRONG_BEFORE {
                    out.send(b"-ERR Too many invalid bad commands.\r\n");
                    self.over = true;
                }
            }
        }
    }

    fn answer(&mut self, step: Step, line: &[u8], out: &mut Reply) {
        if line == b"*" {
            return out.send(b"-ERR Authentication aborted by client.\r\n");
        }
        let line = if line == b"=" { b"" } else { line };
        let Ok(plain) = STANDARD.decode(line) else {
            out.note(Saw::noted("auth_malformed", [("line", line.get(..1024).unwrap_or(line))]));
            return out.send(b"-ERR Invalid base64 data in continued response\r\n");
        };
        match step {
            Step::User => {
                self.step = Some(Step::Secret(plain.into()));
                out.send(b"+ UGFzc3dvcmQ6\r\n");
            }
            Step::Secret(user) => self.log_in(&user, &plain, out),
            Step::Plain => {
                let mut parts = plain.splitn(3, |b| *b == 0);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(_), Some(user), Some(secret)) => self.log_in(user, secret, out),
                    _ => {
                        out.note(Saw::noted("auth_malformed", [("line", plain.get(..1024).unwrap_or(&plain))]));
                        let wait = login::failed(&self.visit, out);
                        out.pause(wait);
                        out.send(b"-ERR [AUTH] Authentication failed.\r\n");
                    }
                }
            }
        }
    }

    fn log_in(&mut self, user: &[u8], secret: &[u8], out: &mut Reply) {
        let found = login::account(&self.visit, &self.visit.post, user, secret);
        out.note(Saw::AuthAttempt {
            principal: Some(Captured::copy(user)),
            secret: Captured::copy(secret),
            secret_kind: SecretKind::Plaintext,
            outcome: if found.is_some() { Outcome::Success } else { Outcome::Failure },
            challenge: None,
        });
        let wait = login::penalty(&self.visit, out);
        if wait > Duration::ZERO {
            out.pause(wait);
        }
        let Some(name) = found else {
            let wait = login::failed(&self.visit, out);
            out.pause(wait);
            return out.send(b"-ERR [AUTH] Authentication failed.\r\n");
        };
        login::succeeded(&self.visit);
        let account = Account::open(&self.visit, &name, out.now());
        let inbox = account.find("INBOX").cloned().unwrap_or_default();
        let entries =
            inbox.messages.iter().map(|m| Entry { uid: m.uid, source: m.source.clone(), size: account.bytes(&m.source).len() }).collect();
        self.session = Some(Box::new(Session {
            account,
            entries,
            deleted: BTreeSet::new(),
            seen: BTreeSet::new(),
            validity: inbox.validity,
            retrieved: (0, 0),
            topped: (0, 0),
        }));
        self.wrong = 0;
        out.send(b"+OK Logged in.\r\n");
    }
}

impl Session {
    /// The place of message `text`, or what to say.
    fn message(&self, text: &[u8]) -> Result<usize, String> {
        let shown = String::from_utf8_lossy(text).into_owned();
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = text.split_at_checked(digits).unwrap_or((text, b""));
        let Some(number) = std::str::from_utf8(number).ok().filter(|n| !n.is_empty() && n.len() < 11).and_then(|n| n.parse::<u64>().ok())
        else {
            return Err(if digits > 10 {
                "-ERR Message number too large.".into()
            } else {
                format!("-ERR Invalid message number: {shown}")
            });
        };
        if !rest.is_empty() {
            return Err(format!("-ERR Noise after message number: {}", String::from_utf8_lossy(rest)));
        }
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if place == 0 || place > self.entries.len() {
            return Err(format!("-ERR There's no message {number}."));
        }
        if self.deleted.contains(&(place - 1)) {
            return Err("-ERR Message is deleted.".into());
        }
        Ok(place - 1)
    }

    fn totals(&self) -> (usize, usize) {
        let left = self.entries.iter().enumerate().filter(|(n, _)| !self.deleted.contains(n));
        left.fold((0, 0), |(count, size), (_, e)| (count + 1, size + e.size))
    }

    fn uidl(&self, entry: &Entry) -> String {
        format!("{:08x}{:08x}", entry.uid, self.validity)
    }

    /// `false`: the command is not known.
    fn command(&mut self, verb: &str, rest: &[u8], out: &mut Reply) -> bool {
        let say = |out: &mut Reply, text: &str| out.send(format!("{text}\r\n").as_bytes());
        match verb {
            "NOOP" => out.send(b"+OK\r\n"),
            "STAT" => {
                let (count, size) = self.totals();
                say(out, &format!("+OK {count} {size}"));
            }
            "LIST" | "UIDL" => {
                let uidl = verb == "UIDL";
                let line =
                    |s: &Self, n: usize, e: &Entry| if uidl { format!("{} {}", n + 1, s.uidl(e)) } else { format!("{} {}", n + 1, e.size) };
                if !rest.is_empty() {
                    match self.message(rest) {
                        Ok(n) => {
                            if let Some(entry) = self.entries.get(n) {
                                say(out, &format!("+OK {}", line(self, n, entry)));
                            }
                        }
                        Err(no) => say(out, &no),
                    }
                    return true;
                }
                let mut text = if uidl { "+OK\r\n".to_owned() } else { format!("+OK {} messages:\r\n", self.totals().0) };
                for (n, entry) in self.entries.iter().enumerate().filter(|(n, _)| !self.deleted.contains(n)) {
                    text.push_str(&line(self, n, entry));
                    text.push_str("\r\n");
                }
                text.push_str(".\r\n");
                out.send(text.as_bytes());
            }
            "RETR" => match self.message(rest) {
                Ok(n) => {
                    if let Some(entry) = self.entries.get(n) {
                        let bytes = self.account.bytes(&entry.source);
                        self.seen.insert(entry.uid);
                        self.retrieved = (self.retrieved.0 + 1, self.retrieved.1 + bytes.len());
                        say(out, &format!("+OK {} octets", bytes.len()));
                        stuffed(&bytes, usize::MAX, out);
                    }
                }
                Err(no) => say(out, &no),
            },
            "TOP" => {
                let (number, lines) =
                    rest.split_at_checked(rest.iter().position(|b| *b == b' ').unwrap_or(rest.len())).unwrap_or((rest, b""));
                match self.message(number) {
                    Err(no) => say(out, &no),
                    Ok(n) => {
                        let lines = std::str::from_utf8(lines.trim_ascii()).ok().filter(|l| l.len() < 10).and_then(|l| l.parse().ok());
                        match (lines, self.entries.get(n)) {
                            (Some(lines), Some(entry)) => {
                                let bytes = self.account.bytes(&entry.source);
                                self.topped = (self.topped.0 + 1, self.topped.1 + bytes.len());
                                out.send(b"+OK\r\n");
                                stuffed(&bytes, lines, out);
                            }
                            _ => say(out, "-ERR Noise after message number: "),
                        }
                    }
                }
            }
            "DELE" => match self.message(rest) {
                Ok(n) => {
                    self.deleted.insert(n);
                    say(out, "+OK Marked to be deleted.");
                }
                Err(no) => say(out, &no),
            },
            "RSET" => {
                self.deleted.clear();
                self.seen.clear();
                out.send(b"+OK\r\n");
            }
            _ => return false,
        }
        true
    }

    /// What was retrieved is seen, what was marked is gone.
    fn update(&mut self, now: model::Micros) {
        self.account.look(now);
        let gone: BTreeSet<u32> = self.deleted.iter().filter_map(|n| self.entries.get(*n)).map(|e| e.uid).collect();
        let Some(inbox) = self.account.find_mut("INBOX") else { return };
        let mut changed = !gone.is_empty();
        for uid in &self.seen {
            if inbox.by_uid(*uid).is_some_and(|m| m.flags & SEEN == 0) {
                let modseq = inbox.tick();
                if let Some(m) = inbox.by_uid(*uid) {
                    m.flags |= SEEN;
                    m.modseq = modseq;
                }
                changed = true;
            }
        }
        inbox.remove(&gone);
        inbox.recent = inbox.next;
        for n in &self.deleted {
            if let Some(entry) = self.entries.get(*n) {
                self.account.sweep(&entry.source);
            }
        }
        if changed {
            self.account.keep();
        }
    }
}

/// Header and so many lines of the body, lines that begin with a dot doubled, and the lone dot.
fn stuffed(bytes: &[u8], lines: usize, out: &mut Reply) {
    let mut text = Vec::with_capacity(bytes.len() + 16);
    let mut left: Option<usize> = None;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match &mut left {
            Some(0) => break,
            Some(n) => *n = n.saturating_sub(1),
            None if matches!(line, b"\r\n" | b"\n") => left = Some(lines),
            None => {}
        }
        if line.starts_with(b".") {
            text.push(b'.');
        }
        text.extend_from_slice(line);
    }
    if !text.ends_with(b"\n") {
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b".\r\n");
    out.send(&text);
}

impl Dialogue for Pop3 {
    fn open(&mut self, out: &mut Reply) {
        out.send(format!("+OK {}\r\n", greeting(&self.visit)).as_bytes());
    }

    fn secured(&mut self, _out: &mut Reply) {
        self.tls = true;
        self.user = None;
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let Some(end) = input.iter().take(LINE).position(|b| *b == b'\n') else {
            if input.len() < LINE {
                return Heard::NeedMore;
            }
            out.send(if self.session.is_some() { &b"-ERR Too long input line\r\n"[..] } else { b"-ERR Input line too long, aborting\r\n" });
            return Heard::Hangup;
        };
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(step) = self.step.take() {
            self.answer(step, line, out);
            return if self.over { Heard::Hangup } else { Heard::Used(end + 1) };
        }
        let verb_end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
        let shown = String::from_utf8_lossy(line.get(..verb_end).unwrap_or_default()).into_owned();
        let verb = shown.to_ascii_uppercase();
        let rest = line.get(verb_end + 1..).unwrap_or_default();
        if !matches!(verb.as_str(), "PASS" | "AUTH") || self.session.is_some() {
            let user = self.session.as_ref().map(|s| s.account.name.clone());
            out.note(Saw::Command { line: Captured::copy(line.get(..4096).unwrap_or(line)), user, cwd: None });
        }
        match &mut self.session {
            None => self.before(&verb, rest, out),
            Some(_) if verb == "CAPA" => out.send(format!("+OK\r\n{}.\r\n", self.capabilities()).as_bytes()),
            Some(session) if verb == "QUIT" => {
                let deleted = session.deleted.len();
                session.update(out.now());
                out.send(if deleted > 0 { &b"+OK Logging out, messages deleted.\r\n"[..] } else { b"+OK Logging out.\r\n" });
                self.over = true;
            }
            Some(session) => {
                if session.command(&verb, rest.trim_ascii(), out) {
                    self.wrong = 0;
                } else {
                    self.wrong += 1;
                    out.send(format!("-ERR Unknown command: {verb}\r\n").as_bytes());
                    if self.wrong >= WRONG_AFTER {
                        out.send(b"-ERR Too many bad commands.\r\n");
                        self.over = true;
                    }
                }
            }
        }
        if self.over { Heard::Hangup } else { Heard::Used(end + 1) }
    }

    fn closed(&mut self, out: &mut Reply) {
        // What was retrieved before the line broke is seen; nothing is deleted.
        if let Some(session) = &mut self.session
            && !self.over
        {
            session.deleted.clear();
            session.update(out.now());
        }
    }

    fn appetite(&self) -> usize {
        LINE + 1024
    }

    fn patience(&self) -> Duration {
        if self.session.is_some() { Duration::from_secs(600) } else { Duration::from_secs(180) }
    }

    fn idle(&mut self, out: &mut Reply) {
        out.send(if self.session.is_some() {
            &b"-ERR Disconnected for inactivity.\r\n"[..]
        } else {
            b"-ERR Disconnected for inactivity during authentication.\r\n"
        });
    }
}
