//! Many queries to one server, a batch at a time.
//!
//! Every batch ends with a question that any of the servers answers. They take what comes over one path in its
//! order, so once that reply is here, whatever else has not been answered is never going to be: no test waits for
//! silence.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use crate::question::Question;

/// Longest wait for a reply that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Queries under way at once: their replies fit the buffer of a socket.
const BATCH: usize = 32;

/// The id of the question that ends a batch.
const LAST: u16 = 0xffff;

/// What the server said to each; `None` is silence.
pub(crate) fn ask(server: SocketAddr, questions: &[Question]) -> io::Result<Vec<Option<Vec<u8>>>> {
    let mut replies = vec![None; questions.len()];
    for is_tcp in [false, true] {
        let those: Vec<usize> = (0..questions.len()).filter(|at| questions[*at].is_tcp == is_tcp).collect();
        for batch in those.chunks(BATCH) {
            let messages: Vec<Vec<u8>> = batch.iter().map(|at| questions[*at].message(id(*at))).collect();
            let received = if is_tcp { streamed(server, &messages)? } else { datagrams(server, &messages)? };
            for reply in received {
                let found = batch.iter().find(|at| reply[..2] == id(**at).to_be_bytes());
                let at = *found.ok_or_else(|| io::Error::other("a reply to nothing"))?;
                if replies[at].replace(reply).is_some() {
                    return Err(io::Error::other("two replies to one query"));
                }
            }
        }
    }
    Ok(replies)
}

/// The id of a query by its number.
pub(crate) fn id(at: usize) -> u16 {
    (at % usize::from(LAST)) as u16
}

fn last() -> Vec<u8> {
    [&LAST.to_be_bytes()[..], b"\0\0\0\x01\0\0\0\0\0\0\x05mesos\0\0\x06\0\x01"].concat()
}

fn datagrams(server: SocketAddr, messages: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    for message in messages.iter().chain([&last()]) {
        socket.send(message)?;
    }
    let mut received = Vec::new();
    loop {
        let mut reply = vec![0; usize::from(u16::MAX)];
        let length = socket.recv(&mut reply)?;
        reply.truncate(length);
        if reply.starts_with(&LAST.to_be_bytes()) {
            return Ok(received);
        }
        received.push(reply);
    }
}

/// All of them on one connection; if a server ends that, each on its own.
fn streamed(server: SocketAddr, messages: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    if let Ok(received) = stream(server, messages) {
        return Ok(received);
    }
    let one = |message: &Vec<u8>| match stream(server, std::slice::from_ref(message)) {
        Ok(received) => Ok(received),
        Err(error) if is_closed(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let all: io::Result<Vec<_>> = messages.iter().map(one).collect();
    Ok(all?.concat())
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn stream(server: SocketAddr, messages: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let framed = |message: &Vec<u8>| [&(message.len() as u16).to_be_bytes()[..], message].concat();
    let all: Vec<u8> = messages.iter().chain([&last()]).flat_map(framed).collect();
    stream.write_all(&all)?;
    let mut received = Vec::new();
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        if reply.starts_with(&LAST.to_be_bytes()) {
            return Ok(received);
        }
        received.push(reply);
    }
}
