//! From a full spool into the database.

use crate::{
    figure::{Direction, Report},
    process,
};
use bus::Bus;
use model::{Captured, DeckyId, Event, HttpRequest, Id, Micros, Outcome, Saw, SecretKind};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Instant,
};
use store::Store;
use tokio_util::sync::CancellationToken;
use workers::Cx;

const PLAIN: usize = 500_000;
const MIXED: usize = 250_000;

pub(crate) async fn measure(report: &mut Report) {
    let sqlite = |dir: &Path| store::Config::Sqlite(dir.join("decnet.db"));
    let kinds: [(&str, usize, fn(usize) -> Saw, f64); 2] =
        [("plain", PLAIN, plain_event, 100_000.0), ("mixed", MIXED, mixed_event, 50_000.0)];
    for (kind, count, make, target) in kinds {
        let mut runs = Vec::new();
        for _ in 0..3 {
            runs.push(run(count, make, &sqlite).await);
        }
        let of = |take: fn(&Run) -> f64| runs.iter().map(take).collect::<Vec<_>>();
        let peer = Some("reference 1,460-1,790 plain, 226-345 mixed (baseline)");
        report.add(&format!("line.record_{kind}_per_s"), &of(|r| r.rate), "events/s", Direction::Higher, Some(target), peer, "record");
        report.add(
            &format!("line.record_{kind}_cpu_us"),
            &of(|r| r.cpu_us),
            "µs CPU per event, all threads",
            Direction::Lower,
            None,
            None,
            "record",
        );
        report.add(
            &format!("line.record_{kind}_writer_us"),
            &of(|r| r.writer_us),
            "µs CPU per event, SQLite's thread",
            Direction::Lower,
            None,
            None,
            "record",
        );
        if kind == "plain" {
            report.add("line.record_growth_mib", &of(|r| r.grown), "MiB over 500,000 events", Direction::Lower, None, None, "record");
            report.add(
                "line.record_late_growth_mib",
                &of(|r| r.late),
                "MiB in the second half of them",
                Direction::Lower,
                None,
                None,
                "record",
            );
        }
    }
    if let Some(server) = trials::mariadb::Server::start() {
        let rates = [run(100_000, plain_event, &|_| server.database()).await.rate];
        report.add("line.record_mariadb_per_s", &rates, "events/s", Direction::Higher, Some(20_000.0), None, "record");
    }
}

/// What one full spool came to.
struct Run {
    /// Events a second.
    rate: f64,
    cpu_us: f64,
    writer_us: f64,
    /// MiB from the beginning, and from the middle.
    grown: f64,
    late: f64,
}

async fn run(count: usize, make: fn(usize) -> Saw, database: &dyn Fn(&Path) -> store::Config) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let spools = dir.path().join("spool");
    let spool = spool::Spool::open(spools.join("bench"), spool::Options::default()).unwrap();
    for start in (0..count).step_by(1000) {
        let events: Vec<Event> = (start..(start + 1000).min(count)).map(|n| event(n, make(n))).collect();
        spool.append(&events).unwrap();
    }
    let end = spool.end();
    let store = Store::open(&database(dir.path())).await.unwrap();
    let stop = CancellationToken::new();
    let cx = Cx { store: store.clone(), bus: Bus::memory(), spools };
    let me = i32::try_from(std::process::id()).unwrap();
    let before = process::rss_mib(me);
    let (cpu, writer) = (process::cpu_exact_ms(me), process::cpu_of_thread_ms(me, "store-write"));
    let mut half = None;
    let started = Instant::now();
    let running = workers::start("record", cx, stop.clone()).unwrap();
    loop {
        let at = store.spool_position("bench").await.unwrap();
        if (at.segment, at.offset) == (end.segment, end.offset) {
            break;
        }
        if half.is_none() && store.last_log_id().await.unwrap() * 2 >= i64::try_from(count).unwrap() {
            half = Some(process::rss_mib(me));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let each = |spent_ms: f64| spent_ms * 1000.0 / count as f64;
    let cpu_us = each(process::cpu_exact_ms(me) - cpu);
    let writer_us = each(process::cpu_of_thread_ms(me, "store-write") - writer);
    let now = process::rss_mib(me);
    stop.cancel();
    running.await.unwrap();
    Run { rate, cpu_us, writer_us, grown: now - before, late: now - half.unwrap_or(before) }
}

/// Appends mixed events of now at `rate` a second until `stop`; how many.
pub(crate) async fn flow(spool: std::sync::Arc<spool::Spool>, rate: usize, stop: CancellationToken) -> usize {
    let (each, mut n) = (rate / 50, 0);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            () = stop.cancelled() => return n,
            _ = ticks.tick() => {}
        }
        let now = Micros::of(std::time::SystemTime::now());
        let events: Vec<Event> = (n..n + each)
            .map(|n| {
                let event = event(n, mixed_event(n));
                let id = Id::at(now, event.id.uuid().into_bytes().last_chunk().copied().unwrap());
                Event { id, at: now, ..event }
            })
            .collect();
        spool.append(&events).unwrap();
        n += each;
    }
}

fn event(n: usize, saw: Saw) -> Event {
    let n64 = n as u64;
    let at = Micros(1_790_000_000_000_000 + i64::try_from(n).unwrap() * 200);
    let mut random = [0_u8; 10];
    random[2..].copy_from_slice(&n64.to_be_bytes());
    let source = Ipv4Addr::from(0x0a00_0000 | u32::try_from(n % 500).unwrap());
    Event {
        id: Id::at(at, random),
        at,
        decky: DeckyId::local(&format!("web-{:02}", n % 20)),
        service: ["ssh", "http", "redis", "smtp"][n % 4].into(),
        session: Some(Id::at(at, [u8::try_from(n / 8 % 256).unwrap(), u8::try_from(n / 2048 % 256).unwrap(), 1, 2, 3, 4, 5, 6, 7, 8])),
        source: Some(SocketAddr::new(IpAddr::V4(source), 40_000)),
        local: Some(SocketAddr::from(([10, 9, 0, 1], 22))),
        saw,
    }
}

fn plain_event(_: usize) -> Saw {
    Saw::Connect { syn: None }
}

/// 40 % credentials, 20 % HTTP requests with a user agent, the rest plain.
fn mixed_event(n: usize) -> Saw {
    match n % 5 {
        0 | 1 => Saw::AuthAttempt {
            principal: Some(["root", "admin", "oracle"][n % 3].into()),
            secret: Captured::from(format!("password{}", n % 5000)),
            secret_kind: SecretKind::Plaintext,
            outcome: Outcome::Failure,
            challenge: None,
        },
        2 => Saw::Request(HttpRequest {
            method: "GET".into(),
            target: format!("/page/{}", n % 1000).into(),
            version: "HTTP/1.1".into(),
            headers: vec![
                ("Host".into(), "10.9.0.1".into()),
                ("User-Agent".into(), format!("agent/{}", n % 40).into()),
                ("Accept".into(), "*/*".into()),
            ],
            body: Captured::default(),
            body_len: 0,
            status: 404,
        }),
        _ => plain_event(n),
    }
}
