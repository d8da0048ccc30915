//! `decnet deploy`: a file becomes deckies of the running fleet.

use crate::{
    commands,
    config::{Config, Wrong},
    print,
};
use fleet::{DeployMode, DeployReport, Plan, control::Client};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// TOML or INI file that says which deckies should exist
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Checks the file and prints the plan; changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Takes away the deckies that the file does not name
    #[arg(long)]
    replace: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    let plan = Plan::from_file(&args.config).map_err(|error| Wrong(error.to_string()))?;
    if args.dry_run {
        if args.json {
            return print::json(&plan);
        }
        print::line(plan.table().to_string().trim_end());
        plan.warnings.iter().for_each(|warning| print::line(&format!("note: {warning}")));
        return Ok(());
    }
    commands::small_runtime()?.block_on(async {
        let mut fleet = Client::connect(&config.run_dir()).await?;
        let report = fleet.deploy(&plan, DeployMode { replace: args.replace }).await?;
        said(&report, args.json)
    })
}

/// Prints a report; one with failures is an error.
pub(crate) fn said(report: &DeployReport, json: bool) -> anyhow::Result<()> {
    if json {
        print::json(report)?;
    } else {
        print::line(&report.to_string());
        report.warnings.iter().for_each(|warning| print::line(&format!("note: {warning}")));
    }
    anyhow::ensure!(report.failed.is_empty(), "{} deckies failed", report.failed.len());
    Ok(())
}
