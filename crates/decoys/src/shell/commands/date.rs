//! `date`, `cal`, `hwclock`.

use super::opts::{self, parse as options, quoted, text};
use crate::shell::{fs::logs, proc::Proc};

/// Seconds that a date text means, in the machine's zone.
pub(crate) fn parse(p: &Proc, input: &str) -> Option<i64> {
    parse_in(p, input, None)
}

fn parse_in(p: &Proc, input: &str, timezone: Option<&str>) -> Option<i64> {
    let now = p.k.now().seconds();
    let mut persona = (**p.fs().persona()).clone();
    if let Some(tz) = timezone {
        persona.timezone = tz.to_owned();
    }
    let persona = &persona;
    let zone = |s: &str| -> Option<i64> {
        // Local civil time: find the offset at about that time.
        let (date, time) = s.split_once([' ', 'T']).unwrap_or((s, "00:00:00"));
        let d: Vec<i64> = date.split(['-', '/']).map(|x| x.parse().ok()).collect::<Option<_>>()?;
        let t: Vec<i64> =
            time.trim_end_matches('Z').split(':').map(|x| x.split('.').next().and_then(|x| x.parse().ok())).collect::<Option<_>>()?;
        let [y, m, day] = d.as_slice() else { return None };
        let days = civil(*y, *m, *day)?;
        let utc =
            days * 86_400 + t.first().copied().unwrap_or(0) * 3600 + t.get(1).copied().unwrap_or(0) * 60 + t.get(2).copied().unwrap_or(0);
        let offset = logs::local(persona, utc, "%z");
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let h: i64 = offset.get(1..3).and_then(|x| x.parse().ok()).unwrap_or(0);
        let mi: i64 = offset.get(3..5).and_then(|x| x.parse().ok()).unwrap_or(0);
        Some(utc - if time.ends_with('Z') { 0 } else { sign * (h * 3600 + mi * 60) })
    };
    let s = input.trim();
    let utc = s.ends_with(" UTC") || s.ends_with(" GMT");
    let with_z = if utc { s.trim_end_matches(" UTC").trim_end_matches(" GMT").to_owned() + "Z" } else { s.to_owned() };
    let s = if utc && with_z.contains(' ') { with_z.as_str() } else { s };
    if let Some(n) = s.strip_prefix('@') {
        return n.split('.').next()?.parse().ok();
    }
    match s {
        "" => return zone(&logs::local(persona, now, "%Y-%m-%d")),
        "now" | "today" => return Some(now),
        "yesterday" => return Some(now - 86_400),
        "tomorrow" => return Some(now + 86_400),
        _ => {}
    }
    if let Some(t) = zone(s) {
        return Some(t);
    }
    // `2 days ago`, `+1 hour`, `next week`
    let ago = s.ends_with(" ago");
    let words: Vec<&str> = s.trim_end_matches(" ago").split_whitespace().collect();
    let mut total = now;
    let mut at = 0;
    while let Some(w) = words.get(at) {
        let (n, unit) = match w.parse::<i64>() {
            Ok(n) => {
                at += 1;
                (n, (*words.get(at)?).to_owned())
            }
            Err(_) if *w == "next" => {
                at += 1;
                (1, (*words.get(at)?).to_owned())
            }
            Err(_) if *w == "last" => {
                at += 1;
                (-1, (*words.get(at)?).to_owned())
            }
            Err(_) => {
                let digits = w.bytes().take_while(|b| b.is_ascii_digit() || *b == b'-' || *b == b'+').count();
                (w.get(..digits)?.parse().ok()?, w.get(digits..)?.to_owned())
            }
        };
        let seconds = match unit.trim_end_matches('s') {
            "sec" | "second" => 1,
            "min" | "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            "week" => 604_800,
            "fortnight" => 1_209_600,
            "month" => 2_629_746,
            "year" => 31_556_952,
            _ => return None,
        };
        total = total.checked_add(n.checked_mul(seconds)?.checked_mul(if ago { -1 } else { 1 })?)?;
        at += 1;
    }
    (total.abs() < 200_000_000_000).then_some(total)
}

