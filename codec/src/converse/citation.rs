//! Citations: the source that a piece of a response relies on, and the place in it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{structure, union};

structure! {
    /// Whether a model is to cite a source.
    pub struct CitationsConfig {
        required {
            /// Whether it is.
            enabled: bool = "enabled",
        }
    }
}

structure! {
    /// Text of a response, with its sources.
    ///
    /// See the [API's page](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CitationsContentBlock.html).
    pub struct CitationsContentBlock {
        optional {
            /// The text.
            content: Vec<CitationGeneratedContent> = "content",
            /// The sources.
            citations: Vec<Citation> = "citations",
        }
    }
}

union! {
    /// A piece of a response with sources.
    pub enum CitationGeneratedContent {
        /// Text.
        Text(String) = "text" from_text,
    }
}

structure! {
    /// A source, and where in it.
    pub struct Citation {
        optional {
            /// The title of the document, or another name of it.
            title: String = "title",
            /// The source that the search result named.
            source: String = "source",
            /// The passages that are cited.
            source_content: Vec<CitationSourceContent> = "sourceContent",
            /// Where in the source they are.
            location: CitationLocation = "location",
        }
    }
}

union! {
    /// A passage that is cited.
    pub enum CitationSourceContent {
        /// Text.
        Text(String) = "text" from_text,
    }
}

union! {
    /// Where in a source a passage is.
    pub enum CitationLocation {
        /// On the web.
        Web(WebLocation) = "web" from,
        /// In a document, by characters.
        DocumentChar(DocumentCharLocation) = "documentChar" from,
        /// In a document, by pages.
        DocumentPage(DocumentPageLocation) = "documentPage" from,
        /// In a document, by chunks.
        DocumentChunk(DocumentChunkLocation) = "documentChunk" from,
        /// In a search result, by chunks.
        SearchResultLocation(SearchResultLocation) = "searchResultLocation" from,
    }
}

structure! {
    /// A page on the web.
    pub struct WebLocation {
        optional {
            /// Its URL.
            url: String = "url",
            /// Its domain.
            domain: String = "domain",
        }
    }
}

structure! {
    /// A passage of a document, by characters.
    pub struct DocumentCharLocation {
        optional {
            /// Which of the request's documents, from 0.
            document_index: u32 = "documentIndex",
            /// Its first character.
            start: u32 = "start",
            /// Where it ends.
            end: u32 = "end",
        }
    }
}

structure! {
    /// A passage of a document, by pages.
    pub struct DocumentPageLocation {
        optional {
            /// Which of the request's documents, from 0.
            document_index: u32 = "documentIndex",
            /// Its first page.
            start: u32 = "start",
            /// Where it ends.
            end: u32 = "end",
        }
    }
}

structure! {
    /// A passage of a document, by the chunks that the document was given in.
    pub struct DocumentChunkLocation {
        optional {
            /// Which of the request's documents, from 0.
            document_index: u32 = "documentIndex",
            /// Its first chunk.
            start: u32 = "start",
            /// Where it ends.
            end: u32 = "end",
        }
    }
}

structure! {
    /// A passage of a search result, by the chunks that the result was given in.
    pub struct SearchResultLocation {
        optional {
            /// Which of the request's search results, from 0.
            search_result_index: u32 = "searchResultIndex",
            /// Its first chunk.
            start: u32 = "start",
            /// Where it ends.
            end: u32 = "end",
        }
    }
}
