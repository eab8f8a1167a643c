//! The verb `doctor`: is the target fit for a run, and the machine?
//!
//! Before anybody trusts a verdict, four things are shown about the target: it starts and brings a module to ready, it
//! refuses a command that does not exist, a stop may be asked for twice, and it notices nothing while it hangs — that is,
//! the harness notices. The first three are a suite of their own; the last one stops the target's process and expects the
//! harness to say so. Owns that suite and the facts about the machine. It gives no verdict.

use std::fmt::Write as _;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use partenza_reports::log::Outcome;
use serde_json::json;
use tokio::task::LocalSet;

use super::args::DoctorArguments;
use super::output::{self, Failure};
use super::{exit, input};
use crate::engine::EngineOptions;
use crate::run::bundled::{Bundled, mentions};
use crate::run::{play_case, record};
use crate::suite::Library;
use crate::target::{CaseDirs, Role, Subject, SubjectError, TargetFile, become_subreaper};

/// The doctor's own suite, in the language of the others.
const SUITE: &str = include_str!("doctor.yaml");

/// How long the target may take to open its control socket, and to end; both grow with its time scale.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a stopped process is given to answer. It cannot, so this is pure waiting.
const HANG: Duration = Duration::from_millis(500);

struct Finding {
    id: String,
    /// Nothing when it does not apply to this target.
    good: Option<bool>,
    detail: String,
}

pub(crate) fn act(arguments: &DoctorArguments) -> Result<u8, Failure> {
    let target = Rc::new(input::target(
        arguments.target.as_deref(),
        Bundled::Reference,
        None,
    )?);
    if mentions(&target, "fault") {
        return Err(Failure::new(
            exit::USAGE,
            "the target file holds `{fault}`; the doctor looks at one target only",
        ));
    }
    if target.role == Role::Module {
        return Err(Failure::new(
            exit::USAGE,
            "the doctor looks at orchestrators; this target is a module",
        ));
    }
    become_subreaper().map_err(|error| Failure::harness("become the parent of orphans", error))?;
    let library = Library::from_texts(&[("doctor.yaml", SUITE)], None).map_err(|errors| Failure {
        code: exit::HARNESS,
        ..Failure::input(errors)
    })?;
    let engine = EngineOptions::new(input::this_program()?, vec!["mock".to_owned()]);
    let findings = input::runtime()?.block_on(LocalSet::new().run_until(async {
        let mut findings = play(&library, &target, &engine).await;
        findings.push(hang(&target).await);
        findings
    }));
    let good = findings.iter().all(|finding| finding.good != Some(false));
    if arguments.json {
        output::print_json(&json!({
            "ok": good,
            "target": {"name": target.name, "version": target.version},
            "checks": findings.iter().map(|finding| json!({
                "id": finding.id, "ok": finding.good, "detail": finding.detail,
            })).collect::<Vec<_>>(),
            "machine": machine(),
        }))?;
    } else {
        output::print(&page(&target, &findings))?;
    }
    Ok(if good { exit::CONFORMANT } else { exit::TARGET })
}

async fn play(library: &Library, target: &TargetFile, engine: &EngineOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    for placed in library.cases() {
        if let Some(need) = placed.case.needs.iter().find(|need| !target.claims(need)) {
            let detail = format!("the target does not claim `{need}`");
            findings.push(Finding {
                id: placed.case.id.clone(),
                good: None,
                detail,
            });
            continue;
        }
        let played = play_case(placed.case, target, engine).await;
        let own = placed.case.name();
        let red = played
            .checks
            .iter()
            .map(|check| &check.record)
            .find(|record| record.check.starts_with(&own) && record.outcome != Outcome::Pass);
        let detail = match (&played.cannot_run, red) {
            (Some(why), _) => why.clone(),
            (None, Some(record)) => {
                let words = [&record.expected, &record.actual, &record.detail];
                words
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join("; ")
            }
            (None, None) => placed.case.about.clone(),
        };
        findings.push(Finding {
            id: placed.case.id.clone(),
            good: Some(red.is_none() && played.cannot_run.is_none()),
            detail,
        });
    }
    findings
}

