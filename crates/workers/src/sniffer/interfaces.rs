//! On which interfaces the packets of a decky can be seen: those that the routes to its address name.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

/// A route of this host to a directly attached network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    interface: String,
    network: u32,
    mask: u32,
}

/// The routes of this host, without those by a gateway.
pub(super) fn routes() -> Vec<Route> {
    read_routes(&fs::read_to_string("/proc/net/route").unwrap_or_default())
}

fn read_routes(table: &str) -> Vec<Route> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut parts = line.split_whitespace();
            let interface = parts.next()?.to_owned();
            let (network, gateway) = (number(parts.next()?)?, number(parts.next()?)?);
            let mask = number(parts.nth(4)?)?;
            (gateway == 0 && mask != 0).then_some(Route { interface, network, mask })
        })
        .collect()
}

/// The interfaces that lead to the addresses.
pub(super) fn toward<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>, routes: &[Route]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for address in addresses {
        let IpAddr::V4(ip) = address else { continue };
        if ip.is_loopback() {
            found.insert("lo".to_owned());
        }
        let ip = u32::from(*ip);
        found.extend(routes.iter().filter(|r| ip & r.mask == r.network).map(|r| r.interface.clone()));
    }
    found
}

/// Index of an interface, if it is there.
pub(super) fn index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// Whether it is a bridge: what passes between others is seen on it only when asked for.
pub(super) fn is_bridge(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).join("bridge").is_dir()
}

/// Whether only deckies and their visitors are on it: the bridge of the lab, and loopback. There the operator who tries
/// things from this host is a visitor like any other.
pub(super) fn is_private(name: &str) -> bool {
    name == "lo" || (name.starts_with("dn-") && is_bridge(name))
}

/// The addresses of this host.
pub(super) fn own() -> HashSet<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return HashSet::new() };
    all.filter_map(|one| {
        let address = one.address?;
        address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip())).or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    })
    .filter(|ip| *ip != IpAddr::V4(Ipv4Addr::LOCALHOST))
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn both_ways_to_a_decky_are_found() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     dn-12abup\t0900000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let routes = read_routes(table);
        let seen = |ip: &str| toward(&[ip.parse().unwrap()], &routes).into_iter().collect::<Vec<_>>();
        assert_eq!(seen("10.0.0.9"), ["dn-12abup", "eth0"]);
        assert_eq!(seen("10.0.0.8"), ["eth0"]);
        assert_eq!(seen("127.0.4.1"), ["lo"]);
        assert!(seen("192.0.2.1").is_empty());
        assert!(read_routes("torn\nline").is_empty());
    }
}
