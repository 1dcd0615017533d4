//! The blocks that messages and tool results consist of, tools' own excepted.

use alloc::string::String;
use alloc::vec::Vec;

use crate::converse::citation::CitationsConfig;
use crate::shape::Blob;
use crate::{enumeration, structure, union};

structure! {
    /// An image.
    pub struct ImageBlock {
        required {
            /// The format of the bytes.
            format: ImageFormat = "format",
            /// Where the bytes are.
            source: ImageSource = "source",
        }
        optional {
            /// Why the image could not be made or read; only in responses.
            error: ErrorBlock = "error",
        }
    }
}

enumeration! {
    /// The formats of images.
    pub enum ImageFormat {
        /// PNG.
        Png = "png",
        /// JPEG.
        Jpeg = "jpeg",
        /// GIF.
        Gif = "gif",
        /// WebP.
        Webp = "webp",
    }
}

union! {
    /// Where an image is.
    pub enum ImageSource {
        /// Here: the bytes of the file, at least one.
        Bytes(Blob) = "bytes" from,
        /// In S3, for the models that read from there.
        S3Location(S3Location) = "s3Location" from,
    }
}

structure! {
    /// A document.
    pub struct DocumentBlock {
        required {
            /// The name by which the model knows the document, of 1 to 200 characters: letters, digits,
            /// hyphens, parentheses, square brackets and single spaces. The model reads the name, so a
            /// neutral one is safer than one that a stranger chose.
            name: String = "name",
            /// Where the content is.
            source: DocumentSource = "source",
        }
        optional {
            /// The format of the bytes. Not needed for text.
            format: DocumentFormat = "format",
            /// What the model should know about the document when it cites it.
            context: String = "context",
            /// Whether the model is to cite the document.
            citations: CitationsConfig = "citations",
        }
    }
}

enumeration! {
    /// The formats of documents.
    pub enum DocumentFormat {
        /// PDF.
        Pdf = "pdf",
        /// Comma-separated values.
        Csv = "csv",
        /// Word, before 2007.
        Doc = "doc",
        /// Word.
        Docx = "docx",
        /// Excel, before 2007.
        Xls = "xls",
        /// Excel.
        Xlsx = "xlsx",
        /// HTML.
        Html = "html",
        /// Plain text.
        Txt = "txt",
        /// Markdown.
        Md = "md",
    }
}

union! {
    /// Where the content of a document is.
    pub enum DocumentSource {
        /// Here: the bytes of the file, at least one.
        Bytes(Blob) = "bytes" from,
        /// In S3, for the models that read from there.
        S3Location(S3Location) = "s3Location" from,
        /// Here, as plain text.
        Text(String) = "text" from_text,
        /// Here, in chunks that can be cited one by one.
        Content(Vec<DocumentContentBlock>) = "content" from,
    }
}

union! {
    /// A chunk of a document.
    pub enum DocumentContentBlock {
        /// Text.
        Text(String) = "text" from_text,
    }
}

structure! {
    /// A video.
    pub struct VideoBlock {
        required {
            /// The format of the bytes.
            format: VideoFormat = "format",
            /// Where the bytes are.
            source: VideoSource = "source",
        }
    }
}

enumeration! {
    /// The formats of videos.
    pub enum VideoFormat {
        /// Matroska.
        Mkv = "mkv",
        /// `QuickTime`.
        Mov = "mov",
        /// MPEG-4.
        Mp4 = "mp4",
        /// `WebM`.
        Webm = "webm",
        /// Flash video.
        Flv = "flv",
        /// MPEG.
        Mpeg = "mpeg",
        /// MPEG, by its shorter name.
        Mpg = "mpg",
        /// Windows Media.
        Wmv = "wmv",
        /// 3GP.
        ThreeGp = "three_gp",
    }
}

union! {
    /// Where a video is.
    pub enum VideoSource {
        /// Here: the bytes of the file, at least one.
        Bytes(Blob) = "bytes" from,
        /// In S3, for the models that read from there.
        S3Location(S3Location) = "s3Location" from,
    }
}

