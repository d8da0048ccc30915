//! `decnet`: one binary, one file for each command.

mod commands;
mod config;
mod fleet_table;
mod hands;
mod home;
mod print;
mod stories;

use clap::{CommandFactory, Parser};
use config::{Config, Flags, Wrong};
use std::process::ExitCode;

/// Fills a network with machines that do not exist, and shows whatever touches them.
#[derive(Debug, Parser)]
#[command(name = "decnet", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs everything in one process: deckies, workers, dashboard. The first start makes a lab to try
    Up(commands::up::Args),
    /// Adds the deckies of a file to the running fleet; what is there already and unchanged is not touched
    Deploy(commands::deploy::Args),
    /// Takes deckies away
    Teardown(commands::teardown::Args),
    /// Shows the deckies and how each one is
    Status(commands::status::Args),
    /// Changes one decky while it runs
    Decky(commands::decky::Args),
    /// Compares what should exist, what the table says and what is there; --repair acts on it
    Reconcile(commands::reconcile::Args),
    /// Lists the services a decky can offer
    Services(commands::catalogue::Args),
    /// Lists the archetypes a decky can have
    Archetypes(commands::catalogue::Args),
    /// Lists the distributions a decky can say it runs
    Distros(commands::catalogue::Args),
    /// Runs the dashboard and its API alone
    Api(commands::api::Args),
    /// Runs one worker alone; it joins the bus of the running `decnet up`
    Worker(commands::worker::Args),
    /// Plays stories of attacks
    Simulate(commands::simulate::Args),
    /// Says how well stories of attacks are understood
    Cluster(commands::cluster::Args),
    /// The people of the company and their mail: import personas, make some up, deliver mail
    Emailgen(commands::emailgen::Args),
    /// Manages the dashboard's accounts
    User(commands::user::Args),
    /// Installs decnet as a service: user, directories, hardened systemd units, polkit, logrotate, tmpfiles
    Init(commands::init::Args),
    /// Takes the service away; captured data stays unless --purge
    Deinit(commands::init::OutArgs),
    /// Prints a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Writes the manual pages into a directory
    Man {
        /// Directory to write into
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: std::path::PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let wrong = error.downcast_ref::<Wrong>().is_some();
            print::error(&format!("decnet: {error:#}"));
            ExitCode::from(if wrong { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let config = || Config::settle(&cli.flags, |key| std::env::var(key).ok().filter(|value| !value.is_empty()));
    match cli.command {
        Command::Services(args) => commands::catalogue::services(&args),
        Command::Archetypes(args) => commands::catalogue::archetypes(&args),
        Command::Distros(args) => commands::catalogue::distros(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "decnet", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { out } => commands::man(Cli::command(), &out),
        Command::Simulate(args) => commands::simulate::run(&args, &config()?),
        Command::Cluster(args) => commands::cluster::run(&args),
        Command::Up(args) => commands::up::run(args, config()?),
        Command::Deploy(args) => commands::deploy::run(&args, &config()?),
        Command::Teardown(args) => commands::teardown::run(&args, &config()?),
        Command::Status(args) => commands::status::run(&args, &config()?),
        Command::Decky(args) => commands::decky::run(args, &config()?),
        Command::Reconcile(args) => commands::reconcile::run(&args, &config()?),
        Command::Init(args) => commands::init::run(&args, &config()?),
        Command::Deinit(args) => commands::init::out(&args),
        Command::Api(args) => commands::api::run(&args, config()?),
        Command::Worker(args) => commands::worker::run(&args, config()?),
        Command::Emailgen(args) => commands::emailgen::run(args, config()?),
        Command::User(args) => commands::user::run(args, &config()?),
    }
}
