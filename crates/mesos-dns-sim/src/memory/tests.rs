use super::*;
use crate::life::{Life, Settings};

const START: Duration = Duration::from_secs(1_700_000_000);

/// Events as letters: `t`ask added, `u`pdated, `a`gent added, `r`emoved, framework `f` added, `c`hanged, `x` gone.
fn letters(events: &[Event]) -> String {
    let letter = |event: &Event| match event {
        Event::TaskAdded(_) => 't',
        Event::TaskUpdated(_) => 'u',
        Event::AgentAdded(_) => 'a',
        Event::AgentRemoved(_) => 'r',
        Event::FrameworkAdded(_) => 'f',
        Event::FrameworkUpdated(_) => 'c',
        Event::FrameworkRemoved(_) => 'x',
    };
    let mut letters: Vec<char> = events.iter().map(letter).collect();
    letters.dedup();
    letters.into_iter().collect()
}

/// What a memory tells after an action on a small cluster of one task per service.
fn told(memory: Knowledge, profile: Profile, action: impl FnOnce(&mut Cluster)) -> String {
    let (_, mut cluster) = Life::new(Settings { seed: 1, tasks: 40, churn: 0.0 }, START);
    let mut memory = Memory::new(memory, &cluster, START);
    cluster.record();
    action(&mut cluster);
    let facts = cluster.drain();
    letters(&facts.into_iter().flat_map(|fact| memory.hear(fact, &cluster, profile)).collect::<Vec<_>>())
}

#[test]
fn every_row_of_the_table_of_events_is_told_so() {
    let all = Knowledge::Everything;
    let tell = |action: &dyn Fn(&mut Cluster)| told(all, Profile::Current, action);
    for (name, expected, action) in [
        ("new agent", "a", &(|cluster: &mut Cluster| _ = cluster.add_agent(START)) as &dyn Fn(&mut Cluster)),
        ("partition over", "uta", &|cluster| {
            cluster.lose_agent(1, START);
            cluster.return_agent(1, START);
        }),
        ("process restart", "", &|cluster| cluster.restart_agent(1, 5052)),
        ("inactive", "", &|cluster| cluster.set_active(1, false)),
        ("deactivated", "", &|cluster| cluster.set_deactivated(1, true)),
        ("unreachable", "u", &|cluster| cluster.lose_agent(1, START)),
        ("removed", "ur", &|cluster| cluster.remove_agent(1, START)),
        ("gone", "u", &|cluster| cluster.mark_gone(1, START)),
        ("new id", "ura", &|cluster| _ = cluster.reincarnate(1, START)),
        ("new framework", "f", &|cluster| {
            cluster.add_framework("new", crate::catalogue::Flavour::Marathon, 1, START);
        }),
        ("scheduler disconnects", "", &|cluster| cluster.disconnect_framework(0)),
        ("renamed", "c", &|cluster| cluster.rename_framework(0, "other")),
        ("torn down", "ux", &|cluster| cluster.tear_down(0, START)),
        ("running again", "", &|cluster| {
            let launch = *cluster.tasks.keys().next().unwrap();
            cluster.repeat_running(launch, None, START);
        }),
    ] {
        assert_eq!(tell(action), expected, "{name}");
    }
}

#[test]
fn a_new_leader_is_told_step_by_step() {
    let (_, cluster) = Life::new(Settings { seed: 1, tasks: 200, churn: 0.0 }, START);
    let mut memory = Memory::new(Knowledge::Agents(0), &cluster, START);
    let first = memory.recall_agents([0], &cluster, Profile::Current);
    assert!(letters(&first).starts_with("aft"), "{}", letters(&first));
    let second = memory.recall_agents([1], &cluster, Profile::Current);
    assert_eq!(letters(&second), "ta");
    assert_eq!(letters(&memory.recall_schedulers(0..4, &cluster)), "c");
    assert_eq!(memory.awaited(&cluster), [2, 3, 4]);
    let mut old = Memory::new(Knowledge::Agents(0), &cluster, START);
    assert_eq!(letters(&old.recall_agents([0], &cluster, Profile::V1_6)), "at");
}

#[test]
fn of_agents_that_are_away_nothing_is_told() {
    assert_eq!(told(Knowledge::Agents(0), Profile::Current, |cluster| cluster.lose_agent(1, START)), "");
    assert_eq!(told(Knowledge::Agents(0), Profile::Current, |cluster| cluster.mark_gone(1, START)), "");
}

#[test]
fn a_state_ahead_of_its_status_is_told_by_version() {
    let late = |cluster: &mut Cluster| {
        let launch = cluster.tasks.keys().next_back().unwrap() + 1;
        cluster.launch(launch, "late".into(), "c".into(), 0, 0);
        cluster.report_late_start(launch, START);
        cluster.report(launch, crate::cluster::State::Running, None, START);
    };
    let count = |profile| {
        let (_, mut cluster) = Life::new(Settings { seed: 1, tasks: 4, churn: 0.0 }, START);
        cluster.record();
        late(&mut cluster);
        let facts = cluster.drain();
        let mut memory = Memory::default();
        facts.into_iter().flat_map(|fact| memory.hear(fact, &cluster, profile)).count()
    };
    assert_eq!((count(Profile::Current), count(Profile::V1_6)), (3, 2));
}
