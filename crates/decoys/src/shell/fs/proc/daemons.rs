//! The processes and listening sockets that a persona's machine has from boot.

use model::Micros;
use rand::RngExt;

use crate::shell::fs::{
    hardware,
    live::{Live, Process, Socket},
    skeleton::Family,
};

/// Fills `live` with what stands from boot: kernel threads, system daemons and one process per service.
pub(crate) fn raise(live: &mut Live) {
    let persona = std::sync::Arc::clone(&live.persona);
    let mut rng = hardware::rng(&persona, "shell/daemons");
    let family = Family::of(&persona.distro.id);
    let booted = persona.booted.0;
    let mut at = booted;
    let mut pid = 2;
    for name in ["kthreadd", "rcu_gp", "rcu_par_gp", "slub_flushwq", "netns"] {
        kernel(live, pid, name, at, if pid == 2 { "S" } else { "I<" });
        pid += 1;
    }
    pid += 1;
    for (name, stat) in [
        ("kworker/0:0H-events_highpri", "I<"),
        ("mm_percpu_wq", "I<"),
        ("rcu_tasks_kthread", "I"),
        ("rcu_tasks_rude_kthread", "I"),
        ("rcu_tasks_trace_kthread", "I"),
        ("ksoftirqd/0", "S"),
        ("rcu_preempt", "I"),
        ("migration/0", "S"),
    ] {
        pid += 1;
        kernel(live, pid, name, at, stat);
    }
    pid += 1;
    for cpu in 0..live.hw.cores {
        pid += 1;
        kernel(live, pid, &format!("cpuhp/{cpu}"), at, "S");
        if cpu > 0 {
            for (name, stat) in
                [(format!("migration/{cpu}"), "S"), (format!("ksoftirqd/{cpu}"), "S"), (format!("kworker/{cpu}:0H-events_highpri"), "I<")]
            {
                pid += 1;
                kernel(live, pid, &name, at, stat);
            }
        }
    }
    let disk = live.hw.disk;
    let journal = format!("jbd2/{}-8", live.hw.part(1));
    let _ = disk;
    for (name, stat) in [
        ("kdevtmpfs", "S"),
        ("inet_frag_wq", "I<"),
        ("kauditd", "S"),
        ("khungtaskd", "S"),
        ("oom_reaper", "S"),
        ("writeback", "I<"),
        ("kcompactd0", "S"),
        ("ksmd", "SN"),
        ("khugepaged", "SN"),
        ("kintegrityd", "I<"),
        ("kblockd", "I<"),
        ("blkcg_punt_bio", "I<"),
        ("tpm_dev_wq", "I<"),
        ("edac-poller", "I<"),
        ("devfreq_wq", "I<"),
        ("kworker/0:1H-kblockd", "I<"),
        ("kswapd0", "S"),
        ("kthrotld", "I<"),
        ("acpi_thermal_pm", "I<"),
        ("mld", "I<"),
        ("ipv6_addrconf", "I<"),
        ("kstrp", "I<"),
        ("zswap-shrink", "I<"),
        ("ata_sff", "I<"),
        ("scsi_eh_0", "S"),
        ("scsi_tmf_0", "I<"),
        ("scsi_eh_1", "S"),
        ("scsi_tmf_1", "I<"),
        (journal.as_str(), "S"),
        ("ext4-rsv-conver", "I<"),
    ] {
        pid += rng.random_range(1..3u32);
        at = booted + 1_000_000;
        kernel(live, pid, name, at, stat);
    }
    daemons(live, &mut rng, family, pid);
}

