//! The developer's door: every case of every suite as a test of `cargo test`, against the reference beside this program.
//!
//! Listing runs nothing, and no test is skipped while it runs: what the bundled target does not claim is not listed. The
//! verdict of a run is the business of `partenza-conformance run`; here a case is red when one of its checks is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use partenza_conformance::engine::EngineOptions;
use partenza_conformance::run::bundled::{Bundled, substitute};
use partenza_conformance::run::select::{Facts, Filter, plan};
use partenza_conformance::run::{Results, play_case, record, settle};
use partenza_conformance::suite::{Case, Library};
use partenza_conformance::target::{TargetFile, become_subreaper};
use partenza_reports::verdict;
use partenza_spec_map::Spec;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "mock") {
        return partenza_mock_modules::puppet::run(words);
    }
    let arguments = Arguments::from_args();
    let library = match Library::embedded() {
        Ok(library) => library,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            return ExitCode::FAILURE;
        }
    };
    let programs = programs();
    let target = match Bundled::Reference.file() {
        Ok(mut target) => {
            substitute(&mut target, "bin", &programs.display().to_string());
            target
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let shared = Arc::new((library, Spec::embedded()));
    let trials = shared
        .0
        .cases()
        .filter(|placed| placed.case.needs.iter().all(|need| target.claims(need)))
        .map(|placed| trial(placed.case, &target, &programs, &shared))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The folder of the programs of this profile: the one above the folder of the tests.
fn programs() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let folder = exe.parent().unwrap_or(Path::new("/"));
    if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder).to_path_buf()
    } else {
        folder.to_path_buf()
    }
}

fn trial(case: &Case, target: &TargetFile, programs: &Path, shared: &Arc<(Library, Spec)>) -> Trial {
    let shared = Arc::clone(shared);
    let (case, target, partenza) = (case.clone(), target.clone(), programs.join("partenza"));
    Trial::test(case.name(), move || {
        if !partenza.is_file() {
            let message = "build it with `cargo build -p partenza-reference`; `cargo test --workspace` does so by itself";
            return Err(Failed::from(format!(
                "{} is missing: {message}",
                partenza.display()
            )));
        }
        play(&case, &target, &shared.0, &shared.1).map_err(Failed::from)
    })
}

fn play(case: &Case, target: &TargetFile, library: &Library, spec: &Spec) -> Result<(), String> {
    become_subreaper().map_err(|error| error.to_string())?;
    let claims = |need: &str| target.claims(need);
    let facts = Facts {
        claims: &claims,
        orchestrator: true,
    };
    let mut plan = plan(
        library,
        &record::monitors(),
        spec,
        &facts,
        &Filter(vec![case.name()]),
    );
    // A control in another case is not played here; the run itself holds that rule.
    for declared in &mut plan.checks {
        declared.runs &= declared.record.case == case.name();
        declared
            .controls
            .retain(|control| control.starts_with(&format!("{}/", case.name())));
    }
    let exe = env::current_exe().map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let engine = EngineOptions::new(exe, vec!["mock".to_owned()]);
    let played = LocalSet::new().block_on(&runtime, play_case(case, target, &engine));
    if let Some(why) = &played.cannot_run {
        return Err(format!("the target cannot be run: {why}"));
    }
    let results = Results::from([(case.name(), Ok(played))]);
    let mut red = Vec::new();
    for check in settle(&plan, &results) {
        let own = check.case == case.name();
        if own && (verdict::violates(&check, false) || verdict::leaves_open(&check, false)) {
            let words = [&check.expected, &check.actual, &check.detail];
            let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
            red.push(format!("{} {}: {}", check.check, check.outcome, words.join("; ")));
        }
    }
    if red.is_empty() {
        Ok(())
    } else {
        Err(red.join("\n"))
    }
}
