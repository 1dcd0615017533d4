//! `pumice stream --session`: many conversations in one process, which share credentials and connections.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use pumice::pi::{self, AssistantEvent, AssistantStream, Input, Model, Options, ResponseBuilder, StopReason};
use pumice::shape::{Document, Members};
use pumice::{Error, ErrorKind};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::interrupt::Interrupt;
use crate::lines;
use crate::output::{Output, Report};
use crate::session::{self, Session};

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let mut output = greeted();
    output.flush()?;
    crate::open_many_files();
    let first = match Session::new(args, report) {
        Ok(session) => Arc::new(session),
        Err(failure) => return Err(refused(failure, &mut output)),
    };
    input::announce("a JSON object per line", report);
    let mut interrupt = Interrupt::new(false);
    let (said, events) = channel(KEPT);
    let mut work = Work {
        sessions: Sessions { first, others: Vec::new(), args, report },
        lines: Some(lines::of_stdin()),
        running: HashMap::new(),
        said,
        events,
    };
    let result = loop {
        let waited = match work.ready() {
            // Nothing more has happened: the wait flushes what has been printed.
            None => match interrupt.unless(output.wait_for(work.next())).await {
                Some(next) => next,
                None => break work.abort_all(&mut output).await,
            },
            Some(happened) => Ok(Some(happened)),
        };
        match waited {
            Ok(Some(happened)) => work.take(happened, &mut output),
            Ok(None) => break output.flush(),
            Err(failure) => break Err(failure),
        }
    };
    interrupt.end();
    result
}

