//! Shows a response as it arrives, and sums it up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumice::pi::{AssistantEvent, AssistantMessage, AssistantStream, Content, StopReason, Usage};

use crate::escape::{Escaper, beginning};
use crate::failure::Failure;
use crate::id;
use crate::interrupt::Interrupt;
use crate::markdown::Markdown;
use crate::output::{Output, Report};
use crate::waiting;

/// Shows one response.
pub(crate) struct ResponsePrinter<'a> {
    pub(crate) output: Output,
    report: &'a Report,
    /// When the call began.
    pub(crate) began: Instant,
    /// Whether it is a replay, whose times are made up.
    is_replayed: bool,
    /// The time until the first text or thinking.
    first: Option<Duration>,
    /// Whether the last line on standard error is thinking, and has not ended.
    thinking: bool,
    thinking_escaper: Escaper,
    thinking_text: Option<Markdown>,
    /// The beginnings of the arguments of tool calls, by their index in the message.
    arguments: BTreeMap<usize, String>,
}

impl<'a> ResponsePrinter<'a> {
    pub(crate) fn new(report: &'a Report, is_replayed: bool) -> Self {
        Self {
            output: Output::new().with_markdown(report.markdown(true)),
            report,
            began: Instant::now(),
            is_replayed,
            first: None,
            thinking: false,
            thinking_escaper: Escaper::default(),
            thinking_text: report.markdown(false),
            arguments: BTreeMap::new(),
        }
    }

    /// Prints the text as it arrives, then notes on what the text does not show. Returns the message, and the failure
    /// if there is one.
    pub(crate) async fn print(
        mut self,
        mut events: AssistantStream,
        interrupt: &mut Interrupt,
    ) -> Result<(AssistantMessage, Option<Failure>), Failure> {
        let (message, mut unwritable) = self.show_all(&mut events, interrupt).await?;
        let begun = self.output.begun;
        if unwritable.is_none() {
            unwritable = self.end_line().err();
        }
        let failure = match events.failure() {
            Some(error) if begun => Some(Failure::after_output(error)),
            Some(error) => Some(Failure::from(error)),
            None if unwritable.is_some() => unwritable,
            None => {
                self.sum_up(&message, &events, interrupt.how());
                // The service calls a response that ended otherwise than responses do, such as a refusal, a success.
                (message.stop_reason == Some(StopReason::Error))
                    .then(|| Failure::refused(message.error_message.clone().unwrap_or_default()))
            }
        };
        Ok((message, failure))
    }

    /// Returns the message, and why standard output cannot be written to.
    async fn show_all(
        &mut self,
        events: &mut AssistantStream,
        interrupt: &mut Interrupt,
    ) -> Result<(AssistantMessage, Option<Failure>), Failure> {
        loop {
            let next = match events.ready_event() {
                // Nothing more has arrived: the wait flushes what has been printed.
                None => match interrupt.unless(self.next(events)).await {
                    Some(Ok(next)) => next,
                    Some(Err(failure)) => return abandoned(events, failure),
                    None => events.abort(),
                },
                ready => ready,
            };
            match next {
                Some(AssistantEvent::Done { message }) => return Ok((*message, None)),
                Some(AssistantEvent::Error { error }) => return Ok((*error, None)),
                Some(event) => {
                    if let Err(failure) = self.show(&event) {
                        return abandoned(events, failure);
                    }
                }
                None => return Err(Failure::refused("the response has no end")),
            }
        }
    }

    /// Waits for the next event, with a sign of life until something is shown.
    async fn next(&mut self, events: &mut AssistantStream) -> Result<Option<AssistantEvent>, Failure> {
        let is_silent = !self.output.begun && !self.thinking;
        let wait = self.output.wait_for(events.next_event());
        if is_silent { waiting::shown(self.report, self.began, wait).await } else { wait.await }
    }

    fn show(&mut self, event: &AssistantEvent) -> Result<(), Failure> {
        match event {
            AssistantEvent::TextDelta { delta, .. } => {
                if self.thinking {
                    self.thinking = false;
                    self.thinking_text.as_mut().map(Markdown::end);
                    self.report.dimmed("\n");
                    if self.output.is_terminal() {
                        self.report.label("response");
                    }
                }
                self.output.prose(delta);
            }
            AssistantEvent::ThinkingDelta { delta, .. } => {
                if !self.thinking {
                    self.thinking = true;
                    // What came before is shown before, on a line of its own.
                    self.output.end_prose();
                    self.output.flush()?;
                    if self.output.is_terminal() && !self.output.at_line_start {
                        self.report.dimmed("\n");
                    }
                    self.report.label("thinking");
                }
                self.report.dimmed_piece(delta, &mut self.thinking_escaper, &mut self.thinking_text);
            }
            AssistantEvent::ToolCallDelta { content_index, delta } => {
                let beginning = self.arguments.entry(*content_index).or_default();
                if beginning.chars().count() <= LONGEST_NOTE {
                    beginning.extend(delta.chars().take(LONGEST_NOTE + 1));
                }
            }
            _ => return Ok(()),
        }
        self.first.get_or_insert_with(|| self.began.elapsed());
        Ok(())
    }

