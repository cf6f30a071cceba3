//! `mesos-dns dump`: a zone as a zone file or JSON.
//!
//! Three sources, one way: whatever is read becomes a [`Snapshot`], and that is written. A master is read through the same
//! client that the daemon uses, a document through the same decoder; so what is dumped of these is what would be served.
//! A running server tells its records line by line, in the order of a zone file and all of one version: these lines are
//! translated as they are. Its v1 API shows addresses and services alone; it is asked for the JSON form, which is the
//! form of that API, and where a server has nothing newer: then further types and TTLs, priorities and weights of their
//! own are not dumped. Names that DNS cannot carry are not in a zone file.

mod diff;
mod lines;

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    net::IpAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{StatusCode, header::ACCEPT};
use lines::Lines;
use mesos_dns_core::{
    config::Config,
    records::{Data, Owner, Record},
    table::Seed,
    views::{Axfr, print},
    watch::{
        Master,
        poll::{Ask, Credentials, Fetch},
    },
    wire::Name,
    zone::{Serial, Snapshot, Soa, Zone, write_zone_file},
};
use serde::Deserialize;
use tracing::info;

use crate::{
    args::{Access, Common, Dump, Format},
    commands::{
        api::{self, Server},
        terminal::Progress,
    },
    configuration,
    daemon::{self, rooms},
    document::{self, Whole},
    watch::{
        auth::Auth,
        exchange::Answer,
        master::{Client, Reply},
        metrics::WatchMetrics,
        resolve::Resolver,
        tls::{self, Tls},
    },
};

/// Largest body of a running server that is read, in bytes: a zone of two million tasks.
const BODY_BYTES_MAX: usize = 2 << 30;

/// Time for a running server's answer, and for a master's.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Masters asked in turn before giving up (ruling: three hops).
const HOPS_MAX: usize = 4;

/// What is asked for: records one on each line, where the server has that.
const KINDS: &str = "application/x-ndjson, application/json;q=0.5";

/// Writes the zone of the source to standard output, or how another differs: then status 1 if it does.
///
/// # Errors
///
/// The source cannot be read, or is neither a server, a master nor a state document.
pub fn run(options: &Dump, common: &Common) -> anyhow::Result<ExitCode> {
    let config = configuration::load_or_defaults(common.config.as_deref())?;
    crate::logging::start(common.verbosity, config.log_format);
    if let Some(other) = &options.other {
        return diff::run([&options.source, other], options, &config);
    }
    let progress = Progress::start(format!("reading {}", options.source), "");
    let dumped = daemon::run_to_end(read(&options.source, options.format, &config, &options.access))?;
    drop(progress);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match (options.format, dumped) {
        (_, Read::Lines(lines)) => lines.write(&mut out),
        (Format::Zone, Read::Zone(dumped)) => write_zone_file(&dumped.zone, &mut out),
        (Format::Json, Read::Zone(dumped)) => write_json(&dumped, &mut out),
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads us has enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS).context("cannot write the zone"),
    }
}

/// What was read.
enum Read {
    /// The records of a running server.
    Lines(Lines),
    /// A zone.
    Zone(Box<Dumped>),
}

/// A zone with what the JSON form shows beside it.
struct Dumped {
    zone: Snapshot,
    mname: String,
    rname: String,
    domain: String,
    refresh_seconds: i64,
}

/// A server that may be ours or a master.
struct Found {
    server: Server,
    master: Master,
    tls: Option<Tls>,
}

fn find(source: &str, config: &Config, access: &Access) -> anyhow::Result<Found> {
    let (master, is_https) = api::place(source)?;
    let ours = Some(config).filter(|config| api::is_of(config, source));
    let tls = is_https.then(|| match &access.ca_file {
        Some(file) => tls::Settings { ca_file: Some(file.clone()), ..tls::Settings::default() },
        None => rooms::watch(config).tls.unwrap_or_default(),
    });
    let tls = tls.as_ref().map(Tls::new).transpose()?;
    let server = Server::new(master.clone(), tls.clone(), access, ours)?;
    Ok(Found { server, master, tls })
}

