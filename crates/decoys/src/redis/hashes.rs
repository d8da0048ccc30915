//! Hashes.

use bytes::Bytes;
use std::collections::BTreeMap;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, WRONGTYPE},
    keys::{ScanOptions, cursor},
    message::{double, integer},
    store::Value,
    strings::human_float,
};

type Fields = BTreeMap<Bytes, (u32, Bytes)>;

impl Redis {
    fn hash(&mut self, key: &[u8]) -> Result<Fields, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(Fields::new()),
            Some(Value::Hash(h)) => Ok(h.clone()),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn put_hash(&mut self, key: &Bytes, fields: Fields) {
        let expires = self.expiry(key);
        self.keys.set(self.client.db, key.clone(), Value::Hash(fields), expires);
    }

    /// Pairs in the order the server lists them.
    fn ordered(&self, fields: Fields) -> Vec<(Bytes, Bytes)> {
        let compact = fields.len() <= 512 && fields.iter().all(|(k, (_, v))| k.len() <= 64 && v.len() <= 64);
        let mut list: Vec<(u32, Bytes, Bytes)> = fields.into_iter().map(|(k, (n, v))| (n, k, v)).collect();
        if compact {
            list.sort_by_key(|(n, ..)| *n)
        } else {
            self.keys.in_table_order(&mut list, |(_, k, _)| k)
        }
        list.into_iter().map(|(_, k, v)| (k, v)).collect()
    }

    pub(super) fn hashes(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let field = args.get(2).cloned().unwrap_or_default();
        let third = args.get(3).cloned().unwrap_or_default();
        match name {
            "hset" | "hmset" | "hsetnx" => {
                if args.len() % 2 == 1 {
                    return Err(format!("ERR wrong number of arguments for '{name}' command").into());
                }
                let mut fields = self.hash(&key)?;
                if name == "hsetnx" && fields.contains_key(&field) {
                    self.out.int(0);
                    return Ok(true);
                }
                let mut new = 0;
                for pair in args.get(2..).unwrap_or_default().chunks(2) {
                    if let [k, v] = pair {
                        new += i64::from(insert(&mut fields, k, v.clone()));
                    }
                }
                self.put_hash(&key, fields);
                if name == "hmset" { self.out.ok() } else { self.out.int(new) }
            }
            "hget" => {
                let fields = self.hash(&key)?;
                self.out.maybe(fields.get(&field).map(|(_, v)| v));
            }
            "hmget" => {
                let fields = self.hash(&key)?;
                self.out.array(args.len() - 2);
                for f in args.iter().skip(2) {
                    self.out.maybe(fields.get(f).map(|(_, v)| v));
                }
            }
            "hgetall" => {
                let fields = self.hash(&key)?;
                let list = self.ordered(fields);
                self.out.map(list.len());
                for (k, v) in list {
                    self.out.bulk(k);
                    self.out.bulk(v);
                }
            }
            "hkeys" | "hvals" => {
                let fields = self.hash(&key)?;
                let list = self.ordered(fields);
                self.out.array(list.len());
                for (k, v) in list {
                    self.out.bulk(if name == "hkeys" { k } else { v });
                }
            }
            "hlen" => {
                let n = self.hash(&key)?.len();
                self.out.len(n);
            }
            "hexists" => {
                let has = self.hash(&key)?.contains_key(&field);
                self.out.int(i64::from(has));
            }
            "hstrlen" => {
                let n = self.hash(&key)?.get(&field).map_or(0, |(_, v)| v.len());
                self.out.len(n);
            }
            "hdel" => {
                let mut fields = self.hash(&key)?;
                let n = args.iter().skip(2).filter(|f| fields.remove(*f).is_some()).count();
                if n > 0 {
                    self.put_hash(&key, fields);
                }
                self.out.len(n);
            }
            "hincrby" => {
                let by = integer(&third).ok_or(NOT_INT)?;
                let mut fields = self.hash(&key)?;
                let old = fields.get(&field).map_or(Some(0), |(_, v)| integer(v)).ok_or("ERR hash value is not an integer")?;
                let new = old.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
                insert(&mut fields, &field, Bytes::from(new.to_string()));
                self.put_hash(&key, fields);
                self.out.int(new);
            }
            "hincrbyfloat" => {
                let by = double(&third).ok_or("ERR value is not a valid float")?;
                let mut fields = self.hash(&key)?;
                let old = fields.get(&field).map_or(Some(0.0), |(_, v)| double(v)).ok_or("ERR hash value is not a float")?;
                let new = old + by;
                if !new.is_finite() {
                    return Err("ERR increment would produce NaN or Infinity".into());
                }
                let text = human_float(new);
                insert(&mut fields, &field, Bytes::from(text.clone()));
                self.put_hash(&key, fields);
                self.out.bulk(text);
            }
            "hscan" => {
                let at = cursor(&field)?;
                let options = ScanOptions::read(args.get(3..).unwrap_or_default(), false)?;
                let fields = self.hash(&key)?;
                let compact = fields.len() <= 512;
                let list = self.ordered(fields);
                let (next, mut some) = if compact { (0, list) } else { self.keys.scan(list, at, options.count, |(k, _)| k) };
                some.retain(|(k, _)| options.fits(k));
                self.out.array(2);
                self.out.bulk(next.to_string());
                self.out.array(some.len() * 2);
                for (k, v) in some {
                    self.out.bulk(k);
                    self.out.bulk(v);
                }
            }
            "hrandfield" => {
                let fields = self.hash(&key)?;
                let mut list: Vec<(Bytes, Bytes)> = self.ordered(fields);
                if args.len() == 2 {
                    let pick = usize::try_from(self.now.0.unsigned_abs() / 3).unwrap_or(0) % list.len().max(1);
                    self.out.maybe(list.get(pick).map(|(k, _)| k));
                } else {
                    let n = integer(&field).ok_or(NOT_INT)?;
                    list.truncate(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX));
                    let values = args.len() > 3;
                    self.out.array(if values { list.len() * 2 } else { list.len() });
                    for (k, v) in list {
                        self.out.bulk(k);
                        if values {
                            self.out.bulk(v);
                        }
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Puts a field; a new one goes to the end. Whether it is new.
fn insert(fields: &mut Fields, key: &Bytes, value: Bytes) -> bool {
    if let Some((_, old)) = fields.get_mut(key) {
        *old = value;
        return false;
    }
    let next = fields.values().map(|(n, _)| n + 1).max().unwrap_or(0);
    fields.insert(key.clone(), (next, value));
    true
}
