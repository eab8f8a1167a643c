//! Starting a program in a session of its own.
use std::process::Command;

/// Makes the program start in a new session and process group of its own, so that the harness can signal all of it and
/// no terminal reaches it.
pub fn own_session(command: &mut Command) -> &mut Command {
    crate::raw::own_session(command)
}
