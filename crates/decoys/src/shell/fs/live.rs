//! What runs on the decky now: processes that follow from the persona, and those of this visit. Backs
//! `/proc`, `ps`, `ss`, `who`.

use model::{Micros, Persona};
use rand::RngExt;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use super::{
    Errno, Fs, Kind, Meta, Who,
    hardware::{self, Hardware},
    node::Node,
    proc,
};
use crate::Visit;

/// One process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) user: String,
    pub(crate) uid: u32,
    /// `pts/0`, `tty1`; `None` shows as `?`.
    pub(crate) tty: Option<String>,
    /// As in `ps` STAT: `Ss`, `S<`, `R+`.
    pub(crate) stat: &'static str,
    pub(crate) start: Micros,
    /// Processor time at `start` plus what it used since, in microseconds.
    pub(crate) cpu_us: u64,
    /// Part of a processor it uses while it runs, in millionths.
    pub(crate) busy: u32,
    /// KiB.
    pub(crate) vsz: u64,
    /// KiB.
    pub(crate) rss: u64,
    /// At most 15 bytes.
    pub(crate) comm: Vec<u8>,
    /// Empty for kernel threads.
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) exe: Vec<u8>,
    pub(crate) cwd: Vec<u8>,
}

impl Process {
    /// As `ps` shows it under COMMAND.
    pub(crate) fn command(&self) -> Vec<u8> {
        if self.args.is_empty() { [b"[", &*self.comm, b"]"].concat() } else { self.args.join(&b' ') }
    }

    /// Processor time used until `now`.
    pub(crate) fn cpu(&self, now: Micros) -> u64 {
        let run = u64::try_from(now.0 - self.start.0).unwrap_or(0);
        self.cpu_us + run / 1_000_000 * u64::from(self.busy)
    }
}

/// A socket that `ss` lists.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    /// `tcp` or `udp`.
    pub(crate) proto: &'static str,
    pub(crate) v6: bool,
    /// `0.0.0.0`, `127.0.0.1`, `*`.
    pub(crate) addr: String,
    pub(crate) port: u16,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) backlog: u32,
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) fd: u32,
    pub(crate) uid: u32,
    pub(crate) inode: u64,
}

/// The running machine.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) now: Micros,
    pub(crate) persona: Arc<Persona>,
    pub(crate) hw: Arc<Hardware>,
    /// What stands from boot is shared by all sessions until one changes it.
    pub(crate) procs: BTreeMap<u32, Arc<Process>>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) service: &'static str,
    pub(crate) session_start: Micros,
    /// Name of the session's terminal, `pts/0`.
    pub(crate) tty: Option<String>,
    /// The login shell of this session.
    pub(crate) shell_pid: u32,
    pub(crate) user: String,
    next_pid: u32,
    /// Work done lately, for the load average: sum of running things.
    pub(crate) load: f64,
}

/// What a machine has from boot on.
#[derive(Debug)]
pub(crate) struct Boot {
    hw: Arc<Hardware>,
    procs: BTreeMap<u32, Arc<Process>>,
    sockets: Vec<Socket>,
}

/// Most processes an attacker may have at once (`ulimit -u` of a small machine is larger, memory is not).
pub(crate) const MOST_PROCS: usize = 480;

impl Live {
    /// The machine as the persona has it when `visit` begins; `boot` keeps what is the same every time.
    pub(crate) fn new(visit: &Visit, boot: &OnceLock<Boot>, now: Micros) -> Self {
        let mut live = Self::empty(visit, boot.get().map(|b| Arc::clone(&b.hw)), now);
        let boot = boot.get_or_init(|| {
            proc::daemons::raise(&mut live);
            Boot { hw: Arc::clone(&live.hw), procs: std::mem::take(&mut live.procs), sockets: std::mem::take(&mut live.sockets) }
        });
        live.procs = boot.procs.clone();
        live.sockets = boot.sockets.clone();
        proc::daemons::refresh(&mut live);
        live
    }

    fn empty(visit: &Visit, hw: Option<Arc<Hardware>>, now: Micros) -> Self {
        let persona = Arc::clone(&visit.persona);
        let hw = hw.unwrap_or_else(|| Arc::new(Hardware::of(&persona)));
        let uptime = u64::try_from((now.0 - persona.booted.0).max(0) / 1_000_000).unwrap_or(0);
        let mut rng = hardware::rng(&persona, "shell/pids");
        let rate = rng.random_range(25..70u64);
        let first = rng.random_range(900..1500u64);
        let next_pid = u32::try_from((first + uptime * rate / 1000) % 4_000_000).unwrap_or(1000).max(900);
        Self {
            now,
            persona,
            hw,
            procs: BTreeMap::new(),
            sockets: Vec::new(),
            peer: visit.peer,
            local: visit.local,
            service: visit.service,
            session_start: visit.at,
            tty: None,
            shell_pid: 0,
            user: "root".into(),
            next_pid,
            load: 0.0,
        }
    }

