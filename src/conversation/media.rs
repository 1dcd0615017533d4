//! Images and documents: their formats, their names, and how many and how large the service accepts.

use std::collections::HashMap;

use super::family::{Capability, Takes};
use super::{Options, Target};
use crate::converse::{
    ContentBlock, ConverseRequest, DocumentBlock, DocumentFormat, DocumentSource, ImageBlock, ImageFormat,
    ImageSource, Message, SystemContentBlock, ToolResultContentBlock,
};
use crate::{Error, ErrorKind, Result};

/// The format of an image or of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaFormat {
    /// An image.
    Image(ImageFormat),
    /// A document.
    Document(DocumentFormat),
}

impl MediaFormat {
    /// The format of a file, from its bytes. The extension of its name only tells formats of text apart.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for a file that the service accepts neither as an image nor as a
    /// document, and for an image that is too large.
    ///
    /// ```
    /// use pumice::conversation::MediaFormat;
    /// use pumice::converse::{DocumentFormat, ImageFormat};
    ///
    /// let format = MediaFormat::of_file("photo.txt", b"\x89PNG\r\n\x1a\n")?;
    /// assert_eq!(format, MediaFormat::Image(ImageFormat::Png));
    /// assert_eq!(MediaFormat::of_file("a.md", b"# A")?, MediaFormat::Document(DocumentFormat::Md));
    /// # Ok::<(), pumice::Error>(())
    /// ```
    pub fn of_file(name: &str, bytes: &[u8]) -> Result<Self> {
        let refused = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        match of_bytes(name, bytes) {
            Ok(Self::Image(_)) if bytes.len() > LARGEST_IMAGE => {
                let (limit, size) = (megabytes(LARGEST_IMAGE), megabytes(bytes.len()));
                refused(format!("{name}: expected an image of at most {limit} MB, found {size} MB"))
            }
            Ok(format) => Ok(format),
            Err(found) => refused(format!(
                "{name}: expected an image (PNG, JPEG, GIF, WebP) or a document (PDF, Word, Excel, UTF-8 text), \
                 found {found}"
            )),
        }
    }

    /// The format of this media type, in any case: `image/png`, `text/markdown`. Parameters after a `;` do not count.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "image/jpg" => Some(Self::Image(ImageFormat::Jpeg)),
            found => MEDIA_TYPES.iter().find(|(name, _)| *name == found).map(|(_, format)| format.clone()),
        }
    }

    /// The format of bytes that are said to be of this media type: what they are, if that can be seen. The media type
    /// tells formats of text apart, and says what bytes are that tell nothing.
    pub fn of_data(media_type: &str, bytes: &[u8]) -> Option<Self> {
        let said = Self::of_media_type(media_type);
        match of_bytes("", bytes) {
            // Bytes of text: of the format that is said, if that is one of text.
            Ok(Self::Document(DocumentFormat::Txt | DocumentFormat::Html)) if said.is_some() => said,
            Ok(format) => Some(format),
            Err(_) => said,
        }
    }

    /// The media type; `None` for a format that this version does not know.
    pub fn media_type(&self) -> Option<&'static str> {
        MEDIA_TYPES.iter().find(|(_, format)| format == self).map(|(name, _)| *name)
    }
}

/// An image or a document of a message, as far as [`check_limits`] looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media<'a> {
    /// Its format.
    pub format: MediaFormat,
    /// Its size in bytes.
    pub size: usize,
    /// The name of a document.
    pub name: Option<&'a str>,
}

impl<'a> Media<'a> {
    /// Of this format and size.
    pub fn new(format: MediaFormat, size: usize, name: Option<&'a str>) -> Self {
        Self { format, size, name }
    }

    /// The image or the document that a block is, if it is one. What lies elsewhere has no size here.
    pub fn of_block(block: &'a ContentBlock) -> Option<Self> {
        match block {
            ContentBlock::Image(image) => {
                let size = if let ImageSource::Bytes(bytes) = &image.source { bytes.0.len() } else { 0 };
                Some(Self::new(MediaFormat::Image(image.format.clone()), size, None))
            }
            ContentBlock::Document(document) => Some(Self::of_document(document)),
            _ => None,
        }
    }

    fn of_document(document: &'a DocumentBlock) -> Self {
        let size = match &document.source {
            DocumentSource::Bytes(bytes) => bytes.0.len(),
            DocumentSource::Text(text) => text.len(),
            _ => 0,
        };
        let format = document.format.clone().unwrap_or(DocumentFormat::Txt);
        Self::new(MediaFormat::Document(format), size, Some(&document.name))
    }
}

