//! The language at work: a shell process and how it runs the tree.

mod arith;
mod builtins;
mod exec;
mod expand;
pub(crate) mod glob;
pub(crate) mod jobs;
pub(crate) mod run;
pub(crate) mod test;
mod vars;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Who,
    kernel::Kernel,
    proc::{Fds, Proc},
    syntax::Function,
};
pub(crate) use vars::{Val, Var, Vars};

/// Which shell is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Bash,
    Dash,
    /// BusyBox.
    Ash,
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break(u32),
    Continue(u32),
    Return,
    Exit,
    /// A failed expansion gives up the line being run.
    Abort,
}

/// `set` options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opts {
    pub(crate) errexit: bool,
    pub(crate) nounset: bool,
    pub(crate) xtrace: bool,
    pub(crate) noglob: bool,
    pub(crate) noclobber: bool,
    pub(crate) noexec: bool,
    pub(crate) allexport: bool,
    pub(crate) verbose: bool,
    pub(crate) pipefail: bool,
    pub(crate) monitor: bool,
}

/// A shell process.
#[derive(Clone)]
pub(crate) struct Sh {
    pub(crate) k: Arc<Kernel>,
    pub(crate) flavor: Flavor,
    pub(crate) who: Who,
    pub(crate) cwd: Vec<u8>,
    pub(crate) umask: u32,
    pub(crate) fds: Fds,
    /// `$$`.
    pub(crate) pid: u32,
    /// `$BASHPID`.
    pub(crate) own_pid: u32,
    pub(crate) ppid: u32,
    pub(crate) vars: Vars,
    pub(crate) funcs: BTreeMap<Vec<u8>, Arc<Function>>,
    pub(crate) aliases: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `$1`…
    pub(crate) params: Vec<Vec<u8>>,
    /// `$0`.
    pub(crate) arg0: Vec<u8>,
    pub(crate) last: i32,
    pub(crate) last_bg: Option<u32>,
    pub(crate) opts: Opts,
    pub(crate) shopts: BTreeSet<String>,
    pub(crate) line: u32,
    pub(crate) interactive: bool,
    pub(crate) login: bool,
    /// Given to `-c`, which messages about syntax say.
    pub(crate) from_c: bool,
    pub(crate) depth: u32,
    pub(crate) loops: u32,
    pub(crate) functions: Vec<Vec<u8>>,
    pub(crate) sourced: u32,
    pub(crate) subshell: u32,
    /// Inside a condition, where `set -e` does not count.
    pub(crate) lenient: u32,
    pub(crate) jobs: jobs::Jobs,
    pub(crate) history: Vec<Vec<u8>>,
    pub(crate) traps: BTreeMap<String, Vec<u8>>,
    pub(crate) dirs: Vec<Vec<u8>>,
    pub(crate) getopts_at: usize,
    pub(crate) statuses: Vec<i32>,
    pub(crate) hash: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Descriptors for process substitution.
    pub(crate) next_sub: u32,
    pub(crate) last_arg: Vec<u8>,
    /// Seed of `$RANDOM`.
    pub(crate) random: u32,
    /// When the shell started, for `$SECONDS`.
    pub(crate) started: model::Micros,
    pub(crate) program_depth: u32,
    pub(crate) dying: bool,
}

/// Deepest nesting of commands in commands.
pub(crate) const DEEPEST: u32 = 110;

