#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::settings::http_names(data));
