//! What a deployer is opened with, from settings and flags.

use crate::config::{Config, Wrong};
use fleet::{RuntimeKind, Settings};
use std::path::PathBuf;

pub(crate) fn settings(runtime: Option<&str>, interface: Option<&str>, config: &Config, secret: [u8; 32]) -> Result<Settings, Wrong> {
    let runtime = match runtime.or(config.runtime.as_deref()) {
        None => RuntimeKind::Auto,
        Some(name) => RuntimeKind::find(name)
            .ok_or_else(|| Wrong(format!("runtime {name:?} is unknown (allowed: {})", RuntimeKind::NAMES.join(", "))))?,
    };
    Ok(Settings {
        data_dir: config.data_dir.clone(),
        run_dir: config.run_dir(),
        decoy_binary: decoy_binary(config)?,
        runtime,
        interface: interface.map(str::to_owned).or_else(|| config.interface.clone()),
        host_uuid: model::LOCAL_HOST.into(),
        secret,
        docker: config.docker.clone(),
    })
}

/// The `decoy` program stands beside this one unless the settings say otherwise.
fn decoy_binary(config: &Config) -> Result<PathBuf, Wrong> {
    let beside = || std::env::current_exe().ok().and_then(|exe| exe.parent().map(|dir| dir.join("decoy")));
    match config.decoy.clone().or_else(beside) {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => {
            Err(Wrong(format!("the program that plays the deckies is missing: {} (set fleet.decoy or DECNET_DECOY)", path.display())))
        }
        None => Err(Wrong("cannot tell where this program stands; set fleet.decoy or DECNET_DECOY".into())),
    }
}
