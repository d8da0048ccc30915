//! Commands that the shell itself runs.
#![expect(clippy::cast_possible_truncation, reason = "numbers are clamped before")]

use std::sync::Arc;

use super::{Flavor, Flow, Sh, run, vars::Val};
use crate::shell::{
    Errno,
    kernel::Boxed,
    proc::{How, absolute, open},
    syntax::{is_name, is_name_start},
};

/// A builtin: its words, the first is its name.
pub(crate) type Builtin = for<'a> fn(&'a mut Sh, Vec<Vec<u8>>) -> Boxed<'a, Flow>;

/// POSIX special builtins, which a function cannot hide in `sh`.
pub(crate) fn is_special(name: &str) -> bool {
    matches!(
        name,
        "." | ":"
            | "break"
            | "continue"
            | "eval"
            | "exec"
            | "exit"
            | "export"
            | "readonly"
            | "return"
            | "set"
            | "shift"
            | "times"
            | "trap"
            | "unset"
    )
}

/// Alphabetical; `true`: also in `dash` and BusyBox `ash`.
const TABLE: &[(&str, bool, Builtin)] = &[
    (".", true, |s, a| Box::pin(source(s, a))),
    (":", true, |s, a| Box::pin(done(s, a, 0))),
    ("[", true, |s, a| Box::pin(bracket(s, a))),
    ("alias", true, |s, a| Box::pin(alias(s, a))),
    ("bg", true, |s, a| Box::pin(fg(s, a))),
    ("bind", false, |s, a| Box::pin(done(s, a, 0))),
    ("break", true, |s, a| Box::pin(leave(s, a))),
    ("builtin", false, |s, a| Box::pin(builtin(s, a))),
    ("caller", false, |s, a| Box::pin(done(s, a, 1))),
    ("cd", true, |s, a| Box::pin(cd(s, a))),
    ("command", true, |s, a| Box::pin(command(s, a))),
    ("compgen", false, |s, a| Box::pin(compgen(s, a))),
    ("complete", false, |s, a| Box::pin(done(s, a, 0))),
    ("compopt", false, |s, a| Box::pin(done(s, a, 0))),
    ("continue", true, |s, a| Box::pin(leave(s, a))),
    ("declare", false, |s, a| Box::pin(declare(s, a))),
    ("dirs", false, |s, a| Box::pin(dirs(s, a))),
    ("disown", false, |s, a| Box::pin(disown(s, a))),
    ("echo", true, |s, a| Box::pin(echo(s, a))),
    ("enable", false, |s, a| Box::pin(done(s, a, 0))),
    ("eval", true, |s, a| Box::pin(eval(s, a))),
    ("exec", true, |s, a| Box::pin(done(s, a, 0))),
    ("exit", true, |s, a| Box::pin(exit(s, a))),
    ("export", true, |s, a| Box::pin(declare(s, a))),
    ("false", true, |s, a| Box::pin(done(s, a, 1))),
    ("fc", false, |s, a| Box::pin(done(s, a, 0))),
    ("fg", true, |s, a| Box::pin(fg(s, a))),
    ("getopts", true, |s, a| Box::pin(getopts(s, a))),
    ("hash", true, |s, a| Box::pin(hash(s, a))),
    ("help", false, |s, a| Box::pin(help(s, a))),
    ("history", false, |s, a| Box::pin(history(s, a))),
    ("jobs", true, |s, a| Box::pin(jobs(s, a))),
    ("kill", true, |s, a| Box::pin(kill(s, a))),
    ("let", false, |s, a| Box::pin(let_(s, a))),
    ("local", true, |s, a| Box::pin(declare(s, a))),
    ("logout", false, |s, a| Box::pin(exit(s, a))),
    ("mapfile", false, |s, a| Box::pin(mapfile(s, a))),
    ("popd", false, |s, a| Box::pin(dirs(s, a))),
    ("printf", true, |s, a| Box::pin(printf(s, a))),
    ("pushd", false, |s, a| Box::pin(dirs(s, a))),
    ("pwd", true, |s, a| Box::pin(pwd(s, a))),
    ("read", true, |s, a| Box::pin(read(s, a))),
    ("readarray", false, |s, a| Box::pin(mapfile(s, a))),
    ("readonly", true, |s, a| Box::pin(declare(s, a))),
    ("return", true, |s, a| Box::pin(leave(s, a))),
    ("set", true, |s, a| Box::pin(set(s, a))),
    ("shift", true, |s, a| Box::pin(shift(s, a))),
    ("shopt", false, |s, a| Box::pin(shopt(s, a))),
    ("source", false, |s, a| Box::pin(source(s, a))),
    ("suspend", false, |s, a| Box::pin(done(s, a, 1))),
    ("test", true, |s, a| Box::pin(bracket(s, a))),
    ("times", true, |s, a| Box::pin(times(s, a))),
    ("trap", true, |s, a| Box::pin(trap(s, a))),
    ("true", true, |s, a| Box::pin(done(s, a, 0))),
    ("type", true, |s, a| Box::pin(type_(s, a))),
    ("typeset", false, |s, a| Box::pin(declare(s, a))),
    ("ulimit", true, |s, a| Box::pin(ulimit(s, a))),
    ("umask", true, |s, a| Box::pin(umask(s, a))),
    ("unalias", true, |s, a| Box::pin(unalias(s, a))),
    ("unset", true, |s, a| Box::pin(unset(s, a))),
    ("wait", true, |s, a| Box::pin(wait(s, a))),
];

/// The builtin called `name`.
pub(crate) fn find(flavor: Flavor, name: &str) -> Option<Builtin> {
    let at = TABLE.binary_search_by(|(n, ..)| (*n).cmp(name)).ok()?;
    TABLE
        .get(at)
        .filter(|(_, all, _)| {
            *all || flavor == Flavor::Bash || (flavor == Flavor::Ash && matches!(name, "source" | "let" | "history" | "help"))
        })
        .map(|(_, _, f)| *f)
}

fn names(flavor: Flavor) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |(_, all, _)| *all || flavor == Flavor::Bash).map(|(n, ..)| *n)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(|&c| is_name_start(c)) && name.iter().all(|&c| is_name(c))
}

async fn done(sh: &mut Sh, _args: Vec<Vec<u8>>, status: i32) -> Flow {
    sh.last = status;
    Flow::Next
}

/// Writes what a builtin prints; says so when that fails.
async fn say(sh: &mut Sh, name: &str, bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    match sh.write(1, bytes).await {
        Ok(()) => true,
        Err(Errno::EPIPE) => false,
        Err(e) => {
            sh.warn(format!("{name}: write error: {e}")).await;
            false
        }
    }
}

async fn bracket(sh: &mut Sh, mut args: Vec<Vec<u8>>) -> Flow {
    let name = text(&args.remove(0));
    if name == "[" {
        if args.last().is_none_or(|a| a != b"]") {
            sh.warn(if sh.flavor == Flavor::Bash { "[: missing `]'" } else { "[: missing ]" }).await;
            sh.last = 2;
            return Flow::Next;
        }
        args.pop();
    }
    sh.last = sh.test(&name, &args).await;
    Flow::Next
}

