//! BusyBox: one program under many names.

use crate::shell::proc::Proc;

/// Applets of a Debian build (a superset serves Alpine).
pub(crate) const APPLETS: &[&str] = &[
    "[",
    "[[",
    "acpid",
    "adjtimex",
    "ar",
    "arch",
    "arp",
    "arping",
    "ascii",
    "ash",
    "awk",
    "base64",
    "basename",
    "bc",
    "blkdiscard",
    "blockdev",
    "brctl",
    "bunzip2",
    "busybox",
    "bzcat",
    "bzip2",
    "cal",
    "cat",
    "chattr",
    "chgrp",
    "chmod",
    "chown",
    "chpasswd",
    "chroot",
    "chvt",
    "clear",
    "cmp",
    "cp",
    "cpio",
    "crc32",
    "crond",
    "crontab",
    "cttyhack",
    "cut",
    "date",
    "dc",
    "dd",
    "deallocvt",
    "depmod",
    "devmem",
    "df",
    "diff",
    "dirname",
    "dmesg",
    "dnsdomainname",
    "dos2unix",
    "du",
    "dumpkmap",
    "dumpleases",
    "echo",
    "egrep",
    "env",
    "expand",
    "expr",
    "factor",
    "fallocate",
    "false",
    "fatattr",
    "fdisk",
    "fgrep",
    "find",
    "fold",
    "free",
    "freeramdisk",
    "fsfreeze",
    "fstrim",
    "ftpget",
    "ftpput",
    "getopt",
    "getty",
    "grep",
    "groups",
    "gunzip",
    "gzip",
    "halt",
    "head",
    "hexdump",
    "hostid",
    "hostname",
    "httpd",
    "hwclock",
    "i2cdetect",
    "i2cdump",
    "i2cget",
    "i2cset",
    "i2ctransfer",
    "id",
    "ifconfig",
    "ifdown",
    "ifup",
    "init",
    "insmod",
    "ionice",
    "ip",
    "ipcalc",
    "kill",
    "killall",
    "klogd",
    "last",
    "less",
    "link",
    "linux32",
    "linux64",
    "linuxrc",
    "ln",
    "loadfont",
    "loadkmap",
    "logger",
    "login",
    "logname",
    "logread",
    "losetup",
    "ls",
    "lsmod",
    "lsscsi",
    "lzcat",
    "lzma",
    "lzop",
    "md5sum",
    "mdev",
    "microcom",
    "mim",
    "mkdir",
    "mkdosfs",
    "mke2fs",
    "mkfifo",
    "mknod",
    "mkpasswd",
    "mkswap",
    "mktemp",
    "modinfo",
    "modprobe",
    "more",
    "mount",
    "mt",
    "mv",
    "nameif",
    "nbd-client",
    "nc",
    "netstat",
    "nl",
    "nologin",
    "nproc",
    "nsenter",
    "nslookup",
    "nuke",
    "od",
    "openvt",
    "partprobe",
    "passwd",
    "paste",
    "patch",
    "pidof",
    "ping",
    "ping6",
    "pivot_root",
    "poweroff",
    "printf",
    "ps",
    "pwd",
    "rdate",
    "readlink",
    "realpath",
    "reboot",
    "renice",
    "reset",
    "resume",
    "rev",
    "rm",
    "rmdir",
    "rmmod",
    "route",
    "rpm",
    "rpm2cpio",
    "run-init",
    "run-parts",
    "sed",
    "seq",
    "setkeycodes",
    "setpriv",
    "setsid",
    "sh",
    "sha1sum",
    "sha256sum",
    "sha3sum",
    "sha512sum",
    "shred",
    "shuf",
    "sleep",
    "sort",
    "ssl_client",
    "start-stop-daemon",
    "stat",
    "strings",
    "stty",
    "su",
    "sulogin",
    "svc",
    "svok",
    "swapoff",
    "swapon",
    "switch_root",
    "sync",
    "sysctl",
    "syslogd",
    "tac",
    "tail",
    "tar",
    "taskset",
    "tc",
    "tee",
    "telnet",
    "test",
    "tftp",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "traceroute",
    "traceroute6",
    "true",
    "truncate",
    "ts",
    "tty",
    "ubirename",
    "udhcpc",
    "udhcpd",
    "uevent",
    "umount",
    "uname",
    "uncompress",
    "unexpand",
    "uniq",
    "unix2dos",
    "unlink",
    "unlzma",
    "unshare",
    "unxz",
    "unzip",
    "uptime",
    "usleep",
    "uudecode",
    "uuencode",
    "vconfig",
    "vi",
    "w",
    "watch",
    "watchdog",
    "wc",
    "wget",
    "which",
    "who",
    "whoami",
    "xargs",
    "xxd",
    "xz",
    "xzcat",
    "yes",
    "zcat",
];

