//! DNS bytes on the hot path.
//!
//! Here stands what every query touches: names as they travel, the header, the question, EDNS. Only
//! what the server itself needs is written here; everything else about DNS messages (a full parser,
//! presentation of records) belongs to the `domain` crate, which the tests use as a second opinion.

mod edns;
mod name;
mod query;
mod reverse;

pub(crate) use name::is_within;
pub(crate) use query::CNAME_STEPS_MAX;

pub use edns::{CLIENT_COOKIE_BYTES, Cookie, Edns, option};
pub use name::{LABEL_BYTES_MAX, NAME_BYTES_MAX, Name, NameError, NameView};
pub use query::{
    CLASS_ANY, CLASS_IN, FLAG_AA, FLAG_CD, FLAG_QR, FLAG_RA, FLAG_RD, FLAG_TC, Fault, FoldedName,
    HEADER_BYTES, OPCODE_MASK, Query, rtype,
};
pub use reverse::{ReverseName, ReverseZones, reverse_tail_bytes};
