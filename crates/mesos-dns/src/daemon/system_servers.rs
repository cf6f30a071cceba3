//! The system's servers, as `/etc/resolv.conf` names them, followed when they change.
//!
//! Only where the configuration names none itself. Networks come and go while the process lives, and with them the
//! servers; whoever writes that file does not know us and sends no signal. It is read again every two seconds: it is
//! small, and what is compared is what it says, as its times and numbers tell nothing where it is a link, or mounted.

use std::time::Duration;

use mesos_dns_core::config::Config;
use tracing::{info, warn};

use crate::configuration;

/// Time between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// What was found at the last look.
#[derive(Default)]
pub(super) struct SystemServers {
    last: Option<Result<String, String>>,
}

impl SystemServers {
    /// The configuration with the system's servers, if they are others than it has.
    ///
    /// A file that is gone, empty or broken changes nothing, and is reported once: the servers that were good a moment
    /// ago are a better guess than none.
    pub(super) fn look(&mut self, config: &Config) -> Option<Config> {
        let text = configuration::resolv_conf();
        if self.last.as_ref() == Some(&text) {
            return None;
        }
        let interfaces = configuration::interface_addresses();
        let judged = match &text {
            Ok(text) => config.with_system(text, &interfaces).map_err(|remark| remark.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        self.last = Some(text);
        match judged {
            Ok(None) => None,
            Ok(Some(config)) => {
                let servers: Vec<String> = config.resolvers.iter().map(ToString::to_string).collect();
                info!(servers = servers.join(", "), "the servers of /etc/resolv.conf are asked now");
                Some(config)
            }
            Err(reason) => {
                warn!(reason, "/etc/resolv.conf cannot be followed, the former servers are asked");
                None
            }
        }
    }
}
