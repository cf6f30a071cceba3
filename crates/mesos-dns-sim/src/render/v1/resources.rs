//! Resources as lists of messages.

use serde::Serialize;

use crate::render::agent::{CPUS, DISK, MEMORY, TASK_CPUS, TASK_MEMORY};

/// One resource.
#[derive(Serialize)]
pub(super) struct Resource {
    name: &'static str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scalar: Option<Scalar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges: Option<Ranges>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation_info: Option<Allocation>,
}

/// What the resources are shown as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Those of a task.
    OfTask,
    /// Those an agent says it has.
    Offered,
    /// Those an agent has, as the master keeps them.
    Total,
    /// Those in use.
    Allocated,
}

#[derive(Serialize)]
struct Scalar {
    value: f64,
}

#[derive(Serialize)]
struct Ranges {
    range: Vec<Range>,
}

#[derive(Serialize)]
struct Range {
    begin: u16,
    end: u16,
}

#[derive(Serialize)]
struct Allocation {
    role: &'static str,
}

/// What so many tasks use; each port is a range of its own, as frameworks send them.
pub(super) fn used(tasks: usize, ports: impl IntoIterator<Item = u16>, shown: Shown) -> Vec<Resource> {
    if tasks == 0 {
        return Vec::new();
    }
    let number = tasks as f64;
    let mut all = vec![scalar("cpus", number * TASK_CPUS, shown), scalar("mem", number * TASK_MEMORY, shown)];
    let range: Vec<Range> = ports.into_iter().map(|port| Range { begin: port, end: port }).collect();
    if !range.is_empty() {
        all.push(ranges(range, shown));
    }
    all
}

/// What each agent has.
pub(super) fn of_agent(shown: Shown) -> Vec<Resource> {
    vec![
        scalar("cpus", CPUS, shown),
        scalar("mem", MEMORY, shown),
        scalar("disk", DISK, shown),
        ranges(vec![Range { begin: 31_000, end: 32_000 }], shown),
    ]
}

fn scalar(name: &'static str, value: f64, shown: Shown) -> Resource {
    Resource { scalar: Some(Scalar { value }), ..empty(name, "SCALAR", shown) }
}

fn ranges(range: Vec<Range>, shown: Shown) -> Resource {
    Resource { ranges: Some(Ranges { range }), ..empty("ports", "RANGES", shown) }
}

fn empty(name: &'static str, r#type: &'static str, shown: Shown) -> Resource {
    let role = matches!(shown, Shown::Total | Shown::Allocated).then_some("*");
    let allocated = matches!(shown, Shown::OfTask | Shown::Allocated);
    let allocation_info = allocated.then_some(Allocation { role: "*" });
    Resource { name, r#type, scalar: None, ranges: None, role, allocation_info }
}
