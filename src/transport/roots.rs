//! Which certificate authorities are trusted.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::provider::provider;
use crate::context::Context;
use crate::{Error, ErrorKind, Result};

/// TLS 1.2 and 1.3 with ring, HTTP/1.1, these roots, and a client's certificate and key in PEM form.
pub(super) fn tls_config(roots: &Arc<Roots>, client: Option<&(String, String)>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&roots.provider))
        .with_safe_default_protocol_versions()
        .map_err(not_set_up)?;
    let verifier = Arc::clone(roots) as Arc<dyn ServerCertVerifier>;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates("the client's certificate", chain)?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|source| {
                let message = "the key of the client's certificate: expected a key in PEM form";
                Error::new(ErrorKind::InvalidInput, message).with_source(source)
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|source| {
                let message = "the client's certificate and its key do not go together";
                Error::new(ErrorKind::InvalidInput, message).with_source(source)
            })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The trusted authorities: those that the environment names, or else the configuration; or else the built-in ones,
/// Amazon's, and the system's if a chain does not end in one of them.
///
/// None is read before a TLS connection is made: reading the system's takes longer than a TLS handshake.
#[derive(Debug)]
pub(super) struct Roots {
    provider: Arc<CryptoProvider>,
    named: Option<Named>,
    first: OnceLock<RootCertStore>,
    /// Empty if the system has none.
    system: OnceLock<RootCertStore>,
    /// The certificate that a server presented last, accepted or not.
    presented: Mutex<Option<CertificateDer<'static>>>,
}

/// The roots of Amazon Trust Services, in which the chains of AWS's endpoints end (those in China excepted):
/// <https://www.amazontrust.com/repository/>.
// size: 58,000 bytes, because the roots of all public authorities, as in `webpki-roots`, are not needed for them.
const AMAZON: &str = include_str!("amazon.pem");

/// Certificates that replace all others.
#[derive(Debug)]
enum Named {
    /// The files that the environment names.
    Files { context: Context, variables: &'static str, file: Option<PathBuf>, folder: Option<PathBuf> },
    /// From the configuration.
    Pem(String),
}

impl Roots {
    /// Those of `AWS_CA_BUNDLE`, or else of the profile's `ca_bundle`, or else of `SSL_CERT_FILE` and `SSL_CERT_DIR`; if
    /// none is set, the given ones.
    pub(super) fn new(context: &Context, ca_bundle: Option<&Path>, given: Option<String>) -> Self {
        let path = |name| context.env(name).map(|path| context.path(&path));
        let in_profile = || ca_bundle.map(|path| ("ca_bundle of the profile", path.to_owned()));
        let bundle = path("AWS_CA_BUNDLE").map(|path| ("AWS_CA_BUNDLE", path)).or_else(in_profile);
        let named = match (bundle, path("SSL_CERT_FILE"), path("SSL_CERT_DIR")) {
            (None, None, None) => None,
            (Some((name, file)), _, _) => Some((name, Some(file), None)),
            (None, Some(file), None) => Some(("SSL_CERT_FILE", Some(file), None)),
            (None, None, folder) => Some(("SSL_CERT_DIR", None, folder)),
            (None, file, folder) => Some(("SSL_CERT_FILE and SSL_CERT_DIR", file, folder)),
        };
        Self {
            provider: Arc::new(provider()),
            named: named
                .map(|(variables, file, folder)| {
                    let context = context.clone();
                    Named::Files { context, variables, file, folder }
                })
                .or_else(|| given.map(Named::Pem)),
            first: OnceLock::new(),
            system: OnceLock::new(),
            presented: Mutex::default(),
        }
    }

    /// Who issued the certificate that a server presented last, accepted or not: the common name and the organisation.
    pub(super) fn issuer(&self) -> Option<String> {
        let presented = self.presented.lock().unwrap_or_else(PoisonError::into_inner);
        let certificate = webpki::EndEntityCert::try_from(presented.as_ref()?).ok()?;
        name(certificate.issuer())
    }

    /// The roots that are tried first. Fails if the files that the environment names have no certificates.
    pub(super) fn first(&self) -> Result<&RootCertStore> {
        if let Some(first) = self.first.get() {
            return Ok(first);
        }
        let roots = match &self.named {
            Some(named) => named.load()?,
            None => from_pem("the built-in authorities", AMAZON)?,
        };
        if roots.is_empty() {
            return Err(not_set_up(VerifierBuilderError::NoRootAnchors));
        }
        Ok(self.first.get_or_init(|| roots))
    }

