//! Cuts the input into commands with their literals; the talk before the login.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use model::{Captured, Outcome, Saw, SecretKind};
use std::time::Duration;

use super::{
    greeting,
    parse::{self, Arg, Piece},
    session::{After, Session},
    takes_passwords,
};
use crate::{Dialogue, Heard, Reply, Visit, mail::login};

/// Longest line before the login, and after it (`imap_max_line_length`).
const LINE_BEFORE: usize = 8192;
const LINE_AFTER: usize = 64 * 1024;
/// Largest literal of a command, and of a message that is put into a box.
const LITERAL: u64 = 64 * 1024;
const MESSAGE: u64 = 20 * 1024 * 1024;
/// Wrong commands before the login.
const WRONG: u32 = 3;

/// What the next input is.
#[derive(Debug, Default)]
enum Expect {
    #[default]
    Command,
    /// So many bytes of a literal.
    Literal(u64),
    /// So many bytes of a literal that is thrown away; the command was answered.
    Skip(u64),
    Login(Step),
    /// The end of IDLE.
    Done,
}

/// A half-finished AUTHENTICATE, with its tag.
#[derive(Debug)]
enum Step {
    Plain(String),
    User(String),
    Secret(String, Bytes),
}

/// One visitor of the mail server.
pub(super) struct Imap {
    visit: Visit,
    tls: bool,
    expect: Expect,
    pieces: Vec<Piece>,
    literal: BytesMut,
    held: usize,
    wrong: u32,
    over: bool,
    session: Option<Box<Session>>,
}

