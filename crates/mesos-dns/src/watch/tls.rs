//! TLS towards the masters, by OpenSSL.
//!
//! Mesos's default cipher list has neither ECDHE nor AEAD suites, which other libraries no longer speak.
//! Here such a master is reached like any other, over TLS 1.2 or later.
//!
//! We connect to addresses, and certificates of masters often hold names only. So the chain is verified in
//! the handshake and the identity right after it, before a byte of ours is sent: the certificate must be for
//! the address or name we connected to, or for the name that the master gave itself in ZooKeeper; where the
//! operator names the expected server, for that name and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use mesos_dns_core::cluster::Host;
use openssl::{
    error::ErrorStack,
    ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode, SslVersion},
    stack::Stack,
    x509::{
        X509, X509Ref, X509StoreContext, X509VerifyResult,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tracing::warn;

/// What we offer up to TLS 1.2: OpenSSL's own choice, and what a master offers by default
/// (`LIBPROCESS_SSL_CIPHERS`) as far as it still exists.
const CIPHERS: &str = "DEFAULT:AES128-SHA:AES256-SHA:DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:\
                       !aNULL:!eNULL:!MD5:!RC4:!3DES:!PSK:!SRP";

/// What the operator chose.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Trust only the certificates in this PEM file, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain and its private key, both PEM.
    pub client: Option<ClientFiles>,
    /// Do not verify anything. Logged at each start.
    pub insecure: bool,
    /// The name that certificates of masters must be for, whatever address they have.
    pub server_name: Option<Arc<str>>,
}

/// The files of a client certificate.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Ready to connect.
#[derive(Clone)]
pub struct Tls {
    connector: SslConnector,
    insecure: bool,
    server_name: Option<Arc<str>>,
}

impl Tls {
    /// Reads all files.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_cipher_list(CIPHERS)?;
        match &settings.ca_file {
            Some(file) => trust_only(&mut builder, file)?,
            None => trust_system(&mut builder)?,
        }
        if let Some(files) = &settings.client {
            let refused = |path: &Path| {
                let path = path.to_owned();
                move |source| SetupError::File { path, source }
            };
            builder.set_certificate_chain_file(&files.certificate).map_err(refused(&files.certificate))?;
            builder.set_private_key_file(&files.key, SslFiletype::PEM).map_err(refused(&files.key))?;
            builder.check_private_key().map_err(refused(&files.key))?;
        }
        if settings.insecure {
            warn!("certificates of masters are not verified: mesosTLSVerify is false");
            builder.set_verify(SslVerifyMode::NONE);
        }
        let server_name = settings.server_name.clone();
        Ok(Self { connector: builder.build(), insecure: settings.insecure, server_name })
    }

    /// As `new` without settings: verified by the system's roots, for anybody who is not a master.
    pub fn system() -> Result<Self, SetupError> {
        Self::new(&Settings::default())
    }

    /// The same trust, for somebody who is not a master: the expected name is that of masters only.
    pub fn unnamed(self) -> Self {
        Self { server_name: None, ..self }
    }

    /// Shakes hands. The peer's certificate must be for `host`, or for `name` if there is one.
    pub async fn connect(
        &self,
        stream: TcpStream,
        host: &Host,
        name: Option<&str>,
    ) -> Result<SslStream<TcpStream>, TlsError> {
        let expected = self.expected(host, name);
        let mut configuration = self.connector.configure()?;
        // The identity is checked below, as it may be one of several.
        configuration.set_verify_hostname(false);
        let indicated = expected.iter().find_map(|host| match host {
            Host::Name(name) => Some(&**name),
            Host::Address(_) => None,
        });
        configuration.set_use_server_name_indication(indicated.is_some());
        let ssl = configuration.into_ssl(indicated.unwrap_or_default())?;
        let mut stream = SslStream::new(ssl, stream)?;
        if let Err(error) = Pin::new(&mut stream).connect().await {
            return Err(explain(error, stream.ssl().verify_result()));
        }
        if !self.insecure {
            let certificate = stream.ssl().peer_certificate().ok_or(TlsError::NoCertificate)?;
            if !is_for_any(&certificate, &expected)? {
                return Err(TlsError::WrongName { expected: list(&expected), found: names(&certificate) });
            }
        }
        Ok(stream)
    }

    fn expected(&self, host: &Host, name: Option<&str>) -> Vec<Host> {
        match &self.server_name {
            Some(name) => vec![Host::new(name)],
            None => std::iter::once(host.clone()).chain(name.map(Host::new)).collect(),
        }
    }
}

/// A file's certificates are all the trust there is, and each of them is an end of the chain, also one that
/// somebody else signed.
fn trust_only(builder: &mut SslConnectorBuilder, path: &Path) -> Result<(), SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::Read { path: path.to_owned(), source })?;
    let refused = |source| SetupError::File { path: path.to_owned(), source };
    let certificates = X509::stack_from_pem(&pem).map_err(refused)?;
    if certificates.is_empty() {
        return Err(SetupError::NoCertificates { path: path.to_owned() });
    }
    let mut store = X509StoreBuilder::new()?;
    for certificate in certificates {
        store.add_cert(certificate)?;
    }
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    builder.set_cert_store(store.build());
    Ok(())
}

