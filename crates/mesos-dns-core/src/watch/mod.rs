//! Whom to ask, when, after which failure; and whether to believe the answer.
//!
//! - [`leader`]: who leads, from the members of the ZooKeeper group.
//! - [`poll`]: one request after the other: candidates, redirects, back-off.
//! - [`subscribe`]: when to use a stream of events, when it is dead, when to look whether it told everything.
//! - [`believe`]: is this the leader's document, and what of our knowledge outlives it.
//! - [`knowledge`]: what we know, from documents and events, and what of it is held.
//! - [`health`]: which of the bad news about a task's health to believe, and when.
//!
//! All of it is told what happened and at what time, and answers with what to do; the sockets are in the
//! daemon's room of the same name.

pub mod believe;
pub mod health;
pub mod knowledge;
pub mod leader;
pub mod poll;
pub mod subscribe;

use std::{fmt, sync::Arc};

use crate::{
    cluster::{Endpoint, Host, split_host_port},
    mesos::master_info::MasterInfo,
};

/// A master as somebody named it: where to connect, and what its certificate may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Where it listens.
    pub at: Endpoint,
    /// The host name it gave itself in ZooKeeper; certificates of masters often have no other.
    pub name: Option<Arc<str>>,
}

impl Master {
    /// From `host:port`, as in the configuration, a `Location` or a `leader` member. `None` if it is not one.
    ///
    /// Names are lower-cased, so that two spellings of one master are equal.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_host_port(text)?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = Some(host).filter(|host| !host.is_empty())?;
        Some(Self { at: Endpoint { host: Host::new(&host.to_ascii_lowercase()), port }, name: None })
    }
}

impl From<&MasterInfo> for Master {
    fn from(info: &MasterInfo) -> Self {
        Self { at: info.endpoint.clone(), name: info.hostname.as_deref().map(Arc::from) }
    }
}

/// As `host:port`, IPv6 in brackets.
impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.at.port;
        match &self.at.host {
            Host::Address(address) => std::net::SocketAddr::new(*address, port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_from_text() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Master::parse(text).map(|master| master.to_string()).as_deref(), expected, "{text}");
        };
        check("10.0.0.1:5050", Some("10.0.0.1:5050"));
        check("[FD00::1]:5050", Some("[fd00::1]:5050"));
        check("[::ffff:10.0.0.1]:5050", Some("10.0.0.1:5050"));
        check("M1.Example:5050", Some("m1.example:5050"));
        for text in
            ["", ":5050", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "fd00::1:5050", "a:b:1"]
        {
            check(text, None);
        }
    }
}
