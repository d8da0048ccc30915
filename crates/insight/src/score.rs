//! How well one division of things agrees with another: adjusted Rand index (Hubert and Arabie 1985), homogeneity and
//! completeness (Rosenberg and Hirschberg 2007), B-cubed (Bagga and Baldwin 1998), and how many that stand alone stay so.

use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// All figures of one comparison; 1 is perfect agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    pub adjusted_rand_index: f64,
    pub homogeneity: f64,
    pub completeness: f64,
    pub bcubed_precision: f64,
    pub bcubed_recall: f64,
    pub bcubed_f1: f64,
    pub singleton_recall: f64,
    /// Things compared, groups there are, groups that were found.
    pub items: usize,
    pub true_groups: usize,
    pub found_groups: usize,
}

/// Compares, for each thing, the group it is in and the group it was put into.
pub fn compare<T: Hash + Eq + Ord, P: Hash + Eq + Ord>(pairs: &[(T, P)]) -> Scores {
    let mut truth: HashMap<&T, (usize, usize)> = HashMap::new();
    let mut found: HashMap<&P, (usize, usize)> = HashMap::new();
    let mut cells: HashMap<(usize, usize), usize> = HashMap::new();
    for (t, p) in pairs {
        let next = truth.len();
        let t = truth.entry(t).or_insert((next, 0));
        t.1 += 1;
        let next = found.len();
        let p = found.entry(p).or_insert((next, 0));
        p.1 += 1;
        *cells.entry((t.0, p.0)).or_insert(0) += 1;
    }
    let true_sizes: BTreeMap<usize, usize> = truth.values().copied().collect();
    let found_sizes: BTreeMap<usize, usize> = found.values().copied().collect();
    let cells: BTreeMap<(usize, usize), usize> = cells.into_iter().collect();
    let n = pairs.len();
    let size = |sizes: &BTreeMap<usize, usize>, at: usize| sizes.get(&at).copied().unwrap_or(0);
    let (mut precision, mut recall, mut kept, mut alone) = (0.0, 0.0, 0_usize, 0_usize);
    for ((t, p), count) in &cells {
        let both = *count as f64;
        precision += both * both / size(&found_sizes, *p) as f64;
        recall += both * both / size(&true_sizes, *t) as f64;
        if size(&true_sizes, *t) == 1 {
            alone += 1;
            kept += usize::from(size(&found_sizes, *p) == 1);
        }
    }
    let (precision, recall) = if n == 0 { (1.0, 1.0) } else { (precision / n as f64, recall / n as f64) };
    let (h_truth, h_found) = (entropy(true_sizes.values(), n), entropy(found_sizes.values(), n));
    let joint = entropy(cells.values(), n);
    let part = |whole: f64, other: f64| if whole <= 1e-12 { 1.0 } else { (1.0 - (joint - other) / whole).clamp(0.0, 1.0) };
    Scores {
        adjusted_rand_index: rand_index(&cells, &true_sizes, &found_sizes, n),
        homogeneity: part(h_truth, h_found),
        completeness: part(h_found, h_truth),
        bcubed_precision: precision,
        bcubed_recall: recall,
        bcubed_f1: if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) },
        singleton_recall: if alone == 0 { 1.0 } else { kept as f64 / alone as f64 },
        items: n,
        true_groups: true_sizes.len(),
        found_groups: found_sizes.len(),
    }
}

fn entropy<'a>(sizes: impl Iterator<Item = &'a usize>, n: usize) -> f64 {
    let n = n.max(1) as f64;
    sizes.map(|size| *size as f64 / n).map(|p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum()
}

fn rand_index(cells: &BTreeMap<(usize, usize), usize>, truth: &BTreeMap<usize, usize>, found: &BTreeMap<usize, usize>, n: usize) -> f64 {
    if n < 2 {
        return 1.0;
    }
    let pairs = |size: &usize| *size as f64 * (*size as f64 - 1.0) / 2.0;
    let index: f64 = cells.values().map(pairs).sum();
    let (a, b): (f64, f64) = (truth.values().map(pairs).sum(), found.values().map(pairs).sum());
    let expected = a * b / pairs(&n);
    let most = (a + b) / 2.0;
    if (most - expected).abs() < 1e-9 { 1.0 } else { (index - expected) / (most - expected) }
}

/// Mean and half the width of its 95 % interval (normal approximation).
pub fn mean_with_interval(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, 1.96 * (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }

    #[test]
    fn other_names_for_the_same_division_are_perfect() {
        let scores = compare(&[(1, "x"), (1, "x"), (2, "y"), (3, "z")]);
        for value in [scores.adjusted_rand_index, scores.homogeneity, scores.completeness, scores.bcubed_f1, scores.singleton_recall] {
            near(value, 1.0);
        }
        near(compare(&[(1, 1), (2, 2), (3, 3)]).adjusted_rand_index, 1.0);
        near(compare::<u8, u8>(&[]).bcubed_f1, 1.0);
    }

    /// Checked by hand: truth {a,b,c}{d,e,f}, found {a,b}{c,d}{e,f}.
    #[test]
    fn a_known_case() {
        let scores = compare(&[(1, 1), (1, 1), (1, 2), (2, 2), (2, 3), (2, 3)]);
        near(scores.adjusted_rand_index, (2.0 - 6.0 * 3.0 / 15.0) / (4.5 - 6.0 * 3.0 / 15.0));
        near(scores.bcubed_precision, (4.0 + 1.0) / 6.0);
        near(scores.bcubed_recall, (4.0 / 3.0 + 1.0 / 3.0) * 2.0 / 6.0);
        near(scores.homogeneity, 1.0 - (2.0_f64.ln() / 3.0) / 2.0_f64.ln());
    }

    #[test]
    fn everything_in_one_group_keeps_nobody_alone() {
        let scores = compare(&[(1, 0), (2, 0), (3, 0)]);
        near(scores.singleton_recall, 0.0);
        near(scores.adjusted_rand_index, 0.0);
        near(scores.homogeneity, 0.0);
        near(scores.completeness, 1.0);
    }
}
