//! Many requests at once: started as the [pace](Pace) allows, refused ones again, results as they come.
//!
//! ```text
//! requests ─▶ start ─▶ under way ──▶ response or error ─▶ sink
//!               ▲          │
//!               └─ waiting ◀┘ refused for now, or failed before its first event
//! ```

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::pace::{LONGEST_ASKED, Pace};
use crate::client::{Client, Overrides};
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::endpoint::Service;
use crate::operation::StreamRequest as _;
use crate::progress::Progress;
use crate::refusal::wording::{Advice, Words, lacks_capacity};
use crate::retry::Retry;
use crate::{Error, ErrorKind, Result};

/// Sends many requests, as many at once as the service allows.
///
/// ```no_run
/// use pumice::bulk::Bulk;
/// use pumice::converse::{ConverseRequest, Message};
/// use pumice::{Client, Error};
///
/// # async fn example() -> Result<(), Error> {
/// let questions = ["Why does pumice float?", "Name a volcano."];
/// let requests = questions.into_iter().map(|question| {
///     (question, ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user(question)))
/// });
/// let bulk = Bulk::new(Client::from_env()).at_most(32);
/// bulk.run(requests, |done| {
///     match done.result {
///         Ok(response) => println!("{}: {:?}", done.key, response.output),
///         Err(error) => println!("{}: {error}", done.key),
///     }
///     Ok::<_, Error>(())
/// })
/// .await
/// # }
/// ```
///
/// # How many at once
///
/// The number grows while the service responds, and shrinks when it throttles. A throttled request is sent again
/// without counting it as an attempt; while nothing at all is answered, everything waits, as long as the service asks
/// or longer each time. Several runs of one `Bulk` share the number.
///
/// # What is sent again
///
/// Requests are sent as ConverseStream, so that a silence is noticed, and so that a model stops when a run ends. To a
/// model that does not stream they are sent as Converse. A failure before the first event is retried as
/// [`Retry`] of the client says. After it, or if the model may already be working on the request, nothing is sent
/// again, as that would be paid for twice: the request has failed.
///
/// # What ends a run
///
/// What would fail every request: credentials or access that are refused, a quota of a day that is used up, a recording
/// that has no more, a setting that is wrong, a service that cannot be reached from the start, or that answers nothing
/// for ten minutes. Calls under way are waited for, and their results delivered, before
/// [`run`](Self::run) returns the error. The requests that were not answered are not delivered.
pub struct Bulk {
    clients: Box<dyn Fn(&str) -> Client + Send + Sync>,
    most: usize,
    state: Mutex<State>,
}

/// A request that has been answered, or has failed for good.
#[derive(Debug)]
#[non_exhaustive]
pub struct Done<K> {
    /// What the request was given with.
    pub key: K,
    /// The request.
    pub request: Arc<ConverseRequest>,
    /// The response, or why there is none.
    pub result: Result<ConverseResponse>,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    throttled: u64,
}

impl Bulk {
    /// Requests by this client, at most 32 at once.
    pub fn new(client: Client) -> Self {
        Self::with_clients(move |_| client.clone())
    }

    /// Requests by the client that the function returns for their model.
    pub fn with_clients(clients: impl Fn(&str) -> Client + Send + Sync + 'static) -> Self {
        let state = State { pace: Pace::new(MOST), throttled: 0 };
        Self { clients: Box::new(clients), most: MOST, state: Mutex::new(state) }
    }

