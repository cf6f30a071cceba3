//! The command line.
//!
//! Unit files of the original say `-config=/etc/x.json -v=1`, as Go programs have it: one dash or two, the value
//! behind an equals sign or a blank. Such arguments are rewritten to two dashes and an equals sign before `clap`
//! sees them, so that old and new command lines are parsed by one parser. Flags of the original's log library
//! are checked and have no effect.

mod examples;
mod options;

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    process::ExitCode,
};

use clap::{ArgAction, CommandFactory, Parser, error::ErrorKind};
use clap_complete::Shell;

pub use self::options::{
    Access, Check, Command, Demo, Doctor, Dump, Explain, Flush, Format, Output, Query, Release, Status, Watch,
};

/// What `-version` prints and `/v1/version` shows; fixed when the program is built.
pub const VERSION: &str = match option_env!("MESOS_DNS_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Status of a configuration that `check` refuses.
pub const EXIT_BAD_CONFIGURATION: u8 = 3;

/// Status of `status` where the server has no data yet.
pub const EXIT_NOT_READY: u8 = 4;

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
    after_long_help = examples::ALL
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

/// A number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.001..=3600.0).contains(number));
    number.ok_or_else(|| "write seconds, from 0.001 to 3600".to_owned())
}

#[cfg(test)]
mod tests;