impl Imap {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            visit: visit.clone(),
            tls: visit.tls,
            expect: Expect::Command,
            pieces: Vec::new(),
            literal: BytesMut::new(),
            held: 0,
            wrong: 0,
            over: false,
            session: None,
        }
    }

    fn capabilities(&self) -> String {
        let mut text = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+".to_owned();
        if !self.tls {
            text.push_str(" STARTTLS");
        }
        text.push_str(if takes_passwords(&self.visit, self.tls) { " AUTH=PLAIN AUTH=LOGIN" } else { " LOGINDISABLED" });
        text
    }

    /// A line of a command is complete.
    fn line(&mut self, line: &[u8], out: &mut Reply) {
        if let Some((length, waits, begins)) = parse::literal(line) {
            let append = self.pieces.is_empty() && self.session.is_some() && is_append(line) || self.is_append();
            let most = if append { MESSAGE } else { LITERAL };
            let shown = line.get(..begins).unwrap_or_default();
            self.pieces.push(Piece::Line(Bytes::copy_from_slice(shown)));
            self.held += shown.len();
            if length > most || self.held as u64 + length > MESSAGE {
                let tag = self.tag();
                self.pieces.clear();
                if self.session.is_none() {
                    out.send(b"* BAD Error in IMAP command received by server.\r\n");
                    return self.over = true;
                }
                out.send(format!("{tag} NO [TOOBIG] Command too large\r\n").as_bytes());
                if !waits {
                    self.expect = Expect::Skip(length);
                }
                return;
            }
            if append
                && waits
                && let Some(answer) = self.session.as_ref().and_then(|s| s.refuses_append(&self.pieces))
            {
                self.pieces.clear();
                self.held = 0;
                return out.send(answer.as_bytes());
            }
            if waits {
                out.send(b"+ OK\r\n");
            }
            self.expect = Expect::Literal(length);
            return;
        }
        self.pieces.push(Piece::Line(Bytes::copy_from_slice(line)));
        let pieces = std::mem::take(&mut self.pieces);
        self.held = 0;
        self.command(&pieces, out);
    }

    fn is_append(&self) -> bool {
        self.session.is_some() && matches!(self.pieces.first(), Some(Piece::Line(line)) if is_append(line))
    }

    fn tag(&self) -> String {
        let Some(Piece::Line(line)) = self.pieces.first() else { return "*".into() };
        let tag = line.split(|b| *b == b' ').next().unwrap_or_default();
        if tag.is_empty() { "*".into() } else { String::from_utf8_lossy(tag).into_owned() }
    }

    fn command(&mut self, pieces: &[Piece], out: &mut Reply) {
        let mut pieces = pieces.to_vec();
        let Some(Piece::Line(first)) = pieces.first_mut() else { return };
        let line = first.clone();
        let mut words = line.splitn(3, |b| *b == b' ');
        let tag = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let verb = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_uppercase();
        *first = Bytes::copy_from_slice(words.next().unwrap_or_default());
        let arguments = parse::arguments(&pieces);
        if !matches!(verb.as_str(), "LOGIN" | "AUTHENTICATE") || self.session.is_some() {
            let user = self.session.as_ref().map(|s| s.user().to_owned());
            out.note(Saw::Command { line: Captured::copy(line.get(..4096).unwrap_or(&line)), user, cwd: None });
        }
        if let Some(session) = &mut self.session {
            match session.command(&tag, &verb, arguments, out) {
                After::Next => {}
                After::Idle => self.expect = Expect::Done,
                After::Over => self.over = true,
            }
            return;
        }
        let bad_tag = tag.is_empty() || tag.contains(['+', '(', ')', '{', '%', '*', '"', '\\']);
        if bad_tag {
            return self.bad("*", out);
        }
        let Ok(arguments) = arguments else { return self.bad(&tag, out) };
        match verb.as_str() {
            "CAPABILITY" => {
                out.send(
                    format!(
                        "* CAPABILITY {}\r\n{tag} OK Pre-login capabilities listed, post-login capabilities have more.\r\n",
                        self.capabilities()
                    )
                    .as_bytes(),
                );
            }
            "NOOP" => out.send(format!("{tag} OK NOOP completed.\r\n").as_bytes()),
            "ID" => out.send(format!("* ID (\"name\" \"Dovecot\")\r\n{tag} OK ID completed.\r\n").as_bytes()),
            "LOGOUT" => {
                out.send(format!("* BYE Logging out\r\n{tag} OK Logout completed.\r\n").as_bytes());
                self.over = true;
            }
            "ENABLE" => out.send(format!("* ENABLED\r\n{tag} OK ENABLE ignored in non-authenticated state.\r\n").as_bytes()),
            "STARTTLS" if !self.tls => {
                out.send(format!("{tag} OK Begin TLS negotiation now.\r\n").as_bytes());
                out.start_tls();
            }
            "STARTTLS" => out.send(format!("{tag} BAD TLS is already active.\r\n").as_bytes()),
            "LOGIN" => {
                let two: Vec<&[u8]> = arguments.iter().filter_map(Arg::bytes).collect();
                match two.as_slice() {
                    [user, secret] if arguments.len() == 2 => self.log_in(&tag, user, secret, out),
                    _ => self.bad(&tag, out),
                }
            }
            "AUTHENTICATE" => {
                let mut words = arguments.iter().filter_map(Arg::text);
                let (mechanism, initial) = (words.next().map(|m| m.to_ascii_uppercase()), words.next());
                if !takes_passwords(&self.visit, self.tls) && mechanism.is_some() {
                    return self.refuse_plain(&tag, out);
                }
                match (mechanism.as_deref(), initial) {
                    (None, _) => self.bad(&tag, out),
                    (Some("PLAIN"), None) => {
                        out.send(b"+ \r\n");
                        self.expect = Expect::Login(Step::Plain(tag));
                    }
                    (Some("PLAIN"), Some(text)) => self.step(Step::Plain(tag), text.as_bytes(), out),
                    (Some("LOGIN"), None) => {
                        out.send(b"+ VXNlcm5hbWU6\r\n");
                        self.expect = Expect::Login(Step::User(tag));
                    }
                    (Some("LOGIN"), Some(text)) => self.step(Step::User(tag), text.as_bytes(), out),
                    _ => out.send(format!("{tag} NO [ALERT] Unsupported authentication mechanism.\r\n").as_bytes()),
                }
            }
            _ => self.bad(&tag, out),
        }
    }

    fn bad(&mut self, tag: &str, out: &mut Reply) {
        self.wrong += 1;
        if self.wrong >= WRONG {
            out.send(b"* BYE Too many invalid IMAP commands.\r\n");
            return self.over = true;
        }
        out.send(format!("{tag} BAD Error in IMAP command received by server.\r\n").as_bytes());
    }

    fn refuse_plain(&mut self, tag: &str, out: &mut Reply) {
        out.send(
            format!(
                "* BAD [ALERT] Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. If anyone was listening, the \
                 password was exposed.\r\n{tag} NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n"
            )
            .as_bytes(),
        );
    }

    /// One line of an AUTHENTICATE exchange.
    fn step(&mut self, step: Step, line: &[u8], out: &mut Reply) {
        let tag = match &step {
            Step::Plain(tag) | Step::User(tag) | Step::Secret(tag, _) => tag.clone(),
        };
        if line == b"*" {
            return out.send(format!("{tag} BAD Authentication aborted by client.\r\n").as_bytes());
        }
        let line = if line == b"=" { b"" } else { line };
        let Ok(plain) = STANDARD.decode(line) else {
            out.note(Saw::noted("auth_malformed", [("line", line.get(..1024).unwrap_or(line))]));
            return out.send(format!("{tag} BAD Invalid base64 data in continued response\r\n").as_bytes());
        };
        match step {
            Step::User(tag) => {
                out.send(b"+ UGFzc3dvcmQ6\r\n");
                self.expect = Expect::Login(Step::Secret(tag, plain.into()));
            }
            Step::Secret(tag, user) => self.log_in(&tag, &user, &plain, out),
            Step::Plain(tag) => {
                let mut parts = plain.splitn(3, |b| *b == 0);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(_), Some(user), Some(secret)) => self.log_in(&tag, user, secret, out),
                    _ => {
                        out.note(Saw::noted("auth_malformed", [("line", plain.get(..1024).unwrap_or(&plain))]));
                        let wait = login::failed(&self.visit, out);
                        out.pause(wait);
                        out.send(format!("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n").as_bytes());
                    }
                }
            }
        }
    }

    fn log_in(&mut self, tag: &str, user: &[u8], secret: &[u8], out: &mut Reply) {
        let found = login::account(&self.visit, &self.visit.post, user, secret);
        let allowed = takes_passwords(&self.visit, self.tls);
        out.note(Saw::AuthAttempt {
            principal: Some(Captured::copy(user)),
            secret: Captured::copy(secret),
            secret_kind: SecretKind::Plaintext,
            outcome: if found.is_some() && allowed { Outcome::Success } else { Outcome::Failure },
            challenge: None,
        });
        if !allowed {
            return self.refuse_plain(tag, out);
        }
        let wait = login::penalty(&self.visit, out);
        if wait > Duration::ZERO {
            out.pause(wait);
        }
        let Some(name) = found else {
            let wait = login::failed(&self.visit, out);
            out.pause(wait);
            return out.send(format!("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n").as_bytes());
        };
        login::succeeded(&self.visit);
        let session = Box::new(Session::new(&self.visit, &name, out.now()));
        out.send(format!("{tag} OK [CAPABILITY {}] Logged in\r\n", super::session::CAPABILITIES).as_bytes());
        self.session = Some(session);
    }

    fn too_long(&mut self, out: &mut Reply) -> Heard {
        if self.session.is_some() {
            out.send(b"* BYE Too long command line.\r\n");
        } else {
            out.send(b"* BYE Input buffer full, aborting.\r\n");
        }
        Heard::Hangup
    }
}

