//! Commands: recursive descent over bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::{
    Arm, ArmEnd, Assign, Cmd, Compound, Function, Item, List, Part, Pipe, Redir, RedirOp, Simple, Test, Value, Word,
    word::{Mode, is_meta, is_name, is_name_start},
};

/// Deepest nesting of a script.
const DEEPEST: u32 = 90;

/// Why a text is not a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// More text is needed: the quote or bracket that is open (0: a compound command), and its line.
    Incomplete(u8, u32),
    /// Like `Incomplete`, but no more text can help (inside backquotes).
    Never(u8, u32),
    /// A token that cannot stand there, on this line.
    Token(Vec<u8>, u32),
    /// Any other message after `line N: `.
    Message(String, u32),
}

impl Flaw {
    pub(super) fn eof(open: u8, line: u32) -> Self {
        Self::Incomplete(open, line)
    }

    pub(super) fn at_line(self, line: u32) -> Self {
        match self {
            Self::Incomplete(open, _) => Self::Incomplete(open, line),
            other => other,
        }
    }

    pub(super) fn in_sub(self, line: u32) -> Self {
        match self {
            Self::Incomplete(0, _) => Self::Incomplete(b')', line),
            other => other,
        }
    }

    pub(super) fn hard(self) -> Self {
        match self {
            Self::Incomplete(open, line) => Self::Never(open, line),
            other => other,
        }
    }
}

/// A here-document still to come: delimiter, quoted, strip tabs, line, slot.
type Waiting = (Vec<u8>, bool, bool, u32, Arc<OnceLock<Word>>);

/// Reads commands from a text.
pub(crate) struct Parser<'a> {
    pub(super) src: Vec<u8>,
    pub(super) pos: usize,
    pub(super) line: u32,
    pub(super) depth: u32,
    pub(super) interactive: bool,
    aliases: Option<&'a BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Aliases being replaced and where their text ends.
    replaced: Vec<(Vec<u8>, usize)>,
    /// Here-documents whose bodies follow the next newline: delimiter, quoted, strip tabs, line, slot.
    waiting: Vec<Waiting>,
    /// A here-document that the end of the text ended: its line and delimiter.
    pub(crate) here_open: Option<(u32, Vec<u8>)>,
    /// The word that was wanted when the text ended.
    pub(crate) expecting: &'static [u8],
}

const RESERVED_END: &[&[u8]] = &[b"then", b"else", b"elif", b"fi", b"do", b"done", b"esac", b"}"];

impl<'a> Parser<'a> {
    /// A parser at the start of `src`, which is line `line` of its script.
    pub(crate) fn new(src: Vec<u8>, line: u32) -> Self {
        Self {
            src,
            pos: 0,
            line,
            depth: 0,
            interactive: false,
            aliases: None,
            replaced: Vec::new(),
            waiting: Vec::new(),
            here_open: None,
            expecting: b"",
        }
    }

    /// With aliases, as an interactive shell reads.
    pub(crate) fn with_aliases(mut self, aliases: &'a BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        self.aliases = Some(aliases);
        self.interactive = true;
        self
    }

    /// Line of what has not been read.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// The line of text that `pos` stands in, for error messages.
    pub(crate) fn line_text(&self, line: u32) -> Vec<u8> {
        let back = usize::try_from(self.line.saturating_sub(line)).unwrap_or(0);
        let upto = self.src.get(..self.pos.min(self.src.len())).unwrap_or_default();
        let mut start = upto.iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
        if start == upto.len() && start > 0 && back == 0 && self.src.get(start).is_none() {
            start = upto.get(..start - 1).and_then(|u| u.iter().rposition(|&b| b == b'\n')).map_or(0, |p| p + 1);
        }
        let end = self.src.get(start..).and_then(|rest| rest.iter().position(|&b| b == b'\n')).map_or(self.src.len(), |p| start + p);
        self.text(start, end)
    }