/// Standard output with the first line.
pub(super) fn greeted() -> Output {
    let (mut output, version) = (Output::new(), env!("CARGO_PKG_VERSION"));
    output.json_line(&format!(r#"{{"type":"hello","version":"{version}","protocol":{PROTOCOL}}}"#));
    output
}

/// Prints why the session cannot begin.
pub(super) fn refused(failure: Failure, output: &mut Output) -> Failure {
    output.json_line(&failed(None, &failure));
    output.flush().err().unwrap_or(failure)
}

/// What happened next.
enum Happened {
    /// A line arrived; `None` at the end of the input.
    Line(Option<Result<String, Failure>>),
    /// A conversation has something to print.
    Said(Said),
}

/// An event of a conversation, as JSON.
struct Said {
    id: String,
    json: String,
    is_last: bool,
}

struct Work<'a> {
    sessions: Sessions<'a>,
    /// `None` at the end of the input.
    lines: Option<Receiver<Result<String, Failure>>>,
    /// Aborts a conversation that runs, by its id as JSON. `None` once it is aborted.
    running: HashMap<String, Option<oneshot::Sender<()>>>,
    /// For the conversations.
    said: Sender<Said>,
    events: Receiver<Said>,
}

impl Work<'_> {
    /// What has happened already.
    fn ready(&mut self) -> Option<Happened> {
        self.events.try_recv().ok().map(Happened::Said)
    }

    /// Waits for what happens next. `None` after the end of the input, when nothing runs any more.
    async fn next(&mut self) -> Option<Happened> {
        if self.lines.is_none() && self.running.is_empty() {
            return None;
        }
        poll_fn(|task| {
            if let Poll::Ready(Some(said)) = self.events.poll_recv(task) {
                return Poll::Ready(Some(Happened::Said(said)));
            }
            match &mut self.lines {
                Some(lines) => lines.poll_recv(task).map(|line| Some(Happened::Line(line))),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn take(&mut self, happened: Happened, output: &mut Output) {
        match happened {
            Happened::Said(said) => {
                output.json_line(&said.json);
                if said.is_last {
                    self.running.remove(&said.id);
                }
            }
            Happened::Line(None) => self.lines = None,
            Happened::Line(Some(Ok(line))) if line.trim().is_empty() => {}
            Happened::Line(Some(line)) => {
                let mut id = None;
                if let Err(failure) = self.begin(line, &mut id) {
                    output.json_line(&failed(id.as_deref(), &failure));
                }
            }
        }
    }

    /// Begins the conversation of a line, or aborts one. `failed` becomes the id of a conversation that cannot begin.
    fn begin(&mut self, line: Result<String, Failure>, failed: &mut Option<String>) -> Result<(), Failure> {
        let line = line?;
        let (id, abort) = head(&line)?;
        if abort {
            // One that has ended meanwhile is none to abort.
            if let Some(abort) = self.running.get_mut(&id).and_then(Option::take) {
                let _ = abort.send(());
            }
            return Ok(());
        }
        if self.running.contains_key(&id) {
            let message = format!("the conversation {id} has not ended: its id cannot be used again yet");
            return Err(Failure::usage(message));
        }
        *failed = Some(id.clone());
        let input = Input::from_json(&line)?;
        let session = self.sessions.of(&input)?;
        let (abort, aborted) = oneshot::channel();
        self.running.insert(id.clone(), Some(abort));
        let report = self.sessions.report.clone();
        let conversation = Conversation { id, said: self.said.clone(), aborted, report };
        tokio::spawn(conversation.run(session, input));
        Ok(())
    }

    /// Ends each running conversation, and prints its last event.
    async fn abort_all(&mut self, output: &mut Output) -> Result<(), Failure> {
        self.lines = None;
        for abort in self.running.values_mut().filter_map(Option::take) {
            let _ = abort.send(());
        }
        while let Some(happened) = self.next().await {
            self.take(happened, output);
        }
        output.flush()
    }
}

/// The id of a line, as JSON, and whether the line aborts.
fn head(line: &str) -> Result<(String, bool), Failure> {
    let expected = "expected one JSON object per line, with an id: {\"id\": …, \"model\": …, \"context\": …}";
    let members = serde_json::from_str::<Members>(line)
        .map_err(|error| Failure::usage(format!("{expected}, found something else: {error}")))?;
    let id = members.named("id").map(Document::text).filter(|id| {
        // Anything else would be too much to repeat in each event.
        id.starts_with(['"', '-']) || id.starts_with(|first: char| first.is_ascii_digit())
    });
    let id = id.ok_or_else(|| Failure::usage("id: expected a string or a number"))?;
    // However its characters are escaped. One that no text can hold stays as it was written.
    let id =
        serde_json::from_str::<String>(id).map_or_else(|_| id.to_owned(), |id| Value::from(id).to_string());
    match members.named("abort").map(Document::text) {
        None | Some("false" | "null") => Ok((id, false)),
        Some("true") => Ok((id, true)),
        Some(_) => Err(Failure::usage("abort: expected true or false")),
    }
}

/// What calls are made with: one for all conversations, and others for those that name a region, a profile, a project,
/// a key, headers or a URL of their own.
struct Sessions<'a> {
    first: Arc<Session>,
    /// With what inputs say of them; the one that was used last is the last.
    others: Vec<(String, Arc<Session>)>,
    args: &'a Args,
    report: &'a Report,
}

impl Sessions<'_> {
    fn of(&mut self, input: &Input) -> Result<Arc<Session>, Failure> {
        let mut model = Model::new("");
        model.base_url.clone_from(&input.model.base_url);
        model.headers.clone_from(&input.model.headers);
        let mut own = Options::new();
        if let Some(options) = &input.options {
            own.region.clone_from(&options.region);
            own.profile.clone_from(&options.profile);
            own.project.clone_from(&options.project);
            own.bearer_token.clone_from(&options.bearer_token);
            own.api_key.clone_from(&options.api_key);
            own.headers.clone_from(&options.headers);
        }
        if model == Model::new("") && own == Options::new() {
            return Ok(Arc::clone(&self.first));
        }
        let key = serde_json::to_string(&(&model, &own)).unwrap_or_default();
        let known = self.others.iter().position(|(known, _)| *known == key);
        let session = if let Some(at) = known {
            self.others.remove(at).1
        } else {
            Arc::new(self.first.beside(input.configure(session::base()), self.args, self.report)?)
        };
        if self.others.len() >= MOST_SESSIONS {
            self.others.remove(0);
        }
        self.others.push((key, Arc::clone(&session)));
        Ok(session)
    }
}

/// One conversation, on a task of its own.
struct Conversation {
    id: String,
    said: Sender<Said>,
    aborted: oneshot::Receiver<()>,
    report: Report,
}

impl Conversation {
    async fn run(mut self, session: Arc<Session>, mut input: Input) {
        let mut model = input.model.clone();
        let begun = Box::pin(begin(&session, &mut input, &mut model));
        let begun = until(&mut self.aborted, begun).await;
        let unprepared = || ResponseBuilder::unprepared(&model, SystemTime::now());
        match begun {
            Some(Ok(events)) => self.print(events).await,
            Some(Err(failure)) => {
                let cause = Cause::of(&failure);
                self.say(&unprepared().fail_with(&failure.text()), Some(&cause)).await;
            }
            None => self.say(&unprepared().abort(), None).await,
        }
    }

    async fn print(&mut self, mut events: AssistantStream) {
        for warning in events.warnings() {
            self.report.warning(format_args!("{}: {warning}", self.id));
        }
        loop {
            let next = until(&mut self.aborted, events.next_event()).await;
            let aborted = next.is_none();
            let Some(event) = next.unwrap_or_else(|| events.abort()) else { return };
            let cause = events.failure().map(Cause::of_error);
            self.say(&event, cause.as_ref()).await;
            if aborted {
                return;
            }
        }
    }

    async fn say(&self, event: &AssistantEvent, cause: Option<&Cause>) {
        let json = written(Some(&self.id), event, cause);
        // Nobody hears it when the program ends.
        let _ = self.said.send(Said { id: self.id.clone(), json, is_last: event.is_last() }).await;
    }
}

async fn begin(session: &Session, input: &mut Input, model: &mut Model) -> Result<AssistantStream, Failure> {
    super::prepare(session, input).await?;
    model.clone_from(&input.model);
    Ok(pi::stream(&session.clients.of(&input.model.id), input).await)
}

/// Waits for the work. `None` if the conversation was aborted first.
async fn until<T>(aborted: &mut oneshot::Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|task| match Pin::new(&mut *aborted).poll(task) {
        Poll::Ready(Ok(())) => Poll::Ready(None),
        // Without its other end, nobody aborts it.
        _ => work.as_mut().poll(task).map(Some),
    })
    .await
}

/// Why a conversation failed, for programs to decide by.
struct Cause {
    kind: &'static str,
    retryable: bool,
    retry_after: Option<Duration>,
}

impl Cause {
    fn of_error(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            retryable: error.is_retryable(),
            retry_after: error.retry_after(),
        }
    }

    fn of(failure: &Failure) -> Self {
        let kind = match failure.exit {
            Exit::Usage => ErrorKind::InvalidInput,
            Exit::Access => ErrorKind::Credentials,
            Exit::Temporary => ErrorKind::Unavailable,
            _ => ErrorKind::Service,
        };
        Self { kind: kind.as_str(), retryable: failure.exit == Exit::Temporary, retry_after: None }
    }
}

