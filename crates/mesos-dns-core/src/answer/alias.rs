//! From an alias to the name that it stands for (RFC 1034 section 3.6.2).

use super::standing;
use crate::{
    wire::{CNAME_STEPS_MAX, FoldedName, rtype},
    zone::{Node, Snapshot},
};

/// The way from the name of a question to the name that has the answer. Most are none: the name itself has it.
pub(super) struct Way<'a> {
    aliases: [Option<&'a Node>; CNAME_STEPS_MAX],
    count: usize,
    pub(super) end: End<'a>,
}

/// Where a way leads.
pub(super) enum End<'a> {
    /// To this node of ours.
    Node(&'a Node),
    /// To a name that we would have, and do not.
    Missing,
    /// Nowhere: in a circle, or too far.
    Nowhere,
    /// Out of the domain.
    Outside,
}

impl<'a> Way<'a> {
    /// Follows the aliases from a name. Who asks for aliases, or for whatever there is, is not sent on.
    pub(super) fn of(zone: &'a Snapshot, name: &[u8], qtype: u16) -> Self {
        let mut way = Self { aliases: [None; CNAME_STEPS_MAX], count: 0, end: End::Missing };
        let Some(mut node) = zone.find(name) else { return way };
        let is_followed = !matches!(qtype, rtype::CNAME | rtype::ANY);
        while let Some(target) = target(node).filter(|_| is_followed) {
            way.end = End::Nowhere;
            let Some(space) = way.aliases.get_mut(way.count) else { return way };
            *space = Some(node);
            way.count = way.count.saturating_add(1);
            let Some(target) = FoldedName::of_wire(target) else { return way };
            let is_met = way.aliases().any(|alias| alias.name() == target.view());
            let is_status = standing::is_status(target.as_wire(), zone.apex());
            if !target.is_within(zone.apex().as_wire()) {
                way.end = End::Outside;
                return way;
            }
            if is_met || is_status {
                return way;
            }
            match zone.find(target.as_wire()) {
                Some(next) => node = next,
                None => {
                    way.end = End::Missing;
                    return way;
                }
            }
        }
        way.end = End::Node(node);
        way
    }

    /// The aliases on the way, in its order.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &'a Node> {
        self.aliases.iter().copied().map_while(|alias| alias)
    }
}

/// What the name of a node is an alias of.
fn target(node: &Node) -> Option<&[u8]> {
    node.others(rtype::CNAME).next()
}
