//! Values that are never shown.
//!
//! A secret has no way into a log, an error, `/v1/config` or a `Debug` output but [`Secret::reveal`], which
//! whoever sends it to a master or to ZooKeeper calls at the last moment.

use std::fmt;

/// What stands in place of a secret: the same for every secret, so that it does not tell a length.
pub const MASK: &str = "******";

/// A text that `Debug` and `Display` do not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is no secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Secret {
    /// The mask, or nothing if there is no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { MASK })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// A URL with everything between its scheme and its last `@` masked.
///
/// The last `@` of the whole text and not of the authority: a password with a slash in it, which makes the URL
/// malformed, must stay hidden too.
pub(super) fn mask_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let Some((_, host)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    match scheme {
        "" => format!("{MASK}@{host}"),
        // A scheme that is no plain word may itself be half of a broken password.
        _ if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => format!("{MASK}@{host}"),
        _ => format!("{scheme}://{MASK}@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "****** Secret(******)");
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(Secret::default().to_string(), "");
    }

    #[test]
    fn user_parts_are_masked() {
        for (url, masked) in [
            ("zk://h1:2181,h2:2181/mesos", "zk://h1:2181,h2:2181/mesos"),
            ("zk://dns:hunter2@h1:2181/mesos", "zk://******@h1:2181/mesos"),
            ("zk://dns@h1/mesos", "zk://******@h1/mesos"),
            ("zk://dns:a@b@h1/mesos", "zk://******@h1/mesos"),
            ("zk://dns:a/b@h1/mesos", "zk://******@h1/mesos"),
            ("dns:hunter2@h1:5050", "******@h1:5050"),
            ("dns:hun://ter2@h1:5050", "******@h1:5050"),
            ("", ""),
        ] {
            assert_eq!(mask_user(url), masked, "{url}");
        }
    }
}
