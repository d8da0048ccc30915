//! Who holds what.

use super::{Item, Kind, Node, item, judge, judge::Verdict};
use crate::dice::mix;
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

/// Items are digests already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value ^ (value >> 29);
    }
}

/// Most holders that are looked at to judge a value.
pub(super) const SAMPLE: usize = 48;

#[derive(Clone, Debug)]
enum Holders {
    One([u32; 1]),
    Many(Box<Hub>),
}

#[derive(Clone, Debug)]
struct Hub {
    /// Sorted by key.
    nodes: Vec<u32>,
    /// Holders whose mixed keys are smallest: a sample that does not depend on the order of arrival. Empty: all.
    sample: Vec<(u64, u32)>,
    verdict: Verdict,
}

/// What of a value decides how strands are joined; a change means joining anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Holders, as a power of two; 0: fewer than two.
    pub(super) size: u8,
    pub(super) rare: bool,
}

/// Every value and its holders.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    values: HashMap<Item, Holders, BuildHasherDefault<AsItIs>>,
    /// The list or script in a client's list or script.
    sets: HashMap<Item, Item, BuildHasherDefault<AsItIs>>,
}

fn key_of(at: u32, nodes: &[Option<Node>]) -> u128 {
    nodes.get(at as usize).and_then(Option::as_ref).map_or(u128::MAX, |n| n.key)
}

