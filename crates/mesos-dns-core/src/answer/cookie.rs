//! DNS cookies: who asks from where they say (RFC 7873, in the form all servers share, RFC 9018).
//!
//! Our half of a cookie is a hash of the client's half, the time and the client's address under a secret. Whoever
//! brings it back has received it there, so is no victim whose address was forged: such a client is not subject to
//! the rate limit. Nothing is remembered; replicas with the same secret know each other's cookies.

use std::{fmt, net::IpAddr};

use siphasher::sip::SipHasher24;

use crate::wire::{CLIENT_COOKIE_BYTES, Cookie};

/// Octets of our half (RFC 9018 section 4).
pub const SERVER_COOKIE_BYTES: usize = 16;

/// Octets of both halves.
pub(super) const COOKIE_BYTES: usize = CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES;

/// The version that RFC 9018 section 4.1 describes.
const VERSION: u8 = 1;

/// Seconds after which a cookie of ours is no longer good (RFC 9018 section 4.3).
const AGE_MAX: u32 = 3600;

/// Seconds after which a cookie that is still good is replaced (RFC 9018 section 4.3).
const AGE_RENEW: u32 = 1800;

/// Seconds that another replica's clock may be ahead (RFC 9018 section 4.3).
const AHEAD_MAX: u32 = 300;

/// Octets of a secret.
const SECRET_BYTES: usize = 16;

/// The secrets behind our cookies. New ones are made with the first; those of both are good, so that a secret can
/// be replaced on one server after the other (RFC 9018 section 5).
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    current: [u8; SECRET_BYTES],
    previous: Option<[u8; SECRET_BYTES]>,
}

impl Secrets {
    /// Takes a secret that is nobody else's.
    pub const fn new(current: [u8; SECRET_BYTES]) -> Self {
        Self { current, previous: None }
    }

    /// Reads the text of a file: the current secret in the first line, maybe the previous one in the second, each
    /// as 32 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// What is wrong with the text; nothing of it is told.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut next = || lines.next().map(|line| secret(line).ok_or(SecretsError::Digits)).transpose();
        let secrets = Self { current: next()?.ok_or(SecretsError::Empty)?, previous: next()? };
        if lines.next().is_some() { Err(SecretsError::Lines) } else { Ok(secrets) }
    }

    /// Whether the server's half of a cookie is one that we, or a replica of ours, gave this client lately.
    pub fn vouch_for(&self, cookie: &Cookie<'_>, address: IpAddr, now: u32) -> bool {
        let is_ours = |secret: &[u8; SECRET_BYTES]| verify(secret, cookie, address, now).is_some();
        is_ours(&self.current) || self.previous.as_ref().is_some_and(is_ours)
    }

    /// The cookie for a reply: the client's own while it is fresh, else a new one.
    pub(super) fn renew(&self, cookie: &Cookie<'_>, address: IpAddr, now: u32) -> [u8; COOKIE_BYTES] {
        let kept = verify(&self.current, cookie, address, now).filter(|age| *age < AGE_RENEW);
        let kept = kept.and_then(|_| cookie.server.first_chunk().copied());
        let server = kept.unwrap_or_else(|| make(&self.current, cookie.client, address, [0; 3], now));
        let mut both = [0; COOKIE_BYTES];
        let (client_half, server_half) = both.split_at_mut(CLIENT_COOKIE_BYTES);
        client_half.copy_from_slice(&cookie.client);
        server_half.copy_from_slice(&server);
        both
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(******)")
    }
}

/// The age of a cookie of ours in seconds, 0 if it is ahead of our clock; `None` if it is not ours, too old, or too
/// far ahead. Ages wrap around as the clock of 32 bits does (RFC 1982).
fn verify(secret: &[u8; SECRET_BYTES], cookie: &Cookie<'_>, address: IpAddr, now: u32) -> Option<u32> {
    let given: [u8; SERVER_COOKIE_BYTES] = cookie.server.try_into().ok()?;
    let [version, r0, r1, r2, t0, t1, t2, t3, ..] = given;
    let made = u32::from_be_bytes([t0, t1, t2, t3]);
    let (age, ahead) = (now.wrapping_sub(made), made.wrapping_sub(now));
    let is_timely = age <= AGE_MAX || ahead <= AHEAD_MAX;
    let is_ours = version == VERSION && is_timely;
    (is_ours && is_equal(&make(secret, cookie.client, address, [r0, r1, r2], made), &given))
        .then_some(if age <= AGE_MAX { age } else { 0 })
}

