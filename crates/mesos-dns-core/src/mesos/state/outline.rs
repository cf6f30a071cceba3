//! What a state document says besides its long lists, and putting both together.
//!
//! Elements are decoded elsewhere and out of order, before it is known what their list is: a framework's id may
//! follow its tasks, and a whole list may be superseded by a second member of the same name. So lists are numbered
//! as they begin, and the outline learns what each number means by the time the document ends.

use std::sync::Arc;

use super::{
    super::{json::Reader, pid::Pid},
    decode::{Part, Run, Values},
    split::Kind,
};
use crate::cluster::{Document, Framework, Host};

/// The members that are looked for, of the document and of a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Agents,
    ElectedTime,
    Frameworks,
    Hostname,
    Id,
    Leader,
    Name,
    /// Any that is not wanted.
    Other,
    Pid,
    RecoveredAgents,
    Tasks,
    Version,
}

/// Their names, each with whether it is a framework's. `slaves` is what Mesos calls agents in JSON.
const MEMBERS: [(&str, bool, Member); 12] = [
    ("elected_time", false, Member::ElectedTime),
    ("frameworks", false, Member::Frameworks),
    ("leader", false, Member::Leader),
    ("pid", false, Member::Pid),
    ("recovered_slaves", false, Member::RecoveredAgents),
    ("slaves", false, Member::Agents),
    ("version", false, Member::Version),
    ("hostname", true, Member::Hostname),
    ("id", true, Member::Id),
    ("name", true, Member::Name),
    ("pid", true, Member::Pid),
    ("tasks", true, Member::Tasks),
];

impl Member {
    /// Recognizes a member by its name, quotes and escapes included, whatever its case.
    pub(super) fn named(json: &[u8], of_framework: bool) -> Self {
        let name = text(json).unwrap_or_default();
        let same =
            |(known, of, _): &&(&str, bool, Self)| *of == of_framework && name.eq_ignore_ascii_case(known);
        MEMBERS.iter().find(same).map_or(Self::Other, |(_, _, member)| *member)
    }
}

/// The document without its elements.
#[derive(Debug, Default)]
pub struct Outline {
    /// All but agents and tasks.
    pub(super) document: Document,
    /// What each list turned out to be, by its number.
    lists: Vec<List>,
    agents: Option<u32>,
    recovered_agents: Option<u32>,
    has_frameworks: bool,
    /// The framework under way.
    framework: RawFramework,
    counted_agents: usize,
    counted_tasks: usize,
}

/// Where the elements of a list go.
#[derive(Clone, Debug)]
enum List {
    Agents,
    /// Nowhere: superseded, or its framework is of no use.
    Nothing,
    RecoveredAgents,
    /// With the id of their framework. What a task itself says of its framework is not asked.
    Tasks(Arc<str>),
}

#[derive(Debug, Default)]
struct RawFramework {
    id: Option<String>,
    name: Option<String>,
    pid: Option<String>,
    hostname: Option<String>,
    tasks: Option<u32>,
    /// Whether a member has a type with which it is of no use.
    broken: bool,
    /// Whether its address has the wrong type.
    broken_address: bool,
}

impl Outline {
    /// A list of agents or tasks begins.
    pub(super) fn begin_list(&mut self, member: Member) {
        self.lists.push(List::Nothing);
        let list = Some(self.current_list());
        match member {
            Member::Agents => self.agents = list,
            Member::RecoveredAgents => self.recovered_agents = list,
            _ => self.framework.tasks = list,
        }
    }

    /// Number of the list under way.
    pub(super) fn current_list(&self) -> u32 {
        u32::try_from(self.lists.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// The list of frameworks begins; an earlier one no longer counts.
    pub(super) fn begin_frameworks(&mut self) {
        self.forget_frameworks();
        self.has_frameworks = true;
    }

    fn forget_frameworks(&mut self) {
        self.has_frameworks = false;
        self.document.frameworks.clear();
        self.lists.fill(List::Nothing);
    }

    pub(super) fn begin_framework(&mut self) {
        self.framework = RawFramework::default();
    }

    pub(super) fn end_framework(&mut self) {
        let raw = std::mem::take(&mut self.framework);
        let skipped = &mut self.document.skipped;
        let id = raw.id.filter(|id| !id.is_empty() && !raw.broken);
        let Some(id) = id.map(Arc::<str>::from) else {
            skipped.frameworks = skipped.frameworks.saturating_add(1);
            return;
        };
        let pid = raw.pid.as_deref().map(Pid::parse);
        if raw.broken_address || pid == Some(None) {
            skipped.framework_addresses = skipped.framework_addresses.saturating_add(1);
        }
        let pid = pid.flatten();
        let hostname = raw.hostname.filter(|name| !name.is_empty());
        let host = pid.map(|pid| pid.host).or(hostname.as_deref()).map(Host::new);
        if let Some(list) = raw.tasks.and_then(|list| self.lists.get_mut(list as usize)) {
            *list = List::Tasks(id.clone());
        }
        let name = raw.name.unwrap_or_default().into();
        self.document.frameworks.push(Framework { id, name, host, port: pid.map(|pid| pid.port) });
    }

    /// Takes a small member. The error says what is wrong, if it is something without which the document is of no
    /// use.
    pub(super) fn set(
        &mut self,
        of_framework: bool,
        member: Member,
        json: &[u8],
    ) -> Result<(), &'static str> {
        match of_framework {
            true => self.framework.set(member, json),
            false => return self.set_top(member, json),
        }
        Ok(())
    }

    fn set_top(&mut self, member: Member, json: &[u8]) -> Result<(), &'static str> {
        let null = json == b"null";
        match member {
            Member::Agents if null => self.agents = None,
            Member::RecoveredAgents if null => self.recovered_agents = None,
            Member::Frameworks if null => self.forget_frameworks(),
            Member::Agents => return Err("slaves is not a list"),
            Member::RecoveredAgents => return Err("recovered_slaves is not a list"),
            Member::Frameworks => return Err("frameworks is not a list"),
            Member::Leader => {
                let leader = text(json).ok_or("leader is not a string")?;
                self.document.leader = host_port(&leader);
            }
            Member::Pid => self.document.pid = text(json).as_deref().and_then(host_port),
            Member::Version => self.document.version = text(json).unwrap_or_default(),
            Member::ElectedTime => {
                self.document.elected_time = serde_json::from_slice(json).unwrap_or_default()
            }
            _ => (),
        }
        Ok(())
    }

