//! A command as words: atoms, strings, lists. Literals are separate pieces and may hold any byte.

use bytes::Bytes;

/// Deepest list that is read.
const DEEPEST: usize = 20;

/// A piece of a command as it came.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Line(Bytes),
    Literal(Bytes),
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arg {
    /// Not quoted; section brackets belong to it.
    Atom(Vec<u8>),
    /// Quoted.
    Text(Vec<u8>),
    Literal(Bytes),
    List(Vec<Arg>),
}

impl Arg {
    /// An atom or a string.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(b) | Self::Text(b) => Some(b),
            Self::Literal(b) => Some(b),
            Self::List(_) => None,
        }
    }

    /// The same as text.
    pub(super) fn text(&self) -> Option<String> {
        self.bytes().map(|b| String::from_utf8_lossy(b).into_owned())
    }

    /// An atom in upper case.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::Atom(b) => Some(String::from_utf8_lossy(b).to_ascii_uppercase()),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(all) => Some(all),
            _ => None,
        }
    }
}

/// What a command cannot be read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads the arguments of a command.
pub(super) fn arguments(pieces: &[Piece]) -> Result<Vec<Arg>, Malformed> {
    let mut reader = Reader { pieces, piece: 0, at: 0 };
    let all = reader.list(0)?;
    if reader.peek().is_some() {
        return Err(Malformed("Unexpected ')'"));
    }
    Ok(all)
}

struct Reader<'a> {
    pieces: &'a [Piece],
    piece: usize,
    at: usize,
}

enum Unit<'a> {
    Byte(u8),
    Literal(&'a Bytes),
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<Unit<'a>> {
        loop {
            match self.pieces.get(self.piece)? {
                Piece::Literal(bytes) => return Some(Unit::Literal(bytes)),
                Piece::Line(line) => match line.get(self.at) {
                    Some(b) => return Some(Unit::Byte(*b)),
                    None => {
                        self.piece += 1;
                        self.at = 0;
                    }
                },
            }
        }
    }

    fn skip(&mut self) {
        match self.pieces.get(self.piece) {
            Some(Piece::Line(_)) => self.at += 1,
            _ => {
                self.piece += 1;
                self.at = 0;
            }
        }
    }

    /// Arguments until the end or a `)`, which is left.
    fn list(&mut self, depth: usize) -> Result<Vec<Arg>, Malformed> {
        if depth > DEEPEST {
            return Err(Malformed("Too many '('"));
        }
        let mut all = Vec::new();
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Literal(bytes) => {
                    self.skip();
                    all.push(Arg::Literal(bytes.clone()));
                }
                Unit::Byte(b' ') => self.skip(),
                Unit::Byte(b')') => return Ok(all),
                Unit::Byte(b'(') => {
                    self.skip();
                    let inside = self.list(depth + 1)?;
                    match self.peek() {
                        Some(Unit::Byte(b')')) => self.skip(),
                        _ => return Err(Malformed("Missing ')'")),
                    }
                    all.push(Arg::List(inside));
                }
                Unit::Byte(b'"') => {
                    self.skip();
                    all.push(Arg::Text(self.quoted()?));
                }
                Unit::Byte(_) => all.push(Arg::Atom(self.atom()?)),
            }
        }
        Ok(all)
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        loop {
            match self.peek() {
                Some(Unit::Byte(b'"')) => {
                    self.skip();
                    return Ok(text);
                }
                Some(Unit::Byte(b'\\')) => {
                    self.skip();
                    match self.peek() {
                        Some(Unit::Byte(b @ (b'"' | b'\\'))) => {
                            self.skip();
                            text.push(b);
                        }
                        _ => return Err(Malformed("Escaped quoted-string must be followed by '\"' or '\\'")),
                    }
                }
                Some(Unit::Byte(b)) => {
                    self.skip();
                    text.push(b);
                }
                _ => return Err(Malformed("Missing '\"'")),
            }
        }
    }

    fn atom(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut text = Vec::new();
        let mut brackets = 0;
        let mut quoted = false;
        while let Some(Unit::Byte(b)) = self.peek() {
            match b {
                b'"' if brackets > 0 => quoted = !quoted,
                b'[' if !quoted => brackets += 1,
                b']' if !quoted && brackets > 0 => brackets -= 1,
                b' ' | b'(' | b')' if brackets == 0 => break,
                b'"' => return Err(Malformed("Invalid characters in atom")),
                _ => {}
            }
            text.push(b);
            self.skip();
        }
        Ok(text)
    }
}