async fn read(source: &str, format: Format, config: &Config, access: &Access) -> anyhow::Result<Read> {
    if !api::is_url(source) {
        return Ok(Read::zone(Dumped::of(document::read(source, config)?, config)));
    }
    let Found { server, master, tls } = find(source, config, access)?;
    if let Format::Zone = format
        && let Some(body) = get(&server, "/v2/records").await?
    {
        return Lines::new(body).map(Read::Lines);
    }
    let dumped = match get(&server, "/v1/axfr").await? {
        Some(body) => {
            let shown = get(&server, "/v1/config").await?.context("the server shows no /v1/config")?;
            from_server(&body, &shown)
        }
        None => from_master(master, tls, config).await,
    };
    dumped.map(Read::zone)
}

impl Read {
    fn zone(dumped: Dumped) -> Self {
        Self::Zone(Box::new(dumped))
    }
}

/// The body at a path; `None` if the server has no such path.
async fn get(server: &Server, path: &str) -> anyhow::Result<Option<Bytes>> {
    let exchange = async {
        let Some(answer) = open(server, path).await? else { return Ok(None) };
        let body = Limited::new(answer.response.into_body(), BODY_BYTES_MAX).collect().await;
        match body {
            Ok(body) => Ok(Some(body.to_bytes())),
            Err(error) => bail!("{server} did not send all of {path}: {error}"),
        }
    };
    tokio::time::timeout(TIMEOUT, exchange).await.with_context(|| format!("{server} took too long"))?
}

/// The answer at a path, its body yet to be read; `None` if the server has no such path.
async fn open(server: &Server, path: &str) -> anyhow::Result<Option<Answer>> {
    let answer = server.open(path, &[(ACCEPT, KINDS)]).await?;
    match answer.response.status() {
        StatusCode::OK => Ok(Some(answer)),
        // What is older knows JSON alone.
        StatusCode::NOT_FOUND | StatusCode::NOT_ACCEPTABLE => Ok(None),
        StatusCode::SERVICE_UNAVAILABLE => bail!("{server} has no data yet, or is busy: try again"),
        StatusCode::UNAUTHORIZED => Err(server.wants_token()),
        status => bail!("{server} answers {status} to {path}"),
    }
}

//------------ A running server, by its v1 API --------------------------------

/// `/v1/axfr`, read back.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(rename = "TTL")]
    ttl: u32,
    serial: u32,
    refresh_seconds: i64,
    mname: String,
    rname: String,
    domain: String,
    records: Tables,
}

#[derive(Deserialize)]
struct Tables {
    #[serde(rename = "As")]
    a: BTreeMap<String, Vec<IpAddr>>,
    #[serde(rename = "AAAAs")]
    aaaa: BTreeMap<String, Vec<IpAddr>>,
    #[serde(rename = "SRVs")]
    srv: BTreeMap<String, Vec<String>>,
}

/// What of `/v1/config` is in every zone.
#[derive(Deserialize)]
struct Shown {
    #[serde(rename = "SRVRecordDefaultWeight")]
    weight: u16,
    #[serde(rename = "SOARefresh")]
    refresh: u32,
    #[serde(rename = "SOARetry")]
    retry: u32,
    #[serde(rename = "SOAExpire")]
    expire: u32,
    #[serde(rename = "SOAMinttl")]
    minimum: u32,
}

