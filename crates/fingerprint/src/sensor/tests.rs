use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use wire::{packet::Link, pcap::Frames};

const DECKY: &str = "198.51.100.20";

fn sensor(limits: Limits) -> Sensor {
    let mut sensor = Sensor::new(limits);
    let addresses = [DECKY, "2001:db8:1::20"];
    sensor.watch(addresses.into_iter().map(|ip| (ip.parse().unwrap(), Target::default())).collect(), HashSet::new());
    sensor
}

/// A SYN of an IP and TCP header without options.
fn syn(from: [u8; 4], ports: (u16, u16), id: u16, sequence: u32) -> Vec<u8> {
    segment(from, [198, 51, 100, 20], ports, id, (sequence, 0), 2, b"")
}

fn segment(from: [u8; 4], to: [u8; 4], ports: (u16, u16), id: u16, numbers: (u32, u32), flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((40 + payload.len() as u16).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0x40, 0, 60, 6, 0, 0]);
    bytes.extend(from);
    bytes.extend(to);
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(numbers.0.to_be_bytes());
    bytes.extend(numbers.1.to_be_bytes());
    bytes.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn feed(sensor: &mut Sensor, at: i64, bytes: &[u8]) {
    sensor.absorb(Micros(1_700_000_000_000_000 + at), &Packet::of_ip(bytes).unwrap());
}

fn told(sensor: &mut Sensor) -> Vec<(String, Value)> {
    sensor.take().into_iter().map(|s| (s.saw.event_type().to_owned(), Value::Object(s.saw.fields()))).collect()
}

#[test]
fn every_capture_reads_as_it_did() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pcap");
    let mut files = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "pcap") {
            continue;
        }
        files += 1;
        let file = std::fs::read(&path).unwrap();
        let mut sensor = sensor(Limits::default());
        let mut last = Micros(0);
        for frame in Frames::new(&file).unwrap() {
            last = Micros(frame.at_us);
            match Packet::parse(frame.link.unwrap_or(Link::Raw), frame.bytes) {
                Ok(packet) => sensor.absorb(last, &packet),
                Err(_) => sensor.unread(),
            }
        }
        sensor.finish(last);
        let found: Vec<Value> = sensor
            .take()
            .into_iter()
            .map(|s| {
                let mut fields = s.saw.fields();
                if let Saw::Passive(Passive::Syn { syn, .. }) = &s.saw {
                    let reading = syn::read_headers(syn.as_bytes()).unwrap();
                    fields.insert("signature".into(), reading.signature.into());
                    fields.insert("looks_like".into(), reading.looks_like.into());
                }
                json!({ "event": s.saw.event_type(), "source": s.source.map(|s| s.ip()), "port": s.local.map(|l| l.port()), "fields": fields })
            })
            .collect();
        let golden = path.with_extension("json");
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text, "{}: UPDATE=1 writes it anew", golden.display());
    }
    assert!(files > 5);
}

#[test]
fn a_class_that_becomes_known_is_told_once() {
    let mut sensor = sensor(Limits::default());
    for n in 0..40_u32 {
        feed(
            &mut sensor,
            i64::from(n) * 100_000,
            &syn([192, 0, 2, 9], (40_000 + n as u16, 22), 500 + n as u16, n.wrapping_mul(0x9e37_79b9)),
        );
    }
    let told = told(&mut sensor);
    let classes: Vec<_> = told.iter().map(|(_, f)| (f["ipid_class"].as_str().unwrap(), f["isn_class"].as_str().unwrap())).collect();
    // The step of the sequence numbers is constant, however large: a counter.
    assert_eq!(classes, [("unknown", "unknown"), ("incremental", "incremental")]);
    assert_eq!(told[1].1["isn_manner"], "step");
    // After the window it is told again.
    feed(&mut sensor, WINDOW + 5_000_000, &syn([192, 0, 2, 9], (50_000, 22), 540, 40_u32.wrapping_mul(0x9e37_79b9)));
    assert_eq!(sensor.take().len(), 1);
}

#[test]
fn a_repeated_syn_is_no_second_number() {
    let mut sensor = sensor(Limits::default());
    for n in 0..10 {
        feed(&mut sensor, n * 1_000_000, &syn([192, 0, 2, 9], (40_000, 22), 500, 77));
    }
    let told = told(&mut sensor);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].1["isn_samples"], &told[0].1["isn_class"]), (&json!(1), &json!("unknown")));
}

