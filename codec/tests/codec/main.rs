//! The codec: frames, and the API's types.

mod frame;
mod round_trip;
