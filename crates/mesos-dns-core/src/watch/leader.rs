//! Who leads, from the members of the ZooKeeper group.
//!
//! Every master has a node below the group's node; the one with the lowest sequence number leads. Here is
//! what that means while nodes come, go, cannot be read, or are all gone: ZooKeeper tells us whom to ask
//! and no more, so losing sight of the masters is no reason to forget them. An empty group keeps the last
//! leader and the last list.
//!
//! The list of masters in effect also decides the names `master0`, `master1` and so on: the leader first, the
//! others in ascending order of their sequence numbers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Master, poll::Leader};
use crate::mesos::master_info::MasterInfo;

/// Most members that are read; more are left out. Clusters have three to seven masters.
pub const MEMBERS_MAX: usize = 64;

/// One member of the group, as far as its node could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Number that ZooKeeper gave the node. The lowest one leads.
    pub sequence: u32,
    /// What the node said; `None` if it could not be read or made no sense. It is read again next time.
    pub info: Option<MasterInfo>,
}

/// What we know of the group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    configured: Vec<Master>,
    /// The last members that made sense, the leader first; empty until some were seen.
    known: Vec<MasterInfo>,
    empty: bool,
}

impl Group {
    /// Nothing seen yet; `configured` masters are asked meanwhile.
    pub fn new(configured: Vec<Master>) -> Self {
        Self { configured, known: Vec::new(), empty: false }
    }

    /// Takes over the members that another watcher knew. Nobody has read the group for us yet, so it is not
    /// empty; the configured masters stay ours.
    pub fn remember(&mut self, known: &Self) {
        self.known.clone_from(&known.known);
        self.empty = false;
    }

    /// The group was read. Tells whether another master leads now, or the same one after a restart.
    ///
    /// A member that cannot be read is passed over: the next one, even if it does not lead, sends us to the
    /// leader, and if it is the last one, the last good leader stays.
    pub fn handle_members(&mut self, mut members: Vec<Member>) -> Leader {
        members.sort_by_key(|member| member.sequence);
        let mut known: Vec<MasterInfo> = Vec::new();
        for info in members.into_iter().filter_map(|member| member.info) {
            // A master that registers twice is one master; so is one that came back faster than its old
            // node went away. Its place is that of its lowest number, its words are the newest.
            let twin = |other: &&mut MasterInfo| other.id == info.id || other.endpoint == info.endpoint;
            match known.iter_mut().find(twin) {
                Some(twin) => *twin = info,
                None => known.push(info),
            }
        }
        self.empty = known.is_empty();
        if self.empty {
            return Leader::Same;
        }
        let before = self.known.first().cloned();
        self.known = known;
        if before.as_ref() == self.known.first() { Leader::Same } else { Leader::Changed }
    }

    /// Whether a leader was ever seen.
    pub fn has_leader(&self) -> bool {
        !self.known.is_empty()
    }

    /// Whether the group had no readable member when last read: what we know is from before.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whom to ask, in this order: the leader, the other members, and those configured besides.
    pub fn candidates(&self) -> Vec<Master> {
        let mut candidates: Vec<Master> = self.known.iter().map(Master::from).collect();
        for configured in &self.configured {
            if candidates.iter().all(|other| other.at != configured.at) {
                candidates.push(configured.clone());
            }
        }
        candidates
    }

    /// The list of masters in effect, `host:port` each: the members, leader first. Before any was seen an
    /// empty first entry, for the unknown leader, and then the configured masters.
    pub fn listed(&self) -> Vec<Arc<str>> {
        if self.known.is_empty() {
            let configured = self.configured.iter().map(|master| Arc::from(master.to_string()));
            return std::iter::once(Arc::from("")).chain(configured).collect();
        }
        self.known.iter().map(|info| Arc::from(Master::from(info).to_string())).collect()
    }
}

//------------ Detection --------------------------------------------------------

/// The rule of `zkDetectionTimeout`: give up if no leader is ever found within that time from the start.
///
/// Once one was found, ZooKeeper and the masters may be away for as long as they like.
#[derive(Clone, Copy, Debug)]
pub struct Detection {
    limit: Option<Instant>,
}

impl Detection {
    /// Without a timeout, or with a timeout of zero, nobody ever gives up.
    pub fn new(timeout: Option<Duration>, start: Instant) -> Self {
        Self {
            limit: timeout
                .filter(|timeout| !timeout.is_zero())
                .and_then(|timeout| start.checked_add(timeout)),
        }
    }

    /// A leader was found.
    pub fn handle_leader(&mut self) {
        self.limit = None;
    }