/// Adds what comes and goes: kernel workers, postfix's pickup.
pub(crate) fn refresh(live: &mut Live) {
    let booted = live.persona.booted.0;
    let recent = live.now.0;
    for (name, ago) in [
        ("kworker/u8:2-events_unbound", 900),
        ("kworker/0:1-events", 1900),
        ("kworker/0:2-cgroup_destroy", 400),
        ("kworker/u8:0-flush-8:0", 140),
    ] {
        let start = (recent - ago * 1_000_000).max(booted + 5_000_000);
        let number = live.fresh_pid();
        kernel(live, number, name, start, "I");
    }
    if let Some(master) = live.procs.values().find(|p| p.comm == b"master").map(|p| p.pid) {
        let pickup = live.fresh_pid();
        let start = Micros(live.now.0 - (live.now.0 - booted) % 6_000_000_000);
        live.add(Process {
            pid: pickup,
            ppid: master,
            user: "postfix".into(),
            uid: 106,
            tty: None,
            stat: "S",
            start,
            cpu_us: 9_000,
            busy: 0,
            vsz: 43_268,
            rss: 7_480,
            comm: b"pickup".to_vec(),
            args: b"pickup -l -t unix -u -c".split(|&b| b == b' ').map(<[u8]>::to_vec).collect(),
            exe: b"/usr/lib/postfix/sbin/pickup".to_vec(),
            cwd: b"/var/spool/postfix".to_vec(),
        });
    }
}

/// A kernel thread.
fn kernel(live: &mut Live, pid: u32, name: &str, at: i64, stat: &'static str) {
    live.add(Process {
        pid,
        ppid: if pid == 2 { 0 } else { 2 },
        user: "root".into(),
        uid: 0,
        tty: None,
        stat,
        start: Micros(at),
        cpu_us: 0,
        busy: 0,
        vsz: 0,
        rss: 0,
        comm: name.as_bytes().to_vec(),
        args: Vec::new(),
        exe: Vec::new(),
        cwd: b"/".to_vec(),
    });
}

struct Daemon<'a> {
    user: &'a str,
    uid: u32,
    stat: &'static str,
    vsz: u64,
    rss: u64,
    exe: &'a str,
    args: &'a str,
    after_s: i64,
}

