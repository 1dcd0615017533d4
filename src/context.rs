//! What the client knows of its process: environment, files, clock, randomness and child processes, real or fake.
//! Nothing else in the library reads them.

mod command;
pub mod file;
mod lock;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::aws_files::Profiles;
use crate::{Error, ErrorKind, Result};

use command::Wait;

pub use command::CommandOutput;
pub use lock::Lock;

/// Environment, files, clock, randomness and child processes; see the [module](self).
///
/// Clones of a fake context share its files.
///
/// ```
/// use pumice::context::Context;
///
/// let context = Context::fake()
///     .with_env("AWS_REGION", " eu-central-1\n")
///     .with_env("AWS_PROFILE", "");
/// assert_eq!(context.env("AWS_REGION").as_deref(), Some("eu-central-1"));
/// assert_eq!(context.env("AWS_PROFILE"), None);
/// ```
#[derive(Clone, Default)]
pub struct Context {
    world: World,
    /// What has been read from pipes, which cannot be read again.
    pipes: Arc<Mutex<Vec<Pipe>>>,
}

/// The path of a pipe, and what came from it.
type Pipe = (PathBuf, Zeroizing<Vec<u8>>);

#[derive(Clone, Default)]
enum World {
    #[default]
    Real,
    Fake(Fake),
}

#[derive(Clone)]
struct Fake {
    env: BTreeMap<String, String>,
    files: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    commands: Arc<Commands>,
}

type Commands = dyn Fn(&str) -> io::Result<CommandOutput> + Send + Sync;

impl Context {
    /// The process's own environment, files and clock.
    pub fn real() -> Self {
        Self::default()
    }

    /// For tests: no variables, no files, no commands, the clock at 1970, and random numbers that are always 0, so
    /// that retries follow without a pause. The network is not part of it.
    pub fn fake() -> Self {
        let fake = Fake {
            env: BTreeMap::new(),
            files: Arc::default(),
            clock: Arc::new(|| SystemTime::UNIX_EPOCH),
            commands: Arc::new(|_| Err(io::ErrorKind::NotFound.into())),
        };
        Self { world: World::Fake(fake), pipes: Arc::default() }
    }

    pub(crate) fn is_fake(&self) -> bool {
        matches!(self.world, World::Fake(_))
    }

