//! Disks: `df`, `mount`, `umount`, `lsblk`, `fdisk`, `blkid`, `swapon`.

use super::opts::{human, parse, quoted_maybe, text};
use crate::shell::{fs::proc as kernel_files, proc::Proc};

/// Size and use of the root file system in KiB.
pub(crate) fn root(p: &Proc) -> (u64, u64) {
    let live = p.fs().live.lock();
    let total = live.hw.root_kb();
    let seed = u64::from(live.persona.seed[9]);
    let up = u64::try_from(live.uptime().0).unwrap_or(0);
    let used = (1_900_000 + total * (60 + seed / 2) / 1000 + up / 40).min(total * 80 / 100);
    (total, used)
}

struct Mounted {
    what: String,
    kind: &'static str,
    total: u64,
    used: u64,
    at: String,
}

fn mounted(p: &Proc, all: bool) -> Vec<Mounted> {
    let (total, used) = root(p);
    let live = p.fs().live.lock();
    let mem = live.hw.mem_kb;
    let run = mem / 10;
    let run_used = 600 + u64::from(live.persona.seed[10]) * 2;
    let mut list = vec![
        Mounted { what: "udev".into(), kind: "devtmpfs", total: mem / 2 - 18_000, used: 0, at: "/dev".into() },
        Mounted { what: "tmpfs".into(), kind: "tmpfs", total: run, used: run_used, at: "/run".into() },
        Mounted { what: format!("/dev/{}", live.hw.part(1)), kind: "ext4", total, used, at: "/".into() },
        Mounted { what: "tmpfs".into(), kind: "tmpfs", total: mem / 2, used: 0, at: "/dev/shm".into() },
        Mounted { what: "tmpfs".into(), kind: "tmpfs", total: 5120, used: 0, at: "/run/lock".into() },
        Mounted {
            what: "tmpfs".into(),
            kind: "tmpfs",
            total: run,
            used: 0,
            at: format!("/run/user/{}", live.procs.get(&live.shell_pid).map_or(0, |p| p.uid)),
        },
    ];
    if all {
        list.insert(0, Mounted { what: "proc".into(), kind: "proc", total: 0, used: 0, at: "/proc".into() });
        list.insert(0, Mounted { what: "sysfs".into(), kind: "sysfs", total: 0, used: 0, at: "/sys".into() });
    }
    list
}

