//! Who works together: identities that are one campaign, from hand-overs, infrastructure they share, being there at the
//! same time, and what else they have in common.
//!
//! A hand-over alone joins: somebody stays on a decky (persistence, command and control) and within a day somebody who
//! never broke in anywhere goes on from there. Infrastructure alone joins if it is rare: held by few, or by many that
//! share more of it. Being there at the same time and the same networks and deckies never do. Only differences of times
//! are looked at, so moving all times together changes nothing.

use crate::{dice::digest, evidence::Strand};
use model::{Phase, Stage};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A day in microseconds: how long after somebody stayed somebody else may go on from there.
const DAY: i64 = 86_400_000_000;
/// What each kind of evidence weighs; together at least [`JOINS`].
const OVERLAP: f64 = 0.4;
const COHORT: f64 = 0.1;
const JOINS: f64 = 1.0;
/// Holders of one piece of infrastructure that are compared in pairs.
const PAIRS: usize = 64;

/// An identity, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actor {
    pub key: u128,
    /// Files and call-back addresses, as digests.
    pub infra: BTreeSet<u64>,
    pub asns: BTreeSet<u32>,
    pub deckies: BTreeSet<u64>,
    pub credentials: BTreeSet<u64>,
    /// Phases on deckies: decky, phase, from, to.
    pub spells: Vec<(u64, Phase, i64, i64)>,
    /// When it was there, not overlapping, sorted.
    pub windows: Vec<(i64, i64)>,
}

impl Actor {
    /// An identity without evidence.
    pub fn new(key: u128) -> Self {
        Self { key, ..Self::default() }
    }

    /// Adds what one of its strands showed.
    pub fn add(&mut self, strand: &Strand, asn: Option<u32>) {
        self.infra.extend(strand.payloads.iter().map(|p| digest(p.as_bytes())));
        self.infra.extend(strand.c2.iter().map(|c| digest(c.as_bytes()).rotate_left(1)));
        self.asns.extend(asn);
        self.credentials.extend(&strand.credentials);
        for (decky, visit) in &strand.deckies {
            let decky = digest(decky.as_bytes());
            self.deckies.insert(decky);
            self.spells.extend(visit.spells.iter().map(|s| (decky, s.phase, s.first.0, s.last.0)));
        }
        self.windows.extend(strand.windows.iter().map(|(a, b)| (a.0, b.0)));
    }

    /// To be called once all strands are added.
    pub fn finish(&mut self) {
        self.spells.sort_unstable_by_key(|(decky, phase, from, to)| (*from, *to, *decky, *phase));
        self.windows.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(self.windows.len());
        for (from, to) in self.windows.drain(..) {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.windows = joined;
    }

    /// When it was first seen to break in or stay, anywhere.
    fn broke_in(&self) -> Option<i64> {
        self.spells.iter().filter(|(_, phase, ..)| phase.stage() == Stage::In).map(|(_, _, from, _)| *from).min()
    }
}

/// Why two identities are of one campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Tie {
    pub a: u128,
    pub b: u128,
    /// In parts: `handoff`, `infrastructure`, `overlap`, `cohort`.
    pub handoff: f64,
    pub infrastructure: f64,
    pub overlap: f64,
    pub cohort: f64,
}

impl Tie {
    /// All parts together.
    pub fn weight(&self) -> f64 {
        self.handoff + self.infrastructure + OVERLAP * self.overlap + COHORT * self.cohort
    }

    /// How sure it is, 0.5 to 0.99.
    pub fn confidence(&self) -> f64 {
        (1.0 - 0.5 * (-self.weight()).exp()).clamp(0.5, 0.99)
    }

    /// The strongest part, in a word.
    pub fn reason(&self) -> &'static str {
        if self.infrastructure >= self.handoff { "shared infrastructure" } else { "hand-over" }
    }
}

/// Components of two or more, sorted by their smallest key, and the ties that made them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Division {
    pub components: Vec<BTreeSet<u128>>,
    pub ties: Vec<Tie>,
}

