//! Keeps names while divisions change: which identity a strand belongs to, which campaign an identity.
//!
//! The division says who is together now; the [`Book`] says under which uuid, and changes as little as it can. What is
//! new is formed or linked. What grows together is merged softly: the loser keeps its row, its members and its address,
//! and points to the winner, the smallest uuid and so the oldest. What falls apart again returns under its own uuid; what
//! falls apart that was one from the beginning is split, the oldest member keeping the name. A second call with the same
//! division changes nothing.

use crate::dice::{digest, mix};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Links followed from a merged group to the one it became.
pub const HOPS: usize = 8;

/// A group as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Those linked to it directly, not through merges.
    pub members: BTreeSet<u128>,
    pub merged_into: Option<u128>,
}

/// What changed, in the order in which it is to be written and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new group with its first members, sorted.
    Formed {
        group: u128,
        members: Vec<u128>,
    },
    /// A member joined a group; `from`: the one it left.
    Linked {
        group: u128,
        member: u128,
        from: Option<u128>,
    },
    Merged {
        winner: u128,
        loser: u128,
    },
    /// The group is itself again.
    Unmerged {
        group: u128,
        former: u128,
    },
}

/// Who is linked to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub of: HashMap<u128, u128>,
    pub groups: HashMap<u128, Group>,
    /// Groups that were merged into a group directly.
    children: HashMap<u128, BTreeSet<u128>>,
    /// Tells the uuids of this book from those of another made of the same members.
    salt: u64,
}

impl Book {
    /// An empty book; `name` says what its groups are.
    pub fn new(name: &str) -> Self {
        Self { salt: digest(name.as_bytes()), ..Self::default() }
    }

    /// Writes down a link as it was stored.
    pub fn restore_link(&mut self, member: u128, group: u128) {
        self.of.insert(member, group);
        self.groups.entry(group).or_default().members.insert(member);
    }

    /// Writes down a group as it was stored.
    pub fn restore_group(&mut self, group: u128, merged_into: Option<u128>) {
        self.groups.entry(group).or_default().merged_into = merged_into;
        if let Some(into) = merged_into {
            self.children.entry(into).or_default().insert(group);
        }
    }

    /// The group that `group` is part of now.
    pub fn resolve(&self, group: u128) -> u128 {
        let mut at = group;
        for _ in 0..HOPS {
            match self.groups.get(&at).and_then(|g| g.merged_into) {
                Some(next) => at = next,
                None => return at,
            }
        }
        at
    }

    /// The group a member is in now, merges followed.
    pub fn group_of(&self, member: u128) -> Option<u128> {
        self.of.get(&member).map(|g| self.resolve(*g))
    }

    /// All members of a group, those of the groups merged into it included, sorted.
    pub fn all_members(&self, group: u128) -> BTreeSet<u128> {
        let mut out = BTreeSet::new();
        let mut waiting = vec![group];
        let mut seen = BTreeSet::new();
        while let Some(at) = waiting.pop() {
            if !seen.insert(at) {
                continue;
            }
            out.extend(self.groups.get(&at).iter().flat_map(|g| g.members.iter().copied()));
            waiting.extend(self.children.get(&at).into_iter().flatten().copied());
        }
        out
    }

    /// Takes in the division around `touched`. `component` gives all that are together with a member now.
    pub fn reconcile(&mut self, touched: impl IntoIterator<Item = u128>, component: &dyn Fn(u128) -> Vec<u128>) -> Vec<Change> {
        let components = self.closure(touched, component);
        let mut place: HashMap<u128, usize> = HashMap::new();
        for (at, members) in components.iter().enumerate() {
            place.extend(members.iter().map(|m| (*m, at)));
        }
        // A group stays where its oldest member is.
        let mut kept: Vec<BTreeSet<u128>> = vec![BTreeSet::new(); components.len()];
        let groups: BTreeSet<u128> = place.keys().filter_map(|m| self.of.get(m)).copied().collect();
        for group in &groups {
            let oldest = self.groups.get(group).and_then(|g| g.members.iter().find_map(|m| place.get(m)));
            if let Some(kept) = oldest.and_then(|at| kept.get_mut(*at)) {
                kept.insert(*group);
            }
        }
        let mut changes = Vec::new();
        for (members, kept) in components.iter().zip(&kept) {
            self.settle(members, kept, &mut changes);
        }
        changes
    }

