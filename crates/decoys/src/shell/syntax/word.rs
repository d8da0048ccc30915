//! Words: quoting, `$`, backquotes.

use std::sync::Arc;

use super::{
    Index, Op, Param, Part, Word,
    parser::{Flaw, Parser},
};

/// Where a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ends at blanks and operators.
    Plain,
    /// Inside `"…"`; ends at the quote.
    Double,
    /// Here-document or arithmetic text; ends with the text.
    Here,
    /// Inside `${x:-…}`; ends at one of the stops.
    Brace { quoted: bool },
    /// Right side of `=~`.
    Regex,
}

pub(super) fn is_meta(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

pub(crate) fn is_name_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_'
}

pub(crate) fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

fn lit(parts: &mut Word, c: u8) {
    if let Some(Part::Lit(text)) = parts.last_mut() {
        text.push(c);
    } else {
        parts.push(Part::Lit(vec![c]));
    }
}

impl Parser<'_> {
    /// A word from a text of its own (arithmetic, here-documents, prompts).
    pub(crate) fn whole(text: &[u8]) -> Result<Word, Flaw> {
        let mut inner = Parser::new(text.to_vec(), 1);
        inner.parts(Mode::Here, b"")
    }

    pub(super) fn parts(&mut self, mode: Mode, stops: &[u8]) -> Result<Word, Flaw> {
        self.deeper()?;
        let out = self.parts_inner(mode, stops);
        self.depth -= 1;
        out
    }

    fn parts_inner(&mut self, mode: Mode, stops: &[u8]) -> Result<Word, Flaw> {
        let mut out: Word = Vec::new();
        let quoted = matches!(mode, Mode::Double | Mode::Here | Mode::Brace { quoted: true });
        let mut parens = 0u32;
        loop {
            let Some(c) = self.peek() else {
                return match mode {
                    Mode::Double => Err(Flaw::eof(b'"', self.line)),
                    Mode::Brace { .. } => Err(Flaw::eof(b'}', self.line)),
                    _ => Ok(out),
                };
            };
            match mode {
                Mode::Plain if is_meta(c) => {
                    if out.is_empty() && (c == b'<' || c == b'>') && self.at(1) == Some(b'(') {
                        self.pos += 2;
                        let list = self.list_until(b")")?;
                        self.close_paren()?;
                        out.push(Part::Proc(c == b'<', Arc::new(list)));
                        continue;
                    }
                    return Ok(out);
                }
                Mode::Regex => {
                    if c == b'(' {
                        parens += 1;
                    } else if c == b')' && parens > 0 {
                        parens -= 1;
                        self.pos += 1;
                        lit(&mut out, c);
                        continue;
                    }
                    if parens == 0 && matches!(c, b' ' | b'\t' | b'\n') {
                        return Ok(out);
                    }
                }
                Mode::Double if c == b'"' => return Ok(out),
                Mode::Brace { .. } if stops.contains(&c) => return Ok(out),
                _ => {}
            }
            match c {
                b'\\' => {
                    self.pos += 1;
                    let next = self.peek();
                    match next {
                        None => {
                            if mode == Mode::Double {
                                return Err(Flaw::eof(b'"', self.line));
                            }
                            if mode == Mode::Plain {
                                if self.interactive {
                                    return Err(Flaw::Incomplete(0, self.line));
                                }
                                out.push(Part::Quoted(b"\\".to_vec()));
                            } else {
                                lit(&mut out, b'\\');
                            }
                        }
                        Some(b'\n') => {
                            self.pos += 1;
                            self.line += 1;
                        }
                        Some(n) if quoted => {
                            let special = matches!(n, b'$' | b'`' | b'\\')
                                || (n == b'"' && mode != Mode::Here)
                                || (n == b'}' && matches!(mode, Mode::Brace { .. }));
                            if special {
                                self.pos += 1;
                                out.push(Part::Quoted(vec![n]));
                            } else {
                                lit(&mut out, b'\\');
                            }
                        }
                        Some(n) => {
                            self.pos += 1;
                            if let Some(Part::Quoted(text)) = out.last_mut() {
                                text.push(n);
                            } else {
                                out.push(Part::Quoted(vec![n]));
                            }
                        }
                    }
                }
                b'\'' if !quoted => {
                    self.pos += 1;
                    let start = self.pos;
                    let line = self.line;
                    loop {
                        match self.peek() {
                            None => return Err(Flaw::eof(b'\'', line)),
                            Some(b'\'') => break,
                            Some(n) => {
                                if n == b'\n' {
                                    self.line += 1;
                                }
                                self.pos += 1;
                            }
                        }
                    }
                    out.push(Part::Quoted(self.text(start, self.pos)));
                    self.pos += 1;
                }
                b'"' if mode != Mode::Here => {
                    self.pos += 1;
                    let line = self.line;
                    let inner = self.parts(Mode::Double, b"").map_err(|f| f.at_line(line))?;
                    self.pos += 1;
                    out.push(Part::Double(inner));
                }
                b'$' => self.dollar(&mut out, quoted)?,
                b'`' => {
                    self.pos += 1;
                    let line = self.line;
                    let mut inner = Vec::new();
                    loop {
                        match self.peek() {
                            None => return Err(Flaw::eof(b'`', line)),
                            Some(b'`') => break,
                            Some(b'\\') => {
                                self.pos += 1;
                                match self.peek() {
                                    Some(n) if matches!(n, b'`' | b'\\' | b'$') || (n == b'"' && quoted) => inner.push(n),
                                    Some(n) => inner.extend_from_slice(&[b'\\', n]),
                                    None => return Err(Flaw::eof(b'`', line)),
                                }
                                self.pos += 1;
                            }
                            Some(n) => {
                                if n == b'\n' {
                                    self.line += 1;
                                }
                                inner.push(n);
                                self.pos += 1;
                            }
                        }
                    }
                    self.pos += 1;
                    let mut sub = Parser::new(inner, line);
                    sub.depth = self.depth;
                    let list = sub.all().map_err(Flaw::hard)?;
                    out.push(Part::Cmd(Arc::new(list)));
                }
                _ => {
                    if c == b'\n' {
                        self.line += 1;
                    }
                    self.pos += 1;
                    lit(&mut out, c);
                    // `a=(`, `name[expr]=` are the parser's business; a `[` in a plain word is a pattern.
                }
            }
        }
    }

    fn dollar(&mut self, out: &mut Word, quoted: bool) -> Result<(), Flaw> {
        let start = self.pos;
        self.pos += 1;
        match self.peek() {
            Some(b'(') if self.at(1) == Some(b'(') => {
                if let Some(text) = self.arith_text() {
                    let word = Self::whole(&text)?;
                    out.push(Part::Arith(word));
                    return Ok(());
                }
                self.pos = start + 1;
                self.command_sub(out)
            }
            Some(b'(') => self.command_sub(out),
            Some(b'[') => {
                let from = self.pos + 1;
                let mut depth = 0;
                let mut end = from;
                while let Some(&c) = self.src.get(end) {
                    match c {
                        b'[' => depth += 1,
                        b']' if depth == 0 => {
                            let text = self.text(from, end);
                            self.pos = end + 1;
                            out.push(Part::Arith(Self::whole(&text)?));
                            return Ok(());
                        }
                        b']' => depth -= 1,
                        _ => {}
                    }
                    end += 1;
                }
                Err(Flaw::eof(b']', self.line))
            }
            Some(b'{') => {
                self.pos += 1;
                let param = self.brace_param(quoted, start)?;
                out.push(Part::Param(Box::new(param)));
                Ok(())
            }
            Some(b'\'') if !quoted => {
                self.pos += 1;
                let text = self.ansi()?;
                out.push(Part::Quoted(text));
                Ok(())
            }
            Some(b'"') if !quoted => Ok(()),
            Some(c) if is_name_start(c) => {
                let from = self.pos;
                while self.peek().is_some_and(is_name) {
                    self.pos += 1;
                }
                out.push(plain_param(self.text(from, self.pos)));
                Ok(())
            }
            Some(c) if c.is_ascii_digit() || matches!(c, b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') => {
                self.pos += 1;
                out.push(plain_param(vec![c]));
                Ok(())
            }
            _ => {
                lit(out, b'$');
                Ok(())
            }
        }
    }

    fn command_sub(&mut self, out: &mut Word) -> Result<(), Flaw> {
        self.pos += 1;
        let line = self.line;
        let list = self.list_until(b")").map_err(|f| f.in_sub(line))?;
        self.close_paren()?;
        out.push(Part::Cmd(Arc::new(list)));
        Ok(())
    }

    pub(super) fn close_paren(&mut self) -> Result<(), Flaw> {
        if self.peek() == Some(b')') {
            self.pos += 1;
            Ok(())
        } else {
            Err(Flaw::eof(b')', self.line))
        }
    }

    /// Text of `(( … ))` with `self.pos` at the first parenthesis; `None`: it is not arithmetic.
    pub(super) fn arith_text(&mut self) -> Option<Vec<u8>> {
        let from = self.pos + 2;
        let mut depth = 0u32;
        let mut at = from;
        while let Some(&c) = self.src.get(at) {
            match c {
                b'(' => depth += 1,
                b')' if depth == 0 => {
                    if self.src.get(at + 1) == Some(&b')') {
                        let text = self.text(from, at);
                        self.pos = at + 2;
                        self.line += u32::try_from(text.iter().filter(|&&b| b == b'\n').count()).unwrap_or(0);
                        return Some(text);
                    }
                    return None;
                }
                b')' => depth -= 1,
                b'\\' => at += 1,
                b'\'' | b'"' if self.src.get(at + 1..).is_some_and(|rest| rest.contains(&c)) => {
                    at += 1;
                    while self.src.get(at).is_some_and(|&n| n != c) {
                        at += 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    fn brace_param(&mut self, quoted: bool, start: usize) -> Result<Param, Flaw> {
        let line = self.line;
        let mut length = false;
        let mut indirect = false;
        if self.peek() == Some(b'#') && self.at(1) != Some(b'}') && !matches!(self.at(1), Some(b':' | b'-' | b'=' | b'+' | b'%' | b'/')) {
            // `${#?}`, `${#x}`; but `${#-}`… stay rare
            if self.at(1) != Some(b'?') || self.at(2) == Some(b'}') {
                length = true;
                self.pos += 1;
            }
        }
        if self.peek() == Some(b'!')
            && self.at(1).is_some_and(|c| is_name_start(c) || c.is_ascii_digit() || matches!(c, b'@' | b'#' | b'*'))
            && !(length)
        {
            indirect = true;
            self.pos += 1;
        }
        let from = self.pos;
        match self.peek() {
            Some(c) if is_name_start(c) => {
                while self.peek().is_some_and(is_name) {
                    self.pos += 1;
                }
            }
            Some(c) if c.is_ascii_digit() => {
                while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                    self.pos += 1;
                }
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') => self.pos += 1,
            None => return Err(Flaw::eof(b'}', line)),
            _ => {}
        }
        let name = self.text(from, self.pos);
        let mut param = Param { name, index: None, indirect, op: if length { Op::Length } else { Op::None } };
        if self.peek() == Some(b'[') && param.name.first().is_some_and(|&c| is_name_start(c)) {
            self.pos += 1;
            param.index = Some(match (self.peek(), self.at(1)) {
                (Some(b'@'), Some(b']')) => {
                    self.pos += 1;
                    Index::At
                }
                (Some(b'*'), Some(b']')) => {
                    self.pos += 1;
                    Index::Star
                }
                _ => Index::Word(self.parts(Mode::Brace { quoted: true }, b"]")?),
            });
            self.pos += 1;
        }
        let word = |p: &mut Self, stops: &[u8]| p.parts(Mode::Brace { quoted }, stops).map_err(|f| f.at_line(line));
        let Some(c) = self.peek() else { return Err(Flaw::eof(b'}', line)) };
        let next = self.at(1);
        param.op = match c {
            _ if param.name.is_empty() => self.bad(start, line)?,
            b'}' => match (&param.index, indirect) {
                (Some(Index::At | Index::Star), true) => {
                    param.indirect = false;
                    Op::Keys
                }
                _ if length => Op::Length,
                _ => Op::None,
            },
            _ if length => self.bad(start, line)?,
            b'*' | b'@' if indirect && next == Some(b'}') => {
                self.pos += 1;
                param.indirect = false;
                Op::Names
            }
            b'-' | b'=' | b'?' | b'+' => {
                self.pos += 1;
                Op::Or(c, false, word(self, b"}")?)
            }
            b':' => match next {
                Some(o @ (b'-' | b'=' | b'?' | b'+')) => {
                    self.pos += 2;
                    Op::Or(o, true, word(self, b"}")?)
                }
                _ => {
                    self.pos += 1;
                    let offset = self.slice_part()?;
                    let len = if self.peek() == Some(b':') {
                        self.pos += 1;
                        Some(self.slice_part()?)
                    } else {
                        None
                    };
                    Op::Slice(offset, len)
                }
            },
            b'#' | b'%' => {
                self.pos += 1;
                let long = self.peek() == Some(c);
                if long {
                    self.pos += 1;
                }
                Op::Trim(c == b'#', long, self.parts(Mode::Brace { quoted: false }, b"}").map_err(|f| f.at_line(line))?)
            }
            b'/' => {
                self.pos += 1;
                let kind = match self.peek() {
                    Some(b'/') => b'A',
                    Some(k @ (b'#' | b'%')) => k,
                    _ => b'/',
                };
                if kind != b'/' {
                    self.pos += 1;
                }
                let pattern = self.parts(Mode::Brace { quoted: false }, b"/}").map_err(|f| f.at_line(line))?;
                let with = if self.peek() == Some(b'/') {
                    self.pos += 1;
                    Some(self.parts(Mode::Brace { quoted: false }, b"}").map_err(|f| f.at_line(line))?)
                } else {
                    None
                };
                Op::Replace(kind, pattern, with)
            }
            b'^' | b',' => {
                self.pos += 1;
                let all = self.peek() == Some(c);
                if all {
                    self.pos += 1;
                }
                Op::Case(c == b'^', all, self.parts(Mode::Brace { quoted: false }, b"}").map_err(|f| f.at_line(line))?)
            }
            b'@' => match next {
                Some(t) if self.at(2) == Some(b'}') => {
                    self.pos += 2;
                    Op::Transform(t)
                }
                _ => self.bad(start, line)?,
            },
            _ => self.bad(start, line)?,
        };
        if self.peek() != Some(b'}') {
            return Err(Flaw::eof(b'}', line));
        }
        self.pos += 1;
        if let Op::Bad(text) = &mut param.op {
            *text = self.text(start, self.pos);
        }
        Ok(param)
    }

    /// Skips to the closing brace of something bash calls a bad substitution.
    fn bad(&mut self, _start: usize, line: u32) -> Result<Op, Flaw> {
        let _ = self.parts(Mode::Brace { quoted: true }, b"}").map_err(|f| f.at_line(line))?;
        Ok(Op::Bad(Vec::new()))
    }

    /// Offset or length of `${x:o:l}`: arithmetic text up to `:` or `}` outside parentheses.
    fn slice_part(&mut self) -> Result<Word, Flaw> {
        let from = self.pos;
        let (mut depth, mut ternary) = (0u32, 0u32);
        while let Some(c) = self.peek() {
            match c {
                b'(' | b'{' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                b'}' if depth > 0 => depth -= 1,
                b'?' if depth == 0 => ternary += 1,
                b':' if depth == 0 && ternary > 0 => ternary -= 1,
                b'}' | b':' if depth == 0 => {
                    let text = self.text(from, self.pos);
                    return Self::whole(&text);
                }
                _ => {}
            }
            self.pos += 1;
        }
        Err(Flaw::eof(b'}', self.line))
    }

    fn ansi(&mut self) -> Result<Vec<u8>, Flaw> {
        let line = self.line;
        let from = self.pos;
        loop {
            match self.peek() {
                None => return Err(Flaw::eof(b'\'', line)),
                Some(b'\'') => break,
                Some(b'\\') => self.pos += 2,
                Some(c) => {
                    if c == b'\n' {
                        self.line += 1;
                    }
                    self.pos += 1;
                }
            }
        }
        let text = self.text(from, self.pos);
        self.pos += 1;
        Ok(unescape(&text, Escapes::Ansi).0)
    }
}

fn plain_param(name: Vec<u8>) -> Part {
    Part::Param(Box::new(Param { name, index: None, indirect: false, op: Op::None }))
}

/// Whose escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// `$'…'`
    Ansi,
    /// `echo -e`: octal needs a leading zero.
    Echo,
    /// A `printf` format.
    Printf,
    /// `printf %b`.
    PrintfB,
}

/// Replaces backslash escapes; `true`: `\c` said to stop.
pub(crate) fn unescape(text: &[u8], how: Escapes) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let get = |at: usize| text.get(at).copied();
    while let Some(c) = get(at) {
        at += 1;
        if c != b'\\' {
            out.push(c);
            continue;
        }
        let Some(n) = get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match n {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'e' | b'E' => out.push(27),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'\'' | b'"' | b'?' if matches!(how, Escapes::Ansi) => out.push(n),
            b'"' | b'\'' if how == Escapes::Printf || how == Escapes::PrintfB => {
                if how == Escapes::Printf || n == b'\'' || n == b'"' {
                    out.push(n);
                }
            }
            b'c' if how == Escapes::Ansi => {
                if let Some(k) = get(at) {
                    at += 1;
                    out.push(k & 0x1f);
                }
            }
            b'c' if how != Escapes::Printf => return (out, true),
            b'x' => {
                let mut value = 0u32;
                let mut digits = 0;
                while digits < 2
                    && let Some(d) = get(at).and_then(|d| char::from(d).to_digit(16))
                {
                    value = value * 16 + d;
                    digits += 1;
                    at += 1;
                }
                if digits == 0 {
                    out.extend_from_slice(b"\\x");
                } else {
                    out.push((value & 0xff) as u8);
                }
            }
            b'u' | b'U' => {
                let most = if n == b'u' { 4 } else { 8 };
                let mut value = 0u32;
                let mut digits = 0;
                while digits < most
                    && let Some(d) = get(at).and_then(|d| char::from(d).to_digit(16))
                {
                    value = value.wrapping_mul(16).wrapping_add(d);
                    digits += 1;
                    at += 1;
                }
                match char::from_u32(value) {
                    Some(c) if digits > 0 => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    _ => out.extend_from_slice(&[b'\\', n]),
                }
            }
            b'0'..=b'7' if how != Escapes::Echo || n == b'0' => {
                let mut value = u32::from(n - b'0');
                let most = if matches!(how, Escapes::Echo) || (how == Escapes::PrintfB && n == b'0') { 3 } else { 2 };
                let mut digits = 0;
                if how == Escapes::Echo || (how == Escapes::PrintfB && n == b'0') {
                    value = 0;
                }
                while digits < most
                    && let Some(d) = get(at).filter(|d| (b'0'..=b'7').contains(d))
                {
                    value = value * 8 + u32::from(d - b'0');
                    digits += 1;
                    at += 1;
                }
                out.push((value & 0xff) as u8);
            }
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }
    (out, false)
}