/// `df`.
pub(crate) async fn df(p: &mut Proc) -> i32 {
    let o = match parse(
        p,
        "aB:hHiklmPTt:x:",
        &[
            ("all", 'a', 0),
            ("human-readable", 'h', 0),
            ("si", 'H', 0),
            ("inodes", 'i', 0),
            ("local", 'l', 0),
            ("portability", 'P', 0),
            ("print-type", 'T', 0),
            ("type", 't', 1),
            ("exclude-type", 'x', 1),
            ("total", '+', 0),
            ("block-size", 'B', 1),
        ],
        1,
    )
    .await
    {
        Ok(o) => o,
        Err(s) => return s,
    };
    let mut rows = mounted(p, o.has('a'));
    let mut status = 0;
    if !o.rest.is_empty() {
        let mut picked = Vec::new();
        for path in &o.rest {
            let full = p.path(path);
            match p.fs().realpath(&p.who, &full) {
                Ok(canon) => {
                    let canon = text(&canon);
                    let best = rows
                        .iter()
                        .enumerate()
                        .filter(|(_, m)| m.at == "/" || canon == m.at || canon.starts_with(&(m.at.clone() + "/")) || canon == m.what)
                        .max_by_key(|(_, m)| m.at.len())
                        .map(|(n, _)| n);
                    picked.extend(best);
                }
                Err(e) => {
                    p.warn(format!("{}: {e}", quoted_maybe(path))).await;
                    status = 1;
                }
            }
        }
        if picked.is_empty() {
            return 1;
        }
        let mut all: Vec<Option<Mounted>> = rows.into_iter().map(Some).collect();
        rows = picked.into_iter().filter_map(|n| all.get_mut(n).and_then(Option::take)).collect();
    }
    if let Some(t) = o.text('t') {
        rows.retain(|r| r.kind == t);
    }
    if let Some(t) = o.text('x') {
        rows.retain(|r| r.kind != t);
    }
    let block = o.text('B').and_then(|b| super::opts::size(&b)).unwrap_or(if o.has('m') { 1 << 20 } else { 1024 }).max(1);
    let show = |kb: u64| {
        if o.has('h') {
            human(kb * 1024, 1024.0)
        } else if o.has('H') {
            human(kb * 1024, 1000.0)
        } else {
            (kb * 1024).div_ceil(block).to_string()
        }
    };
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut head: Vec<String> = vec!["Filesystem".into()];
    if o.has('T') {
        head.push("Type".into());
    }
    let inodes = o.has('i');
    if inodes {
        head.extend(["Inodes", "IUsed", "IFree", "IUse%"].map(String::from));
    } else {
        let unit = if o.has('h') || o.has('H') {
            "Size".to_owned()
        } else if o.has('P') {
            "1024-blocks".into()
        } else if block == 1024 {
            "1K-blocks".into()
        } else if block == 1 << 20 {
            "1M-blocks".into()
        } else {
            format!("{}-blocks", human(block, 1024.0))
        };
        head.push(unit);
        head.push("Used".into());
        head.push(if o.has('h') || o.has('H') { "Avail".into() } else { "Available".into() });
        head.push(if o.has('P') { "Capacity".into() } else { "Use%".into() });
    }
    head.push("Mounted on".into());
    table.push(head);
    for r in rows {
        let mut row = vec![r.what];
        if o.has('T') {
            row.push(r.kind.into());
        }
        let reserved = if r.kind == "ext4" { r.total / 20 } else { 0 };
        let (total, used, free, percent) = if inodes {
            let total = r.total / 16;
            let used = if r.kind == "ext4" { 41_200 + u64::from(p.fs().persona().seed[11]) * 97 } else { 3 + r.used % 800 };
            (total, used, total.saturating_sub(used), (used * 100).checked_div(total))
        } else {
            let free = r.total.saturating_sub(r.used + reserved);
            let base = r.used + free;
            (r.total, r.used, free, if base == 0 { None } else { Some((r.used * 100).div_ceil(base)) })
        };
        let cell = |n: u64| if inodes { if o.has('h') { human(n, 1024.0) } else { n.to_string() } } else { show(n) };
        row.extend([cell(total), cell(used), cell(free), percent.map_or_else(|| "-".into(), |n| format!("{n}%")), r.at]);
        table.push(row);
    }
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|c| table.iter().filter_map(|r| r.get(c)).map(String::len).max().unwrap_or(0)).collect();
    for row in table {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let w = widths.get(c).copied().unwrap_or(0);
            if c > 0 {
                line.push(' ');
            }
            if c == 0 {
                line.push_str(&format!("{cell:<w$}", w = w.max(14)));
            } else if c + 1 == columns {
                line.push_str(cell);
            } else if o.has('T') && c == 1 {
                line.push_str(&format!("{cell:<w$}", w = w.max(4)));
            } else {
                line.push_str(&format!("{cell:>w$}", w = w.max(if cell.ends_with('%') || c + 2 == columns { 4 } else { 5 })));
            }
        }
        p.out(line + "\n");
    }
    status
}

/// `mount`, `umount`, `findmnt`.
pub(crate) async fn mount(p: &mut Proc) -> i32 {
    let name = p.name();
    let rest: Vec<Vec<u8>> = p.args.iter().skip(1).filter(|a| !a.starts_with(b"-")).cloned().collect();
    if name == "umount" {
        let Some(target) = rest.first() else {
            p.err("umount: bad usage\nTry 'umount --help' for more information.\n").await;
            return 1;
        };
        let shown = text(target);
        let canon = p.fs().realpath(&p.who, &p.path(target));
        let is_mount = canon.as_ref().is_ok_and(|c| {
            kernel_files::mounts(&p.fs().live.lock()).lines().any(|l| l.split(' ').nth(1).is_some_and(|m| m.as_bytes() == c.as_slice()))
        });
        let line = match canon {
            Err(_) => format!("umount: {shown}: no mount point specified.\n"),
            Ok(_) if !is_mount => format!("umount: {shown}: not mounted.\n"),
            Ok(_) if p.who.uid != 0 => format!("umount: {shown}: must be superuser to unmount.\n"),
            Ok(_) => format!("umount: {shown}: target is busy.\n"),
        };
        p.err(line).await;
        return 32;
    }
    if rest.is_empty() {
        let list = kernel_files::mounts(&p.fs().live.lock());
        for line in list.lines() {
            let f: Vec<&str> = line.split(' ').collect();
            if let [what, at, kind, options, ..] = f.as_slice() {
                p.out(format!("{what} on {at} type {kind} ({options})\n"));
            }
        }
        return 0;
    }
    if p.who.uid != 0 {
        p.err("mount: only root can do that\n".replace(
            "only root can do that",
            &format!("{}: must be superuser to use mount.", text(rest.last().map_or(&b""[..], Vec::as_slice))),
        ))
        .await;
        return 1;
    }
    match rest.as_slice() {
        [one] => {
            let shown = text(one);
            if p.args.iter().any(|a| a.windows(7).any(|w| w == b"remount")) {
                return 0;
            }
            p.err(format!("mount: {shown}: can't find in /etc/fstab.\n")).await;
            1
        }
        [what, at, ..] => {
            let (what, shown) = (text(what), text(at));
            if p.fs().stat(&p.who, &p.path(at)).is_err() {
                p.err(format!("mount: {shown}: mount point does not exist.\n       dmesg(1) may have more information after failed mount system call.\n")).await;
                return 32;
            }
            if what.starts_with("/dev/") && p.fs().stat(&p.who, what.as_bytes()).is_err() {
                p.err(format!("mount: {shown}: special device {what} does not exist.\n       dmesg(1) may have more information after failed mount system call.\n")).await;
                return 32;
            }
            if p.args.iter().any(|a| matches!(a.as_slice(), b"tmpfs" | b"--bind" | b"proc" | b"bind")) {
                return 0;
            }
            p.err(format!("mount: {shown}: wrong fs type, bad option, bad superblock on {what}, missing codepage or helper program, or other error.\n       dmesg(1) may have more information after failed mount system call.\n")).await;
            32
        }
        [] => 1,
    }
}

