#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _read = wire::dns::questions(input);
});
