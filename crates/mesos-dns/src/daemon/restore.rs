//! What to go on from: the snapshot file, if it is any good. A bad one is never a reason not to start.

use std::error::Error;

use mesos_dns_core::mesos::state::Saved;
use tracing::{info, warn};

use crate::snapshot::{ReadError, SnapshotFile};

/// What was kept; `None` if that is nothing, or nothing that can be used. `masters` are those configured.
pub(super) fn read(file: &SnapshotFile, masters: &[String]) -> Option<Saved> {
    let path = file.path().display();
    match file.read() {
        Ok(saved) => {
            if !is_theirs(&saved, masters) {
                warn!(
                    %path,
                    leader = saved.document.leader,
                    "the snapshot file names none of the configured masters; it is used until one of them speaks"
                );
            }
            Some(saved)
        }
        Err(ReadError::Missing) => {
            info!(%path, "there is no snapshot file yet");
            None
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            warn!(%path, %error, cause, "the snapshot file is not used");
            None
        }
    }
}

/// Whether one of these masters could have said it. With ZooKeeper alone nobody knows that yet.
fn is_theirs(saved: &Saved, masters: &[String]) -> bool {
    let named = || saved.listed.iter().map(|master| &**master).chain(saved.document.leader.as_deref());
    masters.is_empty() || named().any(|name| masters.iter().any(|master| master == name))
}
