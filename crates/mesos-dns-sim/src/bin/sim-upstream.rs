//! A simulated DNS server to forward to, with whatever faults a file says.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Parser;
use mesos_dns_sim::upstream::{Identity, Scene, Settings, Upstream, talk};

/// A simulated DNS server on 127.0.0.1, over UDP and TCP, and over TLS if it has a certificate.
///
/// It answers for example.test, and for every name below made.test: `ttl5-x`, `chain3-x`, `big200-x`, `none-x` and
/// others say themselves what is there. It takes lines: `count` tells how much it was asked, `rules [...]` puts other
/// rules in force.
#[derive(Parser)]
#[command(name = "sim-upstream")]
struct Args {
    /// Port of UDP and TCP; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 5353)]
    port: u16,
    /// What it holds and what goes wrong; see test-data/upstream
    #[arg(long, value_name = "FILE")]
    scene: Option<PathBuf>,
    /// Port of TLS; 0 lets the system choose
    #[arg(long, value_name = "PORT", requires_all = ["cert", "key"])]
    tls_port: Option<u16>,
    /// PEM file of its certificate
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file of the certificate's key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let scene = match &args.scene {
        Some(file) => Scene::read(&read(file)?).with_context(|| format!("cannot play {}", file.display()))?,
        None => Scene::ordinary(),
    };
    let tls = match (args.tls_port, &args.cert, &args.key) {
        (Some(port), Some(cert), Some(key)) => {
            Some((port, Identity { certificate: read(cert)?, key: read(key)? }))
        }
        _ => None,
    };
    let settings = Settings { port: args.port, tls, keep: 0, ..Settings::default() };
    let upstream = Upstream::start_with(&scene, settings)?;
    if !scene.about.is_empty() {
        println!("{}", scene.about);
    }
    println!("udp, tcp {}", upstream.address());
    if let Some(address) = upstream.tls_address() {
        println!("tls {address}");
    }
    talk(&upstream, io::stdin().lock(), io::stdout())?;
    // Without a terminal, or at its end, it serves until it is killed.
    loop {
        std::thread::park();
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