/// Puts identities into campaigns. `apart`: pairs an analyst says are not one; `together`: pairs that are.
pub fn divide(actors: &[Actor], together: &[(u128, u128)], apart: &[(u128, u128)]) -> Division {
    let mut actors: Vec<&Actor> = actors.iter().collect();
    actors.sort_unstable_by_key(|a| a.key);
    let at: HashMap<u128, usize> = actors.iter().enumerate().map(|(i, a)| (a.key, i)).collect();
    let mut forest = Forest { parent: (0..actors.len()).collect(), ties: Vec::new(), apart: Vec::new() };
    forest.apart.extend(apart.iter().filter_map(|(a, b)| Some((*at.get(a)?, *at.get(b)?))));
    for (a, b) in together {
        if let (Some(i), Some(j)) = (at.get(a), at.get(b)) {
            forest.join(*i, *j, Tie { a: *a.min(b), b: *a.max(b), handoff: 0.0, infrastructure: JOINS, overlap: 0.0, cohort: 0.0 });
        }
    }
    let shared = Infra::of(&actors);
    let mut pairs: Vec<(f64, usize, usize, Tie)> = Vec::new();
    for (i, j) in shared.pairs() {
        let (Some(a), Some(b)) = (actors.get(i), actors.get(j)) else { continue };
        let tie = tie(a, b, shared.weight(a, b), 0.0);
        if tie.weight() >= JOINS {
            pairs.push((tie.weight(), i, j, tie));
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    for (_, i, j, tie) in pairs {
        forest.join(i, j, tie);
    }
    for (i, j, handoff) in handoffs(&actors, &mut forest) {
        let (Some(a), Some(b)) = (actors.get(i), actors.get(j)) else { continue };
        let tie = tie(a, b, shared.weight(a, b), handoff);
        if tie.weight() >= JOINS {
            forest.join(i, j, tie);
        }
    }
    forest.division(&actors)
}

fn tie(a: &Actor, b: &Actor, infrastructure: f64, handoff: f64) -> Tie {
    let (a, b) = if a.key <= b.key { (a, b) } else { (b, a) };
    Tie { a: a.key, b: b.key, handoff, infrastructure, overlap: overlap(&a.windows, &b.windows), cohort: cohort(a, b) }
}

/// Share of the shorter presence that was at the same time as the other. Symmetric.
pub fn overlap(a: &[(i64, i64)], b: &[(i64, i64)]) -> f64 {
    let total = |w: &[(i64, i64)]| w.iter().map(|(from, to)| to - from).sum::<i64>();
    let shorter = total(a).min(total(b));
    if shorter <= 0 {
        return 0.0;
    }
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut both = 0;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        both += (x.1.min(y.1) - x.0.max(y.0)).max(0);
        if x.1 <= y.1 {
            a.next()
        } else {
            b.next()
        };
    }
    (both as f64 / shorter as f64).clamp(0.0, 1.0)
}

/// Jaccard of networks and deckies together.
fn cohort(a: &Actor, b: &Actor) -> f64 {
    let both = a.asns.intersection(&b.asns).count() + a.deckies.intersection(&b.deckies).count();
    let all = a.asns.union(&b.asns).count() + a.deckies.union(&b.deckies).count();
    if all == 0 { 0.0 } else { both as f64 / all as f64 }
}

/// Who holds which infrastructure, and what it proves to share it.
struct Infra {
    holders: BTreeMap<u64, Vec<usize>>,
    weights: HashMap<u64, f64>,
}

impl Infra {
    fn of(actors: &[&Actor]) -> Self {
        let mut holders: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (i, actor) in actors.iter().enumerate() {
            for value in &actor.infra {
                holders.entry(*value).or_default().push(i);
            }
        }
        holders.retain(|_, h| h.len() > 1);
        let weights = holders.iter().map(|(value, h)| (*value, Self::rarity(*value, h, actors))).collect();
        Self { holders, weights }
    }

    /// 1: sharing it is proof. Many holders of which each has other infrastructure of its own share what is everybody's.
    fn rarity(value: u64, holders: &[usize], actors: &[&Actor]) -> f64 {
        if holders.len() <= 2 {
            return 1.0;
        }
        let mut first: HashMap<u64, usize> = HashMap::new();
        let mut parent: Vec<usize> = (0..holders.len().min(PAIRS)).collect();
        let mut having = 0;
        let mut roots: BTreeMap<usize, usize> = BTreeMap::new();
        let others = |at: usize| {
            holders.get(at).and_then(|i| actors.get(*i)).into_iter().flat_map(move |a| a.infra.iter().copied().filter(move |v| *v != value))
        };
        for at in 0..parent.len() {
            for other in others(at) {
                let to = *first.entry(other).or_insert(at);
                let (a, b) = (root(&parent, at), root(&parent, to));
                if let Some(slot) = parent.get_mut(a.max(b)) {
                    *slot = a.min(b);
                }
            }
        }
        for at in 0..parent.len() {
            if others(at).next().is_some() {
                having += 1;
                *roots.entry(root(&parent, at)).or_insert(0) += 1;
            }
        }
        let largest = roots.values().copied().max().unwrap_or(0);
        let crowd = 1.0 / (holders.len() as f64).log2();
        match (having, roots.len()) {
            (0 | 1, _) if holders.len() <= 4 => 1.0,
            (0 | 1, _) => crowd,
            (_, 1) => 1.0,
            (_, 2) if holders.len() <= 4 => 0.75,
            _ if largest * 10 >= having * 6 => 0.9,
            _ => crowd * 0.5,
        }
    }

    fn weight(&self, a: &Actor, b: &Actor) -> f64 {
        a.infra.intersection(&b.infra).filter_map(|v| self.weights.get(v)).sum()
    }

    /// Pairs worth looking at: all holders of a value if they are few, each with the next if they are many.
    fn pairs(&self) -> BTreeSet<(usize, usize)> {
        let mut out = BTreeSet::new();
        for holders in self.holders.values() {
            if holders.len() <= PAIRS {
                for (n, a) in holders.iter().enumerate() {
                    out.extend(holders.iter().skip(n + 1).map(|b| (*a, *b)));
                }
            } else {
                out.extend(holders.windows(2).filter_map(|w| match w {
                    [a, b] => Some((*a, *b)),
                    _ => None,
                }));
            }
        }
        out
    }
}

/// From whom to whom a decky was handed over, and how surely. Others that could have handed it over make it less sure,
/// unless they are of one campaign already.
fn handoffs(actors: &[&Actor], forest: &mut Forest) -> Vec<(usize, usize, f64)> {
    let mut stays: HashMap<u64, Vec<(i64, usize)>> = HashMap::new();
    for (i, actor) in actors.iter().enumerate() {
        for (decky, phase, _, to) in &actor.spells {
            if matches!(phase, Phase::CommandAndControl | Phase::Persistence) {
                stays.entry(*decky).or_default().push((*to, i));
            }
        }
    }
    for on_one in stays.values_mut() {
        on_one.sort_unstable();
    }
    let mut out = Vec::new();
    for (i, actor) in actors.iter().enumerate() {
        let broke_in = actor.broke_in();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut best: BTreeMap<usize, f64> = BTreeMap::new();
        for (decky, phase, from, _) in &actor.spells {
            // The first thing it did there, and it was not getting in.
            if !seen.insert(*decky) || phase.stage() == Stage::In {
                continue;
            }
            let Some(stays) = stays.get(decky) else { continue };
            let window = stays.partition_point(|(to, _)| *to < from - DAY)..stays.partition_point(|(to, _)| *to <= *from);
            let who: BTreeSet<usize> = stays.get(window).unwrap_or_default().iter().map(|(_, j)| *j).filter(|j| *j != i).collect();
            let groups: BTreeSet<usize> = who.iter().map(|j| forest.root(*j)).collect();
            let clean = if broke_in.is_none_or(|at| at > *from) { 1.0 } else { 0.5 };
            for j in who {
                let shares = actors.get(j).is_some_and(|other| !other.credentials.is_disjoint(&actor.credentials));
                let exclusive = if groups.len() == 1 { 1.0 } else { 1.0 / groups.len() as f64 };
                let weight = clean * if shares { exclusive.max(0.5) } else { exclusive };
                let slot = best.entry(j).or_insert(0.0);
                *slot = slot.max(weight);
            }
        }
        out.extend(best.into_iter().map(|(j, weight)| (j, i, weight)));
    }
    out.sort_by(|x, y| y.2.total_cmp(&x.2).then((x.0, x.1).cmp(&(y.0, y.1))));
    out
}

struct Forest {
    parent: Vec<usize>,
    ties: Vec<(usize, Tie)>,
    apart: Vec<(usize, usize)>,
}

impl Forest {
    fn root(&self, at: usize) -> usize {
        root(&self.parent, at)
    }

    fn join(&mut self, i: usize, j: usize, tie: Tie) {
        let (a, b) = (self.root(i), self.root(j));
        if a == b {
            return;
        }
        let forbidden = self.apart.iter().any(|(x, y)| {
            let (x, y) = (self.root(*x), self.root(*y));
            (x, y) == (a, b) || (x, y) == (b, a)
        });
        if forbidden {
            return;
        }
        if let Some(slot) = self.parent.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
        // A step of path halving keeps the trees flat.
        for at in [i, j] {
            let to = self.root(at);
            if let Some(slot) = self.parent.get_mut(at) {
                *slot = to;
            }
        }
        self.ties.push((i, tie));
    }

    fn division(self, actors: &[&Actor]) -> Division {
        let mut groups: BTreeMap<usize, BTreeSet<u128>> = BTreeMap::new();
        for (i, actor) in actors.iter().enumerate() {
            groups.entry(root(&self.parent, i)).or_default().insert(actor.key);
        }
        Division {
            components: groups.into_values().filter(|g| g.len() > 1).collect(),
            ties: self.ties.into_iter().map(|(_, tie)| tie).collect(),
        }
    }
}

fn root(parent: &[usize], mut at: usize) -> usize {
    while let Some(up) = parent.get(at).copied().filter(|up| *up != at) {
        at = up;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn actor(key: u128, spells: &[(u64, Phase, i64)], infra: &[u64]) -> Actor {
        let mut actor = Actor::new(key);
        actor.infra.extend(infra);
        actor.spells.extend(spells.iter().map(|(d, p, t)| (*d, *p, t * HOUR, t * HOUR)));
        actor.deckies.extend(spells.iter().map(|(d, ..)| *d));
        actor.finish();
        actor
    }

    fn together(actors: &[Actor]) -> bool {
        divide(actors, &[], &[]).components.iter().any(|c| c.len() == actors.len())
    }

    #[test]
    fn a_hand_over_joins_within_a_day_on_one_decky_and_no_other_way() {
        use Phase::{CommandAndControl as Stay, Delivery, Discovery, Exploitation};
        let broker = || actor(1, &[(7, Exploitation, 0), (7, Stay, 1)], &[]);
        for (spells, expect) in [
            (vec![(7, Discovery, 3)], true),
            (vec![(8, Discovery, 3)], false),
            (vec![(7, Delivery, 3)], false),
            (vec![(7, Discovery, 26)], false),
            (vec![(7, Discovery, 0)], false),
        ] {
            assert_eq!(together(&[broker(), actor(2, &spells, &[])]), expect, "{spells:?}");
            let shifted: Vec<_> = spells.iter().map(|(d, p, t)| (*d, *p, t + 2_160)).collect();
            let broker = actor(1, &[(7, Exploitation, 2_160), (7, Stay, 2_161)], &[]);
            assert_eq!(together(&[broker, actor(2, &shifted, &[])]), expect, "shifted {spells:?}");
        }
    }

    #[test]
    fn two_who_could_have_handed_over_are_too_many() {
        let stay = |key| actor(key, &[(7, Phase::Persistence, 1)], &[]);
        let arrival = actor(9, &[(7, Phase::Discovery, 3)], &[]);
        assert_eq!(divide(&[stay(1), stay(2), arrival], &[], &[]).components, Vec::<BTreeSet<u128>>::new());
    }

    #[test]
    fn rare_infrastructure_joins_and_everybody_s_does_not() {
        assert!(together(&[actor(1, &[], &[5]), actor(2, &[], &[5])]));
        assert!(together(&[actor(1, &[], &[5, 6]), actor(2, &[], &[5, 6, 9]), actor(3, &[], &[5, 6, 8])]));
        let crowd: Vec<Actor> = (1..=10).map(|n| actor(n, &[], &[5, 100 + n as u64])).collect();
        assert!(divide(&crowd, &[], &[]).components.is_empty());
    }

    #[test]
    fn cohort_and_presence_alone_join_nothing_and_overlap_is_symmetric() {
        let mut a = actor(1, &[(7, Phase::Discovery, 1)], &[]);
        let mut b = actor(2, &[(7, Phase::Discovery, 1)], &[]);
        a.asns.insert(1);
        b.asns.insert(1);
        a.windows = vec![(0, 100)];
        b.windows = vec![(0, 10_000)];
        assert!(!together(&[a.clone(), b.clone()]));
        assert!((overlap(&a.windows, &b.windows) - overlap(&b.windows, &a.windows)).abs() < 1e-12);
        assert!((overlap(&a.windows, &b.windows) - 1.0).abs() < 1e-12);
        assert!(divide(&[a, b], &[(1, 2)], &[]).components.len() == 1);
        let shared = [actor(1, &[], &[5]), actor(2, &[], &[5])];
        assert!(divide(&shared, &[], &[(2, 1)]).components.is_empty());
    }
}
