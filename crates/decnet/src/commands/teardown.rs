//! `decnet teardown`: takes deckies away.

use crate::{
    commands::{self, deploy::said},
    config::Config,
};
use fleet::{Which, control::Client};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct Args {
    /// All of them
    #[arg(long, group = "which")]
    all: bool,
    /// These, by name
    #[arg(long, value_name = "NAME", group = "which", num_args = 1..)]
    id: Vec<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    let which = if args.all { Which::All } else { Which::Names(args.id.clone()) };
    commands::small_runtime()?.block_on(async {
        let report = Client::connect(&config.run_dir()).await?.teardown(which).await?;
        said(&report, args.json)
    })
}
