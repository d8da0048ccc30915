//! The distributions a decky can say it runs, each release with kernels and package versions it really shipped.
//!
//! Dates are those of the build; a decky never says it booted before its kernel was built.

/// A distribution of the table.
#[derive(Debug)]
pub struct Profile {
    pub slug: &'static str,
    /// What an operator reads in the catalogue.
    pub title: &'static str,
    /// `ID=` of os-release.
    pub id: &'static str,
    /// `NAME=`.
    pub name: &'static str,
    /// Group that may use sudo.
    pub admins: &'static str,
    /// Login shell of people.
    pub shell: &'static str,
    pub releases: &'static [Release],
}

/// One point release, with the kernel and the packages that belong to it.
#[derive(Debug)]
pub struct Release {
    /// `VERSION_ID=`.
    pub version: &'static str,
    /// `VERSION_CODENAME=`.
    pub codename: &'static str,
    /// `PRETTY_NAME=`.
    pub pretty: &'static str,
    /// `uname -r`.
    pub kernel: &'static str,
    /// `uname -v`.
    pub build: &'static str,
    /// When the kernel was built: year, month, day.
    pub built: (i16, u8, u8),
    pub packages: &'static Packages,
}

/// Product, upstream version and package revision, by role.
#[derive(Debug)]
pub struct Packages {
    pub ssh: Package,
    /// What may serve web pages here, most usual first.
    pub web: &'static [Package],
    pub ftp: Package,
    pub smtp: Package,
    pub redis: Package,
    pub mysql: Package,
    pub telnet: Package,
}

