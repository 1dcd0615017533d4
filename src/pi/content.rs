//! The content of messages.

use serde::ser::{Serialize, Serializer};

#[cfg(doc)]
use crate::ErrorKind;
use crate::conversation::{Media, MediaFormat};
use crate::shape::{Blob, Document, Members};
use pumice_codec::internal::{Failed, Null, Place, Shape, Source, Written};
use pumice_codec::structure;

tagged! {
    /// A block of a message's content.
    pub enum Content by "type" {
        /// Text.
        Text(TextContent) = "text",
        /// Thoughts of the model.
        Thinking(ThinkingContent) = "thinking",
        /// A tool call of the model.
        ToolCall(ToolCall) = "toolCall",
        /// An image.
        Image(ImageContent) = "image",
        /// A document.
        Document(DocumentContent) = "document",
    }
}

impl Content {
    /// A file as an image or a document, by what its bytes are. The model is shown the name of a document; its
    /// extension only tells formats of text apart.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a file that the service accepts neither as an image nor as a
    /// document, and for an image that is too large.
    pub fn of_file(name: &str, bytes: &[u8]) -> crate::Result<Self> {
        let format = MediaFormat::of_file(name, bytes)?;
        let media_type = format.media_type().unwrap_or_default();
        let data = Blob::from(bytes.to_vec()).to_base64();
        Ok(match format {
            MediaFormat::Image(_) => ImageContent::new(data, media_type).into(),
            MediaFormat::Document(_) => DocumentContent::new(data, media_type).name(name).into(),
        })
    }

    /// The image or document that this is, for [`check_limits`](crate::conversation::check_limits).
    pub fn media(&self) -> Option<Media<'_>> {
        let (data, media_type, name) = match self {
            Self::Image(image) => (&image.data, &image.mime_type, None),
            Self::Document(document) => (&document.data, &document.mime_type, document.name.as_deref()),
            _ => return None,
        };
        // Four characters of base64 are three bytes.
        let size = data.trim_end_matches('=').len() * 3 / 4;
        Some(Media::new(MediaFormat::of_media_type(media_type)?, size, name))
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(TextContent::new(text))
    }
}

structure! {
    /// Text.
    pub struct TextContent {
        required {
            /// The text.
            text: String = "text",
        }
        optional {
            /// The sources of the text. Undecoded: [read](Document::read) each as a
            /// [`Citation`](crate::converse::Citation).
            citations: Vec<Document> = "citations",
        }
        ignored { "type", }
    }
}

structure! {
    /// Thoughts of the model.
    pub struct ThinkingContent {
        required {
            /// The thoughts.
            thinking: String = "thinking",
        }
        optional {
            /// The model's signature of the thoughts; of redacted thoughts, the thoughts themselves, in base64.
            thinking_signature: String = "thinkingSignature",
            /// Whether the provider encrypted the thoughts.
            redacted: bool = "redacted",
        }
        ignored { "type", }
    }
}

structure! {
    /// A tool call of the model.
    pub struct ToolCall {
        required {
            /// The id of the call, to which the result refers.
            id: String = "id",
            /// The name of the tool.
            name: String = "name",
        }
        optional {
            /// The arguments of the tool: an object.
            arguments: Document = "arguments",
            /// What is wrong with the arguments, and their text, where that is not a JSON object.
            arguments_error: String = "argumentsError",
        }
        ignored { "type", }
    }
}

structure! {
    /// An image.
    pub struct ImageContent {
        required {
            /// The bytes in base64.
            data: String = "data",
            /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
            mime_type: String = "mimeType",
        }
        ignored { "type", }
    }
}

structure! {
    /// A document.
    pub struct DocumentContent {
        required {
            /// The bytes in base64.
            data: String = "data",
            /// `application/pdf`, `text/plain`, `text/markdown`, …
            mime_type: String = "mimeType",
        }
        optional {
            /// The name that the model is shown.
            name: String = "name",
            /// Whether the model is to cite the document.
            citations: bool = "citations",
        }
        ignored { "type", }
    }
}

/// The content of a message. In JSON it may be one string instead of a list of blocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contents(pub Vec<Content>);

impl From<&str> for Contents {
    fn from(text: &str) -> Self {
        Self(vec![text.into()])
    }
}

impl From<String> for Contents {
    fn from(text: String) -> Self {
        Self(vec![Content::Text(TextContent::new(text))])
    }
}

impl From<Vec<Content>> for Contents {
    fn from(blocks: Vec<Content>) -> Self {
        Self(blocks)
    }
}

impl Shape for Contents {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        let mut text = None::<String>;
        let place = Place::TextOrList(&mut text, &mut self.0, "a string or a list of blocks");
        let found = source.next(place, null)?;
        if let Some(text) = text {
            *self = text.into();
        }
        Ok(found)
    }

    fn content(&self) -> Written<'_> {
        Written::List(&self.0)
    }
}

pumice_codec::serde! { Contents }

/// A tool call with its `type`, as it stands in a message.
pub(crate) struct InMessage<'a>(pub(super) &'a ToolCall);

impl Serialize for InMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::Tagged("type", "toolCall", self.0).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_an_image_or_a_document_in_base64() {
        let image = Content::of_file("a.png", b"\x89PNG\r\n\x1a\n").unwrap();
        assert_eq!(image, ImageContent::new("iVBORw0KGgo=", "image/png").into());
        let media = image.media().unwrap();
        assert_eq!((media.format.media_type(), media.size, media.name), (Some("image/png"), 8, None));
        let document = Content::of_file("a.md", b"# A").unwrap();
        assert_eq!(document, DocumentContent::new("IyBB", "text/markdown").name("a.md").into());
        assert_eq!(document.media().map(|media| (media.size, media.name)), Some((3, Some("a.md"))));
        assert!(Content::of_file("a.exe", b"MZ\0").is_err());
    }
}
