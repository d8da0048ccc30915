//! Lists.

use bytes::Bytes;
use std::collections::VecDeque;

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    message::integer,
    store::Value,
    strings::range,
};

impl Redis {
    fn list(&mut self, key: &[u8]) -> Result<VecDeque<Bytes>, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(VecDeque::new()),
            Some(Value::List(l)) => Ok(l.clone()),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn put_list(&mut self, key: &Bytes, list: VecDeque<Bytes>) {
        let expires = self.expiry(key);
        self.keys.set(self.client.db, key.clone(), Value::List(list), expires);
    }

    pub(super) fn lists(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        let third = args.get(3).cloned().unwrap_or_default();
        match name {
            "lpush" | "rpush" | "lpushx" | "rpushx" => {
                let mut list = self.list(&key)?;
                if name.ends_with('x') && list.is_empty() {
                    self.out.int(0);
                    return Ok(true);
                }
                for item in args.iter().skip(2) {
                    if name.starts_with('l') { list.push_front(item.clone()) } else { list.push_back(item.clone()) }
                }
                self.out.len(list.len());
                self.put_list(&key, list);
            }
            "lpop" | "rpop" => {
                let many = match args.get(2) {
                    None => None,
                    Some(n) => Some(integer(n).and_then(|n| usize::try_from(n).ok()).ok_or("ERR value is out of range, must be positive")?),
                };
                let mut list = self.list(&key)?;
                if list.is_empty() {
                    if many.is_some() {
                        self.out.null_array()
                    } else {
                        self.out.null()
                    }
                    return Ok(true);
                }
                let n = many.unwrap_or(1).min(list.len());
                let popped: Vec<Bytes> = (0..n).filter_map(|_| if name == "lpop" { list.pop_front() } else { list.pop_back() }).collect();
                self.put_list(&key, list);
                if many.is_some() { self.out.strings(&popped) } else { self.out.maybe(popped.first()) }
            }
            "llen" => {
                let n = self.list(&key)?.len();
                self.out.len(n);
            }
            "lrange" => {
                let (start, end) = (integer(&second).ok_or(NOT_INT)?, integer(&third).ok_or(NOT_INT)?);
                let list = self.list(&key)?;
                let part: Vec<Bytes> = list.range(range(list.len(), start, end)).cloned().collect();
                self.out.strings(&part);
            }
            "lindex" => {
                let list = self.list(&key)?;
                let at = index(list.len(), integer(&second).ok_or(NOT_INT)?);
                self.out.maybe(at.and_then(|i| list.get(i)));
            }
            "lset" => {
                let mut list = self.list(&key)?;
                if list.is_empty() {
                    return Err("ERR no such key".into());
                }
                let at = index(list.len(), integer(&second).ok_or(NOT_INT)?);
                let item = at.and_then(|i| list.get_mut(i)).ok_or("ERR index out of range")?;
                *item = third;
                self.put_list(&key, list);
                self.out.ok();
            }
            "ltrim" => {
                let (start, end) = (integer(&second).ok_or(NOT_INT)?, integer(&third).ok_or(NOT_INT)?);
                let list = self.list(&key)?;
                if !list.is_empty() {
                    let part = list.range(range(list.len(), start, end)).cloned().collect();
                    self.put_list(&key, part);
                }
                self.out.ok();
            }
            "lrem" => {
                let n = integer(&second).ok_or(NOT_INT)?;
                let mut list = self.list(&key)?;
                let mut left = if n == 0 { u64::MAX } else { n.unsigned_abs() };
                let before = list.len();
                let mut keep = |item: &Bytes| {
                    let drop = *item == third && left > 0;
                    left -= u64::from(drop);
                    !drop
                };
                if n < 0 {
                    let mut kept: VecDeque<Bytes> = list.iter().rev().filter(|i| keep(i)).cloned().collect();
                    kept.make_contiguous().reverse();
                    list = kept;
                } else {
                    list.retain(|i| keep(i));
                }
                let gone = before - list.len();
                if gone > 0 {
                    self.put_list(&key, list);
                }
                self.out.len(gone);
            }
            "linsert" => {
                let before = match &second.to_ascii_lowercase()[..] {
                    b"before" => true,
                    b"after" => false,
                    _ => return Err(SYNTAX.into()),
                };
                let mut list = self.list(&key)?;
                if list.is_empty() {
                    self.out.int(0);
                    return Ok(true);
                }
                match list.iter().position(|i| *i == third) {
                    None => self.out.int(-1),
                    Some(at) => {
                        list.insert(if before { at } else { at + 1 }, args.get(4).cloned().unwrap_or_default());
                        self.out.len(list.len());
                        self.put_list(&key, list);
                    }
                }
            }
            "lpos" => {
                let list = self.list(&key)?;
                match list.iter().position(|i| *i == second) {
                    Some(at) if args.len() == 3 => self.out.len(at),
                    _ if args.len() > 3 => {
                        let all: Vec<usize> = list.iter().enumerate().filter(|(_, i)| **i == second).map(|(n, _)| n).collect();
                        self.out.array(all.len());
                        for n in all {
                            self.out.len(n);
                        }
                    }
                    _ => self.out.null(),
                }
            }
            "rpoplpush" | "lmove" | "brpoplpush" | "blmove" => {
                let (from_left, to_left) = if name.ends_with("lmove") {
                    let side = |b: &Bytes| match &b.to_ascii_lowercase()[..] {
                        b"left" => Ok(true),
                        b"right" => Ok(false),
                        _ => Err(Fail::from(SYNTAX)),
                    };
                    (side(&third)?, side(args.get(4).unwrap_or(&third))?)
                } else {
                    (false, true)
                };
                let mut from = self.list(&key)?;
                let moved = if from_left { from.pop_front() } else { from.pop_back() };
                let Some(moved) = moved else {
                    if name.starts_with('b') {
                        let timeout = args.last().cloned().unwrap_or_default();
                        self.block(&timeout, false)?;
                    } else {
                        self.out.null();
                    }
                    return Ok(true);
                };
                if key != second {
                    self.list(&second)?;
                }
                self.put_list(&key, from);
                let mut to = self.list(&second)?;
                if to_left {
                    to.push_front(moved.clone())
                } else {
                    to.push_back(moved.clone())
                }
                self.put_list(&second, to);
                self.out.bulk(moved);
            }
            "blpop" | "brpop" => {
                let timeout = args.last().cloned().unwrap_or_default();
                for key in args.get(1..args.len() - 1).unwrap_or_default() {
                    let mut list = self.list(key)?;
                    let item = if name == "blpop" { list.pop_front() } else { list.pop_back() };
                    if let Some(item) = item {
                        self.put_list(key, list);
                        self.out.strings(&[key.clone(), item]);
                        return Ok(true);
                    }
                }
                self.block(&timeout, true)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn index(len: usize, at: i64) -> Option<usize> {
    let at = if at < 0 { at + i64::try_from(len).ok()? } else { at };
    usize::try_from(at).ok().filter(|&i| i < len)
}
