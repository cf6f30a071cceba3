//! Who wants to know why a query gets its answer.
//!
//! [`decide`](super::decide) tells what it decides to a [`Trace`] in passing. For ordinary queries that is `()`, which
//! hears nothing and compiles to nothing.

use std::net::IpAddr;

use super::nearest::Near;
use crate::zone::Node;

/// Somebody who is told why.
pub(crate) trait Trace: Copy {
    /// Whether anybody listens.
    const LISTENS: bool;

    /// Something was decided.
    fn hears(self, heard: Heard<'_>) {
        let _ = heard;
    }
}

/// Nobody.
impl Trace for () {
    const LISTENS: bool = false;
}

/// What was decided about a query.
pub(crate) enum Heard<'a> {
    /// A rule decided what becomes of it, or adds to that.
    Rule(Rule),
    /// The name is an alias, which is followed.
    Alias(&'a Node),
    /// The records of this name are told.
    Found(&'a Node),
    /// The order of the records.
    Order(Ordered),
}

/// A rule about queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The client may not ask (`queryAllow`).
    Denied,
    /// Transfers are not given.
    Transfer,
    /// Only the class IN is answered.
    Class,
    /// The name is not ours and is not forwarded.
    NotOurs,
    /// The name is not ours and is forwarded.
    Forwarded,
    /// It is the name of an address that is ours to answer.
    Reverse,
    /// It is the name that tells how we stand.
    Status,
    /// There is no data yet.
    NotLoaded,
    /// Names may be missing, and this may be one of them.
    Partial,
    /// The data are old.
    Stale,
    /// Of all types the first set is told.
    Any,
    /// The alias leads out of the domain; the forwarder follows it.
    AliasForwarded,
    /// The alias leads out of the domain; whoever asked may follow it.
    AliasOutside,
    /// The aliases lead nowhere: in a circle, or too far.
    AliasNowhere,
    /// There is no such name.
    Missing,
    /// The name is there, this type is not.
    NoData,
    /// There are records.
    Records,
}

/// In which order the records of a set are told.
pub(crate) struct Ordered {
    /// How many there are.
    pub(crate) count: usize,
    /// How many are told at most.
    pub(crate) most: Option<usize>,
    /// Whether near ones come first, and how near each is; `None`: each is first equally often.
    pub(crate) near: Option<Near>,
    /// Who asked.
    pub(crate) client: IpAddr,
}
