//! Sorted sets.

use bytes::Bytes;
use std::collections::BTreeMap;

use super::{
    dialogue::{Did, Fail, NOT_FLOAT, NOT_INT, Redis, SYNTAX, WRONGTYPE},
    keys::{ScanOptions, cursor},
    message::{double, g17, integer},
    store::Value,
    strings::range,
};

type Scores = BTreeMap<Bytes, f64>;

impl Redis {
    fn zset(&mut self, key: &[u8]) -> Result<Scores, Fail> {
        match self.keys.get(self.client.db, key, self.now).map(|e| &e.value) {
            None => Ok(Scores::new()),
            Some(Value::ZSet(z)) => Ok(z.clone()),
            Some(_) => Err(WRONGTYPE.into()),
        }
    }

    fn put_zset(&mut self, key: &Bytes, scores: Scores) {
        let expires = self.expiry(key);
        self.keys.set(self.client.db, key.clone(), Value::ZSet(scores), expires);
    }

    fn send_scored(&mut self, list: &[(Bytes, f64)], scores: bool) {
        if scores && self.out.resp == 3 {
            self.out.array(list.len());
            for (m, s) in list {
                self.out.array(2);
                self.out.bulk(m);
                self.out.double(*s);
            }
            return;
        }
        self.out.array(if scores { list.len() * 2 } else { list.len() });
        for (m, s) in list {
            self.out.bulk(m);
            if scores {
                self.out.double(*s);
            }
        }
    }

