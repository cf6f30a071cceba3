//! A simulated master's registration in a real ZooKeeper, as Mesos does it: one session, one ephemeral node.

use mesos_dns_sim::render::Face;
use zookeeper_client::{Acls, Client, CreateMode};

/// Lasts as long as this value: dropping it ends the session, and with it the node, at once.
pub(crate) struct Registration {
    session: Client,
    path: String,
}

impl Registration {
    /// Registers a master under a group node, which is made if it is missing.
    pub(crate) async fn new(session: Client, group: &str, master: &Face) -> Self {
        let open = Acls::anyone_all();
        session.mkdir(group, &CreateMode::Persistent.with_acls(open)).await.unwrap();
        let path = format!("{group}/json.info_");
        let kind = CreateMode::EphemeralSequential.with_acls(open);
        let (_, sequence) = session.create(&path, master.info().as_bytes(), &kind).await.unwrap();
        Self { session, path: format!("{path}{sequence}") }
    }

    /// Takes the node away; it is gone when this returns.
    #[allow(dead_code, reason = "not every test that shares this file needs the order of ends")]
    pub(crate) async fn end(self) {
        // The session may have ended by itself, and the node with it.
        _ = self.session.delete(&self.path, None).await;
    }
}