/// `lsblk`, `fdisk -l`, `blkid`, `swapon`.
pub(crate) async fn lsblk(p: &mut Proc) -> i32 {
    let name = p.name();
    let (disk, part1, part2, part5, gb, swap, uuid, swap_uuid) = {
        let live = p.fs().live.lock();
        let uuid = |what: &str| kernel_files::uuid(&crate::stage::derive(&live.persona, &format!("shell/{what}_uuid")));
        (live.hw.disk, live.hw.part(1), live.hw.part(2), live.hw.part(5), live.hw.disk_gb, live.hw.swap_kb, uuid("root"), uuid("swap"))
    };
    match name.as_str() {
        "blkid" => {
            if p.who.uid != 0 {
                return 2;
            }
            p.out(format!("/dev/{part1}: UUID=\"{uuid}\" BLOCK_SIZE=\"4096\" TYPE=\"ext4\" PARTUUID=\"{0}-01\"\n/dev/{part5}: UUID=\"{swap_uuid}\" TYPE=\"swap\" PARTUUID=\"{0}-05\"\n", uuid.get(..8).unwrap_or_default()));
            0
        }
        "fdisk" | "sfdisk" | "parted" => {
            if p.who.uid != 0 {
                p.err(format!("fdisk: cannot open /dev/{disk}: Permission denied\n")).await;
                return 1;
            }
            let bytes = gb << 30;
            let sectors = bytes / 512;
            let split = sectors - swap * 2 - 6144;
            p.out(format!("Disk /dev/{disk}: {gb} GiB, {bytes} bytes, {sectors} sectors\nUnits: sectors of 1 * 512 = 512 bytes\nSector size (logical/physical): 512 bytes / 512 bytes\nI/O size (minimum/optimal): 512 bytes / 512 bytes\nDisklabel type: dos\nDisk identifier: 0x{}\n\nDevice     Boot    Start      End  Sectors  Size Id Type\n/dev/{part1:<5}  *        2048 {:>8} {:>8} {:>4}G 83 Linux\n/dev/{part2:<5}       {:>8} {:>8} {:>8} {:>4}M  5 Extended\n/dev/{part5:<5}       {:>8} {:>8} {:>8} {:>4}M 82 Linux swap / Solaris\n", uuid.get(..8).unwrap_or_default(), split - 1, split - 2048, (split - 2048) / 2_097_152, split + 2046, sectors - 2049, swap * 2 + 2, swap / 1024, split + 2048, sectors - 2049, swap * 2, swap / 1024));
            0
        }
        "swapon" => {
            p.out(format!("NAME      TYPE      SIZE USED PRIO\n/dev/{part5} partition {} 0B   -2\n", human(swap * 1024, 1024.0)));
            0
        }
        _ => {
            let major = if disk.starts_with("vd") {
                254
            } else if disk.starts_with("nv") {
                259
            } else {
                8
            };
            let size = |kb: u64| human(kb * 1024, 1024.0);
            let w = part5.len() + 2;
            p.out(format!("{:<w$} MAJ:MIN RM  SIZE RO TYPE MOUNTPOINTS\n", "NAME"));
            let total = gb * 1024 * 1024;
            p.out(format!("{disk:<w$} {:>3}:{:<3}  0 {:>5}  0 disk \n", major, 0, format!("{gb}G")));
            p.out(format!("|-{part1:<v$} {major:>3}:{:<3}  0 {:>5}  0 part /\n", 1, size(total - swap - 3072), v = w - 2));
            p.out(format!("|-{part2:<v$} {major:>3}:{:<3}  0 {:>5}  0 part \n", 2, "1K", v = w - 2));
            p.out(format!("`-{part5:<v$} {major:>3}:{:<3}  0 {:>5}  0 part [SWAP]\n", 5, size(swap), v = w - 2));
            if disk != "nvme0n1" {
                p.out(format!("{:<w$} {:>3}:{:<3}  1 {:>5}  0 rom  \n", "sr0", 11, 0, "1024M"));
            }
            0
        }
    }
}
