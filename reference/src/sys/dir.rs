//! The runtime directory, reached by descriptor and never through a link.
//!
//! It owns making directories that only we can enter, replacing files in them in one step, and taking them away
//! again. It refuses to follow symbolic links and to use a directory that somebody else owns.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// A directory with mode 0700 that belongs to us, held open.
#[derive(Debug)]
pub(crate) struct PrivateDir {
    fd: File,
    path: PathBuf,
    made: bool,
}

impl PrivateDir {
    /// Makes the directory, and those above it, unless it is there. The last part of the path may not be a link.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        Self::below(AT_FDCWD, path.as_os_str(), path.to_owned())
    }

    /// The directory `name` inside this one, made unless it is there.
    pub(crate) fn sub(&self, name: &str) -> io::Result<Self> {
        Self::below(&self.fd, name.as_ref(), self.path.join(name))
    }

    fn below(at: impl AsFd, name: &OsStr, path: PathBuf) -> io::Result<Self> {
        let made = match mkdirat(&at, name, Mode::S_IRWXU) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(errno.into()),
        };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = File::from(openat(&at, name, flags, Mode::empty())?);
        let found = fd.metadata()?;
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user",
            ));
        }
        if found.permissions().mode() & 0o7777 != 0o700 {
            // Also after we made it: a umask without the owner's bits would otherwise lock us out.
            fd.set_permissions(std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { fd, path, made })
    }

    /// The path under which it was made.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this value made it.
    pub(crate) fn was_made(&self) -> bool {
        self.made
    }

    /// Makes an empty directory in this one, replacing whatever has the name.
    pub(crate) fn fresh(&self, name: &str) -> io::Result<()> {
        match mkdirat(&self.fd, name, Mode::S_IRWXU) {
            Err(Errno::EEXIST) => {
                self.remove(name);
                mkdirat(&self.fd, name, Mode::S_IRWXU)?;
            }
            other => other?,
        }
        Ok(())
    }

    /// Removes what has the name, whatever it is, with everything in it. Links are removed, not followed.
    pub(crate) fn remove(&self, name: &str) {
        if unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir).is_ok() {
            return;
        }
        let path = self.path.join(name);
        // Failures are left: the next launch makes its own directory and reports what keeps it from that.
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
    }

    /// Replaces a file in one step: a reader sees the old text or the new one.
    pub(crate) fn replace(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.new");
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let mut file = File::from(openat(&self.fd, temporary.as_str(), flags, mode)?);
        file.write_all(text)?;
        renameat(&self.fd, temporary.as_str(), &self.fd, name)?;
        Ok(())
    }

    /// A lock that ends with this process; `None` when another process holds it.
    pub(crate) fn lock(&self) -> io::Result<Option<Flock<OwnedFd>>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let own = openat(&self.fd, ".", flags, Mode::empty())?;
        match Flock::lock(own, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            // A file system without locks: the control socket alone then tells whether another one is alive.
            Err((own, Errno::EOPNOTSUPP | Errno::ENOLCK)) => Flock::lock(own, FlockArg::Unlock)
                .map(Some)
                .map_err(|(_, errno)| errno.into()),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directories_are_private_even_if_they_were_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/run");
        let dir = PrivateDir::make(&path).unwrap();
        assert!(dir.was_made());
        assert_eq!(mode(&path), 0o700);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!PrivateDir::make(&path).unwrap().was_made());
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn links_are_refused_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("kept"), "x").unwrap();
        symlink(&elsewhere, folder.path().join("link")).unwrap();
        assert!(PrivateDir::make(&folder.path().join("link")).is_err());
        let dir = PrivateDir::make(&folder.path().join("run")).unwrap();
        symlink(&elsewhere, folder.path().join("run/web")).unwrap();
        dir.fresh("web").unwrap();
        assert!(!folder.path().join("run/web").is_symlink());
        assert!(elsewhere.join("kept").exists());
    }

    #[test]
    fn a_file_is_replaced_in_one_step_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let dir = PrivateDir::make(&folder.path().join("run")).unwrap();
        dir.replace("web.json", b"1").unwrap();
        dir.replace("web.json", b"2").unwrap();
        assert_eq!(std::fs::read(folder.path().join("run/web.json")).unwrap(), b"2");
        assert_eq!(std::fs::read_dir(folder.path().join("run")).unwrap().count(), 1);
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = PrivateDir::make(&folder.path().join("run")).unwrap();
        let held = dir.lock().unwrap();
        assert!(held.is_some());
        assert!(dir.lock().unwrap().is_none());
        drop(held);
        assert!(dir.lock().unwrap().is_some());
    }
}