/// The event of a conversation that did not begin, or of what is none.
fn failed(id: Option<&str>, failure: &Failure) -> String {
    let event = ResponseBuilder::unprepared(&Model::new(""), SystemTime::now()).fail_with(&failure.text());
    written(id, &event, Some(&Cause::of(failure)))
}

/// An event with the id of its conversation and, if it is an error, with its cause.
fn written(id: Option<&str>, event: &AssistantEvent, cause: Option<&Cause>) -> String {
    let json = serde_json::to_string(event).unwrap_or_default();
    let mut text = String::from("{");
    if let Some(id) = id {
        text.extend(["\"id\":", id, ","]);
    }
    if let AssistantEvent::Error { error } = event {
        let stopped = if error.stop_reason == Some(StopReason::Aborted) { "aborted" } else { "stopReason" };
        let (kind, retryable) = cause.map_or((stopped, false), |cause| (cause.kind, cause.retryable));
        // Writing to a string cannot fail.
        let _ = write!(text, "\"kind\":\"{kind}\",\"retryable\":{retryable},");
        if let Some(after) = cause.and_then(|cause| cause.retry_after) {
            let _ = write!(text, "\"retryAfterMs\":{},", after.as_millis());
        }
    }
    text.push_str(json.strip_prefix('{').unwrap_or(&json));
    text
}

/// The version of the protocol: it rises when what programs rely on changes.
const PROTOCOL: u32 = 1;

/// How many events are kept until they are printed.
const KEPT: usize = 64;

/// How many sessions besides the first are kept for further conversations.
const MOST_SESSIONS: usize = 16;
