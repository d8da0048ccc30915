//! POSIX regular expressions, carried by the `regex` crate: linear time whatever an attacker writes.

use regex::bytes::{Regex, RegexBuilder};

/// Which grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Basic,
    Extended,
    /// `grep -P`: passed on as it is.
    Perl,
    Fixed,
}

/// A compiled expression.
pub(crate) fn compile(pattern: &[u8], kind: Kind, fold: bool) -> Result<Regex, String> {
    let text = translate(pattern, kind)?;
    RegexBuilder::new(&text)
        .unicode(false)
        .case_insensitive(fold)
        .size_limit(2 << 20)
        .dfa_size_limit(2 << 20)
        .multi_line(false)
        .build()
        .map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "Regular expression too big".to_owned(),
            _ => "Invalid regular expression".to_owned(),
        })
}

fn translate(pattern: &[u8], kind: Kind) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    if kind == Kind::Fixed {
        for &b in pattern {
            push(&mut out, b);
        }
        return Ok(out);
    }
    if kind == Kind::Perl {
        return Ok(String::from_utf8_lossy(pattern).into_owned());
    }
    let basic = kind == Kind::Basic;
    let mut at = 0;
    let mut depth = 0i32;
    // Whether a `*` here would be literal (start of an expression or group).
    let mut start = true;
    while let Some(&b) = pattern.get(at) {
        at += 1;
        match b {
            b'[' => {
                let end = bracket(pattern, at - 1).ok_or("Unmatched [, [^, [:, [., or [=")?;
                class(&mut out, pattern.get(at..end - 1).unwrap_or_default());
                at = end;
                start = false;
                continue;
            }
            b'\\' => {
                let Some(&n) = pattern.get(at) else { return Err("Trailing backslash".into()) };
                at += 1;
                match n {
                    b'(' | b')' | b'{' | b'}' | b'|' | b'+' | b'?' if basic => {
                        if matches!(n, b'+' | b'?' | b'{') && start {
                            push(&mut out, n);
                        } else if n == b'{' {
                            interval(&mut out, pattern, &mut at, true)?;
                        } else {
                            out.push(char::from(n));
                            depth += i32::from(n == b'(') - i32::from(n == b')');
                            if depth < 0 {
                                return Err("Unmatched ) or \\)".into());
                            }
                        }
                        start = matches!(n, b'(' | b'|');
                        continue;
                    }
                    b'<' => out.push_str(r"(?:\b(?:\w|$)){0}\b{start}"),
                    b'>' => out.push_str(r"\b{end}"),
                    b'w' | b'W' | b's' | b'S' | b'b' | b'B' => {
                        out.push('\\');
                        out.push(char::from(n));
                    }
                    b'`' => out.push_str(r"\A"),
                    b'\'' => out.push_str(r"\z"),
                    b'n' => out.push_str(r"\n"),
                    b't' => out.push_str(r"\t"),
                    b'1'..=b'9' => return Err("Invalid back reference".into()),
                    n => push(&mut out, n),
                }
                start = false;
                continue;
            }
            b'*' => {
                if start {
                    out.push_str(r"\*")
                } else if !out.ends_with('*') || out.ends_with(r"\*") {
                    out.push('*')
                }
                start = false;
                continue;
            }
            b'+' | b'?' if !basic => {
                if start {
                    push(&mut out, b)
                } else {
                    out.push(char::from(b))
                }
                start = false;
                continue;
            }
            b'{' if !basic => {
                if start || !pattern.get(at).is_some_and(|c| c.is_ascii_digit() || *c == b',') {
                    out.push_str(r"\{");
                } else {
                    interval(&mut out, pattern, &mut at, false)?;
                }
                start = false;
                continue;
            }
            b'(' | b'|' if !basic => {
                out.push(char::from(b));
                depth += i32::from(b == b'(');
                start = true;
                continue;
            }
            b')' if !basic => {
                if depth == 0 {
                    out.push_str(r"\)");
                } else {
                    depth -= 1;
                    out.push(')');
                }
                start = false;
                continue;
            }
            b'^' => {
                if basic && !start {
                    out.push_str(r"\^")
                } else {
                    out.push('^')
                }
                continue;
            }
            b'$' => {
                let last =
                    at >= pattern.len() || pattern.get(at..at + 2) == Some(b"\\)") || pattern.get(at..at + 2) == Some(b"\\|") || !basic;
                if last {
                    out.push('$')
                } else {
                    out.push_str(r"\$")
                }
                start = false;
                continue;
            }
            b'.' => out.push_str(r"[^\n]"),
            b => push(&mut out, b),
        }
        start = false;
    }
    if depth > 0 {
        return Err("Unmatched ( or \\(".into());
    }
    Ok(out.replace(r"(?:\b(?:\w|$)){0}", ""))
}

fn push(out: &mut String, b: u8) {
    if b.is_ascii_alphanumeric() || b == b'_' || b == b' ' {
        out.push(char::from(b));
    } else {
        out.push_str(&format!("\\x{b:02x}"));
    }
}

/// Index after the closing bracket of the set that opens at `open`.
fn bracket(pattern: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    if pattern.get(at) == Some(&b'^') {
        at += 1;
    }
    if pattern.get(at) == Some(&b']') {
        at += 1;
    }
    loop {
        match pattern.get(at)? {
            b']' => return Some(at + 1),
            b'[' if matches!(pattern.get(at + 1), Some(b':' | b'.' | b'=')) => {
                let kind = *pattern.get(at + 1)?;
                at += 2;
                while !(pattern.get(at)? == &kind && pattern.get(at + 1) == Some(&b']')) {
                    at += 1;
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
}

fn class(out: &mut String, inside: &[u8]) {
    out.push('[');
    let mut at = 0;
    if inside.first() == Some(&b'^') {
        out.push('^');
        at = 1;
    }
    while let Some(&b) = inside.get(at) {
        if b == b'['
            && inside.get(at + 1) == Some(&b':')
            && let Some(end) = inside.get(at..).and_then(|r| r.windows(2).position(|w| w == b":]"))
        {
            out.push_str(&String::from_utf8_lossy(inside.get(at..at + end + 2).unwrap_or_default()));
            at += end + 2;
            continue;
        }
        if b == b'-' && at > 0 && at + 1 < inside.len() && !(at == 1 && inside.first() == Some(&b'^')) {
            out.push('-');
        } else {
            push(out, b);
        }
        at += 1;
    }
    out.push(']');
}

fn interval(out: &mut String, pattern: &[u8], at: &mut usize, basic: bool) -> Result<(), String> {
    let close: &[u8] = if basic { b"\\}" } else { b"}" };
    let rest = pattern.get(*at..).unwrap_or_default();
    let end = rest.windows(close.len()).position(|w| w == close).ok_or("Unmatched { or \\{")?;
    let text = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
    let (low, high) = match text.split_once(',') {
        Some((l, h)) => (if l.is_empty() { "0" } else { l }, Some(h)),
        None => (text.as_str(), None),
    };
    let number = |t: &str| t.parse::<u32>().ok().filter(|n| *n <= 1000);
    let l = number(low).ok_or("Invalid content of \\{\\}")?;
    match high {
        None => out.push_str(&format!("{{{l}}}")),
        Some("") => out.push_str(&format!("{{{l},}}")),
        Some(h) => {
            let h = number(h).filter(|h| *h >= l).ok_or("Invalid content of \\{\\}")?;
            out.push_str(&format!("{{{l},{h}}}"));
        }
    }
    *at += end + close.len();
    Ok(())
}
