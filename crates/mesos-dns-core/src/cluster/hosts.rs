//! Host names and the addresses they had when somebody looked.
//!
//! Agents, schedulers and masters may be named by host name. Looking such a name up is slow and not
//! repeatable, so the shell does it ahead of time (`watch::resolve`) and hands the result in here as
//! a value that is part of the cluster: same cluster, same records.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// A host as Mesos wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IP literal. IPv4-mapped IPv6 is already IPv4.
    Address(IpAddr),
    /// A name to be looked up, as written.
    Name(Arc<str>),
}

impl Host {
    /// An IP literal is itself (mapped IPv4 unfolded); anything else is a name.
    pub fn new(text: &str) -> Self {
        match text.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(Arc::from(text)),
        }
    }
}

/// What host names resolved to, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(HashMap<Arc<str>, Box<[IpAddr]>>);

impl Hosts {
    /// Records the addresses of a name; an empty list says that it does not resolve.
    pub fn insert(&mut self, name: Arc<str>, addresses: impl Into<Box<[IpAddr]>>) {
        self.0.insert(name, addresses.into());
    }

    /// These, and of names that `newer` has, what that says.
    pub fn with(&self, newer: Self) -> Self {
        let mut hosts = self.clone();
        hosts.0.extend(newer.0);
        hosts
    }

    /// All names with their addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[IpAddr])> {
        self.0.iter().map(|(name, found)| (name, &**found))
    }

    /// All addresses of a host: its own if it is a literal, else what its name resolved to, else none.
    pub fn addresses<'a>(&'a self, host: &'a Host) -> &'a [IpAddr] {
        match host {
            Host::Address(address) => std::slice::from_ref(address),
            Host::Name(name) => self.0.get(name).map_or(&[], |found| found),
        }
    }

    /// Whether two versions say the same of a host.
    pub fn agree(&self, other: &Self, host: &Host) -> bool {
        self.addresses(host) == other.addresses(host)
    }
}
