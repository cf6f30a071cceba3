//! How answers may differ, and why.
//!
//! Everything that is not in this list fails the test.

use crate::{question::Question, reply::Reply, server::Kind};

/// In what two replies to one query differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Facet {
    /// Theirs cannot be read.
    Unreadable,
    /// One of them was not sent.
    Silence,
    Rcode,
    /// One bit of the second header word.
    Flag(u16),
    Question,
    Answer,
    Authority,
    Additional,
    /// Whether a record stands there twice.
    Twins,
    /// Whether there is an OPT record.
    Edns,
    EdnsPayload,
    EdnsVersion,
    EdnsDo,
    EdnsOption(u16),
}

/// One query, what we said, and what another server said.
pub(crate) struct Pair<'a> {
    pub(crate) question: &'a Question,
    pub(crate) ours: Option<&'a Reply>,
    pub(crate) theirs: Option<&'a Result<Reply, String>>,
    pub(crate) kind: Kind,
}

/// A class of differences.
pub(crate) struct Explanation {
    /// What it is, with where it stands.
    pub(crate) why: &'static str,
    pub(crate) holds: fn(&Pair, Facet) -> bool,
}

/// Options of EDNS.
mod option {
    pub(super) const NSID: u16 = 3;
    pub(super) const EXPIRE: u16 = 9;
    pub(super) const TCP_KEEPALIVE: u16 = 11;
    pub(super) const EXTENDED_ERROR: u16 = 15;
}

/// What we set aside in replies with EDNS: code, length and data of an extended error.
const EXPLANATION_BYTES: usize = 6;

/// An AAAA record whose owner is a pointer.
const ADDRESS_BYTES_MAX: usize = 28;

const ANSWER: usize = 0;
const AUTHORITY: usize = 1;
const ADDITIONAL: usize = 2;

