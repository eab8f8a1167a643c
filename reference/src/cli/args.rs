//! The arguments: one definition for the parser, the help, the completions and the man pages.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Start and supervise modules by the Partenza contract.
#[derive(Debug, Parser)]
#[command(name = "partenza", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Boot the modules of a directory and supervise them until asked to shut down
    Run {
        #[command(flatten)]
        modules: Modules,
        #[command(flatten)]
        runtime: Runtime,
        /// Where data that outlives a boot is kept
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// Write the log as JSON lines
        #[arg(long)]
        json: bool,
        /// Log details as well
        #[arg(long, short)]
        verbose: bool,
    },
    /// Check module files exactly as a boot would, and start nothing
    Check {
        #[command(flatten)]
        modules: Modules,
        /// Print the problems as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show in which order a boot would start the modules
    Plan {
        #[command(flatten)]
        modules: Modules,
        /// Print the plan as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the state of all modules, or of one in full
    Status {
        /// The module; all of them when left out
        module: Option<String>,
        #[command(flatten)]
        runtime: Runtime,
        /// Print what the orchestrator answered
        #[arg(long)]
        json: bool,
    },
    /// Start a module and wait until it is ready
    Start(Act),
    /// Stop a module and wait until its last process has ended
    Stop(Act),
    /// Stop a module if it runs, start it, and wait until it is ready again
    Restart(Act),
    /// Print what has happened, then what happens
    Events {
        /// Only events of this module
        module: Option<String>,
        #[command(flatten)]
        runtime: Runtime,
        /// Only events after this sequence number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: u64,
        /// End after the events so far
        #[arg(long)]
        no_follow: bool,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Stop all modules in reverse order and end the orchestrator
    Shutdown {
        #[command(flatten)]
        runtime: Runtime,
        /// Why, for the log and the modules
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell, or the man page
    #[command(hide = true)]
    Generate { what: Generated },
}

#[derive(Debug, Args)]
pub(super) struct Modules {
    /// The directory of the module files (`*.yaml`)
    #[arg(id = "modules", long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Runtime {
    /// The directory of the control socket and the status files
    #[arg(id = "runtime", long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Act {
    /// The module
    pub(super) module: String,
    #[command(flatten)]
    pub(super) runtime: Runtime,
    #[command(flatten)]
    pub(super) waiting: Waiting,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Return as soon as the orchestrator has accepted the request
    #[arg(long)]
    pub(super) no_wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = duration)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Generated {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    Man,
}

/// A duration as in a module file: `500ms`, `30s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|_| factor > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a whole number and a unit, as in `500ms`, `30s`, `5m` or `1h`".to_owned())
}

const EXIT_CODES: &str = "\
Exit status:
  0  done                         4  it did not happen in time
  1  refused, or failed          64  wrong usage
  2  errors in module files      69  no orchestrator answers
  3  no such module              70  internal fault";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_are_those_of_module_files() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 s",
            "5d",
            "99999999999999999999h",
            "9999999999999999h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
