//! Which servers are trusted: certificates made here, and a server on loopback that shows them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod server;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::transport::HttpConfig;
use pumice::{Client, Config, ErrorKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use server::text_answer;
use tempfile::TempDir;

/// An authority of the test's own, in a file as people keep it.
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

    /// Serves one answer over TLS with a certificate for `name`, valid or long expired. Gives the port.
    fn serve(&self, name: &str, expired: bool) -> u16 {
        self.serve_to(None, name, expired)
    }

    /// The same, to clients with a certificate of this authority alone, where one is given.
    fn serve_to(&self, clients: Option<&Self>, name: &str, expired: bool) -> u16 {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
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
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            // A client that does not trust the server goes away here.
            let mut request = Vec::new();
            while !request.ends_with(b"}]}]}") {
                let mut piece = [0; 4096];
                match tls.read(&mut piece) {
                    Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                    _ => return,
                }
            }
            let body = text_answer(&["over TLS"]).concat();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nconnection: close\r\n";
            tls.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
            tls.write_all(&body).unwrap();
            connection.send_close_notify();
            let _ = connection.complete_io(&mut stream);
        });
        port
    }
}

async fn call(url: String, context: Context) -> pumice::Result<()> {
    call_with(url, context, HttpConfig::default()).await
}

async fn call_with(url: String, context: Context, http: HttpConfig) -> pumice::Result<()> {
    let context = context.with_env("AWS_BEARER_TOKEN_BEDROCK", "token");
    let config = Config::new().context(context).endpoint_url(url).retry(Retry::standard());
    let client = Client::new(config.http(http));
    let request = ConverseRequest::new("m").message(Message::user("Hi"));
    let mut events = client.converse_stream(&request).await?;
    while events.next_event().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let port = authority.serve("localhost", false);
        let context = Context::made().with_env(variable, authority.file());
        call(format!("https://localhost:{port}"), context).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_is_an_error_that_says_so_and_is_not_tried_again() {
    let authority = Authority::new();
    let named = || Context::made().with_env("AWS_CA_BUNDLE", authority.file());
    let other = Authority::new();
    let cases = [
        // Neither the bundled roots nor the system's know it; the server takes one connection alone.
        ("unknown issuer", authority.serve("localhost", false), Context::made()),
        // What is named takes the place of all others.
        ("another's", other.serve("localhost", false), named()),
        ("wrong name", authority.serve("bedrock.example", false), named()),
        ("expired", authority.serve("localhost", true), named()),
    ];
    for (name, port, context) in cases {
        let error = call(format!("https://localhost:{port}"), context).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Connect, false), "{name}: {error:?}");
        assert!(error.to_string().contains("the server's certificate is not accepted"), "{name}: {error}");
        assert!(error.hint().unwrap().contains("AWS_CA_BUNDLE"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate here").unwrap();
    for file in [empty.display().to_string(), "/no/such/bundle.pem".to_owned()] {
        let context = Context::made().with_env("AWS_CA_BUNDLE", &file);
        let error = call("https://localhost:1".to_owned(), context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("AWS_CA_BUNDLE") && error.to_string().contains(&file), "{error}");
    }
}

#[tokio::test]
async fn authorities_and_a_certificate_of_its_own_come_with_the_configuration() {
    let authority = Authority::new();
    let mut http = HttpConfig::default();
    http.authorities = Some(authority.issuer.pem());
    let url = |port| format!("https://localhost:{port}");
    call_with(url(authority.serve("localhost", false)), Context::made(), http.clone()).await.unwrap();
    // What the environment names counts first.
    let other = Authority::new();
    let context = Context::made().with_env("AWS_CA_BUNDLE", other.file());
    let port = authority.serve("localhost", false);
    call_with(url(port), context, http.clone()).await.unwrap_err();

    let clients = Authority::new();
    let port = authority.serve_to(Some(&clients), "localhost", false);
    call_with(url(port), Context::made(), http.clone()).await.unwrap_err();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["us".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &clients.issuer).unwrap();
    http.client_certificate = Some((certificate.pem(), key.serialize_pem()));
    let port = authority.serve_to(Some(&clients), "localhost", false);
    call_with(url(port), Context::made(), http.clone()).await.unwrap();

    http.client_certificate = Some((certificate.pem(), "no key".to_owned()));
    let error = call_with(url(1), Context::made(), http).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("a key in PEM form expected"), "{error}");
}