    /// The next complete command line; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<List>, Flaw> {
        loop {
            self.blanks();
            match self.peek() {
                None => return Ok(None),
                Some(b'\n') => self.newline(),
                _ => break,
            }
        }
        let mut out = List::new();
        loop {
            self.blanks();
            match self.peek() {
                None => break,
                Some(b'\n') => {
                    self.newline();
                    break;
                }
                _ => out.push(Arc::new(self.item()?)),
            }
        }
        if !self.waiting.is_empty() {
            self.here_bodies();
        }
        Ok(Some(out))
    }

    /// All commands to the end.
    pub(crate) fn all(&mut self) -> Result<List, Flaw> {
        let mut out = List::new();
        while let Some(list) = self.next_line()? {
            out.extend(list);
        }
        Ok(out)
    }

    pub(super) fn text(&self, from: usize, to: usize) -> Vec<u8> {
        self.src.get(from..to).unwrap_or_default().to_vec()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.src.get(self.pos).copied()
    }

    pub(super) fn at(&self, ahead: usize) -> Option<u8> {
        self.src.get(self.pos + ahead).copied()
    }

    pub(super) fn deeper(&mut self) -> Result<(), Flaw> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Flaw::Message("memory exhausted".into(), self.line)) } else { Ok(()) }
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.pos += 1,
                Some(b'\\') if self.at(1) == Some(b'\n') => {
                    self.pos += 2;
                    self.line += 1;
                }
                Some(b'#') => {
                    while self.peek().is_some_and(|c| c != b'\n') {
                        self.pos += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn newline(&mut self) {
        self.pos += 1;
        self.line += 1;
        self.here_bodies();
    }

    fn newlines(&mut self) {
        loop {
            self.blanks();
            if self.peek() == Some(b'\n') {
                self.newline();
            } else {
                return;
            }
        }
    }

    fn here_bodies(&mut self) {
        for (delimiter, quoted, strip, at_line, slot) in std::mem::take(&mut self.waiting) {
            let mut body = Vec::new();
            let mut ended = false;
            while self.pos < self.src.len() {
                let end = self
                    .src
                    .get(self.pos..)
                    .and_then(|rest| rest.iter().position(|&b| b == b'\n'))
                    .map_or(self.src.len(), |p| self.pos + p);
                let mut line = self.text(self.pos, end);
                self.pos = (end + 1).min(self.src.len());
                self.line += 1;
                if strip {
                    let tabs = line.iter().take_while(|&&b| b == b'\t').count();
                    line.drain(..tabs);
                }
                if line == delimiter {
                    ended = true;
                    break;
                }
                body.extend_from_slice(&line);
                body.push(b'\n');
            }
            if !ended {
                self.here_open = Some((at_line, delimiter));
            }
            let _ = slot.set(here_word(body, quoted));
        }
    }

    // --- commands

    fn item(&mut self) -> Result<Item, Flaw> {
        self.blanks();
        let start = self.pos;
        let first = self.pipe()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let and = match (self.peek(), self.at(1)) {
                (Some(b'&'), Some(b'&')) => true,
                (Some(b'|'), Some(b'|')) => false,
                _ => break,
            };
            self.pos += 2;
            self.newlines();
            if self.peek().is_none() {
                return Err(Flaw::Incomplete(0, self.line));
            }
            rest.push((and, self.pipe()?));
        }
        let text = self.src.get(start..self.pos).unwrap_or_default().trim_ascii().into();
        let mut background = false;
        self.blanks();
        match self.peek() {
            Some(b';') if self.at(1) != Some(b';') && self.at(1) != Some(b'&') => self.pos += 1,
            Some(b'&') if self.at(1) != Some(b'>') => {
                background = true;
                self.pos += 1;
            }
            None | Some(b'\n' | b')' | b';') => {}
            Some(_) => return Err(self.unexpected()),
        }
        if self.peek() == Some(b';') && background {
            return Err(self.unexpected());
        }
        Ok(Item { first, rest, background, text })
    }

    fn pipe(&mut self) -> Result<Pipe, Flaw> {
        let mut out = Pipe { bang: false, timed: false, portable: false, parts: Vec::new() };
        loop {
            self.blanks();
            if self.peek() == Some(b'!') && self.at(1).is_none_or(|c| matches!(c, b' ' | b'\t' | b'\n' | b'(')) {
                self.pos += 1;
                out.bang = !out.bang;
            } else if self.word_is(b"time") {
                self.pos += 4;
                out.timed = true;
                self.blanks();
                if self.src.get(self.pos..self.pos + 2) == Some(b"-p") && self.at(2).is_none_or(is_meta) {
                    self.pos += 2;
                    out.portable = true;
                }
                self.blanks();
                if matches!(self.peek(), None | Some(b'\n' | b';')) {
                    out.parts.push(Cmd::Simple(Simple { line: self.line, ..Simple::default() }));
                    return Ok(out);
                }
            } else {
                break;
            }
        }
        loop {
            let mut cmd = self.command()?;
            self.blanks();
            if self.peek() == Some(b'|') && self.at(1) != Some(b'|') {
                self.pos += 1;
                if self.peek() == Some(b'&') {
                    self.pos += 1;
                    let dup = Redir { fd: Some(2), op: RedirOp::DupOut, target: vec![Part::Lit(b"1".to_vec())], here: None };
                    match &mut cmd {
                        Cmd::Simple(s) => s.redirs.push(dup),
                        Cmd::Compound(_, redirs, _) => redirs.push(dup),
                        Cmd::Function(..) => {}
                    }
                }
                out.parts.push(cmd);
                self.newlines();
                if self.peek().is_none() {
                    return Err(Flaw::Incomplete(0, self.line));
                }
            } else {
                out.parts.push(cmd);
                return Ok(out);
            }
        }
    }

    /// Whether the unquoted word here is exactly `word`.
    fn word_is(&self, word: &[u8]) -> bool {
        self.src.get(self.pos..).is_some_and(|rest| rest.starts_with(word) && rest.get(word.len()).is_none_or(|&c| is_meta(c)))
    }

    fn plain_word_here(&self) -> Vec<u8> {
        let rest = self.src.get(self.pos..).unwrap_or_default();
        let end = rest.iter().position(|&c| is_meta(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_vec()
    }

    fn unexpected(&self) -> Flaw {
        let rest = self.src.get(self.pos..).unwrap_or_default();
        let token: Vec<u8> = match rest {
            [] => return Flaw::Incomplete(0, self.line),
            [b'\n', ..] => b"newline".to_vec(),
            [b';', b';', b'&', ..] => b";;&".to_vec(),
            [b'<', b'<', b'<', ..] => b"<<<".to_vec(),
            [a, b, ..]
                if matches!(
                    (a, b),
                    (b';', b';')
                        | (b'&', b'&')
                        | (b'|', b'|')
                        | (b'<', b'<')
                        | (b'>', b'>')
                        | (b';', b'&')
                        | (b'|', b'&')
                        | (b'&', b'>')
                        | (b'<', b'>')
                        | (b'>', b'|')
                        | (b'<', b'&')
                        | (b'>', b'&')
                ) =>
            {
                vec![*a, *b]
            }
            [c, ..] if is_meta(*c) => vec![*c],
            _ => self.plain_word_here(),
        };
        Flaw::Token(token, self.line)
    }

    fn command(&mut self) -> Result<Cmd, Flaw> {
        self.deeper()?;
        let out = self.command_inner();
        self.depth -= 1;
        out
    }

    fn command_inner(&mut self) -> Result<Cmd, Flaw> {
        self.blanks();
        self.alias();
        let line = self.line;
        let start = self.pos;
        let compound = match self.peek() {
            None => return Err(Flaw::Incomplete(0, self.line)),
            Some(b'(') if self.at(1) == Some(b'(') => {
                let saved = (self.pos, self.line);
                match self.arith_text() {
                    Some(text) => Some(Compound::Arith(Self::whole(&text)?)),
                    None => {
                        (self.pos, self.line) = saved;
                        Some(self.subshell()?)
                    }
                }
            }
            Some(b'(') => Some(self.subshell()?),
            Some(b')' | b'\n' | b';' | b'&' | b'|') if !(self.peek() == Some(b'&') && self.at(1) == Some(b'>')) => {
                return Err(self.unexpected());
            }
            _ => {
                let word = self.plain_word_here();
                match word.as_slice() {
                    b"{" => {
                        self.pos += 1;
                        let list = self.list_until(b"}")?;
                        self.keyword(b"}")?;
                        Some(Compound::Group(list))
                    }
                    b"if" => Some(self.if_()?),
                    b"for" => Some(self.for_()?),
                    b"while" | b"until" => {
                        self.pos += 5;
                        let cond = self.list_until(b"do")?;
                        self.keyword(b"do")?;
                        let body = self.list_until(b"done")?;
                        self.keyword(b"done")?;
                        Some(Compound::While(word == b"until", cond, body))
                    }
                    b"case" => Some(self.case()?),
                    b"[[" => {
                        self.pos += 2;
                        let test = self.test_or()?;
                        self.newlines();
                        if !self.word_is(b"]]") {
                            return Err(if self.peek().is_none() { Flaw::Incomplete(0, self.line) } else { self.cond_flaw() });
                        }
                        self.pos += 2;
                        Some(Compound::Cond(test))
                    }
                    b"function" => return self.function_keyword(),
                    w if RESERVED_END.contains(&w) => return Err(self.unexpected()),
                    _ => None,
                }
            }
        };
        if let Some(compound) = compound {
            let mut redirs = Vec::new();
            loop {
                self.blanks();
                match self.redir()? {
                    Some(r) => redirs.push(r),
                    None => break,
                }
            }
            if !self.peek().is_none_or(|c| matches!(c, b'\n' | b';' | b'&' | b'|' | b')')) && !self.ends_here() {
                return Err(self.unexpected());
            }
            return Ok(Cmd::Compound(Box::new(compound), redirs, line));
        }
        self.simple(start, line)
    }

    fn ends_here(&self) -> bool {
        let word = self.plain_word_here();
        RESERVED_END.contains(&word.as_slice())
    }

    fn cond_flaw(&self) -> Flaw {
        Flaw::Token(self.plain_word_here(), self.line)
    }

    fn alias(&mut self) {
        let Some(aliases) = self.aliases else { return };
        for _ in 0..20 {
            let word = self.plain_word_here();
            let pos = self.pos;
            self.replaced.retain(|(_, end)| *end > pos);
            if word.is_empty() || self.replaced.iter().any(|(name, _)| *name == word) {
                return;
            }
            let Some(with) = aliases.get(&word) else { return };
            let grow = with.len();
            self.src.splice(self.pos..self.pos + word.len(), with.iter().copied());
            for (_, end) in &mut self.replaced {
                *end = *end + grow - word.len();
            }
            self.replaced.push((word, self.pos + grow));
            self.blanks();
        }
    }

    fn keyword(&mut self, word: &[u8]) -> Result<(), Flaw> {
        self.newlines();
        if self.word_is(word) {
            self.pos += word.len();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Commands up to a closing word or parenthesis, which is left.
    pub(super) fn list_until(&mut self, end: &'static [u8]) -> Result<List, Flaw> {
        self.deeper()?;
        let out = self.list_until_inner(end);
        self.depth -= 1;
        out
    }

    fn list_until_inner(&mut self, end: &'static [u8]) -> Result<List, Flaw> {
        let mut out = List::new();
        loop {
            self.newlines();
            match self.peek() {
                None => {
                    self.expecting = if end == b";;" { b";;" } else { end };
                    return Err(Flaw::Incomplete(0, self.line));
                }
                Some(b')') => {
                    if end == b")" {
                        return Ok(out);
                    }
                    return Err(self.unexpected());
                }
                Some(b';') if self.at(1) == Some(b';') || self.at(1) == Some(b'&') => {
                    if end == b";;" {
                        return Ok(out);
                    }
                    return Err(self.unexpected());
                }
                _ => {}
            }
            let word = self.plain_word_here();
            let closes = match end {
                b")" => false,
                b"then" => word == b"then",
                b"fi" => matches!(word.as_slice(), b"fi" | b"else" | b"elif"),
                b";;" => word == b"esac",
                other => word == other,
            };
            if closes {
                if out.is_empty() && end != b";;" {
                    return Err(self.unexpected());
                }
                return Ok(out);
            }
            out.push(Arc::new(self.item()?));
        }
    }

    fn subshell(&mut self) -> Result<Compound, Flaw> {
        let line = self.line;
        self.pos += 1;
        let list = self.list_until(b")").map_err(|f| f.in_sub(line))?;
        if list.is_empty() {
            return Err(self.unexpected());
        }
        self.close_paren()?;
        Ok(Compound::Sub(Arc::new(list)))
    }

    fn if_(&mut self) -> Result<Compound, Flaw> {
        self.pos += 2;
        let mut arms = Vec::new();
        let mut other = None;
        let cond = self.list_until(b"then")?;
        self.keyword(b"then")?;
        arms.push((cond, self.list_until(b"fi")?));
        loop {
            self.newlines();
            if self.word_is(b"elif") {
                self.pos += 4;
                let cond = self.list_until(b"then")?;
                self.keyword(b"then")?;
                arms.push((cond, self.list_until(b"fi")?));
            } else if self.word_is(b"else") {
                self.pos += 4;
                other = Some(self.list_until(b"fi")?);
                self.keyword(b"fi")?;
                return Ok(Compound::If(arms, other));
            } else {
                self.keyword(b"fi")?;
                return Ok(Compound::If(arms, other));
            }
        }
    }

    fn for_(&mut self) -> Result<Compound, Flaw> {
        self.pos += 3;
        self.blanks();
        if self.peek() == Some(b'(') && self.at(1) == Some(b'(') {
            let text = self.arith_text().ok_or(Flaw::Incomplete(0, self.line))?;
            let parts: Vec<&[u8]> = text.split(|&b| b == b';').collect();
            let [init, cond, step] = parts.as_slice() else { return Err(self.unexpected()) };
            let (init, cond, step) = (Self::whole(init)?, Self::whole(cond)?, Self::whole(step)?);
            self.blanks();
            if self.peek() == Some(b';') {
                self.pos += 1;
            }
            let body = self.do_body()?;
            return Ok(Compound::ForArith(init, cond, step, body));
        }
        let name = self.plain_word_here();
        if name.is_empty() {
            return Err(if self.peek().is_none() { Flaw::Token(b"newline".to_vec(), self.line) } else { self.unexpected() });
        }
        if !name.first().is_some_and(|&c| is_name_start(c)) || !name.iter().all(|&c| is_name(c)) {
            return Err(Flaw::Message(format!("`{}': not a valid identifier", String::from_utf8_lossy(&name)), self.line));
        }
        self.pos += name.len();
        self.newlines();
        let words = if self.word_is(b"in") {
            self.pos += 2;
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    None => return Err(Flaw::Incomplete(0, self.line)),
                    Some(b'\n' | b';') => break,
                    Some(c) if is_meta(c) && !(matches!(c, b'<' | b'>') && self.at(1) == Some(b'(')) => return Err(self.unexpected()),
                    _ => words.push(self.parts(Mode::Plain, b"")?),
                }
            }
            if self.peek() == Some(b';') {
                self.pos += 1;
            }
            Some(words)
        } else {
            if self.peek() == Some(b';') {
                self.pos += 1;
            }
            None
        };
        let body = self.do_body()?;
        Ok(Compound::For(name, words, body))
    }

    fn do_body(&mut self) -> Result<List, Flaw> {
        self.newlines();
        if self.word_is(b"{") {
            self.pos += 1;
            let body = self.list_until(b"}")?;
            self.keyword(b"}")?;
            return Ok(body);
        }
        self.keyword(b"do")?;
        let body = self.list_until(b"done")?;
        self.keyword(b"done")?;
        Ok(body)
    }

    fn case(&mut self) -> Result<Compound, Flaw> {
        self.pos += 4;
        self.newlines();
        let word = self.parts(Mode::Plain, b"")?;
        if word.is_empty() {
            return Err(self.unexpected());
        }
        self.keyword(b"in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.word_is(b"esac") {
                self.pos += 4;
                return Ok(Compound::Case(word, arms));
            }
            if self.peek() == Some(b'(') {
                self.pos += 1;
            }
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                let pattern = self.parts(Mode::Plain, b"")?;
                if pattern.is_empty() {
                    return Err(self.unexpected());
                }
                patterns.push(pattern);
                self.blanks();
                match self.peek() {
                    Some(b'|') => self.pos += 1,
                    Some(b')') => {
                        self.pos += 1;
                        break;
                    }
                    _ => return Err(self.unexpected()),
                }
            }
            let body = self.list_until(b";;")?;
            let mut end = ArmEnd::Break;
            match (self.peek(), self.at(1), self.at(2)) {
                (Some(b';'), Some(b';'), Some(b'&')) => {
                    self.pos += 3;
                    end = ArmEnd::Next;
                }
                (Some(b';'), Some(b';'), _) => self.pos += 2,
                (Some(b';'), Some(b'&'), _) => {
                    self.pos += 2;
                    end = ArmEnd::Fall;
                }
                _ => {}
            }
            arms.push(Arm { patterns, body, end });
        }
    }

    fn function_keyword(&mut self) -> Result<Cmd, Flaw> {
        let start = self.pos;
        self.pos += 8;
        self.blanks();
        let name = self.plain_word_here();
        if name.is_empty() {
            return Err(self.unexpected());
        }
        self.pos += name.len();
        self.blanks();
        if self.peek() == Some(b'(') && self.at(1) == Some(b')') {
            self.pos += 2;
        }
        self.function_body(name, start)
    }

    fn function_body(&mut self, name: Vec<u8>, start: usize) -> Result<Cmd, Flaw> {
        self.newlines();
        let body = self.command()?;
        if matches!(body, Cmd::Simple(_)) {
            return Err(self.unexpected());
        }
        let text = self.text(start, self.pos);
        Ok(Cmd::Function(name, Arc::new(Function { body, text })))
    }

    fn simple(&mut self, start: usize, line: u32) -> Result<Cmd, Flaw> {
        let mut out = Simple { line, ..Simple::default() };
        loop {
            self.blanks();
            if let Some(redir) = self.redir()? {
                out.redirs.push(redir);
                continue;
            }
            let Some(c) = self.peek() else { break };
            if is_meta(c) && !(matches!(c, b'<' | b'>') && self.at(1) == Some(b'(')) {
                if c == b'(' && out.words.len() == 1 && out.assigns.is_empty() && out.redirs.is_empty() {
                    let saved = self.pos;
                    self.pos += 1;
                    self.blanks();
                    if self.peek() == Some(b')') {
                        self.pos += 1;
                        let name = match out.words.pop().as_deref() {
                            Some([Part::Lit(name)]) => name.clone(),
                            _ => {
                                self.pos = saved;
                                return Err(self.unexpected());
                            }
                        };
                        return self.function_body(name, start);
                    }
                    if self.peek().is_none() {
                        return Err(Flaw::Token(b"newline".to_vec(), self.line));
                    }
                    return Err(self.unexpected());
                }
                if c == b'(' {
                    return Err(self.unexpected());
                }
                break;
            }
            if let Some(assign) = self.assign(out.words.is_empty(), &out)? {
                if out.words.is_empty() {
                    out.assigns.push(assign);
                } else {
                    out.words.push(declared(assign));
                }
                continue;
            }
            let word = self.parts(Mode::Plain, b"")?;
            out.words.push(word);
        }
        Ok(Cmd::Simple(out))
    }

    /// `name=value`, `name+=value`, `name[i]=value`, `name=(…)`. After a command word only the array form
    /// is an assignment (for `declare a=(…)`).
    fn assign(&mut self, leading: bool, so_far: &Simple) -> Result<Option<Assign>, Flaw> {
        let rest = self.src.get(self.pos..).unwrap_or_default();
        if !rest.first().is_some_and(|&c| is_name_start(c)) {
            return Ok(None);
        }
        let len = rest.iter().position(|&c| !is_name(c)).unwrap_or(rest.len());
        let mut at = self.pos + len;
        let mut index = None;
        let saved = (self.pos, self.line);
        if self.src.get(at) == Some(&b'[') {
            let mut depth = 0;
            let mut end = at;
            loop {
                match self.src.get(end) {
                    None | Some(b'\n') => return Ok(None),
                    Some(b'[') => depth += 1,
                    Some(b']') => {
                        depth -= 1;
                        if depth == 0 {
                            break;
                        }
                    }
                    _ => {}
                }
                end += 1;
            }
            if !matches!((self.src.get(end + 1), self.src.get(end + 2)), (Some(b'='), _) | (Some(b'+'), Some(b'='))) {
                return Ok(None);
            }
            index = Some(Self::whole(&self.text(at + 1, end))?);
            at = end + 1;
        }
        let append = self.src.get(at) == Some(&b'+') && self.src.get(at + 1) == Some(&b'=');
        if append {
            at += 1;
        }
        if self.src.get(at) != Some(&b'=') {
            return Ok(None);
        }
        at += 1;
        let array = self.src.get(at) == Some(&b'(') && index.is_none();
        if !leading {
            let declares = matches!(so_far.words.first().map(Vec::as_slice), Some([Part::Lit(w)]) if matches!(w.as_slice(), b"declare" | b"typeset" | b"local" | b"export" | b"readonly"));
            if !(array && declares) {
                return Ok(None);
            }
        }
        let name = self.text(self.pos, self.pos + len);
        self.pos = at;
        if array {
            self.pos += 1;
            let mut items = Vec::new();
            loop {
                self.newlines();
                match self.peek() {
                    None => return Err(Flaw::eof(b')', saved.1)),
                    Some(b')') => {
                        self.pos += 1;
                        break;
                    }
                    Some(b'[') => {
                        let end = self.src.get(self.pos..).and_then(|r| r.windows(2).position(|w| w == b"]=")).map(|p| self.pos + p);
                        let line_end = self
                            .src
                            .get(self.pos..)
                            .and_then(|r| r.iter().position(|&c| is_meta(c)))
                            .map_or(self.src.len(), |p| self.pos + p);
                        if let Some(end) = end.filter(|&e| e < line_end) {
                            let key = Self::whole(&self.text(self.pos + 1, end))?;
                            self.pos = end + 2;
                            items.push((Some(key), self.parts(Mode::Plain, b"")?));
                            continue;
                        }
                        items.push((None, self.parts(Mode::Plain, b"")?));
                    }
                    Some(c) if is_meta(c) => return Err(self.unexpected()),
                    _ => items.push((None, self.parts(Mode::Plain, b"")?)),
                }
            }
            return Ok(Some(Assign { name, index, append, value: Value::Many(items) }));
        }
        let value = self.parts(Mode::Plain, b"")?;
        Ok(Some(Assign { name, index, append, value: Value::One(value) }))
    }

    fn redir(&mut self) -> Result<Option<Redir>, Flaw> {
        let start = self.pos;
        let mut at = self.pos;
        while self.src.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        let fd = if at > start {
            if !matches!(self.src.get(at), Some(b'<' | b'>')) {
                return Ok(None);
            }
            std::str::from_utf8(&self.text(start, at)).ok().and_then(|t| t.parse().ok())
        } else {
            None
        };
        let get = |n: usize| self.src.get(at + n).copied();
        let (op, len) = match (get(0), get(1), get(2)) {
            (Some(b'&'), Some(b'>'), Some(b'>')) if fd.is_none() => (RedirOp::BothAppend, 3),
            (Some(b'&'), Some(b'>'), _) if fd.is_none() => (RedirOp::Both, 2),
            (Some(b'<'), Some(b'<'), Some(b'<')) => (RedirOp::HereString, 3),
            (Some(b'<'), Some(b'<'), Some(b'-')) => (RedirOp::Here, 3),
            (Some(b'<'), Some(b'<'), _) => (RedirOp::Here, 2),
            (Some(b'<'), Some(b'&'), _) => (RedirOp::DupIn, 2),
            (Some(b'<'), Some(b'>'), _) => (RedirOp::ReadWrite, 2),
            (Some(b'<'), Some(b'('), _) => return Ok(None),
            (Some(b'<'), ..) => (RedirOp::In, 1),
            (Some(b'>'), Some(b'>'), _) => (RedirOp::Append, 2),
            (Some(b'>'), Some(b'&'), _) => (RedirOp::DupOut, 2),
            (Some(b'>'), Some(b'|'), _) => (RedirOp::Clobber, 2),
            (Some(b'>'), Some(b'('), _) => return Ok(None),
            (Some(b'>'), ..) => (RedirOp::Out, 1),
            _ => return Ok(None),
        };
        let strip = op == RedirOp::Here && len == 3;
        self.pos = at + len;
        self.blanks();
        if self.peek().is_none_or(|c| is_meta(c) && !(matches!(c, b'<' | b'>') && self.at(1) == Some(b'('))) {
            return Err(match self.peek() {
                None => Flaw::Token(b"newline".to_vec(), self.line),
                _ => self.unexpected(),
            });
        }
        if op == RedirOp::Here {
            let from = self.pos;
            let word = self.parts(Mode::Plain, b"")?;
            let raw = self.text(from, self.pos);
            let quoted = raw.iter().any(|c| matches!(c, b'\'' | b'"' | b'\\'));
            let slot = Arc::new(OnceLock::new());
            self.waiting.push((flat(&word), quoted, strip, self.line, Arc::clone(&slot)));
            return Ok(Some(Redir { fd, op, target: Word::new(), here: Some(slot) }));
        }
        let target = self.parts(Mode::Plain, b"")?;
        Ok(Some(Redir { fd, op, target, here: None }))
    }

    // --- [[ ]]

    fn test_or(&mut self) -> Result<Test, Flaw> {
        self.deeper()?;
        let mut left = self.test_and()?;
        loop {
            self.newlines();
            if self.peek() == Some(b'|') && self.at(1) == Some(b'|') {
                self.pos += 2;
                left = Test::Or(Box::new(left), Box::new(self.test_and()?));
            } else {
                self.depth -= 1;
                return Ok(left);
            }
        }
    }

    fn test_and(&mut self) -> Result<Test, Flaw> {
        let mut left = self.test_one()?;
        loop {
            self.newlines();
            if self.peek() == Some(b'&') && self.at(1) == Some(b'&') {
                self.pos += 2;
                left = Test::And(Box::new(left), Box::new(self.test_one()?));
            } else {
                return Ok(left);
            }
        }
    }

    fn test_one(&mut self) -> Result<Test, Flaw> {
        self.newlines();
        if self.peek() == Some(b'!') && self.at(1).is_some_and(|c| matches!(c, b' ' | b'\t' | b'\n')) {
            self.pos += 1;
            self.deeper()?;
            let inner = self.test_one()?;
            self.depth -= 1;
            return Ok(Test::Not(Box::new(inner)));
        }
        if self.peek() == Some(b'(') {
            self.pos += 1;
            let inner = self.test_or()?;
            self.newlines();
            self.close_paren()?;
            return Ok(inner);
        }
        let raw = self.plain_word_here();
        if let [b'-', op] = raw.as_slice()
            && b"abcdefghknoprstuvwxzGLNORS".contains(op)
        {
            let op = *op;
            let saved = self.pos;
            self.pos += 2;
            self.blanks();
            if self.peek().is_some_and(|c| !is_meta(c)) && !self.word_is(b"]]") {
                let word = self.parts(Mode::Plain, b"")?;
                return Ok(Test::Unary(op, word));
            }
            self.pos = saved;
        }
        if self.word_is(b"]]") {
            return Err(self.unexpected());
        }
        let left = self.parts(Mode::Plain, b"")?;
        if left.is_empty() {
            return Err(self.unexpected());
        }
        self.blanks();
        let op: Vec<u8> = match self.peek() {
            Some(c @ (b'<' | b'>')) => {
                self.pos += 1;
                vec![c]
            }
            _ => {
                let word = self.plain_word_here();
                if matches!(
                    word.as_slice(),
                    b"=" | b"==" | b"!=" | b"=~" | b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" | b"-nt" | b"-ot" | b"-ef"
                ) {
                    self.pos += word.len();
                    word
                } else {
                    return Ok(Test::Word(left));
                }
            }
        };
        self.blanks();
        let mode = if op == b"=~" { Mode::Regex } else { Mode::Plain };
        let right = self.parts(mode, b"")?;
        Ok(Test::Binary(op, left, right))
    }
}

/// `declare a=(…)` carries its array through as a word that `declare` recognises.
fn declared(assign: Assign) -> Word {
    vec![Part::Lit(assign.name.clone()), Part::Lit(b"=".to_vec()), Part::Array(Arc::new(assign))]
}

fn here_word(body: Vec<u8>, quoted: bool) -> Word {
    if quoted {
        return vec![Part::Quoted(body)];
    }
    match Parser::whole(&body) {
        Ok(word) => vec![Part::Double(word)],
        Err(_) => vec![Part::Quoted(body)],
    }
}

fn flat(word: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in word {
        match part {
            Part::Lit(text) | Part::Quoted(text) => out.extend_from_slice(text),
            Part::Double(inner) => out.extend(flat(inner)),
            Part::Param(p) => {
                out.push(b'$');
                out.extend_from_slice(&p.name);
            }
            _ => {}
        }
    }
    out
}

impl Parser<'_> {
    /// Whether the text ends with a newline.
    pub(crate) fn ends_with_newline(&self) -> bool {
        self.src.last() == Some(&b'\n')
    }
}
