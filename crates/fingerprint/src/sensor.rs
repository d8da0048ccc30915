//! From captured packets to sightings. Everything is bounded: sources, connections, their contents, what is told.
//!
//! One sighting per source and transition: the same thing is told again after [`WINDOW`] at the earliest. A source that
//! only ever sent one SYN may be made up; of those a limited number is told one by one, the rest as one `Flood`.

mod source;

use crate::{
    flows::{Ends, Flows, Seen, Wanted},
    lru::Lru,
    passive::{quic::Assembly, scan::Scan, syn},
};
use model::{Captured, Micros, Passive, Saw, ScanKind};
use source::Source;
use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
};
use wire::packet::{Icmp, Packet, Tcp, Transport, Udp, flags};

/// How long the same thing is not told again, microseconds.
pub const WINDOW: i64 = 300_000_000;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub sources: usize,
    pub flows: usize,
    /// Bytes of contents of all flows.
    pub contents: usize,
    /// QUIC hellos being put together.
    pub quic: usize,
    /// Sources of a single SYN that are told: at once, and then each second.
    pub unproven_burst: u32,
    pub unproven_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sources: 32_768, flows: 16_384, contents: 16 << 20, quic: 256, unproven_burst: 1_000, unproven_per_second: 20 }
    }
}

/// A decky to watch over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Number of the decky, chosen by the caller.
    pub decky: u32,
    /// TCP ports behind which a decoy of ours tells SSH clients itself.
    pub told_ssh: Vec<u16>,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    pub at: Micros,
    pub decky: u32,
    /// `None` for a flood: its sources are made up.
    pub source: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
    pub saw: Saw,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub packets: u64,
    /// Not IP, or broken.
    pub unread: u64,
    /// Neither from nor to a decky.
    pub foreign: u64,
    /// From addresses that are never attackers.
    pub ours: u64,
    pub syns: u64,
    pub told: u64,
    /// Sources of a flood that were not told one by one.
    pub untold: u64,
    /// Connections forgotten before they ended.
    pub pushed_out: u64,
}

/// Absorbs packets, gives sightings.
#[derive(Debug)]
pub struct Sensor {
    targets: HashMap<IpAddr, Target>,
    ours: HashSet<IpAddr>,
    sources: Lru<IpAddr, Source>,
    flows: Flows,
    quic: Lru<Ends, Assembly>,
    /// Shapes of SYNs and the hash of what they look like.
    shapes: Lru<syn::Shape, u64>,
    nobody: Source,
    /// Sources with a scan that is not over.
    scanning: HashSet<IpAddr>,
    budget: Budget,
    floods: HashMap<u32, Flood>,
    limits: Limits,
    out: Vec<Sighting>,
    scratch: Vec<Seen>,
    counts: Counts,
    swept: Micros,
}

/// SYNs of sources that were not told, by decky.
#[derive(Clone, Copy, Debug)]
struct Flood {
    since: Micros,
    packets: u64,
    untold: u64,
}

/// How often floods, idle connections and ended scans are looked at, microseconds.
const SWEEP: i64 = 1_000_000;
/// How often a flood is told, microseconds.
const FLOOD_EVERY: i64 = 60_000_000;
/// Shapes of SYNs that are remembered with what they mean.
const SHAPES: usize = 4_096;
/// Sources that may be followed scanning at once.
const SCANNERS: usize = 4_096;

