//! `decnet status`: the deckies and how each one is.

use crate::{commands, config::Config, print};
use fleet::{DeckyStatus, control::Client};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    commands::small_runtime()?.block_on(async {
        let deckies = Client::connect(&config.run_dir()).await?.status().await?;
        if args.json {
            return print::json(&deckies);
        }
        print::table(&["decky", "state", "host name", "archetype", "addresses", "services", "notes"], deckies.into_iter().map(row));
        Ok(())
    })
}

fn row(decky: DeckyStatus) -> Vec<String> {
    let services = decky.services.iter().map(|s| {
        let ports = s.ports.iter().map(u16::to_string).collect::<Vec<_>>().join("/");
        let state = if s.state == decky.state { String::new() } else { format!(" {}", s.state.name()) };
        format!("{} {ports}{state}", s.name)
    });
    vec![
        decky.name.clone(),
        decky.state.name().into(),
        decky.hostname.clone(),
        decky.archetype.clone(),
        decky.ips.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        services.collect::<Vec<_>>().join("\n"),
        decky.error.iter().chain(&decky.notes).cloned().collect::<Vec<_>>().join("\n"),
    ]
}
