//! `decnet init` and `decnet deinit`: decnet as a service of the host, and its removal.
//!
//! Everything written is data of `deploy/` with a few words filled in. Doing it again changes nothing; with `--root` it is
//! all done under another directory, with `--dry-run` it is only said.

use crate::{
    config::{Config, Wrong},
    print,
};
use anyhow::Context;
use bus::registry;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

const WORKER: &str = include_str!("../../../../deploy/systemd/worker.service");
const API: &str = include_str!("../../../../deploy/systemd/api.service");
const FLEET: &str = include_str!("../../../../deploy/systemd/fleet.service");
const WHOLE: &str = include_str!("../../../../deploy/systemd/decnet.service");
const TARGET: &str = include_str!("../../../../deploy/systemd/decnet.target");
const SYSUSERS: &str = include_str!("../../../../deploy/etc/sysusers.conf");
const TMPFILES: &str = include_str!("../../../../deploy/etc/tmpfiles.conf");
const POLKIT: &str = include_str!("../../../../deploy/etc/polkit.rules");
const LOGROTATE: &str = include_str!("../../../../deploy/etc/logrotate");
const SETTINGS: &str = include_str!("../../../../deploy/etc/decnet.toml");

/// A worker that only reads and writes the database, and needs no network for it.
const NO_NETWORK: &str = "PrivateNetwork=yes\nIPAddressDeny=any\nRestrictAddressFamilies=AF_UNIX\n";
/// Where the database is a server, or the work itself needs the network.
const NETWORK: &str = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n";
/// Workers that watch the wire: packets of interfaces, seen from the host's network.
const WATCHING: &[&str] = &["sniffer", "prober"];
const WATCH: &str = "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET\n";
/// Workers whose work is on the network.
const OUTWARD: &[&str] = &["enrich", "webhook", "orchestrator", "emailgen"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Works under this directory instead of the host's root, to try it or to make an image
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Only says what would be done
    #[arg(long)]
    dry_run: bool,
    /// Enables, but does not start
    #[arg(long)]
    no_start: bool,
    /// Overwrites a settings file that is there
    #[arg(long)]
    force: bool,
    /// One unit for each worker under decnet.target, instead of one decnet.service
    #[arg(long)]
    per_worker: bool,
    /// How deckies stand on the network: native, native-ipvlan, loopback or docker [default: native]
    #[arg(long, default_value = "native", value_parser = ["native", "native-ipvlan", "loopback", "docker"])]
    runtime: String,
    /// Network interface on which the deckies appear
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OutArgs {
    /// Works under this directory instead of the host's root
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Only says what would be done
    #[arg(long)]
    dry_run: bool,
    /// Takes settings, captured data, user and group away too
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, clap::Args)]
struct Who {
    /// User the workers run as
    #[arg(long, default_value = "decnet", value_parser = name)]
    user: String,
    /// Group that may start and stop them
    #[arg(long, default_value = "decnet", value_parser = name)]
    group: String,
    /// Directory of the programs `decnet` and `decoy`
    #[arg(long, default_value = "/usr/bin", value_name = "DIR", value_parser = plain_path)]
    bin_dir: String,
    /// Directory of the data
    #[arg(long, default_value = "/var/lib/decnet", value_name = "DIR", value_parser = plain_path)]
    state_dir: String,
}

fn name(text: &str) -> Result<String, String> {
    let fits = text.len() <= 31 && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if fits && plain { Ok(text.to_owned()) } else { Err("is not a name for a system account".into()) }
}

/// Nothing in it that a unit file would read as something else.
fn plain_path(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'));
    if text.starts_with('/') && plain && !text.contains("..") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("must be an absolute path of letters, digits, `-`, `_` and `.`".into())
    }
}

/// Path under the root, mode, text; the group of the user may read those with mode 0640.
type Files = BTreeMap<String, (u32, String)>;

impl Who {
    fn fill(&self, text: &str) -> String {
        [("@USER@", &self.user), ("@GROUP@", &self.group), ("@BIN@", &self.bin_dir), ("@DATA@", &self.state_dir)]
            .iter()
            .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }
}

