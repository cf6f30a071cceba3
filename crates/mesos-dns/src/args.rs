//! The command line.
//!
//! Unit files of the original say `-config=/etc/x.json -v=1`, as Go programs have it: one dash or two, the value
//! behind an equals sign or a blank. Such arguments are rewritten to two dashes and an equals sign before `clap`
//! sees them, so that old and new command lines are parsed by one parser. Flags of the original's log library
//! are checked and have no effect.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgAction, CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};
use clap_complete::Shell;

/// What `-version` prints and `/v1/version` shows; fixed when the program is built.
pub const VERSION: &str = match option_env!("MESOS_DNS_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Status of a configuration that `check` refuses.
pub const EXIT_BAD_CONFIGURATION: u8 = 3;

/// The original's flags that take a value, which may stand in an argument of its own and begin with a dash.
const VALUED: [&str; 6] = ["config", "v", "stderrthreshold", "log_dir", "log_backtrace_at", "vmodule"];

/// Service discovery for Apache Mesos by DNS and HTTP.
///
/// Watches the Mesos masters, and answers DNS and HTTP queries for every running task, under the domain `mesos.`
/// unless configured otherwise. Other names are forwarded.
#[derive(Debug, Parser)]
#[command(
    name = "mesos-dns",
    disable_version_flag = true,
    args_override_self = true,
    after_long_help = EXAMPLES
)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do; without one, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Configuration file [default: config.json]
    #[arg(long, value_name = "FILE", global = true, allow_hyphen_values = true)]
    pub config: Option<String>,
    /// How much to log: 0 what is odd or needs you, 1 the life story, 2 each request, 3 everything. RUST_LOG
    /// refines it
    #[arg(
        short,
        long = "v",
        value_name = "LEVEL",
        global = true,
        default_value_t = 0,
        allow_hyphen_values = true,
        value_parser = level
    )]
    pub verbosity: i64,
    /// Print the version and exit
    #[arg(short = 'V', long, global = true, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true,
        hide_possible_values = true, value_parser = go_bool, action = ArgAction::Set)]
    version: bool,
    #[command(flatten)]
    ignored: Ignored,
}

impl Common {
    /// Path of the configuration file as given, or the default.
    pub fn config_path(&self) -> &str {
        self.config.as_deref().unwrap_or("config.json")
    }
}

/// Flags of the original's log library: accepted, without effect.
#[derive(Clone, Debug, clap::Args)]
struct Ignored {
    #[arg(long, hide = true, global = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = go_bool)]
    alsologtostderr: Option<bool>,
    #[arg(long, hide = true, global = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = go_bool)]
    logtostderr: Option<bool>,
    #[arg(long, hide = true, global = true, allow_hyphen_values = true, value_parser = severity)]
    stderrthreshold: Option<i64>,
    #[arg(long = "log_dir", hide = true, global = true, allow_hyphen_values = true)]
    log_dir: Option<String>,
    #[arg(long = "log_backtrace_at", hide = true, global = true, allow_hyphen_values = true)]
    log_backtrace_at: Option<String>,
    #[arg(long, hide = true, global = true, allow_hyphen_values = true)]
    vmodule: Option<String>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve DNS and HTTP (the default)
    Serve,
    /// Try it out: a simulated cluster, served on high ports of this machine
    Demo(Demo),
    /// Check a configuration file and show every value in force, without starting anything
    Check(Check),
    /// Print the zone, as a zone file or as JSON
    Dump(Dump),
    /// Tell why a name has the answer it has
    Explain(Explain),
    /// Show how a running server stands
    Status(Status),
    /// Vouch for the leading master: the running server no longer holds what it does not show
    Release(Release),
    /// Have the running server forget answers of other servers
    Flush(Flush),
    /// Print a script that completes this command line
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// Options of `demo`.
#[derive(Clone, Debug, clap::Args)]
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
pub struct Check {
    /// The file to check [default: that of --config]
    pub file: Option<String>,
}

/// Options of `dump`.
#[derive(Clone, Debug, clap::Args)]
pub struct Dump {
    /// URL of a running mesos-dns, URL of a Mesos master, or a state document on disk
    ///
    /// A running mesos-dns tells addresses and services only: neither further types, nor the weight, priority and TTL
    /// that single names have. From a master or a document everything is there that --config asks for.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Zone)]
    pub format: Format,
}

/// Options of `explain`.
#[derive(Clone, Debug, clap::Args)]
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
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputForm::Text)]
    pub output: OutputForm,
}

