//! A fake world for the chain of credentials: variables, files, and services in memory; and the comparison with what
//! another program made of the same input.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_credential_types::attributes::AccountId;
use bytes::Bytes;
use http::{Request, Response};
use pumice::context::{CommandOutput, Context};
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::{Credentials, Resolved};
use pumice::transport::{Body, Transport, TransportFuture};
use pumice::{Client, Config, ErrorKind, Identity};
use serde_json::{Value, json};

/// Services in memory: a function gets each request and returns a status, headers and a body.
pub struct Services {
    pub answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    /// How long the first responses take, in seconds.
    pub pauses: Mutex<Vec<u64>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    pub uri: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl Services {
    pub fn new(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), pauses: Mutex::default(), asked: Mutex::default() })
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

impl Transport for Services {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        let (head, body) = request.into_parts();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let asked = Asked {
            method: head.method.to_string(),
            uri: head.uri.to_string(),
            headers: headers.collect(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let pause = self.pauses.lock().unwrap().pop();
        Box::pin(async move {
            // As with a network, other tasks run in the meantime.
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_secs(pause.unwrap_or(0))).await;
            let answer = (self.answer)(&asked);
            let mut response = Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(name, value);
            }
            Ok(response.body(Box::pin(Once(Some(answer.body.into()))) as Body).unwrap())
        })
    }
}

struct Once(Option<Bytes>);

impl futures_core::Stream for Once {
    type Item = pumice::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

pub const HOME: &str = "/home/test";

pub fn at(text: &str) -> SystemTime {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(text, &Rfc3339).unwrap().into()
}

/// A fake world with these variables. Commands really run.
pub fn world(env: &Value) -> Context {
    let mut context = Context::fake()
        .with_env("HOME", HOME)
        .with_clock(|| at("2026-11-22T14:32:12Z"))
        .with_commands(|command| {
            let output = Command::new("sh").args(["-c", command]).env_clear().output()?;
            let mut ran = ran(output.status.success(), output.stdout, output.stderr);
            ran.code = output.status.code();
            Ok(ran)
        });
    for (name, value) in env.as_object().unwrap() {
        context = context.with_env(name, value.as_str().unwrap().replace("$HOME", HOME));
    }
    context
}

pub fn ran(success: bool, stdout: impl Into<Vec<u8>>, stderr: impl Into<Vec<u8>>) -> CommandOutput {
    let mut ran = CommandOutput::default();
    (ran.success, ran.stdout, ran.stderr) = (success, stdout.into(), stderr.into());
    ran
}

pub fn config(context: Context, services: &Arc<Services>) -> Config {
    Config::new().context(context).credentials_transport(services.clone())
}

pub fn keys(found: &Resolved) -> &aws_credential_types::Credentials {
    let Credentials::Keys(keys) = &found.credentials else { panic!("expected access keys") };
    keys
}

/// The secrets in a case's variables, files and responses, found by their names.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, name: &str, value: &str) {
        let name = name.to_lowercase().replace(['_', '-'], "");
        let secret = ["secretaccesskey", "sessiontoken", "bearertokenbedrock", "accesstoken", "refreshtoken"]
            .iter()
            .chain(&["clientsecret", "dpopkey", "idtoken", "authorizationtoken"])
            .any(|part| name.ends_with(part))
            || name == "token";
        // A secret of a letter or two would be found in every text.
        if secret && value.len() >= 4 {
            self.0.push(value.to_owned());
        }
    }

    pub fn add_json(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    member.as_str().into_iter().for_each(|text| self.add(name, text));
                    self.add_json(member);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.add_json(value)),
            // A response may be JSON or XML in a string.
            Value::String(text) => self.add_text(text),
            _ => {}
        }
    }

    pub fn add_text(&mut self, text: &str) {
        if let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
            self.add_json(&json);
        }
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('=') {
                self.add(name.trim(), value.trim());
            }
        }
        for name in ["SecretAccessKey", "SessionToken"] {
            if let Some((_, rest)) = text.split_once(&format!("<{name}>")) {
                self.add(name, rest.split('<').next().unwrap());
            }
        }
    }

    /// Fails if `Debug` of a value shows one of them.
    pub async fn are_kept(&self, case: &str, config: &Config, identity: &Identity) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&log);
        let bedrock = Services::new(|_| Answer { status: 400, headers: Vec::new(), body: "{}".into() });
        let config = config.clone().transport(bedrock).watch(move |progress| {
            reported.lock().unwrap().push(format!("{progress:?}"));
        });
        let client = Client::new(config);
        let request = ConverseRequest::new("m").message(Message::user("Hi"));
        let error = client.converse(&request).await.unwrap_err();
        let mut shown = format!("{identity:?}\n{client:?}\n{error}\n{error:?}\n{:?}", error.hint());
        if let Err(error) = &identity.search.result {
            shown.push_str(&error.to_string());
        }
        shown.push_str(&log.lock().unwrap().concat());
        for secret in &self.0 {
            assert!(!shown.contains(secret.as_str()), "{case}: {secret} in {shown}");
        }
    }
}

