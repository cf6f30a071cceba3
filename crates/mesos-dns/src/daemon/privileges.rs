//! Who we are once the ports are open: started as root, somebody else.
//!
//! Users and groups are looked for in `/etc/passwd` and `/etc/group`; one from a directory service is named by its
//! number. Nobody is made up to be root: where no other user can be had, the start fails and says so.

use std::{collections::HashSet, fs, os::unix::fs::chown, path::Path};

use anyhow::{Context, bail};
use mesos_dns_core::config::Config;
use rustix::process::geteuid;
use tracing::{info, warn};

use crate::configuration;

/// The user of the package, and the default of the keys `user` and `group`.
const OUR_NAME: &str = "mesos-dns";

/// Numbers that systemd gives to services for as long as they run; nobody else has them.
const PASSING: std::ops::RangeInclusive<u32> = 61184..=65519;

/// Where systemd notes which of them are in use.
const PASSING_IN_USE: &str = "/run/systemd/dynamic-uid";

/// Somebody a process can run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Gives up root, if we are root. Call it before threads are started, after ports are opened.
pub(super) fn give_up_root(config: &Config) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    if is_alone() {
        process_start::keep_only_binding().context("cannot give up the rights of root")?;
        info!("root of a namespace with no other user; all rights but that of binding ports are given up");
        return Ok(());
    }
    let account = account(config)?;
    if let Some(path) = &config.admin_socket {
        chown(path, Some(account.user), Some(account.group))
            .with_context(|| format!("cannot hand over the admin socket {path}"))?;
    }
    let Account { user, group } = account;
    process_start::give_up_root(user, group).with_context(|| {
        format!(
            "cannot give up root for user {user}, group {group}; start as another user, or with the right to change \
             (CAP_SETUID, CAP_SETGID)"
        )
    })?;
    info!(user, group, "root is given up");
    // What root could read may be nobody else's to read; better told now than at the reload.
    if let Err(error) = configuration::load(config.path()) {
        for line in error.lines() {
            warn!(user, "a reload would fail: {line}");
        }
    }
    Ok(())
}

/// Whether this is a user namespace in which there is nobody but root: an ordinary user's, with one number in it.
fn is_alone() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut rows = map.lines().map(|row| row.split_ascii_whitespace());
    rows.next().is_some_and(|row| row.last() == Some("1")) && rows.next().is_none()
}

/// Whom root becomes.
pub(crate) fn account(config: &Config) -> anyhow::Result<Account> {
    // A root without such files has nobody in it but numbers.
    let [users, groups] =
        ["/etc/passwd", "/etc/group"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let is_free = |number: u32| !Path::new(PASSING_IN_USE).join(number.to_string()).exists();
    choose(config.user.as_deref(), config.group.as_deref(), &users, &groups, is_free)
}

/// Who to become, given what the configuration says and who there is.
fn choose(
    user: Option<&str>,
    group: Option<&str>,
    users: &str,
    groups: &str,
    is_free: impl Fn(u32) -> bool,
) -> anyhow::Result<Account> {
    let known = find(users, user.unwrap_or(OUR_NAME));
    let number = match (user, known) {
        (_, Some((number, _))) => number,
        (Some(user), None) => user.parse().ok().with_context(|| {
            format!("\"user\": there is no user {user:?} in /etc/passwd; name another, or write a number")
        })?,
        (None, None) => {
            let taken: HashSet<u32> =
                [users, groups].iter().flat_map(|file| file.lines()).filter_map(third).collect();
            let mut free = PASSING.rev().filter(|number| !taken.contains(number) && is_free(*number));
            free.next().context("\"user\": every number for a passing user is taken; name a user")?
        }
    };
    let group = match group {
        Some(group) => match find(groups, group) {
            Some((number, _)) => number,
            None => group.parse().ok().with_context(|| {
                format!(
                    "\"group\": there is no group {group:?} in /etc/group; name another, or write a number"
                )
            })?,
        },
        // A number without an entry has the group of the same number, which is as much its own.
        None => known.and_then(|(_, group)| group).unwrap_or(number),
    };
    if number == 0 || group == 0 {
        bail!("\"user\": user {number} with group {group} is root by another name; name another");
    }
    Ok(Account { user: number, group })
}

/// The numbers of a user or group, by its name or its first number: its own, and of a user its group's.
fn find(file: &str, who: &str) -> Option<(u32, Option<u32>)> {
    let row = file.lines().find(|row| {
        let number = third(row);
        row.split(':').next() == Some(who) || (number.is_some() && number == who.parse().ok())
    })?;
    Some((third(row)?, row.split(':').nth(3).and_then(|group| group.parse().ok())))
}

/// The number in a row of either file.
fn third(row: &str) -> Option<u32> {
    row.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nmesos-dns:x:990:980::/:/bin/false\ntoor:x:0:0::/:\nx:x:7:0::/:\n";
    const GROUPS: &str = "root:x:0:\nmesos-dns:x:980:\ndns:x:53:a,b\n";

    #[test]
    fn who_to_become() {
        let all_but_two = |number| number != 65519 && number != 65518;
        let with = |user, group, users| {
            choose(user, group, users, GROUPS, all_but_two).map(|account| (account.user, account.group))
        };
        for (user, group, users, expected) in [
            (None, None, USERS, (990, 980)),
            (None, None, "", (65517, 65517)),
            (None, None, "a:x:65517:65517::/:", (65516, 65516)),
            (None, Some("dns"), USERS, (990, 53)),
            (Some("mesos-dns"), None, USERS, (990, 980)),
            (Some("990"), None, USERS, (990, 980)),
            (Some("1234"), None, USERS, (1234, 1234)),
            (Some("1234"), Some("5678"), "", (1234, 5678)),
        ] {
            assert_eq!(with(user, group, users).unwrap(), expected, "{user:?} {group:?}");
        }
        for (user, group, said) in [
            (Some("nobody-here"), None, "no user"),
            (None, Some("nobody-here"), "no group"),
            (Some("toor"), None, "root by another name"),
            (Some("x"), None, "root by another name"),
            (None, Some("root"), "root by another name"),
        ] {
            let error = with(user, group, USERS).unwrap_err().to_string();
            assert!(error.contains(said), "{user:?} {group:?}: {error}");
        }
        assert!(choose(None, None, "", "", |_| false).is_err());
    }
}
