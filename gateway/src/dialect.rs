//! What a translated dialect is: two pure functions. [`Read`] turns the dialect's request into Converse's, and an
//! [`Encoder`] turns the events of the response into the dialect's own. Between them is `pumice::conversation`, which
//! the server calls.

use pumice::Event;
use pumice::conversation::{Options, ToolNames};
use pumice::converse::{ConverseRequest, ConverseResponse};

use crate::failure::Failure;

/// Reads the body of a request.
pub(crate) type Read = fn(&[u8]) -> Result<Translated, Failure>;

/// A request of a dialect, as Converse's.
pub(crate) struct Translated {
    /// `model_id` is the model as the client names it; the server finds the id to call.
    pub(crate) request: ConverseRequest,
    /// What a `ConverseRequest` has no member for.
    pub(crate) options: Options,
    /// Whether the client wants the response as a stream.
    pub(crate) stream: bool,
    /// What was dropped, in words, for `x-pumice-note`. What `conversation` changes is added by the server.
    pub(crate) notes: Vec<String>,
    /// Writes the response.
    pub(crate) encoder: Box<dyn Encoder>,
}

/// What is known when a response begins.
pub(crate) struct Begin {
    /// The model as the client named it: the response says the same.
    pub(crate) model: String,
    /// Distinguishes this response: letters, digits and hyphens. A dialect puts its own prefix before it.
    pub(crate) id: String,
    /// The time, in seconds since 1970.
    pub(crate) created: u64,
    /// The names of the tools as the client gave them: [`ToolNames::given`].
    pub(crate) names: ToolNames,
}

/// Writes a response in a dialect. Either [`whole`](Self::whole) is called, once, or for a stream
/// [`begin`](Self::begin), [`push`](Self::push) for each event, and at last [`finish`](Self::finish) or
/// [`error`](Self::error). `out` is appended to, and may hold earlier events.
pub(crate) trait Encoder: Send {
    /// The stream begins: the first event has arrived, and follows.
    fn begin(&mut self, begin: Begin, out: &mut Vec<u8>);

    /// An event of the model. This runs once for each event: it must not build intermediate JSON values.
    fn push(&mut self, event: &Event, out: &mut Vec<u8>);

    /// The response is complete.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// The response failed midway.
    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>);

    /// Is sent after 15 seconds without an event.
    fn ping(&self) -> &'static [u8];

    /// A response that was asked for whole, as JSON.
    fn whole(&mut self, begin: Begin, response: ConverseResponse) -> Vec<u8>;
}

/// Ends an event whose data is an object that is still open.
pub(crate) fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}
