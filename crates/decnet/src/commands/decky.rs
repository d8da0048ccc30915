//! `decnet decky`: one decky of the running fleet, changed while it runs.

use crate::{
    commands::{self, deploy::said},
    config::{Config, Wrong},
    print,
};
use fleet::{Edit, MutateAsk, Strategy, control::Client};
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One service more; the others go on undisturbed
    AddService {
        decky: String,
        service: String,
        /// Settings of the service
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// One service less; the last one stays
    RemoveService {
        decky: String,
        service: String,
        #[arg(long)]
        json: bool,
    },
    /// Replaces all settings of a service; running sessions go on with the old ones
    Set {
        decky: String,
        service: String,
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// Lets deckies change now, or as soon as their visitors have left
    Mutate {
        #[arg(required = true)]
        deckies: Vec<String>,
        /// services: one more or less; drift: updated and booted again [default: either]
        #[arg(long, value_parser = ["services", "drift"])]
        strategy: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// How often a decky changes by itself
    MutateEvery {
        decky: String,
        /// Minutes, or `never`
        minutes: String,
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: Args, config: &Config) -> anyhow::Result<()> {
    let (decky, edit, json) = match args.what {
        What::AddService { decky, service, pairs: given, json } => (decky, Edit::AddService { service, knobs: pairs(&given)? }, json),
        What::RemoveService { decky, service, json } => (decky, Edit::RemoveService { service }, json),
        What::Set { decky, service, pairs: given, json } => (decky, Edit::SetKnobs { service, knobs: pairs(&given)? }, json),
        What::MutateEvery { decky, minutes, json } => {
            let minutes = match minutes.as_str() {
                "never" => None,
                text => Some(text.parse().map_err(|_| Wrong(format!("{text:?} is neither minutes nor `never`")))?),
            };
            (decky, Edit::MutateEvery { minutes }, json)
        }
        What::Mutate { deckies, strategy, json } => {
            let strategy = strategy.map(|s| if s == "drift" { Strategy::Drift } else { Strategy::Services });
            return mutate(MutateAsk { names: deckies, strategy }, json, config);
        }
    };
    commands::small_runtime()?.block_on(async {
        let report = Client::connect(&config.run_dir()).await?.edit(&decky, edit).await?;
        said(&report, json)
    })
}

fn mutate(ask: MutateAsk, json: bool, config: &Config) -> anyhow::Result<()> {
    commands::small_runtime()?.block_on(async {
        let report = Client::connect(&config.run_dir()).await?.mutate(ask).await?;
        if json {
            print::json(&report)?;
        } else {
            for one in &report.mutated {
                print::line(&format!(
                    "{}: {} ({} -> {})",
                    one.name,
                    one.strategy.name(),
                    one.old_services.join(","),
                    one.new_services.join(",")
                ));
            }
            report
                .postponed
                .iter()
                .for_each(|(name, visitors)| print::line(&format!("{name}: has {visitors} visitors and changes when they have left")));
            report.failed.iter().for_each(|(name, why)| print::line(&format!("{name}: {why}")));
        }
        anyhow::ensure!(report.failed.is_empty(), "{} deckies could not be changed", report.failed.len());
        Ok(())
    })
}

fn pairs(settings: &[String]) -> Result<BTreeMap<String, String>, Wrong> {
    settings
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Wrong(format!("{pair:?} is not KEY=VALUE"))),
        })
        .collect()
}
