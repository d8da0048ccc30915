//! Commands that change messages: STORE, COPY, MOVE, APPEND (with several messages and CATENATE).

use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;

use super::{
    fetch,
    parse::{Arg, shown},
    session::{Answer, Session},
};
use crate::mail::{
    boxes::{KEYWORDS, SYSTEM},
    message,
};

/// Most messages of one COPY, MOVE or APPEND.
const MOST: usize = 5000;
/// Longest name of a keyword.
const LONGEST_KEYWORD: usize = 50;

impl Session {
    pub(super) fn store(&mut self, args: &[Arg], uid: bool, wire: &mut Vec<u8>) -> Answer {
        let uids = self.messages(args.first(), uid)?;
        let mut rest = args.get(1..).unwrap_or_default();
        let mut unchanged = None;
        if let Some(options) = rest.first().and_then(Arg::list) {
            match (options.first().and_then(Arg::word).as_deref(), options.get(1).and_then(Arg::text).and_then(|t| t.parse::<u64>().ok())) {
                (Some("UNCHANGEDSINCE"), Some(n)) => unchanged = Some(n),
                _ => return Err("Unknown STORE modifier".into()),
            }
            self.condstore = true;
            rest = rest.get(1..).unwrap_or_default();
        }
        let item = rest.first().and_then(Arg::word).ok_or("Missing arguments.")?;
        let (item, silent) = item.strip_suffix(".SILENT").map_or((item.as_str(), false), |i| (i, true));
        let how = match item {
            "FLAGS" => None,
            "+FLAGS" => Some(true),
            "-FLAGS" => Some(false),
            other => return Err(format!("Invalid item {other}")),
        };
        let flags = match rest.get(1) {
            Some(Arg::List(list)) => list.clone(),
            Some(_) => rest.get(1..).unwrap_or_default().to_vec(),
            None => return Err("Missing arguments.".into()),
        };
        let Some(view) = &self.view else { return Err("BAD No mailbox selected".into()) };
        let (name, readonly, recent_from) = (view.name.clone(), view.readonly, view.recent_from);
        let bits = self.bits(&name, &flags)?;
        if readonly {
            return Ok("Store ignored with read-only mailbox".into());
        }
        let mut modified = Vec::new();
        let mut changed = false;
        let mut told = Vec::new();
        for target in &uids {
            let Some(seq) = self.seq_of(*target) else { continue };
            let condstore = self.condstore;
            let Some(mailbox) = self.account.find_mut(&name) else { break };
            let Some(m) = mailbox.by_uid(*target) else { continue };
            if unchanged.is_some_and(|n| m.modseq > n) {
                modified.push(if uid { *target } else { seq });
                continue;
            }
            let new = match how {
                None => bits,
                Some(true) => m.flags | bits,
                Some(false) => m.flags & !bits,
            };
            if new != m.flags {
                let modseq = mailbox.tick();
                if let Some(m) = mailbox.by_uid(*target) {
                    (m.flags, m.modseq) = (new, modseq);
                }
                changed = true;
            }
            let modseq = mailbox.by_uid(*target).map_or(0, |m| m.modseq);
            if silent && !condstore {
                self.heard(*target, new, modseq);
            } else if silent {
                self.heard(*target, new, 0);
                told.push((seq, *target, None, modseq));
            } else {
                told.push((seq, *target, Some(new), modseq));
            }
        }
        // New keywords are announced before they are used.
        if let Some(mailbox) = self.account.find(&name).cloned() {
            if changed && !silent && bits >= super::super::mail::boxes::KEYWORD {
                self.announce(&mailbox, wire);
            }
            for (seq, target, flags, modseq) in told {
                let mut parts = Vec::new();
                if uid || self.qresync {
                    parts.push(format!("UID {target}"));
                }
                if self.condstore {
                    parts.push(format!("MODSEQ ({modseq})"));
                }
                if let Some(flags) = flags {
                    parts.push(format!("FLAGS ({})", self.flags_of(&mailbox, target, flags, recent_from)));
                }
                wire.extend_from_slice(format!("* {seq} FETCH ({})\r\n", parts.join(" ")).as_bytes());
                let flags = flags.or_else(|| mailbox.messages.iter().find(|m| m.uid == target).map(|m| m.flags)).unwrap_or(0);
                self.heard(target, flags, modseq);
            }
        }
        if changed && !self.account.keep() {
            return Ok("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)".into());
        }
        if modified.is_empty() {
            Ok("Store completed".into())
        } else {
            Ok(format!("[MODIFIED {}] Conditional store failed.", shown(&modified)))
        }
    }

