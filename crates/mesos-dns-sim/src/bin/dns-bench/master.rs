//! The master in front of ours: it tells changes of a simulated cluster, or serves one document for ever.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use mesos_dns_sim::bench::{
    process::{Process, Queue},
    prompter::{Prompter, moment},
};

use crate::servers::LOAD_ON;

/// Changes per second while ours is asked.
const RATE: u32 = 100;

/// No mark is to come.
const UNMARKED: usize = usize::MAX;

/// One that runs.
pub(crate) enum Master {
    /// Of a simulated cluster of so many tasks.
    Live(Prompter, usize),
    /// Of a document.
    Still { port: u16, document: PathBuf, _process: Process },
}

impl Master {
    /// Of so many simulated tasks.
    pub(crate) fn live(tasks: usize) -> anyhow::Result<Self> {
        let arguments = on_load(&["feed", &tasks.to_string()])?;
        Ok(Self::Live(Prompter::start(Path::new("taskset"), &arguments, Queue::Middle)?, tasks))
    }

    /// Of this document.
    pub(crate) fn still(document: &Path) -> anyhow::Result<Self> {
        let arguments = on_load(&["master", &document.display().to_string()])?;
        let (process, mut lines) = Process::talk(Path::new("taskset"), &arguments, Queue::Middle)?;
        let port = lines.hear("port")?.parse().context("the master said no port")?;
        Ok(Self::Still { port, document: document.to_owned(), _process: process })
    }

    /// Another one of the same: a live one tells its changes to one server only.
    pub(crate) fn another(&self) -> anyhow::Result<Self> {
        match self {
            Self::Live(_, tasks) => Self::live(*tasks),
            Self::Still { document, .. } => Self::still(document),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Live(prompter, _) => prompter.port,
            Self::Still { port, .. } => *port,
        }
    }

    /// The zone as it is now, for the others to serve.
    pub(crate) fn dump(&mut self, program: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
        let (zone, config) = (folder.join("zone"), folder.join("dump.json"));
        let next = folder.join("zone.next");
        fs::write(&config, r#"{"masters": ["127.0.0.1:5050"]}"#)?;
        let mut command = Command::new(program);
        command.arg("dump").arg("--config").arg(&config).arg(format!("http://127.0.0.1:{}", self.port()));
        ensure!(command.stdout(File::create(&next)?).status()?.success(), "the zone cannot be dumped");
        if let Self::Live(prompter, _) = self {
            prompter.document()?;
        }
        // Whoever serves the one before has it open.
        fs::rename(next, &zone)?;
        Ok(zone)
    }

    /// Whether changes can be told.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live(..))
    }

    /// Waits until ours has begun to listen, if it does.
    pub(crate) fn followed(&mut self) -> io::Result<()> {
        if let Self::Live(prompter, _) = self {
            prompter.stream()?;
        }
        Ok(())
    }

    /// Begins to tell changes, [`RATE`] each second; the next call must be [`Master::changed`].
    pub(crate) fn change(&mut self, seconds: u32) -> io::Result<()> {
        if let Self::Live(prompter, _) = self {
            prompter.ask(&format!("prepare {} {UNMARKED}", RATE * seconds))?;
            prompter.play(RATE)?;
        }
        Ok(())
    }

    /// Waits until all changes have been told.
    pub(crate) fn changed(&mut self) -> io::Result<()> {
        if let Self::Live(prompter, _) = self {
            prompter.played()?;
        }
        Ok(())
    }

    /// Lets so many changes happen that nobody is told of: the next stream or document shows them.
    pub(crate) fn keep_secret(&mut self, changes: usize) -> io::Result<()> {
        if let Self::Live(prompter, _) = self {
            prompter.ask(&format!("prepare {changes} {UNMARKED}"))?;
            prompter.ask("render")?;
        }
        Ok(())
    }

    /// Ends the stream, and waits for the next one, which begins with the state; tells when the first ended.
    pub(crate) fn begin_anew(&mut self) -> io::Result<Duration> {
        let Self::Live(prompter, _) = self else { return Err(io::ErrorKind::Unsupported.into()) };
        let ended = moment(&prompter.ask("close")?)?;
        prompter.stream()?;
        Ok(ended)
    }
}

/// The arguments of `taskset` that run this program where the load is made.
pub(crate) fn on_load(arguments: &[&str]) -> io::Result<Vec<String>> {
    let myself = env::current_exe()?.display().to_string();
    let front = ["--cpu-list", LOAD_ON, &myself];
    Ok(front.iter().chain(arguments).map(|word| (*word).to_owned()).collect())
}
