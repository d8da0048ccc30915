//! Who may have how many connections at a time.

use model::DeckyId;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

/// Limits of one `decoy` process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time of one source (an IPv4 address or an IPv6 /64).
    pub per_source: u32,
    /// Connections at a time of one decky.
    pub per_decky: u32,
    /// Connections at a time of the process.
    pub total: u32,
    /// Longest conversation.
    pub longest: Duration,
    /// Most bytes a dialogue may queue in one turn.
    pub queued: usize,
    /// Most bytes of events that wait in memory while the spool cannot be written.
    pub backlog: usize,
    /// Resident bytes of the process past which conversations that brought more than [`BULKY`] are ended.
    pub memory: u64,
}

/// Bytes from a visitor that no conversation needs that is not about to leave something large.
pub const BULKY: u64 = 64 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_source: 6_000,
            per_decky: 16_000,
            total: 48_000,
            longest: Duration::from_secs(2 * 3600),
            queued: 64 * 1024 * 1024,
            backlog: 64 * 1024 * 1024,
            memory: 512 * 1024 * 1024,
        }
    }
}

/// Counts connections.
#[derive(Debug)]
pub struct Gate(Mutex<Counts>, Limits);

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    sources: HashMap<IpAddr, Source>,
    deckies: HashMap<DeckyId, u32>,
    /// All sources that are refused without having a connection; nothing is kept of each.
    strangers: Source,
    connections: u64,
    refused: u64,
}

#[derive(Debug, Default)]
struct Source {
    open: u32,
    refused: u64,
    told: Option<Instant>,
}

/// One admitted connection; leaves when dropped.
#[derive(Debug)]
pub struct Ticket {
    gate: Arc<Gate>,
    source: IpAddr,
    decky: DeckyId,
}

/// What to do with a connection.
#[derive(Debug)]
pub enum Admission {
    Admitted(Ticket),
    /// Close it. The number of refusals of this source to note now: 0 if that was done a moment ago.
    Refused(u64),
}

impl Gate {
    /// Counts against `limits`.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self(Mutex::default(), limits))
    }

    /// Asks for a connection of `peer` to `decky`.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, decky: &DeckyId, now: Instant) -> Admission {
        let source = network(peer);
        let mut counts = self.0.lock();
        let full = counts.total >= self.1.total || counts.deckies.get(decky).is_some_and(|&n| n >= self.1.per_decky);
        let Counts { sources, strangers, .. } = &mut *counts;
        let open = sources.get(&source).map_or(0, |s| s.open);
        if full || open >= self.1.per_source {
            let refused = sources.get_mut(&source).unwrap_or(strangers);
            refused.refused += 1;
            let mut tell = 0;
            if refused.told.is_none_or(|t| now.duration_since(t) >= Duration::from_secs(10)) {
                refused.told = Some(now);
                tell = std::mem::take(&mut refused.refused);
            }
            counts.refused += 1;
            return Admission::Refused(tell);
        }
        sources.entry(source).or_default().open += 1;
        counts.total += 1;
        counts.connections += 1;
        *counts.deckies.entry(decky.clone()).or_default() += 1;
        Admission::Admitted(Ticket { gate: Arc::clone(self), source, decky: decky.clone() })
    }

    /// Open now, accepted and refused since the start.
    pub fn counts(&self) -> (u64, u64, u64) {
        let counts = self.0.lock();
        (counts.total.into(), counts.connections, counts.refused)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.gate.0.lock();
        counts.total -= 1;
        if let Some(source) = counts.sources.get_mut(&self.source) {
            source.open -= 1;
            if source.open == 0 {
                counts.sources.remove(&self.source);
            }
        }
        if let Some(open) = counts.deckies.get_mut(&self.decky) {
            *open -= 1;
            if *open == 0 {
                counts.deckies.remove(&self.decky);
            }
        }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_those_who_are_refused() {
        let gate = Gate::new(Limits { per_source: 10, per_decky: 11, ..Limits::default() });
        let (decky, now) = (DeckyId::local("a"), Instant::now());
        let mut inside = Vec::new();
        let mut told = 0;
        for n in 0..100_000_u32 {
            // One source in a hurry, and among its connections some of ever new networks.
            let ip = if n.is_multiple_of(2) { [192, 0, 2, 1].into() } else { Ipv6Addr::from_bits(u128::from(n) << 64).into() };
            match gate.admit(ip, &decky, now) {
                Admission::Admitted(ticket) => inside.push(ticket),
                Admission::Refused(count) => told += count,
            }
        }
        assert_eq!((inside.len(), told), (11, 2));
        assert!(gate.0.lock().sources.len() <= 11);
        assert_eq!(gate.counts(), (11, 11, 99_989));
        let other = DeckyId::local("b");
        assert!(matches!(gate.admit([192, 0, 2, 2].into(), &other, now), Admission::Admitted(_)), "another is served");
        drop(inside);
        assert!(gate.0.lock().sources.is_empty());
    }

    #[test]
    fn one_source_does_not_take_the_place_of_others() {
        let gate = Gate::new(Limits { per_source: 2, ..Limits::default() });
        let decky = DeckyId::local("a");
        let admit = |ip: &str| gate.admit(ip.parse().unwrap(), &decky, Instant::now());
        let first = admit("192.0.2.1");
        let _second = admit("::ffff:192.0.2.1");
        assert!(matches!(admit("192.0.2.1"), Admission::Refused(1)));
        assert!(matches!(admit("192.0.2.1"), Admission::Refused(0)));
        assert!(matches!(admit("192.0.2.2"), Admission::Admitted(_)));
        drop(first);
        assert!(matches!(admit("192.0.2.1"), Admission::Admitted(_)));
        assert_eq!(gate.counts(), (1, 4, 2));
        let _v6 = (admit("2001:db8::1"), admit("2001:db8::2"));
        assert!(matches!(admit("2001:db8::3"), Admission::Refused(1)));
    }
}
