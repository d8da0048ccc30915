//! Password guessers and port scanners, as they are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, time::Duration};
use trials::{nmap, visitor::Visitor, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn hydra_finds_the_one_password_and_every_guess_is_a_row() {
    let world = World::up(&[]).await;
    let (ssh, ftp) = (Visitor::beside(&world), Visitor::beside(&world));
    tokio::join!(guess(&world, &ssh, "ssh"), guess(&world, &ftp, "ftp"));
    assert!(world.stop().await);
}

async fn guess(world: &World, visitor: &Visitor, service: &str) {
    let (ip, port, decky) = world.find(service);
    let (user, password) = world.account(&decky);
    let mut list: Vec<String> = ["123456", "password", "letmein", "qwerty", "Passw0rd!"].map(str::to_owned).into();
    list.retain(|guess| *guess != password);
    // The right one last, one guess after the other: none is given up half-way.
    list.push(password.clone());
    visitor.file("list.txt", list.join("\n") + "\n");
    let args = ["-I", "-t", "1", "-W", "1", "-l", &user, "-P", "list.txt", "-s", &port.to_string(), &format!("{service}://{ip}")];
    let out = visitor.run_with("hydra", &args, b"", Duration::from_secs(120)).await;
    let said = out.all();
    let found: Vec<&str> = said.lines().filter(|l| l.contains(" login: ")).collect();
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0].contains(&format!("login: {user}")) && found[0].trim_end().ends_with(&format!("password: {password}")), "{said}");
    let path = format!("/credentials?service={service}&attacker_ip={}&limit=100", visitor.ip);
    let offered = world.until(&path, |c| c["data"].as_array().unwrap().iter().any(|r| r["outcome"] == "success")).await;
    let rows = offered["data"].as_array().unwrap();
    for guess in &list {
        let row =
            rows.iter().find(|r| r["secret_printable"] == guess.as_str()).unwrap_or_else(|| panic!("{guess} is not recorded: {offered:#}"));
        assert_eq!(row["principal"], user.as_str());
        assert_eq!(row["outcome"], if *guess == password { "success" } else { "failure" }, "{row}");
    }
}

/// Names that would give the game away.
const TELLS: [&str; 16] = [
    "honeypot", "honeyd", "cowrie", "decnet", "decoy", "dionaea", "russh", "hyper", "rustls", "tokio", "axum", "python", "twisted",
    "paramiko", "golang", "libssh",
];

#[tokio::test(flavor = "multi_thread")]
async fn nmap_sees_the_planned_ports_and_genuine_products() {
    let world = World::up(&[]).await;
    if !world.is_native() {
        // On loopback the scan would be of this host.
        return;
    }
    let visitor = Visitor::beside(&world);
    let ips: Vec<&str> = world.deckies.iter().filter_map(|d| d["ips"][0].as_str()).collect();
    // Every port of two of them (of one with data doors, too), the likely ones of all.
    let (first, _, _) = world.find("mysql");
    let (second, _, _) = world.find("ftp");
    let patience = Duration::from_secs(400);
    let everything = ["-n", "-Pn", "-p-", "-T4", "--min-rate", "8000", "-oX", "-", &first, &second];
    let likely = [&["-n", "-Pn", "-sV", "-p", "1-1500,3306,5432,5900,6379,8000-8100,27017", "-T4", "-oX", "-"][..], &ips].concat();
    let all = visitor.run_with("nmap", &everything, b"", patience).await.ok();
    let report = visitor.run_with("nmap", &likely, b"", patience).await.ok();
    let open = nmap::open(&report);
    let of_two = nmap::open(&all);
    assert_eq!(of_two.len(), open.iter().filter(|o| o.ip == first || o.ip == second).count(), "{of_two:#?}");
    let seen: BTreeSet<(String, u16)> = open.iter().map(|o| (o.ip.clone(), o.port)).collect();
    let mut planned = BTreeSet::new();
    for decky in &world.deckies {
        for service in decky["services"].as_array().unwrap() {
            let ports = service["ports"].as_array().unwrap().iter().filter_map(|p| u16::try_from(p.as_u64()?).ok());
            planned.extend(ports.map(|port| (decky["ips"][0].as_str().unwrap().to_owned(), port)));
        }
    }
    assert_eq!(seen, planned, "open ports, and those that should be");
    let state = world.state();
    for found in &open {
        let text = format!("{} {} {} {} {}", found.service, found.product, found.version, found.extra, found.fingerprint).to_lowercase();
        for tell in TELLS {
            assert!(!text.contains(tell), "{tell} in {found:?}");
        }
        assert!(found.fingerprint.is_empty(), "nmap does not recognise {found:?}");
        let decky = state["deckies"].as_object().unwrap().values().find(|d| d["persona"]["ipv4"] == found.ip.as_str()).unwrap();
        let status = world.deckies.iter().find(|d| d["ips"][0] == found.ip.as_str()).unwrap();
        let name =
            status["services"].as_array().unwrap().iter().find(|s| s["ports"].as_array().unwrap().contains(&found.port.into())).unwrap();
        let services = decky["persona"]["services"].as_array().unwrap();
        let software = &services.iter().find(|s| s["name"] == name["name"]).unwrap()["software"];
        let (product, version) = (software["product"].as_str().unwrap().to_lowercase(), software["version"].as_str().unwrap());
        let known = found.product.to_lowercase();
        let telnet = name["name"] == "telnet" && known.contains("telnetd");
        assert!(telnet || known.contains(&product) || (product == "mariadb" && known.contains("mysql")), "{found:?} should be {software}");
        // Postfix does not tell its version.
        assert!(
            telnet || product == "postfix" || found.version.contains(version) || found.version.is_empty(),
            "{found:?} should be {software}"
        );
    }
    let logs = world.until(&format!("/attackers?search={}", visitor.ip), |a| a["total"] == 1).await;
    assert_eq!(logs["data"][0]["ip"], visitor.ip.to_string());
    assert!(world.stop().await);
}
