//! The promise: what we answer is what the best authoritative servers answer from the same records.
//!
//! The program takes its cluster from a master, Knot and NSD load what `mesos-dns dump` writes of it, and all three
//! get the same queries. Replies are read to their last octet and compared as sets. Where they differ, a line of
//! `differential/explained.rs` must say why.
//!
//! `DIFFERENTIAL=100000` asks that many queries, `DIFFERENTIAL_SEED=7` others.

#[path = "differential/ask.rs"]
mod ask;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "differential/everything.rs"]
mod everything;
#[path = "differential/explained.rs"]
mod explained;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;
#[path = "differential/question.rs"]
mod question;
#[path = "differential/reply.rs"]
mod reply;
#[path = "support/rival.rs"]
mod rival;
#[path = "differential/server.rs"]
mod server;

use std::{collections::BTreeMap, fmt::Write, fs, net::SocketAddr, path::Path, process::Command};

use ask::{ask, id};
use daemon::Daemon;
use domain::base::iana::Rtype;
use explained::{EXPLAINED, Facet, Pair, differences};
use master::{Master, captured, document_of, ordinary};
use mesos_dns_core::wire::Name;
use question::{Question, Questions};
use reply::Reply;
use serde_json::{Value, json};
use server::{Kind, NSID, Server};

/// Queries in a run of the gate.
const QUERIES: usize = 3_000;

/// From this many on, every explanation must have been needed.
const EXHAUSTIVE: usize = 100_000;

/// Differences that are shown in full.
const SHOWN_MAX: usize = 12;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// The documents of `test-data/ours` in one: odd names, discovery, ports, IPv6; and sets of sixty records.
fn cluster() -> Value {
    let mut whole = ordinary();
    let documents =
        ["01-task-names", "02-framework-names", "03-discovery-and-ports", "04-ip-sources", "05-ipv6"];
    for (number, name) in documents.into_iter().enumerate() {
        // Each is a cluster of its own; here their agents and frameworks need names that differ.
        let text = captured(&format!("ours/{name}.json")).to_string();
        let own = text.replace(
            "a1b2c3d4-0000-4000-8000-000000000001",
            &format!("a1b2c3d4-0000-4000-8000-{number:012}"),
        );
        let mut document: Value = serde_json::from_str(&own).unwrap();
        for key in ["slaves", "frameworks"] {
            let more = document[key].take();
            whole[key].as_array_mut().unwrap().extend(more.as_array().unwrap().iter().cloned());
        }
    }
    whole
}

