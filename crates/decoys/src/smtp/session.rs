//! What one visitor has said so far, and the answers to each command.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use model::{Captured, FileWay, Outcome, Saw, SecretKind};
use rand::RngExt;
use sha2::{Digest, Sha256};
use std::time::Duration;

use super::address::{self, Place};
use crate::{Reply, Visit};

/// `message_size_limit`.
pub(super) const SIZE_LIMIT: usize = 10_240_000;
/// Errors after which every answer is slow, and after which it is over.
const SOFT_ERRORS: u32 = 10;
const HARD_ERRORS: u32 = 20;

/// What the next input is.
#[derive(Debug, Default)]
pub(super) enum Expect {
    #[default]
    Command,
    Login(Login),
    /// The text after DATA.
    Data,
    /// So many bytes of a BDAT chunk; whether it is the last, and whether it counts.
    Chunk {
        left: usize,
        last: bool,
        taken: bool,
    },
}

/// A half-finished AUTH.
#[derive(Debug)]
pub(super) enum Login {
    Plain,
    User,
    Secret(Bytes),
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Session {
    visit: Visit,
    host: String,
    pub(super) tls: bool,
    submission: bool,
    auth: bool,
    relay: bool,
    helo: bool,
    user: Option<Bytes>,
    from: Option<Bytes>,
    rcpt: Vec<Bytes>,
    boxes: Vec<String>,
    size: usize,
    errors: u32,
    pub(super) over: bool,
    pub(super) expect: Expect,
    pub(super) message: BytesMut,
    pub(super) received: usize,
    chunked: bool,
    messages: u32,
}

impl Session {
    pub(super) fn new(visit: &Visit) -> Self {
        let flag = |name: &str| visit.knob(name).map(|v| matches!(v, "true" | "yes" | "on" | "1"));
        let port = visit.local.port();
        Self {
            host: visit.persona.fqdn(),
            tls: visit.tls,
            submission: matches!(port, 465 | 587),
            auth: flag("auth").unwrap_or(true),
            relay: flag("open_relay").unwrap_or(false),
            visit: visit.clone(),
            helo: false,
            user: None,
            from: None,
            rcpt: Vec::new(),
            boxes: Vec::new(),
            size: 0,
            errors: 0,
            over: false,
            expect: Expect::Command,
            message: BytesMut::new(),
            received: 0,
            chunked: false,
            messages: 0,
        }
    }

    pub(super) fn greet(&self, out: &mut Reply) {
        let tail = self.visit.knob("banner").filter(|b| !b.is_empty()).map_or_else(
            || {
                let package = self.visit.persona.service(self.visit.service).map(|s| s.software.package.clone()).unwrap_or_default();
                if package.is_empty() { "ESMTP Postfix".to_owned() } else { format!("ESMTP Postfix ({package})") }
            },
            str::to_owned,
        );
        out.send(format!("220 {} {tail}\r\n", self.host).as_bytes());
    }

    /// Sends an answer; slow once there were many errors. Counts errors and ends the talk after too many.
    pub(super) fn answer(&mut self, text: impl AsRef<[u8]>, out: &mut Reply) {
        let text = text.as_ref();
        if self.errors >= SOFT_ERRORS {
            out.pause(Duration::from_secs(1));
        }
        out.send(text);
        out.send(b"\r\n");
        if matches!(text.first(), Some(b'4' | b'5')) {
            self.errors += 1;
            if self.errors >= HARD_ERRORS && !self.over {
                self.over = true;
                out.pause(Duration::from_secs(1));
                out.send(format!("421 4.7.0 {} Error: too many errors\r\n", self.host).as_bytes());
            }
        }
    }

    /// An error after which nothing the client sends could be understood.
    fn lost(&mut self, text: &str, out: &mut Reply) {
        self.answer(text, out);
        self.over = true;
    }

    pub(super) fn timeout(&self, out: &mut Reply) {
        out.send(format!("421 4.4.2 {} Error: timeout exceeded\r\n", self.host).as_bytes());
    }

