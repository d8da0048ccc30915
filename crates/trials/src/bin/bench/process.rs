//! What the kernel knows of a process.

use std::fs;

/// Time on a CPU so far in milliseconds, from the scheduler's nanosecond counter, all threads.
pub(crate) fn cpu_exact_ms(pid: i32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()))
        .sum::<f64>()
        / 1e6
}

/// Resident memory in MiB.
pub(crate) fn rss_mib(pid: i32) -> f64 {
    status_kib(pid, "VmRSS:") / 1024.0
}

fn status_kib(pid: i32, key: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix(key)).and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

/// Free memory of the machine in MiB, as the kernel estimates it.
pub(crate) fn available_mib() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let kib = text.lines().find_map(|l| l.strip_prefix("MemAvailable:")).and_then(|l| l.split_whitespace().next()).unwrap();
    kib.parse::<f64>().unwrap() / 1024.0
}

/// The processes below `pid`, itself first.
pub(crate) fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let parent = all[at];
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|p| p.parse::<i32>().ok()));
        }
        at += 1;
    }
    all.dedup();
    all
}

/// The member of the family whose program is called `name`; the last one, which is the innermost.
pub(crate) fn member(pid: i32, name: &str) -> i32 {
    let is = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    family(pid).into_iter().rev().find(is).unwrap_or_else(|| panic!("no process {name} below {pid}"))
}
