//! TLS towards servers, by rustls: whom we trust, and the handshake.
//!
//! A server's certificate must lead to a root we trust and be for the name that the operator wrote beside the
//! address (RFC 7858 section 4.2, RFC 8310). There is no other way to such a server: what cannot be verified is
//! a network error.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tracing::warn;

/// Whom we trust, and what follows for a handshake. Roots are read when they are first needed.
pub(crate) struct Trust {
    roots: Option<RootCertStore>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// The roots that this system trusts.
    pub(crate) fn system() -> Self {
        Self { roots: None, config: OnceLock::new() }
    }

    /// These roots only.
    pub(crate) fn only(roots: RootCertStore) -> Self {
        Self { roots: Some(roots), config: OnceLock::new() }
    }

    /// Ready to connect.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let make = || Arc::new(config(self.roots.clone().unwrap_or_else(system_roots)));
        self.config.get_or_init(make).clone()
    }
}

/// Shakes hands on a connection; the certificate must be for `name`.
pub(super) async fn connect(
    config: Arc<ClientConfig>,
    stream: TcpStream,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The system's roots: its bundle, or else its directory of certificates.
fn system_roots() -> RootCertStore {
    let found = openssl_probe::probe();
    let directory = || found.cert_dir.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let files: Vec<PathBuf> = match &found.cert_file {
        Some(bundle) => vec![bundle.clone()],
        None => directory().map(|entry| entry.path()).collect(),
    };
    let mut roots = RootCertStore::empty();
    for file in files {
        let certificates = CertificateDer::pem_file_iter(&file).into_iter().flatten().flatten();
        roots.add_parsable_certificates(certificates);
    }
    if roots.is_empty() {
        warn!("this system has no root certificates where we look for them: no server over TLS is trusted");
    }
    roots
}
