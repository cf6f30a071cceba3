//! A server that is driven by lines: for the program `sim-upstream`, and for benches that run it in a process of its
//! own.
//!
//! | line | answer |
//! | --- | --- |
//! | `count` | `count UDP TCP TLS CONNECTIONS`: queries by the way they came, and connections, so far |
//! | `rules JSON` | `rules N`: so many rules are in force now, instead of the former ones |
//!
//! To anything else, and to rules that are none, the answer is `error` and the reason.

use std::io::{self, BufRead, Write};

use super::{Rule, Upstream, scene::SceneError};

/// Obeys lines until there are no more.
///
/// # Errors
///
/// Those of the two ends.
pub fn talk(upstream: &Upstream, lines: impl BufRead, mut out: impl Write) -> io::Result<()> {
    for line in lines.lines() {
        writeln!(out, "{}", obey(upstream, line?.trim()))?;
        out.flush()?;
    }
    Ok(())
}

fn obey(upstream: &Upstream, line: &str) -> String {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "count" => {
            let counts = upstream.counts();
            format!("count {} {} {} {}", counts.udp, counts.tcp, counts.tls, counts.connections)
        }
        "rules" => match rules(upstream, rest) {
            Ok(count) => format!("rules {count}"),
            Err(error) => {
                let cause =
                    std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
                format!("error {error}{cause}")
            }
        },
        _ => format!("error {word:?} is not known"),
    }
}

fn rules(upstream: &Upstream, json: &str) -> Result<usize, SceneError> {
    let rules: Vec<Rule> = serde_json::from_str(json).map_err(SceneError::Malformed)?;
    upstream.rule(&rules)?;
    Ok(rules.len())
}
