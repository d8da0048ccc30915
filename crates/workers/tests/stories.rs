//! The shipped stories, through the whole chain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use insight::{
    score::Scores,
    story::{Corpus, play::play},
};
use std::path::{Path, PathBuf};
use workers::rehearse::{Outcome, rehearse};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stories")
}

fn story(name: &str) -> Corpus {
    let text = |name: &str| std::fs::read_to_string(dir().join(format!("{name}.yaml"))).ok();
    Corpus::read(&text(name).unwrap_or_else(|| panic!("{name}")), &text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn outcome(name: &str, seed: u64, shift: i64) -> Outcome {
    rehearse(&play(&story(name), seed, shift))
}

fn perfect(name: &str, seed: u64, what: &str, s: Scores) {
    for value in [s.adjusted_rand_index, s.homogeneity, s.completeness, s.bcubed_f1, s.singleton_recall] {
        assert!((value - 1.0).abs() < 1e-9, "{name}, seed {seed}, {what}: {s:?}");
    }
}

#[test]
fn the_seven_fixtures_are_understood_wholly_whenever_they_happen() {
    let mut names: Vec<String> = std::fs::read_dir(dir())
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .filter_map(|f| f.strip_suffix(".yaml").map(str::to_owned))
        .filter(|n| n.starts_with('F'))
        .collect();
    names.sort();
    assert_eq!(names.len(), 7);
    for name in &names {
        for (seed, shift) in [(0, 0), (1, 0), (2, 90), (3, -400)] {
            let outcome = outcome(name, seed, shift);
            perfect(name, seed, "identities", outcome.identities);
            perfect(name, seed, "campaigns", outcome.campaigns);
        }
    }
}

#[test]
fn the_fixtures_have_the_known_size() {
    for (name, observations, sessions) in [
        ("F1_shared_wordlist", 2, 8),
        ("F2_vpn_hopping", 5, 15),
        ("F3_lone_wolf", 9, 9),
        ("F4_paused_campaign", 2, 10),
        ("F5_multi_operator", 2, 14),
        ("F6_noise_floor", 30, 66),
        ("F7_slow_burn", 3, 18),
    ] {
        let outcome = outcome(name, 0, 0);
        assert_eq!((outcome.observations, outcome.sessions), (observations, sessions), "{name}");
    }
}

#[test]
fn adversarial_stories_are_understood_better_than_by_the_reference() {
    for name in [
        "A01_commodity_tools",
        "A02_shuffled_hello",
        "A03_tool_change",
        "A04_nat",
        "A05_address_reused",
        "A06_handoff_only",
        "A07_decoy_infrastructure",
        "A08_wordlist_of_forty",
        "A09_half_missing",
    ] {
        let ours = outcome(name, 0, 0);
        assert!(ours.identities.bcubed_f1 >= 0.9, "{name}: {:?}", ours.identities);
        assert!(ours.campaigns.bcubed_f1 >= 0.9, "{name}: {:?}", ours.campaigns);
        assert!(ours.identities.bcubed_f1 + 1e-9 >= ours.reference.identities.bcubed_f1, "{name}: {:?}", ours.reference.identities);
    }
}
