//! A captured frame down to its transport: Ethernet, cooked and raw links, VLAN tags, IPv4, IPv6, TCP, UDP, ICMP.
//!
//! Nothing is copied. A frame that was cut short gives what is there; a packet that lies about its lengths is
//! malformed. Checksums are not looked at: captures on the sending host see them unfilled.

use crate::{
    Malformed,
    cursor::Cursor,
    ip::{TcpOption, tcp_options},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands before the IP header, by the numbers of pcap files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    /// The IP header comes first.
    Raw,
    /// Four bytes of address family in the byte order of the capturing machine.
    Null,
    /// Linux cooked capture, version 1 (16 bytes).
    Cooked,
    /// Linux cooked capture, version 2 (20 bytes).
    Cooked2,
}

impl Link {
    /// The link type with a number of pcap's list; `None`: we do not read it.
    pub fn of_number(number: u32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            _ => return None,
        })
    }
}

/// One IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Always set in IPv6.
    pub dont_fragment: bool,
    /// IPv4 identification; 0 in IPv6.
    pub ip_id: u16,
    /// IPv6 flow label; 0 in IPv4.
    pub flow_label: u32,
    /// From the first byte of the IP header.
    pub bytes: &'a [u8],
    pub transport: Transport<'a>,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    Tcp(Tcp<'a>),
    Udp(Udp<'a>),
    Icmp(Icmp<'a>),
    /// A piece of a packet that is not the first, or another protocol: its number.
    Other(u8),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp<'a> {
    pub source_port: u16,
    pub destination_port: u16,
    pub sequence: u32,
    pub acknowledgement: u32,
    /// CWR ECE URG ACK PSH RST SYN FIN.
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    /// The option bytes as they stand.
    pub options: &'a [u8],
    pub payload: &'a [u8],
    /// Bytes of payload on the wire; more than `payload` if the capture cut it.
    pub payload_len: usize,
    /// IP and TCP headers together.
    pub headers: &'a [u8],
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp<'a> {
    pub source_port: u16,
    pub destination_port: u16,
    pub payload: &'a [u8],
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp<'a> {
    pub kind: u8,
    pub code: u8,
    /// Identifier and sequence number of an echo; other messages put other things there.
    pub ident: u16,
    pub sequence: u16,
    pub payload: &'a [u8],
}

/// TCP flag bits.
pub mod flags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

impl Tcp<'_> {
    /// The options read, in order, and whether their list was broken.
    pub fn read_options(&self) -> (Vec<TcpOption>, bool) {
        tcp_options(self.options)
    }

    /// The time stamp option: value and echo.
    pub fn timestamp(&self) -> Option<(u32, u32)> {
        let mut rest = self.options;
        loop {
            match rest {
                [] | [0, ..] => return None,
                [1, tail @ ..] => rest = tail,
                [8, 10, a, b, c, d, e, f, g, h, ..] => {
                    return Some((u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])));
                }
                [_, len, ..] => rest = rest.get(usize::from(*len).max(2)..)?,
                [_] => return None,
            }
        }
    }

    /// Whether it opens a connection: SYN without ACK.
    pub fn is_syn(&self) -> bool {
        self.flags & (flags::SYN | flags::ACK | flags::RST) == flags::SYN
    }
}

