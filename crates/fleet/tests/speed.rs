//! How fast many deckies stand and go, and what one costs. Generous bounds: a slow machine is no failure of ours;
//! the figures themselves are printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "trials")]

mod world;

use fleet::{DeployMode, Which};
use std::{sync::Arc, time::Instant};
use world::{Greeter, alone, deployer, plan, settings};

fn used_kib() -> i64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let field = |name: &str| -> i64 {
        let line = info.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    field("MemTotal:") - field("MemAvailable:")
}

#[test]
fn many_deckies_stand_and_go_quickly() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let face = Arc::new(Greeter::default());
        let deployer = deployer(settings(dir.path(), None), &face);
        for (text, count) in [
            ("[x]\nservices=ssh,http,redis\namount=100\n", 100),
            (
                "[general]\nnet=10.98.0.0/22\n[x]\nservices=ssh,http,redis,mysql\namount=100\n[y]\nservices=ssh,http,redis,mysql\namount=100\n[z]\nservices=ssh,http,redis,mysql\namount=56\n",
                256,
            ),
        ] {
            let before = used_kib();
            let begun = Instant::now();
            let report = deployer.deploy(&plan(text), DeployMode::default()).await.unwrap();
            let placed = begun.elapsed();
            assert_eq!((report.added.len(), report.failed.len()), (count, 0), "{:?}", report.failed.first());
            let cost = (used_kib() - before) / i64::try_from(count).unwrap();
            let begun = Instant::now();
            let again = deployer.deploy(&plan(text), DeployMode::default()).await.unwrap();
            let nothing = begun.elapsed();
            assert_eq!(again.unchanged.len(), count);
            let begun = Instant::now();
            deployer.teardown(Which::All).await.unwrap();
            let removed = begun.elapsed();
            println!("{count} deckies: placed in {placed:?}, deployed again in {nothing:?}, removed in {removed:?}, {cost} KiB each");
            assert!(placed.as_secs() < 30 && removed.as_secs() < 30);
        }
    });
}

#[test]
fn with_the_decoy_program_they_answer_soon_after() {
    world::build_decoy();
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let deployer = fleet::Deployer::open(settings(dir.path(), None), Arc::new(fleet::NoTable)).unwrap();
        let text = "[x]\nservices=ssh,redis\namount=100\n";
        let plan = fleet::Plan::parse(text, std::path::Path::new("speed.ini"), fleet::Catalogue::live()).unwrap();
        let before = used_kib();
        let report = deployer.deploy(&plan, DeployMode::default()).await.unwrap();
        assert_eq!(report.failed, [], "{report}");
        let stats = deployer.face().await.stats.unwrap();
        let (cost, rss) = ((used_kib() - before) / 1024, stats.rss / 1024 / 1024);
        println!("100 deckies with the decoy program: {report}; {cost} MiB more in all, the program has {rss} MiB");
        assert_eq!(stats.deckies, 100);
        deployer.teardown(Which::All).await.unwrap();
        deployer.shutdown().await;
    });
}
