//! IP and TCP headers of a SYN (RFC 791, 8200, 9293), as the kernel saves it or a capture sees it.

use crate::{Malformed, cursor::Cursor};

/// A TCP option by kind, in the order sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// End of list; the number of bytes of padding after it.
    End(usize),
    Nop,
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack,
    Timestamp {
        value: u32,
        echo: u32,
    },
    /// Another kind.
    Other(u8),
}

/// What the headers of a SYN tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syn {
    /// 4 or 6.
    pub version: u8,
    /// Length of IPv4 options or IPv6 extension headers in bytes.
    pub ip_options: usize,
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    pub dont_fragment: bool,
    /// IPv4 identification; the flow label's low bits in IPv6.
    pub ip_id: u16,
    pub flow_label: u32,
    pub source_port: u16,
    pub destination_port: u16,
    pub sequence: u32,
    pub acknowledgement: u32,
    /// The low eight flag bits: CWR ECE URG ACK PSH RST SYN FIN.
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    pub options: Vec<TcpOption>,
    /// Whether the option list was broken.
    pub bad_options: bool,
    /// Bytes after the headers.
    pub payload: usize,
}

impl Syn {
    /// Reads it from the first byte of the IP header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes.first().map(|b| b >> 4) {
            Some(4) => Self::v4(bytes),
            Some(6) => Self::v6(bytes),
            _ => Err(Malformed { what: "IP version", at: 0 }),
        }
    }

    /// The advertised maximum segment size.
    pub fn mss(&self) -> Option<u16> {
        self.options.iter().find_map(|o| if let TcpOption::Mss(mss) = o { Some(*mss) } else { None })
    }

    /// The advertised window scale.
    pub fn window_scale(&self) -> Option<u8> {
        self.options.iter().find_map(|o| if let TcpOption::WindowScale(scale) = o { Some(*scale) } else { None })
    }

    fn v4(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut ip = Cursor::new(bytes);
        let header = usize::from(ip.u8("version")? & 0x0f) * 4;
        let tos = ip.u8("tos")?;
        let total = usize::from(ip.u16("total length")?);
        let ip_id = ip.u16("identification")?;
        let fragment = ip.u16("fragment")?;
        let ttl = ip.u8("ttl")?;
        if ip.u8("protocol")? != 6 {
            return Err(Malformed { what: "protocol", at: 9 });
        }
        ip.take(10, "addresses")?;
        let ip_options = header.checked_sub(20).ok_or(Malformed { what: "header length", at: 0 })?;
        ip.take(ip_options, "IP options")?;
        let rest = bytes.get(header..).unwrap_or_default();
        let mut syn = Self::tcp(rest, total.saturating_sub(header))?;
        syn.version = 4;
        syn.tos = tos;
        syn.ip_id = ip_id;
        syn.dont_fragment = fragment & 0x4000 != 0;
        syn.ttl = ttl;
        syn.ip_options = ip_options;
        Ok(syn)
    }

    fn v6(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut ip = Cursor::new(bytes);
        let first = ip.u32("version")?;
        let length = usize::from(ip.u16("payload length")?);
        let mut next = ip.u8("next header")?;
        let ttl = ip.u8("hop limit")?;
        ip.take(32, "addresses")?;
        let mut extensions = 0;
        while matches!(next, 0 | 43 | 60) {
            next = ip.u8("next header")?;
            let more = usize::from(ip.u8("extension length")?) * 8 + 6;
            ip.take(more, "extension header")?;
            extensions += more + 2;
        }
        if next != 6 {
            return Err(Malformed { what: "protocol", at: 6 });
        }
        let mut syn = Self::tcp(bytes.get(40 + extensions..).unwrap_or_default(), length.saturating_sub(extensions))?;
        syn.version = 6;
        syn.tos = u8::try_from(first >> 20 & 0xff).unwrap_or_default();
        syn.flow_label = first & 0x000f_ffff;
        syn.ttl = ttl;
        syn.ip_options = extensions;
        syn.dont_fragment = true;
        Ok(syn)
    }

    fn tcp(bytes: &[u8], segment: usize) -> Result<Self, Malformed> {
        let mut tcp = Cursor::new(bytes);
        let source_port = tcp.u16("source port")?;
        let destination_port = tcp.u16("destination port")?;
        let sequence = tcp.u32("sequence number")?;
        let acknowledgement = tcp.u32("acknowledgement")?;
        let header = usize::from(tcp.u8("data offset")? >> 4) * 4;
        let flags = tcp.u8("flags")?;
        let window = tcp.u16("window")?;
        tcp.u16("checksum")?;
        let urgent = tcp.u16("urgent pointer")?;
        let len = header.checked_sub(20).ok_or(Malformed { what: "data offset", at: 12 })?;
        let (options, bad_options) = tcp_options(tcp.take(len, "TCP options")?);
        Ok(Self {
            version: 0,
            ip_options: 0,
            ttl: 0,
            tos: 0,
            dont_fragment: false,
            ip_id: 0,
            flow_label: 0,
            source_port,
            destination_port,
            sequence,
            acknowledgement,
            flags,
            window,
            urgent,
            options,
            bad_options,
            payload: segment.saturating_sub(header),
        })
    }
}

/// The options of a TCP header in order, and whether their list was broken (what was read until then is given).
pub fn tcp_options(bytes: &[u8]) -> (Vec<TcpOption>, bool) {
    let mut rest = Cursor::new(bytes);
    let mut found = Vec::new();
    let mut left = bytes.len();
    while let Ok(kind) = rest.u8("option kind") {
        left -= 1;
        let option = match kind {
            0 => {
                found.push(TcpOption::End(left));
                return (found, false);
            }
            1 => TcpOption::Nop,
            _ => {
                let Ok(len) = rest.u8("option length") else { return (found, true) };
                let Some(len) = usize::from(len).checked_sub(2) else { return (found, true) };
                let Ok(data) = rest.take(len, "option") else { return (found, true) };
                left = left.saturating_sub(len + 1);
                match (kind, data) {
                    (2, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
                    (3, &[scale]) => TcpOption::WindowScale(scale),
                    (4, []) => TcpOption::SackPermitted,
                    (5, _) => TcpOption::Sack,
                    (8, &[a, b, c, d, e, f, g, h]) => {
                        TcpOption::Timestamp { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) }
                    }
                    _ => TcpOption::Other(kind),
                }
            }
        };
        found.push(option);
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_linux_syn_is_read() {
        let bytes = [
            0x45, 0, 0, 60, 0x1c, 0x46, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, // IP
            0x9c, 0x40, 0, 22, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 0x02, 0xff, 0xd7, 0, 0, 0, 0, // TCP
            2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        let syn = Syn::parse(&bytes).unwrap();
        assert_eq!((syn.ttl, syn.window, syn.mss(), syn.window_scale(), syn.destination_port), (64, 65495, Some(65495), Some(7), 22));
        assert!(syn.dont_fragment && !syn.bad_options && syn.payload == 0);
        assert_eq!(syn.options.len(), 5);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), version in 4u8..7) {
            if let Some(first) = bytes.first_mut() { *first = version << 4 | *first & 0x0f; }
            let _ = Syn::parse(&bytes);
        }
    }
}