#[test]
fn a_spoofed_flood_stays_flat_and_is_told_as_one() {
    let limits = Limits { sources: 1_000, unproven_burst: 10, unproven_per_second: 1, ..Limits::default() };
    let mut sensor = sensor(limits);
    for n in 0..50_000_u32 {
        feed(
            &mut sensor,
            i64::from(n) * 20,
            &syn([203, (n >> 16) as u8, (n >> 8) as u8, n as u8], (1_024 + n as u16 % 50_000, 80), n as u16, n),
        );
        assert!(sensor.held().0 <= 1_000);
    }
    let one_by_one = sensor.take().len();
    assert!((10..=12).contains(&one_by_one), "{one_by_one}");
    assert_eq!(sensor.held(), (1_000, 0, 0));
    // One of them answers what it was sent: it is real, and told.
    feed(&mut sensor, 1_000_100, &segment([203, 0, 195, 79], [198, 51, 100, 20], (1_024 + 49_999, 80), 1, (50_000, 1), 0x10, b""));
    assert_eq!(told(&mut sensor)[0].0, "tcp_syn_fingerprint");
    sensor.finish(Micros(1_700_000_000_000_000));
    let last = told(&mut sensor);
    assert_eq!(last[0].0, "syn_flood");
    assert!(last[0].1["untold"].as_u64().unwrap() > 49_900);
}

#[test]
fn a_tls_hello_in_pieces_and_its_answer() {
    let mut sensor = sensor(Limits::default());
    let (visitor, decky) = ([192, 0, 2, 9], [198, 51, 100, 20]);
    let mut hello = vec![1, 0, 0, 43, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]);
    let record = [&[22, 3, 1, 0, 47][..], &hello].concat();
    let mut answer = vec![2, 0, 0, 38, 3, 3];
    answer.extend([9; 32]);
    answer.extend([0, 0x13, 1, 0]);
    let answered = [&[22, 3, 3, 0, 42][..], &answer].concat();
    let inward = |s: &mut Sensor, at, n, flags, p: &[u8]| feed(s, at, &segment(visitor, decky, (4_444, 8_443), 1, (n, 501), flags, p));
    inward(&mut sensor, 0, 1_001, 0x10, b"");
    inward(&mut sensor, 1, 1_021, 0x18, &record[20..]);
    inward(&mut sensor, 2, 1_001, 0x18, &record[..30]);
    feed(&mut sensor, 3, &segment(decky, visitor, (8_443, 4_444), 1, (501, 1_053), 0x18, &answered));
    inward(&mut sensor, 4, 1_053, 0x11, b"");
    let told = told(&mut sensor);
    assert_eq!(told[0].0, "tls_session");
    let client = Captured(hello.into());
    assert_eq!(told[0].1["client_hello"], client.base64());
    assert_eq!(told[1].0, "tcp_flow_timing");
    assert_eq!((&told[1].1["packets"], &told[1].1["retransmits"]), (&json!(5), &json!(1)));
    assert_eq!(sensor.held().1, 0);
}

#[test]
fn ours_are_never_attackers() {
    let mut sensor = Sensor::new(Limits::default());
    let targets =
        [("198.51.100.20", 0), ("198.51.100.21", 1)].map(|(ip, decky)| (ip.parse().unwrap(), Target { decky, ..Target::default() }));
    sensor.watch(targets.into(), HashSet::from(["198.51.100.1".parse().unwrap()]));
    for from in [[198, 51, 100, 21], [198, 51, 100, 1]] {
        for port in 0..30 {
            feed(&mut sensor, 0, &syn(from, (5_000, port), 1, 1));
        }
    }
    sensor.finish(Micros(1_700_000_000_000_000));
    assert_eq!((sensor.take(), sensor.counts().ours), (Vec::new(), 60));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_all_stays_bounded(packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 20..120), any::<bool>(), 0u8..4), 0..80)) {
        let limits = Limits { sources: 4, flows: 3, contents: 4_096, quic: 2, ..Limits::default() };
        let mut sensor = sensor(limits);
        for (n, (mut bytes, inward, protocol)) in packets.into_iter().enumerate() {
            bytes[0] = 0x45;
            bytes[9] = [6, 17, 1, 6][usize::from(protocol)];
            let decky = [198, 51, 100, 20];
            bytes[if inward { 16..20 } else { 12..16 }].copy_from_slice(&decky);
            if protocol == 3 && bytes.len() > 40 { bytes[32] = 0x50; }
            if let Ok(packet) = Packet::of_ip(&bytes) { sensor.absorb(Micros(n as i64 * 3_000_000), &packet); }
            let (sources, flows, held) = sensor.held();
            prop_assert!(sources <= 4 && flows <= 3 && held <= 4_096);
        }
        sensor.finish(Micros(0));
    }
}
