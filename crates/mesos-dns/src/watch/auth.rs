//! Credentials for the masters: none, basic, or a token of the DC/OS identity service.
//!
//! A token is asked for once and used until shortly before it ends, or until a master refuses it: then a
//! new one is asked for, once per request. So an outage of the identity service does not stop polling.
//!
//! Which host may see any of it is not decided here, but in [`poll`](mesos_dns_core::watch::poll).

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, Uri, header::HeaderValue};
use mesos_dns_core::watch::Master;
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    sign::Signer,
};
use serde::{Deserialize, Serialize};

use super::{
    exchange::{self, ExchangeError},
    metrics::WatchMetrics,
    tls::Tls,
};

/// Life of the token with which we log in; the identity service may have another clock.
const LOGIN_LIFE: Duration = Duration::from_secs(3600);

/// A token is renewed when less than this is left of it.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// Largest answer of the identity service.
pub const LOGIN_BYTES_MAX: usize = 64 << 10;

/// What the operator chose.
#[derive(Clone, Default)]
pub enum Settings {
    /// Masters want no credentials.
    #[default]
    None,
    /// `mesosCredentials`.
    Basic {
        /// User.
        principal: String,
        /// Password.
        secret: String,
    },
    /// `IAMConfigFile`: a service account of DC/OS.
    Iam {
        /// Our name with the service.
        uid: String,
        /// RSA key, PEM.
        private_key: String,
        /// URL of the service, http or https.
        login_endpoint: String,
    },
}

/// Secrets are not shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Iam { .. } => "Iam",
        })
    }
}

/// Makes the `Authorization` header.
pub struct Auth(Kind);

enum Kind {
    None,
    Basic(HeaderValue),
    Iam(Box<Iam>),
}

impl Auth {
    /// Checks the settings. `tls` is how masters are reached, and the identity service, too.
    pub fn new(
        settings: &Settings,
        tls: Option<Tls>,
        metrics: Arc<WatchMetrics>,
    ) -> Result<Self, SetupError> {
        Ok(Self(match settings {
            Settings::None => Kind::None,
            Settings::Basic { principal, secret } => Kind::Basic(basic(principal, secret)?),
            Settings::Iam { uid, private_key, login_endpoint } => Kind::Iam(Box::new(Iam::new(
                uid.clone(),
                private_key,
                login_endpoint,
                tls.map(Tls::unnamed),
                metrics,
            )?)),
        }))
    }

    /// The header for a request now, if any. May ask the identity service for a token.
    pub async fn header(&self) -> Result<Option<HeaderValue>, AuthError> {
        match &self.0 {
            Kind::None => Ok(None),
            Kind::Basic(header) => Ok(Some(header.clone())),
            Kind::Iam(iam) => iam.header().await.map(Some),
        }
    }

    /// A master refused the header. Tells whether another one can be had.
    pub fn handle_refused(&self) -> bool {
        let Kind::Iam(iam) = &self.0 else { return false };
        iam.forget();
        true
    }
}

fn basic(principal: &str, secret: &str) -> Result<HeaderValue, SetupError> {
    let encoded = BASE64.encode(format!("{principal}:{secret}").as_bytes());
    sensitive(&format!("Basic {encoded}")).ok_or(SetupError::Header)
}

/// A header value that debug output leaves out.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

//------------ Iam ----------------------------------------------------------------

/// A service account and its present token.
struct Iam {
    uid: String,
    key: PKey<Private>,
    endpoint: Master,
    uri: Uri,
    tls: Option<Tls>,
    token: Mutex<Option<Token>>,
    metrics: Arc<WatchMetrics>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    /// Unix time; `None` if it does not say.
    ends: Option<Duration>,
}

#[derive(Serialize)]
struct Login<'a> {
    uid: &'a str,
    token: String,
}

#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

