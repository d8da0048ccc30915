//! Joining with the veto.

use super::{Clusters, Component, Item, Kind, Link, Node, index};
use std::collections::{BTreeMap, HashMap};

/// Different sets of clients of one component that are compared; a component with more has lost its meaning anyway.
const CLIENTS: usize = 64;
/// Components that the holders of one value may stay apart in.
const APART: usize = 64;

/// The clients one strand was seen with, as far as they tell somebody apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Clients {
    ssh: Vec<Item>,
    tls: Vec<Item>,
}

fn meet(a: &[Item], b: &[Item]) -> bool {
    a.iter().any(|i| b.contains(i))
}

impl Clients {
    fn is_empty(&self) -> bool {
        self.ssh.is_empty() && self.tls.is_empty()
    }
}

impl Clusters {
    /// The clients of a node.
    fn clients(&self, node: &Node) -> Clients {
        Clients { ssh: node.of(Kind::Ssh).to_vec(), tls: node.of(Kind::Tls).to_vec() }
    }

    /// Whether two strands differ in every client that can be compared. Agreeing in something everybody has counts for
    /// nothing if they differ in something else.
    fn contradict(&self, a: &Clients, b: &Clients) -> bool {
        let slot = |x: &[Item], y: &[Item]| {
            if x.is_empty() || y.is_empty() {
                return None;
            }
            Some(match x.iter().filter(|i| y.contains(i)).map(|i| self.index.common(*i)).min() {
                Some(false) => Agreement::Rare,
                Some(true) => Agreement::Common,
                None => Agreement::None,
            })
        };
        let slots = [slot(&a.ssh, &b.ssh), slot(&a.tls, &b.tls)];
        slots.contains(&Some(Agreement::None)) && !slots.contains(&Some(Agreement::Rare))
    }

    /// Whether components with these clients may not be one: somebody of one contradicts somebody of the other, and
    /// nobody was seen with both clients.
    fn vetoed(&self, a: &[Clients], b: &[Clients]) -> bool {
        a.iter().any(|x| {
            b.iter().any(|y| {
                if x == y || !self.contradict(x, y) {
                    return false;
                }
                let explained = |c: &Clients| {
                    let ssh = x.ssh.is_empty() || y.ssh.is_empty() || (meet(&c.ssh, &x.ssh) && meet(&c.ssh, &y.ssh));
                    let tls = x.tls.is_empty() || y.tls.is_empty() || (meet(&c.tls, &x.tls) && meet(&c.tls, &y.tls));
                    ssh && tls
                };
                !a.iter().chain(b).any(explained)
            })
        })
    }

    fn kept_apart(&self, a: &[u32], b: &[u32]) -> bool {
        if self.apart.is_empty() {
            return false;
        }
        let key = |at: &u32| self.nodes.get(*at as usize).and_then(Option::as_ref).map(|n| n.key);
        let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
        few.iter().filter_map(key).filter_map(|k| self.apart.get(&k)).any(|others| many.iter().filter_map(key).any(|k| others.contains(&k)))
    }

    /// The fast way for a new node: if all it is joined to is one component that it does not contradict, it belongs there
    /// and nothing else changes.
    pub(super) fn joins_one(&mut self, at: u32) -> bool {
        let Some(Some(node)) = self.nodes.get(at as usize) else { return false };
        let mut found: Option<(Option<u32>, u32, Item)> = None;
        let mut items: Vec<Item> = node.items.iter().copied().filter(|i| self.index.joinable(*i)).collect();
        items.sort_by_key(|i| index::order(&self.index, *i));
        for item in items {
            if item.kind() == Kind::Bond {
                return false;
            }
            for holder in self.index.holders(item).iter().filter(|h| **h != at) {
                let component = self.component.get(holder).copied();
                match found {
                    None => found = Some((component, *holder, item)),
                    Some((Some(known), ..)) if Some(known) == component => {}
                    Some((None, alone, _)) if alone == *holder => {}
                    Some(_) => return false,
                }
            }
        }
        let Some((component, with, item)) = found else { return true };
        let clients = self.clients(node);
        let key = node.key;
        let Some(Some(other)) = self.nodes.get(with as usize) else { return false };
        let (others, members) = match component.and_then(|c| self.components.get(&c)) {
            Some(known) => (known.clients.clone(), known.members.clone()),
            None => (vec![self.clients(other)], vec![with]),
        };
        // Clients not seen in the component yet could explain away an old contradiction: that needs the long way.
        let known = clients.is_empty() || others.contains(&clients);
        if !known || self.vetoed(&others, std::slice::from_ref(&clients)) || self.kept_apart(&members, &[at]) {
            return false;
        }
        let link = Link { a: other.key.min(key), b: other.key.max(key), item, verdict: self.index.verdict(item).unwrap_or_default() };
        let to = component.unwrap_or_else(|| {
            let fresh = self.next;
            self.next += 1;
            self.component.insert(with, fresh);
            self.components.insert(
                fresh,
                Component { members: vec![with], clients: others.into_iter().filter(|c| !c.is_empty()).collect(), links: Vec::new() },
            );
            fresh
        });
        self.component.insert(at, to);
        if let Some(component) = self.components.get_mut(&to) {
            component.members.push(at);
            component.links.push(link);
        }
        true
    }

