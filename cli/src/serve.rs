//! `pumice serve`: the gateway.

use std::future::poll_fn;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use pumice::context::Context;
use pumice_gateway::{CallRecord, Key, Listener, Options, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::args::Args;
use crate::failure::Failure;
use crate::interrupt::Stops;
use crate::output::Report;
use crate::session::Session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let keys = keys(args)?;
    let session = Session::new(args, report)?;
    let mut options = Options::new().retries(Arc::clone(&session.retries));
    if let Some(replay) = &session.replay {
        options = options.replays(Arc::clone(replay));
    }
    for host in args.texts("allow-host")? {
        options = options.allow_host(host);
    }
    for origin in args.texts("allow-origin")? {
        if origin != "null" && !origin.contains("://") {
            let message = format!("--allow-origin: expected a scheme and a host, found {origin:?}");
            return Err(Failure::usage(message).hint("for example --allow-origin https://app.example"));
        }
        options = options.allow_origin(origin);
    }
    let most =
        args.number("max-connections", "a whole number from 1", |text| text.parse().ok(), |most| *most > 0);
    if let Some(most) = most? {
        options = options.max_connections(most);
    }
    let log = report.clone();
    options = match args.text("log")? {
        None | Some("text") => options.log(move |record: &CallRecord| log.plain(record)),
        Some("json") => options.log(move |record: &CallRecord| log.plain(record.to_json())),
        Some(found) => return Err(Failure::usage(format!("--log: expected text or json, found {found:?}"))),
    };
    crate::open_many_files();
    let (listener, url, socket) = listen(args, !keys.is_empty()).await?;
    let is_open = matches!(&listener, Listener::Tcp(listener)
        if listener.local_addr().is_ok_and(|address| address.ip().is_unspecified()));
    options = keys.into_iter().fold(options, Options::key);

    // From here on signals stop it.
    let stops =
        Stops::new().map_err(|error| Failure::temporary(format!("no signals can be received: {error}")))?;
    report.plain(format_args!("pumice serves at {url}"));
    if is_open {
        report.plain(format_args!(
            "it listens on all addresses of this machine; --allow-host NAME lets callers use another name"
        ));
    }
    let common = session.clients.common().clone();
    let stopping = Arc::new(Notify::new());
    let stop = Arc::clone(&stopping);
    let served = serve(listener, session.clients, options.stop(async move { stop.notified().await }));
    let watched = async {
        if let Some(url) = url.strip_prefix("unix:") {
            report.plain(format_args!("curl --unix-socket {url} http://localhost/v1/models"));
        } else {
            report.plain(format_args!("OPENAI_BASE_URL={url}/v1"));
            report.plain(format_args!("ANTHROPIC_BASE_URL={url}"));
            report.plain(format_args!("AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url}"));
        }
        if session.replay.is_some() {
            report.plain("it replays a recording: no network, no credentials");
        } else {
            identity(&common, report).await;
        }
    };
    let (mut served, mut watched) = (pin!(served), pin!(watched));
    let (mut first, mut second) = (pin!(stops.next()), pin!(None));
    let mut has_identity = false;
    let mut is_stopping = false;
    let result = poll_fn(|task| {
        has_identity = has_identity || watched.as_mut().poll(task).is_ready();
        if !is_stopping && first.as_mut().poll(task).is_ready() {
            is_stopping = true;
            report.plain("stopping: calls under way have 30 s to end; a second signal ends them");
            stopping.notify_one();
            second.set(Some(stops.next()));
        }
        if let Some(second) = second.as_mut().as_pin_mut()
            && second.poll(task).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        served.as_mut().poll(task)
    })
    .await;
    if let Some(path) = socket {
        let _ = std::fs::remove_file(path);
    }
    result.map_err(|error| Failure::temporary(format!("connections can no longer be accepted: {error}")))
}

