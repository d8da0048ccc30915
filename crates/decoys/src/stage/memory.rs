//! What an attacker left on a decky, found again by the same attacker on all services and next time.

use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Things one attacker left on one decky: opaque values by key (`fs/…`, `redis/…`), each service
/// minds its own prefix. Cheap to clone; all sessions of that attacker on that decky share one.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Left>>);

#[derive(Debug, Default)]
struct Left {
    values: BTreeMap<String, Bytes>,
    bytes: usize,
    changed: bool,
}

/// Most bytes (keys and values) that one attacker may leave on one decky.
pub const QUOTA: usize = 32 * 1024 * 1024;

impl Memory {
    /// What was left under `key`.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.lock().values.get(key).cloned()
    }

    /// Leaves `value` under `key`, replacing what was there. `false`: over [`QUOTA`], nothing changed.
    pub fn set(&self, key: &str, value: impl Into<Bytes>) -> bool {
        let value = value.into();
        let mut left = self.0.lock();
        let old = left.values.get(key).map_or(0, |v| v.len() + key.len());
        let bytes = left.bytes - old + key.len() + value.len();
        if bytes > QUOTA {
            return false;
        }
        left.bytes = bytes;
        left.changed = true;
        left.values.insert(key.to_owned(), value);
        true
    }

    /// Takes away what was left under `key`.
    pub fn remove(&self, key: &str) {
        let mut left = self.0.lock();
        if let Some(old) = left.values.remove(key) {
            left.bytes -= old.len() + key.len();
            left.changed = true;
        }
    }

    /// All pairs whose key begins with `prefix`.
    pub fn under(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let left = self.0.lock();
        left.values.range(prefix.to_owned()..).take_while(|(k, _)| k.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.lock().values.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes
    }

    /// Whether something changed since the last [`Memory::take_changed`].
    pub fn has_changed(&self) -> bool {
        self.0.lock().changed
    }

    /// Everything, if it changed since the last call: for the stage, which keeps it on disk.
    pub fn take_changed(&self) -> Option<BTreeMap<String, Bytes>> {
        let mut left = self.0.lock();
        std::mem::take(&mut left.changed).then(|| left.values.clone())
    }

    /// Puts back what an earlier run kept.
    pub fn restored(values: BTreeMap<String, Bytes>) -> Self {
        let bytes = values.iter().map(|(k, v)| k.len() + v.len()).sum();
        Self(Arc::new(Mutex::new(Left { values, bytes, changed: false })))
    }
}
