//! Strings, counters and bits.

use bytes::Bytes;

use super::{
    dialogue::{Did, Fail, NOT_FLOAT, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    message::{double, integer},
    store::Value,
};

/// Longest string this decoy keeps; the product's own limit is 512 MiB.
const STRING_MAX: usize = 8 * 1024 * 1024;

impl Redis {
    /// The string at `key`; an error if something else is there.
    pub(super) fn string(&mut self, key: &[u8]) -> Result<Option<Bytes>, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(None),
            Some(Value::Str(s)) => Ok(Some(s.clone())),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    /// When `key` expires.
    pub(super) fn expiry(&mut self, key: &[u8]) -> Option<i64> {
        self.keys.get(self.client.db, key, self.now).and_then(|e| e.expires)
    }

    fn put_string(&mut self, key: &Bytes, value: impl Into<Bytes>, expires: Option<i64>) {
        let value = value.into();
        // What does not look like a small plain value is worth keeping as a file.
        if value.len() >= 256 || value.iter().any(|b| matches!(b, b'\n' | 0 | 0x80..)) {
            self.files.push((format!("redis:{}/{}", self.client.db, String::from_utf8_lossy(key)), value.clone()));
        }
        self.keys.set(self.client.db, key.clone(), Value::Str(value), expires);
    }

    pub(super) fn strings(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        let third = args.get(3).cloned().unwrap_or_default();
        match name {
            "get" => {
                let value = self.string(&key)?;
                self.out.maybe(value.as_ref());
            }
            "set" => self.set(args)?,
            "setnx" => {
                let free = self.keys.get(self.client.db, &key, self.now).is_none();
                if free {
                    self.put_string(&key, second, None);
                }
                self.out.int(i64::from(free));
            }
            "setex" | "psetex" => {
                let unit = if name == "setex" { 1000 } else { 1 };
                let n = integer(&second).ok_or(NOT_INT)?;
                let at = self.deadline(n, unit, true, name)?;
                self.put_string(&key, third, Some(at));
                self.out.ok();
            }
            "getset" => {
                let old = self.string(&key)?;
                self.put_string(&key, second, None);
                self.out.maybe(old.as_ref());
            }
            "getdel" => {
                let old = self.string(&key)?;
                self.keys.remove(self.client.db, &key);
                self.out.maybe(old.as_ref());
            }
            "getex" => {
                let value = self.string(&key)?;
                let change = match args.get(2).map(|o| o.to_ascii_lowercase()) {
                    None => None,
                    Some(o) if o == b"persist" && args.len() == 3 => Some(None),
                    Some(o) if args.len() == 4 && matches!(&o[..], b"ex" | b"px" | b"exat" | b"pxat") => {
                        let n = integer(&third).ok_or(NOT_INT)?;
                        Some(Some(self.deadline(n, if o.starts_with(b"ex") { 1000 } else { 1 }, !o.ends_with(b"at"), name)?))
                    }
                    Some(_) => return Err(SYNTAX.into()),
                };
                if let (Some(_), Some(expires)) = (&value, change) {
                    self.keys.set_expiry(self.client.db, &key, expires);
                }
                self.out.maybe(value.as_ref());
            }
            "mget" => {
                self.out.array(args.len() - 1);
                for key in args.iter().skip(1) {
                    let value = self.string(key).unwrap_or(None);
                    self.out.maybe(value.as_ref());
                }
            }
            "mset" | "msetnx" => {
                if args.len().is_multiple_of(2) {
                    return Err(format!("ERR wrong number of arguments for '{name}' command").into());
                }
                let pairs: Vec<(Bytes, Bytes)> =
                    args.get(1..).unwrap_or_default().chunks(2).filter_map(|p| Some((p.first()?.clone(), p.get(1)?.clone()))).collect();
                let taken = pairs.iter().any(|(k, _)| self.keys.get(self.client.db, k, self.now).is_some());
                if name == "msetnx" && taken {
                    self.out.int(0);
                    return Ok(true);
                }
                for (k, v) in pairs {
                    self.put_string(&k, v, None);
                }
                if name == "mset" { self.out.ok() } else { self.out.int(1) }
            }
            "append" => {
                let mut value = self.string(&key)?.unwrap_or_default().to_vec();
                if value.len() + second.len() > STRING_MAX {
                    return Err("ERR string exceeds maximum allowed size (proto-max-bulk-len)".into());
                }
                value.extend_from_slice(&second);
                let (len, expires) = (value.len(), self.expiry(&key));
                self.put_string(&key, value, expires);
                self.out.len(len);
            }
            "strlen" => {
                let len = self.string(&key)?.map_or(0, |s| s.len());
                self.out.len(len);
            }
            "incr" | "decr" | "incrby" | "decrby" => {
                let mut by = if name.ends_with("by") { integer(&second).ok_or(NOT_INT)? } else { 1 };
                if name.starts_with("decr") {
                    by = by.checked_neg().ok_or("ERR decrement would overflow")?;
                }
                let old = self.string(&key)?.map_or(Some(0), |s| integer(&s)).ok_or(NOT_INT)?;
                let new = old.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
                let expires = self.expiry(&key);
                self.put_string(&key, new.to_string(), expires);
                self.out.int(new);
            }
            "incrbyfloat" => {
                let by = double(&second).ok_or(NOT_FLOAT)?;
                let old = self.string(&key)?.map_or(Some(0.0), |s| double(&s)).ok_or(NOT_FLOAT)?;
                let new = old + by;
                if !new.is_finite() {
                    return Err("ERR increment would produce NaN or Infinity".into());
                }
                let (text, expires) = (human_float(new), self.expiry(&key));
                self.put_string(&key, text.clone(), expires);
                self.out.bulk(text);
            }
            "getrange" | "substr" => {
                let (start, end) = (integer(&second).ok_or(NOT_INT)?, integer(&third).ok_or(NOT_INT)?);
                let value = self.string(&key)?.unwrap_or_default();
                self.out.bulk(slice(&value, start, end));
            }
            "setrange" => {
                let offset = integer(&second).ok_or(NOT_INT)?;
                if offset < 0 {
                    return Err("ERR offset is out of range".into());
                }
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let mut value = self.string(&key)?.unwrap_or_default().to_vec();
                if !third.is_empty() {
                    let end = offset.saturating_add(third.len());
                    if end > STRING_MAX {
                        return Err("ERR string exceeds maximum allowed size (proto-max-bulk-len)".into());
                    }
                    value.resize(value.len().max(end), 0);
                    if let Some(part) = value.get_mut(offset..end) {
                        part.copy_from_slice(&third);
                    }
                    let expires = self.expiry(&key);
                    let len = value.len();
                    self.put_string(&key, value, expires);
                    self.out.len(len);
                } else {
                    self.out.len(value.len());
                }
            }
            "getbit" | "setbit" => {
                let bit = integer(&second)
                    .filter(|b| (0..=4_294_967_295).contains(b))
                    .ok_or("ERR bit offset is not an integer or out of range")?;
                let bit = usize::try_from(bit).unwrap_or(0);
                let mut value = self.string(&key)?.unwrap_or_default().to_vec();
                let old = value.get(bit / 8).map_or(0, |b| b >> (7 - bit % 8) & 1);
                if name == "setbit" {
                    let on = integer(&third).filter(|v| (0..=1).contains(v)).ok_or("ERR bit is not an integer or out of range")? == 1;
                    if bit / 8 >= STRING_MAX {
                        return Err("OOM command not allowed when used memory > 'maxmemory'.".into());
                    }
                    value.resize(value.len().max(bit / 8 + 1), 0);
                    if let Some(b) = value.get_mut(bit / 8) {
                        *b = *b & !(1 << (7 - bit % 8)) | u8::from(on) << (7 - bit % 8);
                    }
                    let expires = self.expiry(&key);
                    self.put_string(&key, value, expires);
                }
                self.out.int(i64::from(old));
            }
            "bitcount" => {
                let value = self.string(&key)?.unwrap_or_default();
                let part = match args.len() {
                    2 => value.clone(),
                    4 => Bytes::copy_from_slice(slice(&value, integer(&second).ok_or(NOT_INT)?, integer(&third).ok_or(NOT_INT)?)),
                    _ => return Err(SYNTAX.into()),
                };
                self.out.int(part.iter().map(|b| i64::from(b.count_ones())).sum());
            }
            "lcs" => {
                let a = self.string(&key)?.unwrap_or_default();
                let b = self.string(&second)?.unwrap_or_default();
                if a.len().saturating_mul(b.len()) > 1_000_000 {
                    return Err("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len".into());
                }
                let common = longest_common(&a, &b);
                if args.get(3).is_some_and(|o| o.eq_ignore_ascii_case(b"len")) { self.out.len(common.len()) } else { self.out.bulk(common) }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The moment `n` units from now (or since the epoch), in milliseconds.
    pub(super) fn deadline(&self, n: i64, unit: i64, relative: bool, name: &str) -> Result<i64, Fail> {
        let wrong = || Fail::from(format!("ERR invalid expire time in '{name}' command"));
        if n <= 0 {
            return Err(wrong());
        }
        let at = n.checked_mul(unit).ok_or_else(wrong)?;
        if relative { at.checked_add(self.now.millis()).ok_or_else(wrong) } else { Ok(at) }
    }

    fn set(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let [_, key, value, options @ ..] = args else { return Err(SYNTAX.into()) };
        let (mut nx, mut xx, mut keep, mut get) = (false, false, false, false);
        let mut time: Option<(Vec<u8>, &Bytes)> = None;
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &option.to_ascii_lowercase()[..] {
                b"nx" if !xx => nx = true,
                b"xx" if !nx => xx = true,
                b"get" => get = true,
                b"keepttl" if time.is_none() => keep = true,
                o @ (b"ex" | b"px" | b"exat" | b"pxat") if time.is_none() && !keep => match options.next() {
                    Some(n) => time = Some((o.to_vec(), n)),
                    None => return Err(SYNTAX.into()),
                },
                _ => return Err(SYNTAX.into()),
            }
        }
        let mut expires = match time {
            Some((unit, n)) => {
                let n = integer(n).ok_or(NOT_INT)?;
                Some(self.deadline(n, if unit.starts_with(b"ex") { 1000 } else { 1 }, !unit.ends_with(b"at"), "set")?)
            }
            None => None,
        };
        let old = if get { self.string(key)? } else { None };
        let exists = self.keys.get(self.client.db, key, self.now).is_some();
        if nx && exists || xx && !exists {
            if get {
                self.out.maybe(old.as_ref())
            } else {
                self.out.null()
            }
            return Ok(());
        }
        if keep {
            expires = self.expiry(key);
        }
        self.put_string(key, value.clone(), expires);
        if get {
            self.out.maybe(old.as_ref())
        } else {
            self.out.ok()
        }
        Ok(())
    }
}

/// `start..=end` with negative positions counted from the end.
pub(super) fn range(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    let n = i64::try_from(len).unwrap_or(i64::MAX);
    let start = if start < 0 { (start + n).max(0) } else { start };
    let end = if end < 0 { end + n } else { end.min(n - 1) };
    if start > end || start >= n {
        return 0..0;
    }
    usize::try_from(start).unwrap_or(0)..usize::try_from(end + 1).unwrap_or(0)
}

fn slice(value: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    value.get(range(value.len(), start, end.max(-i64::try_from(value.len()).unwrap_or(0)))).unwrap_or_default()
}

/// A float as INCRBYFLOAT writes it.
pub(super) fn human_float(value: f64) -> String {
    // As many digits as a double holds, without the noise of its last ones.
    let before = if value == 0.0 { 1 } else { format!("{:.0}", value.abs().trunc()).len() };
    let text = format!("{value:.*}", 17usize.saturating_sub(before + 2));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn longest_common(a: &[u8], b: &[u8]) -> Vec<u8> {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    let at = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let v = if x == y { at(&table, i, j) + 1 } else { at(&table, i, j + 1).max(at(&table, i + 1, j)) };
            if let Some(cell) = table.get_mut((i + 1) * width + j + 1) {
                *cell = v;
            }
        }
    }
    let (mut i, mut j, mut out) = (a.len(), b.len(), Vec::new());
    while i > 0 && j > 0 {
        if a.get(i - 1) == b.get(j - 1) {
            out.extend(a.get(i - 1));
            i -= 1;
            j -= 1;
        } else if at(&table, i - 1, j) > at(&table, i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    out.reverse();
    out
}
