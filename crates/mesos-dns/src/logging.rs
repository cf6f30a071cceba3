//! Log set-up: everything goes to stderr, as text for people or as JSON for machines.

use std::io::{IsTerminal, stderr};

use mesos_dns_core::config::LogFormat;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. `verbosity` is the flag `-v`; the environment variable `RUST_LOG` refines it, part by part. Only
/// the first call in a process has an effect.
pub fn start(verbosity: i64, format: LogFormat) {
    let filter = filter(verbosity, std::env::var("RUST_LOG").ok().as_deref());
    let is_terminal = stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    // A second start finds the first one's logger in place, which is as good.
    let _ = match is_text(format, is_terminal) {
        true => builder.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).try_init(),
        false => builder.json().flatten_event(true).try_init(),
    };
}

/// Whether to write text.
fn is_text(format: LogFormat, is_terminal: bool) -> bool {
    match format {
        LogFormat::Auto => is_terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    }
}

/// The level of `-v`, then what `RUST_LOG` says, which wins where both say something of the same part.
fn filter(verbosity: i64, refined: Option<&str>) -> EnvFilter {
    let level = match verbosity {
        ..=0 => "warn",
        1 => "info",
        2 => "debug",
        3.. => "trace",
    };
    // The ZooKeeper library warns of each failed connection; we tell of each change.
    let library = if verbosity < 2 { "zookeeper_client=error," } else { "" };
    EnvFilter::builder().parse_lossy(format!("{level},{library}{}", refined.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (verbosity, refined, filters) in [
            (-5, None, "zookeeper_client=error,warn"),
            (0, None, "zookeeper_client=error,warn"),
            (1, None, "zookeeper_client=error,info"),
            (2, None, "debug"),
            (99, None, "trace"),
            (0, Some(""), "zookeeper_client=error,warn"),
            (0, Some("debug"), "zookeeper_client=error,debug"),
            (1, Some("mesos_dns::dns=trace"), "zookeeper_client=error,mesos_dns::dns=trace,info"),
        ] {
            assert_eq!(filter(verbosity, refined).to_string(), filters, "{verbosity} {refined:?}");
        }
    }

    #[test]
    fn text_is_for_terminals() {
        for (format, is_terminal, text) in [
            (LogFormat::Auto, true, true),
            (LogFormat::Auto, false, false),
            (LogFormat::Json, true, false),
            (LogFormat::Text, false, true),
        ] {
            assert_eq!(is_text(format, is_terminal), text, "{format:?}");
        }
    }
}
