//! Files and folders that only the user may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "chain")]
use zeroize::Zeroizing;

use super::file::{file_behind, put_in_place};
use super::{Context, World};

impl Context {
    /// Replaces a file atomically: a reader sees the old or the new content. Only the user may read it (mode 0600,
    /// where there are modes). For a symbolic link, the file it leads to is replaced. Anything but a regular file is an
    /// error and stays unchanged.
    pub fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        if let World::Fake(fake) = &self.world {
            fake.files().insert(path.to_owned(), content.to_owned());
            return Ok(());
        }
        let path = file_behind(path)?;
        self.clear_beside(&path);
        let beside = self.name_beside(&path)?;
        let written = create_private(&beside)
            .and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()
            })
            .and_then(|()| put_in_place(&beside, &path));
        if written.is_err() {
            // The first failure is reported; a second one here says no more.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Checks that [`write_private`](Self::write_private) can write there: creates its temporary file and removes it.
    pub fn try_private(&self, path: &Path) -> io::Result<()> {
        if let World::Fake(_) = self.world {
            return Ok(());
        }
        let beside = self.name_beside(&file_behind(path)?)?;
        create_private(&beside)?;
        fs::remove_file(beside)
    }

    /// The content of a file that only the user can read and change. `None` for any other.
    #[cfg(feature = "chain")]
    pub(crate) fn read_private(&self, path: &Path) -> Option<Zeroizing<Vec<u8>>> {
        #[cfg(unix)]
        if let World::Real = self.world {
            use std::os::unix::fs::MetadataExt as _;

            let found = fs::symlink_metadata(path).ok()?;
            // Without `/proc`, only root can read such a file of somebody else.
            let is_own = fs::metadata("/proc/self").map_or(true, |own| own.uid() == found.uid());
            if !found.is_file() || found.mode() & 0o077 != 0 || !is_own {
                return None;
            }
        }
        self.read_file(path).ok()?.map(Zeroizing::new)
    }

    /// Removes the files in a folder of caches that were written longer ago than this.
    #[cfg(feature = "chain")]
    pub(crate) fn clear_old(&self, folder: &Path, age: Duration) {
        if let World::Fake(_) = self.world {
            return;
        }
        let is_old = |entry: &fs::DirEntry| {
            let written =
                entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|found| found.modified().ok());
            written.is_some_and(|at| self.now().duration_since(at).is_ok_and(|found| found > age))
        };
        // If one cannot be removed, the next call tries again.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_old) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Removes temporary files ([`name_beside`](Self::name_beside)) of this file that killed programs have left, except
    /// recent ones, which another program may still be writing.
    pub(super) fn clear_beside(&self, path: &Path) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
        let beginning = format!(".{}.", name.to_string_lossy());
        let is_left = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let random = name.to_str().and_then(|name| name.strip_prefix(&beginning)).unwrap_or_default();
            let digits = random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            // Metadata of a link itself.
            let found = entry.metadata().ok().filter(|found| random.len() == 16 && digits && found.is_file());
            let written = found.and_then(|found| found.modified().ok());
            written.is_some_and(|at| self.now().duration_since(at).is_ok_and(|age| age > LONGEST_WRITE))
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // If one cannot be removed, the next write tries again.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// A random name in the same folder.
    pub(super) fn name_beside(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(path.with_file_name(format!(".{}.{:016x}", name.to_string_lossy(), self.random())))
    }

    /// Creates a folder and its parents for the user only (mode 0700, where there are modes).
    pub fn create_private_folder(&self, path: &Path) -> io::Result<()> {
        if let World::Fake(_) = self.world {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }
}

/// Creates a file that only the user may read. It must not exist yet.
fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The longest time that writing a file takes.
const LONGEST_WRITE: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_private_file_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.json");
        fs::write(&path, "old").unwrap();
        Context::real().write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let elsewhere = folder.path().join("none/token.json");
        Context::real().write_private(&elsewhere, b"x").unwrap_err();
        Context::real().create_private_folder(elsewhere.parent().unwrap()).unwrap();
        Context::real().write_private(&elsewhere, b"x").unwrap();
    }

    #[test]
    fn a_private_file_is_whole_whenever_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, context) = (folder.path().join("cache.json"), Context::real());
        let text = |letter: u8| vec![letter; 200_000];
        context.write_private(&path, &text(b'a')).unwrap();
        thread::scope(|scope| {
            let (path, context) = (&path, &context);
            let writers = b"bc".map(|letter| {
                scope.spawn(move || {
                    (0..100).try_for_each(|_| context.write_private(path, &text(letter))).unwrap();
                })
            });
            while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
                let read = context.read_file(path).unwrap().unwrap();
                if cfg!(windows) {
                    // A file that is open all the time cannot be replaced there, on an old file system.
                    thread::sleep(Duration::from_millis(10));
                }
                assert!(read == text(*read.first().unwrap_or(&0)), "{} bytes", read.len());
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_program_has_left_of_a_private_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let [old, new] =
            [Duration::from_hours(2), Duration::from_mins(30)].map(|age| SystemTime::now() - age);
        for (name, written) in [
            (".c.json.0123456789abcdef", old),
            (".c.json.0123456789abcde0", new),
            (".c.json.0123456789ABCDEF", old),
            (".c.json.0123456789abcde", old),
            (".c.json.0123456789abcdef0", old),
            (".d.json.0123456789abcdef", old),
            (".c.json.lock", old),
            ("c.json.0123456789abcdef", old),
        ] {
            let file = fs::File::create(at(name)).unwrap();
            file.set_modified(written).unwrap();
        }
        fs::create_dir(at(".c.json.0000000000000000")).unwrap();
        Context::real().write_private(&at("c.json"), b"new").unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names = names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        let kept = [
            ".c.json.0000000000000000",
            ".c.json.0123456789ABCDEF",
            ".c.json.0123456789abcde",
            ".c.json.0123456789abcde0",
            ".c.json.0123456789abcdef0",
            ".c.json.lock",
            ".d.json.0123456789abcdef",
            "c.json",
            "c.json.0123456789abcdef",
        ];
        // On Windows, a name in upper case is the same name.
        let kept = kept.into_iter().filter(|name| !cfg!(windows) || !name.ends_with("ABCDEF"));
        assert_eq!(names, kept.collect::<Vec<_>>());
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_goes_where_a_link_leads_and_in_the_place_of_nothing_else() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real/file", at("link")).unwrap();
        symlink(at("link"), at("over")).unwrap();
        for content in ["new", "newer"] {
            Context::real().try_private(&at("over")).unwrap();
            Context::real().write_private(&at("over"), content.as_bytes()).unwrap();
            assert_eq!(fs::read(at("real/file")).unwrap(), content.as_bytes());
        }
        assert!(fs::symlink_metadata(at("over")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(at("real")).unwrap().count(), 1);

        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink("pipe", at("to-pipe")).unwrap();
        symlink("circle", at("circle")).unwrap();
        for (name, fault) in
            [("pipe", "a pipe"), ("to-pipe", "a pipe"), ("real", "a folder"), ("circle", "a loop")]
        {
            let error = Context::real().try_private(&at(name)).unwrap_err();
            assert!(error.to_string().contains(fault), "{name}: {error}");
            Context::real().write_private(&at(name), b"x").unwrap_err();
        }
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
    }
}
