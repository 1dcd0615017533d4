//! The program of examples/embedded, with endpoint and model from the settings file.

use std::error::Error;

use pumice::context::Context;
use pumice::settings::Settings;
use pumice::{Client, Config};

#[allow(dead_code, reason = "only `ask` is used")]
#[path = "../../../../../examples/embedded/src/main.rs"]
mod embedded;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::load(&Context::real(), None)?;
    let model = settings.primary.as_deref().ok_or("the settings name no model")?;
    let client = Client::new(settings.under(Config::new(), Some(model)));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(embedded::ask(&client, model))
}
