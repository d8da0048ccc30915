//! Recognising that a source tries many doors: how many, how fast, in which order, with which kind of packet. Counts
//! stay small whatever is thrown at them.

use model::{Micros, ScanKind};

/// Ports named in a report, in the order they were first tried.
pub const PORTS_NAMED: usize = 64;
/// A pause longer than this ends a scan, microseconds.
pub const PAUSE: i64 = 30_000_000;
/// Distinct targets for a report when the packets could be somebody's honest mistake.
const MANY: u32 = 8;
/// Distinct targets for a report when nothing honest sends such packets.
const FEW: u32 = 3;
/// Bits of the sketch of targets.
const BITS: usize = 2_048;

/// One scan of one kind by one source.
#[derive(Clone, Debug)]
pub struct Scan {
    kind: ScanKind,
    first: Micros,
    last: Micros,
    packets: u64,
    /// Exactly counted as long as the sketch is sparse, estimated beyond.
    seen: [u64; BITS / 64],
    set: u32,
    ports: Vec<u16>,
    /// Which of the first 64 deckies.
    deckies: u64,
    upwards: u32,
    moves: u32,
    last_port: u16,
    /// Whether its beginning was told.
    pub told: bool,
}

/// What is to be told of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanReading {
    pub kind: ScanKind,
    /// Distinct pairs of decky and port; an estimate past some hundreds.
    pub targets: u32,
    pub deckies: u32,
    pub packets: u64,
    pub ports: Vec<u16>,
    pub first: Micros,
    pub last: Micros,
    /// Whether ports came mostly one after the other.
    pub in_order: bool,
}

impl Scan {
    /// The kind that a segment belongs to, if it can be one of a scan: SYN, or flags that no stack sends.
    pub fn kind_of(flags: u8) -> Option<ScanKind> {
        match flags & 0x3f {
            0x02 => Some(ScanKind::Syn),
            0x00 => Some(ScanKind::Null),
            0x01 => Some(ScanKind::Fin),
            0x29 => Some(ScanKind::Xmas),
            _ => None,
        }
    }

    /// Begins with nothing seen.
    pub fn new(kind: ScanKind, at: Micros) -> Self {
        Self {
            kind,
            first: at,
            last: at,
            packets: 0,
            seen: [0; BITS / 64],
            set: 0,
            ports: Vec::new(),
            deckies: 0,
            upwards: 0,
            moves: 0,
            last_port: 0,
            told: false,
        }
    }

    /// Takes in one packet to a port of the decky with the number `decky`.
    pub fn absorb(&mut self, at: Micros, decky: u32, port: u16) {
        self.packets += 1;
        self.last = self.last.max(at);
        self.deckies |= 1 << (decky % 64);
        // Mixed well, but not secretly: an attacker can only make a scan of its own look smaller.
        let mut mixed = (u64::from(decky) << 16 | u64::from(port)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let place = usize::try_from(mixed >> 40).unwrap_or(0) % BITS;
        let bit = 1_u64 << (place % 64);
        if let Some(word) = self.seen.get_mut(place / 64)
            && *word & bit == 0
        {
            *word |= bit;
            self.set += 1;
            if self.packets > 1 {
                self.moves += 1;
                self.upwards += u32::from(port == self.last_port.wrapping_add(1));
            }
            self.last_port = port;
            if self.ports.len() < PORTS_NAMED && !self.ports.contains(&port) {
                self.ports.push(port);
            }
        }
    }

    /// Whether this is a scan by now.
    pub fn is_one(&self) -> bool {
        let least = match self.kind {
            ScanKind::Syn | ScanKind::Udp | ScanKind::Ack => MANY,
            ScanKind::Null | ScanKind::Fin | ScanKind::Xmas | ScanKind::Ping => FEW,
        };
        self.set >= least
    }

    /// Whether it has paused for long enough to be over.
    pub fn is_over(&self, now: Micros) -> bool {
        now.0 - self.last.0 > PAUSE
    }

    /// What is to be told.
    pub fn reading(&self) -> ScanReading {
        // Linear counting: how many drops make so many of the buckets wet.
        let (bits, dry) = (BITS as f64, (BITS as f64 - f64::from(self.set)).max(0.5));
        let estimate = (bits * (bits / dry).ln()).round();
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and some 17,000")]
        let targets = if self.set < 40 { self.set } else { estimate as u32 };
        ScanReading {
            kind: self.kind,
            targets,
            deckies: self.deckies.count_ones(),
            packets: self.packets,
            ports: self.ports.clone(),
            first: self.first,
            last: self.last,
            in_order: self.moves > 3 && self.upwards * 10 >= self.moves * 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_counted_and_ordered() {
        let mut scan = Scan::new(ScanKind::Syn, Micros(0));
        for port in 1..=1_000_u16 {
            scan.absorb(Micros(i64::from(port)), 0, port);
            scan.absorb(Micros(i64::from(port)), 0, port);
            assert_eq!(scan.is_one(), scan.set >= MANY);
        }
        let reading = scan.reading();
        assert!((900..1_100).contains(&reading.targets), "{}", reading.targets);
        assert_eq!((reading.packets, reading.deckies, reading.ports.len(), reading.in_order), (2_000, 1, PORTS_NAMED, true));
        assert!(!scan.is_over(Micros(PAUSE)) && scan.is_over(Micros(PAUSE + 1_001)));
    }

    #[test]
    fn knocking_at_one_door_is_no_scan() {
        let mut scan = Scan::new(ScanKind::Syn, Micros(0));
        for n in 0..10_000 {
            scan.absorb(Micros(n), 3, 22);
        }
        assert!(!scan.is_one());
        assert_eq!(scan.reading().targets, 1);
        assert_eq!(Scan::kind_of(0x29), Some(ScanKind::Xmas));
        assert_eq!([0x10, 0x12, 0x18, 0x11, 0x04].map(Scan::kind_of), [None; 5]);
    }
}