impl Sh {
    /// A shell as a program: environment, descriptors and credentials of `p`.
    pub(crate) fn of(p: &Proc, flavor: Flavor) -> Self {
        let k = Arc::clone(&p.k);
        let started = k.now();
        let random = k.random_u32();
        let mut sh = Self {
            flavor,
            who: p.who.clone(),
            cwd: p.cwd.clone(),
            umask: p.umask,
            fds: p.fds.clone(),
            pid: p.pid,
            own_pid: p.pid,
            ppid: p.ppid,
            vars: Vars::default(),
            funcs: BTreeMap::new(),
            aliases: BTreeMap::new(),
            params: Vec::new(),
            arg0: p.args.first().cloned().unwrap_or_default(),
            last: 0,
            last_bg: None,
            opts: Opts::default(),
            shopts: [
                "checkwinsize",
                "cmdhist",
                "complete_fullquote",
                "extquote",
                "force_fignore",
                "globasciiranges",
                "globskipdots",
                "hostcomplete",
                "interactive_comments",
                "patsub_replacement",
                "progcomp",
                "promptvars",
                "sourcepath",
            ]
            .iter()
            .map(|s| (*s).to_owned())
            .collect(),
            line: 1,
            interactive: false,
            login: false,
            from_c: false,
            depth: 0,
            loops: 0,
            functions: Vec::new(),
            sourced: 0,
            subshell: 0,
            lenient: 0,
            jobs: jobs::Jobs::default(),
            history: Vec::new(),
            traps: BTreeMap::new(),
            dirs: Vec::new(),
            getopts_at: 0,
            statuses: vec![0],
            hash: BTreeMap::new(),
            next_sub: 63,
            last_arg: Vec::new(),
            random,
            started,
            program_depth: p.depth,
            dying: false,
            k,
        };
        for (name, value) in &p.env {
            if name.first().is_some_and(|&c| super::syntax::is_name_start(c)) && name.iter().all(|&c| super::syntax::is_name(c)) {
                let _ = sh.vars.set(name, value);
                sh.vars.export(name);
            }
        }
        let cwd = sh.cwd.clone();
        sh.preset(b"PWD", &cwd, true);
        let level = sh.vars.str(b"SHLVL").and_then(|v| std::str::from_utf8(v).ok()?.parse::<i64>().ok()).unwrap_or(0) + 1;
        if flavor == Flavor::Bash {
            sh.preset(b"SHLVL", level.to_string().as_bytes(), true);
            if sh.vars.get(b"OLDPWD").is_none_or(|v| v.val.is_none()) {
                sh.vars.export(b"OLDPWD");
            }
            sh.preset(b"_", b"/usr/bin/bash", true);
        }
        sh.preset(b"IFS", b" \t\n", false);
        sh.preset(b"OPTIND", b"1", false);
        sh.preset(b"PS4", b"+ ", false);
        if sh.vars.str(b"PATH").is_none() {
            sh.preset(b"PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", false);
        }
        if flavor == Flavor::Bash {
            let persona = Arc::clone(sh.k.fs.persona());
            let machine = persona.distro.machine.clone();
            let (full, parts) = bash_version(&persona.distro.id, &persona.distro.version_id);
            sh.preset(b"BASH", b"/bin/bash", false);
            sh.preset(b"BASH_VERSION", full.as_bytes(), false);
            let host_type = format!(
                "{machine}-{}-linux-gnu",
                if persona.distro.id == "debian" || persona.distro.id == "ubuntu" { "pc" } else { "redhat" }
            );
            let info: BTreeMap<i64, Vec<u8>> = parts
                .into_iter()
                .chain([host_type.clone()])
                .enumerate()
                .map(|(n, v)| (i64::try_from(n).unwrap_or(0), v.into_bytes()))
                .collect();
            let _ = sh.vars.set_val(b"BASH_VERSINFO", Val::Arr(info));
            sh.preset(b"HOSTNAME", persona.hostname.as_bytes(), false);
            sh.preset(b"HOSTTYPE", machine.as_bytes(), false);
            sh.preset(b"MACHTYPE", host_type.as_bytes(), false);
            sh.preset(b"OSTYPE", b"linux-gnu", false);
            let uid = sh.who.uid.to_string();
            sh.preset(b"UID", uid.as_bytes(), false);
            sh.preset(b"EUID", uid.as_bytes(), false);
            sh.vars.raw_mut(b"UID").readonly = true;
            sh.vars.raw_mut(b"EUID").readonly = true;
            let ppid = sh.ppid.to_string();
            sh.preset(b"PPID", ppid.as_bytes(), false);
            sh.preset(b"OPTERR", b"1", false);
        }
        sh
    }

    /// Sets a variable that nothing forbids.
    pub(crate) fn preset(&mut self, name: &[u8], value: &[u8], export: bool) {
        let _ = self.vars.set(name, value);
        if export {
            self.vars.export(name);
        }
    }

    /// What precedes a message: `bash: line 3: `.
    pub(crate) fn prefix(&self) -> String {
        let name = String::from_utf8_lossy(&self.arg0);
        match self.flavor {
            Flavor::Bash if self.interactive => format!("{name}: "),
            Flavor::Bash => format!("{name}: line {}: ", self.line),
            Flavor::Dash if self.interactive => format!("{name}: {}: ", self.line),
            Flavor::Dash => format!("{name}: {}: ", self.line),
            Flavor::Ash if self.interactive || self.from_c => format!("{name}: "),
            Flavor::Ash => format!("{name}: line {}: ", self.line),
        }
    }

    /// Writes to a descriptor.
    pub(crate) async fn write(&self, fd: u32, bytes: &[u8]) -> Result<(), super::Errno> {
        match self.fds.get(&fd).cloned() {
            Some(fd) => fd.write(&self.k, bytes).await,
            None => Err(super::Errno::EBADF),
        }
    }

    /// `prefix: text` on standard error.
    pub(crate) async fn warn(&self, text: impl AsRef<[u8]>) {
        let mut line = self.prefix().into_bytes();
        line.extend_from_slice(text.as_ref());
        line.push(b'\n');
        let _ = self.write(2, &line).await;
    }

    /// A copy for a subshell, with a process number of its own.
    pub(crate) fn fork(&self) -> Self {
        let mut sub = self.clone();
        sub.own_pid = self.k.fs.live.lock().fresh_pid();
        sub.subshell += 1;
        sub.interactive_off();
        sub.traps.clear();
        sub.random = sub.random.wrapping_mul(1_103_515_245).wrapping_add(sub.own_pid);
        sub
    }

    fn interactive_off(&mut self) {
        self.jobs = jobs::Jobs::default();
    }
}

/// `BASH_VERSION` and the first parts of `BASH_VERSINFO` of a distribution.
pub(crate) fn bash_version(id: &str, version: &str) -> (String, Vec<String>) {
    let (major, minor, patch) = match (id, version) {
        ("debian", "11") => (5, 1, 4),
        ("debian", "13") => (5, 2, 37),
        ("ubuntu", "20.04") => (5, 0, 17),
        ("ubuntu", "22.04") => (5, 1, 16),
        ("ubuntu", "24.04") => (5, 2, 21),
        ("rocky", _) | ("centos", _) | ("almalinux", _) | ("rhel", _) => (5, 1, 8),
        ("fedora", _) => (5, 2, 26),
        _ => (5, 2, 15),
    };
    let build = 1;
    (
        format!("{major}.{minor}.{patch}({build})-release"),
        vec![major.to_string(), minor.to_string(), patch.to_string(), build.to_string(), "release".into()],
    )
}

/// Quotes a text as `$'…'` or `'…'`.
pub(crate) fn quoted(text: &[u8]) -> Vec<u8> {
    expand::quote(text)
}

/// A path without `.`, `..` and doubled slashes.
pub(crate) fn normal(path: &[u8]) -> Vec<u8> {
    builtins::normal(path)
}
