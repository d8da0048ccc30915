//! What two strands have in common, tier by tier: for people to read why they are one.

use crate::evidence::Strand;
use std::{collections::BTreeSet, hash::Hash};

/// Likeness by tier, 0 to 1 each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tiers {
    /// A fingerprint, a file or a call-back address.
    pub high: f64,
    /// Commands of the phase in which they are most alike.
    pub medium: f64,
    /// Credentials tried.
    pub low: f64,
    /// The autonomous system.
    pub very_low: f64,
}

impl Tiers {
    /// Compares two strands and their autonomous systems.
    pub fn of(a: &Strand, b: &Strand, asns: (Option<i64>, Option<i64>)) -> Self {
        let meets = |x: &BTreeSet<String>, y: &BTreeSet<String>| !x.is_disjoint(y);
        let high = meets(&a.ja4, &b.ja4)
            || meets(&a.ja3, &b.ja3)
            || meets(&a.hassh, &b.hassh)
            || meets(&a.payloads, &b.payloads)
            || meets(&a.c2, &b.c2);
        let phases = a.commands.iter().filter_map(|(phase, lines)| Some(jaccard(lines, b.commands.get(phase)?)));
        Self {
            high: f64::from(u8::from(high)),
            medium: phases.fold(0.0, f64::max),
            low: jaccard(&a.credentials, &b.credentials),
            very_low: f64::from(u8::from(asns.0.is_some() && asns.0 == asns.1)),
        }
    }

    /// The tiers with their weights, added.
    pub fn weight(&self) -> f64 {
        self.high + 0.6 * self.medium + 0.2 * self.low + 0.05 * self.very_low
    }
}

fn jaccard<T: Ord + Hash>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let both = a.intersection(b).count();
    if both == 0 { 0.0 } else { both as f64 / (a.len() + b.len() - both) as f64 }
}
