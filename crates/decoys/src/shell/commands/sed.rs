//! `sed`: addresses, `s y p d q a i c n N D P g G h H x = l r w b t : { }`.

use regex::bytes::Regex;
use std::collections::BTreeMap;

use super::{
    opts::{parse, text},
    regex::{Kind, compile},
};
use crate::shell::{Errno, WriteMode, proc::Proc};

enum Addr {
    Line(u64),
    Last,
    Re(Regex),
    Step(u64, u64),
    Plus(u64),
}

enum Op {
    Sub { re: Option<Regex>, with: Vec<Piece>, global: bool, nth: u64, print: bool, file: Option<Vec<u8>> },
    Map(Vec<u8>, Vec<u8>),
    Simple(u8),
    Text(u8, Vec<u8>),
    Read(Vec<u8>),
    Write(Vec<u8>),
    Jump(u8, String),
    Label,
    Open(usize),
    Close,
    Quit(u8, i32),
}

#[derive(Clone)]
enum Piece {
    Lit(Vec<u8>),
    Group(usize),
    Case(u8),
}

struct Cmd {
    from: Option<Addr>,
    to: Option<Addr>,
    negate: bool,
    op: Op,
    active: bool,
    until: u64,
}

struct Script<'a> {
    src: &'a [u8],
    at: usize,
    kind: Kind,
    cmds: Vec<Cmd>,
    labels: BTreeMap<String, usize>,
    open: Vec<usize>,
}

