//! Replies as bytes: the right one, as far as the faults of the content leave it right.

use super::{
    fault::Section,
    plan::Plan,
    query::{Asked, HEADER, OPT, Transport},
    store::{Found, Record},
};

/// Octets that an asker without EDNS takes (RFC 1035 section 4.2.1).
const PLAIN_BYTES_MAX: usize = 512;

/// Octets of a message at most.
const MESSAGE_BYTES_MAX: usize = 65_535;

/// Octets that we take ourselves, as the OPT record says.
const PAYLOAD_BYTES: u16 = 1232;

/// Octets of an OPT record without options.
const OPT_BYTES: usize = 11;

const TC: u8 = 0x02;

/// The reply to a query, with what was found and the faults of its content.
pub(super) fn write(asked: &Asked, found: &Found, plan: &Plan, udp_bytes_max: usize) -> Vec<u8> {
    let rcode = plan.rcode.map_or(found.rcode, |(code, _)| code);
    let mut reply = Vec::with_capacity(PLAIN_BYTES_MAX);
    reply.extend_from_slice(&asked.message[..2]);
    // QR, RD as it came, RA.
    reply.extend_from_slice(&[0x80 | asked.message[2] & 1, 0x80 | rcode & 15, 0, 1, 0, 0, 0, 0, 0, 0]);
    if let Some((_, true)) = plan.rcode {
        reply[5] = 0;
        return reply;
    }
    let question = &asked.message[asked.question.clone()];
    reply.extend_from_slice(question);
    if plan.folded {
        let length = question.len();
        reply[HEADER..HEADER + length - 4].make_ascii_lowercase();
    }
    let edns = asked.edns.filter(|_| !plan.no_edns);
    let room = room(asked, plan, udp_bytes_max).saturating_sub(edns.map_or(0, |_| OPT_BYTES));
    if plan.rcode.is_none() {
        sections(&mut reply, asked, found, plan, room);
    }
    if let Some(edns) = edns {
        reply.push(0);
        reply.extend_from_slice(&OPT.to_be_bytes());
        reply.extend_from_slice(&PAYLOAD_BYTES.to_be_bytes());
        reply.extend_from_slice(&[0, 0, u8::from(edns.dnssec_ok) << 7, 0, 0, 0]);
        count(&mut reply, 10);
    }
    reply
}

/// Octets that the reply may have.
fn room(asked: &Asked, plan: &Plan, udp_bytes_max: usize) -> usize {
    match asked.transport {
        Transport::Udp if !plan.oversized => {
            let taken = asked.edns.map_or(PLAIN_BYTES_MAX, |edns| usize::from(edns.payload_bytes));
            taken.max(PLAIN_BYTES_MAX).min(udp_bytes_max)
        }
        _ => MESSAGE_BYTES_MAX,
    }
}

/// Writes all records that have room, and TC if some have not.
fn sections(reply: &mut Vec<u8>, asked: &Asked, found: &Found, plan: &Plan, room: usize) {
    let added =
        |section| plan.added.iter().filter(move |(place, _)| *place == section).map(|(_, record)| record);
    let truncated = plan.truncated.filter(|_| asked.transport == Transport::Udp);
    let most = truncated.unwrap_or(usize::MAX);
    let answer = found.answer.iter().chain(added(Section::Answer)).map(|record| (6, record));
    let authority = found.authority.iter().chain(added(Section::Authority)).map(|record| (8, record));
    let additional = added(Section::Additional).map(|record| (10, record));
    for (place, (counter, record)) in answer.chain(authority).chain(additional).enumerate() {
        let before = reply.len();
        push(reply, asked, record, plan.ttl);
        if place >= most || reply.len() > room {
            reply.truncate(before);
            reply[2] |= TC;
            break;
        }
        count(reply, counter);
    }
    if truncated.is_some() {
        reply[2] |= TC;
    }
}

/// Writes a record; an owner that was asked for points at the question.
fn push(reply: &mut Vec<u8>, asked: &Asked, record: &Record, ttl: Option<u32>) {
    let name = &asked.message[HEADER..asked.question.end - 4];
    if record.owner.eq_ignore_ascii_case(name) {
        reply.extend_from_slice(&[0xc0, HEADER as u8]);
    } else {
        reply.extend_from_slice(&record.owner);
    }
    reply.extend_from_slice(&record.rtype.to_be_bytes());
    reply.extend_from_slice(&[0, 1]);
    reply.extend_from_slice(&ttl.unwrap_or(record.ttl).to_be_bytes());
    reply.extend_from_slice(&u16::try_from(record.data.len()).unwrap_or(u16::MAX).to_be_bytes());
    reply.extend_from_slice(&record.data);
}

/// Adds one to a counter of the header.
fn count(reply: &mut [u8], at: usize) {
    let number = u16::from_be_bytes([reply[at], reply[at + 1]]).wrapping_add(1);
    reply[at..at + 2].copy_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use domain::base::{Message, iana::Rtype};

    use super::{
        super::{made::Made, plan::Plan, store::A},
        *,
    };
    use crate::client::{Answer, Query};

    fn reply(query: Query, transport: Transport, count: usize, plan: &Plan) -> Answer {
        let message = query.message(7).unwrap();
        let asked = Asked::read(&message, ([127, 0, 0, 1], 4000).into(), transport).unwrap();
        let answer = Made { ttl: 60 }.records(&asked.folded(), A).unwrap();
        assert_eq!(answer.len(), count);
        let bytes = write(&asked, &Found { answer, ..Found::default() }, plan, 1232);
        Answer(Message::from_octets(bytes.into()).unwrap())
    }

    #[test]
    fn a_reply_has_the_size_that_is_taken() {
        let query = || Query::new("big200-x.test", Rtype::A);
        let plan = Plan::default();
        for (query, transport, bytes, tc) in [
            (query(), Transport::Udp, 512, true),
            (query().edns(1232), Transport::Udp, 1232, true),
            (query().edns(4096), Transport::Udp, 1232, true),
            (query(), Transport::Tcp, 4000, false),
        ] {
            let Answer(message) = reply(query, transport, 200, &plan);
            assert_eq!(message.header().tc(), tc);
            assert!(message.as_slice().len() <= bytes && message.as_slice().len() + 16 > bytes.min(3200));
        }
        let Answer(message) = reply(query(), Transport::Udp, 200, &Plan { oversized: true, ..plan.clone() });
        assert!(!message.header().tc() && message.as_slice().len() > 3200);
    }

    #[test]
    fn records_are_records() {
        let query = Query::new("Ttl5-X.test", Rtype::A).dnssec_ok();
        let answer = reply(query, Transport::Udp, 1, &Plan::default());
        let address = answer.answers().unwrap().pop().unwrap();
        assert!(address.starts_with("Ttl5-X.test. 5 IN A 198.1"), "{address}");
        assert!(answer.0.opt().unwrap().dnssec_ok());
    }
}
