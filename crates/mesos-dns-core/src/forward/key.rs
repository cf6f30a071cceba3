//! What tells two questions apart, for servers and for whatever remembers answers.
//!
//! What goes to a server depends on the [`Key`] and on nothing else of the client's: so one exchange can
//! serve all who ask the same at the same time, and one answer all who ask it later. AD is no part of it: we
//! always ask for it (RFC 6840 section 5.7), and whether a client hears of it is decided when its reply is
//! written.

use std::hash::{Hash, Hasher};

use super::{
    draft::Draft,
    message::{Flags, Query},
};
use crate::wire::{Name, NameView};

/// A question as servers and caches know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name, folded.
    pub name: Name,
    /// The type.
    pub qtype: u16,
    /// The class.
    pub qclass: u16,
    /// DO: with DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
    /// CD: also what does not validate (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
}

/// A key whose name stands elsewhere: it hashes like a [`Key`] and can be compared with one, so a look-up
/// needs no allocation. The name must be folded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyView<'a> {
    /// The name, folded.
    pub name: NameView<'a>,
    /// The type.
    pub qtype: u16,
    /// The class.
    pub qclass: u16,
    /// DO.
    pub dnssec_ok: bool,
    /// CD.
    pub checking_disabled: bool,
}

impl Key {
    /// What this query asks.
    pub fn of(query: &Query<'_>) -> Self {
        Self {
            name: query.question.name.clone(),
            qtype: query.question.qtype,
            qclass: query.question.qclass,
            dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: query.flags.has(Flags::CD),
        }
    }

    /// The key, its name borrowed.
    pub fn view(&self) -> KeyView<'_> {
        KeyView {
            name: self.name.view(),
            qtype: self.qtype,
            qclass: self.qclass,
            dnssec_ok: self.dnssec_ok,
            checking_disabled: self.checking_disabled,
        }
    }

    /// The question as it stands in a message, with the name in lower case.
    pub fn question(&self) -> Vec<u8> {
        [self.name.as_wire(), &self.qtype.to_be_bytes(), &self.qclass.to_be_bytes()].concat()
    }

    /// The query as a server gets it: our identifier, this spelling of the question, an OPT record of our own.
    ///
    /// Besides RD there are AD and, if the key has it, CD. `edns` is false towards a server that has shown
    /// that it does not know EDNS.
    pub fn query(&self, id: u16, question: &[u8], edns: bool) -> Vec<u8> {
        let checking_disabled = if self.checking_disabled { Flags::CD } else { 0 };
        let mut draft = Draft::new(id, Flags::RD | Flags::AD | checking_disabled, question);
        if edns {
            draft.opt(self.dnssec_ok, &[]);
        }
        draft.finish()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
    }
}

impl Hash for KeyView<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Names of different lengths differ in their first octets: no length is needed in front.
        state.write(self.name.as_wire());
        let bits = u64::from(self.dnssec_ok) | (u64::from(self.checking_disabled) << 1);
        state.write_u64((u64::from(self.qtype) << 32) | (u64::from(self.qclass) << 16) | bits);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use domain::base::Message;

    use super::*;
    use crate::forward::message::tests::{query, query_edns};

    fn key(bytes: &[u8]) -> Key {
        Key::of(&Query::parse(bytes).unwrap())
    }

    #[test]
    fn what_tells_keys_apart() {
        let hasher = RandomState::new();
        let plain = key(&query("www.example.com", 1));
        let mut authentic = query_edns("WWW.Example.com", 1, 4096, false);
        authentic[3] |= 0x20;
        let mut disabled = query("www.example.com", 1);
        disabled[3] |= 0x10;
        for same in [query("WWW.example.COM", 1), authentic] {
            assert_eq!(key(&same), plain);
            assert_eq!(hasher.hash_one(key(&same).view()), hasher.hash_one(&plain));
        }
        let mut chaos = query("www.example.com", 1);
        *chaos.last_mut().unwrap() = 3;
        let others = [
            query("www.example.com", 28),
            query("ww.example.com", 1),
            query_edns("www.example.com", 1, 512, true),
            disabled,
            chaos,
        ];
        for other in others {
            assert_ne!(key(&other), plain);
            assert_ne!(hasher.hash_one(key(&other)), hasher.hash_one(&plain));
        }
    }

    #[test]
    fn what_goes_upstream_is_written_anew() {
        for (dnssec_ok, edns) in [(false, true), (true, true), (true, false)] {
            let mut bytes = query_edns("WWW.Example.com", 28, 4096, dnssec_ok);
            bytes[3] |= 0x50; // Z and CD.
            let key = key(&bytes);
            let upstream = key.query(0xbeef, &key.question(), edns);
            let message = Message::from_octets(&upstream[..]).unwrap();
            let header = message.header();
            assert_eq!(header.id(), 0xbeef);
            assert!(header.rd() && header.ad() && header.cd() && !header.qr() && !header.z());
            assert_eq!(query("www.example.com", 28)[12..], upstream[12..12 + 21]);
            assert_eq!(message.opt().is_some(), edns);
            if let Some(opt) = message.opt() {
                assert_eq!((opt.udp_payload_size(), opt.dnssec_ok(), opt.version()), (1232, dnssec_ok, 0));
                assert!(opt.opt().is_empty(), "no option goes on");
            }
            assert_eq!(upstream.len(), 12 + 21 + if edns { 11 } else { 0 });
        }
    }
}
