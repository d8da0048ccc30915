//! The sum of what the parts need to know. Flags win over the environment, that over the file, that over the
//! defaults. The environment is read here and nowhere else.

use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "/etc/decnet/decnet.toml";

/// What an operator may put into `decnet.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct File {
    data_dir: Option<PathBuf>,
    api: ApiSection,
    database: DatabaseSection,
    fleet: FleetSection,
    intel: IntelSection,
    log: LogSection,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ApiSection {
    /// `127.0.0.1:8080`
    listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct DatabaseSection {
    /// `sqlite:///path` or `mysql://user:password@host/name`
    url: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct FleetSection {
    /// `native`, `native-ipvlan`, `docker` or `loopback`
    runtime: Option<String>,
    /// Network interface the deckies appear on; none: a private bridge.
    interface: Option<String>,
    /// The `decoy` program, if it does not stand beside `decnet`.
    decoy: Option<PathBuf>,
    /// Socket of the Docker engine; `/var/run/docker.sock`
    docker: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct IntelSection {
    /// Whether outside providers are asked about attackers from the internet; yes if absent.
    enabled: Option<bool>,
    /// Which: `abuseipdb`, `feodo`, `greynoise`, `threatfox`; all if absent.
    providers: Option<Vec<String>>,
    greynoise_key: Option<String>,
    abuseipdb_key: Option<String>,
    threatfox_key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct LogSection {
    /// `error`, `warn`, `info`, `debug` or a filter such as `info,store=debug`
    level: Option<String>,
    /// `text` or `json`
    format: Option<String>,
}

/// What the command line may say about all of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// Configuration file [default: /etc/decnet/decnet.toml if it exists; env: DECNET_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub(crate) settings: Option<PathBuf>,
    /// Directory of database, spools, files and recordings
    /// [default: /var/lib/decnet for root, else ~/.local/share/decnet; env: DECNET_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Settings")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Database: sqlite:///PATH or mysql://USER:PASSWORD@HOST/NAME [default: SQLite in the data directory; env: DECNET_DB_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    pub(crate) database: Option<String>,
    /// What to log: error, warn, info, debug, or a filter such as info,store=debug [default: info; env: DECNET_LOG]
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Settings")]
    pub(crate) log: Option<String>,
}

/// Everything, settled.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) database: store::Config,
    pub(crate) runtime: Option<String>,
    pub(crate) interface: Option<String>,
    pub(crate) decoy: Option<PathBuf>,
    pub(crate) docker: PathBuf,
    pub(crate) intel: workers::enrich::Config,
    pub(crate) log: String,
    pub(crate) log_json: bool,
}

/// Bad input from the operator: one clear message, exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) String);

impl Config {
    /// Settles everything from flags, environment, file and defaults.
    pub(crate) fn settle(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Result<Self, Wrong> {
        let file = read_file(flags.settings.clone().or_else(|| env("DECNET_CONFIG").map(PathBuf::from)))?;
        let data_dir = flags
            .data_dir
            .clone()
            .or_else(|| env("DECNET_DATA_DIR").map(PathBuf::from))
            .or(file.data_dir)
            .unwrap_or_else(|| default_data_dir(&env));
        let database = match flags.database.clone().or_else(|| env("DECNET_DB_URL")).or(file.database.url) {
            Some(url) => database(&url)?,
            None => store::Config::Sqlite(data_dir.join("decnet.db")),
        };
        let listen = match env("DECNET_API_LISTEN") {
            Some(text) => {
                text.parse().map_err(|_| Wrong(format!("DECNET_API_LISTEN: {text:?} is not ADDRESS:PORT, such as 127.0.0.1:8080")))?
            }
            None => file.api.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        };
        Ok(Self {
            listen,
            database,
            runtime: env("DECNET_RUNTIME").or(file.fleet.runtime),
            interface: env("DECNET_INTERFACE").or(file.fleet.interface),
            decoy: env("DECNET_DECOY").map(PathBuf::from).or(file.fleet.decoy),
            docker: env("DECNET_DOCKER").map(PathBuf::from).or(file.fleet.docker).unwrap_or_else(|| "/var/run/docker.sock".into()),
            intel: intel(file.intel, &env)?,
            log: flags.log.clone().or_else(|| env("DECNET_LOG")).or(file.log.level).unwrap_or_else(|| "info".into()),
            log_json: match env("DECNET_LOG_FORMAT").or(file.log.format).as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(other) => return Err(Wrong(format!("log format {other:?} is unknown (allowed: text, json)"))),
            },
            data_dir,
        })
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.data_dir.join("run")
    }

    pub(crate) fn bus_socket(&self) -> PathBuf {
        self.run_dir().join("bus.sock")
    }

    pub(crate) fn spools(&self) -> PathBuf {
        self.data_dir.join("spool")
    }
}

fn intel(section: IntelSection, env: &impl Fn(&str) -> Option<String>) -> Result<workers::enrich::Config, Wrong> {
    let defaults = workers::enrich::Config::default();
    let enabled = match env("DECNET_INTEL_ENABLED").as_deref() {
        None => section.enabled.unwrap_or(defaults.enabled),
        Some("true" | "1" | "yes") => true,
        Some("false" | "0" | "no") => false,
        Some(other) => return Err(Wrong(format!("DECNET_INTEL_ENABLED: {other:?} is neither true nor false"))),
    };
    let named = env("DECNET_INTEL_PROVIDERS")
        .map(|list| list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect());
    let providers: Vec<String> = named.or(section.providers).unwrap_or(defaults.providers);
    if let Some(unknown) = providers.iter().find(|name| !workers::enrich::NAMES.contains(&name.as_str())) {
        return Err(Wrong(format!("there is no intelligence provider {unknown:?} (there are: {})", workers::enrich::NAMES.join(", "))));
    }
    Ok(workers::enrich::Config {
        enabled,
        providers,
        greynoise_key: env("DECNET_GREYNOISE_API_KEY").or(section.greynoise_key),
        abuseipdb_key: env("DECNET_ABUSEIPDB_API_KEY").or(section.abuseipdb_key),
        threatfox_key: env("DECNET_THREATFOX_API_KEY").or(section.threatfox_key),
        url: None,
    })
}

fn default_data_dir(env: &impl Fn(&str) -> Option<String>) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/decnet");
    }
    let home = || env("HOME").map(|home| Path::new(&home).join(".local/share"));
    env("XDG_DATA_HOME").map(PathBuf::from).or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("decnet")
}

