//! A server over TCP or TLS whose every move is the test's.

use std::{net::SocketAddr, path::Path, sync::Arc};

use mesos_dns_core::forward::Transport;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::liar::{self, Asked};

/// A server that takes connections and hands every query to the test.
pub(crate) struct Switchboard {
    pub(crate) address: SocketAddr,
    asked: mpsc::UnboundedReceiver<OnLine>,
    tasks: JoinSet<()>,
}

/// A query, and the connection it came on.
pub(crate) struct OnLine {
    pub(crate) asked: Asked,
    /// Counts connections from 0.
    pub(crate) connection: usize,
    say: mpsc::UnboundedSender<Option<Vec<u8>>>,
}

impl Switchboard {
    /// Plain TCP. Over UDP on the same port, every answer is cut.
    pub(crate) async fn plain() -> Self {
        let (udp, tcp) = liar::bind().await;
        let mut server = Self::start(tcp, None);
        server.tasks.spawn(async move {
            loop {
                let asked = liar::receive(&udp).await;
                udp.send_to(&asked.truncated(0), asked.from).await.unwrap();
            }
        });
        server
    }

    /// TLS with this certificate and key.
    pub(crate) async fn encrypted(certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start(listener, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (stream, from) = listener.accept().await.unwrap();
                let (tls, sender) = (tls.clone(), sender.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, from, connection, sender).await,
                        // A client that does not trust us hangs up.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, from, connection, sender).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, asked, tasks }
    }

    /// The next query.
    pub(crate) async fn next(&mut self) -> OnLine {
        self.asked.recv().await.unwrap()
    }

    /// Whether no query is there.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl OnLine {
    /// Sends a message on this connection.
    pub(crate) fn say(&self, message: Vec<u8>) {
        self.say.send(Some(message)).unwrap();
    }

    /// Closes the connection.
    pub(crate) fn hang_up(&self) {
        self.say.send(None).unwrap();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite,
    from: SocketAddr,
    connection: usize,
    asked: mpsc::UnboundedSender<OnLine>,
) {
    let (mut reader, mut writer) = split(stream);
    let (say, mut said) = mpsc::unbounded_channel::<Option<Vec<u8>>>();
    let listen = async {
        while let Ok(length) = reader.read_u16().await {
            let mut message = vec![0; length.into()];
            reader.read_exact(&mut message).await.unwrap();
            let asked_now = Asked { message, from, transport: Transport::Tcp };
            let on_line = OnLine { asked: asked_now, connection, say: say.clone() };
            if asked.send(on_line).is_err() {
                break;
            }
        }
    };
    let talk = async {
        while let Some(Some(message)) = said.recv().await {
            let frame = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = listen => {},
        () = talk => {},
    }
}
