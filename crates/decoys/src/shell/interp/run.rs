//! Finding programs and running them: the table of commands, scripts, what an attacker brought.

use bytes::Bytes;
use model::{Account, Micros};
use parking_lot::Mutex;
use std::{sync::Arc, task::Poll};

use super::{Flavor, Sh};
use crate::shell::{
    Errno, Who,
    commands::{self, Run},
    fs::{live::Process, skeleton},
    kernel::{Boxed, Kernel},
    proc::{DEEPEST, Fds, Proc, absolute},
};

/// Lines of `/etc/passwd` and `/etc/group` that are looked at.
const MOST_LINES: usize = 2000;

/// A persona's account by name, or a system account.
pub(crate) fn account(k: &Kernel, name: &[u8]) -> Option<Account> {
    let text = passwd(k);
    let text = String::from_utf8_lossy(&text);
    // Only the line that counts is taken apart.
    let mine = |line: &&str| line.split(':').next().is_some_and(|n| n.as_bytes() == name);
    text.lines().take(MOST_LINES).filter(mine).find_map(|line| parsed(k, line))
}

/// An account by number.
pub(crate) fn account_of(k: &Kernel, uid: u32) -> Option<Account> {
    let text = passwd(k);
    let text = String::from_utf8_lossy(&text);
    let mine = |line: &&str| line.split(':').nth(2).and_then(|n| n.parse().ok()) == Some(uid);
    text.lines().take(MOST_LINES).filter(mine).find_map(|line| parsed(k, line))
}

/// All accounts as `/etc/passwd` has them now, so that what an attacker adds counts.
pub(crate) fn accounts(k: &Kernel) -> Vec<Account> {
    String::from_utf8_lossy(&passwd(k)).lines().take(MOST_LINES).filter_map(|line| parsed(k, line)).collect()
}

fn passwd(k: &Kernel) -> Bytes {
    k.fs.read(&Who::root(), b"/etc/passwd").unwrap_or_default()
}

/// A line of `/etc/passwd`.
fn parsed(k: &Kernel, line: &str) -> Option<Account> {
    let f: Vec<&str> = line.split(':').collect();
    let known = k.fs.persona().account(f.first()?.as_bytes());
    Some(Account {
        name: (*f.first()?).to_owned(),
        uid: f.get(2)?.parse().ok()?,
        gid: f.get(3)?.parse().ok()?,
        gecos: (*f.get(4)?).to_owned(),
        home: (*f.get(5)?).to_owned(),
        shell: (*f.get(6)?).to_owned(),
        password: known.and_then(|a| a.password.clone()),
        sudo: known.is_some_and(|a| a.sudo),
    })
}

/// Groups as `/etc/group` has them: name, number, members.
pub(crate) fn groups(k: &Kernel) -> Vec<(String, u32, Vec<String>)> {
    let text = k.fs.read(&Who::root(), b"/etc/group").unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .take(MOST_LINES)
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            Some((
                (*f.first()?).to_owned(),
                f.get(2)?.parse().ok()?,
                f.get(3)?.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            ))
        })
        .collect()
}

/// Credentials of an account.
pub(crate) fn credentials(k: &Kernel, a: &Account) -> Who {
    let mut list = vec![a.gid];
    let text = k.fs.read(&Who::root(), b"/etc/group").unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines().take(MOST_LINES) {
        let mut fields = line.split(':').skip(2);
        let (Some(gid), Some(members)) = (fields.next().and_then(|g| g.parse().ok()), fields.next()) else { continue };
        if !members.is_empty() && members.split(',').any(|m| m == a.name) && !list.contains(&gid) {
            list.push(gid);
        }
    }
    Who { uid: a.uid, gid: a.gid, groups: list }
}

/// The time in the persona's zone.
pub(crate) fn local(k: &Kernel, format: &str) -> String {
    crate::shell::fs::logs::local(k.fs.persona(), k.now().seconds(), format)
}

