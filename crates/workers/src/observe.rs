//! From stored rows to evidence: shared by the worker that follows the database and by the rehearsal that follows a story.

use insight::{
    cluster::Node,
    evidence::{Address, Line},
};
use model::{Attacker, Event, Id, Micros};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// One address, its strands and what they are called.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub address: Address,
    /// The uuid of each strand's observation.
    pub keys: Vec<u128>,
    pub asn: Option<u32>,
}

impl Source {
    /// Takes in a row; the strand it belongs to, if that is known already.
    pub fn take(&mut self, line: &Line<'_>, event_uuid: &str, touched: &mut BTreeSet<usize>) -> Option<usize> {
        let at = self.address.take(line, touched);
        while self.keys.len() < self.address.strands.len() {
            self.keys.push(key(line.at, event_uuid));
        }
        at
    }

    /// The strands as the clusterer compares them, strands of one visitor bound together.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes_with(&HashMap::new())
    }

    /// [`Self::nodes`] with what analysts say belongs together: bonds by observation.
    pub fn nodes_with(&self, said: &HashMap<u128, Vec<u128>>) -> Vec<Node> {
        let groups = self.address.groups();
        let strands = self.keys.iter().zip(&self.address.strands).enumerate();
        strands
            .map(|(at, (key, strand))| {
                let group = groups.get(at).copied().unwrap_or(at);
                let bound = groups.iter().filter(|g| **g == group).count() > 1;
                let mut bonds: Vec<u128> = self.keys.get(group).copied().filter(|_| bound).into_iter().collect();
                bonds.extend(said.get(key).into_iter().flatten());
                Node::new(*key, strand, &bonds)
            })
            .collect()
    }
}

/// The uuid of an observation: of version 7, made of the first event, so that a pass repeated after a crash names it the
/// same, and the smallest is the oldest.
fn key(at: Micros, event_uuid: &str) -> u128 {
    let mut random = [0_u8; 10];
    if let Ok(event) = event_uuid.parse::<Id<Event>>() {
        let bytes = event.uuid().into_bytes();
        random.copy_from_slice(bytes.last_chunk::<10>().unwrap_or(&[0; 10]));
    }
    Id::<Attacker>::at(at, random).uuid().as_u128()
}

/// A stored row as evidence takes it.
pub fn line<'a>(
    at: Micros,
    decky: &'a str,
    service: &'a str,
    event_type: &'a str,
    session: Option<&'a str>,
    fields: &'a Map<String, Value>,
) -> Line<'a> {
    Line { at, decky, service, event_type, session: session.unwrap_or(""), fields }
}

/// A key as tables and people write it.
pub fn uuid(key: u128) -> String {
    let hex = format!("{key:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// The key that was written as `uuid`.
pub fn key_of(uuid: &str) -> Option<u128> {
    uuid.parse::<Id<Attacker>>().ok().map(|id| id.uuid().as_u128())
}
