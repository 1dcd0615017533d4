//! Where a prompt is cached.

use super::Options;
use super::family::{Family, PromptCache};
use crate::converse::{
    CachePointBlock, CacheTtl, ContentBlock, ConversationRole, ConverseRequest, SystemContentBlock, Tool,
};
use crate::{Error, ErrorKind, Result};

/// For how long a prompt is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CacheRetention {
    /// Not at all.
    None,
    /// For the model's own time: five minutes.
    #[default]
    Short,
    /// For an hour.
    Long,
}

impl CacheRetention {
    /// The names of all, shortest first.
    pub const NAMES: &'static [&'static str] = &["none", "short", "long"];

    /// The retention of this name.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for any other word.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "none" => Ok(Self::None),
            "short" => Ok(Self::Short),
            "long" => Ok(Self::Long),
            _ => {
                let message = format!("expected none, short or long, found {word:?}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

/// Places cache points after the tools, the system prompt and the last turn, if that is the user's. A request that
/// has cache points already keeps those alone.
///
/// All have the same time to live, because the service refuses one that outlives an earlier one; and they are three
/// of the four that it accepts.
pub(super) fn place_points(request: &mut ConverseRequest, family: &Family, options: &Options) {
    let rule = if options.cache_all_families && !family.is_claude() {
        &PromptCache::Always
    } else {
        family.prompt_cache.as_ref().unwrap_or(&PromptCache::Never)
    };
    let retention = match (rule, options.cache_retention) {
        (PromptCache::Always, asked) => asked.unwrap_or(options.cache_default),
        (PromptCache::OnRequest, Some(CacheRetention::Short | CacheRetention::Long)) => CacheRetention::Short,
        _ => CacheRetention::None,
    };
    let point = match retention {
        CacheRetention::None => return,
        CacheRetention::Short => CachePointBlock::default(),
        CacheRetention::Long => CachePointBlock::default().ttl(CacheTtl::OneHour),
    };
    if has_points(request) {
        return;
    }
    if let Some(tools) = &mut request.tool_config
        && *rule == PromptCache::Always
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
}

fn has_points(request: &ConverseRequest) -> bool {
    let mut tools = request.tool_config.iter().flat_map(|config| &config.tools);
    let mut system = request.system.iter().flatten();
    let mut blocks = request.messages.iter().flatten().flat_map(|message| &message.content);
    tools.any(|tool| matches!(tool, Tool::CachePoint(_)))
        || system.any(|block| matches!(block, SystemContentBlock::CachePoint(_)))
        || blocks.any(|block| matches!(block, ContentBlock::CachePoint(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Target;
    use crate::converse::{Message, ToolSpecification};
    use serde_json::{Value, json};

    fn request(model: &str, last: Message) -> ConverseRequest {
        ConverseRequest::new(model)
            .system("S")
            .message(Message::user("a"))
            .message(last)
            .tool(ToolSpecification::new("t", json!({})))
    }

    fn points(request: ConverseRequest, retention: Option<CacheRetention>) -> Value {
        let mut request = request;
        let family = Family::find(&request.model_id, &Target::default(), &[]).unwrap();
        let options = Options { cache_retention: retention, ..Options::default() };
        place_points(&mut request, family, &options);
        let body = serde_json::to_value(&request).unwrap();
        json!([body["toolConfig"]["tools"][1], body["system"][1], body["messages"][1]["content"][1]])
    }

    #[test]
    fn points_follow_tools_system_and_the_last_user_turn() {
        let short = json!({"cachePoint": {"type": "default"}});
        let long = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
        let (none, for_an_hour) = (Some(CacheRetention::None), Some(CacheRetention::Long));
        let claude = || request("anthropic.claude-sonnet-4-5", Message::user("b"));
        assert_eq!(points(claude(), None), json!([short, short, short]));
        assert_eq!(points(claude(), for_an_hour), json!([long, long, long]));
        assert_eq!(points(claude(), none), json!([null, null, null]));
        let assistant = request("anthropic.claude-sonnet-4-5", Message::assistant("b"));
        assert_eq!(points(assistant, None), json!([short, short, null]));
        let nova = || request("amazon.nova-pro-v1:0", Message::user("b"));
        assert_eq!(points(nova(), None), json!([null, null, null]));
        assert_eq!(points(nova(), for_an_hour), json!([null, short, short]));
        let deepseek = request("deepseek.v3", Message::user("b"));
        assert_eq!(points(deepseek, for_an_hour), json!([null, null, null]));
    }

    #[test]
    fn a_requests_own_points_stay_alone() {
        let last = Message::user("b").block(CachePointBlock::default());
        let own = json!({"cachePoint": {"type": "default"}});
        let points = points(request("anthropic.claude-sonnet-4-5", last), Some(CacheRetention::Long));
        assert_eq!(points, json!([null, null, own]));
    }

    #[test]
    fn retentions_have_names() {
        assert!(CacheRetention::NAMES.iter().all(|name| CacheRetention::parse(name).is_ok()));
        let error = CacheRetention::parse("forever").unwrap_err().to_string();
        assert_eq!(error, "expected none, short or long, found \"forever\"");
    }
}
