//! Programs that run programs or wait, terminals, services, pagers and editors.
#![expect(clippy::cast_possible_truncation, reason = "elapsed seconds are shown without their fraction")]

use std::time::Duration;

use super::{
    find::program,
    opts::{self, parse, quoted, text},
    signals,
};
use crate::shell::{
    Errno, WriteMode,
    fs::logs,
    interp::run,
    kernel::{COOKED, Modes},
    proc::Proc,
};

/// `true`, `sync`, and others that say nothing.
pub(crate) fn nothing(_: &mut Proc) -> i32 {
    0
}

/// `false`.
pub(crate) fn no(_: &mut Proc) -> i32 {
    1
}

/// Seconds of `sleep` and `timeout`: `1.5m`.
fn duration(t: &str) -> Option<f64> {
    let (digits, unit) = match t.chars().last()? {
        's' => (t.get(..t.len() - 1)?, 1.0),
        'm' => (t.get(..t.len() - 1)?, 60.0),
        'h' => (t.get(..t.len() - 1)?, 3600.0),
        'd' => (t.get(..t.len() - 1)?, 86_400.0),
        _ => (t, 1.0),
    };
    if digits == "inf" || digits == "infinity" {
        return Some(1e9);
    }
    let n: f64 = digits.parse().ok()?;
    (n >= 0.0 && n.is_finite()).then_some((n * unit).min(1e9))
}

/// `sleep`, `usleep`.
pub(crate) async fn sleep(p: &mut Proc) -> i32 {
    if p.name() == "usleep" {
        let us: u64 = p.words().first().and_then(|w| w.parse().ok()).unwrap_or(0);
        p.k.sleep(Duration::from_micros(us.min(1 << 50))).await;
        return 0;
    }
    let words = p.words();
    if words.is_empty() {
        return opts::missing(p, 1).await;
    }
    let mut total = 0.0;
    let mut bad = false;
    for w in &words {
        match duration(w) {
            Some(s) => total += s,
            None => {
                if let Some(o) = w.strip_prefix('-').filter(|o| !o.is_empty() && !o.starts_with('-')) {
                    return opts::usage(p, &format!("invalid option -- '{}'", o.chars().next().unwrap_or('-')), 1).await;
                }
                p.warn(format!("invalid time interval {}", quoted(w.as_bytes()))).await;
                bad = true;
            }
        }
    }
    if bad {
        let name = p.called();
        p.err(format!("Try '{name} --help' for more information.\n")).await;
        return 1;
    }
    p.k.sleep(Duration::from_secs_f64(total.min(1e9))).await;
    0
}

/// `env`, `printenv`.
pub(crate) async fn env(p: &mut Proc) -> i32 {
    if p.name() == "printenv" {
        let names: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
        if names.is_empty() {
            for (n, v) in p.env.clone() {
                p.out([n.as_slice(), b"=", &v, b"\n"].concat());
            }
            return 0;
        }
        let mut status = 0;
        for n in names {
            match p.var(&text(&n)).map(<[u8]>::to_vec) {
                Some(v) => p.out([v.as_slice(), b"\n"].concat()),
                None => status = 1,
            }
        }
        return status;
    }
    let o = match parse(p, "+0iu:C:S:v", &[("ignore-environment", 'i', 0), ("unset", 'u', 1), ("null", '0', 0), ("chdir", 'C', 1)], 125)
        .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut env = if o.has('i') { Vec::new() } else { p.env.clone() };
    for u in o.all('u') {
        env.retain(|(n, _)| n != u);
    }
    let mut rest = o.rest.clone();
    if rest.first().is_some_and(|a| a == b"-") {
        env.clear();
        rest.remove(0);
    }
    while let Some(at) = rest.first().and_then(|a| a.iter().position(|&b| b == b'=')).filter(|at| *at > 0) {
        let a = rest.remove(0);
        let n = a.get(..at).unwrap_or_default().to_vec();
        env.retain(|(k, _)| *k != n);
        env.push((n, a.get(at + 1..).unwrap_or_default().to_vec()));
    }
    if rest.is_empty() {
        let end: &[u8] = if o.has('0') { b"\0" } else { b"\n" };
        for (n, v) in env {
            p.out([n.as_slice(), b"=", &v, end].concat());
        }
        return 0;
    }
    p.env = env;
    if let Some(dir) = o.value('C').map(<[u8]>::to_vec) {
        p.cwd = p.path(&dir);
    }
    program(p, rest, "env").await
}

/// `nohup`, `nice`, `setsid`, `ionice`, `stdbuf`, `taskset`, `time`, `unbuffer`, `chroot`.
pub(crate) async fn wrap(p: &mut Proc) -> i32 {
    let name = p.name();
    let mut rest: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let takes: &[&str] = match name.as_str() {
        "nice" => &["-n"],
        "ionice" => &["-c", "-n", "-p"],
        "stdbuf" => &["-i", "-o", "-e"],
        _ => &[],
    };
    while let Some(a) = rest.first().map(|a| text(a)).filter(|a| a.starts_with('-') && a.len() > 1) {
        rest.remove(0);
        if a == "--" {
            break;
        }
        if takes.contains(&a.as_str()) && !rest.is_empty() {
            rest.remove(0);
        }
    }
    if rest.is_empty() {
        return match name.as_str() {
            "nice" => {
                p.out("0\n");
                0
            }
            "nohup" | "chroot" => opts::missing(p, 125).await,
            _ => 0,
        };
    }
    match name.as_str() {
        "nohup" => {
            if p.tty(1) {
                p.err("nohup: ignoring input and appending output to 'nohup.out'\n").await;
                let path = p.path(b"nohup.out");
                match crate::shell::proc::open(&p.k, &p.fds, &p.who, &path, crate::shell::proc::How::Append, 0o600) {
                    Ok(fd) => {
                        if p.tty(2) {
                            p.fds.insert(2, fd.clone());
                        }
                        p.fds.insert(1, fd);
                    }
                    Err(e) => return p.fail(format!("failed to open 'nohup.out': {e}")).await,
                }
            } else if p.tty(0) {
                p.err("nohup: ignoring input\n").await;
            }
            if p.tty(0) {
                p.fds.insert(0, crate::shell::proc::Fd::Null);
            }
            program(p, rest, "nohup").await
        }
        "taskset" => {
            rest.remove(0);
            program(p, rest, "taskset").await
        }
        "chroot" => {
            if p.who.uid != 0 {
                let dir = quoted(rest.first().map_or(&b""[..], Vec::as_slice));
                return p.fail(format!("cannot change root directory to {dir}: Operation not permitted")).await;
            }
            rest.remove(0);
            if rest.is_empty() {
                rest.push(b"/bin/bash".to_vec());
            }
            program(p, rest, "chroot").await
        }
        "time" => {
            let began = p.k.now();
            let s = program(p, rest, "time").await;
            let real = p.k.now().since(began).as_secs_f64();
            p.err(format!("0.00user 0.00system {}:{:05.2}elapsed 0%CPU (0avgtext+0avgdata 2{:03}maxresident)k\n0inputs+0outputs (0major+{}minor)pagefaults 0swaps\n", real as u64 / 60, real % 60.0, p.k.random_u32() % 1000, 90 + p.k.random_u32() % 60)).await;
            s
        }
        _ => program(p, rest, &name).await,
    }
}

