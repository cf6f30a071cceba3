//! Who may read the API, where the operator wants tokens.
//!
//! What tokens protect is what the API tells of the cluster. Whether the process is alive and ready stays open, as load
//! balancers and `systemd` ask for that, and so does the description of the API, which is the same everywhere.

use std::fmt;

use hyper::{HeaderMap, header::AUTHORIZATION};
use mesos_dns_core::config::Secret;
use openssl::{memcmp, sha::sha256};

/// The tokens that open the API, as digests: of equal length, so that comparing tells nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(Option<Vec<[u8; 32]>>);

impl Tokens {
    /// These tokens; `None`: everybody may read.
    pub fn new(tokens: Option<&[Secret]>) -> Self {
        let digest = |token: &Secret| sha256(token.reveal().as_bytes());
        Self(tokens.map(|tokens| tokens.iter().map(digest).collect()))
    }

    /// Whether a request with these headers may read.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(known) = &self.0 else { return true };
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        let Some((scheme, token)) = line.to_str().ok().and_then(|line| line.split_once(' ')) else {
            return false;
        };
        let shown = sha256(token.trim().as_bytes());
        // All are compared, so that the time does not tell which one it is.
        let is_known = known.iter().fold(false, |is_known, known| is_known | memcmp::eq(known, &shown));
        scheme.eq_ignore_ascii_case("bearer") && is_known
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.as_ref().map_or(0, Vec::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_have_one() {
        let tokens = Tokens::new(Some(&[Secret::new("first-token"), Secret::new("second")]));
        let admits = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| _ = headers.append(AUTHORIZATION, line.parse().unwrap()));
            tokens.admit(&headers)
        };
        assert!(admits(&["Bearer first-token"]) && admits(&["bearer  second"]));
        for lines in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer first"],
            &["Bearer first-token2"],
            &["Basic first-token"],
            &["first-token"],
            &["Bearer first-token", "Bearer first-token"],
        ] {
            assert!(!admits(lines), "{lines:?}");
        }
        assert!(Tokens::new(None).admit(&HeaderMap::new()));
        assert!(!Tokens::new(Some(&[])).admit(&HeaderMap::new()));
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }
}
