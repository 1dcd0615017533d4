//! OpenAI's Embeddings: its request as those of Titan's and Cohere's models, their responses as its own.

use std::collections::BTreeMap;

use http::StatusCode;
use pumice::embedding::{EmbeddingModel, Embeddings};
use pumice::invoke_model::InvokeModelRequest;
use pumice::shape::{Blob, Document};
use tokio::task::JoinSet;

use crate::body::Response;
use crate::failure::Failure;
use crate::gateway::{Call, Gateway};
use crate::json::{Json, string, whole};
use crate::record::{Tally, Tokens};
use crate::respond::{respond, set_notes, set_request_id, whole as respond_whole};
use crate::route::Form;

impl Gateway {
    /// `POST /v1/embeddings`.
    pub(crate) async fn embed(&self, call: Call) -> Response {
        let Call { body, mut tally, .. } = call;
        match self.embedded(&body, &mut tally).await {
            Ok((id, request_id, notes, body)) => {
                let mut response =
                    respond_whole(StatusCode::OK, "application/json", body.into(), Some(tally));
                set_request_id(response.headers_mut(), Form::OpenAi, request_id.as_deref());
                set_notes(response.headers_mut(), &id, &notes);
                response
            }
            Err(failure) => respond(Form::OpenAi, &failure, Some(tally)),
        }
    }

    async fn embedded(
        &self,
        body: &[u8],
        tally: &mut Tally,
    ) -> Result<(String, Option<String>, Vec<String>, Vec<u8>), Failure> {
        let (asked, notes) = read(body)?;
        tally.edit(|record| record.model.clone_from(&asked.model));
        let id = self.names.resolve(&asked.model).await?;
        tally.edit(|record| record.model.clone_from(&id));
        let mut bodies = bodies(&self.names.base(&id).await, &asked)?.into_iter().enumerate();
        let client = self.clients.of(&id);
        let mut calls = JoinSet::new();
        let mut call = |calls: &mut JoinSet<_>| {
            let Some((at, body)) = bodies.next() else { return };
            let request =
                InvokeModelRequest::new(&*id).content_type("application/json").accept("application/json");
            let (request, client) = (request.body(body), client.clone());
            calls.spawn(async move { (at, client.send(&request).await) });
        };
        for _ in 0..AT_ONCE {
            call(&mut calls);
        }
        let mut responses = BTreeMap::new();
        // Dropping the set ends the calls that are left.
        while let Some(ended) = calls.join_next().await {
            let (at, response) = ended.map_err(|error| {
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("a call ended early: {error}"))
            })?;
            match response {
                Ok(response) => responses.insert(at, response),
                Err(error) => return Err(self.names.failure(&id, &error).await),
            };
            call(&mut calls);
        }
        let mut written = Written::new(&asked);
        let mut request_id = None;
        for response in responses.into_values() {
            request_id = response.request_id().map(str::to_owned);
            let counted = response.headers().get("x-amzn-bedrock-input-token-count");
            let counted = counted.and_then(|counted| counted.to_str().ok()?.parse().ok());
            written.push(&response.into_inner().body.0, counted)?;
        }
        let tokens = Tokens { input: Some(written.tokens), ..Tokens::default() };
        let cost = self.names.cost(&id, tokens);
        tally.edit(|record| {
            (record.tokens, record.cost) = (tokens, cost);
            record.request_id.clone_from(&request_id);
        });
        let called = client.profile_of(&id).unwrap_or(id);
        Ok((called, request_id, notes, written.finish(&asked)?))
    }
}

/// What is asked.
struct Asked {
    model: String,
    texts: Vec<String>,
    dimensions: Option<u64>,
    /// Whether the numbers are wanted as bytes in base64.
    base64: bool,
    /// What the vectors are for, in Cohere's words.
    input_type: String,
}

/// Whether a body is a request.
pub(crate) fn asked(body: &[u8]) -> Result<(), Failure> {
    read(body).map(|_| ())
}

fn read(body: &[u8]) -> Result<(Asked, Vec<String>), Failure> {
    crate::json::read(body, |mut body, notes| {
        let model = body.need("model", "the name of a model")?.text()?.into_owned();
        let input = body.need("input", "a text or a list of texts")?;
        let mut texts = Vec::new();
        for item in input.text_or_items()? {
            if !item.is_text() {
                return Err(item.expected("a text, because the model does not know OpenAI's tokens"));
            }
            texts.push(item.text()?.into_owned());
        }
        if texts.is_empty() || texts.len() > MOST_TEXTS {
            return Err(input.fault(format!("expected 1 to {MOST_TEXTS} texts, found {}", texts.len())));
        }
        let format = body.take("encoding_format");
        let base64 = match format.map(Json::raw) {
            None | Some("\"float\"") => false,
            Some("\"base64\"") => true,
            _ => return Err(format.unwrap_or(input).expected("float or base64")),
        };
        let dimensions = body.take("dimensions").map(Json::whole).transpose()?;
        let input_type =
            body.take("input_type").map_or(Ok("search_document".into()), Json::text)?.into_owned();
        for (name, value) in body.rest() {
            if name != "user" {
                notes.push(value.fault("not sent: the models have no place for it"));
            }
        }
        Ok(Asked { model, texts, dimensions, base64, input_type })
    })
}

