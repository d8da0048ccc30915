#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for link in [wire::packet::Link::Ethernet, wire::packet::Link::Raw, wire::packet::Link::Null, wire::packet::Link::Cooked2] {
        let _read = wire::packet::Packet::parse(link, input);
    }
});
