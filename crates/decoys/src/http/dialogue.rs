//! The conversation: requests in, one after another, bodies kept, answers out.

use bytes::{Bytes, BytesMut};
use model::{FileWay, HttpRequest, Micros, Saw};
use std::{sync::Arc, time::Duration};

use super::{
    apache, credentials,
    message::{Answer, Body, BodyStep, Head, head_end, parse_date, percent, ranges},
    nginx,
    scene::{File, Product, Site},
    wordpress,
};
use crate::{Dialogue, Heard, Reply, Visit};

/// Longest head in bytes that is waited for.
const HEAD_MAX: usize = 64 * 1024;
/// Longest body that is kept whole.
const KEEP_MAX: usize = 16 * 1024 * 1024;
/// How much of a body goes into the note.
const NOTE_MAX: usize = 64 * 1024;

pub(super) fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// What a product says to a request line.
pub(super) enum Verdict {
    Refuse(Answer),
    /// HTTP/0.9: the body alone, at once.
    Short,
    Headers,
}

/// What writing an answer needs to know of the request and the connection.
pub(super) struct Conn<'a> {
    pub(super) site: &'a Site,
    pub(super) now: Micros,
    /// Name and port the request was addressed to.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) head: bool,
    pub(super) short: bool,
    /// Before HTTP/1.1.
    pub(super) old: bool,
    pub(super) close: bool,
    pub(super) asked_keep_alive: bool,
    /// Requests this connection may still bring.
    pub(super) left: u32,
}

#[derive(Debug)]
enum State {
    Head,
    Body { head: Head, body: Body, kept: BytesMut, total: u64 },
}

/// One connection to the web server.
#[derive(Debug)]
pub(super) struct Http {
    visit: Visit,
    site: Option<Arc<Site>>,
    state: State,
    /// Input already searched for the end of the head.
    seen: usize,
    served: u32,
    partial: bool,
    /// When the part of a request at hand (head or body) began, until it is whole, and how much of it came.
    since: Option<(Micros, u64)>,
    /// The connection ends after an answer that does not say so.
    leave: bool,
    /// Plain requests come in at a TLS door.
    plain_at_tls: bool,
}