/// Puts a process into the table.
#[expect(clippy::too_many_arguments, reason = "the fields of a process")]
pub(crate) fn register(
    k: &Kernel,
    pid: u32,
    ppid: u32,
    who: &Who,
    cwd: &[u8],
    args: &[Vec<u8>],
    fds: &Fds,
    killed: Option<Arc<Mutex<Option<i32>>>>,
) {
    let user = account_of(k, who.uid).map_or_else(|| who.uid.to_string(), |a| a.name);
    let mut live = k.fs.live.lock();
    let name = args.first().map(|a| a.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec()).unwrap_or_default();
    let now = live.now;
    let tty = if k.has_tty || fds.values().any(|f| f.is_tty(k)) { live.tty.clone() } else { None };
    let comm: Vec<u8> = name.strip_prefix(b"-").unwrap_or(&name).iter().copied().take(15).collect();
    let exe = [b"/usr/bin/".as_slice(), name.strip_prefix(b"-").unwrap_or(&name)].concat();
    live.add(Process {
        pid,
        ppid,
        user,
        uid: who.uid,
        tty,
        stat: "S+",
        start: now,
        cpu_us: 1000,
        busy: 0,
        vsz: 5_400 + u64::from(pid % 97) * 28,
        rss: 900 + u64::from(pid % 61) * 12,
        comm,
        args: args.to_vec(),
        exe,
        cwd: cwd.to_vec(),
    });
    drop(live);
    if let Some(flag) = killed {
        k.kills.lock().entry(pid).or_insert(flag);
    }
}

/// Sends a signal to a background task of this session; `false`: there is none under that number.
pub(crate) fn kill(k: &Kernel, pid: u32, signal: i32) -> bool {
    match k.kills.lock().get(&pid) {
        Some(flag) => {
            *flag.lock() = Some(signal);
            k.moved();
            true
        }
        None => false,
    }
}

/// Takes a process out of the table.
pub(crate) fn forget(k: &Kernel, pid: u32) {
    k.fs.live.lock().procs.remove(&pid);
    k.kills.lock().remove(&pid);
}

