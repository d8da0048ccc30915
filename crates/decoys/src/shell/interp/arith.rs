//! `$(( … ))`: 64-bit integers as bash counts.

use super::{Sh, vars::Val};
use crate::shell::syntax::{is_name, is_name_start};

/// A variable and, if it has one, its subscript.
type Place = (Vec<u8>, Option<Vec<u8>>);

/// What is wrong, and the text from where it is.
pub(crate) struct Wrong(pub(crate) String);

struct Eval<'a> {
    sh: &'a mut Sh,
    text: &'a [u8],
    pos: usize,
    depth: u32,
    /// Where the last token began.
    last: usize,
    /// Inside the branch of `&&`, `||`, `?:` that does not count.
    skip: u32,
}

/// The value of an expression; variables in it may change.
pub(crate) fn eval(sh: &mut Sh, text: &[u8]) -> Result<i64, Wrong> {
    eval_at(sh, text, 0)
}

fn eval_at(sh: &mut Sh, text: &[u8], depth: u32) -> Result<i64, Wrong> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(0);
    }
    let mut e = Eval { sh, text, pos: 0, depth, last: 0, skip: 0 };
    let value = e.comma()?;
    e.blanks();
    if e.pos < e.text.len() {
        let c = e.text.get(e.pos).copied().unwrap_or(0);
        let what = if is_name(c)
            || c == b'"'
            || c == b'\''
            || c == b'.'
            || c == b'@'
            || c == b'#'
            || c == b'('
            || c == b')'
            || c == b'$'
            || c >= 128
        {
            if c == b'.' || c == b'@' || c == b'#' { "syntax error: invalid arithmetic operator" } else { "syntax error in expression" }
        } else if c == b'=' {
            "attempted assignment to non-variable"
        } else {
            "syntax error: operand expected"
        };
        return Err(e.wrong(what, e.pos));
    }
    Ok(value)
}