/// Form of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// For people
    #[value(alias = "table")]
    Text,
    /// One JSON object
    Json,
}

/// Options of `status`.
#[derive(Clone, Debug, clap::Args)]
pub struct Status {
    /// URL of a running mesos-dns [default: ask the admin socket]
    #[arg(value_name = "URL", conflicts_with = "socket")]
    pub url: Option<String>,
    /// The admin socket [default: adminSocket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Options of `release`.
#[derive(Clone, Debug, clap::Args)]
pub struct Release {
    /// The admin socket [default: adminSocket of the configuration]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Options of `flush`.
#[derive(Clone, Debug, clap::Args)]
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

/// What a newcomer should try, at the end of `--help`.
const EXAMPLES: &str = "\
Examples:
  mesos-dns demo                                   a cluster to play with, nothing to configure
  dig @127.0.0.1 -p 8053 leader.mesos              ask it
  mesos-dns check config.json                      is my configuration good, and what is in force?
  mesos-dns -config=/etc/mesos-dns/config.json     serve, as with the original Mesos-DNS
  mesos-dns -config config.json -v=1               the same, with the life story on stderr
  mesos-dns dump http://127.0.0.1:8123             addresses and services of a server, as a zone file
  mesos-dns explain web.marathon.mesos             why has this name these addresses?
  mesos-dns status http://127.0.0.1:8123           how a running server stands
  mesos-dns release -config config.json            what it holds in doubt is gone for good: drop it

The least a configuration file needs is where the cluster is:
  {\"zk\": \"zk://10.0.0.1:2181,10.0.0.2:2181/mesos\"}   or   {\"masters\": [\"10.0.0.1:5050\"]}

Exit status: 0 done, 1 failed, 2 wrong command line, 3 bad configuration (check only).";

/// Parses a command line, its first element the program's name. `Err`: help, the version or a complaint was
/// printed, and the program ends with this status.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Args::try_parse_from(rewrite(&args)) {
        Ok(parsed) if parsed.common.version => {
            print(std::io::stdout(), &format!("{VERSION}\n"));
            Err(ExitCode::SUCCESS)
        }
        Ok(parsed) => Ok(parsed),
        // The original writes its help to stderr; with two dashes it is a newcomer with a pager.
        Err(error) if error.kind() == ErrorKind::DisplayHelp && is_go_help(&args) => {
            print(std::io::stderr(), &error.render().to_string());
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() && !error.to_string().contains("Usage:") {
                print(std::io::stderr(), &format!("\n{}\n", Args::command().render_usage()));
            }
            Err(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)))
        }
    }
}

/// Prints the completion script of a shell.
pub fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "mesos-dns", &mut script);
    print(std::io::stdout(), &String::from_utf8_lossy(&script));
}

/// Writes a text; that nobody reads it to its end is no failure.
pub(crate) fn print(mut out: impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whether help was asked for in the original's way.
fn is_go_help(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "-h" || arg == "-help")
}

