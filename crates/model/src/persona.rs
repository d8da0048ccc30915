//! One machine, one story. A persona is generated once per decky and every service reads it, so two
//! services of one decky never contradict each other and two deckies share nothing.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::{DeckyId, Micros};

/// The TCP/IP family a decky's stack answers as (`nmap_os` in the configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OsFamily {
    Linux,
    Windows,
    WindowsServer,
    Bsd,
    Embedded,
    Cisco,
}

/// The distribution a decky says it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distro {
    /// Slug of the distro table: `debian`, `ubuntu22`, `alpine`, …
    pub slug: String,
    /// `ID=` of os-release: `debian`.
    pub id: String,
    /// `NAME=`: `Debian GNU/Linux`.
    pub name: String,
    /// `VERSION_ID=`: `12`. Empty for rolling releases.
    pub version_id: String,
    /// `VERSION_CODENAME=`: `bookworm`. May be empty.
    pub codename: String,
    /// `PRETTY_NAME=`: `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
    /// `uname -r`: `6.1.0-28-amd64`.
    pub kernel_release: String,
    /// `uname -v`: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)`.
    pub kernel_version: String,
    /// `uname -m`: `x86_64`.
    pub machine: String,
}

/// A user account of the decky.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub gecos: String,
    pub home: String,
    pub shell: String,
    /// The one password that opens this account; `None` = no login by password.
    pub password: Option<String>,
    /// Member of the group that may use sudo.
    pub sudo: bool,
}

/// A product and version that the decky imitates for one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Software {
    /// `OpenSSH`, `Apache`, `vsFTPd`, `Postfix`, `Redis`, `MariaDB`, …
    pub product: String,
    /// Upstream version as the product prints it: `9.2p1`, `2.4.62`, `3.0.3`.
    pub version: String,
    /// The distribution's package revision if the product shows it: `Debian-2+deb12u3`. May be empty.
    pub package: String,
}

/// One service that the decky offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Slug from the decoy table: `ssh`.
    pub name: String,
    /// Knobs set by the operator, checked against the decoy's table before they come here.
    #[serde(default)]
    pub knobs: BTreeMap<String, String>,
    /// What it imitates.
    pub software: Software,
}

/// Everything a decky says about itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persona {
    pub decky: DeckyId,
    /// Short host name: `fileserv02`. Never the decky's internal name.
    pub hostname: String,
    /// DNS domain of the site: `corp.kestrel-logistics.com`.
    pub domain: String,
    /// Name of the organisation the machine belongs to.
    pub company: String,
    pub archetype: String,
    pub os: OsFamily,
    pub distro: Distro,
    /// When the machine says it booted; uptime, sysUpTime and TCP timestamps follow from it.
    pub booted: Micros,
    /// When the machine says it was installed; file and certificate dates start here.
    pub installed: Micros,
    /// IANA time zone, e.g. `Europe/Madrid`.
    pub timezone: String,
    /// MAC address in lower-case colon form, vendor prefix fitting the archetype.
    pub mac: String,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Vec<Ipv6Addr>,
    /// Prefix length of `ipv4`.
    pub ipv4_prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    /// Accounts, `root` first.
    pub accounts: Vec<Account>,
    pub services: Vec<Service>,
    /// Secret of this decky alone, derived from the deployment secret. Every key, salt, id and
    /// generated phrase of the decky derives from it; see [`Persona::derive_label`].
    pub seed: [u8; 32],
}

impl Persona {
    /// Host name and domain joined: `fileserv02.corp.example.com`.
    pub fn fqdn(&self) -> String {
        if self.domain.is_empty() { self.hostname.clone() } else { format!("{}.{}", self.hostname, self.domain) }
    }

    /// The account `name`, if it exists.
    pub fn account(&self, name: &[u8]) -> Option<&Account> {
        self.accounts.iter().find(|a| a.name.as_bytes() == name)
    }

    /// The service `name`, if the decky offers it.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.name == name)
    }

    /// The label to hash with [`Persona::seed`] when deriving material for one purpose:
    /// `HMAC-SHA256(seed, "decnet/v1/" + purpose)`. Keyed hashing itself lives with its users.
    pub fn derive_label(purpose: &str) -> String {
        format!("decnet/v1/{purpose}")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona")
            .field("decky", &self.decky)
            .field("hostname", &self.hostname)
            .field("archetype", &self.archetype)
            .finish_non_exhaustive()
    }
}
