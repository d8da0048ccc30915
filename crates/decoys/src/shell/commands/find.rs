//! `find`, `xargs`, `locate`, `which`.
#![expect(clippy::cast_possible_truncation, reason = "a time given as a number is cut, as find does")]

use super::{
    files::blocks,
    mode,
    opts::{parse, quoted, size, text},
};
use crate::shell::{
    Kind, Meta,
    fs::{self, logs},
    interp::{glob, run},
    kernel::Boxed,
    proc::Proc,
};

/// A command line.
type Words = Vec<Vec<u8>>;

enum Expr {
    True,
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Name(Vec<u8>, bool),
    Path(Vec<u8>, bool),
    Regex(regex::bytes::Regex),
    Type(Vec<u8>),
    Size(i8, u64, u64),
    Time(u8, i8, i64, i64),
    Newer(i64),
    Perm(u8, u32),
    User(u32),
    Group(u32),
    Empty,
    Nouser,
    Links(i8, u64),
    Inum(u64),
    Access(u32),
    Print(u8),
    Printf(Vec<u8>),
    Exec(Vec<Vec<u8>>, bool, bool),
    Delete,
    Prune,
    Quit,
    Ls,
}

struct Reader<'a> {
    args: &'a [Vec<u8>],
    at: usize,
    acts: bool,
    depth: u32,
    now: i64,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Vec<u8>> {
        let v = self.args.get(self.at).cloned();
        self.at += 1;
        v
    }

    fn peek(&self) -> Option<&[u8]> {
        self.args.get(self.at).map(Vec::as_slice)
    }

    fn or(&mut self, p: &Proc) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("find: expression too deep".into());
        }
        let mut left = self.and(p)?;
        while matches!(self.peek(), Some(b"-o" | b"-or" | b",")) {
            self.at += 1;
            left = Expr::Or(Box::new(left), Box::new(self.and(p)?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self, p: &Proc) -> Result<Expr, String> {
        let mut left = self.one(p)?;
        loop {
            match self.peek() {
                None | Some(b"-o" | b"-or" | b")" | b",") => return Ok(left),
                Some(b"-a" | b"-and") => {
                    self.at += 1;
                }
                _ => {}
            }
            left = Expr::And(Box::new(left), Box::new(self.one(p)?));
        }
    }

    fn one(&mut self, p: &Proc) -> Result<Expr, String> {
        let Some(word) = self.next() else { return Ok(Expr::True) };
        let name = text(&word);
        let mut value = || self.next_value(&name);
        Ok(match name.as_str() {
            "!" | "-not" => Expr::Not(Box::new(self.one(p)?)),
            "(" => {
                let inner = self.or(p)?;
                if self.next().as_deref() != Some(b")") {
                    return Err("find: invalid expression; I was expecting to find a ')' somewhere but did not see one.".into());
                }
                inner
            }
            "-name" | "-iname" => Expr::Name(value()?, name == "-iname"),
            "-path" | "-wholename" | "-ipath" => Expr::Path(value()?, name == "-ipath"),
            "-lname" => {
                value()?;
                Expr::True
            }
            "-regex" | "-iregex" => {
                let v = value()?;
                let whole = [b"^(".as_slice(), &v, b")$"].concat();
                Expr::Regex(
                    super::regex::compile(&whole, super::regex::Kind::Extended, name == "-iregex")
                        .map_err(|e| format!("find: failed to compile regular expression '{}': {e}", text(&v)))?,
                )
            }
            "-type" | "-xtype" => {
                let v = value()?;
                if let Some(bad) = v.iter().find(|c| !b"bcdpflsD,".contains(c)) {
                    return Err(format!("find: Unknown argument to {name}: {}", char::from(*bad)));
                }
                Expr::Type(v)
            }
            "-size" => {
                let v = text(&value()?);
                let (sign, rest) = signed(&v);
                let unit = match rest.chars().last() {
                    Some('c') => 1,
                    Some('w') => 2,
                    Some('k') => 1024,
                    Some('M') => 1 << 20,
                    Some('G') => 1 << 30,
                    _ => 512,
                };
                let digits = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let n = digits.parse().map_err(|_| format!("find: Invalid argument `{v}' to -size"))?;
                Expr::Size(sign, n, unit)
            }
            "-mtime" | "-atime" | "-ctime" | "-mmin" | "-amin" | "-cmin" => {
                let v = text(&value()?);
                let (sign, rest) = signed(&v);
                let n: f64 = rest.parse().map_err(|_| format!("find: invalid argument `{v}' to `{name}'"))?;
                Expr::Time(name.as_bytes().get(1).copied().unwrap_or(b'm'), sign, n as i64, if name.ends_with("min") { 60 } else { 86_400 })
            }
            "-newer" | "-anewer" | "-cnewer" => {
                let v = value()?;
                let m = p.fs().stat(&p.who, &p.path(&v)).map_err(|e| format!("find: {}: {e}", quoted(&v)))?;
                Expr::Newer(m.mtime.0)
            }
            n if n.starts_with("-newer") => {
                let v = text(&value()?);
                Expr::Newer(super::date::parse(p, &v).unwrap_or(self.now) * 1_000_000)
            }
            "-perm" => {
                let v = text(&value()?);
                let (how, rest) = match v.as_bytes().first() {
                    Some(c @ (b'-' | b'/')) => (*c, v.get(1..).unwrap_or_default().to_owned()),
                    Some(b'+') => (b'/', v.get(1..).unwrap_or_default().to_owned()),
                    _ => (b'=', v.clone()),
                };
                let bits = u32::from_str_radix(&rest, 8)
                    .ok()
                    .or_else(|| mode::symbolic(&rest, 0, false, 0))
                    .ok_or_else(|| format!("find: invalid mode {}", quoted(v.as_bytes())))?;
                Expr::Perm(how, bits)
            }
            "-user" | "-uid" => {
                let v = value()?;
                Expr::User(
                    run::account(&p.k, &v)
                        .map(|a| a.uid)
                        .or_else(|| text(&v).parse().ok())
                        .ok_or_else(|| format!("find: {} is not the name of a known user", quoted(&v)))?,
                )
            }
            "-group" | "-gid" => {
                let v = text(&value()?);
                Expr::Group(
                    run::groups(&p.k)
                        .into_iter()
                        .find(|g| g.0 == v)
                        .map(|g| g.1)
                        .or_else(|| v.parse().ok())
                        .ok_or_else(|| format!("find: {} is not the name of an existing group", quoted(v.as_bytes())))?,
                )
            }
            "-empty" => Expr::Empty,
            "-nouser" | "-nogroup" => Expr::Nouser,
            "-links" => {
                let v = text(&value()?);
                let (s, r) = signed(&v);
                Expr::Links(s, r.parse().unwrap_or(0))
            }
            "-inum" => Expr::Inum(text(&value()?).parse().unwrap_or(0)),
            "-readable" => Expr::Access(4),
            "-writable" => Expr::Access(2),
            "-executable" => Expr::Access(1),
            "-true"
            | "-depth"
            | "-d"
            | "-xdev"
            | "-mount"
            | "-noleaf"
            | "-follow"
            | "-ignore_readdir_race"
            | "-warn"
            | "-nowarn"
            | "-daystart" => Expr::True,
            "-false" => Expr::Not(Box::new(Expr::True)),
            "-maxdepth" | "-mindepth" | "-fstype" | "-regextype" | "-used" | "-samefile" => {
                value()?;
                Expr::True
            }
            "-print" | "-print0" => {
                self.acts = true;
                Expr::Print(if name == "-print0" { 0 } else { b'\n' })
            }
            "-printf" => {
                let v = value()?;
                self.acts = true;
                Expr::Printf(v)
            }
            "-fprint" | "-fls" | "-fprintf" => {
                value()?;
                self.acts = true;
                Expr::True
            }
            "-ls" => {
                self.acts = true;
                Expr::Ls
            }
            "-delete" => {
                self.acts = true;
                Expr::Delete
            }
            "-prune" => Expr::Prune,
            "-quit" => Expr::Quit,
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                self.acts = true;
                let mut cmd = Vec::new();
                let mut many = false;
                loop {
                    match self.next() {
                        None => return Err(format!("find: missing argument to `{name}'")),
                        Some(w) if w == b";" => break,
                        Some(w) if w == b"+" && cmd.last().is_some_and(|l: &Vec<u8>| l == b"{}") => {
                            many = true;
                            break;
                        }
                        Some(w) => cmd.push(w),
                    }
                }
                if cmd.is_empty() {
                    return Err(format!("find: invalid argument `;' to `{name}'"));
                }
                Expr::Exec(cmd, many, name.ends_with("dir"))
            }
            _ if name.starts_with('-') => return Err(format!("find: unknown predicate `{name}'")),
            _ => return Err(format!("find: paths must precede expression: `{name}'")),
        })
    }

    fn next_value(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.next().ok_or_else(|| format!("find: missing argument to `{name}'"))
    }
}

