//! A simulated upstream: a DNS server on loopback that holds what it is told and goes wrong as it is told.
//!
//! [`Upstream`] is one server: UDP and TCP on one port that the system chooses, TLS on another if it is given a
//! certificate. It answers as a resolver would that knows nothing but its zones. What they are and what goes wrong
//! is data, a [`Scene`]; the rules can be exchanged while it runs. It remembers what it was asked, so that a test can
//! say how often a question travelled, and from which ports. Everything follows from a seed and from the order in
//! which queries come.
//!
//! - [`Scene`], [`Zone`], [`Rule`]: the data; [`Fault`]: the table of what can go wrong.
//! - `store` and `made`: what is there at a name. `plan`: what the rules come to for one query.
//! - `reply` and `forge`: bytes. `desk`: from a query to what is sent for it.
//! - `udp`, `stream`: sockets. `log`: what was asked. `talk`: a server that is driven by lines.
//!
//! Datagrams are answered by one thread, which is also what a bench measures against: it has to bear more than
//! whoever asks it.

mod desk;
mod fault;
mod forge;
mod log;
mod made;
mod plan;
mod query;
mod reply;
mod scene;
mod store;
mod stream;
mod talk;
mod udp;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{desk::Desk, udp::Datagrams};
pub use self::{
    fault::{Fault, Forgery, Section},
    log::Counts,
    query::{Asked, Edns, Transport},
    scene::{Rule, Scene, SceneError, Zone},
    talk::talk,
};

/// Queries that are kept unless other settings are made.
const KEPT_MAX: usize = 100_000;

/// How often a port is tried that must be free for datagrams and connections.
const PORTS_MAX: usize = 100;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; loopback.
    pub ip: Ipv4Addr,
    /// Port of UDP and TCP; 0 lets the system choose.
    pub port: u16,
    /// Port of TLS and who we are there; no TLS if absent.
    pub tls: Option<(u16, Identity)>,
    /// Queries that are kept, the newest.
    pub keep: usize,
}

/// A certificate and its key, as PEM text.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate and its chain.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ip: Ipv4Addr::LOCALHOST, port: 0, tls: None, keep: KEPT_MAX }
    }
}

/// A running server; dropped, it ends.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    desk: Arc<Desk>,
    _datagrams: Datagrams,
    stop: CancellationToken,
    streams: Option<JoinHandle<()>>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The scene is wrong.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// A port or a thread is not to be had.
    #[error("the upstream cannot be started")]
    Socket(#[from] io::Error),
    /// The certificate or the key is of no use.
    #[error("the certificate or its key cannot be used")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Upstream {
    /// Starts a server on a port that the system chooses.
    ///
    /// # Errors
    ///
    /// Those of [`start_with`](Self::start_with).
    pub fn start(scene: &Scene) -> Result<Self, UpstreamError> {
        Self::start_with(scene, Settings::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    ///
    /// The scene names what is none, or a port is taken.
    pub fn start_with(scene: &Scene, settings: Settings) -> Result<Self, UpstreamError> {
        let desk = Arc::new(Desk::new(scene, settings.keep)?);
        let (udp, tcp) = bind(settings.ip, settings.port, scene.tcp)?;
        let address = udp.local_addr()?;
        let mut listeners = Vec::new();
        listeners.extend(tcp.map(|tcp| (tcp, None)));
        let mut tls_address = None;
        if let Some((port, identity)) = settings.tls {
            let listener = TcpListener::bind((settings.ip, port))?;
            tls_address = Some(listener.local_addr()?);
            listeners.push((listener, Some(acceptor(&identity)?)));
        }
        let stop = CancellationToken::new();
        let streams = streams(listeners, desk.clone(), stop.clone())?;
        let datagrams = Datagrams::start(udp, desk.clone())?;
        Ok(Self { address, tls_address, desk, _datagrams: datagrams, stop, streams: Some(streams) })
    }

    /// Where it answers over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers over TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Puts these rules in force instead of those of the scene.
    ///
    /// # Errors
    ///
    /// A rule names what is no name.
    pub fn rule(&self, rules: &[Rule]) -> Result<(), SceneError> {
        self.desk.rule(rules)
    }

    /// How much was asked.
    pub fn counts(&self) -> Counts {
        self.desk.log.counts()
    }

    /// What was asked, as far as it is kept, the oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.desk.log.kept().iter().cloned().collect()
    }

    /// How often this was asked for, in whatever spelling, as far as it is kept.
    pub fn asked_for(&self, name: &str, qtype: u16) -> usize {
        let is = |asked: &&Asked| asked.name.eq_ignore_ascii_case(name) && asked.qtype == qtype;
        self.desk.log.kept().iter().filter(is).count()
    }

    /// Forgets what was kept; what is counted stays.
    pub fn forget(&self) {
        self.desk.log.kept().clear();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
        _ = self.streams.take().map(JoinHandle::join);
    }
}

/// A port that is free for both.
fn bind(ip: Ipv4Addr, port: u16, with_tcp: bool) -> io::Result<(UdpSocket, Option<TcpListener>)> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..PORTS_MAX {
        let udp = UdpSocket::bind((ip, port))?;
        if !with_tcp {
            return Ok((udp, None));
        }
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, Some(tcp))),
            Err(error) if port != 0 => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn acceptor(identity: &Identity) -> Result<TlsAcceptor, UpstreamError> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| UpstreamError::Identity(error);
    let chain = CertificateDer::pem_slice_iter(&identity.certificate).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| wrong(error.into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.into()))?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(|error| wrong(error.into()))?, key)
        .map_err(|error| wrong(error.into()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves connections in a thread of their own, with a runtime of their own: whoever asks may have none.
fn streams(
    listeners: Vec<(TcpListener, Option<TlsAcceptor>)>,
    desk: Arc<Desk>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut ready = Vec::new();
    for (listener, tls) in listeners {
        listener.set_nonblocking(true)?;
        let entered = runtime.enter();
        ready.push((tokio::net::TcpListener::from_std(listener)?, tls));
        drop(entered);
    }
    let serve = async move {
        for (listener, tls) in ready {
            tokio::spawn(stream::serve(listener, tls, desk.clone()));
        }
        stop.cancelled().await;
    };
    thread::Builder::new().name("upstream-tcp".into()).spawn(move || runtime.block_on(serve))
}
