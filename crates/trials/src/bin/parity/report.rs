//! `PARITY.md` and `parity.json`.

use crate::play::Result;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write as _};

/// Characters of each side's answer that are shown.
const SHOWN: usize = 400;

fn percent(result: &Result) -> f64 {
    let same = result.probes - result.different.len();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred probes")]
    let share = same as f64 * 100.0 / result.probes.max(1) as f64;
    share
}

pub(crate) fn say(result: &Result, show: bool) {
    let nmap = result.nmap.as_ref().map_or("", |v| if v.ours == v.genuine { "nmap agrees" } else { "nmap DIFFERS" });
    println!(
        "{:<28} {:>4}/{:<4} {:>6.2} %  {nmap}",
        result.version,
        result.probes - result.different.len(),
        result.probes,
        percent(result)
    );
    if let Some(verdicts) = result.nmap.as_ref().filter(|v| v.ours != v.genuine) {
        println!("  nmap genuine: {}\n  nmap ours:    {}", verdicts.genuine, verdicts.ours);
    }
    for difference in result.different.iter().filter(|_| show) {
        println!("--- {}\ngenuine: {}\nours:    {}", difference.probe, cut(&difference.genuine), cut(&difference.ours));
    }
}

/// From shortly before the two part.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// From the line where they part.
fn parting(a: &str, b: &str) -> (String, String) {
    let common = a.lines().zip(b.lines()).take_while(|(x, y)| x == y).count();
    let rest = |t: &str| cut(&t.lines().skip(common).collect::<Vec<_>>().join("\n"));
    (rest(a), rest(b))
}

pub(crate) fn write(results: &BTreeMap<String, Result>, whole: bool) {
    if !whole {
        return;
    }
    let mut md = String::from(
        "# Parity\n\nWritten by `make parity`; never by hand. The same probes at the genuine server of Debian 12 and at the decoy of that \
         product; what must differ (dates, ids, addresses) is masked by the `mask` lines of `crates/trials/parity/*.txt`.\n\n\
         | service | genuine server | identical | probes | | `nmap -sV --version-all` |\n|---|---|---|---|---|---|\n",
    );
    for (service, result) in results {
        let same = result.probes - result.different.len();
        let nmap = result.nmap.as_ref().map_or("–", |v| if v.ours == v.genuine { "same verdict" } else { "**differs**" });
        let _ = writeln!(md, "| {service} | {} | {same} | {} | {:.2} % | {nmap} |", result.version, result.probes, percent(result));
    }
    for (service, result) in results {
        if result.different.is_empty() && result.nmap.as_ref().is_none_or(|v| v.ours == v.genuine) {
            continue;
        }
        let _ = writeln!(md, "\n## {service}");
        if let Some(verdicts) = result.nmap.as_ref().filter(|v| v.ours != v.genuine) {
            let _ = writeln!(md, "\nnmap: genuine `{}`, ours `{}`", verdicts.genuine, verdicts.ours);
        }
        for difference in &result.different {
            let (genuine, ours) = parting(&difference.genuine, &difference.ours);
            let reason = difference.reason.as_deref().unwrap_or("to be mended");
            let _ = writeln!(md, "\n**{}**: {reason}\n\n```text\ngenuine: {genuine}\nours:    {ours}\n```", difference.probe);
        }
    }
    let rows: BTreeMap<_, _> = results
        .iter()
        .map(|(service, r)| {
            let different: Vec<_> = r.different.iter().map(|d| json!({ "probe": d.probe, "reason": d.reason })).collect();
            let nmap = r.nmap.as_ref().map(|v| json!({ "genuine": v.genuine, "ours": v.ours, "same": v.ours == v.genuine }));
            let row = json!({
                "genuine": r.version, "product": r.product, "probes": r.probes, "identical": r.probes - r.different.len(),
                "percent": (percent(r) * 100.0).round() / 100.0, "different": different, "nmap": nmap,
            });
            (service, row)
        })
        .collect();
    std::fs::write("PARITY.md", md).unwrap();
    std::fs::write("parity.json", serde_json::to_string_pretty(&rows).unwrap() + "\n").unwrap();
}
