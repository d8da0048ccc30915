//! A network namespace per decky: its own MAC, addresses, routes and kernel TCP/IP settings.
//!
//! On a private bridge (the lab) or, given an interface, on macvlan or ipvlan beside the real hosts of the LAN. The host
//! has an interface of its own towards its deckies. Namespaces are named (`ip netns exec dn-…` works) and outlive this
//! program, so that a later start finds them again; no thread and no descriptor is kept per namespace.

mod egress;
mod ground;
mod links;
mod namespace;
mod netlink;

use async_trait::async_trait;
use nix::sched::{CloneFlags, setns};
use std::{
    collections::HashSet,
    fs::File,
    io,
    net::{IpAddr, Ipv6Addr},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Found, Ground, Placed, Ran, Runtime, RuntimeKind, Spot, sockets, visits};
use crate::{Error, Network, os, runtime::native::netlink::Line};

/// How long names of removed links may take to vanish.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How long somebody may take to answer for an address.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The runtime.
#[derive(Debug)]
pub(super) struct Native {
    own: Arc<Own>,
}

/// What every thread of the runtime needs.
#[derive(Debug)]
struct Own {
    tag: String,
    secret: [u8; 32],
    interface: Option<String>,
    ipvlan: bool,
    /// The namespace this program was started in.
    home: File,
}

/// Whether this process may make network namespaces.
pub(super) fn able() -> Result<(), Error> {
    let tried = std::thread::spawn(|| nix::sched::unshare(CloneFlags::CLONE_NEWNET)).join();
    match tried {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Error::Unsupported(format!(
            "the native runtime makes network namespaces and needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN): {e}"
        ))),
        Err(_) => Err(Error::Unsupported("the native runtime could not try to make a network namespace".into())),
    }
}

impl Native {
    pub(super) fn new(tag: &str, secret: &[u8; 32], interface: Option<String>, ipvlan: bool) -> Result<Self, Error> {
        let home = File::open("/proc/thread-self/ns/net").map_err(Error::file("/proc/thread-self/ns/net"))?;
        Ok(Self { own: Arc::new(Own { tag: tag.into(), secret: *secret, interface, ipvlan, home }) })
    }

    /// Makes the network namespace of the process `pid` the one called `name`.
    pub(super) async fn adopt(&self, name: &str, pid: i32) -> Result<(), Error> {
        let name = name.to_owned();
        self.apart(move |_| {
            let fail = Error::kernel(format!("{name}: cannot name the network of its container"));
            namespace::adopt(&name, pid).map_err(fail)
        })
        .await?
    }

    /// Runs `work` on a thread of its own in the home namespace: a thread that changes its namespace must not
    /// go back to a pool.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce(&Own) -> T + Send + 'static) -> Result<T, Error> {
        let own = Arc::clone(&self.own);
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("fleet-native".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                let result = setns(&own.home, CloneFlags::CLONE_NEWNET).map(|()| work(&own));
                let _ = tell.send(result);
            })
            .map_err(Error::kernel("cannot start a thread"))?;
        match told.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(e)) => Err(Error::kernel("cannot enter the host's network namespace")(e)),
            Err(_) => Err(Error::Unsupported("a thread of the native runtime broke off".into())),
        }
    }
}

impl Own {
    fn bridge(&self) -> String {
        format!("dn-{}br", self.tag)
    }

    fn hairpin(&self) -> String {
        format!("dn-{}up", self.tag)
    }

    /// Whether `name` is a decky's of this fleet.
    fn ours(&self, name: &str) -> bool {
        name.strip_prefix("dn-").and_then(|n| n.strip_prefix(&self.tag)).is_some_and(|rest| rest.len() > 2)
    }
}

/// What one placing thread works with.
struct Site<'a> {
    own: &'a Own,
    ground: &'a Ground,
    host: Line,
    /// Index of the bridge, or of the parent interface.
    base: u32,
    /// Index of the host's interface towards its deckies.
    toward: u32,
    host_v4: Option<IpAddr>,
    host_v6: Option<IpAddr>,
}

impl<'a> Site<'a> {
    fn new(own: &'a Own, ground: &'a Ground) -> Result<Self, Error> {
        let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
        let known = links::all(&host).map_err(Error::kernel("cannot list the links"))?;
        let index = |name: &str| {
            let missing = || Error::Unsupported(format!("interface {name} is gone"));
            known.iter().find(|l| l.name == name).map(|l| l.index).ok_or_else(missing)
        };
        let (base, toward) = match &ground.interface {
            Some(parent) => (index(parent)?, index(&own.hairpin())?),
            None => (index(&own.bridge())?, index(&own.bridge())?),
        };
        let mut site = Self { own, ground, host, base, toward, host_v4: None, host_v6: None };
        if ground.interface.is_some() {
            let at = links::addresses(&site.host).map_err(Error::kernel("cannot list the addresses"))?;
            let of = |v4: bool| at.iter().find(|(link, net)| *link == base && net.addr().is_ipv4() == v4).map(|(_, net)| net.addr());
            (site.host_v4, site.host_v6) = (of(true), of(false));
        }
        Ok(site)
    }

