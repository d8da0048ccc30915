//! The network the deckies stand on: a private bridge, or a real interface.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Own, links, netlink::Line};
use crate::{Error, Network, persona::Dice, runtime::Ground};

/// Settles the network and makes what the host needs of it.
pub(super) fn settle(own: &Own, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
    let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
    let parent = wanted.interface.clone().or_else(|| own.interface.clone()).or_else(|| known.and_then(|k| k.interface.clone()));
    match parent {
        Some(parent) => lan(own, &host, &parent, wanted, known),
        None => private(own, &host, wanted, known),
    }
}

fn private(own: &Own, host: &Line, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
    let mut dice = Dice::of(&own.secret, "fleet/bridge");
    let taken = taken(host)?;
    let subnet = match wanted.subnet.or(known.map(|k| k.subnet)) {
        Some(subnet) => subnet,
        None => free(&mut dice, &taken)?,
    };
    let gateway = wanted.gateway.or(known.and_then(|k| k.gateway)).filter(|g| subnet.contains(g));
    let gateway = gateway.or_else(|| subnet.hosts().next());
    let subnet6 = wanted.subnet6.or(known.and_then(|k| k.subnet6)).unwrap_or_else(|| unique_local(own));
    let gateway6 = Ipv6Addr::from(u128::from(subnet6.network()) | 1);
    let mut bytes = [0x00, 0x50, 0x56, 0, 0, 0];
    for byte in bytes.iter_mut().skip(3) {
        *byte = u8::try_from(dice.below(256)).unwrap_or(0);
    }
    let name = own.bridge();
    let index = match find(host, &name)? {
        Some(index) => index,
        None => {
            host.one(links::bridge(&name, bytes)).map_err(Error::kernel(format!("cannot make the bridge {name}")))?;
            find(host, &name)?.ok_or_else(|| Error::Unsupported(format!("the bridge {name} vanished")))?
        }
    };
    let mut used = Vec::new();
    if let Some(gateway) = gateway
        && let Ok(net) = Ipv4Net::new(gateway, subnet.prefix_len())
    {
        host.one(links::address(index, net.into())).map_err(Error::kernel(format!("cannot give {net} to {name}")))?;
        used.push(IpAddr::V4(gateway));
    }
    // A host without IPv6 has deckies without IPv6.
    let six = Ipv6Net::new(gateway6, 64).ok().is_some_and(|net| host.one(links::address(index, net.into())).is_ok());
    used.push(gateway6.into());
    host.one(links::up(index)).map_err(Error::kernel(format!("cannot take {name} up")))?;
    Ok(Ground { subnet, subnet6: six.then_some(subnet6), gateway, gateway6: six.then_some(gateway6), interface: None, used })
}

