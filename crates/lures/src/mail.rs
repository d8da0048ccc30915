//! One mail as bytes: RFC 5322 and MIME the way the sender's program writes them, with the trace of the server that
//! took it. Lines end in CRLF; lines are at most 998 bytes; names that are not ASCII are encoded words (RFC 2047)
//! beside a bare address.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{ZonedDateTime as Zoned, fmt::strtime};
use std::fmt::Write;

use crate::Dice;

/// Somebody in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub name: String,
    pub email: String,
}

/// A file in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    /// `application/pdf`.
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

/// The program somebody writes mail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Thunderbird,
    Outlook,
    Apple,
    Roundcube,
    Mutt,
    /// A program of the system, such as cron: no MIME.
    System,
}

/// How the mail came to the server that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Name of the mail server.
    pub host: String,
    /// Address and name of the machine it came from.
    pub peer: String,
    pub peer_name: String,
    /// Account that logged in to send it; `None`: it came from outside.
    pub login: Option<String>,
    /// Queue id.
    pub queue: String,
    /// When the server took it.
    pub taken: Zoned,
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Id of its thread, in the form of a UUID.
    pub thread: String,
    /// Place in the thread, from 0.
    pub number: usize,
    pub date: Zoned,
    pub from: Address,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub subject: String,
    /// With angle brackets, like the others.
    pub message_id: String,
    pub in_reply_to: Option<String>,
    /// Oldest first.
    pub references: Vec<String>,
    /// What the writer wrote: greeting to signature.
    pub text: String,
    /// What is quoted below.
    pub quoted: Option<Quoted>,
    pub attachments: Vec<Attachment>,
    pub client: Client,
    /// ISO 639-1.
    pub language: &'static str,
    pub trace: Trace,
    /// What it is about: a topic of the grammar.
    pub topic: String,
    /// Draws boundaries and the like.
    pub salt: u64,
}

/// What an answer quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// The line or block above it.
    pub head: String,
    pub text: String,
    /// With `> ` before each line, or as it is below a line of dashes.
    pub marked: bool,
}