    /// Places or completes one decky. Leaves the thread in its namespace.
    fn place(&self, spot: &Spot) -> Result<Placed, Error> {
        let name = spot.persona.decky.name().to_owned();
        let fail = |doing: &str| Error::kernel(format!("{name}: {doing}"));
        let fresh = !namespace::enter(&spot.link).map_err(fail("cannot enter its namespace"))?;
        if fresh {
            namespace::make(&spot.link).map_err(fail("cannot make its namespace"))?;
        }
        let furnished = self.furnish(spot, &name);
        if furnished.is_err() && fresh {
            let _ = namespace::forget(&spot.link);
        }
        furnished?;
        let mut doors = Vec::new();
        for (service, port) in &spot.ports {
            let opened = sockets::open(service, *port, Ipv6Addr::UNSPECIFIED.into(), 0);
            doors.extend(opened.map_err(fail(&format!("cannot listen for {service}")))?.into_iter().map(Arc::new));
        }
        Ok(Placed { doors, notes: Vec::new() })
    }

    /// Everything of the namespace but the sockets. Again for what is there already.
    fn furnish(&self, spot: &Spot, name: &str) -> Result<(), Error> {
        let fail = |doing: &str| Error::kernel(format!("{name}: {doing}"));
        let filter = Line::filter().map_err(fail("cannot reach the packet filter"))?;
        egress::close(&filter, &spot.udp).map_err(fail("cannot close its way out (nf_tables)"))?;
        for (path, value) in os::sysctls(spot.persona.os) {
            namespace::sysctl(path, &value).map_err(fail(path))?;
        }
        // A container engine may have turned IPv6 off in its namespace. A decky says hello when it comes up, and its addresses
        // were chosen with care: no waiting for duplicates.
        let settings = [
            ("ipv6/conf/all/disable_ipv6", "0"),
            ("ipv6/conf/default/disable_ipv6", "0"),
            ("ipv4/conf/all/arp_notify", "1"),
            ("ipv6/conf/all/accept_dad", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ];
        for (path, value) in settings {
            namespace::sysctl(path, value).map_err(fail(path))?;
        }
        let inside = Line::route().map_err(fail("cannot talk to its routing"))?;
        let eth0 = match namespace::index("eth0") {
            Some(index) => {
                if self.ground.interface.is_none() {
                    // The bridge may be another one than it was made on.
                    self.host.one(links::plug(&spot.link, self.base)).map_err(fail("cannot plug it into the bridge"))?;
                }
                index
            }
            None => self.link(spot, name)?,
        };
        let p = &spot.persona;
        let mut wanted = vec![links::up(1)];
        if let Some(ip) = p.ipv4
            && let Ok(net) = ipnet::Ipv4Net::new(ip, p.ipv4_prefix)
        {
            wanted.push(links::address(eth0, net.into()));
        }
        wanted.push(links::up(eth0));
        let steady = wanted.len();
        for ip in &p.ipv6 {
            if let Ok(net) = ipnet::Ipv6Net::new(*ip, 64) {
                wanted.push(links::address(eth0, net.into()));
            }
        }
        if let Some(gateway) = self.ground.gateway {
            wanted.push(links::default_route(eth0, gateway.into()));
        }
        if let Some(gateway) = self.ground.gateway6 {
            wanted.push(links::default_route(eth0, gateway.into()));
        }
        let results = inside.batch(wanted).map_err(fail("cannot configure its interface"))?;
        if let Some(error) = results.iter().take(steady).flatten().next() {
            return Err(fail("cannot configure its interface")(io::Error::from(*error)));
        }
        // A host without IPv6 has no IPv6 deckies; that is no failure.
        if let Some(error) = results.iter().skip(steady).flatten().next() {
            tracing::warn!(decky = name, %error, "address or default route was refused");
        }
        if self.ground.interface.is_some() {
            let mut routes = Vec::new();
            routes.extend(p.ipv4.map(|ip| links::host_route(self.toward, ip.into(), self.host_v4)));
            routes.extend(p.ipv6.iter().map(|ip| links::host_route(self.toward, (*ip).into(), self.host_v6)));
            self.host.batch(routes).map_err(fail("cannot route the host to it"))?;
        }
        Ok(())
    }

    /// Makes `eth0` in the namespace the thread is in, and gives its index.
    fn link(&self, spot: &Spot, name: &str) -> Result<u32, Error> {
        let fail = |doing: &str| Error::kernel(format!("{name}: {doing}"));
        let mac = links::mac(&spot.persona.mac)
            .ok_or_else(|| Error::Unsupported(format!("{name}: {} is not a MAC address", spot.persona.mac)))?;
        let (here, fd) = namespace::current().map_err(fail("cannot name its namespace"))?;
        let message = || match (&self.ground.interface, self.own.ipvlan) {
            (None, _) => links::veth(&spot.link, self.base, mac, fd),
            (Some(_), false) => links::macvlan("eth0", self.base, Some(mac), Some(fd)),
            (Some(_), true) => links::ipvlan("eth0", self.base, Some(fd)),
        };
        let mut made = self.host.one(message());
        if made.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::EEXIST)) && self.ground.interface.is_none() {
            // The host's half is left from a namespace that is gone.
            let _ = self.host.one(links::delete(&spot.link));
            made = self.host.one(message());
        }
        drop(here);
        made.map_err(|e| ground::link_error(name, self.own.ipvlan, e))?;
        if self.ground.interface.is_none() {
            self.host.one(links::silent(&spot.link)).map_err(fail("cannot take its link up"))?;
        }
        namespace::index("eth0").ok_or_else(|| Error::Unsupported(format!("{name}: its interface vanished")))
    }
}

