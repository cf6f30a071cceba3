//! The commands and the options of each.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{
    examples::{CHECK, COMPLETIONS, DEMO, DOCTOR, DUMP, EXPLAIN, FLUSH, QUERY, RELEASE, STATUS, WATCH},
    rate, seconds,
};

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve DNS and HTTP (the default)
    Serve,
    /// Try it out: a simulated cluster, served on high ports of this machine
    Demo(Demo),
    /// Check a configuration file and show every value in force, without starting anything
    Check(Check),
    /// Look for what keeps this machine from serving: ports, masters, ZooKeeper, clock, files
    Doctor(Doctor),
    /// Show how a running server stands
    Status(Status),
    /// Ask a DNS server, and show what it answers and how fast
    Query(Query),
    /// Tell why a name has the answer it has
    Explain(Explain),
    /// Show changes of records as they happen, one on each line
    Watch(Watch),
    /// Print the zone as a zone file or as JSON, or how two zones differ
    Dump(Dump),
    /// Vouch for the leading master: the running server no longer holds what it does not show
    Release(Release),
    /// Have the running server forget answers of other servers
    Flush(Flush),
    /// Print a script that completes this command line
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// How a server is reached that wants more than its URL.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Access {
    /// File with the token that the server wants, in its first line [default: httpTokensFile, for one's own server]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the authorities to trust, for https [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = DEMO)]
pub struct Demo {
    /// Tasks in the cluster
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub tasks: usize,
    /// The same seed gives the same cluster and the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Events per second, on average; 0: nothing ever changes
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = rate)]
    pub churn: f64,
    /// Port of the DNS server on 127.0.0.1, UDP and TCP
    #[arg(long, value_name = "PORT", default_value_t = 8053)]
    pub dns_port: u16,
    /// Port of the HTTP API on 127.0.0.1
    #[arg(long, value_name = "PORT", default_value_t = 8123)]
    pub http_port: u16,
}

/// Options of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = CHECK)]
pub struct Check {
    /// The file to check [default: that of --config]
    pub file: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Options of `doctor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = DOCTOR)]
pub struct Doctor {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Options of `query`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = QUERY)]
pub struct Query {
    /// A name, or an address whose name is looked for
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The type [default: A; SRV for names of services, PTR for addresses]
    #[arg(value_name = "TYPE")]
    pub rtype: Option<String>,
    /// Whom to ask [default: the server of the configuration; without one, the first of /etc/resolv.conf]
    #[arg(value_name = "@SERVER")]
    pub server: Option<String>,
    /// Port of the server [default: that behind the server's address, or of the configuration, else 53]
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Ask over TCP at once; else only what does not fit is asked for again over TCP
    #[arg(long)]
    pub tcp: bool,
    /// Do not ask the server to ask others
    #[arg(long)]
    pub no_recursion: bool,
    /// Seconds to wait for an answer; over UDP, three times as long in all
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub timeout: f64,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Options of `watch`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = WATCH)]
pub struct Watch {
    /// URL of a running mesos-dns [default: the server of the configuration]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Only this name; `*` stands for any text
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only this name and all below it
    #[arg(long, value_name = "NAME")]
    pub below: Option<String>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub rtype: Option<String>,
    /// Only names of this framework and of its tasks
    #[arg(long, value_name = "NAME")]
    pub framework: Option<String>,
    /// Begin with what changed after this version, an `id` as the API or an earlier watch told it
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub access: Access,
    /// Form of the output; json: one object on each line
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Options of `dump`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = DUMP)]
pub struct Dump {
    /// URL of a running mesos-dns, URL of a Mesos master, or a state document on disk
    ///
    /// From a master or a document everything is there that --config asks for. A mesos-dns without /v2/records tells
    /// addresses and services only.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Another source, to compare with
    #[arg(value_name = "OTHER", requires = "diff")]
    pub other: Option<String>,
    /// Show how OTHER differs from SOURCE: `-` only in SOURCE, `+` only in OTHER
    #[arg(long, requires = "other")]
    pub diff: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Zone)]
    pub format: Format,
    /// How the server is reached.
    #[command(flatten)]
    pub access: Access,
}

/// Options of `explain`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXPLAIN)]
pub struct Explain {
    /// The name, or an address whose name is looked for
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The type [default: A; SRV for names of services, PTR for addresses]
    #[arg(value_name = "TYPE")]
    pub rtype: Option<String>,
    /// Address of the client that asks [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub client: Option<String>,
    /// URL of a running mesos-dns, or a state document on disk [default: the server of the configuration]
    ///
    /// For a document, --config says how names are made of it.
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub access: Access,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Form of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[value(alias = "text")]
    Table,
    /// JSON
    Json,
}

/// Options of `status`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = STATUS)]
pub struct Status {
    /// URL of a running mesos-dns [default: the admin socket, else the server of the configuration]
    #[arg(value_name = "URL", conflicts_with = "socket")]
    pub url: Option<String>,
    /// The admin socket [default: adminSocket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Show the configuration that the server runs with: each key, its value and where that comes from
    #[arg(long, conflicts_with = "socket")]
    pub settings: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub access: Access,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Options of `release`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = RELEASE)]
pub struct Release {
    /// The admin socket [default: adminSocket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Options of `flush`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = FLUSH)]
pub struct Flush {
    /// The name to forget
    #[arg(value_name = "NAME", required_unless_present_any = ["below", "all"])]
    pub name: Option<String>,
    /// Forget this name and all names below it
    #[arg(long, value_name = "SUFFIX", conflicts_with = "name")]
    pub below: Option<String>,
    /// Forget all names
    #[arg(long, conflicts_with_all = ["name", "below"])]
    pub all: bool,
    /// The admin socket [default: adminSocket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Form of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A standard zone file (RFC 1035 section 5), which other DNS servers load
    Zone,
    /// One JSON object
    Json,
}
