//! Files whose content is made when read: password hashes, logs, the package database.

use bytes::Bytes;
use model::{Micros, Persona};
use rand::{Rng, RngExt};
use sha2::{Digest, Sha512};
use std::fmt::Write as _;

use super::{
    hardware,
    node::Made,
    skeleton::{Family, Skeleton},
};

/// The bytes of `made` at `now`.
pub(crate) fn make(persona: &Persona, family: Family, made: Made, now: Micros) -> Bytes {
    match made {
        Made::Shadow => shadow(persona, family).into(),
        Made::AuthLog => auth_log(persona, now).into(),
        Made::Syslog => syslog(persona, now, true).into(),
        Made::KernLog => syslog(persona, now, false).into(),
        Made::DpkgLog => dpkg_log(persona).into(),
        Made::DpkgStatus => dpkg_status(persona).into(),
        Made::AptHistory => format!(
            "\nStart-Date: {0}\nCommandline: apt-get dist-upgrade -y\nRequested-By: root (0)\nEnd-Date: {0}\n",
            local(persona, persona.installed.seconds() + 86_400, "%Y-%m-%d  %H:%M:%S")
        )
        .into(),
        Made::Wtmp | Made::Lastlog => Bytes::new(),
        Made::HostKey(_) => Bytes::new(),
    }
}

