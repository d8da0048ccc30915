//! Forwarding, as on a machine that may not talk to the outside.

use model::Micros;
use rand::Rng;
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{Connection, MAX_PENDING};
use crate::{
    decoy::Reply,
    ssh::{
        message::{Writer, msg},
        sender::Sender,
        transfer::{Place, last},
    },
};

impl Connection {
    /// Whether a socket could be made at `path`: a directory to write to, and nothing there yet.
    pub(super) fn binds(&self, path: &[u8], now: Micros) -> bool {
        let place = Place::new(&self.visit, &self.account, now);
        let path = place.absolute(path);
        let parent = path.get(..path.len().saturating_sub(last(&path).len())).unwrap_or_default();
        let known = self.forwards.iter().any(|(p, port)| *p == path && *port == u32::MAX);
        !known && place.fs.lstat(&place.who, &path).is_err() && place.fs.access(&place.who, parent, 3).is_ok()
    }

    /// A remote forward listens on loopback only (`GatewayPorts no`), where nobody but the machine itself
    /// could notice that nothing does.
    pub(super) fn listen(&mut self, host: &[u8], port: u32, answer: bool, sender: &mut Sender, out: &mut Reply) -> Option<Vec<u8>> {
        // The product cuts the number to sixteen bits.
        let port = port & 0xffff;
        let taken = port == u32::from(self.visit.local.port());
        let low = (1..1024).contains(&port) && self.account.uid != 0;
        if port == 0 && !answer {
            let text = b"Server has disabled port forwarding.";
            sender.send(Writer::message(msg::DEBUG).bool(false).string(text).string(b"").0, out);
            return None;
        }
        if taken || low || self.forwards.len() >= MAX_PENDING || self.forwards.iter().any(|(_, p)| *p == port && port != 0) {
            return None;
        }
        if port != 0 {
            self.forwards.push((host.to_vec(), port));
            return Some(Vec::new());
        }
        let chosen = 32768 + out.rng().next_u32() % 28232;
        self.forwards.push((host.to_vec(), chosen));
        Some(Writer::new().u32(chosen).0)
    }

    /// How long a forwarded connection takes to fail on a machine that may not talk to the outside, and
    /// what the product says.
    pub(super) fn unreachable(&self, host: &[u8], out: &mut Reply) -> (Duration, &'static str) {
        let jitter = u64::from(out.rng().next_u32() % 900);
        let text = String::from_utf8_lossy(host);
        let own = text == "localhost" || text == self.visit.persona.hostname || text == self.visit.persona.fqdn();
        match text.parse::<IpAddr>() {
            Err(_) if own => (Duration::from_micros(300 + jitter), "Connection refused"),
            Err(_) => (Duration::from_millis(10_010 + jitter / 20), "Temporary failure in name resolution"),
            Ok(ip) if ip.is_loopback() || ip == self.visit.local.ip() => (Duration::from_micros(300 + jitter), "Connection refused"),
            Ok(IpAddr::V6(_)) => (Duration::from_micros(200 + jitter), "Network is unreachable"),
            Ok(IpAddr::V4(ip)) if self.near(ip) => (Duration::from_micros(3_060_000 + jitter * 20), "No route to host"),
            Ok(IpAddr::V4(_)) => (Duration::from_micros(131_000_000 + jitter * 900), "Connection timed out"),
        }
    }

    fn near(&self, ip: Ipv4Addr) -> bool {
        let Some(own) = self.visit.persona.ipv4 else { return false };
        let shift = 32 - u32::from(self.visit.persona.ipv4_prefix.min(32));
        let network = |ip: Ipv4Addr| u64::from(u32::from(ip)) >> shift;
        network(own) == network(ip)
    }
}