/// Runs `work` until it ends or its process is killed.
pub(crate) async fn unless_killed(k: &Kernel, flag: &Arc<Mutex<Option<i32>>>, mut work: Boxed<'_, i32>) -> i32 {
    let _ = k;
    std::future::poll_fn(move |cx| {
        if let Some(signal) = *flag.lock()
            && signal != 0
        {
            return Poll::Ready(128 + signal);
        }
        match work.as_mut().poll(cx) {
            Poll::Ready(status) => Poll::Ready(status),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Takes a process out of the table when dropped, however its future ends.
struct Registered<'a>(&'a Arc<Kernel>, u32);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        forget(self.0, self.1);
    }
}

/// Why a program does not run.
pub(crate) enum NotFound {
    /// Not in `PATH`.
    Command,
    File(Errno),
}

/// Full path of a program.
pub(crate) fn find(sh: &Sh, name: &[u8]) -> Result<Vec<u8>, NotFound> {
    let path = sh.vars.str(b"PATH").unwrap_or_default().to_vec();
    find_in(&sh.k, &sh.who, &sh.cwd, &path, name)
}

/// Full path of a program, looked for along `path`.
pub(crate) fn find_in(k: &Kernel, who: &Who, cwd: &[u8], path: &[u8], name: &[u8]) -> Result<Vec<u8>, NotFound> {
    if name.contains(&b'/') {
        let full = absolute(cwd, name);
        let meta = k.fs.stat(who, &full).map_err(NotFound::File)?;
        if meta.is_dir() {
            return Err(NotFound::File(Errno::EISDIR));
        }
        return if meta.allows(who, 1) { Ok(full) } else { Err(NotFound::File(Errno::EACCES)) };
    }
    if name.is_empty() {
        return Err(NotFound::Command);
    }
    let mut refused = None;
    for dir in path.split(|&b| b == b':') {
        let full = absolute(cwd, &[if dir.is_empty() { b"." } else { dir }, b"/", name].concat());
        if let Ok(meta) = k.fs.stat(who, &full)
            && !meta.is_dir()
        {
            if meta.allows(who, 1) {
                return Ok(full);
            }
            refused = Some(NotFound::File(Errno::EACCES));
        }
    }
    Err(refused.unwrap_or(NotFound::Command))
}

/// Runs a program for a shell and gives its status.
pub(crate) async fn external(sh: &mut Sh, args: Vec<Vec<u8>>, extra: Vec<(Vec<u8>, Vec<u8>)>) -> i32 {
    let name = args.first().cloned().unwrap_or_default();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let path_override = extra.iter().find(|(n, _)| n == b"PATH").map(|(_, v)| v.clone());
    let found = match path_override {
        Some(path) => find_in(&sh.k, &sh.who, &sh.cwd, &path, &name),
        None => find(sh, &name),
    };
    let path = match found {
        Ok(path) => path,
        Err(NotFound::Command) => {
            // BusyBox finds its own applets without a path.
            if sh.flavor == Flavor::Ash && commands::busybox::is_applet(&shown) {
                b"/bin/busybox".to_vec()
            } else {
                let text = match sh.flavor {
                    Flavor::Bash if sh.funcs.contains_key(b"command_not_found_handle".as_slice()) => format!("{shown}: command not found"),
                    Flavor::Bash => format!("{shown}: command not found"),
                    Flavor::Dash | Flavor::Ash => format!("{shown}: not found"),
                };
                sh.warn(text).await;
                return 127;
            }
        }
        Err(NotFound::File(e)) => {
            let text = match (sh.flavor, e) {
                (Flavor::Bash, e) => format!("{shown}: {e}"),
                (_, Errno::ENOENT) => format!("{shown}: not found"),
                (_, Errno::EISDIR) => format!("{shown}: Permission denied"),
                (_, e) => format!("{shown}: {e}"),
            };
            sh.warn(text).await;
            return if e == Errno::ENOENT || e == Errno::ENOTDIR { 127 } else { 126 };
        }
    };
    sh.k.pay(12).await;
    let mut p = Proc::new(Arc::clone(&sh.k), args, sh.cwd.clone(), sh.who.clone(), sh.fds.clone());
    p.umask = sh.umask;
    p.ppid = sh.own_pid;
    p.depth = sh.program_depth + sh.depth / 4;
    p.env = sh.vars.environment();
    for (name, value) in extra {
        p.env.retain(|(n, _)| *n != name);
        p.env.push((name, value));
    }
    p.env.retain(|(n, _)| n != b"_");
    p.env.push((b"_".to_vec(), path.clone()));
    match exec(p, &path).await {
        Ok(status) => status,
        Err(Errno::ENOEXEC) => {
            let text = match sh.flavor {
                Flavor::Bash => format!("{shown}: cannot execute binary file: Exec format error"),
                _ => format!("{shown}: Exec format error"),
            };
            sh.warn(text).await;
            126
        }
        Err(e) => {
            let text = match e {
                Errno::E2BIG => format!("{shown}: Argument list too long"),
                Errno::ENOENT => format!("{shown}: cannot execute: required file not found"),
                e => format!("{shown}: {e}"),
            };
            sh.warn(text).await;
            if e == Errno::ENOENT { 127 } else { 126 }
        }
    }
}

/// Runs the program at `path`. `Err`: it is none.
pub(crate) fn exec(p: Proc, path: &[u8]) -> Boxed<'_, Result<i32, Errno>> {
    Box::pin(async move {
        let mut p = p;
        let path = path.to_vec();
        if p.depth > DEEPEST {
            p.k.sleep(std::time::Duration::from_millis(500)).await;
            return Err(Errno::E2BIG);
        }
        if p.args.iter().map(|a| a.len() + 9).sum::<usize>() > 2 << 20 {
            return Err(Errno::E2BIG);
        }
        let pid = p.k.fs.live.lock().fresh_pid();
        p.pid = pid;
        {
            let live = p.k.fs.live.lock();
            if live.procs.len() > crate::shell::fs::live::MOST_PROCS {
                drop(live);
                return Err(Errno::E2BIG);
            }
        }
        let k = Arc::clone(&p.k);
        let flag: Arc<Mutex<Option<i32>>> = Arc::default();
        register(&k, pid, p.ppid, &p.who, &p.cwd, &p.args, &p.fds, Some(Arc::clone(&flag)));
        let _registered = Registered(&k, pid);
        let work: Boxed<'_, i32> = match kind(&p, &path)? {
            Program::Table(name) => Box::pin(table(p, name)),
            Program::Script(shell, flavor, args) => Box::pin(async move {
                p.args.splice(0..1, args);
                let _ = shell;
                script(p, flavor, path).await
            }),
            Program::Other(interpreter, args) => Box::pin(async move {
                p.args.splice(0..1, args);
                exec(p, &interpreter).await.unwrap_or(126)
            }),
            Program::Own => Box::pin(async move { own(&mut p, &path).await }),
        };
        Ok(unless_killed(&k, &flag, work).await)
    })
}

