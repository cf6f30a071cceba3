//! What one thread counts of the queries it answers: plain numbers of its own, added up when somebody asks.
//!
//! A UDP worker writes to no memory that another one writes to, so counting costs an addition in its own cache.
//! Connections are served by any thread of the runtime; there are four sets for them, one per transport, and one for
//! datagrams that are answered later. These are added to in the way that several threads can.
//!
//! Nothing here is named by a client: types that are not listed are `other`.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use mesos_dns_core::{
    answer::{Action, Reason, Silence, Transport},
    wire::rtype,
};

/// Bounds of the times that are told apart, in microseconds.
pub(super) const TIMES: [u32; 15] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_000_000];

/// Sizes of replies are told apart by powers of two, up to 65,536.
pub(super) const SIZES: usize = 17;

/// Types that are told apart, and what they are called.
pub(super) const ASKED: [(Option<u16>, &str); 15] = [
    (Some(rtype::A), "A"),
    (Some(rtype::AAAA), "AAAA"),
    (Some(rtype::SRV), "SRV"),
    (Some(rtype::PTR), "PTR"),
    (Some(rtype::TXT), "TXT"),
    (Some(rtype::SOA), "SOA"),
    (Some(rtype::NS), "NS"),
    (Some(rtype::CNAME), "CNAME"),
    (Some(MX), "MX"),
    (Some(rtype::ANY), "ANY"),
    (Some(SVCB), "SVCB"),
    (Some(HTTPS), "HTTPS"),
    (Some(DS), "DS"),
    (None, "other"),
    (None, "none"),
];

const MX: u16 = 15;
const DS: u16 = 43;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;

/// The last two of [`ASKED`]: a type that is not listed, and a message without a question that can be read.
const OTHER: usize = ASKED.len() - 2;
const NONE: usize = ASKED.len() - 1;

/// Response codes that are told apart.
pub(super) const RCODES: [(u8, &str); 9] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (16, "BADVERS"),
    (23, "BADCOOKIE"),
    (u8::MAX, "other"),
];

/// Which of [`ASKED`] a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked(usize);

/// See the head of this file.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Counts {
    pub(super) transport: Transport,
    /// Whether several threads count here.
    is_shared: bool,
    /// By family of the client's address, and type.
    queries: [[AtomicU64; ASKED.len()]; 2],
    answers: [AtomicU64; Reason::ALL.len()],
    /// Replies of other servers that we passed on, by response code.
    passed_on: [AtomicU64; RCODES.len()],
    sizes: [AtomicU64; SIZES],
    size_sum: AtomicU64,
    times: [AtomicU64; TIMES.len() + 1],
    nanoseconds: AtomicU64,
    truncated: AtomicU64,
    forwarded: AtomicU64,
    dropped_responses: AtomicU64,
    dropped_short: AtomicU64,
    rate_limited: AtomicU64,
}

/// The sums of several sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) queries: [[u64; ASKED.len()]; 2],
    pub(super) answers: [u64; Reason::ALL.len()],
    pub(super) passed_on: [u64; RCODES.len()],
    pub(super) sizes: [u64; SIZES],
    pub(super) size_sum: u64,
    pub(super) times: [u64; TIMES.len() + 1],
    pub(super) nanoseconds: u64,
    pub(super) truncated: u64,
    pub(super) forwarded: u64,
    pub(super) dropped_responses: u64,
    pub(super) dropped_short: u64,
    pub(super) rate_limited: u64,
}

impl Counts {
    /// A set for one thread alone.
    pub(super) fn own(transport: Transport) -> Self {
        Self::new(transport, false)
    }

    /// A set for any thread.
    pub(super) fn shared(transport: Transport) -> Self {
        Self::new(transport, true)
    }

    fn new(transport: Transport, is_shared: bool) -> Self {
        Self {
            transport,
            is_shared,
            queries: Default::default(),
            answers: Default::default(),
            passed_on: Default::default(),
            sizes: Default::default(),
            size_sum: AtomicU64::default(),
            times: Default::default(),
            nanoseconds: AtomicU64::default(),
            truncated: AtomicU64::default(),
            forwarded: AtomicU64::default(),
            dropped_responses: AtomicU64::default(),
            dropped_short: AtomicU64::default(),
            rate_limited: AtomicU64::default(),
        }
    }

