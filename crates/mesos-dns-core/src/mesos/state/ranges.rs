//! The text in which Mesos writes ports: `[31000-31001, 31005-31005]`.

use super::TASK_PORTS_MAX;
use crate::cluster::{PortRange, Skipped};

/// Reads ranges in the order written, without expanding them: one can be huge.
///
/// As the original reads them: what counts stands between the first `[` and the `]` after it, and an item has at
/// least two numbers with a hyphen between them, of which the first two count. Where that crashed, this is lenient:
/// brackets may be missing, a lone number is one port, and an item that is neither is left out and counted.
pub(super) fn parse(text: &str, ranges: &mut Vec<PortRange>, skipped: &mut Skipped) {
    let inner = text.split_once('[').map_or(text, |(_, inner)| inner);
    let inner = inner.split(']').next().unwrap_or_default();
    if inner.is_empty() {
        return;
    }
    for item in inner.split(',') {
        match parse_item(item.trim()) {
            _ if ranges.len() >= TASK_PORTS_MAX => skipped.over_limit = skipped.over_limit.saturating_add(1),
            None => skipped.port_ranges = skipped.port_ranges.saturating_add(1),
            // Says nothing, and is not wrong.
            Some(PortRange { first, last }) if first > last => (),
            Some(range) => ranges.push(range),
        }
    }
}

fn parse_item(item: &str) -> Option<PortRange> {
    let mut numbers = item.split('-').map(parse_number);
    let first = numbers.next()??;
    let last = numbers.next().unwrap_or(Some(first))?;
    Some(PortRange { first, last })
}

fn parse_number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(u32, u32)], bad: u64) {
        let (mut ranges, mut skipped) = (Vec::new(), Skipped::default());
        parse(text, &mut ranges, &mut skipped);
        let found: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
        assert_eq!((&*found, skipped.port_ranges), (expected, bad), "{text:?}");
    }

    #[test]
    fn as_mesos_writes() {
        check("[31000-31000]", &[(31000, 31000)], 0);
        check("[31000-31002, 31010-31010]", &[(31000, 31002), (31010, 31010)], 0);
        check("[1-2,4-5]", &[(1, 2), (4, 5)], 0);
        check("[31001-31001, 31000-31000]", &[(31001, 31001), (31000, 31000)], 0);
        check("[0-4294967295]", &[(0, u32::MAX)], 0);
        check("[]", &[], 0);
        check("", &[], 0);
    }

    #[test]
    fn odd() {
        check("[5-3]", &[], 0);
        check("[x-y, 7-8]", &[(7, 8)], 1);
        check("[7-x,-5,5-,1-4294967296,+1-2,,9]", &[(9, 9)], 6);
        check("[1-2-3]", &[(1, 2)], 0);
        check("31000-31001", &[(31000, 31001)], 0);
        check("31000", &[(31000, 31000)], 0);
        check("x[1-2", &[(1, 2)], 0);
        check("[1-2][3-4]", &[(1, 2)], 0);
        check("[1 - 2]", &[], 1);
        check("{1-2}", &[], 1);
    }

    #[test]
    fn long_list_is_cut() {
        let (mut ranges, mut skipped) = (Vec::new(), Skipped::default());
        parse(&format!("[{}]", "1-1,".repeat(TASK_PORTS_MAX + 5)), &mut ranges, &mut skipped);
        assert_eq!((ranges.len(), skipped.over_limit), (TASK_PORTS_MAX, 6));
    }
}
