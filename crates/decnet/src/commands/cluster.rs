//! `decnet cluster`: how well stories are understood.

use crate::{print, stories};
use anyhow::Context;
use insight::{score::Scores, story};
use serde_json::json;
use std::{io::Write, path::PathBuf, time::Instant};
use workers::rehearse;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Plays stories through the whole chain in memory and compares with their truth
    Score(Score),
}

#[derive(Debug, clap::Args)]
struct Score {
    /// Files, or names of shipped stories; several are one corpus
    #[arg(required = true, value_name = "STORY")]
    stories: Vec<PathBuf>,
    /// The same seed plays the same
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Moves all times by so many days
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    shift_days: i64,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Writes one JSON line for each observation: its truth, and the identity and campaign it was given
    #[arg(long, value_name = "FILE")]
    assignments: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Verb::Score(args) = &args.verb;
    let corpus = stories::read_all(&args.stories)?;
    for warning in &corpus.warnings {
        print::error(&format!("warning: {warning}"));
    }
    let played = story::play::play(&corpus, args.seed, args.shift_days);
    let began = Instant::now();
    let outcome = rehearse::rehearse(&played);
    let seconds = began.elapsed().as_secs_f64();
    if let Some(path) = &args.assignments {
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut out = std::io::BufWriter::new(file);
        for assignment in &outcome.assignments {
            serde_json::to_writer(&mut out, assignment)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    if args.json {
        let mut said = serde_json::to_value(&outcome)?;
        if let Some(said) = said.as_object_mut() {
            said.insert("stories".into(), json!(args.stories));
            said.insert("seed".into(), json!(args.seed));
            said.insert("seconds".into(), json!(seconds));
            said.insert("warnings".into(), json!(corpus.warnings));
        }
        print::line(&said.to_string());
        return Ok(());
    }
    print::line(&format!(
        "{} events, {} sessions, {} observations, {seconds:.2} s",
        outcome.events, outcome.sessions, outcome.observations
    ));
    print::line("                          ARI  homogeneity  completeness  B-cubed F1  singletons  groups (true)");
    let row = |name: &str, s: &Scores| {
        print::line(&format!(
            "{name:<22} {:>6.4}  {:>11.4}  {:>12.4}  {:>10.4}  {:>10.4}  {} ({})",
            s.adjusted_rand_index, s.homogeneity, s.completeness, s.bcubed_f1, s.singleton_recall, s.found_groups, s.true_groups
        ));
    };
    row("identities", &outcome.identities);
    row("campaigns", &outcome.campaigns);
    row("reference, identities", &outcome.reference.identities);
    row("reference, campaigns", &outcome.reference.campaigns);
    Ok(())
}
