//! Accounts: `sudo`, `su`, `passwd`, `useradd` and friends, `crontab`.

use model::{Outcome, Saw, SecretKind};
use std::time::Duration;

use super::opts::text;
use crate::shell::{Who, WriteMode, fs::logs::sha512_crypt, interp::run, proc::Proc};

fn attempt(p: &Proc, user: &str, secret: &[u8], ok: bool) {
    p.k.note(Saw::AuthAttempt {
        principal: Some(user.into()),
        secret: secret.into(),
        secret_kind: SecretKind::Plaintext,
        outcome: if ok { Outcome::Success } else { Outcome::Failure },
        challenge: None,
    });
}

/// Whether a password opens an account now, counting what was changed with `passwd`.
fn opens(p: &Proc, user: &str, secret: &[u8]) -> bool {
    let shadow = p.fs().read(&Who::root(), b"/etc/shadow").unwrap_or_default();
    let all = text(&shadow);
    let Some(hash) = all.lines().find_map(|l| l.strip_prefix(&format!("{user}:"))).and_then(|r| r.split(':').next()) else { return false };
    let Some(salt) = hash.strip_prefix("$6$").and_then(|r| r.split('$').next()) else { return false };
    sha512_crypt(secret, salt.as_bytes()) == hash
}

fn has_sudo(p: &Proc, user: &str) -> bool {
    user == "root"
        || run::groups(&p.k).iter().any(|(n, _, m)| (n == "sudo" || n == "wheel") && m.iter().any(|x| x == user))
        || p.fs().persona().account(user.as_bytes()).is_some_and(|a| a.sudo)
}

