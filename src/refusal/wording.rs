//! What the words of a refusal mean: the one list of wordings, for hints, repairs and fallbacks.
//!
//! The service has few codes and many messages. A wording is recognised by parts that have not changed in years. In the
//! tables, all parts between `|` must occur; a part that begins with `!` must not. They are in lower case, with ASCII
//! apostrophes. The wordings are of recorded traffic and of public reports: `docs/models.md`.

use crate::{Error, ErrorKind, Hint};

/// What a refusal says of the model or of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There is no such model here.
    UnknownModel,
    /// Only an inference profile serves the model.
    NeedsProfile,
    /// The model's version is no longer offered.
    Retired,
    /// The model is only for accounts that have called it lately.
    Legacy,
    /// Anthropic's form has not been filled in.
    UseCase,
    /// The account has no payment method.
    Payment,
    /// AWS has not opened the model, the operation or Bedrock to the account.
    Account,
    /// The account has no agreement for the model.
    Access,
    /// The account's data retention mode is not one of the model's.
    DataRetention,
    /// The input is too long.
    TooLong,
    /// Input and output limit together are too long.
    TooLongWithOutput,
    /// The strict tools together are too complex.
    TooStrict,
}

/// What a refusal says of a member of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson {
    words: &'static str,
    /// What it teaches of the model, as a row of the table of families. Empty if that is nothing.
    pub(crate) row: &'static str,
    /// What to do about it.
    pub(crate) advice: Advice,
}

/// What to do about a member of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Only a repair can do something.
    None,
    /// Leave this out.
    Drop(&'static str),
    /// Call the model without streaming.
    Unstreamed,
    Say(&'static str),
}

/// A message with ASCII apostrophes, and the same in the form that the tables have.
pub(crate) struct Words {
    message: String,
    lower: String,
}

impl Words {
    pub(crate) fn of(error: &Error) -> Self {
        let message = error.message().replace('\u{2019}', "'");
        Self { lower: message.to_ascii_lowercase(), message }
    }

    /// In lower case.
    pub(crate) fn lower(&self) -> &str {
        &self.lower
    }

    /// What follows these words of a table, as it was sent.
    pub(crate) fn after(&self, words: &str) -> Option<&str> {
        self.message.get(self.lower.find(words)? + words.len()..)
    }

    /// What stands before these words of a table, as it was sent.
    pub(crate) fn before(&self, words: &str) -> Option<&str> {
        self.message.get(..self.lower.find(words)?)
    }

    /// Whether these words of a table fit.
    pub(crate) fn say(&self, words: &str) -> bool {
        words.split('|').all(|part| match part.strip_prefix('!') {
            Some(part) => !self.lower.contains(part),
            None => self.lower.contains(part),
        })
    }

    /// What the message says of the model or of the account.
    pub(crate) fn meaning(&self, kind: ErrorKind) -> Option<Meaning> {
        if !matches!(kind, ErrorKind::AccessDenied | ErrorKind::NotFound | ErrorKind::Validation) {
            return None;
        }
        // The whole message: of an operation in particular it says something else.
        if self.lower.trim_end_matches(['.', ' ']) == "operation not allowed" {
            return Some(Meaning::Account);
        }
        MEANINGS.iter().find(|(words, _)| self.say(words)).map(|(_, meaning)| *meaning)
    }

    /// What the message says of members of the request.
    pub(crate) fn lessons(&self) -> impl Iterator<Item = &'static Lesson> {
        LESSONS.iter().filter(|lesson| self.say(lesson.words))
    }

    /// The most tokens that the model may be asked for.
    pub(crate) fn token_limit(&self) -> Option<&str> {
        let rest = self.after("the model limit of ")?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).filter(|digits| !digits.is_empty())
    }
}

/// What a refusal says of the model or of the account.
pub(crate) fn meaning(error: &Error) -> Option<Meaning> {
    Words::of(error).meaning(error.kind())
}

/// Whether the service has no capacity left for now. A gateway in front of it is not meant: its error has another hint.
pub(crate) fn lacks_capacity(error: &Error) -> bool {
    let is_of_service = match error.code() {
        Some(code) => code.eq_ignore_ascii_case("ServiceUnavailableException"),
        None => error.status() == Some(503),
    };
    error.kind() == ErrorKind::Unavailable
        && is_of_service
        && matches!(error.hint(), None | Some(Hint::WaitOut))
}

