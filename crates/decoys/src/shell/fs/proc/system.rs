//! What the files under `/proc` and `/sys` say.

use std::fmt::Write as _;

use crate::shell::fs::live::{Live, Process};

/// Files in `/proc/<pid>/net`.
pub(super) const NET: &[&str] =
    &["arp", "dev", "fib_trie", "if_inet6", "protocols", "route", "snmp", "sockstat", "tcp", "tcp6", "udp", "udp6", "unix"];

/// Files in `/proc/<pid>`.
pub(super) const PID_FILES: &[&str] = &[
    "autogroup",
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "environ",
    "io",
    "limits",
    "loginuid",
    "maps",
    "mem",
    "mountinfo",
    "mounts",
    "oom_adj",
    "oom_score",
    "oom_score_adj",
    "personality",
    "sched",
    "sessionid",
    "smaps",
    "stack",
    "stat",
    "statm",
    "status",
    "syscall",
    "wchan",
];

const TOP: &[&str] = &[
    "buddyinfo",
    "cgroups",
    "cmdline",
    "consoles",
    "cpuinfo",
    "crypto",
    "devices",
    "diskstats",
    "dma",
    "filesystems",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "kmsg",
    "loadavg",
    "locks",
    "meminfo",
    "misc",
    "modules",
    "mtrr",
    "partitions",
    "sched_debug",
    "slabinfo",
    "softirqs",
    "stat",
    "swaps",
    "timer_list",
    "uptime",
    "version",
    "vmstat",
    "zoneinfo",
];

type Value = fn(&Live) -> String;

/// Single values by path.
const VALUES: &[(&str, u32, Value)] = &[
    ("/proc/sys/fs/file-max", 0o644, |_| "9223372036854775807".into()),
    ("/proc/sys/kernel/core_pattern", 0o644, |_| "core".into()),
    ("/proc/sys/kernel/domainname", 0o644, |_| "(none)".into()),
    ("/proc/sys/kernel/hostname", 0o644, |l| l.persona.hostname.clone()),
    ("/proc/sys/kernel/osrelease", 0o444, |l| l.persona.distro.kernel_release.clone()),
    ("/proc/sys/kernel/ostype", 0o444, |_| "Linux".into()),
    ("/proc/sys/kernel/pid_max", 0o644, |_| "4194304".into()),
    ("/proc/sys/kernel/random/boot_id", 0o444, |l| {
        uuid(&crate::stage::derive(&l.persona, &format!("shell/boot_id/{}", l.persona.booted.0)))
    }),
    ("/proc/sys/kernel/random/entropy_avail", 0o444, |_| "256".into()),
    ("/proc/sys/kernel/random/poolsize", 0o444, |_| "256".into()),
    ("/proc/sys/kernel/randomize_va_space", 0o644, |_| "2".into()),
    ("/proc/sys/kernel/version", 0o444, |l| l.persona.distro.kernel_version.clone()),
    ("/proc/sys/net/ipv4/ip_forward", 0o644, |_| "0".into()),
    ("/proc/sys/net/ipv4/tcp_syncookies", 0o644, |_| "1".into()),
    ("/proc/sys/vm/overcommit_memory", 0o644, |_| "0".into()),
    ("/proc/sys/vm/swappiness", 0o644, |_| "60".into()),
    ("/sys/class/dmi/id/bios_date", 0o444, |l| l.hw.bios_date.into()),
    ("/sys/class/dmi/id/bios_version", 0o444, |l| l.hw.bios.into()),
    ("/sys/class/dmi/id/product_name", 0o444, |l| l.hw.product.into()),
    ("/sys/class/dmi/id/product_uuid", 0o400, |l| uuid(&crate::stage::derive(&l.persona, "shell/product_uuid"))),
    ("/sys/class/dmi/id/sys_vendor", 0o444, |l| l.hw.sys_vendor.into()),
    ("/sys/class/net/lo/address", 0o444, |_| "00:00:00:00:00:00".into()),
    ("/sys/class/net/lo/mtu", 0o644, |_| "65536".into()),
    ("/sys/class/net/lo/operstate", 0o444, |_| "unknown".into()),
    ("/sys/class/net/NIC/address", 0o444, |l| l.persona.mac.clone()),
    ("/sys/class/net/NIC/mtu", 0o644, |_| "1500".into()),
    ("/sys/class/net/NIC/operstate", 0o444, |_| "up".into()),
    ("/sys/class/net/NIC/speed", 0o444, |_| "1000".into()),
    ("/sys/class/net/NIC/duplex", 0o444, |_| "full".into()),
    ("/sys/class/net/NIC/statistics/rx_bytes", 0o444, |l| traffic(l)[0].to_string()),
    ("/sys/class/net/NIC/statistics/tx_bytes", 0o444, |l| traffic(l)[2].to_string()),
    ("/sys/devices/system/cpu/online", 0o444, |l| range(l)),
    ("/sys/devices/system/cpu/possible", 0o444, |l| range(l)),
    ("/sys/devices/system/cpu/present", 0o444, |l| range(l)),
    ("/sys/fs/cgroup/cgroup.controllers", 0o444, |_| "cpuset cpu io memory hugetlb pids rdma misc".into()),
    ("/sys/kernel/mm/transparent_hugepage/enabled", 0o644, |_| "always [madvise] never".into()),
];

