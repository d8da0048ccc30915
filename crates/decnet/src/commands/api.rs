//! `decnet api`: the dashboard and its API alone, joined to the bus of the running `decnet up`.

use crate::{
    commands,
    config::{Config, Wrong},
    home,
};
use bus::Bus;
use std::net::SocketAddr;
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port of the dashboard; port 0: any free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args, config: Config) -> anyhow::Result<()> {
    commands::log(&config)?;
    home::prepare(&config)?;
    let secret = home::secret(&config)?;
    let listen = args.listen.unwrap_or(config.listen);
    commands::runtime()?.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(|error| Wrong(format!("the dashboard cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn({
            let stop = stop.clone();
            async move {
                commands::asked_to_stop().await;
                stop.cancel();
            }
        });
        let bus = Bus::join(&config.bus_socket(), "api");
        if let Some(store) = commands::open_store(&config, &stop).await? {
            crate::print::line(&format!("http://{address}"));
            api::serve(listener, cx(store, bus, &config, secret, address), stop.cancelled_owned()).await?;
        }
        Ok(())
    })
}

/// What the API is given. Call once: it installs the process's metrics recorder.
pub(crate) fn cx(store: Store, bus: Bus, config: &Config, secret: [u8; 32], listen: SocketAddr) -> api::Cx {
    api::Cx {
        config: api::Config {
            listen,
            transcripts: config.data_dir.join("transcripts"),
            artifacts: config.data_dir.join("artifacts"),
            ..api::Config::default()
        },
        metrics: api::metrics_recorder(),
        ..api::Cx::new(store, bus, secret)
    }
}
