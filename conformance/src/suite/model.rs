//! What a suite says, once it has been read: plain data, without behaviour and without places.
//!
//! The types follow the language that `suites/README.md` describes. How a file becomes these types is in the files beside
//! this one; what they mean when a case runs is in `engine` and `judge`.

use std::collections::BTreeMap;
use std::time::Duration;

use partenza_mock_modules::{Deed, Deviations};
use serde_json::{Map, Value};

use super::matcher::Matcher;

/// One file of cases.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The first part of every check id.
    pub id: String,
    /// One sentence for people.
    pub about: String,
    /// The file it was read from.
    pub file: String,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// One scenario: modules, steps, checks.
#[derive(Debug, Clone)]
pub struct Case {
    /// The suite that it belongs to.
    pub suite: String,
    /// Its name within the suite.
    pub id: String,
    /// One sentence for people; may be empty.
    pub about: String,
    /// What a target has to claim for the case to run.
    pub needs: Vec<String>,
    /// The modules, by id.
    pub modules: BTreeMap<String, Module>,
    /// Further files of the module directory, by name.
    pub files: BTreeMap<String, ExtraFile>,
    /// Small servers that health probes may be pointed at.
    pub listeners: BTreeMap<String, Listener>,
    /// Variables in the orchestrator's own environment.
    pub environment: BTreeMap<String, String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What is judged.
    pub checks: Vec<Check>,
}

impl Case {
    /// `suite/case`, the name of the case in the event log.
    pub fn name(&self) -> String {
        format!("{}/{}", self.suite, self.id)
    }
}

/// A module of a case.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Where the puppet leaves the contract; nowhere for an honest one.
    pub except: Deviations,
    /// Keys merged over the default module file.
    pub file: Map<String, Value>,
    /// The whole module file, literally.
    pub raw: Option<String>,
    /// Whether the harness plays it; otherwise the file names a program of its own.
    pub puppet: bool,
}

impl Module {
    /// Whether the module keeps the contract, so that it can be a positive control.
    pub fn is_honest(&self) -> bool {
        self.puppet && self.except.is_none()
    }
}

/// A small server on the loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Accepts, and closes.
    Tcp,
    /// Accepts, and says nothing.
    Silent,
    /// Answers HTTP with this status.
    Http(u16),
}

/// A file beside the module files.
#[derive(Debug, Clone)]
pub struct ExtraFile {
    /// Its text, with placeholders.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
}

/// One step of a case.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step as the suite writes it, for reports.
    pub text: String,
    /// What it does and awaits.
    pub action: Action,
    /// Its own deadline in place of the default one.
    pub within: Option<Duration>,
}

/// What a step does and what it waits for.
#[derive(Debug, Clone)]
pub enum Action {
    /// Start the orchestrator and wait until it answers.
    Boot,
    /// Start the orchestrator and wait until it exits by itself.
    BootRefused,
    /// Wait until the trace holds an occurrence of this pattern.
    Await(Pattern),
    /// Have a puppet do something.
    Do {
        /// Whose puppet.
        module: String,
        /// What it does.
        deed: Deed,
    },
    /// Send a control request and wait for the reply.
    Control {
        /// How checks name the reply.
        label: String,
        /// What is sent.
        request: ControlRequest,
        /// Whether the step waits for the reply (`answer: later` does not).
        wait: bool,
    },
    /// Send a signal to the orchestrator.
    Signal(String),
    /// Run the target's offline check command and wait for its end.
    CheckCommand {
        /// How checks name the run.
        label: String,
    },
    /// Wait here until the check of this id holds.
    Check(String),
    /// Steps whose waits may complete in any order.
    Together(Vec<Step>),
}

/// What goes over the control socket.
#[derive(Debug, Clone)]
pub enum ControlRequest {
    /// A well-formed request.
    Call {
        /// The method.
        method: String,
        /// The parameters.
        params: Value,
    },
    /// Literal bytes on a connection of its own.
    Raw(String),
    /// A connection that asks for events and then never reads.
    Deaf,
}

/// An occurrence in the trace: who did what, and which time of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Whose occurrence.
    pub actor: Actor,
    /// What occurs.
    pub verb: Verb,
    /// Which occurrence, from 1.
    pub nth: usize,
    /// Only those of this generation.
    pub generation: Option<u64>,
}

/// Whose occurrence a pattern names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A module of the case.
    Module(String),
    /// The system as a whole.
    System,
    /// The process under judgement.
    Orchestrator,
    /// The control request of this label.
    Control(String),
    /// Whatever emits events.
    Events,
}

/// What occurs.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// A `state` or `system` event with this new state.
    Reaches(String),
    /// A puppet reported for a new generation (or a `launch` event, for a module without a puppet).
    Launched,
    /// The process of the module ended.
    Exited,
    /// The puppet received a line of this method, or the reply to its request of this method.
    Received(String),
    /// The puppet sent a line of this method, or the reply to the request of this method.
    Sent(String),
    /// The puppet was signalled.
    GotSignal(String),
    /// The puppet saw the end of the wire.
    SawEof,
    /// The orchestrator was started.
    Started,
    /// The harness signalled the orchestrator.
    Signalled(String),
    /// The control request was sent.
    Asked,
    /// The control request was answered.
    Answered,
    /// An event with these members.
    Event(Vec<(String, Matcher)>),
}

/// One judged sentence of a case.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name within the case.
    pub id: String,
    /// The requirements that it shows.
    pub shows: Vec<String>,
    /// One sentence for people; may be empty.
    pub about: String,
    /// What has to hold.
    pub that: Predicate,
    /// The occurrence at which a `never` is judged.
    pub until: Option<Pattern>,
    /// The positive controls.
    pub controls: Vec<Control>,
    /// Its own deadline in place of the default one.
    pub within: Option<Duration>,
}