/// Whether BusyBox has an applet of that name.
pub(crate) fn is_applet(name: &str) -> bool {
    APPLETS.binary_search(&name).is_ok()
}

fn version(p: &Proc) -> &'static str {
    match (p.fs().persona().distro.id.as_str(), p.fs().persona().distro.version_id.as_str()) {
        ("alpine", _) => "BusyBox v1.36.1 (2024-06-10 07:11:47 UTC) multi-call binary.",
        ("ubuntu", "22.04") => "BusyBox v1.30.1 (Ubuntu 1:1.30.1-7ubuntu3.1) multi-call binary.",
        ("ubuntu", _) => "BusyBox v1.36.1 (Ubuntu 1:1.36.1-6ubuntu3.1) multi-call binary.",
        ("debian", "11") => "BusyBox v1.30.1 (Debian 1:1.30.1-6+b3) multi-call binary.",
        _ => "BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) multi-call binary.",
    }
}

/// `busybox APPLET …`, or an applet called by its own name.
pub(crate) async fn main(p: &mut Proc) -> i32 {
    let name = p.name();
    if name != "busybox" && !name.starts_with("busybox") {
        return applet(p, &name).await;
    }
    let Some(first) = p.args.get(1).map(|a| String::from_utf8_lossy(a).into_owned()) else {
        let text = usage(p);
        p.out(text);
        return 0;
    };
    match first.as_str() {
        "--help" => {
            if p.args.len() > 2 {
                return 1;
            }
            let text = usage(p);
            p.out(text);
            0
        }
        "--list" => {
            for a in APPLETS {
                p.out(format!("{a}\n"));
            }
            0
        }
        "--list-full" => {
            for a in APPLETS {
                p.out(format!("bin/{a}\n"));
            }
            0
        }
        "--install" => 0,
        _ => {
            let applet_name = first.rsplit('/').next().unwrap_or(&first).to_owned();
            p.args.remove(0);
            if !is_applet(&applet_name) {
                p.err(format!("{first}: applet not found\n")).await;
                return 127;
            }
            applet(p, &applet_name).await
        }
    }
}

async fn applet(p: &mut Proc, name: &str) -> i32 {
    if name == "busybox" {
        let text = usage(p);
        p.out(text);
        return 0;
    }
    if matches!(name, "sh" | "ash") {
        return Box::pin(super::shells::as_flavor(p, crate::shell::interp::Flavor::Ash)).await;
    }
    if p.args.get(1).is_some_and(|a| a == b"--help") {
        let text = format!("{}\n\nUsage: {name} \n", version(p));
        p.err(text).await;
        return 0;
    }
    if let Some(builtin) = name.strip_prefix("[[").map(|_| "[").or((name == "[").then_some("["))
        && let Some(a) = p.args.first_mut()
    {
        *a = builtin.as_bytes().to_vec();
    }
    match super::find(name) {
        Some(c) => match c.run {
            super::Run::Now(f) => f(p),
            super::Run::Waits(f) => f(p).await,
        },
        None => {
            p.err(format!("{name}: applet not found\n")).await;
            127
        }
    }
}

fn usage(p: &Proc) -> String {
    let mut out = format!(
        "{}\nBusyBox is copyrighted by many authors between 1998-2015.\nLicensed under GPLv2. See source distribution for detailed\ncopyright notices.\n\nUsage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n   or: busybox --show SCRIPT\n   or: busybox --install [-s] [DIR]\n   or: function [arguments]...\n\n\tBusyBox is a multi-call binary that combines many common Unix\n\tutilities into a single executable.  Most people will create a\n\tlink to busybox for each function they wish to use and BusyBox\n\twill act like whatever it was invoked as.\n\nCurrently defined functions:\n",
        version(p)
    );
    let mut line = String::from("\t");
    for (n, a) in APPLETS.iter().enumerate() {
        let piece = if n + 1 == APPLETS.len() { (*a).to_owned() } else { format!("{a}, ") };
        if line.len() + piece.trim_end().len() > 72 {
            out.push_str(line.trim_end());
            out.push('\n');
            line = String::from("\t");
        }
        line.push_str(&piece);
    }
    out.push_str(&line);
    out.push('\n');
    out
}
