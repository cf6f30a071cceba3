//! The promise: who sits at a terminal learns from the program itself how a server stands, what it answers, what changes
//! there, how two differ, and what keeps it from serving. All with the real program.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use daemon::{Daemon, PATIENCE};
use http_peer::{Peer, reply};
use master::{Master, document, document_of, ordinary, task};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
    command.args(args).stdin(Stdio::null());
    for name in ["RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
async fn run(args: &[&str]) -> Output {
    ended(program(args)).await
}

async fn ended(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}", daemon.http)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_a_page_or_json_and_tells_when_there_is_no_data() {
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    let page = run(&["status", &url(&daemon)]).await;
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    for part in ["state            live", "63 tasks", "mesos-dns ", "Mesos 1."] {
        assert!(stdout(&page).contains(part), "no {part:?} in {}", stdout(&page));
    }
    assert!(!stdout(&page).contains('\x1b'), "no colours but on a terminal");
    let json = told(&run(&["status", &url(&daemon), "--output", "json"]).await);
    assert_eq!((&json["state"], &json["counts"]["tasks"]), (&json!("live"), &json!(63)));

    let mut coloured = program(&["status", &url(&daemon)]);
    coloured.env("CLICOLOR_FORCE", "1");
    assert!(stdout(&ended(coloured).await).contains("\x1b[32mlive"));
    let mut plain = program(&["status", &url(&daemon)]);
    plain.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let _ = ended(plain).await;

    let settings = run(&["status", &url(&daemon), "--settings"]).await;
    let settings = stdout(&settings).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(settings.contains("refreshSeconds file, line 1 1 s"), "{settings}");
    assert!(settings.contains("ttl default 5 s"), "{settings}");

    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let waiting = Daemon::start(json!({"masters": [deaf.local_addr().unwrap().to_string()]}));
    let early = run(&["status", &url(&waiting)]).await;
    assert_eq!(early.status.code(), Some(4), "{}", stdout(&early));
    assert!(stdout(&early).contains("loading"), "{}", stdout(&early));
    let nobody = run(&["status", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("nobody answers at 127.0.0.1:1"), "{}", stderr(&nobody));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_asks_and_shows() {
    let tasks = (0..100).map(|number| task("web", number, &[&format!("10.30.1.{number}")])).collect();
    let master = Master::start(&document(tasks)).await;
    let daemon = Daemon::following(master.address()).await;
    let server = format!("@{}", daemon.dns);
    let query = async |args: &[&str]| run(&[&["query"], args, &[server.as_str()]].concat()).await;

    let one = query(&["leader.mesos"]).await;
    assert_eq!(one.status.code(), Some(0), "{}", stderr(&one));
    for part in ["leader.mesos.", "NOERROR: 1 answer; flags aa rd", "ms over UDP from 127.0.0.1"] {
        assert!(stdout(&one).contains(part), "no {part:?} in {}", stdout(&one));
    }
    // A hundred addresses do not fit into one datagram.
    let many = told(&query(&["web.marathon.mesos", "--output=json"]).await);
    assert_eq!((&many["transport"], many["answers"].as_array().unwrap().len()), (&json!("TCP"), 100));
    assert_eq!(many["answers"][0]["ttl"], 5);
    let service = told(&query(&["_web._tcp.marathon.mesos", "--output=json", "--tcp"]).await);
    assert_eq!(service["type"], "SRV");
    assert!(service["answers"][0]["data"].as_str().unwrap().ends_with(".mesos."));

    let nothing = query(&["nothing.mesos"]).await;
    assert_eq!(nothing.status.code(), Some(0));
    assert!(stdout(&nothing).contains("NXDOMAIN: there is no such name"), "{}", stdout(&nothing));
    let other = query(&["www.example.com", "AAAA"]).await;
    assert_eq!(other.status.code(), Some(1));
    assert!(stdout(&other).contains("REFUSED") && stdout(&other).contains("(EDE "), "{}", stdout(&other));

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = format!("@{}", silent.local_addr().unwrap());
    let nobody = run(&["query", "--timeout=0.01", &nobody, "a.mesos"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("no answer from 127.0.0.1"), "{}", stderr(&nobody));
    for (args, part) in [
        (&["query", "a..b"][..], "is no name"),
        (&["query", "a", "B", "C"], "write a name"),
        (&["query", "a", "BOGUS", "@127.0.0.1"], "BOGUS"),
    ] {
        let output = run(args).await;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
    }
}

/// A `watch` that runs; ended with the test.
struct Watching {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(args: &[&str]) -> Self {
        let mut child = program(&[&["watch"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Some(BufReader::new(child.stdout.take().unwrap()));
        Self { child, lines }
    }

    /// Reads lines up to the first with this in it.
    async fn until(&mut self, part: &'static str) -> String {
        let mut lines = self.lines.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.contains(part) {
                line.clear();
                assert!(lines.read_line(&mut line).unwrap() > 0, "it ended without {part:?}");
            }
            (lines, line)
        });
        let (lines, line) = tokio::time::timeout(PATIENCE, reading).await.expect(part).unwrap();
        self.lines = Some(lines);
        line
    }

    /// Interrupts it as Ctrl-C does; what it says at the end.
    async fn interrupt(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut stderr = BufReader::new(self.child.stderr.take().unwrap());
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
            (child.wait().unwrap().code(), said)
        })
        .await
        .unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_shows_changes_and_goes_on_where_it_was() {
    let master = Master::start(&document(vec![task("web", 0, &["10.30.0.1"])])).await;
    let daemon = Daemon::following(master.address()).await;
    let mut watching = Watching::start(&[&url(&daemon), "--type", "A", "--name", "web.marathon.mesos"]);
    watching.until("watching from version 1").await;
    let two = vec![task("web", 0, &["10.30.0.1"]), task("web", 1, &["10.30.0.2"])];
    master.shows(&document(two));
    let line = watching.until("10.30.0.2").await;
    assert!(line.trim_end().ends_with("Z + web.marathon.mesos. 5 A 10.30.0.2"), "{line}");
    let (code, said) = watching.interrupt().await;
    assert_eq!(code, Some(0), "{said}");
    let since = said.trim().rsplit_once(' ').unwrap().1.to_owned();
    assert!(said.contains("go on with --since") && since.contains('-'), "{said}");

    // What happened in between is shown, as objects.
    master.shows(&document(vec![task("web", 1, &["10.30.0.2"])]));
    daemon.until_ready("changed", |ready| ready["version"] == 3).await;
    let mut again = Watching::start(&[&url(&daemon), "--since", &since, "--output=json"]);
    let line = again.until("10.30.0.1").await;
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&object["change"], &object["version"]), (&json!("removed"), &json!(3)), "{object}");
    assert_eq!(again.interrupt().await.0, Some(0));

    // A version of another process: what led here is not known.
    let mut lost = Watching::start(&[&url(&daemon), "--since", "7-00000000"]);
    lost.until("starting anew").await;
    drop(lost);
    let refused = run(&["watch", &url(&daemon), "--type", "BOGUS"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("BOGUS"), "{}", stderr(&refused));
    let nobody = run(&["watch", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dump_tells_how_two_differ() {
    let cluster = |addresses: &[&str]| {
        let tasks = addresses.iter().enumerate().map(|(number, address)| task("web", number, &[*address]));
        document(tasks.collect())
    };
    let (before, after) = (cluster(&["10.30.0.1", "10.30.0.2"]), cluster(&["10.30.0.1", "10.30.0.3"]));
    let master = Master::start(&before).await;
    let daemon = Daemon::following(master.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("-config={}", daemon.file().display());
    let file = |name: &str, cluster: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, document_of(master.address(), cluster).to_string()).unwrap();
        path
    };
    let (same, other) = (file("same.json", &before), file("other.json", &after));
    let server = url(&daemon);
    let diff = async |one: &str, other: &str, more: &[&str]| {
        run(&[&[config.as_str(), "dump", "--diff", one, other], more].concat()).await
    };
    for (one, other) in [(&*server, text(&same)), (&server, &server), (text(&other), text(&other))] {
        let output = diff(one, other, &[]).await;
        let printed = (output.status.code(), stdout(&output), stderr(&output));
        assert_eq!(printed, (Some(0), String::new(), String::new()), "{one} {other}");
    }
    let output = diff(&server, text(&other), &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = stdout(&output);
    let of_web: Vec<&str> = lines.lines().filter(|line| line.contains(" web.marathon.mesos. ")).collect();
    assert_eq!(of_web, ["- web.marathon.mesos. 5 IN A 10.30.0.2", "+ web.marathon.mesos. 5 IN A 10.30.0.3",]);
    assert!(!lines.contains("10.30.0.1") && !lines.contains(" SOA "), "{lines}");
    let objects = diff(text(&other), &server, &["--format=json"]).await;
    let added =
        json!({"change": "added", "name": "web.marathon.mesos.", "type": "A", "ttl": 5, "data": "10.30.0.2"});
    let objects = stdout(&objects);
    let mut objects = objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(objects.any(|object| object == added));

    let missing = diff(&server, "/nowhere.json", &[]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nowhere.json"), "{}", stderr(&missing));
    for args in [&["dump", "--diff", "a"][..], &["dump", "a", "b"]] {
        assert_eq!(run(args).await.status.code(), Some(2), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_open_what_is_closed() {
    let folder = daemon::folder();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "# ours\n0123456789abcdef0123\n").unwrap();
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "another-token-another-token\n").unwrap();
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({"masters": [master.address().to_string()], "httpTokensFile": &tokens}));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let server = url(&daemon);
    let commands: [&[&str]; 4] = [
        &["dump", &server],
        &["dump", "--diff", &server, &server],
        &["explain", "web.marathon.mesos", "--from", &server],
        &["status", "--settings", &server],
    ];
    for command in commands {
        let with = async |file: &Path| run(&[command, &["--token-file", text(file)]].concat()).await;
        let right = with(&tokens).await;
        assert_eq!(right.status.code(), Some(0), "{command:?}: {}", stderr(&right));
        for (output, part) in [(run(command).await, "--token-file"), (with(&wrong).await, "does not know")] {
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            assert!(said.contains("wants a token") && said.contains(part), "{command:?}: {said}");
            assert!(!said.contains("another-token"), "{said}");
        }
    }
    // How it stands is told to everybody, in short.
    let short = run(&["status", &server]).await;
    assert!(short.status.success() && stdout(&short).contains("live"), "{}", stdout(&short));
    // The first of one's own configuration is taken without a word.
    let port = daemon.http.port();
    let ours = folder.path().join("ours.json");
    let members = json!({"masters": ["127.0.0.1:5050"], "externalon": false, "httpport": port, "httpTokensFile": &tokens});
    fs::write(&ours, members.to_string()).unwrap();
    let config = format!("-config={}", ours.display());
    for args in [&[config.as_str(), "status", "--settings"][..], &[&config, "dump", &server]] {
        let output = run(args).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    }
}

fn finding<'a>(told: &'a Value, check: &str) -> &'a Value {
    let all = told["findings"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["check"].as_str().unwrap().starts_with(check));
    found.unwrap_or_else(|| panic!("no {check:?} in {told:#}"))
}

/// What doctor tells of a configuration with these members.
async fn doctor(members: Value) -> (Option<i32>, Value) {
    let folder = daemon::folder();
    let path = folder.path().join("config.json");
    fs::write(&path, members.to_string()).unwrap();
    let output = run(&["-config", text(&path), "doctor", "--output=json"]).await;
    (output.status.code(), told(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_what_is_wrong() {
    let mut cluster = ordinary();
    cluster["flags"] = json!({});
    let master = Master::start(&cluster).await;
    let daemon = Daemon::following(master.address()).await;
    let members = |port: u16, masters: &str| {
        json!({
            "masters": [masters], "externalon": false, "listener": "127.0.0.1", "port": port,
            "httplistener": "127.0.0.1", "httpport": daemon.http.port(), "updates": "poll",
        })
    };
    let (code, told) = doctor(members(daemon.dns.port(), &master.address().to_string())).await;
    assert_eq!(code, Some(0), "{told:#}");
    let us = format!("held by mesos-dns (process {})", daemon.id());
    for check in ["UDP port", "TCP port"] {
        assert_eq!(
            (&finding(&told, check)["verdict"], &finding(&told, check)["told"]),
            (&json!("ok"), &json!(us))
        );
    }
    for check in ["configuration", "answers over UDP", "answers over TCP", "files", "open files", "master "] {
        assert_eq!(finding(&told, check)["verdict"], "ok", "{check}: {told:#}");
    }
    assert!(finding(&told, "master ")["told"].as_str().unwrap().contains("63 tasks"), "{told:#}");

    // A port of somebody else's: ours.
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (code, told) = doctor(members(taken.local_addr().unwrap().port(), "127.0.0.1:1")).await;
    assert_eq!(code, Some(1));
    let port = finding(&told, "UDP port");
    assert_eq!(port["verdict"], "fail", "{told:#}");
    assert!(port["told"].as_str().unwrap().contains(&format!("(process {})", std::process::id())), "{port}");
    assert_eq!(finding(&told, "master 127.0.0.1:1")["verdict"], "fail");
    assert_eq!(finding(&told, "leader")["verdict"], "fail");
    // For people, the same with a word of advice.
    let bad = daemon::folder();
    fs::write(bad.path().join("config.json"), "{").unwrap();
    let page = run(&["-config", text(&bad.path().join("config.json")), "doctor"]).await;
    assert_eq!(page.status.code(), Some(1));
    assert!(
        stdout(&page).contains("fail  configuration") && stdout(&page).contains("-> mend "),
        "{}",
        stdout(&page)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_which_permission_is_missing() {
    let body = document_of("127.0.0.1:5050".parse().unwrap(), &ordinary()).to_string();
    for (status, members, part) in [
        ("401 Unauthorized", json!({}), "set mesosAuthentication"),
        (
            "401 Unauthorized",
            json!({"mesosAuthentication": "basic", "mesosCredentials": {"principal": "dns", "secret": "hunter2"}}),
            "are not those of its --credentials",
        ),
        ("403 Forbidden", json!({}), "VIEW_FRAMEWORK"),
    ] {
        let peer = Peer::start(move |_| reply(status, &[], b"")).await;
        let mut config =
            json!({"masters": [peer.address.to_string()], "externalon": false, "port": 0, "httpport": 0});
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let (code, told) = doctor(config).await;
        let master = finding(&told, "master ");
        assert_eq!((code, &master["verdict"]), (Some(1), &json!("fail")), "{told:#}");
        assert!(master["mend"].as_str().unwrap().contains(part), "{master}");
        assert!(!told.to_string().contains("hunter2"));
    }
    // Its clock is a day of 1994, it hides its flags, and forbids events.
    let peer = Peer::start(move |request| match request.path() {
        "/api/v1" => reply("403 Forbidden", &[], b""),
        _ => reply("200 OK", &["Date: Sun, 06 Nov 1994 08:49:37 GMT"], body.as_bytes()),
    })
    .await;
    let config =
        json!({"masters": [peer.address.to_string()], "externalon": false, "port": 0, "httpport": 0});
    let (_, told) = doctor(config).await;
    assert_eq!(finding(&told, "clock of")["verdict"], "warn", "{told:#}");
    assert!(finding(&told, "events of")["told"].as_str().unwrap().contains("403"), "{told:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_programs_too() {
    let folder = daemon::folder();
    let path = folder.path().join("config.json");
    fs::write(&path, r#"{"masters": ["10.0.0.1:5050"], "externalon": false, "ttl": 7}"#).unwrap();
    let good = run(&["check", text(&path), "--output=json"]).await;
    assert_eq!(good.status.code(), Some(0));
    let told_good = told(&good);
    let ttl = told_good["settings"].as_array().unwrap().iter().find(|row| row["key"] == "ttl").unwrap();
    assert_eq!((&ttl["value"], &ttl["origin"]), (&json!(7), &json!("file, line 1")));
    fs::write(&path, "{}").unwrap();
    let bad = run(&["check", text(&path), "--output=json"]).await;
    assert_eq!((bad.status.code(), &told(&bad)["good"]), (Some(3), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_has_examples() {
    for command in [
        "demo",
        "check",
        "doctor",
        "status",
        "query",
        "explain",
        "watch",
        "dump",
        "release",
        "flush",
        "completions",
    ] {
        let help = run(&[command, "--help"]).await;
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(stdout(&help).contains(&format!("Examples:\n  mesos-dns {command}")), "{}", stdout(&help));
    }
}
