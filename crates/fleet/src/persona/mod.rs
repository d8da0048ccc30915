//! Who a decky is: one coherent story drawn from the deployment secret and the decky's id.
//!
//! Pure: the same secret, id, plan, time and neighbours give the same persona. What must stay the same over
//! restarts (boot time) is kept by the deployer with the rest of the persona in the state file.

mod dice;
mod people;
mod site;
mod vendor;

use model::{DeckyId, Distro, Micros, Persona, Service, Software};
use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use crate::{Planned, archetypes, archetypes::Archetype, distros, distros::Package};
pub(crate) use dice::{Dice, keyed};
pub use site::Site;

const DAY: u64 = 86_400;

/// What other deckies of the deployment already have and no new one may have.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    pub hostnames: HashSet<String>,
    pub macs: HashSet<String>,
    pub passwords: HashSet<String>,
}

impl Taken {
    /// Adds what `persona` has.
    pub fn add(&mut self, persona: &Persona) {
        self.hostnames.insert(persona.hostname.clone());
        self.macs.insert(persona.mac.clone());
        self.passwords.extend(persona.accounts.iter().filter_map(|a| a.password.clone()));
    }
}

/// Where the decky stands on the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv4_prefix: u8,
    pub ipv6: Vec<Ipv6Addr>,
    pub gateway: Option<Ipv4Addr>,
}

/// The persona of a decky placed for the first time at `now`, with accounts of its own (see [`with_knobs`]).
/// Adds what it took to `taken`.
pub fn generate(secret: &[u8; 32], id: &DeckyId, plan: &Planned, place: &Place, now: Micros, taken: &mut Taken) -> Persona {
    let seed = keyed(secret, id.as_str().as_bytes());
    let site = Site::of(secret);
    let archetype = archetypes::find(&plan.archetype)
        .unwrap_or_else(|| archetypes::ALL.first().unwrap_or_else(|| unreachable!("the table is not empty")));
    let mut dice = Dice::of(&seed, "fleet/persona");
    let profile = profile(&mut dice, plan, archetype);
    let release = release(&mut dice, profile, now);
    let hostname = hostname(&mut dice, &site, archetype, &taken.hostnames);
    let mac = vendor::mac(&seed, archetype.hardware, &taken.macs);
    let built = date(release.built);
    let (booted, installed) = times(&mut dice, built, now);
    let year = u64::try_from(installed.seconds()).unwrap_or(0) / (DAY * 365) + 1970;
    let accounts = people::accounts(&seed, &site, &hostname, year, archetype.hardware, profile, &mut taken.passwords);
    taken.hostnames.insert(hostname.clone());
    taken.macs.insert(mac.clone());
    let mut persona = Persona {
        decky: id.clone(),
        hostname,
        domain: site.domain,
        company: site.company,
        archetype: plan.archetype.clone(),
        os: plan.os,
        distro: Distro {
            slug: profile.slug.into(),
            id: profile.id.into(),
            name: profile.name.into(),
            version_id: release.version.into(),
            codename: release.codename.into(),
            pretty_name: release.pretty.into(),
            kernel_release: release.kernel.into(),
            kernel_version: release.build.into(),
            machine: "x86_64".into(),
        },
        booted,
        installed,
        timezone: site.timezone.into(),
        mac,
        ipv4: place.ipv4,
        ipv6: place.ipv6.clone(),
        ipv4_prefix: place.ipv4_prefix,
        gateway: place.gateway,
        accounts,
        services: Vec::new(),
        seed,
    };
    persona.services = services(&persona, plan);
    persona
}

/// The same machine with other services, knobs or addresses: everything an attacker may have noted stays.
pub fn revise(old: &Persona, plan: &Planned, place: &Place) -> Persona {
    let mut persona = old.clone();
    persona.os = plan.os;
    persona.ipv4 = place.ipv4;
    persona.ipv4_prefix = place.ipv4_prefix;
    persona.ipv6.clone_from(&place.ipv6);
    persona.gateway = place.gateway;
    persona.services = services(&persona, plan);
    persona
}

