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
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Fault, line::End, trouble};

/// Bodies below this size are not compressed (`GZIP_MINIMUM_BODY_LENGTH` of libprocess).
const GZIP_BYTES_MIN: usize = 1024;

/// Bytes of blanks in one block of a bomb.
const BOMB_BLOCK_BYTES: usize = 16 * 1024 * 1024;

/// Blocks of a bomb.
const BOMB_BLOCKS: usize = 1024;

/// Bytes per piece.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// Pieces on their way to one client; a slow one stops its renderer, not its master.
pub(super) const PIECES_MAX: usize = 4;

pub(super) type Piece = io::Result<Bytes>;

/// 200 with what `render` writes, wrapped for JSONP if that is asked, compressed if that may be and pays.
pub(super) async fn respond(
    jsonp: Option<String>,
    gzip: bool,
    fault: Fault,
    end: End,
    render: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
) -> Response<Body> {
    let kind = match fault {
        Fault::ContentType => "text/html",
        _ if jsonp.is_some() => "text/javascript",
        _ => "application/json",
    };
    let (before, after) = jsonp.map_or_else(Default::default, |name| (format!("{name}("), ");"));
    let whole = Arc::new(move |out: &mut dyn Write| {
        out.write_all(before.as_bytes())?;
        render(out)?;
        out.write_all(after.as_bytes())
    });
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    let rendering = whole.clone();
    let measured = tokio::task::spawn_blocking(move || measure(&*rendering, gzip, fault)).await;
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
    let (_, fault) = watch::channel(fault);
    let never = CancellationToken::new();
    *response.body_mut() = Body::new(Pieces(trouble::pass(receiver, fault, end, never)));
    response
}

/// A body before it is sent.
enum Measured {
    Compressed(Vec<u8>),
    Plain(usize),
}

pub(super) type Render<'a> = &'a (dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync);

fn measure(render: Render<'_>, gzip: bool, fault: Fault) -> io::Result<Measured> {
    match fault {
        Fault::GzipBomb => return bomb().map(Measured::Compressed),
        Fault::GzipBroken => return damaged(render).map(Measured::Compressed),
        _ if !gzip => return length(render).map(Measured::Plain),
        _ => (),
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

/// Bytes that `render` writes.
pub(super) fn length(render: Render<'_>) -> io::Result<usize> {
    let mut length = Counter { inner: io::sink(), bytes: 0 };
    render(&mut length)?;
    Ok(length.bytes)
}

/// A body that says it is compressed, and is damaged in its middle.
fn damaged(render: Render<'_>) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    render(&mut encoder)?;
    let mut bytes = encoder.finish()?;
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xff);
    Ok(bytes)
}

/// A small body that unpacks to [`BOMB_BLOCKS`] times [`BOMB_BLOCK_BYTES`] blanks.
///
/// A block that was flushed in full stands for itself, so one is made and sent often. The sum behind them is
/// wrong, which nobody learns who stops in time.
fn bomb() -> io::Result<Vec<u8>> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut block = Vec::with_capacity(BOMB_BLOCK_BYTES);
    let mut deflate = flate2::Compress::new(Compression::best(), false);
    deflate
        .compress_vec(&vec![b' '; BOMB_BLOCK_BYTES], &mut block, flate2::FlushCompress::Full)
        .map_err(io::Error::other)?;
    let mut bytes = HEAD.to_vec();
    for _ in 0..BOMB_BLOCKS {
        bytes.extend(&block);
    }
    // An empty last block, then sum and size.
    bytes.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(bytes)
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
pub(super) struct Sender(pub(super) mpsc::Sender<Piece>);

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
pub(super) struct Pieces(pub(super) mpsc::Receiver<Piece>);

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
