//! Patterns: `*`, `?`, `[…]`, extended ones, and what they find among files.

use crate::shell::{Fs, Who, fs};

/// Matches `text` against `pattern`; a backslash makes the next character literal.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    Matcher { fuel: 200_000, fold: false }.run(pattern, text)
}

/// As [`matches`], letters in either case.
pub(crate) fn matches_fold(pattern: &[u8], text: &[u8]) -> bool {
    Matcher { fuel: 200_000, fold: true }.run(pattern, text)
}

/// Whether a pattern has anything but literals.
pub(crate) fn is_pattern(pattern: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&c) = pattern.get(at) {
        match c {
            b'\\' => at += 1,
            b'*' | b'?' => return true,
            b'[' if pattern.get(at + 1..).is_some_and(|rest| rest.contains(&b']')) => return true,
            b'@' | b'+' | b'!' if pattern.get(at + 1) == Some(&b'(') => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

struct Matcher {
    fuel: u32,
    fold: bool,
}

impl Matcher {
    fn run(&mut self, pattern: &[u8], text: &[u8]) -> bool {
        let (mut p, mut t) = (0usize, 0usize);
        let mut star: Option<(usize, usize)> = None;
        loop {
            if self.fuel == 0 {
                return false;
            }
            self.fuel -= 1;
            let step = match pattern.get(p) {
                Some(b'*') if pattern.get(p + 1) != Some(&b'(') => {
                    while pattern.get(p) == Some(&b'*') && pattern.get(p + 1) != Some(&b'(') {
                        p += 1;
                    }
                    if p >= pattern.len() {
                        return true;
                    }
                    star = Some((p, t));
                    continue;
                }
                Some(&k @ (b'@' | b'?' | b'+' | b'!' | b'*')) if pattern.get(p + 1) == Some(&b'(') => {
                    if let Some(close) = closing(pattern, p + 1) {
                        return self.extended(k, pattern, p, close, text, t) || {
                            match star {
                                Some((sp, st)) if st < text.len() => {
                                    self.run(pattern.get(sp..).unwrap_or_default(), text.get(st + 1..).unwrap_or_default())
                                        || self.retry(pattern, text, sp, st)
                                }
                                _ => false,
                            }
                        };
                    }
                    (text.get(t) == Some(&k)).then_some(1)
                }
                None if t >= text.len() => return true,
                None => None,
                Some(_) if t >= text.len() => None,
                Some(b'?') => Some(1),
                Some(b'[') => match self.bracket(pattern, p, text.get(t).copied().unwrap_or(0)) {
                    Some((true, len)) => Some(len),
                    Some((false, _)) => None,
                    None => (text.get(t) == Some(&b'[')).then_some(1),
                },
                Some(b'\\') if p + 1 < pattern.len() => self.same(pattern.get(p + 1), text.get(t)).then_some(2),
                Some(_) => self.same(pattern.get(p), text.get(t)).then_some(1),
            };
            match step {
                Some(len) => {
                    p += len;
                    t += 1;
                }
                None => match star {
                    Some((sp, st)) if st < text.len() => {
                        star = Some((sp, st + 1));
                        p = sp;
                        t = st + 1;
                    }
                    _ => return false,
                },
            }
        }
    }

    fn retry(&mut self, pattern: &[u8], text: &[u8], sp: usize, st: usize) -> bool {
        (st + 2..=text.len()).any(|at| self.fuel > 0 && self.run(pattern.get(sp..).unwrap_or_default(), text.get(at..).unwrap_or_default()))
    }

    fn same(&self, a: Option<&u8>, b: Option<&u8>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b || (self.fold && a.eq_ignore_ascii_case(b)),
            _ => false,
        }
    }

    fn extended(&mut self, kind: u8, pattern: &[u8], open: usize, close: usize, text: &[u8], t: usize) -> bool {
        let alternatives = split_bars(pattern.get(open + 2..close).unwrap_or_default());
        let rest = pattern.get(close + 1..).unwrap_or_default();
        let tail = text.get(t..).unwrap_or_default();
        match kind {
            b'!' => (0..=tail.len()).any(|n| {
                let head = tail.get(..n).unwrap_or_default();
                self.fuel > 0 && !alternatives.iter().any(|a| self.run(a, head)) && self.run(rest, tail.get(n..).unwrap_or_default())
            }),
            b'@' | b'?' => {
                (kind == b'?' && self.run(rest, tail))
                    || (0..=tail.len()).any(|n| {
                        let head = tail.get(..n).unwrap_or_default();
                        self.fuel > 0 && alternatives.iter().any(|a| self.run(a, head)) && self.run(rest, tail.get(n..).unwrap_or_default())
                    })
            }
            _ => {
                if kind == b'*' && self.run(rest, tail) {
                    return true;
                }
                let again = [b"*(".as_slice(), pattern.get(open + 2..=close).unwrap_or_default(), rest].concat();
                (1..=tail.len()).any(|n| {
                    let head = tail.get(..n).unwrap_or_default();
                    self.fuel > 0 && alternatives.iter().any(|a| self.run(a, head)) && self.run(&again, tail.get(n..).unwrap_or_default())
                })
            }
        }
    }

    /// Whether `c` is in the set that opens at `p`, and the set's length.
    fn bracket(&self, pattern: &[u8], p: usize, c: u8) -> Option<(bool, usize)> {
        let mut at = p + 1;
        let negate = matches!(pattern.get(at), Some(b'!' | b'^'));
        if negate {
            at += 1;
        }
        let first = at;
        let mut found = false;
        let hit = |b: u8| b == c || (self.fold && b.eq_ignore_ascii_case(&c));
        loop {
            let b = *pattern.get(at)?;
            if b == b']' && at > first {
                return Some((found != negate, at + 1 - p));
            }
            if b == b'[' && pattern.get(at + 1) == Some(&b':') {
                let end = pattern.get(at + 2..)?.windows(2).position(|w| w == b":]")? + at + 2;
                let class = pattern.get(at + 2..end)?;
                found |= in_class(class, c);
                at = end + 2;
                continue;
            }
            let low = if b == b'\\' && at + 1 < pattern.len() {
                at += 1;
                *pattern.get(at)?
            } else {
                b
            };
            if pattern.get(at + 1) == Some(&b'-') && pattern.get(at + 2).is_some_and(|&h| h != b']') {
                let mut high = *pattern.get(at + 2)?;
                at += 3;
                if high == b'\\' {
                    high = *pattern.get(at)?;
                    at += 1;
                }
                found |= (low..=high).contains(&c)
                    || (self.fold && ((low..=high).contains(&c.to_ascii_lowercase()) || (low..=high).contains(&c.to_ascii_uppercase())));
            } else {
                found |= hit(low);
                at += 1;
            }
        }
    }
}

/// POSIX character classes.
pub(crate) fn in_class(class: &[u8], c: u8) -> bool {
    match class {
        b"alpha" => c.is_ascii_alphabetic(),
        b"digit" => c.is_ascii_digit(),
        b"alnum" => c.is_ascii_alphanumeric(),
        b"upper" => c.is_ascii_uppercase(),
        b"lower" => c.is_ascii_lowercase(),
        b"space" => c.is_ascii_whitespace() || c == 11,
        b"blank" => c == b' ' || c == b'\t',
        b"punct" => c.is_ascii_punctuation(),
        b"print" => (32..127).contains(&c),
        b"graph" => c.is_ascii_graphic(),
        b"cntrl" => c.is_ascii_control(),
        b"xdigit" => c.is_ascii_hexdigit(),
        b"word" => c.is_ascii_alphanumeric() || c == b'_',
        _ => false,
    }
}

fn closing(pattern: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, &c) in pattern.iter().enumerate().skip(open) {
        match c {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn split_bars(text: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let (mut from, mut depth) = (0, 0);
    for (at, &c) in text.iter().enumerate() {
        match c {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'|' if depth == 0 => {
                out.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(text.get(from..).unwrap_or_default());
    out
}

/// Takes backslashes out of a pattern.
pub(crate) fn literal(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(&b) = bytes.next() {
        if b == b'\\' {
            out.extend(bytes.next());
        } else {
            out.push(b);
        }
    }
    out
}

/// Paths that match, sorted; empty if none does. At most 20,000.
pub(crate) fn expand(fs: &Fs, who: &Who, cwd: &[u8], pattern: &[u8], dotglob: bool) -> Vec<Vec<u8>> {
    let absolute = pattern.starts_with(b"/");
    let parts: Vec<&[u8]> = pattern.split(|&b| b == b'/').collect();
    // (as written, absolute)
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = vec![(Vec::new(), if absolute { b"/".to_vec() } else { cwd.to_vec() })];
    let mut leading = true;
    for (n, part) in parts.iter().enumerate() {
        let last = n + 1 == parts.len();
        if part.is_empty() {
            for (text, _) in &mut found {
                if !last || !leading {
                    text.push(b'/');
                }
            }
            if last {
                found.retain(|(_, path)| fs.stat(who, path).is_ok_and(|m| m.is_dir()));
            }
            continue;
        }
        leading = false;
        let mut next = Vec::new();
        for (text, path) in found {
            let add = |name: &[u8], next: &mut Vec<(Vec<u8>, Vec<u8>)>| {
                let mut text = text.clone();
                if !text.is_empty() && !text.ends_with(b"/") {
                    text.push(b'/');
                }
                text.extend_from_slice(name);
                next.push((text, fs::join(&path, name)));
            };
            if is_pattern(part) {
                let dot = part.first() == Some(&b'.') || (part.first() == Some(&b'\\') && part.get(1) == Some(&b'.'));
                for (name, _) in fs.list(who, &path).unwrap_or_default() {
                    if (name.first() != Some(&b'.') || dot || dotglob) && matches(part, &name) {
                        add(&name, &mut next);
                    }
                    if next.len() > 20_000 {
                        break;
                    }
                }
                if dot {
                    for name in [b".".as_slice(), b".."] {
                        if matches(part, name) {
                            add(name, &mut next);
                        }
                    }
                }
            } else {
                let name = literal(part);
                if fs.lstat(who, &fs::join(&path, &name)).is_ok() {
                    add(&name, &mut next);
                }
            }
        }
        found = next;
        if !last {
            for (text, _) in &mut found {
                let _ = text;
            }
        }
    }
    let mut out: Vec<Vec<u8>> = found.into_iter().map(|(text, _)| text).collect();
    out.sort();
    out
}
