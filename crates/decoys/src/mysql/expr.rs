//! Works out expressions.

use model::Micros;

use super::{
    message::{Col, kind},
    sql::Expr,
};

/// A value while it is worked with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Null,
    Int(i64),
    Real(f64),
    Text(Vec<u8>),
}

impl Val {
    pub(super) fn cell(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null => None,
            Self::Int(n) => Some(n.to_string().into_bytes()),
            Self::Real(f) => Some(f.to_string().into_bytes()),
            Self::Text(t) => Some(t.clone()),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Null => None,
            Self::Int(n) => Some(*n as f64),
            Self::Real(f) => Some(*f),
            Self::Text(t) => {
                let text = String::from_utf8_lossy(t);
                let n = text
                    .trim_start()
                    .bytes()
                    .enumerate()
                    .take_while(|(i, b)| b.is_ascii_digit() || *b == b'.' || *i == 0 && *b == b'-')
                    .count();
                Some(text.trim_start().get(..n).and_then(|t| t.parse().ok()).unwrap_or(0.0))
            }
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        self.number().map(|n| n != 0.0)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.cell().unwrap_or_default()
    }
}

/// What names in an expression mean.
pub(super) trait Scope {
    fn column(&self, table: Option<&str>, name: &str) -> Result<Val, Wrong>;
    fn variable(&self, name: &str) -> Result<Val, Wrong>;
    fn call(&self, name: &str, args: &[Val]) -> Option<Val>;
    fn param(&self, n: usize) -> Val;
    fn now(&self) -> Micros;
}

/// Error number, state and text.
pub(super) type Wrong = (u16, &'static str, String);

pub(super) fn eval(expr: &Expr, scope: &dyn Scope) -> Result<Val, Wrong> {
    Ok(match expr {
        Expr::Null => Val::Null,
        Expr::Int(n) => Val::Int(*n),
        Expr::Dec(d) => Val::Text(d.clone().into_bytes()),
        Expr::Text(t) | Expr::Hex(t) => Val::Text(t.clone()),
        Expr::Variable(v) => scope.variable(v)?,
        Expr::Column(t, c) => scope.column(t.as_deref(), c)?,
        Expr::Star(_) => Val::Int(1),
        Expr::Param(n) => scope.param(*n),
        Expr::Not(e) => eval(e, scope)?.truth().map_or(Val::Null, |t| Val::Int(i64::from(!t))),
        Expr::Minus(e) => match eval(e, scope)? {
            Val::Int(n) => Val::Int(n.wrapping_neg()),
            v => v.number().map_or(Val::Null, |n| Val::Real(-n)),
        },
        Expr::In(e, list, not) => {
            let value = eval(e, scope)?;
            let mut hit = false;
            for item in list {
                hit |= compare(&value, &eval(item, scope)?) == Some(std::cmp::Ordering::Equal);
            }
            if value == Val::Null { Val::Null } else { Val::Int(i64::from(hit != *not)) }
        }
        Expr::Between(e, low, high) => {
            let (value, low, high) = (eval(e, scope)?, eval(low, scope)?, eval(high, scope)?);
            match (compare(&value, &low), compare(&value, &high)) {
                (Some(a), Some(b)) => Val::Int(i64::from(a.is_ge() && b.is_le())),
                _ => Val::Null,
            }
        }
        Expr::Two(sign, a, b) => two(sign, &eval(a, scope)?, &eval(b, scope)?),
        Expr::Call(name, args) => {
            let mut values = Vec::new();
            for arg in args {
                values.push(eval(arg, scope)?);
            }
            match function(name, &values, scope).or_else(|| scope.call(name, &values)) {
                Some(value) => value,
                None => return Err((1305, "42000", format!("FUNCTION {name} does not exist"))),
            }
        }
    })
}

fn two(sign: &str, a: &Val, b: &Val) -> Val {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let logic = |v: Option<bool>| v.map_or(Val::Null, |t| Val::Int(i64::from(t)));
    match sign {
        "and" => match (a.truth(), b.truth()) {
            (Some(false), _) | (_, Some(false)) => Val::Int(0),
            (Some(true), Some(true)) => Val::Int(1),
            _ => Val::Null,
        },
        "or" => match (a.truth(), b.truth()) {
            (Some(true), _) | (_, Some(true)) => Val::Int(1),
            (Some(false), Some(false)) => Val::Int(0),
            _ => Val::Null,
        },
        "is" => Val::Int(i64::from(*a == Val::Null)),
        "<=>" => Val::Int(i64::from(a == b || compare(a, b) == Some(Equal))),
        "=" => logic(compare(a, b).map(|o| o == Equal)),
        "<>" | "!=" => logic(compare(a, b).map(|o| o != Equal)),
        "<" => logic(compare(a, b).map(|o| o == Less)),
        ">" => logic(compare(a, b).map(|o| o == Greater)),
        "<=" => logic(compare(a, b).map(|o| o != Greater)),
        ">=" => logic(compare(a, b).map(|o| o != Less)),
        "like" if *a == Val::Null || *b == Val::Null => Val::Null,
        "like" => Val::Int(i64::from(like(&b.bytes(), &a.bytes()))),
        "rlike" | "regexp" => {
            let pattern = String::from_utf8_lossy(&b.bytes()).into_owned();
            let matched = regex::RegexBuilder::new(&pattern)
                .case_insensitive(true)
                .size_limit(1 << 16)
                .build()
                .is_ok_and(|r| r.is_match(&String::from_utf8_lossy(&a.bytes())));
            Val::Int(i64::from(matched))
        }
        _ => match (a, b) {
            (Val::Null, _) | (_, Val::Null) => Val::Null,
            (Val::Int(x), Val::Int(y)) if !matches!(sign, "/") => match sign {
                "+" => Val::Int(x.wrapping_add(*y)),
                "-" => Val::Int(x.wrapping_sub(*y)),
                "*" => Val::Int(x.wrapping_mul(*y)),
                "%" => x.checked_rem(*y).map_or(Val::Null, Val::Int),
                _ => x.checked_div(*y).map_or(Val::Null, Val::Int),
            },
            _ => {
                let (x, y) = (a.number().unwrap_or(0.0), b.number().unwrap_or(0.0));
                match sign {
                    "+" => Val::Real(x + y),
                    "-" => Val::Real(x - y),
                    "*" => Val::Real(x * y),
                    _ if y == 0.0 => Val::Null,
                    "/" if matches!((a, b), (Val::Int(_), Val::Int(_))) => Val::Text(format!("{:.4}", x / y).into_bytes()),
                    "/" => Val::Real(x / y),
                    "%" => Val::Real(x % y),
                    _ => Val::Int(whole(x / y)),
                }
            }
        },
    }
}

/// Order of two values; text without regard to case, as the default collation has it.
pub(super) fn compare(a: &Val, b: &Val) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Val::Null, _) | (_, Val::Null) => None,
        (Val::Int(x), Val::Int(y)) => Some(x.cmp(y)),
        (Val::Text(x), Val::Text(y)) => {
            let fold = |t: &[u8]| String::from_utf8_lossy(t).trim_end_matches(' ').to_lowercase();
            Some(fold(x).cmp(&fold(y)))
        }
        _ => a.number()?.partial_cmp(&b.number()?),
    }
}

