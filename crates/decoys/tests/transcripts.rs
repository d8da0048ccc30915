//! Plays every transcript of every decoy: `tests/transcripts/<decoy>/*.txt`. Adding a case is adding a file.
//!
//! ```text
//! # a comment
//! = knob banner hello          settings first: `= knob NAME VALUE`, `= door 990` / `= door tls 465` / `= udp`, `= whole`
//! < +OK ready\r\n              expected: exactly what was sent since the last `>` or `=`
//! > USER bob\r\n               sent; \r \n \t \0 \e \xNN \\ are escapes, nothing is added at the end
//! < +OK \{{*}\r\n              masks: {*} any bytes (as few as possible), {12} exactly twelve bytes; \{ is a brace
//! ! auth_attempt principal=bob secret_printable="a b" secret_b64={*}
//! ! none                       nothing at all was noted
//! = hangup                     the dialogue has ended the conversation
//! ```
//! Consecutive `>` lines are sent as one piece, consecutive `<` lines are joined. `!` lines must match notes in
//! order; notes that are not mentioned are fine. Steps: `= wake`, `= wait 1500ms`, `= tls` (the dialogue asked for
//! TLS; it is established now), `= half-close`, `= close`, `= idle`, `= again` (the same visitor comes back), `= side open`,
//! `= side other` (a stranger connects), `= side data TEXT`, `= side drained`, `= side closed`, `= side sent TEXT`,
//! `= hangup`, `= open` (still connected).
//!
//! Every file is played twice: as written, and with the visitor's bytes arriving one at a time; the answers must be
//! the same (`= whole` skips that, for products that really tell the difference).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{
    Decoy, Door,
    decoy::Side,
    stage::rehearse::{self, Rehearsal},
};
use model::Saw;
use serde_json::Value;
use std::{fmt::Write, fs, path::Path, time::Duration};

