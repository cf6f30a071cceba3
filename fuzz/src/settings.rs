//! What operators and HTTP clients write, and names however they come.

use std::{collections::BTreeMap, sync::Arc};

use mesos_dns_core::{
    config::{Config, File, Surroundings, ZoneFile},
    mesos::zk_url::ZkUrl,
    records::{Fixed, Owner, Rules, fragment, label},
    table::Seed,
    views::lookup_name,
    wire::Name,
    zone::{Serial, Soa, Zone, write_zone_file},
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

/// A zone file of the operator's: what is taken of it stands within the domain, and dumped it is read again as it was.
pub fn zone_file(data: &[u8]) {
    let Some(fixed) = static_records(data) else { return };
    let apex = Name::parse("mesos.").unwrap();
    assert!(fixed.owners.keys().all(|owner| owner.is_within(&apex)), "{fixed:?}");
    let mut zone = Zone::new(apex.clone(), None, Seed(1)).with_fixed(&fixed);
    _ = zone.compile();
    let (mname, rname) = (apex.clone(), apex);
    let soa = Soa { mname, rname, refresh: 1, retry: 1, expire: 1, minimum: 1, ttl: 5, weight: 1 };
    let mut dumped = Vec::new();
    write_zone_file(&zone.snapshot(Arc::new(soa), Serial(1)), &mut dumped).unwrap();
    let again = static_records(&dumped).map(|again| shown(&again));
    assert_eq!(again, Some(shown(&fixed)), "{}", dumped.escape_ascii());
}

fn static_records(text: &[u8]) -> Option<Arc<Fixed>> {
    let file = File::parse(
        "config.json",
        br#"{"masters": ["10.0.0.1:5050"], "resolvers": ["10.0.0.2"], "ttl": 5, "zoneFiles": ["a"]}"#,
    )
    .unwrap();
    let read = ZoneFile { file: "a".to_owned(), text: Ok(text.to_vec()) };
    let around = Surroundings { zone_files: vec![read], ..Surroundings::unread() };
    let config = Config::build(file, &around);
    Some(config.ok()?.fixed)
}

/// All of it, in an order that follows from what it is.
fn shown(fixed: &Fixed) -> BTreeMap<String, Vec<String>> {
    let owner = |(name, owner): (&Name, &mesos_dns_core::records::FixedOwner)| {
        let mut data: Vec<String> = owner.data.iter().map(|data| format!("{data:?}")).collect();
        data.sort();
        (name.to_string(), data)
    };
    fixed.owners.iter().map(owner).collect()
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
