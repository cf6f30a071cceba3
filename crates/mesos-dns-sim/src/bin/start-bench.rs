//! From start to the first answer, and the memory that takes: `start-bench PATH-OF-MESOS-DNS [DOCUMENT]`.
//!
//! For each size a state document is written by the simulator (or the one given is taken), served by a
//! second process as a master would serve it, and the binary is started on it. Time runs from the
//! start of the process to the first NOERROR for `leader.mesos`; memory is the peak the kernel saw. The
//! original's figures were taken with a document of 100,000 tasks and 164 MB (see `docs/performance.md`).

use std::{env, fs, path::Path, process::Command};

use mesos_dns_sim::bench::{
    document,
    process::{Process, Queue, free_port, start_answering},
};

/// Rounds per size; the median is reported with the smallest and the largest.
const ROUNDS: usize = 5;

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
    let myself = env::current_exe().expect("this program");
    let (_master, mut lines) =
        Process::talk(&myself, &["--serve", document], Queue::Middle).expect("this program");
    let master = lines.hear("port").expect("a line with the port");
    let port = free_port().expect("a free port");
    let text = format!(
        r#"{{"masters": ["127.0.0.1:{master}"], "listener": "127.0.0.1", "port": {port}, "httpon": false,
        "externalon": false, "updates": "poll"}}"#
    );
    fs::write(config, text).expect("the configuration");
    let mut command = Command::new(binary);
    command.arg(format!("-config={}", config.display()));
    let (daemon, time) = start_answering(&mut command, port, "leader.mesos").expect("an answer");
    let (processor, memory) = (daemon.processor(), daemon.memory());
    let processor = processor.expect("the process lives").as_secs_f64();
    (time.as_secs_f64(), processor, memory.expect("the process lives").peak)
}
