//! What a command that calls Bedrock needs, from its flags and the settings: clients, recordings, the model of a call.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::Arc;
#[cfg(feature = "gateway")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

#[cfg(feature = "gateway")]
use pumice::Progress;
use pumice::context::Context;
use pumice::models::{Directory, is_unknown_model};
use pumice::retry::Retry;
use pumice::settings::{Clients, ModelChoice, ModelQuery, Settings, decimal};
use pumice::transport::{Recorder, Replay, Transport};
use pumice::{Config, Error};

use crate::args::Args;
use crate::commands::Command;
use crate::failure::Failure;
use crate::output::{Report, erase_status};
#[cfg(all(unix, feature = "terminal"))]
use crate::terminal_mode::TerminalMode;

/// The clients of a command, and the recording that it may replay.
pub(crate) struct Session {
    pub(crate) clients: Clients,
    pub(crate) replay: Option<Arc<Replay>>,
    /// What replays or records. `None` if each client has a network of its own.
    transport: Option<Arc<dyn Transport>>,
    /// Where the user can name a model.
    names_model: &'static str,
    /// How many attempts of calls followed a failed one.
    #[cfg(feature = "gateway")]
    pub(crate) retries: Arc<AtomicU64>,
}

impl Session {
    pub(crate) fn new(args: &Args, report: &Report) -> Result<Self, Failure> {
        Self::over(base(), args, report)
    }

    /// Flags take precedence over this configuration, and it over the settings.
    pub(crate) fn over(config: Config, args: &Args, report: &Report) -> Result<Self, Failure> {
        let settings = load_settings(args, report)?;
        let config = with_flags(config, args, &settings)?;
        let replay = open_replay(args)?.map(Arc::new);
        let recording = args.path("record");
        if let (Some(from), Some(to)) = (args.path("replay"), recording)
            && std::fs::canonicalize(from)
                .is_ok_and(|from| std::fs::canonicalize(to).is_ok_and(|to| to == from))
        {
            return Err(Failure::usage("--record and --replay: expected two files, found one"));
        }
        let transport = if let Some(replay) = &replay {
            Some(recorded(Arc::clone(replay) as Arc<dyn Transport>, recording, report))
        } else if recording.is_some() {
            let network = settings.under(config.clone(), None).network()?;
            Some(recorded(Arc::new(network), recording, report))
        } else {
            None
        };
        Ok(Self::made(config, settings, replay, transport, args, report))
    }

    /// Another one with the same settings and recordings, over another configuration.
    pub(crate) fn beside(&self, config: Config, args: &Args, report: &Report) -> Result<Self, Failure> {
        let settings = self.settings().clone();
        let config = with_flags(config, args, &settings)?;
        Ok(Self::made(config, settings, self.replay.clone(), self.transport.clone(), args, report))
    }