impl<'a> Packet<'a> {
    /// Reads a captured frame.
    pub fn parse(link: Link, frame: &'a [u8]) -> Result<Self, Malformed> {
        let mut head = Cursor::new(frame);
        match link {
            Link::Raw => return Self::of_ip(frame),
            Link::Null => {
                head.take(4, "address family")?;
                return Self::of_ip(frame.get(4..).unwrap_or_default());
            }
            Link::Ethernet => head.take(12, "MAC addresses")?,
            Link::Cooked => head.take(14, "cooked header")?,
            Link::Cooked2 => &[],
        };
        let mut kind = head.u16("ether type")?;
        let mut at = match link {
            Link::Cooked => 16,
            Link::Cooked2 => 20,
            _ => 14,
        };
        // Two tags at most: what is deeper is not for us.
        for _ in 0..2 {
            if !matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
                break;
            }
            match frame.get(at + 2..at + 4) {
                Some(&[a, b]) => kind = u16::from_be_bytes([a, b]),
                _ => return Err(Malformed { what: "VLAN tag", at }),
            }
            at += 4;
        }
        match kind {
            0x0800 | 0x86dd => Self::of_ip(frame.get(at..).unwrap_or_default()),
            _ => Err(Malformed { what: "IP packet", at }),
        }
    }

    /// Reads an IP packet from its first byte.
    pub fn of_ip(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.first().map(|b| b >> 4) {
            Some(4) => Self::v4(bytes),
            Some(6) => Self::v6(bytes),
            _ => Err(Malformed { what: "IP version", at: 0 }),
        }
    }

    fn v4(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let Some(&[first, tos, t1, t2, i1, i2, f1, f2, ttl, protocol, _, _, s1, s2, s3, s4, d1, d2, d3, d4]) = bytes.first_chunk::<20>()
        else {
            return Err(Malformed { what: "IPv4 header", at: bytes.len() });
        };
        let header = usize::from(first & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([t1, t2]));
        let fragment = u16::from_be_bytes([f1, f2]);
        // A total of 0 is what offloading leaves behind.
        let total = if total == 0 { bytes.len() } else { total };
        if header < 20 || total < header {
            return Err(Malformed { what: "IPv4 lengths", at: 2 });
        }
        let body = bytes.get(header..total.min(bytes.len())).ok_or(Malformed { what: "IPv4 options", at: 20 })?;
        let transport = if fragment & 0x1fff == 0 {
            Transport::read(protocol, body, total - header, bytes, header)?
        } else {
            Transport::Other(protocol)
        };
        Ok(Self {
            source: Ipv4Addr::new(s1, s2, s3, s4).into(),
            destination: Ipv4Addr::new(d1, d2, d3, d4).into(),
            ttl,
            tos,
            dont_fragment: fragment & 0x4000 != 0,
            ip_id: u16::from_be_bytes([i1, i2]),
            flow_label: 0,
            bytes,
            transport,
        })
    }

    fn v6(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut ip = Cursor::new(bytes);
        let first = ip.u32("version")?;
        let length = usize::from(ip.u16("payload length")?);
        let mut next = ip.u8("next header")?;
        let ttl = ip.u8("hop limit")?;
        let address = |bytes: &[u8]| bytes.first_chunk::<16>().map(|b| Ipv6Addr::from(*b)).unwrap_or(Ipv6Addr::UNSPECIFIED);
        let source = address(ip.take(16, "source")?);
        let destination = address(ip.take(16, "destination")?);
        let (mut header, mut piece) = (40, false);
        // Extension headers: a chain longer than this is an attack on us, not a packet.
        for _ in 0..8 {
            let skip = match next {
                0 | 43 | 60 => {
                    next = ip.u8("next header")?;
                    let more = usize::from(ip.u8("extension length")?) * 8 + 6;
                    ip.take(more, "extension header")?;
                    more + 2
                }
                44 => {
                    next = ip.u8("next header")?;
                    ip.u8("reserved")?;
                    piece |= ip.u16("fragment offset")? & 0xfff8 != 0;
                    ip.u32("identification")?;
                    8
                }
                _ => break,
            };
            header += skip;
        }
        let total = if length == 0 { bytes.len() } else { (40 + length).max(header) };
        let body = bytes.get(header..total.min(bytes.len())).unwrap_or_default();
        let transport = if piece { Transport::Other(next) } else { Transport::read(next, body, total - header, bytes, header)? };
        Ok(Self {
            source: source.to_ipv4_mapped().map_or(IpAddr::V6(source), IpAddr::V4),
            destination: destination.to_ipv4_mapped().map_or(IpAddr::V6(destination), IpAddr::V4),
            ttl,
            tos: u8::try_from(first >> 20 & 0xff).unwrap_or_default(),
            dont_fragment: true,
            ip_id: 0,
            flow_label: first & 0x000f_ffff,
            bytes,
            transport,
        })
    }
}

