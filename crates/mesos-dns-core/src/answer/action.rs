//! What can become of a query, in the words that the shell acts on and counts by.

/// What the shell has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the first `length` bytes of the buffer.
    Send {
        /// Bytes written.
        length: usize,
        /// What the answer is, to be counted.
        reason: Reason,
        /// Whether records were left out for want of space.
        is_truncated: bool,
    },
    /// The name is not ours: hand the query to the forwarder.
    Forward,
    /// Say nothing.
    Drop(Silence),
}

/// What kind of answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// BADCOOKIE: the server's half of the cookie is not ours, and was needed.
    BadCookie,
    /// BADVERS: an EDNS version we do not know.
    BadVersion,
    /// NOERROR: no question, only a cookie was asked for.
    Cookie,
    /// FORMERR: the message is malformed.
    FormatError,
    /// SERVFAIL: no data from any master yet.
    Loading,
    /// NOERROR without records: the name exists, the type does not.
    NoData,
    /// NOTIMP: an operation other than a query.
    NotImplemented,
    /// NXDOMAIN: no such name.
    NxDomain,
    /// SERVFAIL: too many queries wait for the forwarder.
    Overloaded,
    /// REFUSED: class, transfer, or a name outside that is not forwarded.
    Refused,
    /// REFUSED: the client may not ask.
    RefusedClient,
    /// NOERROR with TC and nothing else, in place of an answer beyond the rate limit.
    Slipped,
    /// NOERROR with records.
    Success,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::BadCookie,
        Self::BadVersion,
        Self::Cookie,
        Self::FormatError,
        Self::Loading,
        Self::NoData,
        Self::NotImplemented,
        Self::NxDomain,
        Self::Overloaded,
        Self::Refused,
        Self::RefusedClient,
        Self::Slipped,
        Self::Success,
    ];

    /// As a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadCookie => "bad_cookie",
            Self::BadVersion => "bad_version",
            Self::Cookie => "cookie",
            Self::FormatError => "format_error",
            Self::Loading => "loading",
            Self::NoData => "no_data",
            Self::NotImplemented => "not_implemented",
            Self::NxDomain => "nx_domain",
            Self::Overloaded => "overloaded",
            Self::Refused => "refused",
            Self::RefusedClient => "refused_client",
            Self::Slipped => "slipped",
            Self::Success => "success",
        }
    }
}

/// Why nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Silence {
    /// Beyond the rate limit.
    Limited,
    /// The buffer cannot hold even a refusal.
    NoSpace,
    /// A response, not a query.
    Response,
    /// Shorter than a header.
    Short,
}