impl Http {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            visit: visit.clone(),
            site: None,
            state: State::Head,
            seen: 0,
            served: 0,
            partial: false,
            since: None,
            leave: false,
            plain_at_tls: false,
        }
    }

    fn site(&mut self) -> Arc<Site> {
        let visit = &self.visit;
        Arc::clone(self.site.get_or_insert_with(|| Site::of(visit)))
    }

    /// Answers and notes one request. Whether the connection goes on.
    fn answer(&mut self, head: &Head, body: &Bytes, total: u64, judged: Result<(), Box<Answer>>, short: bool, out: &mut Reply) -> bool {
        let site = self.site();
        self.served += 1;
        let (host, port) = address(head, &site, judged.as_ref().map_or_else(|a| a.chunked, |()| true));
        let old = head.version.as_ref() < b"HTTP/1.1".as_slice();
        let keep = head.has_token("connection", "keep-alive");
        let limit = if site.product == Product::Apache { 101 } else { 1000 };
        let mut conn = Conn {
            site: &site,
            now: out.now(),
            host,
            port,
            head: head.method.as_ref() == b"HEAD",
            short,
            old,
            close: short || head.has_token("connection", "close") || old && !keep || self.served >= limit,
            asked_keep_alive: keep,
            left: limit.saturating_sub(self.served),
        };
        let judged_fine = judged.is_ok();
        let mut answer = match judged {
            Ok(()) if self.plain_at_tls => Answer { close: true, ..Answer::because(400, "The plain HTTP request was sent to HTTPS port") },
            Ok(()) => self.page(&site, head, body, &conn, out.now()),
            Err(refused) => *refused,
        };
        if judged_fine && site.product == Product::Apache {
            let both = head.header("transfer-encoding").is_some() && head.header("content-length").is_some();
            let refused = answer.status == 417;
            let unread = head.has_token("expect", "100-continue")
                && head.header("content-length").is_none()
                && head.header("transfer-encoding").is_none();
            conn.close |= both || unread;
            self.leave = refused;
        }
        self.leave |= answer.status == 412 && site.product == Product::Nginx;
        if let (Some(code), true) = (site.status, answer.status == 200) {
            if code >= 400 {
                answer = Answer::error(code);
            } else {
                answer.status = code;
            }
        }
        let mut bytes = Vec::with_capacity(answer.body.len() + 512);
        match site.product {
            Product::Apache => apache::write(&conn, &answer, &mut bytes),
            Product::Nginx => nginx::write(&conn, &answer, &mut bytes),
        }
        self.note(head, body, total, answer.status, out);
        out.send(&bytes);
        !(conn.close || answer.close || self.leave)
    }

    fn note(&self, head: &Head, body: &Bytes, total: u64, status: u16, out: &mut Reply) {
        if let Some(saw) = credentials::offered(head, body) {
            out.note(saw);
        }
        out.note(HttpRequest {
            method: head.method.clone().into(),
            target: head.target.clone().into(),
            version: head.version.clone().into(),
            headers: head.headers.iter().map(|(n, v)| (n.clone().into(), v.clone().into())).collect(),
            body: body.slice(..body.len().min(NOTE_MAX)).into(),
            body_len: total,
            status,
        });
        let files = credentials::uploads(head, body);
        let put = head.method.as_ref() == b"PUT" && !body.is_empty();
        if put || files.is_empty() && body.len() > NOTE_MAX {
            out.keep(head.target.clone(), body.clone(), FileWay::Upload);
        }
        for (name, bytes) in files {
            out.keep(name, bytes, FileWay::Upload);
        }
    }

    /// Finds what a well-formed request asks for.
    fn page(&self, site: &Site, head: &Head, body: &Bytes, conn: &Conn<'_>, now: Micros) -> Answer {
        let apache = site.product == Product::Apache;
        if apache && head.header("expect").is_some_and(|e| !e.eq_ignore_ascii_case(b"100-continue")) {
            return Answer::because(417, String::from_utf8_lossy(head.header("expect").unwrap_or_default()));
        }
        let target = head.target.as_ref();
        if target == b"*" {
            return apache::method(head, site.turn).unwrap_or_else(|| Answer::error(400));
        }
        let local = match target.windows(3).position(|w| w == b"://") {
            Some(n) if !target.starts_with(b"/") => {
                let rest = target.get(n + 3..).unwrap_or_default();
                rest.iter().position(|&b| b == b'/').and_then(|s| rest.get(s..)).unwrap_or(b"/")
            }
            _ => target,
        };
        let (raw, query) = match local.iter().position(|&b| b == b'?') {
            Some(n) => (local.get(..n).unwrap_or_default(), local.get(n + 1..).unwrap_or_default()),
            None => (local, &b""[..]),
        };
        let raw = raw.split(|&b| b == b'#').next().unwrap_or_default();
        if head.method.as_ref() == b"CONNECT" {
            return apache::method(head, site.turn).unwrap_or_else(|| Answer::error(405));
        }
        let path = match if apache { apache::path(raw) } else { nginx::path(raw) } {
            Ok(path) => path,
            Err(answer) => return *answer,
        };
        if site.wordpress
            && let Some(answer) = wordpress::page(&self.visit, site, head, &path, query, body, conn, now)
        {
            return answer;
        }
        if let Some(answer) = if apache { apache::method(head, site.turn) } else { nginx_method(site, &path, head) } {
            return answer;
        }
        if path.contains(&0) {
            return Answer::error(404);
        }
        if apache && path.split(|&b| b == b'/').any(|part| part.len() > 255) {
            return Answer::error(403);
        }
        let path = String::from_utf8_lossy(&path).into_owned();
        if apache {
            let last = path.rsplit('/').next().unwrap_or_default();
            if last.starts_with(".ht")
                || path == "/server-status"
                || path == "/icons/"
                || path == "/icons/small/"
                || path == "/javascript/" && site.javascript
            {
                return Answer::error(403);
            }
        }
        if let Some(file) = site.file(&path) {
            return give(site, &self.visit, file, head, apache);
        }
        if let Some(file) = path.ends_with('/').then(|| site.file(&format!("{path}index.html"))).flatten() {
            return give(site, &self.visit, file, head, apache);
        }
        if site.folder(&format!("{path}/")) || apache && matches!(path.as_str(), "/icons") {
            let scheme = if self.visit.tls { "https" } else { "http" };
            let default = if self.visit.tls { 443 } else { 80 };
            let port = if conn.port == default { String::new() } else { format!(":{}", conn.port) };
            let query = if query.is_empty() { String::new() } else { format!("?{}", String::from_utf8_lossy(query)) };
            let location = format!("{scheme}://{}{port}{path}/{query}", conn.host);
            return Answer { before: vec![("Location", location)], ..Answer::error(301) };
        }
        if site.folder(&path) {
            return if apache { site.listing(&path, conn) } else { Answer::error(403) };
        }
        Answer::error(404)
    }

    /// The size of the body a head announces.
    fn body_of(head: &Head) -> Option<Body> {
        if head.header("transfer-encoding").is_some() {
            return Some(Body::Chunked(None));
        }
        let length: u64 = std::str::from_utf8(head.header("content-length")?).ok()?.parse().ok()?;
        (length > 0).then_some(Body::Length(length))
    }
}

