//! Keys and values: what the machine holds by itself, and what this attacker changed of it.

use bytes::{BufMut, Bytes};
use model::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::stage::memory::Memory;

/// Most bytes of keys and values one attacker may have here; past it the product's `OOM` error.
pub(super) const QUOTA: usize = 8 * 1024 * 1024;
/// Databases (`databases 16`).
pub(super) const DBS: usize = 16;

/// Stream entries by id.
pub(super) type StreamId = (u64, u64);

/// A value of one of the types.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Str(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    /// Field to (order of arrival, value).
    Hash(BTreeMap<Bytes, (u32, Bytes)>),
    ZSet(BTreeMap<Bytes, f64>),
    Stream {
        entries: BTreeMap<StreamId, Vec<(Bytes, Bytes)>>,
        last: StreamId,
        added: u64,
    },
}

impl Value {
    /// As `TYPE` names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Str(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::ZSet(_) => "zset",
            Self::Stream { .. } => "stream",
        }
    }

    /// As `OBJECT ENCODING` names it.
    pub(super) fn encoding(&self) -> &'static str {
        match self {
            Self::Str(s) if super::message::integer(s).is_some() => "int",
            Self::Str(s) if s.len() <= 44 => "embstr",
            Self::Str(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Set(s) if s.len() <= 512 && s.iter().all(|m| super::message::integer(m).is_some()) => "intset",
            Self::Set(_) => "hashtable",
            Self::Hash(h) if h.len() <= 512 && h.iter().all(|(k, (_, v))| k.len() <= 64 && v.len() <= 64) => "listpack",
            Self::Hash(_) => "hashtable",
            Self::ZSet(z) if z.len() <= 128 && z.keys().all(|k| k.len() <= 64) => "listpack",
            Self::ZSet(_) => "skiplist",
            Self::Stream { .. } => "stream",
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Str(_) | Self::Stream { .. } => false,
            Self::List(v) => v.is_empty(),
            Self::Set(v) => v.is_empty(),
            Self::Hash(v) => v.is_empty(),
            Self::ZSet(v) => v.is_empty(),
        }
    }

    /// Bytes it takes, with some overhead an element.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Str(s) => s.len(),
            Self::List(v) => v.iter().map(|b| b.len() + 16).sum(),
            Self::Set(v) => v.iter().map(|b| b.len() + 32).sum(),
            Self::Hash(v) => v.iter().map(|(k, (_, v))| k.len() + v.len() + 48).sum(),
            Self::ZSet(v) => v.keys().map(|k| k.len() + 48).sum(),
            Self::Stream { entries, .. } => entries.values().flatten().map(|(k, v)| k.len() + v.len() + 24).sum::<usize>() + 64,
        }
    }
}

/// A key's value and when it expires (milliseconds since the epoch).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) expires: Option<i64>,
    /// From the machine itself, not touched by the attacker.
    pub(super) own: bool,
    weight: usize,
}

/// All databases as this attacker sees them.
#[derive(Debug)]
pub(super) struct Keyspace {
    memory: Memory,
    seed: u64,
    dbs: Vec<BTreeMap<Bytes, Entry>>,
    dirty: BTreeSet<(usize, Bytes)>,
    pub(super) used: usize,
    version: Option<Bytes>,
    /// Changes since the last save.
    pub(super) changes: u64,
    pub(super) expired: u64,
}

impl Keyspace {
    pub(super) fn new(memory: Memory, seed: u64) -> Self {
        let dbs = (0..DBS).map(|_| BTreeMap::new()).collect();
        Self { memory, seed, dbs, dirty: BTreeSet::new(), used: 0, version: None, changes: 0, expired: 0 }
    }

