//! The puppet as a program of its own. The harness carries the same puppet as its hidden subcommand `mock`.
use std::process::ExitCode;

fn main() -> ExitCode {
    partenza_mock_modules::puppet::run(std::env::args_os().skip(1))
}
