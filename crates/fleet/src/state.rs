//! `decnet-state.json`: which deckies should exist and who they are. One writer, atomic replacement, a version.
//!
//! What is *running* is never written here: it is looked at. What was asked for is written before it is begun, so that a
//! process killed in the middle leaves enough for the next one to finish. A second copy stands beside the file; it is
//! read where the first is damaged.

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

use crate::{DeployMode, Error, Plan, Planned, deployer::Strategy, runtime::Ground};

/// Version of the schema this build writes.
pub const SCHEMA: u32 = 2;
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
    /// What was begun and is not finished. Since schema 2.
    #[serde(default)]
    pub asked: Option<Asked>,
}

/// Something that takes many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Asked {
    Deploy { plan: Box<Plan>, mode: DeployMode },
    Teardown { names: Vec<String> },
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
    /// When it last changed by itself or on demand. Since schema 2, as the next two.
    #[serde(default)]
    pub mutated: Option<Micros>,
    /// An operator asked for a change while it had visitors; the way he chose, if he did.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "asked")]
    pub mutate_asked: Option<Option<Strategy>>,
    /// How often it changed.
    #[serde(default)]
    pub mutations: u32,
}

/// `Some(None)` as the text `any`: JSON's null would read back as `None`.
mod asked {
    use crate::deployer::Strategy;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(value: &Option<Option<Strategy>>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            None => s.serialize_none(),
            Some(strategy) => s.serialize_str(strategy.map_or("any", Strategy::name)),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<Strategy>>, D::Error> {
        match Option::<String>::deserialize(d)?.as_deref() {
            None => Ok(None),
            Some("any") => Ok(Some(None)),
            Some("services") => Ok(Some(Some(Strategy::Services))),
            Some("drift") => Ok(Some(Some(Strategy::Drift))),
            Some(other) => Err(D::Error::custom(format!("unknown strategy {other}"))),
        }
    }
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

    /// What is written, or an empty state. A file that cannot be read is set aside and its copy taken; only if that is
    /// no better it is an error.
    pub(crate) fn load(&self, host_uuid: &str) -> Result<State, Error> {
        let copy = self.copy();
        match self.read(&self.path) {
            Ok(Some(state)) => Ok(state),
            Err(Unread::Is(error)) => Err(error),
            Ok(None) => match self.read(&copy) {
                // The first was taken away on purpose or lost; nobody knows which, so nothing is guessed.
                Ok(Some(state)) if !state.deckies.is_empty() => {
                    tracing::warn!(copy = %copy.display(), "the fleet's state is gone; its copy is taken");
                    Ok(state)
                }
                Err(Unread::Is(error)) => Err(error),
                _ => Ok(State {
                    schema: SCHEMA,
                    host_uuid: host_uuid.into(),
                    runtime: String::new(),
                    ground: None,
                    deckies: BTreeMap::new(),
                    asked: None,
                }),
            },
            Err(Unread::Torn(reason)) => {
                let torn = self.set_aside(&reason);
                match self.read(&copy) {
                    Ok(Some(state)) => {
                        tracing::error!(error = %torn, copy = %copy.display(), "the fleet's state is damaged; its copy is taken");
                        Ok(state)
                    }
                    _ => Err(torn),
                }
            }
        }
    }

    fn copy(&self) -> PathBuf {
        self.path.with_extension("json.copy")
    }

    fn read(&self, path: &Path) -> Result<Option<State>, Unread> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Unread::Is(Error::File { path: path.to_owned(), source })),
        };
        let torn = |e: serde_json::Error| Unread::Torn(e.to_string());
        let Version { schema } = serde_json::from_slice(&bytes).map_err(torn)?;
        if schema > SCHEMA {
            return Err(Unread::Is(Error::StateNewer { path: path.to_owned(), found: schema, known: SCHEMA }));
        }
        // Schema 1 lacks what is absent in a new decky too; the next save writes it as this schema.
        let state: State = serde_json::from_slice(&bytes).map_err(torn)?;
        Ok(Some(State { schema: SCHEMA, ..state }))
    }

    fn set_aside(&self, reason: &str) -> Error {
        let kept = (0..100).map(|n| self.path.with_extension(format!("json.torn{n}"))).find(|p| !p.exists());
        let kept = kept.unwrap_or_else(|| self.path.with_extension("json.torn"));
        match fs::rename(&self.path, &kept) {
            Ok(()) => Error::StateTorn { path: self.path.clone(), reason: reason.into(), kept },
            Err(source) => Error::File { path: self.path.clone(), source },
        }
    }

    /// Replaces the file, then its copy; each holds the old or the new state at every moment, also after a power cut.
    pub(crate) fn save(&self, state: &State) -> Result<(), Error> {
        let bytes = serde_json::to_vec(state).map_err(std::io::Error::from).map_err(Error::file(&self.path))?;
        self.replace(&self.path, &bytes)?;
        self.replace(&self.copy(), &bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let next = self.path.with_extension("json.next");
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&next, path)?;
            if let Some(dir) = path.parent() {
                File::open(dir)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(Error::file(path))
    }
}

/// Why a file gave no state.
enum Unread {
    /// It does not hold one.
    Torn(String),
    /// Anything else; what it holds must not be touched.
    Is(Error),
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
        assert_eq!(store.load("local").unwrap().schema, 2);
        let path = dir.path().join(FILE);
        std::fs::write(&path, br#"{"schema":9,"later":true}"#).unwrap();
        let newer = store.load("local").unwrap_err().to_string();
        assert!(
            newer.ends_with("written by a newer build (schema 9, this build knows 2); use that build or move the file away"),
            "{newer}"
        );
        // An older file is read as it is.
        std::fs::write(&path, br#"{"schema":1,"host_uuid":"old","runtime":"native","ground":null,"deckies":{}}"#).unwrap();
        let older = store.load("local").unwrap();
        assert_eq!((older.schema, older.host_uuid.as_str()), (2, "old"));
        // A torn one is set aside for its copy, and only without one there is nothing to go on with.
        std::fs::write(&path, br#"{"schema":1,"host_uu"#).unwrap();
        assert_eq!(store.load("local").unwrap().host_uuid, "local");
        assert!(dir.path().join("decnet-state.json.torn0").exists() && !path.exists());
        std::fs::write(&path, br#"{"schema":1,"host_uu"#).unwrap();
        std::fs::write(dir.path().join("decnet-state.json.copy"), b"{").unwrap();
        assert!(matches!(store.load("local"), Err(Error::StateTorn { .. })));
        assert!(store.load("local").unwrap().deckies.is_empty());
        drop(store);
        Store::open(dir.path()).unwrap();
    }
}