fn read_file(named: Option<PathBuf>) -> Result<File, Wrong> {
    let (path, must_exist) = named.map_or_else(|| (PathBuf::from(DEFAULT_FILE), false), |path| (path, true));
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            Wrong(format!("{}:{line}: {}", path.display(), error.message()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(File::default()),
        Err(error) => Err(Wrong(format!("{}: {error}", path.display()))),
    }
}

fn database(url: &str) -> Result<store::Config, Wrong> {
    match url.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => Ok(store::Config::Sqlite(PathBuf::from(path))),
        Some(("mysql" | "mariadb", rest)) if !rest.is_empty() => Ok(store::Config::MySql(format!("mysql://{rest}"))),
        _ => Err(Wrong("the database is neither sqlite:///PATH nor mysql://USER:PASSWORD@HOST/NAME".into())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::collections::HashMap;

    fn settle(flags: &Flags, env: &[(&str, &str)]) -> Result<Config, Wrong> {
        let env: HashMap<_, _> = env.iter().copied().collect();
        Config::settle(flags, |key| env.get(key).map(|v| (*v).to_owned()))
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "data-dir = \"/file\"\n[api]\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let config = file.path().to_str().unwrap();
        let base = settle(&Flags::default(), &[("DECNET_CONFIG", config)]).unwrap();
        assert_eq!((base.data_dir.to_str().unwrap(), base.listen.port()), ("/file", 1));
        let env = [("DECNET_CONFIG", config), ("DECNET_DATA_DIR", "/env"), ("DECNET_API_LISTEN", "127.0.0.1:2")];
        assert_eq!(settle(&Flags::default(), &env).unwrap().data_dir.to_str().unwrap(), "/env");
        let flags = Flags { data_dir: Some("/flag".into()), ..Flags::default() };
        assert_eq!(settle(&flags, &env).unwrap().data_dir.to_str().unwrap(), "/flag");
        assert_eq!(settle(&flags, &env).unwrap().listen.port(), 2);
    }

    #[test]
    fn an_unknown_key_names_file_and_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[api]\nlisten = \"127.0.0.1:1\"\nlissten = 3\n").unwrap();
        let error = settle(&Flags { settings: Some(file.path().to_owned()), ..Flags::default() }, &[]).unwrap_err().to_string();
        assert!(error.contains(":3: unknown field `lissten`, expected `listen`"), "{error}");
        assert!(settle(&Flags::default(), &[("DECNET_DB_URL", "postgres://x")]).unwrap_err().to_string().contains("mysql://"));
        assert!(settle(&Flags { settings: Some("/nonexistent".into()), ..Flags::default() }, &[]).is_err());
    }
}
