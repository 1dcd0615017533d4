//! The only access to environment, files, clock, randomness and child processes, which are real or fake.

#[cfg(feature = "chain")]
mod aws_files;
#[cfg(not(feature = "chain"))]
#[path = "context/no_aws_files.rs"]
mod aws_files;
mod command;
pub mod file;
mod lock;
mod private;
#[cfg(feature = "bulk")]
mod replacement;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::skew::{self, ClockSkew};
use crate::{Error, Hint};
use command::{Hear, Wait};

pub(crate) use aws_files::AwsFiles;
pub use command::CommandOutput;
#[cfg(feature = "chain")]
pub(crate) use command::LONGEST_OUTPUT;
pub use lock::Lock;
#[cfg(feature = "bulk")]
pub use replacement::Replacement;

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
    learned: Arc<Learned>,
}

/// What the context and its clones have learned.
#[derive(Default)]
struct Learned {
    /// What has been read from pipes, which cannot be read again.
    pipes: Mutex<Vec<Pipe>>,
    skew: ClockSkew,
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
    /// The paths that were read.
    #[cfg(test)]
    reads: Arc<Mutex<Vec<PathBuf>>>,
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
    /// that retries follow without a pause. The network is not faked.
    pub fn fake() -> Self {
        let fake = Fake {
            env: BTreeMap::new(),
            files: Arc::default(),
            #[cfg(test)]
            reads: Arc::default(),
            clock: Arc::new(|| SystemTime::UNIX_EPOCH),
            commands: Arc::new(|_| Err(io::ErrorKind::NotFound.into())),
        };
        Self { world: World::Fake(fake), learned: Arc::default() }
    }

    /// The paths that a fake context has read.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> Vec<PathBuf> {
        let World::Fake(fake) = &self.world else { return Vec::new() };
        fake.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Sets the function that runs commands. No effect on a real context.
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

    /// The value of a variable, without white space around it. A blank value counts as unset.
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

    /// The content of a file of at most 16 MiB, or `None` if it does not exist. [`file::open`] says which files can be
    /// read. A pipe can be read only once, so the context and its clones keep its content.
    pub fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let read = match &self.world {
            World::Real => self.read_real_file(path),
            World::Fake(fake) => {
                #[cfg(test)]
                fake.reads.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
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
        let mut pipes = self.learned.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, content)) = pipes.iter().find(|(pipe, _)| pipe == path) {
            return Ok(content.to_vec());
        }
        let content = file::read(path, LONGEST_FILE)?;
        pipes.push((path.to_owned(), content.clone().into()));
        Ok(content)
    }

    /// Takes an advisory lock on a file, to read it and write it back. Waits while another program holds the lock, and
    /// fails with [`TimedOut`](io::ErrorKind::TimedOut) after `limit`; [`Duration::MAX`] is no limit. Blocks.
    ///
    /// The file need not exist. For a symbolic link, the file it leads to is locked. If locking is impossible, because
    /// the folder is missing or read-only or its file system has no locks, nothing is locked; that is not an error. A
    /// fake context locks nothing.
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

    /// Runs a command in the system's shell (`sh -c`, on Windows `cmd.exe /D /S /C`), with nothing on its standard
    /// input, and waits for its end. After `limit` it is killed with all that it has started, and the error is
    /// [`TimedOut`](io::ErrorKind::TimedOut); [`Duration::MAX`] is no limit. Blocks.
    ///
    /// On Unix it is also killed when this process ends, however it ends. Without a terminal a command has a process
    /// group of its own. With a terminal, which a command may use to ask the user, it stays in this process's group,
    /// and what it has started is found by `/proc` or `ps`.
    pub fn run(&self, command: &str, limit: Duration) -> io::Result<CommandOutput> {
        self.run_until(command, limit, Wait::default(), Box::new(|_| {}))
    }

    /// [`run`](Self::run) on a thread of its own. The command is also killed when the future is dropped. `heard` gets
    /// what it prints on standard error as it comes; a fake command prints nothing before its end.
    #[cfg(feature = "chain")]
    pub(crate) async fn run_aside(
        &self,
        command: &str,
        limit: Duration,
        heard: Hear,
    ) -> io::Result<CommandOutput> {
        let (context, command, wait) = (self.clone(), command.to_owned(), Wait::default());
        let _give_up = wait.give_up();
        on_own_thread(move || context.run_until(&command, limit, wait, heard)).await
    }

    fn run_until(
        &self,
        command: &str,
        limit: Duration,
        wait: Wait,
        heard: Hear,
    ) -> io::Result<CommandOutput> {
        match &self.world {
            World::Real => wait.run(command, limit, heard),
            World::Fake(fake) => (fake.commands)(command),
        }
    }

    /// The user's home folder: `HOME`, or else `USERPROFILE`, or else on Windows `HOMEDRIVE` with `HOMEPATH`.
    pub fn home(&self) -> Option<PathBuf> {
        let in_two = || Some(self.env("HOMEDRIVE")? + &self.env("HOMEPATH")?);
        let home = self.env("HOME").or_else(|| self.env("USERPROFILE"));
        home.or_else(|| in_two().filter(|_| cfg!(windows))).map(PathBuf::from)
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

    /// The folder for state such as a history: `pumice` in the platform's state folder, which is `XDG_STATE_HOME` or
    /// `~/.local/state`, on macOS `~/Library/Application Support`, on Windows `LOCALAPPDATA`.
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

    /// The time by AWS's clock, as far as responses have shown that this machine's is off.
    pub(crate) fn service_time(&self) -> SystemTime {
        self.by_service_clock(self.now())
    }

    /// A time of this machine's clock by AWS's.
    pub(crate) fn by_service_clock(&self, time: SystemTime) -> SystemTime {
        match self.learned.skew.seconds() {
            0 => time,
            _ if self.trusts_clock() => time,
            seconds => skew::shifted(time, seconds),
        }
    }

    /// Learns from a response of AWS how far this machine's clock is off; `sent` is when the request was. Returns the
    /// difference in seconds if it is new and heeded from now on.
    pub(crate) fn learn_clock(&self, headers: &HeaderMap, sent: SystemTime) -> Option<i64> {
        self.learned.skew.learn(headers, sent, self.now()).filter(|_| !self.trusts_clock())
    }

    /// The error of a request, if it may be due to the clock. `learned`: what [`learn_clock`](Self::learn_clock)
    /// returned for the response.
    pub(crate) fn explained_by_clock(&self, error: Error, learned: Option<i64>) -> Error {
        match learned {
            Some(seconds) => skew::explained(error, seconds, true),
            None if self.trusts_clock() => skew::explained(error, self.learned.skew.seconds(), false),
            None => error,
        }
    }

    /// The error of credentials that expired at `end` by this machine's clock, if not by AWS's.
    pub(crate) fn explained_expiry(&self, error: Error, end: SystemTime) -> Error {
        let seconds = self.learned.skew.seconds();
        let is_valid = seconds < 0 && skew::shifted(self.now(), seconds) < end;
        if is_valid { error.with_hint(Hint::CheckClock { seconds }) } else { error }
    }

    /// Whether signatures are dated by this machine's clock, whatever the service's says.
    fn trusts_clock(&self) -> bool {
        let set = self.env("AWS_DISABLE_CLOCK_SKEW_CORRECTION");
        set.is_some_and(|value| value.eq_ignore_ascii_case("true"))
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

    /// Whether a file is in the process's current folder, or below it.
    #[cfg(feature = "settings")]
    pub(crate) fn is_in_current_folder(&self, path: &Path) -> bool {
        if self.is_fake() {
            return path.is_relative();
        }
        // What cannot be found out counts as in it.
        let folder = fs::canonicalize(".");
        fs::canonicalize(path).map_or(true, |path| folder.map_or(true, |folder| path.starts_with(folder)))
    }

    /// A configured path; `~/` at its beginning is the home folder, on Windows `~\` too.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        let in_home = text.strip_prefix("~/").or_else(|| text.strip_prefix("~\\").filter(|_| cfg!(windows)));
        match (in_home, self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => text.into(),
        }
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

/// Does blocking work on a thread of its own. A runtime that is dropped waits for its own blocking threads; nothing
/// waits for this one.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        // The receiver may have been dropped.
        let _ = sender.send(work());
    })?;
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the thread ended without a result")))
}