fn range(live: &Live) -> String {
    if live.hw.cores == 1 { "0".into() } else { format!("0-{}", live.hw.cores - 1) }
}

/// A version-4 UUID from derived bytes.
pub(crate) fn uuid(bytes: &[u8; 32]) -> String {
    let mut b = [0u8; 16];
    b.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let h = hex::encode(b);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

fn named(live: &Live, path: &str) -> String {
    path.replace("NIC", live.hw.nic)
}

pub(super) fn is_dir(live: &Live, text: &str) -> bool {
    const EXTRA: &[&str] = &[
        "/sys/block",
        "/sys/bus",
        "/sys/dev",
        "/sys/firmware",
        "/sys/module",
        "/sys/power",
        "/sys/hypervisor",
        "/proc/irq",
        "/proc/bus",
        "/proc/driver",
        "/proc/scsi",
        "/proc/sysvipc",
        "/proc/tty",
        "/proc/acpi",
        "/proc/fs",
    ];
    let prefix = format!("{text}/");
    VALUES.iter().any(|(path, ..)| named(live, path).starts_with(&prefix)) || EXTRA.contains(&text)
}

pub(super) fn link(_live: &Live, _text: &str) -> Option<Vec<u8>> {
    None
}

pub(super) fn mode(live: &Live, text: &str) -> Option<u32> {
    if let Some(name) = text.strip_prefix("/proc/")
        && TOP.contains(&name)
    {
        return Some(match name {
            "kallsyms" | "kcore" | "kmsg" | "slabinfo" => 0o400,
            _ => 0o444,
        });
    }
    VALUES.iter().find(|(path, ..)| named(live, path) == text).map(|(_, mode, _)| *mode)
}

pub(super) fn names(live: &Live, text: &str) -> Vec<Vec<u8>> {
    let prefix = format!("{text}/");
    let mut names: Vec<Vec<u8>> = VALUES
        .iter()
        .filter_map(|(path, ..)| {
            named(live, path).strip_prefix(&prefix).map(|rest| rest.split('/').next().unwrap_or(rest).as_bytes().to_vec())
        })
        .collect();
    if text == "/proc" {
        names.extend(TOP.iter().map(|n| n.as_bytes().to_vec()));
        names.extend(["irq", "bus", "driver", "scsi", "sysvipc", "tty", "acpi", "fs"].map(|n| n.as_bytes().to_vec()));
    }
    if text == "/sys" {
        names.extend(["block", "bus", "dev", "firmware", "module", "power", "hypervisor"].map(|n| n.as_bytes().to_vec()));
    }
    names.sort();
    names.dedup();
    names
}

/// rx bytes, rx packets, tx bytes, tx packets since boot.
pub(crate) fn traffic(live: &Live) -> [u64; 4] {
    let up = u64::try_from(live.uptime().0).unwrap_or(0);
    let seed = u64::from(live.persona.seed[5]) + 40;
    let rx = up * seed * 9 + live.now.0.unsigned_abs() / 100_000 % 4096;
    let tx = up * seed * 3 + live.now.0.unsigned_abs() / 130_000 % 4096;
    [rx, rx / 310, tx, tx / 240]
}

/// The mount table as `/proc/mounts` has it.
pub(crate) fn mounts(live: &Live) -> String {
    let mem = live.hw.mem_kb;
    let root = live.hw.part(1);
    format!(
        "sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\nudev /dev devtmpfs rw,nosuid,relatime,size={}k,nr_inodes={},mode=755,inode64 0 0\ndevpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000 0 0\ntmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,size={}k,mode=755,inode64 0 0\n/dev/{root} / ext4 rw,relatime,errors=remount-ro 0 0\nsecurityfs /sys/kernel/security securityfs rw,nosuid,nodev,noexec,relatime 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,nodev,inode64 0 0\ntmpfs /run/lock tmpfs rw,nosuid,nodev,noexec,relatime,size=5120k,inode64 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\npstore /sys/fs/pstore pstore rw,nosuid,nodev,noexec,relatime 0 0\nbpf /sys/fs/bpf bpf rw,nosuid,nodev,noexec,relatime,mode=700 0 0\nsystemd-1 /proc/sys/fs/binfmt_misc autofs rw,relatime,fd=30,pgrp=1,timeout=0,minproto=5,maxproto=5,direct,pipe_ino=1183 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\nmqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime 0 0\ndebugfs /sys/kernel/debug debugfs rw,nosuid,nodev,noexec,relatime 0 0\ntracefs /sys/kernel/tracing tracefs rw,nosuid,nodev,noexec,relatime 0 0\nfusectl /sys/fs/fuse/connections fusectl rw,nosuid,nodev,noexec,relatime 0 0\nconfigfs /sys/kernel/config configfs rw,nosuid,nodev,noexec,relatime 0 0\ntmpfs /run/user/0 tmpfs rw,nosuid,nodev,relatime,size={}k,nr_inodes={},mode=700,inode64 0 0\n",
        mem / 2 - 18_000,
        (mem / 2 - 18_000) / 4,
        mem / 10,
        mem / 10,
        mem / 40,
    )
}

pub(super) fn content(live: &Live, text: &str) -> String {
    if let Some((_, _, value)) = VALUES.iter().find(|(path, ..)| named(live, path) == text) {
        return value(live) + "\n";
    }
    match text.strip_prefix("/proc/").unwrap_or_default() {
        "cmdline" => format!("BOOT_IMAGE=/boot/vmlinuz-{} root=UUID={} ro quiet\n", live.persona.distro.kernel_release, uuid(&crate::stage::derive(&live.persona, "shell/root_uuid"))),
        "cpuinfo" => cpuinfo(live),
        "filesystems" => "nodev\tsysfs\nnodev\ttmpfs\nnodev\tbdev\nnodev\tproc\nnodev\tcgroup\nnodev\tcgroup2\nnodev\tcpuset\nnodev\tdevtmpfs\nnodev\tdebugfs\nnodev\ttracefs\nnodev\tsecurityfs\nnodev\tsockfs\nnodev\tbpf\nnodev\tpipefs\nnodev\tramfs\nnodev\thugetlbfs\nnodev\tdevpts\nnodev\tmqueue\nnodev\tpstore\n\text3\n\text2\n\text4\nnodev\tautofs\nnodev\tconfigfs\n\tfuseblk\nnodev\tfuse\nnodev\tfusectl\n".into(),
        "loadavg" => {
            let [a, b, c] = live.loads();
            let last = live.procs.keys().max().copied().unwrap_or(1);
            format!("{a:.2} {b:.2} {c:.2} {}/{} {last}\n", 1 + live.procs.values().filter(|p| p.stat.starts_with('R')).count(), live.procs.len() + 21)
        }
        "meminfo" => meminfo(live),
        "modules" => modules(live).iter().map(|(name, size, used, by)| format!("{name} {size} {used} {} Live 0x0000000000000000\n", if by.is_empty() { "-".to_owned() } else { format!("{by},") })).collect(),
        "partitions" => {
            let total = live.hw.disk_gb * 1024 * 1024;
            let major = if live.hw.disk.starts_with("vd") { 254 } else if live.hw.disk.starts_with("nv") { 259 } else { 8 };
            format!(
                "major minor  #blocks  name\n\n{major:>4}        0 {total:>10} {}\n{major:>4}        1 {:>10} {}\n{major:>4}        2          1 {}\n{major:>4}        5 {:>10} {}\n",
                live.hw.disk,
                total - live.hw.swap_kb - 3072,
                live.hw.part(1),
                live.hw.part(2),
                live.hw.swap_kb + 4,
                live.hw.part(5)
            )
        }
        "stat" => stat(live),
        "swaps" => format!("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/{:<39}partition\t{}\t\t0\t\t-2\n", live.hw.part(5), live.hw.swap_kb),
        "uptime" => {
            let (s, c) = live.uptime();
            let idle = s * i64::from(live.hw.cores) * 985 / 1000;
            format!("{s}.{c:02} {idle}.{:02}\n", (c * 7 + 13) % 100)
        }
        "version" => version(live),
        "devices" => "Character devices:\n  1 mem\n  4 /dev/vc/0\n  4 tty\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n  7 vcs\n 10 misc\n 13 input\n128 ptm\n136 pts\n180 usb\n189 usb_device\n\nBlock devices:\n  8 sd\n 11 sr\n 65 sd\n254 virtblk\n259 blkext\n".into(),
        _ => String::new(),
    }
}

/// `/proc/version`, which `uname` agrees with.
pub(crate) fn version(live: &Live) -> String {
    let d = &live.persona.distro;
    let by = match d.id.as_str() {
        "debian" => "debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40",
        "ubuntu" => {
            "buildd@lcy02-amd64-086) (x86_64-linux-gnu-gcc-11 (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0, GNU ld (GNU Binutils for Ubuntu) 2.38"
        }
        "alpine" => "buildozer@build-3-19-x86_64) (gcc (Alpine 13.2.1_git20231014) 13.2.1 20231014, GNU ld (GNU Binutils) 2.41",
        "fedora" => {
            "mockbuild@bkernel02.iad2.fedoraproject.org) (gcc (GCC) 13.2.1 20231205 (Red Hat 13.2.1-6), GNU ld version 2.40-14.fc39"
        }
        _ => {
            "mockbuild@iad1-prod-build001.bld.equ.rockylinux.org) (gcc (GCC) 11.4.1 20231218 (Red Hat 11.4.1-3), GNU ld version 2.35.2-43.el9"
        }
    };
    format!("Linux version {} ({by}) {}\n", d.kernel_release, d.kernel_version)
}

fn cpuinfo(live: &Live) -> String {
    let hw = &live.hw;
    let mut out = String::new();
    let flags = if hw.amd {
        "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm rep_good nopl cpuid extd_apicid pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 x2apic movbe popcnt aes xsave avx f16c rdrand"
    } else {
        "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss syscall nx pdpe1gb rdtscp lm constant_tsc arch_perfmon rep_good nopl xtopology cpuid tsc_known_freq pni pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand"
    };
    let hyper = if hw.hypervisor.is_some() { " hypervisor" } else { "" };
    let rest = if hw.amd {
        " lahf_lm cmp_legacy svm cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw topoext ssbd ibpb vmmcall fsgsbase bmi1 avx2 smep bmi2 rdseed adx smap clflushopt clwb sha_ni xsaveopt xsavec xgetbv1 arat umip"
    } else {
        " lahf_lm abm 3dnowprefetch cpuid_fault pti ssbd ibrs ibpb stibp fsgsbase tsc_adjust bmi1 avx2 smep bmi2 erms invpcid rdseed adx smap clflushopt xsaveopt arat md_clear"
    };
    for cpu in 0..hw.cores {
        let _ = write!(
            out,
            "processor\t: {cpu}\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: {}\nstepping\t: {}\nmicrocode\t: {:#x}\ncpu MHz\t\t: {:.3}\ncache size\t: {} KB\nphysical id\t: 0\nsiblings\t: {}\ncore id\t\t: {cpu}\ncpu cores\t: {}\napicid\t\t: {cpu}\ninitial apicid\t: {cpu}\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {}\nwp\t\t: yes\nflags\t\t: {flags}{hyper}{rest}\nbugs\t\t: {}\nbogomips\t: {:.2}\n{}clflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: {}\npower management:\n\n",
            if hw.amd { "AuthenticAMD" } else { "GenuineIntel" },
            hw.family,
            hw.model,
            hw.cpu,
            hw.stepping,
            hw.microcode,
            hw.mhz,
            hw.cache_kb,
            hw.cores,
            hw.cores,
            if hw.amd { 16 } else { 22 },
            if hw.amd {
                "sysret_ss_attrs spectre_v1 spectre_v2 spec_store_bypass retbleed smt_rsb srso"
            } else {
                "spectre_v1 spectre_v2 spec_store_bypass mds swapgs taa itlb_multihit mmio_stale_data retbleed gds"
            },
            hw.mhz * 2.0,
            if hw.amd { "TLB size\t: 1024 4K pages\n" } else { "" },
            if hw.hypervisor.is_some() { "40 bits physical, 48 bits virtual" } else { "46 bits physical, 48 bits virtual" },
        );
    }
    out
}

fn meminfo(live: &Live) -> String {
    let total = live.hw.mem_kb;
    let [free, buffers, cached, available, shmem, slab] = live.memory();
    let anon = total.saturating_sub(free + buffers + cached + slab) / 2 / 4 * 4;
    let active = (cached / 3 + buffers / 2) / 4 * 4;
    let inactive = (cached * 2 / 3 + anon) / 4 * 4;
    let mut out = String::new();
    for (name, value) in [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", available),
        ("Buffers", buffers),
        ("Cached", cached),
        ("SwapCached", 0),
        ("Active", active),
        ("Inactive", inactive),
        ("Active(anon)", shmem),
        ("Inactive(anon)", anon),
        ("Active(file)", active - shmem.min(active)),
        ("Inactive(file)", inactive.saturating_sub(anon)),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", live.hw.swap_kb),
        ("SwapFree", live.hw.swap_kb),
        ("Zswap", 0),
        ("Zswapped", 0),
        ("Dirty", 12 + available % 97 * 4),
        ("Writeback", 0),
        ("AnonPages", anon),
        ("Mapped", anon / 2 / 4 * 4 + 30_000),
        ("Shmem", shmem),
        ("KReclaimable", slab / 2 / 4 * 4),
        ("Slab", slab),
        ("SReclaimable", slab / 2 / 4 * 4),
        ("SUnreclaim", slab - slab / 2 / 4 * 4),
        ("KernelStack", 2_000 + live.procs.len() as u64 * 4),
        ("PageTables", 1_400 + live.procs.len() as u64 * 12),
        ("SecPageTables", 0),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", total / 2 / 4 * 4 + live.hw.swap_kb),
        ("Committed_AS", anon * 3),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 19_000 + total / 900),
        ("VmallocChunk", 0),
        ("Percpu", 800 * u64::from(live.hw.cores)),
        ("HardwareCorrupted", 0),
        ("AnonHugePages", 0),
        ("ShmemHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FileHugePages", 0),
        ("FilePmdMapped", 0),
    ] {
        let _ = writeln!(out, "{:<16}{value:>8} kB", format!("{name}:"));
    }
    out.push_str("HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n");
    let _ = write!(out, "DirectMap4k:    {:>8} kB\nDirectMap2M:    {:>8} kB\n", 90_000 / 4 * 4, total / 2048 * 2048);
    out
}

