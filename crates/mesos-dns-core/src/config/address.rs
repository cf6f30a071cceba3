//! `host:port` as the original reads it, for masters and the servers that other names are asked of.

use std::net::IpAddr;

use super::{
    remark::{Remark, quote},
    value::Item,
};

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
}
