//! The servers that other names are asked of, as `resolvers` and `zoneResolvers` have them, and a `resolv.conf`.
//!
//! | written | asked |
//! | --- | --- |
//! | `10.0.0.53`, `fd00::53` | on port 53, over UDP, and over TCP where that does not do |
//! | `10.0.0.53:5353`, `[fd00::53]:5353` | likewise, on this port |
//! | `tls://10.0.0.53#dns.example` | over TLS on port 853; its certificate must be for `dns.example` |
//! | `tls://10.0.0.53:8853#dns.example`, `tls://[fd00::53]:8853#dns.example` | likewise, on this port |
//!
//! The name is demanded: TLS with whoever answers would keep nobody out who can answer in a server's place, and the
//! name is not looked up, as there would be nobody to ask.

use std::net::{IpAddr, SocketAddr};

use super::{
    address::{port, split},
    remark::{Remark, quote},
    value::Item,
};
use crate::forward::server::Server;

/// Port of DNS servers that are written without one.
const DNS_PORT: u16 = 53;

/// The same for those that are asked over TLS (RFC 7858 section 3.1).
const TLS_PORT: u16 = 853;

/// Longest name that a certificate can be for (RFC 1035 section 2.3.4, without the root).
const NAME_BYTES_MAX: usize = 253;

/// What is wrong, and what to write.
type Wrong = (String, String);

/// Reads a list of servers.
pub(super) fn resolvers(items: &[Item]) -> Result<Vec<Server>, Remark> {
    let mut servers: Vec<Server> = Vec::new();
    for item in items {
        let server = resolver(&item.text).map_err(|(what, mend)| {
            Remark::new(format!("error validating resolvers: {what}"), mend).at(item.place)
        })?;
        if servers.contains(&server) {
            let what = format!("error validating resolvers: duplicate found: {}", item.text);
            let port = if server.tls.is_some() { TLS_PORT } else { DNS_PORT };
            let mend = format!("remove one of them; the port is {port} by default");
            return Err(Remark::new(what, mend).at(item.place));
        }
        servers.push(server);
    }
    Ok(servers)
}

/// Reads one server.
fn resolver(text: &str) -> Result<Server, Wrong> {
    match text.split_once("://") {
        None => plain(text),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tls") => over_tls(text, rest),
        Some((scheme, _)) => {
            let mend = "write an IP address for UDP and TCP, or \"tls://10.0.0.53#dns.example\" for TLS";
            Err((
                format!("{} asks in a way that is not known: {}", quote(text), quote(scheme)),
                mend.to_owned(),
            ))
        }
    }
}

/// A server that is asked over UDP and TCP.
fn plain(text: &str) -> Result<Server, Wrong> {
    if let Some((_, name)) = text.split_once('#') {
        let what = format!("{} names a certificate, but is not asked over TLS", quote(text));
        return Err((what, format!("write \"tls://{text}\", or leave out \"#{name}\"")));
    }
    let (host, port_text) = split(text).map_or((text, None), |(host, port)| (host, Some(port)));
    Ok(Server::plain(SocketAddr::new(address(host)?, port_of(text, port_text, DNS_PORT)?)))
}

/// A server that is asked over TLS; `rest` is what stands behind the scheme.
fn over_tls(text: &str, rest: &str) -> Result<Server, Wrong> {
    let (place, name) = rest.split_once('#').unwrap_or((rest, ""));
    if name.is_empty() {
        let what = format!("{} does not say which name its certificate is for", quote(text));
        return Err((what, format!("write it behind the address: \"tls://{place}#dns.example\"")));
    }
    if !is_certified(name) {
        let what = format!("{} is no name that a certificate can be for", quote(name));
        let mend = "write a host name without a dot at its end, or an IP address, behind the #";
        return Err((what, mend.to_owned()));
    }
    // An address that is written as in a URL, brackets and no port, is as good as one without.
    let unbracketed = place.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
    let (host, port_text) = match (unbracketed, split(place)) {
        (Some(host), _) => (host, None),
        (None, Ok((host, port))) => (host, Some(port)),
        (None, Err(_)) => (place, None),
    };
    Ok(Server::over_tls(SocketAddr::new(address(host)?, port_of(text, port_text, TLS_PORT)?), name))
}

