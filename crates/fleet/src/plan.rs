//! What should exist: a checked plan, the same whatever form it was written in.

use ipnet::{Ipv4Net, Ipv6Net};
use model::OsFamily;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use crate::{Catalogue, ConfigError, archetypes, config, os};

/// Most deckies in one plan.
pub const MOST_DECKIES: usize = 1024;

/// What should exist on one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub network: Network,
    pub deckies: Vec<Planned>,
    /// Things an operator should know that are not errors.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Where the deckies stand. What is not given is taken from the interface, or chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub interface: Option<String>,
    pub subnet: Option<Ipv4Net>,
    pub subnet6: Option<Ipv6Net>,
    pub gateway: Option<Ipv4Addr>,
    /// Addresses never given to a decky.
    #[serde(default)]
    pub reserved: Vec<IpAddr>,
}

/// One decky that should exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub name: String,
    /// Slug of its archetype.
    pub archetype: String,
    /// The archetype was not asked for but concluded from the services; a decky that stands keeps its own.
    #[serde(default)]
    pub concluded: bool,
    pub services: Vec<PlannedService>,
    /// Services of the archetype that are left out, each with the reason.
    #[serde(default)]
    pub left_out: Vec<(String, String)>,
    /// Slug of its distribution; `None`: one of the archetype's pool.
    pub distro: Option<String>,
    pub os: OsFamily,
    pub ip: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    /// Minutes between mutations.
    pub mutate_interval: Option<u32>,
}

/// One service that a decky should offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedService {
    pub name: String,
    /// Checked against the decoy's knobs.
    #[serde(default)]
    pub knobs: BTreeMap<String, String>,
}

impl Plan {
    /// Reads a TOML or INI file (by its suffix, else by its looks) and checks it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        config::read(path.as_ref(), Catalogue::live())
    }

    /// Checks `text`; `file` is only for messages and the choice of the form.
    pub fn parse(text: &str, file: &Path, catalogue: Catalogue) -> Result<Self, ConfigError> {
        config::parse(text, file, catalogue)
    }

    /// The plan as a table for people.
    pub fn table(&self) -> Table {
        let rows = self
            .deckies
            .iter()
            .map(|d| {
                vec![
                    d.name.clone(),
                    d.archetype.clone(),
                    d.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(","),
                    d.distro.clone().unwrap_or_else(|| "(of the archetype)".into()),
                    os::name(d.os).into(),
                    d.ip.map_or_else(|| "(next free)".into(), |ip| ip.to_string()),
                    d.left_out.iter().map(|(s, why)| format!("{s}: {why}")).collect::<Vec<_>>().join("; "),
                ]
            })
            .collect();
        Table { headers: vec!["DECKY", "ARCHETYPE", "SERVICES", "DISTRO", "OS", "ADDRESS", "LEFT OUT"], rows }
    }
}

impl Planned {
    /// A decky of `archetype` with all of its services that `catalogue` can play.
    pub fn of_archetype(name: &str, archetype: &'static archetypes::Archetype, catalogue: Catalogue) -> Self {
        let (services, left_out) = archetype.playable(catalogue);
        Self {
            name: name.into(),
            archetype: archetype.slug.into(),
            concluded: false,
            services: services.into_iter().map(PlannedService::plain).collect(),
            left_out: left_out.into_iter().map(|(s, why)| (s.into(), why.into())).collect(),
            distro: None,
            os: archetype.os,
            ip: None,
            ipv6: None,
            mutate_interval: None,
        }
    }
}

impl PlannedService {
    /// The service without any knob set.
    pub fn plain(name: &str) -> Self {
        Self { name: name.into(), knobs: BTreeMap::new() }
    }
}

/// A table for a terminal; `Display` aligns the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    pub headers: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: Vec<String> = self.headers.iter().map(|h| (*h).to_owned()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for line in lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
