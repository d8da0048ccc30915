#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _read = wire::tls::ClientHello::from_records(input);
    let _read = wire::tls::ClientHello::from_handshake(input);
});