/// Loaded modules: name, size, users, used by.
pub(crate) fn modules(live: &Live) -> Vec<(&'static str, u32, u32, &'static str)> {
    let mut list = vec![
        ("tls", 135_168, 0, ""),
        ("intel_rapl_msr", 20_480, 0, ""),
        ("intel_rapl_common", 32_768, 1, "intel_rapl_msr"),
        ("ghash_clmulni_intel", 16_384, 0, ""),
        ("sha512_ssse3", 49_152, 0, ""),
        ("aesni_intel", 393_216, 0, ""),
        ("crypto_simd", 16_384, 1, "aesni_intel"),
        ("cryptd", 28_672, 2, "crypto_simd,ghash_clmulni_intel"),
        ("rapl", 20_480, 0, ""),
        ("serio_raw", 20_480, 0, ""),
        ("pcspkr", 16_384, 0, ""),
    ];
    match live.hw.hypervisor {
        Some("kvm") => list.extend([
            ("virtio_balloon", 24_576, 0, ""),
            ("qemu_fw_cfg", 20_480, 0, ""),
            ("virtio_net", 73_728, 0, ""),
            ("net_failover", 20_480, 1, "virtio_net"),
            ("failover", 16_384, 1, "net_failover"),
            ("virtio_pci", 28_672, 0, ""),
            ("virtio_ring", 45_056, 3, "virtio_balloon,virtio_net,virtio_pci"),
            ("virtio", 16_384, 3, "virtio_balloon,virtio_net,virtio_pci"),
        ]),
        Some("vmware") => list.extend([
            ("vmw_balloon", 28_672, 0, ""),
            ("vmwgfx", 368_640, 1, ""),
            ("vmw_vmci", 98_304, 1, "vmw_balloon"),
            ("vmxnet3", 77_824, 0, ""),
            ("vmw_pvscsi", 32_768, 2, ""),
        ]),
        Some("oracle") => list.extend([("vboxguest", 57_344, 0, ""), ("vboxvideo", 45_056, 0, ""), ("e1000", 163_840, 0, "")]),
        Some("microsoft") => list.extend([
            ("hv_balloon", 36_864, 0, ""),
            ("hv_netvsc", 110_592, 0, ""),
            ("hv_storvsc", 28_672, 2, ""),
            ("hv_vmbus", 151_552, 3, "hv_balloon,hv_netvsc,hv_storvsc"),
        ]),
        _ => list.extend([
            ("mei_me", 53_248, 0, ""),
            ("mei", 159_744, 1, "mei_me"),
            ("iTCO_wdt", 16_384, 0, ""),
            ("e1000e", 315_392, 0, ""),
            ("ahci", 49_152, 2, ""),
            ("libahci", 49_152, 1, "ahci"),
        ]),
    }
    list.extend([
        ("fuse", 176_128, 1, ""),
        ("loop", 32_768, 0, ""),
        ("efi_pstore", 16_384, 0, ""),
        ("configfs", 57_344, 1, ""),
        ("ip_tables", 36_864, 0, ""),
        ("x_tables", 61_440, 1, "ip_tables"),
        ("autofs4", 53_248, 2, ""),
        ("ext4", 983_040, 1, ""),
        ("crc16", 16_384, 1, "ext4"),
        ("mbcache", 16_384, 1, "ext4"),
        ("jbd2", 167_936, 1, "ext4"),
        ("crc32c_generic", 16_384, 0, ""),
        ("sd_mod", 65_536, 3, ""),
        ("t10_pi", 16_384, 1, "sd_mod"),
        ("sr_mod", 28_672, 0, ""),
        ("cdrom", 65_536, 1, "sr_mod"),
        ("scsi_mod", 286_720, 2, "sd_mod,sr_mod"),
        ("psmouse", 184_320, 0, ""),
        ("libata", 401_408, 0, ""),
        ("scsi_common", 16_384, 3, "scsi_mod,libata,sr_mod"),
        ("button", 24_576, 0, ""),
    ]);
    list
}

