//! From start to the first answer, and the memory that takes: `start-bench PATH-OF-MESOS-DNS [DOCUMENT]`.
//!
//! For each size a state document is written by the simulator (or the one given is taken), served by a
//! second process as a master would serve it, and the binary is started on it. Time runs from the
//! start of the process to the first NOERROR for `leader.mesos`; memory is the peak the kernel saw. The
//! original's figures were taken with a document of 100,000 tasks and 164 MB (see `docs/performance.md`).

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mesos_dns_sim::bench::document;

/// Rounds per size; the median is reported with the smallest and the largest.
const ROUNDS: usize = 5;

/// Longest wait for the first answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Seconds and MiB of the original with 100,000 tasks: start to first answer, and peak.
const ORIGINAL: (f64, f64) = (5.4, 1030.0);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        return document::serve(&fs::read(&arguments[at + 1]).expect("the document"));
    }
    let [_, binary, given @ ..] = &arguments[..] else {
        return eprintln!("start-bench MESOS-DNS [DOCUMENT]");
    };
    println!(
        "{:>9} {:>9} {:>8} {:>22} {:>9} {:>10}",
        "tasks", "MB", "round", "first answer s", "cpu s", "peak MiB"
    );
    let folder = env::temp_dir().join(format!("mesos-dns-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let file = folder.join("state.json");
    let config = folder.join("config.json");
    if let [document, ..] = given {
        measure(binary, "given", document, &config);
    } else {
        for tasks in [10_000, 100_000] {
            fs::write(&file, document::write(tasks)).expect("room for the document");
            measure(binary, &tasks.to_string(), file.to_str().expect("UTF-8"), &config);
        }
    }
    println!("the original with 100,000 tasks: {} s, {} MiB", ORIGINAL.0, ORIGINAL.1);
    let _ = fs::remove_dir_all(folder);
}

fn measure(binary: &str, size: &str, document: &str, config: &Path) {
    let megabytes = fs::metadata(document).expect("the document").len() as f64 / 1e6;
    let mut rounds: Vec<(f64, f64, f64)> = (0..ROUNDS).map(|_| round(binary, document, config)).collect();
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (name, (time, cpu, peak)) in
        [("best", rounds[0]), ("median", rounds[ROUNDS / 2]), ("worst", rounds[ROUNDS - 1])]
    {
        println!("{size:>9} {megabytes:>9.1} {name:>8} {time:>22.3} {cpu:>9.2} {peak:>10.0}");
    }
    let (time, _, peak) = rounds[ROUNDS / 2];
    if size == "100000" || size == "given" {
        println!(
            "{:>9} times as soon as the original, {:.2} times its memory",
            format!("{:.1}", ORIGINAL.0 / time),
            peak / ORIGINAL.1
        );
    }
}

/// One start: seconds to the first answer, processor seconds, peak MiB.
fn round(binary: &str, document: &str, config: &Path) -> (f64, f64, f64) {
    let mut master = Running(
        Command::new(env::current_exe().expect("this program"))
            .args(["--serve", document])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program"),
    );
    let mut line = String::new();
    BufReader::new(master.0.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line with the port");
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let text = format!(
        r#"{{"masters": ["127.0.0.1:{}"], "listener": "127.0.0.1", "port": {port}, "httpon": false, "externalon": false, "updates": "poll"}}"#,
        line.trim()
    );
    fs::write(config, text).expect("the configuration");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    let began = Instant::now();
    let daemon = Command::new(binary).arg(format!("-config={}", config.display())).spawn();
    let daemon = Running(daemon.expect("mesos-dns"));
    while !answers(&client, port) {
        assert!(began.elapsed() < PATIENCE, "no answer");
    }
    let time = began.elapsed().as_secs_f64();
    let (cpu, peak) = usage(daemon.0.id());
    (time, cpu, peak)
}

/// Whether `leader.mesos` is answered with NOERROR.
fn answers(client: &UdpSocket, port: u16) -> bool {
    const QUERY: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x06leader\x05mesos\0\0\x01\0\x01";
    let mut reply = [0; 512];
    let sent = client.send_to(QUERY, ("127.0.0.1", port));
    let answered =
        sent.is_ok() && client.recv(&mut reply).is_ok_and(|length| length > 12 && reply[3] & 15 == 0);
    if !answered {
        std::thread::sleep(Duration::from_millis(1));
    }
    answered
}

/// Processor seconds and peak MiB of a process.
fn usage(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks: f64 =
        [fields[11], fields[12]].iter().map(|field| field.parse::<f64>().expect("a number")).sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kibibytes: f64 = peak.trim().trim_end_matches("kB").trim().parse().expect("a number");
    (ticks / 100.0, kibibytes / 1024.0)
}

/// A process that ends with its owner, also when that one panics.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
