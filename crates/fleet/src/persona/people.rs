//! Accounts of a decky: root, a few people and what their software runs as; every one that logs in has a
//! weak password that a person might have chosen and no other decky has.

use model::Account;
use std::collections::HashSet;

use super::{dice::Dice, site::Site};
use crate::{archetypes::Hardware, distros::Profile};

const SEASONS: &[&str] = &["Spring", "Summer", "Autumn", "Winter"];
const ENDS: &[&str] = &["", "!", ".", "#", "*", "!!", "$", "?", "@"];

/// What a password may be made of.
struct Words<'a> {
    site: &'a Site,
    host: &'a str,
    year: u64,
}

/// The accounts of one decky. `taken` are all passwords of the deployment so far; new ones are added.
pub(super) fn accounts(
    key: &[u8; 32],
    site: &Site,
    host: &str,
    year: u64,
    hardware: Hardware,
    profile: &Profile,
    taken: &mut HashSet<String>,
) -> Vec<Account> {
    let mut dice = Dice::of(key, "fleet/people");
    let words = Words { site, host, year };
    let mut accounts = vec![Account {
        name: "root".into(),
        uid: 0,
        gid: 0,
        gecos: "root".into(),
        home: "/root".into(),
        shell: if profile.id == "alpine" { "/bin/ash".into() } else { "/bin/bash".into() },
        password: Some(fresh(&mut dice, &words, "root", taken)),
        sudo: true,
    }];
    let small = matches!(hardware, Hardware::Device | Hardware::Printer | Hardware::Controller);
    let base: u32 = 1000;
    let count = if small { 1 } else { dice.between(1, 4) };
    let mut names: HashSet<String> = HashSet::from(["root".into()]);
    for number in 0..u32::try_from(count).unwrap_or(1) {
        let (name, gecos, person) = if small {
            ((*dice.pick(&["admin", "service", "support"])).to_owned(), String::new(), false)
        } else if number > 0 && dice.percent(35) {
            let name = *dice.pick(&["deploy", "backup", "svc_backup", "ansible", "monitor", "webadmin", "operator", "dbadmin"]);
            (name.to_owned(), String::new(), false)
        } else {
            let (first, last) = (*dice.pick(site.land.first), *dice.pick(site.land.last));
            let name = match dice.below(3) {
                0 => first.to_owned(),
                1 => format!("{}{last}", first.chars().next().unwrap_or('a')),
                _ => format!("{first}.{last}"),
            };
            (name, format!("{} {}", capital(first), capital(last)), true)
        };
        if !names.insert(name.clone()) {
            continue;
        }
        let place = u32::try_from(accounts.len() - 1).unwrap_or(0);
        let gecos = if gecos.is_empty() || !matches!(profile.id, "debian" | "ubuntu" | "kali") { gecos } else { format!("{gecos},,,") };
        accounts.push(Account {
            uid: base + place,
            gid: base + place,
            gecos,
            home: format!("/home/{name}"),
            shell: profile.shell.into(),
            password: Some(fresh(&mut dice, &words, &name, taken)),
            sudo: person && (number == 0 || dice.percent(30)),
            name,
        });
    }
    accounts
}

/// A password nobody in the deployment has yet.
fn fresh(dice: &mut Dice, words: &Words<'_>, user: &str, taken: &mut HashSet<String>) -> String {
    for _ in 0..200 {
        let password = weak(dice, words, user);
        if taken.insert(password.clone()) {
            return password;
        }
    }
    // The fleet is so large that all the usual ones are gone.
    loop {
        let password = format!("{}{}{}", words.site.short, dice.below(1_000_000), dice.pick(ENDS));
        if taken.insert(password.clone()) {
            return password;
        }
    }
}

fn weak(dice: &mut Dice, words: &Words<'_>, user: &str) -> String {
    let year = words.year.saturating_sub(dice.below(6));
    let end = *dice.pick(ENDS);
    let short = &words.site.short;
    let stem = user.split(['.', '_']).next().unwrap_or(user);
    match dice.below(9) {
        0 => format!("{}{year}{end}", dice.pick(SEASONS)),
        1 => format!("{}{}{end}", short, dice.between(1, 999)),
        2 => format!("{}{year}{end}", short.to_lowercase()),
        3 => format!("{}{}{end}", capital(stem), dice.between(10, 9999)),
        4 => format!("{stem}{}", dice.between(1965, 2004)),
        5 => format!(
            "{}{}{end}",
            capital(words.site.land.cities.get(usize::try_from(dice.below(4)).unwrap_or(0)).copied().unwrap_or(short)),
            dice.between(1, 2025)
        ),
        6 => format!("{}@{year}", short),
        7 => format!("{}{}{end}", capital(words.host.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')), dice.between(1, 9999)),
        _ => format!("{}-{}{}", dice.pick(SEASONS).to_lowercase(), short.to_lowercase(), dice.between(1, 99)),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
