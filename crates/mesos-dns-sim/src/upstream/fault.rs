//! What a server can do wrong.
//!
//! | fault | what an asker meets |
//! | --- | --- |
//! | `silent` | no reply; with a `share`, loss |
//! | `delayed` | a reply `by` so many seconds late, and up to `spread` later, evenly |
//! | `doubled` | the reply so many `times` |
//! | `closed` | over a connection: its end instead of a reply; over UDP silence |
//! | `reset` | likewise, the hard way |
//! | `cut` | only so many `bytes` of the reply; over a connection it ends there |
//! | `dripped` | over a connection: the reply byte by byte, one each so often |
//! | `forged` | before the reply so many `times` one that is none (below), and if `alone` nothing else |
//! | `folded` | the question in lower case, however it was spelled |
//! | `truncated` | TC, and so many `records`; over UDP only |
//! | `oversized` | over UDP all that there is, whatever the asker takes |
//! | `rcode` | this response `code` without records; a mere header if it is `bare` |
//! | `no_edns` | the OPT record is passed over: none comes back |
//! | `ttl` | this TTL (`is`) on all records: 0, or with its top bit set |
//! | `added` | these `records` besides, in `answer`, `authority` or `additional` (`section`) |
//!
//! A forged reply (`how`):
//!
//! | | |
//! | --- | --- |
//! | `id`, `name`, `type`, `class` | differs in this from the query |
//! | `query` | says that it is no reply |
//! | `opcode` | answers an inverse query that nobody sent |
//! | `port`, `address` | is right, but comes from another port or another address; over UDP only |
//! | `empty`, `short` | has no octets, has eleven |
//! | `garbage` | has the right header, and chance behind it |
//! | `loop` | has a name that points at itself |
//! | `counts` | promises more records than there are |
//! | `trailing` | has octets behind its last record |
//!
//! All but the last four also carry another address than the right reply, 192.0.2.66: who believes one shows it.

use std::time::Duration;

use serde::Deserialize;

use crate::master::seconds;

/// What goes wrong; the table above says what each does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Fault {
    Silent,
    Delayed {
        #[serde(deserialize_with = "seconds")]
        by: Duration,
        #[serde(default, deserialize_with = "seconds")]
        spread: Duration,
    },
    Doubled {
        times: usize,
    },
    Closed,
    Reset,
    Cut {
        bytes: usize,
    },
    Dripped {
        #[serde(deserialize_with = "seconds")]
        every: Duration,
    },
    Forged {
        how: Forgery,
        #[serde(default = "once")]
        times: usize,
        #[serde(default)]
        alone: bool,
    },
    Folded,
    Truncated {
        #[serde(default)]
        records: usize,
    },
    Oversized,
    Rcode {
        code: u8,
        #[serde(default)]
        bare: bool,
    },
    NoEdns,
    Ttl {
        is: u32,
    },
    Added {
        section: Section,
        records: Vec<String>,
    },
}

/// What is wrong with a reply that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Forgery {
    Id,
    Name,
    Type,
    Class,
    Query,
    Opcode,
    Port,
    Address,
    Empty,
    Short,
    Garbage,
    Loop,
    Counts,
    Trailing,
}

/// Where a record stands in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Section {
    Answer,
    Authority,
    Additional,
}

fn once() -> usize {
    1
}
