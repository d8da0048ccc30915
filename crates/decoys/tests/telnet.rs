//! The telnet decoy on the stage, visited by the system's own client and by bare sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{
    control::{Handed, Kind},
    stage::{Places, Stage, limits::Limits, rehearse},
};
use model::{Event, Outcome, Persona, Saw};
use spool::{Follower, Position};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// A decky on loopback.
struct World {
    dir: tempfile::TempDir,
    _stage: Stage,
    port: u16,
}

impl World {
    fn new(persona: Persona) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let places = Places {
            spool: place("spool/0"),
            artifacts: place("artifacts"),
            transcripts: place("transcripts"),
            state: place("state"),
            seeds: Default::default(),
        };
        let stage = Stage::open(&places, Limits::default()).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doors = [Handed { service: "telnet".into(), kind: Kind::Plain, port }];
        stage.play(persona, &doors, vec![OwnedFd::from(socket)]).unwrap();
        Self { dir, _stage: stage, port }
    }

    fn events(&self) -> Vec<Event> {
        Follower::open(self.dir.path().join("spool/0"), Position::default()).unwrap().next_batch(10_000, 1 << 24).unwrap().events
    }
}

/// Debian's client, with pipes for its terminal.
struct Client {
    child: Child,
    out: ChildStdout,
    all: Vec<u8>,
}

impl Client {
    fn new(port: u16) -> Self {
        let mut child = Command::new("telnet")
            .args(["127.0.0.1", &port.to_string()])
            .env("TERM", "xterm-256color")
            .env_remove("DISPLAY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        Self { child, out, all: Vec::new() }
    }

    /// Reads until `text` is shown.
    fn until(&mut self, text: &str) {
        let from = self.all.len();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&self.all[from..]).contains(text) {
            let n = self.out.read(&mut buffer).unwrap();
            assert!(n > 0, "ended before {text}: {}", self.all.escape_ascii());
            self.all.extend_from_slice(&buffer[..n]);
        }
    }

    fn say(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_client_logs_in_and_works() {
    if !Path::new("/usr/bin/telnet").exists() {
        return;
    }
    let world = World::new(rehearse::persona());
    let mut client = Client::new(world.port);
    client.until("files02 login: ");
    client.say("root\n");
    client.until("Password: ");
    client.say("wrong\n");
    client.until("Login incorrect\r\nfiles02 login: ");
    client.say("deploy\n");
    client.until("Password: ");
    client.say("deploy123\n");
    client.until("$ ");
    client.say("echo $((6*7)) $TERM; tty\n");
    client.until("42 xterm-256color\r\n/dev/pts/0\r\n");
    client.say("exit\n");
    client.until("logout");
    client.child.wait().unwrap();
    let events = world.events();
    let attempts: Vec<(Vec<u8>, Outcome)> = events
        .iter()
        .filter_map(|e| match &e.saw {
            Saw::AuthAttempt { secret, outcome, .. } => Some((secret.as_bytes().to_vec(), *outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [(b"wrong".to_vec(), Outcome::Failure), (b"deploy123".to_vec(), Outcome::Success)]);
    assert!(events.iter().any(|e| matches!(&e.saw, Saw::Command { line, .. } if line.as_bytes().starts_with(b"echo $((6*7))"))));
    assert_eq!(events.iter().filter(|e| matches!(e.saw, Saw::SessionRecorded { .. })).count(), 1);
    assert!(events.iter().any(|e| matches!(&e.saw, Saw::Noted { what, .. } if what == "telnet_client")));
}

/// Reads what comes until `text` is there.
fn until(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !all.windows(text.len()).any(|w| w == text) {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "ended before {}: {}", text.escape_ascii(), all.escape_ascii());
        all.extend_from_slice(&buffer[..n]);
    }
    all
}

fn visit(world: &World) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

const REFUSE: &[u8] = b"\xff\xfe\x25\xff\xfe\x26\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27\xff\xfc\x24";
const SECOND: &[u8] = b"\xff\xfc\x01\xff\xfc\x22\xff\xfd\x03\xff\xfc\x1f\xff\xfe\x05\xff\xfc\x21\xff\xfd\x01";

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_is_told_out_of_band() {
    let world = World::new(rehearse::persona());
    let mut stream = visit(&world);
    stream.write_all(REFUSE).unwrap();
    until(&mut stream, b"\xff\xfd\x21");
    stream.write_all(SECOND).unwrap();
    until(&mut stream, b"files02 login: ");
    stream.write_all(b"ab\xff\xf4").unwrap();
    // The first byte of the data mark is urgent: who does not read it inline sees only the second.
    assert_eq!(until(&mut stream, b"^C"), b"\xf2^C");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_the_time_pam_takes() {
    let world = World::new(rehearse::persona());
    let mut stream = visit(&world);
    stream.write_all(REFUSE).unwrap();
    until(&mut stream, b"\xff\xfd\x21");
    stream.write_all(SECOND).unwrap();
    until(&mut stream, b"login: ");
    stream.write_all(b"nobody\r\n").unwrap();
    until(&mut stream, b"Password: ");
    let begun = Instant::now();
    stream.write_all(b"x\r\n").unwrap();
    until(&mut stream, b"Login incorrect");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1_500) && took < Duration::from_millis(6_000), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_answers_as_busybox_does() {
    let mut persona = rehearse::persona();
    persona.distro.id = "alpine".into();
    for service in persona.services.iter_mut().filter(|s| s.name == "telnet") {
        service.software.product = "BusyBox telnetd".into();
    }
    for account in &mut persona.accounts {
        account.shell = "/bin/ash".into();
    }
    let world = World::new(persona);
    let mut stream = visit(&world);
    let greeting = until(&mut stream, b"login: ");
    assert_eq!(greeting, b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03\r\r\nfiles02 login: ");
    stream.write_all(b"root\r\n").unwrap();
    until(&mut stream, b"Password: ");
    stream.write_all(b"Winter2025\r\n").unwrap();
    until(&mut stream, b"# ");
    stream.write_all(b"busybox | head -1\r\n").unwrap();
    until(&mut stream, b"BusyBox v1.36.1");
}
