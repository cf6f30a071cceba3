//! What the OPT record of a query says (RFC 6891).
//!
//! The options are walked once, within the bytes that are there, and only those that change our answer are
//! kept. All others are passed over without a word, as the standard asks (section 6.1.2): no option that nobody
//! knows today may stop a query. Of a version that we do not know only the number is read, as the rest may mean
//! something else there.

use super::Fault;

/// Option codes (IANA, "DNS EDNS0 Option Codes").
pub mod option {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// DNS cookie (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// How long an idle connection is kept (RFC 7828).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Bytes that only hide the length of the rest (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS error (RFC 8914).
    pub const EXTENDED_ERROR: u16 = 15;
}

/// Octets of the client's half of a cookie (RFC 7873 section 4.1).
pub const CLIENT_COOKIE_BYTES: usize = 8;

/// What the OPT record of a query says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns<'a> {
    /// Largest UDP payload the client takes, as sent.
    pub udp_payload_bytes: u16,
    /// 0 is the only version there is; of another one the options were not read.
    pub version: u8,
    /// The DO flag (RFC 3225).
    pub dnssec_ok: bool,
    /// The cookie, if there is one; the first, if there are several.
    pub cookie: Option<Cookie<'a>>,
    /// Whether it asks which server this is.
    pub wants_nsid: bool,
    /// Whether it asks how long an idle connection is kept.
    pub wants_keepalive: bool,
    /// Whether it is padded, and so wants a padded reply.
    pub wants_padding: bool,
}

/// A cookie as the client sent it (RFC 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    /// The client's half, to be sent back.
    pub client: [u8; CLIENT_COOKIE_BYTES],
    /// What the client believes to be our half: nothing, or 8 to 32 octets.
    pub server: &'a [u8],
}

impl<'a> Edns<'a> {
    /// Reads an OPT record: its class, its TTL field, its data. The options must fill the data exactly.
    pub(super) fn read(class: u16, ttl: [u8; 4], data: &'a [u8]) -> Result<Self, Fault> {
        let [_, version, flags, _] = ttl;
        let mut edns =
            Self { udp_payload_bytes: class, version, dnssec_ok: flags & 0x80 != 0, ..Self::default() };
        if version != 0 {
            return Ok(edns);
        }
        let mut rest = data;
        while !rest.is_empty() {
            let ([c0, c1, l0, l1], behind) = rest.split_first_chunk().ok_or(Fault::Malformed)?;
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let (value, behind) = behind.split_at_checked(length).ok_or(Fault::Malformed)?;
            edns.take(u16::from_be_bytes([*c0, *c1]), value)?;
            rest = behind;
        }
        Ok(edns)
    }

    fn take(&mut self, code: u16, value: &'a [u8]) -> Result<(), Fault> {
        match code {
            // RFC 7873 section 4: of several cookies only the first counts.
            option::COOKIE if self.cookie.is_none() => self.cookie = Some(Cookie::read(value)?),
            option::NSID => self.wants_nsid = true,
            option::TCP_KEEPALIVE => self.wants_keepalive = true,
            option::PADDING => self.wants_padding = true,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Cookie<'a> {
    /// Reads the data of the option. Another length than 8 or 16 to 40 is malformed (RFC 7873 section 5.2.2).
    fn read(value: &'a [u8]) -> Result<Self, Fault> {
        let (client, server) = value.split_first_chunk().ok_or(Fault::Malformed)?;
        match server.len() {
            0 | 8..=32 => Ok(Self { client: *client, server }),
            _ => Err(Fault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> Result<Edns<'_>, Fault> {
        Edns::read(1232, [0; 4], data)
    }

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let length = value.len() as u16;
        [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
    }

    #[test]
    fn cookies_have_certain_lengths() {
        let value = [7; 48];
        for length in 0..=48 {
            let data = option(option::COOKIE, &value[..length]);
            match read(&data) {
                Ok(Edns { cookie: Some(cookie), .. }) => {
                    assert!(length == 8 || (16..=40).contains(&length), "{length}");
                    assert_eq!((cookie.client, cookie.server.len()), ([7; 8], length - 8));
                }
                Ok(other) => panic!("{length}: {other:?}"),
                Err(fault) => {
                    assert!(length < 8 || (9..16).contains(&length) || length > 40, "{length}");
                    assert_eq!(fault, Fault::Malformed);
                }
            }
        }
    }

    #[test]
    fn only_the_first_cookie_counts() {
        let two = [option(option::COOKIE, &[1; 8]), option(option::COOKIE, &[2; 3])].concat();
        assert_eq!(read(&two).unwrap().cookie.unwrap().client, [1; 8]);
    }

    #[test]
    fn what_nobody_knows_is_passed_over() {
        let data = [
            option(option::NSID, b"not empty"),
            option(65001, &[9; 300]),
            option(0, b""),
            option(option::PADDING, &[0; 20]),
            option(option::TCP_KEEPALIVE, &[0, 1]),
        ]
        .concat();
        let edns = read(&data).unwrap();
        let wants = (edns.wants_nsid, edns.wants_keepalive, edns.wants_padding);
        assert_eq!((wants, edns.cookie), ((true, true, true), None));
    }

    #[test]
    fn options_fill_the_record() {
        let data = [option(option::NSID, b""), option(8, b"abcd")].concat();
        for cut in 0..=data.len() {
            assert_eq!(read(&data[..cut]).is_ok(), [0, 4, data.len()].contains(&cut), "{cut}");
        }
        assert!(read(&[&data[..], b"x"].concat()).is_err());
    }

    #[test]
    fn of_other_versions_only_the_number_is_read() {
        let edns = Edns::read(512, [9, 1, 0x80, 0x01], b"whatever").unwrap();
        assert_eq!(edns, Edns { udp_payload_bytes: 512, version: 1, dnssec_ok: true, ..Edns::default() });
    }
}
