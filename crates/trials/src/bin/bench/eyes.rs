//! How fast packets are read, behaviour is followed and secrets are compared. The peer reads the same file in the same run.

use crate::figure::{Direction, Report};
use bus::Bus;
use fingerprint::sensor::{Limits, Sensor, Target};
use model::Micros;
use std::{
    collections::HashSet,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};
use store::{Batch, Config, NewCredential, NewLog, Position, Store};
use wire::{packet::Packet, pcap::Frames};
use workers::{
    Cx,
    behaviour::Behaviours,
    reuse_correlator::ReuseCorrelator,
    runner::{Pass, Worker},
};

const SYNS: u32 = 1_000_000;
const HELLOS: u32 = 100_000;
const CREDENTIALS: u32 = 1_000_000;
const EVENTS: u32 = 200_000;
const DECKY: [u8; 4] = [10, 0, 0, 1];

pub(crate) async fn measure(report: &mut Report) {
    let dir = tempfile::tempdir().unwrap();
    syns(report, dir.path());
    hellos(report);
    let peer = Some("none: no other product keeps such a count");
    let (behaviour, reuse) = (behaviour(dir.path()).await, reuse(dir.path()).await);
    report.add("eyes.behaviour_events_per_s", &behaviour, "events/s", Direction::Higher, Some(50_000.0), peer, "eyes");
    report.add("eyes.reuse_ms_per_credential", &reuse, "ms", Direction::Lower, Some(1.0), peer, "eyes");
}

