//! `mesos-dns demo`: the real program in front of a simulated cluster.
//!
//! The cluster and its masters come from `mesos-dns-sim` and run in this process; the daemon is the one that
//! `serve` runs, with a configuration as an operator would write it, and reads the masters over loopback HTTP
//! as it would any others. So what is seen here is what is got, and the printed configuration gives a second
//! process the very same zone.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use mesos_dns_core::{config::LogFormat, zone::Snapshot};
use mesos_dns_sim::{
    clock,
    life::{self, Change, Life},
    master::{Masters, Settings},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Common, Demo},
    configuration,
    daemon::{self, Addresses},
    logging,
    publish::Board,
    system::{self, Protocol},
};

/// Longest wait for the first version of the zone; reading 100,000 tasks takes a few seconds.
const FIRST_DATA_MAX: Duration = Duration::from_secs(120);

/// Runs the demonstration until a signal ends it.
///
/// # Errors
///
/// A port is taken; who has it and how to choose another is said.
pub fn run(options: &Demo, common: &Common) -> anyhow::Result<()> {
    logging::start(common.verbosity, LogFormat::Text);
    daemon::run_to_end(demonstrate(options))
}

async fn demonstrate(options: &Demo) -> anyhow::Result<()> {
    probe(options)?;
    let settings = life::Settings { seed: options.seed, tasks: options.tasks, churn: options.churn };
    let (life, cluster) = Life::new(settings, clock::now());
    let masters = Masters::start(cluster, Settings { ports: vec![0, 0], ..Settings::default() })
        .await
        .context("the simulated masters cannot start")?;
    let file = file(&masters, options.dns_port, options.http_port);
    let config = configuration::from_bytes("demo", file.as_bytes())?;
    let reload = {
        let config = config.clone();
        Box::new(move || Ok(config.clone()))
    };
    let shutdown = CancellationToken::new();
    let (started, serving) = oneshot::channel();
    let served = daemon::serve(config, reload, shutdown.clone(), |addresses, board| {
        let _ = started.send((addresses, board));
    });
    let shown = async {
        // The other half ends when the daemon fails to start, which tells why.
        let Ok((addresses, board)) = serving.await else { return std::future::pending().await };
        first_data(&board).await?;
        introduce(options, &masters, &addresses, &board.load().zone);
        let born = clock::now();
        clock::live(&masters, life, |change| tell(born, change)).await;
        std::future::pending().await
    };
    tokio::select! {
        ended = served => ended,
        failed = shown => failed,
    }
}

/// Finds out before anything is started whether the ports are free. The daemon would notice too, but knows
/// nothing of this command's options.
fn probe(options: &Demo) -> anyhow::Result<()> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tries = [
        (options.dns_port, Protocol::Udp, "--dns-port", UdpSocket::bind(at(options.dns_port)).err()),
        (options.dns_port, Protocol::Tcp, "--dns-port", TcpListener::bind(at(options.dns_port)).err()),
        (options.http_port, Protocol::Tcp, "--http-port", TcpListener::bind(at(options.http_port)).err()),
    ];
    for (port, protocol, flag, error) in tries {
        let Some(error) = error else { continue };
        let transport = if protocol == Protocol::Udp { "UDP" } else { "TCP" };
        let holder = match system::holder(port, protocol) {
            Some(holder) => format!("it is held by {} (process {})", holder.command, holder.pid),
            None => error.to_string(),
        };
        bail!("{transport} port {port} cannot be had: {holder}; choose another with {flag} PORT");
    }
    Ok(())
}

/// A complete configuration for these masters. Other names are not forwarded: the demonstration stays on this machine.
fn file(masters: &Masters, dns_port: u16, http_port: u16) -> String {
    format!(
        r#"{{
  "masters": ["{}", "{}"],
  "refreshSeconds": 1,
  "listener": "127.0.0.1",
  "port": {dns_port},
  "httpListener": "127.0.0.1",
  "httpPort": {http_port},
  "externalOn": false
}}"#,
        masters.address(0),
        masters.address(1),
    )
}

/// Waits until there is a zone to show.
async fn first_data(board: &Board) -> anyhow::Result<()> {
    let mut version = board.subscribe();
    let loaded = async {
        while !board.load().zone.is_loaded() {
            version.changed().await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(FIRST_DATA_MAX, loaded).await.context("the simulated cluster could not be read")?
}

/// Says what runs where, and what to try.
fn introduce(options: &Demo, masters: &Masters, addresses: &Addresses, zone: &Arc<Snapshot>) {
    let dns = addresses.dns.first().map_or(options.dns_port, |address| address.port());
    let http = addresses.http.map_or(options.http_port, |address| address.port());
    say(&format!(
        "A simulated Mesos cluster with {} tasks is running. Its leading master: http://{}/master/state",
        masters.cluster().tasks.len(),
        masters.address(0),
    ));
    say(&format!(
        "mesos-dns answers for it: DNS on 127.0.0.1:{dns} (UDP and TCP), HTTP on 127.0.0.1:{http}.\n"
    ));
    say("Try, in another terminal:\n");
    for command in commands(zone, dns, http) {
        say(&format!("  {command}"));
    }
    // A second process needs ports of its own.
    let next = |port: u16| if port == 0 { 0 } else { port.wrapping_add(1).max(1024) };
    let second = file(masters, next(options.dns_port), next(options.http_port));
    say(
        "\nThe same zone from a process of its own: save this as config.json, run `mesos-dns -config=config.json`,",
    );
    say(&format!("and compare `contentHash` in /ready; here it is {:016x} now.\n", zone.content_hash()));
    say(&format!("{second}\n"));
    say(if options.churn > 0.0 {
        "What happens in the cluster (Ctrl-C ends it):\n"
    } else {
        "Nothing will happen in this cluster (--churn 0). Ctrl-C ends it.\n"
    });
}

/// Five commands whose names exist in this zone.
fn commands(zone: &Snapshot, dns: u16, http: u16) -> [String; 5] {
    // The first service of each framework has these names under every seed; an empty cluster has its leader.
    let first = |names: [&'static str; 2]| {
        let exists = |name: &&str| zone.listed(&format!("{name}.")).is_some();
        names.into_iter().find(exists).unwrap_or(names[1])
    };
    let host = first(["web.shop.marathon.mesos", "leader.mesos"]);
    let service = first(["_hello.prod.www-data._tcp.aurora.mesos", "_leader._tcp.mesos"]);
    let listed = first(["_web.shop._tcp.marathon.mesos", "_leader._tcp.mesos"]);
    let dual = zone.listed(&format!("{host}.")).is_some_and(|listed| !listed.aaaa.is_empty());
    [
        format!("dig @127.0.0.1 -p {dns} {host}"),
        format!("dig @127.0.0.1 -p {dns} +tcp {host} {}", if dual { "AAAA" } else { "A" }),
        format!("dig @127.0.0.1 -p {dns} {service} SRV"),
        format!("curl http://127.0.0.1:{http}/v1/services/{listed}"),
        format!("curl http://127.0.0.1:{http}/ready"),
    ]
}

/// One line for one change.
fn tell(born: Duration, change: &Change) {
    let seconds = change.at.saturating_sub(born).as_secs_f64();
    say(&format!("{seconds:8.1} s  {change}"));
}

/// Prints a line. That nobody reads it to the end is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
