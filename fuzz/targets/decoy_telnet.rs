#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::converse_cut("telnet", input, [0xfe, 0xff]));
