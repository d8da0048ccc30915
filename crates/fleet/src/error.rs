//! What can go wrong between a plan and a running fleet.

use std::{io, path::PathBuf};

use crate::ConfigError;

/// Anything that stops a deploy, a teardown or a restore.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state file is from a newer build.
    #[error("{}: written by a newer build (schema {found}, this build knows {known}); use that build or move the file away", path.display())]
    StateNewer { path: PathBuf, found: u32, known: u32 },
    /// The state file cannot be understood; it was set aside.
    #[error("{}: cannot be read as the fleet's state ({reason}); it was kept as {}", path.display(), kept.display())]
    StateTorn { path: PathBuf, reason: String, kept: PathBuf },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Another process is the fleet's writer.
    #[error("{}: another decnet holds the fleet's state", path.display())]
    Locked { path: PathBuf },
    /// The kernel refused something.
    #[error("{doing}: {source}")]
    Kernel { doing: String, source: io::Error },
    /// This runtime cannot do what was asked here.
    #[error("{0}")]
    Unsupported(String),
    #[error("{name}: {ip} is already the address of {owner}")]
    AddressTaken { name: String, ip: std::net::IpAddr, owner: String },
    #[error("{name}: {ip} is not an address of {subnet}")]
    AddressOutside { name: String, ip: std::net::IpAddr, subnet: String },
    #[error("no free address in {subnet} for {name}")]
    NetworkFull { name: String, subnet: String },
    /// The table of the fleet cannot be read or written.
    #[error("the fleet's table: {0}")]
    Table(String),
    /// The running fleet knows no such decky; its words.
    #[error("{0}")]
    Missing(String),
    /// What was asked for is not acceptable.
    #[error("{0}")]
    Refused(String),
    /// What was asked for cannot be done to what is there.
    #[error("{0}")]
    Conflict(String),
    #[error("no decky is called {0}")]
    NoSuchDecky(String),
    /// The decoy process cannot be started or does not answer.
    #[error("decoy process: {0}")]
    Decoy(String),
    /// The running `decnet` refused or broke off.
    #[error("{0}")]
    Control(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// For `map_err` on system calls.
    pub(crate) fn kernel<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Kernel { doing, source: source.into() }
    }
}