/// The bodies of the calls that a model needs for this.
fn bodies(model: &str, asked: &Asked) -> Result<Vec<Vec<u8>>, Failure> {
    let Some(family) = EmbeddingModel::of(model) else {
        let message = format!("model: expected an embedding model of Titan or Cohere, found {model}");
        return Err(Failure::invalid("model".to_owned(), message));
    };
    if let (Some(asked), false) = (asked.dimensions, family.takes_dimensions()) {
        let message =
            format!("dimensions: expected none, because {model} has one length only, found {asked}");
        return Err(Failure::invalid("dimensions".to_owned(), message));
    }
    let batches = asked.texts.chunks(family.batch_size());
    Ok(batches.map(|texts| family.body(texts, asked.dimensions, &asked.input_type)).collect())
}

/// The response as far as it is written.
struct Written {
    out: Vec<u8>,
    base64: bool,
    count: usize,
    tokens: u64,
}

impl Written {
    fn new(asked: &Asked) -> Self {
        Self { out: b"{\"object\":\"list\",\"data\":[".to_vec(), base64: asked.base64, count: 0, tokens: 0 }
    }

    /// Adds the vectors of one response. `counted` are its tokens, by a header.
    fn push(&mut self, body: &[u8], counted: Option<u64>) -> Result<(), Failure> {
        let read = Embeddings::read(body).map_err(|error| unexpected(&error.to_string()))?;
        read.vectors.iter().try_for_each(|vector| self.add(vector))?;
        self.tokens += read.tokens.or(counted).unwrap_or_default();
        Ok(())
    }

    fn add(&mut self, vector: &Document) -> Result<(), Failure> {
        let out = &mut self.out;
        out.extend_from_slice(if self.count == 0 { b"" } else { b"," });
        out.extend_from_slice(b"{\"object\":\"embedding\",\"index\":");
        whole(out, self.count as u64);
        out.extend_from_slice(b",\"embedding\":");
        self.count += 1;
        if self.base64 {
            let numbers = vector.read::<Vec<f32>>().map_err(|error| unexpected(&error.to_string()))?;
            let bytes = numbers.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>();
            string(out, &Blob::from(bytes).to_base64());
        } else {
            out.extend_from_slice(vector.text().as_bytes());
        }
        out.push(b'}');
        Ok(())
    }

    fn finish(self, asked: &Asked) -> Result<Vec<u8>, Failure> {
        let Self { mut out, count, tokens, .. } = self;
        let wanted = asked.texts.len();
        if count != wanted {
            return Err(unexpected(&format!(
                "the model's response: expected {wanted} vectors, found {count}"
            )));
        }
        out.extend_from_slice(b"],\"model\":");
        string(&mut out, &asked.model);
        out.extend_from_slice(b",\"usage\":{\"prompt_tokens\":");
        whole(&mut out, tokens);
        out.extend_from_slice(b",\"total_tokens\":");
        whole(&mut out, tokens);
        out.extend_from_slice(b"}}");
        Ok(out)
    }
}

fn unexpected(message: &str) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, message.to_owned())
}