#[async_trait]
impl Runtime for Native {
    fn kind(&self) -> RuntimeKind {
        if self.own.ipvlan { RuntimeKind::NativeIpvlan } else { RuntimeKind::Native }
    }

    async fn ground(&self, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error> {
        let (wanted, known) = (wanted.clone(), known.cloned());
        self.apart(move |own| ground::settle(own, &wanted, known.as_ref())).await?
    }

    async fn occupied(&self, ground: &Ground, addresses: &[IpAddr]) -> Result<HashSet<IpAddr>, Error> {
        if ground.interface.is_none() || addresses.is_empty() {
            return Ok(HashSet::new());
        }
        let (ground, addresses) = (ground.clone(), addresses.to_vec());
        let probe = |asked: bool| {
            let (ground, addresses) = (ground.clone(), addresses.clone());
            self.apart(move |own| -> Result<HashSet<IpAddr>, Error> {
                let site = Site::new(own, &ground)?;
                let fail = Error::kernel("cannot ask who has an address");
                if !asked {
                    let asks = addresses.iter().map(|ip| links::who_has(site.toward, *ip)).collect();
                    return site.host.batch(asks).map(|_| HashSet::new()).map_err(fail);
                }
                let answered = links::neighbours(&site.host, site.toward).map_err(fail)?;
                Ok(answered.into_iter().filter(|ip| addresses.contains(ip)).collect())
            })
        };
        probe(false).await??;
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let found = probe(true).await??;
            if found.len() == addresses.len() || Instant::now() >= deadline {
                return Ok(found);
            }
        }
    }