    fn add(&self, cell: &AtomicU64, number: u64) {
        if self.is_shared {
            cell.fetch_add(number, Relaxed);
        } else {
            // Nobody else writes here, so this costs no more than a number that is no atomic one.
            cell.store(cell.load(Relaxed).wrapping_add(number), Relaxed);
        }
    }

    /// Notes a query and what became of it.
    pub(super) fn note(&self, asked: Asked, is_v6: bool, action: &Action) {
        self.add(&self.queries[usize::from(is_v6)][asked.0], 1);
        self.became(action);
    }

    /// Notes what became of a query that was noted before.
    pub(super) fn became(&self, action: &Action) {
        match action {
            Action::Send { length, reason, is_truncated } => {
                self.add(&self.answers[*reason as usize], 1);
                self.sized(*length);
                if *is_truncated {
                    self.add(&self.truncated, 1);
                }
            }
            Action::Forward => self.add(&self.forwarded, 1),
            Action::Drop(Silence::Limited) => self.add(&self.rate_limited, 1),
            Action::Drop(Silence::Response) => self.add(&self.dropped_responses, 1),
            Action::Drop(Silence::Short | Silence::NoSpace) => self.add(&self.dropped_short, 1),
        }
    }

    /// Notes another server's reply that goes to the client.
    pub(super) fn passes_on(&self, reply: &[u8]) {
        let Some(flags) = reply.get(3) else { return };
        self.add(&self.passed_on[rcode(flags & 15)], 1);
        self.sized(reply.len());
    }

    /// So many messages came at once, and so long after that all of their replies were on their way.
    pub(super) fn took(&self, messages: usize, time: Duration) {
        let micros = u32::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u32::MAX);
        let number = messages as u64;
        self.add(&self.times[TIMES.partition_point(|bound| *bound < micros)], number);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.add(&self.nanoseconds, nanoseconds.saturating_mul(number));
    }

    fn sized(&self, bytes: usize) {
        let power = usize::BITS - bytes.saturating_sub(1).leading_zeros();
        self.add(&self.sizes[(power as usize).min(SIZES - 1)], 1);
        self.add(&self.size_sum, bytes as u64);
    }

    /// Adds all numbers to sums.
    pub(super) fn add_to(&self, sums: &mut Sums) {
        fn all(sums: &mut [u64], cells: &[AtomicU64]) {
            sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell.load(Relaxed));
        }
        for (sums, cells) in sums.queries.iter_mut().zip(&self.queries) {
            all(sums, cells);
        }
        all(&mut sums.answers, &self.answers);
        all(&mut sums.passed_on, &self.passed_on);
        all(&mut sums.sizes, &self.sizes);
        all(&mut sums.times, &self.times);
        for (sum, cell) in [
            (&mut sums.size_sum, &self.size_sum),
            (&mut sums.nanoseconds, &self.nanoseconds),
            (&mut sums.truncated, &self.truncated),
            (&mut sums.forwarded, &self.forwarded),
            (&mut sums.dropped_responses, &self.dropped_responses),
            (&mut sums.dropped_short, &self.dropped_short),
            (&mut sums.rate_limited, &self.rate_limited),
        ] {
            *sum += cell.load(Relaxed);
        }
    }
}

impl Asked {
    /// For a type that is known already.
    pub(super) fn of(qtype: u16) -> Self {
        Self(ASKED[..OTHER].iter().position(|(known, _)| *known == Some(qtype)).unwrap_or(OTHER))
    }

    /// What a message asks for, whatever else is wrong with it.
    pub(super) fn read(message: &[u8]) -> Self {
        qtype(message).map_or(Self(NONE), Self::of)
    }
}

