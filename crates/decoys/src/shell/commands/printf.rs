//! `printf` of the shell and of coreutils, and the number formats that `awk` and `seq` share.

use crate::shell::syntax::{Escapes, unescape};

/// What came out, and what was wrong.
pub(crate) struct Printed {
    pub(crate) out: Vec<u8>,
    pub(crate) problems: Vec<String>,
}

/// Most bytes one call may make.
const MOST: usize = 8 << 20;

/// Formats `args` by `format`, which is used again while arguments are left. `time` formats seconds since the
/// epoch (`None`: now) for `%(…)T`.
pub(crate) fn format(format: &[u8], args: &[Vec<u8>], time: &dyn Fn(Option<i64>, &str) -> String) -> Printed {
    let mut p = Printed { out: Vec::new(), problems: Vec::new() };
    let mut used = 0;
    loop {
        let before = used;
        if once(format, args, &mut used, &mut p, time) {
            break;
        }
        if used >= args.len() || used == before || p.out.len() > MOST {
            break;
        }
    }
    p
}

/// Flags, width and precision of a conversion.
#[derive(Clone, Default)]
pub(crate) struct Spec {
    pub(crate) minus: bool,
    pub(crate) plus: bool,
    pub(crate) space: bool,
    pub(crate) zero: bool,
    pub(crate) hash: bool,
    pub(crate) width: usize,
    pub(crate) precision: Option<usize>,
}

impl Spec {
    /// Pads with blanks to the width.
    pub(crate) fn pad(&self, text: &[u8]) -> Vec<u8> {
        let gap = self.width.saturating_sub(text.len());
        if self.minus { [text, &vec![b' '; gap]].concat() } else { [&vec![b' '; gap], text].concat() }
    }

    fn number(&self, sign: &str, prefix: &str, digits: String) -> Vec<u8> {
        let digits = match self.precision {
            Some(p) if digits.len() < p => format!("{}{digits}", "0".repeat(p - digits.len())),
            Some(0) if digits == "0" => String::new(),
            _ => digits,
        };
        let len = sign.len() + prefix.len() + digits.len();
        if self.zero && !self.minus && self.precision.is_none() && len < self.width {
            return format!("{sign}{prefix}{}{digits}", "0".repeat(self.width - len)).into_bytes();
        }
        self.pad(format!("{sign}{prefix}{digits}").as_bytes())
    }

    /// `%d`.
    pub(crate) fn signed(&self, n: i64) -> Vec<u8> {
        let sign = if n < 0 {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        self.number(sign, "", n.unsigned_abs().to_string())
    }

    /// `%u %x %X %o`.
    pub(crate) fn unsigned(&self, n: u64, kind: u8) -> Vec<u8> {
        let (prefix, digits) = match kind {
            b'x' => (if self.hash && n != 0 { "0x" } else { "" }, format!("{n:x}")),
            b'X' => (if self.hash && n != 0 { "0X" } else { "" }, format!("{n:X}")),
            b'o' => (if self.hash && n != 0 { "0" } else { "" }, format!("{n:o}")),
            _ => ("", n.to_string()),
        };
        self.number("", prefix, digits)
    }

    /// `%f %e %g` and their capitals.
    pub(crate) fn float(&self, value: f64, kind: u8) -> Vec<u8> {
        let sign = if value.is_sign_negative() && !value.is_nan() {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        let magnitude = value.abs();
        let upper = kind.is_ascii_uppercase();
        let mut text = if value.is_nan() {
            "nan".to_owned()
        } else if value.is_infinite() {
            "inf".to_owned()
        } else {
            let precision = self.precision.unwrap_or(6).min(400);
            match kind.to_ascii_lowercase() {
                b'f' => format!("{magnitude:.precision$}"),
                b'e' => exponent(magnitude, precision),
                _ => general(magnitude, precision.max(1), self.hash),
            }
        };
        if upper {
            text.make_ascii_uppercase();
        }
        let plain = Self { precision: None, zero: self.zero && value.is_finite(), ..self.clone() };
        plain.number(sign, "", text)
    }
}

fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exp) = text.split_once('e').unwrap_or((&text, "0"));
    let exp: i32 = exp.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exp < 0 { '-' } else { '+' }, exp.abs())
}