fn lan(own: &Own, host: &Line, parent: &str, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
    let base = find(host, parent)?.ok_or_else(|| {
        let names = links::all(host).map(|all| all.into_iter().map(|l| l.name).filter(|n| n != "lo").collect::<Vec<_>>().join(", "));
        Error::Unsupported(format!("there is no interface {parent} (there are: {})", names.unwrap_or_default()))
    })?;
    let at = links::addresses(host).map_err(Error::kernel("cannot list the addresses"))?;
    let mine: Vec<IpNet> = at.into_iter().filter(|(link, _)| *link == base).map(|(_, net)| net).collect();
    let subnet = wanted
        .subnet
        .or_else(|| mine.iter().find_map(|n| if let IpNet::V4(n) = n { Some(n.trunc()) } else { None }))
        .or(known.map(|k| k.subnet))
        .ok_or_else(|| Error::Unsupported(format!("{parent} has no IPv4 address to take the network from; give the network (`subnet`)")))?;
    let subnet6 = wanted.subnet6.or_else(|| {
        mine.iter().find_map(|n| match n {
            IpNet::V6(n) if n.prefix_len() == 64 => Some(n.trunc()),
            _ => None,
        })
    });
    let routes = links::routes(host).map_err(Error::kernel("cannot list the routes"))?;
    let gateway = wanted.gateway.or_else(|| {
        let by = routes.iter().find(|(net, by, link)| net.prefix_len() == 0 && *link == base && by.is_some());
        by.and_then(|(_, by, _)| *by).filter(|by| subnet.contains(by))
    });
    let name = own.hairpin();
    let toward = match find(host, &name)? {
        Some(index) => index,
        None => {
            let made = if own.ipvlan { links::ipvlan(&name, base, None) } else { links::macvlan(&name, base, None, None) };
            host.one(made).map_err(|e| link_error(&name, own.ipvlan, e))?;
            find(host, &name)?.ok_or_else(|| Error::Unsupported(format!("the interface {name} vanished")))?
        }
    };
    // IPv6 answers for an address only on the interface that has it; IPv4 on any.
    for net in &mine {
        if let IpNet::V6(net) = net
            && let Ok(one) = Ipv6Net::new(net.addr(), 128)
        {
            let _ = host.one(links::address(toward, one.into()));
        }
    }
    host.one(links::up(toward)).map_err(Error::kernel(format!("cannot take {name} up")))?;
    let mut used: Vec<IpAddr> = mine.iter().map(IpNet::addr).collect();
    used.extend(gateway.map(IpAddr::V4));
    Ok(Ground { subnet, subnet6, gateway, gateway6: None, interface: Some(parent.to_owned()), used })
}

/// Why a link could not be made, in words an operator can act on.
pub(super) fn link_error(name: &str, ipvlan: bool, error: io::Error) -> Error {
    let kind = if ipvlan { "ipvlan" } else { "macvlan or veth" };
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => Error::Unsupported(format!("{name}: this kernel has no {kind}")),
        Some(libc::EBUSY) => Error::Unsupported(format!(
            "{name}: the interface is used by another kind of virtual link (macvlan and ipvlan exclude each other)"
        )),
        _ => Error::kernel(format!("{name}: cannot make its interface"))(error),
    }
}

fn find(host: &Line, name: &str) -> Result<Option<u32>, Error> {
    let all = links::all(host).map_err(Error::kernel("cannot list the links"))?;
    Ok(all.into_iter().find(|l| l.name == name).map(|l| l.index))
}

/// Networks the host already knows.
fn taken(host: &Line) -> Result<Vec<Ipv4Net>, Error> {
    let routes = links::routes(host).map_err(Error::kernel("cannot list the routes"))?;
    let at = links::addresses(host).map_err(Error::kernel("cannot list the addresses"))?;
    let own = at.into_iter().filter_map(|(_, net)| if let IpNet::V4(net) = net { Some(net.trunc()) } else { None });
    Ok(routes.into_iter().map(|(net, _, _)| net).filter(|n| n.prefix_len() > 0).chain(own).collect())
}

/// A /24 of 10.0.0.0/8 that nothing on this host uses.
fn free(dice: &mut Dice, taken: &[Ipv4Net]) -> Result<Ipv4Net, Error> {
    for _ in 0..4096 {
        let octet = |n: u64| u8::try_from(n).unwrap_or(0);
        let base = Ipv4Addr::new(10, octet(dice.between(8, 250)), octet(dice.between(1, 250)), 0);
        let Ok(net) = Ipv4Net::new(base, 24) else { continue };
        if !taken.iter().any(|t| t.contains(&net) || net.contains(t)) {
            return Ok(net);
        }
    }
    Err(Error::Unsupported("every network of 10.0.0.0/8 is in use on this host; give one (`subnet`)".into()))
}

/// A unique local /64 (RFC 4193) of this deployment.
fn unique_local(own: &Own) -> Ipv6Net {
    let mut dice = Dice::of(&own.secret, "fleet/bridge6");
    let random = u128::from(dice.below(1 << 40)) << 80;
    let subnet = u128::from(dice.between(1, 0xff)) << 64;
    let address = Ipv6Addr::from((0xfd_u128 << 120) | random | subnet);
    Ipv6Net::new(address, 64).unwrap_or_default()
}
