//! Replies that are none, made from one that is right.

use super::{
    fault::Forgery,
    made::hash,
    query::{Asked, HEADER},
};

/// The address that every forged reply gives: one for documents, which nobody holds.
const FORGED: [u8; 4] = [192, 0, 2, 66];

/// Octets of garbage behind a header.
const GARBAGE_BYTES: usize = 100;

/// From where a reply is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Where the query came to.
    Own,
    /// Another port of the same address.
    Port,
    /// The same port of another address.
    Address,
}

/// The `number`-th forgery of this kind for a query.
pub(super) fn forge(asked: &Asked, how: Forgery, number: usize) -> (Vec<u8>, Source) {
    let mut reply = wrong_address(asked);
    let end = asked.question.end;
    // Each forgery of an identifier is another one, and none is right.
    let id = asked.id() ^ (number as u16).wrapping_add(1).max(1);
    match how {
        Forgery::Id => reply[..2].copy_from_slice(&id.to_be_bytes()),
        // The bit beside that of the case: another letter, whatever it was.
        Forgery::Name => reply[HEADER + 1] ^= 1,
        Forgery::Type => reply[end - 3] ^= 2,
        Forgery::Class => reply[end - 1] ^= 2,
        Forgery::Query => reply[2] &= 0x7f,
        Forgery::Opcode => reply[2] |= 0x08,
        Forgery::Port => return (reply, Source::Port),
        Forgery::Address => return (reply, Source::Address),
        Forgery::Empty => reply.clear(),
        Forgery::Short => reply.truncate(HEADER - 1),
        Forgery::Garbage => {
            reply.truncate(HEADER);
            let mut octet = hash(&asked.message);
            for _ in 0..GARBAGE_BYTES {
                octet = hash(&octet.to_be_bytes());
                reply.push(octet as u8);
            }
        }
        Forgery::Loop => {
            let owner = end;
            reply[owner..owner + 2].copy_from_slice(&(0xc000 | owner as u16).to_be_bytes());
        }
        Forgery::Counts => reply[7] = 200,
        Forgery::Trailing => reply.extend_from_slice(b"more"),
    }
    (reply, Source::Own)
}

/// A reply that is right in all but the address, and that it may be of another type than was asked for.
fn wrong_address(asked: &Asked) -> Vec<u8> {
    let mut reply = asked.message[..asked.question.end].to_vec();
    reply[2..HEADER].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04");
    reply.extend_from_slice(&FORGED);
    reply
}
