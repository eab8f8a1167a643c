//! What the command line looks like.
//!
//! Owns names, defaults and help. Parsing it is clap's work, and so are completions and man pages, which come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::exit;

/// Decides whether an orchestrator or a module is Partenza-conformant.
#[derive(Debug, Parser)]
#[command(name = "partenza-conformance", version, after_help = exit::HELP, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge a target; without --target, the reference orchestrator
    Run(RunArguments),
    /// List every check
    List(ListArguments),
    /// Say what a requirement demands, and which checks show it
    Explain(ExplainArguments),
    /// Say which requirements are checked, which cannot be, and which are still to do
    Coverage(CoverageArguments),
    /// Prove that the checks can fail: play all cases against every known-bad orchestrator
    KillMatrix(KillMatrixArguments),
    /// Find out whether a target and this machine are fit for a run
    Doctor(DoctorArguments),
    /// Write a commented target file
    Init(InitArguments),
    /// Write completions or man pages
    #[command(hide = true)]
    Generate(GenerateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The target file [default: the bundled reference orchestrator]
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// What stands for `{fault}` in the target file
    #[arg(long, value_name = "NAME")]
    pub(crate) fault: Option<String>,
    /// Judge only checks of this id or requirement; a beginning up to `/` or `.`, or `*` for anything
    #[arg(long, value_name = "PATTERN")]
    pub(crate) filter: Vec<String>,
    /// How many cases run side by side [default: four for each processor, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// The seed of the order of the cases [default: a new one, which is printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Also write JUnit to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the event log to this file [default: events.jsonl in --out]
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// A SHOULD that fails is red, too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Checks that are known not to pass
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "conformance-results")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// List only checks of this id or requirement
    #[arg(long, value_name = "PATTERN")]
    pub(crate) filter: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The id of a requirement or of a check
    pub(crate) id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CoverageArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KillMatrixArguments {
    /// The target file, with `{fault}` in its command [default: the bundled faulty orchestrator]
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Only this fault
    #[arg(long, value_name = "NAME")]
    pub(crate) fault: Vec<String>,
    /// Play each fault only against the suites of the checks that it names: faster, and blind to what turns red elsewhere
    #[arg(long)]
    pub(crate) own_suites: bool,
    /// How many cases run side by side [default: 8 for each processor, at most 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// The seed of the order of the cases
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The target file [default: the bundled reference orchestrator]
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The file to write
    #[arg(default_value = "target.yaml")]
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// What to write
    pub(crate) what: Generated,
    /// The shell, for completions
    #[arg(long, default_value = "bash")]
    pub(crate) shell: Shell,
    /// The folder for man pages
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Generated {
    /// Completions, to standard output
    Completions,
    /// Man pages, one for each verb
    Man,
}
