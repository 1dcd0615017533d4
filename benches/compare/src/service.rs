//! Programs that serve: how they are started, and what they use.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::callers::Ask;
use crate::measure::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, World, callgrind, collected};

/// A command that serves.
pub struct Launch {
    command: Command,
    /// Its URL. `None`: it prints that.
    url: Option<String>,
}

impl Launch {
    pub fn pumice(binary: &Path, world: &World) -> Self {
        let mut command = world.with_environment(Command::new(binary));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self { command, url: None }
    }

    pub fn proxy(binary: &Path, world: &World) -> Self {
        let mut command = Command::new(binary);
        command.arg(world.endpoint());
        Self { command, url: None }
    }

    /// Portkey's gateway, if it is installed.
    pub fn portkey(others: &Path, world: &World) -> Option<Self> {
        let script = others.join("portkey/node_modules/@portkey-ai/gateway/build/start-server.js");
        let script = script.canonicalize().ok()?;
        let port = free_port();
        let mut command = world.with_environment(Command::new("node"));
        command
            .arg(script)
            .args([format!("--port={port}"), "--headless".into()])
            .env("NODE_ENV", "production");
        // Without it, it calls no host that is not public.
        command.env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1,localhost");
        Some(Self { command, url: Some(format!("http://127.0.0.1:{port}")) })
    }

    /// `LiteLLM`'s proxy, if it is installed.
    pub fn litellm(others: &Path, world: &World, model: &str) -> Option<Self> {
        let program = others.join("litellm/bin/litellm").canonicalize().ok()?;
        let port = free_port();
        let config = world.folder().join("litellm.yaml");
        // JSON is YAML.
        let text = serde_json::json!({
            "model_list": [{"model_name": model, "litellm_params": {
                "model": format!("bedrock/converse/{model}"),
                "aws_bedrock_runtime_endpoint": world.endpoint(),
                "aws_access_key_id": ACCESS_KEY_ID,
                "aws_secret_access_key": SECRET_ACCESS_KEY,
                "aws_region_name": "us-east-1"
            }}],
            "litellm_settings": {"telemetry": false}
        });
        fs::write(&config, text.to_string()).unwrap();
        let mut command = world.with_environment(Command::new(program));
        command.args(["--host", "127.0.0.1", "--telemetry", "False", "--port"]).arg(port.to_string());
        command.arg("--config").arg(config);
        // Otherwise it fetches prices.
        command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_MODE", "PRODUCTION");
        // As the other gateways here, it has no key.
        command.env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true");
        Some(Self { command, url: Some(format!("http://127.0.0.1:{port}")) })
    }

    /// Calls Bedrock over TLS.
    pub fn over_tls(mut self, world: &World) -> Self {
        world.set_tls(&mut self.command);
        self
    }

    pub fn under_callgrind(self) -> Self {
        let mut words = callgrind().into_iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self { command, ..self }
    }
}

/// A program that serves. It ends with this.
pub struct Service {
    pub url: String,
    child: Child,
    /// With what it prints.
    folder: TempDir,
}

impl Service {
    pub fn start(mut launch: Launch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = File::create(folder.path().join("output")).unwrap();
        launch.command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = launch.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", launch.command));
        let mut service = Self { url: String::new(), child, folder };
        let start = Instant::now();
        service.url = loop {
            let text = service.output();
            let printed = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:"));
            // A word that has not been written whole.
            let printed = printed.filter(|_| text.ends_with('\n'));
            match launch.url.clone().or_else(|| Some(printed?.trim_end_matches("/v1").to_owned())) {
                Some(url) => break url,
                None => assert!(start.elapsed() < Duration::from_secs(30), "{:?}: {text}", launch.command),
            }
            assert_eq!(service.child.try_wait().unwrap(), None, "{:?}: {text}", launch.command);
            thread::sleep(Duration::from_millis(20));
        };
        service
    }

    /// Waits until a call is served. A program may take long to start.
    pub fn wait_until_it_serves(&mut self, ask: &Ask) {
        let start = Instant::now();
        while let Err(error) = ask.call() {
            let ended = self.child.try_wait().unwrap();
            let may_come = ended.is_none() && start.elapsed() <= LONGEST_START;
            assert!(may_come, "{}: {error}\n{}", self.url, self.output());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    /// Stops a service that runs [under callgrind](Launch::under_callgrind). Returns its instructions.
    pub fn stop_and_count(mut self) -> u64 {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap();
        let text = self.output();
        collected(&text).unwrap_or_else(|| panic!("expected instructions, found {text}"))
    }

    /// Its processor time so far, on all threads.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = tasks.filter_map(|task| {
            // A thread may have ended meanwhile.
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Its resident memory, in MiB.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// How many responses a gateway is sending.
    pub fn open_streams(&self) -> usize {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("pumice_open_streams "));
        line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a program may take to start.
const LONGEST_START: Duration = Duration::from_mins(2);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