    /// Joins the nodes of `region` anew. The region must hold every node that any of them can be joined to.
    pub(super) fn join_region(&mut self, region: &[u32]) {
        for node in region {
            if let Some(old) = self.component.remove(node) {
                self.components.remove(&old);
            }
        }
        let mut shared: Vec<(Kind, u8, u64)> = Vec::new();
        for at in region {
            let Some(Some(node)) = self.nodes.get(*at as usize) else { continue };
            for item in &node.items {
                // Each value is taken from its first holder only.
                if self.index.joinable(*item) && self.index.holders(*item).first() == Some(at) {
                    shared.push(index::order(&self.index, *item));
                }
            }
        }
        shared.sort_unstable();
        let mut forest = Forest::default();
        for (kind, _, number) in shared {
            let item = Item(number);
            let verdict = self.index.verdict(item).unwrap_or_default();
            // One holder of each component that could not be joined with those before it.
            let mut apart: Vec<u32> = Vec::new();
            for at in self.index.holders(item) {
                if apart.iter().any(|other| forest.same(*other, *at)) {
                    continue;
                }
                let joined = apart.iter().copied().find(|other| self.try_join(&mut forest, *other, *at, kind));
                match joined {
                    Some(other) => {
                        let key = |at: u32| self.nodes.get(at as usize).and_then(Option::as_ref).map_or(0, |n| n.key);
                        let (a, b) = (key(other).min(key(*at)), key(other).max(key(*at)));
                        forest.link(*at, Link { a, b, item, verdict });
                    }
                    None if apart.len() < APART => apart.push(*at),
                    None => {}
                }
            }
        }
        for component in forest.into_components() {
            let fresh = self.next;
            self.next = self.next.wrapping_add(1);
            for member in &component.members {
                self.component.insert(*member, fresh);
            }
            self.components.insert(fresh, component);
        }
    }

    fn try_join(&self, forest: &mut Forest, a: u32, b: u32, kind: Kind) -> bool {
        let clients = |at: u32| match self.nodes.get(at as usize) {
            Some(Some(node)) => self.clients(node),
            _ => Clients::default(),
        };
        let (x, y) = (forest.tree(a, &clients), forest.tree(b, &clients));
        let (Some(left), Some(right)) = (forest.trees.get(&x), forest.trees.get(&y)) else { return false };
        if self.kept_apart(&left.members, &right.members) {
            return false;
        }
        if kind == Kind::Bond {
            // Known to be one: both sets of clients are this one's.
            let (mut both, other) = (clients(a), clients(b));
            both.ssh.extend(other.ssh);
            both.tls.extend(other.tls);
            for slot in [&mut both.ssh, &mut both.tls] {
                slot.sort_unstable();
                slot.dedup();
            }
            forest.merge(x, y, Some(both));
            return true;
        }
        if self.vetoed(&left.clients, &right.clients) {
            return false;
        }
        forest.merge(x, y, None);
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    None,
    Common,
    Rare,
}

/// Components in the making.
#[derive(Default)]
struct Forest {
    of: HashMap<u32, u32>,
    trees: HashMap<u32, Component>,
}

impl Forest {
    fn same(&self, a: u32, b: u32) -> bool {
        matches!((self.of.get(&a), self.of.get(&b)), (Some(x), Some(y)) if x == y)
    }

    fn tree(&mut self, at: u32, clients: &impl Fn(u32) -> Clients) -> u32 {
        if let Some(tree) = self.of.get(&at) {
            return *tree;
        }
        let clients = clients(at);
        let clients = if clients.is_empty() { Vec::new() } else { vec![clients] };
        self.of.insert(at, at);
        self.trees.insert(at, Component { members: vec![at], clients, links: Vec::new() });
        at
    }

    fn merge(&mut self, a: u32, b: u32, both: Option<Clients>) {
        let size = |at: u32| self.trees.get(&at).map_or(0, |t| t.members.len());
        let (to, from) = if size(a) >= size(b) { (a, b) } else { (b, a) };
        let Some(small) = self.trees.remove(&from) else { return };
        for member in &small.members {
            self.of.insert(*member, to);
        }
        if let Some(large) = self.trees.get_mut(&to) {
            large.members.extend(small.members);
            large.links.extend(small.links);
            for clients in small.clients.into_iter().chain(both) {
                if !large.clients.contains(&clients) {
                    large.clients.push(clients);
                }
            }
            if large.clients.len() > CLIENTS {
                large.clients.sort_unstable();
                large.clients.truncate(CLIENTS);
            }
        }
    }

    fn link(&mut self, at: u32, link: Link) {
        if let Some(tree) = self.of.get(&at).and_then(|t| self.trees.get_mut(t)) {
            tree.links.push(link);
        }
    }

    fn into_components(self) -> Vec<Component> {
        let sorted: BTreeMap<u32, Component> = self.trees.into_iter().collect();
        sorted.into_values().filter(|c| c.members.len() > 1).collect()
    }
}
