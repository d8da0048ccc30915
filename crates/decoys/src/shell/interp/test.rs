//! `test`, `[` and the primaries of `[[`.

use super::Sh;
use crate::shell::{Kind, proc::absolute};

/// Integer comparison `-eq` …
pub(crate) fn compare(op: &[u8], l: i64, r: i64) -> bool {
    match op {
        b"-eq" => l == r,
        b"-ne" => l != r,
        b"-lt" => l < r,
        b"-le" => l <= r,
        b"-gt" => l > r,
        _ => l >= r,
    }
}

/// Why an expression has no value.
enum Bad {
    Text(String),
}

const BINARY: &[&[u8]] = &[b"=", b"==", b"!=", b"<", b">", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt", b"-ot", b"-ef"];

fn is_unary(arg: &[u8]) -> bool {
    matches!(arg, [b'-', c] if b"abcdefghknoprstuvwxzGLNORS".contains(c))
}

impl Sh {
    /// Exit status of `test` with these arguments.
    pub(crate) async fn test(&mut self, name: &str, args: &[Vec<u8>]) -> i32 {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        match self.test_args(&args) {
            Ok(yes) => i32::from(!yes),
            Err(Bad::Text(text)) => {
                self.warn(format!("{name}: {text}")).await;
                2
            }
        }
    }

    fn test_args(&mut self, args: &[&[u8]]) -> Result<bool, Bad> {
        match args {
            [] => Ok(false),
            [one] => Ok(!one.is_empty()),
            [b"!", one] => Ok(one.is_empty()),
            [op, value] if is_unary(op) => Ok(self.unary_now(op.get(1).copied().unwrap_or(0), value)),
            [op, _] => Err(Bad::Text(format!("{}: unary operator expected", String::from_utf8_lossy(op)))),
            [a, op, b] if BINARY.contains(op) => self.binary(a, op, b),
            [a, b"-a", b] => Ok(!a.is_empty() && !b.is_empty()),
            [a, b"-o", b] => Ok(!a.is_empty() || !b.is_empty()),
            [b"!", rest @ ..] if rest.len() == 2 => Ok(!self.test_args(rest)?),
            [b"(", one, b")"] => Ok(!one.is_empty()),
            [_, op, _] => Err(Bad::Text(format!("{}: binary operator expected", String::from_utf8_lossy(op)))),
            [b"!", rest @ ..] if rest.len() == 3 => Ok(!self.test_args(rest)?),
            _ => {
                let mut at = 0;
                let value = self.or(args, &mut at, 0)?;
                if at < args.len() {
                    return Err(Bad::Text("too many arguments".into()));
                }
                Ok(value)
            }
        }
    }

    fn or(&mut self, args: &[&[u8]], at: &mut usize, depth: u32) -> Result<bool, Bad> {
        let mut value = self.and(args, at, depth)?;
        while args.get(*at) == Some(&b"-o".as_slice()) {
            *at += 1;
            value |= self.and(args, at, depth)?;
        }
        Ok(value)
    }

    fn and(&mut self, args: &[&[u8]], at: &mut usize, depth: u32) -> Result<bool, Bad> {
        let mut value = self.term(args, at, depth)?;
        while args.get(*at) == Some(&b"-a".as_slice()) {
            *at += 1;
            value &= self.term(args, at, depth)?;
        }
        Ok(value)
    }

    fn term(&mut self, args: &[&[u8]], at: &mut usize, depth: u32) -> Result<bool, Bad> {
        let Some(&first) = args.get(*at) else { return Err(Bad::Text("argument expected".into())) };
        if depth > 60 {
            return Err(Bad::Text("too many arguments".into()));
        }
        if first == b"!" {
            *at += 1;
            return Ok(!self.term(args, at, depth + 1)?);
        }
        if first == b"(" {
            *at += 1;
            let value = self.or(args, at, depth + 1)?;
            if args.get(*at) != Some(&b")".as_slice()) {
                return Err(Bad::Text("`)' expected".into()));
            }
            *at += 1;
            return Ok(value);
        }
        if let (Some(&op), Some(&right)) = (args.get(*at + 1), args.get(*at + 2))
            && BINARY.contains(&op)
        {
            *at += 3;
            return self.binary(first, op, right);
        }
        if is_unary(first)
            && let Some(&value) = args.get(*at + 1)
        {
            *at += 2;
            return Ok(self.unary_now(first.get(1).copied().unwrap_or(0), value));
        }
        *at += 1;
        Ok(!first.is_empty())
    }

    fn binary(&mut self, a: &[u8], op: &[u8], b: &[u8]) -> Result<bool, Bad> {
        match op {
            b"=" | b"==" => Ok(a == b),
            b"!=" => Ok(a != b),
            b"<" => Ok(a < b),
            b">" => Ok(a > b),
            b"-nt" | b"-ot" | b"-ef" => Ok(self.file_compare(op, a, b)),
            _ => {
                let number = |text: &[u8]| {
                    std::str::from_utf8(text.trim_ascii())
                        .ok()
                        .and_then(|t| t.strip_prefix('+').unwrap_or(t).parse::<i64>().ok())
                        .ok_or_else(|| Bad::Text(format!("{}: integer expression expected", String::from_utf8_lossy(text))))
                };
                Ok(compare(op, number(a)?, number(b)?))
            }
        }
    }

    /// `-nt`, `-ot`, `-ef`.
    pub(crate) fn file_compare(&self, op: &[u8], a: &[u8], b: &[u8]) -> bool {
        let stat = |p: &[u8]| self.k.fs.stat(&self.who, &absolute(&self.cwd, p)).ok();
        match (op, stat(a), stat(b)) {
            (b"-nt", Some(a), Some(b)) => a.mtime > b.mtime,
            (b"-nt", Some(_), None) => true,
            (b"-ot", Some(a), Some(b)) => a.mtime < b.mtime,
            (b"-ot", None, Some(_)) => true,
            (b"-ef", Some(a), Some(b)) => a.ino == b.ino,
            _ => false,
        }
    }

    /// A primary of `[[`.
    pub(crate) async fn unary_test(&mut self, op: u8, value: &[u8]) -> Option<bool> {
        Some(self.unary_now(op, value))
    }

    fn unary_now(&mut self, op: u8, value: &[u8]) -> bool {
        let path = absolute(&self.cwd, value);
        let stat = || if value.is_empty() { None } else { self.k.fs.stat(&self.who, &path).ok() };
        match op {
            b'n' => !value.is_empty(),
            b'z' => value.is_empty(),
            b'e' | b'a' => {
                if let Some(n) = path.strip_prefix(b"/dev/fd/").and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse().ok()) {
                    return self.fds.contains_key(&n);
                }
                stat().is_some()
            }
            b'f' => stat().is_some_and(|m| m.kind == Kind::File),
            b'd' => stat().is_some_and(|m| m.is_dir()),
            b'b' => stat().is_some_and(|m| matches!(m.kind, Kind::Block(..))),
            b'c' => stat().is_some_and(|m| matches!(m.kind, Kind::Char(..))),
            b'p' => stat().is_some_and(|m| m.kind == Kind::Fifo),
            b'S' => stat().is_some_and(|m| m.kind == Kind::Socket),
            b'h' | b'L' => !value.is_empty() && self.k.fs.lstat(&self.who, &path).is_ok_and(|m| m.kind == Kind::Link),
            b's' => stat().is_some_and(|m| m.size > 0),
            b'r' => self.k.fs.access(&self.who, &path, 4).is_ok(),
            b'w' => self.k.fs.access(&self.who, &path, 2).is_ok(),
            b'x' => self.k.fs.access(&self.who, &path, 1).is_ok(),
            b'u' => stat().is_some_and(|m| m.mode & 0o4000 != 0),
            b'g' => stat().is_some_and(|m| m.mode & 0o2000 != 0),
            b'k' => stat().is_some_and(|m| m.mode & 0o1000 != 0),
            b'O' => stat().is_some_and(|m| m.uid == self.who.uid),
            b'G' => stat().is_some_and(|m| m.gid == self.who.gid),
            b'N' => stat().is_some_and(|m| m.mtime > m.atime),
            b't' => std::str::from_utf8(value)
                .ok()
                .and_then(|v| v.trim().parse().ok())
                .is_some_and(|n: u32| self.fds.get(&n).is_some_and(|fd| fd.is_tty(&self.k))),
            b'v' => {
                let name = value.split(|&c| c == b'[').next().unwrap_or_default().to_vec();
                self.param_scalar(&name).is_some() || self.vars.get(&name).is_some_and(|v| v.val.is_some())
            }
            b'R' => self.vars.get(value).is_some_and(|v| v.nameref),
            b'o' => super::builtins::set_options(self).iter().any(|(n, on)| n.as_bytes() == value && *on),
            _ => false,
        }
    }
}
