//! Many requests: from a file of lines, from this machine.
//!
//! [`Record`] and [`RecordResult`] are lines of the files that Bedrock's batch inference reads and writes; [`Lines`]
//! reads such files without holding them.

mod line;

pub use line::{Line, Lines, Record, RecordError, RecordResult};