/// The literal that a line announces at its end: how long, whether it waits for a go-ahead, where it begins.
pub(super) fn literal(line: &[u8]) -> Option<(u64, bool, usize)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let number = inner.get(open + 1..)?;
    let (number, waits) = number.strip_suffix(b"+").map_or((number, true), |n| (n, false));
    if number.is_empty() || number.len() > 18 || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let begins = if open > 0 && line.get(open - 1) == Some(&b'~') { open - 1 } else { open };
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, waits, begins))
}

/// A set of numbers: `1,3:5,*`. `None`: it is none.
pub(super) fn set(text: &[u8]) -> Option<Vec<(u32, u32)>> {
    let text = std::str::from_utf8(text).ok()?;
    let number = |t: &str| match t {
        "*" => Some(u32::MAX),
        t if !t.is_empty() && t.len() <= 10 && t.bytes().all(|b| b.is_ascii_digit()) => t.parse::<u32>().ok().filter(|n| *n > 0),
        _ => None,
    };
    let mut all = Vec::new();
    for part in text.split(',').take(10_000) {
        let (a, b) = part.split_once(':').unwrap_or((part, part));
        let (a, b) = (number(a)?, number(b)?);
        all.push((a.min(b), a.max(b)));
    }
    Some(all)
}

/// Numbers as a set.
pub(super) fn shown(numbers: &[u32]) -> String {
    let mut out = String::new();
    let mut left = numbers;
    while let Some((first, _)) = left.split_first() {
        let run = left.iter().zip(*first..).take_while(|(a, b)| **a == *b).count();
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if let Some(last) = left.get(run - 1).filter(|l| *l != first) {
            out.push(':');
            out.push_str(&last.to_string());
        }
        left = left.get(run..).unwrap_or_default();
    }
    out
}

/// Bytes as an IMAP string: NIL is for the caller.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let plain = text.len() < 4096 && text.iter().all(|b| (0x20..0x7f).contains(b) && *b != b'"' && *b != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else if text.iter().all(|b| (0x20..0x7f).contains(b)) && text.len() < 4096 {
        out.push(b'"');
        for b in text {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*b);
        }
        out.push(b'"');
    } else {
        literal_string(out, text);
    }
}

pub(super) fn literal_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
}

/// A mailbox name: an atom if it can be one.
pub(super) fn name(name: &str) -> String {
    let atom = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&'+,-./:;<=>?@^_`|~".contains(&b));
    if atom {
        return name.to_owned();
    }
    let mut out = Vec::new();
    string(&mut out, name.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Arg>, Malformed> {
        arguments(&[Piece::Line(Bytes::copy_from_slice(text.as_bytes()))])
    }

    #[test]
    fn commands_are_cut_into_arguments() {
        let atom = |t: &str| Arg::Atom(t.into());
        assert_eq!(
            read("1 (FLAGS BODY.PEEK[HEADER.FIELDS (A \"b\")]<0.5>)").unwrap(),
            [atom("1"), Arg::List(vec![atom("FLAGS"), atom("BODY.PEEK[HEADER.FIELDS (A \"b\")]<0.5>")])]
        );
        assert_eq!(read("\"a \\\"b\" ()").unwrap(), [Arg::Text(b"a \"b".to_vec()), Arg::List(vec![])]);
        for bad in ["(", ")", "\"a", "a\"b", "\"\\x\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"(".repeat(5000)).is_err());
        let pieces = [Piece::Line("A ".into()), Piece::Literal("x\ry".into()), Piece::Line(" B".into())];
        assert_eq!(arguments(&pieces).unwrap(), [atom("A"), Arg::Literal("x\ry".into()), atom("B")]);
    }

    #[test]
    fn literals_and_sets() {
        assert_eq!(literal(b"a LOGIN {5}"), Some((5, true, 8)));
        assert_eq!(literal(b"a APPEND x ~{5+}"), Some((5, false, 11)));
        for no in [&b"{}"[..], b"{-1}", b"{99999999999999999999}", b"x", b"{5} "] {
            assert_eq!(literal(no), None);
        }
        assert_eq!(set(b"1,5:3,*"), Some(vec![(1, 1), (3, 5), (u32::MAX, u32::MAX)]));
        for no in [&b"0"[..], b"", b"a", b"1:", b"1,,2", b"-1", b"99999999999"] {
            assert_eq!(set(no), None);
        }
        assert_eq!(shown(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
    }
}
