//! The database is away, the disk is full, the spool is torn: it says so, goes on, and nothing accepted is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use model::{Event, Saw};
use spool::record::{self, Front};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use trials::{
    disk::Disk,
    mariadb, marks,
    world::{PATIENCE, World},
};

/// Seconds that the database is away; a minute by hand.
fn away() -> Duration {
    let seconds = std::env::var("DECNET_TRIAL_AWAY_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(6))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_it_says_so_and_capture_goes_on() {
    let mut server = mariadb::Server::start().expect("mariadb-server is not installed: scripts/setup test installs it");
    let url = server.database_url();
    let world = World::up(&["--database", &url]).await;
    let (ip, port, _) = world.find("redis");
    let mut answered = marks::send(&ip, port, 0..200).await;
    marks::each_once(&world, &answered).await;
    assert_eq!(world.get("/health").await["components"]["database"]["status"], "ok");

    server.stop();
    let gone = Instant::now();
    let mut next = 1000;
    let mut said = false;
    while gone.elapsed() < away() || !said {
        let some = marks::send(&ip, port, next..next + 50).await;
        assert_eq!(some.len(), 50, "capture goes on");
        answered.extend(some);
        next += 50;
        let (status, health) = world.ask("/health").await;
        if status == 503
            && health["components"]["database"]["status"] == "failing"
            && health["components"]["worker:record"]["status"] == "failing"
        {
            assert_eq!(health["status"], "unhealthy");
            assert!(health["components"]["database"]["detail"].as_str().unwrap().contains("capture goes on"), "{health:#}");
            said = true;
        } else {
            assert!(!said, "it takes back that the database is away: {health:#}");
        }
        assert!(gone.elapsed() < away() + PATIENCE, "health never tells: {health:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = world.log();
    let failed: Vec<&str> = log.lines().filter(|l| l.contains("name=\"record\"") && l.contains("failed; trying again")).collect();
    assert!(failed.len() == 1 && failed[0].contains("database unavailable"), "one clear line: {failed:?}");

    server.start_again();
    let health = world.until("/health", |h| h["status"] == "healthy").await;
    assert_eq!(health["components"]["worker:record"]["status"], "ok");
    world.until_log("works again").await;
    marks::each_once(&world, &answered).await;
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn deckies_stand_before_the_database_does() {
    let mut server = mariadb::Server::start().expect("mariadb-server is not installed: scripts/setup test installs it");
    let url = server.database_url();
    server.stop();
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("decnet-state.json");
    let starting = tokio::spawn(async move { World::up_in(home, &["--database", &url], &[]).await });
    let started = Instant::now();
    let mut answered = BTreeSet::new();
    while answered.is_empty() {
        assert!(started.elapsed() < PATIENCE, "no decky answers");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Ok(bytes) = fs::read(&state) else { continue };
        let Ok(state) = serde_json::from_slice::<serde_json::Value>(&bytes) else { continue };
        let deckies = state["deckies"].as_object().into_iter().flatten();
        let redis = deckies.filter_map(|(_, d)| {
            let planned = d["plan"]["services"].as_array()?.iter().any(|s| s["name"] == "redis");
            planned.then(|| d["persona"]["ipv4"].as_str().map(str::to_owned)).flatten()
        });
        // On loopback the port is not the usual one; there the fleet alone is waited for.
        match redis.last() {
            Some(ip) if !ip.starts_with("127.") => answered = marks::send(&ip, 6379, 1..50).await,
            Some(_) => break,
            None => {}
        }
    }
    assert!(!starting.is_finished());
    server.start_again();
    let world = starting.await.unwrap();
    assert!(world.log().contains("waiting for the database; capture goes on"));
    marks::each_once(&world, &answered).await;
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_everything_accepted_is_there_once_it_is_freed() {
    // Without the right to mount there is no disk to fill.
    let Some(disk) = Disk::new(48) else { return };
    let world = World::up_in(tempfile::tempdir_in(disk.path()).unwrap(), &[], &[]).await;
    let (ip, port, _) = world.find("redis");
    let mut answered = marks::send(&ip, port, 0..200).await;
    marks::each_once(&world, &answered).await;
    disk.fill(0);
    let started = Instant::now();
    let mut next = 1000;
    while !world.log().contains("events wait in memory") {
        let some = marks::send(&ip, port, next..next + 200).await;
        assert_eq!(some.len(), 200, "capture goes on");
        answered.extend(some);
        next += 200;
        assert!(started.elapsed() < PATIENCE, "a full disk is not told");
    }
    let told = world.until_log("events wait in memory").await;
    assert!(told.contains("no room for") && told.contains(".seg"), "{told}");
    answered.extend(marks::send(&ip, port, next..next + 500).await);
    let (status, health) = world.ask("/health").await;
    assert!(status == 200 || status == 503, "{health}");
    disk.free();
    world.until_log("the spool can be written again; nothing was lost").await;
    marks::each_once(&world, &answered).await;
    let after = marks::send(&ip, port, 900_000..900_100).await;
    assert_eq!(after.len(), 100);
    marks::each_once(&world, &after).await;
    world.until("/health", |h| h["status"] == "healthy").await;
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_spool_is_told_and_the_rest_is_recorded_once() {
    let mut world = World::up(&[]).await;
    let (ip, port, _) = world.find("redis");
    // Nobody takes the events away for now.
    assert_eq!(world.post("/workers/record/stop", &serde_json::Value::Null).await.0, 202);
    world.until("/workers", |w| w["workers"].as_array().unwrap().iter().any(|w| w["name"] == "record" && w["status"] == "stopped")).await;
    let first = marks::send(&ip, port, 0..300).await;
    assert_eq!(first.len(), 300);
    // A new player begins a new segment: the one before is closed.
    let player = nix::unistd::Pid::from_raw(world.player());
    nix::sys::signal::kill(player, nix::sys::signal::Signal::SIGKILL).unwrap();
    let mut second = BTreeSet::new();
    let started = Instant::now();
    while second.len() < 300 {
        let from = 1000 + u32::try_from(second.len()).unwrap();
        second.extend(marks::send(&ip, port, from..1300).await);
        assert!(started.elapsed() < PATIENCE, "nobody plays any more");
    }
    world.kill().await;
    let spool = world.home().join("spool/decoy");
    let (closed, open) = (segment_with(&spool, 0), segment_with(&spool, 1299));
    assert_ne!(closed, open);
    // Three records of the closed one: a flipped bit, a hole, and bytes cut out of the middle.
    let mut bytes = fs::read(&closed).unwrap();
    let spot = place_of(&bytes, 50).unwrap() + 100;
    bytes[spot] ^= 0x20;
    let spot = place_of(&bytes, 100).unwrap() + 60;
    bytes[spot..spot + 90].fill(0);
    let spot = place_of(&bytes, 150).unwrap() + 70;
    bytes.drain(spot..spot + 9);
    fs::write(&closed, &bytes).unwrap();
    // The tail of the open one is cut in the middle of a record.
    let bytes = fs::read(&open).unwrap();
    let spot = place_of(&bytes, 1250).unwrap();
    fs::write(&open, &bytes[..spot + 50]).unwrap();
    let lost: BTreeSet<u32> = [50, 100, 150].into_iter().chain(1250..1300).collect();

    world.restart().await;
    let left: BTreeSet<u32> = first.union(&second).copied().filter(|m| !lost.contains(m)).collect();
    let seen = marks::each_once(&world, &left).await;
    assert!(lost.iter().all(|mark| !seen.contains_key(mark)));
    let log = world.log();
    let damaged = log.lines().filter(|l| l.contains("left out damaged bytes of a spool segment")).count();
    assert_eq!(damaged, 3, "each damage is told once");
    assert!(log.contains("cut off the torn end of a spool segment"));
    // The same once more: nothing comes twice.
    world.kill_and_restart().await;
    let (ip, port, _) = world.find("redis");
    let third = marks::send(&ip, port, 5000..5100).await;
    let all = left.union(&third).copied().collect();
    assert_eq!(marks::each_once(&world, &all).await.len(), all.len());
    assert!(world.stop().await);
}

/// The segment that holds `mark`.
fn segment_with(spool: &Path, mark: u32) -> PathBuf {
    let mut files = fs::read_dir(spool).unwrap().flatten().map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "seg"));
    files.find(|path| place_of(&fs::read(path).unwrap(), mark).is_some()).unwrap_or_else(|| panic!("mark {mark} is in no segment"))
}

/// Where the record of `mark` begins. Damaged parts are passed over.
fn place_of(bytes: &[u8], mark: u32) -> Option<usize> {
    let line = format!("PING mark{mark}x");
    let mut at = 0;
    while at < bytes.len() {
        let Front::Record(payload) = record::front(&bytes[at..]) else {
            at += 1;
            continue;
        };
        let event: Event = serde_json::from_slice(payload).unwrap();
        if matches!(&event.saw, Saw::Command { line: said, .. } if said.as_bytes() == line.as_bytes()) {
            return Some(at);
        }
        at += record::HEADER + payload.len();
    }
    None
}
