//! What the kernel knows of a process.

use std::fs;

/// Time on a CPU so far in milliseconds, from the scheduler's nanosecond counter, all threads.
pub(crate) fn cpu_exact_ms(pid: i32) -> f64 {
    cpu_ms(pid, |_| true)
}

/// The same of the threads called `name` only.
pub(crate) fn cpu_of_thread_ms(pid: i32, name: &str) -> f64 {
    cpu_ms(pid, |comm| comm.trim() == name)
}

fn cpu_ms(pid: i32, is: impl Fn(&str) -> bool) -> f64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| is(&comm)))
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