    /// The bits of flags in box `name`.
    fn bits(&mut self, name: &str, flags: &[Arg]) -> Result<u32, String> {
        let mut bits = 0;
        for flag in flags.iter().take(200) {
            let text = flag.text().ok_or("Flags list contains non-atoms.")?;
            if text.starts_with('\\') && !SYSTEM.iter().any(|(n, _)| n.eq_ignore_ascii_case(&text)) {
                if text.eq_ignore_ascii_case("\\Recent") {
                    return Err("Can't set \\Recent flag".into());
                }
                return Err(format!("Invalid system flag {text}"));
            }
            if text.is_empty()
                || text.len() > LONGEST_KEYWORD
                || text.bytes().any(|b| b <= b' ' || b >= 0x7f || b"(){%*\"\\]".contains(&b) && !text.starts_with('\\'))
            {
                return Err("Invalid keyword name: Invalid characters in keyword".into());
            }
            if let Some(mailbox) = self.account.find_mut(name) {
                if mailbox.keywords.len() >= KEYWORDS && mailbox.bit(&text, false).is_none() {
                    continue;
                }
                bits |= mailbox.bit(&text, true).unwrap_or(0);
            }
        }
        Ok(bits)
    }

    pub(super) fn copy(&mut self, args: &[Arg], uid: bool, moving: bool, wire: &mut Vec<u8>) -> Answer {
        let uids = self.messages(args.first(), uid)?;
        let to = args.get(1).and_then(Arg::text).ok_or("Missing arguments.")?;
        let Some(view) = &self.view else { return Err("BAD No mailbox selected".into()) };
        let (from, readonly) = (view.name.clone(), view.readonly);
        if self.account.find(&to).is_none() {
            return Ok(format!("NO [TRYCREATE] Mailbox doesn't exist: {to}"));
        }
        if moving && readonly {
            return Ok("NO Mailbox is read-only".into());
        }
        if uids.is_empty() {
            return Ok("No messages found".into());
        }
        if uids.len() > MOST {
            return Ok("NO [LIMIT] Too many messages".into());
        }
        let Some(source) = self.account.find(&from).cloned() else { return Err("BAD No mailbox selected".into()) };
        let saved = self.now.seconds();
        let Some(target) = self.account.find_mut(&to) else { return Err("Missing arguments.".into()) };
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for m in source.messages.iter().filter(|m| uids.contains(&m.uid)) {
            let mut bits = 0;
            for name in source.names(m.flags) {
                bits |= target.bit(name, true).unwrap_or(0);
            }
            old.push(m.uid);
            new.push(target.add(m.at, bits, Some(saved), m.source.clone()));
        }
        let validity = target.validity;
        let code = format!("[COPYUID {validity} {} {}]", shown(&old), shown(&new));
        if moving {
            let gone: BTreeSet<u32> = old.into_iter().collect();
            if let Some(mailbox) = self.account.find_mut(&from) {
                mailbox.remove(&gone);
            }
            wire.extend_from_slice(format!("* OK {code} Moved UIDs.\r\n").as_bytes());
        }
        if !self.account.keep() {
            return Ok("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)".into());
        }
        Ok(if moving { "Move completed".into() } else { format!("{code} Copy completed") })
    }

    pub(super) fn append(&mut self, args: &[Arg]) -> Answer {
        let name = args.first().and_then(Arg::text).ok_or("Invalid arguments.")?;
        if self.account.find(&name).is_none() {
            return Ok(format!("NO [TRYCREATE] Mailbox doesn't exist: {name}"));
        }
        let mut rest = args.get(1..).unwrap_or_default();
        let mut new: Vec<(Vec<Arg>, i64, Bytes)> = Vec::new();
        while !rest.is_empty() {
            let mut flags = Vec::new();
            let mut at = self.now.seconds();
            if let Some(Arg::List(list)) = rest.first() {
                flags.clone_from(list);
                rest = rest.get(1..).unwrap_or_default();
            }
            if let Some(Arg::Text(text)) = rest.first() {
                at = internal_date(&String::from_utf8_lossy(text)).ok_or("Invalid internal date.")?;
                rest = rest.get(1..).unwrap_or_default();
            }
            let bytes = match rest.first() {
                Some(Arg::Literal(bytes)) => bytes.clone(),
                Some(Arg::Atom(word)) if word.eq_ignore_ascii_case(b"CATENATE") => {
                    let parts = rest.get(1).and_then(Arg::list).ok_or("Missing message.")?;
                    rest = rest.get(1..).unwrap_or_default();
                    match self.catenate(parts)? {
                        Ok(bytes) => bytes,
                        Err(no) => return Ok(no),
                    }
                }
                _ => return Err("Invalid arguments".into()),
            };
            rest = rest.get(1..).unwrap_or_default();
            if new.len() >= MOST {
                return Ok("NO [LIMIT] Too many messages".into());
            }
            new.push((flags, at, bytes));
        }
        if new.is_empty() {
            return Err("Missing message.".into());
        }
        let mut uids = Vec::new();
        for (flags, at, bytes) in new {
            if bytes.is_empty() {
                return Ok("NO Can't save a zero byte message.".into());
            }
            let bits = self.bits(&name, &flags)?;
            let full = || Ok("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)".to_owned());
            let Some(source) = self.account.put(with_crlf(&bytes)) else { return full() };
            let saved = self.now.seconds();
            let Some(mailbox) = self.account.find_mut(&name) else { return full() };
            uids.push(mailbox.add(at, bits, Some(saved), source));
        }
        if !self.account.keep() {
            return Ok("NO [OVERQUOTA] Quota exceeded (mailbox for user is full)".into());
        }
        let validity = self.account.find(&name).map_or(0, |m| m.validity);
        Ok(format!("[APPENDUID {validity} {}] Append completed", shown(&uids)))
    }

