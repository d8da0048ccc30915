//! What the machine says of itself: names, people, processes, memory.
#![expect(clippy::cast_possible_truncation, reason = "shares and times are shown without their fraction")]

use model::Micros;

use super::opts::{self, parse, quoted, text};
use crate::shell::{
    Kind,
    fs::{live::Process, logs, proc as kernel_files},
    interp::run,
    proc::Proc,
};

/// `uname`, `arch`.
pub(crate) async fn uname(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    let d = &persona.distro;
    if p.name() == "arch" {
        p.out(format!("{}\n", d.machine));
        return 0;
    }
    let o = match parse(
        p,
        "asnrvmpio",
        &[
            ("all", 'a', 0),
            ("kernel-name", 's', 0),
            ("nodename", 'n', 0),
            ("kernel-release", 'r', 0),
            ("kernel-version", 'v', 0),
            ("machine", 'm', 0),
            ("processor", 'p', 0),
            ("hardware-platform", 'i', 0),
            ("operating-system", 'o', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if let Some(extra) = o.rest.first() {
        let extra = quoted(extra);
        return opts::usage(p, &format!("extra operand {extra}"), 1).await;
    }
    let all = o.has('a');
    let debian = matches!(d.id.as_str(), "debian" | "ubuntu");
    let system = if d.id == "alpine" { "Linux" } else { "GNU/Linux" };
    let none = !"asnrvmpio".chars().any(|c| o.has(c));
    let host = current_host(p);
    let mut parts: Vec<String> = Vec::new();
    for (c, v) in [
        ('s', "Linux"),
        ('n', host.as_str()),
        ('r', d.kernel_release.as_str()),
        ('v', d.kernel_version.as_str()),
        ('m', d.machine.as_str()),
    ] {
        if all || o.has(c) || (none && c == 's') {
            parts.push(v.to_owned());
        }
    }
    if o.has('p') || (all && !debian && d.id != "alpine") {
        parts.push(if debian { "unknown".into() } else { d.machine.clone() });
    }
    if o.has('i') || (all && !debian && d.id != "alpine") {
        parts.push(if debian { "unknown".into() } else { d.machine.clone() });
    }
    if all || o.has('o') {
        parts.push(system.into());
    }
    p.out(parts.join(" ") + "\n");
    0
}

fn current_host(p: &Proc) -> String {
    p.fs().remembered("hostname").unwrap_or_else(|| p.fs().persona().hostname.clone())
}

/// `hostname`, `dnsdomainname`.
pub(crate) async fn hostname(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    let args = p.words();
    if p.name() == "dnsdomainname" {
        p.out(format!("{}\n", persona.domain));
        return 0;
    }
    match args.first().map(String::as_str) {
        None => {
            let host = current_host(p);
            p.out(format!("{host}\n"));
            0
        }
        Some("-f" | "--fqdn" | "--long" | "-A") => {
            p.out(format!("{}\n", persona.fqdn()));
            0
        }
        Some("-s" | "--short") => {
            let host = current_host(p);
            p.out(format!("{}\n", host.split('.').next().unwrap_or_default()));
            0
        }
        Some("-d" | "--domain") => {
            p.out(format!("{}\n", persona.domain));
            0
        }
        Some("-I" | "--all-ip-addresses") => {
            let mut list: Vec<String> = persona.ipv4.iter().map(ToString::to_string).collect();
            list.extend(persona.ipv6.iter().map(ToString::to_string));
            p.out(format!("{} \n", list.join(" ")));
            0
        }
        Some("-i" | "--ip-address") => {
            p.out("127.0.1.1\n");
            0
        }
        Some(o) if o.starts_with('-') => opts::usage(p, &format!("invalid option -- '{}'", o.trim_start_matches('-')), 255).await,
        Some(name) => {
            if p.who.uid != 0 {
                p.err("hostname: you must be root to change the host name\n").await;
                return 1;
            }
            let name = name.to_owned();
            p.fs().remember("hostname", &name);
            0
        }
    }
}

/// `hostnamectl`.
pub(crate) async fn hostnamectl(p: &mut Proc) -> i32 {
    let host = current_host(p);
    let live = p.fs().live.lock();
    let hw = std::sync::Arc::clone(&live.hw);
    let persona = std::sync::Arc::clone(&live.persona);
    let boot = kernel_files::uuid(&crate::stage::derive(&persona, &format!("shell/boot_id/{}", persona.booted.0))).replace('-', "");
    drop(live);
    let machine = hex::encode(crate::stage::derive(&persona, "shell/machine-id").get(..16).unwrap_or_default());
    let d = &persona.distro;
    let (chassis, icon) = if hw.hypervisor.is_some() { ("vm", "computer-vm") } else { ("server", "computer-server") };
    let virt = hw.hypervisor.map_or_else(String::new, |v| format!("    Virtualization: {v}\n"));
    let arch = if d.machine == "x86_64" { "x86-64" } else { d.machine.as_str() };
    p.out(format!(" Static hostname: {host}\n       Icon name: {icon}\n         Chassis: {chassis}\n      Machine ID: {machine}\n         Boot ID: {boot}\n{}Operating System: {}\n          Kernel: Linux {}\n    Architecture: {arch}\n Hardware Vendor: {}\n  Hardware Model: {}\nFirmware Version: {}\n", virt.replacen("    ", "  ", 1), d.pretty_name, d.kernel_release, hw.sys_vendor, hw.product, hw.bios));
    0
}

/// `id`.
pub(crate) async fn id(p: &mut Proc) -> i32 {
    let o = match parse(p, "agGnruzZ", &[("user", 'u', 0), ("group", 'g', 0), ("groups", 'G', 0), ("name", 'n', 0), ("real", 'r', 0)], 1)
        .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let who = match o.rest.first() {
        Some(name) => match run::account(&p.k, name).or_else(|| text(name).parse().ok().and_then(|n| run::account_of(&p.k, n))) {
            Some(a) => run::credentials(&p.k, &a),
            None => return p.fail(format!("{}: no such user", quoted(name))).await,
        },
        None => p.who.clone(),
    };
    let groups = run::groups(&p.k);
    let user = run::account_of(&p.k, who.uid).map(|a| a.name);
    let group = |g: u32| groups.iter().find(|x| x.1 == g).map(|x| x.0.clone());
    let name = |n: Option<String>, id: u32| if o.has('n') { n.unwrap_or_else(|| id.to_string()) } else { id.to_string() };
    if o.has('n') && !(o.has('u') || o.has('g') || o.has('G')) {
        return p.fail("cannot print only names or real IDs in default format").await;
    }
    if o.has('u') {
        p.out(name(user, who.uid) + "\n");
        return 0;
    }
    if o.has('g') {
        p.out(name(group(who.gid), who.gid) + "\n");
        return 0;
    }
    let all: Vec<u32> = std::iter::once(who.gid).chain(who.groups.iter().copied().filter(|g| *g != who.gid)).collect();
    if o.has('G') {
        let list: Vec<String> = all.iter().map(|g| name(group(*g), *g)).collect();
        p.out(list.join(" ") + "\n");
        return 0;
    }
    let tag = |n: Option<String>| n.map_or_else(String::new, |n| format!("({n})"));
    let list: Vec<String> = all.iter().map(|g| format!("{g}{}", tag(group(*g)))).collect();
    p.out(format!("uid={}{} gid={}{} groups={}\n", who.uid, tag(user), who.gid, tag(group(who.gid)), list.join(",")));
    0
}

/// `groups`.
pub(crate) async fn groups(p: &mut Proc) -> i32 {
    let all = run::groups(&p.k);
    let show = |who: &crate::shell::Who| {
        std::iter::once(who.gid)
            .chain(who.groups.iter().copied().filter(|g| *g != who.gid))
            .map(|g| all.iter().find(|x| x.1 == g).map_or_else(|| g.to_string(), |x| x.0.clone()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let names: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    if names.is_empty() {
        let line = show(&p.who);
        p.out(line + "\n");
        return 0;
    }
    for n in names {
        match run::account(&p.k, &n) {
            Some(a) => {
                let line = show(&run::credentials(&p.k, &a));
                p.out(format!("{} : {line}\n", text(&n)));
            }
            None => return p.fail(format!("{}: no such user", quoted(&n))).await,
        }
    }
    0
}

/// `whoami`, `logname`.
pub(crate) async fn whoami(p: &mut Proc) -> i32 {
    if p.name() == "logname" {
        let user = p.fs().live.lock().user.clone();
        if !p.k.has_tty {
            return p.fail("no login name").await;
        }
        p.out(user + "\n");
        return 0;
    }
    if let Some(extra) = p.args.get(1).cloned() {
        return opts::usage(p, &format!("extra operand {}", quoted(&extra)), 1).await;
    }
    let name = run::account_of(&p.k, p.who.uid).map(|a| a.name);
    match name {
        Some(n) => {
            p.out(n + "\n");
            0
        }
        None => p.fail(format!("cannot find name for user ID {}: No such file or directory", p.who.uid)).await,
    }
}

/// How long ago in `uptime`'s words.
fn up_words(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let head = match days {
        0 => String::new(),
        1 => "1 day, ".into(),
        n => format!("{n} days, "),
    };
    if hours > 0 { format!("{head}{hours:>2}:{minutes:02}") } else { format!("{head}{minutes} min") }
}

fn uptime_line(p: &Proc) -> String {
    let live = p.fs().live.lock();
    let [a, b, c] = live.loads();
    let up = live.uptime().0;
    let users = i32::from(live.tty.is_some());
    let clock = logs::local(&live.persona, live.now.seconds(), "%H:%M:%S");
    let word = if users == 1 { "user" } else { "users" };
    format!(" {clock} up {},  {users} {word},  load average: {a:.2}, {b:.2}, {c:.2}\n", up_words(up))
}

/// `uptime`.
pub(crate) async fn uptime(p: &mut Proc) -> i32 {
    let persona = std::sync::Arc::clone(p.fs().persona());
    match p.words().first().map(String::as_str) {
        Some("-p" | "--pretty") => {
            let up = p.fs().live.lock().uptime().0;
            let mut parts = Vec::new();
            for (n, unit) in [(up / 604_800, "week"), (up / 86_400 % 7, "day"), (up / 3600 % 24, "hour"), (up / 60 % 60, "minute")] {
                if n > 0 {
                    parts.push(format!("{n} {unit}{}", if n == 1 { "" } else { "s" }));
                }
            }
            p.out(format!("up {}\n", parts.join(", ")));
        }
        Some("-s" | "--since") => {
            let t = logs::local(&persona, persona.booted.seconds(), "%Y-%m-%d %H:%M:%S");
            p.out(t + "\n");
        }
        _ => {
            let line = uptime_line(p);
            p.out(line);
        }
    }
    0
}

/// `w`, `who`, `users`.
pub(crate) async fn who(p: &mut Proc) -> i32 {
    let name = p.name();
    let args = p.words();
    let (tty, user, peer, start, now, shell) = {
        let live = p.fs().live.lock();
        (
            live.tty.clone(),
            live.user.clone(),
            live.peer.ip().to_string(),
            live.session_start,
            live.now,
            live.procs.get(&live.shell_pid).map(|p| text(&p.command())).unwrap_or_default(),
        )
    };
    let persona = std::sync::Arc::clone(p.fs().persona());
    let local = |t: Micros, f: &str| logs::local(&persona, t.seconds(), f);
    match name.as_str() {
        "w" => {
            let short = args.iter().any(|a| a.contains('h') && a.starts_with('-'));
            if !short {
                let line = uptime_line(p);
                p.out(line);
                p.out("USER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT\n");
            }
            if let Some(tty) = tty {
                let at = if now.seconds() - start.seconds() < 43_200 { local(start, "%H:%M") } else { local(start, "%a%H") };
                let idle = now.since(p.k.state.lock().last_input).as_secs_f64();
                let what = if p.tty(1) { text(&p.args.join(&b' ')) } else { shell };
                p.out(format!(
                    "{:<8} {:<8} {:<16} {at:<7} {:>5}   0.02s  0.00s {what}\n",
                    user.get(..8.min(user.len())).unwrap_or_default(),
                    tty,
                    peer.get(..16.min(peer.len())).unwrap_or_default(),
                    format!("{idle:.2}s")
                ));
            }
        }
        "users" => {
            if tty.is_some() {
                p.out(user + "\n");
            }
        }
        _ => {
            if args.iter().any(|a| a == "-b" || a == "--boot" || a == "-a") {
                p.out(format!("         system boot  {}\n", local(persona.booted, "%Y-%m-%d %H:%M")));
                if args.iter().any(|a| a == "-b") {
                    return 0;
                }
            }
            if args.iter().any(|a| a == "-r") {
                p.out(format!("         run-level 5  {}\n", local(Micros(persona.booted.0 + 9_000_000), "%Y-%m-%d %H:%M")));
                return 0;
            }
            if args.iter().any(|a| a == "-H") {
                p.out("NAME     LINE         TIME             COMMENT\n");
            }
            if args.iter().any(|a| a == "-q") {
                p.out(format!("{user}\n# users=1\n"));
                return 0;
            }
            if let Some(tty) = tty {
                p.out(format!("{user:<8} {tty:<12} {} ({peer})\n", local(start, "%Y-%m-%d %H:%M")));
            }
        }
    }
    0
}

/// `last`, `lastb`, `lastlog`.
pub(crate) async fn last(p: &mut Proc) -> i32 {
    let name = p.name();
    let persona = std::sync::Arc::clone(p.fs().persona());
    let (tty, user, peer, start, now) = {
        let live = p.fs().live.lock();
        (live.tty.clone(), live.user.clone(), live.peer.ip().to_string(), live.session_start, live.now)
    };
    let local = |s: i64, f: &str| logs::local(&persona, s, f);
    if name == "lastb" {
        p.out(format!("\nbtmp begins {}\n", local(persona.booted.seconds(), "%a %b %e %H:%M:%S %Y")));
        return 0;
    }
    if name == "lastlog" {
        p.out("Username         Port     From             Latest\n");
        for a in run::accounts(&p.k) {
            if a.name == user && tty.is_some() {
                p.out(format!(
                    "{:<16} {:<8} {:<16} {}\n",
                    a.name,
                    tty.clone().unwrap_or_default(),
                    peer,
                    local(start.seconds(), "%a %b %e %H:%M:%S %z %Y")
                ));
            } else {
                p.out(format!("{:<16}                           **Never logged in**\n", a.name));
            }
        }
        return 0;
    }
    let mut lines: Vec<String> = Vec::new();
    if let Some(tty) = tty {
        lines.push(format!(
            "{:<8} {tty:<12} {peer:<16} {}   still logged in",
            user.get(..8.min(user.len())).unwrap_or_default(),
            local(start.seconds(), "%a %b %e %H:%M")
        ));
    }
    let mut rng = crate::shell::fs::hardware::rng(&persona, "shell/wtmp");
    let mut t = now.seconds() - 86_400;
    let base = persona.ipv4.map_or([192, 168, 1, 0], |ip| ip.octets());
    let first = (now.seconds() - now.seconds().rem_euclid(2_592_000)).max(persona.booted.seconds());
    while t > first && lines.len() < 40 {
        use rand::RngExt;
        t -= i64::from(rng.random_range(20_000..400_000u32));
        if t <= first {
            break;
        }
        let len = i64::from(rng.random_range(120..9000u32));
        let who =
            persona.accounts.get(usize::from(rng.random_range(0..4u8)) % persona.accounts.len().max(1)).map_or("root", |a| a.name.as_str());
        lines.push(format!(
            "{:<8} {:<12} {:<16} {} - {}  ({:02}:{:02})",
            who.get(..8.min(who.len())).unwrap_or_default(),
            "pts/0",
            format!("{}.{}.{}.{}", base[0], base[1], base[2], 10 + rng.random_range(0..30u8)),
            local(t, "%a %b %e %H:%M"),
            local(t + len, "%H:%M"),
            len / 3600,
            len / 60 % 60
        ));
    }
    if persona.booted.seconds() >= first {
        let release: String = persona.distro.kernel_release.chars().take(16).collect();
        lines.push(format!("reboot   system boot  {release:<16} {}   still running", local(persona.booted.seconds(), "%a %b %e %H:%M")));
    }
    let most = p
        .words()
        .iter()
        .find_map(|a| a.strip_prefix("-n").or_else(|| a.strip_prefix('-')).and_then(|n| n.parse::<usize>().ok()))
        .unwrap_or(usize::MAX);
    for l in lines.into_iter().take(most) {
        p.out(l + "\n");
    }
    p.out(format!("\nwtmp begins {}\n", local(first, "%a %b %e %H:%M:%S %Y")));
    0
}

/// `free`.
pub(crate) async fn free(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "bkmghtwls:c:",
        &[
            ("bytes", 'b', 0),
            ("kibi", 'k', 0),
            ("mebi", 'm', 0),
            ("gibi", 'g', 0),
            ("human", 'h', 0),
            ("total", 't', 0),
            ("wide", 'w', 0),
            ("mega", 'M', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let (total, swap, m) = {
        let live = p.fs().live.lock();
        (live.hw.mem_kb, live.hw.swap_kb, live.memory())
    };
    let [free, buffers, cached, available, shmem, slab] = m;
    let cache = buffers + cached + slab / 2;
    let used = total - available;
    let show = |kb: u64| {
        if o.has('h') {
            let mut v = kb as f64;
            let mut unit = 0;
            while v >= 1024.0 && unit < 3 {
                v /= 1024.0;
                unit += 1;
            }
            let u = ["Ki", "Mi", "Gi", "Ti"].get(unit).copied().unwrap_or("Ti");
            if kb == 0 {
                "0B".into()
            } else if v < 10.0 {
                format!("{v:.1}{u}")
            } else {
                format!("{v:.0}{u}")
            }
        } else if o.has('b') {
            (kb * 1024).to_string()
        } else if o.has('m') {
            (kb / 1024).to_string()
        } else if o.has('g') {
            (kb / 1024 / 1024).to_string()
        } else {
            kb.to_string()
        }
    };
    if o.has('w') {
        p.out("               total        used        free      shared     buffers       cache   available\n");
        p.out(format!(
            "Mem:    {:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n",
            show(total),
            show(used),
            show(free),
            show(shmem),
            show(buffers),
            show(cached + slab / 2),
            show(available)
        ));
    } else {
        p.out("               total        used        free      shared  buff/cache   available\n");
        p.out(format!(
            "Mem:    {:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n",
            show(total),
            show(used),
            show(free),
            show(shmem),
            show(cache),
            show(available)
        ));
    }
    p.out(format!("Swap:   {:>12}{:>12}{:>12}\n", show(swap), show(0), show(swap)));
    if o.has('t') {
        p.out(format!("Total:  {:>12}{:>12}{:>12}\n", show(total + swap), show(used), show(free + swap)));
    }
    0
}

fn cpu_text(us: u64) -> String {
    let s = us / 1_000_000;
    format!("{}:{:02}", s / 60, s % 60)
}

fn cpu_long(us: u64) -> String {
    let s = us / 1_000_000;
    if s >= 86_400 {
        format!("{}-{:02}:{:02}:{:02}", s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60)
    } else {
        format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// `ps`.
pub(crate) async fn ps(p: &mut Proc) -> i32 {
    let (list, now, persona, mem) = {
        let live = p.fs().live.lock();
        (
            live.procs.values().map(|p| Process::clone(p)).collect::<Vec<Process>>(),
            live.now,
            std::sync::Arc::clone(&live.persona),
            live.hw.mem_kb,
        )
    };
    if persona.distro.id == "alpine" {
        p.out("PID   USER     TIME  COMMAND\n");
        for q in &list {
            let name = text(&q.command());
            p.out(format!(
                "{:>5} {:<8} {:>5} {name}\n",
                q.pid,
                q.user.get(..8.min(q.user.len())).unwrap_or_default(),
                cpu_text(q.cpu(now))
            ));
        }
        return 0;
    }
    let words = p.words();
    let mut bsd = String::new();
    let mut unix = String::new();
    let mut format: Option<String> = None;
    let mut only: Vec<u32> = Vec::new();
    let mut users: Vec<String> = Vec::new();
    let mut commands: Vec<String> = Vec::new();
    let mut sort = None;
    let mut ttys: Vec<String> = Vec::new();
    let mut parent: Vec<u32> = Vec::new();
    let mut headers = true;
    let mut forest = false;
    let mut it = words.into_iter();
    while let Some(w) = it.next() {
        if let Some(s) = w.strip_prefix("--sort=") {
            sort = Some(s.to_owned());
        } else if w == "--sort" {
            sort = it.next();
        } else if w == "--no-headers" || w == "--no-heading" {
            headers = false;
        } else if w == "--forest" {
            forest = true;
        } else if let Some(s) = w.strip_prefix("--pid=") {
            only.extend(s.split(',').filter_map(|n| n.parse::<u32>().ok()));
        } else if let Some(s) = w.strip_prefix("--ppid=") {
            parent.extend(s.split(',').filter_map(|n| n.parse::<u32>().ok()));
        } else if let Some(flags) = w.strip_prefix('-').filter(|f| !f.is_empty() && !f.starts_with('-')) {
            let chars = flags.char_indices();
            for (at, c) in chars {
                if "opUuCGtg".contains(c) && !(c == 'u' && at + 1 == flags.len() && flags.len() > 1 && flags.starts_with('a')) {
                    let rest = flags.get(at + 1..).unwrap_or_default();
                    let value = if rest.is_empty() { it.next().unwrap_or_default() } else { rest.to_owned() };
                    match c {
                        'o' => format = Some(format.map_or(value.clone(), |f| f + "," + &value)),
                        'p' => only.extend(value.split([',', ' ']).filter_map(|n| n.parse::<u32>().ok())),
                        'C' => commands.extend(value.split(',').map(str::to_owned)),
                        't' => ttys.extend(value.split(',').map(str::to_owned)),
                        _ => users.extend(value.split(',').map(str::to_owned)),
                    }
                    break;
                }
                if c == 'H' {
                    forest = true;
                }
                unix.push(c);
            }
        } else if w.bytes().all(|b| b.is_ascii_digit()) {
            only.extend(w.parse::<u32>());
        } else if w.starts_with("--") {
            p.err("error: unknown gnu long option\n\nUsage:\n ps [options]\n\n Try 'ps --help <simple|list|output|threads|misc|all>'\n  or 'ps --help <s|l|o|t|m|a>'\n for additional help text.\n\nFor more details see ps(1).\n".to_string()).await;
            return 1;
        } else {
            let mut flags = w.clone();
            if let Some(at) = flags.find('o') {
                let rest = flags.get(at + 1..).unwrap_or_default().to_owned();
                let value = if rest.is_empty() { it.next().unwrap_or_default() } else { rest };
                format = Some(value);
                flags.truncate(at);
            }
            bsd.push_str(&flags);
        }
    }
    forest |= bsd.contains('f') || (unix.contains('f') && unix.contains('H'));
    let every = unix.contains('e') || unix.contains('A') || bsd.contains('a') && bsd.contains('x');
    let own_tty = p.fs().live.lock().tty.clone();
    let me = p.who.uid;
    let mut rows: Vec<&Process> = list
        .iter()
        .filter(|q| {
            if !only.is_empty() {
                return only.contains(&q.pid);
            }
            if !users.is_empty() {
                return users.iter().any(|u| *u == q.user || u.parse::<u32>().is_ok_and(|n| n == q.uid));
            }
            if !commands.is_empty() {
                return commands.iter().any(|c| c.as_bytes() == q.comm.as_slice());
            }
            if !ttys.is_empty() {
                return q.tty.as_ref().is_some_and(|t| ttys.iter().any(|x| t == x || x.strip_prefix("/dev/") == Some(t)));
            }
            if !parent.is_empty() {
                return parent.contains(&q.ppid);
            }
            if every {
                return true;
            }
            if bsd.contains('a') || unix.contains('a') {
                return q.tty.is_some() && !q.stat.contains('s');
            }
            if bsd.contains('x') {
                return q.uid == me;
            }
            q.uid == me && q.tty == own_tty && q.tty.is_some()
        })
        .collect();
    if let Some(s) = sort {
        let (down, key) = match s.strip_prefix('-') {
            Some(k) => (true, k.to_owned()),
            None => (false, s.trim_start_matches('+').to_owned()),
        };
        rows.sort_by(|a, b| {
            let o = match key.as_str() {
                "%mem" | "rss" | "pmem" => a.rss.cmp(&b.rss),
                "%cpu" | "pcpu" | "time" => a.cpu(now).cmp(&b.cpu(now)),
                "vsz" => a.vsz.cmp(&b.vsz),
                "start_time" | "start" | "lstart" => a.start.cmp(&b.start),
                _ => a.pid.cmp(&b.pid),
            };
            if down { o.reverse() } else { o }
        });
    }
    let mut prefix: std::collections::BTreeMap<u32, String> = std::collections::BTreeMap::new();
    if forest {
        rows = tree(&rows, &mut prefix);
    }
    // As procps has it: whole seconds of age, and a process younger than one has used nothing.
    let pcpu = |q: &Process| match (now.0 - q.start.0) / 1_000_000 {
        age @ 1.. => (q.cpu(now) as f64 / 10_000.0 / age as f64).min(99.9),
        _ => 0.0,
    };
    let start_short = |q: &Process| {
        let age = now.seconds() - q.start.seconds();
        let same_year = logs::local(&persona, now.seconds(), "%Y") == logs::local(&persona, q.start.seconds(), "%Y");
        if age < 86_400 && logs::local(&persona, now.seconds(), "%j") == logs::local(&persona, q.start.seconds(), "%j") || age < 43_200 {
            logs::local(&persona, q.start.seconds(), "%H:%M")
        } else if same_year {
            logs::local(&persona, q.start.seconds(), "%b%d")
        } else {
            logs::local(&persona, q.start.seconds(), "%Y")
        }
    };
    let tty = |q: &Process| q.tty.clone().unwrap_or_else(|| "?".into());
    let comm = |q: &Process| text(&q.comm);
    let user8 = |q: &Process| if q.user.len() > 8 { format!("{}+", q.user.get(..7).unwrap_or_default()) } else { q.user.clone() };
    let tree_of = |q: &Process| prefix.get(&q.pid).cloned().unwrap_or_default();
    let width = if p.tty(1) && !bsd.contains('w') && !unix.contains('w') { usize::from(p.k.state.lock().cols.max(20)) } else { usize::MAX };
    let mut out: Vec<String> = Vec::new();
    let stat_of = |q: &Process| if q.pid == p.pid { "R+".to_owned() } else { q.stat.to_owned() };
    if let Some(f) = format {
        let columns: Vec<(String, Option<String>)> = f
            .split([',', ' '])
            .filter(|c| !c.is_empty())
            .map(|c| match c.split_once('=') {
                Some((n, h)) => (n.to_owned(), Some(h.to_owned())),
                None => (c.to_owned(), None),
            })
            .collect();
        let cell = |q: &Process, c: &str| match c {
            "pid" | "tgid" | "lwp" => q.pid.to_string(),
            "ppid" => q.ppid.to_string(),
            "user" | "euser" | "uname" | "ruser" => user8(q),
            "uid" | "euid" => q.uid.to_string(),
            "comm" | "ucmd" | "ucomm" => comm(q),
            "cmd" | "args" | "command" => tree_of(q) + &text(&q.command()),
            "pcpu" | "%cpu" | "c" => format!("{:.1}", pcpu(q)),
            "pmem" | "%mem" => format!("{:.1}", q.rss as f64 * 100.0 / mem as f64),
            "vsz" | "vsize" => q.vsz.to_string(),
            "rss" | "rssize" => q.rss.to_string(),
            "tty" | "tt" | "tname" => tty(q),
            "stat" => stat_of(q),
            "s" | "state" => stat_of(q).get(..1).unwrap_or("S").to_owned(),
            "time" | "cputime" => cpu_long(q.cpu(now)),
            "etime" => {
                let s = (now.seconds() - q.start.seconds()).max(0);
                if s >= 86_400 {
                    format!("{}-{:02}:{:02}:{:02}", s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60)
                } else if s >= 3600 {
                    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                } else {
                    format!("{:02}:{:02}", s / 60, s % 60)
                }
            }
            "etimes" => (now.seconds() - q.start.seconds()).max(0).to_string(),
            "lstart" => logs::local(&persona, q.start.seconds(), "%a %b %e %H:%M:%S %Y"),
            "start" | "stime" | "start_time" | "bsdstart" => start_short(q),
            "ni" | "nice" => "0".into(),
            "pri" => "19".into(),
            "nlwp" | "thcount" => "1".into(),
            "pgid" | "pgrp" | "sid" | "sess" => q.pid.to_string(),
            "wchan" => "-".into(),
            _ => String::new(),
        };
        let head = |c: &str| match c {
            "pcpu" | "%cpu" => "%CPU".to_owned(),
            "pmem" | "%mem" => "%MEM".into(),
            "comm" | "ucmd" => "COMMAND".into(),
            "args" | "command" => "COMMAND".into(),
            "cmd" => "CMD".into(),
            "tty" | "tt" => "TT".into(),
            "etime" | "etimes" => "ELAPSED".into(),
            "lstart" => "STARTED".into(),
            "s" | "state" => "S".into(),
            "start_time" | "stime" => "STIME".into(),
            c => c.to_uppercase(),
        };
        for (c, _) in &columns {
            if cell(rows.first().copied().unwrap_or(&DUMMY), c).is_empty()
                && !matches!(c.as_str(), "args" | "cmd" | "command" | "comm")
                && !rows.is_empty()
            {
                p.err(format!("error: unknown user-defined format specifier \"{c}\"\n\nUsage:\n ps [options]\n\n Try 'ps --help <simple|list|output|threads|misc|all>'\n  or 'ps --help <s|l|o|t|m|a>'\n for additional help text.\n\nFor more details see ps(1).\n")).await;
                return 1;
            }
        }
        let left = |c: &str| {
            matches!(
                c,
                "user"
                    | "comm"
                    | "cmd"
                    | "args"
                    | "command"
                    | "tty"
                    | "tt"
                    | "stat"
                    | "s"
                    | "state"
                    | "lstart"
                    | "wchan"
                    | "euser"
                    | "uname"
                    | "ruser"
            )
        };
        let least = |c: &str| match c {
            "pid" | "ppid" | "pgid" | "sid" => 7,
            "user" | "tty" | "tt" | "euser" => 8,
            "time" => 8,
            "etime" => 11,
            "lstart" => 24,
            "vsz" => 6,
            "rss" => 5,
            "comm" => 15,
            "uid" => 5,
            "stat" => 4,
            "pcpu" | "%cpu" | "pmem" | "%mem" => 4,
            _ => 1,
        };
        let heads: Vec<String> = columns.iter().map(|(c, h)| h.clone().unwrap_or_else(|| head(c))).collect();
        let widths: Vec<usize> = columns.iter().zip(&heads).map(|((c, _), h)| least(c).max(h.len())).collect();
        let line = |cells: Vec<String>| {
            let mut s = String::new();
            for (n, c) in cells.iter().enumerate() {
                let w = widths.get(n).copied().unwrap_or(0);
                let l = columns.get(n).is_some_and(|(c, _)| left(c));
                if n > 0 {
                    s.push(' ');
                }
                if n + 1 == cells.len() && l {
                    s.push_str(c)
                } else if l {
                    s.push_str(&format!("{c:<w$}"))
                } else {
                    s.push_str(&format!("{c:>w$}"))
                }
            }
            s
        };
        if headers && !heads.iter().all(String::is_empty) {
            out.push(line(heads.clone()));
        }
        for q in &rows {
            out.push(line(columns.iter().map(|(c, _)| cell(q, c)).collect()));
        }
    } else if bsd.contains('u') {
        if headers {
            out.push("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND".into());
        }
        for q in &rows {
            out.push(format!(
                "{:<8} {:>7} {:>4.1} {:>4.1} {:>6} {:>5} {:<8} {:<4} {:<5} {:>6} {}{}",
                user8(q),
                q.pid,
                pcpu(q),
                q.rss as f64 * 100.0 / mem as f64,
                q.vsz,
                q.rss,
                tty(q),
                stat_of(q),
                start_short(q),
                cpu_text(q.cpu(now)),
                tree_of(q),
                text(&q.command())
            ));
        }
    } else if unix.contains('f') {
        if headers {
            out.push("UID          PID    PPID  C STIME TTY          TIME CMD".into());
        }
        for q in &rows {
            out.push(format!(
                "{:<8} {:>7} {:>7} {:>2} {:<5} {:<8} {} {}{}",
                user8(q),
                q.pid,
                q.ppid,
                pcpu(q) as u32,
                start_short(q),
                tty(q),
                cpu_long(q.cpu(now)),
                tree_of(q),
                text(&q.command())
            ));
        }
    } else if unix.contains('l') {
        if headers {
            out.push("F S   UID     PID    PPID  C PRI  NI ADDR SZ WCHAN  TTY          TIME CMD".into());
        }
        for q in &rows {
            out.push(format!(
                "4 {} {:>5} {:>7} {:>7} {:>2}  80   0 - {:>5} -      {:<8} {} {}",
                stat_of(q).get(..1).unwrap_or("S"),
                q.uid,
                q.pid,
                q.ppid,
                pcpu(q) as u32,
                q.vsz / 4,
                tty(q),
                cpu_long(q.cpu(now)),
                comm(q)
            ));
        }
    } else if !bsd.is_empty() {
        if headers {
            out.push("    PID TTY      STAT   TIME COMMAND".into());
        }
        for q in &rows {
            out.push(format!(
                "{:>7} {:<8} {:<4} {:>6} {}{}",
                q.pid,
                tty(q),
                stat_of(q),
                cpu_text(q.cpu(now)),
                tree_of(q),
                text(&q.command())
            ));
        }
    } else {
        if headers {
            out.push("    PID TTY          TIME CMD".into());
        }
        for q in &rows {
            out.push(format!("{:>7} {:<8} {} {}", q.pid, tty(q), cpu_long(q.cpu(now)), comm(q)));
        }
    }
    for l in out {
        let l: String = if l.len() > width { l.chars().take(width).collect() } else { l };
        p.out(l + "\n");
    }
    i32::from(rows.is_empty())
}

static DUMMY: Process = Process {
    pid: 0,
    ppid: 0,
    user: String::new(),
    uid: 0,
    tty: None,
    stat: "S",
    start: Micros(0),
    cpu_us: 0,
    busy: 0,
    vsz: 0,
    rss: 0,
    comm: Vec::new(),
    args: Vec::new(),
    exe: Vec::new(),
    cwd: Vec::new(),
};

fn tree<'a>(rows: &[&'a Process], prefix: &mut std::collections::BTreeMap<u32, String>) -> Vec<&'a Process> {
    let ids: std::collections::BTreeSet<u32> = rows.iter().map(|r| r.pid).collect();
    let mut out = Vec::new();
    let mut stack: Vec<(&Process, String, bool)> =
        rows.iter().filter(|r| !ids.contains(&r.ppid)).rev().map(|r| (*r, String::new(), true)).collect();
    while let Some((r, lead, root)) = stack.pop() {
        prefix.insert(r.pid, if root { String::new() } else { format!("{lead} \\_ ") });
        out.push(r);
        if out.len() > 5000 {
            break;
        }
        let children: Vec<&Process> = rows.iter().filter(|c| c.ppid == r.pid && c.pid != r.pid).copied().collect();
        let deeper = if root { String::new() } else { format!("{lead}    ") };
        for c in children.into_iter().rev() {
            stack.push((c, deeper.clone(), false));
        }
    }
    out
}

/// `pgrep`, `pkill`, `pidof`, `killall`.
pub(crate) async fn pgrep(p: &mut Proc) -> i32 {
    let name = p.name();
    let kills = name == "pkill" || name == "killall";
    let mut signal = 15;
    let (mut full, mut list, mut long, mut exact, mut quiet, mut count) =
        (false, false, false, name == "pidof" || name == "killall", false, false);
    let mut user = None;
    let mut patterns = Vec::new();
    let mut it = p.words().into_iter();
    while let Some(a) = it.next() {
        if let Some(f) = a.strip_prefix('-').filter(|f| !f.is_empty()) {
            let upper = f.trim_start_matches("SIG");
            if kills && let Some(n) = f.parse::<i32>().ok().or_else(|| super::signals::number(upper)) {
                signal = n;
                continue;
            }
            match f {
                "u" | "U" | "-euid" => user = it.next(),
                "s" | "-signal" => {
                    signal =
                        it.next().and_then(|s| s.parse().ok().or_else(|| super::signals::number(s.trim_start_matches("SIG")))).unwrap_or(15)
                }
                "P" | "t" | "g" | "G" => {
                    it.next();
                }
                _ => {
                    for c in f.chars() {
                        match c {
                            'f' => full = true,
                            'l' => list = true,
                            'a' => long = true,
                            'x' => exact = true,
                            'q' => quiet = true,
                            'c' => count = true,
                            _ => {}
                        }
                    }
                }
            }
            continue;
        }
        patterns.push(a);
    }
    if patterns.is_empty() && user.is_none() {
        match name.as_str() {
            "pidof" => return 1,
            "killall" => {
                p.err("Usage: killall [OPTION]... [--] NAME...\n       killall -l, --list\n       killall -V, --version\n").await;
                return 1;
            }
            _ => {
                p.err(format!("{name}: no matching criteria specified\nTry `{name} --help' for more information.\n")).await;
                return 2;
            }
        }
    }
    let procs: Vec<Process> = p.fs().live.lock().procs.values().map(|p| Process::clone(p)).collect();
    let own = p.pid;
    let mut hits: Vec<Process> = Vec::new();
    for q in procs {
        if q.pid == own || user.as_ref().is_some_and(|u| *u != q.user && u.parse::<u32>() != Ok(q.uid)) {
            continue;
        }
        let target = if full { q.command() } else { q.comm.clone() };
        let ok = patterns.is_empty()
            || patterns.iter().any(|pat| {
                if exact && !full {
                    let base = pat.rsplit('/').next().unwrap_or(pat);
                    return target == base.as_bytes().get(..15.min(base.len())).unwrap_or_default()
                        || q.args.first().is_some_and(|a| a.rsplit(|&b| b == b'/').next() == Some(base.as_bytes()));
                }
                super::regex::compile(pat.as_bytes(), super::regex::Kind::Extended, false).is_ok_and(|re| re.is_match(&target))
            });
        if ok {
            hits.push(q);
        }
    }
    if hits.is_empty() {
        if name == "killall" {
            for pat in &patterns {
                if !quiet {
                    p.err(format!("{pat}: no process found\n")).await;
                }
            }
        }
        if count {
            p.out("0\n");
        }
        return 1;
    }
    if kills {
        let mut status = 1;
        for q in hits {
            match super::signals::send(&p.k, &p.who, i64::from(q.pid), signal) {
                Ok(()) => status = 0,
                Err(e) => {
                    let line = if name == "killall" {
                        format!("{}({}): {e}\n", text(&q.comm), q.pid)
                    } else {
                        format!("pkill: killing pid {} failed: {e}\n", q.pid)
                    };
                    p.err(line).await;
                }
            }
        }
        return status;
    }
    if count {
        p.out(format!("{}\n", hits.len()));
        return 0;
    }
    if name == "pidof" {
        let ids: Vec<String> = hits.iter().rev().map(|q| q.pid.to_string()).collect();
        p.out(ids.join(" ") + "\n");
        return 0;
    }
    for q in hits {
        if long {
            p.out(format!("{} {}\n", q.pid, text(&q.command())))
        } else if list {
            p.out(format!("{} {}\n", q.pid, text(&q.comm)))
        } else {
            p.out(format!("{}\n", q.pid))
        }
    }
    0
}

/// `top`: one screen, and in batch mode as many as asked for.
pub(crate) async fn top(p: &mut Proc) -> i32 {
    let words = p.words();
    let batch = words.iter().any(|w| w.starts_with('-') && w.contains('b'));
    let rounds = words
        .iter()
        .position(|w| w == "-n")
        .and_then(|at| words.get(at + 1))
        .or_else(|| {
            words.iter().find(|w| w.starts_with('-') && w.contains('n') && w.len() > 2 && w.ends_with(|c: char| c.is_ascii_digit()))
        })
        .and_then(|n| n.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok())
        .unwrap_or(if batch { u32::MAX } else { 100_000 });
    if !batch && !p.tty(1) {
        p.err("top: failed tty get\n").await;
        return 1;
    }
    let modes = p.k.state.lock().modes;
    if !batch {
        p.k.set_modes(crate::shell::kernel::Modes { echo: false, canonical: false, ..modes });
    }
    let guard = Cooked(std::sync::Arc::clone(&p.k), modes, !batch);
    for round in 0..rounds {
        let screen = top_screen(p, batch);
        if !batch {
            p.out(b"\x1b[H\x1b[2J");
        } else if round > 0 {
            p.out(b"\n");
        }
        p.out(screen);
        if p.flush().await.is_err() {
            return 141;
        }
        if round + 1 == rounds {
            break;
        }
        let until = p.k.now().plus(std::time::Duration::from_secs(3));
        let mut quit = false;
        let k = std::sync::Arc::clone(&p.k);
        let mut wait: crate::shell::kernel::Boxed<'_, ()> = Box::pin(k.until(until));
        std::future::poll_fn(|cx| {
            if !batch {
                let mut s = k.state.lock();
                while let Some(b) = s.typed.pop_front() {
                    quit |= b == b'q';
                }
                quit |= s.closed;
            }
            if quit { std::task::Poll::Ready(()) } else { wait.as_mut().poll(cx) }
        })
        .await;
        if quit {
            break;
        }
    }
    drop(guard);
    0
}

struct Cooked(std::sync::Arc<crate::shell::kernel::Kernel>, crate::shell::kernel::Modes, bool);

impl Drop for Cooked {
    fn drop(&mut self) {
        if self.2 {
            self.0.set_modes(self.1);
        }
    }
}

fn top_screen(p: &Proc, batch: bool) -> String {
    let line = uptime_line(p);
    let live = p.fs().live.lock();
    let [free, buffers, cached, available, _, slab] = live.memory();
    let mib = |kb: u64| kb as f64 / 1024.0;
    let total = live.hw.mem_kb;
    let cache = buffers + cached + slab / 2;
    let mut out = format!("top -{}", line);
    let running = 1;
    let n = live.procs.len();
    out.push_str(&format!("Tasks: {n:>3} total,   {running} running, {:>3} sleeping,   0 stopped,   0 zombie\n", n - running));
    out.push_str("%Cpu(s):  0.3 us,  0.3 sy,  0.0 ni, 99.0 id,  0.0 wa,  0.0 hi,  0.3 si,  0.0 st \n");
    out.push_str(&format!(
        "MiB Mem : {:>8.1} total, {:>8.1} free, {:>8.1} used, {:>8.1} buff/cache     \n",
        mib(total),
        mib(free),
        mib(total - available),
        mib(cache)
    ));
    out.push_str(&format!(
        "MiB Swap: {:>8.1} total, {:>8.1} free, {:>8.1} used. {:>8.1} avail Mem \n\n",
        mib(live.hw.swap_kb),
        mib(live.hw.swap_kb),
        0.0,
        mib(available)
    ));
    let head = "    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND";
    if batch {
        out.push_str(&format!("{head}\n"))
    } else {
        out.push_str(&format!("\x1b[7m{head:<80}\x1b[0m\n"))
    }
    let rows = if batch { usize::MAX } else { usize::from(p.k.state.lock().rows.max(10)).saturating_sub(8) };
    let now = live.now;
    let mut list: Vec<&Process> = live.procs.values().map(AsRef::as_ref).collect();
    list.sort_by_key(|q| (std::cmp::Reverse(q.busy / 1000), q.pid));
    for q in list.into_iter().take(rows) {
        let user: String = if q.user.len() > 8 { format!("{}+", q.user.get(..7).unwrap_or_default()) } else { q.user.clone() };
        let cs = q.cpu(now) / 10_000;
        out.push_str(&format!(
            "{:>7} {user:<8}  20   0 {:>7} {:>6} {:>6} {} {:>5.1} {:>5.1} {:>9} {}\n",
            q.pid,
            q.vsz,
            q.rss,
            q.rss * 3 / 5,
            if q.pid == p.pid { "R" } else { q.stat.get(..1).unwrap_or("S") },
            if q.pid == p.pid { 0.3 } else { f64::from(q.busy) / 10_000.0 },
            q.rss as f64 * 100.0 / total as f64,
            format!("{}:{:02}.{:02}", cs / 6000, cs / 100 % 60, cs % 100),
            text(&q.comm)
        ));
    }
    out
}

/// `nproc`, `lscpu`, `lsmod`, `lspci`, `dmesg`, `vmstat`, `lsof`.
pub(crate) async fn hardware(p: &mut Proc) -> i32 {
    let name = p.name();
    let (hw, up) = {
        let live = p.fs().live.lock();
        (std::sync::Arc::clone(&live.hw), live.uptime().0)
    };
    let persona = std::sync::Arc::clone(p.fs().persona());
    match name.as_str() {
        "nproc" => {
            p.out(format!("{}\n", hw.cores));
            0
        }
        "lscpu" => {
            let vendor = if hw.amd { "AuthenticAMD" } else { "GenuineIntel" };
            let virt = match hw.hypervisor {
                Some("kvm") => "Hypervisor vendor:                  KVM\nVirtualization type:                full\n",
                Some("vmware") => "Hypervisor vendor:                  VMware\nVirtualization type:                full\n",
                Some("microsoft") => "Hypervisor vendor:                  Microsoft\nVirtualization type:                full\n",
                Some(_) => "Hypervisor vendor:                  KVM\nVirtualization type:                full\n",
                None if hw.amd => "Virtualization:                     AMD-V\n",
                None => "Virtualization:                     VT-x\n",
            };
            let online = if hw.cores == 1 { "0".to_owned() } else { format!("0-{}", hw.cores - 1) };
            p.out(format!("Architecture:                       x86_64\nCPU op-mode(s):                     32-bit, 64-bit\nAddress sizes:                      {}\nByte Order:                         Little Endian\nCPU(s):                             {}\nOn-line CPU(s) list:                {online}\nVendor ID:                          {vendor}\nModel name:                         {}\nCPU family:                         {}\nModel:                              {}\nThread(s) per core:                 1\nCore(s) per socket:                 {}\nSocket(s):                          1\nStepping:                           {}\nBogoMIPS:                           {:.2}\n{virt}L1d cache:                          {} KiB ({} instances)\nL1i cache:                          {} KiB ({} instances)\nL2 cache:                           {} MiB ({} instances)\nNUMA node(s):                       1\nNUMA node0 CPU(s):                  {online}\n", if hw.hypervisor.is_some() { "40 bits physical, 48 bits virtual" } else { "46 bits physical, 48 bits virtual" }, hw.cores, hw.cpu, hw.family, hw.model, hw.cores, hw.stepping, hw.mhz * 2.0, 32 * hw.cores, hw.cores, 32 * hw.cores, hw.cores, hw.cores, hw.cores));
            0
        }
        "lsmod" => {
            p.out("Module                  Size  Used by\n");
            let list = kernel_files::modules(&p.fs().live.lock());
            for (n, size, used, by) in list {
                p.out(if by.is_empty() { format!("{n:<19} {size:>8}  {used}\n") } else { format!("{n:<19} {size:>8}  {used} {by}\n") });
            }
            0
        }
        "lspci" => {
            p.out(match hw.hypervisor {
                Some("kvm") => "00:00.0 Host bridge: Intel Corporation 82G33/G31/P35/P31 Express DRAM Controller\n00:01.0 VGA compatible controller: Red Hat, Inc. Virtio 1.0 GPU (rev 01)\n00:1f.0 ISA bridge: Intel Corporation 82801IB (ICH9) LPC Interface Controller (rev 02)\n00:1f.2 SATA controller: Intel Corporation 82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode] (rev 02)\n00:1f.3 SMBus: Intel Corporation 82801I (ICH9 Family) SMBus Controller (rev 02)\n01:00.0 Ethernet controller: Red Hat, Inc. Virtio 1.0 network device (rev 01)\n",
                Some("vmware") => "00:00.0 Host bridge: Intel Corporation 440BX/ZX/DX - 82443BX/ZX/DX Host bridge (rev 01)\n00:07.0 ISA bridge: Intel Corporation 82371AB/EB/MB PIIX4 ISA (rev 08)\n00:07.7 System peripheral: VMware Virtual Machine Communication Interface (rev 10)\n00:0f.0 VGA compatible controller: VMware SVGA II Adapter\n03:00.0 Serial Attached SCSI controller: VMware PVSCSI SCSI Controller (rev 02)\n0b:00.0 Ethernet controller: VMware VMXNET3 Ethernet Controller (rev 01)\n",
                _ => "00:00.0 Host bridge: Intel Corporation 8th Gen Core Processor Host Bridge/DRAM Registers (rev 07)\n00:02.0 VGA compatible controller: Matrox Electronics Systems Ltd. Integrated Matrox G200eW3 Graphics Controller (rev 04)\n00:14.0 USB controller: Intel Corporation Cannon Lake PCH USB 3.1 xHCI Host Controller (rev 10)\n00:17.0 SATA controller: Intel Corporation Cannon Lake PCH SATA AHCI Controller (rev 10)\n00:1f.0 ISA bridge: Intel Corporation Cannon Lake LPC Controller (rev 10)\n04:00.0 Ethernet controller: Broadcom Inc. and subsidiaries NetXtreme BCM5720 Gigabit Ethernet PCIe\n",
            });
            0
        }
        "dmesg" => {
            if p.who.uid != 0 {
                return p.fail("read kernel buffer failed: Operation not permitted").await;
            }
            let human = p.words().iter().any(|w| w.contains('T'));
            for (n, line) in logs::dmesg_lines(&persona).iter().enumerate() {
                let t = if n < 8 { 0.0 } else { 0.004 + n as f64 * 0.0917 };
                if human {
                    p.out(format!("[{}] {line}\n", logs::local(&persona, persona.booted.seconds() + t as i64, "%a %b %e %H:%M:%S %Y")))
                } else {
                    p.out(format!("[{t:>12.6}] {line}\n"))
                }
            }
            0
        }
        "vmstat" => {
            let [free, buffers, cached, ..] = p.fs().live.lock().memory();
            p.out("procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n");
            p.out(format!(
                " 1  0      0 {free:>6} {buffers:>6} {cached:>6}    0    0 {:>5} {:>5} {:>4} {:>4}  0  0 99  0  0\n",
                9 + up % 7,
                14 + up % 11,
                41 + up % 30,
                80 + up % 50
            ));
            0
        }
        _ => 0,
    }
}

/// `lsof`.
pub(crate) async fn lsof(p: &mut Proc) -> i32 {
    let words = p.words();
    let net = words.iter().any(|w| w.starts_with("-i") || w.contains('i') && w.starts_with('-'));
    let (procs, sockets) = {
        let live = p.fs().live.lock();
        (live.procs.values().map(|p| Process::clone(p)).collect::<Vec<_>>(), live.sockets.clone())
    };
    p.out("COMMAND     PID            USER   FD      TYPE             DEVICE SIZE/OFF       NODE NAME\n");
    for q in procs.iter().filter(|q| !q.args.is_empty()) {
        let head = format!("{:<9} {:>5} {:>15}", text(&q.comm).chars().take(9).collect::<String>(), q.pid, q.user);
        if !net {
            p.out(format!("{head}  cwd       DIR                8,1     4096          2 {}\n{head}  txt       REG                8,1  1265648     {:>6} {}\n", text(&q.cwd), 130_000 + q.pid, text(&q.exe)));
        }
        for s in sockets.iter().filter(|s| s.pid == q.pid) {
            let name = match s.peer {
                Some(peer) => format!("{}:{}->{} (ESTABLISHED)", s.addr, s.port, peer),
                None => format!("*:{}{}", s.port, if s.proto == "tcp" { " (LISTEN)" } else { "" }),
            };
            p.out(format!(
                "{head} {:>4}u     IPv{}              {:>6}      0t0        {} {name}\n",
                s.fd,
                if s.v6 { 6 } else { 4 },
                s.inode,
                s.proto.to_uppercase()
            ));
        }
    }
    0
}

/// `sysctl`.
pub(crate) async fn sysctl(p: &mut Proc) -> i32 {
    let words = p.words();
    let bare = words.iter().any(|w| w == "-n");
    if words.iter().any(|w| w == "-p" || w == "--system") {
        return 0;
    }
    if words.iter().any(|w| w == "-a") {
        let mut stack = vec![b"/proc/sys".to_vec()];
        let mut lines = Vec::new();
        while let Some(dir) = stack.pop() {
            for (n, m) in p.fs().list(&p.who, &dir).unwrap_or_default() {
                let path = crate::shell::fs::join(&dir, &n);
                if m.kind == Kind::Dir {
                    stack.push(path);
                } else if let Ok(v) = p.fs().read(&p.who, &path) {
                    lines.push(format!("{} = {}\n", text(path.get(10..).unwrap_or_default()).replace('/', "."), text(&v).trim_end()));
                }
            }
        }
        lines.sort();
        p.out(lines.concat());
        return 0;
    }
    let mut status = 0;
    for w in words.iter().filter(|w| !w.starts_with('-')) {
        let (key, value) = w.split_once('=').map_or((w.as_str(), None), |(k, v)| (k, Some(v)));
        let path = format!("/proc/sys/{}", key.trim().replace('.', "/"));
        match (p.fs().read(&p.who, path.as_bytes()), value) {
            (Err(_), _) => {
                p.err(format!("sysctl: cannot stat {path}: No such file or directory\n")).await;
                status = 255;
            }
            (Ok(_), Some(v)) => {
                if p.who.uid != 0 {
                    p.err(format!("sysctl: permission denied on key \"{}\"\n", key.trim())).await;
                    status = 255;
                } else {
                    p.out(format!("{} = {}\n", key.trim(), v.trim()));
                }
            }
            (Ok(v), None) => {
                let v = text(&v);
                if bare { p.out(format!("{}\n", v.trim_end())) } else { p.out(format!("{} = {}\n", key.trim(), v.trim_end())) }
            }
        }
    }
    status
}

/// `getent`.
pub(crate) async fn getent(p: &mut Proc) -> i32 {
    let words = p.words();
    let Some(db) = words.first().cloned() else {
        p.err("Usage: getent [OPTION...] database [key ...]\nTry `getent --help' or `getent --usage' for more information.\n").await;
        return 1;
    };
    let file = match db.as_str() {
        "passwd" | "group" | "shadow" | "services" | "protocols" | "gshadow" | "networks" => format!("/etc/{db}"),
        "hosts" | "ahosts" | "ahostsv4" => {
            for key in words.iter().skip(1) {
                match super::net::resolve(&p.k, key) {
                    Some(ip) => p.out(format!("{ip:<15} {key}\n")),
                    None => {
                        let wait = super::net::name_wait(&p.k);
                        p.k.sleep(wait).await;
                        return 2;
                    }
                }
            }
            return 0;
        }
        _ => {
            p.err(format!("Unknown database: {db}\nTry `getent --help' or `getent --usage' for more information.\n")).await;
            return 1;
        }
    };
    let Ok(bytes) = p.fs().read(&p.who, file.as_bytes()) else { return 2 };
    if words.len() == 1 {
        p.out(&bytes[..]);
        return 0;
    }
    let mut status = 0;
    for key in words.iter().skip(1) {
        let all = text(&bytes);
        let found = all.lines().find(|l| {
            let f: Vec<&str> = l.split([':', '\t']).collect();
            f.first() == Some(&key.as_str()) || f.get(2) == Some(&key.as_str())
        });
        match found {
            Some(l) => p.out(format!("{l}\n")),
            None => status = 2,
        }
    }
    status
}
