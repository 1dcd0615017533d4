//! A client from the flags that every call has: region, profile, endpoint, timeout, recording.

use std::sync::Arc;
use std::time::Duration;

use pumice::context::Context;
use pumice::transport::{Http, HttpConfig, Recorder, Replay, Transport};
use pumice::{Client, Config};

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Report;

/// A client, and what the recording it may answer from says of the model.
pub(crate) struct Session {
    pub(crate) client: Client,
    recorded_model: Option<String>,
}

impl Session {
    pub(crate) fn new(args: &Args, report: &Report) -> Result<Self, Failure> {
        Self::over(Config::new(), args, report)
    }

    /// With settings that the flags count before.
    pub(crate) fn over(config: Config, args: &Args, report: &Report) -> Result<Self, Failure> {
        let mut config = configured(config, args)?.watch(report.watcher());
        let replay = replay(args)?;
        let recorded_model = replay.as_ref().and_then(|replay| replay.model().map(str::to_owned));
        let recording = args.path("record");
        if let Some(replay) = replay {
            config = config.unauthorised().transport(recorded(Arc::new(replay), recording));
        } else if recording.is_some() {
            let http = Http::new(&HttpConfig::default(), &Context::real())?;
            config = config.transport(recorded(Arc::new(http), recording));
        }
        Ok(Self { client: Client::new(config), recorded_model })
    }

    /// The model of a call: the one it names, else `PUMICE_MODEL`, else the recording's.
    pub(crate) fn model(&self, named: Option<String>) -> Result<String, Failure> {
        let model =
            named.or_else(|| Context::real().env("PUMICE_MODEL")).or_else(|| self.recorded_model.clone());
        let model =
            model.map(|model| model.strip_prefix("amazon-bedrock/").map(str::to_owned).unwrap_or(model));
        model.filter(|model| !model.trim().is_empty()).ok_or_else(|| {
            Failure::usage("no model is named").hint(
                "name one with -m (or modelId in a request), or in PUMICE_MODEL: the id of a model or of an \
                 inference profile, such as us.anthropic.claude-sonnet-4-5-20250929-v1:0, or an ARN",
            )
        })
    }
}

/// The settings that the flags make.
pub(crate) fn config(args: &Args) -> Result<Config, Failure> {
    configured(Config::new(), args)
}

/// These settings, and before them those that the flags make.
fn configured(mut config: Config, args: &Args) -> Result<Config, Failure> {
    if let Some(region) = args.text("region")? {
        config = config.region(region);
    }
    if let Some(profile) = args.text("profile")? {
        config = config.profile(profile);
    }
    if let Some(url) = args.text("endpoint-url")? {
        config = config.endpoint_url(url);
    }
    if let Some(seconds) =
        args.number::<f64>("timeout", "a number of seconds above 0", |seconds| seconds > 0.0)?
    {
        let timeout = Duration::try_from_secs_f64(seconds)
            .map_err(|_| Failure::usage("--timeout: a number of seconds that a clock can hold expected"))?;
        config = config.first_byte_timeout(timeout).idle_timeout(timeout);
    }
    Ok(config)
}

fn replay(args: &Args) -> Result<Option<Replay>, Failure> {
    let speed =
        args.number::<f64>("replay-speed", "a factor above 0", |factor| factor > 0.0 && factor.is_finite())?;
    let strict = args.has("replay-strict");
    let Some(path) = args.path("replay") else {
        return match (strict, speed) {
            (false, None) => Ok(None),
            _ => Err(Failure::usage("--replay-strict and --replay-speed go with --replay FILE")),
        };
    };
    let mut replay = Replay::open(path)?;
    if strict {
        replay = replay.strict();
    }
    if let Some(speed) = speed {
        replay = replay.at_speed(speed);
    }
    Ok(Some(replay))
}

fn recorded(transport: Arc<dyn Transport>, recording: Option<&std::path::Path>) -> Arc<dyn Transport> {
    match recording {
        Some(path) => Arc::new(Recorder::new(transport, path)),
        None => transport,
    }
}
