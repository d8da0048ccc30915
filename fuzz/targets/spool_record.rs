#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _front = spool::record::front(input);
    let _next = spool::record::next_magic(input, 1);
});
