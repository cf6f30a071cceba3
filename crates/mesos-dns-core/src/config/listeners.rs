//! `listeners`: where DNS is served, and how. Beside it stand the other keys that the DNS server alone cares for:
//! `nsid` and `cookieSecretFile`.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde_json::{Map, Value as Shown};

use super::{
    Surroundings,
    json::Json,
    keys::Settings,
    remark::{Place, Remark, quote},
    value::{Value, Word, mismatch},
};
use crate::answer::{NSID_BYTES_MAX, Secrets};

/// Most listeners: each has sockets and threads of its own.
const LISTENERS_MAX: usize = 64;

/// The members of one listener.
const MEMBERS: [&str; 5] = ["address", "port", "protocol", "certFile", "keyFile"];

/// How queries are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Plain, over UDP and TCP.
    #[default]
    Dns,
    /// Over HTTPS (RFC 8484).
    Https,
    /// Over TLS (RFC 7858).
    Tls,
}

impl Protocol {
    /// The port that clients expect it on.
    pub const fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Https => 443,
            Self::Tls => 853,
        }
    }
}

impl Word for Protocol {
    const WORDS: &'static [(&'static str, Self)] =
        &[("dns", Self::Dns), ("tls", Self::Tls), ("https", Self::Https)];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One place where DNS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port; port 0: the system chooses.
    pub address: SocketAddr,
    /// How queries are carried.
    pub protocol: Protocol,
    /// PEM files of the certificate and its key, as written; `None`: it needs none.
    pub certificate: Option<super::ClientCertificate>,
}

/// The key as written: `None` if it is not in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(pub Option<Vec<Written>>);

/// One listener as written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    place: Place,
    address: String,
    port: Option<u16>,
    protocol: Protocol,
    cert_file: String,
    key_file: String,
}

impl Value for Listeners {
    fn kind() -> String {
        "list of objects: address, port, protocol (\"dns\", \"tls\", \"https\"), certFile, keyFile".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let Some(elements) = json.elements() else {
            let wrong = mismatch("a list of listeners", json);
            return Err(Remark {
                mend: "write [{\"address\": \"10.0.0.1\", \"port\": 53}]".to_owned(),
                ..wrong
            });
        };
        if elements.len() > LISTENERS_MAX {
            let what = format!("has more than {LISTENERS_MAX} listeners");
            return Err(Remark::new(what, "listen on 0.0.0.0 or :: instead of each address").at(json.place()));
        }
        self.0 = Some(elements.into_iter().map(Written::read).collect::<Result<_, _>>()?);
        Ok(())
    }

    fn shown(&self) -> Shown {
        match &self.0 {
            Some(written) => written.iter().map(Written::shown).collect(),
            None => Shown::Null,
        }
    }
}

impl Written {
    /// Its certificate and its key, if both are named.
    pub(super) fn identity(&self) -> Option<(&str, &str)> {
        let (certificate, key) = (self.cert_file.as_str(), self.key_file.as_str());
        (!certificate.is_empty() && !key.is_empty()).then_some((certificate, key))
    }

    fn read(json: Json<'_>) -> Result<Self, Remark> {
        if json.kind() != "an object" {
            let wrong = mismatch("an object in the list", json);
            return Err(Remark { mend: "write {\"address\": \"10.0.0.1\"}".to_owned(), ..wrong });
        }
        let mut written = Self {
            place: json.place(),
            address: String::new(),
            port: None,
            protocol: Protocol::default(),
            cert_file: String::new(),
            key_file: String::new(),
        };
        for member in json.members()?.into_iter().filter(|member| !member.value.is_null()) {
            match member.key.to_ascii_lowercase().as_str() {
                "address" => written.address.read(member.value)?,
                "port" => {
                    let mut port = 0_u16;
                    port.read(member.value)?;
                    written.port = Some(port);
                }
                "protocol" => written.protocol.read(member.value)?,
                "certfile" => written.cert_file.read(member.value)?,
                "keyfile" => written.key_file.read(member.value)?,
                _ => {
                    let what = format!("a listener has no {}", quote(&member.key));
                    return Err(Remark::new(what, format!("write {}", MEMBERS.join(", "))).at(member.place));
                }
            }
        }
        Ok(written)
    }

    fn shown(&self) -> Shown {
        let mut shown = Map::new();
        shown.insert("address".to_owned(), Shown::from(self.address.as_str()));
        shown.insert("port".to_owned(), Shown::from(self.port.unwrap_or(self.protocol.port())));
        shown.insert("protocol".to_owned(), Shown::from(self.protocol.to_string()));
        for (key, file) in [("certFile", &self.cert_file), ("keyFile", &self.key_file)] {
            if !file.is_empty() {
                shown.insert(key.to_owned(), Shown::from(file.as_str()));
            }
        }
        Shown::Object(shown)
    }

