//! Everything that can be wrong with a plan, said in one sentence each.

use decoys::{Knob, KnobKind};
use ipnet::{Ipv4Net, Ipv6Net};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::{
    ConfigError,
    raw::{Entry, Form, Knobs, Raw, Section, Value},
};
use crate::{
    Catalogue, Network, Plan, Planned, PlannedService, archetypes,
    catalogue::{KNOWN, ports},
    distros, os,
    plan::MOST_DECKIES,
};

/// Most deckies that one section may stand for.
const MOST_OF_A_GROUP: i64 = 100;
/// Longest name of a decky.
const LONGEST_NAME: usize = 128;
/// Most minutes between mutations: a year.
const LONGEST_INTERVAL: i64 = 525_600;

/// Checks `raw` and makes the plan.
pub(super) fn check(raw: Raw, file: &Path, catalogue: Catalogue) -> Result<Plan, ConfigError> {
    let check = Check { file, catalogue, form: raw.form };
    let (network, interval) = check.network(raw.network.as_ref())?;
    if raw.deckies.is_empty() {
        return Err(check.at(
            0,
            "",
            "names no decky",
            if raw.form == Form::Ini { "at least one [NAME] section" } else { "at least one [decky.NAME] table" },
        ));
    }
    let mut deckies: Vec<(Planned, u32)> = Vec::new();
    let mut names: HashMap<String, u32> = HashMap::new();
    let mut addresses: HashMap<IpAddr, String> = HashMap::new();
    let mut warnings = Vec::new();
    let mut used = HashSet::new();
    for section in &raw.deckies {
        let first = deckies.len();
        for decky in check.section(section, interval)? {
            if let Some(line) = names.insert(decky.name.clone(), section.line) {
                return Err(check.at(section.line, &decky.name, &format!("the name is already taken by line {line}"), "names that differ"));
            }
            deckies.push((decky, section.line));
        }
        if deckies.len() > MOST_DECKIES {
            return Err(check.at(
                section.line,
                &section.name,
                &format!("makes {} deckies", deckies.len()),
                &format!("at most {MOST_DECKIES} in one plan"),
            ));
        }
        for (decky, _) in deckies.iter_mut().skip(first) {
            for (index, knobs) in raw.knobs.iter().enumerate() {
                if applies(&knobs.owner, &decky.name, &section.name) {
                    used.insert(index);
                    check.knobs(knobs, decky)?;
                }
            }
            check.addresses(section, decky, &network, &mut addresses)?;
            check.doors(section, decky)?;
            for (service, why) in &decky.left_out {
                warnings.push(format!("{}: {service} of archetype {} is left out: {why}", decky.name, decky.archetype));
            }
        }
    }
    for (index, knobs) in raw.knobs.iter().enumerate() {
        if !used.contains(&index) {
            warnings.push(format!(
                "{}:{}: [{}.{}] belongs to no decky and is ignored",
                file.display(),
                knobs.line,
                knobs.owner,
                knobs.service
            ));
        }
    }
    Ok(Plan { network, deckies: deckies.into_iter().map(|(d, _)| d).collect(), warnings })
}

/// Whether a `[owner.service]` section speaks of `decky` made by `section`: the decky itself, the section
/// it was made by, or a member `<owner>-NN` of that group.
fn applies(owner: &str, decky: &str, section: &str) -> bool {
    owner == decky
        || owner == section
        || decky
            .strip_prefix(owner)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|number| number.len() >= 2 && number.bytes().all(|b| b.is_ascii_digit()))
}

struct Check<'a> {
    file: &'a Path,
    catalogue: Catalogue,
    form: Form,
}