fn signed(v: &str) -> (i8, &str) {
    match v.as_bytes().first() {
        Some(b'+') => (1, v.get(1..).unwrap_or_default()),
        Some(b'-') => (-1, v.get(1..).unwrap_or_default()),
        _ => (0, v),
    }
}

fn compare(sign: i8, have: i64, want: i64) -> bool {
    match sign {
        1 => have > want,
        -1 => have < want,
        _ => have == want,
    }
}

struct Walk {
    now: i64,
    prune: bool,
    quit: bool,
    failed: bool,
    batch: Vec<(Words, Words)>,
    depth_now: usize,
    start: Vec<u8>,
}

/// `find`.
pub(crate) async fn find(p: &mut Proc) -> i32 {
    let args: Vec<Vec<u8>> = p.args.iter().skip(1).filter(|a| !matches!(a.as_slice(), b"-H" | b"-L" | b"-P")).cloned().collect();
    let cut = args.iter().position(|a| (a.first() == Some(&b'-') && a.len() > 1) || a == b"(" || a == b"!").unwrap_or(args.len());
    let (paths, rest) = args.split_at(cut);
    let paths = if paths.is_empty() { vec![b".".to_vec()] } else { paths.to_vec() };
    let follow = p.args.iter().any(|a| a == b"-L" || a == b"-follow");
    let number =
        |flag: &[u8]| rest.iter().position(|a| a == flag).and_then(|at| rest.get(at + 1)).and_then(|v| text(v).parse::<usize>().ok());
    let max = number(b"-maxdepth").unwrap_or(usize::MAX);
    let min = number(b"-mindepth").unwrap_or(0);
    let post = rest.iter().any(|a| a == b"-depth" || a == b"-d" || a == b"-delete");
    let xdev = rest.iter().any(|a| a == b"-xdev" || a == b"-mount");
    let now = p.k.now().seconds();
    let mut reader = Reader { args: rest, at: 0, acts: false, depth: 0, now };
    let expr = reader.or(p);
    let acts = reader.acts;
    let left = reader.at < rest.len();
    let expr = match expr {
        Ok(_) if left => {
            p.err("find: invalid expression; you have used a binary operator '-o' with nothing before it.\n").await;
            return 1;
        }
        Ok(e) => {
            if acts {
                e
            } else {
                Expr::And(Box::new(e), Box::new(Expr::Print(b'\n')))
            }
        }
        Err(e) => {
            p.err(format!("{e}\n")).await;
            return 1;
        }
    };
    let mut w = Walk { now, prune: false, quit: false, failed: false, batch: Vec::new(), depth_now: 0, start: Vec::new() };
    let mut status = 0;
    'paths: for start in paths {
        w.start.clone_from(&start);
        let mut stack: Vec<(Vec<u8>, usize, bool)> = vec![(start.clone(), 0, false)];
        let mut count = 0u32;
        while let Some((path, depth, done)) = stack.pop() {
            count += 1;
            if count.is_multiple_of(4) {
                p.k.pay(5).await;
            }
            let full = p.path(&path);
            let meta =
                match if follow || depth == 0 && path.ends_with(b"/") { p.fs().stat(&p.who, &full) } else { p.fs().lstat(&p.who, &full) } {
                    Ok(m) => m,
                    Err(e) => {
                        p.err(format!("find: {}: {e}\n", quoted_find(&path))).await;
                        status = 1;
                        continue;
                    }
                };
            w.prune = false;
            w.depth_now = depth;
            if depth >= min && (done || !post || !meta.is_dir()) {
                eval(p, &expr, &path, &full, &meta, &mut w).await;
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
                if w.quit {
                    break 'paths;
                }
            }
            if done || !meta.is_dir() || depth >= max || w.prune || (xdev && depth > 0 && fs::live::owns(&full)) {
                continue;
            }
            if post {
                stack.push((path.clone(), depth, true));
            }
            match p.fs().list(&p.who, &full) {
                Ok(names) => {
                    let stem = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
                    for (n, _) in names.into_iter().rev() {
                        stack.push(([stem.as_slice(), b"/", &n].concat(), depth + 1, false));
                    }
                }
                Err(e) => {
                    p.err(format!("find: {}: {e}\n", quoted_find(&path))).await;
                    status = 1;
                }
            }
        }
    }
    for (cmd, files) in std::mem::take(&mut w.batch) {
        let mut line = cmd;
        line.pop();
        line.extend(files);
        if exec(p, line).await != 0 {
            status = 1;
        }
    }
    if w.failed { 1 } else { status }
}