impl Mail {
    /// Everybody it went to.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(&self.cc)
    }

    /// The whole body text, quotation included, lines ended by `\n`.
    pub fn body(&self) -> String {
        let mut text = self.text.clone();
        if let Some(quoted) = &self.quoted {
            if quoted.marked {
                _ = write!(text, "\n\n{}\n", quoted.head);
                for line in quoted.text.lines() {
                    text.push_str(if line.starts_with('>') { ">" } else { "> " });
                    text.push_str(line);
                    text.push('\n');
                }
            } else {
                let line = if self.client == Client::Outlook { "-----Original Message-----\n" } else { "" };
                _ = write!(text, "\n\n{line}{}\n\n{}", quoted.head, quoted.text);
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// The file as the server keeps it: its own trace headers, then what the sender's program wrote.
    pub fn raw(&self) -> Vec<u8> {
        let mut out = self.trace_headers().into_bytes();
        out.extend_from_slice(&self.message());
        out
    }

    /// `Return-Path` and `Received`.
    pub fn trace_headers(&self) -> String {
        let t = &self.trace;
        let mut out = format!("Return-Path: <{}>\r\n", self.from.email);
        _ = write!(out, "Received: from {} ({} [{}])\r\n", helo(t, self.client), t.peer_name, t.peer);
        if self.client != Client::System && !t.peer.starts_with("127.") {
            out.push_str(
                "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) \
                 server-digest SHA256)\r\n\t(No client certificate requested)\r\n",
            );
        }
        if let Some(login) = &t.login {
            _ = write!(out, "\t(Authenticated sender: {login})\r\n");
        }
        let with = match (&t.login, t.peer.starts_with("127.")) {
            (Some(_), true) => "ESMTPA",
            (Some(_), false) => "ESMTPSA",
            (None, true) => "ESMTP",
            (None, false) => "ESMTPS",
        };
        _ = write!(out, "\tby {} (Postfix) with {with} id {}", t.host, t.queue);
        let mut all = self.recipients();
        if let (Some(only), None) = (all.next(), all.next()) {
            _ = write!(out, "\r\n\tfor <{}>", only.email);
        }
        let when = strtime::format("%a, %e %b %Y %H:%M:%S %z (%Z)", &t.taken).unwrap_or_default();
        _ = write!(out, "; {when}\r\n");
        out
    }

    /// What the sender's program wrote, which is also what lies in its Sent folder.
    pub fn message(&self) -> Vec<u8> {
        let mut head = String::with_capacity(1024);
        let (kind, body) = self.entity();
        let mut line = |name: &str, value: &str| _ = write!(head, "{name}: {value}\r\n");
        let date = strtime::format("%a, %-d %b %Y %H:%M:%S %z", &self.date).unwrap_or_default();
        let (from, to, cc) =
            (list(std::slice::from_ref(&self.from), self.client), list(&self.to, self.client), list(&self.cc, self.client));
        let subject = encoded(&self.subject, "Subject: ".len());
        let references = self.references.join("\r\n ");
        let reply = self.in_reply_to.as_deref().unwrap_or_default();
        let maybe = |line: &mut dyn FnMut(&str, &str), name: &str, value: &str| {
            if !value.is_empty() {
                line(name, value);
            }
        };
        match self.client {
            Client::Thunderbird => {
                line("Message-ID", &self.message_id);
                line("Date", &date);
                line("MIME-Version", "1.0");
                line("User-Agent", "Mozilla Thunderbird");
                line("Subject", &subject);
                line("Content-Language", region(self.language));
                line("To", &to);
                maybe(&mut line, "Cc", &cc);
                maybe(&mut line, "References", &references);
                line("From", &from);
                maybe(&mut line, "In-Reply-To", reply);
            }
            Client::Outlook => {
                line("From", &from);
                line("To", &to);
                maybe(&mut line, "Cc", &cc);
                maybe(&mut line, "References", &references);
                maybe(&mut line, "In-Reply-To", reply);
                line("Subject", &subject);
                line("Date", &date);
                line("Message-ID", &self.message_id);
                line("MIME-Version", "1.0");
            }
            Client::Apple => {
                line("From", &from);
                line("Mime-Version", "1.0 (Mac OS X Mail 16.0 \\(3774.600.62\\))");
                line("Subject", &subject);
                line("Date", &date);
                maybe(&mut line, "References", &references);
                line("To", &to);
                maybe(&mut line, "Cc", &cc);
                maybe(&mut line, "In-Reply-To", reply);
                line("Message-Id", &self.message_id);
                line("X-Mailer", "Apple Mail (2.3774.600.62)");
            }
            Client::Roundcube => {
                line("MIME-Version", "1.0");
                line("Date", &date);
                line("From", &from);
                line("To", &to);
                maybe(&mut line, "Cc", &cc);
                line("Subject", &subject);
                maybe(&mut line, "In-Reply-To", reply);
                maybe(&mut line, "References", &references);
                line("User-Agent", "Roundcube Webmail/1.6.5");
                line("Message-ID", &self.message_id);
                line("X-Sender", &self.from.email);
            }
            Client::Mutt => {
                line("Date", &date);
                line("From", &from);
                line("To", &to);
                maybe(&mut line, "Cc", &cc);
                line("Subject", &subject);
                line("Message-ID", &self.message_id);
                maybe(&mut line, "References", &references);
                line("MIME-Version", "1.0");
            }
            Client::System => {
                line("From", &from);
                line("To", &to);
                line("Subject", &subject);
                line("Message-Id", &self.message_id);
                line("Date", &date);
            }
        }
        head.push_str(&kind);
        match self.client {
            Client::Outlook => {
                let mut dice = Dice::of(&self.salt.to_le_bytes(), &["index"]);
                let mut bytes = vec![1, 0xdc];
                bytes.extend((0..20).map(|_| u8::try_from(dice.below(256)).unwrap_or(0)));
                _ = write!(
                    head,
                    "X-Mailer: Microsoft Outlook 16.0\r\nThread-Index: {}\r\nContent-Language: {}\r\n",
                    STANDARD.encode(bytes),
                    self.language
                );
            }
            Client::Mutt => {
                if !reply.is_empty() {
                    _ = write!(head, "In-Reply-To: {reply}\r\n");
                }
                head.push_str("User-Agent: Mutt/2.2.12 (2023-09-09)\r\n");
            }
            _ => {}
        }
        head.push_str("\r\n");
        let mut out = head.into_bytes();
        out.extend_from_slice(&body);
        out
    }

    /// The headers that describe the body, and the body.
    fn entity(&self) -> (String, Vec<u8>) {
        let body = self.body();
        let mut dice = Dice::of(&self.salt.to_le_bytes(), &["boundary"]);
        let (kind, bytes) = if self.client == Client::Outlook || (self.client == Client::Apple && self.salt.is_multiple_of(3)) {
            self.alternative(&body, &mut dice)
        } else {
            plain(self.client, &body)
        };
        if self.attachments.is_empty() {
            return (kind, bytes);
        }
        let edge = boundary(self.client, &mut dice);
        let mut out = Vec::with_capacity(bytes.len() + 4096);
        if self.client == Client::Outlook || self.client == Client::Thunderbird {
            out.extend_from_slice(b"This is a multi-part message in MIME format.\r\n");
        }
        out.extend_from_slice(format!("--{edge}\r\n{kind}\r\n").as_bytes());
        out.extend_from_slice(&bytes);
        for file in &self.attachments {
            let name = encoded(&file.name, 20);
            out.extend_from_slice(
                format!(
                    "\r\n--{edge}\r\nContent-Type: {};\r\n name=\"{name}\"\r\nContent-Disposition: attachment;\r\n filename=\"{name}\"\r\n\
                     Content-Transfer-Encoding: base64\r\n\r\n",
                    file.mime
                )
                .as_bytes(),
            );
            let coded = STANDARD.encode(&file.bytes);
            for piece in coded.as_bytes().chunks(76) {
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(format!("\r\n--{edge}--\r\n").as_bytes());
        (format!("Content-Type: multipart/mixed;\r\n boundary=\"{edge}\"\r\n"), out)
    }

    fn alternative(&self, body: &str, dice: &mut Dice) -> (String, Vec<u8>) {
        let edge = boundary(self.client, dice);
        let text = quoted_printable(body);
        let html = quoted_printable(&html(body, self.client));
        let charset = if self.client == Client::Outlook { "\"utf-8\"" } else { "utf-8" };
        let intro = if self.client == Client::Outlook { "This is a multipart message in MIME format.\r\n\r\n" } else { "" };
        let part = |kind: &str, text: &str| {
            format!(
                "--{edge}\r\nContent-Type: {kind};\r\n\tcharset={charset}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{text}\r\n"
            )
        };
        let bytes = format!("{intro}{}{}--{edge}--\r\n", part("text/plain", &text), part("text/html", &html));
        (format!("Content-Type: multipart/alternative;\r\n\tboundary=\"{edge}\"\r\n"), bytes.into_bytes())
    }
}

fn helo(trace: &Trace, client: Client) -> String {
    match client {
        Client::Thunderbird if trace.login.is_some() => format!("[{}]", trace.peer),
        Client::System => trace.host.clone(),
        _ => trace.peer_name.clone(),
    }
}

fn region(code: &str) -> &'static str {
    match code {
        "de" => "de-DE",
        "es" => "es-ES",
        "fr" => "fr",
        "pt" => "pt-PT",
        _ => "en-GB",
    }
}

fn boundary(client: Client, dice: &mut Dice) -> String {
    match client {
        Client::Outlook => {
            let (a, b) = (dice.hex(8).to_uppercase(), dice.hex(8).to_uppercase());
            format!("----=_NextPart_000_{}_{a}.{b}", dice.hex(4).to_uppercase())
        }
        Client::Thunderbird => {
            const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
            let tail: String = (0..24).map(|_| char::from(LETTERS.get(dice.index(LETTERS.len())).copied().unwrap_or(b'a'))).collect();
            format!("------------{tail}")
        }
        Client::Apple => format!("Apple-Mail=_{}", uuid(dice).to_uppercase()),
        Client::Roundcube => format!("=_{}", dice.hex(32)),
        Client::Mutt | Client::System => {
            const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            (0..16).map(|_| char::from(LETTERS.get(dice.index(LETTERS.len())).copied().unwrap_or(b'a'))).collect()
        }
    }
}

/// A version 4 UUID.
pub fn uuid(dice: &mut Dice) -> String {
    let h = dice.hex(32);
    let cut = |a: usize, b: usize| h.get(a..b).unwrap_or_default();
    let variant = ["8", "9", "a", "b"].get(dice.index(4)).copied().unwrap_or("8");
    format!("{}-{}-4{}-{variant}{}-{}", cut(0, 8), cut(8, 12), cut(13, 16), cut(17, 20), cut(20, 32))
}

/// A Message-ID as `client` makes them.
pub fn message_id(client: Client, domain: &str, date: &Zoned, host: &str, dice: &mut Dice) -> String {
    match client {
        Client::Thunderbird => format!("<{}@{domain}>", uuid(dice)),
        Client::Outlook => {
            // The first half is a FILETIME.
            let filetime = u64::try_from(date.timestamp().as_microsecond()).unwrap_or(0).saturating_mul(10) + 116_444_736_000_000_000;
            format!(
                "<{:04x}01{:06x}${:08x}${}$@{domain}>",
                dice.below(0x1_0000),
                filetime >> 40,
                (filetime >> 8) & 0xffff_ffff,
                dice.hex(8)
            )
        }
        Client::Apple => format!("<{}@{domain}>", uuid(dice).to_uppercase()),
        Client::Roundcube => format!("<{}@{domain}>", dice.hex(32)),
        Client::Mutt => {
            let mut bytes = Vec::from(date.timestamp().as_second().to_be_bytes());
            bytes.extend(dice.next().to_be_bytes());
            let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.get(4..).unwrap_or_default());
            format!("<{text}@{}>", host.split('.').next().unwrap_or(host))
        }
        Client::System => {
            let stamp = strtime::format("%Y%m%d%H%M%S", &date.with_time_zone(jiff::tz::TimeZone::UTC)).unwrap_or_default();
            format!("<{stamp}.{}@{host}>", queue_id(dice))
        }
    }
}

/// A short queue id of Postfix: microseconds and an inode, in hexadecimal.
pub fn queue_id(dice: &mut Dice) -> String {
    format!("{:05X}{:05X}", dice.below(1_000_000), 0x2_0000 + dice.below(0x2_0000))
}

/// Addresses of a header, one to a line.
fn list(all: &[Address], client: Client) -> String {
    let fold = if client == Client::Outlook { ",\r\n\t" } else { ",\r\n " };
    all.iter().map(|a| address(a, client)).collect::<Vec<_>>().join(fold)
}

fn address(a: &Address, client: Client) -> String {
    if a.name.is_empty() {
        return a.email.clone();
    }
    if !a.name.is_ascii() {
        return format!("{} <{}>", encoded(&a.name, 8), a.email);
    }
    let atom = a.name.bytes().all(|b| b.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&b));
    if atom && client != Client::Outlook {
        return format!("{} <{}>", a.name, a.email);
    }
    format!("\"{}\" <{}>", a.name.replace('\\', "\\\\").replace('"', "\\\""), a.email)
}

/// A header value, folded before `78` columns; words that are not ASCII as RFC 2047 encoded words.
pub fn encoded(text: &str, indent: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_ascii() && !text.contains("=?") {
        return folded(&text, indent);
    }
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        let mut code = String::new();
        let mut buffer = [0; 4];
        for &b in c.encode_utf8(&mut buffer).as_bytes() {
            match b {
                b' ' => code.push('_'),
                b if b.is_ascii_alphanumeric() || b"!*+-/".contains(&b) => code.push(char::from(b)),
                b => _ = write!(code, "={b:02X}"),
            }
        }
        let room = if words.len() == 1 { 62usize.saturating_sub(indent) } else { 62 };
        if words.last().is_some_and(|w| w.len() + code.len() > room) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push_str(&code);
        }
    }
    words.iter().map(|w| format!("=?UTF-8?Q?{w}?=")).collect::<Vec<_>>().join("\r\n ")
}