impl Eval<'_> {
    fn wrong(&self, what: &str, at: usize) -> Wrong {
        let whole = String::from_utf8_lossy(self.text.trim_ascii_start());
        let rest = String::from_utf8_lossy(self.text.get(at..).unwrap_or_default());
        Wrong(format!("{whole}: {what} (error token is \"{rest}\")"))
    }

    fn blanks(&mut self) {
        while self.text.get(self.pos).is_some_and(u8::is_ascii_whitespace) {
            self.pos += 1;
        }
    }

    fn take(&mut self, op: &[u8]) -> bool {
        self.blanks();
        if self.text.get(self.pos..).is_some_and(|r| r.starts_with(op)) {
            self.last = self.pos;
            self.pos += op.len();
            true
        } else {
            false
        }
    }

    /// `op`, not followed by one of `not`.
    fn take_not(&mut self, op: &[u8], not: &[u8]) -> bool {
        self.blanks();
        let next = self.text.get(self.pos + op.len());
        if self.text.get(self.pos..).is_some_and(|r| r.starts_with(op)) && !next.is_some_and(|n| not.contains(n)) {
            self.last = self.pos;
            self.pos += op.len();
            true
        } else {
            false
        }
    }

    fn comma(&mut self) -> Result<i64, Wrong> {
        self.depth += 1;
        if self.depth > 60 {
            return Err(self.wrong("expression recursion level exceeded", self.pos));
        }
        let mut value = self.assign()?;
        while self.take(b",") {
            value = self.assign()?;
        }
        self.depth -= 1;
        Ok(value)
    }

    fn assign(&mut self) -> Result<i64, Wrong> {
        self.blanks();
        let saved = self.pos;
        if let Some((name, index)) = self.lvalue()? {
            self.blanks();
            let op: Option<&[u8]> = [b"<<=".as_slice(), b">>=", b"+=", b"-=", b"*=", b"/=", b"%=", b"&=", b"|=", b"^="]
                .into_iter()
                .find(|op| self.text.get(self.pos..).is_some_and(|r| r.starts_with(op)));
            if let Some(op) = op {
                self.pos += op.len();
                let at = self.pos;
                let right = self.assign()?;
                let left = self.value(&name, index.as_deref())?;
                let value = self.binary(op.get(..op.len() - 1).unwrap_or(op), left, right, at)?;
                self.store(&name, index.as_deref(), value)?;
                return Ok(value);
            }
            if self.text.get(self.pos) == Some(&b'=') && self.text.get(self.pos + 1) != Some(&b'=') {
                self.pos += 1;
                let value = self.assign()?;
                self.store(&name, index.as_deref(), value)?;
                return Ok(value);
            }
            self.pos = saved;
        }
        self.ternary()
    }

    fn lvalue(&mut self) -> Result<Option<Place>, Wrong> {
        let start = self.pos;
        if !self.text.get(self.pos).is_some_and(|&c| is_name_start(c)) {
            return Ok(None);
        }
        while self.text.get(self.pos).is_some_and(|&c| is_name(c)) {
            self.pos += 1;
        }
        let name = self.text.get(start..self.pos).unwrap_or_default().to_vec();
        let mut index = None;
        if self.text.get(self.pos) == Some(&b'[') {
            let from = self.pos + 1;
            let mut depth = 0;
            let mut at = self.pos;
            loop {
                match self.text.get(at) {
                    None => return Err(self.wrong("bad array subscript", start)),
                    Some(b'[') => depth += 1,
                    Some(b']') => {
                        depth -= 1;
                        if depth == 0 {
                            break;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            index = Some(self.text.get(from..at).unwrap_or_default().to_vec());
            self.pos = at + 1;
        }
        Ok(Some((name, index)))
    }

    fn value(&mut self, name: &[u8], index: Option<&[u8]>) -> Result<i64, Wrong> {
        if self.skip > 0 {
            return Ok(0);
        }
        let text = match index {
            None => self.sh.param_scalar(name),
            Some(index) => {
                let assoc = matches!(self.sh.vars.get(name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_)));
                if assoc {
                    match self.sh.vars.get(name).and_then(|v| v.val.as_ref()) {
                        Some(Val::Assoc(map)) => map.get(index).cloned(),
                        _ => None,
                    }
                } else {
                    let index = eval_at(self.sh, index, self.depth + 1)?;
                    self.sh.element(name, index)
                }
            }
        };
        if text.is_none() && self.sh.opts.nounset && index.is_none() {
            return Err(Wrong(format!("{}: unbound variable", String::from_utf8_lossy(name))));
        }
        let text = text.unwrap_or_default();
        if text.iter().all(|c| c.is_ascii_digit()) && !text.is_empty() && text.first() != Some(&b'0') && text.len() < 18 {
            return Ok(text.iter().fold(0i64, |n, c| n * 10 + i64::from(c - b'0')));
        }
        if self.depth > 40 {
            return Err(Wrong(format!(
                "{}: expression recursion level exceeded (error token is \"{}\")",
                String::from_utf8_lossy(&text),
                String::from_utf8_lossy(&text)
            )));
        }
        eval_at(self.sh, &text, self.depth + 8)
    }

    fn store(&mut self, name: &[u8], index: Option<&[u8]>, value: i64) -> Result<(), Wrong> {
        if self.skip > 0 {
            return Ok(());
        }
        let text = value.to_string().into_bytes();
        let done = match index {
            None => self.sh.vars.set(name, &text),
            Some(index) => {
                if matches!(self.sh.vars.get(name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_))) {
                    self.sh.vars.set_key(name, index.to_vec(), text)
                } else {
                    let index = eval_at(self.sh, index, self.depth + 1)?;
                    self.sh.vars.set_index(name, index, text)
                }
            }
        };
        done.map_err(|_| Wrong(format!("{}: readonly variable", String::from_utf8_lossy(name))))
    }

    fn ternary(&mut self) -> Result<i64, Wrong> {
        let cond = self.or()?;
        if !self.take(b"?") {
            return Ok(cond);
        }
        self.blanks();
        if self.text.get(self.pos).is_none() || self.text.get(self.pos) == Some(&b':') {
            return Err(self.wrong("expression expected", self.pos));
        }
        self.skip += u32::from(cond == 0);
        let yes = self.comma()?;
        self.skip -= u32::from(cond == 0);
        if !self.take(b":") {
            return Err(self.wrong("`:' expected for conditional expression", self.pos));
        }
        self.blanks();
        if self.text.get(self.pos).is_none() {
            return Err(self.wrong("expression expected", self.pos));
        }
        self.skip += u32::from(cond != 0);
        let no = self.assign()?;
        self.skip -= u32::from(cond != 0);
        Ok(if cond != 0 { yes } else { no })
    }

    fn or(&mut self) -> Result<i64, Wrong> {
        let mut left = self.and()?;
        while self.take(b"||") {
            self.skip += u32::from(left != 0);
            let right = self.and()?;
            self.skip -= u32::from(left != 0);
            left = i64::from(left != 0 || right != 0);
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<i64, Wrong> {
        let mut left = self.level(0)?;
        while self.take(b"&&") {
            self.skip += u32::from(left == 0);
            let right = self.level(0)?;
            self.skip -= u32::from(left == 0);
            left = i64::from(left != 0 && right != 0);
        }
        Ok(left)
    }

    /// Binary operators, weakest first.
    fn level(&mut self, level: usize) -> Result<i64, Wrong> {
        const LEVELS: &[&[(&[u8], &[u8])]] = &[
            &[(b"|", b"|=")],
            &[(b"^", b"=")],
            &[(b"&", b"&=")],
            &[(b"==", b""), (b"!=", b"")],
            &[(b"<=", b""), (b">=", b""), (b"<", b"<"), (b">", b">")],
            &[(b"<<", b"="), (b">>", b"=")],
            &[(b"+", b"="), (b"-", b"=")],
            &[(b"*", b"*="), (b"/", b"="), (b"%", b"=")],
        ];
        let Some(ops) = LEVELS.get(level) else { return self.power() };
        let mut left = self.level(level + 1)?;
        'again: loop {
            for (op, not) in *ops {
                if self.take_not(op, not) {
                    self.blanks();
                    let at = self.pos;
                    let right = self.level(level + 1)?;
                    left = self.binary(op, left, right, at)?;
                    continue 'again;
                }
            }
            return Ok(left);
        }
    }

    fn binary(&mut self, op: &[u8], a: i64, b: i64, at: usize) -> Result<i64, Wrong> {
        if self.skip > 0 {
            return Ok(0);
        }
        Ok(match op {
            b"|" => a | b,
            b"^" => a ^ b,
            b"&" => a & b,
            b"==" => i64::from(a == b),
            b"!=" => i64::from(a != b),
            b"<=" => i64::from(a <= b),
            b">=" => i64::from(a >= b),
            b"<" => i64::from(a < b),
            b">" => i64::from(a > b),
            b"<<" => a.wrapping_shl((b & 63) as u32),
            b">>" => a.wrapping_shr((b & 63) as u32),
            b"+" => a.wrapping_add(b),
            b"-" => a.wrapping_sub(b),
            b"*" => a.wrapping_mul(b),
            _ if b == 0 => return Err(self.wrong("division by 0", at)),
            b"/" => a.wrapping_div(b),
            _ => a.wrapping_rem(b),
        })
    }

    fn power(&mut self) -> Result<i64, Wrong> {
        let base = self.unary()?;
        if self.take(b"**") {
            let at = self.pos;
            self.depth += 1;
            if self.depth > 60 {
                return Err(self.wrong("expression recursion level exceeded", at));
            }
            let exp = self.power()?;
            self.depth -= 1;
            if exp < 0 {
                return Err(self.wrong("exponent less than 0", self.last.max(at)));
            }
            let (mut out, mut base, mut exp) = (1i64, base, exp);
            while exp > 0 {
                if exp & 1 == 1 {
                    out = out.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                exp >>= 1;
            }
            return Ok(out);
        }
        Ok(base)
    }

    fn unary(&mut self) -> Result<i64, Wrong> {
        self.blanks();
        self.depth += 1;
        if self.depth > 120 {
            return Err(self.wrong("expression recursion level exceeded", self.pos));
        }
        let out = self.unary_inner();
        self.depth -= 1;
        out
    }

    fn unary_inner(&mut self) -> Result<i64, Wrong> {
        let c = self.text.get(self.pos).copied();
        let next = self.text.get(self.pos + 1).copied();
        match c {
            Some(b'!') if next != Some(b'=') => {
                self.pos += 1;
                Ok(i64::from(self.unary()? == 0))
            }
            Some(b'~') => {
                self.pos += 1;
                Ok(!self.unary()?)
            }
            Some(s @ (b'+' | b'-')) if next == Some(s) => {
                let saved = self.pos;
                self.pos += 2;
                self.blanks();
                if let Some((name, index)) = self.lvalue()? {
                    let value = self.value(&name, index.as_deref())?.wrapping_add(if s == b'+' { 1 } else { -1 });
                    self.store(&name, index.as_deref(), value)?;
                    return Ok(value);
                }
                self.pos = saved + 1;
                let value = self.unary()?;
                Ok(if s == b'-' { value.wrapping_neg() } else { value })
            }
            Some(b'+') => {
                self.pos += 1;
                self.unary()
            }
            Some(b'-') => {
                self.pos += 1;
                Ok(self.unary()?.wrapping_neg())
            }
            _ => self.primary(),
        }
    }

    fn primary(&mut self) -> Result<i64, Wrong> {
        self.blanks();
        let start = self.pos;
        match self.text.get(self.pos).copied() {
            Some(b'(') => {
                self.pos += 1;
                let value = self.comma()?;
                if !self.take(b")") {
                    self.blanks();
                    return Err(self.wrong("missing `)'", self.pos.min(self.text.len())));
                }
                Ok(value)
            }
            Some(c) if c.is_ascii_digit() => {
                while self.text.get(self.pos).is_some_and(|&c| is_name(c) || c == b'#' || c == b'@') {
                    self.pos += 1;
                }
                self.number(start)
            }
            Some(c) if is_name_start(c) => {
                let Some((name, index)) = self.lvalue()? else { return Ok(0) };
                let value = self.value(&name, index.as_deref())?;
                self.blanks();
                match (self.text.get(self.pos), self.text.get(self.pos + 1)) {
                    (Some(b'+'), Some(b'+')) => {
                        self.pos += 2;
                        self.store(&name, index.as_deref(), value.wrapping_add(1))?;
                    }
                    (Some(b'-'), Some(b'-')) => {
                        self.pos += 2;
                        self.store(&name, index.as_deref(), value.wrapping_sub(1))?;
                    }
                    _ => {}
                }
                Ok(value)
            }
            Some(b'\'' | b'"') => Err(self.wrong("syntax error: operand expected", start)),
            None => Err(self.wrong("syntax error: operand expected", self.last)),
            _ => Err(self.wrong("syntax error: operand expected", start)),
        }
    }

    fn number(&mut self, start: usize) -> Result<i64, Wrong> {
        self.last = start;
        let text = self.text.get(start..self.pos).unwrap_or_default();
        if let Some(hash) = text.iter().position(|&c| c == b'#') {
            let base: i64 = std::str::from_utf8(text.get(..hash).unwrap_or_default()).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
            if !(2..=64).contains(&base) {
                return Err(self.wrong("invalid arithmetic base", start));
            }
            let mut value = 0i64;
            for &c in text.get(hash + 1..).unwrap_or_default() {
                let digit = match c {
                    b'0'..=b'9' => i64::from(c - b'0'),
                    b'a'..=b'z' => i64::from(c - b'a') + 10,
                    b'A'..=b'Z' if base <= 36 => i64::from(c - b'A') + 10,
                    b'A'..=b'Z' => i64::from(c - b'A') + 36,
                    b'@' => 62,
                    _ => 63,
                };
                if digit >= base {
                    return Err(self.wrong("value too great for base", start));
                }
                value = value.wrapping_mul(base).wrapping_add(digit);
            }
            return Ok(value);
        }
        let (radix, digits) = match text {
            [b'0', b'x' | b'X', rest @ ..] => (16, rest),
            [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
            _ => (10, text),
        };
        let mut value = 0i64;
        for &c in digits {
            match char::from(c).to_digit(36) {
                Some(d) if d < radix => value = value.wrapping_mul(i64::from(radix)).wrapping_add(i64::from(d)),
                _ => return Err(self.wrong("value too great for base", start)),
            }
        }
        Ok(value)
    }
}
