//! Who we are to clients that want encryption: a certificate, its key, and what comes of them when their files change.
//!
//! The files are read again every few seconds and at a reload. A pair that is of no use changes nothing: it is counted
//! and logged once, and the former one stays. Connections keep what they shook hands with. When a certificate ends is
//! shown, and told before it does (`validity`).

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{
    DnsMetrics,
    validity::{Stage, Validity},
};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Time between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);

/// Largest file that is read, in bytes. A chain has some thousands.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Application protocols over TLS (RFC 7301), as clients may name them.
pub(super) const ALPN_DOT: &[&[u8]] = &[b"dot"];
pub(super) const ALPN_HTTPS: &[&[u8]] = &[ALPN_HTTP_2, b"http/1.1"];
pub(super) const ALPN_HTTP_2: &[u8] = b"h2";
const ALPN_HTTP: &[&[u8]] = &[b"http/1.1"];

/// A certificate with its key, always the newest good one.
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    protocols: &'static [&'static [u8]],
    config: ArcSwap<ServerConfig>,
    judged: Mutex<Judged>,
}

/// What the files were when they were last looked at.
struct Judged {
    pair: Pair,
    is_unreadable: bool,
    /// Of the pair that is in force.
    validity: Option<Validity>,
    /// What was told of its end.
    told: Stage,
}

/// The bytes of both files.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What a look at the files showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// What it showed before.
    Same,
    /// Another good pair, now in force.
    Replaced,
}

impl Identity {
    /// Reads a pair for DNS over TLS.
    pub fn for_tls(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::load(certificate, key, ALPN_DOT)
    }

    /// Reads a pair for DNS over HTTPS.
    pub fn for_https(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::load(certificate, key, ALPN_HTTPS)
    }

    /// Reads a pair for the HTTP API.
    pub fn for_http(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::load(certificate, key, ALPN_HTTP)
    }

    fn load(
        certificate: &Path,
        key: &Path,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, IdentityError> {
        let pair = Pair::read(certificate, key)?;
        let (config, validity) = pair.config((certificate, key), protocols)?;
        let judged = Judged { pair, is_unreadable: false, validity, told: Stage::default() };
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            protocols,
            config: ArcSwap::from_pointee(config),
            judged: Mutex::new(judged),
        })
    }

    /// Looks at the files again, and tells of it, and of the end of what this listener shows now.
    pub fn refresh(&self, listener: SocketAddr, metrics: &DnsMetrics) {
        match self.look() {
            Ok(Look::Same) => {}
            Ok(Look::Replaced) => {
                metrics.certificates_replaced.inc();
                info!(file = %self.certificate.display(), "certificate replaced");
            }
            Err(cause) => {
                metrics.certificate_failures.inc();
                let error = format!("{:#}", anyhow::Error::from(cause));
                error!(error, "the new certificate is of no use, the former one stays in force");
            }
        }
        let mut judged = self.judged();
        if let Some(validity) = judged.validity {
            validity.tell(listener, &mut judged.told, metrics);
        }
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pair is judged once: what is of no use is told once, however often it is looked at.
    fn look(&self) -> Result<Look, IdentityError> {
        let read = Pair::read(&self.certificate, &self.key);
        let mut judged = self.judged();
        let pair = match read {
            Ok(pair) => pair,
            Err(_) if std::mem::replace(&mut judged.is_unreadable, true) => return Ok(Look::Same),
            Err(error) => return Err(error),
        };
        judged.is_unreadable = false;
        if judged.pair == pair {
            return Ok(Look::Same);
        }
        let config = pair.config((&self.certificate, &self.key), self.protocols);
        judged.pair = pair;
        let (config, validity) = config?;
        self.config.store(Arc::new(config));
        (judged.validity, judged.told) = (validity, Stage::default());
        Ok(Look::Replaced)
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        timeout(HANDSHAKE, acceptor.accept(stream)).await?
    }
}

/// Looks at the files of all listeners every few seconds, until told to stop.
pub async fn watch(
    identities: Vec<(SocketAddr, Arc<Identity>)>,
    metrics: Arc<DnsMetrics>,
    stop: CancellationToken,
) {
    if identities.is_empty() {
        return;
    }
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (identities, metrics) = (identities.clone(), metrics.clone());
        // Files may be on a disk that hangs.
        let looked = tokio::task::spawn_blocking(move || {
            identities.iter().for_each(|(listener, identity)| identity.refresh(*listener, &metrics));
        });
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looked => {}
        }
    }
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    /// Checks that both can be used, together; tells how long.
    fn config(
        &self,
        (certificate, key): (&Path, &Path),
        protocols: &[&[u8]],
    ) -> Result<(ServerConfig, Option<Validity>), IdentityError> {
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let malformed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Pem { path, source }
        };
        let chain = chain.map_err(malformed(certificate))?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate { path: certificate.to_owned() });
        }
        let validity = Validity::of(&chain);
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(malformed(key))?;
        let unusable =
            |source| IdentityError::Unusable { certificate: certificate.into(), key: key.into(), source };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(unusable)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok((config, validity))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let failed = |source| IdentityError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can be read and is not the PEM we want.
    #[error("cannot use {}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// There is no certificate in it.
    #[error("no PEM certificate in {}", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The two do not belong together, or are of a kind that we do not know.
    #[error("cannot use {} with {}", certificate.display(), key.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}
