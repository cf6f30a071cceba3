//! An explanation as a page of text.

use std::fmt::{self, Display, Formatter};

use super::told::{Contributor, Dropped, Explanation, Since, Step, Told};

/// An explanation, to be printed for people. What tenants wrote is escaped.
pub struct Page<'a>(pub &'a Explanation);

impl Display for Page<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { question, data, verdict, .. } = self.0;
        writeln!(out, "{} {}, asked by {}", question.name, question.rtype, question.client)?;
        write!(out, "from {}, state {}", data.origin, data.state)?;
        if let Some(leader) = &data.leader {
            write!(out, ", leader {}", shown(leader))?;
        }
        if let Some(age) = data.age_seconds {
            write!(out, ", confirmed {age} s ago")?;
        }
        writeln!(out, ", version {}, serial {}", data.version, data.serial)?;
        write!(out, "\n=> {}", verdict.outcome)?;
        if let Some(rcode) = &verdict.rcode {
            write!(out, " ({rcode})")?;
        }
        writeln!(out, "{}", if verdict.truncated { ", cut to fit a datagram" } else { "" })?;
        steps(&verdict.why, "   ", out)?;
        steps(&self.0.order, "   ", out)?;
        for alias in &self.0.path {
            writeln!(out, "   {} is an alias of {}", alias.name, alias.target)?;
        }
        self.forward(out)?;
        self.records(out)?;
        self.dropped(out)?;
        self.elsewhere(out)
    }
}

impl Page<'_> {
    fn forward(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Some(forward) = &self.0.forward else { return Ok(()) };
        let zone = forward.zone.as_ref().map(|zone| format!(", by the route of {zone}")).unwrap_or_default();
        writeln!(out, "\nAsked for {}{zone}: {}", forward.name, forward.servers.join(", "))
    }

    fn records(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { records, records_total, .. } = self.0;
        if records.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nRecords:")?;
        records.iter().try_for_each(|told| record(told, out))?;
        more(records.len(), *records_total, out)
    }

    fn dropped(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { dropped, dropped_total, .. } = self.0;
        if dropped.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nLeft out:")?;
        for Dropped { data, but_for, candidate } in dropped {
            let data = data.as_deref().unwrap_or("no data");
            writeln!(out, "\n  {} of {}", shown(data), who(candidate))?;
            steps(but_for, "    not: ", out)?;
            steps(&candidate.why, "    else: ", out)?;
            steps(&candidate.not_taken, "    not taken: ", out)?;
        }
        more(dropped.len(), *dropped_total, out)
    }

    fn elsewhere(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Explanation { nearest, near_misses, problems, .. } = self.0;
        if let Some(nearest) = nearest {
            writeln!(out, "\nThe nearest name above that is there: {nearest}")?;
        }
        for miss in near_misses {
            writeln!(out, "Did you mean {}, made of \"{}\"?", miss.name, shown(&miss.written))?;
        }
        for problem in problems {
            writeln!(out, "\nProblem {}: {}", problem.kind, problem.reason)?;
        }
        Ok(())
    }
}

fn record(told: &Told, out: &mut Formatter<'_>) -> fmt::Result {
    let place = told.position.map_or("not told".to_owned(), |position| format!("{position}."));
    writeln!(out, "\n  {place} {} {} {} {}", told.name, told.ttl, told.rtype, told.data)?;
    steps(&told.why, "    ", out)?;
    if let Some(Since { version, serial, is_exact, by }) = &told.since {
        let serial = serial.map(|serial| format!(", serial {serial}")).unwrap_or_default();
        let than = if *is_exact { "since" } else { "at least since" };
        let by = if by.is_empty() { String::new() } else { format!(", brought by {}", by.join(" and ")) };
        writeln!(out, "    {than} version {version}{serial}{by}")?;
    }
    for contributor in &told.contributors {
        writeln!(out, "    from {}", who(contributor))?;
        steps(&contributor.why, "      ", out)?;
        steps(&contributor.not_taken, "      not taken: ", out)?;
    }
    more(told.contributors.len(), told.contributors_total, out)
}

/// Who it is, in a line.
fn who(contributor: &Contributor) -> String {
    let Contributor { kind, task, framework, agent, .. } = contributor;
    let mut text = kind.clone();
    if let Some(task) = task {
        text.push_str(&format!(" {}", shown(&task.id)));
    }
    if let Some(framework) = framework {
        let of = if task.is_some() { " of framework" } else { "" };
        text.push_str(&format!("{of} \"{}\"", shown(&framework.name)));
    }
    if let Some(agent) = agent {
        let on = if task.is_some() { " on agent" } else { "" };
        text.push_str(&format!("{on} {}", shown(&agent.id)));
    }
    text
}

fn steps(steps: &[Step], before: &str, out: &mut Formatter<'_>) -> fmt::Result {
    for Step { rule, says, value, setting } in steps {
        write!(out, "{before}[{rule}] {says}")?;
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            write!(out, ": {}", shown(value))?;
        }
        match setting {
            Some(setting) => writeln!(out, " (see {setting})")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// A text as it can be shown: of what tenants wrote, nothing reaches the terminal but what can be seen. Quotes stay.
fn shown(text: &str) -> String {
    let seen = |one: char| matches!(one, '"' | '\'' | '\\').then_some(one);
    let escaped = |one: char| one.escape_debug().filter(move |_| seen(one).is_none());
    text.chars().flat_map(|one| seen(one).into_iter().chain(escaped(one))).collect()
}

fn more(listed: usize, total: usize, out: &mut Formatter<'_>) -> fmt::Result {
    match total.saturating_sub(listed) {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_seen() {
        for (text, expected) in [
            (r#""web\\n""#, r#""web\\n""#),
            ("it's é", "it's é"),
            ("a\nb\u{1b}[31m\u{9b}\u{202e}\0", r"a\nb\u{1b}[31m\u{9b}\u{202e}\0"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
