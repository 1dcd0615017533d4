//! A call with faults, drawn from a seed, and its expected outcome.
//!
//! [`Plan::expected`] is the model. It knows the plan and the documented rules (which failures are retried, where a
//! response ends, what counts as damaged), and shares no code with the client.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

pub mod stage;

use std::fmt::{self, Write as _};
use std::time::Duration;

use pumice::ErrorKind;

use crate::server;
use stage::{Act, Mark};

/// The tests' timeouts: for the head of a response, and for a silence after it.
pub const FIRST_BYTE: Duration = Duration::from_secs(20);
pub const IDLE: Duration = Duration::from_secs(30);
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// The timeout for the body of an error response.
const REFUSAL: Duration = Duration::from_secs(10);
/// The timeout of a container's credentials service.
const CONTAINER: Duration = Duration::from_secs(5);

/// Random numbers from a seed: `SplitMix64`.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `None` if the plan is given, not drawn.
    pub seed: Option<u64>,
    pub streamed: bool,
    pub max_attempts: usize,
    /// Nothing listens at the endpoint.
    pub nowhere: bool,
    /// The responses of a container's credentials service, or no such service: the keys are given.
    pub source: Option<Vec<Keys>>,
    /// What happens to each attempt. There are more than the client may make.
    pub answers: Vec<Answer>,
}

/// A response of a credentials service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The keys with this number.
    Good(usize),
    Refused(u16),
    NotJson,
    CutOff,
    Reset,
    Silent,
}

/// What happens to an attempt.
#[derive(Debug, Clone)]
pub enum Answer {
    /// No complete response head.
    Headless(Headless),
    Refusal(Refusal),
    /// 200.
    Body(Body),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headless {
    Closed,
    Reset,
    Silent,
    /// This percentage of a head, then the other fault.
    HalfThenClosed(usize),
    HalfThenReset(usize),
    HalfThenSilent(usize),
    /// It arrives so slowly that the timeout comes first.
    TooSlow,
    /// Another protocol.
    Garbage(usize),
    /// Header after header, without end.
    Endless,
    /// Too many headers.
    TooMany,
}

#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub status: u16,
    /// The service's error code, or none.
    pub code: &'static str,
    pub in_header: bool,
    kind: ErrorKind,
    again: bool,
    pub hint: Option<Hint>,
    pub body: RefusalBody,
}

/// The header that asks for a pause, and the pause that follows by the rules.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    pub header: &'static str,
    pub value: &'static str,
    pub pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalBody {
    Json,
    Html,
    Empty,
    CutOff,
    Silent,
    Endless,
}

#[derive(Debug, Clone)]
pub struct Body {
    pub head: Head,
    pub content: Content,
    pub framing: Framing,
    pub fault: Fault,
    /// How much is written at once.
    pub write: usize,
    /// Waits this long before each of this many writes: no longer than the timeout.
    pub pauses: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Plain,
    /// Byte by byte, each shortly before the timeout.
    Slow,
    /// After 100 Continue and 103 Early Hints.
    Informed,
    /// With a header of this many KiB.
    Long(usize),
    /// With this many headers.
    Many(usize),
    /// Its content type is HTML.
    Html,
}

#[derive(Debug, Clone)]
pub enum Content {
    Frames(Vec<Frame>),
    /// The API's response without a stream: its text, and the bytes.
    Whole {
        text: String,
        json: String,
        fault: bool,
    },
}

#[derive(Clone)]
pub struct Frame {
    pub bytes: Vec<u8>,
    pub gives: Gives,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {} bytes", self.gives, self.bytes.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gives {
    /// Ignored.
    Nothing,
    Event,
    Text(String),
    MessageStop,
    /// The end, and whether the call is retried if nothing was delivered before.
    Failure(ErrorKind, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Chunks of this many bytes.
    Chunked(usize),
    Length,
    /// The body ends with the connection.
    Close,
}

/// A fault at a byte of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The connection is closed.
    Cut(usize),
    /// The body ends regularly, but too early.
    End(usize),
    /// The connection is reset.
    Reset(usize),
    /// Nothing more is sent.
    Silent(usize),
    /// These bits of the byte are flipped.
    Damage(usize, u8),
    /// The same, and nothing is sent after the prelude with the byte.
    DamageThenSilent {
        at: usize,
        bits: u8,
        prelude_end: usize,
    },
    /// What follows is not a chunk.
    BadChunk(usize, usize),
    /// The connection is closed after the response, which does not announce it.
    ClosedBehind,
    /// Endless text follows. The client drops the stream after this many more events.
    Endless(usize),
}

/// The expected outcome of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Of the whole call. If the client drops the stream, there is no error.
    pub end: Result<(), ErrorKind>,
    /// The number of events that are delivered, and the text in them.
    pub delivered: Mark,
    pub text: String,
    /// The client drops the stream after this many events.
    pub leaves_after: Option<usize>,
    /// The number of the keys that each attempt was signed with.
    pub attempts: Vec<usize>,
    /// The pauses between them.
    pub pauses: Vec<Duration>,
}