fn folded(text: &str, indent: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut column = indent;
    for (n, word) in text.split(' ').enumerate() {
        if n > 0 {
            if column + word.len() + 1 > 76 && !word.is_empty() {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

/// Plain text as `client` sends it.
fn plain(client: Client, body: &str) -> (String, Vec<u8>) {
    let ascii = body.is_ascii();
    let crlf = |text: &str| text.replace('\n', "\r\n").into_bytes();
    match client {
        Client::Thunderbird => (
            format!(
                "Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: {}\r\n",
                if ascii { "7bit" } else { "8bit" }
            ),
            crlf(&flowed(body)),
        ),
        Client::Roundcube => (
            format!(
                "Content-Type: text/plain; charset={};\r\n format=flowed\r\nContent-Transfer-Encoding: {}\r\n",
                if ascii { "US-ASCII" } else { "UTF-8" },
                if ascii { "7bit" } else { "8bit" }
            ),
            crlf(&flowed(body)),
        ),
        Client::Mutt => (
            format!(
                "Content-Type: text/plain; charset={}\r\nContent-Disposition: inline\r\n{}",
                if ascii { "us-ascii" } else { "utf-8" },
                if ascii { "" } else { "Content-Transfer-Encoding: 8bit\r\n" }
            ),
            crlf(&wrapped(body)),
        ),
        Client::System => (
            if ascii {
                String::new()
            } else {
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n".to_owned()
            },
            crlf(body),
        ),
        Client::Apple | Client::Outlook => (
            format!(
                "Content-Type: text/plain;\r\n\tcharset={}\r\nContent-Transfer-Encoding: {}\r\n",
                if ascii { "us-ascii" } else { "utf-8" },
                if ascii && body.lines().all(|l| l.len() < 900) { "7bit" } else { "quoted-printable" }
            ),
            if ascii && body.lines().all(|l| l.len() < 900) { crlf(body) } else { quoted_printable(body).into_bytes() },
        ),
    }
}

/// Lines of at most 72 columns; a space at the end says that the paragraph goes on (RFC 3676).
fn flowed(body: &str) -> String {
    wrap(body, true)
}

fn wrapped(body: &str) -> String {
    wrap(body, false)
}

fn wrap(body: &str, flowed: bool) -> String {
    let mut out = String::with_capacity(body.len() + 64);
    for line in body.lines() {
        if line.starts_with('>') || line == "-- " {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let line = line.trim_end();
        let mut column = 0;
        if flowed && (line.starts_with(' ') || line.starts_with("From ")) {
            out.push(' ');
            column = 1;
        }
        for (n, word) in line.split(' ').enumerate() {
            let width = word.chars().count();
            if n > 0 {
                if column + width + 1 > 72 {
                    out.push_str(if flowed { " \n" } else { "\n" });
                    column = 0;
                } else {
                    out.push(' ');
                    column += 1;
                }
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
    out
}

/// RFC 2045 §6.7, lines ended by CRLF.
pub fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push_str("\r\n");
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut column = 0;
        let bytes = line.as_bytes();
        for (i, &b) in bytes.iter().enumerate() {
            let last = i + 1 == bytes.len();
            let safe = (b.is_ascii_graphic() && b != b'=') || ((b == b' ' || b == b'\t') && !last);
            let width = if safe { 1 } else { 3 };
            if column + width > 75 {
                out.push_str("=\r\n");
                column = 0;
            }
            if safe && !(column == 0 && b == b'.') {
                out.push(char::from(b));
                column += 1;
            } else {
                _ = write!(out, "={b:02X}");
                column += 3;
            }
        }
    }
    out
}

fn html(body: &str, client: Client) -> String {
    let mut out = String::with_capacity(body.len() * 2);
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if client == Client::Apple {
        out.push_str("<html><head><meta http-equiv=\"content-type\" content=\"text/html; charset=utf-8\"></head><body style=\"overflow-wrap: break-word;\">");
        for line in body.lines() {
            let line = if line.is_empty() { "<br>".to_owned() } else { escape(line) };
            _ = write!(out, "<div>{line}</div>");
        }
        out.push_str("</body></html>\n");
        return out;
    }
    out.push_str(
        "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\" xmlns:w=\"urn:schemas-microsoft-com:office:word\" \
         xmlns=\"http://www.w3.org/TR/REC-html40\">\n<head>\n<meta http-equiv=Content-Type content=\"text/html; charset=utf-8\">\n\
         <meta name=Generator content=\"Microsoft Word 15 (filtered medium)\">\n<style><!--\np.MsoNormal, li.MsoNormal, div.MsoNormal\n\
         \t{margin:0cm;\n\tfont-size:11.0pt;\n\tfont-family:\"Calibri\",sans-serif;}\n--></style>\n</head>\n\
         <body lang=EN-GB link=\"#0563C1\" vlink=\"#954F72\">\n<div class=WordSection1>\n",
    );
    for line in body.lines() {
        let line = if line.is_empty() { "<o:p>&nbsp;</o:p>".to_owned() } else { format!("{}<o:p></o:p>", escape(line)) };
        _ = writeln!(out, "<p class=MsoNormal>{line}</p>");
    }
    out.push_str("</div>\n</body>\n</html>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_swallow_the_address() {
        let of = |name: &str| address(&Address { name: name.into(), email: "a@b.c".into() }, Client::Thunderbird);
        assert_eq!(of("Ana Ruiz"), "Ana Ruiz <a@b.c>");
        assert_eq!(of("Ruiz, Ana"), "\"Ruiz, Ana\" <a@b.c>");
        assert_eq!(of("José Núñez"), "=?UTF-8?Q?Jos=C3=A9_N=C3=BA=C3=B1ez?= <a@b.c>");
        assert_eq!(of(""), "a@b.c");
        assert_eq!(encoded("a\r\nBcc: x@y.z", 0), "a  Bcc: x@y.z");
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let text = encoded(&"ñandú ".repeat(40), 9);
        for word in text.split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?UTF-8?Q?").unwrap().strip_suffix("?=").unwrap();
            assert!(inner.replace("=C3=B1", "").replace("=C3=BA", "").find('=').is_none(), "{inner}");
        }
    }

    #[test]
    fn quoted_printable_keeps_lines_short() {
        let coded = quoted_printable(&format!("{}\nend \n.\n", "größe = ".repeat(30)));
        assert!(coded.split("\r\n").all(|l| l.len() <= 76), "{coded}");
        assert!(coded.contains("end=20\r\n=2E\r\n") && coded.contains("=3D") && coded.contains("=C3=B6"));
    }

    #[test]
    fn flowed_paragraphs_can_be_joined_again() {
        let text = "word ".repeat(40).trim_end().to_owned() + "\n\nFrom here\n> quoted\n-- \nme\n";
        let lines = flowed(&text);
        assert!(lines.lines().all(|l| l.chars().count() <= 73));
        assert_eq!(lines.replace(" \n", " ").replace("-- me", "-- \nme").replace("\n From", "\nFrom"), text);
    }
}