impl Check<'_> {
    fn at(&self, line: u32, key: &str, message: &str, allowed: &str) -> ConfigError {
        ConfigError::new(self.file, line, key, message, allowed)
    }

    fn bad(&self, section: &str, entry: &Entry, message: &str, allowed: &str) -> ConfigError {
        self.at(entry.line, &format!("{section}.{}", entry.key), &format!("`{}` {message}", entry.shown()), allowed)
    }

    fn network(&self, section: Option<&Section>) -> Result<(Network, Option<u32>), ConfigError> {
        let mut network = Network::default();
        let mut interval = None;
        let Some(section) = section else {
            return Ok((network, None));
        };
        let name = section.name.as_str();
        let mut gateway_entry = None;
        for entry in &section.entries {
            let bad = |message: &str, allowed: &str| self.bad(name, entry, message, allowed);
            let text = entry.text().unwrap_or_default();
            match (self.form, entry.key.as_str()) {
                (Form::Ini, "net") | (Form::Toml, "subnet") => {
                    let net: Ipv4Net = text.parse().map_err(|_| bad("is not an IPv4 network", "a.b.c.d/8 to a.b.c.d/29"))?;
                    if !(8..=29).contains(&net.prefix_len()) {
                        return Err(bad("is too large or too small", "a.b.c.d/8 to a.b.c.d/29"));
                    }
                    network.subnet = Some(net.trunc());
                }
                (Form::Toml, "subnet6") => {
                    let net: Ipv6Net = text.parse().map_err(|_| bad("is not an IPv6 network", "xxxx::/64"))?;
                    if net.prefix_len() != 64 {
                        return Err(bad("is not a /64", "xxxx::/64"));
                    }
                    network.subnet6 = Some(net.trunc());
                }
                (Form::Ini, "gw") | (Form::Toml, "gateway") => {
                    network.gateway = Some(text.parse().map_err(|_| bad("is not an IPv4 address", "a.b.c.d"))?);
                    gateway_entry = Some(entry);
                }
                (_, "interface") => {
                    if text.is_empty() || text.len() > 15 || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
                        return Err(bad("is not the name of an interface", "1 to 15 characters, such as eth0"));
                    }
                    network.interface = Some(text);
                }
                (Form::Toml, "reserved") => {
                    let items = entry.list().ok_or_else(|| bad("is not a list", "[\"a.b.c.d\", …]"))?;
                    for item in items {
                        network.reserved.push(
                            item.parse().map_err(|_| bad(&format!("has `{item}`, which is not an address"), "IPv4 or IPv6 addresses"))?,
                        );
                    }
                }
                (_, "mutate_interval" | "mutate-interval") => interval = Some(self.interval(name, entry)?),
                (Form::Ini, _) => {
                    return Err(self.at(
                        entry.line,
                        &format!("{name}.{}", entry.key),
                        "unknown key",
                        "net, gw, interface, mutate_interval",
                    ));
                }
                (Form::Toml, _) => {
                    return Err(self.at(
                        entry.line,
                        &format!("{name}.{}", entry.key),
                        "unknown key",
                        "subnet, subnet6, gateway, interface, reserved, mutate_interval",
                    ));
                }
            }
        }
        if let (Some(net), Some(gateway), Some(entry)) = (network.subnet, network.gateway, gateway_entry)
            && !host_of(net, gateway)
        {
            return Err(self.bad(name, entry, "is not a host address of the network", &format!("an address of {net}")));
        }
        Ok((network, interval))
    }

    fn interval(&self, section: &str, entry: &Entry) -> Result<u32, ConfigError> {
        entry
            .number()
            .filter(|n| (1..=LONGEST_INTERVAL).contains(n))
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| self.bad(section, entry, "is not a number of minutes", "1 to 525600"))
    }

    /// The deckies one section stands for.
    fn section(&self, section: &Section, interval: Option<u32>) -> Result<Vec<Planned>, ConfigError> {
        let name = section.name.as_str();
        self.name(section.line, name)?;
        let mut draft = Draft { interval, ..Draft::default() };
        for entry in &section.entries {
            self.key(name, entry, &mut draft)?;
        }
        let archetype = self.archetype(section, &draft)?;
        let mut one = Planned::of_archetype(name, archetype, self.catalogue);
        if let Some(services) = draft.services.filter(|s| !s.is_empty()) {
            one.services = services.iter().map(|s| PlannedService::plain(s)).collect();
            one.left_out.clear();
        }
        one.concluded = draft.archetype.is_none();
        one.distro = draft.distro;
        one.os = draft.os.unwrap_or(archetype.os);
        one.ip = draft.ip;
        one.ipv6 = draft.ipv6;
        one.mutate_interval = draft.interval;
        if draft.amount <= 1 {
            return Ok(vec![one]);
        }
        if let Some(entry) = section.entries.iter().find(|e| e.key == "ip" || e.key == "ipv6") {
            return Err(self.bad(name, entry, "cannot be given to a group", "no ip and no ipv6 where amount is more than 1"));
        }
        let members: Vec<Planned> = (1..=draft.amount).map(|n| Planned { name: format!("{name}-{n:02}"), ..one.clone() }).collect();
        if let Some(last) = members.last() {
            self.name(section.line, &last.name)?;
        }
        Ok(members)
    }

    fn key(&self, name: &str, entry: &Entry, draft: &mut Draft) -> Result<(), ConfigError> {
        let bad = |message: &str, allowed: &str| self.bad(name, entry, message, allowed);
        let text = || entry.text().filter(|t| !t.is_empty()).ok_or_else(|| bad("is not text", "one word"));
        match entry.key.as_str() {
            "ip" => draft.ip = Some(text()?.parse().map_err(|_| bad("is not an IPv4 address", "a.b.c.d"))?),
            "ipv6" if self.form == Form::Toml => {
                draft.ipv6 = Some(text()?.parse().map_err(|_| bad("is not an IPv6 address", "xxxx::xxxx"))?)
            }
            "services" => {
                let services = entry.list().ok_or_else(|| bad("is not a list of services", &self.catalogue.names().join(", ")))?;
                let mut seen = HashSet::new();
                for service in &services {
                    self.service(name, entry, service)?;
                    if !seen.insert(service) {
                        return Err(bad(&format!("names {service} twice"), "each service once"));
                    }
                }
                draft.services = Some(services);
            }
            "archetype" => {
                let slug = text()?;
                draft.archetype = Some(archetypes::find(&slug).ok_or_else(|| bad("is not an archetype", &archetypes::slugs().join(", ")))?);
            }
            "distro" => {
                let slug = text()?;
                distros::find(&slug).ok_or_else(|| bad("is not a distribution", &distros::slugs().join(", ")))?;
                draft.distro = Some(slug);
            }
            "nmap_os" | "nmap-os" => {
                draft.os = Some(os::find(&text()?).ok_or_else(|| bad("is not an operating system family", &os::NAMES.join(", ")))?)
            }
            "mutate_interval" | "mutate-interval" => draft.interval = Some(self.interval(name, entry)?),
            "amount" => {
                draft.amount = entry
                    .number()
                    .filter(|n| (1..=MOST_OF_A_GROUP).contains(n))
                    .ok_or_else(|| bad("is not a number of deckies", "1 to 100"))?;
            }
            key => {
                let allowed = match self.form {
                    Form::Ini => "ip, services, archetype, distro, nmap_os, mutate_interval, amount",
                    Form::Toml => "ip, ipv6, services, archetype, distro, nmap_os, mutate_interval, amount, or a table of a service",
                };
                return Err(self.at(entry.line, &format!("{name}.{key}"), "unknown key", allowed));
            }
        }
        Ok(())
    }

    fn service(&self, name: &str, entry: &Entry, service: &str) -> Result<(), ConfigError> {
        if self.catalogue.find(service).is_some() {
            return Ok(());
        }
        let message = if KNOWN.contains(&service) { "has no decoy in this build" } else { "is not a service" };
        Err(self.at(entry.line, &format!("{name}.{}", entry.key), &format!("`{service}` {message}"), &self.catalogue.names().join(", ")))
    }

    fn name(&self, line: u32, name: &str) -> Result<(), ConfigError> {
        let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits && (1..=LONGEST_NAME).contains(&name.len()) && !name.bytes().all(|b| b == b'.') {
            return Ok(());
        }
        Err(self.at(line, name, "is not a name for a decky", "1 to 128 letters, digits, `-`, `_` and `.`"))
    }

    /// The archetype asked for; without one, that whose services come closest to those asked for.
    fn archetype(&self, section: &Section, draft: &Draft) -> Result<&'static archetypes::Archetype, ConfigError> {
        let asked = draft.services.as_deref().unwrap_or(&[]);
        if let Some(archetype) = draft.archetype {
            if asked.is_empty() && !archetype.usable(self.catalogue) {
                let usable: Vec<&str> = archetypes::ALL.iter().filter(|a| a.usable(self.catalogue)).map(|a| a.slug).collect();
                let line = section.entries.iter().find(|e| e.key == "archetype").map_or(section.line, |e| e.line);
                let message =
                    format!("`{}` has only services without a decoy in this build ({})", archetype.slug, archetype.services.join(", "));
                return Err(self.at(
                    line,
                    &format!("{}.archetype", section.name),
                    &message,
                    &format!("{}, or give services", usable.join(", ")),
                ));
            }
            return Ok(archetype);
        }
        let chosen = if asked.is_empty() {
            // Nothing is asked for: any kind that can be played, always the same one for this name.
            let usable: Vec<_> = archetypes::ALL.iter().filter(|a| a.usable(self.catalogue)).collect();
            let sum = section.name.bytes().fold(0_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
            usable.get(sum.checked_rem(usable.len()).unwrap_or(0)).copied()
        } else {
            let score = |a: &archetypes::Archetype| {
                let hits = a.services.iter().filter(|s| asked.iter().any(|x| x == *s)).count();
                (hits * 100).saturating_sub(a.services.len())
            };
            archetypes::ALL.iter().filter(|a| score(a) > 0).max_by_key(|a| score(a)).or_else(|| archetypes::find("linux-server"))
        };
        chosen.ok_or_else(|| self.at(section.line, &section.name, "has no services and this build has no decoys", ""))
    }

    fn knobs(&self, knobs: &Knobs, decky: &mut Planned) -> Result<(), ConfigError> {
        let section = format!("{}.{}", knobs.owner, knobs.service);
        let offered: Vec<String> = decky.services.iter().map(|s| s.name.clone()).collect();
        let Some(decoy) = self.catalogue.find(&knobs.service) else {
            let message = if KNOWN.contains(&knobs.service.as_str()) { "has no decoy in this build" } else { "is not a service" };
            return Err(self.at(knobs.line, &section, &format!("`{}` {message}", knobs.service), &self.catalogue.names().join(", ")));
        };
        let Some(service) = decky.services.iter_mut().find(|s| s.name == knobs.service) else {
            return Err(self.at(knobs.line, &section, &format!("{} does not offer {}", decky.name, knobs.service), &offered.join(", ")));
        };
        for entry in &knobs.entries {
            let Some(knob) = decoy.knobs.iter().find(|k| k.name == entry.key) else {
                let names: Vec<&str> = decoy.knobs.iter().map(|k| k.name).collect();
                let allowed = if names.is_empty() { format!("{} has no settings", knobs.service) } else { names.join(", ") };
                return Err(self.at(entry.line, &format!("{section}.{}", entry.key), "unknown key", &allowed));
            };
            if let Some(value) = self.knob(&section, entry, knob)? {
                service.knobs.insert(entry.key.clone(), value);
            }
        }
        Ok(())
    }

    /// The value of a knob in its one spelling; `None` for an empty one, which sets nothing.
    fn knob(&self, section: &str, entry: &Entry, knob: &Knob) -> Result<Option<String>, ConfigError> {
        let bad = |message: &str, allowed: &str| self.bad(section, entry, message, allowed);
        let secret =
            |allowed: &str| self.at(entry.line, &format!("{section}.{}", entry.key), "is not a password that can be used", allowed);
        let Some(text) = entry.text() else {
            return Err(bad("is not a plain value", "text, a number or true/false"));
        };
        if text.is_empty() {
            return Ok(None);
        }
        let clean = text.len() <= 256 && !text.chars().any(char::is_control);
        match knob.kind {
            KnobKind::Text if clean => Ok(Some(text)),
            KnobKind::Text => Err(bad("is too long or has control characters", "at most 256 bytes of text")),
            KnobKind::Password if clean => Ok(Some(text)),
            KnobKind::Password => Err(secret("at most 256 bytes without control characters")),
            KnobKind::Number(low, high) => match entry.number() {
                Some(number) if (low..=high).contains(&number) => Ok(Some(number.to_string())),
                _ => Err(bad("is not such a number", &format!("{low} to {high}"))),
            },
            KnobKind::Flag => match (&entry.value, text.to_ascii_lowercase().as_str()) {
                (Value::Flag(true), _) | (_, "true" | "1" | "yes" | "on") => Ok(Some("true".into())),
                (Value::Flag(false), _) | (_, "false" | "0" | "no" | "off") => Ok(Some("false".into())),
                _ => Err(bad("is neither yes nor no", "true, false")),
            },
            KnobKind::OneOf(choices) if choices.contains(&text.as_str()) => Ok(Some(text)),
            KnobKind::OneOf(choices) => Err(bad("is not a choice", &choices.join(", "))),
        }
    }

    fn addresses(
        &self,
        section: &Section,
        decky: &Planned,
        network: &Network,
        taken: &mut HashMap<IpAddr, String>,
    ) -> Result<(), ConfigError> {
        let line = |key: &str| section.entries.iter().find(|e| e.key == key).map_or(section.line, |e| e.line);
        if let Some(ip) = decky.ip {
            let fail = |message: String, allowed: &str| Err(self.at(line("ip"), &format!("{}.ip", section.name), &message, allowed));
            if network.gateway == Some(ip) {
                return fail(format!("{ip} is the gateway"), "an address nobody else has");
            }
            if network.reserved.contains(&ip.into()) {
                return fail(format!("{ip} is reserved"), "an address nobody else has");
            }
            if let Some(net) = network.subnet
                && !host_of(net, ip)
            {
                return fail(format!("{ip} is not a host address of {net}"), &format!("an address of {net}"));
            }
            if !usable_v4(ip) {
                return fail(format!("{ip} is not an address of a host"), "a unicast address");
            }
            if let Some(owner) = taken.insert(ip.into(), decky.name.clone()) {
                return fail(format!("{ip} is already the address of {owner}"), "an address nobody else has");
            }
        }
        if let Some(ip) = decky.ipv6 {
            let fail = |message: String, allowed: &str| Err(self.at(line("ipv6"), &format!("{}.ipv6", section.name), &message, allowed));
            if network.reserved.contains(&ip.into()) {
                return fail(format!("{ip} is reserved"), "an address nobody else has");
            }
            if network.subnet6.is_some_and(|net| !net.contains(&ip) || net.network() == ip) || !usable_v6(ip) {
                let allowed = network.subnet6.map_or_else(|| "a unicast address".into(), |n| format!("an address of {n}"));
                return fail(format!("{ip} is not a host address of the network"), &allowed);
            }
            if let Some(owner) = taken.insert(ip.into(), decky.name.clone()) {
                return fail(format!("{ip} is already the address of {owner}"), "an address nobody else has");
            }
        }
        Ok(())
    }

    fn doors(&self, section: &Section, decky: &Planned) -> Result<(), ConfigError> {
        let mut owners: BTreeMap<(u16, bool), &str> = BTreeMap::new();
        for service in &decky.services {
            let Some(decoy) = self.catalogue.find(&service.name) else {
                continue;
            };
            for (port, udp) in ports(decoy).into_iter().filter_map(crate::catalogue::Port::fixed) {
                if let Some(other) = owners.insert((port, udp), &service.name) {
                    let line = section.entries.iter().find(|e| e.key == "services").map_or(section.line, |e| e.line);
                    let message = format!("{other} and {} both need {} port {port}", service.name, if udp { "UDP" } else { "TCP" });
                    return Err(self.at(line, &format!("{}.services", section.name), &message, "services whose ports differ"));
                }
            }
        }
        Ok(())
    }
}

struct Draft {
    ip: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    services: Option<Vec<String>>,
    archetype: Option<&'static archetypes::Archetype>,
    distro: Option<String>,
    os: Option<model::OsFamily>,
    interval: Option<u32>,
    amount: i64,
}

impl Default for Draft {
    fn default() -> Self {
        Self { ip: None, ipv6: None, services: None, archetype: None, distro: None, os: None, interval: None, amount: 1 }
    }
}

fn host_of(net: Ipv4Net, ip: Ipv4Addr) -> bool {
    net.contains(&ip) && ip != net.network() && ip != net.broadcast()
}

fn usable_v4(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local())
}

fn usable_v6(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || ip.to_ipv4_mapped().is_some() || ip.is_unicast_link_local())
}