    /// Sets a variable. No effect on a real context.
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let World::Fake(fake) = &mut self.world {
            fake.env.insert(name.into(), value.into());
        }
        self
    }

    /// Adds or replaces a file. No effect on a real context.
    pub fn with_file(self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        if let World::Fake(fake) = &self.world {
            fake.files().insert(path.into(), content.into());
        }
        self
    }

    /// Sets what running a command gives. No effect on a real context.
    pub fn with_commands(
        mut self,
        commands: impl Fn(&str) -> io::Result<CommandOutput> + Send + Sync + 'static,
    ) -> Self {
        if let World::Fake(fake) = &mut self.world {
            fake.commands = Arc::new(commands);
        }
        self
    }

    /// Sets the clock. No effect on a real context.
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        if let World::Fake(fake) = &mut self.world {
            fake.clock = Arc::new(clock);
        }
        self
    }

    /// The value of a variable, without white space around it. Blank is unset.
    pub fn env(&self, name: &str) -> Option<String> {
        let value = match &self.world {
            World::Real => std::env::var_os(name)?
                .into_string()
                .unwrap_or_else(|value| value.to_string_lossy().into_owned()),
            World::Fake(fake) => fake.env.get(name)?.clone(),
        };
        match value.trim() {
            "" => None,
            trimmed if trimmed.len() == value.len() => Some(value),
            trimmed => Some(trimmed.to_owned()),
        }
    }

    /// The content of a file, or `None` if it does not exist. It may be up to 16 MiB long, and a pipe, as
    /// [`file::open`] says. A pipe can be read once, so its content is remembered, here and in clones.
    pub fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let read = match &self.world {
            World::Real => self.read_real_file(path),
            World::Fake(fake) => {
                fake.files().get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        };
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The content of a file of the system, also for a fake context.
    pub(crate) fn read_real_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        if fs::metadata(path).is_ok_and(|found| found.is_file()) {
            return file::read(path, LONGEST_FILE);
        }
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, content)) = pipes.iter().find(|(pipe, _)| pipe == path) {
            return Ok(content.to_vec());
        }
        let content = file::read(path, LONGEST_FILE)?;
        pipes.push((path.to_owned(), content.clone().into()));
        Ok(content)
    }

    /// Replaces a file atomically: a reader sees the old or the new content. Only the user may read it (mode 0600,
    /// where there are modes). A symbolic link stays, and the file it leads to is replaced. Anything but a regular
    /// file is left alone, and is an error.
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
            .and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            // The first failure is reported; a second one here says no more.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Whether [`write_private`](Self::write_private) can write there: creates its temporary file and removes it.
    pub fn try_private(&self, path: &Path) -> io::Result<()> {
        if let World::Fake(_) = self.world {
            return Ok(());
        }
        let beside = self.name_beside(&file_behind(path)?)?;
        create_private(&beside)?;
        fs::remove_file(beside)
    }

    /// Removes temporary files ([`name_beside`](Self::name_beside)) of this file that killed programs have left,
    /// except those that another program may still be writing.
    fn clear_beside(&self, path: &Path) {
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
        // The next write tries again.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// A random name in the same folder.
    fn name_beside(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(path.with_file_name(format!(".{}.{:016x}", name.to_string_lossy(), self.random())))
    }

    /// Takes an advisory lock on a file, for reading it and writing it back. Waits for another holder, and fails
    /// with [`TimedOut`](io::ErrorKind::TimedOut) after `limit`; [`Duration::MAX`] is no limit. Blocks.
    ///
    /// The file need not exist; for a symbolic link, the file it leads to is locked. If locking is impossible,
    /// because the folder is missing or read-only or its file system has no locks, nothing is locked, which is no
    /// error. A fake context has no other programs.
    pub fn lock(&self, path: &Path, limit: Duration) -> io::Result<Lock> {
        let deadline = Instant::now() + bounded(limit);
        loop {
            if let Some(lock) = self.try_lock(path) {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                let message = format!("another program has it locked for more than {limit:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// [`lock`](Self::lock), without waiting: `None` while another holds the lock.
    pub(crate) fn try_lock(&self, path: &Path) -> Option<Lock> {
        match self.world {
            World::Real => Lock::of(path),
            World::Fake(_) => Some(Lock::NONE),
        }
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

    /// Runs a command in the system's shell (`sh -c`, on Windows `cmd.exe /C`), with nothing on its standard
    /// input, and waits for its end. After `limit` it is killed with all that it has started, and the error is
    /// [`TimedOut`](io::ErrorKind::TimedOut); [`Duration::MAX`] is no limit. Blocks.
    ///
    /// On Unix it is killed as well when this process ends, however it ends. Away from a terminal a command has a
    /// process group of its own. At a terminal, which a command may use to ask the user, it stays in this process's
    /// group, and what it has started is found by `/proc` or `ps`.
    pub fn run(&self, command: &str, limit: Duration) -> io::Result<CommandOutput> {
        self.run_until(command, limit, Wait::default())
    }

    /// [`run`](Self::run) on a thread of its own. The command is killed as well when the future is dropped.
    pub(crate) async fn run_aside(&self, command: &str, limit: Duration) -> io::Result<CommandOutput> {
        let (context, command, wait) = (self.clone(), command.to_owned(), Wait::default());
        let _give_up = wait.give_up();
        on_own_thread(move || context.run_until(&command, limit, wait)).await
    }

    fn run_until(&self, command: &str, limit: Duration, wait: Wait) -> io::Result<CommandOutput> {
        match &self.world {
            World::Real => wait.run(command, limit),
            World::Fake(fake) => (fake.commands)(command),
        }
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.env("HOME").or_else(|| self.env("USERPROFILE")).map(PathBuf::from)
    }

    /// The folder for caches: `pumice` in the platform's cache folder, which is
    /// `XDG_CACHE_HOME` or `~/.cache`, on macOS `~/Library/Caches`, on Windows `LOCALAPPDATA`.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        self.folder("XDG_CACHE_HOME", ".cache", "Library/Caches", "LOCALAPPDATA")
    }

    /// The folder for settings: `pumice` in the platform's configuration folder, which is
    /// `XDG_CONFIG_HOME` or `~/.config`, on macOS `~/Library/Application Support`, on Windows `APPDATA`.
    pub fn config_folder(&self) -> Option<PathBuf> {
        self.folder("XDG_CONFIG_HOME", ".config", "Library/Application Support", "APPDATA")
    }

    /// The folder for state such as a history: `pumice` in the platform's state folder, which is `XDG_STATE_HOME` or `~/.local/state`, on macOS `~/Library/Application Support`, on Windows
    /// `LOCALAPPDATA`.
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.folder("XDG_STATE_HOME", ".local/state", "Library/Application Support", "LOCALAPPDATA")
    }

    /// `pumice` in a folder of the platform. XDG variables count if they are absolute paths.
    fn folder(&self, xdg: &str, home: &str, on_macos: &str, on_windows: &str) -> Option<PathBuf> {
        let named = |variable: &str| self.env(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let platforms = || match std::env::consts::OS {
            "windows" => named(on_windows),
            "macos" => Some(self.home()?.join(on_macos)),
            _ => Some(self.home()?.join(home)),
        };
        Some(named(xdg).or_else(platforms)?.join("pumice"))
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        match &self.world {
            World::Real => SystemTime::now(),
            World::Fake(fake) => (fake.clock)(),
        }
    }

    /// A random number for delays and ids, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        match &self.world {
            // Each `RandomState` has keys of its own, so that its hash of nothing is random.
            World::Real => RandomState::new().hash_one(()),
            World::Fake(_) => 0,
        }
    }

    /// A random number from 0 to 1.
    pub(crate) fn chance(&self) -> f64 {
        let high = u32::try_from(self.random() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / f64::from(u32::MAX)
    }

    /// An id in the form of a random UUID (version 4).
    pub(crate) fn uuid(&self) -> String {
        let high = self.random() & !0xf000 | 0x4000;
        let low = self.random() & !(0b11 << 62) | 0b10 << 62;
        let hex = format!("{high:016x}{low:016x}");
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default()).join("-")
    }

    /// The profile to use: the named one, else `AWS_PROFILE`, else `default`.
    pub fn profile_name(&self, named: Option<&str>) -> String {
        named.map(str::to_owned).or_else(|| self.env("AWS_PROFILE")).unwrap_or_else(|| "default".into())
    }

    /// Where the AWS config file is: `AWS_CONFIG_FILE`, or `~/.aws/config`.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.aws_file("AWS_CONFIG_FILE", "config")
    }

    /// Where the AWS credentials file is: `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        self.aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    }

    /// The two AWS files. One that does not exist counts as empty.
    pub fn profiles(&self) -> Result<Profiles> {
        let config = self.read_aws_file(self.config_file())?;
        let credentials = self.read_aws_file(self.credentials_file())?;
        Profiles::parse(
            config.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
            credentials.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
        )
    }

    /// A hash of the two AWS files, to notice changes.
    pub(crate) fn aws_files_mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for path in [self.config_file(), self.credentials_file()] {
            let content = path.map(|path| self.read_file(&path)).transpose();
            match content.map(|content| content.flatten().map(Zeroizing::new)) {
                Ok(content) => content.as_deref().hash(&mut hasher),
                Err(error) => error.kind().hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// A configured path; `~/` at its beginning is the home folder.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => text.into(),
        }
    }

    fn aws_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        match self.env(variable) {
            Some(path) => Some(self.path(&path)),
            None => Some(self.home()?.join(".aws").join(name)),
        }
    }

    /// The path, for messages, and the text of an AWS file.
    fn read_aws_file(&self, path: Option<PathBuf>) -> Result<Option<(String, Zeroizing<String>)>> {
        let Some(path) = path else { return Ok(None) };
        let shown = path.display().to_string();
        let unreadable = |fault: &dyn fmt::Display| {
            Error::new(ErrorKind::Credentials, format!("the AWS file {shown} cannot be read: {fault}"))
        };
        let Some(content) = self.read_file(&path).map_err(|error| unreadable(&error))? else {
            return Ok(None);
        };
        let text = String::from_utf8(content).map_err(|_| unreadable(&"it is not UTF-8"))?;
        Ok(Some((shown, Zeroizing::new(text))))
    }
}