    fn made(
        config: Config,
        settings: Settings,
        replay: Option<Arc<Replay>>,
        transport: Option<Arc<dyn Transport>>,
        args: &Args,
        report: &Report,
    ) -> Self {
        #[cfg(not(feature = "gateway"))]
        let mut config = config.watch(report.watcher());
        #[cfg(feature = "gateway")]
        let retries = Arc::<AtomicU64>::default();
        #[cfg(feature = "gateway")]
        let mut config = {
            let (watcher, retries) = (report.watcher(), Arc::clone(&retries));
            config.watch(move |progress| {
                if let Progress::Retrying { .. } | Progress::Waiting { .. } = progress {
                    retries.fetch_add(1, Ordering::Relaxed);
                }
                watcher(progress);
            })
        };
        // Programs name models that only an inference profile serves.
        #[cfg(feature = "gateway")]
        if args.command == Command::Serve {
            config = config.auto_profile();
        }
        if args.has("auto-profile") {
            config = config.auto_profile();
        }
        if args.has("patient") {
            config = config.retry(Retry::patient(PATIENCE));
        }
        if replay.is_some() {
            // A replay needs no credentials and no region: the environment and the AWS files have no effect on it.
            config = config.context(Context::fake().with_clock(SystemTime::now)).without_credentials();
        }
        if let Some(transport) = &transport {
            config = config.transport(Arc::clone(transport));
        }
        let names_model = match args.command {
            Command::Converse | Command::Call => "as modelId in the request",
            Command::Stream => "as the id of the input's model",
            _ => "with -m",
        };
        Self {
            clients: Clients::new(config, settings),
            replay,
            transport,
            names_model,
            #[cfg(feature = "gateway")]
            retries,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.clients.settings()
    }

    /// The model of a call: the one it names, else that of `PUMICE_MODEL`, else the recording's, else the settings'
    /// with its fallbacks.
    pub(crate) async fn choose(&self, named: Option<&str>) -> Result<ModelChoice, Failure> {
        let variable = Context::real().env("PUMICE_MODEL");
        let named = named.or(variable.as_deref()).filter(|named| !named.trim().is_empty());
        if let (None, Some(recorded)) = (named, self.replay.as_ref().and_then(|replay| replay.model())) {
            return Ok(recorded.to_owned().into());
        }
        match self.settings().choose(named)? {
            Some(choice) => Ok(choice),
            None => Err(self.no_model().await),
        }
    }

    /// The failure of a call of this model. If there is no such model, its hint names the nearest ones.
    pub(crate) async fn failure(&self, model: &str, error: Error) -> Failure {
        let mut failure = Failure::from(&error);
        if is_unknown_model(&error) && self.replay.is_none() {
            let near = self.directory().nearest(model).await;
            if !near.is_empty() {
                let more = failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                failure.hint = Some(format!("did you mean {}?{more}", near.join(" or ")));
            }
        }
        failure
    }

    /// The directory of models.
    pub(crate) fn directory(&self) -> Directory {
        self.settings().directory(self.clients.common().clone())
    }

    async fn no_model(&self) -> Failure {
        if self.replay.is_some() {
            return Failure::usage("the recording has no call of a model")
                .hint("record a call of a model with --record FILE");
        }
        let callable = self.callable().await;
        let such = match callable.as_slice() {
            [] => "us.anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned(),
            ids => ids.join(", "),
        };
        Failure::usage("no model is named").hint(format!(
            "name one {}, in PUMICE_MODEL or with pumice config set model ID, such as {such}; pumice models list \
             shows them all",
            self.names_model
        ))
    }

    /// The ids of three models that can be called, those of the settings first.
    async fn callable(&self) -> Vec<String> {
        let (directory, query) = (self.directory(), ModelQuery::default());
        let listed =
            tokio::time::timeout(LONGEST_LOOKUP, self.settings().list_models(&directory, &query)).await;
        let models = match listed {
            Ok(Ok(list)) => list.models.into_iter().map(|listed| listed.model.id).collect(),
            // A hint does without the service's models.
            _ => self.settings().models.iter().map(|model| model.id.clone()).collect::<Vec<_>>(),
        };
        models.into_iter().take(3).collect()
    }
}

/// Loads the settings, and reports their warnings.
fn load_settings(args: &Args, report: &Report) -> Result<Settings, Failure> {
    let settings = Settings::load(&Context::real(), args.path("config"))?;
    settings.warnings.iter().for_each(|warning| report.warning(warning));
    Ok(settings)
}

/// A configuration with what only this program's variables say.
pub(crate) fn base() -> Config {
    match Context::real().env("PUMICE_PROFILE") {
        Some(profile) => Config::new().profile(profile),
        None => Config::new(),
    }
}

/// The configuration of flags and settings.
pub(crate) fn config(args: &Args, report: &Report) -> Result<Config, Failure> {
    let settings = load_settings(args, report)?;
    Ok(settings.under(with_flags(base(), args, &settings)?, None))
}

pub(crate) fn with_flags(mut config: Config, args: &Args, settings: &Settings) -> Result<Config, Failure> {
    if let Some(region) = args.text("region")? {
        config = config.region(region);
    }
    if let Some(profile) = args.text("profile")? {
        config = config.profile(profile);
    }
    config = config.cache_credentials(!args.has("no-credential-cache")).ask_mfa_code(ask_mfa_code);
    if let Some(url) = args.text("endpoint-url")? {
        config = config.endpoint_url(url);
    }
    if let Some(project) = args.text("project")? {
        config = config.project(project);
    }
    let seconds = args.number("timeout", "a number of seconds above 0", decimal, |seconds| *seconds > 0.0)?;
    // More seconds than a `Duration` can hold are no limit.
    let timeout = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    if let Some(timeout) = timeout.or(settings.timeout) {
        config = config.first_byte_timeout(timeout).idle_timeout(timeout);
    }
    Ok(config)
}

fn open_replay(args: &Args) -> Result<Option<Replay>, Failure> {
    let speed = args
        .number("replay-speed", "a factor above 0", decimal, |factor| *factor > 0.0 && factor.is_finite())?;
    let strict = args.has("replay-strict");
    let loops = args.has("replay-loop");
    let Some(path) = args.path("replay") else {
        let given = ["replay-strict", "replay-loop", "replay-speed"].into_iter().find(|name| args.has(name));
        return given
            .map_or(Ok(None), |name| Err(Failure::usage(format!("--{name} goes with --replay FILE"))));
    };
    let mut replay = Replay::open(path)?;
    if strict {
        replay = replay.strict();
    }
    if loops {
        replay = replay.looped();
    }
    if let Some(speed) = speed {
        replay = replay.at_speed(speed);
    }
    Ok(Some(replay))
}

fn recorded(
    transport: Arc<dyn Transport>,
    recording: Option<&std::path::Path>,
    report: &Report,
) -> Arc<dyn Transport> {
    let Some(path) = recording else { return transport };
    let report = report.clone();
    let warn = move |error: &Error| {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        report.warning(format_args!("{error}{cause}; what follows is not recorded"));
    };
    Arc::new(Recorder::new(transport, path).on_error(warn))
}

/// Asks at the terminal for the code of an MFA device.
fn ask_mfa_code(device: &str) -> io::Result<String> {
    let (from, to) = if cfg!(windows) { ("CONIN$", "CONOUT$") } else { ("/dev/tty", "/dev/tty") };
    let mut terminal = OpenOptions::new().write(true).open(to)?;
    erase_status();
    write!(terminal, "MFA code for {}: ", device.escape_debug())?;
    let mut line = String::new();
    #[cfg(all(unix, feature = "terminal"))]
    TerminalMode::hold_keys(false);
    let read = BufReader::new(File::open(from)?).read_line(&mut line);
    #[cfg(all(unix, feature = "terminal"))]
    TerminalMode::hold_keys(true);
    read.map(|_| line)
}

/// The budget of `--patient`.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long to look for models to name in a hint.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);
