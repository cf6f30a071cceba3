//! The real program as a process of its own: started with a file, watched through its log, ended with the test.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use mesos_dns_sim::client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything that must happen; machines that build at the same time are slow.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Time between two looks at something that must happen.
pub const LOOK: Duration = Duration::from_millis(20);

/// A running program. Killed when dropped.
pub struct Daemon {
    /// Where it answers DNS.
    pub dns: SocketAddr,
    /// Where it answers HTTP.
    pub http: SocketAddr,
    process: Process,
}

/// A program that was started, whether or not it serves. Killed when dropped.
pub struct Process {
    child: Child,
    log: Arc<Log>,
    config: Value,
    directory: TempDir,
}

/// What it has logged so far: a JSON object per line, or the line itself.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<Value>,
    has_ended: bool,
}

impl Daemon {
    /// Starts it with these members in its file, besides ports that the system chooses; waits until it serves.
    pub fn start(members: Value) -> Self {
        Self::serving(Process::start(members))
    }

    /// The same by a command that ends in the program's name.
    pub fn start_by(command: Command, members: Value) -> Self {
        Self::serving(Process::start_by(command, members))
    }

    fn serving(process: Process) -> Self {
        let serving = process.logged("serving");
        let address = |key: &str| addresses(&serving, key)[0];
        Self { dns: address("dns"), http: address("http"), process }
    }

    /// Every address where it answers DNS, in the order of its file.
    pub fn all_dns(&self) -> Vec<SocketAddr> {
        addresses(&self.process.logged("serving"), "dns")
    }

    /// Starts it on what this master says, and waits for the first data.
    pub async fn following(master: SocketAddr) -> Self {
        let daemon = Self::start(json!({ "masters": [master.to_string()] }));
        daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
        daemon
    }

    /// Status and body of a path.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = client::http(self.http, path, &[]).await.unwrap();
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    /// The body of a path that must be there.
    pub async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What `/ready` says, whether or not it is.
    pub async fn ready(&self) -> Value {
        serde_json::from_str(&self.get("/ready").await.1).unwrap()
    }

    /// Waits until `/ready` is like this.
    pub async fn until_ready(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let ready = self.ready().await;
            if is(&ready) {
                return ready;
            }
            assert!(started.elapsed() < PATIENCE, "never {what}: {ready}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The value of a counter, its labels as they are printed.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("mesos_dns_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

/// A folder for files of the program's, which gives up root where the tests run as root: anybody may read and write.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// The addresses in a line that shows one or several: `Some(127.0.0.1:53)`, `[127.0.0.1:53, [::1]:53]`.
fn addresses(line: &Value, key: &str) -> Vec<SocketAddr> {
    let text = line[key].as_str().unwrap();
    let inner = [("Some(", ")"), ("[", "]")]
        .into_iter()
        .find_map(|(front, back)| text.strip_prefix(front)?.strip_suffix(back));
    let all = inner.unwrap_or(text).split(", ");
    all.map(|text| text.parse().unwrap_or_else(|_| panic!("no address: {line}"))).collect()
}

/// What every started program can do, serving or not.
impl std::ops::Deref for Daemon {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl std::ops::DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Process {
    /// Starts it with these members in its file.
    pub fn start(members: Value) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_mesos-dns")), members)
    }

    /// Starts it by a command that ends in the program's name: alone, or behind what it is to run in.
    pub fn start_by(command: Command, members: Value) -> Self {
        Self::launch(command, members, &[])
    }

    /// Starts it with further arguments.
    pub fn start_before(members: Value, arguments: &[&str]) -> Self {
        Self::launch(Command::new(env!("CARGO_BIN_EXE_mesos-dns")), members, arguments)
    }

    fn launch(mut command: Command, members: Value, arguments: &[&str]) -> Self {
        let mut config = json!({
            "listener": "127.0.0.1", "port": 0, "httplistener": "127.0.0.1", "httpport": 0,
            "externalon": false, "refreshSeconds": 1, "logFormat": "json",
        });
        merge(&mut config, members);
        let directory = folder();
        let path = directory.path().join("config.json");
        fs::write(&path, config.to_string()).unwrap();
        let mut child = command
            .arg("-v=1")
            .arg(format!("-config={}", path.display()))
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Log> = Arc::default();
        let (lines, written) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || written.fill(lines));
        Self { child, log, config, directory }
    }

    /// The file it reads.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Changes members of its file; it does not know yet.
    pub fn rewrite(&mut self, members: Value) {
        merge(&mut self.config, members);
        fs::write(self.file(), self.config.to_string()).unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the first line with this message.
    pub fn logged(&self, message: &str) -> Value {
        let is = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        let lines = self.log.lines.lock().unwrap();
        let waits = |lines: &mut Lines| !lines.has_ended && !lines.all.iter().any(|line| is(&line));
        let (lines, _) = self.log.more.wait_timeout_while(lines, PATIENCE, waits).unwrap();
        let found = lines.all.iter().find(is).cloned();
        drop(lines);
        found.unwrap_or_else(|| panic!("never logged {message:?}"))
    }

    /// All lines with this message so far.
    pub fn all_logged(&self, message: &str) -> Vec<Value> {
        let is = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        self.log.lines.lock().unwrap().all.iter().filter(is).cloned().collect()
    }

    /// How often a message was logged so far.
    pub fn count_logged(&self, message: &str) -> usize {
        self.log.lines.lock().unwrap().all.iter().filter(|line| line["message"] == message).count()
    }

    /// Waits for its end; everything it logged comes with it.
    pub fn ends(&mut self) -> (ExitStatus, Vec<Value>) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(started.elapsed() < PATIENCE, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self.log.more.wait_timeout_while(lines, PATIENCE, |lines| !lines.has_ended).unwrap();
        (status, lines.all.clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.log.lines.lock().map(|lines| lines.all.clone()).unwrap_or_default();
            eprintln!("its log:");
            lines.iter().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Log {
    fn fill(&self, lines: impl BufRead) {
        for line in lines.lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            // One line for each key of the configuration: nothing that a test that failed needs to show.
            if line["message"] != "setting" {
                self.lines.lock().unwrap().all.push(line);
                self.more.notify_all();
            }
        }
        self.lines.lock().unwrap().has_ended = true;
        self.more.notify_all();
    }
}

fn merge(config: &mut Value, members: Value) {
    config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
}
