//! One HTTP/1.1 request on a connection of its own.
//!
//! Masters are asked once in a while and may be gone the next time, so a connection is opened for each
//! request and closed after it, as the original does. Proxy variables of the environment mean nothing here,
//! and nothing is followed or repeated: what an answer means is for [`master`](super::master) and
//! [`auth`](super::auth) to say. The deadline of the whole belongs to the caller, who drops the future.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use mesos_dns_core::{
    cluster::{Endpoint, Host},
    watch::Master,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

use super::tls::{Tls, TlsError};

/// Time to connect to one address. A machine that is switched off answers nothing, and the next one waits.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most addresses of one host name that are tried.
pub const ADDRESSES_MAX: usize = 4;

/// Most header lines of an answer.
pub const HEADERS_MAX: usize = 100;

/// Largest header of an answer, and the buffer of the connection.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// An answer, and what keeps its connection going while the body is read.
pub struct Answer {
    /// Status, header and body.
    pub response: Response<Incoming>,
    /// Ends the connection when dropped.
    pub connection: JoinSet<()>,
}

/// Sends a request to a master or an identity service and waits for the head of its answer.
pub async fn send(
    to: &Master,
    tls: Option<&Tls>,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, ExchangeError> {
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(to.to_string()).map_err(|_| ExchangeError::Name)?);
    headers.insert(USER_AGENT, HeaderValue::from_static("Mesos-DNS"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let stream = connect(&to.at).await?;
    match tls {
        None => exchange(stream, request).await,
        Some(tls) => exchange(tls.connect(stream, &to.at.host, to.name.as_deref()).await?, request).await,
    }
}

async fn connect(to: &Endpoint) -> Result<TcpStream, ExchangeError> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses(to).await?.into_iter().take(ADDRESSES_MAX) {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(SocketAddr::new(address, to.port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(ExchangeError::Connect(failed))
}

async fn addresses(to: &Endpoint) -> Result<Vec<IpAddr>, ExchangeError> {
    match &to.host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let found = lookup_host((&**name, to.port)).await.map_err(ExchangeError::Resolve)?;
            Ok(found.map(|address| address.ip()).collect())
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ExchangeError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Its errors also reach the request or the body, and are told there.
        _ = connection.await;
    });
    let response = sender.send_request(request).await?;
    Ok(Answer { response, connection: driver })
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The host's name cannot stand in a header.
    #[error("not a host name")]
    Name,
    /// The host's name has no address.
    #[error("cannot resolve the host name")]
    Resolve(#[source] io::Error),
    /// Nobody answers there.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// No TLS connection.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Not HTTP, or it broke off.
    #[error("no proper HTTP answer")]
    Http(#[from] hyper::Error),
}
