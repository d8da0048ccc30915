//! Links, addresses, routes and neighbours as netlink messages (rtnetlink).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::netlink::{ACK, Attributes, CREATE, EXCL, Line, Message, REPLACE, attributes};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const NEWNEIGH: u16 = 28;
const GETNEIGH: u16 = 30;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFF_UP: u32 = 1;
const NODAD: u32 = 0x02;
const NUD_ANSWERED: u16 = 0x02 | 0x04 | 0x08 | 0x10;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;

/// A 6-byte MAC from its colon form.
pub(super) fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').map(|p| u8::from_str_radix(p, 16)).collect::<Result<_, _>>().ok()?;
    bytes.try_into().ok()
}

fn ifinfo(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(change.to_ne_bytes());
    header
}

/// Takes `name` up without an automatic link-local address: the host's half of a pair is not a host.
pub(super) fn silent(name: &str) -> Message {
    let six = Attributes::default().nest(u16::from(AF_INET6), Attributes::default().with(8, &[1]));
    Message::new(NEWLINK, ACK, &ifinfo(0, IFF_UP, IFF_UP)).text(IFLA_IFNAME, name).nest(IFLA_AF_SPEC, six)
}

fn kind(name: &str, data: Attributes) -> Attributes {
    Attributes::default().text(1, name).nest(2, data)
}

/// A bridge with an address of its own and nothing that talks by itself.
pub(super) fn bridge(name: &str, mac: [u8; 6]) -> Message {
    let data = Attributes::default().with(1, &0_u32.to_ne_bytes()).with(5, &0_u32.to_ne_bytes()).with(23, &[0]);
    Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfo(0, IFF_UP, IFF_UP))
        .text(IFLA_IFNAME, name)
        .with(IFLA_ADDRESS, &mac)
        .nest(IFLA_LINKINFO, kind("bridge", data))
}

/// A pair: `name` here on the bridge `master`, `eth0` with `mac` in the namespace `ns`.
pub(super) fn veth(name: &str, master: u32, mac: [u8; 6], ns: u32) -> Message {
    let mut peer = Attributes(ifinfo(0, 0, 0));
    peer = peer.text(IFLA_IFNAME, "eth0").with(IFLA_ADDRESS, &mac).with(IFLA_NET_NS_FD, &ns.to_ne_bytes());
    Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfo(0, 0, 0))
        .text(IFLA_IFNAME, name)
        .number(IFLA_MASTER, master)
        .nest(IFLA_LINKINFO, kind("veth", Attributes::default().nest(1, peer)))
}

/// A macvlan in bridge mode on `parent`, in the namespace `ns` or here.
pub(super) fn macvlan(name: &str, parent: u32, mac: Option<[u8; 6]>, ns: Option<u32>) -> Message {
    let up = if ns.is_some() { 0 } else { IFF_UP };
    let mut message = Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfo(0, up, up))
        .text(IFLA_IFNAME, name)
        .number(IFLA_LINK, parent)
        .nest(IFLA_LINKINFO, kind("macvlan", Attributes::default().with(1, &4_u32.to_ne_bytes())));
    if let Some(mac) = mac {
        message = message.with(IFLA_ADDRESS, &mac);
    }
    if let Some(ns) = ns {
        message = message.number(IFLA_NET_NS_FD, ns);
    }
    message
}

/// An ipvlan in L2 mode on `parent`, in the namespace `ns` or here.
pub(super) fn ipvlan(name: &str, parent: u32, ns: Option<u32>) -> Message {
    let up = if ns.is_some() { 0 } else { IFF_UP };
    let message = Message::new(NEWLINK, ACK | CREATE | EXCL, &ifinfo(0, up, up))
        .text(IFLA_IFNAME, name)
        .number(IFLA_LINK, parent)
        .nest(IFLA_LINKINFO, kind("ipvlan", Attributes::default().with(1, &0_u16.to_ne_bytes())));
    match ns {
        Some(ns) => message.number(IFLA_NET_NS_FD, ns),
        None => message,
    }
}

/// Takes link `index` up.
pub(super) fn up(index: u32) -> Message {
    Message::new(NEWLINK, ACK, &ifinfo(index, IFF_UP, IFF_UP))
}

/// Plugs the link `name` into the bridge `master`, up.
pub(super) fn plug(name: &str, master: u32) -> Message {
    Message::new(NEWLINK, ACK, &ifinfo(0, IFF_UP, IFF_UP)).text(IFLA_IFNAME, name).number(IFLA_MASTER, master)
}

/// Deletes the link `name`.
pub(super) fn delete(name: &str) -> Message {
    Message::new(DELLINK, ACK, &ifinfo(0, 0, 0)).text(IFLA_IFNAME, name)
}

/// Gives link `index` an address, without asking around first whether it is free.
pub(super) fn address(index: u32, net: IpNet) -> Message {
    let (family, bytes) = octets(net.addr());
    let mut header = vec![family, net.prefix_len(), 0, 0];
    header.extend(index.to_ne_bytes());
    let message = Message::new(NEWADDR, ACK | CREATE | REPLACE, &header).with(1, &bytes).with(2, &bytes);
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => message.with(4, &net.broadcast().octets()),
        IpNet::V4(_) => message,
        IpNet::V6(_) => message.number(8, NODAD),
    }
}

fn octets(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    }
}