/// Rewrites Go's forms of a flag to clap's: `-config x` and `-config=x` to `--config=x`. Values are left alone, and
/// all that follows `--`.
fn rewrite(args: &[OsString]) -> Vec<OsString> {
    let mut rewritten = Vec::with_capacity(args.len());
    let mut rest = args.iter();
    rewritten.extend(rest.next().cloned());
    while let Some(arg) = rest.next() {
        let Some(flag) = arg.to_str().and_then(flag).filter(|_| arg != "--") else {
            rewritten.push(arg.clone());
            if arg == "--" {
                rewritten.extend(rest.by_ref().cloned());
            }
            continue;
        };
        let mut whole = OsString::from(if flag.chars().count() > 1 { "--" } else { "-" });
        whole.push(flag);
        if VALUED.contains(&flag) {
            // Go takes the next argument as the value, whatever it looks like; without one clap complains.
            if let Some(value) = rest.next() {
                whole.push(OsStr::new("="));
                whole.push(value);
            }
        }
        rewritten.push(whole);
    }
    rewritten
}

/// The name of a flag, with its value if that is attached, without its dashes; `None` if it is no flag, or so
/// malformed that clap should complain about it as it is.
fn flag(arg: &str) -> Option<&str> {
    let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    (!flag.is_empty() && !flag.starts_with(['-', '='])).then_some(flag)
}

/// Go's spellings of true and false.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// A level of verbosity.
fn level(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "write a number, as in -v=1".to_owned())
}

/// A severity of the original's log library, by name or number.
fn severity(text: &str) -> Result<i64, String> {
    match text.to_ascii_uppercase().as_str() {
        "INFO" => Ok(0),
        "WARNING" => Ok(1),
        "ERROR" => Ok(2),
        "FATAL" => Ok(3),
        number => number.parse().map_err(|_| "write INFO, WARNING, ERROR, FATAL or a number".to_owned()),
    }
}