enum Program {
    Table(&'static commands::Command),
    /// A script: its interpreter's path, the shell that is, and what replaces `argv[0]`.
    Script(Vec<u8>, Flavor, Vec<Vec<u8>>),
    Other(Vec<u8>, Vec<Vec<u8>>),
    /// Machine code that an attacker brought.
    Own,
}

fn kind(p: &Proc, path: &[u8]) -> Result<Program, Errno> {
    let fs = &p.k.fs;
    if let Some(name) = fs.program(&p.who, path)? {
        let called = p.name();
        let command = if name == "busybox" { commands::find("busybox") } else { commands::find(&name).or_else(|| commands::find(&called)) };
        return Ok(Program::Table(command.unwrap_or(&commands::SILENT)));
    }
    let head = fs.read_at(&Who::root(), path, 0, 256)?;
    if head.starts_with(b"\x7fELF") {
        let class = head.get(4).copied().unwrap_or(0);
        let machine = u16::from_le_bytes([head.get(18).copied().unwrap_or(0), head.get(19).copied().unwrap_or(0)]);
        let machine = if head.get(5) == Some(&2) { machine.swap_bytes() } else { machine };
        let own = skeleton::elf_machine(&fs.persona().distro.machine);
        let runs = (machine == own && class == 2) || (own == 62 && machine == 3 && class == 1);
        return if runs && head.len() >= 52 { Ok(Program::Own) } else { Err(Errno::ENOEXEC) };
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
        let cut = line.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(line.len());
        let interpreter = line.get(..cut).unwrap_or_default().to_vec();
        let argument = line.get(cut..).unwrap_or_default().trim_ascii().to_vec();
        let mut args = vec![interpreter.clone()];
        if !argument.is_empty() {
            args.push(argument);
        }
        args.push(p.args.first().cloned().unwrap_or_default());
        if interpreter.is_empty() {
            return Ok(Program::Script(b"/bin/sh".to_vec(), Flavor::Bash, args.split_off(args.len() - 1)));
        }
        fs.access(&p.who, &interpreter, 1).map_err(|_| Errno::ENOENT)?;
        return Ok(Program::Other(interpreter, args));
    }
    if head.iter().take_while(|&&b| b != b'\n').any(|&b| b == 0) {
        return Err(Errno::ENOEXEC);
    }
    // Text without `#!`: the calling shell runs it itself.
    Ok(Program::Script(b"/bin/bash".to_vec(), Flavor::Bash, vec![p.args.first().cloned().unwrap_or_default()]))
}

async fn table(mut p: Proc, command: &'static commands::Command) -> i32 {
    let status = match command.run {
        Run::Now(main) => main(&mut p),
        Run::Waits(main) => main(&mut p).await,
    };
    match p.flush().await {
        Ok(()) => status,
        Err(Errno::EPIPE) => 141,
        Err(Errno::EBADF) if status == 0 => {
            p.warn("write error: Bad file descriptor").await;
            1
        }
        Err(e) => {
            p.warn(format!("write error: {e}")).await;
            1
        }
    }
}

/// A text file run as a script by a shell of its own.
async fn script(p: Proc, flavor: Flavor, path: Vec<u8>) -> i32 {
    let Ok(text) = p.k.fs.read(&p.who, &path) else { return 126 };
    let mut sh = Sh::of(&p, flavor);
    sh.params = p.args.iter().skip(1).cloned().collect();
    commands::shells::run_script(&mut sh, &text).await
}

/// Machine code an attacker brought: it goes into the background like most of its kind, or ends quietly.
async fn own(p: &mut Proc, path: &[u8]) -> i32 {
    let bytes = p.k.fs.read(&Who::root(), path).unwrap_or_default();
    p.k.sleep(std::time::Duration::from_millis(30 + u64::from(p.k.random_u32() % 90))).await;
    if bytes.len() < 400 {
        // A header and nothing behind it.
        p.err("Segmentation fault\n").await;
        return 139;
    }
    let mut live = p.k.fs.live.lock();
    let pid = live.fresh_pid();
    let now: Micros = live.now;
    let user = live.procs.get(&p.pid).map_or_else(|| "root".into(), |q| q.user.clone());
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
    if live.procs.len() < crate::shell::fs::live::MOST_PROCS {
        live.add(Process {
            pid,
            ppid: 1,
            user,
            uid: p.who.uid,
            tty: None,
            stat: "Ss",
            start: now,
            cpu_us: 2000,
            busy: 40_000,
            vsz: 1200 + bytes.len() as u64 / 1024,
            rss: 300 + bytes.len() as u64 / 2048,
            comm: name.iter().copied().take(15).collect(),
            args: p.args.clone(),
            exe: path.to_vec(),
            cwd: p.cwd.clone(),
        });
        live.load += 0.4;
    }
    0
}
