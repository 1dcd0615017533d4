//! Tokens of responses. In those that are passed on as they are they are found at the end of the bytes, without reading
//! what was said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use pumice::converse::TokenUsage;

use crate::json::whole;
use crate::record::Tokens;

/// The end of a body.
#[derive(Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.0.len() + bytes.len() > 2 * LONGEST {
            let kept = LONGEST.saturating_sub(bytes.len());
            self.0.drain(..self.0.len().saturating_sub(kept));
        }
        self.0.extend_from_slice(bytes.get(bytes.len().saturating_sub(LONGEST)..).unwrap_or_default());
    }

    /// The tokens that it names, by Converse, or by a model of Anthropic's or another one in InvokeModel.
    pub(crate) fn tokens(&self) -> Tokens {
        // Mostly the last frame has them, and nothing before it need be searched.
        let near = self.0.get(self.0.len().saturating_sub(NEAR)..).unwrap_or_default();
        let near = String::from_utf8_lossy(near);
        let text = if near.contains("\"usage\"") { near } else { String::from_utf8_lossy(&self.0) };
        let found = tokens(&text);
        if found != Tokens::default() {
            return found;
        }
        // In a stream of InvokeModel, the last chunk has them in base64.
        let chunk = text.rsplit_once("\"bytes\":\"").and_then(|(_, chunk)| chunk.split('"').next());
        let decoded = chunk.and_then(|chunk| STANDARD.decode(chunk).ok()).unwrap_or_default();
        tokens(&String::from_utf8_lossy(&decoded))
    }
}

/// All tokens of the input, cached ones among them.
pub(crate) fn all_input(usage: &TokenUsage) -> u64 {
    let all = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens];
    all.into_iter().flatten().fold(0, u64::saturating_add)
}

/// Writes each text, and the number that follows it.
pub(crate) fn write_counts(counts: &[(&str, u64)], out: &mut Vec<u8>) {
    for (text, count) in counts {
        out.extend_from_slice(text.as_bytes());
        whole(out, *count);
    }
}

/// The tokens that a text names last.
pub(crate) fn tokens(text: &str) -> Tokens {
    let number = |name: &str| {
        let (_, rest) = text.rsplit_once(name)?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    for [input, output, read, write] in NAMES {
        if let (Some(prompt), Some(output)) = (number(input), number(output)) {
            let (cached, written) = (number(read), number(write).unwrap_or_default());
            let input = prompt.saturating_add(cached.unwrap_or_default()).saturating_add(written);
            // OpenAI counts the cache among the tokens of the prompt.
            let cached = cached.or_else(|| number("\"cached_tokens\""));
            return Tokens { input: Some(input), output: Some(output), cached };
        }
    }
    Tokens::default()
}

/// What input, output, and tokens read from and written to the cache are called: in Converse, in the metrics at the end
/// of an InvokeModel stream, in OpenAI's chat completions, and in Anthropic's messages and OpenAI's responses.
const NAMES: [[&str; 4]; 4] = [
    ["\"inputTokens\"", "\"outputTokens\"", "\"cacheReadInputTokens\"", "\"cacheWriteInputTokens\""],
    [
        "\"inputTokenCount\"",
        "\"outputTokenCount\"",
        "\"cacheReadInputTokenCount\"",
        "\"cacheWriteInputTokenCount\"",
    ],
    ["\"prompt_tokens\"", "\"completion_tokens\"", "", ""],
    [
        "\"input_tokens\"",
        "\"output_tokens\"",
        "\"cache_read_input_tokens\"",
        "\"cache_creation_input_tokens\"",
    ],
];
/// How much of the end is kept, and how much of that the last frame mostly has at most, in bytes.
const LONGEST: usize = 8 * 1024;
const NEAR: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(chunks: &[&str]) -> Tokens {
        let mut tail = Tail::default();
        for chunk in chunks {
            tail.push(chunk.as_bytes());
        }
        tail.tokens()
    }

    #[test]
    fn tokens_are_found_at_the_end_in_each_form() {
        let known = |input, output, cached| Tokens { input: Some(input), output: Some(output), cached };
        let long = "x".repeat(50_000);
        assert_eq!(
            of(&[&long, r#"{"usage":{"inputTokens":12,"outputTo"#, r#"kens":7,"totalTokens":19}}"#]),
            known(12, 7, None)
        );
        assert_eq!(
            of(&[
                r#""usage":{"input_tokens":3,"cache_creation_input_tokens":4,"cache_read_input_tokens":5,"output_tokens":6}"#
            ]),
            known(12, 6, Some(5))
        );
        let chunk = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":8}}"#;
        let chunk = format!("\u{1}{{\"bytes\":\"{}\",\"p\":\"abc\"}}\u{2}", STANDARD.encode(chunk));
        assert_eq!(of(&[&long, &chunk]), known(9, 8, None));
        let chat = r#"{"usage":{"prompt_tokens":9,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":4}}}"#;
        assert_eq!(of(&[chat]), known(9, 8, Some(4)));
        let responses =
            r#"{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":8}}"#;
        assert_eq!(of(&[responses]), known(9, 8, Some(4)));
        assert_eq!(of(&["", "no tokens"]), Tokens::default());
    }

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 1000]);
        }
        tail.push(&vec![b'y'; 100_000]);
        assert!(tail.0.len() <= 2 * LONGEST);
    }
}
