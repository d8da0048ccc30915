//! One generic id per noun: a decky id is not an attacker id.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{cmp::Ordering, fmt, hash, marker::PhantomData, str::FromStr};
use uuid::Uuid;

use crate::Micros;

/// A UUIDv7 (RFC 9562) that names one `T`. Sorting by id sorts by time of creation.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

/// Marker: a decoy host.
#[derive(Debug)]
pub enum Decky {}
/// Marker: one source of hostile traffic.
#[derive(Debug)]
pub enum Attacker {}
/// Marker: one visitor's conversation with one service.
#[derive(Debug)]
pub enum Session {}
/// Marker: an operator's account on the dashboard.
#[derive(Debug)]
pub enum User {}

impl<T> Id<T> {
    /// Builds a UUIDv7 from a time and ten random bytes (the version and variant bits are set here).
    pub fn at(time: Micros, random: [u8; 10]) -> Self {
        let millis = u64::try_from(time.millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid(), PhantomData)
    }

    /// The plain UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// Wraps a UUID read from storage.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> hash::Hash for Id<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> FromStr for Id<T> {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text).map(Self::from_uuid)
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Uuid::deserialize(d).map(Self::from_uuid)
    }
}

/// The `host_uuid` of the host this program runs on.
pub const LOCAL_HOST: &str = "local";

/// Which decky, as events and tables name it: `host_uuid:name` for fleet and shard deckies
/// (`local:web-01` on this host), a bare uuid for deckies of a topology. Opaque to readers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeckyId(String);

impl DeckyId {
    /// A fleet decky of the host `host_uuid`.
    pub fn fleet(host_uuid: &str, name: &str) -> Self {
        Self(format!("{host_uuid}:{name}"))
    }

    /// A fleet decky of this host.
    pub fn local(name: &str) -> Self {
        Self::fleet(LOCAL_HOST, name)
    }

    /// Any id that was stored before.
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part people call it by: what follows the colon, or the whole id.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, name)| name)
    }
}

impl fmt::Display for DeckyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
