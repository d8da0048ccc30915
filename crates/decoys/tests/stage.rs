//! The stage over real loopback sockets, with a toy dialogue that does everything a dialogue can ask for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use bytes::Bytes;
use decoys::{
    Answerer, Decoy, Dialogue, Door, Heard, Reply, Speaks, Visit,
    control::{Handed, Kind},
    decoy::{Frame, Side},
    stage::{Places, Stage, limits::Limits, rehearse},
};
use model::{Event, FileWay, Saw, Why};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use spool::{Follower, Position};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

static TABLE: &[&Decoy] = &[&TOY];

static TOY: Decoy = Decoy {
    name: "toy",
    title: "does what it is told, line by line",
    knobs: &[],
    speaks: &[
        Speaks::Stream(&[Door::Plain(7), Door::Tls(7007), Door::Side(2)], |visit| Box::new(Toy { visit: visit.clone(), woken: 0 })),
        Speaks::Datagram(&[7], |_| Box::new(Shout)),
    ],
};

struct Toy {
    visit: Visit,
    woken: u32,
}

impl Dialogue for Toy {
    fn open(&mut self, out: &mut Reply) {
        out.send(if self.visit.tls { b"hello over TLS\n" } else { b"hello\n" });
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let Some(end) = input.iter().position(|&b| b == b'\n') else { return Heard::NeedMore };
        let line = &input[..end];
        out.note(Saw::Command { line: line.into(), user: None, cwd: None });
        match line {
            b"quit" => {
                out.send(b"bye\n");
                return Heard::Hangup;
            }
            b"slow" => {
                out.send(b"one\n");
                out.pause(Duration::from_millis(120));
                out.send(b"two\n");
            }
            b"later" => out.wake_after(Duration::from_millis(50)),
            b"tls" => {
                out.send(b"go ahead\n");
                out.start_tls();
            }
            b"file" => out.keep("/tmp/dropper.sh", &b"#!/bin/sh\n"[..], FileWay::Upload),
            b"record" => {
                out.record(Frame::Start { width: 80, height: 24, term: "xterm".into(), command: None });
                out.record(Frame::Output(Bytes::from_static(b"$ \xff\xe2\x82")));
                out.record(Frame::Output(Bytes::from_static(b"\xac\n")));
            }
            b"leave" => _ = self.visit.memory.set("toy/x", Bytes::from_static(b"left")),
            b"find" => out.send(&self.visit.memory.get("toy/x").unwrap_or_default()),
            b"side" => {
                let port = self.visit.side.reserve().unwrap_or(0);
                out.send(format!("{port}\n").as_bytes());
            }
            other => {
                out.send(b"you said ");
                out.send(other);
                out.send(b"\n");
            }
        }
        Heard::Used(end + 1)
    }

    fn half_closed(&mut self, rest: &[u8], out: &mut Reply) -> bool {
        out.send(b"rest ");
        out.send(rest);
        true
    }

    fn secured(&mut self, out: &mut Reply) {
        out.send(b"now secret\n");
    }

    fn wake(&mut self, out: &mut Reply) -> Heard {
        self.woken += 1;
        out.send(b"awake\n");
        Heard::Used(0)
    }

    fn side(&mut self, what: Side<'_>, out: &mut Reply) {
        match what {
            Side::Opened { same_host } => {
                out.send(format!("opened {same_host}\n").as_bytes());
                if same_host {
                    out.side_send(vec![b'x'; 300_000]);
                }
            }
            Side::Data(data) => {
                out.send(b"got ");
                out.send(data);
                out.send(b"\n");
                out.side_close();
            }
            Side::Drained => out.send(b"drained\n"),
            Side::Closed => out.send(b"closed\n"),
        }
    }

    fn not_tls(&mut self, input: &[u8], out: &mut Reply) {
        if input.starts_with(b"GET ") {
            out.send(b"400 speak TLS\n");
        }
    }

    fn closed(&mut self, out: &mut Reply) {
        out.note(Saw::noted("goodbye", []));
    }

    fn full(&mut self, out: &mut Reply) {
        out.send(b"no more\n");
    }

    fn appetite(&self) -> usize {
        1000
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(700)
    }

    fn idle(&mut self, out: &mut Reply) {
        out.send(b"too slow\n");
    }
}

struct Shout;

