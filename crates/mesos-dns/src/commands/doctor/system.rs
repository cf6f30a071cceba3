//! The machine: how its programs find a DNS server, and how many files may be open.

use std::net::IpAddr;

use mesos_dns_core::config::Config;
use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::configuration;

/// With fewer descriptors, connections are refused early.
const DESCRIPTORS: u64 = 4096;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let interfaces = configuration::interface_addresses();
    let resolv_conf = match configuration::resolv_conf() {
        Ok(text) => resolv_conf(&text, &config.apex.to_string(), |address| {
            address.is_loopback() || interfaces.contains(&address)
        }),
        Err(reason) => Finding::warn(
            "resolv.conf",
            format!("/etc/resolv.conf cannot be read: {reason}"),
            "programs of this machine find no DNS server: write one with the line `nameserver ADDRESS`",
        ),
    };
    vec![resolv_conf, descriptors(getrlimit(Resource::Nofile).maximum)]
}

/// Whether programs of this machine ask us, as far as its file tells.
fn resolv_conf(text: &str, domain: &str, is_here: impl Fn(IpAddr) -> bool) -> Finding {
    let check = "resolv.conf";
    let words = || text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let servers: Vec<IpAddr> = words()
        .filter(|words| words.first() == Some(&"nameserver"))
        .filter_map(|words| words.get(1)?.parse().ok())
        .collect();
    let rotates = words().any(|words| words.first() == Some(&"options") && words.contains(&"rotate"));
    // The stub of systemd-resolved asks whom it likes.
    let is_stub = |server: &IpAddr| ["127.0.0.53", "127.0.0.54"].contains(&server.to_string().as_str());
    let first = servers.first();
    let ours = servers.iter().position(|server| is_here(*server) && !is_stub(server));
    match (first, ours) {
        (None, _) => Finding::warn(
            check,
            "names no server",
            "write the line `nameserver ADDRESS` with the address of a mesos-dns",
        ),
        (Some(first), None) if is_stub(first) => Finding::warn(
            check,
            format!("programs here ask systemd-resolved ({first})"),
            format!(
                "if they are to know {domain}: `resolvectl dns IFACE ADDRESS`, `resolvectl domain IFACE ~{domain}`"
            ),
        ),
        (Some(first), None) => Finding::ok(check, format!("programs here ask {first}, not this machine")),
        (Some(first), Some(0)) if rotates && servers.len() > 1 => Finding::warn(
            check,
            format!("{first} stands first, but `options rotate` asks the others as often"),
            format!(
                "take `rotate` away: the others do not know {domain} and say that its names do not exist"
            ),
        ),
        (Some(first), Some(0)) => {
            Finding::ok(check, format!("programs here ask {first}, this machine, first"))
        }
        (Some(first), Some(place)) => Finding::warn(
            check,
            format!("{} of this machine stands behind {first}", servers[place]),
            format!("put it first: a server that says `no such name` for {domain} ends the search"),
        ),
    }
}

fn descriptors(most: Option<u64>) -> Finding {
    let check = "open files";
    match most {
        Some(most) if most < DESCRIPTORS => Finding::warn(
            check,
            format!("at most {most} may be open"),
            "raise the limit: LimitNOFILE=65536 in the service unit, or `ulimit -n`",
        ),
        Some(most) => Finding::ok(check, format!("{most} may be open")),
        None => Finding::ok(check, "as many as one likes may be open"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn who_is_asked_first() {
        let is_here = |address: IpAddr| address.is_loopback() || address == IpAddr::from([10, 0, 0, 9]);
        for (text, verdict, part) in [
            ("", Verdict::Warn, "names no server"),
            ("# nameserver 1.1.1.1\n", Verdict::Warn, "names no server"),
            ("nameserver 10.0.0.9\nnameserver 1.1.1.1\n", Verdict::Ok, "first"),
            ("nameserver 1.1.1.1\n nameserver 10.0.0.9", Verdict::Warn, "behind 1.1.1.1"),
            ("nameserver 127.0.0.1\nnameserver 1.1.1.1\noptions ndots:1 rotate", Verdict::Warn, "rotate"),
            ("nameserver 127.0.0.1\noptions rotate", Verdict::Ok, "first"),
            ("nameserver 127.0.0.53\noptions edns0", Verdict::Warn, "systemd-resolved"),
            ("nameserver 1.1.1.1", Verdict::Ok, "not this machine"),
        ] {
            let finding = resolv_conf(text, "mesos.", is_here);
            assert!(finding.verdict == verdict && finding.told.contains(part), "{text:?}: {finding:?}");
        }
        assert_eq!(descriptors(Some(1024)).verdict, Verdict::Warn);
        assert_eq!(descriptors(Some(65536)).verdict, Verdict::Ok);
        assert_eq!(descriptors(None).verdict, Verdict::Ok);
    }
}
