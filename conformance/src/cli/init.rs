//! The verb `init`: writes a commented target file to begin with.
//!
//! Owns that file's text. An existing file is never overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use serde_json::json;

use super::args::InitArguments;
use super::exit;
use super::output::{self, Failure};

/// What is written.
const TEMPLATE: &str = r#"# A target file: it tells partenza-conformance how to start a program, and what that program claims.
#
#   partenza-conformance doctor --target FILE     is this file right, and this machine fit?
#   partenza-conformance run --target FILE        judge the program
#
# Placeholders, fresh for each case:
#   {config}   the folder with the module files
#   {runtime}  the folder for sockets and status files
#   {state}    the folder for what outlives the program
#   {bin}      the folder of partenza-conformance itself

# Who is judged. The reports carry these words.
name: my-orchestrator
version: "0.1.0"
homepage: https://example.org/my-orchestrator

# `orchestrator` or `module`.
role: orchestrator

# How to start it, word by word; no shell is involved. It has to stay in the foreground.
command: [my-orchestrator, --modules, "{config}", --runtime, "{runtime}", --state, "{state}"]

# How to check a configuration without starting anything. Leave it out if there is no such command.
# check: [my-orchestrator, check, --modules, "{config}"]

# The control socket (chapter 6.2). An orchestrator of class minimal needs none.
control: "{runtime}/control.sock"

claims:
  # minimal, core or full. What is claimed and lacking is a violation; what is not claimed is not judged.
  class: minimal
  # Of: pid1, rootless, resource-control, sandbox, switching.
  profiles: []
  # Ids from the extension registry (chapter 8).
  extensions: []

# Every deadline is multiplied by this; for slow machines and slow languages.
time_scale: 1.0

# Added to the environment of the program.
environment: {}
"#;

pub(crate) fn act(arguments: &InitArguments) -> Result<u8, Failure> {
    let path = &arguments.file;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::new(
                exit::USAGE,
                format!(
                    "{} exists and is left as it is; name another file",
                    path.display()
                ),
            ),
            _ => Failure::new(
                exit::USAGE,
                format!("{} cannot be written: {error}", path.display()),
            ),
        })?;
    file.write_all(TEMPLATE.as_bytes())
        .map_err(|error| Failure::harness(&format!("write {}", path.display()), error))?;
    if arguments.json {
        output::print_json(&json!({"file": path}))?;
    } else {
        output::print(&format!(
            "{} is written; fill it in, then: partenza-conformance doctor --target {0}\n",
            path.display()
        ))?;
    }
    Ok(exit::CONFORMANT)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::target::TargetFile;

    #[test]
    fn what_is_written_is_a_target_file() {
        let target = TargetFile::parse("target.yaml", TEMPLATE).unwrap();
        assert!(target.claims("minimal"));
        let with_check = TEMPLATE.replace("# check:", "check:");
        assert!(
            TargetFile::parse("target.yaml", &with_check)
                .unwrap()
                .check
                .is_some()
        );
    }
}
