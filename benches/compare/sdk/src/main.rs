//! What pumice is measured against: the AWS SDK in its smallest set-up, which asks one question and prints
//! the answer's text. `sdk ENDPOINT MODEL [each]`, keys in the environment.

use std::env;
use std::error::Error;
use std::io::{BufWriter, Write as _};

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, Message,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments = env::args().collect::<Vec<_>>();
    let [_, endpoint, model, rest @ ..] = arguments.as_slice() else {
        return Err("sdk ENDPOINT MODEL [each]".into());
    };
    // The SDK cannot say whether there is more to read at once. So either what is printed is gathered in a
    // buffer, which costs the least and keeps the reader waiting, or each piece is written out.
    let each = rest.first().is_some_and(|word| word == "each");
    let keys = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY")?,
        None,
        None,
        "environment",
    );
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(keys)
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .build();
    let question = Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text("Why does pumice float?".into()))
        .build()?;
    let answer =
        Client::from_conf(config).converse_stream().model_id(model).messages(question).send().await?;
    let mut events = answer.stream;
    let mut output = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut begun = false;
    while let Some(event) = events.recv().await? {
        let ConverseStreamOutput::ContentBlockDelta(event) = event else { continue };
        let Some(ContentBlockDelta::Text(text)) = event.delta else { continue };
        output.write_all(text.as_bytes())?;
        if each || !begun {
            output.flush()?;
            begun = true;
        }
    }
    output.flush()?;
    Ok(())
}
