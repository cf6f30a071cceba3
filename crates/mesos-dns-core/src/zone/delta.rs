//! What a batch did to a zone: the way from one version to the next.

use super::Rdata;
use crate::wire::Name;

/// Most records that one delta lists; a larger difference is [`Delta::Everything`].
///
/// A reader that follows record by record gains nothing from more: taking the whole is then as quick, and a list of
/// a whole zone would take more memory than the zone.
pub const DELTA_RECORDS_MAX: usize = 65_536;

/// The difference between two versions of a zone, as far as DNS shows it. SOA and NS are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Too much to be listed, or the first version: whoever follows has to take the whole.
    Everything,
    /// The records that came and went, each at most once; owners in no order.
    Records(Vec<Move>),
}

/// A record that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it stands.
    pub owner: Name,
    /// What it says.
    pub rdata: Rdata,
    /// Its TTL, if it is not that of the zone.
    pub ttl: Option<u32>,
    /// Whether it came; else it went.
    pub came: bool,
}

/// What [`Zone::compile`](super::Zone::compile) did.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Whether a reader can see any difference. There are some that DNS answers do not show: names that came or went
    /// without data, and what only the v1 API lists.
    pub is_changed: bool,
    /// What came and went.
    pub delta: Delta,
    /// Owners whose records were compiled anew.
    pub owners_compiled: u64,
    /// About how many bytes were written anew because they are shared with older versions: shards of the tables and
    /// their directory, and sets of records.
    pub bytes_copied: u64,
}

impl Delta {
    /// Whether nothing came or went.
    pub fn is_empty(&self) -> bool {
        self.records() == Some(0)
    }

    /// How many records it lists; `None` if it lists none because there are too many.
    pub fn records(&self) -> Option<usize> {
        match self {
            Self::Everything => None,
            Self::Records(moves) => Some(moves.len()),
        }
    }
}
