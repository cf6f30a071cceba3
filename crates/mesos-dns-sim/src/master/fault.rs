//! What a master can do wrong.
//!
//! | fault | what a client meets |
//! | --- | --- |
//! | `refuse` | its connections are refused; those that stand go on |
//! | `silent` | connections are accepted, requests read, nothing is answered |
//! | `half_open` | the body stops after so many bytes, heartbeats too, and the connection stays |
//! | `reset` | the connection is reset after so many bytes of the body |
//! | `cut` | the connection ends after so many bytes of the body |
//! | `drip` | the body comes byte by byte, one each so often; as fast as it is read if that is 0 |
//! | `status` | an answer with this status: 401, 403, 404, 500, 503 |
//! | `unavailable` | 503 |
//! | `redirect` | 307 `to` itself, in a `loop` (a new path each time), to an `unresolvable` host, to `https` |
//! | `html` | 200 with a page, as a proxy in the way would answer |
//! | `content_type` | the right body, called `text/html` |
//! | `gzip_broken` | a body that says it is compressed, and is damaged in its middle |
//! | `gzip_bomb` | a small body that unpacks to 16 GiB of blanks |
//! | `empty_state` | documents and snapshots without agents, frameworks and tasks |
//! | `lying_leader` | documents name another master as their leader |
//! | `clock_ahead` | `start_time` and `elected_time` lie ahead by so much |
//! | `no_heartbeat` | streams have none |
//! | `no_subscribed` | streams begin without their snapshot |
//! | `split_number` | each digit of a record's length comes in a piece of its own, its data in two |
//! | `zero_record` | a record of length 0 stands before each |
//! | `bad_number` | the next record's length is no number |
//! | `too_long` | the next record says that it has some 4 TB |
//! | `cut_record` | after so many events the next record ends in its middle, and the connection with it |
//! | `close_after` | the stream ends after so many events |
//! | `unknown_event` | an event of a type that nobody knows |
//! | `big_data` | an update of a task with 5 MB in `data` |
//! | `terminal_task` | `TASK_ADDED` for a task that has failed already |
//! | `task_first` | agents and frameworks are told behind the next task instead of before it |
//! | `flood` | so many equal updates of one task at once |
//!
//! A fault holds for every request that the master can read, and for streams under way from their next event on.
//! Faults of streams do nothing to documents. Those from `unknown_event` to `terminal_task` and `flood` act once
//! on each stream: behind its snapshot, or at once if it is under way.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// What a master does wrong; the table above says what each does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Fault {
    #[default]
    None,
    Refuse,
    Silent,
    HalfOpen {
        after_bytes: usize,
    },
    Reset {
        after_bytes: usize,
    },
    Cut {
        after_bytes: usize,
    },
    Drip {
        #[serde(deserialize_with = "seconds")]
        every: Duration,
    },
    Status {
        code: u16,
    },
    Unavailable,
    Redirect {
        to: Detour,
    },
    Html,
    ContentType,
    GzipBroken,
    GzipBomb,
    EmptyState,
    LyingLeader,
    ClockAhead {
        #[serde(deserialize_with = "seconds")]
        by: Duration,
    },
    NoHeartbeat,
    NoSubscribed,
    SplitNumber,
    ZeroRecord,
    BadNumber,
    TooLong,
    CutRecord {
        after_events: usize,
    },
    CloseAfter {
        events: usize,
    },
    UnknownEvent,
    BigData,
    TerminalTask,
    TaskFirst,
    Flood {
        events: usize,
    },
}

/// Where a wrong redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detour {
    /// To the very same place.
    Itself,
    /// To the same master, by another query each time.
    Loop,
    /// To a host that has no address.
    Unresolvable,
    /// To the same place by another scheme.
    Https,
}

/// Reads a duration written as seconds.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| serde::de::Error::custom(format!("{seconds} is no number of seconds")))
}