/// A limit that can be added to the time of any clock: at most a century.
pub(crate) fn bounded(limit: Duration) -> Duration {
    limit.min(Duration::from_hours(100 * 365 * 24))
}

/// The longest file, in bytes. Settings, credentials and caches have a few thousand.
const LONGEST_FILE: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_the_platforms() {
        let context = Context::fake().with_env("HOME", "/home/x");
        let folders =
            |context: &Context| [context.cache_folder(), context.config_folder(), context.state_folder()];
        let of = |names: [&str; 3]| names.map(|name| Some(PathBuf::from(name).join("pumice")));
        match std::env::consts::OS {
            "windows" => {
                let context = context
                    .with_env("LOCALAPPDATA", r"C:\Users\x\AppData\Local")
                    .with_env("APPDATA", r"C:\Users\x\AppData\Roaming")
                    .with_env("XDG_CONFIG_HOME", "relative");
                let [local, roaming] = [r"C:\Users\x\AppData\Local", r"C:\Users\x\AppData\Roaming"];
                assert_eq!(folders(&context), of([local, roaming, local]));
            }
            "macos" => {
                let support = "/home/x/Library/Application Support";
                assert_eq!(folders(&context), of(["/home/x/Library/Caches", support, support]));
            }
            _ => {
                let names = ["/home/x/.cache", "/home/x/.config", "/home/x/.local/state"];
                assert_eq!(folders(&context), of(names));
            }
        }
    }

    #[test]
    fn the_home_folder_has_several_names() {
        let home = |variables: &[(&str, &str)]| {
            let context = variables
                .iter()
                .fold(Context::fake(), |context, (name, value)| context.with_env(*name, *value));
            context.home()
        };
        let (profile, drive) = (("USERPROFILE", r"C:\Users\x"), [("HOMEDRIVE", "D:"), ("HOMEPATH", r"\x")]);
        assert_eq!(home(&[("HOME", "/x"), profile]), Some("/x".into()));
        assert_eq!(home(&[profile, drive[0], drive[1]]), Some(r"C:\Users\x".into()));
        assert_eq!(home(&drive), cfg!(windows).then(|| r"D:\x".into()));
        assert_eq!(home(&drive[..1]), None);
    }
}
