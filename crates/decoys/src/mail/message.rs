//! A message taken apart: header fields, envelope, MIME structure. Never fails; nonsense has an empty structure.

use std::ops::Range;

/// Deepest nesting and most parts that are looked at.
const DEEPEST: usize = 20;
const MOST_PARTS: usize = 300;

/// One entity of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// With the empty line that ends it.
    pub(crate) header: Range<usize>,
    pub(crate) body: Range<usize>,
    /// Lower case: `text`, `plain`.
    pub(crate) kind: String,
    pub(crate) sub: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) encoding: String,
    pub(crate) id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) md5: Option<String>,
    pub(crate) disposition: Option<(String, Vec<(String, String)>)>,
    pub(crate) language: Option<String>,
    pub(crate) location: Option<String>,
    /// Of a multipart; of `message/rfc822` the one message.
    pub(crate) children: Vec<Part>,
    pub(crate) lines: usize,
}

impl Part {
    pub(crate) fn is_multipart(&self) -> bool {
        self.kind == "multipart"
    }

    pub(crate) fn is_message(&self) -> bool {
        self.kind == "message" && self.sub == "rfc822"
    }

    /// The part numbered `path`.
    pub(crate) fn at(&self, path: &[usize]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let inside = if self.is_message() { self.children.first()? } else { self };
        if inside.is_multipart() {
            return inside.children.get(first.checked_sub(1)?)?.at(rest);
        }
        (*first == 1).then_some(inside)?.at_leaf(rest)
    }

    fn at_leaf(&self, rest: &[usize]) -> Option<&Self> {
        if rest.is_empty() || self.is_message() { self.at(rest) } else { None }
    }
}

/// Takes `raw` apart.
pub(crate) fn parse(raw: &[u8]) -> Part {
    let mut left = MOST_PARTS;
    entity(raw, 0..raw.len(), 0, &mut left, false)
}

/// Where the header of `raw[range]` ends, its empty line included.
fn header_end(raw: &[u8], range: &Range<usize>) -> usize {
    let mut at = range.start;
    while at < range.end {
        let line = line_at(raw, at, range.end);
        at = line.end;
        if trim(raw.get(line).unwrap_or_default()).is_empty() {
            return at;
        }
    }
    range.end
}

/// The line that begins at `at`, its end included.
fn line_at(raw: &[u8], at: usize, end: usize) -> Range<usize> {
    let rest = raw.get(at..end).unwrap_or_default();
    at..rest.iter().position(|b| *b == b'\n').map_or(end, |n| at + n + 1)
}

fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn entity(raw: &[u8], range: Range<usize>, depth: usize, left: &mut usize, digest: bool) -> Part {
    let end = header_end(raw, &range);
    let header = raw.get(range.start..end).unwrap_or_default();
    let mut part = Part { header: range.start..end, body: end..range.end, ..Part::default() };
    let get = |name: &str| field(header, name).map(|v| String::from_utf8_lossy(&v).into_owned());
    (part.kind, part.sub) = if digest { ("message".into(), "rfc822".into()) } else { ("text".into(), "plain".into()) };
    if let Some((value, params)) = get("Content-Type").map(|v| parameters(&v))
        && let Some((kind, sub)) = value.split_once('/')
        && !kind.trim().is_empty()
        && !sub.trim().is_empty()
    {
        (part.kind, part.sub, part.params) = (kind.trim().to_lowercase(), sub.trim().to_lowercase(), params);
    }
    part.encoding =
        get("Content-Transfer-Encoding").map(|e| e.trim().to_lowercase()).filter(|e| !e.is_empty()).unwrap_or_else(|| "7bit".into());
    part.id = get("Content-ID").map(|v| v.trim().to_owned());
    part.description = get("Content-Description").map(|v| v.trim().to_owned());
    part.md5 = get("Content-MD5").map(|v| v.trim().to_owned());
    part.language = get("Content-Language").map(|v| v.trim().to_owned());
    part.location = get("Content-Location").map(|v| v.trim().to_owned());
    part.disposition = get("Content-Disposition").map(|v| parameters(&v)).filter(|(v, _)| !v.is_empty());
    let body = raw.get(part.body.clone()).unwrap_or_default();
    part.lines = body.iter().filter(|b| **b == b'\n').count();
    *left = left.saturating_sub(1);
    if depth >= DEEPEST || *left == 0 {
        return part;
    }
    if part.is_multipart() {
        let edge = part.params.iter().find(|(n, _)| n == "boundary").map(|(_, v)| v.clone());
        if let Some(edge) = edge.filter(|e| !e.is_empty()) {
            for piece in pieces(raw, &part.body, edge.as_bytes()) {
                if *left == 0 {
                    break;
                }
                let child = entity(raw, piece, depth + 1, left, part.sub == "digest");
                part.children.push(child);
            }
        }
        if part.children.is_empty() {
            // Dovecot shows an empty text part.
            part.children.push(Part {
                header: part.body.end..part.body.end,
                body: part.body.end..part.body.end,
                kind: "text".into(),
                sub: "plain".into(),
                encoding: "7bit".into(),
                ..Part::default()
            });
        }
    } else if part.is_message() {
        let child = entity(raw, part.body.clone(), depth + 1, left, false);
        part.children.push(child);
    }
    part
}

