//! The servers side by side, each with one worker on the first processor.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    family,
    process::{Process, Queue, free_port, start_answering},
    rivals::{self, Place, installed},
};

/// Names of the servers that others are compared with.
pub(crate) const ECHO: &str = "datagram echo";
pub(crate) const KNOT: &str = "Knot";

/// Where servers run, and where the load is made.
const SERVERS_ON: &str = "0";
pub(crate) const LOAD_ON: &str = "1";

/// A name that every cluster has.
const LEADER: &str = "leader.mesos";

/// All that run; dropped, they end.
pub(crate) struct Servers {
    /// In the order in which they are asked.
    pub(crate) all: Vec<Server>,
    _master: Process,
}

/// One of them.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
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
}

impl Servers {
    pub(crate) fn start(program: &Path, document: &Path, folder: &Path, zone: &Path) -> anyhow::Result<Self> {
        let myself = env::current_exe()?;
        let document = document.display().to_string();
        let (master, mut lines) = Process::talk(&myself, &["master", &document], Queue::Middle)?;
        let master_port = lines.hear("port")?.parse().context("the master said no port")?;
        let mut all = vec![echo(&myself)?];
        for (name, programs, write) in [
            (KNOT, rivals::KNOT, rivals::knot as fn(Place<'_>) -> std::io::Result<Vec<String>>),
            ("NSD", rivals::NSD, rivals::nsd),
        ] {
            let Some(program) = installed(programs) else {
                eprintln!("skipped: {name} is not installed");
                continue;
            };
            let folder = folder.join(name);
            fs::create_dir_all(&folder)?;
            let port = free_port()?;
            let arguments = write(Place { folder: &folder, port, zone })?;
            all.push(answering(name, Path::new(program), &arguments, port)?);
        }
        all.push(ours(program, folder, master_port)?);
        Ok(Self { all, _master: master })
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Server> {
        self.all.iter().find(|server| server.name == name)
    }

    /// The program that is measured.
    pub(crate) fn ours(&self) -> anyhow::Result<&Server> {
        self.all.last().context("nothing was started")
    }
}

/// The zone of a state document, for the others to serve.
pub(crate) fn dump(program: &Path, document: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let (zone, config) = (folder.join("zone"), folder.join("config.json"));
    fs::write(&config, r#"{"masters": ["127.0.0.1:5050"]}"#)?;
    let mut command = Command::new(program);
    command.arg("dump").arg("--config").arg(&config).arg(document).stdout(File::create(&zone)?);
    ensure!(command.status()?.success(), "the zone cannot be dumped");
    Ok(zone)
}

fn echo(myself: &Path) -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut command = pinned(SERVERS_ON, myself);
    command.args(["echo", &format!("127.0.0.1:{port}")]);
    let (process, _) = start_answering(&mut command, port, LEADER).context("the echo does not answer")?;
    Ok(Server { name: ECHO, port, process })
}

fn ours(program: &Path, folder: &Path, master_port: u16) -> anyhow::Result<Server> {
    let port = free_port()?;
    let config = folder.join("mesos-dns.json");
    // As shipped, but that it does not ask the master again: what an update costs, `live-bench` measures.
    let text = format!(
        r#"{{"masters": ["127.0.0.1:{master_port}"], "listener": "127.0.0.1", "port": {port}, "workers": 1,
        "httpon": false, "externalon": false, "updates": "poll", "refreshSeconds": 86400,
        "staleAfterSeconds": 172800}}"#
    );
    fs::write(&config, text)?;
    answering("mesos-dns", program, &[format!("-config={}", config.display())], port)
}

/// Starts a server on its processor and waits for its first answer.
fn answering(name: &'static str, program: &Path, arguments: &[String], port: u16) -> anyhow::Result<Server> {
    let mut command = pinned(SERVERS_ON, program);
    command.args(arguments).stdout(Stdio::null());
    let started = start_answering(&mut command, port, LEADER);
    let (process, _) = started.with_context(|| format!("{name} does not answer"))?;
    Ok(Server { name, port, process })
}

/// A command on one processor only. It becomes the program, so its number is the program's.
pub(crate) fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]).arg(program);
    command
}
