//! dnsperf, and what it says.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, ensure};

use crate::rig::{LOAD_ON, pinned};

/// Queries under way at once: what one client may have outstanding with us is more.
const OUTSTANDING: &str = "100";

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) sent: f64,
    pub(crate) completed: f64,
    pub(crate) per_second: f64,
    /// Queries that were answered by SERVFAIL.
    pub(crate) failed: f64,
}

/// How long to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// So many seconds, from the beginning again and again.
    Seconds(u32),
    /// Each name once.
    Once,
    /// So many seconds, at so many queries a second.
    Rate(u32, u32),
}

/// Writes names for dnsperf; each is asked for its address.
pub(crate) fn write(file: &Path, names: impl Iterator<Item = String>) -> io::Result<PathBuf> {
    let mut out = BufWriter::new(fs::File::create(file)?);
    for name in names {
        writeln!(out, "{name} A")?;
    }
    out.flush()?;
    Ok(file.to_owned())
}

/// Asks a server for the names of a file.
pub(crate) fn run(port: u16, names: &Path, length: Length) -> anyhow::Result<Run> {
    let mut command = pinned(LOAD_ON, Path::new("dnsperf"));
    command.args(["-s", "127.0.0.1", "-p", &port.to_string(), "-d"]).arg(names);
    command.args(["-c", "20", "-T", "1", "-q", OUTSTANDING, "-t", "5"]);
    match length {
        Length::Seconds(seconds) => command.args(["-l", &seconds.to_string()]),
        Length::Once => command.args(["-n", "1"]),
        Length::Rate(seconds, rate) => command.args(["-l", &seconds.to_string(), "-Q", &rate.to_string()]),
    };
    let output = command.stderr(Stdio::inherit()).output().context("dnsperf cannot be started")?;
    ensure!(output.status.success(), "dnsperf failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |title: &str| -> Option<f64> {
        let rest = text.split(title).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let told = || format!("dnsperf says:\n{text}");
    Ok(Run {
        sent: number("Queries sent:").with_context(told)?,
        completed: number("Queries completed:").with_context(told)?,
        per_second: number("Queries per second:").with_context(told)?,
        failed: number("SERVFAIL").unwrap_or(0.0),
    })
}
