//! Which servers are trusted: test certificates, and a loopback server that presents them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::transport::HttpConfig;
use pumice::{Client, Config, ErrorKind, Event};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use support::server::text_answer;
use tempfile::TempDir;

/// A certificate authority for a test, with its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Serves one response over TLS with a certificate of this authority. Returns the port.
    fn serve(&self, params: &CertificateParams, end: End) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        serve(certificate.der().clone(), &key, None, end)
    }

    /// The same as `localhost`, only for clients with a certificate of the other authority.
    fn serve_to(&self, clients: &Self) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = named("localhost").signed_by(&key, &self.issuer).unwrap();
        serve(certificate.der().clone(), &key, Some(clients), End::Closed)
    }
}

/// How a response without a length ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a TLS close.
    Closed,
    /// Only the connection is closed, which anyone on the way can do.
    CutOff,
    /// With bytes that are not TLS.
    Garbage,
}

/// Serves one response over TLS; if an authority is given, only to clients with a certificate of it.
fn serve(certificate: CertificateDer<'static>, key: &KeyPair, clients: Option<&Authority>, end: End) -> u16 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder.with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        // A client that does not trust the server disconnects here.
        let mut request = Vec::new();
        while !request.ends_with(b"}]}]}") {
            let mut piece = [0; 4096];
            match tls.read(&mut piece) {
                Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nconnection: close\r\n\r\n";
        tls.write_all(head.as_bytes()).unwrap();
        tls.write_all(&text_answer(&["over TLS"]).concat()).unwrap();
        match end {
            End::Closed => {
                connection.send_close_notify();
                let _ = connection.complete_io(&mut stream);
            }
            End::CutOff => {}
            End::Garbage => stream.write_all(b"no record of TLS begins like this").unwrap(),
        }
    });
    port
}

