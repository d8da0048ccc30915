//! How small and how soon.

use crate::{
    figure::{Direction, Report},
    process,
};
use std::time::Instant;
use trials::world::{World, family, programs};

pub(crate) async fn measure(report: &mut Report) {
    let program = programs().join("decnet");
    let help: Vec<f64> = (0..20)
        .map(|_| {
            let started = Instant::now();
            assert!(std::process::Command::new(&program).arg("--help").output().unwrap().status.success());
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    report.add("line.help_ms", &help, "ms", Direction::Lower, Some(20.0), Some("reference 1,400 ms (baseline)"), "footprint");
    let (mut ready, mut rss) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let home = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let world = World::up_in(home, &["--no-lab"], &[]).await;
        ready.push(started.elapsed().as_secs_f64());
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        rss.push(family(world.pid()).into_iter().map(process::rss_mib).sum());
        world.stop().await;
    }
    // Includes two sign-ins and a change of password (argon2id), so the product is ready sooner than this.
    report.add(
        "line.first_start_ready_s",
        &ready,
        "s",
        Direction::Lower,
        Some(1.0),
        Some("reference 3.65 s (API alone, baseline)"),
        "footprint",
    );
    report.add(
        "line.empty_fleet_rss_mib",
        &rss,
        "MiB",
        Direction::Lower,
        Some(80.0),
        Some("reference 1,370 MiB (15 processes, baseline)"),
        "footprint",
    );
}
