//! The targets that come with a checkout: the reference orchestrator, and the one that is wrong on purpose.
//!
//! Whoever names no target judges the reference, so that one command on a fresh clone does the main job. Owns where the
//! two programs are looked for (beside this one) and how they are made when they are absent: aloud, by cargo, in the
//! profile of this program. Refuses to link them; they are started like any other target.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::input_error::InputError;
use crate::target::TargetFile;

/// A target that the harness knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundled {
    /// `partenza`.
    Reference,
    /// `partenza-faulty`, with a fault by name.
    Faulty,
}

/// Why a bundled target is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum BundledError {
    /// This program does not know where it is.
    #[error("this program cannot tell where it lies: {0}")]
    Lost(io::Error),
    /// The program is absent and nothing can make it.
    #[error("{program} is not beside this program ({}), and this is no checkout that could build it; name a target with --target", .folder.display())]
    Absent {
        /// The program.
        program: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The build failed.
    #[error("`{command}` failed: {reason}")]
    Build {
        /// What was run.
        command: String,
        /// How it ended.
        reason: String,
    },
    /// The built-in file is not right, which would be a fault of this program.
    #[error("the built-in target file is not right: {0}")]
    File(#[from] InputError),
}

impl Bundled {
    /// Its name in messages, where a user's target has the path of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "the bundled target `partenza`",
            Self::Faulty => "the bundled target `partenza-faulty`",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Reference => "partenza",
            Self::Faulty => "partenza-faulty",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Reference => "partenza-reference",
            Self::Faulty => "partenza-faulty",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Reference => include_str!("../../../examples/targets/partenza.yaml"),
            Self::Faulty => include_str!("../../../examples/targets/faulty.yaml"),
        }
    }

    /// The target file. Its program is looked for beside this one; inside a checkout it is built when it is absent, and
    /// standard error says so.
    ///
    /// # Errors
    /// When the program is absent and cannot be built.
    pub fn target(self) -> Result<TargetFile, BundledError> {
        let exe = env::current_exe().map_err(BundledError::Lost)?;
        let folder = exe.parent().unwrap_or(Path::new("/")).to_path_buf();
        if !folder.join(self.program()).is_file() {
            self.build(&folder)?;
        }
        self.file()
    }

    /// The target file alone, wherever its program may be.
    ///
    /// # Errors
    /// When the built-in text is not right.
    pub fn file(self) -> Result<TargetFile, BundledError> {
        Ok(TargetFile::parse(self.name(), self.text())?)
    }

    fn build(self, folder: &Path) -> Result<(), BundledError> {
        let absent = || BundledError::Absent {
            program: self.program(),
            folder: folder.to_path_buf(),
        };
        let (root, profile) = checkout(folder).ok_or_else(absent)?;
        let mut words = vec!["build".to_owned(), "-p".to_owned(), self.package().to_owned()];
        match profile.as_str() {
            "debug" => {}
            "release" => words.push("--release".to_owned()),
            other => words.extend(["--profile".to_owned(), other.to_owned()]),
        }
        let command = format!("cargo {}", words.join(" "));
        eprintln!(
            "{} is not beside this program; running `{command}`",
            self.program()
        );
        let failed = |reason: String| BundledError::Build {
            command: command.clone(),
            reason,
        };
        // What cargo prints is a message and no result, so it goes where messages go.
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(&words)
            .current_dir(root)
            .env("CARGO_TARGET_DIR", folder.parent().unwrap_or(folder))
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()
            .map_err(|error| failed(error.to_string()))?;
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        if folder.join(self.program()).is_file() {
            Ok(())
        } else {
            Err(absent())
        }
    }
}

/// The checkout that a folder of build results belongs to, and the profile that it is for.
fn checkout(folder: &Path) -> Option<(PathBuf, String)> {
    let profile = folder.file_name()?.to_str()?.to_owned();
    let is_root =
        |root: &&Path| root.join("Cargo.toml").is_file() && root.join("reference/Cargo.toml").is_file();
    let root = folder.ancestors().find(is_root)?;
    Some((root.to_path_buf(), profile))
}

/// Puts a value in the place of a name in braces, everywhere in a target's commands.
pub fn substitute(target: &mut TargetFile, name: &str, value: &str) {
    let name = format!("{{{name}}}");
    let texts = target
        .command
        .iter_mut()
        .chain(target.check.iter_mut().flatten())
        .chain(target.environment.values_mut());
    for text in texts {
        *text = text.replace(&name, value);
    }
}

/// Whether a target's commands hold a name in braces.
#[must_use]
pub fn mentions(target: &TargetFile, name: &str) -> bool {
    let name = format!("{{{name}}}");
    target
        .command
        .iter()
        .chain(target.check.iter().flatten())
        .chain(target.environment.values())
        .any(|text| text.contains(&name))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_files_are_right() {
        let reference = Bundled::Reference.file().unwrap();
        assert!(!mentions(&reference, "fault"));
        let mut faulty = Bundled::Faulty.file().unwrap();
        assert!(mentions(&faulty, "fault"));
        substitute(&mut faulty, "fault", "never-reaps");
        assert!(!mentions(&faulty, "fault"));
        assert!(faulty.command.contains(&"never-reaps".to_owned()));
    }

    #[test]
    fn a_checkout_is_found_from_its_build_results() {
        let dir = tempfile::TempDir::new().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("target/release")).unwrap();
        assert_eq!(checkout(&root.join("target/release")), None);
        std::fs::create_dir_all(root.join("reference")).unwrap();
        for file in ["Cargo.toml", "reference/Cargo.toml"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        assert_eq!(
            checkout(&root.join("target/release")),
            Some((root.to_path_buf(), "release".to_owned()))
        );
    }
}
