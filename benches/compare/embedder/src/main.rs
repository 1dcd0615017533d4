//! The least program that embeds pumice: it asks one question and prints the answer's text as it arrives.
//! `embedder ENDPOINT MODEL`; everything else comes from the environment.

use std::env;
use std::error::Error;
use std::io::{BufWriter, Write as _};

use pumice::converse::{ConverseRequest, Message};
use pumice::{Client, Config, Event};

pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments = env::args().collect::<Vec<_>>();
    let [_, endpoint, model] = arguments.as_slice() else { return Err("embedder ENDPOINT MODEL".into()) };
    let client = Client::new(Config::new().endpoint_url(endpoint));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(ask(&client, model))
}

pub async fn ask(client: &Client, model: &str) -> Result<(), Box<dyn Error>> {
    let request = ConverseRequest::new(model).message(Message::user("Why does pumice float?"));
    let mut events = client.converse_stream(&request).await?;
    let mut output = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    loop {
        let event = match events.ready_event()? {
            Some(event) => event,
            None => {
                // Nothing more has arrived: what is here goes out before the wait.
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
