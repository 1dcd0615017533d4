//! The codec alone: prints the text of an event stream on standard input.

use std::error::Error;
use std::io::{Read as _, Write as _, stdin, stdout};

use pumice::Event;
use pumice::frame::FrameDecoder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut decoder = FrameDecoder::new();
    let mut buffer = vec![0; 1 << 14];
    loop {
        let length = stdin().read(&mut buffer)?;
        if length == 0 {
            return Ok(decoder.finish()?);
        }
        decoder.push(buffer[..length].to_vec());
        while let Some(frame) = decoder.next_frame()? {
            if let Event::ContentBlockDelta(event) = Event::from_frame(&frame)? {
                stdout().write_all(event.delta.as_text().unwrap_or_default().as_bytes())?;
            }
        }
    }
}
