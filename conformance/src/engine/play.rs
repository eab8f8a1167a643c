//! Goes through the steps of a case.
//!
//! A step does its deed at once and then waits for its occurrence in the trace. Within `together` all deeds are done
//! first and the waits share one deadline, so that they may be fulfilled in any order.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use partenza_mock_modules::Deed;
use partenza_probe::signals::SignalName;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::control;
use super::expand::Expander;
use super::listeners;
use super::puppets::{Troupe, accept};
use super::records::{StepFailure, all_environment};
use super::setup::{expanded, write_modules};
use super::verdicts::Judged;
use super::world::World;
use super::{CaseReport, EngineOptions};
use crate::judge::find::find;
use crate::judge::trace::{Entry, Kind};
use crate::suite::{Action, Actor, Case, ControlRequest, Pattern, Step, Verb};
use crate::target::{CaseDirs, Ending, Subject, TargetFile, run_command};

/// How long a step waits for its occurrence, before the time scale.
const STEP_DEADLINE: Duration = Duration::from_secs(5);

/// One case on the stage.
pub(crate) struct Stage<'a> {
    pub(crate) case: &'a Case,
    pub(crate) target: &'a TargetFile,
    pub(crate) options: &'a EngineOptions,
    pub(crate) dirs: &'a CaseDirs,
    pub(crate) expander: Expander,
    pub(crate) world: Rc<World>,
    pub(crate) subject: Option<Subject>,
    /// Told when somebody wants to know the status.
    pub(crate) status_wanted: Rc<Notify>,
    pub(crate) cannot_run: Option<String>,
    pub(crate) judged: RefCell<Vec<Judged>>,
    pub(crate) missed_deadline: Cell<bool>,
}

/// Plays a case to its end and gives back the report and the trace.
pub(crate) async fn play(
    case: &Case,
    target: &TargetFile,
    options: &EngineOptions,
) -> (CaseReport, Vec<Entry>) {
    let world = Rc::new(World::new());
    let dirs = match CaseDirs::create() {
        Ok(dirs) => dirs,
        Err(error) => {
            return (
                all_environment(case, &format!("no private directory: {error}")),
                vec![],
            );
        }
    };
    let mut stage = Stage {
        case,
        target,
        options,
        dirs: &dirs,
        expander: Expander {
            placeholders: dirs
                .placeholders()
                .with("mock", options.mock.display().to_string()),
            config: dirs.config(),
            listeners: BTreeMap::new(),
        },
        world: Rc::clone(&world),
        subject: None,
        status_wanted: Rc::new(Notify::new()),
        cannot_run: None,
        judged: RefCell::default(),
        missed_deadline: Cell::new(false),
    };
    if let Err(error) = stage.set_up().await {
        return (
            all_environment(case, &format!("the case cannot be set up: {error}")),
            vec![],
        );
    }
    let mut failure = None;
    for step in &case.steps {
        if let Err(failed) = stage.step(step).await {
            failure = Some(failed);
            break;
        }
    }
    let (checks, monitors) = stage.conclude(failure).await;
    let missed_deadline = stage.missed_deadline.get();
    let target_cannot_run = stage.cannot_run.take();
    drop(stage);
    let report = CaseReport {
        checks,
        monitors,
        target_cannot_run,
        missed_deadline,
        duration_us: world.elapsed_us(),
        necessary_wait_us: world.waited_us(),
        dir: options.keep.then(|| dirs.keep()),
    };
    let trace = world.trace().clone();
    (report, trace)
}

