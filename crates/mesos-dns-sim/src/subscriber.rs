//! The client's end of an event stream, for tests: asks as a client of Mesos must, takes records apart, and judges
//! nothing.

use std::{collections::VecDeque, io, net::SocketAddr};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::client::TIMEOUT;

/// Longest record that is read.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024;

/// Most digits in the number before a record.
const DIGITS_MAX: usize = 20;

/// An open stream.
pub struct Subscriber {
    body: Incoming,
    pieces: VecDeque<Bytes>,
    serving: JoinHandle<()>,
}

impl Subscriber {
    /// Asks a master for its stream.
    ///
    /// # Errors
    ///
    /// No connection, or an answer other than 200, whose status the error names.
    pub async fn open(server: SocketAddr) -> io::Result<Self> {
        let request = Request::post("/api/v1")
            .header(header::HOST, server.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Body::from(r#"{"type":"SUBSCRIBE"}"#))
            .map_err(io::Error::other)?;
        let exchange = async {
            let stream = TcpStream::connect(server).await?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            let serving = tokio::spawn(async { _ = connection.await });
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            match response.status() {
                StatusCode::OK => Ok(Self { body: response.into_body(), pieces: VecDeque::new(), serving }),
                status => Err(io::Error::other(status.to_string())),
            }
        };
        timeout(TIMEOUT, exchange).await?
    }

    /// The next record; nothing at a clean end of the stream.
    ///
    /// # Errors
    ///
    /// The connection broke, ended within a record, or brought something that is no record; or nothing came
    /// for [`TIMEOUT`].
    pub async fn record(&mut self) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + TIMEOUT;
        timeout_at(deadline, self.read()).await?
    }

    /// The next record as JSON.
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record), or it is not JSON.
    pub async fn event(&mut self) -> io::Result<Option<Value>> {
        let Some(record) = self.record().await? else { return Ok(None) };
        serde_json::from_slice(&record).map(Some).map_err(Into::into)
    }

    /// The next record whose type this is; those before it are passed over.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event), or the stream ends first.
    pub async fn until(&mut self, kind: &str) -> io::Result<Value> {
        loop {
            let event = self.event().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if event["type"] == kind {
                return Ok(event);
            }
        }
    }

    async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(length) = self.number().await? else { return Ok(None) };
        if length > RECORD_BYTES_MAX {
            return Err(invalid(&format!("a record of {length} bytes")));
        }
        let mut record = Vec::with_capacity(length.min(1 << 20));
        while record.len() < length {
            let mut piece = self.piece().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let rest = piece.split_off(piece.len().min(length - record.len()));
            record.extend(piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        }
        Ok(Some(record))
    }

    async fn number(&mut self) -> io::Result<Option<usize>> {
        let mut digits = String::new();
        loop {
            let Some(mut piece) = self.piece().await? else {
                return if digits.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            };
            let byte = piece.split_to(1)[0];
            if !piece.is_empty() {
                self.pieces.push_front(piece);
            }
            match byte {
                b'\n' => return digits.parse().map(Some).map_err(|_| invalid("a record without length")),
                b'0'..=b'9' if digits.len() < DIGITS_MAX => digits.push(byte.into()),
                _ => return Err(invalid("a length that is no number")),
            }
        }
    }

    /// Some bytes, at least one.
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.pieces.is_empty() {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(io::Error::other)?;
            self.pieces.extend(frame.into_data().ok().filter(|data| !data.is_empty()));
        }
        Ok(self.pieces.pop_front())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
