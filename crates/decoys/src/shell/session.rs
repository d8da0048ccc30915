//! A login: what `sshd` or `login` prints, the environment it gives, the shell it starts.

use std::sync::Arc;

use super::{
    Login, Who,
    commands::shells,
    fs::{self, live::Process, live::Socket, skeleton::Family},
    interp::{Flavor, Sh, run},
    kernel::{Boxed, Kernel},
    proc::{Fd, Fds, Proc},
};

/// The session's main program.
pub(crate) fn begin(k: Arc<Kernel>, login: Login) -> Boxed<'static, i32> {
    Box::pin(async move {
        let persona = Arc::clone(k.fs.persona());
        let family = Family::of(&persona.distro.id);
        let account = run::account(&k, login.user.as_bytes()).or_else(|| run::account_of(&k, 0));
        let Some(account) = account else { return 1 };
        let who: Who = run::credentials(&k, &account);
        let shell_pid = enter(&k, &login, &account);
        let fds: Fds = Fds::from([(0, Fd::Term(false)), (1, Fd::Term(false)), (2, Fd::Term(true))]);
        let base = account.shell.rsplit('/').next().unwrap_or("sh").to_owned();
        let name = format!("-{base}");
        let home = account.home.clone().into_bytes();
        let has_home = k.fs.stat(&who, &home).is_ok_and(|m| m.is_dir());
        if login.command.is_none() && login.tty.is_some() {
            greet(&k, &login, family);
        }
        if !has_home {
            let text = format!("Could not chdir to home directory {}: No such file or directory\n", account.home);
            if k.has_tty { k.print(text.as_bytes()) } else { k.plain(text.as_bytes(), true) }
        }
        let argv0 = if login.command.is_some() { base.clone().into_bytes() } else { name.into_bytes() };
        let mut p = Proc::new(Arc::clone(&k), vec![argv0], if has_home { home.clone() } else { b"/".to_vec() }, who, fds);
        p.pid = shell_pid;
        p.ppid = shell_pid.saturating_sub(1);
        p.env = environment(&k, &login, &account, family);
        if matches!(base.as_str(), "nologin" | "false") {
            if base == "nologin" {
                k.print(b"This account is currently not available.\n");
            }
            return 1;
        }
        let flavor = match base.as_str() {
            "ash" => Flavor::Ash,
            "sh" if family == Family::Alpine => Flavor::Ash,
            "sh" | "dash" => Flavor::Dash,
            _ => Flavor::Bash,
        };
        let mut sh = Sh::of(&p, flavor);
        sh.vars.unset(b"_");
        if flavor == Flavor::Bash {
            sh.preset(b"SHLVL", if login.command.is_some() { b"0" } else { b"1" }, true);
        }
        match login.command {
            Some(command) => {
                sh.from_c = true;
                shells::note_line(&sh, &command);
                let status = shells::run_script(&mut sh, &command).await;
                k.keep_dirty();
                status
            }
            None if login.tty.is_some() => {
                sh.interactive = true;
                sh.login = true;
                sh.opts.monitor = true;
                if flavor == Flavor::Bash {
                    sh.shopts.insert("expand_aliases".into());
                    sh.shopts.insert("login_shell".into());
                    shells::interactive_setup(&mut sh, true).await;
                } else {
                    let ps1: &[u8] = match (flavor, sh.who.uid) {
                        (Flavor::Ash, 0) => b"\\h:\\w# ",
                        (Flavor::Ash, _) => b"\\h:\\w$ ",
                        (_, 0) => b"# ",
                        _ => b"$ ",
                    };
                    sh.preset(b"PS1", ps1, false);
                    sh.preset(b"PS2", b"> ", false);
                }
                shells::interact(&mut sh).await
            }
            None => {
                sh.login = true;
                shells::from_input(&mut sh, true).await
            }
        }
    })
}

