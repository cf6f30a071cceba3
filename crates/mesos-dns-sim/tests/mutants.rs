//! The deliberate faults of `mutants/` still fit the program, and are listed where people read of them.
//!
//! Whether the checker finds them takes a build for each: `scripts/mutants.sh`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn patches() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("mutants")).unwrap().map(|entry| entry.unwrap().path());
    let mut patches: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "patch")).collect();
    patches.sort();
    assert!(patches.len() > 20, "{patches:?}");
    patches
}

#[test]
fn each_patch_applies() {
    let mut wrong = Vec::new();
    for patch in patches() {
        let applied =
            Command::new("git").arg("apply").arg("--check").arg(&patch).current_dir(root()).output();
        let Ok(output) = applied else {
            eprintln!("skipped: git is not installed");
            return;
        };
        if !output.status.success() {
            wrong.push(format!("{}: {}", patch.display(), String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(wrong.is_empty(), "make them anew:\n{}", wrong.join(""));
}

#[test]
fn each_patch_says_what_it_breaks_and_is_listed() {
    let listed = fs::read_to_string(root().join("docs/mutants.md")).unwrap();
    for patch in patches() {
        let text = fs::read_to_string(&patch).unwrap();
        let name = patch.file_stem().unwrap().to_str().unwrap();
        for field in ["\nLaw: ", "\nRunner: "] {
            assert_eq!(text.matches(field).count(), 1, "{name}: {field:?}");
        }
        assert!(listed.contains(&format!("| {name} |")), "docs/mutants.md does not list {name}");
    }
}
