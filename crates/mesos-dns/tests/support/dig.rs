//! `dig` and `kdig`, and what they print.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
};

/// The tool, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// ISC's.
    Dig,
    /// Knot's.
    Kdig,
}

/// What it printed.
#[derive(Debug)]
pub struct Reply {
    /// `NOERROR` and so on; empty if there was no reply.
    pub status: String,
    /// `qr aa rd` and so on.
    pub flags: String,
    /// The name of the question, as it came back.
    pub question: String,
    /// The answer section, sorted, a line per record with single blanks.
    pub answer: Vec<String>,
    /// The authority section, likewise.
    pub authority: Vec<String>,
    /// The additional section, likewise; OPT is not in it.
    pub additional: Vec<String>,
    /// Everything.
    pub text: String,
}

impl Tool {
    /// Those that are installed; says which are not.
    pub fn installed() -> Vec<Self> {
        let is_there = |tool: &Self| {
            let started = tool.command().arg("-v").output();
            if started.is_err() {
                eprintln!(
                    "skipped: {tool:?} is not installed (apt-get install bind9-dnsutils knot-dnsutils)"
                );
            }
            started.is_ok()
        };
        [Self::Dig, Self::Kdig].into_iter().filter(is_there).collect()
    }

    fn command(self) -> Command {
        let mut command = Command::new(match self {
            Self::Dig => "dig",
            Self::Kdig => "kdig",
        });
        // What a person likes `dig` to do would stand in a file there.
        command.env("HOME", "/nonexistent").stdin(Stdio::null());
        command
    }

    /// Asks, once, with these arguments (words of one string).
    pub fn ask(self, server: SocketAddr, arguments: &str) -> Reply {
        let mut command = self.command();
        command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
        command.args(match self {
            Self::Dig => ["+time=10", "+tries=1", "+nocmd"],
            Self::Kdig => ["+time=10", "+retry=0", "+noidn"],
        });
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        Reply::parse(&String::from_utf8_lossy(&told))
    }
}

impl Reply {
    fn parse(text: &str) -> Self {
        let between = |start: &str, end: &[char]| {
            let rest = text.split_once(start).map(|(_, rest)| rest).unwrap_or_default();
            rest.split(|c| end.contains(&c)).next().unwrap_or_default().trim().to_owned()
        };
        let folded = text.replace(";; Flags:", ";; flags:");
        let flags = folded.split_once(";; flags:").map(|(_, rest)| rest).unwrap_or_default();
        let question = section(text, "QUESTION").first().cloned().unwrap_or_default();
        let question = question.trim_start_matches([';', ' ']).split(' ').next().unwrap_or_default();
        Self {
            status: between("status: ", &[',', ';', '\n']),
            flags: flags.split(';').next().unwrap_or_default().trim().to_owned(),
            question: question.to_owned(),
            answer: section(text, "ANSWER"),
            authority: section(text, "AUTHORITY"),
            additional: section(text, "ADDITIONAL"),
            text: text.to_owned(),
        }
    }

    /// The data of the answers: what stands behind the type.
    pub fn data(&self) -> Vec<String> {
        let data = |line: &String| line.splitn(5, ' ').nth(4).unwrap_or_default().to_owned();
        self.answer.iter().map(data).collect()
    }
}

fn section(text: &str, name: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!(";; {name} SECTION:\n")) else { return Vec::new() };
    let lines = rest.lines().take_while(|line| !line.is_empty());
    let mut lines: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines
}
