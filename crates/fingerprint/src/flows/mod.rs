//! Connections being watched: the beginnings of both directions, and how they go in time. A bounded table.

mod stream;

pub use stream::{KEPT, Stream};

use crate::{lru::Lru, passive::ssh};
use model::{Captured, Micros, Passive, Saw};
use std::net::SocketAddr;
use wire::{
    packet::{Tcp, flags},
    tls::{FirstMessage, first_message},
};

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    pub visitor: SocketAddr,
    pub local: SocketAddr,
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub at: Micros,
    pub ends: Ends,
    pub decky: u32,
    pub saw: Saw,
}

/// All connections.
#[derive(Debug)]
pub struct Flows {
    table: Lru<Ends, Flow>,
    /// Bytes in the streams of all flows.
    held: usize,
    most_held: usize,
    /// Flows forgotten before they ended.
    pub pushed_out: u64,
}

/// Idle for longer than this: over, microseconds.
const IDLE: i64 = 120_000_000;
/// A connection that was shorter than this in every respect says nothing about its timing.
const FEW_PACKETS: u64 = 4;
const SHORT: i64 = 1_000_000;

#[derive(Debug)]
struct Flow {
    decky: u32,
    first: Micros,
    last: Micros,
    packets: u64,
    bytes_in: u64,
    bytes_out: u64,
    min_gap: i64,
    max_gap: i64,
    /// Next sequence number expected of the visitor, and repetitions of earlier ones.
    expected: Option<u32>,
    retransmits: u32,
    visitor: Stream,
    decoy: Stream,
    reading: Reading,
}

/// What the stream turned out to be.
#[derive(Debug)]
enum Reading {
    Unknown,
    /// The client's hello is there, the server's is awaited.
    Tls(Vec<u8>),
    Nothing,
}

/// Which readings are wanted of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The decoy behind this port tells SSH clients itself.
    pub ssh: bool,
}

