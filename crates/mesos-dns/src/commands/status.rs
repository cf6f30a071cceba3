//! `mesos-dns status`: how a running server stands.
//!
//! On its own machine it is asked through the admin socket, which needs no token and works with HTTP switched off; else
//! over HTTP. A server that wants a token which we do not have, or is of an older version, still tells at `/ready` the
//! most important part.

use std::{fmt::Write, process::ExitCode};

use anyhow::bail;
use hyper::{Method, StatusCode};
use serde_json::Value;

use super::{
    api::{Server, configured_quietly},
    print_json,
    terminal::{BAD, FAINT, GOOD, ODD, painted, show},
};
use crate::{
    args::{Common, EXIT_NOT_READY, Output, Status},
    ask::over_socket,
    daemon::run_to_end,
};

/// Shows how a running server stands. Status 4 if it has no data to answer from.
///
/// # Errors
///
/// It cannot be asked.
pub fn run(options: &Status, common: &Common) -> anyhow::Result<ExitCode> {
    if options.settings {
        return settings(options, common);
    }
    let has_socket = options.socket.is_some()
        || configured_quietly(common).is_some_and(|config| config.admin_socket.is_some());
    let (code, told) = if options.url.is_none() && has_socket {
        over_socket(options.socket.clone(), common, Method::GET, "/status")?
    } else {
        let server = Server::find(options.url.as_deref(), &options.access, common)?;
        run_to_end(over_http(&server))?
    };
    // Not ready is an answer too.
    if code != StatusCode::OK && code != StatusCode::SERVICE_UNAVAILABLE {
        bail!("the answer is {code}: is this a mesos-dns?");
    }
    match options.output {
        Output::Table => drop(show(&page(&told))?),
        Output::Json => print_json(&told)?,
    }
    Ok(if told["ready"] == true { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NOT_READY) })
}

async fn over_http(server: &Server) -> anyhow::Result<(StatusCode, Value)> {
    match server.json("/v2/status").await {
        Ok((StatusCode::OK, told)) => Ok((StatusCode::OK, told)),
        Err(error) if error.root_cause().is::<std::io::Error>() => Err(error),
        _ => server.json("/ready").await,
    }
}

/// Everything as a page.
fn page(told: &Value) -> String {
    let state = told["state"].as_str().unwrap_or("unknown");
    let style = match state {
        "live" => GOOD,
        "holding" | "stale" => ODD,
        _ => BAD,
    };
    let mut rows: Vec<(&str, String)> = vec![("state", painted(style, state))];
    for reason in told["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        rows.push(("", reason.to_owned()));
    }
    rows.extend(kept(&told["held"]).map(|kept| ("held in doubt", kept)));
    // An address alone at /ready and on the admin socket.
    let leader = told["leader"]["address"].as_str().or(told["leader"].as_str());
    let version = told["leader"]["version"].as_str().map_or(String::new(), |text| format!(", Mesos {text}"));
    rows.push(("leader", format!("{}{version}", leader.unwrap_or("none"))));
    if let Some(updates) = told["updates"].as_str() {
        rows.push(("changes come by", updates.to_owned()));
    }
    for (what, member) in [
        ("data confirmed", "ageSeconds"),
        ("leader heard", "lastContactSeconds"),
        ("names changed", "lastChangeSeconds"),
    ] {
        rows.extend(told[member].as_f64().map(|seconds| (what, format!("{} ago", span(seconds)))));
    }
    let serial = told["serial"].as_u64().unwrap_or_default();
    let hash = told["contentHash"].as_str().unwrap_or_default();
    rows.push(("zone", format!("serial {serial}, version {}, content {hash}", told["version"])));
    rows.extend(counts(told).map(|counts| ("", counts)));
    if let Some(program) = told["program"].as_str() {
        let up = told["uptimeSeconds"].as_f64().map_or(String::new(), |up| format!(", up for {}", span(up)));
        rows.push(("program", format!("mesos-dns {program}, process {}{up}", told["pid"])));
    }
    let mut text = String::new();
    for (what, value) in rows {
        let _ = writeln!(text, "{} {value}", painted(FAINT, &format!("{what:<16}")));
    }
    text
}

/// What is held and why.
fn kept(held: &Value) -> Option<String> {
    let why = held["why"].as_str()?;
    Some(format!(
        "{} tasks, {} agents ({why}); `mesos-dns release` drops them",
        held["tasks"], held["agents"]
    ))
}

/// How much there is of everything.
fn counts(told: &Value) -> Option<String> {
    let from = if told["counts"].is_object() { &told["counts"] } else { told };
    let of = |what: &str| Some(format!("{} {what}", from[what].as_u64()?));
    let all: Option<Vec<String>> =
        ["names", "records", "tasks", "agents", "frameworks"].into_iter().map(of).collect();
    all.map(|all| all.join(", "))
}

/// A span of time in its two largest units.
fn span(seconds: f64) -> String {
    // Saturates, and has no sign: nothing was in the future.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as is meant")]
    let whole = seconds as u64;
    let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds:.1} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", whole % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

//------------ The configuration in force --------------------------------------

fn settings(options: &Status, common: &Common) -> anyhow::Result<ExitCode> {
    let server = Server::find(options.url.as_deref(), &options.access, common)?;
    let (code, told) = run_to_end(server.json("/v2/config"))?;
    if code != StatusCode::OK {
        return Err(server.refusal(code, &told));
    }
    match options.output {
        Output::Table => drop(show(&listed(&told))?),
        Output::Json => print_json(&told)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(told: &Value) -> String {
    let mut text = String::new();
    let rows = told["keys"].as_array().into_iter().flatten();
    for row in rows.filter(|row| row["effective"] == true) {
        let member = |name: &str| row[name].as_str().unwrap_or_default();
        let origin = member("origin");
        let style = if origin == "default" { FAINT } else { GOOD };
        let origin = painted(style, &format!("{origin:<24}"));
        let _ = writeln!(text, "{:<24} {origin} {} {}", member("key"), row["value"], member("unit"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (59.94, "59.9 s"),
            (61.0, "1 min 1 s"),
            (3720.0, "1 h 2 min"),
            (200_000.0, "2 d 7 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
