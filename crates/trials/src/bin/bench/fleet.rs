//! A hundred deckies: how soon and how large.

use crate::{
    figure::{Direction, Report},
    process,
};
use std::time::{Duration, Instant};
use tokio::process::Command;
use trials::world::{World, family, programs};

pub(crate) async fn measure(report: &mut Report) {
    let world = World::up(&["--no-lab"]).await;
    let file = world.home().join("hundred.toml");
    std::fs::write(&file, "[decky.host]\namount = 100\nservices = [\"ssh\", \"http\", \"redis\"]\n").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = || family(world.pid()).into_iter().map(process::rss_mib).sum::<f64>();
    let (rss, available) = (memory(), process::available_mib());
    let started = Instant::now();
    let out = Command::new(programs().join("decnet")).args(["deploy", "--config"]).arg(&file).arg("--data-dir").arg(world.home()).output().await.unwrap();
    let took = started.elapsed().as_secs_f64();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.add("fleet.hundred_deckies_placed_s", &[took], "s", Direction::Lower, Some(2.0), Some("Docker: 290 ms for each empty container (baseline)"), "fleet");
    report.add("fleet.hundred_deckies_rss_mib", &[memory() - rss], "MiB more, processes", Direction::Lower, None, None, "fleet");
    report.add(
        "fleet.hundred_deckies_mib",
        &[available - process::available_mib()],
        "MiB more, kernel included",
        Direction::Lower,
        Some(60.0),
        Some("Docker: 2.3-4.1 MiB for each empty container (baseline)"),
        "fleet",
    );
    let started = Instant::now();
    let out = Command::new(programs().join("decnet")).args(["teardown", "--all", "--data-dir"]).arg(world.home()).output().await.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    report.add("fleet.hundred_deckies_removed_s", &[started.elapsed().as_secs_f64()], "s", Direction::Lower, None, None, "fleet");
    world.stop().await;
}
