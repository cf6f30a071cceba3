//! A peer that answers HTTP requests as a test says, byte for byte, right or wrong.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedReceiver,
    task::JoinSet,
};

/// One request as it came: the head as text, then the body.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and header lines.
    pub head: String,
    /// What followed.
    pub body: Vec<u8>,
}

impl Request {
    /// The path asked for.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// The value of a header line.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What the peer does with a request.
pub enum Answer {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes, then blanks, one at a time and for ever.
    Drip(Vec<u8>),
    /// Sends pieces as they come and closes after the last one.
    Feed(UnboundedReceiver<Vec<u8>>),
    /// Sends these bytes and then nothing, without closing.
    Hang(Vec<u8>),
}

/// A listening peer; ends when dropped.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Every request it got.
    pub requests: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

impl Peer {
    /// Listens and answers each request on a connection of its own.
    pub async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answer) = (seen.clone(), answer.clone());
                connections.spawn(async move {
                    // A client that gives up breaks the connection; that is no matter for the peer.
                    _ = serve(stream, &seen, &*answer).await;
                });
            }
        });
        Self { address, requests, _task: task }
    }

    /// How many requests it got.
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The last request.
    pub fn last(&self) -> Request {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &(impl Fn(&Request) -> Answer + ?Sized),
) -> std::io::Result<()> {
    let mut received = Vec::new();
    let head = loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    };
    let mut request = Request {
        head: String::from_utf8(received[..head].to_vec()).unwrap(),
        body: received[head..].to_vec(),
    };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.body.len() < length {
        stream.read_buf(&mut request.body).await?;
    }
    let answer = answer(&request);
    seen.lock().unwrap().push(request);
    match answer {
        Answer::Send(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Answer::Drip(bytes) => {
            for byte in bytes.into_iter().chain(std::iter::repeat(b' ')) {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Ok(())
        }
        Answer::Feed(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                stream.write_all(&piece).await?;
            }
            stream.shutdown().await
        }
        Answer::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            // Until the client closes.
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
    }
}

/// An ordinary answer.
pub fn reply(status: &str, headers: &[&str], body: &[u8]) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Answer::Send([head.as_bytes(), body].concat())
}
