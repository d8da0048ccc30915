//! The lab: six deckies of different archetypes, raised on the first start.

use crate::{Catalogue, Plan, Planned, PlannedService, archetypes};

/// Name, archetype and services of the deckies of the lab.
const LAB: &[(&str, &str, &[&str])] = &[
    ("lab-linux", "linux-server", &["ssh", "http", "https"]),
    ("lab-web", "web-server", &["http", "https", "ftp"]),
    ("lab-db", "database-server", &["mysql", "redis", "ssh"]),
    ("lab-mail", "mail-server", &["smtp", "ssh"]),
    ("lab-files", "file-server", &["ftp", "ssh"]),
    ("lab-device", "iot-device", &["telnet", "http"]),
];

impl Plan {
    /// The lab, with the services that this build can play. The network is chosen by the runtime.
    pub fn lab() -> Self {
        Self::lab_of(Catalogue::live())
    }

    /// The lab as `catalogue` can play it.
    pub fn lab_of(catalogue: Catalogue) -> Self {
        let deckies = LAB
            .iter()
            .filter_map(|(name, slug, services)| {
                let archetype = archetypes::find(slug)?;
                let mut decky = Planned::of_archetype(name, archetype, catalogue);
                decky.services = services.iter().filter(|s| catalogue.find(s).is_some()).map(|s| PlannedService::plain(s)).collect();
                (!decky.services.is_empty()).then_some(decky)
            })
            .collect();
        Self { deckies, ..Self::default() }
    }
}