impl fmt::Debug for Context {
    /// Shows names without values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.world {
            World::Real => f.write_str("Context::real()"),
            World::Fake(fake) => f
                .debug_struct("Context::fake()")
                .field("env", &fake.env.keys())
                .field("files", &fake.files().keys())
                .finish_non_exhaustive(),
        }
    }
}

impl Fake {
    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a path leads, over symbolic links: to a regular file, or to where there is none yet.
fn file_behind(path: &Path) -> io::Result<PathBuf> {
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
            return Err(file::not_a_file(if kind.is_dir() {
                "a folder"
            } else {
                "a device, a pipe or a socket"
            }));
        }
        let target = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links, or a circle of them"))
}

/// Does work that blocks on a thread of its own. A runtime waits, when it is dropped, for what its own threads
/// for such work have begun; nothing waits for this one.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        // Whoever asked may have given up.
        let _ = sender.send(work());
    })?;
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the thread ended without a result")))
}

/// A new file that none but the user may read.
fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A limit on time that can be added to any clock's. What is longer than a century is no limit for anyone.
pub(crate) fn bounded(limit: Duration) -> Duration {
    limit.min(Duration::from_hours(100 * 365 * 24))
}

/// No write of a file takes longer.
const LONGEST_WRITE: Duration = Duration::from_hours(1);

/// How many symbolic links are followed: as many as Linux follows.
const MOST_LINKS: usize = 40;

/// What is read of a file, in bytes: settings, credentials and caches are of a few thousand.
const LONGEST_FILE: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
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
        assert_eq!(names, kept);
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
            [("pipe", "a pipe"), ("to-pipe", "a pipe"), ("real", "a folder"), ("circle", "circle")]
        {
            let error = Context::real().try_private(&at(name)).unwrap_err();
            assert!(error.to_string().contains(fault), "{name}: {error}");
            Context::real().write_private(&at(name), b"x").unwrap_err();
        }
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
    }
}