    /// Counts an element; tells how many of its kind there are now.
    pub(super) fn count(&mut self, kind: Kind, oversized: bool) -> usize {
        let skipped = &mut self.document.skipped;
        let (counted, skipped) = match kind {
            Kind::Agent | Kind::RecoveredAgent => (&mut self.counted_agents, &mut skipped.agents),
            Kind::Task => (&mut self.counted_tasks, &mut skipped.tasks),
        };
        *skipped = skipped.saturating_add(u64::from(oversized));
        *counted = counted.saturating_add(1);
        *counted
    }
}

impl RawFramework {
    fn set(&mut self, member: Member, json: &[u8]) {
        let text = text(json);
        let wrong = text.is_none();
        match member {
            Member::Id => (self.id, self.broken) = (text, self.broken || wrong),
            Member::Name => (self.name, self.broken) = (text, self.broken || wrong),
            Member::Pid => {
                (self.pid, self.broken_address) = (present(text, json), self.broken_address || wrong)
            }
            Member::Hostname => (self.hostname, self.broken_address) = (text, self.broken_address || wrong),
            Member::Tasks => (self.tasks, self.broken) = (None, self.broken || json != b"null"),
            _ => (),
        }
    }
}

/// A string, empty if it is `null`; `None` if it is neither.
fn text(json: &[u8]) -> Option<String> {
    let mut reader = Reader::new(json);
    let text = reader.text().ok()?.into_owned();
    reader.end().ok().map(|()| text)
}

/// Tells an empty string from none at all.
fn present(text: Option<String>, json: &[u8]) -> Option<String> {
    text.filter(|_| json != b"null")
}

/// What stands after the one `@` of a master's pid, as written.
fn host_port(pid: &str) -> Option<String> {
    let (_, address) = pid.split_once('@')?;
    (address.contains(':') && !address.contains('@')).then(|| address.to_owned())
}

/// Puts the decoded elements where the outline says they belong, in the order of the document.
///
/// `parts` are those of all batches, in any order.
pub fn assemble(mut outline: Outline, mut parts: Vec<Part>) -> Document {
    parts.sort_unstable_by_key(|part| part.sequence);
    outline.place(|outline| outline.agents, List::Agents);
    outline.place(|outline| outline.recovered_agents, List::RecoveredAgents);
    let Outline { mut document, lists, agents, has_frameworks, .. } = outline;
    document.complete = agents.is_some() && has_frameworks;
    document.tasks.reserve_exact(parts.iter().map(Part::tasks).sum());
    for part in parts {
        document.skipped.add(part.skipped);
        for Run { list, values } in part.runs {
            match (lists.get(list as usize).unwrap_or(&List::Nothing), values) {
                (List::Agents, Values::Agents(agents)) => document.agents.extend(agents),
                (List::RecoveredAgents, Values::RecoveredAgents(ids)) => {
                    document.recovered_agents.extend(ids)
                }
                (List::Tasks(framework), Values::Tasks(mut tasks)) => {
                    tasks.iter_mut().for_each(|task| task.framework_id = framework.clone());
                    document.tasks.append(&mut tasks);
                }
                (_, Values::Tasks(tasks)) => {
                    document.skipped.tasks = document.skipped.tasks.saturating_add(tasks.len() as u64);
                }
                _ => (),
            }
        }
    }
    document
}

impl Outline {
    fn place(&mut self, which: impl Fn(&Self) -> Option<u32>, what: List) {
        let list = which(self).and_then(|list| self.lists.get_mut(list as usize));
        if let Some(list) = list {
            *list = what;
        }
    }
}