/// A certificate for a name.
fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A certificate for `localhost` that is valid in these years.
fn valid(from: i32, until: i32) -> CertificateParams {
    let mut params = named("localhost");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

/// The text of a response, as far as it arrived.
async fn call(url: String, context: Context) -> (String, pumice::Result<()>) {
    call_with(url, context, HttpConfig::default()).await
}

async fn call_with(url: String, context: Context, http: HttpConfig) -> (String, pumice::Result<()>) {
    let context = context.with_env("AWS_BEARER_TOKEN_BEDROCK", "token");
    let config = Config::new().context(context).endpoint_url(url).retry(Retry::standard());
    let client = Client::new(config.http(http));
    let request = ConverseRequest::new("m").message(Message::user("Hi"));
    let mut text = String::new();
    let read = async {
        let mut events = client.converse_stream(&request).await?;
        while let Some(event) = events.next_event().await? {
            if let Event::ContentBlockDelta(event) = event {
                text += event.delta.as_text().unwrap_or_default();
            }
        }
        Ok(())
    };
    let end = read.await;
    (text, end)
}

/// The program, which says "Hi" to this port.
fn chat(port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("HOME", "/no/such/home")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_BEARER_TOKEN_BEDROCK", "token")
        .args(["chat", "-m", "m", "--endpoint-url", &format!("https://localhost:{port}"), "Hi"]);
    command
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_it_is_named() {
    let authority = Authority::new();
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let port = authority.serve(&named("localhost"), End::Closed);
        let context = Context::fake().with_env(variable, authority.file());
        let (text, end) = call(format!("https://localhost:{port}"), context).await;
        end.unwrap();
        assert_eq!(text, "over TLS");
    }

    // A self-signed certificate is trusted too, unless it is an authority's.
    let key = KeyPair::generate().unwrap();
    let certificate = named("localhost").self_signed(&key).unwrap();
    let bundle = authority.folder.path().join("own.pem");
    std::fs::write(&bundle, certificate.pem()).unwrap();
    let port = serve(certificate.der().clone(), &key, None, End::Closed);
    let context = Context::fake().with_env("AWS_CA_BUNDLE", bundle.display().to_string());
    call(format!("https://localhost:{port}"), context).await.1.unwrap();
}

#[tokio::test]
async fn a_profile_names_an_authority_and_paths_may_begin_at_home() {
    let (authority, other) = (Authority::new(), Authority::new());
    let home = authority.folder.path().display().to_string();
    std::fs::write(authority.folder.path().join("bom.pem"), format!("\u{feff}{}", authority.issuer.pem()))
        .unwrap();
    let context = |ca_bundle: &str, env: &[(&str, &str)]| {
        let config = format!("[default]\nca_bundle = {ca_bundle}\n[profile none]\n");
        let context =
            Context::fake().with_env("HOME", &home).with_file(format!("{home}/.aws/config"), config);
        env.iter().fold(context, |context, (name, value)| context.with_env(*name, *value))
    };
    let (its, others) = (authority.file(), other.file());
    for context in [
        context(&its, &[]),
        context("~/ca.pem", &[]),
        context(&its, &[("SSL_CERT_FILE", &others)]),
        context(&others, &[("AWS_CA_BUNDLE", &its)]),
        context("", &[("AWS_CA_BUNDLE", "~/ca.pem")]),
        context("", &[("SSL_CERT_FILE", "~/bom.pem")]),
    ] {
        let port = authority.serve(&named("localhost"), End::Closed);
        let (text, end) = call(format!("https://localhost:{port}"), context).await;
        end.unwrap();
        assert_eq!(text, "over TLS");
    }
    for context in [context(&others, &[]), context(&its, &[("AWS_PROFILE", "none")])] {
        let port = authority.serve(&named("localhost"), End::Closed);
        let (_, end) = call(format!("https://localhost:{port}"), context).await;
        assert!(end.unwrap_err().to_string().contains("certificate is not accepted"));
    }
    // The services that give credentials are trusted by it as well.
    let port = authority.serve(&named("localhost"), End::Closed);
    let config = format!(
        "[profile r]\nca_bundle = {its}\nregion = us-east-1\nrole_arn = r\nsource_profile = s\n\
         [profile s]\naws_access_key_id = AK\naws_secret_access_key = sekret\n"
    );
    let context = Context::fake()
        .with_env("HOME", &home)
        .with_env("AWS_PROFILE", "r")
        .with_env("AWS_ENDPOINT_URL_STS", format!("https://localhost:{port}"))
        .with_file(format!("{home}/.aws/config"), config);
    let error =
        Client::new(Config::new().context(context)).identify().await.unwrap().search.result.unwrap_err();
    // The server is not STS.
    assert!(!error.to_string().contains("certificate"), "{error:?}");
}

#[tokio::test]
async fn a_wrong_certificate_is_a_clear_error_and_not_retried() {
    let authority = Authority::new();
    let trusted = || Context::fake().with_env("AWS_CA_BUNDLE", authority.file());
    let other = Authority::new();
    let mut for_clients = named("localhost");
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own_key = KeyPair::generate().unwrap();
    let signed_by_itself = named("localhost").self_signed(&own_key).unwrap();
    // As `openssl req -x509` makes it.
    let authority_key = KeyPair::generate().unwrap();
    let mut of_authority = named("localhost");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let of_authority = of_authority.self_signed(&authority_key).unwrap();
    let bundle = authority.folder.path().join("own.pem");
    std::fs::write(&bundle, of_authority.pem()).unwrap();
    let shown_is_trusted = || Context::fake().with_env("AWS_CA_BUNDLE", bundle.display().to_string());
    let by = |authority: &Authority, params| authority.serve(&params, End::Closed);
    // Each server accepts only one connection.
    let cases = [
        // Neither the bundled roots nor the system's know it.
        ("unknown issuer", by(&authority, named("localhost")), Context::fake(), "AWS_CA_BUNDLE"),
        // A named authority replaces all others.
        ("another's", by(&other, named("localhost")), trusted(), "AWS_CA_BUNDLE"),
        (
            "its own",
            serve(signed_by_itself.der().clone(), &own_key, None, End::Closed),
            trusted(),
            "AWS_CA_BUNDLE",
        ),
        (
            "an authority's own",
            serve(of_authority.der().clone(), &authority_key, None, End::Closed),
            shown_is_trusted(),
            "CA:TRUE",
        ),
        ("wrong name", by(&authority, named("bedrock.example")), trusted(), "the endpoint URL"),
        ("wildcard", by(&authority, named("*.localhost")), trusted(), "the endpoint URL"),
        ("expired", by(&authority, valid(2019, 2020)), trusted(), "clock"),
        ("not yet valid", by(&authority, valid(2900, 2901)), trusted(), "clock"),
        ("not a server's", by(&authority, for_clients), trusted(), "AWS_CA_BUNDLE"),
    ];
    for (name, port, context, hint) in cases {
        let (text, end) = call(format!("https://localhost:{port}"), context).await;
        let error = end.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Connect, false), "{name}: {error:?}");
        assert!(error.to_string().contains("the server's certificate is not accepted"), "{name}: {error}");
        assert!(error.hint().unwrap().to_string().contains(hint), "{name}: {error:?}");
        assert_eq!(text, "", "{name}");
    }
}

