//! `decoy`: plays deckies behind sockets that are handed to it. Unprivileged, walled in, no way out.
//!
//! Never here: making a socket, a file outside its four directories, another program. Started by the fleet, which
//! speaks to it as [`decoys::control`] describes; the end of that conversation is the end of the program.

mod play;
mod sandbox;

use decoys::{control, stage::Places};
use sandbox::Strictness;
use std::{
    ffi::OsString,
    io::Write,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    path::PathBuf,
    process::ExitCode,
};

const HELP: &str = "\
decoy: plays deckies behind sockets handed over by `decnet`

Usage: decoy --spool DIR --artifacts DIR --transcripts DIR --state DIR [options]

  --spool DIR        where events are written; no two players share one
  --artifacts DIR    where files that attackers bring are kept
  --transcripts DIR  where terminal sessions are kept
  --state DIR        what deckies remember between runs
  --seed NAME=DIR    mail that service NAME (imap, pop3) shows instead of what it makes up; may be repeated
  --uid N, --gid N   become this user first (needs root; default 65534)
  --threads N        worker threads (default: 2, or 1 on a single core)
  --sandbox MODE     strict: refuse to run without full confinement (default as root)
                     best-effort: go on with what the kernel offers (default otherwise)
  --control PATH     call the fleet at this UNIX socket instead of using a descriptor
  --hold             play nothing: keep the namespaces of a container until it is taken away
  --prove-sandbox    try what must not work, print what happened, exit
  --version, --help

The control socket is the descriptor named by DECOY_CONTROL_FD, standard input if unset.
";

/// What the command line says.
struct Args {
    places: Places,
    uid: u32,
    gid: u32,
    threads: usize,
    strictness: Strictness,
    prove: bool,
    control: Option<PathBuf>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let args = match parse(std::env::args_os().skip(1)) {
        Ok(Parsed::Run(args)) => args,
        Ok(Parsed::Say(text)) => {
            _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("decoy: {why}\nTry `decoy --help`.");
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let control = match &args.control {
        Some(path) => call(path)?,
        None => control_socket()?,
    };
    // What is read once from outside the walls.
    openssl::init();
    let memory = std::fs::File::open("/proc/self/statm").ok();
    let places = [&args.places.spool, &args.places.artifacts, &args.places.transcripts, &args.places.state];
    let readable: Vec<&std::path::Path> = args.places.seeds.values().map(PathBuf::as_path).collect();
    let walls = sandbox::Walls { writable: &places.map(PathBuf::as_path), readable: &readable, uid: args.uid, gid: args.gid };
    sandbox::enter(&walls, args.strictness)?;
    if args.prove {
        let mut out = std::io::stdout();
        for (what, result) in sandbox::prove() {
            match result {
                Ok(()) => writeln!(out, "{what}: WORKED")?,
                Err(e) => writeln!(out, "{what}: refused, {e}")?,
            }
        }
        return Ok(());
    }
    let mut builder = match args.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        n => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(n - 1);
            builder
        }
    };
    let runtime = builder
        .enable_all()
        .thread_name("decoy")
        .thread_stack_size(1024 * 1024)
        .max_blocking_threads(4)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .build()?;
    runtime.block_on(play::play(control, &args.places, memory))?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(())
}

/// Calls the fleet, which listens at `path`.
fn call(path: &std::path::Path) -> Result<OwnedFd, Box<dyn std::error::Error>> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(fd)
}

fn control_socket() -> Result<OwnedFd, Box<dyn std::error::Error>> {
    let number: RawFd = match std::env::var(control::CONTROL_FD) {
        Ok(text) => text.parse().map_err(|_| format!("{} is no number: {text}", control::CONTROL_FD))?,
        Err(_) => 0,
    };
    #[expect(unsafe_code, reason = "the descriptor is given by number")]
    // SAFETY: checked to be open right below; nothing else in this program uses it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    nix::sys::stat::fstat(&fd).map_err(|e| format!("the control descriptor {number}: {e}"))?;
    Ok(fd)
}

enum Parsed {
    Run(Box<Args>),
    Say(String),
}

fn parse(given: impl Iterator<Item = OsString>) -> Result<Parsed, String> {
    let root = nix::unistd::geteuid().is_root();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut seeds = std::collections::BTreeMap::new();
    let [mut spool, mut artifacts, mut transcripts, mut state] = [const { None::<PathBuf> }; 4];
    let (mut uid, mut gid) = if root { (65_534, 65_534) } else { (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()) };
    let mut strictness = if root { Strictness::Strict } else { Strictness::BestEffort };
    let (mut threads, mut prove) = (cores.min(2), false);
    let mut control = None;
    let mut given = given;
    while let Some(arg) = given.next() {
        let text = arg.to_string_lossy().into_owned();
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text, None),
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(Parsed::Say(HELP.into())),
            "--version" | "-V" => return Ok(Parsed::Say(format!("decoy {}\n", env!("CARGO_PKG_VERSION")))),
            "--prove-sandbox" => prove = true,
            "--hold" => loop {
                nix::unistd::pause();
            },
            _ => {
                let value = joined.or_else(|| given.next()).ok_or_else(|| format!("{name} needs a value"))?;
                let number = |what: &OsString| what.to_string_lossy().parse::<u32>().map_err(|_| format!("{name} takes a whole number"));
                match name.as_str() {
                    "--control" => control = Some(PathBuf::from(value)),
                    "--spool" => spool = Some(value.into()),
                    "--artifacts" => artifacts = Some(value.into()),
                    "--transcripts" => transcripts = Some(value.into()),
                    "--state" => state = Some(value.into()),
                    "--seed" => {
                        let text = value.into_string().map_err(|_| "--seed takes NAME=DIR")?;
                        let (name, dir) =
                            text.split_once('=').filter(|(n, d)| !n.is_empty() && !d.is_empty()).ok_or("--seed takes NAME=DIR")?;
                        seeds.insert(name.to_owned(), PathBuf::from(dir));
                    }
                    "--uid" => uid = number(&value)?,
                    "--gid" => gid = number(&value)?,
                    "--threads" => threads = number(&value)?.clamp(1, 64) as usize,
                    "--sandbox" => {
                        strictness = match value.to_str() {
                            Some("strict") => Strictness::Strict,
                            Some("best-effort") => Strictness::BestEffort,
                            _ => return Err("--sandbox takes strict or best-effort".into()),
                        }
                    }
                    _ => return Err(format!("unknown argument {name}")),
                }
            }
        }
    }
    let needed = |place: Option<PathBuf>, name: &str| place.ok_or_else(|| format!("{name} is needed"));
    let places = Places {
        spool: needed(spool, "--spool")?,
        artifacts: needed(artifacts, "--artifacts")?,
        transcripts: needed(transcripts, "--transcripts")?,
        state: needed(state, "--state")?,
        seeds,
    };
    if root && uid == 0 {
        return Err("--uid must not be 0: the player never runs as root".into());
    }
    Ok(Parsed::Run(Box::new(Args { places, uid, gid, threads, strictness, prove, control })))
}
