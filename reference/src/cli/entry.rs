//! The way from arguments to an exit status.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use partenza_reference_core::plan::Plan;

use super::act::{Verb, act, shutdown};
use super::args::{Arguments, Command, Generated, Runtime};
use super::client::Client;
use super::events::{Wanted, events};
use super::load::{check, load_modules, report};
use super::run::{Options, run};
use super::say::{Outcome, Trouble, print};
use super::{exit, status};
use crate::interpose::Interpose;
use crate::sys::user::{DefaultDirs, default_dirs};

/// The program `partenza` with something between its machine and its kernel; the first argument is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>, mut interpose: impl Interpose) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done if even this cannot be written.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { exit::OK } else { exit::USAGE });
        }
    };
    ExitCode::from(
        dispatch(arguments.command, &mut interpose).unwrap_or_else(|trouble| {
            trouble.say();
            trouble.code
        }),
    )
}

fn dispatch(command: Command, interpose: &mut impl Interpose) -> Outcome {
    let dirs = default_dirs();
    match command {
        Command::Run {
            modules,
            runtime,
            state: _,
            json,
            verbose,
        } => {
            let modules = modules.dir.unwrap_or(dirs.modules);
            let runtime = runtime.dir.unwrap_or(dirs.runtime);
            run(
                &Options {
                    modules: &modules,
                    runtime: &runtime,
                    json,
                    verbose,
                },
                interpose,
            )
        }
        Command::Check { modules, json } => check(&modules.dir.unwrap_or(dirs.modules), json, interpose),
        Command::Plan { modules, json } => plan(&modules.dir.unwrap_or(dirs.modules), json, interpose),
        Command::Status {
            module,
            runtime,
            json,
        } => status::status(module.as_deref(), json, connect(runtime, dirs)?),
        Command::Start(arguments) => {
            let client = connect_at(arguments.runtime.dir.as_deref(), dirs)?;
            act(Verb::Start, &arguments, client)
        }
        Command::Stop(arguments) => {
            let client = connect_at(arguments.runtime.dir.as_deref(), dirs)?;
            act(Verb::Stop, &arguments, client)
        }
        Command::Restart(arguments) => {
            let client = connect_at(arguments.runtime.dir.as_deref(), dirs)?;
            act(Verb::Restart, &arguments, client)
        }
        Command::Events {
            module,
            runtime,
            since,
            no_follow,
            json,
        } => {
            let wanted = Wanted {
                module: module.as_deref(),
                since,
                follow: !no_follow,
                json,
            };
            events(&wanted, connect(runtime, dirs)?)
        }
        Command::Shutdown {
            runtime,
            reason,
            waiting,
            json,
        } => shutdown(reason.as_deref(), &waiting, json, connect(runtime, dirs)?),
        Command::Generate { what } => generate(what),
    }
}

fn connect(runtime: Runtime, dirs: DefaultDirs) -> Result<Client, Trouble> {
    connect_at(runtime.dir.as_deref(), dirs)
}

fn connect_at(named: Option<&Path>, dirs: DefaultDirs) -> Result<Client, Trouble> {
    let dir: PathBuf = named.map_or(dirs.runtime, Path::to_owned);
    Client::connect(&dir)
}

fn plan(dir: &Path, json: bool, interpose: &mut impl Interpose) -> Outcome {
    let loaded = load_modules(dir, interpose);
    report(&loaded);
    if loaded.has_errors() {
        return Ok(exit::CONFIGURATION);
    }
    let plan = Plan::new(&loaded);
    if json {
        print(plan.to_json());
    } else {
        print(plan.to_text().trim_end());
    }
    Ok(exit::OK)
}

fn generate(what: Generated) -> Outcome {
    let mut command = Arguments::command();
    let shell = match what {
        Generated::Bash => Shell::Bash,
        Generated::Elvish => Shell::Elvish,
        Generated::Fish => Shell::Fish,
        Generated::Powershell => Shell::PowerShell,
        Generated::Zsh => Shell::Zsh,
        Generated::Man => {
            clap_mangen::Man::new(command)
                .render(&mut io::stdout())
                .map_err(Trouble::internal)?;
            return Ok(exit::OK);
        }
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "partenza", &mut text);
    io::stdout().write_all(&text).map_err(Trouble::internal)?;
    Ok(exit::OK)
}
