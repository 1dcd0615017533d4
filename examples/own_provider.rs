//! Credentials from a place of one's own: a vault, a sidecar, an internal service. `cargo run --example own_provider`
//!
//! The client asks the provider once for all calls, and again before the credentials expire.

use std::time::{Duration, SystemTime};

use pumice::credentials::{Credentials, CredentialsFuture, ProvideCredentials, Resolved};
use pumice::{Client, Config, Error, ErrorKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> pumice::Result<()> {
    println!("{}", run(Config::new()).await?);
    Ok(())
}

#[derive(Debug)]
struct Vault {
    sealed: bool,
}

impl ProvideCredentials for Vault {
    fn provide(&self) -> CredentialsFuture<'_> {
        Box::pin(async {
            // Ask your service here, with a limit on the time.
            if self.sealed {
                return Err(Error::new(ErrorKind::Credentials, "the vault is sealed")
                    .with_hint("run: vault operator unseal"));
            }
            let expires = SystemTime::now() + Duration::from_mins(15);
            let keys = Credentials::keys("AKIDVAULT", "the secret key", Some("the session token".into()));
            Ok(Resolved::new(keys.with_expiry(expires), "vault (role inference)"))
        })
    }
}

pub(crate) async fn run(config: Config) -> pumice::Result<String> {
    let client = Client::new(config.clone().region("us-east-1").credentials(Vault { sealed: false }));
    // `identify` asks the provider, as the first call does.
    let resolved = client.identify().await?.search.result?;

    let client = Client::new(config.region("us-east-1").credentials(Vault { sealed: true }));
    let failure = client.search_credentials().await.result.err();
    let hint = failure.as_ref().and_then(Error::hint).map(ToString::to_string);
    Ok(format!("{}; when it is sealed: {}", resolved.link, hint.unwrap_or_default()))
}
