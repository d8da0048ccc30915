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

/// How long marks are sent.
const TIME: Duration = Duration::from_secs(10);
/// How long the last of them are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that send.
const SENDERS: u32 = 10;

pub(crate) async fn measure(report: &mut Report) {
    for (rate, target, repeats) in [(200, 250.0, 1), (5_000, 1_000.0, 3)] {
        let (mut p50, mut p99, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..repeats {
            let world = World::up(&[]).await;
            let seen = run(&world, rate).await;
            world.stop().await;
            p50.push(seen.late[seen.late.len() / 2]);
            p99.push(seen.late[seen.late.len() * 99 / 100]);
            sent.push(seen.rate);
        }
        let peer = Some("reference polls once a second");
        report.add(&format!("line.wire_to_browser_p99_{rate}_ms"), &p99, "ms", Direction::Lower, Some(target), peer, "live");
        report.add(&format!("line.wire_to_browser_p50_{rate}_ms"), &p50, "ms", Direction::Lower, None, None, "live");
        // What was really sent: a machine that cannot keep the pace measures something easier.
        let floor = Some(f64::from(rate) * 0.95);
        report.add(&format!("line.wire_to_browser_sent_{rate}_per_s"), &sent, "events/s", Direction::Higher, floor, None, "live");
    }
}

/// What came of one run.
struct Seen {
    /// Milliseconds from the write to the frame, ascending.
    late: Vec<f64>,
    /// Marks sent a second.
    rate: f64,
}

/// When each mark was sent, until it is seen.
type Sent = Arc<Mutex<HashMap<u32, Instant>>>;

/// Sends marked redis commands at `rate` a second and sees when each mark comes out of the stream.
async fn run(world: &World, rate: u32) -> Seen {
    let sent: Sent = Arc::default();
    let total = rate * u32::try_from(TIME.as_secs()).unwrap();
    let browser = Browser { url: format!("{}/api/v1/stream", world.url), token: world.token().to_owned(), last: None, reconnects: 0 };
    let stream = browser.connect().await;
    let reading = tokio::spawn(read(browser, stream, Arc::clone(&sent), total));
    let (ip, port, _) = world.find("redis");
    let started = Instant::now();
    let tasks: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (sent, ip) = (Arc::clone(&sent), ip.clone());
            tokio::spawn(async move {
                let mut redis = TcpStream::connect((ip.as_str(), port)).await.unwrap();
                redis.set_nodelay(true).unwrap();
                let mut answer = [0; 64];
                for n in (sender..total).step_by(SENDERS as usize) {
                    tokio::time::sleep_until((started + TIME * n / total).into()).await;
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
    let rate = f64::from(total) / started.elapsed().as_secs_f64();
    let Ok(late) = tokio::time::timeout(PATIENCE, reading).await else {
        panic!("{} of {total} marks are missing", sent.lock().unwrap().len());
    };
    let mut late = late.unwrap();
    late.sort_by(f64::total_cmp);
    Seen { late, rate }
}

/// Follows the stream as a browser does: when it ends, it comes back with the id it saw last.
struct Browser {
    url: String,
    token: String,
    last: Option<String>,
    reconnects: u32,
}

impl Browser {
    async fn connect(&self) -> reqwest::Response {
        let mut ask = trials::world::web_client().get(&self.url).bearer_auth(&self.token);
        if let Some(last) = &self.last {
            ask = ask.header("Last-Event-ID", last);
        }
        let stream = ask.send().await.unwrap();
        assert!(stream.status().is_success(), "{}", stream.status());
        stream
    }
}

async fn read(mut browser: Browser, stream: reqwest::Response, sent: Sent, total: u32) -> Vec<f64> {
    let mut late = Vec::new();
    let mut chunks = stream.bytes_stream();
    let mut rest = String::new();
    while late.len() < total as usize {
        let Some(Ok(chunk)) = chunks.next().await else {
            browser.reconnects += 1;
            assert!(browser.reconnects < 10, "the stream ends again and again");
            rest.clear();
            chunks = browser.connect().await.bytes_stream();
            continue;
        };
        let now = Instant::now();
        rest.push_str(&String::from_utf8_lossy(&chunk));
        let complete = rest.rfind("\n\n").map_or(0, |at| at + 2);
        for line in rest[..complete].lines() {
            if let Some(id) = line.strip_prefix("id: ") {
                browser.last = Some(id.to_owned());
            }
            for part in line.split("\"command\":\"PING mark").skip(1) {
                if let Some(number) = part.split('x').next().and_then(|n| n.parse::<u32>().ok())
                    && let Some(at) = sent.lock().unwrap().remove(&number)
                {
                    late.push(now.duration_since(at).as_secs_f64() * 1000.0);
                }
            }
        }
        rest.drain(..complete);
    }
    late
}
