//! A lock on a file, so that two programs do not read, change and write it at the same time.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Keeps other programs from locking the same file until it is dropped; see [`Context::lock`](super::Context::lock).
///
/// It is an operating system lock on an empty file `.NAME.lock` beside the locked one, so it ends with its process,
/// however that ends. The file itself cannot be locked: it may not exist yet, and each write replaces it by a new file.
#[derive(Debug)]
pub struct Lock(Option<(File, PathBuf)>);

impl Lock {
    /// Locks nothing.
    pub(super) const NONE: Self = Self(None);

    /// `None` while another program holds the lock. If the file system has no locks, or the folder is read-only,
    /// nothing is locked.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let Ok(mut path) = super::file::file_behind(path) else { return Some(Self::NONE) };
        let Some(name) = path.file_name() else { return Some(Self::NONE) };
        let mut beside = OsString::from(".");
        beside.extend([name, ".lock".as_ref()]);
        path.set_file_name(beside);
        for _ in 0..MOST_TRIES {
            let Ok(file) = open(&path) else { break };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return None,
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) | Err(TryLockError::Error(_)) => return Some(Self(Some((file, path)))),
            }
        }
        Some(Self::NONE)
    }
}

impl Drop for Lock {
    /// Removes the lock's file while it is still locked. A program that has opened it meanwhile notices by `is_at`.
    fn drop(&mut self) {
        if let (true, Some((_, path))) = (cfg!(unix), &self.0) {
            // A file that stays does no harm: the next lock uses it.
            let _ = fs::remove_file(path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // In a folder that others can write to, the name may be a link or a pipe.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether the file is still at the path. The last holder may have removed it after it was opened here, and then
/// other programs lock a new file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let (opened, found) = (file.metadata().map(identity), fs::symlink_metadata(path).map(identity));
    opened.is_ok_and(|opened| found.is_ok_and(|found| found == opened))
}

/// The lock's file is never removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// After so many tries, the file system gives a file another identity each time.
const MOST_TRIES: usize = 100;

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::Context;
    use super::*;

    #[cfg(unix)]
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_read_changed_and_written_under_a_lock_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, context) = (folder.path().join("count"), Context::real());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = context.lock(&path, Duration::from_mins(1)).unwrap();
                        let read = context.read_file(&path).unwrap().unwrap_or_default();
                        let count = String::from_utf8(read).unwrap().parse().unwrap_or(0);
                        fs::write(&path, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "400");
        if cfg!(unix) {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_one_lock_whatever_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let lock = |name: &str| Context::real().lock(&at(name), SHORT);
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        // What a program that was killed leaves behind.
        fs::write(at(".file.lock"), "").unwrap();
        let held = lock("link").unwrap();
        let error = lock("file").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        drop((lock("other").unwrap(), held));
        drop(lock("file").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the link alone");
    }

    #[cfg(unix)]
    #[test]
    fn where_there_can_be_no_lock_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at(".folder.lock")).unwrap();
        std::os::unix::fs::symlink("created", at(".link.lock")).unwrap();
        for path in [at("none/file"), at("folder"), at("link"), folder.path().to_owned(), "/".into()] {
            let lock = || Context::real().lock(&path, SHORT).unwrap();
            let _both = (lock(), lock());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
