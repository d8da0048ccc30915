//! `decnet simulate`: stories as if they happened.

use crate::{config::Config, home, print, stories};
use anyhow::Context;
use insight::story;
use std::path::PathBuf;

/// Events appended to the spool at once.
const BATCH: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Writes the events of stories into the spool, as decoys do; a running `decnet up` records them at once
    Rows(Rows),
}

#[derive(Debug, clap::Args)]
struct Rows {
    /// Files, or names of shipped stories
    #[arg(required = true, value_name = "STORY")]
    stories: Vec<PathBuf>,
    /// The same seed plays the same
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Moves all times by so many days
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    shift_days: i64,
    /// Name of the spool
    #[arg(long, default_value = "story")]
    spool: String,
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    let Verb::Rows(args) = &args.verb;
    let corpus = stories::read_all(&args.stories)?;
    for warning in &corpus.warnings {
        print::error(&format!("warning: {warning}"));
    }
    home::prepare(config)?;
    let played = story::play::play(&corpus, args.seed, args.shift_days);
    anyhow::ensure!(
        !args.spool.is_empty() && args.spool.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')),
        "the name of a spool is made of letters, digits, - and _"
    );
    let dir = config.spools().join(&args.spool);
    let spool = spool::Spool::open(&dir, spool::Options::default()).with_context(|| format!("cannot write to {}", dir.display()))?;
    for events in played.events.chunks(BATCH) {
        spool.append(events)?;
    }
    spool.sync()?;
    print::line(&format!("{} events of {} sessions in {}", played.events.len(), played.sessions, dir.display()));
    Ok(())
}
