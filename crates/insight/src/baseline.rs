//! The rules of the reference system, for comparison: equality of one fingerprint joins, single linkage, no rarity.
//! Made anew from its description, to be measured beside ours in the same run.

use crate::evidence::Strand;
use model::Phase;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One address as the reference sees it: all its strands together, one fingerprint of each kind.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub ja3: Option<String>,
    pub hassh: Option<String>,
    pub asn: Option<u32>,
    pub infra: BTreeSet<String>,
    pub deckies: BTreeMap<String, Decky>,
    pub windows: Vec<(i64, i64)>,
}

/// First and last phase on a decky, with their times.
#[derive(Clone, Copy, Debug)]
pub struct Decky {
    first: Option<(i64, Phase)>,
    last: Option<(i64, Phase)>,
}

impl Row {
    /// Puts the strands of an address together; the last fingerprint wins.
    pub fn of<'a>(strands: impl IntoIterator<Item = &'a Strand>, asn: Option<u32>) -> Self {
        let mut row = Self { asn, ..Self::default() };
        for strand in strands {
            row.ja3 = strand.ja3.last().cloned().or(row.ja3);
            row.hassh = strand.hassh.last().cloned().or(row.hassh);
            row.infra.extend(strand.payloads.iter().cloned());
            row.infra.extend(strand.c2.iter().cloned());
            row.windows.extend(strand.windows.iter().map(|(a, b)| (a.0, b.0)));
            for (name, visit) in &strand.deckies {
                let decky = row.deckies.entry(name.clone()).or_insert(Decky { first: None, last: None });
                for spell in &visit.spells {
                    decky.first = Some(decky.first.map_or((spell.first.0, spell.phase), |f| f.min((spell.first.0, spell.phase))));
                    decky.last = Some(decky.last.map_or((spell.last.0, spell.phase), |l| l.max((spell.last.0, spell.phase))));
                }
            }
        }
        row
    }

    fn disagrees(&self, other: &Self) -> bool {
        let slots = [(&self.ja3, &other.ja3), (&self.hassh, &other.hassh)];
        let known: Vec<bool> = slots.iter().filter_map(|(a, b)| Some(a.as_ref()? == b.as_ref()?)).collect();
        !known.is_empty() && !known.contains(&true)
    }

    fn absorb(&mut self, other: &Self) {
        self.infra.extend(other.infra.iter().cloned());
        self.windows.extend(&other.windows);
        for (name, theirs) in &other.deckies {
            let ours = self.deckies.entry(name.clone()).or_insert(*theirs);
            ours.first = [ours.first, theirs.first].into_iter().flatten().min();
            ours.last = [ours.last, theirs.last].into_iter().flatten().max();
        }
    }
}

/// The identity of each row, as a number. The lower tiers cannot reach the threshold together, so only equal fingerprints
/// and shared infrastructure without disagreement make edges.
pub fn identities(rows: &[Row]) -> Vec<usize> {
    let mut forest: Vec<usize> = (0..rows.len()).collect();
    for slot in [|r: &Row| r.ja3.clone(), |r: &Row| r.hassh.clone()] {
        let mut first: HashMap<String, usize> = HashMap::new();
        for (i, row) in rows.iter().enumerate() {
            if let Some(value) = slot(row) {
                join(&mut forest, i, *first.entry(value).or_insert(i));
            }
        }
    }
    let mut holders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        for value in &row.infra {
            holders.entry(value).or_default().push(i);
        }
    }
    for holders in holders.values() {
        // Rows with the same pair of fingerprints stand for each other.
        let mut kinds: BTreeMap<(Option<&str>, Option<&str>), usize> = BTreeMap::new();
        for i in holders {
            let Some(row) = rows.get(*i) else { continue };
            let first = *kinds.entry((row.ja3.as_deref(), row.hassh.as_deref())).or_insert(*i);
            join(&mut forest, *i, first);
        }
        let kinds: Vec<usize> = kinds.into_values().collect();
        for (n, a) in kinds.iter().enumerate() {
            for b in kinds.iter().skip(n + 1) {
                if let (Some(x), Some(y)) = (rows.get(*a), rows.get(*b))
                    && !x.disagrees(y)
                {
                    join(&mut forest, *a, *b);
                }
            }
        }
    }
    (0..rows.len()).map(|i| root(&forest, i)).collect()
}

