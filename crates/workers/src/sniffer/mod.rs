//! Watches the wire: what passes between visitors and deckies becomes events, whether or not a decoy takes part.
//!
//! One thread per interface reads a ring shared with the kernel and feeds a [`Sensor`]; the pass finds out whom to watch
//! where, and writes what was seen into a spool of its own, from which it is recorded like everything else. Without
//! the privilege to capture it says so and watches nothing.

mod filter;
mod interfaces;
mod ring;

use crate::{
    Cx, Error,
    runner::{Pass, Worker},
};
use fingerprint::sensor::{Counts, Limits, Sensor, Sighting, Target};
use model::{DeckyId, Event, Id, Micros};
use parking_lot::Mutex;
use ring::Ring;
use spool::Spool;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use store::{DeckySource, RunningDecky};
use tokio::sync::Notify;
use tracing::{info, warn};
use wire::packet::{Link, Packet};

/// Name of the spool, and the service that its events carry.
pub const NAME: &str = insight::profile::SNIFFER;
/// How often deckies and interfaces are looked at anew.
const LOOK: Duration = Duration::from_secs(2);
/// Sightings that wait to be written; more are counted and dropped.
const WAITING: usize = 65_536;
/// How long a capture thread waits for packets at a time, milliseconds.
const PATIENCE: u16 = 100;

/// The sniffer.
#[derive(Debug, Default)]
pub struct Sniffer {
    spool: Option<Spool>,
    captures: BTreeMap<String, Capture>,
    /// Numbers of deckies, as targets carry them.
    numbers: HashMap<String, u32>,
    names: Vec<DeckyId>,
    targets: HashMap<IpAddr, Target>,
    looked: Option<Instant>,
    out: Arc<Out>,
    trouble: BTreeMap<String, String>,
    /// Drops and packets of captures that have ended.
    past: (u64, u64),
}

/// What the capture threads saw.
#[derive(Debug, Default)]
struct Out {
    waiting: Mutex<Vec<Sighting>>,
    stir: Notify,
    lost: AtomicU64,
}

/// One capture thread.
#[derive(Debug)]
struct Capture {
    index: u32,
    orders: Arc<Orders>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

/// What a capture thread is told, and what it tells.
#[derive(Debug, Default)]
struct Orders {
    stop: AtomicBool,
    /// Set when `watch` is new.
    changed: AtomicBool,
    watch: Mutex<Watch>,
    dropped: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Watch {
    targets: HashMap<IpAddr, Target>,
    ours: HashSet<IpAddr>,
}

impl Sniffer {
    /// Watches nobody until its first pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds out whom to watch. A database that is away leaves things as they are.
    async fn look(&mut self, cx: &Cx) {
        match cx.store.list_running_deckies().await {
            Ok(deckies) => {
                self.trouble.remove("deckies");
                self.targets = self.targets_of(&deckies);
            }
            Err(error) => {
                self.trouble.insert("deckies".into(), format!("cannot ask which deckies run: {error}"));
            }
        }
        let routes = interfaces::routes();
        let wanted = interfaces::toward(self.targets.keys(), &routes);
        let gone: Vec<String> = self
            .captures
            .iter()
            .filter(|(name, capture)| !wanted.contains(*name) || interfaces::index(name) != Some(capture.index) || capture.has_ended())
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            if let Some(capture) = self.captures.remove(&name) {
                self.past.0 += capture.orders.counts.lock().packets;
                self.past.1 += capture.orders.dropped.load(Ordering::Relaxed);
                if let Some(error) = capture.end() {
                    warn!(interface = name, %error, "the capture ended");
                    self.trouble.insert(name, error.to_string());
                }
            }
        }
        let own = interfaces::own();
        for name in wanted {
            let ours = if interfaces::is_private(&name) { HashSet::new() } else { own.clone() };
            let watch = Watch { targets: self.targets.clone(), ours };
            if let Some(capture) = self.captures.get(&name) {
                capture.orders.tell(watch);
                continue;
            }
            let Some(index) = interfaces::index(&name) else { continue };
            match Capture::begin(&name, index, watch, Arc::clone(&self.out)) {
                Ok(capture) => {
                    info!(interface = name, "watching");
                    self.trouble.remove(&name);
                    self.captures.insert(name, capture);
                }
                Err(error) => {
                    let why = match error.kind() {
                        io::ErrorKind::PermissionDenied => "not watching: capturing needs root (CAP_NET_RAW)".to_owned(),
                        _ => error.to_string(),
                    };
                    if self.trouble.insert(name.clone(), why.clone()).as_ref() != Some(&why) {
                        warn!(interface = name, error = why, "cannot capture");
                    }
                }
            }
        }
        let captures = &self.captures;
        self.trouble.retain(|name, _| name == "deckies" || !captures.contains_key(name));
    }