fn stat(live: &Live) -> String {
    let up = u64::try_from(live.uptime().0).unwrap_or(0) * 100 + u64::try_from(live.uptime().1).unwrap_or(0);
    let cores = u64::from(live.hw.cores);
    let row = |name: &str, n: u64| {
        let user = up * 3 / 1000 * n;
        let system = up * 4 / 1000 * n;
        let io = up / 1000 * n;
        let idle = (up * n).saturating_sub(user + system + io);
        format!("{name} {user} {} {system} {idle} {io} 0 {} 0 0 0\n", n * 112, up / 9000 * n)
    };
    let mut out = row("cpu ", cores);
    for cpu in 0..cores {
        out.push_str(&row(&format!("cpu{cpu}"), 1));
    }
    let last = live.procs.keys().max().copied().unwrap_or(1);
    let _ = write!(
        out,
        "intr {}\nctxt {}\nbtime {}\nprocesses {last}\nprocs_running 1\nprocs_blocked 0\n",
        up * 2,
        up * 5,
        live.persona.booted.seconds()
    );
    out
}

pub(super) fn of_process(live: &Live, p: &Process, name: &str) -> Vec<u8> {
    match name {
        "cmdline" => p.args.iter().flat_map(|a| a.iter().copied().chain([0])).collect(),
        "comm" => [&*p.comm, b"\n"].concat(),
        "environ" if p.pid == live.shell_pid => format!("USER={0}\0LOGNAME={0}\0", live.user).into_bytes(),
        "cgroup" => {
            let unit = if p.args.is_empty() {
                "/".into()
            } else if p.pid == 1 {
                "/init.scope".into()
            } else if p.tty.as_deref().is_some_and(|t| t.starts_with("pts")) || p.pid == live.shell_pid {
                format!("/user.slice/user-{0}.slice/session-{1}.scope", p.uid, live.uptime().0 / 4000 + 3)
            } else {
                format!("/system.slice/{}.service", String::from_utf8_lossy(&p.comm))
            };
            format!("0::{unit}\n").into_bytes()
        }
        "loginuid" => if p.tty.is_some() { p.uid.to_string() } else { "4294967295".into() }.into_bytes(),
        "mounts" => mounts(live).into_bytes(),
        "oom_score" => b"666\n".to_vec(),
        "oom_score_adj" | "oom_adj" => b"0\n".to_vec(),
        "wchan" => b"0".to_vec(),
        "limits" => b"Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              unlimited            unlimited            seconds   \nMax file size             unlimited            unlimited            bytes     \nMax data size             unlimited            unlimited            bytes     \nMax stack size            8388608              unlimited            bytes     \nMax core file size        0                    unlimited            bytes     \nMax resident set          unlimited            unlimited            bytes     \nMax open files            1024                 1048576              files     \nMax locked memory         67108864             67108864             bytes     \nMax address space         unlimited            unlimited            bytes     \nMax file locks            unlimited            unlimited            locks     \n".to_vec(),
        "stat" => {
            let ticks = p.cpu(live.now) / 10_000;
            let start = (p.start.0 - live.persona.booted.0).max(0) / 10_000;
            let tty = p.tty.as_deref().and_then(|t| t.strip_prefix("pts/")).and_then(|n| n.parse::<u32>().ok()).map_or(0, |n| 34_816 + n);
            format!(
                "{} ({}) {} {} {} {} {tty} {} 4194560 1200 0 0 0 {} {} 0 0 20 0 1 0 {start} {} {} 18446744073709551615 1 1 0 0 0 0 0 4096 65536 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                p.pid, String::from_utf8_lossy(&p.comm), &p.stat[..1], p.ppid, p.pid, p.pid, if tty == 0 { -1 } else { i64::from(p.pid) }, ticks * 2 / 3, ticks / 3, p.vsz * 1024, p.rss / 4,
            )
            .into_bytes()
        }
        "statm" => format!("{} {} {} 200 0 120 0\n", p.vsz / 4, p.rss / 4, p.rss / 6).into_bytes(),
        "status" => {
            let state = match p.stat.as_bytes().first() {
                Some(b'R') => "R (running)",
                Some(b'I') => "I (idle)",
                Some(b'T') => "T (stopped)",
                _ => "S (sleeping)",
            };
            let mut out = format!(
                "Name:\t{}\nUmask:\t0022\nState:\t{state}\nTgid:\t{1}\nNgid:\t0\nPid:\t{1}\nPPid:\t{2}\nTracerPid:\t0\nUid:\t{3}\t{3}\t{3}\t{3}\nGid:\t{3}\t{3}\t{3}\t{3}\nFDSize:\t256\nGroups:\t{3} \nNStgid:\t{1}\nNSpid:\t{1}\nNSpgid:\t{1}\nNSsid:\t{1}\n",
                String::from_utf8_lossy(&p.comm), p.pid, p.ppid, p.uid
            );
            if !p.args.is_empty() {
                let _ = write!(out, "VmPeak:\t{0:>8} kB\nVmSize:\t{0:>8} kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\nVmHWM:\t{1:>8} kB\nVmRSS:\t{1:>8} kB\nVmData:\t{2:>8} kB\nVmStk:\t     132 kB\n", p.vsz, p.rss, p.rss / 3);
            }
            let caps = if p.uid == 0 { "000001ffffffffff" } else { "0000000000000000" };
            let _ = write!(out, "Threads:\t1\nSigQ:\t0/{}\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nCapInh:\t0000000000000000\nCapPrm:\t{caps}\nCapEff:\t{caps}\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n", live.hw.mem_kb / 263, 40 + p.pid % 900, p.pid % 37);
            out.into_bytes()
        }
        "maps" => format!("55d0c5a4d000-55d0c5a7c000 r--p 00000000 08:01 {0}                     {1}\n55d0c5a7c000-55d0c5b5b000 r-xp 0002f000 08:01 {0}                     {1}\n7ffd1b5e4000-7ffd1b605000 rw-p 00000000 00:00 0                          [stack]\n7ffd1b7c8000-7ffd1b7ca000 r-xp 00000000 00:00 0                          [vdso]\n", 131_000 + p.pid, String::from_utf8_lossy(&p.exe)).into_bytes(),
        _ => Vec::new(),
    }
}

