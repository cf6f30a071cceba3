//! Which services can have names for their ports in the standard's shape without meeting a name of the original.
//!
//! `_http._tcp.web.marathon.mesos` is the port `http` of the service `web` of `marathon`. The original has services at
//! such a name in two cases only. Its names for services end with `._<protocol>.<framework>.<domain>`, and a framework's
//! name never gives a label that begins with an underscore. So either
//!
//! - a framework is called `web.marathon`: then it is the name of its task `http`; or
//! - the service has a label that begins with an underscore itself: `x._tcp` would have `_http._tcp.x._tcp.marathon.mesos`,
//!   where the port `http` of `tcp.x` is.
//!
//! What clients of the original are told must not change because the operator wants further names, so there are none for
//! these services. A test makes odd clusters and compares (`extra::tests::original`).

use std::collections::HashSet;

use super::{ExtraName, Owner, Policy, fragment};
use crate::{
    cluster::{Cluster, Framework},
    wire::Name,
};

/// Names of frameworks that are also those of services that another framework could have: `web.marathon`, where there is
/// `marathon`. Empty where nobody wants names for ports.
pub(super) fn nested(cluster: &Cluster, policy: &Policy) -> HashSet<Name> {
    let names = || cluster.frameworks.iter().filter_map(|framework| name(framework, policy));
    // Nearly all clusters have none, and this is asked at each update.
    let has_dots = |framework: &Framework| framework.name.contains('.');
    if !policy.extra.names.has(ExtraName::Ports) || !cluster.frameworks.iter().any(|one| has_dots(one)) {
        return HashSet::new();
    }
    let all: HashSet<Name> = names().collect();
    let is_nested = |name: &&Name| {
        let ends = std::iter::successors(name.parent(), Name::parent);
        ends.take_while(|end| *end != policy.apex).any(|end| all.contains(&end))
    };
    all.iter().filter(is_nested).cloned().collect()
}

fn name(framework: &Framework, policy: &Policy) -> Option<Name> {
    Owner::new(&format!("{}.{}.", fragment(&framework.name, policy.rules), policy.domain)).into_name()
}

/// Whether nothing of the original can stand at the names for ports of the service with this name.
pub(super) fn are_free(service: &Owner, nested: &HashSet<Name>) -> bool {
    service
        .name()
        .is_some_and(|name| !nested.contains(name) && !name.labels().any(|label| label.starts_with(b"_")))
}
