#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _frames = wire::quic::crypto_frames(input);
    if let Ok(initial) = wire::quic::Initial::parse(input)
        && let Some(mut assembly) = fingerprint::passive::quic::Assembly::new(&initial)
    {
        let _hello = assembly.absorb(input);
    }
});