    /// A new process number.
    pub(crate) fn fresh_pid(&mut self) -> u32 {
        loop {
            self.next_pid = if self.next_pid >= 4_194_303 { 300 } else { self.next_pid + 1 };
            if !self.procs.contains_key(&self.next_pid) {
                return self.next_pid;
            }
        }
    }

    /// Adds a process under its own number.
    pub(crate) fn add(&mut self, process: Process) {
        self.procs.insert(process.pid, Arc::new(process));
    }

    /// Whole seconds since boot and hundredths.
    pub(crate) fn uptime(&self) -> (i64, i64) {
        let up = (self.now.0 - self.persona.booted.0).max(0);
        (up / 1_000_000, up / 10_000 % 100)
    }

    /// 1, 5 and 15 minute load averages: small, never still, never all equal.
    pub(crate) fn loads(&self) -> [f64; 3] {
        let base = f64::from(self.persona.seed[3]) / 255.0 * 0.12;
        let wave = |minutes: f64, part: f64| {
            let t = self.now.0 as f64 / 1e6 / 60.0 / minutes;
            let phase = f64::from(self.persona.seed[4]) / 40.0;
            (base
                + 0.11 * part * ((t + phase).sin() * 0.5 + (t * 2.7 + phase).sin() * 0.3 + (t * 7.1).sin() * 0.2).max(-0.2)
                + self.load * part)
                .max(0.0)
        };
        [wave(1.3, 1.0), wave(6.1, 0.55), wave(17.0, 0.3)]
    }

    /// KiB of memory: (free, buffers, cached, available, shmem, slab), moving with time.
    pub(crate) fn memory(&self) -> [u64; 6] {
        let total = self.hw.mem_kb;
        let seed = u64::from(u16::from_le_bytes([self.persona.seed[0], self.persona.seed[1]]));
        let up = u64::try_from(self.uptime().0).unwrap_or(0);
        let used = total / 12 + total * seed / 65535 / 9 + self.procs.len() as u64 * 310;
        let fill = (up / 240).min(total / 2 / 1024) * 1024 * 7 / 10;
        let cached = (total / 9 + fill).min(total * 55 / 100);
        let wobble = {
            let t = self.now.0 / 180_000;
            let mixed = (t.unsigned_abs() ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            mixed % 2900
        } * 4
            / 4;
        let buffers = total / 180 + (up / 60 % 9000);
        let free = total.saturating_sub(used + cached + buffers + wobble);
        let shmem = 980 + seed % 3000;
        let slab = total / 40 + (up / 300).min(60_000);
        [free / 4 * 4, buffers / 4 * 4, cached / 4 * 4, (free + cached * 8 / 10 + buffers) / 4 * 4, shmem, slab / 4 * 4]
    }
}

/// Whether a path belongs to a file system that lives in the kernel.
pub(crate) fn owns(canon: &[u8]) -> bool {
    let under = |dir: &[u8]| canon.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    under(b"/proc") || under(b"/sys") || under(b"/dev/pts")
}

/// What the kernel says to a new name there.
pub(crate) fn refuse_new(dir: &[u8], who: &Who) -> Errno {
    if dir.starts_with(b"/proc") {
        Errno::ENOENT
    } else if dir.starts_with(b"/sys") {
        if who.uid == 0 { Errno::EPERM } else { Errno::EACCES }
    } else if who.uid == 0 {
        Errno::EPERM
    } else {
        Errno::EACCES
    }
}

/// Writing to a kernel file: taken and forgotten where a real kernel takes it.
pub(crate) fn write(canon: &[u8]) -> Result<(), Errno> {
    if canon.starts_with(b"/proc/sys/")
        || canon.starts_with(b"/dev/pts")
        || canon.starts_with(b"/sys/")
        || canon.ends_with(b"/oom_score_adj")
    {
        Ok(())
    } else {
        Err(Errno::EIO)
    }
}

/// The node at a kernel path.
pub(crate) fn node(fs: &Fs, canon: &[u8]) -> Option<Node> {
    proc::node(fs, canon)
}

/// Names in a kernel directory.
pub(crate) fn names(fs: &Fs, canon: &[u8]) -> Vec<Vec<u8>> {
    proc::names(fs, canon)
}

/// A kernel file's attributes.
pub(crate) fn meta(kind: Kind, mode: u32, uid: u32, at: Micros, seed: &[u8]) -> Meta {
    let ino = 4_026_531_840u64 + seed.iter().fold(7u64, |h, &b| h.wrapping_mul(131).wrapping_add(u64::from(b))) % 900_000;
    let nlink = if kind == Kind::Dir { 2 } else { 1 };
    Meta { kind, mode, uid, gid: uid, size: 0, mtime: at, atime: at, nlink, ino }
}
