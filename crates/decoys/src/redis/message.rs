//! RESP requests in, RESP2 and RESP3 replies out.

use bytes::Bytes;

/// Longest inline request and longest line of a header (`PROTO_INLINE_MAX_SIZE`).
const INLINE_MAX: usize = 64 * 1024;
/// Most arguments and bytes one request may hold here before the conversation is cut off.
const ARGS_MAX: usize = 128 * 1024;
const REQUEST_MAX: usize = 8 * 1024 * 1024;

/// What came of a bit of input.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Nothing complete yet; this many bytes were taken into the parser.
    More(usize),
    /// A whole request and how many bytes it ended at. An empty request is skipped by the server.
    Request(usize, Vec<Bytes>),
    /// The text after `-ERR Protocol error: `; the server then closes.
    Broken(String),
    /// Larger than this decoy holds.
    TooMuch,
}

/// Reads requests piece by piece, so that nothing is looked at twice.
#[derive(Debug, Default)]
pub(super) struct Parser {
    left: Option<usize>,
    bulk: Option<usize>,
    args: Vec<Bytes>,
    held: usize,
}

impl Parser {
    /// Continues with `input`. `guest`: not authenticated, so tighter limits hold.
    pub(super) fn feed(&mut self, input: &[u8], guest: bool) -> Parsed {
        let mut at = 0;
        if self.left.is_none() {
            if input.first() != Some(&b'*') {
                return inline(input);
            }
            let (line, next) = match line(input, "too big mbulk count string") {
                Ok(Some(found)) => found,
                Ok(None) => return Parsed::More(0),
                Err(text) => return Parsed::Broken(text),
            };
            let count = match integer(line.get(1..).unwrap_or_default()) {
                Some(n) if n <= i64::from(i32::MAX) => n,
                _ => return Parsed::Broken("invalid multibulk length".into()),
            };
            if guest && count > 10 {
                return Parsed::Broken("unauthenticated multibulk length".into());
            }
            if count <= 0 {
                return Parsed::Request(next, Vec::new());
            }
            self.left = usize::try_from(count).ok();
            self.args.clear();
            self.held = 0;
            at = next;
        }
        loop {
            let rest = input.get(at..).unwrap_or_default();
            if self.bulk.is_none() {
                if rest.is_empty() {
                    return Parsed::More(at);
                }
                let (line, next) = match line(rest, "too big bulk count string") {
                    Ok(Some(found)) => found,
                    Ok(None) => return Parsed::More(at),
                    Err(text) => return Parsed::Broken(text),
                };
                match line.first() {
                    Some(b'$') => {}
                    other => {
                        let mut text = b"expected '$', got '".to_vec();
                        text.push(other.copied().unwrap_or(b'\r'));
                        text.push(b'\'');
                        return Parsed::Broken(text.iter().map(|&b| char::from(b)).collect());
                    }
                }
                let length = match integer(line.get(1..).unwrap_or_default()) {
                    Some(n) if (0..=536_870_912).contains(&n) => usize::try_from(n).unwrap_or(0),
                    _ => return Parsed::Broken("invalid bulk length".into()),
                };
                if guest && length > 16384 {
                    return Parsed::Broken("unauthenticated bulk length".into());
                }
                self.bulk = Some(length);
                at += next;
                continue;
            }
            let length = self.bulk.unwrap_or(0);
            if self.held + length > REQUEST_MAX || self.args.len() >= ARGS_MAX {
                return Parsed::TooMuch;
            }
            let Some(body) = rest.get(..length).filter(|_| rest.len() >= length + 2) else {
                return Parsed::More(at);
            };
            self.args.push(Bytes::copy_from_slice(body));
            self.held += length;
            self.bulk = None;
            at += length + 2;
            self.left = self.left.map(|n| n.saturating_sub(1));
            if self.left == Some(0) {
                self.left = None;
                return Parsed::Request(at, std::mem::take(&mut self.args));
            }
        }
    }
}