fn hex4(addr: std::net::Ipv4Addr) -> String {
    let o = addr.octets();
    format!("{:02X}{:02X}{:02X}{:02X}", o[3], o[2], o[1], o[0])
}

pub(super) fn net(live: &Live, name: &str) -> Vec<u8> {
    let nic = live.hw.nic;
    let mut out = String::new();
    match name {
        "arp" => {
            out.push_str("IP address       HW type     Flags       HW address            Mask     Device\n");
            for (ip, mac) in neighbours(live) {
                let _ = writeln!(out, "{ip:<16} 0x1         0x2         {mac}     *        {nic}");
            }
        }
        "dev" => {
            let [rx, rxp, tx, txp] = traffic(live);
            out.push_str("Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n");
            let lo = rx / 190;
            let _ = writeln!(out, "    lo: {lo:>7} {:>7}    0    0    0     0          0         0 {lo:>8} {:>7}    0    0    0     0       0          0", lo / 90, lo / 90);
            let _ = writeln!(out, "{nic:>6}: {rx:>7} {rxp:>7}    0    0    0     0          0         0 {tx:>8} {txp:>7}    0    0    0     0       0          0");
        }
        "route" => {
            out.push_str("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n");
            if let Some(gw) = live.persona.gateway {
                let _ = writeln!(out, "{nic}\t00000000\t{}\t0003\t0\t0\t0\t00000000\t0\t0\t0                                                                               ", hex4(gw));
            }
            if let Some(ip) = live.persona.ipv4 {
                let mask = u32::MAX.checked_shl(32 - u32::from(live.persona.ipv4_prefix.min(32))).unwrap_or(0);
                let _ = writeln!(out, "{nic}\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0                                                                               ", hex4((u32::from(ip) & mask).into()), hex4(mask.into()));
            }
        }
        "tcp" | "tcp6" | "udp" | "udp6" => {
            let six = name.ends_with('6');
            out.push_str(if name.starts_with("tcp") { "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n" } else { "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n" });
            for (n, s) in live.sockets.iter().filter(|s| s.v6 == six && s.proto == name.trim_end_matches('6')).enumerate() {
                if six && s.peer.is_none() {
                    let _ = writeln!(out, "{n:>4}: 00000000000000000000000000000000:{:04X} 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 {:>5}        0 {} 1 0000000000000000 100 0 0 10 0", s.port, s.uid, s.inode);
                } else if let Ok(addr) = s.addr.split('%').next().unwrap_or_default().parse() {
                    let (peer, state) = match s.peer {
                        Some(std::net::SocketAddr::V4(p)) => (format!("{}:{:04X}", hex4(*p.ip()), p.port()), "01"),
                        _ => ("00000000:0000".into(), if s.proto == "tcp" { "0A" } else { "07" }),
                    };
                    let _ = writeln!(out, "{n:>4}: {}:{:04X} {peer} {state} 00000000:00000000 00:00000000 00000000 {:>5}        0 {} 1 0000000000000000 100 0 0 10 0                     ", hex4(addr), s.port, s.uid, s.inode);
                }
            }
        }
        "if_inet6" => {
            out.push_str("00000000000000000000000000000001 01 80 10 80       lo\n");
            let mac: Vec<u8> = live.persona.mac.split(':').filter_map(|b| u8::from_str_radix(b, 16).ok()).collect();
            if let [a, b, c, d, e, f] = mac.as_slice() {
                let _ = writeln!(out, "fe80000000000000{:02x}{b:02x}{c:02x}fffe{d:02x}{e:02x}{f:02x} 02 40 20 80 {nic:>8}", a ^ 2);
            }
        }
        "sockstat" => out.push_str("sockets: used 131\nTCP: inuse 4 orphan 0 tw 0 alloc 6 mem 1\nUDP: inuse 1 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"),
        _ => {}
    }
    out.into_bytes()
}

