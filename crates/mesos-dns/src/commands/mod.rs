//! The commands for people: what they ask, and how it is shown.
//!
//! - [`status`], [`query`], [`watch`], [`doctor`]: a file for each command.
//! - [`api`]: asking a running server over HTTP. `terminal`: colours and progress, where somebody looks.
//!
//! Each command that shows data can show it as JSON; then nothing else is on standard output.

pub mod api;
pub mod doctor;
pub mod query;
pub mod status;
pub(crate) mod terminal;
pub mod watch;

use serde::Serialize;

use crate::args::print;

/// Prints a value as JSON, over several lines.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(std::io::stdout(), &format!("{}\n", serde_json::to_string_pretty(value)?));
    Ok(())
}
