//! The kinds of machine a decky can be: which services, which distributions, which TCP/IP family.

use model::OsFamily;

use crate::Catalogue;

/// A kind of machine.
#[derive(Debug)]
pub struct Archetype {
    pub slug: &'static str,
    /// What an operator reads in the catalogue.
    pub title: &'static str,
    /// Services such a machine offers; those without a decoy in this build are left out of a plan.
    pub services: &'static [&'static str],
    /// Slugs of distributions to choose from.
    pub distros: &'static [&'static str],
    pub os: OsFamily,
    /// Stems of host names for this role.
    pub roles: &'static [&'static str],
    pub hardware: Hardware,
}

/// What such a machine is made of; decides the vendor prefix of its MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    Server,
    Desktop,
    Storage,
    Printer,
    Device,
    Controller,
    Phone,
}

macro_rules! archetype {
    ($slug:literal, $title:literal, [$($s:literal),*], [$($d:literal),*], $os:ident, [$($r:literal),*], $hw:ident) => {
        Archetype { slug: $slug, title: $title, services: &[$($s),*], distros: &[$($d),*], os: OsFamily::$os, roles: &[$($r),*], hardware: Hardware::$hw }
    };
}

/// All archetypes.
pub static ALL: &[Archetype] = &[
    archetype!(
        "windows-workstation",
        "Windows workstation",
        ["smb", "rdp"],
        ["debian", "ubuntu22"],
        Windows,
        ["pc", "ws", "desk"],
        Desktop
    ),
    archetype!(
        "windows-server",
        "Windows member server",
        ["smb", "rdp", "ldap"],
        ["debian", "ubuntu22"],
        WindowsServer,
        ["srv", "win"],
        Server
    ),
    archetype!(
        "domain-controller",
        "Active Directory domain controller",
        ["ldap", "smb", "rdp", "llmnr"],
        ["debian", "ubuntu22"],
        WindowsServer,
        ["dc", "ad"],
        Server
    ),
    archetype!(
        "linux-server",
        "General purpose Linux server",
        ["ssh", "http"],
        ["debian", "ubuntu22", "rocky9", "fedora"],
        Linux,
        ["app", "srv", "util", "appsrv"],
        Server
    ),
    archetype!(
        "web-server",
        "Web server with file upload",
        ["http", "ftp"],
        ["debian", "ubuntu22", "ubuntu20"],
        Linux,
        ["web", "www", "web-prod", "intranet"],
        Server
    ),
    archetype!(
        "database-server",
        "Database server",
        ["mysql", "postgres", "redis"],
        ["debian", "ubuntu22"],
        Linux,
        ["db", "sql", "db-prod", "data"],
        Server
    ),
    archetype!("mail-server", "Mail server", ["smtp", "pop3", "imap"], ["debian", "ubuntu22"], Linux, ["mail", "mx", "smtp"], Server),
    archetype!(
        "file-server",
        "File server",
        ["smb", "ftp", "ssh"],
        ["debian", "ubuntu22", "rocky9"],
        Linux,
        ["fs", "files", "nas", "backup"],
        Storage
    ),
    archetype!("printer", "Network printer", ["snmp", "ftp"], ["alpine", "debian"], Embedded, ["prn", "print", "mfp"], Printer),
    archetype!(
        "iot-device",
        "Small network device",
        ["mqtt", "snmp", "telnet"],
        ["alpine"],
        Embedded,
        ["cam", "gw", "sensor", "iot"],
        Device
    ),
    archetype!("industrial-control", "Industrial controller", ["conpot", "snmp"], ["debian"], Embedded, ["plc", "hmi", "rtu"], Controller),
    archetype!("voip-server", "Telephone exchange", ["sip"], ["debian", "ubuntu22"], Linux, ["pbx", "voip", "sip"], Phone),
    archetype!(
        "monitoring-node",
        "Monitoring server",
        ["snmp", "ssh"],
        ["debian", "rocky9"],
        Linux,
        ["mon", "nagios", "zabbix", "grafana"],
        Server
    ),
    archetype!(
        "devops-host",
        "Build and container host",
        ["docker_api", "ssh", "k8s"],
        ["ubuntu22", "debian"],
        Linux,
        ["build", "ci", "docker", "runner"],
        Server
    ),
    archetype!(
        "deaddeck",
        "Jump host, the way in from outside",
        ["ssh"],
        ["debian", "ubuntu22"],
        Linux,
        ["jump", "bastion", "edge"],
        Server
    ),
];

/// The archetype called `slug`.
pub fn find(slug: &str) -> Option<&'static Archetype> {
    ALL.iter().find(|a| a.slug == slug)
}

/// All slugs.
pub fn slugs() -> Vec<&'static str> {
    ALL.iter().map(|a| a.slug).collect()
}

impl Archetype {
    /// Its services split into those `catalogue` can play and those it leaves out, with the reason.
    pub fn playable(&self, catalogue: Catalogue) -> (Vec<&'static str>, Vec<(&'static str, &'static str)>) {
        let (yes, no): (Vec<&str>, Vec<&str>) = self.services.iter().partition(|s| catalogue.find(s).is_some());
        (yes, no.into_iter().map(|s| (s, NO_DECOY)).collect())
    }

    /// Whether at least one of its services can be played.
    pub fn usable(&self, catalogue: Catalogue) -> bool {
        self.services.iter().any(|s| catalogue.find(s).is_some())
    }
}

/// Why a service of an archetype is left out of a plan.
pub const NO_DECOY: &str = "no decoy of this build plays it";

#[cfg(test)]
mod tests {
    #[test]
    fn every_archetype_names_known_services_and_distros() {
        for a in super::ALL {
            assert!(a.services.iter().all(|s| crate::catalogue::KNOWN.contains(s)), "{}", a.slug);
            assert!(!a.distros.is_empty() && a.distros.iter().all(|d| crate::distros::find(d).is_some()), "{}", a.slug);
        }
    }
}
