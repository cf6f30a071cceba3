//! The kinds of problems: their names in the API, in metrics and in the log, and what each means.

use serde::{Serialize, Serializer};

use crate::cluster::SkippedPart;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An agent whose address is not known, so that tasks on it have none of it.
    AgentWithoutAddress,
    /// Several frameworks whose names give the same labels.
    FrameworkCollision,
    /// Tasks, or ports of them, that are not meant to be seen by enough others.
    HiddenTask,
    /// Addresses that mean somebody else to whoever asks.
    ImpossibleAddress,
    /// Ports that cannot be, or are more than one task may have.
    ImpossiblePort,
    /// Tasks whose agent or framework is not known: they have no names.
    OrphanedTask,
    /// More of something than one task may have.
    OverLimit,
    /// A name that is ours: who wants it gets none.
    ReservedName,
    /// A name that DNS has only in another spelling.
    RewrittenName,
    /// An agent that cannot be used.
    SkippedAgent,
    /// A framework that cannot be used, so that its tasks have no names.
    SkippedFramework,
    /// The address of a framework's scheduler that cannot be used.
    SkippedFrameworkAddress,
    /// Labels for us that cannot be read.
    SkippedLabel,
    /// Port mappings that lead nowhere.
    SkippedPortMapping,
    /// Port ranges that are none.
    SkippedPortRange,
    /// Tasks that cannot be used.
    SkippedTask,
    /// Addresses that are none.
    SkippedTaskAddress,
    /// Several services with one name.
    TaskCollision,
    /// Tasks that are answered, and have no address.
    TaskWithoutAddress,
    /// A name that DNS cannot carry.
    UnencodableName,
    /// Ports of containers at which nobody can be reached.
    UnreachablePort,
}

/// What is to be thought of a kind of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It is as somebody wants it; good to know for whoever looks for a name in vain.
    Meant,
    /// Something is wrong.
    Wrong,
}

impl Kind {
    /// Each of them, in the order in which they are told.
    pub const ALL: [Self; 21] = [
        Self::AgentWithoutAddress,
        Self::FrameworkCollision,
        Self::HiddenTask,
        Self::ImpossibleAddress,
        Self::ImpossiblePort,
        Self::OrphanedTask,
        Self::OverLimit,
        Self::ReservedName,
        Self::RewrittenName,
        Self::SkippedAgent,
        Self::SkippedFramework,
        Self::SkippedFrameworkAddress,
        Self::SkippedLabel,
        Self::SkippedPortMapping,
        Self::SkippedPortRange,
        Self::SkippedTask,
        Self::SkippedTaskAddress,
        Self::TaskCollision,
        Self::TaskWithoutAddress,
        Self::UnencodableName,
        Self::UnreachablePort,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentWithoutAddress => "agent-without-address",
            Self::FrameworkCollision => "framework-collision",
            Self::HiddenTask => "hidden-task",
            Self::ImpossibleAddress => "impossible-address",
            Self::ImpossiblePort => "impossible-port",
            Self::OrphanedTask => "orphaned-task",
            Self::OverLimit => "over-limit",
            Self::ReservedName => "reserved-name",
            Self::RewrittenName => "rewritten-name",
            Self::SkippedAgent => "skipped-agent",
            Self::SkippedFramework => "skipped-framework",
            Self::SkippedFrameworkAddress => "skipped-framework-address",
            Self::SkippedLabel => "skipped-label",
            Self::SkippedPortMapping => "skipped-port-mapping",
            Self::SkippedPortRange => "skipped-port-range",
            Self::SkippedTask => "skipped-task",
            Self::SkippedTaskAddress => "skipped-task-address",
            Self::TaskCollision => "task-collision",
            Self::TaskWithoutAddress => "task-without-address",
            Self::UnencodableName => "unencodable-name",
            Self::UnreachablePort => "unreachable-port",
        }
    }

    /// The kind with this name in the API.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it means, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::AgentWithoutAddress => {
                "the agent's address is not known: its pid is missing, or its host does not resolve"
            }
            Self::FrameworkCollision => "the names of several frameworks give the same labels",
            Self::HiddenTask => "the task, or a port of it, is not meant to be seen by enough others",
            Self::ImpossibleAddress => "an address means somebody else to whoever asks, so it is withheld",
            Self::ImpossiblePort => "a port is 0, beyond 65535, or one too many, and has no records",
            Self::OrphanedTask => "the task's agent or framework is not known, so it has no names",
            Self::OverLimit => "the task has more of something than one may have; the rest is left out",
            Self::ReservedName => "the name is one of this server's own, so it is withheld",
            Self::RewrittenName => "DNS cannot carry the name as it is; it stands under another one",
            Self::SkippedAgent => "the agent has no id, is too large, or a member of it has the wrong type",
            Self::SkippedFramework => {
                "the framework has no id, is too large, or a member of it has the wrong type; its tasks have no names"
            }
            Self::SkippedFrameworkAddress => {
                "the framework's pid cannot be read; its hostname is used instead"
            }
            Self::SkippedLabel => "a label for this server cannot be read, so it has no effect",
            Self::SkippedPortMapping => "a port mapping has no usable port on both sides",
            Self::SkippedPortRange => "an item of the task's allocated ports is no range",
            Self::SkippedTask => {
                "the task has no id, is too large, its framework is of no use, or a member of it has the wrong type"
            }
            Self::SkippedTaskAddress => "an address of the task is no IP address",
            Self::TaskCollision => "several services have this name, and it leads to all of them",
            Self::TaskWithoutAddress => "the task runs, and none of its addresses can be published",
            Self::UnencodableName => "DNS cannot carry the name; only the HTTP API shows it",
            Self::UnreachablePort => {
                "a port is the container's, and no address is known at which others reach it, so it has no record"
            }
        }
    }

    /// What is to be thought of it.
    pub fn stands(self) -> Stands {
        match self {
            Self::HiddenTask => Stands::Meant,
            _ => Stands::Wrong,
        }
    }

    /// Of the kinds that say what was left out: what that is.
    pub fn part(self) -> Option<SkippedPart> {
        SkippedPart::ALL.into_iter().find(|part| Self::from(*part) == self)
    }
}

impl From<SkippedPart> for Kind {
    fn from(part: SkippedPart) -> Self {
        match part {
            SkippedPart::Agent => Self::SkippedAgent,
            SkippedPart::Framework => Self::SkippedFramework,
            SkippedPart::FrameworkAddress => Self::SkippedFrameworkAddress,
            SkippedPart::Label => Self::SkippedLabel,
            SkippedPart::OverLimit => Self::OverLimit,
            SkippedPart::PortMapping => Self::SkippedPortMapping,
            SkippedPart::PortRange => Self::SkippedPortRange,
            SkippedPart::Task => Self::SkippedTask,
            SkippedPart::TaskAddress => Self::SkippedTaskAddress,
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
