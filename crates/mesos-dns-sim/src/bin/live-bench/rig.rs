//! The master and the program in front of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use mesos_dns_sim::bench::{
    process::{Process, Queue, free_port, start_answering},
    prompter::Prompter,
};

/// Everything that runs, but the program.
pub(crate) struct Rig {
    pub(crate) program: PathBuf,
    pub(crate) tasks: usize,
    /// Where it keeps its files; goes with it.
    pub(crate) folder: PathBuf,
    pub(crate) master: Prompter,
    /// Where the program answers.
    pub(crate) port: u16,
}

impl Rig {
    pub(crate) fn new(program: &Path, tasks: usize) -> anyhow::Result<Self> {
        eprintln!("{tasks} tasks: the master prepares");
        let myself = env::current_exe()?;
        let master = Prompter::start(&myself, &["master".to_owned(), tasks.to_string()], Queue::Back)?;
        let folder = env::temp_dir().join(format!("live-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let master_port = master.port;
        let config = format!(
            r#"{{"masters": ["127.0.0.1:{master_port}"], "listener": "127.0.0.1", "port": {port}, "httpon": false,
            "externalon": false, "updates": "events"}}"#
        );
        fs::write(folder.join("config.json"), config)?;
        let program = program.to_owned();
        Ok(Self { program, tasks, folder, master, port })
    }

    /// Starts the program and waits for the first answer.
    pub(crate) fn start(&mut self) -> anyhow::Result<(Process, Duration)> {
        let mut command = Command::new(&self.program);
        command.arg(format!("-config={}", self.folder.join("config.json").display()));
        command.stdout(Stdio::null());
        let started = start_answering(&mut command, self.port, "leader.mesos").context("no first answer")?;
        self.master.stream()?;
        Ok(started)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}