/// All of them. The first that holds counts.
pub(crate) const EXPLAINED: &[Explanation] = &[
    Explanation {
        why: "_status is ours alone: it tells how the server stands, and is in no zone file (docs/compatibility.md)",
        holds: |pair, _| pair.question.folded().ends_with(b"\x07_status\x05mesos\0"),
    },
    Explanation {
        // RD means something in a query (RFC 1035 section 4.1.1); in an UPDATE its bit must be zero (RFC 2136 section
        // 2.2). Of an operation that is not known only the header is, not even whether a question follows (RFC 8906,
        // "Testing Unknown Opcodes"). NSD sends a header alone, too.
        why: "other operations than a query: NOTIMP, a header with nothing but QR and the opcode (robustness P17); \
              both keep RD, Knot keeps the question, too, looks at EDNS first and knows NOTIFY and UPDATE, NSD NOTIFY",
        holds: |pair, facet| {
            let is_bare = |ours: &Reply| {
                let bits = ours.flags == 0x8000 | pair.question.opcode() << 11;
                bits && ours.rcode == 4 && ours.question.is_empty() && ours.edns.is_none()
            };
            // As NSD does, but for RD: only then is a response code of theirs another one.
            let is_known = match pair.kind {
                Kind::Knot => {
                    matches!(facet, Facet::Rcode | Facet::Flag(0x0100) | Facet::Question | Facet::Edns)
                }
                Kind::Nsd => {
                    facet == Facet::Flag(0x0100) || facet == Facet::Rcode && pair.question.opcode() == 4
                }
            };
            pair.question.opcode() != 0 && is_known && pair.we(is_bare)
        },
    },
    Explanation {
        why: "NSD writes a wrong length of OPT when NSID is asked for twice",
        holds: |pair, facet| {
            facet == Facet::Unreadable && pair.kind == Kind::Nsd && pair.question.options(option::NSID) > 1
        },
    },
    Explanation {
        why: "Knot sends the address of an SRV target once for each record that names it (RFC 2181 section 5.5)",
        holds: |pair, facet| {
            facet == Facet::Twins && pair.kind == Kind::Knot && !pair.we(|ours| ours.has_twins)
        },
    },
    Explanation {
        why: "an unknown version of EDNS: its options are not read by us, so no NSID (RFC 6891 section 6.1.3); NSD \
              drops DO and leaves the flags of the query",
        holds: |pair, facet| {
            let is_known = matches!(facet, Facet::EdnsOption(option::NSID) | Facet::EdnsDo | Facet::Flag(_));
            is_known && pair.question.edns.as_ref().is_some_and(|edns| edns.version != 0)
        },
    },
    Explanation {
        why: "a query for OPT, which is no type of records (RFC 6891 section 6.1.1): FORMERR; others answer as for \
              any type",
        holds: |pair, _| pair.question.qtype == 41 && pair.we(|ours| ours.rcode == 1),
    },
    Explanation {
        why: "transfers are refused, whatever the name (robustness A4); others say NOTAUTH or NOTIMP where there is \
              nothing to transfer",
        holds: |pair, facet| {
            let is_known =
                matches!(facet, Facet::Rcode | Facet::EdnsOption(option::EXTENDED_ERROR) | Facet::Question);
            matches!(pair.question.qtype, 251 | 252) && is_known && pair.we(|ours| ours.rcode == 5)
        },
    },
    Explanation {
        why: "type 0 and types of meta queries are not implemented by Knot and NSD; to us they are types that no name \
              has (RFC 3597)",
        holds: |pair, _| matches!(pair.question.qtype, 0 | 128..=255) && pair.they(|they| they.rcode == 4),
    },
    Explanation {
        why: "ANY: one set of ours, at the apex the SOA (RFC 8482 section 4.1 leaves the choice), at most 512 octets \
              over UDP (robustness A1)",
        holds: |pair, facet| {
            let is_known =
                matches!(facet, Facet::Answer | Facet::Additional | Facet::Authority | Facet::Flag(0x0200));
            pair.question.qtype == 255 && is_known && pair.is_rcode(0)
        },
    },
    Explanation {
        why: "truncated by all: clients ask again over TCP, and how much is in is free (RFC 2181 section 9)",
        holds: |pair, facet| {
            let is_section = matches!(facet, Facet::Answer | Facet::Authority | Facet::Additional);
            is_section && pair.we(Reply::is_truncated) && pair.they(Reply::is_truncated)
        },
    },
    Explanation {
        why: "six octets are set aside for an explanation of what may yet go wrong (RFC 8914), so less fits a datagram; \
              which additional records still do depends on their order",
        holds: |pair, facet| {
            let max = pair.question.datagram_bytes_max();
            let is_near = |reply: &Reply, more: usize| reply.bytes + EXPLANATION_BYTES + more > max;
            let is_cut = match facet {
                Facet::Authority | Facet::Additional => {
                    let is_near = |reply: &Reply| is_near(reply, ADDRESS_BYTES_MAX);
                    pair.we(is_near) || pair.they(is_near)
                }
                Facet::Answer | Facet::Flag(0x0200) => pair.they(|theirs| is_near(theirs, 0)),
                _ => false,
            };
            is_cut && !pair.question.is_tcp && pair.question.edns.is_some()
        },
    },
    Explanation {
        why: "RRSIG, NSEC and NSEC3 of an alias: they could stand beside it (RFC 4034 section 3 and 4), so Knot and NSD say \
              that they do not; we, who sign nothing, go where it leads",
        holds: |pair, facet| {
            let is_known =
                matches!(facet, Facet::Rcode | Facet::Answer | Facet::Authority | Facet::Additional);
            let is_alias =
                |ours: &Reply| ours.sections[ANSWER].iter().any(|line| line.contains(" in cname "));
            matches!(pair.question.qtype, 46 | 47 | 50) && is_known && pair.we(is_alias)
        },
    },
    Explanation {
        why: "what MX, SVCB and HTTPS lead to is not sent along by us (RFC 1035 section 3.3.9 and RFC 9460 section 4.1 would \
              like it): resolvers ask for it, and the operator writes few of them",
        holds: |pair, facet| {
            facet == Facet::Additional
                && pair.leads_on()
                && pair.ours.zip(pair.they_read()).is_some_and(|(ours, theirs)| {
                    ours.sections[ADDITIONAL].is_subset(&theirs.sections[ADDITIONAL])
                })
        },
    },
    Explanation {
        why: "NSD adds the NS of the zone and their addresses to answers; we and Knot do not (RFC 9471 asks for neither)",
        holds: |pair, facet| {
            matches!(facet, Facet::Authority | Facet::Additional) && pair.kind == Kind::Nsd && pair.is_more()
        },
    },
    Explanation {
        why: "class ANY: NSD does not speak with authority (RFC 1035 section 6.2), and leaves the SOA out; we and Knot \
              have but one class",
        holds: |pair, facet| {
            let is_known = matches!(facet, Facet::Flag(0x0400) | Facet::Authority | Facet::Additional);
            pair.kind == Kind::Nsd && pair.question.class == 255 && is_known
        },
    },
    Explanation {
        why: "NSD refuses unknown classes without the question",
        holds: |pair, facet| {
            facet == Facet::Question
                && pair.kind == Kind::Nsd
                && !matches!(pair.question.class, 1 | 255)
                && pair.is_rcode(5)
        },
    },
    Explanation {
        why: "EXPIRE is for secondaries (RFC 7314): we have none to tell",
        holds: |pair, facet| {
            facet == Facet::EdnsOption(option::EXPIRE) && pair.question.options(option::EXPIRE) > 0
        },
    },
    Explanation {
        why: "we say how long an idle connection is kept to those who ask over TCP (RFC 7828); the others do not",
        holds: |pair, facet| {
            facet == Facet::EdnsOption(option::TCP_KEEPALIVE)
                && pair.question.is_tcp
                && pair.question.options(option::TCP_KEEPALIVE) > 0
        },
    },
    Explanation {
        why: "an error explained by one and not by the other, or otherwise (RFC 8914: for people)",
        holds: |pair, facet| {
            facet == Facet::EdnsOption(option::EXTENDED_ERROR) && pair.we(|ours| ours.rcode != 0)
        },
    },
];

