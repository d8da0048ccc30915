//! How well stories are understood, and how clustering scales.

use crate::figure::{Direction, Report};
use insight::{
    score::{Scores, mean_with_interval},
    story::{Corpus, play::play},
};
use std::path::{Path, PathBuf};
use workers::rehearse::{Outcome, rehearse};

#[path = "../../../../insight/examples/scale.rs"]
#[allow(clippy::duplicate_mod, reason = "the same program measures by itself")]
mod scale;

/// Seeds of each story.
const SEEDS: u64 = 20;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stories")
}

fn outcomes(name: &str, seeds: u64) -> Vec<Outcome> {
    let text = |name: &str| std::fs::read_to_string(dir().join(format!("{name}.yaml"))).ok();
    let corpus = Corpus::read(&text(name).unwrap(), &text).unwrap();
    (0..seeds).map(|seed| rehearse(&play(&corpus, seed, 0))).collect()
}

fn least(s: &Scores) -> f64 {
    [s.adjusted_rand_index, s.homogeneity, s.completeness, s.bcubed_f1, s.singleton_recall].into_iter().fold(1.0, f64::min)
}

pub(crate) async fn measure(report: &mut Report) {
    let mut names: Vec<String> = std::fs::read_dir(dir())
        .unwrap()
        .filter_map(|f| f.unwrap().file_name().into_string().unwrap().strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    let (mut fixtures, mut fixtures_reference) = (1.0_f64, 1.0_f64);
    let (mut identities, mut campaigns, mut worst) = (Vec::new(), Vec::new(), 1.0_f64);
    let (mut old_identities, mut old_campaigns) = (Vec::new(), Vec::new());
    for name in &names {
        let outcomes = outcomes(name, if name.ends_with("100k") { 1 } else { SEEDS });
        if name.starts_with('F') {
            for o in &outcomes {
                fixtures = fixtures.min(least(&o.identities)).min(least(&o.campaigns));
                fixtures_reference = fixtures_reference.min(least(&o.reference.identities)).min(least(&o.reference.campaigns));
            }
            continue;
        }
        let of = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).collect::<Vec<f64>>();
        let (i, c) = (of(|o| o.identities.bcubed_f1), of(|o| o.campaigns.bcubed_f1));
        let ((i_mean, i_half), (c_mean, c_half)) = (mean_with_interval(&i), mean_with_interval(&c));
        println!("{name:28} identities {i_mean:.4} ± {i_half:.4}, campaigns {c_mean:.4} ± {c_half:.4}");
        worst = worst.min(i_mean).min(c_mean);
        identities.push(i_mean);
        campaigns.push(c_mean);
        old_identities.push(mean_with_interval(&of(|o| o.reference.identities.bcubed_f1)).0);
        old_campaigns.push(mean_with_interval(&of(|o| o.reference.campaigns.bcubed_f1)).0);
    }
    let mean = |values: &[f64]| [mean_with_interval(values).0];
    let peer = |value: f64| format!("reference's rules {value:.3} (same run)");
    report.add(
        "mind.fixtures_least_of_all_metrics",
        &[fixtures],
        "",
        Direction::Higher,
        Some(1.0),
        Some(&peer(fixtures_reference)),
        "mind",
    );
    let old = peer(mean(&old_identities)[0]);
    report.add("mind.adversarial_identity_bcubed_f1", &mean(&identities), "", Direction::Higher, Some(0.97), Some(&old), "mind");
    let old = peer(mean(&old_campaigns)[0]);
    report.add("mind.adversarial_campaign_bcubed_f1", &mean(&campaigns), "", Direction::Higher, Some(0.95), Some(&old), "mind");
    report.add("mind.adversarial_worst_story", &[worst], "", Direction::Higher, Some(0.9), None, "mind");

    let sizes = [10_000, 100_000, 1_000_000].map(scale::measure);
    let slope = (sizes[2].from_nothing_s / sizes[1].from_nothing_s).log10();
    report.add(
        "mind.cluster_100k_s",
        &[sizes[1].from_nothing_s],
        "s",
        Direction::Lower,
        Some(2.0),
        Some("reference ≈ 1 h (4,000: 5.15 s, its square; baseline)"),
        "mind",
    );
    report.add("mind.cluster_1m_s", &[sizes[2].from_nothing_s], "s", Direction::Lower, Some(30.0), None, "mind");
    report.add("mind.cluster_1m_peak_mib", &[sizes[2].memory_mib], "MiB", Direction::Lower, Some(2048.0), None, "mind");
    report.add("mind.absorb_one_at_1m_p99_ms", &[sizes[2].absorb_p99_ms], "ms", Direction::Lower, Some(5.0), None, "mind");
    report.add("mind.growth_exponent_100k_to_1m", &[slope], "", Direction::Lower, Some(1.3), Some("reference 2 (its square)"), "mind");
}