/// The first that fits counts.
const MEANINGS: &[(&str, Meaning)] = &[
    ("on-demand throughput|support", Meaning::NeedsProfile),
    ("with the id or arn of an inference profile", Meaning::NeedsProfile),
    ("end of its life", Meaning::Retired),
    ("model|end of life", Meaning::Retired),
    ("marked|as legacy", Meaning::Legacy),
    ("legacy|to an active model", Meaning::Legacy),
    ("use case details", Meaning::UseCase),
    ("use case form", Meaning::UseCase),
    ("payment_instrument", Meaning::Payment),
    ("payment instrument", Meaning::Payment),
    ("payment method", Meaning::Payment),
    ("aws-marketplace:", Meaning::Access),
    ("aws marketplace", Meaning::Access),
    ("have access to the model", Meaning::Access),
    ("model access is denied", Meaning::Access),
    ("account is not authorized to", Meaning::Account),
    ("account isn't authorized to", Meaning::Account),
    ("is not available for this account", Meaning::Account),
    ("data retention mode|this model", Meaning::DataRetention),
    ("model identifier is invalid", Meaning::UnknownModel),
    ("model id is invalid", Meaning::UnknownModel),
    ("could not resolve the foundation model", Meaning::UnknownModel),
    ("the model|not found|!guardrail|!prompt", Meaning::UnknownModel),
    ("model not found", Meaning::UnknownModel),
    ("model|does not exist|!guardrail|!prompt", Meaning::UnknownModel),
    ("model|doesn't exist|!guardrail|!prompt", Meaning::UnknownModel),
    ("inference profile|not found", Meaning::UnknownModel),
    ("inference profile|does not exist", Meaning::UnknownModel),
    ("exceed context limit", Meaning::TooLongWithOutput),
    ("input is too long", Meaning::TooLong),
    ("prompt is too long", Meaning::TooLong),
    ("input tokens exceeded", Meaning::TooLong),
    ("input tokens exceeds maximum", Meaning::TooLong),
    ("exceed model maximum", Meaning::TooLong),
    ("maximum context length is", Meaning::TooLong),
    ("exceed|context window", Meaning::TooLong),
    ("exceeds|context length", Meaning::TooLong),
    ("the compiled grammar is too large", Meaning::TooStrict),
    ("too many strict tools (", Meaning::TooStrict),
    ("too many parameters with union types (", Meaning::TooStrict),
];

const fn lesson(words: &'static str, row: &'static str, advice: Advice) -> Lesson {
    Lesson { words, row, advice }
}

