//! What a state document says besides its long lists, and putting both together.
//!
//! Elements are decoded elsewhere and out of order, before it is known what their list is: a framework's id may
//! follow its tasks, and a whole list may be superseded by a second member of the same name. So lists are numbered
//! as they begin, and the outline learns what each number means by the time the document ends.

use std::sync::Arc;

use super::{
    super::{
        json::Reader,
        pid::{Pid, host_port},
    },
    decode::{Part, Run, Values},
    shape::{Kind, Member, Place, text},
};
use crate::cluster::{Document, Framework, Host, Omission, SkippedPart, Task, Whose};

/// The document without its elements.
#[derive(Debug, Default)]
pub struct Outline {
    /// All but agents and tasks.
    pub(super) document: Document,
    /// What each list turned out to be, by its number.
    lists: Vec<List>,
    agents: Option<u32>,
    recovered_agents: Option<u32>,
    flat: Flat,
    has_frameworks: bool,
    /// Whether there was a `get_state`.
    has_state: bool,
    /// The framework under way.
    framework: RawFramework,
    counted_agents: usize,
    counted_frameworks: usize,
    counted_tasks: usize,
    pub(in crate::mesos) event: Event,
}

/// What the event says in which a snapshot came.
#[derive(Debug, Default)]
pub(in crate::mesos) struct Event {
    /// Its `type`, if it is a string.
    pub(in crate::mesos) kind: Option<String>,
    /// Seconds between two heartbeats.
    pub(in crate::mesos) heartbeat_interval: Option<f64>,
}

/// The lists of the operator API that `/state` has elsewhere.
#[derive(Debug, Default)]
struct Flat {
    frameworks: Option<u32>,
    orphan_tasks: Option<u32>,
    tasks: Option<u32>,
    unreachable_tasks: Option<u32>,
}

/// Where the elements of a list go.
#[derive(Clone, Debug)]
enum List {
    Agents,
    Frameworks,
    /// Nowhere: superseded, or its framework is of no use.
    Nothing,
    RecoveredAgents,
    /// With the id of the framework it was in; then what a task itself says of its framework is not asked.
    Tasks(Option<Arc<str>>),
    UnreachableTasks(Option<Arc<str>>),
}

#[derive(Debug, Default)]
struct RawFramework {
    /// Where it begins in the document.
    at: u64,
    id: Option<String>,
    name: Option<String>,
    pid: Option<String>,
    hostname: Option<String>,
    tasks: Option<u32>,
    unreachable_tasks: Option<u32>,
    /// Whether a member has a type with which it is of no use.
    broken: bool,
    /// Whether its address has the wrong type.
    broken_address: bool,
}

impl Outline {
    /// A list of elements begins.
    pub(super) fn begin_list(&mut self, place: Place, member: Member) {
        self.lists.push(List::Nothing);
        let number = Some(self.current_list());
        if let Some(list) = self.list(place, member) {
            *list = number;
        }
    }

    /// The number of the list that counts, of those that this member can begin.
    fn list(&mut self, place: Place, member: Member) -> Option<&mut Option<u32>> {
        Some(match (place, member) {
            (_, Member::Agents) => &mut self.agents,
            (_, Member::RecoveredAgents) => &mut self.recovered_agents,
            (Place::Framework, Member::Tasks) => &mut self.framework.tasks,
            (Place::Framework, Member::UnreachableTasks) => &mut self.framework.unreachable_tasks,
            (_, Member::Frameworks) => &mut self.flat.frameworks,
            (_, Member::OrphanTasks) => &mut self.flat.orphan_tasks,
            (_, Member::Tasks) => &mut self.flat.tasks,
            (_, Member::UnreachableTasks) => &mut self.flat.unreachable_tasks,
            _ => return None,
        })
    }

    /// One of the objects of the operator API begins; an earlier one no longer counts.
    pub(super) fn begin_object(&mut self, member: Member) {
        self.forget(member);
        self.has_state |= member == Member::GetState;
    }

