//! Visitors without measure: many connections, bytes in drops, bytes without end.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// What a flood came to.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Connections that were made.
    pub connected: usize,
    /// Connections that were refused or did not come to be in time.
    pub failed: usize,
    /// Bytes that were taken.
    pub bytes: u64,
    pub took: Duration,
}

/// Makes `count` connections to `doors` in turn, `at_once` at a time, and closes each at once.
pub async fn knock(doors: Vec<SocketAddr>, count: usize, at_once: usize) -> Flood {
    use futures::StreamExt;
    let began = Instant::now();
    let knocks = futures::stream::iter(0..count).map(|n| {
        let door = doors[n % doors.len()];
        async move { matches!(tokio::time::timeout(CONNECT, TcpStream::connect(door)).await, Ok(Ok(_))) }
    });
    let connected = knocks.buffer_unordered(at_once).filter(|came| std::future::ready(*came)).count().await;
    Flood { connected, failed: count - connected, bytes: 0, took: began.elapsed() }
}

/// Makes connections that say `words` and nothing more.
pub async fn begin(door: SocketAddr, words: &[u8], count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        let Ok(Ok(mut stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(door)).await else { continue };
        if stream.write_all(words).await.is_ok() {
            all.push(stream);
        }
    }
    all
}

/// Pours `total` bytes of `kind` into `door`, over a new connection whenever the old one is closed, for at most
/// `patience`. Answers are read and thrown away.
pub async fn pour(door: SocketAddr, kind: Garbage, total: u64, patience: Duration) -> Flood {
    let began = Instant::now();
    let mut flood = Flood { connected: 0, failed: 0, bytes: 0, took: Duration::ZERO };
    let mut block = kind.block();
    while flood.bytes < total && began.elapsed() < patience {
        let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(door)).await else {
            flood.failed += 1;
            continue;
        };
        flood.connected += 1;
        let (mut read, mut write) = stream.into_split();
        let answers = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while matches!(read.read(&mut buffer).await, Ok(1..)) {}
        });
        while flood.bytes < total && began.elapsed() < patience && !answers.is_finished() {
            match tokio::time::timeout(Duration::from_secs(5), write.write(&block)).await {
                Ok(Ok(n @ 1..)) => flood.bytes += n as u64,
                // Closed, or nobody reads any more.
                _ => break,
            }
            kind.turn(&mut block);
        }
        answers.abort();
    }
    flood.took = began.elapsed();
    flood
}

/// Opens `count` connections that each announce and send almost all of a large request, `at_once` at a time; gives those
/// that could send it all and stay open.
pub async fn hoard(door: SocketAddr, count: usize, at_once: usize, bytes: usize) -> Vec<TcpStream> {
    use futures::StreamExt;
    let head = format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n");
    let block = vec![b'h'; 256 * 1024];
    let (head, block) = (&head, &block);
    let hoarders = futures::stream::iter(0..count).map(|_| async move {
        let mut stream = tokio::time::timeout(CONNECT, TcpStream::connect(door)).await.ok()?.ok()?;
        stream.write_all(head.as_bytes()).await.ok()?;
        for _ in 0..bytes / block.len() {
            tokio::time::timeout(CONNECT, stream.write_all(block)).await.ok()?.ok()?;
        }
        Some(stream)
    });
    hoarders.buffer_unordered(at_once).filter_map(std::future::ready).collect().await
}

/// What is poured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Every byte value, no sense.
    Noise,
    /// One endless line.
    Line,
    /// Short lines that are no command.
    Lines,
}

impl Garbage {
    fn block(self) -> Vec<u8> {
        match self {
            Self::Noise => {
                let mut x = 0x9e37_79b9_u32;
                let next = |_| {
                    x ^= x << 13;
                    x ^= x >> 17;
                    x ^= x << 5;
                    x.to_be_bytes()[1]
                };
                (0..64 * 1024).map(next).collect()
            }
            Self::Line => vec![b'A'; 64 * 1024],
            Self::Lines => b"xyzzy plugh\r\n".repeat(5_000),
        }
    }

    /// The next block differs.
    fn turn(self, block: &mut [u8]) {
        if self == Self::Noise {
            block.rotate_left(1);
        }
    }
}

/// A line of `/proc/PID/status` in MiB: `VmRSS` now, `VmHWM` at most so far.
pub fn memory(pid: i32, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).and_then(|l| l.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}
