//! Well-formed queries, for the tests of this room and for others that read this file
//! (`examples/mutate_queries.rs`).

/// A query with one question; `edns` is the OPT record's payload size and its TTL field.
pub(crate) fn query(name: &str, qtype: u16, edns: Option<(u16, u32)>) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(qtype.to_be_bytes());
    message.extend([0, 1]);
    if let Some((size, ttl)) = edns {
        message.extend([0, 0, 41]);
        message.extend(size.to_be_bytes());
        message.extend(ttl.to_be_bytes());
        message.extend([0, 0]);
    }
    message
}

/// Well-formed queries of every kind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let names = [
        "web.marathon.mesos",
        "_big._tcp.mesos",
        "big.mesos",
        "mesos",
        "nope.mesos",
        "_status.mesos",
        "a.org",
        "",
    ];
    for name in names {
        for qtype in [1, 2, 6, 16, 28, 33, 41, 252, 255, 43, 999] {
            seeds.push(query(name, qtype, None));
            seeds.push(query(name, qtype, Some((1232, 0))));
            let mut message = query(name, qtype, Some((4096, 0x8000)));
            let options =
                b"\0\x0a\0\x18cookies!\x01\0\0\0\x65\x53\xf1\0abcdefgh\0\x03\0\0\0\x0b\0\0\0\x0c\0\x03\0\0\0";
            let end = message.len();
            message[end - 1] = options.len() as u8;
            message.extend(options);
            seeds.push(message);
        }
    }
    seeds
}
