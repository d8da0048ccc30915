//! Words to fields: braces, tildes, variables, commands, arithmetic, splitting, patterns, quotes.

use std::{collections::BTreeMap, sync::Arc};

use super::{Flavor, Flow, Sh, arith, glob, vars::Refused, vars::Val};
use crate::shell::{
    kernel::{self, Boxed},
    proc::Fd,
    syntax::{Index, List, Op, Param, Part, Word},
};

/// Text with, for each byte, whether it was quoted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    text: Vec<u8>,
    quoted: Vec<bool>,
}

/// Longest field in bytes, and most fields of a word.
const LONGEST: usize = 8 << 20;
const MOST: usize = 200_000;

impl Field {
    fn push(&mut self, text: &[u8], quoted: bool) {
        if self.text.len() + text.len() <= LONGEST {
            self.text.extend_from_slice(text);
            self.quoted.resize(self.text.len(), quoted);
        }
    }

    /// As a pattern: quoted characters escaped.
    fn pattern(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + 8);
        for (&b, &q) in self.text.iter().zip(&self.quoted) {
            if q && (!b.is_ascii_alphanumeric() && b < 128) {
                out.push(b'\\');
            }
            out.push(b);
        }
        out
    }
}

/// An expansion that fails ends the command (and a script).
pub(crate) struct Failed;

type Expanded<T> = Result<T, Failed>;

/// A word whose braces are expanded: text or a part of the tree.
#[derive(Clone)]
enum Piece<'a> {
    Lit(Vec<u8>),
    Part(&'a Part),
}

#[derive(Default)]
struct Builder {
    fields: Vec<Field>,
    now: Field,
    have: bool,
}

impl Builder {
    fn end(&mut self) {
        if self.fields.len() < MOST {
            self.fields.push(std::mem::take(&mut self.now));
        }
        self.now = Field::default();
        self.have = false;
    }

    /// Unquoted text of an expansion, split at IFS.
    fn split(&mut self, text: &[u8], ifs: &[u8]) {
        let white = |b: u8| ifs.contains(&b) && matches!(b, b' ' | b'\t' | b'\n');
        let mut at = 0;
        while let Some(&b) = text.get(at) {
            if white(b) {
                while text.get(at).is_some_and(|&b| white(b)) {
                    at += 1;
                }
                let hard = text.get(at).is_some_and(|b| ifs.contains(b));
                if self.have && !hard {
                    self.end();
                } else if hard {
                    self.end();
                    at += 1;
                    while text.get(at).is_some_and(|&b| white(b)) {
                        at += 1;
                    }
                }
                continue;
            }
            if ifs.contains(&b) {
                self.end();
                at += 1;
                while text.get(at).is_some_and(|&b| white(b)) {
                    at += 1;
                }
                continue;
            }
            self.now.push(&[b], false);
            self.have = true;
            at += 1;
        }
    }
}

