//! `/proc`, `/sys` and `/dev/pts`: made from what runs now.

pub(crate) mod daemons;
mod system;

pub(crate) use system::{modules, mounts, neighbours, traffic, uuid};

use bytes::Bytes;

use super::{
    Fs, Kind, live,
    live::{Live, Process},
    node::{Body, Node},
};

/// The node at a canonical kernel path.
pub(crate) fn node(fs: &Fs, canon: &[u8]) -> Option<Node> {
    let live = fs.live.lock();
    let text = std::str::from_utf8(canon).ok()?;
    let dir = |mode| Some(Node { meta: live::meta(Kind::Dir, mode, 0, live.now, canon), body: Body::None });
    let file = |mode, uid| Some(Node { meta: live::meta(Kind::File, mode, uid, live.now, canon), body: Body::Live });
    let link = |target: Vec<u8>| Some(Node { meta: live::meta(Kind::Link, 0o777, 0, live.now, canon), body: Body::Link(target) });
    let mut parts = text.split('/').skip(1);
    match (parts.next()?, parts.next()) {
        ("proc", None) => dir(0o555),
        ("sys", None) => dir(0o555),
        ("dev", Some(_)) => match parts.next() {
            None => dir(0o755),
            Some("ptmx") => Some(Node { meta: live::meta(Kind::Char(5, 2), 0, 0, live.now, canon), body: Body::None }),
            Some(n) => {
                let n: u32 = n.parse().ok()?;
                let mine = live.tty.as_deref() == Some(&format!("pts/{n}"));
                let uid = live.procs.get(&live.shell_pid).map_or(0, |p| p.uid);
                mine.then(|| {
                    let mut meta = live::meta(Kind::Char(136, n), 0o620, uid, live.now, canon);
                    meta.gid = 5;
                    Node { meta, body: Body::None }
                })
            }
        },
        ("proc", Some("self")) if parts.next().is_none() => link(live.shell_pid.to_string().into_bytes()),
        ("proc", Some("thread-self")) => link(format!("{0}/task/{0}", live.shell_pid).into_bytes()),
        ("proc", Some("mounts")) => link(b"self/mounts".to_vec()),
        ("proc", Some("net")) if text == "/proc/net" => link(b"self/net".to_vec()),
        ("proc", Some(pid)) if pid.bytes().all(|b| b.is_ascii_digit()) => {
            let process = live.procs.get(&pid.parse().ok()?)?;
            let kernel = process.args.is_empty();
            let uid = process.uid;
            match (parts.next(), parts.next(), parts.next()) {
                (None, ..) => {
                    let mut node = dir(0o555)?;
                    node.meta.uid = uid;
                    node.meta.gid = uid;
                    node.meta.mtime = process.start;
                    Some(node)
                }
                (Some("exe"), None, _) => (!kernel).then(|| link(process.exe.clone())).flatten(),
                (Some("cwd"), None, _) => link(process.cwd.clone()),
                (Some("root"), None, _) => link(b"/".to_vec()),
                (Some("fd" | "fdinfo" | "task" | "ns" | "net" | "attr" | "map_files"), None, _) => dir(0o555),
                (Some("net"), Some(name), None) => system::NET.contains(&name).then(|| file(0o444, 0)).flatten(),
                (Some("task"), Some(tid), None) if tid == pid => dir(0o555),
                (Some("fd"), Some(n), None) => fd_target(&live, process, n).and_then(link),
                (Some("ns"), Some(name), None) => {
                    let inode = match name {
                        "net" => 4_026_531_840u64,
                        "uts" => 4_026_531_838,
                        "ipc" => 4_026_531_839,
                        "pid" => 4_026_531_836,
                        "user" => 4_026_531_837,
                        "mnt" => 4_026_531_841,
                        "cgroup" => 4_026_531_835,
                        _ => return None,
                    };
                    link(format!("{name}:[{inode}]").into_bytes())
                }
                (Some(name), None, _) if system::PID_FILES.contains(&name) => {
                    let private = matches!(name, "environ" | "mem" | "maps" | "io" | "auxv" | "syscall" | "stack");
                    file(if private { 0o400 } else { 0o444 }, uid)
                }
                _ => None,
            }
        }
        _ if system::is_dir(&live, text) => dir(if text.starts_with("/proc") { 0o555 } else { 0o755 }),
        _ => match system::link(&live, text) {
            Some(target) => link(target),
            None => system::mode(&live, text).and_then(|mode| file(mode, 0)),
        },
    }
}

fn fd_target(live: &Live, process: &Process, n: &str) -> Option<Vec<u8>> {
    let n: u32 = n.parse().ok()?;
    if let Some(tty) = &process.tty {
        return (n <= 2 || n == 255).then(|| format!("/dev/{tty}").into_bytes());
    }
    if process.args.is_empty() {
        return None;
    }
    match n {
        0 => Some(b"/dev/null".to_vec()),
        1 | 2 => Some(format!("socket:[{}]", 13_000 + process.pid * 3).into_bytes()),
        _ => live.sockets.iter().find(|s| s.pid == process.pid && s.fd == n).map(|s| format!("socket:[{}]", s.inode).into_bytes()),
    }
}

/// Names in a kernel directory.
pub(crate) fn names(fs: &Fs, canon: &[u8]) -> Vec<Vec<u8>> {
    let live = fs.live.lock();
    let Ok(text) = std::str::from_utf8(canon) else {
        return Vec::new();
    };
    let parts: Vec<&str> = text.split('/').skip(1).collect();
    let own = |names: &[&str]| names.iter().map(|n| n.as_bytes().to_vec()).collect::<Vec<_>>();
    match parts.as_slice() {
        ["proc"] => {
            let mut names = system::names(&live, text);
            names.extend(live.procs.keys().map(|p| p.to_string().into_bytes()));
            names.extend(own(&["self", "thread-self", "mounts", "net"]));
            names
        }
        ["dev", "pts"] => {
            let mut names = own(&["ptmx"]);
            names.extend(live.tty.as_deref().and_then(|t| t.strip_prefix("pts/")).map(|n| n.as_bytes().to_vec()));
            names
        }
        ["proc", pid] if pid.bytes().all(|b| b.is_ascii_digit()) => {
            let mut names = own(system::PID_FILES);
            names.extend(own(&["exe", "cwd", "root", "fd", "fdinfo", "task", "ns", "net", "attr", "map_files"]));
            names
        }
        ["proc", pid, "task"] => vec![pid.as_bytes().to_vec()],
        ["proc", _, "net"] => own(system::NET),
        ["proc", _, "ns"] => own(&["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]),
        ["proc", pid, "fd"] => {
            let Some(process) = pid.parse().ok().and_then(|p: u32| live.procs.get(&p)) else {
                return Vec::new();
            };
            (0..256u32).map(|n| n.to_string()).filter(|n| fd_target(&live, process, n).is_some()).map(String::into_bytes).collect()
        }
        _ => system::names(&live, text),
    }
}

/// What a kernel file holds now.
pub(crate) fn content(fs: &Fs, canon: &[u8]) -> Bytes {
    let live = fs.live.lock();
    let Ok(text) = std::str::from_utf8(canon) else {
        return Bytes::new();
    };
    let parts: Vec<&str> = text.split('/').skip(1).collect();
    if let ["proc", pid, rest @ ..] = parts.as_slice()
        && let Some(process) = pid.parse().ok().and_then(|p: u32| live.procs.get(&p))
    {
        return match rest {
            ["net", name] => system::net(&live, name).into(),
            [name] => system::of_process(&live, process, name).into(),
            _ => Bytes::new(),
        };
    }
    system::content(&live, text).into()
}
