use std::collections::HashSet;

use super::*;

const START: Duration = Duration::from_secs(1_700_000_000);

fn settings(seed: u64) -> Settings {
    Settings { seed, tasks: 100, churn: 20.0 }
}

/// What tells two clusters apart, as text.
fn portrait(cluster: &Cluster) -> String {
    format!("{:?} {:?}", cluster.tasks, cluster.completed)
}

#[test]
fn the_course_depends_on_seed_and_time_only() {
    let run = |seed, ticks: u32| {
        let (mut life, mut cluster) = Life::new(settings(seed), START);
        let told: Vec<String> = (1..=ticks)
            .flat_map(|tick| life.advance(&mut cluster, START + Duration::from_secs(60) * tick / ticks))
            .map(|change| format!("{:?} {change}", change.at))
            .collect();
        (told, portrait(&cluster))
    };
    let (told, cluster) = run(1, 1);
    assert!(told.len() > 500, "{}", told.len());
    assert_eq!(run(1, 6000), (told, cluster.clone()));
    assert_ne!(run(2, 1).1, cluster);
}

#[test]
fn all_kinds_of_events_occur_and_the_size_stays() {
    let (mut life, mut cluster) = Life::new(settings(7), START);
    let changes = life.advance(&mut cluster, START + Duration::from_secs(600));
    let kinds: HashSet<String> = changes.iter().map(|change| change.to_string()[..9].to_owned()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert!((80..=120).contains(&cluster.tasks.len()), "{}", cluster.tasks.len());
    let taken: usize = cluster.tasks.values().map(|task| task.ports.len()).sum();
    assert_eq!(taken, cluster.agents.iter().map(|agent| agent.ports.len()).sum::<usize>());
}

#[test]
fn without_churn_nothing_happens() {
    let (life, cluster) = Life::new(Settings { churn: 0.0, ..settings(1) }, START);
    assert_eq!(life.next_due(), None);
    assert!(cluster.tasks.values().all(|task| task.state == State::Running));
}
