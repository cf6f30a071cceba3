//! What operators and HTTP clients write, and names however they come.

use mesos_dns_core::{
    config::{Config, File, Surroundings},
    mesos::zk_url::ZkUrl,
    records::{Owner, Rules, fragment, label},
    views::lookup_name,
    wire::Name,
};

/// The configuration file: read, judged, shown.
pub fn config_file(data: &[u8]) {
    if let Ok(file) = File::parse("config.json", data) {
        _ = file.wants();
        if let Ok(config) = Config::build(file, &Surroundings::unread()) {
            _ = config.rows();
            _ = config.v1(1);
        }
    }
    _ = std::str::from_utf8(data).map(ZkUrl::parse);
}

/// Names on the wire and as text: what is read is written so that it is read again.
pub fn names(data: &[u8]) {
    if let Ok(name) = Name::from_wire(data) {
        assert_eq!(Name::parse(&name.to_string()).as_ref(), Ok(&name));
        assert_eq!(Name::from_wire(name.as_wire()).as_ref(), Ok(&name));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = Name::parse(text) {
        assert_eq!(Name::parse(&name.to_string()).as_ref(), Ok(&name));
        assert_eq!(Name::from_labels(name.labels()).as_ref(), Ok(&name));
    }
    if let Ok(name) = Name::from_plain(text) {
        assert_eq!(Name::from_wire(name.as_wire()).as_ref(), Ok(&name));
    }
}

/// What task and framework names become.
pub fn labels(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (rules, length_max) in [(Rules::Rfc1123, 63), (Rules::Rfc952, 24)] {
        let made = label(text, rules);
        assert!(made.len() <= length_max, "{made}");
        assert!(made.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{made}");
        let name = fragment(text, rules);
        assert!(!name.split('.').any(|part| part.len() > length_max), "{name}");
        assert!(name.is_empty() || !name.split('.').any(str::is_empty), "{name}");
    }
}

/// The name in the path of `/v1/hosts` and `/v1/services`.
pub fn http_names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let name = lookup_name(text);
    assert!(name.is_empty() || name.ends_with('.'), "{name}");
    assert!(name.chars().all(|letter| letter.to_lowercase().eq([letter])), "{name}");
    _ = Owner::new(&name).to_text();
}
