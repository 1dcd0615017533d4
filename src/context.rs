//! The world as the client sees it: environment, files, clock and chance. The real one, or one made
//! for a test; nothing else in the library looks at the process it runs in.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};
use crate::profile::Profiles;

/// Environment, files, clock and chance; see the [module](self).
///
/// ```
/// use pumice::context::Context;
///
/// let context = Context::made()
///     .with_env("AWS_REGION", " eu-central-1\n")
///     .with_env("AWS_PROFILE", "");
/// assert_eq!(context.env("AWS_REGION").as_deref(), Some("eu-central-1"));
/// assert_eq!(context.env("AWS_PROFILE"), None);
/// ```
#[derive(Clone, Default)]
pub struct Context(World);

#[derive(Clone, Default)]
enum World {
    #[default]
    Real,
    Made(Made),
}

#[derive(Clone)]
struct Made {
    env: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Context {
    /// The process's own environment, files and clock.
    pub fn real() -> Self {
        Self(World::Real)
    }

    /// A world with no variables and no files, in which it is 1970 and chance always says 0: retries follow
    /// without a pause.
    pub fn made() -> Self {
        Self(World::Made(Made {
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            clock: Arc::new(|| SystemTime::UNIX_EPOCH),
        }))
    }

    /// Sets a variable. In the real world this has no effect.
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let World::Made(made) = &mut self.0 {
            made.env.insert(name.into(), value.into());
        }
        self
    }

    /// Adds a file. In the real world this has no effect.
    pub fn with_file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        if let World::Made(made) = &mut self.0 {
            made.files.insert(path.into(), content.into());
        }
        self
    }

    /// Sets the clock. In the real world this has no effect.
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        if let World::Made(made) = &mut self.0 {
            made.clock = Arc::new(clock);
        }
        self
    }

    /// The value of a variable, without white space around it. Blank is unset.
    pub fn env(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            World::Real => std::env::var_os(name)?.to_string_lossy().into_owned(),
            World::Made(made) => made.env.get(name)?.clone(),
        };
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// The content of a file, or `None` if there is no such file.
    pub fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let read = match &self.0 {
            World::Real => std::fs::read(path),
            World::Made(made) => made.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
        };
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.env("HOME").or_else(|| self.env("USERPROFILE")).map(PathBuf::from)
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            World::Real => SystemTime::now(),
            World::Made(made) => (made.clock)(),
        }
    }

    /// A number that differs each time, for delays and ids: not for secrets.
    pub(crate) fn random(&self) -> u64 {
        match &self.0 {
            // Each `RandomState` has keys of its own, and what it makes of nothing is as good as random.
            World::Real => RandomState::new().hash_one(()),
            World::Made(_) => 0,
        }
    }

    /// The profile to use: the one that is named, else `AWS_PROFILE`, else `default`.
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

    /// What the two AWS files say. A file that does not exist says nothing.
    pub fn profiles(&self) -> Result<Profiles> {
        let config = self.read_aws_file(self.config_file())?;
        let credentials = self.read_aws_file(self.credentials_file())?;
        Profiles::parse(
            config.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
            credentials.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
        )
    }

    fn aws_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let Some(path) = self.env(variable) else { return Some(self.home()?.join(".aws").join(name)) };
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path.into()),
        }
    }

    /// The path, for messages, and the text of an AWS file.
    fn read_aws_file(&self, path: Option<PathBuf>) -> Result<Option<(String, String)>> {
        let Some(path) = path else { return Ok(None) };
        let shown = path.display().to_string();
        let unreadable = |fault: &dyn fmt::Display| {
            Error::new(ErrorKind::Credentials, format!("the AWS file {shown} cannot be read: {fault}"))
        };
        let Some(content) = self.read_file(&path).map_err(|error| unreadable(&error))? else {
            return Ok(None);
        };
        let text = String::from_utf8(content).map_err(|_| unreadable(&"it is not UTF-8"))?;
        Ok(Some((shown, text)))
    }
}

impl fmt::Debug for Context {
    /// Shows the names of what was made, and no values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            World::Real => f.write_str("Context::real()"),
            World::Made(made) => f
                .debug_struct("Context::made()")
                .field("env", &made.env.keys())
                .field("files", &made.files.keys())
                .finish_non_exhaustive(),
        }
    }
}
