//! What `mesos-dns demo` promises a newcomer: the commands it prints work, changes show, a second process serves the
//! very same zone, and a port that is taken is explained.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use domain::base::iana::{Rcode, Rtype};
use hyper::StatusCode;
use mesos_dns_sim::client::{self, Query};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, running; it ends with this value.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it; its lines are those of stdout, or of stderr if it is told to log.
    fn start(args: &[&str], is_logging: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
        command.args(args).stdin(Stdio::null());
        if is_logging {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        let output: Box<dyn Read + Send> = match is_logging {
            true => Box::new(child.stderr.take().unwrap()),
            false => Box::new(child.stdout.take().unwrap()),
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("one more line in time")
    }

    /// The first line from here on that pleases.
    fn find(&self, pleases: impl Fn(&str) -> bool) -> String {
        std::iter::repeat_with(|| self.line()).find(|line| pleases(line)).unwrap()
    }

    fn interrupt(mut self) -> ExitStatus {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::INT).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => panic!("still running after SIGINT"),
                None => thread::yield_now(),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what a printed command does, and expects what a newcomer expects.
async fn try_command(command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if let ["curl", url] = words[..] {
        let (server, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let response = client::http(server.parse().unwrap(), &format!("/{path}"), &[]).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{command}");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_ne!(body[0]["host"], "", "{command}: {body}");
        return;
    }
    let ["dig", "@127.0.0.1", "-p", port, rest @ ..] = &words[..] else { panic!("{command}") };
    let server = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    let names: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('+')).collect();
    let rtype: Rtype = names.get(1).unwrap_or(&"A").parse().unwrap();
    let query = Query::new(names[0], rtype).edns(1232);
    let answer = match rest.contains(&"+tcp") {
        true => client::tcp(server, &query).await.unwrap(),
        false => client::udp(server, &query).await.unwrap(),
    };
    assert_eq!(answer.rcode(), Rcode::NOERROR, "{command}");
    assert!(!answer.answers().unwrap().is_empty(), "{command}");
}

#[tokio::test]
async fn commands_work_and_changes_show() {
    for (tasks, churn) in [("200", "20"), ("1", "0"), ("0", "0")] {
        let demo = Program::start(
            &["demo", "--dns-port", "0", "--http-port", "0", "--tasks", tasks, "--churn", churn],
            false,
        );
        for _ in 0..5 {
            let command = demo.find(|line| line.starts_with("  dig ") || line.starts_with("  curl "));
            try_command(command.trim()).await;
        }
        if churn != "0" {
            for kind in ["started", "moved", "failed", "unhealthy"] {
                demo.find(|line| line.split_whitespace().nth(2) == Some(kind));
            }
        }
        assert!(demo.interrupt().success());
    }
}

#[tokio::test]
async fn a_second_process_serves_the_same_zone() {
    let demo = Program::start(&["demo", "--dns-port", "0", "--http-port", "0", "--churn", "0"], false);
    let hash = demo.find(|line| line.contains("contentHash"));
    let hash =
        hash.split_whitespace().find(|word| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit()));
    let hash = hash.expect("a hash of 16 digits").to_owned();
    let mut file = demo.find(|line| line == "{");
    while !file.ends_with("\n}") {
        file.push('\n');
        file.push_str(&demo.line());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, file).unwrap();
    let second = Program::start(&[&format!("-config={}", path.display()), "-v=1"], true);
    let serving = second.find(|line| line.contains("http") && line.contains("serving"));
    let (_, address) = serving.split_once("\"http\":\"Some(").unwrap();
    let server: SocketAddr = address.split_once(')').unwrap().0.parse().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = client::http(server, "/ready", &[]).await.unwrap();
        let body: Value = serde_json::from_slice(ready.body()).unwrap();
        if body["ready"] == true {
            assert_eq!(body["contentHash"], hash);
            return;
        }
        assert!(Instant::now() < deadline, "{body}");
    }
}

#[test]
fn a_taken_port_is_explained() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    for (port, flag, other) in [
        (udp.local_addr().unwrap().port(), "--dns-port", "--http-port"),
        (tcp.local_addr().unwrap().port(), "--dns-port", "--http-port"),
        (tcp.local_addr().unwrap().port(), "--http-port", "--dns-port"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mesos-dns"))
            .args(["demo", flag, &port.to_string(), other, "0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        let holder = format!("process {}", std::process::id());
        for part in [&format!("port {port}"), &holder, flag] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }
}
