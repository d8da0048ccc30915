//! The decoys that can be placed, and the services the product knows by name.

use decoys::{Decoy, Door, Speaks};

/// Every service name the configuration grammar knows. Those without a decoy in this build are refused
/// with a reason of their own instead of "unknown".
pub const KNOWN: &[&str] = &[
    "conpot",
    "dns",
    "docker_api",
    "elasticsearch",
    "ftp",
    "http",
    "https",
    "imap",
    "k8s",
    "ldap",
    "llmnr",
    "mongodb",
    "mqtt",
    "mssql",
    "mysql",
    "pop3",
    "postgres",
    "rdp",
    "redis",
    "sip",
    "smb",
    "smtp",
    "smtp_relay",
    "sniffer",
    "snmp",
    "ssh",
    "telnet",
    "tftp",
    "vnc",
];

/// The table of decoys a plan is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue(&'static [&'static Decoy]);

impl Catalogue {
    /// The decoys of this build.
    pub fn live() -> Self {
        Self(decoys::ALL)
    }

    /// A table of one's own, for tests.
    pub fn of(decoys: &'static [&'static Decoy]) -> Self {
        Self(decoys)
    }

    /// The decoy called `name`.
    pub fn find(self, name: &str) -> Option<&'static Decoy> {
        self.0.iter().find(|d| d.name == name).copied()
    }

    /// Names of all decoys, as the table orders them.
    pub fn names(self) -> Vec<&'static str> {
        self.0.iter().map(|d| d.name).collect()
    }
}

/// One socket that a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// TCP, plain.
    Tcp(u16),
    /// TCP, TLS from the first byte.
    Tls(u16),
    Udp(u16),
    /// So many TCP sockets on ports the kernel chooses.
    Side(u8),
}

impl Port {
    /// The fixed port number, if it has one, and whether it is UDP.
    pub fn fixed(self) -> Option<(u16, bool)> {
        match self {
            Self::Tcp(port) | Self::Tls(port) => Some((port, false)),
            Self::Udp(port) => Some((port, true)),
            Self::Side(_) => None,
        }
    }
}

/// The sockets `decoy` needs, in the order of its table.
pub fn ports(decoy: &Decoy) -> Vec<Port> {
    decoy
        .speaks
        .iter()
        .flat_map(|speaks| match speaks {
            Speaks::Stream(doors, _) => doors
                .iter()
                .map(|door| match *door {
                    Door::Plain(port) => Port::Tcp(port),
                    Door::Tls(port) => Port::Tls(port),
                    Door::Side(count) => Port::Side(count),
                })
                .collect::<Vec<_>>(),
            Speaks::Datagram(ports, _) => ports.iter().map(|&port| Port::Udp(port)).collect(),
        })
        .collect()
}