/// Bodies between boundary lines. The line end before a boundary belongs to the boundary.
fn pieces(raw: &[u8], body: &Range<usize>, edge: &[u8]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = body.start;
    while at < body.end {
        let line = line_at(raw, at, body.end);
        let text = trim(raw.get(line.clone()).unwrap_or_default());
        if let Some(rest) = text.strip_prefix(b"--").and_then(|t| t.strip_prefix(edge)) {
            let last = rest.starts_with(b"--");
            if last || rest.iter().all(|b| b.is_ascii_whitespace()) {
                if let Some(from) = start.take() {
                    let mut end = at;
                    if end > from && raw.get(end - 1) == Some(&b'\n') {
                        end -= 1;
                        if end > from && raw.get(end - 1) == Some(&b'\r') {
                            end -= 1;
                        }
                    }
                    all.push(from..end);
                }
                if last {
                    return all;
                }
                start = Some(line.end);
            }
        }
        at = line.end;
    }
    all.extend(start.map(|from| from..body.end));
    all
}

/// Every field of a header: name, and its bytes with name and line end.
pub(crate) fn fields(header: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut all: Vec<(&[u8], Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < header.len() {
        let line = line_at(header, at, header.len());
        let text = header.get(line.clone()).unwrap_or_default();
        if trim(text).is_empty() {
            break;
        }
        if matches!(text.first(), Some(b' ' | b'\t')) {
            if let Some((_, range)) = all.last_mut() {
                range.end = line.end;
            }
        } else if let Some(colon) = text.iter().position(|b| *b == b':') {
            let name = text.get(..colon).unwrap_or_default().trim_ascii_end();
            all.push((name, line.clone()));
        } else {
            all.push((b"", line.clone()));
        }
        at = line.end;
    }
    all.into_iter().map(|(name, range)| (name, header.get(range).unwrap_or_default())).collect()
}

/// The value of the first field `name`, unfolded.
pub(crate) fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let (_, bytes) = fields(header).into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))?;
    let value = bytes.get(bytes.iter().position(|b| *b == b':')? + 1..)?;
    Some(unfold(value))
}

/// All values of `name`, unfolded.
pub(crate) fn all_fields(header: &[u8], name: &str) -> Vec<Vec<u8>> {
    fields(header)
        .into_iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
        .filter_map(|(_, b)| Some(unfold(b.get(b.iter().position(|c| *c == b':')? + 1..)?)))
        .collect()
}

fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut skip = false;
    for &b in value.trim_ascii() {
        match b {
            b'\r' | b'\n' => skip = true,
            b' ' | b'\t' if skip => {
                if !out.ends_with(b" ") {
                    out.push(b' ');
                }
            }
            b => {
                skip = false;
                out.push(b);
            }
        }
    }
    out
}

/// A value and its parameters, names in lower case.
fn parameters(text: &str) -> (String, Vec<(String, String)>) {
    let mut pieces: Vec<String> = vec![String::new()];
    let (mut quoted, mut escaped, mut comment) = (false, false, 0u32);
    for c in text.chars() {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
            continue;
        } else if c == '"' && comment == 0 {
            quoted = !quoted;
            continue;
        } else if !quoted && c == '(' {
            comment += 1;
            continue;
        } else if !quoted && c == ')' && comment > 0 {
            comment -= 1;
            continue;
        } else if c == ';' && !quoted && comment == 0 {
            pieces.push(String::new());
            continue;
        }
        if comment == 0
            && let Some(piece) = pieces.last_mut()
        {
            piece.push(c);
        }
    }
    let mut pieces = pieces.into_iter();
    let value = pieces.next().unwrap_or_default().trim().to_owned();
    let params = pieces
        .take(50)
        .filter_map(|p| p.split_once('=').map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned())))
        .filter(|(n, _)| !n.is_empty())
        .collect();
    (value, params)
}