/// Checks that the service accepts these images and documents in one request to this model: how many there are, and
/// how large they are.
///
/// Fails with [`ErrorKind::InvalidInput`], and says what is over which limit.
///
/// Sources: [Message](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html),
/// [API restrictions](https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html).
///
/// ```
/// use pumice::conversation::{Media, check_limits};
/// use pumice::converse::{ImageBlock, ImageFormat, ImageSource, Message};
///
/// let image = || ImageBlock::new(ImageFormat::Png, ImageSource::Bytes(vec![0; 9].into()));
/// let message = (0..21).fold(Message::user("See:"), |message, _| message.block(image()));
/// let error = check_limits(message.content.iter().filter_map(Media::of_block), "amazon.nova-pro-v1:0").unwrap_err();
/// assert_eq!(error.to_string(), "expected at most 20 images in one request, found 21");
/// ```
pub fn check_limits<'a>(media: impl IntoIterator<Item = Media<'a>>, model_id: &str) -> Result<()> {
    let takes = Takes::of(model_id, &Target::default(), &[], None);
    let mut counts = Counts::default();
    media.into_iter().try_for_each(|media| counts.add(&media, &takes))?;
    counts.check(&takes)
}

/// Checks the images, the documents and the text of the whole request against what the service accepts, or writes
/// notes in the place of the oldest.
pub(super) fn check(request: &mut ConverseRequest, takes: &Takes, options: &Options) -> Result<()> {
    let turns = request.messages.as_deref_mut().unwrap_or_default();
    let mut counts = Counts::default();
    for block in turns.iter().flat_map(|turn| &turn.content) {
        each_media(block, &mut |media, bytes| {
            counts.add(&media, takes)?;
            check_pixels(bytes, counts.images)
        })?;
    }
    if options.omit_old_media {
        let over = |count: usize, most| count.saturating_sub(takes.number(most));
        let mut images = over(counts.images, Capability::Images);
        let mut documents = over(counts.documents, Capability::Documents);
        for turn in turns {
            for block in &mut turn.content {
                omit(block, &mut images, &mut documents);
            }
        }
    } else {
        counts.check(takes)?;
    }
    let most = takes.number(Capability::TextBytes);
    let system = request.system.iter().flatten().map(|block| match block {
        SystemContentBlock::Text(text) => text.len(),
        _ => 0,
    });
    let blocks = request.messages.iter().flatten().flat_map(|turn| &turn.content);
    let size = blocks.map(text_bytes).chain(system).fold(0, usize::saturating_add);
    if size > most {
        let (most, size) = (megabytes(most), megabytes(size));
        let message = format!("expected at most {most} MB of text in one request, found {size} MB");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(())
}

/// How many images and documents there are.
#[derive(Default)]
struct Counts {
    images: usize,
    documents: usize,
}

impl Counts {
    /// Counts one, and checks its size.
    fn add(&mut self, media: &Media<'_>, takes: &Takes) -> Result<()> {
        let limit = match &media.format {
            MediaFormat::Image(_) => {
                self.images += 1;
                LARGEST_IMAGE
            }
            MediaFormat::Document(format) => {
                self.documents += 1;
                // A format that is not in the table has a limit.
                let any_size = matches!(format, DocumentFormat::Pdf | DocumentFormat::Docx)
                    && takes.takes(Capability::LargeDocuments, format.as_str());
                if any_size { usize::MAX } else { LARGEST_DOCUMENT }
            }
        };
        if media.size <= limit {
            return Ok(());
        }
        let what = match (&media.format, media.name) {
            (MediaFormat::Image(_), _) => format!("image {}", self.images),
            (MediaFormat::Document(_), Some(name)) => name.to_owned(),
            (MediaFormat::Document(_), None) => format!("document {}", self.documents),
        };
        let (limit, size) = (megabytes(limit), megabytes(media.size));
        let message = format!("{what}: expected at most {limit} MB, found {size} MB");
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    fn check(&self, takes: &Takes) -> Result<()> {
        for (count, most, what) in [
            (self.images, Capability::Images, "images"),
            (self.documents, Capability::Documents, "documents"),
        ] {
            let most = takes.number(most);
            if count > most {
                let message = format!("expected at most {most} {what} in one request, found {count}");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(())
    }
}

/// Shows the images and documents of a block, each with the bytes of an image.
fn each_media(block: &ContentBlock, show: &mut dyn FnMut(Media<'_>, &[u8]) -> Result<()>) -> Result<()> {
    let image = |image: &ImageBlock, show: &mut dyn FnMut(Media<'_>, &[u8]) -> Result<()>| {
        let bytes = if let ImageSource::Bytes(bytes) = &image.source { &*bytes.0 } else { &[] };
        show(Media::new(MediaFormat::Image(image.format.clone()), bytes.len(), None), bytes)
    };
    match block {
        ContentBlock::Image(block) => image(block, show),
        ContentBlock::Document(document) => show(Media::of_document(document), &[]),
        ContentBlock::ToolResult(result) => result.content.iter().try_for_each(|block| match block {
            ToolResultContentBlock::Image(block) => image(block, show),
            ToolResultContentBlock::Document(document) => show(Media::of_document(document), &[]),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

/// Writes notes in the place of so many images and documents.
fn omit(block: &mut ContentBlock, images: &mut usize, documents: &mut usize) {
    let mut note = |is_image: bool, name: &str| {
        let left = if is_image { &mut *images } else { &mut *documents };
        let omits = *left > 0;
        *left -= usize::from(omits);
        omits.then(|| {
            if is_image {
                "(old image omitted)".to_owned()
            } else {
                format!("(old document omitted: {name})")
            }
        })
    };
    match block {
        ContentBlock::Image(_) => {
            if let Some(note) = note(true, "") {
                *block = ContentBlock::Text(note);
            }
        }
        ContentBlock::Document(document) => {
            if let Some(note) = note(false, &document.name) {
                *block = ContentBlock::Text(note);
            }
        }
        ContentBlock::ToolResult(result) => {
            for block in &mut result.content {
                let text = match block {
                    ToolResultContentBlock::Image(_) => note(true, ""),
                    ToolResultContentBlock::Document(document) => note(false, &document.name),
                    _ => None,
                };
                if let Some(text) = text {
                    *block = ToolResultContentBlock::Text(text);
                }
            }
        }
        _ => {}
    }
}

fn text_bytes(block: &ContentBlock) -> usize {
    match block {
        ContentBlock::Text(text) => text.len(),
        ContentBlock::ToolUse(call) => call.input.text().len(),
        ContentBlock::ToolResult(result) => {
            let sizes = result.content.iter().map(|block| match block {
                ToolResultContentBlock::Text(text) => text.len(),
                ToolResultContentBlock::Json(json) => json.text().len(),
                _ => 0,
            });
            sizes.sum()
        }
        _ => 0,
    }
}

/// Checks that an image has no more pixels on a side than the service accepts.
fn check_pixels(bytes: &[u8], number: usize) -> Result<()> {
    match pixels(bytes) {
        Some((width, height)) if width.max(height) > MOST_PIXELS => {
            let message = format!(
                "image {number}: expected at most {MOST_PIXELS} pixels on each side, found {width} x {height}"
            );
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        _ => Ok(()),
    }
}

/// Width and height of an image, as its header says.
fn pixels(bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize, length: usize| {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    let little = |at: usize, length: usize| {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    match bytes {
        [0x89, b'P', ..] => Some((big(16, 4)?, big(20, 4)?)),
        [b'G', b'I', b'F', ..] => Some((little(6, 2)?, little(8, 2)?)),
        [b'R', b'I', b'F', b'F', ..] => match bytes.get(12..16)? {
            b"VP8X" => Some((little(24, 3)? + 1, little(27, 3)? + 1)),
            b"VP8L" => Some((1 + (little(21, 4)? & 0x3fff), 1 + (little(21, 4)? >> 14 & 0x3fff))),
            _ => Some((little(26, 2)? & 0x3fff, little(28, 2)? & 0x3fff)),
        },
        [0xff, 0xd8, ..] => {
            let mut at = 2;
            // The segments up to the one that begins a frame.
            loop {
                let marker = big(at, 2)?;
                match marker {
                    0xffc4 | 0xffc8 | 0xffcc => {}
                    0xffc0..=0xffcf => return Some((big(at + 7, 2)?, big(at + 5, 2)?)),
                    0xff00..=0xffff => {}
                    _ => return None,
                }
                at += 2 + usize::try_from(big(at + 2, 2)?.max(2)).ok()?;
            }
        }
        _ => None,
    }
}

/// Gives documents names that the service accepts, no two the same.
pub(super) fn name_documents(turns: &mut [Message]) {
    let mut taken = HashMap::<String, u32>::new();
    let mut rename = |document: &mut DocumentBlock| {
        let accepted = accepted_name(&document.name);
        let mut number = taken.get(&accepted).copied().unwrap_or_default();
        let mut name = accepted.clone();
        while taken.contains_key(&name) {
            number += 1;
            name = format!("{accepted} ({number})");
        }
        taken.insert(accepted, number.max(1));
        taken.entry(name.clone()).or_insert(1);
        document.name = name;
    };
    for block in turns.iter_mut().flat_map(|turn| &mut turn.content) {
        match block {
            ContentBlock::Document(document) => rename(document),
            ContentBlock::ToolResult(result) => {
                for block in &mut result.content {
                    if let ToolResultContentBlock::Document(document) = block {
                        rename(document);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A name of letters, digits, hyphens, parentheses, brackets and single spaces, with room for a number.
fn accepted_name(name: &str) -> String {
    let is_accepted = |c: char| c.is_ascii_alphanumeric() || "-()[] ".contains(c);
    let spaced = name.chars().map(|c| if is_accepted(c) { c } else { ' ' }).collect::<String>();
    let name = spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let name = name.chars().take(LONGEST_DOCUMENT_NAME).collect::<String>();
    match name.trim() {
        "" => NAMELESS_DOCUMENT.into(),
        name => name.to_owned(),
    }
}

/// The format of a file, or what it is that the service does not accept.
fn of_bytes(name: &str, bytes: &[u8]) -> std::result::Result<MediaFormat, &'static str> {
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Ok(format.clone());
    }
    let format = if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(MediaFormat::Image(ImageFormat::Webp));
    } else if bytes.starts_with(b"PK\x03\x04") {
        // A ZIP archive holds the names of its files in plain text.
        if holds(b"word/document.xml") {
            DocumentFormat::Docx
        } else if holds(b"xl/workbook.xml") {
            DocumentFormat::Xlsx
        } else {
            return Err("another archive");
        }
    } else if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        // An OLE container holds them in UTF-16.
        if holds(&utf16("WordDocument")) {
            DocumentFormat::Doc
        } else if holds(&utf16("Workbook")) {
            DocumentFormat::Xls
        } else {
            return Err("another Microsoft Office file");
        }
    } else if bytes.is_empty() {
        return Err("an empty file");
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text_format(name, text),
            _ => return Err("something else"),
        }
    };
    Ok(MediaFormat::Document(format))
}

/// The format of a text: HTML begins with a tag; the others are told apart by the extension.
fn text_format(name: &str, text: &str) -> DocumentFormat {
    let beginning = text.trim_start_matches('\u{feff}').trim_start();
    let is_html =
        |tag: &str| beginning.get(..tag.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(tag));
    let extension = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        _ if is_html("<!doctype html") || is_html("<html") => DocumentFormat::Html,
        "html" | "htm" => DocumentFormat::Html,
        "csv" => DocumentFormat::Csv,
        "md" | "markdown" => DocumentFormat::Md,
        _ => DocumentFormat::Txt,
    }
}

fn megabytes(bytes: usize) -> String {
    let hundredths = (bytes * 100 + (1 << 19)) >> 20;
    let megabytes = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    megabytes.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What files begin with.
const MAGIC: [(&[u8], MediaFormat); 5] = [
    (b"\x89PNG\r\n\x1a\n", MediaFormat::Image(ImageFormat::Png)),
    (b"\xff\xd8\xff", MediaFormat::Image(ImageFormat::Jpeg)),
    (b"GIF87a", MediaFormat::Image(ImageFormat::Gif)),
    (b"GIF89a", MediaFormat::Image(ImageFormat::Gif)),
    (b"%PDF-", MediaFormat::Document(DocumentFormat::Pdf)),
];

const MEDIA_TYPES: [(&str, MediaFormat); 13] = [
    ("image/png", MediaFormat::Image(ImageFormat::Png)),
    ("image/jpeg", MediaFormat::Image(ImageFormat::Jpeg)),
    ("image/gif", MediaFormat::Image(ImageFormat::Gif)),
    ("image/webp", MediaFormat::Image(ImageFormat::Webp)),
    ("application/pdf", MediaFormat::Document(DocumentFormat::Pdf)),
    ("text/csv", MediaFormat::Document(DocumentFormat::Csv)),
    ("application/msword", MediaFormat::Document(DocumentFormat::Doc)),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        MediaFormat::Document(DocumentFormat::Docx),
    ),
    ("application/vnd.ms-excel", MediaFormat::Document(DocumentFormat::Xls)),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        MediaFormat::Document(DocumentFormat::Xlsx),
    ),
    ("text/html", MediaFormat::Document(DocumentFormat::Html)),
    ("text/plain", MediaFormat::Document(DocumentFormat::Txt)),
    ("text/markdown", MediaFormat::Document(DocumentFormat::Md)),
];

/// In bytes: 3.75 MB, which are 5 MB in base64.
const LARGEST_IMAGE: usize = 3_932_160;
const LARGEST_DOCUMENT: usize = 4_718_592;
/// On a side of an image.
const MOST_PIXELS: u32 = 8000;
const NAMELESS_DOCUMENT: &str = "document";
/// In characters; the service accepts 200.
const LONGEST_DOCUMENT_NAME: usize = 180;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn media_type(name: &str, bytes: &[u8]) -> String {
        match MediaFormat::of_file(name, bytes) {
            Ok(format) => {
                let media_type = format.media_type().unwrap();
                assert_eq!(MediaFormat::of_media_type(&format!("{media_type}; charset=utf-8")), Some(format));
                media_type.to_owned()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_bytes_of_a_file_tell_its_format() {
        const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        let container = |part: &str| {
            let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
            bytes.extend(part.encode_utf16().flat_map(u16::to_le_bytes));
            bytes
        };
        for (name, bytes, expected) in [
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
            assert_eq!(media_type(name, bytes), expected, "{name} {bytes:?}");
        }
        assert_eq!(MediaFormat::of_media_type("image/jpg"), Some(MediaFormat::Image(ImageFormat::Jpeg)));
        assert_eq!(MediaFormat::of_media_type("image/bmp"), None);
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        for (bytes, found) in [
            (&b""[..], "an empty file"),
            (b"\x7fELF\x02\x01\x01\0", "something else"),
            (b"caf\xe9", "something else"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "something else"),
            (b"PK\x03\x04ppt/presentation.xml", "another archive"),
            (&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], "another Microsoft Office file"),
        ] {
            let fault = media_type("a.bin", bytes);
            assert!(fault.starts_with("a.bin: expected an image (PNG,"), "{fault}");
            assert!(fault.ends_with(&format!(", found {found}")), "{fault}");
        }
        let mut image = vec![0; LARGEST_IMAGE + 104_858];
        image[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
        assert_eq!(media_type("a.png", &image), "a.png: expected an image of at most 3.75 MB, found 3.85 MB");
    }

    #[test]
    fn what_is_over_a_limit_is_named() {
        let image = |size| Media::new(MediaFormat::Image(ImageFormat::Gif), size, None);
        let document = |format, size| Media::new(MediaFormat::Document(format), size, Some("d"));
        let fault = |media: &[Media<'_>], model: &str| match check_limits(media.iter().cloned(), model) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let (old, claude, nova) =
            ("anthropic.claude-3-haiku", "us.anthropic.claude-sonnet-4-5", "amazon.nova-pro");

        assert_eq!(fault(&vec![image(6); 20], old), "");
        assert_eq!(fault(&vec![image(6); 21], old), "expected at most 20 images in one request, found 21");
        assert_eq!(
            fault(&vec![document(DocumentFormat::Txt, 9); 6], old),
            "expected at most 5 documents in one request, found 6"
        );
        assert_eq!(fault(&[image(LARGEST_IMAGE)], old), "");
        assert_eq!(
            fault(&[image(9), image(LARGEST_IMAGE + 104_858)], old),
            "image 2: expected at most 3.75 MB, found 3.85 MB"
        );
        let large = LARGEST_DOCUMENT + 1;
        assert_eq!(fault(&[document(DocumentFormat::Txt, large - 1)], claude), "");
        let too_large = "d: expected at most 4.5 MB, found 4.5 MB";
        assert_eq!(fault(&[document(DocumentFormat::Txt, large)], claude), too_large);
        assert_eq!(fault(&[document(DocumentFormat::Pdf, large)], old), too_large);
        assert_eq!(fault(&[document(DocumentFormat::Pdf, large)], claude), "");
        assert_eq!(fault(&[document(DocumentFormat::Docx, large)], nova), "");
        assert_eq!(fault(&[document(DocumentFormat::Docx, large)], claude), too_large);
    }

    #[test]
    fn documents_get_names_that_the_service_accepts() {
        let document = |name: &str| json!({"document": {"name": name, "source": {"text": "x"}}});
        let content = json!([
            document("a/b.txt"),
            document("a b  txt"),
            document("a b txt (2)"),
            document("é"),
            {"toolResult": {"toolUseId": "1", "content": [document(&"n".repeat(300))]}}
        ]);
        let mut turns = [serde_json::from_value(json!({"role": "user", "content": content})).unwrap()];
        name_documents(&mut turns);
        let turns = serde_json::to_value(turns).unwrap();
        let content = &turns[0]["content"];
        let name = |at: usize| content[at]["document"]["name"].as_str().unwrap();
        assert_eq!([0, 1, 2, 3].map(name), ["a b txt", "a b txt (2)", "a b txt (2) (2)", "document"]);
        let long = &content[4]["toolResult"]["content"][0]["document"]["name"];
        assert_eq!(long.as_str().unwrap().len(), 180);
    }
}
