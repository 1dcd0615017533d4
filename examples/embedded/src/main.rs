//! Asks one question and prints the text of the response as it arrives: `embedded MODEL`.
//!
//! Credentials, region and endpoint come from the environment and the AWS files.

#[cfg(all(panic = "abort", target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
mod backtrace;

use std::env;
use std::error::Error;
use std::io::{BufWriter, Write as _};

use pumice::converse::{ConverseRequest, Message};
use pumice::{Client, Event};

pub fn main() -> Result<(), Box<dyn Error>> {
    let model = env::args().nth(1).ok_or("usage: embedded MODEL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(&Client::from_env(), &model))
}

pub async fn ask(client: &Client, model: &str) -> Result<(), Box<dyn Error>> {
    let request = ConverseRequest::new(model).message(Message::user("Why does pumice float?"));
    let mut events = client.converse_stream(&request).await?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    loop {
        let event = match events.ready_event()? {
            Some(event) => event,
            None => {
                // Nothing more has arrived: print what has, then wait.
                output.flush()?;
                let Some(event) = events.next_event().await? else { return Ok(()) };
                event
            }
        };
        if let Event::ContentBlockDelta(event) = event {
            output.write_all(event.delta.as_text().unwrap_or_default().as_bytes())?;
        }
    }
}