    /// Every component that shares a group, merges included, with one of `touched`.
    fn closure(&self, touched: impl IntoIterator<Item = u128>, component: &dyn Fn(u128) -> Vec<u128>) -> Vec<Vec<u128>> {
        let mut components: BTreeMap<u128, Vec<u128>> = BTreeMap::new();
        let mut seen: BTreeSet<u128> = BTreeSet::new();
        let mut groups: BTreeSet<u128> = BTreeSet::new();
        let mut waiting: Vec<u128> = touched.into_iter().collect();
        while let Some(member) = waiting.pop() {
            if seen.contains(&member) {
                continue;
            }
            let mut members = component(member);
            members.sort_unstable();
            seen.extend(members.iter().copied());
            for group in members.iter().filter_map(|m| self.of.get(m)) {
                if groups.insert(*group) {
                    let whole = self.resolve(*group);
                    groups.insert(whole);
                    waiting.extend(self.all_members(whole));
                    waiting.extend(self.groups.get(group).iter().flat_map(|g| g.members.iter().copied()));
                }
            }
            if let Some(first) = members.first().copied() {
                components.insert(first, members);
            }
        }
        components.into_values().collect()
    }

    fn settle(&mut self, members: &[u128], kept: &BTreeSet<u128>, changes: &mut Vec<Change>) {
        let Some(winner) = kept.first().copied() else {
            let Some(oldest) = members.first().copied() else { return };
            let group = self.fresh(oldest);
            let left: Vec<(u128, Option<u128>)> = members.iter().map(|m| (*m, self.of.get(m).copied())).collect();
            self.groups.insert(group, Group::default());
            for (member, from) in &left {
                self.relink(*member, group, *from);
            }
            changes.push(Change::Formed { group, members: members.to_vec() });
            return;
        };
        let former = self.groups.get(&winner).and_then(|g| g.merged_into);
        if let Some(former) = former {
            self.unmerge(winner, former);
            changes.push(Change::Unmerged { group: winner, former });
        }
        for loser in kept.iter().skip(1).copied() {
            if self.resolve(loser) == winner && self.hops(loser) < HOPS / 2 {
                continue;
            }
            if let Some(former) = self.groups.get(&loser).and_then(|g| g.merged_into) {
                self.unmerge(loser, former);
                if self.resolve(former) != winner {
                    changes.push(Change::Unmerged { group: loser, former });
                }
            }
            if let Some(group) = self.groups.get_mut(&loser) {
                group.merged_into = Some(winner);
            }
            self.children.entry(winner).or_default().insert(loser);
            changes.push(Change::Merged { winner, loser });
        }
        for member in members {
            let from = self.of.get(member).copied();
            if from.is_none_or(|from| !kept.contains(&from)) {
                self.relink(*member, winner, from);
                changes.push(Change::Linked { group: winner, member: *member, from });
            }
        }
    }

    fn hops(&self, group: u128) -> usize {
        let mut at = group;
        (0..HOPS).take_while(|_| self.groups.get(&at).and_then(|g| g.merged_into).inspect(|next| at = *next).is_some()).count()
    }

