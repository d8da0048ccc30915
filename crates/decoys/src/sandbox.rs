//! The walls around the player: what it needs stays possible, everything else does not. Entered once, before any
//! thread is started; there is no way back.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use nix::{
    errno::Errno,
    mount::MsFlags,
    sched::CloneFlags,
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};
use std::{collections::BTreeMap, io, os::fd::AsRawFd, path::Path};

/// Whether a wall that cannot be built stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    Strict,
    BestEffort,
}

/// What to keep possible.
pub(crate) struct Walls<'a> {
    pub(crate) writable: &'a [&'a Path],
    pub(crate) readable: &'a [&'a Path],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Files outside the writable directories that are read while playing.
const READABLE: &[&str] = &["/usr/share/zoneinfo", "/etc/localtime", "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"];

/// Most descriptors asked for.
const DESCRIPTORS: u64 = 262_144;

/// Builds all walls, in the one order that works.
pub(crate) fn enter(walls: &Walls<'_>, strictness: Strictness) -> Result<(), String> {
    let root = nix::unistd::geteuid().is_root();
    let mut missing = Vec::new();
    let mut step = |name: &'static str, result: Result<(), String>| {
        if let Err(e) = result {
            missing.push(format!("{name} ({e})"));
        }
    };
    step("directories", directories(walls, root));
    step("limits", limits());
    if root {
        step("namespaces", namespaces(CloneFlags::empty()));
        step("unprivileged user", become_user(walls.uid, walls.gid));
        step("user namespace", user_namespace(CloneFlags::empty(), walls.uid, walls.gid));
    } else {
        step("namespaces", user_namespace(own(), walls.uid, walls.gid).and_then(|()| private_mounts()));
    }
    step("capabilities", no_capabilities());
    step("no new privileges", prctl::set_no_new_privs().map_err(text));
    step("no dump", prctl::set_dumpable(false).map_err(text));
    step("landlock", landlock(walls).map_err(text));
    step("seccomp", seccomp());
    if nix::unistd::geteuid().is_root() {
        return Err("still root: refusing to face attackers".into());
    }
    if missing.is_empty() {
        return Ok(());
    }
    match strictness {
        Strictness::Strict => Err(format!("cannot confine this process: {}; --sandbox=best-effort goes on without", missing.join(", "))),
        Strictness::BestEffort => {
            tracing::warn!("confined without {}", missing.join(", "));
            Ok(())
        }
    }
}

fn directories(walls: &Walls<'_>, root: bool) -> Result<(), String> {
    for path in walls.writable {
        if !path.exists() {
            std::fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))?;
            if root {
                std::os::unix::fs::chown(path, Some(walls.uid), Some(walls.gid)).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn limits() -> Result<(), String> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(text)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(text)?;
    // Root may ask for more than the hard limit; others get what there is.
    let more = DESCRIPTORS.max(hard.min(1 << 20));
    setrlimit(Resource::RLIMIT_NOFILE, more, more).or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard)).map_err(text)
}

/// Namespaces of one's own; the network one stays empty for ever. Sockets that are handed over keep theirs.
fn own() -> CloneFlags {
    CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP
}

fn namespaces(more: CloneFlags) -> Result<(), String> {
    nix::sched::unshare(own() | more).map_err(text)?;
    private_mounts()
}

fn private_mounts() -> Result<(), String> {
    nix::mount::mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).map_err(text)
}

fn become_user(uid: u32, gid: u32) -> Result<(), String> {
    caps::clear(None, caps::CapSet::Ambient).map_err(text)?;
    drop_bounding()?;
    setgroups(&[]).map_err(text)?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setresgid(gid, gid, gid).map_err(text)?;
    setresuid(uid, uid, uid).map_err(text)
}

/// A user namespace in which nobody but this user exists.
fn user_namespace(with: CloneFlags, uid: u32, gid: u32) -> Result<(), String> {
    prctl::set_dumpable(true).map_err(text)?;
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | with).map_err(text)?;
    let write = |file: &str, what: String| std::fs::write(format!("/proc/self/{file}"), what).map_err(|e| format!("{file}: {e}"));
    write("setgroups", "deny".into())?;
    write("uid_map", format!("{uid} {uid} 1"))?;
    write("gid_map", format!("{gid} {gid} 1"))
}

fn drop_bounding() -> Result<(), String> {
    for cap in caps::all() {
        if caps::has_cap(None, caps::CapSet::Bounding, cap).unwrap_or(false) {
            caps::drop(None, caps::CapSet::Bounding, cap).map_err(text)?;
        }
    }
    Ok(())
}

fn no_capabilities() -> Result<(), String> {
    use caps::CapSet;
    // A new user namespace gives its maker everything in it.
    if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).unwrap_or(false) {
        drop_bounding()?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(text)?;
    }
    Ok(())
}

