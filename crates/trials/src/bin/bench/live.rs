//! From the attacker's byte to the browser's frame.

use crate::figure::{Direction, Report};
use futures::StreamExt;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use trials::world::World;

pub(crate) async fn measure(report: &mut Report) {
    for (rate, target, name) in [(200, 250.0, "line.wire_to_browser_p99_200_ms"), (5_000, 1_000.0, "line.wire_to_browser_p99_5000_ms")] {
        let world = World::up(&[]).await;
        let p99 = run(&world, rate, Duration::from_secs(10)).await;
        world.stop().await;
        report.add(name, &[p99], "ms", Direction::Lower, Some(target), Some("reference polls once a second"), "live");
    }
}

/// Sends marked redis commands at `rate` a second and sees when each mark comes out of the stream.
async fn run(world: &World, rate: u32, time: Duration) -> f64 {
    let sent: Arc<Mutex<HashMap<u32, Instant>>> = Arc::default();
    let total = rate * u32::try_from(time.as_secs()).unwrap();
    let stream = reqwest::Client::new().get(format!("{}/api/v1/stream", world.url)).bearer_auth(world.token()).send().await.unwrap();
    assert!(stream.status().is_success(), "{}", stream.status());
    let reading = tokio::spawn(read(stream, Arc::clone(&sent), total));
    let (ip, port, _) = world.find("redis");
    let senders = 10_u32;
    let started = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (sent, ip) = (Arc::clone(&sent), ip.clone());
            tokio::spawn(async move {
                let mut redis = TcpStream::connect((ip.as_str(), port)).await.unwrap();
                redis.set_nodelay(true).unwrap();
                let mut answer = [0; 64];
                for n in (sender..total).step_by(senders as usize) {
                    tokio::time::sleep_until((started + time * n / total).into()).await;
                    sent.lock().unwrap().insert(n, Instant::now());
                    redis.write_all(format!("PING mark{n}x\r\n").as_bytes()).await.unwrap();
                    assert!(redis.read(&mut answer).await.unwrap() > 0, "the decoy hung up");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut late: Vec<f64> = tokio::time::timeout(Duration::from_secs(60), reading).await.expect("marks are missing").unwrap();
    late.sort_by(f64::total_cmp);
    late[late.len() * 99 / 100]
}

async fn read(answer: reqwest::Response, sent: Arc<Mutex<HashMap<u32, Instant>>>, total: u32) -> Vec<f64> {
    let mut late = Vec::new();
    let mut chunks = answer.bytes_stream();
    let mut rest = String::new();
    while late.len() < total as usize {
        let chunk = chunks.next().await.expect("the stream ended").unwrap();
        let now = Instant::now();
        rest.push_str(&String::from_utf8_lossy(&chunk));
        let complete = rest.rfind('\n').map_or(0, |at| at + 1);
        let lines: String = rest.drain(..complete).collect();
        for part in lines.split("\"command\":\"PING mark").skip(1) {
            if let Some(number) = part.split('x').next().and_then(|n| n.parse::<u32>().ok())
                && let Some(at) = sent.lock().unwrap().remove(&number)
            {
                late.push(now.duration_since(at).as_secs_f64() * 1000.0);
            }
        }
    }
    late
}
