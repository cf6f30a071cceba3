//! What the zone decided about the records of one owner, for whoever asks why.
//!
//! Nothing is decided in here: it is read from where it was decided.

use std::net::IpAddr;

use super::{
    Node, Rdata, Share, Snapshot,
    change::{self, What},
    fitness::total,
    rare::of_type,
    sets::{Sets, Slices},
};
use crate::{
    records::{Data, Rank, Record},
    wire::{Name, rtype},
};

/// How the contributors of one owner's records of one type were weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// How many there are.
    pub all: i64,
    /// How many of them are unfit.
    pub unfit: i64,
    /// How many percent have to be fit for the others to be left out.
    pub healthy_minimum: u8,
    /// What follows.
    pub share: Share,
    /// Whether the operator's records stand there, because the cluster has none.
    pub is_filled: bool,
}

impl Snapshot {
    /// How the records of one type at a name were weighed; `None` where no such name is.
    pub fn weighed(&self, name: &Name, rtype: u16) -> Option<Weighed> {
        let node = self.find(name.as_wire())?;
        let count = |slices: Slices<'_>| match rtype {
            rtype::A => total(slices.a),
            rtype::AAAA => total(slices.aaaa),
            rtype::SRV => total(slices.srv).saturating_add(total(slices.preferred)),
            other => total(of_type(slices.others, other)),
        };
        let contributed: Sets = node.contributed();
        let all = count(contributed.slices());
        let unfit = count(node.rare().map(|rare| rare.unfit.slices()).unwrap_or_default());
        let healthy_minimum = self.healthy_minimum;
        let share = Share::of(all, unfit, healthy_minimum);
        let is_filled = node.rare().is_some_and(|rare| rare.is_filled);
        Some(Weighed { all, unfit, healthy_minimum, share, is_filled })
    }

    /// Whether a contribution of the cluster is taken, or the operator's records stand instead.
    pub(crate) fn admits(&self, record: &Record) -> bool {
        self.gate.admits(record)
    }

    /// Whether a record is answered.
    pub(crate) fn is_in_force(&self, record: &Record) -> bool {
        let node = change::owner(record, &self.apex).and_then(|name| self.find(name.as_wire()));
        node.is_some_and(|node| node.count(&record.data) > 0)
    }

    /// By which right an address is told by its name.
    pub(crate) fn rank_of(&self, address: IpAddr) -> Option<Rank> {
        self.addresses.rank(address)
    }
}

impl Node {
    /// The records of one type that are answered.
    pub(crate) fn records_of(&self, wanted: u16) -> Vec<Rdata> {
        let mut found = Vec::new();
        self.slices().tell(Slices::default(), &mut |rdata, _, _| {
            if rdata.rtype() == wanted {
                found.push(rdata);
            }
        });
        found
    }
}

impl Rdata {
    /// These data as DNS answers them; `None` if it does not.
    pub(crate) fn of(data: &Data) -> Option<Self> {
        match What::new(data.clone()) {
            Some(What::Record(rdata)) => Some(rdata),
            _ => None,
        }
    }

    /// The type.
    pub fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => rtype::A,
            Self::Aaaa(_) => rtype::AAAA,
            Self::Srv { .. } => rtype::SRV,
            Self::Other { rtype, .. } => *rtype,
        }
    }
}
