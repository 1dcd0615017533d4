//! The requests and responses of embedding models: Amazon Titan's and Cohere's, by InvokeModel.
//!
//! Sources: "Amazon Titan Embeddings G1 - Text", "Amazon Titan Multimodal Embeddings G1" and "Cohere Embed" in the
//! Amazon Bedrock User Guide.
//!
//! ```
//! use pumice::embedding::EmbeddingModel;
//!
//! let model = EmbeddingModel::of("amazon.titan-embed-text-v2:0").unwrap();
//! let body = model.body(&["Hi".to_owned()], Some(256), "search_document");
//! assert_eq!(body, br#"{"inputText":"Hi","dimensions":256}"#);
//! # assert_eq!(model.batch_size(), 1);
//! ```

use std::io::Write as _;

use crate::shape::{Document, Members};
use crate::{Error, ErrorKind, Result};

/// How a family of embedding models is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingModel {
    is_cohere: bool,
    /// The member that has the dimensions, and whether it is in `embeddingConfig`.
    dimensions: Option<(&'static str, bool)>,
}

impl EmbeddingModel {
    /// The family of a foundation model's id, or of an inference profile's id that holds it. `None` if this is no
    /// embedding model of Titan or Cohere.
    pub fn of(id: &str) -> Option<Self> {
        let (_, is_cohere, dimensions) = FAMILIES.iter().find(|(part, ..)| id.contains(part))?;
        Some(Self { is_cohere: *is_cohere, dimensions: *dimensions })
    }

    /// How many texts one call takes.
    pub fn batch_size(self) -> usize {
        if self.is_cohere { MOST_OF_COHERE } else { 1 }
    }

    /// Whether the length of the vectors can be chosen.
    pub fn takes_dimensions(self) -> bool {
        self.dimensions.is_some()
    }

    /// Whether it asks what the vectors are for.
    pub fn takes_input_type(self) -> bool {
        self.is_cohere
    }

    /// The body of a call for these texts, at most [`batch_size`](Self::batch_size). `input_type` is what the vectors
    /// are for, in Cohere's words; Titan does not ask. Dimensions are left out if the model does not take them.
    pub fn body(self, texts: &[String], dimensions: Option<u64>, input_type: &str) -> Vec<u8> {
        let mut body = Vec::new();
        // Writing to memory cannot fail, and a text is always JSON.
        let _ = if self.is_cohere {
            let (texts, input_type) = (json(texts), json(input_type));
            write!(body, "{{\"texts\":{texts},\"input_type\":{input_type}")
        } else {
            write!(body, "{{\"inputText\":{}", json(texts.first().map_or("", String::as_str)))
        };
        if let (Some((name, nested)), Some(dimensions)) = (self.dimensions, dimensions) {
            let (opens, closes) = if nested { ("\"embeddingConfig\":{", "}") } else { ("", "") };
            let _ = write!(body, ",{opens}\"{name}\":{dimensions}{closes}");
        }
        body.push(b'}');
        body
    }
}

/// The vectors of a response.
#[derive(Debug)]
#[non_exhaustive]
pub struct Embeddings {
    /// Each vector as a list of numbers, in the order of the texts.
    pub vectors: Vec<Document>,
    /// The tokens of the texts. Cohere's models say them in the header `x-amzn-bedrock-input-token-count`.
    pub tokens: Option<u64>,
}

impl Embeddings {
    /// Reads the body of a response. Of Cohere's types of vectors, `float` is read.
    ///
    /// Fails with [`ErrorKind::Damaged`].
    pub fn read(body: &[u8]) -> Result<Self> {
        let wrong = |found: &str| {
            let message =
                format!("the model's response: embeddings: expected a list of vectors, found {found}");
            Error::new(ErrorKind::Damaged, message)
        };
        let body = serde_json::from_slice::<Members>(body).map_err(|_| wrong("another form"))?;
        let tokens = body.named("inputTextTokenCount").and_then(|tokens| tokens.read().ok());
        let vectors = if let Some(vector) = body.named("embedding") {
            vec![vector.clone()]
        } else {
            let all = body.named("embeddings").ok_or_else(|| wrong("none"))?;
            let floats = all.read::<Members>().ok().and_then(|types| types.named("float").cloned());
            floats.as_ref().unwrap_or(all).read::<Vec<Document>>().map_err(|_| wrong("another form"))?
        };
        Ok(Self { vectors, tokens })
    }
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

type Family = (&'static str, bool, Option<(&'static str, bool)>);

/// What ids contain, whether the form is Cohere's, and the member that has the dimensions. The first that fits holds.
const FAMILIES: &[Family] = &[
    ("cohere.embed-v4", true, Some(("output_dimension", false))),
    ("cohere.embed", true, None),
    ("titan-embed-image", false, Some(("outputEmbeddingLength", true))),
    ("titan-embed-text-v2", false, Some(("dimensions", false))),
    ("titan-embed", false, None),
];

/// How many texts a call of Cohere's models takes.
const MOST_OF_COHERE: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: &str, texts: &[&str], dimensions: Option<u64>) -> String {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let body = EmbeddingModel::of(id).unwrap().body(&texts, dimensions, "search_document");
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn each_family_has_its_form() {
        for (id, expected) in [
            ("amazon.titan-embed-text-v1", r#"{"inputText":"a\n"}"#),
            ("amazon.titan-embed-text-v2:0", r#"{"inputText":"a\n","dimensions":256}"#),
            (
                "amazon.titan-embed-image-v1",
                r#"{"inputText":"a\n","embeddingConfig":{"outputEmbeddingLength":256}}"#,
            ),
            ("cohere.embed-multilingual-v3", r#"{"texts":["a\n","b"],"input_type":"search_document"}"#),
            (
                "us.cohere.embed-v4:0",
                r#"{"texts":["a\n","b"],"input_type":"search_document","output_dimension":256}"#,
            ),
        ] {
            assert_eq!(body(id, &["a\n", "b"], Some(256)), expected, "{id}");
        }
        assert_eq!(EmbeddingModel::of("amazon.nova-lite-v1:0"), None);
    }

    #[test]
    fn vectors_are_read_in_each_form() {
        for body in [
            r#"{"embeddings": [[0.5, -1]], "id": "x"}"#,
            r#"{"embeddings": {"float": [[0.5, -1]], "int8": [[1]]}}"#,
            r#"{"embedding": [0.5, -1], "inputTextTokenCount": 4}"#,
        ] {
            let read = Embeddings::read(body.as_bytes()).unwrap();
            assert_eq!(read.vectors.iter().map(Document::text).collect::<Vec<_>>(), ["[0.5, -1]"]);
            assert_eq!(read.tokens, body.contains("Count").then_some(4));
        }
        for (body, found) in [
            (r#"{"generation": "x"}"#, "none"),
            ("[]", "another form"),
            (r#"{"embeddings": 1}"#, "another form"),
        ] {
            let error = Embeddings::read(body.as_bytes()).unwrap_err();
            assert!(
                error.to_string().ends_with(&format!("expected a list of vectors, found {found}")),
                "{error}"
            );
        }
    }
}