    fn unmerge(&mut self, group: u128, former: u128) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.merged_into = None;
        }
        if let Some(children) = self.children.get_mut(&former) {
            children.remove(&group);
        }
    }

    fn relink(&mut self, member: u128, group: u128, from: Option<u128>) {
        if let Some(old) = from.and_then(|f| self.groups.get_mut(&f)) {
            old.members.remove(&member);
        }
        self.of.insert(member, group);
        self.groups.entry(group).or_default().members.insert(member);
    }

    /// A uuid of version 7 with the time of `oldest`, made of nothing but it and what is taken.
    fn fresh(&self, oldest: u128) -> u128 {
        let time = oldest >> 80;
        let [high, low] = [oldest >> 64, oldest & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
        (0_u64..)
            .map(|turn| {
                let random = mix(high ^ mix(low ^ self.salt ^ mix(turn)));
                let more = mix(random);
                let tail = (u128::from(random) << 64 | u128::from(more)) & ((1 << 80) - 1);
                let plain = time << 80 | tail;
                // Version 7, variant 10.
                (plain & !(0xf << 76) & !(0b11 << 62)) | (0x7 << 76) | (0b10 << 62)
            })
            .find(|uuid| !self.groups.contains_key(uuid))
            .unwrap_or(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(book: &mut Book, division: &[&[u128]]) -> Vec<Change> {
        let all: Vec<Vec<u128>> = division.iter().map(|c| c.to_vec()).collect();
        let component = |m: u128| all.iter().find(|c| c.contains(&m)).cloned().unwrap_or_default();
        let touched: Vec<u128> = all.iter().flatten().copied().collect();
        book.reconcile(touched, &component)
    }

    fn key(n: u128) -> u128 {
        n << 80 | 0x7 << 76 | 0b10 << 62 | n
    }

    #[test]
    fn form_link_merge_and_nothing_twice() {
        let (a, b, c) = (key(1), key(2), key(3));
        let mut book = Book::new("identity");
        let formed = run(&mut book, &[&[a], &[b]]);
        assert!(matches!(formed.as_slice(), [Change::Formed { .. }, Change::Formed { .. }]));
        let (x, y) = (book.of[&a], book.of[&b]);
        assert!(x < y);
        assert_eq!(run(&mut book, &[&[a], &[b]]), []);
        assert_eq!(
            run(&mut book, &[&[a, b, c]]),
            [Change::Merged { winner: x, loser: y }, Change::Linked { group: x, member: c, from: None }]
        );
        assert_eq!(run(&mut book, &[&[a, b, c]]), []);
        assert_eq!((book.of[&b], book.group_of(b)), (y, Some(x)));
        assert_eq!(book.all_members(x), BTreeSet::from([a, b, c]));
    }

    #[test]
    fn a_merge_is_revoked_and_what_was_one_splits() {
        let (a, b, c) = (key(1), key(2), key(3));
        let mut book = Book::new("identity");
        run(&mut book, &[&[a], &[b]]);
        let (x, y) = (book.of[&a], book.of[&b]);
        run(&mut book, &[&[a, b, c]]);
        assert_eq!(run(&mut book, &[&[a, c], &[b]]), [Change::Unmerged { group: y, former: x }]);
        assert_eq!(book.group_of(b), Some(y));
        let split = run(&mut book, &[&[a], &[b], &[c]]);
        assert!(matches!(split.as_slice(), [Change::Formed { members, .. }] if members == &[c]), "{split:?}");
        assert_eq!(book.of[&a], x);
        // And together again: the same uuid wins.
        let again = run(&mut book, &[&[a, b, c]]);
        assert_eq!(again.len(), 2);
        assert_eq!((book.group_of(b), book.group_of(c)), (Some(x), Some(x)));
    }

    #[test]
    fn chains_are_followed_and_stay_short() {
        let keys: Vec<u128> = (1..=20).map(key).collect();
        let mut book = Book::new("identity");
        let alone: Vec<[u128; 1]> = keys.iter().map(|k| [*k]).collect();
        run(&mut book, &alone.iter().map(|k| k.as_slice()).collect::<Vec<_>>());
        for from in (0..20).rev() {
            let (left, right) = keys.split_at(from);
            let mut division: Vec<&[u128]> = left.iter().map(std::slice::from_ref).collect();
            division.push(right);
            run(&mut book, &division);
            for member in right {
                assert_eq!(book.group_of(*member), Some(book.of[&right[0]]));
            }
        }
        assert!(book.groups.keys().all(|g| book.hops(*g) <= HOPS));
    }
}
