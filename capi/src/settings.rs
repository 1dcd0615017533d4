//! The JSON of settings that a client is made from. `docs/c.md` lists the members.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pumice::context::Context;
use pumice::endpoint::Service;
use pumice::retry::Retry;
use pumice::spelling::nearest;
use pumice::transport::{HttpConfig, Replay};
use pumice::{Config, Error, ErrorKind, Result};
use serde_json::{Map, Value};

/// A member's name, and what its value sets.
type Setting<T> = (&'static str, fn(Config, T) -> Config);

/// The configuration that the settings say. An empty text has no settings.
pub(crate) fn config(text: &str) -> Result<Config> {
    let value = if text.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_str(text) };
    // A syntax error quotes nothing of the text, which has secrets in it.
    let value = value.map_err(|source| invalid("expected one JSON object").with_source(source))?;
    let mut settings = Object::new("settings", value)?;
    let mut config = Config::new();
    let texts: &[Setting<String>] = &[
        ("region", Config::region),
        #[cfg(feature = "chain")]
        ("profile", Config::profile),
        ("endpointUrl", Config::endpoint_url),
        ("controlEndpointUrl", |config, url| config.service_endpoint_url(Service::Control, url)),
        ("agentRuntimeEndpointUrl", |config, url| config.service_endpoint_url(Service::AgentRuntime, url)),
        ("project", Config::project),
    ];
    for (name, set) in texts.iter().copied() {
        if let Some(text) = settings.text(name)? {
            config = set(config, text);
        }
    }
    let times: [Setting<Duration>; 2] =
        [("firstByteTimeoutMs", Config::first_byte_timeout), ("idleTimeoutMs", Config::idle_timeout)];
    for (name, set) in times {
        if let Some(time) = settings.number(name)? {
            config = set(config, Duration::from_millis(time));
        }
    }
    let switches: [Setting<bool>; 4] = [
        ("useFips", Config::use_fips),
        ("useDualStack", Config::use_dual_stack),
        ("autoProfile", |config, on| if on { config.auto_profile() } else { config }),
        ("allowPlainHttp", |config, on| if on { config.allow_plain_http() } else { config }),
    ];
    for (name, set) in switches {
        if let Some(on) = settings.switch(name)? {
            config = set(config, on);
        }
    }
    if let Some(attempts) = settings.number("maxAttempts")? {
        config = config.retry(Retry::standard().max_attempts(attempts.try_into().unwrap_or(u32::MAX)));
    }
    if let Some(headers) = settings.take("headers") {
        for (name, value) in Object::new("settings: headers", headers)?.members {
            match value {
                Value::String(value) => config = config.header(name, value),
                other => return Err(expected(&format!("settings: headers.{name}"), "a text", &other)),
            }
        }
    }
    config = config.http(http(&mut settings)?);
    let replays = replay(&mut settings)?;
    let credentials = settings.take("credentials");
    if let Some(replay) = replays {
        // Environment and AWS files have no effect on a recording, which needs neither region nor credentials.
        let context = Context::fake().with_clock(SystemTime::now);
        config = config.context(context).without_credentials().transport(Arc::new(replay));
    }
    match credentials {
        None => {}
        Some(Value::String(word)) if cfg!(feature = "chain") && word == "chain" => {}
        Some(Value::String(word)) if word == "none" => config = config.without_credentials(),
        Some(keys @ Value::Object(_)) => config = given(config, keys)?,
        Some(other) => {
            return Err(expected("settings: credentials", r#""chain", "none" or an object of keys"#, &other));
        }
    }
    settings.finish()?;
    Ok(config)
}

/// The keys that the program has itself.
fn given(config: Config, keys: Value) -> Result<Config> {
    let mut keys = Object::new("settings: credentials", keys)?;
    let mut texts = [None, None, None, None];
    let names = ["accessKeyId", "secretAccessKey", "sessionToken", "bearerToken"];
    for (text, name) in texts.iter_mut().zip(names) {
        *text = keys.text(name)?;
    }
    keys.finish()?;
    match texts {
        [Some(id), Some(secret), token, None] => Ok(config.access_keys(id, secret, token)),
        [None, None, None, Some(token)] => Ok(config.bearer_token(token)),
        _ => Err(invalid("credentials: expected accessKeyId and secretAccessKey, or bearerToken alone")),
    }
}

fn http(settings: &mut Object) -> Result<HttpConfig> {
    let mut http = HttpConfig::default();
    if let Some(time) = settings.number("connectTimeoutMs")? {
        http.connect_timeout = Duration::from_millis(time);
    }
    if let Some(proxy) = settings.text("proxy")? {
        http.proxies = false;
        http.proxy = (proxy != "none").then_some(proxy);
    }
    http.ca_bundle = settings.text("caBundle")?.map(PathBuf::from);
    http.authorities = settings.text("authorities")?;
    #[cfg(feature = "client-certificates")]
    if let Some(certificate) = settings.take("clientCertificate") {
        let mut certificate = Object::new("settings: clientCertificate", certificate)?;
        let both = (certificate.text("certificate")?, certificate.text("key")?);
        certificate.finish()?;
        let (Some(certificate), Some(key)) = both else {
            return Err(invalid("clientCertificate: expected certificate and key"));
        };
        http.client_certificate = Some((certificate, key));
    }
    Ok(http)
}

fn replay(settings: &mut Object) -> Result<Option<Replay>> {
    let file = settings.text("replay")?;
    let (strict, loops) = (settings.switch("replayStrict")?, settings.switch("replayLoop")?);
    let speed = settings.take("replaySpeed");
    let Some(file) = file else { return Ok(None) };
    let mut replay = Replay::open(file)?;
    if strict == Some(true) {
        replay = replay.strict();
    }
    if loops == Some(true) {
        replay = replay.looped();
    }
    if let Some(speed) = speed {
        let number = speed.as_f64().filter(|speed| *speed > 0.0);
        let number = number.ok_or_else(|| expected("settings: replaySpeed", "a number above 0", &speed))?;
        replay = replay.at_speed(number);
    }
    Ok(Some(replay))
}

/// An object whose members are taken one by one. `null` counts as absent.
struct Object {
    path: &'static str,
    members: Map<String, Value>,
    /// The names that were asked for.
    known: Vec<&'static str>,
}

impl Object {
    fn new(path: &'static str, value: Value) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(Self { path, members, known: Vec::new() }),
            other => Err(expected(path, "an object", &other)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Text that is not blank.
    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text)),
            Some(other) => Err(self.expected(name, "a text that is not blank", &other)),
        }
    }

    fn switch(&mut self, name: &'static str) -> Result<Option<bool>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.expected(name, "true or false", &value))
    }

    /// A whole number from 1.
    fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| self.expected(name, "a whole number from 1", &value))
    }

    /// Fails if there are members that nobody has asked for.
    fn finish(self) -> Result<()> {
        let Some(name) = self.members.keys().next() else { return Ok(()) };
        let near = match nearest(name, self.known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", self.known.join(", ")),
        };
        let message = format!("{}: there is no member {name:?}; {near}", self.path);
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    fn expected(&self, name: &str, wanted: &str, found: &Value) -> Error {
        let separator = if self.path == "settings" { ": " } else { "." };
        expected(&format!("{}{separator}{name}", self.path), wanted, found)
    }
}

/// The error of a value of another kind. It does not say the value, which may be a secret.
fn expected(path: &str, wanted: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "a blank text",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::new(ErrorKind::InvalidInput, format!("{path}: expected {wanted}, found {found}"))
}

fn invalid(fault: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("settings: {fault}"))
}
