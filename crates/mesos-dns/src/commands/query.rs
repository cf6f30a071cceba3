//! `mesos-dns query`: a small `dig`.
//!
//! Asks with EDNS over UDP, three times before it gives up, and over TCP what does not fit. It shows what came, how long
//! that took, and why the answer is what it is where the server tells (RFC 8914).

use std::{
    fmt::Write,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use domain::{
    base::{
        Message, MessageBuilder, Name, Rtype,
        iana::{OptRcode, Rcode},
        message::RecordSection,
    },
    rdata::AllRecordData,
};
use mesos_dns_core::{config::Config, explain};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    print_json,
    terminal::{BAD, FAINT, GOOD, ODD, Progress, painted, show},
};
use crate::{
    args::{Common, Output, Query},
    configuration,
    daemon::run_to_end,
};

/// What we take over UDP, in bytes: what crosses every network in one piece (DNS flag day 2020).
const PAYLOAD_BYTES: u16 = 1232;

/// How often a question is sent over UDP.
const TRIES: u32 = 3;

/// Port of DNS.
const PORT: u16 = 53;

/// What is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    server: SocketAddr,
    transport: &'static str,
    /// Time from the last question to its answer.
    milliseconds: f64,
    /// Size of the answer.
    bytes: usize,
    rcode: String,
    flags: Vec<&'static str>,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
    /// Why the answer is what it is.
    errors: Vec<Extended>,
}

/// A record.
#[derive(Serialize)]
struct Record {
    name: String,
    ttl: u32,
    #[serde(rename = "type")]
    rtype: String,
    data: String,
}

/// An extended DNS error.
#[derive(Serialize)]
struct Extended {
    code: u16,
    meaning: String,
    text: String,
}

/// Asks, and shows what comes. Status 1 if that is an error.
///
/// # Errors
///
/// The question is none, or nobody answers it.
pub fn run(options: &Query, common: &Common) -> anyhow::Result<ExitCode> {
    let words = Words::of(options)?;
    let question = explain::Question::read(words.name, words.rtype, None, 0)?;
    let server = server(words.server, options.port, common)?;
    let message = message(&question, !options.no_recursion)?;
    let progress = Progress::start(format!("asking {server}"), "");
    let heard = run_to_end(ask(server, &message, options.tcp, Duration::from_secs_f64(options.timeout)))?;
    drop(progress);
    let told = read(&question, server, &heard)?;
    match options.output {
        Output::Table => drop(show(&page(&told))?),
        Output::Json => print_json(&told)?,
    }
    let is_answer = ["NOERROR", "NXDOMAIN"].contains(&told.rcode.as_str());
    Ok(if is_answer { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//------------ The question ----------------------------------------------------

/// The words of the command line in their order, wherever the server stands.
struct Words<'a> {
    name: &'a str,
    rtype: Option<&'a str>,
    server: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(options: &'a Query) -> anyhow::Result<Self> {
        let all = [Some(&options.name), options.rtype.as_ref(), options.server.as_ref()];
        let (servers, others): (Vec<&str>, Vec<&str>) =
            all.into_iter().flatten().map(String::as_str).partition(|word| word.starts_with('@'));
        match (&*servers, &*others) {
            ([] | [_], [name, rest @ ..]) if rest.len() < 2 => {
                let server = servers.first().and_then(|word| word.strip_prefix('@'));
                Ok(Self { name, rtype: rest.first().copied(), server })
            }
            _ => bail!("write a name, a type if you like, and one server as @SERVER"),
        }
    }
}

/// Whom to ask.
fn server(written: Option<&str>, port: Option<u16>, common: &Common) -> anyhow::Result<SocketAddr> {
    let found = match written {
        Some(written) => look_up(written)?,
        None if common.config.is_none() && fs::metadata(common.config_path()).is_err() => {
            SocketAddr::new(first_of_system()?, PORT)
        }
        None => {
            let config = configuration::load(common.config_path())?;
            let none = || format!("{} serves no DNS: name a server as @SERVER", common.config_path());
            listener(&config).with_context(none)?
        }
    };
    Ok(SocketAddr::new(found.ip(), port.unwrap_or(found.port())))
}

fn look_up(written: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = written.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let has_port = written.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let found = if has_port { written.to_socket_addrs() } else { (written, PORT).to_socket_addrs() };
    let mut found = found.with_context(|| format!("cannot look up {written:?}"))?;
    found.next().with_context(|| format!("{written:?} has no address"))
}

/// Where a server of this configuration answers.
pub(super) fn listener(config: &Config) -> Option<SocketAddr> {
    let plain = |listener: &&mesos_dns_core::config::Listener| {
        listener.protocol == mesos_dns_core::config::Protocol::Dns
    };
    let at = config.listeners.iter().find(plain).filter(|_| config.dns_on)?.address;
    Some(match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, at.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, at.port()).into(),
        _ => at,
    })
}

