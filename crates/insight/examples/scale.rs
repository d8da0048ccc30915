//! How clustering scales: `cargo run --release -p insight --example scale [strands …]`. Prints seconds from nothing, the
//! 99th percentile of absorbing one more, and memory.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, dead_code, unreachable_pub, reason = "a measuring program")]

use insight::{
    cluster::{Clusters, Node},
    dice::Dice,
    evidence::Strand,
};
use std::time::Instant;

/// What was measured at one size.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub strands: usize,
    pub from_nothing_s: f64,
    pub absorb_p99_ms: f64,
    pub absorb_worst_ms: f64,
    pub memory_mib: f64,
    pub identities: usize,
}

/// A strand of a deployment: three in five show nothing but that they came, one in five uses a tool that many use, the
/// others are actors with one to six addresses and infrastructure of their own.
fn strand(dice: &mut Dice, population: u64) -> Strand {
    let mut out = Strand::default();
    let actor = dice.below(population / 12 + 1);
    match dice.below(10) {
        0..=5 => {}
        6 | 7 => {
            let tool = dice.below(40);
            out.hassh.insert(format!("tool-{tool}"));
            out.ja4.insert(format!("tool-{}", tool / 2));
            if dice.chance(0.5) {
                out.lists.insert(dice.below(population / 20 + 1));
            }
            if dice.chance(0.5) {
                out.c2.insert(format!("c2-{actor}.test:443"));
            }
        }
        _ => {
            out.hassh.insert(format!("own-{actor}"));
            out.ja4.insert(format!("own-{actor}"));
            out.ja3.insert(format!("own-{actor}"));
            if dice.chance(0.6) {
                out.c2.insert(format!("c2-{actor}.test:443"));
            }
            if dice.chance(0.5) {
                out.payloads.insert(format!("payload-{actor}"));
            }
            out.scripts.insert(dice.below(200));
        }
    }
    out
}

/// Measures at `count` strands.
pub fn measure(count: usize) -> Scale {
    let mut dice = Dice::new(7);
    let population = count as u64;
    let nodes: Vec<Node> =
        (0..count).map(|i| Node::new(((i as u128) << 64) | u128::from(dice.bits()), &strand(&mut dice, population), &[])).collect();
    let began = Instant::now();
    let mut clusters = Clusters::of(nodes);
    let from_nothing_s = began.elapsed().as_secs_f64();
    let mut times: Vec<f64> = (0..2_000)
        .map(|i| {
            let node = Node::new((((count + i) as u128) << 64) | 1, &strand(&mut dice, population), &[]);
            let began = Instant::now();
            clusters.absorb(node);
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let identities = clusters.division().into_values().collect::<std::collections::HashSet<_>>().len();
    Scale {
        strands: count,
        from_nothing_s,
        absorb_p99_ms: times.get(times.len() * 99 / 100).copied().unwrap_or_default(),
        absorb_worst_ms: times.last().copied().unwrap_or_default(),
        memory_mib: peak_mib(),
        identities,
    }
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    for size in if sizes.is_empty() { vec![10_000, 100_000, 1_000_000] } else { sizes } {
        println!("{:?}", measure(size));
    }
}
