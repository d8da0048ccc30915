//! Guessing gets slower. The source pays, not the account: nobody can lock somebody else out.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use model::Micros;
use parking_lot::Mutex;

/// Failures a source has free.
const FREE: u32 = 5;
/// Longest wait of a source.
const LONGEST: Duration = Duration::from_secs(300);
/// A source that was quiet this long starts anew.
const FORGIVEN_US: i64 = 15 * 60 * 1_000_000;
/// Sources remembered.
const MOST_SOURCES: usize = 16_384;
/// Attempts of one source that may be under way at once.
const AT_ONCE: u32 = 4;
/// Failures on one name, from anywhere, before each further attempt on it is answered later.
const NAME_FREE: u32 = 20;
/// Longest delay of an answer because of its name.
const NAME_LONGEST: Duration = Duration::from_secs(2);

#[derive(Debug, Default, Clone, Copy)]
struct Score {
    failures: u32,
    under_way: u32,
    last: Micros,
}

/// Remembers failures.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    sources: Mutex<HashMap<IpAddr, Score>>,
    names: Mutex<HashMap<String, Score>>,
}

/// An attempt under way; dropped without a verdict it counts neither way.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    source: IpAddr,
    name: String,
    /// How long to wait before the answer.
    pub delay: Duration,
}

/// One customer's IPv6 network counts as one source.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

impl Throttle {
    /// Begins an attempt, or says how many seconds to wait.
    pub(crate) fn attempt(&self, ip: IpAddr, name: &str, now: Micros) -> Result<Attempt<'_>, u64> {
        let source = source_of(ip);
        let mut sources = self.sources.lock();
        if sources.len() >= MOST_SOURCES {
            sources.retain(|_, s| s.under_way > 0 || now.0 - s.last.0 < FORGIVEN_US);
            if sources.len() >= MOST_SOURCES {
                // Still full: those with the fewest failures go.
                sources.retain(|_, s| s.under_way > 0 || s.failures > FREE);
            }
        }
        let score = sources.entry(source).or_default();
        if now.0 - score.last.0 >= FORGIVEN_US {
            score.failures = 0;
        }
        let wait = score.last.plus(penalty(score.failures)).since(now);
        if !wait.is_zero() {
            return Err(wait.as_secs() + 1);
        }
        if score.under_way >= AT_ONCE {
            return Err(1);
        }
        score.under_way += 1;
        drop(sources);
        let name = name.to_lowercase();
        let failures = self.names.lock().get(&name).filter(|s| now.0 - s.last.0 < FORGIVEN_US).map_or(0, |s| s.failures);
        let delay = Duration::from_millis(50).saturating_mul(failures.saturating_sub(NAME_FREE)).min(NAME_LONGEST);
        Ok(Attempt { throttle: self, source, name, delay })
    }
}

fn penalty(failures: u32) -> Duration {
    if failures < FREE {
        return Duration::ZERO;
    }
    Duration::from_secs(1 << (failures - FREE).min(16)).min(LONGEST)
}

impl Attempt<'_> {
    /// The guess was wrong.
    pub(crate) fn failed(self, now: Micros) {
        if let Some(score) = self.throttle.sources.lock().get_mut(&self.source) {
            score.failures = score.failures.saturating_add(1);
            score.last = now;
        }
        let mut names = self.throttle.names.lock();
        if names.len() >= MOST_SOURCES {
            names.retain(|_, s| now.0 - s.last.0 < FORGIVEN_US && s.failures > 1);
            if names.len() >= MOST_SOURCES {
                names.clear();
            }
        }
        let score = names.entry(self.name.clone()).or_default();
        if now.0 - score.last.0 >= FORGIVEN_US {
            score.failures = 0;
        }
        score.failures = score.failures.saturating_add(1);
        score.last = now;
    }

    /// It was right: the source starts anew. The name's score stays, others may still be guessing it.
    pub(crate) fn succeeded(self) {
        if let Some(score) = self.throttle.sources.lock().get_mut(&self.source) {
            score.failures = 0;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut sources = self.throttle.sources.lock();
        if let Some(score) = sources.get_mut(&self.source) {
            score.under_way = score.under_way.saturating_sub(1);
            if score.under_way == 0 && score.failures == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Micros = Micros(1_795_000_000_000_000);

    fn at(seconds: u64) -> Micros {
        T0.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_source_waits_longer_with_each_failure_and_others_do_not() {
        let throttle = Throttle::default();
        let (bad, good) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..5 {
            throttle.attempt(bad, "admin", T0).unwrap().failed(T0);
        }
        assert!(throttle.attempt(bad, "other", T0).is_err());
        assert!(throttle.attempt(good, "admin", T0).is_ok());
        throttle.attempt(bad, "admin", at(1)).unwrap().failed(at(1));
        assert_eq!(throttle.attempt(bad, "admin", at(1)).unwrap_err(), 3);
        assert!(throttle.attempt(bad, "admin", at(3)).is_ok());
        // Right at last: a clean slate.
        throttle.attempt(bad, "admin", at(4)).unwrap().succeeded();
        throttle.attempt(bad, "admin", at(4)).unwrap().failed(at(4));
        assert!(throttle.attempt(bad, "admin", at(4)).is_ok());
    }

    #[test]
    fn a_name_under_attack_gets_slower_but_never_locked() {
        let throttle = Throttle::default();
        for n in 0..200_u32 {
            let ip = IpAddr::from(n.to_be_bytes());
            throttle.attempt(ip, "admin", T0).unwrap().failed(T0);
        }
        let owner = throttle.attempt("198.51.100.1".parse().unwrap(), "Admin", T0).unwrap();
        assert_eq!(owner.delay, NAME_LONGEST);
        assert_eq!(throttle.attempt("198.51.100.2".parse().unwrap(), "ann", T0).unwrap().delay, Duration::ZERO);
    }

    #[test]
    fn memory_and_attempts_under_way_are_bounded_and_ipv6_counts_by_network() {
        let throttle = Throttle::default();
        for n in 0..40_000_u32 {
            let ip = IpAddr::from(n.to_be_bytes());
            throttle.attempt(ip, &n.to_string(), T0).unwrap().failed(T0);
        }
        assert!(throttle.sources.lock().len() <= MOST_SOURCES);
        assert!(throttle.names.lock().len() <= MOST_SOURCES);
        let held: Vec<_> = (1..=4).map(|n: u16| throttle.attempt(format!("2001:db8::{n}").parse().unwrap(), "a", T0).unwrap()).collect();
        assert!(throttle.attempt("2001:db8::9".parse().unwrap(), "a", T0).is_err());
        drop(held);
        assert!(throttle.attempt("2001:db8::9".parse().unwrap(), "a", T0).is_ok());
    }
}
