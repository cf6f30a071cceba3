//! `mesos-dns demo`.

use crate::args::{Common, Demo};

/// Runs it.
///
/// # Errors
///
/// Always: it is not built yet.
pub fn run(_: &Demo, _: &Common) -> anyhow::Result<()> {
    anyhow::bail!("the demonstration is not built yet")
}
