//! Addresses for the deckies of a plan: those given are checked, the others chosen, all are asked for on the wire.

use model::DeckyId;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use crate::{
    Error, Plan, Planned, Settings,
    addresses::Allocator,
    persona::{Place, keyed},
    record::ips,
    runtime::{Ground, Runtime},
    state::State,
};

/// How often other addresses are chosen when somebody answers for one.
const ROUNDS: usize = 8;

/// Addresses, with everything that is taken.
pub(crate) struct Market {
    free: Allocator,
}

impl Market {
    /// Looks at what is taken: by the fleet, by the host, and by whoever answers on the network.
    pub(crate) async fn open(
        settings: &Settings,
        state: &State,
        plan: &Plan,
        ground: &Ground,
        runtime: &dyn Runtime,
    ) -> Result<Self, Error> {
        let mut used: HashSet<IpAddr> = ground.used.iter().chain(&plan.network.reserved).copied().collect();
        let mut owners: HashMap<IpAddr, &str> = HashMap::new();
        for (name, kept) in &state.deckies {
            owners.extend(ips(&kept.persona).into_iter().map(|ip| (ip, name.as_str())));
        }
        for decky in &plan.deckies {
            for ip in given(decky) {
                if let IpAddr::V4(v4) = ip
                    && (!ground.subnet.contains(&v4) || v4 == ground.subnet.network() || v4 == ground.subnet.broadcast())
                {
                    return Err(Error::AddressOutside { name: decky.name.clone(), ip, subnet: ground.subnet.to_string() });
                }
                let owner = owners.get(&ip).copied().filter(|o| *o != decky.name);
                if used.contains(&ip) || owner.is_some() {
                    let owner = owner.unwrap_or("this host, the gateway or a reservation").to_owned();
                    return Err(Error::AddressTaken { name: decky.name.clone(), ip, owner });
                }
            }
        }
        let asked: HashSet<IpAddr> = plan.deckies.iter().flat_map(given).filter(|ip| !owners.contains_key(ip)).collect();
        used.extend(owners.keys());
        let occupied = runtime.occupied(ground, &asked.iter().copied().collect::<Vec<_>>()).await?;
        if let Some((decky, ip)) =
            plan.deckies.iter().flat_map(|d| given(d).into_iter().map(move |ip| (d, ip))).find(|(_, ip)| occupied.contains(ip))
        {
            return Err(Error::AddressTaken { name: decky.name.clone(), ip, owner: "another host on the network".into() });
        }
        used.extend(asked);
        if ground.interface.is_some() {
            // What would be chosen is asked for; where somebody answers, others are chosen.
            for _ in 0..ROUNDS {
                let mut rehearsal = Self { free: Allocator::new(ground.subnet, ground.subnet6, used.iter().copied()) };
                let mut chosen = Vec::new();
                for decky in plan.deckies.iter().filter(|d| !state.deckies.contains_key(&d.name)) {
                    let id = DeckyId::fleet(&settings.host_uuid, &decky.name);
                    let place = rehearsal.place(decky, &keyed(&settings.secret, id.as_str().as_bytes()), ground)?;
                    let own = place.ipv4.map(IpAddr::V4).into_iter().chain(place.ipv6.into_iter().map(IpAddr::V6));
                    chosen.extend(own.filter(|ip| !used.contains(ip)));
                }
                let occupied = runtime.occupied(ground, &chosen).await?;
                if occupied.is_empty() {
                    break;
                }
                used.extend(occupied);
            }
        }
        Ok(Self { free: Allocator::new(ground.subnet, ground.subnet6, used) })
    }

    /// Where the decky whose key is `key` shall stand.
    pub(crate) fn place(&mut self, plan: &Planned, key: &[u8; 32], ground: &Ground) -> Result<Place, Error> {
        let full = || Error::NetworkFull { name: plan.name.clone(), subnet: ground.subnet.to_string() };
        let ipv4 = match plan.ip {
            Some(ip) => ip,
            None => self.free.next_v4(key).ok_or_else(full)?,
        };
        let ipv6 = plan.ipv6.or_else(|| self.free.next_v6(key)).into_iter().collect();
        Ok(Place { ipv4: Some(ipv4), ipv4_prefix: ground.subnet.prefix_len(), ipv6, gateway: ground.gateway })
    }
}

fn given(decky: &Planned) -> Vec<IpAddr> {
    decky.ip.map(IpAddr::V4).into_iter().chain(decky.ipv6.map(IpAddr::V6)).collect()
}