#[test]
fn every_transcript_plays() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let only = std::env::var("TRANSCRIPT").ok();
    let mut failures = String::new();
    let mut played = 0;
    for decoy in decoys::ALL {
        let folder = root.join(decoy.name);
        let mut files: Vec<_> = match fs::read_dir(&folder) {
            Ok(dir) => dir.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|x| x == "txt")).collect(),
            Err(_) => Vec::new(),
        };
        files.sort();
        if files.is_empty() {
            writeln!(failures, "{}: no transcript in {}", decoy.name, folder.display()).unwrap();
        }
        for file in files {
            let name = format!("{}/{}", decoy.name, file.file_name().unwrap().to_string_lossy());
            if only.as_ref().is_some_and(|o| !name.contains(o)) {
                continue;
            }
            played += 1;
            let text = fs::read_to_string(&file).unwrap();
            let sent: usize = text.lines().filter(|l| l.starts_with('>')).map(str::len).sum();
            for slowly in [false, true] {
                if slowly && (sent > 16 * 1024 || text.lines().any(|l| matches!(l.trim_end(), "= whole" | "= udp"))) {
                    continue;
                }
                if let Err(why) = play(decoy, &text, slowly) {
                    let how = if slowly { " (a byte at a time)" } else { "" };
                    writeln!(failures, "{name}{how}: {why}\n").unwrap();
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    eprintln!("{played} transcripts played");
}

/// What has been said and is not yet checked.
#[derive(Default)]
struct Turn {
    line: usize,
    expected: Option<Vec<Piece>>,
    notes: Vec<(usize, String)>,
}

fn play(decoy: &'static Decoy, text: &str, slowly: bool) -> Result<(), String> {
    let mut persona = rehearse::persona();
    let mut door = None;
    let mut udp = false;
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.starts_with('#') && !l.trim().is_empty()).collect();
    let settings = lines
        .iter()
        .take_while(|(_, l)| ["= knob ", "= door ", "= udp", "= whole"].iter().any(|s| l.starts_with(s)))
        .map(|(_, l)| l[2..].trim())
        .collect::<Vec<_>>();
    for setting in &settings {
        let words: Vec<&str> = setting.splitn(3, ' ').collect();
        match words[..] {
            ["knob", name, value] => {
                let service = persona.services.iter_mut().find(|s| s.name == decoy.name);
                service.ok_or("the persona lacks this service")?.knobs.insert(name.into(), value.into());
            }
            ["door", "tls", port] => door = Some(Door::Tls(port.parse().map_err(|_| "no port")?)),
            ["door", port] => door = Some(Door::Plain(port.parse().map_err(|_| "no port")?)),
            ["udp"] => udp = true,
            _ => {}
        }
    }
    let visit = rehearse::visit(persona, decoy.name);
    let start = |visit| {
        if udp { Rehearsal::datagram(decoy, visit) } else { Rehearsal::start(decoy, visit, door) }.ok_or("the decoy has no such door")
    };
    let mut stage = start(visit.clone())?;
    let mut turn = Turn { line: 1, ..Turn::default() };
    let mut pending: Vec<u8> = Vec::new();
    for &(number, line) in &lines[settings.len()..] {
        let (mark, rest) = line.split_at(1);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if mark != ">" && !pending.is_empty() {
            speak(&mut stage, &std::mem::take(&mut pending), slowly);
        }
        match mark {
            ">" => {
                if pending.is_empty() {
                    check(&mut stage, &mut turn)?;
                    turn.line = number;
                }
                pending.extend(unescape(rest).map_err(|e| format!("line {number}: {e}"))?);
            }
            "<" => turn.expected.get_or_insert_default().extend(pieces(rest).map_err(|e| format!("line {number}: {e}"))?),
            "!" => turn.notes.push((number, rest.to_owned())),
            "=" => {
                if rest.trim() != "hangup" && rest.trim() != "open" && !rest.starts_with("side sent") {
                    check(&mut stage, &mut turn)?;
                    turn.line = number;
                }
                step(&mut stage, rest.trim_end(), &start, &visit).map_err(|e| format!("line {number}: {e}"))?;
            }
            _ => return Err(format!("line {number}: a line begins with # > < ! or =")),
        }
    }
    if !pending.is_empty() {
        speak(&mut stage, &pending, slowly);
    }
    check(&mut stage, &mut turn)
}

fn speak(stage: &mut Rehearsal, bytes: &[u8], slowly: bool) {
    if slowly {
        stage.say_slowly(bytes);
    } else {
        stage.say(bytes);
    }
}

fn step(
    stage: &mut Rehearsal,
    what: &str,
    start: &dyn Fn(decoys::Visit) -> Result<Rehearsal, &'static str>,
    visit: &decoys::Visit,
) -> Result<(), String> {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    match (word, rest) {
        ("wake", _) => _ = stage.wake(),
        ("wait", time) => _ = stage.wait(duration(time)?),
        ("tls", _) if stage.wants_tls() => _ = stage.secure(),
        ("tls", _) => return Err("the dialogue did not ask for TLS".into()),
        ("half-close", _) => _ = stage.half_close(),
        ("close", _) => _ = stage.close(),
        ("idle", _) => _ = stage.idle(),
        ("again", _) => {
            stage.close();
            *stage = start(visit.clone())?;
        }
        ("hangup", _) if stage.hung_up() => {}
        ("hangup", _) => return Err("the conversation goes on".into()),
        ("open", _) if !stage.hung_up() => {}
        ("open", _) => return Err("the conversation has ended".into()),
        ("side", "open") => _ = stage.side(Side::Opened { same_host: true }),
        ("side", "other") => _ = stage.side(Side::Opened { same_host: false }),
        ("side", "drained") => _ = stage.side(Side::Drained),
        ("side", "closed") => _ = stage.side(Side::Closed),
        ("side", text) => {
            if let Some(data) = text.strip_prefix("data ") {
                stage.side(Side::Data(&unescape(data)?));
            } else if let Some(data) = text.strip_prefix("sent") {
                let got = stage.side_sent();
                if !matches(&pieces(data.trim_start())?, &got) {
                    return Err(format!("sent on the data connection:\n= side sent {}", got.escape_ascii()));
                }
            } else {
                return Err(format!("unknown side step `{text}`"));
            }
        }
        _ => return Err(format!("unknown step `{what}`")),
    }
    Ok(())
}

fn check(stage: &mut Rehearsal, turn: &mut Turn) -> Result<(), String> {
    let sent = stage.sent();
    let saws = stage.saws();
    let turn = std::mem::take(turn);
    if !matches(turn.expected.as_deref().unwrap_or_default(), &sent) {
        return Err(format!("after line {}: sent was\n{}", turn.line, shown(&sent)));
    }
    let mut left = saws.iter();
    for (number, note) in &turn.notes {
        let found = if note.trim() == "none" { saws.is_empty() } else { left.any(|saw| noted(note, saw).unwrap_or(false)) };
        if !found {
            let all: String = saws.iter().map(|s| format!("! {} {}\n", s.event_type(), Value::Object(s.fields()))).collect();
            return Err(format!("line {number}: `{note}` was not noted (or not in this order); noted were\n{all}"));
        }
    }
    Ok(())
}

/// What was sent, as lines to paste.
fn shown(sent: &[u8]) -> String {
    sent.split_inclusive(|&b| b == b'\n')
        .map(|l| format!("< {}\n", l.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"").replace('{', "\\{")))
        .collect()
}

