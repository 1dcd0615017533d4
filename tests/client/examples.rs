//! The examples run, without network, account and home folder.

#![allow(clippy::unwrap_used, reason = "a test")]

use pumice::Config;
use pumice::context::Context;

#[path = "../../examples/own_keys.rs"]
#[allow(dead_code, reason = "main is for the example alone")]
mod own_keys;
#[path = "../../examples/own_provider.rs"]
#[allow(dead_code, reason = "main is for the example alone")]
mod own_provider;
#[path = "../../examples/own_transport.rs"]
#[allow(dead_code, reason = "main is for the example alone")]
mod own_transport;

fn config() -> Config {
    Config::new().context(Context::fake())
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    assert!(!own_keys::run(config()).await.unwrap().is_empty());
    assert_eq!(
        own_provider::run(config()).await.unwrap(),
        "vault (role inference); when it is sealed: run: vault operator unseal"
    );
    assert_eq!(own_transport::run(config()).await.unwrap(), "no connection could be made; start the tunnel");
}
