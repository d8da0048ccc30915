//! Numbered commands: what was answered must be recorded, each exactly once.

use crate::world::World;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Sends the marks of `range` to the Redis at `ip`, one after the other over one connection, as long as it answers;
/// gives those that were answered.
pub async fn send(ip: &str, port: u16, range: Range<u32>) -> BTreeSet<u32> {
    let mut answered = BTreeSet::new();
    let Ok(Ok(mut redis)) = tokio::time::timeout(ANSWER, TcpStream::connect((ip, port))).await else { return answered };
    let mut answer = [0; 128];
    for mark in range {
        if redis.write_all(format!("PING mark{mark}x\r\n").as_bytes()).await.is_err() {
            break;
        }
        match tokio::time::timeout(ANSWER, redis.read(&mut answer)).await {
            Ok(Ok(n)) if answer[..n].windows(4).any(|w| w == b"mark") => _ = answered.insert(mark),
            _ => break,
        }
    }
    answered
}

/// How often each mark is recorded now.
pub async fn recorded(world: &World) -> BTreeMap<u32, u32> {
    let mut seen = BTreeMap::new();
    for row in world.all("/logs?search=service:redis%20event:command").await {
        let command = row["fields"]["command"].as_str().unwrap_or_default();
        if let Some(mark) = command.strip_prefix("PING mark").and_then(|m| m.strip_suffix('x')).and_then(|m| m.parse().ok()) {
            *seen.entry(mark).or_default() += 1;
        }
    }
    seen
}

/// Waits until all of `answered` are recorded; none may be there twice.
pub async fn each_once(world: &World, answered: &BTreeSet<u32>) -> BTreeMap<u32, u32> {
    let started = Instant::now();
    loop {
        let seen = recorded(world).await;
        let twice: Vec<_> = seen.iter().filter(|(_, n)| **n > 1).collect();
        assert!(twice.is_empty(), "recorded more than once: {twice:?}");
        let lost = answered.iter().filter(|mark| !seen.contains_key(mark)).count();
        if lost == 0 {
            return seen;
        }
        assert!(started.elapsed() < crate::world::PATIENCE, "{lost} of {} answered commands are not recorded", answered.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
