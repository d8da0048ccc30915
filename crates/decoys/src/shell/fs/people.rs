//! What makes a machine itself: accounts, configuration, homes, service trees, devices.

use bytes::Bytes;
use model::Persona;
use rand::{Rng, RngExt};
use std::fmt::Write as _;

use super::{Kind, hardware, image::Furnish, node::Made, skeleton::Family};

/// System accounts of a distribution: name, uid, gid, gecos, home, shell.
pub(crate) fn system_accounts(persona: &Persona, family: Family) -> Vec<(String, u32, u32, String, String, String)> {
    let row = |n: &str, u, g, c: &str, h: &str, s: &str| (n.to_owned(), u, g, c.to_owned(), h.to_owned(), s.to_owned());
    let no = "/usr/sbin/nologin";
    let mut list = match family {
        Family::Alpine => {
            let no = "/sbin/nologin";
            vec![
                row("root", 0, 0, "root", "/root", "/bin/ash"),
                row("bin", 1, 1, "bin", "/bin", no),
                row("daemon", 2, 2, "daemon", "/sbin", no),
                row("lp", 4, 7, "lp", "/var/spool/lpd", no),
                row("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
                row("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
                row("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
                row("mail", 8, 12, "mail", "/var/mail", no),
                row("news", 9, 13, "news", "/usr/lib/news", no),
                row("uucp", 10, 14, "uucp", "/var/spool/uucppublic", no),
                row("cron", 16, 16, "cron", "/var/spool/cron", no),
                row("ftp", 21, 21, "", "/var/lib/ftp", no),
                row("sshd", 22, 22, "sshd", "/dev/null", no),
                row("games", 35, 35, "games", "/usr/games", no),
                row("ntp", 123, 123, "NTP", "/var/empty", no),
                row("guest", 405, 100, "guest", "/dev/null", no),
                row("nobody", 65534, 65534, "nobody", "/", no),
            ]
        }
        Family::Rhel => {
            let no = "/sbin/nologin";
            vec![
                row("root", 0, 0, "root", "/root", "/bin/bash"),
                row("bin", 1, 1, "bin", "/bin", no),
                row("daemon", 2, 2, "daemon", "/sbin", no),
                row("adm", 3, 4, "adm", "/var/adm", no),
                row("lp", 4, 7, "lp", "/var/spool/lpd", no),
                row("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
                row("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
                row("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
                row("mail", 8, 12, "mail", "/var/spool/mail", no),
                row("operator", 11, 0, "operator", "/root", no),
                row("games", 12, 100, "games", "/usr/games", no),
                row("ftp", 14, 50, "FTP User", "/var/ftp", no),
                row("nobody", 65534, 65534, "Kernel Overflow User", "/", no),
                row("systemd-coredump", 999, 997, "systemd Core Dumper", "/", no),
                row("dbus", 81, 81, "System message bus", "/", no),
                row("tss", 59, 59, "Account used for TPM access", "/", no),
                row("sshd", 74, 74, "Privilege-separated SSH", "/usr/share/empty.sshd", no),
                row("chrony", 993, 990, "chrony system user", "/var/lib/chrony", no),
            ]
        }
        _ => vec![
            row("root", 0, 0, "root", "/root", "/bin/bash"),
            row("daemon", 1, 1, "daemon", "/usr/sbin", no),
            row("bin", 2, 2, "bin", "/bin", no),
            row("sys", 3, 3, "sys", "/dev", no),
            row("sync", 4, 65534, "sync", "/bin", "/bin/sync"),
            row("games", 5, 60, "games", "/usr/games", no),
            row("man", 6, 12, "man", "/var/cache/man", no),
            row("lp", 7, 7, "lp", "/var/spool/lpd", no),
            row("mail", 8, 8, "mail", "/var/mail", no),
            row("news", 9, 9, "news", "/var/spool/news", no),
            row("uucp", 10, 10, "uucp", "/var/spool/uucp", no),
            row("proxy", 13, 13, "proxy", "/bin", no),
            row("www-data", 33, 33, "www-data", "/var/www", no),
            row("backup", 34, 34, "backup", "/var/backups", no),
            row("list", 38, 38, "Mailing List Manager", "/var/list", no),
            row("irc", 39, 39, "ircd", "/run/ircd", no),
            row("_apt", 42, 65534, "", "/nonexistent", no),
            row("nobody", 65534, 65534, "nobody", "/nonexistent", no),
            row("systemd-network", 998, 998, "systemd Network Management", "/", no),
            row("systemd-timesync", 997, 997, "systemd Time Synchronization", "/", no),
            row("messagebus", 100, 107, "", "/nonexistent", no),
            row("sshd", 101, 65534, "", "/run/sshd", no),
        ],
    };
    if let Some(root) = persona.accounts.iter().find(|a| a.uid == 0)
        && let Some(first) = list.first_mut()
    {
        first.4.clone_from(&root.home);
        first.5.clone_from(&root.shell);
    }
    for s in &persona.services {
        let (name, uid, gecos, home) = match s.name.as_str() {
            "smtp" => ("postfix", 106, "", "/var/spool/postfix"),
            "imap" | "pop3" => ("dovecot", 114, "Dovecot mail server,,,", "/usr/lib/dovecot"),
            "mysql" => ("mysql", 107, "MySQL Server,,,", "/nonexistent"),
            "redis" => ("redis", 108, "", "/var/lib/redis"),
            "postgres" => ("postgres", 109, "PostgreSQL administrator,,,", "/var/lib/postgresql"),
            "mongodb" => ("mongodb", 110, "", "/var/lib/mongodb"),
            "ftp" => ("ftp", 104, "ftp daemon,,,", "/srv/ftp"),
            "telnet" => ("telnetd", 103, "", "/nonexistent"),
            "snmp" => ("Debian-snmp", 111, "", "/var/lib/snmp"),
            "mqtt" => ("mosquitto", 112, "", "/var/lib/mosquitto"),
            _ => continue,
        };
        if family != Family::Alpine && !list.iter().any(|a| a.0 == name) {
            list.push(row(name, uid, uid + 5, gecos, home, no));
        }
    }
    list
}

/// Groups: name, gid, members.
pub(crate) fn groups(persona: &Persona, family: Family) -> Vec<(String, u32, Vec<String>)> {
    let base: &[(&str, u32)] = match family {
        Family::Debian | Family::Ubuntu => &[
            ("root", 0),
            ("daemon", 1),
            ("bin", 2),
            ("sys", 3),
            ("adm", 4),
            ("tty", 5),
            ("disk", 6),
            ("lp", 7),
            ("mail", 8),
            ("news", 9),
            ("uucp", 10),
            ("man", 12),
            ("proxy", 13),
            ("kmem", 15),
            ("dialout", 20),
            ("fax", 21),
            ("voice", 22),
            ("cdrom", 24),
            ("floppy", 25),
            ("tape", 26),
            ("sudo", 27),
            ("audio", 29),
            ("dip", 30),
            ("www-data", 33),
            ("backup", 34),
            ("operator", 37),
            ("list", 38),
            ("irc", 39),
            ("src", 40),
            ("shadow", 42),
            ("utmp", 43),
            ("video", 44),
            ("sasl", 45),
            ("plugdev", 46),
            ("staff", 50),
            ("games", 60),
            ("users", 100),
            ("nogroup", 65534),
            ("systemd-journal", 999),
            ("systemd-network", 998),
            ("crontab", 101),
            ("input", 102),
            ("sgx", 103),
            ("kvm", 104),
            ("render", 105),
            ("netdev", 106),
            ("messagebus", 107),
            ("_ssh", 108),
            ("systemd-timesync", 997),
        ],
        Family::Rhel => &[
            ("root", 0),
            ("bin", 1),
            ("daemon", 2),
            ("sys", 3),
            ("adm", 4),
            ("tty", 5),
            ("disk", 6),
            ("lp", 7),
            ("mem", 8),
            ("kmem", 9),
            ("wheel", 10),
            ("cdrom", 11),
            ("mail", 12),
            ("man", 15),
            ("dialout", 18),
            ("floppy", 19),
            ("games", 20),
            ("tape", 33),
            ("video", 39),
            ("ftp", 50),
            ("lock", 54),
            ("audio", 63),
            ("users", 100),
            ("nobody", 65534),
            ("dbus", 81),
            ("sshd", 74),
            ("chrony", 990),
            ("ssh_keys", 101),
            ("apache", 48),
        ],
        Family::Alpine => &[
            ("root", 0),
            ("bin", 1),
            ("daemon", 2),
            ("sys", 3),
            ("adm", 4),
            ("tty", 5),
            ("disk", 6),
            ("lp", 7),
            ("kmem", 9),
            ("wheel", 10),
            ("floppy", 11),
            ("mail", 12),
            ("news", 13),
            ("uucp", 14),
            ("cron", 16),
            ("audio", 18),
            ("cdrom", 19),
            ("dialout", 20),
            ("ftp", 21),
            ("sshd", 22),
            ("input", 23),
            ("tape", 26),
            ("video", 27),
            ("netdev", 28),
            ("kvm", 34),
            ("games", 35),
            ("shadow", 42),
            ("www-data", 82),
            ("users", 100),
            ("ntp", 123),
            ("utmp", 406),
            ("nogroup", 65533),
            ("nobody", 65534),
        ],
    };
    let admin = if family.debian_like() { "sudo" } else { "wheel" };
    let mut out: Vec<(String, u32, Vec<String>)> = base.iter().map(|&(n, g)| (n.to_owned(), g, Vec::new())).collect();
    for a in system_accounts(persona, family) {
        if !out.iter().any(|g| g.1 == a.2) {
            out.push((a.0, a.2, Vec::new()));
        }
    }
    for a in persona.accounts.iter().filter(|a| a.uid != 0) {
        let first_human = a.uid == 1000 && family.debian_like();
        for (name, _, members) in &mut out {
            if (a.sudo && name == admin)
                || (first_human && matches!(name.as_str(), "cdrom" | "floppy" | "audio" | "dip" | "video" | "plugdev" | "users" | "netdev"))
            {
                members.push(a.name.clone());
            }
        }
        if !out.iter().any(|g| g.1 == a.gid) {
            out.push((a.name.clone(), a.gid, Vec::new()));
        }
    }
    out
}

/// Everything of the persona's own.
pub(crate) fn furnish(f: &mut Furnish<'_>) {
    let persona = f.persona();
    let p = &*persona;
    let family = f.family();
    let made = p.installed.seconds();
    let boot = p.booted.seconds();
    let root = (0, 0);
    layout(f, p, family, made, boot);
    super::etc::furnish(f, p, family, made, boot);
    super::home::furnish(f, p, family, made, boot);
    let _ = root;
}

fn layout(f: &mut Furnish<'_>, p: &Persona, family: Family, made: i64, boot: i64) {
    let root = (0, 0);
    if family != Family::Alpine {
        for (path, target) in [("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")] {
            f.link(path, target, made);
        }
    }
    for (path, mode) in [
        ("/boot", 0o755),
        ("/dev", 0o755),
        ("/etc", 0o755),
        ("/home", 0o755),
        ("/media", 0o755),
        ("/mnt", 0o755),
        ("/opt", 0o755),
        ("/proc", 0o555),
        ("/root", 0o700),
        ("/run", 0o755),
        ("/srv", 0o755),
        ("/sys", 0o555),
        ("/tmp", 0o1777),
        ("/usr", 0o755),
        ("/usr/local", 0o755),
        ("/usr/local/bin", 0o755),
        ("/usr/local/sbin", 0o755),
        ("/usr/local/lib", 0o755),
        ("/usr/local/etc", 0o755),
        ("/usr/src", 0o755),
        ("/var", 0o755),
        ("/var/backups", 0o755),
        ("/var/cache", 0o755),
        ("/var/lib", 0o755),
        ("/var/local", 0o2775),
        ("/var/log", 0o755),
        ("/var/mail", 0o2775),
        ("/var/opt", 0o755),
        ("/var/spool", 0o755),
        ("/var/spool/cron", 0o755),
        ("/var/tmp", 0o1777),
        ("/dev/shm", 0o1777),
        ("/dev/mqueue", 0o1777),
        ("/dev/disk", 0o755),
        ("/dev/net", 0o755),
        ("/run/lock", 0o1777),
        ("/run/user", 0o755),
        ("/run/systemd", 0o755),
        ("/run/sshd", 0o755),
        ("/lost+found", 0o700),
    ] {
        if family == Family::Alpine && matches!(path, "/lost+found" | "/run/systemd" | "/var/backups" | "/usr/src") {
            continue;
        }
        let at = if path.starts_with("/run") || path.starts_with("/dev") || matches!(path, "/proc" | "/sys") { boot } else { made };
        f.dir(path, mode, root, at);
    }
    f.link("/var/run", "/run", made);
    f.link("/var/lock", "/run/lock", made);
    let hw = hardware::Hardware::of(p);
    for (name, major, minor, mode, gid) in [
        ("null", 1, 3, 0o666, 0),
        ("zero", 1, 5, 0o666, 0),
        ("full", 1, 7, 0o666, 0),
        ("random", 1, 8, 0o666, 0),
        ("urandom", 1, 9, 0o666, 0),
        ("mem", 1, 1, 0o640, 15),
        ("port", 1, 4, 0o640, 15),
        ("kmsg", 1, 11, 0o644, 0),
        ("tty", 5, 0, 0o666, 5),
        ("console", 5, 1, 0o600, 0),
        ("ptmx", 5, 2, 0o666, 5),
        ("tty0", 4, 0, 0o620, 5),
        ("tty1", 4, 1, 0o620, 5),
        ("tty2", 4, 2, 0o620, 5),
        ("ttyS0", 4, 64, 0o660, 20),
        ("fuse", 10, 229, 0o666, 0),
        ("rtc0", 248, 0, 0o600, 0),
        ("hpet", 10, 228, 0o600, 0),
        ("uinput", 10, 223, 0o600, 0),
        ("watchdog", 10, 130, 0o600, 0),
        ("net/tun", 10, 200, 0o666, 0),
        ("loop-control", 10, 237, 0o660, 6),
    ] {
        f.special(&format!("/dev/{name}"), Kind::Char(major, minor), mode, (0, gid), boot);
    }
    let major = if hw.disk.starts_with("vd") {
        254
    } else if hw.disk.starts_with("nv") {
        259
    } else {
        8
    };
    f.special(&format!("/dev/{}", hw.disk), Kind::Block(major, 0), 0o660, (0, 6), boot);
    for n in [1, 2, 5] {
        f.special(&format!("/dev/{}", hw.part(n)), Kind::Block(major, n), 0o660, (0, 6), boot);
    }
    for n in 0..8 {
        f.special(&format!("/dev/loop{n}"), Kind::Block(7, n), 0o660, (0, 6), boot);
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
        ("rtc", "rtc0"),
        ("initctl", "/run/initctl"),
        ("log", "/run/systemd/journal/dev-log"),
    ] {
        f.link(&format!("/dev/{name}"), target, boot);
    }
    if family != Family::Alpine {
        let k = &p.distro.kernel_release;
        f.filler(&format!("/boot/config-{k}"), 0o644, root, made - 400_000, 259_612);
        f.filler(&format!("/boot/initrd.img-{k}"), 0o644, root, made + 900, 39_000_000 + u64::from(p.seed[7]) * 4099);
        f.filler(&format!("/boot/System.map-{k}"), 0o644, root, made - 400_000, 83);
        f.filler(&format!("/boot/vmlinuz-{k}"), 0o644, root, made - 400_000, 8_219_520);
        f.link("/vmlinuz", &format!("boot/vmlinuz-{k}"), made);
        f.link("/initrd.img", &format!("boot/initrd.img-{k}"), made);
        f.dir("/boot/grub", 0o755, root, made);
    }
}

/// Bytes for a file whose content nobody wrote: text for documents, noise for the rest.
pub(crate) fn filler(path: &str, size: usize) -> Bytes {
    use rand::SeedableRng;
    let size = size.min(super::LARGEST);
    let mut seed = [0u8; 32];
    for (n, b) in path.bytes().enumerate() {
        let at = n % 32;
        if let Some(place) = seed.get_mut(at) {
            *place = place.wrapping_mul(31).wrapping_add(b);
        }
    }
    let mut rng = rand_chacha::ChaCha8Rng::from_seed(seed);
    let binary = path.ends_with(".gz")
        || path.ends_with(".so")
        || path.ends_with(".mo")
        || path.contains("/terminfo/")
        || path.contains("/zoneinfo/")
        || path.contains("initrd")
        || path.contains("vmlinuz")
        || path.ends_with(".xz")
        || path.ends_with(".bin")
        || path.ends_with(".cache");
    if binary {
        let mut out = vec![0; size];
        rng.fill_bytes(&mut out);
        let magic: &[u8] = if path.ends_with(".gz") {
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03"
        } else if path.contains("/zoneinfo/") {
            b"TZif2"
        } else if path.contains("/terminfo/") {
            b"\x1a\x01"
        } else {
            b""
        };
        if let Some(head) = out.get_mut(..magic.len()) {
            head.copy_from_slice(magic);
        }
        return out.into();
    }
    const WORDS: &[&str] = &[
        "the", "set", "of", "a", "value", "default", "when", "option", "is", "not", "file", "system", "to", "and", "for", "with", "user",
        "path", "name", "in", "this", "list", "enable", "service", "config",
    ];
    let mut out = String::with_capacity(size + 80);
    let comment = if path.starts_with("/etc") || path.ends_with(".conf") || path.ends_with(".sh") { "# " } else { "" };
    if path.contains("bin/") || path.ends_with(".sh") {
        out.push_str("#!/bin/sh\n");
    }
    while out.len() < size {
        let _ = write!(out, "{comment}");
        for n in 0..rng.random_range(4..12) {
            if n > 0 {
                out.push(' ');
            }
            out.push_str(WORDS.get(rng.random_range(0..WORDS.len())).copied().unwrap_or_default());
        }
        out.push('\n');
    }
    out.truncate(size.saturating_sub(1));
    if size > 0 {
        out.push('\n');
    }
    out.into()
}

/// Used by the files of `etc` and `home`.
pub(crate) const SHADOW: Made = Made::Shadow;
