//! Deckies on 127.x.y.z: no privilege, for a first look and for tests. IPv4 only (there is one `::1`), the host's own
//! TCP/IP stack, no MAC address of their own.

use async_trait::async_trait;
use ipnet::Ipv4Net;
use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};

use super::{Found, Ground, Placed, Ran, Runtime, RuntimeKind, Spot, sockets};
use crate::{Error, Network, persona::Dice};

/// Added to ports that only root may bind.
const SHIFT: u16 = 10_000;

/// The runtime.
#[derive(Debug)]
pub(super) struct Loopback {
    /// Chosen from the deployment secret, so that two fleets on one host do not meet.
    net: Ipv4Net,
}

impl Loopback {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let mut dice = Dice::of(secret, "fleet/loopback");
        let mut octet = |low, high| u8::try_from(dice.between(low, high)).unwrap_or(64);
        let base = Ipv4Addr::new(127, octet(16, 250), octet(1, 250), 0);
        Self { net: Ipv4Net::new(base, 24).unwrap_or_default() }
    }

    fn place_one(spot: &Spot) -> Result<Placed, Error> {
        let Some(ip) = spot.persona.ipv4 else {
            return Err(Error::Unsupported(format!("{}: the loopback runtime has IPv4 only", spot.persona.decky.name())));
        };
        let mut doors = Vec::new();
        let mut shifted = false;
        for (service, port) in &spot.ports {
            let opened = match sockets::open(service, *port, IpAddr::V4(ip), 0) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    shifted = true;
                    sockets::open(service, *port, IpAddr::V4(ip), SHIFT)
                }
                other => other,
            };
            let opened = opened.map_err(Error::kernel(format!("{}: cannot listen for {service} on {ip}", spot.persona.decky.name())))?;
            doors.extend(opened.into_iter().map(Arc::new));
        }
        let mut notes = vec!["loopback: IPv4 only, no MAC address and no TCP/IP stack of its own".to_owned()];
        if shifted {
            notes.push(format!("ports that need privilege are shifted by {SHIFT}: {}", ports(&doors)));
        }
        Ok(Placed { doors, notes })
    }
}

fn ports(doors: &[Arc<sockets::Door>]) -> String {
    let fixed = doors.iter().filter(|d| d.wanted.fixed().is_some());
    fixed.map(|d| format!("{} on {}", d.handed.service, d.handed.port)).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl Runtime for Loopback {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Loopback
    }

    async fn ground(&self, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
        if let Some(name) = &wanted.interface {
            return Err(Error::Unsupported(format!("interface {name}: the loopback runtime uses none; use the native runtime (as root)")));
        }
        let subnet = wanted.subnet.or(known.map(|g| g.subnet)).unwrap_or(self.net);
        if !subnet.network().is_loopback() {
            return Err(Error::Unsupported(format!(
                "{subnet}: the loopback runtime only has addresses of 127.0.0.0/8; use the native runtime (as root)"
            )));
        }
        Ok(Ground { subnet, subnet6: None, gateway: None, gateway6: None, interface: None, used: vec![Ipv4Addr::LOCALHOST.into()] })
    }

    async fn occupied(&self, _ground: &Ground, _addresses: &[IpAddr]) -> Result<HashSet<IpAddr>, Error> {
        Ok(HashSet::new())
    }

    async fn place(&self, _ground: &Ground, spots: Vec<Spot>) -> Vec<Result<Placed, Error>> {
        spots.iter().map(Self::place_one).collect()
    }

    async fn inspect(&self, _ground: &Ground, links: &[String]) -> Result<Vec<Found>, Error> {
        Ok(links.iter().map(|link| Found { link: link.clone(), standing: true, there: true }).collect())
    }

    async fn exec(&self, _link: &str, _command: Vec<String>) -> Result<Ran, Error> {
        Err(Error::Unsupported("a decky of the loopback runtime has no namespace to run a command in".into()))
    }

    async fn remove(&self, _ground: Option<&Ground>, _spots: Vec<(String, Vec<IpAddr>)>) -> Result<(), Error> {
        Ok(())
    }

    async fn visitors(&self, spots: &[(String, Vec<IpAddr>)]) -> Result<Vec<usize>, Error> {
        let at = super::visits::established(Path::new("/proc/self/net")).map_err(Error::kernel("cannot list the connections"))?;
        Ok(spots.iter().map(|(_, ips)| at.iter().filter(|ip| ips.contains(ip)).count()).collect())
    }

    async fn stranded(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn clear(&self, _ground: &Ground) -> Result<(), Error> {
        Ok(())
    }
}
