//! Ends the orchestrator in order and gathers what the monitors need to know about the end.
//!
//! The orchestrator is asked to end, and only then are puppets that refuse to end told to: how the orchestrator deals
//! with them is the business of the cases about stopping, and waiting for it in every other case would prove nothing.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use partenza_mock_modules::Deed;
use partenza_probe::proc;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::play::Stage;
use super::verdicts::LOOK_AGAIN;
use crate::judge::trace::{Entry, Kind};
use crate::target::EndReport;

/// How long an ordered end may take beyond the longest stop timeout of the case.
const GRACE: Duration = Duration::from_secs(5);

/// How long puppets may go on playing their part while the orchestrator ends.
const ENCORE: Duration = Duration::from_millis(150);

/// How long a status file may lag behind.
const FILE_LAG: Duration = Duration::from_secs(1);

/// Files larger than this are not searched for secrets.
const SEARCH_LIMIT: u64 = 4 << 20;

/// What was found before, at and after the end of the orchestrator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aftermath {
    /// How the end went.
    pub(crate) end: Option<EndReport>,
    /// The status files beside the status replies: module, file object, reply object.
    pub(crate) status_files: Vec<(String, Option<Value>, Value)>,
    /// Texts that must not hold a secret: what it is, and the text.
    pub(crate) texts: Vec<(String, Vec<u8>)>,
    /// Sockets left in the runtime directory.
    pub(crate) sockets_left: Vec<String>,
    /// Whether the target has a control socket.
    pub(crate) has_control: bool,
}

/// Ends the subject of a case; nothing when it was never started.
pub(crate) async fn end(stage: &mut Stage<'_>) -> Option<Aftermath> {
    stage.subject.as_ref()?;
    let mut aftermath = Aftermath {
        has_control: stage.target.control.is_some(),
        ..Aftermath::default()
    };
    let running = stage
        .subject
        .as_ref()
        .is_some_and(|subject| subject.ending().is_none());
    if running {
        look_at_status_files(stage, &mut aftermath).await;
        if let Some(subject) = &stage.subject {
            let pid = subject.pid();
            let mut texts = stage.world.proc_texts.borrow_mut();
            texts.push((
                format!("/proc/{pid}/cmdline of the orchestrator"),
                proc::cmdline(pid).join(" "),
            ));
            texts.push((
                format!("/proc/{pid}/environ of the orchestrator"),
                proc::environ(pid).join("\n"),
            ));
        }
    }
    for root in [stage.dirs.runtime(), stage.dirs.state()] {
        collect_files(&root, &mut aftermath.texts);
    }
    let grace = stage.scaled(GRACE + longest_stop(stage));
    let world = std::rc::Rc::clone(&stage.world);
    if running {
        world.record(
            "orchestrator",
            Kind::Signalled,
            json!({"signal": "TERM", "by": "the end of the case"}),
        );
    }
    let encore = Instant::now() + stage.scaled(ENCORE);
    let ended = |trace: &[Entry]| trace.iter().rposition(|e| e.kind == Kind::End);
    let mut subject = stage.subject.take()?;
    let relieve = async {
        if world.look_until(encore, ended).await.is_none() {
            for puppet in world.puppets.borrow().values().flatten() {
                // A puppet that has ended already does not hear this, and need not.
                let _ = puppet.deeds.send(Deed::Exit(0));
            }
        }
    };
    let begun = Instant::now();
    let (report, ()) = tokio::join!(subject.end(grace), relieve);
    world.add_wait(begun.elapsed());
    world
        .wait(Instant::now() + stage.scaled(Duration::from_secs(1)), ended)
        .await;
    let output = subject.output();
    world.record(
        "orchestrator",
        Kind::Output,
        json!({"text": crate::judge::trace::clip(&output, 20_000)}),
    );
    aftermath
        .texts
        .push(("output of the orchestrator".into(), output.into_bytes()));
    aftermath.sockets_left = sockets(&stage.dirs.runtime());
    aftermath.end = Some(report);
    stage.subject = Some(subject);
    Some(aftermath)
}

fn longest_stop(stage: &Stage<'_>) -> Duration {
    let timeout = |module: &crate::suite::Module| {
        let text = module.file.get("stop_timeout").and_then(Value::as_str);
        text.and_then(|text| partenza_probe::duration::parse(text).ok())
            .unwrap_or(Duration::from_secs(2))
    };
    // Modules that depend on each other stop one after the other.
    stage.case.modules.values().map(timeout).sum()
}

/// Compares each status file with two status replies around its reading; only where the two agree can it be judged.
///
/// Files may be written a little later than the change that they show, so that a difference is looked at again.
async fn look_at_status_files(stage: &Stage<'_>, aftermath: &mut Aftermath) {
    if stage.target.control.is_none() || stage.cannot_run.is_some() {
        return;
    }
    let deadline = Instant::now() + stage.scaled(FILE_LAG);
    loop {
        let Some(before) = ask_status(stage).await else {
            return;
        };
        let read = |id: &str| {
            let text = fs::read(stage.dirs.runtime().join("status").join(format!("{id}.json"))).ok();
            text.and_then(|text| serde_json::from_slice(&text).ok())
        };
        let files: Vec<Option<Value>> = modules(&before).map(|(id, _)| read(id)).collect();
        let Some(after) = ask_status(stage).await else {
            return;
        };
        if before.get("modules") == after.get("modules") {
            let pairs = modules(&after).zip(files);
            aftermath.status_files = pairs
                .map(|((id, reply), file)| (id.to_owned(), file, reply.clone()))
                .collect();
            if aftermath
                .status_files
                .iter()
                .all(|(_, file, reply)| file.as_ref() == Some(reply))
            {
                return;
            }
        }
        if Instant::now() >= deadline {
            return;
        }
        stage
            .world
            .change(deadline.min(Instant::now() + LOOK_AGAIN))
            .await;
    }
}

fn modules(status: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = status.get("modules").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|object| Some((object.get("id")?.as_str()?, object)))
}

async fn ask_status(stage: &Stage<'_>) -> Option<Value> {
    let from = stage.world.trace().len();
    stage.status_wanted.notify_one();
    let deadline = Instant::now() + stage.scaled(Duration::from_secs(2));
    let find = |trace: &[Entry]| {
        trace
            .iter()
            .skip(from)
            .find(|entry| entry.kind == Kind::Status)
            .map(|entry| entry.data.clone())
    };
    stage.world.wait(deadline, find).await
}

fn collect_files(root: &Path, texts: &mut Vec<(String, Vec<u8>)>) {
    for path in walk(root) {
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        if found.is_file()
            && found.len() <= SEARCH_LIMIT
            && let Ok(bytes) = fs::read(&path)
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            texts.push((format!("file {name}"), bytes));
        }
    }
}

fn sockets(root: &Path) -> Vec<String> {
    let is_socket =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let shown = |path: PathBuf| path.strip_prefix(root).unwrap_or(&path).display().to_string();
    walk(root).into_iter().filter(is_socket).map(shown).collect()
}

/// Every path below a directory, without following links.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}
