//! The upstream, and the forwarders in front of it, each with one worker on the first processor.

use std::{
    env, fs,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    document, family,
    forwarders::{self, Place},
    process::{Lines, Process, Queue, free_port, start_answering},
    rivals::installed,
};

/// Where servers run, and where the load and the upstream do.
const SERVERS_ON: &str = "0";
pub(crate) const LOAD_ON: &str = "1";

/// A name that every forwarder finds when it is up.
const UP: &str = "up.made.test";

/// The program that is measured.
pub(crate) const OURS: &str = "mesos-dns";

/// Everything that the parts share.
pub(crate) struct Rig {
    pub(crate) folder: PathBuf,
    program: PathBuf,
    pub(crate) upstream: Upstream,
    document: PathBuf,
    master_port: u16,
    _master: Process,
}

/// The simulated upstream, in a process of its own.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    lines: Lines,
    _process: Process,
}

/// One forwarder that runs.
pub(crate) struct Forwarder {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    process: Process,
}

impl Rig {
    pub(crate) fn new(folder: &Path, program: &Path, tasks: usize) -> anyhow::Result<Self> {
        let myself = env::current_exe()?;
        let document = folder.join("state.json");
        fs::write(&document, document::write(tasks))?;
        let arguments = ["master".to_owned(), document.display().to_string()];
        let (master, mut lines) = Process::talk(&myself, &arguments, Queue::Middle)?;
        let master_port = lines.hear("port")?.parse().context("the master said no port")?;
        let upstream = Upstream::start(&myself)?;
        let (folder, program) = (folder.to_owned(), program.to_owned());
        Ok(Self { folder, program, upstream, document, master_port, _master: master })
    }

    /// Starts all forwarders that are installed, ours first; they ask the upstream.
    pub(crate) fn forwarders(&self) -> anyhow::Result<Vec<Forwarder>> {
        self.forwarders_to(&[self.upstream.port])
    }

    /// The same, asking servers on these ports in their order.
    pub(crate) fn forwarders_to(&self, upstreams: &[u16]) -> anyhow::Result<Vec<Forwarder>> {
        let mut all = vec![self.ours(upstreams)?];
        for (name, programs, write) in [
            (
                "Unbound",
                forwarders::UNBOUND,
                forwarders::unbound as fn(Place<'_>) -> std::io::Result<Vec<String>>,
            ),
            ("dnsmasq", forwarders::DNSMASQ, forwarders::dnsmasq),
        ] {
            let Some(program) = installed(programs) else {
                eprintln!("skipped: {name} is not installed");
                continue;
            };
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder)?;
            let port = free_port()?;
            let arguments = write(Place { folder: &folder, port, upstreams })?;
            all.push(answering(name, Path::new(program), &arguments, port)?);
        }
        Ok(all)
    }

    /// Starts a second upstream.
    pub(crate) fn another_upstream(&self) -> anyhow::Result<Upstream> {
        Upstream::start(&env::current_exe()?)
    }

    /// Starts ours alone.
    pub(crate) fn ours(&self, upstreams: &[u16]) -> anyhow::Result<Forwarder> {
        let port = free_port()?;
        let config = self.folder.join("mesos-dns.json");
        let resolvers: Vec<String> = upstreams.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let (master_port, resolvers) = (self.master_port, resolvers.join(", "));
        // As shipped, but that it does not ask the master again: what an update costs, `live-bench` measures.
        let text = format!(
            r#"{{"masters": ["127.0.0.1:{master_port}"], "listener": "127.0.0.1", "port": {port}, "workers": 1,
            "httpon": false, "resolvers": [{resolvers}], "updates": "poll", "refreshSeconds": 86400,
            "staleAfterSeconds": 172800}}"#
        );
        fs::write(&config, text)?;
        answering(OURS, &self.program, &[format!("-config={}", config.display())], port)
    }

    /// Names of the cluster that have addresses, at most so many.
    pub(crate) fn cluster_names(&self, most: usize) -> anyhow::Result<Vec<String>> {
        let (zone, config) = (self.folder.join("zone"), self.folder.join("dump.json"));
        fs::write(&config, r#"{"masters": ["127.0.0.1:5050"]}"#)?;
        let mut command = Command::new(&self.program);
        command.arg("dump").arg("--config").arg(&config).arg(&self.document).stdout(File::create(&zone)?);
        ensure!(command.status()?.success(), "the zone cannot be dumped");
        let mut names = Vec::new();
        for line in BufReader::new(File::open(zone)?).lines() {
            let line = line?;
            let mut words = line.split(' ');
            if let (Some(owner), _, Some("A")) = (words.next(), words.next(), words.next()) {
                names.push(owner.trim_end_matches('.').to_owned());
            }
        }
        names.dedup();
        let step = (names.len() / most).max(1);
        Ok(names.into_iter().step_by(step).take(most).collect())
    }
}

impl Upstream {
    fn start(myself: &Path) -> anyhow::Result<Self> {
        let arguments = ["--cpu-list", LOAD_ON, &myself.display().to_string(), "upstream"].map(str::to_owned);
        let (process, mut lines) = Process::talk(Path::new("taskset"), &arguments, Queue::Middle)?;
        let port = lines.hear("port")?.parse().context("the upstream said no port")?;
        Ok(Self { port, lines, _process: process })
    }

    /// Queries that it was asked so far.
    pub(crate) fn asked(&mut self) -> anyhow::Result<u64> {
        let counts = self.lines.ask("count")?;
        counts.split(' ').take(3).map(|count| Ok(count.parse::<u64>()?)).sum()
    }

    /// Has it go wrong from now on, as these rules say.
    pub(crate) fn rule(&mut self, rules: &str) -> anyhow::Result<()> {
        self.lines.ask(&format!("rules {rules}"))?;
        Ok(())
    }
}

impl Forwarder {
    /// Processor time so far.
    pub(crate) fn processor(&self) -> anyhow::Result<Duration> {
        Ok(family::processor(self.process.id())?)
    }

    /// Memory now, in MiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        Ok(family::resident(self.process.id())?)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Starts a server on its processor and waits for its first answer.
fn answering(
    name: &'static str,
    program: &Path,
    arguments: &[String],
    port: u16,
) -> anyhow::Result<Forwarder> {
    let mut command = pinned(SERVERS_ON, program);
    command.args(arguments).stdout(Stdio::null());
    if name != OURS {
        command.stderr(Stdio::null());
    }
    let started = start_answering(&mut command, port, UP);
    let (process, _) = started.with_context(|| format!("{name} does not answer"))?;
    Ok(Forwarder { name, port, process })
}

/// A command on one processor only. It becomes the program, so its number is the program's.
pub(crate) fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]).arg(program);
    command
}

/// The middle one of some values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
