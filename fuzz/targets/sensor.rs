#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // A capture file of packets from and to the deckies 10.0.0.1 and fd00::1.
    let mut sensor = fingerprint::sensor::Sensor::new(fingerprint::sensor::Limits { sources: 8, flows: 4, contents: 8_192, quic: 2, ..Default::default() });
    let targets = ["10.0.0.1", "fd00::1"].into_iter().filter_map(|ip| Some((ip.parse().ok()?, Default::default()))).collect();
    sensor.watch(targets, Default::default());
    let mut at = 0;
    for packet in input.split(|b| *b == 0xfe).take(256) {
        at += 1_000_000;
        if let Ok(packet) = wire::packet::Packet::of_ip(packet) {
            sensor.absorb(model::Micros(at), &packet);
        }
    }
    sensor.finish(model::Micros(at));
    let _told = sensor.take();
});
