//! The ZooKeeper URL: `zk://[user:password@]host[:port][,host[:port]…]/path`.

use std::fmt;

use super::{
    address::{port, split},
    remark::{Remark, quote},
    secret::{Secret, mask_user},
};

/// Port of ZooKeeper servers that are written without one.
const ZK_PORT: u16 = 2181;

/// What the URL must begin with; case matters.
const SCHEME: &str = "zk://";

/// Where ZooKeeper knows the leading master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zk {
    /// The servers as host and port; IPv6 hosts without brackets.
    pub servers: Vec<ZkServer>,
    /// Path of the group's node: begins with a slash and, but for the root, does not end with one.
    pub path: String,
    /// `user:password` for digest authentication, percent signs decoded; `None` if the URL has none.
    pub credentials: Option<Secret>,
}

/// One ZooKeeper server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkServer {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for ZkServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Zk {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its user part. Forms other than `zk://`, which the original lets through
    /// and cannot use, are refused.
    pub(super) fn parse(url: &str) -> Result<Self, Remark> {
        let wrong = |what: &str, mend: &str| {
            let shown = quote(&mask_user(url));
            Remark::new(format!("failed to create master detector: {shown} {what}"), mend)
        };
        let example = "write \"zk://10.0.0.1:2181,10.0.0.2:2181/mesos\"";
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| wrong("does not begin with zk://", example))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let servers: Result<Vec<_>, _> = hosts.split(',').map(server).collect();
        let path = path.trim_end_matches('/');
        let credentials = user.map(|user| unescape(user).ok_or(()));
        Ok(Self {
            servers: servers.map_err(|what| wrong(what, example))?,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            credentials: match credentials {
                None => None,
                Some(Ok(text)) => Some(Secret::new(text)),
                Some(Err(())) => {
                    let what = "has a broken percent escape in its user part";
                    return Err(wrong(what, "write a percent sign in a password as %25"));
                }
            },
        })
    }
}

/// Reads one server.
fn server(text: &str) -> Result<ZkServer, &'static str> {
    let (host, port_text) = match split(text) {
        Ok(parts) => parts,
        Err(_) if text.contains([':', '[', ']']) && !text.ends_with(']') => {
            return Err("has a malformed host");
        }
        Err(_) => (text.trim_start_matches('[').trim_end_matches(']'), ""),
    };
    let port = if port_text.is_empty() { Some(ZK_PORT) } else { port(port_text) };
    match port {
        _ if host.is_empty() => Err("has an empty host"),
        Some(port) => Ok(ZkServer { host: host.to_owned(), port }),
        None => Err("has a port that is not from 1 to 65535"),
    }
}

/// Decodes percent escapes; `None` if one is broken or the result is no text.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()?.saturating_mul(16).saturating_add(digit()?);
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, servers, path, credentials) in [
            ("zk://h1:2181,h2:2182/mesos", "h1:2181 h2:2182", "/mesos", None),
            ("zk://h1,h2:2182/mesos/", "h1:2181 h2:2182", "/mesos", None),
            ("zk://10.0.0.1", "10.0.0.1:2181", "/", None),
            ("zk://h1///", "h1:2181", "/", None),
            ("zk://h1/a/b//", "h1:2181", "/a/b", None),
            ("zk://[fd00::1]:2181,[fd00::2]/mesos", "[fd00::1]:2181 [fd00::2]:2181", "/mesos", None),
            ("zk://dns:secret@h1/mesos", "h1:2181", "/mesos", Some("dns:secret")),
            ("zk://dns:p%40ss@h1,h2/mesos", "h1:2181 h2:2181", "/mesos", Some("dns:p@ss")),
            ("zk://dns:p@ss@h1/mesos", "h1:2181", "/mesos", Some("dns:p@ss")),
        ] {
            let zk = Zk::parse(url).unwrap();
            let shown: Vec<String> = zk.servers.iter().map(ZkServer::to_string).collect();
            assert_eq!((shown.join(" ").as_str(), zk.path.as_str()), (servers, path), "{url}");
            assert_eq!(zk.credentials.as_ref().map(Secret::reveal), credentials, "{url}");
        }
    }

    #[test]
    fn other_forms_are_refused_without_their_secrets() {
        for (url, what) in [
            ("file:///etc/zk", "does not begin with zk://"),
            ("h1:5050", "does not begin with zk://"),
            ("master:hunter2@h1:5050", "does not begin with zk://"),
            ("ZK://h1/mesos", "does not begin with zk://"),
            ("zk:///mesos", "has an empty host"),
            ("zk://h1,,h2/mesos", "has an empty host"),
            ("zk://dns:hunter2@/mesos", "has an empty host"),
            ("zk://h1:0/mesos", "has a port"),
            ("zk://h1:99999/mesos", "has a port"),
            ("zk://fd00::1:2181/mesos", "malformed host"),
            ("zk://dns:hunter2%zz@h1/mesos", "percent escape"),
            ("zk://dns:hunter2%4@h1/mesos", "percent escape"),
            ("zk://dns:hun/ter2@h1/mesos", "has a port"),
        ] {
            let text = Zk::parse(url).unwrap_err().to_string();
            assert!(text.starts_with("failed to create master detector: ") && text.contains(what), "{text}");
            assert!(!text.contains("hun") && !text.contains("ter2"), "{text}");
        }
    }
}
