//! Editing a line at a terminal as readline does: arrows, history, search, completion.

use std::sync::Arc;

use super::{
    fs,
    interp::{Flavor, Sh},
    kernel::{EDITING, Kernel},
    proc::absolute,
};

/// What was typed.
pub(crate) enum Typed {
    Line(Vec<u8>),
    Interrupt,
    Eof,
    Hangup,
}

struct Editor<'a> {
    k: Arc<Kernel>,
    prompt: &'a [u8],
    text: Vec<u8>,
    at: usize,
    yank: Vec<u8>,
    /// Position in the history; its length = the new line.
    row: usize,
    kept: Vec<u8>,
    tabs: u32,
}

/// Longest line.
const LONGEST: usize = 256 * 1024;

enum Key {
    Byte(u8),
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    Delete,
    WordLeft,
    WordRight,
    KillWord,
    BackKillWord,
    Other,
    Interrupt,
    Eof,
    Hangup,
    /// `ESC [ 200 ~`: what follows up to `ESC [ 201 ~` was pasted.
    Paste,
}

/// Tells the terminal to mark what is pasted, and that a line is over.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l\r";

/// Whether readline has the terminal mark pasted text: bash 5.1 and later do, at terminals they know.
fn marks_paste(sh: &Sh) -> bool {
    let d = &sh.k.fs.persona().distro;
    let major = d.version_id.split('.').next().and_then(|v| v.parse::<u32>().ok()).unwrap_or(u32::MAX);
    let recent = match d.id.as_str() {
        "debian" => major >= 12,
        "ubuntu" => major >= 22,
        "rocky" | "rhel" | "almalinux" => major >= 9,
        "centos" => false,
        _ => true,
    };
    let term = sh.vars.str(b"TERM").unwrap_or_default();
    sh.flavor == Flavor::Bash && recent && !matches!(term, b"" | b"dumb" | b"network" | b"unknown")
}

