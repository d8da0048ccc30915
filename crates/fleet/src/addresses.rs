//! Which address a decky gets: its own favourite in the subnet, stable, and scattered as grown networks are.

use ipnet::{Ipv4Net, Ipv6Net};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::persona::{Dice, keyed};

/// Gives addresses of one network.
#[derive(Clone, Debug)]
pub struct Allocator {
    subnet: Ipv4Net,
    subnet6: Option<Ipv6Net>,
    used: HashSet<IpAddr>,
}

impl Allocator {
    /// Nothing is used yet except the network and broadcast addresses and those in `used` (gateway, host,
    /// running deckies, reserved).
    pub fn new(subnet: Ipv4Net, subnet6: Option<Ipv6Net>, used: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut used: HashSet<IpAddr> = used.into_iter().collect();
        used.extend([IpAddr::V4(subnet.network()), IpAddr::V4(subnet.broadcast())]);
        if let Some(net) = subnet6 {
            used.insert(IpAddr::V6(net.network()));
        }
        Self { subnet, subnet6, used }
    }

    /// Takes one address off the market; `false` if it was off already or is not of this network.
    pub fn take(&mut self, ip: IpAddr) -> bool {
        let inside = match ip {
            IpAddr::V4(ip) => self.subnet.contains(&ip),
            IpAddr::V6(ip) => self.subnet6.is_none_or(|net| net.contains(&ip)),
        };
        inside && self.used.insert(ip)
    }

    /// The next free IPv4 address for the decky whose key is `key`: the first of its own order of preference.
    /// `None`: the network is full.
    pub fn next_v4(&mut self, key: &[u8; 32]) -> Option<Ipv4Addr> {
        let base = u32::from(self.subnet.network());
        let size = 1_u64 << (32 - u32::from(self.subnet.prefix_len()));
        let mut dice = Dice::of(&keyed(key, b"fleet/address"), "fleet/address");
        let at = |offset: u64| Ipv4Addr::from(base.wrapping_add(u32::try_from(offset).unwrap_or(0)));
        // Servers stand in the lower half of most networks.
        let low = (size / 2).max(2);
        for bound in std::iter::repeat_n(low, 32).chain(std::iter::repeat_n(size, 32)) {
            let ip = at(dice.below(bound));
            if self.take(ip.into()) {
                return Some(ip);
            }
        }
        let start = dice.below(size);
        (0..size).map(|step| at((start + step) % size)).find(|ip| self.take((*ip).into()))
    }

    /// An IPv6 address in the network's /64, low and scattered as people number servers by hand.
    pub fn next_v6(&mut self, key: &[u8; 32]) -> Option<Ipv6Addr> {
        let net = self.subnet6?;
        let base = u128::from(net.network());
        let mut dice = Dice::of(&keyed(key, b"fleet/address6"), "fleet/address6");
        (0..256).map(|_| Ipv6Addr::from(base | u128::from(dice.between(0x10, 0xfffe)))).find(|ip| self.take((*ip).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::Allocator;
    use std::{collections::HashSet, net::IpAddr};

    fn market() -> Allocator {
        let used: Vec<IpAddr> = vec!["10.1.1.1".parse().unwrap(), "10.1.1.77".parse().unwrap()];
        Allocator::new("10.1.1.0/24".parse().unwrap(), Some("fd00:1::/64".parse().unwrap()), used)
    }

    #[test]
    fn gives_every_free_address_once_and_then_none() {
        let mut market = market();
        let given: Vec<_> = (0..252_u16).map(|n| market.next_v4(&[u8::try_from(n).unwrap(); 32]).unwrap()).collect();
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), 252);
        for never in ["10.1.1.0", "10.1.1.1", "10.1.1.77", "10.1.1.255"] {
            assert!(!given.contains(&never.parse().unwrap()));
        }
        assert_eq!(market.next_v4(&[255; 32]), None);
    }

    #[test]
    fn is_stable_for_a_decky_and_not_sequential() {
        let first: Vec<_> = (0..20).map(|n| market().next_v4(&[n; 32]).unwrap()).collect();
        let again: Vec<_> = (0..20).map(|n| market().next_v4(&[n; 32]).unwrap()).collect();
        assert_eq!(first, again);
        let steps = first.windows(2).filter(|w| u32::from(w[0]).abs_diff(u32::from(w[1])) == 1).count();
        assert!(steps < 3);
        let v6 = market().next_v6(&[1; 32]).unwrap();
        assert_eq!(v6.segments()[0], 0xfd00);
    }
}
