//! `decnet deploy`: a file becomes deckies of the running fleet.

use crate::{
    commands,
    config::{Config, Wrong},
    print,
};
use fleet::{DeployMode, DeployReport, Plan, control::Client};
use std::path::{Path, PathBuf};

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
        let report = match fleet.deploy(&plan, DeployMode { replace: args.replace }).await {
            Ok(report) => report,
            Err(error) => return Err(about_an_address(&args.config, &plan, &error).map_or_else(|| error.into(), Into::into)),
        };
        said(&report, args.json)
    })
}

/// What only the running fleet knows of the file's addresses: one is taken, or of another network. Says where it stands.
fn about_an_address(file: &Path, plan: &Plan, error: &fleet::Error) -> Option<Wrong> {
    let message = error.to_string();
    let decky = plan.deckies.iter().find(|d| message.starts_with(&format!("{}: ", d.name)))?;
    let given = decky.ip.map(|ip| ip.to_string()).into_iter().chain(decky.ipv6.map(|ip| ip.to_string()));
    let address = given.into_iter().find(|ip| message.contains(&format!(": {ip} is ")))?;
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().position(|line| line.contains(&address)).map_or_else(String::new, |n| format!("{}:", n + 1));
    let message = message.replacen(": ", ".ip: ", 1);
    Some(Wrong(format!("{}:{line} {message} (allowed: a free address of the fleet's network)", file.display())))
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
