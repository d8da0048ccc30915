//! Serves the ssh decoy on a loopback port until the stage does.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a test harness")]
use decoys::{
    decoy::{Act, Dialogue, Heard, Reply, Speaks, Visit},
    stage::{memory::Memory, rehearse},
};
use model::{Id, Micros};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

fn main() {
    let port: u16 = std::env::args().nth(1).map_or(2222, |p| p.parse().unwrap());
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let memory = Memory::default();
    let mut persona = rehearse::persona();
    if let (Some(v), Some(p)) = (std::env::args().nth(2), std::env::args().nth(3)) {
        let s = persona.services.iter_mut().find(|s| s.name == "ssh").unwrap();
        (s.software.version, s.software.package) = (v, p);
    }
    let persona = Arc::new(persona);
    for socket in listener.incoming() {
        let mut socket = socket.unwrap();
        let (persona, memory) = (Arc::clone(&persona), memory.clone());
        std::thread::spawn(move || {
            let now = || Micros::of(SystemTime::now());
            let visit = Visit {
                persona,
                service: "ssh",
                knobs: Arc::default(),
                session: Id::at(now(), [1; 10]),
                peer: socket.peer_addr().unwrap(),
                local: socket.local_addr().unwrap(),
                tls: false,
                at: now(),
                memory,
                side: Default::default(),
            };
            let Speaks::Stream(_, start) = decoys::ssh::SSH.speaks[0] else { return };
            let mut d: Box<dyn Dialogue> = start(&visit);
            let mut seed = [0u8; 32];
            std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut seed).unwrap();
            let mut out = Reply::new(now(), seed);
            let mut wake: Option<Instant> = None;
            let mut buffer: Vec<u8> = Vec::new();
            d.open(&mut out);
            let mut tmp = vec![0u8; 65536];
            let quiet = std::env::var("QUIET").is_ok();
            loop {
                for act in out.take() {
                    match act {
                        Act::Send(b) => {
                            if socket.write_all(&b).is_err() {
                                out.set_now(now());
                                d.closed(&mut out);
                                return;
                            }
                        }
                        Act::Pause(t) => std::thread::sleep(t),
                        Act::Wake(t) => wake = Some(Instant::now() + t),
                        Act::Hangup => {
                            d.closed(&mut out);
                            println!("{:?}", out.take());
                            return;
                        }
                        Act::Note(n) if !quiet => println!("note {:?} {:?}", n.event_type(), n.fields()),
                        Act::Keep(k) => println!("keep {:?} {} {:?}", k.path, k.bytes.len(), k.way),
                        Act::Record(f) if !quiet => println!("record {f:?}"),
                        _ => {}
                    }
                }
                if wake.is_some_and(|w| w <= Instant::now()) {
                    wake = None;
                    out.set_now(now());
                    if d.wake(&mut out) == Heard::Hangup {
                        out.hangup();
                    }
                    continue;
                }
                let left = wake.map(|w| w.saturating_duration_since(Instant::now()).max(Duration::from_micros(1)));
                socket.set_read_timeout(left).unwrap();
                match socket.read(&mut tmp) {
                    Ok(0) => {
                        out.set_now(now());
                        d.half_closed(&buffer, &mut out);
                        d.closed(&mut out);
                        println!("closed by visitor {:?}", out.take());
                        return;
                    }
                    Ok(n) => buffer.extend_from_slice(&tmp[..n]),
                    Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
                    Err(_) => {
                        d.closed(&mut out);
                        println!("broken {:?}", out.take());
                        return;
                    }
                }
                out.set_now(now());
                while !buffer.is_empty() {
                    match d.hear(&buffer, &mut out) {
                        Heard::Used(0) | Heard::NeedMore => break,
                        Heard::Used(n) => {
                            buffer.drain(..n);
                        }
                        Heard::Hangup => {
                            out.hangup();
                            break;
                        }
                    }
                }
            }
        });
    }
}
