//! A gateway in a thread of its own, and a client that says exactly what a test wants.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use pumice::context::Context;
use pumice::retry::Retry;
use pumice::settings::{Clients, Settings};
use pumice::{Client, Config};
use pumice_gateway::{Options, serve};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A running gateway. It ends with the test.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    /// The lines of its log, as JSON.
    pub(crate) log: Arc<Mutex<Vec<Value>>>,
    logged: Receiver<Value>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// A configuration that reads nothing of the machine and calls this server for both services.
pub(crate) fn config(url: &str) -> Config {
    let context = Context::fake()
        .with_clock(SystemTime::now)
        .with_env("AWS_REGION", "us-east-1")
        .with_env("AWS_ENDPOINT_URL_BEDROCK", url);
    Config::new()
        .context(context)
        .endpoint_url(url)
        .access_keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
        .retry(Retry::never())
        .auto_profile()
}

impl Gate {
    pub(crate) fn before(url: &str) -> Self {
        Self::with(Client::new(config(url)), Options::new())
    }

    pub(crate) fn with_settings(url: &str, settings: &str) -> Self {
        let settings = Settings::parse("settings.json5", settings).unwrap();
        Self::with(Clients::new(config(url), settings), Options::new())
    }

    pub(crate) fn with(client: impl Into<Clients>, options: Options) -> Self {
        let (client, stop) = (client.into(), Arc::new(Notify::new()));
        let (ready, address) = channel();
        let (line, logged) = channel();
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let (lines, stopped) = (Arc::clone(&log), Arc::clone(&stop));
        let options = options
            .log(move |record| {
                let record = record.to_json();
                lines.lock().unwrap().push(record.clone());
                let _ = line.send(record);
            })
            .stop(async move { stopped.notified().await });
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, client, options).await.unwrap();
            });
        });
        Self { address: address.recv().unwrap(), log, logged, stop, thread: Some(thread) }
    }

    /// The next call in the log.
    pub(crate) fn logged(&self) -> Value {
        self.logged.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// Lets it stop.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(&self.request(method, path, headers, body)).unwrap();
        Reply::read(&mut BufReader::new(stream), method)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The bytes of a request.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        [text.as_bytes(), body].concat()
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
}

impl Reply {
    pub(crate) fn read(reader: &mut impl std::io::BufRead, method: &str) -> Self {
        let mut reply = Self::head(reader);
        if method == "HEAD" || [204, 304].contains(&reply.status) {
            return reply;
        }
        if let Some(length) = reply.header("content-length") {
            reply.body = vec![0; length.parse().unwrap()];
            reply.is_whole = reader.read_exact(&mut reply.body).is_ok();
            return reply;
        }
        while let Some(chunk) = chunk(reader) {
            if chunk.is_empty() {
                return reply;
            }
            reply.body.extend(chunk);
        }
        reply.is_whole = false;
        reply
    }

    pub(crate) fn head(reader: &mut impl std::io::BufRead) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("expected a response, found {line:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Self { status, headers, body: Vec::new(), is_whole: true }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("expected JSON, found {:?}", self.text()))
    }

    /// The objects of its `data:` lines.
    pub(crate) fn data(&self) -> Vec<Value> {
        let lines = self.text().lines().filter_map(|line| line.strip_prefix("data: "));
        lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

/// A chunk of a chunked body. `None` if it breaks off.
pub(crate) fn chunk(reader: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let length = usize::from_str_radix(line.trim(), 16).ok()?;
    let mut chunk = vec![0; length + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(length);
    Some(chunk)
}
