//! Requests as bytes, and the parts of answers that both products share.

use bytes::Bytes;
use model::Micros;

/// A request's head, split but not judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) method: Bytes,
    pub(super) target: Bytes,
    pub(super) version: Bytes,
    pub(super) headers: Vec<(Bytes, Bytes)>,
    /// Lines that are not `name: value`.
    pub(super) malformed: bool,
    /// A value goes on in the next line (RFC 9112 §5.2).
    pub(super) folded: bool,
    /// Lines that end in LF alone.
    pub(super) bare_lf: bool,
    /// Longest header line.
    pub(super) longest: usize,
}

impl Head {
    /// The first header called `name`, trimmed.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v.as_ref())
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).count()
    }

    /// Whether a comma-separated header has `token`.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .flat_map(|(_, v)| v.split(|&b| b == b','))
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Splits the header lines of `block`, which ends before the empty line.
    pub(super) fn read_headers(&mut self, block: &[u8]) {
        for line in block.split_inclusive(|&b| b == b'\n') {
            self.bare_lf |= !line.ends_with(b"\r\n");
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.longest = self.longest.max(line.len());
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                let Some((_, value)) = self.headers.last_mut() else {
                    self.malformed = true;
                    continue;
                };
                self.folded = true;
                *value = [value.as_ref(), b" ", line.trim_ascii()].concat().into();
                continue;
            }
            match line.iter().position(|&b| b == b':') {
                Some(n) if n > 0 && self.headers.len() < 2000 => {
                    let (name, value) = line.split_at(n);
                    self.headers
                        .push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value.get(1..).unwrap_or_default().trim_ascii())));
                    self.malformed |= !name.iter().all(|&b| token(b));
                }
                _ => self.malformed = true,
            }
        }
    }
}

/// Characters of a header name or method (RFC 9110 §5.6.2).
pub(super) fn token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Where the head ends: after the first empty line.
pub(super) fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let n = input.get(at..)?.iter().position(|&b| b == b'\n')? + at;
        match (input.get(n + 1), input.get(n + 2)) {
            (Some(b'\n'), _) => return Some(n + 2),
            (Some(b'\r'), Some(b'\n')) => return Some(n + 3),
            _ => at = n + 1,
        }
    }
}

/// How the rest of a request is framed.
#[derive(Debug)]
pub(super) enum Body {
    Length(u64),
    /// Bytes left of the present chunk; `None`: a size line is next.
    Chunked(Option<u64>),
}

/// What reading some of a body came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyStep {
    More(usize),
    Done(usize),
    Bad,
}

