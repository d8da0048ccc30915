//! `make parity`: the same probes at a genuine server and at our decoy of that product, answers compared.
//!
//! Probes are lines of `crates/trials/parity/SERVICE.txt`, the genuine servers are started by
//! `crates/trials/parity/genuine/SERVICE.sh` on a host of their own (namespaces and an overlay of this machine's files,
//! with the decky's host name, accounts and passwords). What must differ is masked; what differs beyond that is written
//! into `PARITY.md` and `parity.json` with its reason.
//!
//! `parity [SERVICE …] [--show]`: only these services; `--show` prints every difference.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for its developers: stops where it stands"
)]

mod lab;
mod nmap;
mod play;
mod report;
mod script;

use std::{collections::BTreeMap, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut show = false;
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--show" => show = true,
            name => wanted.push(name.to_owned()),
        }
    }
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("parity: needs root, for namespaces with genuine servers");
        return ExitCode::from(2);
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity");
    let mut scripts = script::all(&home);
    if let Some(unknown) = wanted.iter().find(|w| !scripts.iter().any(|s| s.service == **w)) {
        let known: Vec<_> = scripts.iter().map(|s| s.service.as_str()).collect();
        eprintln!("parity: no probes for {unknown:?}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    scripts.retain(|s| wanted.is_empty() || wanted.contains(&s.service));
    let decoys = lab::Decoys::up(&scripts);
    let mut results = BTreeMap::new();
    for script in &scripts {
        let start = home.join("genuine").join(format!("{}.sh", script.service));
        let version = lab::version(&start);
        let ours = decoys.of(&script.service, &version);
        let genuine = lab::Genuine::start(&start, &ours);
        let mut result = play::all(script, &ours, genuine.place());
        result.version = version;
        result.nmap = Some(nmap::verdicts(&ours, genuine.place()));
        report::say(&result, show);
        results.insert(script.service.clone(), result);
    }
    report::write(&results, wanted.is_empty());
    ExitCode::SUCCESS
}
