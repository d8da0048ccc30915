//! A SYN in the notation of p0f (`ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass`), and what it looks like.

use super::stacks;
use std::net::IpAddr;
use wire::{
    ip::{Syn, TcpOption},
    packet::{Packet, Tcp, Transport},
};

/// What a SYN says about the stack that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynReading {
    /// `4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0`
    pub signature: String,
    /// TTL as received.
    pub ttl: u8,
    /// The initial TTL it most likely started from: 32, 64, 128 or 255.
    pub initial_ttl: u8,
    /// Routers passed, if the initial TTL is right.
    pub hops: u8,
    pub window: u16,
    pub window_scale: Option<u8>,
    pub mss: Option<u16>,
    /// `mss,sok,ts,nop,ws`
    pub option_order: String,
    pub dont_fragment: bool,
    pub tos: u8,
    pub dscp: u8,
    pub ecn: u8,
    /// A stack or tool known to look like this; `None` = no telling.
    pub looks_like: Option<&'static str>,
    /// Whether that is a program which makes packets of its own.
    pub tool: bool,
    /// What is unusual, in the words of the signature: `df,id+`.
    pub quirks: String,
}

/// Reads a SYN.
pub fn read(syn: &Syn) -> SynReading {
    let initial_ttl = match syn.ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        _ => 255,
    };
    let order = syn.options.iter().map(option_name).collect::<Vec<_>>().join(",");
    let hops = initial_ttl - syn.ttl;
    let mss = syn.mss().map_or("*".into(), |m| m.to_string());
    let scale = syn.window_scale().unwrap_or(0);
    let quirks = quirks(syn);
    let stack = stacks::find(syn, initial_ttl, &order);
    let signature = format!(
        "{}:{}+{hops}:{}:{mss}:{},{scale}:{order}:{quirks}:{}",
        syn.version,
        syn.ttl,
        syn.ip_options,
        window_text(syn),
        if syn.payload > 0 { "+" } else { "0" },
    );
    SynReading {
        signature,
        ttl: syn.ttl,
        initial_ttl,
        hops,
        window: syn.window,
        window_scale: syn.window_scale(),
        mss: syn.mss(),
        looks_like: stack.map(|s| s.name),
        tool: stack.is_some_and(|s| s.tool),
        quirks,
        option_order: order,
        dont_fragment: syn.dont_fragment,
        tos: syn.tos,
        dscp: syn.tos >> 2,
        ecn: syn.tos & 3,
    }
}

fn option_name(option: &TcpOption) -> String {
    match option {
        TcpOption::End(padding) => format!("eol+{padding}"),
        TcpOption::Nop => "nop".into(),
        TcpOption::Mss(_) => "mss".into(),
        TcpOption::WindowScale(_) => "ws".into(),
        TcpOption::SackPermitted => "sok".into(),
        TcpOption::Sack => "sack".into(),
        TcpOption::Timestamp { .. } => "ts".into(),
        TcpOption::Other(kind) => format!("?{kind}"),
    }
}

/// A window that is a multiple of the MSS is written as such.
fn window_text(syn: &Syn) -> String {
    match syn.mss() {
        Some(mss) if mss >= 100 && syn.window % mss == 0 && syn.window > 0 => format!("mss*{}", syn.window / mss),
        _ => syn.window.to_string(),
    }
}

fn quirks(syn: &Syn) -> String {
    let stamp = syn.options.iter().find_map(|o| if let TcpOption::Timestamp { value, echo } = o { Some((*value, *echo)) } else { None });
    let v4 = syn.version == 4;
    [
        (v4 && syn.dont_fragment, "df"),
        (v4 && syn.dont_fragment && syn.ip_id != 0, "id+"),
        (v4 && !syn.dont_fragment && syn.ip_id == 0, "id-"),
        (syn.tos & 3 != 0, "ecn"),
        (!v4 && syn.flow_label != 0, "flow"),
        (syn.sequence == 0, "seq-"),
        (syn.acknowledgement != 0 && syn.flags & 0x10 == 0, "ack+"),
        (syn.urgent != 0 && syn.flags & 0x20 == 0, "uptr+"),
        (syn.flags & 0x20 != 0, "urgf+"),
        (syn.flags & 0x08 != 0, "pushf+"),
        (stamp.is_some_and(|(value, _)| value == 0), "ts1-"),
        (stamp.is_some_and(|(_, echo)| echo != 0), "ts2+"),
        (syn.window_scale().is_some_and(|s| s > 14), "exws"),
        (syn.bad_options, "bad"),
    ]
    .iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, name)| *name)
    .collect::<Vec<_>>()
    .join(",")
}