/// Reads one line with a prompt.
pub(crate) async fn line(sh: &mut Sh, prompt: &[u8]) -> Typed {
    let k = Arc::clone(&sh.k);
    k.set_modes(EDITING);
    {
        let mut s = k.state.lock();
        s.interrupt = false;
        s.stop = false;
        if s.eof > 0 && s.typed.is_empty() {
            s.eof = 0;
        }
    }
    let marks = marks_paste(sh);
    if marks {
        k.print(PASTE_ON);
    }
    k.print(prompt);
    let mut e =
        Editor { k: Arc::clone(&k), prompt, text: Vec::new(), at: 0, yank: Vec::new(), row: sh.history.len(), kept: Vec::new(), tabs: 0 };
    loop {
        let key = e.key().await;
        if !matches!(key, Key::Byte(9)) {
            e.tabs = 0;
        }
        match key {
            Key::Hangup => return Typed::Hangup,
            Key::Interrupt => {
                k.print(b"^C");
                if marks {
                    k.print(PASTE_OFF);
                    k.print(PASTE_ON);
                    k.print(PASTE_OFF);
                }
                k.print(b"\n");
                return Typed::Interrupt;
            }
            Key::Paste => {
                let text = e.pasted().await;
                e.insert(&text);
            }
            Key::Eof => return if e.text.is_empty() { Typed::Eof } else { Typed::Line(e.text) },
            Key::Byte(b'\r' | b'\n') => {
                e.end();
                k.print(b"\n");
                if marks {
                    k.print(PASTE_OFF);
                }
                let mut s = k.state.lock();
                s.last_input = s.now;
                return Typed::Line(e.text);
            }
            Key::Byte(4) => {
                if e.text.is_empty() {
                    if marks {
                        k.print(PASTE_OFF);
                        k.print(b"\n");
                    }
                    return Typed::Eof;
                }
                e.delete();
            }
            Key::Byte(1) | Key::Home => e.home(),
            Key::Byte(5) | Key::End => e.end(),
            Key::Byte(2) | Key::Left => e.left(),
            Key::Byte(6) | Key::Right => e.right(),
            Key::Byte(8 | 127) => {
                if e.at > 0 {
                    e.left();
                    e.delete();
                } else {
                    k.print(b"\x07");
                }
            }
            Key::Delete => e.delete(),
            Key::Byte(11) => {
                let cut = e.text.split_off(e.at);
                if !cut.is_empty() {
                    e.yank = cut;
                    k.print(b"\x1b[K");
                }
            }
            Key::Byte(21) => {
                let rest = e.text.split_off(e.at);
                e.yank = std::mem::replace(&mut e.text, rest);
                e.at = 0;
                let text = e.text.clone();
                e.redraw(&text, 0);
            }
            Key::Byte(23) | Key::BackKillWord => {
                let mut from = e.at;
                while from > 0 && e.text.get(from - 1) == Some(&b' ') {
                    from -= 1;
                }
                while from > 0 && e.text.get(from - 1) != Some(&b' ') {
                    from -= 1;
                }
                e.yank = e.text.drain(from..e.at).collect();
                let (text, _) = (e.text.clone(), e.at);
                e.redraw(&text, from);
            }
            Key::KillWord => {
                let mut to = e.at;
                while e.text.get(to) == Some(&b' ') {
                    to += 1;
                }
                while e.text.get(to).is_some_and(|&b| b != b' ') {
                    to += 1;
                }
                e.yank = e.text.drain(e.at..to).collect();
                let (text, at) = (e.text.clone(), e.at);
                e.redraw(&text, at);
            }
            Key::Byte(25) => {
                let yank = e.yank.clone();
                e.insert(&yank);
            }
            Key::Byte(20) => {
                if e.at > 0 && e.text.len() > 1 {
                    let at = e.at.min(e.text.len() - 1);
                    e.text.swap(at - 1, at);
                    let text = e.text.clone();
                    e.redraw(&text, at + 1);
                }
            }
            Key::Byte(12) => {
                k.print(b"\x1b[H\x1b[2J");
                k.print(prompt);
                k.print(&e.text);
                e.back(e.text.len() - e.at);
            }
            Key::Byte(16) | Key::Up => {
                if e.row > 0 {
                    if e.row >= sh.history.len() {
                        e.kept.clone_from(&e.text);
                    }
                    e.row -= 1;
                    let text = sh.history.get(e.row).cloned().unwrap_or_default();
                    let end = text.len();
                    e.redraw(&text, end);
                } else {
                    k.print(b"\x07");
                }
            }
            Key::Byte(14) | Key::Down => {
                if e.row < sh.history.len() {
                    e.row += 1;
                    let text = sh.history.get(e.row).cloned().unwrap_or_else(|| e.kept.clone());
                    let end = text.len();
                    e.redraw(&text, end);
                } else {
                    k.print(b"\x07");
                }
            }
            Key::WordLeft => {
                while e.at > 0 && e.text.get(e.at - 1).is_some_and(|b| !b.is_ascii_alphanumeric()) {
                    e.left();
                }
                while e.at > 0 && e.text.get(e.at - 1).is_some_and(u8::is_ascii_alphanumeric) {
                    e.left();
                }
            }
            Key::WordRight => {
                while e.text.get(e.at).is_some_and(|b| !b.is_ascii_alphanumeric()) {
                    e.right();
                }
                while e.text.get(e.at).is_some_and(u8::is_ascii_alphanumeric) {
                    e.right();
                }
            }
            Key::Byte(18) => {
                if let Some(done) = e.search(sh).await {
                    return done;
                }
            }
            Key::Byte(9) => {
                e.tabs += 1;
                e.complete(sh);
            }
            Key::Byte(22) => {
                if let Key::Byte(b) = e.raw().await {
                    e.insert(&[b]);
                }
            }
            Key::Byte(b) if b >= 32 => e.insert(&[b]),
            Key::Byte(_) | Key::Other => {}
        }
    }
}

