//! What is printed.

use std::fs;

/// A table in Markdown.
pub(crate) struct Table {
    title: &'static str,
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: &'static str, head: &'static [&'static str]) -> Self {
        Self { title, head, rows: Vec::new() }
    }

    /// Adds a row, and shows it at once to whoever waits.
    pub(crate) fn add(&mut self, row: Vec<String>) {
        eprintln!("{}: {}", self.title, row.join(", "));
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn print(&self) {
        println!("{}\n\n| {} |\n|{}", self.title, self.head.join(" | "), " --- |".repeat(self.head.len()));
        self.rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
        println!();
    }
}

/// On what all of it was measured.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name").and_then(|rest| rest.split(": ").nth(1)))
        .collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    let busy = read("/proc/loadavg");
    format!(
        "{} processors ({}), Linux {}, load before: {}",
        models.len(),
        models.first().unwrap_or(&"unknown"),
        kernel.trim(),
        busy.split(' ').next().unwrap_or_default()
    )
}
