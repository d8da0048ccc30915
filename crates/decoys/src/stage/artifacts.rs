//! Keeps the files that attackers brought, by content, within quotas.

use bytes::Bytes;
use model::{DeckyId, Saw};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::decoy::Kept;

/// Bytes that may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    pub per_attacker: u64,
    pub per_decky: u64,
    pub total: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { per_attacker: 256 << 20, per_decky: 2 << 30, total: 8 << 30 }
    }
}

/// The store: `sha256/<first two digits>/<sha256>`, mode 0640, shared with other processes.
#[derive(Debug)]
pub struct Artifacts {
    root: PathBuf,
    quotas: Quotas,
    used: Mutex<Used>,
    names: AtomicU64,
}

#[derive(Debug, Default)]
struct Used {
    total: u64,
    attackers: HashMap<IpAddr, u64>,
    deckies: HashMap<DeckyId, u64>,
}

/// Counters of single attackers that are remembered; past that the table starts anew.
const ATTACKERS: usize = 100_000;

impl Artifacts {
    /// Opens the store at `root` and counts what is there.
    pub fn open(root: &Path, quotas: Quotas) -> io::Result<Self> {
        let root = root.join("sha256");
        DirBuilder::new().recursive(true).mode(0o750).create(&root)?;
        let mut total = 0;
        for shelf in std::fs::read_dir(&root)?.flatten() {
            for file in std::fs::read_dir(shelf.path()).into_iter().flatten().flatten() {
                total += file.metadata().map_or(0, |m| m.len());
            }
        }
        let used = Used { total, ..Used::default() };
        Ok(Self { root, quotas, used: Mutex::new(used), names: AtomicU64::new(0) })
    }

    /// Keeps a file, as much of it as the quotas allow, and says what was kept. `sha256` is that of the bytes
    /// that are in the store; of the whole file if none could be kept.
    pub fn keep(&self, kept: &Kept, decky: &DeckyId, attacker: IpAddr) -> Saw {
        let size = kept.bytes.len() as u64;
        let mut bytes = kept.bytes.clone();
        let mut sha256 = sha(&bytes);
        let mut whole = true;
        if !self.path(&sha256).exists() {
            let allowed = self.take(size, decky, attacker);
            whole = allowed == size;
            if !whole {
                bytes.truncate(usize::try_from(allowed).unwrap_or(0));
                sha256 = if bytes.is_empty() { sha256 } else { sha(&bytes) };
            }
            if let Some(failed) = (!bytes.is_empty() || size == 0).then(|| self.store(&sha256, &bytes)).and_then(Result::err) {
                tracing::error!(path = %self.root.display(), "a file could not be kept: {failed}");
                self.give_back(allowed, decky, attacker);
                whole = false;
            }
        }
        Saw::FileCaptured { sha256, size, path: kept.path.clone(), way: kept.way, whole }
    }

    /// Where the file `sha256` is.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.root.join(sha256.get(..2).unwrap_or_default()).join(sha256)
    }

    fn store(&self, sha256: &str, bytes: &Bytes) -> io::Result<()> {
        let path = self.path(sha256);
        let shelf = path.parent().unwrap_or(&self.root);
        DirBuilder::new().recursive(true).mode(0o750).create(shelf)?;
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let temporary = shelf.join(format!(".{}-{number}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&temporary)
            .and_then(|mut f| f.write_all(bytes))
            .and_then(|()| std::fs::rename(&temporary, &path));
        if written.is_err() {
            _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn take(&self, size: u64, decky: &DeckyId, attacker: IpAddr) -> u64 {
        let mut used = self.used.lock();
        if used.attackers.len() >= ATTACKERS && !used.attackers.contains_key(&attacker) {
            used.attackers.clear();
        }
        let left = (self.quotas.per_attacker.saturating_sub(used.attackers.get(&attacker).copied().unwrap_or(0)))
            .min(self.quotas.per_decky.saturating_sub(used.deckies.get(decky).copied().unwrap_or(0)))
            .min(self.quotas.total.saturating_sub(used.total));
        let allowed = size.min(left);
        used.total += allowed;
        *used.attackers.entry(attacker).or_default() += allowed;
        *used.deckies.entry(decky.clone()).or_default() += allowed;
        allowed
    }

    fn give_back(&self, size: u64, decky: &DeckyId, attacker: IpAddr) {
        let mut used = self.used.lock();
        used.total = used.total.saturating_sub(size);
        if let Some(n) = used.attackers.get_mut(&attacker) {
            *n = n.saturating_sub(size);
        }
        if let Some(n) = used.deckies.get_mut(decky) {
            *n = n.saturating_sub(size);
        }
    }
}

fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FileWay;

    #[test]
    fn files_are_kept_by_content_within_quotas() {
        let dir = tempfile::tempdir().unwrap();
        let quotas = Quotas { per_attacker: 10, ..Quotas::default() };
        let store = Artifacts::open(dir.path(), quotas).unwrap();
        let decky = DeckyId::local("a");
        let keep = |bytes: &'static [u8], ip: &str| {
            let kept = Kept { path: "/tmp/x".into(), bytes: Bytes::from_static(bytes), way: FileWay::Upload };
            match store.keep(&kept, &decky, ip.parse().unwrap()) {
                Saw::FileCaptured { sha256, size, whole, .. } => (sha256, size, whole),
                other => panic!("{other:?}"),
            }
        };
        let (sha256, size, whole) = keep(b"malware", "192.0.2.1");
        assert_eq!((size, whole), (7, true));
        assert_eq!(std::fs::read(store.path(&sha256)).unwrap(), b"malware");
        assert!(keep(b"malware", "192.0.2.1").2, "the same again costs nothing");
        let (head, size, whole) = keep(b"another", "192.0.2.1");
        assert_eq!((size, whole), (7, false));
        assert_eq!(std::fs::read(store.path(&head)).unwrap(), b"ano");
        assert!(!keep(b"third", "192.0.2.1").2);
        assert!(keep(b"third", "192.0.2.2").2);
        assert!(keep(b"", "192.0.2.1").2);
        assert_eq!(Artifacts::open(dir.path(), quotas).unwrap().used.lock().total, 7 + 3 + 5);
    }
}