#[tokio::test]
async fn a_service_for_credentials_is_trusted_no_sooner() {
    let authority = Authority::new();
    let port = authority.serve(&named("localhost"), End::Closed);
    let context = Context::fake()
        .with_env("AWS_REGION", "eu-west-1")
        .with_env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
        .with_env("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
        .with_file("/token", "sekret")
        .with_env("AWS_ENDPOINT_URL_STS", format!("https://localhost:{port}"));
    let client = Client::new(Config::new().context(context).endpoint_url("http://127.0.0.1:9"));
    let error = client.converse(&ConverseRequest::new("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert!(error.to_string().contains("the server's certificate is not accepted"), "{error}");
    assert!(error.hint().unwrap().to_string().contains("AWS_CA_BUNDLE"), "{error:?}");
}

#[tokio::test]
async fn a_truncated_tls_stream_is_not_a_complete_response() {
    let authority = Authority::new();
    for (end, kind) in [(End::CutOff, ErrorKind::BrokenOff), (End::Garbage, ErrorKind::Damaged)] {
        let port = authority.serve(&named("localhost"), end);
        let end_is_garbage = end == End::Garbage;
        let context = Context::fake().with_env("AWS_CA_BUNDLE", authority.file());
        let (text, end) = call(format!("https://localhost:{port}"), context).await;
        assert_eq!(end.unwrap_err().kind(), kind);
        // Data that arrived with an invalid record is not delivered.
        assert!(text == "over TLS" || end_is_garbage && text.is_empty(), "{text}");
    }
}

/// The server accepts only one connection, so another attempt would fail to connect.
#[tokio::test]
async fn a_server_without_tls_gets_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let error = call(format!("https://localhost:{port}"), Context::fake()).await.1.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Damaged, "the response is not TLS"));
    assert!(error.hint().unwrap().to_string().contains("http://"), "{error:?}");
}

/// A proxy that connects to this port, whatever the name. Its URL, and the first line of each request.
fn proxy(port: u16) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:sekret@{}", listener.local_addr().unwrap());
    let (sender, lines) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.to_lowercase().contains("proxy-authorization: basic dxnlcjpzzwtyzxq="), "{head}");
            sender.send(head.lines().next().unwrap().to_owned()).unwrap();
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let pump = |mut from: TcpStream, mut to: TcpStream| {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                })
            };
            pump(client.try_clone().unwrap(), server.try_clone().unwrap());
            pump(server, client);
        }
    });
    (url, lines)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_of_the_proxy() {
    let authority = Authority::new();
    for name in ["gate.example", "other.example"] {
        let (url, lines) = proxy(authority.serve(&named("gate.example"), End::Closed));
        let context =
            Context::fake().with_env("AWS_CA_BUNDLE", authority.file()).with_env("HTTPS_PROXY", url);
        let (text, end) = call(format!("https://{name}"), context).await;
        assert_eq!(lines.recv().unwrap(), format!("CONNECT {name}:443 HTTP/1.1"));
        if name == "gate.example" {
            assert_eq!((&*text, end.is_ok()), ("over TLS", true), "{end:?}");
        } else {
            let error = end.unwrap_err();
            assert!(error.to_string().contains("certificate is not accepted"), "{error}");
            assert!(lines.try_recv().is_err(), "it is not retried");
        }
    }
}

#[test]
fn the_program_always_verifies_certificates_and_gives_a_hint() {
    let authority = Authority::new();
    let serve = || authority.serve(&named("localhost"), End::Closed);
    let trusted = chat(serve()).env("AWS_CA_BUNDLE", authority.file()).output().unwrap();
    assert_eq!((trusted.status.code(), trusted.stdout.as_slice()), (Some(0), b"over TLS\n".as_slice()));

    // Variables that turn verification off in other programs.
    let elsewhere = [
        ("AWS_CLI_NO_VERIFY_SSL", "true"),
        ("AWS_NO_VERIFY_SSL", "true"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("PYTHONHTTPSVERIFY", "0"),
        ("CURL_INSECURE", "1"),
        ("GIT_SSL_NO_VERIFY", "1"),
    ];
    let refused = chat(serve()).envs(elsewhere).output().unwrap();
    let reported = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(4), b"".as_slice()), "{reported}");
    assert!(reported.contains("the server's certificate is not accepted"), "{reported}");
    assert!(
        reported.lines().any(|line| line.starts_with("hint: ") && line.contains("AWS_CA_BUNDLE")),
        "{reported}"
    );

    for switch in ["--insecure", "-k", "--no-verify-ssl", "--no-check-certificate"] {
        let refused = chat(1).arg(switch).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{switch}");
    }
}

