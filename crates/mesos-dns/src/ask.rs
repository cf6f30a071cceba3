//! `mesos-dns release` and `mesos-dns flush`: asking a process of this machine through its admin socket.
//!
//! The configuration file tells where the socket is. What comes is printed as it is, as JSON: fit for people and for
//! scripts.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use mesos_dns_core::wire::Name;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
    time::timeout,
};

use crate::{
    args::{Common, Flush, Release},
    commands::print_json,
    configuration,
    daemon::run_to_end,
};

/// Time for an answer; a release takes a few seconds.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Vouches for the leader: what a running process holds is dropped.
///
/// # Errors
///
/// It cannot be reached, or refuses.
pub fn release(options: &Release, common: &Common) -> anyhow::Result<()> {
    let (code, told) = over_socket(options.socket.clone(), common, Method::POST, "/release")?;
    if code != StatusCode::OK {
        bail!("the answer is {code}");
    }
    print_json(&told)
}

/// Has a running process forget answers of other servers.
///
/// # Errors
///
/// A name is none; it cannot be reached, or refuses.
pub fn flush(options: &Flush, common: &Common) -> anyhow::Result<()> {
    let path = match (&options.below, &options.name) {
        (Some(suffix), _) => format!("/flush?below={}", in_url(suffix)?),
        (None, Some(name)) => format!("/flush?name={}", in_url(name)?),
        (None, None) => "/flush?all".to_owned(),
    };
    let (code, told) = over_socket(options.socket.clone(), common, Method::POST, &path)?;
    if code != StatusCode::OK {
        bail!("the answer is {code}");
    }
    print_json(&told)
}

/// A name as it stands in a URL.
fn in_url(name: &str) -> anyhow::Result<String> {
    Name::parse(name).with_context(|| format!("{name:?} is no name"))?;
    Ok(utf8_percent_encode(name, NON_ALPHANUMERIC).to_string())
}

/// Asks through the admin socket: that of the command line, else that of the configuration.
pub(crate) fn over_socket(
    socket: Option<PathBuf>,
    common: &Common,
    method: Method,
    path: &str,
) -> anyhow::Result<(StatusCode, Value)> {
    let socket = match socket {
        Some(socket) => socket,
        None => {
            let config = configuration::load(common.config_path())?;
            let socket = config.admin_socket.with_context(|| {
                format!("{} sets no adminSocket: set it, or name one with --socket", common.config_path())
            })?;
            socket.into()
        }
    };
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = request.body(Empty::new())?;
    run_to_end(async {
        let stream = UnixStream::connect(&socket).await;
        exchange(stream.with_context(|| format!("nobody answers at {}", socket.display()))?, request).await
    })
}

/// One request and its answer, which must be JSON.
async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> anyhow::Result<(StatusCode, Value)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the connection, which ends with the answer.
        tokio::spawn(connection);
        let response = sender.send_request(request).await.context("no answer")?;
        let code = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        let told = serde_json::from_slice(&body)
            .with_context(|| format!("the answer is {code} and no JSON: is this a mesos-dns?"))?;
        Ok((code, told))
    };
    timeout(TIMEOUT, exchange).await.context("it took too long")?
}