impl Sensor {
    /// Watches nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            targets: HashMap::new(),
            ours: HashSet::new(),
            sources: Lru::new(limits.sources),
            flows: Flows::new(limits.flows, limits.contents),
            quic: Lru::new(limits.quic),
            shapes: Lru::new(SHAPES),
            nobody: Source::new(),
            scanning: HashSet::new(),
            budget: Budget { tokens: f64::from(limits.unproven_burst), at: Micros(0) },
            floods: HashMap::new(),
            limits,
            out: Vec::new(),
            scratch: Vec::new(),
            counts: Counts::default(),
            swept: Micros(0),
        }
    }

    /// Which addresses are deckies, and which are never attackers (this host's, on a network shared with others).
    pub fn watch(&mut self, targets: HashMap<IpAddr, Target>, ours: HashSet<IpAddr>) {
        self.targets = targets;
        self.ours = ours;
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        Counts { pushed_out: self.flows.pushed_out, ..self.counts }
    }

    /// How many sources and connections are held, and bytes of their contents.
    pub fn held(&self) -> (usize, usize, usize) {
        (self.sources.len(), self.flows.len(), self.flows.held())
    }

    /// What there is to tell; the list is emptied.
    pub fn take(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.out)
    }

    /// Counts a frame that was no IP packet.
    pub fn unread(&mut self) {
        self.counts.packets += 1;
        self.counts.unread += 1;
    }

    /// Absorbs one packet.
    pub fn absorb(&mut self, at: Micros, packet: &Packet<'_>) {
        self.counts.packets += 1;
        if at.0 - self.swept.0 >= SWEEP {
            self.tick(at);
        }
        let (to, from) = (self.targets.get(&packet.destination), self.targets.get(&packet.source));
        match (to, from) {
            // Between deckies: ours on both ends.
            (Some(_), Some(_)) => self.counts.ours += 1,
            (Some(_), None) if self.ours.contains(&packet.source) => self.counts.ours += 1,
            (Some(target), None) => {
                let (decky, told_ssh) = (target.decky, &target.told_ssh);
                match &packet.transport {
                    Transport::Tcp(tcp) => {
                        let wanted = Wanted { ssh: !told_ssh.contains(&tcp.destination_port) };
                        self.tcp(at, decky, packet, tcp, wanted);
                    }
                    Transport::Udp(udp) => self.udp(at, decky, packet, udp),
                    Transport::Icmp(icmp) => self.icmp(at, decky, packet, icmp),
                    Transport::Other(_) => {}
                }
            }
            (None, Some(target)) => {
                if let Transport::Tcp(tcp) = &packet.transport {
                    let wanted = Wanted { ssh: !target.told_ssh.contains(&tcp.source_port) };
                    self.answer(at, packet, tcp, wanted);
                }
            }
            (None, None) => self.counts.foreign += 1,
        }
    }

    /// Ends what is over by `now`. Called by itself while packets come; call it when none do.
    pub fn tick(&mut self, now: Micros) {
        self.swept = now;
        let mut seen = std::mem::take(&mut self.scratch);
        self.flows.sweep(now, &mut seen);
        self.tell_all(&mut seen);
        self.scratch = seen;
        let scanning: Vec<IpAddr> = self.scanning.iter().copied().collect();
        for ip in scanning {
            self.end_scans(now, ip);
        }
        let due: Vec<u32> = self.floods.iter().filter(|(_, f)| now.0 - f.since.0 >= FLOOD_EVERY).map(|(decky, _)| *decky).collect();
        for decky in due {
            if let Some(flood) = self.floods.remove(&decky) {
                let window_us = u64::try_from(now.0 - flood.since.0).unwrap_or(0);
                let saw = Saw::Passive(Passive::Flood { packets: flood.packets, untold: flood.untold, window_us });
                self.counts.told += 1;
                self.out.push(Sighting { at: now, decky, source: None, local: None, saw });
            }
        }
    }

    /// Ends everything, as at the end of a file.
    pub fn finish(&mut self, now: Micros) {
        self.tick(Micros(now.0.saturating_add(WINDOW)));
    }

    fn tcp(&mut self, at: Micros, decky: u32, packet: &Packet<'_>, tcp: &Tcp<'_>, wanted: Wanted) {
        let ends = Ends {
            visitor: SocketAddr::new(packet.source, tcp.source_port),
            local: SocketAddr::new(packet.destination, tcp.destination_port),
        };
        if tcp.is_syn() {
            return self.syn(at, decky, packet, tcp, ends);
        }
        if let Some(kind) = Scan::kind_of(tcp.flags) {
            self.source(packet.source).proven = true;
            return self.scanned(at, decky, ends, kind);
        }
        if tcp.flags & (flags::ACK | flags::RST) != 0
            && let Some(source) = self.sources.touch(&packet.source)
            && !source.proven
        {
            // It got our answer: nobody made the address up.
            source.proven = true;
            if let Some(kept) = source.untold.take() {
                self.tell_syn(at, decky, ends, &kept);
            }
        }
        let mut seen = std::mem::take(&mut self.scratch);
        self.flows.inward(at, decky, ends, tcp, wanted, &mut seen);
        self.tell_all(&mut seen);
        self.scratch = seen;
    }

    fn answer(&mut self, at: Micros, packet: &Packet<'_>, tcp: &Tcp<'_>, wanted: Wanted) {
        let ends = Ends {
            visitor: SocketAddr::new(packet.destination, tcp.destination_port),
            local: SocketAddr::new(packet.source, tcp.source_port),
        };
        let decky = self.targets.get(&packet.source).map(|t| t.decky).unwrap_or_default();
        let mut seen = std::mem::take(&mut self.scratch);
        let refused = self.flows.outward(at, ends, tcp, wanted, &mut seen);
        self.tell_all(&mut seen);
        self.scratch = seen;
        if refused {
            self.scanned(at, decky, ends, ScanKind::Ack);
        }
    }

    fn syn(&mut self, at: Micros, decky: u32, packet: &Packet<'_>, tcp: &Tcp<'_>, ends: Ends) {
        self.counts.syns += 1;
        let source = self.source(packet.source);
        let again = source.sample(packet, tcp);
        if let Some((value, _)) = tcp.timestamp() {
            source.clock.absorb(decky, at, value);
        }
        let first = source.syns == 1;
        if !first && !again && source.last_door != (packet.destination, tcp.destination_port) {
            source.proven = true;
        }
        let moved_on = source.last_door != (packet.destination, tcp.destination_port);
        source.last_door = (packet.destination, tcp.destination_port);
        if !first && (moved_on || source.is_scanning()) {
            if let Some((door, then)) = source.first_door.take() {
                // The door before this one belongs to the scan that may be beginning.
                self.scan_step(then, decky, SocketAddr::new(door.0, door.1), ends.visitor, ScanKind::Syn);
            }
            self.scanned(at, decky, ends, ScanKind::Syn);
        } else if first {
            source.first_door = Some(((packet.destination, tcp.destination_port), at));
        }
        self.tell_syn(at, decky, ends, tcp.headers);
    }

    /// Tells what stack is behind a source, if that is new.
    fn tell_syn(&mut self, at: Micros, decky: u32, ends: Ends, headers: &[u8]) {
        let Ok(packet) = Packet::of_ip(headers) else { return };
        let Transport::Tcp(tcp) = &packet.transport else { return };
        let shape = syn::Shape::of(&packet, tcp);
        let looks = match self.shapes.touch(&shape) {
            Some(looks) => *looks,
            None => {
                let Some(reading) = syn::read_shape(headers) else { return };
                let looks = hash(&(reading.looks_like, &reading.option_order));
                self.shapes.insert(shape, looks);
                looks
            }
        };
        let mark = syn::mark(&packet, tcp);
        let Some(source) = self.sources.touch(&packet.source) else { return };
        let (ip_id, isn) = source.classes();
        let key = hash(&("syn", looks, mark, ip_id.map(|v| v.class), isn.class));
        if !source.is_news(key, at) {
            return;
        }
        if !source.proven && !self.budget.spend(at, &self.limits) {
            source.forget(key);
            if source.untold.is_none() {
                source.untold = Some(headers.into());
                self.counts.untold += 1;
            }
            let flood = self.floods.entry(decky).or_insert(Flood { since: at, packets: 0, untold: 0 });
            flood.packets += 1;
            flood.untold += u64::from(source.syns == 1);
            return;
        }
        let clock = source.clock.reading();
        let saw = Saw::Passive(Passive::Syn {
            syn: Captured::copy(headers),
            ip_id: ip_id.map(source::sequence),
            isn: source::sequence(isn),
            clock_hz: clock.map(|c| c.hz),
            clock_skew_ppm: clock.map(|c| c.skew_ppm),
            clock_since_zero_s: clock.map(|c| c.since_zero_s),
        });
        self.tell(at, decky, ends, saw);
    }

    fn udp(&mut self, at: Micros, decky: u32, packet: &Packet<'_>, udp: &Udp<'_>) {
        let ends = Ends {
            visitor: SocketAddr::new(packet.source, udp.source_port),
            local: SocketAddr::new(packet.destination, udp.destination_port),
        };
        self.scanned(at, decky, ends, ScanKind::Udp);
        match udp.destination_port {
            53 | 137 | 5353 | 5355 => {
                for question in wire::dns::questions(udp.payload).unwrap_or_default() {
                    let key = hash(&("dns", &question.name, question.kind));
                    if self.source(packet.source).is_news(key, at) {
                        let name = Captured(question.name.into());
                        let saw = Saw::Passive(Passive::DnsQuery { name, qtype: wire::dns::kind_name(question.kind) });
                        self.tell(at, decky, ends, saw);
                    }
                }
            }
            _ => self.quic(at, decky, ends, udp.payload),
        }
    }

    fn quic(&mut self, at: Micros, decky: u32, ends: Ends, datagram: &[u8]) {
        if datagram.first().is_none_or(|first| first & 0xc0 != 0xc0) {
            return;
        }
        if self.quic.touch(&ends).is_none_or(|assembly| assembly.is_done()) {
            let Ok(initial) = wire::quic::Initial::parse(datagram) else { return };
            let Some(assembly) = Assembly::new(&initial) else { return };
            self.quic.insert(ends, assembly);
        }
        let Some(assembly) = self.quic.touch(&ends) else { return };
        let version = assembly.version.number();
        if let Some(hello) = assembly.absorb(datagram) {
            self.quic.remove(&ends);
            let ja4 = wire::tls::ClientHello::from_handshake(&hello).map(|h| crate::passive::tls::ja4(&h, 'q')).unwrap_or_default();
            let key = hash(&("quic", version, ja4));
            if self.source(ends.visitor.ip()).is_news(key, at) {
                self.tell(at, decky, ends, Saw::Passive(Passive::QuicHello { version, hello: Captured(hello.into()) }));
            }
        }
    }

    fn icmp(&mut self, at: Micros, decky: u32, packet: &Packet<'_>, icmp: &Icmp<'_>) {
        let v6 = packet.source.is_ipv6();
        let what = match (v6, icmp.kind) {
            (false, 8) | (true, 128) => "echo",
            (false, 13) => "timestamp",
            (false, 17) => "address_mask",
            _ => return,
        };
        let ends = Ends { visitor: SocketAddr::new(packet.source, 0), local: SocketAddr::new(packet.destination, 0) };
        self.scan_step(at, decky, ends.local, ends.visitor, ScanKind::Ping);
        if self.source(packet.source).is_news(hash(&("icmp", what)), at) {
            let payload = Captured::copy(icmp.payload.get(..icmp.payload.len().min(64)).unwrap_or_default());
            let saw = Passive::Icmp { what: what.into(), ttl: packet.ttl, ident: icmp.ident, sequence: icmp.sequence, payload };
            self.tell(at, decky, ends, Saw::Passive(saw));
        }
    }

    fn scanned(&mut self, at: Micros, decky: u32, ends: Ends, kind: ScanKind) {
        self.scan_step(at, decky, ends.local, ends.visitor, kind);
    }

    fn scan_step(&mut self, at: Micros, decky: u32, local: SocketAddr, visitor: SocketAddr, kind: ScanKind) {
        // Two addresses of one decky are one decky; a sweep over deckies is told apart by their numbers.
        let source = self.source(visitor.ip());
        let over = source.scan(kind, at).is_over(at);
        let ended = if over { source.end_scan(kind) } else { None };
        let scan = source.scan(kind, at);
        scan.absorb(at, decky, local.port());
        let begun = (scan.is_one() && !scan.told).then(|| {
            scan.told = true;
            scan.reading()
        });
        let news = begun.is_some() && source.is_news(hash(&("scan", kind)), at);
        if let Some(reading) = ended.filter(|s| s.told).map(|s| s.reading()) {
            self.tell_scan(decky, local, visitor, reading, true);
        }
        if let Some(reading) = begun {
            if self.scanning.len() < SCANNERS {
                self.scanning.insert(visitor.ip());
            }
            if news {
                self.tell_scan(decky, local, visitor, reading, false);
            }
        }
    }

    fn end_scans(&mut self, now: Micros, ip: IpAddr) {
        let mut ended = Vec::new();
        let mut more = false;
        if let Some(source) = self.sources.peek(&ip) {
            for kind in ScanKind::ALL {
                match source.has_scan(kind) {
                    Some(scan) if scan.is_over(now) => ended.extend(source.end_scan(kind).filter(|s| s.told)),
                    Some(_) => more = true,
                    None => {}
                }
            }
        }
        if !more {
            self.scanning.remove(&ip);
        }
        for scan in ended {
            let reading = scan.reading();
            let Some(port) = reading.ports.first().copied() else { continue };
            let decky = self.sources.peek(&ip).map(|s| s.decky).unwrap_or_default();
            let local = self.sources.peek(&ip).map_or(ip, |s| s.last_door.0);
            self.tell_scan(decky, SocketAddr::new(local, port), SocketAddr::new(ip, 0), reading, true);
        }
    }

    fn tell_scan(&mut self, decky: u32, local: SocketAddr, visitor: SocketAddr, reading: crate::passive::scan::ScanReading, over: bool) {
        if let Some(source) = self.sources.peek(&visitor.ip()) {
            source.decky = decky;
            source.last_door.0 = local.ip();
        }
        let saw = Saw::Passive(Passive::Scan {
            scan: reading.kind,
            over,
            targets: reading.targets,
            deckies: reading.deckies,
            packets: reading.packets,
            ports: reading.ports,
            in_order: reading.in_order,
            duration_us: u64::try_from(reading.last.0 - reading.first.0).unwrap_or(0),
        });
        self.tell(reading.last, decky, Ends { visitor, local }, saw);
    }

    /// Tells what connections showed, each thing once in a window.
    fn tell_all(&mut self, seen: &mut Vec<Seen>) {
        for Seen { at, ends, decky, saw } in seen.drain(..) {
            let key = match &saw {
                Saw::Passive(Passive::FlowTiming { .. }) => hash(&("timing", ends.local)),
                Saw::Passive(Passive::TlsSession { client, server }) => hash(&("tls", tls_key(client, server))),
                Saw::TlsClientHello { hello } => {
                    let read = wire::tls::ClientHello::from_records(hello.as_bytes());
                    hash(&("hello", read.map(|h| crate::passive::tls::ja4(&h, 't')).unwrap_or_default()))
                }
                Saw::SshClient { banner, kexinit } => {
                    let offer = wire::ssh::KexInit::parse(kexinit.as_bytes()).unwrap_or_default();
                    hash(&("ssh", banner, crate::passive::ssh::read(&offer).hassh))
                }
                _ => hash(&(saw.event_type(), ends.local)),
            };
            if self.source(ends.visitor.ip()).is_news(key, at) {
                self.tell(at, decky, ends, saw);
            }
        }
    }

    fn tell(&mut self, at: Micros, decky: u32, ends: Ends, saw: Saw) {
        self.counts.told += 1;
        self.out.push(Sighting { at, decky, source: Some(ends.visitor), local: Some(ends.local), saw });
    }

    fn source(&mut self, ip: IpAddr) -> &mut Source {
        if self.sources.peek(&ip).is_none() {
            self.sources.insert(ip, Source::new());
        }
        match self.sources.touch(&ip) {
            Some(source) => source,
            // Cannot be: it was just put in. What is written here is lost.
            None => &mut self.nobody,
        }
    }
}

fn tls_key(client: &Captured, server: &Captured) -> (String, String) {
    let ja4 = wire::tls::ClientHello::from_handshake(client.as_bytes()).map(|h| crate::passive::tls::ja4(&h, 't')).unwrap_or_default();
    let ja3s = wire::tls::ServerHello::from_handshake(server.as_bytes()).map(|h| crate::passive::tls::ja3s(&h)).unwrap_or_default();
    (ja4, ja3s)
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Sources that may be made up and are told all the same.
#[derive(Clone, Copy, Debug)]
struct Budget {
    tokens: f64,
    at: Micros,
}

impl Budget {
    fn spend(&mut self, at: Micros, limits: &Limits) -> bool {
        let passed = (at.0 - self.at.0).clamp(0, 3_600_000_000) as f64 / 1e6;
        if self.at.0 != 0 {
            self.tokens = (self.tokens + passed * f64::from(limits.unproven_per_second)).min(f64::from(limits.unproven_burst));
        }
        self.at = Micros(self.at.0.max(at.0));
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests;
