//! Where the two AWS files are, and what they say.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Context;
use crate::aws_files::Profiles;
use crate::{Error, ErrorKind, Result};

impl Context {
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