impl Answerer for Shout {
    fn hear(&mut self, _from: SocketAddr, datagram: &[u8], out: &mut Reply) {
        out.note(Saw::noted("shout", [("text", datagram)]));
        out.send(&datagram.repeat(3));
        out.note(Saw::noted("again", []));
        out.send(b"more than three times");
    }
}

struct World {
    dir: tempfile::TempDir,
    stage: Stage,
    plain: SocketAddr,
    tls: SocketAddr,
    udp: SocketAddr,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self::at(tempfile::tempdir().unwrap(), limits)
    }

    fn at(dir: tempfile::TempDir, limits: Limits) -> Self {
        let place = |name: &str| dir.path().join(name);
        let places = Places {
            spool: place("spool/0"),
            artifacts: place("artifacts"),
            transcripts: place("transcripts"),
            state: place("state"),
            seeds: Default::default(),
        };
        let stage = Stage::with_table(&places, limits, TABLE).unwrap();
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (plain, tls, side, udp) = (tcp(), tcp(), tcp(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = (plain.local_addr().unwrap(), tls.local_addr().unwrap(), udp.local_addr().unwrap());
        let handed = |kind, at: SocketAddr| Handed { service: "toy".into(), kind, port: at.port() };
        let doors = [
            handed(Kind::Plain, addresses.0),
            handed(Kind::Tls, addresses.1),
            handed(Kind::Side, side.local_addr().unwrap()),
            handed(Kind::Udp, addresses.2),
        ];
        let sockets: Vec<OwnedFd> = vec![plain.into(), tls.into(), side.into(), udp.into()];
        stage.play(rehearse::persona(), &doors, sockets).unwrap();
        Self { dir, stage, plain: addresses.0, tls: addresses.1, udp: addresses.2 }
    }

    fn events(&self) -> Vec<Event> {
        Follower::open(self.dir.path().join("spool/0"), Position::default()).unwrap().next_batch(10_000, 1 << 24).unwrap().events
    }

    /// Waits, on the kernel's word, until the spool holds `done`.
    async fn until(&self, done: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut follower = Follower::open(self.dir.path().join("spool/0"), Position::default()).unwrap();
        let mut all = Vec::new();
        let wait = async {
            loop {
                all.extend(follower.next_batch(10_000, 1 << 24).unwrap().events);
                if done(&all) {
                    return;
                }
                follower.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("not seen; there is {:#?}", self.events()));
        all
    }
}

fn visitor(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn expect(stream: &mut impl Read, text: &str) {
    let mut got = vec![0; text.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8_lossy(&got), text);
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|e| e.saw.event_type()).collect()
}

async fn aside<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap()
}

fn ended(why: Why) -> impl Fn(&[Event]) -> bool {
    move |all| all.iter().any(|e| matches!(&e.saw, Saw::Disconnect { why: w, .. } if *w == why))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_held_and_everything_is_in_the_spool_before_the_answer() {
    let world = World::new(Limits::default());
    let (plain, spool) = (world.plain, world.dir.path().join("spool/0"));
    aside(move || {
        let mut stream = visitor(plain);
        expect(&mut stream, "hello\n");
        stream.write_all(b"a\nb\n").unwrap();
        expect(&mut stream, "you said a\nyou said b\n");
        let seen = Follower::open(&spool, Position::default()).unwrap().next_batch(10, 1 << 20).unwrap().events;
        assert_eq!(kinds(&seen), ["connect", "command", "command"], "noted before the answer came");
        assert_eq!(seen[0].source.unwrap(), stream.local_addr().unwrap());
        assert_eq!(seen[0].local.unwrap(), plain);
        let Saw::Connect { syn: Some(syn) } = &seen[0].saw else { panic!("no SYN: {:?}", seen[0]) };
        assert_eq!(syn.as_bytes()[0] >> 4, 4);
        let start = Instant::now();
        stream.write_all(b"slow\nc\n").unwrap();
        expect(&mut stream, "one\n");
        assert!(start.elapsed() < Duration::from_millis(100));
        expect(&mut stream, "two\nyou said c\n");
        assert!(start.elapsed() >= Duration::from_millis(115));
        stream.write_all(b"later\n").unwrap();
        expect(&mut stream, "awake\n");
        stream.write_all(b"quit\n").unwrap();
        expect(&mut stream, "bye\n");
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    })
    .await;
    let all = world.until(ended(Why::Done)).await;
    let last = all.iter().rev().take(2).map(|e| e.saw.event_type()).collect::<Vec<_>>();
    assert_eq!(last, ["disconnect", "goodbye"]);
    assert!(all.iter().all(|e| e.session == all[0].session && e.service == "toy"));
    world.stage.stop().await;
    assert_eq!(world.stage.stats().events, all.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_to_end() {
    let world = World::new(Limits::default());
    let plain = world.plain;
    aside(move || {
        let mut idle = visitor(plain);
        expect(&mut idle, "hello\ntoo slow\n");
        let mut greedy = visitor(plain);
        expect(&mut greedy, "hello\n");
        greedy.write_all(&[b'x'; 2000]).unwrap();
        _ = greedy.read(&mut [0; 1]);
        let mut half = visitor(plain);
        half.write_all(b"unfinished").unwrap();
        half.shutdown(std::net::Shutdown::Write).unwrap();
        expect(&mut half, "hello\nrest unfinished");
    })
    .await;
    for why in [Why::Idle, Why::Limit, Why::Visitor] {
        world.until(ended(why)).await;
    }
    let stay = aside(move || visitor(plain)).await;
    world.until(|all| all.iter().filter(|e| e.saw.event_type() == "connect").count() == 4).await;
    world.stage.drop_decky(&rehearse::persona().decky).unwrap();
    world.until(ended(Why::Stopped)).await;
    drop(stay);
    // The doors are closed a moment after; a connection then is refused or at least never greeted.
    world.stage.stop().await;
    assert!(TcpStream::connect(plain).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_recordings_and_memories_are_kept() {
    let world = World::new(Limits::default());
    let plain = world.plain;
    let talk = |words: &'static [u8], last: &'static str| {
        aside(move || {
            let mut stream = visitor(plain);
            expect(&mut stream, "hello\n");
            stream.write_all(words).unwrap();
            expect(&mut stream, last);
        })
    };
    talk(b"file\nrecord\nleave\nquit\n", "bye\n").await;
    let all = world.until(ended(Why::Done)).await;
    let Some(Saw::FileCaptured { sha256, whole: true, size: 10, .. }) =
        all.iter().map(|e| &e.saw).find(|s| s.event_type() == "file_captured")
    else {
        panic!("{all:#?}")
    };
    let kept = world.dir.path().join("artifacts/sha256").join(&sha256[..2]).join(sha256);
    assert_eq!(std::fs::read(kept).unwrap(), b"#!/bin/sh\n");
    let Some(Saw::SessionRecorded { recording, truncated: false, .. }) =
        all.iter().map(|e| &e.saw).find(|s| s.event_type() == "session_recorded")
    else {
        panic!("{all:#?}")
    };
    assert_eq!(*recording, format!("{}.cast", all[0].session.unwrap()));
    let cast = std::fs::read_to_string(world.dir.path().join("transcripts/test-01").join(recording)).unwrap();
    assert!(cast.contains("\"$ \u{fffd}\"]") && cast.contains("\"€\\n\"]"), "{cast}");
    talk(b"find\nquit\n", "leftbye\n").await;
    world.stage.stop().await;
    let World { dir, stage, .. } = world;
    drop(stage);
    let world = World::at(dir, Limits::default());
    let plain = world.plain;
    aside(move || {
        let mut stream = visitor(plain);
        stream.write_all(b"find\n").unwrap();
        expect(&mut stream, "hello\nleft");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_at_the_door_and_on_the_way() {
    let world = World::new(Limits::default());
    let (plain, tls) = (world.plain, world.tls);
    aside(move || {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let connector = connector.build();
        let mut secure = connector.connect("x", visitor(tls)).unwrap();
        expect(&mut secure, "hello over TLS\n");
        let big = vec![b'y'; 900];
        secure.write_all(&big).unwrap();
        secure.write_all(b"\n").unwrap();
        expect(&mut secure, &format!("you said {}\n", String::from_utf8(big).unwrap()));
        let certificate = secure.ssl().peer_certificate().unwrap().to_text().unwrap();
        assert!(String::from_utf8_lossy(&certificate).contains("files02.corp.kestrel-logistics.com"));
        secure.write_all(b"quit\n").unwrap();
        expect(&mut secure, "bye\n");
        assert_eq!(secure.read(&mut [0; 1]).unwrap(), 0, "close_notify");

        let mut stream = visitor(plain);
        expect(&mut stream, "hello\n");
        stream.write_all(b"tls\ninjected\n").unwrap();
        expect(&mut stream, "go ahead\n");
        let mut secure = connector.connect("x", stream).unwrap();
        secure.write_all(b"a\nquit\n").unwrap();
        expect(&mut secure, "now secret\nyou said a\nbye\n");

        let mut confused = visitor(tls);
        confused.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        expect(&mut confused, "400 speak TLS\n");
        let mut garbage = visitor(tls);
        garbage.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
        let mut alert = Vec::new();
        _ = garbage.read_to_end(&mut alert);
        assert_eq!(alert.first(), Some(&21), "an alert as OpenSSL sends it: {alert:?}");
    })
    .await;
    let all = world.until(|all| all.iter().filter(|e| e.saw.event_type() == "disconnect").count() == 4).await;
    let hellos: Vec<_> = all.iter().filter_map(|e| if let Saw::TlsClientHello { hello } = &e.saw { Some(hello) } else { None }).collect();
    assert_eq!(hellos.len(), 2, "{:?}", kinds(&all));
    assert!(hellos.iter().all(|h| h.as_bytes().starts_with(&[22, 3, 1]) && h.len() > 150));
    assert!(!all.iter().any(|e| matches!(&e.saw, Saw::Command { line, .. } if line.as_bytes() == b"injected")), "RFC 3207 §4.2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_doors_open_for_their_conversation_only() {
    let world = World::new(Limits::default());
    let plain = world.plain;
    aside(move || {
        let mut stream = visitor(plain);
        expect(&mut stream, "hello\n");
        stream.write_all(b"side\n").unwrap();
        let mut port = String::new();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 && byte != [b'\n'] {
            port.push(char::from(byte[0]));
        }
        let door = SocketAddr::new(plain.ip(), port.parse().unwrap());
        let stranger = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        stranger.bind(&"127.0.0.9:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        stranger.connect(&door.into()).unwrap();
        expect(&mut stream, "opened false\n");
        let mut data = visitor(door);
        expect(&mut stream, "opened true\n");
        expect(&mut data, &"x".repeat(300_000));
        expect(&mut stream, "drained\n");
        data.write_all(b"payload").unwrap();
        expect(&mut stream, "got payload\n");
        assert_eq!(data.read(&mut byte).unwrap(), 0);
        assert!(TcpStream::connect(door).is_err(), "the door is shut like any closed port");
        stream.write_all(b"side\n").unwrap();
        expect(&mut stream, &format!("{port}\n"));
        let data = visitor(door);
        expect(&mut stream, "opened true\n");
        drop(data);
    })
    .await;
}

/// Connections of one source that come while it has its share.
const CROWD: u64 = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_source_cannot_shut_out_another() {
    let world = World::new(Limits { per_source: 20, ..Limits::default() });
    let plain = world.plain;
    aside(move || {
        let mut crowd: Vec<_> = (0..20).map(|_| visitor(plain)).collect();
        for one in &mut crowd {
            expect(one, "hello\n");
        }
        let mut one = visitor(plain);
        expect(&mut one, "no more\n");
        assert_eq!(one.read(&mut [0; 1]).unwrap_or(0), 0);
        let before = resident();
        for _ in 1..CROWD {
            let mut one = visitor(plain);
            while one.read(&mut [0; 64]).unwrap_or(0) > 0 {}
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 << 20, "{grown} bytes more for {CROWD} refused connections");
        let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        other.bind(&"127.0.0.9:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        other.connect(&plain.into()).unwrap();
        expect(&mut TcpStream::from(other), "hello\n");
        drop(crowd);
    })
    .await;
    assert_eq!(world.stage.stats().refused, CROWD);
    let all = world.until(|all| all.iter().any(|e| e.saw.event_type() == "connections_refused")).await;
    let lines = all.iter().filter(|e| e.saw.event_type() == "connections_refused").count();
    assert!(lines < 10, "{lines} lines, one in ten seconds would do");
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_are_answered_without_amplification() {
    let world = World::new(Limits::default());
    let udp = world.udp;
    aside(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for text in ["abc", "defg"] {
            socket.send_to(text.as_bytes(), udp).unwrap();
            let mut buffer = [0; 100];
            let n = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], text.repeat(3).as_bytes());
        }
    })
    .await;
    let all = world.events();
    assert_eq!(kinds(&all), ["shout", "again", "shout", "again"]);
    assert_eq!(all[0].session, None);
}
