//! What goes wrong: killed processes, hostile text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    collections::HashMap,
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
use trials::world::{World, child_named, client};

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
    let marks = async || {
        let mut seen: HashMap<u32, u32> = HashMap::new();
        for offset in (0..).step_by(1000) {
            let page = world.get(&format!("/logs?search=service:redis%20event:command&limit=1000&offset={offset}")).await;
            let rows = page["data"].as_array().unwrap().clone();
            for row in &rows {
                let command = row["fields"]["command"].as_str().unwrap();
                if let Some(n) = command.strip_prefix("PING mark").and_then(|m| m.strip_suffix('x')) {
                    *seen.entry(n.parse().unwrap()).or_default() += 1;
                }
            }
            if rows.len() < 1000 {
                break;
            }
        }
        seen
    };
    let started = std::time::Instant::now();
    let seen = loop {
        let seen = marks().await;
        if answered.iter().all(|mark| seen.contains_key(mark)) {
            break seen;
        }
        let lost = answered.iter().filter(|mark| !seen.contains_key(mark)).count();
        assert!(started.elapsed() < Duration::from_secs(30), "{lost} of {} answered commands are not recorded", answered.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let twice = seen.values().filter(|count| **count > 1).count();
    assert_eq!(twice, 0, "{twice} commands are recorded more than once");
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_reaches_database_and_exports_unharmed_and_unharming() {
    let world = World::up(&[]).await;
    let (ip, port, _) = world.find("redis");
    let hostile = b"a\"b'c]\r\n<script>alert(1)</script>\x1b[2J\0\xff=cmd|' /C calc'!A0";
    let mut redis = TcpStream::connect((ip.as_str(), port)).await.unwrap();
    let mut bytes = format!("*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n${}\r\n", hostile.len()).into_bytes();
    bytes.extend_from_slice(hostile);
    bytes.extend_from_slice(b"\r\n");
    redis.write_all(&bytes).await.unwrap();
    let mut answer = [0; 256];
    assert!(redis.read(&mut answer).await.unwrap() > 0);
    let long = vec![b'A'; 60_000];
    redis.write_all(&[&b"*2\r\n$4\r\nPING\r\n$60000\r\n"[..], &long, b"\r\n"].concat()).await.unwrap();
    let credentials = world.until("/credentials?service=redis", |c| c["total"].as_i64() >= Some(1)).await;
    let stored = credentials["data"][0]["secret_b64"].as_str().unwrap();
    let (_, decoded, _) = client("base64", &["-d"], stored.as_bytes()).await;
    assert_eq!(decoded, hostile, "a secret is kept byte for byte");
    for format in ["csv", "json", "syslog"] {
        let export = world.get_bytes(&format!("/logs/export?format={format}&search=service:redis")).await;
        let text = String::from_utf8(export).expect("exports are UTF-8");
        assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{format} lets control characters through");
        if format == "syslog" {
            assert!(text.lines().all(|line| line.starts_with('<')), "a line was forged in {format}:\n{text}");
        }
    }
    assert!(world.stop().await);
}
