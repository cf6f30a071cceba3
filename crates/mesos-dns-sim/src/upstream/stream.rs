//! Connections, plain and encrypted: many queries on each, every reply as soon as it is due.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    desk::{Desk, Say},
    plan::End,
    query::{Asked, Transport},
};

/// Replies that may wait to be written to one connection.
const REPLIES_MAX: usize = 1_000;

/// How long the writing of what is due may hold up the end of a connection.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, from)) = accepted else { continue };
        desk.log.note_connection();
        let (desk, tls) = (desk.clone(), tls.clone());
        connections.spawn(async move {
            // A peer that goes away is nobody's loss.
            _ = match tls {
                None => plain(stream, from, &desk).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, from, Transport::Tls, &desk).await.map(drop),
                    Err(error) => Err(error),
                },
            };
        });
    }
}

async fn plain(stream: TcpStream, from: SocketAddr, desk: &Desk) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let (End::Reset, stream) = talk(stream, from, Transport::Tcp, desk).await? {
        // What is closed without having been waited for is reset.
        stream.set_zero_linger()?;
    }
    Ok(())
}

/// Answers what comes on a connection until a fault or the peer ends it.
async fn talk<S>(stream: S, from: SocketAddr, transport: Transport, desk: &Desk) -> io::Result<(End, S)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut read, write) = split(stream);
    let (replies, waiting) = mpsc::channel(REPLIES_MAX);
    let mut tasks = JoinSet::new();
    let mut writing = tokio::spawn(write_all(write, waiting));
    let ended = tokio::select! {
        ended = hear(&mut read, from, transport, desk, &replies, &mut tasks) => ended,
        _ = &mut writing => return Err(io::ErrorKind::BrokenPipe.into()),
    };
    drop(replies);
    if ended.is_err() {
        tasks.shutdown().await;
    }
    let end = ended.unwrap_or(End::Closed);
    let written = timeout(LAST_WORDS, &mut writing).await;
    match written {
        Ok(Ok(Ok(write))) => Ok((end, read.unsplit(write))),
        _ => {
            writing.abort();
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
}

/// Reads queries and gives their replies to the writer, at their times.
async fn hear<S: AsyncRead>(
    read: &mut ReadHalf<S>,
    from: SocketAddr,
    transport: Transport,
    desk: &Desk,
    replies: &mpsc::Sender<Say>,
    tasks: &mut JoinSet<()>,
) -> io::Result<End> {
    loop {
        let mut message = vec![0; usize::from(read.read_u16().await?)];
        read.read_exact(&mut message).await?;
        let Some(asked) = Asked::read(&message, from, transport) else { continue };
        let outcome = desk.answer(&asked);
        for say in outcome.says {
            let replies = replies.clone();
            if say.delay.is_zero() {
                _ = replies.send(say).await;
            } else {
                tasks.spawn(async move {
                    sleep(say.delay).await;
                    _ = replies.send(say).await;
                });
            }
        }
        if outcome.end != End::Stays {
            while tasks.join_next().await.is_some() {}
            return Ok(outcome.end);
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn write_all<S: AsyncWrite>(
    mut write: WriteHalf<S>,
    mut waiting: mpsc::Receiver<Say>,
) -> io::Result<WriteHalf<S>> {
    while let Some(say) = waiting.recv().await {
        let promised = u16::try_from(say.promised).unwrap_or(u16::MAX).to_be_bytes();
        let bytes = [&promised[..], &say.bytes].concat();
        match say.drip {
            None => write.write_all(&bytes).await?,
            Some(pause) => {
                for byte in bytes {
                    write.write_all(&[byte]).await?;
                    write.flush().await?;
                    sleep(pause).await;
                }
            }
        }
        write.flush().await?;
    }
    Ok(write)
}