    /// Ends the last line of the response and of the thinking.
    fn end_line(&mut self) -> Result<(), Failure> {
        if self.thinking {
            self.report.dimmed("\n");
        }
        self.output.end_prose();
        if !self.output.at_line_start {
            self.output.text("\n");
        }
        self.output.flush()
    }

    /// Notes what the text does not show, and what the response took.
    fn sum_up(&self, message: &AssistantMessage, events: &AssistantStream, stopped: Option<&str>) {
        let mut calls = message.blocks().iter().enumerate().filter_map(|(index, block)| match block {
            Content::ToolCall(call) => Some((index, call)),
            _ => None,
        });
        for (index, call) in calls.by_ref().take(MOST_CALLS) {
            let arguments = self.arguments.get(&index).map_or("{}", String::as_str);
            let [name, arguments] = [call.name.as_str(), arguments].map(|text: &str| events.redacted(text));
            let (name, arguments) = (beginning(&name, LONGEST_NOTE), beginning(&arguments, LONGEST_NOTE));
            self.report.note(format_args!("the model asks for the tool {name} with {arguments}"));
        }
        let more = calls.count();
        if more > 0 {
            self.report.note(format_args!("tool calls that are not shown: {more}"));
        }
        match message.raw_stop_reason.as_deref() {
            Some("end_turn" | "stop_sequence") if message.blocks().is_empty() => {
                self.report.note("the response is empty");
            }
            Some("end_turn" | "stop_sequence" | "tool_use") => {}
            Some("max_tokens") => {
                self.report.note("the response was cut off at the output limit (--max-tokens)");
            }
            Some(other) if message.stop_reason != Some(StopReason::Error) => {
                let other = events.redacted(other);
                let other = beginning(&other, LONGEST_NOTE);
                self.report.note(format_args!("the response ended with {other}"));
            }
            None if message.stop_reason == Some(StopReason::Aborted) => {
                self.report.note(format_args!("stopped {}", stopped.unwrap_or_default()));
            }
            _ => {}
        }
        let model = message.model.clone().unwrap_or_default();
        let times = (!self.is_replayed).then(|| (self.first, self.began.elapsed()));
        let summary = summarize(model, message.usage.as_ref(), times);
        self.report.dimmed(&format!("{}\n", fitted(summary, self.report.width())));
    }
}

/// Ends a response that can no longer be printed. What came until then is a response too, and may be saved.
pub(crate) fn abandoned(
    events: &mut AssistantStream,
    failure: Failure,
) -> Result<(AssistantMessage, Option<Failure>), Failure> {
    match events.abort() {
        Some(AssistantEvent::Error { error }) => Ok((*error, Some(failure))),
        _ => Err(failure),
    }
}

/// A part of the last line: how early it is left out where there is no room, and its text.
type Part = (u8, String);

/// What a response took: tokens, money, and the times to the first token and in all, which replays do not have.
pub(crate) fn summarize(
    model: String,
    usage: Option<&Usage>,
    times: Option<(Option<Duration>, Duration)>,
) -> Vec<Part> {
    let mut parts = vec![(MODEL, model)];
    let counted = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
    let usage = usage.filter(|usage| counted(usage.total_tokens).is_some());
    let mut output = 0;
    if let Some(usage) = usage {
        let read = counted(usage.cache_read).map(|tokens| format!("{tokens} from cache"));
        let written = counted(usage.cache_write).map(|tokens| format!("{tokens} into it"));
        let cached = match (read, written) {
            (None, None) => String::new(),
            (Some(read), None) => format!(" (+{read})"),
            (Some(read), Some(written)) => format!(" (+{read}, {written})"),
            (None, Some(_)) => format!(" (+{} into cache)", usage.cache_write.unwrap_or_default()),
        };
        output = usage.output.unwrap_or_default();
        parts.push((0, format!("{} tokens in{cached}, {output} out", usage.input.unwrap_or_default())));
        // A cost of 0 means that the price is not known.
        let dollars = usage.cost.as_ref().and_then(|cost| cost.total).map(|total| total.0);
        parts.extend(dollars.filter(|dollars| *dollars > 0.0).map(|dollars| (1, price(dollars))));
    }
    let Some((first, all)) = times else {
        parts.push((2, "replayed".to_owned()));
        return parts;
    };
    if let Some(first) = first {
        parts.push((2, format!("first token after {:.2} s", first.as_secs_f64())));
        let seconds = all.saturating_sub(first).as_secs_f64();
        if output > 0 && seconds > 0.0 {
            #[allow(clippy::cast_precision_loss, reason = "no response has 2^53 tokens")]
            let rate = output as f64 / seconds;
            parts.push((5, format!("{rate:.0} tokens/s")));
        }
    }
    parts.push((4, format!("{:.2} s in all", all.as_secs_f64())));
    parts
}

