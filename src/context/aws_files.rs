//! The paths and the contents of the two AWS files.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Context;
use crate::aws_files::Profiles;
use crate::{Error, ErrorKind, Result};

/// The two AWS files, read and parsed once for a call. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct AwsFiles {
    profiles: Result<Arc<Profiles>>,
    /// A hash of their texts, to notice changes.
    pub(crate) mark: u64,
}

impl AwsFiles {
    /// What they say. Fails if a file cannot be read or parsed.
    pub(crate) fn profiles(&self) -> Result<&Profiles> {
        self.profiles.as_deref().map_err(Error::clone)
    }
}

impl Context {
    /// The profile to use: the named one, else that of `AWS_PROFILE` or `AWS_DEFAULT_PROFILE`, else `default`.
    pub fn profile_name(&self, named: Option<&str>) -> String {
        self.profile_name_or(named, None)
    }

    /// The same, with the name to use in place of `default`.
    pub(crate) fn profile_name_or(&self, named: Option<&str>, fallback: Option<&str>) -> String {
        let in_env = || self.env("AWS_PROFILE").or_else(|| self.env("AWS_DEFAULT_PROFILE"));
        named.map(str::to_owned).or_else(in_env).unwrap_or_else(|| fallback.unwrap_or("default").to_owned())
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
        self.aws_files().profiles.map(Arc::unwrap_or_clone)
    }

    /// Reads the two AWS files.
    pub(crate) fn aws_files(&self) -> AwsFiles {
        let mut hasher = DefaultHasher::new();
        let files = [self.config_file(), self.credentials_file()].map(|path| self.read_aws_file(path));
        for file in &files {
            match file {
                Ok(file) => file.as_ref().map(|(_, text)| text.as_str()).hash(&mut hasher),
                Err(error) => error.message().hash(&mut hasher),
            }
        }
        let [config, credentials] = files;
        let profiles = config.and_then(|config| {
            let credentials = credentials?;
            Profiles::parse(
                config.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
                credentials.as_ref().map(|(path, text)| (path.as_str(), text.as_str())),
            )
        });
        AwsFiles { profiles: profiles.map(Arc::new), mark: hasher.finish() }
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
        let unreadable = |fault: &dyn fmt::Display| {
            let message = format!("the AWS file {} cannot be read: {fault}", path.display());
            Error::new(ErrorKind::Credentials, message)
        };
        let Some(content) = self.read_file(&path).map_err(|error| unreadable(&error))? else {
            return Ok(None);
        };
        // PowerShell writes UTF-16.
        let is_utf16 = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
        let found = if is_utf16 { "it is UTF-16: save it as UTF-8" } else { "it is not UTF-8" };
        let text = String::from_utf8(content).map_err(|_| unreadable(&found))?;
        Ok(Some((path.display().to_string(), Zeroizing::new(text))))
    }
}