impl<'a> Transport<'a> {
    /// `on_wire`: bytes of the body by the IP header; `before`: where in `packet` it begins.
    fn read(protocol: u8, body: &'a [u8], on_wire: usize, packet: &'a [u8], before: usize) -> Result<Self, Malformed> {
        let mut head = Cursor::new(body);
        Ok(match protocol {
            6 => {
                let Some(&[s1, s2, d1, d2, q1, q2, q3, q4, a1, a2, a3, a4, offset, flags, w1, w2, _, _, u1, u2]) = body.first_chunk::<20>()
                else {
                    return Err(Malformed { what: "TCP header", at: before + body.len() });
                };
                let header = usize::from(offset >> 4) * 4;
                let options = body.get(20..header).ok_or(Malformed { what: "TCP data offset", at: before + 12 })?;
                Self::Tcp(Tcp {
                    source_port: u16::from_be_bytes([s1, s2]),
                    destination_port: u16::from_be_bytes([d1, d2]),
                    sequence: u32::from_be_bytes([q1, q2, q3, q4]),
                    acknowledgement: u32::from_be_bytes([a1, a2, a3, a4]),
                    flags,
                    window: u16::from_be_bytes([w1, w2]),
                    urgent: u16::from_be_bytes([u1, u2]),
                    options,
                    payload: body.get(header..).unwrap_or_default(),
                    payload_len: on_wire.saturating_sub(header),
                    headers: packet.get(..before + header).unwrap_or_default(),
                })
            }
            17 => {
                let source_port = head.u16("source port")?;
                let destination_port = head.u16("destination port")?;
                let length = usize::from(head.u16("UDP length")?);
                head.u16("checksum")?;
                Self::Udp(Udp { source_port, destination_port, payload: body.get(8..length.clamp(8, body.len())).unwrap_or_default() })
            }
            1 | 58 => Self::Icmp(Icmp {
                kind: head.u8("ICMP type")?,
                code: head.u8("ICMP code")?,
                ident: {
                    head.u16("checksum")?;
                    head.u16("identifier")?
                },
                sequence: head.u16("sequence")?,
                payload: body.get(8..).unwrap_or_default(),
            }),
            other => Self::Other(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SYN: [u8; 60] = [
        0x45, 0, 0, 60, 0x1c, 0x46, 0x40, 0, 60, 6, 0, 0, 192, 0, 2, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 22, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 0x02,
        0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7,
    ];

    #[test]
    fn a_syn_is_the_same_on_every_link() {
        let plain = Packet::of_ip(&SYN).unwrap();
        let Transport::Tcp(tcp) = plain.transport else { panic!("{plain:?}") };
        assert!(tcp.is_syn() && tcp.payload.is_empty() && tcp.headers.len() == 60);
        assert_eq!((tcp.timestamp(), plain.ip_id, plain.ttl, tcp.destination_port), (Some((9, 0)), 0x1c46, 60, 22));
        let on = |head: &[u8], link| {
            let frame = [head, &SYN, &[0; 6]].concat();
            let packet = Packet::parse(link, &frame).unwrap();
            let Transport::Tcp(tcp) = packet.transport else { panic!("{packet:?}") };
            assert!(tcp.payload.is_empty(), "padding of the frame is not payload");
            assert_eq!((packet.source, packet.destination), (plain.source, plain.destination));
        };
        let mac = [0; 12];
        on(&[&mac[..], &[8, 0]].concat(), Link::Ethernet);
        on(&[&mac[..], &[0x81, 0, 0, 7, 8, 0]].concat(), Link::Ethernet);
        on(&[&mac[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0]].concat(), Link::Ethernet);
        on(&[&[0; 14][..], &[8, 0]].concat(), Link::Cooked);
        on(&[&[8, 0][..], &[0; 18]].concat(), Link::Cooked2);
        on(&[2, 0, 0, 0], Link::Null);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for (at, value) in [(0, 0x42), (0, 0x4f), (3, 10), (32, 0xf0), (32, 0x40)] {
            let mut bytes = SYN;
            bytes[at] = value;
            assert!(Packet::of_ip(&bytes).is_err(), "byte {at} = {value:#x}");
        }
        let mut piece = SYN;
        piece[7] = 5;
        assert_eq!(Packet::of_ip(&piece).unwrap().transport, Transport::Other(6));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..160), link in 0u32..300, version in 4u8..7) {
            if let Some(link) = Link::of_number(link) { let _ = Packet::parse(link, &bytes); }
            if let Some(first) = bytes.first_mut() { *first = version << 4 | *first & 0x0f; }
            if let Ok(Packet { transport: Transport::Tcp(tcp), .. }) = Packet::of_ip(&bytes) {
                let _ = (tcp.timestamp(), tcp.read_options());
            }
        }
    }
}
