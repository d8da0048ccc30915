//! Commands on keys of any type.

use bytes::Bytes;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    message::{double, integer},
    store::{DBS, Entry, Value, glob},
};

impl Redis {
    pub(super) fn generic(&mut self, name: &str, args: &[Bytes]) -> Did {
        let db = self.client.db;
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        match name {
            "del" | "unlink" => {
                let mut n = 0;
                for key in args.iter().skip(1) {
                    let live = self.keys.get(db, key, self.now).is_some();
                    n += i64::from(live && self.keys.remove(db, key));
                }
                self.out.int(n);
            }
            "exists" | "touch" => {
                let n = args.iter().skip(1).filter(|k| self.keys.get(db, k, self.now).is_some()).count();
                self.out.len(n);
            }
            "type" => {
                let kind = self.keys.get(db, &key, self.now).map_or("none", |e| e.value.kind());
                self.out.simple(kind);
            }
            "ttl" | "pttl" | "expiretime" | "pexpiretime" => {
                let now = self.now.millis();
                let n = match self.keys.get(db, &key, self.now) {
                    None => -2,
                    Some(Entry { expires: None, .. }) => -1,
                    Some(Entry { expires: Some(at), .. }) => match name {
                        "ttl" => (at - now + 500) / 1000,
                        "pttl" => at - now,
                        "expiretime" => (at + 500) / 1000,
                        _ => *at,
                    },
                };
                self.out.int(n);
            }
            "expire" | "pexpire" | "expireat" | "pexpireat" => self.expire(name, args)?,
            "persist" => {
                let had = self.expiry(&key).is_some();
                if had {
                    self.keys.set_expiry(db, &key, None);
                }
                self.out.int(i64::from(had));
            }
            "keys" => {
                self.keys.expire_all(self.now);
                let mut found: Vec<Bytes> = self.keys.entries(db).map(|(k, _)| k.clone()).collect();
                self.keys.in_table_order(&mut found, |k| k);
                found.retain(|k| glob(&key, k, false));
                self.out.strings(&found);
            }
            "randomkey" => {
                self.keys.expire_all(self.now);
                let n = self.keys.size(db).max(1);
                let pick = usize::try_from(self.now.0.unsigned_abs() / 7 % n as u64).unwrap_or(0);
                let found = self.keys.entries(db).nth(pick).map(|(k, _)| k.clone());
                self.out.maybe(found.as_ref());
            }
            "scan" => {
                let cursor = cursor(&key)?;
                let options = ScanOptions::read(args.get(2..).unwrap_or_default(), true)?;
                self.keys.expire_all(self.now);
                let all: Vec<(Bytes, &'static str)> = self.keys.entries(db).map(|(k, e)| (k.clone(), e.value.kind())).collect();
                let (next, mut some) = self.keys.scan(all, cursor, options.count, |(k, _)| k);
                some.retain(|(k, kind)| options.fits(k) && options.kind.as_ref().is_none_or(|t| t.eq_ignore_ascii_case(kind.as_bytes())));
                self.out.array(2);
                self.out.bulk(next.to_string());
                self.out.array(some.len());
                for (k, _) in some {
                    self.out.bulk(k);
                }
            }
            "rename" | "renamenx" => {
                let entry = self.keys.get(db, &key, self.now).cloned().ok_or("ERR no such key")?;
                if name == "renamenx" && self.keys.get(db, &second, self.now).is_some() {
                    self.out.int(0);
                    return Ok(true);
                }
                if key != second {
                    self.keys.remove(db, &key);
                    self.keys.set(db, second, entry.value, entry.expires);
                }
                if name == "rename" { self.out.ok() } else { self.out.int(1) }
            }
            "copy" => {
                let mut target = db;
                let mut replace = false;
                let mut options = args.iter().skip(3);
                while let Some(option) = options.next() {
                    if option.eq_ignore_ascii_case(b"replace") {
                        replace = true;
                    } else if let (true, Some(n)) = (option.eq_ignore_ascii_case(b"db"), options.next()) {
                        target = db_index(n, NOT_INT)?;
                    } else {
                        return Err(SYNTAX.into());
                    }
                }
                if target == db && key == second {
                    return Err("ERR source and destination objects are the same".into());
                }
                let source = self.keys.get(db, &key, self.now).cloned();
                let free = replace || self.keys.get(target, &second, self.now).is_none();
                let done = match source {
                    Some(entry) if free => {
                        self.keys.set(target, second, entry.value, entry.expires);
                        true
                    }
                    _ => false,
                };
                self.out.int(i64::from(done));
            }
            "move" => {
                let target = db_index(&second, NOT_INT)?;
                if target == db {
                    return Err("ERR source and destination objects are the same".into());
                }
                let source = self.keys.get(db, &key, self.now).cloned();
                let free = self.keys.get(target, &key, self.now).is_none();
                let done = match source {
                    Some(entry) if free => {
                        self.keys.remove(db, &key);
                        self.keys.set(target, key, entry.value, entry.expires);
                        true
                    }
                    _ => false,
                };
                self.out.int(i64::from(done));
            }
            "object" => self.object(args)?,
            "dump" => {
                let value = self.keys.get(db, &key, self.now).map(|e| e.value.clone());
                match value {
                    Some(Value::Str(s)) => {
                        let payload = dump_string(&s);
                        self.out.bulk(payload);
                    }
                    Some(_) | None => self.out.null(),
                }
            }
            "restore" | "restore-asking" => {
                integer(&second).filter(|&t| t >= 0).ok_or("ERR Invalid TTL value, must be >= 0")?;
                if self.keys.get(db, &key, self.now).is_some() && !args.iter().skip(4).any(|a| a.eq_ignore_ascii_case(b"replace")) {
                    return Err("BUSYKEY Target key name already exists.".into());
                }
                if let Some(payload) = args.get(3) {
                    self.files.push((format!("redis:{db}/{}", String::from_utf8_lossy(&key)), payload.clone()));
                }
                return Err("ERR DUMP payload version or checksum are wrong".into());
            }
            "migrate" => {
                for n in [args.get(4), args.get(5)] {
                    n.and_then(|n| integer(n)).ok_or(NOT_INT)?;
                }
                // With nothing to send, nobody is called.
                let named = args
                    .get(3)
                    .filter(|k| !k.is_empty())
                    .into_iter()
                    .chain(args.iter().skip_while(|a| !a.eq_ignore_ascii_case(b"keys")).skip(1));
                if !named.into_iter().any(|k| self.keys.get(db, k, self.now).is_some()) {
                    self.out.simple("NOKEY");
                    return Ok(true);
                }
                return Err("IOERR error or timeout connecting to the client".into());
            }
            "sort" | "sort_ro" => self.sort(args)?,
            "dbsize" => {
                self.keys.expire_all(self.now);
                let n = self.keys.size(db);
                self.out.len(n);
            }
            "select" => {
                self.client.db = db_index(&key, NOT_INT)?;
                self.out.ok();
            }
            "swapdb" => {
                let one = integer(&key).ok_or("ERR invalid first DB index")?;
                let two = integer(&second).ok_or("ERR invalid second DB index")?;
                let index = |n: i64| usize::try_from(n).ok().filter(|&n| n < DBS).ok_or(Fail::from("ERR DB index is out of range"));
                let (one, two) = (index(one)?, index(two)?);
                self.keys.swap(one, two);
                self.out.ok();
            }
            "flushdb" | "flushall" => {
                let fine = match args.get(1) {
                    None => true,
                    Some(mode) => args.len() == 2 && (mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async")),
                };
                if !fine {
                    return Err(SYNTAX.into());
                }
                if name == "flushdb" {
                    self.keys.flush_db(db, self.now);
                } else {
                    for db in 0..DBS {
                        self.keys.flush_db(db, self.now);
                    }
                }
                self.out.ok();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn expire(&mut self, name: &str, args: &[Bytes]) -> Result<(), Fail> {
        let [_, key, time, flags @ ..] = args else { return Err(SYNTAX.into()) };
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        for flag in flags {
            match &flag.to_ascii_lowercase()[..] {
                b"nx" => nx = true,
                b"xx" => xx = true,
                b"gt" => gt = true,
                b"lt" => lt = true,
                _ => return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(flag)).into()),
            }
        }
        if nx && (xx || gt || lt) {
            return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
        }
        if gt && lt {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        let n = integer(time).ok_or(NOT_INT)?;
        let wrong = || Fail::from(format!("ERR invalid expire time in '{name}' command"));
        let unit = if name.starts_with('p') { 1 } else { 1000 };
        let mut at = n.checked_mul(unit).ok_or_else(wrong)?;
        if !name.ends_with("at") {
            at = at.checked_add(self.now.millis()).ok_or_else(wrong)?;
        }
        let db = self.client.db;
        let Some(old) = self.keys.get(db, key, self.now).map(|e| e.expires) else {
            self.out.int(0);
            return Ok(());
        };
        let refused = nx && old.is_some() || xx && old.is_none() || gt && old.is_none_or(|o| at <= o) || lt && old.is_some_and(|o| at >= o);
        if refused {
            self.out.int(0);
            return Ok(());
        }
        if at <= self.now.millis() {
            self.keys.remove(db, key);
        } else {
            self.keys.set_expiry(db, key, Some(at));
        }
        self.out.int(1);
        Ok(())
    }

    fn object(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let sub = args.get(1).map(|a| a.to_ascii_lowercase()).unwrap_or_default();
        let key = args.get(2).cloned().unwrap_or_default();
        let Some(entry) = self.keys.get(self.client.db, &key, self.now).cloned() else {
            self.out.null();
            return Ok(());
        };
        match &sub[..] {
            b"encoding" => self.out.bulk(entry.value.encoding()),
            b"refcount" => {
                let shared = matches!(&entry.value, Value::Str(s) if integer(s).is_some_and(|n| (0..10_000).contains(&n)));
                self.out.int(if shared { 2_147_483_647 } else { 1 });
            }
            b"idletime" => {
                let idle = if entry.own { self.keys.hash(&key) % 4000 } else { 0 };
                self.out.int(i64::try_from(idle).unwrap_or(0));
            }
            _ => return Err("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.".into()),
        }
        Ok(())
    }

    fn sort(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let mut list: Vec<Bytes> = match self.keys.get(self.client.db, &key, self.now).map(|e| e.value.clone()) {
            None => Vec::new(),
            Some(Value::List(l)) => l.into(),
            Some(Value::Set(s)) => s.into_iter().collect(),
            Some(Value::ZSet(z)) => z.into_keys().collect(),
            Some(_) => return Err(WRONGTYPE.into()),
        };
        let (mut alpha, mut desc, mut limit, mut store) = (false, false, None, None);
        let mut options = args.iter().skip(2);
        while let Some(option) = options.next() {
            match &option.to_ascii_lowercase()[..] {
                b"alpha" => alpha = true,
                b"asc" => desc = false,
                b"desc" => desc = true,
                b"limit" => {
                    limit = Some((
                        options.next().and_then(|n| integer(n)).ok_or(NOT_INT)?,
                        options.next().and_then(|n| integer(n)).ok_or(NOT_INT)?,
                    ))
                }
                b"by" | b"get" if options.len() > 0 => {
                    options.next();
                }
                b"store" if options.len() > 0 => store = options.next().cloned(),
                _ => return Err(SYNTAX.into()),
            }
        }
        if alpha {
            list.sort();
        } else {
            let mut numbers = Vec::with_capacity(list.len());
            for item in list {
                numbers.push((double(&item).ok_or("ERR One or more scores can't be converted into double")?, item));
            }
            numbers.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            list = numbers.into_iter().map(|(_, item)| item).collect();
        }
        if desc {
            list.reverse();
        }
        if let Some((skip, take)) = limit {
            let skip = usize::try_from(skip.max(0)).unwrap_or(0);
            let take = usize::try_from(take).unwrap_or(usize::MAX);
            list = list.into_iter().skip(skip).take(take).collect();
        }
        match store {
            Some(target) => {
                self.out.len(list.len());
                self.keys.set(self.client.db, target, Value::List(list.into()), None);
            }
            None => self.out.strings(&list),
        }
        Ok(())
    }
}

/// MATCH, COUNT and TYPE of the scan family.
pub(super) struct ScanOptions {
    pattern: Option<Bytes>,
    pub(super) count: usize,
    kind: Option<Bytes>,
}

impl ScanOptions {
    pub(super) fn read(args: &[Bytes], with_type: bool) -> Result<Self, Fail> {
        let mut options = Self { pattern: None, count: 10, kind: None };
        let mut at = args.iter();
        while let Some(option) = at.next() {
            let value = at.next().ok_or(SYNTAX)?;
            match &option.to_ascii_lowercase()[..] {
                b"match" => options.pattern = Some(value.clone()),
                b"count" => {
                    let n = integer(value).ok_or(NOT_INT)?;
                    options.count = usize::try_from(n).ok().filter(|&n| n > 0).ok_or(SYNTAX)?;
                }
                b"type" if with_type => options.kind = Some(value.clone()),
                _ => return Err(SYNTAX.into()),
            }
        }
        Ok(options)
    }

    pub(super) fn fits(&self, key: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|p| glob(p, key, false))
    }
}

/// A cursor of the scan family.
pub(super) fn cursor(text: &[u8]) -> Result<u64, Fail> {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or_else(|| "ERR invalid cursor".into())
}

fn db_index(text: &[u8], wrong: &'static str) -> Result<usize, Fail> {
    let n = integer(text).ok_or(wrong)?;
    usize::try_from(n).ok().filter(|&n| n < DBS).ok_or_else(|| "ERR DB index is out of range".into())
}

/// What DUMP gives for a string: type, length, bytes, RDB version 10, CRC-64.
fn dump_string(value: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    super::server::rdb_string(&mut out, value);
    out.extend_from_slice(&10u16.to_le_bytes());
    let sum = super::server::crc64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}
