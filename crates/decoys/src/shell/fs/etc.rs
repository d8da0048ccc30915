//! `/etc`, `/var` and the trees of the services.

use model::Persona;
use std::fmt::Write as _;

use super::{hardware::Hardware, image::Furnish, node::Made, people, skeleton::Family};

/// Puts configuration, state and logs into the image.
pub(crate) fn furnish(f: &mut Furnish<'_>, p: &Persona, family: Family, made: i64, boot: i64) {
    let root = (0, 0);
    let hw = Hardware::of(p);
    let mut passwd = String::new();
    for (name, uid, gid, gecos, home, shell) in people::system_accounts(p, family) {
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}");
    }
    for a in p.accounts.iter().filter(|a| a.uid != 0) {
        let gecos = if a.gecos.is_empty() && family.debian_like() { ",,,".to_owned() } else { a.gecos.clone() };
        let _ = writeln!(passwd, "{}:x:{}:{}:{gecos}:{}:{}", a.name, a.uid, a.gid, a.home, a.shell);
    }
    let mut group = String::new();
    let mut gshadow = String::new();
    for (name, gid, members) in people::groups(p, family) {
        let _ = writeln!(group, "{name}:x:{gid}:{}", members.join(","));
        let _ = writeln!(gshadow, "{name}:{}::{}", if (1000..60_000).contains(&gid) { "!" } else { "*" }, members.join(","));
    }
    let shadow_group = if family == Family::Rhel { 0 } else { 42 };
    let shadow_mode = if family == Family::Rhel { 0o000 } else { 0o640 };
    let own = made + 1800;
    let text: Vec<(&str, String)> = vec![
        ("/etc/passwd", passwd.clone()),
        ("/etc/group", group.clone()),
        ("/etc/hostname", format!("{}\n", p.hostname)),
        ("/etc/hosts", hosts(p, family)),
        ("/etc/resolv.conf", resolv(p)),
        ("/etc/fstab", fstab(p, &hw)),
        ("/etc/timezone", format!("{}\n", p.timezone)),
        ("/etc/machine-id", format!("{}\n", hex::encode(crate::stage::derive(p, "shell/machine-id").get(..16).unwrap_or_default()))),
        ("/etc/shells", if family == Family::Alpine { "# valid login shells\n/bin/sh\n/bin/ash\n".into() } else { "# /etc/shells: valid login shells\n/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/rbash\n/usr/bin/rbash\n/bin/dash\n/usr/bin/dash\n/usr/bin/screen\n".into() }),
        ("/etc/issue", issue(p)),
        ("/etc/issue.net", format!("{}\n", p.distro.pretty_name.split(" (").next().unwrap_or_default())),
        ("/etc/services", SERVICES.into()),
        ("/etc/protocols", "ip\t0\tIP\nicmp\t1\tICMP\nigmp\t2\tIGMP\ntcp\t6\tTCP\nudp\t17\tUDP\nipv6\t41\tIPv6\ngre\t47\tGRE\nesp\t50\tIPSEC-ESP\nah\t51\tIPSEC-AH\nipv6-icmp\t58\tIPv6-ICMP\nospf\t89\tOSPFIGP\nsctp\t132\tSCTP\n".into()),
        ("/etc/nsswitch.conf", "passwd:         files systemd\ngroup:          files systemd\nshadow:         files systemd\ngshadow:        files systemd\n\nhosts:          files dns\nnetworks:       files\n\nprotocols:      db files\nservices:       db files\nethers:         db files\nrpc:            db files\n\nnetgroup:       nis\n".into()),
        ("/etc/host.conf", "multi on\n".into()),
        ("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n\n".into()),
        ("/etc/profile", profile(family)),
        ("/etc/environment", if family == Family::Ubuntu { "PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games:/snap/bin\"\n".into() } else { String::new() }),
        ("/etc/os-release", os_release(p)),
    ];
    for (path, text) in text {
        f.file(path, 0o644, root, own, text);
    }
    f.file("/etc/passwd-", 0o644, root, own - 60, passwd);
    f.file("/etc/group-", 0o644, root, own - 60, group);
    f.file("/etc/gshadow", shadow_mode, (0, shadow_group), own, gshadow);
    let size = shadow_size(p, family);
    f.made("/etc/shadow", shadow_mode, (0, shadow_group), own, size, people::SHADOW);
    f.made("/etc/shadow-", shadow_mode, (0, shadow_group), own - 60, size, people::SHADOW);
    f.link("/etc/mtab", "../proc/self/mounts", made);
    f.link("/etc/localtime", &format!("/usr/share/zoneinfo/{}", p.timezone), made);
    if family != Family::Alpine {
        f.link("/etc/os-release", "../usr/lib/os-release", made);
        f.file("/usr/lib/os-release", 0o644, root, made - 90_000, os_release(p));
    }
    match family {
        Family::Debian => {
            let point = match p.distro.version_id.as_str() {
                "12" => "12.9",
                "11" => "11.11",
                "13" => "13.1",
                v => v,
            };
            f.file("/etc/debian_version", 0o644, root, made - 90_000, format!("{point}\n"));
        }
        Family::Ubuntu => {
            f.file("/etc/debian_version", 0o644, root, made - 90_000, "bookworm/sid\n");
            f.file(
                "/etc/lsb-release",
                0o644,
                root,
                made - 90_000,
                format!(
                    "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={}\nDISTRIB_CODENAME={}\nDISTRIB_DESCRIPTION=\"{}\"\n",
                    p.distro.version_id, p.distro.codename, p.distro.pretty_name
                ),
            );
        }
        Family::Rhel => {
            f.file("/etc/redhat-release", 0o644, root, made - 90_000, format!("{}\n", p.distro.pretty_name));
            f.link("/etc/system-release", "redhat-release", made);
            f.dir("/etc/yum.repos.d", 0o755, root, made);
            f.dir("/etc/sysconfig", 0o755, root, made);
            for (name, size) in [("dnf-3", 2_100u64), ("rpm", 24_280), ("firewall-cmd", 115_000)] {
                f.program(&format!("/usr/bin/{name}"), size, made - 3_000_000);
            }
            f.link("/usr/bin/yum", "dnf-3", made);
            f.link("/usr/bin/dnf", "dnf-3", made);
        }
        Family::Alpine => {
            f.file("/etc/alpine-release", 0o644, root, made - 90_000, format!("{}\n", p.distro.version_id));
            f.file(
                "/etc/apk/repositories",
                0o644,
                root,
                made,
                format!(
                    "https://dl-cdn.alpinelinux.org/alpine/v{0}/main\nhttps://dl-cdn.alpinelinux.org/alpine/v{0}/community\n",
                    p.distro.version_id.rsplit_once('.').map_or(p.distro.version_id.as_str(), |v| v.0)
                ),
            );
            f.file("/etc/apk/world", 0o644, root, made, "alpine-base\nbusybox-mdev-openrc\nopenssh\nopenssl\n");
            f.file("/etc/motd", 0o644, root, made, "Welcome to Alpine!\n\nThe Alpine Wiki contains a large amount of how-to guides and general\ninformation about administrating Alpine systems.\nSee <https://wiki.alpinelinux.org/>.\n\nYou can setup the system with the command: setup-alpine\n\nYou may change this message by editing /etc/motd.\n\n");
            f.file("/etc/network/interfaces", 0o644, root, own, interfaces(p, &hw));
        }
    }
    if family.debian_like() {
        let (url, security, comps) = if family == Family::Ubuntu {
            ("http://archive.ubuntu.com/ubuntu", "http://security.ubuntu.com/ubuntu", "main restricted universe multiverse")
        } else {
            ("http://deb.debian.org/debian", "http://security.debian.org/debian-security", "main non-free-firmware")
        };
        let c = &p.distro.codename;
        f.file(
            "/etc/apt/sources.list",
            0o644,
            root,
            own,
            format!("deb {url} {c} {comps}\ndeb {security} {c}-security {comps}\ndeb {url} {c}-updates {comps}\n"),
        );
        f.file("/etc/network/interfaces", 0o644, root, own, interfaces(p, &hw));
        f.file("/etc/crontab", 0o644, root, made - 5_000_000, "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n47 6\t* * 7\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }\n52 6\t1 * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }\n#\n");
        f.file("/etc/motd", 0o644, root, made, motd(p));
        f.made("/var/log/auth.log", 0o640, (0, 4), boot, 0, Made::AuthLog);
        f.made("/var/log/syslog", 0o640, (0, 4), boot, 0, Made::Syslog);
        f.made("/var/log/kern.log", 0o640, (0, 4), boot, 0, Made::KernLog);
        f.made("/var/log/dpkg.log", 0o644, root, made + 900, 0, Made::DpkgLog);
        f.made("/var/lib/dpkg/status", 0o644, root, made + 900, 0, Made::DpkgStatus);
        f.made("/var/log/apt/history.log", 0o644, root, made + 86_400, 0, Made::AptHistory);
        f.dir("/var/spool/cron/crontabs", 0o1730, (0, 101), made);
        f.dir("/var/log/journal", 0o2755, (0, 999), made);
    } else if family == Family::Rhel {
        f.made("/var/log/secure", 0o600, root, boot, 0, Made::AuthLog);
        f.made("/var/log/messages", 0o600, root, boot, 0, Made::Syslog);
    } else {
        f.made("/var/log/messages", 0o640, root, boot, 0, Made::Syslog);
    }
    let rec = boot + 20;
    f.made("/var/log/wtmp", 0o664, (0, 43), rec, 34_560, Made::Wtmp);
    f.made("/var/log/lastlog", 0o664, (0, 43), rec, 292_292, Made::Lastlog);
    f.file("/var/log/btmp", 0o660, (0, 43), rec, "");
    f.file("/var/log/faillog", 0o644, root, made, "");
    f.file("/run/utmp", 0o664, (0, 43), rec, "");
    f.file("/run/sshd.pid", 0o644, root, boot + 6, format!("{}\n", 500 + u32::from(p.seed[6])));
    ssh(f, p, family, made);
    if p.accounts.iter().any(|a| a.sudo) || family.debian_like() {
        let admin = if family.debian_like() { "%sudo\tALL=(ALL:ALL) ALL" } else { "%wheel\tALL=(ALL)\tALL" };
        f.file("/etc/sudoers", 0o440, root, made, format!("Defaults\tenv_reset\nDefaults\tmail_badpass\nDefaults\tsecure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\nDefaults\tuse_pty\n\nroot\tALL=(ALL:ALL) ALL\n\n{admin}\n\n@includedir /etc/sudoers.d\n"));
    }
    super::trade::furnish(f, p, made, boot);
}

