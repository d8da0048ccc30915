//! What a killed run leaves in the kernel: namespaces, links, mounts. Everything a trial makes carries the process id
//! of its run in its name or in a file here, so that a later run takes away what nobody owns any more.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Once,
};

/// Where runs write down which fleets they raised.
const BOOK: &str = "/run/decnet-trials";
const NAMESPACES: &str = "/run/netns";

/// Whether trials may make network namespaces.
pub fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Takes away, once per run, what runs left that are no more.
pub fn sweep() {
    static ONCE: Once = Once::new();
    if !root() {
        return;
    }
    ONCE.call_once(|| {
        for name in names(Path::new(BOOK)) {
            if let Some((pid, prefix)) = name.split_once('-').filter(|(pid, _)| gone(pid)) {
                remove_all(prefix);
                let _gone = fs::remove_file(Path::new(BOOK).join(format!("{pid}-{prefix}")));
            }
        }
        let hosts = names(Path::new(NAMESPACES)).into_iter();
        let orphans: Vec<String> =
            hosts.filter(|n| n.strip_prefix("dt").and_then(|n| n.split_once('x')).is_some_and(|(pid, _)| gone(pid))).collect();
        remove(&orphans, &[]);
        for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
            let Some(path) = line.split(' ').nth(1) else { continue };
            let owner = path.rsplit('/').next().and_then(|n| n.strip_prefix("decnet-disk-")).and_then(|n| n.split_once('-'));
            if owner.is_some_and(|(pid, _)| gone(pid)) {
                let _gone = nix::mount::umount2(path, nix::mount::MntFlags::MNT_DETACH);
                let _gone = fs::remove_dir(path);
            }
        }
    });
}

/// A fleet's namespaces and links, by what their names begin with. Taken away when dropped.
#[derive(Debug)]
pub struct Claim {
    prefix: String,
    file: PathBuf,
}

impl Claim {
    /// Of the fleet whose deckies have `links`; `None` if it has none in the kernel.
    pub fn of(links: &[String]) -> Option<Self> {
        // `dn-`, four characters of the fleet, seven of the decky.
        let prefix = links.iter().find(|l| root() && l.len() == 14 && Path::new(NAMESPACES).join(l).exists())?.get(..7)?.to_owned();
        fs::create_dir_all(BOOK).unwrap();
        let file = Path::new(BOOK).join(format!("{}-{prefix}", std::process::id()));
        fs::write(&file, "").unwrap();
        Some(Self { prefix, file })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        remove_all(&self.prefix);
        let _gone = fs::remove_file(&self.file);
    }
}

fn remove_all(prefix: &str) {
    // Nothing shorter than a whole tag: other fleets stand beside this one.
    if prefix.len() != 7 || !prefix.starts_with("dn-") {
        return;
    }
    let ours = |dir| names(Path::new(dir)).into_iter().filter(|n| n.starts_with(prefix)).collect::<Vec<_>>();
    remove(&ours(NAMESPACES), &ours("/sys/class/net"));
}

/// Deletes namespaces and links; what is gone already is no trouble.
pub(crate) fn remove(namespaces: &[String], links: &[String]) {
    if namespaces.is_empty() && links.is_empty() {
        return;
    }
    let batch: String =
        namespaces.iter().map(|n| format!("netns del {n}\n")).chain(links.iter().map(|l| format!("link del {l}\n"))).collect();
    let child =
        Command::new("ip").args(["-force", "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Ok(mut child) = child {
        let _sent = child.stdin.take().map(|mut stdin| stdin.write_all(batch.as_bytes()));
        let _ended = child.wait();
    }
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok()).collect()
}

fn gone(pid: &str) -> bool {
    !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) && !Path::new("/proc").join(pid).exists()
}
