//! What both firmwares begin and end with.

#![no_std]

use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// The recorded responses of the repository, by name.
pub static RESPONSES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/responses.rs"));

/// Makes the heap, in which the codec keeps what it has read.
///
/// # Safety
///
/// To be called once, before anything is allocated.
pub unsafe fn start() {
    const SIZE: usize = 256 * 1024;
    // SAFETY: the caller calls this once; the memory is used for nothing else.
    unsafe {
        embedded_alloc::init!(HEAP, SIZE);
    }
}

/// Ends the emulator.
pub fn finish(succeeded: bool) -> ! {
    exit(if succeeded { EXIT_SUCCESS } else { EXIT_FAILURE });
    loop {}
}
