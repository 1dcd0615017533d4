//! A file that is written in pieces and takes its place when it is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Context;
use super::file::{file_behind, put_in_place};

/// A file that is being written under another name. [`finish`](Self::finish) puts it in its place, so that a reader sees
/// the old or the whole new content. If it is dropped before, nothing is left of it.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    /// Where it is written. Empty once it is in its place.
    beside: PathBuf,
    path: PathBuf,
}

impl Context {
    /// Begins to write a file that replaces the one at this path. For a symbolic link, the file it leads to is
    /// replaced. Anything but a regular file is an error.
    pub fn replace_file(&self, path: &Path) -> io::Result<Replacement> {
        let path = file_behind(path)?;
        self.clear_beside(&path);
        let beside = self.name_beside(&path)?;
        let file = File::options().read(true).write(true).create_new(true).open(&beside)?;
        Ok(Replacement { file, beside, path })
    }
}

impl Replacement {
    /// A file without a name in the place of this one, to read again what is written to it. It is gone when it is closed.
    pub fn into_unnamed(self) -> io::Result<File> {
        // Dropping `self` removes the name.
        self.file.try_clone()
    }

    /// Puts the file in its place, after it has been written to the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        put_in_place(&self.beside, &self.path)?;
        self.beside = PathBuf::new();
        Ok(())
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.beside.as_os_str().is_empty() {
            // Whoever drops it unfinished reports why.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_when_it_is_complete_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut dropped = Context::real().replace_file(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        let mut whole = Context::real().replace_file(&path).unwrap();
        whole.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Context::real().replace_file(folder.path()).is_err());

        let mut unnamed = Context::real().replace_file(&path).unwrap().into_unnamed().unwrap();
        unnamed.write_all(b"kept").unwrap();
        unnamed.rewind().unwrap();
        assert_eq!(io::read_to_string(unnamed).unwrap(), "kept");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