    pub(super) fn zsets(&mut self, name: &str, args: &[Bytes]) -> Did {
        let key = args.get(1).cloned().unwrap_or_default();
        let second = args.get(2).cloned().unwrap_or_default();
        let third = args.get(3).cloned().unwrap_or_default();
        match name {
            "zadd" => self.zadd(args)?,
            "zincrby" => {
                let by = double(&second).ok_or(NOT_FLOAT)?;
                let mut scores = self.zset(&key)?;
                let new = scores.get(&third).copied().unwrap_or(0.0) + by;
                if new.is_nan() {
                    return Err("ERR resulting score is not a number (NaN)".into());
                }
                scores.insert(third, new);
                self.put_zset(&key, scores);
                self.out.double(new);
            }
            "zscore" => match self.zset(&key)?.get(&second).copied() {
                Some(score) => self.out.double(score),
                None => self.out.null(),
            },
            "zmscore" => {
                let scores = self.zset(&key)?;
                self.out.array(args.len() - 2);
                for m in args.iter().skip(2) {
                    match scores.get(m) {
                        Some(&score) => self.out.double(score),
                        None => self.out.null(),
                    }
                }
            }
            "zcard" => {
                let n = self.zset(&key)?.len();
                self.out.len(n);
            }
            "zrem" => {
                let mut scores = self.zset(&key)?;
                let n = args.iter().skip(2).filter(|m| scores.remove(*m).is_some()).count();
                if n > 0 {
                    self.put_zset(&key, scores);
                }
                self.out.len(n);
            }
            "zrank" | "zrevrank" => {
                let mut list = sorted(&self.zset(&key)?);
                if name == "zrevrank" {
                    list.reverse();
                }
                match list.iter().position(|(m, _)| *m == second) {
                    Some(n) => self.out.len(n),
                    None => self.out.null(),
                }
            }
            "zcount" => {
                let bounds = (Bound::score(&second)?, Bound::score(&third)?);
                let n = self.zset(&key)?.values().filter(|s| within(**s, bounds)).count();
                self.out.len(n);
            }
            "zlexcount" => {
                let n = lex(&sorted(&self.zset(&key)?), &second, &third)?.len();
                self.out.len(n);
            }
            "zrange" | "zrevrange" | "zrangebyscore" | "zrevrangebyscore" | "zrangebylex" | "zrevrangebylex" => self.zrange(name, args)?,
            "zremrangebyrank" | "zremrangebyscore" | "zremrangebylex" => {
                let mut scores = self.zset(&key)?;
                let list = sorted(&scores);
                let gone: Vec<(Bytes, f64)> = match name {
                    "zremrangebyrank" => {
                        let (start, end) = (integer(&second).ok_or(NOT_INT)?, integer(&third).ok_or(NOT_INT)?);
                        list.get(range(list.len(), start, end)).unwrap_or_default().to_vec()
                    }
                    "zremrangebyscore" => {
                        let bounds = (Bound::score(&second)?, Bound::score(&third)?);
                        list.into_iter().filter(|(_, s)| within(*s, bounds)).collect()
                    }
                    _ => lex(&list, &second, &third)?,
                };
                for (m, _) in &gone {
                    scores.remove(m);
                }
                if !gone.is_empty() {
                    self.put_zset(&key, scores);
                }
                self.out.len(gone.len());
            }
            "zpopmin" | "zpopmax" => {
                let n = match args.get(2) {
                    None => 1,
                    Some(n) => integer(n).and_then(|n| usize::try_from(n).ok()).ok_or("ERR value is out of range, must be positive")?,
                };
                let mut scores = self.zset(&key)?;
                let mut list = sorted(&scores);
                if name == "zpopmax" {
                    list.reverse();
                }
                list.truncate(n);
                for (m, _) in &list {
                    scores.remove(m);
                }
                if !list.is_empty() {
                    self.put_zset(&key, scores);
                }
                self.out.array(list.len() * 2);
                for (m, s) in list {
                    self.out.bulk(m);
                    self.out.double(s);
                }
            }
            "bzpopmin" | "bzpopmax" => {
                let timeout = args.last().cloned().unwrap_or_default();
                for key in args.get(1..args.len() - 1).unwrap_or_default() {
                    let mut scores = self.zset(key)?;
                    let list = sorted(&scores);
                    let found = if name == "bzpopmin" { list.first() } else { list.last() };
                    if let Some((m, s)) = found {
                        scores.remove(m);
                        self.put_zset(key, scores);
                        self.out.array(3);
                        self.out.bulk(key);
                        self.out.bulk(m);
                        self.out.double(*s);
                        return Ok(true);
                    }
                }
                self.block(&timeout, true)?;
            }
            "zscan" => {
                let at = cursor(&second)?;
                let options = ScanOptions::read(args.get(3..).unwrap_or_default(), false)?;
                let list = sorted(&self.zset(&key)?);
                let (next, mut some) = if list.len() <= 128 { (0, list) } else { self.keys.scan(list, at, options.count, |(m, _)| m) };
                some.retain(|(m, _)| options.fits(m));
                self.out.array(2);
                self.out.bulk(next.to_string());
                self.out.array(some.len() * 2);
                for (m, s) in some {
                    self.out.bulk(m);
                    self.out.bulk(g17(s));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn zadd(&mut self, args: &[Bytes]) -> Result<(), Fail> {
        let key = args.get(1).cloned().unwrap_or_default();
        let (mut nx, mut xx, mut gt, mut lt, mut ch, mut incr) = (false, false, false, false, false, false);
        let mut at = 2;
        while let Some(option) = args.get(at) {
            match &option.to_ascii_lowercase()[..] {
                b"nx" => nx = true,
                b"xx" => xx = true,
                b"gt" => gt = true,
                b"lt" => lt = true,
                b"ch" => ch = true,
                b"incr" => incr = true,
                _ => break,
            }
            at += 1;
        }
        let pairs = args.get(at..).unwrap_or_default();
        if pairs.is_empty() || pairs.len() % 2 == 1 {
            return Err(SYNTAX.into());
        }
        if nx && xx {
            return Err("ERR XX and NX options at the same time are not compatible".into());
        }
        if gt && (nx || lt) || lt && nx {
            return Err("ERR GT, LT, and/or NX options at the same time are not compatible".into());
        }
        if incr && pairs.len() > 2 {
            return Err("ERR INCR option supports a single increment-element pair".into());
        }
        let mut parsed = Vec::new();
        for pair in pairs.chunks(2) {
            if let [score, member] = pair {
                parsed.push((double(score).ok_or(NOT_FLOAT)?, member.clone()));
            }
        }
        let mut scores = self.zset(&key)?;
        let (mut added, mut changed, mut last) = (0, 0, None);
        for (score, member) in parsed {
            let old = scores.get(&member).copied();
            let new = if incr { old.unwrap_or(0.0) + score } else { score };
            if new.is_nan() {
                return Err("ERR resulting score is not a number (NaN)".into());
            }
            let refused = match old {
                Some(old) => nx || gt && new <= old || lt && new >= old,
                None => xx,
            };
            if refused {
                continue;
            }
            last = Some(new);
            match old {
                None => added += 1,
                Some(old) if old != new => changed += 1,
                Some(_) => {}
            }
            scores.insert(member, new);
        }
        if last.is_some() {
            self.put_zset(&key, scores);
        }
        match (incr, last) {
            (true, Some(score)) => self.out.double(score),
            (true, None) => self.out.null(),
            (false, _) => self.out.int(if ch { added + changed } else { added }),
        }
        Ok(())
    }

    fn zrange(&mut self, name: &str, args: &[Bytes]) -> Result<(), Fail> {
        let [_, key, from, to, options @ ..] = args else { return Err(SYNTAX.into()) };
        let mut by_score = name.ends_with("byscore");
        let mut by_lex = name.ends_with("bylex");
        let mut reverse = name.contains("rev");
        let (mut scores, mut limit) = (false, None);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &option.to_ascii_lowercase()[..] {
                b"withscores" => scores = true,
                b"rev" if name == "zrange" => reverse = true,
                b"byscore" if name == "zrange" => by_score = true,
                b"bylex" if name == "zrange" => by_lex = true,
                b"limit" if options.len() >= 2 => {
                    limit = Some((
                        options.next().and_then(|n| integer(n)).ok_or(NOT_INT)?,
                        options.next().and_then(|n| integer(n)).ok_or(NOT_INT)?,
                    ))
                }
                _ => return Err(SYNTAX.into()),
            }
        }
        if limit.is_some() && !by_score && !by_lex {
            return Err("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX".into());
        }
        if scores && by_lex {
            return Err("ERR syntax error, WITHSCORES not supported in combination with BYLEX".into());
        }
        let (low, high) = if reverse && (by_score || by_lex) { (to, from) } else { (from, to) };
        let bounds = if by_score { Some((Bound::score(low)?, Bound::score(high)?)) } else { None };
        let ranks = if by_score || by_lex { None } else { Some((integer(from).ok_or(NOT_INT)?, integer(to).ok_or(NOT_INT)?)) };
        let mut list = sorted(&self.zset(key)?);
        if let Some(bounds) = bounds {
            list.retain(|(_, s)| within(*s, bounds));
        } else if by_lex {
            list = lex(&list, low, high)?;
        }
        if reverse {
            list.reverse();
        }
        if let Some((start, end)) = ranks {
            list = list.get(range(list.len(), start, end)).unwrap_or_default().to_vec();
        }
        if let Some((skip, take)) = limit {
            let take = usize::try_from(take).unwrap_or(usize::MAX);
            list =
                if skip < 0 { Vec::new() } else { list.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(take).collect() };
        }
        self.send_scored(&list, scores);
        Ok(())
    }
}

fn sorted(scores: &Scores) -> Vec<(Bytes, f64)> {
    let mut list: Vec<(Bytes, f64)> = scores.iter().map(|(m, s)| (m.clone(), *s)).collect();
    list.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    list
}

/// An end of a score range.
#[derive(Clone, Copy)]
struct Bound {
    at: f64,
    open: bool,
}

impl Bound {
    fn score(text: &[u8]) -> Result<Self, Fail> {
        let (open, rest) = text.strip_prefix(b"(").map_or((false, text), |r| (true, r));
        double(rest).map(|at| Self { at, open }).ok_or_else(|| "ERR min or max is not a float".into())
    }
}

fn within(score: f64, (low, high): (Bound, Bound)) -> bool {
    (if low.open { score > low.at } else { score >= low.at }) && (if high.open { score < high.at } else { score <= high.at })
}

fn lex(list: &[(Bytes, f64)], low: &[u8], high: &[u8]) -> Result<Vec<(Bytes, f64)>, Fail> {
    let wrong = || Fail::from("ERR min or max not valid string range item");
    for end in [low, high] {
        if !matches!(end, b"-" | b"+" | [b'(' | b'[', ..]) {
            return Err(wrong());
        }
    }
    let above = |m: &[u8]| match low {
        b"-" => true,
        [b'(', rest @ ..] => m > rest,
        [b'[', rest @ ..] => m >= rest,
        _ => false,
    };
    let below = |m: &[u8]| match high {
        b"+" => true,
        [b'(', rest @ ..] => m < rest,
        [b'[', rest @ ..] => m <= rest,
        _ => false,
    };
    Ok(list.iter().filter(|(m, _)| above(m) && below(m)).cloned().collect())
}