/// `timeout`.
pub(crate) async fn timeout(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "+fk:s:v",
        &[("signal", 's', 1), ("kill-after", 'k', 1), ("preserve-status", 'p', 0), ("foreground", 'f', 0), ("verbose", 'v', 0)],
        125,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut rest = o.rest.clone();
    // The BusyBox of old took `-t SECONDS`.
    if rest.len() < 2 {
        let name = p.called();
        p.err(format!("Try '{name} --help' for more information.\n")).await;
        return 125;
    }
    let given = text(&rest.remove(0));
    let Some(limit) = duration(&given) else {
        return opts::usage(p, &format!("invalid time interval {}", quoted(given.as_bytes())), 125).await;
    };
    let signal = o.text('s').map_or(15, |s| s.parse().ok().or_else(|| signals::number(s.trim_start_matches("SIG"))).unwrap_or(15));
    let k = std::sync::Arc::clone(&p.k);
    let until = k.now().plus(Duration::from_secs_f64(limit));
    let mut work: crate::shell::kernel::Boxed<'_, i32> = Box::pin(program(p, rest, "timeout"));
    let mut wait: crate::shell::kernel::Boxed<'_, ()> = Box::pin(k.until(until));
    let out = std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(s) = work.as_mut().poll(cx) {
            return std::task::Poll::Ready(Some(s));
        }
        if limit > 0.0 && wait.as_mut().poll(cx).is_ready() {
            return std::task::Poll::Ready(None);
        }
        std::task::Poll::Pending
    })
    .await;
    match out {
        Some(s) => s,
        None if o.has('p') || signal == 9 => 128 + signal,
        None => 124,
    }
}

/// `watch`.
pub(crate) async fn watch(p: &mut Proc) -> i32 {
    let o = match parse(p, "+bcd::egn:ptx", &[("interval", 'n', 1), ("differences", 'd', 2), ("no-title", 't', 0), ("exec", 'x', 0)], 1)
        .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        p.err("Usage:\n watch [options] command\n").await;
        return 1;
    }
    let every = o.text('n').and_then(|n| n.parse::<f64>().ok()).unwrap_or(2.0).clamp(0.1, 86_400.0);
    let line = o.rest.join(&b' ');
    let host = p.fs().persona().hostname.clone();
    for _ in 0..100_000 {
        let title = format!("Every {every:.1}s: {}", text(&line));
        let clock = format!("{host}: {}", run::local(&p.k, "%a %b %e %H:%M:%S %Y"));
        let cols = usize::from(p.k.state.lock().cols.max(40));
        let gap = cols.saturating_sub(title.len() + clock.len()).max(1);
        if !o.has('t') {
            p.out(format!("\x1b[H\x1b[2J{title}{}{clock}\n\n", " ".repeat(gap)));
        }
        if p.flush().await.is_err() {
            return 141;
        }
        program(p, vec![b"sh".to_vec(), b"-c".to_vec(), line.clone()], "watch").await;
        p.k.sleep(Duration::from_secs_f64(every)).await;
    }
    0
}

/// `screen`, `tmux`: a command in the background, or a shell in this terminal.
pub(crate) async fn screen(p: &mut Proc) -> i32 {
    let words = p.words();
    if words.iter().any(|w| w == "-ls" || w == "-list" || w == "ls") {
        let user = run::account_of(&p.k, p.who.uid).map_or_else(|| "root".to_owned(), |a| a.name);
        p.out(format!("No Sockets found in /run/screen/S-{user}.\n\n"));
        return 1;
    }
    if words.iter().any(|w| w == "-v" || w == "--version") {
        p.out("Screen version 4.09.00 (GNU) 30-Jan-22\n");
        return 0;
    }
    let detached = words.iter().any(|w| w.starts_with('-') && w.contains('d') && w.contains('m'));
    let mut rest = Vec::new();
    let mut it = p.args.iter().skip(1);
    while let Some(a) = it.next() {
        match text(a).as_str() {
            "-S" | "-t" | "-T" | "-c" | "-p" | "-s" | "-h" | "-L" => {
                it.next();
            }
            w if w.starts_with('-') && rest.is_empty() => {
                if w.ends_with('S') {
                    it.next();
                }
            }
            _ => rest.push(a.clone()),
        }
    }
    if words.iter().any(|w| w == "-r" || w == "-x" || w == "-rd" || w == "-dr") {
        p.out("There is no screen to be resumed.\n");
        return 1;
    }
    if rest.is_empty() {
        rest.push(p.var("SHELL").unwrap_or(b"/bin/bash").to_vec());
    }
    if detached {
        let mut child = p.child(rest.clone());
        child.fds.insert(0, crate::shell::proc::Fd::Null);
        child.fds.insert(1, crate::shell::proc::Fd::Null);
        child.fds.insert(2, crate::shell::proc::Fd::Null);
        if p.k.state.lock().tasks.len() < 150 {
            p.k.spawn(Box::pin(async move {
                program(&mut child, rest, "screen").await;
            }));
        }
        return 0;
    }
    if !p.tty(0) {
        p.err("Must be connected to a terminal.\n").await;
        return 1;
    }
    p.k.print(b"\x1b[H\x1b[2J");
    let s = program(p, rest, "screen").await;
    p.k.print(b"\x1b[H\x1b[2J[screen is terminating]\n");
    s
}

/// `tty`.
pub(crate) async fn tty(p: &mut Proc) -> i32 {
    let name = p.fs().live.lock().tty.clone();
    match name.filter(|_| p.tty(0)) {
        Some(t) => {
            p.out(format!("/dev/{t}\n"));
            0
        }
        None => {
            p.out("not a tty\n");
            1
        }
    }
}

/// `stty`.
pub(crate) async fn stty(p: &mut Proc) -> i32 {
    let words = p.words();
    if !p.tty(0) {
        p.err("stty: 'standard input': Inappropriate ioctl for device\n").await;
        return 1;
    }
    let (rows, cols) = {
        let s = p.k.state.lock();
        (s.rows, s.cols)
    };
    if words.is_empty() {
        p.out("speed 38400 baud; line = 0;\n-brkint -imaxbel iutf8\n");
        return 0;
    }
    let mut modes = p.k.state.lock().modes;
    let mut it = words.into_iter();
    while let Some(w) = it.next() {
        match w.as_str() {
            "size" => p.out(format!("{rows} {cols}\n")),
            "-a" | "--all" => p.out(format!("speed 38400 baud; rows {rows}; columns {cols}; line = 0;\nintr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D; eol = <undef>;\neol2 = <undef>; swtch = <undef>; start = ^Q; stop = ^S; susp = ^Z; rprnt = ^R;\nwerase = ^W; lnext = ^V; discard = ^O; min = 1; time = 0;\n-parenb -parodd -cmspar cs8 -hupcl -cstopb cread -clocal -crtscts\n-ignbrk -brkint -ignpar -parmrk -inpck -istrip -inlcr -igncr icrnl ixon -ixoff\n-iuclc -ixany -imaxbel iutf8\nopost -olcuc -ocrnl onlcr -onocr -onlret -ofill -ofdel nl0 cr0 tab0 bs0 vt0 ff0\n{}isig {}icanon iexten {}echo echoe echok -echonl -noflsh -xcase -tostop -echoprt\nechoctl echoke -flusho -extproc\n", if modes.signals { "" } else { "-" }, if modes.canonical { "" } else { "-" }, if modes.echo { "" } else { "-" })),
            "-g" | "--save" => p.out("4500:5:bf:8a3b:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0\n"),
            "echo" => modes.echo = true,
            "-echo" => modes.echo = false,
            "icanon" | "-cbreak" | "cooked" | "-raw" => modes = Modes { canonical: true, signals: true, post: true, icrnl: true, ..modes },
            "-icanon" | "cbreak" => modes.canonical = false,
            "raw" => modes = Modes { canonical: false, signals: false, post: false, icrnl: false, ..modes },
            "isig" => modes.signals = true,
            "-isig" => modes.signals = false,
            "opost" => modes.post = true,
            "-opost" => modes.post = false,
            "sane" => modes = COOKED,
            "rows" | "cols" | "columns" => {
                let n = it.next().and_then(|v| v.parse().ok()).unwrap_or(0);
                let mut s = p.k.state.lock();
                if w == "rows" { s.rows = n } else { s.cols = n }
            }
            "intr" | "erase" | "kill" | "eof" | "min" | "time" | "susp" | "start" | "stop" | "werase" | "quit" | "-F" => {
                it.next();
            }
            w if w.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') && w.contains(':') => modes = COOKED,
            w if w.trim_start_matches('-').bytes().all(|b| b.is_ascii_alphanumeric()) => {}
            w => {
                let w = quoted(w.as_bytes());
                return opts::usage(p, &format!("invalid argument {w}"), 1).await;
            }
        }
    }
    p.k.set_modes(modes);
    0
}

