//! `mesos-dns dump`.

use crate::args::{Common, Dump};

/// Runs it.
///
/// # Errors
///
/// Always: it is not built yet.
pub fn run(_: &Dump, _: &Common) -> anyhow::Result<()> {
    anyhow::bail!("dumping is not built yet")
}