/// The first server of the system.
fn first_of_system() -> anyhow::Result<IpAddr> {
    let text =
        configuration::resolv_conf().map_err(|reason| anyhow::anyhow!("no /etc/resolv.conf: {reason}"))?;
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let first = servers.find_map(|rest| rest.trim().parse().ok());
    first.context("/etc/resolv.conf names no server: name one as @SERVER")
}

fn message(question: &explain::Question, asks_others: bool) -> anyhow::Result<Vec<u8>> {
    let name = Name::from_octets(question.name.as_wire().to_vec()).context("the name is none")?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(rand::random());
    builder.header_mut().set_rd(asks_others);
    let mut builder = builder.question();
    builder.push((name, Rtype::from_int(question.rtype)))?;
    let mut builder = builder.additional();
    builder.opt(|opt| {
        opt.set_udp_payload_size(PAYLOAD_BYTES);
        Ok(())
    })?;
    Ok(builder.finish())
}

//------------ Asking ----------------------------------------------------------

/// An answer as it came.
pub(super) struct Heard {
    bytes: Vec<u8>,
    transport: &'static str,
    took: Duration,
}

async fn ask(server: SocketAddr, message: &[u8], only_tcp: bool, wait: Duration) -> anyhow::Result<Heard> {
    let heard = if only_tcp { None } else { Some(over_udp(server, message, wait).await?) };
    match heard {
        // The TC bit.
        Some(heard) if heard.bytes.get(2).is_none_or(|flags| flags & 0x02 == 0) => Ok(heard),
        _ => over_tcp(server, message, wait).await,
    }
}

pub(super) async fn over_udp(server: SocketAddr, message: &[u8], wait: Duration) -> anyhow::Result<Heard> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..TRIES {
        let began = Instant::now();
        let answered = async {
            socket.send(message).await?;
            loop {
                let length = socket.recv(&mut buffer).await?;
                if belongs(&buffer[..length], message) {
                    return Ok::<_, io::Error>(length);
                }
            }
        };
        match timeout(wait, answered).await {
            Ok(length) => {
                let length = length.with_context(|| format!("nobody answers at {server} over UDP"))?;
                let bytes = buffer[..length].to_vec();
                return Ok(Heard { bytes, transport: "UDP", took: began.elapsed() });
            }
            Err(_) => continue,
        }
    }
    bail!("no answer from {server} over UDP, {TRIES} times in {} s each", wait.as_secs_f64())
}

pub(super) async fn over_tcp(server: SocketAddr, message: &[u8], wait: Duration) -> anyhow::Result<Heard> {
    let began = Instant::now();
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = timeout(wait, exchange).await;
    let bytes = bytes.with_context(|| format!("no answer from {server} over TCP"))?;
    let bytes = bytes.with_context(|| format!("nobody answers at {server} over TCP"))?;
    if !belongs(&bytes, message) {
        bail!("{server} answers what was not asked");
    }
    Ok(Heard { bytes, transport: "TCP", took: began.elapsed() })
}

/// Whether a message answers another one.
fn belongs(bytes: &[u8], message: &[u8]) -> bool {
    bytes.len() >= 12 && bytes.get(..2) == message.get(..2) && bytes[2] & 0x80 != 0
}

//------------ The answer ------------------------------------------------------