/// Compares the credentials of a case, and the requests for them, with another program's. For an intended difference,
/// `exception` is the key id, or `null`.
pub async fn chain_holds(case: &Value, expected: &Value, exception: Option<&Value>) -> Result<(), String> {
    let name = case["name"].as_str().unwrap();
    let in_home = |text: &str| text.replace("$HOME", HOME);
    let mut context = world(&case["env"]);
    if case["imds"] != true {
        context = context.with_env("AWS_EC2_METADATA_DISABLED", "true");
    }
    for file in ["config", "credentials"] {
        if let Some(text) = case[file].as_str() {
            context = context.with_file(format!("{HOME}/.aws/{file}"), in_home(text));
        }
    }
    for (path, text) in case["files"].as_object().unwrap() {
        context = context.with_file(format!("{HOME}/{path}"), in_home(text.as_str().unwrap()));
    }
    let services = routes(case["routes"].as_array().unwrap().clone());
    let mut config = config(context, &services);
    if let Some(profile) = case["profile_arg"].as_str() {
        config = config.profile(profile);
    }
    let identity = Client::new(config.clone()).identify().await;
    let expected_key = exception.unwrap_or(&expected["credentials"]["access_key_id"]).as_str();
    let identity = match identity {
        Ok(identity) => identity,
        // If the AWS files cannot be read, there is no region either.
        Err(error) if expected_key.is_none() && error.kind() == ErrorKind::Credentials => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let mut secrets = Secrets::default();
    secrets.add_json(case);
    secrets.are_kept(name, &config, &identity).await;

    let found = match (&identity.search.result, expected_key) {
        (Ok(found), Some(_)) => Some(found),
        (Err(error), None) if error.kind() == ErrorKind::Credentials => None,
        (result, _) => return Err(format!("expected {expected_key:?}, found {result:?}")),
    };
    if let (Some(found), Some(key)) = (found, expected_key) {
        let keys = keys(found);
        let seen = json!({
            "access_key_id": keys.access_key_id(),
            "secret_access_key": keys.secret_access_key(),
            "session_token": keys.session_token(),
            "account_id": keys.account_id().map(AccountId::as_str),
        });
        match exception {
            Some(_) if keys.access_key_id() == key => {}
            None if seen == expected["credentials"] => {}
            _ => return Err(format!("expected {}, found {seen}", expected["credentials"])),
        }
    }
    if let Some(region) = expected["region"].as_str()
        && identity.region.name() != region
    {
        return Err(format!("expected {region}, found {:?}", identity.region));
    }
    if exception.is_none() {
        same_requests(expected["requests"].as_array().unwrap(), &services.asked())?;
    }
    Ok(())
}

/// Responds as the routes of a vector say.
fn routes(routes: Vec<Value>) -> Arc<Services> {
    let used = Mutex::new(BTreeMap::<usize, u64>::new());
    Services::new(move |asked| {
        let place = asked.uri.split_once("://").unwrap().1;
        let line = format!("{} {place}", asked.method);
        let mut used = used.lock().unwrap();
        let route = routes.iter().enumerate().find(|(index, route)| {
            line.contains(route["match"].as_str().unwrap())
                && route["body_contains"].as_str().is_none_or(|part| asked.body.contains(part))
                && route["times"].as_u64().is_none_or(|times| used.get(index).copied().unwrap_or(0) < times)
        });
        let Some((index, route)) = route else {
            return Answer { status: 404, headers: Vec::new(), body: String::new() };
        };
        *used.entry(index).or_default() += 1;
        let body = match &route["body"] {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let mut answer = Answer { status: 200, headers: Vec::new(), body };
        if let Some(status) = route["status"].as_u64() {
            answer.status = u16::try_from(status).unwrap();
        }
        for (name, value) in route["headers"].as_object().into_iter().flatten() {
            answer = answer.header(name, value.as_str().unwrap());
        }
        answer
    })
}

/// The parts of a request that are compared: method, URL, headers and body.
type Compared = (String, String, BTreeMap<String, String>, Vec<String>);

/// Compares the requests in order, each once, without those for the instance's region, which the SDK repeats.
fn same_requests(expected: &[Value], asked: &[Asked]) -> Result<(), String> {
    let form = |body: &str| {
        let mut parts = body.replace('+', "%20").split('&').map(str::to_owned).collect::<Vec<_>>();
        parts.sort();
        // The default session name has the time in it.
        parts.retain(|part| {
            !part.starts_with("RoleSessionName=assume-role") && !part.starts_with("RoleSessionName=pumice-")
        });
        if body.starts_with('{') {
            vec![serde_json::from_str::<Value>(body).unwrap().to_string()]
        } else {
            parts
        }
    };
    let compared = |method: &str, uri: &str, headers: BTreeMap<String, String>, body: &str| {
        let mut headers = headers;
        headers.retain(|name, _| name.starts_with("x-a") && name != "x-amz-date" || name == "authorization");
        if let Some(authorization) = headers.get_mut("authorization")
            && let Some((_, rest)) = authorization.split_once("Credential=")
        {
            *authorization = rest.split('/').next().unwrap().to_owned();
        }
        (method.to_owned(), uri.to_owned(), headers, form(body))
    };
    let expected = expected.iter().map(|request| {
        let text = |name: &str| request[name].as_str().unwrap();
        let headers = serde_json::from_value(request["headers"].clone()).unwrap();
        compared(text("method"), text("uri"), headers, text("body"))
    });
    let asked =
        asked.iter().map(|asked| compared(&asked.method, &asked.uri, asked.headers.clone(), &asked.body));
    let each_once = |requests: Vec<Compared>| {
        let for_region = |request: Option<&Compared>| {
            request.is_some_and(|(_, uri, ..)| uri.ends_with("/placement/region"))
        };
        let mut once = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let token_for_region = request.0 == "PUT" && for_region(requests.get(index + 1));
            if !for_region(Some(request)) && !token_for_region && !once.contains(request) {
                once.push(request.clone());
            }
        }
        once
    };
    let (expected, asked) = (each_once(expected.collect()), each_once(asked.collect()));
    if expected == asked {
        Ok(())
    } else {
        Err(format!("expected requests:\n{expected:#?}\nfound:\n{asked:#?}"))
    }
}
