#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::cluster::master_info(data));