/// The vendored OpenSSL does not know where this system keeps its roots.
fn trust_system(builder: &mut SslConnectorBuilder) -> Result<(), SetupError> {
    let found = openssl_probe::probe();
    let directory = found.cert_dir.first().map(PathBuf::as_path);
    if found.cert_file.is_none() && directory.is_none() {
        warn!("this system has no root certificates where we look for them");
        return Ok(());
    }
    builder.load_verify_locations(found.cert_file.as_deref(), directory)?;
    Ok(())
}

fn is_for_any(certificate: &X509Ref, expected: &[Host]) -> Result<bool, ErrorStack> {
    for host in expected {
        if is_for(certificate, host)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a certificate is for this address or name, by OpenSSL's own rules: it is verified once more, now as
/// the only trusted one, with the identity as the one thing left that can fail.
fn is_for(certificate: &X509Ref, host: &Host) -> Result<bool, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    match host {
        Host::Address(address) => parameters.set_ip(*address)?,
        Host::Name(name) => parameters.set_host(name)?,
    }
    parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(certificate.to_owned())?;
    store.set_param(&parameters)?;
    let store = store.build();
    X509StoreContext::new()?.init(&store, certificate, &*Stack::new()?, |context| context.verify_cert())
}

/// Whom a certificate is for, to be read by people.
fn names(certificate: &X509Ref) -> String {
    let alternatives = certificate.subject_alt_names();
    let mut names: Vec<String> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| name.dnsname().map(str::to_owned).or_else(|| name.ipaddress().map(address)))
        .take(NAMES_SHOWN)
        .collect();
    if names.is_empty() {
        let common = certificate.subject_name().entries().filter_map(|entry| entry.data().to_string().ok());
        names = common.take(NAMES_SHOWN).collect();
    }
    names.join(", ")
}

/// Most names of a certificate that an error shows.
const NAMES_SHOWN: usize = 8;

fn address(bytes: &[u8]) -> String {
    match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(four), _) => std::net::Ipv4Addr::from(four).to_string(),
        (_, Ok(sixteen)) => std::net::Ipv6Addr::from(sixteen).to_string(),
        _ => format!("{bytes:02x?}"),
    }
}

fn list(hosts: &[Host]) -> String {
    let texts = hosts.iter().map(|host| match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.to_string(),
    });
    texts.collect::<Vec<_>>().join(" or ")
}

/// Turns OpenSSL's words into ours where a user would not understand them.
fn explain(error: openssl::ssl::Error, verified: X509VerifyResult) -> TlsError {
    if verified != X509VerifyResult::OK {
        return TlsError::Untrusted { reason: verified.error_string() };
    }
    let mentions = |text: &str| {
        let stack = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
        stack.iter().any(|error| error.reason().is_some_and(|reason| reason.contains(text)))
    };
    match () {
        () if mentions("wrong version number")
            || mentions("packet length too long")
            || mentions("http request") =>
        {
            TlsError::NotTls
        }
        () if mentions("certificate required") => TlsError::CertificateRequired,
        () if mentions("alert handshake failure") => TlsError::Refused,
        () if mentions("unexpected eof") || error.ssl_error().is_none() => TlsError::Closed,
        () => TlsError::Handshake(error),
    }
}

//------------ Errors -------------------------------------------------------------

/// Why the TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file with the roots cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can be read and has no certificate.
    #[error("no certificate in {}", path.display())]
    NoCertificates {
        /// Which.
        path: PathBuf,
    },
    /// Missing, not PEM, or a key that does not belong to the certificate.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ErrorStack,
    },
    /// OpenSSL failed for a reason of its own.
    #[error("cannot set up TLS")]
    OpenSsl(#[from] ErrorStack),
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What came back is not TLS: usually a master that speaks plain HTTP on this port.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The chain does not lead to a trusted root, or a certificate is out of its time.
    #[error("the certificate is not trusted: {reason}")]
    Untrusted {
        /// In OpenSSL's words.
        reason: &'static str,
    },
    /// A trusted certificate for somebody else.
    #[error("the certificate is for {found}, not for {expected}")]
    WrongName {
        /// Any of these would have done.
        expected: String,
        /// Whom it is for.
        found: String,
    },
    /// No certificate at all.
    #[error("the server shows no certificate")]
    NoCertificate,
    /// We have no client certificate, or not the right one.
    #[error("the server wants a client certificate (certFile, keyFile)")]
    CertificateRequired,
    /// Nothing in common. Up to TLS 1.2 a missing client certificate looks the same.
    #[error("the server refused: no common cipher or version, or it wants a client certificate")]
    Refused,
    /// The connection ended during the handshake.
    #[error("the server closed the connection during the TLS handshake")]
    Closed,
    /// Anything else.
    #[error("the TLS handshake failed")]
    Handshake(#[source] openssl::ssl::Error),
    /// OpenSSL failed for a reason of its own.
    #[error("cannot use TLS")]
    OpenSsl(#[from] ErrorStack),
}
