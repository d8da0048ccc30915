//! A persona, a visit and a console for trying the shell without a socket or a clock.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by several tests")]

use bytes::Bytes;
use decoys::{
    Visit,
    shell::{Console, Login, Shell, Tty},
    stage::{memory::Memory, shelf::Shelf, side::SideDoors},
};
use model::{Account, DeckyId, Distro, FileWay, Id, Micros, OsFamily, Persona, Saw, Service, Software};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub const NOW: Micros = Micros(1_795_469_137_000_000);

pub fn persona(distro: &str) -> Persona {
    let d = |id: &str, name: &str, v: &str, code: &str, pretty: &str, rel: &str, ver: &str| Distro {
        slug: id.into(),
        id: id.into(),
        name: name.into(),
        version_id: v.into(),
        codename: code.into(),
        pretty_name: pretty.into(),
        kernel_release: rel.into(),
        kernel_version: ver.into(),
        machine: "x86_64".into(),
    };
    let distro = match distro {
        "alpine" => d(
            "alpine",
            "Alpine Linux",
            "3.19.1",
            "",
            "Alpine Linux v3.19",
            "6.6.32-0-lts",
            "#1-Alpine SMP PREEMPT_DYNAMIC Mon, 27 May 2024 10:02:44 +0000",
        ),
        "ubuntu" => d(
            "ubuntu",
            "Ubuntu",
            "22.04",
            "jammy",
            "Ubuntu 22.04.5 LTS",
            "5.15.0-130-generic",
            "#140-Ubuntu SMP Wed Dec 18 17:59:53 UTC 2024",
        ),
        "rocky" => d(
            "rocky",
            "Rocky Linux",
            "9.4",
            "",
            "Rocky Linux 9.4 (Blue Onyx)",
            "5.14.0-427.42.1.el9_4.x86_64",
            "#1 SMP PREEMPT_DYNAMIC Thu Oct 31 14:01:51 UTC 2024",
        ),
        _ => d(
            "debian",
            "Debian GNU/Linux",
            "12",
            "bookworm",
            "Debian GNU/Linux 12 (bookworm)",
            "6.1.0-28-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)",
        ),
    };
    let account = |name: &str, uid: u32, home: &str, password: &str, sudo| Account {
        name: name.into(),
        uid,
        gid: uid,
        gecos: if uid == 0 { "root".into() } else { "Marta Ibanez,,,".into() },
        home: home.into(),
        shell: if distro.id == "alpine" { "/bin/ash".into() } else { "/bin/bash".into() },
        password: Some(password.into()),
        sudo,
    };
    let service = |name: &str, product: &str, version: &str, package: &str| Service {
        name: name.into(),
        knobs: BTreeMap::new(),
        software: Software { product: product.into(), version: version.into(), package: package.into() },
    };
    Persona {
        decky: DeckyId::local("web-01"),
        hostname: "intranet02".into(),
        domain: "corp.kestrel-logistics.com".into(),
        company: "Kestrel Logistics".into(),
        archetype: "linux-server".into(),
        os: OsFamily::Linux,
        accounts: vec![account("root", 0, "/root", "hunter2", false), account("mibanez", 1000, "/home/mibanez", "summer2024", true)],
        services: vec![
            service("ssh", "OpenSSH", "9.2p1", "Debian-2+deb12u3"),
            service("http", "Apache", "2.4.62", "Debian"),
            service("mysql", "MariaDB", "10.11.6", "MariaDB-0+deb12u1"),
        ],
        distro,
        booted: Micros(NOW.0 - 37 * 86_400_000_000 - 4_000_000_000),
        installed: Micros(NOW.0 - 412 * 86_400_000_000),
        timezone: "Europe/Madrid".into(),
        mac: "52:54:00:3a:11:9c".into(),
        ipv4: Some([10, 20, 4, 17].into()),
        ipv6: Vec::new(),
        ipv4_prefix: 24,
        gateway: Some([10, 20, 4, 1].into()),
        seed: [7; 32],
    }
}

pub fn visit(persona: &Arc<Persona>, memory: &Memory) -> Visit {
    Visit {
        persona: Arc::clone(persona),
        service: "ssh",
        knobs: Arc::default(),
        session: Id::at(NOW, [1; 10]),
        peer: "10.20.4.99:51234".parse().unwrap(),
        local: "10.20.4.17:22".parse().unwrap(),
        tls: false,
        at: NOW,
        memory: memory.clone(),
        side: SideDoors::default(),
        shelf: Shelf::default(),
        post: decoys::mail::Post::default(),
    }
}

/// A console that collects, with a clock that only wakes move.
pub struct Screen {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub saw: Vec<Saw>,
    pub kept: Vec<(Vec<u8>, Bytes)>,
    pub exit: Option<i32>,
    pub wake: Option<Micros>,
    pub now: Micros,
}

impl Screen {
    pub fn new() -> Self {
        Self { out: Vec::new(), err: Vec::new(), saw: Vec::new(), kept: Vec::new(), exit: None, wake: None, now: NOW }
    }
}

impl Console for Screen {
    fn stdout(&mut self, b: &[u8]) {
        self.out.extend_from_slice(b);
    }
    fn stderr(&mut self, b: &[u8]) {
        self.err.extend_from_slice(b);
    }
    fn note(&mut self, saw: Saw) {
        self.saw.push(saw);
    }
    fn keep(&mut self, path: &[u8], bytes: Bytes, _way: FileWay) {
        self.kept.push((path.to_vec(), bytes));
    }
    fn wake_after(&mut self, time: Duration) {
        self.wake = Some(self.now.plus(time));
    }
    fn exit(&mut self, status: i32) {
        self.exit = Some(status);
    }
    fn now(&self) -> Micros {
        self.now
    }
    fn random(&mut self, buffer: &mut [u8]) {
        for (n, b) in buffer.iter_mut().enumerate() {
            *b = n as u8 ^ 0x5a;
        }
    }
}

pub struct Session {
    pub shell: Shell,
    pub screen: Screen,
}

impl Session {
    pub fn open(visit: &Visit, user: &str, tty: bool, command: Option<&[u8]>) -> Self {
        let login = Login {
            user: user.into(),
            tty: tty.then(|| Tty { cols: 80, rows: 24, term: "xterm".into(), name: "pts/0".into() }),
            service: "ssh",
            command: command.map(<[u8]>::to_vec),
            env: Vec::new(),
            peer_port: 51234,
        };
        let mut screen = Screen::new();
        let mut shell = Shell::new(visit, login, NOW);
        shell.start(&mut screen);
        Self { shell, screen }
    }

    /// Turns the clock until nothing waits for time, at most `most` wakes.
    pub fn settle(&mut self, most: usize) {
        for _ in 0..most {
            if self.screen.exit.is_some() {
                return;
            }
            let Some(at) = self.screen.wake.take() else { return };
            self.screen.now = at.max(self.screen.now);
            self.shell.wake(&mut self.screen);
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.shell.input(bytes, &mut self.screen);
        self.settle(200);
    }
}

/// Runs a command without a terminal as a new visitor: output, errors, status.
pub fn run(distro: &str, user: &str, command: &[u8]) -> (Vec<u8>, Vec<u8>, Option<i32>) {
    let persona = Arc::new(persona(distro));
    let memory = Memory::default();
    let mut s = Session::open(&visit(&persona, &memory), user, false, Some(command));
    s.shell.eof(&mut s.screen);
    s.settle(5000);
    (s.screen.out, s.screen.err, s.screen.exit)
}
