//! A program that is several processes, as the kernel counts them (`proc(5)`).
//!
//! They descend from its first one, or are in the group that is named after it: some programs replace a process by a
//! child of it, and the child becomes nobody's.

use std::{fs, io, time::Duration};

/// Processor time, user and system, of a process and all that belong to it, those included that have ended.
///
/// # Errors
///
/// It does not run any more.
pub fn processor(pid: u32) -> io::Result<Duration> {
    let mut ticks = 0;
    for member in members(pid)? {
        // One that has ended meanwhile counts as nothing.
        ticks += fields(member).and_then(|fields| Some(fields.get(11..15)?.iter().sum::<u64>())).unwrap_or(0);
    }
    // The unit has been a hundredth of a second wherever Linux runs.
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory in MiB of a process and all that belong to it. What several of them share counts once.
///
/// # Errors
///
/// It does not run any more.
pub fn resident(pid: u32) -> io::Result<f64> {
    let mut kibibytes = 0.0;
    for member in members(pid)? {
        let rollup = fs::read_to_string(format!("/proc/{member}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let number = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        kibibytes += number.unwrap_or(0.0);
    }
    Ok(kibibytes / 1024.0)
}

/// The process and all that belong to it.
fn members(pid: u32) -> io::Result<Vec<u32>> {
    let numbers = fs::read_dir("/proc")?.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: Vec<(u32, u64, u64)> = numbers
        .filter_map(|number| {
            let fields = fields(number)?;
            Some((number, *fields.get(1)?, *fields.get(2)?))
        })
        .collect();
    let grouped = all.iter().filter(|(number, _, group)| *number != pid && *group == u64::from(pid));
    let mut members: Vec<u32> = [pid].into_iter().chain(grouped.map(|(number, ..)| *number)).collect();
    let mut at = 0;
    while let Some(parent) = members.get(at).copied() {
        let children = all.iter().filter(|(_, of, _)| *of == u64::from(parent)).map(|(number, ..)| *number);
        let children: Vec<u32> = children.filter(|child| !members.contains(child)).collect();
        members.extend(children);
        at += 1;
    }
    Ok(members)
}

/// The numbers in `stat` behind the name, of which the first is the state and counts as 0.
fn fields(pid: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    Some(after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command, Stdio};

    use super::*;

    #[test]
    fn children_belong_to_it() {
        let mut child = Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
        let me = process::id();
        let members = members(me).unwrap();
        assert!(members.contains(&me) && members.contains(&child.id()), "{members:?}");
        assert!(resident(me).unwrap() > 0.1);
        assert!(processor(me).unwrap() >= processor(child.id()).unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