impl Script<'_> {
    fn peek(&self) -> Option<u8> {
        self.src.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|c| c == b' ' || c == b'\t') {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Option<u64> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        std::str::from_utf8(self.src.get(from..self.at)?).ok()?.parse().ok()
    }

    /// Text up to an unescaped delimiter.
    fn until(&mut self, delimiter: u8, regex: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut set = false;
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == b'\\' {
                let n = self.peek()?;
                self.at += 1;
                if n == delimiter && !set {
                    if regex && b".*[]^$+?(){}|/".contains(&n) && n != b'/' && n != b'|' {
                        out.push(b'\\');
                    }
                    out.push(n);
                } else if n == b'n' && regex {
                    out.push(b'\n');
                } else {
                    out.push(b'\\');
                    out.push(n);
                }
                continue;
            }
            if regex && c == b'[' && !set {
                set = true;
                out.push(c);
                if self.peek() == Some(b'^') {
                    out.push(b'^');
                    self.at += 1;
                }
                if self.peek() == Some(b']') {
                    out.push(b']');
                    self.at += 1;
                }
                continue;
            }
            if set && c == b']' {
                set = false;
            }
            if c == delimiter && !set {
                return Some(out);
            }
            if c == b'\n' && regex {
                return None;
            }
            out.push(c);
        }
        None
    }

    fn addr(&mut self) -> Result<Option<Addr>, String> {
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                let n = self.number().unwrap_or(0);
                if self.peek() == Some(b'~') {
                    self.at += 1;
                    let step = self.number().unwrap_or(0);
                    return Ok(Some(Addr::Step(n, step)));
                }
                Ok(Some(Addr::Line(n)))
            }
            Some(b'$') => {
                self.at += 1;
                Ok(Some(Addr::Last))
            }
            Some(c @ (b'/' | b'\\')) => {
                self.at += 1;
                let delimiter = if c == b'\\' {
                    let d = self.peek().ok_or("unexpected `,'")?;
                    self.at += 1;
                    d
                } else {
                    b'/'
                };
                let pattern = self.until(delimiter, true).ok_or("unterminated address regex")?;
                let mut fold = false;
                while matches!(self.peek(), Some(b'I' | b'M')) {
                    fold |= self.peek() == Some(b'I');
                    self.at += 1;
                }
                Ok(Some(Addr::Re(compile(&pattern, self.kind, fold)?)))
            }
            Some(b'+') => {
                self.at += 1;
                Ok(Some(Addr::Plus(self.number().ok_or("expected newer version of sed")?)))
            }
            _ => Ok(None),
        }
    }

    fn rest_of_line(&mut self) -> Vec<u8> {
        let from = self.at;
        while self.peek().is_some_and(|c| c != b'\n') {
            self.at += 1;
        }
        self.src.get(from..self.at).unwrap_or_default().to_vec()
    }

    fn parse(&mut self) -> Result<(), String> {
        loop {
            while self.peek().is_some_and(|c| c.is_ascii_whitespace() || c == b';') {
                self.at += 1;
            }
            let Some(c) = self.peek() else { break };
            if c == b'#' {
                self.rest_of_line();
                continue;
            }
            if self.cmds.len() > 2000 {
                return Err("too many commands".into());
            }
            let from = self.addr()?;
            self.blanks();
            let mut to = None;
            if from.is_some() && self.peek() == Some(b',') {
                self.at += 1;
                self.blanks();
                to = self.addr()?;
                if to.is_none() {
                    return Err("unexpected `,'".into());
                }
            }
            self.blanks();
            let mut negate = false;
            while self.peek() == Some(b'!') {
                negate = true;
                self.at += 1;
                self.blanks();
            }
            let Some(c) = self.peek() else { return Err("missing command".into()) };
            self.at += 1;
            let op = match c {
                b'{' => {
                    self.open.push(self.cmds.len());
                    Op::Open(0)
                }
                b'}' => {
                    let Some(open) = self.open.pop() else { return Err("unexpected `}'".into()) };
                    let end = self.cmds.len();
                    if let Some(Cmd { op: Op::Open(to), .. }) = self.cmds.get_mut(open) {
                        *to = end;
                    }
                    Op::Close
                }
                b's' => {
                    let delimiter = self.peek().ok_or("unterminated `s' command")?;
                    self.at += 1;
                    let pattern = self.until(delimiter, true).ok_or("unterminated `s' command")?;
                    let with = self.until(delimiter, false).ok_or("unterminated `s' command")?;
                    let (mut global, mut nth, mut print, mut fold, mut file) = (false, 0, false, false, None);
                    loop {
                        match self.peek() {
                            Some(b'g') => global = true,
                            Some(b'p') => print = true,
                            Some(b'i' | b'I') => fold = true,
                            Some(b'm' | b'M' | b'e') => {}
                            Some(d) if d.is_ascii_digit() => {
                                nth = self.number().unwrap_or(1);
                                if nth == 0 {
                                    return Err("number option to `s' command may not be zero".into());
                                }
                                continue;
                            }
                            Some(b'w') => {
                                self.at += 1;
                                self.blanks();
                                file = Some(self.rest_of_line());
                                break;
                            }
                            None | Some(b'\n' | b';' | b'}' | b' ' | b'\t' | b'#') => break,
                            Some(_) => return Err("unknown option to `s'".into()),
                        }
                        self.at += 1;
                    }
                    let re = if pattern.is_empty() { None } else { Some(compile(&pattern, self.kind, fold)?) };
                    let groups = re.as_ref().map_or(9, Regex::captures_len);
                    let with = pieces(&with);
                    if let Some(bad) =
                        with.iter().find_map(|p| if let Piece::Group(n) = p { (*n >= groups && *n > 0).then_some(*n) } else { None })
                    {
                        return Err(format!("invalid reference \\{bad} on `s' command's RHS"));
                    }
                    Op::Sub { re, with, global, nth: nth.max(1), print, file }
                }
                b'y' => {
                    let delimiter = self.peek().ok_or("unterminated `y' command")?;
                    self.at += 1;
                    let a = self.until(delimiter, false).ok_or("unterminated `y' command")?;
                    let b = self.until(delimiter, false).ok_or("unterminated `y' command")?;
                    let plain = |t: Vec<u8>| crate::shell::syntax::unescape(&t, crate::shell::syntax::Escapes::Ansi).0;
                    let (a, b) = (plain(a), plain(b));
                    if a.len() != b.len() {
                        return Err("strings for `y' command are different lengths".into());
                    }
                    Op::Map(a, b)
                }
                b'a' | b'i' | b'c' => {
                    self.blanks();
                    if self.peek() == Some(b'\\') {
                        self.at += 1;
                        self.blanks();
                        if self.peek() == Some(b'\n') {
                            self.at += 1;
                        }
                    }
                    let mut body = Vec::new();
                    while let Some(c) = self.peek() {
                        self.at += 1;
                        if c == b'\\' {
                            if let Some(n) = self.peek() {
                                self.at += 1;
                                body.push(n);
                            }
                            continue;
                        }
                        if c == b'\n' {
                            break;
                        }
                        body.push(c);
                    }
                    if body.is_empty() {
                        return Err("expected \\ after `a', `c' or `i'".to_string());
                    }
                    body.push(b'\n');
                    Op::Text(c, body)
                }
                b':' => {
                    self.blanks();
                    let from = self.at;
                    while self.peek().is_some_and(|c| !c.is_ascii_whitespace() && c != b';') {
                        self.at += 1;
                    }
                    let label = text(self.src.get(from..self.at).unwrap_or_default());
                    self.labels.insert(label, self.cmds.len());
                    Op::Label
                }
                b'b' | b't' | b'T' => {
                    self.blanks();
                    let from = self.at;
                    while self.peek().is_some_and(|c| !c.is_ascii_whitespace() && c != b';' && c != b'}') {
                        self.at += 1;
                    }
                    Op::Jump(c, text(self.src.get(from..self.at).unwrap_or_default()))
                }
                b'r' | b'w' => {
                    self.blanks();
                    let name = self.rest_of_line();
                    if c == b'r' { Op::Read(name) } else { Op::Write(name) }
                }
                b'q' | b'Q' => {
                    self.blanks();
                    let code = self.number().and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
                    Op::Quit(c, code)
                }
                b'p' | b'd' | b'D' | b'n' | b'N' | b'P' | b'g' | b'G' | b'h' | b'H' | b'x' | b'=' | b'l' | b'F' | b'z' => Op::Simple(c),
                other => return Err(format!("unknown command: `{}'", char::from(other))),
            };
            if !matches!(op, Op::Text(..) | Op::Label | Op::Open(_)) {
                self.blanks();
                match self.peek() {
                    None | Some(b'\n' | b';' | b'}' | b'#') => {}
                    Some(_) => return Err("extra characters after command".into()),
                }
            }
            self.cmds.push(Cmd { from, to, negate, op, active: false, until: 0 });
        }
        if self.open.is_empty() { Ok(()) } else { Err("unmatched `{'".into()) }
    }
}