/// A time in the persona's own time zone.
pub(crate) fn local(persona: &Persona, seconds: i64, format: &str) -> String {
    let zone = jiff::tz::TimeZone::get(&persona.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::from_second(seconds).map(|t| t.to_zoned_datetime(zone).strftime(format).to_string()).unwrap_or_default()
}

fn shadow(persona: &Persona, family: Family) -> String {
    let days = persona.installed.seconds() / 86_400;
    let mut out = String::new();
    for (name, ..) in super::people::system_accounts(persona, family) {
        if name != "root" {
            let star = if matches!(name.as_str(), "systemd-network" | "systemd-timesync" | "messagebus" | "sshd" | "systemd-resolve") {
                "!"
            } else {
                "*"
            };
            let _ = writeln!(out, "{name}:{star}:{days}:{}", if star == "!" { ":::::" } else { "0:99999:7:::" });
            continue;
        }
        let account = persona.accounts.iter().find(|a| a.uid == 0);
        let _ = writeln!(out, "root:{}:{days}:0:99999:7:::", hashed(persona, account.and_then(|a| a.password.as_deref()), "root"));
    }
    for a in persona.accounts.iter().filter(|a| a.uid != 0) {
        let _ = writeln!(out, "{}:{}:{days}:0:99999:7:::", a.name, hashed(persona, a.password.as_deref(), &a.name));
    }
    out
}

fn hashed(persona: &Persona, password: Option<&str>, name: &str) -> String {
    let Some(password) = password else {
        return "!".into();
    };
    let mut rng = hardware::rng(persona, &format!("shell/salt/{name}"));
    let salt: String = (0..16).map(|_| char::from(ITOA.get(rng.random_range(0..ITOA.len())).copied().unwrap_or(b'.'))).collect();
    sha512_crypt(password.as_bytes(), salt.as_bytes())
}

const ITOA: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `crypt(3)` with `$6$`: Ulrich Drepper's SHA-crypt, 5000 rounds.
pub(crate) fn sha512_crypt(password: &[u8], salt: &[u8]) -> String {
    let salt = salt.get(..16).unwrap_or(salt);
    let password = password.get(..256).unwrap_or(password);
    let b: [u8; 64] = Sha512::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut a = Sha512::new().chain_update(password).chain_update(salt);
    let mut left = password.len();
    while left > 0 {
        let take = left.min(64);
        a.update(b.get(..take).unwrap_or(&b));
        left -= take;
    }
    let mut n = password.len();
    while n > 0 {
        if n & 1 == 1 {
            a.update(b)
        } else {
            a.update(password)
        }
        n >>= 1;
    }
    let mut digest: [u8; 64] = a.finalize().into();
    let mut dp = Sha512::new();
    for _ in 0..password.len() {
        dp.update(password);
    }
    let dp: [u8; 64] = dp.finalize().into();
    let p: Vec<u8> = dp.iter().copied().cycle().take(password.len()).collect();
    let mut ds = Sha512::new();
    for _ in 0..16 + usize::from(digest[0]) {
        ds.update(salt);
    }
    let ds: [u8; 64] = ds.finalize().into();
    let s: Vec<u8> = ds.iter().copied().cycle().take(salt.len()).collect();
    for round in 0..5000u32 {
        let mut c = Sha512::new();
        if round & 1 == 1 {
            c.update(&p)
        } else {
            c.update(digest)
        }
        if !round.is_multiple_of(3) {
            c.update(&s);
        }
        if !round.is_multiple_of(7) {
            c.update(&p);
        }
        if round & 1 == 1 {
            c.update(digest)
        } else {
            c.update(&p)
        }
        digest = c.finalize().into();
    }
    let mut out = format!("$6${}$", String::from_utf8_lossy(salt));
    let mut push = |x: u8, y: u8, z: u8, n: usize| {
        let mut w = u32::from(x) << 16 | u32::from(y) << 8 | u32::from(z);
        for _ in 0..n {
            out.push(char::from(ITOA.get((w & 0x3f) as usize).copied().unwrap_or(b'.')));
            w >>= 6;
        }
    };
    let (mut i, mut j, mut k) = (0usize, 21usize, 42usize);
    for _ in 0..21 {
        let at = |n: usize| digest.get(n).copied().unwrap_or(0);
        push(at(i), at(j), at(k), 4);
        (i, j, k) = (j + 1, k + 1, i + 1);
    }
    push(0, 0, digest[63], 2);
    out
}

fn auth_log(persona: &Persona, now: Micros) -> String {
    let mut rng = hardware::rng(persona, "shell/auth.log");
    let start = now.seconds() - now.seconds().rem_euclid(604_800);
    let mut at = start.max(persona.booted.seconds() + 60);
    let mut out = String::new();
    let mut pid = rng.random_range(1500..3000u32);
    let stamp = |t: i64, us: u32| local(persona, t, "%Y-%m-%dT%H:%M:%S") + &format!(".{us:06}") + &local(persona, t, "%:z");
    let host = &persona.hostname;
    while at < now.seconds() && out.len() < 60_000 {
        let hour = at - at.rem_euclid(3600) + 17 * 60 + 1;
        let t = if hour > at { hour } else { hour + 3600 };
        if t >= now.seconds() {
            break;
        }
        pid += rng.random_range(4..90u32);
        let us = rng.random_range(0..900_000u32);
        let _ =
            writeln!(out, "{} {host} CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", stamp(t, us));
        let _ = writeln!(out, "{} {host} CRON[{pid}]: pam_unix(cron:session): session closed for user root", stamp(t, us + 4000));
        at = t + 60;
    }
    out
}

fn syslog(persona: &Persona, now: Micros, all: bool) -> String {
    let mut out = String::new();
    let host = &persona.hostname;
    let boot = persona.booted.seconds();
    let stamp = |t: i64, us: u32| local(persona, t, "%Y-%m-%dT%H:%M:%S") + &format!(".{us:06}") + &local(persona, t, "%:z");
    if now.seconds() - boot < 7 * 86_400 {
        for (n, line) in dmesg_lines(persona).iter().enumerate() {
            let _ = writeln!(out, "{} {host} kernel: {line}", stamp(boot + 3, 120_000 + u32::try_from(n).unwrap_or(0) * 211));
        }
    }
    if all {
        for (t, us, line) in routine(persona, (now.seconds() - 86_400 * 2).max(boot + 30), now.seconds()) {
            let _ = writeln!(out, "{} {host} {line}", stamp(t, us));
        }
    }
    out
}

/// What a machine without visitors writes between two times: cron at its minute, each timer as often as it is set.
/// Second, microsecond, text; in order.
pub(super) fn routine(persona: &Persona, from: i64, to: i64) -> Vec<(i64, u32, String)> {
    const DAY: i64 = 86_400;
    let mut out = Vec::new();
    if persona.distro.id == "alpine" {
        return out;
    }
    let zone = jiff::tz::TimeZone::get(&persona.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    let offset = jiff::Timestamp::from_second(to).map_or(0, |t| i64::from(zone.to_offset(t).seconds()));
    let local_day = |t: i64| (t + offset).div_euclid(DAY);
    // A timer's delay on one day is its own, whenever somebody looks.
    let dice = |what: &str, n: i64| hardware::rng(persona, &format!("shell/routine/{what}/{n}"));
    let mut unit = |t: i64, us: u32, name: &str, does: &str, took: i64| {
        if (from..to).contains(&t) {
            out.push((t, us, format!("systemd[1]: Starting {name}.service - {does}...")));
            let end = us + u32::try_from(took % 1_000_000).unwrap_or(0);
            let (later, us) = (t + took / 1_000_000 + i64::from(end / 1_000_000), end % 1_000_000);
            out.push((later, us, format!("systemd[1]: {name}.service: Deactivated successfully.")));
            out.push((later, us + 41, format!("systemd[1]: Finished {name}.service - {does}.")));
        }
    };
    for day in local_day(from) - 1..=local_day(to) {
        let midnight = day * DAY - offset;
        let mut rng = dice("day", day);
        let mut us = || rng.random_range(1_000..900_000u32);
        let mut delays = dice("delay", day);
        let mut delay = |most: i64| delays.random_range(0..most);
        // Days since 1970-01-01, a Thursday: the third after it is a Sunday, fstrim runs as Monday begins.
        if (day + 3).rem_euclid(7) == 0 {
            unit(midnight + delay(6_000), us(), "fstrim", "Discard unused blocks on filesystems from /etc/fstab", 2_317_000);
        }
        unit(midnight, us(), "dpkg-db-backup", "Daily dpkg database backup service", 141_000);
        unit(midnight, us(), "logrotate", "Rotate log files", 96_000);
        unit(midnight + 6 * 3600 + delay(12 * 3600), us(), "apt-daily", "Daily apt download activities", 1_480_000);
        unit(midnight + 6 * 3600 + delay(3_600), us(), "apt-daily-upgrade", "Daily apt upgrade and clean activities", 902_000);
        unit(midnight + delay(DAY), us(), "man-db", "Daily man-db regeneration", 611_000);
    }
    // /etc/crontab: seventeen minutes past every hour.
    let first = dice("pid", 0).random_range(0..900i64) + 2_000;
    let mut t = (from - 17 * 60).div_euclid(3600) * 3600 + 17 * 60 + 3600;
    while t < to {
        let mut rng = dice("cron", t);
        // Some thirty processes an hour since boot.
        let pid = (first + (t - persona.booted.seconds()).div_euclid(3600) * 31 + rng.random_range(0..24i64)).rem_euclid(4_194_304);
        let us = rng.random_range(1_000..900_000u32);
        out.push((t + 1, us, format!("CRON[{pid}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)")));
        t += 3600;
    }
    out.retain(|(t, ..)| (from..to).contains(t));
    out.sort_by_key(|(t, us, _)| (*t, *us));
    out
}

/// Lines of the kernel's ring buffer without times.
pub(crate) fn dmesg_lines(persona: &Persona) -> Vec<String> {
    let hw = hardware::Hardware::of(persona);
    let d = &persona.distro;
    let mut out = vec![
        format!("Linux version {} {}", d.kernel_release, d.kernel_version),
        format!("Command line: BOOT_IMAGE=/boot/vmlinuz-{} ro quiet", d.kernel_release),
        "BIOS-provided physical RAM map:".into(),
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable".into(),
        "BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved".into(),
        "NX (Execute Disable) protection: active".into(),
        format!("SMBIOS 2.8 present."),
        format!("DMI: {} {}, BIOS {} {}", hw.sys_vendor, hw.product, hw.bios, hw.bios_date),
    ];
    if let Some(h) = hw.hypervisor {
        out.push(format!(
            "Hypervisor detected: {}",
            match h {
                "kvm" => "KVM",
                "vmware" => "VMware",
                "microsoft" => "Microsoft Hyper-V",
                "xen" => "Xen HVM",
                _ => "KVM",
            }
        ));
    }
    out.extend([
        format!("tsc: Detected {:.3} MHz processor", hw.mhz),
        format!(
            "Memory: {}K/{}K available (14342K kernel code, 2332K rwdata, 9056K rodata, 2780K init, 17408K bss)",
            hw.mem_kb - 9000,
            hw.mem_kb + 40_000
        ),
        format!("smpboot: CPU0: {} (family: {:#x}, model: {:#x}, stepping: {:#x})", hw.cpu, hw.family, hw.model, hw.stepping),
        format!("smp: Brought up 1 node, {} CPU{}", hw.cores, if hw.cores == 1 { "" } else { "s" }),
        "NET: Registered PF_INET protocol family".into(),
        "NET: Registered PF_INET6 protocol family".into(),
        "SCSI subsystem initialized".into(),
        format!("EXT4-fs ({}): mounted filesystem with ordered data mode. Quota mode: none.", hw.part(1)),
        format!("Adding {}k swap on /dev/{}.  Priority:-2 extents:1 across:{}k FS", hw.swap_kb, hw.part(5), hw.swap_kb),
        format!("{}: renamed from eth0", hw.nic),
        format!("IPv6: ADDRCONF(NETDEV_CHANGE): {}: link becomes ready", hw.nic),
    ]);
    out
}

/// Packages of a Debian-like machine: name, version, short description.
pub(crate) fn packages(persona: &Persona) -> Vec<(String, String, String)> {
    let skeleton = Skeleton::of(Family::Debian);
    let mut names: Vec<String> = skeleton.list(b"/usr/share/doc").iter().map(|e| String::from_utf8_lossy(&e.name).into_owned()).collect();
    names.sort();
    names
        .into_iter()
        .map(|n| {
            let key = n.bytes().fold(5381u32, |h, b| h.wrapping_mul(33) ^ u32::from(b));
            let known = match n.as_str() {
                "bash" => Some("5.2.15-2+b8"),
                "coreutils" => Some("9.1-1"),
                "openssh-server" | "openssh-client" | "openssh-sftp-server" => None,
                "busybox" => Some("1:1.35.0-4+b5"),
                "curl" | "libcurl4" => Some("7.88.1-10+deb12u12"),
                "wget" => Some("1.21.3-1+deb12u1"),
                "sudo" => Some("1.9.13p3-1+deb12u1"),
                "procps" | "libproc2-0" => Some("2:4.0.2-3"),
                "libc6" | "libc-bin" => Some("2.36-9+deb12u10"),
                _ => None,
            };
            let ssh = persona.service("ssh").map(|s| {
                format!("1:{}-{}", s.software.version, s.software.package.trim_start_matches("Debian-").trim_start_matches("Ubuntu-"))
            });
            let version = match known {
                Some(v) => v.to_owned(),
                None if n.starts_with("openssh") => ssh.unwrap_or_else(|| "1:9.2p1-2+deb12u5".into()),
                None => format!("{}.{}.{}-{}", key % 4 + 1, key / 7 % 20, key / 31 % 9, key / 101 % 4 + 1),
            };
            let what = format!("{} package", n);
            (n, version, what)
        })
        .collect()
}

fn dpkg_status(persona: &Persona) -> String {
    let mut out = String::new();
    for (name, version, what) in packages(persona) {
        let _ = write!(
            out,
            "Package: {name}\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\nVersion: {version}\nDescription: {what}\n\n"
        );
    }
    out
}

fn dpkg_log(persona: &Persona) -> String {
    let mut rng = hardware::rng(persona, "shell/dpkg.log");
    let mut t = persona.installed.seconds();
    let mut out = String::new();
    for (name, version, _) in packages(persona) {
        t += i64::from(rng.next_u32() % 2);
        let at = local(persona, t, "%Y-%m-%d %H:%M:%S");
        let _ = write!(
            out,
            "{at} install {name}:amd64 <none> {version}\n{at} status half-installed {name}:amd64 {version}\n{at} status unpacked {name}:amd64 {version}\n{at} configure {name}:amd64 {version} <none>\n{at} status installed {name}:amd64 {version}\n"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::rehearse;

    #[test]
    fn every_timer_runs_as_often_as_it_is_set() {
        let persona = rehearse::persona();
        let to = rehearse::NOW.seconds();
        let from = to - 28 * 86_400;
        let lines = routine(&persona, from, to);
        let count = |what: &str| lines.iter().filter(|(.., line)| line.contains(what)).count();
        assert_eq!(count("Starting fstrim"), 4);
        assert_eq!(count("Starting logrotate"), 28);
        assert!((27..=29).contains(&count("Starting apt-daily.service")));
        assert_eq!(count("cron.hourly"), 28 * 24);
        // Looking later does not change what was.
        let later = routine(&persona, from, to + 86_400);
        assert!(lines.iter().filter(|l| l.0 < to - 10).all(|l| later.contains(l)));
        assert!(lines.is_sorted_by_key(|l| (l.0, l.1)));
    }
}