fn landlock(walls: &Walls<'_>) -> Result<(), landlock::RulesetError> {
    // Kernel 5.13 is the least; whatever newer kernels know is used where it is there.
    let abi = ABI::V6;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::AbstractUnixSocket)?
        .scope(Scope::Signal)?
        .create()?;
    let write = (AccessFs::from_all(abi) & !AccessFs::Execute)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo | AccessFs::MakeSym | AccessFs::IoctlDev);
    for path in walls.writable {
        if let Ok(fd) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(fd, write))?;
        }
    }
    for path in READABLE.iter().map(Path::new).chain(walls.readable.iter().copied()) {
        if let Ok(fd) = PathFd::new(path) {
            let access = if path.is_dir() { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
            rules = rules.add_rule(PathBeneath::new(fd, access))?;
        }
    }
    rules.restrict_self()?;
    Ok(())
}

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // Bytes in and out of what is open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    // Sockets that were handed over. Not: socket, connect.
    libc::SYS_accept4,
    libc::SYS_listen,
    libc::SYS_bind,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Files; which ones is for Landlock to say.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Memory; executable memory is refused below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads and their ends; clone3 is made to look unknown, clone is checked below.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_membarrier,
    libc::SYS_sched_getaffinity,
    // Harmless questions.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

fn seccomp() -> Result<(), String> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(text)?;
    let when = |index, length, op, value: u64| -> Result<Vec<SeccompRule>, String> {
        let condition = SeccompCondition::new(index, length, op, value).map_err(text)?;
        Ok(vec![SeccompRule::new(vec![condition]).map_err(text)?])
    };
    let exec = u64::from(libc::PROT_EXEC.unsigned_abs());
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let pid = u64::from(std::process::id());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, when(2, Dword, MaskedEq(exec), 0)?);
    rules.insert(libc::SYS_mprotect, when(2, Dword, MaskedEq(exec), 0)?);
    rules.insert(libc::SYS_clone, when(0, Qword, MaskedEq(thread), thread)?);
    rules.insert(libc::SYS_ioctl, when(1, Dword, Eq, libc::FIONBIO)?);
    // A pair of UNIX sockets inside this process, for signals; it leads nowhere.
    rules.insert(libc::SYS_socketpair, when(0, Dword, Eq, u64::from(libc::AF_UNIX.unsigned_abs()))?);
    rules.insert(libc::SYS_prctl, when(0, Dword, Eq, u64::from(libc::PR_SET_NAME.unsigned_abs()))?);
    rules.insert(libc::SYS_prlimit64, when(2, Qword, Eq, 0)?);
    rules.insert(libc::SYS_tgkill, when(0, Dword, Eq, pid)?);
    let refuse = SeccompAction::Errno(Errno::EPERM as u32);
    let allowed = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(text)?;
    // The C library then uses clone, whose flags can be seen.
    let unknown = SeccompAction::Errno(Errno::ENOSYS as u32);
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let clone3 = SeccompFilter::new(clone3, SeccompAction::Allow, unknown, arch).map_err(text)?;
    for filter in [clone3, allowed] {
        let program = BpfProgram::try_from(filter).map_err(text)?;
        // The first filter still allows the call that installs the second.
        apply_filter(&program).map_err(text)?;
    }
    Ok(())
}

/// Tries what must not work.
pub(crate) fn prove() -> Vec<(&'static str, io::Result<()>)> {
    let address = libc::sockaddr_in {
        sin_family: 2,
        sin_port: 80_u16.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_be_bytes([127, 0, 0, 1]).to_be() },
        sin_zero: [0; 8],
    };
    let shell = c"/bin/sh".as_ptr();
    let arguments = [shell, std::ptr::null()];
    let null = std::ptr::null::<libc::c_char>();
    let outside = c"/".as_ptr();
    let call = |result: libc::c_long| if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    #[expect(unsafe_code, reason = "raw calls, so that nothing but the kernel decides")]
    // SAFETY: all pointers are valid for the calls; the calls are refused, which is the point.
    let raw = unsafe {
        vec![
            ("socket", call(libc::syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0))),
            ("connect", call(libc::syscall(libc::SYS_connect, io::stdin().as_raw_fd(), &raw const address, size_of_val(&address)))),
            ("execve", call(libc::syscall(libc::SYS_execve, shell, arguments.as_ptr(), arguments.as_ptr().add(1)))),
            ("fork", call(libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0))),
            ("ptrace", call(libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0))),
            ("mount", call(libc::syscall(libc::SYS_mount, c"none".as_ptr(), outside, c"tmpfs".as_ptr(), 0, null))),
            ("unshare", call(libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER))),
            ("setuid", call(libc::syscall(libc::SYS_setuid, 0))),
            ("kill", call(libc::syscall(libc::SYS_kill, libc::getppid(), 0))),
            ("bpf", call(libc::syscall(libc::SYS_bpf, 0, null, 0))),
            (
                "executable memory",
                call(libc::syscall(
                    libc::SYS_mmap,
                    0,
                    4096,
                    libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )),
            ),
        ]
    };
    let files = [
        ("read /etc/passwd", std::fs::read("/etc/passwd").map(|_| ())),
        ("list /", std::fs::read_dir("/").map(|_| ())),
        ("write /tmp", std::fs::write("/tmp/decoy-was-here", "")),
    ];
    raw.into_iter().chain(files).collect()
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}
