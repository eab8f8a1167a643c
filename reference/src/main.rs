//! The program `partenza`.

use std::process::ExitCode;

use partenza_reference::{Direct, cli};

fn main() -> ExitCode {
    cli::main(std::env::args_os(), Direct)
}
