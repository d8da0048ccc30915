//! `decnet api`: the dashboard and its API alone, joined to the bus of the running `decnet up`.

use crate::{
    commands::{self, part},
    config::{Config, Wrong},
    hands::{OverSocket, Systemd},
    home,
};
use bus::{Bus, keys::Keys};
use std::{net::SocketAddr, sync::Arc};
use store::Store;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default, clap::Args)]
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
        let listener =
            TcpListener::bind(listen).await.map_err(|error| Wrong(format!("the dashboard cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn({
            let stop = stop.clone();
            async move {
                commands::asked_to_stop().await;
                stop.cancel();
            }
        });
        let bus = Bus::join_with(&config.bus_socket(), "api", Keys::of(&secret).key("api"));
        if let Some(store) = commands::open_store(&config, &stop).await? {
            crate::print::line(&format!("http://{address}"));
            tokio::spawn(part::beat(bus.clone(), "api", watch::channel(String::new()).1, stop.clone()));
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
        fleet: Some(Arc::new(OverSocket::new(config))),
        units: Systemd::here().map(|units| Arc::new(units) as Arc<dyn api::hands::Units>),
        ..api::Cx::new(store, bus, secret)
    }
}
