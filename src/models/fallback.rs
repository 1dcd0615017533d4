//! What an error says about the model that was called.

use crate::refusal::wording::{Meaning, meaning};
use crate::{Error, ErrorKind};

/// Whether another model may serve the call that failed like this: the model does not exist here, is not open to
/// the account, or cannot respond now. What is wrong with the request is wrong with any model.
///
/// ```
/// use pumice::models::is_unavailable;
/// use pumice::{Error, ErrorKind};
///
/// assert!(is_unavailable(&Error::new(ErrorKind::Throttled, "slow down")));
/// assert!(!is_unavailable(&Error::new(ErrorKind::Validation, "messages: expected at least one")));
/// ```
pub fn is_unavailable(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::AccessDenied
        | ErrorKind::NotFound
        | ErrorKind::QuotaExceeded
        | ErrorKind::ModelError
        | ErrorKind::ModelTimeout
        | ErrorKind::ModelNotReady
        | ErrorKind::Throttled
        | ErrorKind::Internal
        | ErrorKind::Unavailable
        | ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::BrokenOff => true,
        // The service has one code for a wrong request and for a model that cannot be called like this.
        ErrorKind::Validation => {
            let of_request = [Meaning::TooLong, Meaning::TooLongWithOutput, Meaning::TooStrict];
            let of_request = meaning(error).is_none_or(|meaning| of_request.contains(&meaning));
            !of_request || error.message().to_lowercase().contains("inference profile")
        }
        _ => false,
    }
}

/// Whether there is no such model in the region.
pub fn is_unknown_model(error: &Error) -> bool {
    meaning(error) == Some(Meaning::UnknownModel)
}
