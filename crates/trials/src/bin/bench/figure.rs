//! One measured figure, and the report of all.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write, fs, process::Command};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Lower,
    Higher,
}

/// A figure as `benchmarks.json` holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) direction: Direction,
    pub(crate) target: Option<f64>,
    /// What others reach at the same, with where the number is from.
    pub(crate) peer: Option<String>,
    /// Smallest and greatest of the repeats.
    pub(crate) spread: Option<(f64, f64)>,
    pub(crate) repeats: usize,
    pub(crate) command: String,
    pub(crate) date: String,
}

impl Figure {
    fn met(&self) -> Option<bool> {
        self.target.map(|target| match self.direction {
            Direction::Lower => self.value <= target,
            Direction::Higher => self.value >= target,
        })
    }
}

/// All figures by name.
#[derive(Debug)]
pub(crate) struct Report {
    figures: BTreeMap<String, Figure>,
    date: String,
}

impl Report {
    /// Starts from what was measured before.
    pub(crate) fn open() -> Self {
        let figures = fs::read("benchmarks.json")
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
            .and_then(|value| serde_json::from_value(value["figures"].clone()).ok())
            .unwrap_or_default();
        let date = Command::new("date").arg("+%Y-%m-%d").output().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        Self { figures, date: date.unwrap_or_default() }
    }

    /// Adds a figure: the median of `values`.
    pub(crate) fn add(
        &mut self,
        name: &str,
        values: &[f64],
        unit: &str,
        direction: Direction,
        target: Option<f64>,
        peer: Option<&str>,
        area: &str,
    ) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let value = sorted[sorted.len() / 2];
        let figure = Figure {
            value,
            unit: unit.into(),
            direction,
            target,
            peer: peer.map(str::to_owned),
            spread: (sorted.len() > 1).then(|| (sorted[0], sorted[sorted.len() - 1])),
            repeats: sorted.len(),
            command: format!("make bench AREA={area}"),
            date: self.date.clone(),
        };
        let met = match figure.met() {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "",
        };
        println!("{name:44} {} {unit} {met}", shown(value));
        self.figures.insert(name.to_owned(), figure);
    }

    /// Writes both files into the current directory.
    pub(crate) fn write(&self) {
        let machine = machine();
        let json = serde_json::json!({ "machine": machine, "figures": self.figures });
        fs::write("benchmarks.json", serde_json::to_string_pretty(&json).unwrap() + "\n").unwrap();
        let mut text = format!(
            "# Benchmarks\n\nWritten by `make bench`; never by hand. {machine}. Client and server share the machine; differences under 30 % are noise. \
             The median of the repeats, smallest and greatest in brackets.\n\n| figure | value | target | | peer | measured |\n|---|---|---|---|---|---|\n"
        );
        for (name, figure) in &self.figures {
            let spread = figure.spread.map_or(String::new(), |(low, high)| format!(" [{}–{}]", shown(low), shown(high)));
            let sign = if figure.direction == Direction::Lower { "≤" } else { "≥" };
            let target = figure.target.map_or("–".into(), |t| format!("{sign} {}", shown(t)));
            let met = match figure.met() {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "",
            };
            let peer = figure.peer.as_deref().unwrap_or("–");
            writeln!(text, "| `{name}` | {}{spread} {} | {target} | {met} | {peer} | {} |", shown(figure.value), figure.unit, figure.date)
                .unwrap();
        }
        text.push_str("\nPeers' figures marked *baseline* were measured before on a machine of the same kind and are not of this run.\n");
        fs::write("BENCHMARKS.md", text).unwrap();
    }
}

fn shown(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([' ', '\t', ':']).to_owned())
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.lines().next().and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0);
    format!("{cores} cores of {model}, {} GiB, Linux {}", kib / 1024 / 1024, kernel.trim())
}
