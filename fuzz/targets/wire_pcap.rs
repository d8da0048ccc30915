#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(frames) = wire::pcap::Frames::new(input) {
        let _frames = frames.count();
    }
});
