//! DNS bytes on the hot path.
//!
//! Here stands what every query touches: names as they travel, the header, the question, EDNS. Only
//! what the server itself needs is written here; everything else about DNS messages (a full parser,
//! presentation of records) belongs to the `domain` crate, which the tests use as a second opinion.

mod name;

pub use name::{LABEL_BYTES_MAX, NAME_BYTES_MAX, Name, NameError};
