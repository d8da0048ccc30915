//! Many deckies: how soon and how large, in namespaces and, where a Docker engine is installed, in containers; how long a
//! look at a thousand takes; how many messages the bus carries.

use crate::{
    figure::{Direction, Report},
    process,
};
use bus::Bus;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::Command;
use trials::world::{World, family, programs};

const DOCKER: &str = "Docker: 290 ms for each empty container (baseline)";
const DOCKER_MIB: &str = "Docker: 2.3-4.1 MiB for each empty container (baseline)";

pub(crate) async fn measure(report: &mut Report) {
    hundred(report).await;
    many(report).await;
    containers(report).await;
    messages(report).await;
}

/// Runs `decnet` in the world's directory; what it printed, and how long it took.
async fn decnet(world: &World, args: &[&str]) -> (Vec<u8>, f64) {
    let begun = Instant::now();
    let out =
        Command::new(programs().join("decnet")).args(args).args(["--log", "error", "--data-dir"]).arg(world.home()).output().await.unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    (out.stdout, begun.elapsed().as_secs_f64())
}

async fn deploy(world: &World, name: &str, text: &str) -> f64 {
    let file = world.home().join(name);
    std::fs::write(&file, text).unwrap();
    decnet(world, &["deploy", "--config", file.to_str().unwrap()]).await.1
}

fn memory(world: &World) -> f64 {
    family(world.pid()).into_iter().map(process::rss_mib).sum()
}

async fn hundred(report: &mut Report) {
    let world = World::up(&["--no-lab"]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (rss, available) = (memory(&world), process::available_mib());
    let took = deploy(&world, "hundred.toml", "[decky.host]\namount = 100\nservices = [\"ssh\", \"http\", \"redis\"]\n").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.add("fleet.hundred_deckies_placed_s", &[took], "s", Direction::Lower, Some(2.0), Some(DOCKER), "fleet");
    report.add("fleet.hundred_deckies_rss_mib", &[memory(&world) - rss], "MiB more, processes", Direction::Lower, None, None, "fleet");
    let cost = available - process::available_mib();
    report.add("fleet.hundred_deckies_mib", &[cost], "MiB more, kernel included", Direction::Lower, Some(60.0), Some(DOCKER_MIB), "fleet");
    let (_, took) = decnet(&world, &["teardown", "--all"]).await;
    report.add("fleet.hundred_deckies_removed_s", &[took], "s", Direction::Lower, None, None, "fleet");
    world.stop().await;
}

/// 256 deckies with four services each, and a thousand on one host.
async fn many(report: &mut Report) {
    let world = World::up(&["--no-lab"]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let available = process::available_mib();
    let group =
        |name: &str, amount: u32| format!("[decky.{name}]\namount = {amount}\nservices = [\"ssh\", \"http\", \"redis\", \"mysql\"]\n");
    let text = format!("[network]\nsubnet = \"10.98.0.0/22\"\n{}{}{}", group("x", 100), group("y", 100), group("z", 56));
    let placed = deploy(&world, "many.toml", &text).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.add("fleet.256_deckies_4_services_placed_s", &[placed], "s", Direction::Lower, Some(4.0), Some(DOCKER), "fleet");
    let each = (available - process::available_mib()) / 256.0;
    report.add("fleet.256_deckies_mib_each", &[each], "MiB each, kernel included", Direction::Lower, Some(0.6), Some(DOCKER_MIB), "fleet");
    let (_, removed) = decnet(&world, &["teardown", "--all"]).await;
    report.add("fleet.256_deckies_removed_s", &[removed], "s", Direction::Lower, Some(2.0), None, "fleet");
    let groups: String = (0..10).map(|n| format!("[decky.g{n}]\namount = 100\nservices = [\"ssh\", \"redis\"]\n")).collect();
    let placed = deploy(&world, "thousand.toml", &format!("[network]\nsubnet = \"10.96.0.0/20\"\n{groups}")).await;
    report.add("fleet.thousand_deckies_placed_s", &[placed], "s", Direction::Lower, None, None, "fleet");
    let page = world.get("/deckies?limit=1000&state=running").await;
    report.add(
        "fleet.thousand_deckies_shown",
        &[page["total"].as_f64().unwrap()],
        "deckies running in the API",
        Direction::Higher,
        Some(1000.0),
        None,
        "fleet",
    );
    let mut answered = 0_u32;
    for row in page["data"].as_array().unwrap() {
        let ip = row["decky_ip"].as_str().unwrap();
        let knock = tokio::net::TcpStream::connect((ip, 6379));
        answered += u32::from(matches!(tokio::time::timeout(Duration::from_secs(2), knock).await, Ok(Ok(_))));
    }
    report.add(
        "fleet.thousand_deckies_answering",
        &[f64::from(answered)],
        "deckies that took a connection",
        Direction::Higher,
        Some(1000.0),
        None,
        "fleet",
    );
    let mut passes = Vec::new();
    for _ in 0..5 {
        let (out, _) = decnet(&world, &["reconcile", "--once", "--json"]).await;
        let done: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(done["running"], 1000, "{done}");
        passes.push(done["took"]["secs"].as_f64().unwrap() * 1e3 + done["took"]["nanos"].as_f64().unwrap() / 1e6);
    }
    report.add("fleet.thousand_deckies_reconcile_ms", &passes, "ms for a pass", Direction::Lower, Some(200.0), None, "fleet");
    decnet(&world, &["teardown", "--all"]).await;
    world.stop().await;
}

/// The same deckies in containers of a Docker engine started for it, if there is one.
async fn containers(report: &mut Report) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let engine = Command::new("dockerd")
        .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "-H", &format!("unix://{}", at("s")), "-p", &at("pid")])
        .args(["--bridge=none", "--iptables=false"])
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    let Ok(mut engine) = engine else {
        println!("fleet.docker_*: no Docker engine is installed (Debian: docker.io)");
        return;
    };
    let begun = Instant::now();
    while tokio::net::UnixStream::connect(dir.path().join("s")).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the engine does not come up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let socket = at("s");
    let world = World::up_in(tempfile::tempdir().unwrap(), &["--no-lab", "--runtime", "docker"], &[("DECNET_DOCKER", &socket)]).await;
    // The image is made once.
    deploy(&world, "first.toml", "[decky.first]\nservices = [\"redis\"]\n").await;
    let available = process::available_mib();
    let text = "[decky.host]\namount = 20\nservices = [\"ssh\", \"http\", \"redis\"]\n";
    let placed = deploy(&world, "twenty.toml", text).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.add("fleet.docker_20_deckies_3_services_placed_s", &[placed], "s", Direction::Lower, None, Some(DOCKER), "fleet");
    let each = (available - process::available_mib()) / 20.0;
    report.add(
        "fleet.docker_deckies_mib_each",
        &[each],
        "MiB each, four containers, kernel included",
        Direction::Lower,
        None,
        Some(DOCKER_MIB),
        "fleet",
    );
    let (_, removed) = decnet(&world, &["teardown", "--all"]).await;
    report.add("fleet.docker_20_deckies_removed_s", &[removed], "s", Direction::Lower, None, None, "fleet");
    world.stop().await;
    if let Some(pid) = engine.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    let _ended = tokio::time::timeout(Duration::from_secs(30), engine.wait()).await;
}

