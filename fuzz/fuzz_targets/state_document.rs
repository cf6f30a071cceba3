#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::cluster::state_document(data));