/// Everything `init` writes, but for the settings.
fn files(args: &Args, config: &Config) -> Files {
    let docker = args.runtime == "docker";
    let who = &args.who;
    let mut files = Files::new();
    let mut unit = |name: &str, text: String| {
        let text = text
            .replace("@DOCKER_AFTER@", if docker { "docker.service" } else { "" })
            .replace("@DOCKER_GROUP@\n", if docker { "SupplementaryGroups=docker\n\n" } else { "\n" })
            .replace(" \n", "\n");
        files.insert(format!("/etc/systemd/system/{name}"), (0o644, who.fill(&text)));
    };
    if args.per_worker {
        for worker in registry::KNOWN {
            let network = matches!(config.database, store::Config::MySql(_)) || OUTWARD.contains(worker);
            let text = match *worker {
                "api" => API.to_owned(),
                "fleet" => FLEET.to_owned(),
                "bus" => WORKER
                    .replace("@NETWORK@\n", &format!("{NO_NETWORK}\n"))
                    .replace("After=decnet-bus.service decnet-fleet.service\nWants=decnet-bus.service\n", ""),
                name if WATCHING.contains(&name) => WORKER
                    .replace("@NETWORK@\n", &format!("{WATCH}\n"))
                    .replace(
                        "CapabilityBoundingSet=\nAmbientCapabilities=\n",
                        "CapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_RAW\n",
                    )
                    .replace("PrivateUsers=yes\n", ""),
                _ => WORKER.replace("@NETWORK@\n", &format!("{}\n", if network { NETWORK } else { NO_NETWORK })),
            };
            unit(&format!("decnet-{worker}.service"), text.replace("@WORKER@", worker));
        }
        let units: Vec<String> = registry::KNOWN.iter().map(|worker| format!("decnet-{worker}.service")).collect();
        unit("decnet.target", TARGET.replace("@UNITS@", &units.join(" ")));
    } else {
        unit("decnet.service", WHOLE.to_owned());
    }
    files.insert("/usr/lib/sysusers.d/decnet.conf".into(), (0o644, who.fill(SYSUSERS)));
    files.insert("/usr/lib/tmpfiles.d/decnet.conf".into(), (0o644, who.fill(TMPFILES)));
    files.insert("/etc/polkit-1/rules.d/60-decnet.rules".into(), (0o644, who.fill(POLKIT)));
    files.insert("/etc/logrotate.d/decnet".into(), (0o644, who.fill(LOGROTATE)));
    files
}

fn settings_file(args: &Args) -> String {
    let mut fleet = format!("runtime = \"{}\"", args.runtime);
    if let Some(interface) = &args.interface {
        fleet.push_str(&format!("\ninterface = \"{interface}\""));
    }
    args.who.fill(SETTINGS).replace("@FLEET@", &fleet)
}

/// Where things are done, and whether they are.
struct Site<'a> {
    root: Option<&'a Path>,
    dry: bool,
}