/// Cut to a whole number.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as wanted")]
pub(super) fn whole(n: f64) -> i64 {
    n as i64
}

/// LIKE, without regard to case.
pub(super) fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    loop {
        match (pattern.get(p), text.get(t)) {
            (Some(b'%'), _) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(b'\\'), Some(c)) if pattern.get(p + 1).is_some_and(|n| n.eq_ignore_ascii_case(c)) => {
                p += 2;
                t += 1;
                continue;
            }
            (Some(b'_'), Some(_)) => {
                p += 1;
                t += 1;
                continue;
            }
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((sp, st)) if st < text.len() => {
                star = Some((sp, st + 1));
                p = sp + 1;
                t = st + 1;
            }
            _ => return false,
        }
    }
}

fn function(name: &str, args: &[Val], scope: &dyn Scope) -> Option<Val> {
    let first = args.first().cloned().unwrap_or(Val::Null);
    let text = |v: &Val| v.bytes();
    if first == Val::Null
        && matches!(
            name,
            "length"
                | "char_length"
                | "upper"
                | "lower"
                | "hex"
                | "unhex"
                | "md5"
                | "sha1"
                | "sha"
                | "ascii"
                | "substring"
                | "substr"
                | "mid"
                | "left"
                | "right"
                | "trim"
                | "replace"
                | "reverse"
        )
    {
        return Some(Val::Null);
    }
    let int = |i: usize| args.get(i).and_then(Val::number).map(whole);
    Some(match name {
        "concat" => {
            if args.contains(&Val::Null) {
                Val::Null
            } else {
                let joined: Vec<u8> = args.iter().flat_map(text).collect();
                if joined.len() > 4_000_000 { Val::Null } else { Val::Text(joined) }
            }
        }
        "concat_ws" => {
            let parts: Vec<Vec<u8>> = args.iter().skip(1).filter(|v| **v != Val::Null).map(text).collect();
            Val::Text(parts.join(&text(&first)[..]))
        }
        "length" | "octet_length" => Val::Int(i64::try_from(text(&first).len()).unwrap_or(0)),
        "char_length" | "character_length" => Val::Int(i64::try_from(String::from_utf8_lossy(&text(&first)).chars().count()).unwrap_or(0)),
        "upper" | "ucase" => Val::Text(text(&first).to_ascii_uppercase()),
        "lower" | "lcase" => Val::Text(text(&first).to_ascii_lowercase()),
        "hex" => match first {
            Val::Int(n) => Val::Text(format!("{n:X}").into_bytes()),
            v => Val::Text(hex::encode_upper(v.bytes()).into_bytes()),
        },
        "unhex" => hex::decode(text(&first)).map_or(Val::Null, Val::Text),
        "md5" => {
            use md5::Digest;
            Val::Text(hex::encode(md5::Md5::digest(text(&first))).into_bytes())
        }
        "sha1" | "sha" => {
            use sha1::Digest;
            Val::Text(hex::encode(sha1::Sha1::digest(text(&first))).into_bytes())
        }
        "password" => Val::Text(super::dialogue::password_hash(&text(&first)).into_bytes()),
        "ascii" => Val::Int(text(&first).first().map_or(0, |&b| i64::from(b))),
        "char" => Val::Text(args.iter().filter_map(Val::number).map(|n| (whole(n) & 0xff).to_le_bytes()[0]).collect()),
        "substring" | "substr" | "mid" => {
            let value = text(&first);
            let at = int(1).unwrap_or(1);
            let n = i64::try_from(value.len()).unwrap_or(0);
            let start = if at < 0 { n + at } else { at - 1 };
            let take = int(2).unwrap_or(n).max(0);
            if start < 0 || at == 0 {
                Val::Text(Vec::new())
            } else {
                Val::Text(
                    value.iter().copied().skip(usize::try_from(start).unwrap_or(0)).take(usize::try_from(take).unwrap_or(0)).collect(),
                )
            }
        }
        "left" => Val::Text(text(&first).into_iter().take(usize::try_from(int(1).unwrap_or(0)).unwrap_or(0)).collect()),
        "right" => {
            let value = text(&first);
            let n = usize::try_from(int(1).unwrap_or(0)).unwrap_or(0).min(value.len());
            Val::Text(value.get(value.len() - n..).unwrap_or_default().to_vec())
        }
        "trim" => Val::Text(text(&first).trim_ascii().to_vec()),
        "reverse" => Val::Text(text(&first).into_iter().rev().collect()),
        "replace" => {
            let (from, to) = (args.get(1).map(text).unwrap_or_default(), args.get(2).map(text).unwrap_or_default());
            let value =
                String::from_utf8_lossy(&text(&first)).replace(&String::from_utf8_lossy(&from).into_owned(), &String::from_utf8_lossy(&to));
            Val::Text(value.into_bytes().into_iter().take(4_000_000).collect())
        }
        "if" => {
            if first.truth() == Some(true) {
                args.get(1).cloned().unwrap_or(Val::Null)
            } else {
                args.get(2).cloned().unwrap_or(Val::Null)
            }
        }
        "ifnull" | "coalesce" => args.iter().find(|v| **v != Val::Null).cloned().unwrap_or(Val::Null),
        "isnull" => Val::Int(i64::from(first == Val::Null)),
        "abs" => {
            first.number().map_or(Val::Null, |n| if matches!(first, Val::Int(_)) { Val::Int(whole(n.abs())) } else { Val::Real(n.abs()) })
        }
        "floor" => first.number().map_or(Val::Null, |n| Val::Int(whole(n.floor()))),
        "ceil" | "ceiling" => first.number().map_or(Val::Null, |n| Val::Int(whole(n.ceil()))),
        "round" => first.number().map_or(Val::Null, |n| Val::Int(whole(n.round()))),
        "rand" => Val::Real((scope.now().0.rem_euclid(1_000_003)) as f64 / 1_000_003.0),
        "greatest" => args.iter().cloned().max_by(|a, b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal)).unwrap_or(Val::Null),
        "least" => args.iter().cloned().min_by(|a, b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal)).unwrap_or(Val::Null),
        "benchmark" => Val::Int(0),
        "cast" | "convert" => first,
        "unix_timestamp" if args.is_empty() => Val::Int(scope.now().seconds()),
        "extractvalue" | "updatexml" => Val::Null,
        _ => return None,
    })
}

