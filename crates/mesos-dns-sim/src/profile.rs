//! Which Mesos the masters are, as far as a reader must care (`mesos-api.md` section 7.1).
//!
//! | profile | paths | standby | documents | stream |
//! | --- | --- | --- | --- | --- |
//! | 0.22 | `/state.json` | 200, empty | counters, orphans; no `container_status`; ranges not joined | none |
//! | 0.25 | both | 200, empty | orphans; `ip_address` only; `\/`; `active` twice | none |
//! | 0.28 | both | 200, empty | orphans; both forms of addresses; Docker's label | none |
//! | 1.0 | both | 307, query lost | orphans | `TASK_UPDATED` in its old shape; tasks only |
//! | 1.4 | both | 307 | recovered agents, unreachable tasks | no heartbeat; no health; state ahead of status |
//! | 1.5.0 | both | 307 | | `HEARTBEAT` before `SUBSCRIBED`; else as 1.4 |
//! | 1.6 | both | 307 | | `HEARTBEAT` behind `SUBSCRIBED`; else as 1.4 |
//! | 1.9 | `/state` | 307 | numbers as `1.0`; `deactivated`, `health_check` | correct; empty lists left out |
//! | 1.11 | `/state` | 307 | `limits` with `"Infinity"` | empty lists written |
//!
//! Asking for a capability by name keeps the rest of the simulator free of version numbers.

use serde::Deserialize;

/// Versions of Mesos that differ for a reader, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Profile {
    /// 1.11.
    #[default]
    #[serde(rename = "1.11")]
    Current,
    /// 1.9.
    #[serde(rename = "1.9")]
    V1_9,
    /// 1.6.
    #[serde(rename = "1.6")]
    V1_6,
    /// 1.5.0.
    #[serde(rename = "1.5.0")]
    V1_5,
    /// 1.4.
    #[serde(rename = "1.4")]
    V1_4,
    /// 1.0.
    #[serde(rename = "1.0")]
    V1_0,
    /// 0.28.
    #[serde(rename = "0.28")]
    V0_28,
    /// 0.25.
    #[serde(rename = "0.25")]
    V0_25,
    /// 0.22.
    #[serde(rename = "0.22")]
    Old,
}

/// How addresses stand in the statuses of `/state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Nowhere.
    Absent,
    /// One, as `ip_address`.
    Single,
    /// In both forms.
    Both,
    /// In a list.
    List,
}

impl Profile {
    /// Each of them, newest first.
    pub const ALL: [Self; 9] = [
        Self::Current,
        Self::V1_9,
        Self::V1_6,
        Self::V1_5,
        Self::V1_4,
        Self::V1_0,
        Self::V0_28,
        Self::V0_25,
        Self::Old,
    ];

    /// What a master says it is.
    pub fn version(self) -> &'static str {
        match self {
            Self::Current => "1.11.0",
            Self::V1_9 => "1.9.0",
            Self::V1_6 => "1.6.0",
            Self::V1_5 => "1.5.0",
            Self::V1_4 => "1.4.0",
            Self::V1_0 => "1.0.0",
            Self::V0_28 => "0.28.2",
            Self::V0_25 => "0.25.0",
            Self::Old => "0.22.2",
        }
    }

    /// As two numbers, to compare.
    fn release(self) -> (u8, u8) {
        match self {
            Self::Current => (1, 11),
            Self::V1_9 => (1, 9),
            Self::V1_6 => (1, 6),
            Self::V1_5 => (1, 5),
            Self::V1_4 => (1, 4),
            Self::V1_0 => (1, 0),
            Self::V0_28 => (0, 28),
            Self::V0_25 => (0, 25),
            Self::Old => (0, 22),
        }
    }

    fn since(self, major: u8, minor: u8) -> bool {
        self.release() >= (major, minor)
    }

    /// Whether there is `/state`.
    pub fn has_state(self) -> bool {
        self.since(0, 25)
    }

    /// Whether there are `/state.json` and `/tasks.json`.
    pub fn has_json_paths(self) -> bool {
        !self.since(1, 8)
    }

    /// Whether there are `/state-summary` (0.23), `/frameworks`, `/version` and `/flags` (0.26).
    pub fn has_small_endpoints(self) -> bool {
        self.since(0, 26)
    }

    /// Whether standbys redirect; older ones answer with their own, empty, state.
    pub fn redirects(self) -> bool {
        self.since(1, 0)
    }

    /// Whether a redirect keeps the query.
    pub fn redirect_keeps_query(self) -> bool {
        self.since(1, 1)
    }

    /// Whether there is `/api/v1`.
    pub fn has_operator_api(self) -> bool {
        self.since(1, 0)
    }

    /// Whether recovered agents and unreachable tasks are shown; before, tasks of frameworks that did not come back
    /// yet are orphans.
    pub fn shows_recovery(self) -> bool {
        self.since(1, 2)
    }

    /// Whether fault domains are shown.
    pub fn has_domains(self) -> bool {
        self.since(1, 4)
    }

    /// Whether `/` stands for itself in JSON and whole numbers have a fraction.
    pub fn writes_new_json(self) -> bool {
        self.since(1, 7)
    }

    /// Whether agents can be drained and tasks show their health checks.
    pub fn has_drain(self) -> bool {
        self.since(1, 9)
    }

    /// Whether tasks show limits.
    pub fn has_limits(self) -> bool {
        self.since(1, 10)
    }

    /// Whether tasks show what container they asked for.
    pub fn has_container(self) -> bool {
        self.since(0, 27)
    }

    /// Whether each framework says twice that it is active (MESOS-4582).
    pub fn doubles_active(self) -> bool {
        self == Self::V0_25
    }

    /// How addresses stand in statuses.
    pub fn addresses(self) -> Addresses {
        match self {
            Self::Old => Addresses::Absent,
            Self::V0_25 => Addresses::Single,
            Self::V0_28 => Addresses::Both,
            _ => Addresses::List,
        }
    }

    /// Whether v1 documents write empty lists.
    pub fn writes_empty_lists(self) -> bool {
        self.since(1, 10)
    }

    /// Whether streams tell of agents (1.1) and frameworks (1.4).
    pub fn tells_agents(self) -> bool {
        self.since(1, 4)
    }

    /// Whether streams tell each new status, and of health (MESOS-9000, MESOS-8942); before, they tell only that a
    /// task's state changed.
    pub fn tells_statuses(self) -> bool {
        self.since(1, 7)
    }

    /// Whether a framework known from an agent only is told before its tasks (MESOS-9785).
    pub fn tells_recovered_frameworks(self) -> bool {
        self.since(1, 9)
    }

    /// Whether streams have heartbeats.
    pub fn has_heartbeat(self) -> bool {
        self.since(1, 5)
    }

    /// Whether a heartbeat follows `SUBSCRIBED` at once.
    pub fn beats_at_once(self) -> bool {
        self.since(1, 6)
    }

    /// Whether a heartbeat comes before `SUBSCRIBED` (MESOS-8641).
    pub fn beats_first(self) -> bool {
        self == Self::V1_5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_reads_back_from_a_scenario() {
        for profile in Profile::ALL {
            let short = match profile {
                Profile::V1_5 => "1.5.0".to_owned(),
                _ => profile.version().rsplit_once('.').unwrap().0.to_owned(),
            };
            let read: Profile = serde_json::from_value(short.into()).unwrap();
            assert_eq!(read, profile);
        }
        assert!(Profile::ALL.windows(2).all(|pair| pair[0].release() > pair[1].release()));
    }
}