impl Expected {
    /// The exit code. `begun` says whether anything was printed.
    pub fn exit_code(&self, begun: bool) -> i32 {
        let Err(kind) = self.end else { return 0 };
        if begun {
            return 5;
        }
        match kind {
            ErrorKind::Credentials | ErrorKind::AccessDenied => 3,
            ErrorKind::Throttled
            | ErrorKind::ModelTimeout
            | ErrorKind::ModelNotReady
            | ErrorKind::Internal
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Connect
            | ErrorKind::BrokenOff => 4,
            _ => 1,
        }
    }
}

/// The outcome of one attempt.
struct Outcome {
    end: Result<(), ErrorKind>,
    /// Whether it may be retried: never after something was delivered.
    again: bool,
    expired: bool,
    pause: Duration,
    mark: Mark,
    text: String,
}

impl Outcome {
    fn failed(kind: ErrorKind, again: bool) -> Self {
        Self {
            end: Err(kind),
            again,
            expired: false,
            pause: Duration::ZERO,
            mark: Mark::default(),
            text: String::new(),
        }
    }
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let streamed = !chance.one_in(7);
        let max_attempts = 1 + chance.below(3);
        let nowhere = chance.one_in(60);
        let source = chance.one_in(6).then(|| source(&mut chance));
        // One more for expired keys, and one that must never be made.
        let mut answers = (0..max_attempts + 2)
            .map(|attempt| Answer::drawn(&mut chance, streamed, attempt))
            .collect::<Vec<_>>();
        if source.is_some() && chance.one_in(2) {
            answers[0] = Answer::Refusal(Refusal::expired());
        }
        Self { seed: Some(seed), streamed, max_attempts, nowhere, source, answers }
    }

    /// One response with one fault: every failure in place of every frame, and every byte cut off, ended, reset, followed
    /// by silence or damaged, with the first chunk ending there.
    pub fn at_every_position() -> Vec<Self> {
        let text = |text: &str| Frame { bytes: server::text(0, text), gives: Gives::Text(text.to_owned()) };
        let frames = [
            Frame { bytes: server::message_start(), gives: Gives::Event },
            text("one é "),
            Frame { bytes: server::message_stop("end_turn"), gives: Gives::MessageStop },
        ];
        let length = frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        let plan = |frames, framing, fault| Self {
            seed: None,
            streamed: true,
            max_attempts: 1,
            nowhere: false,
            source: None,
            answers: vec![Answer::Body(Body {
                head: Head::Plain,
                content: Content::Frames(frames),
                framing,
                fault,
                write: usize::MAX,
                pauses: 0,
            })],
        };
        let failures = (0..=frames.len()).flat_map(|at| {
            let mut frames = frames.to_vec();
            failures().into_iter().map(move |failure| {
                frames.insert(at, failure);
                let failing = frames.clone();
                frames.remove(at);
                plan(failing, Framing::Length, Fault::None)
            })
        });
        let faults = (0..=length).map(|at| {
            let fault = match at % 5 {
                0 => Fault::Cut(at),
                1 => Fault::End(at),
                2 => Fault::Reset(at),
                3 => Fault::Silent(at),
                _ => Fault::Damage(at.min(length - 1), 1 << (at % 8)),
            };
            plan(frames.to_vec(), Framing::Chunked(at.max(1)), fault)
        });
        failures.chain(faults).collect()
    }

    /// The outcome by the rules.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected {
            end: Ok(()),
            delivered: Mark::default(),
            text: String::new(),
            leaves_after: None,
            attempts: Vec::new(),
            pauses: Vec::new(),
        };
        let mut source = self.source.iter().flatten().copied();
        let mut ask = || if self.source.is_some() { asked_for_keys(&mut source) } else { Some(0) };
        let Some(mut key) = ask() else {
            expected.end = Err(ErrorKind::Credentials);
            return expected;
        };
        if self.nowhere {
            expected.end = Err(ErrorKind::Connect);
            expected.pauses = vec![Duration::ZERO; self.max_attempts - 1];
            return expected;
        }
        let (mut counted, mut renewed) = (0, false);
        for answer in &self.answers {
            counted += 1;
            expected.attempts.push(key);
            let outcome = answer.outcome();
            // The request was sent, and the model may be working on it.
            let charged = matches!(outcome.end, Err(ErrorKind::Timeout | ErrorKind::BrokenOff));
            expected.end = outcome.end;
            if outcome.expired && !renewed {
                // Expired keys are replaced once, which does not count as an attempt.
                let other = ask().filter(|other| *other != key);
                let Some(other) = other else { return expected };
                (key, renewed, counted) = (other, true, counted - 1);
                expected.pauses.push(Duration::ZERO);
            } else if outcome.again && !charged && counted < self.max_attempts {
                expected.pauses.push(outcome.pause);
            } else {
                expected.leaves_after = answer.leaves_after();
                (expected.delivered, expected.text) = (outcome.mark, outcome.text);
                return expected;
            }
        }
        panic!("a plan has more answers than a call has attempts: {self:?}")
    }

    /// What the server for calls does at each attempt.
    pub fn acts(&self) -> Vec<Vec<Act>> {
        self.answers.iter().map(Answer::acts).collect()
    }

    /// What the server for credentials does for each request.
    pub fn source_acts(&self) -> Vec<Vec<Act>> {
        self.source.iter().flatten().map(|keys| keys.acts()).collect()
    }

    /// Whether an attempt has a silence that the client ends.
    pub fn is_ever_silent(&self) -> bool {
        self.acts().iter().flatten().any(|act| matches!(act, Act::Silence(_)))
    }

    /// Whether it ends soon on a real clock with a timeout of a second.
    pub fn is_short(&self) -> bool {
        let made = self.expected().attempts.len();
        let short = |answer: &Answer| match answer {
            Answer::Headless(Headless::TooSlow) => false,
            Answer::Refusal(refusal) => {
                refusal.hint.is_none_or(|hint| hint.pause < Duration::from_secs(1))
                    && refusal.body != RefusalBody::Silent
            }
            Answer::Body(body) => {
                body.pauses == 0 && body.head != Head::Slow && !matches!(body.fault, Fault::Endless(_))
            }
            Answer::Headless(_) => true,
        };
        self.answers[..made].iter().all(short)
            && !self.source.iter().flatten().any(|keys| *keys == Keys::Silent)
    }
}