/// Compares as one number, so that how long it takes tells nothing of where two cookies differ.
fn is_equal(one: &[u8; SERVER_COOKIE_BYTES], other: &[u8; SERVER_COOKIE_BYTES]) -> bool {
    u128::from_ne_bytes(*one) == u128::from_ne_bytes(*other)
}

/// Makes our half (RFC 9018 section 4.4).
fn make(
    secret: &[u8; SECRET_BYTES],
    client: [u8; CLIENT_COOKIE_BYTES],
    address: IpAddr,
    [r0, r1, r2]: [u8; 3],
    time: u32,
) -> [u8; SERVER_COOKIE_BYTES] {
    let [t0, t1, t2, t3] = time.to_be_bytes();
    let head = [VERSION, r0, r1, r2, t0, t1, t2, t3];
    let mut hashed = [0; 32];
    let (fixed, place) = hashed.split_at_mut(16);
    let (front, back) = fixed.split_at_mut(8);
    front.copy_from_slice(&client);
    back.copy_from_slice(&head);
    let address_bytes = match address {
        IpAddr::V4(v4) => {
            place.iter_mut().zip(v4.octets()).for_each(|(space, octet)| *space = octet);
            4
        }
        IpAddr::V6(v6) => {
            place.copy_from_slice(&v6.octets());
            16_usize
        }
    };
    let hashed = hashed.get(..address_bytes.saturating_add(16)).unwrap_or_default();
    let hash = SipHasher24::new_with_key(secret).hash(hashed).to_le_bytes();
    let mut cookie = [0; SERVER_COOKIE_BYTES];
    let (front, back) = cookie.split_at_mut(8);
    front.copy_from_slice(&head);
    back.copy_from_slice(&hash);
    cookie
}

/// Reads 32 hexadecimal digits.
fn secret(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let mut secret = [0; SECRET_BYTES];
    if digits.len() != SECRET_BYTES.saturating_mul(2) {
        return None;
    }
    for (octet, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *octet = high << 4 | low;
    }
    Some(secret)
}

