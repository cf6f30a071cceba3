//! The two shapes in which a master tells its state, and the way through each to what is wanted.
//!
//! `/state` nests tasks in their frameworks. The operator API has one flat list of each kind; a snapshot of the
//! event stream (`SUBSCRIBED`) is the answer of `GET_STATE` one object further in. What is not on the way is passed
//! over. Apart from the [splitter](super::split), which knows JSON and nothing of Mesos.

use super::super::json::Reader;

/// Which of the two a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// That of `/state`.
    #[default]
    State,
    /// That of the operator API: the answer of `GET_STATE`, or the event `SUBSCRIBED`.
    Operator,
}

/// The object or list we are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the outermost object of either shape.
    Start(Shape),
    /// The outermost object of `/state`.
    State,
    /// A list of frameworks, each with its tasks.
    Frameworks,
    Framework,
    /// The outermost object of the operator API.
    Answer,
    Subscribed,
    GetState,
    GetTasks,
    GetAgents,
    GetFrameworks,
    /// A list whose items are elements.
    List(Kind),
    End,
}

/// What the elements of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Framework,
    RecoveredAgent,
    Task,
    UnreachableTask,
}

/// The members that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Agents,
    ElectedTime,
    EventType,
    Frameworks,
    GetAgents,
    GetFrameworks,
    GetState,
    GetTasks,
    HeartbeatInterval,
    Hostname,
    Id,
    Leader,
    Name,
    OrphanTasks,
    /// Any that is not wanted.
    Other,
    Pid,
    RecoveredAgents,
    Subscribed,
    Tasks,
    UnreachableTasks,
    Version,
}

/// Where they are, and their names. `slaves` is what Mesos called agents.
const MEMBERS: [(Place, &str, Member); 27] = [
    (Place::State, "elected_time", Member::ElectedTime),
    (Place::State, "frameworks", Member::Frameworks),
    (Place::State, "leader", Member::Leader),
    (Place::State, "pid", Member::Pid),
    (Place::State, "recovered_slaves", Member::RecoveredAgents),
    (Place::State, "slaves", Member::Agents),
    (Place::State, "version", Member::Version),
    (Place::Framework, "hostname", Member::Hostname),
    (Place::Framework, "id", Member::Id),
    (Place::Framework, "name", Member::Name),
    (Place::Framework, "pid", Member::Pid),
    (Place::Framework, "tasks", Member::Tasks),
    (Place::Framework, "unreachable_tasks", Member::UnreachableTasks),
    (Place::Answer, "get_state", Member::GetState),
    (Place::Answer, "subscribed", Member::Subscribed),
    (Place::Answer, "type", Member::EventType),
    (Place::Subscribed, "get_state", Member::GetState),
    (Place::Subscribed, "heartbeat_interval_seconds", Member::HeartbeatInterval),
    (Place::GetState, "get_agents", Member::GetAgents),
    (Place::GetState, "get_frameworks", Member::GetFrameworks),
    (Place::GetState, "get_tasks", Member::GetTasks),
    (Place::GetTasks, "orphan_tasks", Member::OrphanTasks),
    (Place::GetTasks, "tasks", Member::Tasks),
    (Place::GetTasks, "unreachable_tasks", Member::UnreachableTasks),
    (Place::GetAgents, "agents", Member::Agents),
    (Place::GetAgents, "recovered_agents", Member::RecoveredAgents),
    (Place::GetFrameworks, "frameworks", Member::Frameworks),
];

impl Place {
    /// The outermost object of a shape.
    pub(super) fn top(shape: Shape) -> Self {
        match shape {
            Shape::State => Self::State,
            Shape::Operator => Self::Answer,
        }
    }

    /// Whether it has members, not items.
    pub(super) fn is_object(self) -> bool {
        !matches!(self, Self::Frameworks | Self::List(_) | Self::Start(_) | Self::End)
    }

    /// Where a value leads that begins with `byte`, as a member of this object or an item of this list; `None` if it
    /// is not one that we walk ourselves.
    pub(super) fn inside(self, member: Member, byte: u8) -> Option<Self> {
        Some(match (byte, self, member) {
            (b'{', Self::Frameworks, _) => Self::Framework,
            (b'{', _, Member::Subscribed) => Self::Subscribed,
            (b'{', _, Member::GetState) => Self::GetState,
            (b'{', _, Member::GetTasks) => Self::GetTasks,
            (b'{', _, Member::GetAgents) => Self::GetAgents,
            (b'{', _, Member::GetFrameworks) => Self::GetFrameworks,
            (b'[', Self::State, Member::Frameworks) => Self::Frameworks,
            (b'[', _, Member::Frameworks) => Self::List(Kind::Framework),
            (b'[', _, Member::Agents) => Self::List(Kind::Agent),
            (b'[', _, Member::RecoveredAgents) => Self::List(Kind::RecoveredAgent),
            (b'[', _, Member::Tasks | Member::OrphanTasks) => Self::List(Kind::Task),
            (b'[', _, Member::UnreachableTasks) => Self::List(Kind::UnreachableTask),
            _ => return None,
        })
    }
}

impl Member {
    /// Recognizes a member by its name, quotes and escapes included, whatever its case.
    pub(super) fn named(json: &[u8], place: Place) -> Self {
        let name = text(json).unwrap_or_default();
        let same = |(at, known, _): &&(Place, &str, Self)| *at == place && name.eq_ignore_ascii_case(known);
        MEMBERS.iter().find(same).map_or(Self::Other, |(_, _, member)| *member)
    }

    /// The name it has in a place.
    pub(super) fn name(self, place: Place) -> &'static str {
        let same = |(at, _, member): &&(Place, &str, Self)| *at == place && *member == self;
        MEMBERS.iter().find(same).map_or("", |(_, name, _)| name)
    }
}

/// A string, empty if it is `null`; `None` if it is neither.
pub(super) fn text(json: &[u8]) -> Option<String> {
    let mut reader = Reader::new(json);
    let text = reader.text().ok()?.into_owned();
    reader.end().ok().map(|()| text)
}
