//! Two servers, of which the first takes queries and never answers: how long answers take before that is known, and
//! after.

use std::time::{Duration, Instant};

use mesos_dns_sim::bench::{
    figures::{Figures, Millis},
    question::Question,
    table::Table,
};

use crate::rig::Rig;

/// Queries before it counts as known, and those that are measured then.
const BEFORE: usize = 20;
const AFTER: usize = 200;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn measure(rig: &Rig) -> anyhow::Result<()> {
    // It answers while they start, so that none of them knows before it is measured.
    let mut first = rig.another_upstream()?;
    let forwarders = rig.forwarders_to(&[first.port, rig.upstream.port])?;
    first.rule(r#"[{"fault": "silent"}]"#)?;
    let mut table = Table::new(
        "The first of two servers is dead, ms",
        &["forwarder", "first answer", "next 19, max", "then 200, p50", "p99", "max", "unanswered"],
    );
    for forwarder in &forwarders {
        let mut unanswered = 0;
        let mut took = Vec::new();
        for number in 0..BEFORE + AFTER {
            let name = format!("dead{number}-{}.made.test", forwarder.port);
            let mut question = Question::new(forwarder.port, &name, PATIENCE)?;
            let asked = Instant::now();
            match question.ask() {
                Ok(_) => took.push(asked.elapsed()),
                Err(_) => {
                    unanswered += 1;
                    took.push(asked.elapsed());
                }
            }
        }
        let next: Figures = took[1..BEFORE].iter().copied().collect();
        let then: Figures = took[BEFORE..].iter().copied().collect();
        table.add(vec![
            forwarder.name.to_owned(),
            Millis(took[0]).to_string(),
            Millis(next.max()).to_string(),
            Millis(then.median()).to_string(),
            Millis(then.per_mille(990)).to_string(),
            Millis(then.max()).to_string(),
            unanswered.to_string(),
        ]);
    }
    table.print();
    Ok(())
}
