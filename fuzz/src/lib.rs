//! What every reader of the core must do with any bytes at all.
//!
//! Each function takes bytes that somebody outside chose and fails if a promise is broken. `fuzz_targets` gives them
//! to libFuzzer, `crates/mesos-dns-core/tests/hostile_input.rs` to a small loop of its own that needs no special
//! build: both run the same code.

#![allow(missing_docs, unreachable_pub, reason = "read by its two users alone")]

pub mod answer;
pub mod cluster;
pub mod forward;
pub mod settings;

/// A target: any bytes in, nothing out.
pub type Target = fn(&[u8]);

/// All targets, by the names of their binaries.
pub const TARGETS: [(&str, Target); 12] = [
    ("config_file", settings::config_file),
    ("decide", answer::decide_any),
    ("edns_options", answer::edns_options),
    ("event_stream", cluster::event_stream),
    ("forward_reply", forward::forward_reply),
    ("http_names", settings::http_names),
    ("labels", settings::labels),
    ("master_info", cluster::master_info),
    ("names", settings::names),
    ("operator_event", cluster::operator_event),
    ("state_document", cluster::state_document),
    ("zone_file", settings::zone_file),
];
