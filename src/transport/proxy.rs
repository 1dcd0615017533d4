//! Which proxy a request goes through.
//!
//! The environment names proxies as for curl: `HTTPS_PROXY` and `HTTP_PROXY`, each for the URLs of its scheme,
//! `ALL_PROXY` for a scheme without one of its own, and hosts without a proxy in `NO_PROXY`. Each is looked for in lower
//! case first.

use std::net::IpAddr;

use ::http::Uri;
use ::http::uri::Scheme;
use aws_credential_types::Token;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use zeroize::Zeroizing;

use super::HttpConfig;
use crate::context::Context;
use crate::url::{is_digits, is_loopback};
use crate::{Error, ErrorKind, Result};

/// A proxy, by the variable or setting that names it. The URL may be invalid until it is used.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    url: Zeroizing<String>,
    /// `None` for all schemes that have no proxy of their own.
    scheme: Option<Scheme>,
}

/// A proxy that the environment or the configuration names, and whether a URL is called through it: see
/// [`Client::proxy_for`](crate::Client::proxy_for).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedProxy {
    /// The variable that names it. `None` if the configuration does.
    pub variable: Option<&'static str>,
    /// Its URL, as given, but without user name and password.
    pub address: String,
    /// `NO_PROXY`; empty if it is not set.
    pub exceptions: String,
    /// Whether `NO_PROXY` excepts the URL, which is then called without the proxy.
    pub is_excepted: bool,
}

/// The proxies of a transport, and the hosts without one.
pub(crate) struct Proxies {
    all: Vec<Proxy>,
    exceptions: String,
}

impl Proxies {
    /// The proxies that the environment names, or else the configuration.
    pub(crate) fn new(config: &HttpConfig, context: &Context) -> Self {
        let either_case = |name: &str| context.env(&name.to_lowercase()).or_else(|| context.env(name));
        let named =
            |(name, scheme): (&'static str, _)| Some(Proxy { name, url: either_case(name)?.into(), scheme });
        let variables =
            [("HTTPS_PROXY", Some(Scheme::HTTPS)), ("HTTP_PROXY", Some(Scheme::HTTP)), ("ALL_PROXY", None)];
        let mut all = Vec::new();
        if config.proxies {
            all.extend(variables.into_iter().filter_map(named));
        }
        if all.is_empty() {
            let given = config.proxy.clone().map(Zeroizing::new);
            all.extend(given.map(|url| Proxy { name: CONFIGURED, url, scheme: None }));
        }
        let exceptions = if all.is_empty() { None } else { either_case("NO_PROXY") };
        Self { all, exceptions: exceptions.unwrap_or_default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The proxy that requests to a URL go through, by its position.
    pub(super) fn position(&self, url: &Uri) -> Option<usize> {
        self.named(url).filter(|_| !self.excepts(url))
    }

    /// The proxy for a URL, by its position, whatever the exceptions are. `None` for this machine: requests to it stay
    /// on it, above all the tokens among them, which are sent in the clear.
    fn named(&self, url: &Uri) -> Option<usize> {
        let is_for = |proxy: &Proxy| proxy.scheme.is_none() || proxy.scheme.as_ref() == url.scheme();
        let found = self.all.iter().position(is_for);
        found.filter(|_| url.host().is_some_and(|host| !is_loopback(host)))
    }

    fn excepts(&self, url: &Uri) -> bool {
        url.host().is_some_and(|host| is_exempt(&self.exceptions, host, port(url)))
    }

    /// See [`Client::proxy_for`](crate::Client::proxy_for).
    pub(crate) fn describe(&self, url: &Uri) -> Option<NamedProxy> {
        let Proxy { name, url: address, .. } = self.get(self.named(url)?)?;
        let variable = (*name != CONFIGURED).then_some(*name);
        // User name and password come before the last @.
        let address = address.rsplit('@').next().unwrap_or_default().to_owned();
        Some(NamedProxy {
            variable,
            address,
            exceptions: self.exceptions.clone(),
            is_excepted: self.excepts(url),
        })
    }

    pub(super) fn get(&self, position: usize) -> Option<&Proxy> {
        self.all.get(position)
    }

    /// The secrets in the URLs: passwords, and the headers made of them.
    pub(super) fn secrets(&self) -> Vec<Token> {
        let mut secrets = Vec::new();
        for Proxy { url, .. } in &self.all {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let Some((user, _)) = rest.split('/').next().and_then(|authority| authority.rsplit_once('@'))
            else {
                continue;
            };
            let password = user.split_once(':').map_or(user, |(_, password)| password);
            let decoded = |text: &str| Zeroizing::new(percent_decode_str(text).collect::<Vec<_>>());
            let clear = String::from_utf8_lossy(&decoded(password)).into_owned();
            let all = [password.to_owned(), clear, STANDARD.encode(&*decoded(user))];
            secrets.extend(all.map(|secret| Token::new(secret, None)));
        }
        secrets
    }
}

impl Proxy {
    /// The URL, if it is one of an HTTP proxy.
    pub(super) fn url(&self) -> Result<Url> {
        // The URL may hold a password: nothing of it is shown.
        let expected = |found: &str, hint: &str| {
            let message = format!("{}: expected the URL of an http or https proxy, found {found}", self.name);
            Err(Error::new(ErrorKind::InvalidInput, message).with_hint(hint))
        };
        let text = self.url.as_str();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        if let Some(socks) = SOCKS.iter().find(|socks| **socks == scheme) {
            return expected(&format!("a {socks} proxy"), SOCKS_HINT);
        }
        let url = Url::parse(&format!("{scheme}://{rest}"));
        // What follows the address is ignored, unless it is part of a password.
        let is_cut = |url: &Url| {
            [url.path(), url.query().unwrap_or_default(), url.fragment().unwrap_or_default()]
                .iter()
                .any(|rest| rest.contains('@'))
        };
        match url {
            Ok(url) if ["http", "https"].contains(&&*scheme) && url.has_host() && !is_cut(&url) => Ok(url),
            _ => expected("something else", ENCODING_HINT),
        }
    }

    /// Whether its URL names a user.
    pub(super) fn has_user(&self) -> bool {
        self.url().is_ok_and(|url| !url.username().is_empty())
    }

    /// The proxy's address and name, for messages.
    pub(super) fn shown(&self) -> String {
        let url = self.url().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
        format!("the proxy {host}:{port} ({})", self.name)
    }
}

/// The port that a URL is called at.
pub(super) fn port(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 })
}

/// Whether a list of exceptions, in the forms that `NO_PROXY` has, has this host.
///
/// `a.com` and `.a.com` are the host and all below it, `*` stands for any text, `10.0.0.0/8` for a network; with a port
/// the exception is for that port.
fn is_exempt(exceptions: &str, host: &str, port: u16) -> bool {
    let host = bare(host);
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    exceptions.split([',', ';', ' ', '\t', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let (name, for_port) = match entry.rsplit_once(':') {
                // The colons of an IPv6 address without brackets are its own.
                Some((name, number)) if is_digits(number) && (!name.contains(':') || name.ends_with(']')) => {
                    (name, Some(number))
                }
                _ => (entry, None),
            };
            if for_port.is_some_and(|number| number.parse() != Ok(port)) {
                return false;
            }
            let name = bare(name);
            if let Some(address) = address {
                let (network, bits) = match name.split_once('/') {
                    Some((network, bits)) => (network.parse().ok(), bits.parse().ok()),
                    None => (name.parse().ok(), Some(128)),
                };
                if let (Some(network), Some(bits)) = (network, bits) {
                    return is_in(address, network, bits);
                }
            }
            if let Some((begin, end)) = name.split_once('*') {
                return host.len() >= begin.len() + end.len()
                    && host.starts_with(begin)
                    && host.ends_with(end);
            }
            let name = name.strip_prefix('.').unwrap_or(&name);
            !name.is_empty()
                && host.strip_suffix(name).is_some_and(|above| above.is_empty() || above.ends_with('.'))
        },
    )
}

/// A host in lower case, without the brackets of IPv6 and the dot at the end.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').replace(']', "").trim_end_matches('.').to_ascii_lowercase()
}

