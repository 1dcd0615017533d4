//! The body of a response as hyper sends it. It is polled by the connection: when the client does not read, nothing more
//! is read from Bedrock, and when the client leaves, the body is dropped, which closes the connection to Bedrock.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::record::Tally;

/// A response.
pub(crate) type Response = http::Response<Outgoing>;

/// A body.
pub(crate) enum Outgoing {
    /// Known as a whole. The call is recorded when it has been handed over.
    Whole(Option<Bytes>, Option<Tally>),
    /// Read from Bedrock.
    Stream(Pin<Box<dyn Pieces>>),
}

/// Pieces of a body as they arrive.
pub(crate) trait Pieces: Send {
    /// The next piece. `None` is the end; an error closes the connection.
    fn poll_piece(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>>;
}

impl Outgoing {
    pub(crate) fn empty() -> Self {
        Self::Whole(None, None)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = pumice::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(bytes, tally) => {
                let bytes = bytes.take();
                if let Some(mut tally) = tally.take() {
                    tally.sent(bytes.as_ref().map_or(0, Bytes::len));
                    tally.complete();
                }
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Stream(pieces) => pieces.as_mut().poll_piece(task).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None, None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