/// Neighbours the machine has talked to: its gateway, and the visitor if it is on the same network.
pub(crate) fn neighbours(live: &Live) -> Vec<(std::net::Ipv4Addr, String)> {
    let mut out = Vec::new();
    let key = crate::stage::derive(&live.persona, "shell/gateway-mac");
    if let Some(gw) = live.persona.gateway {
        let oui = ["00:1b:17", "e0:23:ff", "74:83:c2", "00:0d:b9", "b4:fb:e4"].get(usize::from(key[0] % 5)).copied().unwrap_or("00:1b:17");
        out.push((gw, format!("{oui}:{:02x}:{:02x}:{:02x}", key[1], key[2], key[3])));
    }
    if let (Some(own), std::net::IpAddr::V4(peer)) = (live.persona.ipv4, live.peer.ip()) {
        let mask = u32::MAX.checked_shl(32 - u32::from(live.persona.ipv4_prefix.min(32))).unwrap_or(0);
        if u32::from(own) & mask == u32::from(peer) & mask && Some(peer) != live.persona.gateway {
            let k = peer.octets();
            out.push((peer, format!("52:54:00:{:02x}:{:02x}:{:02x}", key[4] ^ k[3], key[5] ^ k[2], key[6] ^ k[3])));
        }
    }
    out
}