    /// The client's host has too many connections (`smtpd_client_connection_count_limit`).
    pub(super) fn crowded(&self, out: &mut Reply) {
        out.send(format!("421 4.7.0 {} Error: too many connections from {}\r\n", self.host, self.visit.peer.ip()).as_bytes());
    }

    fn reset(&mut self) {
        self.from = None;
        self.rcpt.clear();
        self.boxes.clear();
        self.size = 0;
        self.message.clear();
        self.received = 0;
        self.chunked = false;
    }

    /// TLS is up: everything said before is forgotten (RFC 3207 §4.2).
    pub(super) fn secured(&mut self) {
        self.tls = true;
        self.helo = false;
        self.user = None;
        self.reset();
    }

    /// One command line without its line end.
    pub(super) fn command(&mut self, line: &[u8], out: &mut Reply) {
        let header_like = line
            .iter()
            .position(|&b| b == b':')
            .is_some_and(|n| n > 0 && line.get(..n).is_some_and(|l| l.iter().all(|&b| b > b' ' && b < 0x7f)));
        let text = line.trim_ascii();
        let verb_end = text.iter().position(|&b| b == b' ' || b == b'\t').unwrap_or(text.len());
        let verb = String::from_utf8_lossy(text.get(..verb_end).unwrap_or_default()).to_ascii_uppercase();
        let rest = text.get(verb_end..).unwrap_or_default().trim_ascii();
        if verb != "AUTH" {
            out.note(Saw::Command {
                line: Captured::copy(line.get(..4096).unwrap_or(line)),
                user: self.user.as_ref().map(|u| String::from_utf8_lossy(u).into_owned()),
                cwd: None,
            });
        }
        if std::str::from_utf8(text).is_err() {
            return self.answer("500 5.5.2 Error: bad UTF-8 syntax", out);
        }
        if text.is_empty() {
            return self.answer("500 5.5.2 Error: bad syntax", out);
        }
        if header_like || matches!(verb.as_str(), "GET" | "POST" | "CONNECT") || !text.first().is_some_and(u8::is_ascii_alphabetic) {
            self.over = true;
            out.send(b"221 2.7.0 Error: I can break rules, too. Goodbye.\r\n");
            return;
        }
        if self.submission && !self.tls && matches!(verb.as_str(), "MAIL" | "RCPT" | "DATA" | "BDAT" | "VRFY" | "ETRN" | "AUTH") {
            return self.answer("530 5.7.0 Must issue a STARTTLS command first", out);
        }
        match verb.as_str() {
            "HELO" if rest.is_empty() => self.answer("501 Syntax: HELO hostname", out),
            "EHLO" if rest.is_empty() => self.answer("501 Syntax: EHLO hostname", out),
            "HELO" => {
                out.note(Saw::noted("helo", [("domain", rest)]));
                self.reset();
                self.helo = true;
                self.answer(format!("250 {}", self.host), out);
            }
            "EHLO" => {
                out.note(Saw::noted("ehlo", [("domain", rest)]));
                self.reset();
                self.helo = true;
                self.ehlo(out);
            }
            "MAIL" => self.mail(rest, out),
            "RCPT" => self.recipient(rest, out),
            "DATA" => self.data(rest, out),
            "BDAT" => self.chunk(rest, out),
            "AUTH" => self.login(rest, out),
            "STARTTLS" => {
                if self.tls {
                    self.answer("554 5.5.1 Error: TLS already active", out);
                } else if !rest.is_empty() {
                    self.answer("501 5.5.4 Syntax: STARTTLS", out);
                } else {
                    self.answer("220 2.0.0 Ready to start TLS", out);
                    out.start_tls();
                }
            }
            "VRFY" => self.verify(rest, out),
            "ETRN" => {
                if rest.is_empty() {
                    self.answer("500 Syntax: ETRN domain", out);
                } else if self.from.is_some() {
                    self.answer("503 Error: MAIL transaction in progress", out);
                } else {
                    self.answer([b"459 <", rest, b">: service unavailable"].concat(), out);
                }
            }
            "XFORWARD" | "XCLIENT" if rest.is_empty() => self.answer(format!("501 5.5.4 Syntax: {verb} attribute=value..."), out),
            "XFORWARD" | "XCLIENT" => self.answer("550 5.7.0 Error: insufficient authorization", out),
            "NOOP" => self.answer("250 2.0.0 Ok", out),
            "RSET" if !rest.is_empty() => self.answer("501 5.5.4 Syntax: RSET", out),
            "RSET" => {
                self.reset();
                self.answer("250 2.0.0 Ok", out);
            }
            "QUIT" => {
                self.over = true;
                out.send(b"221 2.0.0 Bye\r\n");
            }
            _ => self.answer("500 5.5.2 Error: command not recognized", out),
        }
    }