/// Asks a service for credentials: up to three times if it fails temporarily.
fn asked_for_keys(source: &mut impl Iterator<Item = Keys>) -> Option<usize> {
    for _ in 0..3 {
        match source.next().unwrap() {
            Keys::Good(number) => return Some(number),
            Keys::Refused(500..) | Keys::CutOff | Keys::Reset | Keys::Silent => {}
            Keys::Refused(_) | Keys::NotJson => return None,
        }
    }
    None
}

fn source(chance: &mut Chance) -> Vec<Keys> {
    let mut number = 0;
    let draw = |_| match chance.below(14) {
        0 => Keys::Refused(500),
        1 => Keys::Refused(503),
        2 => Keys::Refused(404),
        3 => Keys::NotJson,
        4 => Keys::CutOff,
        5 => Keys::Reset,
        6 => Keys::Silent,
        // Sometimes the service has nothing newer.
        7 => Keys::Good(number),
        _ => {
            number += 1;
            Keys::Good(number)
        }
    };
    (0..12).map(draw).collect()
}

impl Keys {
    pub fn acts(self) -> Vec<Act> {
        let json = |number| {
            format!(
                r#"{{"AccessKeyId":"AKID{number}","SecretAccessKey":"secret","Token":"token","Expiration":"2099-01-01T00:00:00Z"}}"#
            )
        };
        let whole = |status: u16, body: &str| {
            format!("HTTP/1.1 {status} S\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        match self {
            Self::Good(number) => vec![Act::Write(whole(200, &json(number)))],
            Self::Refused(status) => vec![Act::Write(whole(status, "{}"))],
            Self::NotJson => vec![Act::Write(whole(200, "<html>"))],
            Self::CutOff => {
                let mut bytes = whole(200, &json(0));
                bytes.truncate(bytes.len() - 20);
                vec![Act::Write(bytes), Act::Close]
            }
            Self::Reset => vec![Act::Reset],
            Self::Silent => vec![Act::Silence(CONTAINER)],
        }
    }
}

impl Answer {
    fn drawn(chance: &mut Chance, streamed: bool, attempt: usize) -> Self {
        match chance.below(10) {
            0..2 => Self::Headless(Headless::drawn(chance)),
            2..4 => Self::Refusal(Refusal::drawn(chance)),
            _ => Self::Body(Body::drawn(chance, streamed, attempt)),
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Headless(fault) => match fault {
                Headless::Closed
                | Headless::Reset
                | Headless::HalfThenClosed(_)
                | Headless::HalfThenReset(_) => Outcome::failed(ErrorKind::BrokenOff, true),
                Headless::Silent | Headless::HalfThenSilent(_) | Headless::TooSlow => {
                    Outcome::failed(ErrorKind::Timeout, true)
                }
                Headless::Garbage(_) | Headless::Endless | Headless::TooMany => {
                    Outcome::failed(ErrorKind::Damaged, false)
                }
            },
            Self::Refusal(refusal) => Outcome {
                expired: refusal.code == "ExpiredTokenException",
                pause: refusal.hint.map_or(Duration::ZERO, |hint| hint.pause),
                ..Outcome::failed(refusal.kind, refusal.again)
            },
            Self::Body(body) => body.outcome(),
        }
    }

    fn leaves_after(&self) -> Option<usize> {
        match self {
            Self::Body(body @ Body { fault: Fault::Endless(_), .. }) => {
                let outcome = body.outcome();
                outcome.end.is_ok().then_some(outcome.mark.events)
            }
            _ => None,
        }
    }

