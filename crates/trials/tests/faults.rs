//! What goes wrong: killed processes, wrong files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use trials::{
    marks,
    world::{World, child_named, client, programs},
};

/// Sends marked commands and keeps the marks that were answered: those the decoy accepted.
async fn load(ip: String, port: u16, first: u32, answered: Arc<Mutex<Vec<u32>>>, stop: Arc<AtomicBool>) {
    let mut mark = first;
    while !stop.load(Ordering::Acquire) {
        let Ok(Ok(mut redis)) = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect((ip.as_str(), port))).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut answer = [0; 128];
        while !stop.load(Ordering::Acquire) {
            mark += 1;
            if redis.write_all(format!("PING mark{mark}x\r\n").as_bytes()).await.is_err() {
                break;
            }
            match tokio::time::timeout(Duration::from_secs(2), redis.read(&mut answer)).await {
                Ok(Ok(n)) if answer[..n].windows(4).any(|w| w == b"mark") => answered.lock().unwrap().push(mark),
                _ => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_each_answered_command_is_recorded_exactly_once() {
    let mut world = World::up(&[]).await;
    let (ip, port, _) = world.find("redis");
    let (answered, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let loads: Vec<_> =
        (0..4).map(|n| tokio::spawn(load(ip.clone(), port, n * 1_000_000, Arc::clone(&answered), Arc::clone(&stop)))).collect();
    let more = async |by: usize| {
        let from = answered.lock().unwrap().len();
        tokio::time::timeout(Duration::from_secs(60), async {
            while answered.lock().unwrap().len() < from + by {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("nobody answers any more");
    };
    more(500).await;
    let decoy = child_named(world.pid(), "decoy").unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(decoy), nix::sys::signal::Signal::SIGKILL).unwrap();
    more(500).await;
    world.kill_and_restart().await;
    more(500).await;
    stop.store(true, Ordering::Release);
    for load in loads {
        load.await.unwrap();
    }
    let answered = answered.lock().unwrap().clone();
    world.until("/health", |h| h["status"] != "unhealthy").await;
    marks::each_once(&world, &answered.into_iter().collect()).await;
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_is_told_in_one_line_and_changes_nothing() {
    let world = World::up(&[]).await;
    let (taken, _, _) = world.find("redis");
    let state = std::fs::read(world.home().join("decnet-state.json")).unwrap();
    let decnet = programs().join("decnet").display().to_string();
    let home = world.home().display().to_string();
    let good = "[decky.first]\nservices = [\"http\"]\n";
    let cases: [(&str, String, &[&str]); 9] = [
        ("toml", format!("{good}[decky.b]\nservces = [\"ssh\"]\n"), &[":4:", "b.servces", "services"]),
        ("toml", format!("{good}[decky.b]\nservices = [\"gopher\"]\n"), &[":4:", "gopher", "ssh"]),
        ("toml", format!("{good}[decky.b]\nservices = [\"http\", \"http\"]\n"), &[":4:", "b.services", "http"]),
        ("toml", "[network]\nsubnet = \"10.1.0.0/24\"\n[decky.a]\nip = \"10.1.0.9\"\nservices = [\"ssh\"]\n[decky.b]\nip = \"10.1.0.9\"\nservices = [\"ssh\"]\n".into(), &[":7:", "b.ip", "10.1.0.9"]),
        ("toml", format!("{good}[decky.b]\nip = \"{taken}\"\nservices = [\"ssh\"]\n"), &[":4:", "b.ip", &taken, "lab-db", "allowed"]),
        ("toml", format!("{good}[decky.b]\nip = \"198.51.100.7\"\nservices = [\"ssh\"]\n"), &[":4:", "b.ip", "198.51.100.7", "allowed"]),
        ("ini", "[first]\nservices = http\n[b]\nservices = ssh\nbananas = 3\n".into(), &[":5:", "b.bananas"]),
        ("ini", "[first]\nservices = http\n[b]\nservices = ssh, gopher\n".into(), &[":4:", "gopher", "ssh"]),
        ("toml", "[decky.a\n".into(), &[":1:"]),
    ];
    for (suffix, text, expect) in cases {
        let file = world.home().join(format!("wrong.{suffix}"));
        std::fs::write(&file, &text).unwrap();
        let (code, out, err) = client(&decnet, &["deploy", "--config", &file.display().to_string(), "--data-dir", &home], b"").await;
        let said = String::from_utf8(err).unwrap();
        assert_eq!((code, out.len()), (2, 0), "{said}{text}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        for part in expect.iter().copied().chain([file.to_str().unwrap()]) {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
        assert!(std::fs::read(world.home().join("decnet-state.json")).unwrap() == state, "something was deployed: {text}");
    }
    let (code, out, _) = client(&decnet, &["status", "--json", "--data-dir", &home], b"").await;
    let status: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((code, status.as_array().map(Vec::len)), (0, Some(world.deckies.len())));
    assert!(world.stop().await);
}