/// `clear`, `reset`, `tput`.
pub(crate) async fn clear(p: &mut Proc) -> i32 {
    match p.name().as_str() {
        "tput" => {
            let (rows, cols) = {
                let s = p.k.state.lock();
                (s.rows, s.cols)
            };
            match p.words().first().map(String::as_str) {
                Some("cols") => p.out(format!("{cols}\n")),
                Some("lines") => p.out(format!("{rows}\n")),
                Some("colors") => p.out("8\n"),
                Some("sgr0") => p.out("\x1b(B\x1b[m"),
                Some("bold") => p.out("\x1b[1m"),
                Some("clear") => p.out("\x1b[H\x1b[2J\x1b[3J"),
                Some("setaf") => {
                    let n = p.words().get(1).cloned().unwrap_or_default();
                    p.out(format!("\x1b[3{n}m"));
                }
                _ => {}
            }
            0
        }
        "reset" => {
            p.out("\x1bc\x1b[!p\x1b[?3;4l\x1b[4l\x1b>");
            p.k.set_modes(COOKED);
            0
        }
        _ => {
            if p.var("TERM").is_none() {
                p.err("TERM environment variable not set.\n").await;
                return 1;
            }
            p.out("\x1b[H\x1b[2J\x1b[3J");
            0
        }
    }
}

/// `less`, `more`, `man`.
pub(crate) async fn pager(p: &mut Proc) -> i32 {
    let name = p.name();
    if name == "man" {
        match p.words().into_iter().find(|w| !w.starts_with('-')) {
            None => {
                p.err("What manual page do you want?\nFor example, try 'man man'.\n").await;
                return 1;
            }
            Some(w) => {
                p.err(format!("No manual entry for {w}\n")).await;
                return 16;
            }
        }
    }
    let files: Vec<Vec<u8>> = p.args.iter().skip(1).filter(|a| !a.starts_with(b"-") && !a.starts_with(b"+")).cloned().collect();
    let mut all = Vec::new();
    if files.is_empty() {
        if p.tty(0) {
            let line = if name == "less" {
                "Missing filename (\"less --help\" for help)\n"
            } else {
                "more: bad usage\nTry 'more --help' for more information.\n"
            };
            p.err(line).await;
            return 1;
        }
        all = p.all_input().await;
    }
    let mut status = 0;
    for f in &files {
        match p.slurp(f).await {
            Ok(b) => all.extend_from_slice(&b),
            Err(Errno::EISDIR) => {
                let t = text(f);
                let line = if name == "less" { format!("{t} is a directory\n") } else { format!("\n*** {t}: directory ***\n\n") };
                p.err(line).await;
                status = 1;
            }
            Err(e) => {
                let t = text(f);
                let line = if name == "less" { format!("{t}: {e}\n") } else { format!("more: cannot open {t}: {e}\n") };
                p.err(line).await;
                status = 1;
            }
        }
    }
    if !p.tty(1) || status != 0 {
        p.out(all);
        return status;
    }
    let rows = usize::from(p.k.state.lock().rows.max(4)) - 1;
    let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
    let modes = p.k.state.lock().modes;
    p.k.set_modes(Modes { echo: false, canonical: false, ..modes });
    let guard = Back(std::sync::Arc::clone(&p.k), modes);
    let mut at = 0;
    let k = std::sync::Arc::clone(&p.k);
    let mut need = rows;
    loop {
        let page = lines.get(at..(at + need).min(lines.len())).unwrap_or_default().concat();
        at = (at + need).min(lines.len());
        k.room().await;
        k.print(&page);
        if at >= lines.len() && name == "more" {
            break;
        }
        let percent = (at * 100).checked_div(lines.len()).unwrap_or(100);
        let mark = if name == "more" {
            format!("\x1b[7m--More--({percent}%)\x1b[27m")
        } else if at >= lines.len() {
            "\x1b[7m(END)\x1b[27m".into()
        } else if at == need {
            files.first().map_or_else(|| ":".to_owned(), |f| format!("\x1b[7m{}\x1b[27m", text(f)))
        } else {
            ":".into()
        };
        k.print(mark.as_bytes());
        let key = k.input(1).await;
        k.print(b"\r\x1b[K");
        match key.first() {
            None | Some(b'q' | b'Q') => break,
            Some(b' ' | b'f') => need = rows,
            Some(b'G') => need = lines.len(),
            Some(b'g') => {
                at = 0;
                need = rows;
                k.print(b"\x1b[H\x1b[2J");
            }
            Some(b'b') => {
                at = at.saturating_sub(rows * 2);
                need = rows;
                k.print(b"\x1b[H\x1b[2J");
            }
            _ => need = usize::from(at < lines.len()),
        }
    }
    drop(guard);
    0
}

struct Back(std::sync::Arc<crate::shell::kernel::Kernel>, Modes);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.set_modes(self.1);
    }
}

