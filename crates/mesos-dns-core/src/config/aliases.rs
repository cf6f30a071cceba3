//! Aliases among static records that lead nowhere, whatever the cluster does.
//!
//! Such a file is not refused: the other names in it are good, and clients are told the aliases as far as they go. But
//! nobody means them, so a warning says where each is and what to do.

use std::collections::HashMap;

use super::{gather::AtName, remark::Remark};
use crate::{
    answer::is_status,
    wire::{CNAME_STEPS_MAX, Name, rtype},
};

/// What there is to say, in the order of the names.
pub(super) fn remarks(owners: &HashMap<Name, AtName<'_>>, apex: &Name) -> Vec<Remark> {
    let targets: HashMap<&Name, Name> =
        owners.iter().filter_map(|(owner, at)| Some((owner, target(at)?))).collect();
    let mut aliases: Vec<(&&Name, &Name)> = targets.iter().collect();
    aliases.sort_unstable();
    let remarks = aliases.into_iter().filter_map(|(owner, target)| {
        let remark = if is_status(target.as_wire(), apex) {
            let what = format!("{owner} is an alias of {target}, which tells how this server stands");
            Some(Remark::new(what, "ask for that name itself"))
        } else if !owners.contains_key(target) && is_nobodys(target, apex) {
            let what = format!(
                "{owner} is an alias of {target}, which neither the cluster nor a static record can be"
            );
            Some(Remark::new(what, "write a record there if it is to be, or lead it elsewhere"))
        } else {
            endless(owner, &targets)
        };
        Some(owners.get(*owner)?.first.remark(remark?))
    });
    remarks.collect()
}

/// What a name is an alias of.
fn target(at: &AtName<'_>) -> Option<Name> {
    let (_, rdata) = at.data.iter().find(|(rtype, _)| *rtype == rtype::CNAME)?;
    Name::from_wire(rdata).ok()
}

/// What to say of an alias from which nobody gets to an end.
fn endless(owner: &Name, targets: &HashMap<&Name, Name>) -> Option<Remark> {
    let mut way = vec![owner];
    let mut here = owner;
    while let Some(next) = targets.get(here) {
        if next == owner {
            // The least on the circle speaks for all.
            way.iter().all(|name| owner <= name).then_some(())?;
            let names: Vec<String> = way.iter().chain([&next]).map(ToString::to_string).collect();
            let what = format!("{owner} is an alias of itself: {}", names.join(" -> "));
            return Some(Remark::new(what, "lead one of them to a name that has other records"));
        }
        if way.contains(&next) {
            // It leads into a circle, for which another one speaks.
            return None;
        }
        if way.len() == CNAME_STEPS_MAX && targets.contains_key(next) {
            let what = format!(
                "{owner} leads through more than {CNAME_STEPS_MAX} aliases, and no more are followed"
            );
            return Some(Remark::new(what, "lead it to where they end"));
        }
        way.push(next);
        here = next;
    }
    None
}

/// Whether a name of our domain can be neither a task's, nor a framework's, nor ours.
///
/// Directly below the domain stand frameworks, whose labels have no other characters than these, and what is ours. Below
/// `leader`, `ns` and the masters stands nothing, as no framework is called so (`records::infrastructure`).
fn is_nobodys(name: &Name, apex: &Name) -> bool {
    let depth = name.labels().count().saturating_sub(apex.labels().count());
    let Some(top) =
        depth.checked_sub(1).filter(|_| name.is_within(apex)).and_then(|at| name.labels().nth(at))
    else {
        return false;
    };
    let is_plain = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
    let is_master = || top.strip_prefix(b"master").is_some_and(|rest| rest.iter().all(u8::is_ascii_digit));
    match top {
        b"_agent" | b"_tcp" | b"_udp" => false,
        b"leader" | b"ns" => depth > 1,
        _ if is_master() => depth > 1,
        _ => !top.iter().all(is_plain),
    }
}