fn place(key: u128) -> u64 {
    let [high, low] = [key >> 64, key & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
    mix(high ^ mix(low))
}

impl Index {
    pub(super) fn add(&mut self, at: u32, node: &Node, nodes: &[Option<Node>]) {
        for (whole, set) in item::sets(node) {
            self.sets.insert(whole, set);
        }
        for item in &node.items {
            match self.values.get_mut(item) {
                None => {
                    self.values.insert(*item, Holders::One([at]));
                }
                Some(holders) => match holders {
                    Holders::One([other]) => {
                        let mut both = vec![*other, at];
                        if key_of(*other, nodes) > node.key {
                            both.reverse();
                        }
                        *holders = Holders::Many(Box::new(Hub { nodes: both, sample: Vec::new(), verdict: Verdict::default() }));
                    }
                    Holders::Many(hub) => {
                        let to = match hub.nodes.last() {
                            Some(last) if key_of(*last, nodes) < node.key => hub.nodes.len(),
                            _ => hub.nodes.partition_point(|n| key_of(*n, nodes) < node.key),
                        };
                        hub.nodes.insert(to, at);
                        if hub.sample.is_empty() {
                            if hub.nodes.len() > SAMPLE {
                                hub.sample =
                                    hub.nodes.iter().map(|n| (place(if *n == at { node.key } else { key_of(*n, nodes) }), *n)).collect();
                                hub.sample.sort_unstable();
                                hub.sample.truncate(SAMPLE);
                            }
                        } else {
                            let entry = (place(node.key), at);
                            let to = hub.sample.partition_point(|e| *e < entry);
                            if to < SAMPLE {
                                hub.sample.insert(to, entry);
                                hub.sample.truncate(SAMPLE);
                            }
                        }
                    }
                },
            }
        }
    }

    pub(super) fn remove(&mut self, at: u32, node: &Node, nodes: &[Option<Node>]) {
        for item in &node.items {
            match self.values.get_mut(item) {
                Some(Holders::One(_)) => {
                    self.values.remove(item);
                }
                Some(Holders::Many(hub)) => {
                    hub.nodes.retain(|n| *n != at);
                    if let [last] = hub.nodes.as_slice() {
                        let last = *last;
                        self.values.insert(*item, Holders::One([last]));
                    } else if !hub.sample.is_empty() {
                        hub.sample = hub.nodes.iter().map(|n| (place(key_of(*n, nodes)), *n)).collect();
                        hub.sample.sort_unstable();
                        hub.sample.truncate(SAMPLE);
                        if hub.nodes.len() <= SAMPLE {
                            hub.sample = Vec::new();
                        }
                    }
                }
                None => {}
            }
        }
    }

    pub(super) fn holders(&self, item: Item) -> &[u32] {
        match self.values.get(&item) {
            Some(Holders::One(one)) => one,
            Some(Holders::Many(hub)) => &hub.nodes,
            None => &[],
        }
    }

    pub(super) fn verdict(&self, item: Item) -> Option<Verdict> {
        match self.values.get(&item) {
            Some(Holders::Many(hub)) => Some(hub.verdict),
            _ => None,
        }
    }

    pub(super) fn state(&self, item: Item) -> State {
        match self.values.get(&item) {
            Some(Holders::Many(hub)) => State { size: size(hub.nodes.len()), rare: hub.verdict.rare },
            _ => State::default(),
        }
    }

    /// Whether sharing `item` joins its holders now.
    pub(super) fn joinable(&self, item: Item) -> bool {
        if !item.kind().joins() || !matches!(self.values.get(&item), Some(Holders::Many(hub)) if hub.verdict.rare) {
            return false;
        }
        // What many different clients do tells nothing of those who use one of them.
        !matches!(item.kind(), Kind::ClientList | Kind::ClientScript) || !self.sets.get(&item).is_some_and(|set| self.common(*set))
    }

    /// Whether a fingerprint of a client is one that everybody has.
    pub(super) fn common(&self, item: Item) -> bool {
        matches!(self.values.get(&item), Some(Holders::Many(hub)) if !hub.verdict.rare)
    }

    pub(super) fn judge(&mut self, item: Item, nodes: &[Option<Node>], known: usize) {
        let Some(verdict) = self.judged(item, nodes, known) else { return };
        if let Some(Holders::Many(hub)) = self.values.get_mut(&item) {
            hub.verdict = verdict;
        }
    }

    fn judged(&self, item: Item, nodes: &[Option<Node>], known: usize) -> Option<Verdict> {
        let Some(Holders::Many(hub)) = self.values.get(&item) else { return None };
        let sample: Vec<&Node> = match hub.sample.as_slice() {
            [] => hub.nodes.iter().filter_map(|n| nodes.get(*n as usize)?.as_ref()).collect(),
            some => some.iter().filter_map(|(_, n)| nodes.get(*n as usize)?.as_ref()).collect(),
        };
        Some(judge::judge(item, hub.nodes.len(), &sample, known))
    }

    pub(super) fn judge_all(&mut self, nodes: &[Option<Node>], known: usize) {
        let shared: Vec<Item> = self.values.iter().filter(|(_, h)| matches!(h, Holders::Many(_))).map(|(i, _)| *i).collect();
        for item in shared {
            self.judge(item, nodes, known);
        }
    }

    /// Judges again what depends on how many strands there are; what changed by it.
    pub(super) fn rejudge_large(&mut self, nodes: &[Option<Node>], known: usize) -> Vec<(Item, State)> {
        let large = |h: &Holders| matches!(h, Holders::Many(hub) if hub.nodes.len() > judge::FEW);
        let items: Vec<Item> = self.values.iter().filter(|(_, h)| large(h)).map(|(i, _)| *i).collect();
        items
            .into_iter()
            .filter_map(|item| {
                let before = self.state(item);
                self.judge(item, nodes, known);
                (self.state(item) != before).then_some((item, before))
            })
            .collect()
    }

    /// Nodes that hold something another holds too.
    pub(super) fn shared_nodes(&self) -> Vec<u32> {
        let mut out: Vec<u32> = self
            .values
            .iter()
            .filter(|(item, holders)| item.kind().joins() && matches!(holders, Holders::Many(hub) if hub.verdict.rare))
            .flat_map(|(item, _)| self.holders(*item).iter().copied())
            .collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Whom a change of `item` concerns.
    pub(super) fn concerned(&self, item: Item, before: State, out: &mut HashSet<u32>) {
        // Of a list or a script only matters whether it is common.
        if item.kind().joins() || before.rare != self.state(item).rare {
            out.extend(self.holders(item).iter().copied());
        }
    }
}

/// Holders as a power of two; 0: fewer than two.
pub(super) fn size(holders: usize) -> u8 {
    if holders < 2 { 0 } else { u8::try_from(holders.ilog2()).unwrap_or(u8::MAX) }
}

/// The order in which values join: by kind, rarer first, then by digest.
pub(super) fn order(index: &Index, item: Item) -> (Kind, u8, u64) {
    (item.kind(), size(index.holders(item).len()), item.0)
}
