//! A Bedrock on loopback, over HTTP and TLS, that answers with as many text deltas as the model's name says.
//!
//! What stands before the last dot is the model's provider, for programs that want one.
//!
//! - `large-N`: N of them, in chunks of 16 KiB, as fast as they are read.
//! - `each-N`: one frame a write, as fast as they are read.
//! - `paced-N`: the same, but 50 of them a second, as a fast model writes.
//! - `ordered-N`, `escaped-N`, `spaced-N`: as `large-N` in another form: the padding first and the index last, an escape
//!   in each text, white space.
//! - `pieces-N`: one frame a write, and none before the text of the last has been printed.
//! - `lines-N`: the same for a program that prints a line for each event.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

#[path = "../../../tests/support/src/server/mod.rs"]
pub mod frames;

pub struct Server {
    pub http: String,
    pub https: String,
    /// The certificate of the authority behind it.
    pub authority: PathBuf,
    pub printed: Arc<Printed>,
    _folder: TempDir,
}

/// How many events the measured program has printed so far.
#[derive(Default)]
pub struct Printed {
    count: Mutex<usize>,
    more: Condvar,
}

impl Printed {
    pub fn reset(&self) {
        *self.count.lock().unwrap() = 0;
    }

    pub fn add(&self, events: usize) {
        *self.count.lock().unwrap() += events;
        self.more.notify_all();
    }

    fn wait_for(&self, events: usize) -> io::Result<()> {
        let mut count = self.count.lock().unwrap();
        while *count < events {
            let (changed, waited) = self.more.wait_timeout(count, Duration::from_secs(20)).unwrap();
            if waited.timed_out() {
                return Err(io::Error::other("an event was not printed"));
            }
            count = changed;
        }
        Ok(())
    }
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, issuer.pem()).unwrap();

        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let tls = Arc::new(tls);

        let answers = Arc::new(Answers::default());
        let printed = Arc::clone(&answers.printed);
        let http = listen(Arc::clone(&answers), Ok);
        let https = listen(answers, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&tls)).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        });
        Self {
            http: format!("http://127.0.0.1:{http}"),
            https: format!("https://localhost:{https}"),
            authority,
            printed,
            _folder: folder,
        }
    }
}

/// Serves every connection in a thread of its own. Gives the port.
fn listen<S: Read + Write>(
    answers: Arc<Answers>,
    wrap: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let wrap = Arc::new(wrap);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answers, wrap) = (Arc::clone(&answers), Arc::clone(&wrap));
            thread::spawn(move || {
                // A write is a packet. What goes wrong here the measured program tells of.
                let _ = stream.set_nodelay(true);
                let _ = wrap(stream).and_then(|stream| answers.serve(stream));
            });
        }
    });
    port
}

/// How the JSON of a delta is written.
#[derive(Clone, Copy)]
enum Form {
    /// As the service writes it.
    Plain,
    Ordered,
    Escaped,
    Spaced,
}

/// A response, in the pieces that are written at once.
type Writes = Vec<Vec<u8>>;

#[derive(Default)]
struct Answers {
    /// The writes of answers that wait for nothing, by their kind and their number of deltas.
    ready: Mutex<HashMap<(String, usize), Arc<Writes>>>,
    printed: Arc<Printed>,
}