    /// Brings in what other sessions of this attacker changed meanwhile. `own` gives the machine's data.
    pub(super) fn refresh(&mut self, now: Micros, own: impl FnOnce() -> Vec<(usize, Bytes, Value, Option<i64>, i64)>) {
        let version = self.memory.get("redis/version").unwrap_or_default();
        if self.version.as_ref() == Some(&version) {
            return;
        }
        self.version = Some(version);
        self.used = 0;
        for db in &mut self.dbs {
            db.clear();
        }
        let flushed: Vec<i64> =
            (0..DBS).map(|i| self.memory.get(&format!("redis/flushed/{i}")).and_then(|b| read_i64(&b)).unwrap_or(i64::MIN)).collect();
        for (db, key, value, expires, born) in own() {
            if flushed.get(db).is_some_and(|&at| born > at) {
                self.put(db, key, value, expires, true);
            }
        }
        for (name, bytes) in self.memory.under("redis/key/") {
            let Some((db, key)) = parse_name(&name) else { continue };
            match decode(&bytes) {
                Some((value, expires)) if expires.is_none_or(|e| e > now.millis()) => self.put(db, key, value, expires, false),
                _ => {
                    self.take(db, &key);
                }
            }
        }
        self.dirty.clear();
    }

    /// Keeps what changed during this turn. `false`: the attacker's quota is used up.
    pub(super) fn flush(&mut self) -> bool {
        if self.dirty.is_empty() {
            return true;
        }
        let mut fits = true;
        for (db, key) in std::mem::take(&mut self.dirty) {
            let name = format!("redis/key/{db}/{}", hex::encode(&key));
            match self.dbs.get(db).and_then(|d| d.get(&key)) {
                Some(entry) => fits &= self.memory.set(&name, encode(&entry.value, entry.expires)),
                // An empty value marks a key of the machine's own that is gone.
                None => fits &= self.memory.set(&name, Bytes::new()),
            }
        }
        self.bump();
        fits
    }

    fn bump(&mut self) {
        let version = self.memory.get("redis/version").and_then(|b| read_i64(&b)).unwrap_or(0) + 1;
        let bytes = Bytes::copy_from_slice(&version.to_be_bytes());
        self.memory.set("redis/version", bytes.clone());
        self.version = Some(bytes);
    }

    /// A setting of the server that this attacker changed.
    pub(super) fn note(&self, key: &str) -> Option<Bytes> {
        self.memory.get(&format!("redis/state/{key}"))
    }

    pub(super) fn set_note(&mut self, key: &str, value: impl Into<Bytes>) {
        self.memory.set(&format!("redis/state/{key}"), value);
    }

    pub(super) fn notes(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let full = format!("redis/state/{prefix}");
        self.memory.under(&full).into_iter().map(|(k, v)| (k.get(full.len()..).unwrap_or_default().to_owned(), v)).collect()
    }

    /// The live value of `key`.
    pub(super) fn get(&mut self, db: usize, key: &[u8], now: Micros) -> Option<&Entry> {
        self.expire(db, key, now);
        self.dbs.get(db)?.get(key)
    }

    fn expire(&mut self, db: usize, key: &[u8], now: Micros) {
        let gone = self.dbs.get(db).and_then(|d| d.get(key)).is_some_and(|e| e.expires.is_some_and(|at| at <= now.millis()));
        if gone {
            self.expired += 1;
            self.remove(db, key);
        }
    }

    /// Drops everything whose time has come.
    pub(super) fn expire_all(&mut self, now: Micros) {
        for db in 0..DBS {
            let gone: Vec<Bytes> = self
                .dbs
                .get(db)
                .map(|d| d.iter().filter(|(_, e)| e.expires.is_some_and(|at| at <= now.millis())).map(|(k, _)| k.clone()).collect())
                .unwrap_or_default();
            for key in gone {
                self.expire(db, &key, now);
            }
        }
    }

    pub(super) fn set(&mut self, db: usize, key: Bytes, value: Value, expires: Option<i64>) {
        self.changes += 1;
        if value.is_empty() {
            self.remove(db, &key);
            return;
        }
        self.dirty.insert((db, key.clone()));
        self.put(db, key, value, expires, false);
    }

    pub(super) fn remove(&mut self, db: usize, key: &[u8]) -> bool {
        let was = self.take(db, key).is_some();
        if was {
            self.changes += 1;
            self.dirty.insert((db, Bytes::copy_from_slice(key)));
        }
        was
    }