    fn forget(&mut self, member: Member) {
        match member {
            Member::GetTasks => self.flat = Flat { frameworks: self.flat.frameworks, ..Flat::default() },
            Member::GetAgents => (self.agents, self.recovered_agents) = (None, None),
            Member::GetFrameworks => self.flat.frameworks = None,
            Member::GetState | Member::Subscribed => {
                (self.agents, self.recovered_agents, self.flat) = (None, None, Flat::default());
                self.has_state = false;
            }
            _ => (),
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

    /// A framework that is no object.
    pub(super) fn skip_framework(&mut self, at: u64) {
        self.omit_framework(SkippedPart::Framework, &RawFramework { at, ..RawFramework::default() });
    }

    pub(super) fn begin_framework(&mut self, at: u64) {
        self.framework = RawFramework { at, ..RawFramework::default() };
    }

    /// Counts a framework that cannot be used, or its address.
    fn omit_framework(&mut self, part: SkippedPart, raw: &RawFramework) {
        let Document { skipped, omissions, .. } = &mut self.document;
        let count = match part {
            SkippedPart::FrameworkAddress => &mut skipped.framework_addresses,
            _ => &mut skipped.frameworks,
        };
        *count = count.saturating_add(1);
        let known = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Arc::from);
        omissions.note(part, || {
            let framework: Option<Arc<str>> = known(&raw.id);
            let at = framework.is_none().then_some(raw.at);
            let whose = Whose { framework, at, ..Whose::default() };
            Omission { part, whose, name: known(&raw.name).unwrap_or_default(), count: 1 }
        });
    }

    pub(super) fn end_framework(&mut self) {
        let raw = std::mem::take(&mut self.framework);
        let id = raw.id.as_deref().filter(|id| !id.is_empty() && !raw.broken);
        let Some(id) = id.map(Arc::<str>::from) else {
            return self.omit_framework(SkippedPart::Framework, &raw);
        };
        let pid = raw.pid.as_deref().map(Pid::parse);
        if raw.broken_address || pid == Some(None) {
            self.omit_framework(SkippedPart::FrameworkAddress, &raw);
        }
        let pid = pid.flatten();
        let hostname = raw.hostname.filter(|name| !name.is_empty());
        let host = pid.map(|pid| pid.host).or(hostname.as_deref()).map(Host::new);
        self.place(raw.tasks, List::Tasks(Some(id.clone())));
        self.place(raw.unreachable_tasks, List::UnreachableTasks(Some(id.clone())));
        let name = raw.name.unwrap_or_default().into();
        self.document.frameworks.push(Framework { id, name, host, port: pid.map(|pid| pid.port) });
    }

    /// Takes a small member. The error says what it is not, if it is something without which the document is of no
    /// use.
    pub(super) fn set(&mut self, place: Place, member: Member, json: &[u8]) -> Result<(), &'static str> {
        if place == Place::Framework {
            self.framework.set(member, json);
            return Ok(());
        }
        let document = &mut self.document;
        match member {
            Member::Leader => document.leader = host_port(&text(json).ok_or("a string")?),
            Member::Pid => document.pid = text(json).as_deref().and_then(host_port),
            Member::Version => document.version = text(json).unwrap_or_default(),
            Member::ElectedTime => document.elected_time = serde_json::from_slice(json).unwrap_or_default(),
            Member::EventType => self.event.kind = text(json),
            Member::HeartbeatInterval => {
                self.event.heartbeat_interval = Reader::new(json).number().unwrap_or_default()
            }
            _ => return self.set_absent(place, member, json == b"null"),
        }
        Ok(())
    }

    /// Where an object or list is expected, `null` is the same as none, and supersedes an earlier one.
    fn set_absent(&mut self, place: Place, member: Member, null: bool) -> Result<(), &'static str> {
        match self.list(place, member) {
            _ if place == Place::State && member == Member::Frameworks && null => self.forget_frameworks(),
            // Only good to know.
            Some(list) if null || member == Member::UnreachableTasks => *list = None,
            Some(_) => return Err("a list"),
            None if null => self.forget(member),
            None => return Err("an object"),
        }
        Ok(())
    }

    /// Counts an element, which may be too large, at this place; tells how many of its kind there are now.
    pub(super) fn count(&mut self, kind: Kind, oversized: Option<u64>) -> usize {
        if let Some(at) = oversized {
            self.omit_oversized(kind, at);
        }
        let counted = match kind {
            Kind::Agent | Kind::RecoveredAgent => &mut self.counted_agents,
            Kind::Framework => &mut self.counted_frameworks,
            Kind::Task | Kind::UnreachableTask => &mut self.counted_tasks,
        };
        *counted = counted.saturating_add(1);
        *counted
    }

    /// Nothing of it was kept, so only where it was can be told, and in which framework if that is known already.
    fn omit_oversized(&mut self, kind: Kind, at: u64) {
        let Document { skipped, omissions, .. } = &mut self.document;
        let (part, count) = match kind {
            Kind::Agent | Kind::RecoveredAgent => (SkippedPart::Agent, &mut skipped.agents),
            Kind::Framework => (SkippedPart::Framework, &mut skipped.frameworks),
            Kind::Task | Kind::UnreachableTask => (SkippedPart::Task, &mut skipped.tasks),
        };
        *count = count.saturating_add(1);
        let framework = self.framework.id.as_deref().filter(|_| part == SkippedPart::Task).map(Arc::from);
        omissions.note(part, || {
            let whose = Whose { framework, at: Some(at), ..Whose::default() };
            Omission { part, whose, name: Arc::default(), count: 1 }
        });
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
            Member::UnreachableTasks => self.unreachable_tasks = None,
            _ => (),
        }
    }
}

