//! The promise: what is held in doubt can be let go by the operator of the machine, and by nobody else.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use daemon::{Daemon, Process};
use domain::base::iana::{Rcode, Rtype};
use master::{Master, document, ordinary, task};
use mesos_dns_sim::client::{self, Query};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// A daemon with an admin socket, and the folder it is in.
async fn start(master: &Master) -> (Daemon, PathBuf, tempfile::TempDir) {
    let folder = daemon::folder();
    let socket = folder.path().join("admin");
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "adminSocket": socket}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    (daemon, socket, folder)
}

/// Runs a command of the program to its end.
async fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
    command.args(args).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn rcode(daemon: &Daemon, name: &str) -> Rcode {
    client::udp(daemon.dns, &Query::new(name, Rtype::A)).await.unwrap().rcode()
}

/// Status line and body of a request, written out.
async fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The cluster loses all but three of its tasks at once.
async fn lose_most(master: &Master, daemon: &Daemon) {
    master.shows(&document((0..3).map(|number| task("web", number, &["10.30.0.1"])).collect()));
    let ready = daemon.until_ready("holding", |ready| ready["state"] == "holding").await;
    assert!(ready["reasons"].to_string().contains("a large part of the tasks is gone at once"), "{ready}");
    assert_eq!(rcode(daemon, "many.marathon.mesos").await, Rcode::NOERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lets_go_through_the_socket() {
    let master = Master::start(&ordinary()).await;
    let (daemon, socket, _folder) = start(&master).await;
    let config = format!("-config={}", daemon.file().display());

    let nothing = run(&["release", "--socket", text(&socket)]).await;
    assert!(nothing.status.success(), "{nothing:?}");
    assert_eq!(told(&nothing)["held"], Value::Null);
    // That vouched for the document that was read at once, and for no later one: once it was asked a second time,
    // the first answer was this document.
    master.is_asked().await;
    master.is_asked().await;
    lose_most(&master, &daemon).await;
    let status = told(&run(&["status", "--output=json", &config]).await);
    assert_eq!(status["held"], json!({"why": "loss", "tasks": 60, "agents": 0}), "{status}");
    assert_eq!((&status["state"], &status["tasks"]), (&json!("holding"), &json!(63)), "{status}");
    assert_eq!(status["pid"], daemon.id());

    let released = run(&["release", &config]).await;
    assert!(released.status.success(), "{released:?}");
    let released = told(&released);
    assert_eq!(released["held"], json!({"why": "loss", "tasks": 60, "agents": 0}), "{released}");
    assert_eq!(released["stillHeld"], Value::Null, "{released}");
    assert_eq!(rcode(&daemon, "many.marathon.mesos").await, Rcode::NXDOMAIN);
    assert_eq!(rcode(&daemon, "web.marathon.mesos").await, Rcode::NOERROR);
    let line = daemon.logged("release asked for through the admin socket");
    assert_eq!((&line["level"], &line["uid"]), (&json!("WARN"), &json!(rustix::process::getuid().as_raw())));
    assert!(line["pid"].as_u64().is_some_and(|pid| pid > 1), "{line}");
    assert_eq!(daemon.metric("zone_releases_total").await, 2.0);

    let http = told(&run(&["status", "--output=json", &format!("http://{}", daemon.http)]).await);
    assert_eq!((&http["ready"], &http["state"]), (&json!(true), &json!("live")), "{http}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lets_go_by_a_signal() {
    let master = Master::start(&ordinary()).await;
    let (daemon, ..) = start(&master).await;
    lose_most(&master, &daemon).await;
    daemon.signal(Signal::USR1);
    daemon.until_ready("live", |ready| ready["state"] == "live").await;
    assert_eq!(rcode(&daemon, "many.marathon.mesos").await, Rcode::NXDOMAIN);
    assert_eq!(daemon.logged("release asked for")["signal"], "SIGUSR1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_asked_and_what_not() {
    let master = Master::start(&ordinary()).await;
    let (daemon, socket, _folder) = start(&master).await;
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (request, status) in [
        ("GET /status", "200 OK"),
        ("POST /status", "405 Method Not Allowed"),
        ("HEAD /release", "405 Method Not Allowed"),
        ("GET /release", "405 Method Not Allowed"),
        ("GET /flush?all", "405 Method Not Allowed"),
        ("POST /flush", "400 Bad Request"),
        ("POST /flush?name=a..b", "400 Bad Request"),
        ("POST /flush?name=a.b", "200 OK"),
        ("GET /", "404 Not Found"),
        ("POST /v1/config", "404 Not Found"),
    ] {
        let answer = ask(&socket, &format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
    }
    let answer = ask(&socket, "GET /release HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains("allow: POST\r\n"), "{answer}");
    assert_eq!(daemon.metric("zone_releases_total").await, 0.0, "nobody asked for that");
    // The same is not to be had over TCP.
    assert_eq!(daemon.get("/status").await.0, 404);
    assert_eq!(daemon.get("/release").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_comes_and_goes_with_the_process() {
    let master = Master::start(&ordinary()).await;
    let (mut daemon, socket, _folder) = start(&master).await;
    let members = || json!({"masters": [master.address().to_string()], "adminSocket": &socket});

    let (status, log) = Process::start(members()).ends();
    assert_eq!(status.code(), Some(1));
    let why = log.last().unwrap().as_str().unwrap();
    let holder = format!("is in use by mesos-dns (process {})", daemon.id());
    assert!(why.contains("adminSocket") && why.contains(&holder), "{why}");
    assert!(run(&["status", "--socket", text(&socket)]).await.status.success(), "the first one is unharmed");

    daemon.signal(Signal::KILL);
    daemon.ends();
    assert!(socket.exists(), "nobody took it away");
    let nobody = run(&["status", "--socket", text(&socket)]).await;
    assert_eq!(nobody.status.code(), Some(1));
    let mut daemon = Daemon::start(members());
    daemon.logged("removing the socket of a process that is gone");
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    assert!(run(&["status", "--socket", text(&socket)]).await.status.success());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().0.code(), Some(0));
    assert!(!socket.exists());
    let nobody = run(&["release", "--socket", text(&socket)]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody answers at"), "{nobody:?}");
}