fn segment(n: u32, numbers: (u32, u32), flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + options.len() + payload.len()).unwrap().to_be_bytes();
    let mut bytes =
        vec![0x45, 0, length[0], length[1], (n >> 8) as u8, n as u8, 0x40, 0, 60, 6, 0, 0, 100, (n >> 16) as u8, (n >> 8) as u8, n as u8];
    bytes.extend(DECKY);
    bytes.extend((20_000 + (n % 40_000) as u16).to_be_bytes());
    bytes.extend(443_u16.to_be_bytes());
    bytes.extend(numbers.0.to_be_bytes());
    bytes.extend(numbers.1.to_be_bytes());
    bytes.extend([((20 + options.len()) as u8 / 4) << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a capture from its bytes; seconds, and how many sightings there were.
fn read(file: &[u8]) -> (f64, usize) {
    let mut sensor = Sensor::new(Limits { unproven_burst: u32::MAX, ..Limits::default() });
    sensor.watch([(DECKY.into(), Target::default())].into(), HashSet::new());
    let started = Instant::now();
    let mut told = 0;
    for (n, frame) in Frames::new(file).unwrap().enumerate() {
        if let Ok(packet) = Packet::parse(frame.link.unwrap(), frame.bytes) {
            sensor.absorb(Micros(frame.at_us), &packet);
        }
        if n % 4_096 == 0 {
            told += sensor.take().len();
        }
    }
    told += sensor.take().len();
    (started.elapsed().as_secs_f64(), told)
}

fn syns(report: &mut Report, dir: &Path) {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];
    // Ten SYNs of each source, as scanners send.
    let packets: Vec<Vec<u8>> = (0..SYNS).map(|n| segment(n / 10, (n.wrapping_mul(2_654_435_761), 0), 2, &options, b"")).collect();
    let file = wire::pcap::write(101, packets.iter().enumerate().map(|(n, p)| (1_700_000_000_000_000 + n as i64 * 5, p.as_slice())));
    drop(packets);
    let rates: Vec<f64> = (0..5).map(|_| f64::from(SYNS) / read(&file).0).collect();
    let path = dir.join("syn.pcap");
    std::fs::write(&path, &file).unwrap();
    let started = Instant::now();
    let p0f = Command::new("p0f").arg("-r").arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let peer = match p0f {
        Ok(status) if status.success() => {
            format!("p0f (Debian) {:.0} packets/s on the same file in this run", f64::from(SYNS) / started.elapsed().as_secs_f64())
        }
        _ => "p0f is not installed".into(),
    };
    report.add("eyes.syn_packets_per_s", &rates, "packets/s", Direction::Higher, Some(1_000_000.0), Some(&peer), "eyes");
}

fn hellos(report: &mut Report) {
    let mut extensions = Vec::new();
    for (kind, data) in [
        (0_u16, &b"\0\x0c\0\0\x09localhost"[..]),
        (10, b"\0\x04\0\x1d\0\x17"),
        (11, b"\x01\0"),
        (13, b"\0\x08\x04\x03\x08\x04\x04\x01\x05\x03"),
        (16, b"\0\x0c\x02h2\x08http/1.1"),
        (43, b"\x04\x03\x04\x03\x03"),
        (51, &[0; 38]),
    ] {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        extensions.extend_from_slice(data);
    }
    let ciphers: Vec<u8> =
        [0x1301_u16, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9].into_iter().flat_map(u16::to_be_bytes).collect();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, ciphers.len() as u8]);
    body.extend(ciphers);
    body.extend([1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
    record.extend([1, 0, (body.len() >> 8) as u8, body.len() as u8]);
    record.extend(body);
    let packets: Vec<Vec<u8>> = (0..HELLOS)
        .flat_map(|n| {
            [
                segment(n, (1, 1), 0x10, b"", b""),
                segment(n, (1, 1), 0x18, b"", &record),
                segment(n, (1 + record.len() as u32, 1), 0x14, b"", b""),
            ]
        })
        .collect();
    let file = wire::pcap::write(101, packets.iter().enumerate().map(|(n, p)| (1_700_000_000_000_000 + n as i64 * 5, p.as_slice())));
    let rates: Vec<f64> = (0..5)
        .map(|_| {
            let (seconds, told) = read(&file);
            assert!(told >= HELLOS as usize, "{told} hellos were told");
            f64::from(HELLOS) / seconds
        })
        .collect();
    report.add("eyes.client_hellos_per_s", &rates, "hellos/s", Direction::Higher, Some(100_000.0), Some("p0f reads no TLS"), "eyes");
}

async fn open(dir: &Path, name: &str) -> Cx {
    let store = Store::open(&Config::Sqlite(dir.join(name))).await.unwrap();
    Cx { store, bus: Bus::memory(), spools: dir.join("spool") }
}

async fn until_done<W: Worker>(worker: &mut W, cx: &Cx) {
    while let Pass { more: true, .. } = worker.pass(cx).await.unwrap() {}
}

async fn behaviour(dir: &Path) -> Vec<f64> {
    let cx = open(dir, "behaviour.db").await;
    for part in 0..EVENTS / 10_000 {
        let logs = (part * 10_000..(part + 1) * 10_000).map(|n| NewLog {
            event_uuid: format!("0193a2b4-0000-7000-8000-{n:012x}"),
            at: Micros(1_700_000_000_000_000 + i64::from(n) * 1_000),
            decky: "local:web-01".into(),
            service: "ssh".into(),
            event_type: if n % 3 == 0 { "connect" } else { "command" }.into(),
            attacker_ip: format!("100.64.{}.{}", n % 7, n % 250),
            fields: r#"{"command":"cat /etc/passwd"}"#.into(),
            ..NewLog::default()
        });
        let at = u64::from(part);
        let (from, to) = (Position { segment: 1, offset: at }, Position { segment: 1, offset: at + 1 });
        let from = if part == 0 { Position::default() } else { from };
        cx.store.record(&Batch { spool: "b".into(), from, to, logs: logs.collect(), ..Batch::default() }).await.unwrap();
    }
    let started = Instant::now();
    until_done(&mut Behaviours::new(), &cx).await;
    vec![f64::from(EVENTS) / started.elapsed().as_secs_f64()]
}

async fn reuse(dir: &Path) -> Vec<f64> {
    let cx = open(dir, "reuse.db").await;
    let credential = |n: u32| NewCredential {
        at: Micros(1_700_000_000_000_000 + i64::from(n)),
        attacker_ip: format!("100.64.{}.{}", n % 97, n % 250),
        decky_name: format!("local:web-{}", n % 20),
        service: "ssh".into(),
        principal: Some(format!("user{}", n % 50)),
        secret_kind: "plaintext".into(),
        secret_sha256: hex::encode(sha2::Digest::finalize(sha2::Digest::chain_update(
            <sha2::Sha256 as sha2::Digest>::new(),
            (n / 3).to_be_bytes(),
        ))),
        secret_printable: (n / 3).to_string(),
        fields: "{}".into(),
        ..NewCredential::default()
    };
    let mut at = 0;
    let mut put = async |range: std::ops::Range<u32>| {
        let from = Position { segment: 0, offset: at };
        at += 1;
        let to = Position { segment: 0, offset: at };
        let credentials = range.map(credential).collect();
        cx.store.record(&Batch { spool: "r".into(), from, to, credentials, ..Batch::default() }).await.unwrap();
    };
    for part in 0..CREDENTIALS / 10_000 {
        put(part * 10_000..(part + 1) * 10_000).await;
    }
    until_done(&mut ReuseCorrelator, &cx).await;
    let mut values = Vec::new();
    for round in 0..5 {
        // Secrets that are there already, in new places and by others.
        put(CREDENTIALS / 2 + round * 500..CREDENTIALS / 2 + round * 500 + 250).await;
        put(CREDENTIALS + round * 500..CREDENTIALS + round * 500 + 500).await;
        let started = Instant::now();
        until_done(&mut ReuseCorrelator, &cx).await;
        values.push(started.elapsed().as_secs_f64() * 1_000.0 / 500.0);
    }
    values
}
