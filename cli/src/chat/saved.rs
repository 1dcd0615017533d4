//! Where conversations are saved by name: in the state folder.

use std::path::PathBuf;

use pumice::context::Context;

use crate::failure::Failure;

/// The file of a conversation. Its folder is created, for the user only.
pub(super) fn file(name: &str) -> Result<PathBuf, Failure> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(fits) || name.starts_with(['.', '-']) || name.len() > LONGEST_NAME {
        return Err(Failure::usage(format!(
            "--session: expected a name of at most {LONGEST_NAME} letters, digits, -, _ and ., not beginning with - \
             or ., found {name:?}"
        )));
    }
    let folder = folder()?;
    Context::real().create_private_folder(&folder).map_err(|error| {
        Failure::usage(format!("{}: the folder cannot be created: {error}", folder.display()))
    })?;
    Ok(folder.join(name.to_owned() + EXTENSION))
}

/// The folder of these files, which may not exist.
pub(super) fn folder() -> Result<PathBuf, Failure> {
    let folder = Context::real().state_folder().ok_or_else(|| {
        Failure::usage("there is no folder for saved conversations").hint("set HOME, or use --save FILE")
    })?;
    Ok(folder.join("conversations"))
}

pub(super) const EXTENSION: &str = ".json";
/// The longest name of a conversation.
const LONGEST_NAME: usize = 64;