/// The campaign of each row, by the identity it was given.
pub fn campaigns(rows: &[Row], identities: &[usize]) -> Vec<usize> {
    let mut merged: BTreeMap<usize, Row> = BTreeMap::new();
    let mut asns: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for (row, identity) in rows.iter().zip(identities) {
        merged.entry(*identity).or_default().absorb(row);
        asns.entry(*identity).or_default().extend(row.asn);
    }
    let keys: Vec<usize> = merged.keys().copied().collect();
    let all: Vec<&Row> = merged.values().collect();
    // An edge needs a hand-over or half the infrastructure: only such pairs are looked at.
    let mut pairs: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut by_value: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut stays: BTreeMap<&str, Vec<(i64, usize)>> = BTreeMap::new();
    for (i, row) in all.iter().enumerate() {
        for value in &row.infra {
            by_value.entry(value).or_default().push(i);
        }
        for (name, decky) in &row.deckies {
            if let Some((at, Phase::CommandAndControl | Phase::Persistence)) = decky.last {
                stays.entry(name).or_default().push((at, i));
            }
        }
    }
    for holders in by_value.values().filter(|h| h.len() <= 500) {
        for (n, a) in holders.iter().enumerate() {
            pairs.extend(holders.iter().skip(n + 1).map(|b| (*a, *b)));
        }
    }
    let mut handed: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (i, row) in all.iter().enumerate() {
        for (name, decky) in &row.deckies {
            let Some((at, Phase::Discovery | Phase::LateralMovement)) = decky.first else { continue };
            for (end, j) in stays.get(name.as_str()).into_iter().flatten() {
                if *j != i && (0..=86_400_000_000).contains(&(at - end)) {
                    handed.insert((i.min(*j), i.max(*j)));
                }
            }
        }
    }
    pairs.extend(&handed);
    let mut forest: Vec<usize> = (0..all.len()).collect();
    for (i, j) in pairs {
        let (Some(a), Some(b)) = (all.get(i), all.get(j)) else { continue };
        let tags = |k: usize, row: &Row| {
            let asns = keys.get(k).and_then(|key| asns.get(key)).into_iter().flatten().map(|n| format!("as{n}"));
            asns.chain(row.deckies.keys().cloned()).collect::<BTreeSet<String>>()
        };
        let weight = f64::from(u8::from(handed.contains(&(i, j))))
            + jaccard(&a.infra, &b.infra)
            + 0.4 * overlap(&a.windows, &b.windows)
            + 0.1 * jaccard(&tags(i, a), &tags(j, b));
        if weight >= 1.0 {
            join(&mut forest, i, j);
        }
    }
    let place: HashMap<usize, usize> = keys.iter().enumerate().map(|(i, k)| (*k, i)).collect();
    identities.iter().map(|identity| place.get(identity).map_or(usize::MAX, |i| root(&forest, *i))).collect()
}

fn jaccard(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let both = a.intersection(b).count();
    let all = a.len() + b.len() - both;
    if both == 0 { 0.0 } else { both as f64 / all as f64 }
}

/// Share of `a` alone, as the reference has it: not symmetric.
fn overlap(a: &[(i64, i64)], b: &[(i64, i64)]) -> f64 {
    let total: i64 = a.iter().map(|(from, to)| to - from).sum();
    if total <= 0 {
        return 0.0;
    }
    let mut both = 0;
    for x in a.iter().take(200) {
        both += b.iter().take(200).map(|y| (x.1.min(y.1) - x.0.max(y.0)).max(0)).sum::<i64>();
    }
    (both as f64 / total as f64).min(1.0)
}

fn join(forest: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(forest, a), root(forest, b));
    if let Some(slot) = forest.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

fn root(forest: &[usize], mut at: usize) -> usize {
    while let Some(up) = forest.get(at).copied().filter(|up| *up != at) {
        at = up;
    }
    at
}