fn nginx_method(site: &Site, path: &[u8], head: &Head) -> Option<Answer> {
    let path = String::from_utf8_lossy(path).into_owned();
    let there = site.file(&path).is_some() || site.folder(&path);
    let reading = matches!(head.method.as_ref(), b"GET" | b"HEAD");
    if reading || !there { None } else { nginx::method(head) }
}

/// Host and port a request is for; the server's own name if it does not say or was refused.
fn address(head: &Head, site: &Site, fine: bool) -> (String, u16) {
    let own = (site.name.clone(), site.port);
    if !fine {
        return own;
    }
    let target = head.target.as_ref();
    let from_target = target
        .windows(3)
        .position(|w| w == b"://")
        .filter(|_| !target.starts_with(b"/"))
        .and_then(|n| target.get(n + 3..))
        .and_then(|r| r.split(|&b| b == b'/').next());
    let connect = (head.method.as_ref() == b"CONNECT").then_some(target);
    let Some(host) = connect.or(from_target).or(head.header("host")).filter(|h| !h.is_empty()) else { return own };
    let text = String::from_utf8_lossy(host).to_ascii_lowercase();
    match text.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => (name.to_owned(), port.parse().unwrap_or(site.port)),
        _ => (text, site.port),
    }
}

/// A static file, with everything that conditions and ranges make of it.
fn give(site: &Site, visit: &Visit, file: &File, head: &Head, apache: bool) -> Answer {
    let zip = head.has_token("accept-encoding", "gzip")
        && file.zippable
        && !file.bytes.is_empty()
        && (apache || file.kind.starts_with("text/html"));
    let plain_tag = file.tag(site.product);
    let tag = match (zip, apache) {
        (false, _) => plain_tag.clone(),
        (true, true) => format!("{}-gzip\"", plain_tag.trim_end_matches('"')),
        (true, false) => format!("W/{plain_tag}"),
    };
    let date = super::message::http_date(file.modified);
    let before = vec![("Last-Modified", date.clone()), ("ETag", tag.clone()), ("Accept-Ranges", "bytes".to_owned())];
    let matches = |value: &[u8]| {
        value.trim_ascii() == b"*"
            || value.split(|&b| b == b',').any(|t| t.trim_ascii() == plain_tag.as_bytes() || t.trim_ascii() == tag.as_bytes())
    };
    let modified = file.modified.seconds();
    let failed = head.header("if-match").is_some_and(|v| !matches(v))
        || head.header("if-match").is_none() && head.header("if-unmodified-since").and_then(parse_date).is_some_and(|t| modified > t);
    if failed {
        return if apache {
            Answer { status: 412, before, kind: file.kind.clone(), ..Answer::default() }
        } else {
            Answer { close: false, ..Answer::error(412) }
        };
    }
    let same = match head.header("if-none-match") {
        Some(v) => matches(v),
        None => head
            .header("if-modified-since")
            .and_then(parse_date)
            .is_some_and(|t| if apache { modified <= t && t <= visit.at.seconds() } else { modified == t }),
    };
    let vary = |zippable: bool| if apache && zippable { vec![("Vary", "Accept-Encoding".to_owned())] } else { Vec::new() };
    if same {
        let mut after = Vec::new();
        if apache && zip {
            after = vary(true);
        }
        return Answer { status: 304, before, after, ..Answer::default() };
    }
    let size = file.bytes.len() as u64;
    let wanted = head
        .header("range")
        .filter(|_| head.header("if-range").is_none_or(|v| v == plain_tag.as_bytes() || v == date.as_bytes()))
        .and_then(|v| ranges(v, size));
    match wanted.as_deref() {
        None => {}
        Some([]) => {
            let content_range = vec![("Content-Range", format!("bytes */{size}"))];
            return if apache {
                Answer { chunked: true, ..Answer::error(416) }
            } else {
                Answer { after: content_range, ..Answer::error(416) }
            };
        }
        Some([(first, last)]) => {
            let part = file.bytes.slice(usize::try_from(*first).unwrap_or(0)..usize::try_from(*last + 1).unwrap_or(0));
            let mut after = vary(file.zippable);
            after.push(("Content-Range", format!("bytes {first}-{last}/{size}")));
            return Answer { status: 206, before, after, kind: file.kind.clone(), body: part, ..Answer::default() };
        }
        Some(list) => {
            let boundary = site.boundary(visit);
            let (label, mut body) =
                (if apache { ("Content-type", "Content-range") } else { ("Content-Type", "Content-Range") }, Vec::new());
            for (first, last) in list {
                body.extend_from_slice(
                    format!("\r\n--{boundary}\r\n{}: {}\r\n{}: bytes {first}-{last}/{size}\r\n\r\n", label.0, file.kind, label.1)
                        .as_bytes(),
                );
                body.extend_from_slice(
                    file.bytes.get(usize::try_from(*first).unwrap_or(0)..usize::try_from(*last + 1).unwrap_or(0)).unwrap_or_default(),
                );
            }
            body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            return Answer {
                status: 206,
                before,
                after: vary(file.zippable),
                kind: format!("multipart/byteranges; boundary={boundary}"),
                body: body.into(),
                ..Answer::default()
            };
        }
    }
    if zip {
        let mut before = before;
        if apache {
            before.push(("Vary", "Accept-Encoding".to_owned()));
        }
        before.push(("Content-Encoding", "gzip".to_owned()));
        return Answer {
            status: 200,
            before,
            kind: file.kind.clone(),
            body: file.zipped(site.product),
            chunked: !apache,
            ..Answer::default()
        };
    }
    Answer { status: 200, before, after: vary(file.zippable), kind: file.kind.clone(), body: file.bytes.clone(), ..Answer::default() }
}

