//! The whole way with the real `decoy` program: sockets in namespaces, answers from one unprivileged process,
//! its sudden death, a new start, and another process at the control socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "trials")]

mod world;

use fleet::{Catalogue, DeckyState, DeployMode, Deployer, NoTable, Plan, RuntimeKind, Which, control};
use std::{
    io::{Read, Write},
    net::{IpAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use world::{alone, build_decoy, settings, sh};

/// Says PING to a Redis and gives the first byte of the answer.
fn ping(ip: IpAddr, port: u16) -> std::io::Result<u8> {
    let mut peer = TcpStream::connect_timeout(&(ip, port).into(), Duration::from_secs(3))?;
    peer.set_read_timeout(Some(Duration::from_secs(8)))?;
    peer.write_all(b"PING\r\n")?;
    let mut byte = [0];
    peer.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn plan() -> Plan {
    let text = "[a]\nservices=redis,ssh\n[b]\nservices=redis\n[c]\nservices=redis\n";
    Plan::parse(text, Path::new("trial.ini"), Catalogue::live()).unwrap()
}

async fn ping_apart(ip: IpAddr, port: u16) -> std::io::Result<u8> {
    let here = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let work = std::thread::spawn(move || {
        nix::sched::setns(here, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        ping(ip, port)
    });
    while !work.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    work.join().unwrap()
}

#[test]
fn the_player_dies_and_nobody_is_refused() {
    build_decoy();
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let deployer = Deployer::open(settings(dir.path(), None), Arc::new(NoTable)).unwrap();
        assert!(deployer.is_fresh().await);
        let report = deployer.deploy(&plan(), DeployMode::default()).await.unwrap();
        assert_eq!(report.failed, [], "{report}");
        let status = deployer.status().await;
        assert!(status.iter().all(|s| s.state == DeckyState::Running), "{status:?}");
        for s in &status {
            for ip in &s.ips {
                assert!(matches!(ping_apart(*ip, 6379).await.unwrap(), b'+' | b'-'));
            }
        }
        let keys = sh(&format!("ssh-keyscan -t ed25519 {} 2>/dev/null", status[0].ips[0]));
        assert!(keys.contains("ssh-ed25519"), "{keys}");
        // Nothing of the player is root's, and it speaks through sockets of namespaces it is not in.
        let pid = deployer.face().await.pid.unwrap();
        let uid = sh(&format!("awk '/^Uid/{{print $2}}' /proc/{pid}/status"));
        assert_ne!(uid.trim(), "0");
        // Its death, again and again: connections are taken and answered all the same.
        for _ in 0..3 {
            let pid = deployer.face().await.pid.unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
            let begun = Instant::now();
            for s in &status {
                assert!(matches!(ping_apart(s.ips[0], 6379).await.unwrap(), b'+' | b'-'));
            }
            println!("answered {:?} after the death", begun.elapsed());
            while deployer.face().await.pid.is_none_or(|now| now == pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(deployer.face().await.restarts, 3);
        // A stop and a new start: the same machines, the same keys.
        deployer.shutdown().await;
        drop(deployer);
        let deployer = Deployer::open(settings(dir.path(), None), Arc::new(NoTable)).unwrap();
        assert!(!deployer.is_fresh().await);
        let report = deployer.restore().await.unwrap();
        assert_eq!((report.added.len(), report.failed.len()), (3, 0), "{report}");
        assert_eq!(deployer.status().await, status);
        assert_eq!(sh(&format!("ssh-keyscan -t ed25519 {} 2>/dev/null", status[0].ips[0])), keys);
        deployer.teardown(Which::All).await.unwrap();
        deployer.shutdown().await;
        assert!(!sh("ip -o link").contains("dn-"));
    });
}

#[test]
fn another_process_reaches_a_fleet_on_loopback() {
    build_decoy();
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(dir.path(), None);
        settings.runtime = RuntimeKind::Loopback;
        let run = settings.run_dir.clone();
        let nobody = control::Client::connect(&run).await.unwrap_err().to_string();
        assert!(nobody.contains("no fleet is running") && nobody.contains("decnet up"), "{nobody}");
        let deployer = Arc::new(Deployer::open(settings.clone(), Arc::new(NoTable)).unwrap());
        let second = Deployer::open(settings, Arc::new(NoTable)).unwrap_err().to_string();
        assert!(second.ends_with("another decnet holds the fleet's state"), "{second}");
        let stop = CancellationToken::new();
        let served = tokio::spawn(control::serve(Arc::clone(&deployer), control::path(&run), stop.clone()));
        let mut client = loop {
            match control::Client::connect(&run).await {
                Ok(client) => break client,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let report = client.deploy(&plan(), DeployMode::default()).await.unwrap();
        assert_eq!(report.failed, [], "{report}");
        let status = client.status().await.unwrap();
        assert_eq!(status.len(), 3);
        for s in &status {
            let redis = s.services.iter().find(|s| s.name == "redis").unwrap();
            assert!(s.ips[0].is_loopback() && s.notes[0].contains("IPv4 only"));
            assert!(matches!(ping_apart(s.ips[0], redis.ports[0]).await.unwrap(), b'+' | b'-'));
        }
        let unknown = client.teardown(Which::Names(vec!["nosuch".into()])).await.unwrap_err().to_string();
        assert_eq!(unknown, "no decky is called nosuch");
        assert_eq!(client.teardown(Which::Names(vec!["b".into()])).await.unwrap().removed, ["b"]);
        assert_eq!(client.status().await.unwrap().len(), 2);
        stop.cancel();
        served.await.unwrap();
        assert!(!control::path(&run).exists());
        deployer.shutdown().await;
    });
}

#[test]
fn without_privilege_ports_are_shifted_and_it_says_so() {
    alone(|| async {
        // As a plain user: ports below 1024 are out of reach.
        caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_NET_BIND_SERVICE).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(dir.path(), None);
        settings.runtime = RuntimeKind::Loopback;
        let face = Arc::new(world::Greeter::default());
        let deployer = world::deployer(settings, &face);
        deployer.deploy(&world::plan("[a]\nservices=ssh,redis\n"), DeployMode::default()).await.unwrap();
        let status = deployer.status().await;
        let ports: Vec<u16> = status[0].services.iter().flat_map(|s| s.ports.clone()).collect();
        assert_eq!(ports, [10_022, 6379]);
        assert!(status[0].notes.iter().any(|n| n.contains("shifted by 10000: ssh on 10022")), "{:?}", status[0].notes);
        TcpStream::connect((status[0].ips[0], 10_022)).unwrap();
        let lan = world::plan("[general]\nnet=10.1.2.0/24\n[b]\nservices=ssh\n");
        let refused = deployer.deploy(&lan, DeployMode { replace: true }).await.unwrap_err().to_string();
        assert!(refused.contains("127.0.0.0/8"), "{refused}");
    });
}
