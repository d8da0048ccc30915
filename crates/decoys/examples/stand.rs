//! Stands the rehearsed machine at ports of loopback, for real clients and for comparing with genuine servers:
//! `cargo run -p decoys --example stand -- DIR imap=20143 imap+tls=20993 pop3=20110`. Ends with its standard input.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example")]

use decoys::{
    control::{Handed, Kind},
    stage::{Places, Stage, limits::Limits, rehearse},
};
use std::{io::Read, net::TcpListener, os::fd::OwnedFd, path::Path};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("a directory to write to");
    let place = |name: &str| Path::new(&dir).join(name);
    let seeds = ["imap", "pop3"]
        .into_iter()
        .filter_map(|name| std::env::var(format!("{}_EMAIL_SEED", name.to_uppercase())).ok().map(|d| (name.to_owned(), d.into())))
        .collect();
    let places =
        Places { spool: place("spool"), artifacts: place("artifacts"), transcripts: place("transcripts"), state: place("state"), seeds };
    let stage = Stage::open(&places, Limits::default()).unwrap();
    let mut doors = Vec::new();
    let mut sockets: Vec<OwnedFd> = Vec::new();
    for arg in args {
        let (name, port) = arg.split_once('=').expect("NAME=PORT");
        let (service, kind) = name.strip_suffix("+tls").map_or((name, Kind::Plain), |n| (n, Kind::Tls));
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
        doors.push(Handed { service: service.into(), kind, port: port.parse().unwrap() });
        sockets.push(listener.into());
    }
    stage.play(rehearse::persona(), &doors, sockets).unwrap();
    println!("standing");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    stage.stop().await;
}