impl Answers {
    fn serve(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(model) = read_request(&mut stream)? {
            let (kind, count) = model
                .rsplit('.')
                .next()
                .and_then(|model| model.split_once('-'))
                .and_then(|(kind, count)| Some((kind, count.parse().ok()?)))
                .ok_or_else(|| io::Error::other("a model that is not served here"))?;
            let writer = stream.get_mut();
            let make: Option<fn(usize) -> Writes> = match kind {
                "large" => Some(|count| vec![large(Form::Plain, count)]),
                "ordered" => Some(|count| vec![large(Form::Ordered, count)]),
                "escaped" => Some(|count| vec![large(Form::Escaped, count)]),
                "spaced" => Some(|count| vec![large(Form::Spaced, count)]),
                "each" | "paced" => Some(each),
                _ => None,
            };
            if let Some(make) = make {
                let mut ready = self.ready.lock().unwrap();
                let answer = ready.entry((kind.to_owned(), count)).or_insert_with(|| Arc::new(make(count)));
                let answer = Arc::clone(answer);
                drop(ready);
                for write in answer.iter() {
                    writer.write_all(write)?;
                    writer.flush()?;
                    if kind == "paced" {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                continue;
            }
            writer.write_all(HEAD.as_bytes())?;
            writer.flush()?;
            let mut expected = 0;
            for (frame, is_text) in answer(Form::Plain, count) {
                writer.write_all(&chunk(&frame))?;
                writer.flush()?;
                if is_text || kind == "lines" {
                    expected += 1;
                    self.printed.wait_for(expected)?;
                }
            }
            writer.write_all(b"0\r\n\r\n")?;
            writer.flush()?;
        }
        Ok(())
    }
}

/// Reads a request to its end. Gives the model that it is for.
fn read_request(stream: &mut BufReader<impl Read>) -> io::Result<Option<String>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let model = line.split('/').nth(2).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(Some(model))
}

/// The frames of an answer, and whether each is a delta of text.
fn answer(form: Form, count: usize) -> impl Iterator<Item = (Vec<u8>, bool)> {
    let begin = std::iter::once((frames::message_start(), false));
    let end = [frames::block_stop(0), frames::message_stop("end_turn"), frames::metadata(12, 7)];
    let deltas = (0..count).map(move |number| (text_delta(form, number), true));
    begin.chain(deltas).chain(end.into_iter().map(|frame| (frame, false)))
}

/// A frame of 203 bytes: a word, and padding that makes up for its length.
fn text_delta(form: Form, number: usize) -> Vec<u8> {
    let word = WORDS[number % WORDS.len()];
    let json = |padding: &str| match form {
        Form::Plain => format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{word}"}},"p":"{padding}"}}"#),
        Form::Ordered => format!(r#"{{"p":"{padding}","delta":{{"text":"{word}"}},"contentBlockIndex":0}}"#),
        Form::Escaped => {
            let word = word.trim_start();
            format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"\u0020{word}"}},"p":"{padding}"}}"#)
        }
        Form::Spaced => {
            format!(r#"{{ "contentBlockIndex": 0, "delta": {{ "text": "{word}" }}, "p": "{padding}" }}"#)
        }
    };
    let padding = &PADDING[..PAYLOAD - json("").len()];
    let frame = frames::frame(
        &[
            (":event-type", "contentBlockDelta"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        json(padding),
    );
    assert_eq!(frame.len(), FRAME);
    frame
}

/// How many bytes of text an answer has.
pub fn text_length(count: usize) -> usize {
    (0..count).map(|number| WORDS[number % WORDS.len()].len()).sum()
}

/// The bytes of an answer's event stream.
pub fn event_stream(count: usize) -> Vec<u8> {
    frames_of(Form::Plain, count)
}

fn frames_of(form: Form, count: usize) -> Vec<u8> {
    answer(form, count).flat_map(|(frame, _)| frame).collect()
}

/// The whole of an answer in large chunks, head included.
fn large(form: Form, count: usize) -> Vec<u8> {
    let mut bytes = HEAD.as_bytes().to_vec();
    for piece in frames_of(form, count).chunks(16 * 1024) {
        bytes.extend(chunk(piece));
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// The whole of an answer, with each frame in a chunk of its own.
fn each(count: usize) -> Writes {
    let mut writes = vec![HEAD.as_bytes().to_vec()];
    writes.extend(answer(Form::Plain, count).map(|(frame, _)| chunk(&frame)));
    writes.push(b"0\r\n\r\n".to_vec());
    writes
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Date: Sat, 01 Aug 2026 09:14:07 GMT\r\n\
    Content-Type: application/vnd.amazon.eventstream\r\n\
    Transfer-Encoding: chunked\r\n\
    Connection: keep-alive\r\n\
    x-amzn-RequestId: 6f2f6f9e-58a1-4d0c-9d43-0d3f0e3a1c57\r\n\r\n";

/// The length of a text delta, and that of the JSON in it.
const FRAME: usize = 203;
const PAYLOAD: usize = 100;

/// One space in each, by which those that were printed are counted.
const WORDS: [&str; 12] = [
    " the",
    " stream",
    " Zoë",
    " begins",
    " at",
    " \\\"first\\\"",
    " byte",
    " and,",
    " goes",
    " on",
    " until",
    " end.",
];

const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