    fn acts(&self) -> Vec<Act> {
        match self {
            Self::Headless(fault) => fault.acts(),
            Self::Refusal(refusal) => refusal.acts(),
            Self::Body(body) => body.acts(),
        }
    }
}

impl Headless {
    fn drawn(chance: &mut Chance) -> Self {
        let percent = chance.below(100);
        match chance.below(16) {
            0 | 1 => Self::Closed,
            2 | 3 => Self::Reset,
            4 | 5 => Self::Silent,
            6 | 7 => Self::HalfThenClosed(percent.max(1)),
            8 => Self::HalfThenReset(percent),
            9 => Self::HalfThenSilent(percent),
            10 | 11 => Self::TooSlow,
            12 | 13 => Self::Garbage(chance.below(GARBAGE.len())),
            14 => Self::Endless,
            _ => Self::TooMany,
        }
    }

    fn acts(self) -> Vec<Act> {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: 5\r\n\r\n";
        // Never all of it.
        let part = |percent: usize| Act::Write(head[..(head.len() - 1) * percent / 100].to_vec());
        match self {
            Self::Closed => vec![Act::Close],
            Self::Reset => vec![Act::Reset],
            Self::Silent => vec![Act::Silence(FIRST_BYTE)],
            Self::HalfThenClosed(percent) => vec![part(percent), Act::Close],
            Self::HalfThenReset(percent) => vec![part(percent), Act::Reset],
            Self::HalfThenSilent(percent) => vec![part(percent), Act::Silence(FIRST_BYTE)],
            Self::TooSlow => {
                let third = Duration::from_secs(7);
                let bytes = head[..30].chunks(10);
                bytes.flat_map(|bytes| [Act::Write(bytes.to_vec()), Act::Pause(third)]).collect()
            }
            Self::Garbage(which) => vec![Act::Write(GARBAGE[which].to_vec())],
            Self::Endless => {
                let header = format!("x-filler: {}\r\n", "a".repeat(1000));
                vec![Act::Write(b"HTTP/1.1 200 OK\r\n".to_vec()), Act::Endless(header.into_bytes())]
            }
            Self::TooMany => {
                let headers = "x-many: yes\r\n".repeat(1000);
                vec![Act::Write(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes())]
            }
        }
    }
}

/// Bytes that are not a response head.
const GARBAGE: [&[u8]; 6] = [
    b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    b"\x15\x03\x01\0\x02\x02\x46 and so on\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
    b"{\"message\":\"this is JSON\"}\r\n\r\n",
];

impl Refusal {
    fn drawn(chance: &mut Chance) -> Self {
        let (status, code, kind, again) = chance.pick(&REFUSALS);
        let hint = chance.one_in(3).then(|| chance.pick(&HINTS));
        let body = match chance.below(12) {
            0 => RefusalBody::Html,
            1 => RefusalBody::Empty,
            2 => RefusalBody::CutOff,
            3 => RefusalBody::Silent,
            4 => RefusalBody::Endless,
            _ => RefusalBody::Json,
        };
        let in_header = body != RefusalBody::Json || chance.one_in(2);
        Self { status, code, in_header, kind, again, hint, body }
    }

    /// Of expired keys.
    fn expired() -> Self {
        let (status, code, kind, again) = REFUSALS[0];
        Self { status, code, in_header: true, kind, again, hint: None, body: RefusalBody::Json }
    }

