//! Every recorded response read as events, with all types of the API: one line of JSON for each, with its text, why it
//! stopped, and the error that it ended with. Then the properties that the codec's own tests check: however a response is
//! cut, its events are the same; an event that is written is read again as itself; a damaged byte is an error.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::panic::PanicInfo;

use bare_metal::{RESPONSES, finish};
use cortex_m_rt::entry;
use cortex_m_semihosting::{hprint, hprintln};
use pumice_codec::converse::{ContentBlock, ContentBlockDeltaEvent, ConverseOutput, ConverseResponse};
use pumice_codec::frame::FrameDecoder;
use pumice_codec::reply::ReplyBuilder;
use pumice_codec::{Error, Event};
use serde_json::{json, to_string};

#[entry]
fn main() -> ! {
    // SAFETY: the first statement of the program.
    unsafe { bare_metal::start() }
    for (name, bytes) in RESPONSES {
        let (events, error) = read(bytes, bytes.len());
        check(bytes, &events, error.as_ref());
        let mut reply = ReplyBuilder::new();
        for event in events {
            reply.push(event);
        }
        let response = reply.finish();
        let error = error.map(|error| error.to_string());
        let stop_reason = response.stop_reason.as_ref().map(|reason| reason.as_str());
        let line =
            json!({"response": name, "text": text(&response), "stopReason": stop_reason, "error": error});
        hprintln!("{}", line);
    }
    finish(true)
}

/// The events of a response that arrives in pieces of so many bytes, and the error that ends it.
fn read(bytes: &'static [u8], size: usize) -> (Vec<Event>, Option<Error>) {
    let mut decoder = FrameDecoder::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, decoder.finish().err())
}

fn check(bytes: &'static [u8], events: &[Event], error: Option<&Error>) {
    for size in [1, 7, 64] {
        let (found, other) = read(bytes, size);
        assert_eq!(found, events);
        assert_eq!(other.map(|error| error.kind()), error.map(Error::kind));
    }
    for event in events {
        if let Event::ContentBlockDelta(delta) = event {
            let json = to_string(delta).expect("an event is JSON");
            assert_eq!(
                serde_json::from_str::<ContentBlockDeltaEvent>(&json).expect("and is read again"),
                *delta
            );
        }
    }
    if let Some([a, b, c, d, ..]) = bytes.get(..16) {
        let first = bytes.get(..u32::from_be_bytes([*a, *b, *c, *d]) as usize).unwrap_or_default();
        for at in 0..first.len() {
            let mut damaged = first.to_vec();
            damaged[at] ^= 1;
            let mut decoder = FrameDecoder::new();
            decoder.push(damaged);
            assert!(!matches!(decoder.next_frame(), Ok(Some(_))), "byte {at}");
        }
    }
}

fn text(response: &ConverseResponse) -> String {
    let Some(ConverseOutput::Message(message)) = &response.output else { return String::new() };
    let texts = message.content.iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[panic_handler]
fn panicked(panic: &PanicInfo<'_>) -> ! {
    hprint!("{}\n", panic);
    finish(false)
}
