//! Without the feature `chain`, the AWS files are not read.

use super::Context;

#[derive(Debug, Clone)]
pub(crate) struct AwsFiles;

impl Context {
    #[allow(clippy::unused_self, reason = "with the feature it reads the files of the context")]
    pub(crate) fn aws_files(&self) -> AwsFiles {
        AwsFiles
    }
}
