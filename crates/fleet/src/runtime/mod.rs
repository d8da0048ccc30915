//! Where deckies stand: one trait, several ways.
//!
//! A runtime owns addresses and listening sockets, never a protocol. It must be idempotent: placing what is placed
//! changes nothing, removing what is gone is no error.
//! To add a runtime: one file here and one arm in [`open`].

mod docker;
mod loopback;
mod native;
mod sockets;
mod visits;

use async_trait::async_trait;
use ipnet::{Ipv4Net, Ipv6Net};
use model::Persona;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::{Error, Face, Network, Settings, catalogue::Port};
pub use sockets::Door;

/// Which runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// `native` where this process may make network namespaces, else `loopback`.
    #[default]
    Auto,
    Native,
    /// `native` on ipvlan instead of macvlan, for interfaces that carry one MAC only (Wi-Fi).
    NativeIpvlan,
    /// Containers of a Docker engine, on the same links as `native`.
    Docker,
    Loopback,
}

impl RuntimeKind {
    /// The names of all, as [`RuntimeKind::find`] takes them.
    pub const NAMES: &[&str] = &["auto", "native", "native-ipvlan", "docker", "loopback"];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::NativeIpvlan => "native-ipvlan",
            Self::Docker => "docker",
            Self::Loopback => "loopback",
        }
    }

    /// The runtime called `name`.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Auto, Self::Native, Self::NativeIpvlan, Self::Docker, Self::Loopback].into_iter().find(|k| k.name() == name)
    }
}

/// The network a fleet stands on, settled at the first deploy and kept in the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    pub subnet: Ipv4Net,
    pub subnet6: Option<Ipv6Net>,
    pub gateway: Option<Ipv4Addr>,
    pub gateway6: Option<Ipv6Addr>,
    /// The real interface the deckies share; `None` on a private bridge and on loopback.
    pub interface: Option<String>,
    /// Addresses of the network that are not for deckies (host, gateway).
    pub used: Vec<IpAddr>,
}

/// One decky to place.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Name of its namespace and of its link on the host.
    pub link: String,
    pub persona: Arc<Persona>,
    /// Sockets to open, by service.
    pub ports: Vec<(String, Port)>,
    /// All UDP ports it answers on, those already open included.
    pub udp: Vec<u16>,
}

/// A decky that stands.
#[derive(Debug)]
pub struct Placed {
    pub doors: Vec<Arc<Door>>,
    /// What an operator should know, such as shifted ports.
    pub notes: Vec<String>,
}

/// What is there under a link name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub link: String,
    /// Namespace and link are there and lead somewhere.
    pub standing: bool,
    /// At least its namespace is there, with the sockets opened in it.
    pub there: bool,
}

/// What a command in a decky's namespace gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// A way to place deckies.
#[async_trait]
pub trait Runtime: Send + Sync {
    fn kind(&self) -> RuntimeKind;

    /// Who answers behind its sockets, if the runtime brings somebody; else one `decoy` process does for all.
    fn face(&self) -> Option<Arc<dyn Face>> {
        None
    }

    /// Settles and prepares the network; again for what is there already. `known` is what an earlier run settled.
    async fn ground(&self, wanted: &Network, known: Option<&Ground>) -> Result<Ground, Error>;

    /// Those of `addresses` that somebody on the network answers for.
    async fn occupied(&self, ground: &Ground, addresses: &[IpAddr]) -> Result<HashSet<IpAddr>, Error>;

    /// Places deckies, or completes those that stand. One result per spot, in order.
    async fn place(&self, ground: &Ground, spots: Vec<Spot>) -> Vec<Result<Placed, Error>>;

    /// What stands of `spots`, in order; looks only.
    async fn inspect(&self, ground: &Ground, links: &[String]) -> Result<Vec<Found>, Error>;

    /// Runs a command inside a decky's namespace, for operators and trials.
    async fn exec(&self, link: &str, command: Vec<String>) -> Result<Ran, Error>;

    /// Takes deckies away. Their doors must have been dropped before.
    /// Without a ground: whatever is left of them, however it came to be.
    async fn remove(&self, ground: Option<&Ground>, spots: Vec<(String, Vec<IpAddr>)>) -> Result<(), Error>;

    /// How many connections each of these has now, in order; looks only.
    async fn visitors(&self, spots: &[(String, Vec<IpAddr>)]) -> Result<Vec<usize>, Error>;

    /// Names of all links of this fleet that exist, whoever left them.
    async fn stranded(&self) -> Result<Vec<String>, Error>;

    /// Takes the network away once no decky is left.
    async fn clear(&self, ground: &Ground) -> Result<(), Error>;
}

/// Opens the runtime that `settings` name. `tag` (4 hex digits) marks what belongs to this fleet.
pub(crate) fn open(settings: &Settings, tag: &str) -> Result<Arc<dyn Runtime>, Error> {
    let (kind, secret, interface) = (settings.runtime, &settings.secret, settings.interface.clone());
    let able = native::able();
    match kind {
        RuntimeKind::Loopback => Ok(Arc::new(loopback::Loopback::new(secret))),
        RuntimeKind::Auto if able.is_err() && interface.is_none() => Ok(Arc::new(loopback::Loopback::new(secret))),
        RuntimeKind::Docker => {
            able?;
            Ok(Arc::new(docker::Docker::new(tag, settings)?))
        }
        RuntimeKind::Auto | RuntimeKind::Native | RuntimeKind::NativeIpvlan => {
            able?;
            Ok(Arc::new(native::Native::new(tag, secret, interface, kind == RuntimeKind::NativeIpvlan)?))
        }
    }
}
