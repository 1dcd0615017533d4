//! Files to read, each with a limit.

use std::fs::{self, File};
#[cfg(unix)]
use std::io::IsTerminal as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroize as _;

/// Opens a file to read it: a regular file, a pipe that another program writes to, as the shell makes them for
/// `<(command)`, a terminal or `/dev/null`.
///
/// A folder, a socket and any other device are an error, and so is a named pipe that nobody has begun to write to
/// after a second.
///
/// ```
/// let error = pumice::context::file::open(".".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "expected a file, found a folder");
/// ```
pub fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(not_a_file("a folder"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return open_pipe(path, LONGEST_WAIT);
        }
        if kind.is_char_device() {
            let file = File::open(path)?;
            let is_null = path.canonicalize().is_ok_and(|path| path == Path::new("/dev/null"));
            return if is_null || file.is_terminal() { Ok(file) } else { Err(not_a_file("a device")) };
        }
        if !kind.is_file() {
            return Err(not_a_file(if kind.is_socket() { "a socket" } else { "a device" }));
        }
    }
    File::open(path)
}

/// Reads a whole file of at most `longest` bytes, which [`open`] opens. A longer one is an error before it is read,
/// of the kind [`FileTooLarge`](io::ErrorKind::FileTooLarge).
pub fn read(path: &Path, longest: usize) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_long = || {
        let message = format!("expected at most {longest} bytes, found more");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > longest {
        return Err(too_long());
    }
    // Room for all of it, so that no copy of a secret is left behind where it grew.
    let mut content = Vec::with_capacity(length + 1);
    file.take(longest as u64 + 1).read_to_end(&mut content)?;
    if content.len() > longest {
        content.zeroize();
        return Err(too_long());
    }
    Ok(content)
}

/// Opening a named pipe waits for its writer.
#[cfg(unix)]
fn open_pipe(path: &Path, longest_wait: Duration) -> io::Result<File> {
    let (pipe, deadline) = (path.to_owned(), Instant::now() + longest_wait);
    let opening = thread::Builder::new().spawn(move || File::open(pipe))?;
    while !opening.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    if opening.is_finished() {
        return opening.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    }
    // Lets the thread end, which would read what is written later.
    if File::options().write(true).open(path).is_ok() {
        let _ = opening.join();
    }
    Err(not_a_file("a pipe that nobody writes to"))
}

/// Renames a file, in the place of another if there is one. Windows refuses that while another program reads the
/// other file, if its file system is an old one, and while a virus scanner looks at either: that is waited for.
pub(super) fn put_in_place(file: &Path, path: &Path) -> io::Result<()> {
    let deadline = Instant::now() + LONGEST_HINDRANCE;
    loop {
        let renamed = fs::rename(file, path);
        let is_hindered = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        if !cfg!(windows) || !renamed.as_ref().is_err_and(is_hindered) || Instant::now() >= deadline {
            return renamed;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Where a path leads, over symbolic links: to a regular file, or to where there is none yet.
pub(super) fn file_behind(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let kind = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        };
        if kind.is_file() {
            return Ok(path);
        }
        if !kind.is_symlink() {
            return Err(not_a_file(if kind.is_dir() { "a folder" } else { "a device, a pipe or a socket" }));
        }
        let target = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links, or a loop"))
}

fn not_a_file(found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("expected a file, found {found}"))
}

/// How many symbolic links are followed: as many as Linux follows.
const MOST_LINKS: usize = 40;

/// How long renaming a file may be hindered.
const LONGEST_HINDRANCE: Duration = Duration::from_secs(2);

/// How long a pipe may be without a writer: the shell starts both sides at the same time.
#[cfg(unix)]
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_over_the_limit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "expected at most 4 bytes, found more");
        // Nothing of it is read.
        File::create(&path).unwrap().set_len(20 << 30).unwrap();
        assert_eq!(read(&path, 1 << 30).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(&folder.path().join("none"), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_or_no_writer_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, found) in [
            (at("pipe"), "a pipe that nobody writes to"),
            (at("socket"), "a socket"),
            (at(""), "a folder"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read(&path, usize::MAX - 1).unwrap_err();
            assert_eq!(error.to_string(), format!("expected a file, found {found}"), "{}", path.display());
        }
        assert_eq!(read(Path::new("/dev/null"), 1).unwrap(), b"");

        let pipe = at("pipe");
        let writer = thread::spawn(move || fs::write(pipe, "12345"));
        let mut content = String::new();
        open_pipe(&at("pipe"), Duration::from_mins(1)).unwrap().read_to_string(&mut content).unwrap();
        writer.join().unwrap().unwrap();
        assert_eq!(content, "12345");
    }
}