impl Sh {
    /// All fields of some words.
    pub(crate) async fn expand_words(&mut self, words: &[Word]) -> Expanded<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        for word in words {
            // The usual case is one plain word.
            if let [Part::Lit(text)] = word.as_slice()
                && text
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.' | b',' | b'=' | b':' | b'+' | b'%'))
            {
                out.push(text.clone());
                continue;
            }
            self.fields(word, &mut out).await?;
            if out.len() > MOST {
                self.warn("cannot allocate memory").await;
                return Err(Failed);
            }
        }
        Ok(out)
    }

    async fn fields(&mut self, word: &[Part], out: &mut Vec<Vec<u8>>) -> Expanded<()> {
        let mut pieces = Vec::with_capacity(word.len());
        let mut braces = false;
        for part in word {
            match part {
                Part::Lit(text) => {
                    braces |= text.contains(&b'{');
                    pieces.push(Piece::Lit(text.clone()));
                }
                other => pieces.push(Piece::Part(other)),
            }
        }
        if !braces || self.flavor != Flavor::Bash {
            return self.one_word(&pieces, out).await;
        }
        let mut fuel = 100_000usize;
        let mut bytes = 8usize << 20;
        let Some(words) = braces_of(&pieces, &mut fuel, &mut bytes, 0) else {
            self.warn("brace expansion: cannot allocate memory").await;
            return Err(Failed);
        };
        self.k.pay(u32::try_from(words.len() / 4).unwrap_or(0)).await;
        for pieces in words {
            self.one_word(&pieces, out).await?;
        }
        Ok(())
    }

    async fn one_word(&mut self, pieces: &[Piece<'_>], out: &mut Vec<Vec<u8>>) -> Expanded<()> {
        let mut b = Builder::default();
        let ifs = self.ifs();
        for (n, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Lit(text) => {
                    let text = if n == 0 { self.tilde(text, pieces.len() == 1) } else { (Vec::new(), text.clone()) };
                    b.now.push(&text.0, true);
                    b.now.push(&text.1, false);
                    b.have = true;
                }
                Piece::Part(part) => self.part(part, &mut b, &ifs, false).await?,
            }
        }
        if b.have {
            b.end();
        }
        for field in b.fields {
            let unquoted_special = field.text.iter().zip(&field.quoted).any(|(&c, &q)| !q && matches!(c, b'*' | b'?' | b'['));
            if unquoted_special && !self.opts.noglob {
                let pattern = field.pattern();
                if glob::is_pattern(&pattern) {
                    self.k.pay(4).await;
                    let found = glob::expand(&self.k.fs, &self.who, &self.cwd, &pattern, self.shopts.contains("dotglob"));
                    if !found.is_empty() {
                        self.k.pay(u32::try_from(found.len()).unwrap_or(0)).await;
                        out.extend(found);
                        continue;
                    }
                    if self.shopts.contains("nullglob") {
                        continue;
                    }
                    if self.shopts.contains("failglob") {
                        self.warn([b"no match: ".as_slice(), &field.text].concat()).await;
                        return Err(Failed);
                    }
                }
            }
            out.push(field.text);
        }
        Ok(())
    }

    /// One value: no splitting, no patterns (assignments, redirections, `case` words).
    pub(crate) async fn expand_one(&mut self, word: &[Part]) -> Expanded<Vec<u8>> {
        if let [Part::Lit(text)] = word
            && !text.contains(&b'~')
        {
            return Ok(text.clone());
        }
        Ok(self.expand_field(word, false).await?.text)
    }

    /// As [`Sh::expand_one`], with tildes after colons as in assignments.
    pub(crate) async fn expand_value(&mut self, word: &[Part]) -> Expanded<Vec<u8>> {
        Ok(self.expand_field(word, true).await?.text)
    }

    /// A pattern.
    pub(crate) async fn expand_pattern(&mut self, word: &[Part]) -> Expanded<Vec<u8>> {
        Ok(self.expand_field(word, false).await?.pattern())
    }

    async fn expand_field(&mut self, word: &[Part], colons: bool) -> Expanded<Field> {
        let mut b = Builder::default();
        for (n, part) in word.iter().enumerate() {
            match part {
                Part::Lit(text) => {
                    let (home, rest) = if n == 0 { self.tilde(text, word.len() == 1) } else { (Vec::new(), text.clone()) };
                    b.now.push(&home, true);
                    if colons && rest.windows(2).any(|w| w == b":~") {
                        for (m, item) in rest.split(|&c| c == b':').enumerate() {
                            if m > 0 {
                                b.now.push(b":", false);
                                let (home, item) = self.tilde(item, true);
                                b.now.push(&home, true);
                                b.now.push(&item, false);
                            } else {
                                b.now.push(item, false);
                            }
                        }
                    } else {
                        b.now.push(&rest, false);
                    }
                }
                part => self.part(part, &mut b, b"", false).await?,
            }
        }
        // `$@` outside quotes made fields: they are joined with blanks.
        let mut all = Field::default();
        for field in b.fields {
            for (c, q) in field.text.iter().zip(&field.quoted) {
                all.push(&[*c], *q);
            }
            all.push(b" ", true);
        }
        for (c, q) in b.now.text.iter().zip(&b.now.quoted) {
            all.push(&[*c], *q);
        }
        Ok(all)
    }

    pub(crate) fn ifs(&self) -> Vec<u8> {
        self.vars.str(b"IFS").map_or_else(|| b" \t\n".to_vec(), <[u8]>::to_vec)
    }

    /// A leading `~`: its replacement and what follows.
    fn tilde(&self, text: &[u8], whole: bool) -> (Vec<u8>, Vec<u8>) {
        if text.first() != Some(&b'~') {
            return (Vec::new(), text.to_vec());
        }
        let end = text.iter().position(|&c| c == b'/' || c == b':').unwrap_or(text.len());
        if end == text.len() && !whole {
            return (Vec::new(), text.to_vec());
        }
        let name = text.get(1..end).unwrap_or_default();
        let rest = text.get(end..).unwrap_or_default().to_vec();
        let home = match name {
            b"" => Some(self.vars.str(b"HOME").map_or_else(|| self.home_of(self.who.uid), <[u8]>::to_vec)),
            b"+" => self.vars.str(b"PWD").map(<[u8]>::to_vec),
            b"-" => self.vars.str(b"OLDPWD").map(<[u8]>::to_vec),
            name => super::run::account(&self.k, name).map(|a| a.home.into_bytes()),
        };
        match home {
            Some(home) => (home, rest),
            None => (Vec::new(), text.to_vec()),
        }
    }

    fn home_of(&self, uid: u32) -> Vec<u8> {
        super::run::account_of(&self.k, uid).map_or_else(|| b"/".to_vec(), |a| a.home.into_bytes())
    }

    fn part<'a>(&'a mut self, part: &'a Part, b: &'a mut Builder, ifs: &'a [u8], quoted: bool) -> Boxed<'a, Expanded<()>> {
        Box::pin(async move {
            match part {
                Part::Lit(text) => {
                    b.now.push(text, quoted);
                    b.have = true;
                }
                Part::Quoted(text) => {
                    b.now.push(text, true);
                    b.have = true;
                }
                Part::Double(inner) => {
                    let only_at = matches!(inner.as_slice(), [Part::Param(p)] if is_all(p) == Some(true));
                    if !only_at {
                        b.have = true;
                    }
                    for part in inner {
                        self.part(part, b, ifs, true).await?;
                    }
                }
                Part::Param(p) => self.param(p, b, ifs, quoted).await?,
                Part::Cmd(list) => {
                    let text = self.capture(list).await;
                    put(b, &text, ifs, quoted);
                }
                Part::Arith(word) => {
                    let mut text = self.expand_one(word).await?;
                    text.retain(|&c| c != b'"');
                    let value = self.arith(&text).await?;
                    put(b, value.to_string().as_bytes(), ifs, quoted);
                }
                Part::Proc(input, list) => {
                    let path = self.process_sub(*input, list);
                    b.now.push(&path, true);
                    b.have = true;
                }
                Part::Array(assign) => {
                    // `declare a=(…)`: the builtin finds the array by its address.
                    self.assign_later(assign).await?;
                }
            }
            Ok(())
        })
    }

    async fn assign_later(&mut self, assign: &Arc<crate::shell::syntax::Assign>) -> Expanded<()> {
        if self.functions.is_empty() {
            self.assign(assign).await
        } else {
            let name = assign.name.clone();
            self.vars.local(&name);
            self.assign(assign).await
        }
    }

    /// Evaluates arithmetic and says what is wrong with it.
    pub(crate) async fn arith(&mut self, text: &[u8]) -> Expanded<i64> {
        match arith::eval(self, text) {
            Ok(value) => Ok(value),
            Err(arith::Wrong(what)) => {
                let what = match self.flavor {
                    Flavor::Bash => what,
                    _ => {
                        let shown = String::from_utf8_lossy(text).into_owned();
                        let why = if what.contains("division by 0") {
                            "division by zero"
                        } else if what.contains("operand expected") {
                            "expecting primary"
                        } else {
                            "expecting EOF"
                        };
                        if self.flavor == Flavor::Ash {
                            if why == "division by zero" { "divide by zero".to_owned() } else { "arithmetic syntax error".to_owned() }
                        } else {
                            format!("arithmetic expression: {why}: \"{shown}\"")
                        }
                    }
                };
                self.warn(what).await;
                self.last = if self.flavor == Flavor::Bash { 1 } else { 2 };
                Err(Failed)
            }
        }
    }

    fn process_sub(&mut self, input: bool, list: &Arc<List>) -> Vec<u8> {
        let (read, write) = kernel::pipe(&self.k);
        let mut sub = self.fork();
        let list = Arc::clone(list);
        let fd = self.next_sub;
        self.next_sub = if self.next_sub <= 20 { 63 } else { self.next_sub - 1 };
        if input {
            sub.fds.insert(1, Fd::Write(write));
            self.fds.insert(fd, Fd::Read(read));
        } else {
            sub.fds.insert(0, Fd::Read(read));
            self.fds.insert(fd, Fd::Write(write));
        }
        if self.k.state.lock().tasks.len() < 200 {
            self.k.spawn(Box::pin(async move {
                sub.list(&list).await;
            }));
        }
        format!("/dev/fd/{fd}").into_bytes()
    }

    /// Runs commands and takes what they print, without trailing newlines.
    pub(crate) async fn capture(&mut self, list: &Arc<List>) -> Vec<u8> {
        if self.depth >= super::DEEPEST {
            self.warn("fork: retry: Resource temporarily unavailable").await;
            return Vec::new();
        }
        // `$(< file)` reads the file.
        if let [item] = list.as_slice()
            && item.rest.is_empty()
            && let [crate::shell::syntax::Cmd::Simple(s)] = item.first.parts.as_slice()
            && s.words.is_empty()
            && s.assigns.is_empty()
            && let [r] = s.redirs.as_slice()
            && r.op == crate::shell::syntax::RedirOp::In
        {
            let Ok(path) = self.expand_one(&r.target).await else { return Vec::new() };
            let full = crate::shell::proc::absolute(&self.cwd, &path);
            match self.k.fs.read(&self.who, &full) {
                Ok(bytes) => {
                    self.last = 0;
                    return trim(bytes.iter().copied().filter(|&b| b != 0).collect());
                }
                Err(e) => {
                    self.warn(format!("{}: {e}", String::from_utf8_lossy(&path))).await;
                    self.last = 1;
                    return Vec::new();
                }
            }
        }
        self.k.pay(20).await;
        let (read, write) = kernel::pipe(&self.k);
        let mut sub = self.fork();
        sub.depth += 1;
        sub.lenient = 0;
        sub.opts.errexit = false;
        sub.fds.insert(1, Fd::Write(write));
        let status = std::sync::atomic::AtomicI32::new(0);
        let out = parking_lot::Mutex::new(Vec::new());
        let k = Arc::clone(&self.k);
        {
            let run: Boxed<'_, i32> = Box::pin(async {
                let mut sub = sub;
                let flow = sub.list(list).await;
                let _ = flow;
                sub.exit_trap().await;
                status.store(sub.last, std::sync::atomic::Ordering::Relaxed);
                0
            });
            let collect: Boxed<'_, i32> = Box::pin(async {
                loop {
                    let part = read.read(65_536).await;
                    if part.is_empty() {
                        return 0;
                    }
                    let mut out = out.lock();
                    if out.len() < LONGEST {
                        out.extend(part.into_iter().filter(|&b| b != 0));
                    }
                }
            });
            kernel::Together::new(&k, vec![run, collect]).await;
        }
        self.last = status.load(std::sync::atomic::Ordering::Relaxed);
        trim(out.into_inner())
    }

    // --- parameters

    /// The value of a parameter without operators.
    pub(crate) fn param_scalar(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        match name {
            b"?" => Some(self.last.to_string().into_bytes()),
            b"$" => Some(self.pid.to_string().into_bytes()),
            b"!" => self.last_bg.map(|p| p.to_string().into_bytes()),
            b"#" => Some(self.params.len().to_string().into_bytes()),
            b"0" => Some(self.arg0.clone()),
            b"-" => Some(self.flags().into_bytes()),
            b"@" | b"*" => Some(self.params.join(&b' ')),
            _ if name.first().is_some_and(u8::is_ascii_digit) => {
                let n: usize = std::str::from_utf8(name).ok()?.parse().ok()?;
                self.params.get(n.checked_sub(1)?).cloned()
            }
            b"_" => Some(self.last_arg.clone()),
            b"RANDOM" if self.flavor != Flavor::Dash => {
                self.random = self.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                Some((self.random >> 16 & 0x7fff).to_string().into_bytes())
            }
            b"SRANDOM" if self.flavor == Flavor::Bash => Some(self.k.random_u32().to_string().into_bytes()),
            b"LINENO" => Some(self.line.to_string().into_bytes()),
            b"SECONDS" if self.flavor == Flavor::Bash => Some(self.k.now().since(self.started).as_secs().to_string().into_bytes()),
            b"EPOCHSECONDS" if self.flavor == Flavor::Bash => Some(self.k.now().seconds().to_string().into_bytes()),
            b"EPOCHREALTIME" if self.flavor == Flavor::Bash => {
                let now = self.k.now().0;
                Some(format!("{}.{:06}", now.div_euclid(1_000_000), now.rem_euclid(1_000_000)).into_bytes())
            }
            b"BASHPID" if self.flavor == Flavor::Bash => Some(self.own_pid.to_string().into_bytes()),
            b"BASH_SUBSHELL" => Some(self.subshell.to_string().into_bytes()),
            b"SHELLOPTS" if self.flavor == Flavor::Bash => Some(self.shellopts().into_bytes()),
            b"BASHOPTS" => Some(self.shopts.iter().cloned().collect::<Vec<_>>().join(":").into_bytes()),
            b"FUNCNAME" => self.functions.last().cloned(),
            b"PIPESTATUS" => Some(self.statuses.first().copied().unwrap_or(0).to_string().into_bytes()),
            b"COLUMNS" if self.interactive => Some(self.k.state.lock().cols.to_string().into_bytes()),
            b"LINES" if self.interactive => Some(self.k.state.lock().rows.to_string().into_bytes()),
            b"HISTCMD" => Some((self.history.len() + 1).to_string().into_bytes()),
            b"DIRSTACK" => Some(self.cwd.clone()),
            b"GROUPS" => Some(self.who.gid.to_string().into_bytes()),
            _ => self.vars.str(name).map(<[u8]>::to_vec),
        }
    }

    pub(crate) fn flags(&self) -> String {
        let mut out = String::new();
        let o = &self.opts;
        for (on, c) in [
            (o.allexport, 'a'),
            (o.errexit, 'e'),
            (o.noglob, 'f'),
            (true, 'h'),
            (self.interactive, 'i'),
            (o.monitor, 'm'),
            (o.noexec, 'n'),
            (o.nounset, 'u'),
            (o.verbose, 'v'),
            (o.xtrace, 'x'),
            (true, 'B'),
            (o.noclobber, 'C'),
            (self.interactive, 'H'),
        ] {
            if on && (self.flavor == Flavor::Bash || !matches!(c, 'h' | 'B' | 'H')) {
                out.push(c);
            }
        }
        if self.from_c {
            out.push('c');
        }
        if self.flavor == Flavor::Bash && !self.from_c && (self.interactive || self.arg0.starts_with(b"-")) {
            out.push('s');
        }
        out
    }

    pub(crate) fn shellopts(&self) -> String {
        super::builtins::set_options(self).into_iter().filter(|(_, on)| *on).map(|(n, _)| n).collect::<Vec<_>>().join(":")
    }

    /// Element of an indexed array.
    pub(crate) fn element(&mut self, name: &[u8], index: i64) -> Option<Vec<u8>> {
        if let Some(list) = self.special_array(name) {
            let len = i64::try_from(list.len()).unwrap_or(0);
            let at = if index < 0 { len + index } else { index };
            return usize::try_from(at).ok().and_then(|at| list.get(at).cloned());
        }
        match self.vars.get(name)?.val.as_ref()? {
            Val::Arr(map) => {
                let at = if index < 0 { map.keys().next_back().map_or(0, |k| k + 1) + index } else { index };
                map.get(&at).cloned()
            }
            Val::Str(text) => (index == 0 || index == -1).then(|| text.clone()),
            Val::Assoc(map) => map.get(index.to_string().as_bytes()).cloned(),
        }
    }

    fn special_array(&self, name: &[u8]) -> Option<Vec<Vec<u8>>> {
        match name {
            b"PIPESTATUS" => Some(self.statuses.iter().map(|s| s.to_string().into_bytes()).collect()),
            b"FUNCNAME" => Some(self.functions.iter().rev().cloned().collect()),
            b"DIRSTACK" => Some(std::iter::once(self.cwd.clone()).chain(self.dirs.iter().rev().cloned()).collect()),
            b"GROUPS" => Some(self.who.groups.iter().map(|g| g.to_string().into_bytes()).collect()),
            b"BASH_SOURCE" => Some(Vec::new()),
            _ => None,
        }
    }

    fn values(&self, name: &[u8]) -> Vec<Vec<u8>> {
        if let Some(list) = self.special_array(name) {
            return list;
        }
        match self.vars.get(name).and_then(|v| v.val.as_ref()) {
            None => Vec::new(),
            Some(Val::Str(text)) => vec![text.clone()],
            Some(Val::Arr(map)) => map.values().cloned().collect(),
            Some(Val::Assoc(map)) => map.values().cloned().collect(),
        }
    }

    fn keys(&self, name: &[u8]) -> Vec<Vec<u8>> {
        match self.vars.get(name).and_then(|v| v.val.as_ref()) {
            None => Vec::new(),
            Some(Val::Str(_)) => vec![b"0".to_vec()],
            Some(Val::Arr(map)) => map.keys().map(|k| k.to_string().into_bytes()).collect(),
            Some(Val::Assoc(map)) => map.keys().cloned().collect(),
        }
    }

    async fn param(&mut self, p: &Param, b: &mut Builder, ifs: &[u8], quoted: bool) -> Expanded<()> {
        let written = || {
            let index = match &p.index {
                Some(Index::At) => "[@]".to_owned(),
                Some(Index::Star) => "[*]".to_owned(),
                Some(Index::Word(w)) => format!(
                    "[{}]",
                    w.iter()
                        .map(|x| if let Part::Lit(t) | Part::Quoted(t) = x {
                            String::from_utf8_lossy(t).into_owned()
                        } else {
                            String::new()
                        })
                        .collect::<String>()
                ),
                None => String::new(),
            };
            format!("{}{index}", String::from_utf8_lossy(&p.name))
        };
        if let Op::Bad(text) = &p.op {
            self.warn(format!("{}: bad substitution", String::from_utf8_lossy(text))).await;
            self.last = 1;
            return Err(Failed);
        }
        let mut name = p.name.clone();
        if p.indirect {
            let target = self.param_scalar(&name).unwrap_or_default();
            if target.is_empty() {
                self.warn(format!("{}: invalid indirect expansion", written())).await;
                self.last = 1;
                return Err(Failed);
            }
            let plain = target.iter().all(|&c| crate::shell::syntax::is_name(c))
                || target.contains(&b'[')
                || matches!(target.as_slice(), b"@" | b"*" | b"#" | b"?" | b"-" | b"$" | b"!");
            if !plain {
                self.warn(format!("{}: invalid variable name", String::from_utf8_lossy(&target))).await;
                self.last = 1;
                return Err(Failed);
            }
            name = target;
            if let Some(open) = name.iter().position(|&c| c == b'[') {
                let key = name.get(open + 1..name.len().saturating_sub(1)).unwrap_or_default().to_vec();
                name.truncate(open);
                if key == b"@" || key == b"*" {
                    let list = self.values(&name);
                    return self.put_list(list, key == b"@", b, ifs, quoted);
                }
                let index = self.arith(&key).await?;
                let value = self.element(&name, index).unwrap_or_default();
                put(b, &value, ifs, quoted);
                return Ok(());
            }
        }
        match &p.op {
            Op::Keys => {
                let list = self.keys(&name);
                return self.put_list(list, matches!(p.index, Some(Index::At)), b, ifs, quoted);
            }
            Op::Names => {
                let list = self.vars.all().map(|(n, _)| n.clone()).filter(|n| n.starts_with(&name)).collect();
                return self.put_list(list, true, b, ifs, quoted);
            }
            _ => {}
        }
        // Lists: $@ $* a[@] a[*]
        if let Some(at) = is_all(p).or(if p.indirect && (name == b"@" || name == b"*") { Some(name == b"@") } else { None }) {
            let mut list = if p.index.is_some() { self.values(&name) } else { self.params.clone() };
            match &p.op {
                Op::Length => {
                    put(b, list.len().to_string().as_bytes(), ifs, quoted);
                    return Ok(());
                }
                Op::None => {}
                Op::Slice(offset, len) => {
                    let offset = self.number(offset).await?;
                    let len = match len {
                        Some(len) => Some(self.number(len).await?),
                        None => None,
                    };
                    if p.index.is_none() {
                        list.insert(0, self.arg0.clone());
                    }
                    let total = i64::try_from(list.len()).unwrap_or(0);
                    let from = if offset < 0 { total + offset } else { offset };
                    let from = if from < 0 { total } else { from.min(total) };
                    let count = len.unwrap_or(total).max(0).min(total - from);
                    list = list.into_iter().skip(usize::try_from(from).unwrap_or(0)).take(usize::try_from(count).unwrap_or(0)).collect();
                }
                Op::Or(op, colon, word) => {
                    let unset = list.is_empty() || *colon && list.iter().all(Vec::is_empty);
                    let set = !unset;
                    match (op, set) {
                        (b'+', true) => return self.word_parts(word, b, ifs, quoted).await,
                        (b'+', false) => return Ok(()),
                        (_, true) => {}
                        (_, false) => return self.word_parts(word, b, ifs, quoted).await,
                    }
                }
                op => {
                    let mut done = Vec::with_capacity(list.len());
                    for value in list {
                        done.push(self.transform(value, op, &name).await?);
                    }
                    list = done;
                }
            }
            return self.put_list(list, at, b, ifs, quoted);
        }
        // One value.
        let value = match &p.index {
            Some(Index::Word(word)) => {
                if matches!(self.vars.get(&name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_))) {
                    let key = self.expand_one(word).await?;
                    match self.vars.get(&name).and_then(|v| v.val.as_ref()) {
                        Some(Val::Assoc(map)) => map.get(&key).cloned(),
                        _ => None,
                    }
                } else {
                    let text = self.expand_one(word).await?;
                    let index = self.arith(&text).await?;
                    self.element(&name, index)
                }
            }
            _ => self.param_scalar(&name),
        };
        let unset = value.is_none();
        if unset && self.opts.nounset && !matches!(p.op, Op::Or(..)) && !matches!(name.as_slice(), b"!") {
            let shown = if name.first().is_some_and(u8::is_ascii_digit) && self.flavor == Flavor::Bash {
                format!("${}", String::from_utf8_lossy(&name))
            } else {
                written()
            };
            self.warn(if self.flavor == Flavor::Bash {
                format!("{shown}: unbound variable")
            } else {
                format!("{shown}: parameter not set")
            })
            .await;
            self.last = if self.flavor == Flavor::Bash { 127 } else { 2 };
            self.dying = !self.interactive;
            return Err(Failed);
        }
        match &p.op {
            Op::None => put(b, &value.unwrap_or_default(), ifs, quoted),
            Op::Length => {
                let value = value.unwrap_or_default();
                let len = self.len_of(&value);
                put(b, len.to_string().as_bytes(), ifs, quoted);
            }
            Op::Or(op, colon, word) => {
                let set = value.as_ref().is_some_and(|v| !colon || !v.is_empty());
                match (op, set) {
                    (b'+', true) | (b'-', false) => return self.word_parts(word, b, ifs, quoted).await,
                    (b'+', false) => {}
                    (_, true) => put(b, &value.unwrap_or_default(), ifs, quoted),
                    (b'=', false) => {
                        let text = self.expand_one(word).await?;
                        if name.first().is_some_and(|&c| !crate::shell::syntax::is_name_start(c)) {
                            self.warn(format!("${}: cannot assign in this way", String::from_utf8_lossy(&name))).await;
                            self.last = 1;
                            return Err(Failed);
                        }
                        self.set_checked(&name, &text).await?;
                        put(b, &text, ifs, quoted);
                    }
                    _ => {
                        let mut text = self.expand_one(word).await?;
                        if text.is_empty() {
                            text = if *colon { b"parameter null or not set".to_vec() } else { b"parameter not set".to_vec() };
                        }
                        self.warn([written().as_bytes(), b": ", &text].concat()).await;
                        self.last = if self.flavor == Flavor::Bash { 127 } else { 2 };
                        self.dying = !self.interactive;
                        return Err(Failed);
                    }
                }
            }
            Op::Slice(offset, len) => {
                let offset = self.number(offset).await?;
                let len = match len {
                    Some(len) => Some(self.number(len).await?),
                    None => None,
                };
                let value = value.unwrap_or_default();
                let total = i64::try_from(value.len()).unwrap_or(0);
                let from = if offset < 0 { total + offset } else { offset };
                if from < 0 || from > total {
                    put(b, b"", ifs, quoted);
                    return Ok(());
                }
                let to = match len {
                    None => total,
                    Some(len) if len < 0 => {
                        if total + len < from {
                            self.warn(format!("{len}: substring expression < 0")).await;
                            self.last = 1;
                            return Err(Failed);
                        }
                        total + len
                    }
                    Some(len) => (from.saturating_add(len)).min(total),
                };
                let part = value.get(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0)).unwrap_or_default();
                put(b, part, ifs, quoted);
            }
            op => {
                if unset {
                    return Ok(());
                }
                let value = self.transform(value.unwrap_or_default(), op, &name).await?;
                put(b, &value, ifs, quoted);
            }
        }
        Ok(())
    }

    fn len_of(&self, value: &[u8]) -> usize {
        let utf8 = [b"LC_ALL".as_slice(), b"LC_CTYPE", b"LANG"]
            .into_iter()
            .find_map(|n| self.vars.str(n).filter(|v| !v.is_empty()))
            .is_some_and(|v| v.to_ascii_lowercase().ends_with(b"utf-8") || v.to_ascii_lowercase().ends_with(b"utf8"));
        if utf8 { String::from_utf8_lossy(value).chars().count() } else { value.len() }
    }

    async fn number(&mut self, word: &[Part]) -> Expanded<i64> {
        let text = self.expand_one(word).await?;
        self.arith(&text).await
    }

    async fn word_parts(&mut self, word: &[Part], b: &mut Builder, ifs: &[u8], quoted: bool) -> Expanded<()> {
        for (n, part) in word.iter().enumerate() {
            match part {
                Part::Lit(text) if !quoted => {
                    let (home, rest) = if n == 0 { self.tilde(text, word.len() == 1) } else { (Vec::new(), text.clone()) };
                    b.now.push(&home, true);
                    // Blanks in the word split like those of a value.
                    put(b, &rest, ifs, false);
                }
                part => self.part(part, b, ifs, quoted).await?,
            }
        }
        if quoted {
            b.have = true;
        }
        Ok(())
    }

    fn put_list(&mut self, list: Vec<Vec<u8>>, at: bool, b: &mut Builder, ifs: &[u8], quoted: bool) -> Expanded<()> {
        if quoted && !at {
            let sep =
                self.vars.get(b"IFS").and_then(|v| v.scalar()).map_or_else(|| vec![b' '], |v| v.get(..1).unwrap_or_default().to_vec());
            let joined = list.join(sep.as_slice());
            b.now.push(&joined, true);
            b.have = true;
            return Ok(());
        }
        if !at && ifs.is_empty() && !quoted {
            let sep = self.ifs().first().copied();
            let joined = list.join(sep.map_or(&b""[..], |_| b" "));
            b.now.push(&joined, false);
            return Ok(());
        }
        let count = list.len();
        for (n, value) in list.into_iter().enumerate() {
            if quoted {
                b.now.push(&value, true);
                b.have = true;
            } else {
                b.split(&value, ifs);
            }
            if n + 1 < count && (quoted || b.have) {
                b.end();
            }
        }
        Ok(())
    }

    async fn transform(&mut self, value: Vec<u8>, op: &Op, name: &[u8]) -> Expanded<Vec<u8>> {
        match op {
            Op::Trim(prefix, long, word) => {
                let pattern = self.expand_pattern(word).await?;
                self.k.pay(u32::try_from(value.len() / 256).unwrap_or(0)).await;
                Ok(trim_pattern(value, &pattern, *prefix, *long))
            }
            Op::Replace(kind, pattern, with) => {
                let pattern = self.expand_pattern(pattern).await?;
                let with = match with {
                    Some(word) => self.expand_field(word, false).await?,
                    None => Field::default(),
                };
                if pattern.is_empty() {
                    return Ok(value);
                }
                self.k.pay(u32::try_from(value.len() / 64).unwrap_or(0)).await;
                Ok(replace(&value, *kind, &pattern, &with))
            }
            Op::Case(upper, all, word) => {
                let pattern = self.expand_pattern(word).await?;
                let mut out = value;
                for (n, b) in out.iter_mut().enumerate() {
                    if (n == 0 || *all) && (pattern.is_empty() || glob::matches(&pattern, &[*b])) {
                        *b = if *upper { b.to_ascii_uppercase() } else { b.to_ascii_lowercase() };
                    }
                }
                Ok(out)
            }
            Op::Transform(t) => Ok(match t {
                b'Q' => quote(&value),
                b'U' => value.to_ascii_uppercase(),
                b'u' => {
                    let mut v = value;
                    if let Some(b) = v.first_mut() {
                        b.make_ascii_uppercase();
                    }
                    v
                }
                b'L' => value.to_ascii_lowercase(),
                b'E' => crate::shell::syntax::unescape(&value, crate::shell::syntax::Escapes::Ansi).0,
                b'P' => self.prompt(&value),
                b'A' => [name, b"=", &quote(&value)].concat(),
                b'a' => {
                    let v = self.vars.get(name);
                    let mut out = String::new();
                    if let Some(v) = v {
                        match v.val {
                            Some(Val::Arr(_)) => out.push('a'),
                            Some(Val::Assoc(_)) => out.push('A'),
                            _ => {}
                        }
                        for (on, c) in [(v.integer, 'i'), (v.readonly, 'r'), (v.exported, 'x')] {
                            if on {
                                out.push(c);
                            }
                        }
                    }
                    out.into_bytes()
                }
                _ => value,
            }),
            _ => Ok(value),
        }
    }

    /// Sets a variable and says so if that is refused.
    pub(crate) async fn set_checked(&mut self, name: &[u8], value: &[u8]) -> Expanded<()> {
        let value =
            if self.vars.get(name).is_some_and(|v| v.integer) { self.arith(value).await?.to_string().into_bytes() } else { value.to_vec() };
        match self.vars.set(name, &value) {
            Ok(()) => {
                if self.opts.allexport {
                    self.vars.export(name);
                }
                match name {
                    b"RANDOM" => self.random = std::str::from_utf8(&value).ok().and_then(|t| t.parse().ok()).unwrap_or(0),
                    b"OPTIND" => self.getopts_at = 0,
                    b"SECONDS" => self.started = self.k.now(),
                    _ => {}
                }
                Ok(())
            }
            Err(Refused::ReadOnly) => {
                let text = String::from_utf8_lossy(name);
                self.warn(if self.flavor == Flavor::Dash { format!("{text}: is read only") } else { format!("{text}: readonly variable") })
                    .await;
                self.last = 1;
                Err(Failed)
            }
            Err(Refused::Memory) => {
                self.warn("xrealloc: cannot allocate 18446744071562067968 bytes").await;
                self.last = 2;
                self.dying = true;
                Err(Failed)
            }
        }
    }

    /// `PS1` and friends.
    pub(crate) fn prompt(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        let persona = Arc::clone(self.k.fs.persona());
        while let Some(&b) = text.get(at) {
            at += 1;
            if b != b'\\' {
                out.push(b);
                continue;
            }
            let Some(&c) = text.get(at) else {
                out.push(b'\\');
                break;
            };
            at += 1;
            match c {
                b'u' => out.extend(
                    super::run::account_of(&self.k, self.who.uid).map_or_else(|| b"I have no name!".to_vec(), |a| a.name.into_bytes()),
                ),
                b'h' => out.extend_from_slice(persona.hostname.split('.').next().unwrap_or_default().as_bytes()),
                b'H' => out.extend_from_slice(persona.hostname.as_bytes()),
                b'w' | b'W' => {
                    let home = self.vars.str(b"HOME").unwrap_or_default().to_vec();
                    let mut dir = self.cwd.clone();
                    if !home.is_empty() && home != b"/" && (dir == home || dir.starts_with(&[home.as_slice(), b"/"].concat())) {
                        dir.splice(..home.len(), [b'~']);
                    }
                    if c == b'W' && dir != b"~" && dir != b"/" {
                        dir = dir.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
                    }
                    out.extend(dir);
                }
                b'$' => out.push(if self.who.uid == 0 { b'#' } else { b'$' }),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b'a' => out.push(7),
                b'e' => out.push(27),
                b's' => out.extend_from_slice(self.arg0.rsplit(|&b| b == b'/').next().unwrap_or_default()),
                b'v' => out.extend_from_slice(b"5.2"),
                b'j' => out.extend(self.jobs.list.len().to_string().bytes()),
                b'!' | b'#' => out.extend((self.history.len() + 1).to_string().bytes()),
                b't' => out.extend(super::run::local(&self.k, "%H:%M:%S").bytes()),
                b'A' => out.extend(super::run::local(&self.k, "%H:%M").bytes()),
                b'd' => out.extend(super::run::local(&self.k, "%a %b %d").bytes()),
                b'[' | b']' => {}
                b'\\' => out.push(b'\\'),
                b'0'..=b'7' => {
                    let mut value = u32::from(c - b'0');
                    for _ in 0..2 {
                        if let Some(d @ b'0'..=b'7') = text.get(at) {
                            value = value * 8 + u32::from(d - b'0');
                            at += 1;
                        }
                    }
                    out.push((value & 255) as u8);
                }
                other => out.extend_from_slice(&[b'\\', other]),
            }
        }
        out
    }

    /// The prompt of a variable with `$…` expanded.
    pub(crate) async fn full_prompt(&mut self, name: &[u8]) -> Vec<u8> {
        let raw = self.vars.str(name).unwrap_or_default().to_vec();
        let text = self.prompt(&raw);
        if text.contains(&b'$') || text.contains(&b'`') {
            let status = self.last;
            if let Ok(word) = crate::shell::syntax::Parser::whole(&text) {
                // `\$` became a plain `$` or `#`, which stays.
                if let Ok(out) = self.expand_one(&word).await {
                    self.last = status;
                    return out;
                }
            }
            self.last = status;
        }
        text
    }

    /// Runs what `trap … EXIT` says.
    pub(crate) async fn exit_trap(&mut self) {
        if let Some(text) = self.traps.remove("EXIT") {
            let status = self.last;
            let flow = self.eval_text(&text, 1).await;
            if flow != Flow::Exit {
                self.last = status;
            }
        }
    }
}

