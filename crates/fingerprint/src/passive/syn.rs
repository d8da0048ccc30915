//! A SYN in the notation of p0f (`ver:ittl:olen:mss:wsize,scale:olayout:quirks:pclass`), and what it looks like.

use wire::ip::{Syn, TcpOption};

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
    let signature = format!(
        "{}:{}+{hops}:{}:{mss}:{},{scale}:{order}:{}:{}",
        syn.version,
        syn.ttl,
        syn.ip_options,
        window_text(syn),
        quirks(syn),
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
        looks_like: looks_like(syn, initial_ttl, &order),
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

fn looks_like(syn: &Syn, initial_ttl: u8, order: &str) -> Option<&'static str> {
    match (order, initial_ttl) {
        ("mss", _) if syn.window == 1024 && !syn.dont_fragment => Some("nmap SYN scan"),
        ("", 255) if syn.window == 1024 => Some("masscan"),
        ("" | "mss", 255) if syn.ip_id == 54321 || syn.window == 65535 => Some("zmap"),
        ("", 64) if syn.window == 8192 => Some("scapy"),
        ("", 64) if syn.window == 512 => Some("hping"),
        ("mss,sok,ts,nop,ws", 64) => Some("Linux"),
        ("mss,nop,ws,nop,nop,sok" | "mss,nop,ws,sok,ts", 128) => Some("Windows"),
        ("mss,nop,ws,nop,nop,ts,sok,eol+1", 64) => Some("macOS or iOS"),
        ("mss,nop,ws,sok,ts", 64) => Some("FreeBSD"),
        ("mss,nop,nop,sok,nop,ws,nop,nop,ts", 64) => Some("OpenBSD"),
        _ => None,
    }
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