/// Why a text holds no secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A line is something else than 32 hexadecimal digits.
    #[error("a line does not have 32 hexadecimal digits")]
    Digits,
    /// There is none.
    #[error("there is no secret in it")]
    Empty,
    /// More than a current and a previous one.
    #[error("it has more than two lines")]
    Lines,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn cookie(bytes: &[u8]) -> Cookie<'_> {
        let (client, server) = bytes.split_first_chunk().unwrap();
        Cookie { client: *client, server }
    }

    /// RFC 9018 appendix A: secrets, client, what it sends, when, whether that is good, and what it gets.
    #[test]
    fn rfc_9018_appendix_a() {
        let one = "e5e973e5a6b2a43f48e7dc849e37bfcf";
        let two = "445536bcd2513298075a5d379663c962\ndd3bdf9344b678b185a6f5cb60fca715\n";
        let v6 = "2001:db8:220:1:59de:d0f4:8769:82b8";
        for (section, secrets, address, sent, now, is_good, given) in [
            (
                "A.1",
                one,
                "198.51.100.100",
                "2464c4abcf10c957",
                1_559_731_985,
                false,
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
            ),
            (
                "A.2",
                one,
                "198.51.100.100",
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                1_559_734_385,
                true,
                "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
            ),
            (
                "A.3",
                one,
                "203.0.113.203",
                "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                1_559_734_700,
                // 6,715 seconds old; the RFC's own example looks at its hash only.
                false,
                "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
            ),
            (
                "A.4",
                two,
                v6,
                "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                1_559_741_961,
                true,
                "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
            ),
        ] {
            let (secrets, address) = (Secrets::parse(secrets).unwrap(), address.parse().unwrap());
            let sent = hex(sent);
            assert_eq!(secrets.vouch_for(&cookie(&sent), address, now), is_good, "{section}");
            assert_eq!(secrets.renew(&cookie(&sent), address, now)[..], hex(given), "{section}");
        }
        // The reserved octets of A.3 are part of its hash, and it was good while it was young.
        let sent = hex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5");
        let address = "203.0.113.203".parse().unwrap();
        assert!(Secrets::parse(one).unwrap().vouch_for(&cookie(&sent), address, 0x5cf7_8f71));
    }

    #[test]
    fn a_cookie_is_good_for_its_client_and_its_time() {
        let secrets = Secrets::new([1; 16]);
        let (made, address) = (4_294_960_000_u32, "192.0.2.1".parse().unwrap());
        let both = secrets.renew(&Cookie { client: [5; 8], server: &[] }, address, made);
        let good = cookie(&both);
        for (later, is_good, is_kept) in [
            (0, true, true),
            (1799, true, true),
            (1800, true, false),
            (3600, true, false),
            (3601, false, false),
            // The other server's clock is ahead of ours.
            (-300, true, true),
            (-301, false, false),
        ] {
            let now = made.wrapping_add_signed(later);
            assert_eq!(secrets.vouch_for(&good, address, now), is_good, "{later}");
            assert_eq!(secrets.renew(&good, address, now) == both, is_kept || later == 0, "{later}");
        }
        // The clock of 32 bits wraps: an hour stays an hour.
        let both = secrets.renew(&Cookie { client: [5; 8], server: &[] }, address, u32::MAX - 100);
        assert!(secrets.vouch_for(&cookie(&both), address, 1000));
        for other in ["192.0.2.2", "2001:db8::1"] {
            assert!(!secrets.vouch_for(&good, other.parse().unwrap(), made), "{other}");
        }
        assert!(!secrets.vouch_for(&Cookie { client: [6; 8], ..good }, address, made));
        assert!(!Secrets::new([2; 16]).vouch_for(&good, address, made));
        for at in 0..both.len() {
            let mut bad = secrets.renew(&Cookie { client: [5; 8], server: &[] }, address, made);
            bad[at] ^= 1;
            assert!(!secrets.vouch_for(&cookie(&bad), address, made), "{at}");
        }
        for length in (8..16).chain(17..=32) {
            let padded = [&both[..], &[0; 16]].concat();
            let odd = Cookie { client: [5; 8], server: &padded[8..8 + length] };
            assert!(!secrets.vouch_for(&odd, address, made), "{length}");
        }
    }

    #[test]
    fn two_lines_are_a_rotation() {
        let old = Secrets::parse("00112233445566778899aabbccddeeff").unwrap();
        let new =
            Secrets::parse("ffeeddccbbaa99887766554433221100\n00112233445566778899AABBCCDDEEFF\n\n").unwrap();
        let address = "192.0.2.1".parse().unwrap();
        let both = old.renew(&Cookie { client: [5; 8], server: &[] }, address, 9);
        assert!(new.vouch_for(&cookie(&both), address, 9));
        assert_ne!(new.renew(&cookie(&both), address, 9), both, "the client learns one of the new secret");
        for (text, error) in [
            ("", SecretsError::Empty),
            ("\n \n", SecretsError::Empty),
            ("0011", SecretsError::Digits),
            ("00112233445566778899aabbccddeefg", SecretsError::Digits),
            ("00112233445566778899aabbccddeeff00", SecretsError::Digits),
            ("00112233445566778899aabbccddeeff\nx", SecretsError::Digits),
            (
                "00112233445566778899aabbccddeeff\n00112233445566778899aabbccddeeff\n00112233445566778899aabbccddeeff",
                SecretsError::Lines,
            ),
        ] {
            assert_eq!(Secrets::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(format!("{new:?}"), "Secrets(******)");
    }
}