/// Marks that need more of the packet than its shape: numbers that tools compute.
pub fn mark(packet: &Packet<'_>, tcp: &Tcp<'_>) -> Option<&'static str> {
    let IpAddr::V4(to) = packet.destination else { return None };
    let to = u32::from(to);
    if tcp.sequence == to && tcp.options.is_empty() {
        // The bot writes the address it tries into the sequence number.
        return Some("Mirai");
    }
    let low = |value: u32| u16::try_from(value & 0xffff).unwrap_or_default();
    if tcp.window == 1024 && packet.ttl > 64 && packet.ip_id == low(to) ^ tcp.destination_port ^ low(tcp.sequence) {
        return Some("masscan");
    }
    if packet.ip_id == 54_321 && tcp.window == 65_535 && packet.ttl > 64 {
        return Some("zmap");
    }
    None
}

/// Everything of a SYN that its reading depends on, to know again what was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape([u8; 56]);

impl Shape {
    /// The shape of a SYN.
    pub fn of(packet: &Packet<'_>, tcp: &Tcp<'_>) -> Self {
        let [w1, w2] = tcp.window.to_be_bytes();
        let said = |holds: bool, bit: u8| u8::from(holds) << bit;
        let bits = said(packet.source.is_ipv6(), 0)
            | said(packet.dont_fragment, 1)
            | said(packet.ip_id == 0, 2)
            | said(packet.flow_label != 0, 3)
            | said(tcp.sequence == 0, 4)
            | said(tcp.acknowledgement != 0, 5)
            | said(tcp.urgent != 0, 6)
            | said(tcp.payload_len > 0, 7);
        let length = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
        let mut shape = [0; 56];
        let head = [bits, packet.ttl, packet.tos, tcp.flags, w1, w2, length(tcp.headers.len()), length(tcp.options.len())];
        for (to, from) in shape.iter_mut().zip(head.iter().chain(tcp.options)) {
            *to = *from;
        }
        // Of time stamps only their being zero is read.
        if let Some((value, echo)) = tcp.timestamp()
            && let Some(at) = tcp.options.windows(2).position(|w| w == [8, 10])
            && let Some([a, b, c, d, e, f, g, h]) = shape.get_mut(at + 10..at + 18)
        {
            (*a, *b, *c, *d) = (u8::from(value != 0), 0, 0, 0);
            (*e, *f, *g, *h) = (u8::from(echo != 0), 0, 0, 0);
        }
        Self(shape)
    }
}

/// Reads headers without looking for [`mark`]s.
pub fn read_shape(headers: &[u8]) -> Option<SynReading> {
    Syn::parse(headers).ok().map(|syn| read(&syn))
}

/// Reads the IP and TCP headers of a SYN as they were captured.
pub fn read_headers(headers: &[u8]) -> Option<SynReading> {
    let syn = Syn::parse(headers).ok()?;
    let mut reading = read(&syn);
    if let Ok(packet) = Packet::of_ip(headers)
        && let Transport::Tcp(tcp) = &packet.transport
        && let Some(name) = mark(&packet, tcp)
    {
        (reading.looks_like, reading.tool) = (Some(name), true);
    }
    Some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_syn_reads_as_p0f_would_write_it() {
        let bytes = [
            0x45, 0, 0, 60, 0x1c, 0x46, 0x40, 0, 60, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0x9c, 0x40, 0, 22, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0,
            0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        let reading = read(&Syn::parse(&bytes).unwrap());
        assert_eq!(reading.signature, "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0");
        assert_eq!((reading.looks_like, reading.hops, reading.initial_ttl), (Some("Linux"), 4, 64));
    }
}