impl Pair<'_> {
    fn we(&self, are: impl Fn(&Reply) -> bool) -> bool {
        self.ours.is_some_and(are)
    }

    fn they(&self, are: impl Fn(&Reply) -> bool) -> bool {
        matches!(self.theirs, Some(Ok(reply)) if are(reply))
    }

    fn they_read(&self) -> Option<&Reply> {
        self.theirs.and_then(|theirs| theirs.as_ref().ok())
    }

    /// Whether it asks for records that lead to other names, but for services.
    fn leads_on(&self) -> bool {
        matches!(self.question.qtype, 15 | 64 | 65)
    }

    fn is_rcode(&self, rcode: u16) -> bool {
        self.we(|reply| reply.rcode == rcode) && self.they(|reply| reply.rcode == rcode)
    }

    /// Whether all that theirs has beyond ours are the NS of the zone and the addresses of those.
    fn is_more(&self) -> bool {
        let (Some(ours), Some(Ok(theirs))) = (self.ours, self.theirs) else { return false };
        ours.sections[ANSWER] == theirs.sections[ANSWER]
            && [AUTHORITY, ADDITIONAL].into_iter().all(|index| {
                let (ours, theirs) = (&ours.sections[index], &theirs.sections[index]);
                let is_of_apex = |line: &String| {
                    line.starts_with("mesos. 5 in ns ") || line.starts_with("ns1.mesos. 5 in a")
                };
                let is_sent_along = |_: &String| index == ADDITIONAL && self.leads_on();
                ours.is_subset(theirs)
                    && theirs.difference(ours).all(|line| is_of_apex(line) || is_sent_along(line))
            })
    }
}

/// In what they differ.
pub(crate) fn differences(pair: &Pair) -> Vec<Facet> {
    let (ours, theirs) = match (pair.ours, pair.theirs) {
        (_, Some(Err(_))) => return vec![Facet::Unreadable],
        (Some(ours), Some(Ok(theirs))) => (ours, theirs),
        (None, None) => return Vec::new(),
        _ => return vec![Facet::Silence],
    };
    let mut found = Vec::new();
    let mut note = |differs: bool, facet: Facet| {
        if differs {
            found.push(facet);
        }
    };
    note(ours.rcode != theirs.rcode, Facet::Rcode);
    for bit in (4..16).map(|bit| 1 << bit) {
        note((ours.flags ^ theirs.flags) & bit != 0, Facet::Flag(bit));
    }
    note(ours.question != theirs.question, Facet::Question);
    for (index, facet) in [Facet::Answer, Facet::Authority, Facet::Additional].into_iter().enumerate() {
        note(ours.sections[index] != theirs.sections[index], facet);
    }
    note(ours.has_twins || theirs.has_twins, Facet::Twins);
    note(ours.edns.is_some() != theirs.edns.is_some(), Facet::Edns);
    if let (Some(ours), Some(theirs)) = (&ours.edns, &theirs.edns) {
        note(ours.payload_bytes != theirs.payload_bytes, Facet::EdnsPayload);
        note(ours.version != theirs.version, Facet::EdnsVersion);
        note(ours.dnssec_ok != theirs.dnssec_ok, Facet::EdnsDo);
        let mut codes: Vec<u16> = ours.options.keys().chain(theirs.options.keys()).copied().collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            note(ours.options.get(&code) != theirs.options.get(&code), Facet::EdnsOption(code));
        }
    }
    found
}
