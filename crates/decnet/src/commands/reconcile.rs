//! `decnet reconcile`: makes what should exist, what the table says and what is there agree.

use crate::{
    commands::{self, fleet_of},
    config::{Config, Wrong},
    fleet_table::StoreTable,
    home, print,
};
use bus::{Bus, keys::Keys};
use fleet::{Deployer, Reconciled, control::Client};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One pass, then ends
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// Seconds between passes
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Makes what should exist and does not, and takes away what should not
    #[arg(long)]
    repair: bool,
    /// Prints JSON, one line for each pass
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    commands::log(config)?;
    commands::small_runtime()?.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn({
            let stop = stop.clone();
            async move {
                commands::asked_to_stop().await;
                stop.cancel();
            }
        });
        loop {
            let passed = pass(args, config, &stop).await;
            match passed {
                Ok(Some(done)) => said(&done, args.json)?,
                Ok(None) => return Ok(()),
                Err(error) if args.once => return Err(error),
                Err(error) => tracing::error!(error = format!("{error:#}"), "nothing was changed"),
            }
            if args.once {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(args.interval)) => {}
            }
        }
    })
}

/// Asks the running fleet. Without one this process is the only writer for a moment and looks by itself.
async fn pass(args: &Args, config: &Config, stop: &CancellationToken) -> anyhow::Result<Option<Reconciled>> {
    if let Ok(mut fleet) = Client::connect(&config.run_dir()).await {
        return Ok(Some(fleet.reconcile(args.repair).await?));
    }
    home::prepare(config)?;
    let Some(store) = commands::open_store(config, stop).await? else { return Ok(None) };
    let secret = home::secret(config)?;
    let bus = Bus::join_with(&config.bus_socket(), "cli", Keys::of(&secret).key("cli"));
    let settings = fleet_of::settings(None, None, config, secret)?;
    let deployer = Deployer::open(settings, Arc::new(StoreTable::of(store, bus))).map_err(|error| match error {
        fleet::Error::Locked { .. } => Wrong("the fleet is starting or stopping; try again in a moment".into()).into(),
        other => anyhow::Error::from(other),
    })?;
    let removed = if args.repair { deployer.reap().await? } else { Vec::new() };
    let mut done = deployer.reconcile(false).await?;
    done.removed = removed;
    if args.repair && done.deckies > 0 {
        done.warnings.push("no fleet is running, so nothing could be made: start it with `decnet up`".into());
    }
    Ok(Some(done))
}

fn said(done: &Reconciled, json: bool) -> anyhow::Result<()> {
    if json {
        print::line(&serde_json::to_string(done)?);
        return Ok(());
    }
    print::line(&done.to_string());
    done.removed.iter().for_each(|what| print::line(&format!("taken away: {what}")));
    done.repaired.iter().for_each(|name| print::line(&format!("repaired: {name}")));
    done.unrepaired.iter().for_each(|(name, why)| print::line(&format!("not repaired: {name}: {why}")));
    done.warnings.iter().for_each(|warning| print::line(&format!("note: {warning}")));
    Ok(())
}