    /// The addresses of the deckies that stand on this host.
    fn targets_of(&mut self, deckies: &[RunningDecky]) -> HashMap<IpAddr, Target> {
        let mut targets = HashMap::new();
        for decky in deckies {
            let here = match decky.source {
                DeckySource::Fleet => true,
                DeckySource::Shard => false,
                DeckySource::Topology => decky.host_uuid.is_none(),
            };
            if !here {
                continue;
            }
            let number = match self.numbers.get(&decky.id) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                    self.names.push(DeckyId::from_stored(decky.id.clone()));
                    self.numbers.insert(decky.id.clone(), number);
                    number
                }
            };
            let listed = decky.decky_config.get("ips").and_then(|ips| ips.as_array());
            let ips = listed.into_iter().flatten().filter_map(|ip| ip.as_str()).chain(decky.ip.as_deref());
            for ip in ips.filter_map(|ip| ip.parse::<IpAddr>().ok()) {
                targets.insert(ip, Target { decky: number, told_ssh: ssh_ports(decky) });
            }
        }
        targets
    }

    /// Writes what was seen into the spool.
    fn write(&mut self, cx: &Cx) -> Result<usize, Error> {
        let failed = |source| Error::Spool { spool: NAME.into(), source };
        let seen = std::mem::take(&mut *self.out.waiting.lock());
        if seen.is_empty() {
            return Ok(0);
        }
        let spool = match self.spool.take() {
            Some(spool) => spool,
            None => Spool::open(cx.spools.join(NAME), spool::Options::default()).map_err(failed)?,
        };
        let count = seen.len();
        let mut bytes = Vec::with_capacity(count * 512);
        for sighting in seen {
            let Some(decky) = self.names.get(sighting.decky as usize).cloned() else { continue };
            let event = Event {
                id: Id::at(sighting.at, rand::random()),
                at: sighting.at,
                decky,
                service: NAME.to_owned(),
                session: None,
                source: sighting.source,
                local: sighting.local,
                saw: sighting.saw,
            };
            Spool::encode(&event, &mut bytes).map_err(failed)?;
        }
        let written = spool.append_encoded(&bytes).map_err(failed);
        self.spool = Some(spool);
        if written.is_err() {
            self.out.lost.fetch_add(count as u64, Ordering::Relaxed);
        }
        written.map(|_| count)
    }
}

impl Worker for Sniffer {
    const NAME: &'static str = NAME;
    const WAKES_ON: &'static [&'static str] = &[bus::topics::ALL_DECKY_STATES];
    const EVERY: Duration = LOOK;

    async fn pass(&mut self, cx: &Cx) -> Result<Pass, Error> {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.look(cx).await;
            self.looked = Some(Instant::now());
            let (packets, dropped) = self.totals();
            metrics::gauge!("decnet_sniffer_packets").set(packets as f64);
            metrics::gauge!("decnet_sniffer_dropped").set(dropped as f64);
        }
        let done = tokio::task::block_in_place(|| self.write(cx))?;
        Ok(Pass::did(done))
    }

    fn says(&self) -> Option<String> {
        let (packets, dropped) = self.totals();
        let lost = self.out.lost.load(Ordering::Relaxed);
        let names = self.captures.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut said = match self.captures.len() {
            0 => "watching nothing".to_owned(),
            _ => format!("watching {} addresses on {names}: {packets} packets, {dropped} dropped by the kernel", self.targets.len()),
        };
        if lost > 0 {
            said.push_str(&format!(", {lost} sightings lost"));
        }
        for (what, why) in &self.trouble {
            said.push_str(&format!("; {what}: {why}"));
        }
        Some(said)
    }

    async fn stirred(&mut self) {
        self.out.stir.notified().await;
    }
}

