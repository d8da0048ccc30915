//! `decnet worker NAME`: one worker in a process of its own.

use crate::{
    commands::{self, part},
    config::{Config, Wrong},
    home,
};
use bus::{Bus, keys::Keys, registry};
use tokio_util::sync::CancellationToken;
use workers::Cx;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which: one of those on the workers page
    pub(crate) name: String,
}

pub(crate) fn run(args: &Args, config: Config) -> anyhow::Result<()> {
    if !registry::KNOWN.contains(&args.name.as_str()) {
        return Err(Wrong(format!("there is no worker {:?} (there are: {})", args.name, registry::KNOWN.join(", "))).into());
    }
    if args.name == "api" {
        return commands::api::run(&commands::api::Args::default(), config);
    }
    let config = &config;
    commands::log(config)?;
    workers::enrich::configure(config.intel.clone());
    home::prepare(config)?;
    let secret = home::secret(config)?;
    commands::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let bus = || Bus::join_with(&config.bus_socket(), &args.name, Keys::of(&secret).key(&args.name));
        let asked = tokio::spawn({
            let stop = stop.clone();
            async move {
                commands::asked_to_stop().await;
                stop.cancel();
            }
        });
        if args.name == "bus" {
            part::bus_alone(config, secret, stop).await;
        } else if args.name == "fleet" {
            part::fleet_alone(config, secret, bus(), stop).await?;
        } else if let Some(store) = commands::open_store(config, &stop).await?
            && let Some(running) = workers::start(&args.name, Cx { store, bus: bus(), spools: config.spools() }, stop)
        {
            running.await?;
        }
        asked.abort();
        Ok(())
    })
}