fn quoted_find(path: &[u8]) -> String {
    format!("'{}'", text(path))
}

async fn exec(p: &mut Proc, args: Vec<Vec<u8>>) -> i32 {
    if p.flush().await.is_err() {
        return 141;
    }
    program(p, args, "find").await
}

/// Runs a program from a program, looked for in `PATH`.
pub(crate) async fn program(p: &mut Proc, args: Vec<Vec<u8>>, caller: &str) -> i32 {
    let name = args.first().cloned().unwrap_or_default();
    let path = p.var("PATH").unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").to_vec();
    let shown = text(&name);
    let found = run::find_in(&p.k, &p.who, &p.cwd, &path, &name);
    match found {
        Ok(full) => {
            let child = p.child(args);
            match run::exec(child, &full).await {
                Ok(status) => status,
                Err(e) => {
                    p.err(format!(
                        "{caller}: {}: {e}\n",
                        if caller == "env" || caller == "nohup" || caller == "timeout" || caller == "nice" {
                            if matches!(caller, "timeout" | "nohup") {
                                format!("failed to run command {}", quoted(&name))
                            } else {
                                quoted(&name)
                            }
                        } else {
                            quoted_find(&name)
                        }
                    ))
                    .await;
                    126
                }
            }
        }
        Err(why) => {
            let e = match why {
                run::NotFound::Command => crate::shell::Errno::ENOENT,
                run::NotFound::File(e) => e,
            };
            let shown = match caller {
                "nohup" | "timeout" => format!("failed to run command {}", quoted(&name)),
                "env" | "nice" => quoted(&name),
                "xargs" => shown,
                _ => quoted_find(&name),
            };
            p.err(format!("{caller}: {shown}: {e}\n")).await;
            if e == crate::shell::Errno::ENOENT { 127 } else { 126 }
        }
    }
}