    fn offers_auth(&self) -> bool {
        if self.submission { self.tls } else { self.auth }
    }

    fn ehlo(&mut self, out: &mut Reply) {
        let mut lines = vec![self.host.clone(), "PIPELINING".into(), format!("SIZE {SIZE_LIMIT}"), "VRFY".into(), "ETRN".into()];
        if !self.tls {
            lines.push("STARTTLS".into());
        }
        if self.offers_auth() {
            lines.push("AUTH PLAIN LOGIN".into());
        }
        lines.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"].map(String::from));
        let last = lines.len() - 1;
        let text: Vec<String> = lines.iter().enumerate().map(|(i, l)| format!("250{}{l}", if i == last { ' ' } else { '-' })).collect();
        self.answer(text.join("\r\n"), out);
    }

    fn mail(&mut self, rest: &[u8], out: &mut Reply) {
        if self.from.is_some() {
            return self.answer("503 5.5.1 Error: nested MAIL command", out);
        }
        let Some(text) = after_colon(rest, b"FROM:").filter(|t| !t.is_empty()) else {
            return self.answer("501 5.5.4 Syntax: MAIL FROM:<address>", out);
        };
        let Some((sender, options)) = address::split(text).filter(|(a, _)| address::well_formed(a)) else {
            return self.answer("501 5.1.7 Bad sender address syntax", out);
        };
        for option in options {
            let upper = option.to_ascii_uppercase();
            let value = |prefix: &[u8]| upper.strip_prefix(prefix).map(<[u8]>::to_vec);
            if let Some(size) = value(b"SIZE=") {
                match std::str::from_utf8(&size)
                    .ok()
                    .filter(|s| !s.is_empty() && s.len() < 15 && s.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|s| s.parse().ok())
                {
                    Some(n) => self.size = n,
                    None => return self.answer("501 5.5.4 Bad message size syntax", out),
                }
            } else if let Some(how) = value(b"RET=") {
                if how != b"FULL" && how != b"HDRS" {
                    return self.answer("501 5.5.4 Bad RET parameter syntax", out);
                }
            } else if let Some(id) = value(b"ENVID=") {
                if id.is_empty() {
                    return self.answer("501 5.5.4 Bad ENVID parameter syntax", out);
                }
            } else if !matches!(upper.as_slice(), b"BODY=8BITMIME" | b"BODY=7BIT" | b"SMTPUTF8") && !upper.starts_with(b"AUTH=") {
                return self.answer([b"555 5.5.4 Unsupported option: ", option].concat(), out);
            }
        }
        if self.size > SIZE_LIMIT {
            return self.answer("552 5.3.4 Message size exceeds fixed limit", out);
        }
        let domain: Vec<u8> = sender.rsplit(|&b| b == b'@').next().filter(|_| sender.contains(&b'@')).unwrap_or_default().to_vec();
        out.note(Saw::noted("mail_from", [("mail_from", &sender), ("domain", &domain), ("value", rest)]));
        self.from = Some(sender.into());
        self.answer("250 2.1.0 Ok", out);
    }

