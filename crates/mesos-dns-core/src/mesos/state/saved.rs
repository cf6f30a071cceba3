//! A cluster that was kept over a restart, read back.
//!
//! [`encode`](super::encode) writes it, the decoder of this room reads it, and here stands what is in the file and
//! not in a master's document, and what makes a file one that we do not trust. A file is trusted as a whole or not
//! at all: half of it would take names away from living tasks.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{StateError, decode};
use crate::cluster::{Cluster, Document, Hosts};

/// The form of the files written here. A file of another one is not read.
pub const FORMAT: u32 = 1;

/// The member that makes a state document one of these files; it stands before all others.
const MEMBER: &[u8] = b"\"mesos_dns\"";

/// What a file says besides the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Unix time in seconds.
    pub saved_at: u64,
    /// The SOA serial of the zone that was served.
    pub serial: u32,
    /// The content hash of that zone.
    pub content_hash: u64,
    /// What all its records had in common, as a text to compare.
    pub soa: String,
    /// Address of the master whose reign it was, as its documents have it.
    pub pid: Option<String>,
    /// When that reign began.
    pub elected_time: Option<f64>,
}

/// A file, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// When and from what it was written.
    pub about: About,
    /// The cluster, as a document of the leader at that time.
    pub document: Document,
    /// The masters list in effect.
    pub listed: Vec<Arc<str>>,
    /// What host names resolved to.
    pub hosts: Hosts,
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It does not begin as these files do.
    #[error("it is no saved cluster: it does not begin with the member mesos_dns")]
    Foreign,
    /// Its first member cannot be read.
    #[error("its member mesos_dns is malformed: {reason}")]
    Head {
        /// Why.
        reason: String,
    },
    /// Another version of this program wrote it.
    #[error("its format is {found}, and {FORMAT} is known")]
    Format {
        /// The format it says it has.
        found: u32,
    },
    /// It cannot be read as a whole.
    #[error("it cannot be read")]
    State(#[from] StateError),
    /// Something in it makes no sense, or is missing. We do not write such things.
    #[error("parts of it are damaged or missing")]
    Damaged,
}

/// Reads a file.
pub fn decode_saved(bytes: &[u8]) -> Result<Saved, SavedError> {
    let head = head(bytes)?;
    let mut document = decode(bytes)?;
    let skipped = document.skipped;
    if !document.complete || skipped.agents > 0 || skipped.frameworks > 0 || skipped.tasks > 0 {
        return Err(SavedError::Damaged);
    }
    document.frameworks.retain(|framework| !head.unknown_frameworks.contains(&framework.id));
    document.elected_time = head.elected_time.and_then(|text| text.parse().ok());
    let about = About {
        saved_at: head.saved_at,
        serial: head.serial,
        content_hash: u64::from_str_radix(&head.content_hash, 16).map_err(|_| SavedError::Damaged)?,
        soa: head.soa,
        pid: document.pid.clone(),
        elected_time: document.elected_time,
    };
    let mut hosts = Hosts::default();
    head.hosts.into_iter().for_each(|(name, addresses)| hosts.insert(name, addresses));
    Ok(Saved { about, document, listed: head.masters, hosts })
}

/// The first member. It is looked for at the beginning only: nothing but the beginning has to be read to know a
/// file for a foreign one.
fn head(bytes: &[u8]) -> Result<Head, SavedError> {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{").ok_or(SavedError::Foreign)?;
    let behind = inside.trim_ascii_start().strip_prefix(MEMBER).ok_or(SavedError::Foreign)?;
    let value = behind.trim_ascii_start().strip_prefix(b":").ok_or(SavedError::Foreign)?;
    let mut values = serde_json::Deserializer::from_slice(value).into_iter::<serde_json::Value>();
    let malformed = |reason: String| SavedError::Head { reason };
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => return Err(malformed(error.to_string())),
        None => return Err(malformed("it is missing".to_owned())),
    };
    // The rest may mean something else in another format.
    let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    match u32::try_from(format).unwrap_or_default() {
        FORMAT => serde_json::from_value(value).map_err(|error| malformed(error.to_string())),
        found => Err(SavedError::Format { found }),
    }
}

/// The first member, as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    saved_at: u64,
    serial: u32,
    /// Hexadecimal: not every reader of JSON has whole numbers of 64 bits.
    content_hash: String,
    soa: String,
    /// As text: numbers of JSON are not always read back to the last bit.
    elected_time: Option<String>,
    masters: Vec<Arc<str>>,
    /// Of tasks that came before their framework.
    unknown_frameworks: Vec<Arc<str>>,
    hosts: BTreeMap<Arc<str>, Box<[IpAddr]>>,
}

impl Head {
    pub(super) fn new(cluster: &Cluster, about: &About, unknown_frameworks: Vec<Arc<str>>) -> Self {
        Self {
            format: FORMAT,
            saved_at: about.saved_at,
            serial: about.serial,
            content_hash: format!("{:016x}", about.content_hash),
            soa: about.soa.clone(),
            elected_time: about.elected_time.map(|time| time.to_string()),
            masters: cluster.masters.listed.clone(),
            unknown_frameworks,
            hosts: cluster.hosts.iter().map(|(name, found)| (name.clone(), found.into())).collect(),
        }
    }
}