fn eval<'a>(p: &'a mut Proc, e: &'a Expr, path: &'a [u8], full: &'a [u8], m: &'a Meta, w: &'a mut Walk) -> Boxed<'a, bool> {
    Box::pin(async move {
        match e {
            Expr::True => true,
            Expr::Not(a) => !eval(p, a, path, full, m, w).await,
            Expr::And(a, b) => eval(p, a, path, full, m, w).await && eval(p, b, path, full, m, w).await,
            Expr::Or(a, b) => eval(p, a, path, full, m, w).await || eval(p, b, path, full, m, w).await,
            Expr::Name(g, fold) => {
                let trimmed = path.strip_suffix(b"/").unwrap_or(path);
                let base = trimmed.rsplit(|&b| b == b'/').next().unwrap_or_default();
                if *fold { glob::matches_fold(g, base) } else { glob::matches(g, base) }
            }
            Expr::Path(g, fold) => {
                if *fold {
                    glob::matches_fold(g, path)
                } else {
                    glob::matches(g, path)
                }
            }
            Expr::Regex(re) => re.is_match(path),
            Expr::Type(list) => list.split(|&b| b == b',').flatten().any(|t| {
                matches!(
                    (t, m.kind),
                    (b'f', Kind::File)
                        | (b'd', Kind::Dir)
                        | (b'l', Kind::Link)
                        | (b'c', Kind::Char(..))
                        | (b'b', Kind::Block(..))
                        | (b'p', Kind::Fifo)
                        | (b's', Kind::Socket)
                )
            }),
            Expr::Size(sign, n, unit) => {
                compare(*sign, i64::try_from(m.size.div_ceil(*unit)).unwrap_or(i64::MAX), i64::try_from(*n).unwrap_or(i64::MAX))
            }
            Expr::Time(which, sign, n, unit) => {
                let at = if *which == b'a' { m.atime } else { m.mtime };
                compare(*sign, (w.now - at.seconds()).div_euclid(*unit), *n)
            }
            Expr::Newer(t) => m.mtime.0 > *t,
            Expr::Perm(how, bits) => match how {
                b'-' => m.mode & bits == *bits,
                b'/' => *bits == 0 || m.mode & bits != 0,
                _ => m.mode == *bits,
            },
            Expr::User(u) => m.uid == *u,
            Expr::Group(g) => m.gid == *g,
            Expr::Empty => match m.kind {
                Kind::File => m.size == 0 && !fs::live::owns(full),
                Kind::Dir => p.fs().list(&p.who, full).is_ok_and(|l| l.is_empty()),
                _ => false,
            },
            Expr::Nouser => run::account_of(&p.k, m.uid).is_none(),
            Expr::Links(sign, n) => compare(*sign, i64::from(m.nlink), i64::try_from(*n).unwrap_or(0)),
            Expr::Inum(n) => m.ino == *n,
            Expr::Access(want) => p.fs().access(&p.who, full, *want).is_ok(),
            Expr::Print(end) => {
                p.out(path);
                p.out([*end]);
                true
            }
            Expr::Printf(format) => {
                let out = printf(p, format, path, full, m, w);
                p.out(out);
                true
            }
            Expr::Ls => {
                let line = ls_line(p, path, m);
                p.out(line);
                true
            }
            Expr::Delete => {
                let result =
                    if m.is_dir() { if path == b"." { Ok(()) } else { p.fs().rmdir(&p.who, full) } } else { p.fs().unlink(&p.who, full) };
                if let Err(e) = result {
                    p.err(format!("find: cannot delete {}: {e}\n", quoted_find(path))).await;
                    w.failed = true;
                    return false;
                }
                true
            }
            Expr::Prune => {
                w.prune = true;
                true
            }
            Expr::Quit => {
                w.quit = true;
                true
            }
            Expr::Exec(cmd, true, _) => {
                match w.batch.iter_mut().find(|(c, _)| c == cmd) {
                    Some((_, files)) => {
                        if files.len() < 20_000 {
                            files.push(path.to_vec())
                        }
                    }
                    None => w.batch.push((cmd.clone(), vec![path.to_vec()])),
                }
                true
            }
            Expr::Exec(cmd, false, dir) => {
                let name: Vec<u8> =
                    if *dir { [b"./".as_slice(), path.rsplit(|&b| b == b'/').next().unwrap_or_default()].concat() } else { path.to_vec() };
                let args: Vec<Vec<u8>> = cmd.iter().map(|a| replace_braces(a, &name)).collect();
                exec(p, args).await == 0
            }
        }
    })
}