impl Iam {
    fn new(
        uid: String,
        private_key: &str,
        login_endpoint: &str,
        tls: Option<Tls>,
        metrics: Arc<WatchMetrics>,
    ) -> Result<Self, SetupError> {
        let key = PKey::private_key_from_pem(private_key.as_bytes())
            .ok()
            .filter(|key| key.rsa().is_ok())
            .ok_or(SetupError::Key)?;
        let (endpoint, uri) = endpoint(login_endpoint).ok_or(SetupError::Endpoint)?;
        let tls = match uri.scheme_str() {
            Some("https") => Some(tls.map_or_else(Tls::system, Ok)?),
            _ => None,
        };
        Ok(Self { uid, key, endpoint, uri, tls, token: Mutex::default(), metrics })
    }

    async fn header(&self) -> Result<HeaderValue, AuthError> {
        let present = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = present.filter(Token::is_fresh) {
            return Ok(token.header);
        }
        let token = self.login().await?;
        let header = token.header.clone();
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(header)
    }

    fn forget(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn login(&self) -> Result<Token, AuthError> {
        self.metrics.logins.inc();
        let login = Login { uid: &self.uid, token: self.login_token(now())? };
        let body = serde_json::to_vec(&login).map_err(|_| AuthError::Malformed)?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request =
            Request::post(path).body(Full::new(Bytes::from(body))).map_err(|_| AuthError::Malformed)?;
        let answer = exchange::send(&self.endpoint, self.tls.as_ref(), request).await?;
        let (head, body) = answer.response.into_parts();
        if head.status != StatusCode::OK {
            return Err(AuthError::Status { status: head.status });
        }
        let body = Limited::new(body, LOGIN_BYTES_MAX).collect().await.map_err(|_| AuthError::Malformed)?;
        let LoggedIn { token } =
            serde_json::from_slice(&body.to_bytes()).map_err(|_| AuthError::Malformed)?;
        let header = sensitive(&format!("token={token}")).ok_or(AuthError::Malformed)?;
        Ok(Token { header, ends: ends(&token) })
    }

    /// A JWT that says who we are, signed with our key.
    fn login_token(&self, now: Duration) -> Result<String, AuthError> {
        let expires = (now + LOGIN_LIFE).as_secs();
        let uid = serde_json::to_string(&self.uid).map_err(|_| AuthError::Malformed)?;
        let claims = format!(r#"{{"exp":{expires},"uid":{uid}}}"#);
        let head = BASE64URL_NOPAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

impl Token {
    fn is_fresh(&self) -> bool {
        self.ends.is_none_or(|ends| now() + RENEW_BEFORE < ends)
    }
}

/// When a token ends, if it is a JWT that says so. Not verified: it is the service's word about its own.
fn ends(token: &str) -> Option<Duration> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Duration::try_from_secs_f64(claims.exp).ok()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn endpoint(text: &str) -> Option<(Master, Uri)> {
    let uri: Uri = text.parse().ok()?;
    let port = match (uri.port_u16(), uri.scheme_str()?) {
        (Some(port), "http" | "https") => port,
        (None, "http") => 80,
        (None, "https") => 443,
        _ => return None,
    };
    Some((Master::parse(&format!("{}:{port}", uri.host()?))?, uri))
}

//------------ Errors -------------------------------------------------------------

/// Why the credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Control characters in them.
    #[error("the credentials cannot stand in an HTTP header")]
    Header,
    /// The key is of no use.
    #[error("private_key of the service account is not an RSA key in PEM")]
    Key,
    /// The endpoint is of no use.
    #[error("login_endpoint of the service account is not an http or https URL")]
    Endpoint,
    /// No TLS towards the identity service.
    #[error(transparent)]
    Tls(#[from] super::tls::SetupError),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The identity service was not reached.
    #[error("the identity service cannot be asked")]
    Exchange(#[from] ExchangeError),
    /// It does not let us in.
    #[error("IAM authentication failed: the identity service answered {status}")]
    Status {
        /// Its status.
        status: StatusCode,
    },
    /// Its answer has no token.
    #[error("the identity service's answer is malformed")]
    Malformed,
    /// The login token could not be signed.
    #[error("cannot sign the login token")]
    Sign(#[from] ErrorStack),
}
