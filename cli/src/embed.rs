//! `pumice embed`: the vectors of texts.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use pumice::embedding::{EmbeddingModel, Embeddings};
use pumice::invoke_model::InvokeModelRequest;
use pumice::{Client, Error, ErrorKind};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::lines;
use crate::output::{Output, Report};
use crate::session::Session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let recorded = session.replay.as_ref().and_then(|replay| replay.model());
    let named = args.text("model")?.or(recorded).unwrap_or(DEFAULT_MODEL);
    let model = session.settings().model_id(named)?;
    let mut output = Output::new();
    let family = match EmbeddingModel::of(&model) {
        None if model.starts_with("arn:") => {
            let directory = session.directory();
            output.wait_for(directory.base_of(&model)).await??.and_then(|base| EmbeddingModel::of(&base))
        }
        family => family,
    };
    let family = family.ok_or_else(|| {
        Failure::usage(format!("expected an embedding model of Titan or Cohere, found {model}"))
            .hint(format!("name one with -m, such as {DEFAULT_MODEL} or cohere.embed-multilingual-v3"))
    })?;
    let dimensions =
        args.number("dimensions", "a whole number from 1", |text| text.parse().ok(), |number| *number > 0)?;
    if dimensions.is_some() && !family.takes_dimensions() {
        return Err(Failure::usage(format!("--dimensions: the vectors of {model} have one length only")));
    }
    let input_type = args.text("input-type")?;
    if input_type.is_some() && !family.takes_input_type() {
        return Err(Failure::usage(format!("--input-type: {model} takes none; it is for Cohere's models")));
    }
    let mut work = Work {
        client: session.clients.of(&model),
        model,
        family,
        dimensions,
        input_type: input_type.unwrap_or("search_document").to_owned(),
        texts: Some(texts(args, report)?),
        taken: 0,
        calls: VecDeque::new(),
    };
    let as_json = args.has("json");
    let (mut printed, mut tokens) = (0_u64, Some(0));
    let done = loop {
        let (texts, called) = match output.wait_for(work.next()).await? {
            Ok(Some(batch)) => batch,
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        };
        match called {
            Ok(read) => {
                tokens = tokens.zip(read.tokens).map(|(sum, tokens)| sum + tokens);
                for (text, vector) in texts.iter().zip(&read.vectors) {
                    printed += 1;
                    if as_json {
                        let text = serde_json::Value::from(text.as_str());
                        output.json_line(&format!("{{\"text\":{text},\"embedding\":{}}}", vector.text()));
                    } else {
                        output.json_line(vector.text());
                    }
                }
            }
            Err(error) => break Err(session.failure(&work.model, error).await),
        }
    };
    output.flush()?;
    let begun = output.begun;
    done.map_err(|failure| Failure {
        exit: if begun && failure.exit != Exit::Closed { Exit::AfterOutput } else { failure.exit },
        ..failure
    })?;
    if printed == 0 {
        return Err(
            Failure::usage("there is no text").hint("give texts as words, or one per line on standard input")
        );
    }
    let counted = tokens.map(|tokens| format!(" · {tokens} tokens")).unwrap_or_default();
    let s = if printed == 1 { "" } else { "s" };
    report.dimmed(&format!("{} · {printed} text{s}{counted}\n", work.model));
    Ok(())
}

/// The texts: the words of the command line, or the lines of standard input.
fn texts(args: &Args, report: &Report) -> Result<Receiver<Result<String, Failure>>, Failure> {
    if args.rest.is_empty() || args.rest == ["-"] {
        input::announce("a text per line", report);
        return Ok(lines::of_stdin());
    }
    if args.rest.iter().any(|word| word == "-") {
        return Err(Failure::usage("expected texts or -, found both"));
    }
    let (sender, receiver) = channel(args.rest.len());
    for word in &args.rest {
        let text = word.to_str().ok_or_else(|| Failure::usage("expected texts in UTF-8"))?;
        // There is room for each.
        let _ = sender.try_send(Ok(text.to_owned()));
    }
    Ok(receiver)
}

type Called = pumice::Result<Embeddings>;

/// The calls under way, in the order of their texts.
struct Work {
    client: Client,
    model: String,
    family: EmbeddingModel,
    dimensions: Option<u64>,
    input_type: String,
    /// `None` at their end.
    texts: Option<Receiver<Result<String, Failure>>>,
    taken: u64,
    calls: VecDeque<(Vec<String>, JoinHandle<Called>)>,
}

impl Work {
    /// The texts and the vectors of the next call that is due. Meanwhile calls are made for the texts that arrive.
    async fn next(&mut self) -> Result<Option<(Vec<String>, Called)>, Failure> {
        loop {
            let arrived = poll_fn(|task| {
                if let Some((_, call)) = self.calls.front_mut()
                    && let Poll::Ready(called) = Pin::new(call).poll(task)
                {
                    return Poll::Ready(Arrived::Vectors(called.unwrap_or_else(|error| {
                        Err(Error::new(ErrorKind::Internal, format!("a call ended early: {error}")))
                    })));
                }
                match &mut self.texts {
                    Some(texts) if self.calls.len() < AT_ONCE => texts.poll_recv(task).map(Arrived::Text),
                    None if self.calls.is_empty() => Poll::Ready(Arrived::Text(None)),
                    _ => Poll::Pending,
                }
            });
            match arrived.await {
                Arrived::Vectors(called) => {
                    let texts = self.calls.pop_front().map(|(texts, _)| texts).unwrap_or_default();
                    return Ok(Some((texts, called)));
                }
                Arrived::Text(Some(text)) => self.call(text?)?,
                Arrived::Text(None) => {
                    self.texts = None;
                    if self.calls.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Makes a call with this text and those that have arrived, as many as a call takes.
    fn call(&mut self, first: String) -> Result<(), Failure> {
        let mut batch = vec![first];
        while batch.len() < self.family.batch_size()
            && let Some(text) = self.texts.as_mut().and_then(|texts| texts.try_recv().ok())
        {
            batch.push(text?);
        }
        for text in &batch {
            self.taken += 1;
            if text.trim().is_empty() {
                return Err(Failure::usage(format!("text {}: expected a text, found none", self.taken)));
            }
        }
        let body = self.family.body(&batch, self.dimensions, &self.input_type);
        let request = InvokeModelRequest::new(&*self.model).content_type("application/json");
        let (request, client) = (request.accept("application/json").body(body), self.client.clone());
        let wanted = batch.len();
        let call = tokio::spawn(async move {
            let response = client.send(&request).await?;
            let counted = response.headers().get("x-amzn-bedrock-input-token-count");
            let counted = counted.and_then(|counted| counted.to_str().ok()?.parse().ok());
            let mut read = Embeddings::read(&response.into_inner().body.0)?;
            read.tokens = read.tokens.or(counted);
            let found = read.vectors.len();
            if found != wanted {
                let message = format!("the model's response: expected {wanted} vectors, found {found}");
                return Err(Error::new(ErrorKind::Damaged, message));
            }
            Ok(read)
        });
        self.calls.push_back((batch, call));
        Ok(())
    }
}

enum Arrived {
    Vectors(Called),
    Text(Option<Result<String, Failure>>),
}

/// Titan's, which needs no choice of what the vectors are for.
const DEFAULT_MODEL: &str = "amazon.titan-embed-text-v2:0";

/// How many calls are under way at most.
const AT_ONCE: usize = 8;
