//! Every attacker's [`Memory`] of every decky: in memory while in use, on disk in between.
//!
//! One file per decky and address under `memory/`, written whole and renamed into place: four bytes `DM1\n`, the SHA-256 of
//! the rest, then key and value pairs, each with a little-endian u32 length. A file that does not fit its checksum counts as
//! nothing left.

use bytes::Bytes;
use model::DeckyId;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{file_name, memory::Memory};

/// Bounds of what is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Attackers without an open conversation whose memory stays loaded.
    pub loaded: usize,
    /// Bytes on disk of one decky.
    pub per_decky: u64,
    /// Bytes on disk in all.
    pub total: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { loaded: 256, per_decky: 256 << 20, total: 2 << 30 }
    }
}

/// A memory of more bytes than this is not left waiting for the next round.
const MUCH: usize = 256 * 1024;

type Key = (DeckyId, IpAddr);

/// The registry.
#[derive(Debug)]
pub struct Memories {
    root: PathBuf,
    bounds: Bounds,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    loaded: HashMap<Key, Loaded>,
    /// Loaded without a conversation, longest unused first.
    resting: VecDeque<Key>,
    /// What is on disk, by decky.
    kept: HashMap<DeckyId, HashMap<IpAddr, (u64, SystemTime)>>,
    total: u64,
}

#[derive(Debug)]
struct Loaded {
    memory: Memory,
    conversations: u32,
}

impl Memories {
    /// Opens the registry under `state`.
    pub fn open(state: &Path, bounds: Bounds) -> io::Result<Self> {
        let root = state.join("memory");
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        Ok(Self { root, bounds, table: Mutex::default() })
    }

    /// The memory of `attacker` on `decky`, for one conversation; give it back with [`Memories::leave`].
    pub fn enter(&self, decky: &DeckyId, attacker: IpAddr) -> Memory {
        let key = (decky.clone(), attacker);
        let mut table = self.table.lock();
        if let Some(loaded) = table.loaded.get_mut(&key) {
            loaded.conversations += 1;
            return loaded.memory.clone();
        }
        if !table.kept.contains_key(decky) {
            let kept = self.look(decky);
            table.total += kept.values().map(|(size, _)| size).sum::<u64>();
            table.kept.insert(decky.clone(), kept);
        }
        let known = table.kept.get(decky).is_some_and(|k| k.contains_key(&attacker));
        let memory = if known { Memory::restored(self.read(&key)) } else { Memory::default() };
        table.loaded.insert(key, Loaded { memory: memory.clone(), conversations: 1 });
        memory
    }

    /// A conversation is over. What it left goes to the disk with the next [`Memories::save_all`], at once if it
    /// is much.
    pub fn leave(&self, decky: &DeckyId, attacker: IpAddr) {
        let key = (decky.clone(), attacker);
        let memory = {
            let mut table = self.table.lock();
            let Some(loaded) = table.loaded.get_mut(&key) else { return };
            loaded.conversations -= 1;
            if loaded.conversations > 0 {
                return;
            }
            if loaded.memory.is_empty() && !loaded.memory.has_changed() {
                table.loaded.remove(&key);
                return;
            }
            let memory = loaded.memory.clone();
            table.resting.push_back(key.clone());
            memory
        };
        if memory.bytes() > MUCH {
            self.save(&key, &memory);
        }
    }

    /// Whether [`Memories::save_all`] has something to do.
    pub fn have_changed(&self) -> bool {
        self.table.lock().loaded.values().any(|l| l.memory.has_changed())
    }

    /// Writes everything that changed, and unloads those who are away longest.
    pub fn save_all(&self) {
        let all: Vec<_> = {
            let table = self.table.lock();
            table.loaded.iter().filter(|(_, l)| l.memory.has_changed()).map(|(k, l)| (k.clone(), l.memory.clone())).collect()
        };
        for (key, memory) in all {
            self.save(&key, &memory);
        }
        let mut table = self.table.lock();
        while table.resting.len() > self.bounds.loaded {
            let Some(old) = table.resting.pop_front() else { break };
            if table.loaded.get(&old).is_some_and(|l| l.conversations == 0 && !l.memory.has_changed()) {
                table.loaded.remove(&old);
            }
        }
    }