fn daemons(live: &mut Live, rng: &mut impl rand::Rng, family: Family, last_kernel_pid: u32) {
    let persona = std::sync::Arc::clone(&live.persona);
    let booted = persona.booted.0;
    let mut pid = last_kernel_pid + rng.random_range(30..90u32);
    let mut next = |live: &mut Live, rng: &mut dyn rand::Rng, d: &Daemon<'_>, ppid: u32, step: u32| -> u32 {
        pid += step.max(1);
        while live.procs.contains_key(&pid) {
            pid += 1;
        }
        let args: Vec<Vec<u8>> = if let Some(title) = d.args.strip_prefix('=') {
            vec![title.as_bytes().to_vec()]
        } else {
            d.args.split(' ').map(|a| a.as_bytes().to_vec()).collect()
        };
        let comm = d.exe.rsplit('/').next().unwrap_or(d.exe);
        live.add(Process {
            pid,
            ppid,
            user: d.user.into(),
            uid: d.uid,
            tty: None,
            stat: d.stat,
            start: Micros(booted + d.after_s * 1_000_000 + i64::from(rng.random_range(0..900_000u32))),
            cpu_us: u64::from(rng.random_range(8_000..90_000u32)),
            busy: rng.random_range(1..60u32),
            vsz: d.vsz + u64::from(rng.random_range(0..40u32)) * 4,
            rss: d.rss + u64::from(rng.random_range(0..90u32)) * 4,
            comm: comm.as_bytes().get(..15.min(comm.len())).unwrap_or_default().to_vec(),
            args,
            exe: d.exe.as_bytes().to_vec(),
            cwd: b"/".to_vec(),
        });
        pid
    };
    // pid 1
    let (exe, args, vsz, rss) = match family {
        Family::Alpine => ("/bin/busybox", "/sbin/init", 1628, 620),
        Family::Rhel => ("/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd --switched-root --system --deserialize 31", 171_900, 16_400),
        _ => ("/usr/lib/systemd/systemd", "/sbin/init", 167_700, 12_100),
    };
    live.add(Process {
        pid: 1,
        ppid: 0,
        user: "root".into(),
        uid: 0,
        tty: None,
        stat: "Ss",
        start: Micros(booted),
        cpu_us: 1_900_000,
        busy: 14,
        vsz: vsz + u64::from(rng.random_range(0..90u32)) * 4,
        rss,
        comm: if family == Family::Alpine { b"init".to_vec() } else { b"systemd".to_vec() },
        args: args.split(' ').map(|a| a.as_bytes().to_vec()).collect(),
        exe: exe.as_bytes().to_vec(),
        cwd: b"/".to_vec(),
    });
    let d = |user, uid, stat, vsz, rss, exe, args, after_s| Daemon { user, uid, stat, vsz, rss, exe, args, after_s };
    if family == Family::Alpine {
        for x in [
            d("root", 0, "Ss", 1624, 980, "/bin/busybox", "/sbin/syslogd -t -n", 3),
            d("root", 0, "Ss", 1624, 924, "/bin/busybox", "/usr/sbin/crond -c /etc/crontabs -f", 4),
            d("root", 0, "S", 1624, 908, "/bin/busybox", "/sbin/udhcpc -b -R -p /var/run/udhcpc.eth0.pid -i eth0", 4),
            d("ntp", 123, "S", 1624, 960, "/bin/busybox", "ntpd -N -p pool.ntp.org -n", 5),
            d("root", 0, "Ss+", 1620, 908, "/bin/busybox", "/sbin/getty 38400 tty1", 6),
        ] {
            let step = rng.random_range(20..60u32);
            next(live, rng, &x, 1, step);
        }
    } else {
        let rhel = family == Family::Rhel;
        let journald = if rhel { "/usr/lib/systemd/systemd-journald" } else { "/lib/systemd/systemd-journald" };
        let udevd = if rhel { "/usr/lib/systemd/systemd-udevd" } else { "/lib/systemd/systemd-udevd" };
        let logind = if rhel { "/usr/lib/systemd/systemd-logind" } else { "/lib/systemd/systemd-logind" };
        for x in [
            d("root", 0, "Ss", 32_900, 14_800, "/usr/lib/systemd/systemd-journald", journald, 2),
            d("root", 0, "Ss", 26_700, 6_300, "/usr/lib/systemd/systemd-udevd", udevd, 2),
        ] {
            let step = rng.random_range(15..40u32);
            next(live, rng, &x, 1, step);
        }
        let step = rng.random_range(60..160u32);
        if rhel {
            next(live, rng, &d("root", 0, "S<sl", 92_300, 2_400, "/usr/sbin/auditd", "/sbin/auditd", 4), 1, step);
            next(
                live,
                rng,
                &d("dbus", 81, "Ss", 10_900, 5_100, "/usr/bin/dbus-broker", "/usr/bin/dbus-broker-launch --scope system --audit", 5),
                1,
                3,
            );
            next(live, rng, &d("chrony", 993, "S", 84_500, 3_400, "/usr/sbin/chronyd", "/usr/sbin/chronyd -F 2", 5), 1, 2);
            next(
                live,
                rng,
                &d("root", 0, "Ssl", 258_000, 19_000, "/usr/sbin/NetworkManager", "/usr/sbin/NetworkManager --no-daemon", 5),
                1,
                4,
            );
        } else {
            next(
                live,
                rng,
                &d(
                    "systemd-timesync",
                    997,
                    "Ssl",
                    90_060,
                    6_600,
                    "/usr/lib/systemd/systemd-timesyncd",
                    "/lib/systemd/systemd-timesyncd",
                    4,
                ),
                1,
                step,
            );
            if family == Family::Ubuntu {
                next(
                    live,
                    rng,
                    &d(
                        "systemd-network",
                        998,
                        "Ss",
                        16_100,
                        8_200,
                        "/usr/lib/systemd/systemd-networkd",
                        "/lib/systemd/systemd-networkd",
                        4,
                    ),
                    1,
                    5,
                );
                next(
                    live,
                    rng,
                    &d(
                        "systemd-resolve",
                        996,
                        "Ss",
                        25_500,
                        12_600,
                        "/usr/lib/systemd/systemd-resolved",
                        "/lib/systemd/systemd-resolved",
                        4,
                    ),
                    1,
                    2,
                );
            }
            next(
                live,
                rng,
                &d(
                    "message+",
                    100,
                    "Ss",
                    9_120,
                    4_700,
                    "/usr/bin/dbus-daemon",
                    "/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only",
                    5,
                ),
                1,
                24,
            );
        }
        let step = rng.random_range(2..5u32);
        let cron = if rhel { ("/usr/sbin/crond", "/usr/sbin/crond -n") } else { ("/usr/sbin/cron", "/usr/sbin/cron -f") };
        next(live, rng, &d("root", 0, "Ss", 6_600, 2_700, cron.0, cron.1, 5), 1, step);
        next(live, rng, &d("root", 0, "Ssl", 220_800, 6_000, "/usr/sbin/rsyslogd", "/usr/sbin/rsyslogd -n -iNONE", 5), 1, 3);
        next(live, rng, &d("root", 0, "Ss", 25_300, 8_100, "/usr/lib/systemd/systemd-logind", logind, 5), 1, 2);
        let agetty = "/sbin/agetty -o -p -- \\u --noclear - linux";
        let tty1 = next(live, rng, &d("root", 0, "Ss+", 5_872, 1_040, "/usr/sbin/agetty", agetty, 6), 1, 14);
        if let Some(p) = live.procs.get_mut(&tty1).map(std::sync::Arc::make_mut) {
            p.tty = Some("tty1".into());
            p.busy = 0;
        }
    }
    // The distribution's own sshd runs on a machine that offers ssh, and so on for each service.
    let mut services: Vec<&model::Service> = persona.services.iter().collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    for service in services {
        let step = rng.random_range(2..18u32);
        let port = |default: u16| service.knobs.get("port").and_then(|p| p.parse().ok()).unwrap_or(default);
        let sshd = "=sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups";
        let (daemon, ports, fd): (Daemon<'_>, Vec<(&'static str, u16, bool)>, u32) = match service.name.as_str() {
            "ssh" => (d("root", 0, "Ss", 15_436, 9_300, "/usr/sbin/sshd", sshd, 6), vec![("tcp", port(22), true)], 3),
            "telnet" if family == Family::Alpine => {
                (d("root", 0, "S", 1_624, 900, "/bin/busybox-extras", "/usr/sbin/telnetd -F -l /bin/login", 6), vec![("tcp", 23, true)], 3)
            }
            "telnet" => {
                (d("root", 0, "Ss", 4_520, 1_900, "/usr/sbin/inetutils-inetd", "/usr/sbin/inetutils-inetd", 6), vec![("tcp", 23, false)], 4)
            }
            "http" | "https" => {
                let ports = vec![("tcp", if service.name == "http" { 80 } else { 443 }, true)];
                let product = service.software.product.to_ascii_lowercase();
                let (user, uid) = if family == Family::Rhel { ("apache", 48) } else { ("www-data", 33) };
                let existing = live
                    .procs
                    .values()
                    .find(|p| p.ppid == 1 && (p.comm == b"apache2" || p.comm == b"nginx" || p.comm == b"httpd"))
                    .map(|p| (p.pid, p.comm.clone()));
                if let Some((master, name)) = existing {
                    listen(live, master, &String::from_utf8_lossy(&name), &ports, if name == b"nginx" { 8 } else { 6 }, 0);
                    continue;
                }
                if product.contains("nginx") {
                    let master = next(
                        live,
                        rng,
                        &d(
                            "root",
                            0,
                            "Ss",
                            55_200,
                            1_700,
                            "/usr/sbin/nginx",
                            "=nginx: master process /usr/sbin/nginx -g daemon on; master_process on;",
                            7,
                        ),
                        1,
                        step,
                    );
                    for _ in 0..live.hw.cores {
                        next(live, rng, &d(user, uid, "S", 55_880, 5_500, "/usr/sbin/nginx", "=nginx: worker process", 7), master, 1);
                    }
                    listen(live, master, "nginx", &ports, 6, 0);
                    continue;
                }
                let (exe, args) = if family == Family::Rhel {
                    ("/usr/sbin/httpd", "/usr/sbin/httpd -DFOREGROUND")
                } else {
                    ("/usr/sbin/apache2", "/usr/sbin/apache2 -k start")
                };
                let master = next(live, rng, &d("root", 0, "Ss", 6_900, 4_800, exe, args, 7), 1, step);
                for _ in 0..2 {
                    next(live, rng, &d(user, uid, "Sl", 1_998_900, 5_100, exe, args, 7), master, 1);
                }
                listen(live, master, exe.rsplit('/').next().unwrap_or("apache2"), &ports, 4, 0);
                continue;
            }
            "ftp" if service.software.product.to_ascii_lowercase().contains("proftpd") => (
                d("proftpd", 105, "Ss", 18_600, 3_900, "/usr/sbin/proftpd", "=proftpd: (accepting connections)", 7),
                vec![("tcp", 21, true)],
                1,
            ),
            "ftp" => {
                (d("root", 0, "Ss", 10_100, 3_700, "/usr/sbin/vsftpd", "/usr/sbin/vsftpd /etc/vsftpd.conf", 7), vec![("tcp", 21, true)], 3)
            }
            "smtp" => {
                let master = next(
                    live,
                    rng,
                    &d("root", 0, "Ss", 42_900, 4_900, "/usr/lib/postfix/sbin/master", "/usr/lib/postfix/sbin/master -w", 8),
                    1,
                    step,
                );
                next(live, rng, &d("postfix", 106, "S", 43_300, 7_500, "/usr/lib/postfix/sbin/qmgr", "qmgr -l -t unix -u", 8), master, 2);
                listen(live, master, "master", &[("tcp", 25, true)], 13, 0);
                continue;
            }
            "mysql" if service.software.product.to_ascii_lowercase().contains("maria") => {
                (d("mysql", 107, "Ssl", 1_349_800, 226_000, "/usr/sbin/mariadbd", "/usr/sbin/mariadbd", 8), vec![("tcp", 3306, false)], 21)
            }
            "mysql" => {
                (d("mysql", 107, "Ssl", 1_812_000, 402_000, "/usr/sbin/mysqld", "/usr/sbin/mysqld", 8), vec![("tcp", 3306, false)], 23)
            }
            "redis" => (
                d("redis", 108, "Ssl", 65_900, 11_900, "/usr/bin/redis-server", "=/usr/bin/redis-server 0.0.0.0:6379", 7),
                vec![("tcp", 6379, false)],
                6,
            ),
            "postgres" => (
                d(
                    "postgres",
                    109,
                    "Ss",
                    216_300,
                    29_800,
                    "/usr/lib/postgresql/15/bin/postgres",
                    "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf",
                    8,
                ),
                vec![("tcp", 5432, false)],
                5,
            ),
            "mongodb" => (
                d("mongodb", 110, "Ssl", 2_616_000, 121_000, "/usr/bin/mongod", "/usr/bin/mongod --config /etc/mongod.conf", 8),
                vec![("tcp", 27017, false)],
                12,
            ),
            "smb" => (
                d("root", 0, "Ss", 81_600, 24_100, "/usr/sbin/smbd", "/usr/sbin/smbd --foreground --no-process-group", 8),
                vec![("tcp", 445, true), ("tcp", 139, true)],
                28,
            ),
            "snmp" => (
                d(
                    "Debian-snmp",
                    111,
                    "Ss",
                    25_200,
                    13_300,
                    "/usr/sbin/snmpd",
                    "/usr/sbin/snmpd -LOw -u Debian-snmp -g Debian-snmp -I -smux mteTrigger mteTriggerConf -f",
                    7,
                ),
                vec![("udp", 161, false)],
                6,
            ),
            "mqtt" => (
                d("mosquitto", 112, "Ssl", 17_700, 6_500, "/usr/sbin/mosquitto", "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf", 7),
                vec![("tcp", 1883, true)],
                5,
            ),
            "imap" | "pop3" => {
                let ports: Vec<(&'static str, u16, bool)> = if service.name == "imap" {
                    vec![("tcp", 143, true), ("tcp", 993, true)]
                } else {
                    vec![("tcp", 110, true), ("tcp", 995, true)]
                };
                if let Some(pid) = live.procs.values().find(|p| p.comm == b"dovecot").map(|p| p.pid) {
                    listen(live, pid, "dovecot", &ports, 41, 0);
                    continue;
                }
                (d("root", 0, "Ss", 4_900, 3_800, "/usr/sbin/dovecot", "/usr/sbin/dovecot -F", 7), ports, 38)
            }
            "ldap" => (
                d(
                    "openldap",
                    113,
                    "Ssl",
                    1_157_000,
                    9_300,
                    "/usr/sbin/slapd",
                    "/usr/sbin/slapd -h ldap:/// ldapi:/// -g openldap -u openldap -F /etc/ldap/slapd.d",
                    8,
                ),
                vec![("tcp", 389, true)],
                8,
            ),
            "vnc" => (
                d("root", 0, "Sl", 98_300, 41_000, "/usr/bin/Xtigervnc", "/usr/bin/Xtigervnc :1 -rfbport 5901", 9),
                vec![("tcp", 5900, true)],
                7,
            ),
            "sip" => (
                d("asterisk", 114, "Ssl", 1_600_000, 61_000, "/usr/sbin/asterisk", "/usr/sbin/asterisk -g -f -p -U asterisk", 9),
                vec![("udp", 5060, false), ("tcp", 5060, false)],
                14,
            ),
            "dns" => (
                d("bind", 115, "Ssl", 292_000, 36_000, "/usr/sbin/named", "/usr/sbin/named -f -u bind", 7),
                vec![("tcp", 53, false), ("udp", 53, false)],
                22,
            ),
            "docker_api" => (
                d(
                    "root",
                    0,
                    "Ssl",
                    1_799_000,
                    84_000,
                    "/usr/bin/dockerd",
                    "/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375 --containerd=/run/containerd/containerd.sock",
                    9,
                ),
                vec![("tcp", 2375, true)],
                4,
            ),
            "elasticsearch" => (
                d(
                    "elasticsearch",
                    116,
                    "Ssl",
                    4_600_000,
                    1_400_000,
                    "/usr/share/elasticsearch/jdk/bin/java",
                    "/usr/share/elasticsearch/jdk/bin/java -Xms1g -Xmx1g -Des.path.home=/usr/share/elasticsearch org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch",
                    12,
                ),
                vec![("tcp", 9200, true)],
                300,
            ),
            _ => continue,
        };
        let uid = daemon.uid;
        let exe = daemon.exe;
        let pid = next(live, rng, &daemon, 1, step);
        listen(live, pid, exe.rsplit('/').next().unwrap_or(exe), &ports, fd, uid);
    }
    if family == Family::Ubuntu {
        let pid = live.procs.values().find(|p| p.comm.starts_with(b"systemd-resolve")).map_or(0, |p| p.pid);
        listen_at(live, pid, "systemd-resolve", "udp", false, "127.0.0.53%lo", 53, 13, 996);
        listen_at(live, pid, "systemd-resolve", "tcp", false, "127.0.0.53%lo", 53, 14, 996);
    }
}