/// Says which credentials calls will use.
async fn identity(client: &pumice::Client, report: &Report) {
    match client.identify().await {
        Ok(identity) => {
            match &identity.search.result {
                Ok(found) => {
                    let region = identity.region.name();
                    report.plain(format_args!("credentials: {}, region {region}", found.link));
                }
                Err(error) => report.warning(Failure::from(error).text()),
            }
            if identity.runtime.shown_url().starts_with("http:") {
                report.plain(format_args!("endpoint: {}", identity.runtime.shown_url()));
            }
        }
        Err(error) => report.warning(Failure::from(&error).text()),
    }
}

fn keys(args: &Args) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    if let Some(key) = Context::real().env("PUMICE_API_KEY") {
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::usage("PUMICE_API_KEY: expected a key of visible ASCII without spaces"));
        }
        keys.push(Key::new(key));
    }
    if let Some(path) = args.path("api-key-file") {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path.display(), &error))?;
        let found =
            Key::read(&text).map_err(|fault| Failure::usage(format!("{}, {fault}", path.display())))?;
        if found.is_empty() {
            return Err(Failure::usage(format!("{}: expected a key, found none", path.display())));
        }
        keys.extend(found);
    }
    Ok(keys)
}

/// Opens the port or the socket. Returns it with its URL, and the path of the socket, which is to be removed at the end.
async fn listen(args: &Args, has_key: bool) -> Result<(Listener, String, Option<&Path>), Failure> {
    let address = args.text("listen")?.unwrap_or("127.0.0.1:8790");
    if let Some(path) = address.strip_prefix("unix:") {
        return socket(Path::new(path)).map(|listener| (listener, address.to_owned(), Some(Path::new(path))));
    }
    let found = address.to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    if found.is_empty() {
        let message = format!("--listen: expected HOST:PORT or unix:PATH, found {address:?}");
        return Err(Failure::usage(message).hint("for example --listen 127.0.0.1:8790"));
    }
    if !has_key && !found.iter().all(|address| address.ip().is_loopback()) {
        let message = format!("--listen {address} is open to other machines, which needs a key");
        return Err(
            Failure::usage(message).hint("set PUMICE_API_KEY, or name a file of keys with --api-key-file")
        );
    }
    let listener =
        TcpListener::bind(found.as_slice()).await.map_err(|error| cannot_listen(address, &error))?;
    let local = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    let shown = match local {
        // No client can call the unspecified address everywhere.
        SocketAddr::V4(local) if local.ip().is_unspecified() => format!("127.0.0.1:{}", local.port()),
        SocketAddr::V6(local) if local.ip().is_unspecified() => format!("[::1]:{}", local.port()),
        local => local.to_string(),
    };
    Ok((listener.into(), format!("http://{shown}"), None))
}

/// Opens a Unix socket that only its owner may use.
#[cfg(unix)]
fn socket(path: &Path) -> Result<Listener, Failure> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    use std::os::unix::net::{UnixListener, UnixStream};

    let shown = path.display().to_string();
    if let Ok(found) = path.symlink_metadata() {
        if !found.file_type().is_socket() {
            return Err(Failure::usage(format!(
                "--listen unix:{shown}: the file exists and is not a socket"
            )));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(Failure::usage(format!("--listen unix:{shown}: another program listens there")));
        }
    }
    let open = || {
        // Under another name until only the owner may open it.
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = Path::new(&beside);
        let listener = UnixListener::bind(beside)?;
        let moved = std::fs::set_permissions(beside, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(beside, path))
            .and_then(|()| listener.set_nonblocking(true));
        if let Err(error) = moved {
            let _ = std::fs::remove_file(beside);
            return Err(error);
        }
        tokio::net::UnixListener::from_std(listener)
    };
    open().map(Listener::from).map_err(|error| cannot_listen(&format!("unix:{shown}"), &error))
}

#[cfg(not(unix))]
fn socket(_: &Path) -> Result<Listener, Failure> {
    Err(Failure::usage("--listen: expected HOST:PORT, found a Unix socket, which this system does not have"))
}

fn cannot_listen(address: &str, error: &std::io::Error) -> Failure {
    Failure::temporary(format!("cannot listen on {address}: {error}"))
        .hint("name another address with --listen, or port 0 for any free port")
}