    pub(super) fn set_expiry(&mut self, db: usize, key: &[u8], expires: Option<i64>) {
        if let Some(entry) = self.dbs.get_mut(db).and_then(|d| d.get_mut(key)) {
            entry.expires = expires;
            entry.own = false;
            self.changes += 1;
            self.dirty.insert((db, Bytes::copy_from_slice(key)));
        }
    }

    pub(super) fn flush_db(&mut self, db: usize, now: Micros) {
        if let Some(d) = self.dbs.get_mut(db) {
            for (key, entry) in std::mem::take(d) {
                self.used -= entry.weight;
                self.changes += 1;
                self.dirty.remove(&(db, key));
            }
        }
        for (name, _) in self.memory.under(&format!("redis/key/{db}/")) {
            self.memory.remove(&name);
        }
        self.memory.set(&format!("redis/flushed/{db}"), Bytes::copy_from_slice(&now.millis().to_be_bytes()));
        self.bump();
    }

    pub(super) fn swap(&mut self, one: usize, two: usize) {
        for db in [one, two] {
            let keys: Vec<Bytes> = self.dbs.get(db).map(|d| d.keys().cloned().collect()).unwrap_or_default();
            for key in keys {
                self.dirty.insert((one, key.clone()));
                self.dirty.insert((two, key));
            }
        }
        self.dbs.swap(one, two);
    }

    pub(super) fn size(&self, db: usize) -> usize {
        self.dbs.get(db).map_or(0, BTreeMap::len)
    }

    pub(super) fn entries(&self, db: usize) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.dbs.get(db).into_iter().flatten()
    }

    /// Keys with a time to live.
    pub(super) fn volatile(&self, db: usize) -> usize {
        self.entries(db).filter(|(_, e)| e.expires.is_some()).count()
    }

    fn put(&mut self, db: usize, key: Bytes, value: Value, expires: Option<i64>, own: bool) {
        self.take(db, &key);
        let weight = value.weight() + key.len() + 64;
        self.used += weight;
        if let Some(d) = self.dbs.get_mut(db) {
            d.insert(key, Entry { value, expires, own, weight });
        }
    }

    fn take(&mut self, db: usize, key: &[u8]) -> Option<Entry> {
        let entry = self.dbs.get_mut(db)?.remove(key)?;
        self.used -= entry.weight;
        Some(entry)
    }

    /// The order in which a hash table of this server yields its elements.
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        hash(self.seed, key)
    }

    /// Sorts as the server's hash table would list them.
    pub(super) fn in_table_order<T>(&self, list: &mut [T], key: impl Fn(&T) -> &[u8]) {
        let mask = table_size(list.len()) as u64 - 1;
        list.sort_by_cached_key(|item| {
            let h = self.hash(key(item));
            (h & mask, h)
        });
    }

    /// One step of a scan over `all`: the chosen ones and the next cursor.
    pub(super) fn scan<T>(&self, mut all: Vec<T>, cursor: u64, count: usize, key: impl Fn(&T) -> &[u8]) -> (u64, Vec<T>) {
        let mask = table_size(all.len()) as u64 - 1;
        let mut buckets: BTreeMap<u64, Vec<T>> = BTreeMap::new();
        for item in all.drain(..) {
            buckets.entry(self.hash(key(&item)) & mask).or_default().push(item);
        }
        let mut out = Vec::new();
        let mut at = cursor;
        let mut steps = 0;
        loop {
            if let Some(bucket) = buckets.remove(&(at & mask)) {
                out.extend(bucket);
            }
            at |= !mask;
            at = at.reverse_bits().wrapping_add(1).reverse_bits();
            steps += 1;
            if at == 0 || out.len() >= count || steps >= count.saturating_mul(10) {
                return (at, out);
            }
        }
    }
}

fn table_size(n: usize) -> usize {
    n.max(4).next_power_of_two()
}