/// The same machine after an evening of maintenance: a later point release of its distribution, if one was built before
/// `now`, with the packages that came with it, and booted a few minutes ago.
pub(crate) fn updated(old: &Persona, plan: &Planned, now: Micros, dice: &mut Dice) -> Persona {
    let mut persona = old.clone();
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    let later = distros::find(&old.distro.slug).and_then(|profile| {
        let at = profile.releases.iter().position(|r| r.kernel == old.distro.kernel_release)?;
        let next = profile.releases.iter().skip(at + 1).filter(|r| major(r.version) == major(&old.distro.version_id));
        next.take_while(|r| date(r.built).plus(Duration::from_secs(7 * DAY)) < now).next()
    });
    if let Some(release) = later {
        persona.distro.version_id = release.version.into();
        persona.distro.codename = release.codename.into();
        persona.distro.pretty_name = release.pretty.into();
        persona.distro.kernel_release = release.kernel.into();
        persona.distro.kernel_version = release.build.into();
        persona.services = services(&persona, plan);
    }
    let ago = i64::try_from(dice.between(60_000_000, 600_000_000)).unwrap_or(0);
    persona.booted = Micros(now.0 - ago);
    persona
}

/// Whether `old` can be revised to `plan`, or is another machine altogether.
pub fn same_machine(old: &Persona, plan: &Planned) -> bool {
    old.archetype == plan.archetype && plan.distro.as_ref().is_none_or(|d| *d == old.distro.slug)
}

fn profile(dice: &mut Dice, plan: &Planned, archetype: &Archetype) -> &'static distros::Profile {
    let drawn = *dice.pick(archetype.distros);
    let slug = plan.distro.as_deref().unwrap_or(drawn);
    distros::find(slug).or_else(|| distros::ALL.first()).unwrap_or_else(|| unreachable!("the table is not empty"))
}

