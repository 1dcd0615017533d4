//! `pumice token`: a short-term API key, made of the credentials.

use std::time::Duration;

use pumice::Client;
use pumice::date::rfc3339;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let read = |text: &str| text.parse().ok();
    let expected = "a whole number of seconds from 1 to 43200";
    let seconds = args.number("ttl", expected, read, |seconds| (1..=LONGEST).contains(seconds))?;
    let client = Client::new(session::config(args, report)?.watch(report.watcher()));
    let mut output = Output::new();
    let key = client.api_key(Duration::from_secs(seconds.unwrap_or(LONGEST)));
    let key = output.wait_for(key).await??;
    output.text(key.token());
    output.text("\n");
    output.flush()?;
    let end = key.expiration().and_then(rfc3339).unwrap_or_default();
    report.note(format_args!("the key expires at {end}"));
    Ok(())
}

/// 12 hours, in seconds.
const LONGEST: u64 = 43_200;
