//! Files as parts of a message: what they are, told by their content, and what the service takes of them.

use super::family::candidates;
use super::message::{Content, DocumentContent, ImageContent};
use crate::shape::Blob;
use crate::{Error, ErrorKind, Result};

impl Content {
    /// A file as a part of what the user says: an image or a document, by what the bytes are. The name is
    /// shown to the model; its ending counts only between kinds of text.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for what the service takes neither as the one nor as the
    /// other, and for an image that is larger than it takes.
    pub fn of_file(name: &str, bytes: &[u8]) -> Result<Self> {
        let (kind, mime_type) = kind(name, bytes).map_err(|found| {
            let message = format!(
                "{name}: an image (PNG, JPEG, GIF, WebP) or a document (PDF, Word, Excel, text in UTF-8) expected, \
                 {found} found"
            );
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        if matches!(kind, Kind::Image) && bytes.len() > LARGEST_IMAGE {
            // An image keeps no name, so what sees it later could not say which it is.
            let (limit, size) = (megabytes(LARGEST_IMAGE), megabytes(bytes.len()));
            let message = format!("{name}: an image of at most {limit} MB expected, {size} MB found");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let data = Blob::from(bytes.to_vec()).to_base64();
        Ok(match kind {
            Kind::Image => ImageContent::new(data, mime_type).into(),
            Kind::Document => DocumentContent::new(data, mime_type).name(name).into(),
        })
    }
}

/// Whether the service takes these as the parts of one message to this model: how many images and
/// documents there are, and how large they are.
///
/// Fails with [`ErrorKind::InvalidInput`], which says what is too much.
///
/// Sources: [Message](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html),
/// [API restrictions](https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html).
pub fn check_limits(contents: &[Content], model_id: &str) -> Result<()> {
    let refused = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
    let (mut images, mut documents) = (0, 0);
    for content in contents {
        let (what, data, limit) = match content {
            Content::Image(image) => {
                images += 1;
                (format!("the image {images}"), &image.data, Some(LARGEST_IMAGE))
            }
            Content::Document(document) => {
                documents += 1;
                let name = document.name.as_deref().unwrap_or("a document");
                let limit = Some(LARGEST_DOCUMENT).filter(|_| !takes_any_size(model_id, &document.mime_type));
                (name.to_owned(), &document.data, limit)
            }
            _ => continue,
        };
        // Four characters of base64 are three bytes.
        let size = data.trim_end_matches('=').len() * 3 / 4;
        if let Some(limit) = limit.filter(|limit| size > *limit) {
            let (limit, size) = (megabytes(limit), megabytes(size));
            return refused(format!("{what}: at most {limit} MB expected, {size} MB found"));
        }
    }
    for (count, most, what) in [(images, MOST_IMAGES, "images"), (documents, MOST_DOCUMENTS, "documents")] {
        if count > most {
            return refused(format!("at most {most} {what} in one message expected, {count} found"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Image,
    Document,
}

/// What a file is, with its media type; or what it is instead of anything that is taken.
fn kind(name: &str, bytes: &[u8]) -> std::result::Result<(Kind, &'static str), &'static str> {
    let begins = MAGIC.iter().find(|(magic, ..)| bytes.starts_with(magic));
    if let Some((_, kind, mime_type)) = begins {
        return Ok((*kind, mime_type));
    }
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let document = |mime_type| Ok((Kind::Document, mime_type));
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Ok((Kind::Image, "image/webp"))
    } else if bytes.starts_with(b"PK\x03\x04") {
        // An archive has the names of its parts in plain text.
        match () {
            () if holds(b"word/document.xml") => document(DOCX),
            () if holds(b"xl/workbook.xml") => document(XLSX),
            () => Err("another archive"),
        }
    } else if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        // Microsoft's older container has them in UTF-16.
        match () {
            () if holds(&utf16("WordDocument")) => document("application/msword"),
            () if holds(&utf16("Workbook")) => document("application/vnd.ms-excel"),
            () => Err("another file of Microsoft Office's"),
        }
    } else if bytes.is_empty() {
        Err("an empty file")
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => document(text_type(name, text)),
            _ => Err("something else"),
        }
    }
}

/// The media type of a text: HTML says so; the others differ in nothing but what people call them.
fn text_type(name: &str, text: &str) -> &'static str {
    let beginning = text.trim_start_matches('\u{feff}').trim_start();
    let is_html =
        |tag: &str| beginning.get(..tag.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(tag));
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        _ if is_html("<!doctype html") || is_html("<html") => "text/html",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "md" | "markdown" => "text/markdown",
        _ => "text/plain",
    }
}

/// Whether a model takes documents of this type without regard to their size.
fn takes_any_size(model_id: &str, mime_type: &str) -> bool {
    let [_, id] = candidates(model_id);
    let claude_4 = id.contains("claude")
        && !["claude-3", "claude-v", "claude-instant"].iter().any(|old| id.contains(old));
    match mime_type {
        "application/pdf" => claude_4 || id.contains("nova"),
        DOCX => id.contains("nova"),
        _ => false,
    }
}

fn megabytes(bytes: usize) -> String {
    let hundredths = (bytes * 100 + (1 << 19)) >> 20;
    let megabytes = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    megabytes.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What files begin with.
const MAGIC: [(&[u8], Kind, &str); 5] = [
    (b"\x89PNG\r\n\x1a\n", Kind::Image, "image/png"),
    (b"\xff\xd8\xff", Kind::Image, "image/jpeg"),
    (b"GIF87a", Kind::Image, "image/gif"),
    (b"GIF89a", Kind::Image, "image/gif"),
    (b"%PDF-", Kind::Document, "application/pdf"),
];

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// In bytes: 3.75 MB, which are 5 MB in base64.
const LARGEST_IMAGE: usize = 3_932_160;
const LARGEST_DOCUMENT: usize = 4_718_592;
const MOST_IMAGES: usize = 20;
const MOST_DOCUMENTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, bytes: &[u8]) -> String {
        match Content::of_file(name, bytes) {
            Ok(Content::Image(image)) => image.mime_type,
            Ok(Content::Document(document)) => {
                assert_eq!(document.name.as_deref(), Some(name));
                document.mime_type
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_are_what_their_bytes_are() {
        let container = |part: &str| {
            let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
            bytes.extend(part.encode_utf16().flat_map(u16::to_le_bytes));
            bytes
        };
        for (name, bytes, mime_type) in [
            ("a.txt", &b"\x89PNG\r\n\x1a\n\0"[..], "image/png"),
            ("a.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
            ("a", b"GIF89a\x01", "image/gif"),
            ("a", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            ("a", b"%PDF-1.7\n\xe2\xe3", "application/pdf"),
            ("a.zip", b"PK\x03\x04\x14\0word/document.xml", DOCX),
            ("a.docx", b"PK\x03\x04\x14\0xl/workbook.xml", XLSX),
            ("a", &container("WordDocument"), "application/msword"),
            ("a", &container("Workbook"), "application/vnd.ms-excel"),
            ("a.txt", b"\xef\xbb\xbf \n<!DOCTYPE HTML><p>", "text/html"),
            ("a.htm", b"<p>", "text/html"),
            ("a.CSV", b"a,b\n", "text/csv"),
            ("README.md", b"# A", "text/markdown"),
            ("main.rs", "fn über() {}".as_bytes(), "text/plain"),
        ] {
            assert_eq!(told(name, bytes), mime_type, "{name} {bytes:?}");
        }
    }

    #[test]
    fn what_is_not_taken_is_named() {
        for (bytes, found) in [
            (&b""[..], "an empty file"),
            (b"\x7fELF\x02\x01\x01\0", "something else"),
            (b"caf\xe9", "something else"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "something else"),
            (b"PK\x03\x04ppt/presentation.xml", "another archive"),
            (&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], "another file of Microsoft Office's"),
        ] {
            let fault = told("a.bin", bytes);
            assert!(fault.starts_with("a.bin: an image (PNG,"), "{fault}");
            assert!(fault.ends_with(&format!("expected, {found} found")), "{fault}");
        }
    }

    #[test]
    fn what_is_too_much_is_said() {
        let image = |size: usize| {
            Content::from(ImageContent::new(Blob::from(vec![0; size]).to_base64(), "image/gif"))
        };
        let document = |begin: &str, size: usize| {
            Content::of_file("d.txt", format!("{begin}{}", "x".repeat(size - begin.len())).as_bytes())
                .unwrap()
        };
        let fault = |contents: &[Content], model: &str| match check_limits(contents, model) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let (old, claude, nova) =
            ("anthropic.claude-3-haiku", "us.anthropic.claude-sonnet-4-5", "amazon.nova-pro");

        let full = vec![image(6); 20];
        assert_eq!(fault(&full, old), "");
        assert_eq!(fault(&vec![image(6); 21], old), "at most 20 images in one message expected, 21 found");
        assert_eq!(
            fault(&vec![document("x", 9); 6], old),
            "at most 5 documents in one message expected, 6 found"
        );
        assert_eq!(fault(&[image(LARGEST_IMAGE)], old), "");
        assert_eq!(
            fault(&[image(9), image(LARGEST_IMAGE + 104_858)], old),
            "the image 2: at most 3.75 MB expected, 3.85 MB found"
        );
        let large = LARGEST_DOCUMENT + 1;
        assert_eq!(fault(&[document("x", large - 1)], claude), "");
        assert!(fault(&[document("x", large)], claude).starts_with("d.txt: at most 4.5 MB expected"));
        assert!(fault(&[document("%PDF-", large)], old).starts_with("d.txt: at most 4.5 MB"));
        assert_eq!(fault(&[document("%PDF-", large)], claude), "");
        assert_eq!(fault(&[document("PK\x03\x04word/document.xml", large)], nova), "");
        assert!(fault(&[document("PK\x03\x04word/document.xml", large)], claude).starts_with("d.txt"));
    }
}