/// One package as it shows itself.
#[derive(Clone, Copy, Debug)]
pub struct Package(pub &'static str, pub &'static str, pub &'static str);

macro_rules! release {
    ($version:literal, $code:literal, $pretty:literal, $kernel:literal, $build:literal, $date:expr, $packages:ident) => {
        Release { version: $version, codename: $code, pretty: $pretty, kernel: $kernel, build: $build, built: $date, packages: &$packages }
    };
}

const LINUX_TELNETD: Package = Package("netkit-telnetd", "0.17", "");
const INETUTILS_TELNETD: Package = Package("inetutils-telnetd", "2.4", "");

static BOOKWORM_EARLY: Packages = Packages {
    ssh: Package("OpenSSH", "9.2p1", "Debian-2+deb12u2"),
    web: &[Package("Apache", "2.4.57", "Debian"), Package("nginx", "1.22.1", "")],
    ftp: Package("vsFTPd", "3.0.3", "3.0.3-13+b2"),
    smtp: Package("Postfix", "3.7.9", "Debian/GNU"),
    redis: Package("Redis", "7.0.15", "5:7.0.15-1~deb12u1"),
    mysql: Package("MariaDB", "10.11.4", "MariaDB-1~deb12u1"),
    telnet: INETUTILS_TELNETD,
};
static BOOKWORM: Packages = Packages {
    ssh: Package("OpenSSH", "9.2p1", "Debian-2+deb12u3"),
    web: &[Package("Apache", "2.4.62", "Debian"), Package("nginx", "1.22.1", "")],
    smtp: Package("Postfix", "3.7.11", "Debian/GNU"),
    mysql: Package("MariaDB", "10.11.6", "MariaDB-0+deb12u1"),
    ..BOOKWORM_EARLY
};
static BOOKWORM_LATE: Packages = Packages {
    ssh: Package("OpenSSH", "9.2p1", "Debian-2+deb12u6"),
    redis: Package("Redis", "7.0.15", "5:7.0.15-1~deb12u4"),
    mysql: Package("MariaDB", "10.11.11", "MariaDB-0+deb12u1"),
    ..BOOKWORM
};
static BOOKWORM_CURRENT: Packages = Packages {
    ssh: Package("OpenSSH", "9.2p1", "Debian-2+deb12u10"),
    web: &[Package("Apache", "2.4.71", "Debian"), Package("nginx", "1.22.1", "")],
    redis: Package("Redis", "7.0.15", "5:7.0.15-1~deb12u10"),
    mysql: Package("MariaDB", "10.11.19", "MariaDB-0+deb12u1"),
    ..BOOKWORM_LATE
};
static JAMMY_EARLY: Packages = Packages {
    ssh: Package("OpenSSH", "8.9p1", "Ubuntu-3ubuntu0.6"),
    web: &[Package("Apache", "2.4.52", "Ubuntu"), Package("nginx", "1.18.0", "Ubuntu")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-0ubuntu1"),
    smtp: Package("Postfix", "3.6.4", "Ubuntu"),
    redis: Package("Redis", "6.0.16", "5:6.0.16-1ubuntu1"),
    mysql: Package("MySQL", "8.0.36", "0ubuntu0.22.04.1"),
    telnet: LINUX_TELNETD,
};
static JAMMY: Packages = Packages {
    ssh: Package("OpenSSH", "8.9p1", "Ubuntu-3ubuntu0.10"),
    mysql: Package("MySQL", "8.0.39", "0ubuntu0.22.04.1"),
    ..JAMMY_EARLY
};
static JAMMY_LATE: Packages = Packages { mysql: Package("MySQL", "8.0.40", "0ubuntu0.22.04.1"), ..JAMMY };
static FOCAL: Packages = Packages {
    ssh: Package("OpenSSH", "8.2p1", "Ubuntu-4ubuntu0.11"),
    web: &[Package("Apache", "2.4.41", "Ubuntu"), Package("nginx", "1.18.0", "Ubuntu")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-0ubuntu0.20.04.1"),
    smtp: Package("Postfix", "3.4.13", "Ubuntu"),
    redis: Package("Redis", "5.0.7", "5:5.0.7-2ubuntu0.1"),
    mysql: Package("MySQL", "8.0.37", "0ubuntu0.20.04.3"),
    telnet: LINUX_TELNETD,
};
static ROCKY93: Packages = Packages {
    ssh: Package("OpenSSH", "8.7", ""),
    web: &[Package("Apache", "2.4.57", "Rocky Linux"), Package("nginx", "1.20.1", "")],
    ftp: Package("vsFTPd", "3.0.3", "3.0.3-49.el9"),
    smtp: Package("Postfix", "3.5.9", ""),
    redis: Package("Redis", "6.2.7", "6.2.7-1.el9"),
    mysql: Package("MariaDB", "10.5.22", "MariaDB"),
    telnet: LINUX_TELNETD,
};
static ROCKY94: Packages = Packages { ftp: Package("vsFTPd", "3.0.5", "3.0.5-5.el9"), ..ROCKY93 };
static ROCKY95: Packages = Packages {
    web: &[Package("Apache", "2.4.62", "Rocky Linux"), Package("nginx", "1.20.1", "")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-6.el9"),
    smtp: Package("Postfix", "3.5.25", ""),
    redis: Package("Redis", "6.2.17", "6.2.17-1.el9_5"),
    ..ROCKY93
};
static CENTOS7: Packages = Packages {
    ssh: Package("OpenSSH", "7.4", ""),
    web: &[Package("Apache", "2.4.6", "CentOS"), Package("nginx", "1.20.1", "")],
    ftp: Package("vsFTPd", "3.0.2", "3.0.2-29.el7_9"),
    smtp: Package("Postfix", "2.10.1", ""),
    redis: Package("Redis", "3.2.12", "3.2.12-2.el7"),
    mysql: Package("MariaDB", "5.5.68", "MariaDB"),
    telnet: LINUX_TELNETD,
};
static ALPINE319: Packages = Packages {
    ssh: Package("OpenSSH", "9.6", ""),
    web: &[Package("nginx", "1.24.0", ""), Package("Apache", "2.4.58", "Unix")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-r2"),
    smtp: Package("Postfix", "3.8.4", ""),
    redis: Package("Redis", "7.2.4", "7.2.4-r0"),
    mysql: Package("MariaDB", "10.11.6", "MariaDB"),
    telnet: Package("BusyBox telnetd", "1.36.1", ""),
};
static FEDORA39: Packages = Packages {
    ssh: Package("OpenSSH", "9.3", ""),
    web: &[Package("Apache", "2.4.59", "Fedora Linux"), Package("nginx", "1.24.0", "")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-5.fc39"),
    smtp: Package("Postfix", "3.8.5", ""),
    redis: Package("Redis", "7.2.4", "7.2.4-1.fc39"),
    mysql: Package("MariaDB", "10.5.23", "MariaDB"),
    telnet: LINUX_TELNETD,
};
static KALI: Packages = Packages {
    ssh: Package("OpenSSH", "9.7p1", "Debian-7"),
    web: &[Package("Apache", "2.4.59", "Debian"), Package("nginx", "1.24.0", "")],
    ftp: Package("vsFTPd", "3.0.3", "3.0.3-13+b3"),
    smtp: Package("Postfix", "3.9.0", "Debian/GNU"),
    redis: Package("Redis", "7.0.15", "5:7.0.15-1"),
    mysql: Package("MariaDB", "11.4.2", "MariaDB-4"),
    telnet: INETUTILS_TELNETD,
};
static ARCH: Packages = Packages {
    ssh: Package("OpenSSH", "9.8", ""),
    web: &[Package("nginx", "1.26.1", ""), Package("Apache", "2.4.61", "Unix")],
    ftp: Package("vsFTPd", "3.0.5", "3.0.5-1"),
    smtp: Package("Postfix", "3.9.0", ""),
    redis: Package("Redis", "7.2.5", "7.2.5-2"),
    mysql: Package("MariaDB", "11.4.2", "MariaDB"),
    telnet: INETUTILS_TELNETD,
};

/// All distributions.
pub static ALL: &[Profile] = &[
    Profile {
        slug: "debian",
        title: "Debian 12 (bookworm)",
        id: "debian",
        name: "Debian GNU/Linux",
        admins: "sudo",
        shell: "/bin/bash",
        releases: &[
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-18-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)",
                (2024, 2, 1),
                BOOKWORM_EARLY
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-22-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.94-1 (2024-06-21)",
                (2024, 6, 21),
                BOOKWORM
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-25-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)",
                (2024, 8, 26),
                BOOKWORM
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-26-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.112-1 (2024-09-30)",
                (2024, 9, 30),
                BOOKWORM
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-28-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)",
                (2024, 11, 22),
                BOOKWORM
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-35-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)",
                (2025, 5, 7),
                BOOKWORM_LATE
            ),
            release!(
                "12",
                "bookworm",
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-56-amd64",
                "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
                (2026, 11, 16),
                BOOKWORM_CURRENT
            ),
        ],
    },
    Profile {
        slug: "ubuntu22",
        title: "Ubuntu 22.04 LTS (jammy)",
        id: "ubuntu",
        name: "Ubuntu",
        admins: "sudo",
        shell: "/bin/bash",
        releases: &[
            release!(
                "22.04",
                "jammy",
                "Ubuntu 22.04.3 LTS",
                "5.15.0-91-generic",
                "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023",
                (2023, 11, 14),
                JAMMY_EARLY
            ),
            release!(
                "22.04",
                "jammy",
                "Ubuntu 22.04.4 LTS",
                "5.15.0-105-generic",
                "#115-Ubuntu SMP Mon Apr 15 09:52:04 UTC 2024",
                (2024, 4, 15),
                JAMMY_EARLY
            ),
            release!(
                "22.04",
                "jammy",
                "Ubuntu 22.04.4 LTS",
                "5.15.0-119-generic",
                "#129-Ubuntu SMP Fri Aug 2 19:25:20 UTC 2024",
                (2024, 8, 2),
                JAMMY
            ),
            release!(
                "22.04",
                "jammy",
                "Ubuntu 22.04.5 LTS",
                "5.15.0-122-generic",
                "#132-Ubuntu SMP Thu Aug 29 13:45:52 UTC 2024",
                (2024, 8, 29),
                JAMMY
            ),
            release!(
                "22.04",
                "jammy",
                "Ubuntu 22.04.5 LTS",
                "5.15.0-130-generic",
                "#140-Ubuntu SMP Wed Dec 18 17:59:53 UTC 2024",
                (2024, 12, 18),
                JAMMY_LATE
            ),
        ],
    },
    Profile {
        slug: "ubuntu20",
        title: "Ubuntu 20.04 LTS (focal)",
        id: "ubuntu",
        name: "Ubuntu",
        admins: "sudo",
        shell: "/bin/bash",
        releases: &[
            release!(
                "20.04",
                "focal",
                "Ubuntu 20.04.6 LTS",
                "5.4.0-182-generic",
                "#202-Ubuntu SMP Fri Apr 26 12:29:36 UTC 2024",
                (2024, 4, 26),
                FOCAL
            ),
            release!(
                "20.04",
                "focal",
                "Ubuntu 20.04.6 LTS",
                "5.4.0-200-generic",
                "#220-Ubuntu SMP Fri Sep 27 13:19:16 UTC 2024",
                (2024, 9, 27),
                FOCAL
            ),
        ],
    },
    Profile {
        slug: "rocky9",
        title: "Rocky Linux 9",
        id: "rocky",
        name: "Rocky Linux",
        admins: "wheel",
        shell: "/bin/bash",
        releases: &[
            release!(
                "9.3",
                "",
                "Rocky Linux 9.3 (Blue Onyx)",
                "5.14.0-362.24.1.el9_3.0.1.x86_64",
                "#1 SMP PREEMPT_DYNAMIC Thu Apr 4 22:31:43 UTC 2024",
                (2024, 4, 4),
                ROCKY93
            ),
            release!(
                "9.4",
                "",
                "Rocky Linux 9.4 (Blue Onyx)",
                "5.14.0-427.13.1.el9_4.x86_64",
                "#1 SMP PREEMPT_DYNAMIC Wed May 1 19:11:28 UTC 2024",
                (2024, 5, 1),
                ROCKY94
            ),
            release!(
                "9.5",
                "",
                "Rocky Linux 9.5 (Blue Onyx)",
                "5.14.0-503.14.1.el9_5.x86_64",
                "#1 SMP PREEMPT_DYNAMIC Fri Nov 15 12:04:32 UTC 2024",
                (2024, 11, 15),
                ROCKY95
            ),
        ],
    },
    Profile {
        slug: "centos7",
        title: "CentOS Linux 7",
        id: "centos",
        name: "CentOS Linux",
        admins: "wheel",
        shell: "/bin/bash",
        releases: &[
            release!(
                "7",
                "",
                "CentOS Linux 7 (Core)",
                "3.10.0-1160.71.1.el7.x86_64",
                "#1 SMP Tue Jun 28 15:37:28 UTC 2022",
                (2022, 6, 28),
                CENTOS7
            ),
            release!(
                "7",
                "",
                "CentOS Linux 7 (Core)",
                "3.10.0-1160.118.1.el7.x86_64",
                "#1 SMP Wed Apr 24 16:01:50 UTC 2024",
                (2024, 4, 24),
                CENTOS7
            ),
        ],
    },
    Profile {
        slug: "alpine",
        title: "Alpine Linux 3.19",
        id: "alpine",
        name: "Alpine Linux",
        admins: "wheel",
        shell: "/bin/ash",
        releases: &[
            release!(
                "3.19.0",
                "",
                "Alpine Linux v3.19",
                "6.6.7-0-lts",
                "#1-Alpine SMP PREEMPT_DYNAMIC Thu, 14 Dec 2023 06:28:24 +0000",
                (2023, 12, 14),
                ALPINE319
            ),
            release!(
                "3.19.1",
                "",
                "Alpine Linux v3.19",
                "6.6.14-0-lts",
                "#1-Alpine SMP PREEMPT_DYNAMIC Fri, 26 Jan 2024 11:08:07 +0000",
                (2024, 1, 26),
                ALPINE319
            ),
        ],
    },
    Profile {
        slug: "fedora",
        title: "Fedora Linux 39",
        id: "fedora",
        name: "Fedora Linux",
        admins: "wheel",
        shell: "/bin/bash",
        releases: &[
            release!(
                "39",
                "",
                "Fedora Linux 39 (Server Edition)",
                "6.7.11-200.fc39.x86_64",
                "#1 SMP PREEMPT_DYNAMIC Wed Mar 27 16:50:39 UTC 2024",
                (2024, 3, 27),
                FEDORA39
            ),
            release!(
                "39",
                "",
                "Fedora Linux 39 (Server Edition)",
                "6.8.9-200.fc39.x86_64",
                "#1 SMP PREEMPT_DYNAMIC Thu May  2 18:44:19 UTC 2024",
                (2024, 5, 2),
                FEDORA39
            ),
        ],
    },
    Profile {
        slug: "kali",
        title: "Kali Linux (rolling)",
        id: "kali",
        name: "Kali GNU/Linux",
        admins: "sudo",
        shell: "/usr/bin/zsh",
        releases: &[release!(
            "2024.2",
            "kali-rolling",
            "Kali GNU/Linux Rolling",
            "6.8.11-amd64",
            "#1 SMP PREEMPT_DYNAMIC Kali 6.8.11-1kali2 (2024-05-30)",
            (2024, 5, 30),
            KALI
        )],
    },
    Profile {
        slug: "arch",
        title: "Arch Linux",
        id: "arch",
        name: "Arch Linux",
        admins: "wheel",
        shell: "/bin/bash",
        releases: &[release!(
            "",
            "",
            "Arch Linux",
            "6.9.7-arch1-1",
            "#1 SMP PREEMPT_DYNAMIC Fri, 28 Jun 2024 04:32:50 +0000",
            (2024, 6, 28),
            ARCH
        )],
    },
];

/// The distribution called `slug`.
pub fn find(slug: &str) -> Option<&'static Profile> {
    ALL.iter().find(|p| p.slug == slug)
}

/// All slugs.
pub fn slugs() -> Vec<&'static str> {
    ALL.iter().map(|p| p.slug).collect()
}