fn pieces(with: &[u8]) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut lit = Vec::new();
    let mut it = with.iter();
    let flush = |lit: &mut Vec<u8>, out: &mut Vec<Piece>| {
        if !lit.is_empty() {
            out.push(Piece::Lit(std::mem::take(lit)));
        }
    };
    while let Some(&c) = it.next() {
        match c {
            b'&' => {
                flush(&mut lit, &mut out);
                out.push(Piece::Group(0));
            }
            b'\\' => match it.next() {
                Some(&d) if d.is_ascii_digit() => {
                    flush(&mut lit, &mut out);
                    out.push(Piece::Group(usize::from(d - b'0')));
                }
                Some(b'n') => lit.push(b'\n'),
                Some(b't') => lit.push(b'\t'),
                Some(b'r') => lit.push(b'\r'),
                Some(&k @ (b'U' | b'L' | b'E' | b'u' | b'l')) => {
                    flush(&mut lit, &mut out);
                    out.push(Piece::Case(k));
                }
                Some(&o) => lit.push(o),
                None => lit.push(b'\\'),
            },
            c => lit.push(c),
        }
    }
    flush(&mut lit, &mut out);
    out
}

/// `sed`.
pub(crate) async fn sed(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "Ee:f:i::l:nrsuz",
        &[
            ("quiet", 'n', 0),
            ("silent", 'n', 0),
            ("expression", 'e', 1),
            ("file", 'f', 1),
            ("in-place", 'i', 2),
            ("regexp-extended", 'r', 0),
            ("separate", 's', 0),
            ("unbuffered", 'u', 0),
            ("null-data", 'z', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut rest = o.rest.clone();
    let mut source: Vec<u8> = Vec::new();
    let mut given = false;
    for (c, v) in o.flags() {
        match c {
            'e' => {
                source.extend_from_slice(v.unwrap_or_default());
                source.push(b'\n');
                given = true;
            }
            'f' => {
                let file = v.unwrap_or_default().to_vec();
                given = true;
                let path = p.path(&file);
                match p.fs().read(&p.who, &path) {
                    Ok(b) => {
                        source.extend_from_slice(&b);
                        source.push(b'\n');
                    }
                    Err(e) => {
                        p.err(format!("sed: couldn't open file {}: {e}\n", text(&file))).await;
                        return 1;
                    }
                }
            }
            _ => {}
        }
    }
    if !given {
        if rest.is_empty() {
            p.err("Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n\n").await;
            return 1;
        }
        source = rest.remove(0);
    }
    let kind = if o.has('E') || o.has('r') { Kind::Extended } else { Kind::Basic };
    let mut script = Script { src: &source, at: 0, kind, cmds: Vec::new(), labels: BTreeMap::new(), open: Vec::new() };
    if let Err(e) = script.parse() {
        let at = script.at;
        let shown = if e.starts_with("unmatched") { 0 } else { at };
        p.err(format!("sed: -e expression #1, char {shown}: {e}\n")).await;
        return 1;
    }
    let mut cmds = script.cmds;
    let labels = script.labels;
    for c in &cmds {
        if let Op::Jump(_, label) = &c.op
            && !label.is_empty()
            && !labels.contains_key(label)
        {
            p.err(format!("sed: -e expression #1, char {}: can't find label for jump to `{label}'\n", source.len())).await;
            return 1;
        }
    }
    let in_place = o.flags().find(|(c, _)| *c == 'i').map(|(_, v)| v.map(<[u8]>::to_vec));
    let files = if rest.is_empty() { vec![b"-".to_vec()] } else { rest };
    let separate = in_place.is_some() || o.has('s');
    let mut status = 0;
    let mut hold: Vec<u8> = Vec::new();
    let mut number = 0u64;
    let mut code = None;
    let total = files.len();
    for (nth_file, file) in files.iter().enumerate() {
        if code.is_some() {
            break;
        }
        if file == b"-" {
            if in_place.is_some() {
                p.err("sed: no input files\n").await;
                return 4;
            }
        } else if let Err(e) = p.reopen(file) {
            let line = if e == Errno::EISDIR {
                if in_place.is_some() {
                    format!("sed: couldn't edit {}: not a regular file\n", text(file))
                } else {
                    format!("sed: read error on {}: Is a directory\n", text(file))
                }
            } else {
                format!("sed: can't read {}: {e}\n", text(file))
            };
            p.err(line).await;
            status = if in_place.is_some() && e == Errno::EISDIR { 4 } else { 2 };
            continue;
        }
        if separate {
            number = 0;
        }
        let mut written: Vec<u8> = Vec::new();
        let mut next = p.line().await;
        while let Some(raw) = next.take() {
            number += 1;
            let nl = raw.ends_with(b"\n");
            let mut space = raw.strip_suffix(b"\n").unwrap_or(&raw).to_vec();
            next = p.line().await;
            let last_file = separate || nth_file + 1 == total;
            let mut append: Vec<u8> = Vec::new();
            let mut replaced = false;
            let mut deleted = false;
            let mut steps = 0u32;
            let mut out: Vec<u8> = Vec::new();
            let mut pc = 0;
            let mut missing_nl = !nl;
            'cycle: while let Some(cmd) = cmds.get_mut(pc) {
                steps += 1;
                if steps > 20_000 || space.len() > 4 << 20 {
                    break;
                }
                if steps.is_multiple_of(64) {
                    p.k.pay(8).await;
                }
                let last = next.is_none() && last_file;
                let selected = select(cmd, number, last, &space) != cmd.negate;
                if !selected {
                    if let Op::Open(end) = cmd.op {
                        pc = end;
                    }
                    pc += 1;
                    continue;
                }
                match &cmd.op {
                    Op::Sub { re, with, global, nth, print, file } => {
                        if let Some(re) = re
                            && let Some(new) = substitute(re, with, *global, *nth, &space)
                        {
                            space = new;
                            replaced = true;
                            if *print {
                                out.extend_from_slice(&space);
                                out.push(b'\n');
                            }
                            if let Some(f) = file.clone() {
                                let path = p.path(&f);
                                let line = [space.as_slice(), b"\n"].concat();
                                let _ = p.fs().write(&p.who, &path, &line, WriteMode::Append, 0o644, p.k.now());
                            }
                        }
                    }
                    Op::Map(a, b) => {
                        for c in &mut space {
                            if let Some(n) = a.iter().position(|x| x == c) {
                                *c = b.get(n).copied().unwrap_or(*c);
                            }
                        }
                    }
                    Op::Text(b'a', t) => append.extend_from_slice(t),
                    Op::Text(b'i', t) => out.extend_from_slice(t),
                    Op::Text(_, t) => {
                        if cmd.to.is_none() || !cmd.active || cmd.negate {
                            out.extend_from_slice(t);
                        }
                        deleted = true;
                        break;
                    }
                    Op::Read(f) => {
                        let path = p.path(f);
                        if let Ok(b) = p.fs().read(&p.who, &path) {
                            append.extend_from_slice(&b);
                        }
                    }
                    Op::Write(f) => {
                        let line = [space.as_slice(), b"\n"].concat();
                        if f == b"/dev/stdout" {
                            out.extend_from_slice(&line);
                        } else {
                            let path = p.path(f);
                            let _ = p.fs().write(&p.who, &path, &line, WriteMode::Append, 0o644, p.k.now());
                            p.k.dirty(&path);
                        }
                    }
                    Op::Jump(kind, label) => {
                        let go = match kind {
                            b'b' => true,
                            b't' => std::mem::take(&mut replaced),
                            _ => !std::mem::take(&mut replaced),
                        };
                        if go {
                            if label.is_empty() {
                                break;
                            }
                            pc = labels.get(label).copied().unwrap_or(usize::MAX - 1);
                        }
                    }
                    Op::Quit(kind, status) => {
                        code = Some(*status);
                        if *kind == b'Q' {
                            deleted = true;
                        }
                        break;
                    }
                    Op::Simple(c) => match c {
                        b'p' => {
                            out.extend_from_slice(&space);
                            out.push(b'\n');
                        }
                        b'd' => {
                            deleted = true;
                            break;
                        }
                        b'D' => match space.iter().position(|&b| b == b'\n') {
                            Some(at) => {
                                space.drain(..=at);
                                pc = 0;
                                continue 'cycle;
                            }
                            None => {
                                deleted = true;
                                break;
                            }
                        },
                        b'P' => {
                            out.extend_from_slice(space.split(|&b| b == b'\n').next().unwrap_or_default());
                            out.push(b'\n');
                        }
                        b'n' | b'N' => {
                            if let Some(line) = next.take() {
                                if *c == b'n' {
                                    if !o.has('n') {
                                        out.extend_from_slice(&space);
                                        out.push(b'\n');
                                    }
                                    space.clear();
                                } else {
                                    space.push(b'\n');
                                }
                                missing_nl = !line.ends_with(b"\n");
                                space.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(&line));
                                number += 1;
                                next = p.line().await;
                            } else {
                                break;
                            }
                        }
                        b'g' => space.clone_from(&hold),
                        b'G' => {
                            space.push(b'\n');
                            space.extend_from_slice(&hold);
                        }
                        b'h' => hold.clone_from(&space),
                        b'H' if hold.len() < 4 << 20 => {
                            hold.push(b'\n');
                            hold.extend_from_slice(&space);
                        }
                        b'x' => std::mem::swap(&mut hold, &mut space),
                        b'=' => out.extend(format!("{number}\n").bytes()),
                        b'F' => out.extend([file.as_slice(), b"\n"].concat()),
                        b'z' => space.clear(),
                        b'l' => {
                            for &b in &space {
                                match b {
                                    b'\\' => out.extend_from_slice(b"\\\\"),
                                    b'\t' => out.extend_from_slice(b"\\t"),
                                    b'\n' => out.extend_from_slice(b"\\n"),
                                    b if !(32..127).contains(&b) => out.extend(format!("\\{b:03o}").bytes()),
                                    b => out.push(b),
                                }
                            }
                            out.extend_from_slice(b"$\n");
                        }
                        _ => {}
                    },
                    Op::Open(_) | Op::Close | Op::Label => {}
                }
                pc += 1;
            }
            if !deleted && !o.has('n') {
                out.extend_from_slice(&space);
                let ends_bare = missing_nl && next.is_none() && append.is_empty();
                if !ends_bare {
                    out.push(b'\n');
                }
            }
            out.extend(append);
            if in_place.is_some() {
                if written.len() < 8 << 20 {
                    written.extend(out);
                }
            } else {
                p.out(out);
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
            }
            p.k.pay(1).await;
            if code.is_some() {
                if let (Some(_), Some(n)) = (&in_place, next.take()) {
                    written.extend(n);
                    while let Some(l) = p.line().await {
                        written.extend(l);
                    }
                }
                break;
            }
        }
        if let Some(suffix) = &in_place {
            let path = p.path(file);
            let now = p.k.now();
            if let Some(suffix) = suffix {
                let backup = [path.as_slice(), suffix].concat();
                if let Ok(old) = p.fs().read(&p.who, &path) {
                    let _ = p.fs().write(&p.who, &backup, &old, WriteMode::Truncate, 0o644, now);
                }
            }
            if let Err(e) = p.fs().write(&p.who, &path, &written, WriteMode::Truncate, 0o644, now) {
                let dir = text(crate::shell::fs::parent(&path));
                p.err(format!("sed: couldn't open temporary file {dir}/sedXq3kZv: {e}\n")).await;
                return 4;
            }
            p.k.dirty(&path);
        }
    }
    code.unwrap_or(status)
}

