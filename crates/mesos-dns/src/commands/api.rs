//! Asking a running server over HTTP.
//!
//! The server is one that the command line names by its URL, or the one of the configuration file. A token goes to a
//! server only if it is meant for it: the one of `--token-file` to whom the command line names, the first one of
//! `httpTokensFile` to the server of that configuration alone.

use std::{fs, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue},
};
use mesos_dns_core::{
    cluster::Host,
    config::{Config, token_lines},
    watch::Master,
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    args::{Access, Common},
    configuration,
    watch::{
        exchange::{self, Answer},
        tls::{self, Tls},
    },
};

/// Time until an answer begins.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer that is read as a whole, in bytes; an explanation of a name of very many tasks has a few million.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Largest file with a token, in bytes.
const TOKEN_FILE_BYTES_MAX: usize = 1 << 20;

/// A server, and what it wants to be shown.
pub struct Server {
    at: Master,
    tls: Option<Tls>,
    token: Option<HeaderValue>,
}

impl Server {
    /// The server of this URL, else the one of the configuration.
    ///
    /// # Errors
    ///
    /// The URL is none; there is no URL and no good configuration; a file of `access` cannot be used.
    pub fn find(url: Option<&str>, access: &Access, common: &Common) -> anyhow::Result<Self> {
        let configured = url.is_none().then(|| configured(common)).transpose()?;
        let url = match (url, &configured) {
            (Some(url), _) => url.to_owned(),
            (None, Some(config)) => own_url(config),
            (None, None) => bail!("name a server by its URL"),
        };
        // With a URL, the configuration is a help where it is there.
        let configured = configured.or_else(|| configured_quietly(common));
        let ours = configured.as_ref().filter(|config| is_of(config, &url));
        Self::at(&url, access, ours)
    }

    /// The server of a URL. `ours`: its configuration, if it is ours.
    ///
    /// # Errors
    ///
    /// The URL is none; a file of `access` cannot be used.
    pub fn at(url: &str, access: &Access, ours: Option<&Config>) -> anyhow::Result<Self> {
        let (at, is_https) = place(url)?;
        let settings = tls::Settings { ca_file: access.ca_file.clone(), ..tls::Settings::default() };
        let tls = is_https.then(|| Tls::new(&settings)).transpose()?;
        Self::new(at, tls, access, ours)
    }

    /// A server that is reached in this way.
    pub(crate) fn new(
        at: Master,
        tls: Option<Tls>,
        access: &Access,
        ours: Option<&Config>,
    ) -> anyhow::Result<Self> {
        Ok(Self { at, tls, token: token(access, ours)? })
    }

    /// Asks for a path, with these headers besides; the head of the answer is here, the body yet to come.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not in time.
    pub async fn open(&self, path: &str, headers: &[(HeaderName, &str)]) -> anyhow::Result<Answer> {
        let mut request = Request::get(path).body(Full::<Bytes>::default())?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::try_from(*value)?);
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let asked = exchange::send(&self.at, self.tls.as_ref(), request);
        let answer = timeout(TIMEOUT, asked).await.with_context(|| format!("{self} took too long"))?;
        answer.with_context(|| format!("nobody answers at {self}"))
    }

    /// The JSON at a path, whatever the status.
    ///
    /// # Errors
    ///
    /// Nobody answers, a token is needed, or what comes is no JSON.
    pub async fn json(&self, path: &str) -> anyhow::Result<(StatusCode, Value)> {
        let answer = self.open(path, &[(ACCEPT, "application/json, application/problem+json")]).await?;
        let code = answer.response.status();
        let body = Limited::new(answer.response.into_body(), BODY_BYTES_MAX).collect();
        let body = timeout(TIMEOUT, body).await.with_context(|| format!("{self} took too long"))?;
        let body = body.map_err(|error| anyhow::anyhow!("the answer of {self} broke off: {error}"))?;
        let told = serde_json::from_slice(&body.to_bytes())
            .with_context(|| format!("the answer is {code} and no JSON: is {self} a mesos-dns?"))?;
        Ok((code, told))
    }

    /// What an answer says that is no success, for people.
    pub fn refusal(&self, code: StatusCode, told: &Value) -> anyhow::Error {
        let detail = told["detail"].as_str().unwrap_or("is this a mesos-dns, and is its enumerationOn true?");
        match code {
            StatusCode::UNAUTHORIZED => self.wants_token(),
            _ => anyhow::anyhow!("{self} answers {code}: {detail}"),
        }
    }

    /// That a token is needed, or a better one.
    pub fn wants_token(&self) -> anyhow::Error {
        let mend = match self.token {
            Some(_) => "it does not know the one that was shown",
            None => "name a file with one by --token-file",
        };
        anyhow::anyhow!("{self} wants a token: {mend}")
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.at)
    }
}

