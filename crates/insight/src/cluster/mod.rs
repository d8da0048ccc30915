//! Who is who: strands that are one actor, from what they share and how rare it is here.
//!
//! Two strands are joined by sharing a piece of evidence of the high tier (a client's fingerprint, a file it left, an
//! address it calls) unless the deployment shows that the piece is common property: its holders then differ in everything
//! else. The lower tiers (commands, lists of credentials, the autonomous system) never join anything alone or together; the
//! first two may do so together with a client that is itself too common to.
//!
//! **Never**: two strands in one component whose clients differ in all that can be compared, unless one member was seen
//! with both. The veto is for components, not pairs.
//!
//! Time plays no part, nor does the order in which strands arrive: [`Clusters::absorb`] one by one and [`Clusters::of`]
//! all at once end in the same division. Cost is near-linear: every value knows its holders, common values join nothing
//! and are judged by a sample.
//!
//! Start reading at [`Clusters`], then `judge.rs` (rarity) and `join.rs` (joining with the veto). To add a kind of
//! evidence: one variant of [`Kind`], one line in `item.rs`, its weight in `judge.rs`.

mod index;
mod item;
mod join;
mod judge;
mod tiers;

pub use item::{Item, Kind, Named, bond, items, named};
pub use judge::Verdict;
pub use tiers::Tiers;

use crate::evidence::Strand;
use index::{Index, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One strand, ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The uuid of the observation.
    pub key: u128,
    /// Sorted.
    pub items: Box<[Item]>,
}

impl Node {
    /// The strand called `key`, with bonds to others.
    pub fn new(key: u128, strand: &Strand, bonds: &[u128]) -> Self {
        let mut items = items(strand);
        items.extend(bonds.iter().map(|b| bond(*b)));
        items.sort_unstable();
        items.dedup();
        Self { key, items: items.into() }
    }

    fn of(&self, kind: Kind) -> &[Item] {
        let from = self.items.partition_point(|i| i.kind() < kind);
        let to = self.items.partition_point(|i| i.kind() <= kind);
        self.items.get(from..to).unwrap_or_default()
    }
}

/// Why two members are in one component.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub a: u128,
    pub b: u128,
    pub item: Item,
    pub verdict: Verdict,
}

/// A component of two or more.
#[derive(Clone, Debug, Default)]
struct Component {
    members: Vec<u32>,
    clients: Vec<join::Clients>,
    links: Vec<Link>,
}

/// The division of all strands that are known, kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    nodes: Vec<Option<Node>>,
    by_key: HashMap<u128, u32>,
    index: Index,
    /// For each node its component, if it is not alone.
    component: HashMap<u32, u32>,
    components: HashMap<u32, Component>,
    next: u32,
    /// Pairs an analyst says are not one, both ways.
    apart: BTreeMap<u128, BTreeSet<u128>>,
    known: usize,
    /// The power of two that rarity is measured against.
    scale: usize,
}

impl Clusters {
    /// All at once.
    pub fn of(nodes: impl IntoIterator<Item = Node>) -> Self {
        Self::with_apart(nodes, [])
    }

    /// All at once, with pairs that are not one.
    pub fn with_apart(nodes: impl IntoIterator<Item = Node>, apart: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut out = Self::default();
        for (a, b) in apart {
            out.part(a, b);
        }
        let mut nodes: Vec<Node> = nodes.into_iter().collect();
        nodes.sort_unstable_by_key(|n| n.key);
        nodes.dedup_by_key(|n| n.key);
        for node in nodes {
            out.insert(node);
        }
        out.scale = scale(out.known);
        out.index.judge_all(&out.nodes, out.scale);
        let all: Vec<u32> = out.index.shared_nodes();
        out.join_region(&all);
        out
    }

    fn part(&mut self, a: u128, b: u128) {
        self.apart.entry(a).or_default().insert(b);
        self.apart.entry(b).or_default().insert(a);
    }

    fn insert(&mut self, node: Node) -> u32 {
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.by_key.insert(node.key, at);
        self.index.add(at, &node, &self.nodes);
        self.nodes.push(Some(node));
        self.known += 1;
        at
    }

