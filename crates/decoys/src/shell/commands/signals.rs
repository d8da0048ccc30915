//! Signals by name and number, and sending them to the processes of this machine.

use crate::shell::{Errno, Who, interp::run, kernel::Kernel};

const NAMES: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
    "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Name of a signal.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    usize::try_from(number).ok().and_then(|n| n.checked_sub(1)).and_then(|n| NAMES.get(n)).copied()
}

/// Number of a signal, without `SIG`.
pub(crate) fn number(name: &str) -> Option<i32> {
    match name {
        "EXIT" => Some(0),
        "POLL" => Some(29),
        "CLD" => Some(17),
        _ => NAMES.iter().position(|n| *n == name).and_then(|n| i32::try_from(n + 1).ok()),
    }
}

/// As `kill -l` prints.
pub(crate) fn table() -> String {
    let mut out = String::new();
    let mut list: Vec<(i32, String)> =
        NAMES.iter().enumerate().map(|(n, s)| (i32::try_from(n).unwrap_or(0) + 1, format!("SIG{s}"))).collect();
    for n in 34..=64 {
        let name = match n {
            34 => "SIGRTMIN".to_owned(),
            64 => "SIGRTMAX".to_owned(),
            35..=49 => format!("SIGRTMIN+{}", n - 34),
            _ => format!("SIGRTMAX-{}", 64 - n),
        };
        list.push((n, name));
    }
    for (at, (n, name)) in list.iter().enumerate() {
        out.push_str(&format!("{n:>2}) {name}"));
        out.push(if at % 5 == 4 || at + 1 == list.len() { '\n' } else { '\t' });
    }
    out
}

/// `kill(2)`.
pub(crate) fn send(k: &Kernel, who: &Who, pid: i64, signal: i32) -> Result<(), Errno> {
    let target = u32::try_from(pid.abs()).map_err(|_| Errno::ESRCH)?;
    if pid == -1 {
        return Ok(());
    }
    let (uid, shell) = {
        let live = k.fs.live.lock();
        let p = live.procs.get(&target).ok_or(Errno::ESRCH)?;
        (p.uid, live.shell_pid)
    };
    if who.uid != 0 && who.uid != uid {
        return Err(Errno::EPERM);
    }
    if signal == 0 || matches!(signal, 17 | 18 | 23 | 28) {
        return Ok(());
    }
    if run::kill(k, target, signal) {
        return Ok(());
    }
    if target == 1 || target == 2 {
        return Ok(());
    }
    if target == shell {
        if matches!(signal, 9 | 1) {
            k.state.lock().hangup = true;
        }
        return Ok(());
    }
    let mut live = k.fs.live.lock();
    let parent_is_kernel = live.procs.get(&target).is_some_and(|p| p.args.is_empty());
    if !parent_is_kernel && !matches!(signal, 19 | 20) {
        if live.sockets.iter().any(|s| s.pid == target && s.peer.is_some()) {
            drop(live);
            k.state.lock().hangup = true;
            return Ok(());
        }
        live.procs.remove(&target);
    }
    Ok(())
}