    async fn place(&self, ground: &Ground, spots: Vec<Spot>) -> Vec<Result<Placed, Error>> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
        let count = spots.len();
        let mut lots: Vec<Vec<(usize, Spot)>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, spot) in spots.into_iter().enumerate() {
            if let Some(lot) = lots.get_mut(number % threads) {
                lot.push((number, spot));
            }
        }
        let work = lots.into_iter().filter(|lot| !lot.is_empty()).map(|lot| {
            let ground = ground.clone();
            self.apart(move |own| match Site::new(own, &ground) {
                Ok(site) => lot.iter().map(|(number, spot)| (*number, site.place(spot))).collect::<Vec<_>>(),
                Err(e) => lot.iter().map(|(number, _)| (*number, Err(Error::Unsupported(e.to_string())))).collect(),
            })
        });
        let mut results: Vec<Result<Placed, Error>> = (0..count).map(|_| Err(Error::Unsupported("was not placed".into()))).collect();
        for lot in futures::future::join_all(work).await {
            for (number, result) in lot.unwrap_or_default() {
                if let Some(slot) = results.get_mut(number) {
                    *slot = result;
                }
            }
        }
        results
    }

    async fn inspect(&self, ground: &Ground, links: &[String]) -> Result<Vec<Found>, Error> {
        let (bridged, names) = (ground.interface.is_none(), links.to_vec());
        self.apart(move |own| -> Result<Vec<Found>, Error> {
            if names.is_empty() {
                return Ok(Vec::new());
            }
            let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
            let all = links::all(&host).map_err(Error::kernel("cannot list the links"))?;
            let bridge = all.iter().find(|l| l.name == own.bridge()).map(|l| l.index);
            let plugged: HashSet<&str> = all.iter().filter(|l| bridge.is_some() && l.master == bridge).map(|l| l.name.as_str()).collect();
            // The thread walks from one namespace to the next and ends afterwards.
            Ok(names
                .iter()
                .map(|link| {
                    let there = if bridged { namespace::exists(link) } else { namespace::enter(link).unwrap_or(false) };
                    let leads = if bridged { plugged.contains(link.as_str()) } else { namespace::index("eth0").is_some() };
                    Found { link: link.clone(), standing: there && leads, there }
                })
                .collect())
        })
        .await?
    }

    async fn visitors(&self, spots: &[(String, Vec<IpAddr>)]) -> Result<Vec<usize>, Error> {
        let names: Vec<String> = spots.iter().map(|(link, _)| link.clone()).collect();
        self.apart(move |_| {
            names
                .into_iter()
                .map(|link| match namespace::enter(&link) {
                    Ok(true) => visits::established(Path::new("/proc/thread-self/net")).map(|all| all.len()),
                    Ok(false) => Ok(0),
                    Err(e) => Err(e),
                })
                .collect::<io::Result<Vec<usize>>>()
                .map_err(Error::kernel("cannot list the connections"))
        })
        .await?
    }

    async fn exec(&self, link: &str, command: Vec<String>) -> Result<Ran, Error> {
        let link = link.to_owned();
        self.apart(move |_| -> Result<Ran, Error> {
            if !namespace::enter(&link).map_err(Error::kernel(format!("{link}: cannot enter its namespace")))? {
                return Err(Error::NoSuchDecky(link));
            }
            let Some((program, arguments)) = command.split_first() else {
                return Err(Error::Unsupported("no command was given".into()));
            };
            let ran = Command::new(program).args(arguments).output().map_err(Error::kernel(format!("cannot run {program}")))?;
            Ok(Ran { status: ran.status.code(), stdout: ran.stdout, stderr: ran.stderr })
        })
        .await?
    }

    async fn remove(&self, ground: Option<&Ground>, spots: Vec<(String, Vec<IpAddr>)>) -> Result<(), Error> {
        let routed = ground.is_some_and(|g| g.interface.is_some());
        self.apart(move |own| -> Result<(), Error> {
            let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
            if routed && let Some(toward) = namespace::index(&own.hairpin()) {
                let routes = spots.iter().flat_map(|(_, ips)| ips).map(|ip| links::no_host_route(toward, *ip)).collect();
                host.batch(routes).map_err(Error::kernel("cannot take routes away"))?;
            }
            let gone: HashSet<String> = spots.into_iter().map(|(link, _)| link).collect();
            for link in &gone {
                namespace::forget(link).map_err(Error::kernel(format!("{link}: cannot give up its namespace")))?;
            }
            // The kernel takes the links of a dead namespace away by itself, all at once, which is much faster
            // than one by one; only what is left after a while (somebody still holds it) is deleted by name.
            let deadline = Instant::now() + GONE_WITHIN;
            loop {
                let there = links::all(&host).map_err(Error::kernel("cannot list the links"))?;
                let left: Vec<_> = there.into_iter().filter(|l| gone.contains(&l.name)).collect();
                if left.is_empty() {
                    return Ok(());
                }
                if Instant::now() >= deadline {
                    for link in left {
                        host.one(links::delete(&link.name)).map_err(Error::kernel(format!("{}: cannot delete", link.name)))?;
                    }
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        })
        .await?
    }

    async fn stranded(&self) -> Result<Vec<String>, Error> {
        self.apart(|own| -> Result<Vec<String>, Error> {
            let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
            let mut names: HashSet<String> = namespace::all().into_iter().filter(|n| own.ours(n)).collect();
            let there = links::all(&host).map_err(Error::kernel("cannot list the links"))?;
            names.extend(there.into_iter().map(|l| l.name).filter(|n| own.ours(n)));
            let mut names: Vec<String> = names.into_iter().collect();
            names.sort();
            Ok(names)
        })
        .await?
    }

    async fn clear(&self, _ground: &Ground) -> Result<(), Error> {
        self.apart(|own| -> Result<(), Error> {
            let host = Line::route().map_err(Error::kernel("cannot talk to the kernel's routing"))?;
            for name in [own.bridge(), own.hairpin()] {
                if namespace::index(&name).is_some() {
                    host.one(links::delete(&name)).map_err(Error::kernel(format!("{name}: cannot delete")))?;
                }
            }
            Ok(())
        })
        .await?
    }
}
