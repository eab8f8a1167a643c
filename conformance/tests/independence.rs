//! Judge and judged share no crate of this workspace: a bug that both had would be invisible.
//!
//! The rule is read from what cargo knows, not from what the manifests mean to say.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

const JUDGE: [&str; 5] = [
    "partenza-conformance",
    "partenza-probe",
    "partenza-mock-modules",
    "partenza-reports",
    "partenza-spec-map",
];
const JUDGED: [&str; 3] = ["partenza-reference", "partenza-reference-core", "partenza-faulty"];

/// The edges between the packages of this workspace, development and build dependencies included.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let own: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter().map(name);
            (
                name(package),
                dependencies
                    .filter(|dependency| own.contains(dependency))
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn the_judge_and_the_judged_share_nothing() {
    let edges = edges();
    for (one, others) in JUDGE
        .map(|one| (one, JUDGED.as_slice()))
        .into_iter()
        .chain(JUDGED.map(|one| (one, JUDGE.as_slice())))
    {
        let reached = &edges[one];
        for other in others {
            assert!(!reached.contains(*other), "{one} depends on {other}");
        }
    }
}

#[test]
fn every_package_of_the_workspace_is_on_one_side() {
    let known: BTreeSet<&str> = JUDGE.into_iter().chain(JUDGED).collect();
    let edges = edges();
    let found: BTreeSet<&str> = edges.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a package that is on no side is watched by nobody");
}

#[test]
fn only_the_faulty_one_uses_the_reference() {
    for (package, dependencies) in edges() {
        if package != "partenza-faulty" {
            assert!(
                !dependencies.contains("partenza-reference"),
                "{package} depends on partenza-reference"
            );
        }
        if package != "partenza-faulty" && package != "partenza-reference" {
            assert!(
                !dependencies.contains("partenza-reference-core"),
                "{package} depends on partenza-reference-core"
            );
        }
    }
}
