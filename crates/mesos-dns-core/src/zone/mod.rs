//! What we answer from.

use std::net::{Ipv4Addr, Ipv6Addr};

/// One version of a zone, immutable.
pub struct Snapshot {}

/// What the v1 API shows under one stored name. The name is spelled as the original spells it, with the
/// trailing dot; it can hold capitals, empty labels and labels that DNS cannot carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The stored name.
    pub name: String,
    /// A values, sorted.
    pub a: Vec<Ipv4Addr>,
    /// AAAA values, sorted.
    pub aaaa: Vec<Ipv6Addr>,
    /// SRV values: target as stored (trailing dot) and port, sorted.
    pub srv: Vec<(String, u16)>,
}

impl Snapshot {
    /// Whether data has ever arrived; before, cluster names are SERVFAIL and the API is 503.
    pub fn is_loaded(&self) -> bool {
        false
    }

    /// The SOA serial.
    pub fn serial(&self) -> u32 {
        0
    }

    /// A number that is equal wherever the same cluster is seen, whatever happened before.
    pub fn content_hash(&self) -> u64 {
        0
    }

    /// What the v1 API shows under this stored name (exact spelling, trailing dot); `None` if nothing.
    pub fn listed(&self, _name: &str) -> Option<Listed> {
        None
    }

    /// Every name the v1 API shows, in no order. Cheap: no values are copied.
    pub fn listed_names(&self) -> Vec<ListedName<'_>> {
        Vec::new()
    }
}

/// One name of the v1 API; ask it for its values.
#[derive(Clone, Copy, Debug)]
pub struct ListedName<'a>(&'a ());

impl ListedName<'_> {
    /// The stored name with its values.
    pub fn listed(&self) -> Listed {
        Listed::default()
    }
}
