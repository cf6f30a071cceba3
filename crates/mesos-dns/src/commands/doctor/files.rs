//! The files that the configuration names: who may read them once root is given up.
//!
//! The server reads them again at each reload, when it is no longer root. So where doctor is root, what counts is what the
//! user may do who the server becomes: by the bits of the file and of all folders above it. Lists of access rights beyond
//! these are not looked at.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use mesos_dns_core::config::Config;
use rustix::{
    fs::{Access, access},
    process::geteuid,
};

use super::Finding;
use crate::{
    configuration,
    daemon::privileges::{Account, account},
};

/// What is to be done with a file or folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read = 0o4,
    Write = 0o2,
    Enter = 0o1,
}

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let someone = match geteuid().is_root().then(|| account(config)).transpose() {
        Ok(someone) => someone,
        Err(error) => {
            return vec![Finding::fail("user", format!("{error:#}"), "set \"user\" to one that is there")];
        }
    };
    let files = configuration::files(config.path()).unwrap_or_default();
    let unreadable: Vec<String> = files
        .iter()
        .filter_map(|file| Some(format!("{}: {}", file.display(), refused(file, someone)?)))
        .collect();
    let who = someone.map_or("this user".to_owned(), |account| format!("user {}", account.user));
    let read = match unreadable.is_empty() {
        true => Finding::ok("files", format!("{who} may read all {} of the configuration", files.len())),
        false => Finding::fail(
            "files",
            format!("{who} may not read {}", unreadable.join("; ")),
            "give them to a group that the server is in, `chgrp` and `chmod g+r`: a reload reads them again",
        ),
    };
    let snapshot = config.snapshot_file.as_deref().map(|file| snapshot(Path::new(file), someone, &who));
    std::iter::once(read).chain(snapshot).collect()
}

/// Whether the snapshot file can be written: beside it, a new one is written and put in its place.
fn snapshot(file: &Path, someone: Option<Account>, who: &str) -> Finding {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let can = match someone {
        Some(account) => fs::metadata(folder)
            .map(|found| may(&found, account, Wish::Write) && may(&found, account, Wish::Enter)),
        None => Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()),
    };
    match can {
        Ok(true) => Finding::ok("snapshotFile", format!("{who} may write in {}", folder.display())),
        Ok(false) => Finding::fail(
            "snapshotFile",
            format!("{who} may not write in {}", folder.display()),
            "give the folder to that user: without it a restart while the masters are away has nothing to answer",
        ),
        Err(error) => {
            let told = format!("{}: {error}", folder.display());
            Finding::fail("snapshotFile", told, "make the folder")
        }
    }
}

/// Why a file cannot be read by an account, or by us.
fn refused(file: &Path, someone: Option<Account>) -> Option<String> {
    let Some(account) = someone else { return File::open(file).err().map(|error| error.to_string()) };
    let looked = || -> io::Result<Option<String>> {
        let file = fs::canonicalize(file)?;
        for folder in file.ancestors().skip(1) {
            if !may(&fs::metadata(folder)?, account, Wish::Enter) {
                return Ok(Some(format!("may not enter {}", folder.display())));
            }
        }
        let found = fs::metadata(&file)?;
        Ok((!may(&found, account, Wish::Read)).then(|| format!("mode {:o}", found.mode() & 0o7777)))
    };
    looked().unwrap_or_else(|error| Some(error.to_string()))
}

/// Whether the bits of a file let an account do something.
fn may(found: &Metadata, account: Account, wish: Wish) -> bool {
    let shift = if found.uid() == account.user {
        6
    } else if found.gid() == account.group {
        3
    } else {
        0
    };
    found.mode() >> shift & wish as u32 != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn bits_tell_who_may() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "x").unwrap();
        let of = fs::metadata(&file).unwrap();
        let (owner, group) = (of.uid(), of.gid());
        let someone = |user: u32, group: u32| Account { user, group };
        for (mode, account, expected) in [
            (0o400, someone(owner, 1), true),
            (0o040, someone(owner, group), false),
            (0o040, someone(owner + 1, group), true),
            (0o440, someone(owner + 1, group + 1), false),
            (0o444, someone(owner + 1, group + 1), true),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(may(&fs::metadata(&file).unwrap(), account, Wish::Read), expected, "{mode:o}");
        }
        // The file is for everybody, its folder for the owner alone.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let refused = refused(&file, Some(someone(owner + 1, group + 1))).unwrap();
        assert!(refused.contains("may not enter"), "{refused}");
        assert!(super::refused(&folder.path().join("nowhere"), None).unwrap().contains("No such file"));
    }
}
