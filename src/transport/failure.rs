//! What failed on the way to a server, as an error with what to do.

use std::error::Error as StdError;
use std::io;

use reqwest::Url;
use rustls::CertificateError;

use super::proxy::Proxy;
use crate::{Error, ErrorKind, Hint};

/// The error for a failure of reqwest, whose text may hold the URL: only the server's name is shown.
pub(super) fn failure(error: reqwest::Error, proxy: Option<&Proxy>) -> Error {
    let server = match (proxy, error.url()) {
        (Some(proxy), _) => proxy.shown(),
        (None, url) => {
            let host = url.and_then(Url::host_str).unwrap_or("the server");
            let port = url.and_then(Url::port).map(|port| format!(":{port}"));
            host.to_owned() + &port.unwrap_or_default()
        }
    };
    if error.is_builder() || error.is_request() && error.url().is_none() {
        Error::new(ErrorKind::InvalidInput, "the request is not one that HTTP can carry")
            .with_source(error.without_url())
    } else if error.is_connect() && error.is_timeout() {
        too_late(&server).with_source(error.without_url())
    } else {
        let unsent = error.is_connect().then_some(server);
        broken(Box::new(error.without_url()), unsent.as_deref())
    }
}

/// The error of a connection that was not made in time.
pub(super) fn too_late(server: &str) -> Error {
    let message = format!("connecting to {server} took longer than the connect timeout allows");
    Error::new(ErrorKind::Connect, message).with_hint(Hint::CheckNetwork)
}

/// The error of a connection that broke, or could not be made to `unsent`.
pub(super) fn broken(error: Box<dyn StdError + Send + Sync>, unsent: Option<&str>) -> Error {
    if let Some(fault) = certificate_fault(&*error) {
        let why = match fault {
            CertificateError::Other(other) if is_authority(other) => {
                "it is an authority's own certificate".to_owned()
            }
            fault => fault.to_string(),
        };
        return Error::new(ErrorKind::Connect, format!("the server's certificate is not accepted: {why}"))
            .with_retryable(false)
            .with_hint(match fault {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => {
                    "check this machine's clock; if it is right, the server needs another certificate".into()
                }
                CertificateError::Other(other) if is_authority(other) => {
                    "have the authority issue a certificate for the server, or make the self-signed one without \
                     CA:TRUE (openssl req -x509 -addext basicConstraints=critical,CA:FALSE)"
                        .into()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Hint::CheckEndpoint
                }
                _ => Hint::CheckAuthority,
            });
    }
    if causes(&*error).any(is_no_tls) {
        Error::new(ErrorKind::Damaged, "the response is not TLS").with_hint(
            "check the endpoint URL and HTTPS_PROXY: a server without TLS needs a URL that begins with http://",
        )
    } else if let Some(server) = unsent {
        Error::new(ErrorKind::Connect, format!("no connection to {server}")).with_hint(
            if causes(&*error).any(is_of_open_files) {
                "raise the limit of open files (ulimit -n), or make fewer calls at once".into()
            } else {
                Hint::CheckNetwork
            },
        )
    } else if causes(&*error).any(is_unsent) {
        Error::new(ErrorKind::Connect, "the connection was closed before the request was sent")
    } else if causes(&*error).any(is_of_the_encoding) {
        Error::new(ErrorKind::Damaged, "the response is not valid HTTP").with_hint(Hint::CheckEndpoint)
    } else {
        Error::new(ErrorKind::BrokenOff, "the connection broke off")
    }
    .with_source(error)
}

/// What a failed handshake says about the server's certificate.
fn certificate_fault<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CertificateError> {
    causes(error).find_map(|cause| match cause.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(fault),
        _ => None,
    })
}

/// Whether the server's certificate is one of an authority.
fn is_authority(fault: &rustls::OtherError) -> bool {
    matches!(fault.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Whether the server does not speak TLS.
fn is_no_tls(cause: &(dyn StdError + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(rustls::Error::InvalidMessage(_)))
}

/// Whether this process or the system may open no further file or socket: `ENFILE`, `EMFILE` or `WSAEMFILE`.
fn is_of_open_files(cause: &(dyn StdError + 'static)) -> bool {
    let code = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    matches!(code, Some(23 | 24) if cfg!(unix)) || matches!(code, Some(10024) if cfg!(windows))
}

/// Whether the connection was closed before the request was written to it.
fn is_unsent(cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
}

/// Whether the head of a response or the chunks of its body are not HTTP.
fn is_of_the_encoding(cause: &(dyn StdError + 'static)) -> bool {
    let of_a_head = cause.downcast_ref().is_some_and(hyper::Error::is_parse);
    let of_a_body = cause.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    });
    of_a_head || of_a_body
}

/// The error and its causes.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = match cause.downcast_ref::<io::Error>() {
            // `source` of an `io::Error` skips the error that it wraps.
            Some(wrapper) => wrapper.get_ref().map(|wrapped| wrapped as &(dyn StdError + 'static)),
            None => cause.source(),
        };
        Some(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_lack_of_open_files_is_not_taken_for_one_of_the_network() {
        let hint = |code| {
            let error = broken(Box::new(io::Error::from_raw_os_error(code)), Some("a.com"));
            assert_eq!(error.message(), "no connection to a.com");
            error.hint().unwrap().to_string()
        };
        let [connection_refused, no_files] = [hint(111), hint(24)];
        assert!(!connection_refused.contains("open files"), "{connection_refused}");
        assert!(no_files.contains("ulimit -n"), "{no_files}");
    }
}
