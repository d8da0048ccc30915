//! `decnet emailgen`: the people of the company and their mail.

use crate::{
    commands::worker,
    config::{Config, Wrong},
    print,
};
use anyhow::Context;
use lures::{Office, Person, company, hours};
use model::Micros;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Delivers mail into the running mail deckies until stopped (what happens without a subcommand, too)
    Run,
    /// Checks a file of personas and installs it as this host's pool; a file with any mistake is not installed
    ImportPersonas {
        /// JSON list of personas
        file: PathBuf,
        /// Installs there instead of in the pool
        #[arg(long, short, value_name = "PATH")]
        output: Option<PathBuf>,
    },
    /// Makes up a company and prints its personas, ready to be edited and imported
    GeneratePersonas {
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=100_000))]
        people: u32,
        /// en, es, pt, de or fr
        #[arg(long, default_value = "en")]
        language: String,
        /// Name of the company; drawn if not given
        #[arg(long)]
        company: Option<String>,
        /// Mail domain; drawn if not given
        #[arg(long)]
        domain: Option<String>,
        #[arg(long, default_value = "Europe/Madrid")]
        timezone: String,
        /// The same word gives the same company; drawn if not given
        #[arg(long)]
        seed: Option<String>,
    },
    /// Writes mail of personas into a directory, as a mail decky would hold it
    Generate {
        /// Personas; the pool if not given
        #[arg(long, value_name = "FILE")]
        personas: Option<PathBuf>,
        /// Directory to write to, for example one that IMAP_EMAIL_SEED names
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
        /// Days of history, up to now
        #[arg(long, default_value_t = 56, value_parser = clap::value_parser!(u32).range(1..=1000))]
        days: u32,
        /// Name of the mail server in the headers; mail.DOMAIN if not given
        #[arg(long)]
        host: Option<String>,
        /// The same word gives the same mail; drawn if not given
        #[arg(long)]
        seed: Option<String>,
    },
}

pub(crate) fn run(args: Args, config: Config) -> anyhow::Result<()> {
    match args.what {
        None | Some(What::Run) => worker::run(&worker::Args { name: "emailgen".into() }, config),
        Some(What::ImportPersonas { file, output }) => import(&file, output),
        Some(What::GeneratePersonas { people, language, company, domain, timezone, seed }) => {
            if jiff_zone(&timezone).is_none() {
                return Err(Wrong(format!("{timezone:?} is no time zone")).into());
            }
            let brief = company::Brief { company, domain, language, timezone, people: usize::try_from(people)? };
            let made = company::generate(seed.unwrap_or_else(drawn).as_bytes(), &brief);
            print::json(&made.people)
        }
        Some(What::Generate { personas, output, days, host, seed }) => {
            let people = read(&personas.unwrap_or_else(pool))?;
            generate(people, &output, i64::from(days), host, &seed.unwrap_or_else(drawn))
        }
    }
}

fn jiff_zone(name: &str) -> Option<()> {
    let zone = hours::zone(name);
    (name == "UTC" || zone.iana_name() == Some(name)).then_some(())
}

fn drawn() -> String {
    rand::random::<[u8; 16]>().iter().map(|b| format!("{b:02x}")).collect()
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn pool() -> PathBuf {
    let home = environment("HOME").map(PathBuf::from);
    lures::pool::path(environment("DECNET_EMAILGEN_PERSONAS").as_deref(), home.as_deref(), Path::exists)
}

/// The personas of a file, or everything that is wrong with it.
fn read(file: &Path) -> anyhow::Result<Vec<Person>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    lures::parse(&text).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Wrong(format!("{} is not a list of personas:\n  {}", file.display(), told.join("\n  "))).into()
    })
}

fn import(file: &Path, output: Option<PathBuf>) -> anyhow::Result<()> {
    let people = read(file)?;
    let home = environment("HOME").map(PathBuf::from);
    let writable = Path::new(lures::pool::SYSTEM)
        .parent()
        .is_some_and(|dir| dir.is_dir() && nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK).is_ok());
    let to = output.unwrap_or_else(|| {
        lures::pool::destination(environment("DECNET_EMAILGEN_PERSONAS").as_deref(), home.as_deref(), Path::exists, writable)
    });
    let mut text = serde_json::to_string_pretty(&people)?;
    text.push('\n');
    if let Some(dir) = to.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let new = to.with_extension("new");
    let written = (|| {
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &to)
    })();
    written.with_context(|| format!("cannot write {}", to.display()))?;
    print::line(&format!("{} personas installed in {}", people.len(), to.display()));
    Ok(())
}

fn generate(people: Vec<Person>, output: &Path, days: i64, host: Option<String>, seed: &str) -> anyhow::Result<()> {
    if people.len() < 2 {
        return Err(Wrong("mail needs at least two personas".into()).into());
    }
    let started = Instant::now();
    let mut domains: BTreeMap<&str, usize> = BTreeMap::new();
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    for person in &people {
        *domains.entry(person.domain()).or_default() += 1;
        *zones.entry(person.timezone.as_deref().unwrap_or("UTC")).or_default() += 1;
    }
    let most = |counts: BTreeMap<&str, usize>| counts.into_iter().max_by_key(|c| c.1).map_or(String::new(), |c| c.0.to_owned());
    let (domain, zone) = (most(domains), most(zones));
    let host = host.unwrap_or_else(|| format!("mail.{domain}"));
    let company = domain.split('.').next().unwrap_or(&domain).to_owned();
    let office = Office::new(seed.as_bytes(), &company, &host, None, "en", &zone, people);
    let now = Micros::of(SystemTime::now());
    let from = Micros(now.0 - days * 86_400_000_000);
    let mut count = 0;
    for mail in office.between(from, now, hours::day_of(from, office.zone())) {
        count += usize::from(workers::emailgen::deliver(output, &mail)?.is_some());
    }
    print::line(&format!("{count} mails written to {} in {:.2} s", output.display(), started.elapsed().as_secs_f64()));
    Ok(())
}