    fn acts(self) -> Vec<Act> {
        let Self { status, code, .. } = self;
        let mut head = format!("HTTP/1.1 {status} Status\r\nlocation: http://127.0.0.1:9/\r\n");
        if self.in_header && !code.is_empty() {
            write!(head, "x-amzn-errortype: {code}:http://internal.amazon.com/\r\n").unwrap();
        }
        if let Some(hint) = self.hint {
            write!(head, "{}: {}\r\n", hint.header, hint.value).unwrap();
        }
        let body = match self.body {
            RefusalBody::Json if self.in_header || code.is_empty() => r#"{"message":"no"}"#.to_owned(),
            RefusalBody::Json => format!(r#"{{"__type":"com.amazon#{code}","message":"no"}}"#),
            RefusalBody::Html => "<html><h1>No</h1></html>".to_owned(),
            RefusalBody::Empty => String::new(),
            RefusalBody::CutOff | RefusalBody::Silent => r#"{"mess"#.to_owned(),
            RefusalBody::Endless => "x".repeat(4096),
        };
        let announced = match self.body {
            RefusalBody::CutOff | RefusalBody::Silent => 1000,
            RefusalBody::Endless => 1 << 40,
            _ => body.len(),
        };
        let mut acts = vec![Act::Write(format!("{head}content-length: {announced}\r\n\r\n").into_bytes())];
        match self.body {
            RefusalBody::CutOff => acts.extend([Act::Write(body.into()), Act::Close]),
            RefusalBody::Silent => acts.extend([Act::Write(body.into()), Act::Silence(REFUSAL)]),
            RefusalBody::Endless => acts.push(Act::Endless(body.into())),
            _ => acts.push(Act::Write(body.into())),
        }
        acts
    }
}

/// Status, code; the kind of failure, and whether it is retried.
type Rule = (u16, &'static str, ErrorKind, bool);

/// The service's failures and a gateway's, as AWS's standard retry mode sorts them.
const REFUSALS: [Rule; 25] = [
    (403, "ExpiredTokenException", ErrorKind::AccessDenied, false),
    (400, "ValidationException", ErrorKind::Validation, false),
    (400, "ServiceQuotaExceededException", ErrorKind::QuotaExceeded, false),
    (400, "ThrottlingException", ErrorKind::Throttled, true),
    (403, "AccessDeniedException", ErrorKind::AccessDenied, false),
    (403, "UnrecognizedClientException", ErrorKind::AccessDenied, false),
    (401, "", ErrorKind::AccessDenied, false),
    (403, "", ErrorKind::AccessDenied, false),
    (404, "ResourceNotFoundException", ErrorKind::NotFound, false),
    (404, "", ErrorKind::NotFound, false),
    (408, "ModelTimeoutException", ErrorKind::ModelTimeout, false),
    (418, "", ErrorKind::Validation, false),
    (424, "ModelErrorException", ErrorKind::ModelError, false),
    (429, "ThrottlingException", ErrorKind::Throttled, true),
    (429, "TooManyRequestsException", ErrorKind::Throttled, true),
    (429, "ModelNotReadyException", ErrorKind::ModelNotReady, true),
    (429, "", ErrorKind::Throttled, true),
    (500, "InternalServerException", ErrorKind::Internal, true),
    (500, "", ErrorKind::Internal, true),
    (502, "", ErrorKind::Unavailable, true),
    (503, "ServiceUnavailableException", ErrorKind::Unavailable, true),
    (503, "", ErrorKind::Unavailable, true),
    (504, "", ErrorKind::Unavailable, true),
    (501, "", ErrorKind::Internal, false),
    (302, "", ErrorKind::Service, false),
];

/// The service's hint lengthens a pause by at most five seconds. With the random number 0, there is no other pause.
const HINTS: [Hint; 7] = [
    Hint { header: "retry-after", value: "1", pause: Duration::from_secs(1) },
    Hint { header: "retry-after", value: "60", pause: Duration::from_secs(5) },
    Hint { header: "retry-after", value: "soon", pause: Duration::ZERO },
    Hint { header: "x-amz-retry-after", value: "250", pause: Duration::from_millis(250) },
    Hint { header: "x-amz-retry-after", value: "60000", pause: Duration::from_secs(5) },
    Hint { header: "x-amz-retry-after", value: "-1", pause: Duration::ZERO },
    Hint { header: "x-amz-retry-after", value: "99999999999999999999999", pause: Duration::ZERO },
];

impl Body {
    fn drawn(chance: &mut Chance, streamed: bool, attempt: usize) -> Self {
        let content =
            if streamed { Content::Frames(frames(chance, attempt)) } else { whole(chance, attempt) };
        let length = content.bytes().len();
        let framing = match chance.below(8) {
            0..2 => Framing::Length,
            2 => Framing::Close,
            _ => Framing::Chunked(chance.pick(&[1, 2, 11, 12, 13, 100, 1000, 100_000])),
        };
        let head = match chance.below(24) {
            0 => Head::Slow,
            1 => Head::Informed,
            2 => Head::Long(1 + chance.below(200)),
            3 => Head::Many(80),
            4 => Head::Html,
            _ => Head::Plain,
        };
        let fault = content.fault(chance, framing, length);
        let write = chance.pick(&[1, 5, 64, 1000, usize::MAX]);
        // Each write then has some of the body, which ends the silence. A chunk's head alone would not.
        let pauses = if write >= 64 && chance.one_in(6) { 1 + chance.below(3) } else { 0 };
        // If a connection is closed after a whole response that the client has not read to its end, the next attempt may
        // or may not use it.
        let unread = |frame: &Frame| matches!(frame.gives, Gives::Failure(..));
        let fault = match (&content, fault) {
            (Content::Frames(frames), Fault::ClosedBehind | Fault::Cut(_) | Fault::Reset(_))
                if fault.reaches(length) == length && frames.iter().any(unread) =>
            {
                Fault::None
            }
            _ => fault,
        };
        // A body that is not a stream is not read as one, whatever its faults.
        let (fault, pauses) = if head == Head::Html { (Fault::None, 0) } else { (fault, pauses) };
        Self { head, content, framing, fault, write, pauses }
    }

    fn outcome(&self) -> Outcome {
        if self.head == Head::Html && matches!(self.content, Content::Frames(_)) {
            return Outcome::failed(ErrorKind::Damaged, false);
        }
        match &self.content {
            Content::Frames(frames) => self.outcome_of_frames(frames),
            Content::Whole { text, fault, .. } => {
                let length = self.content.bytes().len();
                let mut outcome = Outcome::failed(ErrorKind::Damaged, false);
                outcome.end = match self.ends(length) {
                    // A part of a JSON text is not JSON.
                    Ended::Body(reached) if reached < length || *fault => Err(ErrorKind::Damaged),
                    Ended::Body(_) => {
                        outcome.text.clone_from(text);
                        outcome.mark = Mark { events: 1, text: text.len() };
                        Ok(())
                    }
                    Ended::Failure(kind, again) => {
                        outcome.again = again;
                        Err(kind)
                    }
                };
                outcome
            }
        }
    }

    fn outcome_of_frames(&self, frames: &[Frame]) -> Outcome {
        let length = frames.iter().map(|frame| frame.bytes.len()).sum();
        let reached = self.fault.reaches(length);
        let mut outcome = Outcome::failed(ErrorKind::BrokenOff, true);
        let (mut at, mut stopped) = (0, false);
        for frame in frames {
            let end = at + frame.bytes.len();
            if let Fault::Damage(damaged, _) | Fault::DamageThenSilent { at: damaged, .. } = self.fault
                && (at..end).contains(&damaged)
            {
                (outcome.end, outcome.again) = (Err(ErrorKind::Damaged), false);
                return outcome;
            }
            if end > reached {
                break;
            }
            match &frame.gives {
                Gives::Nothing => {}
                Gives::Event => outcome.mark.events += 1,
                Gives::Text(text) => {
                    outcome.mark.events += 1;
                    outcome.mark.text += text.len();
                    outcome.text += text;
                }
                Gives::MessageStop => {
                    outcome.mark.events += 1;
                    stopped = true;
                }
                Gives::Failure(kind, again) => {
                    outcome.end = Err(*kind);
                    outcome.again = *again && outcome.mark.events == 0;
                    return outcome;
                }
            }
            at = end;
        }
        if let Fault::Endless(more) = self.fault {
            outcome.mark.events += more;
            outcome.mark.text += more * ENDLESS.len();
            outcome.text += &ENDLESS.repeat(more);
            (outcome.end, outcome.again) = (Ok(()), false);
            return outcome;
        }
        let (end, again) = match self.ends(length) {
            // A whole response ends between two frames, after `messageStop`.
            Ended::Body(reached) if reached == at && stopped => (Ok(()), false),
            Ended::Body(_) => (Err(ErrorKind::BrokenOff), true),
            Ended::Failure(kind, again) => (Err(kind), again),
        };
        (outcome.end, outcome.again) = (end, again && outcome.mark.events == 0);
        outcome
    }

    /// How a body of this length ends in HTTP.
    fn ends(&self, length: usize) -> Ended {
        match (self.fault, self.framing) {
            (Fault::BadChunk(..), _) => Ended::Failure(ErrorKind::Damaged, false),
            (Fault::Cut(at), Framing::Close) | (Fault::End(at), _) => Ended::Body(at),
            (Fault::Cut(at) | Fault::Reset(at) | Fault::Silent(at), Framing::Length) if at == length => {
                Ended::Body(at)
            }
            (Fault::Cut(_) | Fault::Reset(_), _) => Ended::Failure(ErrorKind::BrokenOff, true),
            (Fault::Silent(_), _) => Ended::Failure(ErrorKind::Timeout, true),
            _ => Ended::Body(length),
        }
    }

    fn acts(&self) -> Vec<Act> {
        let mut body = self.content.bytes();
        let length = body.len();
        if let Fault::Damage(at, bits) | Fault::DamageThenSilent { at, bits, .. } = self.fault {
            body[at] ^= bits;
        }
        let reached = self.fault.reaches(length);
        let ends_early = matches!(self.fault, Fault::End(_));
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        head += match (self.head, &self.content) {
            (Head::Html, _) => "content-type: text/html\r\n",
            (_, Content::Frames(_)) => "content-type: application/vnd.amazon.eventstream\r\n",
            (_, Content::Whole { .. }) => "content-type: application/json\r\n",
        };
        let mut wire = Vec::new();
        match self.framing {
            Framing::Length => {
                let announced = match self.fault {
                    Fault::End(at) => at,
                    Fault::Endless(_) => 1 << 40,
                    _ => length,
                };
                write!(head, "content-length: {announced}\r\n").unwrap();
                wire.extend_from_slice(&body[..reached]);
            }
            Framing::Close => {
                head += "connection: close\r\n";
                wire.extend_from_slice(&body[..reached]);
            }
            Framing::Chunked(size) => {
                head += "transfer-encoding: chunked\r\n";
                let whole =
                    if ends_early || matches!(self.fault, Fault::BadChunk(..)) { reached } else { length };
                for (chunk, at) in body[..whole].chunks(size).zip((0..).step_by(size)) {
                    if at >= reached && at > 0 {
                        break;
                    }
                    wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    wire.extend_from_slice(&chunk[..chunk.len().min(reached - at)]);
                    if at + chunk.len() <= reached {
                        wire.extend_from_slice(b"\r\n");
                    }
                }
                match self.fault {
                    Fault::BadChunk(_, which) => wire.extend_from_slice(BAD_CHUNKS[which]),
                    Fault::None | Fault::ClosedBehind | Fault::End(_) | Fault::Damage(..) => {
                        wire.extend_from_slice(b"0\r\n\r\n");
                    }
                    _ => {}
                }
            }
        }
        let mut acts = self.head_acts(&head);
        // Too many pieces take time and show nothing new.
        let write = self.write.min(wire.len()).max(wire.len() / 300).max(1);
        let pieces = wire.chunks(write).enumerate();
        let last = pieces.len().saturating_sub(1);
        for (number, piece) in pieces {
            // The last piece may have only a chunk's head.
            if number < self.pauses && number < last {
                acts.push(Act::Pause(IDLE.saturating_sub(MILLISECOND)));
            }
            acts.push(Act::Write(piece.to_vec()));
        }
        let outcome = self.outcome();
        match self.fault {
            Fault::Cut(_) | Fault::ClosedBehind => acts.push(Act::Close),
            // A reset may overtake what was sent before it.
            Fault::Reset(_) => acts.extend([Act::Await(outcome.mark), Act::Reset]),
            Fault::Silent(_) if outcome.end == Err(ErrorKind::Timeout) => {
                acts.extend([Act::Await(outcome.mark), Act::Silence(IDLE)]);
            }
            Fault::Endless(_) => {
                let frame = server::text(0, ENDLESS);
                let chunked = [format!("{:x}\r\n", frame.len()).as_bytes(), &frame, b"\r\n"].concat();
                let chunked = matches!(self.framing, Framing::Chunked(_)).then_some(chunked);
                acts.push(Act::Endless(chunked.unwrap_or(frame)));
            }
            _ if self.framing == Framing::Close => acts.push(Act::Close),
            _ => {}
        }
        acts
    }

    fn head_acts(&self, head: &str) -> Vec<Act> {
        let head = match self.head {
            Head::Long(kib) => format!("{head}x-filler: {}\r\n\r\n", "f".repeat(kib * 1024)),
            Head::Many(headers) => format!("{head}{}\r\n", "x-many: yes\r\n".repeat(headers)),
            Head::Informed => format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{head}\r\n"
            ),
            _ => format!("{head}\r\n"),
        };
        if self.head != Head::Slow {
            return vec![Act::Write(head.into_bytes())];
        }
        let last = head.len() - 1;
        let mut acts = Vec::new();
        for byte in &head.as_bytes()[..last] {
            acts.push(Act::Write(vec![*byte]));
        }
        acts.extend([
            Act::Pause(FIRST_BYTE.saturating_sub(MILLISECOND)),
            Act::Write(head.as_bytes()[last..].into()),
        ]);
        acts
    }
}

/// How a body ends.
enum Ended {
    /// Regularly, after this many bytes.
    Body(usize),
    Failure(ErrorKind, bool),
}

/// What is repeated without end.
const ENDLESS: &str = ".";

/// Bytes that are not a chunk.
const BAD_CHUNKS: [&[u8]; 6] = [
    b"zz\r\n",
    b"\r\n\r\n",
    b"-5\r\nhello\r\n",
    b"fffffffffffffffff\r\n",
    b"5 5\r\nhello\r\n",
    b"1\r\nabc\r\n",
];

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Frames(frames) => frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect(),
            Self::Whole { json, .. } => json.clone().into_bytes(),
        }
    }

    fn fault(&self, chance: &mut Chance, framing: Framing, length: usize) -> Fault {
        let mut starts = vec![0];
        if let Self::Frames(frames) = self {
            starts.extend(frames.iter().scan(0, |at, frame| {
                *at += frame.bytes.len();
                Some(*at)
            }));
        }
        // Anywhere, or between frames.
        let at = if chance.one_in(3) { chance.pick(&starts) } else { chance.below(length + 1) };
        let bits = 1 + u8::try_from(chance.below(255)).unwrap();
        match (chance.below(10), self) {
            (0, _) => Fault::Cut(at),
            (1, _) => Fault::End(at),
            (2, _) => Fault::Reset(at),
            (3, _) => Fault::Silent(at),
            (4, Self::Frames(_)) if length > 0 => Fault::Damage(chance.below(length), bits),
            (5, Self::Frames(frames)) if !frames.is_empty() => {
                let start = starts[chance.below(frames.len())];
                Fault::DamageThenSilent { at: start + chance.below(12), bits, prelude_end: start + 12 }
            }
            (6, _) if matches!(framing, Framing::Chunked(_)) => {
                Fault::BadChunk(at, chance.below(BAD_CHUNKS.len()))
            }
            (7, _) => Fault::ClosedBehind,
            (8, Self::Frames(frames)) if !frames.iter().any(|frame| frame.gives == Gives::MessageStop) => {
                Fault::Endless(1 + chance.below(300))
            }
            _ => Fault::None,
        }
    }
}

