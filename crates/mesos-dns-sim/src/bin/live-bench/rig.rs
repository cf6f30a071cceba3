//! The master and the program in front of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use mesos_dns_sim::bench::process::{Lines, Process, Queue, free_port, start_answering};

/// Everything that runs, but the program.
pub(crate) struct Rig {
    pub(crate) program: PathBuf,
    pub(crate) tasks: usize,
    /// Where it keeps its files; goes with it.
    pub(crate) folder: PathBuf,
    pub(crate) master: Lines,
    pub(crate) master_port: u16,
    /// Where the program answers.
    pub(crate) port: u16,
    /// Streams and documents that the master was asked for so far.
    pub(crate) streams: usize,
    pub(crate) documents: usize,
    _master: Process,
}

impl Rig {
    pub(crate) fn new(program: &Path, tasks: usize) -> anyhow::Result<Self> {
        eprintln!("{tasks} tasks: the master prepares");
        let myself = env::current_exe()?;
        let (process, mut master) = Process::talk(&myself, &["master", &tasks.to_string()], Queue::Back)?;
        let master_port = master.hear("port")?.parse()?;
        let folder = env::temp_dir().join(format!("live-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let config = format!(
            r#"{{"masters": ["127.0.0.1:{master_port}"], "listener": "127.0.0.1", "port": {port}, "httpon": false,
            "externalon": false, "updates": "events"}}"#
        );
        fs::write(folder.join("config.json"), config)?;
        let program = program.to_owned();
        let (streams, documents) = (0, 0);
        Ok(Self { program, tasks, folder, master, master_port, port, streams, documents, _master: process })
    }

    /// Starts the program and waits for the first answer.
    pub(crate) fn start(&mut self) -> anyhow::Result<(Process, Duration)> {
        let mut command = Command::new(&self.program);
        command.arg(format!("-config={}", self.folder.join("config.json").display()));
        command.stdout(Stdio::null());
        let started = start_answering(&mut command, self.port, "leader.mesos").context("no first answer")?;
        self.stream()?;
        Ok(started)
    }

    /// Waits until the next stream has begun.
    pub(crate) fn stream(&mut self) -> anyhow::Result<Duration> {
        self.streams += 1;
        moment(&self.master.ask(&format!("stream {}", self.streams))?)
    }

    /// Waits until the next document was asked for; tells when.
    pub(crate) fn document(&mut self) -> anyhow::Result<Duration> {
        self.documents += 1;
        moment(&self.master.ask(&format!("document {}", self.documents))?)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// A moment as the master tells it.
pub(crate) fn moment(nanoseconds: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
