//! Regularity in time: whether somebody comes back like clockwork.

use model::Micros;
use serde::{Deserialize, Serialize};

/// Contacts closer together than this are one, microseconds.
const TOGETHER: i64 = 1_000_000;
/// Contacts remembered.
pub const KEPT: usize = 96;
/// Intervals needed to speak of a rhythm.
const NEEDED: usize = 6;
/// Shortest interval that is called a beacon, seconds.
const SHORTEST: f64 = 5.0;
/// Largest jitter of a beacon.
const STEADY: f64 = 0.2;

/// When contacts began, oldest first. Times arrive almost in order; one that is older than the newest is put in place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contacts(Vec<i64>);

/// What their rhythm is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rhythm {
    /// Intervals measured.
    pub intervals: usize,
    pub median_s: f64,
    /// Median distance from the median, as a part of it: 0 is clockwork, 1 and more is none.
    pub jitter: f64,
    /// How alike intervals and the ones after them are, -1 to 1.
    pub autocorrelation: f64,
    /// Whether this is a beacon.
    pub beacon: bool,
}

impl Contacts {
    /// Takes in a contact.
    pub fn absorb(&mut self, at: Micros) {
        let place = self.0.partition_point(|t| *t <= at.0);
        let near = |other: Option<&i64>| other.is_some_and(|t| (at.0 - t).abs() < TOGETHER);
        if near(self.0.get(place)) || near(place.checked_sub(1).and_then(|p| self.0.get(p))) {
            return;
        }
        self.0.insert(place, at.0);
        if self.0.len() > KEPT {
            self.0.remove(0);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their rhythm, if there are enough.
    pub fn rhythm(&self) -> Option<Rhythm> {
        let gaps: Vec<f64> = self.0.iter().zip(self.0.iter().skip(1)).map(|(a, b)| (b - a) as f64 / 1e6).collect();
        if gaps.len() < NEEDED {
            return None;
        }
        let middle = median(gaps.clone());
        let spread = median(gaps.iter().map(|g| (g - middle).abs()).collect());
        let jitter = if middle > 0.0 { spread / middle } else { 1.0 };
        let autocorrelation = comb(&self.0, middle);
        let beacon = middle >= SHORTEST && jitter <= STEADY && autocorrelation >= 0.5;
        Some(Rhythm {
            intervals: gaps.len(),
            median_s: round(middle),
            jitter: round(jitter),
            autocorrelation: round(autocorrelation),
            beacon,
        })
    }
}

/// How much the contacts look like themselves one period later: the share of those that have another about one period
/// on, less what chance would give. A missed beat costs one, it does not shift the rest.
fn comb(times: &[i64], period_s: f64) -> f64 {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return 0.0 };
    let span = (last - first) as f64 / 1e6;
    if period_s <= 0.0 || span <= period_s {
        return 0.0;
    }
    let tolerance = period_s * STEADY;
    let eligible: Vec<f64> = times.iter().map(|t| (t - first) as f64 / 1e6).filter(|t| t + period_s <= span + tolerance).collect();
    let all: Vec<f64> = times.iter().map(|t| (t - first) as f64 / 1e6).collect();
    let hits = eligible.iter().filter(|t| all.iter().any(|other| (other - *t - period_s).abs() <= tolerance)).count();
    let share = hits as f64 / eligible.len().max(1) as f64;
    let chance = (2.0 * tolerance * all.len() as f64 / span).min(0.95);
    ((share - chance) / (1.0 - chance)).clamp(-1.0, 1.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |i: usize| values.get(i).copied().unwrap_or_default();
    if values.len() % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts(times: impl IntoIterator<Item = f64>) -> Contacts {
        let mut contacts = Contacts::default();
        for time in times {
            #[expect(clippy::cast_possible_truncation, reason = "some days in microseconds")]
            contacts.absorb(Micros((time * 1e6) as i64));
        }
        contacts
    }

    #[test]
    fn a_beacon_is_found_in_spite_of_jitter_and_missed_beats() {
        let steady = contacts((0..30).map(|n| f64::from(n) * 60.0 + f64::from(n * n % 7))).rhythm().unwrap();
        assert!(steady.beacon && (56.0..=64.0).contains(&steady.median_s), "{steady:?}");
        let missed = contacts((0..40).filter(|n| n % 7 != 3).map(|n| f64::from(n) * 300.0)).rhythm().unwrap();
        assert!(missed.beacon && missed.median_s == 300.0, "{missed:?}");
    }

    #[test]
    fn bursts_and_chance_are_none() {
        // A person: pauses of all lengths.
        let mut at = 0.0;
        let person = contacts((0..40_u32).map(|n| {
            at += f64::from((n * 2_654_435 + 12_345) % 997) + 3.0;
            at
        }));
        assert!(!person.rhythm().unwrap().beacon, "{:?}", person.rhythm());
        // A scan: everything within a moment is one contact.
        assert_eq!(contacts((0..1_000).map(|n| f64::from(n) * 0.0005)).len(), 1);
        assert_eq!(contacts([0.0, 60.0, 120.0]).rhythm(), None);
        let many = contacts((0..10_000).map(|n| f64::from(n) * 10.0));
        assert_eq!(many.len(), KEPT);
    }
}
