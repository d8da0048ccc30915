//! `decnet up`: everything in one process.

use crate::{
    commands::{self, fleet_of, part, user},
    config::{Config, Wrong},
    fleet_table::StoreTable,
    home, print,
};
use bus::{Bus, keys::Keys, registry};
use fleet::{DeckyState, DeckyStatus, DeployMode, Deployer, Plan};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::Store;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};
use workers::Cx;

/// Longest time to wait for everything to finish.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port of the dashboard; port 0: any free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Does not make the lab on the first start
    #[arg(long)]
    no_lab: bool,
    /// native: a network namespace for each decky (root); native-ipvlan: the same on interfaces that carry one MAC;
    /// docker: containers of a Docker engine (root); loopback: 127.x addresses, no privilege
    /// [default: auto, native where possible]
    #[arg(long, value_parser = ["auto", "native", "native-ipvlan", "docker", "loopback"])]
    runtime: Option<String>,
    /// Network interface on which the deckies appear (native; default: a private bridge on this host)
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Leaves these workers to processes of their own (`decnet worker NAME`)
    #[arg(long, value_name = "WORKER", num_args = 1.., value_parser = clap::builder::PossibleValuesParser::new(workers::NAMES))]
    without: Vec<String>,
    /// Prints one line of JSON when ready, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, config: Config) -> anyhow::Result<()> {
    commands::log(&config)?;
    home::prepare(&config)?;
    let secret = home::secret(&config)?;
    commands::runtime()?.block_on(up(args, config, secret))
}

async fn up(args: Args, config: Config, secret: [u8; 32]) -> anyhow::Result<()> {
    workers::enrich::configure(config.intel.clone());
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let bus = Bus::memory();
    let listen = args.listen.unwrap_or(config.listen);
    let listener = TcpListener::bind(listen).await.map_err(|error| Wrong(format!("the dashboard cannot listen on {listen}: {error}")))?;
    let address = listener.local_addr()?;

    let own: Vec<String> =
        registry::KNOWN.iter().filter(|name| !args.without.iter().any(|w| w == *name)).map(|name| (*name).to_owned()).collect();
    tasks.spawn(part::serve_bus(bus.clone(), config.bus_socket(), Keys::of(&secret), own, stop.clone()));
    tasks.spawn(part::beat(bus.clone(), "bus", watch::channel(String::new()).1, stop.clone()));

    // Deckies first: they need no database, and capture must not wait for one.
    let (store_ready, store_seen) = watch::channel(None::<Store>);
    let table = Arc::new(StoreTable::new(store_seen, bus.clone()));
    let deployer =
        Arc::new(Deployer::open(fleet_of::settings(args.runtime.as_deref(), args.interface.as_deref(), &config, secret)?, table)?);
    let (fleet_trouble, fleet_seen) = watch::channel(String::new());
    tasks.spawn(part::beat(bus.clone(), "fleet", fleet_seen, stop.clone()));
    let fresh = deployer.is_fresh().await;
    let raised = match deployer.restore().await {
        Ok(_) if fresh && !args.no_lab => deployer.deploy(&Plan::lab(), DeployMode::default()).await,
        other => other,
    };
    match raised {
        Ok(report) => info!("fleet: {report}"),
        Err(trouble) => {
            error!(%trouble, "the fleet could not be raised; it is tried again by `decnet reconcile --repair`");
            let _unwatched = fleet_trouble.send(trouble.to_string());
        }
    }
    tasks.spawn(fleet::control::serve(Arc::clone(&deployer), fleet::control::path(&config.run_dir()), stop.clone()));

    let signals = tokio::spawn({
        let stop = stop.clone();
        async move {
            commands::asked_to_stop().await;
            stop.cancel();
        }
    });
    let store = commands::open_store(&config, &stop).await?;
    if let Some(store) = store {
        let _unwatched = store_ready.send(Some(store.clone()));
        deployer.sync_table().await;
        let password = first_admin(&store).await?;
        let cx = Cx { store: store.clone(), bus: bus.clone(), spools: config.spools() };
        for name in workers::NAMES.iter().filter(|name| !args.without.iter().any(|w| w == *name)) {
            if let Some(running) = workers::start(name, cx.clone(), stop.clone()) {
                tasks.spawn(running);
            }
        }
        tasks.spawn(part::beat(bus.clone(), "api", watch::channel(String::new()).1, stop.clone()));
        let api = commands::api::cx(store, bus.clone(), &config, secret, address);
        tasks.spawn({
            let stop = stop.clone();
            async move {
                if let Err(error) = api::serve(listener, api, stop.clone().cancelled_owned()).await {
                    error!(%error, "the dashboard ended");
                    stop.cancel();
                }
            }
        });
        greet(&args, address, password.as_deref(), &deployer).await?;
        stop.cancelled().await;
    }

    info!("stopping");
    stop.cancel();
    deployer.shutdown().await;
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        warn!(left = tasks.len(), "some parts did not finish in time");
    }
    signals.abort();
    Ok(())
}

/// On the first start there is no account: makes the admin and gives the one-time password.
async fn first_admin(store: &Store) -> anyhow::Result<Option<String>> {
    if !store.users().await?.is_empty() {
        return Ok(None);
    }
    Ok(Some(user::add(store, "admin", "admin").await?))
}

async fn greet(args: &Args, address: SocketAddr, password: Option<&str>, deployer: &Deployer) -> anyhow::Result<()> {
    let deckies = deployer.status().await;
    let url = format!("http://{address}");
    if args.json {
        let ready = json!({ "event": "ready", "url": url, "username": "admin", "password": password, "deckies": deckies });
        print::line(&ready.to_string());
        return Ok(());
    }
    let running = deckies.iter().filter(|d| d.state == DeckyState::Running).count();
    print::line("");
    print::line(&format!("  decnet is up: {running} of {} deckies answer", deckies.len()));
    print::line("");
    print::line(&format!("  dashboard   {url}"));
    match password {
        Some(password) => print::line(&format!("  sign in     admin / {password}   (once; you then choose your own)")),
        None => print::line("  sign in     with your account (`decnet user list`)"),
    }
    print::line("");
    let find = |service: &str| deckies.iter().find_map(|d| address_of(d, service));
    let tries: Vec<String> = [
        find("ssh").map(|(ip, port)| if port == 22 { format!("ssh root@{ip}") } else { format!("ssh -p {port} root@{ip}") }),
        find("http").map(|(ip, port)| if port == 80 { format!("curl -i http://{ip}/") } else { format!("curl -i http://{ip}:{port}/") }),
        find("http").or_else(|| find("ssh")).map(|(ip, port)| format!("nmap -sV -p {port} {ip}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !tries.is_empty() {
        print::line("  try on the lab, and watch the dashboard:");
        for each in tries {
            print::line(&format!("    {each}"));
        }
        print::line("");
    }
    Ok(())
}

/// Where a service of a decky answers.
fn address_of(decky: &DeckyStatus, service: &str) -> Option<(std::net::IpAddr, u16)> {
    let port = decky.services.iter().find(|s| s.name == service)?.ports.first()?;
    Some((*decky.ips.first()?, *port))
}