    fn recipient(&mut self, rest: &[u8], out: &mut Reply) {
        if self.from.is_none() {
            return self.answer("503 5.5.1 Error: need MAIL command", out);
        }
        let Some(text) = after_colon(rest, b"TO:").filter(|t| !t.is_empty()) else {
            return self.answer("501 5.5.4 Syntax: RCPT TO:<address>", out);
        };
        let Some((to, options)) = address::split(text)
            .filter(|(a, _)| !a.is_empty() && (address::well_formed(a) || a.iter().filter(|&&b| b == b'@').count() > 1))
        else {
            return self.answer("501 5.1.3 Bad recipient address syntax", out);
        };
        for option in options {
            let upper = option.to_ascii_uppercase();
            if let Some(when) = upper.strip_prefix(b"NOTIFY=") {
                if !when.split(|&b| b == b',').all(|w| matches!(w, b"NEVER" | b"SUCCESS" | b"FAILURE" | b"DELAY")) {
                    return self.answer("501 5.5.4 Error: Bad NOTIFY parameter syntax", out);
                }
            } else if let Some(original) = upper.strip_prefix(b"ORCPT=") {
                if !original.contains(&b';') {
                    return self.answer("501 5.5.4 Error: Bad ORCPT parameter syntax", out);
                }
            } else {
                return self.answer([b"555 5.5.4 Unsupported option: ", option].concat(), out);
            }
        }
        if self.submission && self.user.is_none() {
            let peer = self.visit.peer.ip();
            out.note(Saw::noted("rcpt_denied", [("rcpt_to", &to)]));
            return self.answer(format!("554 5.7.1 <unknown[{peer}]>: Client host rejected: Access denied"), out);
        }
        if self.rcpt.len() >= 1000 {
            return self.answer("452 4.5.3 Error: too many recipients", out);
        }
        let shown = address::shown(&to);
        match address::place(&self.visit.persona, &to) {
            Place::Local(name) => self.boxes.push(name),
            Place::Unknown => {
                out.note(Saw::noted("rcpt_denied", [("rcpt_to", &to)]));
                return self.answer(
                    [b"550 5.1.1 <", &shown[..], b">: Recipient address rejected: User unknown in local recipient table"].concat(),
                    out,
                );
            }
            Place::Elsewhere | Place::Malformed if self.user.is_some() || self.relay => {}
            Place::Elsewhere | Place::Malformed => {
                out.note(Saw::noted("rcpt_denied", [("rcpt_to", &to)]));
                return self.answer([b"454 4.7.1 <", &shown[..], b">: Relay access denied"].concat(), out);
            }
        }
        out.note(Saw::noted("rcpt_to", [("rcpt_to", &to)]));
        self.rcpt.push(to.into());
        self.answer("250 2.1.5 Ok", out);
    }

    fn verify(&mut self, rest: &[u8], out: &mut Reply) {
        if rest.is_empty() {
            return self.answer("501 5.5.4 Syntax: VRFY address [SMTPUTF8]", out);
        }
        out.note(Saw::noted("vrfy", [("address", rest)]));
        let Some((who, options)) = address::split(rest).filter(|(a, o)| address::well_formed(a) && !a.is_empty() && o.is_empty()) else {
            return self.answer("501 5.1.3 Bad recipient address syntax", out);
        };
        let _ = options;
        match address::place(&self.visit.persona, &who) {
            Place::Local(_) => self.answer([b"252 2.0.0 ", rest].concat(), out),
            Place::Unknown => self
                .answer([b"550 5.1.1 <", &who[..], b">: Recipient address rejected: User unknown in local recipient table"].concat(), out),
            _ => self.answer([b"454 4.7.1 <", &who[..], b">: Relay access denied"].concat(), out),
        }
    }

    fn data(&mut self, rest: &[u8], out: &mut Reply) {
        if !rest.is_empty() {
            return self.answer("501 5.5.4 Syntax: DATA", out);
        }
        if self.chunked {
            return self.answer("503 5.5.1 Error: DATA after BDAT", out);
        }
        if self.rcpt.is_empty() {
            let text = if self.from.is_some() { "554 5.5.1 Error: no valid recipients" } else { "503 5.5.1 Error: need RCPT command" };
            return self.answer(text, out);
        }
        self.expect = Expect::Data;
        self.answer("354 End data with <CR><LF>.<CR><LF>", out);
    }