/// `%g`.
pub(crate) fn general(value: f64, precision: usize, keep: bool) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.*e}", precision - 1);
    let exp: i32 = text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |t: String| if keep || !t.contains('.') { t } else { t.trim_end_matches('0').trim_end_matches('.').to_owned() };
    if exp < -4 || exp >= i32::try_from(precision).unwrap_or(6) {
        let e = exponent(value, precision - 1);
        let (m, x) = e.split_once('e').unwrap_or((&e, "+00"));
        format!("{}e{x}", trim(m.to_owned()))
    } else {
        let decimals = usize::try_from(i32::try_from(precision).unwrap_or(6) - 1 - exp).unwrap_or(0);
        trim(format!("{value:.decimals$}"))
    }
}

/// Parses flags, width and precision after `%`; `star` gives the value of `*`.
pub(crate) fn spec(format: &[u8], at: &mut usize, star: &mut dyn FnMut() -> i64) -> Spec {
    let mut s = Spec::default();
    while let Some(&c) = format.get(*at) {
        match c {
            b'-' => s.minus = true,
            b'+' => s.plus = true,
            b' ' => s.space = true,
            b'0' => s.zero = true,
            b'#' => s.hash = true,
            b'\'' => {}
            _ => break,
        }
        *at += 1;
    }
    let number = |at: &mut usize| {
        let mut n = 0usize;
        while let Some(d) = format.get(*at).filter(|c| c.is_ascii_digit()) {
            n = (n * 10 + usize::from(d - b'0')).min(1_000_000);
            *at += 1;
        }
        n
    };
    if format.get(*at) == Some(&b'*') {
        *at += 1;
        let n = star();
        s.minus |= n < 0;
        s.width = usize::try_from(n.unsigned_abs()).unwrap_or(0).min(1_000_000);
    } else {
        s.width = number(at);
    }
    if format.get(*at) == Some(&b'.') {
        *at += 1;
        if format.get(*at) == Some(&b'*') {
            *at += 1;
            s.precision = usize::try_from(star()).ok().map(|n| n.min(1_000_000));
        } else {
            s.precision = Some(number(at));
        }
    }
    while matches!(format.get(*at), Some(b'l' | b'h' | b'L' | b'z' | b'j' | b't')) {
        *at += 1;
    }
    s
}

/// One pass over the format; `true`: output was stopped by `\c`.
fn once(format: &[u8], args: &[Vec<u8>], used: &mut usize, p: &mut Printed, time: &dyn Fn(Option<i64>, &str) -> String) -> bool {
    let mut at = 0;
    let mut lit = 0;
    while let Some(&c) = format.get(at) {
        if c == b'\\' {
            at += 2;
            continue;
        }
        if c != b'%' {
            at += 1;
            continue;
        }
        p.out.extend(unescape(format.get(lit..at).unwrap_or_default(), Escapes::Printf).0);
        at += 1;
        if format.get(at) == Some(&b'%') {
            p.out.push(b'%');
            at += 1;
            lit = at;
            continue;
        }
        let s = {
            let mut star = || {
                let n = args.get(*used).and_then(|a| std::str::from_utf8(a).ok()?.trim().parse().ok()).unwrap_or(0);
                *used += 1;
                n
            };
            spec(format, &mut at, &mut star)
        };
        if format.get(at) == Some(&b'(')
            && let Some(end) = format.get(at..).and_then(|r| r.iter().position(|&b| b == b')'))
            && format.get(at + end + 1) == Some(&b'T')
        {
            let pattern = String::from_utf8_lossy(format.get(at + 1..at + end).unwrap_or_default()).into_owned();
            let seconds = args.get(*used).and_then(|a| std::str::from_utf8(a).ok()?.parse::<i64>().ok()).filter(|n| *n >= 0);
            *used += 1;
            let pattern = if pattern.is_empty() { "%H:%M:%S".into() } else { pattern };
            let text = s.pad(time(seconds, &pattern).as_bytes());
            p.out.extend(text);
            at += end + 2;
            lit = at;
            continue;
        }
        let Some(&kind) = format.get(at) else {
            p.problems.push("`%': missing format character".into());
            return true;
        };
        at += 1;
        lit = at;
        let arg: &[u8] = args.get(*used).map_or(b"", Vec::as_slice);
        match kind {
            b's' | b'b' | b'q' => {
                *used += 1;
                let mut stop = false;
                let mut text = match kind {
                    b'b' => {
                        let (text, end) = unescape(arg, Escapes::PrintfB);
                        stop = end;
                        text
                    }
                    b'q' => shell_quote(arg),
                    _ => arg.to_vec(),
                };
                if let Some(n) = s.precision {
                    text.truncate(n);
                }
                p.out.extend(s.pad(&text));
                if stop {
                    return true;
                }
            }
            b'c' => {
                *used += 1;
                let text = s.pad(arg.get(..1).unwrap_or_default());
                p.out.extend(text);
            }
            b'd' | b'i' => {
                *used += 1;
                let n = integer(arg, p);
                p.out.extend(s.signed(n));
            }
            b'u' | b'x' | b'X' | b'o' => {
                *used += 1;
                let n = integer(arg, p);
                p.out.extend(s.unsigned(n.cast_unsigned(), kind));
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
                *used += 1;
                let text = String::from_utf8_lossy(arg).into_owned();
                let value = if text.is_empty() {
                    0.0
                } else {
                    text.trim().parse::<f64>().unwrap_or_else(|_| {
                        p.problems.push(format!("{text}: invalid number"));
                        leading_float(&text)
                    })
                };
                p.out.extend(s.float(value, kind));
            }
            b'n' => *used += 1,
            other => {
                p.problems.push(format!("`{}': invalid format character", char::from(other)));
                return true;
            }
        }
        if p.out.len() > MOST {
            return true;
        }
    }
    let (text, stop) = unescape(format.get(lit..).unwrap_or_default(), Escapes::Printf);
    p.out.extend(text);
    stop
}

