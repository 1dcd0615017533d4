//! No backtraces in a program that aborts on panic: it has no unwind tables, so there are no frames to show.
//!
//! size: 174,000 bytes, because link-time optimization then removes the standard library's reader of symbols.
//! It is the only `unsafe` of the program: an attribute, because another definition of this name would be overridden.

/// `_URC_END_OF_STACK` of the [Itanium C++ ABI](https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html): there are no
/// frames. Neither argument is looked at.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_: *const (), _: *const ()) -> i32 {
    5
}