/// How the column of an expression is described.
pub(super) fn describe(expr: &Expr, title: &str, sample: &Val) -> Col {
    let text_len = |v: &Val| u32::try_from(String::from_utf8_lossy(&v.bytes()).chars().count()).unwrap_or(0);
    match expr {
        Expr::Null => Col { name: title.into(), kind: kind::NULL, flags: 0x80, ..Col::default() },
        Expr::Int(n) => Col::int(title, u32::try_from(n.to_string().len()).unwrap_or(1)),
        Expr::Dec(d) => {
            let decimals = d.split_once('.').map_or(0, |(_, f)| f.len());
            Col {
                name: title.into(),
                len: u32::try_from(d.len() + 1).unwrap_or(0),
                kind: kind::DECIMAL,
                flags: 0x81,
                decimals: u8::try_from(decimals).unwrap_or(0),
                ..Col::default()
            }
        }
        Expr::Text(_) => Col::text(title, text_len(sample), true),
        Expr::Hex(h) => {
            Col { name: title.into(), len: u32::try_from(h.len()).unwrap_or(0), kind: kind::VARCHAR, flags: 0xa1, ..Col::default() }
        }
        Expr::Variable(v) if v.starts_with("@@") => match sample {
            Val::Int(_) => Col { flags: 0x80, ..Col::int(title, 21) },
            v => Col::text(title, text_len(v), false),
        },
        Expr::Variable(_) => match sample {
            Val::Int(_) => Col { flags: 0x80, ..Col::int(title, 20) },
            v => Col { kind: kind::BLOB, ..Col::text(title, text_len(v).max(16_777_215), false) },
        },
        Expr::Two(sign, a, b) if matches!(*sign, "+" | "-" | "*") => {
            let width = |e: &Expr| if let Expr::Int(n) = e { n.to_string().len() } else { 11 };
            let len = if *sign == "*" {
                width(a) + width(b)
            } else {
                width(a).max(width(b)) + 1 + usize::from(matches!((&**a, &**b), (Expr::Int(_), Expr::Int(_))))
            };
            match sample {
                Val::Real(_) => Col { name: title.into(), len: 23, kind: kind::DOUBLE, flags: 0x80, decimals: 31, ..Col::default() },
                _ => Col { kind: if len > 9 { kind::LONGLONG } else { kind::LONG }, ..Col::int(title, u32::try_from(len).unwrap_or(3)) },
            }
        }
        Expr::Two(..) | Expr::Not(_) | Expr::In(..) | Expr::Between(..) => Col::int(title, 1),
        Expr::Call(name, args) => match name.as_str() {
            "count" => Col { kind: kind::LONGLONG, ..Col::int(title, 21) },
            "version" => Col::text(title, text_len(sample), true),
            "user" | "current_user" | "session_user" | "system_user" => Col::text(title, 384, false),
            "database" | "schema" => Col::text(title, 64, false),
            "now" | "current_timestamp" | "sysdate" | "localtime" => {
                Col { name: title.into(), len: 19, kind: kind::DATETIME, flags: 0x81, ..Col::default() }
            }
            "connection_id" => Col { flags: 0xa1, kind: kind::LONG, ..Col::int(title, 10) },
            "length" | "char_length" | "octet_length" => Col { kind: kind::LONG, ..Col::int(title, 10) },
            "sleep" | "benchmark" | "isnull" => Col::int(title, 1),
            "hex" => Col { decimals: 0, ..Col::text(title, text_len(sample).max(8), false) },
            "unhex" => Col { name: title.into(), len: text_len(sample).max(4), kind: kind::VARCHAR, flags: 0x80, ..Col::default() },
            "load_file" => Col { name: title.into(), len: 16_777_216, kind: 251, flags: 0x80, decimals: 39, ..Col::default() },
            "max" | "min" | "sum" if matches!(sample, Val::Int(_)) && !args.is_empty() => {
                Col { flags: 0x80, kind: kind::LONG, ..Col::int(title, 11) }
            }
            _ => match sample {
                Val::Int(n) => Col::int(title, u32::try_from(n.to_string().len()).unwrap_or(1).max(10)),
                Val::Real(_) => Col { name: title.into(), len: 23, kind: kind::DOUBLE, flags: 0x80, decimals: 31, ..Col::default() },
                v => Col::text(title, text_len(v).max(if name == "md5" { 32 } else { 0 }), false),
            },
        },
        _ => match sample {
            Val::Int(_) => Col::int(title, 21),
            v => Col::text(title, text_len(v), false),
        },
    }
}