/// The number at the front of a text, 0 if there is none.
pub(crate) fn leading_float(text: &str) -> f64 {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let mut end = 0;
    let mut seen_e = false;
    let mut seen_dot = false;
    let mut digits = false;
    while let Some(&c) = bytes.get(end) {
        match c {
            b'0'..=b'9' => digits = true,
            b'+' | b'-' if end == 0 || matches!(bytes.get(end - 1), Some(b'e' | b'E')) => {}
            b'.' if !seen_dot && !seen_e => seen_dot = true,
            b'e' | b'E'
                if digits
                    && !seen_e
                    && bytes.get(end + 1).is_some_and(|n| {
                        n.is_ascii_digit() || (matches!(n, b'+' | b'-') && bytes.get(end + 2).is_some_and(u8::is_ascii_digit))
                    }) =>
            {
                seen_e = true
            }
            _ => break,
        }
        end += 1;
    }
    if digits { text.get(..end).and_then(|t| t.parse().ok()).unwrap_or(0.0) } else { 0.0 }
}

fn integer(arg: &[u8], p: &mut Printed) -> i64 {
    if arg.is_empty() {
        return 0;
    }
    if let [b'\'' | b'"', rest @ ..] = arg {
        return i64::from(rest.first().copied().unwrap_or(0));
    }
    let text = String::from_utf8_lossy(arg).into_owned();
    let trimmed = text.trim_start();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (radix, body) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, hex)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits.get(1..).unwrap_or_default())
    } else {
        (10, digits)
    };
    let mut value = 0i128;
    let mut bad = body.is_empty();
    for c in body.chars() {
        match c.to_digit(radix) {
            Some(d) => value = (value * i128::from(radix) + i128::from(d)).min(1 << 70),
            None => {
                bad = true;
                break;
            }
        }
    }
    if bad {
        p.problems.push(if radix == 8 { format!("{text}: invalid octal number") } else { format!("{text}: invalid number") });
    }
    let value = if negative { -value } else { value };
    if let Ok(v) = i64::try_from(value) {
        v
    } else if let Ok(v) = u64::try_from(value) {
        v.cast_signed()
    } else {
        p.problems.push(format!("warning: {text}: Numerical result out of range"));
        if negative { i64::MIN } else { i64::MAX }
    }
}

/// `printf %q`.
pub(crate) fn shell_quote(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return b"''".to_vec();
    }
    if text.iter().any(|&b| b < 32 || b == 127) {
        return crate::shell::interp::quoted(text);
    }
    let mut out = Vec::with_capacity(text.len() + 4);
    for (n, &b) in text.iter().enumerate() {
        let plain = b.is_ascii_alphanumeric() || b"-_/.:=+%@,".contains(&b) || b >= 128 || matches!(b, b'~' | b'#') && n > 0;
        if !plain {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}