/// A keyed hash: the order of elements differs from decky to decky and never changes on one.
pub(super) fn hash(seed: u64, key: &[u8]) -> u64 {
    let mut h = seed ^ 0xcbf2_9ce4_8422_2325;
    for &b in key {
        h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    h ^= h >> 32;
    h = h.wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^= h >> 32;
    h.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ (h >> 29)
}

fn parse_name(name: &str) -> Option<(usize, Bytes)> {
    let (db, key) = name.strip_prefix("redis/key/")?.split_once('/')?;
    Some((db.parse().ok().filter(|&d: &usize| d < DBS)?, Bytes::from(hex::decode(key).ok()?)))
}

fn read_i64(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn encode(value: &Value, expires: Option<i64>) -> Bytes {
    let mut out = Vec::new();
    out.put_i64(expires.unwrap_or(0));
    let put = |out: &mut Vec<u8>, b: &[u8]| {
        out.put_u32(u32::try_from(b.len()).unwrap_or(0));
        out.put_slice(b);
    };
    match value {
        Value::Str(s) => {
            out.put_u8(0);
            put(&mut out, s);
        }
        Value::List(list) => {
            out.put_u8(1);
            list.iter().for_each(|b| put(&mut out, b));
        }
        Value::Set(set) => {
            out.put_u8(2);
            set.iter().for_each(|b| put(&mut out, b));
        }
        Value::Hash(hash) => {
            out.put_u8(3);
            for (k, (n, v)) in hash {
                out.put_u32(*n);
                put(&mut out, k);
                put(&mut out, v);
            }
        }
        Value::ZSet(zset) => {
            out.put_u8(4);
            for (k, v) in zset {
                out.put_f64(*v);
                put(&mut out, k);
            }
        }
        Value::Stream { entries, last, added } => {
            out.put_u8(5);
            out.put_u64(last.0);
            out.put_u64(last.1);
            out.put_u64(*added);
            for (id, fields) in entries {
                out.put_u64(id.0);
                out.put_u64(id.1);
                out.put_u32(u32::try_from(fields.len()).unwrap_or(0));
                for (k, v) in fields {
                    put(&mut out, k);
                    put(&mut out, v);
                }
            }
        }
    }
    Bytes::from(out)
}

fn decode(bytes: &Bytes) -> Option<(Value, Option<i64>)> {
    use bytes::Buf;
    let mut at = bytes.clone();
    let expires = Some(at.try_get_i64().ok()?).filter(|&e| e != 0);
    let kind = at.try_get_u8().ok()?;
    fn text(at: &mut Bytes) -> Option<Bytes> {
        let n = at.try_get_u32().ok()? as usize;
        (n <= at.len()).then(|| at.split_to(n))
    }
    let value = match kind {
        0 => Value::Str(text(&mut at)?),
        1 => {
            let mut list = VecDeque::new();
            while !at.is_empty() {
                list.push_back(text(&mut at)?);
            }
            Value::List(list)
        }
        2 => {
            let mut set = BTreeSet::new();
            while !at.is_empty() {
                set.insert(text(&mut at)?);
            }
            Value::Set(set)
        }
        3 => {
            let mut hash = BTreeMap::new();
            while !at.is_empty() {
                let n = at.try_get_u32().ok()?;
                let key = text(&mut at)?;
                hash.insert(key, (n, text(&mut at)?));
            }
            Value::Hash(hash)
        }
        4 => {
            let mut zset = BTreeMap::new();
            while !at.is_empty() {
                let score = at.try_get_f64().ok()?;
                zset.insert(text(&mut at)?, score);
            }
            Value::ZSet(zset)
        }
        5 => {
            let last = (at.try_get_u64().ok()?, at.try_get_u64().ok()?);
            let added = at.try_get_u64().ok()?;
            let mut entries = BTreeMap::new();
            while !at.is_empty() {
                let id = (at.try_get_u64().ok()?, at.try_get_u64().ok()?);
                let n = at.try_get_u32().ok()?;
                let mut fields = Vec::new();
                for _ in 0..n {
                    let key = text(&mut at)?;
                    fields.push((key, text(&mut at)?));
                }
                entries.insert(id, fields);
            }
            Value::Stream { entries, last, added }
        }
        _ => return None,
    };
    Some((value, expires))
}

/// Whether `text` fits the pattern as `stringmatchlen` decides it.
pub(super) fn glob(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(&b) => match text.get(t) {
                None => return pattern.get(p..).unwrap_or_default().iter().all(|&b| b == b'*'),
                Some(&c) => match b {
                    b'?' => Some(p + 1),
                    b'[' => class(pattern, p, fold(c), &fold),
                    b'\\' if p + 1 < pattern.len() => (pattern.get(p + 1).copied().map(fold) == Some(fold(c))).then_some(p + 2),
                    _ => (fold(b) == fold(c)).then_some(p + 1),
                },
            },
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((sp, st))) if st < text.len() => {
                p = sp + 1;
                t = st + 1;
                star = Some((sp, t));
            }
            _ => return false,
        }
    }
}

