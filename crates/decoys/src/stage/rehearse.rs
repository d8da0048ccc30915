//! Plays a dialogue without sockets: for unit tests, transcripts and fuzz targets. Time and randomness
//! are fixed, so the same input always gets the same answer.
//!
//! ```no_run
//! let mut play = decoys::stage::rehearse::Rehearsal::of("redis").unwrap();
//! play.say(b"PING\r\n");
//! assert_eq!(play.sent(), b"+PONG\r\n");
//! ```

use bytes::{Buf, BytesMut};
use model::{Account, DeckyId, Distro, Id, Micros, OsFamily, Persona, Saw, Service, Session, Software};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{memory::Memory, shelf::Shelf, side::SideDoors};
use crate::decoy::{Act, Answerer, Decoy, Dialogue, Heard, Reply, Side, Speaks, Visit};

/// When every rehearsal begins: 2026-03-02T09:15:00Z, a Monday.
pub const NOW: Micros = Micros(1_772_442_900_000_000);

/// Seed of the randomness of every rehearsal.
pub const SEED: [u8; 32] = [0x5a; 32];

/// Address the rehearsed visitor comes from.
pub const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 66)), 40_404);

/// A fixed Debian 12 machine that offers every service: `files02.corp.kestrel-logistics.com`,
/// accounts `root`/`Winter2025`, `deploy`/`deploy123` (sudo), `backup` (no password login) and
/// `mgarcia`/`summer19`.
pub fn persona() -> Persona {
    Persona {
        decky: DeckyId::local("test-01"),
        hostname: "files02".into(),
        domain: "corp.kestrel-logistics.com".into(),
        company: "Kestrel Logistics".into(),
        archetype: "linux-server".into(),
        os: OsFamily::Linux,
        distro: Distro {
            slug: "debian".into(),
            id: "debian".into(),
            name: "Debian GNU/Linux".into(),
            version_id: "12".into(),
            codename: "bookworm".into(),
            pretty_name: "Debian GNU/Linux 12 (bookworm)".into(),
            kernel_release: "6.1.0-28-amd64".into(),
            kernel_version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)".into(),
            machine: "x86_64".into(),
        },
        booted: Micros(1_768_901_420_123_456),
        installed: Micros(1_716_201_733_000_000),
        timezone: "Europe/Madrid".into(),
        mac: "52:54:00:3c:1a:7e".into(),
        ipv4: Some(Ipv4Addr::new(198, 51, 100, 23)),
        ipv6: Vec::new(),
        ipv4_prefix: 24,
        gateway: Some(Ipv4Addr::new(198, 51, 100, 1)),
        accounts: vec![
            account("root", 0, "root", "/root", "/bin/bash", Some("Winter2025"), false),
            account("deploy", 1000, "Deploy,,,", "/home/deploy", "/bin/bash", Some("deploy123"), true),
            account("backup", 34, "backup", "/var/backups", "/usr/sbin/nologin", None, false),
            account("mgarcia", 1001, "Marta Garcia,,,", "/home/mgarcia", "/bin/bash", Some("summer19"), false),
        ],
        services: vec![
            service("ftp", "vsFTPd", "3.0.3", ""),
            service("http", "Apache", "2.4.62", "Debian"),
            service("https", "Apache", "2.4.62", "Debian"),
            service("mysql", "MariaDB", "10.11.6", "MariaDB-0+deb12u1"),
            service("redis", "Redis", "7.0.15", ""),
            service("smtp", "Postfix", "3.7.11", "Debian/GNU"),
            service("ssh", "OpenSSH", "9.2p1", "Debian-2+deb12u3"),
            service("telnet", "inetutils-telnetd", "2.4", ""),
        ],
        seed: [0x17; 32],
    }
}

fn account(name: &str, uid: u32, gecos: &str, home: &str, shell: &str, password: Option<&str>, sudo: bool) -> Account {
    Account {
        name: name.into(),
        uid,
        gid: uid,
        gecos: gecos.into(),
        home: home.into(),
        shell: shell.into(),
        password: password.map(Into::into),
        sudo,
    }
}

fn service(name: &str, product: &str, version: &str, package: &str) -> Service {
    Service {
        name: name.into(),
        knobs: BTreeMap::new(),
        software: Software { product: product.into(), version: version.into(), package: package.into() },
    }
}