/// The parts as one line that fits the width. A model that does not fit is shortened, then left out.
pub(crate) fn fitted(mut parts: Vec<Part>, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    let taken = |parts: &[Part], upto: u8| {
        let kept = parts.iter().filter(|(rank, _)| *rank <= upto);
        kept.map(|(_, text)| text.chars().count() + SEPARATOR.chars().count()).sum::<usize>()
    };
    let room = width.saturating_add(SEPARATOR.chars().count());
    if taken(&parts, MODEL) > room
        && let Some((_, model)) = parts.iter_mut().find(|(rank, _)| *rank == MODEL)
    {
        *model = id::short(model).to_owned();
    }
    while taken(&parts, u8::MAX) > room && parts.len() > 1 {
        let last = parts.iter().map(|(rank, _)| *rank).max().unwrap_or_default();
        parts.retain(|(rank, _)| *rank != last);
    }
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(SEPARATOR)
}

/// Dollars, to two significant digits.
fn price(dollars: f64) -> String {
    let digits = (2..=8).find(|digits| dollars * 10f64.powi(*digits) >= 10.0).unwrap_or(8);
    format!("${dollars:.*}", usize::try_from(digits).unwrap_or(8))
}

/// Between the parts of the last line.
const SEPARATOR: &str = " · ";
/// The rank of the model among them.
pub(crate) const MODEL: u8 = 3;
/// How many tool calls are noted.
const MOST_CALLS: usize = 20;
/// How much of a model's text a note quotes, in characters.
const LONGEST_NOTE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use pumice::pi::{Dollars, UsageCost};

    #[test]
    fn a_price_has_two_significant_digits() {
        for (dollars, shown) in [
            (12.345, "$12.35"),
            (0.5, "$0.50"),
            (0.0123, "$0.012"),
            (0.000_045_6, "$0.000046"),
            (0.000_000_001, "$0.00000000"),
        ] {
            assert_eq!(price(dollars), shown);
        }
    }

    #[test]
    fn the_last_line_shows_known_figures() {
        let seconds = Duration::from_secs_f64;
        let line = |usage: Option<&Usage>, first: Option<f64>| {
            let times = Some((first.map(seconds), seconds(2.0)));
            fitted(summarize("m".into(), usage, times), None)
        };
        let usage = Usage::new().input(12u64).output(30u64).total_tokens(42u64);
        assert_eq!(
            line(Some(&usage), Some(0.5)),
            "m · 12 tokens in, 30 out · first token after 0.50 s · 20 tokens/s · 2.00 s in all"
        );
        let usage = usage.cache_read(7u64).cache_write(9u64).cost(UsageCost::new().total(Dollars(0.01)));
        assert_eq!(
            line(Some(&usage), None),
            "m · 12 tokens in (+7 from cache, 9 into it), 30 out · $0.010 · 2.00 s in all"
        );
        assert_eq!(line(None, None), "m · 2.00 s in all");
        // The times of a replay are not those of a model.
        let replayed = fitted(summarize("m".into(), Some(&usage), None), None);
        assert_eq!(replayed, "m · 12 tokens in (+7 from cache, 9 into it), 30 out · $0.010 · replayed");
    }

    #[test]
    fn the_last_line_fits_the_terminal() {
        let usage = Usage::new().input(12u64).output(30u64).total_tokens(42u64);
        let usage = usage.cost(UsageCost::new().total(Dollars(0.01)));
        let times = Some((Some(Duration::from_millis(500)), Duration::from_secs(2)));
        let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
        let line = |width| fitted(summarize(model.into(), Some(&usage), times), Some(width));
        for (width, expected) in [
            (
                200,
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0 · 12 tokens in, 30 out · $0.010 · first token after 0.50 s · 20 tokens/s · 2.00 s in all",
            ),
            (
                120,
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0 · 12 tokens in, 30 out · $0.010 · first token after 0.50 s · 2.00 s in all",
            ),
            (80, "claude-sonnet-4-5 · 12 tokens in, 30 out · $0.010 · first token after 0.50 s"),
            (60, "12 tokens in, 30 out · $0.010 · first token after 0.50 s"),
            (40, "12 tokens in, 30 out · $0.010"),
            (20, "12 tokens in, 30 out"),
        ] {
            assert_eq!(line(width), expected);
            assert!(expected.chars().count() <= width);
        }
    }
}
