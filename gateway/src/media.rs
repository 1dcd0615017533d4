//! Images and documents in a request: the bytes lie in it, in base64. Nothing is fetched.

use pumice::conversation::MediaFormat;
use pumice::converse::{
    ContentBlock, DocumentBlock, DocumentSource, ImageBlock, ImageSource, ToolResultBlock,
};
use pumice::shape::Blob;

use crate::json::{Fault, Json, Object};

/// An image or a document as its `data:` URL.
pub(crate) fn of_url(url: Json<'_>, name: Option<&str>) -> Result<ContentBlock, Fault> {
    let text = url.text()?;
    let found = if text.starts_with("http:") || text.starts_with("https:") {
        Err("a data: URL, because the gateway fetches nothing")
    } else {
        let parts = text.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        let parts = parts.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
        parts.ok_or("a URL that begins with data:TYPE;base64")
    };
    match found {
        Ok((media_type, data)) => of_base64(url, media_type, data, name),
        Err(expected) => Err(url.expected(expected)),
    }
}

/// An image or a document as base64: of the format that its bytes are of, or else of the one that is said.
pub(crate) fn of_base64(
    at: Json<'_>,
    media_type: &str,
    data: &str,
    name: Option<&str>,
) -> Result<ContentBlock, Fault> {
    let data = bytes(at, data)?;
    Ok(match MediaFormat::of_data(media_type, &data.0) {
        Some(MediaFormat::Image(format)) => ImageBlock::new(format, ImageSource::Bytes(data)).into(),
        Some(MediaFormat::Document(format)) => {
            let document = DocumentBlock::new(name.unwrap_or("document"), DocumentSource::Bytes(data));
            document.format(format).into()
        }
        _ => {
            let expected = "an image (PNG, JPEG, GIF, WebP) or a document (PDF, Word, Excel, UTF-8 text)";
            return Err(at.fault(format!("expected {expected}, found {media_type:?}")));
        }
    })
}

/// A file as OpenAI has it: `file_data`, a `data:` URL or base64, and `filename`.
pub(crate) fn of_file_data(file: &mut Object<'_>) -> Result<ContentBlock, Fault> {
    let name = file.take("filename").map(Json::text).transpose()?;
    let data = file.need("file_data", "the file as a data: URL")?;
    if data.raw().starts_with("\"data:") {
        of_url(data, name.as_deref())
    } else {
        of_base64(data, "", &data.text()?, name.as_deref())
    }
}

/// Bytes in base64, at least one.
pub(crate) fn bytes(at: Json<'_>, data: &str) -> Result<Blob, Fault> {
    let blob =
        Blob::from_base64(data).map_err(|_| at.fault("expected bytes in base64, found other characters"))?;
    if blob.0.is_empty() { Err(at.fault("expected bytes in base64, found none")) } else { Ok(blob) }
}

/// Puts blocks into the result of a tool. Returns the cache points among them, which stand behind it.
pub(crate) fn into_result(
    at: Json<'_>,
    blocks: Vec<ContentBlock>,
    result: &mut ToolResultBlock,
) -> Result<Vec<ContentBlock>, Fault> {
    let mut points = Vec::new();
    for block in blocks {
        result.content.push(match block {
            ContentBlock::Text(text) => text.into(),
            ContentBlock::Image(image) => image.into(),
            ContentBlock::Document(document) => document.into(),
            ContentBlock::SearchResult(found) => found.into(),
            ContentBlock::CachePoint(_) => {
                points.push(block);
                continue;
            }
            _ => {
                return Err(at.fault(
                    "expected texts, images and documents in the result of a tool, found another block",
                ));
            }
        });
    }
    Ok(points)
}