/// A proxy that inspects: it presents a certificate of its own for the server. Returns its port.
fn inspect(authority: &Authority, name: &str) -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = named(name).signed_by(&key, &authority.issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let read = |source: &mut dyn std::io::Read| {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    match source.read(&mut byte) {
                        Ok(1) => head.push(byte[0]),
                        _ => return false,
                    }
                }
                true
            };
            if !read(&mut stream) || stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_err() {
                continue;
            }
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            if read(&mut tls) {
                let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    port
}

#[test]
fn the_doctor_names_who_issued_the_certificate() {
    let authority = Authority::new();
    let port = inspect(&authority, "bedrock-runtime.us-east-1.amazonaws.com");
    let doctor = |bundle: Option<String>, url: Option<String>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        command
            .env_clear()
            .envs([("AWS_REGION", "us-east-1"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .env("HTTPS_PROXY", format!("http://127.0.0.1:{port}"))
            .envs(bundle.map(|bundle| ("AWS_CA_BUNDLE", bundle)))
            .args(["doctor", "--json"])
            .args(url.iter().flat_map(|url| ["--endpoint-url", url]));
        let output = command.output().unwrap();
        let report = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "TLS").cloned().unwrap_or_else(|| panic!("{report:#}"))
    };
    // The name of the test's authority.
    let issuer = "rcgen self signed cert";
    let trusted = doctor(Some(authority.file()), None);
    assert_eq!(trusted["status"], "warn", "{trusted}");
    let detail = trusted["detail"].as_str().unwrap();
    assert!(detail.contains(issuer) && detail.contains("not by Amazon"), "{detail}");

    let untrusted = doctor(None, None);
    assert_eq!(untrusted["status"], "fail", "{untrusted}");
    let detail = untrusted["detail"].as_str().unwrap();
    assert!(detail.contains("certificate is not accepted") && detail.contains(issuer), "{detail}");
    assert!(untrusted["hint"].as_str().unwrap().contains("AWS_CA_BUNDLE"), "{untrusted}");

    // A gateway of one's own has a certificate of its own.
    let url = "https://bedrock-runtime.us-east-1.amazonaws.com/mine".to_owned();
    let gateway = doctor(Some(authority.file()), Some(url));
    assert_eq!(gateway["status"], "ok", "{gateway}");
}

#[tokio::test]
async fn a_bundle_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate here").unwrap();
    for file in [empty.display().to_string(), "/no/such/bundle.pem".to_owned()] {
        let context = Context::fake().with_env("AWS_CA_BUNDLE", &file);
        let error = call("https://localhost:1".to_owned(), context).await.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("AWS_CA_BUNDLE") && error.to_string().contains(&file), "{error}");
    }
}

#[tokio::test]
async fn authorities_and_client_certificate_from_the_configuration() {
    let authority = Authority::new();
    let mut http = HttpConfig::default();
    http.authorities = Some(authority.issuer.pem());
    let url = |port| format!("https://localhost:{port}");
    call_with(url(authority.serve(&named("localhost"), End::Closed)), Context::fake(), http.clone())
        .await
        .1
        .unwrap();
    // The environment takes precedence.
    let other = Authority::new();
    let context = Context::fake().with_env("AWS_CA_BUNDLE", other.file());
    let port = authority.serve(&named("localhost"), End::Closed);
    call_with(url(port), context, http.clone()).await.1.unwrap_err();

    let clients = Authority::new();
    let port = authority.serve_to(&clients);
    call_with(url(port), Context::fake(), http.clone()).await.1.unwrap_err();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["us".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &clients.issuer).unwrap();
    http.client_certificate = Some((certificate.pem(), key.serialize_pem()));
    let port = authority.serve_to(&clients);
    call_with(url(port), Context::fake(), http.clone()).await.1.unwrap();

    http.client_certificate = Some((certificate.pem(), "no key".to_owned()));
    let error = call_with(url(1), Context::fake(), http).await.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("expected a key in PEM form"), "{error}");
}