fn read(question: &explain::Question, server: SocketAddr, heard: &Heard) -> anyhow::Result<Told> {
    let message = Message::from_octets(heard.bytes.as_slice()).context("what came is no DNS message")?;
    let header = message.header();
    let opt = message.opt();
    let rcode = match &opt {
        Some(opt) => opt.rcode(header),
        None => OptRcode::from_rcode(header.rcode()),
    };
    let errors = opt.iter().flat_map(|opt| opt.opt().iter::<domain::base::opt::ExtendedError<_>>()).flatten();
    let errors = errors.map(|error| Extended {
        code: error.code().to_int(),
        meaning: error.code().to_string(),
        text: String::from_utf8_lossy(error.text_slice().unwrap_or_default()).into_owned(),
    });
    let flags = [
        (header.aa(), "aa"),
        (header.tc(), "tc"),
        (header.rd(), "rd"),
        (header.ra(), "ra"),
        (header.ad(), "ad"),
    ];
    Ok(Told {
        name: question.name.to_string(),
        rtype: Rtype::from_int(question.rtype).to_string(),
        server,
        transport: heard.transport,
        milliseconds: (heard.took.as_secs_f64() * 1e6).round() / 1e3,
        bytes: heard.bytes.len(),
        rcode: rcode_text(rcode),
        flags: flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect(),
        errors: errors.collect(),
        answers: records(message.answer()?)?,
        authorities: records(message.authority()?)?,
        additionals: records(message.additional()?)?,
    })
}

fn rcode_text(rcode: OptRcode) -> String {
    match Rcode::checked_from_int(u8::try_from(rcode.to_int()).unwrap_or(u8::MAX)) {
        Some(rcode) => rcode.to_string(),
        None => rcode.to_string(),
    }
}

fn records(section: RecordSection<'_, &[u8]>) -> anyhow::Result<Vec<Record>> {
    let mut all = Vec::new();
    for record in section.limit_to::<AllRecordData<_, _>>() {
        let record = record.context("a record cannot be read")?;
        if record.rtype() == Rtype::OPT {
            continue;
        }
        all.push(Record {
            name: absolute(&record.owner().to_string()),
            ttl: record.ttl().as_secs(),
            rtype: record.rtype().to_string(),
            data: data(record.data()),
        });
    }
    Ok(all)
}

/// The data as a zone file has it; names are absolute.
fn data<O: AsRef<[u8]>, N: std::fmt::Display>(data: &AllRecordData<O, N>) -> String
where
    AllRecordData<O, N>: std::fmt::Display,
{
    match data {
        AllRecordData::Srv(srv) => {
            let target = absolute(&srv.target().to_string());
            format!("{} {} {} {target}", srv.priority(), srv.weight(), srv.port())
        }
        AllRecordData::Ptr(ptr) => absolute(&ptr.ptrdname().to_string()),
        AllRecordData::Cname(cname) => absolute(&cname.cname().to_string()),
        AllRecordData::Ns(ns) => absolute(&ns.nsdname().to_string()),
        other => other.to_string(),
    }
}

fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// Everything as a page.
fn page(told: &Told) -> String {
    let mut text = String::new();
    for (title, section) in
        [("", &told.answers), ("authority", &told.authorities), ("additional", &told.additionals)]
    {
        if !title.is_empty() && !section.is_empty() {
            let _ = writeln!(text, "{}", painted(FAINT, title));
        }
        let width = section.iter().map(|record| record.name.len()).max().unwrap_or_default();
        for Record { name, ttl, rtype, data } in section {
            let _ = writeln!(text, "{name:<width$}  {ttl:>6}  {rtype:<6}  {data}");
        }
    }
    let style = match (told.rcode.as_str(), told.answers.is_empty()) {
        ("NOERROR", false) => GOOD,
        ("NOERROR" | "NXDOMAIN", _) => ODD,
        _ => BAD,
    };
    let meaning = match (told.rcode.as_str(), told.answers.len()) {
        ("NOERROR", 0) => format!("the name has no {}", told.rtype),
        ("NOERROR", 1) => "1 answer".to_owned(),
        ("NOERROR", count) => format!("{count} answers"),
        ("NXDOMAIN", _) => "there is no such name".to_owned(),
        _ => "no answer".to_owned(),
    };
    let _ = writeln!(text, "{}: {meaning}; flags {}", painted(style, &told.rcode), told.flags.join(" "));
    for Extended { code, meaning, text: words } in &told.errors {
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        let _ = writeln!(text, "{}: {meaning} (EDE {code}){words}", painted(ODD, "why"));
    }
    let Told { milliseconds, transport, server, bytes, .. } = told;
    let by = format!("{milliseconds:.1} ms over {transport} from {server}, {bytes} bytes");
    let _ = writeln!(text, "{}", painted(FAINT, &by));
    text
}
