//! One file for each command.

pub(crate) mod api;
pub(crate) mod catalogue;
pub(crate) mod cluster;
pub(crate) mod decky;
pub(crate) mod deploy;
pub(crate) mod emailgen;
pub(crate) mod fleet_of;
pub(crate) mod init;
pub(crate) mod part;
pub(crate) mod reconcile;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod teardown;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod worker;

use crate::config::{Config, Wrong};
use anyhow::Context;
use std::path::Path;
use store::Store;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging to standard error.
pub(crate) fn log(config: &Config) -> Result<(), Wrong> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| Wrong(format!("log filter {:?}: {error}", config.log)))?;
    // The database's driver tells of every connection; what its failures mean is said by who needed it.
    let filter = match "sqlx=warn".parse() {
        Ok(quiet) if !config.log.contains("sqlx") => filter.add_directive(quiet),
        _ => filter,
    };
    let base = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if config.log_json {
        base.json().init();
    } else {
        base.init();
    }
    Ok(())
}

/// A runtime with a worker for each core, at most four.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, 4))
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// A small runtime for commands that do one thing.
pub(crate) fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start the async runtime")
}

/// Opens the database; while it is away, tries again until `stop`.
pub(crate) async fn open_store(config: &Config, stop: &CancellationToken) -> anyhow::Result<Option<Store>> {
    let mut told = false;
    loop {
        match Store::open(&config.database).await {
            Ok(store) => return Ok(Some(store)),
            Err(error @ store::Error::Unavailable { .. }) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(%error, "waiting for the database; capture goes on");
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Resolves on SIGINT or SIGTERM.
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Writes the manual pages of `command` and its subcommands into `dir`.
pub(crate) fn man(command: clap::Command, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write manual pages into {}", dir.display()))
}
