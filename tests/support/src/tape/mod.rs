//! Recordings made from bytes, for a client that replays them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

use std::fmt::Write as _;
use std::sync::Arc;

use pumice::context::Context;
use pumice::retry::Retry;
use pumice::shape::Blob;
use pumice::transport::Replay;
use pumice::{Client, Config};

/// The text of a recording of one ConverseStream call, whose response arrived in these pieces.
pub fn of_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut text = concat!(
        r#"{"recording":{"version":1}}"#,
        "\n",
        r#"{"request":{"exchange":1,"operation":"ConverseStream","method":"POST","#,
        r#""url":"https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream","headers":{},"json":{}}}"#,
        "\n",
        r#"{"response":{"exchange":1,"afterMs":0,"status":200,"headers":{"x-amzn-requestid":"recorded"}}}"#,
        "\n",
    )
    .to_owned();
    for piece in pieces {
        let base64 = Blob::from(piece.to_vec()).to_base64();
        writeln!(text, r#"{{"chunk":{{"exchange":1,"afterMs":0,"base64":"{base64}"}}}}"#).unwrap();
    }
    text.push_str(r#"{"end":{"exchange":1,"afterMs":0}}"#);
    text.push('\n');
    text
}

/// A client that replays the recording, without retries, in an empty fake context.
pub fn client(recording: &str) -> Client {
    let replay = Arc::new(Replay::parse(recording).unwrap());
    let config = Config::new().context(Context::fake()).without_credentials().retry(Retry::never());
    Client::new(config.transport(replay))
}