    /// Takes in a strand that is new or has shown more; the keys of all whose component may have changed.
    pub fn absorb(&mut self, node: Node) -> Vec<u128> {
        let known = self.by_key.get(&node.key).copied();
        let old = known.and_then(|at| self.nodes.get(at as usize).cloned().flatten());
        if old.as_ref() == Some(&node) {
            return Vec::new();
        }
        let touched: BTreeSet<Item> = old.iter().flat_map(|n| n.items.iter()).chain(node.items.iter()).copied().collect();
        let before: Vec<(Item, State)> = touched.iter().map(|i| (*i, self.index.state(*i))).collect();
        let at = match (known, &old) {
            (Some(at), Some(old)) => {
                self.index.remove(at, old, &self.nodes);
                self.index.add(at, &node, &self.nodes);
                if let Some(slot) = self.nodes.get_mut(at as usize) {
                    *slot = Some(node);
                }
                at
            }
            _ => self.insert(node),
        };
        let mut seeds: HashSet<u32> = HashSet::from([at]);
        for item in &touched {
            self.index.judge(*item, &self.nodes, self.scale);
        }
        for (item, before) in before {
            if self.index.state(item) != before && before != State::default() {
                self.index.concerned(item, before, &mut seeds);
            }
        }
        let now = scale(self.known);
        if now != self.scale {
            self.scale = now;
            for (item, before) in self.index.rejudge_large(&self.nodes, now) {
                self.index.concerned(item, before, &mut seeds);
            }
        }
        if old.is_none() && seeds.len() == 1 && self.joins_one(at) {
            return self.with_component(at);
        }
        let mut region: BTreeSet<u32> = BTreeSet::new();
        let mut waiting: Vec<u32> = seeds.into_iter().collect();
        while let Some(node) = waiting.pop() {
            if !region.insert(node) {
                continue;
            }
            if let Some(component) = self.component.get(&node).and_then(|c| self.components.get(c)) {
                waiting.extend(component.members.iter().copied().filter(|m| !region.contains(m)));
            }
            let Some(Some(known)) = self.nodes.get(node as usize) else { continue };
            for item in known.items.iter().filter(|i| self.index.joinable(**i)) {
                waiting.extend(self.index.holders(*item).iter().copied().filter(|m| !region.contains(m)));
            }
        }
        let region: Vec<u32> = region.into_iter().collect();
        self.join_region(&region);
        region.iter().filter_map(|at| self.nodes.get(*at as usize)?.as_ref().map(|n| n.key)).collect()
    }

    /// Forgets a strand; the keys of all whose component may have changed.
    pub fn forget(&mut self, key: u128) -> Vec<u128> {
        if self.by_key.contains_key(&key) {
            let changed = self.absorb(Node { key, items: Box::new([]) });
            if let Some(at) = self.by_key.remove(&key) {
                if let Some(slot) = self.nodes.get_mut(at as usize) {
                    *slot = None;
                }
                self.component.remove(&at);
                self.known -= 1;
            }
            return changed.into_iter().filter(|k| *k != key).collect();
        }
        Vec::new()
    }

    /// How many strands are known.
    pub fn len(&self) -> usize {
        self.known
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// The keys in the component of `key`, sorted; only itself if it is alone.
    pub fn component(&self, key: u128) -> Vec<u128> {
        let Some(at) = self.by_key.get(&key) else { return Vec::new() };
        let Some(component) = self.component.get(at).and_then(|c| self.components.get(c)) else { return vec![key] };
        let mut keys: Vec<u128> = component.members.iter().filter_map(|m| self.nodes.get(*m as usize)?.as_ref().map(|n| n.key)).collect();
        keys.sort_unstable();
        keys
    }

    /// Why the component of `key` is one: as many links as it has members, less one.
    pub fn links(&self, key: u128) -> &[Link] {
        let component = self.by_key.get(&key).and_then(|at| self.component.get(at)).and_then(|c| self.components.get(c));
        component.map_or(&[], |c| c.links.as_slice())
    }

    /// How rare a piece of evidence is found to be, if more than one holds it.
    pub fn verdict(&self, item: Item) -> Option<Verdict> {
        self.index.verdict(item)
    }

    /// Every key with the smallest key of its component.
    pub fn division(&self) -> HashMap<u128, u128> {
        let mut out: HashMap<u128, u128> = self.by_key.keys().map(|k| (*k, *k)).collect();
        for component in self.components.values() {
            let keys: Vec<u128> = component.members.iter().filter_map(|m| self.nodes.get(*m as usize)?.as_ref().map(|n| n.key)).collect();
            if let Some(smallest) = keys.iter().min().copied() {
                out.extend(keys.into_iter().map(|k| (k, smallest)));
            }
        }
        out
    }

    fn with_component(&self, at: u32) -> Vec<u128> {
        self.nodes.get(at as usize).and_then(Option::as_ref).map(|n| self.component(n.key)).unwrap_or_default()
    }
}

/// Rarity is measured against a power of two, so that one more strand changes nothing elsewhere.
fn scale(known: usize) -> usize {
    if known == 0 { 0 } else { 1 << known.ilog2() }
}

#[cfg(test)]
mod tests;
