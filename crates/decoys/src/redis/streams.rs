//! Streams, without consumer groups.

use bytes::Bytes;
use std::collections::BTreeMap;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    message::integer,
    store::{StreamId, Value},
};

const BAD_ID: &str = "ERR Invalid stream ID specified as stream command argument";
type Entries = BTreeMap<StreamId, Vec<(Bytes, Bytes)>>;

impl Redis {
    fn stream(&mut self, key: &[u8]) -> Result<Option<(Entries, StreamId, u64)>, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(None),
            Some(Value::Stream { entries, last, added }) => Ok(Some((entries.clone(), *last, *added))),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn send_entries(&mut self, entries: &[(StreamId, Vec<(Bytes, Bytes)>)]) {
        self.out.array(entries.len());
        for (id, fields) in entries {
            self.out.array(2);
            self.out.bulk(text(*id));
            self.out.array(fields.len() * 2);
            for (k, v) in fields {
                self.out.bulk(k);
                self.out.bulk(v);
            }
        }
    }

    pub(super) fn streams(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        match name {
            "xadd" => self.xadd(args)?,
            "xlen" => {
                let n = self.stream(&key)?.map_or(0, |(e, ..)| e.len());
                self.out.len(n);
            }
            "xrange" | "xrevrange" => {
                let (low, high) = if name == "xrange" { (args.get(2), args.get(3)) } else { (args.get(3), args.get(2)) };
                let low = bound(low.map_or(b"-", |b| &b[..]), 0)?;
                let high = bound(high.map_or(b"+", |b| &b[..]), u64::MAX)?;
                let count = match args.get(4..) {
                    Some([word, n]) if word.eq_ignore_ascii_case(b"count") => usize::try_from(integer(n).ok_or(NOT_INT)?).unwrap_or(0),
                    Some([]) | None => usize::MAX,
                    _ => return Err(SYNTAX.into()),
                };
                let mut list: Vec<_> = match self.stream(&key)? {
                    Some((entries, ..)) if low <= high => entries.range(low..=high).map(|(id, f)| (*id, f.clone())).collect(),
                    _ => Vec::new(),
                };
                if name == "xrevrange" {
                    list.reverse();
                }
                list.truncate(count);
                self.send_entries(&list);
            }
            "xdel" => {
                let Some((mut entries, last, added)) = self.stream(&key)? else {
                    self.out.int(0);
                    return Ok(true);
                };
                let mut n = 0;
                for id in args.iter().skip(2) {
                    n += i64::from(entries.remove(&exact(id, 0)?).is_some());
                }
                let expires = self.expiry(&key);
                self.keys.set(self.client.db, key, Value::Stream { entries, last, added }, expires);
                self.out.int(n);
            }
            "xtrim" => {
                let n = args.last().and_then(|n| integer(n)).ok_or(NOT_INT)?;
                let Some((mut entries, last, added)) = self.stream(&key)? else {
                    self.out.int(0);
                    return Ok(true);
                };
                let keep = usize::try_from(n).map_err(|_| "ERR The MAXLEN argument must be >= 0.")?;
                let gone = entries.len().saturating_sub(keep);
                for _ in 0..gone {
                    entries.pop_first();
                }
                let expires = self.expiry(&key);
                self.keys.set(self.client.db, key, Value::Stream { entries, last, added }, expires);
                self.out.len(gone);
            }
            "xread" => self.xread(args)?,
            "xgroup" | "xreadgroup" | "xack" | "xpending" | "xclaim" | "xautoclaim" => {
                let key = if name == "xgroup" { args.get(2).cloned().unwrap_or_default() } else { key };
                if self.stream(&key)?.is_none() && name == "xgroup" {
                    return Err("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.".into());
                }
                return Err(format!(
                    "NOGROUP No such key '{}' or consumer group '{}'",
                    String::from_utf8_lossy(&key),
                    args.get(2).map(|g| String::from_utf8_lossy(g).into_owned()).unwrap_or_default()
                )
                .into());
            }
            "xinfo" => {
                let sub = args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
                let key = args.get(2).cloned().unwrap_or_default();
                let (entries, last, added) = self.stream(&key)?.ok_or("ERR no such key")?;
                if sub != b"stream" {
                    self.out.array(0);
                    return Ok(true);
                }
                self.out.map(10);
                let first = entries.keys().next().copied().unwrap_or((0, 0));
                for (k, v) in [("length", entries.len()), ("radix-tree-keys", 1), ("radix-tree-nodes", 2)] {
                    self.out.bulk(k);
                    self.out.len(v);
                }
                for (k, v) in [("last-generated-id", text(last)), ("max-deleted-entry-id", "0-0".into())] {
                    self.out.bulk(k);
                    self.out.bulk(v);
                }
                self.out.bulk("entries-added");
                self.out.int(i64::try_from(added).unwrap_or(0));
                self.out.bulk("recorded-first-entry-id");
                self.out.bulk(text(first));
                self.out.bulk("groups");
                self.out.int(0);
                for (label, entry) in [("first-entry", entries.first_key_value()), ("last-entry", entries.last_key_value())] {
                    self.out.bulk(label);
                    match entry {
                        Some((id, fields)) => {
                            self.out.array(2);
                            self.out.bulk(text(*id));
                            self.out.array(fields.len() * 2);
                            for (k, v) in fields {
                                self.out.bulk(k);
                                self.out.bulk(v);
                            }
                        }
                        None => self.out.null(),
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn xadd(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let (mut at, mut make, mut maxlen) = (2, true, None);
        while let Some(option) = args.get(at) {
            match &option.to_ascii_lowercase()[..] {
                b"nomkstream" => make = false,
                b"maxlen" | b"minid" => {
                    at += 1;
                    if args.get(at).is_some_and(|a| matches!(&a[..], b"~" | b"=")) {
                        at += 1;
                    }
                    if option.eq_ignore_ascii_case(b"maxlen") {
                        maxlen = Some(args.get(at).and_then(|n| integer(n)).ok_or(NOT_INT)?);
                    }
                }
                _ => break,
            }
            at += 1;
        }
        let id = args.get(at).ok_or("ERR wrong number of arguments for 'xadd' command")?;
        let fields = args.get(at + 1..).unwrap_or_default();
        if fields.is_empty() || fields.len() % 2 == 1 {
            return Err("ERR wrong number of arguments for 'xadd' command".into());
        }
        let found = self.stream(&key)?;
        if found.is_none() && !make {
            self.out.null();
            return Ok(());
        }
        let (mut entries, last, added) = found.unwrap_or_default();
        let now = u64::try_from(self.now.millis()).unwrap_or(0);
        let new = if id.as_ref() == b"*" {
            if now > last.0 { (now, 0) } else { (last.0, last.1 + 1) }
        } else if let Some(ms) = id.strip_suffix(b"-*") {
            let ms = exact(ms, 0)?.0;
            (ms, if ms == last.0 { last.1.saturating_add(1) } else { 0 })
        } else {
            exact(id, 0)?
        };
        if new == (0, 0) {
            return Err("ERR The ID specified in XADD must be greater than 0-0".into());
        }
        if new <= last {
            return Err("ERR The ID specified in XADD is equal or smaller than the target stream top item".into());
        }
        entries.insert(new, fields.chunks(2).filter_map(|p| Some((p.first()?.clone(), p.get(1)?.clone()))).collect());
        if let Some(max) = maxlen {
            while entries.len() > usize::try_from(max).unwrap_or(0) {
                entries.pop_first();
            }
        }
        let expires = self.expiry(&key);
        self.keys.set(self.client.db, key, Value::Stream { entries, last: new, added: added + 1 }, expires);
        self.out.bulk(text(new));
        Ok(())
    }

    fn xread(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let (mut at, mut count, mut block) = (1, usize::MAX, None);
        loop {
            match args.get(at).map(|o| o.to_ascii_lowercase()).as_deref() {
                Some(b"count") => {
                    count = args.get(at + 1).and_then(|n| integer(n)).and_then(|n| usize::try_from(n).ok()).ok_or(NOT_INT)?;
                    at += 2;
                }
                Some(b"block") => {
                    block = Some(
                        args.get(at + 1)
                            .and_then(|n| integer(n))
                            .filter(|&n| n >= 0)
                            .ok_or("ERR timeout is not an integer or out of range")?,
                    );
                    at += 2;
                }
                Some(b"streams") => {
                    at += 1;
                    break;
                }
                _ => return Err(SYNTAX.into()),
            }
        }
        let rest = args.get(at..).unwrap_or_default();
        if rest.is_empty() || rest.len() % 2 == 1 {
            return Err("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.".into());
        }
        let (keys, ids) = rest.split_at(rest.len() / 2);
        let mut found = Vec::new();
        for (key, id) in keys.iter().zip(ids) {
            if id.as_ref() == b"$" {
                continue;
            }
            let after = exact(id, 0)?;
            if let Some((entries, ..)) = self.stream(key)? {
                let list: Vec<_> = entries
                    .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
                    .take(count)
                    .map(|(i, f)| (*i, f.clone()))
                    .collect();
                if !list.is_empty() {
                    found.push((key.clone(), list));
                }
            }
        }
        if found.is_empty() {
            if let Some(ms) = block {
                let seconds = Bytes::from((ms as f64 / 1000.0).to_string());
                return self.block(&seconds, true);
            }
            self.out.null_array();
            return Ok(());
        }
        if self.out.resp == 3 {
            self.out.map(found.len())
        } else {
            self.out.array(found.len())
        }
        for (key, list) in found {
            if self.out.resp == 2 {
                self.out.array(2);
            }
            self.out.bulk(key);
            self.send_entries(&list);
        }
        Ok(())
    }
}

fn text(id: StreamId) -> String {
    format!("{}-{}", id.0, id.1)
}

fn exact(id: &[u8], missing: u64) -> Result<StreamId, Fail> {
    let id = std::str::from_utf8(id).map_err(|_| BAD_ID)?;
    let (ms, seq) = id.split_once('-').map_or((id, None), |(a, b)| (a, Some(b)));
    let ms = ms.parse().map_err(|_| BAD_ID)?;
    let seq = match seq {
        Some(s) => s.parse().map_err(|_| BAD_ID)?,
        None => missing,
    };
    Ok((ms, seq))
}

fn bound(id: &[u8], missing: u64) -> Result<StreamId, Fail> {
    match id {
        b"-" => Ok((0, 0)),
        b"+" => Ok((u64::MAX, u64::MAX)),
        [b'(', rest @ ..] => {
            let (ms, seq) = exact(rest, missing)?;
            Ok(if missing == 0 { (ms, seq.saturating_add(1)) } else { (ms, seq.saturating_sub(1)) })
        }
        _ => exact(id, missing),
    }
}
