//! The embedder's program where the settings file names endpoint and model.

use std::error::Error;

use pumice::context::Context;
use pumice::settings::Settings;
use pumice::{Client, Config};

#[allow(dead_code, reason = "its way of asking alone is used")]
#[path = "../main.rs"]
mod embedder;

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::load(&Context::real(), None)?;
    let model = settings.primary.as_deref().ok_or("the settings name no model")?;
    let client = Client::new(settings.under(Config::new(), Some(model)));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(embedder::ask(&client, model))
}
