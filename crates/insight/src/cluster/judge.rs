//! How much it proves to share a value, learnt from who else holds it here.
//!
//! A value of one actor has holders that agree in other things; common property has holders that agree in nothing else.
//! So for each other kind of evidence the holders that have it are put into groups that share some: one large group speaks
//! for one owner, many small ones against. Few holders are believed, many are not without support once there is a
//! population to compare with.

use super::{Item, Kind, Node};
use std::collections::HashMap;

/// What the deployment says of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How many hold it.
    pub holders: u32,
    /// Above zero: it belongs to one actor.
    pub score: f32,
    /// Whether sharing it proves something.
    pub rare: bool,
}

impl Verdict {
    /// How sure it is that those who share the value are one, 0.5 to 0.99.
    pub fn confidence(self) -> f64 {
        let score = f64::from(self.score.max(0.0));
        (1.0 - 0.5 * (-score / 1.5).exp()).clamp(0.5, 0.99)
    }
}

/// Up to so many holders say nothing about how common a value is.
pub(super) const FEW: usize = 8;

/// For each other kind: what agreement among the holders is worth, and what disagreement.
fn weights(kind: Kind) -> &'static [(Kind, f32, f32)] {
    match kind {
        Kind::Ssh => {
            &[(Kind::Tls, 1.0, 1.0), (Kind::C2, 3.0, 3.0), (Kind::Payload, 2.0, 2.0), (Kind::List, 0.5, 1.5), (Kind::Script, 0.5, 1.3)]
        }
        Kind::Tls | Kind::TlsExact => {
            &[(Kind::Ssh, 1.0, 1.0), (Kind::C2, 3.0, 3.0), (Kind::Payload, 2.0, 2.0), (Kind::List, 0.5, 1.5), (Kind::Script, 0.5, 1.3)]
        }
        Kind::C2 => {
            &[(Kind::Tls, 1.5, 1.5), (Kind::Ssh, 1.5, 1.5), (Kind::Payload, 2.0, 2.0), (Kind::List, 0.5, 1.0), (Kind::Script, 0.5, 1.0)]
        }
        Kind::Payload => {
            &[(Kind::Tls, 1.5, 1.5), (Kind::Ssh, 1.5, 1.5), (Kind::C2, 2.0, 2.0), (Kind::List, 0.5, 1.0), (Kind::Script, 0.5, 1.0)]
        }
        Kind::ClientList => &[(Kind::C2, 3.0, 3.0), (Kind::Payload, 2.0, 2.0), (Kind::Tls, 0.5, 1.0), (Kind::Script, 0.5, 1.5)],
        Kind::ClientScript => &[(Kind::C2, 3.0, 3.0), (Kind::Payload, 2.0, 2.0), (Kind::Tls, 0.5, 1.0), (Kind::List, 0.5, 1.5)],
        Kind::Bond | Kind::List | Kind::Script => &[],
    }
}

/// What is believed of a value before its holders are compared.
fn prior(kind: Kind, holders: usize, known: usize) -> f32 {
    let share = holders as f32 / known.max(1) as f32;
    let crowded = known >= 64 && share >= 0.15;
    match (kind, holders) {
        (Kind::ClientList | Kind::ClientScript, ..=4) => 1.0,
        (Kind::ClientList | Kind::ClientScript, ..=FEW) => 0.5,
        (Kind::ClientList | Kind::ClientScript, _) => {
            if crowded {
                -1.0
            } else {
                0.0
            }
        }
        (_, ..=2) => 2.0,
        (_, 3) => 1.5,
        (_, ..=FEW) => 1.0,
        _ if crowded => -1.2,
        _ if known >= 512 && share <= 0.02 => 1.0,
        _ => 0.25,
    }
}

/// Judges `item`, held by `holders` strands of `known`, from a sample of them.
pub(super) fn judge(item: Item, holders: usize, sample: &[&Node], known: usize) -> Verdict {
    let count = u32::try_from(holders).unwrap_or(u32::MAX);
    let kind = item.kind();
    match kind {
        Kind::Bond => return Verdict { holders: count, score: 9.0, rare: true },
        // Lists and scripts are judged by the clients that use them.
        Kind::List | Kind::Script => {
            let common = [Kind::Ssh, Kind::Tls].iter().any(|client| Groups::of(sample, *client).dispersion() >= 1.0);
            return Verdict { holders: count, score: 0.0, rare: !common };
        }
        _ => {}
    }
    let mut score = prior(kind, holders, known);
    for (other, agree, differ) in weights(kind) {
        let groups = Groups::of(sample, *other);
        score += agree * groups.coherence(sample.len()) - differ * groups.dispersion();
    }
    Verdict { holders: count, score, rare: score > 0.0 }
}

/// Holders that have some evidence of a kind, in groups that share it.
struct Groups {
    having: usize,
    groups: usize,
    largest: usize,
}

impl Groups {
    fn of(sample: &[&Node], kind: Kind) -> Self {
        let mut parent: Vec<usize> = (0..sample.len()).collect();
        let mut first: HashMap<Item, usize> = HashMap::new();
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        let having: Vec<usize> = (0..sample.len()).filter(|at| sample.get(*at).is_some_and(|n| !n.of(kind).is_empty())).collect();
        for at in &having {
            for item in sample.get(*at).map(|n| n.of(kind)).unwrap_or_default() {
                let other = *first.entry(*item).or_insert(*at);
                let (a, b) = (root(&parent, *at), root(&parent, other));
                if let Some(slot) = parent.get_mut(a.max(b)) {
                    *slot = a.min(b);
                }
            }
        }
        for at in &having {
            *sizes.entry(root(&parent, *at)).or_insert(0) += 1;
        }
        Self { having: having.len(), groups: sizes.len(), largest: sizes.values().copied().max().unwrap_or(0) }
    }

    fn share(&self) -> f32 {
        self.largest as f32 / self.having.max(1) as f32
    }

    /// 1: nearly all that have it share it. Less where few of the holders have it at all.
    fn coherence(&self, sample: usize) -> f32 {
        if self.having < 2 || self.share() < 0.8 {
            return 0.0;
        }
        (3.0 * self.having as f32 / sample.max(1) as f32).min(1.0)
    }

    /// 1: many that share nothing; half of that where they are only two or three.
    fn dispersion(&self) -> f32 {
        match self.groups {
            0 | 1 => 0.0,
            2 | 3 if self.share() <= 0.67 => 0.5,
            2 | 3 => 0.0,
            _ if self.share() <= 0.6 => 1.0,
            _ => 0.0,
        }
    }
}

fn root(parent: &[usize], mut at: usize) -> usize {
    while let Some(up) = parent.get(at).copied().filter(|up| *up != at) {
        at = up;
    }
    at
}
