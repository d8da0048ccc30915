//! Parts of the whole that have no runner of their own, together in `decnet up` or each in a process.

use crate::{
    commands::{self, fleet_of},
    config::Config,
    fleet_table::StoreTable,
    home,
};
use bus::{
    Bus,
    keys::Keys,
    registry::{BEAT, Heartbeat},
    topics,
};
use fleet::Deployer;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// `decnet worker bus`: the bus alone.
pub(crate) async fn bus_alone(config: &Config, secret: [u8; 32], stop: CancellationToken) {
    let bus = Bus::memory();
    let beating = tokio::spawn(beat(bus.clone(), "bus", watch::channel(String::new()).1, stop.clone()));
    serve_bus(bus, config.bus_socket(), Keys::of(&secret), vec!["bus".into()], stop).await;
    let _ended = beating.await;
}

/// `decnet worker fleet`: the deckies alone; no lab is made.
pub(crate) async fn fleet_alone(config: &Config, secret: [u8; 32], bus: Bus, stop: CancellationToken) -> anyhow::Result<()> {
    let (store_ready, store_seen) = watch::channel(None);
    let table = Arc::new(StoreTable::new(store_seen, bus.clone()));
    let deployer = Arc::new(Deployer::open(fleet_of::settings(None, None, config, secret)?, table)?);
    let (trouble, seen) = watch::channel(String::new());
    let beating = tokio::spawn(beat(bus, "fleet", seen, stop.clone()));
    match deployer.restore().await {
        Ok(report) => info!("fleet: {report}"),
        Err(why) => {
            error!(%why, "the fleet could not be raised; it is tried again by `decnet reconcile --repair`");
            let _unwatched = trouble.send(why.to_string());
        }
    }
    let serving = tokio::spawn(fleet::control::serve(Arc::clone(&deployer), fleet::control::path(&config.run_dir()), stop.clone()));
    if let Some(store) = commands::open_store(config, &stop).await? {
        home::hand_over(config)?;
        let _unwatched = store_ready.send(Some(store));
        deployer.sync_table().await;
        stop.cancelled().await;
    }
    stop.cancel();
    deployer.shutdown().await;
    let _ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
    let _ended = beating.await;
    Ok(())
}

/// Serves the bus to other processes; those named `own` speak here.
pub(crate) async fn serve_bus(bus: Bus, path: PathBuf, keys: Keys, own: Vec<String>, stop: CancellationToken) {
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    tokio::select! {
        () = stop.cancelled() => {}
        ended = bus::unix::serve_to(&bus, &path, Some(keys), &own) => if let Err(error) = ended {
            warn!(%error, "other processes cannot join the bus");
        },
    }
    let _gone = std::fs::remove_file(&path);
}

/// Heartbeats of a part that has no runner of its own; the watched text is its trouble, empty for none.
pub(crate) async fn beat(bus: Bus, worker: &str, trouble: watch::Receiver<String>, stop: CancellationToken) {
    let worker = worker.to_owned();
    loop {
        let stopping = stop.is_cancelled();
        let detail = trouble.borrow().clone();
        let state = if stopping {
            "stopped"
        } else if detail.is_empty() {
            "running"
        } else {
            "failing"
        };
        let beat = Heartbeat { worker: worker.clone(), pid: std::process::id(), state: state.into(), detail, ..Heartbeat::default() };
        if let Ok(payload) = serde_json::to_value(beat) {
            bus::unix::say(&bus, &topics::health(&worker), payload).await;
        }
        if stopping {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}
