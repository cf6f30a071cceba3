//! What one pass over the names of a task adds to them: named ports in the standard's shape (RFC 2782), services for
//! whoever browses (RFC 6763), and what there is to know of the instance.
//!
//! The original puts the port in front of the task: `_http._web._tcp.marathon.mesos`. The standard has the domain of a
//! service behind `_<service>._<protocol>`, and browsers look for it in the framework's domain:
//!
//! ```text
//!  _http._tcp.web.marathon.mesos.               SRV  the instances of web
//!  b._dns-sd._udp.mesos.                        PTR  marathon.mesos.
//!  _services._dns-sd._udp.marathon.mesos.       PTR  _http._tcp.marathon.mesos.
//!  _http._tcp.marathon.mesos.                   PTR  web-<hash>-<agent>._http._tcp.marathon.mesos.
//!  web-<hash>-<agent>._http._tcp.marathon.mesos. SRV, TXT
//! ```

use super::{
    Data, ExtraName, Owner,
    extra::{self, Additions},
    pass::Pass,
    ports,
    service::Zone,
    trace::{Scope, Trace, Why},
};

/// Who browses asks for these two protocols (RFC 6763 section 4.1.2).
const BROWSED: [&str; 2] = ["tcp", "udp"];

/// A named port, and where it leads.
pub(super) struct NamedPort<'a> {
    /// A label.
    pub(super) name: &'a str,
    /// A label.
    pub(super) protocol: &'a str,
    /// The service itself.
    pub(super) data: &'a Data,
}

impl<T: Trace> Pass<'_, T> {
    /// What there is to know of the instance, at the name that is its alone.
    pub(super) fn describe(&mut self) {
        if let Some(additions) = self.additions.filter(|additions| additions.has(ExtraName::Text)) {
            self.trace.because(Scope::Port, Why::Extra(ExtraName::Text));
            self.own_extra(self.canonical.clone(), additions.text());
        }
    }

    /// The further names of a named port.
    pub(super) fn named_port(&mut self, port: &NamedPort<'_>) {
        let Some(additions) = self.additions else { return };
        let NamedPort { name, protocol, data } = port;
        if additions.has(ExtraName::Ports) && ports::are_free(&self.base.plain(Zone::Plain), self.nested) {
            self.trace.because(Scope::Data, Why::Extra(ExtraName::Ports));
            let owner = self.base.below(&["_", name, "._", protocol, "."]);
            self.shared_extra(owner, (*data).clone());
        }
        if additions.has(ExtraName::Browse) && self.is_main && BROWSED.contains(protocol) {
            self.browsed(additions, port);
        }
    }

    fn browsed(&mut self, additions: &Additions<'_>, port: &NamedPort<'_>) {
        let NamedPort { name, protocol, data } = port;
        self.trace.because(Scope::Data, Why::Extra(ExtraName::Browse));
        let framework = self.base.below_framework(&[]);
        let kind = self.base.below_framework(&["_", name, "._", protocol, "."]);
        let kinds = self.base.below_framework(&["_services._dns-sd._udp."]);
        let domains = Owner::new(&format!("b._dns-sd._udp.{}.", additions.domain()));
        // The instance's label, with its dot, is what the instance's name has in front of the framework's.
        let (own, end) = (self.canonical.to_text(), framework.to_text());
        let Some(instance) = own.strip_suffix(&end) else { return };
        let instance = self.base.below_framework(&[instance, "_", name, "._", protocol, "."]);
        for (owner, target) in [(domains, &framework), (kinds, &kind), (kind.clone(), &instance)] {
            if owner != kind {
                self.trace.because(Scope::Record, Why::OfFramework);
            }
            if let Some(target) = target.name() {
                self.browsing(owner, extra::pointer(target));
            }
        }
        self.own_extra(instance.clone(), (*data).clone());
        self.own_extra(instance, additions.text());
    }

    /// A further record under a name that other tasks may have too.
    fn shared_extra(&mut self, owner: Owner, data: Data) {
        if self.fits(&owner) {
            self.shared(owner, data);
        }
    }

    /// A further record for whoever browses, who asks for no place. Its name is that of all services, so no task has a
    /// say in how long it lives.
    fn browsing(&mut self, owner: Owner, data: Data) {
        if let Some(fitness) = self.fitness().filter(|_| self.fits(&owner)) {
            self.record_for(None, owner, data, fitness);
        }
    }

    /// A further record under a name that no other task has.
    fn own_extra(&mut self, owner: Owner, data: Data) {
        if self.fits(&owner) {
            self.own(owner, data);
        }
    }

    /// Whether DNS can carry a further name. Nobody parses the v1 API for one, so it is not shown there instead.
    pub(super) fn fits(&mut self, owner: &Owner) -> bool {
        if owner.name().is_none() {
            self.unpublished.unencodable.insert(owner.to_text());
        }
        owner.name().is_some()
    }
}
