//! The body of a response as hyper sends it. It is polled by the connection: when the client does not read, nothing more
//! is read from Bedrock, and when the client leaves, the body is dropped, which closes the connection to Bedrock.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::record::Tally;

/// A response.
pub(crate) type Response = http::Response<Outgoing>;

/// A body.
pub(crate) enum Outgoing {
    /// Known as a whole. The call is recorded when it has been handed over.
    Whole(Option<Bytes>, Option<Tally>),
    /// Read from Bedrock.
    Stream(Gathered),
}

/// Pieces of a body as they arrive.
pub(crate) trait Pieces: Send {
    /// The next piece. `None` is the end; an error closes the connection.
    fn poll_piece(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>>;
}

/// Pieces, gathered as far as they have arrived. The connection to Bedrock hands over one piece each time its task runs,
/// and each would be a write of its own: that is most of the time that a response takes.
pub(crate) struct Gathered {
    pieces: Pin<Box<dyn Pieces>>,
    first: Bytes,
    more: BytesMut,
    /// How often the other tasks have run since the last piece.
    yields: u8,
    /// Whether no piece follows.
    has_ended: bool,
    /// What comes after the pieces.
    error: Option<pumice::Error>,
    /// Whether the connection may have written all pieces.
    is_written: bool,
}

impl Gathered {
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>> {
        while !self.has_ended && self.first.len() + self.more.len() < LARGE {
            match self.pieces.as_mut().poll_piece(task) {
                Poll::Ready(Some(Ok(piece))) => {
                    self.yields = 0;
                    if self.first.is_empty() {
                        self.first = piece;
                    } else {
                        self.more.extend_from_slice(&piece);
                    }
                }
                Poll::Ready(end) => {
                    self.has_ended = true;
                    self.error = end.and_then(Result::err);
                }
                Poll::Pending if self.first.is_empty() => return Poll::Pending,
                Poll::Pending if self.yields >= YIELDS => break,
                Poll::Pending => {
                    self.yields += 1;
                    task.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        if self.first.is_empty() {
            if self.error.is_some() && !self.is_written {
                // At an error hyper closes the connection without what it has not written yet: with the end of what
                // arrived, or with the head of the response. It writes while it waits.
                self.is_written = true;
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(self.error.take().map(Err));
        }
        let first = std::mem::take(&mut self.first);
        if self.more.is_empty() {
            return Poll::Ready(Some(Ok(first)));
        }
        let mut whole = BytesMut::with_capacity(first.len() + self.more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&self.more);
        self.more.clear();
        Poll::Ready(Some(Ok(whole.freeze())))
    }
}

impl Outgoing {
    pub(crate) fn stream(pieces: impl Pieces + 'static) -> Self {
        Self::Stream(Gathered {
            pieces: Box::pin(pieces),
            first: Bytes::new(),
            more: BytesMut::new(),
            yields: 0,
            has_ended: false,
            error: None,
            is_written: false,
        })
    }

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
            Self::Stream(pieces) => pieces.poll(task).map_ok(Frame::data),
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

/// A piece takes the connection's task and its sender's.
const YIELDS: u8 = 3;
/// How much is gathered of what has arrived already, in bytes. With one more event it fits into 16 KiB, as which a buffer
/// that doubles is allocated: several of them wait for a client that does not read.
pub(crate) const LARGE: usize = 15 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use tokio::sync::mpsc::{Receiver, channel};

    impl Pieces for Receiver<pumice::Result<Bytes>> {
        fn poll_piece(
            mut self: Pin<&mut Self>,
            task: &mut Context<'_>,
        ) -> Poll<Option<pumice::Result<Bytes>>> {
            self.poll_recv(task)
        }
    }

    async fn next(body: &mut Outgoing) -> Option<pumice::Result<Bytes>> {
        let frame = poll_fn(|task| Pin::new(&mut *body).poll_frame(task)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn pieces_that_come_one_by_one_are_sent_together_and_none_waits_for_another() {
        let (sender, pieces) = channel(1);
        let mut body = Outgoing::stream(pieces);
        let (go, mut wait) = channel::<()>(1);
        tokio::spawn(async move {
            for piece in ["a", "b", "c"] {
                sender.send(Ok(piece.into())).await.unwrap();
            }
            wait.recv().await;
            sender.send(Ok("d".into())).await.unwrap();
            sender.send(Err(pumice::Error::new(pumice::ErrorKind::BrokenOff, "broken"))).await.unwrap();
        });
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "abc");
        go.send(()).await.unwrap();
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "d", "before the error");
        assert!(next(&mut body).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_flood_is_sent_in_bounded_pieces() {
        let (sender, pieces) = channel(1);
        let mut body = Outgoing::stream(pieces);
        tokio::spawn(async move {
            for _ in 0..100 {
                sender.send(Ok(vec![b'x'; 1000].into())).await.unwrap();
            }
        });
        let mut total = 0;
        while let Some(piece) = next(&mut body).await {
            let piece = piece.unwrap();
            assert!(piece.len() <= LARGE + 1000);
            total += piece.len();
        }
        assert_eq!(total, 100_000);
    }
}
