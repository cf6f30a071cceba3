//! Asks [`decide`](crate::answer::decide) as a client would, listens, and reads what it replies.

use std::cell::RefCell;

use super::{
    Known, Question,
    told::{Alias, Step},
};
use crate::{
    answer::{Action, Heard, Near, Peer, Rule, Trace, Transport, UDP_PAYLOAD_BYTES_MAX, decide_telling},
    records::Area,
    wire::{CLASS_IN, FLAG_RD, HEADER_BYTES, Name, rtype},
    zone::Node,
};

/// What was heard, and what was replied.
pub(super) struct Answered {
    pub(super) action: Action,
    pub(super) rules: Vec<Rule>,
    pub(super) path: Vec<Alias>,
    /// The name whose records are told, and of which type they are.
    pub(super) found: Option<Name>,
    pub(super) order: Vec<Step>,
    pub(super) reply: Option<Reply>,
    /// The question as bytes.
    pub(super) message: Vec<u8>,
}

/// A reply, read.
pub(super) struct Reply {
    pub(super) rcode: u16,
    pub(super) is_truncated: bool,
    /// Type, TTL and data of each answer, in their order.
    pub(super) answers: Vec<(u16, u32, Vec<u8>)>,
}

/// Where the question's name stands in each message (RFC 1035 section 4.1.4).
const QNAME_POINTER: [u8; 2] = [0xc0, HEADER_BYTES as u8];

/// Asks.
pub(super) fn ask(question: &Question, known: &Known<'_>) -> Answered {
    let message = message(question);
    let heard = RefCell::new(Hearing::default());
    let peer = Peer { address: question.client, transport: Transport::Udp };
    let mut out = vec![0; UDP_PAYLOAD_BYTES_MAX];
    let action = decide_telling(
        &message,
        known.zone,
        known.standing,
        known.settings,
        peer,
        (question.dice, &heard),
        &mut out,
    );
    let reply = match action {
        Action::Send { length, is_truncated, .. } => {
            out.get(..length).and_then(|bytes| Reply::read(bytes, is_truncated))
        }
        Action::Forward | Action::Drop(_) => None,
    };
    let Hearing { rules, path, found, order } = heard.into_inner();
    Answered { action, rules, path, found, order, reply, message }
}

/// The question with EDNS, recursion desired.
fn message(question: &Question) -> Vec<u8> {
    let [f0, f1] = FLAG_RD.to_be_bytes();
    let mut message = vec![0, 0, f0, f1, 0, 1, 0, 0, 0, 0, 0, 1];
    message.extend(question.name.as_wire());
    message.extend(question.rtype.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message.push(0);
    message.extend(rtype::OPT.to_be_bytes());
    message.extend((UDP_PAYLOAD_BYTES_MAX as u16).to_be_bytes());
    message.extend([0; 6]);
    message
}

//------------ Hearing ---------------------------------------------------------

/// What was heard so far.
#[derive(Default)]
struct Hearing {
    rules: Vec<Rule>,
    path: Vec<Alias>,
    found: Option<Name>,
    order: Vec<Step>,
}

impl Trace for &RefCell<Hearing> {
    const LISTENS: bool = true;

    fn hears(self, heard: Heard<'_>) {
        let mut hearing = self.borrow_mut();
        match heard {
            Heard::Rule(rule) => hearing.rules.push(rule),
            Heard::Alias(node) => hearing.path.extend(alias(node)),
            Heard::Found(node) => hearing.found = Some(node.name().to_name()),
            Heard::Order(ordered) => {
                let count = ordered.count;
                if count > 1 {
                    hearing.order.push(match ordered.near {
                        None => shuffled(count),
                        Some(near) => nearest(&near, ordered.client.to_string()),
                    });
                }
                if let Some(most) = ordered.most.filter(|most| *most < count) {
                    let says = "no more records than this are told of one set";
                    let value = format!("{most} of {count}");
                    hearing.order.push(Step::new("max-answers", says).by(value).set_by("maxAnswers"));
                }
            }
        }
    }
}

fn alias(node: &Node) -> Option<Alias> {
    let target = node.others(rtype::CNAME).next().and_then(|target| Name::from_wire(target).ok())?;
    Some(Alias { name: node.name().to_string(), target: target.to_string() })
}

fn shuffled(count: usize) -> Step {
    let says = "each record comes first equally often: the order is drawn anew for each query";
    Step::new("shuffle", says).by(format!("{count} records")).set_by("answers")
}

fn nearest(near: &Near, client: String) -> Step {
    let area = match &near.area {
        Area::Place(place) => format!("zone {} of region {}", place.zone, place.region),
        Area::V4([a, b, c]) => format!("{a}.{b}.{c}.0/24"),
        Area::V6(octets) => {
            let group = |pair: &[u8]| pair.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
            format!("{}::/64", octets.chunks(2).map(group).collect::<Vec<_>>().join(":"))
        }
    };
    let on_agent = near.agent.as_ref().map(|agent| format!("agent {agent}, ")).unwrap_or_default();
    let mut counts = [0_usize; 4];
    for tier in &near.tiers {
        if let Some(count) = counts.get_mut(usize::from(*tier)) {
            *count = count.saturating_add(1);
        }
    }
    let [agent, zone, region, far] = counts;
    let value = format!(
        "{client} is at {on_agent}{area}; of the records {agent} are on its agent, {zone} in its zone, {region} in its \
         region, {far} farther"
    );
    let says = "near records come first, as far as they can bear it";
    Step::new("nearest", says).by(value).set_by("answers, places")
}

//------------ Reply -----------------------------------------------------------

impl Reply {
    /// Reads a reply of ours.
    fn read(bytes: &[u8], is_truncated: bool) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let [_, _, f0, f1, q0, q1, a0, a1, ..] = *header;
        let flags = u16::from_be_bytes([f0, f1]);
        let mut rest = bytes.get(HEADER_BYTES..)?;
        let mut asked: &[u8] = &[];
        if u16::from_be_bytes([q0, q1]) > 0 {
            let behind = skip_name(rest)?;
            asked = rest.strip_suffix(behind)?;
            rest = behind.get(4..)?;
        }
        let mut answers = Vec::new();
        for _ in 0..u16::from_be_bytes([a0, a1]) {
            let (fixed, behind) = skip_name(rest)?.split_first_chunk::<10>()?;
            let [t0, t1, _, _, l0, l1, l2, l3, d0, d1] = *fixed;
            let (data, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes([d0, d1])))?;
            let ttl = u32::from_be_bytes([l0, l1, l2, l3]);
            let rtype = u16::from_be_bytes([t0, t1]);
            answers.push((rtype, ttl, spelled_out(rtype, data, asked)));
            rest = behind;
        }
        Some(Self { rcode: flags & 0x000f, is_truncated, answers })
    }
}

/// Data as the zone has them: of those in a reply of ours, only PTR records point at the question's name.
fn spelled_out(rtype: u16, data: &[u8], asked: &[u8]) -> Vec<u8> {
    let front = data.strip_suffix(&QNAME_POINTER).filter(|_| rtype == rtype::PTR);
    front.map_or_else(|| data.to_vec(), |front| [front, asked].concat())
}

fn skip_name(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let (length, behind) = rest.split_first()?;
        rest = match length {
            0 => return Some(behind),
            0xc0.. => return behind.get(1..),
            length => behind.get(usize::from(*length)..)?,
        };
    }
}
