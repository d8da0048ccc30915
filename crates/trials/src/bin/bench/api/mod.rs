//! Reads of a large database under many users, with `wrk`.
//!
//! Two ways of asking. *The same*: 500 connections ask for one page as fast as they are answered, as dashboards do that
//! stand on the same page. *Varied*: every question is another one (page, filter, word), so that no kept answer helps;
//! as fast as possible for the rate, and with 500 users who each ask once a second for the times.

mod fill;
mod wrk;

use crate::figure::{Direction, Report};
use fill::fill;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use trials::{mariadb, world::World};
use wrk::{Questions, ask};

/// What is asked, the least rate wanted, and what others reach.
const SAME: [(&str, &str, Option<f64>, Option<&str>); 11] = [
    ("logs", "/logs", Some(5_000.0), Some("reference 112-164 requests/s (baseline, 50,000 logs)")),
    ("attackers", "/attackers", Some(5_000.0), Some("reference 13-26 requests/s (baseline)")),
    ("search", "/logs?search=wget", Some(500.0), Some("reference 28-45 requests/s (baseline)")),
    ("histogram", "/logs/histogram", None, None),
    ("credentials", "/credentials", None, None),
    ("stats", "/stats", None, None),
    ("sessions", "/sessions", None, None),
    ("bounty", "/bounty", None, None),
    ("artifacts", "/artifacts", None, None),
    ("deckies", "/deckies", None, None),
    ("workers", "/workers", None, None),
];

/// Name, Lua expressions of paths of which one is taken at a time, and the least rate wanted.
const VARIED: [(&str, &[&str], Option<f64>); 5] = [
    (
        "logs",
        &["'/logs?offset=' .. r(999000)", "'/logs?search=service:ssh&offset=' .. r(9000)", "'/logs?search=attacker:' .. ip()"],
        Some(5_000.0),
    ),
    ("attackers", &["'/attackers?offset=' .. r(99000)", "'/attackers?sort_by=active&offset=' .. r(99000)"], Some(5_000.0)),
    (
        "search",
        &[
            "'/logs?search=x' .. r(5000) .. '.sh'",
            "'/logs?search=198.51.100.' .. r(250) .. '+wget'",
            "'/logs?search=wget&offset=' .. r(5000)",
            "'/logs?search=' .. r(1000000)",
            "'/logs?search=user:root+service:ssh+x' .. r(500) .. '*'",
            "'/logs?search=busybox+attacker:' .. ip()",
        ],
        Some(500.0),
    ),
    (
        "credentials",
        &[
            "'/credentials?offset=' .. r(19000)",
            "'/credentials?search=password' .. r(20000)",
            "'/credentials?service=ssh&offset=' .. r(4000)",
        ],
        None,
    ),
    ("histogram", &["'/logs/histogram?start_time=' .. time() .. '&end_time=2026-09-22T20:00:00Z&interval_minutes=' .. 5 + r(60)"], None),
];

pub(crate) async fn measure(report: &mut Report) {
    let home = tempfile::tempdir().unwrap();
    fill(&store::Config::Sqlite(home.path().join("decnet.db")), 1_000_000).await;
    let world = World::up_in(home, &["--no-lab"], &[]).await;
    reads(report, &world, "").await;
    world.stop().await;
}

/// The same on MariaDB, with a fifth of the events: filling and indexing take longer there than all measuring.
pub(crate) async fn measure_mariadb(report: &mut Report) {
    let Some(server) = mariadb::Server::start() else { return };
    let url = server.database_url();
    fill(&store::Config::MySql(url.clone()), 200_000).await;
    let world = World::up_in(tempfile::tempdir().unwrap(), &["--no-lab"], &[("DECNET_DB_URL", &url)]).await;
    reads(report, &world, "_mariadb").await;
    world.stop().await;
}

async fn reads(report: &mut Report, world: &World, on: &str) {
    let here = on.is_empty();
    for (name, path, target, peer) in SAME {
        let (mut rates, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..if here && target.is_some() { 3 } else { 1 } {
            let answers = ask(world, &Questions::Same(path), None).await;
            rates.push(answers.rate);
            p99.push(answers.p99_ms);
        }
        let unit = "requests/s at 500 connections";
        report.add(&format!("line.api_{name}_per_s{on}"), &rates, unit, Direction::Higher, target.filter(|_| here), peer, "api");
        report.add(
            &format!("line.api_{name}_p99_ms{on}"),
            &p99,
            "ms at 500 connections",
            Direction::Lower,
            Some(50.0).filter(|_| here),
            None,
            "api",
        );
    }
    for (name, paths, target) in VARIED {
        let full = ask(world, &Questions::Varied(paths), None).await;
        let unit = "requests/s at 500 connections, each another question";
        report.add(
            &format!("line.api_{name}_varied_per_s{on}"),
            &[full.rate],
            unit,
            Direction::Higher,
            target.filter(|_| here),
            None,
            "api",
        );
        let paced = ask(world, &Questions::Varied(paths), Some(Duration::from_secs(1))).await;
        let unit = "ms, 500 users, each another question every second";
        report.add(
            &format!("line.api_{name}_varied_p99_ms{on}"),
            &[paced.p99_ms],
            unit,
            Direction::Lower,
            Some(50.0).filter(|_| here),
            None,
            "api",
        );
    }
    busy(report, world, on).await;
}

/// The same mix while events come in.
async fn busy(report: &mut Report, world: &World, on: &str) {
    let spool = Arc::new(spool::Spool::open(world.home().join("spool/flow"), spool::Options::default()).unwrap());
    let stop = CancellationToken::new();
    let recording = tokio::spawn(crate::record::flow(spool, 1_000, stop.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mix: Vec<&str> =
        VARIED.iter().flat_map(|(_, paths, _)| paths.iter().copied()).chain(["'/stats'", "'/logs'", "'/attackers'"]).collect();
    let paced = ask(world, &Questions::Varied(&mix), Some(Duration::from_secs(1))).await;
    stop.cancel();
    let written = recording.await.unwrap();
    let unit = "ms, 500 users, each another question every second, 1,000 events/s recorded";
    report.add(
        &format!("line.api_busy_p99_ms{on}"),
        &[paced.p99_ms],
        unit,
        Direction::Lower,
        Some(50.0).filter(|_| on.is_empty()),
        None,
        "api",
    );
    assert!(written >= 8_000, "only {written} events were written");
}