/// A line up to CR LF (CR and whatever follows it, as the server does) and where the next begins.
fn line<'a>(input: &'a [u8], too_big: &str) -> Result<Option<(&'a [u8], usize)>, String> {
    match input.iter().take(INLINE_MAX + 1).position(|&b| b == b'\r') {
        Some(end) if end + 1 < input.len() => Ok(Some((input.get(..end).unwrap_or_default(), end + 2))),
        Some(_) => Ok(None),
        None if input.len() > INLINE_MAX => Err(too_big.to_owned()),
        None => Ok(None),
    }
}

fn inline(input: &[u8]) -> Parsed {
    // The server looks for the line's end as in a C string: a NUL hides what follows it.
    let visible = input.iter().take(INLINE_MAX + 1).position(|&b| b == 0).and_then(|n| input.get(..n)).unwrap_or(input);
    let Some(end) = visible.iter().take(INLINE_MAX + 1).position(|&b| b == b'\n') else {
        return if input.len() > INLINE_MAX { Parsed::Broken("too big inline request".into()) } else { Parsed::More(0) };
    };
    let mut text = input.get(..end).unwrap_or_default();
    if let [head @ .., b'\r'] = text {
        text = head;
    }
    match split_args(text) {
        Some(args) => Parsed::Request(end + 1, args),
        None => Parsed::Broken("unbalanced quotes in request".into()),
    }
}

/// Splits a line as `sdssplitargs` does. `None`: unbalanced quotes.
fn split_args(text: &[u8]) -> Option<Vec<Bytes>> {
    let space = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let mut at = text.iter().copied().peekable();
    let mut args = Vec::new();
    loop {
        while at.next_if(|&b| space(b)).is_some() {}
        if at.peek().is_none() {
            return Some(args);
        }
        let mut arg = Vec::new();
        loop {
            match at.next() {
                None => break,
                Some(b) if space(b) => break,
                Some(b'"') => {
                    loop {
                        match at.next()? {
                            b'"' => break,
                            b'\\' => {
                                let b = at.next()?;
                                let mut ahead = at.clone();
                                let hex = (b == b'x').then(|| Some((digit(ahead.next()?)?, digit(ahead.next()?)?))).flatten();
                                match (b, hex) {
                                    (_, Some((high, low))) => {
                                        at = ahead;
                                        arg.push(high * 16 + low);
                                    }
                                    (b'n', _) => arg.push(b'\n'),
                                    (b'r', _) => arg.push(b'\r'),
                                    (b't', _) => arg.push(b'\t'),
                                    (b'b', _) => arg.push(8),
                                    (b'a', _) => arg.push(7),
                                    (b, _) => arg.push(b),
                                }
                            }
                            b => arg.push(b),
                        }
                    }
                    if at.peek().is_some_and(|&b| !space(b)) {
                        return None;
                    }
                    break;
                }
                Some(b'\'') => {
                    loop {
                        match at.next()? {
                            b'\'' => break,
                            b'\\' if at.peek() == Some(&b'\'') => {
                                at.next();
                                arg.push(b'\'');
                            }
                            b => arg.push(b),
                        }
                    }
                    if at.peek().is_some_and(|&b| !space(b)) {
                        return None;
                    }
                    break;
                }
                Some(b) => arg.push(b),
            }
        }
        args.push(Bytes::from(arg));
    }
}

