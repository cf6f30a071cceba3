//! `mesos-dns doctor`: what keeps this machine from serving.
//!
//! Looks at what a start would need, and at what a running server depends on, and says of each thing whether it is well, odd
//! or to be mended, and how. It changes nothing: it binds ports for a moment, reads files, and asks the masters as the server
//! would.
//!
//! - `ports`: who has them, whether the server answers. `system`: `resolv.conf`, descriptors. `files`: who may read them.
//! - `masters`: ZooKeeper, permissions, the clock.

mod files;
mod masters;
mod ports;
mod system;

use std::{fmt::Write, process::ExitCode};

use mesos_dns_core::config::Config;
use serde::Serialize;
use serde_json::json;

use super::{
    print_json,
    terminal::{BAD, FAINT, GOOD, ODD, Progress, painted, show},
};
use crate::{
    args::{Common, Doctor, Output},
    configuration,
    daemon::run_to_end,
};

/// What came of looking at one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    verdict: Verdict,
    /// What was seen.
    told: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Works, but not as well as it could, or not for long.
    Warn,
    /// Has to be mended.
    Fail,
}

impl Finding {
    fn ok(check: impl Into<String>, told: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, told: told.into(), mend: None }
    }

    fn warn(check: impl Into<String>, told: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, mend: Some(mend.into()), ..Self::ok(check, told) }
    }

    fn fail(check: impl Into<String>, told: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, mend: Some(mend.into()), ..Self::ok(check, told) }
    }
}

/// Looks at everything. Status 1 if something has to be mended.
///
/// # Errors
///
/// There is no runtime to look with, or the result cannot be written.
pub fn run(options: &Doctor, common: &Common) -> anyhow::Result<ExitCode> {
    let progress = Progress::start("looking", "");
    let mut findings = Vec::new();
    let loaded = configuration::load(common.config_path());
    findings.push(configured(common, &loaded));
    let config = match &loaded {
        Ok(config) => config.clone(),
        Err(_) => configuration::defaults()?,
    };
    findings.extend(system::look(&config));
    findings.extend(run_to_end(async { Ok(ports::look(&config).await) })?);
    if loaded.is_ok() {
        findings.extend(files::look(&config));
        findings.extend(run_to_end(async { Ok(masters::look(&config).await) })?);
    }
    drop(progress);
    match options.output {
        Output::Table => drop(show(&page(&findings))?),
        Output::Json => print_json(&json!({"good": is_good(&findings), "findings": findings}))?,
    }
    Ok(if is_good(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_good(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Fail)
}

fn configured(common: &Common, loaded: &Result<Config, configuration::LoadError>) -> Finding {
    let check = "configuration";
    match loaded {
        Ok(config) if config.warnings.is_empty() => Finding::ok(check, format!("{} is good", config.path())),
        Ok(config) => Finding::warn(
            check,
            format!("{} is good, with {} warnings", config.path(), config.warnings.len()),
            format!("`mesos-dns check {}` tells them", config.path()),
        ),
        Err(error) => Finding::fail(
            check,
            error.lines().join("; "),
            format!("mend {}; what follows is judged by the defaults", common.config_path()),
        ),
    }
}

/// A line for each finding, and one for what to do about it.
fn page(findings: &[Finding]) -> String {
    let mut text = String::new();
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    for Finding { check, verdict, told, mend } in findings {
        let (style, word) = match verdict {
            Verdict::Ok => (GOOD, "ok  "),
            Verdict::Warn => (ODD, "warn"),
            Verdict::Fail => (BAD, "fail"),
        };
        let _ = writeln!(text, "{}  {check:<width$}  {told}", painted(style, word));
        if let Some(mend) = mend {
            let _ = writeln!(text, "      {:width$}  {}", "", painted(FAINT, &format!("-> {mend}")));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    let (warned, failed) = (count(Verdict::Warn), count(Verdict::Fail));
    let _ = writeln!(text, "\n{} looked at, {warned} odd, {failed} to be mended", findings.len());
    text
}
