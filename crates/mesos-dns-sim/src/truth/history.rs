//! What was asked and what came back, in as little memory as the changes in it need.
//!
//! Equal answers that one client got to one question in a row are one [`Run`] of which only the first and the
//! last are kept in full: whatever a law says of those in the middle, it says of one of these two.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

use domain::{
    base::{
        Message,
        iana::{Rcode, Rtype},
    },
    rdata::AllRecordData,
};

/// Most runs that are kept. A world changes some hundred times in a trial; reaching this is a failure of its own.
pub const RUNS_MAX: usize = 1 << 20;

/// A name and what is asked about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Name, without the trailing dot.
    pub name: String,
    /// Type.
    pub kind: Kind,
}

/// Types that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    A,
    Aaaa,
    Srv,
}

/// One datum of an answer, as far as it names a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// Of an A or AAAA record.
    Address(IpAddr),
    /// Of an SRV record.
    Port(u16),
}

/// All data of a name and type; empty where there are none.
pub type Set = BTreeSet<Datum>;

/// What an answer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// NOERROR with these.
    Data(Set),
    /// NOERROR without data, or an empty list over HTTP.
    NoData,
    /// NXDOMAIN.
    NxDomain,
    /// Another response code, or something that is no answer to the question.
    Other(String),
    /// REFUSED.
    Refused,
    /// SERVFAIL, or 503 over HTTP.
    ServFail,
    /// Nothing came in time.
    Silence,
}

/// When a question was put and when its answer was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Before anything was sent.
    pub sent: Duration,
    /// After everything had come.
    pub received: Duration,
}

/// Who asked whom. One client puts its questions one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Which of several programs that watch the same cluster.
    pub replica: usize,
    /// Which of those that ask it.
    pub number: usize,
}

/// Where a sign was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    /// Which program said it.
    pub replica: usize,
    /// To whom.
    pub client: usize,
    /// How.
    pub source: Source,
}

/// How a program tells of its zone as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The SOA record.
    Dns,
    /// `/ready`.
    Http,
}

/// Equal answers in a row.
#[derive(Clone, Debug)]
pub struct Run {
    /// The first of them.
    pub first: Span,
    /// The last of them.
    pub last: Span,
    /// How many.
    pub count: u64,
    /// What they said.
    pub seen: Seen,
}

/// What a program said of its zone as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// SOA serial.
    pub serial: u32,
    /// Content hash, where it was shown.
    pub hash: Option<u64>,
}

/// Equal signs in a row.
#[derive(Clone, Copy, Debug)]
pub struct SignRun {
    /// The first of them.
    pub first: Span,
    /// The last of them.
    pub last: Span,
    /// What they said.
    pub sign: Sign,
}

/// Everything that was answered.
#[derive(Clone, Debug, Default)]
pub struct History {
    runs: BTreeMap<(Client, usize), Vec<Run>>,
    signs: BTreeMap<Witness, Vec<SignRun>>,
    kept: usize,
    asked: u64,
    is_full: bool,
    stalls: Vec<Span>,
}

impl History {
    /// Notes an answer to a question, by its number in the log.
    pub fn note(&mut self, client: Client, question: usize, span: Span, seen: Seen) {
        self.asked += 1;
        let runs = self.runs.entry((client, question)).or_default();
        match runs.last_mut() {
            Some(run) if run.seen == seen => (run.last, run.count) = (span, run.count + 1),
            _ if self.kept == RUNS_MAX => self.is_full = true,
            _ => {
                self.kept += 1;
                runs.push(Run { first: span, last: span, count: 1, seen });
            }
        }
    }

    /// Notes a sign.
    pub fn note_sign(&mut self, witness: Witness, span: Span, sign: Sign) {
        let runs = self.signs.entry(witness).or_default();
        match runs.last_mut() {
            Some(run) if run.sign == sign => run.last = span,
            _ if self.kept == RUNS_MAX => self.is_full = true,
            _ => {
                self.kept += 1;
                runs.push(SignRun { first: span, last: span, sign });
            }
        }
    }

