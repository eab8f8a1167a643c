//! `partenza-faulty`: orchestrators that are wrong on purpose.
//!
//! # Theory of operation
//!
//! A judge that finds every orchestrator conformant judges nothing. So for each check there is an orchestrator that is
//! wrong in exactly the way that the check has to notice. Each of them is the reference with one named fault: the fault
//! stands between machine and kernel, where it drops, alters, delays or adds events and effects. Their list is
//! `suites/faults.yaml`, which also says which check each of them turns red.
//!
//! [`toolkit`] holds what faults are made of, [`catalogue`] the faults. Neither is part of the shipped `partenza`.

mod catalogue;
mod toolkit;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use partenza_reference::cli;
use partenza_reference_core::manifest::nearest;

use crate::toolkit::Saboteur;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    match arguments.next().as_ref().and_then(|first| first.to_str()) {
        Some("--list") => list(),
        Some("--fault") => match arguments.next() {
            Some(name) => run(&name.to_string_lossy(), std::iter::once(program).chain(arguments)),
            None => usage("--fault takes the name of a fault"),
        },
        _ => usage("the first argument is --fault NAME or --list"),
    }
}

fn run(name: &str, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some((_, make)) = catalogue::all().find(|(known, _)| *known == name) else {
        let suggestion = nearest(name, catalogue::all().map(|(known, _)| *known));
        let help = suggestion
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        return usage(&format!("there is no fault `{name}`{help}"));
    };
    let saboteur = Saboteur::new(make());
    let code = cli::main(arguments, saboteur.clone());
    // The type hides the number, but it can be compared.
    let number = (0..=u8::MAX).find(|number| code == ExitCode::from(*number));
    number.map_or(code, |number| ExitCode::from(saboteur.exit_status(number)))
}

fn list() -> ExitCode {
    let names: String = catalogue::all().map(|(name, _)| format!("{name}\n")).collect();
    match io::stdout().write_all(names.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn usage(complaint: &str) -> ExitCode {
    eprintln!(
        "partenza-faulty: {complaint}\nusage: partenza-faulty --fault NAME run|check|… as partenza; partenza-faulty --list"
    );
    ExitCode::from(cli::exit::USAGE)
}