impl Sniffer {
    /// Packets seen and dropped by the kernel.
    fn totals(&self) -> (u64, u64) {
        self.captures.values().fold(self.past, |(packets, dropped), capture| {
            (packets + capture.orders.counts.lock().packets, dropped + capture.orders.dropped.load(Ordering::Relaxed))
        })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        for capture in std::mem::take(&mut self.captures).into_values() {
            let _error = capture.end();
        }
    }
}

impl Orders {
    fn tell(&self, watch: Watch) {
        let mut held = self.watch.lock();
        if *held != watch {
            *held = watch;
            self.changed.store(true, Ordering::Release);
        }
    }
}

impl Capture {
    fn begin(name: &str, index: u32, watch: Watch, out: Arc<Out>) -> io::Result<Self> {
        let program = filter::program(watch.targets.keys().copied());
        let ring = Ring::open(index, &program, interfaces::is_bridge(name))?;
        let orders = Arc::new(Orders { watch: Mutex::new(watch), changed: AtomicBool::new(true), ..Orders::default() });
        let thread = std::thread::Builder::new().name(format!("sniff-{name}")).spawn({
            let (orders, loopback) = (Arc::clone(&orders), name == "lo");
            move || capture(ring, &orders, &out, loopback)
        })?;
        Ok(Self { index, orders, thread: Some(thread) })
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    }

    /// Ends the thread; why it had ended by itself, if it had.
    fn end(mut self) -> Option<io::Error> {
        self.orders.stop.store(true, Ordering::Release);
        self.thread.take()?.join().ok()?.err()
    }
}

/// The loop of a capture thread.
fn capture(mut ring: Ring, orders: &Orders, out: &Out, loopback: bool) -> io::Result<()> {
    let mut sensor = Sensor::new(Limits::default());
    while !orders.stop.load(Ordering::Acquire) {
        if orders.changed.swap(false, Ordering::AcqRel) {
            let watch = orders.watch.lock().clone();
            ring.filter(&filter::program(watch.targets.keys().copied()))?;
            sensor.watch(watch.targets, watch.ours);
        }
        ring.wait(PATIENCE)?;
        let mut blocks = 0;
        while blocks < 16
            && ring.block(|frame| {
                // On loopback every packet passes twice.
                if loopback && frame.outgoing {
                    return;
                }
                match Packet::parse(Link::Ethernet, frame.bytes) {
                    Ok(packet) => sensor.absorb(Micros(frame.at_us), &packet),
                    Err(_) => sensor.unread(),
                }
            })
        {
            blocks += 1;
        }
        if blocks == 0 {
            sensor.tick(Micros::of(SystemTime::now()));
        }
        orders.dropped.fetch_add(ring.dropped(), Ordering::Relaxed);
        *orders.counts.lock() = sensor.counts();
        let seen = sensor.take();
        if !seen.is_empty() {
            let mut waiting = out.waiting.lock();
            let room = WAITING.saturating_sub(waiting.len());
            if seen.len() > room {
                out.lost.fetch_add((seen.len() - room) as u64, Ordering::Relaxed);
            }
            waiting.extend(seen.into_iter().take(room));
            drop(waiting);
            out.stir.notify_one();
        }
    }
    Ok(())
}

/// The addresses of this host, loopback aside.
pub(crate) fn own_addresses() -> HashSet<IpAddr> {
    interfaces::own()
}

/// Ports behind which a decoy of ours speaks SSH: it tells the client's software itself.
fn ssh_ports(decky: &RunningDecky) -> Vec<u16> {
    let services = decky.decky_config.get("services").and_then(|s| s.as_array());
    services
        .into_iter()
        .flatten()
        .filter(|service| service.get("name").and_then(|n| n.as_str()) == Some("ssh"))
        .filter_map(|service| service.get("ports").and_then(|p| p.as_array()))
        .flatten()
        .filter_map(|port| port.as_u64().and_then(|port| u16::try_from(port).ok()))
        .collect()
}
