//! The background jobs: one file each, where bus, store and the pure rooms meet.
//!
//! Never here: a conclusion (that is `insight`), SQL (that is `store`). A pass takes no input, is idempotent and
//! catches up by itself; a lost wake costs latency, never data.
//! Start reading at [`runner`], then [`profile`]. To add a worker: one file, one line in [`start`], its name in
//! `bus::registry::KNOWN`.

pub mod behaviour;
pub mod campaign_clusterer;
pub mod clusterer;
pub mod emailgen;
pub mod enrich;
pub mod mutator;
pub mod observe;
pub mod profile;
pub mod reconciler;
pub mod record;
pub mod rehearse;
pub mod reuse_correlator;
pub mod runner;
pub mod sniffer;

use bus::Bus;
use model::Micros;
use std::{path::PathBuf, time::SystemTime};
use store::Store;
use tokio_util::sync::CancellationToken;

/// What every worker gets.
#[derive(Clone, Debug)]
pub struct Cx {
    pub store: Store,
    pub bus: Bus,
    /// Directory with one spool for each writer.
    pub spools: PathBuf,
}

impl Cx {
    /// Where the sockets of the running fleet and the bus are.
    pub fn run_dir(&self) -> PathBuf {
        self.spools.parent().unwrap_or(&self.spools).join("run")
    }

    /// The time now.
    pub fn now(&self) -> Micros {
        Micros::of(SystemTime::now())
    }
}

/// What a pass can fail of. The runner logs it, says so in the heartbeat and tries again later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("spool {spool}: {source}")]
    Spool { spool: String, source: spool::Error },
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
}

/// The workers that `decnet worker NAME` runs and `decnet up` runs all of, alphabetical.
pub const NAMES: &[&str] = &[
    "behaviour",
    "campaign-clusterer",
    "clusterer",
    "emailgen",
    "enrich",
    "mutator",
    "profile",
    "reconciler",
    "record",
    "reuse-correlator",
    "sniffer",
];

/// Runs the worker called `name` until `stop`; `None`: there is no such worker.
pub fn start(name: &str, cx: Cx, stop: CancellationToken) -> Option<tokio::task::JoinHandle<()>> {
    Some(match name {
        "behaviour" => tokio::spawn(runner::run(behaviour::Behaviours::new(), cx, stop)),
        "campaign-clusterer" => tokio::spawn(runner::run(campaign_clusterer::CampaignClusterer::new(), cx, stop)),
        "clusterer" => tokio::spawn(runner::run(clusterer::Clusterer::new(), cx, stop)),
        "emailgen" => {
            let settings = emailgen::Settings::beside(&cx.spools, |name| std::env::var(name).ok());
            tokio::spawn(runner::run(emailgen::Emailgen::new(settings), cx, stop))
        }
        "enrich" => tokio::spawn(runner::run(enrich::Enricher::default(), cx, stop)),
        "mutator" => tokio::spawn(runner::run(mutator::Mutator, cx, stop)),
        "profile" => tokio::spawn(runner::run(profile::Profiler::new(), cx, stop)),
        "reconciler" => tokio::spawn(runner::run(reconciler::Reconciler, cx, stop)),
        "record" => tokio::spawn(runner::run(record::Recorder::new(), cx, stop)),
        "reuse-correlator" => tokio::spawn(runner::run(reuse_correlator::ReuseCorrelator, cx, stop)),
        "sniffer" => tokio::spawn(runner::run(sniffer::Sniffer::new(), cx, stop)),
        _ => return None,
    })
}