    /// Checks one listener by itself, with what came of loading its certificate.
    fn check(&self, around: &Surroundings) -> Result<Listener, Remark> {
        let wrong = |what: String, mend: &str| Err(Remark::new(what, mend).at(self.place));
        let Ok(address) = self.address.parse::<IpAddr>() else {
            let mend = "write the address of this machine, 0.0.0.0 for all of IPv4, or :: for all";
            return wrong(format!("{} is no IP address", quote(&self.address)), mend);
        };
        let certificate = match (self.protocol, self.cert_file.as_str(), self.key_file.as_str()) {
            (Protocol::Dns, "", "") => None,
            (Protocol::Dns, ..) => {
                return wrong(
                    "protocol \"dns\" has no certificate".to_owned(),
                    "write \"tls\", or remove the files",
                );
            }
            (protocol, "", _) | (protocol, _, "") => {
                return wrong(format!("protocol \"{protocol}\" needs certFile and keyFile"), "set both");
            }
            (_, cert_file, key_file) => {
                if let Some(reason) = around.unusable_identity(cert_file, key_file) {
                    let mend =
                        "give a PEM file with the certificate and its chain, and the PEM file of its key";
                    return wrong(reason.to_owned(), mend);
                }
                Some(super::ClientCertificate {
                    cert_file: cert_file.to_owned(),
                    key_file: key_file.to_owned(),
                })
            }
        };
        let port = self.port.unwrap_or(self.protocol.port());
        Ok(Listener { address: SocketAddr::new(address, port), protocol: self.protocol, certificate })
    }
}

/// Where DNS is served: `listeners`, else the one of `listener` and `port`.
pub(super) fn listeners(
    settings: &Settings,
    around: &Surroundings,
    listener: SocketAddr,
) -> Result<Vec<Listener>, Remark> {
    let Some(written) = &settings.listeners.value.0 else {
        let one = |address| Listener { address, protocol: Protocol::Dns, certificate: None };
        return Ok(vec![one(listener)]);
    };
    let about = |remark: Remark| remark.about("listeners").or_at(settings.listeners.place());
    if written.is_empty() {
        let mend = "list at least one, remove the key, or set dnson to false";
        return Err(about(Remark::new("the list of listeners is empty", mend)));
    }
    let mut checked: Vec<Listener> = Vec::new();
    for one in written {
        let new = one.check(around).map_err(about)?;
        let clashes = |other: &Listener| new.address.port() != 0 && new.address == other.address;
        if checked.iter().any(clashes) {
            let what = format!("{} is listened on twice", new.address);
            return Err(about(Remark::new(what, "remove one of them").at(one.place)));
        }
        checked.push(new);
    }
    Ok(checked)
}

/// How long a connection may be idle. RFC 7766 leaves it to the server; longer than this helps nobody.
const IDLE_MAX: Duration = Duration::from_secs(40);

/// Clients could not finish a thought in less.
const IDLE_MIN: Duration = Duration::from_millis(100);

/// The time after which an idle connection is closed.
pub(super) fn idle(settings: &Settings) -> Result<Duration, Remark> {
    let idle = &settings.tcp_idle_seconds;
    if (IDLE_MIN..=IDLE_MAX).contains(&idle.value.0) {
        return Ok(idle.value.0);
    }
    let what = format!("{} s is out of range", idle.value.0.as_secs_f64());
    let mend = format!("write seconds from {} to {}", IDLE_MIN.as_secs_f64(), IDLE_MAX.as_secs());
    Err(Remark::new(what, mend).about("tcpIdleSeconds").at(idle.place()))
}

/// What replicas share to know each other's cookies; `None`: this process makes up its own.
pub(super) fn cookies(settings: &Settings, around: &Surroundings) -> Result<Option<Secrets>, Remark> {
    let path = &settings.cookie_secret_file;
    if path.value.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String, mend: &str| {
        let what = format!("cannot use {}: {reason}", quote(&path.value));
        Remark::new(what, mend).about("cookieSecretFile").at(path.place())
    };
    let text = around
        .cookie_secret
        .as_ref()
        .map_err(|reason| wrong(reason.clone(), "give a file that this user may read"))?;
    let mend =
        "write 32 hexadecimal digits, and in a second line those from before, if any: `openssl rand -hex 16`";
    Secrets::parse(text).map(Some).map_err(|error| wrong(error.to_string(), mend))
}

/// What we are called when asked who we are.
pub(super) fn nsid(settings: &Settings) -> Result<(), Remark> {
    if settings.nsid.value.len() <= NSID_BYTES_MAX {
        return Ok(());
    }
    let what = format!("is longer than {NSID_BYTES_MAX} bytes");
    Err(Remark::new(what, "write a short name, such as \"dns-1\"").about("nsid").at(settings.nsid.place()))
}