/// An address of a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) name: Option<String>,
    pub(crate) mailbox: Option<String>,
    /// `None` at the start and end of a group.
    pub(crate) host: Option<String>,
}

/// The addresses of a header value (RFC 5322 §3.4), comments as names.
pub(crate) fn addresses(value: &[u8]) -> Vec<Address> {
    let text = String::from_utf8_lossy(value);
    let mut all = Vec::new();
    let (mut name, mut comment, mut angle) = (String::new(), String::new(), None::<String>);
    let mut chars = text.chars();
    let mut depth = 0u32;
    let mut finish = |name: &mut String, comment: &mut String, angle: &mut Option<String>| {
        let shown = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let address = match angle.take() {
            Some(address) => Some((address, Some(shown).filter(|s| !s.is_empty()))),
            None if shown.contains('@') => Some((shown.replace(' ', ""), Some(comment.trim().to_owned()).filter(|c| !c.is_empty()))),
            None if !shown.is_empty() => Some((shown, Some(comment.trim().to_owned()).filter(|c| !c.is_empty()))),
            None => None,
        };
        if let Some((address, shown)) = address {
            let (mailbox, host) = address.rsplit_once('@').map_or((address.as_str(), "MISSING_DOMAIN"), |(l, h)| (l, h));
            all.push(Address { name: shown, mailbox: Some(mailbox.trim().to_owned()), host: Some(host.trim().to_owned()) });
        }
        name.clear();
        comment.clear();
    };
    while let Some(c) = chars.next() {
        match c {
            '(' => {
                depth += 1;
                if depth > 1 {
                    comment.push(c);
                }
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth > 0 {
                    comment.push(c);
                }
            }
            c if depth > 0 => comment.push(c),
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => name.extend(chars.next()),
                        c => name.push(c),
                    }
                }
            }
            '<' => {
                let inner: String = chars.by_ref().take_while(|c| *c != '>').collect();
                angle = Some(inner);
            }
            ',' | ';' => finish(&mut name, &mut comment, &mut angle),
            ':' => name.clear(),
            c => name.push(c),
        }
        if text.len() > 100_000 {
            break;
        }
    }
    finish(&mut name, &mut comment, &mut angle);
    all.truncate(1000);
    all
}

/// Body bytes with the transfer encoding taken off.
pub(crate) fn decoded(encoding: &str, body: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        "7bit" | "8bit" | "binary" => Some(body.to_vec()),
        "base64" => {
            use base64::{
                Engine, alphabet,
                engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
            };
            const LAX: GeneralPurpose = GeneralPurpose::new(
                &alphabet::STANDARD,
                GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
            );
            let clean: Vec<u8> = body.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
            LAX.decode(clean).ok()
        }
        "quoted-printable" => Some(unquoted(body, false)),
        _ => None,
    }
}

fn unquoted(body: &[u8], header: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&b) = body.get(at) {
        at += 1;
        if b == b'=' {
            let rest = body.get(at..).unwrap_or_default();
            if let Some(cut) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
                at = body.len() - cut.len();
                continue;
            }
            let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
            if let (Some(high), Some(low)) = (hex(rest.first()), hex(rest.get(1))) {
                out.push(high << 4 | low);
                at += 2;
                continue;
            }
        }
        out.push(if header && b == b'_' { b' ' } else { b });
    }
    out
}