impl Site<'_> {
    fn at(&self, path: &str) -> PathBuf {
        self.root.map_or_else(|| PathBuf::from(path), |root| root.join(path.trim_start_matches('/')))
    }

    fn write(&self, path: &str, mode: u32, text: &str) -> anyhow::Result<()> {
        let at = self.at(path);
        if fs::read(&at).is_ok_and(|old| old == text.as_bytes()) {
            print::line(&format!("as it should be  {path}"));
            return Ok(());
        }
        print::line(&format!("{}          {path}", if self.dry { "write  " } else { "written" }));
        if self.dry {
            return Ok(());
        }
        if let Some(dir) = at.parent() {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let next = at.with_extension("decnet-new");
        fs::write(&next, text).with_context(|| format!("cannot write {}", next.display()))?;
        fs::set_permissions(&next, fs::Permissions::from_mode(mode))?;
        fs::rename(&next, &at).with_context(|| format!("cannot write {}", at.display()))
    }

    fn remove(&self, path: &str) -> anyhow::Result<()> {
        let at = self.at(path);
        let Ok(meta) = fs::symlink_metadata(&at) else { return Ok(()) };
        print::line(&format!("{}          {path}", if self.dry { "remove " } else { "removed" }));
        if self.dry {
            return Ok(());
        }
        let gone = if meta.is_dir() { fs::remove_dir_all(&at) } else { fs::remove_file(&at) };
        gone.with_context(|| format!("cannot remove {}", at.display()))
    }

    /// Runs a program of the host; under a root only those that work on files.
    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<()> {
        print::line(&format!("{}          {program} {}", if self.dry { "run    " } else { "running" }, args.join(" ")));
        if self.dry {
            return Ok(());
        }
        let out = Command::new(program).args(args).output().with_context(|| format!("cannot run {program}"))?;
        anyhow::ensure!(out.status.success(), "{program} {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr).trim());
        Ok(())
    }

    fn rooted(&self) -> Option<String> {
        self.root.map(|root| format!("--root={}", root.display()))
    }

    /// Whether there is a running systemd to tell.
    fn live(&self) -> bool {
        self.root.is_none() && Path::new("/run/systemd/system").is_dir()
    }
}

fn may(root: Option<&Path>, dry: bool) -> Result<(), Wrong> {
    if nix::unistd::geteuid().is_root() || dry || root.is_some() {
        return Ok(());
    }
    Err(Wrong("this changes the host and needs root; see what it would do with --dry-run".into()))
}

pub(crate) fn run(args: &Args, config: &Config) -> anyhow::Result<()> {
    may(args.root.as_deref(), args.dry_run)?;
    let site = Site { root: args.root.as_deref(), dry: args.dry_run };
    for program in ["decnet", "decoy"] {
        let path = format!("{}/{program}", args.who.bin_dir);
        if !site.at(&path).is_file() {
            print::line(&format!("note: {path} is not there yet; the units need it"));
        }
    }
    let files = files(args, config);
    // Units of the other layout would fight over the same sockets.
    for other in installed(&site).into_iter().filter(|unit| !files.contains_key(&format!("/etc/systemd/system/{unit}"))) {
        if site.live() {
            site.run("systemctl", &["disable", "--now", &other])?;
        }
        site.remove(&format!("/etc/systemd/system/{other}"))?;
    }
    for (path, (mode, text)) in &files {
        site.write(path, *mode, text)?;
    }
    if args.force || !site.at("/etc/decnet/decnet.toml").exists() {
        site.write("/etc/decnet/decnet.toml", 0o640, &settings_file(args))?;
    } else {
        print::line("left as it is    /etc/decnet/decnet.toml");
    }
    let rooted = site.rooted();
    let with = |rest: &[&str]| -> Vec<String> { rooted.iter().cloned().chain(rest.iter().map(|a| (*a).to_owned())).collect() };
    let call = |program: &str, rest: &[&str]| {
        let args = with(rest);
        site.run(program, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    call("systemd-sysusers", &["decnet.conf"])?;
    call("systemd-tmpfiles", &["--create", "decnet.conf"])?;
    if !args.dry_run && args.root.is_none() {
        let group = nix::unistd::Group::from_name(&args.who.group)?.map(|g| g.gid);
        nix::unistd::chown("/etc/decnet/decnet.toml", None, group)?;
    }
    let unit = if args.per_worker { "decnet.target" } else { "decnet.service" };
    let mut enabled: Vec<String> = vec![unit.into()];
    if args.per_worker {
        enabled.extend(registry::KNOWN.iter().map(|worker| format!("decnet-{worker}.service")));
    }
    let enable: Vec<&str> = std::iter::once("enable").chain(enabled.iter().map(String::as_str)).collect();
    if site.live() {
        site.run("systemctl", &["daemon-reload"])?;
        site.run("systemctl", &enable)?;
        if !args.no_start {
            site.run("systemctl", &["start", unit])?;
        }
    } else if site.root.is_some() {
        call("systemctl", &enable)?;
    } else {
        print::line("note: systemd does not run here; enable and start the units where it does");
    }
    Ok(())
}

/// Units of decnet that stand there, by name.
fn installed(site: &Site<'_>) -> Vec<String> {
    let ours =
        |name: &str| name == "decnet.target" || name == "decnet.service" || (name.starts_with("decnet-") && name.ends_with(".service"));
    let dir = site.at("/etc/systemd/system");
    let names = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|f| f.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| ours(name)).collect();
    found.sort();
    found
}

pub(crate) fn out(args: &OutArgs) -> anyhow::Result<()> {
    may(args.root.as_deref(), args.dry_run)?;
    let site = Site { root: args.root.as_deref(), dry: args.dry_run };
    let units = installed(&site);
    if !units.is_empty() {
        let mut call: Vec<String> = site.rooted().into_iter().collect();
        call.push("disable".into());
        if site.live() {
            call.push("--now".into());
        }
        call.extend(units.iter().cloned());
        if site.live() || site.root.is_some() {
            site.run("systemctl", &call.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    for unit in units {
        site.remove(&format!("/etc/systemd/system/{unit}"))?;
    }
    for path in [
        "/usr/lib/sysusers.d/decnet.conf",
        "/usr/lib/tmpfiles.d/decnet.conf",
        "/etc/polkit-1/rules.d/60-decnet.rules",
        "/etc/logrotate.d/decnet",
    ] {
        site.remove(path)?;
    }
    if site.live() {
        site.run("systemctl", &["daemon-reload"])?;
    }
    if !args.purge {
        print::line(&format!(
            "kept: /etc/decnet, /var/log/decnet and {} with everything that was captured (--purge takes them too)",
            args.who.state_dir
        ));
        return Ok(());
    }
    for path in ["/etc/decnet", "/var/log/decnet", args.who.state_dir.as_str()] {
        site.remove(path)?;
    }
    let prefix = args.root.as_ref().map(|root| root.display().to_string());
    for (program, account, list) in [("userdel", &args.who.user, "/etc/passwd"), ("groupdel", &args.who.group, "/etc/group")] {
        let known = fs::read_to_string(site.at(list)).unwrap_or_default();
        if known.lines().any(|line| line.split(':').next() == Some(account.as_str())) {
            let call: Vec<&str> = prefix.iter().flat_map(|p| ["--prefix", p.as_str()]).chain([account.as_str()]).collect();
            site.run(program, &call)?;
        }
    }
    Ok(())
}