/// How many calls are made at once.
const AT_ONCE: usize = 8;
/// How many texts a request may have, as OpenAI has it.
const MOST_TEXTS: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(body: &Value) -> Asked {
        read(body.to_string().as_bytes()).unwrap_or_else(|failure| panic!("{}", failure.message)).0
    }

    fn sent(model: &str, body: &Value) -> Vec<Value> {
        let bodies = bodies(model, &asked(body)).unwrap_or_else(|failure| panic!("{}", failure.message));
        bodies.iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
    }

    #[test]
    fn each_family_has_its_form() {
        let two = json!({"model": "m", "input": ["a", "b\n"], "user": "u"});
        let long = json!({"model": "m", "input": "a", "dimensions": 256, "encoding_format": "float"});
        for (model, body, expected) in [
            ("amazon.titan-embed-text-v1", &two, json!([{"inputText": "a"}, {"inputText": "b\n"}])),
            ("amazon.titan-embed-text-v2:0", &long, json!([{"inputText": "a", "dimensions": 256}])),
            (
                "amazon.titan-embed-image-v1",
                &long,
                json!([{"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}}]),
            ),
            (
                "cohere.embed-multilingual-v3",
                &two,
                json!([{"texts": ["a", "b\n"], "input_type": "search_document"}]),
            ),
            (
                "us.cohere.embed-v4:0",
                &long,
                json!([{"texts": ["a"], "input_type": "search_document", "output_dimension": 256}]),
            ),
        ] {
            assert_eq!(Value::from(sent(model, body)), expected, "{model}");
        }
        let query = json!({"model": "m", "input": "a", "input_type": "search_query"});
        assert_eq!(sent("cohere.embed-english-v3", &query)[0]["input_type"], "search_query");
        let many = json!({"model": "m", "input": vec!["a"; 200]});
        let sizes = sent("cohere.embed-english-v3", &many)
            .iter()
            .map(|body| body["texts"].as_array().unwrap().len())
            .collect::<Vec<_>>();
        assert_eq!(sizes, [96, 96, 8]);
    }

    #[test]
    fn what_cannot_be_embedded_is_refused() {
        let refused = |body: Value| read(body.to_string().as_bytes()).map(drop).unwrap_err().message;
        assert_eq!(
            refused(json!({"model": "m", "input": [1, 2]})),
            "input[0]: expected a text, because the model does not know OpenAI's tokens, found 1"
        );
        assert_eq!(refused(json!({"model": "m", "input": []})), "input: expected 1 to 2048 texts, found 0");
        assert_eq!(refused(json!({"model": "m"})), "input: expected a text or a list of texts, found none");
        assert_eq!(
            refused(json!({"model": "m", "input": "a", "encoding_format": "int8"})),
            "encoding_format: expected float or base64, found \"int8\""
        );
        let failure = |model: &str| {
            let asked = asked(&json!({"model": "m", "input": "a", "dimensions": 5}));
            let failure = bodies(model, &asked).unwrap_err();
            (failure.param.unwrap(), failure.message)
        };
        assert_eq!(
            failure("amazon.titan-embed-text-v1"),
            (
                "dimensions".into(),
                "dimensions: expected none, because amazon.titan-embed-text-v1 has one length only, found 5"
                    .into()
            )
        );
        assert_eq!(
            failure("amazon.nova-lite-v1:0"),
            (
                "model".into(),
                "model: expected an embedding model of Titan or Cohere, found amazon.nova-lite-v1:0".into()
            )
        );
        let (_, notes) =
            read(br#"{"model": "m", "input": "a", "truncate": "END"}"#).unwrap_or_else(|_| panic!());
        assert_eq!(notes, ["truncate: not sent: the models have no place for it"]);
    }

    fn written(body: &Value, responses: &[(Value, Option<u64>)]) -> Result<Value, Failure> {
        let asked = asked(body);
        let mut written = Written::new(&asked);
        for (response, counted) in responses {
            written.push(response.to_string().as_bytes(), *counted)?;
        }
        Ok(serde_json::from_slice(&written.finish(&asked)?).unwrap())
    }

    #[test]
    fn responses_are_openais() {
        let body = json!({"model": "m", "input": ["a", "b"]});
        let titan = |vector: Value| (json!({"embedding": vector, "inputTextTokenCount": 4}), Some(9));
        let vector =
            |index: u64, vector: Value| json!({"object": "embedding", "index": index, "embedding": vector});
        let expected = |tokens: u64| {
            json!({
                "object": "list", "model": "m", "data": [vector(0, json!([0.5, -1])), vector(1, json!([0.25, 2]))],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
            })
        };
        let responses = [titan(json!([0.5, -1])), titan(json!([0.25, 2]))];
        assert_eq!(written(&body, &responses).unwrap_or_else(|_| panic!()), expected(8));
        let vectors = json!([[0.5, -1], [0.25, 2]]);
        for embeddings in [vectors.clone(), json!({"float": vectors})] {
            let response = (json!({"embeddings": embeddings, "id": "x"}), Some(7));
            assert_eq!(written(&body, &[response]).unwrap_or_else(|_| panic!()), expected(7));
        }
        let body = json!({"model": "m", "input": "a", "encoding_format": "base64"});
        let bytes = [0.5_f32, -1.0].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        let found = written(&body, &[titan(json!([0.5, -1]))]).unwrap_or_else(|_| panic!());
        assert_eq!(found["data"][0]["embedding"], Blob::from(bytes).to_base64());
    }

    #[test]
    fn a_response_of_another_form_is_a_failure_of_the_service() {
        let body = json!({"model": "m", "input": ["a", "b"]});
        let failure = |response: Value| {
            let failure = written(&body, &[(response, None)]).unwrap_err();
            assert_eq!(failure.status, 502);
            failure.message
        };
        assert_eq!(
            failure(json!({"generation": "x"})),
            "the model's response: embeddings: expected a list of vectors, found none"
        );
        assert_eq!(
            failure(json!({"embeddings": [[1]]})),
            "the model's response: expected 2 vectors, found 1"
        );
    }
}