/// What `mesos-dns dump` writes of a source.
fn dump(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-dns"));
    let output = command.arg("dump").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a running server has of the document that its master shows. It tells only addresses and services, so the rest is
/// taken from where it has it, and the serial from it.
fn dump_with_all_types(daemon: &Daemon, document: &Path) -> String {
    let config = format!("-config={}", daemon.file().display());
    let all = dump(&[&config, document.to_str().unwrap()]);
    let of_server = dump(&[&format!("http://{}", daemon.http)]);
    let is_soa = |line: &&str| line.contains(" IN SOA ");
    let soa = of_server.lines().find(is_soa).unwrap();
    all.lines().map(|line| if is_soa(&line) { soa } else { line }.to_owned() + "\n").collect()
}

/// The owner and type of each record.
fn records(zone: &str) -> Vec<(Name, u16)> {
    let lines = zone.lines().filter(|line| !line.starts_with('$'));
    let record = |line: &str| {
        let (owner, rest) = line.split_once(' ').unwrap();
        let (_, rest) = rest.split_once("IN ").unwrap();
        let rtype: Rtype = rest.split(' ').next().unwrap().parse().unwrap();
        (Name::parse(owner).unwrap(), rtype.to_int())
    };
    let mut records: Vec<_> = lines.map(record).collect();
    records.dedup();
    records
}

/// What a server said to each query, read; or why it cannot be read.
type Replies = Vec<Option<Result<Reply, String>>>;

fn replies(server: SocketAddr, who: &str, questions: &[Question]) -> Replies {
    let raw = ask(server, questions).unwrap_or_else(|error| panic!("{who}: {error}"));
    let read = |(at, reply): (usize, Option<Vec<u8>>)| {
        let (query, bytes) = (questions[at].message(id(at)), reply?);
        Some(Reply::read(&bytes, &query).map_err(|why| format!("{why}: {}", hex(&bytes))))
    };
    raw.into_iter().enumerate().map(read).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_answer_as_knot_and_nsd_do() {
    let mut report = Report::default();
    // Names as the original has them.
    let master = Master::start(&cluster()).await;
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "recurseon": false, "nsid": NSID, "workers": 1,
        "IPSources": ["netinfo", "mesos", "host"],
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let zone = dump(&[&format!("http://{}", daemon.http)]);
    let is_complete = compare(&daemon, &zone, &mut report);
    drop(daemon);

    // All further ones, and what operators write down.
    let (master, directory) = (Master::start(&everything::cluster()).await, tempfile::tempdir().unwrap());
    let daemon = Daemon::start(everything::config(master.address(), directory.path()));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    let document = directory.path().join("state.json");
    fs::write(&document, document_of(master.address(), &everything::cluster()).to_string()).unwrap();
    let zone = dump_with_all_types(&daemon, &document);
    everything::is_in(&zone);
    compare(&daemon, &zone, &mut report);
    report.close(setting("DIFFERENTIAL", QUERIES) >= EXHAUSTIVE && is_complete);
}

/// Asks us and the others about this zone. Returns whether all the others are there.
fn compare(daemon: &Daemon, zone: &str, report: &mut Report) -> bool {
    let others: Vec<Server> =
        [Kind::Knot, Kind::Nsd].into_iter().filter_map(|kind| Server::start(kind, zone.as_bytes())).collect();
    let (queries, seed) = (setting("DIFFERENTIAL", QUERIES), setting("DIFFERENTIAL_SEED", 1));
    let mut source = Questions::new(seed as u64, &Name::parse("mesos").unwrap(), &records(zone));
    let questions: Vec<Question> = (0..queries).map(|_| source.roll()).collect();

    // Which of them each server is asked, and what it says.
    let asked =
        others.iter().map(|other| (0..queries).filter(|at| other.kind.is_asked(&questions[*at])).collect());
    let asked: Vec<Vec<usize>> = asked.collect();
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = others.iter().zip(&asked).map(|(other, asked)| {
            let questions: Vec<Question> = asked.iter().map(|at| questions[*at].clone()).collect();
            scope.spawn(move || replies(other.address, &format!("{:?}", other.kind), &questions))
        });
        let theirs: Vec<_> = theirs.collect();
        let ours = replies(daemon.dns, "we", &questions);
        (ours, theirs.into_iter().map(|asking| asking.join().unwrap()).collect::<Vec<Replies>>())
    });
    let ours = ours.into_iter().enumerate().map(|(at, reply)| {
        let read = |reply: Result<Reply, String>| {
            reply.unwrap_or_else(|why| panic!("we: {why}\nto {}", hex(&questions[at].message(id(at)))))
        };
        reply.map(read)
    });
    let ours: Vec<Option<Reply>> = ours.collect();
    for ((other, asked), theirs) in others.iter().zip(&asked).zip(&theirs) {
        for (at, theirs) in asked.iter().zip(theirs) {
            let (question, ours) = (&questions[*at], ours[*at].as_ref());
            report.compare(&Pair { question, ours, theirs: theirs.as_ref(), kind: other.kind }, *at);
        }
    }
    println!("{queries} queries to us and {:?}", others.iter().map(|other| other.kind).collect::<Vec<_>>());
    others.len() == 2
}

/// Our response code and theirs.
type Rcodes = (Option<u16>, Option<u16>);

fn rcode(reply: Option<&Result<Reply, String>>) -> Option<u16> {
    reply?.as_ref().ok().map(|reply| reply.rcode)
}

/// What was found so far.
#[derive(Default)]
struct Report {
    compared: usize,
    equal: usize,
    /// By the number of the explanation.
    explained: BTreeMap<usize, usize>,
    unexplained: BTreeMap<(Kind, Facet, Rcodes), usize>,
    shown: Vec<String>,
}

impl Report {
    fn compare(&mut self, pair: &Pair, at: usize) {
        self.compared += 1;
        let found = differences(pair);
        self.equal += usize::from(found.is_empty());
        let mut without_reason = Vec::new();
        for facet in found {
            match EXPLAINED.iter().position(|explanation| (explanation.holds)(pair, facet)) {
                Some(number) => *self.explained.entry(number).or_default() += 1,
                None => {
                    let rcodes = (pair.ours.map(|reply| reply.rcode), rcode(pair.theirs));
                    let count = self.unexplained.entry((pair.kind, facet, rcodes)).or_default();
                    *count += 1;
                    if *count <= 2 {
                        without_reason.push(facet);
                    }
                }
            }
        }
        if !without_reason.is_empty() && self.shown.len() < SHOWN_MAX {
            self.shown.push(format!(
                "{:?} differs in {without_reason:?}\n  query {}\n  {:?}\n  we: {:?}\n  they: {:?}",
                pair.kind,
                hex(&pair.question.message(id(at))),
                pair.question,
                pair.ours,
                pair.theirs
            ));
        }
    }

    fn close(self, is_exhaustive: bool) {
        println!("{} pairs of replies compared, {} equal", self.compared, self.equal);
        let mut unused = Vec::new();
        for (number, explanation) in EXPLAINED.iter().enumerate() {
            let count = self.explained.get(&number).copied().unwrap_or_default();
            println!("{count:>7}  {}", explanation.why);
            if count == 0 {
                unused.push(explanation.why);
            }
        }
        assert!(
            self.unexplained.is_empty(),
            "without explanation: {:#?}\n{}",
            self.unexplained,
            self.shown.join("\n")
        );
        assert!(unused.is_empty() || !is_exhaustive, "nothing differs so any more: {unused:#?}");
    }
}