fn digit(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// An integer exactly as `string2ll` takes it: no sign `+`, no leading zeros, no spaces.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    if text.len() > 20 || text.starts_with(b"+") || text == b"-0" {
        return None;
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > 1 && digits.starts_with(b"0") {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A double as `getDoubleFromObject` takes it. Not-a-number is refused.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    match lower.trim_start_matches(['+', '-']) {
        "inf" | "infinity" => Some(if lower.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        "nan" => None,
        _ => text.parse().ok().filter(|v: &f64| !v.is_nan()),
    }
}

/// `%.17g`.
pub(super) fn g17(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let scientific = format!("{value:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
    if (-4..17).contains(&exponent) {
        trim(&format!("{value:.*}", usize::try_from(16 - exponent).unwrap_or(0)))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    }
}

/// Writes replies in the protocol version the client chose.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) resp: u8,
}

impl Out {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), resp: 2 }
    }
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    fn head(&mut self, kind: char, n: impl std::fmt::Display) {
        self.bytes.extend_from_slice(format!("{kind}{n}\r\n").as_bytes());
    }
    pub(super) fn simple(&mut self, text: &str) {
        self.head('+', text);
    }
    pub(super) fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }
    /// An error; line breaks inside become spaces, as the server does.
    pub(super) fn error(&mut self, text: impl AsRef<[u8]>) {
        self.bytes.push(b'-');
        self.bytes.extend(text.as_ref().iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.raw(b"\r\n");
    }
    pub(super) fn int(&mut self, n: i64) {
        self.head(':', n);
    }
    pub(super) fn len(&mut self, n: usize) {
        self.head(':', n);
    }
    pub(super) fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.head('$', bytes.len());
        self.raw(bytes);
        self.raw(b"\r\n");
    }
    pub(super) fn maybe(&mut self, value: Option<&Bytes>) {
        match value {
            Some(v) => self.bulk(v),
            None => self.null(),
        }
    }
    pub(super) fn null(&mut self) {
        self.raw(if self.resp == 3 { b"_\r\n" } else { b"$-1\r\n" });
    }
    pub(super) fn null_array(&mut self) {
        self.raw(if self.resp == 3 { b"_\r\n" } else { b"*-1\r\n" });
    }
    pub(super) fn array(&mut self, n: usize) {
        self.head('*', n);
    }
    /// `n` pairs.
    pub(super) fn map(&mut self, n: usize) {
        if self.resp == 3 { self.head('%', n) } else { self.head('*', n * 2) }
    }
    pub(super) fn set(&mut self, n: usize) {
        self.head(if self.resp == 3 { '~' } else { '*' }, n);
    }
    pub(super) fn push(&mut self, n: usize) {
        self.head(if self.resp == 3 { '>' } else { '*' }, n);
    }
    pub(super) fn double(&mut self, value: f64) {
        if self.resp == 3 { self.head(',', g17(value)) } else { self.bulk(g17(value)) }
    }
    pub(super) fn text(&mut self, text: &str) {
        if self.resp == 3 {
            self.head('=', text.len() + 4);
            self.raw(b"txt:");
            self.raw(text.as_bytes());
            self.raw(b"\r\n");
        } else {
            self.bulk(text);
        }
    }
    pub(super) fn strings<T: AsRef<[u8]>>(&mut self, list: &[T]) {
        self.array(list.len());
        for item in list {
            self.bulk(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_the_product_prints_them() {
        let check = |value: f64, expect: &str| assert_eq!(g17(value), expect);
        check(1.0, "1");
        check(0.1, "0.10000000000000001");
        check(1.5e300, "1.5000000000000001e+300");
        check(1e17, "1e+17");
        check(123_456_789.0, "123456789");
        check(-2.5, "-2.5");
        check(1e-5, "1.0000000000000001e-05");
    }

    #[test]
    fn quotes_in_inline_requests() {
        let check = |line: &[u8], expect: Option<&[&[u8]]>| {
            let got = split_args(line);
            assert_eq!(got.as_ref().map(|a| a.iter().map(|b| &b[..]).collect::<Vec<_>>()), expect.map(<[&[u8]]>::to_vec));
        };
        check(b"set a \"b\\x41\\n\" 'it\\'s'", Some(&[b"set", b"a", b"bA\n", b"it's"]));
        check(b"set \"a\"b", None);
        check(b"set \"a", None);
        check(b"   ", Some(&[]));
    }
}
