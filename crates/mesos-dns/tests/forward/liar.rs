//! A server that says what the test wants: wrong, twice, cut, from elsewhere.

#![allow(dead_code, reason = "each test that shares this file uses its part of it")]

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use mesos_dns_core::forward::Transport;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// A server on one port for UDP and TCP; ends when dropped.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

/// A query as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) message: Vec<u8>,
    pub(crate) from: SocketAddr,
    pub(crate) transport: Transport,
}

/// What the server does about a query. It does all that the script lists, in order; over TCP it then closes.
pub(crate) enum Say {
    Reply(Vec<u8>),
    /// Over UDP, from another port.
    FromElsewhere(Vec<u8>),
}

type Script = Arc<dyn Fn(&Asked) -> Vec<Say> + Send + Sync>;

impl Liar {
    /// Starts a server that follows a script.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(script);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, script.clone(), seen.clone()));
        tasks.spawn(serve_tcp(tcp, script, seen.clone()));
        Self { address, seen, _tasks: tasks }
    }

    /// Starts a server that asks another for each answer, many at a time, over UDP only.
    pub(crate) async fn relay<F: Future<Output = Vec<u8>> + Send + 'static>(
        ask: impl Fn(Vec<u8>) -> F + Send + 'static,
    ) -> Self {
        let udp = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = udp.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let log = seen.clone();
        tasks.spawn(async move {
            let mut relayed = JoinSet::new();
            loop {
                let asked = receive(&udp).await;
                log.lock().unwrap().push(asked.clone());
                let (udp, answer) = (udp.clone(), ask(asked.message));
                relayed.spawn(async move { drop(udp.send_to(&answer.await, asked.from).await) });
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    /// The queries so far.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    /// How they came.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        self.seen().iter().map(|asked| asked.transport).collect()
    }
}

impl Asked {
    pub(crate) fn id(&self) -> u16 {
        u16::from_be_bytes([self.message[0], self.message[1]])
    }

    /// The name that is asked for, in lower case with a dot at its end.
    pub(crate) fn name(&self) -> String {
        let end = self.message[12..].iter().position(|octet| *octet == 0).unwrap();
        let name = mesos_dns_core::wire::Name::from_wire(&self.message[12..=12 + end]);
        name.unwrap().to_string()
    }

    pub(crate) fn has_opt(&self) -> bool {
        self.message[11] == 1
    }

    /// Header and question of a reply.
    fn head(&self, flags: [u8; 2]) -> Vec<u8> {
        let name = self.message[12..].iter().position(|octet| *octet == 0).unwrap();
        let mut reply = self.message[..12 + name + 5].to_vec();
        reply[2..4].copy_from_slice(&flags);
        reply[6..12].fill(0);
        reply
    }

    /// A reply with so many addresses.
    pub(crate) fn answer(&self, count: u8) -> Vec<u8> {
        let mut reply = self.head([0x81, 0x80]);
        reply[7] = count;
        for n in 0..count {
            reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02");
            reply.push(n);
        }
        reply
    }

    /// The same with TC.
    pub(crate) fn truncated(&self, count: u8) -> Vec<u8> {
        let mut reply = self.answer(count);
        reply[2] |= 2;
        reply
    }

    /// A reply with an error.
    pub(crate) fn error(&self, rcode: u8) -> Vec<u8> {
        self.head([0x81, 0x80 | rcode])
    }

    /// A header with an error and nothing else.
    pub(crate) fn bare(&self, rcode: u8) -> Vec<u8> {
        let mut reply = self.error(rcode);
        reply.truncate(12);
        reply[5] = 0;
        reply
    }
}

/// The next query on a socket.
pub(crate) async fn receive(socket: &UdpSocket) -> Asked {
    let mut buffer = vec![0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    buffer.truncate(length);
    Asked { message: buffer, from, transport: Transport::Udp }
}

/// A port that is free for both.
pub(crate) async fn bind() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, script: Script, seen: Arc<Mutex<Vec<Asked>>>) {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    loop {
        let asked = receive(&socket).await;
        seen.lock().unwrap().push(asked.clone());
        for say in script(&asked) {
            // The asker may be gone already.
            _ = match say {
                Say::Reply(reply) => socket.send_to(&reply, asked.from).await,
                Say::FromElsewhere(reply) => elsewhere.send_to(&reply, asked.from).await,
            };
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Script, seen: Arc<Mutex<Vec<Asked>>>) {
    loop {
        let (mut stream, from) = listener.accept().await.unwrap();
        let message = read(&mut stream).await;
        let asked = Asked { message, from, transport: Transport::Tcp };
        seen.lock().unwrap().push(asked.clone());
        for say in script(&asked) {
            let Say::Reply(reply) = say else { continue };
            stream.write_u16(reply.len() as u16).await.unwrap();
            _ = stream.write_all(&reply).await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut message = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut message).await.unwrap();
    message
}
