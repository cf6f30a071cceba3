//! Health checks of the world's tasks.

use std::time::Duration;

use mesos_dns_core::watch::health::UNHEALTHY_AFTER;

use super::{BORN, World};
use crate::cluster::State;

impl World {
    /// A check of one of a service's tasks has this result; of one that its master cannot hear of, it has none.
    ///
    /// Bad news of one task must be over, believed or taken back, before there is news of another: what somebody may
    /// be told of a service has one change between two versions.
    pub(super) fn check_health(&mut self, service: usize, place: usize, healthy: bool, now: Duration) {
        let over = UNHEALTHY_AFTER + self.log.bounds.fresh;
        let is_clear =
            self.checked.get(&service).is_none_or(|(at, other)| *other == place || *at + over <= now);
        if !is_clear || !self.may_launch(service) {
            return;
        }
        let Some(launch) = self.services.all()[service].launches.get(place) else { return };
        if self.cluster.report(*launch, State::Running, Some(healthy), BORN + now).is_some() {
            self.checked.insert(service, (now, place));
            // Good news is believed at once.
            self.doubted = (!healthy).then_some(service);
        }
    }
}