    /// Sets the most requests at once; 0 counts as 1.
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self.state().pace = Pace::new(self.most);
        self
    }

    /// How many requests may be under way now.
    pub fn at_once(&self) -> usize {
        self.state().pace.limit()
    }

    /// How often the service throttled a request so far.
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// Sends the requests in their order, and delivers each with its key when it has been answered or has failed.
    ///
    /// A request is taken from the iterator when there is a place for it, so only those under way are held. If the sink
    /// fails, the run ends at once with its error. Dropping the future ends all calls under way.
    pub async fn run<K, E: From<Error>>(
        &self,
        requests: impl IntoIterator<Item = (K, ConverseRequest)>,
        mut sink: impl FnMut(Done<K>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut requests = requests.into_iter().fuse();
        let mut targets = Targets::default();
        let mut waiting = VecDeque::<(K, Sent)>::new();
        let mut under_way = HashMap::<Id, (K, Sent)>::new();
        let mut tasks = JoinSet::new();
        let mut fatal = None;
        let mut answered = Answered { any: false, last: Instant::now() };
        loop {
            let now = Instant::now();
            while fatal.is_none() && tasks.len() < self.at_once() && self.state().pace.paused(now).is_none() {
                let due = waiting.iter().position(|(_, sent)| sent.due <= now);
                let next = match due.and_then(|at| waiting.remove(at)) {
                    None if waiting.len() < self.most => {
                        requests.next().map(|(key, request)| (key, Sent::new(request, now)))
                    }
                    next => next,
                };
                let Some((key, mut sent)) = next else { break };
                let target = match targets.of(&sent.request.model_id, &*self.clients).await {
                    Ok(target) => target,
                    Err(error) => {
                        fatal = Some(error);
                        break;
                    }
                };
                sent.number = self.state().pace.start();
                sent.attempts += 1;
                let streams = target.streams(&sent.request);
                let task = tasks.spawn(attempt(target.client.clone(), Arc::clone(&sent.request), streams));
                under_way.insert(task.id(), (key, sent));
            }

            let paused = self.state().pace.paused(now);
            let due = || waiting.iter().map(|(_, sent)| sent.due).min();
            let wake = paused.or_else(due).filter(|wake| fatal.is_none() && *wake > now);
            let joined = match wake {
                Some(wake) if tasks.is_empty() => {
                    sleep_until(wake).await;
                    continue;
                }
                Some(wake) => match timeout_at(wake, tasks.join_next_with_id()).await {
                    Ok(joined) => joined,
                    Err(_) => continue,
                },
                None => tasks.join_next_with_id().await,
            };
            let (id, attempted) = match joined {
                None => break,
                Some(Ok(joined)) => joined,
                Some(Err(error)) => (error.id(), Attempted::broken(&error)),
            };
            let Some((key, mut sent)) = under_way.remove(&id) else { continue };
            let now = Instant::now();
            let request = Arc::clone(&sent.request);
            let error = match attempted {
                Attempted::Answered(response) => {
                    self.state().pace.answered(tasks.len() + 1);
                    answered = Answered { any: true, last: now };
                    sink(Done { key, request, result: Ok(*response) })?;
                    continue;
                }
                Attempted::Failed(error) => {
                    self.state().pace.answered(0);
                    sink(Done { key, request, result: Err(error) })?;
                    continue;
                }
                Attempted::Refused(error) => error,
            };
            let target = targets.of(&request.model_id, &*self.clients).await?;
            match self.after(&error, &mut sent, target, answered) {
                Next::Again => waiting.push_front((key, sent)),
                Next::Failed => sink(Done { key, request, result: Err(error) })?,
                Next::Ends => {
                    fatal.get_or_insert(error);
                }
            }
        }
        fatal.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What to do after an attempt that failed before its first event.
    fn after(&self, error: &Error, sent: &mut Sent, target: &mut Target, answered: Answered) -> Next {
        if target.learns_not_to_stream(&sent.request, error) {
            sent.attempts -= 1;
            return Next::Again;
        }
        let (now, kind) = (Instant::now(), error.kind());
        let config = target.client.config();
        let chance = config.0.context.chance();
        let is_throttled = matches!(kind, ErrorKind::Throttled | ErrorKind::ModelNotReady);
        // Nothing was sent, so nothing is paid for. Before the first response it is a setting that is wrong.
        let is_cut_off = kind == ErrorKind::Connect && answered.any;
        let delay = if is_throttled || is_cut_off {
            sent.attempts -= 1;
            Some(Duration::ZERO)
        } else {
            let delay = target.policy.delay(error, sent.attempts, chance);
            let patient =
                || Retry::patient(Duration::MAX).patient_delay(error, sent.attempts, Duration::ZERO, chance);
            delay.map(|delay| if lacks_capacity(error) { patient().unwrap_or(delay) } else { delay })
        };
        let mut state = self.state();
        state.throttled += u64::from(is_throttled);
        if error.is_retryable() {
            state.pace.refused(sent.number, now, error.retry_after(), chance);
        } else {
            state.pace.answered(0);
        }
        let Some(delay) = delay else {
            return if ends_a_run(kind) { Next::Ends } else { Next::Failed };
        };
        if now.duration_since(answered.last) > LONGEST_DROUGHT {
            return Next::Ends;
        }
        let delay = error.retry_after().map_or(delay, |asked| asked.min(LONGEST_ASKED).max(delay));
        config.0.watcher.report(&Progress::Retrying { error, delay });
        sent.due = now + delay;
        Next::Again
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bulk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk").field("most", &self.most).field("state", &self.state).finish_non_exhaustive()
    }
}

/// A request on its way.
struct Sent {
    request: Arc<ConverseRequest>,
    /// How many attempts count.
    attempts: u32,
    /// The number of its last start.
    number: u64,
    /// When it may be sent.
    due: Instant,
}

impl Sent {
    fn new(request: ConverseRequest, due: Instant) -> Self {
        Self { request: Arc::new(request), attempts: 0, number: 0, due }
    }
}

/// Whether there was a response, and when the last; or when the run began.
#[derive(Clone, Copy)]
struct Answered {
    any: bool,
    last: Instant,
}

enum Next {
    /// The request is sent again when it is due.
    Again,
    /// It has failed for good.
    Failed,
    /// The run ends.
    Ends,
}

/// How one attempt ended.
enum Attempted {
    Answered(Box<ConverseResponse>),
    /// It failed before its first event.
    Refused(Error),
    /// It failed for good: after its first event, or because it is no request.
    Failed(Error),
}

impl Attempted {
    fn broken(error: &tokio::task::JoinError) -> Self {
        Self::Failed(Error::new(ErrorKind::Service, error.to_string()))
    }
}

async fn attempt(client: Client, request: Arc<ConverseRequest>, streams: bool) -> Attempted {
    if let Err(error) = request.to_stream_call() {
        return Attempted::Failed(error);
    }
    if !streams {
        return match client.converse(&request).await {
            Ok(response) => Attempted::Answered(Box::new(response)),
            Err(error) => Attempted::Refused(error),
        };
    }
    match client.converse_stream(&request).await {
        Ok(events) => match events.reply().await {
            Ok(response) => Attempted::Answered(Box::new(response)),
            Err(error) => Attempted::Failed(error),
        },
        Err(error) => Attempted::Refused(error),
    }
}

/// The targets of the models so far.
#[derive(Default)]
struct Targets(BTreeMap<String, Target>);

/// How requests of a model are sent.
struct Target {
    /// It leaves the retries to the run.
    client: Client,
    policy: Retry,
    /// What requests with tools, or without, the model does not stream.
    plain: HashSet<bool>,
}

impl Targets {
    async fn of(
        &mut self,
        model: &str,
        clients: &(dyn Fn(&str) -> Client + Send + Sync),
    ) -> Result<&mut Target> {
        // A lookup first: the entry would need the name as an owned one each time.
        if !self.0.contains_key(model) {
            let client = clients(model);
            let files = client.config().0.context.aws_files();
            let policy = client.target(Service::Runtime, Some(model), &files).await?.retry;
            let client = client.with(Overrides::new().retry(Retry::never()));
            self.0.insert(model.to_owned(), Target { client, policy, plain: HashSet::new() });
        }
        self.0.get_mut(model).ok_or_else(|| Error::new(ErrorKind::InvalidInput, "expected a model"))
    }
}

impl Target {
    fn streams(&self, request: &ConverseRequest) -> bool {
        !self.plain.contains(&request.tool_config.is_some())
    }

    /// Whether the error says that such requests are not streamed, and that is new.
    fn learns_not_to_stream(&mut self, request: &ConverseRequest, error: &Error) -> bool {
        error.kind() == ErrorKind::Validation
            && Words::of(error).lessons().any(|lesson| lesson.advice == Advice::Unstreamed)
            && self.plain.insert(request.tool_config.is_some())
    }
}

/// Whether an error that is not retried would be that of every request.
fn ends_a_run(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Connect
            | ErrorKind::Credentials
            | ErrorKind::AccessDenied
            | ErrorKind::QuotaExceeded
            | ErrorKind::Recording
            | ErrorKind::InvalidInput
    )
}

/// The most requests at once unless set.
const MOST: usize = 32;
/// How long a run goes on without a response while the service throttles or cannot be reached.
const LONGEST_DROUGHT: Duration = Duration::from_mins(10);
