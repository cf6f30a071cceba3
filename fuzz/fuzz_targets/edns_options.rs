#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::answer::edns_options(data));
