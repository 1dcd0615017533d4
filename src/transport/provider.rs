//! The cryptography of TLS: ring.
//!
//! The parts of rustls's own provider without `ChaCha20`. Filtering the whole provider would leave it in the program.

use std::sync::Arc;

use ::ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::{DEFAULT_KX_GROUPS, cipher_suite};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};
use webpki::ring as signature;
#[cfg(feature = "client-certificates")]
use {rustls::crypto::ring::sign, zeroize::Zeroizing};

/// ring with AES-GCM only, which TLS 1.3 requires of every server. AES-128 is first, as in browsers: its suites hash with
/// SHA-256, with half the instructions of SHA-384 in a handshake.
// size: 50,000 bytes, because `ChaCha20` is left out.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: DEFAULT_KX_GROUPS.to_vec(),
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Ring,
        key_provider: &Ring,
    }
}

#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    #[cfg(feature = "client-certificates")]
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        sign::any_supported_type(&Zeroizing::new(key))
    }

    // size: 39,000 bytes, because signing with RSA and P-256 is left out.
    #[cfg(not(feature = "client-certificates"))]
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("built without the feature client-certificates".to_owned()))
    }
}

/// The signature algorithms of certificates, by the names in the handshake, the best first.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        signature::ECDSA_P256_SHA256,
        signature::ECDSA_P256_SHA384,
        signature::ECDSA_P384_SHA256,
        signature::ECDSA_P384_SHA384,
        signature::ED25519,
        signature::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        signature::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        signature::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        signature::RSA_PKCS1_2048_8192_SHA256,
        signature::RSA_PKCS1_2048_8192_SHA384,
        signature::RSA_PKCS1_2048_8192_SHA512,
        signature::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        signature::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        signature::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        // TLS 1.2 does not fix the curve and tries each; TLS 1.3 uses the first.
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[signature::ECDSA_P384_SHA384, signature::ECDSA_P256_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[signature::ECDSA_P256_SHA256, signature::ECDSA_P384_SHA256],
        ),
        (SignatureScheme::ED25519, &[signature::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[signature::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[signature::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[signature::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[signature::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[signature::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[signature::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suites_of_rustls_without_chacha20() {
        let (ours, theirs) = (provider(), rustls::crypto::ring::default_provider());
        let (verified, by_default) =
            (ours.signature_verification_algorithms, theirs.signature_verification_algorithms);
        let algorithms = |those: WebPkiSupportedAlgorithms| {
            let ids = those.all.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id()));
            ids.collect::<Vec<_>>()
        };
        assert_eq!(algorithms(verified), algorithms(by_default));
        let mapped = |those: WebPkiSupportedAlgorithms| {
            let ids = those.mapping.iter().map(|(scheme, each)| {
                (*scheme, each.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect())
            });
            ids.collect::<Vec<(_, Vec<_>)>>()
        };
        assert_eq!(mapped(verified), mapped(by_default));

        let suites = |those: &CryptoProvider| {
            let names = those.cipher_suites.iter().map(|one| format!("{:?}", one.suite()));
            let mut names = names.filter(|name| !name.contains("CHACHA20")).collect::<Vec<_>>();
            names.sort();
            names
        };
        assert_eq!(suites(&ours), suites(&theirs));
        assert_eq!(ours.cipher_suites.len(), suites(&ours).len());
        let first = ours.cipher_suites.first().map(rustls::SupportedCipherSuite::suite);
        assert_eq!(first, Some(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256));
        let groups =
            |those: &CryptoProvider| those.kx_groups.iter().map(|one| one.name()).collect::<Vec<_>>();
        assert_eq!(groups(&ours), groups(&theirs));
    }
}
