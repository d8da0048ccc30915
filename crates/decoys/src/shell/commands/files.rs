//! Programs about files: making, moving, removing, looking at them.

use model::Micros;

use super::{
    mode,
    opts::{self, Opts, human, parse, quoted, quoted_maybe, size, text},
};
use crate::shell::{
    Errno, Kind, Meta, WriteMode,
    fs::{self, logs},
    interp::run,
    proc::Proc,
};

/// Compares as `sort -V` and `ls -v` do.
pub(crate) fn version_cmp(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (None, None) => return a.cmp(b),
            (None, _) => return std::cmp::Ordering::Less,
            (_, None) => return std::cmp::Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let run = |s: &[u8], at: &mut usize| {
                    let from = *at;
                    while s.get(*at).is_some_and(u8::is_ascii_digit) {
                        *at += 1;
                    }
                    let digits = s.get(from..*at).unwrap_or_default();
                    let cut = digits.iter().take_while(|d| **d == b'0').count();
                    digits.get(cut..).unwrap_or_default().to_vec()
                };
                let (x, y) = (run(a, &mut i), run(b, &mut j));
                let ord = x.len().cmp(&y.len()).then(x.cmp(&y));
                if ord.is_ne() {
                    return ord;
                }
            }
            (Some(x), Some(y)) => {
                if x != y {
                    return x.cmp(y);
                }
                i += 1;
                j += 1;
            }
        }
    }
}

fn user(p: &Proc, uid: u32) -> String {
    run::account_of(&p.k, uid).map_or_else(|| uid.to_string(), |a| a.name)
}

fn group(p: &Proc, gid: u32) -> String {
    run::groups(&p.k).into_iter().find(|g| g.1 == gid).map_or_else(|| gid.to_string(), |g| g.0)
}