/// A visit of [`PEER`] to `service` of `persona`, with nothing left from before. Two data doors stand
/// at ports 40001 and 40002.
pub fn visit(persona: Persona, service: &'static str) -> Visit {
    let knobs = persona.service(service).map(|s| s.knobs.clone()).unwrap_or_default();
    let local = persona.ipv4.unwrap_or(Ipv4Addr::LOCALHOST);
    Visit {
        persona: Arc::new(persona),
        service,
        knobs: Arc::new(knobs),
        session: Id::<Session>::at(NOW, [0x42; 10]),
        peer: PEER,
        local: SocketAddr::new(local.into(), 0),
        tls: false,
        at: NOW,
        memory: Memory::default(),
        side: SideDoors::of(Arc::new(parking_lot::Mutex::new(vec![40_001, 40_002]))),
        post: crate::mail::Post::default(),
        shelf: Shelf::default(),
    }
}

/// What is being played.
enum Part {
    Stream(Box<dyn Dialogue>),
    Datagram(Box<dyn Answerer>),
}

/// A conversation without sockets. Answers pile up until they are taken with [`Rehearsal::sent`],
/// [`Rehearsal::saws`] or [`Rehearsal::acts`].
pub struct Rehearsal {
    visit: Visit,
    part: Part,
    reply: Reply,
    now: Micros,
    buffer: BytesMut,
    acts: Vec<Act>,
    tls_asked: bool,
    wake: Option<Micros>,
    hung_up: bool,
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal").field("service", &self.visit.service).field("hung_up", &self.hung_up).finish_non_exhaustive()
    }
}

impl Rehearsal {
    /// The first stream of the decoy `name` visited on [`persona`], already opened.
    pub fn of(name: &str) -> Option<Self> {
        let decoy = crate::find(name)?;
        Self::start(decoy, visit(persona(), decoy.name), None)
    }

    /// The stream that stands at `door` (any stream if `None`), already opened. `None`: the decoy has
    /// none.
    pub fn start(decoy: &'static Decoy, mut visit: Visit, door: Option<crate::Door>) -> Option<Self> {
        let (doors, make) = decoy.speaks.iter().find_map(|s| match s {
            Speaks::Stream(doors, make) if door.is_none_or(|d| doors.contains(&d)) => Some((doors, make)),
            _ => None,
        })?;
        match door.or_else(|| doors.first().copied()) {
            Some(crate::Door::Tls(port)) => {
                visit.tls = true;
                visit.local.set_port(port);
            }
            Some(crate::Door::Plain(port)) => visit.local.set_port(port),
            _ => {}
        }
        let dialogue = make(&visit);
        Some(Self::with(visit, dialogue))
    }

    /// The answerer of the decoy's UDP ports. `None`: it has none.
    pub fn datagram(decoy: &'static Decoy, visit: Visit) -> Option<Self> {
        let make = decoy.speaks.iter().find_map(|s| match s {
            Speaks::Datagram(_, make) => Some(make),
            Speaks::Stream(..) => None,
        })?;
        let part = Part::Datagram(make(&visit));
        Some(Self::new(visit, part))
    }

    /// Plays `dialogue`, opening it at once.
    pub fn with(visit: Visit, dialogue: Box<dyn Dialogue>) -> Self {
        let mut play = Self::new(visit, Part::Stream(dialogue));
        play.tell(Dialogue::open);
        play
    }

    fn new(visit: Visit, part: Part) -> Self {
        Self {
            visit,
            part,
            reply: Reply::new(NOW, SEED),
            now: NOW,
            buffer: BytesMut::new(),
            acts: Vec::new(),
            tls_asked: false,
            wake: None,
            hung_up: false,
        }
    }

    /// Who visits whom.
    pub fn visit(&self) -> &Visit {
        &self.visit
    }

    /// The visitor sends `bytes` in one piece. Nothing happens after a hangup.
    pub fn say(&mut self, bytes: &[u8]) -> &mut Self {
        if self.hung_up {
            return self;
        }
        match &mut self.part {
            Part::Datagram(answerer) => {
                self.reply.set_now(self.now);
                answerer.hear(PEER, bytes, &mut self.reply);
                self.gather();
            }
            Part::Stream(_) => {
                self.buffer.extend_from_slice(bytes);
                self.hear();
            }
        }
        self
    }