impl Dialogue for Http {
    fn half_closed(&mut self, _rest: &[u8], out: &mut Reply) -> bool {
        self.broken_off(out);
        true
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let was_head = matches!(self.state, State::Head);
        let heard = self.hear_some(input, out);
        match (&self.state, heard) {
            (State::Head, Heard::NeedMore) if self.partial => self.hurry(input.len() as u64, out),
            (State::Body { total, .. }, Heard::Used(_)) => {
                let came = *total;
                if was_head {
                    self.since = None;
                }
                self.hurry(came, out);
            }
            _ => self.since = None,
        }
        heard
    }

    fn wake(&mut self, out: &mut Reply) -> Heard {
        match self.time_left(out.now()) {
            None => Heard::NeedMore,
            Some(Duration::ZERO) => {
                self.idle(out);
                Heard::Hangup
            }
            Some(left) => {
                out.wake_after(left);
                Heard::NeedMore
            }
        }
    }

    fn not_tls(&mut self, input: &[u8], out: &mut Reply) {
        let site = self.site();
        if site.product == Product::Nginx {
            self.plain_at_tls = true;
            self.hear(input, out);
            return;
        }
        // The TLS library knows these by their first letters; anything else it leaves without a word.
        if [&b"GET "[..], b"POST ", b"HEAD ", b"PUT "].iter().any(|m| input.starts_with(m)) {
            let line = input.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
            let target = line.split(|&b| b == b' ').nth(1).unwrap_or_default();
            let head = Head { method: copy(b"GET"), target: copy(target), version: copy(b"HTTP/1.1"), ..Head::default() };
            let why = "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.<br />\n";
            let refused = Answer { close: true, ..Answer::because(400, why) };
            self.answer(&head, &Bytes::new(), 0, Err(Box::new(refused)), false, out);
        }
    }

    fn appetite(&self) -> usize {
        HEAD_MAX + 1024
    }

    fn patience(&self) -> Duration {
        let nginx = self.site.as_ref().is_some_and(|s| s.product == Product::Nginx);
        match (&self.state, self.partial, self.served) {
            (State::Body { .. }, ..) => Duration::from_secs(if nginx { 60 } else { 20 }),
            (_, true, _) => Duration::from_secs(if nginx { 60 } else { 20 }),
            (_, false, 0) => Duration::from_secs(if nginx { 60 } else { 20 }),
            (_, false, _) => Duration::from_secs(if nginx { 75 } else { 5 }),
        }
    }