/// Matches a bracket class beginning at `p`; the position after it if `c` is in it.
fn class(pattern: &[u8], p: usize, c: u8, fold: &impl Fn(u8) -> u8) -> Option<usize> {
    let mut at = p + 1;
    let not = pattern.get(at) == Some(&b'^');
    if not {
        at += 1;
    }
    let mut hit = false;
    loop {
        match (pattern.get(at), pattern.get(at + 1)) {
            (Some(b'\\'), Some(&b)) => {
                hit |= fold(b) == c;
                at += 2;
            }
            (Some(b']') | None, _) => break,
            (Some(&low), Some(b'-')) if pattern.get(at + 2).is_some() => {
                let high = pattern.get(at + 2).copied().unwrap_or(low);
                let (low, high) = (fold(low.min(high)), fold(low.max(high)));
                hit |= (low..=high).contains(&c);
                at += 3;
            }
            (Some(&b), _) => {
                hit |= fold(b) == c;
                at += 1;
            }
        }
    }
    (hit != not).then_some(at + usize::from(pattern.get(at).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes(), false), expect, "{pattern} {text}")
        };
        check("*", "", true);
        check("h?llo", "hello", true);
        check("h[ae]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[a-c]llo", "hbllo", true);
        check("a*b*c", "axxbyyc", true);
        check("a*b*c", "axxbyy", false);
        check("\\*", "*", true);
        check("user:*", "user:1", true);
        check("user:*", "use", false);
        check("[", "[", false);
        check("*a*a*a*a*a*b", &"a".repeat(2000), false);
    }

    #[test]
    fn values_survive_memory() {
        let memory = Memory::default();
        let now = Micros(1_700_000_000_000_000);
        let mut one = Keyspace::new(memory.clone(), 7);
        one.refresh(now, Vec::new);
        one.set(0, Bytes::from_static(b"k\xff"), Value::Str(Bytes::from_static(b"v")), None);
        one.set(3, Bytes::from_static(b"z"), Value::ZSet(BTreeMap::from([(Bytes::from_static(b"m"), 1.5)])), Some(now.millis() + 10));
        assert!(one.flush());
        let mut two = Keyspace::new(memory, 7);
        two.refresh(now, Vec::new);
        assert_eq!(two.get(0, b"k\xff", now).unwrap().value, Value::Str(Bytes::from_static(b"v")));
        assert_eq!(two.size(3), 1);
        assert!(two.get(3, b"z", Micros(now.0 + 20_000)).is_none());
        two.flush_db(0, now);
        two.flush();
        one.refresh(now, Vec::new);
        assert_eq!(one.size(0), 0);
    }

    #[test]
    fn a_scan_sees_everything_once() {
        let keys = Keyspace::new(Memory::default(), 9);
        let all: Vec<Bytes> = (0..100).map(|i| Bytes::from(format!("k{i}"))).collect();
        let (mut cursor, mut seen, mut rounds) = (0, BTreeSet::new(), 0);
        loop {
            let (next, some) = keys.scan(all.clone(), cursor, 10, |k| k);
            for k in some {
                assert!(seen.insert(k));
            }
            rounds += 1;
            cursor = next;
            if cursor == 0 || rounds > 200 {
                break;
            }
        }
        assert_eq!(seen.len(), 100);
    }
}
