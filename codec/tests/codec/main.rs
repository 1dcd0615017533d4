//! The codec: frames, and the API's types.

mod event;
mod frame;
mod round_trip;