    fn idle(&mut self, out: &mut Reply) {
        let site = self.site();
        let in_body = matches!(self.state, State::Body { .. });
        if site.product == Product::Apache && (self.partial || in_body) {
            let head = Head { version: copy(b"HTTP/1.1"), ..Head::default() };
            self.answer(&head, &Bytes::new(), 0, Err(Box::new(Answer { close: true, ..Answer::error(408) })), false, out);
        }
    }
}

impl Http {
    /// How long the request at hand may still take: mod_reqtimeout as Debian sets it up (20 s for the head, up to 40 s
    /// at 500 bytes a second; the body as long as it keeps that rate), `client_header_timeout` of nginx.
    fn time_left(&self, now: Micros) -> Option<Duration> {
        let (since, came) = self.since?;
        let nginx = self.site.as_ref().is_some_and(|s| s.product == Product::Nginx);
        let at_rate = Duration::from_secs(20) + Duration::from_millis(came.saturating_mul(2));
        let most = match &self.state {
            State::Head if nginx => Duration::from_secs(60),
            State::Head => at_rate.min(Duration::from_secs(40)),
            State::Body { .. } if nginx => return None,
            State::Body { .. } => at_rate,
        };
        Some(most.saturating_sub(now.since(since)))
    }

    /// Sees to it that an unfinished request, of which `came` bytes are here, ends in time.
    fn hurry(&mut self, came: u64, out: &mut Reply) {
        let fresh = self.since.is_none();
        self.since = Some((self.since.map_or(out.now(), |(since, _)| since), came));
        if fresh && let Some(left) = self.time_left(out.now()) {
            out.wake_after(left);
        }
    }

    /// Apache answers a request whose body breaks off.
    fn broken_off(&mut self, out: &mut Reply) {
        if self.site().product == Product::Apache
            && let State::Body { head, kept, total, .. } = std::mem::replace(&mut self.state, State::Head)
        {
            let refused = Box::new(Answer { close: true, ..Answer::error(400) });
            self.answer(&head, &kept.freeze(), total, Err(refused), false, out);
        }
    }

    fn hear_some(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        match &mut self.state {
            State::Body { body, kept, total, .. } => {
                let step = body.read(input, |bytes| {
                    *total += bytes.len() as u64;
                    let room = KEEP_MAX.saturating_sub(kept.len());
                    kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                });
                match step {
                    BodyStep::More(n) => Heard::Used(n),
                    BodyStep::Done(n) => {
                        let State::Body { head, kept, total, .. } = std::mem::replace(&mut self.state, State::Head) else {
                            return Heard::Hangup;
                        };
                        if self.answer(&head, &kept.freeze(), total, Ok(()), false, out) { Heard::Used(n) } else { Heard::Hangup }
                    }
                    BodyStep::Bad => {
                        let State::Body { head, kept, total, .. } = std::mem::replace(&mut self.state, State::Head) else {
                            return Heard::Hangup;
                        };
                        let chunked = self.site().product == Product::Apache;
                        self.answer(
                            &head,
                            &kept.freeze(),
                            total,
                            Err(Box::new(Answer { close: true, chunked, ..Answer::error(400) })),
                            false,
                            out,
                        );
                        Heard::Hangup
                    }
                }
            }
            State::Head => self.hear_head(input, out),
        }
    }

