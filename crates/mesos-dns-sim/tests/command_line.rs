//! `sim-cluster` plays a scenario, and says what is wrong with one.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

fn sim_cluster(scenario: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim-cluster"));
    command.args(["--port", "0", "--scenario"]).arg(scenario);
    command
}

#[test]
fn a_scenario_is_played_in_real_time() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test-data/scenarios/framework-renamed.json");
    let mut child = sim_cluster(&file).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        said.push(line);
        if said.last().is_some_and(|line| line.starts_with("The scenario is over")) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said[0].starts_with("A framework calls itself otherwise"), "{said:?}");
    assert!(said[1].ends_with("/master/state leads") && said[2].ends_with("stands by"), "{said:?}");
    assert!(said[3].contains("1.0 s  step      RenameFramework"), "{said:?}");
}

#[test]
fn what_is_wrong_with_a_scenario_is_said() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, json, expected) in [
        (
            "malformed",
            r#"{"about": "x", "tasks": 1, "steps": [{"at": 1, "do": "explode"}]}"#,
            "unknown variant `explode`",
        ),
        (
            "unknown",
            r#"{"about": "x", "tasks": 1, "steps": [{"at": 0, "do": {"kill": 9}}]}"#,
            "step at 0 s: there is no master 9",
        ),
    ] {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, json).unwrap();
        let output = sim_cluster(&file).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}
