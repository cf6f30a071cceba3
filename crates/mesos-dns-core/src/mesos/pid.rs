//! The addresses libprocess writes: `slave(1)@10.0.1.10:5051`.
//!
//! Masters, agents and schedulers are named like this in every document. The part before the `@` is the
//! process, the part after it where to reach it. A bad one costs only the thing that it names, never the
//! document (robustness S13), so there is no error to hand on: it is an address, or it is not.

use crate::cluster::{Endpoint, Host, split_host_port};

/// A libprocess address, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid<'a> {
    /// The process, for example `slave(1)`; can be empty.
    pub id: &'a str,
    /// Address or host name, never empty; IPv6 without its brackets.
    pub host: &'a str,
    /// TCP port, never 0.
    pub port: u16,
}

impl<'a> Pid<'a> {
    /// Takes `id@host:port` or `id@[v6]:port` apart.
    ///
    /// Blanks and quotes around the text are dropped, as the original does. `None` unless there is exactly one `@`,
    /// a host, and a port from 1 to 65535.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, rest) = text.trim_matches([' ', '"']).split_once('@')?;
        let (host, port) = split_host_port(rest)?;
        if rest.contains('@') || host.is_empty() {
            return None;
        }
        Some(Self { id, host, port: parse_port(port)? })
    }

    /// Host and port as the cluster keeps them.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: Host::new(self.host), port: self.port }
    }
}

/// What stands after the one `@` of a master's pid, as written.
pub(super) fn host_port(pid: &str) -> Option<String> {
    let (_, address) = pid.split_once('@')?;
    (address.contains(':') && !address.contains('@')).then(|| address.to_owned())
}

/// A TCP port that can be connected to: plain digits, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str, u16)>) {
        let found = Pid::parse(text).map(|pid| (pid.id, pid.host, pid.port));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn well_formed() {
        check("slave(1)@10.0.1.10:5051", Some(("slave(1)", "10.0.1.10", 5051)));
        check("  slave(1)@[fd00::1]:5051 ", Some(("slave(1)", "fd00::1", 5051)));
        check("\"master@m1.example:5050\"", Some(("master", "m1.example", 5050)));
        check("@10.0.0.1:1", Some(("", "10.0.0.1", 1)));
    }

    #[test]
    fn malformed() {
        for text in [
            "",
            "slave(1)",
            "a@b@c:1",
            "a@10.0.0.1",
            "a@:5051",
            "a@10.0.0.1:",
            "a@10.0.0.1:0",
            "a@10.0.0.1:65536",
            "a@10.0.0.1:+80",
            "a@10.0.0.1:http",
            "a@fd00::1:5051",
            "a@[fd00::1:5051",
            "a@[fd00::1]5051",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn mapped_address_is_unfolded() {
        let endpoint = Pid::parse("a@[::ffff:10.0.0.1]:80").expect("well formed").endpoint();
        assert_eq!(endpoint.host, Host::new("10.0.0.1"));
    }
}
