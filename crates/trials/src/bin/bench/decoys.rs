//! What a visitor costs the `decoy` process.

use crate::{
    figure::{Direction, Report},
    peers::Peer,
    process,
};
use std::{net::SocketAddr, path::Path, time::Duration};
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
        let values = repeated(count, || process::cpu_exact_ms(decoy), async || talk(at, count, lines).await).await;
        let genuine = match Peer::of(service, at) {
            Some(genuine) => {
                talk(genuine.at, 200, lines).await;
                let values = repeated(count, || genuine.cpu_ms(), async || talk(genuine.at, count, lines).await).await;
                format!("{} in this run {:.3} ms; {peer}", genuine.name, median(&values))
            }
            None => peer.to_owned(),
        };
        report.add(name, &values, "ms CPU per connection", Direction::Lower, Some(target), Some(&genuine), "decoys");
    }
    ssh(report, &world, decoy, address("ssh")).await;
    idle(report, decoy, address("redis")).await;
    world.stop().await;
}

/// Processor time of one of `count` visits that `visit` makes, several times over.
async fn repeated(count: usize, cpu_ms: impl Fn() -> f64, visit: impl AsyncFn()) -> Vec<f64> {
    let mut values = Vec::new();
    for _ in 0..5 {
        let before = cpu_ms();
        visit().await;
        values.push((cpu_ms() - before) / count as f64);
    }
    values
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
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

/// Logins of one measurement.
const SSH_LOGINS: usize = 15;

async fn ssh(report: &mut Report, world: &World, decoy: i32, at: SocketAddr) {
    let (_, _, name) = world.find("ssh");
    let (user, password) = world.account(&name);
    let options = |at: SocketAddr| {
        let mut options: Vec<String> = vec!["-p".into(), at.port().to_string()];
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"] {
            options.extend(["-o".into(), option.into()]);
        }
        options
    };
    let login = async || {
        let status = Command::new("sshpass")
            .args(["-p", &password, "ssh"])
            .args(options(at))
            .args(["-o", "PreferredAuthentications=password", &format!("{user}@{}", at.ip()), "true"])
            .stdin(std::process::Stdio::null())
            .status()
            .await
            .unwrap();
        assert!(status.success(), "ssh login failed: {status}");
    };
    login().await;
    let values = repeated(
        SSH_LOGINS,
        || process::cpu_exact_ms(decoy),
        async || {
            for _ in 0..SSH_LOGINS {
                login().await;
            }
        },
    )
    .await;
    // Several at a time, as a scanner comes: the same work without the sleep in between that empties the caches.
    let together = repeated(
        4 * SSH_LOGINS,
        || process::cpu_exact_ms(decoy),
        async || {
            for _ in 0..SSH_LOGINS {
                tokio::join!(login(), login(), login(), login());
            }
        },
    )
    .await;
    let mut peer = "Cowrie 2.5 ms (baseline)".to_owned();
    if let Some(genuine) = Peer::of("ssh", at) {
        let login = async |key: &Path| {
            let at = genuine.at;
            let status = Command::new("ssh")
                .args(options(at))
                .args(["-o", "IdentitiesOnly=yes", "-i", &key.to_string_lossy(), "-s", &at.ip().to_string(), "sftp"])
                .stdin(std::process::Stdio::null())
                .status()
                .await
                .unwrap();
            assert!(status.success(), "ssh login at the genuine server failed: {status}");
        };
        let key = genuine.dir.path().join("visitor");
        login(&key).await;
        let values = repeated(
            SSH_LOGINS,
            || genuine.cpu_ms(),
            async || {
                for _ in 0..SSH_LOGINS {
                    login(&key).await;
                }
            },
        )
        .await;
        peer = format!("{} in this run, with a key, without PAM and shell, {:.1} ms; {peer}", genuine.name, median(&values));
    }
    report.add("line.decoy_ssh_login_cpu_ms", &values, "ms CPU per login and command", Direction::Lower, Some(0.8), Some(&peer), "decoys");
    report.add(
        "line.decoy_ssh_login_four_cpu_ms",
        &together,
        "ms CPU per login and command, four at a time",
        Direction::Lower,
        Some(0.8),
        Some(&peer),
        "decoys",
    );
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