    /// The visitor sends `bytes` one at a time.
    pub fn say_slowly(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.say(std::slice::from_ref(byte));
        }
        self
    }

    /// Time passes; a wake that comes due is given.
    pub fn wait(&mut self, time: Duration) -> &mut Self {
        let until = self.now.plus(time);
        for _ in 0..10_000 {
            match self.wake {
                Some(at) if at <= until && !self.hung_up => {
                    self.now = self.now.max(at);
                    self.wake();
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
        self
    }

    /// The time asked for with `wake_after` has come (even if none was asked for).
    pub fn wake(&mut self) -> &mut Self {
        self.wake = None;
        let mut heard = Heard::NeedMore;
        self.tell(|d, out| heard = d.wake(out));
        match heard {
            Heard::Hangup => self.hung_up = true,
            Heard::Used(_) | Heard::NeedMore if !self.buffer.is_empty() => self.hear(),
            _ => {}
        }
        self
    }

    /// The TLS that the dialogue asked for is established.
    pub fn secure(&mut self) -> &mut Self {
        self.tls_asked = false;
        self.tell(Dialogue::secured);
        self
    }

    /// The visitor closes its sending half.
    pub fn half_close(&mut self) -> &mut Self {
        let rest = self.buffer.split();
        let mut close = false;
        self.tell(|d, out| close = d.half_closed(&rest, out));
        self.hung_up |= close;
        self
    }

    /// The visitor was silent for longer than the dialogue's patience.
    pub fn idle(&mut self) -> &mut Self {
        self.tell(Dialogue::idle);
        self.hung_up = true;
        self
    }

    /// The connection is gone.
    pub fn close(&mut self) -> &mut Self {
        self.hung_up = true;
        self.tell(Dialogue::closed);
        self
    }

    /// Something happens on the data connection.
    pub fn side(&mut self, what: Side<'_>) -> &mut Self {
        self.tell(|d, out| d.side(what, out));
        self
    }

    /// Whether the dialogue has ended the conversation.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Whether the dialogue asked for TLS and [`Rehearsal::secure`] was not called yet.
    pub fn wants_tls(&self) -> bool {
        self.tls_asked
    }

    /// When the dialogue wants to be woken.
    pub fn wakes_at(&self) -> Option<Micros> {
        self.wake
    }

    /// Takes what was sent to the visitor since the last time, joined.
    pub fn sent(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.acts.retain(|a| match a {
            Act::Send(bytes) => {
                all.extend_from_slice(bytes);
                false
            }
            Act::Urgent(byte) => {
                all.push(*byte);
                false
            }
            _ => true,
        });
        all
    }

    /// Takes what was sent on the data connection since the last time, joined.
    pub fn side_sent(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.acts.retain(|a| match a {
            Act::SideSend(bytes) => {
                all.extend_from_slice(bytes);
                false
            }
            _ => true,
        });
        all
    }

    /// Takes what was noted since the last time.
    pub fn saws(&mut self) -> Vec<Saw> {
        let mut all = Vec::new();
        self.acts.retain_mut(|a| match a {
            Act::Note(saw) => {
                all.push(saw.clone());
                false
            }
            _ => true,
        });
        all
    }

    /// Takes every act since the last time, in order.
    pub fn acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    fn tell(&mut self, what: impl FnOnce(&mut (dyn Dialogue + 'static), &mut Reply)) {
        self.reply.set_now(self.now);
        if let Part::Stream(dialogue) = &mut self.part {
            what(dialogue.as_mut(), &mut self.reply);
        }
        self.gather();
    }

    fn hear(&mut self) {
        while !self.buffer.is_empty() && !self.hung_up && !self.tls_asked {
            let Part::Stream(dialogue) = &mut self.part else {
                return;
            };
            self.reply.set_now(self.now);
            let heard = dialogue.hear(&self.buffer, &mut self.reply);
            let appetite = dialogue.appetite();
            match heard {
                Heard::Used(n) if n > 0 => self.buffer.advance(n.min(self.buffer.len())),
                Heard::Used(_) | Heard::NeedMore => {
                    self.hung_up |= self.buffer.len() > appetite;
                    self.gather();
                    return;
                }
                Heard::Hangup => {
                    self.gather();
                    self.hung_up = true;
                }
            }
            self.gather();
        }
    }

    fn gather(&mut self) {
        for act in self.reply.take() {
            match &act {
                Act::Pause(time) => self.now = self.now.plus(*time),
                Act::Wake(time) => self.wake = Some(self.now.plus(*time)),
                Act::StartTls => {
                    self.tls_asked = true;
                    self.buffer.clear();
                }
                Act::Hangup => self.hung_up = true,
                _ => {}
            }
            let over = matches!(act, Act::Hangup);
            self.acts.push(act);
            if over {
                break;
            }
        }
    }
}