/// Header text with encoded words as UTF-8.
pub(crate) fn words(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        let found = word.get(2..).and_then(|w| {
            let (charset, w) = w.split_once('?')?;
            let (how, w) = w.split_once('?')?;
            let (coded, after) = w.split_once("?=")?;
            let bytes = match how.to_ascii_uppercase().as_str() {
                "Q" => unquoted(coded.as_bytes(), true),
                "B" => decoded("base64", coded.as_bytes())?,
                _ => return None,
            };
            Some((text_of(charset, &bytes), after))
        });
        match found {
            Some((text, after)) => {
                if !(after_word && before.trim().is_empty()) {
                    out.push_str(before);
                }
                out.push_str(&text);
                rest = after;
                after_word = true;
            }
            None => {
                out.push_str(before);
                out.push_str("=?");
                rest = word.get(2..).unwrap_or_default();
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of a character set as text; what is not UTF-8 is read as Latin-1.
pub(crate) fn text_of(charset: &str, bytes: &[u8]) -> String {
    if charset.to_ascii_lowercase().starts_with("iso-8859") || charset.eq_ignore_ascii_case("windows-1252") {
        return bytes.iter().map(|b| char::from(*b)).collect();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first readable text: what a preview shows.
pub(crate) fn preview(raw: &[u8], part: &Part) -> String {
    fn first<'a>(part: &'a Part, sub: &str) -> Option<&'a Part> {
        if part.kind == "text" && part.sub == sub {
            return Some(part);
        }
        part.children.iter().find_map(|c| first(c, sub))
    }
    let Some(found) = first(part, "plain").or_else(|| first(part, "html")) else { return String::new() };
    let body = decoded(&found.encoding, raw.get(found.body.clone()).unwrap_or_default()).unwrap_or_default();
    let charset = found.params.iter().find(|(n, _)| n == "charset").map_or("utf-8", |(_, v)| v.as_str());
    let mut text = text_of(charset, body.get(..8192).unwrap_or(&body));
    if found.sub == "html" {
        let mut inside = false;
        text = text
            .chars()
            .filter(|c| match c {
                '<' => {
                    inside = true;
                    false
                }
                '>' => {
                    inside = false;
                    false
                }
                _ => !inside,
            })
            .collect();
    }
    let mut out = String::new();
    for line in text.lines() {
        // Quoted lines are passed over while there is other text.
        if line.starts_with('>') {
            continue;
        }
        for word in line.split_whitespace() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
        if out.chars().count() > 200 {
            break;
        }
    }
    out.chars().take(200).collect()
}

/// The subject without what answers and forwards add (RFC 5256 §2.1), and whether something was taken off.
pub(crate) fn base_subject(subject: &str) -> (String, bool) {
    let mut text = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut answered = false;
    loop {
        let before = text.clone();
        while let Some(cut) = text.to_lowercase().strip_suffix("(fwd)").map(str::len) {
            text.truncate(cut);
            text.truncate(text.trim_end().len());
            answered = true;
        }
        let lower = text.to_lowercase();
        for prefix in ["re", "fw", "fwd"] {
            if let Some(rest) = lower.strip_prefix(prefix) {
                let rest = rest.trim_start();
                let rest = if rest.starts_with('[') { rest.split_once(']').map_or(rest, |(_, r)| r.trim_start()) } else { rest };
                if let Some(rest) = rest.strip_prefix(':') {
                    let at = text.len().saturating_sub(rest.len());
                    text = text.get(at..).unwrap_or_default().trim_start().to_owned();
                    answered = true;
                    break;
                }
            }
        }
        if text.starts_with('[')
            && let Some((_, rest)) = text.split_once(']')
            && !rest.trim().is_empty()
        {
            text = rest.trim_start().to_owned();
        }
        if text == before {
            return (text.to_uppercase(), answered);
        }
    }
}

/// The Date header as seconds since 1970, UTC.
pub(crate) fn date(header: &[u8]) -> Option<i64> {
    let value = field(header, "Date")?;
    let text = String::from_utf8_lossy(&value);
    let text = text.split('(').next().unwrap_or(&text).trim();
    jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_of_nested_parts() {
        let raw = b"Content-Type: multipart/mixed; boundary=\"A\"\r\n\r\nintro\r\n--A\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--A\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nin\r\n--A--\r\n";
        let part = parse(raw);
        assert_eq!(part.children.len(), 2);
        let body = |path: &[usize]| part.at(path).map(|p| String::from_utf8_lossy(&raw[p.body.clone()]).into_owned());
        assert_eq!(body(&[1]).as_deref(), Some("one\r\n"));
        assert_eq!(body(&[2, 1]).as_deref(), Some("in"));
        assert_eq!(body(&[3]), None);
    }

    #[test]
    fn addresses_in_all_their_forms() {
        let of = |text: &str| {
            addresses(text.as_bytes())
                .into_iter()
                .map(|a| format!("{:?} {}@{}", a.name.unwrap_or_default(), a.mailbox.unwrap_or_default(), a.host.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("\"Ruiz, Bo\" <bo@a.b>, c@d.e (See)"), ["\"Ruiz, Bo\" bo@a.b", "\"See\" c@d.e"]);
        assert_eq!(of("group: a@b.c, d@e.f;"), ["\"\" a@b.c", "\"\" d@e.f"]);
        assert_eq!(of(""), [""; 0]);
        assert_eq!(of("root"), ["\"\" root@MISSING_DOMAIN"]);
    }

    #[test]
    fn words_are_joined_without_the_space_between() {
        assert_eq!(words(b"=?UTF-8?Q?Jos=C3=A9_?= =?utf-8?B?TsO6w7Fleg==?= x"), "José Núñez x");
        assert_eq!(words(b"=?x"), "=?x");
        assert_eq!(base_subject("Re: Fwd: [list] Hello (fwd)"), ("HELLO".into(), true));
    }
}