fn from_server(listing: &[u8], shown: &[u8]) -> anyhow::Result<Dumped> {
    let listing: Listing =
        serde_json::from_slice(listing).context("the server's /v1/axfr is not understood")?;
    let shown: Shown = serde_json::from_slice(shown).context("the server's /v1/config is not understood")?;
    let apex = Name::parse(&listing.domain)?;
    let mut zone = Zone::new(apex, Name::parse(&listing.mname).ok(), Seed(rand::random()));
    for (name, addresses) in listing.records.a.iter().chain(&listing.records.aaaa) {
        let owner = read_back(name);
        addresses.iter().for_each(|address| zone.add(&Record::new(&owner, *address)));
    }
    for (name, services) in &listing.records.srv {
        let owner = read_back(name);
        for service in services {
            let (target, port) =
                service.rsplit_once(':').with_context(|| format!("{service:?} has no port"))?;
            let port = port.parse().with_context(|| format!("{service:?} has no port"))?;
            zone.add(&Record::from_parts(owner.clone(), Data::service(port, read_back(target))));
        }
    }
    zone.compile();
    let soa = Soa {
        mname: Name::parse(&listing.mname)?,
        rname: Name::parse(&listing.rname)?,
        refresh: shown.refresh,
        retry: shown.retry,
        expire: shown.expire,
        // A server keeps negative answers no longer than its TTL, whatever the key says.
        minimum: shown.minimum.min(listing.ttl),
        ttl: listing.ttl,
        weight: shown.weight,
    };
    Ok(Dumped {
        zone: zone.snapshot(Arc::new(soa), Serial(listing.serial)),
        mname: listing.mname,
        rname: listing.rname,
        domain: listing.domain,
        refresh_seconds: listing.refresh_seconds,
    })
}

/// A listed name. Those made of an empty task part look like names of DNS and are none: there is nothing in front of
/// their hash, or of the underscore of their service.
fn read_back(name: &str) -> Owner {
    let is_hash = |label: &str| {
        let hash = label.strip_prefix('-').and_then(|rest| rest.split_once('-'));
        hash.is_some_and(|(hash, _)| {
            hash.len() == 5 && hash.bytes().all(|octet| octet.is_ascii_alphanumeric())
        })
    };
    let mut labels = name.split('.');
    let is_of_nothing = labels.next().is_some_and(|first| first == "_" || is_hash(first))
        || labels.next().is_some_and(|second| second == "_");
    if is_of_nothing { Owner::listed_only(name) } else { Owner::new(name) }
}

//------------ A master, a document ------------------------------------------

async fn from_master(master: Master, tls: Option<Tls>, config: &Config) -> anyhow::Result<Dumped> {
    let settings = rooms::watch(config);
    let metrics = Arc::new(WatchMetrics::default());
    let auth = Auth::new(&settings.auth, tls.clone(), metrics.clone())?;
    let client = Client::new(tls, auth, settings.limits, metrics.clone());
    let (mut master, mut credentials) = (master, Credentials::Send);
    for _ in 0..HOPS_MAX {
        let deadline = Instant::now() + TIMEOUT;
        let fetch = Fetch { master: master.clone(), ask: Ask::State, credentials, deadline };
        match client.fetch(&fetch, |_| false).await.with_context(|| format!("no state from {master}"))? {
            Reply::Document(document) => {
                let masters = document::masters(&document, config);
                let names = crate::watch::host_names(&document, &masters);
                let resolved = Resolver::new(metrics).resolve(names).await;
                return Ok(Dumped::of((*document, masters, resolved.hosts), config));
            }
            Reply::Elsewhere(leader) => {
                info!(%leader, "sent on");
                (master, credentials) = (leader, Credentials::Withhold);
            }
            Reply::NoStream(_) | Reply::Subscribed(_) => bail!("{master} answers what was not asked"),
        }
    }
    bail!("the masters send us in circles, last to {master}")
}

impl Dumped {
    /// What would be served of a document.
    fn of(whole: Whole, config: &Config) -> Self {
        Self {
            zone: document::serve(whole, config).zone,
            mname: config.soa_mname.clone(),
            rname: config.soa_rname.clone(),
            domain: config.domain.clone(),
            refresh_seconds: i64::try_from(config.refresh_seconds.as_secs()).unwrap_or(i64::MAX),
        }
    }
}

fn write_json(dumped: &Dumped, out: &mut dyn Write) -> io::Result<()> {
    let axfr = Axfr {
        ttl: dumped.zone.soa().ttl,
        serial: dumped.zone.serial(),
        refresh_seconds: dumped.refresh_seconds,
        mname: &dumped.mname,
        rname: &dumped.rname,
        domain: &dumped.domain,
        zone: &dumped.zone,
    };
    print(&mut *out, &axfr)?;
    out.write_all(b"\n")
}
