//! `partenza-spec-map`: checks, blesses and completes the specification of a checkout.
//!
//! Owns the command line alone; what is right is decided in the library. Exit status: 0 fine, 1 problems found, 2 usage,
//! 70 a file could not be read or written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use clap::{Parser, Subcommand};
use partenza_spec_map::{Problem, Spec, check, generated, snapshot, tree};

/// Checks the specification: requirements, snapshot, map and generated parts.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The root of the checkout [default: the nearest folder upwards that holds `spec/`]
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Report every problem of the chapters, the snapshot, the map and the generated parts
    Check,
    /// Write new and openly revised requirements into the snapshot; a silent edit is refused
    Bless {
        /// Withdraw a requirement; its id stays reserved
        #[arg(long, value_name = "ID")]
        retire: Vec<String>,
    },
    /// Write the parts of the chapters that come from data
    Generate,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(root) = arguments.root.or_else(find_root) else {
        eprintln!("partenza-spec-map: no folder upwards from here holds `spec/`; name one with --root");
        return ExitCode::from(2);
    };
    match act(&root, &arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("partenza-spec-map: {}: {error}", root.display());
            ExitCode::from(70)
        }
    }
}

fn act(root: &Path, verb: &Verb) -> io::Result<ExitCode> {
    let tree = tree::checkout(root)?;
    match verb {
        Verb::Check => {
            let problems = check(&tree);
            if problems.is_empty() {
                println!(
                    "{} requirements, no problem",
                    Spec::read(&tree).requirements.len()
                );
            }
            Ok(report(&problems))
        }
        Verb::Bless { retire } => {
            let spec = Spec::read(&tree);
            if !spec.problems.is_empty() {
                return Ok(report(&spec.problems));
            }
            let mut problems = Vec::new();
            let old = snapshot::read(tree.get(snapshot::FILE).map_or("", String::as_str), &mut problems);
            if !problems.is_empty() {
                return Ok(report(&problems));
            }
            match snapshot::bless(&spec.requirements, &old, retire) {
                Ok(text) => {
                    fs::write(root.join(snapshot::FILE), text)?;
                    println!("{} requirements blessed", spec.requirements.len());
                    Ok(ExitCode::SUCCESS)
                }
                Err(problems) => Ok(report(&problems)),
            }
        }
        Verb::Generate => match generated(&tree) {
            Ok(fresh) => {
                for (file, text) in fresh {
                    fs::write(root.join(&file), text)?;
                    println!("{file}");
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(problem) => Ok(report(&[problem])),
        },
    }
}

fn report(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn find_root() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    here.ancestors()
        .find(|folder| folder.join("spec").is_dir() && folder.join("spec-map").is_dir())
        .map(Path::to_path_buf)
}