impl Stage<'_> {
    async fn set_up(&mut self) -> std::io::Result<()> {
        for (name, listener) in &self.case.listeners {
            let address = listeners::open(name, *listener, Rc::clone(&self.world)).await?;
            self.expander.listeners.insert(name.clone(), address);
        }
        let channel = self.dirs.channel();
        let expand = |text: &str| self.expand(text);
        write_modules(self.case, &self.dirs.config(), &channel, self.options, &expand)?;
        let troupe = Troupe {
            world: Rc::clone(&self.world),
            modules: self.case.modules.clone(),
            seed: self.options.seed,
            case: self.case.name(),
            memories: RefCell::default(),
        };
        spawn_local(accept(UnixListener::bind(channel)?, Rc::new(troupe)));
        Ok(())
    }

    /// Replaces the placeholders that are known and leaves other braces as they are.
    pub(crate) fn expand(&self, text: &str) -> String {
        self.expander.expand(text)
    }

    pub(crate) fn scaled(&self, duration: Duration) -> Duration {
        // Beside other cases everything takes a little longer, without being wrong.
        let company = 1.0 + 0.1 * self.options.jobs.saturating_sub(1).min(20) as f64;
        duration.mul_f64((self.target.time_scale * self.options.time_scale * company).max(0.01))
    }

    pub(crate) fn deadline(&self, within: Option<Duration>) -> Instant {
        Instant::now() + self.scaled(within.unwrap_or(STEP_DEADLINE))
    }

    async fn step(&mut self, step: &Step) -> Result<(), StepFailure> {
        self.options.tell.say(&step.text);
        self.world
            .record("harness", Kind::Step, json!({"text": step.text}));
        let deadline = self.deadline(step.within);
        self.begin(step, deadline).await?;
        self.finish(step, deadline).await
    }

    /// Does what the step says, without waiting for what follows from it.
    async fn begin(&mut self, step: &Step, deadline: Instant) -> Result<(), StepFailure> {
        match &step.action {
            Action::Boot | Action::BootRefused => self.start(step),
            Action::Await(_) | Action::Check(_) => Ok(()),
            Action::Do { module, deed } => self.command(module, deed.clone(), deadline).await,
            Action::Control { label, request, .. } => self.ask(label, request, deadline).await,
            Action::Signal(signal) => self.signal(signal),
            Action::CheckCommand { label } => self.check_command(label, deadline),
            Action::Together(steps) => {
                for step in steps {
                    Box::pin(self.begin(step, deadline)).await?;
                }
                Ok(())
            }
        }
    }

    /// Waits for what has to follow from the step.
    async fn finish(&mut self, step: &Step, deadline: Instant) -> Result<(), StepFailure> {
        match &step.action {
            Action::Boot => self.reach(deadline).await,
            Action::BootRefused => {
                // That it runs on is what the checks of such a case deny. They say so; the step does not speak for them.
                let _ = self
                    .wait_for("the orchestrator's exit", deadline, |t| last_of(t, Kind::End))
                    .await;
                Ok(())
            }
            Action::Await(pattern) => self.wait_for_pattern(pattern, deadline).await,
            Action::Control {
                label,
                wait: true,
                request,
            } if !matches!(request, ControlRequest::Deaf) => {
                let what = format!("the reply to control request `{label}`");
                let found = |t: &[Entry]| {
                    t.iter().position(|e| {
                        matches!(e.kind, Kind::Reply | Kind::Closed) && e.text("label") == label
                    })
                };
                self.wait_for(&what, deadline, found).await
            }
            Action::CheckCommand { label } => {
                let found = |t: &[Entry]| {
                    t.iter()
                        .position(|e| e.kind == Kind::Run && e.text("label") == label)
                };
                self.wait_for("the end of the check command", deadline, found)
                    .await
            }
            Action::Check(id) => {
                self.check_now(id, deadline).await;
                Ok(())
            }
            Action::Together(steps) => {
                for step in steps {
                    Box::pin(self.finish(step, deadline)).await?;
                }
                Ok(())
            }
            Action::Do { .. } | Action::Control { .. } | Action::Signal(_) => Ok(()),
        }
    }

    async fn wait_for(
        &mut self,
        what: &str,
        deadline: Instant,
        look: impl FnMut(&[Entry]) -> Option<usize>,
    ) -> Result<(), StepFailure> {
        let begun = Instant::now();
        if self.world.wait(deadline, look).await.is_some() {
            return Ok(());
        }
        self.missed_deadline.set(true);
        Err(StepFailure::new(
            self,
            format!("{what} did not come within {:.1?}", begun.elapsed()),
        ))
    }

    async fn wait_for_pattern(&mut self, pattern: &Pattern, deadline: Instant) -> Result<(), StepFailure> {
        let pattern = self.observable(pattern);
        let expander = self.expander.clone();
        let expand = move |text: &str| expander.expand(text);
        self.wait_for(&format!("`{pattern}`"), deadline, |trace| {
            find(trace, &pattern, &expand)
        })
        .await
    }

    /// Without a control socket nobody tells states; that a puppet was let through to `ready` is what can be seen.
    pub(crate) fn observable(&self, pattern: &Pattern) -> Pattern {
        match (&self.target.control, &pattern.actor, &pattern.verb) {
            (None, Actor::Module(_), Verb::Reaches(state)) if state == "ready" => Pattern {
                verb: Verb::Sent("ready".into()),
                ..pattern.clone()
            },
            _ => pattern.clone(),
        }
    }

    fn start(&mut self, step: &Step) -> Result<(), StepFailure> {
        let environment: Vec<(String, String)> = self
            .target
            .environment
            .iter()
            .chain(&self.case.environment)
            .map(|(name, value)| (name.clone(), self.expand(value)))
            .collect();
        let command: Vec<String> = self.target.command.iter().map(|word| self.expand(word)).collect();
        match Subject::start(&command, &environment, self.dirs.root()) {
            Ok(subject) => {
                self.world.record(
                    "orchestrator",
                    Kind::Start,
                    json!({"pid": subject.pid(), "command": command}),
                );
                let world = Rc::clone(&self.world);
                let exited = subject.exited();
                spawn_local(async move {
                    let ending = exited.await;
                    world.record("orchestrator", Kind::End, ending_data(Some(&ending)));
                });
                self.subject = Some(subject);
                Ok(())
            }
            Err(error) => {
                self.cannot_run = Some(error.to_string());
                Err(StepFailure::new(self, format!("`{}` failed: {error}", step.text)))
            }
        }
    }

    /// Waits until the orchestrator that was started answers.
    async fn reach(&mut self, deadline: Instant) -> Result<(), StepFailure> {
        if self.target.control.is_none() {
            let launched = |t: &[Entry]| t.iter().position(|e| e.kind == Kind::Launch);
            let reached = self
                .wait_for("the first launch of a module", deadline, launched)
                .await;
            if reached.is_err() {
                self.cannot_run = Some(self.last_words("it launched no module"));
            }
            return reached;
        }
        let begun = Instant::now();
        let connected = self.connect(deadline).await;
        self.world.add_wait(begun.elapsed());
        match connected {
            Ok(events) => {
                spawn_local(control::watch(events, Rc::clone(&self.world)));
                let observer = self.connect(deadline).await?;
                let wanted = Rc::clone(&self.status_wanted);
                spawn_local(control::observe(observer, Rc::clone(&self.world), wanted));
                Ok(())
            }
            Err(failure) => {
                self.missed_deadline
                    .set(begun.elapsed() >= self.scaled(STEP_DEADLINE));
                self.cannot_run = Some(failure.reason.clone());
                Err(failure)
            }
        }
    }

    fn last_words(&self, what: &str) -> String {
        let lines = self
            .subject
            .as_ref()
            .map(|subject| subject.last_lines(20))
            .unwrap_or_default();
        let end = self
            .world
            .trace()
            .iter()
            .rev()
            .find(|e| e.kind == Kind::End)
            .map(|e| e.data.clone());
        let end = end
            .map(|data| format!("; {}", crate::judge::ending(&data)))
            .unwrap_or_default();
        format!("{what}{end}\n{}", lines.join("\n"))
    }

    async fn connect(&self, deadline: Instant) -> Result<UnixStream, StepFailure> {
        let Some((subject, path)) = self.subject.as_ref().zip(self.target.control.as_ref()) else {
            return Err(StepFailure::new(
                self,
                "there is no orchestrator with a control socket to talk to".into(),
            ));
        };
        let path = self.expand(path);
        let left = deadline.saturating_duration_since(Instant::now());
        match subject.connect(path.as_ref(), left).await {
            Ok(stream) => Ok(stream),
            Err(error) => Err(StepFailure::new(self, error.to_string())),
        }
    }

    async fn command(&mut self, module: &str, deed: Deed, deadline: Instant) -> Result<(), StepFailure> {
        self.wait_for(&format!("the launch of `{module}`"), deadline, |t| {
            t.iter().position(|e| e.is(module, Kind::Launch))
        })
        .await?;
        let expand = |text: &str| self.expand(text);
        let deed = match deed {
            Deed::Send(message) => Deed::Send(expanded(message, &expand)),
            Deed::SendRaw(text) => Deed::SendRaw(expand(&text)),
            other => other,
        };
        let puppets = self.world.puppets.borrow();
        let sent = puppets
            .get(module)
            .and_then(|all| all.last())
            .is_some_and(|puppet| puppet.deeds.send(deed).is_ok());
        drop(puppets);
        if sent {
            Ok(())
        } else {
            Err(StepFailure::new(
                self,
                format!("the puppet of `{module}` is gone"),
            ))
        }
    }

    async fn ask(
        &mut self,
        label: &str,
        request: &ControlRequest,
        deadline: Instant,
    ) -> Result<(), StepFailure> {
        let stream = self.connect(deadline).await?;
        let world = Rc::clone(&self.world);
        let label = label.to_owned();
        match request {
            ControlRequest::Call { method, params } => {
                let line = control::request(method, &expanded(params.clone(), &|text| self.expand(text)));
                spawn_local(control::ask(stream, world, label, line));
            }
            ControlRequest::Raw(text) => {
                spawn_local(control::ask(stream, world, label, self.expand(text)));
            }
            ControlRequest::Deaf => {
                spawn_local(control::play_deaf(stream, world, label));
            }
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<(), StepFailure> {
        let name: Result<SignalName, _> = signal.parse();
        let (Ok(name), Some(subject)) = (name, &self.subject) else {
            return Err(StepFailure::new(
                self,
                format!("SIG{signal} cannot be sent: no such signal or no orchestrator"),
            ));
        };
        // Noted before it is done, so that nothing that follows from it can stand in front of it.
        self.world
            .record("orchestrator", Kind::Signalled, json!({"signal": signal}));
        subject
            .signal(name)
            .map_err(|error| StepFailure::new(self, format!("SIG{signal} cannot be sent: {error}")))
    }

    fn check_command(&mut self, label: &str, deadline: Instant) -> Result<(), StepFailure> {
        let Some(check) = &self.target.check else {
            return Err(StepFailure::new(
                self,
                "the target file names no check command".into(),
            ));
        };
        let command: Vec<String> = check.iter().map(|word| self.expand(word)).collect();
        let environment: Vec<(String, String)> = self
            .target
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), self.expand(value)))
            .collect();
        let (world, label, root) = (
            Rc::clone(&self.world),
            label.to_owned(),
            self.dirs.root().to_owned(),
        );
        world.record(
            "control",
            Kind::Ask,
            json!({"label": label, "line": command.join(" ")}),
        );
        spawn_local(async move {
            let left = deadline.saturating_duration_since(Instant::now());
            let data = match run_command(&command, &environment, &root, left).await {
                Ok(report) => {
                    let mut data = ending_data(report.ending.as_ref());
                    data["output"] = format!("{}{}", report.stdout, report.stderr).into();
                    data
                }
                Err(error) => json!({"output": error.to_string()}),
            };
            let mut data = data;
            data["label"] = label.into();
            world.record("orchestrator", Kind::Run, data);
        });
        Ok(())
    }
}

/// An ending as the trace holds it: `code` or `signal`.
pub(crate) fn ending_data(ending: Option<&Ending>) -> serde_json::Value {
    match ending {
        Some(Ending::Exited(code)) => json!({"code": code}),
        Some(Ending::Killed(signal)) => json!({"signal": signal}),
        None => json!({}),
    }
}

fn last_of(trace: &[Entry], kind: Kind) -> Option<usize> {
    trace.iter().rposition(|entry| entry.kind == kind)
}