/// The type in the question of a message. Names in questions are not compressed.
fn qtype(message: &[u8]) -> Option<u16> {
    let (header, mut rest) = message.split_at_checked(12)?;
    if header[4..6] == [0, 0] {
        return None;
    }
    loop {
        let (length, behind) = rest.split_first()?;
        match length {
            0 => return behind.first_chunk().map(|qtype| u16::from_be_bytes(*qtype)),
            1..=63 => rest = behind.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
}

/// Which of [`RCODES`] it is.
pub(super) fn rcode(number: u8) -> usize {
    RCODES.iter().position(|(known, _)| *known == number).unwrap_or(RCODES.len() - 1)
}

/// With which of [`RCODES`] we answer for this reason.
pub(super) fn rcode_of(reason: Reason) -> usize {
    rcode(match reason {
        Reason::Cookie | Reason::NoData | Reason::Slipped | Reason::Success => 0,
        Reason::FormatError => 1,
        Reason::Loading | Reason::Overloaded => 2,
        Reason::NxDomain => 3,
        Reason::NotImplemented => 4,
        Reason::Refused | Reason::RefusedClient => 5,
        Reason::BadVersion => 16,
        Reason::BadCookie => 23,
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SENT: Action = Action::Send { length: 100, reason: Reason::Success, is_truncated: true };

    fn sums(counts: &Counts) -> Sums {
        let mut sums = Sums::default();
        counts.add_to(&mut sums);
        sums
    }

    #[test]
    fn types_and_what_cannot_be_read() {
        let query = |qtype: u16| {
            let header = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0";
            [&header[..], b"\x03web\x05mesos\0", &qtype.to_be_bytes(), &[0, 1]].concat()
        };
        let name = |message: &[u8]| ASKED[Asked::read(message).0].1;
        let named = [1, 28, 33, 12, 255, 65, 250, 65535].map(|qtype| name(&query(qtype)));
        assert_eq!(named, ["A", "AAAA", "SRV", "PTR", "ANY", "HTTPS", "other", "other"]);
        let whole = query(1);
        for length in 0..whole.len() - 3 {
            assert_eq!(name(&whole[..length]), "none", "{length}");
        }
        assert_eq!(name(b"\0\x07\x01\0\0\0\0\0\0\0\0\0"), "none");
        assert_eq!(name(b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"), "none");
    }

    #[test]
    fn every_query_is_in_the_sums_once() {
        let counts = Counts::own(Transport::Udp);
        counts.note(Asked::of(1), false, &SENT);
        counts.note(Asked::of(1), true, &Action::Forward);
        counts.passes_on(b"\0\x07\x81\x83\0\0\0\0\0\0\0\0");
        counts.note(Asked::of(33), false, &Action::Drop(Silence::Limited));
        counts.took(3, Duration::from_micros(30));
        let sums = sums(&counts);
        assert_eq!(sums.queries.iter().flatten().sum::<u64>(), 3);
        assert_eq!((sums.answers[Reason::Success as usize], sums.truncated, sums.rate_limited), (1, 1, 1));
        assert_eq!((sums.forwarded, sums.passed_on[3], sums.size_sum), (1, 1, 112));
        assert_eq!((sums.sizes[7], sums.sizes[4]), (1, 1));
        assert_eq!((sums.times[2], sums.nanoseconds), (3, 90_000));
    }

    #[test]
    fn bounds_belong_to_what_is_below() {
        for (bytes, power) in [(0, 0), (1, 0), (2, 1), (512, 9), (513, 10), (1232, 11), (65_535, 16)] {
            let counts = Counts::own(Transport::Tcp);
            counts.sized(bytes);
            assert_eq!(sums(&counts).sizes.iter().position(|count| *count == 1), Some(power), "{bytes}");
        }
        for (nanos, at) in
            [(0, 0), (10_000, 0), (10_001, 1), (25_000, 1), (2_000_000_000, 14), (u64::MAX, 15)]
        {
            let counts = Counts::own(Transport::Udp);
            counts.took(1, Duration::from_nanos(nanos));
            assert_eq!(sums(&counts).times.iter().position(|count| *count == 1), Some(at), "{nanos}");
        }
    }

    #[test]
    fn a_shared_set_loses_nothing() {
        let counts = Counts::shared(Transport::Tcp);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counts.note(Asked::of(1), false, &SENT)));
            }
        });
        assert_eq!(sums(&counts).queries[0][0], 40_000);
    }
}