impl Fault {
    /// How many of the body's bytes are sent.
    fn reaches(self, length: usize) -> usize {
        match self {
            Self::Cut(at) | Self::End(at) | Self::Reset(at) | Self::Silent(at) | Self::BadChunk(at, _) => at,
            Self::DamageThenSilent { prelude_end, .. } => prelude_end,
            Self::None | Self::Damage(..) | Self::ClosedBehind | Self::Endless(_) => length,
        }
    }
}

fn whole(chance: &mut Chance, attempt: usize) -> Content {
    let text = format!("whole {attempt} {}", chance.pick(&TEXTS));
    let json = serde_json::json!({
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 1},
    })
    .to_string();
    match chance.below(8) {
        0 => Content::Whole { text, json: "<html>Welcome</html>".to_owned(), fault: true },
        1 => Content::Whole { text, json: String::new(), fault: true },
        _ => Content::Whole { text, json, fault: false },
    }
}

/// A response's frames: usually complete, sometimes with a failure among them.
fn frames(chance: &mut Chance, attempt: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut add = |bytes, gives| frames.push(Frame { bytes, gives });
    if chance.one_in(8) {
        add(server::event("initial-response", "{}"), Gives::Nothing);
    }
    if !chance.one_in(10) {
        add(server::message_start(), Gives::Event);
    }
    for number in 0..chance.below(7) {
        let text = format!("{attempt}.{number}{}", chance.pick(&TEXTS));
        let index = u32::from(chance.one_in(5));
        add(server::text(index, &text), Gives::Text(text));
        if chance.one_in(10) {
            add(server::event("somethingNew", r#"{"x":1}"#), Gives::Event);
        }
    }
    if !chance.one_in(6) {
        add(server::block_stop(0), Gives::Event);
    }
    if !chance.one_in(5) {
        add(server::message_stop("end_turn"), Gives::MessageStop);
        if !chance.one_in(4) {
            add(server::metadata(3, 4), Gives::Event);
        }
    }
    if chance.one_in(3) {
        let at = chance.below(frames.len() + 1);
        frames.insert(at, failure(chance));
    }
    frames
}

/// Line ends, characters of several bytes, characters that JSON escapes, and an empty text.
const TEXTS: [&str; 8] =
    ["", " ", "\n", "é", "漢字かな", "🙂\u{200d}🙂", "\"quoted\" \\ \t", "\u{202e}\u{7}"];

/// A frame that ends the stream.
fn failure(chance: &mut Chance) -> Frame {
    let mut failures = failures();
    failures.swap_remove(chance.below(failures.len()))
}

/// Each frame that ends a stream.
fn failures() -> Vec<Frame> {
    let frame = |bytes, kind, again| Frame { bytes, gives: Gives::Failure(kind, again) };
    let exceptions =
        EXCEPTIONS.map(|(code, kind, again)| frame(server::exception(code, "it failed"), kind, again));
    let errors = ERRORS.map(|(code, kind, again)| frame(server::error_frame(code, "it failed"), kind, again));
    let damaged = (0..6).map(|which| frame(damaged(which), ErrorKind::Damaged, false));
    exceptions.into_iter().chain(errors).chain(damaged).collect()
}

const EXCEPTIONS: [(&str, ErrorKind, bool); 7] = [
    ("internalServerException", ErrorKind::Internal, true),
    ("modelStreamErrorException", ErrorKind::ModelError, false),
    ("validationException", ErrorKind::Validation, false),
    ("throttlingException", ErrorKind::Throttled, true),
    ("serviceUnavailableException", ErrorKind::Unavailable, true),
    ("modelTimeoutException", ErrorKind::ModelTimeout, false),
    ("somethingNewException", ErrorKind::Service, false),
];

const ERRORS: [(&str, ErrorKind, bool); 3] = [
    ("ThrottlingException", ErrorKind::Throttled, true),
    ("InternalServerException", ErrorKind::Internal, true),
    ("SomethingNew", ErrorKind::Service, false),
];

/// A frame with valid checksums and another fault.
fn damaged(which: usize) -> Vec<u8> {
    let event = (":event-type", "contentBlockDelta");
    match which {
        0 => server::frame(&[(":message-type", "event"), event], "{\"contentBlockIndex\":0,"),
        1 => server::frame(&[(":message-type", "event"), event], b"{\"x\":\"\xff\"}".to_vec()),
        2 => server::frame(&[(":message-type", "telegram"), event], "{}"),
        3 => server::frame(&[(":message-type", "event")], "{}"),
        // A header name that is longer than the headers.
        4 => raw_frame(16 + 4, b"\xffabc"),
        // A length over the limit.
        _ => raw_frame(64 * 1024 * 1024, b""),
    }
}

/// A frame of these headers that announces this length.
fn raw_frame(length: u32, headers: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}