/// The session's processes and its connection.
fn enter(k: &Kernel, login: &Login, account: &model::Account) -> u32 {
    let mut live = k.fs.live.lock();
    let start = live.now;
    let ssh = login.service == "ssh";
    let busybox = account.shell.ends_with("/ash") || k.fs.persona().distro.id == "alpine";
    let netkit = k.fs.persona().service("telnet").is_some_and(|s| s.software.product.contains("netkit"));
    let server = match (ssh, busybox, netkit) {
        (true, ..) => "sshd",
        (_, true, _) => "busybox",
        (_, _, true) => "in.telnetd",
        _ => "telnetd",
    };
    let listens = |p: &Process| match server {
        "sshd" => p.comm == b"sshd",
        "busybox" => p.comm == b"telnetd" || p.args.first().is_some_and(|a| a.ends_with(b"telnetd")),
        _ => p.comm == b"inetutils-inetd",
    };
    let listener = live.procs.values().find(|p| listens(p)).map_or(1, |p| p.pid);
    let parent = live.fresh_pid();
    let tty = login.tty.as_ref().map(|t| t.name.clone());
    let where_ = tty.clone().unwrap_or_else(|| "notty".into());
    let title = |text: String| vec![text.into_bytes()];
    let process = |pid: u32,
                   ppid: u32,
                   user: &str,
                   uid: u32,
                   tty: Option<String>,
                   stat: &'static str,
                   comm: &[u8],
                   args: Vec<Vec<u8>>,
                   exe: &[u8],
                   vsz: u64,
                   rss: u64| Process {
        pid,
        ppid,
        user: user.to_owned(),
        uid,
        tty,
        stat,
        start,
        cpu_us: 12_000,
        busy: 0,
        vsz,
        rss,
        comm: comm.to_vec(),
        args,
        exe: exe.to_vec(),
        cwd: b"/".to_vec(),
    };
    let mut owner = parent;
    if ssh {
        let named = format!("sshd: {}{}", account.name, if account.uid == 0 { format!("@{where_}") } else { " [priv]".into() });
        live.add(process(parent, listener, "root", 0, None, "Ss", b"sshd", title(named), b"/usr/sbin/sshd", 17_736, 10_900));
        if account.uid != 0 {
            owner = live.fresh_pid();
            live.add(process(
                owner,
                parent,
                &account.name,
                account.uid,
                None,
                "S",
                b"sshd",
                title(format!("sshd: {}@{where_}", account.name)),
                b"/usr/sbin/sshd",
                17_996,
                6_700,
            ));
        }
    } else {
        let host = live.peer.ip();
        let (comm, line): (&[u8], Vec<&str>) = match server {
            "telnetd" => (b"telnetd", vec!["telnetd"]),
            _ => (b"in.telnetd", vec!["in.telnetd:"]),
        };
        let mut args: Vec<Vec<u8>> = line.iter().map(|w| w.as_bytes().to_vec()).collect();
        if server == "in.telnetd" {
            args.push(host.to_string().into_bytes());
        }
        if server == "busybox" {
            // The daemon itself keeps the line; `login` is its child.
            owner = listener;
        } else {
            live.add(process(parent, listener, "root", 0, None, "Ss", comm, args, b"/usr/sbin/telnetd", 4_684, 3_300));
        }
        let login_pid = live.fresh_pid();
        let args = match server {
            "busybox" => vec![b"login".to_vec()],
            "telnetd" => ["/bin/login", "-p", "-h"].iter().map(|w| w.as_bytes().to_vec()).chain([host.to_string().into_bytes()]).collect(),
            _ => [b"/bin/login".to_vec(), b"-h".to_vec(), host.to_string().into_bytes(), b"-p".to_vec()].to_vec(),
        };
        live.add(process(login_pid, owner, "root", 0, tty.clone(), "Ss", b"login", args, b"/usr/bin/login", 8_900, 4_100));
        owner = login_pid;
    }
    let shell = live.fresh_pid();
    let base = account.shell.rsplit('/').next().unwrap_or("sh").to_owned();
    let args = match &login.command {
        Some(c) => vec![base.clone().into_bytes(), b"-c".to_vec(), c.iter().copied().take(4096).collect()],
        None => title(format!("-{base}")),
    };
    let mut p = process(
        shell,
        owner,
        &account.name,
        account.uid,
        tty.clone(),
        if ssh { "Ss" } else { "S" },
        base.as_bytes(),
        args,
        account.shell.as_bytes(),
        8_100,
        5_100,
    );
    p.cwd = account.home.clone().into_bytes();
    live.add(p);
    live.shell_pid = shell;
    live.tty = tty;
    live.user.clone_from(&account.name);
    live.service = login.service;
    let (local, peer) = (live.local, live.peer);
    let inode = 20_000 + u64::from(parent) * 3;
    live.sockets.push(Socket {
        proto: "tcp",
        v6: peer.is_ipv6(),
        addr: local.ip().to_string(),
        port: local.port(),
        peer: Some(peer),
        backlog: 0,
        pid: parent,
        name: if server == "busybox" { "telnetd".into() } else { server.into() },
        fd: if ssh { 4 } else { 0 },
        uid: 0,
        inode,
    });
    shell
}

/// Message of the day and last login.
fn greet(k: &Kernel, login: &Login, family: Family) {
    let persona = k.fs.persona();
    let motd = k.fs.read(&Who::root(), b"/etc/motd").unwrap_or_default();
    let mut out: Vec<u8> = Vec::new();
    let uname = format!(
        "Linux {} {} {} {}\n",
        persona.hostname, persona.distro.kernel_release, persona.distro.kernel_version, persona.distro.machine
    );
    let last = last_login(k, login);
    match family {
        Family::Debian => {
            out.extend(uname.bytes());
            out.extend_from_slice(&motd);
        }
        Family::Ubuntu => {
            let d = &persona.distro;
            out.extend(format!("Welcome to {} (GNU/Linux {} {})\n\n * Documentation:  https://help.ubuntu.com\n * Management:     https://landscape.canonical.com\n * Support:        https://ubuntu.com/pro\n\n", d.pretty_name, d.kernel_release, d.machine).bytes());
            out.extend_from_slice(&motd);
        }
        _ => out.extend_from_slice(&motd),
    }
    if let Some(line) = last
        && family != Family::Alpine
    {
        out.extend(line.bytes());
    }
    k.print(&out);
}