impl Flows {
    /// At most `flows` connections and `bytes` of their contents.
    pub fn new(flows: usize, bytes: usize) -> Self {
        Self { table: Lru::new(flows), held: 0, most_held: bytes, pushed_out: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes of contents held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether this connection is known.
    pub fn knows(&mut self, ends: &Ends) -> bool {
        self.table.peek(ends).is_some()
    }

    /// A segment from the visitor. A connection begins with the first one that carries an ACK, so a flood of SYNs
    /// makes none.
    pub fn inward(&mut self, at: Micros, decky: u32, ends: Ends, tcp: &Tcp<'_>, wanted: Wanted, out: &mut Vec<Seen>) {
        if tcp.flags & (flags::ACK | flags::SYN) != flags::ACK {
            if tcp.flags & flags::RST != 0 {
                self.end(&ends, out);
            }
            return;
        }
        if self.table.touch(&ends).is_none() {
            if tcp.flags & (flags::RST | flags::FIN) != 0 {
                return;
            }
            if let Some((old, flow)) = self.table.insert(ends, Flow::new(decky, at, tcp)) {
                self.pushed_out += 1;
                self.close(old, flow, out);
            }
        }
        let Some(flow) = self.table.touch(&ends) else { return };
        let before = flow.held();
        flow.tick(at);
        flow.bytes_in += tcp.payload_len as u64;
        if tcp.payload_len > 0 {
            let length = u32::try_from(tcp.payload_len).unwrap_or(0);
            let expected = *flow.expected.get_or_insert(tcp.sequence);
            if tcp.sequence.wrapping_sub(expected) > u32::MAX / 2 {
                flow.retransmits = flow.retransmits.saturating_add(1);
            } else {
                flow.expected = Some(tcp.sequence.wrapping_add(length));
            }
            if flow.visitor.push(tcp.sequence, tcp.payload)
                && let Some(saw) = flow.read(wanted)
            {
                out.push(Seen { at, ends, decky, saw });
            }
        }
        let now = flow.held();
        self.settle(before, now, out);
        if tcp.flags & (flags::FIN | flags::RST) != 0 {
            self.end(&ends, out);
        }
    }

    /// A segment from the decky; whether it refused a connection that the visitor had only begun with this one packet.
    pub fn outward(&mut self, at: Micros, ends: Ends, tcp: &Tcp<'_>, wanted: Wanted, out: &mut Vec<Seen>) -> bool {
        let Some(flow) = self.table.touch(&ends) else { return false };
        let refused = tcp.flags & flags::RST != 0 && flow.packets == 1 && flow.bytes_in == 0;
        let before = flow.held();
        flow.tick(at);
        flow.bytes_out += tcp.payload_len as u64;
        if flow.decoy.push(tcp.sequence, tcp.payload)
            && let Some(saw) = flow.read(wanted)
        {
            let decky = flow.decky;
            out.push(Seen { at, ends, decky, saw });
        }
        let now = flow.held();
        self.settle(before, now, out);
        if tcp.flags & (flags::FIN | flags::RST) != 0 {
            if refused { self.forget(&ends) } else { self.end(&ends, out) }
        }
        refused
    }

    /// Ends what has been idle for too long.
    pub fn sweep(&mut self, now: Micros, out: &mut Vec<Seen>) {
        while self.table.oldest().is_some_and(|(_, flow)| now.0 - flow.last.0 > IDLE) {
            if let Some((ends, flow)) = self.table.pop_oldest() {
                self.close(ends, flow, out);
            }
        }
    }

    fn settle(&mut self, before: usize, now: usize, out: &mut Vec<Seen>) {
        self.held = (self.held + now).saturating_sub(before);
        while self.held > self.most_held
            && let Some((ends, flow)) = self.table.pop_oldest()
        {
            self.pushed_out += 1;
            self.close(ends, flow, out);
        }
    }

    fn forget(&mut self, ends: &Ends) {
        if let Some(flow) = self.table.remove(ends) {
            self.held = self.held.saturating_sub(flow.held());
        }
    }

    fn end(&mut self, ends: &Ends, out: &mut Vec<Seen>) {
        if let Some(flow) = self.table.remove(ends) {
            self.close(*ends, flow, out);
        }
    }

    fn close(&mut self, ends: Ends, flow: Flow, out: &mut Vec<Seen>) {
        self.held = self.held.saturating_sub(flow.held());
        if let Reading::Tls(client) = &flow.reading {
            let saw = Saw::TlsClientHello { hello: Captured(in_records(client).into()) };
            out.push(Seen { at: flow.last, ends, decky: flow.decky, saw });
        }
        let duration = flow.last.0 - flow.first.0;
        if flow.packets < FEW_PACKETS && flow.retransmits == 0 && duration < SHORT {
            return;
        }
        let micros = |value: i64| u64::try_from(value).unwrap_or(0);
        let gaps = flow.packets.saturating_sub(1).max(1);
        out.push(Seen {
            at: flow.last,
            ends,
            decky: flow.decky,
            saw: Saw::Passive(Passive::FlowTiming {
                packets: flow.packets,
                bytes_in: flow.bytes_in,
                bytes_out: flow.bytes_out,
                duration_us: micros(duration),
                mean_gap_us: micros(duration) / gaps,
                min_gap_us: micros(flow.min_gap.min(duration)),
                max_gap_us: micros(flow.max_gap),
                retransmits: flow.retransmits,
            }),
        });
    }
}

impl Flow {
    fn new(decky: u32, at: Micros, tcp: &Tcp<'_>) -> Self {
        Self {
            decky,
            first: at,
            last: at,
            packets: 0,
            bytes_in: 0,
            bytes_out: 0,
            min_gap: i64::MAX,
            max_gap: 0,
            expected: None,
            retransmits: 0,
            visitor: Stream::from(tcp.sequence),
            decoy: Stream::from(tcp.acknowledgement),
            reading: Reading::Unknown,
        }
    }

    fn tick(&mut self, at: Micros) {
        if self.packets > 0 {
            let gap = (at.0 - self.last.0).max(0);
            self.min_gap = self.min_gap.min(gap);
            self.max_gap = self.max_gap.max(gap);
        }
        self.packets += 1;
        self.last = self.last.max(at);
    }

    fn held(&self) -> usize {
        let hello = if let Reading::Tls(hello) = &self.reading { hello.capacity() } else { 0 };
        self.visitor.held() + self.decoy.held() + hello
    }

    /// Looks at what is there of both streams.
    fn read(&mut self, wanted: Wanted) -> Option<Saw> {
        if let Reading::Unknown = self.reading {
            let bytes = self.visitor.bytes();
            if bytes.is_empty() {
                // A decky that speaks first (a banner) is not what we read; its stream waits.
                return None;
            }
            let full = self.visitor.is_full();
            let hello = match first_message(bytes) {
                FirstMessage::Whole(hello) if hello.first() == Some(&1) => Some(hello),
                FirstMessage::Partial if !full => return None,
                _ => None,
            };
            match hello {
                Some(hello) => {
                    self.visitor.close();
                    self.reading = Reading::Tls(hello);
                }
                None => {
                    let opening = if wanted.ssh { ssh::opening(bytes) } else { ssh::Opening::Other };
                    if opening == ssh::Opening::Partial && !full {
                        return None;
                    }
                    self.give_up();
                    let ssh::Opening::Whole { banner, kexinit } = opening else { return None };
                    return Some(Saw::SshClient { banner: Captured(banner.into()), kexinit: Captured(kexinit.into()) });
                }
            }
        }
        if let Reading::Tls(client) = &mut self.reading {
            match first_message(self.decoy.bytes()) {
                FirstMessage::Whole(server) if server.first() == Some(&2) => {
                    let client = std::mem::take(client);
                    self.give_up();
                    return Some(Saw::Passive(Passive::TlsSession { client: Captured(client.into()), server: Captured(server.into()) }));
                }
                FirstMessage::Partial if !self.decoy.is_full() => {}
                _ => {
                    // The server did not answer in TLS: the client's hello alone is told, as a record.
                    let client = std::mem::take(client);
                    self.give_up();
                    return Some(Saw::TlsClientHello { hello: Captured(in_records(&client).into()) });
                }
            }
        }
        None
    }

    fn give_up(&mut self) {
        self.visitor.close();
        self.decoy.close();
        self.reading = Reading::Nothing;
    }
}

/// A handshake message in TLS records again.
fn in_records(message: &[u8]) -> Vec<u8> {
    let mut records = Vec::with_capacity(message.len() + 10);
    for piece in message.chunks(1 << 14) {
        records.extend([22, 3, 1]);
        records.extend(u16::try_from(piece.len()).unwrap_or(0).to_be_bytes());
        records.extend_from_slice(piece);
    }
    records
}
