//! The verb `run`: judges a target and writes the reports.
//!
//! Owns which files are written where. What they say is decided in `partenza-reports`.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::rc::Rc;

use partenza_reports::{Options, Report, json, junit, summary};

use super::args::RunArguments;
use super::output::{self, Failure};
use super::{exit, input};
use crate::run::baseline::Baseline;
use crate::run::bundled::{Bundled, mentions};
use crate::run::log::EventLog;
use crate::run::select::Filter;
use crate::run::{Finished, RunOptions, run};
use crate::target::become_subreaper;

/// How many cases run side by side for each processor.
const JOBS: usize = 4;

pub(crate) fn act(arguments: &RunArguments) -> Result<u8, Failure> {
    let options = options(arguments)?;
    let events = arguments
        .events
        .clone()
        .unwrap_or_else(|| arguments.out.join("events.jsonl"));
    let log = EventLog::new(Box::new(BufWriter::new(create(&events)?)));
    become_subreaper().map_err(|error| Failure::harness("become the parent of orphans", error))?;
    if !arguments.json {
        output::say(&format!(
            "seed {}, {} cases side by side",
            options.seed, options.jobs
        ));
    }
    let finished = input::runtime()?
        .block_on(run(&options, log))
        .map_err(|error| Failure::harness(&format!("write {}", events.display()), error))?;

    let render = Options {
        strict: options.strict,
        excused: finished.baseline.excused.clone(),
        rerun: Some(rerun(arguments)),
        colour: false,
    };
    write_reports(arguments, &finished.report, &render)?;
    if arguments.json {
        let mut value = json(&finished.report, &render);
        value["cannot_run"] = serde_json::json!(finished.cannot_run);
        value["baseline_problems"] = serde_json::json!(finished.baseline.problems);
        output::print_json(&value)?;
    } else if finished.cannot_run.is_none() {
        output::print(&summary(
            &finished.report,
            &Options {
                colour: output::colour(),
                ..render
            },
        ))?;
        eprintln!(
            "reports in {}, event log in {}",
            arguments.out.display(),
            events.display()
        );
    }
    complain(&finished, arguments);
    Ok(finished.exit_code)
}

fn options(arguments: &RunArguments) -> Result<RunOptions, Failure> {
    let baseline = arguments.baseline.as_deref().map(Baseline::load).transpose();
    let target = input::target(
        arguments.target.as_deref(),
        Bundled::Reference,
        arguments.fault.as_deref(),
    )?;
    if mentions(&target, "fault") {
        return Err(Failure::new(
            exit::USAGE,
            "the target file holds `{fault}`; name a fault with --fault",
        ));
    }
    Ok(RunOptions {
        target: Rc::new(target),
        library: Rc::new(input::library()?),
        filter: Filter(arguments.filter.clone()),
        jobs: input::jobs(arguments.jobs, JOBS),
        seed: input::seed(arguments.seed)?,
        mock: input::this_program()?,
        mock_args: vec!["mock".to_owned()],
        strict: arguments.strict,
        baseline: baseline.map_err(|error| Failure::input([error]))?,
        progress: !arguments.json,
    })
}

fn create(path: &Path) -> Result<File, Failure> {
    output::write(path, "")?;
    File::create(path).map_err(|error| Failure::harness(&format!("write {}", path.display()), error))
}

fn write_reports(arguments: &RunArguments, report: &Report, options: &Options) -> Result<(), Failure> {
    let xml = junit(report, options).map_err(|error| Failure::harness("render JUnit", error))?;
    output::write(&arguments.out.join("junit.xml"), &xml)?;
    output::write(
        &arguments.out.join("report.json"),
        &format!("{:#}\n", json(report, options)),
    )?;
    output::write(&arguments.out.join("summary.txt"), &summary(report, options))?;
    arguments
        .junit
        .as_ref()
        .map_or(Ok(()), |file| output::write(file, &xml))
}

/// The command that runs one check of the same target again; the seed of the order means nothing for a single case.
fn rerun(arguments: &RunArguments) -> String {
    let mut words = vec!["partenza-conformance run".to_owned()];
    words.extend(
        arguments
            .target
            .as_ref()
            .map(|file| format!("--target {}", file.display())),
    );
    words.extend(arguments.fault.as_ref().map(|fault| format!("--fault {fault}")));
    words.join(" ")
}

fn complain(finished: &Finished, arguments: &RunArguments) {
    if let Some(why) = &finished.cannot_run {
        output::complain(&Failure::new(
            finished.exit_code,
            format!("the target cannot be run: {why}"),
        ));
    }
    if finished.nothing_selected {
        let filter = arguments.filter.join(", ");
        output::complain(&Failure::new(
            finished.exit_code,
            format!("the filter {filter} selects no check that would run"),
        ));
    }
    for problem in &finished.baseline.problems {
        output::complain(&Failure::new(finished.exit_code, format!("baseline: {problem}")));
    }
}