/// A release whose kernel was built before `now`; the oldest if the clock is off.
fn release(dice: &mut Dice, profile: &'static distros::Profile, now: Micros) -> &'static distros::Release {
    let known = profile.releases.iter().filter(|r| date(r.built).plus(Duration::from_secs(5 * DAY)) < now).count().max(1);
    dice.pick(profile.releases.get(..known).unwrap_or(profile.releases))
}

fn hostname(dice: &mut Dice, site: &Site, archetype: &Archetype, taken: &HashSet<String>) -> String {
    let role = *dice.pick(archetype.roles);
    let mut number = dice.between(1, 4);
    loop {
        let name = site.hostname(role, number);
        if !taken.contains(&name) {
            return name;
        }
        number += dice.between(1, 3);
    }
}

/// Boot between 3 and 200 days ago, at a time of day when machines are rebooted, to the second plus what the
/// kernel adds; installed some weeks to two years before that.
fn times(dice: &mut Dice, built: Micros, now: Micros) -> (Micros, Micros) {
    // A second more than a day: the microseconds come on top.
    let newest = now.seconds().saturating_sub(i64::try_from(DAY + 1).unwrap_or(0));
    let oldest = built.seconds() + i64::try_from(dice.between(2, 20) * DAY).unwrap_or(0);
    let days = if dice.percent(70) { dice.between(3, 60) } else { dice.between(60, 200) };
    let of_day = if dice.percent(60) { dice.between(0, 5 * 3600) } else { dice.between(6 * 3600, 19 * 3600) };
    let day = (now.seconds() / i64::try_from(DAY).unwrap_or(1)) - i64::try_from(days).unwrap_or(0);
    let boot = (day * i64::try_from(DAY).unwrap_or(1) + i64::try_from(of_day).unwrap_or(0)).clamp(oldest.min(newest), newest);
    let before = i64::try_from(dice.between(20 * DAY, 700 * DAY)).unwrap_or(0);
    let micros = i64::try_from(dice.below(1_000_000)).unwrap_or(0);
    (Micros(boot * 1_000_000 + micros), Micros((boot - before) * 1_000_000))
}

/// Midnight UTC of a civil date (days from civil, Howard Hinnant's algorithm).
fn date((year, month, day): (i16, u8, u8)) -> Micros {
    let (y, m, d) = (i64::from(year) - i64::from(month <= 2), i64::from(month), i64::from(day));
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Micros(days * 86_400 * 1_000_000)
}

fn services(persona: &Persona, plan: &Planned) -> Vec<Service> {
    let release = distros::find(&persona.distro.slug).and_then(|p| p.releases.iter().find(|r| r.kernel == persona.distro.kernel_release));
    plan.services
        .iter()
        .map(|s| {
            let software = release.and_then(|r| {
                let p = r.packages;
                let web = || {
                    // Most run the usual one; both doors of a host are the same server.
                    let mut dice = Dice::of(&persona.seed, "fleet/web");
                    if dice.percent(65) { p.web.first() } else { p.web.last() }.copied()
                };
                match s.name.as_str() {
                    "ssh" => Some(p.ssh),
                    "http" | "https" => web(),
                    "ftp" => Some(p.ftp),
                    "smtp" | "smtp_relay" => Some(p.smtp),
                    "redis" => Some(p.redis),
                    "mysql" => Some(p.mysql),
                    "imap" | "pop3" => Some(Package(
                        "Dovecot",
                        match persona.distro.codename.as_str() {
                            "focal" => "2.3.7.2",
                            "bullseye" => "2.3.13",
                            "jammy" => "2.3.16",
                            _ => "2.3.19.1",
                        },
                        "",
                    )),
                    "telnet" => Some(p.telnet),
                    _ => None,
                }
            });
            let Package(product, version, package) = software.unwrap_or(Package("", "", ""));
            Service {
                name: s.name.clone(),
                knobs: s.knobs.clone(),
                software: Software { product: product.into(), version: version.into(), package: package.into() },
            }
        })
        .collect()
}

/// The persona with what the operator set: `password` (root), `user` and `user_password` of ssh and telnet, and
/// `hostname`. `own` are the accounts it was generated with, so that a knob taken back gives the old password again.
pub fn with_knobs(mut persona: Persona, own: &[model::Account], plan: &Planned) -> Persona {
    persona.accounts = own.to_vec();
    apply_knobs(&mut persona, plan);
    persona
}

fn apply_knobs(persona: &mut Persona, plan: &Planned) {
    for service in plan.services.iter().filter(|s| matches!(s.name.as_str(), "ssh" | "telnet")) {
        if let Some(name) = service.knobs.get("hostname").filter(|n| labels(n)) {
            persona.hostname.clone_from(name);
        }
        if let Some(password) = service.knobs.get("password")
            && let Some(root) = persona.accounts.first_mut()
        {
            root.password = Some(password.clone());
        }
        let Some(user) = service.knobs.get("user").filter(|u| fits(u)) else {
            continue;
        };
        let password = service.knobs.get("user_password").cloned();
        if let Some(account) = persona.accounts.iter_mut().find(|a| a.name == *user) {
            account.password = password.or_else(|| account.password.take());
            continue;
        }
        let Some(person) = persona.accounts.get(1).cloned() else {
            continue;
        };
        let next = persona.accounts.iter().map(|a| a.uid).max().unwrap_or(999).max(999) + 1;
        let password = password.or(person.password);
        persona.accounts.push(model::Account {
            name: user.clone(),
            uid: next,
            gid: next,
            gecos: String::new(),
            home: format!("/home/{user}"),
            shell: person.shell,
            password,
            sudo: true,
        });
    }
}

/// Whether `name` can be a host name: one label of RFC 1123.
fn labels(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether `name` can be a login name (`useradd`'s rule).
fn fits(name: &str) -> bool {
    name.len() <= 32
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests;
