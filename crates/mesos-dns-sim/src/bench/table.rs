//! What is printed.

use std::fs;

/// A table in Markdown.
#[derive(Debug)]
pub struct Table {
    title: String,
    head: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, head: &'static [&'static str]) -> Self {
        Self { title: title.into(), head, rows: Vec::new() }
    }

    /// Adds a row, and shows it at once to whoever waits.
    pub fn add(&mut self, row: Vec<String>) {
        eprintln!("{}: {}", self.title, row.join(", "));
        self.rows.push(row);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it.
    pub fn print(&self) {
        println!("{}\n\n| {} |\n|{}", self.title, self.head.join(" | "), " --- |".repeat(self.head.len()));
        self.rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
        println!();
    }
}

/// On what all of it was measured.
pub fn machine() -> String {
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
