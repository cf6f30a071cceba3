//! The rules for names of addresses and for the order of answers, and what a newer Mesos-DNS called them.
//!
//! `m3scluster/mesos-dns` went on from the original with two keys of its own. Files that have them are read: what they
//! ask for is done by ours, which say more.

use super::{
    keys::Settings,
    remark::Remark,
    value::{Given, Prefixes},
};
use crate::{
    answer::{Ranking, Reversing},
    forward::{local::LocalZone, server::Server},
    records::ExtraName,
    wire::{Name, ReverseName, ReverseZones},
};

/// For which addresses we answer. What `zoneResolvers` sends elsewhere is not ours, unless a prefix is at least as long.
pub(super) fn reversing(settings: &Settings, zones: &[(Name, Vec<Server>)]) -> Reversing {
    let local = LocalZone::all();
    let elsewhere = zones.iter().map(|(zone, _)| zone).chain(local.iter().map(LocalZone::apex));
    let others = elsewhere.filter_map(|zone| ReverseName::read(zone.view()));
    let others = others.filter(|name| !name.has_more()).map(ReverseName::network).collect();
    match &settings.reverse_prefixes.value {
        Given(Some(Prefixes(prefixes))) if prefixes.is_empty() => Reversing::Off,
        Given(Some(Prefixes(prefixes))) => Reversing::Listed(ReverseZones::new(prefixes.clone(), others)),
        Given(None) if !settings.reverse_dns_on.value => Reversing::Off,
        Given(None) => Reversing::Learned(ReverseZones::new(Vec::new(), others)),
    }
}

/// Which records come first.
pub(super) fn ranking(settings: &Settings) -> Ranking {
    match settings.resolv_subnet_first.value && !settings.answers.is_set() {
        true => Ranking::Nearest,
        false => settings.answers.value,
    }
}

/// What is said of keys that have a newer name, and of those that are of no use.
pub(super) fn oddities(settings: &Settings) -> Vec<Remark> {
    let reverse = &settings.reverse_dns_on;
    let mend = match (settings.reverse_prefixes.is_set(), reverse.value) {
        (true, _) => "remove it: reversePrefixes decides",
        (false, true) => "remove it: private addresses are told by name, and reversePrefixes names others",
        (false, false) => "write \"reversePrefixes\": []",
    };
    let reverse = reverse.is_set().then(|| old("reversednson", mend).at(reverse.place()));
    let subnet = &settings.resolv_subnet_first;
    let mend = match (settings.answers.is_set(), subnet.value) {
        (true, _) => "remove it: answers decides",
        (false, true) => "write \"answers\": \"nearest\"",
        (false, false) => "remove it: it is so by default",
    };
    let subnet = subnet.is_set().then(|| old("ResolvSubnetFirst", mend).at(subnet.place()));
    let places = &settings.places;
    let is_told = |name: &ExtraName| matches!(name, ExtraName::Places | ExtraName::Text | ExtraName::Browse);
    let has_names = settings.extra_names.value.0.iter().any(is_told);
    let idle = places.is_set() && ranking(settings) == Ranking::Shuffle && !has_names;
    let idle = idle.then(|| {
        let mend =
            "write \"answers\": \"nearest\" to have near records first, or \"extraNames\": [\"places\"]";
        Remark::new("has no effect", mend).about("places").at(places.place())
    });
    [reverse, subnet, idle].into_iter().flatten().collect()
}

fn old(key: &str, mend: &str) -> Remark {
    Remark::new("is a key of another Mesos-DNS", mend).about(key.to_owned())
}