    fn hear_head(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        // Empty lines before a request are skipped.
        let skip = input.iter().take(200).take_while(|&&b| b == b'\r' || b == b'\n').count();
        if skip > 0 && self.seen == 0 {
            if input.get(..skip).is_some_and(|s| s.ends_with(b"\r") && skip == input.len()) {
                return if skip > 1 { Heard::Used(skip - 1) } else { Heard::NeedMore };
            }
            return Heard::Used(skip);
        }
        self.partial = true;
        let site = self.site();
        let Some(end) = input.iter().position(|&b| b == b'\n') else {
            if input.len() > 8192 {
                return self.refuse(input, Answer { close: true, ..Answer::error(414) }, out);
            }
            return Heard::NeedMore;
        };
        let line = input.get(..end).unwrap_or_default();
        let bare_lf = !line.ends_with(b"\r");
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut head = Head::default();
        let verdict = match site.product {
            Product::Apache => apache::request_line(line, bare_lf, &mut head),
            Product::Nginx => nginx::request_line(line, &mut head),
        };
        match verdict {
            Verdict::Refuse(answer) => return self.refuse(input.get(..end + 1).unwrap_or_default(), Answer { close: true, ..answer }, out),
            Verdict::Short => {
                self.partial = false;
                self.answer(&head, &Bytes::new(), 0, Ok(()), true, out);
                return Heard::Hangup;
            }
            Verdict::Headers => {}
        }
        let Some(stop) = head_end(input, self.seen.saturating_sub(3).max(end)) else {
            self.seen = input.len();
            let too_long = input.get(end + 1..).unwrap_or_default().rsplit(|&b| b == b'\n').next().is_some_and(|l| l.len() > 8190);
            if input.len() >= HEAD_MAX || too_long {
                head.read_headers(input.get(end + 1..).unwrap_or_default());
                head.longest = head.longest.max(8191);
                let judged = match site.product {
                    Product::Apache => apache::head(&head),
                    Product::Nginx => nginx::head(&head),
                };
                self.answer(&head, &Bytes::new(), 0, judged, false, out);
                return Heard::Hangup;
            }
            return Heard::NeedMore;
        };
        self.seen = 0;
        self.partial = false;
        let block = input.get(end + 1..stop).unwrap_or_default();
        let block = block.strip_suffix(b"\n").map_or(block, |b| b.strip_suffix(b"\r").unwrap_or(b));
        head.read_headers(block);
        let judged = match site.product {
            Product::Apache => apache::head(&head),
            Product::Nginx => nginx::head(&head),
        };
        if judged.is_err() {
            self.answer(&head, &Bytes::new(), 0, judged, false, out);
            return Heard::Hangup;
        }
        if site.product == Product::Nginx && !site.wordpress && !matches!(head.method.as_ref(), b"GET" | b"HEAD") {
            // Refused before the body is looked at; the body is then read and thrown away.
            return self.early(head, stop, out);
        }
        let continues = head.has_token("expect", "100-continue") && head.version.as_ref() >= b"HTTP/1.1".as_slice();
        let body = Self::body_of(&head);
        if continues && (body.is_some() || site.product == Product::Nginx) {
            out.send(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        match body {
            Some(body) => {
                self.state = State::Body { head, body, kept: BytesMut::new(), total: 0 };
                Heard::Used(stop)
            }
            None if self.answer(&head, &Bytes::new(), 0, Ok(()), false, out) => Heard::Used(stop),
            None => Heard::Hangup,
        }
    }

    /// Answers a request whose body does not matter, then swallows the body.
    fn early(&mut self, head: Head, stop: usize, out: &mut Reply) -> Heard {
        match Self::body_of(&head) {
            Some(body) if !head.has_token("expect", "100-continue") && matches!(body, Body::Length(_)) => {
                self.state = State::Body { head, body, kept: BytesMut::new(), total: 0 };
                Heard::Used(stop)
            }
            _ => {
                self.answer(&head, &Bytes::new(), 0, Ok(()), false, out);
                if head.header("transfer-encoding").is_some() || self.leave { Heard::Hangup } else { Heard::Used(stop) }
            }
        }
    }

    /// Says no to something that is hardly a request, and notes its bytes.
    fn refuse(&mut self, line: &[u8], answer: Answer, out: &mut Reply) -> Heard {
        out.note(Saw::noted("malformed", [("bytes", line.get(..1024).unwrap_or(line))]));
        let head = Head { target: copy(line.get(..8192).unwrap_or(line)), version: copy(b"HTTP/1.1"), ..Head::default() };
        self.answer(&head, &Bytes::new(), 0, Err(Box::new(answer)), false, out);
        Heard::Hangup
    }
}

/// A cookie of the request.
pub(super) fn cookie(head: &Head, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head.header("cookie")?).into_owned();
    text.split(';').find_map(|c| c.trim().split_once('=').filter(|(k, _)| *k == name).map(|(_, v)| v.to_owned()))
}

/// A field of a query string.
pub(super) fn query_field(query: &[u8], name: &str) -> Option<Vec<u8>> {
    query.split(|&b| b == b'&').find_map(|p| {
        let n = p.iter().position(|&b| b == b'=')?;
        (p.get(..n)? == name.as_bytes()).then(|| percent(p.get(n + 1..).unwrap_or_default())).flatten()
    })
}