/// `Last login: …`, from this attacker's own last session or the owner's.
fn last_login(k: &Kernel, login: &Login) -> Option<String> {
    let root = Who::root();
    let persona = k.fs.persona();
    let path = b"/var/lib/.last".as_slice();
    let _ = path;
    let key = format!("login/{}", login.user);
    let now = k.now();
    let (peer, tty) = {
        let live = k.fs.live.lock();
        (live.peer.ip().to_string(), login.tty.as_ref().map_or_else(String::new, |t| t.name.clone()))
    };
    let _ = (&root, &tty);
    let before = k.fs.remembered(&key);
    k.fs.remember(&key, &format!("{} {peer}", now.seconds()));
    let (at, from) =
        match before.as_deref().and_then(|t| t.split_once(' ')).and_then(|(t, from)| Some((t.parse::<i64>().ok()?, from.to_owned()))) {
            Some(found) => found,
            None => {
                // The owner was here some days ago, from a machine of the same network.
                let seed = crate::stage::derive(persona, &format!("shell/lastlog/{}", login.user));
                if seed[0] < 40 {
                    return None;
                }
                let day = (now.seconds() - persona.booted.seconds()).max(86_400 * 2).min(86_400 * (3 + i64::from(seed[1] % 25)));
                let at =
                    (now.seconds() - day).div_euclid(86_400) * 86_400 + 8 * 3600 + i64::from(u16::from_le_bytes([seed[2], seed[3]])) / 2;
                let at = at.min(now.seconds() - 3600).max(persona.installed.seconds());
                let ip = match persona.ipv4 {
                    Some(ip) => {
                        let o = ip.octets();
                        format!("{}.{}.{}.{}", o[0], o[1], o[2], 10 + seed[4] % 200)
                    }
                    None => "192.168.1.20".to_owned(),
                };
                (at, ip)
            }
        };
    let when = fs::logs::local(persona, at, "%a %b %e %H:%M:%S %Y");
    if login.service == "ssh" {
        Some(format!("Last login: {when} from {from}\n"))
    } else {
        let when = fs::logs::local(persona, at, "%a %b %e %H:%M:%S %Z %Y");
        Some(format!("Last login: {when} from {from} on pts/0\n"))
    }
}

fn environment(k: &Kernel, login: &Login, account: &model::Account, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = match (family, account.uid) {
        (Family::Alpine, _) => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (Family::Rhel, 0) => "/root/.local/bin:/root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
        (Family::Rhel, _) => "/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin",
        (Family::Ubuntu, _) => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games:/snap/bin",
        (_, 0) => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        _ => "/usr/local/bin:/usr/bin:/bin:/usr/games",
    };
    // Without a login shell sshd's own path counts, which is the same for root on Debian.
    let mut env: Vec<(String, String)> = vec![
        ("USER".into(), account.name.clone()),
        ("LOGNAME".into(), account.name.clone()),
        ("HOME".into(), account.home.clone()),
        ("PATH".into(), path.into()),
        ("SHELL".into(), account.shell.clone()),
    ];
    if let Some(tty) = &login.tty {
        env.push(("TERM".into(), if tty.term.is_empty() { "dumb".into() } else { tty.term.clone() }));
    }
    let live = k.fs.live.lock();
    if family != Family::Alpine {
        env.push(("MOTD_SHOWN".into(), "pam".into()));
        env.push(("XDG_SESSION_TYPE".into(), "tty".into()));
        env.push(("XDG_SESSION_CLASS".into(), "user".into()));
        env.push(("XDG_SESSION_ID".into(), (live.uptime().0 / 4000 + 3).to_string()));
        env.push(("XDG_RUNTIME_DIR".into(), format!("/run/user/{}", account.uid)));
        env.push(("DBUS_SESSION_BUS_ADDRESS".into(), format!("unix:path=/run/user/{}/bus", account.uid)));
    }
    if account.uid != 0 || family != Family::Alpine {
        env.push(("MAIL".into(), format!("/var/mail/{}", account.name)));
    }
    if login.service == "telnet" && family != Family::Alpine {
        env.push(("HUSHLOGIN".into(), "FALSE".into()));
        env.push(("REMOTEHOST".into(), live.peer.ip().to_string()));
    }
    if login.service == "ssh" {
        env.push(("SSH_CLIENT".into(), format!("{} {} {}", live.peer.ip(), login.peer_port, live.local.port())));
        env.push(("SSH_CONNECTION".into(), format!("{} {} {} {}", live.peer.ip(), login.peer_port, live.local.ip(), live.local.port())));
        if let Some(tty) = &login.tty {
            env.push(("SSH_TTY".into(), format!("/dev/{}", tty.name)));
        }
    }
    for (name, value) in login.env.iter().take(64) {
        if name == "LANG" || name.starts_with("LC_") {
            env.push((name.clone(), value.clone()));
        }
    }
    env.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect()
}
