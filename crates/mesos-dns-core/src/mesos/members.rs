//! Which children of the group node in ZooKeeper are masters, and which of them leads.
//!
//! Each live master has an ephemeral, sequential child; other programs may have children there too. The
//! smallest sequence number leads, whatever its label: during an upgrade from 0.23 to 0.24 there are children of
//! both kinds, and the masters themselves compare numbers only.

/// How a node's data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `json.info_…`, written since Mesos 0.24.
    Json,
    /// `info_…`, written up to Mesos 0.23.
    Protobuf,
}

/// A child of the group node that belongs to a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Sequence number that ZooKeeper gave; the smallest leads.
    pub sequence: u32,
    /// How its data is written.
    pub format: Format,
    /// The child's name.
    pub node: &'a str,
}

impl<'a> Member<'a> {
    /// Reads a child's name; `None` for a foreign node.
    ///
    /// ZooKeeper's counter is a signed 32-bit number, so a number beyond that range is nobody's.
    pub fn parse(node: &'a str) -> Option<Self> {
        let labels = [("json.info_", Format::Json), ("info_", Format::Protobuf)];
        let (digits, format) =
            labels.iter().find_map(|(label, format)| Some((node.strip_prefix(label)?, *format)))?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let sequence = digits.parse::<i32>().ok()?.unsigned_abs();
        Some(Self { sequence, format, node })
    }
}

/// The masters among the children, the leader first, then by ascending sequence number.
pub fn members<'a>(children: impl IntoIterator<Item = &'a str>) -> Vec<Member<'a>> {
    let mut found: Vec<_> = children.into_iter().filter_map(Member::parse).collect();
    found.sort_by_key(|member| (member.sequence, member.format));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(children: &[&str], expected: &[&str]) {
        let found: Vec<_> = members(children.iter().copied()).iter().map(|member| member.node).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lowest_sequence_leads() {
        check(
            &["json.info_0000000007", "json.info_0000000004", "log_replicas"],
            &["json.info_0000000004", "json.info_0000000007"],
        );
    }

    #[test]
    fn label_does_not_matter() {
        check(
            &["json.info_0000000007", "info_0000000004", "json.info_0000000003"],
            &["json.info_0000000003", "info_0000000004", "json.info_0000000007"],
        );
    }

    #[test]
    fn foreign_nodes_are_ignored() {
        for node in [
            "",
            "log_replicas",
            "0000000012",
            "info_",
            "json.info_",
            "info_12a",
            "info_+12",
            "info_-12",
            "json.info_2147483648",
            "json.info_99999999999999999999",
            "xinfo_0000000001",
            "JSON.INFO_0000000001",
        ] {
            check(&[node], &[]);
        }
    }

    #[test]
    fn whole_range_of_the_counter() {
        check(&["json.info_2147483647", "info_0"], &["info_0", "json.info_2147483647"]);
    }
}