/// `basename`, `dirname`.
pub(crate) async fn basename(p: &mut Proc) -> i32 {
    let dir = p.name() == "dirname";
    let o = match parse(p, if dir { "z" } else { "+as:z" }, &[("multiple", 'a', 0), ("suffix", 's', 1), ("zero", 'z', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    if dir {
        for path in &o.rest {
            let trimmed = trim_slashes(path);
            let out: &[u8] = match trimmed.iter().rposition(|&b| b == b'/') {
                Some(at) => trim_slashes(trimmed.get(..at.max(1)).unwrap_or(b"/")),
                None if trimmed.is_empty() && path.starts_with(b"/") => b"/",
                None if trimmed == b"/" => b"/",
                None => b".",
            };
            p.out(out);
            p.out(b"\n");
        }
        return 0;
    }
    let many = o.has('a') || o.has('s');
    if !many && o.rest.len() > 2 {
        let extra = quoted(o.rest.get(2).map_or(&b""[..], Vec::as_slice));
        return opts::usage(p, &format!("extra operand {extra}"), 1).await;
    }
    let suffix = if many { o.value('s').unwrap_or_default().to_vec() } else { o.rest.get(1).cloned().unwrap_or_default() };
    for path in o.rest.iter().take(if many { usize::MAX } else { 1 }) {
        let trimmed = trim_slashes(path);
        let base = if trimmed == b"/" { b"/".as_slice() } else { trimmed.rsplit(|&b| b == b'/').next().unwrap_or_default() };
        let base = if base != suffix.as_slice() { base.strip_suffix(suffix.as_slice()).unwrap_or(base) } else { base };
        p.out(base);
        p.out(b"\n");
    }
    0
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let mut end = path.len();
    while end > 1 && path.get(end - 1) == Some(&b'/') {
        end -= 1;
    }
    path.get(..end).unwrap_or(path)
}

/// `readlink`, `realpath`.
pub(crate) async fn readlink(p: &mut Proc) -> i32 {
    let real = p.name() == "realpath";
    let o = match parse(
        p,
        "efmnqsvzLP",
        &[
            ("canonicalize", 'f', 0),
            ("canonicalize-existing", 'e', 0),
            ("canonicalize-missing", 'm', 0),
            ("no-newline", 'n', 0),
            ("strip", 's', 0),
            ("quiet", 'q', 0),
            ("no-symlinks", 's', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let mut status = 0;
    for path in &o.rest {
        let full = p.path(path);
        let found = if real || o.has('f') || o.has('e') || o.has('m') {
            match p.fs().realpath(&p.who, &full) {
                Err(Errno::ENOENT) if !o.has('e') && !path.is_empty() => {
                    let dir = p.fs().realpath(&p.who, fs::parent(&crate::shell::interp::normal(&full)));
                    let base = trim_slashes(&full).rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
                    match dir {
                        Ok(d) => Ok(fs::join(&d, &base)),
                        Err(_) if o.has('m') => Ok(crate::shell::interp::normal(&full)),
                        Err(e) => Err(e),
                    }
                }
                other => other,
            }
        } else {
            p.fs().readlink(&p.who, &full)
        };
        match found {
            Ok(t) => {
                p.out(t);
                if !o.has('n') {
                    p.out(b"\n");
                }
            }
            Err(e) => {
                status = 1;
                if real && !o.has('q') || o.has('v') {
                    p.warn(format!("{}: {e}", quoted_maybe(path))).await;
                }
            }
        }
    }
    status
}

/// `mkdir`.
pub(crate) async fn mkdir(p: &mut Proc) -> i32 {
    let o = match parse(p, "m:pvZ", &[("mode", 'm', 1), ("parents", 'p', 0), ("verbose", 'v', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let bits = match o.text('m') {
        Some(m) => match u32::from_str_radix(&m, 8).ok().or_else(|| mode::symbolic(&m, 0o777, true, p.umask)) {
            Some(m) => m,
            None => return p.fail(format!("invalid mode {}", quoted(m.as_bytes()))).await,
        },
        None => 0o777 & !p.umask,
    };
    let mut status = 0;
    let now = p.k.now();
    for path in &o.rest {
        let full = p.path(path);
        if o.has('p') {
            let mut at = 0;
            let clean = trim_slashes(&full).to_vec();
            let mut failed = None;
            while at < clean.len() {
                at = clean.get(at + 1..).and_then(|r| r.iter().position(|&b| b == b'/')).map_or(clean.len(), |x| at + 1 + x);
                let part = clean.get(..at).unwrap_or(&clean);
                match p.fs().stat(&p.who, part) {
                    Ok(m) if m.is_dir() => {}
                    Ok(_) => {
                        failed = Some(if at == clean.len() { Errno::EEXIST } else { Errno::ENOTDIR });
                        break;
                    }
                    Err(Errno::ENOENT) => {
                        let m = if at == clean.len() { bits } else { 0o777 & !p.umask | 0o300 };
                        if let Err(e) = p.fs().mkdir(&p.who, part, m, now) {
                            failed = Some(e);
                            break;
                        }
                        if o.has('v') {
                            let shown = quoted(part);
                            p.out(format!("mkdir: created directory {shown}\n"));
                        }
                    }
                    Err(e) => {
                        failed = Some(e);
                        break;
                    }
                }
            }
            if let Some(e) = failed {
                p.warn(format!("cannot create directory {}: {e}", quoted(path))).await;
                status = 1;
            }
            continue;
        }
        match p.fs().mkdir(&p.who, &full, bits, now) {
            Ok(()) => {
                if o.has('v') {
                    p.out(format!("mkdir: created directory {}\n", quoted(path)));
                }
            }
            Err(e) => {
                p.warn(format!("cannot create directory {}: {e}", quoted(path))).await;
                status = 1;
            }
        }
    }
    status
}

/// `rmdir`.
pub(crate) async fn rmdir(p: &mut Proc) -> i32 {
    let o = match parse(p, "pv", &[("parents", 'p', 0), ("verbose", 'v', 0), ("ignore-fail-on-non-empty", 'i', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let mut status = 0;
    for path in &o.rest {
        if let Err(e) = p.fs().rmdir(&p.who, &p.path(path)) {
            if e == Errno::ENOTEMPTY && o.has('i') {
                continue;
            }
            p.warn(format!("failed to remove {}: {e}", quoted(path))).await;
            status = 1;
        }
    }
    status
}

/// `touch`.
pub(crate) async fn touch(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "acd:fhmr:t:",
        &[("no-create", 'c', 0), ("date", 'd', 1), ("reference", 'r', 1), ("no-dereference", 'h', 0), ("time", 'T', 1)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::usage(p, "missing file operand", 1).await;
    }
    let now = p.k.now();
    let mut at = now;
    if let Some(r) = o.value('r').map(<[u8]>::to_vec) {
        match p.fs().stat(&p.who, &p.path(&r)) {
            Ok(m) => at = m.mtime,
            Err(e) => return p.fail(format!("failed to get attributes of {}: {e}", quoted(&r))).await,
        }
    }
    if let Some(d) = o.text('d') {
        match super::date::parse(p, &d) {
            Some(t) => at = Micros(t * 1_000_000),
            None => return p.fail(format!("invalid date format {}", quoted(d.as_bytes()))).await,
        }
    }
    if let Some(t) = o.text('t') {
        match super::date::stamp(p, &t) {
            Some(t) => at = Micros(t * 1_000_000),
            None => return p.fail(format!("invalid date format {}", quoted(t.as_bytes()))).await,
        }
    }
    let (a, m) = if o.has('a') == o.has('m') {
        (Some(at), Some(at))
    } else if o.has('a') {
        (Some(at), None)
    } else {
        (None, Some(at))
    };
    let mut status = 0;
    for path in &o.rest {
        let full = p.path(path);
        let result = match p.fs().stat(&p.who, &full) {
            Ok(meta) if matches!(meta.kind, Kind::Char(..)) => Ok(()),
            Ok(_) => p.fs().utimes(&p.who, &full, a, m),
            Err(Errno::ENOENT) if o.has('c') => Ok(()),
            Err(Errno::ENOENT) => p
                .fs()
                .write(&p.who, &full, b"", WriteMode::Truncate, 0o666 & !p.umask, now)
                .and_then(|()| if at == now { Ok(()) } else { p.fs().utimes(&p.who, &full, a, m) }),
            Err(e) => Err(e),
        };
        if let Err(e) = result {
            let verb = if p.fs().stat(&p.who, &full).is_ok() { "setting times of" } else { "cannot touch" };
            p.warn(format!("{verb} {}: {e}", quoted(path))).await;
            status = 1;
        }
    }
    status
}

/// `rm`, `unlink`.
pub(crate) async fn rm(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "dfiIrRv",
        &[
            ("force", 'f', 0),
            ("recursive", 'r', 0),
            ("verbose", 'v', 0),
            ("dir", 'd', 0),
            ("interactive", 'i', 2),
            ("no-preserve-root", 'N', 0),
            ("preserve-root", 'P', 2),
            ("one-file-system", 'x', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return if o.has('f') { 0 } else { opts::missing(p, 1).await };
    }
    let recursive = o.has('r') || o.has('R');
    let mut status = 0;
    for path in &o.rest {
        let base = trim_slashes(path).rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        if base == b"." || base == b".." {
            p.warn(format!("refusing to remove '.' or '..' directory: skipping {}", quoted(path))).await;
            status = 1;
            continue;
        }
        let full = p.path(path);
        if recursive && crate::shell::interp::normal(&full) == b"/" && !o.has('N') {
            p.err("rm: it is dangerous to operate recursively on '/'\nrm: use --no-preserve-root to override this failsafe\n").await;
            status = 1;
            continue;
        }
        match p.fs().lstat(&p.who, &full) {
            Err(Errno::ENOENT | Errno::ENOTDIR) if o.has('f') => {}
            Err(e) => {
                p.warn(format!("cannot remove {}: {e}", quoted(path))).await;
                status = 1;
            }
            Ok(m) if m.is_dir() && !recursive => {
                if o.has('d') {
                    if let Err(e) = p.fs().rmdir(&p.who, &full) {
                        p.warn(format!("cannot remove {}: {e}", quoted(path))).await;
                        status = 1;
                    }
                } else {
                    p.warn(format!("cannot remove {}: Is a directory", quoted(path))).await;
                    status = 1;
                }
            }
            Ok(m) => {
                if (o.has('i') || (!o.has('f') && p.tty(0) && m.kind == Kind::File && !m.allows(&p.who, 2)))
                    && !ask(p, &format!("rm: remove {} {}? ", kind_name(&m), quoted(path))).await
                {
                    continue;
                }
                if !remove_tree(p, path.clone(), &o).await {
                    status = 1;
                }
            }
        }
    }
    status
}

async fn ask(p: &mut Proc, question: &str) -> bool {
    p.err(question).await;
    let answer = p.line().await.unwrap_or_default();
    matches!(answer.first(), Some(b'y' | b'Y'))
}

fn kind_name(m: &Meta) -> &'static str {
    match m.kind {
        Kind::File if m.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Dir => "directory",
        Kind::Link => "symbolic link",
        Kind::Char(..) => "character special file",
        Kind::Block(..) => "block special file",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}

async fn remove_tree(p: &mut Proc, path: Vec<u8>, o: &Opts) -> bool {
    // (path, children already queued)
    let mut stack = vec![(path, false)];
    let mut fine = true;
    let mut steps = 0u32;
    while let Some((path, opened)) = stack.pop() {
        steps += 1;
        if steps.is_multiple_of(8) {
            p.k.pay(8).await;
        }
        let full = p.path(&path);
        let Ok(meta) = p.fs().lstat(&p.who, &full) else { continue };
        if meta.is_dir() && !opened {
            match p.fs().list(&p.who, &full) {
                Ok(names) => {
                    stack.push((path.clone(), true));
                    let stem = trim_slashes(&path).to_vec();
                    for (n, _) in names.into_iter().rev() {
                        stack.push((fs::join(&stem, &n), false));
                    }
                }
                Err(e) => {
                    p.warn(format!("cannot remove {}: {e}", quoted(&path))).await;
                    fine = false;
                }
            }
            continue;
        }
        let result = if meta.is_dir() { p.fs().rmdir(&p.who, &full) } else { p.fs().unlink(&p.who, &full) };
        match result {
            Ok(()) => {
                if o.has('v') {
                    let what = if meta.is_dir() { "removed directory" } else { "removed" };
                    p.out(format!("{what} {}\n", quoted(&path)));
                }
            }
            Err(Errno::ENOTEMPTY) if !fine => {}
            Err(e) => {
                p.warn(format!("cannot remove {}: {e}", quoted(&path))).await;
                fine = false;
            }
        }
    }
    fine
}

/// `unlink`.
pub(crate) async fn unlink(p: &mut Proc) -> i32 {
    let Some(path) = p.args.get(1).cloned() else { return opts::missing(p, 1).await };
    match p.fs().unlink(&p.who, &p.path(&path)) {
        Ok(()) => 0,
        Err(e) => p.fail(format!("cannot unlink {}: {e}", quoted(&path))).await,
    }
}

/// `ln`.
pub(crate) async fn ln(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "bdfFiLnPrsS:t:Tv",
        &[
            ("symbolic", 's', 0),
            ("force", 'f', 0),
            ("no-dereference", 'n', 0),
            ("verbose", 'v', 0),
            ("relative", 'r', 0),
            ("target-directory", 't', 1),
            ("no-target-directory", 'T', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::usage(p, "missing file operand", 1).await;
    }
    let (targets, dest) = if let Some(d) = o.value('t') {
        (o.rest.clone(), d.to_vec())
    } else if o.rest.len() == 1 {
        (o.rest.clone(), b".".to_vec())
    } else {
        let (last, head) = o.rest.split_last().map(|(l, h)| (l.clone(), h.to_vec())).unwrap_or_default();
        (head, last)
    };
    let into = !o.has('T') && {
        let full = p.path(&dest);
        let link = o.has('n') && p.fs().lstat(&p.who, &full).is_ok_and(|m| m.kind == Kind::Link);
        !link && p.fs().stat(&p.who, &full).is_ok_and(|m| m.is_dir())
    };
    if targets.len() > 1 && !into {
        return p.fail(format!("target {}: No such file or directory", quoted(&dest))).await;
    }
    let mut status = 0;
    let now = p.k.now();
    for target in targets {
        let base = trim_slashes(&target).rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        let name = if into { if dest == b"." { base } else { fs::join(trim_slashes(&dest), &base) } } else { dest.clone() };
        let full = p.path(&name);
        if o.has('f') && p.fs().lstat(&p.who, &full).is_ok_and(|m| !m.is_dir()) {
            let _ = p.fs().unlink(&p.who, &full);
        }
        let result =
            if o.has('s') { p.fs().symlink(&p.who, &target, &full, now) } else { p.fs().link(&p.who, &p.path(&target), &full, now) };
        match result {
            Ok(()) if o.has('v') => p.out(format!("{} -> {}\n", quoted(&name), quoted(&target))),
            Ok(()) => {}
            Err(e) => {
                let line = if o.has('s') {
                    format!("failed to create symbolic link {}: {e}", quoted(&name))
                } else if p.fs().lstat(&p.who, &p.path(&target)).is_err() {
                    format!("failed to access {}: {e}", quoted(&target))
                } else if e == Errno::EPERM {
                    format!("{}: hard link not allowed for directory", text(&target))
                } else {
                    format!("failed to create hard link {}: {e}", quoted(&name))
                };
                p.warn(line).await;
                status = 1;
            }
        }
    }
    status
}

/// `cp`, `mv`, `install`.
pub(crate) async fn cp(p: &mut Proc) -> i32 {
    let verb = p.name();
    let moving = verb == "mv";
    let installing = verb == "install";
    let o = match parse(
        p,
        if installing {
            "bcCdDg:m:o:pst:Tv"
        } else if moving {
            "bfint:Tuv"
        } else {
            "abdfHilLnpPrRst:Tuvx"
        },
        &[
            ("archive", 'a', 0),
            ("force", 'f', 0),
            ("interactive", 'i', 0),
            ("no-clobber", 'n', 0),
            ("preserve", 'p', 2),
            ("recursive", 'r', 0),
            ("target-directory", 't', 1),
            ("no-target-directory", 'T', 0),
            ("update", 'u', 2),
            ("verbose", 'v', 0),
            ("mode", 'm', 1),
            ("owner", 'o', 1),
            ("group", 'g', 1),
            ("directory", 'd', 0),
            ("no-dereference", 'P', 0),
            ("dereference", 'L', 0),
            ("backup", 'b', 2),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let bits = o.text('m').and_then(|m| u32::from_str_radix(&m, 8).ok().or_else(|| mode::symbolic(&m, 0, false, 0)));
    if installing && o.has('d') {
        let mut args = vec![b"mkdir".to_vec(), b"-p".to_vec()];
        args.extend(o.rest.iter().cloned());
        let mut child = p.child(args);
        let status = Box::pin(mkdir(&mut child)).await;
        let _ = child.flush().await;
        return status;
    }
    if o.rest.is_empty() {
        return opts::usage(p, "missing file operand", 1).await;
    }
    let (sources, dest) = if let Some(d) = o.value('t') {
        (o.rest.clone(), d.to_vec())
    } else {
        if o.rest.len() == 1 {
            let first = quoted(o.rest.first().map_or(&b""[..], Vec::as_slice));
            return opts::usage(p, &format!("missing destination file operand after {first}"), 1).await;
        }
        let (last, head) = o.rest.split_last().map(|(l, h)| (l.clone(), h.to_vec())).unwrap_or_default();
        (head, last)
    };
    let full_dest = p.path(&dest);
    let dest_dir = p.fs().stat(&p.who, &full_dest).is_ok_and(|m| m.is_dir()) && !o.has('T');
    if sources.len() > 1 && !dest_dir {
        let why = if p.fs().stat(&p.who, &full_dest).is_ok() { "Not a directory" } else { "No such file or directory" };
        return p.fail(format!("target {}: {why}", quoted(&dest))).await;
    }
    let mut status = 0;
    for source in sources {
        let base = trim_slashes(&source).rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        let target = if dest_dir { fs::join(trim_slashes(&dest), &base) } else { dest.clone() };
        let ok = if moving { move_one(p, &source, &target, &o).await } else { copy_one(p, &source, &target, &o, bits, installing).await };
        if !ok {
            status = 1;
        }
    }
    status
}

async fn move_one(p: &mut Proc, source: &[u8], target: &[u8], o: &Opts) -> bool {
    let (from, to) = (p.path(source), p.path(target));
    if let Err(e) = p.fs().lstat(&p.who, &from) {
        p.warn(format!("cannot stat {}: {e}", quoted(source))).await;
        return false;
    }
    if o.has('n') && p.fs().lstat(&p.who, &to).is_ok() {
        return true;
    }
    if o.has('i') && p.fs().lstat(&p.who, &to).is_ok() && !ask(p, &format!("mv: overwrite {}? ", quoted(target))).await {
        return true;
    }
    if p.fs().realpath(&p.who, &from).is_ok_and(|a| p.fs().realpath(&p.who, &to).is_ok_and(|b| a == b)) {
        p.warn(format!("{} and {} are the same file", quoted(source), quoted(target))).await;
        return false;
    }
    match p.fs().rename(&p.who, &from, &to, p.k.now()) {
        Ok(()) => {
            if o.has('v') {
                p.out(format!("renamed {} -> {}\n", quoted(source), quoted(target)));
            }
            true
        }
        Err(Errno::EINVAL) => {
            p.warn(format!("cannot move {} to a subdirectory of itself, {}", quoted(source), quoted(target))).await;
            false
        }
        Err(Errno::EISDIR) => {
            p.warn(format!("cannot overwrite directory {} with non-directory", quoted(target))).await;
            false
        }
        Err(e) => {
            p.warn(format!("cannot move {} to {}: {e}", quoted(source), quoted(target))).await;
            false
        }
    }
}

async fn copy_one(p: &mut Proc, source: &[u8], target: &[u8], o: &Opts, bits: Option<u32>, installing: bool) -> bool {
    let recursive = o.has('r') || o.has('R') || o.has('a');
    let keep = o.has('p') || o.has('a');
    let follow = !(o.has('a') || o.has('d') || o.has('P') || recursive) || o.has('L');
    let mut queue = vec![(source.to_vec(), target.to_vec())];
    let mut fine = true;
    let mut count = 0;
    while let Some((source, target)) = queue.pop() {
        count += 1;
        p.k.pay(3).await;
        if count > 20_000 {
            break;
        }
        let (from, to) = (p.path(&source), p.path(&target));
        let meta = if follow { p.fs().stat(&p.who, &from) } else { p.fs().lstat(&p.who, &from) };
        let meta = match meta {
            Ok(m) => m,
            Err(e) => {
                p.warn(format!("cannot stat {}: {e}", quoted(&source))).await;
                fine = false;
                continue;
            }
        };
        let there = p.fs().stat(&p.who, &to).ok();
        let now = p.k.now();
        if meta.is_dir() {
            if !recursive {
                let text = if installing {
                    format!("omitting directory {}", quoted(&source))
                } else {
                    format!("-r not specified; omitting directory {}", quoted(&source))
                };
                p.warn(text).await;
                fine = false;
                continue;
            }
            let (a, b) = (crate::shell::interp::normal(&from), crate::shell::interp::normal(&to));
            if b == a || b.starts_with(&[a.as_slice(), b"/"].concat()) {
                p.warn(format!("cannot copy a directory, {}, into itself, {}", quoted(&source), quoted(&target))).await;
                fine = false;
                continue;
            }
            match there {
                Some(m) if !m.is_dir() => {
                    p.warn(format!("cannot overwrite non-directory {} with directory {}", quoted(&target), quoted(&source))).await;
                    fine = false;
                    continue;
                }
                Some(_) => {}
                None => {
                    if let Err(e) = p.fs().mkdir(&p.who, &to, if keep { meta.mode } else { meta.mode & !p.umask }, now) {
                        p.warn(format!("cannot create directory {}: {e}", quoted(&target))).await;
                        fine = false;
                        continue;
                    }
                }
            }
            if o.has('v') {
                p.out(format!("{} -> {}\n", quoted(&source), quoted(&target)));
            }
            match p.fs().list(&p.who, &from) {
                Ok(names) => {
                    for (n, _) in names.into_iter().rev() {
                        queue.push((fs::join(trim_slashes(&source), &n), fs::join(trim_slashes(&target), &n)));
                    }
                }
                Err(e) => {
                    p.warn(format!("cannot access {}: {e}", quoted(&source))).await;
                    fine = false;
                }
            }
            continue;
        }
        if let Some(m) = &there {
            if m.is_dir() {
                p.warn(format!("cannot overwrite directory {} with non-directory", quoted(&target))).await;
                fine = false;
                continue;
            }
            if p.fs().realpath(&p.who, &from).is_ok_and(|a| p.fs().realpath(&p.who, &to).is_ok_and(|b| a == b)) {
                p.warn(format!("{} and {} are the same file", quoted(&source), quoted(&target))).await;
                fine = false;
                continue;
            }
            if o.has('n') || (o.has('u') && m.mtime >= meta.mtime) {
                continue;
            }
            if o.has('i') && !ask(p, &format!("cp: overwrite {}? ", quoted(&target))).await {
                continue;
            }
        }
        if meta.kind == Kind::Link {
            let link = p.fs().readlink(&p.who, &from).unwrap_or_default();
            let _ = p.fs().unlink(&p.who, &to);
            if let Err(e) = p.fs().symlink(&p.who, &link, &to, now) {
                p.warn(format!("cannot create symbolic link {}: {e}", quoted(&target))).await;
                fine = false;
            }
            continue;
        }
        if o.has('s') && !installing {
            let _ = p.fs().symlink(&p.who, &source, &to, now);
            continue;
        }
        let bytes = match meta.kind {
            Kind::Char(1, 3) => Ok(Default::default()),
            _ => p.fs().read(&p.who, &from),
        };
        let bytes = match bytes {
            Ok(b) => b,
            Err(e) => {
                p.warn(format!("cannot open {} for reading: {e}", quoted(&source))).await;
                fine = false;
                continue;
            }
        };
        if there.as_ref().is_some_and(|m| matches!(m.kind, Kind::Char(..))) {
            continue;
        }
        let m = if installing {
            bits.unwrap_or(0o755)
        } else if keep {
            meta.mode
        } else {
            meta.mode & 0o777 & !p.umask
        };
        if (o.has('f') || installing) && there.as_ref().is_some_and(|t| !t.allows(&p.who, 2)) {
            let _ = p.fs().unlink(&p.who, &to);
        }
        match p.fs().write(&p.who, &to, &bytes, WriteMode::Truncate, m, now) {
            Ok(()) => {
                p.k.pay(u32::try_from(bytes.len() / 8192).unwrap_or(0)).await;
                if installing {
                    let _ = p.fs().chmod(&p.who, &to, m);
                }
                if keep {
                    let _ = p.fs().utimes(&p.who, &to, Some(meta.atime), Some(meta.mtime));
                    if p.who.uid == 0 {
                        let _ = p.fs().chown(&p.who, &to, Some(meta.uid), Some(meta.gid), true);
                    }
                }
                // Only what the attacker brought is worth keeping, not a copy of the machine's own.
                if p.fs().was_changed(&p.fs().realpath(&p.who, &from).unwrap_or(from)) {
                    p.k.dirty(&to);
                }
                if o.has('v') {
                    p.out(format!("{} -> {}\n", quoted(&source), quoted(&target)));
                }
            }
            Err(e) => {
                let line = if e == Errno::ENOSPC {
                    format!("error writing {}: {e}", quoted(&target))
                } else {
                    format!("cannot create regular file {}: {e}", quoted(&target))
                };
                p.warn(line).await;
                fine = false;
            }
        }
    }
    fine
}

/// `chmod`.
pub(crate) async fn chmod(p: &mut Proc) -> i32 {
    // A mode like `-x` looks like an option.
    let mut args: Vec<Vec<u8>> = p.args.clone();
    let mut own_mode = None;
    if let Some(at) = args.iter().skip(1).position(|a| {
        a.len() > 1 && a.first() == Some(&b'-') && a.iter().skip(1).all(|c| b"rwxXstugoa,+-=".contains(c)) && a.as_slice() != b"-R"
    }) {
        own_mode = Some(args.remove(at + 1));
    }
    p.args = args;
    let o = match parse(
        p,
        "Rcfv",
        &[("recursive", 'R', 0), ("changes", 'c', 0), ("quiet", 'f', 0), ("silent", 'f', 0), ("verbose", 'v', 0), ("reference", 'r', 1)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut rest = o.rest.clone();
    let spec = match own_mode {
        Some(m) => text(&m),
        None => {
            if rest.is_empty() {
                return opts::missing(p, 1).await;
            }
            text(&rest.remove(0))
        }
    };
    if rest.is_empty() {
        return opts::usage(p, &format!("missing operand after {}", quoted(spec.as_bytes())), 1).await;
    }
    let octal = u32::from_str_radix(&spec, 8).ok().filter(|m| *m <= 0o7777);
    if octal.is_none() && mode::symbolic(&spec, 0, false, p.umask).is_none() {
        return opts::usage(p, &format!("invalid mode: {}", quoted(spec.as_bytes())), 1).await;
    }
    let mut status = 0;
    let mut queue: Vec<Vec<u8>> = rest.into_iter().rev().collect();
    while let Some(path) = queue.pop() {
        p.k.pay(2).await;
        let full = p.path(&path);
        let meta = match p.fs().stat(&p.who, &full) {
            Ok(m) => m,
            Err(e) => {
                if !o.has('f') {
                    p.warn(format!("cannot access {}: {e}", quoted(&path))).await;
                }
                status = 1;
                continue;
            }
        };
        let bits = match octal {
            Some(m) => {
                if meta.is_dir() && spec.len() < 5 {
                    m | meta.mode & 0o6000
                } else {
                    m
                }
            }
            None => mode::symbolic(&spec, meta.mode, meta.is_dir(), p.umask).unwrap_or(meta.mode),
        };
        match p.fs().chmod(&p.who, &full, bits) {
            Ok(()) => {
                if o.has('v') || (o.has('c') && bits != meta.mode) {
                    let show =
                        |m: u32| mode::string(&Meta { mode: m, kind: Kind::File, ..meta.clone() }).get(1..).unwrap_or_default().to_owned();
                    let line = if bits == meta.mode {
                        format!("mode of {} retained as {:04o} ({})\n", quoted(&path), bits, show(bits))
                    } else {
                        format!(
                            "mode of {} changed from {:04o} ({}) to {:04o} ({})\n",
                            quoted(&path),
                            meta.mode,
                            show(meta.mode),
                            bits,
                            show(bits)
                        )
                    };
                    p.out(line);
                }
            }
            Err(e) => {
                if !o.has('f') {
                    p.warn(format!("changing permissions of {}: {e}", quoted(&path))).await;
                }
                status = 1;
            }
        }
        if o.has('R') && meta.is_dir() && queue.len() < 30_000 {
            for (n, m) in p.fs().list(&p.who, &full).unwrap_or_default().into_iter().rev() {
                if m.kind != Kind::Link {
                    queue.push(fs::join(trim_slashes(&path), &n));
                }
            }
        }
    }
    status
}

/// `chown`, `chgrp`.
pub(crate) async fn chown(p: &mut Proc) -> i32 {
    let only_group = p.name() == "chgrp";
    let o = match parse(
        p,
        "RcfhHLPv",
        &[
            ("recursive", 'R', 0),
            ("changes", 'c', 0),
            ("quiet", 'f', 0),
            ("silent", 'f', 0),
            ("verbose", 'v', 0),
            ("no-dereference", 'h', 0),
            ("reference", 'r', 1),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut rest = o.rest.clone();
    if rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let spec = text(&rest.remove(0));
    if rest.is_empty() {
        return opts::usage(p, &format!("missing operand after {}", quoted(spec.as_bytes())), 1).await;
    }
    let (owner, grp) = if only_group {
        (None, Some(spec.clone()))
    } else {
        match spec.split_once(':').or_else(|| spec.split_once('.')) {
            Some((u, g)) => ((!u.is_empty()).then(|| u.to_owned()), Some(g.to_owned())),
            None => (Some(spec.clone()), None),
        }
    };
    let mut uid = None;
    let mut gid = None;
    if let Some(u) = &owner {
        match run::account(&p.k, u.as_bytes()) {
            Some(a) => {
                uid = Some(a.uid);
                if grp.as_deref() == Some("") {
                    gid = Some(a.gid);
                }
            }
            None => match u.parse() {
                Ok(n) => uid = Some(n),
                Err(_) => return p.fail(format!("invalid user: {}", quoted(spec.as_bytes()))).await,
            },
        }
    }
    if let Some(g) = grp.filter(|g| !g.is_empty()) {
        match run::groups(&p.k).into_iter().find(|x| x.0 == g).map(|x| x.1).or_else(|| g.parse().ok()) {
            Some(n) => gid = Some(n),
            None => return p.fail(format!("invalid group: {}", quoted(spec.as_bytes()))).await,
        }
    }
    let mut status = 0;
    let mut queue: Vec<Vec<u8>> = rest.into_iter().rev().collect();
    while let Some(path) = queue.pop() {
        p.k.pay(2).await;
        let full = p.path(&path);
        let meta = match p.fs().lstat(&p.who, &full) {
            Ok(m) => m,
            Err(e) => {
                p.warn(format!("cannot access {}: {e}", quoted(&path))).await;
                status = 1;
                continue;
            }
        };
        if let Err(e) = p.fs().chown(&p.who, &full, uid, gid, !o.has('h')) {
            if !o.has('f') {
                p.warn(format!("changing {} of {}: {e}", if uid.is_some() { "ownership" } else { "group" }, quoted(&path))).await;
            }
            status = 1;
        }
        if o.has('R') && meta.is_dir() && queue.len() < 30_000 {
            for (n, _) in p.fs().list(&p.who, &full).unwrap_or_default().into_iter().rev() {
                queue.push(fs::join(trim_slashes(&path), &n));
            }
        }
    }
    status
}

/// `stat`.
pub(crate) async fn stat(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "c:fLt",
        &[("format", 'c', 1), ("printf", 'P', 1), ("dereference", 'L', 0), ("file-system", 'f', 0), ("terse", 't', 0)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let mut status = 0;
    for path in &o.rest {
        let full = p.path(path);
        let meta = match if o.has('L') { p.fs().stat(&p.who, &full) } else { p.fs().lstat(&p.who, &full) } {
            Ok(m) => m,
            Err(e) => {
                p.warn(format!("cannot {} {}: {e}", if o.has('f') { "read file system information for" } else { "statx" }, quoted(path)))
                    .await;
                status = 1;
                continue;
            }
        };
        let persona = std::sync::Arc::clone(p.fs().persona());
        let when = |t: Micros| {
            format!(
                "{}.{:09} {}",
                logs::local(&persona, t.seconds(), "%Y-%m-%d %H:%M:%S"),
                t.0.rem_euclid(1_000_000) * 1000,
                logs::local(&persona, t.seconds(), "%z")
            )
        };
        let (owner, grp) = (user(p, meta.uid), group(p, meta.gid));
        if o.has('f') {
            let (total, used) = super::disk::root(p);
            p.out(format!("  File: \"{}\"\n    ID: {:x} Namelen: 255     Type: ext2/ext3\nBlock size: 4096       Fundamental block size: 4096\nBlocks: Total: {:<10} Free: {:<10} Available: {}\nInodes: Total: {:<10} Free: {}\n", text(path), 0x0801_u64 << 48 | meta.ino << 8, total / 4, (total - used) / 4, (total - used - total / 20) / 4, total / 16, total / 16 - 41_200));
            continue;
        }
        if let Some(format) = o.value('c').map(<[u8]>::to_vec).or_else(|| o.value('P').map(<[u8]>::to_vec)) {
            let printf = o.has('P');
            let format = if printf { crate::shell::syntax::unescape(&format, crate::shell::syntax::Escapes::Ansi).0 } else { format };
            let mut out = Vec::new();
            let mut it = format.iter();
            while let Some(&c) = it.next() {
                if c != b'%' {
                    out.push(c);
                    continue;
                }
                let item = match it.next().copied().unwrap_or(b'%') {
                    b'a' => format!("{:o}", meta.mode),
                    b'A' => mode::string(&meta),
                    b'b' => blocks(&meta).to_string(),
                    b'B' => "512".into(),
                    b'd' => "2049".into(),
                    b'D' => "801".into(),
                    b'f' => format!("{:x}", meta.st_mode()),
                    b'F' => kind_name(&meta).into(),
                    b'g' => meta.gid.to_string(),
                    b'G' => grp.clone(),
                    b'h' => links(p, &full, &meta).to_string(),
                    b'i' => meta.ino.to_string(),
                    b'm' => "/".into(),
                    b'n' => text(path),
                    b'N' => match p.fs().readlink(&p.who, &full) {
                        Ok(t) => format!("{} -> {}", quoted(path), quoted(&t)),
                        Err(_) => quoted(path),
                    },
                    b'o' => "4096".into(),
                    b's' => meta.size.to_string(),
                    b't' | b'T' => match meta.kind {
                        Kind::Char(a, _) | Kind::Block(a, _) => format!("{a:x}"),
                        _ => "0".into(),
                    },
                    b'u' => meta.uid.to_string(),
                    b'U' => owner.clone(),
                    b'w' => when(meta.mtime),
                    b'W' => meta.mtime.seconds().to_string(),
                    b'x' => when(meta.atime),
                    b'X' => meta.atime.seconds().to_string(),
                    b'y' | b'z' => when(meta.mtime),
                    b'Y' | b'Z' => meta.mtime.seconds().to_string(),
                    b'%' => "%".into(),
                    _ => "?".into(),
                };
                out.extend(item.bytes());
            }
            if !printf {
                out.push(b'\n');
            }
            p.out(out);
            continue;
        }
        let name = match p.fs().readlink(&p.who, &full) {
            Ok(t) if meta.kind == Kind::Link => format!("{} -> {}", text(path), text(&t)),
            _ => text(path),
        };
        let device = match meta.kind {
            Kind::Char(a, b) | Kind::Block(a, b) => format!(" Device type: {a},{b}"),
            _ => String::new(),
        };
        p.out(format!(
            "  File: {name}\n  Size: {:<10}\tBlocks: {:<10} IO Block: {:<6} {}\nDevice: 8,1\tInode: {:<11} Links: {}{device}\nAccess: ({:04o}/{})  Uid: ({:>5}/{:>8})   Gid: ({:>5}/{:>8})\nAccess: {}\nModify: {}\nChange: {}\n Birth: {}\n",
            meta.size,
            blocks(&meta),
            4096,
            kind_name(&meta),
            meta.ino,
            links(p, &full, &meta),
            meta.mode,
            mode::string(&meta),
            meta.uid,
            owner,
            meta.gid,
            grp,
            when(meta.atime),
            when(meta.mtime),
            when(meta.mtime),
            when(meta.mtime)
        ));
    }
    status
}

/// 512-byte blocks a file takes.
pub(crate) fn blocks(meta: &Meta) -> u64 {
    match meta.kind {
        Kind::File => meta.size.div_ceil(4096) * 8,
        Kind::Dir => 8,
        Kind::Link if meta.size > 59 => 8,
        _ => 0,
    }
}

/// Links of a directory: two and one for each directory in it.
pub(crate) fn links(p: &Proc, full: &[u8], meta: &Meta) -> u32 {
    if !meta.is_dir() {
        return meta.nlink;
    }
    let canon = p.fs().realpath(&p.who, full).unwrap_or_else(|_| full.to_vec());
    let dirs = p.fs().children(&canon).iter().filter(|(_, m)| m.is_dir()).count();
    2 + u32::try_from(dirs).unwrap_or(0)
}

/// `mktemp`.
pub(crate) async fn mktemp(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "dp::qtu",
        &[("directory", 'd', 0), ("tmpdir", 'p', 2), ("suffix", 's', 1), ("dry-run", 'u', 0), ("quiet", 'q', 0)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let template = o.rest.first().map_or_else(|| "tmp.XXXXXXXXXX".to_owned(), |t| text(t));
    let in_tmp = o.rest.is_empty() || o.has('p') || o.has('t');
    let count = template.bytes().rev().take_while(|b| *b == b'X').count();
    if count < 3 {
        return p.fail(format!("too few X's in template {}", quoted(template.as_bytes()))).await;
    }
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let tail: String = (0..count).map(|_| char::from(letters.get((p.k.random_u32() % 62) as usize).copied().unwrap_or(b'x'))).collect();
    let mut name = template.get(..template.len() - count).unwrap_or_default().to_owned() + &tail + &o.text('s').unwrap_or_default();
    if in_tmp && !name.starts_with('/') {
        let dir = o.text('p').filter(|d| !d.is_empty()).or_else(|| p.var("TMPDIR").map(text)).unwrap_or_else(|| "/tmp".into());
        name = format!("{dir}/{name}");
    }
    let full = p.path(name.as_bytes());
    let now = p.k.now();
    if !o.has('u') {
        let result = if o.has('d') {
            p.fs().mkdir(&p.who, &full, 0o700, now)
        } else {
            p.fs().write(&p.who, &full, b"", WriteMode::Truncate, 0o600, now)
        };
        if let Err(e) = result {
            return p
                .fail(format!(
                    "failed to create {} via template {}: {e}",
                    if o.has('d') { "directory" } else { "file" },
                    quoted(name.as_bytes())
                ))
                .await;
        }
    }
    p.out(format!("{name}\n"));
    0
}

/// `mkfifo`, `mknod`.
pub(crate) async fn mkfifo(p: &mut Proc) -> i32 {
    let node = p.name() == "mknod";
    let o = match parse(p, "m:Z", &[("mode", 'm', 1)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::missing(p, 1).await;
    }
    let bits = o.text('m').and_then(|m| u32::from_str_radix(&m, 8).ok()).unwrap_or(0o666 & !p.umask);
    let mut status = 0;
    let names: Vec<Vec<u8>> = if node { o.rest.iter().take(1).cloned().collect() } else { o.rest.clone() };
    let number = |n: usize| o.rest.get(n).and_then(|t| text(t).parse::<u32>().ok()).unwrap_or(0);
    let kind = match (node, o.rest.get(1).map(Vec::as_slice)) {
        (true, Some(b"c" | b"u")) => Kind::Char(number(2), number(3)),
        (true, Some(b"b")) => Kind::Block(number(2), number(3)),
        (true, Some(b"p")) | (false, _) => Kind::Fifo,
        (true, Some(t)) => {
            let t = quoted(t);
            return opts::usage(p, &format!("invalid device type {t}"), 1).await;
        }
        (true, None) => {
            return opts::usage(p, &format!("missing operand after {}", quoted(o.rest.first().map_or(&b""[..], Vec::as_slice))), 1).await;
        }
    };
    for path in names {
        if let Err(e) = p.fs().mknod(&p.who, &p.path(&path), kind, bits, p.k.now()) {
            let line = if node { format!("{}: {e}", text(&path)) } else { format!("cannot create fifo {}: {e}", quoted(&path)) };
            p.warn(line).await;
            status = 1;
        }
    }
    status
}

/// `truncate`, `fallocate`.
pub(crate) async fn truncate(p: &mut Proc) -> i32 {
    let o = match parse(p, "cl:no:r:s:", &[("no-create", 'c', 0), ("size", 's', 1), ("length", 'l', 1)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    let Some(spec) = o.text('s').or_else(|| o.text('l')) else {
        return opts::usage(p, "you must specify either '--size' or '--reference'", 1).await;
    };
    if o.rest.is_empty() {
        return opts::usage(p, "missing file operand", 1).await;
    }
    let (sign, digits) = match spec.as_bytes().first() {
        Some(c @ (b'+' | b'-')) => (Some(*c), spec.get(1..).unwrap_or_default()),
        _ => (None, spec.as_str()),
    };
    let Some(n) = size(digits) else { return p.fail(format!("Invalid number: {}", quoted(spec.as_bytes()))).await };
    for path in &o.rest {
        let full = p.path(path);
        let now = p.k.now();
        if p.fs().stat(&p.who, &full).is_err() {
            if o.has('c') {
                continue;
            }
            if let Err(e) = p.fs().write(&p.who, &full, b"", WriteMode::Truncate, 0o666 & !p.umask, now) {
                return p.fail(format!("cannot open {} for writing: {e}", quoted(path))).await;
            }
        }
        let old = p.fs().stat(&p.who, &full).map_or(0, |m| m.size);
        let new = match sign {
            Some(b'+') => old.saturating_add(n),
            Some(_) => old.saturating_sub(n),
            None => n,
        };
        if let Err(e) = p.fs().truncate(&p.who, &full, new, now) {
            return p.fail(format!("failed to truncate {} at {new} bytes: {e}", quoted(path))).await;
        }
    }
    0
}

/// `shred`.
pub(crate) async fn shred(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "fn:s:uvxz",
        &[("remove", 'u', 2), ("zero", 'z', 0), ("iterations", 'n', 1), ("verbose", 'v', 0), ("force", 'f', 0)],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        return opts::usage(p, "missing file operand", 1).await;
    }
    for path in &o.rest {
        let full = p.path(path);
        match p.fs().stat(&p.who, &full) {
            Ok(_) if o.has('u') => {
                let _ = p.fs().unlink(&p.who, &full);
            }
            Ok(m) => {
                let mut noise = vec![0; usize::try_from(m.size).unwrap_or(0).min(1 << 20)];
                if !o.has('z') {
                    rand::Rng::fill_bytes(&mut p.k.state.lock().rng, &mut noise);
                }
                let _ = p.fs().write(&p.who, &full, &noise, WriteMode::At(0), 0o644, p.k.now());
            }
            Err(e) => return p.fail(format!("{}: failed to open for writing: {e}", text(path))).await,
        }
    }
    0
}

/// `chattr`, `lsattr`, `sync`, `setfacl`: nothing to see.
pub(crate) async fn attr(p: &mut Proc) -> i32 {
    let list = p.name() == "lsattr";
    let files: Vec<Vec<u8>> =
        p.args.iter().skip(1).filter(|a| !a.starts_with(b"-") && !a.starts_with(b"+") && !a.starts_with(b"=")).cloned().collect();
    if !list && files.is_empty() {
        p.err("Usage: chattr [-pRVf] [-+=aAcCdDeijPsStTuFx] [-v version] files...\n").await;
        return 1;
    }
    let mut status = 0;
    let named = !files.is_empty();
    let files = if named { files } else { vec![b".".to_vec()] };
    for f in files {
        match p.fs().lstat(&p.who, &p.path(&f)) {
            Err(e) => {
                let name = p.called();
                p.err(format!("{name}: {e} while trying to stat {}\n", text(&f))).await;
                status = 1;
            }
            Ok(m) if list => {
                if m.is_dir() && !p.args.iter().any(|a| a == b"-d") {
                    for (n, _) in p.fs().list(&p.who, &p.path(&f)).unwrap_or_default() {
                        if n.first() != Some(&b'.') {
                            p.out(format!("--------------e------- {}\n", text(&fs::join(&f, &n))));
                        }
                    }
                } else {
                    p.out(format!("--------------e------- {}\n", text(&f)));
                }
            }
            Ok(_) if p.who.uid != 0 => {
                p.err(format!("chattr: Operation not permitted while setting flags on {}\n", text(&f))).await;
                status = 1;
            }
            Ok(_) => {}
        }
    }
    status
}

/// `file`.
pub(crate) async fn file(p: &mut Proc) -> i32 {
    let o = match parse(p, "bikLhszm:f:", &[("brief", 'b', 0), ("mime", 'i', 0), ("mime-type", 'I', 0)], 1).await {
        Ok(o) => o,
        Err(s) => return s,
    };
    if o.rest.is_empty() {
        p.err("Usage: file [-bcCdEhikLlNnprsSvzZ0] [--apple] [--extension] [--mime-encoding]\n            [--mime-type] [-e <testname>] [-F <separator>]  [-f <namefile>]\n            [-m <magicfiles>] [-P <parameter=value>] [--exclude-quiet]\n            <file> ...\n       file -C [-m <magicfiles>]\n       file [--help]\n").await;
        return 1;
    }
    let widest = o.rest.iter().map(Vec::len).max().unwrap_or(0);
    for path in &o.rest {
        let full = p.path(path);
        let what = match p.fs().lstat(&p.who, &full) {
            Err(e) => format!("cannot open `{}' ({e})", text(path)),
            Ok(m) => match m.kind {
                Kind::Dir => {
                    if m.mode & 0o1000 != 0 {
                        "sticky, directory".into()
                    } else {
                        "directory".into()
                    }
                }
                Kind::Link => {
                    let t = p.fs().readlink(&p.who, &full).unwrap_or_default();
                    if p.fs().stat(&p.who, &full).is_err() {
                        format!("broken symbolic link to {}", text(&t))
                    } else {
                        format!("symbolic link to {}", text(&t))
                    }
                }
                Kind::Char(a, b) => format!("character special ({a}/{b})"),
                Kind::Block(a, b) => format!("block special ({a}/{b})"),
                Kind::Fifo => "fifo (named pipe)".into(),
                Kind::Socket => "socket".into(),
                Kind::File => match p.fs().read_at(&p.who, &full, 0, 65_536) {
                    Ok(b) => magic(&b, &m, o.has('i') || o.has('I')),
                    Err(_) => "regular file, no read permission".into(),
                },
            },
        };
        if o.has('b') { p.out(format!("{what}\n")) } else { p.out(format!("{:<w$} {what}\n", text(path) + ":", w = widest + 1)) }
    }
    0
}

fn magic(b: &[u8], m: &Meta, mime: bool) -> String {
    if b.is_empty() {
        return if mime { "inode/x-empty; charset=binary".into() } else { "empty".into() };
    }
    let special = if m.mode & 0o4000 != 0 { "setuid " } else { "" };
    if b.starts_with(b"\x7fELF") {
        let class = if b.get(4) == Some(&2) { "64-bit" } else { "32-bit" };
        let big = b.get(5) == Some(&2);
        let half = |at: usize| {
            let v = u16::from_le_bytes([b.get(at).copied().unwrap_or(0), b.get(at + 1).copied().unwrap_or(0)]);
            if big { v.swap_bytes() } else { v }
        };
        let machine = match half(18) {
            3 => "Intel 80386",
            8 => "MIPS, MIPS-I",
            20 => "PowerPC or cisco 4500",
            40 => "ARM, EABI5",
            42 => "Renesas SH",
            62 => "x86-64",
            183 => "ARM aarch64",
            _ => "unknown arch",
        };
        let own = b.get(0x368..0x37c).filter(|_| b.get(0x364..0x368) == Some(b"GNU\0"));
        let kind = if half(16) == 3 { if own.is_some() { "pie executable" } else { "shared object" } } else { "executable" };
        let tail = match own {
            Some(id) => format!(
                ", dynamically linked, interpreter /lib64/ld-linux-x86-64.so.2, BuildID[sha1]={}, for GNU/Linux 3.2.0, stripped",
                hex::encode(id)
            ),
            None => ", statically linked, stripped".into(),
        };
        if mime {
            return "application/x-pie-executable; charset=binary".into();
        }
        return format!("{special}ELF {class} {} {kind}, {machine}, version 1 (SYSV){tail}", if big { "MSB" } else { "LSB" });
    }
    let known: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "gzip compressed data"),
        (b"PK\x03\x04", "Zip archive data, at least v2.0 to extract, compression method=deflate"),
        (b"\x89PNG", "PNG image data"),
        (b"\xff\xd8\xff", "JPEG image data"),
        (b"%PDF", "PDF document"),
        (b"BZh", "bzip2 compressed data"),
        (b"\xfd7zXZ", "XZ compressed data"),
        (b"TZif2", "timezone data (fat), version 2"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| b.starts_with(magic)) {
        return (*name).to_owned();
    }
    let textual = b.iter().all(|c| *c >= 32 || matches!(c, b'\n' | b'\t' | b'\r' | 27 | 8 | 12));
    if !textual {
        return "data".into();
    }
    let utf8 = b.iter().any(|c| *c >= 128);
    let coding =
        if utf8 { if std::str::from_utf8(b).is_ok() { "Unicode text, UTF-8 text" } else { "ISO-8859 text" } } else { "ASCII text" };
    if mime {
        return format!("text/plain; charset={}", if utf8 { "utf-8" } else { "us-ascii" });
    }
    if let Some(rest) = b.strip_prefix(b"#!") {
        let line = text(rest.split(|c| *c == b'\n').next().unwrap_or_default()).trim().to_owned();
        let name = match line.as_str() {
            "/bin/bash" | "/usr/bin/bash" => "Bourne-Again shell script".to_owned(),
            "/bin/sh" => "POSIX shell script".to_owned(),
            l if l.contains("python") => "Python script".to_owned(),
            l if l.contains("perl") => "Perl script text executable".to_owned(),
            l => format!("a {l} script"),
        };
        return format!("{name}, {coding} executable");
    }
    let crlf = b.windows(2).any(|w| w == b"\r\n");
    let no_newline = !b.contains(&b'\n');
    format!(
        "{coding}{}{}",
        if crlf { ", with CRLF line terminators" } else { "" },
        if no_newline { ", with no line terminators" } else { "" }
    )
}

/// `du`.
pub(crate) async fn du(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "abcd:hHkLlmsSxX:0",
        &[
            ("all", 'a', 0),
            ("human-readable", 'h', 0),
            ("summarize", 's', 0),
            ("max-depth", 'd', 1),
            ("total", 'c', 0),
            ("bytes", 'b', 0),
            ("apparent-size", 'A', 0),
            ("exclude", 'E', 1),
            ("one-file-system", 'x', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let depth = if o.has('s') { 0 } else { o.text('d').and_then(|d| d.parse().ok()).unwrap_or(usize::MAX) };
    let show = |bytes: u64| {
        if o.has('h') {
            human(bytes, 1024.0)
        } else if o.has('b') {
            bytes.to_string()
        } else if o.has('m') {
            bytes.div_ceil(1 << 20).to_string()
        } else {
            bytes.div_ceil(1024).to_string()
        }
    };
    let roots = if o.rest.is_empty() { vec![b".".to_vec()] } else { o.rest.clone() };
    let mut status = 0;
    let mut grand = 0;
    for root in roots {
        let weigh = |m: &Meta| {
            if o.has('b') || o.has('A') {
                if m.is_dir() || m.kind == Kind::File || m.kind == Kind::Link { m.size } else { 0 }
            } else {
                blocks(m) * 512
            }
        };
        let meta = match p.fs().lstat(&p.who, &p.path(&root)) {
            Ok(m) => m,
            Err(e) => {
                p.warn(format!("cannot access {}: {e}", quoted(&root))).await;
                status = 1;
                continue;
            }
        };
        if !meta.is_dir() {
            p.out(format!("{}\t{}\n", show(weigh(&meta)), text(&root)));
            grand += weigh(&meta);
            continue;
        }
        // (path, depth, entered, sum index)
        let mut stack = vec![(root.clone(), 0usize, false)];
        let mut sums: Vec<u64> = Vec::new();
        let mut count = 0u32;
        while let Some((path, d, entered)) = stack.pop() {
            count += 1;
            if count.is_multiple_of(16) {
                p.k.pay(16).await;
            }
            let full = p.path(&path);
            let Ok(m) = p.fs().lstat(&p.who, &full) else { continue };
            if entered {
                let sum = sums.pop().unwrap_or(0);
                match sums.last_mut() {
                    Some(up) => *up += sum,
                    None => grand += sum,
                }
                if d <= depth {
                    p.out(format!("{}\t{}\n", show(sum), text(&path)));
                    if p.maybe_flush().await.is_err() {
                        return 141;
                    }
                }
                continue;
            }
            if m.is_dir() {
                sums.push(weigh(&m));
                stack.push((path.clone(), d, true));
                match p.fs().list(&p.who, &full) {
                    Ok(names) => {
                        for (n, _) in names.into_iter().rev() {
                            stack.push((fs::join(trim_slashes(&path), &n), d + 1, false));
                        }
                    }
                    Err(e) => {
                        p.warn(format!("cannot read directory {}: {e}", quoted(&path))).await;
                        status = 1;
                    }
                }
            } else {
                let w = weigh(&m);
                if let Some(up) = sums.last_mut() {
                    *up += w;
                }
                if o.has('a') && d <= depth {
                    p.out(format!("{}\t{}\n", show(w), text(&path)));
                }
            }
        }
    }
    if o.has('c') {
        p.out(format!("{}\ttotal\n", show(grand)));
    }
    status
}