fn is_all(p: &Param) -> Option<bool> {
    match (&p.index, p.name.as_slice()) {
        (Some(Index::At), _) => Some(true),
        (Some(Index::Star), _) => Some(false),
        (None, b"@") => Some(true),
        (None, b"*") => Some(false),
        _ => None,
    }
    .filter(|_| !p.indirect || p.index.is_some())
}

fn put(b: &mut Builder, text: &[u8], ifs: &[u8], quoted: bool) {
    if quoted {
        b.now.push(text, true);
        b.have = true;
    } else if ifs.is_empty() {
        b.now.push(text, false);
        b.have |= !text.is_empty();
    } else {
        b.split(text, ifs);
    }
}

fn trim(mut text: Vec<u8>) -> Vec<u8> {
    while text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

fn trim_pattern(value: Vec<u8>, pattern: &[u8], prefix: bool, long: bool) -> Vec<u8> {
    let len = value.len().min(65_536);
    if !glob::is_pattern(pattern) {
        let plain = glob::literal(pattern);
        let cut = if prefix { value.strip_prefix(plain.as_slice()) } else { value.strip_suffix(plain.as_slice()) };
        return cut.map(<[u8]>::to_vec).unwrap_or(value);
    }
    let try_at = |n: usize| {
        let part = if prefix { value.get(..n) } else { value.get(value.len() - n..) };
        part.is_some_and(|p| glob::matches(pattern, p))
    };
    let hit = if long { (0..=len).rev().find(|&n| try_at(n)) } else { (0..=len).find(|&n| try_at(n)) };
    match hit {
        Some(n) if prefix => value.get(n..).unwrap_or_default().to_vec(),
        Some(n) => value.get(..value.len() - n).unwrap_or_default().to_vec(),
        None => value,
    }
}

fn replace(value: &[u8], kind: u8, pattern: &[u8], with: &Field) -> Vec<u8> {
    let plain = (!glob::is_pattern(pattern)).then(|| glob::literal(pattern));
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    let mut fuel = 4_000_000usize;
    let insert = |out: &mut Vec<u8>, hit: &[u8]| {
        for (&b, &q) in with.text.iter().zip(&with.quoted) {
            if b == b'&' && !q { out.extend_from_slice(hit) } else { out.push(b) }
        }
    };
    while at <= value.len() {
        let rest = value.get(at..).unwrap_or_default();
        let hit = match &plain {
            Some(text) => (!text.is_empty() && rest.starts_with(text)).then_some(text.len()),
            None => (0..=rest.len()).rev().find(|&n| {
                fuel = fuel.saturating_sub(n + 1);
                fuel > 0 && glob::matches(pattern, rest.get(..n).unwrap_or_default())
            }),
        };
        let allowed = match kind {
            b'#' => at == 0,
            b'%' => hit == Some(rest.len()),
            _ => true,
        };
        match hit.filter(|&n| allowed && (n > 0 || kind == b'#' || kind == b'%')) {
            Some(n) => {
                insert(&mut out, rest.get(..n).unwrap_or_default());
                at += n;
                if kind != b'A' {
                    out.extend_from_slice(value.get(at..).unwrap_or_default());
                    return out;
                }
                if n == 0 {
                    out.extend(value.get(at));
                    at += 1;
                }
            }
            None => {
                if kind == b'#' {
                    return value.to_vec();
                }
                out.extend(value.get(at));
                at += 1;
            }
        }
        if out.len() > LONGEST {
            break;
        }
    }
    out
}

/// As `${x@Q}` and `printf %q` relatives quote.
pub(crate) fn quote(text: &[u8]) -> Vec<u8> {
    if text.iter().any(|&b| b < 32 || b == 127) {
        let mut out = b"$'".to_vec();
        for &b in text {
            match b {
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\r' => out.extend_from_slice(b"\\r"),
                7 => out.extend_from_slice(b"\\a"),
                8 => out.extend_from_slice(b"\\b"),
                27 => out.extend_from_slice(b"\\E"),
                b'\'' => out.extend_from_slice(b"\\'"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b if b < 32 || b == 127 => out.extend(format!("\\{b:03o}").bytes()),
                b => out.push(b),
            }
        }
        out.push(b'\'');
        return out;
    }
    let mut out = b"'".to_vec();
    for &b in text {
        if b == b'\'' { out.extend_from_slice(b"'\\''") } else { out.push(b) }
    }
    out.push(b'\'');
    out
}

/// Expands braces; `None`: too much.
fn braces_of<'a>(pieces: &[Piece<'a>], fuel: &mut usize, bytes: &mut usize, depth: u32) -> Option<Vec<Vec<Piece<'a>>>> {
    #[derive(Clone, Copy)]
    enum Tok<'b> {
        Char(u8),
        Part(&'b Part),
    }
    let mut toks: Vec<Tok<'a>> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Lit(text) => toks.extend(text.iter().map(|&b| Tok::Char(b))),
            Piece::Part(part) => toks.push(Tok::Part(part)),
        }
    }
    fn join<'b>(toks: &[Tok<'b>]) -> Vec<Piece<'b>> {
        let mut out: Vec<Piece<'b>> = Vec::new();
        for tok in toks {
            match tok {
                Tok::Char(c) => match out.last_mut() {
                    Some(Piece::Lit(text)) => text.push(*c),
                    _ => out.push(Piece::Lit(vec![*c])),
                },
                Tok::Part(p) => out.push(Piece::Part(p)),
            }
        }
        out
    }
    fn expand<'b>(toks: &[Tok<'b>], fuel: &mut usize, bytes: &mut usize, depth: u32) -> Option<Vec<Vec<Tok<'b>>>> {
        if depth > 40 {
            return None;
        }
        let is = |n: usize, c: u8| matches!(toks.get(n), Some(Tok::Char(x)) if *x == c);
        let mut open = 0;
        while open < toks.len() {
            if !is(open, b'{') {
                open += 1;
                continue;
            }
            let (mut level, mut close, mut commas) = (0, None, Vec::new());
            for n in open..toks.len() {
                if is(n, b'{') {
                    level += 1;
                } else if is(n, b'}') {
                    level -= 1;
                    if level == 0 {
                        close = Some(n);
                        break;
                    }
                } else if is(n, b',') && level == 1 {
                    commas.push(n);
                }
            }
            let Some(close) = close else {
                open += 1;
                continue;
            };
            let inside = toks.get(open + 1..close).unwrap_or_default();
            let mut middles: Vec<Vec<Tok<'b>>> = Vec::new();
            if commas.is_empty() {
                let text: Option<Vec<u8>> = inside.iter().map(|t| if let Tok::Char(c) = t { Some(*c) } else { None }).collect();
                match text.and_then(|t| sequence(&t, fuel)) {
                    Some(Ok(list)) => middles.extend(list.into_iter().map(|s| s.into_iter().map(Tok::Char).collect::<Vec<_>>())),
                    Some(Err(())) => return None,
                    None => {
                        open += 1;
                        continue;
                    }
                }
            } else {
                let mut from = open + 1;
                for end in commas.into_iter().chain([close]) {
                    middles.extend(expand(toks.get(from..end).unwrap_or_default(), fuel, bytes, depth + 1)?);
                    from = end + 1;
                }
            }
            let head = toks.get(..open).unwrap_or_default();
            let tails = expand(toks.get(close + 1..).unwrap_or_default(), fuel, bytes, depth + 1)?;
            let mut out = Vec::new();
            for middle in &middles {
                for tail in &tails {
                    let size = head.len() + middle.len() + tail.len();
                    *fuel = fuel.checked_sub(1)?;
                    *bytes = bytes.checked_sub(size)?;
                    let mut word = Vec::with_capacity(size);
                    word.extend_from_slice(head);
                    word.extend_from_slice(middle);
                    word.extend_from_slice(tail);
                    out.push(word);
                }
            }
            return Some(out);
        }
        Some(vec![toks.to_vec()])
    }
    let _: BTreeMap<(), ()> = BTreeMap::new();
    Some(expand(&toks, fuel, bytes, depth)?.iter().map(|w| join(w)).filter(|w| !w.is_empty() || pieces.is_empty()).collect())
}

