//! `partenza-conformance`: decides whether an orchestrator or a module is Partenza-conformant.

use std::process::ExitCode;

fn main() -> ExitCode {
    partenza_conformance::cli::main()
}
