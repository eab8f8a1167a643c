//! The command line.
//!
//! One file for each verb; this one owns the table of verbs and nothing else. The hidden verb `mock`, by which an
//! orchestrator under test starts the puppet, is looked for before the command line is parsed, because a puppet has to
//! start fast.

mod args;
mod coverage;
mod doctor;
pub mod exit;
mod generate;
mod init;
mod input;
mod kill_matrix;
mod listing;
mod output;
mod run;

use std::env;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Arguments, Verb};

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "mock") {
        return partenza_mock_modules::puppet::run(words);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers; everything else is a mistake of the caller.
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::CONFORMANT
            };
            return if error.print().is_ok() {
                code.into()
            } else {
                exit::HARNESS.into()
            };
        }
    };
    let result = match arguments.verb {
        Verb::Run(arguments) => run::act(&arguments),
        Verb::List(arguments) => listing::list(&arguments),
        Verb::Explain(arguments) => listing::explain(&arguments),
        Verb::Coverage(arguments) => coverage::act(&arguments),
        Verb::KillMatrix(arguments) => kill_matrix::act(&arguments),
        Verb::Doctor(arguments) => doctor::act(&arguments),
        Verb::Init(arguments) => init::act(&arguments),
        Verb::Generate(arguments) => generate::act(&arguments),
    };
    match result {
        Ok(code) => code.into(),
        Err(failure) => {
            output::complain(&failure);
            failure.code.into()
        }
    }
}