/// Messages a second past a hundred subscribers' patterns, one of which fits: in this process and over the UNIX socket.
async fn messages(report: &mut Report) {
    let home = Bus::memory();
    let patterns = patterns(&home, "attacker.scored").await;
    let mut reader = home.subscribe("attacker.scored").await.unwrap();
    let rate = through(&home, &mut reader, 400_000).await;
    report.add("fleet.bus_memory_per_s", &[rate], "messages/s, 100 patterns", Direction::Higher, Some(200_000.0), None, "fleet");
    drop(patterns);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bus.sock");
    let server = Bus::memory();
    let serving = tokio::spawn({
        let (server, path) = (server.clone(), path.clone());
        async move { bus::unix::serve(&server, &path).await }
    });
    let far = joined(&path, "profile").await;
    let _patterns = self::patterns(&server, "attacker.scored").await;
    let mut reader = server.subscribe("attacker.scored").await.unwrap();
    let rate = through(&far, &mut reader, 100_000).await;
    report.add("fleet.bus_unix_per_s", &[rate], "messages/s, 100 patterns", Direction::Higher, Some(50_000.0), None, "fleet");
    serving.abort();
}

async fn joined(path: &Path, name: &str) -> Bus {
    let bus = Bus::join(path, name);
    while !bus.connected() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bus
}

async fn patterns(bus: &Bus, but: &str) -> Vec<bus::Subscription> {
    let mut all = Vec::new();
    for n in 0..99 {
        let pattern = if n % 3 == 0 { format!("decky.*.kind{n}") } else { format!("topic{n}.>") };
        assert!(!bus::subject::fits(&pattern, but));
        all.push(bus.subscribe(&pattern).await.unwrap());
    }
    all
}

/// Publishes no faster than the reader reads, so that none is dropped and all are counted.
async fn through(publisher: &Bus, reader: &mut bus::Subscription, count: usize) -> f64 {
    let begun = Instant::now();
    let (mut sent, mut got) = (0, 0);
    while got < count {
        while sent < count && sent - got < bus::Subscription::DEPTH / 2 {
            if publisher.publish("attacker.scored", json!({ "attacker_ip": "192.0.2.1", "event_count": sent })).await.is_err() {
                break;
            }
            sent += 1;
        }
        let next = tokio::time::timeout(Duration::from_secs(10), reader.next()).await.expect("messages were lost");
        assert!(next.is_some());
        got += 1;
        while reader.try_next().is_some() {
            got += 1;
        }
    }
    count as f64 / begun.elapsed().as_secs_f64()
}
