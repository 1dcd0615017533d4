//! The server that plays plans, exact to the byte. It has no clock of its own.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Keys;

/// One thing that the server does.
#[derive(Debug, Clone)]
pub enum Act {
    Write(Vec<u8>),
    /// Repeats this until the client disconnects.
    Endless(Vec<u8>),
    /// Waits until the client has delivered this much.
    Await(Mark),
    /// Waits, then goes on.
    Pause(Duration),
    /// Sends nothing more. The client must disconnect after this time, and no earlier.
    Silence(Duration),
    Close,
    Reset,
}

/// How much of a response has been delivered: events, and bytes of text in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub events: usize,
    pub text: usize,
}

/// Passes time for the server: a pause, or a silence (`true`).
pub type Clock = Arc<dyn Fn(Duration, bool) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What the server does, and what it has seen.
pub struct Stage {
    calls: Mutex<VecDeque<Vec<Act>>>,
    sources: Mutex<VecDeque<Vec<Act>>>,
    /// The response after the end of the plan.
    healthy: Vec<Act>,
    over: AtomicBool,
    /// The number of the keys of each call.
    seen: Mutex<Vec<usize>>,
    /// The most that was written of an endless response.
    endless: AtomicUsize,
    delivered: watch::Receiver<Mark>,
    clock: Clock,
}

impl Stage {
    pub fn new(
        calls: Vec<Vec<Act>>,
        sources: Vec<Vec<Act>>,
        healthy: Vec<Act>,
        delivered: watch::Receiver<Mark>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::new(calls.into()),
            sources: Mutex::new(sources.into()),
            healthy,
            over: AtomicBool::new(false),
            seen: Mutex::default(),
            endless: AtomicUsize::new(0),
            delivered,
            clock,
        })
    }

    /// From now on there are no faults.
    pub fn end_plan(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// The numbers of the keys that the calls were signed with.
    pub fn seen(&self) -> Vec<usize> {
        self.seen.lock().unwrap().clone()
    }

    /// How many bytes were written of an endless response.
    pub fn endless(&self) -> usize {
        self.endless.load(Ordering::SeqCst)
    }

    /// Responds as the plan says. A request after its end gets no response, and the client must disconnect. Serves until
    /// the client has closed its last connection and this future is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let stage = Arc::clone(&self);
            // A client that disconnects ends it. The test checks what the client got.
            tokio::spawn(async move {
                let _ = stage.converse(stream).await;
            });
        }
    }

    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(head) = request(&mut stream).await? {
            for act in self.acts_for(&head) {
                match act {
                    Act::Write(bytes) => {
                        stream.get_mut().write_all(&bytes).await?;
                        // So that the client reads what follows separately.
                        tokio::task::yield_now().await;
                    }
                    Act::Endless(bytes) => {
                        let mut written = 0;
                        loop {
                            stream.get_mut().write_all(&bytes).await?;
                            written += bytes.len();
                            self.endless.fetch_max(written, Ordering::SeqCst);
                        }
                    }
                    Act::Await(mark) => {
                        let enough = |found: &Mark| found.events >= mark.events && found.text >= mark.text;
                        if self.delivered.clone().wait_for(enough).await.is_err() {
                            return Ok(());
                        }
                    }
                    // If the client disconnects, the time need not pass.
                    Act::Pause(time) => tokio::select! {
                        () = (self.clock)(time, false) => {}
                        _ = stream.fill_buf() => return Ok(()),
                    },
                    Act::Silence(time) => {
                        tokio::select! {
                            () = (self.clock)(time, true) => {}
                            _ = stream.fill_buf() => return Ok(()),
                        }
                        stream.fill_buf().await?;
                        return Ok(());
                    }
                    Act::Close => return Ok(()),
                    Act::Reset => return stream.get_ref().set_zero_linger(),
                }
            }
        }
        Ok(())
    }

    fn acts_for(&self, head: &str) -> Vec<Act> {
        let over = self.over.load(Ordering::SeqCst);
        if head.starts_with("GET /credentials ") {
            return if over {
                Keys::Good(0).acts()
            } else {
                self.sources.lock().unwrap().pop_front().unwrap_or_default()
            };
        }
        let key = head.split("Credential=AKID").nth(1).and_then(|rest| rest.split('/').next());
        self.seen.lock().unwrap().push(key.and_then(|key| key.parse().ok()).unwrap_or(usize::MAX));
        if over {
            return self.healthy.clone();
        }
        self.calls.lock().unwrap().pop_front().unwrap_or_default()
    }
}

/// Reads a request and returns its head, or `None` if the client has closed the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let length = head
        .to_lowercase()
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(head))
}
