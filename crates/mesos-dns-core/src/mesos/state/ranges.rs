//! Ranges of ports: the text in which `/state` has them, `[31000-31001, 31005-31005]`, and the numbers of the
//! operator API.

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

/// Sorts ranges and joins those that overlap or touch, as a master does before it writes the text.
///
/// The operator API shows them as the framework sent them. A range that cannot be one of ports is left out and
/// counted.
pub(super) fn join(raw: &[(f64, f64)], ranges: &mut Vec<PortRange>, skipped: &mut Skipped) {
    let mut sorted = Vec::with_capacity(raw.len());
    for (first, last) in raw {
        match (whole(*first), whole(*last)) {
            (Some(first), Some(last)) if first <= last => sorted.push(PortRange { first, last }),
            // Says nothing, and is not wrong.
            (Some(_), Some(_)) => (),
            _ => skipped.port_ranges = skipped.port_ranges.saturating_add(1),
        }
    }
    sorted.sort_unstable_by_key(|range| range.first);
    for range in sorted {
        let full = ranges.len() >= TASK_PORTS_MAX;
        match ranges.last_mut() {
            Some(before) if range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            _ if full => skipped.over_limit = skipped.over_limit.saturating_add(1),
            _ => ranges.push(range),
        }
    }
}

/// A number that came as a double, if it is one that the text could have, too.
fn whole(number: f64) -> Option<u32> {
    let whole = number as u32;
    (f64::from(whole) == number).then_some(whole)
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
    fn sorted_and_joined() {
        let check = |raw: &[(f64, f64)], expected: &[(u32, u32)], bad: u64| {
            let (mut ranges, mut skipped) = (Vec::new(), Skipped::default());
            join(raw, &mut ranges, &mut skipped);
            let found: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
            assert_eq!((&*found, skipped.port_ranges), (expected, bad), "{raw:?}");
        };
        check(&[], &[], 0);
        check(&[(31008.0, 31008.0), (31009.0, 31009.0)], &[(31008, 31009)], 0);
        check(&[(9.0, 9.0), (1.0, 3.0), (2.0, 5.0), (1.0, 1.0)], &[(1, 5), (9, 9)], 0);
        check(&[(1.0, 9.0), (2.0, 3.0), (11.0, 12.0)], &[(1, 9), (11, 12)], 0);
        check(&[(0.0, 4294967295.0), (4294967295.0, 4294967295.0)], &[(0, u32::MAX)], 0);
        check(&[(5.0, 3.0)], &[], 0);
        check(&[(-1.0, 3.0), (1.5, 2.0), (1.0, 4294967296.0), (f64::NAN, 1.0), (7.0, 7.0)], &[(7, 7)], 4);
    }

    #[test]
    fn long_list_is_cut() {
        let (mut ranges, mut skipped) = (Vec::new(), Skipped::default());
        parse(&format!("[{}]", "1-1,".repeat(TASK_PORTS_MAX + 5)), &mut ranges, &mut skipped);
        assert_eq!((ranges.len(), skipped.over_limit), (TASK_PORTS_MAX, 6));
        let odd: Vec<_> =
            (0..TASK_PORTS_MAX as u32 + 5).map(|n| (f64::from(2 * n), f64::from(2 * n))).collect();
        let (mut ranges, mut skipped) = (Vec::new(), Skipped::default());
        join(&odd, &mut ranges, &mut skipped);
        assert_eq!((ranges.len(), skipped.over_limit), (TASK_PORTS_MAX, 5));
    }
}
