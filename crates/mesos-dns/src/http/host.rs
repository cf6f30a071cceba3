//! Which names this server goes by.
//!
//! A page on a foreign site can make a browser inside the network send requests here, under the
//! page's own name, by letting that name resolve to our address (DNS rebinding), and could then read
//! the answers. A foreign site cannot use a name of ours, and not an address.

use std::{fs, net::IpAddr};

use hyper::{Request, Version, header::HOST};
use mesos_dns_core::records::Policy;

use super::refusal::Refusal;

/// The names of this server.
pub(super) struct Hosts<'a> {
    /// The served domain and this server's name in it.
    pub(super) policy: &'a Policy,
    /// Names of the machine, lower-case.
    pub(super) machine: &'a [String],
    /// What the operator added.
    pub(super) allowed: &'a [String],
}

impl Hosts<'_> {
    /// Whether the request was sent to one of our names.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let mut headers = request.headers().get_all(HOST).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Refusal::BadRequest);
        }
        let header = header.map(|value| value.to_str().map_err(|_| Refusal::BadRequest)).transpose()?;
        // What stands in the request line wins (RFC 9112 section 3.2.2).
        let sent_to = request.uri().authority().map(|authority| authority.as_str()).or(header);
        match sent_to {
            Some(text) if self.is_ours(host(text).ok_or(Refusal::BadRequest)?) => Ok(()),
            Some(_) => Err(Refusal::Misdirected),
            // HTTP/1.0 knows no names; browsers have not spoken it for decades.
            None if request.version() < Version::HTTP_11 => Ok(()),
            None => Err(Refusal::BadRequest),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        if host.parse::<IpAddr>().is_ok() {
            return true;
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let server = self.policy.server_name.trim_end_matches('.');
        host == "localhost"
            || is_within(&host, &self.policy.domain)
            || host.eq_ignore_ascii_case(server)
            || self.machine.contains(&host)
            || self.allowed.iter().any(|allowed| matches(allowed, &host))
    }
}

/// Whether an item of `httpAllowHosts` stands for this name.
fn matches(allowed: &str, host: &str) -> bool {
    let allowed = allowed.trim_end_matches('.').to_ascii_lowercase();
    match allowed.strip_prefix("*.") {
        Some(suffix) => host != suffix && is_within(host, suffix),
        None => host == allowed,
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The host in `host`, `host:port` or `[v6]:port`.
fn host(text: &str) -> Option<&str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':')?.bytes().all(|digit| digit.is_ascii_digit());
    (is_port && !host.is_empty()).then_some(host)
}

/// The names this machine has given itself: in full, and its first label.
pub(super) fn machine_names() -> Vec<String> {
    let Ok(text) = fs::read_to_string("/proc/sys/kernel/hostname") else { return Vec::new() };
    let name = text.trim().to_ascii_lowercase();
    let first = name.split('.').next().unwrap_or_default().to_owned();
    [name, first].into_iter().filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use mesos_dns_core::{
        records::{Addresses, Health, Rules},
        wire::Name,
    };

    use super::*;

    fn check(version: Version, uri: &str, hosts: &[&str]) -> Result<(), Refusal> {
        let policy = Policy {
            domain: "dc1.mesos".into(),
            apex: Name::parse("dc1.mesos").unwrap(),
            rules: Rules::Rfc1123,
            addresses: Addresses::Sources(Vec::new()),
            health: Health::Ignore,
            places: Vec::new(),
            extra: mesos_dns_core::records::Extra::default(),
            server_name: "NS1.example.".into(),
            server_addresses: Vec::new(),
        };
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let allowed = ["api.corp.example".into(), "*.Lan.".into()];
        let machine = ["node7.rack".into(), "node7".into()];
        Hosts { policy: &policy, machine: &machine, allowed: &allowed }.check(&request.body(()).unwrap())
    }

    #[test]
    fn names_that_are_ours() {
        for host in [
            "127.0.0.1",
            "10.0.0.9:8123",
            "[::1]:8123",
            "[fd00::1]",
            "localhost:8123",
            "LOCALHOST.",
            "dc1.mesos",
            "leader.dc1.mesos:80",
            "ns1.example",
            "ns1.EXAMPLE.:8123",
            "node7",
            "node7.rack",
            "api.corp.example",
            "x.y.lan",
        ] {
            assert_eq!(check(Version::HTTP_11, "/", &[host]), Ok(()), "{host}");
        }
        assert_eq!(check(Version::HTTP_10, "/", &[]), Ok(()));
        assert_eq!(check(Version::HTTP_11, "http://10.0.0.1/x", &["evil.example"]), Ok(()));
    }

    #[test]
    fn names_that_are_not() {
        for host in [
            "evil.example",
            "evil.example:8123",
            "xdc1.mesos",
            "mesos",
            "dc1.mesos.evil.example",
            "127.0.0.1.evil.example",
            "ns2.example",
            "xapi.corp.example",
            "a.api.corp.example",
            "lan",
        ] {
            assert_eq!(check(Version::HTTP_11, "/", &[host]), Err(Refusal::Misdirected), "{host}");
        }
        assert_eq!(check(Version::HTTP_10, "/", &["evil.example"]), Err(Refusal::Misdirected));
        let absolute = check(Version::HTTP_11, "http://evil.example/x", &["localhost"]);
        assert_eq!(absolute, Err(Refusal::Misdirected));
    }

    #[test]
    fn hosts_that_cannot_be_read() {
        for hosts in [&[][..], &["a", "a"], &[""], &[":80"], &["[::1"], &["a:b"], &["::1"], &["[]:1"]] {
            assert_eq!(check(Version::HTTP_11, "/", hosts), Err(Refusal::BadRequest), "{hosts:?}");
        }
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(machine_names().iter().all(|name| !name.is_empty() && *name == name.to_ascii_lowercase()));
    }
}
