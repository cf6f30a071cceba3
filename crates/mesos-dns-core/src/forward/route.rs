//! Which servers a name is asked from: the longest matching suffix, on whole labels.
//!
//! Two kinds of suffix compete: the zones of `zoneResolvers`, and the local zones every resolver keeps to
//! itself; where both have the very same name, the explicit one wins. What matches neither leads to
//! `resolvers`. Our own domain does not compete: a name in it never leaves, whatever else is configured. Nor do the
//! names of addresses that the operator listed as ours; those that were sent elsewhere are not among them.

use std::collections::BTreeMap;

use super::{local::LocalZone, server::Server};
use crate::wire::{Name, ReverseName, ReverseZones};

/// Servers for one suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The suffix; `None` for the default servers.
    pub zone: Option<Name>,
    /// The servers, in the order they are asked.
    pub servers: Vec<Server>,
}

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Our own domain, or names of addresses that are ours.
    Own,
    /// A zone that is answered locally.
    Local(&'a LocalZone),
    /// To these servers.
    Servers(&'a Group),
}

/// All suffixes.
#[derive(Clone, Debug)]
pub struct Router {
    domain: Name,
    reverse: ReverseZones,
    suffixes: BTreeMap<Box<[u8]>, Target>,
    default: Group,
}

#[derive(Clone, Debug)]
enum Target {
    Local(LocalZone),
    Servers(Group),
}

impl Router {
    /// Routes for the default servers and the zones with servers of their own, around our domain.
    pub fn new(domain: &Name, resolvers: &[Server], zones: &[(Name, Vec<Server>)]) -> Self {
        let mut suffixes = BTreeMap::new();
        for zone in LocalZone::all() {
            suffixes.insert(Box::from(zone.apex().as_wire()), Target::Local(zone));
        }
        for (zone, servers) in zones {
            let group = Group { zone: Some(zone.clone()), servers: servers.clone() };
            suffixes.insert(Box::from(zone.as_wire()), Target::Servers(group));
        }
        let default = Group { zone: None, servers: resolvers.to_vec() };
        Self { domain: domain.clone(), reverse: ReverseZones::default(), suffixes, default }
    }

    /// The same, less the names of addresses that are ours.
    #[must_use]
    pub fn without(self, reverse: &ReverseZones) -> Self {
        Self { reverse: reverse.clone(), ..self }
    }

    /// Where this name leads.
    pub fn route(&self, name: &Name) -> Route<'_> {
        let reverse = || ReverseName::read(name.view()).and_then(|name| self.reverse.apex_bits(name));
        if name.is_within(&self.domain) || reverse().is_some() {
            return Route::Own;
        }
        match suffixes(name.as_wire()).find_map(|suffix| self.suffixes.get(suffix)) {
            Some(Target::Local(zone)) => Route::Local(zone),
            Some(Target::Servers(group)) => Route::Servers(group),
            None => Route::Servers(&self.default),
        }
    }

    /// Every group of servers, the default one first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        let zones = self.suffixes.values().filter_map(|target| match target {
            Target::Servers(group) => Some(group),
            Target::Local(_) => None,
        });
        std::iter::once(&self.default).chain(zones)
    }
}

/// The name itself, its parent, and so on up to the root.
fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(wire), |rest| {
        let (length, rest) = rest.split_first()?;
        rest.get(usize::from(*length)..).filter(|_| *length != 0)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn server(last: u8) -> Server {
        Server::plain(([192, 0, 2, last], 53).into())
    }

    #[test]
    fn longest_suffix_on_whole_labels() {
        let zones = [("corp", 1), ("a.corp", 2), ("2.127.in-addr.arpa", 3), ("onion", 4)]
            .map(|(zone, last)| (name(zone), vec![server(last)]));
        let router = Router::new(&name("dc1.mesos"), &[server(9)], &zones);
        let local = [("localhost", "localhost"), ("a.b.LocalHost", "localhost"), ("x.invalid", "invalid")]
            .into_iter()
            .chain([("1.0.0.127.in-addr.arpa", "127.in-addr.arpa"), ("9.0.in-addr.arpa", "0.in-addr.arpa")]);
        for (asked, zone) in local {
            assert!(
                matches!(router.route(&name(asked)), Route::Local(l) if *l.apex() == name(zone)),
                "{asked}"
            );
        }
        for own in ["dc1.mesos", "web.DC1.Mesos"] {
            assert_eq!(router.route(&name(own)), Route::Own);
        }
        for (asked, last) in [
            (".", 9),
            ("com", 9),
            ("mesos", 9),
            ("xdc1.mesos", 9),
            ("corp", 1),
            ("b.CORP", 1),
            ("xcorp", 9),
            ("xa.corp", 1),
            ("a.corp", 2),
            ("b.A.corp", 2),
            ("a.corp.com", 9),
            ("1.2.127.in-addr.arpa", 3),
            ("hidden.onion", 4),
            ("10.in-addr.arpa", 9),
            ("1.168.192.in-addr.arpa", 9),
            ("xlocalhost", 9),
        ] {
            let Route::Servers(group) = router.route(&name(asked)) else { panic!("{asked}") };
            assert_eq!(group.servers, [server(last)], "{asked}");
        }
        assert_eq!(router.groups().count(), 5);
    }

    #[test]
    fn nothing_below_our_domain_leaves() {
        // The configuration refuses such zones; should one get here all the same, it has no effect.
        let zones = [(name("a.mesos"), vec![server(1)]), (name("mesos"), vec![server(2)])];
        let router = Router::new(&name("mesos"), &[server(9)], &zones);
        for own in ["mesos", "a.mesos", "x.a.mesos"] {
            assert_eq!(router.route(&name(own)), Route::Own, "{own}");
        }
    }

    proptest! {
        /// The law in one line: of the zones a name is in, the one with the most labels.
        #[test]
        fn as_if_compared_one_by_one(zones in proptest::collection::vec("[abAB]{1,2}(\\.[ab]{1,2}){0,3}", 0..8),
                                     asked in "[abAB]{1,2}(\\.[abAB]{1,2}){0,5}") {
            let zones: Vec<_> = zones.iter().map(|zone| (name(zone), vec![server(1)])).collect();
            let router = Router::new(&name("mesos"), &[server(9)], &zones);
            let Route::Servers(group) = router.route(&name(&asked)) else { panic!("{asked}") };
            let within = zones.iter().map(|(zone, _)| zone).filter(|zone| name(&asked).is_within(zone));
            prop_assert_eq!(group.zone.as_ref(), within.max_by_key(|zone| zone.labels().count()));
        }
    }
}
