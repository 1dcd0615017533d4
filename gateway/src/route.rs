//! Where a request goes, by its method and path alone.

use pumice::endpoint::Service;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The page for people.
    Page,
    /// Whether it accepts calls.
    Health,
    /// Whether it has credentials.
    Ready,
    Metrics,
    /// What the page shows.
    Status,
    /// A request of one of Bedrock's two services.
    Native(Service),
    /// The one operation of theirs that needs HTTP/2.
    Bidirectional,
    ChatCompletions,
    Responses,
    Messages,
    CountTokens,
    Embeddings,
    Models,
    /// One model, by its encoded name.
    Model(String),
    /// A path that takes another method.
    WrongMethod(&'static str),
    Unknown,
}

/// In which form a failure is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    OpenAi,
    Anthropic,
    Native,
}

impl Route {
    pub(crate) fn of(method: &str, path: &str) -> Self {
        let is_read = matches!(method, "GET" | "HEAD");
        let get = |route| if is_read { route } else { Self::WrongMethod("GET") };
        let post = |route| if method == "POST" { route } else { Self::WrongMethod("POST") };
        match path {
            "/" => return get(Self::Page),
            "/healthz" => return get(Self::Health),
            "/readyz" => return get(Self::Ready),
            "/metrics" => return get(Self::Metrics),
            "/pumice/status" => return get(Self::Status),
            _ => {}
        }
        let prefixed = ["/openai/", "/anthropic/"].iter().find_map(|prefix| path.strip_prefix(prefix));
        let rest = prefixed.unwrap_or(path.get(1..).unwrap_or_default());
        let rest = rest.strip_prefix("v1/").unwrap_or(rest);
        match rest.trim_end_matches('/') {
            "chat/completions" => return post(Self::ChatCompletions),
            "responses" => return post(Self::Responses),
            "messages" => return post(Self::Messages),
            "messages/count_tokens" => return post(Self::CountTokens),
            "embeddings" => return post(Self::Embeddings),
            "models" => return get(Self::Models),
            _ => {}
        }
        if let Some(id) = rest.strip_prefix("models/").filter(|id| !id.is_empty()) {
            return get(Self::Model(id.to_owned()));
        }
        let first = path.split('/').nth(1).unwrap_or_default();
        if first == "model" && path.ends_with("/invoke-with-bidirectional-stream") {
            return Self::Bidirectional;
        }
        if RUNTIME.contains(&first) {
            return Self::Native(Service::Runtime);
        }
        let of_control = CONTROL.contains(&first)
            || path.strip_prefix("/v1/").is_some_and(|rest| {
                let first = rest.split('/').next().unwrap_or_default();
                ["data_retention", "projects"].contains(&first)
            });
        if of_control { Self::Native(Service::Control) } else { Self::Unknown }
    }

    pub(crate) fn form(&self, path: &str) -> Form {
        match self {
            Self::Native(_) | Self::Bidirectional => Form::Native,
            Self::Messages | Self::CountTokens => Form::Anthropic,
            _ if path.starts_with("/anthropic/") || path.contains("/messages") => Form::Anthropic,
            _ => Form::OpenAi,
        }
    }

    /// What calls of this route are called in log and metrics. `None` for those that are not recorded.
    pub(crate) fn dialect(&self) -> Option<&'static str> {
        Some(match self {
            Self::Native(_) => "native",
            Self::ChatCompletions => "chat",
            Self::Responses => "responses",
            Self::Messages | Self::CountTokens => "messages",
            Self::Embeddings => "embeddings",
            Self::Models | Self::Model(_) => "models",
            _ => return None,
        })
    }
}

/// What the paths of the runtime begin with.
///
/// Source: the service models of `bedrock-runtime` and `bedrock` in botocore 1.44.8.
const RUNTIME: [&str; 4] = ["model", "guardrail", "guardrail-checks", "async-invoke"];
/// What the paths of the control plane begin with.
const CONTROL: [&str; 34] = [
    "advanced-prompt-optimization-job",
    "advanced-prompt-optimization-jobs",
    "automated-reasoning-policies",
    "create-foundation-model-agreement",
    "custom-models",
    "data-retention",
    "delete-foundation-model-agreement",
    "enforcedGuardrailsConfiguration",
    "evaluation-job",
    "evaluation-jobs",
    "foundation-model-availability",
    "foundation-models",
    "guardrails",
    "imported-models",
    "inference-profiles",
    "list-foundation-model-agreement-offers",
    "listTagsForResource",
    "logging",
    "marketplace-model",
    "model-copy-jobs",
    "model-customization",
    "model-customization-jobs",
    "model-import-jobs",
    "model-invocation-job",
    "model-invocation-jobs",
    "projects",
    "prompt-routers",
    "provisioned-model-throughput",
    "provisioned-model-throughputs",
    "resource-policy",
    "tagResource",
    "trusted-access-programs",
    "untagResource",
    "use-case-for-model-access",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_promise_is_routed() {
        use Service::{Control, Runtime};
        for (method, path, route) in [
            ("GET", "/", Route::Page),
            ("HEAD", "/", Route::Page),
            ("GET", "/healthz", Route::Health),
            ("GET", "/readyz", Route::Ready),
            ("GET", "/metrics", Route::Metrics),
            ("POST", "/model/us.amazon.nova-lite-v1%3A0/converse-stream", Route::Native(Runtime)),
            ("POST", "/guardrail/g/version/1/apply", Route::Native(Runtime)),
            ("GET", "/async-invoke", Route::Native(Runtime)),
            (
                "POST",
                "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream",
                Route::Bidirectional,
            ),
            ("GET", "/inference-profiles", Route::Native(Control)),
            ("GET", "/foundation-models/m", Route::Native(Control)),
            ("POST", "/model-invocation-job", Route::Native(Control)),
            ("GET", "/v1/data_retention/storage/anthropic", Route::Native(Control)),
            ("POST", "/v1/chat/completions", Route::ChatCompletions),
            ("POST", "/chat/completions", Route::ChatCompletions),
            ("POST", "/openai/v1/chat/completions", Route::ChatCompletions),
            ("POST", "/openai/v1/responses", Route::Responses),
            ("POST", "/anthropic/v1/messages", Route::Messages),
            ("POST", "/v1/messages/count_tokens", Route::CountTokens),
            ("POST", "/v1/embeddings", Route::Embeddings),
            ("GET", "/v1/models", Route::Models),
            ("GET", "/v1/models/arn:aws:bedrock:r:1:x/y", Route::Model("arn:aws:bedrock:r:1:x/y".into())),
            ("GET", "/v1/chat/completions", Route::WrongMethod("POST")),
            ("POST", "/v1/models", Route::WrongMethod("GET")),
            ("POST", "/v1/images/generations", Route::Unknown),
            // Of another service, bedrock-agent-runtime.
            ("POST", "/rerank", Route::Unknown),
            ("GET", "/etc/passwd", Route::Unknown),
        ] {
            assert_eq!(Route::of(method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn failures_are_said_in_the_nearest_form() {
        for (method, path, form) in [
            ("POST", "/v1/messages", Form::Anthropic),
            ("GET", "/v1/messages/batches", Form::Anthropic),
            ("POST", "/anthropic/v1/complete", Form::Anthropic),
            ("POST", "/v1/images/generations", Form::OpenAi),
            ("POST", "/model/m/converse", Form::Native),
        ] {
            assert_eq!(Route::of(method, path).form(path), form, "{path}");
        }
    }
}