/// The default route by `gateway` on link `index`.
pub(super) fn default_route(index: u32, gateway: IpAddr) -> Message {
    let (family, bytes) = octets(gateway);
    Message::new(NEWROUTE, ACK | CREATE | REPLACE, &[family, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]).with(5, &bytes).number(4, index)
}

/// A route to one host on link `index`, sent from `source`.
pub(super) fn host_route(index: u32, to: IpAddr, source: Option<IpAddr>) -> Message {
    let (family, bytes) = octets(to);
    let length = if family == AF_INET { 32 } else { 128 };
    let scope = if family == AF_INET { 253 } else { 0 };
    let message = Message::new(NEWROUTE, ACK | CREATE | REPLACE, &[family, length, 0, 0, 254, 3, scope, 1, 0, 0, 0, 0])
        .with(1, &bytes)
        .number(4, index);
    match source {
        Some(source) => message.with(7, &octets(source).1),
        None => message,
    }
}

/// Takes the route to one host away.
pub(super) fn no_host_route(index: u32, to: IpAddr) -> Message {
    let (family, bytes) = octets(to);
    let length = if family == AF_INET { 32 } else { 128 };
    Message::new(DELROUTE, ACK, &[family, length, 0, 0, 254, 0, 255, 0, 0, 0, 0, 0]).with(1, &bytes).number(4, index)
}

/// Asks the kernel to find out who has `ip` on link `index`.
pub(super) fn who_has(index: u32, ip: IpAddr) -> Message {
    let (family, bytes) = octets(ip);
    let mut header = vec![family, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(0_u16.to_ne_bytes());
    header.extend([0x01, 0]);
    Message::new(NEWNEIGH, ACK | CREATE | REPLACE, &header).with(1, &bytes)
}

/// A link as it is.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Index of the bridge it is plugged into.
    pub(super) master: Option<u32>,
}

/// All links of the namespace `line` was opened in.
pub(super) fn all(line: &Line) -> io::Result<Vec<Link>> {
    let bodies = line.dump(Message::new(GETLINK, 0, &ifinfo(0, 0, 0)))?;
    Ok(bodies
        .iter()
        .filter_map(|body| {
            let index = u32_at(body, 4)?;
            let found = attributes(body, 16);
            let of = |kind: u16| found.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v);
            let master = of(IFLA_MASTER).and_then(|v| u32_at(v, 0));
            Some(Link { index, name: text(of(IFLA_IFNAME)?), master })
        })
        .collect())
}

/// Addresses: link index and address with its prefix. Only those of global scope.
pub(super) fn addresses(line: &Line) -> io::Result<Vec<(u32, IpNet)>> {
    let bodies = line.dump(Message::new(GETADDR, 0, &[0; 8]))?;
    Ok(bodies
        .iter()
        .filter_map(|body| {
            let [family, prefix, _, scope] = *body.first_chunk::<4>()?;
            let index = u32_at(body, 4)?;
            let found = attributes(body, 8);
            let value = found.iter().find(|(k, _)| *k == 2).or_else(|| found.iter().find(|(k, _)| *k == 1)).map(|(_, v)| *v)?;
            (scope == 0).then_some((index, net_of(family, value, prefix)?))
        })
        .collect())
}

/// IPv4 routes of the main table: destination, gateway, link.
pub(super) fn routes(line: &Line) -> io::Result<Vec<(Ipv4Net, Option<Ipv4Addr>, u32)>> {
    let mut header = [0; 12];
    header[0] = AF_INET;
    let bodies = line.dump(Message::new(GETROUTE, 0, &header))?;
    Ok(bodies
        .iter()
        .filter_map(|body| {
            let [_, prefix, _, _, table, _, _, route, ..] = *body.first_chunk::<12>()?;
            if table != 254 || route != 1 {
                return None;
            }
            let found = attributes(body, 12);
            let ip = |kind| found.iter().find(|(k, _)| *k == kind).and_then(|(_, v)| v.first_chunk::<4>()).map(|b| Ipv4Addr::from(*b));
            let link = found.iter().find(|(k, _)| *k == 4).and_then(|(_, v)| u32_at(v, 0))?;
            Some((Ipv4Net::new(ip(1).unwrap_or(Ipv4Addr::UNSPECIFIED), prefix).ok()?, ip(5), link))
        })
        .collect())
}

/// Who answered on link `index`.
pub(super) fn neighbours(line: &Line, index: u32) -> io::Result<Vec<IpAddr>> {
    let bodies = line.dump(Message::new(GETNEIGH, 0, &[0; 12]))?;
    Ok(bodies
        .iter()
        .filter_map(|body| {
            let family = *body.first()?;
            let state = u16::from_ne_bytes(*body.get(8..)?.first_chunk::<2>()?);
            let value = attributes(body, 12).into_iter().find(|(k, _)| *k == 1).map(|(_, v)| v)?;
            let net = net_of(family, value, 0)?;
            (u32_at(body, 4)? == index && state & NUD_ANSWERED != 0).then(|| net.addr())
        })
        .collect())
}

fn net_of(family: u8, value: &[u8], prefix: u8) -> Option<IpNet> {
    match family {
        AF_INET => Some(Ipv4Net::new(Ipv4Addr::from(*value.first_chunk::<4>()?), prefix).ok()?.into()),
        AF_INET6 => Some(Ipv6Net::new(Ipv6Addr::from(*value.first_chunk::<16>()?), prefix).ok()?.into()),
        _ => None,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_ne_bytes(*b))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}