structure! {
    /// A piece of audio.
    pub struct AudioBlock {
        required {
            /// The format of the bytes.
            format: AudioFormat = "format",
            /// Where the bytes are.
            source: AudioSource = "source",
        }
        optional {
            /// Why the audio could not be made or read; only in responses.
            error: ErrorBlock = "error",
        }
    }
}

enumeration! {
    /// The formats of audio.
    pub enum AudioFormat {
        /// MP3.
        Mp3 = "mp3",
        /// Opus.
        Opus = "opus",
        /// WAV.
        Wav = "wav",
        /// AAC.
        Aac = "aac",
        /// FLAC.
        Flac = "flac",
        /// MPEG-4.
        Mp4 = "mp4",
        /// Ogg.
        Ogg = "ogg",
        /// Matroska.
        Mkv = "mkv",
        /// Matroska, audio alone.
        Mka = "mka",
        /// AAC, by its older name.
        XAac = "x-aac",
        /// MPEG-4, audio alone.
        M4a = "m4a",
        /// MPEG.
        Mpeg = "mpeg",
        /// MPEG, audio alone.
        Mpga = "mpga",
        /// Samples without a container.
        Pcm = "pcm",
        /// `WebM`.
        Webm = "webm",
    }
}

union! {
    /// Where a piece of audio is.
    pub enum AudioSource {
        /// Here: the bytes of the file, at least one.
        Bytes(Blob) = "bytes" from,
        /// In S3, for the models that read from there.
        S3Location(S3Location) = "s3Location" from,
    }
}

structure! {
    /// An object in S3.
    pub struct S3Location {
        required {
            /// `s3://bucket/key`, in at most 1024 characters.
            uri: String = "uri",
        }
        optional {
            /// The account that owns the bucket, in 12 digits, if it is not the caller's.
            bucket_owner: String = "bucketOwner",
        }
    }
}

structure! {
    /// Why a piece of content could not be made or read.
    pub struct ErrorBlock {
        optional {
            /// A message for people.
            message: String = "message",
        }
    }
}

structure! {
    /// A [cache point](https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html): everything
    /// in the request before it is cached, or read from the cache. The [default](Self::default) lasts
    /// as long as the model's cache, usually five minutes.
    pub struct CachePointBlock {
        required {
            /// The kind of cache point.
            kind: CachePointType = "type",
        }
        optional {
            /// How long the content stays in the cache after its last use.
            ttl: CacheTtl = "ttl",
        }
    }
}

impl Default for CachePointBlock {
    fn default() -> Self {
        Self::new(CachePointType::Default)
    }
}

enumeration! {
    /// The kinds of cache point.
    pub enum CachePointType {
        /// The only one.
        Default = "default",
    }
}

enumeration! {
    /// How long content stays in the cache after its last use.
    #[doc(alias = "CacheTTL")]
    pub enum CacheTtl {
        /// Five minutes.
        FiveMinutes = "5m",
        /// One hour. Writing costs more.
        OneHour = "1h",
    }
}

union! {
    /// A model's reasoning before its response. In a conversation with tools, send it back unchanged.
    pub enum ReasoningContentBlock {
        /// In plain text.
        ReasoningText(ReasoningTextBlock) = "reasoningText" from,
        /// Encrypted by the provider for safety. Only the model can read it.
        RedactedContent(Blob) = "redactedContent" from,
    }
}

structure! {
    /// A model's thoughts in plain text.
    pub struct ReasoningTextBlock {
        required {
            /// The thoughts.
            text: String = "text",
        }
        optional {
            /// Proves that the text is the model's. Send text and signature back unchanged.
            signature: String = "signature",
        }
    }
}

structure! {
    /// Something that a search found, for the model to read and to cite.
    pub struct SearchResultBlock {
        required {
            /// Where it was found: a URL or another name.
            source: String = "source",
            /// Its title.
            title: String = "title",
            /// Its text, in chunks that can be cited one by one.
            content: Vec<SearchResultContentBlock> = "content",
        }
        optional {
            /// Whether the model is to cite it.
            citations: CitationsConfig = "citations",
        }
    }
}

structure! {
    /// A chunk of a search result.
    pub struct SearchResultContentBlock {
        required {
            /// The text.
            text: String = "text",
        }
    }
}
