//! Bodies of any size: measured first, since Mesos always says how long they are, then streamed.

use std::{
    io::{self, BufWriter, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::Fault;

/// Bodies below this size are not compressed (`GZIP_MINIMUM_BODY_LENGTH` of libprocess).
const GZIP_BYTES_MIN: usize = 1024;

/// Bytes per piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces on their way to one client; a slow one stops its renderer, not its master.
const PIECES_MAX: usize = 4;

type Piece = io::Result<Bytes>;

/// 200 with what `render` writes, wrapped for JSONP if that is asked, compressed if that may be and pays.
pub(super) async fn respond(
    jsonp: Option<String>,
    gzip: bool,
    fault: Fault,
    render: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
) -> Response<Body> {
    let kind = if jsonp.is_some() { "text/javascript" } else { "application/json" };
    let (before, after) = jsonp.map_or_else(Default::default, |name| (format!("{name}("), ");"));
    let whole = Arc::new(move |out: &mut dyn Write| {
        out.write_all(before.as_bytes())?;
        render(out)?;
        out.write_all(after.as_bytes())
    });
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    let rendering = whole.clone();
    let measured = tokio::task::spawn_blocking(move || measure(&*rendering, gzip)).await;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let length = match measured {
        Ok(Ok(Measured::Compressed(bytes))) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let length = bytes.len();
            tokio::spawn(async move { pieces.send(Ok(bytes.into())).await });
            length
        }
        Ok(Ok(Measured::Plain(length))) => {
            tokio::task::spawn_blocking(move || stream(&*whole, pieces));
            length
        }
        Ok(Err(_)) | Err(_) => 0,
    };
    headers.insert(header::CONTENT_LENGTH, length.into());
    *response.body_mut() = Body::new(Pieces(trouble(receiver, fault)));
    response
}

/// A body before it is sent.
enum Measured {
    Compressed(Vec<u8>),
    Plain(usize),
}

type Render<'a> = &'a (dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync);

fn measure(render: Render<'_>, gzip: bool) -> io::Result<Measured> {
    let mut length = Counter { inner: io::sink(), bytes: 0 };
    if !gzip {
        render(&mut length)?;
        return Ok(Measured::Plain(length.bytes));
    }
    let encoder = BufWriter::with_capacity(PIECE_BYTES, GzEncoder::new(Vec::new(), Compression::fast()));
    let mut plain = Counter { inner: encoder, bytes: 0 };
    render(&mut plain)?;
    if plain.bytes < GZIP_BYTES_MIN {
        return Ok(Measured::Plain(plain.bytes));
    }
    let encoder = plain.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Measured::Compressed(encoder.finish()?))
}

fn stream(render: Render<'_>, pieces: mpsc::Sender<Piece>) {
    let mut out = BufWriter::with_capacity(PIECE_BYTES, Sender(pieces));
    // It fails when the client is gone.
    _ = render(&mut out).and_then(|()| out.flush());
}

/// Passes pieces on as a master with this fault would.
fn trouble(mut source: mpsc::Receiver<Piece>, fault: Fault) -> mpsc::Receiver<Piece> {
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    match fault {
        Fault::Cut { after_bytes } => tokio::spawn(async move {
            let mut left = after_bytes;
            while let Some(Ok(mut piece)) = source.recv().await {
                piece.truncate(left);
                left -= piece.len();
                if pieces.send(Ok(piece)).await.is_err() || left == 0 {
                    break;
                }
            }
            _ = pieces.send(Err(io::ErrorKind::ConnectionReset.into())).await;
        }),
        Fault::Drip { every } => tokio::spawn(async move {
            while let Some(Ok(piece)) = source.recv().await {
                for byte in piece {
                    tokio::time::sleep(every).await;
                    if pieces.send(Ok(Bytes::from(vec![byte]))).await.is_err() {
                        return;
                    }
                }
            }
        }),
        _ => return source,
    };
    receiver
}

/// Counts what passes.
struct Counter<W> {
    inner: W,
    bytes: usize,
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Sends what is written; waits while the client is slow.
struct Sender(mpsc::Sender<Piece>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiving end as a body.
struct Pieces(mpsc::Receiver<Piece>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