/// What refusals teach of a model.
pub(crate) const LESSONS: &[Lesson] = {
    use Advice::{Drop, None, Say, Unstreamed};
    const ADAPTIVE: Advice = Say("use adaptive thinking, with an effort in output_config");
    const SCHEMA: Advice =
        Say("leave out `strict` of the tool that the error names, or the keywords of its schema");
    const FORMAT: Advice =
        Say("leave out outputConfig.textFormat, or the keywords of its schema that the error names");
    const ROOT: Advice =
        Say("put an object at the root of the tool's inputSchema, without oneOf, allOf and anyOf");
    const LAST: Advice =
        Say("end with a message of the user: this model does not continue one of the assistant");
    const THOUGHTS: Advice = Drop("reasoningContent in the history");
    &[
        lesson(
            "temperature|top_p|cannot both be specified",
            "topPWithTemperature=false",
            Say("send temperature or topP, not both"),
        ),
        lesson("temperature|deprecated for this model", "temperature=never", Drop("temperature")),
        lesson("top_p|deprecated for this model", "temperature=never", Drop("topP")),
        lesson("top_k|deprecated for this model", "temperature=never", Drop("top_k")),
        lesson("temperature|not supported by this model", "temperature=never", Drop("temperature")),
        lesson(
            "temperature|may only be set to 1 when thinking",
            "temperature=notWithThinking",
            Say("leave out temperature while the model thinks"),
        ),
        lesson("toolchoice|support", "toolChoices=", Drop("this toolChoice")),
        lesson(
            "tool_choice|thinking",
            "thinkingToolChoices=",
            Say("while the model thinks, let it choose: leave out toolChoice"),
        ),
        lesson("support the status field", "status=false", Drop("status of a toolResult")),
        lesson("reasoningtext.signature field", "thoughts=plain", Drop("signature of a reasoningText")),
        lesson("cannot contain reasoning content", "thoughts=none", THOUGHTS),
        lesson("invalid|signature|thinking", "thoughts=none", THOUGHTS),
        lesson("expected|thinking|redacted_thinking|but found", "thinking=none", None),
        lesson("thinking.type.enabled|not supported", "thinking=adaptive", ADAPTIVE),
        lesson("thinking.type.disabled", "thinkingOff=never", Drop("thinking of the type disabled")),
        lesson("thinking|disabled|not supported", "thinkingOff=never", Drop("thinking of the type disabled")),
        lesson("effort|xhigh", "xhigh=false", None),
        lesson("conversation blocks and tool result blocks cannot", "besideResult=", None),
        lesson("assistant message prefill", "prefill=no", LAST),
        lesson("pre-filling the", "prefill=withoutTools", LAST),
        lesson(
            "final assistant content cannot end with trailing whitespace",
            "prefill=no",
            Say("remove the white space at the end of the last message"),
        ),
        lesson("tool use in streaming mode", "tools=plain", Unstreamed),
        lesson("support|tool|streaming", "tools=plain", Unstreamed),
        lesson("unsupported for streaming", "streaming=false", Unstreamed),
        lesson("n't support streaming", "streaming=false", Unstreamed),
        lesson("not support streaming", "streaming=false", Unstreamed),
        lesson("streaming is not supported", "streaming=false", Unstreamed),
        lesson("doesn't support tool use", "tools=no", Drop("tools")),
        lesson("does not support tool use", "tools=no", Drop("tools")),
        lesson("with a length of 9", "toolIds=nine", None),
        lesson("at the top level|anyof", "schemaRoot=noChoices", ROOT),
        lesson(
            "invalid beta flag",
            "betas=false",
            Drop("anthropic_beta, or the one of its betas that is unknown"),
        ),
        lesson(
            "unexpected value|anthropic-beta",
            "betas=false",
            Drop("anthropic_beta, or the one of its betas that is unknown"),
        ),
        lesson("ttl|extra inputs are not permitted", "cacheTtls=5m", Drop("ttl of a cachePoint")),
        lesson("cache_control|extra inputs are not permitted", "cachePoints=0", Drop("cachePoint")),
        lesson(
            "toolconfig/tools|[cachepoint]",
            "cachePlaces=system,messages",
            Drop("cachePoint among the tools"),
        ),
        lesson("cachepoint|support", "cachePoints=0", Drop("cachePoint")),
        lesson("extraneous key [cachepoint]", "cachePoints=0", Drop("cachePoint there")),
        lesson("not allow prompt caching", "cachePoints=0", Drop("cachePoint")),
        lesson("role|enum value set: [user, assistant]", "systemMessages=false", None),
        lesson("strict|extra inputs are not permitted", "strictTools=false", Drop("strict of a tool")),
        // Anthropic's names, and Converse's.
        lesson("output_config.format", "textFormat=false", FORMAT),
        lesson("textformat|support", "textFormat=false", FORMAT),
        lesson("output_config|not supported", "strictTools=false", None),
        lesson("tools.|.custom: for '|supported", "strictTools=false", SCHEMA),
        lesson("tools.|.custom: '|supported", "strictTools=false", SCHEMA),
        lesson("tools.|.strict", "strictTools=false", SCHEMA),
        lesson("doesn't support system", "system=false", Drop("a system prompt")),
        lesson("does not support system", "system=false", Drop("a system prompt")),
        lesson(
            "a text block must be included",
            "",
            Say("add a text block to the message that has the document"),
        ),
        lesson(
            "too many total text bytes",
            "",
            Say("send less text: leave out the oldest turns, or large documents and tool results"),
        ),
        lesson(
            "expected toolresult blocks at",
            "",
            Say("put a toolResult for each id that the error names into the message after the toolUse"),
        ),
        lesson(
            "doesn't support the model that you provided",
            "",
            Say("the model does not take this operation: call it with InvokeModel"),
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_the_form_of_a_message() {
        let words = MEANINGS.iter().map(|(words, _)| *words).chain(LESSONS.iter().map(|lesson| lesson.words));
        for words in words {
            assert_eq!(words, words.to_lowercase());
            assert!(words.is_ascii(), "{words}");
        }
    }
}