    fn save(&self, key: &Key, memory: &Memory) {
        let Some(values) = memory.take_changed() else { return };
        let path = self.path(key);
        let result = if values.is_empty() {
            std::fs::remove_file(&path).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) }).map(|()| 0)
        } else {
            write(&path, &values)
        };
        match result {
            Ok(size) => self.account(key, size),
            Err(e) => tracing::error!(path = %path.display(), "what an attacker left could not be kept: {e}"),
        }
    }

    /// Keeps count, and forgets those who were away longest if there is too much.
    fn account(&self, key: &Key, size: u64) {
        let mut table = self.table.lock();
        let Table { kept, total, .. } = &mut *table;
        let decky = kept.entry(key.0.clone()).or_default();
        let old = if size == 0 { decky.remove(&key.1) } else { decky.insert(key.1, (size, SystemTime::now())) };
        *total = total.saturating_sub(old.map_or(0, |(size, _)| size)) + size;
        let mut here: u64 = decky.values().map(|(size, _)| size).sum();
        while here > self.bounds.per_decky || *total > self.bounds.total {
            let Some((&oldest, &(size, _))) = decky.iter().filter(|(ip, _)| **ip != key.1).min_by_key(|(_, (_, at))| *at) else { break };
            decky.remove(&oldest);
            _ = std::fs::remove_file(self.path(&(key.0.clone(), oldest)));
            here -= size;
            *total = total.saturating_sub(size);
        }
    }

    fn folder(&self, decky: &DeckyId) -> PathBuf {
        self.root.join(file_name(decky.as_str()))
    }

    fn path(&self, (decky, attacker): &Key) -> PathBuf {
        self.folder(decky).join(attacker.to_string())
    }

    fn look(&self, decky: &DeckyId) -> HashMap<IpAddr, (u64, SystemTime)> {
        let mut all = HashMap::new();
        for file in std::fs::read_dir(self.folder(decky)).into_iter().flatten().flatten() {
            let (Some(ip), Ok(meta)) = (file.file_name().to_str().and_then(|n| n.parse().ok()), file.metadata()) else { continue };
            all.insert(ip, (meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
        }
        all
    }

    fn read(&self, key: &Key) -> BTreeMap<String, Bytes> {
        let path = self.path(key);
        let values = std::fs::read(&path).ok().map(Bytes::from).and_then(|b| parse(&b));
        values.unwrap_or_else(|| {
            tracing::warn!(path = %path.display(), "what an attacker left is damaged and forgotten");
            BTreeMap::new()
        })
    }
}

const MAGIC: &[u8] = b"DM1\n";

fn write(path: &Path, values: &BTreeMap<String, Bytes>) -> io::Result<u64> {
    let mut body = Vec::new();
    for part in values.iter().flat_map(|(k, v)| [k.as_bytes(), v]) {
        body.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        body.extend_from_slice(part);
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(&body))?;
    file.write_all(&body)?;
    std::fs::rename(&temporary, path)?;
    Ok((MAGIC.len() + 32 + body.len()) as u64)
}

fn parse(bytes: &Bytes) -> Option<BTreeMap<String, Bytes>> {
    let sum = bytes.strip_prefix(MAGIC)?.get(..32)?;
    let mut body = bytes.slice(MAGIC.len() + 32..);
    if *sum != *Sha256::digest(&body) {
        return None;
    }
    let mut part = || {
        let length = body.get(..4)?.try_into().ok().map(u32::from_le_bytes)? as usize;
        let part = (body.len() >= 4 + length).then(|| body.slice(4..4 + length))?;
        body = body.slice(4 + length..);
        Some(part)
    };
    let mut values = BTreeMap::new();
    while let Some(key) = part() {
        values.insert(String::from_utf8(key.to_vec()).ok()?, part()?);
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_found_again_and_damage_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let decky = DeckyId::local("web-01");
        let bob: IpAddr = "192.0.2.1".parse().unwrap();
        let eve: IpAddr = "2001:db8::5".parse().unwrap();
        let open = |bounds| Memories::open(dir.path(), bounds).unwrap();
        let memories = open(Bounds::default());
        let memory = memories.enter(&decky, bob);
        assert!(memory.set("fs/tmp/x", vec![0xff; 5000]));
        assert!(memories.enter(&decky, bob).get("fs/tmp/x").is_some(), "sessions share");
        assert!(memories.enter(&decky, eve).get("fs/tmp/x").is_none(), "attackers do not");
        memories.leave(&decky, bob);
        memories.leave(&decky, eve);
        memories.save_all();

        let memories = open(Bounds::default());
        let memory = memories.enter(&decky, bob);
        assert_eq!(memory.get("fs/tmp/x").unwrap(), vec![0xff; 5000]);
        memory.remove("fs/tmp/x");
        assert!(memory.set("a", "b"));
        memories.save_all();

        let file = dir.path().join("memory/local_web-01/192.0.2.1");
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let memories = open(Bounds { per_decky: 150, ..Bounds::default() });
        assert!(memories.enter(&decky, bob).is_empty());
        for n in 0..20 {
            let ip = IpAddr::from([192, 0, 2, 100 + n]);
            memories.enter(&decky, ip).set("k", vec![1; 50]);
            memories.leave(&decky, ip);
            memories.save_all();
        }
        assert!(std::fs::read_dir(file.parent().unwrap()).unwrap().count() <= 2, "the longest away are forgotten");
    }
}