fn listen(live: &mut Live, pid: u32, name: &str, ports: &[(&'static str, u16, bool)], fd: u32, uid: u32) {
    for (n, &(proto, port, both)) in ports.iter().enumerate() {
        let fd = fd + u32::try_from(n).unwrap_or(0) * 2;
        let own = matches!(name, "apache2" | "httpd" | "mosquitto-x");
        if both && own || name == "vsftpd" {
            listen_at(live, pid, name, proto, true, "*", port, fd, uid);
        } else {
            listen_at(live, pid, name, proto, false, "0.0.0.0", port, fd, uid);
            if both {
                listen_at(live, pid, name, proto, true, "[::]", port, fd + 1, uid);
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
fn listen_at(live: &mut Live, pid: u32, name: &str, proto: &'static str, v6: bool, addr: &str, port: u16, fd: u32, uid: u32) {
    let backlog = match name {
        "apache2" | "httpd" | "nginx" | "redis-server" => 511,
        "mariadbd" => 80,
        "mysqld" => 151,
        "vsftpd" => 32,
        "master" | "mosquitto" => 100,
        "inetutils-inetd" => 10,
        "smbd" => 50,
        "systemd-resolve" | "dockerd" => 4096,
        _ if proto == "udp" => 0,
        _ => 128,
    };
    let inode = 14_000 + u64::from(pid) * 7 + u64::from(port) % 911 + u64::from(v6);
    live.sockets.push(Socket { proto, v6, addr: addr.into(), port, peer: None, backlog, pid, name: name.into(), fd, uid, inode });
}
