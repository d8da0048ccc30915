//! `decnet-state.json`: which deckies should exist and who they are. One writer, atomic replacement, a version.
//!
//! What is *running* is never written here: it is looked at.

use model::{Account, Micros, Persona};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{Error, Planned, runtime::Ground};

/// Version of the schema this build writes.
pub const SCHEMA: u32 = 1;
/// Name of the file in the data directory.
pub const FILE: &str = "decnet-state.json";

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub schema: u32,
    pub host_uuid: String,
    /// Name of the runtime the deckies were placed with.
    pub runtime: String,
    pub ground: Option<Ground>,
    #[serde(default)]
    pub deckies: BTreeMap<String, Kept>,
}

/// One decky that should exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub plan: Planned,
    pub persona: Persona,
    /// Accounts it was generated with, before knobs.
    pub accounts: Vec<Account>,
    /// Name of its namespace and link.
    pub link: String,
    /// When it was first placed.
    pub since: Micros,
}

/// Only the version, to tell a newer file from a torn one.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// The file and the lock that makes this process its only writer.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Store {
    /// Locks the state of `data_dir`.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data_dir).map_err(Error::file(data_dir))?;
        let lock = data_dir.join("decnet-state.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock).map_err(Error::file(&lock))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self { path: data_dir.join(FILE), _lock: held }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Locked { path: lock }),
            Err((_, e)) => Err(Error::File { path: lock, source: e.into() }),
        }
    }

    /// What is written, or an empty state. A file that cannot be read is set aside and reported.
    pub(crate) fn load(&self, host_uuid: &str) -> Result<State, Error> {
        let empty = State { schema: SCHEMA, host_uuid: host_uuid.into(), runtime: String::new(), ground: None, deckies: BTreeMap::new() };
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(empty),
            Err(source) => return Err(Error::File { path: self.path.clone(), source }),
        };
        match serde_json::from_slice::<Version>(&bytes) {
            Ok(Version { schema }) if schema > SCHEMA => {
                return Err(Error::StateNewer { path: self.path.clone(), found: schema, known: SCHEMA });
            }
            Ok(_) => {}
            Err(e) => return Err(self.set_aside(&e.to_string())),
        }
        // Schema 1 is the first; an older one is upgraded here, step by step.
        match serde_json::from_slice::<State>(&bytes) {
            Ok(state) => Ok(state),
            Err(e) => Err(self.set_aside(&e.to_string())),
        }
    }

    fn set_aside(&self, reason: &str) -> Error {
        let kept = (0..100).map(|n| self.path.with_extension(format!("json.torn{n}"))).find(|p| !p.exists());
        let kept = kept.unwrap_or_else(|| self.path.with_extension("json.torn"));
        match fs::rename(&self.path, &kept) {
            Ok(()) => Error::StateTorn { path: self.path.clone(), reason: reason.into(), kept },
            Err(source) => Error::File { path: self.path.clone(), source },
        }
    }

    /// Replaces the file; it holds the old or the new state at every moment, also after a power cut.
    pub(crate) fn save(&self, state: &State) -> Result<(), Error> {
        let next = self.path.with_extension("json.next");
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec(state)?;
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            if let Some(dir) = self.path.parent() {
                File::open(dir)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(Error::file(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::{FILE, Store};
    use crate::Error;

    #[test]
    fn one_writer_and_clear_words_for_every_bad_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(Error::Locked { .. })));
        let state = store.load("local").unwrap();
        store.save(&state).unwrap();
        assert_eq!(store.load("local").unwrap().schema, 1);
        let path = dir.path().join(FILE);
        std::fs::write(&path, br#"{"schema":9,"later":true}"#).unwrap();
        let newer = store.load("local").unwrap_err().to_string();
        assert!(
            newer.ends_with("written by a newer build (schema 9, this build knows 1); use that build or move the file away"),
            "{newer}"
        );
        std::fs::write(&path, br#"{"schema":1,"host_uu"#).unwrap();
        assert!(matches!(store.load("local"), Err(Error::StateTorn { .. })));
        assert!(dir.path().join("decnet-state.json.torn0").exists() && !path.exists());
        assert!(store.load("local").unwrap().deckies.is_empty());
        drop(store);
        Store::open(dir.path()).unwrap();
    }
}
