//! All the wiring.

use crate::{args::Common, configuration, logging};

/// Serves until told to stop.
///
/// # Errors
///
/// The configuration is bad, or a port cannot be had.
pub fn run(common: &Common) -> anyhow::Result<()> {
    let config = configuration::load(common.config_path())?;
    logging::start(common.verbosity, config.log_format);
    configuration::log(&config);
    anyhow::bail!("serving is not built yet")
}
