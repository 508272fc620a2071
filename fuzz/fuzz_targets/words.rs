#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kessai_fuzz::run("words", data));
