//! The less common commands: places, bit fields, operations on several sorted sets, popping from many.

use bytes::Bytes;
use std::collections::BTreeMap;

use super::{
    dialogue::{Did, Fail, NOT_FLOAT, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    message::{double, integer},
    store::Value,
};

type Scores = BTreeMap<Bytes, f64>;
const EARTH: f64 = 6_372_797.560_856;
const LATITUDE: f64 = 85.051_128_78;

impl Redis {
    pub(super) fn more(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        match name {
            "bitop" => self.bitop(args)?,
            "bitpos" => self.bitpos(args)?,
            "bitfield" | "bitfield_ro" => self.bitfield(args)?,
            "zunion" | "zinter" | "zdiff" | "zunionstore" | "zinterstore" | "zdiffstore" | "zintercard" => self.combine(name, args)?,
            "zrandmember" => {
                let scores = self.scores(&key)?;
                match args.get(2) {
                    None => {
                        let pick = usize::try_from(self.now.0.unsigned_abs() / 5).unwrap_or(0) % scores.len().max(1);
                        self.out.maybe(scores.keys().nth(pick));
                    }
                    Some(n) => {
                        let n = integer(n).ok_or(NOT_INT)?;
                        let some: Vec<Bytes> = scores.into_keys().take(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)).collect();
                        self.out.strings(&some);
                    }
                }
            }
            "zrangestore" => {
                let mut inner = args.to_vec();
                inner.remove(1);
                let before = self.out.bytes.len();
                let resp = std::mem::replace(&mut self.out.resp, 2);
                let source = inner.get(1).cloned().unwrap_or_default();
                let done = self.zsets("zrange", &inner);
                self.out.resp = resp;
                let reply = self.out.bytes.split_off(before);
                done?;
                let all = self.scores(&source)?;
                let chosen: Scores = all.into_iter().filter(|(m, _)| contains(&reply, m)).collect();
                self.out.len(chosen.len());
                self.keys.set(self.client.db, key, Value::ZSet(chosen), None);
            }
            "lmpop" | "blmpop" | "zmpop" | "bzmpop" => self.pop_many(name, args)?,
            "xsetid" => match self.keys.get(self.client.db, &key, self.now).map(|e| e.value.clone()) {
                Some(Value::Stream { .. }) => self.out.ok(),
                Some(_) => return Err(WRONGTYPE.into()),
                None => return Err("ERR no such key".into()),
            },
            "geoadd" => self.geoadd(args)?,
            "geopos" | "geohash" => {
                let scores = self.scores(&key)?;
                self.out.array(args.len() - 2);
                for member in args.iter().skip(2) {
                    match (scores.get(member), name) {
                        (None, "geopos") => self.out.null_array(),
                        (None, _) => self.out.null(),
                        (Some(score), "geopos") => {
                            let (lon, lat) = unhash(*score);
                            self.out.array(2);
                            for v in [lon, lat] {
                                let text = format!("{v:.17}");
                                self.out.bulk(text.trim_end_matches('0').trim_end_matches('.'));
                            }
                        }
                        (Some(score), _) => {
                            let text = base32(*score);
                            self.out.bulk(text);
                        }
                    }
                }
            }
            "geodist" => {
                let unit = unit(args.get(4))?;
                let scores = self.scores(&key)?;
                match (args.get(2).and_then(|m| scores.get(m)), args.get(3).and_then(|m| scores.get(m))) {
                    (Some(a), Some(b)) => {
                        let text = format!("{:.4}", distance(unhash(*a), unhash(*b)) / unit);
                        self.out.bulk(text);
                    }
                    _ => self.out.null(),
                }
            }
            "georadius" | "georadius_ro" | "georadiusbymember" | "georadiusbymember_ro" | "geosearch" => self.geosearch(name, args)?,
            "geosearchstore" => return Err(SYNTAX.into()),
            "pfselftest" => self.out.ok(),
            "pfdebug" => return Err("ERR The specified key does not exist".into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn scores(&mut self, key: &[u8]) -> Result<Scores, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(Scores::new()),
            Some(Value::ZSet(z)) => Ok(z.clone()),
            Some(Value::Set(s)) => Ok(s.iter().map(|m| (m.clone(), 1.0)).collect()),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn bitop(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let [_, how, target, keys @ ..] = args else { return Err(SYNTAX.into()) };
        let how = how.to_ascii_lowercase();
        if !matches!(how.as_slice(), b"and" | b"or" | b"xor" | b"not") {
            return Err(SYNTAX.into());
        }
        if how == b"not" && keys.len() != 1 {
            return Err("ERR BITOP NOT must be called with a single source key.".into());
        }
        let mut result: Option<Vec<u8>> = None;
        for key in keys {
            let value = self.string(key)?.unwrap_or_default();
            result = Some(match result {
                None if how == b"not" => value.iter().map(|b| !b).collect(),
                None => value.to_vec(),
                Some(old) => (0..old.len().max(value.len()))
                    .map(|i| {
                        let (a, b) = (old.get(i).copied().unwrap_or(0), value.get(i).copied().unwrap_or(0));
                        match how.as_slice() {
                            b"and" => a & b,
                            b"or" => a | b,
                            _ => a ^ b,
                        }
                    })
                    .collect(),
            });
        }
        let result = result.unwrap_or_default();
        self.out.len(result.len());
        if result.is_empty() {
            self.keys.remove(self.client.db, target);
        } else {
            self.keys.set(self.client.db, target.clone(), Value::Str(result.into()), None);
        }
        Ok(())
    }

    fn bitpos(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let [_, key, bit, range @ ..] = args else { return Err(SYNTAX.into()) };
        let bit = match bit.as_ref() {
            b"0" => false,
            b"1" => true,
            _ => return Err("ERR The bit argument must be 1 or 0.".into()),
        };
        let value = self.string(key)?.unwrap_or_default();
        let n = i64::try_from(value.len()).unwrap_or(0);
        let start = range.first().map_or(Ok(0), |s| integer(s).ok_or(NOT_INT))?;
        let end = range.get(1).map_or(Ok(-1), |s| integer(s).ok_or(NOT_INT))?;
        let part = super::strings::range(value.len(), start, end.max(-n));
        let offset = part.start;
        let bytes = value.get(part).unwrap_or_default();
        let found = (0..bytes.len() * 8).find(|i| bytes.get(i / 8).is_some_and(|b| (b >> (7 - i % 8) & 1 == 1) == bit));
        let answer = match found {
            Some(i) => i64::try_from(offset * 8 + i).unwrap_or(-1),
            None if !bit && range.len() < 2 && !value.is_empty() => n * 8,
            None if !bit && value.is_empty() => 0,
            None => -1,
        };
        self.out.int(answer);
        Ok(())
    }

    fn bitfield(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let mut value = self.string(&key)?.unwrap_or_default().to_vec();
        let mut answers = Vec::new();
        let mut changed = false;
        let mut at = args.iter().skip(2);
        while let Some(word) = at.next() {
            let word = word.to_ascii_lowercase();
            if word == b"overflow" {
                at.next().ok_or(SYNTAX)?;
                continue;
            }
            let (kind, offset) = (at.next().ok_or(SYNTAX)?, at.next().ok_or(SYNTAX)?);
            const BAD: &str = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
            let signed = kind.starts_with(b"i") || kind.starts_with(b"I");
            let width = kind.get(1..).and_then(integer).filter(|w| (1..=if signed { 64 } else { 63 }).contains(w)).ok_or(BAD)?;
            let (multiple, digits) = offset.strip_prefix(b"#").map_or((false, &offset[..]), |d| (true, d));
            let offset =
                integer(digits).filter(|&o| (0..8_000_000).contains(&o)).ok_or("ERR bit offset is not an integer or out of range")?;
            let offset = if multiple { offset * width } else { offset };
            let (start, width) = (usize::try_from(offset).unwrap_or(0), usize::try_from(width).unwrap_or(1));
            let raw =
                (start..start + width).fold(0u64, |n, i| n << 1 | u64::from(value.get(i / 8).is_some_and(|b| b >> (7 - i % 8) & 1 == 1)));
            let old = if signed && width < 64 && raw >> (width - 1) & 1 == 1 {
                (raw | u64::MAX << width).cast_signed()
            } else {
                raw.cast_signed()
            };
            let new = match word.as_slice() {
                b"get" => {
                    answers.push(old);
                    continue;
                }
                b"set" => at.next().and_then(|n| integer(n)).ok_or(NOT_INT)?,
                b"incrby" => old.wrapping_add(at.next().and_then(|n| integer(n)).ok_or(NOT_INT)?),
                _ => return Err(SYNTAX.into()),
            };
            let masked = if width == 64 { new.cast_unsigned() } else { new.cast_unsigned() & ((1 << width) - 1) };
            value.resize(value.len().max((start + width).div_ceil(8)), 0);
            for i in 0..width {
                let on = masked >> (width - 1 - i) & 1 == 1;
                if let Some(b) = value.get_mut((start + i) / 8) {
                    let bit = 1 << (7 - (start + i) % 8);
                    *b = if on { *b | bit } else { *b & !bit };
                }
            }
            changed = true;
            let signed_new = if signed && width < 64 && masked >> (width - 1) & 1 == 1 {
                (masked | u64::MAX << width).cast_signed()
            } else {
                masked.cast_signed()
            };
            answers.push(if word == b"set" { old } else { signed_new });
        }
        if changed {
            let expires = self.expiry(&key);
            self.keys.set(self.client.db, key, Value::Str(value.into()), expires);
        }
        self.out.array(answers.len());
        for n in answers {
            self.out.int(n);
        }
        Ok(())
    }

    fn combine(&mut self, name: &str, args: &[Bytes]) -> Result<(), Fail> {
        let store = name.ends_with("store");
        let first = if store { 2 } else { 1 };
        let n = args.get(first).and_then(|n| integer(n)).ok_or(NOT_INT)?;
        let command = name.trim_end_matches("store");
        if n < 1 {
            return Err(if name == "zintercard" {
                "ERR numkeys should be greater than 0".into()
            } else {
                format!("ERR at least 1 input key is needed for '{name}' command").into()
            });
        }
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let keys = args.get(first + 1..).and_then(|k| k.get(..n)).ok_or(SYNTAX)?.to_vec();
        let (mut weights, mut how, mut with, mut limit) = (vec![1.0; n], b"sum".to_vec(), false, usize::MAX);
        let mut options = args.iter().skip(first + 1 + n);
        while let Some(option) = options.next() {
            match option.to_ascii_lowercase().as_slice() {
                b"weights" => {
                    for w in &mut weights {
                        *w = options.next().and_then(|v| double(v)).ok_or("ERR weight value is not a float")?;
                    }
                }
                b"aggregate" => how = options.next().ok_or(SYNTAX)?.to_ascii_lowercase(),
                b"withscores" if !store => with = true,
                b"limit" if name == "zintercard" => {
                    limit = options
                        .next()
                        .and_then(|v| integer(v))
                        .and_then(|v| usize::try_from(v).ok())
                        .filter(|&l| l > 0)
                        .unwrap_or(usize::MAX)
                }
                _ => return Err(SYNTAX.into()),
            }
        }
        let join = |a: f64, b: f64| match how.as_slice() {
            b"min" => a.min(b),
            b"max" => a.max(b),
            _ => a + b,
        };
        let mut result: Option<Scores> = None;
        for (key, weight) in keys.iter().zip(weights) {
            let scores: Scores = self.scores(key)?.into_iter().map(|(m, s)| (m, s * weight)).collect();
            result = Some(match (result, command) {
                (None, _) => scores,
                (Some(old), "zdiff") => old.into_iter().filter(|(m, _)| !scores.contains_key(m)).collect(),
                (Some(old), "zunion") => {
                    let mut all = old;
                    for (m, s) in scores {
                        let new = all.get(&m).map_or(s, |o| join(*o, s));
                        all.insert(m, new);
                    }
                    all
                }
                (Some(old), _) => old.into_iter().filter_map(|(m, s)| scores.get(&m).map(|o| (m, join(s, *o)))).collect(),
            });
        }
        let result = result.unwrap_or_default();
        if store {
            self.out.len(result.len());
            let target = args.get(1).cloned().unwrap_or_default();
            self.keys.set(self.client.db, target, Value::ZSet(result), None);
            return Ok(());
        }
        if name == "zintercard" {
            self.out.len(result.len().min(limit));
            return Ok(());
        }
        let mut list: Vec<(Bytes, f64)> = result.into_iter().collect();
        list.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        self.out.array(if with && self.out.resp == 2 { list.len() * 2 } else { list.len() });
        for (m, s) in list {
            if with && self.out.resp == 3 {
                self.out.array(2);
            }
            self.out.bulk(m);
            if with {
                self.out.double(s);
            }
        }
        Ok(())
    }

    fn pop_many(&mut self, name: &str, args: &[Bytes]) -> Result<(), Fail> {
        let blocking = name.starts_with('b');
        let first = usize::from(blocking) + 1;
        let n = args.get(first).and_then(|n| integer(n)).filter(|&n| n > 0).ok_or("ERR numkeys should be greater than 0")?;
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let keys = args.get(first + 1..).and_then(|k| k.get(..n)).ok_or(SYNTAX)?.to_vec();
        let side = args.get(first + 1 + n).ok_or(SYNTAX)?.to_ascii_lowercase();
        let lists = name.contains("lm");
        let front = match side.as_slice() {
            b"left" if lists => true,
            b"right" if lists => false,
            b"min" if !lists => true,
            b"max" if !lists => false,
            _ => return Err(SYNTAX.into()),
        };
        let count = match (args.get(first + 2 + n), args.get(first + 3 + n)) {
            (None, _) => 1,
            (Some(word), Some(n)) if word.eq_ignore_ascii_case(b"count") => {
                integer(n).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0).ok_or("ERR count should be greater than 0")?
            }
            _ => return Err(SYNTAX.into()),
        };
        for key in keys {
            let expires = self.expiry(&key);
            match self.keys.get(self.client.db, &key, self.now).map(|e| e.value.clone()) {
                None => {}
                Some(Value::List(mut list)) if lists => {
                    let popped: Vec<Bytes> = (0..count).map_while(|_| if front { list.pop_front() } else { list.pop_back() }).collect();
                    self.keys.set(self.client.db, key.clone(), Value::List(list), expires);
                    self.out.array(2);
                    self.out.bulk(key);
                    self.out.strings(&popped);
                    return Ok(());
                }
                Some(Value::ZSet(mut scores)) if !lists => {
                    let mut list: Vec<(Bytes, f64)> = scores.iter().map(|(m, s)| (m.clone(), *s)).collect();
                    list.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
                    if !front {
                        list.reverse();
                    }
                    list.truncate(count);
                    for (m, _) in &list {
                        scores.remove(m);
                    }
                    self.keys.set(self.client.db, key.clone(), Value::ZSet(scores), expires);
                    self.out.array(2);
                    self.out.bulk(key);
                    self.out.array(list.len());
                    for (m, s) in list {
                        self.out.array(2);
                        self.out.bulk(m);
                        self.out.double(s);
                    }
                    return Ok(());
                }
                Some(_) => return Err(WRONGTYPE.into()),
            }
        }
        if blocking {
            let timeout = args.get(1).cloned().unwrap_or_default();
            return self.block(&timeout, true);
        }
        self.out.null_array();
        Ok(())
    }

    fn geoadd(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let (mut at, mut nx, mut xx, mut ch) = (2, false, false, false);
        while let Some(option) = args.get(at) {
            match option.to_ascii_lowercase().as_slice() {
                b"nx" => nx = true,
                b"xx" => xx = true,
                b"ch" => ch = true,
                _ => break,
            }
            at += 1;
        }
        let rest = args.get(at..).unwrap_or_default();
        if rest.is_empty() || rest.len() % 3 != 0 || nx && xx {
            return Err("ERR syntax error. Try GEOADD key [x1] [y1] [name1] [x2] [y2] [name2] ... ".into());
        }
        let mut scores = self.scores(&key)?;
        let (mut added, mut changed) = (0, 0);
        for triple in rest.chunks(3) {
            let [lon, lat, member] = triple else { continue };
            let (lon, lat) = (double(lon).ok_or(NOT_FLOAT)?, double(lat).ok_or(NOT_FLOAT)?);
            if !(-180.0..=180.0).contains(&lon) || !(-LATITUDE..=LATITUDE).contains(&lat) {
                return Err(format!("ERR invalid longitude,latitude pair {lon:.6},{lat:.6}").into());
            }
            let old = scores.get(member).copied();
            if nx && old.is_some() || xx && old.is_none() {
                continue;
            }
            let new = geohash(lon, lat);
            match old {
                None => added += 1,
                Some(o) if o != new => changed += 1,
                Some(_) => {}
            }
            scores.insert(member.clone(), new);
        }
        let expires = self.expiry(&key);
        self.keys.set(self.client.db, key, Value::ZSet(scores), expires);
        self.out.int(if ch { added + changed } else { added });
        Ok(())
    }

    fn geosearch(&mut self, name: &str, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let scores = self.scores(&key)?;
        let number = |i: usize| args.get(i).and_then(|v| double(v)).ok_or(NOT_FLOAT);
        let lookup =
            |m: Option<&Bytes>| m.and_then(|m| scores.get(m)).map(|s| unhash(*s)).ok_or("ERR could not decode requested zset member");
        let (center, radius, mut at) = if name.starts_with("georadiusbymember") {
            (if scores.is_empty() { (0.0, 0.0) } else { lookup(args.get(2))? }, number(3)? * unit(args.get(4))?, 5)
        } else if name.starts_with("georadius") {
            ((number(2)?, number(3)?), number(4)? * unit(args.get(5))?, 6)
        } else {
            let (center, next) = if args.get(2).is_some_and(|w| w.eq_ignore_ascii_case(b"frommember")) {
                (lookup(args.get(3))?, 4)
            } else {
                ((number(3)?, number(4)?), 5)
            };
            if args.get(next).is_some_and(|w| w.eq_ignore_ascii_case(b"byradius")) {
                (center, number(next + 1)? * unit(args.get(next + 2))?, next + 3)
            } else {
                (center, number(next + 1)?.max(number(next + 2)?) / 2.0 * unit(args.get(next + 3))?, next + 4)
            }
        };
        let (mut with, mut count) = (false, usize::MAX);
        while let Some(word) = args.get(at) {
            match word.to_ascii_lowercase().as_slice() {
                b"withdist" => with = true,
                b"count" => {
                    at += 1;
                    count = args.get(at).and_then(|v| integer(v)).and_then(|v| usize::try_from(v).ok()).ok_or(NOT_INT)?;
                }
                b"asc" | b"desc" | b"any" | b"withcoord" | b"withhash" => {}
                _ => return Err(SYNTAX.into()),
            }
            at += 1;
        }
        let mut found: Vec<(f64, Bytes)> =
            scores.iter().map(|(m, s)| (distance(center, unhash(*s)), m.clone())).filter(|(d, _)| *d <= radius).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(count);
        self.out.array(found.len());
        for (d, m) in found {
            if with {
                self.out.array(2);
            }
            self.out.bulk(m);
            if with {
                self.out.bulk(format!("{d:.4}"));
            }
        }
        Ok(())
    }
}

fn contains(reply: &[u8], member: &[u8]) -> bool {
    let wanted = [format!("${}\r\n", member.len()).as_bytes(), member, b"\r\n"].concat();
    reply.windows(wanted.len()).any(|w| w == wanted)
}

fn unit(word: Option<&Bytes>) -> Result<f64, Fail> {
    match word.map(|w| w.to_ascii_lowercase()).as_deref() {
        None | Some(b"m") => Ok(1.0),
        Some(b"km") => Ok(1000.0),
        Some(b"ft") => Ok(0.3048),
        Some(b"mi") => Ok(1609.34),
        Some(_) => Err("ERR unsupported unit provided. please use M, KM, FT, MI".into()),
    }
}

/// 26 bits of each coordinate, interleaved, as a score.
fn geohash(lon: f64, lat: f64) -> f64 {
    let cell = |v: f64, low: f64, high: f64| whole(((v - low) / (high - low)) * f64::from(1u32 << 26)).min((1 << 26) - 1);
    let (x, y) = (cell(lon, -180.0, 180.0), cell(lat, -LATITUDE, LATITUDE));
    let mixed = (0..26).fold(0u64, |n, i| n | (y >> i & 1) << (2 * i) | (x >> i & 1) << (2 * i + 1));
    mixed as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

fn unhash(score: f64) -> (f64, f64) {
    let mixed = whole(score);
    let part = |shift: u32| (0..26).fold(0u64, |n, i| n | (mixed >> (2 * i + shift) & 1) << i);
    let middle = |cell: u64, low: f64, high: f64| {
        let scale = f64::from(1u32 << 26);
        let (a, b) = (low + (cell as f64 / scale) * (high - low), low + ((cell + 1) as f64 / scale) * (high - low));
        (a + b) / 2.0
    };
    (middle(part(1), -180.0, 180.0), middle(part(0), -LATITUDE, LATITUDE))
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lon1, lat1, lon2, lat2) = (a.0.to_radians(), a.1.to_radians(), b.0.to_radians(), b.1.to_radians());
    let (u, v) = (((lat2 - lat1) / 2.0).sin(), ((lon2 - lon1) / 2.0).sin());
    2.0 * EARTH * (u * u + lat1.cos() * lat2.cos() * v * v).sqrt().asin()
}

/// The eleven characters of the common geohash.
fn base32(score: f64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let (lon, lat) = unhash(score);
    let cell = |v: f64, low: f64, high: f64| whole(((v - low) / (high - low)) * f64::from(1u32 << 26)).min((1 << 26) - 1);
    let (x, y) = (cell(lon, -180.0, 180.0), cell(lat, -90.0, 90.0));
    let mixed = (0..26).fold(0u64, |n, i| n | (y >> i & 1) << (2 * i) | (x >> i & 1) << (2 * i + 1));
    (0..11u32)
        .map(|i| {
            let index = if i == 10 { 0 } else { mixed >> (52 - (i + 1) * 5) & 31 };
            char::from(usize::try_from(index).ok().and_then(|n| ALPHABET.get(n)).copied().unwrap_or(b'0'))
        })
        .collect()
}