impl Editor<'_> {
    async fn raw(&self) -> Key {
        loop {
            let got = std::future::poll_fn(|_| {
                let mut s = self.k.state.lock();
                if s.hangup {
                    return std::task::Poll::Ready(Some(Key::Hangup));
                }
                if std::mem::take(&mut s.interrupt) {
                    return std::task::Poll::Ready(Some(Key::Interrupt));
                }
                if std::mem::take(&mut s.stop) {
                    return std::task::Poll::Ready(None);
                }
                if let Some(b) = s.typed.pop_front() {
                    return std::task::Poll::Ready(Some(Key::Byte(b)));
                }
                if s.closed {
                    return std::task::Poll::Ready(Some(Key::Eof));
                }
                std::task::Poll::Pending
            })
            .await;
            if let Some(key) = got {
                self.k.moved();
                return key;
            }
        }
    }

    async fn key(&self) -> Key {
        let key = self.raw().await;
        if !matches!(key, Key::Byte(27)) {
            return key;
        }
        match self.raw().await {
            Key::Byte(b'[') | Key::Byte(b'O') => {
                let mut number = Vec::new();
                loop {
                    match self.raw().await {
                        Key::Byte(c) if c.is_ascii_digit() || c == b';' => {
                            number.push(c);
                            if number.len() > 16 {
                                return Key::Other;
                            }
                        }
                        Key::Byte(c) => {
                            let word = number.ends_with(b";5") || number.ends_with(b";3");
                            return match c {
                                b'A' => Key::Up,
                                b'B' => Key::Down,
                                b'C' if word => Key::WordRight,
                                b'D' if word => Key::WordLeft,
                                b'C' => Key::Right,
                                b'D' => Key::Left,
                                b'H' => Key::Home,
                                b'F' => Key::End,
                                b'~' => match number.as_slice() {
                                    b"1" | b"7" => Key::Home,
                                    b"4" | b"8" => Key::End,
                                    b"3" => Key::Delete,
                                    b"200" => Key::Paste,
                                    _ => Key::Other,
                                },
                                _ => Key::Other,
                            };
                        }
                        other => return other,
                    }
                }
            }
            Key::Byte(b'b') => Key::WordLeft,
            Key::Byte(b'f') => Key::WordRight,
            Key::Byte(b'd') => Key::KillWord,
            Key::Byte(8 | 127) => Key::BackKillWord,
            Key::Byte(_) => Key::Other,
            other => other,
        }
    }

    /// Everything up to the mark that ends a paste; a carriage return is a new line in it.
    async fn pasted(&self) -> Vec<u8> {
        const END: &[u8] = b"\x1b[201~";
        let mut text = Vec::new();
        while text.len() < LONGEST {
            let Key::Byte(b) = self.raw().await else { break };
            text.push(if b == b'\r' { b'\n' } else { b });
            if text.ends_with(END) {
                text.truncate(text.len() - END.len());
                break;
            }
        }
        text
    }

    fn back(&self, n: usize) {
        if n > 0 {
            self.k.print(&vec![8; n.min(LONGEST)]);
        }
    }

    fn left(&mut self) {
        if self.at > 0 {
            self.at -= 1;
            self.k.print(&[8]);
        }
    }

    fn right(&mut self) {
        if let Some(&b) = self.text.get(self.at) {
            self.at += 1;
            self.k.print(&[b]);
        }
    }

    fn home(&mut self) {
        self.back(self.at);
        self.at = 0;
    }

    fn end(&mut self) {
        self.k.print(self.text.get(self.at..).unwrap_or_default());
        self.at = self.text.len();
    }

    fn insert(&mut self, bytes: &[u8]) {
        if self.text.len() + bytes.len() > LONGEST || bytes.is_empty() {
            return;
        }
        self.text.splice(self.at..self.at, bytes.iter().copied());
        self.k.print(self.text.get(self.at..).unwrap_or_default());
        self.at += bytes.len();
        self.back(self.text.len() - self.at);
    }

    fn delete(&mut self) {
        if self.at < self.text.len() {
            self.text.remove(self.at);
            let rest = self.text.get(self.at..).unwrap_or_default();
            let n = rest.len();
            self.k.print(rest);
            self.k.print(b"\x1b[K");
            self.back(n);
        }
    }

    /// Shows another text, cursor at `at`.
    fn redraw(&mut self, text: &[u8], at: usize) {
        self.k.print(b"\r");
        self.k.print(self.prompt.rsplit(|&b| b == b'\n').next().unwrap_or_default());
        self.text = text.to_vec();
        self.k.print(&self.text);
        self.k.print(b"\x1b[K");
        self.at = at.min(self.text.len());
        self.back(self.text.len() - self.at);
    }

    /// `^R`.
    async fn search(&mut self, sh: &Sh) -> Option<Typed> {
        let mut wanted: Vec<u8> = Vec::new();
        let mut row = sh.history.len();
        let mut found: Vec<u8> = self.text.clone();
        loop {
            let show = [b"\r(reverse-i-search)`".as_slice(), &wanted, b"': ", &found, b"\x1b[K"].concat();
            self.k.print(&show);
            let look = |from: usize, wanted: &[u8]| {
                (0..from)
                    .rev()
                    .find(|&n| sh.history.get(n).is_some_and(|l| !wanted.is_empty() && l.windows(wanted.len()).any(|w| w == wanted)))
            };
            match self.key().await {
                Key::Byte(18) => {
                    if let Some(n) = look(row, &wanted) {
                        row = n;
                        found = sh.history.get(n).cloned().unwrap_or_default();
                    }
                }
                Key::Byte(8 | 127) => {
                    wanted.pop();
                }
                Key::Byte(b'\r' | b'\n') => {
                    let end = found.len();
                    self.redraw(&found, end);
                    self.k.print(b"\n");
                    return Some(Typed::Line(found));
                }
                Key::Byte(7) => {
                    let text = self.text.clone();
                    let end = text.len();
                    self.redraw(&text, end);
                    return None;
                }
                Key::Interrupt => {
                    self.k.print(b"^C\n");
                    return Some(Typed::Interrupt);
                }
                Key::Hangup => return Some(Typed::Hangup),
                Key::Byte(b) if b >= 32 => {
                    if wanted.len() < 256 {
                        wanted.push(b);
                    }
                    if let Some(n) = look(sh.history.len(), &wanted) {
                        row = n;
                        found = sh.history.get(n).cloned().unwrap_or_default();
                    }
                }
                _ => {
                    let end = found.len();
                    self.redraw(&found, end);
                    return None;
                }
            }
        }
    }

    fn complete(&mut self, sh: &Sh) {
        if sh.flavor == Flavor::Dash {
            self.insert(b"\t");
            return;
        }
        let head = self.text.get(..self.at).unwrap_or_default().to_vec();
        let from =
            head.iter().rposition(|b| matches!(b, b' ' | b'\t' | b';' | b'|' | b'&' | b'<' | b'>' | b'(' | b'=')).map_or(0, |p| p + 1);
        let word = head.get(from..).unwrap_or_default().to_vec();
        let before = head.get(..from).unwrap_or_default().trim_ascii_end().to_vec();
        let first = before.is_empty() || matches!(before.last(), Some(b';' | b'|' | b'&' | b'('));
        let (stem, names): (usize, Vec<(Vec<u8>, bool)>) = if let Some(name) = word.strip_prefix(b"$") {
            (1, sh.vars.all().map(|(n, _)| (n.clone(), false)).filter(|(n, _)| n.starts_with(name)).collect())
        } else if first && !word.contains(&b'/') {
            if word.is_empty() {
                return;
            }
            (0, sh.command_names().into_iter().filter(|n| n.starts_with(&word)).map(|n| (n, false)).collect())
        } else {
            let cut = word.iter().rposition(|&b| b == b'/').map_or(0, |p| p + 1);
            let (dir, name) = word.split_at(cut);
            let full = if let Some(rest) = dir.strip_prefix(b"~/") {
                [sh.vars.str(b"HOME").unwrap_or(b"/"), b"/", rest].concat()
            } else if dir.is_empty() {
                sh.cwd.clone()
            } else {
                absolute(&sh.cwd, dir)
            };
            let only_dirs = before.ends_with(b"cd") || before.ends_with(b"rmdir");
            let list = sh.k.fs.list(&sh.who, &full).unwrap_or_default();
            let names = list
                .into_iter()
                .filter(|(n, _)| n.starts_with(name) && (n.first() != Some(&b'.') || name.first() == Some(&b'.')))
                .map(|(n, _)| {
                    let dir = sh.k.fs.stat(&sh.who, &fs::join(&full, &n)).is_ok_and(|m| m.is_dir());
                    (n, dir)
                })
                .filter(|(_, dir)| !only_dirs || *dir)
                .collect();
            (cut, names)
        };
        let typed = word.len() - stem;
        match names.as_slice() {
            [] => self.k.print(b"\x07"),
            [(name, dir)] => {
                let mut rest = escape(name.get(typed..).unwrap_or_default());
                if self.at == self.text.len() || self.text.get(self.at) != Some(&b' ') {
                    rest.push(if *dir { b'/' } else { b' ' });
                }
                self.insert(&rest);
                self.tabs = 0;
            }
            many => {
                let mut common = many.first().map(|n| n.0.clone()).unwrap_or_default();
                for (name, _) in many {
                    let same = common.iter().zip(name).take_while(|(a, b)| a == b).count();
                    common.truncate(same);
                }
                if common.len() > typed {
                    self.insert(&escape(common.get(typed..).unwrap_or_default()));
                    self.tabs = 0;
                } else if self.tabs >= 2 {
                    let shown: Vec<Vec<u8>> = many
                        .iter()
                        .take(2000)
                        .map(|(n, d)| if *d && stem_is_path(&word, first) { [n.as_slice(), b"/"].concat() } else { n.clone() })
                        .collect();
                    let cols = usize::from(self.k.state.lock().cols.max(20));
                    self.k.print(b"\n");
                    self.k.print(&columns(&shown, cols));
                    self.k.print(self.prompt);
                    self.k.print(&self.text);
                    self.back(self.text.len() - self.at);
                } else {
                    self.k.print(b"\x07");
                }
            }
        }
    }
}

fn stem_is_path(_word: &[u8], first: bool) -> bool {
    !first
}

fn escape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for &b in name {
        if b" \t'\"\\$`&|;()<>*?[]#!{}".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

/// Names in columns, down then across.
pub(crate) fn columns(names: &[Vec<u8>], width: usize) -> Vec<u8> {
    let widest = names.iter().map(Vec::len).max().unwrap_or(0) + 2;
    let across = (width / widest.max(1)).max(1);
    let rows = names.len().div_ceil(across);
    let mut out = Vec::new();
    for row in 0..rows {
        for column in 0..across {
            let Some(name) = names.get(column * rows + row) else { break };
            out.extend_from_slice(name);
            if names.get((column + 1) * rows + row).is_some() {
                out.extend(std::iter::repeat_n(b' ', widest - name.len()));
            }
        }
        out.push(b'\n');
    }
    out
}