/// Whether a source is a server rather than a file.
pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Where a URL leads, and whether by TLS.
pub(crate) fn place(url: &str) -> anyhow::Result<(Master, bool)> {
    let wrong = || format!("write the URL as http://HOST:PORT, not {url:?}");
    let uri: Uri = url.parse().with_context(wrong)?;
    let is_https = uri.scheme_str() == Some("https");
    let host = uri.host().filter(|_| is_url(url)).with_context(wrong)?;
    let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let at = Master::parse(&format!("{host}:{port}")).with_context(wrong)?;
    Ok((at, is_https))
}

/// The configuration that the command line names; without a file, what holds by default.
pub(crate) fn configured(common: &Common) -> anyhow::Result<Config> {
    Ok(match &common.config {
        None if fs::metadata(common.config_path()).is_err() => configuration::defaults()?,
        _ => configuration::load(common.config_path())?,
    })
}

/// The configuration where there is a good one.
pub(crate) fn configured_quietly(common: &Common) -> Option<Config> {
    configuration::load(common.config_path()).ok()
}

/// Where the server of a configuration listens.
fn own_url(config: &Config) -> String {
    let host = match config.http_listener.as_str() {
        "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        v6 if v6.contains(':') => format!("[{v6}]"),
        host => host.to_owned(),
    };
    let scheme = if config.http_certificate.is_some() { "https" } else { "http" };
    format!("{scheme}://{host}:{}", config.http_port)
}

/// Whether a URL leads to the server of a configuration: to its port, at an address of this machine.
pub(crate) fn is_of(config: &Config, url: &str) -> bool {
    let (Ok((at, _)), Ok((own, _))) = (place(url), place(&own_url(config))) else { return false };
    let is_here = match &at.at.host {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => &**name == "localhost",
    };
    at.at.port == own.at.port && (is_here || at.at.host == own.at.host)
}

/// The header with the token that a server is shown.
fn token(access: &Access, ours: Option<&Config>) -> anyhow::Result<Option<HeaderValue>> {
    let token = match &access.token_file {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let first = token_lines(&text).next().filter(|_| text.len() <= TOKEN_FILE_BYTES_MAX);
            Some(first.with_context(|| format!("there is no token in {}", path.display()))?.to_owned())
        }
        None => ours.and_then(|config| Some(config.http_tokens.as_ref()?.first()?.reveal().to_owned())),
    };
    token.map(|token| header(&token)).transpose()
}

fn header(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok().context("the token is none")?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere() {
        for (url, expected) in [
            ("http://127.0.0.1:8123", Some(("127.0.0.1:8123", false))),
            ("http://[::1]:8123/", Some(("[::1]:8123", false))),
            ("http://a.example", Some(("a.example:80", false))),
            ("https://a.example", Some(("a.example:443", true))),
            ("127.0.0.1:8123", None),
            ("ftp://a:1", None),
            ("http://", None),
        ] {
            let found = place(url).ok().map(|(at, is_https)| (at.to_string(), is_https));
            assert_eq!(found, expected.map(|(at, is_https)| (at.to_owned(), is_https)), "{url}");
        }
    }

    #[test]
    fn a_token_of_the_configuration_is_for_its_server_alone() {
        let text = br#"{"masters": ["10.0.0.1:5050"], "externalon": false, "httplistener": "10.0.0.9", "httpport": 81}"#;
        let config = configuration::from_bytes("test", text).unwrap();
        for url in ["http://10.0.0.9:81", "http://127.0.0.1:81", "http://localhost:81/", "http://[::1]:81"] {
            assert!(is_of(&config, url), "{url}");
        }
        for url in ["http://10.0.0.9:82", "http://10.0.0.8:81", "http://localhost.example:81", "x"] {
            assert!(!is_of(&config, url), "{url}");
        }
    }
}