/// A number of events per second.
fn rate(text: &str) -> Result<f64, String> {
    /// More than this says nothing about real clusters and only heats the room.
    const RATE_MAX: f64 = 100_000.0;
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=RATE_MAX).contains(number));
    number.ok_or_else(|| format!("write a number from 0 to {RATE_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_parse(line: &str) -> Result<Args, ErrorKind> {
        let args: Vec<OsString> = std::iter::once("mesos-dns")
            .chain(line.split(' ').filter(|word| !word.is_empty()))
            .map(OsString::from)
            .collect();
        Args::try_parse_from(rewrite(&args)).map_err(|error| error.kind())
    }

    #[test]
    fn flags_are_read_as_go_reads_them() {
        for (line, config, verbosity) in [
            ("", "config.json", 0),
            ("-config=x", "x", 0),
            ("-config x", "x", 0),
            ("--config=x", "x", 0),
            ("--config x", "x", 0),
            ("-config=a=b", "a=b", 0),
            ("-config=", "", 0),
            ("-config -v=1", "-v=1", 0),
            ("-config --", "--", 0),
            ("-config=x -config=y", "y", 0),
            ("-v=1", "config.json", 1),
            ("-v 2", "config.json", 2),
            ("--v=1", "config.json", 1),
            ("--v 1", "config.json", 1),
            ("-v=-1", "config.json", -1),
            ("-v -1", "config.json", -1),
            ("-v=1 -v=2 -config=x", "x", 2),
            (
                "-logtostderr -alsologtostderr=false -stderrthreshold=WARNING -log_dir=/tmp -log_backtrace_at a:1 -vmodule=a=1,b=2 -config=x",
                "x",
                0,
            ),
            ("-stderrthreshold 2 --stderrthreshold=fatal", "config.json", 0),
            ("-version=false", "config.json", 0),
            ("-v=1 --", "config.json", 1),
            ("serve -config=x -v=1", "x", 1),
            ("-config=x serve -v 1", "x", 1),
            ("-config=x serve -config=y", "y", 0),
        ] {
            let args = try_parse(line).unwrap_or_else(|kind| panic!("{line}: {kind}"));
            assert_eq!((args.common.config_path(), args.common.verbosity), (config, verbosity), "{line}");
            assert!(!args.common.version, "{line}");
            assert!(matches!(args.command, None | Some(Command::Serve)), "{line}");
        }
        for line in [
            "-version",
            "--version",
            "-version=true",
            "-version=1",
            "-V",
            "-version -v=1",
            "-version=T serve",
        ] {
            assert!(try_parse(line).unwrap().common.version, "{line}");
        }
        for line in ["-h", "-help", "--help", "-help -bogus", "serve -help"] {
            assert_eq!(try_parse(line).unwrap_err(), ErrorKind::DisplayHelp, "{line}");
        }
        for (line, kind) in [
            ("-bogus", ErrorKind::UnknownArgument),
            ("--bogus=1", ErrorKind::UnknownArgument),
            ("-version -bogus", ErrorKind::UnknownArgument),
            ("-bogus -help", ErrorKind::UnknownArgument),
            ("---v=1", ErrorKind::UnknownArgument),
            ("-=1", ErrorKind::UnknownArgument),
            ("-v", ErrorKind::InvalidValue),
            ("-config", ErrorKind::InvalidValue),
            ("-v -config=x", ErrorKind::ValueValidation),
            ("-v=x", ErrorKind::ValueValidation),
            ("-v=1.5", ErrorKind::ValueValidation),
            ("-version=maybe", ErrorKind::ValueValidation),
            ("-logtostderr=2", ErrorKind::ValueValidation),
            ("-stderrthreshold=loud", ErrorKind::ValueValidation),
            ("bogus", ErrorKind::InvalidSubcommand),
            ("-", ErrorKind::InvalidSubcommand),
            ("-version true", ErrorKind::InvalidSubcommand),
            ("demo -tasks=x", ErrorKind::ValueValidation),
            ("demo -churn=-1", ErrorKind::ValueValidation),
            ("demo -churn=NaN", ErrorKind::ValueValidation),
            ("dump", ErrorKind::MissingRequiredArgument),
            ("status http://a --socket b", ErrorKind::ArgumentConflict),
            ("release http://a", ErrorKind::UnknownArgument),
        ] {
            assert_eq!(try_parse(line).map(|args| args.command.is_some()), Err(kind), "{line}");
        }
    }

    #[test]
    fn commands_take_options_in_both_styles() {
        for line in [
            "demo --tasks 7 --seed 8 --churn 0.5 --dns-port 1 --http-port 2",
            "demo -tasks=7 -seed 8 -churn=.5 -dns-port=1 --http-port=2",
        ] {
            let Ok(Args { command: Some(Command::Demo(demo)), .. }) = try_parse(line) else {
                panic!("{line}")
            };
            assert_eq!((demo.tasks, demo.seed, demo.churn, demo.dns_port, demo.http_port), (7, 8, 0.5, 1, 2));
        }
        let Ok(Args { command: Some(Command::Dump(dump)), common, .. }) =
            try_parse("dump -config=c -format json state.json")
        else {
            panic!("dump")
        };
        assert_eq!(
            (dump.source.as_str(), dump.format, common.config_path()),
            ("state.json", Format::Json, "c")
        );
        let Ok(Args { command: Some(Command::Release(release)), common, .. }) =
            try_parse("release -config=c -socket /run/s")
        else {
            panic!("release")
        };
        assert_eq!((release.socket, common.config_path()), (Some("/run/s".into()), "c"));
        let Ok(Args { command: Some(Command::Status(status)), .. }) = try_parse("status http://a:1") else {
            panic!("status")
        };
        assert_eq!((status.url.as_deref(), status.socket), (Some("http://a:1"), None));
        let Ok(Args { command: Some(Command::Check(check)), .. }) = try_parse("check a.json") else {
            panic!("check")
        };
        assert_eq!(check.file.as_deref(), Some("a.json"));
    }

    #[test]
    fn clap_agrees_with_itself() {
        Args::command().debug_assert();
    }
}