impl Body {
    /// Reads on; what belongs to the body is given to `take`.
    pub(super) fn read(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) -> BodyStep {
        match self {
            Self::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                take(input.get(..n).unwrap_or_default());
                *left -= n as u64;
                if *left == 0 { BodyStep::Done(n) } else { BodyStep::More(n) }
            }
            Self::Chunked(left) => {
                let mut at = 0;
                loop {
                    let rest = input.get(at..).unwrap_or_default();
                    match left {
                        Some(0) => {
                            // The line end after a chunk.
                            match rest {
                                [b'\r', b'\n', ..] => at += 2,
                                [b'\n', ..] => at += 1,
                                [] | [b'\r'] => return BodyStep::More(at),
                                _ => return BodyStep::Bad,
                            }
                            *left = None;
                        }
                        Some(n) => {
                            let some = usize::try_from(*n).unwrap_or(usize::MAX).min(rest.len());
                            if some == 0 {
                                return BodyStep::More(at);
                            }
                            take(rest.get(..some).unwrap_or_default());
                            *n -= some as u64;
                            at += some;
                        }
                        None => {
                            let Some(end) = rest.iter().position(|&b| b == b'\n') else {
                                return if rest.len() > 8192 { BodyStep::Bad } else { BodyStep::More(at) };
                            };
                            let line = rest.get(..end).unwrap_or_default();
                            let digits = line.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
                            let size = std::str::from_utf8(digits)
                                .ok()
                                .filter(|d| d.len() <= 15 && d.bytes().all(|b| b.is_ascii_hexdigit()))
                                .and_then(|d| u64::from_str_radix(d, 16).ok());
                            match size {
                                None => return BodyStep::Bad,
                                Some(0) => {
                                    // Trailers up to the empty line.
                                    let after = rest.get(end + 1..).unwrap_or_default();
                                    if after.starts_with(b"\r\n") {
                                        return BodyStep::Done(at + end + 3);
                                    }
                                    if after.starts_with(b"\n") {
                                        return BodyStep::Done(at + end + 2);
                                    }
                                    return match head_end(rest, end + 1) {
                                        Some(n) => BodyStep::Done(at + n),
                                        None if after.len() > 16384 => BodyStep::Bad,
                                        None => BodyStep::More(at),
                                    };
                                }
                                Some(n) => {
                                    *left = Some(n);
                                    at += end + 1;
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `Mon, 23 Nov 2026 22:30:54 GMT`.
pub(super) fn http_date(at: Micros) -> String {
    let seconds = at.seconds();
    let days = seconds.div_euclid(86_400);
    let (hour, minute, second) = (seconds.rem_euclid(86_400) / 3600, seconds.rem_euclid(3600) / 60, seconds.rem_euclid(60));
    let (year, month, day) = civil(days);
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |list: &[&'static str], i: i64| usize::try_from(i).ok().and_then(|i| list.get(i)).copied().unwrap_or("Jan");
    format!("{}, {day:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1))
}

/// Year, month and day of a day number since the epoch.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// Reads a date of the three forms as seconds since the epoch; only the preferred one is ever sent by clients.
pub(super) fn parse_date(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace().skip(1);
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].iter().position(|m| *m == month)?;
    let year: i64 = words.next()?.parse().ok().filter(|y| (1970..10_000).contains(y))?;
    let mut clock = words.next()?.split(':').map(|n| n.parse::<i64>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    let month = i64::try_from(month).ok()? + 1;
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    Some(days * 86_400 + h * 3600 + m * 60 + s)
}

/// Decodes `%xx`. `None`: a `%` without two hex digits.
pub(super) fn percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = text.iter();
    while let Some(&b) = at.next() {
        if b == b'%' {
            let digit = |b: Option<&u8>| b.and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
            out.push(digit(at.next())? * 16 + digit(at.next())?);
        } else {
            out.push(b);
        }
    }
    Some(out)
}

/// Removes `.`, `..` and doubled slashes. `None`: it leads above the root.
pub(super) fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let all: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    for part in &all {
        match *part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let mut out = vec![b'/'];
    out.extend(parts.join(&b'/'));
    let folder = all.last().is_some_and(|l| matches!(*l, b"" | b"." | b".."));
    if folder && out.len() > 1 {
        out.push(b'/');
    }
    Some(out)
}

/// The parts of a `Range` header that can be given, as (first, last); `None`: to be ignored.
pub(super) fn ranges(value: &[u8], size: u64) -> Option<Vec<(u64, u64)>> {
    let list = std::str::from_utf8(value).ok()?.strip_prefix("bytes=")?;
    let mut out = Vec::new();
    for part in list.split(',').take(64) {
        let (first, last) = part.trim().split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        if first.is_empty() {
            let n: u64 = last.parse().ok()?;
            if n > 0 && size > 0 {
                out.push((size.saturating_sub(n), size - 1));
            }
        } else {
            let first: u64 = first.parse().ok()?;
            let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
            if first > last {
                return None;
            }
            if first < size {
                out.push((first, last.min(size - 1)));
            }
        }
    }
    Some(out)
}

/// What a request came to, before a product writes it down.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Headers before the length, in order.
    pub(super) before: Vec<(&'static str, String)>,
    /// Headers after the length, in order.
    pub(super) after: Vec<(&'static str, String)>,
    pub(super) kind: String,
    pub(super) body: Bytes,
    /// Answered without `Content-Length`, in one chunk.
    pub(super) chunked: bool,
    pub(super) close: bool,
    /// The product's own error page.
    pub(super) page: bool,
    /// Extra text of an error page.
    pub(super) why: String,
}

impl Answer {
    pub(super) fn error(status: u16) -> Self {
        Self { status, page: true, ..Self::default() }
    }

    pub(super) fn because(status: u16, why: impl Into<String>) -> Self {
        Self { status, page: true, why: why.into(), ..Self::default() }
    }
}

/// `&`, `<`, `>` and quotes as entities.
pub(super) fn escaped(text: &[u8]) -> String {
    let mut out = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = Micros(1_795_473_054_000_000);
        assert_eq!(http_date(at), "Mon, 23 Nov 2026 22:30:54 GMT");
        assert_eq!(parse_date(http_date(at).as_bytes()), Some(at.seconds()));
        assert_eq!(http_date(Micros(951_782_400_000_000)), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn paths() {
        let check = |path: &str, expect: Option<&str>| assert_eq!(normal(path.as_bytes()).as_deref(), expect.map(str::as_bytes), "{path}");
        check("/", Some("/"));
        check("////", Some("/"));
        check("/a/../b", Some("/b"));
        check("/a/..", Some("/"));
        check("/a/b/", Some("/a/b/"));
        check("/../x", None);
    }

    #[test]
    fn chunks() {
        let mut got = Vec::new();
        let mut body = Body::Chunked(None);
        assert_eq!(body.read(b"3\r\nabc\r\n0\r\n\r\nX", |b| got.extend_from_slice(b)), BodyStep::Done(13));
        assert_eq!(got, b"abc");
        assert_eq!(Body::Chunked(None).read(b"zz\r\n", |_| ()), BodyStep::Bad);
        assert_eq!(Body::Chunked(None).read(b"ffffffffffffffffff\r\n", |_| ()), BodyStep::Bad);
    }

    #[test]
    fn parts() {
        assert_eq!(ranges(b"bytes=0-9", 100), Some(vec![(0, 9)]));
        assert_eq!(ranges(b"bytes=-5", 100), Some(vec![(95, 99)]));
        assert_eq!(ranges(b"bytes=200-", 100), Some(vec![]));
        assert_eq!(ranges(b"foo", 100), None);
    }
}