/// Stops the process of the target and expects the harness to notice that nobody answers, and to end it all the same.
async fn hang(target: &TargetFile) -> Finding {
    let finding = |good, detail: String| Finding {
        id: "hang-is-noticed".to_owned(),
        good,
        detail,
    };
    let Some(control) = &target.control else {
        return finding(
            None,
            "the target has no control socket that could fall silent".to_owned(),
        );
    };
    match try_hang(target, control).await {
        Ok(detail) => finding(Some(true), detail),
        Err(detail) => finding(Some(false), detail),
    }
}

async fn try_hang(target: &TargetFile, control: &str) -> Result<String, String> {
    let dirs = CaseDirs::create().map_err(|error| error.to_string())?;
    let places = dirs.placeholders();
    let command = places.expand_all(&target.command)?;
    let path = places.expand(control)?;
    let environment: Vec<(String, String)> = target.environment.clone().into_iter().collect();
    let mut subject =
        Subject::start(&command, &environment, dirs.root()).map_err(|error| error.to_string())?;
    let patience = PATIENCE.mul_f64(target.time_scale);
    let reached = subject
        .connect(path.as_ref(), patience)
        .await
        .map_err(|error| error.to_string());
    let result = match reached {
        Err(error) => Err(error),
        Ok(_) => match stop_process(subject.pid()) {
            Err(error) => Err(format!("the target cannot be stopped: {error}")),
            Ok(()) => silence(&subject, &path).await,
        },
    };
    let end = subject.end(HANG).await;
    let noticed = result?;
    if end.ending.is_none() || !end.undead.is_empty() {
        return Err("the hanging target could not be ended".to_owned());
    }
    Ok(format!("{noticed}; it was ended all the same"))
}

fn stop_process(pid: i32) -> nix::Result<()> {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGSTOP)
}

/// Asks a stopped target for its status; an answer would mean that somebody else is there.
async fn silence(subject: &Subject, path: &str) -> Result<String, String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let ask = async {
        // The kernel may still accept for a stopped process; it cannot answer for it.
        let mut stream = match subject.connect(path.as_ref(), HANG).await {
            Ok(stream) => stream,
            Err(SubjectError::NeverAnswered { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{}}\n";
        stream
            .write_all(request)
            .await
            .map_err(|error| error.to_string())?;
        let mut byte = [0];
        let count = stream.read(&mut byte).await.map_err(|error| error.to_string())?;
        Ok(Some(count))
    };
    match tokio::time::timeout(HANG * 2, ask).await {
        Err(_) | Ok(Ok(None)) => Ok("a stopped target was seen to be silent".to_owned()),
        Ok(Ok(Some(_))) => Err("something answered while the target was stopped".to_owned()),
        Ok(Err(error)) => Err(error),
    }
}

fn machine() -> serde_json::Value {
    let machine = record::machine();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let load = read("/proc/loadavg")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    let files = read("/proc/self/limits").lines().find_map(|line| {
        line.strip_prefix("Max open files")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    json!({
        "kernel": machine.kernel,
        "cpus": machine.cpus,
        "uid": machine.uid,
        "load": load.parse::<f64>().ok(),
        "open_files": files,
        "cgroup_v2": fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false),
        "user_namespaces": read("/proc/sys/user/max_user_namespaces").parse::<u64>().is_ok_and(|count| count > 0),
        "temporary_folder": std::env::temp_dir(),
    })
}

fn page(target: &TargetFile, findings: &[Finding]) -> String {
    let mut text = format!("{} {}\n", target.name, target.version);
    for finding in findings {
        let word = match finding.good {
            Some(true) => "ok  ",
            Some(false) => "BAD ",
            None => "-   ",
        };
        let _ = writeln!(
            text,
            "  {word} {:<24} {}",
            finding.id,
            finding.detail.replace('\n', "\n       ")
        );
    }
    text.push_str("machine\n");
    if let Some(facts) = machine().as_object() {
        for (name, value) in facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = writeln!(text, "       {name:<24} {value}");
        }
    }
    text
}
