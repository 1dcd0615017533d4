//! Many requests: from any iterator, or from a file of lines, from this machine.
//!
//! [`Bulk`] sends requests, as many at once as the service allows, and delivers what comes back.
//! [`Record`] and [`RecordResult`] are lines of the files that Bedrock's batch inference reads and writes; [`Lines`]
//! reads such files without holding them. [`JobLines`] and [`JobResults`] are the files of a job. [`Summary`] adds results
//! up.

mod job;
mod line;
mod pace;
mod run;
mod summary;

pub use job::{JobLine, JobLines, JobResults, check_job_name, check_job_uri};
pub use line::{Line, Lines, Record, RecordError, RecordResult};
pub use run::{Bulk, Done};
pub use summary::{Spent, Summary};

use crate::converse::ConverseRequest;

/// The tokens of a request, estimated without asking the service: a token for three and a half characters.
pub fn estimated_tokens(request: &ConverseRequest) -> u64 {
    crate::conversation::estimated_tokens(request)
}
