//! `/v1/hosts` and `/v1/services`: what stands under one name.

use serde::Serialize;

use crate::zone::Listed;

/// The stored name that a client means: every `.*` removed, lower-case, with the trailing dot. Empty
/// where nothing is left.
///
/// `.*` was once a wildcard for the cluster's name and still stands in configuration files.
pub fn lookup_name(asked: &str) -> String {
    let mut name = asked.replace(".*", "").to_lowercase();
    if !name.is_empty() && !name.ends_with('.') {
        name.push('.');
    }
    name
}

/// One address of a name, an item of `/v1/hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The stored name.
    pub host: String,
    /// An IPv4 or IPv6 address.
    pub ip: String,
}

/// The addresses of a name, IPv4 first.
///
/// A name without any gives one item of empty texts: clients rely on there being one. `dice` decides
/// which address of each family comes first, as clients that take the first one should not all meet
/// at the same.
pub fn hosts(listed: &Listed, dice: u64) -> Vec<Host> {
    let mut addresses = rotated(&listed.a, dice);
    addresses.extend(rotated(&listed.aaaa, dice));
    let mut items: Vec<Host> =
        addresses.into_iter().map(|ip| Host { host: listed.name.clone(), ip }).collect();
    if items.is_empty() {
        items.push(Host::default());
    }
    items
}

/// One address of one instance of a service, an item of `/v1/services`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The service as the client spelled it.
    pub service: String,
    /// The host the instance runs on.
    pub host: String,
    /// One of the host's addresses.
    pub ip: String,
    /// Port number in decimal.
    pub port: String,
}

/// The instances of a service, with one IPv4 and one IPv6 address of each as far as it has them.
///
/// `find` gives what is stored under a target; a target without addresses is left out. If nothing is
/// left there is one item of empty texts. `dice` decides which instance comes first, and which address
/// of an instance is shown.
pub fn services(
    asked: &str,
    listed: &Listed,
    find: impl Fn(&str) -> Option<Listed>,
    dice: u64,
) -> Vec<Service> {
    let mut items = Vec::new();
    for (target, port) in turned(&listed.srv, dice) {
        let Some(host) = find(target) else { continue };
        let first_of_each = rotated(&host.a, dice).into_iter().take(1);
        for ip in first_of_each.chain(rotated(&host.aaaa, dice).into_iter().take(1)) {
            let (service, host) = (asked.to_owned(), target.clone());
            items.push(Service { service, host, ip, port: port.to_string() });
        }
    }
    if items.is_empty() {
        items.push(Service::default());
    }
    items
}

fn rotated<T: ToString>(values: &[T], dice: u64) -> Vec<String> {
    turned(values, dice).map(ToString::to_string).collect()
}

/// All values once around, from the one the dice choose.
fn turned<T>(values: &[T], dice: u64) -> impl Iterator<Item = &T> {
    let length = u64::try_from(values.len()).unwrap_or(u64::MAX);
    let start = dice.checked_rem(length).and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
    let (front, back) = values.split_at_checked(start).unwrap_or((&[], values));
    back.iter().chain(front)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::text;

    fn listed(name: &str, a: &[&str], aaaa: &[&str], srv: &[(&str, u16)]) -> Listed {
        Listed {
            name: name.into(),
            a: a.iter().map(|text| text.parse().unwrap()).collect(),
            aaaa: aaaa.iter().map(|text| text.parse().unwrap()).collect(),
            srv: srv.iter().map(|(target, port)| ((*target).into(), *port)).collect(),
        }
    }

    #[test]
    fn lookup_names() {
        for (asked, name) in [
            ("leader.mesos", "leader.mesos."),
            ("leader.*.mesos.", "leader.mesos."),
            ("a.*.*.MESOS.", "a.mesos."),
            ("*.mesos", "*.mesos."),
            ("x.*y.mesos", "xy.mesos."),
            (".*", ""),
            ("", ""),
            (".", "."),
        ] {
            assert_eq!(lookup_name(asked), name, "{asked}");
        }
    }

    #[test]
    fn hosts_are_laid_out_as_ever() {
        let master = listed("master.mesos.", &["10.0.0.1", "10.0.0.2"], &["fd00::1"], &[]);
        let expected = "[\n  {\n   \"host\": \"master.mesos.\",\n   \"ip\": \"10.0.0.1\"\n  },\n  \
                        {\n   \"host\": \"master.mesos.\",\n   \"ip\": \"10.0.0.2\"\n  },\n  \
                        {\n   \"host\": \"master.mesos.\",\n   \"ip\": \"fd00::1\"\n  }\n ]";
        assert_eq!(String::from_utf8(text(&hosts(&master, 0))).unwrap(), expected);
        let nothing = "[\n  {\n   \"host\": \"\",\n   \"ip\": \"\"\n  }\n ]";
        assert_eq!(String::from_utf8(text(&hosts(&Listed::default(), 7))).unwrap(), nothing);
    }

    #[test]
    fn services_show_one_address_of_each_family() {
        let service = listed(
            "_web._tcp.m.mesos.",
            &[],
            &[],
            &[("a.m.mesos.", 80), ("b.m.mesos.", 81), ("gone.mesos.", 82)],
        );
        let find = |target: &str| match target {
            "a.m.mesos." => Some(listed(target, &["10.0.0.1", "10.0.0.2"], &["fd00::1"], &[])),
            "b.m.mesos." => Some(listed(target, &[], &["fd00::2"], &[])),
            _ => None,
        };
        let shown = |dice| -> Vec<String> {
            services("_web._TCP.m.mesos", &service, find, dice)
                .iter()
                .map(|item| format!("{} {} {} {}", item.service, item.host, item.ip, item.port))
                .collect()
        };
        let asked = "_web._TCP.m.mesos";
        assert_eq!(
            shown(0),
            [
                format!("{asked} a.m.mesos. 10.0.0.1 80"),
                format!("{asked} a.m.mesos. fd00::1 80"),
                format!("{asked} b.m.mesos. fd00::2 81"),
            ]
        );
        assert_eq!(
            shown(1),
            [
                format!("{asked} b.m.mesos. fd00::2 81"),
                format!("{asked} a.m.mesos. 10.0.0.2 80"),
                format!("{asked} a.m.mesos. fd00::1 80"),
            ]
        );
        let gone = listed("_x._tcp.m.mesos.", &[], &[], &[("gone.mesos.", 82)]);
        assert_eq!(services("_x", &gone, find, 3), [Service::default()]);
    }

    #[test]
    fn every_address_comes_first_in_turn() {
        let many = listed("a.", &["10.0.0.1", "10.0.0.2", "10.0.0.3"], &[], &[]);
        let mut firsts: Vec<String> = (0..3).map(|dice| hosts(&many, dice)[0].ip.clone()).collect();
        firsts.sort();
        assert_eq!(firsts, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(hosts(&many, u64::MAX).len(), 3);
    }
}