/// `auth_attempt principal=bob secret_printable="a b"` against what was noted.
fn noted(note: &str, saw: &Saw) -> Result<bool, String> {
    let (kind, mut rest) = note.trim().split_once(' ').unwrap_or((note.trim(), ""));
    if kind != saw.event_type() {
        return Ok(false);
    }
    let fields = saw.fields();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(true);
        }
        let (key, after) = rest.split_once('=').ok_or("a field is key=value")?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.match_indices('"').map(|(i, _)| i).find(|&i| !quoted[..i].ends_with('\\')).ok_or("a quote is open")?;
                (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
            }
            None => after.split_once(' ').map_or((after.to_owned(), ""), |(v, r)| (v.to_owned(), r)),
        };
        let have = match fields.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return Ok(false),
        };
        if !matches(&pieces(&value)?, have.as_bytes()) {
            return Ok(false);
        }
        rest = after;
    }
}

/// A part of what is expected.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Exactly(Vec<u8>),
    Any,
    Count(usize),
}

fn matches(pieces: &[Piece], bytes: &[u8]) -> bool {
    match pieces {
        [] => bytes.is_empty(),
        [Piece::Exactly(text), rest @ ..] => bytes.strip_prefix(text.as_slice()).is_some_and(|b| matches(rest, b)),
        [Piece::Count(n), rest @ ..] => bytes.get(*n..).is_some_and(|b| matches(rest, b)),
        [Piece::Any] => true,
        [Piece::Any, rest @ ..] => (0..=bytes.len()).any(|i| matches(rest, &bytes[i..])),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut all = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mask = rest.strip_prefix('{').and_then(|r| r.split_once('}')).filter(|(m, _)| *m == "*" || m.parse::<usize>().is_ok());
        if let Some((mask, after)) = mask {
            if !plain.is_empty() {
                all.push(Piece::Exactly(unescape(&std::mem::take(&mut plain))?));
            }
            all.push(mask.parse().map_or(Piece::Any, Piece::Count));
            rest = after;
        } else if c == '\\' {
            let two = rest.chars().take(2).map(char::len_utf8).sum::<usize>();
            plain.push_str(&rest[..two]);
            rest = &rest[two..];
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !plain.is_empty() {
        all.push(Piece::Exactly(unescape(&plain)?));
    }
    Ok(all)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'e') => 0x1b,
            Some(b's') => b' ',
            Some(other @ (b'\\' | b'{' | b'}' | b'"' | b'\'')) => other,
            Some(b'x') => {
                let digits = [bytes.next().unwrap_or(b'?'), bytes.next().unwrap_or(b'?')];
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).map_err(|_| "\\x needs two hex digits")?
            }
            other => {
                return Err(format!("unknown escape \\{}", other.map_or('?', char::from)));
            }
        });
    }
    Ok(out)
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).ok_or("a time is like 5s or 200ms")?);
    let number: u64 = number.trim().parse().map_err(|_| "a time is like 5s or 200ms")?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err("a time is like 5s or 200ms".into()),
    }
}

#[test]
fn masks_and_escapes() {
    let check = |expected: &str, bytes: &[u8], fits: bool| assert_eq!(matches(&pieces(expected).unwrap(), bytes), fits, "{expected}");
    check("abc\\r\\n", b"abc\r\n", true);
    check("a{*}c", b"axxxc", true);
    check("a{2}c", b"axxc", true);
    check("a{2}c", b"axc", false);
    check("\\{2}c", b"{2}c", true);
    check("{\"a\":1}", b"{\"a\":1}", true);
    check("\\xff\\\\", b"\xff\\", true);
    check("{*}", b"", true);
    check("x{*}", b"y", false);
}