async fn echo(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let mut escapes = sh.flavor == Flavor::Dash || sh.shopts.contains("xpg_echo");
    let mut newline = true;
    let mut from = 1;
    while let Some(arg) = args.get(from) {
        let [b'-', flags @ ..] = arg.as_slice() else { break };
        let known: &[u8] = if sh.flavor == Flavor::Dash { b"n" } else { b"neE" };
        if flags.is_empty() || !flags.iter().all(|f| known.contains(f)) {
            break;
        }
        for f in flags {
            match f {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        from += 1;
    }
    let joined = args.get(from..).unwrap_or_default().join(&b' ');
    let mut out = if escapes {
        let (bytes, stop) = crate::shell::syntax::unescape(&joined, crate::shell::syntax::Escapes::Echo);
        newline &= !stop;
        bytes
    } else {
        joined
    };
    if newline {
        out.push(b'\n');
    }
    sh.last = i32::from(!say(sh, "echo", &out).await);
    Flow::Next
}

async fn printf(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let mut args: Vec<Vec<u8>> = args.into_iter().skip(1).collect();
    let mut var = None;
    if args.first().is_some_and(|a| a == b"-v") && sh.flavor == Flavor::Bash {
        args.remove(0);
        if args.is_empty() {
            sh.warn("printf: -v: option requires an argument").await;
            sh.last = 2;
            return Flow::Next;
        }
        var = Some(args.remove(0));
    }
    if args.first().is_some_and(|a| a == b"--") {
        args.remove(0);
    }
    let Some((format, rest)) = args.split_first() else {
        let line = if sh.flavor == Flavor::Bash {
            "printf: usage: printf [-v var] format [arguments]\n"
        } else {
            "printf: usage: printf format [arg ...]\n"
        };
        let prefix = if sh.flavor == Flavor::Bash { String::new() } else { sh.prefix() };
        let _ = sh.write(2, format!("{prefix}{line}").as_bytes()).await;
        sh.last = 2;
        return Flow::Next;
    };
    let now = sh.k.now().seconds();
    let persona = Arc::clone(sh.k.fs.persona());
    let result = crate::shell::commands::printf::format(format, rest, &|seconds, pattern| {
        crate::shell::fs::logs::local(&persona, seconds.unwrap_or(now), pattern)
    });
    sh.k.pay(u32::try_from(result.out.len() / 2048).unwrap_or(0)).await;
    for problem in &result.problems {
        sh.warn(format!("printf: {problem}")).await;
    }
    sh.last = i32::from(!result.problems.is_empty());
    match var {
        Some(name) => {
            let _ = sh.set_checked(&name, &result.out).await;
        }
        None => {
            if !say(sh, "printf", &result.out).await {
                sh.last = 1;
            }
        }
    }
    Flow::Next
}

async fn cd(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let mut args: Vec<Vec<u8>> = args.into_iter().skip(1).collect();
    let mut physical = false;
    while let Some(arg) = args.first() {
        match arg.as_slice() {
            b"-P" => physical = true,
            b"-L" | b"-e" => physical = false,
            b"--" => {
                args.remove(0);
                break;
            }
            [b'-', c, ..] if sh.flavor == Flavor::Bash && !arg.is_empty() && arg != b"-" => {
                let c = char::from(*c);
                sh.warn(format!("cd: -{c}: invalid option")).await;
                let _ = sh.write(2, b"cd: usage: cd [-L|[-P [-e]] [-@]] [dir]\n").await;
                sh.last = 2;
                return Flow::Next;
            }
            _ => break,
        }
        args.remove(0);
    }
    if args.len() > 1 && sh.flavor == Flavor::Bash {
        sh.warn("cd: too many arguments").await;
        sh.last = 1;
        return Flow::Next;
    }
    let mut print = false;
    let target = match args.first() {
        None => match sh.vars.str(b"HOME") {
            Some(home) => home.to_vec(),
            None => {
                sh.warn("cd: HOME not set").await;
                sh.last = 1;
                return Flow::Next;
            }
        },
        Some(dash) if dash == b"-" => match sh.vars.str(b"OLDPWD") {
            Some(old) => {
                print = true;
                old.to_vec()
            }
            None => {
                sh.warn("cd: OLDPWD not set").await;
                sh.last = 1;
                return Flow::Next;
            }
        },
        Some(dir) => dir.clone(),
    };
    sh.last = i32::from(!sh.change_dir(&target, physical, "cd").await);
    if print && sh.last == 0 {
        let line = [sh.cwd.clone(), b"\n".to_vec()].concat();
        say(sh, "cd", &line).await;
    }
    Flow::Next
}

impl Sh {
    /// Changes the working directory; says why if it cannot.
    pub(crate) async fn change_dir(&mut self, target: &[u8], physical: bool, name: &str) -> bool {
        let full = normal(&absolute(&self.cwd, if target.is_empty() { b"." } else { target }));
        let problem = match self.k.fs.stat(&self.who, &full) {
            Ok(meta) if !meta.is_dir() => Some(Errno::ENOTDIR),
            Ok(meta) if !meta.allows(&self.who, 1) => Some(Errno::EACCES),
            Ok(_) => None,
            Err(e) => Some(e),
        };
        if let Some(e) = problem {
            let shown = text(target);
            let line = match self.flavor {
                Flavor::Bash => format!("{name}: {shown}: {e}"),
                Flavor::Dash => format!("cd: can't cd to {shown}"),
                Flavor::Ash => format!("cd: can't cd to {shown}: {e}"),
            };
            self.warn(line).await;
            return false;
        }
        let old = std::mem::replace(&mut self.cwd, if physical { self.k.fs.realpath(&self.who, &full).unwrap_or(full) } else { full });
        self.preset(b"OLDPWD", &old, true);
        let now = self.cwd.clone();
        self.preset(b"PWD", &now, true);
        if let Some(p) = self.k.fs.live.lock().procs.get_mut(&self.own_pid) {
            Arc::make_mut(p).cwd = now;
        }
        true
    }
}

/// A path without `.`, `..` and doubled slashes.
pub(crate) fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            p => parts.push(p),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for p in &parts {
        out.push(b'/');
        out.extend_from_slice(p);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

async fn pwd(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let physical = args.iter().skip(1).any(|a| a == b"-P");
    let dir = if physical { sh.k.fs.realpath(&sh.who, &sh.cwd).unwrap_or_else(|_| sh.cwd.clone()) } else { sh.cwd.clone() };
    let line = [dir, b"\n".to_vec()].concat();
    sh.last = i32::from(!say(sh, "pwd", &line).await);
    Flow::Next
}

async fn exit(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    if sh.interactive && sh.subshell == 0 && sh.flavor == Flavor::Bash && sh.k.has_tty {
        let word: &[u8] = if sh.login { b"logout\n" } else { b"exit\n" };
        let _ = sh.write(2, word).await;
    }
    if let Some(arg) = args.get(1) {
        match std::str::from_utf8(arg).ok().and_then(|t| t.trim().parse::<i64>().ok()) {
            Some(n) => sh.last = i32::try_from(n & 255).unwrap_or(0),
            None => {
                let line = if sh.flavor == Flavor::Bash {
                    format!("exit: {}: numeric argument required", text(arg))
                } else {
                    format!("exit: Illegal number: {}", text(arg))
                };
                sh.warn(line).await;
                sh.last = 2;
            }
        }
    }
    Flow::Exit
}

async fn leave(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let name = text(&args.first().cloned().unwrap_or_default());
    let number = args.get(1).map(|a| std::str::from_utf8(a).ok().and_then(|t| t.parse::<i64>().ok()));
    if name == "return" {
        if sh.functions.is_empty() && sh.sourced == 0 {
            if sh.flavor == Flavor::Bash {
                sh.warn("return: can only `return' from a function or sourced script").await;
                sh.last = 2;
                return Flow::Next;
            }
            return Flow::Exit;
        }
        match number {
            Some(None) => {
                sh.warn(format!("return: {}: numeric argument required", text(args.get(1).map_or(&b""[..], Vec::as_slice)))).await;
                sh.last = 2;
            }
            Some(Some(n)) => sh.last = i32::try_from(n & 255).unwrap_or(0),
            None => {}
        }
        return Flow::Return;
    }
    if sh.loops == 0 {
        if sh.flavor == Flavor::Bash {
            sh.warn(format!("{name}: only meaningful in a `for', `while', or `until' loop")).await;
        }
        sh.last = 0;
        return Flow::Next;
    }
    let n = match number {
        None => 1,
        Some(Some(n)) if n > 0 => u32::try_from(n).unwrap_or(u32::MAX).min(sh.loops),
        Some(other) => {
            let shown = text(args.get(1).map_or(&b""[..], Vec::as_slice));
            sh.warn(if other.is_some() {
                format!("{name}: {shown}: loop count out of range")
            } else {
                format!("{name}: {shown}: numeric argument required")
            })
            .await;
            sh.last = if other.is_some() { 1 } else { 128 };
            return if other.is_some() { Flow::Break(sh.loops) } else { Flow::Exit };
        }
    };
    sh.last = 0;
    if name == "break" { Flow::Break(n) } else { Flow::Continue(n) }
}

async fn eval(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let joined = args.get(1..).unwrap_or_default().join(&b' ');
    if joined.is_empty() {
        sh.last = 0;
        return Flow::Next;
    }
    let line = sh.line;
    sh.last = 0;
    let flow = sh.eval_text(&joined, line).await;
    sh.line = line;
    flow
}

async fn source(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let name = text(&args.first().cloned().unwrap_or_default());
    let Some(file) = args.get(1).cloned() else {
        if sh.flavor == Flavor::Bash {
            sh.warn(format!("{name}: filename argument required")).await;
            let _ = sh.write(2, format!("{name}: usage: {name} filename [arguments]\n").as_bytes()).await;
            sh.last = 2;
        }
        return Flow::Next;
    };
    let mut path = absolute(&sh.cwd, &file);
    if !file.contains(&b'/')
        && let Ok(found) = run::find(sh, &file)
    {
        path = found;
    }
    let opened = match sh.k.fs.stat(&sh.who, &path) {
        Ok(meta) if meta.is_dir() => Err(Errno::EISDIR),
        _ => open(&sh.k, &sh.fds, &sh.who, &path, How::Read, 0),
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(e) => {
            let shown = text(&file);
            let line = match (sh.flavor, e) {
                (Flavor::Bash, Errno::EISDIR) => format!("{name}: {shown}: is a directory"),
                (Flavor::Bash, e) => format!("{shown}: {e}"),
                (Flavor::Dash, _) => {
                    if file.contains(&b'/') {
                        format!(".: cannot open {shown}: No such file")
                    } else {
                        format!(".: {shown}: not found")
                    }
                }
                (Flavor::Ash, _) => format!(".: can't open '{shown}': No such file or directory"),
            };
            sh.warn(line).await;
            sh.last = if sh.flavor == Flavor::Bash { 1 } else { 2 };
            return if sh.flavor != Flavor::Bash && !sh.interactive { Flow::Exit } else { Flow::Next };
        }
    };
    let mut content = Vec::new();
    while content.len() < 4 << 20 {
        match fd.read(&sh.k, 65_536).await {
            Ok(part) if !part.is_empty() => content.extend(part),
            _ => break,
        }
    }
    let params = (args.len() > 2).then(|| std::mem::replace(&mut sh.params, args.into_iter().skip(2).collect()));
    let line = sh.line;
    sh.sourced += 1;
    sh.last = 0;
    let flow = sh.eval_text(&content, 1).await;
    sh.sourced -= 1;
    sh.line = line;
    if let Some(params) = params {
        sh.params = params;
    }
    if flow == Flow::Return { Flow::Next } else { flow }
}

async fn builtin(sh: &mut Sh, mut args: Vec<Vec<u8>>) -> Flow {
    args.remove(0);
    let Some(name) = args.first().map(|a| text(a)) else {
        sh.last = 0;
        return Flow::Next;
    };
    match find(sh.flavor, &name) {
        Some(f) => f(sh, args).await,
        None => {
            sh.warn(format!("builtin: {name}: not a shell builtin")).await;
            sh.last = 1;
            Flow::Next
        }
    }
}

async fn command(sh: &mut Sh, mut args: Vec<Vec<u8>>) -> Flow {
    args.remove(0);
    let mut show = 0u8;
    while let Some([b'-', flags @ ..]) = args.first().map(Vec::as_slice) {
        if flags.is_empty() || !flags.iter().all(|f| b"pvV".contains(f)) {
            break;
        }
        if let Some(&f) = flags.iter().find(|f| matches!(f, b'v' | b'V')) {
            show = f;
        }
        args.remove(0);
    }
    if args.first().is_some_and(|a| a == b"--") {
        args.remove(0);
    }
    if args.is_empty() {
        sh.last = 0;
        return Flow::Next;
    }
    if show != 0 {
        sh.last = 1;
        for name in args {
            if sh.describe(&name, if show == b'v' { Show::Short } else { Show::Long }, "command").await {
                sh.last = 0;
            }
        }
        return Flow::Next;
    }
    let name = text(args.first().map_or(&b""[..], Vec::as_slice));
    match find(sh.flavor, &name) {
        Some(f) => f(sh, args).await,
        None => {
            sh.last = run::external(sh, args, Vec::new()).await;
            Flow::Next
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Short,
    Long,
    /// `type -t`
    Type,
    /// `type -p`
    Path,
}

const KEYWORDS: &[&str] = &[
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "select", "while", "until", "do", "done", "in", "function", "time", "{",
    "}", "!", "[[", "]]", "coproc",
];

impl Sh {
    async fn describe(&mut self, name: &[u8], how: Show, caller: &str) -> bool {
        let shown = text(name);
        let line = if let Some(value) = self.aliases.get(name) {
            match how {
                Show::Short => format!("alias {shown}='{}'", text(value)),
                Show::Long => format!("{shown} is aliased to `{}'", text(value)),
                Show::Type => "alias".into(),
                Show::Path => String::new(),
            }
        } else if KEYWORDS.contains(&shown.as_str()) {
            match how {
                Show::Short => shown,
                Show::Long => format!("{shown} is a shell keyword"),
                Show::Type => "keyword".into(),
                Show::Path => String::new(),
            }
        } else if let Some(f) = self.funcs.get(name) {
            match how {
                Show::Short => shown,
                Show::Long if self.flavor == Flavor::Bash => format!("{shown} is a function\n{}", text(&pretty(name, &f.text))),
                Show::Long => format!("{shown} is a shell function"),
                Show::Type => "function".into(),
                Show::Path => String::new(),
            }
        } else if find(self.flavor, &shown).is_some() {
            match how {
                Show::Short => shown,
                Show::Long if self.flavor == Flavor::Dash && is_special(&shown) => format!("{shown} is a special shell builtin"),
                Show::Long => format!("{shown} is a shell builtin"),
                Show::Type => "builtin".into(),
                Show::Path => String::new(),
            }
        } else if let Ok(path) = run::find(self, name) {
            match how {
                Show::Short | Show::Path => text(&path),
                Show::Long => match self.hash.get(name) {
                    Some((p, _)) => format!("{shown} is hashed ({})", text(p)),
                    None => format!("{shown} is {}", text(&path)),
                },
                Show::Type => "file".into(),
            }
        } else {
            if how == Show::Long {
                if self.flavor == Flavor::Bash {
                    self.warn(format!("{caller}: {shown}: not found")).await;
                } else {
                    let _ = self.write(1, format!("{shown}: not found\n").as_bytes()).await;
                }
            }
            return false;
        };
        if !line.is_empty() {
            let _ = self.write(1, format!("{line}\n").as_bytes()).await;
        }
        true
    }
}

/// A function as `type` shows it.
fn pretty(name: &[u8], source: &[u8]) -> Vec<u8> {
    let body = source.iter().position(|&b| b == b'{').map_or(source, |p| source.get(p..).unwrap_or_default());
    let inner = body.strip_prefix(b"{").and_then(|b| b.strip_suffix(b"}")).unwrap_or(body);
    let mut out = [name, b" () \n{ \n"].concat();
    let parts: Vec<&[u8]> = inner.split(|&b| b == b'\n' || b == b';').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty()).collect();
    for (n, line) in parts.iter().enumerate() {
        out.extend_from_slice(b"    ");
        out.extend_from_slice(line);
        if n + 1 < parts.len() {
            out.push(b';');
        }
        out.push(b'\n');
    }
    out.push(b'}');
    out
}

async fn type_(sh: &mut Sh, mut args: Vec<Vec<u8>>) -> Flow {
    args.remove(0);
    let mut how = Show::Long;
    while let Some([b'-', flags @ ..]) = args.first().map(Vec::as_slice) {
        if flags.is_empty() || sh.flavor != Flavor::Bash {
            break;
        }
        if flags.contains(&b't') {
            how = Show::Type;
        } else if flags.contains(&b'p') || flags.contains(&b'P') {
            how = Show::Path;
        }
        args.remove(0);
    }
    sh.last = 0;
    let mut bad = false;
    for name in args {
        bad |= !sh.describe(&name, how, "type").await;
    }
    sh.last = if bad { if sh.flavor == Flavor::Bash { 1 } else { 127 } } else { 0 };
    Flow::Next
}

async fn declare(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let caller = text(&args.first().cloned().unwrap_or_default());
    let mut flags_on: Vec<u8> = Vec::new();
    let mut flags_off: Vec<u8> = Vec::new();
    let mut rest = Vec::new();
    let mut options = true;
    for arg in args.into_iter().skip(1) {
        match arg.as_slice() {
            b"--" if options => options = false,
            [b'-', f @ ..] if options && !f.is_empty() && rest.is_empty() => flags_on.extend_from_slice(f),
            [b'+', f @ ..] if options && !f.is_empty() && rest.is_empty() => flags_off.extend_from_slice(f),
            _ => rest.push(arg),
        }
    }
    let bash = sh.flavor == Flavor::Bash;
    match caller.as_str() {
        "export" => {
            if flags_on.contains(&b'n') {
                flags_on.retain(|f| *f != b'n');
                flags_off.push(b'x');
            } else {
                flags_on.push(b'x');
            }
        }
        "readonly" => flags_on.push(b'r'),
        "local" if sh.vars.scopes() == 0 => {
            sh.warn(if bash { "local: can only be used in a function" } else { "local: not in a function" }).await;
            sh.last = if bash { 1 } else { 2 };
            return Flow::Next;
        }
        _ => {}
    }
    sh.last = 0;
    let local =
        caller == "local" || (matches!(caller.as_str(), "declare" | "typeset") && !sh.functions.is_empty() && !flags_on.contains(&b'g'));
    if rest.is_empty() {
        let out = list_vars(sh, &caller, &flags_on);
        say(sh, &caller, &out).await;
        return Flow::Next;
    }
    if flags_on.contains(&b'f') || flags_on.contains(&b'F') {
        for name in rest {
            if flags_on.contains(&b'x') && caller == "export" {
                continue;
            }
            match sh.funcs.get(&name).cloned() {
                Some(f) => {
                    let mut out = if flags_on.contains(&b'F') { name.clone() } else { pretty(&name, &f.text) };
                    out.push(b'\n');
                    say(sh, &caller, &out).await;
                }
                None => sh.last = 1,
            }
        }
        return Flow::Next;
    }
    for arg in rest {
        let cut = arg.iter().position(|&b| b == b'=');
        let (mut name, mut value) = match cut {
            Some(at) => (arg.get(..at).unwrap_or_default().to_vec(), Some(arg.get(at + 1..).unwrap_or_default().to_vec())),
            None => (arg.clone(), None),
        };
        let append = value.is_some() && name.last() == Some(&b'+');
        if append {
            name.pop();
        }
        let mut index = None;
        if let Some(open) = name.iter().position(|&b| b == b'[')
            && name.last() == Some(&b']')
        {
            index = Some(name.get(open + 1..name.len() - 1).unwrap_or_default().to_vec());
            name.truncate(open);
        }
        if !is_identifier(&name) {
            let line = if bash {
                format!("{caller}: `{}': not a valid identifier", text(&arg))
            } else {
                format!("{caller}: {}: bad variable name", text(&name))
            };
            sh.warn(line).await;
            sh.last = if bash { 1 } else { 2 };
            if !bash && !sh.interactive {
                return Flow::Exit;
            }
            continue;
        }
        if flags_on.contains(&b'p') && value.is_none() {
            match sh.vars.get(&name).cloned() {
                Some(var) => {
                    let out = declared(&name, &var);
                    say(sh, &caller, &out).await;
                }
                None => {
                    sh.warn(format!("{caller}: {}: not found", text(&name))).await;
                    sh.last = 1;
                }
            }
            continue;
        }
        // An array of `declare a=(…)` is already assigned and stands here as `a=`.
        let array_done = value.as_ref().is_some_and(Vec::is_empty)
            && matches!(sh.vars.get(&name).and_then(|v| v.val.as_ref()), Some(Val::Arr(_) | Val::Assoc(_)));
        if array_done {
            value = None;
        }
        if local && !array_done {
            let inherited = if value.is_none() && flags_on.contains(&b'I') { sh.vars.get(&name).and_then(|v| v.val.clone()) } else { None };
            sh.vars.local(&name);
            if let Some(val) = inherited {
                let _ = sh.vars.set_val(&name, val);
            }
        }
        if flags_on.contains(&b'A') && !matches!(sh.vars.get(&name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_))) {
            if array_done {
                // `declare -A a=([k]=v)`: the keys were read as numbers; nothing better is known here.
            } else {
                sh.vars.raw_mut(&name).val = Some(Val::Assoc(std::collections::BTreeMap::new()));
            }
        }
        if flags_on.contains(&b'a') && sh.vars.get(&name).is_none_or(|v| v.val.is_none()) {
            sh.vars.raw_mut(&name).val = Some(Val::Arr(std::collections::BTreeMap::new()));
        }
        if flags_on.contains(&b'i') {
            sh.vars.raw_mut(&name).integer = true;
        }
        if flags_on.contains(&b'u') {
            sh.vars.raw_mut(&name).case = b'U';
        }
        if flags_on.contains(&b'l') {
            sh.vars.raw_mut(&name).case = b'L';
        }
        if let Some(value) = value {
            let value = if append { [sh.vars.str(&name).unwrap_or_default(), &value].concat() } else { value };
            let failed = match index {
                Some(key) if matches!(sh.vars.get(&name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_))) => {
                    sh.vars.set_key(&name, key, value).is_err()
                }
                Some(key) => match sh.arith(&key).await {
                    Ok(at) => sh.vars.set_index(&name, at, value).is_err(),
                    Err(_) => true,
                },
                None => sh.set_checked(&name, &value).await.is_err(),
            };
            if failed {
                sh.last = 1;
                continue;
            }
        } else if caller != "local" {
            sh.vars.raw_mut(&name);
        }
        let var = sh.vars.raw_mut(&name);
        if flags_on.contains(&b'x') {
            var.exported = true;
        }
        if flags_off.contains(&b'x') {
            var.exported = false;
        }
        if flags_on.contains(&b'r') {
            var.readonly = true;
        }
        if flags_on.contains(&b'n') {
            var.nameref = true;
        }
        if flags_off.contains(&b'i') {
            var.integer = false;
        }
    }
    Flow::Next
}

/// A variable as `declare -p` shows it.
fn declared(name: &[u8], var: &super::Var) -> Vec<u8> {
    let mut flags = String::new();
    match &var.val {
        Some(Val::Arr(_)) => flags.push('a'),
        Some(Val::Assoc(_)) => flags.push('A'),
        _ => {}
    }
    for (on, c) in
        [(var.integer, 'i'), (var.nameref, 'n'), (var.readonly, 'r'), (var.exported, 'x'), (var.case == b'L', 'l'), (var.case == b'U', 'u')]
    {
        if on {
            flags.push(c);
        }
    }
    if flags.is_empty() {
        flags.push('-');
    }
    let mut out = [b"declare -", flags.as_bytes(), b" ", name].concat();
    match &var.val {
        None => {}
        Some(Val::Str(v)) => {
            out.push(b'=');
            out.extend(double_quote(v));
        }
        Some(Val::Arr(map)) => {
            out.extend_from_slice(b"=(");
            for (n, (k, v)) in map.iter().enumerate() {
                if n > 0 {
                    out.push(b' ');
                }
                out.extend(format!("[{k}]=").bytes());
                out.extend(double_quote(v));
            }
            out.push(b')');
        }
        Some(Val::Assoc(map)) => {
            out.extend_from_slice(b"=(");
            for (k, v) in map {
                out.push(b'[');
                out.extend_from_slice(k);
                out.extend_from_slice(b"]=");
                out.extend(double_quote(v));
                out.push(b' ');
            }
            out.push(b')');
        }
    }
    out.push(b'\n');
    out
}

fn double_quote(value: &[u8]) -> Vec<u8> {
    if value.iter().any(|&b| b < 32 || b == 127) {
        return super::expand::quote(value);
    }
    let mut out = b"\"".to_vec();
    for &b in value {
        if matches!(b, b'"' | b'\\' | b'$' | b'`') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
    out
}

fn set_line(name: &[u8], value: &[u8]) -> Vec<u8> {
    let plain = !value.is_empty() && value.iter().all(|b| b.is_ascii_alphanumeric() || b"_/.:,+-=@%^".contains(b));
    let quoted = if plain || value.is_empty() { value.to_vec() } else { super::expand::quote(value) };
    [name, b"=", &quoted, b"\n"].concat()
}

fn list_vars(sh: &Sh, caller: &str, flags: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if flags.contains(&b'f') || flags.contains(&b'F') {
        for (name, f) in &sh.funcs {
            if flags.contains(&b'F') {
                out.extend([b"declare -f ", name.as_slice(), b"\n"].concat());
            } else {
                out.extend(pretty(name, &f.text));
                out.push(b'\n');
            }
        }
        return out;
    }
    for (name, var) in sh.vars.all() {
        let wanted = match caller {
            "export" => var.exported,
            "readonly" => var.readonly,
            "local" => false,
            _ => {
                (!flags.contains(&b'x') || var.exported)
                    && (!flags.contains(&b'r') || var.readonly)
                    && (!flags.contains(&b'i') || var.integer)
                    && (!flags.contains(&b'a') || matches!(var.val, Some(Val::Arr(_))))
            }
        };
        if !wanted {
            continue;
        }
        if sh.flavor == Flavor::Bash && (caller == "export" || caller == "readonly" || !flags.is_empty()) {
            out.extend(declared(name, var));
        } else if sh.flavor != Flavor::Bash {
            out.extend([caller.as_bytes(), b" ", name.as_slice()].concat());
            if let Some(v) = var.scalar() {
                out.push(b'=');
                out.extend(super::expand::quote(v));
            }
            out.push(b'\n');
        } else if let Some(v) = var.scalar() {
            out.extend(set_line(name, v));
        }
    }
    out
}

/// Options of `set -o` and whether they are on.
pub(crate) fn set_options(sh: &Sh) -> Vec<(String, bool)> {
    let o = &sh.opts;
    let i = sh.interactive;
    [
        ("allexport", o.allexport),
        ("braceexpand", true),
        ("emacs", i),
        ("errexit", o.errexit),
        ("errtrace", false),
        ("functrace", false),
        ("hashall", true),
        ("histexpand", i),
        ("history", i),
        ("ignoreeof", false),
        ("interactive-comments", true),
        ("keyword", false),
        ("monitor", o.monitor),
        ("noclobber", o.noclobber),
        ("noexec", o.noexec),
        ("noglob", o.noglob),
        ("nolog", false),
        ("notify", false),
        ("nounset", o.nounset),
        ("onecmd", false),
        ("physical", false),
        ("pipefail", o.pipefail),
        ("posix", false),
        ("privileged", false),
        ("verbose", o.verbose),
        ("vi", false),
        ("xtrace", o.xtrace),
    ]
    .into_iter()
    .map(|(n, v)| (n.to_owned(), v))
    .collect()
}

async fn set(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    if args.len() == 1 {
        let mut out = Vec::new();
        for (name, var) in sh.vars.all() {
            match &var.val {
                Some(Val::Str(v)) if sh.flavor == Flavor::Bash => out.extend(set_line(name, v)),
                Some(Val::Str(v)) => out.extend([name.as_slice(), b"=", &super::expand::quote(v), b"\n"].concat()),
                Some(_) => {
                    let line = declared(name, var);
                    out.extend(line.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default());
                }
                None => {}
            }
        }
        say(sh, "set", &out).await;
        return Flow::Next;
    }
    let mut at = 1;
    let mut positional = false;
    while let Some(arg) = args.get(at).cloned() {
        match arg.as_slice() {
            b"--" => {
                at += 1;
                positional = true;
                break;
            }
            b"-" => {
                at += 1;
                break;
            }
            b"-o" | b"+o" => {
                let on = arg == b"-o";
                match args.get(at + 1) {
                    None => {
                        let mut out = String::new();
                        for (name, value) in set_options(sh) {
                            if on {
                                out.push_str(&format!("{name:<15}\t{}\n", if value { "on" } else { "off" }))
                            } else {
                                out.push_str(&format!("set {}o {name}\n", if value { '-' } else { '+' }))
                            }
                        }
                        say(sh, "set", out.as_bytes()).await;
                    }
                    Some(name) => {
                        if !set_option(sh, &text(name), on) {
                            sh.warn(format!("set: {}: invalid option name", text(name))).await;
                            sh.last = 2;
                        }
                        at += 1;
                    }
                }
                at += 1;
            }
            [sign @ (b'-' | b'+'), flags @ ..] if !flags.is_empty() => {
                let on = *sign == b'-';
                for (n, &f) in flags.iter().enumerate() {
                    let name = match f {
                        b'a' => "allexport",
                        b'e' => "errexit",
                        b'f' => "noglob",
                        b'm' => "monitor",
                        b'n' => "noexec",
                        b'u' => "nounset",
                        b'v' => "verbose",
                        b'x' => "xtrace",
                        b'C' => "noclobber",
                        b'b' | b'h' | b'k' | b'p' | b't' | b'B' | b'E' | b'H' | b'P' | b'T' => continue,
                        b'o' => {
                            if n + 1 == flags.len()
                                && let Some(name) = args.get(at + 1)
                            {
                                set_option(sh, &text(name), on);
                                at += 1;
                            }
                            continue;
                        }
                        _ => {
                            if sh.flavor == Flavor::Bash {
                                sh.warn(format!("set: {}{}: invalid option", char::from(*sign), char::from(f))).await;
                                let _ = sh.write(2, b"set: usage: set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]\n").await;
                            } else {
                                sh.warn(format!("set: Illegal option {}{}", char::from(*sign), char::from(f))).await;
                            }
                            sh.last = 2;
                            return Flow::Next;
                        }
                    };
                    set_option(sh, name, on);
                }
                at += 1;
            }
            _ => {
                positional = true;
                break;
            }
        }
    }
    if positional || at < args.len() {
        sh.params = args.into_iter().skip(at).collect();
    }
    Flow::Next
}

fn set_option(sh: &mut Sh, name: &str, on: bool) -> bool {
    let o = &mut sh.opts;
    match name {
        "allexport" => o.allexport = on,
        "errexit" => o.errexit = on,
        "noglob" => o.noglob = on,
        "monitor" => o.monitor = on,
        "noexec" => o.noexec = on && !sh.interactive,
        "nounset" => o.nounset = on,
        "verbose" => o.verbose = on,
        "xtrace" => o.xtrace = on,
        "noclobber" => o.noclobber = on,
        "pipefail" => o.pipefail = on,
        "braceexpand"
        | "emacs"
        | "vi"
        | "errtrace"
        | "functrace"
        | "hashall"
        | "histexpand"
        | "history"
        | "ignoreeof"
        | "interactive-comments"
        | "keyword"
        | "nolog"
        | "notify"
        | "onecmd"
        | "physical"
        | "posix"
        | "privileged" => {}
        _ => return false,
    }
    true
}

const SHOPTS: &[&str] = &[
    "autocd",
    "assoc_expand_once",
    "cdable_vars",
    "cdspell",
    "checkhash",
    "checkjobs",
    "checkwinsize",
    "cmdhist",
    "compat31",
    "compat32",
    "compat40",
    "compat41",
    "compat42",
    "compat43",
    "compat44",
    "complete_fullquote",
    "direxpand",
    "dirspell",
    "dotglob",
    "execfail",
    "expand_aliases",
    "extdebug",
    "extglob",
    "extquote",
    "failglob",
    "force_fignore",
    "globasciiranges",
    "globskipdots",
    "globstar",
    "gnu_errfmt",
    "histappend",
    "histreedit",
    "histverify",
    "hostcomplete",
    "huponexit",
    "inherit_errexit",
    "interactive_comments",
    "lastpipe",
    "lithist",
    "localvar_inherit",
    "localvar_unset",
    "login_shell",
    "mailwarn",
    "no_empty_cmd_completion",
    "nocaseglob",
    "nocasematch",
    "noexpand_translation",
    "nullglob",
    "patsub_replacement",
    "progcomp",
    "progcomp_alias",
    "promptvars",
    "restricted_shell",
    "shift_verbose",
    "sourcepath",
    "varredir_close",
    "xpg_echo",
];

async fn shopt(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let (mut on, mut quiet, mut names) = (None, false, Vec::new());
    for arg in args.iter().skip(1) {
        match arg.as_slice() {
            b"-s" => on = Some(true),
            b"-u" => on = Some(false),
            b"-q" => quiet = true,
            b"-p" | b"-o" => {}
            _ => names.push(text(arg)),
        }
    }
    sh.last = 0;
    let listed: Vec<String> = if names.is_empty() { SHOPTS.iter().map(|s| (*s).to_owned()).collect() } else { names.clone() };
    for name in listed {
        if !SHOPTS.contains(&name.as_str()) {
            sh.warn(format!("shopt: {name}: invalid shell option name")).await;
            sh.last = 1;
            continue;
        }
        match on {
            Some(true) if !names.is_empty() => {
                sh.shopts.insert(name);
            }
            Some(false) if !names.is_empty() => {
                sh.shopts.remove(&name);
            }
            _ => {
                let is = sh.shopts.contains(&name);
                if on.is_some_and(|on| on != is) {
                    continue;
                }
                if !is && !names.is_empty() {
                    sh.last = 1;
                }
                if !quiet {
                    let line = format!("{name:<15}\t{}\n", if is { "on" } else { "off" });
                    say(sh, "shopt", line.as_bytes()).await;
                }
            }
        }
    }
    Flow::Next
}

async fn shift(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let n = match args.get(1) {
        None => 1,
        Some(a) => match std::str::from_utf8(a).ok().and_then(|t| t.parse::<i64>().ok()) {
            Some(n) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
            Some(_) => {
                sh.warn(format!("shift: {}: shift count out of range", text(a))).await;
                sh.last = 1;
                return Flow::Next;
            }
            None => {
                sh.warn(if sh.flavor == Flavor::Bash {
                    format!("shift: {}: numeric argument required", text(a))
                } else {
                    format!("shift: Illegal number: {}", text(a))
                })
                .await;
                sh.last = 1;
                return Flow::Next;
            }
        },
    };
    if n > sh.params.len() {
        sh.last = 1;
        if sh.flavor == Flavor::Dash {
            sh.warn("shift: can't shift that many").await;
            sh.last = 2;
            return if sh.interactive { Flow::Next } else { Flow::Exit };
        }
        return Flow::Next;
    }
    sh.params.drain(..n);
    sh.last = 0;
    Flow::Next
}

async fn unset(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    let mut functions = false;
    let mut variables = false;
    for arg in args.into_iter().skip(1) {
        match arg.as_slice() {
            b"-f" => functions = true,
            b"-v" | b"-n" => variables = true,
            name => {
                if let Some(open) = name.iter().position(|&b| b == b'[')
                    && name.last() == Some(&b']')
                {
                    let key = name.get(open + 1..name.len() - 1).unwrap_or_default().to_vec();
                    let base = name.get(..open).unwrap_or_default().to_vec();
                    let key = if key.starts_with(b"\"") || key.starts_with(b"'") {
                        key.get(1..key.len().saturating_sub(1)).unwrap_or_default().to_vec()
                    } else {
                        key
                    };
                    let number = if matches!(sh.vars.get(&base).and_then(|v| v.val.as_ref()), Some(Val::Arr(_))) {
                        sh.arith(&key).await.ok()
                    } else {
                        None
                    };
                    match sh.vars.raw_mut(&base).val.as_mut() {
                        Some(Val::Arr(map)) => {
                            if let Some(n) = number {
                                let at = if n < 0 { map.keys().next_back().map_or(0, |k| k + 1) + n } else { n };
                                map.remove(&at);
                            }
                        }
                        Some(Val::Assoc(map)) => {
                            map.remove(&key);
                        }
                        _ => {}
                    }
                    continue;
                }
                if functions {
                    sh.funcs.remove(name);
                    continue;
                }
                if !is_identifier(name) {
                    sh.warn(format!("unset: `{}': not a valid identifier", text(name))).await;
                    sh.last = 1;
                    continue;
                }
                let existed = sh.vars.get(name).is_some();
                if !sh.vars.unset(name) {
                    let line = if sh.flavor == Flavor::Dash {
                        format!("unset: {}: is read only", text(name))
                    } else {
                        format!("unset: {}: cannot unset: readonly variable", text(name))
                    };
                    sh.warn(line).await;
                    sh.last = 1;
                } else if !existed && !variables {
                    sh.funcs.remove(name);
                }
            }
        }
    }
    Flow::Next
}

async fn alias(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    let bash = sh.flavor == Flavor::Bash;
    let show = |name: &[u8], value: &[u8]| [if bash { b"alias ".as_slice() } else { b"" }, name, b"=", &alias_quote(value), b"\n"].concat();
    let rest: Vec<Vec<u8>> = args.into_iter().skip(1).filter(|a| a != b"-p").collect();
    if rest.is_empty() {
        let out: Vec<u8> = sh.aliases.iter().flat_map(|(n, v)| show(n, v)).collect();
        say(sh, "alias", &out).await;
        return Flow::Next;
    }
    for arg in rest {
        match arg.iter().position(|&b| b == b'=') {
            Some(at) if at > 0 => {
                if sh.aliases.len() < 1000 {
                    sh.aliases.insert(arg.get(..at).unwrap_or_default().to_vec(), arg.get(at + 1..).unwrap_or_default().to_vec());
                }
            }
            _ => match sh.aliases.get(&arg).cloned() {
                Some(value) => {
                    let line = show(&arg, &value);
                    say(sh, "alias", &line).await;
                }
                None => {
                    sh.warn(format!("alias: {}: not found", text(&arg))).await;
                    sh.last = 1;
                }
            },
        }
    }
    Flow::Next
}

fn alias_quote(value: &[u8]) -> Vec<u8> {
    let mut out = b"'".to_vec();
    for &b in value {
        if b == b'\'' { out.extend_from_slice(b"'\\''") } else { out.push(b) }
    }
    out.push(b'\'');
    out
}

async fn unalias(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    for arg in args.iter().skip(1) {
        if arg == b"-a" {
            sh.aliases.clear();
        } else if sh.aliases.remove(arg).is_none() {
            sh.warn(format!("unalias: {}: not found", text(arg))).await;
            sh.last = 1;
        }
    }
    Flow::Next
}

async fn let_(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let mut value = 0;
    for arg in args.iter().skip(1) {
        match super::arith::eval(sh, arg) {
            Ok(n) => value = n,
            Err(super::arith::Wrong(what)) => {
                sh.warn(format!("let: {what}")).await;
                sh.last = 1;
                return Flow::Next;
            }
        }
    }
    sh.last = i32::from(value == 0);
    Flow::Next
}

async fn trap(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    let rest: Vec<Vec<u8>> = args.into_iter().skip(1).filter(|a| a != b"--").collect();
    let name_of = |s: &[u8]| {
        let up = text(s).to_ascii_uppercase();
        let up = up.strip_prefix("SIG").unwrap_or(&up).to_owned();
        match up.parse::<i32>() {
            Ok(0) => "EXIT".to_owned(),
            Ok(n) => crate::shell::commands::signals::name(n).map_or(up.clone(), str::to_owned),
            Err(_) => up,
        }
    };
    match rest.as_slice() {
        [] => {
            let mut out = Vec::new();
            for (name, cmd) in &sh.traps {
                let shown = if name == "EXIT" || name == "DEBUG" || name == "ERR" || name == "RETURN" || sh.flavor != Flavor::Bash {
                    name.clone()
                } else {
                    format!("SIG{name}")
                };
                out.extend([b"trap -- ", alias_quote(cmd).as_slice(), b" ", shown.as_bytes(), b"\n"].concat());
            }
            say(sh, "trap", &out).await;
        }
        [l] if l == b"-l" => {
            let out = crate::shell::commands::signals::table();
            say(sh, "trap", out.as_bytes()).await;
        }
        [p, ..] if p == b"-p" => {}
        [one] => {
            sh.traps.remove(&name_of(one));
        }
        [dash, signals @ ..] if dash == b"-" => {
            for s in signals {
                sh.traps.remove(&name_of(s));
            }
        }
        [cmd, signals @ ..] => {
            for s in signals {
                let name = name_of(s);
                if !matches!(name.as_str(), "EXIT" | "DEBUG" | "ERR" | "RETURN") && crate::shell::commands::signals::number(&name).is_none()
                {
                    sh.warn(if sh.flavor == Flavor::Bash {
                        format!("trap: {}: invalid signal specification", text(s))
                    } else {
                        format!("trap: {}: bad trap", text(s))
                    })
                    .await;
                    sh.last = 1;
                    continue;
                }
                sh.traps.insert(name, cmd.clone());
            }
        }
    }
    Flow::Next
}

async fn read(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let mut raw = false;
    let mut prompt: Vec<u8> = Vec::new();
    let mut silent = false;
    let mut count: Option<usize> = None;
    let mut exact = false;
    let mut delimiter = b'\n';
    let mut fd = 0u32;
    let mut array: Option<Vec<u8>> = None;
    let mut wait: Option<f64> = None;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut it = args.into_iter().skip(1).peekable();
    while let Some(arg) = it.next() {
        if names.is_empty()
            && let [b'-', flags @ ..] = arg.as_slice()
            && !flags.is_empty()
        {
            if flags == b"-" {
                names.extend(it.by_ref());
                break;
            }
            let mut at = 0;
            while let Some(&f) = flags.get(at) {
                at += 1;
                match f {
                    b'r' => raw = true,
                    b's' => silent = true,
                    b'e' | b'E' => {}
                    b'p' | b'n' | b'N' | b'd' | b'u' | b'a' | b't' | b'i' => {
                        let value =
                            if at < flags.len() { flags.get(at..).unwrap_or_default().to_vec() } else { it.next().unwrap_or_default() };
                        let number = std::str::from_utf8(&value).ok().and_then(|t| t.trim().parse::<f64>().ok());
                        match f {
                            b'p' => prompt = value,
                            b'n' | b'N' => {
                                count = number.map(|n| n.clamp(0.0, 1e6) as usize);
                                exact = f == b'N';
                            }
                            b'd' => delimiter = value.first().copied().unwrap_or(0),
                            b'u' => fd = number.map_or(0, |n| n.clamp(0.0, 1023.0) as u32),
                            b'a' => array = Some(value),
                            b't' => wait = number,
                            _ => {}
                        }
                        break;
                    }
                    other => {
                        if sh.flavor == Flavor::Bash {
                            sh.warn(format!("read: -{}: invalid option", char::from(other))).await;
                            let _ = sh.write(2, b"read: usage: read [-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]\n").await;
                        } else {
                            sh.warn(format!("read: Illegal option -{}", char::from(other))).await;
                        }
                        sh.last = 2;
                        return Flow::Next;
                    }
                }
            }
            continue;
        }
        names.push(arg);
    }
    for name in &names {
        if !is_identifier(name) && !name.contains(&b'[') {
            sh.warn(format!("read: `{}': not a valid identifier", text(name))).await;
            sh.last = 1;
            return Flow::Next;
        }
    }
    let Some(source) = sh.fds.get(&fd).cloned() else {
        sh.warn(format!("read: {fd}: invalid file descriptor: Bad file descriptor")).await;
        sh.last = 1;
        return Flow::Next;
    };
    let tty = source.is_tty(&sh.k);
    if tty && !prompt.is_empty() {
        let _ = sh.write(2, &prompt).await;
    }
    let modes = sh.k.state.lock().modes;
    let by_char = count.is_some() || delimiter != b'\n';
    if tty && (silent || by_char) {
        sh.k.set_modes(crate::shell::kernel::Modes { echo: !silent && modes.echo, canonical: !by_char, ..modes });
    }
    let deadline = wait.map(|s| sh.k.now().plus(std::time::Duration::from_secs_f64(s.clamp(0.0, 1e6))));
    let k = Arc::clone(&sh.k);
    let mut line: Vec<(u8, bool)> = Vec::new();
    let mut ended = true;
    let mut timed_out = false;
    {
        let work: Boxed<'_, ()> = Box::pin(async {
            loop {
                if count.is_some_and(|n| line.len() >= n) {
                    ended = false;
                    break;
                }
                let Ok(part) = source.read(&k, 1).await else { break };
                let Some(&b) = part.first() else { break };
                if line.len() % 64 == 63 {
                    k.pay(1).await;
                }
                if b == delimiter && !exact {
                    ended = false;
                    break;
                }
                if b == b'\\' && !raw {
                    let Ok(part) = source.read(&k, 1).await else { break };
                    match part.first() {
                        Some(b'\n') | None => {}
                        Some(&b) => line.push((b, true)),
                    }
                    continue;
                }
                if b != 0 && line.len() < 1 << 20 {
                    line.push((b, false));
                }
            }
        });
        let mut work = work;
        let kk = Arc::clone(&k);
        std::future::poll_fn(|cx| {
            if work.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            if let Some(at) = deadline {
                if kk.now() >= at {
                    timed_out = true;
                    return std::task::Poll::Ready(());
                }
                let mut wait: Boxed<'_, ()> = Box::pin(kk.until(at));
                let _ = wait.as_mut().poll(cx);
            }
            std::task::Poll::Pending
        })
        .await;
    }
    if tty && (silent || by_char) {
        sh.k.set_modes(modes);
    }
    let status = if timed_out { 142 } else { i32::from(ended) };
    let ifs = sh.ifs();
    let reply = names.is_empty() && array.is_none();
    if reply {
        let value: Vec<u8> = line.iter().map(|(b, _)| *b).collect();
        let _ = sh.set_checked(b"REPLY", &value).await;
        sh.last = status;
        return Flow::Next;
    }
    let white = |(b, q): &(u8, bool)| !*q && ifs.contains(b) && matches!(b, b' ' | b'\t' | b'\n');
    let hard = |(b, q): &(u8, bool)| !*q && ifs.contains(b);
    let limit = if array.is_some() { usize::MAX } else { names.len() };
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    if exact {
        fields.push(line.iter().map(|(b, _)| *b).collect());
    } else {
        while line.get(at).is_some_and(white) {
            at += 1;
        }
        while at < line.len() {
            if fields.len() + 1 == limit {
                let mut rest: Vec<(u8, bool)> = line.get(at..).unwrap_or_default().to_vec();
                while rest.last().is_some_and(white) {
                    rest.pop();
                }
                // One trailing separator ends the last field unless there are more.
                if rest.last().is_some_and(hard) && !rest.get(..rest.len() - 1).unwrap_or_default().iter().any(hard) {
                    rest.pop();
                }
                fields.push(rest.iter().map(|(b, _)| *b).collect());
                break;
            }
            let mut field = Vec::new();
            while line.get(at).is_some_and(|c| !hard(c)) {
                field.extend(line.get(at).map(|c| c.0));
                at += 1;
            }
            while line.get(at).is_some_and(white) {
                at += 1;
            }
            if line.get(at).is_some_and(|c| hard(c) && !white(c)) {
                at += 1;
                while line.get(at).is_some_and(white) {
                    at += 1;
                }
            }
            fields.push(field);
        }
    }
    if let Some(name) = array {
        let map = fields.into_iter().enumerate().map(|(n, v)| (i64::try_from(n).unwrap_or(0), v)).collect();
        let _ = sh.vars.set_val(&name, Val::Arr(map));
    } else {
        for (n, name) in names.iter().enumerate() {
            let value = fields.get(n).cloned().unwrap_or_default();
            if sh.set_checked(name, &value).await.is_err() {
                sh.last = 1;
                return Flow::Next;
            }
        }
    }
    sh.last = status;
    Flow::Next
}

async fn mapfile(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let strip = args.iter().skip(1).any(|a| a == b"-t");
    let name = args.iter().skip(1).rfind(|a| !a.starts_with(b"-")).cloned().unwrap_or_else(|| b"MAPFILE".to_vec());
    let mut data = Vec::new();
    if let Some(fd) = sh.fds.get(&0).cloned() {
        while data.len() < 4 << 20 {
            match fd.read(&sh.k, 65_536).await {
                Ok(part) if !part.is_empty() => data.extend(part),
                _ => break,
            }
        }
    }
    let map = data
        .split_inclusive(|&b| b == b'\n')
        .take(100_000)
        .enumerate()
        .map(|(n, l)| (i64::try_from(n).unwrap_or(0), if strip { l.strip_suffix(b"\n").unwrap_or(l) } else { l }.to_vec()))
        .collect();
    let _ = sh.vars.set_val(&name, Val::Arr(map));
    sh.last = 0;
    Flow::Next
}

async fn getopts(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let (Some(spec), Some(name)) = (args.get(1).cloned(), args.get(2).cloned()) else {
        let _ = sh.write(2, b"getopts: usage: getopts optstring name [arg ...]\n").await;
        sh.last = 2;
        return Flow::Next;
    };
    let list: Vec<Vec<u8>> = if args.len() > 3 { args.into_iter().skip(3).collect() } else { sh.params.clone() };
    let index: usize = sh.vars.str(b"OPTIND").and_then(|t| std::str::from_utf8(t).ok()?.parse().ok()).unwrap_or(1).max(1);
    let quiet = spec.first() == Some(&b':');
    let end = |sh: &mut Sh, index: usize| {
        sh.preset(b"OPTIND", index.to_string().as_bytes(), false);
        sh.preset(&name, b"?", false);
        sh.getopts_at = 0;
        sh.last = 1;
    };
    let Some(arg) = list.get(index - 1) else {
        end(sh, index);
        return Flow::Next;
    };
    if arg == b"--" {
        end(sh, index + 1);
        return Flow::Next;
    }
    if arg.len() < 2 || arg.first() != Some(&b'-') {
        end(sh, index);
        return Flow::Next;
    }
    let at = sh.getopts_at.max(1);
    let option = arg.get(at).copied().unwrap_or(b'?');
    let found = spec.iter().position(|&c| c == option && option != b':');
    let mut next = index;
    sh.vars.unset(b"OPTARG");
    sh.last = 0;
    let value = match found {
        Some(p) if spec.get(p + 1) == Some(&b':') => {
            next = index + 1;
            sh.getopts_at = 0;
            if at + 1 < arg.len() {
                sh.preset(b"OPTARG", arg.get(at + 1..).unwrap_or_default(), false);
                option
            } else if let Some(value) = list.get(index) {
                sh.preset(b"OPTARG", value, false);
                next = index + 2;
                option
            } else if quiet {
                sh.preset(b"OPTARG", &[option], false);
                b':'
            } else {
                let line = format!("{}: option requires an argument -- {}\n", text(&sh.arg0), char::from(option));
                let _ = sh.write(2, line.as_bytes()).await;
                b'?'
            }
        }
        known => {
            if at + 1 < arg.len() {
                sh.getopts_at = at + 1;
            } else {
                sh.getopts_at = 0;
                next = index + 1;
            }
            match known {
                Some(_) => option,
                None if quiet => {
                    sh.preset(b"OPTARG", &[option], false);
                    b'?'
                }
                None => {
                    let line = format!("{}: illegal option -- {}\n", text(&sh.arg0), char::from(option));
                    let _ = sh.write(2, line.as_bytes()).await;
                    b'?'
                }
            }
        }
    };
    let keep = sh.getopts_at;
    sh.preset(b"OPTIND", next.to_string().as_bytes(), false);
    sh.getopts_at = keep;
    sh.preset(&name, &[value], false);
    Flow::Next
}

async fn hash(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    if args.iter().any(|a| a == b"-r") {
        sh.hash.clear();
    } else if args.len() == 1 {
        if sh.hash.is_empty() {
            if sh.flavor == Flavor::Bash {
                say(sh, "hash", b"hash: hash table empty\n").await;
            }
        } else {
            let mut out = b"hits\tcommand\n".to_vec();
            for (path, hits) in sh.hash.values() {
                out.extend(format!("{hits:>4}\t{}\n", text(path)).bytes());
            }
            say(sh, "hash", &out).await;
        }
    } else {
        for name in args.iter().skip(1) {
            if run::find(sh, name).is_err() {
                sh.warn(format!("hash: {}: not found", text(name))).await;
                sh.last = 1;
            }
        }
    }
    Flow::Next
}

async fn history(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    match args.get(1).map(Vec::as_slice) {
        Some(b"-c") => sh.history.clear(),
        Some(b"-d") => {
            if let Some(n) =
                args.get(2).and_then(|a| std::str::from_utf8(a).ok()?.parse::<usize>().ok()).filter(|n| *n >= 1 && *n <= sh.history.len())
            {
                sh.history.remove(n - 1);
            } else {
                sh.warn(format!("history: {}: history position out of range", text(args.get(2).map_or(&b""[..], Vec::as_slice)))).await;
                sh.last = 1;
            }
        }
        Some(b"-w" | b"-a") => sh.save_history(),
        Some(b"-r" | b"-n" | b"-s" | b"-p") => {}
        Some(flag) if flag.starts_with(b"-") => {
            sh.warn(format!("history: {}: invalid option", text(flag))).await;
            let _ = sh
                .write(2, b"history: usage: history [-c] [-d offset] [n] or history -anrw [filename] or history -ps arg [arg...]\n")
                .await;
            sh.last = 2;
        }
        count => {
            let n = count.and_then(|a| std::str::from_utf8(a).ok()?.parse::<usize>().ok());
            if count.is_some() && n.is_none() {
                sh.warn(format!("history: {}: numeric argument required", text(count.unwrap_or_default()))).await;
                sh.last = 1;
                return Flow::Next;
            }
            let from = n.map_or(0, |n| sh.history.len().saturating_sub(n));
            let mut out = Vec::new();
            for (n, line) in sh.history.iter().enumerate().skip(from) {
                out.extend(format!("{:>5}  ", n + 1).bytes());
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            say(sh, "history", &out).await;
        }
    }
    Flow::Next
}

impl Sh {
    /// Writes the history file as bash does at the end of a session.
    pub(crate) fn save_history(&self) {
        let Some(file) = self.vars.str(b"HISTFILE").filter(|f| !f.is_empty() && *f != b"/dev/null") else { return };
        let keep: usize = self.vars.str(b"HISTFILESIZE").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or(500);
        if keep == 0 {
            return;
        }
        let from = self.history.len().saturating_sub(keep);
        let mut out = Vec::new();
        for line in self.history.iter().skip(from) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        let path = absolute(&self.cwd, file);
        let _ = self.k.fs.write(&self.who, &path, &out, crate::shell::WriteMode::Truncate, 0o600, self.k.now());
    }
}

async fn jobs(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let long = args.iter().any(|a| a.starts_with(b"-") && a.contains(&b'l'));
    let pids = args.iter().any(|a| a.starts_with(b"-") && a.contains(&b'p'));
    let mut out = Vec::new();
    for job in &sh.jobs.list {
        if pids { out.extend(format!("{}\n", job.pid).bytes()) } else { out.extend(sh.jobs.line(job, long)) }
    }
    sh.jobs.list.retain(|j| j.ended.lock().is_none());
    say(sh, "jobs", &out).await;
    sh.last = 0;
    Flow::Next
}

async fn fg(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let name = text(&args.first().cloned().unwrap_or_default());
    let spec = args.get(1).map(|a| text(a)).unwrap_or_default();
    if !sh.interactive {
        sh.warn(format!("{name}: no job control")).await;
        sh.last = 1;
        return Flow::Next;
    }
    let Some(job) = sh.jobs.find(&spec).cloned() else {
        sh.warn(format!("{name}: {}: no such job", if spec.is_empty() { "current" } else { &spec })).await;
        sh.last = 1;
        return Flow::Next;
    };
    if name == "bg" {
        let line = format!("[{}]{} {} &\n", job.number, sh.jobs.mark(job.number), text(&job.text));
        say(sh, "bg", line.as_bytes()).await;
        if let Some(j) = sh.jobs.list.iter_mut().find(|j| j.number == job.number) {
            j.stopped = false;
        }
        sh.last = 0;
        return Flow::Next;
    }
    let line = [job.text.clone(), b"\n".to_vec()].concat();
    say(sh, "fg", &line).await;
    if !job.stopped {
        await_end(sh, &job.ended).await;
    }
    sh.last = job.ended.lock().unwrap_or(0);
    sh.jobs.list.retain(|j| j.number != job.number);
    Flow::Next
}

async fn await_end(sh: &Sh, ended: &super::jobs::Ended) {
    let _ = sh;
    std::future::poll_fn(|_| if ended.lock().is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }).await;
}

async fn wait(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    let rest: Vec<String> = args.iter().skip(1).filter(|a| !a.starts_with(b"-")).map(|a| text(a)).collect();
    if rest.is_empty() {
        let all: Vec<_> = sh.jobs.list.iter().filter(|j| !j.stopped).map(|j| Arc::clone(&j.ended)).collect();
        for ended in all {
            await_end(sh, &ended).await;
        }
        if !sh.interactive {
            sh.jobs.list.clear();
        }
        return Flow::Next;
    }
    for spec in rest {
        match sh.jobs.find(&spec).cloned() {
            Some(job) => {
                await_end(sh, &job.ended).await;
                sh.last = job.ended.lock().unwrap_or(0);
                sh.jobs.list.retain(|j| j.pid != job.pid);
            }
            None => {
                let line = match spec.parse::<u32>() {
                    Ok(pid) => format!("wait: pid {pid} is not a child of this shell"),
                    Err(_) if spec.starts_with('%') => format!("wait: {spec}: no such job"),
                    Err(_) => format!("wait: `{spec}': not a pid or valid job spec"),
                };
                sh.warn(line).await;
                sh.last = 127;
            }
        }
    }
    Flow::Next
}

async fn disown(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    if args.iter().any(|a| a == b"-a") {
        sh.jobs.list.clear();
        return Flow::Next;
    }
    let specs: Vec<String> = args.iter().skip(1).filter(|a| !a.starts_with(b"-")).map(|a| text(a)).collect();
    let specs = if specs.is_empty() { vec![String::new()] } else { specs };
    for spec in specs {
        match sh.jobs.find(&spec).map(|j| j.number) {
            Some(n) => sh.jobs.list.retain(|j| j.number != n),
            None => {
                sh.warn(format!("disown: {}: no such job", if spec.is_empty() { "current" } else { &spec })).await;
                sh.last = 1;
            }
        }
    }
    Flow::Next
}

async fn kill(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    use crate::shell::commands::signals;
    let mut signal = 15;
    let mut rest: Vec<String> = args.iter().skip(1).map(|a| text(a)).collect();
    sh.last = 0;
    let bash = sh.flavor == Flavor::Bash;
    if let Some(first) = rest.first().cloned() {
        if first == "-l" || first == "-L" {
            let out = if rest.len() > 1 {
                rest.iter()
                    .skip(1)
                    .filter_map(|a| match a.parse::<i32>() {
                        Ok(n) => signals::name(if n > 128 { n - 128 } else { n }).map(|s| format!("{s}\n")),
                        Err(_) => signals::number(a.trim_start_matches("SIG")).map(|n| format!("{n}\n")),
                    })
                    .collect()
            } else {
                signals::table()
            };
            say(sh, "kill", out.as_bytes()).await;
            return Flow::Next;
        }
        let named = match first.strip_prefix('-') {
            Some("s" | "n") => {
                rest.remove(0);
                Some(if rest.is_empty() { String::new() } else { rest.remove(0) })
            }
            Some("-") => {
                rest.remove(0);
                None
            }
            Some(name) if !name.is_empty() => {
                rest.remove(0);
                Some(name.to_owned())
            }
            _ => None,
        };
        if let Some(name) = named {
            match name
                .parse::<i32>()
                .ok()
                .filter(|n| (0..=64).contains(n))
                .or_else(|| signals::number(name.to_ascii_uppercase().trim_start_matches("SIG")))
            {
                Some(n) => signal = n,
                None => {
                    sh.warn(if bash {
                        format!("kill: {name}: invalid signal specification")
                    } else {
                        format!("kill: Illegal option -{}", name.chars().next().unwrap_or('?'))
                    })
                    .await;
                    sh.last = 1;
                    return Flow::Next;
                }
            }
        }
    }
    if rest.is_empty() {
        let line: &[u8] = if bash {
            b"kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n"
        } else {
            b"Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]... or\nkill -l [exitstatus]\n"
        };
        let _ = sh.write(2, line).await;
        sh.last = 2;
        return Flow::Next;
    }
    for spec in rest {
        let pid = if spec.starts_with('%') {
            match sh.jobs.find(&spec) {
                Some(job) => i64::from(job.pid),
                None => {
                    sh.warn(format!("kill: {spec}: no such job")).await;
                    sh.last = 1;
                    continue;
                }
            }
        } else {
            match spec.parse::<i64>() {
                Ok(pid) => pid,
                Err(_) => {
                    sh.warn(if bash {
                        format!("kill: {spec}: arguments must be process or job IDs")
                    } else {
                        format!("kill: Illegal number: {spec}")
                    })
                    .await;
                    sh.last = 1;
                    continue;
                }
            }
        };
        match signals::send(&sh.k, &sh.who, pid, signal) {
            Ok(()) => {
                if u32::try_from(pid.abs()).is_ok_and(|p| p == sh.pid) && matches!(signal, 9 | 1) {
                    sh.last = 128 + signal;
                    return Flow::Exit;
                }
            }
            Err(e) => {
                sh.warn(if bash { format!("kill: ({pid}) - {e}") } else { format!("kill: {e}") }).await;
                sh.last = 1;
            }
        }
    }
    // A job that was killed is seen as such at the next prompt.
    sh.k.pay(1).await;
    Flow::Next
}

async fn dirs(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let name = text(&args.first().cloned().unwrap_or_default());
    let arg = args.iter().skip(1).find(|a| !a.starts_with(b"-")).cloned();
    sh.last = 0;
    match name.as_str() {
        "pushd" => {
            let old = sh.cwd.clone();
            let target = match arg {
                Some(dir) => dir,
                None => match sh.dirs.pop() {
                    Some(dir) => dir,
                    None => {
                        sh.warn("pushd: no other directory").await;
                        sh.last = 1;
                        return Flow::Next;
                    }
                },
            };
            if !sh.change_dir(&target, false, "pushd").await {
                sh.last = 1;
                return Flow::Next;
            }
            if sh.dirs.len() < 500 {
                sh.dirs.push(old);
            }
        }
        "popd" => match sh.dirs.pop() {
            Some(dir) => {
                if !sh.change_dir(&dir, false, "popd").await {
                    sh.last = 1;
                    return Flow::Next;
                }
            }
            None => {
                sh.warn("popd: directory stack empty").await;
                sh.last = 1;
                return Flow::Next;
            }
        },
        _ if args.iter().any(|a| a == b"-c") => {
            sh.dirs.clear();
            return Flow::Next;
        }
        _ => {}
    }
    let home = sh.vars.str(b"HOME").unwrap_or_default().to_vec();
    let mut out = Vec::new();
    for (n, dir) in std::iter::once(&sh.cwd).chain(sh.dirs.iter().rev()).enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        match dir.strip_prefix(home.as_slice()) {
            Some(rest) if !home.is_empty() && home != b"/" && (rest.is_empty() || rest.starts_with(b"/")) => {
                out.push(b'~');
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(dir),
        }
    }
    out.push(b'\n');
    say(sh, &name, &out).await;
    Flow::Next
}

async fn umask(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    match args.get(1).map(|a| text(a)) {
        None => {
            let line = format!("{:04o}\n", sh.umask);
            say(sh, "umask", line.as_bytes()).await;
        }
        Some(s) if s == "-S" => {
            let bits = |shift: u32| {
                let m = !sh.umask >> shift & 7;
                [(4, 'r'), (2, 'w'), (1, 'x')].into_iter().filter(|(b, _)| m & b != 0).map(|(_, c)| c).collect::<String>()
            };
            let line = format!("u={},g={},o={}\n", bits(6), bits(3), bits(0));
            say(sh, "umask", line.as_bytes()).await;
        }
        Some(value) => match u32::from_str_radix(&value, 8) {
            Ok(mask) if mask <= 0o777 => sh.umask = mask,
            Ok(_) => {
                sh.warn(format!("umask: {value}: octal number out of range")).await;
                sh.last = 1;
            }
            Err(_) => match crate::shell::commands::mode::symbolic(&value, !sh.umask & 0o777, false, 0) {
                Some(mode) => sh.umask = !mode & 0o777,
                None => {
                    sh.warn(format!("umask: `{}': invalid symbolic mode operator", value.chars().next().unwrap_or(' '))).await;
                    sh.last = 1;
                }
            },
        },
    }
    Flow::Next
}

async fn ulimit(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    let nproc = sh.k.fs.live.lock().hw.mem_kb / 263;
    let rows: [(&str, &str, char, String); 16] = [
        ("real-time non-blocking time", "microseconds", 'R', "unlimited".into()),
        ("core file size", "blocks", 'c', "0".into()),
        ("data seg size", "kbytes", 'd', "unlimited".into()),
        ("scheduling priority", "", 'e', "0".into()),
        ("file size", "blocks", 'f', "unlimited".into()),
        ("pending signals", "", 'i', nproc.to_string()),
        ("max locked memory", "kbytes", 'l', (sh.k.fs.live.lock().hw.mem_kb / 8).to_string()),
        ("max memory size", "kbytes", 'm', "unlimited".into()),
        ("open files", "", 'n', "1024".into()),
        ("pipe size", "512 bytes", 'p', "8".into()),
        ("POSIX message queues", "bytes", 'q', "819200".into()),
        ("real-time priority", "", 'r', "0".into()),
        ("stack size", "kbytes", 's', "8192".into()),
        ("cpu time", "seconds", 't', "unlimited".into()),
        ("max user processes", "", 'u', nproc.to_string()),
        ("virtual memory", "kbytes", 'v', "unlimited".into()),
    ];
    let flags: Vec<char> =
        args.iter().skip(1).filter(|a| a.starts_with(b"-")).flat_map(|a| text(a).chars().skip(1).collect::<Vec<_>>()).collect();
    let value = args.iter().skip(1).find(|a| !a.starts_with(b"-"));
    if value.is_some() {
        return Flow::Next;
    }
    let out: String = if flags.contains(&'a') {
        rows.iter()
            .map(|(name, unit, flag, value)| {
                let right = if unit.is_empty() { format!("(-{flag})") } else { format!("({unit}, -{flag})") };
                let width = 43usize.saturating_sub(right.len() + 1).max(name.len() + 1);
                let _ = width;
                format!("{name:<28}{right:>15} {value}\n").replace("real-time non-blocking time ", "real-time non-blocking time ")
            })
            .chain(["file locks                          (-x) unlimited\n".to_owned()])
            .collect()
    } else {
        let flag = flags.iter().copied().find(|f| !matches!(f, 'S' | 'H')).unwrap_or('f');
        rows.iter()
            .find(|r| r.2 == flag)
            .map_or_else(String::new, |r| if flag == 'n' && flags.contains(&'H') { "1048576\n".into() } else { format!("{}\n", r.3) })
    };
    say(sh, "ulimit", out.as_bytes()).await;
    Flow::Next
}

async fn times(sh: &mut Sh, _args: Vec<Vec<u8>>) -> Flow {
    say(sh, "times", b"0m0.012s 0m0.008s\n0m0.020s 0m0.011s\n").await;
    sh.last = 0;
    Flow::Next
}

async fn compgen(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    let flag = args.get(1).cloned().unwrap_or_default();
    let prefix = args.iter().skip(2).find(|a| !a.starts_with(b"-")).cloned().unwrap_or_default();
    let mut list: Vec<Vec<u8>> = match flag.as_slice() {
        b"-b" => names(sh.flavor).map(|n| n.as_bytes().to_vec()).collect(),
        b"-c" => sh.command_names(),
        b"-u" => run::accounts(&sh.k).into_iter().map(|a| a.name.into_bytes()).collect(),
        b"-a" => sh.aliases.keys().cloned().collect(),
        b"-v" => sh.vars.all().map(|(n, _)| n.clone()).collect(),
        b"-k" => KEYWORDS.iter().map(|k| k.as_bytes().to_vec()).collect(),
        b"-A" => sh.funcs.keys().cloned().collect(),
        _ => Vec::new(),
    };
    list.retain(|n| n.starts_with(&prefix));
    sh.last = i32::from(list.is_empty());
    let out: Vec<u8> = list
        .into_iter()
        .flat_map(|mut n| {
            n.push(b'\n');
            n
        })
        .collect();
    say(sh, "compgen", &out).await;
    Flow::Next
}

impl Sh {
    /// Everything that can stand as a command, for completion.
    pub(crate) fn command_names(&self) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = names(self.flavor).map(|n| n.as_bytes().to_vec()).collect();
        out.extend(KEYWORDS.iter().map(|k| k.as_bytes().to_vec()));
        out.extend(self.funcs.keys().cloned());
        out.extend(self.aliases.keys().cloned());
        for dir in self.vars.str(b"PATH").unwrap_or_default().split(|&b| b == b':') {
            for (name, meta) in self.k.fs.list(&self.who, dir).unwrap_or_default() {
                if !meta.is_dir() && meta.mode & 0o111 != 0 {
                    out.push(name);
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }
}

async fn help(sh: &mut Sh, args: Vec<Vec<u8>>) -> Flow {
    sh.last = 0;
    if let Some(topic) = args.get(1) {
        let name = text(topic);
        if find(sh.flavor, &name).is_none() {
            sh.warn(format!("help: no help topics match `{name}'.  Try `help help' or `man -k {name}' or `info {name}'.")).await;
            sh.last = 1;
            return Flow::Next;
        }
        let line = format!("{name}: {name}\n    Shell builtin.\n");
        say(sh, "help", line.as_bytes()).await;
        return Flow::Next;
    }
    let version = sh.vars.str(b"BASH_VERSION").map(text).unwrap_or_default();
    let machine = sh.vars.str(b"MACHTYPE").map(text).unwrap_or_default();
    let mut out = format!(
        "GNU bash, version {version} ({machine})\nThese shell commands are defined internally.  Type `help' to see this list.\nType `help name' to find out more about the function `name'.\nUse `info bash' to find out more about the shell in general.\nUse `man -k' or `info' to find out more about commands not in this list.\n\nA star (*) next to a name means that the command is disabled.\n\n"
    );
    for name in names(sh.flavor) {
        out.push_str(&format!(" {name}\n"));
    }
    say(sh, "help", out.as_bytes()).await;
    Flow::Next
}
