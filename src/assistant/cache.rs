//! Where a prompt is cached.

use super::family::{PromptCache, Traits};
use super::message::Options;
use crate::converse::{CachePointBlock, CacheTtl, ConversationRole, ConverseRequest};
use crate::{Error, ErrorKind, Result};

/// For how long a prompt is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CacheRetention {
    /// Not at all.
    None,
    /// For as long as the model's cache keeps it by itself: five minutes.
    #[default]
    Short,
    /// For an hour.
    Long,
}

/// Places the cache points of a request: behind the tools, the system prompt and the last turn, if that is
/// the user's. All stay for the same time, so that none outlives one before it, which the service
/// would refuse; and they are three, of the four that it takes.
pub(super) fn place_points(
    request: &mut ConverseRequest,
    options: &Options,
    traits: &Traits,
    usual: CacheRetention,
) -> Result<()> {
    let asked = match options.cache_retention.as_deref() {
        None => None,
        Some("none") => Some(CacheRetention::None),
        Some("short") => Some(CacheRetention::Short),
        Some("long") => Some(CacheRetention::Long),
        Some(other) => {
            let message = format!("cacheRetention: none, short or long expected, {other:?} found");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    let retention = match traits.prompt_cache {
        PromptCache::Always => asked.unwrap_or(usual),
        PromptCache::OnRequest if asked.is_some_and(|asked| asked != CacheRetention::None) => {
            CacheRetention::Short
        }
        _ => CacheRetention::None,
    };
    let point = match retention {
        CacheRetention::None => return Ok(()),
        CacheRetention::Short => CachePointBlock::default(),
        CacheRetention::Long => CachePointBlock::default().ttl(CacheTtl::OneHour),
    };
    if let Some(tools) = &mut request.tool_config
        && traits.prompt_cache == PromptCache::Always
    {
        tools.tools.push(point.clone().into());
    }
    if let Some(system) = &mut request.system {
        system.push(point.clone().into());
    }
    let last = request.messages.iter_mut().flatten().next_back();
    if let Some(turn) = last.filter(|turn| turn.role == ConversationRole::User) {
        turn.content.push(point.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::Model;
    use crate::converse::{Message, ToolSpecification};
    use serde_json::{Value, json};

    fn points(model: &str, options: &str, last: Message) -> Value {
        let mut request = ConverseRequest::new(model)
            .system("S")
            .message(Message::user("a"))
            .message(last)
            .tool(ToolSpecification::new("t", json!({})));
        let options = serde_json::from_str(options).unwrap();
        let traits = Traits::of(&Model::new(model), &[], &[]).unwrap();
        place_points(&mut request, &options, &traits, CacheRetention::Short).unwrap();
        let body = serde_json::to_value(&request).unwrap();
        json!([body["toolConfig"]["tools"][1], body["system"][1], body["messages"][1]["content"][1]])
    }

    #[test]
    fn points_stand_behind_tools_system_and_the_last_user_turn() {
        let short = json!({"cachePoint": {"type": "default"}});
        let long = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
        let claude = "anthropic.claude-sonnet-4-5";
        let user = || Message::user("b");
        assert_eq!(points(claude, "{}", user()), json!([short, short, short]));
        assert_eq!(points(claude, r#"{"cacheRetention":"long"}"#, user()), json!([long, long, long]));
        assert_eq!(points(claude, r#"{"cacheRetention":"none"}"#, user()), json!([null, null, null]));
        assert_eq!(points(claude, "{}", Message::assistant("b")), json!([short, short, null]));
        assert_eq!(points("amazon.nova-pro-v1:0", "{}", user()), json!([null, null, null]));
        assert_eq!(
            points("amazon.nova-pro-v1:0", r#"{"cacheRetention":"long"}"#, user()),
            json!([null, short, short])
        );
        assert_eq!(points("deepseek.v3", r#"{"cacheRetention":"long"}"#, user()), json!([null, null, null]));
    }
}