    /// The roots that are tried if the chain does not end in a built-in one.
    fn system(&self) -> Option<&RootCertStore> {
        if self.named.is_some() {
            return None;
        }
        let system = self.system.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        });
        Some(system).filter(|roots| !roots.is_empty())
    }
}

impl Named {
    fn load(&self) -> Result<RootCertStore> {
        let (context, variables, file, folder) = match self {
            Self::Files { context, variables, file, folder } => (context, variables, file, folder),
            Self::Pem(pem) => return from_pem("the authorities to trust", pem),
        };
        let mut roots = RootCertStore::empty();
        let mut fault = None::<Box<dyn StdError + Send + Sync>>;
        if let Some(file) = file {
            match context.read_real_file(file) {
                Ok(pem) => {
                    // Behind a byte order mark, the first certificate would not be found.
                    let pem = pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&pem);
                    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
                    roots.add_parsable_certificates(certificates);
                }
                Err(error) => fault = Some(error.into()),
            }
        }
        let loaded = rustls_native_certs::load_certs_from_paths(None, folder.as_deref());
        roots.add_parsable_certificates(loaded.certs);
        if !roots.is_empty() {
            return Ok(roots);
        }
        let fault = fault.or(loaded.errors.into_iter().next().map(Into::into));
        let shown = [file, folder].into_iter().flatten().map(|path| Path::display(path).to_string());
        let error = Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{variables}: expected certificates in PEM form, found none in {}",
                shown.collect::<Vec<_>>().join(" and ")
            ),
        );
        Err(match fault {
            Some(source) => error.with_source(source),
            None => error,
        })
    }
}

fn from_pem(what: &str, pem: &str) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(what, pem)?);
    Ok(roots)
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| {
        let message = format!("{what}: expected certificates in PEM form, found none");
        Error::new(ErrorKind::InvalidInput, message)
    })
}

fn not_set_up(source: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Connect, "TLS could not be set up").with_source(source)
}

/// The common name and the organisation in a distinguished name, in DER.
fn name(der: &[u8]) -> Option<String> {
    let mut name = String::new();
    for kind in [COMMON_NAME, ORGANISATION] {
        // The identifier of the attribute, then a string: its tag, its length and its bytes.
        let at = der.windows(5).position(|bytes| bytes == [6, 3, 0x55, 4, kind]);
        let Some([_tag, length, rest @ ..]) = at.and_then(|at| der.get(at + 5..)) else { continue };
        let text = String::from_utf8_lossy(rest.get(..usize::from(*length))?);
        name.push_str(if name.is_empty() { "" } else { ", " });
        name.push_str(&text);
    }
    Some(name).filter(|name| !name.is_empty())
}

/// The last number of the identifiers of two attributes: 2.5.4.3 and 2.5.4.10.
const COMMON_NAME: u8 = 3;
const ORGANISATION: u8 = 10;

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(end_entity.clone().into_owned());
        // size: 18,000 bytes, because the two steps of `WebPkiServerVerifier` are called here: its builder includes
        // the reader of revocation lists, which are not used.
        let verify = |roots: &RootCertStore| {
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
            verify_server_name(&certificate, server_name)?;
            Ok(ServerCertVerified::assertion())
        };
        let first = self.first().map_err(|error| rustls::Error::General(error.to_string()))?;
        match verify(first) {
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
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The fingerprints are those of the page that `AMAZON` names.
    #[test]
    fn the_built_in_roots_are_amazons() {
        let fingerprints = |certificates: Vec<CertificateDer<'_>>| {
            let fingerprint = |certificate: &CertificateDer<'_>| {
                let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
                digest.as_ref().iter().fold(String::new(), |mut text, byte| {
                    write!(text, "{byte:02x}").unwrap();
                    text
                })
            };
            certificates.iter().map(fingerprint).collect::<Vec<_>>()
        };
        assert_eq!(
            fingerprints(certificates("Amazon's", AMAZON).unwrap()),
            [
                "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
                "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
                "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
                "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
                "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
            ]
        );
        assert_eq!(from_pem("Amazon's", AMAZON).unwrap().len(), 5);
    }
}
