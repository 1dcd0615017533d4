//! Recorded runs of pi-ai's Bedrock provider: what it was given, and the request that it sent or the events that
//! it gave. The assistant does the same, but for differences that are listed here, each with its reason;
//! `docs/differences.md` explains them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::type_complexity, reason = "tables")]

use std::collections::BTreeMap;
use support::pi;
use support::shared;

use pumice::shape::{Document, Members};
use serde_json::Value;

/// In which requests this differs from pi-ai, and why. A reason names an edit of what pi-ai sent, after
/// which the two are the same.
const REQUESTS: [(&str, &[&str]); 39] = [
    ("blank_system", &["blank"]),
    ("toolchoice_any", &["tools-cached"]),
    ("toolchoice_tool", &["tools-cached"]),
    ("cache_long", &["tools-cached"]),
    ("nova_reasoning_high", &["nova"]),
    ("consecutive_users", &["merged"]),
    ("tool_results_merged", &["merged", "tools-cached"]),
    ("tool_result_empty", &["tools-cached"]),
    ("tool_result_empty_array", &["tools-cached"]),
    ("orphan_tool_call_at_end", &["tools-cached"]),
    ("aborted_assistant_skipped", &["merged"]),
    ("tool_history_without_tools", &["merged", "told"]),
    ("same_model_weird_tool_id", &["ids", "tools-cached"]),
    ("thinking_empty_signed", &["signature"]),
    ("budget_low", &["tools-cached"]),
    ("adaptive46_low", &["tools-cached"]),
    ("budget_medium", &["tools-cached"]),
    ("adaptive48_medium", &["tools-cached"]),
    ("budget_high", &["tools-cached"]),
    ("adaptive46_high", &["tools-cached"]),
    ("adaptive48_high", &["tools-cached"]),
    ("budget_xhigh", &["tools-cached"]),
    ("adaptive46_xhigh", &["tools-cached"]),
    ("adaptive46_max", &["tools-cached"]),
    ("adaptive48_max", &["tools-cached"]),
    ("budget_custom", &["tools-cached"]),
    ("budget_explicit_maxtokens", &["tools-cached"]),
    ("reasoning_on_nonreasoning_model", &["tools-cached"]),
    ("gov_region", &["tools-cached"]),
    ("aip_arn_named", &["tools-cached"]),
    ("temperature_zero", &["tools-cached"]),
    ("temperature_with_thinking", &["temperature", "tools-cached"]),
    ("maxtokens_explicit", &["tools-cached"]),
    ("request_metadata", &["tools-cached"]),
    ("bearer_option", &["tools-cached"]),
    ("apikey_option", &["tools-cached"]),
    ("session_token", &["tools-cached"]),
    ("custom_headers", &["tools-cached"]),
    ("strict_tool_require", &["tools-cached"]),
];

/// In which answers this differs from pi-ai, and why: members of pi-ai's message, by JSON Pointer, and what
/// they are here.
const ANSWERS: [(&str, &str, &[(&str, &str)]); 6] = [
    (
        "no_message_stop",
        "says-more",
        &[(
            "/errorMessage",
            "Bedrock stream ended without a stop reason: the response ended at byte 392 without messageStop: it is \
             not complete",
        )],
    ),
    (
        "clean_end_mid_frame",
        "says-more",
        &[(
            "/errorMessage",
            "Bedrock stream ended without a stop reason: the stream ends at byte 287, inside the frame that begins \
             at byte 267: expected 149 bytes, found 20",
        )],
    ),
    (
        "err_frame",
        "code",
        &[
            ("/errorMessage", "InternalFailure: unmodeled failure"),
            ("/diagnostics/0/details/errorCode", "InternalFailure"),
        ],
    ),
    ("http_400_nobody", "says-more", &[("/errorMessage", "HTTP 400 Bad Request; the body is empty")]),
    ("http_403_html", "says-more", &[("/errorMessage", "HTTP 403 Forbidden; the body says: blocked by WAF")]),
    ("http_502_html", "says-more", &[("/errorMessage", "HTTP 502 Bad Gateway; the body says: bad gateway")]),
];

/// Runs in which pi-ai asks again and this does not, because the model may be working on the request: `once`.
const ONCE: [&str; 2] = ["conn_reset", "conn_reset_then_ok"];

#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn requests() {
    for (name, input, case) in cases("request") {
        if name == "bad_mime" {
            // `bytes`: pi-ai refuses the media type; the bytes are those of an image.
            continue;
        }
        let reasons = REQUESTS.iter().filter(|(case, _)| *case == name).flat_map(|(_, reasons)| *reasons);
        pi::assert_request(&name, &input, &case, reasons.copied()).await;
    }
}

#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn answers() {
    for (name, input, case) in cases("response") {
        if ONCE.contains(&name.as_str()) {
            pi::assert_sent_once(&name, &input, &case).await;
            continue;
        }
        let edits = ANSWERS.iter().filter(|(case, ..)| *case == name).flat_map(|(.., edits)| *edits);
        pi::assert_answer(&name, &input, &case, edits.copied()).await;
    }
}

/// The cases of one kind.
fn cases(kind: &str) -> Vec<(String, Document, Value)> {
    let json = std::fs::read_to_string(shared::path("vectors/pi-ai.json")).unwrap();
    let all = serde_json::from_str::<BTreeMap<String, Members>>(&json).unwrap();
    let mut cases = Vec::new();
    for (name, mut case) in all {
        // The texts of an input may hold lone surrogates, which are no text to anyone else.
        let input = case.remove("input").unwrap();
        let case = serde_json::to_value(&case).unwrap();
        if case["kind"] == kind {
            cases.push((name, input, case));
        }
    }
    assert!(cases.len() > 20);
    cases
}