fn hits(addr: &Addr, number: u64, last: bool, space: &[u8]) -> bool {
    match addr {
        Addr::Line(n) => *n == number,
        Addr::Last => last,
        Addr::Re(re) => re.is_match(space),
        Addr::Step(first, step) => {
            if *step == 0 {
                number == *first
            } else {
                number >= *first && (number - first).is_multiple_of(*step)
            }
        }
        Addr::Plus(_) => false,
    }
}

fn select(cmd: &mut Cmd, number: u64, last: bool, space: &[u8]) -> bool {
    let Some(from) = &cmd.from else { return true };
    let Some(to) = &cmd.to else { return hits(from, number, last, space) };
    if cmd.active {
        let end = match to {
            Addr::Line(n) => {
                if number > *n {
                    cmd.active = false;
                    return hits(from, number, last, space);
                }
                number >= *n
            }
            Addr::Plus(_) => number >= cmd.until,
            other => hits(other, number, last, space),
        };
        if end {
            cmd.active = false;
        }
        return true;
    }
    let zero = matches!(from, Addr::Line(0));
    if zero && number == 1 {
        if !hits(to, number, last, space) {
            cmd.active = true;
        }
        return true;
    }
    if hits(from, number, last, space) {
        match to {
            Addr::Line(n) if *n <= number => {}
            Addr::Plus(0) => {}
            Addr::Plus(n) => {
                cmd.until = number + n;
                cmd.active = true;
            }
            Addr::Last if last => {}
            _ => cmd.active = true,
        }
        return true;
    }
    false
}