    /// CATENATE (RFC 4469): pieces of text and of other messages. The inner error is a NO.
    fn catenate(&self, parts: &[Arg]) -> Result<Result<Bytes, String>, String> {
        let mut whole = BytesMut::new();
        let mut parts = parts.iter();
        while let Some(part) = parts.next() {
            match part.word().as_deref() {
                Some("TEXT") => match parts.next() {
                    Some(Arg::Literal(bytes)) => whole.extend_from_slice(bytes),
                    _ => return Err("Invalid arguments.".into()),
                },
                Some("URL") => {
                    let url = parts.next().and_then(Arg::text).ok_or("Invalid arguments.")?;
                    match self.url(&url) {
                        Some(bytes) => whole.extend_from_slice(&bytes),
                        None => return Ok(Err(format!("NO [BADURL {url}] Invalid IMAP URL"))),
                    }
                }
                _ => return Err("Invalid arguments.".into()),
            }
            if whole.len() > 32 * 1024 * 1024 {
                return Ok(Err("NO [TOOBIG] Message too large".into()));
            }
        }
        Ok(Ok(whole.freeze()))
    }

    /// `/INBOX;UIDVALIDITY=1/;UID=20/;SECTION=1.MIME/;PARTIAL=0.100`, the box left out if it is selected.
    fn url(&self, url: &str) -> Option<Bytes> {
        let mut name = self.view.as_ref().map(|v| v.name.clone());
        let (mut uid, mut section, mut partial, mut validity) = (None, String::new(), None, None);
        for piece in url.split('/').filter(|p| !p.is_empty()) {
            let (path, options) = piece.split_once(';').unwrap_or((piece, ""));
            if !path.is_empty() {
                name = Some(path.replace("%20", " "));
            }
            for option in options.split(';').filter(|o| !o.is_empty()) {
                let (key, value) = option.split_once('=')?;
                match key.to_ascii_uppercase().as_str() {
                    "UIDVALIDITY" => validity = Some(value.parse::<u32>().ok()?),
                    "UID" => uid = Some(value.parse::<u32>().ok()?),
                    "SECTION" => section = value.to_owned(),
                    "PARTIAL" => {
                        let (a, b) = value.split_once('.').unwrap_or((value, "4294967295"));
                        partial = Some((a.parse::<usize>().ok()?, b.parse::<usize>().ok()?));
                    }
                    _ => return None,
                }
            }
        }
        let mailbox = self.account.find(&name?)?;
        if validity.is_some_and(|v| v != mailbox.validity) {
            return None;
        }
        let uid = uid?;
        let m = mailbox.messages.iter().find(|m| m.uid == uid)?;
        let raw = self.account.bytes(&m.source);
        let root = message::parse(&raw);
        let items = fetch::items(&Arg::Atom(format!("BODY.PEEK[{section}]").into_bytes())).ok()?;
        let Some(fetch::Item::Section(section)) = items.first() else { return None };
        let bytes = fetch::bytes(&raw, &root, section)?;
        Some(match partial {
            None => bytes.into(),
            Some((from, count)) => {
                let end = from.saturating_add(count).min(bytes.len());
                Bytes::copy_from_slice(bytes.get(from.min(bytes.len())..end).unwrap_or_default())
            }
        })
    }
}

/// Bare line feeds become CRLF, as messages are read back.
fn with_crlf(bytes: &Bytes) -> Bytes {
    let bare = bytes.iter().enumerate().any(|(n, b)| *b == b'\n' && (n == 0 || bytes.get(n - 1) != Some(&b'\r')));
    if !bare {
        return bytes.clone();
    }
    let mut out = BytesMut::with_capacity(bytes.len() + bytes.len() / 30);
    let mut last = 0;
    for &b in bytes {
        if b == b'\n' && last != b'\r' {
            out.extend_from_slice(b"\r");
        }
        out.extend_from_slice(&[b]);
        last = b;
    }
    out.freeze()
}

/// ` 3-Nov-2026 10:02:12 +0100` as seconds since 1970.
fn internal_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_once(' ')?;
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (clock, zone) = rest.split_once(' ')?;
    jiff::fmt::rfc2822::parse(&format!("{day} {month} {year} {clock} {zone}")).ok().map(|z| z.timestamp().as_second())
}