/// What shows that a rejection is not the answer to everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// An honest module of the same case that became ready.
    Module(String),
    /// A check that passed, by its full id `suite/case/check`.
    Check(String),
}

/// Members of a JSON value, by pointer, and what each has to be.
pub type Members = Vec<(String, Matcher)>;

/// What a check claims.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// The status object of a module.
    Status {
        /// The module.
        module: String,
        /// Its members.
        members: Members,
    },
    /// No process of the module is left.
    NoProcess {
        /// The module.
        module: String,
    },
    /// How often the module was launched.
    Launches {
        /// The module.
        module: String,
        /// The number.
        count: Matcher,
    },
    /// The puppet received such a line.
    Received {
        /// The module.
        module: String,
        /// Which lines.
        line: LinePattern,
        /// How many of them; at least one when absent.
        count: Option<Matcher>,
    },
    /// The puppet received no such line.
    NeverReceived {
        /// The module.
        module: String,
        /// Which lines.
        line: LinePattern,
    },
    /// Every such line that the puppet received is like this; and there is one.
    EveryReceived {
        /// The module.
        module: String,
        /// Which lines.
        line: LinePattern,
        /// What each has to be.
        members: Members,
    },
    /// What a puppet found when it was launched.
    Launch {
        /// The module.
        module: String,
        /// Which generation.
        generation: u64,
        /// Members of the snapshot.
        members: Members,
    },
    /// The orchestrator's reply to a request of the puppet.
    Answered {
        /// The module.
        module: String,
        /// The method or id of the request.
        to: Value,
        /// Members of the reply.
        members: Members,
    },
    /// What the secret pipe held, as far as it may be told: `/eof`, `/length`, `/hex_digits`, `/newline`.
    Key {
        /// The module.
        module: String,
        /// Which generation.
        generation: u64,
        /// Members of the finding.
        members: Members,
    },
    /// The puppet never got this signal.
    NeverSignal {
        /// The module.
        module: String,
        /// The signal.
        signal: String,
    },
    /// The orchestrator's proof verifies under the key that it handed out.
    Proof {
        /// The module.
        module: String,
    },
    /// Such an event was emitted.
    Event {
        /// Its members.
        members: Members,
        /// How many; at least one when absent.
        count: Option<Matcher>,
    },
    /// No such event was emitted.
    NeverEvent {
        /// Its members.
        members: Members,
    },
    /// The pattern never occurs.
    Never(Pattern),
    /// All patterns occur.
    Occurs(Vec<Pattern>),
    /// All patterns occur, one after the other.
    Order(Vec<Pattern>),
    /// The time between two occurrences.
    Gap {
        /// The earlier one.
        from: Pattern,
        /// The later one.
        to: Pattern,
        /// Not less than this.
        at_least: Option<Duration>,
        /// Not more than this, times the time scale.
        at_most: Option<Duration>,
    },
    /// These modules were all launched before any of them was ready.
    Overlap(Vec<String>),
    /// The process under judgement.
    Orchestrator(RunFacts),
    /// The first start of the process under judgement, which ended by itself.
    BootRun(RunFacts),
    /// A run of the check command.
    Run {
        /// Its label.
        of: String,
        /// What is claimed of it.
        facts: RunFacts,
    },
    /// The reply to a control request.
    Reply {
        /// Its label.
        of: String,
        /// Members of the result, when it is one.
        result: Option<Members>,
        /// Members of the error, when it is one.
        error: Option<Members>,
        /// The connection was closed instead.
        closed: bool,
    },
    /// A file, directory or socket.
    Path(PathFacts),
    /// Values that differ.
    Distinct(Values),
    /// Values that are equal.
    Same(Values),
    /// All of them.
    All(Vec<Self>),
    /// One of them.
    Any(Vec<Self>),
}

/// Lines by method and members.
#[derive(Debug, Clone)]
pub struct LinePattern {
    /// The method, or the method of the request that the line replies to.
    pub method: String,
    /// Members of the line.
    pub members: Members,
    /// Only those of this generation.
    pub generation: Option<u64>,
}

/// What is claimed of a process that ended, or did not.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// Its exit status.
    pub exit: Option<Matcher>,
    /// Whether it still runs.
    pub alive: Option<bool>,
    /// What it printed, standard output and standard error as one text.
    pub output: Option<Matcher>,
}

/// What is claimed of a path.
#[derive(Debug, Clone)]
pub struct PathFacts {
    /// The path, with placeholders.
    pub at: String,
    /// Whether it is there.
    pub exists: bool,
    /// Its permission bits, octal.
    pub mode: Option<Matcher>,
    /// `file`, `directory` or `socket`.
    pub kind: Option<Matcher>,
    /// Members of its content as JSON.
    pub json: Option<Members>,
    /// Its content as text.
    pub content: Option<Matcher>,
}

/// Where the values of `distinct` and `same` come from: every generation of the named modules.
#[derive(Debug, Clone)]
pub struct Values {
    /// The modules.
    pub of: Vec<String>,
    /// The source of one value per generation.
    pub source: ValueSource,
    /// How many values there have to be at least.
    pub at_least: usize,
}

/// The source of one value per generation.
#[derive(Debug, Clone)]
pub enum ValueSource {
    /// A pointer into the launch snapshot.
    Launch(String),
    /// A pointer into the first received line of a method.
    Received(String, String),
    /// The launch secret.
    Key,
}

/// A named fault of a known-bad orchestrator and the check that has to notice it.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The name that the faulty program knows it by.
    pub fault: String,
    /// One sentence for people.
    pub about: String,
    /// The check that has to turn red.
    pub kills: String,
    /// Checks that may turn red with it.
    pub also: Vec<String>,
}
