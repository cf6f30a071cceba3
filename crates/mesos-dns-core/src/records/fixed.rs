//! Records that the operator wrote down, beside those of the cluster.

use std::collections::HashMap;

use super::Data;
use crate::wire::Name;

/// What the operator wrote down, by owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The owners; those outside the served domain have no effect.
    pub owners: HashMap<Name, FixedOwner>,
}

/// What the operator wrote down for one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedOwner {
    /// Its records.
    pub data: Vec<Data>,
    /// What becomes of those of the cluster.
    pub rule: Rule,
}

/// What becomes of the cluster's records where the operator wrote down some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// They stand instead of the operator's, as long as there are any. That a task is there whose addresses are not known
    /// is no record.
    Fill,
    /// They are not taken.
    Override,
}
