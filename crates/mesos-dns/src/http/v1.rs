//! The v1 API.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use mesos_dns_core::views::{self, Axfr, Enumerate, Version};
use serde::Serialize;

use super::{
    Api,
    metrics::Limit,
    refusal::Refusal,
    reply::{JSON, Reply, reply, whole},
    route::V1,
    stream::{Chunks, streamed},
};
use crate::publish::Published;

impl Api {
    /// Answers a v1 path, from one published version. Before the first data there is no answer.
    pub(super) fn answer_v1(&self, path: &V1) -> Result<Response<Reply>, Refusal> {
        let published = self.board.load();
        if !published.zone.is_loaded() {
            return Err(Refusal::Loading);
        }
        let settings = self.settings.load();
        match path {
            V1::Axfr => self.axfr(published),
            V1::Config => Ok(whole(StatusCode::OK, JSON, (settings.config)(published.zone.serial()))),
            V1::Enumerate => self.enumerate(published),
            V1::Hosts(host) => Ok(self.hosts(&published, host)),
            V1::Ports => Err(Refusal::NotImplemented),
            V1::Services(service) => Ok(self.services(&published, service)),
            V1::Version => Ok(json(&Version::new(&settings.version))),
        }
    }

    fn hosts(&self, published: &Published, asked: &str) -> Response<Reply> {
        let name = views::lookup_name(asked);
        let listed = published.zone.listed(&name).unwrap_or_default();
        // As the original counts: IPv6 alone is no success.
        self.count(published, &name, !listed.a.is_empty());
        json(&views::hosts(&listed, rand::random()))
    }

    fn services(&self, published: &Published, asked: &str) -> Response<Reply> {
        let name = views::lookup_name(asked);
        let listed = published.zone.listed(&name).unwrap_or_default();
        self.count(published, &name, !listed.srv.is_empty());
        let find = |target: &str| published.zone.listed(target);
        json(&views::services(asked, &listed, find, rand::random()))
    }

    fn count(&self, published: &Published, name: &str, is_success: bool) {
        let legacy = &self.legacy;
        let is_ours = name.strip_suffix('.').is_some_and(|name| name.ends_with(&published.policy.domain));
        match (is_ours, is_success) {
            (true, true) => _ = (legacy.mesos_requests.inc(), legacy.mesos_success.inc()),
            (true, false) => _ = (legacy.mesos_requests.inc(), legacy.mesos_nxdomain.inc()),
            (false, _) => _ = (legacy.non_mesos_requests.inc(), legacy.non_mesos_failed.inc()),
        }
    }

    fn axfr(&self, published: Arc<Published>) -> Result<Response<Reply>, Refusal> {
        let settings = self.settings.load_full();
        self.listing(move |chunks| {
            let zone = &*published.zone;
            let body = Axfr {
                ttl: zone.soa().ttl,
                serial: zone.serial(),
                refresh_seconds: settings.refresh_seconds,
                mname: &published.policy.server_name,
                rname: &settings.mailbox,
                domain: &published.policy.domain,
                zone,
            };
            views::print(chunks, &body)
        })
    }

    fn enumerate(&self, published: Arc<Published>) -> Result<Response<Reply>, Refusal> {
        self.listing(move |chunks| {
            let Published { cluster, zone, policy, .. } = &*published;
            views::print(chunks, &Enumerate { cluster, zone, policy, seed: rand::random() })
        })
    }

    fn listing(
        &self,
        write: impl FnOnce(&mut Chunks) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Response<Reply>, Refusal> {
        Ok(reply(StatusCode::OK, JSON, self.stream(write)?))
    }

    /// Streams a body, if not too many others are being streamed.
    pub(super) fn stream(
        &self,
        write: impl FnOnce(&mut Chunks) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Reply, Refusal> {
        let permit = Arc::clone(&self.transfers).try_acquire_owned().map_err(|_| {
            self.metrics.reached(Limit::Transfers);
            Refusal::Busy
        })?;
        Ok(streamed(permit, Arc::clone(&self.metrics), write))
    }
}

fn json(body: &impl Serialize) -> Response<Reply> {
    whole(StatusCode::OK, JSON, views::text(body))
}
