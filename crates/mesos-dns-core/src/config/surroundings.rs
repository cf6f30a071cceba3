//! What a configuration needs to know of the machine, as values: what to read, and what came of it.

use std::net::IpAddr;

/// What has to be read before a configuration can be judged. `None`: not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants<'a> {
    /// Whether the system's resolvers are needed.
    pub resolv_conf: bool,
    /// PEM file of authorities, to be loaded.
    pub ca_cert_file: Option<&'a str>,
    /// PEM file of our certificate, to be loaded together with the key if both are there.
    pub cert_file: Option<&'a str>,
    /// PEM file of our key.
    pub key_file: Option<&'a str>,
    /// JSON file, to be read.
    pub iam_config_file: Option<&'a str>,
    /// File with the secret of `mesosCredentials`, to be read.
    pub secret_file: Option<&'a str>,
    /// File with the secrets of DNS cookies, to be read.
    pub cookie_secret_file: Option<&'a str>,
    /// File with the tokens of the HTTP API, to be read.
    pub http_tokens_file: Option<&'a str>,
    /// PEM files of the listeners, that of the HTTP API too: certificate and key, to be loaded together.
    pub identities: Vec<(&'a str, &'a str)>,
    /// Zone files, to be read.
    pub zone_files: Vec<&'a str>,
}

/// What the shell found when it looked for what was wanted. Reasons are for people and hold no contents.
#[derive(Clone)]
pub struct Surroundings {
    /// Text of `/etc/resolv.conf`, or why it could not be read.
    pub resolv_conf: Result<String, String>,
    /// Addresses of this machine's interfaces, loopback included.
    pub interfaces: Vec<IpAddr>,
    /// Processor cores we may use.
    pub cores: usize,
    /// Whether the authorities loaded, or were not wanted.
    pub authorities: Result<(), String>,
    /// Whether our certificate and key loaded and belong together, or were not both wanted.
    pub identity: Result<(), String>,
    /// Text of the IAM file.
    pub iam: Result<String, String>,
    /// Text of the secret file.
    pub secret: Result<String, String>,
    /// Text of the file with the secrets of DNS cookies.
    pub cookie_secret: Result<String, String>,
    /// Text of the file with the tokens of the HTTP API.
    pub http_tokens: Result<String, String>,
    /// The listeners' certificates and keys that did not load or do not belong together, and why.
    pub unusable: Vec<Unusable>,
    /// What the zone files hold.
    pub zone_files: Vec<ZoneFile>,
}

/// What came of reading a zone file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFile {
    /// The file as it is named.
    pub file: String,
    /// Its contents, or why they could not be read.
    pub text: Result<Vec<u8>, String>,
}

/// A certificate and a key that are of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// File of the certificate.
    pub cert_file: String,
    /// File of its key.
    pub key_file: String,
    /// Why.
    pub reason: String,
}

impl Surroundings {
    /// Nothing was wanted, nothing was read.
    pub fn unread() -> Self {
        let unread = || Err("not read".to_owned());
        Self {
            resolv_conf: unread(),
            interfaces: Vec::new(),
            cores: 1,
            authorities: Ok(()),
            identity: Ok(()),
            iam: unread(),
            secret: unread(),
            cookie_secret: unread(),
            http_tokens: unread(),
            unusable: Vec::new(),
            zone_files: Vec::new(),
        }
    }

    /// What a zone file holds, or why that is not known.
    pub(super) fn zone_file(&self, file: &str) -> Result<&[u8], &str> {
        match self.zone_files.iter().find(|read| read.file == file).map(|read| &read.text) {
            Some(Ok(text)) => Ok(text),
            Some(Err(reason)) => Err(reason),
            None => Err("not read"),
        }
    }

    /// Why a certificate and its key cannot be used, if so.
    pub(super) fn unusable_identity(&self, cert_file: &str, key_file: &str) -> Option<&str> {
        let mut all = self.unusable.iter();
        let found = all.find(|one| one.cert_file == cert_file && one.key_file == key_file)?;
        Some(&found.reason)
    }
}