    fn chunk(&mut self, rest: &[u8], out: &mut Reply) {
        let mut words = rest.split(|&b| b == b' ').filter(|w| !w.is_empty());
        let size = words.next().and_then(|w| std::str::from_utf8(w).ok()).filter(|w| w.len() < 12).and_then(|w| w.parse::<usize>().ok());
        let (Some(left), word, None) = (size, words.next(), words.next()) else {
            return self.lost("521 5.5.4 Syntax: BDAT count [LAST]", out);
        };
        let last = match word {
            None => false,
            Some(w) if w.eq_ignore_ascii_case(b"LAST") => true,
            Some(_) => return self.answer("501 5.5.4 Syntax: BDAT count [LAST]", out),
        };
        let taken = !self.rcpt.is_empty();
        self.expect = Expect::Chunk { left, last, taken };
        if left == 0 {
            self.chunk_done(last, taken, 0, out);
        }
    }

    /// A BDAT chunk has come whole.
    pub(super) fn chunk_done(&mut self, last: bool, taken: bool, size: usize, out: &mut Reply) {
        self.expect = Expect::Command;
        if !taken {
            let text = if self.from.is_some() { "554 5.5.1 Error: no valid recipients" } else { "503 5.5.1 Error: need RCPT command" };
            return self.answer(text, out);
        }
        self.chunked = true;
        if self.received > SIZE_LIMIT {
            self.reset();
            return self.answer("552 5.3.4 Error: message file too big", out);
        }
        if last {
            // The queue counts lines with two-byte ends.
            let bare = self.message.iter().filter(|&&b| b == b'\n').count() - self.message.windows(2).filter(|w| w == b"\r\n").count();
            let unfinished = !self.message.is_empty() && !self.message.ends_with(b"\n");
            let total = self.received + bare + if unfinished { 2 } else { 0 };
            let id = self.take_message(out);
            self.answer(format!("250 2.0.0 Ok: {total} bytes queued as {id}"), out);
        } else {
            self.answer(format!("250 2.0.0 Ok: {size} bytes"), out);
        }
    }

    /// The text after DATA is complete.
    pub(super) fn data_done(&mut self, out: &mut Reply) {
        self.expect = Expect::Command;
        if self.received > SIZE_LIMIT {
            out.note(Saw::noted("message_refused", []));
            self.reset();
            return self.answer("552 5.3.4 Error: message file too big", out);
        }
        let id = self.take_message(out);
        self.answer(format!("250 2.0.0 Ok: queued as {id}"), out);
    }

    /// Keeps the message and gives its queue id: microseconds and the queue file's inode, both in hex.
    fn take_message(&mut self, out: &mut Reply) -> String {
        let micros = out.now().0.rem_euclid(1_000_000);
        let base = u32::from_be_bytes([
            0,
            self.visit.derive("smtp/inode")[0] % 0x20 + 1,
            self.visit.derive("smtp/inode")[1],
            self.visit.derive("smtp/inode")[2],
        ]);
        self.messages += 1;
        let inode = base + out.rng().random_range(0..6u32);
        let id = format!("{micros:05X}{inode:X}");
        let bytes = self.message.split().freeze();
        let subject = subject(&bytes);
        let from = self.from.clone().unwrap_or_default();
        for name in &self.boxes {
            if bytes.len() <= 1024 * 1024 {
                self.visit.memory.set(&format!("mail/{name}/{id}"), bytes.clone());
            }
        }
        out.note(Saw::MessageStored {
            sha256: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len() as u64,
            mail_from: from.into(),
            rcpt_to: self.rcpt.iter().cloned().map(Captured::from).collect(),
            subject: subject.into(),
        });
        out.keep(format!("{id}.eml"), bytes, FileWay::Upload);
        self.reset();
        id
    }

