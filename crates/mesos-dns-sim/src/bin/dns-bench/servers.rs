//! The servers side by side, each with one worker on the first processor.

use std::{
    env, fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    family,
    process::{Process, free_port, start_answering},
    rivals::{self, CONNECTIONS, Identity, Place, Tls, installed},
};

use crate::{drive::Transport, master::Master};

/// Names of the servers that others are compared with.
pub(crate) const ECHO: &str = "datagram echo";
pub(crate) const KNOT: &str = "Knot";
pub(crate) const NSD: &str = "NSD";
pub(crate) const OURS: &str = "mesos-dns";

/// Where servers run, and where the load is made.
pub(crate) const SERVERS_ON: &str = "0";
pub(crate) const LOAD_ON: &str = "1";

/// A name that every cluster has.
const LEADER: &str = "leader.mesos";

/// How long a server does nothing that has settled, and how long that is waited for.
const SETTLED: Duration = Duration::from_millis(500);
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What all of them are started for.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Ours.
    pub(crate) program: &'a Path,
    /// Where files may go.
    pub(crate) folder: &'a Path,
    pub(crate) zone: &'a Path,
    /// For TLS and HTTPS.
    pub(crate) identity: Option<&'a Identity>,
    /// Answers over UDP that one network is sent in a second; 0 is a limit that nobody reaches.
    pub(crate) limit: u32,
    /// What they run under: a program and its options.
    pub(crate) under: &'a [String],
}

/// All that run; dropped, they end.
pub(crate) struct Servers {
    /// In the order in which they are asked.
    pub(crate) all: Vec<Server>,
}

/// One of them.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// Where it speaks TLS, and HTTPS.
    tls: Option<u16>,
    https: Option<u16>,
    /// What makes it read its zone anew: a command.
    again: Vec<String>,
    process: Process,
}

impl Server {
    /// Processor time so far.
    pub(crate) fn processor(&self) -> anyhow::Result<Duration> {
        Ok(family::processor(self.process.id())?)
    }

    /// Memory now, in MiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        Ok(family::resident(self.process.id())?)
    }

    /// Waits until all of it does nothing for a while, or for [`SETTLE_MAX`].
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let (began, mut before) = (Instant::now(), self.processor()?);
        while began.elapsed() < SETTLE_MAX {
            thread::sleep(SETTLED);
            let now = self.processor()?;
            if now.saturating_sub(before) < SETTLED / 10 {
                break;
            }
            before = now;
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Where it speaks this way, if it does.
    pub(crate) fn port_for(&self, transport: Transport) -> Option<u16> {
        match transport {
            Transport::Udp => Some(self.port),
            Transport::Tcp | Transport::TcpMany => Some(self.port).filter(|_| self.name != ECHO),
            Transport::Tls => self.tls,
            Transport::Https => self.https,
        }
    }

    /// Makes it read its zone anew; ours reads its configuration, as its zone comes from the master.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let [program, arguments @ ..] = &self.again[..] else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null());
        ensure!(command.status()?.success(), "{} cannot be told to reload", self.name);
        Ok(())
    }
}

impl Servers {
    pub(crate) fn start(setup: Setup<'_>, master: &mut Master) -> anyhow::Result<Self> {
        let mut all = vec![echo()?];
        all.extend(knot(setup)?);
        all.extend(nsd(setup)?);
        all.push(ours(setup, master)?);
        Ok(Self { all })
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Server> {
        self.all.iter().find(|server| server.name == name)
    }

    /// The program that is measured.
    pub(crate) fn ours(&self) -> anyhow::Result<&Server> {
        self.named(OURS).context("nothing was started")
    }
}

fn echo() -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut command = pinned(SERVERS_ON, &env::current_exe()?);
    command.args(["echo", &format!("127.0.0.1:{port}")]);
    let (process, _) = start_answering(&mut command, port, LEADER).context("the echo does not answer")?;
    Ok(Server { name: ECHO, port, tls: None, https: None, again: Vec::new(), process })
}

/// `None` if it is not installed.
pub(crate) fn knot(setup: Setup<'_>) -> anyhow::Result<Option<Server>> {
    let Some(program) = found(KNOT, rivals::KNOT) else { return Ok(None) };
    let port = free_port()?;
    let folder = setup.folder.join(format!("knot-{port}"));
    fs::create_dir_all(folder.join("knot"))?;
    let place = Place { folder: &folder, port, zone: setup.zone, limit: setup.limit, tls: None };
    let arguments = rivals::knot(place)?;
    let control = program.replace("knotd", "knotc");
    let again = [&[control], &arguments[..], &["zone-reload".to_owned(), "mesos".to_owned()]].concat();
    let process = answering(KNOT, program.as_ref(), &arguments, port, setup)?;
    Ok(Some(Server { name: KNOT, port, tls: None, https: None, again, process }))
}