    /// When to give up; `None` for never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(id: &str, at: &str) -> Option<MasterInfo> {
        let endpoint = Master::parse(at).unwrap().at;
        Some(MasterInfo { id: id.into(), endpoint, hostname: None, version: None })
    }

    fn member(sequence: u32, info: Option<MasterInfo>) -> Member {
        Member { sequence, info }
    }

    fn listed(group: &Group) -> Vec<String> {
        group.listed().iter().map(ToString::to_string).collect()
    }

    fn group() -> Group {
        Group::new(vec![Master::parse("10.0.0.8:5050").unwrap(), Master::parse("10.0.0.9:5050").unwrap()])
    }

    #[test]
    fn the_lowest_sequence_leads() {
        let mut group = group();
        assert_eq!(listed(&group), ["", "10.0.0.8:5050", "10.0.0.9:5050"]);
        assert!(!group.has_leader());
        let members = vec![member(7, info("A", "10.0.0.2:5050")), member(4, info("B", "10.0.0.1:5050"))];
        assert_eq!(group.handle_members(members.clone()), Leader::Changed);
        assert_eq!(listed(&group), ["10.0.0.1:5050", "10.0.0.2:5050"]);
        assert_eq!(group.handle_members(members), Leader::Same);
        assert_eq!(group.handle_members(vec![member(7, info("A", "10.0.0.2:5050"))]), Leader::Changed);
        assert_eq!(listed(&group), ["10.0.0.2:5050"]);
        let candidates: Vec<String> = group.candidates().iter().map(ToString::to_string).collect();
        assert_eq!(candidates, ["10.0.0.2:5050", "10.0.0.8:5050", "10.0.0.9:5050"]);
    }

    #[test]
    fn an_empty_group_keeps_the_last_leader() {
        let mut group = group();
        group.handle_members(vec![member(4, info("B", "10.0.0.1:5050"))]);
        assert_eq!(group.handle_members(Vec::new()), Leader::Same);
        assert!(group.is_empty() && group.has_leader());
        assert_eq!(listed(&group), ["10.0.0.1:5050"]);
        assert_eq!(
            group.handle_members(vec![member(9, info("C", "10.0.0.1:5050"))]),
            Leader::Changed,
            "restarted"
        );
        assert!(!group.is_empty());
    }

    #[test]
    fn what_another_watcher_knew_is_remembered() {
        let mut former = Group::new(vec![Master::parse("10.0.0.7:5050").unwrap()]);
        let members = vec![member(7, info("A", "10.0.0.2:5050")), member(4, info("B", "10.0.0.1:5050"))];
        former.handle_members(members.clone());
        former.handle_members(Vec::new());
        let mut group = group();
        group.remember(&former);
        assert!(group.has_leader() && !group.is_empty());
        let candidates: Vec<String> = group.candidates().iter().map(ToString::to_string).collect();
        assert_eq!(candidates, ["10.0.0.1:5050", "10.0.0.2:5050", "10.0.0.8:5050", "10.0.0.9:5050"]);
        assert_eq!(group.handle_members(members), Leader::Same, "nobody else leads");
        group.remember(&Group::default());
        assert_eq!(listed(&group), ["", "10.0.0.8:5050", "10.0.0.9:5050"]);
    }

    #[test]
    fn unreadable_members_are_passed_over() {
        let mut group = group();
        group.handle_members(vec![member(1, None), member(2, info("B", "10.0.0.2:5050"))]);
        assert_eq!(listed(&group), ["10.0.0.2:5050"]);
        group.handle_members(vec![member(1, None)]);
        assert_eq!(listed(&group), ["10.0.0.2:5050"], "the last good one");
        group.handle_members(vec![
            member(1, info("A", "10.0.0.1:5050")),
            member(2, info("B", "10.0.0.2:5050")),
        ]);
        assert_eq!(listed(&group), ["10.0.0.1:5050", "10.0.0.2:5050"], "readable the next time");
    }

    #[test]
    fn one_master_with_two_nodes_is_listed_once() {
        let mut group = group();
        let twice = vec![
            member(3, info("A", "10.0.0.1:5050")),
            member(4, info("B", "10.0.0.2:5050")),
            member(5, info("A", "10.0.0.1:5050")),
            member(6, info("C", "10.0.0.2:5050")),
        ];
        group.handle_members(twice);
        assert_eq!(listed(&group), ["10.0.0.1:5050", "10.0.0.2:5050"]);
    }

    #[test]
    fn detection_gives_up_only_before_the_first_leader() {
        let start = Instant::now();
        let half_a_minute = Duration::from_secs(30);
        let mut detection = Detection::new(Some(half_a_minute), start);
        assert_eq!(detection.poll_timeout(), Some(start + half_a_minute));
        detection.handle_leader();
        assert_eq!(detection.poll_timeout(), None);
        assert_eq!(Detection::new(None, start).poll_timeout(), None);
        assert_eq!(Detection::new(Some(Duration::ZERO), start).poll_timeout(), None);
    }

    proptest! {
        /// The order in which ZooKeeper lists its children is arbitrary.
        #[test]
        fn order_does_not_matter(members in prop::collection::vec((0..20_u32, 0..9_u8, any::<bool>()), 0..9), by in 0..9_usize) {
            let mut members: Vec<Member> = members
                .into_iter()
                .map(|(sequence, host, good)| member(sequence, info(&sequence.to_string(), &format!("m{host}:1")).filter(|_| good)))
                .collect();
            members.sort_by_key(|member| member.sequence);
            members.dedup_by_key(|member| member.sequence);
            let mut turned = members.clone();
            if !turned.is_empty() {
                let by = by % turned.len();
                turned.rotate_left(by);
            }
            let (mut one, mut other) = (Group::default(), Group::default());
            one.handle_members(members);
            other.handle_members(turned);
            prop_assert_eq!(one.listed(), other.listed());
        }
    }
}
