use model::{DeckyId, Micros, Persona};
use std::collections::HashSet;

use super::{Place, Taken, generate, with_knobs};
use crate::{Catalogue, Planned, PlannedService, archetypes, config::tests_decoys};

const NOW: Micros = Micros(1_795_469_137_000_001);

fn fleet(secret: u8, count: usize) -> Vec<Persona> {
    let mut taken = Taken::default();
    (0..count)
        .map(|n| {
            let archetype = &archetypes::ALL[n % archetypes::ALL.len()];
            let mut plan = Planned::of_archetype("x", archetype, Catalogue::of(tests_decoys()));
            plan.services = ["ssh", "http", "https", "ftp", "smtp", "redis", "mysql", "telnet"].map(PlannedService::plain).to_vec();
            generate(&[secret; 32], &DeckyId::local(&format!("decky-{n:03}")), &plan, &Place::default(), NOW, &mut taken)
        })
        .collect()
}

#[test]
fn two_hundred_deckies_share_nothing() {
    let fleet = fleet(7, 200);
    let all = |of: fn(&Persona) -> Vec<String>| {
        let values: Vec<String> = fleet.iter().flat_map(of).collect();
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), values.len());
    };
    all(|p| vec![p.hostname.clone()]);
    all(|p| vec![p.mac.clone()]);
    all(|p| vec![hex::encode(p.seed)]);
    all(|p| p.accounts.iter().filter_map(|a| a.password.clone()).collect());
    let site: HashSet<_> = fleet.iter().map(|p| (&p.company, &p.domain, &p.timezone)).collect();
    assert_eq!(site.len(), 1, "one company owns them all");
}

#[test]
fn the_same_secret_tells_the_same_story_and_another_one_another() {
    let (one, again, other) = (fleet(1, 30), fleet(1, 30), fleet(2, 30));
    assert!(one == again);
    for (a, b) in one.iter().zip(&other) {
        assert_ne!(a.seed, b.seed);
        assert_ne!(a.mac, b.mac);
        assert_ne!(a.accounts[0].password, b.accounts[0].password);
    }
    assert_ne!(one[0].company, other[0].company);
}

#[test]
fn a_story_holds_together() {
    for p in fleet(3, 200) {
        let first = u8::from_str_radix(&p.mac[..2], 16).unwrap();
        assert_eq!(first & 3, 0, "{}: neither multicast nor locally administered", p.mac);
        assert!(p.installed < p.booted && p.booted < NOW, "{}", p.hostname);
        let up = NOW.since(p.booted).as_secs() / 86_400;
        assert!((1..=201).contains(&up), "{up} days up");
        assert_eq!(p.accounts[0].name, "root");
        assert!((2..=5).contains(&p.accounts.len()));
        let ids: Vec<u32> = p.accounts[1..].iter().map(|a| a.uid).collect();
        assert_eq!(ids, (1000..1000 + u32::try_from(ids.len()).unwrap()).collect::<Vec<_>>());
        assert!(p.distro.kernel_release.len() > 5 && p.services.iter().all(|s| !s.software.version.is_empty()));
        assert_eq!(p.service("http").unwrap().software, p.service("https").unwrap().software);
        assert!(
            !p.hostname.contains("decky") && p.fqdn().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        );
        let ssh = &p.service("ssh").unwrap().software;
        assert_eq!(p.distro.slug == "debian", ssh.package.starts_with("Debian-2+deb12"));
        assert_eq!(p.distro.id == "ubuntu", ssh.package.starts_with("Ubuntu-"));
        assert!(p.accounts.iter().all(|a| { a.password.as_ref().is_none_or(|w| (5..=32).contains(&w.len())) }));
    }
}

#[test]
fn knobs_override_the_accounts() {
    let mut plan = Planned::of_archetype("x", archetypes::find("deaddeck").unwrap(), Catalogue::of(tests_decoys()));
    plan.services[0].knobs =
        [("password", "toor"), ("user", "ubuntu"), ("user_password", "admin")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let own = generate(&[1; 32], &DeckyId::local("x"), &plan, &Place::default(), NOW, &mut Taken::default());
    let p = with_knobs(own.clone(), &own.accounts, &plan);
    plan.services[0].knobs.clear();
    assert!(with_knobs(p.clone(), &own.accounts, &plan) == own);
    assert_eq!(p.accounts[0].password.as_deref(), Some("toor"));
    assert_eq!(p.account(b"ubuntu").unwrap().password.as_deref(), Some("admin"));
    assert_eq!(p.account(b"ubuntu").unwrap().uid, 1000 + u32::try_from(p.accounts.len()).unwrap() - 2);
}

#[test]
fn dates() {
    assert_eq!(super::date((1970, 1, 1)), Micros(0));
    assert_eq!(super::date((2024, 2, 29)).rfc3339(), "2024-02-29T00:00:00.000000Z");
    assert_eq!(super::date((2026, 11, 23)).rfc3339(), "2026-11-23T00:00:00.000000Z");
}

/// What a generated persona makes the decoys say first: the seam between the table of packages and the protocols.
#[test]
fn greetings_show_each_distributions_versions_once() {
    use decoys::stage::rehearse::{Rehearsal, visit};
    for distro in crate::distros::ALL {
        for n in 0..8 {
            let mut plan = Planned::of_archetype("x", &archetypes::ALL[3], Catalogue::live());
            plan.services = ["ssh", "ftp", "mysql"].map(PlannedService::plain).to_vec();
            plan.distro = Some(distro.slug.into());
            let decky = DeckyId::local(&format!("{}-{n}", distro.slug));
            let persona = generate(&[9; 32], &decky, &plan, &Place::default(), NOW, &mut Taken::default());
            for service in ["ssh", "ftp", "mysql"] {
                let version = persona.service(service).unwrap().software.version.clone();
                let decoy = decoys::find(service).unwrap();
                let said = Rehearsal::start(decoy, visit(persona.clone(), decoy.name), None).unwrap().sent();
                let said = String::from_utf8_lossy(&said).into_owned();
                // sshd shows its version without the portable release where the distribution does not patch it in.
                let shown = if service == "ssh" { version.split('p').next().unwrap() } else { &version };
                assert_eq!(said.matches(shown).count(), 1, "{} {service} {version} greets {said:?}", distro.slug);
                if service == "mysql" {
                    assert_eq!(said.contains("5.5.5-"), version.starts_with("10."), "{} greets {said:?}", distro.slug);
                }
            }
        }
    }
}