fn shadow_size(p: &Persona, family: Family) -> u64 {
    let days = (p.installed.seconds() / 86_400).to_string().len();
    let line = |name: &str, secret: usize, tail: usize| (name.len() + 1 + secret + 1 + days + 1 + tail + 1) as u64;
    let mut total = 0;
    let secret = |a: Option<&model::Account>| {
        if a.is_some_and(|a| a.password.is_some()) { 106 } else { 1 }
    };
    for (name, ..) in people::system_accounts(p, family) {
        total += match name.as_str() {
            "root" => line("root", secret(p.accounts.iter().find(|a| a.uid == 0)), 12),
            "systemd-network" | "systemd-timesync" | "messagebus" | "sshd" | "systemd-resolve" => line(&name, 1, 5),
            _ => line(&name, 1, 12),
        };
    }
    total + p.accounts.iter().filter(|a| a.uid != 0).map(|a| line(&a.name, secret(Some(a)), 12)).sum::<u64>()
}

fn hosts(p: &Persona, family: Family) -> String {
    let own = if p.domain.is_empty() { p.hostname.clone() } else { format!("{}\t{}", p.fqdn(), p.hostname) };
    if family == Family::Alpine {
        return format!("127.0.0.1\t{} {} localhost.localdomain localhost\n::1\t\tlocalhost localhost.localdomain\n", p.fqdn(), p.hostname);
    }
    format!(
        "127.0.0.1\tlocalhost\n127.0.1.1\t{own}\n\n::1     localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )
}

fn resolv(p: &Persona) -> String {
    let server = p.gateway.map_or_else(|| "192.168.1.1".to_owned(), |g| g.to_string());
    if p.domain.is_empty() { format!("nameserver {server}\n") } else { format!("domain {0}\nsearch {0}\nnameserver {server}\n", p.domain) }
}

fn fstab(p: &Persona, hw: &Hardware) -> String {
    let uuid = |what: &str| super::proc::uuid(&crate::stage::derive(p, &format!("shell/{what}_uuid")));
    format!(
        "# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n# / was on /dev/{} during installation\nUUID={} /               ext4    errors=remount-ro 0       1\n# swap was on /dev/{} during installation\nUUID={} none            swap    sw              0       0\n/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n",
        hw.part(1),
        uuid("root"),
        hw.part(5),
        uuid("swap")
    )
}

/// `/etc/issue`, which a console and telnet show with the escapes replaced.
pub(crate) fn issue(p: &Persona) -> String {
    match p.distro.id.as_str() {
        "debian" => format!("{} \\n \\l\n\n", p.distro.pretty_name.split(" (").next().unwrap_or_default()),
        "ubuntu" => format!("{} \\n \\l\n\n", p.distro.pretty_name),
        "alpine" => format!(
            "Welcome to Alpine Linux {}\nKernel \\r on an \\m (\\l)\n\n",
            p.distro.version_id.rsplit_once('.').map_or(p.distro.version_id.as_str(), |v| v.0)
        ),
        _ => "\\S\nKernel \\r on an \\m\n\n".into(),
    }
}

/// `/etc/motd`.
pub(crate) fn motd(p: &Persona) -> String {
    match p.distro.id.as_str() {
        "debian" => "\nThe programs included with the Debian GNU/Linux system are free software;\nthe exact distribution terms for each program are described in the\nindividual files in /usr/share/doc/*/copyright.\n\nDebian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\npermitted by applicable law.\n".into(),
        _ => String::new(),
    }
}

fn os_release(p: &Persona) -> String {
    let d = &p.distro;
    let home = match d.id.as_str() {
        "ubuntu" => {
            "ID_LIKE=debian\nHOME_URL=\"https://www.ubuntu.com/\"\nSUPPORT_URL=\"https://help.ubuntu.com/\"\nBUG_REPORT_URL=\"https://bugs.launchpad.net/ubuntu/\"\nPRIVACY_POLICY_URL=\"https://www.ubuntu.com/legal/terms-and-policies/privacy-policy\"\n"
        }
        "alpine" => "HOME_URL=\"https://alpinelinux.org/\"\nBUG_REPORT_URL=\"https://gitlab.alpinelinux.org/alpine/aports/-/issues\"\n",
        "rocky" => {
            "ID_LIKE=\"rhel centos fedora\"\nHOME_URL=\"https://rockylinux.org/\"\nBUG_REPORT_URL=\"https://bugs.rockylinux.org/\"\n"
        }
        "fedora" => "HOME_URL=\"https://fedoraproject.org/\"\nBUG_REPORT_URL=\"https://bugzilla.redhat.com/\"\n",
        _ => {
            "HOME_URL=\"https://www.debian.org/\"\nSUPPORT_URL=\"https://www.debian.org/support\"\nBUG_REPORT_URL=\"https://bugs.debian.org/\"\n"
        }
    };
    let code = if d.codename.is_empty() { String::new() } else { format!("VERSION_CODENAME={}\n", d.codename) };
    match d.id.as_str() {
        "debian" => format!(
            "PRETTY_NAME=\"{}\"\nNAME=\"{}\"\nVERSION_ID=\"{v}\"\nVERSION=\"{v} ({})\"\n{code}ID=debian\n{home}",
            d.pretty_name,
            d.name,
            d.codename,
            v = d.version_id
        ),
        "alpine" => format!("NAME=\"{}\"\nID=alpine\nVERSION_ID={}\nPRETTY_NAME=\"{}\"\n{home}", d.name, d.version_id, d.pretty_name),
        _ => format!(
            "PRETTY_NAME=\"{}\"\nNAME=\"{}\"\nVERSION_ID=\"{}\"\nVERSION=\"{}\"\n{code}ID={}\n{home}",
            d.pretty_name,
            d.name,
            d.version_id,
            d.pretty_name.trim_start_matches(d.name.as_str()).trim(),
            d.id
        ),
    }
}

fn profile(family: Family) -> String {
    if family == Family::Alpine {
        return "append_path () {\n\tcase \":$PATH:\" in\n\t\t*:\"$1\":*) ;;\n\t\t*) PATH=\"${PATH:+$PATH:}$1\" ;;\n\tesac\n}\nexport PAGER=less\numask 022\n".into();
    }
    "if [ \"$(id -u)\" -eq 0 ]; then\n  PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\nelse\n  PATH=\"/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games\"\nfi\nexport PATH\n\nif [ -d /etc/profile.d ]; then\n  for i in /etc/profile.d/*.sh; do\n    if [ -r $i ]; then\n      . $i\n    fi\n  done\n  unset i\nfi\n".into()
}

fn interfaces(p: &Persona, hw: &Hardware) -> String {
    let mut out = String::from(
        "source /etc/network/interfaces.d/*\n\n# The loopback network interface\nauto lo\niface lo inet loopback\n\n# The primary network interface\n",
    );
    match (p.ipv4, p.gateway) {
        (Some(ip), Some(gw)) if p.seed[1] & 1 == 0 => {
            let _ = write!(
                out,
                "allow-hotplug {0}\niface {0} inet static\n\taddress {ip}/{1}\n\tgateway {gw}\n\tdns-nameservers {gw}\n",
                hw.nic, p.ipv4_prefix
            );
        }
        _ => {
            let _ = write!(out, "allow-hotplug {0}\niface {0} inet dhcp\n", hw.nic);
        }
    }
    out
}

fn ssh(f: &mut Furnish<'_>, p: &Persona, family: Family, made: i64) {
    if p.service("ssh").is_none() {
        return;
    }
    let sftp = if family.debian_like() { "/usr/lib/openssh/sftp-server" } else { "/usr/libexec/openssh/sftp-server" };
    f.file("/etc/ssh/sshd_config", 0o644, (0, 0), made + 700, format!("Include /etc/ssh/sshd_config.d/*.conf\n\n#Port 22\n#AddressFamily any\n#ListenAddress 0.0.0.0\n#ListenAddress ::\n\n#HostKey /etc/ssh/ssh_host_rsa_key\n#HostKey /etc/ssh/ssh_host_ecdsa_key\n#HostKey /etc/ssh/ssh_host_ed25519_key\n\n#LoginGraceTime 2m\nPermitRootLogin yes\n#StrictModes yes\n#MaxAuthTries 6\n#MaxSessions 10\n\n#PubkeyAuthentication yes\n\n#PasswordAuthentication yes\n#PermitEmptyPasswords no\n\nKbdInteractiveAuthentication no\n\nUsePAM yes\n\nX11Forwarding yes\nPrintMotd no\n\nAcceptEnv LANG LC_*\n\nSubsystem\tsftp\t{sftp}\n"));
    f.dir("/etc/ssh/sshd_config.d", 0o755, (0, 0), made);
    for (n, (name, secret, public)) in [("rsa", 2602u64, 565u64), ("ecdsa", 505, 173), ("ed25519", 399, 93)].into_iter().enumerate() {
        let n = u8::try_from(n).unwrap_or(0);
        f.made(&format!("/etc/ssh/ssh_host_{name}_key"), 0o600, (0, 0), made + 690, secret, Made::HostKey(n * 2));
        f.made(&format!("/etc/ssh/ssh_host_{name}_key.pub"), 0o644, (0, 0), made + 690, public, Made::HostKey(n * 2 + 1));
    }
}

const SERVICES: &str = "tcpmux\t\t1/tcp\necho\t\t7/tcp\necho\t\t7/udp\ndiscard\t\t9/tcp\t\tsink null\ndaytime\t\t13/tcp\nftp-data\t20/tcp\nftp\t\t21/tcp\nfsp\t\t21/udp\t\tfspd\nssh\t\t22/tcp\ntelnet\t\t23/tcp\nsmtp\t\t25/tcp\t\tmail\ntime\t\t37/tcp\t\ttimserver\nwhois\t\t43/tcp\t\tnicname\ndomain\t\t53/tcp\ndomain\t\t53/udp\nbootps\t\t67/udp\nbootpc\t\t68/udp\ntftp\t\t69/udp\nhttp\t\t80/tcp\t\twww\nkerberos\t88/tcp\t\tkerberos5 krb5 kerberos-sec\npop3\t\t110/tcp\t\tpop-3\nsunrpc\t\t111/tcp\t\tportmapper\nntp\t\t123/udp\nnetbios-ns\t137/udp\nnetbios-ssn\t139/tcp\nimap2\t\t143/tcp\t\timap\nsnmp\t\t161/tcp\nsnmp\t\t161/udp\nldap\t\t389/tcp\nhttps\t\t443/tcp\nmicrosoft-ds\t445/tcp\nsubmission\t587/tcp\nldaps\t\t636/tcp\nimaps\t\t993/tcp\npop3s\t\t995/tcp\nmysql\t\t3306/tcp\nrdp\t\t3389/tcp\nsip\t\t5060/tcp\npostgresql\t5432/tcp\tpostgres\nx11\t\t6000/tcp\nredis\t\t6379/tcp\n";