    /// Each client's answers to each question, in the order in which they came.
    pub fn runs(&self) -> impl Iterator<Item = (Client, usize, &[Run])> {
        self.runs.iter().map(|((client, question), runs)| (*client, *question, &runs[..]))
    }

    /// The signs of each replica, in the order in which they came.
    pub fn signs(&self) -> impl Iterator<Item = (Witness, &[SignRun])> {
        self.signs.iter().map(|(witness, runs)| (*witness, &runs[..]))
    }

    /// What a client was told last.
    pub fn latest(&self, client: Client, question: usize) -> Option<&Seen> {
        self.runs.get(&(client, question))?.last().map(|run| &run.seen)
    }

    /// Notes a time in which whoever asks was not let run, and maybe nobody was.
    pub fn note_stall(&mut self, span: Span) {
        if self.stalls.len() == RUNS_MAX {
            self.is_full = true;
        } else {
            self.stalls.push(span);
        }
    }

    /// Times in which the machine stood still.
    pub fn stalls(&self) -> &[Span] {
        &self.stalls
    }

    /// How many questions were asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Whether something could not be kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }
}

impl Question {
    /// A question.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}

impl Kind {
    /// The type on the wire.
    pub fn rtype(self) -> Rtype {
        match self {
            Self::A => Rtype::A,
            Self::Aaaa => Rtype::AAAA,
            Self::Srv => Rtype::SRV,
        }
    }
}

impl Seen {
    /// What a DNS message says.
    pub fn read<Octs: AsRef<[u8]>>(message: &Message<Octs>, kind: Kind) -> Self {
        match message.header().rcode() {
            Rcode::NOERROR if message.header().tc() => Self::Other("truncated".into()),
            Rcode::NOERROR => match data(message.for_slice_ref(), kind) {
                Some(set) if set.is_empty() => Self::NoData,
                Some(set) => Self::Data(set),
                None => Self::Other("malformed answer section".into()),
            },
            Rcode::NXDOMAIN => Self::NxDomain,
            Rcode::REFUSED => Self::Refused,
            Rcode::SERVFAIL => Self::ServFail,
            other => Self::Other(other.to_string()),
        }
    }

    /// The data it claims, if it is an answer about the name: none where there is no such name.
    pub fn set(&self) -> Option<&Set> {
        static NOTHING: Set = Set::new();
        match self {
            Self::Data(set) => Some(set),
            Self::NoData | Self::NxDomain => Some(&NOTHING),
            Self::Other(_) | Self::Refused | Self::ServFail | Self::Silence => None,
        }
    }
}

/// The data of an answer section; `None` if it is malformed, has other records, or one of them twice.
fn data(message: Message<&[u8]>, kind: Kind) -> Option<Set> {
    let mut set = Set::new();
    for record in message.answer().ok()?.limit_to::<AllRecordData<_, _>>() {
        let datum = match (record.ok()?.data(), kind) {
            (AllRecordData::A(a), Kind::A) => Datum::Address(a.addr().into()),
            (AllRecordData::Aaaa(aaaa), Kind::Aaaa) => Datum::Address(aaaa.addr().into()),
            (AllRecordData::Srv(srv), Kind::Srv) => Datum::Port(srv.port()),
            _ => return None,
        };
        set.insert(datum).then_some(())?;
    }
    Some(set)
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind.rtype())
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Port(port) => write!(f, "port {port}"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(set) => f.write_str(&text(set)),
            Self::NoData => f.write_str("no data"),
            Self::NxDomain => f.write_str("NXDOMAIN"),
            Self::Other(what) => f.write_str(what),
            Self::Refused => f.write_str("REFUSED"),
            Self::ServFail => f.write_str("SERVFAIL"),
            Self::Silence => f.write_str("silence"),
        }
    }
}

/// A set as people read it.
pub fn text(set: &Set) -> String {
    let data: Vec<String> = set.iter().map(ToString::to_string).collect();
    if data.is_empty() { "nothing".into() } else { data.join(", ") }
}