fn civil(y: i64, m: i64, d: i64) -> Option<i64> {
    if !(1..=12).contains(&m) || !(1..=31).contains(&d) || !(1..=9999).contains(&y) {
        return None;
    }
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

/// `[[CC]YY]MMDDhhmm[.ss]` of `touch -t`.
pub(crate) fn stamp(p: &Proc, input: &str) -> Option<i64> {
    let (main, sec) = input.split_once('.').unwrap_or((input, "00"));
    if !main.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = match main.len() {
        12 => main.get(..4)?.to_owned(),
        10 => format!("20{}", main.get(..2)?),
        8 => logs::local(p.fs().persona(), p.k.now().seconds(), "%Y"),
        _ => return None,
    };
    let rest = main.get(main.len() - 8..)?;
    parse(p, &format!("{year}-{}-{} {}:{}:{sec}", rest.get(..2)?, rest.get(2..4)?, rest.get(4..6)?, rest.get(6..8)?))
}

/// `date`.
pub(crate) async fn date(p: &mut Proc) -> i32 {
    let o = match options(
        p,
        "d:f:I::r:Rs:u",
        &[
            ("date", 'd', 1),
            ("iso-8601", 'I', 2),
            ("reference", 'r', 1),
            ("rfc-email", 'R', 0),
            ("set", 's', 1),
            ("utc", 'u', 0),
            ("universal", 'u', 0),
            ("rfc-3339", '3', 1),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let now = p.k.now();
    let mut at = now.seconds();
    let mut nanos = now.0.rem_euclid(1_000_000) * 1000 + i64::from(p.k.random_u32() % 1000);
    if let Some(d) = o.text('d') {
        let own = if o.has('u') || p.var("TZ").is_some_and(|t| t == b"UTC" || t == b"UTC0") { Some("UTC") } else { None };
        match parse_in(p, &d, own) {
            Some(t) => {
                if d != "now" {
                    nanos = 0;
                }
                at = t;
            }
            None => return p.fail(format!("invalid date {}", quoted(d.as_bytes()))).await,
        }
    }
    if let Some(r) = o.value('r').map(<[u8]>::to_vec) {
        match p.fs().stat(&p.who, &p.path(&r)) {
            Ok(m) => at = m.mtime.seconds(),
            Err(e) => return p.fail(format!("{}: {e}", text(&r))).await,
        }
    }
    if o.has('s') && p.who.uid != 0 {
        return p.fail("cannot set date: Operation not permitted").await;
    }
    let format = match o.rest.first() {
        Some(f) if f.starts_with(b"+") => {
            if let Some(extra) = o.rest.get(1) {
                let extra = quoted(extra);
                return opts::usage(p, &format!("extra operand {extra}"), 1).await;
            }
            text(f.get(1..).unwrap_or_default())
        }
        Some(f) => return p.fail(format!("invalid date {}", quoted(f))).await,
        None if o.has('R') => "%a, %d %b %Y %H:%M:%S %z".into(),
        None if o.has('I') => match o.text('I').as_deref() {
            Some("seconds" | "s") => "%Y-%m-%dT%H:%M:%S%:z".into(),
            Some("minutes" | "m") => "%Y-%m-%dT%H:%M%:z".into(),
            Some("hours" | "h") => "%Y-%m-%dT%H%:z".into(),
            _ => "%Y-%m-%d".into(),
        },
        None if o.has('3') => "%Y-%m-%d %H:%M:%S%:z".into(),
        None => "%a %b %e %H:%M:%S %Z %Y".into(),
    };
    let mut persona = (**p.fs().persona()).clone();
    if o.has('u') {
        persona.timezone = "UTC".into();
    } else if let Some(tz) = p.var("TZ") {
        persona.timezone = text(tz);
    }
    let out = strftime(&persona, at, nanos, &format);
    p.out(format!("{out}\n"));
    0
}

/// `strftime(3)` with GNU's additions.
pub(crate) fn strftime(persona: &model::Persona, at: i64, nanos: i64, format: &str) -> String {
    let mut out = String::new();
    let mut it = format.chars().peekable();
    while let Some(c) = it.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flag = None;
        while let Some(f) = it.peek().copied().filter(|f| matches!(f, '-' | '_' | '0' | '^' | '#')) {
            flag = Some(f);
            it.next();
        }
        let mut width = String::new();
        while let Some(d) = it.peek().copied().filter(char::is_ascii_digit) {
            width.push(d);
            it.next();
        }
        let mut colon = String::new();
        while it.peek() == Some(&':') {
            colon.push(':');
            it.next();
        }
        let Some(k) = it.next() else {
            out.push('%');
            break;
        };
        let one = |f: &str| logs::local(persona, at, f);
        let item = match k {
            '%' => "%".into(),
            'n' => "\n".into(),
            't' => "\t".into(),
            's' => at.to_string(),
            'N' => {
                let n = format!("{nanos:09}");
                match width.parse::<usize>() {
                    Ok(w) => n.get(..w.min(9)).unwrap_or(&n).to_owned(),
                    Err(_) => n,
                }
            }
            'z' if !colon.is_empty() => one("%:z"),
            'c' => one("%a %b %e %H:%M:%S %Y"),
            'x' | 'D' => one("%m/%d/%y"),
            'X' | 'T' => one("%H:%M:%S"),
            'r' => one("%I:%M:%S %p"),
            'R' => one("%H:%M"),
            'F' => one("%Y-%m-%d"),
            'h' => one("%b"),
            'k' => one("%H").trim_start_matches('0').to_owned().pipe(|s| format!("{:>2}", if s.is_empty() { "0".into() } else { s })),
            'l' => one("%I").trim_start_matches('0').to_owned().pipe(|s| format!("{s:>2}")),
            'P' => one("%p").to_lowercase(),
            'C' => one("%Y").get(..2).unwrap_or_default().to_owned(),
            'q' => one("%m").parse::<u32>().map_or(String::new(), |m| m.div_ceil(3).to_string()),
            'a' | 'A' | 'b' | 'B' | 'd' | 'e' | 'g' | 'G' | 'H' | 'I' | 'j' | 'm' | 'M' | 'p' | 'S' | 'u' | 'U' | 'V' | 'w' | 'W' | 'y'
            | 'Y' | 'Z' | 'z' => one(&format!("%{k}")),
            other => format!("%{other}"),
        };
        out.push_str(&match flag {
            Some('-') => {
                let t = item.trim_start_matches(['0', ' ']);
                if t.is_empty() { "0".to_owned() } else { t.to_owned() }
            }
            Some('_') => {
                let t = item.trim_start_matches('0');
                format!("{t:>w$}", w = item.len())
            }
            Some('^') => item.to_uppercase(),
            _ => item,
        });
        if out.len() > 1 << 20 {
            break;
        }
    }
    out
}

trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}
impl Pipe for String {}
