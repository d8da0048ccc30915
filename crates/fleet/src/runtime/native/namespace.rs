//! Named network namespaces, as `ip netns` has them: a file under `/run/netns` with the namespace mounted on it.

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns, unshare},
    sys::statfs::fstatfs,
};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

const HOME: &str = "/run/netns";
/// `NSFS_MAGIC`: the file system of namespaces.
const NSFS: i64 = 0x6e73_6673;
const NONE: Option<&str> = None;

fn path(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

/// The namespace `name`, if it is there and not just an empty file.
fn open(name: &str) -> io::Result<Option<File>> {
    match File::open(path(name)) {
        Ok(file) => Ok((fstatfs(&file)?.filesystem_type().0 == NSFS).then_some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the namespace `name` exists.
pub(super) fn exists(name: &str) -> bool {
    matches!(open(name), Ok(Some(_)))
}

/// Moves the calling thread into `name`; `false` if there is none.
pub(super) fn enter(name: &str) -> io::Result<bool> {
    let Some(file) = open(name)? else { return Ok(false) };
    setns(file, CloneFlags::CLONE_NEWNET)?;
    Ok(true)
}

/// Makes the namespace `name` and moves the calling thread into it.
pub(super) fn make(name: &str) -> io::Result<()> {
    prepare()?;
    let path = path(name);
    OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let bound = mount(Some("/proc/thread-self/ns/net"), &path, NONE, MsFlags::MS_BIND, NONE);
    if bound.is_err() {
        let _ = fs::remove_file(&path);
    }
    Ok(bound?)
}

/// Makes the namespace of the process `pid` the one called `name`; nothing changes if it is already.
pub(super) fn adopt(name: &str, pid: i32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let theirs = PathBuf::from(format!("/proc/{pid}/ns/net"));
    if let Some(held) = open(name)? {
        if held.metadata()?.ino() == fs::metadata(&theirs)?.ino() {
            return Ok(());
        }
        forget(name)?;
    }
    prepare()?;
    let path = path(name);
    OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
    let bound = mount(Some(&theirs), &path, NONE, MsFlags::MS_BIND, NONE);
    if bound.is_err() {
        let _ = fs::remove_file(&path);
    }
    Ok(bound?)
}

/// Makes `/run/netns` and lets mounts under it be seen, and unseen, by other mount namespaces.
fn prepare() -> io::Result<()> {
    let home = Path::new(HOME);
    fs::create_dir_all(home)?;
    if mount(NONE, home, NONE, MsFlags::MS_SHARED | MsFlags::MS_REC, NONE).is_err() {
        mount(Some(home), home, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
        mount(NONE, home, NONE, MsFlags::MS_SHARED | MsFlags::MS_REC, NONE)?;
    }
    Ok(())
}

/// Takes the name away; the namespace dies with its last socket and thread.
pub(super) fn forget(name: &str) -> io::Result<()> {
    let path = path(name);
    // Should it have been mounted more than once, all of them go.
    for _ in 0..8 {
        if umount2(&path, MntFlags::MNT_DETACH).is_err() {
            break;
        }
    }
    match fs::remove_file(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Names of all namespaces.
pub(super) fn all() -> Vec<String> {
    let Ok(files) = fs::read_dir(HOME) else { return Vec::new() };
    files.flatten().filter_map(|f| f.file_name().into_string().ok()).collect()
}

/// The calling thread's namespace as netlink wants it; the number is good while the file is open.
pub(super) fn current() -> io::Result<(File, u32)> {
    let file = File::open("/proc/thread-self/ns/net")?;
    let fd = u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?;
    Ok((file, fd))
}

/// Index of the link `name` in the calling thread's namespace.
pub(super) fn index(name: &str) -> Option<u32> {
    if_nametoindex(name).ok()
}

/// Writes a setting of the calling thread's namespace. One that this kernel lacks is passed over.
pub(super) fn sysctl(path: &str, value: &str) -> io::Result<()> {
    match fs::write(Path::new("/proc/sys/net").join(path), value) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