/// Whether the first bits of an address are those of a network.
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    (address ^ network).checked_shr(width - bits.min(width)).unwrap_or_default() == 0
}

const SOCKS: [&str; 5] = ["socks", "socks4", "socks4a", "socks5", "socks5h"];

const SOCKS_HINT: &str = "name an HTTP proxy in HTTPS_PROXY, which local proxy programs offer too, often at the same port, or the hosts to reach without one in NO_PROXY";

const ENCODING_HINT: &str = "write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, and percent-encode special \
     characters of user and password: # as %23, / as %2F, ? as %3F, @ as %40";
/// What messages call the proxy of the configuration.
const CONFIGURED: &str = "the configured proxy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_have_many_forms() {
        let host = "bedrock-runtime.us-east-1.amazonaws.com";
        for (exceptions, host, expected) in [
            ("*", host, true),
            ("amazonaws.com", host, true),
            (".amazonaws.com", host, true),
            ("*.amazonaws.com", host, true),
            ("AmazonAWS.com.", host, true),
            ("*.AMAZONAWS.com", host, true),
            ("localhost, .corp ,\tamazonaws.com", host, true),
            ("a.com amazonaws.com", host, true),
            ("amazonaws.com:443", host, true),
            ("*.amazonaws.com:443", host, true),
            ("*:443", host, true),
            ("amazonaws.com:8443", host, false),
            ("*:80", host, false),
            ("naws.com", host, false),
            ("*.com.cn", host, false),
            ("bedrock-runtime.us-east-1.amazonaws.com.evil", host, false),
            ("", host, false),
            (" , .", host, false),
            ("*.gate.example", "gate.example", false),
            (".gate.example", "gate.example", true),
            ("gate.example", "GATE.example.", true),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/0", "11.0.0.1", true),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3:443", "10.1.2.3", true),
            ("10.1.2.3:80", "10.1.2.3", false),
            ("10.1.*", "10.1.2.3", true),
            ("10.0.0.0/33x", "10.0.0.1", false),
            ("2001:db8::/32", "[2001:db8::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("2001:DB8:0::1", "[2001:db8::1]", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("[2001:db8::1]:443", "[2001:db8::1]", true),
            ("[2001:db8::1]:80", "[2001:db8::1]", false),
            ("::/0", "[2001:db8::1]", true),
            ("::/0", "10.0.0.1", false),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]", true),
        ] {
            assert_eq!(is_exempt(exceptions, host, 443), expected, "{exceptions:?} {host}");
        }
    }

    #[test]
    fn a_proxy_is_chosen_by_scheme() {
        let of = |config: HttpConfig, variables: &[(&str, &str)], url: &'static str| {
            let context = variables
                .iter()
                .fold(Context::fake(), |context, (name, value)| context.with_env(*name, *value));
            let proxies = Proxies::new(&config, &context);
            let proxy = proxies.get(proxies.position(&Uri::from_static(url))?)?;
            Some(proxy.url.to_string())
        };
        let settings = HttpConfig { proxy: Some("http://settings".into()), ..HttpConfig::default() };
        let chosen = |variables: &[(&str, &str)], url| of(settings.clone(), variables, url);
        let (https, http) = ("https://a.com/x", "http://a.com:8080/x");
        let each = &[("HTTPS_PROXY", "one"), ("http_proxy", "two"), ("ALL_PROXY", "three")];
        assert_eq!(chosen(each, https).as_deref(), Some("one"));
        assert_eq!(chosen(each, http).as_deref(), Some("two"));
        assert_eq!(chosen(&each[1..], https).as_deref(), Some("three"));
        assert_eq!(chosen(&each[..1], http), None);
        assert_eq!(chosen(&[("HTTPS_PROXY", "b"), ("https_proxy", "a")], https).as_deref(), Some("a"));
        assert_eq!(chosen(&[("HTTPS_PROXY", "b"), ("https_proxy", " ")], https).as_deref(), Some("b"));
        assert_eq!(chosen(&[], https).as_deref(), Some("http://settings"));
        let without_environment = HttpConfig { proxies: false, ..settings.clone() };
        assert_eq!(of(without_environment, each, https).as_deref(), Some("http://settings"));
        let without_any = HttpConfig { proxies: false, ..HttpConfig::default() };
        assert_eq!(of(without_any, each, https), None);
        assert_eq!(chosen(&[("all_proxy", "a"), ("no_proxy", "a.com:443")], https), None);
        assert_eq!(chosen(&[("all_proxy", "a"), ("no_proxy", "a.com:443")], http).as_deref(), Some("a"));
        for local in ["http://localhost:1", "https://127.0.0.9", "http://[::1]:1"] {
            assert_eq!(chosen(&[("ALL_PROXY", "a")], local), None, "{local}");
        }
    }

    #[test]
    fn the_url_of_a_proxy_is_checked_and_never_shown() {
        let url = |text: &str| {
            let proxy = Proxy { name: "HTTPS_PROXY", url: Zeroizing::new(text.to_owned()), scheme: None };
            let shown = proxy.shown();
            proxy.url().map(|_| shown).map_err(|error| (error.to_string(), error.hint().unwrap().to_string()))
        };
        for (text, shown) in [
            ("http://a.com:8080", "the proxy a.com:8080 (HTTPS_PROXY)"),
            ("a.com:8080", "the proxy a.com:8080 (HTTPS_PROXY)"),
            ("HTTP://user:p%23ss@a.com/", "the proxy a.com:80 (HTTPS_PROXY)"),
            ("user:p@ss:w@a.com:1", "the proxy a.com:1 (HTTPS_PROXY)"),
            ("https://a.com/ignored?x#y", "the proxy a.com:443 (HTTPS_PROXY)"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(shown), "{text}");
        }
        for text in ["socks5://u:sekret@a.com", "SOCKS5H://sekret@h", "socks://sekret"] {
            let (error, hint) = url(text).unwrap_err();
            assert!(error.contains("found a socks") && hint.contains("HTTPS_PROXY"), "{error} {hint}");
            assert!(!error.contains("sekret"), "{error}");
        }
        for text in [
            "http://bob:se#kret@a.com:80",
            "http://bob:1#kret@a.com:80",
            "http://bob:se/kret@a.com:80",
            "http://bob:1/kret@a.com:80",
            "http://bob:1?kret@a.com:80",
            "http://bob:1\\kret@a.com:80",
            "ftp://kret",
            "http://",
            "http://a.com:kret",
            "://kret",
        ] {
            let (error, hint) = url(text).unwrap_err();
            assert!(error.contains("found something else") && hint.contains("%23"), "{text}: {error} {hint}");
            assert!(!error.contains("kret"), "{error}");
        }
    }
}
