//! What a visitor costs the `decoy` process.

use crate::{
    figure::{Direction, Report},
    peers::Peer,
    process,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};
use trials::world::{World, child_named};

pub(crate) async fn measure(report: &mut Report) {
    let world = World::up(&[]).await;
    let decoy = child_named(world.pid(), "decoy").unwrap();
    let address = |service: &str| {
        let (ip, port, _) = world.find(service);
        SocketAddr::new(ip.parse().unwrap(), port)
    };
    let talks: [(&str, &str, usize, f64, &[&[u8]], &str); 3] = [
        (
            "http",
            "line.decoy_http_cpu_ms",
            3_000,
            0.08,
            &[b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
            "OpenCanary 0.21-0.25, Heralding 0.42-0.50 ms (baseline)",
        ),
        ("redis", "line.decoy_redis_cpu_ms", 3_000, 0.04, &[b"PING\r\n"], "OpenCanary 0.19-0.21 ms (baseline)"),
        ("smtp", "line.decoy_smtp_cpu_ms", 3_000, 0.08, &[b"", b"EHLO a.example\r\n", b"QUIT\r\n"], "reference 0.20-0.22 ms (baseline)"),
    ];
    for (service, name, count, target, lines, peer) in talks {
        let at = address(service);
        talk(at, 200, lines).await;
        let mut values = Vec::new();
        for _ in 0..3 {
            let before = process::cpu_exact_ms(decoy);
            talk(at, count, lines).await;
            values.push((process::cpu_exact_ms(decoy) - before) / count as f64);
        }
        let genuine = match service {
            "http" => genuine(Peer::nginx(), "nginx", count, lines).await,
            "redis" => genuine(Peer::redis(), "redis-server", count, lines).await,
            _ => None,
        };
        let peer = genuine.map_or_else(|| peer.to_owned(), |genuine| format!("{genuine}; {peer}"));
        report.add(name, &values, "ms CPU per connection", Direction::Lower, Some(target), Some(&peer), "decoys");
    }
    ssh(report, &world, decoy, address("ssh")).await;
    idle(report, decoy, address("redis")).await;
    world.stop().await;
}

async fn talk(at: SocketAddr, count: usize, lines: &[&[u8]]) {
    let mut answer = [0; 8192];
    for _ in 0..count {
        let mut stream = TcpStream::connect(at).await.unwrap();
        for line in lines {
            stream.write_all(line).await.unwrap();
            let _some = stream.read(&mut answer).await.unwrap();
        }
    }
}

/// What the same visits cost a genuine server.
async fn genuine(peer: Option<Peer>, name: &str, count: usize, lines: &[&[u8]]) -> Option<String> {
    let peer = peer?;
    talk(peer.at, 200, lines).await;
    let mut values = Vec::new();
    for _ in 0..3 {
        let before = peer.cpu_ms();
        talk(peer.at, count, lines).await;
        values.push((peer.cpu_ms() - before) / count as f64);
    }
    values.sort_by(f64::total_cmp);
    Some(format!("genuine {name} {:.3} ms in this run", values[1]))
}

/// Logins with a key at the genuine server: what a password costs more is little beside the exchange of keys.
async fn genuine_ssh() -> Option<String> {
    let peer = Peer::sshd()?;
    let login = async || {
        let status = Command::new("ssh")
            .args(["-p", &peer.at.port().to_string(), "-i"])
            .arg(peer.dir.path().join("key"))
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"])
            .args(["root@127.0.0.1", "true"])
            .stdin(std::process::Stdio::null())
            .status()
            .await
            .ok()?;
        status.success().then_some(())
    };
    login().await?;
    let before = peer.cpu_ms();
    for _ in 0..30 {
        login().await?;
    }
    // The last of its processes is waited for.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Some(format!("genuine sshd {:.1} ms in this run (key, not password)", (peer.cpu_ms() - before) / 30.0))
}

async fn ssh(report: &mut Report, world: &World, decoy: i32, at: SocketAddr) {
    let (_, _, name) = world.find("ssh");
    let (user, password) = world.account(&name);
    let login = async || {
        let status = Command::new("sshpass")
            .args([
                "-p",
                &password,
                "ssh",
                "-p",
                &at.port().to_string(),
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["-o", "LogLevel=ERROR", "-o", "PreferredAuthentications=password", &format!("{user}@{}", at.ip()), "true"])
            .stdin(std::process::Stdio::null())
            .status()
            .await
            .unwrap();
        assert!(status.success(), "ssh login failed: {status}");
    };
    login().await;
    let mut values = Vec::new();
    for _ in 0..3 {
        let before = process::cpu_exact_ms(decoy);
        for _ in 0..15 {
            login().await;
        }
        values.push((process::cpu_exact_ms(decoy) - before) / 15.0);
    }
    let peer =
        genuine_ssh().await.map_or_else(|| "Cowrie 2.5 ms (baseline)".to_owned(), |genuine| format!("{genuine}; Cowrie 2.5 ms (baseline)"));
    report.add("line.decoy_ssh_login_cpu_ms", &values, "ms CPU per login and command", Direction::Lower, Some(0.8), Some(&peer), "decoys");
}

async fn idle(report: &mut Report, decoy: i32, at: SocketAddr) {
    let before = process::rss_mib(decoy);
    let mut held = Vec::new();
    for _ in 0..5_000 {
        match TcpStream::connect(at).await {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = process::rss_mib(decoy) - before;
    assert!(held.len() == 5_000, "only {} connections were taken", held.len());
    report.add("line.decoy_5000_idle_mib", &[grown], "MiB more", Direction::Lower, Some(100.0), None, "decoys");
}