/// `None` if it is not installed.
fn nsd(setup: Setup<'_>) -> anyhow::Result<Option<Server>> {
    let Some(program) = found(NSD, rivals::NSD) else { return Ok(None) };
    let port = free_port()?;
    let folder = setup.folder.join(format!("nsd-{port}"));
    fs::create_dir_all(&folder)?;
    let tls = match setup.identity {
        Some(identity) => Some(Tls { port: free_port()?, identity }),
        None => None,
    };
    let arguments = rivals::nsd(Place { folder: &folder, port, zone: setup.zone, limit: setup.limit, tls })?;
    let process = answering(NSD, program.as_ref(), &arguments, port, setup)?;
    let again = hang_up(&process);
    Ok(Some(Server { name: NSD, port, tls: tls.map(|tls| tls.port), https: None, again, process }))
}

/// As shipped: with metrics, over HTTP too, a limit of answers and a list of who may ask.
pub(crate) fn ours(setup: Setup<'_>, master: &mut Master) -> anyhow::Result<Server> {
    let port = free_port()?;
    let listen = |port: u16, protocol: &str, more: &str| {
        format!(r#"{{"address": "127.0.0.1", "port": {port}, "protocol": "{protocol}"{more}}}"#)
    };
    let mut listeners = vec![listen(port, "dns", "")];
    let (mut tls, mut https) = (None, None);
    if let Some(Identity { certificate, key }) = setup.identity {
        let files = format!(r#", "certFile": "{}", "keyFile": "{}""#, certificate.display(), key.display());
        for (place, protocol) in [(&mut tls, "tls"), (&mut https, "https")] {
            listeners.push(listen(*place.insert(free_port()?), protocol, &files));
        }
    }
    // What is still is not asked for again, or the one measurement of many would be with a load on the side.
    let updates = match master {
        Master::Live(..) => r#""updates": "events""#,
        Master::Still { .. } => r#""updates": "poll", "refreshSeconds": 86400, "staleAfterSeconds": 172800"#,
    };
    let limit = if setup.limit == 0 { 1_000_000 } else { setup.limit };
    let text = format!(
        r#"{{"masters": ["127.0.0.1:{}"], "listeners": [{}], "workers": 1, "httplistener": "127.0.0.1", "httpport": {},
        "tcpPerClient": {CONNECTIONS},
        "externalon": false, {updates}, "rateLimit": {limit}, "rateLimitExempt": [],
        "queryAllow": ["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8"]}}"#,
        master.port(),
        listeners.join(", "),
        free_port()?
    );
    let config = setup.folder.join(format!("mesos-dns-{port}.json"));
    fs::write(&config, text)?;
    let process = answering(OURS, setup.program, &[format!("-config={}", config.display())], port, setup)?;
    master.followed()?;
    let again = hang_up(&process);
    Ok(Server { name: OURS, port, tls, https, again, process })
}

fn hang_up(process: &Process) -> Vec<String> {
    ["kill", "-HUP", &process.id().to_string()].map(str::to_owned).into()
}

/// Tells those who look at its time that this file has changed.
pub(crate) fn touch(file: &Path) -> io::Result<()> {
    fs::File::options().append(true).open(file)?.set_modified(SystemTime::now())
}

fn found(name: &str, programs: &[&'static str]) -> Option<&'static str> {
    let program = installed(programs);
    if program.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    program
}

/// Starts a server on its processor and waits for its first answer.
fn answering(
    name: &'static str,
    program: &Path,
    arguments: &[String],
    port: u16,
    setup: Setup<'_>,
) -> anyhow::Result<Process> {
    let mut command = match setup.under {
        [] => pinned(SERVERS_ON, program),
        [under, options @ ..] => {
            let mut command = pinned(SERVERS_ON, under.as_ref());
            command.args(options).arg(program);
            command
        }
    };
    // A group of its own, by which those are found that nobody descends from any more.
    command.args(arguments).stdout(Stdio::null()).process_group(0);
    let started = start_answering(&mut command, port, LEADER);
    let (process, _) = started.with_context(|| format!("{name} does not answer"))?;
    Ok(process)
}

/// A command on one processor only, which ends when whoever started it does. It becomes the program, so its number is
/// the program's.
pub(crate) fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", processor]).arg(program);
    command
}