/// `1..5`, `a..e`, `01..10..2`.
fn sequence(text: &[u8], fuel: &mut usize) -> Option<Result<Vec<Vec<u8>>, ()>> {
    let text = std::str::from_utf8(text).ok()?;
    let parts: Vec<&str> = text.split("..").collect();
    let (a, b, step) = match parts.as_slice() {
        [a, b] => (*a, *b, 1i64),
        [a, b, s] => (*a, *b, s.parse::<i64>().ok()?),
        _ => return None,
    };
    let letters = a.len() == 1 && b.len() == 1 && a.bytes().all(|c| c.is_ascii_alphabetic()) && b.bytes().all(|c| c.is_ascii_alphabetic());
    let (from, to, width) = if letters {
        (i64::from(*a.as_bytes().first()?), i64::from(*b.as_bytes().first()?), 0)
    } else {
        let pad = |t: &str| t.trim_start_matches('-').starts_with('0') && t.trim_start_matches('-').len() > 1;
        let width = if pad(a) || pad(b) { a.len().max(b.len()) } else { 0 };
        (a.parse().ok()?, b.parse().ok()?, width)
    };
    let step = if step == 0 { 1 } else { step.abs() };
    let count = usize::try_from((to.abs_diff(from)) / step.unsigned_abs()).unwrap_or(usize::MAX).saturating_add(1);
    if count > *fuel {
        return Some(Err(()));
    }
    *fuel -= count;
    let mut out = Vec::with_capacity(count);
    let mut value = from;
    for _ in 0..count {
        out.push(if letters {
            vec![(value & 0x7f) as u8]
        } else if width > 0 {
            let sign = if value < 0 { "-" } else { "" };
            let digits = value.unsigned_abs().to_string();
            format!("{sign}{}{digits}", "0".repeat(width.saturating_sub(sign.len() + digits.len()))).into_bytes()
        } else {
            value.to_string().into_bytes()
        });
        value = if to >= from { value.saturating_add(step) } else { value.saturating_sub(step) };
    }
    Some(Ok(out))
}
