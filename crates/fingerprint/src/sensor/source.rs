//! What is remembered of one source address.

use crate::passive::{
    clock::Clock,
    scan::Scan,
    sequence::{Last8, Verdict, of_ip_ids, of_isns},
};
use model::{Micros, ScanKind, Sequence};
use std::net::IpAddr;
use wire::packet::{Packet, Tcp};

/// Things that were told of one source and are not told again yet.
const TOLD: usize = 48;

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    ip_ids: Last8<u16>,
    isns: Last8<u32>,
    v4: bool,
    pub(super) clock: Clock,
    /// SYNs, repetitions left away.
    pub(super) syns: u64,
    last_syn: (u16, u16, u32),
    /// Address and port of the newest SYN.
    pub(super) last_door: (IpAddr, u16),
    pub(super) first_door: Option<((IpAddr, u16), Micros)>,
    /// Decky of the newest scan.
    pub(super) decky: u32,
    /// Whether it was seen doing more than sending one SYN.
    pub(super) proven: bool,
    /// Headers of a SYN that was not told because it may be made up.
    pub(super) untold: Option<Box<[u8]>>,
    scans: [Option<Box<Scan>>; 7],
    told: Vec<(u64, Micros)>,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            ip_ids: Last8::default(),
            isns: Last8::default(),
            v4: false,
            clock: Clock::default(),
            syns: 0,
            last_syn: (0, 0, 0),
            last_door: (IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
            first_door: None,
            decky: 0,
            proven: false,
            untold: None,
            scans: Default::default(),
            told: Vec::new(),
        }
    }

    /// Takes the numbers of a SYN; whether it is a repetition of the one before.
    pub(super) fn sample(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>) -> bool {
        let this = (tcp.source_port, tcp.destination_port, tcp.sequence);
        if self.syns > 0 && this == self.last_syn && self.last_door == (packet.destination, tcp.destination_port) {
            return true;
        }
        self.syns += 1;
        self.last_syn = this;
        self.isns.push(tcp.sequence);
        if packet.source.is_ipv4() {
            self.v4 = true;
            self.ip_ids.push(packet.ip_id);
        }
        false
    }

    /// The classes of its identifications (IPv4) and sequence numbers.
    pub(super) fn classes(&self) -> (Option<Verdict>, Verdict) {
        (self.v4.then(|| of_ip_ids(self.ip_ids.values())), of_isns(self.isns.values()))
    }

    /// Whether something was not told within the window; it is now taken as told.
    pub(super) fn is_news(&mut self, key: u64, at: Micros) -> bool {
        self.told.retain(|(_, then)| at.0 - then.0 < super::WINDOW);
        if self.told.iter().any(|(told, _)| *told == key) {
            return false;
        }
        if self.told.len() >= TOLD {
            // A source that shows something new all the time is told at the pace its list empties.
            return false;
        }
        self.told.push((key, at));
        true
    }

    /// Takes something back that was not told after all.
    pub(super) fn forget(&mut self, key: u64) {
        self.told.retain(|(told, _)| *told != key);
    }

    pub(super) fn is_scanning(&self) -> bool {
        self.scans.iter().any(Option::is_some)
    }

    /// The scan of a kind, begun now if there is none.
    pub(super) fn scan(&mut self, kind: ScanKind, at: Micros) -> &mut Scan {
        self.slot(kind).get_or_insert_with(|| Box::new(Scan::new(kind, at)))
    }

    pub(super) fn has_scan(&mut self, kind: ScanKind) -> Option<&Scan> {
        self.slot(kind).as_deref()
    }

    pub(super) fn end_scan(&mut self, kind: ScanKind) -> Option<Scan> {
        self.slot(kind).take().map(|scan| *scan)
    }

    fn slot(&mut self, kind: ScanKind) -> &mut Option<Box<Scan>> {
        let [syn, null, fin, xmas, ack, udp, ping] = &mut self.scans;
        match kind {
            ScanKind::Syn => syn,
            ScanKind::Null => null,
            ScanKind::Fin => fin,
            ScanKind::Xmas => xmas,
            ScanKind::Ack => ack,
            ScanKind::Udp => udp,
            ScanKind::Ping => ping,
        }
    }
}

/// A verdict as events carry it.
pub(super) fn sequence(verdict: Verdict) -> Sequence {
    Sequence { class: verdict.class.as_str().to_owned(), manner: verdict.manner.map(|m| m.as_str().to_owned()), samples: verdict.samples }
}
