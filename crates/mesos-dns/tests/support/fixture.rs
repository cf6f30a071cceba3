//! What tests of several rooms stand on: the names of a server with the least of a configuration, and a board without
//! data. The unit tests read this file too (`src/lib.rs`).

use std::sync::Arc;

use mesos_dns_core::{
    records::{Addresses, Health, Policy, Rules},
    wire::Name,
    zone::Soa,
};

/// How names are made.
pub(crate) fn policy() -> Arc<Policy> {
    Arc::new(Policy {
        domain: "mesos".into(),
        apex: name("mesos."),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(Vec::new()),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: Vec::new(),
    })
}

/// The SOA record.
pub(crate) fn soa() -> Arc<Soa> {
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    let (refresh, retry, expire, minimum, ttl, weight) = (60, 600, 86400, 60, 60, 1);
    Arc::new(Soa { mname, rname, refresh, retry, expire, minimum, ttl, weight })
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
