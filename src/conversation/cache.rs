//! Where a prompt is cached.

use super::Options;
use super::family::{Capability, Takes};
use crate::converse::{
    CachePointBlock, CacheTtl, ContentBlock, ConversationRole, ConverseRequest, DocumentFormat, Message,
    SystemContentBlock, Tool,
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
/// has cache points already keeps those alone, as far as the model takes them.
///
/// All have the same time to live, because the service refuses one that outlives an earlier one.
pub(super) fn place_points(request: &mut ConverseRequest, takes: &Takes, options: &Options) {
    let places = |place| takes.takes(Capability::CachePlaces, place);
    let forced = options.cache_all_families && !takes.is_claude();
    let always = forced || takes.takes(Capability::PromptCache, "always");
    let never = !forced && takes.takes(Capability::PromptCache, "never");
    let hour = takes.takes(Capability::CacheTtls, "1h");
    let mut left = takes.number(Capability::CachePoints);
    if keep_points(request, takes, hour, left) {
        return;
    }
    let retention = match options.cache_retention {
        _ if never => CacheRetention::None,
        None if always => options.cache_default,
        asked => asked.unwrap_or(CacheRetention::None),
    };
    let point = match retention {
        CacheRetention::None => return,
        CacheRetention::Long if hour => CachePointBlock::default().ttl(CacheTtl::OneHour),
        _ => CachePointBlock::default(),
    };
    let mut may_place = |place| {
        let may = places(place) && left > 0;
        left -= usize::from(may);
        may
    };
    if let Some(tools) = &mut request.tool_config
        && may_place("tools")
    {
        tools.tools.push(point.clone().into());
    }
    if let Some(system) = &mut request.system
        && may_place("system")
    {
        system.push(point.clone().into());
    }
    let last = request.messages.iter_mut().flatten().next_back();
    if let Some(turn) = last.filter(|turn| turn.role == ConversationRole::User)
        && let Some(at) = place_in(turn, places("results"))
        && may_place("messages")
    {
        turn.content.insert(at, point.into());
    }
}

/// Where a point may stand in a turn: the service refuses one directly after a video or a document that is no PDF.
fn place_in(turn: &Message, beside_results: bool) -> Option<usize> {
    let is_result = |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_));
    if !beside_results && turn.content.iter().any(is_result) {
        return None;
    }
    let refuses = |block: &ContentBlock| match block {
        ContentBlock::Document(document) => document.format != Some(DocumentFormat::Pdf),
        ContentBlock::Video(_) => true,
        _ => false,
    };
    turn.content.iter().rposition(|block| !refuses(block)).map(|at| at + 1)
}

/// Takes out of a request's own points what the model does not take, and times to live that outlive an earlier one.
/// Says whether the request has any.
fn keep_points(request: &mut ConverseRequest, takes: &Takes, mut hour: bool, mut left: usize) -> bool {
    let mut found = false;
    let mut keep = |point: &mut CachePointBlock, place: &str| {
        found = true;
        if !takes.takes(Capability::CachePlaces, place) {
            return false;
        }
        hour &= point.ttl == Some(CacheTtl::OneHour);
        if !hour {
            point.ttl = None;
        }
        let keeps = left > 0;
        left -= usize::from(keeps);
        keeps
    };
    if let Some(config) = &mut request.tool_config {
        config
            .tools
            .retain_mut(|tool| if let Tool::CachePoint(point) = tool { keep(point, "tools") } else { true });
    }
    if let Some(system) = &mut request.system {
        system.retain_mut(|block| match block {
            SystemContentBlock::CachePoint(point) => keep(point, "system"),
            _ => true,
        });
    }
    for message in request.messages.iter_mut().flatten() {
        message.content.retain_mut(|block| match block {
            ContentBlock::CachePoint(point) => keep(point, "messages"),
            _ => true,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::family::takes;
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
        let takes = takes(&request.model_id);
        let options = Options { cache_retention: retention, ..Options::default() };
        place_points(&mut request, &takes, &options);
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
    fn points_are_of_the_kind_and_in_the_places_that_the_family_takes() {
        let short = json!({"cachePoint": {"type": "default"}});
        let for_an_hour = Some(CacheRetention::Long);
        let older = request("anthropic.claude-sonnet-4-20250514-v1:0", Message::user("b"));
        assert_eq!(points(older, for_an_hour), json!([short, short, short]), "no hour before Claude 4.5");
        let document =
            |format: &str| json!({"document": {"format": format, "name": "d", "source": {"text": "x"}}});
        let ask = |model: &str, blocks: &[Value]| {
            let last = json!({"role": "user", "content": blocks});
            let mut request = request(model, serde_json::from_value(last).unwrap());
            place_points(
                &mut request,
                &takes(model),
                &Options { cache_retention: for_an_hour, ..Options::default() },
            );
            let content = serde_json::to_value(&request.messages.unwrap()[1].content).unwrap();
            content.as_array().unwrap().iter().position(|block| block.get("cachePoint").is_some())
        };
        let claude = "anthropic.claude-sonnet-4-5";
        let text = || json!({"text": "t"});
        assert_eq!(ask(claude, &[text(), document("md"), document("csv")]), Some(1));
        assert_eq!(ask(claude, &[text(), document("pdf")]), Some(2));
        assert_eq!(ask(claude, &[document("md"), text()]), Some(2));
        assert_eq!(ask(claude, &[document("md")]), None);
        let result = || json!({"toolResult": {"toolUseId": "1", "content": []}});
        assert_eq!(ask(claude, &[result()]), Some(1));
        assert_eq!(ask("amazon.nova-pro-v1:0", &[result()]), None);
    }

    #[test]
    fn a_requests_own_points_never_rise_and_are_no_more_than_the_model_takes() {
        let hour = || CachePointBlock::default().ttl(CacheTtl::OneHour);
        let ttls = |model: &str, points: [CachePointBlock; 6]| {
            let mut request = ConverseRequest::new(model).system("S");
            let [first, rest @ ..] = points;
            request.system.as_mut().unwrap().push(first.into());
            request.messages = Some(vec![rest.into_iter().fold(Message::user("a"), Message::block)]);
            place_points(&mut request, &takes(model), &Options::default());
            let text = serde_json::to_string(&request).unwrap();
            (text.matches("cachePoint").count(), text.matches("1h").count())
        };
        let points = || [hour(), hour(), CachePointBlock::default(), hour(), hour(), hour()];
        assert_eq!(ttls("anthropic.claude-sonnet-4-5", points()), (4, 2));
        assert_eq!(ttls("anthropic.claude-3-7-sonnet", points()), (4, 0));
        assert_eq!(ttls("anthropic.claude-3-haiku-20240307-v1:0", points()), (4, 0));
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
