//! A small DNS client, and a smaller HTTP one, for tests and the demonstration.
//!
//! It asks exactly what it is told and shows exactly what came: no retries, no fallback to TCP, no cache.

use std::{fmt::Display, io, net::SocketAddr, time::Duration};

use axum::{
    body::Body,
    http::{Request, Response, header, request},
};
use bytes::Bytes;
use domain::{
    base::{
        Message, MessageBuilder, Name,
        iana::{Rcode, Rtype},
        wire::ParseError,
    },
    rdata::AllRecordData,
};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rand::RngExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// Longest wait for any answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest HTTP body that is read.
pub const HTTP_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One question and how to put it.
#[derive(Clone, Debug)]
pub struct Query {
    name: String,
    rtype: Rtype,
    recursion_desired: bool,
    edns: Option<Edns>,
}

/// What stands in the OPT record.
#[derive(Clone, Copy, Debug)]
struct Edns {
    payload_bytes: u16,
    dnssec_ok: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer(pub Message<Bytes>);

impl Query {
    /// A plain question, as old clients ask it: no EDNS, recursion desired.
    pub fn new(name: impl Into<String>, rtype: Rtype) -> Self {
        Self { name: name.into(), rtype, recursion_desired: true, edns: None }
    }

    /// The same with EDNS and this payload size.
    pub fn edns(self, payload_bytes: u16) -> Self {
        Self { edns: Some(Edns { payload_bytes, dnssec_ok: false }), ..self }
    }

    /// The same with the DO bit set, which needs EDNS.
    pub fn dnssec_ok(self) -> Self {
        let payload_bytes = self.edns.map_or(1232, |edns| edns.payload_bytes);
        Self { edns: Some(Edns { payload_bytes, dnssec_ok: true }), ..self }
    }

    /// The same without asking for recursion.
    pub fn no_recursion(self) -> Self {
        Self { recursion_desired: false, ..self }
    }

    /// The message with this id.
    pub fn message(&self, id: u16) -> io::Result<Vec<u8>> {
        let name: Name<Vec<u8>> = self.name.parse().map_err(invalid)?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(self.recursion_desired);
        let mut builder = builder.question();
        builder.push((name, self.rtype)).map_err(invalid)?;
        let mut builder = builder.additional();
        if let Some(edns) = self.edns {
            let pushed = builder.opt(|opt| {
                opt.set_udp_payload_size(edns.payload_bytes);
                opt.set_dnssec_ok(edns.dnssec_ok);
                Ok(())
            });
            pushed.map_err(invalid)?;
        }
        Ok(builder.finish())
    }
}

/// Asks over UDP.
pub async fn udp(server: SocketAddr, query: &Query) -> io::Result<Answer> {
    let message = query.message(rand::rng().random())?;
    let reply = udp_bytes(server, &message, TIMEOUT).await?;
    checked(&message, reply.ok_or(io::ErrorKind::TimedOut)?)
}

/// Asks over TCP, on a connection of its own.
pub async fn tcp(server: SocketAddr, query: &Query) -> io::Result<Answer> {
    let message = query.message(rand::rng().random())?;
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&framed(&message)).await?;
        let mut reply = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut reply).await?;
        Ok::<_, io::Error>(reply)
    };
    checked(&message, timeout(TIMEOUT, exchange).await??)
}

/// Sends any bytes over UDP and waits that long for a reply; `None` is silence.
pub async fn udp_bytes(server: SocketAddr, bytes: &[u8], wait: Duration) -> io::Result<Option<Vec<u8>>> {
    let local = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut reply = vec![0; usize::from(u16::MAX)];
    match timeout(wait, socket.recv(&mut reply)).await {
        Ok(received) => {
            reply.truncate(received?);
            Ok(Some(reply))
        }
        Err(_) => Ok(None),
    }
}

/// A message with its length in front, as TCP carries it.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], message].concat()
}

/// GET over plain HTTP; `target` is path and query. Headers are those given, and `Host`.
pub async fn http(server: SocketAddr, target: &str, headers: &[(&str, &str)]) -> io::Result<Response<Bytes>> {
    send(server, Request::get(target), headers, Body::empty()).await
}

/// POST over plain HTTP, likewise.
pub async fn post(
    server: SocketAddr,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response<Bytes>> {
    send(server, Request::post(target), headers, Body::from(body.to_owned())).await
}

async fn send(
    server: SocketAddr,
    request: request::Builder,
    headers: &[(&str, &str)],
    body: Body,
) -> io::Result<Response<Bytes>> {
    let mut request = request.header(header::HOST, server.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).map_err(invalid)?;
    let exchange = async {
        let stream = TcpStream::connect(server).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(invalid)?;
        let serving = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(invalid)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, HTTP_BODY_BYTES_MAX).collect().await.map_err(invalid)?.to_bytes();
        serving.abort();
        Ok(Response::from_parts(parts, body))
    };
    timeout(TIMEOUT, exchange).await?
}

impl Answer {
    /// How it went.
    pub fn rcode(&self) -> Rcode {
        self.0.header().rcode()
    }

    /// The answer section, a record per entry, as `dig` prints it but with single blanks, and no dot at the end of
    /// names in the data.
    pub fn answers(&self) -> Result<Vec<String>, ParseError> {
        lines(self.0.answer()?)
    }

    /// The authority section, likewise.
    pub fn authorities(&self) -> Result<Vec<String>, ParseError> {
        lines(self.0.authority()?)
    }

    /// The additional section, likewise, OPT included.
    pub fn additionals(&self) -> Result<Vec<String>, ParseError> {
        lines(self.0.additional()?)
    }
}

fn lines(section: domain::base::message::RecordSection<'_, Bytes>) -> Result<Vec<String>, ParseError> {
    let records = section.limit_to::<AllRecordData<_, _>>();
    records.map(|record| record.map(|record| record.to_string())).collect()
}

/// The reply, if it is one to this query: same id, same question letter for letter.
fn checked(query: &[u8], reply: Vec<u8>) -> io::Result<Answer> {
    let asked = Message::from_octets(query).map_err(|_| invalid("query is no message"))?;
    let message = Message::from_octets(Bytes::from(reply)).map_err(|_| invalid("reply is no message"))?;
    if message.header().id() != asked.header().id() || !message.header().qr() {
        return Err(invalid("reply does not belong to the query"));
    }
    let question = ..asked.answer().map_err(invalid)?.pos();
    if query.get(question).map(|question| &question[12..]) != message.as_slice().get(12..question.end) {
        return Err(invalid("reply has another question"));
    }
    Ok(Answer(message))
}

fn invalid(error: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
