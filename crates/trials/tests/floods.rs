//! Visitors without measure: memory stays bounded and everybody else is served.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};
use trials::{
    flood::{self, Garbage, memory},
    marks,
    visitor::Visitor,
    world::World,
};

/// A size that somebody who has the time may raise.
fn size(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|s| s.parse().ok()).unwrap_or(usual)
}

/// Every door of the lab, by service.
fn doors(world: &World) -> Vec<(String, SocketAddr)> {
    let mut all = Vec::new();
    for decky in &world.deckies {
        let ip = decky["ips"][0].as_str().unwrap();
        for service in decky["services"].as_array().unwrap() {
            for port in service["ports"].as_array().unwrap() {
                all.push((service["name"].as_str().unwrap().to_owned(), format!("{ip}:{port}").parse().unwrap()));
            }
        }
    }
    all
}

/// Somebody else who comes again and again until `over`, and the longest time an answer took.
async fn guest(visitor: &Visitor, ip: String, port: u16, over: Arc<AtomicBool>) -> (u32, Duration) {
    let coming = async move || {
        let (mut times, mut worst) = (0, Duration::ZERO);
        while !over.load(Ordering::Acquire) || times == 0 {
            let began = Instant::now();
            let answered = marks::send(&ip, port, times * 3..times * 3 + 3).await;
            assert_eq!(answered.len(), 3, "another visitor is not served");
            worst = worst.max(began.elapsed());
            times += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (times, worst)
    };
    visitor.inside(coming).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_connections_from_one_source() {
    let world = World::up(&[]).await;
    let (flooder, other) = (Visitor::beside(&world), Visitor::beside(&world));
    let (ip, port, _) = world.find("redis");
    let player = world.player();
    let before = memory(player, "VmHWM");
    let all = size("DECNET_TRIAL_CONNECTIONS", 100_000);
    let over = Arc::new(AtomicBool::new(false));
    let flood = async {
        let targets: Vec<_> = doors(&world).into_iter().map(|(_, door)| door).collect();
        let flood = flooder.inside(move || flood::knock(targets, all, 256)).await;
        over.store(true, Ordering::Release);
        flood
    };
    let (flood, (times, worst)) = tokio::join!(flood, guest(&other, ip, port, Arc::clone(&over)));
    let after = memory(player, "VmHWM");
    println!("{flood:?}; another came {times} times, at worst {worst:?}; memory {before:.0} -> {after:.0} MiB");
    assert_eq!(flood.failed, 0, "{flood:?}");
    assert!(worst < Duration::from_secs(30), "another waits for {worst:?}");
    assert!(after < 256.0, "the player takes {after} MiB");
    assert_eq!(world.player(), player, "it did not die of it");
    // All of it is evidence.
    if world.is_native() {
        let began = Instant::now();
        let path = format!("/attackers?search={}", flooder.ip);
        let enough = |a: &serde_json::Value| a["data"][0]["event_count"].as_u64() >= Some(all as u64 * 2);
        while !enough(&world.get(&path).await) {
            assert!(began.elapsed() < Duration::from_secs(300), "recording does not come after: {:#}", world.get(&path).await);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!("recorded and profiled after {:?}", began.elapsed());
    }
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_requests_at_once_do_not_take_the_machine() {
    let world = World::up(&[]).await;
    let (hoarder, other) = (Visitor::beside(&world), Visitor::beside(&world));
    let (ip, port, _) = world.find("redis");
    let player = world.player();
    let door = format!("{ip}:{port}").parse().unwrap();
    let count = size("DECNET_TRIAL_HOARDERS", 180);
    let over = Arc::new(AtomicBool::new(false));
    let hoarding = async {
        let held = hoarder.inside(move || flood::hoard(door, count, 24, 8_000_000)).await;
        over.store(true, Ordering::Release);
        held
    };
    let (held, (times, worst)) = tokio::join!(hoarding, guest(&other, ip, port, Arc::clone(&over)));
    let most = memory(player, "VmHWM");
    println!("{} of {count} sent all; another came {times} times, at worst {worst:?}; at most {most:.0} MiB", held.len());
    assert!(most < 1024.0, "the player takes {most} MiB");
    assert!(worst < Duration::from_secs(30), "another waits for {worst:?}");
    assert!(world.log().contains("memory is short"));
    world.until_log("there is memory again").await;
    assert!(memory(player, "VmRSS") < 600.0);
    assert!(world.stop().await);
}

/// Half a sentence in each protocol.
fn half(service: &str) -> &'static [u8] {
    match service {
        "http" => b"GET /index.html HT",
        "https" => b"\x16\x03\x01\x02\x00\x01\x00",
        "ssh" => b"SSH-2.0-OpenSSH_9.",
        "ftp" => b"USER ano",
        "smtp" => b"EHLO mail.exam",
        "redis" => b"*2\r\n$4\r\nECHO\r\n$900\r\nx",
        "mysql" => b"\x50\x00",
        "telnet" => b"\xff",
        _ => b"x",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_drops_hold_little_and_not_for_ever() {
    let world = World::up(&[]).await;
    let (slow, other) = (Visitor::beside(&world), Visitor::beside(&world));
    let (ip, port, _) = world.find("redis");
    let player = world.player();
    let before = memory(player, "VmRSS");
    let targets = doors(&world);
    let each = size("DECNET_TRIAL_SLOW", 4_000) / targets.len();
    let over = Arc::new(AtomicBool::new(false));
    let dripping = {
        let over = Arc::clone(&over);
        slow.inside(move || async move {
            let mut open = Vec::new();
            for (service, door) in targets {
                let begun = flood::begin(door, half(&service), each).await;
                // Some products have enough of one visitor sooner.
                let all = matches!(service.as_str(), "http" | "https" | "ftp" | "redis");
                assert!(begun.len() == each || !all, "{service} at {door} took {} of {each}", begun.len());
                open.extend(begun.into_iter().map(|stream| (service.clone(), stream)));
            }
            let held = memory(player, "VmRSS");
            let count = open.len();
            // A byte now and then until the web servers have had enough of it.
            let began = Instant::now();
            let mut buffer = [0; 4096];
            let mut ended = Vec::new();
            while ended.len() < each && began.elapsed() < Duration::from_secs(80) {
                for (_, stream) in &mut open {
                    let _closed = stream.write_all(b"x").await;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                open.retain(|(service, stream)| {
                    let mut said = Vec::new();
                    loop {
                        match stream.try_read(&mut buffer) {
                            Ok(0) => break,
                            Ok(n) => said.extend_from_slice(&buffer[..n]),
                            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return true,
                            Err(_) => break,
                        }
                    }
                    if service == "http" {
                        ended.push(said);
                    }
                    false
                });
            }
            let took = began.elapsed();
            over.store(true, Ordering::Release);
            (count, held, ended, took)
        })
    };
    let ((count, held, ended, took), (times, worst)) = tokio::join!(dripping, guest(&other, ip, port, Arc::clone(&over)));
    println!(
        "{count} held {:.1} MiB; another came {times} times, at worst {worst:?}; {} web visits ended after {took:?}",
        held - before,
        ended.len()
    );
    assert!(held - before < 20.0 + count as f64 * 0.04, "{count} half sentences take {} MiB", held - before);
    assert!(ended.len() >= each, "a web server waits for ever");
    assert!(ended.iter().all(|said| said.is_empty() || said.starts_with(b"HTTP/1.1 408 ")), "{:?}", String::from_utf8_lossy(&ended[0]));
    assert!(worst < Duration::from_secs(30), "another waits for {worst:?}");
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_port() {
    let world = World::up(&[]).await;
    let (pourer, other) = (Visitor::beside(&world), Visitor::beside(&world));
    let (ip, port, decky) = world.find("redis");
    let player = world.player();
    let before = memory(player, "VmHWM");
    let each = size("DECNET_TRIAL_GARBAGE_MIB", 24) as u64 * 1024 * 1024;
    let patience = Duration::from_secs(size("DECNET_TRIAL_GARBAGE_SECONDS", 15) as u64);
    let over = Arc::new(AtomicBool::new(false));
    // Of each service one door: the others lead to the same.
    let mut targets = doors(&world);
    targets.sort();
    targets.dedup_by(|a, b| a.0 == b.0 && a.1.port() == b.1.port());
    let pouring = {
        let over = Arc::clone(&over);
        pourer.inside(move || async move {
            let pours = targets.into_iter().map(async |(service, door)| {
                let mut all = Vec::new();
                for kind in [Garbage::Noise, Garbage::Line, Garbage::Lines] {
                    all.push((kind, flood::pour(door, kind, each / 3, patience / 3).await));
                }
                (service, door, all)
            });
            let all = futures::future::join_all(pours).await;
            over.store(true, Ordering::Release);
            all
        })
    };
    let (poured, (times, worst)) = tokio::join!(pouring, guest(&other, ip.clone(), port, Arc::clone(&over)));
    let after = memory(player, "VmHWM");
    let mut total = 0;
    for (service, door, all) in &poured {
        for (kind, flood) in all {
            println!("{service} {door} {kind:?}: {} MiB over {} connections in {:.1?}", flood.bytes >> 20, flood.connected, flood.took);
            assert!(flood.connected > 0 && flood.bytes > 0, "{service} takes no garbage");
            total += flood.bytes;
        }
    }
    println!("{} MiB in all; another came {times} times, at worst {worst:?}; memory {before:.0} -> {after:.0} MiB", total >> 20);
    assert!(after < 384.0, "the player takes {after} MiB");
    assert!(worst < Duration::from_secs(30), "another waits for {worst:?}");
    assert_eq!(world.player(), player, "it did not die of it");
    // Everybody is served as before.
    let (user, password) = world.account(&decky);
    let mut redis = TcpStream::connect((ip.as_str(), port)).await.unwrap();
    redis.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    redis.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    let (ip, port, _) = world.find("mysql");
    let secret = format!("-p{password}");
    other.run("mysql", &["--no-defaults", "-h", &ip, "-P", &port.to_string(), "-u", &user, &secret, "-e", "SELECT 1"]).await.ok();
    assert!(world.stop().await);
}