fn replace_braces(arg: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(arg.len() + with.len());
    let mut at = 0;
    while at < arg.len() {
        if arg.get(at..at + 2) == Some(b"{}") {
            out.extend_from_slice(with);
            at += 2;
        } else {
            out.extend(arg.get(at));
            at += 1;
        }
    }
    out
}

fn printf(p: &Proc, format: &[u8], path: &[u8], full: &[u8], m: &Meta, w: &Walk) -> Vec<u8> {
    let format = crate::shell::syntax::unescape(format, crate::shell::syntax::Escapes::Ansi).0;
    let persona = p.fs().persona();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&c) = format.get(at) {
        at += 1;
        if c != b'%' {
            out.push(c);
            continue;
        }
        let spec = super::printf::spec(&format, &mut at, &mut || 0);
        let kind = format.get(at).copied().unwrap_or(b'%');
        at += 1;
        let item: Vec<u8> = match kind {
            b'p' => path.to_vec(),
            b'f' => path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec(),
            b'h' => match path.iter().rposition(|&b| b == b'/') {
                Some(n) => path.get(..n).unwrap_or_default().to_vec(),
                None => b".".to_vec(),
            },
            b'P' => path.strip_prefix(w.start.as_slice()).map(|r| r.strip_prefix(b"/").unwrap_or(r)).unwrap_or(path).to_vec(),
            b's' => m.size.to_string().into_bytes(),
            b'k' => (blocks(m) / 2).to_string().into_bytes(),
            b'b' => blocks(m).to_string().into_bytes(),
            b'm' => format!("{:o}", m.mode).into_bytes(),
            b'M' => mode::string(m).into_bytes(),
            b'u' => run::account_of(&p.k, m.uid).map_or_else(|| m.uid.to_string(), |a| a.name).into_bytes(),
            b'U' => m.uid.to_string().into_bytes(),
            b'g' => run::groups(&p.k).into_iter().find(|g| g.1 == m.gid).map_or_else(|| m.gid.to_string(), |g| g.0).into_bytes(),
            b'G' => m.gid.to_string().into_bytes(),
            b'i' => m.ino.to_string().into_bytes(),
            b'n' => m.nlink.to_string().into_bytes(),
            b'd' => w.depth_now.to_string().into_bytes(),
            b'l' => p.fs().readlink(&p.who, full).unwrap_or_default(),
            b'y' => vec![match m.kind {
                Kind::File => b'f',
                Kind::Dir => b'd',
                Kind::Link => b'l',
                Kind::Char(..) => b'c',
                Kind::Block(..) => b'b',
                Kind::Fifo => b'p',
                Kind::Socket => b's',
            }],
            b't' | b'c' => logs::local(persona, m.mtime.seconds(), "%a %b %e %H:%M:%S %Y").into_bytes(),
            b'T' | b'C' | b'A' => {
                let f = format.get(at).copied().unwrap_or(b'@');
                at += 1;
                let frac = format!("{:06}0000", m.mtime.0.rem_euclid(1_000_000));
                match f {
                    b'@' => format!("{}.{frac}", m.mtime.seconds()).into_bytes(),
                    b'+' => format!("{}.{frac}", logs::local(persona, m.mtime.seconds(), "%Y-%m-%d+%H:%M:%S")).into_bytes(),
                    f => super::date::strftime(persona, m.mtime.seconds(), 0, &format!("%{}", char::from(f))).into_bytes(),
                }
            }
            b'%' => b"%".to_vec(),
            other => vec![b'%', other],
        };
        out.extend(spec.pad(&item));
    }
    out
}

