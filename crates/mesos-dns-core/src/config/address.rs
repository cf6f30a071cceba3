//! `host:port` as the original reads it, for masters, resolvers and ZooKeeper.

use std::net::{IpAddr, SocketAddr};

use super::{
    remark::{Remark, quote},
    value::Item,
};

/// Port of DNS servers that are written without one.
const DNS_PORT: u16 = 53;

/// Cuts `host:port` and `[host]:port`. Brackets are needed where the host has colons, and allowed elsewhere.
pub(super) fn split(text: &str) -> Result<(&str, &str), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("has no port")?;
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inside) if !inside.contains(['[', ']']) => Ok((inside, port)),
        _ if text.ends_with(']') => Err("has no port"),
        _ if host.contains(['[', ']']) || port.contains(['[', ']']) => Err("has a stray bracket"),
        _ if host.contains(':') => Err("needs brackets around its IPv6 address"),
        _ => Ok((host, port)),
    }
}

/// A port from 1 to 65535.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// Checks the list of masters; the entries stay as written, as names are made from their text.
pub(super) fn masters(items: &[Item]) -> Result<Vec<String>, Remark> {
    let mut known: Vec<String> = Vec::new();
    for item in items {
        let wrong = |what: &str, mend: &str| {
            let what = format!("error validating masters: {} {what}", quote(&item.text));
            Remark::new(what, mend).at(item.place)
        };
        let (host, port_text) =
            split(&item.text).map_err(|what| wrong(what, "write host:port, such as \"10.0.0.1:5050\""))?;
        if port(port_text).is_none() {
            return Err(wrong("has no usable port", "write a port from 1 to 65535 behind the colon"));
        }
        let host = host.parse::<IpAddr>().map_or(host.to_owned(), |ip| ip.to_canonical().to_string());
        let normal = format!("{host} {port_text}");
        if known.contains(&normal) {
            let what = format!("error validating masters: duplicate found: {}", item.text);
            return Err(Remark::new(what, "remove one of them").at(item.place));
        }
        known.push(normal);
    }
    Ok(items.iter().map(|item| item.text.clone()).collect())
}

/// Reads a list of DNS servers: `IP`, `IPv4:port` or `[IPv6]:port`.
pub(super) fn resolvers(items: &[Item]) -> Result<Vec<SocketAddr>, Remark> {
    let mut servers: Vec<SocketAddr> = Vec::new();
    for item in items {
        let server = resolver(&item.text).map_err(|(what, mend)| {
            Remark::new(format!("error validating resolvers: {what}"), mend).at(item.place)
        })?;
        if servers.contains(&server) {
            let what = format!("error validating resolvers: duplicate found: {}", item.text);
            return Err(Remark::new(what, "remove one of them; the port is 53 by default").at(item.place));
        }
        servers.push(server);
    }
    Ok(servers)
}

/// Reads one DNS server.
fn resolver(text: &str) -> Result<SocketAddr, (String, &'static str)> {
    let (host, port) = match split(text) {
        Ok((host, port_text)) => (host, port(port_text)),
        Err(_) => (text, Some(DNS_PORT)),
    };
    let address: IpAddr = host.parse().map_err(|_| {
        let mend = "write an IP address, not a name: \"10.0.0.53\", \"10.0.0.53:53\", \"fd00::53\" or \"[fd00::53]:53\"";
        (format!("illegal ip specified: {}", quote(host)), mend)
    })?;
    let port = port.ok_or_else(|| {
        (format!("{} has no usable port", quote(text)), "write a port from 1 to 65535 behind the colon")
    })?;
    Ok(SocketAddr::new(address.to_canonical(), port))
}

/// The servers of a `resolv.conf`, without those that are this machine itself.
///
/// Only `nameserver` lines count, all of them; an entry is compared with the machine's addresses as text, as the
/// original does, so that `127.0.0.53` stays unless an interface has just that address.
pub(super) fn system_resolvers(resolv_conf: &str, interfaces: &[IpAddr]) -> Vec<Item> {
    let own: Vec<String> = interfaces.iter().map(IpAddr::to_string).collect();
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next().map(str::to_owned))?
    };
    let servers = resolv_conf.lines().filter_map(server).filter(|text| !own.contains(text));
    servers.map(|text| Item { text, place: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(texts: &[&str]) -> Vec<Item> {
        texts.iter().map(|text| Item { text: (*text).to_owned(), place: None }).collect()
    }

    #[test]
    fn masters_are_host_and_port() {
        for good in [
            &[][..],
            &["m1.example:5050"],
            &["10.0.0.1:5050", "10.0.0.1:5051"],
            &["[fd00::1]:5050", "10.0.0.1:5050"],
            &[":5050"],
            &["[m1]:5050"],
            &["any thing:1", "any thing:65535"],
        ] {
            assert_eq!(
                masters(&items(good)).map_err(|wrong| wrong.to_string()).as_deref(),
                Ok(&good.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..])
            );
        }
        for (bad, what) in [
            (&["10.0.0.1"][..], "\"10.0.0.1\" has no port"),
            (&[""], "\"\" has no port"),
            (&["10.0.0.1:0"], "no usable port"),
            (&["10.0.0.1:65536"], "no usable port"),
            (&["10.0.0.1:-1"], "no usable port"),
            (&["10.0.0.1:"], "no usable port"),
            (&["10.0.0.1:http"], "no usable port"),
            (&["fd00::1:5050"], "needs brackets"),
            (&["[fd00::1]"], "has no port"),
            (&["[fd00::1]5050"], "stray bracket"),
            (&["[fd00::1:5050"], "stray bracket"),
            (&["a:1", "a:1"], "duplicate found: a:1"),
            (&["[fd00::1]:5050", "[fd00:0:0::1]:5050"], "duplicate found: [fd00:0:0::1]:5050"),
        ] {
            let text = masters(&items(bad)).map_err(|wrong| wrong.to_string()).unwrap_err();
            assert!(text.starts_with("error validating masters: ") && text.contains(what), "{text}");
        }
    }

    #[test]
    fn resolvers_are_addresses() {
        for (good, read) in [
            (&["9.9.9.9"][..], &["9.9.9.9:53"][..]),
            (&["9.9.9.9:5353", "9.9.9.9"], &["9.9.9.9:5353", "9.9.9.9:53"]),
            (&["fd00::53", "[fd00::53]:5353"], &["[fd00::53]:53", "[fd00::53]:5353"]),
            (&["::ffff:9.9.9.9"], &["9.9.9.9:53"]),
        ] {
            let servers: Vec<String> =
                resolvers(&items(good)).unwrap().iter().map(SocketAddr::to_string).collect();
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
}
