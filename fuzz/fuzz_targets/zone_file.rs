#![no_main]

// The reader of the `domain` crate panics on a few odd texts, which costs the entry. Such a panic must get to whoever
// catches it; one that gets out of the target still ends the fuzzer.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |data: &[u8]| {
    if let Err(panic) = std::panic::catch_unwind(|| targets::settings::zone_file(data)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        eprintln!("{}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text"));
        std::process::abort();
    }
});
