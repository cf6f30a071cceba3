//! A question from the texts that somebody wrote.

use std::net::{IpAddr, Ipv4Addr};

use super::{Question, type_of};
use crate::wire::{Name, NameError, rtype};

/// Why texts are no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The name cannot be one.
    #[error("{written:?} is no name")]
    Name {
        /// What was written.
        written: String,
        /// The reason.
        #[source]
        source: NameError,
    },
    /// No such type is known.
    #[error("{0:?} is no type: write A, AAAA, SRV, another one, or TYPE and a number")]
    Type(String),
    /// The client is no address.
    #[error("{0:?} is no address of a client")]
    Client(String),
}

impl Question {
    /// A question for a name, or for the name of an address.
    ///
    /// If no type is said it is PTR for an address, SRV where the name begins like that of a service, else A. If nobody is
    /// said to ask, it is this machine.
    ///
    /// # Errors
    ///
    /// What [`QuestionError`] says.
    pub fn read(
        name: &str,
        written_type: Option<&str>,
        client: Option<&str>,
        dice: u64,
    ) -> Result<Self, QuestionError> {
        let address = name.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let text = address.map_or_else(|| name.to_owned(), reverse_name);
        let parsed = Name::parse(&text);
        let name = parsed.map_err(|source| QuestionError::Name { written: name.to_owned(), source })?;
        let rtype = match written_type {
            Some(written) => type_of(written).ok_or_else(|| QuestionError::Type(written.to_owned()))?,
            None if address.is_some() => rtype::PTR,
            None if name.labels().next().is_some_and(|label| label.starts_with(b"_")) => rtype::SRV,
            None => rtype::A,
        };
        let client = match client {
            Some(client) => client.parse().map_err(|_| QuestionError::Client(client.to_owned()))?,
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Ok(Self { name, rtype, client: client.to_canonical(), dice })
    }
}

/// The name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            let labels: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{labels}ip6.arpa.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions() {
        for (name, written, expected) in [
            ("web.marathon.mesos", None, "web.marathon.mesos. A"),
            ("_web._tcp.marathon.mesos.", None, "_web._tcp.marathon.mesos. SRV"),
            ("Web.mesos", Some("aaaa"), "web.mesos. AAAA"),
            ("web.mesos", Some("type65"), "web.mesos. HTTPS"),
            ("web.mesos", Some("99"), "web.mesos. TYPE99"),
            ("10.0.0.5", None, "5.0.0.10.in-addr.arpa. PTR"),
            ("::ffff:10.0.0.5", None, "5.0.0.10.in-addr.arpa. PTR"),
            ("10.0.0.5", Some("ANY"), "5.0.0.10.in-addr.arpa. ANY"),
        ] {
            let question = Question::read(name, written, None, 1).unwrap();
            assert_eq!(format!("{} {}", question.name, super::super::type_text(question.rtype)), expected);
        }
        let v6 = Question::read("fd00::1:2", None, Some("::ffff:10.1.1.1"), 1).unwrap();
        assert!(v6.name.to_string().starts_with("2.0.0.0.1.0.0.0.0."), "{}", v6.name);
        assert_eq!(v6.client, IpAddr::from([10, 1, 1, 1]));
        for (name, written, client, error) in [
            ("a..b", None, None, "\"a..b\" is no name"),
            (
                "a.b",
                Some("X"),
                None,
                "\"X\" is no type: write A, AAAA, SRV, another one, or TYPE and a number",
            ),
            ("a.b", None, Some("here"), "\"here\" is no address of a client"),
        ] {
            assert_eq!(Question::read(name, written, client, 1).unwrap_err().to_string(), error);
        }
    }
}
