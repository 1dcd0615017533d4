//! Which certificate authorities are trusted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// TLS 1.2 and 1.3 with ring, HTTP/1.1, and the roots that the environment asks for.
pub(super) fn tls_config(context: &Context) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let failed =
        |source: rustls::Error| Error::new(ErrorKind::Connect, "TLS could not be set up").with_source(source);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = if let Some(roots) = configured_roots(context)? {
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(BundledThenSystem::new(provider)?))
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The roots of `AWS_CA_BUNDLE`, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`; they take the place of all others.
fn configured_roots(context: &Context) -> Result<Option<RootCertStore>> {
    let path = |name| context.env(name).map(PathBuf::from);
    let (names, file, folder) = match (path("AWS_CA_BUNDLE"), path("SSL_CERT_FILE"), path("SSL_CERT_DIR")) {
        (Some(file), _, _) => ("AWS_CA_BUNDLE", Some(file), None),
        (None, None, None) => return Ok(None),
        (None, Some(file), None) => ("SSL_CERT_FILE", Some(file), None),
        (None, None, folder) => ("SSL_CERT_DIR", None, folder),
        (None, file, folder) => ("SSL_CERT_FILE and SSL_CERT_DIR", file, folder),
    };
    let loaded = rustls_native_certs::load_certs_from_paths(file.as_deref(), folder.as_deref());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if !roots.is_empty() {
        return Ok(Some(roots));
    }
    let shown = [&file, &folder].into_iter().flatten().map(|path| Path::display(path).to_string());
    let error = Error::new(
        ErrorKind::InvalidInput,
        format!(
            "{names}: certificates in PEM form expected, none found in {}",
            shown.collect::<Vec<_>>().join(" and ")
        ),
    );
    Err(match loaded.errors.into_iter().next() {
        Some(source) => error.with_source(source),
        None => error,
    })
}

/// Trusts the bundled roots, and the system's where a chain does not end in a bundled one: to read the
/// system's takes longer than a whole TLS handshake, and few need them.
#[derive(Debug)]
struct BundledThenSystem {
    provider: Arc<CryptoProvider>,
    bundled: Arc<WebPkiServerVerifier>,
    /// `None` where the system has no roots.
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl BundledThenSystem {
    fn new(provider: Arc<CryptoProvider>) -> Result<Self> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let bundled = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
            .build()
            .map_err(|source| {
                Error::new(ErrorKind::Connect, "TLS could not be set up").with_source(source)
            })?;
        Ok(Self { provider, bundled, system: OnceLock::new() })
    }

    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let verifier = self.system.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&self.provider)).build().ok()
        });
        verifier.as_ref()
    }
}

impl ServerCertVerifier for BundledThenSystem {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |verifier: &Arc<WebPkiServerVerifier>| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match verify(&self.bundled) {
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => match self.system() {
                Some(system) => verify(system),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
            decided => decided,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.bundled.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.bundled.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.bundled.supported_verify_schemes()
    }
}
