//! The configuration's `zk`: `zk://user:password@host1:2181,host2:2181/mesos`.
//!
//! Parsed as Mesos itself parses it, and not as a URL: nothing is percent-decoded, and a password may contain an
//! `@`. The other forms that Mesos accepts are refused with a word on what to write instead, as the original made
//! wrong addresses of them.

use std::{fmt, net::IpAddr};

use super::pid::parse_port;
use crate::cluster::split_host_port;

/// Port of a server that is written without one.
pub const PORT_DEFAULT: u16 = 2181;

/// Where the masters' group is in ZooKeeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkUrl {
    /// The servers in the order written, at least one.
    pub servers: Vec<Server>,
    /// The group node: absolute, without a slash at its end; `/` if none was written.
    pub path: String,
    /// What to authenticate with, if anything. Reading seldom needs it.
    pub credentials: Option<Credentials>,
}

/// One ZooKeeper server. Prints as `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address or name; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// User and password of the digest scheme. Does not print its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What stands before the first colon.
    pub user: String,
    /// The rest, up to the last `@`; empty if there is no colon.
    pub password: String,
}

/// Why a `zk` setting was refused.
///
/// No variant carries the text: a slash in a password moves the rest of it into the path, so any piece of a
/// refused setting can be a piece of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZkUrlError {
    /// Nothing but blanks.
    #[error("zk is empty")]
    Empty,
    /// `file://…`, which Mesos deprecated and the original never got right.
    #[error("zk names a file; write the URL itself: zk://host1:2181,host2:2181/mesos")]
    File,
    /// `host:port` or `master@host:port`: one master without ZooKeeper.
    #[error("zk names a single master; leave zk empty and list it in masters")]
    FixedMaster,
    /// `ZK://…` or any other scheme.
    #[error("zk must begin with zk:// in lower case")]
    Scheme,
    /// Nothing between two commas, or between the scheme and the path.
    #[error("zk: server {number} of the list is empty")]
    EmptyServer {
        /// Counted from one.
        number: usize,
    },
    /// A port that is no number from 1 to 65535, or colons that are no IPv6 address.
    #[error(
        "zk: server {number} of the list is not host, host:port or [v6]:port (a password cannot hold a slash)"
    )]
    Server {
        /// Counted from one.
        number: usize,
    },
    /// A path that ZooKeeper does not take: with an empty part, `.` or `..`.
    #[error("zk: what follows the servers is not a path in ZooKeeper, such as /mesos")]
    Path,
}

impl ZkUrl {
    /// Parses the setting.
    pub fn parse(text: &str) -> Result<Self, ZkUrlError> {
        let rest = after_scheme(text.trim())?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (credentials, servers) = match authority.rsplit_once('@') {
            Some((credentials, servers)) => (Some(Credentials::parse(credentials)), servers),
            None => (None, authority),
        };
        let servers = servers.split(',').zip(1..).map(|(server, number)| Server::parse(server, number));
        Ok(Self { servers: servers.collect::<Result<_, _>>()?, path: parse_path(path)?, credentials })
    }
}

impl Server {
    fn parse(text: &str, number: usize) -> Result<Self, ZkUrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ZkUrlError::EmptyServer { number });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let server = if bare.parse::<IpAddr>().is_ok() || !text.contains(':') {
            Some((bare, Some(PORT_DEFAULT)))
        } else {
            split_host_port(text).map(|(host, port)| (host, parse_port(port)))
        };
        match server {
            Some((host, Some(port))) if !host.is_empty() => Ok(Self { host: host.to_owned(), port }),
            _ => Err(ZkUrlError::Server { number }),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

impl Credentials {
    fn parse(text: &str) -> Self {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Self { user: user.to_owned(), password: password.to_owned() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What follows `zk://`, or which of the other forms this is.
fn after_scheme(text: &str) -> Result<&str, ZkUrlError> {
    match text.split_once("://") {
        Some(("zk", rest)) => Ok(rest),
        Some(("file", _)) => Err(ZkUrlError::File),
        Some(_) => Err(ZkUrlError::Scheme),
        None if text.is_empty() => Err(ZkUrlError::Empty),
        None if text.contains(':') => Err(ZkUrlError::FixedMaster),
        None => Err(ZkUrlError::Scheme),
    }
}

/// The group's path without slashes at its end.
fn parse_path(text: &str) -> Result<String, ZkUrlError> {
    let path = text.trim_end_matches('/');
    let usable = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    match path.strip_prefix('/') {
        None => Ok("/".to_owned()),
        Some(parts) if parts.split('/').all(usable) => Ok(path.to_owned()),
        Some(_) => Err(ZkUrlError::Path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, servers: &[&str], path: &str, credentials: Option<(&str, &str)>) {
        let url = ZkUrl::parse(text).expect(text);
        assert_eq!(url.servers.iter().map(Server::to_string).collect::<Vec<_>>(), servers, "{text}");
        assert_eq!(url.path, path, "{text}");
        let found = url.credentials.as_ref().map(|found| (&*found.user, &*found.password));
        assert_eq!(found, credentials, "{text}");
    }

    #[test]
    fn well_formed() {
        check("zk://a:1,b:2,c/mesos", &["a:1", "b:2", "c:2181"], "/mesos", None);
        check("  zk://10.0.0.1/mesos/prod/ \n", &["10.0.0.1:2181"], "/mesos/prod", None);
        check("zk://a", &["a:2181"], "/", None);
        check("zk://a///", &["a:2181"], "/", None);
        check("zk://[::1]:7,[::2],::3/m", &["[::1]:7", "[::2]:2181", "[::3]:2181"], "/m", None);
        check("zk://me:secret@a/m", &["a:2181"], "/m", Some(("me", "secret")));
        check("zk://me:s@:c%40@a,b/m", &["a:2181", "b:2181"], "/m", Some(("me", "s@:c%40")));
        check("zk://me@a/m@n", &["a:2181"], "/m@n", Some(("me", "")));
    }

    #[test]
    fn refused() {
        for (text, expected) in [
            (" ", ZkUrlError::Empty),
            ("file:///etc/mesos/zk", ZkUrlError::File),
            ("10.0.0.1:5050", ZkUrlError::FixedMaster),
            ("master@10.0.0.1:5050", ZkUrlError::FixedMaster),
            ("ZK://a/m", ZkUrlError::Scheme),
            ("http://a/m", ZkUrlError::Scheme),
            ("zookeeper", ZkUrlError::Scheme),
            ("zk://", ZkUrlError::EmptyServer { number: 1 }),
            ("zk:///m", ZkUrlError::EmptyServer { number: 1 }),
            ("zk://a,,b/m", ZkUrlError::EmptyServer { number: 2 }),
            ("zk://u:p@/m", ZkUrlError::EmptyServer { number: 1 }),
            ("zk://a:0/m", ZkUrlError::Server { number: 1 }),
            ("zk://a,b:x/m", ZkUrlError::Server { number: 2 }),
            ("zk://:2181/m", ZkUrlError::Server { number: 1 }),
            ("zk://a/m//n", ZkUrlError::Path),
            ("zk://a/../m", ZkUrlError::Path),
        ] {
            assert_eq!(ZkUrl::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let url = ZkUrl::parse("zk://me:hush@a/m").expect("well formed");
        assert!(!format!("{url:?}").contains("hush"));
        for text in ["zk://me:hush@a:x/m", "zk://me:hu/hush@a/m", "zk://me:hush/../x@a/m"] {
            let error = ZkUrl::parse(text).expect_err(text);
            assert!(!format!("{error:?} {error}").contains("hu"), "{text}");
        }
    }
}
