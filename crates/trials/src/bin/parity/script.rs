//! Reads `SERVICE.txt`: directives, then a probe a line.
//!
//! ```text
//! product vsFTPd              who is imitated
//! door 21                     or: door 443 tls
//! patience 600                milliseconds to wait for the first byte of an answer
//! mask REGEX => TEXT          what must differ, in both answers
//! let login = USER {user}\r\n | PASS {password}\r\n
//! probe-name | bytes | bytes  a connection: the greeting is read, each step sent and its answer read
//!   ? reason                  why the probe above may differ
//! ```
//! Steps: bytes with `\r \n \t \0 \\ \xHH \|` and the words in braces (`{user} {password} {root_password} {host} {fqdn} {ip}`);
//! `(eof)` half-closes, `(wait)` lets the next answer take up to 8 s, `(tls)` starts TLS, `(flood N BYTE)` sends a byte N times,
//! `(slow)` sends the next step byte by byte, `(again)` hangs up and connects anew,
//! `(NAME)` inserts what `let NAME` holds, `$ command` runs a client instead and compares output and exit status.

use regex::bytes::Regex;
use std::{collections::BTreeMap, path::Path};

pub(crate) struct Script {
    pub service: String,
    pub product: String,
    pub port: u16,
    pub tls: bool,
    pub patience: u64,
    pub masks: Vec<(Regex, Vec<u8>)>,
    pub probes: Vec<Probe>,
    /// Archetype of the decky that plays it.
    pub archetype: Option<String>,
    /// More services the decky has beside it.
    pub beside: Vec<String>,
    /// `NAME=VALUE` knobs of the service.
    pub knobs: Vec<(String, String)>,
}

pub(crate) struct Probe {
    pub name: String,
    pub steps: Vec<Step>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Still with words in braces.
    Send(Vec<u8>),
    HalfClose,
    Patient,
    Slow,
    Tls,
    Again,
    Run(String),
}

pub(crate) fn all(home: &Path) -> Vec<Script> {
    let mut found: Vec<_> = std::fs::read_dir(home)
        .unwrap()
        .filter_map(|e| {
            let path = e.unwrap().path();
            (path.extension()? == "txt").then(|| read(&path))
        })
        .collect();
    found.sort_by(|a, b| a.service.cmp(&b.service));
    found
}

fn read(path: &Path) -> Script {
    let mut script = Script {
        service: path.file_stem().unwrap().to_string_lossy().into_owned(),
        product: String::new(),
        port: 0,
        tls: false,
        patience: 500,
        masks: Vec::new(),
        probes: Vec::new(),
        archetype: None,
        beside: Vec::new(),
        knobs: Vec::new(),
    };
    let mut lets: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for (number, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
        let wrong = |what: &str| -> ! { panic!("{}:{}: {what}: {line}", path.display(), number + 1) };
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(reason) = line.strip_prefix("  ? ") {
            script.probes.last_mut().unwrap_or_else(|| wrong("a reason without a probe")).reason = Some(reason.to_owned());
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "product" => rest.clone_into(&mut script.product),
            "archetype" => script.archetype = Some(rest.to_owned()),
            "beside" => script.beside = rest.split(' ').map(str::to_owned).collect(),
            "knob" => {
                let (name, value) = rest.split_once('=').unwrap_or_else(|| wrong("knob NAME=VALUE"));
                script.knobs.push((name.to_owned(), value.to_owned()));
            }
            "door" => {
                script.tls = rest.ends_with(" tls");
                script.port = rest.trim_end_matches(" tls").parse().unwrap_or_else(|_| wrong("a port"));
            }
            "patience" => script.patience = rest.parse().unwrap_or_else(|_| wrong("milliseconds")),
            "mask" => {
                let (pattern, text) = rest.split_once(" => ").unwrap_or_else(|| wrong("mask REGEX => TEXT"));
                let pattern = Regex::new(pattern).unwrap_or_else(|e| wrong(&e.to_string()));
                script.masks.push((pattern, text.as_bytes().to_vec()));
            }
            "let" => {
                let (name, rest) = rest.split_once(" = ").unwrap_or_else(|| wrong("let NAME = steps"));
                let found = steps(rest, &lets).unwrap_or_else(|e| wrong(&e));
                lets.insert(name.to_owned(), found);
            }
            _ => {
                let (name, rest) = line.split_once('|').map_or((line, ""), |(n, r)| (n.trim(), r));
                if name.contains(' ') {
                    wrong("neither a directive nor `name | steps`");
                }
                if script.probes.iter().any(|p| p.name == name) {
                    wrong("this name is taken");
                }
                let steps = if rest.is_empty() { Vec::new() } else { steps(rest, &lets).unwrap_or_else(|e| wrong(&e)) };
                script.probes.push(Probe { name: name.to_owned(), steps, reason: None });
            }
        }
    }
    script
}

fn steps(text: &str, lets: &BTreeMap<String, Vec<Step>>) -> Result<Vec<Step>, String> {
    let mut found = Vec::new();
    if let Some(command) = text.trim().strip_prefix("$ ") {
        return Ok(vec![Step::Run(command.to_owned())]);
    }
    for step in split(text) {
        let step = step.trim();
        if let Some(command) = step.strip_prefix("$ ") {
            found.push(Step::Run(command.to_owned()));
            continue;
        }
        let Some(word) = step.strip_prefix('(').and_then(|s| s.strip_suffix(')')) else {
            found.push(Step::Send(bytes(step)?));
            continue;
        };
        match word.split(' ').collect::<Vec<_>>()[..] {
            ["eof"] => found.push(Step::HalfClose),
            ["wait"] => found.push(Step::Patient),
            ["slow"] => found.push(Step::Slow),
            ["tls"] => found.push(Step::Tls),
            ["again"] => found.push(Step::Again),
            ["flood", times, byte] => {
                let times: usize = times.parse().map_err(|_| "flood TIMES BYTE".to_owned())?;
                found.push(Step::Send(bytes(byte)?.repeat(times)));
            }
            ["flood", times, byte, end] => {
                let times: usize = times.parse().map_err(|_| "flood TIMES BYTE END".to_owned())?;
                let mut sent = bytes(byte)?.repeat(times);
                sent.extend(bytes(end)?);
                found.push(Step::Send(sent));
            }
            [name] => found.extend(lets.get(name).ok_or_else(|| format!("no `let {name}`"))?.iter().cloned()),
            _ => found.push(Step::Send(bytes(step)?)),
        }
    }
    Ok(found)
}

/// At `|` that no backslash stands before.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '|' => parts.push(String::new()),
            '\\' => {
                parts.last_mut().unwrap().push('\\');
                parts.last_mut().unwrap().extend(chars.next());
            }
            c => parts.last_mut().unwrap().push(c),
        }
    }
    parts
}

/// Text with escapes as bytes.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match rest.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'0') => out.push(0),
            Some(b's') => out.push(b' '),
            Some(b'x') => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let hex = std::str::from_utf8(&hex).ok().and_then(|h| u8::from_str_radix(h, 16).ok());
                out.push(hex.ok_or("\\x needs two hex digits")?);
            }
            Some(other) => out.push(other),
            None => return Err("a backslash at the end".into()),
        }
    }
    Ok(out)
}
