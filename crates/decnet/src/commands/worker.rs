//! `decnet worker NAME`: one worker in a process of its own.

use crate::{
    commands,
    config::{Config, Wrong},
    home,
};
use bus::Bus;
use tokio_util::sync::CancellationToken;
use workers::Cx;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which: one of those on the workers page
    name: String,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    if !workers::NAMES.contains(&args.name.as_str()) {
        return Err(Wrong(format!("there is no worker {:?} (there are: {})", args.name, workers::NAMES.join(", "))).into());
    }
    commands::log(config)?;
    home::prepare(config)?;
    commands::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let bus = Bus::join(&config.bus_socket(), &args.name);
        let asked = tokio::spawn({
            let stop = stop.clone();
            async move {
                commands::asked_to_stop().await;
                stop.cancel();
            }
        });
        if let Some(store) = commands::open_store(config, &stop).await?
            && let Some(running) = workers::start(&args.name, Cx { store, bus, spools: config.spools() }, stop)
        {
            running.await?;
        }
        asked.abort();
        Ok(())
    })
}