fn is_append(line: &[u8]) -> bool {
    line.split(|b| *b == b' ').nth(1).is_some_and(|v| v.eq_ignore_ascii_case(b"APPEND"))
}

impl Dialogue for Imap {
    fn open(&mut self, out: &mut Reply) {
        out.send(format!("* OK [CAPABILITY {}] {}\r\n", self.capabilities(), greeting(&self.visit)).as_bytes());
    }

    fn secured(&mut self, _out: &mut Reply) {
        self.tls = true;
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let used = match std::mem::take(&mut self.expect) {
            Expect::Literal(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.literal.extend_from_slice(input.get(..now).unwrap_or_default());
                if now as u64 == left {
                    let bytes = std::mem::take(&mut self.literal).freeze();
                    self.held += bytes.len();
                    self.pieces.push(Piece::Literal(bytes));
                } else {
                    self.expect = Expect::Literal(left - now as u64);
                }
                // A literal of no bytes uses none, but the command goes on.
                if now == 0 && !input.is_empty() { return self.hear(input, out) } else { now }
            }
            Expect::Skip(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                if now as u64 != left {
                    self.expect = Expect::Skip(left - now as u64);
                }
                if now == 0 { return self.hear(input, out) } else { now }
            }
            expect => {
                let most = if self.session.is_some() { LINE_AFTER } else { LINE_BEFORE };
                let Some(end) = input.iter().take(most).position(|b| *b == b'\n') else {
                    self.expect = expect;
                    return if input.len() >= most { self.too_long(out) } else { Heard::NeedMore };
                };
                let line = input.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                match expect {
                    Expect::Login(step) => self.step(step, line, out),
                    Expect::Done => {
                        if let Some(session) = &mut self.session {
                            session.idle_done(line, out);
                        }
                    }
                    _ => self.line(line, out),
                }
                end + 1
            }
        };
        if self.over {
            return Heard::Hangup;
        }
        Heard::Used(used)
    }

    fn wake(&mut self, out: &mut Reply) -> Heard {
        if matches!(self.expect, Expect::Done)
            && let Some(session) = &mut self.session
        {
            session.idle_beat(out);
        }
        Heard::NeedMore
    }

    fn appetite(&self) -> usize {
        LINE_AFTER + 1024
    }

    fn patience(&self) -> Duration {
        if self.session.is_some() { Duration::from_secs(30 * 60) } else { Duration::from_secs(180) }
    }

    fn idle(&mut self, out: &mut Reply) {
        out.send(if self.session.is_some() {
            &b"* BYE Disconnected for inactivity.\r\n"[..]
        } else {
            b"* BYE Disconnected for inactivity during authentication.\r\n"
        });
    }
}