fn ls_line(p: &Proc, path: &[u8], m: &Meta) -> Vec<u8> {
    let owner = run::account_of(&p.k, m.uid).map_or_else(|| m.uid.to_string(), |a| a.name);
    let group = run::groups(&p.k).into_iter().find(|g| g.1 == m.gid).map_or_else(|| m.gid.to_string(), |g| g.0);
    let recent = p.k.now().0 - m.mtime.0 < 15_778_476_000_000;
    let when = logs::local(p.fs().persona(), m.mtime.seconds(), if recent { "%b %e %H:%M" } else { "%b %e  %Y" });
    let mut line = format!(
        "{:>9} {:>6} {} {:>3} {:<8} {:<8} {:>8} {when} {}",
        m.ino,
        blocks(m) / 2,
        mode::string(m),
        m.nlink,
        owner,
        group,
        m.size,
        text(path)
    );
    if let Ok(t) = p.fs().readlink(&p.who, &p.path(path)) {
        line.push_str(&format!(" -> {}", text(&t)));
    }
    line.push('\n');
    line.into_bytes()
}

/// `xargs`.
pub(crate) async fn xargs(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "+0a:d:E:I:i::L:l::n:P:prs:tx",
        &[
            ("null", '0', 0),
            ("arg-file", 'a', 1),
            ("delimiter", 'd', 1),
            ("replace", 'I', 2),
            ("max-args", 'n', 1),
            ("max-lines", 'L', 2),
            ("max-procs", 'P', 1),
            ("no-run-if-empty", 'r', 0),
            ("verbose", 't', 0),
            ("interactive", 'p', 0),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let input = match o.value('a').map(<[u8]>::to_vec) {
        Some(f) => match p.slurp(&f).await {
            Ok(b) => b.to_vec(),
            Err(e) => {
                p.err(format!("xargs: Cannot open input file '{}': {e}\n", text(&f))).await;
                return 1;
            }
        },
        None => p.all_input().await,
    };
    let replace =
        o.value('I').map(<[u8]>::to_vec).or_else(|| o.has('i').then(|| o.value('i').map_or_else(|| b"{}".to_vec(), <[u8]>::to_vec)));
    let delimiter = if o.has('0') {
        Some(0)
    } else {
        o.value('d').map(|d| crate::shell::syntax::unescape(d, crate::shell::syntax::Escapes::Ansi).0.first().copied().unwrap_or(b'\n'))
    };
    let mut items: Vec<Vec<u8>> = Vec::new();
    match delimiter {
        Some(d) => {
            items = input.split(|&b| b == d).map(<[u8]>::to_vec).collect();
            if items.last().is_some_and(Vec::is_empty) {
                items.pop();
            }
        }
        None if replace.is_some() => {
            items = input.split(|&b| b == b'\n').map(|l| l.trim_ascii_start().to_vec()).filter(|l| !l.is_empty()).collect()
        }
        None => {
            let mut now: Vec<u8> = Vec::new();
            let mut have = false;
            let mut quote = 0u8;
            let mut it = input.iter();
            while let Some(&b) = it.next() {
                if quote != 0 {
                    if b == quote {
                        quote = 0
                    } else {
                        now.push(b)
                    }
                    continue;
                }
                match b {
                    b'\'' | b'"' => {
                        quote = b;
                        have = true;
                    }
                    b'\\' => {
                        now.extend(it.next());
                        have = true;
                    }
                    b' ' | b'\t' | b'\n' => {
                        if have || !now.is_empty() {
                            items.push(std::mem::take(&mut now));
                        }
                        have = false;
                    }
                    b => now.push(b),
                }
            }
            if quote != 0 {
                p.err(format!(
                    "xargs: unmatched {} quote; by default quotes are special to xargs unless you use the -0 option\n",
                    if quote == b'"' { "double" } else { "single" }
                ))
                .await;
                return 1;
            }
            if have || !now.is_empty() {
                items.push(now);
            }
        }
    }
    let command = if o.rest.is_empty() { vec![b"/bin/echo".to_vec()] } else { o.rest.clone() };
    let per = o
        .text('n')
        .or_else(|| o.text('L'))
        .and_then(|n| n.parse::<usize>().ok())
        .filter(|n| *n > 0)
        .unwrap_or(if replace.is_some() { 1 } else { 5000 });
    let mut status = 0;
    if items.is_empty() {
        if o.has('r') || replace.is_some() {
            return 0;
        }
        let _ = p.flush().await;
        return step(program(p, command, "xargs").await);
    }
    let mut runs = 0;
    for chunk in items.chunks(per) {
        runs += 1;
        if runs > 20_000 {
            break;
        }
        let args: Vec<Vec<u8>> = match &replace {
            Some(mark) => {
                let item = chunk.first().cloned().unwrap_or_default();
                command.iter().map(|a| replace_mark(a, mark, &item)).collect()
            }
            None => command.iter().cloned().chain(chunk.iter().cloned()).collect(),
        };
        if o.has('t') {
            let line = args.iter().map(|a| text(a)).collect::<Vec<_>>().join(" ");
            p.err(format!("{line}\n")).await;
        }
        let _ = p.flush().await;
        match program(p, args, "xargs").await {
            0 => {}
            127 => return 127,
            126 => return 126,
            255 => {
                p.err(format!("xargs: {}: exited with status 255; aborting\n", text(command.first().map_or(&b""[..], Vec::as_slice))))
                    .await;
                return 124;
            }
            _ => status = 123,
        }
    }
    status
}

fn step(status: i32) -> i32 {
    match status {
        0 | 126 | 127 => status,
        _ => 123,
    }
}

fn replace_mark(arg: &[u8], mark: &[u8], with: &[u8]) -> Vec<u8> {
    if mark.is_empty() {
        return arg.to_vec();
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < arg.len() {
        if arg.get(at..).is_some_and(|r| r.starts_with(mark)) {
            out.extend_from_slice(with);
            at += mark.len();
        } else {
            out.extend(arg.get(at));
            at += 1;
        }
    }
    out
}

/// `which`.
pub(crate) async fn which(p: &mut Proc) -> i32 {
    let path = p.var("PATH").unwrap_or_default().to_vec();
    let all = p.args.iter().any(|a| a == b"-a");
    let names: Vec<Vec<u8>> = p.args.iter().skip(1).filter(|a| !a.starts_with(b"-")).cloned().collect();
    let rhel = p.fs().persona().distro.id != "debian" && p.fs().persona().distro.id != "ubuntu" && p.fs().persona().distro.id != "alpine";
    let mut status = i32::from(names.is_empty());
    for name in names {
        if all && !name.contains(&b'/') {
            let mut any = false;
            for dir in path.split(|&b| b == b':') {
                let full = fs::join(dir, &name);
                if p.fs().access(&p.who, &full, 1).is_ok() && p.fs().stat(&p.who, &full).is_ok_and(|m| !m.is_dir()) {
                    p.out(format!("{}\n", text(&full)));
                    any = true;
                }
            }
            if !any {
                status = 1;
            }
            continue;
        }
        match run::find_in(&p.k, &p.who, &p.cwd, &path, &name) {
            Ok(full) => {
                let shown = if name.contains(&b'/') { name.clone() } else { full };
                p.out(format!("{}\n", text(&shown)));
            }
            Err(_) => {
                status = 1;
                if rhel {
                    p.err(format!("/usr/bin/which: no {} in ({})\n", text(&name), text(&path))).await;
                }
            }
        }
    }
    status
}

/// `whereis`.
pub(crate) async fn whereis(p: &mut Proc) -> i32 {
    for name in p.args.iter().skip(1).filter(|a| !a.starts_with(b"-")).cloned().collect::<Vec<_>>() {
        let mut line = format!("{}:", text(&name));
        for dir in ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/lib", "/etc", "/usr/share"] {
            let full = fs::join(dir.as_bytes(), &name);
            if p.fs().stat(&p.who, &full).is_ok() {
                line.push(' ');
                line.push_str(&text(&full));
            }
        }
        let man = format!("/usr/share/man/man1/{}.1.gz", text(&name));
        if p.fs().stat(&p.who, man.as_bytes()).is_ok() {
            line.push(' ');
            line.push_str(&man);
        }
        p.out(format!("{line}\n"));
    }
    let _ = size;
    0
}