/// `sudo`.
pub(crate) async fn sudo(p: &mut Proc) -> i32 {
    let mut args: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let (mut login, mut shell, mut list, mut target, mut quiet, mut stdin) = (false, false, false, "root".to_owned(), false, false);
    let mut keep = false;
    while let Some(a) = args.first().map(|a| text(a)) {
        if !a.starts_with('-') || a == "--" {
            if a == "--" {
                args.remove(0);
            }
            break;
        }
        args.remove(0);
        match a.as_str() {
            "-i" | "--login" => login = true,
            "-s" | "--shell" => shell = true,
            "-l" | "--list" => list = true,
            "-n" | "--non-interactive" => quiet = true,
            "-S" | "--stdin" => stdin = true,
            "-E" => keep = true,
            "-k" | "-K" | "-v" if args.is_empty() => {
                if a != "-v" {
                    p.fs().remember("sudo", "");
                    return 0;
                }
            }
            "-V" | "--version" => {
                p.out("Sudo version 1.9.13p3\nSudoers policy plugin version 1.9.13p3\nSudoers file grammar version 50\nSudoers I/O plugin version 1.9.13p3\nSudoers audit plugin version 1.9.13p3\n");
                return 0;
            }
            "-u" | "-g" | "-p" | "-h" | "-C" | "-r" | "-t" => {
                let v = if args.is_empty() { String::new() } else { text(&args.remove(0)) };
                if a == "-u" {
                    target = v;
                }
            }
            _ => {
                if let Some(u) = a.strip_prefix("-u") {
                    target = u.to_owned();
                } else {
                    for c in a.chars().skip(1) {
                        match c {
                            'i' => login = true,
                            's' => shell = true,
                            'n' => quiet = true,
                            'S' => stdin = true,
                            'E' => keep = true,
                            'l' => list = true,
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    if args.is_empty() && !login && !shell && !list {
        p.err("usage: sudo -h | -K | -k | -V\nusage: sudo -v [-ABkNnS] [-g group] [-h host] [-p prompt] [-u user]\nusage: sudo -l [-ABkNnS] [-g group] [-h host] [-p prompt] [-U user] [-u user]\n            [command [arg ...]]\nusage: sudo [-ABbEHkNnPS] [-r role] [-t type] [-C num] [-D directory] [-g\n            group] [-h host] [-p prompt] [-R directory] [-T timeout] [-u user]\n            [VAR=value] [-i | -s] [command [arg ...]]\nusage: sudo -e [-ABkNnS] [-r role] [-t type] [-C num] [-D directory] [-g group]\n            [-h host] [-p prompt] [-R directory] [-T timeout] [-u user] file ...\n").await;
        return 1;
    }
    let me = run::account_of(&p.k, p.who.uid);
    let name = me.as_ref().map_or_else(|| p.who.uid.to_string(), |a| a.name.clone());
    if p.who.uid != 0 {
        let fresh =
            p.fs().remembered("sudo").and_then(|t| t.parse::<i64>().ok()).is_some_and(|t| p.k.now().seconds() - t < 900) && p.k.has_tty;
        if !fresh {
            if quiet {
                p.err("sudo: a password is required\n").await;
                return 1;
            }
            if !p.k.has_tty && !stdin {
                p.err("sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required\n").await;
                return 1;
            }
            let mut ok = false;
            for tries in 0..3 {
                let Some(secret) = p.secret(&format!("[sudo] password for {name}: ")).await else {
                    p.err("\nsudo: no password was provided\nsudo: a password is required\n").await;
                    return 1;
                };
                ok = opens(p, &name, &secret);
                attempt(p, &name, &secret, ok);
                if ok {
                    break;
                }
                p.k.sleep(Duration::from_millis(1800 + u64::from(p.k.random_u32() % 500))).await;
                if tries < 2 {
                    p.err("Sorry, try again.\n").await;
                }
            }
            if !ok {
                p.err("sudo: 3 incorrect password attempts\n").await;
                return 1;
            }
            let now = p.k.now().seconds().to_string();
            p.fs().remember("sudo", &now);
        }
        if !has_sudo(p, &name) {
            p.err(format!("{name} is not in the sudoers file.\n")).await;
            return 1;
        }
    }
    let host = p.fs().persona().hostname.clone();
    if list {
        let group = "(ALL : ALL) ALL";
        p.out(format!("Matching Defaults entries for {name} on {host}:\n    env_reset, mail_badpass, secure_path=/usr/local/sbin\\:/usr/local/bin\\:/usr/sbin\\:/usr/bin\\:/sbin\\:/bin, use_pty\n\nUser {name} may run the following commands on {host}:\n    {group}\n"));
        return 0;
    }
    let Some(account) = run::account(&p.k, target.trim_start_matches('#').as_bytes()) else {
        p.err(format!("sudo: unknown user {target}\nsudo: error initializing audit plugin sudoers_audit\n")).await;
        return 1;
    };
    let command = text(&args.join(&b' '));
    let mut child = p.child(args.clone());
    child.who = run::credentials(&p.k, &account);
    let path = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec();
    let term = p.var("TERM").map(<[u8]>::to_vec);
    let mut env: Vec<(Vec<u8>, Vec<u8>)> = if keep { p.env.clone() } else { Vec::new() };
    for (n, v) in [
        ("PATH", path.clone()),
        ("HOME", account.home.clone().into_bytes()),
        ("USER", account.name.clone().into_bytes()),
        ("LOGNAME", account.name.clone().into_bytes()),
        ("SHELL", account.shell.clone().into_bytes()),
        ("MAIL", format!("/var/mail/{}", account.name).into_bytes()),
        ("SUDO_USER", name.into_bytes()),
        ("SUDO_UID", p.who.uid.to_string().into_bytes()),
        ("SUDO_GID", p.who.gid.to_string().into_bytes()),
        ("SUDO_COMMAND", command.into_bytes()),
    ] {
        env.retain(|(k, _)| k != n.as_bytes());
        env.push((n.as_bytes().to_vec(), v));
    }
    if let Some(t) = term {
        env.push((b"TERM".to_vec(), t));
    }
    while let Some((n, v)) = child.args.first().and_then(|a| {
        a.iter().position(|&b| b == b'=').map(|at| (a.get(..at).unwrap_or_default().to_vec(), a.get(at + 1..).unwrap_or_default().to_vec()))
    }) {
        if n.contains(&b'/') {
            break;
        }
        env.push((n, v));
        child.args.remove(0);
    }
    child.env = env;
    if login || shell || child.args.is_empty() {
        let base = account.shell.clone().into_bytes();
        let mut argv =
            vec![if login { [b"-".as_slice(), base.rsplit(|&b| b == b'/').next().unwrap_or(b"bash")].concat() } else { base.clone() }];
        if !child.args.is_empty() {
            argv.push(b"-c".to_vec());
            argv.push(child.args.join(&b' '));
        }
        child.args = argv;
        if login {
            child.cwd = account.home.clone().into_bytes();
        }
        return match run::exec(child, &base).await {
            Ok(s) => s,
            Err(e) => p.fail(e.to_string()).await,
        };
    }
    let first = child.args.first().cloned().unwrap_or_default();
    match run::find_in(&p.k, &child.who, &child.cwd, &path, &first) {
        Ok(full) => match run::exec(child, &full).await {
            Ok(s) => s,
            Err(e) => {
                p.err(format!("sudo: unable to execute {}: {e}\n", text(&full))).await;
                1
            }
        },
        Err(_) => {
            p.err(format!("sudo: {}: command not found\n", text(&first))).await;
            1
        }
    }
}

/// `su`.
pub(crate) async fn su(p: &mut Proc) -> i32 {
    let mut words = p.words();
    let mut login = false;
    let mut command = None;
    let mut user = None;
    let mut shell = None;
    let mut rest = Vec::new();
    words.reverse();
    while let Some(w) = words.pop() {
        match w.as_str() {
            "-" | "-l" | "--login" => login = true,
            "-c" | "--command" => command = words.pop(),
            "-s" | "--shell" => shell = words.pop(),
            "-p" | "-m" => {}
            _ if w.starts_with('-') => {}
            _ if user.is_none() => user = Some(w),
            _ => rest.push(w),
        }
    }
    let user = user.unwrap_or_else(|| "root".into());
    let Some(account) = run::account(&p.k, user.as_bytes()) else {
        p.err(format!("su: user {user} does not exist or the user entry does not contain all the required fields\n")).await;
        return 1;
    };
    if p.who.uid != 0 {
        if !p.k.has_tty && !p.fds.contains_key(&0) {
            p.err("su: must be run from a terminal\n").await;
            return 1;
        }
        let secret = p.secret("Password: ").await.unwrap_or_default();
        let ok = opens(p, &user, &secret);
        attempt(p, &user, &secret, ok);
        if !ok {
            p.k.sleep(Duration::from_millis(2200 + u64::from(p.k.random_u32() % 600))).await;
            p.err("su: Authentication failure\n").await;
            return 1;
        }
    }
    let base = shell.unwrap_or_else(|| account.shell.clone()).into_bytes();
    if base.ends_with(b"nologin") || base.ends_with(b"/false") {
        if base.ends_with(b"nologin") {
            p.out("This account is currently not available.\n");
        }
        return 1;
    }
    let short = base.rsplit(|&b| b == b'/').next().unwrap_or(b"bash").to_vec();
    let mut child = p.child(vec![if login { [b"-".as_slice(), &short].concat() } else { short }]);
    if let Some(c) = command {
        child.args.push(b"-c".to_vec());
        child.args.push(c.into_bytes());
    }
    child.args.extend(rest.into_iter().map(String::into_bytes));
    child.who = run::credentials(&p.k, &account);
    let set = |env: &mut Vec<(Vec<u8>, Vec<u8>)>, n: &str, v: &str| {
        env.retain(|(k, _)| k != n.as_bytes());
        env.push((n.as_bytes().to_vec(), v.as_bytes().to_vec()));
    };
    if login {
        let term = p.var("TERM").map(<[u8]>::to_vec);
        child.env.clear();
        if let Some(t) = term {
            child.env.push((b"TERM".to_vec(), t));
        }
        child.cwd = account.home.clone().into_bytes();
        set(
            &mut child.env,
            "PATH",
            if account.uid == 0 {
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            } else {
                "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
            },
        );
        set(&mut child.env, "MAIL", &format!("/var/mail/{user}"));
    }
    set(&mut child.env, "HOME", &account.home);
    set(&mut child.env, "SHELL", &account.shell);
    if login || account.uid != 0 {
        set(&mut child.env, "USER", &user);
        set(&mut child.env, "LOGNAME", &user);
    }
    match run::exec(child, &base).await {
        Ok(s) => s,
        Err(e) => {
            p.err(format!("su: failed to execute {}: {e}\n", text(&base))).await;
            127
        }
    }
}

/// Replaces the line of a user in a file of `:`-separated fields.
fn rewrite(p: &Proc, file: &str, user: &str, change: impl Fn(&str) -> Option<String>) -> bool {
    let Ok(old) = p.fs().read(&Who::root(), file.as_bytes()) else { return false };
    let mut out = String::new();
    let mut hit = false;
    for line in text(&old).lines() {
        if line.split(':').next() == Some(user) {
            hit = true;
            if let Some(new) = change(line) {
                out.push_str(&new);
                out.push('\n');
            }
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    let mode = p.fs().stat(&Who::root(), file.as_bytes()).map_or(0o644, |m| m.mode);
    hit && p.fs().write(&Who::root(), file.as_bytes(), out.as_bytes(), WriteMode::Truncate, mode, p.k.now()).is_ok()
}

fn append(p: &Proc, file: &str, line: &str) -> bool {
    p.fs().write(&Who::root(), file.as_bytes(), line.as_bytes(), WriteMode::Append, 0o644, p.k.now()).is_ok()
}

fn salt(p: &Proc) -> String {
    let letters = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..16).map(|_| char::from(letters.get((p.k.random_u32() % 64) as usize).copied().unwrap_or(b'.'))).collect()
}

fn set_password(p: &Proc, user: &str, secret: &[u8]) -> bool {
    let hash = sha512_crypt(secret, salt(p).as_bytes());
    let day = p.k.now().seconds() / 86_400;
    rewrite(p, "/etc/shadow", user, |line| {
        let mut f: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let Some(x) = f.get_mut(1) {
            x.clone_from(&hash);
        }
        if let Some(x) = f.get_mut(2) {
            *x = day.to_string();
        }
        Some(f.join(":"))
    })
}

/// `passwd`.
pub(crate) async fn passwd(p: &mut Proc) -> i32 {
    let words = p.words();
    let me = run::account_of(&p.k, p.who.uid).map_or_else(|| "root".to_owned(), |a| a.name);
    let user = words.iter().find(|w| !w.starts_with('-')).cloned().unwrap_or_else(|| me.clone());
    if run::account(&p.k, user.as_bytes()).is_none() {
        p.err(format!("passwd: user '{user}' does not exist\n")).await;
        return 1;
    }
    if user != me && p.who.uid != 0 {
        p.err(format!("passwd: You may not view or modify password information for {user}.\n")).await;
        return 1;
    }
    if words.iter().any(|w| matches!(w.as_str(), "-l" | "-u" | "-d" | "-e" | "-S" | "--status")) {
        if words.iter().any(|w| w == "-S" || w == "--status") {
            let day = crate::shell::fs::logs::local(p.fs().persona(), p.fs().persona().installed.seconds(), "%m/%d/%Y");
            p.out(format!("{user} P {day} 0 99999 7 -1\n"));
        } else {
            p.out("passwd: password changed.\n");
        }
        return 0;
    }
    if p.who.uid != 0 {
        p.out(format!("Changing password for {user}.\n"));
        let old = p.secret("Current password: ").await.unwrap_or_default();
        let ok = opens(p, &user, &old);
        attempt(p, &user, &old, ok);
        if !ok {
            p.k.sleep(Duration::from_millis(1900)).await;
            p.err("passwd: Authentication token manipulation error\npasswd: password unchanged\n").await;
            return 10;
        }
    }
    let first = p.secret("New password: ").await.unwrap_or_default();
    if first.is_empty() {
        p.err("No password has been supplied.\n").await;
    }
    let again = p.secret("Retype new password: ").await.unwrap_or_default();
    if first.is_empty() {
        p.err("No password has been supplied.\npasswd: Authentication token manipulation error\npasswd: password unchanged\n").await;
        return 10;
    }
    p.k.note(Saw::AuthAttempt {
        principal: Some(user.as_str().into()),
        secret: first.clone().into(),
        secret_kind: SecretKind::Plaintext,
        outcome: Outcome::Observed,
        challenge: None,
    });
    if first != again {
        p.err("Sorry, passwords do not match.\npasswd: Authentication token manipulation error\npasswd: password unchanged\n").await;
        return 10;
    }
    set_password(p, &user, &first);
    p.err("passwd: password updated successfully\n").await;
    0
}

/// `chpasswd`.
pub(crate) async fn chpasswd(p: &mut Proc) -> i32 {
    if p.who.uid != 0 {
        return p.fail("cannot lock /etc/passwd; try again later.").await;
    }
    let input = p.all_input().await;
    let mut n = 0;
    for line in input.split(|&b| b == b'\n').filter(|l| !l.is_empty()).take(100) {
        n += 1;
        let Some(at) = line.iter().position(|&b| b == b':') else {
            p.err(format!("chpasswd: line {n}: missing new password\n")).await;
            return 1;
        };
        let (user, secret) = (text(line.get(..at).unwrap_or_default()), line.get(at + 1..).unwrap_or_default().to_vec());
        p.k.note(Saw::AuthAttempt {
            principal: Some(user.as_str().into()),
            secret: secret.clone().into(),
            secret_kind: SecretKind::Plaintext,
            outcome: Outcome::Observed,
            challenge: None,
        });
        if !set_password(p, &user, &secret) {
            p.err(format!("chpasswd: (user {user}) pam_chauthtok() failed, error:\nAuthentication token manipulation error\nchpasswd: (line {n}, user {user}) password not changed\n")).await;
            return 1;
        }
    }
    0
}

/// `useradd`, `adduser`, `userdel`, `deluser`, `usermod`, `groupadd`, `groupdel`.
pub(crate) async fn useradd(p: &mut Proc) -> i32 {
    let name = p.name();
    let words = p.words();
    if p.who.uid != 0 {
        let line = match name.as_str() {
            "adduser" | "deluser" | "addgroup" | "delgroup" => format!(
                "{name}: Only root may {} a user or group {} the system.\n",
                if name.starts_with("add") { "add" } else { "remove" },
                if name.starts_with("add") { "to" } else { "from" }
            ),
            "groupadd" | "groupdel" | "groupmod" => {
                format!("{name}: Permission denied.\n{name}: cannot lock /etc/group; try again later.\n")
            }
            _ => format!("{name}: Permission denied.\n{name}: cannot lock /etc/passwd; try again later.\n"),
        };
        p.err(line).await;
        return 1;
    }
    let takes = [
        "-u",
        "-g",
        "-G",
        "-d",
        "-s",
        "-c",
        "-p",
        "-k",
        "-K",
        "-e",
        "-f",
        "-b",
        "--uid",
        "--gid",
        "--groups",
        "--home",
        "--shell",
        "--comment",
        "--password",
        "--gecos",
        "--ingroup",
        "--home-dir",
        "-l",
        "-h",
    ];
    let mut values: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let mut rest: Vec<String> = Vec::new();
    let mut it = words.iter();
    while let Some(w) = it.next() {
        if let Some((k, v)) = w.strip_prefix("--").and_then(|x| x.split_once('=')) {
            values.insert(format!("--{k}"), v.to_owned());
        } else if takes.contains(&w.as_str()) || (w == "-aG") {
            values.insert(if w == "-aG" { "-G".into() } else { w.clone() }, it.next().cloned().unwrap_or_default());
        } else if !w.starts_with('-') {
            rest.push(w.clone());
        } else {
            values.insert(w.clone(), String::new());
        }
    }
    let get = |names: &[&str]| names.iter().find_map(|n| values.get(*n)).cloned();
    let Some(user) = rest.first().cloned() else {
        p.err(format!("Usage: {name} [options] LOGIN\n")).await;
        return 2;
    };
    let accounts = run::accounts(&p.k);
    let groups = run::groups(&p.k);
    match name.as_str() {
        "userdel" | "deluser" => {
            if !accounts.iter().any(|a| a.name == user) {
                p.err(if name == "userdel" {
                    format!("userdel: user '{user}' does not exist\n")
                } else {
                    format!("/usr/sbin/deluser: The user `{user}' does not exist.\n")
                })
                .await;
                return if name == "userdel" { 6 } else { 2 };
            }
            rewrite(p, "/etc/passwd", &user, |_| None);
            rewrite(p, "/etc/shadow", &user, |_| None);
            rewrite(p, "/etc/group", &user, |_| None);
            if name == "deluser" {
                p.out(format!("Removing user `{user}' ...\nWarning: group `{user}' has no more members.\nDone.\n"));
            }
            0
        }
        "groupadd" | "addgroup" => {
            if groups.iter().any(|g| g.0 == user) {
                p.err(format!("groupadd: group '{user}' already exists\n")).await;
                return 9;
            }
            let gid = get(&["-g", "--gid"])
                .and_then(|g| g.parse().ok())
                .unwrap_or_else(|| groups.iter().map(|g| g.1).filter(|g| (1000..60_000).contains(g)).max().map_or(1000, |g| g + 1));
            append(p, "/etc/group", &format!("{user}:x:{gid}:\n"));
            0
        }
        "groupdel" | "delgroup" => {
            if rewrite(p, "/etc/group", &user, |_| None) {
                0
            } else {
                p.err(format!("groupdel: group '{user}' does not exist\n")).await;
                6
            }
        }
        "usermod" => {
            if !accounts.iter().any(|a| a.name == user) {
                p.err(format!("usermod: user '{user}' does not exist\n")).await;
                return 6;
            }
            let (shell, home, uid) = (get(&["-s", "--shell"]), get(&["-d", "--home"]), get(&["-u", "--uid"]));
            rewrite(p, "/etc/passwd", &user, |line| {
                let mut f: Vec<String> = line.split(':').map(str::to_owned).collect();
                for (n, v) in [(6, &shell), (5, &home), (2, &uid)] {
                    if let (Some(v), Some(x)) = (v, f.get_mut(n)) {
                        x.clone_from(v);
                    }
                }
                Some(f.join(":"))
            });
            for g in get(&["-G", "--groups"]).unwrap_or_default().split(',').filter(|g| !g.is_empty()) {
                join_group(p, g, &user).await;
            }
            0
        }
        _ => {
            if accounts.iter().any(|a| a.name == user) {
                if name == "adduser"
                    && let Some(group) = rest.get(1)
                {
                    p.out(format!("Adding user `{user}' to group `{group}' ...\nDone.\n"));
                    let group = group.clone();
                    join_group(p, &group, &user).await;
                    return 0;
                }
                p.err(if name == "useradd" {
                    format!("useradd: user '{user}' already exists\n")
                } else {
                    format!("adduser: The user `{user}' already exists.\n")
                })
                .await;
                return if name == "useradd" { 9 } else { 1 };
            }
            let free = accounts.iter().map(|a| a.uid).filter(|u| (1000..60_000).contains(u)).max().map_or(1000, |u| u + 1);
            let uid: u32 = get(&["-u", "--uid"]).and_then(|u| u.parse().ok()).unwrap_or(free);
            if accounts.iter().any(|a| a.uid == uid)
                && !values.contains_key("-o")
                && !values.keys().any(|k| k.starts_with('-') && !k.starts_with("--") && k.contains('o'))
            {
                p.err(format!("useradd: UID {uid} is not unique\n")).await;
                return 4;
            }
            let home = get(&["-d", "--home-dir", "--home"]).unwrap_or_else(|| format!("/home/{user}"));
            let shell = get(&["-s", "--shell"]).unwrap_or_else(|| if name == "adduser" { "/bin/bash".into() } else { "/bin/sh".into() });
            let gid = match get(&["-g", "--gid", "--ingroup"]) {
                Some(g) => groups.iter().find(|x| x.0 == g || x.1.to_string() == g).map_or(uid, |x| x.1),
                None => {
                    append(p, "/etc/group", &format!("{user}:x:{uid}:\n"));
                    uid
                }
            };
            let gecos =
                get(&["-c", "--comment", "--gecos"]).unwrap_or_else(|| if name == "adduser" { ",,,".into() } else { String::new() });
            append(p, "/etc/passwd", &format!("{user}:x:{uid}:{gid}:{gecos}:{home}:{shell}\n"));
            let hash = get(&["-p", "--password"]).unwrap_or_else(|| "!".into());
            append(p, "/etc/shadow", &format!("{user}:{hash}:{}:0:99999:7:::\n", p.k.now().seconds() / 86_400));
            let makes_home = name == "adduser"
                || values.keys().any(|k| k == "--create-home" || (k.starts_with('-') && !k.starts_with("--") && k.contains('m')));
            if makes_home {
                let root = Who::root();
                let _ = p.fs().mkdir(&root, home.as_bytes(), 0o755, p.k.now());
                let _ = p.fs().chown(&root, home.as_bytes(), Some(uid), Some(gid), true);
            }
            for g in get(&["-G", "--groups"]).unwrap_or_default().split(',').filter(|g| !g.is_empty()) {
                join_group(p, g, &user).await;
            }
            if name == "adduser" {
                p.out(format!("Adding user `{user}' ...\nAdding new group `{user}' ({gid}) ...\nAdding new user `{user}' ({uid}) with group `{user} ({gid})' ...\nCreating home directory `{home}' ...\nCopying files from `/etc/skel' ...\n"));
                if !values.contains_key("--disabled-password") {
                    let secret = p.secret("New password: ").await.unwrap_or_default();
                    let again = p.secret("Retype new password: ").await.unwrap_or_default();
                    if !secret.is_empty() && secret == again {
                        p.k.note(Saw::AuthAttempt {
                            principal: Some(user.as_str().into()),
                            secret: secret.clone().into(),
                            secret_kind: SecretKind::Plaintext,
                            outcome: Outcome::Observed,
                            challenge: None,
                        });
                        set_password(p, &user, &secret);
                        p.err("passwd: password updated successfully\n").await;
                    }
                    if !values.contains_key("--gecos") && p.k.has_tty {
                        p.out(format!("Changing the user information for {user}\nEnter the new value, or press ENTER for the default\n"));
                        for q in [
                            "\tFull Name []: ",
                            "\tRoom Number []: ",
                            "\tWork Phone []: ",
                            "\tHome Phone []: ",
                            "\tOther []: ",
                            "Is the information correct? [Y/n] ",
                        ] {
                            p.out(q);
                            let _ = p.flush().await;
                            p.line().await;
                        }
                    }
                }
            }
            0
        }
    }
}

async fn join_group(p: &mut Proc, group: &str, user: &str) {
    let done = rewrite(p, "/etc/group", group, |line| {
        let mut f: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let Some(m) = f.get_mut(3)
            && !m.split(',').any(|x| x == user)
        {
            if !m.is_empty() {
                m.push(',');
            }
            m.push_str(user);
        }
        Some(f.join(":"))
    });
    if !done {
        p.err(format!("usermod: group '{group}' does not exist\n")).await;
    }
}

/// `crontab`.
pub(crate) async fn crontab(p: &mut Proc) -> i32 {
    let me = run::account_of(&p.k, p.who.uid).map_or_else(|| "root".to_owned(), |a| a.name);
    let mut words = p.words();
    let mut user = me;
    if let Some(at) = words.iter().position(|w| w == "-u")
        && let Some(u) = words.get(at + 1).cloned()
    {
        user = u;
        words.drain(at..at + 2);
    }
    let dir = if p.fs().persona().distro.id == "alpine" {
        "/etc/crontabs"
    } else if p.fs().stat(&Who::root(), b"/var/spool/cron/crontabs").is_ok() {
        "/var/spool/cron/crontabs"
    } else {
        "/var/spool/cron"
    };
    let path = format!("{dir}/{user}").into_bytes();
    match words.first().map(String::as_str) {
        Some("-l") => match p.fs().read(&Who::root(), &path) {
            Ok(b) => {
                p.out(&b[..]);
                0
            }
            Err(_) => {
                p.err(format!("no crontab for {user}\n")).await;
                1
            }
        },
        Some("-r") => match p.fs().unlink(&Who::root(), &path) {
            Ok(()) => 0,
            Err(_) => {
                p.err(format!("no crontab for {user}\n")).await;
                1
            }
        },
        Some("-e") => {
            p.err(format!("no crontab for {user} - using an empty one\n")).await;
            p.out("No modification made\n");
            0
        }
        file => {
            let file = file.unwrap_or("-").to_owned();
            let bytes = match p.slurp(file.as_bytes()).await {
                Ok(b) => b,
                Err(e) => {
                    p.err(format!("{file}: {e}\n")).await;
                    return 1;
                }
            };
            let mut n = 0;
            for line in text(&bytes).lines() {
                n += 1;
                let l = line.trim();
                if l.is_empty() || l.starts_with('#') || l.starts_with('@') || l.split_whitespace().next().is_some_and(|w| w.contains('='))
                {
                    continue;
                }
                let fields: Vec<&str> = l.split_whitespace().collect();
                let good =
                    fields.len() >= 6 && fields.iter().take(5).all(|f| f.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/".contains(c)));
                if !good {
                    p.err(format!("\"{file}\":{}: bad minute\nerrors in crontab file, can't install.\n", n - 1)).await;
                    return 1;
                }
            }
            let _ = p.fs().write(&Who::root(), &path, &bytes, WriteMode::Truncate, 0o600, p.k.now());
            p.k.dirty(&path);
            0
        }
    }
}