/// `vi`, `vim`, `nano`, `ed`: enough to look at a file, type text and save it.
pub(crate) async fn editor(p: &mut Proc) -> i32 {
    let name = p.name();
    let nano = name.contains("nano") || name == "pico" || name == "editor";
    let file = p.args.iter().skip(1).find(|a| !a.starts_with(b"-") && !a.starts_with(b"+")).cloned();
    if !p.tty(0) || !p.tty(1) {
        let line = if nano {
            "Standard input is not a terminal\n"
        } else {
            "Vim: Warning: Output is not to a terminal\nVim: Warning: Input is not from a terminal\n"
        };
        p.err(line).await;
        return 1;
    }
    let path = file.as_ref().map(|f| p.path(f));
    let old = path.as_ref().and_then(|f| p.fs().read(&p.who, f).ok());
    let new = old.is_none();
    let mut lines: Vec<Vec<u8>> = old.as_deref().unwrap_or_default().split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if lines.len() > 1 && lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    let modes = p.k.state.lock().modes;
    p.k.set_modes(Modes { echo: false, canonical: false, signals: false, icrnl: false, ..modes });
    let guard = Back(std::sync::Arc::clone(&p.k), modes);
    let k = std::sync::Arc::clone(&p.k);
    k.print(b"\x1b[?1049h\x1b[H\x1b[2J");
    let shown = file.as_ref().map(|f| text(f)).unwrap_or_default();
    let (mut row, mut col, mut top) = (0usize, 0usize, 0usize);
    let mut insert = nano;
    let mut status = if nano || file.is_none() {
        String::new()
    } else if new {
        format!("\"{shown}\" [New]")
    } else {
        format!("\"{shown}\" {}L, {}B", lines.len(), old.as_ref().map_or(0, |b| b.len()))
    };
    let mut command: Option<Vec<u8>> = None;
    let mut pending = 0u8;
    let mut dirty = false;
    let save = |p: &mut Proc, lines: &[Vec<u8>], path: &Option<Vec<u8>>| -> Result<usize, Errno> {
        let Some(path) = path else { return Err(Errno::ENOENT) };
        let mut all = lines.join(&b'\n');
        all.push(b'\n');
        p.fs().write(&p.who, path, &all, WriteMode::Truncate, 0o666 & !p.umask, p.k.now())?;
        p.k.dirty(path);
        Ok(all.len())
    };
    loop {
        // Draw.
        let (rows, cols) = {
            let s = k.state.lock();
            (usize::from(s.rows.max(4)), usize::from(s.cols.max(20)))
        };
        let head = usize::from(nano);
        let body = rows - 1 - head - if nano { 2 } else { 0 };
        if row < top {
            top = row;
        }
        if row >= top + body {
            top = row + 1 - body;
        }
        let mut out = b"\x1b[?25l\x1b[H".to_vec();
        if nano {
            let title = format!("  GNU nano 7.2 {:^w$}", if shown.is_empty() { "New Buffer" } else { &shown }, w = cols.saturating_sub(30));
            out.extend(format!("\x1b[7m{title:<cols$.cols$}\x1b[0m\r\n").bytes());
        }
        for n in 0..body {
            out.extend_from_slice(b"\x1b[K");
            match lines.get(top + n) {
                Some(l) => out.extend_from_slice(l.get(..cols.min(l.len())).unwrap_or(l)),
                None if !nano => out.extend_from_slice(b"\x1b[94m~\x1b[0m"),
                None => {}
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\x1b[K");
        match &command {
            Some(c) => out.extend_from_slice(c),
            None if insert && !nano => out.extend_from_slice(b"\x1b[1m-- INSERT --\x1b[0m"),
            None => out.extend(status.bytes().take(cols - 1)),
        }
        if nano {
            out.extend_from_slice(b"\r\n\x1b[K\x1b[7m^G\x1b[0m Help      \x1b[7m^O\x1b[0m Write Out \x1b[7m^W\x1b[0m Where Is  \x1b[7m^K\x1b[0m Cut\r\n\x1b[K\x1b[7m^X\x1b[0m Exit      \x1b[7m^R\x1b[0m Read File \x1b[7m^\\\x1b[0m Replace   \x1b[7m^U\x1b[0m Paste");
        }
        if let Some(c) = &command {
            out.extend(format!("\x1b[{rows};{}H", c.len() + 1).bytes());
        } else {
            out.extend(format!("\x1b[{};{}H", row - top + 1 + head, col.min(cols - 1) + 1).bytes());
        }
        out.extend_from_slice(b"\x1b[?25h");
        k.room().await;
        {
            let mut s = k.state.lock();
            let post = s.modes.post;
            s.modes.post = false;
            s.print(&out);
            s.modes.post = post;
        }
        let key = k.input(1).await;
        let Some(&c) = key.first() else { break };
        k.pay(2).await;
        if let Some(cmd) = &mut command {
            match c {
                b'\r' | b'\n' => {
                    let line = text(cmd);
                    command = None;
                    if nano && line.starts_with("Save modified") {
                        continue;
                    }
                    let body = line.trim_start_matches(':').trim().to_owned();
                    let (write, quit, force) = (
                        body.starts_with('w') || body == "x" || body == "x!",
                        body.contains('q') || body.starts_with('x'),
                        body.ends_with('!'),
                    );
                    let target = body.split_once(' ').map(|(_, f)| p.path(f.trim().as_bytes())).or_else(|| path.clone());
                    if write {
                        match save(p, &lines, &target) {
                            Ok(n) => {
                                status = format!(
                                    "\"{}\" {}{}L, {n}B written",
                                    target.as_ref().map(|t| text(t)).unwrap_or_default(),
                                    if new { "[New] " } else { "" },
                                    lines.len()
                                );
                                dirty = false;
                            }
                            Err(Errno::ENOENT) => {
                                status = "E32: No file name".into();
                                continue;
                            }
                            Err(_) => {
                                status = format!("\"{shown}\" E212: Can't open file for writing");
                                continue;
                            }
                        }
                    }
                    if quit {
                        if dirty && !force && !write {
                            status = "E37: No write since last change (add ! to override)".into();
                            continue;
                        }
                        break;
                    }
                    if let Ok(n) = body.parse::<usize>() {
                        row = n.saturating_sub(1).min(lines.len().saturating_sub(1));
                    } else if !write && !body.is_empty() && !body.starts_with("set") && !body.starts_with("syn") {
                        status = format!("E492: Not an editor command: {body}");
                    }
                }
                27 => command = None,
                127 | 8 => {
                    cmd.pop();
                    if cmd.is_empty() {
                        command = None;
                    }
                }
                c if c >= 32 && cmd.len() < 1000 => cmd.push(c),
                _ => {}
            }
            continue;
        }
        if c == 27 && !nano {
            // An arrow key, or the end of inserting.
            let more = {
                let s = k.state.lock();
                s.typed.iter().take(2).copied().collect::<Vec<u8>>()
            };
            if let [b'[' | b'O', d @ (b'A'..=b'D')] = more.as_slice() {
                k.input(2).await;
                arrow(*d, &mut row, &mut col, &lines);
            } else {
                insert = false;
                status.clear();
                col = col.saturating_sub(1);
            }
            continue;
        }
        if c == 27 {
            let more = {
                let s = k.state.lock();
                s.typed.iter().take(2).copied().collect::<Vec<u8>>()
            };
            if let [b'[' | b'O', d] = more.as_slice() {
                k.input(2).await;
                arrow(*d, &mut row, &mut col, &lines);
            }
            continue;
        }
        if insert {
            match c {
                24 if nano => {
                    if dirty {
                        status = "Save modified buffer?  Y Yes  N No  ^C Cancel".into();
                        pending = b'X';
                        insert = false;
                        continue;
                    }
                    break;
                }
                15 | 19 if nano => {
                    status = match save(p, &lines, &path) {
                        Ok(_) => format!("[ Wrote {} lines ]", lines.len()),
                        Err(e) => format!("[ Error writing {shown}: {e} ]"),
                    };
                    dirty = false;
                }
                11 if nano && row < lines.len() && lines.len() > 1 => {
                    lines.remove(row);
                    row = row.min(lines.len() - 1);
                    col = 0;
                    dirty = true;
                }
                b'\r' | b'\n' => {
                    if let Some(l) = lines.get_mut(row) {
                        let rest = l.split_off(col.min(l.len()));
                        if lines.len() < 100_000 {
                            lines.insert(row + 1, rest);
                        }
                        row += 1;
                        col = 0;
                        dirty = true;
                    }
                }
                127 | 8 => {
                    if col > 0 {
                        if let Some(l) = lines.get_mut(row) {
                            col = (col - 1).min(l.len());
                            if col < l.len() {
                                l.remove(col);
                            }
                        }
                    } else if row > 0 {
                        let l = lines.remove(row);
                        row -= 1;
                        if let Some(up) = lines.get_mut(row) {
                            col = up.len();
                            up.extend(l);
                        }
                    }
                    dirty = true;
                }
                c if c >= 32 || c == b'\t' => {
                    if let Some(l) = lines.get_mut(row)
                        && l.len() < 100_000
                    {
                        col = col.min(l.len());
                        l.insert(col, c);
                        col += 1;
                        dirty = true;
                    }
                }
                _ => {}
            }
            continue;
        }
        if pending == b'X' {
            pending = 0;
            match c {
                b'y' | b'Y' => {
                    let _ = save(p, &lines, &path);
                    break;
                }
                b'n' | b'N' => break,
                _ => {
                    insert = true;
                    status.clear();
                    continue;
                }
            }
        }
        match (pending, c) {
            (b'd', b'd') => {
                if lines.len() > 1 {
                    lines.remove(row);
                    row = row.min(lines.len() - 1);
                } else if let Some(l) = lines.first_mut() {
                    l.clear();
                }
                col = 0;
                dirty = true;
                pending = 0;
            }
            (b'Z', b'Z') => {
                let _ = save(p, &lines, &path);
                break;
            }
            (b'Z', b'Q') => break,
            (b'g', b'g') => {
                row = 0;
                pending = 0;
            }
            (_, b'd' | b'Z' | b'g') => pending = c,
            (_, b':') => command = Some(b":".to_vec()),
            (_, b'i') => insert = true,
            (_, b'a') => {
                insert = true;
                col = (col + 1).min(lines.get(row).map_or(0, Vec::len));
            }
            (_, b'A') => {
                insert = true;
                col = lines.get(row).map_or(0, Vec::len);
            }
            (_, b'I') => {
                insert = true;
                col = 0;
            }
            (_, b'o') => {
                insert = true;
                lines.insert((row + 1).min(lines.len()), Vec::new());
                row = (row + 1).min(lines.len() - 1);
                col = 0;
            }
            (_, b'O') => {
                insert = true;
                lines.insert(row, Vec::new());
                col = 0;
            }
            (_, b'x') => {
                if let Some(l) = lines.get_mut(row)
                    && col < l.len()
                {
                    l.remove(col);
                    dirty = true;
                }
            }
            (_, b'h') => arrow(b'D', &mut row, &mut col, &lines),
            (_, b'l') => arrow(b'C', &mut row, &mut col, &lines),
            (_, b'k') => arrow(b'A', &mut row, &mut col, &lines),
            (_, b'j') => arrow(b'B', &mut row, &mut col, &lines),
            (_, b'G') => row = lines.len() - 1,
            (_, b'0') => col = 0,
            (_, b'$') => col = lines.get(row).map_or(0, |l| l.len().saturating_sub(1)),
            (_, 3) => status = "Type  :qa!  and press <Enter> to abandon all changes and exit Vim".into(),
            _ => pending = 0,
        }
    }
    drop(guard);
    k.print(b"\x1b[?1049l");
    0
}

fn arrow(d: u8, row: &mut usize, col: &mut usize, lines: &[Vec<u8>]) {
    match d {
        b'A' => *row = row.saturating_sub(1),
        b'B' => *row = (*row + 1).min(lines.len().saturating_sub(1)),
        b'C' => *col += 1,
        _ => *col = col.saturating_sub(1),
    }
    *col = (*col).min(lines.get(*row).map_or(0, Vec::len));
}

fn units(p: &Proc) -> Vec<(&'static str, &'static str, bool)> {
    let mut list = vec![
        ("cron", "Regular background program processing daemon", true),
        ("dbus", "D-Bus System Message Bus", true),
        ("getty@tty1", "Getty on tty1", true),
        ("networking", "Raise network interfaces", true),
        ("rsyslog", "System Logging Service", true),
        ("systemd-journald", "Journal Service", true),
        ("systemd-logind", "User Login Management", true),
        ("systemd-timesyncd", "Network Time Synchronization", true),
        ("systemd-udevd", "Rule-based Manager for Device Events and Files", true),
    ];
    for s in &p.fs().persona().services {
        let product = s.software.product.to_ascii_lowercase();
        match s.name.as_str() {
            "ssh" => list.push(("ssh", "OpenBSD Secure Shell server", true)),
            "http" | "https" if product.contains("nginx") => {
                list.push(("nginx", "A high performance web server and a reverse proxy server", true))
            }
            "http" | "https" => list.push(("apache2", "The Apache HTTP Server", true)),
            "mysql" => list.push(("mariadb", "MariaDB 10.11.6 database server", true)),
            "redis" => list.push(("redis-server", "Advanced key-value store", true)),
            "ftp" => list.push(("vsftpd", "vsftpd FTP server", true)),
            "imap" | "pop3" => list.push(("dovecot", "Dovecot IMAP/POP3 email server", true)),
            "smtp" => list.push(("postfix", "Postfix Mail Transport Agent", true)),
            "smb" => list.push(("smbd", "Samba SMB Daemon", true)),
            "telnet" => list.push(("inetutils-inetd", "LSB: Start/stop the inetutils superserver", true)),
            "snmp" => list.push(("snmpd", "Simple Network Management Protocol (SNMP) Daemon.", true)),
            "mqtt" => list.push(("mosquitto", "Mosquitto MQTT Broker", true)),
            _ => {}
        }
    }
    list.sort_unstable();
    list.dedup();
    list
}

/// `journalctl`: the system's log in its short form.
async fn journal(p: &mut Proc) -> i32 {
    let words = p.words();
    let log = p.fs().read(&crate::shell::Who::root(), b"/var/log/syslog").unwrap_or_default();
    let valued = |short: &str, long: &str| {
        words.iter().enumerate().find_map(|(at, w)| {
            if w == short || w == long {
                words.get(at + 1).cloned()
            } else {
                w.strip_prefix(long)
                    .and_then(|r| r.strip_prefix('='))
                    .or_else(|| w.strip_prefix(short).filter(|r| !r.is_empty() && !w.starts_with("--")))
                    .map(str::to_owned)
            }
        })
    };
    let unit = valued("-u", "--unit").map(|u| u.trim_end_matches(".service").to_owned());
    let most = valued("-n", "--lines").and_then(|n| n.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let all = text(&log);
    let lines: Vec<String> = all
        .lines()
        .filter(|l| unit.as_ref().is_none_or(|u| l.contains(&format!(" {u}[")) || l.contains(&format!("{u}.service"))))
        .map(short_stamp)
        .collect();
    if lines.is_empty() {
        p.out("-- No entries --\n");
    }
    let order: Vec<&String> = lines.iter().skip(lines.len().saturating_sub(most)).collect();
    let back = words.iter().any(|w| w == "-r" || w == "--reverse");
    for l in order.iter().rev().filter(|_| back).chain(order.iter().filter(|_| !back)) {
        p.out(format!("{l}\n"));
    }
    0
}

/// `2026-03-02T09:15:00.123456+01:00 host …` as `Mar 02 09:15:00 host …`.
fn short_stamp(line: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let short = || {
        let (stamp, rest) = line.split_once(' ')?;
        let (date, time) = stamp.split_once('T')?;
        let mut parts = date.split('-').skip(1);
        let month = MONTHS.get(parts.next()?.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{month} {} {} {rest}", parts.next()?, time.get(..8)?))
    };
    short().unwrap_or_else(|| line.to_owned())
}

/// `systemctl`, `service`, `journalctl`, `reboot` and friends.
pub(crate) async fn systemctl(p: &mut Proc) -> i32 {
    let name = p.name();
    let words: Vec<String> = p.words().into_iter().filter(|w| !w.starts_with('-')).collect();
    let units = units(p);
    let find = |n: &str| {
        let n = n.trim_end_matches(".service");
        let n = match n {
            "sshd" => "ssh",
            "mysql" | "mysqld" => "mariadb",
            "httpd" => "apache2",
            n => n,
        };
        units.iter().find(|u| u.0 == n).copied()
    };
    if matches!(name.as_str(), "reboot" | "poweroff" | "halt" | "shutdown" | "init" | "telinit") {
        if p.who.uid != 0 {
            p.err("Failed to set wall message, ignoring: Interactive authentication required.\nFailed to call ScheduleShutdown in logind, no action will be taken: Interactive authentication required.\n".replace("ScheduleShutdown in logind, no action will be taken", if name == "shutdown" { "ScheduleShutdown in logind, no action will be taken" } else { "Reboot in logind" })).await;
            return 1;
        }
        if name == "shutdown" && words.first().is_some_and(|w| w != "now" && w != "0" && w != "+0") {
            let at = p.k.now().seconds() + 60;
            let t = logs::local(p.fs().persona(), at, "%a %Y-%m-%d %H:%M:%S %Z");
            p.err(format!("Shutdown scheduled for {t}, use 'shutdown -c' to cancel.\n")).await;
            return 0;
        }
        p.k.sleep(Duration::from_millis(400)).await;
        // The machine goes down: the connection breaks.
        let k = std::sync::Arc::clone(&p.k);
        k.state.lock().hangup = true;
        k.sleep(Duration::from_secs(5)).await;
        return 0;
    }
    if name == "journalctl" {
        return journal(p).await;
    }
    let (verb, unit) = if name == "service" {
        if p.words().iter().any(|w| w == "--status-all") {
            for u in &units {
                p.out(format!(" [ + ]  {}\n", u.0));
            }
            return 0;
        }
        match (words.first(), words.get(1)) {
            (Some(u), Some(v)) => (v.clone(), u.clone()),
            (Some(u), None) => {
                p.err(format!("{u}: unrecognized service\n")).await;
                return 1;
            }
            _ => {
                p.err("Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]\n").await;
                return 1;
            }
        }
    } else {
        (words.first().cloned().unwrap_or_else(|| "list-units".into()), words.get(1).cloned().unwrap_or_default())
    };
    if name == "service" && find(&unit).is_none() {
        p.err(format!("{unit}: unrecognized service\n")).await;
        return 1;
    }
    match verb.as_str() {
        "list-units" | "list-unit-files" => {
            p.out("  UNIT                      LOAD   ACTIVE SUB     DESCRIPTION\n");
            for u in &units {
                p.out(format!("  {:<25} loaded active running {}\n", format!("{}.service", u.0), u.1));
            }
            p.out(format!("\nLOAD   = Reflects whether the unit definition was properly loaded.\nACTIVE = The high-level unit activation state, i.e. generalization of SUB.\nSUB    = The low-level unit activation state, values depend on unit type.\n{} loaded units listed.\n", units.len()));
            0
        }
        "is-active" => {
            let on = find(&unit).is_some();
            p.out(if on { "active\n" } else { "inactive\n" });
            if on { 0 } else { 3 }
        }
        "is-enabled" => match find(&unit) {
            Some(_) => {
                p.out("enabled\n");
                0
            }
            None => {
                p.err(format!("Failed to get unit file state for {unit}.service: No such file or directory\n")).await;
                1
            }
        },
        "daemon-reload" | "daemon-reexec" | "reset-failed" => {
            if p.who.uid != 0 {
                p.err("Failed to reload daemon: Interactive authentication required.\n").await;
                return 1;
            }
            0
        }
        "get-default" => {
            p.out("multi-user.target\n");
            0
        }
        "is-system-running" => {
            p.out("running\n");
            0
        }
        "status" => match find(&unit) {
            None => {
                p.err(format!("Unit {}.service could not be found.\n", unit.trim_end_matches(".service"))).await;
                4
            }
            Some(u) => {
                let (pid, comm, start, rss, args) = {
                    let live = p.fs().live.lock();
                    let want = match u.0 {
                        "ssh" => "sshd",
                        "mariadb" => "mariadbd",
                        "postfix" => "master",
                        n => n,
                    };
                    live.procs
                        .values()
                        .find(|q| q.comm.starts_with(want.as_bytes().get(..want.len().min(15)).unwrap_or_default()) && q.ppid == 1)
                        .map_or((0, String::new(), live.persona.booted, 2000, String::new()), |q| {
                            (q.pid, text(&q.comm), q.start, q.rss, text(&q.command()))
                        })
                };
                let persona = std::sync::Arc::clone(p.fs().persona());
                let since = logs::local(&persona, start.seconds(), "%a %Y-%m-%d %H:%M:%S %Z");
                let days = (p.k.now().seconds() - start.seconds()) / 86_400;
                let ago = if days > 6 {
                    format!("{} weeks {} days ago", days / 7, days % 7).replace("1 weeks", "1 week")
                } else {
                    format!("{days} days ago")
                };
                p.out(format!("* {0}.service - {1}\n     Loaded: loaded (/lib/systemd/system/{0}.service; enabled; preset: enabled)\n     Active: active (running) since {since}; {ago}\n   Main PID: {pid} ({comm})\n      Tasks: 1 (limit: {2})\n     Memory: {3:.1}M\n        CPU: 1.2{4}s\n     CGroup: /system.slice/{0}.service\n             `-{pid} {args}\n", u.0, u.1, p.fs().live.lock().hw.mem_kb / 877, rss as f64 / 1024.0, pid % 90));
                0
            }
        },
        "start" | "stop" | "restart" | "reload" | "enable" | "disable" | "mask" | "unmask" | "try-restart" | "force-reload"
        | "condrestart" => {
            if find(&unit).is_none() {
                let file = format!("/etc/systemd/system/{}.service", unit.trim_end_matches(".service"));
                if p.fs().stat(&crate::shell::Who::root(), file.as_bytes()).is_ok() && p.who.uid == 0 {
                    if verb == "enable" {
                        p.err(format!(
                            "Created symlink /etc/systemd/system/multi-user.target.wants/{0}.service -> {file}.\n",
                            unit.trim_end_matches(".service")
                        ))
                        .await;
                    }
                    return 0;
                }
                let line = match verb.as_str() {
                    "enable" | "disable" => {
                        format!("Failed to {verb} unit: Unit file {}.service does not exist.\n", unit.trim_end_matches(".service"))
                    }
                    "stop" => format!("Failed to stop {0}.service: Unit {0}.service not loaded.\n", unit.trim_end_matches(".service")),
                    _ => format!("Failed to {verb} {0}.service: Unit {0}.service not found.\n", unit.trim_end_matches(".service")),
                };
                p.err(line).await;
                return if verb == "enable" || verb == "disable" { 1 } else { 5 };
            }
            if p.who.uid != 0 {
                p.err(format!("Failed to {verb} {0}.service: Interactive authentication required.\nSee system logs and 'systemctl status {0}.service' for details.\n", unit.trim_end_matches(".service"))).await;
                return 1;
            }
            p.k.sleep(Duration::from_millis(200 + u64::from(p.k.random_u32() % 700))).await;
            0
        }
        other => {
            p.err(format!("Unknown command verb {other}.\n")).await;
            1
        }
    }
}

/// `openssl`: `version`, `passwd`, `rand`, digests; keys take what it would take elsewhere.
pub(crate) async fn openssl(p: &mut Proc) -> i32 {
    let words = p.words();
    match words.first().map(String::as_str) {
        Some("version") => {
            let v = match (p.fs().persona().distro.id.as_str(), p.fs().persona().distro.version_id.as_str()) {
                ("ubuntu", "22.04") => "OpenSSL 3.0.2 15 Mar 2022 (Library: OpenSSL 3.0.2 15 Mar 2022)",
                ("alpine", _) => "OpenSSL 3.1.4 24 Oct 2023 (Library: OpenSSL 3.1.4 24 Oct 2023)",
                ("debian", "11") => "OpenSSL 1.1.1w  11 Sep 2023",
                _ => "OpenSSL 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15 3 Sep 2024)",
            };
            p.out(format!("{v}\n"));
            0
        }
        Some("passwd") => {
            let salt = words
                .iter()
                .position(|w| w == "-salt")
                .and_then(|n| words.get(n + 1))
                .cloned()
                .unwrap_or_else(|| format!("{:08x}{:08x}", p.k.random_u32(), p.k.random_u32()));
            let secret = match words.iter().skip(1).find(|w| !w.starts_with('-') && **w != salt).cloned() {
                Some(s) => s.into_bytes(),
                None => p.secret("Password: ").await.unwrap_or_default(),
            };
            p.out(format!("{}\n", logs::sha512_crypt(&secret, salt.as_bytes())));
            0
        }
        Some("rand") => {
            let n: usize = words.iter().rev().find_map(|w| w.parse().ok()).unwrap_or(16).min(1 << 20);
            let mut b = vec![0; n];
            rand::Rng::fill_bytes(&mut p.k.state.lock().rng, &mut b);
            if words.iter().any(|w| w == "-hex") {
                p.out(hex::encode(&b) + "\n");
            } else if words.iter().any(|w| w == "-base64") {
                use base64::Engine;
                let all = base64::engine::general_purpose::STANDARD.encode(&b);
                for l in all.as_bytes().chunks(64) {
                    p.out(l);
                    p.out(b"\n");
                }
            } else {
                p.out(b);
            }
            0
        }
        Some(d @ ("md5" | "sha1" | "sha256" | "sha512" | "dgst")) => {
            let _ = d;
            let kind = words.iter().find(|w| w.contains("md5")).map_or(
                if words.iter().any(|w| w.contains("sha1")) {
                    "SHA1"
                } else if words.iter().any(|w| w.contains("sha512")) {
                    "SHA2-512"
                } else {
                    "SHA2-256"
                },
                |_| "MD5",
            );
            let file = words.iter().skip(1).find(|w| !w.starts_with('-')).cloned();
            let Ok(bytes) = p.slurp(file.as_deref().unwrap_or("-").as_bytes()).await else {
                p.err(format!("Can't open \"{0}\" for reading, No such file or directory\n", file.unwrap_or_default())).await;
                return 1;
            };
            use sha2::Digest;
            let sum = match kind {
                "MD5" => hex::encode(md5::Md5::digest(&bytes)),
                "SHA1" => hex::encode(sha1::Sha1::digest(&bytes)),
                "SHA2-512" => hex::encode(sha2::Sha512::digest(&bytes)),
                _ => hex::encode(sha2::Sha256::digest(&bytes)),
            };
            p.out(format!("{kind}({})= {sum}\n", file.unwrap_or_else(|| "stdin".into())));
            0
        }
        Some("s_client") => {
            let to = words.iter().position(|w| w == "-connect").and_then(|n| words.get(n + 1)).cloned().unwrap_or_default();
            p.k.note(model::Saw::UrlSeen { url: format!("tls://{to}").into(), tool: "openssl".into() });
            let why = super::net::reach(&p.k, to.split(':').next().unwrap_or_default()).await;
            p.err(format!("connect:errno={}\n", if why == super::net::Why::Refused { 111 } else { 110 })).await;
            1
        }
        None => 0,
        Some(other) => {
            let known =
                ["req", "genrsa", "rsa", "x509", "enc", "ecparam", "ec", "pkcs12", "ciphers", "speed", "s_server", "genpkey", "pkey"];
            if known.contains(&other) {
                return 0;
            }
            p.err(format!("Invalid command '{other}'; type \"help\" for a list.\n")).await;
            1
        }
    }
}

/// `apt`, `apt-get`, `dpkg`, `dpkg-query`, `apk`, `yum`, `dnf`, `rpm`, `pip`.
pub(crate) async fn packages(p: &mut Proc) -> i32 {
    let name = p.name();
    let words: Vec<String> = p.words();
    let plain: Vec<String> = words.iter().filter(|w| !w.starts_with('-')).cloned().collect();
    let persona = std::sync::Arc::clone(p.fs().persona());
    let list = logs::packages(&persona);
    match name.as_str() {
        "dpkg" | "dpkg-query" => {
            let flag = words.first().cloned().unwrap_or_default();
            match flag.as_str() {
                "-l" | "--list" => {
                    p.out("Desired=Unknown/Install/Remove/Purge/Hold\n| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n||/ Name                           Version                        Architecture Description\n+++-==============================-==============================-============-=================================================================\n");
                    let mut any = false;
                    for (n, v, d) in &list {
                        if plain.is_empty() || plain.iter().any(|g| crate::shell::interp::glob::matches(g.as_bytes(), n.as_bytes())) {
                            p.out(format!("ii  {n:<30} {v:<30} amd64        {d}\n"));
                            any = true;
                        }
                    }
                    if !any {
                        let _ = std::mem::take(&mut 0);
                        p.err(format!("dpkg-query: no packages found matching {}\n", plain.first().cloned().unwrap_or_default())).await;
                        return 1;
                    }
                    0
                }
                "-s" | "--status" | "-W" | "--show" => {
                    let mut status = 0;
                    for n in &plain {
                        match list.iter().find(|x| x.0 == *n) {
                            Some((n, v, d)) => p.out(if flag == "-W" || flag == "--show" { format!("{n}\t{v}\n") } else { format!("Package: {n}\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\nVersion: {v}\nDescription: {d}\n") }),
                            None => {
                                p.err(format!("dpkg-query: package '{n}' is not installed and no information is available\nUse dpkg --info (= dpkg-deb --info) to examine archive files.\n")).await;
                                status = 1;
                            }
                        }
                    }
                    if plain.is_empty() && flag.starts_with("-W") {
                        for (n, v, _) in &list {
                            p.out(format!("{n}\t{v}\n"));
                        }
                    }
                    status
                }
                "--print-architecture" => {
                    p.out(if persona.distro.machine == "aarch64" { "arm64\n" } else { "amd64\n" });
                    0
                }
                "-S" | "--search" => {
                    for n in &plain {
                        p.err(format!("dpkg-query: no path found matching pattern *{n}*\n")).await;
                    }
                    1
                }
                "--version" => {
                    p.out("Debian 'dpkg' package management program version 1.21.22 (amd64).\nThis is free software; see the GNU General Public License version 2 or\nlater for copying conditions. There is NO warranty.\n");
                    0
                }
                "-i" | "--install" => {
                    if p.who.uid != 0 {
                        p.err("dpkg: error: requested operation requires superuser privilege\n").await;
                        return 2;
                    }
                    let f = plain.first().cloned().unwrap_or_default();
                    p.err(format!("dpkg: error: cannot access archive '{f}': No such file or directory\n")).await;
                    1
                }
                _ => {
                    p.err("dpkg: error: need an action option\n\nType dpkg --help for help about installing and deinstalling packages [*];\nUse 'apt' or 'aptitude' for user-friendly package management;\nType dpkg -Dhelp for a list of dpkg debug flag values;\nType dpkg --force-help for a list of forcing options;\nType dpkg-deb --help for help about manipulating *.deb files;\n\nOptions marked [*] produce a lot of output - pipe it through 'less' or 'more' !\n").await;
                    2
                }
            }
        }
        "apk" => match plain.first().map(String::as_str) {
            Some("info" | "list") => {
                for n in [
                    "alpine-baselayout",
                    "alpine-keys",
                    "apk-tools",
                    "busybox",
                    "libc-utils",
                    "musl",
                    "musl-utils",
                    "openssl",
                    "scanelf",
                    "ssl_client",
                    "zlib",
                ] {
                    p.out(format!("{n}\n"));
                }
                0
            }
            Some("add" | "update" | "upgrade") => {
                let v = persona.distro.version_id.rsplit_once('.').map_or(persona.distro.version_id.clone(), |x| x.0.to_owned());
                for repo in ["main", "community"] {
                    p.out(format!("fetch https://dl-cdn.alpinelinux.org/alpine/v{v}/{repo}/x86_64/APKINDEX.tar.gz\n"));
                    let _ = p.flush().await;
                    p.k.sleep(Duration::from_secs(5)).await;
                    p.err(format!("WARNING: updating and opening https://dl-cdn.alpinelinux.org/alpine/v{v}/{repo}: temporary error (try again later)\n")).await;
                }
                if plain.first().is_some_and(|c| c == "add") {
                    p.err("ERROR: unable to select packages:\n").await;
                    for n in plain.iter().skip(1) {
                        p.err(format!("  {n} (no such package):\n    required by: world[{n}]\n")).await;
                    }
                    return 1;
                }
                p.out("4 errors; 14 distinct packages available\n");
                4
            }
            _ => {
                p.out("apk-tools 2.14.0, compiled for x86_64.\n\nusage: apk [<OPTIONS>...] COMMAND [<ARGUMENTS>...]\n");
                1
            }
        },
        "rpm" => {
            if words.iter().any(|w| w.contains("qa")) {
                for (n, v, _) in &list {
                    p.out(format!("{n}-{v}.el9.x86_64\n"));
                }
            } else {
                for n in &plain {
                    p.out(format!("package {n} is not installed\n"));
                }
                return 1;
            }
            0
        }
        "yum" | "dnf" | "dnf-3" => {
            if p.who.uid != 0 && !matches!(plain.first().map(String::as_str), Some("list" | "search" | "info" | "repolist")) {
                p.err("Error: This command has to be run with superuser privileges (under the root user on most systems).\n").await;
                return 1;
            }
            p.k.sleep(Duration::from_secs(20)).await;
            p.err("Errors during downloading metadata for repository 'baseos':\n  - Curl error (6): Couldn't resolve host name for https://mirrors.rockylinux.org/mirrorlist?arch=x86_64&repo=BaseOS-9 [Could not resolve host: mirrors.rockylinux.org]\nError: Failed to download metadata for repo 'baseos': Cannot prepare internal mirrorlist: Curl error (6): Couldn't resolve host name for https://mirrors.rockylinux.org/mirrorlist?arch=x86_64&repo=BaseOS-9 [Could not resolve host: mirrors.rockylinux.org]\n").await;
            1
        }
        _ => {
            // apt, apt-get, apt-cache
            let code = persona.distro.codename.clone();
            let (host, sec) = if persona.distro.id == "ubuntu" {
                ("archive.ubuntu.com", "security.ubuntu.com")
            } else {
                ("deb.debian.org", "security.debian.org")
            };
            match plain.first().map(String::as_str) {
                Some("update") => {
                    if p.who.uid != 0 {
                        p.out("Reading package lists... Done\n");
                        let _ = p.flush().await;
                        p.err("E: Could not open lock file /var/lib/apt/lists/lock - open (13: Permission denied)\nE: Unable to lock directory /var/lib/apt/lists/\n").await;
                        return 100;
                    }
                    let suites = [(host, code.clone()), (sec, format!("{code}-security")), (host, format!("{code}-updates"))];
                    for (n, (h, s)) in suites.iter().enumerate() {
                        p.out(format!(
                            "Ign:{} http://{h}/{} {s} InRelease\n",
                            n + 1,
                            if h.contains("security.debian") { "debian-security" } else { persona.distro.id.as_str() }
                        ));
                        let _ = p.flush().await;
                        p.k.sleep(Duration::from_millis(900)).await;
                    }
                    p.k.sleep(Duration::from_secs(12)).await;
                    let dir =
                        |h: &str| if h.contains("security.debian") { "debian-security".to_owned() } else { persona.distro.id.clone() };
                    for (n, (h, s)) in suites.iter().enumerate() {
                        p.out(format!("Err:{} http://{h}/{} {s} InRelease\n  Temporary failure resolving '{h}'\n", n + 1, dir(h)));
                    }
                    p.out("Reading package lists... Done\n");
                    if name == "apt" {
                        p.out("Building dependency tree... Done\nReading state information... Done\nAll packages are up to date.\n");
                    }
                    let _ = p.flush().await;
                    for (h, s) in &suites {
                        p.err(format!("W: Failed to fetch http://{h}/{}/dists/{s}/InRelease  Temporary failure resolving '{h}'\n", dir(h)))
                            .await;
                    }
                    p.err("W: Some index files failed to download. They have been ignored, or old ones used instead.\n").await;
                    0
                }
                Some("install" | "remove" | "purge" | "upgrade" | "dist-upgrade" | "full-upgrade" | "autoremove" | "build-dep") => {
                    if p.who.uid != 0 {
                        p.err("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?\n").await;
                        return 100;
                    }
                    p.out("Reading package lists... Done\nBuilding dependency tree... Done\nReading state information... Done\n");
                    let _ = p.flush().await;
                    p.k.sleep(Duration::from_millis(500)).await;
                    let mut status = 0;
                    let mut found = Vec::new();
                    for n in plain.iter().skip(1) {
                        match list.iter().find(|x| x.0 == *n) {
                            Some(x) => found.push(x.clone()),
                            None => {
                                let _ = p.flush().await;
                                p.err(format!("E: Unable to locate package {n}\n")).await;
                                status = 100;
                            }
                        }
                    }
                    if status == 0 {
                        for (n, v, _) in found {
                            p.out(format!("{n} is already the newest version ({v}).\n"));
                        }
                        if plain.first().is_some_and(|c| c.ends_with("upgrade")) {
                            p.out("Calculating upgrade... Done\n");
                        }
                        p.out("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n");
                    }
                    status
                }
                Some("list") => {
                    p.out("Listing... Done\n");
                    for (n, v, _) in list.iter().filter(|x| {
                        plain.len() < 2 || plain.iter().skip(1).any(|g| crate::shell::interp::glob::matches(g.as_bytes(), x.0.as_bytes()))
                    }) {
                        p.out(format!("{n}/stable,now {v} amd64 [installed]\n"));
                    }
                    0
                }
                Some("policy" | "show" | "search" | "depends" | "madison") => {
                    for n in plain.iter().skip(1) {
                        match list.iter().find(|x| x.0 == *n) {
                            Some((n, v, d)) if plain.first().is_some_and(|c| c == "policy") => p.out(format!("{n}:\n  Installed: {v}\n  Candidate: {v}\n  Version table:\n *** {v} 500\n        500 http://{host}/{} {code}/main amd64 Packages\n        100 /var/lib/dpkg/status\n", persona.distro.id).replace(&format!("# {d}"), "")),
                            Some((n, v, d)) => p.out(format!("Package: {n}\nVersion: {v}\nPriority: optional\nDescription: {d}\n\n")),
                            None if plain.first().is_some_and(|c| c == "policy") => p.err(format!("N: Unable to locate package {n}\n")).await,
                            None => {
                                p.err("N: Unable to locate package ".to_owned() + n + "\nE: No packages found\n").await;
                                return 100;
                            }
                        }
                    }
                    0
                }
                Some("clean" | "autoclean" | "check" | "moo") => 0,
                None => {
                    p.out(if name == "apt" { "apt 2.6.1 (amd64)\nUsage: apt [options] command\n\napt is a commandline package manager and provides commands for\nsearching and managing as well as querying information about packages.\n" } else { "apt 2.6.1 (amd64)\nUsage: apt-get [options] command\n       apt-get [options] install|remove pkg1 [pkg2 ...]\n       apt-get [options] source pkg1 [pkg2 ...]\n" });
                    i32::from(!words.iter().any(|w| w == "-v" || w == "--version" || w == "-h"))
                }
                Some(other) => {
                    p.err(format!("E: Invalid operation {other}\n")).await;
                    100
                }
            }
        }
    }
}
