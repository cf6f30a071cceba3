//! Where captured documents are: those of the project, and those of third parties, which may not be there.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder with what third parties captured: `MESOS_DNS_FIXTURES`, else beside the checkout.
pub fn fixtures() -> PathBuf {
    env::var_os("MESOS_DNS_FIXTURES").map_or_else(|| root().join("../shared/fixtures"), PathBuf::from)
}

/// The JSON files of a folder, sorted; none if there is no such folder.
pub fn json_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    files
}
