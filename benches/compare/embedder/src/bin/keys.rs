//! The program of examples/embedded with access keys of its own, which this one takes from two variables.

use std::env;
use std::error::Error;

use pumice::{Client, Config};

#[allow(dead_code, reason = "only `ask` is used")]
#[path = "../../../../../examples/embedded/src/main.rs"]
mod embedded;

fn main() -> Result<(), Box<dyn Error>> {
    let model = env::args().nth(1).ok_or("usage: keys MODEL")?;
    let [id, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(env::var);
    let client = Client::new(Config::new().access_keys(id?, secret?, None));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(embedded::ask(&client, &model))
}
