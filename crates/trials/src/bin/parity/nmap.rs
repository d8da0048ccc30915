//! What `nmap -sV` takes both for.

use crate::lab::Place;
use std::process::Command;

pub(crate) struct Verdicts {
    pub genuine: String,
    pub ours: String,
}

/// Both verdicts: service, product, version, extra information, operating system.
pub(crate) fn verdicts(ours: &Place, genuine: &Place) -> Verdicts {
    std::thread::scope(|both| {
        let theirs = both.spawn(|| verdict(genuine));
        Verdicts { ours: verdict(ours), genuine: theirs.join().unwrap() }
    })
}

fn verdict(place: &Place) -> String {
    let output = Command::new("nmap")
        .args(["-sV", "--version-all", "-Pn", "-n", "--open", "-oG", "-", "-p", &place.port.to_string(), &place.ip.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ports = said.lines().find_map(|l| l.split_once("Ports: ")).map_or_else(String::new, |(_, p)| p.trim().to_owned());
    ports.replace(&place.fqdn, "{fqdn}").replace(&place.host, "{host}").split('\t').next().unwrap_or_default().to_owned()
}