    fn login(&mut self, rest: &[u8], out: &mut Reply) {
        if !self.offers_auth() {
            return self.answer("503 5.5.1 Error: authentication not enabled", out);
        }
        if self.from.is_some() {
            return self.answer("503 5.5.1 Error: MAIL transaction in progress", out);
        }
        if self.user.is_some() {
            return self.answer("503 5.5.1 Error: already authenticated", out);
        }
        let mut words = rest.split(|&b| b == b' ').filter(|w| !w.is_empty());
        let (mechanism, initial) = (words.next().unwrap_or_default().to_ascii_uppercase(), words.next());
        if mechanism.is_empty() || words.next().is_some() {
            return self.answer("501 5.5.4 Syntax: AUTH mechanism", out);
        }
        match (mechanism.as_slice(), initial) {
            (b"PLAIN", None) => {
                self.expect = Expect::Login(Login::Plain);
                out.send(b"334 \r\n");
            }
            (b"PLAIN", Some(text)) => self.login_line(Login::Plain, text, out),
            (b"LOGIN", None) => {
                self.expect = Expect::Login(Login::User);
                out.send(b"334 VXNlcm5hbWU6\r\n");
            }
            (b"LOGIN", Some(text)) => self.login_line(Login::User, text, out),
            _ => self.answer("535 5.7.8 Error: authentication failed: Invalid authentication mechanism", out),
        }
    }

    /// One line of an AUTH exchange.
    pub(super) fn login_line(&mut self, step: Login, line: &[u8], out: &mut Reply) {
        self.expect = Expect::Command;
        if line == b"*" {
            return self.answer("501 5.7.0 Authentication aborted", out);
        }
        let line = if line == b"=" { b"" } else { line };
        let Ok(plain) = STANDARD.decode(line) else {
            out.note(Saw::noted("auth_malformed", [("line", line.get(..1024).unwrap_or(line))]));
            return self.answer("535 5.7.8 Error: authentication failed: Invalid base64 data in continued response", out);
        };
        match step {
            Login::User => {
                self.expect = Expect::Login(Login::Secret(plain.into()));
                out.send(b"334 UGFzc3dvcmQ6\r\n");
            }
            Login::Secret(user) => self.decide(user, &plain, "UGFzc3dvcmQ6", out),
            Login::Plain => {
                let mut parts = plain.splitn(3, |&b| b == 0);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(_), Some(user), Some(secret)) => self.decide(Bytes::copy_from_slice(user), secret, "", out),
                    _ => {
                        out.note(Saw::noted("auth_malformed", [("line", plain.get(..1024).unwrap_or(&plain))]));
                        self.answer("535 5.7.8 Error: authentication failed: ", out);
                    }
                }
            }
        }
    }

    fn decide(&mut self, user: Bytes, secret: &[u8], reason: &str, out: &mut Reply) {
        let name: Vec<u8> = user.split(|&b| b == b'@').next().unwrap_or_default().to_vec();
        let right = self.visit.persona.account(&name).and_then(|a| a.password.as_deref()).is_some_and(|p| p.as_bytes() == secret);
        out.note(Saw::AuthAttempt {
            principal: Some(user.clone().into()),
            secret: Captured::copy(secret),
            secret_kind: SecretKind::Plaintext,
            outcome: if right { Outcome::Success } else { Outcome::Failure },
            challenge: None,
        });
        if right {
            self.user = Some(user);
            return self.answer("235 2.7.0 Authentication successful", out);
        }
        // The authentication service makes failures wait for its next round.
        let wait = Duration::from_millis(2000 + out.rng().random_range(2..60u64));
        out.pause(wait);
        self.answer(format!("535 5.7.8 Error: authentication failed: {reason}"), out);
    }
}

/// What stands after `FROM:` or `TO:`.
fn after_colon<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    let head = text.get(..label.len())?;
    head.eq_ignore_ascii_case(label).then(|| text.get(label.len()..).unwrap_or_default().trim_ascii())
}

/// The Subject header, unfolded, at most 998 bytes.
fn subject(message: &[u8]) -> Vec<u8> {
    let mut found: Option<Vec<u8>> = None;
    for line in message.split(|&b| b == b'\n').take(500) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match &mut found {
            Some(text) if line.starts_with(b" ") || line.starts_with(b"\t") => text.extend_from_slice(line),
            Some(_) => break,
            None if line.is_empty() => break,
            None => {
                if let Some(rest) = after_colon(line, b"Subject:") {
                    found = Some(rest.to_vec());
                }
            }
        }
    }
    let mut text = found.unwrap_or_default();
    text.truncate(998);
    text
}