/// Tells an empty string from none at all.
fn present(text: Option<String>, json: &[u8]) -> Option<String> {
    text.filter(|_| json != b"null")
}

/// Puts the decoded elements where the outline says they belong, in the order of the document.
///
/// `parts` are those of all batches, in any order.
pub fn assemble(mut outline: Outline, mut parts: Vec<Part>) -> Document {
    parts.sort_unstable_by_key(|part| part.sequence);
    for (list, what) in [
        (outline.agents, List::Agents),
        (outline.recovered_agents, List::RecoveredAgents),
        (outline.flat.frameworks, List::Frameworks),
        (outline.flat.tasks, List::Tasks(None)),
        (outline.flat.orphan_tasks, List::Tasks(None)),
        (outline.flat.unreachable_tasks, List::UnreachableTasks(None)),
    ] {
        outline.place(list, what);
    }
    let Outline { mut document, lists, agents, has_frameworks, has_state, .. } = outline;
    document.complete = has_state || (agents.is_some() && has_frameworks);
    document.tasks.reserve_exact(parts.iter().map(Part::tasks).sum());
    for part in parts {
        document.skipped.add(part.skipped);
        document.omissions.add_beyond(&part.beyond);
        for (list, omission) in part.omissions {
            omit(&mut document, lists.get(list as usize), omission);
        }
        for Run { list, values } in part.runs {
            put(&mut document, lists.get(list as usize).unwrap_or(&List::Nothing), values);
        }
    }
    document
}

fn put(document: &mut Document, list: &List, values: Values) {
    match (list, values) {
        (List::Agents, Values::Agents(agents)) => document.agents.extend(agents),
        (List::Frameworks, Values::Frameworks(frameworks)) => document.frameworks.extend(frameworks),
        (List::RecoveredAgents, Values::RecoveredAgents(ids)) => document.recovered_agents.extend(ids),
        (List::Tasks(framework), Values::Tasks(mut tasks)) => {
            if let Some(framework) = framework {
                tasks.iter_mut().for_each(|task| task.framework_id = framework.clone());
            }
            document.tasks.append(&mut tasks);
        }
        (List::UnreachableTasks(framework), Values::UnreachableTasks(mut tasks)) => {
            if let Some(framework) = framework {
                tasks.iter_mut().for_each(|task| task.0 = framework.clone());
            }
            document.unreachable.append(&mut tasks);
        }
        (_, Values::Tasks(tasks)) => {
            document.skipped.tasks = document.skipped.tasks.saturating_add(tasks.len() as u64);
            tasks.iter().for_each(|task| omit_task(document, task));
        }
        _ => (),
    }
}

/// Notes what was left out of an element of this list.
fn omit(document: &mut Document, list: Option<&List>, mut omission: Omission) {
    if let Some(List::Tasks(Some(framework)) | List::UnreachableTasks(Some(framework))) = list {
        omission.whose.framework = Some(framework.clone());
    }
    document.omissions.note(omission.part, || omission);
}

/// A task whose framework is of no use.
fn omit_task(document: &mut Document, task: &Task) {
    let part = SkippedPart::Task;
    document.omissions.note(part, || {
        let known = |id: &Arc<str>| Some(id).filter(|id| !id.is_empty()).cloned();
        let (agent, framework) = (known(&task.agent_id), known(&task.framework_id));
        let whose = Whose { agent, framework, task: Some((&*task.id).into()), at: None };
        Omission { part, whose, name: task.service_name().clone(), count: 1 }
    });
}

impl Outline {
    fn place(&mut self, list: Option<u32>, what: List) {
        if let Some(list) = list.and_then(|list| self.lists.get_mut(list as usize)) {
            *list = what;
        }
    }
}
