//! The private directory of one case, and the placeholders that lead to it.
use std::{
    collections::BTreeMap,
    env, fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::input_error::nearest;

/// A fresh private directory (mode 0700) with one directory for each purpose. Removed when dropped.
#[derive(Debug)]
pub struct CaseDirs {
    root: tempfile::TempDir,
}

impl CaseDirs {
    /// Makes the directories. The paths are short, because a socket's path may have 107 bytes only.
    ///
    /// # Errors
    /// When they cannot be made, or would be too long for a socket.
    pub fn create() -> io::Result<Self> {
        let preferred = env::temp_dir();
        let base = if preferred.as_os_str().len() <= LONGEST_BASE {
            preferred
        } else {
            PathBuf::from("/tmp")
        };
        let private = fs::Permissions::from_mode(0o700);
        let root = tempfile::Builder::new()
            .prefix("pz-")
            .rand_bytes(8)
            .permissions(private)
            .tempdir_in(base)?;
        let dirs = Self { root };
        for dir in [dirs.config(), dirs.runtime(), dirs.state()] {
            fs::DirBuilder::new().mode(0o700).create(dir)?;
        }
        let longest = dirs.runtime().join("control.sock");
        if longest.as_os_str().len() > SOCKET_PATH {
            return Err(io::Error::other(format!(
                "{} is too long for a socket",
                longest.display()
            )));
        }
        Ok(dirs)
    }

    /// The directory that holds the others, and marks the processes of this case.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// For module files.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root().join("modules")
    }

    /// For the target's sockets and status files.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.root().join("run")
    }

    /// For the target's lasting state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// Where the harness listens for puppets. Outside of everything that belongs to the target.
    #[must_use]
    pub fn channel(&self) -> PathBuf {
        self.root().join("channel")
    }

    /// `{bin}`, `{config}`, `{runtime}`, `{state}`, `{channel}` and `{mock}` of this case.
    ///
    /// `{mock}` is this very program, which carries the puppet as its subcommand `mock`.
    #[must_use]
    pub fn placeholders(&self) -> Placeholders {
        let program = env::current_exe().unwrap_or_default();
        let bin = program.parent().map(Path::to_path_buf).unwrap_or_default();
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Placeholders::default()
            .with("bin", text(bin))
            .with("mock", text(program))
            .with("config", text(self.config()))
            .with("runtime", text(self.runtime()))
            .with("state", text(self.state()))
            .with("channel", text(self.channel()))
    }

    /// Keeps the directory when the case is over, and says where it is.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.root.keep()
    }
}

/// Names in braces and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placeholders {
    known: BTreeMap<String, String>,
}

impl Placeholders {
    /// Adds or replaces one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.known.insert(name.to_owned(), value.into());
        self
    }

    /// Replaces every `{name}`. Braces around anything but lower-case letters, digits, `-` and `_` stand for themselves.
    ///
    /// # Errors
    /// A sentence about a name that is not known.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            expanded.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, behind)) => {
                    expanded.push_str(self.known.get(name).ok_or_else(|| self.complaint(name))?);
                    rest = behind;
                }
                None => {
                    expanded.push('{');
                    rest = after;
                }
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// [`Placeholders::expand`] for a whole command.
    ///
    /// # Errors
    /// As there.
    pub fn expand_all(&self, texts: &[String]) -> Result<Vec<String>, String> {
        texts.iter().map(|text| self.expand(text)).collect()
    }

    fn complaint(&self, name: &str) -> String {
        let known: Vec<&str> = self.known.keys().map(String::as_str).collect();
        match nearest(name, &known) {
            Some(near) => format!("unknown placeholder {{{name}}}; did you mean {{{near}}}?"),
            None => format!(
                "unknown placeholder {{{name}}}; known are {{{}}}",
                known.join("}, {")
            ),
        }
    }
}

/// The longest path of a socket, without the NUL at its end.
const SOCKET_PATH: usize = 107;
/// A temporary directory with a longer path leaves too little room for sockets below it.
const LONGEST_BASE: usize = 40;

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_private_short_directories_that_go_away() {
        let dirs = CaseDirs::create().unwrap();
        let root = dirs.root().to_owned();
        for dir in [
            dirs.root().to_owned(),
            dirs.config(),
            dirs.runtime(),
            dirs.state(),
        ] {
            assert_eq!(
                fs::metadata(&dir).unwrap().permissions().mode() & 0o7777,
                0o700,
                "{}",
                dir.display()
            );
        }
        assert!(
            dirs.channel().as_os_str().len() <= SOCKET_PATH && !dirs.channel().starts_with(dirs.runtime())
        );
        assert_ne!(CaseDirs::create().unwrap().root(), root);
        drop(dirs);
        assert!(!root.exists());
    }

    #[test]
    fn placeholders_are_expanded_and_other_braces_are_left_alone() {
        let known = Placeholders::default().with("bin", "/b").with("state", "{bin}");
        assert_eq!(known.expand("{bin}/x {state}").unwrap(), "/b/x {bin}");
        assert_eq!(
            known.expand("{a: b} {} { {\"x\":1} {{bin}}").unwrap(),
            "{a: b} {} { {\"x\":1} {/b}"
        );
        assert_eq!(
            known.expand("{stat}").unwrap_err(),
            "unknown placeholder {stat}; did you mean {state}?"
        );
        assert_eq!(
            known.expand("{zzzzz}").unwrap_err(),
            "unknown placeholder {zzzzz}; known are {bin}, {state}"
        );
        assert!(known.expand_all(&["a".to_owned(), "{nope}".to_owned()]).is_err());
    }
}
