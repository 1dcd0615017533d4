//! The smallest use of the codec: bytes of a response in, its text out. It has neither serde nor the types of events.

#![no_std]
#![no_main]

use core::panic::PanicInfo;

use bare_metal::finish;
use cortex_m_rt::entry;
use cortex_m_semihosting::hio::hstdout;
use pumice_codec::frame::FrameDecoder;

#[entry]
fn main() -> ! {
    // SAFETY: the first statement of the program.
    unsafe { bare_metal::start() }
    finish(print(RESPONSE).is_some())
}

/// Prints the text of a response that arrives in pieces, as a modem would give them.
fn print(response: &'static [u8]) -> Option<()> {
    let mut console = hstdout().ok()?;
    let mut decoder = FrameDecoder::new();
    for piece in response.chunks(64) {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame().ok()? {
            match frame.text_delta() {
                Some(text) => console.write_all(text.as_bytes()).ok()?,
                // An exception or an error ends the response.
                None => (frame.message_type() == Some("event")).then_some(())?,
            }
        }
    }
    console.write_all(b"\n").ok()?;
    decoder.finish().ok()
}

static RESPONSE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/text-1"));

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    finish(false)
}
