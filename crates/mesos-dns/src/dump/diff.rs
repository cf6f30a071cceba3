//! `mesos-dns dump --diff`: how two zones differ.
//!
//! Both sources come in the order of a zone file, so the two are walked side by side, a name at a time: of a running server
//! no more is held than what is on its way. A zone made of a document or of what a master says is in memory anyway.

use std::{
    collections::HashSet,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use mesos_dns_core::{config::Config, wire::Name, zone::write_zone_file};
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{Dumped, Read, find, lines::Line, open, read};
use crate::{
    args::{Access, Dump, Format},
    commands::{
        api,
        terminal::{BAD, GOOD, Progress, painted, show},
    },
    daemon::run_to_end,
};

/// Records that are read ahead of each source.
const AHEAD: usize = 1024;

/// Largest line of a server, in bytes: a record with as much data as a message holds, each octet written as four.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes of differences that are written at a time.
const WRITTEN_BYTES: usize = 16 << 10;

/// A record of a source.
struct Record {
    /// By which records are in order.
    key: Box<[u8]>,
    name: Box<str>,
    what: What,
}

/// What two records of a name differ in.
#[derive(Clone, PartialEq, Eq, Hash)]
struct What {
    rtype: Box<str>,
    ttl: u32,
    data: Box<str>,
}

/// Shows how the second source differs from the first. Status 1 if it does.
///
/// # Errors
///
/// A source cannot be read.
pub(super) fn run(sources: [&str; 2], options: &Dump, config: &Config) -> anyhow::Result<ExitCode> {
    run_to_end(async {
        let progress = Progress::start(format!("comparing {} with {}", sources[0], sources[1]), "records");
        // One after the other: what a document takes at its worst is not taken twice at the same time.
        let one = Side::open(sources[0], config, &options.access).await?;
        let other = Side::open(sources[1], config, &options.access).await?;
        let count = compare(one, other, options.format, &progress).await?;
        Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Walks both; tells how many records only one has.
async fn compare(
    mut one: Side,
    mut other: Side,
    format: Format,
    progress: &Progress,
) -> anyhow::Result<usize> {
    let (mut text, mut count) = (String::new(), 0);
    let (mut left, mut right) = (one.group().await?, other.group().await?);
    loop {
        let (first, second) = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => (left.take(), None),
            (None, Some(_)) => (None, right.take()),
            (Some(here), Some(there)) => match here.key.cmp(&there.key) {
                std::cmp::Ordering::Less => (left.take(), None),
                std::cmp::Ordering::Equal => (left.take(), right.take()),
                std::cmp::Ordering::Greater => (None, right.take()),
            },
        };
        progress.add(first.iter().chain(&second).map(|group| group.all.len() as u64).sum());
        count += differ(first.as_ref(), second.as_ref(), format, &mut text);
        if first.is_some() {
            left = one.group().await?;
        }
        if second.is_some() {
            right = other.group().await?;
        }
        if text.len() >= WRITTEN_BYTES {
            if !show(&text)? {
                return Ok(count);
            }
            text.clear();
        }
    }
    show(&text)?;
    Ok(count)
}

/// Writes what only one of two has, of one name; tells how many records that are.
fn differ(one: Option<&Group>, other: Option<&Group>, format: Format, text: &mut String) -> usize {
    let set = |group: Option<&Group>| -> HashSet<What> {
        group.map(|group| group.all.iter().cloned().collect()).unwrap_or_default()
    };
    let (here, there) = (set(one), set(other));
    let mut count = 0;
    for (group, counterpart, came) in [(one, &there, false), (other, &here, true)] {
        let Some(group) = group else { continue };
        for what in group.all.iter().filter(|what| !counterpart.contains(what)) {
            count += 1;
            let (name, What { rtype, ttl, data }) = (&group.name, what);
            match format {
                Format::Zone => {
                    let (style, sign) = if came { (GOOD, '+') } else { (BAD, '-') };
                    let line = format!("{sign} {name} {ttl} IN {rtype} {data}");
                    text.push_str(&painted(style, &line));
                }
                Format::Json => {
                    let change = if came { "added" } else { "removed" };
                    let object = json!({
                        "change": change, "name": name, "type": rtype, "ttl": ttl, "data": data,
                    });
                    text.push_str(&object.to_string());
                }
            }
            text.push('\n');
        }
    }
    count
}

//------------ A source --------------------------------------------------------

/// One of the two, read as it is needed.
struct Side {
    source: String,
    records: Receiver<anyhow::Result<Record>>,
    next: Option<Record>,
}

/// All records of a name.
struct Group {
    key: Box<[u8]>,
    name: Box<str>,
    all: Vec<What>,
}

impl Side {
    async fn open(source: &str, config: &Config, access: &Access) -> anyhow::Result<Self> {
        let (sender, records) = mpsc::channel(AHEAD);
        let streamed = match api::is_url(source) {
            true => open(&find(source, config, access)?.server, "/v2/records").await?,
            false => None,
        };
        match streamed {
            Some(answer) => drop(tokio::spawn(async move {
                let _connection = answer.connection;
                if let Err(error) = send_lines(answer.response.into_body(), &sender).await {
                    let _ = sender.send(Err(error)).await;
                }
            })),
            None => {
                let Read::Zone(zone) = read(source, Format::Json, config, access).await? else {
                    bail!("{source} cannot be compared")
                };
                drop(tokio::task::spawn_blocking(move || send_zone(&zone, &sender)));
            }
        }
        Ok(Self { source: source.to_owned(), records, next: None })
    }

    /// The records of the next name; `None` at the end.
    async fn group(&mut self) -> anyhow::Result<Option<Group>> {
        let first = match self.next.take() {
            Some(record) => record,
            None => match self.record().await? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let mut group = Group { key: first.key, name: first.name, all: vec![first.what] };
        while let Some(record) = self.record().await? {
            match record.key.cmp(&group.key) {
                std::cmp::Ordering::Equal => group.all.push(record.what),
                std::cmp::Ordering::Greater => {
                    self.next = Some(record);
                    break;
                }
                std::cmp::Ordering::Less => bail!("the records of {} are in no order", self.source),
            }
        }
        Ok(Some(group))
    }

    async fn record(&mut self) -> anyhow::Result<Option<Record>> {
        let next = self.records.recv().await.transpose();
        next.with_context(|| format!("cannot read {}", self.source))
    }
}

impl Record {
    fn new(name: &str, rtype: &str, ttl: u32, data: &str) -> anyhow::Result<Self> {
        let key = Name::parse(name).with_context(|| format!("{name:?} is no name"))?.as_wire().into();
        Ok(Self { key, name: name.into(), what: What { rtype: rtype.into(), ttl, data: data.into() } })
    }
}

/// Reads what a server sends: a line about all, then one for each record.
async fn send_lines(mut body: Incoming, to: &Sender<anyhow::Result<Record>>) -> anyhow::Result<()> {
    let (mut buffer, mut is_head) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the records broke off")?;
        buffer.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
        let mut taken = 0;
        while let Some(length) = buffer[taken..].iter().position(|byte| *byte == b'\n') {
            let line = &buffer[taken..taken + length];
            taken += length + 1;
            if std::mem::take(&mut is_head) {
                continue;
            }
            let Line { name, rtype, ttl, data } =
                serde_json::from_slice(line).context("the records are not understood")?;
            if to.send(Record::new(&name, &rtype, ttl, &data)).await.is_err() {
                return Ok(());
            }
        }
        buffer.drain(..taken);
        if buffer.len() > LINE_BYTES_MAX {
            bail!("a record is too large");
        }
    }
    if is_head || !buffer.is_empty() {
        bail!("the records are cut");
    }
    Ok(())
}

/// Sends the records of a zone, as its zone file has them.
fn send_zone(dumped: &Dumped, to: &Sender<anyhow::Result<Record>>) {
    let mut lines = ZoneLines { to, line: Vec::new(), ttl: dumped.zone.soa().ttl, head: HEAD_LINES };
    // That nobody takes them any more is no failure.
    let _ = write_zone_file(&dumped.zone, &mut lines);
}

/// `$TTL`, SOA and NS: a serial is always another, and a server does not list them.
const HEAD_LINES: usize = 3;

/// Takes a zone file apart.
struct ZoneLines<'a> {
    to: &'a Sender<anyhow::Result<Record>>,
    line: Vec<u8>,
    /// Of records that have none of their own.
    ttl: u32,
    /// Lines to be left out.
    head: usize,
}

impl Write for ZoneLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                match self.head {
                    0 => {
                        let record = self.record(String::from_utf8_lossy(&line).trim_end());
                        self.to.blocking_send(record).map_err(|_| io::ErrorKind::BrokenPipe)?;
                    }
                    _ => self.head -= 1,
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ZoneLines<'_> {
    /// `name [ttl] IN type data`.
    fn record(&self, line: &str) -> anyhow::Result<Record> {
        let wrong = || format!("{line:?} is no record");
        let (front, back) = line.split_once(" IN ").with_context(wrong)?;
        let (rtype, data) = back.split_once(' ').with_context(wrong)?;
        let (name, ttl) = front.split_once(' ').unwrap_or((front, ""));
        Record::new(name, rtype, ttl.parse().unwrap_or(self.ttl), data)
    }
}