fn address(host: &str) -> Result<IpAddr, Wrong> {
    let address: Result<IpAddr, _> = host.parse();
    address.map(|address| address.to_canonical()).map_err(|_| {
        let mend = "write an IP address, not a name: \"10.0.0.53\", \"10.0.0.53:53\", \"fd00::53\" or \"[fd00::53]:53\"";
        (format!("illegal ip specified: {}", quote(host)), mend.to_owned())
    })
}

fn port_of(text: &str, written: Option<&str>, default: u16) -> Result<u16, Wrong> {
    written.map_or(Some(default), port).ok_or_else(|| {
        let mend = "write a port from 1 to 65535 behind the colon";
        (format!("{} has no usable port", quote(text)), mend.to_owned())
    })
}

/// Whether a certificate can be for this: a host name, or an address.
fn is_certified(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..64).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What ends in a number is an address or nothing (RFC 1123 section 2.1).
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && !name.rsplit('.').next().is_some_and(is_number);
    is_host || name.parse::<IpAddr>().is_ok()
}

/// The servers of a `resolv.conf`, without those that are this machine itself.
///
/// Only `nameserver` lines count, all of them; an entry is compared with the machine's addresses as text, as the
/// original does, so that `127.0.0.53` stays unless an interface has just that address.
///
/// Others write this file for resolvers that pass over what they cannot use: a link-local address with its interface
/// (`fe80::1%eth0`, as routers announce themselves), a server named twice. So does this; only if nothing is left, what
/// is wrong is given back for the reader to say so.
pub(super) fn system_resolvers(resolv_conf: &str, interfaces: &[IpAddr]) -> Vec<Item> {
    let own: Vec<String> = interfaces.iter().map(IpAddr::to_string).collect();
    let named = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().map(str::to_owned))?
    };
    let (mut servers, mut usable, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for text in resolv_conf.lines().filter_map(named).filter(|text| !own.contains(text)) {
        let item = |text| Item { text, place: None };
        match plain(&text) {
            Ok(server) if servers.contains(&server) => {}
            Ok(server) => {
                servers.push(server);
                usable.push(item(text));
            }
            Err(_) => wrong.push(item(text)),
        }
    }
    if usable.is_empty() { wrong } else { usable }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(texts: &[&str]) -> Vec<Item> {
        texts.iter().map(|text| Item { text: (*text).to_owned(), place: None }).collect()
    }

    #[test]
    fn resolvers_are_addresses() {
        for (good, read) in [
            (&["9.9.9.9"][..], &["9.9.9.9:53"][..]),
            (&["9.9.9.9:5353", "9.9.9.9"], &["9.9.9.9:5353", "9.9.9.9:53"]),
            (&["fd00::53", "[fd00::53]:5353"], &["[fd00::53]:53", "[fd00::53]:5353"]),
            (&["::ffff:9.9.9.9"], &["9.9.9.9:53"]),
            (&["tls://9.9.9.9#dns.quad9.net"], &["tls://9.9.9.9:853#dns.quad9.net"]),
            (&["TLS://9.9.9.9:8853#a"], &["tls://9.9.9.9:8853#a"]),
            (&["tls://fd00::53#x-1.y_z"], &["tls://[fd00::53]:853#x-1.y_z"]),
            (
                &["tls://[fd00::53]#x", "tls://[fd00::53]:5#x"],
                &["tls://[fd00::53]:853#x", "tls://[fd00::53]:5#x"],
            ),
            (
                &["tls://1.1.1.1#1.1.1.1", "tls://fd00::1#fd00::1"],
                &["tls://1.1.1.1:853#1.1.1.1", "tls://[fd00::1]:853#fd00::1"],
            ),
            (
                &["9.9.9.9:853", "tls://9.9.9.9#a", "tls://9.9.9.9#b"],
                &["9.9.9.9:853", "tls://9.9.9.9:853#a", "tls://9.9.9.9:853#b"],
            ),
        ] {
            let servers: Vec<String> =
                resolvers(&items(good)).unwrap().iter().map(Server::to_string).collect();
            assert_eq!(servers, read, "{good:?}");
        }
        for (bad, what) in [
            (&["dns.example"][..], "illegal ip specified: \"dns.example\""),
            (&["dns.example:53"], "illegal ip specified: \"dns.example\""),
            (&["[fd00::53]"], "illegal ip specified: \"[fd00::53]\""),
            (&["fe80::1%eth0"], "illegal ip specified"),
            (&[""], "illegal ip specified: \"\""),
            (&["9.9.9.9:0"], "no usable port"),
            (&["9.9.9.9:65536"], "no usable port"),
            (&["9.9.9.9:dns"], "no usable port"),
            (&["9.9.9.9", "9.9.9.9:53"], "duplicate found: 9.9.9.9:53"),
            (&["fd00::53", "[fd00:0::53]:53"], "duplicate found"),
            (&["tls://9.9.9.9#a", "tls://9.9.9.9:853#a"], "the port is 853 by default"),
            (
                &["tls://9.9.9.9"],
                "does not say which name its certificate is for; write it behind the address: \"tls://9.9.9.9#dns.example\"",
            ),
            (&["tls://9.9.9.9:853#"], "does not say which name"),
            (&["tls://"], "does not say which name"),
            (&["tls://#dns.example"], "illegal ip specified: \"\""),
            (&["tls://dns.example#dns.example"], "illegal ip specified: \"dns.example\""),
            (&["tls://9.9.9.9:0#a"], "no usable port"),
            (&["tls://[fd00::53#a"], "illegal ip specified"),
            (&["tls://9.9.9.9#dns.example."], "is no name that a certificate can be for"),
            (&["tls://9.9.9.9#-a.example"], "is no name that a certificate can be for"),
            (&["tls://9.9.9.9#a#b"], "is no name that a certificate can be for"),
            (&["tls://9.9.9.9#1.2.3.256"], "is no name that a certificate can be for"),
            (
                &["9.9.9.9#dns.quad9.net"],
                "names a certificate, but is not asked over TLS; write \"tls://9.9.9.9#dns.quad9.net\"",
            ),
            (&["https://9.9.9.9/dns-query"], "asks in a way that is not known: \"https\""),
            (&["udp://9.9.9.9"], "not known: \"udp\"; write an IP address for UDP and TCP"),
        ] {
            let text = resolvers(&items(bad)).unwrap_err().to_string();
            assert!(text.starts_with("error validating resolvers: ") && text.contains(what), "{text}");
        }
    }

    #[test]
    fn system_resolvers_leave_this_machine_out() {
        let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.1\n nameserver\t10.0.0.2 # two\nnameserver\n\
                    nameserver 127.0.0.1\nnameserver 127.0.0.53\nnameserver ::1\nnameserver fd00::5\noptions x\n";
        let own: Vec<IpAddr> =
            ["127.0.0.1", "10.0.0.2", "::1"].iter().map(|ip| ip.parse().unwrap()).collect();
        let texts: Vec<String> = system_resolvers(text, &own).into_iter().map(|item| item.text).collect();
        assert_eq!(texts, ["10.0.0.1", "127.0.0.53", "fd00::5"]);
    }

    #[test]
    fn what_a_resolv_conf_has_besides_is_passed_over() {
        let own = ["10.0.0.1".parse().unwrap()];
        for (text, expected) in [
            ("", &[][..]),
            ("nameserver 10.0.0.1\n", &[]),
            (
                "search a\nnameserver 10.0.0.2\noptions rotate\nnameserver fd00::2 # two\n",
                &["10.0.0.2", "fd00::2"],
            ),
            ("nameserver fe80::1%eth0\nnameserver 10.0.0.2\n", &["10.0.0.2"]),
            ("nameserver 10.0.0.2\nnameserver 10.0.0.2\nnameserver ::ffff:10.0.0.2\n", &["10.0.0.2"]),
            ("nameserver\nnameserver dns\nnameserver 10.0.0.2;x\nnameserver 10.0.0.3\n", &["10.0.0.3"]),
            // Nothing is left, but this machine: what is wrong is to be said.
            ("nameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver dns\n", &["fe80::1%eth0", "dns"]),
        ] {
            let texts: Vec<String> = system_resolvers(text, &own).into_iter().map(|item| item.text).collect();
            assert_eq!(texts, expected, "{text:?}");
        }
    }
}