fn substitute(re: &Regex, with: &[Piece], global: bool, nth: u64, space: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(space.len());
    let mut at = 0;
    let mut seen = 0;
    let mut done = false;
    for caps in re.captures_iter(space) {
        let Some(m) = caps.get(0) else { continue };
        seen += 1;
        if seen < nth {
            continue;
        }
        out.extend_from_slice(space.get(at..m.start()).unwrap_or_default());
        let mut case = 0u8;
        let mut once = 0u8;
        for piece in with {
            let bytes: &[u8] = match piece {
                Piece::Lit(t) => t,
                Piece::Group(n) => caps.get(*n).map_or(b"", |g| g.as_bytes()),
                Piece::Case(k) => {
                    match k {
                        b'u' | b'l' => once = *k,
                        b'E' => case = 0,
                        k => case = *k,
                    }
                    continue;
                }
            };
            for &b in bytes {
                let b = match once {
                    b'u' => b.to_ascii_uppercase(),
                    b'l' => b.to_ascii_lowercase(),
                    _ => match case {
                        b'U' => b.to_ascii_uppercase(),
                        b'L' => b.to_ascii_lowercase(),
                        _ => b,
                    },
                };
                once = 0;
                out.push(b);
            }
        }
        at = m.end();
        done = true;
        if !global || out.len() > 4 << 20 {
            break;
        }
    }
    if !done {
        return None;
    }
    out.extend_from_slice(space.get(at..).unwrap_or_default());
    Some(out)
}
