//! Sets.

use bytes::Bytes;
use std::collections::BTreeSet;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, WRONGTYPE},
    keys::{ScanOptions, cursor},
    message::integer,
    store::Value,
};

impl Redis {
    fn set_at(&mut self, key: &[u8]) -> Result<BTreeSet<Bytes>, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(BTreeSet::new()),
            Some(Value::Set(s)) => Ok(s.clone()),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn put_set(&mut self, key: &Bytes, set: BTreeSet<Bytes>) {
        let expires = self.expiry(key);
        self.keys.set(self.client.db, key.clone(), Value::Set(set), expires);
    }

    /// Members in the order the server lists them.
    fn members(&self, set: BTreeSet<Bytes>) -> Vec<Bytes> {
        let numbers = set.len() <= 512 && set.iter().all(|m| integer(m).is_some());
        let mut list: Vec<Bytes> = set.into_iter().collect();
        if numbers {
            list.sort_by_key(|m| integer(m))
        } else {
            self.keys.in_table_order(&mut list, |m| m)
        }
        list
    }

    pub(super) fn sets(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        match name {
            "sadd" => {
                let mut set = self.set_at(&key)?;
                let n = args.iter().skip(2).filter(|m| set.insert((*m).clone())).count();
                if n > 0 {
                    self.put_set(&key, set);
                }
                self.out.len(n);
            }
            "srem" => {
                let mut set = self.set_at(&key)?;
                let n = args.iter().skip(2).filter(|m| set.remove(*m)).count();
                if n > 0 {
                    self.put_set(&key, set);
                }
                self.out.len(n);
            }
            "scard" => {
                let n = self.set_at(&key)?.len();
                self.out.len(n);
            }
            "sismember" => {
                let has = self.set_at(&key)?.contains(&second);
                self.out.int(i64::from(has));
            }
            "smismember" => {
                let set = self.set_at(&key)?;
                self.out.array(args.len() - 2);
                for m in args.iter().skip(2) {
                    self.out.int(i64::from(set.contains(m)));
                }
            }
            "smembers" => {
                let set = self.set_at(&key)?;
                let list = self.members(set);
                self.out.set(list.len());
                for m in list {
                    self.out.bulk(m);
                }
            }
            "spop" | "srandmember" => {
                let mut set = self.set_at(&key)?;
                let mut list = self.members(set.clone());
                let turn = usize::try_from(self.now.0.unsigned_abs() / 11).unwrap_or(0);
                if !list.is_empty() {
                    let by = turn % list.len();
                    list.rotate_left(by);
                }
                match args.get(2) {
                    None => {
                        let one = list.first().cloned();
                        if let (true, Some(one)) = (name == "spop", &one) {
                            set.remove(one);
                            self.put_set(&key, set);
                        }
                        self.out.maybe(one.as_ref());
                    }
                    Some(n) => {
                        let n = integer(n).ok_or(NOT_INT)?;
                        if name == "spop" && n < 0 {
                            return Err("ERR value is out of range, must be positive".into());
                        }
                        let n = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
                        list.truncate(n);
                        if name == "spop" {
                            for m in &list {
                                set.remove(m);
                            }
                            self.put_set(&key, set);
                        }
                        if name == "spop" {
                            self.out.set(list.len())
                        } else {
                            self.out.array(list.len())
                        }
                        for m in list {
                            self.out.bulk(m);
                        }
                    }
                }
            }
            "smove" => {
                let mut from = self.set_at(&key)?;
                let mut to = self.set_at(&second)?;
                let member = args.get(3).cloned().unwrap_or_default();
                let had = from.remove(&member);
                if had && key != second {
                    self.put_set(&key, from);
                    to.insert(member);
                    self.put_set(&second, to);
                }
                self.out.int(i64::from(had));
            }
            "sinter" | "sunion" | "sdiff" | "sinterstore" | "sunionstore" | "sdiffstore" => {
                let store = name.ends_with("store");
                let keys = args.get(if store { 2 } else { 1 }..).unwrap_or_default();
                let mut result: Option<BTreeSet<Bytes>> = None;
                for k in keys {
                    let set = self.set_at(k)?;
                    result = Some(match result {
                        None => set,
                        Some(r) if name.starts_with("sinter") => r.intersection(&set).cloned().collect(),
                        Some(r) if name.starts_with("sunion") => r.union(&set).cloned().collect(),
                        Some(r) => r.difference(&set).cloned().collect(),
                    });
                }
                let result = result.unwrap_or_default();
                if store {
                    self.out.len(result.len());
                    self.keys.set(self.client.db, key, Value::Set(result), None);
                } else {
                    let list = self.members(result);
                    self.out.set(list.len());
                    for m in list {
                        self.out.bulk(m);
                    }
                }
            }
            "sintercard" => {
                let n = integer(&key).filter(|&n| n > 0).ok_or("ERR numkeys should be greater than 0")?;
                let n = usize::try_from(n).unwrap_or(0);
                let keys = args.get(2..).and_then(|k| k.get(..n)).ok_or("ERR Number of keys can't be greater than number of args")?;
                let mut result: Option<BTreeSet<Bytes>> = None;
                for k in keys {
                    let set = self.set_at(k)?;
                    result = Some(result.map_or(set.clone(), |r| r.intersection(&set).cloned().collect()));
                }
                self.out.len(result.unwrap_or_default().len());
            }
            "sscan" => {
                let at = cursor(&second)?;
                let options = ScanOptions::read(args.get(3..).unwrap_or_default(), false)?;
                let set = self.set_at(&key)?;
                let list = self.members(set);
                let compact = list.iter().all(|m| integer(m).is_some());
                let (next, mut some) = if compact { (0, list) } else { self.keys.scan(list, at, options.count, |m| m) };
                some.retain(|m| options.fits(m));
                self.out.array(2);
                self.out.bulk(next.to_string());
                self.out.strings(&some);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
